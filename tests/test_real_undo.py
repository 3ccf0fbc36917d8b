"""At every moment of a whole plan, by every scheme, on every server: the undo as it is printed, run by hand, and
`rollback --from-dns` without a journal each leave the zone exactly as it was, or say that there is nothing to undo.

A moment is a state of the journal and one of the zone: before a message, after it has arrived and before anybody
noted that, after that. The plan's writes are made by the driver as the engine makes them.
"""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from servers import KEY, KINDS, Server, program
from states import soft, told
from test_rfc2136_types import TYPED, A, B, entry

from lbmigrate import from_dns
from lbmigrate import plan as plans
from lbmigrate.dns.rfc2136 import Rfc2136
from lbmigrate.events import FORMAT, Asked, Began, Ended, Opened, Passed, Started
from lbmigrate.fold import State
from lbmigrate.model import Applied, Records
from lbmigrate.plan import Drain, Soak, Step, Stop, Turn, Write
from lbmigrate.spec import Bound, Stage
from lbmigrate.undo import commands

PAIR, HINTED, ALIAS, WEB, SVCB = (f"{name}.lab.test." for name in ("pair", "hinted", "alias2", "_web._tcp", "_dns"))
WAYS: dict[str, tuple[str, tuple[str, ...], tuple[int, ...]]] = {
    "addresses": ("auto", (PAIR, HINTED), (50, 100)),
    "srv": ("srv", (WEB,), (1, 100)),
    "whole": ("auto", (ALIAS, SVCB), (100,)),
    "names": ("names", (ALIAS, HINTED, PAIR, WEB), (25, 50, 100)),
    "lua": ("lua", (PAIR, HINTED), (25, 100)),
}
CASES = [
    pytest.param((kind, way), id=f"{kind}-{way}")
    for kind in ("named", "knotd", "pdns")
    for way in WAYS
    if way != "lua" or kind == "pdns"
]
pytestmark = pytest.mark.real("named", "knotd", "pdns_server", "nsupdate")
GONE = "# nothing to undo by hand: A is stopped, or being stopped; go on with: lbmigrate run"


class World:
    """One attempt on one server, as its journal adds up."""

    def __init__(self, server: Server, zone: Rfc2136, way: str) -> None:
        scheme, names, stages = WAYS[way]
        self.server, self.zone, self.names = server, zone, names
        self.before = server.records()
        listed = tuple(Stage(weight) for weight in stages)
        self.bound = Bound("web", names, A, B, (entry(server, scheme),), listed, 30)
        self.plan = plans.build(self.bound, zone.read(names).held)
        self.state = told(State(), Opened(FORMAT, "web"), Started("a1", "", self.plan, soft(), ()))

    def tell(self, *events: Began | Ended | Passed | Asked) -> None:
        self.state = told(self.state, *events)

    def send(self, step: Write) -> None:
        """The message of the step under way."""
        assert self.state.flight is not None
        now = self.zone.read(self.names)
        want = plans.wanted(self.plan, "a1", self.state.flight.n, step)
        old = Records(now.held, now.soa if step.target == "claim" else None)
        assert self.zone.swap(old, Records(want)) == Applied(), step


def moments(world: World, steps: tuple[Step, ...]) -> Iterator[str]:
    """Take the steps one by one; the name of each moment at which DNS or the journal is another than before."""
    for step in steps:
        match step:
            case Turn() | Soak() | Drain():
                world.tell(Passed(step))
            case Write():
                what = f"{step.target} {step.weight}"
                world.tell(Began(step))
                yield f"{what}: not sent"
                world.send(step)
                yield f"{what}: arrived, and nobody knows"
                world.tell(Ended(step, "done", planned=True))
                yield f"{what}: done"
            case _:
                world.tell(Began(step))
                if step == Stop("a"):
                    yield "A is being stopped"
                world.tell(Ended(step, "done"))


def by_hand(world: World) -> None:
    """As printed, in a shell, the secret in its variable."""
    script = commands(world.state).replace("nsupdate -v", f"{program('nsupdate')} -v")
    done = subprocess.run(
        ["sh"], input=script, env={"SECRET": KEY.secret}, capture_output=True, text=True, timeout=20, check=False
    )
    assert "syntax" not in done.stderr
    assert "invalid" not in done.stderr


def by_the_fence(world: World) -> None:
    """Without the journal."""
    from_dns.restore(world.bound, (world.zone,), dry_run=False)


BY: dict[str, Callable[[World], None]] = {"by hand": by_hand, "from DNS": by_the_fence}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    kind, way = request.param
    running = KINDS[kind](tmp_path_factory.mktemp(kind), TYPED)
    running.edit(lambda message: message.add(SVCB, 300, "SVCB", "1 lb-a.lab.test. alpn=dot"))
    yield running, way
    running.stop()


@pytest.fixture
def world(case: tuple[Server, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("TSIG", KEY.secret)
    server, way = case
    with closing(Rfc2136(entry(server, WAYS[way][0]), 2.0, 5.0)) as zone:
        world = World(server, zone, way)
        yield world
        server.restore(world.before)


def undone(world: World, undo: Callable[[World], None], moment: str) -> str:
    """Undo, find the zone exact, and put the moment back; its name."""
    then = world.server.records()
    undo(world)
    assert world.server.records() == world.before, moment
    world.server.restore(then)
    assert world.server.records() == then, moment
    return moment


@pytest.mark.parametrize("how", BY)
def test_at_every_moment_the_undo_leaves_the_zone_as_it_was(how: str, world: World) -> None:
    steps = world.plan.forward[: world.plan.forward.index(Stop("a"))]
    tried = [undone(world, BY[how], moment) for moment in moments(world, steps)]
    assert len(tried) >= 3 * (1 + len(world.bound.stages))


def test_so_it_does_on_the_way_back_and_once_a_is_being_stopped_there_is_none(world: World) -> None:
    forward = world.plan.forward
    first, stop = forward.index(Soak(world.bound.stages[0].weight)) + 1, forward.index(Stop("a"))
    list(moments(world, forward[:first]))
    there, then = world.state, world.server.records()
    world.tell(Asked("rollback"))
    for moment in moments(world, tuple(step for step in world.state.steps if isinstance(step, Write))):
        undone(world, by_hand, moment)
    world.state = there
    world.server.restore(then)
    list(moments(world, forward[first:stop]))
    assert {commands(world.state) for _ in moments(world, forward[stop:])} == {GONE}
