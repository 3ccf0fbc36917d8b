"""An operator at work on real servers: verbs in and out of place, Ctrl-C, two at once, and what must never be shown."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from looking import Looking
from migrations import NEEDS, WWW, Rig, Said, rig, until

from lbmigrate.lab.process import environment

pytestmark = pytest.mark.real(*NEEDS)


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A ground on which no migration begins; afterwards the zone is as it was."""
    with rig(tmp_path_factory.mktemp("still")) as one:
        before = one.ground.zone()
        yield one
        assert one.ground.zone() == before


@pytest.mark.parametrize("weight", ["-1", "101", "NaN", "25%", "2.5e1", "٢٥", "", "25\x1b[2J"])
def test_what_is_no_weight_is_refused_before_anything_is_read(still: Rig, weight: str) -> None:
    said = still.give("shift", "--weight", weight)
    assert said.code == 2
    assert "is no whole number from 0 to 100" in said.line
    assert "\x1b" not in said.err


@pytest.mark.parametrize("words", ["shift --weight 50", "finish --yes", "rollback --yes", "pause", "resume", "approve"])
def test_before_a_start_there_is_nothing_to_move(still: Rig, words: str) -> None:
    said = still.give(*words.split())
    assert said.code == 6
    assert said.line.endswith("begin one with: lbmigrate start")


@pytest.mark.parametrize("verb", ["finish", "rollback"])
def test_without_a_terminal_what_cannot_be_taken_back_wants_a_yes(still: Rig, verb: str) -> None:
    said = still.give(verb)
    assert said.code == 2
    assert said.line == f"{verb}: no terminal to ask on; give --yes"


def test_looking_and_planning_begin_nothing(still: Rig) -> None:
    digest = next(line for line in still.ok("plan").out.splitlines() if line.startswith("digest: ")).split()[1]
    assert digest in still.ok("start", "--dry-run").out
    for words in ("check", "tick", "status", "history", "run --dry-run", f"start --dry-run --digest {digest}"):
        still.ok(*words.split())
    other = still.give("start", "--digest", "sha256:0")
    assert other.code == 6
    assert digest in other.line
    assert not (still.directory / "journal.db").exists()
    assert still.ground.sides.pid("b") is None


def test_a_secret_that_others_can_read_is_refused(still: Rig) -> None:
    path = still.directory / "tsig.key"
    path.chmod(0o644)
    try:
        said = still.give("start")
    finally:
        path.chmod(0o600)
    assert said.code == 6
    assert str(path) in said.line
    assert still.ground.dns.key.secret not in said.err + said.out


def test_ctrl_c_stops_the_waiting_and_a_tick_goes_on(tmp_path: Path) -> None:
    with rig(tmp_path) as one:
        one.write(soak="2s")
        start = one.begin("start")
        until(lambda: one.served()[0] == sorted([one.a, one.b]), "50 %")
        start.signal(signal.SIGINT)
        said = start.end()
        assert said.code == 130
        assert said.err.splitlines()[-1] == (
            "lbmigrate: stopped waiting; the migration is where it was; go on with: lbmigrate run"
        )
        assert one.served()[0] == sorted([one.a, one.b])
        assert one.give("status", "--exit-code").code == 8
        one.ok("tick", "--for", "30s")
        assert one.status()["phase"] == "done"


def test_two_operators_and_a_run_at_once(tmp_path: Path) -> None:
    with rig(tmp_path) as one:
        one.write(soak="30s")
        begun = one.begin("run")
        until(lambda: one.status()["weight"] == 50, "50 %")
        assert one.give("shift", "--weight", "100").code == 6, "not judged"
        busy = one.give("shift", "--weight", "100", "--force", "--no-wait")
        assert busy.code == 7
        assert busy.line == "another process is at work on this migration; see: lbmigrate status"
        assert "paused at 50 %; next: lbmigrate resume" in one.ok("pause").out
        assert one.status()["phase"] == "paused"
        assert one.ok("tick").out == ""
        assert "would ask for: rollback" in one.ok("rollback", "--dry-run").out
        said = one.ok("rollback", "--yes")
        assert "laboratory: rolled-back" in said.out
        assert "asked: rollback" in said.err
        run = begun.end()
        assert run.code == 0, run.err
        assert one.served() == [[one.a]] * 2


def test_abandon_removes_the_fence_alone_and_says_what_it_leaves(tmp_path: Path) -> None:
    with rig(tmp_path) as one:
        one.at_50()
        held = [line for line in one.records() if line.startswith(WWW)]
        said = one.ok("abandon", "--yes")
        assert f"left as it is: {WWW} A {one.a} {one.b} ttl 1" in said.out
        assert "left running: B" in said.out
        assert one.fence() == ""
        assert [line for line in one.records() if line.startswith(WWW)] == held
        assert one.ground.sides.pid("b") is not None


def test_somebody_who_resets_the_records_again_and_again_is_met_with_drift_each_time(tmp_path: Path) -> None:
    with rig(tmp_path) as one:
        one.at_50().write(soak="1m")
        for again in ("", " for the 2. time: somebody owns this"):
            one.edit(lambda message: message.replace(WWW, 1, "A", one.a))
            zone = one.ground.zone()
            said = one.give("tick", "--for", "2s")
            assert said.code == 5
            assert said.line.startswith(f"somebody else changed what we own{again}: {WWW} holds A {one.a} ")
            assert one.ground.zone() == zone
            one.ok("resume", "--restore")
            assert one.served()[0] == sorted([one.a, one.b])


# ---------------------------------------------------------------- what must never be shown


class Processes(Looking):
    """Every command line that any process had while it was watched."""

    every = 0.03

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[bytes] = set()

    def look(self) -> None:
        """Once."""
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                self.seen.add(Path(f"/proc/{name}/cmdline").read_bytes())
            except OSError:
                continue  # it has ended since it was listed


def test_the_secret_is_in_no_output_no_journal_no_file_of_b_and_no_command_line(tmp_path: Path) -> None:
    with rig(tmp_path) as one, Processes() as processes:
        canary = one.ground.dns.key.secret
        one.env = {"CANARY": canary, "LBMIGRATE_DEBUG": "1"}
        one.before = "import os; os.umask(0)"
        one.entry(tsig={**one.config["dns"][0]["tsig"], "secret": "env:CANARY"})
        said: list[Said] = [
            one.give("-v", *words.split()) for words in ("check", "plan", "start", "shift --weight 100")
        ]
        without_secret(one)
        assert canary.encode() not in Path(f"/proc/{one.ground.sides.pid('b')}/environ").read_bytes()
        said += [one.give(*words.split()) for words in ("status --undo", "-o json status", "history", "rollback --yes")]
        assert [one.code for one in said] == [0] * 8
        assert {path: oct(path.stat().st_mode) for path in files(tmp_path) if path.stat().st_mode & 0o077} == {}
        said += wrong_secret(one, canary)
        shown = "".join(text for one in said for text in (one.out, one.err))
        kept = b"".join(path.read_bytes() for path in files(tmp_path))
    assert "SECRET is env:CANARY" in shown, "the reference is"
    assert canary not in shown
    assert canary.encode() not in kept
    assert any(b"lbmigrate" in line for line in processes.seen)
    assert not any(canary.encode() in line for line in processes.seen)


def without_secret(one: Rig) -> None:
    """A command that lacks the secret ends at once, and what it lacks is no reason to hold for those that have it."""
    right, phase = one.env, one.status()["phase"]
    one.env = {}
    for words in ("tick --for 1s", "run"):
        said = one.give(*words.split())
        assert (said.code, said.line) == (2, "secret env:CANARY: the variable is not set; export CANARY and try again")
    assert one.status()["phase"] == phase != "held"
    one.env = right


def wrong_secret(one: Rig, canary: str) -> list[Said]:
    """A secret that cannot be used ends a command with one line, or the traceback asked for, not with its text."""
    one.env = {"CANARY": canary + "!"}
    said = one.give("check")
    assert said.code
    argv = (sys.executable, "-m", "lbmigrate", "-c", str(one.ground.config), "check")
    env = {**environment(), **one.env, "LBMIGRATE_DEBUG": "1"}
    traced = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert "Traceback" in traced.stderr
    return [said, Said(traced.returncode, traced.stdout, traced.stderr)]


def files(directory: Path) -> list[Path]:
    """All that lbmigrate has written."""
    return [directory / "journal.db", *(path for path in (directory / "b").iterdir() if path.is_file())]
