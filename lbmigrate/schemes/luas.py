"""Scheme `lua`, for PowerDNS: one LUA record that answers with A's or B's addresses by the weight. Pure.

Every whole percent is attained, however many addresses each side has: each of A's a addresses has the share
(100 - w)·b, each of B's b addresses w·a, so that B's are w percent of the whole.
"""

from collections.abc import Sequence

from lbmigrate import lua
from lbmigrate.model import RRset, Side
from lbmigrate.schemes.addresses import shares
from lbmigrate.schemes.swap import swapped
from lbmigrate.value import replace


def records(found: Sequence[RRset], a: Side, b: Side, weight: int) -> list[RRset]:
    """What stands in place of a name's A and AAAA RRsets at a weight: themselves at 0, B's at 100, else one LUA."""
    if weight == 0:
        return list(found)
    if weight == 100:
        return [swapped(rrset, a, b) for rrset in found]
    rdatas = tuple(sorted(_choice(rrset, a, b, weight) for rrset in found))
    return [replace(found[0], rtype="LUA", ttl=min(rrset.ttl for rrset in found), rdatas=rdatas)]


def _choice(rrset: RRset, a: Side, b: Side, weight: int) -> str:
    ours, theirs = shares(rrset, a, b)
    weighed = [((100 - weight) * len(theirs), one) for one in ours] + [(weight * len(ours), one) for one in theirs]
    return lua.choice(rrset.rtype, weighed)
