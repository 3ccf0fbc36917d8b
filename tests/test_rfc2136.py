"""The DNS write against every server: what is read, what a swap requires, what a replay can still do.

Part of the contract suite of `model.Zone`, which test_zone_contract.py lists.
"""

import threading
import time
from collections.abc import Callable
from contextlib import closing, nullcontext

import dns.message
import dns.name
import dns.rcode
import dns.update
import pytest
from servers import HOST, ORIGIN, Server
from taps import Tap, is_update, send
from zones import DUAL, WWW, claimed, driver, moved, now, now_of, originals

from lbmigrate.dns import software, update
from lbmigrate.dns.rfc2136 import Rfc2136
from lbmigrate.errors import Denied, Drifted, Refused, Unreachable
from lbmigrate.fence import encode
from lbmigrate.model import Applied, Fence, Held, NotApplied, Outcome, Records, RRset, Unknown
from lbmigrate.spec import Dns, Tsig
from lbmigrate.value import replace

pytestmark = pytest.mark.usefixtures("secret")

# ---------------------------------------------------------------- read


READ = [
    ("www", [("A", 300, "192.0.2.10")]),
    ("dual", [("A", 120, "192.0.2.11"), ("AAAA", 90, "2001:db8::11")]),
    ("four", [("A", 300, "192.0.2.21", "192.0.2.22", "192.0.2.23", "192.0.2.24")]),
    ("mixed", [("A", 300, "192.0.2.30")]),
    ("MIXED", [("A", 300, "192.0.2.30")]),
    (r"odd\.dot", [("A", 300, "192.0.2.31")]),
    ("host.wild", [("A", 300, "192.0.2.98")]),
    ("above", [("A", 300, "192.0.2.97")]),  # a wildcard beneath it answers in the fence's place
    ("text", []),
    ("nope", []),
    ("any.wild", []),  # it answers, but only by the wildcard
]


@pytest.mark.parametrize(("label", "expected"), READ)
def test_read(server: Server, zone: Rfc2136, label: str, expected: list[tuple[str, int, str]]) -> None:
    name = f"{label}.{ORIGIN}".lower()
    spelled = f"MiXed.{ORIGIN}" if server.kind == "named" and "mixed" in name else ""  # only BIND keeps it
    rrsets = tuple(RRset(name, rtype, ttl, tuple(rdatas), spelled) for rtype, ttl, *rdatas in expected)
    assert zone.read([f"{label}.{ORIGIN}"]).held == (Held(name, rrsets),)


def test_read_many_at_once_keeps_the_order_and_tells_the_serial_and_the_time(zone: Rfc2136) -> None:
    names = [ORIGIN, DUAL, WWW] * 20
    records = zone.read(names)
    assert [held.name for held in records.held] == names
    assert records.soa is not None
    assert records.soa.split()[0] == "ns1.lab.test."
    assert records.server_time is not None


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("taken.lab.test.", Refused, "_lbmigrate.taken.lab.test.: holds what is not lbmigrate's"),
        ("x.sub.lab.test.", Denied, "lies in sub.lab.test., delegated by lab.test."),
        ("www.example.", Refused, "not in zone lab.test."),
    ],
)
def test_read_refuses(zone: Rfc2136, name: str, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        zone.read([name])


def test_an_alias_holds_its_cname_and_nothing_else(zone: Rfc2136) -> None:
    (held,) = zone.read(["alias.lab.test."]).held
    assert held.rrsets == (RRset("alias.lab.test.", "CNAME", 300, (WWW,)),)


def test_an_alias_at_the_fences_place_is_refused(server: Server, zone: Rfc2136) -> None:
    server.edit(lambda message: message.add(f"_lbmigrate.{WWW}", 60, "CNAME", DUAL))
    with pytest.raises(Refused, match=r"_lbmigrate\.www\.lab\.test\.: holds what is not lbmigrate's"):
        zone.read([WWW])


# ---------------------------------------------------------------- swap


def test_claim_shift_and_rollback_leave_the_zone_as_it_was_but_for_the_serial(server: Server, zone: Rfc2136) -> None:
    before = server.records()
    old = zone.read([WWW, DUAL, "four.lab.test."])
    claim = claimed(old)
    shift = moved(claim, 2)
    back = claimed(originals(claim), 3)
    for was, will in [(old, claim), (claim, shift), (shift, back), (back, originals(back))]:
        assert zone.swap(was, will) == Applied()
        assert now(zone, will).held == will.held
    assert server.records() == before


def test_only_the_named_rrsets_and_the_fence_change(server: Server, zone: Rfc2136) -> None:
    before = server.records()
    old = zone.read([DUAL])
    new = claimed(old, ttl=90)  # A gets another TTL, AAAA stays as it is
    assert zone.swap(old, new) == Applied()
    gone, come = set(before) - set(server.records()), set(server.records()) - set(before)
    assert gone == {"dual.lab.test. 120 IN A 192.0.2.11"}
    assert {line.split(" ")[0] for line in come} == {DUAL, f"_lbmigrate.{DUAL}"}
    assert len(come) == 2


def test_what_follows_is_laid_out_while_the_server_is_at_work_and_sent_only_if_it_follows(
    server: Server, zone: Rfc2136, monkeypatch: pytest.MonkeyPatch
) -> None:
    laid_out: list[Records] = []
    made = update.parts

    def noted(origin: dns.name.Name, old: Records, new: Records, room: int, probed: bool) -> list[update.Update]:
        laid_out.append(new)
        return made(origin, old, new, room, probed)

    monkeypatch.setattr(update, "parts", noted)
    before = server.records()
    old, other = zone.read([WWW]), zone.read([DUAL])
    claim, foreseen, instead = claimed(old), claimed(other, 4), claimed(other, 5)
    plain = replace(other, soa=None)
    assert zone.swap(old, claim, lambda: (plain, foreseen)) == Applied()
    assert laid_out == [claim, foreseen]
    assert now(zone, other).held == other.held, "it is not sent before it is asked for"
    assert zone.swap(plain, foreseen, lambda: (foreseen, claim)) == Applied()  # a guess that is refused: other names
    assert laid_out == [claim, foreseen, claim]
    assert now(zone, foreseen).held == foreseen.held
    assert zone.swap(foreseen, plain, lambda: (plain, foreseen)) == Applied()
    assert zone.swap(plain, instead) == Applied()
    assert laid_out[-2:] == [foreseen, instead], "another one than was foreseen"
    assert [zone.swap(instead, plain), zone.swap(claim, originals(claim))] == [Applied()] * 2
    assert server.records() == before


@pytest.mark.parametrize("label", ["MiXed", r"odd\.dot", "host.wild", "above"])
def test_odd_names_move_and_come_back(server: Server, zone: Rfc2136, label: str) -> None:
    if server.kind == "embedded" and "dot" in label:
        pytest.skip("refuses such a name, as BIND does unless told `check-names ignore`")
    before = server.records()
    old = zone.read([f"{label}.{ORIGIN}"])
    claim = claimed(old)
    assert [zone.swap(old, claim), zone.swap(claim, originals(claim))] == [Applied(), Applied()]
    assert server.records() == before


def test_a_change_of_the_ttl_alone_takes(zone: Rfc2136) -> None:
    old = zone.read([WWW])
    new = Records((replace(old.held[0], rrsets=(replace(old.held[0].rrsets[0], ttl=17),)),))
    assert zone.swap(old, new) == Applied()


def test_another_ttl_than_expected_is_not_overwritten(tap: Tap) -> None:
    with closing(driver(tap.port)) as zone:
        old = zone.read([WWW])
        stale = Records((replace(old.held[0], rrsets=(replace(old.held[0].rrsets[0], ttl=299),)),))
        assert now_of(zone.swap(stale, claimed(stale))).held == old.held
    assert tap.updates() == []


def _texts(fence: Fence) -> tuple[str, ...]:
    return (" ".join(f'"{one}"' for one in encode(fence)),)


def _delete_all(message: dns.update.UpdateMessage) -> None:
    message.delete(WWW)
    message.delete(f"_lbmigrate.{WWW}")


EDITS: dict[str, Callable[[dns.update.UpdateMessage], None]] = {
    "value replaced": lambda m: m.replace(WWW, 30, "A", "203.0.113.1"),
    "value added": lambda m: m.add(WWW, 30, "A", "203.0.113.1"),
    "other family added": lambda m: m.add(WWW, 30, "AAAA", "2001:db8::1"),
    "fence replaced": lambda m: m.replace(f"_lbmigrate.{WWW}", 60, "TXT", *_texts(Fence("other", "a9", 9, ()))),
    "fence deleted": lambda m: m.delete(f"_lbmigrate.{WWW}"),
    "name deleted": lambda m: m.delete(WWW, "A"),
    "everything deleted": _delete_all,
}


@pytest.mark.parametrize("edit", EDITS)
def test_the_server_itself_refuses_when_anything_differs(server: Server, tap: Tap, zone: Rfc2136, edit: str) -> None:
    """The change happens between the driver's own read and its message: only the prerequisites can see it."""
    old = zone.read([WWW])
    claim = claimed(old)
    assert zone.swap(old, claim) == Applied()
    with closing(driver(tap.port)) as other:
        seen: list[list[str]] = []
        tap.deliver = lambda wire: not is_update(wire) or _edit_first(server, EDITS[edit], seen)
        assert now_of(other.swap(claim, moved(claim, 2))).held != claim.held
    assert len(seen) == 1
    assert server.records() == seen[0]


def test_an_edited_fence_is_drift_and_stays(server: Server, tap: Tap, zone: Rfc2136) -> None:
    old = zone.read([WWW])
    claim = claimed(old)
    assert zone.swap(old, claim) == Applied()
    seen: list[list[str]] = []
    garbage = '"lbm1 m=web a=a1 n=1 c=00000000"'
    tap.deliver = lambda wire: (
        not is_update(wire) or _edit_first(server, lambda m: m.replace(f"_lbmigrate.{WWW}", 60, "TXT", garbage), seen)
    )
    with closing(driver(tap.port)) as other, pytest.raises(Drifted, match="does not add up"):
        other.swap(claim, moved(claim, 2))
    assert server.records() == seen[0]


def _edit_first(server: Server, edit: Callable[[dns.update.UpdateMessage], None], seen: list[list[str]]) -> bool:
    server.edit(edit)
    seen.append(server.records())
    return True


def test_a_claim_requires_that_nobody_else_has_claimed(tap: Tap, zone: Rfc2136) -> None:
    old = replace(zone.read([WWW]), soa=None)
    theirs = claimed(old, attempt="theirs", ttl=300)
    with closing(driver(tap.port)) as other:
        tap.deliver = lambda wire: not is_update(wire) or zone.swap(old, theirs) == Applied()
        assert now_of(other.swap(old, claimed(old, attempt="ours", ttl=300))).held == theirs.held


def test_a_claim_requires_the_serial_as_it_was_read(server: Server, tap: Tap, zone: Rfc2136) -> None:
    old = zone.read([WWW])
    server.edit(lambda message: message.add("other.lab.test.", 60, "A", "192.0.2.200"))
    assert now_of(zone.swap(old, claimed(old))).held == old.held  # the driver's own read sees it
    with closing(driver(tap.port)) as other:
        fresh = other.read([WWW])
        tap.deliver = lambda wire: not is_update(wire) or _edit_first(server, lambda m: m.delete("other.lab.test."), [])
        assert now_of(other.swap(fresh, claimed(fresh))).held == old.held  # the prerequisite sees it


def test_of_two_claims_at_the_same_moment_one_takes(server: Server) -> None:
    zones = [driver(server.port) for _ in range(4)]
    old = zones[0].read([WWW])
    results: list[Outcome] = []
    start = threading.Barrier(len(zones))

    def race(zone: Rfc2136, attempt: str) -> None:
        start.wait()
        results.append(zone.swap(old, claimed(old, attempt=attempt)))

    threads = [threading.Thread(target=race, args=(zone, f"a{i}")) for i, zone in enumerate(zones)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count(Applied()) == 1
    assert [type(one) for one in results if one != Applied()] == [NotApplied] * 3
    for zone in zones:
        zone.close()


@pytest.mark.parametrize("label", ["any.wild", "nope", "text"])
def test_no_fence_is_written_beneath_a_name_without_addresses(server: Server, zone: Rfc2136, label: str) -> None:
    before = server.zone()
    old = zone.read([f"{label}.{ORIGIN}"])
    with pytest.raises(Refused, match="does not exist, or only by a wildcard"):
        zone.swap(old, claimed(old))
    assert server.zone() == before


def test_never_zero_answers(server: Server, zone: Rfc2136) -> None:
    before = server.zone()
    old = zone.read([WWW])
    with pytest.raises(Refused, match="without any address"):
        zone.swap(old, Records((Held(WWW, ()),)))
    assert server.zone() == before


def test_one_zone_or_nothing(server: Server, zone: Rfc2136) -> None:
    """Two names in one message: the second one's prerequisite fails, the first does not move either."""
    old = zone.read([WWW, DUAL])
    claim = claimed(old)
    assert zone.swap(old, claim) == Applied()
    before = server.records()
    stale = Records((claim.held[0], replace(claim.held[1], fence=Fence("web", "a1", 9, ()))))
    refused = zone.swap(stale, moved(stale, 10))
    assert isinstance(refused, NotApplied)
    assert refused.now.held == claim.held
    assert server.records() == before


# ---------------------------------------------------------------- lost, late, doubled


def test_an_answer_lost_after_it_was_applied_is_settled_by_reading_back(tap: Tap) -> None:
    with closing(driver(tap.port)) as zone:
        old = zone.read([WWW])
        tap.treat = lambda wire: None if is_update(wire) else wire
        assert zone.swap(old, claimed(old)) == Applied()


def test_a_message_lost_before_it_arrived_is_unknown(server: Server, tap: Tap) -> None:
    before = server.records()
    with closing(driver(tap.port)) as zone:
        old = zone.read([WWW])
        tap.deliver = lambda wire: not is_update(wire)
        assert isinstance(zone.swap(old, claimed(old)), Unknown)
        tap.deliver = lambda _: True
        assert server.records() == before
        assert zone.swap(old, claimed(old)) == Applied()


def test_silence_is_unknown_within_the_patience_given(tap: Tap) -> None:
    with closing(driver(tap.port, patience=0.3)) as zone:
        old = zone.read([WWW])
        tap.treat = lambda _: b""
        with pytest.raises(Unreachable, match="no answer in time"):
            zone.swap(old, claimed(old))  # its first read: nothing was sent
        assert tap.updates() == []
        tap.treat = lambda wire: wire
        tap.deliver = lambda wire: not is_update(wire) or _silent_from_now(tap)
        outcome = zone.swap(old, claimed(old))
        assert isinstance(outcome, Unknown)
        assert "reading back failed" in outcome.why


def _silent_from_now(tap: Tap) -> bool:
    tap.treat = lambda _: b""
    return True


def test_an_unsigned_answer_proves_nothing(server: Server, tap: Tap) -> None:
    before = server.records()
    with closing(driver(tap.port)) as zone:
        old = zone.read([WWW])
        tap.treat = lambda wire: _noerror(wire) if is_update(wire) else wire
        tap.deliver = lambda _: True
        assert zone.swap(old, claimed(old)) == Applied()  # by the read back
    server.restore(before)
    with closing(driver(tap.port)) as zone:
        tap.treat = _noerror
        with pytest.raises(Denied, match="NOERROR, unsigned: key lbm rejected"):
            zone.read([WWW])


def _noerror(wire: bytes) -> bytes:
    """An unsigned NOERROR to the same question, as anybody on the path could send it."""
    message = dns.message.from_wire(wire, keyring=False)
    message.tsig = None
    return message.to_wire()


def test_the_bytes_of_claim_and_shift_sent_again_after_a_rollback_change_nothing(server: Server, tap: Tap) -> None:
    claim, shift, _ = _claim_shift_rollback(tap, with_soa=True)
    before = server.zone()
    assert [_rcode(send(server.port, wire)) for wire in (claim, shift)] == ["NXRRSET", "NXRRSET"]
    assert server.zone() == before


def test_without_the_soa_in_the_claim_a_replay_moves_traffic(server: Server, tap: Tap) -> None:
    """The counter-example: why the claim carries the SOA (design, section 3)."""
    claim, shift, _ = _claim_shift_rollback(tap, with_soa=False)
    before = server.records()
    assert [_rcode(send(server.port, wire)) for wire in (claim, shift)] == ["NOERROR", "NOERROR"]
    assert server.records() != before


def _claim_shift_rollback(tap: Tap, with_soa: bool) -> list[bytes]:
    with closing(driver(tap.port)) as zone:
        old = zone.read([WWW, DUAL])
        claim = claimed(old)
        shift = moved(claim, 2)
        first = old if with_soa else replace(old, soa=None)
        steps = [(first, claim), (claim, shift), (shift, originals(shift))]
        assert [zone.swap(was, will) for was, will in steps] == [Applied()] * 3
    return tap.updates()


def _rcode(wire: bytes) -> str:
    return dns.rcode.to_text(dns.message.from_wire(wire, keyring=False).rcode())


def test_a_shift_held_back_until_others_moved_on_is_refused(server: Server, tap: Tap) -> None:
    with closing(driver(tap.port)) as zone, closing(driver(server.port)) as direct:
        old = zone.read([WWW])
        claim = claimed(old)
        assert zone.swap(old, claim) == Applied()
        tap.deliver = lambda wire: not is_update(wire)
        assert isinstance(zone.swap(claim, moved(claim, 2)), Unknown)
        late = tap.updates()[-1]
        there, back = (
            moved(claim, 3),
            Records((replace(claim.held[0], fence=Fence("web", "a1", 4, old.held[0].rrsets)),)),
        )
        assert [direct.swap(claim, there), direct.swap(there, back)] == [Applied(), Applied()]
        before = server.zone()
        assert _rcode(send(server.port, late)) == "NXRRSET"
        assert server.zone() == before


# ---------------------------------------------------------------- keys


REJECTED = {
    "secret": (Tsig("lbm", "hmac-sha256", "env:WRONG"), "BADSIG|unsigned: key lbm rejected"),
    "name": (Tsig("other", "hmac-sha256", "env:TSIG"), "BADKEY|unsigned: key other rejected"),
    "algorithm": (Tsig("lbm", "hmac-sha512", "env:TSIG"), "BADKEY|BADSIG|unsigned: key lbm rejected"),
}


@pytest.mark.parametrize("what", REJECTED)
def test_a_key_that_the_server_does_not_know(server: Server, what: str) -> None:
    tsig, text = REJECTED[what]
    before = server.zone()
    with closing(driver(server.port, tsig=tsig)) as zone, pytest.raises(Denied, match=text) as seen:
        zone.read([WWW])
    assert "rejected" in str(seen.value)
    assert "\n" not in str(seen.value)
    assert server.zone() == before


def test_a_clock_that_is_off_is_told_with_the_offset(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "unsigned: key lbm rejected" if server.kind == "pdns" else r"this machine's clock is (999|1000) s behind"
    with closing(driver(server.port)) as zone, monkeypatch.context() as patch:
        patch.setattr(dns.message, "time", Slow)
        with pytest.raises(Denied, match=text):
            zone.read([WWW])


class Slow:
    """The module `time`, 1000 s behind."""

    @staticmethod
    def time() -> float:
        return time.time() - 1000


@pytest.mark.parametrize("origin", ["test.", "www.lab.test."])
def test_another_zone_is_refused_with_the_zone_found(server: Server, origin: str) -> None:
    with closing(driver(server.port, origin=origin)) as zone, pytest.raises(Denied) as seen:
        zone.read([WWW])
    assert ("lab.test., not www.lab.test." if origin == WWW else " test.") in str(seen.value)


def test_check_says_what_the_key_may_do_beyond_the_names_and_changes_nothing(server: Server, zone: Rfc2136) -> None:
    before = server.zone()
    beyond = ["key lbm may also write other names of lab.test.; narrow it: lbmigrate policy"]
    if server.kind == "pdns":
        beyond.append("key lbm is a shell on the DNS server: it may write LUA records, which PowerDNS runs")
    assert list(zone.check([WWW, DUAL])) == beyond
    assert server.zone() == before


def test_lua_records_are_refused_for_a_server_that_says_it_is_another(server: Server) -> None:
    key = Tsig("lbm", "hmac-sha256", "env:TSIG")
    entry = Dns("rfc2136", ORIGIN, HOST, server.port, key, "lua", (f"{HOST}:{server.port}",))
    with closing(Rfc2136(entry, 10, 10)) as zone:
        if server.kind == "named":
            with pytest.raises(Denied, match=r"calls itself .*; only PowerDNS knows LUA records"):
                zone.check([WWW])
            old, before = zone.read([WWW]), server.zone()
            with pytest.raises(Denied, match="remove `scheme: lua`"):
                zone.swap(old, claimed(old))
            assert server.zone() == before
        elif server.kind == "knotd":
            assert any("does not say what it is; only PowerDNS knows" in hint for hint in zone.check([WWW]))


@pytest.mark.parametrize(
    ("name", "other"),
    [("9.18.49-1deb12u1-Debian", True), ("Knot DNS 3.2.6", True), ("NSD 4.6", True), ("", False),
     ("PowerDNS Authoritative Server 4.7.3", False), ("Served by PowerDNS - https://www.powerdns.com/", False),
     ("go away", False), ("19.2", False)],
)  # fmt: skip
def test_only_a_server_that_names_another_software_surely_knows_no_lua_records(name: str, other: bool) -> None:
    with pytest.raises(Denied) if other else nullcontext():
        software.no_lua(name, "192.0.2.53")


def test_check_changes_nothing_in_mid_migration(server: Server, zone: Rfc2136) -> None:
    old = zone.read([WWW, DUAL])
    assert zone.swap(old, claimed(old)) == Applied()
    before = server.zone()
    zone.check([WWW, DUAL])
    assert server.zone() == before


def test_check_proves_more_than_a_hundred_names(server: Server, zone: Rfc2136) -> None:
    names = [f"n{number}.lab.test." for number in range(120)]

    def fill(message: dns.update.UpdateMessage) -> None:
        for name in names:
            message.add(name, 60, "A", "0.0.0.0")  # as it happens, the very record that is deleted elsewhere

    server.edit(fill)
    before = server.zone()
    assert not [line for line in zone.check(names) if "changed" in line]
    assert server.zone() == before
