"""Zones that their servers sign: the write, its replay, and what `check` says."""

import itertools
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from migrations import NEEDS, SCENARIO, rig
from servers import HOST, KEY, ZONE, Server
from signed import SIGNED, answered, inline, pdns, plain, signed
from taps import Tap, conditional, is_update, send
from zones import DUAL, WWW, about_zones, claimed, driver, moved, originals

from lbmigrate.dns.rfc2136 import Rfc2136
from lbmigrate.errors import Denied
from lbmigrate.model import Applied, NotApplied
from lbmigrate.value import replace

pytestmark = [pytest.mark.real("named", "knotd", "pdns_server"), pytest.mark.usefixtures("secret")]


@pytest.fixture(scope="module", params=SIGNED)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = SIGNED[request.param](tmp_path_factory.mktemp("signed"))
    yield signed(one)
    one.stop()


@contextmanager
def inlined(directory: Path, **given: str) -> Iterator[Server]:
    """BIND with `inline-signing`, once it has signed the zone."""
    one = inline(directory, **given)
    try:
        yield signed(one)
    finally:
        one.stop()


def migrated(zone: Rfc2136) -> None:
    """Claim, shift and rollback of two names, each applied at once."""
    old = zone.read([WWW, DUAL])
    claim = claimed(old)
    shift = moved(claim, 2)
    assert [zone.swap(*step) for step in [(old, claim), (claim, shift), (shift, originals(shift))]] == [Applied()] * 3


def persistent(zone: Rfc2136) -> None:
    """Claim. While BIND is still signing, what was read is old before it is claimed: it is read and claimed again."""
    while isinstance(zone.swap(old := zone.read([WWW]), claimed(old)), NotApplied):
        pass


def test_the_zone_comes_back_and_no_byte_sent_again_changes_it(server: Server) -> None:
    before = plain(server)
    with closing(Tap(server.port)) as tap, closing(driver(tap.port)) as zone:
        migrated(zone)
        assert plain(server) == before
        assert answered(server, "www", "A")
        rests = signed(server).zone()
        for wire in tap.updates() * 2:
            send(server.port, wire)
        assert signed(server).zone() == rests, "the serial and the signatures included"


def test_check_finds_nothing_once_the_serials_agree_and_changes_nothing(server: Server) -> None:
    with closing(driver(server.port)) as zone:
        migrated(zone)
        before = signed(server).zone()
        assert about_zones(zone, WWW, DUAL) == []
    assert signed(server).zone() == before


def test_check_says_where_the_serial_has_to_be_set_first_and_changes_nothing(tmp_path: Path) -> None:
    with inlined(tmp_path) as server:
        before = server.zone()
        with closing(driver(server.port)) as zone:
            (hint,) = about_zones(zone, WWW, DUAL)
        assert hint.startswith("lab.test.: the SOA that is served is not the one that updates are checked against")
        assert signed(server).zone() == before


def test_a_claim_is_refused_when_the_zone_moves_on_after_its_serial_was_set(tmp_path: Path) -> None:
    with inlined(tmp_path) as server:
        before = plain(server)
        with closing(Tap(server.port)) as tap, closing(driver(tap.port)) as zone:
            counted = itertools.count(1)
            set_just_now = False

            def deliver(wire: bytes) -> bool:
                nonlocal set_just_now
                if set_just_now and is_update(wire):  # the claim again: the zone moves on before it comes
                    server.edit(lambda message: message.add("new.lab.test.", 30, "A", f"192.0.2.{next(counted)}"))
                set_just_now = is_update(wire) and not conditional(wire)
                return True

            tap.deliver = deliver
            with pytest.raises(Denied, match="try again if the zone is busy"):
                persistent(zone)
        server.edit(lambda message: message.delete("new.lab.test."))
        assert plain(signed(server)) == before


POLICY = "".join(f'grant "{KEY.name}" zonesub {rtype}; ' for rtype in ("A", "AAAA", "TXT"))


def test_a_key_that_may_not_set_the_serial_is_told_so(tmp_path: Path) -> None:
    with inlined(tmp_path, policy=f"update-policy {{ {POLICY} }};") as server:
        before = plain(server)
        with closing(driver(server.port)) as zone:
            old = zone.read([WWW])
            with pytest.raises(Denied, match=r"REFUSED to an update of lab\.test\. \(SOA, since"):
                zone.swap(old, claimed(old))
            with pytest.raises(Denied, match=r"REFUSED to an update of lab\.test\. \(SOA, since"):
                zone.check([WWW])
        assert plain(server) == before


def test_the_soa_beside_the_names_is_all_that_the_key_needs(tmp_path: Path) -> None:
    grant = f'{POLICY} grant "{KEY.name}" name lab.test. SOA;'
    with inlined(tmp_path, policy=f"update-policy {{ {grant} }};") as server:
        before = plain(server)
        with closing(driver(server.port)) as zone:
            assert len(about_zones(zone, WWW)) == 1
            migrated(zone)
        assert plain(server) == before


def test_powerdns_with_soa_edit_is_refused_with_the_way_out(tmp_path: Path) -> None:
    """It serves a serial that it makes up, and after one was set it finds no SOA equal to it."""
    server = pdns(tmp_path, ZONE, "SOA-EDIT", "INCREMENT-WEEKS")
    try:
        before = plain(server)
        with closing(driver(server.port)) as zone:
            assert "PowerDNS: SOA-EDIT" in about_zones(zone, WWW)[0]
            old = zone.read([WWW])
            with pytest.raises(Denied, match="turn SOA-EDIT off"):
                zone.swap(old, claimed(old))
        assert plain(server) == before
    finally:
        server.stop()


@pytest.mark.real(*NEEDS)
def test_a_whole_migration_and_its_rollback_where_bind_signs_a_copy(tmp_path: Path) -> None:
    with rig(tmp_path, replace(SCENARIO, secondary=False), watched=False) as one:
        server = signed(inline(tmp_path / "signed", (tmp_path / "dns" / "primary" / "zone").read_text()))
        try:
            one.env["LBM"] = KEY.secret
            tsig = {"name": KEY.name, "algorithm": KEY.algorithm, "secret": "env:LBM"}
            one.entry(server=HOST, port=server.port, nameservers=[server.at], tsig=tsig)
            before = plain(server)
            one.ok("start")
            one.ok("shift", "--weight", "100")
            assert plain(server) != before
            one.ok("rollback", "--yes")
            assert plain(server) == before
        finally:
            server.stop()
