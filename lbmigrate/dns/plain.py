"""An ordinary answer of a name server read by hand: dnspython takes fifty times as long, and there are thousands.

Ordinary is what is authoritative, whole, without an error, answers the question to the letter, and has nothing in its
answer section but addresses or texts of that very name. Of anything else nothing is said here.
"""

import struct
from functools import lru_cache

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from lbmigrate.dns.records import type_of
from lbmigrate.size import FIXED, HEADER

PAYLOAD = 1232  # bytes; DNS flag day 2020: never fragmented
IN, NS, OPT = 1, 2, 41
BESIDE = {1: 4, 28: 16, OPT: 0}  # bytes of the records that may stand behind the answer
KINDS = {int(type_of(rtype)) for rtype in ("A", "AAAA", "TXT")}  # without names, which may be compressed
EDNS = struct.pack("!BHHIH", 0, OPT, PAYLOAD, 0, 0)  # RFC 6891 section 6.1.2
HEAD = struct.pack("!HHHHH", 0, 1, 0, 0, 1)  # RD=0; a question and the OPT record
ANSWERS, AA, CODE = 0xFE, 0x84, 0x0F  # QR, opcode, AA and TC (RFC 1035 section 4.1.1), and how they must be; RCODE
SAME = (0xC000 | HEADER).to_bytes(2, "big")  # a pointer to the name in the question
LABEL = 63  # bytes of a label at most
TTLS = 1 << 31  # from here on a TTL is none (RFC 2181 section 8)
_counts = struct.Struct("!4H").unpack_from
_fixed = struct.Struct("!HHIH").unpack_from


def query(owner: dns.name.Name, rtype: str) -> bytes:
    """The question on the wire, behind its id."""
    return HEAD + (owner.to_wire() or b"") + struct.pack("!HH", type_of(rtype), IN) + EDNS


def read(wire: bytes, asked: bytes) -> tuple[int, tuple[str, ...]] | None:
    """TTL in seconds and sorted rdatas that answer what `query` made; None where only a whole reading tells."""
    try:
        return _read(wire, asked[len(HEAD) : -len(EDNS)])
    except (IndexError, struct.error, dns.exception.DNSException):
        return None


def _read(wire: bytes, question: bytes) -> tuple[int, tuple[str, ...]] | None:
    at = HEADER + len(question)
    questions, answers, authority, additional = _counts(wire, 4)
    if (
        (wire[2] & ANSWERS, wire[3] & CODE, questions) != (AA, 0, 1)
        or not answers
        or wire[HEADER:at] != question
        or (rtype := int.from_bytes(question[-4:-2], "big")) not in KINDS
    ):
        return None
    least, found = TTLS, set()
    for _ in range(answers):
        if wire[at : at + 2] != SAME:
            return None
        kind, rclass, ttl, length = _fixed(wire, at + len(SAME))
        start = at + len(SAME) + FIXED
        at = start + length
        if (kind, rclass) != (rtype, IN) or ttl >= TTLS or at > len(wire):
            return None
        least = min(least, ttl)
        found.add(_text(rtype, wire[start:at]))
    return (least, tuple(sorted(found))) if _ends(wire, at, authority + additional) else None


def _ends(wire: bytes, at: int, count: int) -> bool:
    """Whether so many ordinary records end the message, and none says more of the answer (RFC 6891 section 6.1.3)."""
    for _ in range(count):
        start = at
        while 0 < wire[at] <= LABEL:
            at += 1 + wire[at]
        root, at = at == start and not wire[at], at + (2 if wire[at] else 1)
        kind, _, ttl, length = _fixed(wire, at)
        if length != BESIDE.get(kind, length if kind == NS else -1) or (kind == OPT and (ttl or not root)):
            return False
        at += FIXED + length
    return at == len(wire)


@lru_cache(maxsize=4096)
def _text(rtype: int, data: bytes) -> str:
    """The rdata's text. Raises DNSException."""
    kind = dns.rdatatype.RdataType.make(rtype)
    return dns.rdata.from_wire(dns.rdataclass.IN, kind, data, 0, len(data)).to_text()
