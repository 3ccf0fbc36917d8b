"""The journal in one SQLite file: INSERT with a primary key is "append n if absent", in one durable transaction."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from lbmigrate.events import Entry, Event
from lbmigrate.journal import chain

TABLE = """CREATE TABLE IF NOT EXISTS events (n INTEGER PRIMARY KEY, at REAL NOT NULL, by TEXT NOT NULL,
  kind TEXT NOT NULL, hash TEXT NOT NULL, body TEXT NOT NULL)"""
# A row with the hash of the one before. A Saw that another Saw follows is left out, its body unread: hash stands
# before body, so that long bodies stay on pages that nobody touches.
READ = """SELECT e.n, e.at, e.by, e.kind, e.hash, before.hash, e.body FROM events e
  LEFT JOIN events before ON before.n = e.n - 1 LEFT JOIN events after ON after.n = e.n + 1
  WHERE e.n > ? AND (? OR NOT (e.kind = 'Saw' AND coalesce(after.kind, '') = 'Saw')) ORDER BY e.n"""
ASIDE = "Move the file aside"


def _text(raw: bytes) -> str:
    """Damaged bytes become other text, which its hash then gives away."""
    return raw.decode(errors="replace")


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
            rows: list[chain.Row] = self._open().execute(READ, (after, whole)).fetchall()
        entries = [chain.entry(row, self._place, ASIDE) for row in rows]
        if whole or not (entries or after):
            self._sound()
        return entries

    def append(self, n: int, at: float, by: str, event: Event) -> bool:
        """See Journal."""
        body = chain.text(event)
        with self._translated("write"):
            before = self._hash(n - 1)
            if before is None:
                raise chain.missing(n, self._place)
            row = (n, at, by, type(event).__name__, chain.link(before, n, at, by, body), body)
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
            return chain.GENESIS
        row = self._open().execute("SELECT hash FROM events WHERE n = ?", (n,)).fetchone()
        return None if row is None else str(row[0])

    def _sound(self) -> None:
        """A file whose pages or whose schema is damaged may look empty: never taken for "no migration"."""
        with self._translated("read"):
            database = self._open()
            (schema,) = database.execute("SELECT sql FROM sqlite_master WHERE name = 'events'").fetchone()
            (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
            if (found, schema) != ("ok", TABLE.replace("IF NOT EXISTS ", "")):
                raise sqlite3.DatabaseError(found if found != "ok" else "its table is another")

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            if self._place != ":memory:":
                self._make()
            self._db = sqlite3.connect(self._place, timeout=10, check_same_thread=False)
            self._db.text_factory = _text
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute(TABLE)
        return self._db

    def _make(self) -> None:
        """An empty file for the owner alone, whatever the umask: SQLite gives its own files beside it the same mode."""
        os.makedirs(os.path.dirname(os.path.abspath(self._place)), mode=0o700, exist_ok=True)
        if not os.path.exists(self._place):
            os.close(os.open(self._place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    @contextmanager
    def _translated(self, verb: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, UnicodeDecodeError) as wrong:  # the last from SQLite's own words on damage
            corrupt = not isinstance(wrong, sqlite3.OperationalError | OSError)
            way = "move it aside and undo with: lbmigrate rollback --from-dns" if corrupt else "mend that and try again"
            raise chain.cannot(verb, self._place, wrong, f"nothing was done; {way}") from wrong
