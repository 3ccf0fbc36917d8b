"""Classic Load Balancers: their own API (elb, 2012-06-01), as far as they are made, read, marked and deleted."""

from collections.abc import Callable

from lbmigrate.lab.elb import rules
from lbmigrate.lab.elb.common import listed
from lbmigrate.lab.elb.state import REGION, Thing, World
from lbmigrate.lab.elb.wire import ApiError

ZONE = "Z35SXDOTRQ7X7K"  # us-east-1, by AWS's list of endpoints
DEFAULT = "ELBSecurityPolicy-2016-08"
SECURE = ("HTTPS", "SSL")
REFERENCE = "Reference-Security-Policy"
SSL_TYPE = "SSLNegotiationPolicyType"


def _one(world: World, name: str) -> Thing:
    if name not in world.classics:
        raise ApiError("LoadBalancerNotFound", f"There is no ACTIVE Load Balancer named '{name}'")
    return world.classics[name]


def _create(world: World, given: Thing) -> Thing:
    name, subnets = given["LoadBalancerName"], given.get("Subnets", [])
    rules.name(name, "load balancer")
    if name in world.classics:
        raise ApiError("DuplicateLoadBalancerName", f"Load Balancer named {name} already exists")
    listeners = [_listener(one) for one in given["Listeners"]]
    scheme = given.get("Scheme", "internet-facing")
    host = f"{'internal-' if scheme == 'internal' else ''}{name}-{int(world.fresh(), 16)}.{REGION}.elb.amazonaws.com"
    secure = [one for one in listeners if one["Listener"]["Protocol"] in SECURE]
    world.classics[name] = {
        "LoadBalancerName": name, "DNSName": host, "CanonicalHostedZoneName": host, "CanonicalHostedZoneNameID": ZONE,
        "ListenerDescriptions": listeners, "BackendServerDescriptions": [], "Instances": [], "Subnets": subnets,
        "AvailabilityZones": [world.subnets[one]["zone"] for one in subnets], "Scheme": scheme,
        "VPCId": world.subnets[subnets[0]]["vpc"] if subnets else None,
        "SecurityGroups": given.get("SecurityGroups", []), "CreatedTime": world.clock(),
        "HealthCheck": {"Target": f"TCP:{listeners[0]['Listener']['InstancePort']}", "Interval": 30, "Timeout": 5,
                        "UnhealthyThreshold": 2, "HealthyThreshold": 10},
        "_tags": rules.tags(given.get("Tags", ())),
        "_policies": {DEFAULT: {"PolicyTypeName": SSL_TYPE, "PolicyAttributeDescriptions":
                      [{"AttributeName": REFERENCE, "AttributeValue": DEFAULT}]}} if secure else {},
        "_attributes": {"CrossZoneLoadBalancing": {"Enabled": False}, "AccessLog": {"Enabled": False},
                        "ConnectionDraining": {"Enabled": False, "Timeout": 300},
                        "ConnectionSettings": {"IdleTimeout": 60},
                        "AdditionalAttributes": [{"Key": "elb.http.desyncmitigationmode", "Value": "defensive"}]},
    }  # fmt: skip
    return {"DNSName": host}


def _listener(given: Thing) -> Thing:
    secure = given["Protocol"] in SECURE
    if secure != ("SSLCertificateId" in given):
        raise ApiError("CertificateNotFound", "a certificate for secure listeners, and for them only")
    return {"Listener": {"InstanceProtocol": given["Protocol"], **given}, "PolicyNames": [DEFAULT] if secure else []}


def _describe(world: World, given: Thing) -> Thing:
    found = [_one(world, name) for name in given.get("LoadBalancerNames", list(world.classics))]
    shown = [{key: one for key, one in each.items() if not key.startswith("_")} for each in found]
    return {"LoadBalancerDescriptions": shown}


def _attributes(world: World, given: Thing) -> Thing:
    return {"LoadBalancerAttributes": _one(world, given["LoadBalancerName"])["_attributes"]}


def _modify(world: World, given: Thing) -> Thing:
    held = _one(world, given["LoadBalancerName"])["_attributes"]
    held |= given["LoadBalancerAttributes"]
    return {}


def _policies(world: World, given: Thing) -> Thing:
    held = _one(world, given["LoadBalancerName"])["_policies"]
    return {"PolicyDescriptions": [{"PolicyName": name, **one} for name, one in held.items()]}


def _policy(world: World, given: Thing) -> Thing:
    found = [{"AttributeName": one["AttributeName"], "AttributeValue": one.get("AttributeValue", "")}
             for one in given.get("PolicyAttributes", ())]  # fmt: skip
    held = _one(world, given["LoadBalancerName"])["_policies"]
    told = {"PolicyAttributeDescriptions": found} if found else {}
    held[given["PolicyName"]] = {"PolicyTypeName": given["PolicyTypeName"], **told}
    return {}


def _known(there: Thing, names: list[str]) -> list[str]:
    if missing := [one for one in names if one not in there["_policies"]]:
        raise ApiError("PolicyNotFound", f"no policy {missing[0]}")
    return names


def _of_listener(world: World, given: Thing) -> Thing:
    there = _one(world, given["LoadBalancerName"])
    for one in there["ListenerDescriptions"]:
        if one["Listener"]["LoadBalancerPort"] == given["LoadBalancerPort"]:
            one["PolicyNames"] = _known(there, given.get("PolicyNames", []))
    return {}


def _of_backend(world: World, given: Thing) -> Thing:
    there, port = _one(world, given["LoadBalancerName"]), given["InstancePort"]
    others = [one for one in there["BackendServerDescriptions"] if one["InstancePort"] != port]
    names = _known(there, given.get("PolicyNames", []))
    there["BackendServerDescriptions"] = [*others, *([{"InstancePort": port, "PolicyNames": names}] if names else [])]
    return {}


def _check(world: World, given: Thing) -> Thing:
    there = _one(world, given["LoadBalancerName"])
    there["HealthCheck"] = given["HealthCheck"]
    return {"HealthCheck": there["HealthCheck"]}


def _register(world: World, given: Thing) -> Thing:
    there = _one(world, given["LoadBalancerName"])
    there["Instances"] += [one for one in given["Instances"] if one not in there["Instances"]]
    return {"Instances": there["Instances"]}


def _deregister(world: World, given: Thing) -> Thing:
    """Unknown ones are no error."""
    there = _one(world, given["LoadBalancerName"])
    there["Instances"] = [one for one in there["Instances"] if one not in given["Instances"]]
    return {"Instances": there["Instances"]}


def _health(world: World, given: Thing) -> Thing:
    instances = [one["InstanceId"] for one in _one(world, given["LoadBalancerName"])["Instances"]]
    return {"InstanceStates": [{"InstanceId": one, "State": "OutOfService" if world.ill(one, None) else "InService"}
                               for one in instances]}  # fmt: skip


def _tags(world: World, given: Thing) -> Thing:
    held = [(name, _one(world, name)["_tags"]) for name in given["LoadBalancerNames"]]
    return {"TagDescriptions": [{"LoadBalancerName": name, "Tags": listed(tags)} for name, tags in held]}


def _add_tags(world: World, given: Thing) -> Thing:
    (name,) = given["LoadBalancerNames"]
    held = _one(world, name)["_tags"]
    held |= rules.tags(listed({**held, **rules.tags(given["Tags"])}))
    return {}


def _remove_tags(world: World, given: Thing) -> Thing:
    (name,) = given["LoadBalancerNames"]
    for one in given["Tags"]:
        _one(world, name)["_tags"].pop(one["Key"], None)
    return {}


def _delete(world: World, given: Thing) -> Thing:
    """A missing one is no error."""
    world.classics.pop(given["LoadBalancerName"], None)
    return {}


CLASSIC: dict[str, Callable[[World, Thing], Thing]] = {
    "AddTags": _add_tags,
    "ConfigureHealthCheck": _check,
    "CreateLoadBalancer": _create,
    "CreateLoadBalancerPolicy": _policy,
    "DeleteLoadBalancer": _delete,
    "DeregisterInstancesFromLoadBalancer": _deregister,
    "DescribeInstanceHealth": _health,
    "DescribeLoadBalancerAttributes": _attributes,
    "DescribeLoadBalancerPolicies": _policies,
    "DescribeLoadBalancers": _describe,
    "DescribeTags": _tags,
    "ModifyLoadBalancerAttributes": _modify,
    "RegisterInstancesWithLoadBalancer": _register,
    "RemoveTags": _remove_tags,
    "SetLoadBalancerPoliciesForBackendServer": _of_backend,
    "SetLoadBalancerPoliciesOfListener": _of_listener,
}
