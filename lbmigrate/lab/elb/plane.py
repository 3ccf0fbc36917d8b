"""What the account's balancers do: every one that is active serves on loopback addresses, by the stand-in of HAProxy.

A listener forwards to its groups' targets, by weight and with their health checks. One that would do something else
(another action, rules, TLS) is not served at all: to leave out what a balancer is told would lie about it.
"""

import asyncio
from collections.abc import Collection, Sequence
from typing import NamedTuple

from lbmigrate.lab.elb import metrics
from lbmigrate.lab.elb.state import Thing, World
from lbmigrate.lab.fake_config import Conf, Proxy, Server
from lbmigrate.lab.fake_proxy import Balancer

PAUSE = 0.02  # seconds between two looks at the account
INTERVAL = 0.5  # seconds between two health checks: what an account says (5 s at least) is long for a laboratory
PLAIN = {"HTTP": "/", "TCP": ""}
FAILED = "hrsp_5xx"


class Served(NamedTuple):
    """A balancer as it runs, and how much of what it did is counted."""

    conf: Conf
    balancer: Balancer
    checks: asyncio.Task[None]
    counted: dict[str, int]


def conf_of(world: World, balancer: Thing, addresses: Sequence[str]) -> Conf:
    """What a balancer's listeners come to."""
    proxies: list[Proxy] = []
    for listener in world.listeners.values():
        if listener["LoadBalancerArn"] != balancer["LoadBalancerArn"] or not _plain(world, listener):
            continue
        name, (action,) = str(listener["Port"]), listener["DefaultActions"]
        groups = action["ForwardConfig"]["TargetGroups"]
        servers = [one for group in groups for one in _servers(world, group)]
        path = world.groups[groups[0]["TargetGroupArn"]].get("HealthCheckPath", PLAIN[listener["Protocol"]])
        binds = tuple((one, int(name)) for one in addresses)
        proxies += [
            Proxy(name, "frontend", len(proxies) + 2, binds, target=f"to {name}"),
            Proxy(f"to {name}", "backend", len(proxies) + 3, uri=path, servers=tuple(servers)),
        ]
    return Conf(tuple(proxies))


def _plain(world: World, listener: Thing) -> bool:
    ruled = any(one["_listener"] == listener["ListenerArn"] for one in world.rules.values())
    kinds = [one["Type"] for one in listener["DefaultActions"]]
    return listener["Protocol"] in PLAIN and kinds == ["forward"] and not ruled


def classic_conf(world: World, balancer: Thing, addresses: Sequence[str]) -> Conf:
    """What a Classic Load Balancer's listeners come to."""
    proxies: list[Proxy] = []
    for one in (held["Listener"] for held in balancer["ListenerDescriptions"]):
        if one["Protocol"] in PLAIN and one["Protocol"] == one["InstanceProtocol"]:
            name, checked = str(one["LoadBalancerPort"]), "/" + balancer["HealthCheck"]["Target"].partition("/")[2]
            places = [(each["InstanceId"], world.instances[each["InstanceId"]]) for each in balancer["Instances"]]
            servers = [Server(f"{key}:{one['InstancePort']}", *at, True, INTERVAL) for key, at in places]
            binds = tuple((each, int(name)) for each in addresses)
            proxies += [
                Proxy(name, "frontend", len(proxies) + 2, binds, target=f"to {name}"),
                Proxy(f"to {name}", "backend", len(proxies) + 3, uri=checked, servers=tuple(servers)),
            ]
    return Conf(tuple(proxies))


def _servers(world: World, group: Thing) -> list[Server]:
    arn = group["TargetGroupArn"]
    held = [one["target"] for one in world.targets[arn].values() if one["left"] is None]
    return [
        Server(f"{one['Id']}:{one['Port']}", *at, True, INTERVAL, weight=group["Weight"])
        for one in held
        if (at := _at(world, world.groups[arn]["TargetType"], one))
    ]


def _at(world: World, kind: str, target: Thing) -> tuple[str, int] | None:
    """Address and port of a target, None where nothing stands for it."""
    return (target["Id"], target["Port"]) if kind == "ip" else world.instances.get(target["Id"])


class Plane:
    """The balancers that run. `pool`: addresses for those that bring none of their own, in the order they are made.

    `fails`: by name, the share of requests that a balancer answers with an error of its own; `names`: the addresses of
    every balancer, by the absolute name that leads to it.
    """

    def __init__(self, world: World, pool: Collection[Sequence[str]]) -> None:
        self._world = world
        self._pool = [tuple(one) for one in pool]
        self._places: dict[str, tuple[str, ...]] = {}
        self._served: dict[str, Served] = {}
        self.fails: dict[str, float] = {}
        self.names: dict[str, tuple[str, ...]] = {}

    def _free(self) -> None:
        """The addresses of balancers that are gone may be given again."""
        there = {*self._world.balancers, *map(_key, self._world.classics)}
        for gone in [one for one in self._places if one not in there]:
            self._pool.insert(0, self._places.pop(gone))

    def _place(self, balancer: Thing) -> tuple[str, ...]:
        given = [held for zone in balancer["AvailabilityZones"] for held in zone["LoadBalancerAddresses"]]
        if given:
            return tuple(held.get("IpAddress") or held["PrivateIPv4Address"] for held in given)
        return self._given(balancer["LoadBalancerArn"])

    def _given(self, arn: str) -> tuple[str, ...]:
        self._free()
        if arn not in self._places and self._pool:
            self._places[arn] = self._pool.pop(0)
        return self._places.get(arn, ())

    async def run(self) -> None:
        """Follow the account until cancelled."""
        try:
            while True:
                await self._follow()
                await asyncio.sleep(PAUSE)
        finally:
            for arn in tuple(self._served):
                self._end(arn)

    async def _follow(self) -> None:
        """One look, or none while a call is being answered: what is served does not wait for that."""
        if not self._world.lock.acquire(blocking=False):
            return
        try:
            self._world.serving = set(self._served)
            active = {arn: one for arn, one in self._world.balancers.items() if self._world.made(one)}
            old = {_key(name): one for name, one in self._world.classics.items()}
            wanted = {arn: conf_of(self._world, one, self._place(one)) for arn, one in active.items()}
            wanted |= {key: classic_conf(self._world, one, self._given(key)) for key, one in old.items()}
            for arn, served in self._served.items():
                self._count(arn, served)
            self._world.down = {one for served in self._served.values() for one in _down(served.balancer)}
            self.names = {f"{one['DNSName'].lower()}.": self._place(one) for one in self._world.balancers.values()}
            self.names |= {f"{one['DNSName'].lower()}.": self._given(key) for key, one in old.items()}
        finally:
            self._world.lock.release()
        for arn in [arn for arn, one in self._served.items() if wanted.get(arn) != one.conf]:
            self._end(arn)
        for arn, conf in wanted.items():
            if arn not in self._served:
                await self._begin(arn, conf)
            self._served[arn].balancer.fail = self.fails.get({**active, **old}[arn]["LoadBalancerName"], 0.0)

    async def _begin(self, arn: str, conf: Conf) -> None:
        balancer = Balancer(conf)
        await balancer.open()
        self._served[arn] = Served(conf, balancer, asyncio.create_task(balancer.check()), {})

    def _end(self, arn: str) -> None:
        """Softly: what is under way finishes."""
        served = self._served.pop(arn)
        served.checks.cancel()
        served.balancer.soft_stop()

    def _count(self, arn: str, served: Served) -> None:
        """What was done since the last look."""
        fronts = served.balancer.fronts.values()
        done = {
            "requests": sum(one.count["req_tot"] - one.count["ereq"] for one in fronts),
            "failed": sum(one.count[FAILED] for one in fronts),
            "flows": sum(one.count["stot"] for one in fronts),
        }
        added = {key: number - served.counted.get(key, 0) for key, number in done.items()}
        served.counted.update(done)
        told = {"RequestCount": "requests", "HTTPCode_Target_5XX_Count": "failed"}
        if arn in self._world.balancers and self._world.balancers[arn]["Type"] == "network":
            told = {"NewFlowCount": "flows"}
        if arn in map(_key, self._world.classics):
            told = {"RequestCount": "requests", "HTTPCode_Backend_5XX": "failed"}
        for metric, key in told.items():
            if added[key]:
                metrics.count(self._world, arn, metric, added[key])


def _key(name: str) -> str:
    """By what a Classic Load Balancer is counted, where others have an ARN."""
    return f"classic/{name}"


def _down(balancer: Balancer) -> list[tuple[str, int]]:
    return [(one.host, one.port) for pool in balancer.pools.values() for one in pool.servers.values() if not one.up]
