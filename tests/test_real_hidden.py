"""A hidden primary: updates go to a server that nobody asks, transfers come from another, with another key."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from servers import HOST, KEY, ORIGIN, program
from test_dns_served import eventually
from zones import about_zones

from lbmigrate.dns import transfer
from lbmigrate.dns.rfc2136 import Rfc2136
from lbmigrate.errors import Denied
from lbmigrate.lab.nameserver import answers
from lbmigrate.lab.process import Process, freeport
from lbmigrate.model import Applied, Held, Records, RRset, Served
from lbmigrate.spec import Dns, Transfer, Tsig
from lbmigrate.value import replace

pytestmark = pytest.mark.real("named")
WWW = f"www.{ORIGIN}"
XFR = "eGZyLXhmci14ZnIteGZyLXhmci14ZnIteGZyLXhmci0="
ZONE = """$ORIGIN lab.test.
$TTL 300
@ SOA ns1 hostmaster 100 3600 600 86400 60
@ NS ns1
ns1 A 127.0.0.1
www A 192.0.2.10
sub NS ns.sub
ns.sub A 127.0.0.9
"""
CONFIG = """
key "lbm" {{ algorithm hmac-sha256; secret "{lbm}"; }};
key "xfr" {{ algorithm hmac-sha512; secret "{xfr}"; }};
options {{
  directory "{directory}"; pid-file none; lock-file none; session-keyfile "{directory}/session.key";
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion no; dnssec-validation no; empty-zones-enable no;
  notify explicit; notify-delay 0; startup-notify-rate 1000; serial-query-rate 1000;
}};
controls {{ }};
zone "{zone}" {{ file "zone"; {role} }};
"""
PRIMARY = 'type primary; allow-query {{ key "lbm"; key "xfr"; 127.0.0.0/8; }}; allow-update {{ key "lbm"; }}; allow-transfer {{ key "xfr"; }}; also-notify {{ 127.0.0.1 port {port}; }};'  # noqa: E501
SECONDARY = 'type secondary; primaries {{ 127.0.0.1 port {port} key "xfr"; }}; allow-transfer {{ key "xfr"; }};'


def start(stack: ExitStack, directory: Path, port: int, role: str, zone: str = "lab.test") -> None:
    directory.mkdir()
    if "type primary" in role:
        (directory / "zone").write_text(ZONE.replace("lab.test", zone))
    text = CONFIG.format(lbm=KEY.secret, xfr=XFR, directory=directory, port=port, role=role, zone=zone)
    (directory / "named.conf").write_text(text)
    argv = [program("named"), "-g", "-n", "1", "-c", str(directory / "named.conf")]
    process = Process(argv, directory / "named.log")
    stack.callback(process.stop)
    process.start()
    process.wait(lambda: answers(HOST, port, zone, authoritative=True), 20)


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dns]:
    """The zone's entry: its only name server is the secondary, which also gives it away."""
    monkeypatch.setenv("TSIG", KEY.secret)
    monkeypatch.setenv("XFR", XFR)
    hidden, public = freeport(HOST), freeport(HOST)
    with ExitStack() as stack:
        start(stack, tmp_path / "hidden", hidden, PRIMARY.format(port=public))
        start(stack, tmp_path / "public", public, SECONDARY.format(port=hidden))
        there = Transfer(HOST, public, Tsig("xfr", "hmac-sha512", "env:XFR"))
        tsig = Tsig("lbm", "hmac-sha256", "env:TSIG")
        yield Dns("rfc2136", ORIGIN, HOST, hidden, tsig, nameservers=(f"{HOST}:{public}",), transfer=there)


def test_what_is_written_at_the_primary_is_seen_at_the_others_and_transferred_from_there(entry: Dns) -> None:
    with closing(Rfc2136(entry, 2.0, 5.0)) as zone:
        old = zone.read([WWW])
        new = Records((Held(WWW, (RRset(WWW, "A", 30, ("192.0.2.20",)),)),))
        assert zone.swap(old, new) == Applied()
        wanted = [Served(entry.nameservers[0], WWW, "A", 30, ("192.0.2.20",))]
        eventually(lambda: zone.served([WWW], ["A"]) == wanted)  # it lags: BIND tells it half a second later
        found = {
            (ttl, rdata) for owner, rtype, ttl, rdata in transfer.records(entry) if (owner[:4], rtype) == (b"\3www", 1)
        }
        assert found == {(30, bytes([192, 0, 2, 20]))}
        assert about_zones(zone, WWW) == []


def test_the_key_of_the_transfer_may_not_write_and_that_of_the_updates_not_transfer(entry: Dns) -> None:
    assert entry.transfer is not None
    with closing(Rfc2136(replace(entry, tsig=entry.transfer.tsig), 2.0, 5.0)) as zone:
        old = zone.read([WWW])
        with pytest.raises(Denied, match="REFUSED to the update"):
            zone.swap(old, Records((Held(WWW, (RRset(WWW, "A", 30, ("192.0.2.20",)),)),)))
    with pytest.raises(Denied, match="allow key lbm to transfer the zone there, or give transfer: under dns:"):
        list(transfer.records(replace(entry, transfer=None)))


def test_a_name_below_a_zone_cut_is_written_in_the_zone_that_holds_it(entry: Dns, tmp_path: Path) -> None:
    below = f"www.sub.{ORIGIN}"
    with closing(Rfc2136(entry, 2.0, 5.0)) as zone:
        for name in (f"sub.{ORIGIN}", below):
            with pytest.raises(
                Denied, match=r"lies in sub\.lab\.test\., delegated by lab\.test\.; give that zone its own"
            ):
                zone.read([name])
    with ExitStack() as stack:
        port = freeport(HOST)
        start(stack, tmp_path / "sub", port, PRIMARY.format(port=freeport(HOST)), f"sub.{ORIGIN}".rstrip("."))
        child = replace(entry, zone=f"sub.{ORIGIN}", port=port, nameservers=(f"{HOST}:{port}",))
        with closing(Rfc2136(child, 2.0, 5.0)) as zone:
            old = zone.read([below])
            assert old.held[0].rrsets == (RRset(below, "A", 300, ("192.0.2.10",)),)
            assert zone.swap(old, Records((Held(below, (RRset(below, "A", 30, ("192.0.2.20",)),)),))) == Applied()
