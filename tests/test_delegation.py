"""The servers that a parent zone delegates to: found, waited for, and told where the zone knows nothing of them."""

import threading
from collections.abc import Callable
from contextlib import closing

import dns.name
import dns.rrset
import pytest
from servers import HOST, ORIGIN, Server

from lbmigrate import resolver
from lbmigrate.dns import delegation
from lbmigrate.dns.delegation import Delegated, follow
from lbmigrate.dns.nameservers import Directory
from lbmigrate.dns.records import name_of
from lbmigrate.dns.rfc2136 import Rfc2136
from lbmigrate.dns.server import Server as Authority
from lbmigrate.errors import Unreachable
from lbmigrate.lab.process import freeport
from lbmigrate.spec import Dns, Tsig

SUB = name_of(f"sub.{ORIGIN}")
Table = dict[tuple[str, str], tuple[str, ...]]
PARENT: Table = {(ORIGIN, "NS"): (f"p.{ORIGIN}",), (f"p.{ORIGIN}", "A"): (HOST,)}


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[[Table], None]:
    """Let the resolver know just these."""

    def know(table: Table) -> None:
        def ask(name: str, rtype: str) -> tuple[tuple[str, ...], float]:
            if not any(owner == name for owner, _ in table):
                raise OSError(f"{name} does not exist")
            return table.get((name, rtype), ()), 60.0

        monkeypatch.setattr(resolver, "ask", ask)

    return know


# ---------------------------------------------------------------- following it, at every kind of server


def test_a_referral_names_the_servers_and_where_they_are(
    server: Server, known: Callable[[Table], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delegation, "PORT", server.port)
    known(PARENT)
    ns = Authority(f"ns.sub.{ORIGIN}", (("127.0.0.9", server.port),))
    assert follow(SUB) == Delegated(ORIGIN, (ns,))


def test_servers_outside_the_zone_are_where_the_resolver_says(
    server: Server, known: Callable[[Table], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delegation, "PORT", server.port)
    server.edit(lambda message: message.add(f"sub.{ORIGIN}", 60, "NS", "ns.example.", "lost.example."))
    known({**PARENT, ("ns.example.", "A"): ("192.0.2.9",), ("ns.example.", "AAAA"): ("2001:db8::9",)})
    found = {one.label: (one.addresses, one.error) for one in follow(SUB).servers}
    assert found["ns.example."] == ((("192.0.2.9", server.port), ("2001:db8::9", server.port)), "")
    assert found["lost.example."] == ((), "lost.example., to which the parent delegates, has no address")


def test_a_server_of_the_parent_that_is_dead_is_passed_over(
    server: Server, known: Callable[[Table], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delegation, "PORT", server.port)
    monkeypatch.setattr(delegation, "SECONDS", 0.2)
    known({**PARENT, (f"p.{ORIGIN}", "A"): ("127.0.0.77", HOST)})
    assert follow(SUB).parent == ORIGIN


def test_a_zone_that_nobody_delegates_is_told(
    server: Server, known: Callable[[Table], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delegation, "PORT", server.port)
    known(PARENT)
    with pytest.raises(OSError, match=r"lab\.test\. does not delegate nosub\.lab\.test\."):
        follow(name_of(f"nosub.{ORIGIN}"))


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({}, r"\. does not exist"),
        ({(".", "NS"): (), ("test.", "NS"): (), (ORIGIN, "NS"): ()}, "no zone above sub.lab.test. has servers"),
        ({(ORIGIN, "NS"): ("p.example.",)}, "no server of lab.test. has an address"),
    ],
)
def test_a_parent_that_cannot_be_asked_is_told(table: Table, why: str, known: Callable[[Table], None]) -> None:
    known(table)
    with pytest.raises(OSError, match=why):
        follow(SUB)


def test_a_silent_parent_is_told(known: Callable[[Table], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delegation, "PORT", freeport(HOST))
    monkeypatch.setattr(delegation, "SECONDS", 0.2)
    known(PARENT)
    with pytest.raises(OSError, match=f"^{HOST}, a server of lab.test.: "):
        follow(SUB)


# ---------------------------------------------------------------- which servers are waited for


def parent_of(*labels: str) -> Delegated:
    return Delegated("test.", tuple(Authority(label, (("192.0.2.9", 53),)) for label in labels))


def lookup(owner: dns.name.Name, rtype: str) -> dns.rrset.RRset | None:
    """The zone names two servers."""
    if rtype == "NS":
        return dns.rrset.from_text(owner, 60, "IN", "NS", f"ns1.{ORIGIN}", f"ns2.{ORIGIN}")
    return dns.rrset.from_text(owner, 60, "IN", "A", "192.0.2.1") if rtype == "A" else None


def directory(*servers: str, clock: Callable[[], float] = lambda: 0.0) -> Directory:
    return Directory(Dns("rfc2136", ORIGIN, server=HOST, nameservers=servers), lookup, clock)


OWN = [f"ns1.{ORIGIN}", f"ns2.{ORIGIN}"]


@pytest.mark.parametrize(
    ("servers", "waited", "said"),
    [
        (OWN, OWN, ""),
        (OWN[:1], OWN, ""),
        ([OWN[0], "old.example."], [*OWN, "old.example."], "test. delegates it to old.example. too"),
        (["a.example.", "b.example."], OWN, "delegates it to a.example., b.example., and its own NS names none"),
    ],
)
def test_what_the_parent_of_this_zone_names_is_waited_for_too(
    servers: list[str], waited: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delegation, "follow", lambda _: parent_of(*servers))
    one = directory()
    told = one.delegation()
    assert [server.label for server in one.all()] == waited
    assert len(told) == bool(said)
    assert said in "".join(told)


def test_a_delegation_that_cannot_be_followed_changes_nothing_and_is_told() -> None:
    one = directory()
    (told,) = one.delegation()
    assert "the zone above it cannot be asked for its servers (no resolver in tests)" in told
    assert [server.label for server in one.all()] == OWN


def test_servers_that_the_config_names_are_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delegation, "follow", lambda _: parent_of(*OWN, "old.example."))
    one = directory("192.0.2.7")
    assert (one.delegation(), [server.label for server in one.all()]) == ((), ["192.0.2.7"])


def test_it_is_followed_beside_the_work_and_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now, begun, may = [0.0], threading.Semaphore(0), threading.Semaphore(0)

    def slow(_: dns.name.Name) -> Delegated:
        begun.release()
        may.acquire()
        return parent_of(*OWN, "old.example.")

    monkeypatch.setattr(delegation, "follow", slow)
    one = directory(clock=lambda: now[0])
    assert [server.label for server in one.all()] == OWN
    assert begun.acquire(timeout=20)
    assert [server.label for server in one.all()] == OWN
    (following,) = [thread for thread in threading.enumerate() if thread.name == "delegation"]
    may.release()
    following.join(20)
    assert [server.label for server in one.all()] == [*OWN, "old.example."]
    assert not begun.acquire(blocking=False)
    now[0] += delegation.AGAIN
    one.all()
    assert begun.acquire(timeout=20)
    (following,) = [thread for thread in threading.enumerate() if thread.name == "delegation"]
    may.release()
    following.join(20)


def test_what_was_found_stands_while_the_parent_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delegation, "follow", lambda _: parent_of(*OWN, "old.example."))
    one = directory()
    one.delegation()

    def away(_: dns.name.Name) -> Delegated:
        raise OSError("timed out")

    monkeypatch.setattr(delegation, "follow", away)
    one.delegation()
    assert [server.label for server in one.all()] == [*OWN, "old.example."]


def test_a_primary_that_is_away_is_told() -> None:
    def gone(*_: object) -> None:
        raise Unreachable("away")

    with pytest.raises(Unreachable, match="away"):
        Directory(Dns("rfc2136", ORIGIN, server=HOST), gone, lambda: 0.0).delegation()


@pytest.mark.usefixtures("secret")
def test_check_tells_what_the_parent_says(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Dns("rfc2136", ORIGIN, server=HOST, port=server.port, tsig=Tsig("lbm", "hmac-sha256", "env:TSIG"))
    monkeypatch.setattr(delegation, "follow", lambda _: parent_of("ns1.lab.test.", "old.example."))
    with closing(Rfc2136(entry, 2.0, 2.0)) as zone:
        assert [line for line in zone.check(["www.lab.test."]) if "test. delegates it to old.example. too" in line]
