"""A Classic Load Balancer as A: B is made of it, and what B cannot be is refused with the reason."""

import json
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from classics import HTTP, HTTPS, SSL, TCP, backward, change, classic, made, policy, side
from elbs import MIGRATION, Account, Hand, scaling, service

from lbmigrate.balancers import elbv2
from lbmigrate.balancers.elbv2.classic.counting import counts
from lbmigrate.balancers.elbv2.classic.policies import WEEK
from lbmigrate.balancers.elbv2.counting import SPAN
from lbmigrate.errors import Refused, Unreachable
from lbmigrate.lab.elb import metrics
from lbmigrate.lab.elb.beside import READING
from lbmigrate.model import Advising, Balancer, Blueprint, Emptying, Side


def document(plan: Blueprint) -> Any:
    return json.loads(plan.text)


def stood(one: Account) -> Any:
    """B after A, as AWS has it."""
    one.side("b", "b").stand_up(side(one).describe())
    return document(one.side("a", "b").describe())


# ---------------------------------------------------------------- what becomes of it


def test_http_becomes_an_application_load_balancer(one: Account) -> None:
    elb = classic(one, HTTP, HTTPS, Scheme="internal")
    change(
        elb, ConnectionSettings={"IdleTimeout": 120},
        AccessLog={"Enabled": True, "S3BucketName": "logs", "S3BucketPrefix": "web", "EmitInterval": 60},
        AdditionalAttributes=[{"Key": "elb.http.desyncmitigationmode", "Value": "strictest"}],
    )  # fmt: skip
    b = stood(one)
    assert b["balancer"] == {"Type": "application", "Scheme": "internal", "IpAddressType": "ipv4",
                             "SecurityGroups": ["sg-1"]}  # fmt: skip
    assert [zone["subnet"] for zone in b["zones"]] == ["subnet-1", "subnet-2"]
    assert b["tags"]["team"] == "web"
    assert {key: b["attributes"][key] for key in ("idle_timeout.timeout_seconds", "access_logs.s3.bucket",
            "access_logs.s3.prefix", "access_logs.s3.enabled", "routing.http.desync_mitigation_mode")} == {
        "idle_timeout.timeout_seconds": "120", "access_logs.s3.bucket": "logs", "access_logs.s3.prefix": "web",
        "access_logs.s3.enabled": "true", "routing.http.desync_mitigation_mode": "strictest",
    }  # fmt: skip
    plain, secure = b["listeners"]
    assert (plain["Port"], plain["Protocol"], secure["Port"], secure["Protocol"]) == (80, "HTTP", 443, "HTTPS")
    assert (secure["SslPolicy"], secure["certificates"]) == ("ELBSecurityPolicy-2016-08", [HTTPS["SSLCertificateId"]])
    (group,) = b["groups"]  # both listeners speak HTTP to port 8080
    assert all(each["actions"][0]["TargetGroupArn"] == group["arn"] for each in (plain, secure))
    settings = group["settings"]
    assert {key: settings[key] for key in ("Protocol", "Port", "VpcId", "TargetType", "HealthCheckProtocol",
            "HealthCheckPort", "HealthCheckPath", "HealthCheckIntervalSeconds", "HealthCheckTimeoutSeconds",
            "HealthyThresholdCount", "UnhealthyThresholdCount", "Matcher")} == {
        "Protocol": "HTTP", "Port": 8080, "VpcId": "vpc-1", "TargetType": "instance", "HealthCheckProtocol": "HTTP",
        "HealthCheckPort": "8080", "HealthCheckPath": "/up", "HealthCheckIntervalSeconds": 10,
        "HealthCheckTimeoutSeconds": 4, "HealthyThresholdCount": 2, "UnhealthyThresholdCount": 3,
        "Matcher": {"HttpCode": "200"},
    }  # fmt: skip
    attributes = group["attributes"]
    assert attributes["deregistration_delay.timeout_seconds"] == "45"
    assert (attributes["stickiness.enabled"], attributes["load_balancing.cross_zone.enabled"]) == (
        "false", "use_load_balancer_configuration",
    )  # fmt: skip
    assert group["targets"] == [{"Id": "i-1", "Port": 8080}, {"Id": "i-2", "Port": 8080}]


def test_tcp_and_ssl_become_a_network_load_balancer(one: Account) -> None:
    elb = classic(one, TCP, SSL, check="TCP:2525", Subnets=["subnet-1"])
    change(elb, ConnectionSettings={"IdleTimeout": 100}, ConnectionDraining={"Enabled": False, "Timeout": 300})
    b = stood(one)
    assert b["balancer"]["Type"] == "network"
    assert b["attributes"]["load_balancing.cross_zone.enabled"] == "true"
    tcp, tls = b["listeners"]
    assert (tcp["Protocol"], tls["Protocol"], tls["certificates"]) == ("TCP", "TLS", [SSL["SSLCertificateId"]])
    assert tcp["attributes"]["tcp.idle_timeout.seconds"] == "100"
    groups = {each["pool"]: each for each in b["groups"]}
    assert {pool: each["settings"]["Protocol"] for pool, each in groups.items()} == {
        "tcp-2525": "TCP",
        "tls-9993": "TLS",
    }
    assert "HealthCheckPath" not in groups["tcp-2525"]["settings"]
    assert groups["tls-9993"]["settings"]["HealthCheckPort"] == "2525"
    assert groups["tcp-2525"]["attributes"]["deregistration_delay.timeout_seconds"] == "0"
    assert groups["tcp-2525"]["attributes"]["preserve_client_ip.enabled"] == "false"


def test_sessions_stick_as_they_did_each_in_a_group_of_its_own(one: Account) -> None:
    more = {**HTTP, "LoadBalancerPort": 8000}
    elb = classic(one, HTTP, HTTPS, more)
    policy(elb, 80, "LBCookieStickinessPolicyType", CookieExpirationPeriod="600")
    policy(elb, 443, "AppCookieStickinessPolicyType", CookieName="sid")
    b = stood(one)
    sticky = {each["pool"]: {key.removeprefix("stickiness."): text for key, text in each["attributes"].items()
              if key.startswith("stickiness.")} for each in b["groups"]}  # fmt: skip
    assert sticky["http-8080"]["enabled"] == "true"
    assert (sticky["http-8080"]["type"], sticky["http-8080"]["lb_cookie.duration_seconds"]) == ("lb_cookie", "600")
    assert (sticky["http-8080-2"]["type"], sticky["http-8080-2"]["app_cookie.cookie_name"]) == ("app_cookie", "sid")
    assert sticky["http-8080-2"]["app_cookie.duration_seconds"] == str(WEEK)
    assert sticky["http-8080-3"]["enabled"] == "false"
    pools = {each["arn"]: each["pool"] for each in b["groups"]}
    by_port = {each["Port"]: pools[each["actions"][0]["TargetGroupArn"]] for each in b["listeners"]}
    assert by_port == {80: "http-8080", 443: "http-8080-2", 8000: "http-8080-3"}


def test_without_cross_zone_balancing_groups_keep_to_their_zones(one: Account) -> None:
    change(classic(one, HTTP), CrossZoneLoadBalancing={"Enabled": False})
    assert stood(one)["groups"][0]["attributes"]["load_balancing.cross_zone.enabled"] == "false"


def test_a_security_policy_that_both_have_is_kept(one: Account) -> None:
    name = "ELBSecurityPolicy-TLS-1-2-2017-01"
    policy(classic(one, HTTPS), 443, "SSLNegotiationPolicyType", Reference_Security_Policy=name)
    assert stood(one)["listeners"][0]["SslPolicy"] == name


def test_what_is_not_quite_the_same_is_told(one: Account) -> None:
    elb = classic(one, HTTP, HTTPS)
    change(elb, AccessLog={"Enabled": True, "S3BucketName": "logs", "EmitInterval": 60})
    policy(elb, 80, "LBCookieStickinessPolicyType")
    policy(elb, 443, "AppCookieStickinessPolicyType", CookieName="sid")
    scaling(one, "asg", [], ("i-1",))["LoadBalancerNames"] = ["old"]
    told = " / ".join(advice(one.side("b", "b"), side(one).describe()))
    for words in ("no protection from deletion", "80: sessions stick until the browser is closed; at B for a week",
                  "443: sessions stick as long as the cookie sid lives", "access logs of B come every five minutes",
                  "the Auto Scaling group asg feeds A"):  # fmt: skip
        assert words in told
    classic(one, TCP, SSL, name="mail", check="TCP:2525")
    change(elb, "mail", ConnectionSettings={"IdleTimeout": 30})
    told = " / ".join(advice(one.side("b", "b"), side(one, "mail").describe()))
    assert "25: connections may be idle for 30 s; at B for 60 s" in told
    assert "993: connections may be idle for 30 s; at B for 350 s" in told


def advice(b: Balancer, plan: Blueprint) -> tuple[str, ...]:
    assert isinstance(b, Advising)
    return b.advice(plan)


# ---------------------------------------------------------------- what B cannot be

Change = Callable[[Any], object]
REFUSED: list[tuple[tuple[Any, ...], dict[str, Any], Change, str]] = [
    ((HTTP, TCP), {}, lambda _: None, "it has HTTP, TCP listeners, and no load balancer of today has"),
    ((HTTP,), {"Subnets": ["subnet-1"]}, lambda _: None, "in two zones at least"),
    ((HTTP,), {"check": "TCP:8080"}, lambda _: None, "check by HTTP and HTTPS only"),
    ((TCP,), {"check": "SSL:2525"}, lambda _: None, "check by TCP, HTTP and HTTPS only"),
    ((TCP,), {"check": "UDP:2525"}, lambda _: None, "of no known form"),
    (({**TCP, "InstanceProtocol": "SSL"},), {"check": "TCP:1"}, lambda _: None, "25: it takes TCP and speaks SSL"),
    ((HTTP,), {}, lambda elb: policy(elb, 80, "LBCookieStickinessPolicyType", CookieExpirationPeriod=str(WEEK + 1)),
     "its sessions stick for 604801 s"),
    ((HTTP,), {}, lambda elb: policy(elb, 80, "AppCookieStickinessPolicyType", CookieName="AWSALB"), "keeps for"),
    ((HTTP,), {}, lambda elb: policy(elb, 80, "NewPolicyType"), "the type NewPolicyType, which is not known"),
    ((HTTP,), {}, lambda elb: sticky_in_its_zone(elb), "one or the other"),
    ((HTTPS,), {}, lambda elb: policy(elb, 443, "SSLNegotiationPolicyType", Protocol_TLSv1="true"),
     "listener 443: its security policy SSLNegot-443 is of its owner's own making"),
    ((HTTPS,), {}, lambda elb: policy(elb, 443, "SSLNegotiationPolicyType",
                                      Reference_Security_Policy="ELBSecurityPolicy-2011-08"),
     "its security policy is ELBSecurityPolicy-2011-08, which is no more"),
    ((TCP,), {"check": "TCP:2525"}, lambda elb: backward(elb, "ProxyProtocolPolicyType"), "PROXY protocol in"),
    ((TCP,), {"check": "TCP:2525"}, lambda elb: backward(elb, "BackendServerAuthenticationPolicyType"), "certificates"),
    ((TCP,), {"check": "TCP:2525"}, lambda elb: backward(elb, "NewPolicyType"), "the type NewPolicyType, which is"),
    ((SSL,), {"check": "TCP:1"}, lambda elb: change(elb, ConnectionSettings={"IdleTimeout": 400}), "idle for 400 s"),
    ((TCP,), {"check": "TCP:1"}, lambda elb: change(elb, AccessLog={"Enabled": True, "S3BucketName": "l"}), "TLS only"),
    ((HTTP,), {}, lambda elb: change(elb, AdditionalAttributes=[{"Key": "new", "Value": "1"}]), "the attribute new"),
]  # fmt: skip


def sticky_in_its_zone(elb: Any) -> None:
    policy(elb, 80, "LBCookieStickinessPolicyType")
    change(elb, CrossZoneLoadBalancing={"Enabled": False})


@pytest.mark.parametrize(("listeners", "given", "then", "said"), REFUSED)
def test_what_b_cannot_be_is_refused(
    one: Account, listeners: tuple[Any, ...], given: dict[str, Any], then: Change, said: str
) -> None:
    then(classic(one, *listeners, **given))
    with pytest.raises(Refused) as told:
        side(one).describe()
    assert str(told.value).startswith("reading old")
    assert said in str(told.value)
    assert side(one).look().up  # it serves all the same


def test_one_without_a_vpc_or_listeners_is_refused(one: Account) -> None:
    classic(one, HTTP)
    one.world.classics["old"]["ListenerDescriptions"] = []
    with pytest.raises(Refused, match="no listener"):
        side(one).describe()
    one.world.classics["old"]["VPCId"] = None
    with pytest.raises(Refused, match="in no VPC"):
        side(one).describe()


def test_a_service_of_ecs_blocks(one: Account) -> None:
    classic(one, HTTP)
    service(one, "prod", "web", "")["loadBalancers"] = [{"loadBalancerName": "old"}]
    with pytest.raises(Refused, match="Amazon ECS registers the tasks of web of prod with A"):
        one.side("b", "b").check(side(one).describe())


# ---------------------------------------------------------------- its life as A


def test_it_is_located_by_its_name(one: Account) -> None:
    elb = classic(one, HTTP)
    there = elb.describe_load_balancers()["LoadBalancerDescriptions"][0]
    a = elbv2.located(made(one))
    assert (a.hostname, a.alias_zone) == (f"{there['DNSName']}.", there["CanonicalHostedZoneNameID"])
    assert (a.families, a.given) == (("A",), True)
    for listener, check in ((HTTP, "HTTP:8080/"), (TCP, "TCP:2525")):  # as long as B's, of whichever kind
        kind = str(listener["Protocol"])
        classic(one, listener, name=f"is-{kind}", check=check)
        name = f"b-{kind.lower()}"
        place = (("side", "b"), ("migration", MIGRATION), ("name", name))
        stand_in = elbv2.awaited(Side("elbv2", (), place=place), a)
        endpoint = one.side("b", name).stand_up(side(one, f"is-{kind}").describe())
        assert endpoint is not None
        assert len(endpoint.hostname) <= len(stand_in.hostname)
    with pytest.raises(Refused, match="there is none; correct name and region, or remove `classic`"):
        side(one, "gone").located()
    assert side(one, "gone").look().up is False


def test_what_is_done_twice_changes_nothing(one: Account) -> None:
    classic(one, HTTP, HTTPS)
    scaling(one, "asg", [], ("i-1",))["LoadBalancerNames"] = ["old"]
    stood(one)
    before, calls = one.listing(), len(one.world.calls)
    one.side("b", "b").check(side(one).describe())
    one.side("b", "b").stand_up(side(one).describe())
    assert one.listing() == before
    assert [call for call in one.world.calls[calls:] if not call.startswith(READING)] == []


@pytest.mark.parametrize("newer", [False, True])
def test_killed_at_every_call_it_is_as_before_or_gone_and_what_feeds_it_feeds_b(one: Account, newer: bool) -> None:
    classic(one, HTTP, HTTPS)
    held = scaling(one, "asg", [], ("i-1", "i-7"))
    held["_newer_names" if newer else "LoadBalancerNames"] = ["old"]
    before, plan = one.listing(), side(one).describe()
    written = killed(one, lambda: one.side("b", "b").stand_up(plan))
    assert (written["AddTags"], written["AttachLoadBalancerTargetGroups"], written["CreateTargetGroup"]) == (1, 1, 1)
    assert one.world.classics["old"]["_tags"]["lbmigrate:retiring"] == MIGRATION
    killed(one, one.side("b", "b").stop)
    assert one.listing() == before
    killed(one, lambda: one.side("b", "b").stand_up(plan))
    detached = "DetachTrafficSources" if newer else "DetachLoadBalancers"
    assert killed(one, side(one).stop) == {detached: 1, "DeleteLoadBalancer": 1}
    assert (one.world.classics, held["LoadBalancerNames"], held.get("_newer_names", [])) == ({}, [], [])
    (group,) = one.world.groups
    assert held["TargetGroupARNs"] == [group]
    assert {key[0] for key in one.world.targets[group]} == {"i-1", "i-2", "i-7"}
    side(one).stop()  # it is gone already


def test_one_that_is_kept_has_no_instances_and_is_else_as_it_was(one: Account) -> None:
    """Killed at every call."""
    classic(one, HTTP, HTTPS)
    held = scaling(one, "asg", [], ("i-1", "i-7"))
    held["LoadBalancerNames"] = ["old"]
    before = deepcopy(one.world.classics["old"])
    one.side("b", "b").stand_up(side(one).describe())
    a = side(one)
    assert isinstance(a, Emptying)
    assert set(killed(one, a.empty)) == {"DetachLoadBalancers", "DeregisterInstancesFromLoadBalancer", "RemoveTags"}
    a.empty()
    (b,) = one.world.balancers
    assert one.world.classics["old"]["_tags"].pop("lbmigrate:successor") == b
    assert one.world.classics["old"] == {**before, "Instances": []}
    (group,) = one.world.groups
    assert ({key[0] for key in one.world.targets[group]}, held["LoadBalancerNames"]) == ({"i-1", "i-2", "i-7"}, [])
    one.elb.delete_load_balancer(LoadBalancerArn=b)
    with pytest.raises(Refused, match="emptying the Classic Load Balancer old: it does not carry the mark"):
        a.empty()


def killed(one: Account, act: Callable[[], object]) -> Counter[str]:
    """The writes of an act that is ended by the lost answer to each of them, and begun again until it ends."""
    begun, one.world.faults.lose = len(one.world.calls), True
    for _ in range(100):
        try:
            act()
        except Unreachable:
            continue
        one.world.faults.lose = False
        return Counter(call for call in one.world.calls[begun:] if not call.startswith(READING))
    raise AssertionError("a hundred times without an end")


def test_another_one_of_its_name_is_left_alone(one: Account) -> None:
    elb = classic(one, HTTP)
    plan = side(one).describe()
    elb.delete_load_balancer(LoadBalancerName="old")
    classic(one, HTTP)
    with pytest.raises(Refused, match="another one has its name"):
        one.side("b", "b").stand_up(plan)
    with pytest.raises(Refused, match=f"does not carry the mark of {MIGRATION}"):
        side(one).stop()
    elb.add_tags(LoadBalancerNames=["old"], Tags=[{"Key": "lbmigrate:retiring", "Value": MIGRATION},
                 {"Key": "lbmigrate:host", "Value": "old-1.us-east-1.elb.amazonaws.com"}])  # fmt: skip
    with pytest.raises(Refused, match="see to it by hand"):  # tags can be copied, a host name is given once
        side(one).stop()
    assert "old" in one.world.classics


def test_it_is_replaced_once_at_a_time(one: Account) -> None:
    classic(one, HTTP)
    stood(one)
    with pytest.raises(Refused, match=f"replaced by the migration {MIGRATION} already"):
        one.side("b", "c", migration="other").stand_up(side(one).describe())


def test_it_is_not_retired_while_what_feeds_it_does_not_feed_b(one: Account) -> None:
    classic(one, HTTP)
    b = stood(one)["arn"]
    scaling(one, "asg", [], ("i-1",))["LoadBalancerNames"] = ["old"]
    off = [{"Key": "deletion_protection.enabled", "Value": "false"}]
    one.elb.modify_load_balancer_attributes(LoadBalancerArn=b, Attributes=off)
    one.elb.delete_load_balancer(LoadBalancerArn=b)
    with pytest.raises(Refused, match="asg feeds classic/old"):
        side(one).stop()
    assert "old" in one.world.classics


def test_it_is_never_b(one: Account) -> None:
    classic(one, HTTP)
    for act in (side(one).check, side(one).stand_up):
        with pytest.raises(Refused, match="not made any more"):
            act(side(one).describe())


# ---------------------------------------------------------------- its counters

DAY = 1_790_000_000.0 // SPAN * SPAN


def counted(one: Account, **done: int) -> None:
    for metric, number in done.items():
        metrics.count(one.world, "classic/old", metric, number)


def test_requests_are_counted_with_what_the_balancer_answered_itself(one: Account) -> None:
    hand = one.world.clock
    assert isinstance(hand, Hand)
    hand.now, one.world.delays.metrics = DAY, 120.0
    classic(one, HTTP)
    assert side(one).look().requests is None
    hand.now = DAY + 30
    counted(one, RequestCount=100, HTTPCode_Backend_5XX=7, HTTPCode_ELB_5XX=3, HTTPCode_ELB_4XX=2, SurgeQueueLength=4)
    hand.now = DAY + 250
    look = side(one).look()
    assert (look.requests, look.errors, look.active, look.as_of) == (105, 10, 4, DAY + 60)  # four wait for an instance
    hand.now = DAY + 3 * 3600
    counted(one, RequestCount=1, SurgeQueueLength=6)
    hand.now += 240
    look = side(one).look()
    assert (look.requests, look.as_of) == (106, DAY + 3 * 3600 + 60)
    assert look.active == 6
    assert look.process.endswith(f"since {DAY:.0f}")


def test_of_tcp_connections_those_that_were_turned_away_count_too(one: Account) -> None:
    hand = one.world.clock
    assert isinstance(hand, Hand)
    hand.now = DAY
    classic(one, TCP, check="TCP:2525")
    counted(one, RequestCount=5, SpilloverCount=2)
    hand.now = DAY + 200
    look = side(one).look()
    assert (look.requests, look.errors, look.active) == (7, None, None)


def test_without_instances_nothing_is_known(one: Account) -> None:
    classic(one, HTTP)
    one.world.classics["old"]["Instances"] = []
    a = side(one)
    assert counts(a._api, one.world.classics["old"], one.world.clock() + 600) is None


def test_sick_instances_are_named_as_b_names_them(one: Account) -> None:
    classic(one, HTTP)
    one.world.sick.add("i-2")
    a, b = side(one), one.side("b", "b")
    plan = a.describe()
    b.stand_up(plan)
    for backends in (plan.backends, a.look().backends, b.look().backends):
        assert [(each.pool, each.name, each.healthy) for each in backends] == [
            ("http-8080", "i-1:8080", True), ("http-8080", "i-2:8080", False),
        ]  # fmt: skip
