"""What a wait looks like while it lasts: on a terminal, and line by line elsewhere."""

import os
import sys
from typing import Any

import pytest
from states import NOW, at, soft

from lbmigrate import progress
from lbmigrate.decide import SLICE
from lbmigrate.fold import Standing, State
from lbmigrate.plan import Soak
from lbmigrate.progress import Progress, told
from lbmigrate.words import clock

HELD = at(Soak(50), hold=Standing("a-bad", "A fails", NOW - 100, False), soft=soft(soak_limit=700.0))
TOLD: list[tuple[State, float, str]] = [
    (at(Soak(50)), NOW + 42, "waiting for x, 42 s to go (weight 50 %)"),
    (at(Soak(50)), NOW - 1, "waiting for x, 0.0 s to go (weight 50 %)"),
    (at(Soak(50)), NOW + SLICE, "waiting for x (weight 50 %)"),
    (HELD, NOW + SLICE, f"held until its cause is gone, or {clock(NOW + 600)} (weight 50 %): x"),
    (HELD, NOW + 0.5, f"held until its cause is gone, or {clock(NOW + 600)} (weight 50 %): x"),
    (at(Soak(50), hold=Standing("drift", "", NOW, True)), NOW + SLICE, "held until resumed (weight 50 %): x"),
]


@pytest.mark.parametrize(("state", "until", "text"), TOLD)
def test_a_wait_says_what_for_and_until_when_where_that_is_known(state: State, until: float, text: str) -> None:
    assert told(state, until, "x") == text


class Time:
    """Seconds go by between two slices."""

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at

    def time(self) -> float:
        return NOW


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    one = Time()
    monkeypatch.setattr(progress, "time", one)
    return one


def said(time: Time, capsys: pytest.CaptureFixture[str], state: State, until: float | None, why: str) -> int:
    """How many lines ten minutes of one wait take, looked at every five seconds; `until` None: nobody knows."""
    shown = Progress(False, False, 0)
    for _ in range(120):
        shown.waiting(state, state.at + SLICE if until is None else until, why)
        time.at += SLICE
    err = capsys.readouterr().err
    assert "\x1b" not in err
    return len(err.splitlines())


def test_elsewhere_a_wait_is_said_seldom_unless_its_end_is_near(time: Time, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(time, capsys, HELD, None, "A fails") == 10
    assert said(time, capsys, at(Soak(50)), None, "evidence: 3.1 of 20") == 10
    assert said(time, capsys, at(Soak(50)), NOW + 9000, "caches to turn") == 10
    assert said(time, capsys, at(Soak(50)), NOW + 30, "caches to turn") == 60


def test_elsewhere_another_wait_is_said_at_once_but_not_the_same_with_other_numbers(
    time: Time, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Progress(False, False, 0)
    for why in ("a fresh look", "evidence: 1.0 of 20", "evidence: 2.0 of 20", "caches to turn", ""):
        shown.waiting(at(Soak(50)), NOW + SLICE, why)
        time.at += 2
    assert [line.split(" (")[0][9:] for line in capsys.readouterr().err.splitlines()] == [
        "waiting for a fresh look", "waiting for evidence: 1.0 of 20", "waiting for caches to turn",
    ]  # fmt: skip


@pytest.mark.parametrize(("columns", "fits"), [(200, True), (40, False)])
def test_on_a_terminal_it_is_one_line_that_changes_and_never_wraps(
    time: Time, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int, fits: bool
) -> None:
    del time
    size = os.terminal_size((columns, 24))
    patch: Any = monkeypatch.setattr
    patch(sys.stderr, "isatty", lambda: True)
    patch(sys.stderr, "fileno", lambda: 2)
    patch(os, "get_terminal_size", lambda _: size)
    shown = Progress(False, False, 0)
    for _ in range(3):
        shown.waiting(HELD, NOW + SLICE, "a cause of\x1b[2J fifty letters that goes on and on and on")
    shown.close()
    first, *others, last = capsys.readouterr().err.split("\r\x1b[2K")
    assert set(others) == {first}
    assert last == ""
    assert len(first) < columns
    assert first.isprintable()
    assert first.endswith("on and on") is fits
    assert first.endswith("…") is not fits


def test_a_terminal_whose_width_nobody_knows_has_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: int) -> os.terminal_size:
        raise OSError

    monkeypatch.setattr(os, "get_terminal_size", none)
    assert len(progress._fitting("x" * 100)) == 79
