"""A Classic Load Balancer with all that belongs to it, as its API tells it, in a fixed order."""

from collections.abc import Iterable

from lbmigrate.balancers.elbv2.api import Api, Thing, mapping
from lbmigrate.model import Backend

ATTRIBUTES = "PolicyAttributeDescriptions"  # left out where there are none
GONE = ("LoadBalancerNotFound",)
HEALTHY = {"InService": True, "OutOfService": False}


def find(api: Api, name: str) -> Thing | None:
    """The balancer of that name, None where there is none. Raises Denied, Unreachable."""
    page = api.do("describe_load_balancers", "elb", GONE, LoadBalancerNames=[name])
    found: list[Thing] = page.get("LoadBalancerDescriptions", [])
    return found[0] if found else None


def whole(api: Api, there: Thing) -> Thing:
    """It with its attributes, policies, tags and instances' health. Raises Denied, Unreachable."""
    name = there["LoadBalancerName"]
    attributes = api.do("describe_load_balancer_attributes", "elb", LoadBalancerName=name)
    policies = api.do("describe_load_balancer_policies", "elb", LoadBalancerName=name)
    return {
        "balancer": there,
        "attributes": attributes["LoadBalancerAttributes"],
        "policies": {one["PolicyName"]: _policy(one) for one in policies["PolicyDescriptions"]},
        "tags": tags(api, name),
        "health": health(api, name),
    }


def _policy(given: Thing) -> Thing:
    held = {one["AttributeName"]: one.get("AttributeValue", "") for one in given.get(ATTRIBUTES, ())}
    return {"type": given["PolicyTypeName"], "attributes": held}


def tags(api: Api, name: str) -> dict[str, str]:
    """Its tags. Raises Denied, Unreachable."""
    (found,) = api.do("describe_tags", "elb", LoadBalancerNames=[name])["TagDescriptions"]
    return mapping(found["Tags"])


def health(api: Api, name: str) -> dict[str, str]:
    """The state of each instance, in a fixed order. Raises Denied, Unreachable."""
    states = api.do("describe_instance_health", "elb", LoadBalancerName=name)["InstanceStates"]
    return {one["InstanceId"]: one["State"] for one in sorted(states, key=lambda one: str(one["InstanceId"]))}


def backends(pools: Iterable[tuple[str, int]], states: dict[str, str]) -> tuple[Backend, ...]:
    """Every instance at every port that it serves, named as B names its targets."""
    found = [
        Backend(pool, f"{instance}:{port}", instance, port, healthy=HEALTHY.get(state))
        for pool, port in pools
        for instance, state in states.items()
    ]
    return tuple(sorted(found, key=lambda one: (one.pool, one.name)))
