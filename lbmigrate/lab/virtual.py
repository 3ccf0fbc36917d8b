"""Simulated parts on a virtual clock: the same engine, hundreds of migrations a second, seeded and reproducible."""

from collections.abc import Callable, Sequence
from functools import cache, lru_cache

from lbmigrate import fence, lua
from lbmigrate.errors import Denied, Failed, Unreachable
from lbmigrate.events import Search, Worker
from lbmigrate.lab.world import START, Clock, Crash, Faults, MemoryJournal, Message, World
from lbmigrate.model import (
    FAMILIES,
    Applied,
    Backend,
    Blueprint,
    Channel,
    ControlSeen,
    Held,
    Look,
    NotApplied,
    Outcome,
    PairSeen,
    Records,
    Result,
    Sample,
    Served,
    SideName,
    Then,
    Unknown,
)
from lbmigrate.parts import Parts
from lbmigrate.spec import Bound
from lbmigrate.value import Same

FENCE_TTL = 60
RESULTS = {
    "good": Result(True, True, 200, "", 0.002),
    "late": Result(True, True, 200, "", 0.9),
    "bad": Result(False, False, None, "connection refused", 0.002),
}
BACKENDS = (Backend("app", "p1", "192.0.2.101", 80, healthy=True),)


class SimZone:
    """`model.Zone` over a World, as the RFC 2136 driver does it: fresh read, one message, read back."""

    def __init__(self, world: World, zone: str = "") -> None:
        self._world, self._zone = world, zone
        self._last: dict[tuple[tuple[str, ...], ...], tuple[object, list[Served]]] = {}

    def read(self, names: Sequence[str]) -> Records:
        """See model.Zone."""
        w = self._world
        w.watch("read")
        if w.away():
            raise Unreachable("reading from the primary: no answer; wait, or look at the server")
        now = w.clock.now()
        return Records(tuple([w.records[name] for name in names]), str(w.serials[self._zone]), now + w.skew(now))

    def swap(self, old: Records, new: Records, then: Then = None) -> Outcome:  # noqa: ARG002
        """See model.Zone."""
        w, faults = self._world, self._world.faults
        names = [held.name for held in old.held]
        now = self.read(names)
        if now.held != old.held or old.soa not in (None, now.soa):
            return NotApplied(now)
        w.hook("send")
        if w.away():
            return Unknown("no answer")
        if w.refuses:
            raise Denied(w.refuses)
        message = Message(old, new)
        w.sent.append(message)
        if w.random.random() < faults.late:
            w.later(message, "late")
            return Unknown("no answer")
        applied = w.deliver(message)
        if w.random.random() < faults.doubled:
            w.later(message, "doubled")
        w.hook("sent")
        if w.random.random() < faults.lost:
            w.tell("the answer is lost")
            return Unknown("no answer")
        now = self.read(names)
        return Applied() if applied and now.held == new.held else NotApplied(now)

    def check(self, names: Sequence[str]) -> tuple[str, ...]:
        """See model.Zone."""
        self.read(names)
        return ()

    def served(self, names: Sequence[str], rtypes: Sequence[str] = tuple(FAMILIES)) -> list[Served]:
        """See model.Zone."""
        w = self._world
        silent = w.silent(w.clock.now())
        now = [None if server in silent else w.serves(lag) for server, lag in enumerate(w.lags)]
        last, found = self._last.get(asked := (tuple(names), tuple(rtypes)), (None, []))
        if now != last:
            found = [
                one
                for server, records in enumerate(now)
                for name in names
                for one in self._served(f"ns{server}", name, records[name] if records else None, rtypes)
            ]
            drawn = any(records and "LUA" in records[name].by_type for records in now for name in names)
            if not drawn:  # what is drawn is another answer each time
                self._last[asked] = now, found
        return found

    def _served(self, server: str, name: str, held: Held | None, rtypes: Sequence[str]) -> list[Served]:
        """One server's answers for one name; None: it is silent."""
        if held is None:
            return [Served(server, name, rtype, None, None, "no answer") for rtype in rtypes]
        answers = self._answers(held, rtypes)
        return [Served(server, name, rtype, *answers.get(rtype, (0, ()))) for rtype in rtypes]

    def _answers(self, held: Held, rtypes: Sequence[str]) -> dict[str, tuple[int, tuple[str, ...]]]:
        """TTL and records by type, as a server answers: of a LUA record one address, of a fence its TXT."""
        found = {r.rtype: (r.ttl, r.rdatas) for r in held.rrsets if r.rtype in rtypes}
        if record := held.by_type.get("LUA"):
            for family, shares in filter(None, map(_read, record.rdatas)):
                drawn = self._world.random.choices([one for _, one in shares], [weight for weight, _ in shares])
                found[family] = (record.ttl, tuple(drawn))
        if held.fence and "TXT" in rtypes:
            found["TXT"] = (FENCE_TTL, (_text(Same(held.fence)),))
        return found


_read = lru_cache(maxsize=64)(lua.read)


@lru_cache(maxsize=64)
def _text(mark: Same) -> str:
    """A fence's TXT: every look at a LUA record asks for it."""
    return fence.rdata(mark.thing)  # type: ignore[arg-type]


class SimBalancer:
    """`model.Balancer` over a World."""

    def __init__(self, world: World, name: SideName, addresses: tuple[str, ...]) -> None:
        self._world, self._name, self._addresses = world, name, addresses
        self.own = 0

    def describe(self) -> Blueprint:
        """See model.Balancer."""
        return Blueprint("simulated", self._addresses, (), self._backends())

    def check(self, plan: Blueprint) -> None:
        """See model.Balancer."""

    def stand_up(self, plan: Blueprint) -> None:  # noqa: ARG002
        """See model.Balancer."""
        self._world.hook("stand up")
        if self._world.unfit:
            raise Failed(self._world.unfit)
        self._world.up[self._name] = True
        self._world.hook("stood up")

    def look(self) -> Look:
        """See model.Balancer."""
        w, name = self._world, self._name
        if not w.up[name]:
            return Look(False, name)
        count = int(w.requests[name] + w.foreign[name](w.clock.now())) if w.counts[name] else None
        return Look(True, name, self._backends(), count, *((0, 0) if w.counts[name] else ()))

    def stop(self) -> None:
        """See model.Balancer."""
        self._world.hook("stop")
        self._world.watch(f"stop {self._name}")
        self._world.up[self._name] = False
        self._world.clock.sleep(self._world.stopping)
        self._world.hook("stopped")

    def _backends(self) -> tuple[Backend, ...]:
        return BACKENDS


class SimProber:
    """`model.Prober` over a World: pairs at `rate`, each side failing as likely as the world says at that moment."""

    def __init__(self, world: World, channels: int, rate: float, controls: bool) -> None:
        self._world, self._channels, self._rate, self._controls = world, channels, rate, controls

    def start(self, seconds: float, seen: Callable[[Sample], bool]) -> "SimProbing":
        """See model.Prober."""
        return SimProbing(self._world, self._channels, self._rate, self._controls, seconds, seen)

    def compare(self) -> tuple[str, ...]:
        """See model.Prober."""
        now = self._world.clock.now()
        dead = not self._world.up["b"] or self._world.sick["b"](now) >= 1
        if self._world.different:
            return (self._world.different,)
        return ("B: connection refused",) if dead else ()


class SimProbing:
    """Probes under way; they happen while `wait` lets time pass."""

    def __init__(
        self,
        world: World,
        channels: int,
        rate: float,
        controls: bool,
        seconds: float,
        seen: Callable[[Sample], bool],
    ) -> None:
        self._world, self._channels, self._gap, self._seen = world, channels, 1 / rate, seen
        self._begun = world.clock.now()
        self._until = self._begun + seconds
        self._next = self._begun + self._gap
        self._controls = controls
        self._over = False

    def wait(self, seconds: float) -> bool:
        """See model.Probing."""
        clock = self._world.clock
        until = min(clock.now() + seconds, self._until)
        while not self._over and self._next <= until:
            clock.sleep(self._next - clock.now())
            self._over = self._slot()
            self._next = max(self._next, clock.now()) + self._gap  # who stood still has missed slots
        if not self._over:
            clock.sleep(max(0.0, until - clock.now()))
            self._over = until >= self._until
        return self._over

    def _slot(self) -> bool:
        now = self._world.clock.now()
        stop = False
        for channel in range(self._channels):
            stop = self._seen(_pair(channel, self._probe("a", now), self._probe("b", now))) or stop
        if self._controls and self._world.random.random() < 0.1:
            stop = self._seen(_control(not self._world.blind(now))) or stop
        return stop

    def _probe(self, side: SideName, now: float) -> str:
        """How one probe of a side is answered."""
        w = self._world
        failing = w.sick[side](now)
        if not w.up[side] or (failing and w.random.random() < failing):
            return "bad"
        w.requests[side] += 1
        return "late" if side in w.late and w.late[side](now) else "good"

    def stop(self) -> float:
        """See model.Probing."""
        self._over = True
        return self._world.clock.now() - self._begun


@cache
def _pair(channel: int, a: str, b: str) -> PairSeen:
    return PairSeen(channel, RESULTS[a], RESULTS[b])


@cache
def _control(ok: bool) -> ControlSeen:
    return ControlSeen("https://control.test/", ok, "" if ok else "no answer")


def parts(world: World, a: tuple[str, ...], b: tuple[str, ...], rate: float, channels: int, controls: bool) -> Parts:
    """What one worker works with."""

    def search(_: Bound) -> Search:
        left = world.left(world.clock.now())
        if isinstance(left, str):
            raise Unreachable(left)
        return Search(left=left)

    made = Parts(
        tuple(SimZone(world, zone) for zone in world.zones),
        {"a": SimBalancer(world, "a", a), "b": SimBalancer(world, "b", b)},
        SimProber(world, channels, rate, controls),
        tuple(Channel(0, "A") for _ in range(channels)),
        world.clock,
    )
    made.search = search
    return made


def worker(number: int) -> Worker:
    """A worker of its own: another process each time."""
    return Worker("virtual", number, number, "boot")


__all__ = ["START", "Clock", "Crash", "Faults", "MemoryJournal", "World", "parts", "worker"]
