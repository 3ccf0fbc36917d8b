"""The requests that make again what a document tells, and whether what stands there is that. Pure.

A target group goes with one load balancer only (TargetGroupAssociationLimit), so every group is copied.
"""

import hashlib
import ipaddress
import re
from collections.abc import Mapping, Sequence

from lbmigrate.balancers.elbv2 import marks
from lbmigrate.balancers.elbv2.api import Thing, listed
from lbmigrate.errors import Refused

LONGEST = 32  # characters of a name
TRUST = ("Mode", "TrustStoreArn", "IgnoreClientCertificateExpiry", "AdvertiseTrustStoreCaNames")
GUARD = "deletion_protection.enabled"
_NAME = re.compile(r"(?!internal-)[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?")


def named(name: str) -> str:
    """A balancer's name. Raises Refused for one that AWS would not take."""
    if not _NAME.fullmatch(name):
        raise Refused(f"name {name!r}: at most {LONGEST} letters, digits and hyphens, not `internal-`; give another")
    return name


def group_name(migration: str, group: Thing) -> str:
    """The name of a group's copy: always the same, and nobody else's by chance."""
    digest = hashlib.sha256(f"{migration} {group['arn']}".encode()).hexdigest()[:12]
    return f"lbm-{digest}-{group['pool']}"[:LONGEST].rstrip("-")


def balancer(document: Thing, name: str, mappings: Sequence[Thing], migration: str) -> Thing:
    """The request that makes the balancer."""
    tags = marks.own(document["tags"]) | marks.made(migration, document["arn"])
    return {**document["balancer"], "Name": named(name), "SubnetMappings": list(mappings), "Tags": listed(tags)}


def group(document: Thing, migration: str) -> Thing:
    """The request that makes one group."""
    tags = marks.own(document["tags"]) | marks.made(migration, document["arn"]) | {marks.POOL: document["pool"]}
    return {**document["settings"], "Name": group_name(migration, document), "Tags": listed(tags)}


def listener(document: Thing, groups: Mapping[str, str]) -> Thing:
    """The settings of a listener, without its tags. `groups`: the ARN of each group's copy."""
    found: Thing = {key: document[key] for key in ("Port", "Protocol", "SslPolicy", "AlpnPolicy") if key in document}
    if document["certificates"]:
        found["Certificates"] = [{"CertificateArn": document["certificates"][0]}]
    if trust := document.get("MutualAuthentication"):
        found["MutualAuthentication"] = {key: trust[key] for key in TRUST if key in trust}
    return {**found, "DefaultActions": actions(document["actions"], groups)}


def rule(document: Thing, groups: Mapping[str, str]) -> Thing:
    """The settings of a rule, without its tags and priority."""
    conditions = [_condition(one) for one in document["conditions"]]
    found = {"Conditions": conditions, "Actions": actions(document["actions"], groups)}
    return {**found, "Transforms": document["transforms"]} if document["transforms"] else found


def _condition(given: Thing) -> Thing:
    """Values in one place: those that AWS tells twice are taken from the newer one."""
    newer = any(key.endswith("Config") for key in given)
    return {key: one for key, one in given.items() if not (newer and key in ("Values", "RegexValues"))}


def actions(given: Sequence[Thing], groups: Mapping[str, str]) -> list[Thing]:
    """Actions that forward to the copies, in their order."""
    return [_action(one, groups) for one in sorted(given, key=lambda one: int(one.get("Order", 0)))]


def _action(given: Thing, groups: Mapping[str, str]) -> Thing:
    found = {key: one for key, one in given.items() if key not in ("TargetGroupArn", "ForwardConfig")}
    if given["Type"] != "forward":
        return found
    forward = given.get("ForwardConfig") or {"TargetGroups": [{"TargetGroupArn": given["TargetGroupArn"]}]}
    moved = [{**one, "TargetGroupArn": groups[one["TargetGroupArn"]]} for one in forward["TargetGroups"]]
    return {**found, "ForwardConfig": {**forward, "TargetGroups": moved}}


def alike(wanted: object, there: object) -> bool:
    """Whether what stands there, as AWS tells it, is what is wanted; what it tells beyond that is its own default."""
    if isinstance(wanted, dict):
        return isinstance(there, dict) and all(alike(one, there.get(key)) for key, one in wanted.items())
    if isinstance(wanted, list):
        return isinstance(there, list) and len(wanted) == len(there) and all(map(alike, wanted, there))
    return wanted == there


def changed(wanted: Mapping[str, str], there: Mapping[str, str]) -> dict[str, str]:
    """The attributes that have another value there, with those that are wanted."""
    return {key: one for key, one in wanted.items() if there.get(key) != one}


# ---------------------------------------------------------------- addresses


def by_order(zones: Sequence[Thing], allocations: Sequence[str]) -> list[Thing]:
    """One Elastic IP to each subnet. Raises Refused where their numbers differ."""
    if len(zones) != len(allocations):
        raise Refused(f"addresses: {len(allocations)} Elastic IPs for {len(zones)} subnets; give one for each subnet")
    return [{"SubnetId": zone["subnet"], "AllocationId": one} for zone, one in zip(zones, allocations, strict=True)]


def by_network(
    mappings: Sequence[Thing], networks: Mapping[str, Sequence[str]], addresses: Sequence[str]
) -> list[Thing]:
    """Each address to the subnet whose network it is in. Raises Refused where one fits none, or a subnet has two."""
    found = [dict(one) for one in mappings]
    for text in addresses:
        address = ipaddress.ip_address(text)
        key = "PrivateIPv4Address" if address.version == 4 else "IPv6Address"
        inside = [one for one in found if any(address in ipaddress.ip_network(n) for n in networks[one["SubnetId"]])]
        if not inside or key in inside[0]:
            raise Refused(f"addresses: {text} is in none of A's subnets, or the second in one; give one for each")
        inside[0][key] = text
    return found
