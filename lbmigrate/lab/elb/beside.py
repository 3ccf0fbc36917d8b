"""The calls of other services that a migration of balancers needs, and what answers for all of them."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from lbmigrate.lab.elb import feeding, metrics, operations, wire
from lbmigrate.lab.elb.classic import CLASSIC
from lbmigrate.lab.elb.judging import permit
from lbmigrate.lab.elb.state import Thing, World
from lbmigrate.lab.elb.wire import ApiError


def _describe_addresses(world: World, given: Thing) -> Thing:
    asked = given.get("PublicIps", list(world.addresses.values()))
    if missing := sorted(set(asked) - set(world.addresses.values())):
        raise ApiError("InvalidAddress.NotFound", f"Address '{missing[0]}' not found.")
    found = [{"AllocationId": key, "PublicIp": one} for key, one in world.addresses.items() if one in asked]
    return {"Addresses": found}


def _describe_subnets(world: World, given: Thing) -> Thing:
    if missing := sorted(set(given["SubnetIds"]) - set(world.subnets)):
        raise ApiError("InvalidSubnetID.NotFound", f"The subnet ID '{missing[0]}' does not exist")
    found = [(one, world.subnets[one]) for one in given["SubnetIds"]]
    return {"Subnets": [{"SubnetId": key, "AvailabilityZone": one["zone"], "CidrBlock": one["cidr"],
                         "VpcId": one["vpc"]} for key, one in found]}  # fmt: skip


def _get_web_acl(world: World, given: Thing) -> Thing:
    if given["ResourceArn"] not in world.balancers:
        raise ApiError("WAFNonexistentItemException", "no such resource")
    arn = world.guarded.get(given["ResourceArn"])
    return {"WebACL": {"ARN": arn, "Name": "acl", "Id": "1"}} if arn else {}


def _associate_web_acl(world: World, given: Thing) -> Thing:
    if given["WebACLArn"] not in world.acls or given["ResourceArn"] not in world.balancers:
        raise ApiError("WAFNonexistentItemException", "no such ACL or resource")
    if world.seen(world.balancers[given["ResourceArn"]])["State"]["Code"] != "active":
        raise ApiError("WAFUnavailableEntityException", "the resource is not ready yet; retry")
    world.guarded[given["ResourceArn"]] = given["WebACLArn"]
    return {}


BESIDE: dict[str, dict[str, Callable[[World, Thing], Thing]]] = {
    "ec2": {"DescribeAddresses": _describe_addresses, "DescribeSubnets": _describe_subnets},
    "cloudwatch": {"GetMetricData": metrics.get_metric_data},
    "wafv2": {"GetWebACLForResource": _get_web_acl, "AssociateWebACL": _associate_web_acl},
    "autoscaling": feeding.SCALING,
    "ecs": feeding.CONTAINERS,
    "elb": CLASSIC,
}

LISTING = "/2020-05-31/distribution"
READING = ("Describe", "Get", "List")  # how the calls begin that change nothing


def answered(world: World, authorization: str, target: str, body: bytes) -> tuple[int, bytes]:
    """Status and body for one request; what is answered well is noted in `world.calls`. Raises Lost."""
    service = "elbv2"
    try:
        service = wire.service_of(authorization, body)
        name, given = wire.request(service, target, body)
        if world.faults.throttle:
            world.faults.throttle -= 1
            raise ApiError("Throttling", "Rate exceeded")
        if world.faults.known and not world.faults.known(wire.key_of(authorization)):
            raise ApiError("InvalidClientTokenId", "The security token included in the request is invalid.", 403)
        permit(world, service, name, given)
        do = operations.OPERATIONS.get(name) if service == "elbv2" else BESIDE[service].get(name)
        if do is None:
            raise ApiError("InvalidAction", f"{name} is not in this laboratory")
        found = do(world, given)
    except ApiError as wrong:
        return wrong.status, wire.refusal(service, wrong)
    world.calls.append(name)
    if world.faults.lose and not name.startswith(READING):
        raise Lost
    return 200, wire.answer(service, name, found)


def got(world: World, path: str) -> tuple[int, bytes]:
    """Status and body for a request by GET: CloudFront's listing."""
    name, asked = "ListDistributions", urlsplit(path)
    query = parse_qs(asked.query)
    try:
        if asked.path != LISTING:
            raise ApiError("InvalidAction", f"{asked.path} is not in this laboratory", 404)
        permit(world, "cloudfront", name, {})
        found = feeding.list_distributions(world, query.get("Marker", [""])[0])
    except ApiError as wrong:
        return wrong.status, wire.refusal("cloudfront", wrong)
    world.calls.append(name)
    return 200, wire.listing(found)


class Lost(Exception):
    """Done, but the answer does not come."""
