"""Which names one Route 53 request moves together: as many as fit whatever weight it goes from and to. Pure.

A request takes 1,000 ResourceRecord elements and 32,000 characters of their values, deleted and created ones alike
(developer guide, "Quotas"). Of each name they are its records before and after, its fence, and what is beside it.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lbmigrate import schemes, weighted
from lbmigrate.batches import ATTEMPT, NUMBER
from lbmigrate.fence import encode
from lbmigrate.model import Fence, Held, RRset, Side

ELEMENTS = 1000
CHARACTERS = 32_000
MARKS = 2  # values of a fence's TXT
KEEPER = len('"lbmr53 00000000"')
LONGEST = 45  # characters of an address, however it is spelled (RFC 4291 section 2.2)


class Share(NamedTuple):
    """What a name takes of one request at most."""

    elements: int
    characters: int


def share(migration: str, held: Held, how: str, a: Side, b: Side) -> Share:
    """What any change of this name takes, `how` it is moved: see `schemes`."""
    states = [_values(rrsets) for rrsets in _states(how, held, a, b)]
    count = 2 * max(len(values) for values in states)
    length = 2 * max(sum(map(len, values)) for values in states)
    marks = _quoted(encode(Fence(migration, ATTEMPT, NUMBER, held.rrsets))) + KEEPER + _odd(held.rrsets)
    return Share(count + 2 * MARKS, length + 2 * marks)


def _states(how: str, held: Held, a: Side, b: Side) -> Iterator[tuple[RRset, ...]]:
    """What the name holds at first and at each weight."""
    yield held.rrsets
    for weight in sorted(schemes.attainable(how, held, a, b)):
        yield schemes.records(how, held, a, b, weight)


def _values(rrsets: Sequence[RRset]) -> list[str]:
    """The values of its sets."""
    found: list[str] = []
    for rrset in rrsets:
        found += [one.value for _, ones in weighted.groups(rrset) for one in ones]
    return found


def _quoted(texts: Sequence[str]) -> int:
    """Characters of a TXT value: quotes, a blank between strings, an octal escape for what is special."""
    return sum(3 + len(one) + 3 * (one.count("\\") + one.count('"')) for one in texts) - 1


def _odd(rrsets: Sequence[RRset]) -> int:
    """Characters that original values take beside the fence, where they may be spelled or placed in another way."""
    found = [rrset for rrset in rrsets if rrset.rtype != "A" or len(rrset.rdatas) > 1]
    return sum((LONGEST + len(rrset.rtype) + 4) * len(rrset.rdatas) for rrset in found)


def batches(shares: Sequence[Share]) -> list[range]:
    """The fewest requests for these names in this order, each as the range of its names."""
    found: list[range] = []
    start, elements, characters = 0, 0, 0
    for place, one in enumerate(shares):
        elements, characters = elements + one.elements, characters + one.characters
        if place > start and (elements > ELEMENTS or characters > CHARACTERS):
            found.append(range(start, place))
            start, elements, characters = place, *one
    return [*found, range(start, len(shares))] if shares else []
