"""Whole migrations on BIND and two HAProxies: turned back at any stage, killed at any moment, many at work at once."""

import random
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import dns.message
import dns.rcode
import pytest
from migrations import NEEDS, SCENARIO, Rig, Under, rig, tapped, until
from taps import is_update, send

from lbmigrate.events import Began, Ended
from lbmigrate.journal import connect
from lbmigrate.lab.scenario import Clients
from lbmigrate.plan import StandUp, Stop, Write
from lbmigrate.value import replace

pytestmark = pytest.mark.real(*NEEDS)


def fences(wires: list[bytes]) -> list[int]:
    """The fence's number that each message writes, in the order sent; those that remove the fence have none."""
    found = []
    for wire in wires:
        updates = dns.message.from_wire(wire, keyring=False, ignore_trailing=True).sections[2]
        text = " ".join(str(rrset) for rrset in updates)
        found += [int(number) for number in re.findall(r"n=(\d+)", text)]
    return found


# ---------------------------------------------------------------- rollback at any stage


def claimed(one: Rig) -> None:
    one.ok("start", "--no-wait")
    assert one.status()["weight"] == 0
    assert one.fence()


def at_50(one: Rig) -> None:
    one.at_50()


def shifting(one: Rig) -> Under:
    """The write of 100 is served, its stage has not been judged, and its command is still at work."""
    one.at_50()
    shift = one.begin("shift", "--weight", "100")
    until(lambda: one.served()[0] == [one.b], "the shift to 100")
    return shift


def at_100(one: Rig) -> None:
    one.at_50().ok("shift", "--weight", "100")


def at_0_again(one: Rig) -> None:
    """The records already look right; the fence does not."""
    one.at_50().ok("shift", "--weight", "0")


def draining(one: Rig) -> Under:
    at_100(one)
    one.write(retire={"idle_for": "30s", "limit": "60s"})
    finish = one.begin("finish", "--yes")
    until(lambda: one.status()["phase"] == "draining" and "finish" in str(one.texts()), "draining")
    return finish


STAGES: dict[str, Callable[[Rig], Under | None]] = {
    "claimed": claimed, "at 50": at_50, "shifting": shifting,
    "at 100": at_100, "at 0 again": at_0_again, "draining": draining,
}  # fmt: skip


@pytest.mark.parametrize("stage", STAGES)
def test_rollback_leaves_the_zone_as_it_was_and_no_replay_changes_it(stage: str, tmp_path: Path) -> None:
    with rig(tmp_path) as one, tapped(one) as tap:
        before = one.ground.zone()
        beside = STAGES[stage](one)
        one.write(retire={"idle_for": "1s", "limit": "30s"})
        said = one.ok("rollback", "--yes")
        assert "laboratory: rolled-back" in said.out
        if beside:
            assert beside.end().code == 0
        after = one.ground.zone()
        assert without_serial(after) == without_serial(before)
        assert one.served() == [[one.a]] * 2
        assert one.ground.sides.pid("b") is None
        updates = tap.updates()
        assert len(updates) >= 2, "at least the claim and the restoring"
        codes = {dns.rcode.from_flags(int.from_bytes(send(one.port, wire)[2:4], "big"), 0) for wire in updates * 2}
        assert codes <= {dns.rcode.NXRRSET, dns.rcode.YXRRSET}
        assert one.ground.zone() == after, "the serial included"


def without_serial(zone: list[str]) -> list[str]:
    """The zone with the SOA's serial (RFC 1035 section 3.3.13) left out."""
    return [re.sub(r"( SOA \S+ \S+) \d+", r"\1", line) for line in zone]


# ---------------------------------------------------------------- killed at any moment


class Observer:
    """What was true of the world, every few milliseconds: B's weight as served, and A gone only once out of DNS."""

    def __init__(self, one: Rig) -> None:
        self._rig = one
        self.weights: list[int] = []
        self.broken: list[str] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Observer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(0.02):
            gone = self._rig.ground.sides.pid("a") is None
            served = self._rig.served()
            if gone and any(self._rig.a in answer for answer in served):
                self.broken.append(f"A is gone, and {served} still names it")
            weight = round(100 * served[0].count(self._rig.b) / len(served[0]))
            if not self.weights or self.weights[-1] != weight:
                self.weights.append(weight)


def killed(one: Rig, moments: list[float]) -> int:
    """Begin the migration and kill whoever works on it at these moments, in seconds since the journal's beginning."""
    command, kills = one.begin("run"), 0
    until((one.directory / "journal.db").exists, "the journal")
    began = time.monotonic()
    for moment in moments:
        time.sleep(max(0.0, began + moment - time.monotonic()))  # the moment is what is random here
        kills += command.alive()
        command.signal(9)
        command.end()
        command = one.begin("tick")
    said = command.end()
    assert said.code == 0, said.err
    return kills


KILLS, SECONDS = 5, 9.0  # the waits alone take 8 s, five new starts of Python more than one


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_five_random_moments_the_next_tick_goes_on(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    moments = [(number + chance.random()) * SECONDS / KILLS for number in range(KILLS)]
    people = Clients(rate=40, clients=20, stretchers=0.0, requests_per_connection=5)
    scenario = replace(SCENARIO, clients=people)
    with rig(tmp_path, scenario, watched=False, soak="1500ms") as one, tapped(one) as tap:
        before = one.records()
        one.ground.begin()
        with Observer(one) as seen:
            kills = killed(one, moments)
        assert kills == KILLS, "a kill came after the end: the moments are too late"
        assert seen.broken == []
        assert seen.weights == [0, 50, 100]
        assert one.records() == [line.replace(one.a, one.b) for line in before]
        numbers = fences(tap.updates())
        assert numbers == sorted(numbers)
        judge_journal(one)
        clients, summary = one.ground.end_clients()[-1]["summary"], one.ground.end_watch()
        assert (clients["failed"], summary.clean) == (0, True)
        assert clients["ok"] > 100


def judge_journal(one: Rig) -> None:
    """One intent and one good end for each effect of the plan, in its order; the chain holds."""
    assert one.status()["phase"] == "done"
    assert "every one follows" in one.ok("history", "--verify").out
    journal = connect(f"sqlite:{one.ground.place.directory / 'journal.db'}")
    events = [entry.event for entry in journal.read(whole=True)]
    journal.close()
    done = [event.step for event in events if isinstance(event, Ended) and event.result == "done"]
    writes = [(step.target, step.weight) for step in done if isinstance(step, Write)]
    assert writes == [("claim", 0), ("weight", 50), ("weight", 100), ("release", 0)]
    assert [step for step in done if isinstance(step, Stop | StandUp)] == [StandUp(), Stop("a")]
    assert sum(isinstance(event, Began) for event in events) == len(done)


# ---------------------------------------------------------------- messages late, lost, doubled; many at once


def test_an_answer_lost_after_it_was_applied_is_read_back_and_never_sent_again(tmp_path: Path) -> None:
    with rig(tmp_path) as one, tapped(one) as tap:
        one.at_50()
        sent = len(tap.updates())
        eaten: list[bytes] = []

        def eat(answer: bytes) -> bytes:
            if is_update(answer) and not eaten:
                eaten.append(answer)
                return b""
            return answer

        tap.treat = eat
        one.ok("shift", "--weight", "100")
        assert eaten
        assert len(tap.updates()) == sent + 1
        assert one.served() == [[one.b]] * 2


def test_a_message_held_back_past_a_rollback_is_refused_and_its_process_stands_down(tmp_path: Path) -> None:
    with rig(tmp_path) as one, tapped(one) as tap:
        before = one.records()
        one.at_50()
        release, held = threading.Event(), threading.Event()

        def hold(wire: bytes) -> bool:
            if is_update(wire) and not held.is_set():
                held.set()
                release.wait(60)
            return True

        tap.deliver = hold
        shift = one.begin("shift", "--weight", "100")
        until(held.is_set, "the shift's message")
        shift.signal(19)  # SIGSTOP: alive, and silent for longer than its lease
        one.ok("rollback", "--yes")
        assert one.records() == before
        release.set()
        shift.signal(18)
        said = shift.end()
        assert said.code == 0
        assert "laboratory: rolled-back" in said.out
        assert one.records() == before
        assert one.served() == [[one.a]] * 2


def test_each_message_delivered_twice_takes_once(tmp_path: Path) -> None:
    with rig(tmp_path) as one, tapped(one) as tap:
        before = one.records()

        def twice(wire: bytes) -> bool:
            if is_update(wire):
                send(one.port, wire)
            return True

        tap.deliver = twice
        one.ok("run")
        assert one.records() == [line.replace(one.a, one.b) for line in before]
        judge_journal(one)


def test_fifty_ticks_at_once_make_one_write_and_all_exit_0(tmp_path: Path) -> None:
    with rig(tmp_path) as one, tapped(one) as tap:
        one.at_50().write(soak="1m")
        sent = len(tap.updates())
        ticks = [one.begin("-q", "tick", "--for", "12s") for _ in range(50)]
        said = [tick.end() for tick in ticks]
        assert [one.code for one in said] == [0] * 50
        assert {one.err for one in said} == {""}
        assert len(tap.updates()) == sent + 1
        assert one.served() == [[one.b]] * 2
