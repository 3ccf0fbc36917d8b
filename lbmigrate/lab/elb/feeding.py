"""Who else has to do with balancers: the calls of Auto Scaling and ECS, and CloudFront's listing.

A group's instances follow what it is attached to.
"""

from collections.abc import Callable
from typing import Any

from lbmigrate.lab.elb import grouping
from lbmigrate.lab.elb.state import ACCOUNT, REGION, Thing, World
from lbmigrate.lab.elb.wire import ApiError

ARN = f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:autoScalingGroup:1:autoScalingGroupName/"
PAGE, MOST = 2, 10  # things in one answer; target groups, or services to describe, in one call


def scaling_arn(name: str) -> str:
    """The ARN of an Auto Scaling group."""
    return f"{ARN}{name}"


def _paged(found: list[Any], key: str, given: Thing, token: str) -> Thing:
    start = int(given.get(token, "0"))
    rest = {token: str(start + PAGE)} if len(found) > start + PAGE else {}
    return {key: found[start : start + PAGE], **rest}


def _group(world: World, given: Thing) -> Thing:
    if given["AutoScalingGroupName"] not in world.scaling:
        raise ApiError("ValidationError", f"AutoScalingGroup name not found - {given['AutoScalingGroupName']}")
    return world.scaling[given["AutoScalingGroupName"]]


def _describe(world: World, given: Thing) -> Thing:
    """All of them; what was attached in either way is told as a traffic source."""
    every = [{**one, "TrafficSources": _sources(one)} for one in world.scaling.values()]
    shown = [{key: held for key, held in one.items() if not key.startswith("_")} for one in every]
    return _paged(shown, "AutoScalingGroups", given, "NextToken")


def _sources(group: Thing) -> list[Thing]:
    names = [*group["LoadBalancerNames"], *group.get("_newer_names", ())]
    arns = [*group["TargetGroupARNs"], *group.get("_newer", ())]
    found = [("elb", one) for one in names] + [("elbv2", one) for one in arns]
    return [{"Identifier": one, "Type": kind} for kind, one in found]


def _few(arns: list[str]) -> None:
    if len(arns) > MOST:
        raise ApiError("ValidationError", "at most 10 target groups")


def _attach(world: World, given: Thing) -> Thing:
    """Additive; the same again changes nothing."""
    group, arns = _group(world, given), given["TargetGroupARNs"]
    _few(arns)
    for arn in arns:
        if arn not in world.groups:
            raise ApiError("ValidationError", f"Provided Target Group '{arn}' has not been found")
    for arn in arns:
        if arn not in group["TargetGroupARNs"]:
            group["TargetGroupARNs"].append(arn)
        grouping.register_targets(world, {"TargetGroupArn": arn, "Targets": _instances(group)})
    return {}


def _detach(world: World, given: Thing) -> Thing:
    """Only what was attached by `_attach`'s call."""
    group, arns = _group(world, given), given["TargetGroupARNs"]
    _few(arns)
    if missing := [arn for arn in arns if arn not in group["TargetGroupARNs"]]:
        raise ApiError("ValidationError", f"Trying to remove Target Groups that are not part of the group: {missing}")
    for arn in arns:
        group["TargetGroupARNs"].remove(arn)
        _forget(world, group, arn)
    return {}


def _detach_sources(world: World, given: Thing) -> Thing:
    """Only what was attached as a traffic source."""
    group = _group(world, given)
    asked = [
        ("_newer_names" if one["Type"] == "elb" else "_newer", one["Identifier"]) for one in given["TrafficSources"]
    ]
    if missing := [one for key, one in asked if one not in group.get(key, ())]:
        raise ApiError("ValidationError", f"Trying to remove traffic sources that are not part of the group: {missing}")
    for key, one in asked:
        group[key].remove(one)
        _forget(world, group, one)
    return {}


def _detach_classic(world: World, given: Thing) -> Thing:
    """Only what was attached by its name."""
    group, names = _group(world, given), given["LoadBalancerNames"]
    if missing := [one for one in names if one not in group["LoadBalancerNames"]]:
        raise ApiError("ValidationError", f"Trying to remove Load Balancers that are not part of the group: {missing}")
    group["LoadBalancerNames"] = [one for one in group["LoadBalancerNames"] if one not in names]
    return {}


def _instances(group: Thing) -> list[Thing]:
    return [{"Id": one["InstanceId"]} for one in group["Instances"]]


def _forget(world: World, group: Thing, arn: str) -> None:
    if arn in world.groups:
        grouping.deregister_targets(world, {"TargetGroupArn": arn, "Targets": _instances(group)})


SCALING: dict[str, Callable[[World, Thing], Thing]] = {
    "DescribeAutoScalingGroups": _describe,
    "AttachLoadBalancerTargetGroups": _attach,
    "DetachLoadBalancerTargetGroups": _detach,
    "DetachLoadBalancers": _detach_classic,
    "DetachTrafficSources": _detach_sources,
}

# ---------------------------------------------------------------- ECS


def _cluster_arn(name: str) -> str:
    return f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{name}"


def _clusters(world: World, given: Thing) -> Thing:
    return _paged([_cluster_arn(one) for one in world.clusters], "clusterArns", given, "nextToken")


def _of(world: World, given: Thing) -> list[Thing]:
    name = str(given["cluster"]).rpartition("/")[2]
    if name not in world.clusters:
        raise ApiError("ClusterNotFoundException", "Cluster not found.")
    return [{**one, "clusterArn": _cluster_arn(name)} for one in world.clusters[name]]


def _services(world: World, given: Thing) -> Thing:
    return _paged([one["serviceArn"] for one in _of(world, given)], "serviceArns", given, "nextToken")


def _describe_services(world: World, given: Thing) -> Thing:
    if len(given["services"]) > MOST:
        raise ApiError("InvalidParameterException", "at most 10 services")
    return {"services": [one for one in _of(world, given) if one["serviceArn"] in given["services"]], "failures": []}


CONTAINERS: dict[str, Callable[[World, Thing], Thing]] = {
    "ListClusters": _clusters,
    "ListServices": _services,
    "DescribeServices": _describe_services,
}


# ---------------------------------------------------------------- CloudFront


def list_distributions(world: World, marker: str) -> Thing:
    """A page of them, from a number on."""
    start, every = int(marker or "0"), world.distributions
    rest = {"NextMarker": str(start + PAGE)} if len(every) > start + PAGE else {}
    page = every[start : start + PAGE]
    items = {"Items": page} if page else {}  # AWS leaves out an empty list
    return {"Marker": marker, "MaxItems": PAGE, "IsTruncated": bool(rest), "Quantity": len(page), **items, **rest}
