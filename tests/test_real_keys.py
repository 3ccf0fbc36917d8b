"""Every TSIG algorithm on each server that knows it, and servers that have IPv6 addresses only."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest
from servers import KEY, ORIGIN, program
from test_real_signed import about_zones
from test_rfc2136 import WWW, claimed, originals

from lbmigrate.dns import transfer
from lbmigrate.dns.rfc2136 import Rfc2136
from lbmigrate.errors import Denied, Unreachable
from lbmigrate.lab.dns import SOFTWARE
from lbmigrate.lab.process import Process, freeport
from lbmigrate.lab.realdns import ADDRESS, Named
from lbmigrate.lab.transfer import Key
from lbmigrate.model import Applied, Served
from lbmigrate.spec import Dns, Tsig
from lbmigrate.value import replace

pytestmark = pytest.mark.real("named", "knotd", "pdns_server")
ZONE = """$ORIGIN lab.test.
$TTL 300
@ SOA ns1 hostmaster 100 3600 600 86400 60
@ NS ns1
ns1 A 127.0.0.1
www A 192.0.2.10
"""
WHOLE = ("hmac-sha256", "hmac-sha512", "hmac-sha384", "hmac-sha224", "hmac-sha1")
TRUNCATED = ("hmac-sha256-128", "hmac-sha384-192", "hmac-sha512-256")


def cycle(entry: Dns) -> None:
    """Claimed, seen as served, and put back."""
    with closing(Rfc2136(entry, 2.0, 5.0)) as zone:
        old = zone.read([WWW])
        claim = claimed(old)
        assert zone.swap(old, claim) == Applied()
        (at,) = entry.nameservers
        assert zone.served([WWW], ["A"]) == [Served(at, WWW, "A", 30, ("192.0.2.10",))]
        assert zone.swap(claim, originals(claim)) == Applied()
        assert about_zones(zone, WWW) == []


@pytest.mark.parametrize("algorithm", WHOLE)
@pytest.mark.parametrize("kind", SOFTWARE)
def test_a_key_of_each_algorithm_writes_and_transfers(
    kind: str, algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TSIG", KEY.secret)
    server = SOFTWARE[kind](tmp_path, ORIGIN, Key("lbm", algorithm, KEY.secret))
    server.primary(ZONE)
    try:
        tsig = Tsig("lbm", algorithm, "env:TSIG")
        entry = Dns("rfc2136", ORIGIN, ADDRESS, server.port, tsig, nameservers=(server.at,))
        cycle(entry)
        assert len(list(transfer.records(entry))) == 4
    finally:
        server.stop()


@pytest.mark.parametrize("algorithm", TRUNCATED)
def test_bind_knows_no_truncated_algorithm_by_its_name_and_the_message_says_so(
    algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It truncates under the name of the whole one (RFC 8945 section 5.2.2.1)."""
    monkeypatch.setenv("TSIG", KEY.secret)
    server = Named(tmp_path, ORIGIN, Key("lbm", algorithm, KEY.secret))
    server.primary(ZONE)
    try:
        entry = Dns("rfc2136", ORIGIN, ADDRESS, server.port, Tsig("lbm", algorithm, "env:TSIG"))
        with closing(Rfc2136(entry, 2.0, 2.0)) as zone, pytest.raises(Denied, match="key lbm rejected") as seen:
            zone.read([WWW])
        assert "compare name and algorithm" in str(seen.value)
    finally:
        server.stop()


# ---------------------------------------------------------------- IPv6 only


SIX = "::1"
CONFIG = """
key "lbm" {{ algorithm hmac-sha256; secret "{secret}"; }};
options {{
  directory "{directory}"; pid-file none; lock-file none; session-keyfile "{directory}/session.key";
  listen-on {{ none; }}; listen-on-v6 port {port} {{ ::1; }};
  recursion no; dnssec-validation no; empty-zones-enable no; notify no;
}};
controls {{ }};
zone "lab.test" {{ type primary; file "zone"; allow-transfer {{ key "lbm"; }}; allow-update {{ key "lbm"; }}; }};
"""


def answers(port: int) -> bool:
    try:
        return bool(dns.query.udp(dns.message.make_query(ORIGIN, "SOA"), SIX, 0.3, port).answer)
    except (dns.exception.Timeout, OSError):
        return False


@contextmanager
def six(directory: Path) -> Iterator[int]:
    """The port of a BIND that listens on ::1 alone."""
    port = freeport(SIX)
    (directory / "zone").write_text(ZONE)
    (directory / "named.conf").write_text(CONFIG.format(secret=KEY.secret, directory=directory, port=port))
    process = Process([program("named"), "-g", "-n", "1", "-c", str(directory / "named.conf")], directory / "named.log")
    process.start()
    try:
        process.wait(lambda: answers(port), 20)
        yield port
    finally:
        process.stop()


def test_a_server_with_an_ipv6_address_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TSIG", KEY.secret)
    with six(tmp_path) as port:
        at = f"[{SIX}]:{port}"
        entry = Dns("rfc2136", ORIGIN, SIX, port, Tsig("lbm", "hmac-sha256", "env:TSIG"), nameservers=(at,))
        cycle(entry)
        assert len(list(transfer.records(entry))) == 4
        other = replace(entry, tsig=Tsig("other", "hmac-sha256", "env:TSIG"))
        with closing(Rfc2136(other, 2.0, 2.0)) as zone, pytest.raises(Denied) as denied:
            zone.read([WWW])
        assert f"asking {at}" in str(denied.value)
    with closing(Rfc2136(entry, 2.0, 2.0)) as zone, pytest.raises(Unreachable) as gone:
        zone.read([WWW])
    assert f"asking {at} over TCP" in str(gone.value)
