"""How B's answers differ from A's, told one line each, before any traffic is moved.

A is asked before and after B. Where A does not agree with itself (a clock or a random id in the body, several
addresses that redirect differently), nobody can say what B ought to answer, and that aspect is not compared.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence

from lbmigrate.model import FAMILIES
from lbmigrate.probe.host import Fixed, Host, Unresolved
from lbmigrate.probe.http import Answer, Heard, Request, hear, label, printable
from lbmigrate.value import value

_AT_ONCE = 64

_ASPECTS: tuple[tuple[str, Callable[[Answer], str | int | None]], ...] = (
    ("status", lambda one: one.status),
    ("Location", lambda one: one.location),
    ("Content-Type", lambda one: one.content_type),
)


@value
class Line:
    """One channel, ready to be sent: a request, and where both sides are in the family `rtype`."""

    request: Request
    rtype: str
    a: Fixed | Host
    b: Fixed | Host


async def differences(lines: Sequence[Line]) -> tuple[str, ...]:
    """Unmet expectations of A and B, and what B answers otherwise than A; in the order of `lines`."""
    room = asyncio.Semaphore(_AT_ONCE)
    told = await asyncio.gather(*(_compared(line, room) for line in lines))
    return tuple(sentence for one in told for sentence in one)


async def _compared(line: Line, room: asyncio.Semaphore) -> list[str]:
    where = f"{label(line.request.probe.url)} {FAMILIES[line.rtype]}"
    try:
        a, b = [await asyncio.to_thread(side.now, line.rtype) for side in (line.a, line.b)]
    except Unresolved as wrong:
        return [f"{where}: {wrong}"]
    before = await _asked(line.request, a, room)
    ours = await _asked(line.request, b, room)
    after = await _asked(line.request, a, room)
    models = [one.answer for one in (*before, *after) if one.answer is not None]
    told = [f"{where}: A {address}: {why}" for address, why in _unmet(a, before, after)]
    for address, heard in zip(b, ours, strict=True):
        told += [f"{where}: B {address}: {how}" for how in _unlike(heard, models)]
    return told


async def _asked(what: Request, addresses: Sequence[str], room: asyncio.Semaphore) -> list[Heard]:
    async def ask(address: str) -> Heard:
        async with room:
            return await hear(what, address)

    return await asyncio.gather(*map(ask, addresses))


def _unmet(addresses: Sequence[str], before: Sequence[Heard], after: Sequence[Heard]) -> Iterator[tuple[str, str]]:
    for address, first, second in zip(addresses, before, after, strict=True):
        if why := first.result.why or second.result.why:
            yield address, why


def _unlike(heard: Heard, models: Sequence[Answer]) -> Iterator[str]:
    told = [] if heard.answer is None else list(_differing(heard.answer, models))
    if told and told[0].startswith("status"):  # another page altogether: the rest follows from it
        yield told[0]
        return
    if heard.result.why:
        yield heard.result.why
    yield from told


def _differing(mine: Answer, models: Sequence[Answer]) -> Iterator[str]:
    for name, of in _ASPECTS:
        theirs = {of(one) for one in models}
        if len(theirs) == 1 and of(mine) not in theirs:
            yield f"{name} {_shown(of(mine))}, A answers {_shown(*theirs)}"
    bodies = {one.body for one in models}
    if len(bodies) == 1 and mine.body not in bodies:
        yield f"body of {len(mine.body)} bytes differs from A's of {len(*bodies)}"


def _shown(seen: str | int | None) -> str:
    return "none" if seen is None else printable(str(seen))
