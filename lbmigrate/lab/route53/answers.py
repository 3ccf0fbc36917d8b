"""What Route 53's name servers answer from record sets: weights, health, aliases within the zone and to balancers.

Of weighted sets one is drawn by weight; all zero is equal shares, zero beside others is never drawn. A failover answers
PRIMARY while it is healthy, a multivalue answer up to eight healthy ones. The laboratory has no places: of latency and
geographic sets it answers the first by identifier.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

import dns.rdataset
from dns.name import Name
from dns.rdataset import Rdataset
from dns.rdatatype import RdataType

from lbmigrate.dns.route53 import names
from lbmigrate.lab.dnszone import Draw, Node, Zone
from lbmigrate.lab.route53 import values
from lbmigrate.lab.route53.sets import RecordSet
from lbmigrate.value import value

BALANCER_TTL = 60  # of an alias to a load balancer, fixed (Route 53, "TTL")
MOST = 8  # records of a multivalue answer
DEEPEST = 8  # aliases of aliases
Groups = dict[tuple[str, str], list[RecordSet]]


@value
class About:
    """What answers need beside the sets: the zone's id, addresses by balancer, and the checks that fail."""

    zone_id: str
    balancers: Mapping[str, tuple[str, ...]]
    unhealthy: frozenset[str]


def build(origin: Name, held: Collection[RecordSet], about: About) -> Zone:
    """The zone as its name servers answer from it."""
    groups: Groups = {}
    for one in sorted(held, key=lambda found: found.key):
        groups.setdefault((one.name, one.rtype), []).append(one)
    nodes: dict[Name, Node] = {}
    draws: dict[tuple[Name, RdataType], Draw] = {}
    for (name, rtype), group in groups.items():
        drawn = list(_drawn(groups, group, about, DEEPEST))
        owner, kind = names.parse(name), RdataType.make(rtype)
        node = nodes.setdefault(owner, {})
        if drawn:
            node[kind] = drawn[0][1]
        if len(drawn) > 1:
            draws[owner, kind] = Draw(tuple(one for _, one in drawn), tuple(share for share, _ in drawn))
    return Zone(origin, nodes, draws)


def _drawn(groups: Groups, group: Sequence[RecordSet], about: About, depth: int) -> Iterator[tuple[float, Rdataset]]:
    """What may be answered for a name and type, each with its share; the shares add up to 1."""
    if group[0].routing == "multivalue":
        alive = [one for one in group if one.health not in about.unhealthy] or list(group)
        texts = [text for one in alive[:MOST] for text in one.values]
        yield 1.0, _rdataset(group[0].rtype, group[0].ttl or 0, texts)
        return
    for share, one in _shares(group, about.unhealthy):
        for part, rdataset in _held(groups, one, about, depth):
            yield share * part, rdataset


def _held(groups: Groups, one: RecordSet, about: About, depth: int) -> Iterator[tuple[float, Rdataset]]:
    """What one set answers with; an alias answers as its target does, and one that leads nowhere not at all."""
    if one.alias is None:
        yield 1.0, _rdataset(one.rtype, one.ttl or 0, one.values)
    elif one.alias.zone == about.zone_id:
        target = groups.get((one.alias.name, one.rtype), [])
        if target and depth:
            yield from _drawn(groups, target, about, depth - 1)
    elif found := _addresses(about.balancers.get(one.alias.name, ()), one.rtype):
        yield 1.0, _rdataset(one.rtype, BALANCER_TTL, found)


def _addresses(addresses: Sequence[str], rtype: str) -> list[str]:
    return [one for one in addresses if (":" in one) == (rtype == "AAAA")]


def _shares(group: Sequence[RecordSet], unhealthy: frozenset[str]) -> list[tuple[float, RecordSet]]:
    """Each set that may be answered, with its share."""
    alive = [one for one in group if one.health not in unhealthy] or list(group)
    match group[0].routing:
        case "weighted":
            return _weighed(alive)
        case "failover":
            return [(1.0, max(alive, key=lambda one: ("Failover", "PRIMARY") in one.place))]
    return [(1.0, alive[0])]


def _weighed(alive: Sequence[RecordSet]) -> list[tuple[float, RecordSet]]:
    """By weight. One of weight 0 serves when no other is healthy; where all are 0, each as often as the others."""
    total = sum(one.weight for one in alive)
    if not total:
        return [(1.0 / len(alive), one) for one in alive]
    return [(one.weight / total, one) for one in alive if one.weight]


def _rdataset(rtype: str, ttl: int, texts: Sequence[str]) -> Rdataset:
    return dns.rdataset.from_rdata_list(ttl, [values.rdata(rtype, text) for text in texts])
