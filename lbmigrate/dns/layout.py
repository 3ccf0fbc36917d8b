"""The records of an update message (RFC 2136), laid out by hand in the order that `lbmigrate.size` counts.

What a name's records are behind their owner hangs on what it holds alone: it is worked out once for all names alike.
"""

import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

import dns.name
import dns.rdatatype

from lbmigrate import fence, lua
from lbmigrate.dns.records import fence_strings, rdatas_of, type_of
from lbmigrate.model import Fence, Held, RRset, Shape, kinds
from lbmigrate.size import HEADER, REACH, name_wire

FENCE_TTL = 60  # seconds; nobody but lbmigrate asks for it, and at the primary
FENCE_LABEL = bytes([len(fence.LABEL)]) + fence.LABEL.encode()
POINTED = 0xC000
ZONE = (POINTED | HEADER).to_bytes(2, "big")  # a pointer to the zone's name
IN, NONE, ANY = 1, 254, 255  # RFC 2136 section 2.4 and 2.5
TXT = 16
Group = tuple[str, tuple[bytes, ...]]  # the owner as it is spelled, "" for as always, and records behind it
fixed = struct.Struct("!HHIH").pack


class Laid(NamedTuple):
    """The records that one change of a name takes: the first that is required, the others, the changes."""

    first: Group
    required: tuple[Group, ...]
    changes: tuple[Group, ...]


def laid(was: Held, will: Held) -> Laid:
    """What turns the records of a name into others, its fence aside. Raises Refused for rdata that is none."""
    return _laid(kinds(was.name), was.shape, will.shape)


@lru_cache(maxsize=4096)
def _laid(always: tuple[str, ...], was: tuple[Shape, ...], will: tuple[Shape, ...]) -> Laid:
    before, after = ({one[0]: one for one in shape} for shape in (was, will))
    (spelled, (first, *others)), *groups = _grouped(_required({*always, *before, *after}, before))
    rest = ((spelled, tuple(others)), *groups) if others else tuple(groups)
    return Laid((spelled, (first,)), rest, _grouped(_changes(before, after)))


def _required(types: set[str], before: dict[str, Shape]) -> Iterator[tuple[str, bytes]]:
    """Record by record what must be there (RFC 2136 section 2.4.2), first what must not (2.4.3): that is short."""
    for rtype in sorted(types, key=lambda rtype: (rtype in before, rtype)):
        if rtype in before:
            yield from _records(*before[rtype], required=True)
        else:
            yield "", fixed(type_of(rtype), NONE, 0, 0)


def _changes(before: dict[str, Shape], after: dict[str, Shape]) -> Iterator[tuple[str, bytes]]:
    changed = [rtype for rtype in sorted({*before, *after}) if before.get(rtype) != after.get(rtype)]
    for rtype in changed:  # all of them first: a CNAME beside something else is dropped without a word
        if rtype in before:
            yield "", fixed(type_of(rtype), ANY, 0, 0)
    for rtype in changed:
        if rtype in after:
            yield from _records(*after[rtype])


def _records(
    rtype: str, ttl: int, rdatas: tuple[str, ...], spelled: str, required: bool = False
) -> Iterator[tuple[str, bytes]]:
    for one in rdatas:
        data = rdata_wire(rtype, one)
        yield spelled, fixed(type_of(rtype), IN, 0 if required else ttl, len(data)) + data


def _grouped(records: Iterator[tuple[str, bytes]]) -> tuple[Group, ...]:
    each = groupby(records, key=lambda one: one[0])
    return tuple((spelled, tuple(record for _, record in those)) for spelled, those in each)


@lru_cache(maxsize=4096)
def rdata_wire(rtype: str, text: str) -> bytes:
    """One rdata in wire form. Raises Refused."""
    (found,) = rdatas_of(RRset("", rtype, 0, (text,)))
    return found.to_wire() or b""


class Layout:
    """The zone and the records of a message one after the other; an owner is written out once and then pointed to."""

    def __init__(self, zone: dns.name.Name) -> None:
        self.zone = zone.canonicalize().to_wire() or b""
        self.wire = bytearray(self.zone) + struct.pack("!HH", dns.rdatatype.SOA, IN)
        self.count = 0
        self._places = {(self.zone, False): ZONE}

    def group(self, owner: bytes, group: Group) -> None:
        """Records of one name."""
        spelled, tails = group
        if not spelled:
            self.records(owner, tails)
            return
        self.wire += name_wire(spelled).join((b"", *tails))  # a pointer would give it an earlier one's spelling
        self.count += len(tails)

    def require_fence(self, owner: bytes, held: Fence | None) -> None:
        """The name has just this fence, or none."""
        self.records(owner, [fixed(TXT, NONE, 0, 0) if held is None else _fence(held, 0)], fenced=True)

    def change_fence(self, owner: bytes, was: Fence | None, will: Fence | None) -> None:
        """Another fence in the place of that which is there."""
        if was == will:
            return
        gone = [] if was is None else [fixed(TXT, ANY, 0, 0)]
        come = [] if will is None else [_fence(will, FENCE_TTL)]
        self.records(owner, gone + come, fenced=True)

    def probe(self, owner: bytes, there: bool) -> None:
        """The LUA record beside a fence comes and goes with it."""
        data = lua.wire(lua.PROBE) if there else b""
        kind = (IN, FENCE_TTL) if there else (ANY, 0)
        self.records(owner, [fixed(lua.NUMBER, *kind, len(data)) + data], fenced=True)

    def records(self, owner: bytes, tails: Sequence[bytes], fenced: bool = False) -> None:
        """Records, each behind its owner, which is the fence of `owner` if `fenced`."""
        first, *others = tails
        self.wire += self._owner(owner, fenced, HEADER + len(self.wire)) + first
        if others:
            self.wire += self._owner(owner, fenced, HEADER + len(self.wire)).join((b"", *others))
        self.count += len(tails)

    def _owner(self, owner: bytes, fenced: bool, at: int) -> bytes:
        """The owner as it is to be written at this place of the message."""
        place = self._places.get((owner, fenced))
        if place is not None:
            return place
        if at <= REACH:
            self._places[owner, fenced] = (POINTED | at).to_bytes(2, "big")
        if fenced:
            return FENCE_LABEL + self._owner(owner, False, at + len(FENCE_LABEL))
        return owner[: -len(self.zone)] + ZONE


def _fence(held: Fence, ttl: int) -> bytes:
    strings = fence_strings(held)
    return fixed(TXT, IN, ttl, len(strings)) + strings
