"""The journal: an append-only list of numbered events. `append number n, if it is not there yet` is all of it."""

from collections.abc import Callable
from typing import Protocol

from lbmigrate.errors import JournalError
from lbmigrate.events import Entry, Event


class Journal(Protocol):
    """A store of entries. Raises JournalError for what cannot be read or written."""

    def read(self, after: int = 0, whole: bool = False) -> list[Entry]:
        """Entries numbered above `after`; unless `whole`, without a Saw that another Saw follows (its sums go on)."""

    def append(self, n: int, at: float, by: str, event: Event) -> bool:
        """Append entry number n durably; False when n is there already (somebody was faster: read again)."""

    def verify(self) -> int:
        """Check the hash chain from the first line on; the number of entries."""

    def close(self) -> None:
        """Let go of the store."""


def _sqlite(place: str) -> Journal:
    from lbmigrate.journal.sqlite import SqliteJournal

    return SqliteJournal(place)


STORES: dict[str, Callable[[str], Journal]] = {"sqlite": _sqlite}


def connect(url: str) -> Journal:
    """The journal at `url` (`sqlite:PATH`, `sqlite::memory:`); nothing is created before the first append."""
    scheme, _, place = url.partition(":")
    if scheme not in STORES:
        raise JournalError(f"journal {url!r}: known stores are {', '.join(STORES)}")
    return STORES[scheme](place)
