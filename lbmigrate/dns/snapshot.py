"""Names as one zone transfer shows them: the records themselves, also those that no query can ask for.

PowerDNS answers for a LUA record, never with it. A transfer has it; and it is one moment of the zone by definition.
It must be the moment that the primary's SOA names, or it is no reading of the primary.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from lbmigrate.dns.reading import fence_in
from lbmigrate.dns.records import fence_name, kind_of, rrset_of, text_of
from lbmigrate.dns.transfer import Record
from lbmigrate.errors import Denied, Refused, Unreachable
from lbmigrate.model import MOVABLE, Held, RRset

NS, CNAME, SOA, TXT, DNAME = 2, 5, 6, 16, 39
Found = dict[int, list[tuple[int, bytes]]]  # by type, TTL and rdata of each record


def read(
    records: Iterable[Record], zone: dns.name.Name, names: Sequence[dns.name.Name], view: str
) -> tuple[str, list[Held]]:
    """The SOA, and each name with its fence, from the records of a whole zone.

    Raises Denied for a name below a zone cut, Refused for one below a DNAME or with something else in the fence's
    place, Drifted for a fence that cannot be read.
    """
    wanted = {_wire(owner): owner for name in names for owner in (name, fence_name(name))}
    found: dict[bytes, Found] = defaultdict(lambda: defaultdict(list))
    apex = _wire(zone)
    bounds: dict[bytes, int] = {}
    for owner, rtype, ttl, rdata in records:
        if owner in wanted or (owner == apex and rtype == SOA):
            found[owner][rtype].append((ttl, rdata))
        if rtype in (NS, DNAME) and owner != apex:
            bounds[owner] = rtype
    if SOA not in found[apex]:
        raise Unreachable(f"transferring {zone}: no SOA; try again, see the server's log")
    soa = _rdatas(SOA, found[apex][SOA])[0].to_text()
    return soa, [_held(name, zone, found, bounds, view) for name in names]


def _held(
    name: dns.name.Name, zone: dns.name.Name, found: dict[bytes, Found], bounds: dict[bytes, int], view: str
) -> Held:
    _within(name, zone, bounds)
    mine = found.get(_wire(name), {})
    kept = {rtype: one for rtype, one in mine.items() if kind_of(dns.rdatatype.RdataType.make(rtype)) in MOVABLE}
    rrsets = tuple(sorted((_rrset(name, rtype, one) for rtype, one in kept.items()), key=lambda one: one.rtype))
    beneath = found.get(_wire(fence_name(name)), {})
    mark = fence_in(name, _rdatas(TXT, beneath[TXT])) if TXT in beneath else None
    if mark is None and (TXT in beneath or CNAME in beneath):
        what = "holds what is not lbmigrate's (TXT or CNAME)"
        raise Refused(f"{fence_name(name)}: {what}; remove it, or leave the name out")
    return Held(text_of(name), rrsets, mark, view)


def _within(name: dns.name.Name, zone: dns.name.Name, bounds: dict[bytes, int]) -> None:
    """The name belongs to this zone and to nothing that begins above it."""
    above = name
    while above != zone:
        kind = bounds.get(_wire(above))
        if kind == NS:
            raise Denied(f"{name}: lies in {above}, delegated by {zone}; give that zone its own dns: entry")
        if kind == DNAME and above != name:
            raise Refused(
                f"{name}: lies below the DNAME at {above}; put the name that it leads to under names: instead"
            )
        above = above.parent()


def _rrset(name: dns.name.Name, rtype: int, records: list[tuple[int, bytes]]) -> RRset:
    made = dns.rrset.from_rdata_list(name, min(ttl for ttl, _ in records), _rdatas(rtype, records))
    return rrset_of(made)


def _rdatas(rtype: int, records: list[tuple[int, bytes]]) -> list[dns.rdata.Rdata]:
    kind = dns.rdatatype.RdataType.make(rtype)
    return [dns.rdata.from_wire(dns.rdataclass.IN, kind, rdata, 0, len(rdata)) for _, rdata in records]


def _wire(name: dns.name.Name) -> bytes:
    return name.canonicalize().to_wire() or b""
