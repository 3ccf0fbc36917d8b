"""What the authoritative servers serve: each one asked, by value and TTL, within its time."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import pytest
from servers import HOST, ORIGIN, ZONE, Server, named, secondary
from taps import Fake

from lbmigrate.dns import nameservers
from lbmigrate.dns import server as servers_
from lbmigrate.dns.nameservers import Directory, parse
from lbmigrate.dns.records import name_of
from lbmigrate.dns.rfc2136 import Rfc2136
from lbmigrate.errors import Unreachable, Usage
from lbmigrate.lab.process import freeport
from lbmigrate.model import Applied, Records, Served
from lbmigrate.spec import Dns, Tsig
from lbmigrate.value import replace

pytestmark = pytest.mark.usefixtures("secret")

WWW, DUAL, BIG = "www.lab.test.", "dual.lab.test.", "big.lab.test."
MANY = tuple(sorted(f"198.51.100.{i}" for i in range(1, 91)))
ALL = ZONE + "".join(f"big A {address}\n" for address in MANY)


def driver(port: int, *servers: str, timeout: float = 2.0) -> Rfc2136:
    tsig = Tsig("lbm", "hmac-sha256", "env:TSIG")
    return Rfc2136(Dns("rfc2136", ORIGIN, server=HOST, port=port, tsig=tsig, nameservers=servers), timeout, timeout)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """A primary and a secondary that follows it."""
    place, port = tmp_path_factory.mktemp("pair"), freeport(HOST)
    primary = named(place / "primary", zone=ALL, notify=port)
    follower = secondary(place / "secondary", port, primary)
    yield primary, follower
    follower.stop()
    primary.stop()


def eventually(what: Callable[[], bool]) -> None:
    """Poll until it is true; a bound of 15 s."""
    until = time.monotonic() + 15
    while not what():
        assert time.monotonic() < until, "not within 15 s"
        time.sleep(0.01)


@pytest.mark.real
def test_every_server_is_asked_for_both_families(pair: tuple[Server, Server]) -> None:
    primary, follower = pair
    with closing(driver(primary.port, primary.at, follower.at)) as zone:
        assert zone.served([DUAL, "nope.lab.test."]) == [
            one
            for server in (primary.at, follower.at)
            for one in (
                Served(server, DUAL, "A", 120, ("192.0.2.11",)),
                Served(server, DUAL, "AAAA", 90, ("2001:db8::11",)),
                Served(server, "nope.lab.test.", "A", 60, ()),
                Served(server, "nope.lab.test.", "AAAA", 60, ()),
            )
        ]


def about_servers(zone: Rfc2136, name: str) -> list[str]:
    return [line for line in zone.check([name]) if line.startswith("name server ")]


@pytest.mark.real
def test_a_change_is_seen_at_the_primary_then_at_the_secondary(pair: tuple[Server, Server]) -> None:
    primary, follower = pair
    with closing(driver(primary.port, primary.at, follower.at)) as zone:
        old = zone.read([WWW])
        new = Records((replace(old.held[0], rrsets=(replace(old.held[0].rrsets[0], rdatas=("192.0.2.77",)),)),))
        assert zone.swap(old, new) == Applied()
        assert zone.served([WWW])[0] == Served(primary.at, WWW, "A", 300, ("192.0.2.77",))
        eventually(lambda: zone.served([WWW])[2] == Served(follower.at, WWW, "A", 300, ("192.0.2.77",)))
        eventually(lambda: about_servers(zone, WWW) == [])


@pytest.mark.real
def test_an_answer_too_large_for_udp_is_fetched_over_tcp(pair: tuple[Server, Server]) -> None:
    primary, _ = pair
    with closing(driver(primary.port, primary.at)) as zone:
        assert zone.served([BIG])[0] == Served(primary.at, BIG, "A", 300, MANY)
        assert zone.read([BIG]).held[0].rrsets[0].rdatas == MANY


@pytest.mark.real
def test_hundreds_of_names_get_an_answer_each(pair: tuple[Server, Server]) -> None:
    primary, follower = pair
    names = [f"n{i}.any.wild.lab.test." for i in range(300)]
    with closing(driver(primary.port, primary.at, follower.at)) as zone:
        found = zone.served(names)
    assert len(found) == 2 * 2 * len(names)
    assert not [one for one in found if one.error]
    assert [one.name for one in found[:4]] == [names[0], names[0], names[1], names[1]]


@pytest.mark.real
def test_a_dead_secondary_is_an_error_and_the_others_answer_all_the_same(pair: tuple[Server, Server]) -> None:
    primary, _ = pair
    dead = f"{HOST}:{freeport(HOST)}"
    with closing(driver(primary.port, primary.at, dead)) as zone:
        first, _, third, fourth = zone.served([WWW])
        assert not first.error
        assert (third.server, third.ttl, third.rdatas, third.error) == (dead, None, None, "Connection refused")
        assert fourth.error == "Connection refused"
        assert [one for one in zone.check([WWW]) if dead in one and "Connection refused" in one]


@pytest.mark.real
def test_check_names_a_secondary_that_serves_other_data_under_the_same_serial(
    pair: tuple[Server, Server], tmp_path: Path
) -> None:
    primary, _ = pair
    with closing(driver(primary.port, primary.at)) as zone:
        serial = str(primary.serial())
        here = ", ".join(zone.read([DUAL]).held[0].rrsets[0].rdatas)
    edited = ALL.replace(" 100 3600", f" {serial} 3600").replace("192.0.2.11", "203.0.113.9")
    other = named(tmp_path, zone=edited)
    try:
        with closing(driver(primary.port, primary.at, other.at)) as zone:
            said = f"name server {other.at}: answers 203.0.113.9 for {DUAL} A, the primary holds {here}"
            assert about_servers(zone, DUAL) == [said]
    finally:
        other.stop()


# ---------------------------------------------------------------- against answers made here


def answer(query: dns.message.Message, flags: int = dns.flags.AA, rcode: int = 0) -> dns.message.Message:
    made = dns.message.make_response(query)
    made.flags |= flags
    made.set_rcode(dns.rcode.Rcode(rcode))
    asked = query.question[0]
    if asked.rdtype.name == "A" and not rcode:
        made.answer.append(dns.rrset.from_text(asked.name, 30, "IN", "A", "192.0.2.1"))
    return made


ERRORS: dict[str, tuple[Callable[[dns.message.Message], dns.message.Message | bytes | None], str]] = {
    "lame": (lambda query: answer(query, flags=0), "not authoritative (lame)"),
    "SERVFAIL": (lambda query: answer(query, rcode=2), "SERVFAIL"),
    "REFUSED": (lambda query: answer(query, rcode=5), "REFUSED"),
    "silence": (lambda _: None, "no answer"),
    "garbage": (lambda query: query.id.to_bytes(2, "big") + b"garbage", "no answer"),
    "another id": (lambda query: (query.id ^ 1).to_bytes(2, "big") + answer(query).to_wire()[2:], "no answer"),
    "another name": (
        lambda query: query.id.to_bytes(2, "big") + answer(dns.message.make_query("x.", "A")).to_wire()[2:],
        "no answer",
    ),
    "truncated everywhere": (
        lambda query: answer(query, flags=dns.flags.AA | dns.flags.TC),
        "truncated, and no answer over TCP",
    ),
}


@pytest.fixture
def fake() -> Iterator[Fake]:
    with closing(Fake(answer)) as fake:
        yield fake


@pytest.mark.parametrize("what", ERRORS)
def test_whatever_is_no_proper_answer_is_an_error(fake: Fake, what: str) -> None:
    fake.answer, text = ERRORS[what]
    with closing(driver(1, fake.at, timeout=1.0)) as zone:
        assert zone.served([WWW])[0] == Served(fake.at, WWW, "A", None, None, text)


def test_a_lost_datagram_is_asked_for_again(fake: Fake) -> None:
    turns = iter([None, None])
    fake.answer = lambda query: next(turns, answer(query))
    with closing(driver(1, fake.at, timeout=1.5)) as zone:
        assert zone.served([WWW])[0] == Served(fake.at, WWW, "A", 30, ("192.0.2.1",))


def test_queries_do_not_ask_for_recursion(fake: Fake) -> None:
    seen: list[int] = []
    fake.answer = lambda query: seen.append(query.flags) or answer(query)  # type: ignore[func-returns-value]
    with closing(driver(1, fake.at)) as zone:
        zone.served([WWW])
    assert seen
    assert not [flags for flags in seen if flags & dns.flags.RD]


# ---------------------------------------------------------------- which servers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.53", ("192.0.2.53", 53)),
        ("192.0.2.53:5300", ("192.0.2.53", 5300)),
        ("ns1.example.com", ("ns1.example.com", 53)),
        ("ns1.example.com:5353", ("ns1.example.com", 5353)),
        ("2001:db8::53", ("2001:db8::53", 53)),
        ("[2001:db8::53]", ("2001:db8::53", 53)),
        ("[2001:db8::53]:5300", ("2001:db8::53", 5300)),
    ],
)
def test_servers_as_they_are_written(text: str, expected: tuple[str, int]) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["", ":53", "host:", "host:0", "host:65536", "host:x", "host:²", "[::1]53", "[::1]:"])
def test_what_is_no_server(text: str) -> None:
    with pytest.raises(Usage, match="is no server"):
        parse(text)


def directory(lookup: nameservers.Lookup, *servers: str, clock: Callable[[], float] = lambda: 0.0) -> Directory:
    return Directory(Dns("rfc2136", ORIGIN, server=HOST, nameservers=servers), lookup, clock)


def zone_of(**records: str) -> nameservers.Lookup:
    """A lookup in records given as `name_type="rdata rdata"`, names relative to the zone, "at" is the zone itself."""

    def lookup(owner: dns.name.Name, rtype: str) -> dns.rrset.RRset | None:
        label = owner.to_text().removesuffix(ORIGIN).removesuffix(".") or "at"
        found = records.get(f"{label}_{rtype}")
        return dns.rrset.from_text(owner, 60, "IN", rtype, *found.split()) if found else None

    return lookup


def test_by_default_the_zones_ns_those_in_the_zone_resolved_at_the_primary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nameservers, "_getaddrinfo", lambda label, host, port: servers_.Server(label, ((host, port),)))
    lookup = zone_of(at_NS="ns1.lab.test. ns2.lab.test. ns.example.", ns1_A="192.0.2.1", ns1_AAAA="2001:db8::1")
    assert {server.label: (server.addresses, server.error) for server in directory(lookup).all()} == {
        "ns.example.": ((("ns.example", 53),), ""),
        "ns1.lab.test.": ((("192.0.2.1", 53), ("2001:db8::1", 53)), ""),
        "ns2.lab.test.": ((), "ns2.lab.test. has no address at the primary"),
    }


def test_the_list_is_looked_up_again_after_a_minute() -> None:
    now, asked = [0.0], list[str]()
    inner = zone_of(at_NS="ns1.lab.test.", ns1_A="192.0.2.1")

    def lookup(owner: dns.name.Name, rtype: str) -> dns.rrset.RRset | None:
        asked.append(rtype)
        return inner(owner, rtype)

    servers = directory(lookup, clock=lambda: now[0])
    for now[0] in (0.0, 59.0, 60.0):
        assert servers.all()[0].addresses == (("192.0.2.1", 53),)
    assert asked == ["NS", "A", "AAAA"] * 2


def test_the_last_list_stands_while_the_primary_is_away() -> None:
    now, inner = [0.0], zone_of(at_NS="ns1.lab.test.", ns1_A="192.0.2.1")

    def lookup(owner: dns.name.Name, rtype: str) -> dns.rrset.RRset | None:
        if now[0]:
            raise Unreachable("away")
        return inner(owner, rtype)

    servers = directory(lookup, clock=lambda: now[0])
    before = servers.all()
    now[0] = 61.0
    assert servers.all() == before
    with pytest.raises(Unreachable, match="away"):
        directory(lookup, clock=lambda: now[0]).all()


def test_a_zone_without_ns_is_an_error() -> None:
    with pytest.raises(Unreachable, match="no NS; give nameservers"):
        directory(zone_of()).all()


def test_a_resolver_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(nameservers, "SYSTEM_SECONDS", 0.05)
    monkeypatch.setattr(nameservers, "_getaddrinfo", lambda *_: ended.wait(30))
    assert "gave no address of ns.example" in nameservers.system("x", "ns.example", 53).error
    ended.set()


def test_names_are_canonical() -> None:
    assert name_of("WWW.Lab.Test").to_text() == WWW
