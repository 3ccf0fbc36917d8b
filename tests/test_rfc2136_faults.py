"""The DNS write when the server, its policy or its answers are not as they should be."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from servers import HOST, ORIGIN, ZONE, Server, named
from taps import Fake

from lbmigrate import dns as drivers
from lbmigrate.dns.rfc2136 import Rfc2136
from lbmigrate.errors import Denied, LbmigrateError, Refused, Unreachable, Usage
from lbmigrate.model import Applied, Fence, Held, NotApplied, Records, RRset, Unknown
from lbmigrate.spec import Dns, Tsig
from lbmigrate.value import replace

pytestmark = pytest.mark.usefixtures("secret")

WWW = "www.lab.test."
SOA = "ns1.lab.test. hostmaster.lab.test. 100 3600 600 86400 60"


def driver(port: int, tsig: bool = True, nameservers: tuple[str, ...] = ()) -> Rfc2136:
    key = Tsig("lbm", "hmac-sha256", "env:TSIG") if tsig else None
    return Rfc2136(Dns("rfc2136", ORIGIN, server=HOST, port=port, tsig=key, nameservers=nameservers), 1.0, 1.0)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., tuple[Server, Rfc2136]]]:
    """Starts a named with a policy or other lines of its own, and a driver for it."""
    begun: list[tuple[Server, Rfc2136]] = []

    def starting(**how: str) -> tuple[Server, Rfc2136]:
        server = named(tmp_path / "named", **how)  # type: ignore[arg-type]
        begun.append((server, driver(server.port, nameservers=(server.at,))))
        return begun[-1]

    yield starting
    for server, zone in begun:
        zone.close()
        server.stop()


def claim(old: Records, ttl: int = 30) -> Records:
    fenced = [replace(held, fence=Fence("web", "a1", 1, held.rrsets)) for held in old.held]
    return Records(tuple(replace(one, rrsets=tuple(replace(r, ttl=ttl) for r in one.rrsets)) for one in fenced))


Start = Callable[..., tuple[Server, Rfc2136]]


@pytest.mark.real
def test_a_frozen_zone_is_denied_with_the_way_on(start: Start) -> None:
    server, zone = start()
    old = zone.read([WWW])
    server.control("freeze", "lab.test")
    with pytest.raises(Denied, match=r"REFUSED .*www\.lab\.test\. \(A, TXT .*zone lab\.test\. .*key lbm.*rndc thaw"):
        zone.swap(old, claim(old))
    server.control("thaw", "lab.test")
    old = zone.read([WWW])
    assert zone.swap(old, claim(old)) == Applied()


@pytest.mark.real
def test_a_key_that_may_change_addresses_but_no_fence_is_found_by_check(start: Start) -> None:
    server, zone = start(policy="update-policy { grant lbm zonesub A; };")
    before = server.zone()
    with pytest.raises(Denied, match=r"REFUSED .*TXT of _lbmigrate\.www\.lab\.test\."):
        zone.check([WWW])
    old = zone.read([WWW])
    with pytest.raises(Denied, match="REFUSED"):
        zone.swap(old, claim(old))
    assert server.zone() == before


@pytest.mark.real
def test_check_finds_nothing_where_all_is_well_and_changes_nothing(start: Start) -> None:
    names = [WWW, "dual.lab.test."]
    grants = "".join(f"grant lbm name {name} A AAAA; grant lbm name _lbmigrate.{name} TXT; " for name in names)
    server, zone = start(policy=f"update-policy {{ {grants} }};")
    before = server.zone()
    assert zone.check(names) == ()
    assert zone.check(["nope.lab.test."]) == ("nope.lab.test.: does not exist, or only by a wildcard",)
    assert server.zone() == before


@pytest.mark.real
def test_a_clamped_ttl_is_never_called_applied(start: Start) -> None:
    _, zone = start(extra="max-zone-ttl 600;")
    old = zone.read([WWW])
    outcome = zone.swap(old, claim(old, ttl=900))
    assert isinstance(outcome, NotApplied)
    assert outcome.now.held[0].rrsets[0].ttl == 600


@pytest.mark.real
def test_servfail_is_unknown_and_nothing_changed(start: Start, tmp_path: Path) -> None:
    server, zone = start(extra='journal "no.jnl";')
    (tmp_path / "named" / "no.jnl").mkdir()  # a journal that cannot be written
    before = server.zone()
    old = zone.read([WWW])
    outcome = zone.swap(old, claim(old))
    assert isinstance(outcome, Unknown)
    assert "SERVFAIL" in outcome.why
    assert server.zone() == before


@pytest.mark.real
def test_an_address_beside_a_cname_is_dropped_by_bind_and_so_not_applied(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NOERROR is not done: here the name turns into an alias after the driver's own read."""
    server, zone = start(zone=ZONE + "gone TXT here\n")
    server.edit(lambda message: message.add("gone.lab.test.", 60, "CNAME", WWW))
    old = Records((Held("gone.lab.test.", ()),))
    monkeypatch.setattr(zone._reader, "read", lambda _: old)
    new = Records((Held("gone.lab.test.", (RRset("gone.lab.test.", "A", 60, ("192.0.2.1",)),)),))
    assert zone.swap(old, new) == NotApplied(old)


@pytest.mark.real
def test_a_server_that_was_restarted_is_connected_to_again(start: Start) -> None:
    server, zone = start()
    old = zone.read([WWW])
    server.process.stop()
    with pytest.raises(Unreachable, match="Connection refused"):
        zone.read([WWW])
    server.start()
    assert zone.read([WWW]).held == old.held


@pytest.mark.real
def test_a_zone_at_work_is_read_at_one_moment(start: Start) -> None:
    """Between the two SOAs of a read another record changes: the names did not, so the read stands."""
    server, zone = start()
    ask, turns = zone._reader._ask, iter(range(1000))

    def busy(asked: list[object]) -> list[dns.message.Message]:
        replies = ask(asked)  # type: ignore[arg-type]
        if asked:
            server.edit(lambda message: message.add(f"r{next(turns)}.lab.test.", 60, "A", "192.0.2.1"))
            replies[-1] = ask(asked)[-1]  # type: ignore[arg-type]
        return replies

    zone._reader._ask = busy  # type: ignore[method-assign, assignment]
    assert zone.read([WWW]).held[0].rrsets == (RRset(WWW, "A", 300, ("192.0.2.10",)),)
    assert next(turns) == 2


# ---------------------------------------------------------------- answers that prove nothing


def reply(query: dns.message.Message, *records: str, flags: int = dns.flags.AA, rcode: int = 0, soa: bool = True) -> dns.message.Message:  # fmt: skip  # noqa: E501
    made = dns.message.make_response(query)
    made.flags |= flags
    made.set_rcode(dns.rcode.Rcode(rcode))
    asked = query.question[0]
    if asked.name.to_text() == ORIGIN and asked.rdtype.name == "SOA":
        made.answer.append(dns.rrset.from_text(ORIGIN, 300, "IN", "SOA", SOA))
    elif asked.name.to_text() == WWW and asked.rdtype.name == "A" and records:
        made.answer.append(dns.rrset.from_text(WWW, 300, "IN", "A", *records))
    elif soa:
        made.authority.append(dns.rrset.from_text(ORIGIN, 60, "IN", "SOA", SOA))
    return made


def well(query: dns.message.Message) -> dns.message.Message:
    return reply(query, "192.0.2.10", rcode=3 if "_lb" in str(query.question[0].name) else 0)


Answer = Callable[[dns.message.Message], dns.message.Message | bytes | None]
BAD: dict[str, tuple[Answer, type[LbmigrateError], str]] = {
    "SERVFAIL": (lambda query: reply(query, rcode=2), Unreachable, "SERVFAIL"),
    "REFUSED": (lambda query: reply(query, rcode=5), Denied, "REFUSED; does it serve lab.test."),
    "NOTAUTH": (lambda query: reply(query, rcode=9), Denied, "NOTAUTH"),
    "lame": (lambda query: reply(query, "192.0.2.10", flags=0), Unreachable, "not authoritative"),
    "truncated": (lambda query: reply(query, flags=dns.flags.AA | dns.flags.TC), Unreachable, "truncated"),
    "no SOA": (lambda query: reply(query, soa=False), Unreachable, "no SOA in the answer"),
    "garbage": (lambda query: query.id.to_bytes(2, "big") + b"\x84garbage", Unreachable, "unreadable"),
    "another id": (lambda query: b"\0\0" + well(query).to_wire()[2:], Unreachable, "to no question"),
    "another question": (
        lambda query: query.id.to_bytes(2, "big") + well(dns.message.make_query("x.", "A")).to_wire()[2:],
        Unreachable,
        "to another question",
    ),
    "too short": (lambda _: b"\0", Unreachable, "to no question"),
    "silence": (lambda _: None, Unreachable, "no answer in time"),
}


@pytest.fixture
def fake() -> Iterator[Fake]:
    with closing(Fake(well)) as fake:
        yield fake


def test_a_well_behaved_fake_is_read(fake: Fake) -> None:
    with closing(driver(fake.port, tsig=False)) as zone:
        assert zone.read([WWW]) == Records((Held(WWW, (RRset(WWW, "A", 300, ("192.0.2.10",)),)),), SOA, None)


@pytest.mark.parametrize("what", BAD)
def test_no_bad_answer_is_taken_for_no_record(fake: Fake, what: str) -> None:
    fake.answer, error, text = BAD[what]
    with closing(driver(fake.port, tsig=False)) as zone, pytest.raises(error, match=text) as seen:
        zone.read([WWW])
    assert "\n" not in str(seen.value)


@pytest.mark.parametrize("what", BAD)
def test_one_bad_answer_among_good_ones_is_an_error_too(fake: Fake, what: str) -> None:
    if what == "no SOA":
        pytest.skip("an alias-free positive answer carries none")
    bad, error, text = BAD[what]
    fake.answer = lambda query: bad(query) if query.question[0].rdtype.name == "AAAA" else well(query)
    with closing(driver(fake.port, tsig=False)) as zone, pytest.raises(error, match=text):
        zone.read([WWW])


def test_a_failed_read_is_tried_once_more(fake: Fake) -> None:
    turns = iter([False] * 1 + [True] * 99)
    fake.answer = lambda query: well(query) if next(turns) else reply(query, rcode=2)
    with closing(driver(fake.port, tsig=False)) as zone:
        assert zone.read([WWW]).held[0].rrsets[0].rdatas == ("192.0.2.10",)


def test_names_before_and_after_must_be_the_same(fake: Fake) -> None:
    with closing(driver(fake.port, tsig=False)) as zone, pytest.raises(Refused, match="different names"):
        zone.swap(Records((Held(WWW, ()),)), Records((Held("x.lab.test.", ()),)))


def test_an_unknown_driver_is_told_with_the_known_ones() -> None:
    with pytest.raises(Usage, match="known: rfc2136"):
        drivers.make(Dns("route35", ORIGIN))


@pytest.mark.parametrize(
    ("tsig", "text"),
    [
        (Tsig("lbm", "hmac-sha999", "env:TSIG"), "algorithm 'hmac-sha999' is not known"),
        (Tsig("lbm", "hmac-sha256", "env:BROKEN"), "name or secret"),
        (Tsig("lbm", "hmac-sha256", "env:NOT_SET"), "not set"),
    ],
)
def test_a_key_that_cannot_be_used_is_told_without_the_secret(
    monkeypatch: pytest.MonkeyPatch, tsig: Tsig, text: str
) -> None:
    monkeypatch.setenv("BROKEN", "no base64 canary!")
    zone = drivers.make(Dns("rfc2136", ORIGIN, server=HOST, port=9, tsig=tsig))
    with pytest.raises(Usage, match=text) as seen:
        zone.read([WWW])
    assert "canary" not in str(seen.value)
