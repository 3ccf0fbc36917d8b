"""Whether the caller's IAM policy allows a call: which actions at which resources it comes to, and their tags."""

import json
from collections.abc import Iterator

from lbmigrate.lab.elb.feeding import scaling_arn
from lbmigrate.lab.elb.state import ARN, Thing, World
from lbmigrate.lab.elb.wire import ApiError
from lbmigrate.lab.route53 import iam

ELB = "elasticloadbalancing"
Asked = tuple[str, str]  # action, resource


def permit(world: World, service: str, name: str, given: Thing) -> None:
    """Raise ApiError where the policy does not allow all that the call comes to."""
    if name in world.faults.deny:
        raise ApiError("AccessDenied", f"User is not authorized to perform: {name}", 403)
    if not world.faults.policy:
        return
    policy = json.loads(world.faults.policy)
    for action, resource in _asked(service, name, given):
        if not iam.allows(policy, action, resource, _context(world, resource, given)):
            raise ApiError("AccessDenied", f"User is not authorized to perform: {action} on resource: {resource}", 403)


def _asked(service: str, name: str, given: Thing) -> Iterator[Asked]:
    if service == "wafv2":
        for key in ("ResourceArn", "WebACLArn"):
            if key in given:
                yield f"wafv2:{name}", given[key]
        if name == "AssociateWebACL":
            yield f"{ELB}:SetWebACL", given["ResourceArn"]
        return
    if service == "autoscaling" and not name.startswith("Describe"):
        yield f"{service}:{name}", scaling_arn(given["AutoScalingGroupName"])
        return
    if service == "elb" and not name.startswith("Describe"):
        for one in given.get("LoadBalancerNames") or [given["LoadBalancerName"]]:
            yield f"{ELB}:{name}", f"{ARN}:loadbalancer/{one}"
        return
    action = f"{ELB if service in ('elb', 'elbv2') else service}:{name}"
    if service != "elbv2" or name.startswith("Describe"):
        yield action, "*"
        return
    for resource in _resources(name, given):
        yield action, resource
    if "Tags" in given and name.startswith("Create"):
        yield f"{ELB}:AddTags", _made(name, given)


def _resources(name: str, given: Thing) -> list[str]:
    """What a call is about, by the service's list of actions and resources."""
    if name in ("CreateLoadBalancer", "CreateTargetGroup"):
        return [_made(name, given)]
    keys = ("LoadBalancerArn", "ListenerArn", "RuleArn", "TargetGroupArn")
    return list(given.get("ResourceArns", ())) or [given[key] for key in keys if key in given]


def _made(name: str, given: Thing) -> str:
    """The ARN of what is to be made; its own number is not there yet."""
    match name:
        case "CreateLoadBalancer":
            kind = "net" if given.get("Type") == "network" else "app"
            return f"{ARN}:loadbalancer/{kind}/{given['Name']}/*"
        case "CreateTargetGroup":
            return f"{ARN}:targetgroup/{given['Name']}/*"
        case "CreateListener":
            return str(given["LoadBalancerArn"]).replace(":loadbalancer/", ":listener/") + "/*"
    return str(given["ListenerArn"]).replace(":listener/", ":listener-rule/") + "/*"


def _context(world: World, resource: str, given: Thing) -> dict[str, list[str]]:
    keys = [*given.get("TagKeys", ()), *(one["Key"] for one in given.get("Tags", ()))]
    held = {f"aws:ResourceTag/{key}": [one] for key, one in world.tags.get(resource, {}).items()}
    return {"aws:TagKeys": keys, **_scaled(given), **held}


def _scaled(given: Thing) -> dict[str, list[str]]:
    return {f"autoscaling:{key}": given.get(key, []) for key in ("TargetGroupARNs", "LoadBalancerNames")}
