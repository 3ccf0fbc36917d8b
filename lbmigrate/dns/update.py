"""One RFC 2136 message from what names hold and what they shall hold.

Prerequisites compare values only (RFC 2136 section 2.4.2 wants TTL 0), so the caller compares TTLs. A changed RRset is
deleted and added whole: Knot takes an add that changes nothing but the TTL for nothing at all.

The records are laid out by hand (see `layout`): dnspython takes ten times as long, and in its order fewer names fit one
message.
"""

import struct
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import dns.exception
import dns.name
import dns.rdatatype
import dns.tsig
import dns.update

from lbmigrate.dns.layout import ANY, FENCE_LABEL, IN, Laid, Layout, fixed, laid, rdata_wire
from lbmigrate.dns.records import fence_name, name_of, rdatas_of
from lbmigrate.errors import Refused
from lbmigrate.model import MOVABLE, Held, Records
from lbmigrate.size import HEADER, name_wire

LONGEST = 255  # bytes of a name (RFC 1035 section 3.1)


def pairs(old: Records, new: Records) -> Iterator[tuple[Held, Held]]:
    """Each name before and after, checked. Raises Refused for what would break an invariant of the design.

    No name is left without records (never zero answers); no fence is written beneath a name that has none: it would
    make that name an empty non-terminal, and a wildcard above would answer no more (RFC 4592 section 2.2.2).
    """
    if [held.name for held in old.held] != [held.name for held in new.held]:
        raise Refused("a swap of different names before and after; give the same names in the same order")
    for was, will in zip(old.held, new.held, strict=True):
        if will.fence is not None and not will.rrsets:
            raise Refused(
                f"{was.name}: does not exist, or only by a wildcard; add its addresses first, or leave it out"
            )
        if was.rrsets and not will.rrsets:
            raise Refused(f"{was.name}: the change would leave it without any address; nothing was sent")
        for held in (was, will):
            if why := _unfit(tuple([one.rtype for one in held.rrsets])):
                raise Refused(f"{held.name}: {why}")
            if any(one.name != held.name for one in held.rrsets):
                raise Refused(f"{held.name}: given the records of another name; give each name its own")
        yield was, will


@lru_cache(maxsize=256)
def _unfit(types: tuple[str, ...]) -> str:
    """Why no name can hold these, or ""."""
    if len(set(types)) != len(types) or not set(types) <= set(MOVABLE):
        return f"moves {', '.join(types)}; only one RRset of each of {', '.join(MOVABLE)} can be"
    if "CNAME" in types and len(types) > 1:  # BIND and Knot would drop one of them and say NOERROR
        return f"moves {', '.join(types)}; beside a CNAME there is nothing else (RFC 2181 10.1)"
    return ""


def build(zone: dns.name.Name, old: Records, new: Records, probed: bool = False) -> "Update":
    """The message that turns `old` into `new` or does nothing; `probed`: each fence has a LUA record beside it.

    Raises Refused.
    """
    layout = Layout(zone)
    names = [(_owner(was.name, zone, layout.zone), was, will, _laid(was, will)) for was, will in pairs(old, new)]
    if old.soa is not None:
        soa = rdata_wire("SOA", old.soa)
        layout.records(layout.zone, [fixed(dns.rdatatype.SOA, IN, 0, len(soa)) + soa])
    for owner, _, _, each in names:
        layout.group(owner, each.first)
    for owner, was, _, _ in names:
        layout.require_fence(owner, was.fence)
    for owner, _, _, each in names:
        for group in each.required:
            layout.group(owner, group)
    required, layout.count = layout.count, 0
    for owner, was, will, each in names:
        for group in each.changes:
            layout.group(owner, group)
        layout.change_fence(owner, was.fence, will.fence)
        if probed and (was.fence is None) != (will.fence is None):
            layout.probe(owner, will.fence is not None)
    return Update(zone, required, layout.count, bytes(layout.wire))


def _laid(was: Held, will: Held) -> Laid:
    try:
        return laid(was, will)
    except Refused:
        for rrset in (*was.rrsets, *will.rrsets):
            rdatas_of(rrset)  # which says whose it is
        raise


class Update(dns.update.UpdateMessage):
    """An UPDATE whose records are laid out already: dnspython signs it, and knows the answer to it."""

    def __init__(self, zone: dns.name.Name, required: int, changed: int, records: bytes) -> None:
        super().__init__(zone)
        self._counts = required, changed
        self._records = records

    def __len__(self) -> int:
        """Its bytes without a signature."""
        return HEADER + len(self._records)

    def to_wire(self, *_: Any, max_size: int = 0, **__: Any) -> bytes:
        """The message, signed where `use_tsig` gave it a key. Raises TooBig above `max_size` bytes."""
        wire = self._headed(0)
        if self.tsig is not None:
            stamp, _ = dns.tsig.sign(wire, self.keyring, self.tsig[0], int(time.time()), b"")  # type: ignore[no-untyped-call]
            self.tsig.clear()  # type: ignore[no-untyped-call]
            self.tsig.add(stamp)
            name, data = self.tsig.name.to_wire() or b"", stamp.to_wire() or b""
            wire = self._headed(1) + name + fixed(dns.rdatatype.TSIG, ANY, 0, len(data)) + data
        if len(wire) > max_size > 0:
            raise dns.exception.TooBig
        return wire

    def _headed(self, additional: int) -> bytes:
        return struct.pack("!6H", self.id, self.flags, 1, *self._counts, additional) + self._records


def _owner(name: str, zone: dns.name.Name, apex: bytes) -> bytes:
    """The name in wire form. Raises Refused outside the zone, and where its fence's name would be too long."""
    wire = name_wire(name)
    if not wire.lower().endswith(apex):
        raise Refused(f"{name}: not in zone {zone}; give its zone a dns: entry")
    if len(wire) + len(FENCE_LABEL) > LONGEST:
        fence_name(name_of(name))
    return wire


def parts(zone: dns.name.Name, old: Records, new: Records, room: int, probed: bool = False) -> list[Update]:
    """The message as `build` makes it, or where it outgrows `room` bytes several, each of some of the names.

    A batch is planned to fit one; it no longer does when it overwrites more than was planned for. Only the first can
    require the SOA, which that then changes. So a claim, of names without a fence, is one message or none. Raises
    Refused.
    """
    whole = build(zone, old, new, probed)
    count = len(old.held)
    claim = old.soa is not None and all(
        was.fence is None and will.fence for was, will in zip(old.held, new.held, strict=True)
    )
    if len(whole) <= room or count == 1 or claim:
        return [whole]
    halves = ((slice(0, count // 2), old.soa), (slice(count // 2, count), None))
    return [
        one
        for half, soa in halves
        for one in parts(zone, Records(old.held[half], soa), Records(new.held[half]), room, probed)
    ]


def in_use(zone: dns.name.Name, name: dns.name.Name) -> dns.update.UpdateMessage:
    """Asks whether `name` is in use (RFC 2136 section 2.4.4), changing nothing: NOERROR or NXDOMAIN.

    A wildcard does not count, unlike in a query.
    """
    message = dns.update.UpdateMessage(zone)
    message.present(name)
    return message
