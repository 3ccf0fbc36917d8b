"""Whole migrations by the real driver at the laboratory's Route 53, sides and time virtual: deaths and faults."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from route53s import UNTHROTTLED, WWW, ZONE, A, B, Ground, Set, client, simple
from test_route53 import KEYS

from lbmigrate import assemble
from lbmigrate import plan as plans
from lbmigrate.dns.route53.api import Api, Pace
from lbmigrate.dns.route53.driver import Route53
from lbmigrate.engine import Engine, over
from lbmigrate.errors import OnHold
from lbmigrate.events import Began, Entry
from lbmigrate.fold import State
from lbmigrate.iam import policy
from lbmigrate.lab.route53 import iam, rules
from lbmigrate.lab.virtual import START, Crash, Faults, MemoryJournal, parts, worker
from lbmigrate.lab.virtual import World as Sides
from lbmigrate.model import Held, Probe, Records, RRset, Side
from lbmigrate.needed import written
from lbmigrate.plan import Plan, Write
from lbmigrate.policy import types
from lbmigrate.spec import Bound, Dns, GateSpec, Retire, Soft, Stage
from lbmigrate.undo import commands
from lbmigrate.value import replace

HORIZON = 3 * 3600.0  # virtual seconds
ORIGINAL = Held(WWW, (RRset(WWW, "A", 60, (A,)),))
ENTRY = Dns("route53", ZONE, scheme="weighted", serve_limit=60.0)
SOFT = Soft(
    (Probe("http://www.lab.test/", rate=20.0),), soak=1, soak_limit=120, cache_margin=1,
    gate=GateSpec(promote_margin=0.2), retire=Retire(idle_for=5, limit=7200),
)  # fmt: skip


class Run(Ground):
    """One migration from A to B. `when` is called with every entry of the journal; `calls` are those of the API."""

    def __init__(self) -> None:
        self.sides = Sides(1, (ORIGINAL,), Faults())
        super().__init__(self.sides.clock.now)
        self.entry = replace(ENTRY, zone_id=self.zone, nameservers=tuple(self.servers), endpoint=f"http://{self.at}")
        self.journal = MemoryJournal(self.sides.hook)
        self.when: Callable[[Entry], object] = lambda _: None
        self.calls: list[str] = []
        self.kill_at: tuple[int, bool] | None = None
        self.workers = 0
        self.prepare()

    def prepare(self) -> None:
        """What is there before it begins."""
        self.fill(simple(WWW, A), simple(f"other.{ZONE}", B))
        self.plan = plans.build(self.bound((A,), (B,), self.entry), (ORIGINAL,))

    def bound(self, a: Sequence[str], b: Sequence[str], *entries: Dns) -> Bound:
        """From these addresses to those."""
        sides = Side("sim", tuple(a)), Side("sim", tuple(b))
        return Bound("web", (WWW,), *sides, entries, (Stage(25), Stage(100)), 5)

    def drive(self) -> State:
        """One worker after the other until it is over. Raises OnHold."""
        while self.sides.clock.now() < START + HORIZON:
            try:
                return self._work()
            except Crash:
                self.sides.clock.sleep(3.0)
        raise AssertionError("not over in time")

    def _work(self) -> State:
        self.workers += 1
        pace = Pace(self.sides.clock.now, self.sides.clock.sleep)
        made = parts(self.sides, (A,), (B,), 20.0, 1, True)
        made.zones = drivers = tuple(Route53(entry, 2.0, 5.0, pace) for entry in self.plan.bound.dns)
        one = Engine(self.journal, self.sides.clock, worker(self.workers), self._alive, self._tell)
        try:
            if one.state.plan is None:
                one.begin(self.plan, SOFT, assemble.served(self.plan, drivers))
            one.drive(made, over)
            return one.state
        finally:
            for driver in drivers:
                driver.close()

    def _alive(self, who: Any) -> bool:
        return bool(who.pid == self.workers)

    def _tell(self, entry: Entry, _state: State) -> None:
        self.when(entry)

    def count(self, call: str, after: bool) -> None:
        """One call before or after it is made: the worker may die here, once."""
        if not after:
            self.calls.append(call)
        if self.kill_at == (len(self.calls), after):
            self.kill_at = None
            raise Crash

    # ------------------------------------------------------------ what came of it

    def listed(self) -> list[tuple[str, str, int | None, tuple[str, ...]]]:
        found = rules.listed(self.world.zones[self.zone].sets)
        return [(one.name, one.rtype, one.ttl, one.values) for one in found if one.rtype not in ("SOA", "NS")]

    def moved(self) -> None:
        """All is B's, under the old TTL, and nothing is left behind; the name had an answer all the time."""
        assert self.listed() == [(f"other.{ZONE}", "A", 60, (B,)), (WWW, "A", 60, (B,))]
        for version in self.world.zones[self.zone].versions:
            group = [one for key, one in version.sets.items() if key[:2] == (WWW, "A")]
            assert group
            assert all(one.routing == "simple" or one.weight for one in group)

    @property
    def changes(self) -> int:
        """How many changes were accepted."""
        return sum(len(zone.versions) - 1 for zone in self.world.zones.values())


class Both(Run):
    """The public and the private zone of one name, with addresses of their own, found by `private` alone."""

    INSIDE = "10.0.0.10", "10.0.0.20"

    def __init__(self) -> None:
        super().__init__()
        old, new = self.INSIDE
        self.inside = self.private(simple(WWW, old))
        outer = replace(self.entry, zone_id="", private=False, view="outside", addresses=(A, B))
        servers = tuple(self.faces[self.inside])
        inner = replace(outer, private=True, view="inside", addresses=self.INSIDE, nameservers=servers)
        held = (
            Held(WWW, (RRset(WWW, "A", 60, (A,)),), view="outside"),
            Held(WWW, (RRset(WWW, "A", 60, (old,)),), view="inside"),
        )
        self.plan = plans.build(self.bound((A, old), (B, new), outer, inner), held)

    def within(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """What the private zone holds."""
        found = rules.listed(self.world.zones[self.inside].sets)
        return [(one.name, one.rtype, one.values) for one in found if one.rtype not in ("SOA", "NS")]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Run]]:
    """Makes runs; the calls of every API are counted by the last one."""
    for key, text in KEYS.items():
        monkeypatch.setenv(key, text)
    monkeypatch.setattr("lbmigrate.dns.route53.driver.ASK_EVERY", 0.0)
    made: list[Run] = []
    once = Api._once

    def counted(self: Api, call: str, given: dict[str, Any]) -> Any:
        made[-1].count(call, after=False)
        done = once(self, call, given)
        made[-1].count(call, after=True)
        return done

    monkeypatch.setattr(Api, "_once", counted)
    with ExitStack() as stack:

        def new(kind: type[Run] = Run) -> Run:
            made.append(kind())
            stack.enter_context(made[-1].serving())
            return made[-1]

        yield new


@pytest.fixture
def run(runs: Callable[[], Run]) -> Run:
    return runs()


def began(entry: Entry, weight: int) -> bool:
    """A write of that weight is about to be made."""
    step = entry.event.step if isinstance(entry.event, Began) else None
    return isinstance(step, Write) and (step.target, step.weight) == ("weight", weight)


def test_a_whole_move_takes_four_changes(run: Run) -> None:
    assert run.drive().outcome == "done"
    run.moved()
    assert run.changes == run.calls.count("change_resource_record_sets") == 4


def test_the_public_and_the_private_zone_of_one_name_move_as_one(runs: Callable[..., Run]) -> None:
    """Each stage is in both zones before it counts; neither is at 100 while the other has not been at 25."""
    run = runs(Both)
    assert isinstance(run, Both)
    order: list[tuple[str, int]] = []
    run.when = lambda entry: order.extend(written_by(entry, run.plan))
    assert run.drive().outcome == "done"
    run.moved()
    assert run.within() == [(WWW, "A", (Both.INSIDE[1],))]
    assert run.changes == 8
    assert order == [(view, weight) for weight in (25, 100) for view in ("outside", "inside")]


def written_by(entry: Entry, plan: Plan) -> list[tuple[str, int]]:
    """The view and weight of a write that begins."""
    step = entry.event.step if isinstance(entry.event, Began) else None
    if not isinstance(step, Write) or step.target != "weight":
        return []
    return [(plan.bound.dns[plan.batches[step.batch].zone].view, step.weight)]


def under_policy(run: Run) -> str:
    """The policy that `lbmigrate policy` prints for this run."""
    return json.dumps(policy(run.entry, types(written(run.plan))))


def test_the_policy_is_enough_for_a_whole_move_and_for_the_way_back(run: Run) -> None:
    run.set(policy=under_policy(run))
    assert run.drive().outcome == "done"
    run.moved()


def test_the_policy_allows_what_a_move_asks_and_no_more(run: Run) -> None:
    """The calls of a whole move are recorded and judged again; each is needed, and what is beside them is denied."""
    document = json.loads(under_policy(run))
    asked: list[tuple[str, str, dict[str, list[str]]]] = []
    permit = run.world.permit

    def record(action: str, resource: str, context: Any) -> None:
        asked.append((f"route53:{action}", f"arn:aws:route53:::{resource}", context))
        permit(action, resource, context)

    run.world.permit = record  # type: ignore[method-assign]
    run.drive()
    assert all(iam.allows(document, *one) for one in asked)
    allowed = {action for one in document["Statement"] for action in iam._listed(one["Action"])}
    assert {action for action, _, _ in asked} == allowed
    changed = [context for action, _, context in asked if action == iam.CHANGE]
    about = document["Statement"][-1]["Condition"]["ForAllValues:StringEquals"]
    assert {key: sorted({one for context in changed for one in context[key]}) for key in about} == about
    zone = f"arn:aws:route53:::hostedzone/{run.zone}"
    for key, odd in (("NormalizedRecordNames", "other.lab.test"), ("RecordTypes", "CNAME"), ("Actions", "UPSERT")):
        context = {**changed[0], f"{iam.CHANGE}{key}": [odd]}
        assert not iam.allows(document, iam.CHANGE, zone, context)
    assert not iam.allows(document, iam.CHANGE, zone + "X", changed[0])
    assert not iam.allows(document, "route53:DeleteHostedZone", zone, {})


WRITING = ("change_resource_record_sets", "get_change")
EVERY = "LBMIGRATE_EVERY_CALL" in os.environ  # a third of a second of processor a point; `make soak` plays them all


@pytest.mark.long
def test_killed_before_and_after_a_call_nothing_is_made_twice_or_left_behind(
    runs: Callable[..., Run], shown: Callable[[str], None]
) -> None:
    """The calls of the clean move are counted; then the move is made again for each of them, killed there."""
    clean = runs()
    clean.drive()
    calls = list(clean.calls)
    points = [(n, after) for n, call in enumerate(calls, 1) if EVERY or call in WRITING for after in (False, True)]
    for point in points:
        one = runs()
        one.kill_at = point
        assert one.drive().outcome == "done", point
        assert one.kill_at is None, point
        one.moved()
        assert one.changes == 4, point
    shown(f"Route 53: killed at {len(points)} of {2 * len(calls)} points of a move, resumed without a flag each time")


@pytest.mark.parametrize("fault", [{"throttled": 4}, {"busy": 1.5}, {"lost": 1}, {"unheard": 1}, {"pending": 8.0}])
def test_what_is_waited_out_or_read_back(run: Run, fault: dict[str, Any]) -> None:
    run.when = lambda entry: run.set(**fault) if began(entry, 25) else None
    assert run.drive().outcome == "done"
    run.moved()
    assert run.changes == 4


@pytest.mark.parametrize("fault", [{"stuck": True}, {"expired": True}, {"lag": (0.0, 1e9)}, {"pending": None}])
def test_what_holds_and_what_goes_on_when_it_is_over(run: Run, fault: dict[str, Any]) -> None:
    """Exit 4 after soak_limit; the commands that undo by hand are printed; when the cause is gone, it goes on."""
    run.when = lambda entry: run.set(**fault) if began(entry, 25) else None
    with pytest.raises(OnHold):
        run.drive()
    assert run.world.faults != UNTHROTTLED
    state = Engine(run.journal, run.sides.clock, worker(99), lambda _: False).state
    assert commands(state).startswith("aws route53 change-resource-record-sets")


def test_somebody_elses_change_is_not_overwritten(run: Run) -> None:
    def meddle(entry: Entry) -> None:
        if began(entry, 100):
            other = client(run.at)
            held: list[Set] = other.list_resource_record_sets(HostedZoneId=run.zone)["ResourceRecordSets"]
            (mine,) = [one for one in held if one.get("SetIdentifier") == f"lbmigrate {B}"]
            batch = [{"Action": "UPSERT", "ResourceRecordSet": {**mine, "Weight": 7}}]
            other.change_resource_record_sets(HostedZoneId=run.zone, ChangeBatch={"Changes": batch})
            other.close()

    run.when = meddle
    with pytest.raises(Exception, match=r"WEIGHTED A .* 7 "):
        run.drive()
    weights = {
        one.identifier: one.weight for one in run.world.zones[run.zone].sets.values() if one.routing == "weighted"
    }
    assert weights == {f"lbmigrate {A}": 3, f"lbmigrate {B}": 7}


def test_a_stray_copy_of_a_claim_leaves_no_traffic_behind(run: Run) -> None:
    """A claim that comes late, after the rollback: a fence may be left, weights never."""
    driver = Route53(run.entry, 2.0, 5.0, Pace(run.sides.clock.now, run.sides.clock.sleep))
    first = plans.wanted(run.plan, "a1", 1, Write(0, "claim"))
    driver.swap(Records((ORIGINAL,)), Records(first))
    driver.swap(Records(first), Records((ORIGINAL,)))
    driver.swap(Records((ORIGINAL,)), Records(first))
    driver.close()
    assert {values for _, rtype, _, values in run.listed() if rtype == "A"} == {(A,), (B,)}
