"""A small migration under exactly the policies that are printed, and what these refuse, on every server."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.tsig
import dns.update
import pytest
from servers import HOST, ORIGIN, Server, knotd, named, pdns, program, run

from lbmigrate import policy
from lbmigrate.dns.rfc2136 import Rfc2136
from lbmigrate.errors import LbmigrateError
from lbmigrate.lab.transfer import Key, transfer
from lbmigrate.model import Applied, Records, Side, Zone
from lbmigrate.plan import Plan, Write, build, wanted
from lbmigrate.spec import Bound, Dns, Stage, Tsig

pytestmark = pytest.mark.real("named", "knotd", "pdns_server")
NAMES = ("www.lab.test.", "dual.lab.test.", "four.lab.test.")
A = Side("external", ("192.0.2.10", "192.0.2.11", "192.0.2.21", "192.0.2.22", "192.0.2.23", "192.0.2.24", "2001:db8::11"))  # fmt: skip  # noqa: E501
B = Side("external", ("198.51.100.7", "2001:db8:b::7"))
MOVER = Key("mover", "hmac-sha256", "bW92ZXItbW92ZXItbW92ZXItbW92ZXItbW92ZXItMzI=")
TSIG = Tsig(MOVER.name, MOVER.algorithm, "env:MOVER")


def entry(port: int = 53) -> Dns:
    return Dns("rfc2136", ORIGIN, server=HOST, port=port, tsig=TSIG, nameservers=(f"{HOST}:{port}",))


def bound(port: int = 53, a: Side = A, b: Side = B) -> Bound:
    return Bound("web", NAMES, a, b, (entry(port),), (Stage(100),), 30)


def grants() -> tuple[policy.Need, ...]:
    """What the names of the tests' zone need."""
    held = {"www": ("A",), "dual": ("A", "AAAA"), "four": ("A",)}
    needs = [policy.Grant(f"{name}.{ORIGIN}", rtypes) for name, rtypes in held.items()]
    fences = [policy.Grant(f"_lbmigrate.{name}.{ORIGIN}", ("TXT",)) for name in held]
    return (policy.Need(ORIGIN, MOVER.name, (*needs, *fences), "as the zone holds them", HOST),)


def add(path: Path, *changes: tuple[str, str]) -> None:
    """Put each text after the first place where the other stands."""
    text = path.read_text()
    for after, more in changes:
        assert after in text
        text = text.replace(after, after + more, 1)
    path.write_text(text)


def under_bind(directory: Path) -> Server:
    printed = policy.bind(grants())
    server = named(directory, policy=printed.replace("update-policy {", "update-policy {\n  grant lbm zonesub ANY;"))
    key = f'key "{MOVER.name}" {{ algorithm {MOVER.algorithm}; secret "{MOVER.secret}"; }};\n'
    add(directory / "named.conf", ("\n", key))
    server.control("reconfig")
    return server


def under_knot(directory: Path) -> Server:
    server = knotd(directory)
    rules, _, zone = policy.knot(grants()).partition("\nzone:\n")
    assert zone.endswith('acl: ["lbmigrate-lab.test"]')
    key = f"  - id: {MOVER.name}\n    algorithm: {MOVER.algorithm}\n    secret: {MOVER.secret}\n"
    add(
        directory / "knot.conf",
        ("key:\n", key),
        ("\nacl:\n", rules.partition("\nacl:\n")[2] + "\n"),
        ("    acl: lab", ', "lbmigrate-lab.test"]'),
        ("    acl: ", "["),
    )
    server.control("reload")
    return server


def under_powerdns(directory: Path) -> Server:
    server = pdns(directory)
    server.stop()
    util = f"{program('pdnsutil')} --config-dir={directory}"
    run(*util.split(), "import-tsig-key", MOVER.name, MOVER.algorithm, MOVER.secret)
    file = directory / "lbmigrate.lua"
    script = policy.powerdns(grants()).replace(policy.SCRIPT, str(file))
    run("sh", "-e", "-c", f'pdnsutil() {{ {util} "$@"; }}\n{script}')
    add(directory / "pdns.conf", ("\n", f"lua-dnsupdate-policy-script={file}\n"))
    return server.start()


KINDS: dict[str, Callable[[Path], Server]] = {"bind": under_bind, "knot": under_knot, "powerdns": under_powerdns}


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = KINDS[request.param](tmp_path_factory.mktemp(request.param))
    yield server
    server.stop()


@pytest.fixture
def zone(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zone]:
    monkeypatch.setenv("MOVER", MOVER.secret)
    with closing(Rfc2136(entry(server.port), 2.0, 5.0)) as zone:
        yield zone


def read(zone: Zone) -> Records:
    return zone.read(NAMES)


def play(zone: Zone, plan: Plan, *targets: str) -> None:
    """The plan's writes with these targets, each proven, as the engine makes them."""
    writes = [one for one in plan.forward if isinstance(one, Write)]
    for number, target in enumerate(targets):
        step = next((one for one in writes if one.target == target), Write(0, "restore"))
        now = read(zone)
        old = Records(now.held, now.soa if target == "claim" else None)
        assert zone.swap(old, Records(wanted(plan, "a1", number, step))) == Applied(), target


# ---------------------------------------------------------------- what it allows


def test_a_whole_migration_there_and_back_and_a_rollback(server: Server, zone: Zone) -> None:
    before = server.records()
    there = build(bound(), read(zone).held)
    play(zone, there, "claim", "weight", "restore")
    assert server.records() == before
    play(zone, there, "claim", "weight", "release")
    assert server.records() != before
    back = build(bound(a=B, b=A), read(zone).held)
    play(zone, back, "claim", "weight", "restore")
    server_now = read(zone)
    play(zone, there, "restore")
    assert server_now != read(zone)
    assert server.records() == before


# ---------------------------------------------------------------- what it refuses


FORBIDDEN: dict[str, Callable[[dns.update.UpdateMessage], None]] = {
    "a neighbour": lambda m: m.add("text.lab.test.", 60, "A", "203.0.113.1"),
    "a new name": lambda m: m.add("new.lab.test.", 60, "A", "203.0.113.1"),
    "a name below": lambda m: m.add("x.www.lab.test.", 60, "A", "203.0.113.1"),
    "the zone itself": lambda m: m.add("lab.test.", 60, "A", "203.0.113.1"),
    "another type": lambda m: m.add("www.lab.test.", 60, "MX", "10 mail.lab.test."),
    "a delegation": lambda m: m.add("www.lab.test.", 60, "NS", "ns1.lab.test."),
    "a neighbour's fence": lambda m: m.add("_lbmigrate.text.lab.test.", 60, "TXT", "mine"),
    "code": lambda m: m.add("www.lab.test.", 60, "TYPE65402", r"\# 5 0001026162"),
    "a deletion": lambda m: m.delete("ns1.lab.test.", "A"),
    "all types of a neighbour": lambda m: m.delete("text.lab.test."),
    "the allowed and a neighbour": lambda m: both(m, "www.lab.test.", "text.lab.test."),
}


def both(message: dns.update.UpdateMessage, *names: str) -> None:
    for name in names:
        message.add(name, 60, "A", "203.0.113.1")


def said(server: Server, change: Callable[[dns.update.UpdateMessage], None], key: dns.tsig.Key | None) -> str:
    message = dns.update.UpdateMessage(ORIGIN, keyring=key)
    change(message)
    try:
        return dns.rcode.to_text(dns.query.tcp(message, HOST, 5, server.port).rcode())
    except dns.tsig.PeerError as refused:
        return type(refused).__name__
    except dns.exception.FormError:
        return "unsigned"


@pytest.mark.parametrize("what", FORBIDDEN)
def test_nothing_else_can_be_written(server: Server, what: str) -> None:
    before = server.zone()
    expected = {"named": "REFUSED", "knotd": "PeerBadKey", "pdns": "SERVFAIL"}[server.kind]
    assert said(server, FORBIDDEN[what], MOVER.tsig()) == expected
    assert server.zone() == before


def test_the_same_without_the_key_or_with_a_wrong_secret(server: Server) -> None:
    before = server.zone()
    wrong = Key(MOVER.name, MOVER.algorithm, "d3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmc=")
    for key in (None, wrong.tsig()):
        said(server, lambda m: m.add("www.lab.test.", 60, "A", "203.0.113.1"), key)
    assert server.zone() == before


def test_the_zone_cannot_be_transferred(server: Server) -> None:
    with pytest.raises((LbmigrateError, dns.exception.DNSException)):
        transfer(HOST, server.port, ORIGIN, MOVER)


def test_what_the_names_hold_is_what_is_granted(zone: Zone) -> None:
    held = read(zone).held
    found = policy.need(entry(), policy.types(held), "as the zone holds them", HOST)
    assert sorted(found.grants, key=lambda one: one.name) == sorted(grants()[0].grants, key=lambda one: one.name)
