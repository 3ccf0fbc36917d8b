"""Whole migrations from one load balancer of AWS to another, names at Route 53: killed at every call.

Both drivers are the real ones, against the laboratory's two services in this process; time, probes and what CloudWatch
counts of them are virtual.
"""

import json
import os
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from elbs import ACL, CERT, MIGRATION, Account, Thing, account, group, scaling, tagged
from route53s import WWW, alias
from test_route53 import KEYS
from test_route53_migration import Run, began

from lbmigrate import assemble, aws, balancers, gather, iam
from lbmigrate.balancers.elbv2.side import Elbv2
from lbmigrate.dns.route53.api import PACE, RATE
from lbmigrate.dns.route53.driver import Route53
from lbmigrate.engine import Engine, over
from lbmigrate.errors import Denied
from lbmigrate.events import Entry, Saw
from lbmigrate.fold import State
from lbmigrate.lab.elb import metrics
from lbmigrate.lab.elb.beside import READING
from lbmigrate.lab.elb.state import ACCOUNT, REGION, Delays
from lbmigrate.lab.route53 import rules
from lbmigrate.lab.route53.sets import RecordSet
from lbmigrate.lab.route53.sts import Role
from lbmigrate.lab.route53.world import KEY_ID
from lbmigrate.lab.virtual import parts, worker
from lbmigrate.model import Probe, Side
from lbmigrate.needed import written
from lbmigrate.plan import Plan
from lbmigrate.policy import types
from lbmigrate.spec import Bound, GateSpec, Retire, Soft, Stage
from lbmigrate.value import replace

SOFT = Soft(
    (Probe("http://www.lab.test/", rate=5.0),), soak=1, soak_limit=600, cache_margin=1,
    gate=GateSpec(promote_margin=0.2), retire=Retire(idle_for=5, limit=7200),
)  # fmt: skip
STAGES = Stage(25), Stage(100)
NAMES = {"a": "web-a", "b": "web-b"}
HERE = ("203.0.113.7",)  # where every balancer is, as far as DNS is concerned
DELAYS = Delays(healthy=3.0, drain=3.0)
LATER = 100.0  # seconds after A was made: so CloudWatch's minutes, which the end waits for, are over soon
EVERY = "LBMIGRATE_EVERY_CALL" in os.environ  # `make soak` plays them all
SAMPLE = 10  # points of a move in `make test`
READS = (*READING, "List")


class Up(dict[str, bool]):
    """Whether a side answers probes: while the account has a balancer of its name that is active."""

    def __init__(self, there: Account) -> None:
        super().__init__()
        self._there = there

    def __getitem__(self, side: str) -> bool:
        world = self._there.world
        mine = [one for one in world.balancers.values() if one["LoadBalancerName"] == NAMES[side]]
        return bool(mine) and world.made(mine[0])


class Probes(dict[str, float]):
    """Probes answered by each side, which its balancer counts as requests."""

    def __init__(self, there: Account) -> None:
        super().__init__(a=0.0, b=0.0)
        self._there = there

    def __setitem__(self, side: str, count: float) -> None:
        super().__setitem__(side, count)
        world = self._there.world
        (mine,) = [arn for arn, one in world.balancers.items() if one["LoadBalancerName"] == NAMES[side]]
        metrics.count(world, mine, "RequestCount")


def small(there: Account, name: str) -> str:
    """An Application Load Balancer that needs a call of each kind, and few of them: it is looked at often."""
    elb = there.elb
    made = elb.create_load_balancer(Name=name, Subnets=["subnet-1", "subnet-2"], SecurityGroups=["sg-1"])
    arn: str = made["LoadBalancers"][0]["LoadBalancerArn"]
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=tagged(**{"idle_timeout.timeout_seconds": "9"}))
    web = group(there, f"{name}-web", [{"Id": "i-3"}], HealthCheckPath="/healthz")
    elb.modify_target_group_attributes(TargetGroupArn=web, Attributes=tagged(**{"stickiness.enabled": "true"}))
    scaling(there, "fleet", [web], ("i-1", "i-2"))
    forward = [{"Type": "forward", "TargetGroupArn": web}]
    first = [{"CertificateArn": f"{CERT}1"}]
    made = elb.create_listener(
        LoadBalancerArn=arn, Protocol="HTTPS", Port=443, DefaultActions=forward, Certificates=first
    )
    listener = made["Listeners"][0]["ListenerArn"]
    elb.add_listener_certificates(ListenerArn=listener, Certificates=[{"CertificateArn": f"{CERT}2"}])
    header = {"routing.http.response.server.enabled": "false"}
    elb.modify_listener_attributes(ListenerArn=listener, Attributes=tagged(**header))
    v2 = [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/v2/*"]}}]
    elb.create_rule(ListenerArn=listener, Priority=10, Conditions=v2, Actions=forward)
    there.world.guarded[arn] = ACL
    return arn


class Move(Run):
    """One migration from A to B; `before` is what the account and the zone held."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        super().__init__()

    def prepare(self) -> None:
        self.account = self._stack.enter_context(account(self.sides.clock.now))
        self.account.world.delays = DELAYS
        self.arn = small(self.account, NAMES["a"])
        self.sides.clock.sleep(LATER)
        a = self.account.world.balancers[self.arn]
        self.hosts = {a["DNSName"].lower() + "."}
        self.fill(alias(a["CanonicalHostedZoneId"], WWW, a["DNSName"].lower() + "."))
        self._announced()
        self.sides.up, self.sides.requests = Up(self.account), Probes(self.account)
        self.soft = SOFT
        self.more: dict[str, str] = {}
        self.before = self.account.listing(), self.sets()
        self._where, self._since = (0, 0), 0
        self._moments: dict[tuple[int, int, str], int] = {}

    def _announced(self) -> None:
        """Route 53 knows where the balancers' names lead."""
        names = [one["DNSName"].lower() + "." for one in self.account.world.balancers.values()]
        self.world.balancers = {f"{kind}{name}": HERE for name in names for kind in ("", "dualstack.")}

    def side(self, which: str) -> Side:
        place = {"side": which, "migration": MIGRATION, "name": NAMES[which], "region": REGION,
                 "endpoint": self.account.endpoint, **self.more}  # fmt: skip
        return Side("elbv2", (), place=tuple(place.items()))

    def planned(self, drivers: tuple[Route53, ...]) -> Plan:
        bound = Bound(MIGRATION, (WWW,), self.side("a"), self.side("b"), (self.entry,), STAGES, 5)
        a, b = balancers.located(bound.a, bound.b)
        bound = replace(bound, a=a, b=b)
        return assemble.planned(bound, assemble.survey(bound, drivers))

    def _work(self) -> State:
        """As a verb does it: the sides are located, the zone is surveyed, then the engine drives."""
        self.workers += 1
        clock = self.sides.clock
        one = Engine(self.journal, clock, worker(self.workers), self._alive, self._tell)
        drivers = (Route53(self.entry, 2.0, 5.0, PACE),)
        try:
            if one.state.plan is None:
                plan = self.planned(drivers)
                one.begin(plan, self.soft, assemble.served(plan, drivers))
            assert one.state.plan is not None
            bound = one.state.plan.bound
            made = parts(self.sides, (), (), 5.0, 1, True)
            made.zones, made.search = drivers, gather.left
            made.sides = {"a": Elbv2(bound.a, clock.now), "b": Elbv2(bound.b, clock.now)}
            one.drive(made, over)
            return one.state
        finally:
            for driver in drivers:
                driver.close()

    def count(self, call: str, after: bool) -> None:
        if after:
            self._announced()
        else:
            where = sum(not isinstance(one.event, Saw) for one in self.journal.entries), len(self.journal.entries)
            self._since = self._since + 1 if where == self._where else 0
            self._where = where
            self._moments.setdefault((where[0], self._since, call), len(self.calls) + 1)
        super().count(call, after)

    @property
    def points(self) -> list[tuple[int, bool]]:
        """Before and after each call."""
        return [(n, after) for n in range(1, len(self.calls) + 1) for after in (False, True)]

    @property
    def moments(self) -> list[tuple[int, bool]]:
        """Those that differ: of looks that are repeated while nothing else happens, the first."""
        return [(n, after) for n in self._moments.values() for after in (False, True)]

    # ------------------------------------------------------------ what came of it

    def sets(self) -> list[RecordSet]:
        return rules.listed(self.world.zones[self.zone].sets)

    def held(self) -> Thing:
        """What the account holds, but for the moments at which it was made."""
        found = self.account.listing()
        for one in found["balancers"].values():
            del one["CreatedTime"]
        return found

    @property
    def writes(self) -> Counter[str]:
        """The account's calls that changed something."""
        return Counter(one for one in self.account.world.calls if not one.startswith(READS))

    @property
    def made(self) -> Counter[str]:
        """The same, of those that make something."""
        return Counter({call: n for call, n in self.writes.items() if call.startswith("Create")})


@pytest.fixture
def moves(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Move]]:
    """Makes migrations; the calls of every service are counted by the last one."""
    for key, text in KEYS.items():
        monkeypatch.setenv(key, text)
    monkeypatch.setattr("lbmigrate.dns.route53.driver.ASK_EVERY", 0.0)
    made: list[Move] = []
    once = aws.once

    def counted(client: Any, call: str, given: Any) -> Any:
        made[-1].count(call, after=False)
        try:
            return once(client, call, given)
        finally:  # an error is an answer too
            made[-1].count(call, after=True)

    with ExitStack() as stack:

        def new() -> Move:
            monkeypatch.setattr(aws, "once", once)
            move = Move(stack)
            monkeypatch.setattr(aws, "once", counted)
            monkeypatch.setattr(PACE, "_lately", deque(maxlen=RATE))
            monkeypatch.setattr(PACE, "_clock", move.sides.clock.now)
            monkeypatch.setattr(PACE, "sleep", move.sides.clock.sleep)
            made.append(move)
            stack.enter_context(move.serving())
            return move

        yield new


# ---------------------------------------------------------------- where it ends


def went(move: Move) -> None:
    """A is gone with what only it used, B stands as A did, and the name is an alias to it."""
    assert move.drive().outcome == "done"
    account, zone = move.before
    (b,) = move.account.world.balancers.values()
    assert b["LoadBalancerName"] == NAMES["b"]
    assert {name: len(held) for name, held in move.held().items()} == {
        name: len(held) for name, held in account.items()
    }
    host = b["DNSName"].lower() + "."
    moved = [replace(one, alias=replace(one.alias, name=host)) if one.alias else one for one in zone]
    assert move.sets() == moved


def came_back(move: Move) -> None:
    """The account and the zone hold to the letter what they held."""
    assert move.drive().outcome == "rolled-back"
    assert (move.account.listing(), move.sets()) == move.before


def stayed(move: Move) -> None:
    """A is as it was, but without targets, and with B's name on it; nothing registers any with it."""
    assert move.drive().outcome == "done"
    (account, _), after = move.before, move.account.listing()
    (b,) = (arn for arn, one in after["balancers"].items() if one["LoadBalancerName"] == NAMES["b"])
    assert after["tags"][move.arn].pop("lbmigrate:successor") == b
    for name in ("balancers", "listeners", "rules", "groups", "attributes", "tags", "guarded"):
        assert {arn: after[name].get(arn) for arn in account[name]} == account[name]
    (mine,), (copy,) = account["groups"], after["groups"].keys() - account["groups"].keys()
    assert after["scaling"]["fleet"]["TargetGroupARNs"] == [copy]
    move.sides.clock.sleep(DELAYS.drain)
    assert (move.account.world.health(mine), after["targets"][copy]) == ([], account["targets"][mine])


def keeps(move: Move) -> None:
    """A is to stay."""
    move.soft = replace(SOFT, retire=replace(SOFT.retire, keep=True))


def fails(move: Move) -> None:
    """B fails from the moment that it is shown."""

    def begin(entry: Entry) -> None:
        if began(entry, 25):
            move.sides.sick["b"] = lambda _: 1.0

    move.when = begin


def goes(_: Move) -> None:
    """Nothing goes wrong."""


# ---------------------------------------------------------------- what the key may


NEVER = {  # what is called where A was changed since, has more of a kind, or AWS calls it for the caller
    "DeleteListener", "DeleteRule", "ModifyListener", "ModifyRule", "ModifyTargetGroup", "RemoveListenerCertificates",
    "DescribeServices", "ListServices", "DetachTrafficSources", "SetWebACL", "DescribeUserPoolClient",
}  # fmt: skip
ELSE = {  # and what belongs to another end
    goes: {"DeregisterTargets", "RemoveTags"}, keeps: {"DeleteLoadBalancer", "DeleteTargetGroup"},
    fails: {"DeregisterTargets"},
}  # fmt: skip


@pytest.mark.parametrize(("way", "end"), [(goes, went), (keeps, stayed), (fails, came_back)])
def test_the_printed_policies_are_enough_for_a_whole_move(
    moves: Callable[[], Move], way: Callable[[Move], None], end: Callable[[Move], None]
) -> None:
    """Each call is judged by them when it is made; recorded and judged again, none is allowed that is not of use."""
    move = moves()
    way(move)
    driver = Route53(move.entry, 2.0, 5.0, PACE)
    plan = move.planned((driver,))
    driver.close()
    mine = iam.balancers(plan.bound, move.soft.retire.keep)
    zone = iam.policy(move.entry, types(written(plan)))
    move.set(policy=json.dumps(zone))
    move.account.world.faults.policy = json.dumps(mine)
    begun = len(move.account.world.calls)
    end(move)
    used = set(move.account.world.calls[begun:])
    each: Any = mine["Statement"]
    allowed = {one.split(":")[1] for held in each for one in held["Action"] if not one.startswith("ec2:")}
    assert (used - allowed, allowed - used) == (set(), NEVER | ELSE[way])


# ---------------------------------------------------------------- a role


ROLE = f"arn:aws:iam::{ACCOUNT}:role/mover"


def test_the_sides_are_moved_by_a_role(moves: Callable[[], Move], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else may anything in the balancers' account; STS is asked with the external id."""
    move = moves()
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://{move.at}")
    move.world.roles[ROLE] = Role(ROLE, (KEY_ID,), "outer-7")
    move.account.world.faults.known = lambda key: key in move.world.sessions
    with pytest.raises(Denied, match="InvalidClientTokenId"):
        move.drive()
    move.more = {"role": ROLE, "external_id": "outer-8"}
    with pytest.raises(Denied, match=r"AccessDenied.*sts:AssumeRole"):
        move.drive()
    move.more = {"role": ROLE, "external_id": "outer-7"}
    went(move)
    assert move.world.calls.count("AssumeRole") >= 2


@pytest.mark.long
@pytest.mark.parametrize(("way", "end"), [(goes, went), (keeps, stayed), (fails, came_back)])
def test_killed_before_and_after_a_call_nothing_is_made_twice_or_left_behind(
    moves: Callable[[], Move], way: Callable[[Move], None], end: Callable[[Move], None], shown: Callable[[str], None]
) -> None:
    """The calls of the clean move are counted; then the move is made again for each of them, killed there."""
    clean = moves()
    way(clean)
    end(clean)
    points = clean.points if EVERY else random.Random(1).sample(clean.moments, SAMPLE)
    for point in points:
        one = moves()
        one.kill_at = point
        way(one)
        end(one)
        assert one.kill_at is None, point
        assert (one.held(), one.made) == (clean.held(), clean.made), point
        assert one.changes <= clean.changes, point  # fewer where B was seen to fail before it was shown
    told = {goes: "", keeps: " where A is kept", fails: " there and back"}[way]
    shown(
        f"Elastic Load Balancing: killed at {len(points)} of {2 * len(clean.calls)} points of a move{told}"
        f" ({len(clean.moments)} of them unlike), resumed without a flag each time"
    )
