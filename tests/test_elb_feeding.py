"""What else registers targets: Auto Scaling groups are attached to B's groups too, services of ECS are named."""

import json

import pytest
from elbs import Account, application, group, network, scaling, service

from lbmigrate.errors import Denied, Refused, Unreachable
from lbmigrate.lab.elb.beside import READING
from lbmigrate.model import Advising


def arn(one: Account, name: str) -> str:
    return str(one.elb.describe_target_groups(Names=[name])["TargetGroups"][0]["TargetGroupArn"])


def of(one: Account, balancer: str, pool: str) -> set[str]:
    """The targets of a balancer's pool."""
    return {held.address for held in one.side("a", balancer).describe().backends if held.pool == pool}


def copy_of(one: Account, group_: str) -> str:
    (found,) = (arn for arn, tags in one.world.tags.items() if tags.get("lbmigrate:of") == group_ and "group" in arn)
    return found


def test_it_is_attached_and_what_it_launches_is_at_both(one: Account) -> None:
    application(one, "a")
    web = arn(one, "a-web")
    held = scaling(one, "asg", [web], ("i-7",))
    others = [scaling(one, f"other-{n}", [], ("i-9",)) for n in range(4)]  # more than a page
    plan = one.side("a", "a").describe()
    one.side("b", "b").stand_up(plan)
    assert held["TargetGroupARNs"] == [web, copy_of(one, web)]
    assert of(one, "b", "a-web") == of(one, "a", "a-web") >= {"i-7"}
    assert all(other["TargetGroupARNs"] == [] for other in others)


def test_one_that_is_being_deleted_is_left_alone(one: Account) -> None:
    application(one, "a")
    web = arn(one, "a-web")
    held = scaling(one, "asg", [web], ("i-7",))
    held["Status"] = "Delete in progress"
    one.side("b", "b").stand_up(one.side("a", "a").describe())
    assert held["TargetGroupARNs"] == [web]


def test_a_second_run_writes_nothing_and_takes_nothing_from_it(one: Account) -> None:
    application(one, "a")
    held = scaling(one, "asg", [arn(one, "a-web")], ("i-7",))
    plan = one.side("a", "a").describe()
    one.side("b", "b").stand_up(plan)
    one.elb.register_targets(TargetGroupArn=held["TargetGroupARNs"][1], Targets=[{"Id": "i-8"}])  # launched since
    calls, before = len(one.world.calls), one.listing()
    one.side("b", "b").stand_up(plan)
    assert [call for call in one.world.calls[calls:] if not call.startswith(READING)] == []
    assert one.listing() == before
    assert "i-8" in of(one, "b", "a-web")


@pytest.mark.parametrize("newer", [False, True])
def test_rollback_and_retirement_killed_at_every_call_leave_it_where_it_belongs(one: Account, newer: bool) -> None:
    network(one, "a")
    tcp = arn(one, "a-tcp")
    held = scaling(one, "asg", [] if newer else [tcp], ("i-1", "i-7"), (tcp,) if newer else ())
    before = one.listing()
    plan = one.side("a", "a").describe()
    killed(one, lambda: one.side("b", "b").stand_up(plan))
    assert copy_of(one, tcp) in held["TargetGroupARNs"]
    killed(one, one.side("b", "b").stop)
    assert one.listing() == before
    killed(one, lambda: one.side("b", "b").stand_up(plan))
    killed(one, one.side("a", "a").stop)
    assert (held["TargetGroupARNs"], held["_newer"]) == ([copy_of(one, tcp)], [])
    assert of(one, "b", "a-tcp") == {"i-1", "i-7"}


def killed(one: Account, act: object) -> None:
    """Ended by the lost answer to every call that writes, and begun again until it ends by itself."""
    one.world.faults.lose = True
    for _ in range(100):
        try:
            act()  # type: ignore[operator]
        except Unreachable:
            continue
        one.world.faults.lose = False
        return
    raise AssertionError("a hundred times without an end")


def test_one_that_was_attached_to_a_meanwhile_is_not_lost_with_it(one: Account) -> None:
    application(one, "a")
    web = arn(one, "a-web")
    one.side("b", "b").stand_up(one.side("a", "a").describe())
    held = scaling(one, "late", [web], ("i-7",))
    one.side("a", "a").stop()
    assert held["TargetGroupARNs"] == [copy_of(one, web)]
    assert "i-7" in of(one, "b", "a-web")


def test_a_is_not_retired_while_its_group_without_a_copy_is_fed(one: Account) -> None:
    a = application(one, "a")
    one.side("b", "b").stand_up(one.side("a", "a").describe())
    late = group(one, "late", [])
    listener = one.elb.describe_listeners(LoadBalancerArn=a)["Listeners"][1]["ListenerArn"]
    one.elb.create_rule(
        ListenerArn=listener, Priority=99, Conditions=[{"Field": "path-pattern", "Values": ["/late"]}],
        Actions=[{"Type": "forward", "TargetGroupArn": late}],
    )  # fmt: skip
    held = scaling(one, "asg", [late], ("i-7",))
    with pytest.raises(Refused, match=f"asg feeds {late}, which goes with A and has no copy at B"):
        one.side("a", "a").stop()
    assert (a in one.world.balancers, held["TargetGroupARNs"]) == (True, [late])


def test_check_tells_of_it_and_of_the_risk(one: Account) -> None:
    application(one, "a")
    scaling(one, "asg", [arn(one, "a-web")], ("i-7",))
    strict = scaling(one, "strict", [arn(one, "a-web")], ("i-8",))
    strict["HealthCheckType"] = "EC2,ELB"
    b = one.side("b", "b")
    assert isinstance(b, Advising)
    told, warned = b.advice(one.side("a", "a").describe())
    assert told == "the Auto Scaling group asg feeds A: `start` attaches it to B's target groups too"
    assert "suspend its process ReplaceUnhealthy" in warned


def test_tasks_of_ecs_are_a_blocker_that_is_named(one: Account) -> None:
    application(one, "a")
    ip = arn(one, "a-ip")
    for n in range(3):
        service(one, f"empty-{n}", f"other-{n}", "arn:of:another")
    for n in range(11):
        service(one, "prod", f"idle-{n}", "arn:of:another")
    before = one.listing()
    assert json.loads(one.side("a", "a").describe().text)["services"] == []
    last = service(one, "prod", "web", "arn:of:another")
    for where in ({"loadBalancers": [{"targetGroupArn": ip}]},
                  {"loadBalancers": [], "taskSets": [{"loadBalancers": [{"targetGroupArn": ip}]}]},
                  {"loadBalancers": [{"targetGroupArn": "arn:1",
                                      "advancedConfiguration": {"alternateTargetGroupArn": ip}}]}):  # fmt: skip
        last.update(where)
        plan = one.side("a", "a").describe()
        for act in (one.side("b", "b").check, one.side("b", "b").stand_up):
            with pytest.raises(Refused, match=r"registers the tasks of web of prod with A.*aws ecs update-service"):
                act(plan)
    assert one.listing() == before


@pytest.mark.parametrize("call", ["DescribeAutoScalingGroups", "ListClusters", "ListServices", "DescribeServices"])
def test_not_to_know_is_no_answer(one: Account, call: str) -> None:
    application(one, "a")
    service(one, "prod", "web", "arn:of:another")
    one.world.faults.deny = (call,)
    with pytest.raises(Denied, match="AccessDenied"):
        one.side("a", "a").describe()


def test_balancers_of_functions_alone_need_neither(one: Account) -> None:
    made = one.elb.create_load_balancer(Name="a", Subnets=["subnet-1", "subnet-2"], SecurityGroups=["sg-1"])
    only = group(one, "fn", [], TargetType="lambda", Protocol=None, Port=None, VpcId=None)
    one.elb.create_listener(LoadBalancerArn=made["LoadBalancers"][0]["LoadBalancerArn"], Protocol="HTTP", Port=80,
                            DefaultActions=[{"Type": "forward", "TargetGroupArn": only}])  # fmt: skip
    begun = len(one.world.calls)
    one.side("a", "a").describe()
    assert not {"DescribeAutoScalingGroups", "ListClusters"} & {*one.world.calls[begun:]}
