"""A whole zone by AXFR (RFC 5936), signed (RFC 8945): for secondaries, and to compare a zone before and after."""

from pathlib import Path

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.tsig
import dns.xfr
import dns.zone

from lbmigrate.dns.records import kind_of, rdata_text
from lbmigrate.errors import Unreachable, Usage
from lbmigrate.value import value

SECONDS = 10.0


@value
class Key:
    """A TSIG key: its name, its algorithm ("hmac-sha256"), its secret in base64."""

    name: str
    algorithm: str
    secret: str

    def tsig(self) -> dns.tsig.Key:
        """The same key as dnspython wants it."""
        return dns.tsig.Key(self.name, self.secret, self.algorithm)


def parse_key(text: str) -> Key:
    """Read NAME:ALGORITHM:SECRET, or @FILE with that in it, which no list of processes shows. Raises Usage."""
    if text.startswith("@"):
        return parse_key(_content(Path(text[1:])))
    name, _, rest = text.partition(":")
    algorithm, _, secret = rest.partition(":")
    if not secret:
        raise Usage("reading a TSIG key: not of the form NAME:ALGORITHM:SECRET; write it so")
    return Key(name, algorithm, secret)


def _content(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as wrong:
        raise Usage(f"reading the TSIG key in {path}: {wrong.strerror}; correct the path") from wrong


def empty(origin: str) -> dns.zone.Zone:
    """A zone without content, absolute names, for a transfer to fill."""
    return dns.zone.Zone(dns.name.from_text(origin), relativize=False)


def question(zone: dns.zone.Zone, key: Key) -> dns.message.QueryMessage:
    """The signed AXFR query for `zone`."""
    tsig = key.tsig()
    return dns.xfr.make_query(zone, serial=None, keyring=tsig, keyname=tsig.name, keyalgorithm=tsig.algorithm)[0]


def fetch(address: str, port: int, origin: str, key: Key) -> dns.zone.Zone:
    """The zone as the server has it now. Raises Unreachable, also for a cut or refused transfer."""
    zone = empty(origin)
    try:
        dns.query.inbound_xfr(address, zone, question(zone, key), port=port, timeout=SECONDS, lifetime=SECONDS)
    except (dns.exception.DNSException, OSError, EOFError) as wrong:
        raise Unreachable(
            f"transferring {origin} from {address}:{port}: {type(wrong).__name__} {wrong}; see the server's log"
        ) from wrong
    return zone


def transfer(address: str, port: int, origin: str, key: Key) -> list[str]:
    """The zone's records, one sorted line each: "name ttl IN type rdata". Raises Unreachable."""
    zone = fetch(address, port, origin, key)
    found = zone.iterate_rdatas()
    return sorted(f"{name} {ttl} IN {kind_of(rdata.rdtype)} {rdata_text(rdata)}" for name, ttl, rdata in found)
