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
    return hashlib.sha256(f"{before}\n{n}\n{at!r}\n{by}\n{body}".encode()).hexdigest()


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
            rows: list[Row] = self._open().execute(READ, (after, whole)).fetchall()
        entries = [self._entry(row) for row in rows]
        if whole or not (entries or after):
            self._sound()
        return entries

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
            raise self._damaged(n)
        entry = _decoded(self._place, n, at, by, kind, body)
        if type(entry.event).__name__ != kind:  # no hash covers it, and READ goes by it
            raise self._damaged(n)
        return entry

    def _sound(self) -> None:
        """A file whose pages or whose schema is damaged may look empty: never taken for "no migration"."""
        with self._translated("read"):
            database = self._open()
            (schema,) = database.execute("SELECT sql FROM sqlite_master WHERE name = 'events'").fetchone()
            (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
            if (found, schema) != ("ok", TABLE.replace("IF NOT EXISTS ", "")):
                raise sqlite3.DatabaseError(found if found != "ok" else "its table is another")

    def _damaged(self, n: int) -> JournalError:
        return JournalError(
            f"journal {self._place}: entry {n} does not follow from the one before (damaged, or edited); "
            "nothing was done. Move the file aside and undo with: lbmigrate rollback --from-dns"
        )

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            if self._place != ":memory:":
                os.makedirs(os.path.dirname(os.path.abspath(self._place)), mode=0o700, exist_ok=True)
            self._db = sqlite3.connect(self._place, timeout=10, check_same_thread=False)
            self._db.text_factory = _text
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute(TABLE)
        return self._db

    @contextmanager
    def _translated(self, verb: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, UnicodeDecodeError) as wrong:  # the last from SQLite's own words on damage
            corrupt = not isinstance(wrong, sqlite3.OperationalError | OSError)
            way = "move it aside and undo with: lbmigrate rollback --from-dns" if corrupt else "mend that and try again"
            said = "".join(c if c.isprintable() else " " for c in str(wrong))
            raise JournalError(f"journal {self._place}: cannot {verb} it: {said}; nothing was done; {way}") from wrong


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
