"""The shipped loop's parts over one frozen moment of the small world: what an effect or a look meets there."""

from collections.abc import Callable, Sequence

from explore.world import NOW, WORKERS, Act, World
from lbmigrate import look
from lbmigrate.effects import perform
from lbmigrate.errors import Unreachable
from lbmigrate.events import Ended, Saw
from lbmigrate.fold import LEASE, State
from lbmigrate.model import (
    Applied,
    Blueprint,
    Channel,
    Held,
    Look,
    NotApplied,
    Outcome,
    Records,
    Sample,
    Served,
    Then,
    Unknown,
)
from lbmigrate.parts import Parts, Ring
from lbmigrate.value import replace

Answer = Callable[[Held, Held, bool], Outcome]


class Asked(Exception):  # no error: the worker may stand still here
    """The journal is asked whether the intent still stands."""


class Sent(Exception):  # no error: the message is on its way
    """The update as it goes out."""

    def __init__(self, old: Held, new: Held, soa: bool) -> None:
        self.old, self.new, self.soa = old, new, soa
        super().__init__("sent")


class Moment:
    """Zone, sides, prober and clock as they are now. `intent`: of the look under way, for a mutation."""

    intent: float | None = None

    def __init__(self, world: World, answer: Answer | None = None, read: Held | None = None) -> None:
        self.zone = read or world.zone.of
        self.world = world
        self.up = list(world.up)
        self._answer = answer
        self.differs: tuple[str, ...] = ()

    # ---- the zone

    def read(self, names: Sequence[str]) -> Records:
        """See model.Zone."""
        del names
        return Records((self.zone,), "now")

    def swap(self, old: Records, new: Records, then: Then = None) -> Outcome:
        """See model.Zone: sends, unless the answer is there already."""
        del then
        one, other, soa = old.held[0], new.held[0], old.soa is not None
        if self._answer is None:
            raise Sent(one, other, soa)
        return self._answer(one, other, soa)

    def served(self, names: Sequence[str], types: Sequence[str] = ()) -> list[Served]:
        """See model.Zone."""
        del names, types
        held = (("ns1", self.world.zone.of), ("ns2", self.world.second.of))
        return [Served(server, r.name, r.rtype, r.ttl, r.rdatas) for server, one in held for r in one.rrsets]

    def check(self, names: Sequence[str]) -> tuple[str, ...]:
        """See model.Zone."""
        raise NotImplementedError

    # ---- prober and clock

    def start(self, seconds: float, seen: Callable[[Sample], bool]) -> "Moment":
        """See model.Prober: what it found is in the rings already."""
        del seconds, seen
        return self

    def compare(self) -> tuple[str, ...]:
        """See model.Prober."""
        return self.differs

    def wait(self, seconds: float) -> bool:
        """See model.Probing."""
        del seconds
        return True

    def stop(self) -> float:
        """See model.Probing."""
        return 0.0

    def now(self) -> float:
        """See parts.Clock."""
        return NOW

    def sleep(self, seconds: float) -> None:
        """See parts.Clock."""
        raise NotImplementedError


class Balancer:
    """`model.Balancer` of one side at that moment."""

    def __init__(self, moment: Moment, side: int) -> None:
        self._moment, self._side = moment, side

    def describe(self) -> Blueprint:
        """See model.Balancer."""
        return Blueprint("sim", (), (), ())

    def check(self, plan: Blueprint) -> None:
        """See model.Balancer."""

    def stand_up(self, plan: Blueprint) -> None:
        """See model.Balancer."""
        del plan
        self._moment.up[self._side] = True

    def look(self) -> Look:
        """See model.Balancer."""
        if not self._moment.up[self._side]:
            return Look(False)
        return Look(True, "ab"[self._side], (), int(self._moment.world.hot[self._side]), 0, 0)

    def stop(self) -> None:
        """See model.Balancer."""
        self._moment.up[self._side] = False


def parts(moment: Moment) -> Parts:
    """What a worker works with at that moment."""
    made = Parts(
        (moment,), {"a": Balancer(moment, 0), "b": Balancer(moment, 1)}, moment, (Channel(0, "A"),), moment,
    )  # fmt: skip
    made.run = LEASE
    return made


# ---------------------------------------------------------------- an effect


def read(act: Act, world: World) -> Act:
    """What the effect comes to before it asks whether its intent still stands."""
    try:
        return _noted(act, _performed(act, Moment(world), _asked))
    except (Asked, Sent):  # Sent: by a worker that does not ask (a mutation)
        return act._replace(then="do", read=world.zone.of)


def _asked() -> bool:
    raise Asked


def do(act: Act, world: World, mine: bool, fit: bool) -> tuple[Act, tuple[bool, ...], Sent | None]:
    """What it comes to after that: who is up then, and the message that it sent."""
    moment = Moment(world, None, act.read)
    moment.differs = () if fit else ("B answers otherwise",)
    try:
        ended = _performed(act, moment, lambda: mine)
    except Sent as sent:
        return act, tuple(moment.up), sent
    return _noted(act, ended), tuple(moment.up), None


def _performed(act: Act, moment: Moment, still: Callable[[], bool]) -> Ended:
    flight = act.state.flight
    assert flight is not None
    return perform(parts(moment), act.state, flight.step, flight.n, still)


def _noted(act: Act, ended: Ended) -> Act:
    return act._replace(then="note", read=None, message=None, ended=replace(ended, why=ended.result))


def unreachable(act: Act, world: World) -> Act:
    """The primary does not answer at all."""

    class Dead(Moment):
        def read(self, names: Sequence[str]) -> Records:
            raise Unreachable(f"{names}: no answer; wait")

        def swap(self, old: Records, new: Records, then: Then = None) -> Outcome:
            del then
            raise Unreachable(f"{old} to {new}: no answer; wait")

    return _noted(act, _performed(act, Dead(world), lambda: True))


def settled(act: Act, world: World, answer: str) -> Act:
    """How the effect ended: `answer` is "came" (what the zone holds was read after it), "lost" or "lost twice"."""

    def outcome(old: Held, new: Held, soa: bool) -> Outcome:
        del old, soa
        if answer != "lost twice" and world.zone.of == new:
            return Applied()
        return NotApplied(Records((world.zone.of,), "now")) if answer == "came" else Unknown("no answer")

    return _noted(act, _performed(act, Moment(world, outcome, act.read), lambda: True))


# ---------------------------------------------------------------- a look


def watch(world: World, worker: int, ok: tuple[bool, bool]) -> Saw:
    """One slice of watching, in which the sides were well or not."""
    Moment.intent = world.intent or None
    state: State = world.journal.of
    made = parts(Moment(world))
    for name, well in zip(("a", "b"), ok, strict=True):
        if name == "a" or state.proven or state.back:
            for _ in range(Ring.SIZE):
                made.rings[name][0].add(NOW, well)  # type: ignore[index]
    saw = look.look(made, state, NOW, lambda: False)
    promote = 1000.0 if all(ok) else 0.0
    return replace(saw, where=WORKERS[worker].host, after=replace(saw.after, promote=promote))
