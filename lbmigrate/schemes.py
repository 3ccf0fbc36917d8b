"""What a weight is in records: one entry per scheme, pure.

A scheme says which weights it attains for a name, and which RRsets the name holds at a weight. `addresses`
(any server): i of A's and j of B's addresses in one RRset; every resolver picks one, so B's share is j/(i+j).
"""

from collections.abc import Callable

from lbmigrate.model import Held, RRset, Side
from lbmigrate.value import replace, value


def choose(a: int, b: int, weight: int) -> tuple[int, int] | None:
    """The largest (i, j), i ≤ a and j ≤ b, with j/(i+j) exactly `weight` percent; None when there is none."""
    fits = [(i, j) for i in range(a + 1) for j in range(b + 1) if i + j and j * 100 == weight * (i + j)]
    return max(fits, key=sum, default=None)


def _shares(rrset: RRset, a: Side, b: Side) -> tuple[list[str], list[str]]:
    """A's addresses that the name holds, and B's of the same family."""
    six = rrset.rtype == "AAAA"
    return [r for r in rrset.rdatas if r in a.addresses], [r for r in sorted(b.addresses) if (":" in r) == six]


def _attainable_addresses(original: Held, a: Side, b: Side) -> frozenset[int]:
    per_family = []
    for rrset in original.rrsets:
        ours, theirs = _shares(rrset, a, b)
        per_family.append({w for w in range(101) if choose(len(ours), len(theirs), w)})
    return frozenset(set.intersection(*per_family)) if per_family else frozenset()


def _records_addresses(original: Held, a: Side, b: Side, weight: int) -> tuple[RRset, ...]:
    changed = []
    for rrset in original.rrsets:
        ours, theirs = _shares(rrset, a, b)
        chosen = choose(len(ours), len(theirs), weight)
        if chosen is None:
            raise ValueError(f"{rrset.name} {rrset.rtype}: weight {weight} is not attainable")
        changed.append(replace(rrset, rdatas=tuple(sorted(ours[: chosen[0]] + theirs[: chosen[1]]))))
    return tuple(changed)


@value
class Scheme:
    """`attainable(original, a, b)`: the weights; `records(original, a, b, weight)`: the RRsets, TTLs as original."""

    attainable: Callable[[Held, Side, Side], frozenset[int]]
    records: Callable[[Held, Side, Side, int], tuple[RRset, ...]]


SCHEMES = {"addresses": Scheme(_attainable_addresses, _records_addresses)}


def unfit(original: Held, a: Side, b: Side) -> str:
    """Why this name cannot be moved by `addresses`, or "" when it can."""
    if not original.rrsets:
        return f"{original.name} has no A or AAAA record; a fence is written only beneath a name that exists"
    for rrset in original.rrsets:
        ours, theirs = _shares(rrset, a, b)
        if strange := [r for r in rrset.rdatas if r not in ours]:
            return f"{original.name} {rrset.rtype} also holds {', '.join(strange)}, which a.addresses does not name"
        if not theirs:
            return f"{original.name} has {rrset.rtype} records, but b.addresses has none of that family"
    return ""
