"""The journal in PostgreSQL: INSERT … ON CONFLICT DO NOTHING with a primary key is "append n if absent".

Every call is one statement and one round trip, in a transaction of its own; nothing is kept in the session, so that
a pooler may stand between. An answer that never came is settled by reading entry n back: its nonce says whose it is.
"""

import contextlib
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import psycopg
from psycopg.conninfo import make_conninfo

from lbmigrate.events import Entry, Event
from lbmigrate.journal import chain, patience
from lbmigrate.journal.patience import MEND, Lost
from lbmigrate.journal.place import postgresql

Row = tuple[object, ...]
T = TypeVar("T")

TABLE = """CREATE TABLE IF NOT EXISTS lbmigrate_journal (migration text NOT NULL, n bigint NOT NULL,
  at double precision NOT NULL, by text NOT NULL, kind text NOT NULL, hash text NOT NULL, nonce text NOT NULL,
  body text NOT NULL, PRIMARY KEY (migration, n))"""
# A row with the hash of the one before; a Saw that another Saw follows is left out (its sums go on).
READ = """SELECT e.n, e.at, e.by, e.kind, e.hash, before.hash, e.body FROM lbmigrate_journal e
  LEFT JOIN lbmigrate_journal before ON before.migration = e.migration AND before.n = e.n - 1
  LEFT JOIN lbmigrate_journal after ON after.migration = e.migration AND after.n = e.n + 1
  WHERE e.migration = %s AND e.n > %s AND (%s OR NOT (e.kind = 'Saw' AND coalesce(after.kind, '') = 'Saw'))
  ORDER BY e.n"""
# Only after its predecessor, and durable: synchronous_commit may be off for this role or database.
APPEND = """INSERT INTO lbmigrate_journal SELECT %(migration)s, %(n)s, %(at)s, %(by)s, %(kind)s, %(hash)s, %(nonce)s,
  %(body)s FROM (SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off'
  THEN 'on' ELSE current_setting('synchronous_commit') END, true)) AS durable
  WHERE %(n)s = 1 OR EXISTS (SELECT FROM lbmigrate_journal WHERE migration = %(migration)s AND n = %(n)s - 1)
  ON CONFLICT DO NOTHING"""
# Of several that create it at once, one does; the others hear of its row in pg_type, of its type, or of itself.
THERE = (psycopg.errors.UniqueViolation, psycopg.errors.DuplicateObject, psycopg.errors.DuplicateTable)
HASH = "SELECT hash FROM lbmigrate_journal WHERE migration = %s AND n = %s"
NONCE = "SELECT nonce FROM lbmigrate_journal WHERE migration = %s AND n = %s"
ASIDE = "Put its rows of this migration aside"
# Unless the URL says otherwise. A peer that vanished is noticed within seconds.
USUAL = {
    "application_name": "lbmigrate", "connect_timeout": str(round(patience.ANSWER)), "keepalives_idle": "5",
    "keepalives_interval": "1", "keepalives_count": "3", "tcp_user_timeout": str(round(1000 * patience.ANSWER)),
}  # fmt: skip


class PostgresqlJournal:
    """The rows of one `migration` in the table lbmigrate_journal; the first append creates it where it is missing."""

    def __init__(self, url: str, migration: str) -> None:
        self._url, self._migration = url, migration
        settings = postgresql(url)
        # Of several servers the one that takes writes: a standby may lag, and would be read for the truth.
        several = {"target_session_attrs": "read-write"} if "," in settings.get("host", "") else {}
        self._settings = make_conninfo(**{**USUAL, **several, **settings})
        self._db: psycopg.Connection[Row] | None = None
        self._last = (0, chain.GENESIS)

    def read(self, after: int = 0, whole: bool = False) -> list[Entry]:
        """See Journal."""
        rows = self._ask("read", lambda db: _rows(db, READ, (self._migration, after, whole)))
        entries = [chain.entry(row, self._url, ASIDE) for row in rows]  # type: ignore[arg-type]  # typed by READ
        if rows:
            self._last = (entries[-1].n, str(rows[-1][4]))
        return entries

    def append(self, n: int, at: float, by: str, event: Event) -> bool:
        """See Journal."""
        body = chain.text(event)
        before = self._hash(n - 1)
        if before is None:
            raise chain.missing(n, self._url)
        hashed = chain.link(before, n, at, by, body)
        row = {
            "migration": self._migration, "n": n, "at": at, "by": by, "kind": type(event).__name__,
            "hash": hashed, "nonce": uuid.uuid4().hex, "body": body,
        }  # fmt: skip
        done = self._ask("write", lambda db: self._insert(db, row), patience.unsure(n))
        if done:
            self._last = (n, hashed)
        return done

    def verify(self) -> int:
        """See Journal."""
        return len(self.read(0, whole=True))

    def close(self) -> None:
        """See Journal."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _hash(self, n: int) -> str | None:
        if self._last[0] == n:
            return self._last[1]
        if n == 0:
            return chain.GENESIS
        rows = self._ask("read", lambda db: _rows(db, HASH, (self._migration, n)))
        return str(rows[0][0]) if rows else None

    def _insert(self, db: psycopg.Connection[Row], row: dict[str, object]) -> bool:
        try:
            done = db.execute(APPEND, row)
        except psycopg.errors.UndefinedTable:
            with contextlib.suppress(*THERE):
                db.execute(TABLE)
            done = db.execute(APPEND, row)
        if done.rowcount == 1:
            return True
        # There already: by another, or by an earlier try of this very call whose answer was lost.
        found = db.execute(NONCE, (row["migration"], row["n"])).fetchone()
        if found is None:
            raise chain.missing(int(str(row["n"])), self._url)
        return found[0] == row["nonce"]

    # ---- the connection

    def _ask(self, verb: str, ask: Callable[[psycopg.Connection[Row]], T], unsure: str = MEND) -> T:
        """What `ask` returns, over a new connection where the old one is lost. Raises JournalError."""

        def once() -> T:
            db = self._open()
            with self._within(db, verb):
                return ask(db)

        return patience.ask(once, verb, self._url, unsure)

    def _open(self) -> psycopg.Connection[Row]:
        if self._db is None:
            try:
                # No prepared statements: a pooler gives the next transaction another server process.
                self._db = psycopg.connect(self._settings, autocommit=True, prepare_threshold=None)
            except psycopg.OperationalError as wrong:
                raise Lost(wrong, sent=False) from wrong
        return self._db

    @contextmanager
    def _within(self, db: psycopg.Connection[Row], verb: str) -> Iterator[None]:
        """Shut the socket after ANSWER seconds: libpq waits for ever for a server that is there and silent."""
        talk = socket.socket(fileno=os.dup(db.fileno()))
        timer = threading.Timer(patience.ANSWER, _shut, (talk,))
        timer.daemon = True
        timer.start()
        try:
            yield
        except (psycopg.OperationalError, psycopg.InterfaceError) as wrong:
            self.close()
            raise Lost(wrong) from wrong
        except psycopg.Error as wrong:
            raise chain.cannot(verb, self._url, wrong, MEND) from wrong
        finally:
            timer.cancel()
            talk.close()


def _rows(db: psycopg.Connection[Row], query: str, values: tuple[object, ...]) -> list[Row]:
    """All rows; none where the table is not there yet."""
    try:
        return db.execute(query, values).fetchall()
    except psycopg.errors.UndefinedTable:
        return []


def _shut(talk: socket.socket) -> None:
    with contextlib.suppress(OSError):  # closed meanwhile: the answer came
        talk.shutdown(socket.SHUT_RDWR)
