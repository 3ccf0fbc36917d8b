"""Schemes `lua` (PowerDNS: one LUA record) and `weighted` (Route 53: a set for every value), drawn by weight. Pure.

Each of A's a values has the share (100 - w)·b, each of B's b values w·a, so that B's are w percent of the whole; where
A's sets have weights already, they keep their proportions. A LUA record attains every whole percent so; of weighted
sets none may, in smallest terms, weigh more than 255.
"""

from collections.abc import Sequence
from functools import lru_cache

from lbmigrate import lua, weighted
from lbmigrate.model import RRset, Side
from lbmigrate.schemes.addresses import shares
from lbmigrate.schemes.swap import families, swapped
from lbmigrate.value import replace
from lbmigrate.weighted import Group, One, alias, alias_of

KINDS = ("lua", "weighted")


def drawn(how: str, rrset: RRset) -> bool:
    """Whether an RRset of a name that is moved so is weighed by drawing."""
    return how in KINDS and rrset.rtype in (weighted.DRAWN if how == "weighted" else ("A", "AAAA"))


def records(how: str, found: Sequence[RRset], a: Side, b: Side, weight: int) -> list[RRset]:
    """What stands in place of a name's drawn RRsets at a weight: themselves at 0, B's at 100, else a draw."""
    if weight == 0:
        return list(found)
    if weight == 100:
        return _whole(found, a, b)
    ttl = min(rrset.ttl for rrset in found)
    if how == "lua":
        texts = [lua.choice(rrset.rtype, _weighed(rrset, a, b, weight)) for rrset in found]
        return [replace(found[0], rtype="LUA", ttl=ttl, rdatas=tuple(sorted(texts)))]
    texts = [_mixed(group, a, b, weight) for rrset in found for group in weighted.groups(rrset)]
    return [_sets(found, ttl, texts)]


def _sets(found: Sequence[RRset], ttl: int, texts: Sequence[str]) -> RRset:
    one = replace(found[0], rtype=weighted.TYPE, ttl=ttl, rdatas=tuple(sorted(texts)))
    return replace(one, ttl=weighted.ALIAS_TTL) if weighted.fixed(one) else one


def _whole(found: Sequence[RRset], a: Side, b: Side) -> list[RRset]:
    """B's records alone: an alias becomes an alias, anything else a plain RRset."""
    plain = [swapped(rrset, a, b) for rrset in found if rrset.rtype != weighted.TYPE]
    aliases: list[str] = []
    ttl = min(rrset.ttl for rrset in found)
    for rtype, ones in (group for rrset in found if rrset.rtype == weighted.TYPE for group in weighted.groups(rrset)):
        theirs = _theirs(rtype, ones, a, b)
        if alias_of(theirs[0]):
            aliases.append(weighted.text(rtype, [One(None, theirs[0])]))
        else:
            plain.append(replace(found[0], rtype=rtype, ttl=ttl, rdatas=tuple(sorted(theirs))))
    return [*plain, *([_sets(found, ttl, aliases)] if aliases else [])]


def _weighed(rrset: RRset, a: Side, b: Side, weight: int) -> list[tuple[int, str]]:
    ours, theirs = shares(rrset, a, b)
    return [((100 - weight) * len(theirs), one) for one in ours] + [(weight * len(ours), one) for one in theirs]


def _theirs(rtype: str, ones: Sequence[One], a: Side, b: Side) -> list[str]:
    """What B has in the place of A's values: every address of the family, its hostname, an alias to that."""
    if target := alias_of(ones[0].value):
        there = weighted.moved(target, a, b)
        return [alias(there)] if there else []
    if rtype in weighted.VERSIONS:
        return families(b.addresses, rtype == "AAAA")
    return sorted({" ".join([*one.value.split(" ")[:-1], b.hostname]) for one in ones}) if b.hostname else []


def _mixed(group: Group, a: Side, b: Side, weight: int) -> str:
    rtype, ones = group
    ours = [one for one in ones if weighted.belongs(rtype, one.value, a)]
    theirs = _theirs(rtype, ones, a, b)
    whole = sum(_share(one) for one in ours)
    old = [one._replace(share=(100 - weight) * len(theirs) * _share(one)) for one in ours]
    return weighted.chosen(rtype, [*old, *(One(weight * whole, value) for value in theirs)])


def _share(one: One) -> int:
    return 1 if one.share is None else one.share


def attainable(rrset: RRset, a: Side, b: Side) -> frozenset[int]:
    """The weights that weighted sets of these values can give."""
    return frozenset.intersection(*[_group(group, a, b) for group in weighted.groups(rrset)] or [frozenset({0, 100})])


def _group(group: Group, a: Side, b: Side) -> frozenset[int]:
    rtype, ones = group
    ours = tuple(_share(one) for one in ones if weighted.belongs(rtype, one.value, a))
    return _weights(ours, len(_theirs(rtype, ones, a, b)))


@lru_cache(maxsize=4096)
def _weights(ours: tuple[int, ...], b: int) -> frozenset[int]:
    """`ours`: the shares of A's values; `b`: how many B has."""
    whole = sum(ours)
    each = [(w, [*((100 - w) * b * one for one in ours), w * whole]) for w in range(1, 100)] if whole and b else []
    return frozenset({0, 100, *(w for w, mixed in each if weighted.fits(mixed))})
