"""The fence as text: what stands in the TXT record `_lbmigrate.<name>`.

One TXT record of several strings, a line each, of at most 255 bytes of printable ASCII (RFC 1035 section 3.3.14):

    lbm1 m=web-2026 a=5e1f0c2a n=7 c=9d0b3a11
    name www.example.com.
    A 300 192.0.2.10 192.0.2.11
    AAAA 300 2001:db8::10

The first names format version, migration, attempt, number and the CRC-32 of the whole. The rest are the original
RRsets: owner, then type, TTL in seconds, rdatas; an RRset too long for one line has several. Where the zone spells the
owner with upper case, a line `as A WWW.example.com.` says so for that type. One record, because a
prerequisite on its value then is one RR, and because no server reorders strings within a record; every line says
what it is, so `decode` takes them in any order all the same. Whatever is not plain is percent-encoded.
"""

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from lbmigrate.model import Fence, RRset

VERSION = "lbm1"
LABEL = "_lbmigrate"
LONGEST = 255
TTL_LIMIT = 2**31 - 1  # RFC 2181 section 8
NUMBER_LIMIT = 2**63 - 1
_MARK = re.compile(r"lbm\d+( |$)")
_HEADER = re.compile(r"lbm1 m=(\S+) a=(\S+) n=(0|[1-9]\d{0,18}) c=([0-9a-f]{8})")
_RRSET = re.compile(r"([A-Z][A-Z0-9-]*) (0|[1-9]\d{0,9})((?: \S+)+)")
_SPELLED = re.compile(r"as ([A-Z][A-Z0-9-]*) (\S+)")
_PLAIN = re.compile(r"[\x20-\x7e]{1,255}")
_SAFE = "!#$&'()*+,/:;<=>?@[]^`{|}\\"
_LITERAL = re.compile(r"[A-Za-z0-9_.~-]+")  # what `quote` leaves as it is, by itself


def owner(name: str) -> str:
    """Where the fence of `name` stands."""
    return f"{LABEL}.{name}"


def marked(strings: Sequence[str]) -> bool:
    """Whether this TXT means to be a fence, of whatever format version."""
    return any(_MARK.match(one) for one in strings)


def encode(fence: Fence) -> tuple[str, ...]:
    """The strings of the TXT record, the header first. Raises ValueError for a fence that text cannot hold."""
    if not 0 <= fence.number <= NUMBER_LIMIT:
        raise ValueError(f"fence number {fence.number} is not within 0..2^63-1")
    lines = tuple(_lines(fence.originals))
    head = f"{VERSION} m={_quoted(fence.migration)} a={_quoted(fence.attempt)} n={fence.number}"
    strings = (f"{head} c={_sum(head, lines)}", *lines)
    if long := [one for one in strings if len(one) > LONGEST]:
        raise ValueError(f"{long[0][:40]}…: {len(long[0])} bytes do not fit one TXT string of {LONGEST}")
    return strings


def rdata(fence: Fence) -> str:
    """The TXT record as text in quotes (RFC 1035 section 5.1). Raises ValueError as `encode` does."""
    return " ".join('"' + one.replace("\\", "\\\\").replace('"', '\\"') + '"' for one in encode(fence))


def decode(strings: tuple[str, ...]) -> Fence:
    """The fence that `encode` wrote, its strings in any order.

    Raises ValueError for anything else: another version, a string lost, edited or added, bytes that are not ASCII.
    """
    if not all(_PLAIN.fullmatch(one) for one in strings):
        raise ValueError("a string is empty, too long, or not printable ASCII")
    headers = [one for one in strings if _MARK.match(one)]
    if len(headers) != 1:
        raise ValueError(f"{len(headers)} headers where one is expected")
    found = _HEADER.fullmatch(headers[0])
    if found is None:
        raise ValueError(f"no header of format {VERSION}: {headers[0][:60]!r}")
    originals = _originals([one for one in strings if one is not headers[0]])
    fence = Fence(_unquoted(found[1]), _unquoted(found[2]), int(found[3]), originals)
    if sorted(encode(fence)) != sorted(strings):
        raise ValueError("it does not add up (a string was lost, edited or added)")
    return fence


def _lines(originals: tuple[RRset, ...]) -> Iterator[str]:
    if len({rrset.name for rrset in originals}) > 1:
        raise ValueError("a fence keeps the RRsets of one name")
    if len({rrset.rtype for rrset in originals}) != len(originals):
        raise ValueError("a fence keeps one RRset of a type")
    if originals:
        yield f"name {_quoted(originals[0].name)}"
    for rrset in sorted(originals, key=lambda one: one.rtype):
        yield from _kept(rrset.rtype, rrset.ttl, rrset.rdatas)
        if rrset.spelled:
            yield f"as {rrset.rtype} {_quoted(rrset.spelled)}"


@lru_cache(maxsize=4096)
def _kept(rtype: str, ttl: int, rdatas: tuple[str, ...]) -> tuple[str, ...]:
    if not 0 <= ttl <= TTL_LIMIT:
        raise ValueError(f"TTL {ttl} is not within 0..2^31-1 (RFC 2181 section 8)")
    return tuple(_wrapped(f"{rtype} {ttl}", rdatas))


def _wrapped(prefix: str, rdatas: Iterable[str]) -> Iterator[str]:
    line = prefix
    for rdata in map(_quoted, rdatas):
        if line != prefix and len(line) + 1 + len(rdata) > LONGEST:
            yield line
            line = prefix
        line += " " + rdata
    yield line


def _originals(lines: Iterable[str]) -> tuple[RRset, ...]:
    name = ""
    spelled: dict[str, str] = {}
    held: dict[tuple[str, int], list[str]] = {}
    for line in lines:
        if line.startswith("name "):
            name = _unquoted(line.removeprefix("name "))
        elif found := _SPELLED.fullmatch(line):
            spelled[found[1]] = _unquoted(found[2])
        elif found := _RRSET.fullmatch(line):
            held.setdefault((found[1], int(found[2])), []).extend(map(_unquoted, found[3].split()))
        else:
            raise ValueError(f"no line of a fence: {line[:60]!r}")
    return tuple(
        RRset(name, rtype, ttl, tuple(sorted(rdatas)), spelled.get(rtype, ""))
        for (rtype, ttl), rdatas in sorted(held.items())
    )


def _sum(head: str, lines: Iterable[str]) -> str:
    text = "\n".join((head, *lines))
    return f"{zlib.crc32(text.encode()):08x}"


def _quoted(text: str) -> str:
    if not text:
        raise ValueError("an empty migration, attempt, name or record")
    if _LITERAL.fullmatch(text):
        return text
    from urllib.parse import quote  # here, and below: an ordinary fence needs neither

    return quote(text, safe=_SAFE)


def _unquoted(text: str) -> str:
    if "%" not in text and text.isascii():
        return text
    from urllib.parse import unquote_to_bytes

    return unquote_to_bytes(text).decode()  # UnicodeDecodeError is a ValueError
