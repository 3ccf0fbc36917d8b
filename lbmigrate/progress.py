"""What a running verb prints: one line per event, and the present wait with its time to go.

On a terminal the wait is one line that changes; elsewhere at most one line a second, when it says something new.
"""

import json
import sys
import time

import click

from lbmigrate.events import Entry, Saw
from lbmigrate.fold import State
from lbmigrate.render import clock, entry_json, entry_text, span

AGAIN = 10.0  # seconds after which an unchanged wait is said again where there is no terminal


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
            click.echo(json.dumps(entry_json(entry, state), ensure_ascii=False))
            sys.stdout.flush()
        text = entry_text(entry, state)
        if self._quiet or not text or (isinstance(entry.event, Saw) and not self._verbose):
            return
        self._clear()
        click.echo(f"{clock(entry.at)} {text}", err=True)

    def waiting(self, state: State, until: float, why: str) -> None:
        """The wait that begins now: until when at the latest, and what for."""
        if self._quiet or not why:
            return
        left = max(0.0, until - state.at)
        text = f"waiting for {why}, {span(left)} to go (weight {state.weight} %)"
        if self._live:
            self._clear()
            click.echo(f"{clock(time.time())} {text}", err=True, nl=False)
            self._open = True
            return
        said, at = self._last
        now = time.monotonic()
        if (why != said and now - at >= 1.0) or now - at >= AGAIN:
            self._last = (why, now)
            click.echo(f"{clock(time.time())} {text}", err=True)

    def _clear(self) -> None:
        if self._open:
            click.echo("\r\x1b[2K", err=True, nl=False)
            self._open = False

    def close(self) -> None:
        """Leave the terminal's line clean."""
        self._clear()
