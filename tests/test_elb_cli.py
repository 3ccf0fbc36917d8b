"""Load balancers of AWS from the user's end: the config, what `check` says of them, and the policy that they need."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from classics import HTTP, HTTPS, backward, change, classic
from classics import side as classic_side
from elbs import HERS, HIS, MIGRATION, Account, application, group, network, scaling, service, tagged

from lbmigrate import aws, config, iam
from lbmigrate.balancers.elbv2 import copying, marks
from lbmigrate.errors import Usage
from lbmigrate.lab.elb.judging import ELB
from lbmigrate.lab.elb.state import ARN
from lbmigrate.model import Emptying

CONFIG = f"""\
migration: {MIGRATION}
names: [www.lab.test]
a: {{driver: elbv2, name: a, region: us-east-1, profile: ops}}
b: {{driver: elbv2, name: b}}
dns: [{{driver: route53, zone: lab.test, endpoint: "http://127.0.0.1:1", nameservers: ["127.0.0.1:1"]}}]
stages: [1, 25, 100]
probe: [{{url: "http://www.lab.test/", timeout: 100ms}}]
"""
Verb = Callable[..., tuple[int, str, str]]
REFUSED = [
    ("name: b", "name: a", "4: b: name is a's too"),
    ("name: b", "region: eu-west-1, name: b", "4: b: region is not a's"),
    ("name: b", "hostname: b.lab.test, name: b", "4: b: hostname of a load balancer is what AWS calls it; remove the"),
    ("name: a", "alias: {zone_id: Z1}, name: a", "3: a: alias of a load balancer is what AWS calls it; remove the"),
    ("profile: ops", "role: me", "3: a: role: "),
    ("region: us-east-1", 'region: "eu west"', "3: a: region: 'eu west' is no region; write it like eu-west-1"),
    ("profile: ops", "external_id: x", "3: a: external_id belongs to a role; give `role`, or remove it"),
    ("name: b", "name: b, socket: s", "4: b: the key `socket` does not belong to driver elbv2"),
    ("driver: elbv2, name: b", "driver: external, addresses: [192.0.2.1]", "3: a: only a migration to driver elbv2"),
    ("driver: elbv2, name: a", "driver: external, name: a, addresses: [192.0.2.1]", "4: b: driver elbv2 makes a copy"),
]


@pytest.fixture
def lbmigrate(one: Account, lbmigrate: Verb, tmp_path: Path) -> Verb:
    sides = [f"addresses: [{', '.join(each)}]" for each in (HERS, HIS)]
    text = CONFIG.replace("profile: ops", f'endpoint: "{one.endpoint}"')
    text = text.replace("name: a", f"name: a, {sides[0]}").replace("name: b", f"name: b, {sides[1]}")
    (tmp_path / "lbmigrate.yaml").write_text(text.replace("zone: lab.test", "zone: lab.test, zone_id: Z1"))
    return lbmigrate


# ---------------------------------------------------------------- the config


def test_b_is_reached_as_a_is_where_the_file_does_not_say_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "lbmigrate.yaml"
    file.write_text(CONFIG)
    bound = config.load(file).bound
    place = {"migration": MIGRATION, "region": "us-east-1", "profile": "ops"}
    assert dict(bound.a.place) == {"side": "a", "name": "a", **place}
    assert dict(bound.b.place) == {"side": "b", "name": "b", **place}
    assert (bound.a.given, bound.b.given, bound.b.hostname) == (True, True, "")
    role = "arn:aws:iam::123456789012:role/mover"
    file.write_text(CONFIG.replace("profile: ops", f"role: {role}, external_id: x"))
    assert dict(config.load(file).bound.b.place).items() >= {"role": role, "external_id": "x"}.items()
    file.write_text(CONFIG.replace("name: b", "name: b, profile: other, region: us-east-1"))
    assert dict(config.load(file).bound.b.place)["profile"] == "other"


@pytest.mark.parametrize(("old", "new", "said"), REFUSED)
def test_what_cannot_be_is_refused_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    file = tmp_path / "lbmigrate.yaml"
    assert CONFIG.count(old) == 1
    file.write_text(CONFIG.replace(old, new))
    with pytest.raises(Usage) as told:
        config.load(file)
    assert f"{file}:{said}" in str(told.value)


def test_a_balancer_that_stays_may_have_any_successor(tmp_path: Path) -> None:
    file = tmp_path / "lbmigrate.yaml"
    other = CONFIG.replace("driver: elbv2, name: b", "driver: external, addresses: [192.0.2.1]")
    file.write_text(other + "retire: {keep: true}\n")
    assert config.load(file).bound.b.place == ()


# ---------------------------------------------------------------- check


def test_check_says_what_can_be_known_before(one: Account, lbmigrate: Verb) -> None:
    network(one, "a")
    one.world.sick.add("i-1")
    tcp = one.elb.describe_target_groups()["TargetGroups"][0]["TargetGroupArn"]
    scaling(one, "asg", [tcp], ("i-1",))
    one.world.balancers[next(iter(one.world.balancers))]["EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic"] = "off"
    out = lbmigrate("check")[1]
    assert "hint  A has EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic off; of B it is what AWS sets" in out
    assert "hint  CloudWatch tells nothing of A yet: until it does A cannot be proven idle" in out
    assert "hint  the Auto Scaling group asg feeds A: `start` attaches it to B's target groups too" in out
    assert "ok    A (elbv2): 1 backend(s), up" in out
    assert "hint  A finds a-tcp/i-1:443 unhealthy" in out
    assert "ok    B (elbv2): its name is free, and so are its addresses" in out
    one.elb.create_load_balancer(Name="b", Type="network", Subnets=["subnet-1"])
    assert "no    the load balancer b is there already and was not made for web-2026" in lbmigrate("check")[1]
    service(one, "prod", "web", tcp)
    assert "no    making b: Amazon ECS registers the tasks of web of prod with A" in lbmigrate("check")[1]
    code, out = lbmigrate("-o", "json", "check")[:2]
    said = json.loads(out)
    assert (said["outcome"], said["code"]) == ("failed", code), "the hosted zone is no part of this account"
    assert "no" in {one["level"] for one in said["findings"]}


# ---------------------------------------------------------------- the policy


def life(one: Account, keep: bool) -> None:
    """B made and unmade, then made once more, and A deleted, or emptied where it is kept."""
    b = one.side("b", "b")
    plan = one.side("a", "a").describe()
    b.check(plan)
    b.stand_up(plan)
    b.look()
    b.stop()
    b.stand_up(plan)
    a = one.side("a", "a")
    assert isinstance(a, Emptying)
    a.empty() if keep else a.stop()


REPAIRS = {  # what only brings a B in line that was made before A was changed
    "DeleteListener", "DeleteRule", "ModifyListener", "ModifyRule", "ModifyTargetGroup",
    "RemoveListenerCertificates",
}  # fmt: skip


EMPTYING = {"DeregisterTargets"}  # of B's groups that is a repair too


@pytest.mark.parametrize("keep", [True, False])
def test_a_whole_life_is_allowed_by_it_and_nothing_beside_that(one: Account, lbmigrate: Verb, keep: bool) -> None:
    application(one, "a")
    strangers = group(one, "strangers", [])
    web, *_ = (held["TargetGroupArn"] for held in one.elb.describe_target_groups()["TargetGroups"][:3])
    scaling(one, "old", [web], ("i-1",))
    scaling(one, "new", [], ("i-2",), (web,))
    service(one, "prod", "api", strangers)
    if keep:
        with Path("lbmigrate.yaml").open("a") as file:
            file.write("retire: {keep: true}\n")
    code, out, err = lbmigrate("-o", "json", "policy")
    assert code == 0, err
    (found,) = [each["policies"]["iam"] for each in json.loads(out) if each["server"] == "elbv2"]
    assert '"lbmigrate:retiring"' in lbmigrate("policy")[1]
    one.world.faults.policy, begun = json.dumps(found), len(one.world.calls)
    life(one, keep)
    allowed = {action.split(":")[1] for each in found["Statement"] for action in each["Action"] if action[:3] != "ec2"}
    used = {"SetWebACL", "DescribeUserPoolClient", *one.world.calls[begun:]}
    autoscaling = aws.client("autoscaling", aws.Reach("us-east-1", "", one.endpoint), 10)
    assert (allowed - used, used - allowed) == (REPAIRS if keep else REPAIRS | EMPTYING, set())
    stray = {"AutoScalingGroupName": "old", "TargetGroupARNs": [strangers]}
    every: tuple[Callable[[], object], ...] = (
        lambda: autoscaling.attach_load_balancer_target_groups(**stray),
        lambda: one.elb.delete_target_group(TargetGroupArn=strangers),
        lambda: one.elb.deregister_targets(TargetGroupArn=strangers, Targets=[{"Id": "i-1"}]),
        lambda: one.elb.create_load_balancer(Name="c", Subnets=["subnet-1", "subnet-2"]),
        lambda: one.elb.add_tags(ResourceArns=[strangers], Tags=tagged(team="web")),
        *([lambda: one.elb.delete_load_balancer(LoadBalancerArn=f"{ARN}:loadbalancer/app/a/1")] if keep else []),
    )
    for forbidden in every:
        with pytest.raises(ClientError, match="AccessDenied"):
            forbidden()


def test_the_policy_and_the_driver_mean_the_same_words() -> None:
    assert (iam.RETIRING, iam.ELB) == (marks.RETIRING, ELB)
    assert copying.group_name("m", {"arn": "x", "pool": "p"}).startswith(iam.PREFIX)


# ---------------------------------------------------------------- a Classic Load Balancer


CLASSIC_REFUSED = [
    ("name: b", "classic: true, name: b", "4: b: a Classic Load Balancer is not made any more; remove the key"),
    ("name: old", "name: old, addresses: [192.0.2.1]", "3: a: addresses of a Classic Load Balancer do not stay"),
]


def classic_text(one: Account) -> str:
    text = CONFIG.replace("name: a", "name: old, classic: true").replace("profile: ops", f'endpoint: "{one.endpoint}"')
    return text.replace("zone: lab.test", "zone: lab.test, zone_id: Z1")


@pytest.mark.parametrize(("old", "new", "said"), CLASSIC_REFUSED)
def test_a_classic_one_is_a_only(one: Account, tmp_path: Path, old: str, new: str, said: str) -> None:
    file = tmp_path / "lbmigrate.yaml"
    file.write_text(classic_text(one))
    bound = config.load(file).bound
    assert (dict(bound.a.place)["classic"], "classic" in dict(bound.b.place)) == ("true", False)
    file.write_text(classic_text(one).replace(old, new))
    with pytest.raises(Usage) as told:
        config.load(file)
    assert f"{file}:{said}" in str(told.value)


def test_check_reads_a_classic_one(one: Account, lbmigrate: Verb, tmp_path: Path) -> None:
    elb = classic(one, HTTP)
    (tmp_path / "lbmigrate.yaml").write_text(classic_text(one))
    out = lbmigrate("check")[1]
    assert "ok    A (elbv2): 2 backend(s), up" in out
    assert "hint  AWS has no protection from deletion for Classic Load Balancers" in out
    backward(elb, "ProxyProtocolPolicyType", 8080)
    assert "no    reading old: at the instances' port 8080 it sends the PROXY protocol" in lbmigrate("check")[1]


@pytest.mark.parametrize("keep", [True, False])
def test_the_life_of_a_classic_one_is_allowed_and_nothing_beside(
    one: Account, lbmigrate: Verb, tmp_path: Path, keep: bool
) -> None:
    elb = classic(one, HTTP, HTTPS)
    change(elb, ConnectionSettings={"IdleTimeout": 120})
    classic(one, HTTP, name="stranger")
    held = scaling(one, "asg", [], ("i-1",))
    held["LoadBalancerNames"] = ["old", "stranger"]
    late = scaling(one, "late", [], ("i-1",))
    late["_newer_names"] = ["old"]
    service(one, "prod", "api", "arn:of:another")
    kept = "retire: {keep: true}\n" if keep else ""
    (tmp_path / "lbmigrate.yaml").write_text(classic_text(one) + kept)
    code, out, err = lbmigrate("-o", "json", "policy")
    assert code == 0, err
    (found,) = [each["policies"]["iam"] for each in json.loads(out) if each["server"] == "elbv2"]
    one.world.faults.policy, begun = json.dumps(found), len(one.world.calls)
    a, b = classic_side(one), one.side("b", "b")
    plan = a.describe()
    b.check(plan)
    b.stand_up(plan)
    a.look()
    b.look()
    b.stop()
    b.stand_up(plan)
    assert isinstance(a, Emptying)
    a.empty() if keep else a.stop()
    used = {*one.world.calls[begun:]}
    allowed = {action.split(":")[1] for each in found["Statement"] for action in each["Action"] if action[:3] != "ec2"}
    assert used - allowed == set()
    assert allowed - used == (REPAIRS - {"ModifyRule"}) | EMPTYING | {"ModifyListenerAttributes"}  # of a TCP listener
    with pytest.raises(ClientError, match="AccessDenied"):
        elb.delete_load_balancer(LoadBalancerName="stranger")
    autoscaling = aws.client("autoscaling", aws.Reach("us-east-1", "", one.endpoint), 10)
    with pytest.raises(ClientError, match="AccessDenied"):
        autoscaling.detach_load_balancers(AutoScalingGroupName="asg", LoadBalancerNames=["stranger"])
    if keep:
        with pytest.raises(ClientError, match="AccessDenied"):
            elb.delete_load_balancer(LoadBalancerName="old")
