"""The journal in one SQLite file: INSERT with a primary key is "append n if absent", in one durable transaction."""

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from lbmigrate import __version__
from lbmigrate.errors import JournalError
from lbmigrate.events import FORMAT, Entry, Event, Opened
from lbmigrate.value import from_json, to_json

TABLE = """CREATE TABLE IF NOT EXISTS events (n INTEGER PRIMARY KEY, at REAL NOT NULL, by TEXT NOT NULL,
  kind TEXT NOT NULL, hash TEXT NOT NULL, body TEXT NOT NULL)"""
# A row with the hash of the one before. A Saw that another Saw follows is left out, its body unread: hash stands
# before body, so that long bodies stay on pages that nobody touches.
READ = """SELECT e.n, e.at, e.by, e.kind, e.hash, before.hash, e.body FROM events e
  LEFT JOIN events before ON before.n = e.n - 1 LEFT JOIN events after ON after.n = e.n + 1
  WHERE e.n > ? AND (? OR NOT (e.kind = 'Saw' AND coalesce(after.kind, '') = 'Saw')) ORDER BY e.n"""
GENESIS = "lbmigrate"
Row = tuple[int, float, str, str, str, str | None, str]


def _link(before: str, n: int, at: float, by: str, body: str) -> str:
    """The hash of an entry and, through `before`, of all that came before it."""
    return hashlib.sha256("\n".join((before, str(n), repr(at), by, body)).encode()).hexdigest()


class SqliteJournal:
    """`place` is a path, or `:memory:`. synchronous=FULL: an intent is on the disk before its effect begins."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._db: sqlite3.Connection | None = None

    def read(self, after: int = 0, whole: bool = False) -> list[Entry]:
        """See Journal. The hashes of all rows that are read are checked."""
        if self._db is None and self._place != ":memory:" and not os.path.exists(self._place):
            return []
        with self._translated("read"):
            rows: list[Row] = self._open().execute(READ, (after, whole)).fetchall()
        return [self._entry(row) for row in rows]

    def append(self, n: int, at: float, by: str, event: Event) -> bool:
        """See Journal."""
        body = json.dumps(to_json(event), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        with self._translated("write"):
            before = self._hash(n - 1)
            if before is None:
                raise JournalError(f"journal {self._place}: entry {n - 1} is missing before {n}; nothing was done")
            row = (n, at, by, type(event).__name__, _link(before, n, at, by, body), body)
            with self._open() as db:
                done = db.execute("INSERT INTO events VALUES (?,?,?,?,?,?) ON CONFLICT DO NOTHING", row)
        return done.rowcount == 1

    def verify(self) -> int:
        """See Journal."""
        return len(self.read(0, whole=True))

    def close(self) -> None:
        """See Journal."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _hash(self, n: int) -> str | None:
        if n == 0:
            return GENESIS
        row = self._open().execute("SELECT hash FROM events WHERE n = ?", (n,)).fetchone()
        return None if row is None else str(row[0])

    def _entry(self, row: Row) -> Entry:
        n, at, by, kind, stored, before, body = row
        if _link(GENESIS if n == 1 else before or "", n, at, by, body) != stored:
            raise JournalError(
                f"journal {self._place}: entry {n} does not follow from the one before (damaged, or edited); "
                "nothing was done. Move the file aside and undo with: lbmigrate rollback --from-dns"
            )
        return _decoded(self._place, n, at, by, kind, body)

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            if self._place != ":memory:":
                os.makedirs(os.path.dirname(os.path.abspath(self._place)), mode=0o700, exist_ok=True)
            self._db = sqlite3.connect(self._place, timeout=10, check_same_thread=False)
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute(TABLE)
        return self._db

    @contextmanager
    def _translated(self, verb: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as wrong:
            corrupt = isinstance(wrong, sqlite3.DatabaseError) and not isinstance(wrong, sqlite3.OperationalError)
            way = "move it aside and undo with: lbmigrate rollback --from-dns" if corrupt else "mend that and try again"
            raise JournalError(f"journal {self._place}: cannot {verb} it: {wrong}; nothing was done; {way}") from wrong


def _decoded(place: str, n: int, at: float, by: str, kind: str, body: str) -> Entry:
    try:
        event = from_json(Event, json.loads(body))
    except ValueError as wrong:
        raise JournalError(
            f"journal {place}: lbmigrate {__version__} (format {FORMAT}) cannot read entry {n} ({kind}): {wrong}; "
            "use the version that wrote it; nothing was touched"
        ) from wrong
    if isinstance(event, Opened) and event.format != FORMAT:
        raise JournalError(
            f"journal {place}: its format is {event.format}, lbmigrate {__version__} knows {FORMAT}; "
            "use the version that wrote it; nothing was touched"
        )
    return Entry(n, at, by, event)
