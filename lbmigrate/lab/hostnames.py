"""Which names must be host names (RFC 952, RFC 1123), as BIND's `check-names primary fail` has it.

Addresses and mail exchangers stand under host names, and NS, MX and SRV point to them; an update that breaks this is
refused. So a record like `_x A` cannot be made, while `_x TXT` can.
"""

import re

from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.NS import NS
from dns.rdtypes.IN.SRV import SRV
from dns.rrset import RRset

LABEL = re.compile(rb"[0-9a-z]([0-9a-z-]*[0-9a-z])?", re.IGNORECASE)
OWNERS = frozenset({RdataType.A, RdataType.AAAA, RdataType.MX})


def fit(rrset: RRset) -> bool:
    """Whether the owner, and what the records point to, are host names where they must be."""
    owner = rrset.rdtype not in OWNERS or hostname(rrset.name, wildcard=True)
    return owner and all(hostname(name) for rdata in rrset if (name := _target(rdata)) is not None)


def hostname(name: Name, wildcard: bool = False) -> bool:
    """Whether every label is letters, digits and inner hyphens; `wildcard`: or the first one is `*`."""
    labels = name.labels[1:] if wildcard and name.is_wild() else name.labels
    return all(LABEL.fullmatch(label) for label in labels if label)


def _target(rdata: Rdata) -> Name | None:
    match rdata:
        case NS() | SRV():
            return rdata.target
        case MX():
            return rdata.exchange
        case _:
            return None
