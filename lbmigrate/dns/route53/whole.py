"""A whole zone as `discover` wants it: every record of its listing in wire form, and which owners cannot be moved."""

import contextlib
from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import groupby

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from lbmigrate.discover import HOSTED, STUCK
from lbmigrate.dns.records import name_of, text_of
from lbmigrate.dns.route53 import listing, names
from lbmigrate.dns.route53.api import Set
from lbmigrate.dns.route53.driver import Route53
from lbmigrate.errors import Refused, Unreachable
from lbmigrate.spec import Dns
from lbmigrate.weighted import ALIAS_TTL, DUALSTACK

TIMEOUT = 5.0  # seconds for one page
SOA = int(dns.rdatatype.SOA)
STRINGS = ("TXT", "SPF")
Record = tuple[bytes, int, int, bytes]  # as in dns.transfer


def records(entry: Dns, wanted: Mapping[int, Container[bytes]] | None = None) -> Iterator[Record]:
    """Every record of the entry's zone, the SOA once and first (its rdata is left out).

    `wanted` leaves out what is not in it, by type. Raises Unreachable, Denied, Refused.
    """
    yield name_of(entry.zone).to_wire() or b"", SOA, 0, b""
    with contextlib.closing(Route53(entry, TIMEOUT, TIMEOUT)) as zone:
        for owner, sets in groupby(zone.all(), lambda one: str(one["Name"])):
            for record in _named(owner, list(sets), zone.id):
                if record[1] != SOA and (wanted is None or record[3] in wanted.get(record[1], ())):
                    yield record


def _named(owner: str, sets: Sequence[Set], zone_id: str) -> Iterator[Record]:
    """What stands at one name; first, why its sets cannot be moved, where that is so whatever they lead to."""
    name = names.parse(owner)
    wire = name.to_wire() or b""
    if not all(map(listing.plain, sets)):
        try:
            listing.read(text_of(name), ("", zone_id), sets, ())
        except Refused as why:
            yield wire, STUCK, 0, str(why).removeprefix(f"{text_of(name)} ").encode()
    for one in sets:
        yield from _records(wire, one)


def _records(owner: bytes, one: Set) -> Iterator[Record]:
    if "AliasTarget" in one:
        host = one["AliasTarget"]["DNSName"].removeprefix(DUALSTACK)
        yield owner, HOSTED, ALIAS_TTL, names.parse(host).to_wire() or b""
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
