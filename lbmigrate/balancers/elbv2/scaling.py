"""Who else registers targets with A's groups: Auto Scaling groups, attached to B's too; services of Amazon ECS, named.

An Auto Scaling group registers every instance that it launches with all target groups that it is attached to.
Attaching is additive (AttachLoadBalancerTargetGroups), so B's copies come beside A's groups, and go again before they
are deleted. A service of ECS would start all of its tasks anew for another target group (UpdateService,
`loadBalancers`), and those deployed otherwise take only one: that is for its owner to do.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from lbmigrate.balancers.elbv2.api import Api, Thing
from lbmigrate.errors import Refused

MOST = 10  # target groups in one call, and services that one describes
SCALED, SERVED = ("instance",), ("instance", "ip")  # kinds of targets that these register
ADDED, REMOVED = "attach_load_balancer_target_groups", "detach_load_balancer_target_groups"


def feeding(api: Api, groups: Sequence[Thing]) -> list[Thing]:
    """The Auto Scaling groups that feed any of these target groups, by name, each with those it feeds.

    `strict`: it replaces instances that a balancer finds unhealthy. Raises Denied, Unreachable.
    """
    ours = _of_kind(groups, SCALED)
    found = [(one, sorted(_fed(one) & ours)) for one in (_every(api) if ours else ())]
    return [{"name": _name(one), "strict": _strict(one), "feeds": fed} for one, fed in found if fed]


def services(api: Api, groups: Sequence[Thing]) -> list[str]:
    """The services of ECS that register tasks with any of these target groups. Raises Denied, Unreachable."""
    ours = _of_kind(groups, SERVED)
    return [f"{one['serviceName']} of {_last(one['clusterArn'])}" for one in _services(api, ours) if _used(one) & ours]


def _of_kind(groups: Iterable[Thing], kinds: Collection[str]) -> set[str]:
    return {one["TargetGroupArn"] for one in groups if one.get("TargetType", "instance") in kinds}


def refuse(document: Thing, name: str) -> None:
    """Raise Refused where something feeds A that would not feed B."""
    if found := document["services"]:
        raise Refused(
            f"making {name}: Amazon ECS registers the tasks of {', '.join(found)} with A, and would not register later"
            " ones with B; make B and its target groups yourself, add those to the service (aws ecs update-service"
            " --load-balancers; it starts every task anew), then give b `driver: external`, and `retire: {keep: true}`"
        )


def advice(document: Thing) -> tuple[str, ...]:
    """What is done about the Auto Scaling groups, and what that may mean."""
    return tuple(_advice(one) for one in document["scaling"])


def _advice(group: Thing) -> str:
    about = f"the Auto Scaling group {group['name']} feeds A: `start` attaches it to B's target groups too"
    if not group["strict"]:
        return about
    return (
        f"{about}, and meanwhile it replaces instances that either balancer finds unhealthy;"
        " suspend its process ReplaceUnhealthy where that is not wanted"
    )


# ---------------------------------------------------------------- attached and detached


def attach(api: Api, copies: Mapping[str, str], needed: Collection[str] = ()) -> None:
    """Every Auto Scaling group that feeds one of A's groups feeds its copy too; `copies` by the ARN of A's.

    Raises Refused where one feeds a group of `needed` that has no copy, Denied, Unreachable.
    """
    for one in _every(api):
        fed = _fed(one)
        if lost := sorted((fed & {*needed}) - copies.keys()):
            raise Refused(
                f"the Auto Scaling group {_name(one)} feeds {lost[0]}, which goes with A and has no copy at B;"
                " attach it to a target group of B, and detach it from that one"
            )
        _change(api, ADDED, one, {copy for of, copy in copies.items() if of in fed} - fed)


def detach(api: Api, arns: Collection[str]) -> None:
    """No Auto Scaling group feeds one of these any more. Raises Denied, Unreachable.

    What AttachTrafficSources attached only DetachTrafficSources detaches (API reference).
    """
    for one in _every(api) if arns else ():
        ours = _fed(one) & {*arns}
        older = ours & {*one.get("TargetGroupARNs", ())}
        _change(api, REMOVED, one, older)
        if newer := [{"Identifier": arn, "Type": "elbv2"} for arn in sorted(ours - older)]:
            api.do("detach_traffic_sources", "autoscaling", AutoScalingGroupName=_name(one), TrafficSources=newer)


def _change(api: Api, call: str, group: Thing, arns: Collection[str]) -> None:
    each = sorted(arns)
    for start in range(0, len(each), MOST):
        given = {"AutoScalingGroupName": _name(group), "TargetGroupARNs": each[start : start + MOST]}
        api.do(call, "autoscaling", **given)


def _every(api: Api) -> list[Thing]:
    return api.every("describe_auto_scaling_groups", "AutoScalingGroups", service="autoscaling")


def _name(group: Thing) -> str:
    return str(group["AutoScalingGroupName"])


def _strict(group: Thing) -> bool:
    return "ELB" in group.get("HealthCheckType", "").split(",")


def _fed(group: Thing) -> set[str]:
    """The ARNs of the target groups that it is attached to, by either of the two ways."""
    newer = {one["Identifier"] for one in group.get("TrafficSources", ()) if one.get("Type", "elbv2") == "elbv2"}
    return {*group.get("TargetGroupARNs", ())} | newer


# ---------------------------------------------------------------- ECS


def _services(api: Api, ours: Collection[str]) -> list[Thing]:
    clusters = api.every("list_clusters", "clusterArns", service="ecs") if ours else []
    return [one for cluster in clusters for one in _in(api, str(cluster))]


def _in(api: Api, cluster: str) -> list[Thing]:
    arns = api.every("list_services", "serviceArns", service="ecs", cluster=cluster)
    found: list[Thing] = []
    for start in range(0, len(arns), MOST):
        page = api.do("describe_services", "ecs", cluster=cluster, services=arns[start : start + MOST])
        found += page["services"]
    return found


def _used(service: Thing) -> set[str]:
    """The target groups of a service, of its task sets and of a deployment's other half."""
    each = [*service.get("loadBalancers", ())]
    each += [one for tasks in service.get("taskSets", ()) for one in tasks.get("loadBalancers", ())]
    other = [one.get("advancedConfiguration", {}).get("alternateTargetGroupArn") for one in each]
    return {arn for arn in (*(one.get("targetGroupArn") for one in each), *other) if arn}


def _last(arn: str) -> str:
    return arn.rpartition("/")[2]
