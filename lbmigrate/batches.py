"""Which names one message moves together: as many as fit whatever weight it goes from and to. Pure."""

from collections.abc import Iterator, Sequence
from itertools import permutations

from lbmigrate import lua, schemes, size
from lbmigrate.fence import encode
from lbmigrate.model import Fence, Held, RRset, Side, kinds
from lbmigrate.size import Share
from lbmigrate.spec import Dns

NUMBER = 99_999  # a fence's number as its batch is planned for; a longer one may cost a second message
ATTEMPT = "0" * 8
Shape = tuple[tuple[str, int, int], ...]  # per type: how many records, and bytes of their rdata
Counts = tuple[int, tuple[int, int]]  # bytes of the record that introduces the name; number and bytes of all


class Shares:
    """Names as they weigh in a message. What depends on records and sides alone is worked out once for all names."""

    def __init__(self, migration: str) -> None:
        self._migration = migration
        self._worst: dict[object, Counts] = {}

    def of(self, entry: Dns, held: Held, how: str, a: Side, b: Side) -> Share:
        """What a name adds to a message at most; `how` it is moved: see `schemes`."""
        service = held.name.startswith("_")
        alike = (how, service, entry.view, tuple((one.rtype, one.rdatas) for one in held.rrsets))
        if alike not in self._worst:
            self._worst[alike] = _worst(held, list(_shapes(how, held, a, b)))
        first, records = self._worst[alike]
        if any(one.spelled for one in held.rrsets):  # such owners are written out each time
            whole = len(size.name_wire(held.name))
            first, records = first + whole, (records[0], records[1] + records[0] * whole)
        mark = size.strings(encode(Fence(self._migration, ATTEMPT, NUMBER, held.rrsets)))
        owner = len(size.name_wire(held.name)) - len(size.name_wire(entry.zone))
        probe = (1, len(lua.wire(lua.PROBE))) if entry.scheme == "lua" else (0, 0)
        return Share(owner, first, mark, records, (2 + probe[0], mark + probe[1]))


def _shapes(how: str, held: Held, a: Side, b: Side) -> Iterator[Shape]:
    """The original records, twice (their TTL changes), and what the name holds at each weight."""
    yield from [_shape(held.rrsets)] * 2
    for weight in sorted(schemes.attainable(how, held, a, b) - {0}):
        yield _shape(schemes.records(how, held, a, b, weight))
    if schemes.leaves(how):
        yield _shape(schemes.records(how, held, a, b, 0))
        yield _shape(schemes.records(how, held, a, b, 100, True))


def _shape(rrsets: Sequence[RRset]) -> Shape:
    return tuple((r.rtype, len(r.rdatas), sum(size.rdata(r.rtype, one) for one in r.rdatas)) for r in rrsets)


def _worst(held: Held, shapes: list[Shape]) -> Counts:
    """The change that takes most: from one shape to another, or to the same where two weights have it."""
    largest: dict[frozenset[str], list[Shape]] = {}
    for shape in sorted(shapes, key=_bytes, reverse=True):
        largest.setdefault(frozenset(rtype for rtype, *_ in shape), []).append(shape)
    chosen = [shape for alike in largest.values() for shape in alike[:2]]
    found = [_change(held, old, new) for old, new in permutations(chosen, 2)]
    present = {rtype for shape in shapes for rtype, *_ in shape}
    always = not set(kinds(held.name)) <= present  # a type that is required to be absent introduces the name
    first = 0 if always else max(rdata for shape in shapes for *_, rdata in shape)
    return first, (max(records for records, _ in found), max(rdata for _, rdata in found))


def _bytes(shape: Shape) -> int:
    return sum(count * (size.POINTER + size.FIXED) + rdata for _, count, rdata in shape)


def _change(held: Held, old: Shape, new: Shape) -> tuple[int, int]:
    """How many records it takes, required, deleted and added, and the bytes of their rdata."""
    before, after = ({rtype for rtype, *_ in shape} for shape in (old, new))
    absent = {*kinds(held.name), *after} - before
    records = sum(count for shape in (old, new) for _, count, _ in shape)
    return records + len(absent) + len(before), sum(rdata for shape in (old, new) for *_, rdata in shape)
