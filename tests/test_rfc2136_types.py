"""Every kind of record through a whole migration's writes, against every server: read back exactly, then as it was."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from dns.rdata import GenericRdata
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType
from servers import HOST, KINDS, ZONE, Server, pdns, secondary

from lbmigrate import lua
from lbmigrate import plan as plans
from lbmigrate.dns.rfc2136 import Rfc2136
from lbmigrate.errors import Denied, Refused
from lbmigrate.fence import rdata
from lbmigrate.lab.process import freeport
from lbmigrate.model import Applied, Held, Outcome, Records, RRset, Side
from lbmigrate.plan import Plan, Target, Write
from lbmigrate.settled import settled
from lbmigrate.spec import Bound, Dns, Stage, Tsig
from lbmigrate.value import replace

pytestmark = pytest.mark.usefixtures("secret")

TYPED = (
    ZONE
    + """
alias2 CNAME lb-a
lb-a A 192.0.2.10
_web._tcp SRV 10 5 443 lb-a
_web._tcp SRV 40 0 443 other.example.net.
hinted A 192.0.2.10
hinted AAAA 2001:db8::10
hinted HTTPS 1 . alpn=h2 ipv4hint=192.0.2.10 ipv6hint=2001:db8::10
pair A 192.0.2.10
pair AAAA 2001:db8::10
"""
)
A = Side("sim", ("192.0.2.10", "2001:db8::10"), "lb-a.lab.test.")
B = Side("sim", ("192.0.2.20", "192.0.2.21", "2001:db8::20"), "lb-b.lab.test.")
NAMES = {
    "alias2.lab.test.": "CNAME",
    "_web._tcp.lab.test.": "SRV",
    "hinted.lab.test.": "HTTPS",
    "_dns.lab.test.": "SVCB",
}
STEPS: tuple[tuple[Target, int], ...] = (("claim", 0), ("weight", 0), ("weight", 100), ("leave", 100), ("restore", 0))


def real(kind: str) -> list[pytest.MarkDecorator]:
    return [] if kind == "embedded" else [pytest.mark.real]


@pytest.fixture(scope="module", params=[pytest.param(kind, marks=real(kind)) for kind in KINDS])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = KINDS[request.param](tmp_path_factory.mktemp(request.param), TYPED)
    # By an update, not from the file: pdnsutil load-zone keeps the target's final dot, and PowerDNS compares texts.
    running.edit(lambda message: message.add("_dns.lab.test.", 300, "SVCB", "1 lb-a.lab.test. alpn=dot"))
    yield running
    running.stop()


def entry(server: Server, scheme: str = "auto") -> Dns:
    key = Tsig("lbm", "hmac-sha256", "env:TSIG")
    return Dns("rfc2136", "lab.test.", HOST, server.port, key, scheme, (server.at,))


def planned(zone: Rfc2136, where: Dns, *names: str) -> tuple[Plan, Records]:
    bound = Bound("web", names, A, B, (where,), (Stage(100),), 30)
    now = zone.read(names)
    return plans.build(bound, now.held), now


def write(zone: Rfc2136, plan: Plan, now: Records, number: int, target: Target, weight: int) -> tuple[Outcome, Records]:
    """One step of the plan, as the engine does it; what is there afterwards."""
    want = plans.wanted(plan, "a1", number, Write(0, target, weight))
    outcome = zone.swap(Records(now.held, now.soa if target == "claim" else None), Records(want))
    return outcome, zone.read(plan.batches[0].names)


def by_type(held: Held, rtype: str) -> tuple[str, ...]:
    return held.by_type[rtype].rdatas


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_record_is_moved_and_comes_back_as_it_was(server: Server, name: str) -> None:
    before = server.records()
    with closing(Rfc2136(entry(server), 2.0, 2.0)) as zone:
        plan, now = planned(zone, entry(server), name)
        original = now.held[0]
        for number, (target, weight) in enumerate(STEPS, 1):
            outcome, now = write(zone, plan, now, number, target, weight)
            assert isinstance(outcome, Applied), (target, outcome)
            served = zone.served([name], sorted(original.by_type))
            assert {one.rtype: one.rdatas for one in served} == {r.rtype: r.rdatas for r in now.held[0].rrsets}
            if (target, weight) == ("weight", 100):
                assert any("192.0.2.20" in one or "lb-b" in one for one in by_type(now.held[0], NAMES[name]))
    assert server.records() == before


def test_names_of_every_kind_move_in_one_message(server: Server) -> None:
    before = server.records()
    with closing(Rfc2136(entry(server), 2.0, 2.0)) as zone:
        plan, now = planned(zone, entry(server), *NAMES)
        assert len(plan.batches) == 1
        for number, (target, weight) in enumerate(STEPS, 1):
            outcome, now = write(zone, plan, now, number, target, weight)
            assert isinstance(outcome, Applied), (target, outcome)
    assert server.records() == before


def test_what_shares_a_name_with_an_alias_is_never_sent(server: Server) -> None:
    """BIND and Knot drop one of them and say NOERROR."""
    name = "alias2.lab.test."
    with closing(Rfc2136(entry(server), 2.0, 2.0)) as zone:
        now = zone.read([name])
        beside = (RRset(name, "A", 30, ("192.0.2.20",)), *now.held[0].rrsets)
        with pytest.raises(Refused, match="beside a CNAME there is nothing else"):
            zone.swap(now, Records((Held(name, beside),)))


# ---------------------------------------------------------------- LUA


@pytest.fixture(scope="module")
def lua_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = pdns(tmp_path_factory.mktemp("lua"), zone=TYPED)
    yield running
    running.stop()


@pytest.mark.real("pdns_server")
def test_a_lua_record_chooses_for_both_families_and_is_known_by_its_fence(lua_server: Server) -> None:
    before = lua_server.records()
    where, name = entry(lua_server, "lua"), "pair.lab.test."
    with closing(Rfc2136(where, 2.0, 2.0)) as zone:
        plan, now = planned(zone, where, name)
        for number, (target, weight) in enumerate((("claim", 0), ("weight", 1), ("weight", 25), ("weight", 100)), 1):
            outcome, now = write(zone, plan, now, number, target, weight)  # type: ignore[arg-type]
            assert isinstance(outcome, Applied)
            ((types, names),) = plans.questions(plan, 0)
            answers = {one.rtype: one.rdatas for one in settled(now.held, zone.served(names, types))}
            holds = {r.rtype: r.rdatas for r in now.held[0].rrsets}
            assert answers == {"A": (), "AAAA": (), "LUA": (), **holds}
        outcome, now = write(zone, plan, now, 9, "restore", 0)
        assert isinstance(outcome, Applied)
    assert lua_server.records() == before


@pytest.mark.real("pdns_server", "named")
def test_a_server_that_does_not_evaluate_lua_records_is_known_before_one_stands_in_the_way(
    lua_server: Server, tmp_path: Path
) -> None:
    """It would answer nothing for the name: so it counts as one that does not serve the change."""
    other, name = secondary(tmp_path, freeport(HOST), lua_server), "pair.lab.test."
    where = replace(entry(lua_server, "lua"), nameservers=(lua_server.at, other.at))
    before = lua_server.records()
    try:
        with closing(Rfc2136(where, 2.0, 2.0)) as zone:
            plan, now = planned(zone, where, name)
            outcome, now = write(zone, plan, now, 1, "claim", 0)
            assert isinstance(outcome, Applied)
            other.control("retransfer", "lab.test")
            other.process.wait(lambda: zone.served([name], ["TXT"])[1].rdatas != (), 15)
            first, second = zone.served([name], ["TXT"])
            assert (first.error, first.rdatas) == ("", (rdata(now.held[0].fence),))  # type: ignore[arg-type]
            assert "does not evaluate LUA records" in second.error
            assert isinstance(write(zone, plan, now, 2, "restore", 0)[0], Applied)
    finally:
        other.stop()
    assert lua_server.records() == before


@pytest.mark.real("pdns_server")
def test_answers_that_a_lua_record_makes_up_cannot_be_claimed_as_addresses(lua_server: Server) -> None:
    code = GenericRdata(RdataClass.IN, RdataType.make(lua.NUMBER), lua.wire(lua.choice("A", [(1, "192.0.2.10")])))
    lua_server.edit(lambda message: message.add("made.lab.test.", 60, code))
    with closing(Rfc2136(entry(lua_server), 2.0, 2.0)) as zone:
        plan, now = planned(zone, entry(lua_server), "made.lab.test.")
        with pytest.raises(Denied, match=r"claiming made\.lab\.test\. .* its answers are not what the zone holds"):
            write(zone, plan, now, 1, "claim", 0)
        with pytest.raises(Denied, match="or PowerDNS's database spells the records otherwise"):
            zone.check(["made.lab.test."])
    with closing(Rfc2136(entry(lua_server, "lua"), 2.0, 2.0)) as zone:
        assert zone.check(["made.lab.test."])


@pytest.mark.real("pdns_server")
def test_names_read_by_transfer_are_held_to_the_same_rules(lua_server: Server) -> None:
    where = entry(lua_server, "lua")
    with closing(Rfc2136(where, 2.0, 2.0)) as zone:
        with pytest.raises(Denied, match=r"x\.sub\.lab\.test\.: lies in sub\.lab\.test\., delegated"):
            zone.read(["x.sub.lab.test."])
        with pytest.raises(Refused, match="holds what is not lbmigrate's"):
            zone.read(["taken.lab.test."])
        (none,) = zone.read(["host.wild.lab.test.", "by.wild.lab.test."]).held[1:]
        assert none.rrsets == ()
