"""Between dnspython's names and records and the model's, both ways."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from lbmigrate import fence, lua
from lbmigrate.errors import Refused
from lbmigrate.model import Fence, RRset
from lbmigrate.value import Same


@lru_cache(maxsize=16384)
def name_of(text: str) -> dns.name.Name:
    """The absolute name. Raises Refused."""
    try:
        return dns.name.from_text(text).canonicalize()
    except (dns.exception.DNSException, UnicodeError) as wrong:
        raise Refused(f"name {text!r}: {wrong}; correct it under names:") from wrong


@lru_cache(maxsize=16384)
def canonical(text: str) -> str:
    """A name's text as the model wants it. Raises Refused."""
    return text_of(name_of(text))


def text_of(name: dns.name.Name) -> str:
    """The name as the model wants it: absolute, lower case, with the final dot."""
    return name.canonicalize().to_text()


class Spelled(dns.name.Name):
    """A name that is written out whole: compressed (RFC 1035 section 4.1.4) it takes an earlier one's spelling."""

    __slots__ = ()

    def to_wire(
        self,
        file: Any | None = None,
        compress: dns.name.CompressType | None = None,
        origin: dns.name.Name | None = None,
        canonicalize: bool = False,
    ) -> bytes | None:
        """What `Name.to_wire` gives without compression."""
        del compress
        return super().to_wire(file, None, origin, canonicalize)


def fence_name(name: dns.name.Name) -> dns.name.Name:
    """Where the fence of `name` stands. Raises Refused when that name would be too long (RFC 1035: 255 bytes)."""
    try:
        return dns.name.from_text(fence.LABEL, name)
    except dns.name.NameTooLong as wrong:
        raise Refused(f"{name}: too long for {fence.LABEL} before it; leave the name out") from wrong


@lru_cache(maxsize=64)
def type_of(rtype: str) -> dns.rdatatype.RdataType:
    """The number of a type by the model's name for it."""
    return dns.rdatatype.RdataType.make(lua.NUMBER) if rtype == "LUA" else dns.rdatatype.from_text(rtype)


def kind_of(rdtype: dns.rdatatype.RdataType) -> str:
    """The model's name for a type."""
    return "LUA" if rdtype == lua.NUMBER else dns.rdatatype.to_text(rdtype)


def rdata_text(rdata: dns.rdata.Rdata) -> str:
    """The text of one rdata; names in it are spelled as the zone spells them."""
    if isinstance(rdata, dns.rdata.GenericRdata) and rdata.rdtype == lua.NUMBER:
        return lua.text(rdata.data)
    return rdata.to_text()


def rrset_of(found: dns.rrset.RRset) -> RRset:
    """The model's form of an RRset of at least one record.

    BIND answers with the owner as the zone spells it; Knot and PowerDNS keep no spelling and repeat the question's,
    which is in lower case.
    """
    name, spelled = text_of(found.name), found.name.to_text()
    rdatas = tuple(sorted(map(rdata_text, found)))
    return RRset(name, kind_of(found.rdtype), found.ttl, rdatas, "" if spelled == name else spelled)


def rdatas_of(rrset: RRset) -> list[dns.rdata.Rdata]:
    """The records of an RRset, parsed. Raises Refused for text that is no such record."""
    try:
        if rrset.rtype == "LUA":
            made = [(type_of("LUA"), lua.wire(one)) for one in rrset.rdatas]
            return [dns.rdata.GenericRdata(dns.rdataclass.IN, rdtype, raw) for rdtype, raw in made]
        return [_whole(dns.rdata.from_text(dns.rdataclass.IN, rrset.rtype, one)) for one in rrset.rdatas]
    except (dns.exception.DNSException, ValueError) as wrong:
        raise Refused(f"{rrset.name} {rrset.rtype} {rrset.rdatas}: {wrong}; correct the addresses") from wrong


def _whole(rdata: dns.rdata.Rdata) -> dns.rdata.Rdata:
    """The same, with the name that it leads to written out whole."""
    target: dns.name.Name | None = getattr(rdata, "target", None)
    return rdata if target is None else rdata.replace(target=Spelled(target.labels))


def fence_strings(held: Fence) -> bytes:
    """The fence as the rdata of one TXT record. Raises Refused for what a fence cannot hold."""
    return _strings(Same(held))


@lru_cache(maxsize=16384)
def _strings(same: Same) -> bytes:
    held: Fence = same.thing  # type: ignore[assignment]
    try:
        texts = fence.encode(held)
    except ValueError as wrong:
        raise Refused(f"fence of migration {held.migration!r}: {wrong}; use plain names and fewer records") from wrong
    return b"".join([bytes([len(one)]) + one.encode() for one in texts])


def fence_rdata(held: Fence) -> dns.rdata.Rdata:
    """The fence as one TXT record. Raises Refused for what a fence cannot hold."""
    wire = fence_strings(held)
    return dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.TXT, wire, 0, len(wire))


def strings_of(found: Iterable[dns.rdata.Rdata]) -> list[tuple[str, ...]]:
    """The strings of each TXT record; bytes outside ASCII become what no fence holds."""
    return [tuple(one.decode("ascii", "replace") for one in getattr(rdata, "strings", ())) for rdata in found]


def texts_of(found: Iterable[dns.rdata.Rdata]) -> list[str]:
    """Each TXT record as one text."""
    return ["".join(one) for one in strings_of(found)]
