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
from servers import HOST, KEY, ORIGIN, Server, knotd, named, pdns, program, run

from lbmigrate import policy
from lbmigrate.dns.rfc2136 import Rfc2136
from lbmigrate.errors import Denied, LbmigrateError
from lbmigrate.lab.realpdns import UNCACHED
from lbmigrate.lab.transfer import Key, transfer
from lbmigrate.model import Applied, Records, Side
from lbmigrate.plan import Plan, Write, build, wanted
from lbmigrate.spec import Bound, Dns, Stage, Transfer, Tsig
from lbmigrate.value import replace

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
    rules, _, zone = policy.knot(grants()).partition("\nzone:\n")
    assert zone.endswith('acl: ["lbmigrate-lab.test"]')
    return knot_with(directory, rules.partition("\nacl:\n")[2], '"lbmigrate-lab.test"')


def knot_with(directory: Path, rules: str, names: str) -> Server:
    server = knotd(directory)
    key = f"  - id: {MOVER.name}\n    algorithm: {MOVER.algorithm}\n    secret: {MOVER.secret}\n"
    add(
        directory / "knot.conf",
        ("key:\n", key),
        ("\nacl:\n", rules + "\n"),
        ("    acl: lab", f", {names}]"),
        ("    acl: ", "["),
    )
    server.control("reload")
    return server


def under_powerdns(directory: Path, needs: tuple[policy.Need, ...] = (), more: str = "") -> Server:
    server = pdns(directory, settings=f"{UNCACHED}\n{more}")
    server.stop()
    util = f"{program('pdnsutil')} --config-dir={directory}"
    run(*util.split(), "import-tsig-key", MOVER.name, MOVER.algorithm, MOVER.secret)
    file = directory / "lbmigrate.lua"
    script = policy.powerdns(needs or grants()).replace(policy.SCRIPT, str(file))
    (directory / "policy.sh").write_text(f'pdnsutil() {{ {util} "$@"; }}\n{script}\n')
    run("sh", "-e", str(directory / "policy.sh"))
    add(directory / "pdns.conf", ("\n", f"lua-dnsupdate-policy-script={file}\n"))
    return server.start()


KINDS: dict[str, Callable[[Path], Server]] = {"bind": under_bind, "knot": under_knot, "powerdns": under_powerdns}


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = KINDS[request.param](tmp_path_factory.mktemp(request.param))
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOVER", MOVER.secret)
    monkeypatch.setenv("TSIG", KEY.secret)


@pytest.fixture
def zone(server: Server) -> Iterator[Rfc2136]:
    with closing(Rfc2136(entry(server.port), 2.0, 5.0)) as zone:
        yield zone


def read(zone: Rfc2136) -> Records:
    return zone.read(NAMES)


def play(zone: Rfc2136, plan: Plan, *targets: str) -> None:
    """The plan's writes with these targets, each proven, as the engine makes them."""
    writes = [one for one in plan.forward if isinstance(one, Write)]
    for number, target in enumerate(targets):
        step = next((one for one in writes if one.target == target), Write(0, "restore"))
        now = read(zone)
        old = Records(now.held, now.soa if target == "claim" else None)
        assert zone.swap(old, Records(wanted(plan, "a1", number, step))) == Applied(), target


# ---------------------------------------------------------------- what it allows


def test_a_whole_migration_there_and_back_and_a_rollback(server: Server, zone: Rfc2136) -> None:
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


def test_check_proves_it_without_a_change_and_finds_nothing_beyond(server: Server, zone: Rfc2136) -> None:
    before = server.zone()
    assert zone.check(NAMES) == ()
    assert server.zone() == before


# ---------------------------------------------------------------- what it refuses


@pytest.mark.parametrize("names", [("above.lab.test.",), (*NAMES, "host.wild.lab.test.")])
def test_check_names_the_write_that_would_be_refused(server: Server, zone: Rfc2136, names: tuple[str, ...]) -> None:
    before = server.zone()
    with pytest.raises(
        Denied, match=rf"an update of {names[-1]} \(A\) in zone lab.test. with key mover.*lbmigrate policy"
    ):
        zone.check(names)
    assert server.zone() == before


def test_check_refuses_scheme_lua_where_the_key_may_not_write_lua_records(server: Server) -> None:
    before = server.zone()
    elsewhere = Transfer(HOST, server.port, Tsig(KEY.name, KEY.algorithm, "env:TSIG"))
    lua = closing(Rfc2136(replace(entry(server.port), scheme="lua", transfer=elsewhere), 2.0, 5.0))
    with lua as zone, pytest.raises(Denied, match=r"www\.lab\.test\. \(LUA\).*enable-lua-record-updates"):
        zone.check(NAMES)
    assert server.zone() == before


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


def test_what_the_names_hold_is_what_is_granted(zone: Rfc2136) -> None:
    held = read(zone).held
    found = policy.need(entry(), policy.types(held), "as the zone holds them", HOST)
    assert sorted(found.grants, key=lambda one: one.name) == sorted(grants()[0].grants, key=lambda one: one.name)


def test_two_rules_that_allow_each_record_do_not_allow_the_message(tmp_path: Path) -> None:
    """Why the printed ACL of Knot is one rule, and why `check` also proves all writes together."""
    rule = "  - id: {}\n    key: mover\n    action: update\n    update-type: {}\n"
    server = knot_with(
        tmp_path, rule.format("addresses", "A") + rule.format("fences", "TXT").rstrip(), "addresses, fences"
    )
    try:
        driver = closing(Rfc2136(entry(server.port), 2.0, 5.0))
        with driver as zone, pytest.raises(Denied, match="though each alone is allowed"):
            zone.check(["www.lab.test."])
    finally:
        server.stop()


def test_lua_records_under_the_printed_policy_of_powerdns(tmp_path: Path) -> None:
    """The one scheme that also needs a transfer, and more than a key should have: `check` says so."""
    needs = (policy.need(replace(entry(), scheme="lua"), {"www.lab.test.": {"A", "LUA"}}, "known", HOST),)
    server = under_powerdns(tmp_path, needs, "enable-lua-records=yes")
    lua = replace(entry(server.port), scheme="lua")
    try:
        with closing(Rfc2136(lua, 2.0, 5.0)) as zone:
            before = server.zone()
            shell = "key mover is a shell on the DNS server: it may write LUA records, which PowerDNS runs"
            assert zone.check(["www.lab.test."]) == (shell,)
            assert server.zone() == before
            old = zone.read(["www.lab.test."])
            config = Bound("web", ("www.lab.test.",), A, B, (lua,), (Stage(25), Stage(100)), 30)
            plan = build(config, old.held)
            for number, step in enumerate([Write(0, "claim"), Write(0, "weight", 25), Write(0, "restore")]):
                now = zone.read(["www.lab.test."])
                was = Records(now.held, now.soa if step.target == "claim" else None)
                assert zone.swap(was, Records(wanted(plan, "a1", number, step))) == Applied(), step
            assert server.records() == [line for line in before if " SOA " not in line]
    finally:
        server.stop()
