"""What a weight is in records: which weights a name attains, and what it holds at each. Pure.

A name is moved by one of these ways, by what it holds and by `scheme:` of its `dns:` entry:

    addresses  A and AAAA: so many addresses of each side in one RRset          any server
    lua        A and AAAA: one LUA record that chooses by weight                PowerDNS
    weighted   A, AAAA, CNAME, one SRV, aliases: a weighted set for every value Route 53
    srv        SRV: priority and weight                                         any server
    whole      all at once: a CNAME, 0 or 100; HTTPS and SVCB alone              any server
    names      whole, and the weight is the share of the names that have moved  any server

HTTPS and SVCB have no weights: while one is in force their hints are gone, so that no client goes round it.
"""

from collections.abc import Sequence

from lbmigrate import drawn, weighted
from lbmigrate.model import FAMILIES, Held, RRset, Side
from lbmigrate.schemes import addresses, draws, sets, srv
from lbmigrate.schemes.swap import TARGETS, names_a, plain, service, swapped, target

ALL = frozenset(range(101))
ENDS = frozenset({0, 100})


def way(scheme: str, original: Held) -> str:
    """How this name is moved: the entry's scheme where it names one for such records, else what they allow."""
    types = set(original.by_type)
    if scheme == "names":
        return "names"
    if scheme == "weighted" and types & set(weighted.DRAWN) and _each_alone(original):
        return "weighted"
    if "SRV" in types:
        return "srv"
    if types & {"A", "AAAA"}:
        return scheme if scheme in draws.KINDS else "addresses"
    return "whole"


def _each_alone(original: Held) -> bool:
    """Whether a client that gets one SRV record of a name gets all of them: a weighted set has one value."""
    return len(original.by_type["SRV"].rdatas) == 1 if "SRV" in original.by_type else True


def misfit(scheme: str, how: str, original: Held) -> str:
    """Why the entry's scheme is none for such a name, or ""."""
    if not original.rrsets or scheme in ("auto", "names", "weighted") or how in (scheme, "whole"):
        return ""
    return f"{original.name} holds {', '.join(original.by_type)}: `scheme: {scheme}` does not fit; use `scheme: auto`"


def attainable(how: str, original: Held, a: Side, b: Side) -> frozenset[int]:
    """The weights of one name, in every family; `names` is counted over all names elsewhere."""
    if how == "names" or (how == "whole" and "CNAME" in original.by_type):
        return ENDS
    return frozenset.intersection(ALL, *(_attainable(how, rrset, a, b) for rrset in original.rrsets))


def _attainable(how: str, rrset: RRset, a: Side, b: Side) -> frozenset[int]:
    match rrset.rtype:
        case "A" | "AAAA" if how == "addresses":
            return addresses.attainable(rrset, a, b)
        case _ if how == "weighted" and draws.drawn(how, rrset):
            return draws.attainable(rrset, a, b)
        case "HTTPS" | "SVCB" if a.hostname and any(target(rrset.rtype, r) == a.hostname for r in rrset.rdatas):
            alias = any(service(rdata)[0] == 0 for rdata in rrset.rdatas)  # AliasMode: one record (RFC 9460 2.4.2)
            return ENDS if alias else ENDS | {50}
    return ALL


def records(how: str, original: Held, a: Side, b: Side, weight: int, alone: bool = False) -> tuple[RRset, ...]:
    """The RRsets of one name at a weight, TTLs as original; `alone`: 100, and A is not even a standby.

    Raises ValueError for a weight that is not attainable.
    """
    if weight not in attainable(how, original, a, b):
        raise ValueError(f"{original.name}: weight {weight} is not attainable")
    moved: list[RRset] = []
    weighed = [rrset for rrset in original.rrsets if draws.drawn(how, rrset)]
    if weighed:
        moved += draws.records(how, weighed, a, b, weight)
    for rrset in original.rrsets:
        if rrset not in weighed:
            moved.append(_moved(how, rrset, a, b, weight, alone))
    return tuple(sorted(moved, key=lambda rrset: rrset.rtype))


def _moved(how: str, rrset: RRset, a: Side, b: Side, weight: int, alone: bool) -> RRset:
    if rrset.rtype == "SRV" and how == "srv":
        return srv.records(rrset, a, b, weight, alone)
    if rrset.rtype in ("A", "AAAA") and how == "addresses":
        return addresses.records(rrset, a, b, weight)
    if weight == 0:
        return rrset
    return swapped(rrset, a, b) if weight == 100 else plain(rrset, a, b)


def unfit(how: str, original: Held, a: Side, b: Side) -> str:
    """Why this name cannot be moved, or "" when it can."""
    if not original.rrsets:
        return f"{original.name} has no record that could be moved; what there is: lbmigrate discover {original.name}"
    if _moved_already(original, a, b):
        return (
            f"{original.name} holds B's records and none of A's: it is moved already; leave it out, or swap a and b in"
            " the config for the way back"
        )
    for rrset in original.rrsets:
        if why := _unfit(rrset, a, b):
            return why
        if how == "srv" and rrset.rtype == "SRV" and (why := srv.unfit(rrset, a)):
            return why
    if not any(names_a(rrset, a) for rrset in original.rrsets):
        return f"{original.name} does not lead to A: {_what(original)}; leave it out, or correct a: addresses, hostname"
    return ""


def _moved_already(original: Held, a: Side, b: Side) -> bool:
    others = {r for rrset in original.rrsets if rrset.rtype in FAMILIES for r in rrset.rdatas} - {*b.addresses}
    if others or "LUA" in original.by_type:
        return False
    return [any(names_a(rrset, side) for rrset in original.rrsets) for side in (a, b)] == [False, True]


def _unfit(rrset: RRset, a: Side, b: Side) -> str:
    """Why one RRset stands in the way, or ""."""
    if rrset.rtype in ("A", "AAAA"):
        ours, theirs = addresses.shares(rrset, a, b)
        if strange := [r for r in rrset.rdatas if r not in ours]:
            return f"{rrset.name} {rrset.rtype} also holds {', '.join(strange)}, which a.addresses does not name"
        if not theirs:
            return f"{rrset.name} has {rrset.rtype} records, but b.addresses has none of that family"
    if rrset.rtype == weighted.TYPE:
        return sets.unfit(rrset, a, b)
    if rrset.rtype == "LUA":
        return f"{rrset.name} holds a LUA record of somebody else's; replace it by plain addresses first"
    pointed = {target(rrset.rtype, rdata) for rdata in rrset.rdatas} if rrset.rtype in TARGETS else set()
    if a.hostname in pointed and a.hostname and not b.hostname:
        return f"{rrset.name} {rrset.rtype} points to {a.hostname}; give b: hostname, what it shall point to instead"
    if rrset.rtype in ("CNAME", "SRV") and (not a.hostname or a.hostname not in pointed):
        hosts = ", ".join(sorted(pointed))
        return f"{rrset.name} {rrset.rtype} points to {hosts}; name that host under a: hostname, or move it instead"
    return ""


def _what(original: Held) -> str:
    return ", ".join(f"{rrset.rtype} {' '.join(rrset.rdatas)}" for rrset in original.rrsets)


def leaves(how: str) -> bool:
    """Whether A is still in DNS at weight 100, as a standby, and has to be taken out by a step of its own."""
    return how == "srv"


def share(rrsets: Sequence[RRset], b: Side) -> float | None:
    """B's percentage of what clients choose by these RRsets; None where none of them says which side."""
    found = [one for rrset in rrsets if (one := _share(rrset, b)) is not None]
    return sum(found) / len(found) if found else None


def _share(rrset: RRset, b: Side) -> float | None:
    match rrset.rtype:
        case "SRV":
            return srv.share(rrset, b)
        case "CNAME":
            return 100.0 * (target("CNAME", rrset.rdatas[0]) == b.hostname)
        case kind if kind in drawn.READERS:
            return _chosen([found for found in drawn.choices(rrset) if found], b)
        case "A" | "AAAA":
            return 100.0 * sum(r in b.addresses for r in rrset.rdatas) / len(rrset.rdatas)
    return None


def _chosen(found: Sequence[tuple[str, tuple[tuple[int, str], ...]]], b: Side) -> float | None:
    percents = [
        100.0 * sum(share for share, value in shares if weighted.belongs(kind, value, b)) / sum(s for s, _ in shares)
        for kind, shares in found
        if any(share for share, _ in shares)
    ]
    return sum(percents) / len(percents) if percents else None


def _strange(kind: str, shares: Sequence[tuple[int, str]], sides: tuple[Side, Side]) -> bool:
    return not all(any(weighted.belongs(kind, value, side) for side in sides) for _, value in shares)


def within(rrset: RRset, sides: tuple[Side, Side]) -> tuple[str, ...]:
    """The records that name neither side, for a rollback without the journal: what is not ours is not overwritten."""
    a, b = sides
    known = {*a.addresses, *b.addresses}
    hosts = {a.hostname, b.hostname} - {""}
    match rrset.rtype:
        case "A" | "AAAA":
            return tuple(rdata for rdata in rrset.rdatas if rdata not in known)
        case kind if kind in drawn.READERS:
            read = zip(rrset.rdatas, drawn.choices(rrset), strict=True)
            return tuple(rdata for rdata, one in read if one is None or _strange(*one, sides))
        case "CNAME":
            return tuple(rdata for rdata in rrset.rdatas if target("CNAME", rdata) not in hosts)
    return ()
