"""What stands in the wire form of names and some records: targets, hints, texts, nets. Pure.

Whatever is cut short ends there: the records come from a server that has read them, and nothing is written by them.
"""

import ipaddress
import struct
from collections.abc import Iterator
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
HINTS = {4: 4, 6: 16}  # SvcParamKeys ipv4hint and ipv6hint (RFC 9460 section 14.3.2), and the bytes of an address


def wire(name: str) -> bytes:
    """The wire form of a plain name with its final dot."""
    return b"".join(bytes([len(part)]) + part.encode("ascii") for part in name.split("."))


def end_of(wire: bytes, at: int) -> int:
    """Where the uncompressed name at `at` ends; the end of the whole where it is cut."""
    while at < len(wire) and wire[at]:
        at += 1 + wire[at]
    return at + 1


def hints(params: bytes) -> Iterator[bytes]:
    """The addresses in an HTTPS or SVCB record's parameters (RFC 9460 section 2.2)."""
    at = 0
    while at + 4 <= len(params):
        key, length = struct.unpack_from("!HH", params, at)
        body = params[at + 4 : at + 4 + length]
        size = HINTS.get(key, 0)
        if size:
            yield from (body[n : n + size] for n in range(0, len(body), size))
        at += 4 + length


def strings(rdata: bytes) -> str:
    """Character strings joined (RFC 1035 section 3.3); a byte is a character."""
    text, at = b"", 0
    while at < len(rdata):
        text += rdata[at + 1 : at + 1 + rdata[at]]
        at += 1 + rdata[at]
    return text.decode("latin-1")


@lru_cache(1024)  # the same policy stands at many names
def terms(text: str, addresses: tuple[Address, ...]) -> tuple[str, ...]:
    """The ip4: and ip6: terms of an SPF record (RFC 7208 section 5.6) whose net holds one of the addresses."""
    first, *rest = text.split(" ")
    return tuple(term for term in rest if _holds(term, addresses)) if first.lower() == "v=spf1" else ()


def _holds(term: str, addresses: tuple[Address, ...]) -> bool:
    kind, _, net = term.lstrip("+-~?").partition(":")
    network = _network(net) if kind.lower() in ("ip4", "ip6") else None
    return network is not None and any(one in network for one in addresses)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def address_of(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
