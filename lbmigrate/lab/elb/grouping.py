"""Target groups and their targets; what is refused changes nothing."""

from lbmigrate.lab.elb import rules
from lbmigrate.lab.elb.common import attributes, paged
from lbmigrate.lab.elb.state import ARN, Thing, World, shown
from lbmigrate.lab.elb.wire import ApiError

GROUP = {"deregistration_delay.timeout_seconds": "300", "stickiness.enabled": "false", "stickiness.type": "lb_cookie",
         "stickiness.lb_cookie.duration_seconds": "86400", "slow_start.duration_seconds": "0",
         "load_balancing.algorithm.type": "round_robin", "preserve_client_ip.enabled": "false",
         "proxy_protocol_v2.enabled": "false", "stickiness.app_cookie.cookie_name": "",
         "stickiness.app_cookie.duration_seconds": "86400",
         "load_balancing.cross_zone.enabled": "use_load_balancer_configuration"}  # fmt: skip

CHECKS = ("HealthCheckProtocol", "HealthCheckPort", "HealthCheckEnabled", "HealthCheckPath",
          "HealthCheckIntervalSeconds", "HealthCheckTimeoutSeconds", "HealthyThresholdCount",
          "UnhealthyThresholdCount", "Matcher")  # fmt: skip


def create_target_group(world: World, given: Thing) -> Thing:
    """A new one; the same again is the one that is there."""
    rules.name(given["Name"], "target group")
    kind, tags = given.get("TargetType", "instance"), rules.tags(given.get("Tags", ()))
    if kind != "lambda" and not {"Protocol", "Port", "VpcId"} <= given.keys():
        raise ApiError("ValidationError", "A protocol, a port and a VPC must be specified")
    made = {key: one for key, one in given.items() if key not in ("Name", "Tags")}
    made |= {"TargetType": kind, "TargetGroupName": given["Name"]}
    made = {"HealthCheckEnabled": kind != "lambda", "HealthCheckIntervalSeconds": 30, **made}
    for arn, there in world.groups.items():
        if there["TargetGroupName"] == given["Name"]:
            if shown(there) != {**made, "TargetGroupArn": arn} or tags != world.tags[arn]:
                raise ApiError("DuplicateTargetGroupName", "A target group with the same name exists")
            return {"TargetGroups": [_group(world, arn)]}
    arn = f"{ARN}:targetgroup/{given['Name']}/{world.fresh()}"
    world.groups[arn] = {**made, "TargetGroupArn": arn}
    world.attributes[arn], world.tags[arn], world.targets[arn] = dict(GROUP), tags, {}
    return {"TargetGroups": [_group(world, arn)]}


def _group(world: World, arn: str) -> Thing:
    return {**shown(world.groups[arn]), "LoadBalancerArns": world.used(arn)}


def describe_target_groups(world: World, given: Thing) -> Thing:
    """By balancer, by ARN, by name, or, without any of them, all."""
    found = [_group(world, arn) for arn in world.groups]
    if "LoadBalancerArn" in given:
        world.one("LoadBalancer", given["LoadBalancerArn"])
        found = [one for one in found if given["LoadBalancerArn"] in one["LoadBalancerArns"]]
    for key, field in (("TargetGroupArns", "TargetGroupArn"), ("Names", "TargetGroupName")):
        if given.get(key):
            found = [one for one in found if one[field] in given[key]]
            if len(found) < len(given[key]):
                raise ApiError("TargetGroupNotFound", "One or more target groups not found")
    return paged(found, "TargetGroups", given)


def modify_target_group(world: World, given: Thing) -> Thing:
    """Another health check."""
    there = world.one("TargetGroup", given["TargetGroupArn"])
    there |= {key: one for key, one in given.items() if key in CHECKS}
    return {"TargetGroups": [_group(world, given["TargetGroupArn"])]}


def delete_target_group(world: World, given: Thing) -> Thing:
    """One that no listener or rule names; a missing one is no error."""
    arn = given["TargetGroupArn"]
    if world.used(arn):
        raise ApiError("ResourceInUse", f"Target group '{arn}' is currently in use by a listener or a rule")
    for table in (world.groups, world.attributes, world.tags, world.targets):
        table.pop(arn, None)
    return {}


def _key(group: Thing, target: Thing) -> tuple[str, int]:
    return target["Id"], target.get("Port") or group.get("Port", 0)


def register_targets(world: World, given: Thing) -> Thing:
    """Each becomes initial, then healthy; one that is there stays as it is."""
    group = world.one("TargetGroup", given["TargetGroupArn"])
    rules.targets(world, group, given["Targets"])
    for one in given["Targets"]:
        key, mine = _key(group, one), world.targets[given["TargetGroupArn"]]
        told = {**one, **({"Port": key[1]} if key[1] else {})}
        if key not in mine or mine[key]["left"] is not None:
            mine[key] = {"target": told, "since": world.clock(), "left": None}
    return {}


def deregister_targets(world: World, given: Thing) -> Thing:
    """Each drains; an unknown one is no error."""
    group = world.one("TargetGroup", given["TargetGroupArn"])
    for one in given["Targets"]:
        there = world.targets[given["TargetGroupArn"]].get(_key(group, one))
        if there is not None and there["left"] is None:
            there["left"] = world.clock() + world.delays.drain
    return {}


def describe_target_health(world: World, given: Thing) -> Thing:
    """Every target of a group."""
    world.one("TargetGroup", given["TargetGroupArn"])
    return {"TargetHealthDescriptions": world.health(given["TargetGroupArn"])}


describe_target_group_attributes, modify_target_group_attributes = attributes("TargetGroup", "TargetGroupArn")
