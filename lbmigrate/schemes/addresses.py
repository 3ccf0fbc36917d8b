"""Scheme `addresses`, for any server: i of A's and j of B's addresses in one RRset; B's share is j/(i+j). Pure."""

from functools import lru_cache

from lbmigrate.model import RRset, Side
from lbmigrate.schemes.swap import families
from lbmigrate.value import replace


@lru_cache(maxsize=4096)
def choose(a: int, b: int, weight: int) -> tuple[int, int] | None:
    """The largest (i, j), i ≤ a and j ≤ b, with j/(i+j) exactly `weight` percent; None when there is none."""
    fits = [(i, j) for i in range(a + 1) for j in range(b + 1) if i + j and j * 100 == weight * (i + j)]
    return max(fits, key=sum, default=None)


def shares(rrset: RRset, a: Side, b: Side) -> tuple[list[str], list[str]]:
    """A's addresses that the RRset holds, and B's of the same family."""
    return [r for r in rrset.rdatas if r in a.addresses], families(b.addresses, rrset.rtype == "AAAA")


def attainable(rrset: RRset, a: Side, b: Side) -> frozenset[int]:
    """The weights that these addresses can give."""
    ours, theirs = shares(rrset, a, b)
    return _weights(len(ours), len(theirs))


@lru_cache(maxsize=4096)
def _weights(a: int, b: int) -> frozenset[int]:
    return frozenset(w for w in range(101) if choose(a, b, w))


def records(rrset: RRset, a: Side, b: Side, weight: int) -> RRset:
    """The RRset at a weight that is attainable; among equal choices, the most addresses."""
    ours, theirs = shares(rrset, a, b)
    chosen = choose(len(ours), len(theirs), weight)
    assert chosen is not None
    return replace(rrset, rdatas=tuple(sorted(ours[: chosen[0]] + theirs[: chosen[1]])))
