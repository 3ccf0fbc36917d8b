"""The one LUA record that lbmigrate writes (PowerDNS): `pickwrandom` over addresses, from a fixed template. Pure.

A LUA record is code that runs on the DNS server. So the text is made of whole numbers and parsed addresses alone,
and only text of just that form is ever read back as ours. Wire form (type 65402): the type of the answers, two
bytes, then the code in pieces of at most 255 bytes, each behind its length (PowerDNS, docs: lua-records/reference).
"""

import ipaddress
import math
import re
from collections.abc import Sequence

NUMBER = 65402  # the private type that PowerDNS gave to LUA
FAMILY = {"A": 1, "AAAA": 28}
PIECE = 255
MOST = 200  # characters of somebody else's code in a message
ADDRESS = "192.0.2.1"  # of the documentation's network (RFC 5737): nobody connects to it
PROBE = f"A \"pickwrandom({{{{1,'{ADDRESS}'}}}})\""  # stands beside the fence: whoever evaluates it may get the others
_CHOICE = re.compile(r"\{([1-9][0-9]{0,5}),'([0-9a-f.:]{2,39})'\}")
_TEXT = re.compile(rf'(A|AAAA) "pickwrandom\(\{{({_CHOICE.pattern}(?:,{_CHOICE.pattern})*)\}}\)"')

_GENERIC = re.compile(r"\\# ([0-9]+) ((?:[0-9a-f]{2})+)")


def choice(rtype: str, shares: Sequence[tuple[int, str]]) -> str:
    """The rdata that answers `rtype` with one of the addresses, as often as its share (whole, above 0) says.

    Raises ValueError for anything that is no address of that family or no share.
    """
    version = {"A": ipaddress.IPv4Address, "AAAA": ipaddress.IPv6Address}[rtype]
    common = math.gcd(*(share for share, _ in shares))
    if common < 1 or any(share < 1 for share, _ in shares):
        raise ValueError(f"shares {[share for share, _ in shares]} are not all above 0 (all zero is SERVFAIL)")
    parts = [f"{{{share // common},'{version(address)}'}}" for share, address in shares]
    return f'{rtype} "pickwrandom({{{",".join(parts)}}})"'


def read(rdata: str) -> tuple[str, tuple[tuple[int, str], ...]] | None:
    """Family and shares of an rdata that `choice` wrote; None for any other."""
    found = _TEXT.fullmatch(rdata)
    if found is None:
        return None
    return found[1], tuple((int(share), address) for share, address in _CHOICE.findall(found[2]))


def wire(rdata: str) -> bytes:
    """The rdata as it goes over the wire, from either text that `text` gives. Raises ValueError."""
    if found := _GENERIC.fullmatch(rdata):
        return bytes.fromhex(found[2])
    rtype, _, code = rdata.partition(" ")
    if read(rdata) is None:
        raise ValueError(f"{rdata!r} is no LUA record that lbmigrate writes")
    raw = code[1:-1].encode("ascii")
    pieces = [raw[at : at + PIECE] for at in range(0, len(raw), PIECE)]
    return FAMILY[rtype].to_bytes(2, "big") + b"".join(bytes([len(piece)]) + piece for piece in pieces)


def text(raw: bytes) -> str:
    """The rdata as text: `A "code"` where `choice` could have written it, else the generic form, for code is code."""
    plain = _plain(raw)
    return plain if read(plain) and wire(plain) == raw else _generic(raw)


def shown(rdata: str) -> str:
    """The rdata for people: anybody's code as text, of which nothing is obeyed; not for a terminal as it is."""
    found = _GENERIC.fullmatch(rdata)
    plain = _plain(bytes.fromhex(found[2])) if found else rdata
    return plain if len(plain) <= MOST else f"{plain[:MOST]}…"


def _plain(raw: bytes) -> str:
    """Type and code; of a piece that is cut what there is."""
    code, at = b"", 2
    while at < len(raw):
        code += raw[at + 1 : at + 1 + raw[at]]
        at += 1 + raw[at]
    number = int.from_bytes(raw[:2], "big")
    family = next((name for name, known in FAMILY.items() if number == known), f"TYPE{number}")
    return f'{family} "{code.decode("latin-1")}"'


def generic(rdata: str) -> str:
    """The rdata in the form that every tool reads (RFC 3597 section 5)."""
    return _generic(wire(rdata))


def _generic(raw: bytes) -> str:
    return f"\\# {len(raw)} {raw.hex()}"
