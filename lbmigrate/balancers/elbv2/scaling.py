"""Who else registers targets with A's groups: Auto Scaling groups, attached to B's too; services of Amazon ECS, named.

An Auto Scaling group registers every instance that it launches with all target groups that it is attached to.
Attaching is additive (AttachLoadBalancerTargetGroups), so B's copies come beside A's groups, and go again before they
are deleted. A service of ECS would start all of its tasks anew for another target group (UpdateService,
`loadBalancers`), and those deployed otherwise take only one: that is for its owner to do.
"""

from collections.abc import Collection, Iterable, Mapping

from lbmigrate.balancers.elbv2 import marks
from lbmigrate.balancers.elbv2.api import Api, Thing
from lbmigrate.discover import User
from lbmigrate.errors import Refused

MOST = 10  # target groups in one call, and services that one describes
SCALED, SERVED = ("instance",), ("instance", "ip")  # kinds of targets that these register
ADDED, REMOVED = "attach_load_balancer_target_groups", "detach_load_balancer_target_groups"


def feeding(api: Api, ours: Collection[str]) -> list[Thing]:
    """The Auto Scaling groups that feed any of these, each with those it feeds.

    `ours`: ARNs of target groups, or a Classic Load Balancer as `marks.CLASSIC` and its name. `strict`: it replaces
    instances that a balancer finds unhealthy. Raises Denied, Unreachable.
    """
    found = [(one, sorted(_fed(one) & {*ours})) for one in (_every(api) if ours else ())]
    return [{"name": _name(one), "strict": _strict(one), "feeds": fed} for one, fed in found if fed]


def services(api: Api, ours: Collection[str]) -> list[str]:
    """The services of ECS that register tasks with any of these, as in `feeding`. Raises Denied, Unreachable."""
    every = _services(api, ours)
    return [f"{one['serviceName']} of {_last(one['clusterArn'])}" for one in every if _used(one) & {*ours}]


def of_kind(groups: Iterable[Thing], kinds: Collection[str]) -> set[str]:
    """The ARNs of the target groups that have targets of one of these kinds."""
    return {one["TargetGroupArn"] for one in groups if one.get("TargetType", "instance") in kinds}


def users(api: Api, names: Mapping[str, str], tasks: Collection[str]) -> list[User]:
    """Both, for `discover`. `names`: what may be fed by Auto Scaling, and how it is called; `tasks`: by ECS.

    Raises Denied, Unreachable.
    """
    found = [
        User(
            "Auto Scaling",
            one["name"],
            f"launches targets of {', '.join(names[each] for each in one['feeds'])}",
            "attached to B's by `start`",
        )
        for one in feeding(api, names)
    ]
    todo = "add B's target groups to it yourself: `start` refuses"
    return [*found, *(User("ECS", one, "registers tasks as targets", todo) for one in services(api, tasks))]


def refuse(document: Thing, name: str) -> None:
    """Raise Refused where something feeds A that would not feed B."""
    if found := document["services"]:
        raise Refused(
            f"making {name}: Amazon ECS registers the tasks of {', '.join(found)} with A, and would not register later"
            " ones with B; make B and its target groups yourself, add those to the service (aws ecs update-service"
            " --load-balancers; it starts every task anew), then give b `driver: external`, and `retire: {keep: true}`"
        )


def advice(document: Thing) -> tuple[str, ...]:
    """What is done about the Auto Scaling groups, and what that may mean; what B is not quite."""
    return (*document.get("notes", ()), *(_advice(one) for one in document["scaling"]))


def _advice(group: Thing) -> str:
    about = f"the Auto Scaling group {group['name']} feeds A: `start` attaches it to B's target groups too"
    if not group["strict"]:
        return about
    return (
        f"{about}, and meanwhile it replaces instances that either balancer finds unhealthy;"
        " suspend its process ReplaceUnhealthy where that is not wanted"
    )


# ---------------------------------------------------------------- attached and detached


def attach(api: Api, copies: Iterable[tuple[str, str]], needed: Collection[str] = ()) -> None:
    """Every Auto Scaling group that feeds one of A's groups, or A, feeds its copies too.

    `copies`: pairs of what is A's and a copy. Raises Refused where one feeds what is in `needed` and has no copy,
    Denied, Unreachable.
    """
    pairs = list(copies)
    for one in _every(api):
        fed = _fed(one)
        if lost := sorted((fed & {*needed}) - {of for of, _ in pairs}):
            raise Refused(
                f"the Auto Scaling group {_name(one)} feeds {lost[0]}, which goes with A and has no copy at B;"
                " attach it to a target group of B, and detach it from that one"
            )
        _change(api, ADDED, one, {copy for of, copy in pairs if of in fed} - fed)


def detach(api: Api, ours: Collection[str]) -> None:
    """No Auto Scaling group feeds one of these, as in `feeding`, any more. Raises Denied, Unreachable.

    What AttachTrafficSources attached only DetachTrafficSources detaches (API reference).
    """
    for one in _every(api) if ours else ():
        gone = _fed(one) & {*ours}
        older = {arn for arn in gone if arn in one.get("TargetGroupARNs", ())}
        _change(api, REMOVED, one, older)
        classic = [arn for arn in gone if _last(arn) in one.get("LoadBalancerNames", ()) and marks.is_classic(arn)]
        if names := [_last(arn) for arn in sorted(classic)]:
            given = {"AutoScalingGroupName": _name(one), "LoadBalancerNames": names}
            api.do("detach_load_balancers", "autoscaling", **given)
        if newer := [_source(arn) for arn in sorted(gone - older - {*classic})]:
            api.do("detach_traffic_sources", "autoscaling", AutoScalingGroupName=_name(one), TrafficSources=newer)


def _source(arn: str) -> Thing:
    classic = marks.is_classic(arn)
    return {"Identifier": _last(arn) if classic else arn, "Type": "elb" if classic else "elbv2"}


def _change(api: Api, call: str, group: Thing, arns: Collection[str]) -> None:
    each = sorted(arns)
    for start in range(0, len(each), MOST):
        given = {"AutoScalingGroupName": _name(group), "TargetGroupARNs": each[start : start + MOST]}
        api.do(call, "autoscaling", **given)


def _every(api: Api) -> list[Thing]:
    """All but those that are being deleted: AWS tells a `Status` of these alone."""
    every = api.every("describe_auto_scaling_groups", "AutoScalingGroups", service="autoscaling")
    return [one for one in every if not one.get("Status")]


def _name(group: Thing) -> str:
    return str(group["AutoScalingGroupName"])


def _strict(group: Thing) -> bool:
    return "ELB" in group.get("HealthCheckType", "").split(",")


def _fed(group: Thing) -> set[str]:
    """What it is attached to, by either of the two ways: ARNs of target groups, Classic Load Balancers."""
    sources = [(one.get("Type", "elbv2"), one["Identifier"]) for one in group.get("TrafficSources", ())]
    arns = {*group.get("TargetGroupARNs", ()), *(one for kind, one in sources if kind == "elbv2")}
    names = {*group.get("LoadBalancerNames", ()), *(one for kind, one in sources if kind == "elb")}
    return arns | {f"{marks.CLASSIC}{one}" for one in names}


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
    """What a service, its task sets and a deployment's other half register tasks with."""
    each = [*service.get("loadBalancers", ())]
    each += [one for tasks in service.get("taskSets", ()) for one in tasks.get("loadBalancers", ())]
    other = [one.get("advancedConfiguration", {}).get("alternateTargetGroupArn") for one in each]
    classic = {f"{marks.CLASSIC}{one['loadBalancerName']}" for one in each if "loadBalancerName" in one}
    return {arn for arn in (*(one.get("targetGroupArn") for one in each), *other) if arn} | classic


def _last(arn: str) -> str:
    return arn.rpartition("/")[2]
