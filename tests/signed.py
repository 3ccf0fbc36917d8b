"""DNSSEC-signed zones on real servers, for tests: each signs by itself, in its own way."""

from collections.abc import Callable
from pathlib import Path

import dns.message
import dns.query
from servers import HOST, KEY, ORIGIN, ZONE, Server, knotd, named

from lbmigrate.lab.realpdns import UNCACHED, Pdns

SIGNATURES = ("RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "CDS", "CDNSKEY", "TYPE65534")
METADATA = "gsqlite3-dnssec=yes\nzone-metadata-cache-ttl=0\ndnssec-key-cache-ttl=0"


def pdns(directory: Path, zone: str = ZONE, *metadata: str) -> Server:
    """PowerDNS that signs as it answers; `metadata` of the zone: a kind and its value."""
    one = Pdns(directory, ORIGIN, KEY)
    one.primary(zone, settings=f"{UNCACHED}\n{METADATA}")
    one.util("secure-zone", ORIGIN)
    if metadata:
        one.util("set-meta", ORIGIN, *metadata)
    one.util("rectify-zone", ORIGIN)
    return Server("pdns", one.process, one.port, one.control)


def inline(directory: Path, zone: str = ZONE, policy: str = f'allow-update {{ key "{KEY.name}"; }};') -> Server:
    """BIND that keeps the zone as it is and serves a signed copy of it."""
    return named(directory, zone, policy, extra="dnssec-policy default; inline-signing yes;")


SIGNED: dict[str, Callable[[Path], Server]] = {
    "BIND, inline-signing": inline,
    "BIND, dnssec-policy": lambda directory: named(directory, extra="dnssec-policy default;"),
    "Knot": lambda directory: knotd(directory, role="dnssec-signing: on"),
    "PowerDNS": pdns,
}


def signed(server: Server) -> Server:
    """The same, once it has signed its zone from end to end and its serial rests."""
    before = 0
    server.process.wait(lambda: bool(answered(server, "ns1", "A") and answered(server, "www", "A")), 20)
    while before != (before := server.serial()):
        server.process.wait(lambda: answered(server, "www", "A"), 20)
    return server


def answered(server: Server, label: str, rtype: str) -> bool:
    """Whether a record is served with its signature."""
    query = dns.message.make_query(f"{label}.{ORIGIN}", rtype, want_dnssec=True)
    found = {rrset.rdtype.name for rrset in dns.query.tcp(query, HOST, 5, server.port).answer}
    return {rtype, "RRSIG"} <= found


def plain(server: Server) -> list[str]:
    """The zone's records but for the SOA and what signing adds."""
    return [line for line in server.records() if line.split()[3] not in SIGNATURES]
