"""Classic Load Balancers of a laboratory's account, made through boto3 as anybody would make them."""

from typing import Any

from elbs import CERT, Account, Thing, tagged

from lbmigrate import aws
from lbmigrate.balancers.elbv2.api import Api
from lbmigrate.balancers.elbv2.classic.side import Classic
from lbmigrate.balancers.elbv2.side import reach
from lbmigrate.lab.elb.state import REGION
from lbmigrate.model import Side

HTTP = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstanceProtocol": "HTTP", "InstancePort": 8080}
HTTPS = {"Protocol": "HTTPS", "LoadBalancerPort": 443, "InstanceProtocol": "HTTP", "InstancePort": 8080,
         "SSLCertificateId": f"{CERT}1"}  # fmt: skip
TCP = {"Protocol": "TCP", "LoadBalancerPort": 25, "InstanceProtocol": "TCP", "InstancePort": 2525}
SSL = {"Protocol": "SSL", "LoadBalancerPort": 993, "InstanceProtocol": "SSL", "InstancePort": 9993,
       "SSLCertificateId": "arn:aws:iam::123456789012:server-certificate/mail"}  # fmt: skip


def api(one: Account) -> Any:
    """boto3's client of the older API."""
    return aws.client("elb", aws.Reach(REGION, "", one.endpoint), 10)


def side(one: Account, name: str = "old", **more: str) -> Classic:
    """It as A."""
    place = {"side": "a", "migration": "web-2026", "name": name, "classic": "true", "region": REGION, **more}
    a = Side("elbv2", (), place=tuple({**place, "endpoint": one.endpoint}.items()))
    return Classic(a, Api(reach(a)), one.world.clock)


def made(one: Account) -> Side:
    """It as the config has it."""
    return side(one)._side


def classic(one: Account, *listeners: Thing, name: str = "old", check: str = "HTTP:8080/up", **more: Any) -> Any:
    """A Classic Load Balancer with two instances; boto3's client, to change it by."""
    elb, subnets = api(one), more.pop("Subnets", ["subnet-1", "subnet-2"])
    elb.create_load_balancer(
        LoadBalancerName=name, Listeners=[*listeners], Subnets=subnets, SecurityGroups=["sg-1"],
        Tags=tagged(team="web"), **more,
    )  # fmt: skip
    elb.configure_health_check(LoadBalancerName=name, HealthCheck={
        "Target": check, "Interval": 10, "Timeout": 4, "UnhealthyThreshold": 3, "HealthyThreshold": 2})  # fmt: skip
    elb.register_instances_with_load_balancer(
        LoadBalancerName=name, Instances=[{"InstanceId": "i-1"}, {"InstanceId": "i-2"}]
    )
    change(elb, name, CrossZoneLoadBalancing={"Enabled": True}, ConnectionDraining={"Enabled": True, "Timeout": 45})
    return elb


def change(elb: Any, name: str = "old", **attributes: Any) -> None:
    """Some attributes given other values."""
    elb.modify_load_balancer_attributes(LoadBalancerName=name, LoadBalancerAttributes=attributes)


def policy(elb: Any, port: int, kind: str, name: str = "old", **attributes: str) -> None:
    """A listener given a policy, beside those that it has."""
    there = elb.describe_load_balancers(LoadBalancerNames=[name])["LoadBalancerDescriptions"][0]
    held = [one["PolicyNames"] for one in there["ListenerDescriptions"] if one["Listener"]["LoadBalancerPort"] == port]
    called = f"{kind[:8]}-{port}"
    given = [{"AttributeName": key.replace("_", "-"), "AttributeValue": one} for key, one in attributes.items()]
    elb.create_load_balancer_policy(
        LoadBalancerName=name, PolicyName=called, PolicyTypeName=kind, PolicyAttributes=given
    )
    kept = [] if kind == "SSLNegotiationPolicyType" else held[0]
    elb.set_load_balancer_policies_of_listener(
        LoadBalancerName=name, LoadBalancerPort=port, PolicyNames=[*kept, called]
    )


def backward(elb: Any, kind: str, port: int = 2525) -> None:
    """A port of the instances given a policy."""
    elb.create_load_balancer_policy(LoadBalancerName="old", PolicyName="p", PolicyTypeName=kind)
    elb.set_load_balancer_policies_for_backend_server(LoadBalancerName="old", InstancePort=port, PolicyNames=["p"])
