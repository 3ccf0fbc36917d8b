"""Elastic Load Balancing: A read whole, B made again from it, and nothing made twice or left behind."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from elbs import (
    ACL,
    CERT,
    HERS,
    HIS,
    KEYS,
    MIGRATION,
    Account,
    Hand,
    account,
    application,
    group,
    network,
    scaling,
    tagged,
)

from lbmigrate.balancers import elbv2
from lbmigrate.balancers.elbv2 import copying, marks
from lbmigrate.errors import Denied, LbmigrateError, Refused, Unreachable
from lbmigrate.lab.elb.beside import READING
from lbmigrate.model import Blueprint, Emptying, Look, Side

MADE = {
    "CreateLoadBalancer": 1, "CreateTargetGroup": 3, "CreateListener": 2, "CreateRule": 4, "RegisterTargets": 3,
    "AddListenerCertificates": 5, "AddTags": 1, "AssociateWebACL": 1, "ModifyListenerAttributes": 1,
    "ModifyLoadBalancerAttributes": 2, "ModifyTargetGroupAttributes": 1,
}  # fmt: skip
UNMADE = {"DeleteLoadBalancer": 1, "DeleteTargetGroup": 3, "ModifyLoadBalancerAttributes": 1, "RemoveTags": 1}


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, text in KEYS.items():
        monkeypatch.setenv(key, text)
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@pytest.fixture
def one() -> Iterator[Account]:
    with account() as found:
        yield found


def document(plan: Blueprint) -> Any:
    return json.loads(plan.text)


def stood(one: Account, made: Callable[[Account, str], str] = application) -> Blueprint:
    """A and, from it, B."""
    made(one, "a")
    addresses = HIS if made is network else ()
    plan = one.side("a", "a", HERS if made is network else ()).describe()
    one.side("b", "b", addresses).stand_up(plan)
    return plan


def without(held: Any, names: dict[str, str]) -> Any:
    """A document with ARNs, names and our tags replaced by words: what two balancers that are alike have in common."""
    if isinstance(held, dict):
        dropped = ("arn", *marks.ON_A, marks.MIGRATION, marks.OF, marks.POOL)
        return {key: without(one, names) for key, one in held.items() if key not in dropped}
    if isinstance(held, list):
        return [without(one, names) for one in held]
    return names.get(held, held) if isinstance(held, str) else held


def test_it_is_read_whole(one: Account) -> None:
    application(one, "a")
    plan = one.side("a", "a").describe()
    found = document(plan)
    assert plan == one.side("a", "a").describe()
    assert [(listen.port, listen.tls) for listen in plan.listens] == [(80, False), (443, True)]
    assert {b.pool: b.healthy for b in plan.backends} == {"a-fn": None, "a-ip": True, "a-web": True}
    front = found["listeners"][1]
    assert front["certificates"] == [f"{CERT}{n}" for n in range(1, 7)]
    assert [rule["priority"] for rule in front["rules"]] == [10, 20, 30, 40]
    assert (found["acl"], found["tags"]) == (ACL, {"cost": "7", "team": "web"})


@pytest.mark.parametrize("made", [application, network])
def test_b_is_made_as_a_is(one: Account, made: Callable[[Account, str], str]) -> None:
    plan = stood(one, made)
    b = document(one.side("a", "b").describe())
    pools = {g["pool"]: g["arn"] for g in b["groups"]}
    names = {g["arn"]: g["pool"] for g in (*b["groups"], *document(plan)["groups"])}
    assert len(pools) == len(document(plan)["groups"])
    want, have = without(document(plan), names), without(b, names)
    for held in (want, have):
        held["zones"] = [(zone["zone"], zone["subnet"]) for zone in held["zones"]]
        held["groups"] = sorted(held["groups"], key=lambda g: g["pool"])
    assert have == want


def test_a_network_balancer_has_the_addresses_that_were_given(one: Account) -> None:
    stood(one, network)
    zones = document(one.side("a", "b", HIS).describe())["zones"]
    assert tuple(zone["IpAddress"] for zone in zones) == HIS


def test_an_internal_one_has_the_private_addresses_that_were_given(one: Account) -> None:
    network(one, "a", internal=True)
    plan = one.side("a", "a").describe()
    one.side("b", "b", ("10.0.2.20", "10.0.1.20")).stand_up(plan)
    zones = document(one.side("a", "b").describe())["zones"]
    assert [zone["PrivateIPv4Address"] for zone in zones] == ["10.0.1.20", "10.0.2.20"]
    with pytest.raises(Refused, match=r"10\.9\.0\.1 is in none of A's subnets"):
        one.side("b", "c", ("10.9.0.1",)).check(plan)


@pytest.mark.parametrize("made", [application, network])
def test_what_is_done_twice_changes_nothing(one: Account, made: Callable[[Account, str], str]) -> None:
    plan = stood(one, made)
    before, calls = one.listing(), len(one.world.calls)
    addresses = HIS if made is network else ()
    one.side("b", "b", addresses).stand_up(plan)
    one.side("b", "b", addresses).check(one.side("a", "a").describe())
    assert one.listing() == before
    assert [call for call in one.world.calls[calls:] if not call.startswith(READING)] == []


def test_what_was_changed_meanwhile_is_brought_in_line(one: Account) -> None:
    stood(one)
    elb, a = one.elb, one.elb.describe_load_balancers(Names=["a"])["LoadBalancers"][0]["LoadBalancerArn"]
    listeners = {held["Port"]: held["ListenerArn"] for held in elb.describe_listeners(LoadBalancerArn=a)["Listeners"]}
    rules = elb.describe_rules(ListenerArn=listeners[443])["Rules"]
    elb.delete_rule(RuleArn=rules[0]["RuleArn"])
    off = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
    elb.modify_rule(RuleArn=rules[1]["RuleArn"], Actions=off, Conditions=rules[2]["Conditions"])
    elb.modify_listener(ListenerArn=listeners[80], Port=81)
    gone, web = [{"CertificateArn": f"{CERT}2"}], rules[1]["Actions"][1]["TargetGroupArn"]
    elb.remove_listener_certificates(ListenerArn=listeners[443], Certificates=gone)
    elb.register_targets(TargetGroupArn=web, Targets=[{"Id": "i-3"}])
    elb.deregister_targets(TargetGroupArn=web, Targets=[{"Id": "i-1"}])
    elb.modify_target_group(TargetGroupArn=web, HealthCheckPath="/other")
    elb.add_listener_certificates(ListenerArn=listeners[443], Certificates=[{"CertificateArn": f"{CERT}9"}])
    plan = one.side("a", "a").describe()
    one.side("b", "b").stand_up(plan)
    b = document(one.side("a", "b").describe())
    names = {g["arn"]: g["pool"] for g in (*b["groups"], *document(plan)["groups"])}
    have, want = without(b["listeners"], names), without(document(plan)["listeners"], names)
    assert have == want
    assert [[t["Id"] for t in g["targets"]] for g in b["groups"] if g["pool"] == "a-web"] == [["i-2", "i-3"]]


def test_it_is_up_once_it_is_active_and_each_target_as_aws_finds_it(one: Account) -> None:
    one.world.delays.provision, one.world.delays.healthy, one.world.delays.metrics = 120.0, 30.0, 120.0
    clock = one.world.clock
    assert isinstance(clock, Hand)
    network(one, "a")
    clock.now += 200
    plan = one.side("a", "a", HERS).describe()
    b = one.side("b", "b", HIS)
    assert b.look() == Look(up=False)
    b.stand_up(plan)
    assert b.look() == Look(up=False)
    clock.now += 120
    one.world.sick.add("i-1")
    assert [held.healthy for held in b.look().backends] == [False]
    one.world.sick.clear()
    seen, a = b.look(), one.side("a", "a", HERS).look()
    assert (seen.up, [held.healthy for held in seen.backends]) == (True, [True])
    assert [(h.pool, h.name, h.state) for h in seen.backends] == [(h.pool, h.name, h.state) for h in a.backends]
    assert seen.process != a.process
    assert (seen.requests, seen.as_of) == (None, None)
    clock.now += 360
    seen = b.look()
    assert (seen.requests, seen.as_of) == (0, (clock.now - 180) // 60 * 60)


def test_a_target_that_drains_is_not_registered_at_b(one: Account) -> None:
    one.world.delays.drain = 300.0
    arn = network(one, "a")
    tcp = one.elb.describe_target_groups(LoadBalancerArn=arn)["TargetGroups"][0]["TargetGroupArn"]
    one.elb.register_targets(TargetGroupArn=tcp, Targets=[{"Id": "i-2"}])
    one.elb.deregister_targets(TargetGroupArn=tcp, Targets=[{"Id": "i-1"}])
    plan = one.side("a", "a", HERS).describe()
    assert [(b.name, b.state, b.healthy) for b in plan.backends] == [
        ("i-1:443", "drain", False),
        ("i-2:443", "ready", True),
    ]
    one.side("b", "b", HIS).stand_up(plan)
    assert [b.name for b in one.side("b", "b").look().backends] == ["i-2:443"]


# ---------------------------------------------------------------- the way back and the end


@pytest.mark.parametrize("made", [application, network])
@pytest.mark.parametrize("protected", ["true", "false"])
def test_the_way_back_leaves_the_account_as_it_was(
    one: Account, made: Callable[[Account, str], str], protected: str
) -> None:
    a = made(one, "a")
    group(one, "strangers", [{"Id": "i-9"}])
    one.elb.modify_load_balancer_attributes(
        LoadBalancerArn=a, Attributes=tagged(**{"deletion_protection.enabled": protected})
    )
    before = one.listing()
    addresses = HIS if made is network else ()
    b = one.side("b", "b", addresses)
    b.stand_up(one.side("a", "a").describe())
    assert one.world.attributes[a]["deletion_protection.enabled"] == "true"
    for _ in range(2):
        b.stop()
        assert one.listing() == before


@pytest.mark.parametrize("made", [application, network])
def test_a_is_retired_with_what_only_it_used(one: Account, made: Callable[[Account, str], str]) -> None:
    strangers = group(one, "strangers", [{"Id": "i-9"}])
    plan = stood(one, made)
    b = one.elb.describe_load_balancers(Names=["b"])["LoadBalancers"][0]["LoadBalancerArn"]
    for _ in range(2):
        one.side("a", "a").stop()
        assert list(one.world.balancers) == [b]
        assert {marks.ours(one.world.tags[arn], MIGRATION) for arn in one.world.groups if arn != strangers} == {True}
        assert len(one.world.groups) == len(document(plan)["groups"]) + 1
    assert one.side("a", "a").look() == Look(up=False)


def test_b_is_protected_in_the_end_as_a_was_and_a_is_not_deleted_against_its_owners_protection(one: Account) -> None:
    a = application(one, "a")
    guard = {"deletion_protection.enabled": "true"}
    one.elb.modify_load_balancer_attributes(LoadBalancerArn=a, Attributes=tagged(**guard))
    one.side("b", "b").stand_up(one.side("a", "a").describe())
    with pytest.raises(Denied, match="protected from deletion before; take that off"):
        one.side("a", "a").stop()
    one.elb.modify_load_balancer_attributes(
        LoadBalancerArn=a, Attributes=tagged(**{"deletion_protection.enabled": "false"})
    )
    one.side("a", "a").stop()
    (b,) = one.world.balancers
    assert one.world.attributes[b]["deletion_protection.enabled"] == "true"


@pytest.mark.parametrize("made", [application, network])
@pytest.mark.parametrize("protected", ["true", "false"])
def test_an_a_that_is_kept_has_no_targets_and_is_else_as_it_was(
    one: Account, made: Callable[[Account, str], str], protected: str
) -> None:
    """Killed at every call; B has all of its targets, and is protected as A was."""
    a = made(one, "a")
    guard = {"deletion_protection.enabled": protected}
    one.elb.modify_load_balancer_attributes(LoadBalancerArn=a, Attributes=tagged(**guard))
    fed = next(arn for arn, held in one.world.groups.items() if held["TargetType"] == "instance")
    scaling(one, "fleet", [fed], ("i-1", "i-7"))
    before = one.listing()
    addresses = HIS if made is network else ()
    one.side("b", "b", addresses).stand_up(one.side("a", "a", HERS if made is network else ()).describe())
    stood = one.listing()
    side = one.side("a", "a")
    assert isinstance(side, Emptying)
    calls = _killed(one, side.empty)
    assert calls["DeregisterTargets"] == sum(bool(held) for held in before["targets"].values()) - (made is network)
    assert set(calls) <= {
        "AddTags", "DeregisterTargets", "DetachLoadBalancerTargetGroups", "ModifyLoadBalancerAttributes", "RemoveTags"
    }  # fmt: skip
    side.empty()
    one.world.clock.now += 1.0  # type: ignore[attr-defined]
    b = one.elb.describe_load_balancers(Names=["b"])["LoadBalancers"][0]["LoadBalancerArn"]
    assert not [held for held in side.look().backends if held.state == "ready"]
    assert one.world.attributes[b]["deletion_protection.enabled"] == protected
    assert one.world.tags[a].pop(marks.SUCCESSOR) == b
    after = one.listing()
    for name in ("balancers", "listeners", "rules", "groups", "attributes", "tags", "guarded"):
        assert {arn: after[name].get(arn) for arn in before[name]} == before[name]
    assert {arn: after["targets"][arn] for arn in stood["targets"] if arn not in before["targets"]} == {
        arn: held for arn, held in stood["targets"].items() if arn not in before["targets"]
    }
    assert not set(after["scaling"]["fleet"]["TargetGroupARNs"]) & set(before["groups"])


def test_a_balancer_that_took_as_name_is_not_emptied(one: Account) -> None:
    stood(one)
    one.elb.remove_tags(ResourceArns=[next(iter(one.world.balancers))], TagKeys=list(marks.ON_A))
    before, side = one.listing(), one.side("a", "a")
    assert isinstance(side, Emptying)
    with pytest.raises(Refused, match="emptying a: it does not carry the mark of web-2026"):
        side.empty()
    assert one.listing() == before


def test_to_keep_an_a_that_is_gone_by_half_ends_what_was_begun(one: Account) -> None:
    """`keep` was set when its deletion had begun: the groups that carry the mark go."""
    stood(one)
    one.world.faults.deny = ("DeleteTargetGroup",)
    side = one.side("a", "a")
    with pytest.raises(Denied):
        side.stop()
    one.world.faults.deny = ()
    assert isinstance(side, Emptying)
    side.empty()
    assert {held.get(marks.RETIRING) for held in one.world.tags.values()} == {None}


def test_a_balancer_that_took_as_name_is_not_retired(one: Account) -> None:
    plan = stood(one)
    a = document(plan)["arn"]
    off = tagged(**{"deletion_protection.enabled": "false"})
    one.elb.modify_load_balancer_attributes(LoadBalancerArn=a, Attributes=off)
    one.elb.delete_load_balancer(LoadBalancerArn=a)
    one.elb.create_load_balancer(Name="a", Subnets=["subnet-1", "subnet-2"])
    with pytest.raises(Refused, match="not carry the mark of web-2026"):
        one.side("a", "a").stop()
    assert len(one.world.balancers) == 2


# ---------------------------------------------------------------- what is refused


def test_a_stranger_of_bs_name_is_neither_taken_nor_deleted(one: Account) -> None:
    application(one, "a")
    plan = one.side("a", "a").describe()
    one.elb.create_load_balancer(Name="b", Subnets=["subnet-1", "subnet-2"], SecurityGroups=["sg-1"])
    before = one.listing()
    b = one.side("b", "b")
    for act in (b.check, b.stand_up):
        with pytest.raises(Refused, match="b is there already and was not made for web-2026"):
            act(plan)
    b.stop()
    assert one.listing() == before


def test_a_b_of_another_migration_is_a_stranger(one: Account) -> None:
    plan = stood(one)
    with pytest.raises(Refused, match="not made for other"):
        one.side("b", "b", migration="other").check(plan)
    with pytest.raises(Refused, match="replaced by the migration web-2026 already"):
        one.side("b", "c", migration="other").stand_up(plan)


def test_oidc_is_refused_for_its_secret_cannot_be_read(one: Account) -> None:
    arn = application(one, "a")
    oidc = {"Issuer": "https://i", "AuthorizationEndpoint": "https://i/a", "TokenEndpoint": "https://i/t",
            "UserInfoEndpoint": "https://i/u", "ClientId": "c", "ClientSecret": "s"}  # fmt: skip
    listener = one.elb.describe_listeners(LoadBalancerArn=arn)["Listeners"][1]["ListenerArn"]
    one.elb.create_rule(
        ListenerArn=listener, Priority=5, Conditions=[{"Field": "path-pattern", "Values": ["/in"]}],
        Actions=[{"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": oidc},
                 {"Type": "fixed-response", "Order": 2, "FixedResponseConfig": {"StatusCode": "200"}}],
    )  # fmt: skip
    with pytest.raises(Refused, match="listener 443: it authenticates by OIDC"):
        one.side("a", "a").describe()


def test_addresses_that_do_not_fit_are_refused(one: Account) -> None:
    network(one, "a")
    plan = one.side("a", "a", HERS).describe()
    for addresses, words in (
        (("198.51.100.1", HIS[0]), "no Elastic IP of this account"),
        (HIS[:1], "1 Elastic IPs for 2 subnets"),
    ):
        with pytest.raises(Refused, match=words):
            one.side("b", "b", addresses).check(plan)
    application(one, "alb")
    with pytest.raises(Refused, match=r"reading alb: .*do not stay"):
        one.side("a", "alb", HERS).describe()
    with pytest.raises(Refused, match=r"making b: .*do not stay"):
        one.side("b", "b", HIS).check(one.side("a", "alb").describe())


def test_names_that_aws_would_not_take_are_refused(one: Account) -> None:
    network(one, "a")
    plan = one.side("a", "a", HERS).describe()
    for name in ("-b", "internal-b", "b_b", "b" * 33):
        with pytest.raises(Refused, match="at most 32 letters"):
            one.side("b", name, HIS).check(plan)
    with pytest.raises(Refused, match="nothing: there is none"):
        one.side("a", "nothing").describe()
    with pytest.raises(Refused, match="after haproxy"):
        one.side("b", "b", HIS).check(Blueprint("haproxy", (), (), ()))


def test_not_to_know_the_web_acl_is_no_answer(one: Account) -> None:
    application(one, "a")
    one.world.faults.deny = ("GetWebACLForResource",)
    with pytest.raises(Denied, match=r"AccessDenied.*B might stand unguarded"):
        one.side("a", "a").describe()


def test_a_function_that_b_may_not_invoke_is_told(one: Account) -> None:
    application(one, "a")
    plan = one.side("a", "a").describe()
    one.world.invocable.clear()
    with pytest.raises(Denied, match=r"a function must allow elasticloadbalancing\.amazonaws\.com"):
        one.side("b", "b").stand_up(plan)


def test_throttling_is_waited_out_and_a_dead_endpoint_is_told(one: Account) -> None:
    network(one, "a")
    one.world.faults.throttle = 2
    assert one.side("a", "a", HERS).look().up
    with pytest.raises(Unreachable, match="no answer"):
        one.side("a", "a", HERS, endpoint="http://127.0.0.1:1").look()
    with pytest.raises(Denied, match=r"profile .*nobody"):
        one.side("a", "a", HERS, profile="nobody").look()


# ---------------------------------------------------------------- killed anywhere


def test_killed_at_every_call_nothing_is_made_twice_and_nothing_is_left(one: Account) -> None:
    """Each call that writes, of a whole life: its answer lost, then done again by somebody who knows nothing of it."""
    application(one, "a")
    before = one.listing()
    plan = one.side("a", "a").describe()
    assert _killed(one, lambda: one.side("b", "b").stand_up(plan)) == MADE
    b = document(one.side("a", "b").describe())
    assert (len(one.world.balancers), len(one.world.groups), len(b["listeners"][1]["rules"])) == (2, 6, 4)
    assert _killed(one, one.side("b", "b").stop) == UNMADE
    assert one.listing() == before


def test_retiring_is_killed_at_every_call(one: Account) -> None:
    plan = stood(one)
    calls = _killed(one, one.side("a", "a").stop)
    assert calls == {"AddTags": 1, "ModifyLoadBalancerAttributes": 1, "DeleteLoadBalancer": 1, "DeleteTargetGroup": 3}
    (b,) = one.world.balancers.values()
    assert (b["LoadBalancerName"], len(one.world.groups)) == ("b", len(document(plan)["groups"]))
    one.side("b", "b").stop()
    assert (one.world.balancers, one.world.groups, one.world.tags) == ({}, {}, {})


def _killed(one: Account, act: Callable[[], object]) -> Counter[str]:
    """The writes of an act that is ended by each of them, once it was done, and begun again until nothing is left."""
    begun, one.world.faults.lose = len(one.world.calls), True
    for _ in range(100):
        try:
            act()
        except Unreachable:
            continue
        one.world.faults.lose = False
        return Counter(call for call in one.world.calls[begun:] if not call.startswith(READING))
    raise AssertionError("a hundred times without an end")


def test_groups_are_told_apart_from_strangers_of_the_same_name(one: Account) -> None:
    network(one, "a")
    plan = one.side("a", "a", HERS).describe()
    name = copying.group_name(MIGRATION, document(plan)["groups"][0])
    assert len(name) <= copying.LONGEST
    group(one, name, [], Protocol="TCP", Port=443)
    with pytest.raises(LbmigrateError, match="was not made for web-2026"):
        one.side("b", "b", HIS).stand_up(plan)


def test_what_a_balancer_is_reached_by_is_known_once_it_is_made(one: Account) -> None:
    application(one, "a")
    place = {"side": "a", "migration": MIGRATION, "name": "a", "region": "us-east-1", "endpoint": one.endpoint}
    a = elbv2.located(Side("elbv2", (), place=tuple(place.items())))
    assert a.families == ("A",)
    assert a.hostname.endswith(".elb.amazonaws.com.")
    assert a.alias_zone.startswith("Z")
    named = tuple({**place, "side": "b", "name": "b"}.items())
    b = elbv2.awaited(Side("elbv2", (), place=named), a)
    endpoint = one.side("b", "b", ()).stand_up(one.side("a", "a", ()).describe())
    assert endpoint is not None
    assert endpoint.hostname.partition(".")[2] == b.hostname.partition(".")[2]
    assert len(endpoint.hostname) <= len(b.hostname)
    assert endpoint == one.side("b", "b", ()).stand_up(one.side("a", "a", ()).describe())
    with pytest.raises(Refused, match="there is none; correct name and region"):
        elbv2.located(Side("elbv2", (), place=tuple({**place, "name": "c"}.items())))
