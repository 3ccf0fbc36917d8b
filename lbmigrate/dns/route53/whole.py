"""A whole zone as `discover` wants it: every record of its listing in wire form; an alias is PowerDNS's ALIAS."""

import contextlib
from collections.abc import Container, Iterator, Mapping

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from lbmigrate.dns.records import name_of
from lbmigrate.dns.route53 import listing, names
from lbmigrate.dns.route53.api import Set
from lbmigrate.dns.route53.driver import Route53
from lbmigrate.errors import Unreachable
from lbmigrate.spec import Dns

TIMEOUT = 5.0  # seconds for one page
ALIAS, ALIAS_TTL = 65401, 60
SOA = int(dns.rdatatype.SOA)
STRINGS = ("TXT", "SPF")
Record = tuple[bytes, int, int, bytes]  # as in dns.transfer


def records(entry: Dns, wanted: Mapping[int, Container[bytes]] | None = None) -> Iterator[Record]:
    """Every record of the entry's zone, the SOA once and first (its rdata is left out).

    `wanted` leaves out what is not in it, by type. Raises Unreachable, Denied, Refused.
    """
    yield name_of(entry.zone).to_wire() or b"", SOA, 0, b""
    with contextlib.closing(Route53(entry, TIMEOUT, TIMEOUT)) as zone:
        for one in zone.all():
            for record in _records(one):
                if record[1] != SOA and (wanted is None or record[3] in wanted.get(record[1], ())):
                    yield record


def _records(one: Set) -> Iterator[Record]:
    owner = names.parse(one["Name"]).to_wire() or b""
    if "AliasTarget" in one:
        yield owner, ALIAS, ALIAS_TTL, names.parse(one["AliasTarget"]["DNSName"]).to_wire() or b""
        return
    rtype = dns.rdatatype.from_text(one["Type"])
    for record in one.get("ResourceRecords", ()):
        yield owner, int(rtype), one["TTL"], _wire(one["Type"], str(record["Value"]))


def _wire(rtype: str, value: str) -> bytes:
    """The rdata; names in it are whole with or without the final dot. Raises Unreachable for what cannot be read."""
    if rtype in STRINGS:
        value = listing.zonefile(listing.strings(value))
    try:
        found = dns.rdata.from_text(dns.rdataclass.IN, rtype, value, dns.name.root, relativize=False)
    except (dns.exception.DNSException, ValueError) as wrong:
        raise Unreachable(f"reading the listing: {rtype} {value!r}: {wrong}; correct the record") from wrong
    return found.to_wire() or b""
