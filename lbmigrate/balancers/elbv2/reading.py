"""A balancer with all that belongs to it, as one document: what there is to make again. Nothing is left out unsaid.

What cannot be read back (a client's secret) or not be made by us is refused by name.
"""

from typing import Any

from lbmigrate.balancers.elbv2 import marks, scaling
from lbmigrate.balancers.elbv2.api import Api, Thing, mapping
from lbmigrate.errors import Denied, Refused
from lbmigrate.model import Backend

GONE = ("LoadBalancerNotFound",)
HEALTHY = {"healthy": True, "unavailable": None}  # unavailable: nobody checks; what is not here gets no traffic
KEPT = ("Type", "Scheme", "IpAddressType", "SecurityGroups", "EnablePrefixForIpv6SourceNat")
PRIVATE = "EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic"  # CreateLoadBalancer takes none; default: on
ADDRESS = ("AllocationId", "PrivateIPv4Address", "IPv6Address", "IpAddress")


def find(api: Api, name: str, arn: str = "") -> Thing | None:
    """The balancer of that ARN or name as AWS describes it, None where there is none. Raises Denied, Unreachable."""
    which: dict[str, Any] = {"LoadBalancerArns": [arn]} if arn else {"Names": [name]}
    found = api.every("describe_load_balancers", "LoadBalancers", GONE, **which)
    return found[0] if found else None


def groups_of(api: Api, arn: str) -> list[Thing]:
    """The target groups of one balancer, by name. Raises Denied, Unreachable."""
    assert arn, "without an ARN AWS would answer with all groups of the account"
    found = api.every("describe_target_groups", "TargetGroups", LoadBalancerArn=arn)
    return sorted(found, key=lambda one: str(one["TargetGroupName"]))


def document(api: Api, balancer: Thing) -> Thing:
    """All of it, in plain JSON and a fixed order. Raises Refused for what cannot be made again, Denied, Unreachable."""
    arn, about = balancer["LoadBalancerArn"], f"reading {balancer['LoadBalancerName']}"
    _kind(balancer, about)
    groups = groups_of(api, arn)
    tags = api.tags([arn, *(one["TargetGroupArn"] for one in groups)])
    return {
        "arn": arn,
        "balancer": {key: balancer[key] for key in KEPT if balancer.get(key)},
        "zones": sorted((_zone(one) for one in balancer["AvailabilityZones"]), key=lambda one: str(one["zone"])),
        "attributes": mapping(api.do("describe_load_balancer_attributes", LoadBalancerArn=arn)["Attributes"]),
        "tags": tags[arn],
        "acl": acl(api, balancer),
        "listeners": _listeners(api, arn, about),
        "groups": [_group(api, one, tags[one["TargetGroupArn"]]) for one in groups],
        "scaling": scaling.feeding(api, scaling.of_kind(groups, scaling.SCALED)),
        "services": scaling.services(api, scaling.of_kind(groups, scaling.SERVED)),
        "notes": [f"A has {PRIVATE} {balancer[PRIVATE]}; of B it is what AWS sets, until you set it (aws elbv2"
                  " set-security-groups)"] if balancer.get(PRIVATE, "on") != "on" else [],
    }  # fmt: skip


def _kind(balancer: Thing, about: str) -> None:
    if balancer["Type"] not in ("application", "network"):
        raise Refused(f"{about}: it is a {balancer['Type']} load balancer; only application and network ones are moved")
    if balancer.get("CustomerOwnedIpv4Pool") or any(one.get("OutpostId") for one in balancer["AvailabilityZones"]):
        raise Refused(f"{about}: it is on an Outpost; such balancers are not moved in this version")
    if balancer.get("IpamPools"):
        raise Refused(f"{about}: its addresses come from an IPAM pool; such balancers are not moved in this version")


def _zone(given: Thing) -> Thing:
    held = given.get("LoadBalancerAddresses") or [{}]
    return {"zone": given["ZoneName"], "subnet": given["SubnetId"], **{k: held[0][k] for k in ADDRESS if k in held[0]}}


def acl(api: Api, balancer: Thing) -> str:
    """The ARN of the web ACL that guards it, "" for none. To be barred from knowing is no answer: Denied."""
    if balancer["Type"] != "application":
        return ""
    try:
        found = api.do("get_web_acl_for_resource", "wafv2", ResourceArn=balancer["LoadBalancerArn"])
    except Denied as wrong:
        raise Denied(f"{wrong}; without wafv2:GetWebACLForResource B might stand unguarded") from wrong
    return str(found.get("WebACL", {}).get("ARN", ""))


# ---------------------------------------------------------------- listeners


def _listeners(api: Api, arn: str, about: str) -> list[Thing]:
    found = api.every("describe_listeners", "Listeners", LoadBalancerArn=arn)
    return [_listener(api, one, about) for one in sorted(found, key=lambda one: int(one["Port"]))]


def rules_of(api: Api, listener: Thing) -> list[Thing]:
    """A listener's rules beside the default one, by priority. Raises Denied, Unreachable."""
    if listener["Protocol"] not in ("HTTP", "HTTPS"):
        return []
    found = api.every("describe_rules", "Rules", ListenerArn=listener["ListenerArn"])
    return sorted((one for one in found if not one["IsDefault"]), key=lambda one: int(one["Priority"]))


def _listener(api: Api, given: Thing, about: str) -> Thing:
    arn, where = given["ListenerArn"], f"{about}, listener {given['Port']}"
    rules = rules_of(api, given)
    tags = api.tags([arn, *(one["RuleArn"] for one in rules)])
    for one in (given["DefaultActions"], *(rule["Actions"] for rule in rules)):
        _movable(one, where)
    keys = ("Port", "Protocol", "SslPolicy", "AlpnPolicy", "MutualAuthentication")
    return {
        "arn": arn,
        **{key: given[key] for key in keys if given.get(key)},
        "certificates": certificates(api, given),
        "actions": given["DefaultActions"],
        "attributes": mapping(api.do("describe_listener_attributes", ListenerArn=arn)["Attributes"]),
        "tags": tags[arn],
        "rules": [_rule(one, tags[one["RuleArn"]]) for one in rules],
    }


def certificates(api: Api, listener: Thing) -> list[str]:
    """The ARNs of a listener's certificates, the default one first. Raises Denied, Unreachable."""
    if listener["Protocol"] not in ("HTTPS", "TLS"):
        return []
    found = api.every("describe_listener_certificates", "Certificates", ListenerArn=listener["ListenerArn"])
    default = [one["CertificateArn"] for one in found if one.get("IsDefault")]
    return [*default, *sorted({one["CertificateArn"] for one in found} - {*default})]


def _rule(given: Thing, tags: dict[str, str]) -> Thing:
    found = {"priority": int(given["Priority"]), "conditions": given["Conditions"], "actions": given["Actions"]}
    return {**found, "transforms": given.get("Transforms", []), "tags": tags, "arn": given["RuleArn"]}


def _movable(actions: list[Thing], where: str) -> None:
    if any(one["Type"] == "authenticate-oidc" for one in actions):
        raise Refused(
            f"{where}: it authenticates by OIDC, and AWS does not tell the client's secret, so that B cannot be given"
            " it; use authenticate-cognito, or make B by hand"
        )


# ---------------------------------------------------------------- groups


def _group(api: Api, given: Thing, tags: dict[str, str]) -> Thing:
    arn = given["TargetGroupArn"]
    left = ("TargetGroupArn", "TargetGroupName", "LoadBalancerArns")
    return {
        "arn": arn,
        "pool": pool(given, tags),
        "settings": {key: one for key, one in sorted(given.items()) if key not in left and one is not None},
        "attributes": mapping(api.do("describe_target_group_attributes", TargetGroupArn=arn)["Attributes"]),
        "tags": tags,
        "targets": targets(api, arn),
    }


def pool(group: Thing, tags: marks.Tags) -> str:
    """The name that a group's targets are told by: a copy's are told by its original's."""
    return tags.get(marks.POOL) or str(group["TargetGroupName"])


def health(api: Api, group: str) -> list[Thing]:
    """Every target of a group and how it is, in a fixed order. Raises Denied, Unreachable."""
    found = api.do("describe_target_health", TargetGroupArn=group)["TargetHealthDescriptions"]
    return sorted(found, key=lambda one: (str(one["Target"]["Id"]), int(one["Target"].get("Port", 0))))


def targets(api: Api, group: str) -> list[Thing]:
    """The targets of a group that are not on their way out. Raises Denied, Unreachable."""
    return [one["Target"] for one in health(api, group) if "draining" not in one["TargetHealth"]["State"]]


def backends(api: Api, groups: list[Thing]) -> tuple[Backend, ...]:
    """Every target of these groups. Raises Denied, Unreachable."""
    tags = api.tags([one["TargetGroupArn"] for one in groups])
    each = [(pool(one, tags[one["TargetGroupArn"]]), health(api, one["TargetGroupArn"])) for one in groups]
    return tuple(sorted((_backend(name, one) for name, found in each for one in found), key=lambda b: (b.pool, b.name)))


def _backend(pool_: str, given: Thing) -> Backend:
    target, state = given["Target"], given["TargetHealth"]["State"]
    port = int(target.get("Port", 0))
    name = f"{target['Id']}:{port}" if port else str(target["Id"])
    return Backend(
        pool_, name, target["Id"], port, 1, "drain" if "draining" in state else "ready", HEALTHY.get(state, False)
    )
