"""What a running verb prints: one line per event, and the present wait: what for, and until when where that is known.

On a terminal the wait is one line that changes; elsewhere at most one line a second, when it says something new.
"""

import json
import os
import sys
import time

from lbmigrate.decide import SLICE
from lbmigrate.echo import echo
from lbmigrate.events import Entry, Saw
from lbmigrate.fold import State
from lbmigrate.render import entry_json, entry_text
from lbmigrate.words import clock, safe, span

AGAIN = 10.0  # seconds after which an unchanged wait is said again where there is no terminal
SELDOM = 60.0  # and after which one is that nobody knows the end of, or that is far away


class Progress:
    """Takes what the engine tells. JSON Lines go to stdout; lines for people to stderr."""

    def __init__(self, as_json: bool, quiet: bool, verbose: int) -> None:
        self._json, self._quiet, self._verbose = as_json, quiet, verbose
        self._live = sys.stderr.isatty() and not quiet
        self._open = False
        self._last: tuple[str, float] = ("", 0.0)

    def tell(self, entry: Entry, state: State) -> None:
        """One new journal entry."""
        if self._json:
            echo(json.dumps(entry_json(entry, state)))
            sys.stdout.flush()
        text = entry_text(entry, state)
        if self._quiet or not text or (isinstance(entry.event, Saw) and not self._verbose):
            return
        self._clear()
        echo(f"{clock(entry.at)} {text}", err=True)

    def waiting(self, state: State, until: float, why: str) -> None:
        """The wait that begins now: until when at the latest, and what for."""
        if self._quiet or not why:
            return
        text = f"{clock(time.time())} {told(state, until, safe(why))}"
        if self._live:
            self._clear()
            echo(_fitting(text), err=True, nl=False)
            self._open = True
            return
        what = state.hold.cause if state.hold else why.partition(":")[0]  # the evidence so far is no news
        said, at = self._last
        now = time.monotonic()
        near = state.hold is None and until != state.at + SLICE and until - state.at < 2 * SELDOM
        if (what != said and now - at >= 1.0) or now - at >= (AGAIN if near else SELDOM):
            self._last = (what, now)
            echo(text, err=True)

    def _clear(self) -> None:
        if self._open:
            echo("\r\x1b[2K", err=True, nl=False)
            self._open = False

    def close(self) -> None:
        """Leave the terminal's line clean."""
        self._clear()


def told(state: State, until: float, why: str) -> str:
    """What is waited for, and until when; of a hold when it is no longer waited for."""
    at = f"(weight {state.weight} %)"
    if state.hold and state.hold.for_good:
        return f"held until resumed {at}: {why}"
    if state.hold:
        return f"held until its cause is gone, or {clock(state.hold.at + state.soft.soak_limit)} {at}: {why}"
    if until == state.at + SLICE:
        return f"waiting for {why} {at}"
    return f"waiting for {why}, {span(max(0.0, until - state.at))} to go {at}"


def _fitting(text: str) -> str:
    """As much of it as one line of the terminal holds: of a line that wraps only the last part could be taken back."""
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        columns = 80
    return text if len(text) < columns else f"{text[: columns - 2]}…"
