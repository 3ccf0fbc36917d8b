"""How many bytes of an update message (RFC 2136) names take, so that as many as fit move in one. Pure.

Counted is the message as `dns.update` lays it out: one short record of each name; the fences that are required; what
else is required; the changes. An owner that was written within the first 16 KiB is pointed to afterwards (RFC 1035
section 4.1.4), any other is written out again each time: so names are introduced as early as can be. Rdata is never
compressed, so that its size does not hang on its place.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lbmigrate import lua
from lbmigrate.fence import LABEL
from lbmigrate.spec import Tsig

LIMIT = 65_535  # bytes of one message over TCP (RFC 1035 section 4.2.2)
HEADER = 12
QUESTION = 4  # type and class of the zone
FIXED = 10  # type, class, TTL and length of a record
POINTER = 2
REACH = 0x3FFF  # the last place that a pointer can name
FENCE = 1 + len(LABEL)
STAMP = 16  # of a TSIG record beside its names and MAC: time, fudge, lengths, id, error (RFC 8945 section 4.2)
MACS = {"md5": 16, "sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}
HINT = 18  # bytes by which the wire form of a service parameter may be longer than its text, at most
_LABEL = re.compile(r"((?:[^.\\]|\\[0-9]{3}|\\[^0-9])+)\.")
_ESCAPED = re.compile(rb"\\(?:([0-9]{3})|(.))", re.DOTALL)


class Share(NamedTuple):
    """One name's part of a message, in bytes: its labels below the zone, the rdata of the record that introduces it, of
    the fence that is required; then number and rdata of all its records, and of the changes of its fence."""

    owner: int
    first: int
    fence: int
    records: tuple[int, int]
    marks: tuple[int, int]


def name_wire(text: str) -> bytes:
    """An absolute name as it goes over the wire, spelled as given (RFC 1035 section 5.1 for the escapes)."""
    labels = text.encode().split(b".")[:-1] if "\\" not in text else map(_plain, _LABEL.findall(text))
    return b"".join([len(label).to_bytes(1, "big") + label for label in labels if label]) + b"\0"


def _plain(label: str) -> bytes:
    return _ESCAPED.sub(lambda m: bytes([int(m[1])]) if m[1] else m[2], label.encode())


def rdata(rtype: str, text: str) -> int:
    """Bytes of one rdata; of HTTPS and SVCB at most so many."""
    match rtype:
        case "A":
            return 4
        case "AAAA":
            return 16
        case "CNAME":
            return len(name_wire(text))
        case "SRV":
            return 6 + len(name_wire(text.rsplit(" ", 1)[1]))
        case "LUA":
            return len(lua.wire(text))
    return len(text) + HINT * (1 + text.count(" ") + text.count(","))


def strings(texts: Iterable[str]) -> int:
    """Bytes of a TXT rdata of these strings."""
    return sum(1 + len(one) for one in texts)


def signature(tsig: Tsig | None) -> int:
    """Bytes of the TSIG record that such a key makes, at most."""
    if tsig is None:
        return 0
    algorithm = tsig.algorithm.lower().rstrip(".") + "."
    kind = algorithm.removeprefix("hmac-").partition("-")[0].partition(".")[0]
    key = tsig.name.rstrip(".") + "."
    return len(name_wire(key)) + FIXED + len(name_wire(algorithm)) + STAMP + MACS.get(kind, max(MACS.values()))


def message(zone: str, shares: Sequence[Share]) -> int:
    """Bytes of the unsigned message that changes these names of a zone."""
    at = HEADER + len(name_wire(zone)) + QUESTION
    owners: list[int] = []  # bytes of each owner where it stands again
    for owner, first, *_ in shares:
        owners.append(POINTER if at <= REACH else owner + POINTER)
        at += owner + POINTER + FIXED + first
    rest = 0
    for (_, first, fence, (records, rdata_), (marks, marked)), again in zip(shares, owners, strict=True):
        mark = POINTER if at <= REACH else FENCE + again
        at += FENCE + again + FIXED + fence
        rest += (records - 1) * (again + FIXED) + rdata_ - first + marks * (mark + FIXED) + marked
    return at + rest


def fit(zone: str, shares: Sequence[Share], room: int) -> int:
    """How many of the first names one message of `room` bytes holds: at least one, however large it is."""
    most = min(len(shares), LIMIT // (2 * FIXED))
    return max(1, bisect_right(range(1, most + 1), room, key=lambda count: message(zone, shares[:count])))


def batches(zone: str, shares: Sequence[Share], tsig: Tsig | None) -> list[range]:
    """The fewest messages for these names in this order, each as the range of its names."""
    room = LIMIT - signature(tsig)
    found: list[range] = []
    start = 0
    while start < len(shares):
        count = fit(zone, shares[start:], room)
        found.append(range(start, start + count))
        start += count
    return found
