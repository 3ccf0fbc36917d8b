"""The balancers themselves; what is refused changes nothing."""

from lbmigrate.lab.elb import rules
from lbmigrate.lab.elb.common import attributes, paged
from lbmigrate.lab.elb.listening import delete_listener
from lbmigrate.lab.elb.state import ARN, REGION, Thing, World
from lbmigrate.lab.elb.wire import ApiError

HOSTED = {"application": "Z35SXDOTRQ7X7K", "network": "Z26RNL4JYFTOTI"}  # us-east-1, by AWS's list of endpoints
BALANCER = {
    "application": {"idle_timeout.timeout_seconds": "60", "routing.http2.enabled": "true",
                    "routing.http.drop_invalid_header_fields.enabled": "false", "client_keep_alive.seconds": "3600",
                    "routing.http.desync_mitigation_mode": "defensive",
                    "access_logs.s3.enabled": "false", "access_logs.s3.bucket": "", "access_logs.s3.prefix": "",
                    "deletion_protection.enabled": "false"},
    "network": {"load_balancing.cross_zone.enabled": "false", "access_logs.s3.enabled": "false",
                "access_logs.s3.bucket": "", "access_logs.s3.prefix": "", "deletion_protection.enabled": "false",
                "dns_record.client_routing_policy": "any_availability_zone"},
}  # fmt: skip
SETTINGS = ("Scheme", "Type", "IpAddressType", "SecurityGroups", "_mappings")


def create_load_balancer(world: World, given: Thing) -> Thing:
    """A new one; the same again is the one that is there."""
    kind, scheme = given.get("Type", "application"), given.get("Scheme", "internet-facing")
    rules.name(given["Name"], "load balancer")
    mappings = given.get("SubnetMappings") or [{"SubnetId": one} for one in given.get("Subnets", ())]
    made = {"LoadBalancerName": given["Name"], "Type": kind, "Scheme": scheme, "_mappings": mappings,
            "SecurityGroups": given.get("SecurityGroups", []),
            "IpAddressType": given.get("IpAddressType", "ipv4")}  # fmt: skip
    tags = rules.tags(given.get("Tags", ()))
    for there in world.balancers.values():
        if there["LoadBalancerName"] == given["Name"]:
            if any(there[key] != made[key] for key in SETTINGS) or tags != world.tags[there["LoadBalancerArn"]]:
                raise ApiError("DuplicateLoadBalancerName", "A load balancer with the same name exists")
            return {"LoadBalancers": [world.seen(there)]}
    rules.subnets(world, kind, scheme, mappings)
    number = world.fresh()
    arn = f"{ARN}:loadbalancer/{'app' if kind == 'application' else 'net'}/{given['Name']}/{number}"
    where = f"{REGION}.elb" if kind == "application" else f"elb.{REGION}"
    unique = number[-10:] if kind == "application" else number
    dns = f"{'internal-' if scheme == 'internal' else ''}{given['Name']}-{unique}.{where}.amazonaws.com"
    world.balancers[arn] = {
        **made, "LoadBalancerArn": arn, "DNSName": dns, "CanonicalHostedZoneId": HOSTED[kind],
        "CreatedTime": world.clock(), "VpcId": world.subnets[mappings[0]["SubnetId"]]["vpc"],
        "AvailabilityZones": [_zone(world, one) for one in mappings],
    }  # fmt: skip
    world.attributes[arn], world.tags[arn] = dict(BALANCER[kind]), tags
    return {"LoadBalancers": [world.seen(world.balancers[arn])]}


def _zone(world: World, mapping: Thing) -> Thing:
    held = {key: one for key, one in mapping.items() if key != "SubnetId"}
    if "AllocationId" in held:
        held["IpAddress"] = world.addresses[held["AllocationId"]]
    return {"SubnetId": mapping["SubnetId"], "ZoneName": world.subnets[mapping["SubnetId"]]["zone"],
            "LoadBalancerAddresses": [held] if held else []}  # fmt: skip


def describe_load_balancers(world: World, given: Thing) -> Thing:
    """By ARN, by name, or all."""
    arns, names = given.get("LoadBalancerArns"), given.get("Names")
    found = [one for arn, one in world.balancers.items()
             if (arns is None or arn in arns) and (names is None or one["LoadBalancerName"] in names)]  # fmt: skip
    if len(found) < len(arns or names or ()):
        raise ApiError("LoadBalancerNotFound", "One or more load balancers not found")
    return paged([world.seen(one) for one in found], "LoadBalancers", given)


def delete_load_balancer(world: World, given: Thing) -> Thing:
    """With its listeners and their rules; a missing one is no error."""
    arn = given["LoadBalancerArn"]
    if arn in world.balancers:
        if world.attributes[arn]["deletion_protection.enabled"] == "true":
            raise ApiError("OperationNotPermitted", f"Load balancer '{arn}' cannot be deleted because deletion "
                           "protection is enabled")  # fmt: skip
        for one in [key for key, there in world.listeners.items() if there["LoadBalancerArn"] == arn]:
            delete_listener(world, {"ListenerArn": one})
        for table in (world.balancers, world.attributes, world.tags, world.guarded):
            table.pop(arn, None)
    return {}


describe_load_balancer_attributes, modify_load_balancer_attributes = attributes("LoadBalancer", "LoadBalancerArn")
