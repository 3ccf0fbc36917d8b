"""LUA records in the embedded server, answered as PowerDNS 4.7 does: one address by weight, the record itself never.

Only what lbmigrate writes is understood (`pickwrandom`); anything else is a SERVFAIL, as bad code is there.
"""

import dns.rdataset
from dns.rdata import GenericRdata
from dns.rdataset import Rdataset
from dns.rdatatype import RdataType

from lbmigrate import lua

LUA = RdataType.make(lua.NUMBER)


class Unreadable(Exception):
    """Code that is not understood."""


def choices(records: Rdataset, rtype: RdataType) -> tuple[tuple[Rdataset, ...], tuple[int, ...]] | None:
    """Each address of that type, and its weight; None where no record is for the type. Raises Unreadable."""
    for rdata in records:
        assert isinstance(rdata, GenericRdata)
        found = lua.read(lua.text(rdata.data))
        if found is None:
            raise Unreadable
        family, shares = found
        if family == rtype.name:
            addresses = tuple(dns.rdataset.from_text("IN", family, records.ttl, one) for _, one in shares)
            return addresses, tuple(weight for weight, _ in shares)
    return None
