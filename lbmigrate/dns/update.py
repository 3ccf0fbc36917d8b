"""One RFC 2136 message from what names hold and what they shall hold.

Prerequisites compare values only (RFC 2136 section 2.4.2 wants TTL 0), so the caller compares TTLs. A changed RRset is
deleted and added whole: Knot takes an add that changes nothing but the TTL for nothing at all.

The records are laid out by hand, in the order that `lbmigrate.size` counts: dnspython takes ten times as long, and in
its order fewer names fit one message.
"""

import struct
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import dns.exception
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.tsig
import dns.update

from lbmigrate import fence, lua
from lbmigrate.dns.records import fence_name, fence_strings, name_of, rdatas_of, type_of
from lbmigrate.errors import Refused
from lbmigrate.model import MOVABLE, Fence, Held, Records, RRset, kinds
from lbmigrate.size import HEADER, REACH, name_wire

FENCE_TTL = 60  # seconds; nobody but lbmigrate asks for it, and at the primary
FENCE_LABEL = bytes([len(fence.LABEL)]) + fence.LABEL.encode()
LONGEST = 255  # bytes of a name (RFC 1035 section 3.1)
POINTED = 0xC000
IN, NONE, ANY = 1, 254, 255  # RFC 2136 section 2.4 and 2.5
TXT = 16
Required = tuple[bytes, str, str, str]  # owner and type, and of a record that must be there name and rdata
_fixed = struct.Struct("!HHIH").pack


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
            _check(held)
        yield was, will


def _check(held: Held) -> None:
    types = [rrset.rtype for rrset in held.rrsets]
    if len(set(types)) != len(types) or not set(types) <= set(MOVABLE):
        raise Refused(f"{held.name}: moves {', '.join(types)}; only one RRset of each of {', '.join(MOVABLE)} can be")
    if "CNAME" in types and len(types) > 1:  # BIND and Knot would drop one of them and say NOERROR
        raise Refused(f"{held.name}: moves {', '.join(types)}; beside a CNAME there is nothing else (RFC 2181 10.1)")
    if any(rrset.name != held.name for rrset in held.rrsets):
        raise Refused(f"{held.name}: given the records of another name; give each name its own")


def build(zone: dns.name.Name, old: Records, new: Records, probed: bool = False) -> "Update":
    """The message that turns `old` into `new` or does nothing; `probed`: each fence has a LUA record beside it.

    Raises Refused.
    """
    names = [(_owner(was.name), was, will) for was, will in pairs(old, new)]
    layout = Layout(zone)
    if outside := [was.name for owner, was, _ in names if not owner.lower().endswith(layout.zone)]:
        raise Refused(f"{outside[0]}: not in zone {zone}; give its zone a dns: entry")
    if old.soa is not None:
        layout.require(layout.zone, "SOA", zone.to_text(), old.soa)
    each = [list(_required(owner, was, will)) for owner, was, will in names]
    for first, *_ in each:
        layout.require(*first)
    for owner, was, _ in names:
        layout.require_fence(owner, was.fence)
    for _, *others in each:
        for one in others:
            layout.require(*one)
    required, layout.count = layout.count, 0
    for owner, was, will in names:
        _changes(layout, owner, was, will)
        if probed and (was.fence is None) != (will.fence is None):
            layout.probe(owner, will.fence is not None)
    return Update(zone, required, layout.count, bytes(layout.wire))


def _required(owner: bytes, was: Held, will: Held) -> Iterator[Required]:
    """Record by record what must be there, first of all what must not: these are short."""
    types = sorted({*kinds(was.name), *was.by_type, *will.by_type}, key=lambda rtype: (rtype in was.by_type, rtype))
    for rtype in types:
        if rrset := was.by_type.get(rtype):
            yield from [(_spelled(owner, rrset), rtype, rrset.name, rdata) for rdata in rrset.rdatas]
        else:
            yield owner, rtype, "", ""


def _spelled(owner: bytes, rrset: RRset) -> bytes:
    """The owner to write an RRset with, so that the zone spells it as it did."""
    return name_wire(rrset.spelled) if rrset.spelled else owner


def _changes(layout: "Layout", owner: bytes, was: Held, will: Held) -> None:
    before, after = was.by_type, will.by_type
    changed = [rtype for rtype in sorted({*before, *after}) if before.get(rtype) != after.get(rtype)]
    for rtype in changed:  # all of them first: a CNAME beside something else is dropped without a word
        if rtype in before:
            layout.record(owner, type_of(rtype), ANY)
    for rtype in changed:
        if rtype in after:
            layout.rrset(owner, after[rtype], after[rtype].ttl)
    if was.fence != will.fence:
        if was.fence is not None:
            layout.record(owner, TXT, ANY, fenced=True)
        if will.fence is not None:
            layout.record(owner, TXT, IN, FENCE_TTL, fence_strings(will.fence), fenced=True)


class Layout:
    """The zone and the records of a message one after the other; an owner is written out once and then pointed to."""

    def __init__(self, zone: dns.name.Name) -> None:
        self.zone = zone.canonicalize().to_wire() or b""
        self.wire = bytearray(self.zone) + struct.pack("!HH", dns.rdatatype.SOA, IN)
        self.count = 0
        self._places = {(self.zone, False): HEADER}

    def require(self, owner: bytes, rtype: str, name: str, rdata: str) -> None:
        """One record of an RRset that is just so (RFC 2136 section 2.4.2); "" for none of the type (2.4.3)."""
        if rdata:
            self.record(owner, type_of(rtype), IN, 0, _rdata(name, rtype, rdata))
        else:
            self.record(owner, type_of(rtype), NONE)

    def require_fence(self, owner: bytes, held: Fence | None) -> None:
        """The name has just this fence, or none."""
        if held is None:
            self.record(owner, TXT, NONE, fenced=True)
        else:
            self.record(owner, TXT, IN, 0, fence_strings(held), fenced=True)

    def probe(self, owner: bytes, there: bool) -> None:
        """The LUA record beside a fence comes and goes with it."""
        if there:
            self.record(owner, lua.NUMBER, IN, FENCE_TTL, lua.wire(lua.PROBE), fenced=True)
        else:
            self.record(owner, lua.NUMBER, ANY, fenced=True)

    def rrset(self, owner: bytes, rrset: RRset, ttl: int) -> None:
        """Every record of an RRset. Raises Refused."""
        for rdata in rrset.rdatas:
            self.record(_spelled(owner, rrset), type_of(rrset.rtype), IN, ttl, _rdata(rrset.name, rrset.rtype, rdata))

    def record(
        self, owner: bytes, rtype: int, rclass: int, ttl: int = 0, rdata: bytes = b"", fenced: bool = False
    ) -> None:
        """One record, of the fence of `owner` if `fenced`; `ttl` in seconds."""
        self._owner(owner, fenced)
        self.wire += _fixed(rtype, rclass, ttl, len(rdata)) + rdata
        self.count += 1

    def _owner(self, owner: bytes, fenced: bool) -> None:
        place = self._places.get((owner, fenced))
        if place is not None:
            self.wire += (POINTED | place).to_bytes(2, "big")
            return
        if owner != owner.lower():  # a pointer would give it an earlier one's spelling
            self.wire += owner
            return
        here = HEADER + len(self.wire)
        if here <= REACH:
            self._places[owner, fenced] = here
        if fenced:
            self.wire += FENCE_LABEL
            self._owner(owner, False)
        else:
            self.wire += owner[: -len(self.zone)] + (POINTED | HEADER).to_bytes(2, "big")


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
            wire = self._headed(1) + name + _fixed(dns.rdatatype.TSIG, ANY, 0, len(data)) + data
        if len(wire) > max_size > 0:
            raise dns.exception.TooBig
        return wire

    def _headed(self, additional: int) -> bytes:
        return struct.pack("!6H", self.id, self.flags, 1, *self._counts, additional) + self._records


def _rdata(name: str, rtype: str, text: str) -> bytes:
    """One rdata in wire form; `name` for the error. Raises Refused."""
    try:
        return _wire(rtype, text)
    except Refused:
        rdatas_of(RRset(name, rtype, 0, (text,)))
        raise


@lru_cache(maxsize=4096)
def _wire(rtype: str, text: str) -> bytes:
    (found,) = rdatas_of(RRset("", rtype, 0, (text,)))
    return found.to_wire() or b""


def _owner(name: str) -> bytes:
    """The name in wire form. Raises Refused where its fence's name would be too long."""
    wire = name_wire(name)
    if len(wire) + len(FENCE_LABEL) > LONGEST:
        fence_name(name_of(name))
    return wire


def parts(zone: dns.name.Name, old: Records, new: Records, room: int, probed: bool = False) -> list[Update]:
    """The message as `build` makes it, or where it outgrows `room` bytes several, each of some of the names.

    A batch is planned to fit one; it no longer does when it overwrites more than was planned for. Raises Refused.
    """
    whole = build(zone, old, new, probed)
    count = len(old.held)
    if len(whole) <= room or count == 1 or old.soa is not None:
        return [whole]
    halves = (slice(0, count // 2), slice(count // 2, count))
    return [
        one for half in halves for one in parts(zone, Records(old.held[half]), Records(new.held[half]), room, probed)
    ]


def in_use(zone: dns.name.Name, name: dns.name.Name) -> dns.update.UpdateMessage:
    """Asks whether `name` is in use (RFC 2136 section 2.4.4), changing nothing: NOERROR or NXDOMAIN.

    A wildcard does not count, unlike in a query.
    """
    message = dns.update.UpdateMessage(zone)
    message.present(name)
    return message
