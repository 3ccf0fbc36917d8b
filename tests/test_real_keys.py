"""Every TSIG algorithm on each server that knows it, and servers that have IPv6 addresses only."""

from contextlib import closing
from pathlib import Path

import pytest
from servers import KEY, ORIGIN
from zones import WWW, about_zones, claimed, originals

from lbmigrate.dns import transfer
from lbmigrate.dns.rfc2136 import Rfc2136
from lbmigrate.errors import Denied, Unreachable
from lbmigrate.lab.dns import SOFTWARE
from lbmigrate.lab.nameserver import ADDRESS
from lbmigrate.lab.realdns import Named
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


@pytest.mark.parametrize("kind", SOFTWARE)
def test_a_server_with_an_ipv6_address_alone(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TSIG", KEY.secret)
    server = SOFTWARE[kind](tmp_path, ORIGIN, KEY, address="::1")
    try:
        server.primary(ZONE)
        entry = Dns(
            "rfc2136", ORIGIN, "::1", server.port, Tsig("lbm", "hmac-sha256", "env:TSIG"), nameservers=(server.at,)
        )
        cycle(entry)
        assert len(list(transfer.records(entry))) == 4
        other = replace(entry, tsig=Tsig("other", "hmac-sha256", "env:TSIG"))
        with closing(Rfc2136(other, 2.0, 2.0)) as zone, pytest.raises(Denied) as denied:
            zone.read([WWW])
        assert f"asking {server.at}" in str(denied.value)
    finally:
        server.stop()
    with closing(Rfc2136(entry, 2.0, 2.0)) as zone, pytest.raises(Unreachable) as gone:
        zone.read([WWW])
    assert f"asking {server.at} over TCP" in str(gone.value)
