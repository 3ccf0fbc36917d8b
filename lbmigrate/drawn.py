"""RRsets that answer with one of their values by weight: LUA (PowerDNS), WEIGHTED (Route 53). Pure.

Neither can be asked for by its type: what a server has of it is known by the fence, which the same change writes.
"""

from collections.abc import Callable

from lbmigrate import lua, weighted
from lbmigrate.model import RRset

Choices = tuple[str, tuple[tuple[int, str], ...]]  # the type, and share and value of each


def _weighted(rdata: str) -> Choices | None:
    found = weighted.read(rdata)
    return found and (found[0], tuple((1 if one.share is None else one.share, one.value) for one in found[1]))


READERS: dict[str, Callable[[str], Choices | None]] = {"LUA": lua.read, weighted.TYPE: _weighted}
MARKS = {"TXT": "LUA", weighted.TYPE: weighted.TYPE}  # what is asked for, and what the fence in its answer stands for
ASKED = {"lua": ("TXT",), "weighted": (weighted.TYPE,)}  # what is asked for beside the addresses, by how a name moves


def asked(rrset: RRset) -> list[str]:
    """The types that name servers can be asked for to see what they have of an RRset."""
    return weighted.types(rrset) if rrset.rtype == weighted.TYPE else [rrset.rtype]


def may(rrset: RRset, rtype: str) -> frozenset[str] | None:
    """The answers that a drawn RRset may give for a type, in lower case; None where they are the target's own."""
    values = [value for one in choices(rrset) if one and one[0] == rtype for _, value in one[1]]
    return None if any(map(weighted.alias_of, values)) else frozenset(value.lower() for value in values)


def choices(rrset: RRset) -> list[Choices | None]:
    """What each record of such an RRset answers with; None for one that lbmigrate did not write."""
    return [READERS[rrset.rtype](rdata) for rdata in rrset.rdatas]
