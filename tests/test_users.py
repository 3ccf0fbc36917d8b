"""What names A outside DNS: origins of CloudFront, Auto Scaling groups, services of ECS; what is not known is said."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from elbs import Account, Thing, application, scaling, service
from route53s import WWW, Ground, alias

from lbmigrate.discover import User
from lbmigrate.gather import Discovery
from lbmigrate.lab.elb.feeding import PAGE
from lbmigrate.lab.route53.world import KEY_ID
from lbmigrate.listing import document, table
from lbmigrate.model import Side
from lbmigrate.spec import Bound, Dns
from lbmigrate.users import users

Verb = Callable[..., tuple[int, str, str]]


def distribution(name: str, *hosts: str, aliases: tuple[str, ...] = ()) -> Thing:
    """As ListDistributions tells it, as far as it is read."""
    origins = [{"Id": host, "DomainName": host} for host in hosts]
    return {"Id": name, "DomainName": f"{name.lower()}.cloudfront.net", "Aliases": listed(aliases),
            "Origins": {"Quantity": len(origins), "Items": origins}}  # fmt: skip


def listed(names: tuple[str, ...]) -> Thing:
    return {"Quantity": len(names), **({"Items": [*names]} if names else {})}


def bound(one: Account, a: Side) -> Bound:
    zone = Dns("route53", "lab.test.", endpoint=one.endpoint)
    return Bound("m", ("www.lab.test.",), a, Side("external", ("192.0.2.1",)), (zone,), ())


def test_an_origin_is_a_itself_or_a_name_that_ends_there(one: Account) -> None:
    a = Side("external", ("192.0.2.10",), hostname="lb-a.example.net.")
    assert users(bound(one, a), {"www.lab.test."}) == ((), ())
    one.world.distributions = [
        *(distribution(f"E{n}", f"other-{n}.example.net") for n in range(2 * PAGE)),
        distribution("EA", "x.test", "dualstack.LB-A.example.net", aliases=("cdn.lab.test",)),
        distribution("EW", "www.lab.test"),
    ]
    found, unknown = users(bound(one, a), {"www.lab.test.", "lb-a.example.net."})
    assert unknown == ()
    assert found == (
        User("CloudFront", "EA", "ea.cloudfront.net, cdn.lab.test: origin lb-a.example.net.",
             "give it the name of B, or one that is moved"),
        User("CloudFront", "EW", "ew.cloudfront.net: origin www.lab.test.", "follows it"),
    )  # fmt: skip


def hosted(one: Account) -> Side:
    """A as a load balancer of the account, in two Auto Scaling groups and a service."""
    application(one, "a")
    web, ip = (one.elb.describe_target_groups(Names=[name])["TargetGroups"][0]["TargetGroupArn"] for name in ("a-web", "a-ip"))  # fmt: skip  # noqa: E501
    scaling(one, "asg", [web], ("i-7",))
    scaling(one, "elsewhere", [], ("i-8",))
    service(one, "prod", "api", ip)
    return Side("elbv2", (), hostname="a.test.", place=(("side", "a"), ("migration", "m"), ("name", "a"),
                                                        ("region", "us-east-1"), ("endpoint", one.endpoint)))  # fmt: skip  # noqa: E501


def test_what_registers_targets_with_a_balancer_is_told_once(one: Account) -> None:
    a = hosted(one)
    one.world.distributions = [distribution("EA", "a.test")]
    found, unknown = users(bound(one, a), ())
    assert unknown == ()
    assert [(each.kind, each.name) for each in found] == [
        ("Auto Scaling", "asg"), ("CloudFront", "EA"), ("ECS", "api of prod"),
    ]  # fmt: skip
    assert found[0].what == "launches targets of a-web"


def test_what_is_denied_is_said_and_the_rest_is_told(one: Account) -> None:
    a = hosted(one)
    one.world.faults.deny = ("ListDistributions",)
    found, (why,) = users(bound(one, a), ())
    assert {each.kind for each in found} == {"Auto Scaling", "ECS"}
    assert why.startswith("whether CloudFront fetches from A is not known: cloudfront list distributions at AWS")
    assert "cloudfront:ListDistributions" in why
    one.world.faults.deny = ("ListServices",)
    assert users(bound(one, a), ())[1][0].startswith("whether Auto Scaling or ECS registers targets with A is not")


def test_it_is_in_the_table_and_in_the_document() -> None:
    seen = Discovery((), (), (), (), (User("ECS", "api of prod", "registers tasks", "do"),))
    assert "outside DNS:\nECS  api of prod  registers tasks  do\n" in table(seen)
    assert document(seen)["users"] == [{"kind": "ECS", "name": "api of prod", "what": "registers tasks", "todo": "do"}]


def test_discover_takes_a_load_balancers_name_from_aws_and_tells_of_users_when_asked(
    one: Account, lbmigrate: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    hosted(one)
    host = one.elb.describe_load_balancers(Names=["a"])["LoadBalancers"][0]["DNSName"]
    one.world.distributions = [distribution("EA", host)]
    zone = Ground()
    zone.fill(alias("Z35SXDOTRQ7X7K", WWW, f"{host.lower()}."))
    (tmp_path / "lbmigrate.yaml").write_text(f"""\
migration: m
names: [www.lab.test]
a: {{driver: elbv2, name: a, region: us-east-1, endpoint: "{one.endpoint}"}}
b: {{driver: elbv2, name: b}}
dns: [{{driver: route53, zone: lab.test, endpoint: "http://{zone.at}", nameservers: ["{zone.servers[0]}"]}}]
stages: [1, 25, 100]
probe: [{{url: "http://www.lab.test/"}}]
""")
    with zone.serving():
        code, out, err = lbmigrate("-o", "json", "discover")
        assert (code, json.loads(out)["names"], json.loads(out)["users"]) == (0, [WWW], []), err
        assert "not looked through: CloudFront, Auto Scaling, ECS; to look: lbmigrate discover --account" in err
        assert "ListDistributions" not in one.world.calls
        code, out, err = lbmigrate("-o", "json", "discover", "--account")
    assert code == 0, err
    assert [each["kind"] for each in json.loads(out)["users"]] == ["Auto Scaling", "CloudFront", "ECS"]
    assert "whether CloudFront fetches from A is not known" in err  # the zone's account has none to ask
