"""The content of one zone as a value, and what an authoritative server answers from it (RFC 1034, 4.3.2).

Names are matched exactly, then by wildcard below the closest encloser (RFC 4592); a name that exists only because
something lies beneath it (an empty non-terminal) has no data, but it does exist. Nothing here is signed (no DNSSEC).
"""

from collections.abc import Mapping
from functools import cached_property

import dns.flags
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rdtypes.ANY.SOA
import dns.rrset
import dns.zone
from dns.name import Name
from dns.rcode import Rcode
from dns.rdataset import Rdataset
from dns.rdatatype import RdataType
from dns.rrset import RRset

from lbmigrate.errors import Usage
from lbmigrate.lab.dnslua import LUA, Unreadable, choices
from lbmigrate.value import value

Node = dict[RdataType, Rdataset]
Nodes = dict[Name, Node]

WILDCARD = dns.name.Name([b"*"])
LONGEST_CHAIN = 16


@value
class Draw:
    """Of these RRsets each answer holds one, as often as its weight says; the weights do not add up to 0."""

    rdatasets: tuple[Rdataset, ...]
    weights: tuple[float, ...]


class Zone:
    """One version of a zone. Never changed after it was made: an update makes the next one.

    `draws`: what stands in place of the RRset that `nodes` has there (Route 53's weighted sets).
    """

    def __init__(self, origin: Name, nodes: Nodes, draws: Mapping[tuple[Name, RdataType], Draw] | None = None) -> None:
        self.origin = origin
        self.nodes = nodes
        self.draws = draws or {}

    @cached_property
    def names(self) -> frozenset[Name]:
        """Every name that exists: owners, and the empty non-terminals above them."""
        found: set[Name] = set()
        for name in self.nodes:
            while name not in found and name.is_subdomain(self.origin):
                found.add(name)
                name = name.parent()
        return frozenset(found)

    @property
    def soa(self) -> dns.rdtypes.ANY.SOA.SOA:
        """The SOA record."""
        soa = self.nodes[self.origin][RdataType.SOA][0]
        assert isinstance(soa, dns.rdtypes.ANY.SOA.SOA)
        return soa

    @property
    def serial(self) -> int:
        """The SOA's serial number."""
        return self.soa.serial

    def rrsets(self) -> list[RRset]:
        """Every RRset, the SOA first, as a transfer sends them."""
        return [
            rrset(name, rdataset)
            for name, node in sorted(self.nodes.items(), key=lambda item: item[0] != self.origin)
            for rdataset in sorted(node.values(), key=lambda one: one.rdtype != RdataType.SOA)
        ]


def rrset(name: Name, rdataset: Rdataset) -> RRset:
    """The rdataset under a name."""
    return dns.rrset.from_rdata_list(name, rdataset.ttl, list(rdataset))


def from_text(text: str, origin: str) -> Zone:
    """Read a zone file. Raises Usage when it is none, or lacks SOA or NS."""
    try:
        return from_zone(dns.zone.from_text(text, origin=dns.name.from_text(origin), relativize=False))
    except (dns.exception.DNSException, ValueError) as wrong:
        raise Usage(f"reading the zone {origin}: {wrong}; correct the zone file") from wrong


def from_zone(zone: dns.zone.Zone) -> Zone:
    """A version from dnspython's own zone, as a transfer gives it."""
    assert zone.origin is not None
    nodes: Nodes = {name: {one.rdtype: one for one in node} for name, node in zone.nodes.items()}
    return Zone(zone.origin, {name: node for name, node in nodes.items() if node})


@value
class Answer:
    """The content of a response; `aa` is False for a referral alone.

    `drawn`: each response ends with one of these RRsets, as often as its weight says (a LUA record, weighted sets).
    """

    rcode: Rcode
    aa: bool = True
    answer: tuple[RRset, ...] = ()
    authority: tuple[RRset, ...] = ()
    additional: tuple[RRset, ...] = ()
    drawn: tuple[RRset, ...] = ()
    weights: tuple[float, ...] = ()


def look(zone: Zone, name: Name, rtype: RdataType) -> Answer:
    """What the zone answers; CNAMEs are followed while they stay inside the zone, a loop is a SERVFAIL."""
    chain: list[RRset] = []
    for _ in range(LONGEST_CHAIN):
        if not name.is_subdomain(zone.origin):
            return Answer(Rcode.NOERROR, answer=tuple(chain)) if chain else Answer(Rcode.REFUSED, aa=False)
        if cut := _cut(zone, name):
            return _referral(zone, cut, tuple(chain))
        owner = _owner(zone, name)
        node = zone.nodes.get(owner, {}) if owner else {}
        try:
            draw = _draw(zone, owner, node, rtype)
        except Unreadable:
            return Answer(Rcode.SERVFAIL)
        if draw:
            drawn = tuple(rrset(name, one) for one in draw.rdatasets)
            return Answer(Rcode.NOERROR, answer=tuple(chain), drawn=drawn, weights=draw.weights)
        found = _matching(node, name, rtype)
        if found or RdataType.CNAME not in node:
            return _final(zone, name, chain, found)
        chain.append(rrset(name, node[RdataType.CNAME]))
        name = node[RdataType.CNAME][0].target
    return Answer(Rcode.SERVFAIL, answer=tuple(chain))


def _draw(zone: Zone, owner: Name | None, node: Node, rtype: RdataType) -> Draw | None:
    """What is to be drawn from; an alias with weights is the answer to any type. Raises Unreadable."""
    if owner is None:
        return None
    if LUA in node and rtype in (RdataType.A, RdataType.AAAA) and (found := choices(node[LUA], rtype)):
        return Draw(*found)
    return zone.draws.get((owner, rtype)) or zone.draws.get((owner, RdataType.CNAME))


def _matching(node: Node, name: Name, rtype: RdataType) -> list[RRset]:
    """The RRsets asked for."""
    plain = {kind: held for kind, held in node.items() if kind != LUA}
    wanted = plain.values() if rtype == RdataType.ANY else [plain[rtype]] if rtype in plain else []
    return [rrset(name, rdataset) for rdataset in wanted]


def _final(zone: Zone, name: Name, chain: list[RRset], found: list[RRset]) -> Answer:
    if found:
        return Answer(Rcode.NOERROR, answer=(*chain, *found))
    there = _owner(zone, name) is not None
    return Answer(Rcode.NOERROR if there else Rcode.NXDOMAIN, answer=tuple(chain), authority=(_negative(zone),))


def _negative(zone: Zone) -> RRset:
    """The SOA with the TTL of negative answers (RFC 2308, section 3)."""
    soa = rrset(zone.origin, zone.nodes[zone.origin][RdataType.SOA])
    soa.ttl = min(soa.ttl, zone.soa.minimum)
    return soa


def _owner(zone: Zone, name: Name) -> Name | None:
    """Itself, or, for a name that does not exist, `*.<closest encloser>` (RFC 4592, section 3.3.1)."""
    if name in zone.names:
        return name
    encloser = name.parent()
    while encloser not in zone.names:
        encloser = encloser.parent()
    wildcard = WILDCARD.concatenate(encloser)
    return wildcard if wildcard in zone.nodes else None


def _cut(zone: Zone, name: Name) -> Name | None:
    """The topmost delegation at or above `name`, below the apex."""
    cut = None
    while name != zone.origin:
        if RdataType.NS in zone.nodes.get(name, {}):
            cut = name
        name = name.parent()
    return cut


def _referral(zone: Zone, cut: Name, chain: tuple[RRset, ...]) -> Answer:
    servers = zone.nodes[cut][RdataType.NS]
    glue = [
        rrset(one.target, zone.nodes[one.target][rtype])
        for one in servers
        for rtype in (RdataType.A, RdataType.AAAA)
        if rtype in zone.nodes.get(one.target, {})
    ]
    return Answer(Rcode.NOERROR, bool(chain), chain, (rrset(cut, servers),), tuple(glue))
