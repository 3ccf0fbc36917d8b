"""What one account holds, and how it comes about: balancers that are provisioned, targets that get healthy or drain."""

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lbmigrate.lab.elb.wire import ApiError

REGION, ACCOUNT = "us-east-1", "123456789012"
ARN = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}"
Thing = dict[str, Any]  # as boto3 has it


@dataclass
class Delays:
    """Seconds on the laboratory's clock."""

    provision: float = 0.0
    healthy: float = 0.0
    drain: float = 0.0
    metrics: float = 0.0


@dataclass
class Faults:
    """What goes wrong: so many answers refused as too many, the answer to what was written lost, calls forbidden.

    `policy`: the IAM policy of every caller as JSON, "" for one that may all; `known`: whose key id it is that has an
    account here, None for everybody's.
    """

    throttle: int = 0
    lose: bool = False
    deny: tuple[str, ...] = ()
    policy: str = ""
    known: Callable[[str], bool] | None = None


@dataclass
class World:
    """An account. `calls`: every call that was answered, in order; `clock`: seconds.

    `subnets` by id: zone, VPC and networks; `addresses`: Elastic IPs by allocation. `counted`: by
    balancer, metric and minute. `sick`, `down`: targets that fail their checks, by id, and by address and port;
    `serving`: the balancers that answer, None where there is nobody to say. `scaling`: Auto Scaling groups by name, as
    they are described; `clusters`: the services of ECS by cluster; `distributions`: those of CloudFront;
    `classics`: Classic Load Balancers by name; `instances`: the address and port that the ports of an instance lead to.
    """

    clock: Callable[[], float]
    subnets: dict[str, Thing] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    acls: set[str] = field(default_factory=set)
    delays: Delays = field(default_factory=Delays)
    faults: Faults = field(default_factory=Faults)
    sick: set[str] = field(default_factory=set)
    down: set[tuple[str, int]] = field(default_factory=set)
    serving: set[str] | None = None
    invocable: set[str] = field(default_factory=set)
    balancers: dict[str, Thing] = field(default_factory=dict)
    listeners: dict[str, Thing] = field(default_factory=dict)
    rules: dict[str, Thing] = field(default_factory=dict)
    groups: dict[str, Thing] = field(default_factory=dict)
    targets: dict[str, dict[tuple[str, int], Thing]] = field(default_factory=dict)
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    guarded: dict[str, str] = field(default_factory=dict)
    scaling: dict[str, Thing] = field(default_factory=dict)
    clusters: dict[str, list[Thing]] = field(default_factory=dict)
    classics: dict[str, Thing] = field(default_factory=dict)
    instances: dict[str, tuple[str, int]] = field(default_factory=dict)
    distributions: list[Thing] = field(default_factory=list)
    counted: dict[tuple[str, str], dict[int, float]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    calls: list[str] = field(default_factory=list)
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def fresh(self) -> str:
        """Sixteen hexadecimal digits that were never there before."""
        return f"{next(self.numbers):016x}"

    def one(self, what: str, arn: str) -> Thing:
        """A balancer, listener, rule or group by its ARN. Raises ApiError."""
        kinds = {"LoadBalancer": self.balancers, "Listener": self.listeners, "Rule": self.rules,
                 "TargetGroup": self.groups}  # fmt: skip
        if arn not in kinds[what]:
            raise ApiError(f"{what}NotFound", f"One or more {what} not found: {arn}")
        return kinds[what][arn]

    def used(self, group: str) -> list[str]:
        """The ARNs of the balancers whose listeners or rules name a group."""
        owners = [(one["LoadBalancerArn"], one["DefaultActions"]) for one in self.listeners.values()]
        owners += [(self.listeners[one["_listener"]]["LoadBalancerArn"], one["Actions"]) for one in self.rules.values()]
        return sorted({arn for arn, actions in owners if group in groups_of(actions)})

    def seen(self, balancer: Thing) -> Thing:
        """A balancer as it is described now."""
        served = self.serving is None or balancer["LoadBalancerArn"] in self.serving
        state = "active" if served and self.made(balancer) else "provisioning"
        return {**shown(balancer), "State": {"Code": state}}

    def made(self, balancer: Thing) -> bool:
        """Whether the time that it takes to make it is over."""
        return bool(self.clock() >= balancer["CreatedTime"] + self.delays.provision)

    def health(self, group: str) -> list[Thing]:
        """The targets of a group and how they are; those that have drained are forgotten."""
        now, mine = self.clock(), self.targets[group]
        for key in [key for key, one in mine.items() if one["left"] is not None and now >= one["left"]]:
            del mine[key]
        return [{"Target": one["target"], "TargetHealth": self._health(group, one, now)} for one in mine.values()]

    def _health(self, group: str, one: Thing, now: float) -> Thing:
        if one["left"] is not None:
            return {"State": "draining", "Reason": "Target.DeregistrationInProgress"}
        if not self.used(group):
            return {"State": "unused", "Reason": "Target.NotInUse"}
        if self.groups[group].get("HealthCheckEnabled") is False:
            return {"State": "unavailable", "Reason": "Target.HealthCheckDisabled"}
        if now < one["since"] + self.delays.healthy:
            return {"State": "initial", "Reason": "Elb.InitialHealthChecking"}
        if self.ill(one["target"]["Id"], one["target"].get("Port")):
            return {"State": "unhealthy", "Reason": "Target.FailedHealthChecks"}
        return {"State": "healthy"}

    def ill(self, target: str, port: int | None) -> bool:
        """Whether a target fails its checks."""
        return target in self.sick or (target, port) in self.down or self.instances.get(target) in self.down


def shown(thing: Thing) -> Thing:
    """A thing without what only the laboratory keeps of it."""
    return {key: one for key, one in thing.items() if not key.startswith("_")}


def groups_of(actions: list[Thing]) -> set[str]:
    """The ARNs of the groups that actions forward to."""
    found = {one["TargetGroupArn"] for one in actions if "TargetGroupArn" in one}
    return found | {
        g["TargetGroupArn"] for one in actions for g in one.get("ForwardConfig", {}).get("TargetGroups", ())
    }
