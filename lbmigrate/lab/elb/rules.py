"""What Elastic Load Balancing refuses, by its documents; raises ApiError."""

import ipaddress
import re
from collections.abc import Collection, Sequence

from lbmigrate.lab.elb.state import Thing, World, groups_of
from lbmigrate.lab.elb.wire import ApiError

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?")
ALB, NLB = ("HTTP", "HTTPS"), ("TCP", "TLS", "UDP", "TCP_UDP")
SECURE = ("HTTPS", "TLS")
MOST_TAGS, MOST_DESCRIBED = 50, 20


def name(text: str, kind: str) -> None:
    """At most 32 letters, digits and hyphens, none of these at either end."""
    if not _NAME.fullmatch(text) or (kind == "load balancer" and text.startswith("internal-")):
        raise ApiError("ValidationError", f"The {kind} name '{text}' is not valid")


def tags(given: Sequence[Thing]) -> dict[str, str]:
    """Tags as a mapping."""
    found = {one["Key"]: one.get("Value", "") for one in given}
    if len(found) != len(given):
        raise ApiError("DuplicateTagKeys", "A tag key was specified more than once")
    if len(found) > MOST_TAGS:
        raise ApiError("TooManyTags", "too many tags")
    if any(key.lower().startswith("aws:") for key in found):
        raise ApiError("ValidationError", "tag keys that begin with aws: are reserved")
    return found


def subnets(world: World, kind: str, scheme: str, mappings: Sequence[Thing]) -> None:
    """Every subnet is there, in a zone of its own; addresses fit the scheme and are free."""
    found = [world.subnets.get(one["SubnetId"]) for one in mappings]
    if None in found:
        raise ApiError("SubnetNotFound", "a subnet does not exist")
    zones = [one["zone"] for one in found if one]
    if len(set(zones)) != len(zones):
        raise ApiError("InvalidConfigurationRequest", "A load balancer cannot be attached to two subnets of a zone")
    if kind == "application" and len(zones) < 2:
        raise ApiError("ValidationError", "At least two subnets in two different Availability Zones must be specified")
    for one, subnet in zip(mappings, found, strict=True):
        _address(world, kind, scheme, one, subnet or {})


def _address(world: World, kind: str, scheme: str, mapping: Thing, subnet: Thing) -> None:
    allocation, private = mapping.get("AllocationId"), mapping.get("PrivateIPv4Address")
    if (allocation or private) and kind != "network":
        raise ApiError("InvalidConfigurationRequest", "addresses are for Network Load Balancers")
    if allocation and (scheme != "internet-facing" or allocation not in world.addresses):
        raise ApiError("AllocationIdNotFound", f"The allocation ID '{allocation}' does not exist")
    if private and (scheme != "internal" or ipaddress.ip_address(private) not in ipaddress.ip_network(subnet["cidr"])):
        raise ApiError("InvalidConfigurationRequest", f"{private} is not in the subnet, or the scheme is not internal")
    taken = [m for other in world.balancers.values() for m in other["_mappings"]]
    if any((allocation and m.get("AllocationId") == allocation) or (private and m.get("PrivateIPv4Address") == private)
           for m in taken):  # fmt: skip
        raise ApiError("ResourceInUse", "The address is in use")


def listener(world: World, balancer: Thing, given: Thing, own: str = "") -> None:
    """A listener as it would be."""
    arn, protocol, port = balancer["LoadBalancerArn"], str(given.get("Protocol")), given.get("Port")
    kinds = ALB if balancer["Type"] == "application" else NLB
    if protocol not in kinds or not port:
        raise ApiError("UnsupportedProtocol", f"protocol {protocol}, port {port}")
    taken = [one for one in world.listeners.values() if one["LoadBalancerArn"] == arn and one["Port"] == port]
    if any(one["ListenerArn"] != own for one in taken):
        raise ApiError("DuplicateListener", f"A listener already exists on this port: {port}")
    if (protocol in SECURE) != bool(given.get("Certificates")):
        raise ApiError("ValidationError", "A certificate must be specified for secure listeners, and for them only")
    if len(given.get("Certificates", ())) > 1 or any("IsDefault" in one for one in given.get("Certificates", ())):
        raise ApiError("ValidationError", "exactly one certificate, without IsDefault")
    if given.get("SslPolicy") and protocol not in SECURE:
        raise ApiError("ValidationError", "an SSL policy needs a secure listener")
    if given.get("AlpnPolicy") and protocol != "TLS":
        raise ApiError("ALPNPolicyNotSupported", "ALPN is for TLS listeners")
    _mutual(protocol, given.get("MutualAuthentication", {}))
    actions(world, balancer, given.get("DefaultActions", ()))


def _mutual(protocol: str, given: Thing) -> None:
    if given and protocol != "HTTPS":
        raise ApiError("InvalidConfigurationRequest", "mutual authentication is for HTTPS listeners")
    if "TrustStoreAssociationStatus" in given or (given.get("Mode") == "verify") != ("TrustStoreArn" in given):
        raise ApiError("ValidationError", "a trust store is for the mode verify; its status is not to be given")


def actions(world: World, balancer: Thing, given: Sequence[Thing]) -> None:
    """The actions of a listener or a rule: one of them last that answers, groups that no other balancer has."""
    kinds = [one["Type"] for one in sorted(given, key=lambda one: one.get("Order", 0))]
    final = [kind for kind in kinds if kind in ("forward", "redirect", "fixed-response")]
    if len(final) != 1 or kinds[-1] != final[0]:
        raise ApiError("InvalidLoadBalancerAction", "exactly one forward, redirect or fixed-response, and it last")
    if len(kinds) > 1 and any("Order" not in one for one in given):
        raise ApiError("ValidationError", "several actions need an order")
    for one in given:
        if one["Type"] == "authenticate-oidc" and "ClientSecret" not in one["AuthenticateOidcConfig"]:
            raise ApiError("InvalidLoadBalancerAction", "A client secret must be specified")
        forward = one.get("ForwardConfig", {}).get("TargetGroups", ())
        if "TargetGroupArn" in one and forward and [one["TargetGroupArn"]] != [g["TargetGroupArn"] for g in forward]:
            raise ApiError("InvalidLoadBalancerAction", "TargetGroupArn and ForwardConfig do not match")
    for group in groups_of(list(given)):
        _group(world, balancer, group)


def _group(world: World, balancer: Thing, group: str) -> None:
    protocol = world.one("TargetGroup", group).get("Protocol", "HTTP")
    if (protocol in ALB) != (balancer["Type"] == "application"):
        raise ApiError("InvalidConfigurationRequest", f"a group of protocol {protocol} does not go with this balancer")
    if set(world.used(group)) - {balancer["LoadBalancerArn"]}:
        raise ApiError("TargetGroupAssociationLimit", "The group cannot be associated with more than one load balancer")


def conditions(given: Sequence[Thing]) -> None:
    """Each has a field and values in one place."""
    if not given:
        raise ApiError("ValidationError", "A rule must have a condition")
    for one in given:
        places = [key for key in one if key != "Field"]
        if "Field" not in one or len(places) != 1:
            raise ApiError("InvalidConfigurationRequest", f"a field, and values in one place, not {sorted(one)}")


def targets(world: World, group: Thing, given: Sequence[Thing]) -> None:
    """Targets fit the type of their group."""
    kind = group["TargetType"]
    for one in given:
        if kind == "ip" and not _is_address(one["Id"]):
            raise ApiError("ValidationError", f"The IP address '{one['Id']}' is not a valid IPv4 address")
        if kind == "instance" and not one["Id"].startswith("i-"):
            raise ApiError("InvalidTarget", f"The following targets are not instances: {one['Id']}")
        if kind == "alb" and one["Id"] not in world.balancers:
            raise ApiError("InvalidTarget", f"no Application Load Balancer {one['Id']}")
        if kind == "lambda" and group["TargetGroupArn"] not in world.invocable and "*" not in world.invocable:
            raise ApiError("AccessDenied", "elasticloadbalancing principal does not have permission to invoke "
                           f"{one['Id']} from target group {group['TargetGroupArn']}", 403)  # fmt: skip
        if kind == "lambda" and ("Port" in one or len(given) > 1):
            raise ApiError("ValidationError", "one function, without a port")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def attributes(known: Collection[str], given: Sequence[Thing]) -> dict[str, str]:
    """Attributes as a mapping; each must be one that such a thing has."""
    if unknown := sorted({one["Key"] for one in given} - set(known)):
        raise ApiError("ValidationError", f"attribute key {unknown[0]!r} is not recognized")
    return {one["Key"]: one.get("Value", "") for one in given}
