"""Simulated parts on a virtual clock: the same engine, thousands of migrations a minute, seeded and reproducible.

`World` is the truth: what the primary and its secondaries hold and held, which side is sick when, which messages are
under way. It can crash a worker, lose an answer, deliver a message late or twice, and take the API away. Nothing
here sleeps: time passes when the engine watches or waits.
"""

import heapq
import itertools
import random
from collections.abc import Callable, Iterator, Sequence

from lbmigrate import fence, lua
from lbmigrate.errors import Unreachable
from lbmigrate.events import Entry, Event, Worker
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
    RRset,
    Sample,
    Served,
    Unknown,
)
from lbmigrate.parts import Parts
from lbmigrate.value import replace, value

START = 1_800_000_000.0
FENCE_TTL = 60
GOOD = Result(True, True, 200, "", 0.002)
BAD = Result(False, False, None, "connection refused", 0.002)


class Crash(BaseException):
    """The worker dies here (kill -9): nothing of it runs any more."""


class Clock:
    """Virtual wall-clock time; what is scheduled happens while it passes."""

    def __init__(self) -> None:
        self._now = START
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()

    def now(self) -> float:
        """The present moment."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        until = self._now + seconds
        while self._due and self._due[0][0] <= until:
            self._now, _, act = heapq.heappop(self._due)
            act()
        self._now = until

    def at(self, when: float, act: Callable[[], object]) -> None:
        """Have something happen later."""
        heapq.heappush(self._due, (when, next(self._order), act))


class MemoryJournal:
    """A journal in a list. `hook` is called before and after each append, and may crash the worker."""

    def __init__(self, hook: Callable[[str], None]) -> None:
        self.entries: list[Entry] = []
        self._hook = hook

    def read(self, after: int = 0, whole: bool = False) -> list[Entry]:
        """See Journal; nothing is left out."""
        del whole
        return self.entries[after:]

    def append(self, n: int, at: float, by: str, event: Event) -> bool:
        """See Journal."""
        self._hook("append")
        if n != len(self.entries) + 1:
            return False
        self.entries.append(Entry(n, at, by, event))
        self._hook("appended")
        return True

    def verify(self) -> int:
        """See Journal."""
        return len(self.entries)

    def close(self) -> None:
        """See Journal."""


@value
class Message:
    """A swap as it goes over the wire: everything that the server checks and changes."""

    old: Records
    new: Records


@value
class Faults:
    """How likely each fault is per occasion, and when the API is away (seconds from, to). `late` up to `lateness`
    seconds; `stall`: a worker stands still just before it sends, and another one takes over meanwhile."""

    crash: float = 0.0
    lost: float = 0.0
    late: float = 0.0
    doubled: float = 0.0
    lateness: float = 600.0
    stall: float = 0.0
    down: tuple[tuple[float, float], ...] = ()


class World:
    """The truth. `sick` says how likely a probe of a side fails at a moment, and may be changed as a scenario goes."""

    def __init__(self, seed: int, originals: tuple[Held, ...], faults: Faults, lags: Sequence[float] = (0.0,)) -> None:
        self.random = random.Random(seed)
        self.clock = Clock()
        self.faults = faults
        self.lags = lags
        self.serial = 1
        self.records = {held.name: held for held in originals}
        self.history: list[tuple[float, dict[str, Held]]] = [(START - 86400, dict(self.records))]
        self.sent: list[Message] = []
        self.broken: list[str] = []
        self.sick: dict[str, Callable[[float], float]] = {"a": lambda _: 0.0, "b": lambda _: 0.0}
        self.up = {"a": True, "b": False}
        self.requests = {"a": 0.0, "b": 0.0}
        self.stopped_at: float | None = None
        self.check_fence = self.check_soa = True
        self.crashes = 0
        self.watch: Callable[[str], None] = lambda _: None

    # ---- faults

    def hook(self, where: str) -> None:
        """A point at which the worker may die."""
        self.watch(where)
        if self.random.random() < self.faults.crash:
            self.crashes += 1
            raise Crash(where)

    def away(self) -> bool:
        """The DNS API does not answer now."""
        since = self.clock.now() - START
        return any(begin <= since < end for begin, end in self.faults.down)

    # ---- the primary

    def deliver(self, message: Message) -> bool:
        """One UPDATE arrives: prerequisites on value, fence and SOA, then all changes or none (RFC 2136 section 3)."""
        if self.check_soa and message.old.soa is not None and message.old.soa != str(self.serial):
            return False
        for held in message.old.held:
            now = self.records[held.name]
            if _values(now) != _values(held) or (self.check_fence and now.fence != held.fence):
                return False
        self._write(message.new)
        return True

    def _write(self, new: Records) -> None:
        for held in new.held:
            before = self.records[held.name]
            if not held.rrsets:
                self.broken.append(f"{held.name} would have no records")
            if before.fence and held.fence and held.fence.number < before.fence.number:
                self.broken.append(f"{held.name}: the fence fell from {before.fence.number} to {held.fence.number}")
            self.records[held.name] = held
        self.serial += 1
        self.history.append((self.clock.now(), dict(self.records)))

    # ---- the secondaries

    def serves(self, lag: float, name: str) -> Held:
        """What a server that follows after `lag` seconds serves now."""
        horizon = self.clock.now() - lag
        return next(records[name] for at, records in reversed(self.history) if at <= horizon)

    def cached(self, address: str) -> bool:
        """Some honest cache may still hold an answer that names `address`: of any server, within its TTL."""
        return any(address in r.rdatas for r in self._cacheable())

    def cached_other(self, name: str) -> bool:
        """Some honest cache may still hold an answer for `name` with other records than the primary's."""
        present = {r.rdatas for r in self.records[name].rrsets}
        return any(r.name == name and r.rdatas not in present for r in self._cacheable())

    def _cacheable(self) -> Iterator[RRset]:
        now = self.clock.now()
        ends = [at for at, _ in self.history[1:]] + [now]
        for (_, records), end in zip(self.history, ends, strict=True):
            for held in records.values():
                for r in held.rrsets:
                    if end + max(self.lags) + r.ttl > now or end == now:
                        yield r


def _values(held: Held) -> dict[str, tuple[str, ...]]:
    return {r.rtype: r.rdatas for r in held.rrsets}


class SimZone:
    """`model.Zone` over a World, as the RFC 2136 driver does it: fresh read, one message, read back."""

    def __init__(self, world: World) -> None:
        self._world = world

    def read(self, names: Sequence[str]) -> Records:
        """See model.Zone."""
        if self._world.away():
            raise Unreachable("reading from the primary: no answer; wait, or look at the server")
        held = tuple(self._world.records[name] for name in names)
        return Records(held, str(self._world.serial), self._world.clock.now())

    def swap(self, old: Records, new: Records) -> Outcome:
        """See model.Zone."""
        w = self._world
        names = [held.name for held in old.held]
        w.hook("send")
        if w.away():
            return Unknown("no answer")
        message = Message(old, new)
        w.sent.append(message)
        chance = w.random.random()
        if chance < w.faults.late:
            w.clock.at(w.clock.now() + w.random.uniform(0, w.faults.lateness), lambda: w.deliver(message))
            return Unknown("no answer")
        applied = w.deliver(message)
        if w.random.random() < w.faults.doubled:
            w.clock.at(w.clock.now() + w.random.uniform(0, w.faults.lateness), lambda: w.deliver(message))
        w.hook("sent")
        if w.random.random() < w.faults.lost:
            return Unknown("no answer")
        now = self.read(names)
        return Applied() if applied and now.held == new.held else NotApplied(now)

    def check(self, names: Sequence[str]) -> tuple[str, ...]:
        """See model.Zone."""
        self.read(names)
        return ()

    def served(self, names: Sequence[str], rtypes: Sequence[str] = tuple(FAMILIES)) -> list[Served]:
        """See model.Zone."""
        found = []
        for index, lag in enumerate(self._world.lags):
            for name in names:
                answers = self._answers(self._world.serves(lag, name), rtypes)
                found += [Served(f"ns{index}", name, rtype, *answers.get(rtype, (0, ()))) for rtype in rtypes]
        return found

    def _answers(self, held: Held, rtypes: Sequence[str]) -> dict[str, tuple[int, tuple[str, ...]]]:
        """TTL and records by type, as a server answers: of a LUA record one address, of a fence its TXT."""
        found = {r.rtype: (r.ttl, r.rdatas) for r in held.rrsets if r.rtype in rtypes}
        if record := held.by_type.get("LUA"):
            for family, shares in filter(None, map(lua.read, record.rdatas)):
                drawn = self._world.random.choices([one for _, one in shares], [weight for weight, _ in shares])
                found[family] = (record.ttl, tuple(drawn))
        if held.fence and "TXT" in rtypes:
            found["TXT"] = (FENCE_TTL, (fence.rdata(held.fence),))
        return found


class SimBalancer:
    """`model.Balancer` over a World; its clients follow what DNS caches may hand out."""

    def __init__(self, world: World, name: str, addresses: tuple[str, ...]) -> None:
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
        self._world.up[self._name] = True
        self._world.hook("stood up")

    def look(self) -> Look:
        """See model.Balancer."""
        up = self._world.up[self._name]
        requests = int(self._world.requests[self._name]) if up else None
        return Look(up, self._name, self._backends() if up else (), requests, 0 if up else None, 0 if up else None)

    def stop(self) -> None:
        """See model.Balancer."""
        self._world.hook("stop")
        self._world.watch(f"stop {self._name}")
        self._world.up[self._name] = False
        self._world.hook("stopped")

    def _backends(self) -> tuple[Backend, ...]:
        return (Backend("app", "p1", "192.0.2.101", 80, healthy=True),)


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
        until = min(self._world.clock.now() + seconds, self._until)
        while not self._over and self._next <= until:
            self._world.clock.sleep(self._next - self._world.clock.now())
            self._over = self._slot()
            self._next += self._gap
        if not self._over:
            self._world.clock.sleep(max(0.0, until - self._world.clock.now()))
            self._over = until >= self._until
        return self._over

    def _slot(self) -> bool:
        stop = False
        for channel in range(self._channels):
            a, b = self._probe("a"), self._probe("b")
            stop = self._seen(PairSeen(channel, a, b)) or stop
        if self._controls and self._world.random.random() < 0.1:
            stop = self._seen(ControlSeen("https://control.test/", True, "")) or stop
        return stop

    def _probe(self, side: str) -> Result:
        failing = self._world.sick[side](self._world.clock.now())
        if not self._world.up[side] or (failing and self._world.random.random() < failing):
            return BAD
        self._world.requests[side] += 1
        return GOOD

    def stop(self) -> float:
        """See model.Probing."""
        self._over = True
        return self._world.clock.now() - self._begun


def parts(world: World, a: tuple[str, ...], b: tuple[str, ...], rate: float, channels: int, controls: bool) -> Parts:
    """What one worker works with."""
    return Parts(
        (SimZone(world),),
        SimBalancer(world, "a", a),
        SimBalancer(world, "b", b),
        SimProber(world, channels, rate, controls),
        tuple(Channel(0, "A") for _ in range(channels)),
        world.clock,
    )


def worker(number: int) -> Worker:
    """A worker of its own: another process each time."""
    return Worker("virtual", number, number, "boot")


__all__ = ["START", "Clock", "Crash", "Faults", "MemoryJournal", "World", "parts", "replace", "worker"]
