"""Names at Route 53 that hold more than addresses: aliases, CNAME, SRV, health checks, weights that were there before.

Each is moved by the real driver at the laboratory's Route 53, over the wire, and put back to the letter.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from route53s import CHECK, WWW, ZONE, A, B, Set, simple, weighted
from test_route53 import KEYS, Lab

from lbmigrate import plan as plans
from lbmigrate.model import Applied, NotApplied, Records, Side
from lbmigrate.plan import Plan, Write, writes
from lbmigrate.spec import Bound, Dns, Stage
from lbmigrate.value import replace

ELB = "us-east-1.elb.amazonaws.com."
SIX_A, SIX_B = "2001:db8::10", "2001:db8::20"
SIDE_A = Side("sim", (A, SIX_A), hostname=f"lb-a-1.{ELB}")
SIDE_B = Side("sim", (B, SIX_B), hostname=f"lb-b-2.{ELB}")
SRV = f"_web._tcp.{ZONE}"


def balancer(name: str, rtype: str, host: str, evaluate: bool = True, **more: object) -> Set:
    """An alias to a load balancer."""
    target = {"HostedZoneId": "Z35SXDOTRQ7X7K", "DNSName": host, "EvaluateTargetHealth": evaluate}
    return {"Name": name, "Type": rtype, "AliasTarget": target, **more}


DUAL = f"dualstack.lb-a-1.{ELB}"
ORIGINALS: dict[str, list[Set]] = {
    "alias": [balancer(WWW, "A", DUAL), balancer(WWW, "AAAA", DUAL)],
    "apex alias": [balancer(ZONE, "A", f"lb-a-1.{ELB}", evaluate=False), simple(ZONE, '"x"', rtype="TXT")],
    "alias beside addresses": [balancer(WWW, "A", DUAL), simple(WWW, SIX_A, rtype="AAAA", ttl=300)],
    "alias with a health check": [balancer(WWW, "A", DUAL, HealthCheckId=CHECK)],
    "CNAME": [simple(WWW, f"lb-a-1.{ELB}", rtype="CNAME", ttl=300)],
    "CNAME as the console writes it": [simple(WWW, f"LB-a-1.{ELB}"[:-1], rtype="CNAME")],
    "one SRV": [simple(SRV, f"0 5 80 lb-a-1.{ELB}"[:-1], rtype="SRV")],
    "two SRV": [simple(SRV, f"1 5 80 lb-a-1.{ELB}", f"0 5 81 lb-a-1.{ELB}", rtype="SRV")],
    "HTTPS": [simple(WWW, A), simple(WWW, "1 . ipv4hint=192.0.2.10 alpn=h2", rtype="HTTPS")],
    "a health check": [{**simple(WWW, A, ttl=30), "HealthCheckId": CHECK}],
    "weighted": [
        weighted(WWW, 3, A, "old one", ttl=30), {**weighted(WWW, 1, A, "new;", ttl=30), "HealthCheckId": CHECK},
    ],
    "weighted AAAA": [{**weighted(WWW, 1, "2001:DB8::0:10", "six"), "Type": "AAAA"}],
    "weighted CNAME": [{**simple(WWW, f"lb-a-1.{ELB}"[:-1], rtype="CNAME"), "SetIdentifier": "x", "Weight": 9}],
    "weighted alias": [balancer(WWW, "A", DUAL, SetIdentifier="x", Weight=9)],
}  # fmt: skip


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    for key, text in KEYS.items():
        monkeypatch.setenv(key, text)
    one = Lab()
    one.world.checks.add(CHECK)
    for host, addresses in ((SIDE_A.hostname, (A, SIX_A)), (SIDE_B.hostname, (B, SIX_B))):
        for name in (host, f"dualstack.{host}"):
            one.world.balancers[name] = addresses
    with one.serving():
        yield one


def planned(lab: Lab, name: str) -> Plan:
    held = lab.held(name).held
    entry = Dns("route53", ZONE, scheme="weighted")
    stages = Stage(25), Stage(100)
    return plans.build(Bound("web", (name,), SIDE_A, SIDE_B, (entry,), stages, 5), held)


def gone_through(lab: Lab, plan: Plan, steps: list[Write]) -> list[list[Any]]:
    """The zone's sets after each write, every one of which is proven by the driver."""
    wants = [plan.originals, *(plans.wanted(plan, "a1", n, step) for n, step in enumerate(steps, 1))]
    found = []
    for old, new in pairwise(wants):
        assert lab.driver.swap(Records(old), Records(new)) == Applied()
        found.append(lab.listed())
    return found


@pytest.mark.parametrize("kind", ORIGINALS)
def test_there_and_back_leaves_the_listing_to_the_letter(lab: Lab, kind: str) -> None:
    lab.fill(*ORIGINALS[kind], simple(f"other.{ZONE}", B))
    before = lab.listed()
    plan = planned(lab, ORIGINALS[kind][0]["Name"])
    forward = [step for step in plan.forward if isinstance(step, Write) and step.target != "release"]
    states = gone_through(lab, plan, [*forward, *writes((0,), "restore")])  # type: ignore[list-item] # all are Write
    assert states[-1] == before
    assert len({str(state) for state in states}) == len(states)


@pytest.mark.parametrize("kind", ORIGINALS)
def test_in_the_end_all_is_b_s(lab: Lab, kind: str) -> None:
    lab.fill(*ORIGINALS[kind])
    name = ORIGINALS[kind][0]["Name"]
    plan = planned(lab, name)
    gone_through(lab, plan, [step for step in plan.forward if isinstance(step, Write)])
    ours = [one for one in lab.listed() if one.rtype not in ("TXT",)]
    assert all(one.routing == "simple" and not one.health for one in ours)
    text = str(ours)
    assert "lb-a" not in text
    assert A not in text
    assert SIX_A not in text
    assert lab.held(name).held[0].fence is None
    lowered = {one.rtype: one.ttl for rrsets in (plan.originals[0].rrsets,) for one in rrsets}
    assert all(one.ttl is None or one.ttl == lowered.get(one.rtype, lowered.get("WEIGHTED")) for one in ours)


def test_an_alias_is_weighed_by_aliases_that_follow_b(lab: Lab) -> None:
    lab.fill(*ORIGINALS["alias"])
    plan = planned(lab, WWW)
    gone_through(lab, plan, [Write(0, "claim"), Write(0, "weight", 25)])
    found = [(one.rtype, one.weight, one.alias.name, one.alias.zone, one.alias.evaluate) for one in lab.listed() if one.alias]  # fmt: skip  # noqa: E501
    assert found == [
        (rtype, weight, f"dualstack.{host}", "Z35SXDOTRQ7X7K", True)
        for rtype in ("A", "AAAA") for weight, host in ((3, SIDE_A.hostname), (1, SIDE_B.hostname))
    ]  # fmt: skip


def test_a_health_check_stays_with_a_and_b_has_none(lab: Lab) -> None:
    lab.fill(*ORIGINALS["weighted"])
    gone_through(lab, planned(lab, WWW), [Write(0, "claim"), Write(0, "weight", 50)])
    found = {one.identifier: (one.weight, one.values, one.health) for one in lab.listed() if one.routing == "weighted"}
    assert found == {
        "old one": (3, (A,), ""), "new;": (1, (A,), CHECK), f"lbmigrate {B}": (4, (B,), "")
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            "alias",
            "with EvaluateTargetHealth, and B's will have it too: a side whose balancer has an empty or unhealthy",
        ),
        ("apex alias", "without EvaluateTargetHealth, and B's will be so too"),
        ("weighted", f"health check {CHECK} stays with A's set and B's has none: while the check fails"),
    ],
)
def test_check_says_what_health_does_to_the_split(lab: Lab, kind: str, said: str) -> None:
    lab.fill(*ORIGINALS[kind])
    assert any(said in line for line in lab.driver.check([ORIGINALS[kind][0]["Name"]]))


def test_what_the_name_servers_answer_counts_by_the_fence(lab: Lab) -> None:
    """The alias's own addresses are nobody's record; the plan asks for the types that it stands for."""
    lab.fill(*ORIGINALS["alias beside addresses"])
    plan = planned(lab, WWW)
    ((types, names),) = plans.questions(plan, 0)
    assert (types, names) == (("A", "AAAA", "WEIGHTED"), (WWW,))


def test_one_field_of_a_set_that_changes_is_drift(lab: Lab) -> None:
    lab.fill(*ORIGINALS["weighted"])
    plan = planned(lab, WWW)
    ours = lab.world.zones[lab.zone]
    key = next(key for key in ours.sets if key[2] == "new;")
    changed = {**ours.sets, key: replace(ours.sets[key], health="")}
    ours.versions = [replace(ours.versions[-1], sets=changed)]
    assert lab.held().held != plan.originals


CASES: list[tuple[str, Callable[[Set], Set]]] = [
    ("alias", lambda one: {**one, "AliasTarget": {**one["AliasTarget"], "EvaluateTargetHealth": False}}),
    ("CNAME", lambda one: {**one, "TTL": 301}),
    ("weighted", lambda one: {**one, "Weight": 4}),
]


@pytest.mark.parametrize(("kind", "change"), CASES)
def test_a_stranger_s_change_is_not_overwritten(lab: Lab, kind: str, change: Callable[[Set], Set]) -> None:
    lab.fill(*ORIGINALS[kind])
    plan = planned(lab, WWW)
    first = ORIGINALS[kind][0]
    lab.driver._api.change(lab.zone, [("DELETE", first), ("CREATE", change(first))])
    before = lab.listed()
    claim = plans.wanted(plan, "a1", 1, Write(0, "claim"))
    assert isinstance(lab.driver.swap(Records(plan.originals), Records(claim)), NotApplied)
    assert lab.listed() == before
