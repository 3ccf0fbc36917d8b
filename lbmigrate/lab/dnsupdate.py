"""RFC 2136 UPDATE as a function: zone and message in, response code and next zone out.

Where the RFC leaves room, BIND 9.18 is followed, and `tests/test_lab_dns.py` compares the two: the update section is
scanned before the prerequisites are looked at; records that may not stand beside a CNAME are dropped with NOERROR; the
serial grows only when something has changed. Signed zones are not served, so DNSSEC types are refused.
"""

from collections import defaultdict

import dns.rdataclass
import dns.rdataset
import dns.update
from dns.name import Name
from dns.rcode import Rcode
from dns.rdata import Rdata
from dns.rdataclass import RdataClass
from dns.rdataset import Rdataset
from dns.rdatatype import RdataType
from dns.rrset import RRset

from lbmigrate.lab import hostnames
from lbmigrate.lab.dnszone import Node, Nodes, Zone

SIGNED_TYPES = frozenset({RdataType.RRSIG, RdataType.NSEC, RdataType.NSEC3})
SINGLE_TYPES = frozenset({RdataType.CNAME, RdataType.DNAME, RdataType.SOA})
BESIDE_CNAME = frozenset({RdataType.CNAME, RdataType.KEY, *SIGNED_TYPES})
META_TYPES = frozenset({RdataType.ANY, RdataType.AXFR, RdataType.IXFR, RdataType.MAILA, RdataType.MAILB})
SERIAL_SPACE = 2**32
MOST_RECORDS = 100  # in one RRset: BIND's max-records-per-type


def update(zone: Zone, message: dns.update.UpdateMessage) -> tuple[Rcode, Zone]:
    """All of the message or nothing of it. The zone that comes back is the same object when nothing has changed."""
    for judge in (_prescan, _prerequisites):
        if rcode := judge(zone, message):
            return rcode, zone
    nodes = dict(zone.nodes)
    for one in message.update:
        _apply(Zone(zone.origin, nodes), one)
    if any(len(held) > MOST_RECORDS for one in message.update for held in nodes.get(one.name, {}).values()):
        return Rcode.SERVFAIL, zone
    nodes = {name: node for name, node in nodes.items() if node}
    return Rcode.NOERROR, zone if _same(nodes, zone.nodes) else _numbered(zone, nodes)


def _prescan(zone: Zone, message: dns.update.UpdateMessage) -> Rcode:
    """RFC 2136, 3.4.1."""
    for one in message.update:
        if not one.name.is_subdomain(zone.origin):
            return Rcode.NOTZONE
        if rcode := _permitted(one):
            return rcode
    return Rcode.NOERROR


def _permitted(one: RRset) -> Rcode:
    if one.rdclass != RdataClass.IN:
        return Rcode.FORMERR
    whole = one.deleting == RdataClass.ANY and one.rdtype == RdataType.ANY
    if one.rdtype in META_TYPES and not whole:
        return Rcode.FORMERR
    if one.deleting is not None and one.ttl != 0:
        return Rcode.FORMERR
    if one.rdtype in SIGNED_TYPES or (one.deleting is None and not hostnames.fit(one)):
        return Rcode.REFUSED
    return Rcode.NOERROR


def _prerequisites(zone: Zone, message: dns.update.UpdateMessage) -> Rcode:
    """RFC 2136, 3.2: the single conditions in their order, then the RRsets that must exist as given."""
    given: dict[tuple[Name, RdataType], set[Rdata]] = defaultdict(set)
    for one in message.prerequisite:
        if rcode := _condition(zone, one):
            return rcode
        if one.deleting is None:
            given[one.name, one.rdtype].update(one)
    wrong = any(set(zone.nodes.get(name, {}).get(rtype, ())) != want for (name, rtype), want in given.items())
    return Rcode.NXRRSET if wrong else Rcode.NOERROR


def _condition(zone: Zone, one: RRset) -> Rcode:
    """RFC 2136, 2.4.1 and 2.4.3 to 2.4.5, and the form of 2.4.2."""
    if one.ttl != 0 or one.rdclass != RdataClass.IN:
        return Rcode.FORMERR
    if not one.name.is_subdomain(zone.origin):
        return Rcode.NOTZONE
    node = zone.nodes.get(one.name, {})
    if one.rdtype == RdataType.ANY:
        return _name_in_use(bool(node), one)
    there = one.rdtype in node
    if one.deleting == RdataClass.ANY and not there:
        return Rcode.NXRRSET
    return Rcode.YXRRSET if one.deleting == RdataClass.NONE and there else Rcode.NOERROR


def _name_in_use(there: bool, one: RRset) -> Rcode:
    if one.deleting is None:
        return Rcode.FORMERR
    if one.deleting == RdataClass.ANY:
        return Rcode.NOERROR if there else Rcode.NXDOMAIN
    return Rcode.YXDOMAIN if there else Rcode.NOERROR


def _apply(zone: Zone, one: RRset) -> None:
    """RFC 2136, 3.4.2, on a zone that is being made."""
    if one.deleting is None:
        _add(zone, one)
    elif one.deleting == RdataClass.NONE:
        _delete_record(zone, one)
    elif one.rdtype == RdataType.ANY:
        _delete_name(zone, one.name)
    else:
        _delete_rrset(zone, one)


def _delete_name(zone: Zone, name: Name) -> None:
    kept = (RdataType.SOA, RdataType.NS) if name == zone.origin else ()
    zone.nodes[name] = {rtype: held for rtype, held in zone.nodes.get(name, {}).items() if rtype in kept}


def _delete_rrset(zone: Zone, one: RRset) -> None:
    if one.name != zone.origin or one.rdtype not in (RdataType.SOA, RdataType.NS):
        _put(zone.nodes, one.name, one.rdtype, None)


def _delete_record(zone: Zone, one: RRset) -> None:
    held = zone.nodes.get(one.name, {}).get(one.rdtype)
    if held is None or (one.name == zone.origin and _keeps_the_apex(held)):
        return
    left = [rdata for rdata in held if rdata not in one]
    _put(zone.nodes, one.name, one.rdtype, dns.rdataset.from_rdata_list(held.ttl, left) if left else None)


def _keeps_the_apex(held: Rdataset) -> bool:
    """Whether a deletion would leave the apex without SOA or without its last NS."""
    return held.rdtype == RdataType.SOA or (held.rdtype == RdataType.NS and len(held) == 1)


def _add(zone: Zone, one: RRset) -> None:
    node = zone.nodes.get(one.name, {})
    if _dropped(zone, node, one):
        return
    held = node.get(one.rdtype)
    kept = [] if held is None or one.rdtype in SINGLE_TYPES else [rdata for rdata in held if rdata not in one]
    _put(zone.nodes, one.name, one.rdtype, dns.rdataset.from_rdata_list(one.ttl, [*kept, *one]))


def _dropped(zone: Zone, node: Node, one: RRset) -> bool:
    """What is ignored without an error: data beside a CNAME, an SOA that is none or does not grow."""
    if one.rdtype == RdataType.CNAME:
        return any(rtype not in BESIDE_CNAME for rtype in node)
    if RdataType.CNAME in node and one.rdtype not in BESIDE_CNAME:
        return True
    if one.rdtype == RdataType.SOA:
        return one.name != zone.origin or not _newer(one[0].serial, zone.serial)
    return one.rdtype == RdataType.DS and one.name == zone.origin


def _newer(one: int, other: int) -> bool:
    """Serial number arithmetic (RFC 1982)."""
    return 0 < (one - other) % SERIAL_SPACE < SERIAL_SPACE // 2


def _put(nodes: Nodes, name: Name, rtype: RdataType, rdataset: Rdataset | None) -> None:
    node = {held: kept for held, kept in nodes.get(name, {}).items() if held != rtype}
    nodes[name] = node if rdataset is None else {**node, rtype: rdataset}


def _numbered(zone: Zone, nodes: Nodes) -> Zone:
    """The next version, with its serial increased unless the update itself has set one."""
    after = Zone(zone.origin, nodes)
    if after.serial == zone.serial:
        soa = after.soa.replace(serial=(zone.serial + 1) % SERIAL_SPACE or 1)
        ttl = nodes[zone.origin][RdataType.SOA].ttl
        _put(nodes, zone.origin, RdataType.SOA, dns.rdataset.from_rdata(ttl, soa))
    return after


def _same(one: Nodes, other: Nodes) -> bool:
    return one.keys() == other.keys() and all(_alike(node, other[name]) for name, node in one.items())


def _alike(one: Node, other: Node) -> bool:
    return one is other or (
        one.keys() == other.keys() and all(_equal(held, other[rtype]) for rtype, held in one.items())
    )


def _equal(one: Rdataset, other: Rdataset) -> bool:
    return one is other or (one == other and one.ttl == other.ttl)
