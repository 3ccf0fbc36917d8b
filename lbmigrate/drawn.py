"""RRsets that answer with one of their addresses by weight: LUA (PowerDNS), WEIGHTED (Route 53). Pure.

Neither can be asked for by its type: what a server has of it is known by the fence, which the same change writes.
"""

from collections.abc import Callable

from lbmigrate import lua, weighted
from lbmigrate.model import RRset

Choices = tuple[str, tuple[tuple[int, str], ...]]  # the family, and share and address of each
READERS: dict[str, Callable[[str], Choices | None]] = {"LUA": lua.read, weighted.TYPE: weighted.read}
MARKS = {"TXT": "LUA", weighted.TYPE: weighted.TYPE}  # what is asked for, and what the fence in its answer stands for
ASKED = {"lua": ("TXT",), "weighted": (weighted.TYPE,)}  # what is asked for beside the addresses, by how a name moves


def choices(rrset: RRset) -> list[Choices | None]:
    """What each record of such an RRset answers with; None for one that lbmigrate did not write."""
    return [READERS[rrset.rtype](rdata) for rdata in rrset.rdatas]
