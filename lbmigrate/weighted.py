"""Weighted record sets (Route 53) as the text of one record a family: `A 99 192.0.2.10 1 192.0.2.20`. Pure.

Each address is a set of its own, for a weighted set has one value; its weight is 1 to 255. 0 is not used: where all are
0 each is answered as often as the others, and beside others it is never answered (API reference, "Weight").
"""

import ipaddress
import math
import re
from collections.abc import Sequence

TYPE = "WEIGHTED"  # stands for the A and AAAA sets of a name while they have weights
MOST = 255
VERSIONS = {"A": ipaddress.IPv4Address, "AAAA": ipaddress.IPv6Address}
_TEXT = re.compile(r"(A|AAAA)((?: [0-9]{1,3} [0-9a-f.:]{2,39})+)")
Shares = Sequence[tuple[int, str]]


def identifier(address: str) -> str:
    """The set identifier of our set for an address."""
    return f"lbmigrate {address}"


def fits(shares: Sequence[int]) -> bool:
    """Whether Route 53 can hold these proportions: whole weights of 1 to 255."""
    common = math.gcd(*shares)
    return common > 0 and min(shares) > 0 and max(shares) // common <= MOST


def choice(rtype: str, shares: Shares) -> str:
    """The record that answers with each address as often as its share says, in the smallest weights.

    Raises ValueError for shares that do not fit.
    """
    if not fits([share for share, _ in shares]):
        raise ValueError(f"shares {[share for share, _ in shares]} are no weights of 1 to {MOST}")
    common = math.gcd(*(share for share, _ in shares))
    return text(rtype, [(share // common, address) for share, address in shares])


def text(rtype: str, shares: Shares) -> str:
    """The record with just these weights, in the order of the addresses. Raises ValueError for what is no address."""
    version = VERSIONS[rtype]
    placed = sorted((version(address), share) for share, address in shares)
    return " ".join([rtype, *(f"{share} {address}" for address, share in placed)])


def read(rdata: str) -> tuple[str, tuple[tuple[int, str], ...]] | None:
    """Family, and weight and address of each set; None for text that is no such record."""
    found = _TEXT.fullmatch(rdata)
    if found is None:
        return None
    words = found[2].split()
    return found[1], tuple(zip(map(int, words[::2]), words[1::2], strict=True))
