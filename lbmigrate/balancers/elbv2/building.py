"""B from A's document: each thing is looked for first, made where it is not there, brought in line where it differs.

So a second run changes nothing, and one after a kill goes on where that was. Nothing is waited for here.
"""

import ipaddress
from collections.abc import Mapping, Sequence

from lbmigrate.balancers.elbv2 import copying, marks, reading
from lbmigrate.balancers.elbv2.api import Api, Thing, listed, mapping
from lbmigrate.balancers.elbv2.copying import GUARD, alike, changed
from lbmigrate.errors import Denied, Refused

CHECKS = (
    "HealthCheckProtocol", "HealthCheckPort", "HealthCheckEnabled", "HealthCheckPath", "HealthCheckIntervalSeconds",
    "HealthCheckTimeoutSeconds", "HealthyThresholdCount", "UnhealthyThresholdCount", "Matcher",
)  # fmt: skip


def balancer(api: Api, document: Thing, name: str, addresses: Sequence[str], migration: str) -> str:
    """The ARN of B, made unless it is there. Raises Refused (another's, or another A's), Denied, Unreachable."""
    there = mine(api, document, name, migration)
    if there is None:
        request = copying.balancer(document, name, mappings(api, document, addresses), migration)
        there = api.do("create_load_balancer", **request)["LoadBalancers"][0]
        mine(api, document, name, migration)
    return str(there["LoadBalancerArn"])


def mine(api: Api, document: Thing, name: str, migration: str) -> Thing | None:
    """The balancer of B's name, None where there is none. Raises Refused (not ours, or made otherwise)."""
    there = reading.find(api, name)
    if there is None:
        return None
    about = f"the load balancer {name}"
    tags = api.tags([there["LoadBalancerArn"]])[there["LoadBalancerArn"]]
    if not marks.ours(tags, migration):
        raise Refused(f"{about} is there already and was not made for {migration}; give B another name, or delete it")
    subnets = {one["SubnetId"] for one in there["AvailabilityZones"]}
    same = alike(document["balancer"], there) and subnets == {one["subnet"] for one in document["zones"]}
    if tags.get(marks.OF) != document["arn"] or not same:
        raise Refused(f"{about} was made for another A, or A was changed since; delete it, then start again")
    return there


def mappings(api: Api, document: Thing, addresses: Sequence[str]) -> list[Thing]:
    """Which subnet B has which address in. Raises Refused, Denied, Unreachable."""
    zones: list[Thing] = document["zones"]
    if not addresses:
        return [{"SubnetId": one["subnet"]} for one in zones]
    v4 = [one for one in addresses if ipaddress.ip_address(one).version == 4]
    if document["balancer"]["Scheme"] == "internal":
        return copying.by_network([{"SubnetId": one["subnet"]} for one in zones], _networks(api, zones), addresses)
    found = copying.by_order(zones, [_allocation(api, one) for one in v4])
    v6 = [one for one in addresses if one not in v4]
    return copying.by_network(found, _networks(api, zones), v6) if v6 else found


def _allocation(api: Api, address: str) -> str:
    unless = ("InvalidAddress.NotFound",)
    found = api.do("describe_addresses", "ec2", unless, PublicIps=[address]).get("Addresses", ())
    if not found:
        raise Refused(f"addresses: {address} is no Elastic IP of this account and region; allocate it first")
    if found[0].get("AssociationId"):
        raise Refused(f"addresses: {address} is in use already ({found[0]['AssociationId']}); give B one that is free")
    return str(found[0]["AllocationId"])


def _networks(api: Api, zones: Sequence[Thing]) -> dict[str, list[str]]:
    """The networks of each subnet."""
    found = api.do("describe_subnets", "ec2", SubnetIds=[one["subnet"] for one in zones])["Subnets"]
    v6 = "Ipv6CidrBlockAssociationSet"
    return {one["SubnetId"]: [one["CidrBlock"], *(v["Ipv6CidrBlock"] for v in one.get(v6, ()))] for one in found}


# ---------------------------------------------------------------- groups


def groups(api: Api, document: Thing, migration: str) -> dict[str, str]:
    """The ARN of each group's copy, with every target. Raises Refused (another's), Denied, Unreachable."""
    fed = {arn for one in document["scaling"] for arn in one["feeds"]}
    return {one["arn"]: _group(api, one, migration, one["arn"] in fed) for one in document["groups"]}


def _group(api: Api, document: Thing, migration: str, fed: bool) -> str:
    request = copying.group(document, migration)
    found = api.do("describe_target_groups", unless=("TargetGroupNotFound",), Names=[request["Name"]])
    there = (found.get("TargetGroups") or api.do("create_target_group", **request)["TargetGroups"])[0]
    arn = str(there["TargetGroupArn"])
    if not marks.ours(api.tags([arn])[arn], migration):
        raise Refused(
            f"the target group {request['Name']} is there already and was not made for {migration}; delete it"
        )
    checks = {key: one for key, one in document["settings"].items() if key in CHECKS}
    if not alike(checks, there):
        api.do("modify_target_group", TargetGroupArn=arn, **checks)
    _attributes(api, "target_group", "TargetGroupArn", arn, document["attributes"])
    _targets(api, arn, document["targets"], fed)
    return arn


def _attributes(api: Api, what: str, key: str, arn: str, wanted: Mapping[str, str]) -> None:
    there = mapping(api.do(f"describe_{what}_attributes", **{key: arn})["Attributes"])
    if differ := changed(wanted, there):
        api.do(f"modify_{what}_attributes", **{key: arn}, Attributes=listed(differ))


def _targets(api: Api, arn: str, wanted: Sequence[Thing], fed: bool) -> None:
    """Those that are wanted, and no others, unless an Auto Scaling group feeds it: that one may be ahead of us."""
    there = reading.targets(api, arn)
    if missing := [one for one in wanted if one not in there]:
        try:
            api.do("register_targets", TargetGroupArn=arn, Targets=missing)
        except Denied as wrong:
            raise Denied(f"{wrong}; a function must allow elasticloadbalancing.amazonaws.com for {arn}") from wrong
    if (gone := [one for one in there if one not in wanted]) and not fed:
        api.do("deregister_targets", TargetGroupArn=arn, Targets=gone)


# ---------------------------------------------------------------- listeners


def listeners(api: Api, document: Thing, arn: str, copies: Mapping[str, str], migration: str) -> None:
    """Every listener with its certificates and rules, and no other one. Raises Denied, Unreachable."""
    found = api.every("describe_listeners", "Listeners", LoadBalancerArn=arn)
    there = {int(one["Port"]): one for one in found}
    for one in document["listeners"]:
        _listener(api, one, there.pop(one["Port"], None), arn, (copies, migration))
    for one in there.values():
        api.do("delete_listener", ListenerArn=one["ListenerArn"])


def _listener(api: Api, document: Thing, there: Thing | None, arn: str, about: tuple[Mapping[str, str], str]) -> None:
    copies, migration = about
    wanted = copying.listener(document, copies)
    if there is None:
        tags = listed(_tags(document, migration))
        there = api.do("create_listener", LoadBalancerArn=arn, **wanted, Tags=tags)["Listeners"][0]
    elif not alike(wanted, there):
        there = api.do("modify_listener", ListenerArn=there["ListenerArn"], **wanted)["Listeners"][0]
    _certificates(api, document, there)
    _attributes(api, "listener", "ListenerArn", there["ListenerArn"], document["attributes"])
    _rules(api, document, there, copies, migration)


def _tags(document: Thing, migration: str) -> dict[str, str]:
    return marks.own(document["tags"]) | marks.made(migration, document["arn"])


def _certificates(api: Api, document: Thing, there: Thing) -> None:
    """Those that a listener chooses from by the name that the client asks for."""
    wanted, held = document["certificates"][1:], reading.certificates(api, there)[1:]
    arn = there["ListenerArn"]
    for one in wanted:
        if one not in held:
            api.do("add_listener_certificates", ListenerArn=arn, Certificates=[{"CertificateArn": one}])
    for one in held:
        if one not in wanted:
            api.do("remove_listener_certificates", ListenerArn=arn, Certificates=[{"CertificateArn": one}])


def _rules(api: Api, document: Thing, listener: Thing, copies: Mapping[str, str], migration: str) -> None:
    there = {int(one["Priority"]): one for one in reading.rules_of(api, listener)}
    for one in document["rules"]:
        wanted, found = copying.rule(one, copies), there.pop(one["priority"], None)
        if found is None:
            more = {"Priority": one["priority"], "Tags": listed(_tags(one, migration))}
            api.do("create_rule", ListenerArn=listener["ListenerArn"], **wanted, **more)
        elif not alike(wanted, found):
            api.do("modify_rule", RuleArn=found["RuleArn"], **wanted)
    for left in there.values():
        api.do("delete_rule", RuleArn=left["RuleArn"])


# ---------------------------------------------------------------- the rest


def settings(api: Api, document: Thing, arn: str) -> None:
    """B's attributes, but for the protection that would bar the way back, and the web ACL that guards A."""
    wanted = {key: one for key, one in document["attributes"].items() if key != GUARD}
    _attributes(api, "load_balancer", "LoadBalancerArn", arn, wanted)
    there = {"Type": document["balancer"]["Type"], "LoadBalancerArn": arn}
    if document["acl"] and reading.acl(api, there) != document["acl"]:
        api.do("associate_web_acl", "wafv2", WebACLArn=document["acl"], ResourceArn=arn)
