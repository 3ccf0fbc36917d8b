"""The clock jumps in mid-migration, or the machine was asleep: real servers, commands whose clock the test sets."""

import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from migrations import NEEDS, SCENARIO, Rig, Under, rig, until

from lbmigrate.lab.process import write_private
from lbmigrate.value import replace

pytestmark = pytest.mark.real(*NEEDS)
DAY, HOUR = 86400, 3600
OLD_TTL = 120  # seconds: no test waits until it has passed
PROVEN = "done: prove that B answers as A does"
BADTIME = r"rejected \(BADTIME\), this machine's clock is {} s {} the server's; set the clocks \(NTP\)"
OFF = {
    "three days ahead": (3 * DAY, BADTIME.format("(2592..|25919.)", "ahead of")),
    "two hours behind": (-2 * HOUR, BADTIME.format("7[12]..", "behind")),
    "100 s ahead": (100, r"this clock and the primary's differ by \+(9|10|11)[0-9] s; no wait is shortened"),
}


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Rig]:
    """The TTL has been lowered; caches may hold the old one for two minutes."""
    with rig(tmp_path, replace(SCENARIO, ttl=OLD_TTL), watched=False, soak_limit="1s") as one:
        one.off(0)
        one.ok("start", "--no-wait")
        yield one


@pytest.mark.parametrize("how", OFF)
def test_a_clock_that_is_off_holds_with_its_witness_and_shortens_no_wait(how: str, waiting: Rig) -> None:
    one, (seconds, said_of_it) = waiting, OFF[how]
    turns = one.status()["caches_turn_at"]
    one.off(seconds)
    said = one.give("run")
    assert said.code == 4, said.err
    assert said.line.startswith("held at 0 %: ")
    assert f"{one.ground.dns.primary}" in said.line or "the primary's" in said.line, "the witness is named"
    assert re.search(said_of_it, said.line), said.line
    shown = one.ok("status").out + one.ok("-o", "json", "status").out
    assert not re.search(r"(?<![\w.])-\d+(\.\d+)? (s|min|h)\b(?!; no wait)", shown), shown
    assert one.served() == [[one.a]] * 2
    one.off(0)
    one.ok("resume")
    assert one.give("tick", "--for", "1s").code == 0
    assert not [text for text in one.texts() if text.startswith("passed")], "no wait was shortened"
    assert one.status()["caches_turn_at"] == turns


def test_a_clock_that_jumps_under_a_command_at_work_holds_it_too(tmp_path: Path) -> None:
    with rig(tmp_path, watched=False, soak_limit="1s") as one:
        one.off(0)
        one.at_50().write(soak="10m")
        run = one.begin("run")
        until(lambda: "waiting for the soak" in one.ok("status").out or one.status()["watched_seconds"], "the soak")
        one.off(3 * DAY)
        said = run.end()
        assert said.code == 4, said.err
        assert re.search(OFF["three days ahead"][1], said.line), said.line
        assert one.served() == [sorted((one.a, one.b))] * 2, "ten minutes of soak have not been watched"


# ---------------------------------------------------------------- asleep


@contextmanager
def unsigned(directory: Path, ttl: int) -> Iterator[Rig]:
    """No key: the hours do not pass for BIND, whose signed clock would be a witness that they have not."""
    with rig(directory, replace(SCENARIO, ttl=ttl), watched=False, soak_limit="30s") as one:
        process = one.ground.dns.processes["primary"]
        path = Path(process.argv[-1])
        write_private(path, re.sub(r"(allow-update|allow-transfer) {[^}]*}", r"\1 { any; }", path.read_text()))
        process.kill(signal.SIGHUP)
        process.wait(lambda: "reloading zones succeeded" in process.output())
        one.write(dns=[{key: text for key, text in one.config["dns"][0].items() if key != "tsig"}])
        one.off(0)
        yield one


def sleeps(one: Rig, run: Under, dies: bool = False) -> float:
    """A command stands still for eight hours, in which B may die; the moment of waking, by its clock."""
    run.signal(signal.SIGSTOP)
    one.off(8 * HOUR)
    if dies:
        one.ground.sides.kill("b")
    run.signal(signal.SIGCONT)
    return time.time() + 8 * HOUR


def looks(one: Rig, since: float) -> list[dict[str, Any]]:
    """What was seen after that moment."""
    seen = [entry for entry in one.history() if entry["event"] == "Saw"]
    return [entry for entry in seen if datetime.fromisoformat(entry["at"]).timestamp() > since]


def test_after_a_night_asleep_a_weight_moves_on_a_look_of_now(tmp_path: Path) -> None:
    with unsigned(tmp_path, OLD_TTL) as one:
        run = one.begin("run")
        until(lambda: PROVEN in one.texts(), PROVEN)
        woke = sleeps(one, run)
        assert run.end().code == 0, "the night counts for caches"
        begun = next(entry["seq"] for entry in one.history() if entry["text"] == "begin: weight 50")
        assert [entry for entry in looks(one, woke) if entry["seq"] < begun], "and not for B"
        assert one.served() == [[one.b]] * 2


def test_after_a_night_asleep_a_b_that_died_in_it_gets_no_traffic(tmp_path: Path) -> None:
    with unsigned(tmp_path, OLD_TTL) as one:
        run = one.begin("run")
        until(lambda: PROVEN in one.texts(), PROVEN)
        sleeps(one, run, dies=True)
        said = run.end()
        assert said.code == 3, said.err
        assert "B is bad" in said.line
        assert "begin: weight 50" not in one.texts()
        assert one.served() == [[one.a]] * 2


def test_a_night_asleep_is_no_evidence(tmp_path: Path) -> None:
    """Four hours of soak are four hours watched."""
    with unsigned(tmp_path, 1) as one:
        one.write(soak="4h")
        run = one.begin("run")
        until(lambda: one.status()["watched_seconds"] and one.status()["weight"] == 50, "the soak")
        woke = sleeps(one, run)
        until(lambda: len(looks(one, woke)) > 1, "a look after the night")
        status = one.status()
        assert (status["phase"], status["weight"]) == ("soaking", 50)
        assert status["watched_seconds"] < HOUR
        run.signal(signal.SIGINT)
        assert run.end().code == 130
