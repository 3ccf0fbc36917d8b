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

from lbmigrate.dns.layout import rdata_wire
from lbmigrate.dns.reading import fence_in
from lbmigrate.dns.records import fence_strings, name_of, rdata_text, type_of
from lbmigrate.dns.transfer import Record, Spelled
from lbmigrate.errors import Denied, Refused
from lbmigrate.fence import LABEL
from lbmigrate.model import MOVABLE, Fence, Held, RRset, Shape
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
        self._found: dict[bytes, dict[int, dict[bytes, int]]] = {}  # per owner and type: rdata, TTL
        self._bounds: dict[bytes, int] = {}
        self._owners: dict[str, bytes] = {}  # of names that were asked for
        self._held: dict[bytes, Held] = {}
        self._expected: dict[str, Held] = {}

    def __len__(self) -> int:
        """How many names it has that could concern one that is moved."""
        return len(self._found)

    def learn(self, before: "Snapshot") -> None:
        """Names of which nothing has changed since another moment need not be read again."""
        if (before._bounds, before._view) == (self._bounds, self._view):
            self._held = {owner: held for owner, held in before._held.items() if self._like(before, owner)}

    def _like(self, before: "Snapshot", owner: bytes) -> bool:
        """Whether a name and its fence have the same records in both."""
        return all(before._found.get(one) == self._found.get(one) for one in (owner, BELOW + owner))

    def text(self) -> str:
        """The SOA's rdata."""
        return _rdata(SOA, self.soa[3]).to_text()

    def add(self, record: Record) -> None:
        """A record that the zone has."""
        owner, rtype, ttl, rdata = record
        if rtype in KEPT and (rtype != TXT or owner.startswith(BELOW)):
            self._found.setdefault(owner, {}).setdefault(rtype, {})[rdata] = ttl
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
            self._held.pop(owner, None)
            if owner.startswith(BELOW):
                self._held.pop(owner[len(BELOW) :], None)
        self.soa = soa

    def _remove(self, owner: bytes, rtype: int, rdata: bytes) -> None:
        types = self._found.get(owner, {})
        left = types.get(rtype, {})
        left.pop(rdata, None)
        if not left:
            types.pop(rtype, None)
            if self._bounds.get(owner) == rtype:
                del self._bounds[owner]
        if not types:
            self._found.pop(owner, None)

    def expect(self, held: Iterable[Held]) -> None:
        """What these names are likely to hold: they need not be read letter by letter where they do."""
        self._expected = {one.name: one for one in held}

    def spells(self, name: str) -> bool:
        """Whether the transfer spells a name with upper case: whether answers do too, only they can say."""
        owner = name_wire(name)
        return any(self.spelled.get((owner, number), owner) != owner for number in KINDS)

    def held(self, name: str) -> Held:
        """A name with its fence.

        Raises Denied for a name below a zone cut, Refused for one below a DNAME or with something else in the fence's
        place, Drifted for a fence that cannot be read.
        """
        owner = self._owners.get(name)
        if owner is None:
            owner = self._owners[name] = name_wire(name)
        held = self._held.get(owner)
        if held is None:
            held = self._held[owner] = self._read(name, owner)
        return held

    def _read(self, name: str, owner: bytes) -> Held:
        if self._bounds:
            self._within(name, owner)
        likely = self._expected.get(name)
        if likely is not None and likely.fence is not None and self._shows(owner, likely, likely.fence):
            return likely
        found = [(number, records) for number, records in self._found.get(owner, {}).items() if number in KINDS]
        rrsets = [_rrset(name, number, records) for number, records in found]
        return Held(name, tuple(sorted(rrsets, key=lambda one: one.rtype)), self._mark(name, BELOW + owner), self._view)

    def _shows(self, owner: bytes, likely: Held, mark: Fence) -> bool:
        """Whether records and fence are just these, to the last byte."""
        fence = self._found.get(BELOW + owner, {}).get(TXT, {})
        alone = len(fence) == 1 and fence_strings(mark) in fence and likely.view == self._view
        return alone and self._found.get(owner) == _wires(likely.shape)

    def _mark(self, name: str, owner: bytes) -> Fence | None:
        there = self._found.get(owner, {})
        texts = there.get(TXT, {})
        mark = fence_in(name_of(name), [_rdata(TXT, one) for one in texts]) if texts else None
        if mark is None and (texts or CNAME in there):
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
def _wires(shape: tuple[Shape, ...]) -> dict[int, dict[bytes, int]] | None:
    """By type, what a name holds as a transfer shows it; None where that does not show all of it (the spelling)."""
    if any(spelled for *_, spelled in shape):
        return None
    return {int(type_of(rtype)): {rdata_wire(rtype, one): ttl for one in rdatas} for rtype, ttl, rdatas, _ in shape}


@lru_cache(maxsize=4096)
def _shown(rtype: int, wire: bytes) -> str:
    return rdata_text(_rdata(rtype, wire))


def _rdata(rtype: int, wire: bytes) -> dns.rdata.Rdata:
    kind = dns.rdatatype.RdataType.make(rtype)
    return dns.rdata.from_wire(dns.rdataclass.IN, kind, wire, 0, len(wire))


def _text(owner: bytes) -> str:
    return dns.name.from_wire(owner, 0)[0].to_text()
