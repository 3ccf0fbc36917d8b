"""What a server's answers from a LUA record, or from weighted sets, say about which they are. Pure.

Neither can be asked for: its answers are one value at a time, and 5 % looks like 25 %; those of an alias are the
balancer's own and change with it. But the fence is changed by the same message, so a server that serves our present
fence has our present record as well. Its answers are then counted as the record itself; of any other server as a record
that is not ours.
"""

from collections.abc import Iterable

from lbmigrate.drawn import MARKS, READERS, asked, may
from lbmigrate.fence import rdata
from lbmigrate.model import Held, RRset, Served
from lbmigrate.value import replace
from lbmigrate.weighted import DRAWN

OTHER = "not the present record"


def settled(known: Iterable[Held], served: Iterable[Served]) -> list[Served]:
    """The answers with those of drawn records in their place: a name that was asked for its fence gets an entry."""
    answers = list(served)
    fences = {(one.server, one.view, one.name): one for one in answers if one.rtype in MARKS}
    if not fences:
        return answers
    holds = {held.key: held for held in known}
    ours = {at: _ours(one, holds[at[1:]]) for at, one in fences.items()}
    ttls: dict[tuple[str, str, str], int] = {}
    found = []
    for one in answers:
        at = (one.server, one.view, one.name)
        if at not in fences or one.rtype not in (*DRAWN, *MARKS):
            found.append(one)
        elif one.rtype not in MARKS:
            found.append(_value(one, holds[at[1:]], ours[at]))
            if not _beside(one, holds[at[1:]]):
                ttls[at] = max(ttls.get(at, 0), one.ttl or 0)
    records = [_record(one, holds[at[1:]], ours[at], ttls.get(at, 0)) for at, one in fences.items()]
    return [*found, *records]


def _ours(fence: Served, held: Held) -> bool:
    return fence.rdatas == ((rdata(held.fence),) if held.fence else ())


def _drawn(held: Held) -> RRset | None:
    return next((held.by_type[kind] for kind in READERS if kind in held.by_type), None)


def _beside(one: Served, held: Held) -> bool:
    """An answer from an RRset that stands beside the drawn one, and has a TTL of its own."""
    record = _drawn(held)
    return record is not None and one.rtype in held.by_type and one.rtype not in asked(record)


def _value(one: Served, held: Held, ours: bool) -> Served:
    """What the present record may answer is no record of its own."""
    record = _drawn(held)
    if not ours or record is None or one.rdatas is None:
        return one
    possible = may(record, one.rtype)
    if possible is None or {rdata.lower() for rdata in one.rdatas} <= possible:
        return replace(one, rdatas=())
    return one


def _record(fence: Served, held: Held, ours: bool, ttl: int) -> Served:
    """The record that a server has, by its fence; `ttl` is that of its answers."""
    kind = MARKS[fence.rtype]
    if fence.error:
        return replace(fence, rtype=kind)
    if not ours:
        return replace(fence, rtype=kind, ttl=ttl, rdatas=(OTHER,))
    record = held.by_type.get(kind)
    return replace(fence, rtype=kind, ttl=ttl, rdatas=record.rdatas if record else ())
