"""The journal: an append-only list of numbered events. `append number n, if it is not there yet` is all of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


def _sqlite(url: str, migration: str) -> Journal:
    from lbmigrate.journal.sqlite import SqliteJournal

    del migration  # a file holds one journal
    return SqliteJournal(url.partition(":")[2])


def _postgresql(url: str, migration: str) -> Journal:
    with _extra("postgresql"):
        from lbmigrate.journal.postgresql import PostgresqlJournal
    return PostgresqlJournal(url, migration)


def _dynamodb(url: str, migration: str) -> Journal:
    with _extra("dynamodb"):
        from lbmigrate.journal.dynamodb import DynamodbJournal
    return DynamodbJournal(url, migration)


@contextmanager
def _extra(name: str) -> Iterator[None]:
    """Libraries that only those install who use this store."""
    try:
        yield
    except ImportError as wrong:
        raise JournalError(f"journal {name}: {wrong}; install it: pip install 'lbmigrate[{name}]'") from wrong


STORES: dict[str, Callable[[str, str], Journal]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "postgres": _postgresql,
    "dynamodb": _dynamodb,
}


def connect(url: str, migration: str = "") -> Journal:
    """The journal at `url`, of this `migration` where the store holds many; nothing is made before the first append.

    `sqlite:PATH`, `sqlite::memory:`, or what `place` reads. Raises JournalError.
    """
    scheme = url.partition(":")[0]
    if scheme not in STORES:
        raise JournalError(f"journal: known stores are {', '.join(STORES)}; correct the URL")
    try:
        return STORES[scheme](url, migration)
    except ValueError as wrong:
        raise JournalError(f"journal: {wrong}") from None
