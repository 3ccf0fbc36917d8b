"""A whole zone by AXFR (RFC 5936), record by record as the server sends it, in the memory of one message.

dnspython makes objects of every name and record and takes ten times as long as the server; so the records are read
here by hand. Signatures and everything else that happens once a message stay dnspython's.
"""

import contextlib
import struct
from collections.abc import Container, Iterator, Mapping

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from lbmigrate.dns.records import name_of
from lbmigrate.dns.wire import HEADER, RR_FIXED, Primary, Stream, Unheard
from lbmigrate.errors import Denied, LbmigrateError, Unreachable
from lbmigrate.spec import Dns
from lbmigrate.value import replace

Record = tuple[bytes, int, int, bytes]  # owner, type, TTL in seconds, rdata
TIMEOUT = 10.0  # seconds for one message
IN = 1
SOA, NAPTR, TSIG = 6, 35, 250
NAME_LIMIT, LABEL_LIMIT, POINTER = 255, 63, 0xC0  # RFC 1035 sections 3.1 and 4.1.4
HOPS = 127  # pointers that one name can need: it has no more labels
ANY = -1

# Where names stand in rdata that may be compressed: bytes before them, how many, bytes after them. RFC 3597 section 4
# lists the types that a receiver must expect to be; of the others the rdata is taken as it is.
SHAPES = {
    **dict.fromkeys((2, 3, 4, 5, 7, 8, 9, 12, 39), (0, 1, 0)),  # NS MD MF CNAME MB MG MR PTR DNAME
    **dict.fromkeys((15, 18, 21, 36), (2, 1, 0)),  # MX AFSDB RT KX
    **dict.fromkeys((14, 17), (0, 2, 0)),  # MINFO RP
    SOA: (0, 2, 20),
    24: (18, 1, ANY),  # SIG
    26: (2, 2, 0),  # PX
    30: (0, 1, ANY),  # NXT
    33: (6, 1, 0),  # SRV
    NAPTR: (4, 1, 0),  # and three strings before the name
}


class _Every:
    """Holds everything."""

    def __contains__(self, _: object) -> bool:
        return True


EVERY: Container[bytes] = _Every()
Wanted = Mapping[int, Container[bytes]]  # by type the rdatas that are wanted: EVERY, or some addresses
Spelled = dict[tuple[bytes, int], bytes]  # by owner in lower case and type the owner as it was sent
_fixed = struct.Struct("!HHIH").unpack_from
_counts = struct.Struct("!4H").unpack_from


class Malformed(ValueError):
    """A message that is none."""


def records(
    entry: Dns, wanted: Wanted | None = None, timeout: float = TIMEOUT, spelled: Spelled | None = None
) -> Iterator[Record]:
    """Every record of the entry's zone, the SOA once and first; `timeout` in seconds for each message.

    `wanted` leaves out what is not in it, which costs a third; by rdata only for types without names. `spelled` takes
    the owners that are spelled with upper case.

    The owner is in wire form and lower case, the rdata in wire form, not compressed, spelled as sent. What came before
    an error counts for nothing: the last signature may be the one that fails. Raises Unreachable (no connection;
    anything less than the whole zone), Denied (the server refuses; the key or a signature is wrong).
    """
    source = origin(entry)
    zone = name_of(source.zone)
    with contextlib.closing(Primary(source)) as primary:
        stream = primary.stream(dns.message.make_query(zone, "AXFR", flags=0), timeout)
        what = f"transferring {zone} from {primary.where}"
        try:
            yield from _between(stream, zone.to_wire() or b"", (wanted, spelled))
        except (Malformed, Answered) as wrong:
            raise _said(what, primary.key, wrong) from wrong
        except Unheard as wrong:
            raise _unheard(what, primary, zone, wrong) from wrong


def origin(entry: Dns) -> Dns:
    """The same entry, with the server and the key that give the whole zone."""
    there = entry.transfer
    return replace(entry, server=there.server, port=there.port, tsig=there.tsig) if there else entry


class Answered(Exception):
    """The server's answer is an error code."""

    def __init__(self, code: int) -> None:
        super().__init__(dns.rcode.to_text(dns.rcode.Rcode(code)))
        self.denied = code in (dns.rcode.REFUSED, dns.rcode.NOTAUTH, dns.rcode.NOTIMP)


def _said(what: str, key: str, wrong: Exception) -> LbmigrateError:
    if isinstance(wrong, Malformed):
        return Unreachable(f"{what}: {wrong}; nothing of it is used; try again, see the server's log")
    if isinstance(wrong, Answered) and wrong.denied:
        return Denied(f"{what}: {wrong}; allow {key} to transfer the zone there, or give transfer: under dns:")
    return Unreachable(f"{what}: {wrong}; see the server's log")


def _unheard(what: str, primary: Primary, zone: dns.name.Name, wrong: Unheard) -> Denied:
    """BADKEY: an unknown key, or one that Knot knows and does not let transfer. A question that it may ask tells."""
    primary.close()
    try:
        primary.ask([dns.message.make_query(zone, "SOA", flags=0)], TIMEOUT)
    except Unheard:
        return wrong
    except LbmigrateError:
        return Denied(f"{what}: BADKEY: {primary.key} is unknown there, or may not transfer the zone (Knot: its acl)")
    return Denied(
        f"{what}: BADKEY, but {primary.key} is known there, for its questions are answered; allow it to transfer"
        " the zone (Knot: `action: transfer` in its acl), or give transfer: under dns:"
    )


def _between(stream: Stream, apex: bytes, which: tuple[Wanted | None, Spelled | None]) -> Iterator[Record]:
    """The records from the first SOA up to the second, which ends the zone (RFC 5936 section 2.2)."""
    soa: Record | None = None
    while True:
        found = message(stream, *which)
        if soa is None:
            if not found or found[0][:2] != (apex, SOA):
                raise Malformed("the first record is not the zone's SOA")
            soa = found.pop(0)
            yield soa
        for number, record in enumerate(found, 1):
            if record[1] == SOA and record[0] == apex:
                _complete(soa, record, number == len(found))
                stream.end()
                return
            if record[0].endswith(apex):  # what is not of the zone is served by nobody: name servers drop it too
                yield record


def _complete(first: Record, last: Record, alone: bool) -> None:
    if not alone:
        raise Malformed("records after the zone's last SOA")
    if first != last:
        raise Malformed("the zone changed under way: its SOA at the end is another")


def message(stream: Stream, wanted: Wanted | None = None, spelled: Spelled | None = None) -> list[Record]:
    """The answer records of the next message that are wanted."""
    wire = stream.receive()
    found, tsig = parse(wire, wanted, spelled)
    stream.verify(wire, tsig)
    if code := wire[3] & 0x0F:
        raise Answered(code)
    if wire[2] & (dns.flags.TC >> 8):
        raise Malformed("a message is cut (TC)")
    if not int.from_bytes(wire[6:8], "big"):
        raise Malformed("a message without records")
    return found


def parse(wire: bytes, wanted: Wanted | None = None, spelled: Spelled | None = None) -> tuple[list[Record], int]:
    """The wanted answer records of one message and every SOA, and where its TSIG record begins (0: it has none).

    Raises Malformed.
    """
    try:
        questions, answers, *others = _counts(wire, 4)
        known: dict[int, bytes] = {}
        at = HEADER
        for _ in range(questions):
            at = _name(wire, at, known)[1] + 4
        found, at = _answers(wire, at, (answers, wanted, spelled), known)
        tsig, at = _signature(wire, at, sum(others), known)
    except (IndexError, struct.error):
        raise Malformed("a message ends within a record") from None
    if at != len(wire):
        raise Malformed("a message's length and its records do not agree")
    return found, tsig


def _answers(
    wire: bytes, at: int, which: tuple[int, Wanted | None, Spelled | None], known: dict[int, bytes]
) -> tuple[list[Record], int]:
    count, wanted, spelled = which
    found: list[Record] = []
    for _ in range(count):
        start = at
        while 0 < (length := wire[at]) <= LABEL_LIMIT:  # only past the owner: most are not wanted
            at += 1 + length
        if 0 < length < POINTER:
            raise Malformed("a label of an unknown kind")
        at += 2 if length else 1
        rtype, rclass, ttl, length = _fixed(wire, at)
        at += RR_FIXED
        end = at + length
        if rclass != IN:
            raise Malformed(f"a record of class {rclass}")
        values = EVERY if wanted is None or rtype == SOA else wanted.get(rtype)
        if values is not None and (values is EVERY or wire[at:end] in values):
            name = _name(wire, start, known)[0]
            owner = name.lower()  # lengths of labels are under 64: none is a capital letter
            if spelled is not None and name != spelled.get((owner, rtype), owner):
                spelled[owner, rtype] = name
            found.append((owner, rtype, ttl, _rdata(wire, at, end, rtype, known) if rtype in SHAPES else wire[at:end]))
        at = end
    return found, at


def _signature(wire: bytes, at: int, count: int, known: dict[int, bytes]) -> tuple[int, int]:
    """Where the TSIG record begins, the last one if there is one (RFC 8945 section 5.1), and where all of them end."""
    tsig = 0
    for _ in range(count):
        if tsig:
            raise Malformed("a record after the signature")
        start = at
        at = _name(wire, at, known)[1]
        rtype, _, _, length = _fixed(wire, at)
        at += RR_FIXED + length
        tsig = start if rtype == TSIG else 0
    return tsig, at


def _rdata(wire: bytes, at: int, end: int, rtype: int, known: dict[int, bytes]) -> bytes:
    before, names, after = SHAPES[rtype]
    start = at
    at += before
    if rtype == NAPTR:  # flags, services, regular expression (RFC 3403 section 4.1)
        for _ in range(3):
            at += 1 + wire[at]
    parts = [wire[start:at]]
    for _ in range(names):
        name, at = _name(wire, at, known)
        parts.append(name)
    if at > end or after not in (ANY, end - at):
        raise Malformed(f"a {dns.rdatatype.to_text(dns.rdatatype.RdataType(rtype))} record of the wrong length")
    parts.append(wire[at:end])
    return b"".join(parts)


def _name(wire: bytes, at: int, known: dict[int, bytes]) -> tuple[bytes, int]:
    """The name at `at`, not compressed, and where it ends; `known` are the names of this message by their place."""
    start = at
    while 0 < (length := wire[at]) <= LABEL_LIMIT:
        at += 1 + length
    if not length:
        name, end = wire[start : at + 1], at + 1
    else:
        target, end = _pointed(wire, at), at + 2
        tail = known.get(target)
        name = wire[start:at] + (_followed(wire, target, start, known) if tail is None else tail)
    if len(name) > NAME_LIMIT:
        raise Malformed("a name of more than 255 bytes")
    known[start] = name
    return name, end


def _pointed(wire: bytes, at: int) -> int:
    if wire[at] < POINTER:
        raise Malformed("a label of an unknown kind")
    return (wire[at] - POINTER) << 8 | wire[at + 1]


def _followed(wire: bytes, target: int, before: int, known: dict[int, bytes]) -> bytes:
    """The name that a pointer found before `before` leads to. Pointers go back only, so it ends."""
    at = target
    parts: list[bytes] = []
    while True:
        if at >= before or len(parts) > HOPS:
            raise Malformed("a name that points ahead, or on and on")
        before = start = at
        while 0 < (length := wire[at]) <= LABEL_LIMIT:
            at += 1 + length
        parts.append(wire[start:at])
        if not length:
            break
        at = _pointed(wire, at)
    name = known[target] = b"".join([*parts, b"\0"])
    return name
