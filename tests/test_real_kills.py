"""Whole migrations killed by SIGKILL: at system calls that write, and around an intent, a message and an answer."""

from collections.abc import Callable
from pathlib import Path

import pytest
from killed import KILLED, explore, fences, judge_journal
from migrations import NEEDS, Rig, Under, rig, tapped
from taps import is_update

KILLS, SEED = 50, 2136
# Within lbmigrate, before it begins: the journal's entry of that kind about weight 50 is the last thing that it does.
FAILPOINT = """
import os
from lbmigrate.journal.sqlite import SqliteJournal
from lbmigrate.plan import Write

append = SqliteJournal.append

def dying(journal, n, at, by, event):
    ours = type(event).__name__ == {kind!r} and isinstance(event.step, Write) and event.step.weight == 50
    if ours and {early}:
        os.kill(os.getpid(), 9)
    done = append(journal, n, at, by, event)
    if ours:
        os.kill(os.getpid(), 9)
    return done

SqliteJournal.append = dying
"""


@pytest.mark.long
@pytest.mark.real(*NEEDS, "strace")
def test_killed_at_system_calls_that_write_the_next_tick_goes_on(
    tmp_path_factory: pytest.TempPathFactory, shown: Callable[[str], None]
) -> None:
    # A short place: the path of a socket has at most 97 bytes (HAProxy 2.6).
    found = explore(tmp_path_factory.mktemp("k"), KILLS, SEED)
    shown(found.line())
    assert not found.broken, "\n".join(found.broken)
    assert len(found.hits) >= KILLS


def dying(one: Rig, kind: str, early: bool, verb: str) -> None:
    """A command that kills itself before (`early`) or after it writes down that kind of entry about weight 50."""
    failpoint = one.directory / "failpoint.py"
    failpoint.write_text(FAILPOINT.format(kind=kind, early=early))
    one.before = f"exec(open({str(failpoint)!r}).read())"
    said = one.give(verb)
    one.before = "pass"
    assert said.code == KILLED, said.err


@pytest.mark.real(*NEEDS)
def test_killed_around_intent_message_and_answer_the_same_message_takes_once(tmp_path: Path) -> None:
    with rig(tmp_path) as one, tapped(one) as tap:
        dying(one, "Began", True, "run")
        assert (len(tap.updates()), one.served()) == (1, [[one.a]] * 2), "before the intent: the claim alone"
        dying(one, "Began", False, "tick")
        assert (len(tap.updates()), one.served()) == (1, [[one.a]] * 2), "after the intent, before sending"
        begun: list[Under] = []

        def answered(wire: bytes) -> bytes:
            if is_update(wire):
                begun[0].signal(-KILLED)
                return b""
            return wire

        tap.treat = answered
        begun.append(one.begin("tick"))
        assert begun[0].end().code == KILLED, "after sending, before the answer"
        tap.treat = lambda wire: wire
        dying(one, "Ended", True, "tick")
        assert len(tap.updates()) == 2, "after the answer, before the outcome: read back, not sent again"
        one.ok("tick")
        judge_journal(one)
        numbers = fences(tap.updates())
        assert len(tap.updates()) == 4
        assert numbers == sorted(set(numbers))
