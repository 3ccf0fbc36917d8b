"""Between dnspython's names and records and the model's, both ways."""

from collections.abc import Iterable

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from lbmigrate import fence
from lbmigrate.errors import Refused
from lbmigrate.model import Fence, RRset


def name_of(text: str) -> dns.name.Name:
    """The absolute name. Raises Refused."""
    try:
        return dns.name.from_text(text).canonicalize()
    except (dns.exception.DNSException, UnicodeError) as wrong:
        raise Refused(f"name {text!r}: {wrong}; correct it under names:") from wrong


def text_of(name: dns.name.Name) -> str:
    """The name as the model wants it: absolute, lower case, with the final dot."""
    return name.canonicalize().to_text()


def fence_name(name: dns.name.Name) -> dns.name.Name:
    """Where the fence of `name` stands. Raises Refused when that name would be too long (RFC 1035: 255 bytes)."""
    try:
        return dns.name.from_text(fence.LABEL, name)
    except dns.name.NameTooLong as wrong:
        raise Refused(f"{name}: too long for {fence.LABEL} before it; leave the name out") from wrong


def rrset_of(found: dns.rrset.RRset) -> RRset:
    """The model's form of an RRset of at least one record."""
    kind = dns.rdatatype.to_text(found.rdtype)
    return RRset(text_of(found.name), kind, found.ttl, tuple(sorted(rdata.to_text() for rdata in found)))


def rdatas_of(rrset: RRset) -> list[dns.rdata.Rdata]:
    """The records of an RRset, parsed. Raises Refused for text that is no such record."""
    try:
        return [dns.rdata.from_text(dns.rdataclass.IN, rrset.rtype, one) for one in rrset.rdatas]
    except (dns.exception.DNSException, ValueError) as wrong:
        raise Refused(f"{rrset.name} {rrset.rtype} {rrset.rdatas}: {wrong}; correct the addresses") from wrong


def fence_rdata(held: Fence) -> dns.rdata.Rdata:
    """The fence as one TXT record. Raises Refused for what a fence cannot hold."""
    try:
        strings = fence.encode(held)
    except ValueError as wrong:
        raise Refused(f"fence of migration {held.migration!r}: {wrong}; use plain names and fewer records") from wrong
    text = " ".join(f'"{_escaped(one)}"' for one in strings)
    return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.TXT, text)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def strings_of(found: Iterable[dns.rdata.Rdata]) -> list[tuple[str, ...]]:
    """The strings of each TXT record; bytes outside ASCII become what no fence holds."""
    return [tuple(one.decode("ascii", "replace") for one in getattr(rdata, "strings", ())) for rdata in found]
