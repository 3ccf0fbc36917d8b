"""Schemes `lua` (PowerDNS: one LUA record) and `weighted` (Route 53: a set for every address), drawn by weight. Pure.

Each of A's a addresses has the share (100 - w)·b, each of B's b addresses w·a, so that B's are w percent of the whole.
A LUA record attains every whole percent so; of weighted sets none may, in smallest terms, weigh more than 255.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

from lbmigrate import lua, weighted
from lbmigrate.model import RRset, Side
from lbmigrate.schemes.addresses import shares
from lbmigrate.schemes.swap import swapped
from lbmigrate.value import replace

Choice = Callable[[str, Sequence[tuple[int, str]]], str]
KINDS: dict[str, tuple[str, Choice]] = {"lua": ("LUA", lua.choice), "weighted": (weighted.TYPE, weighted.choice)}


def records(how: str, found: Sequence[RRset], a: Side, b: Side, weight: int) -> list[RRset]:
    """What stands in place of a name's A and AAAA RRsets at a weight: themselves at 0, B's at 100, else a draw."""
    if weight == 0:
        return list(found)
    if weight == 100:
        return [swapped(rrset, a, b) for rrset in found]
    rtype, choice = KINDS[how]
    rdatas = tuple(sorted(choice(rrset.rtype, _weighed(rrset, a, b, weight)) for rrset in found))
    return [replace(found[0], rtype=rtype, ttl=min(rrset.ttl for rrset in found), rdatas=rdatas)]


def _weighed(rrset: RRset, a: Side, b: Side, weight: int) -> list[tuple[int, str]]:
    ours, theirs = shares(rrset, a, b)
    return [((100 - weight) * len(theirs), one) for one in ours] + [(weight * len(ours), one) for one in theirs]


def attainable(rrset: RRset, a: Side, b: Side) -> frozenset[int]:
    """The weights that weighted sets of these addresses can give."""
    ours, theirs = shares(rrset, a, b)
    return _weights(len(ours), len(theirs))


@lru_cache(maxsize=4096)
def _weights(a: int, b: int) -> frozenset[int]:
    between = (w for w in range(1, 100) if a and b and weighted.fits([(100 - w) * b, w * a]))
    return frozenset({0, 100, *between})
