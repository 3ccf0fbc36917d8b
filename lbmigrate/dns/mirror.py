"""The zone as a whole, kept up by its differences: how many names are read at once.

The first reading is a zone transfer. Where the server gives differences (IXFR) every later one costs what has changed,
and nothing while the SOA stands; any other server is asked for the whole zone each time, for it may be one whose
serial does not move with the records.
"""

import threading
from collections.abc import Iterable, Sequence

import dns.exception

from lbmigrate.dns import increment, transfer
from lbmigrate.dns.records import name_of
from lbmigrate.dns.snapshot import KEPT, Snapshot
from lbmigrate.dns.wire import Primary
from lbmigrate.errors import LbmigrateError, Unreachable
from lbmigrate.model import Held
from lbmigrate.spec import Dns

QUERIES = 50  # records of a transfer take the time of the questions about one name
LOST = 3  # questions for differences in a row without any answer: then there are none to be had


class Mirror:
    """A copy of one zone. May be used from several threads."""

    def __init__(self, entry: Dns, timeout: float) -> None:
        self._entry, self._timeout = entry, timeout
        self._zone = name_of(entry.zone)
        self._primary = Primary(transfer.origin(entry))
        self._lock = threading.Lock()
        self._copy: Snapshot | None = None
        self._differs: bool | None = None  # the server gives differences; None: it was not asked for any yet
        self._lost = 0  # questions for them in a row that nobody answered

    def close(self) -> None:
        """Close the connection; the copy stays."""
        self._primary.close()

    def worth(self, count: int, many: bool) -> bool:
        """Whether `count` names are read faster from here than by questions; `many`: enough for a first transfer."""
        if self._differs:
            return many or self._copy is not None
        if self._copy is None or self._differs is None or 0 < self._lost < LOST:
            return many  # of a large zone a small part, too: differences, if there are any, cost no more for it
        return many and len(self._copy) <= QUERIES * count

    def spells(self, names: Iterable[str]) -> bool:
        """Whether one of these is spelled with upper case."""
        with self._lock:
            return self._copy is not None and bool(self._copy.spelled) and any(map(self._copy.spells, names))

    def expect(self, held: Iterable[Held]) -> None:
        """These are about to be written."""
        with self._lock:
            if self._copy is not None:
                self._copy.expect(held)

    def follow(self, names: Sequence[str]) -> tuple[Held, ...] | None:
        """The names by the differences alone; None where the server gives none, or a name is no name of its own."""
        with self._lock:
            if self._copy is None or not self._differs or not self._changed(self._copy):
                return None
            try:
                return tuple([self._copy.held(name) for name in names])
            except LbmigrateError:
                return None  # whoever reads it next says so

    def read(self, soa: str, names: Sequence[str]) -> tuple[str, tuple[Held, ...]]:
        """The names at the primary's present SOA, or at a later one, with that; `soa` is what the primary says now.

        Raises what `transfer.records` and `Snapshot.held` raise.
        """
        with self._lock:
            copy = self._copy
            if copy is None or not (self._differs and copy.text() == soa):
                copy = self._next(copy, soa)
            self._copy = copy
            return copy.text(), tuple([copy.held(name) for name in names])

    def _next(self, copy: Snapshot | None, soa: str) -> Snapshot:
        self._copy = None
        if copy is not None and copy.text() != soa and self._changed(copy):
            return copy
        spelled: transfer.Spelled = {}
        wanted = dict.fromkeys(KEPT, transfer.EVERY)
        records = transfer.records(self._entry, wanted, max(self._timeout, transfer.TIMEOUT), spelled)
        fresh = Snapshot(next(records), self._entry.view, spelled)
        for record in records:
            fresh.add(record)
        if copy is not None:
            fresh.learn(copy)
        return fresh

    def _changed(self, copy: Snapshot) -> bool:
        """Whether the differences brought the copy up to now."""
        try:
            found = increment.fetch(self._primary, self._zone, copy.soa, self._timeout, copy.spelled)
        except Unreachable:  # which says nothing of what the server can do
            lost = self._lost + 1
            return self._without(bool(self._differs) and lost < LOST, lost)
        except (LbmigrateError, transfer.Malformed, transfer.Answered, dns.exception.DNSException):
            return self._without(False)
        except BaseException:
            self._primary.close()
            raise
        if found is None:
            return self._without(False)
        copy.change(*found)
        self._differs, self._lost = True, 0
        return True

    def _without(self, differs: bool, lost: int = 0) -> bool:
        """No differences this time: the whole zone says why, or makes it good."""
        self._primary.close()  # the rest of an answer may still be under way on it
        self._differs, self._lost = differs, lost
        return False
