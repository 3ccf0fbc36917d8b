"""Names as a zone transfer shows them: the records themselves, also those that no query can ask for.

PowerDNS answers for a LUA record, never with it. A transfer has it; and it is one moment of the zone by definition.
It must be the moment that the primary's SOA names, or it is no reading of the primary.
"""

from collections.abc import Iterable
from functools import lru_cache

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from lbmigrate.dns.reading import fence_in
from lbmigrate.dns.records import fence_strings, name_of, rdata_text, type_of
from lbmigrate.dns.transfer import Record, Spelled
from lbmigrate.errors import Denied, Refused
from lbmigrate.fence import LABEL
from lbmigrate.model import MOVABLE, Fence, Held, RRset
from lbmigrate.size import name_wire

NS, CNAME, SOA, TXT, DNAME = 2, 5, 6, 16, 39
BELOW = bytes([len(LABEL)]) + LABEL.encode()
KINDS = {int(type_of(rtype)): rtype for rtype in MOVABLE}
KEPT = {*KINDS, TXT, NS, DNAME}


class Snapshot:
    """One moment of a zone: its SOA, and of its records those that could concern a name that is moved."""

    def __init__(self, soa: Record, view: str, spelled: Spelled | None = None) -> None:
        self.spelled: Spelled = {} if spelled is None else spelled
        self.soa = soa
        self._apex, self._view = soa[0], view
        self._found: dict[tuple[bytes, int], dict[bytes, int]] = {}  # per owner and type: rdata, TTL
        self._bounds: dict[bytes, int] = {}
        self._names: dict[bytes, str] = {}  # those that were asked for
        self._held: dict[str, Held] = {}
        self._fences: dict[bytes, Fence] = {}

    def __len__(self) -> int:
        """How many RRsets are kept."""
        return len(self._found)

    def text(self) -> str:
        """The SOA's rdata."""
        return _rdata(SOA, self.soa[3]).to_text()

    def add(self, record: Record) -> None:
        """A record that the zone has."""
        owner, rtype, ttl, rdata = record
        if rtype in KEPT:
            self._found.setdefault((owner, rtype), {})[rdata] = ttl
            if rtype in (NS, DNAME) and owner != self._apex:
                self._bounds[owner] = rtype

    def change(self, soa: Record, changes: Iterable[tuple[bool, Record]]) -> None:
        """The next moment: what was added (True) and deleted, in this order."""
        for made, record in changes:
            owner, rtype, _, rdata = record
            if rtype not in KEPT:
                continue
            if made:
                self.add(record)
            else:
                self._remove(owner, rtype, rdata)
            if rtype in (NS, DNAME):
                self._held.clear()
            for one in (owner, owner.removeprefix(BELOW)):
                self._held.pop(self._names.get(one, ""), None)
        self.soa = soa

    def _remove(self, owner: bytes, rtype: int, rdata: bytes) -> None:
        left = self._found.get((owner, rtype), {})
        left.pop(rdata, None)
        if not left:
            self._found.pop((owner, rtype), None)
            self._bounds.pop(owner, None)

    def expect(self, held: Iterable[Held]) -> None:
        """These are about to be written: their fences need not be read letter by letter."""
        self._fences = {fence_strings(one.fence): one.fence for one in held if one.fence}

    def spells(self, name: str) -> bool:
        """Whether the transfer spells a name with upper case: whether answers do too, only they can say."""
        owner = name_wire(name)
        return any(self.spelled.get((owner, number), owner) != owner for number in KINDS)

    def held(self, name: str) -> Held:
        """A name with its fence.

        Raises Denied for a name below a zone cut, Refused for one below a DNAME or with something else in the fence's
        place, Drifted for a fence that cannot be read.
        """
        if name not in self._held:
            self._held[name] = self._read(name)
        return self._held[name]

    def _read(self, name: str) -> Held:
        owner = name_wire(name)
        self._names[owner] = name
        if self._bounds:
            self._within(name, owner)
        found = [(number, self._found.get((owner, number))) for number in KINDS]
        rrsets = [_rrset(name, number, records) for number, records in found if records]
        return Held(name, tuple(sorted(rrsets, key=lambda one: one.rtype)), self._mark(name, BELOW + owner), self._view)

    def _mark(self, name: str, owner: bytes) -> Fence | None:
        texts = list(self._found.get((owner, TXT), ()))
        mark = self._fences.get(texts[0]) if len(texts) == 1 else None
        if mark is None or any(one.name != name for one in mark.originals):
            mark = fence_in(name_of(name), [_rdata(TXT, one) for one in texts]) if texts else None
        if mark is None and (texts or (owner, CNAME) in self._found):
            what = "holds what is not lbmigrate's (TXT or CNAME)"
            raise Refused(f"{_text(owner)}: {what}; remove it, or leave the name out")
        return mark

    def _within(self, name: str, owner: bytes) -> None:
        """The name belongs to this zone and to nothing that begins above it."""
        above = owner
        while above != self._apex:
            kind = self._bounds.get(above)
            if kind == NS:
                zone, cut = _text(self._apex), _text(above)
                raise Denied(f"{name}: lies in {cut}, delegated by {zone}; give that zone its own dns: entry")
            if kind == DNAME and above != owner:
                way = "put the name that it leads to under names: instead"
                raise Refused(f"{name}: lies below the DNAME at {_text(above)}; {way}")
            above = above[1 + above[0] :]


def _rrset(name: str, number: int, records: dict[bytes, int]) -> RRset:
    return RRset(name, KINDS[number], min(records.values()), tuple(sorted(_shown(number, one) for one in records)))


@lru_cache(maxsize=4096)
def _shown(rtype: int, wire: bytes) -> str:
    return rdata_text(_rdata(rtype, wire))


def _rdata(rtype: int, wire: bytes) -> dns.rdata.Rdata:
    kind = dns.rdatatype.RdataType.make(rtype)
    return dns.rdata.from_wire(dns.rdataclass.IN, kind, wire, 0, len(wire))


def _text(owner: bytes) -> str:
    return dns.name.from_wire(owner, 0)[0].to_text()
