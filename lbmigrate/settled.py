"""What a server's answers from a LUA record say about which record that is. Pure.

A LUA record cannot be asked for: its answers are one address at a time, and 5 % looks like 25 %. But the fence is
changed by the same message, so a server that serves our present fence has our present record as well. Its answers
are then counted as the record itself; of any other server as a record that is not ours.
"""

from collections.abc import Iterable

from lbmigrate import lua
from lbmigrate.fence import rdata
from lbmigrate.model import FAMILIES, Held, Served
from lbmigrate.value import replace

OTHER = "not the present record"


def settled(known: Iterable[Held], served: Iterable[Served]) -> list[Served]:
    """The answers with those of LUA records in their place: a name that was asked for its fence gets an entry LUA."""
    answers = list(served)
    fences = {(one.server, one.view, one.name): one for one in answers if one.rtype == "TXT"}
    if not fences:
        return answers
    holds = {held.key: held for held in known}
    ttls: dict[tuple[str, str, str], int] = {}
    found = []
    for one in answers:
        at = (one.server, one.view, one.name)
        if at not in fences or one.rtype not in (*FAMILIES, "TXT"):
            found.append(one)
        elif one.rtype != "TXT":
            ttls[at] = max(ttls.get(at, 0), one.ttl or 0)
            found.append(_address(one, holds[at[1:]], _ours(fences[at], holds[at[1:]])))
    records = [_record(one, holds[at[1:]], ttls.get(at, 0)) for at, one in fences.items()]
    return [*found, *records]


def _ours(fence: Served, held: Held) -> bool:
    return fence.rdatas == ((rdata(held.fence),) if held.fence else ())


def _address(one: Served, held: Held, ours: bool) -> Served:
    """An address that the present LUA record may answer is no record of its own."""
    record = held.by_type.get("LUA")
    chosen = [shares for text in (record.rdatas if record else ()) if (shares := lua.read(text))]
    may = {address for family, shares in chosen if family == one.rtype for _, address in shares}
    if ours and record and one.rdatas is not None and set(one.rdatas) <= may:
        return replace(one, rdatas=())
    return one


def _record(fence: Served, held: Held, ttl: int) -> Served:
    """The LUA record that a server has, by its fence; `ttl` is that of its answers."""
    if fence.error:
        return replace(fence, rtype="LUA")
    if not _ours(fence, held):
        return replace(fence, rtype="LUA", ttl=ttl, rdatas=(OTHER,))
    record = held.by_type.get("LUA")
    return replace(fence, rtype="LUA", ttl=ttl, rdatas=record.rdatas if record else ())
