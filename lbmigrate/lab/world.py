"""The truth of a simulated world, on a virtual clock: what DNS holds and held, who is sick when, what is under way.

It can crash a worker, lose an answer, deliver a message late or twice, and take the API away. Nothing here sleeps:
time passes when the engine watches or waits.
"""

import heapq
import itertools
import math
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from lbmigrate.events import Entry, Event, Saw
from lbmigrate.facts import describe
from lbmigrate.journal import chain
from lbmigrate.model import Held, Records, RRset
from lbmigrate.value import value

START = 1_800_000_000.0
Moment = Callable[[float], float]  # what holds at a moment (Unix seconds)


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
        """Let time pass; what happens meanwhile may let more of it pass."""
        until = self._now + seconds
        while self._due and self._due[0][0] <= until:
            when, _, act = heapq.heappop(self._due)
            self._now = max(self._now, when)
            act()
        self._now = max(self._now, until)

    def at(self, when: float, act: Callable[[], object]) -> None:
        """Have something happen later."""
        heapq.heappush(self._due, (when, next(self._order), act))


class MemoryJournal:
    """A journal in a list. `hook` is called before and after each append, and may crash the worker."""

    def __init__(self, hook: Callable[[str], None]) -> None:
        self.entries: list[Entry] = []
        self._hook = hook

    def read(self, after: int = 0, whole: bool = False) -> list[Entry]:
        """See Journal."""
        found = self.entries[after:]
        if whole or len(found) < 2:
            return found
        looks = [*(isinstance(one.event, Saw) for one in found), False]
        return [one for at, one in enumerate(found) if not (looks[at] and looks[at + 1])]

    def append(self, n: int, at: float, by: str, event: Event) -> bool:
        """See Journal."""
        self._hook("append")
        if n > len(self.entries) + 1:
            raise chain.missing(n, "in memory")
        if n <= len(self.entries):
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
    """The truth, which a scenario may change as it goes. Of a side or a server, at a moment:

    `sick`: how likely a probe fails; `foreign`: requests so far that are not our probes; `silent`: the name servers
    (by number) that do not answer; `skew`: the primary's clock minus ours, seconds; `blind`: above 0, controls fail.

    `late`: that a side answers late, by side; `left`: names beyond ours that still end at A, or why nobody
    can see; `unfit`: why B cannot be stood up; `stopping`: seconds that a stop takes.

    `zones` are apexes ("" holds every name): each has a serial of its own. `watch` is called at each effect, before and
    after; `tell` with what happens.
    """

    def __init__(
        self,
        seed: int,
        originals: tuple[Held, ...],
        faults: Faults,
        lags: Sequence[float] = (0.0,),
        zones: Sequence[str] = ("",),
    ) -> None:
        self.random = random.Random(seed)
        self.clock = Clock()
        self.faults, self.lags, self.zones = faults, lags, zones
        self.serials = Counter(dict.fromkeys(zones, 1))
        self.records = {held.name: held for held in originals}
        self.history: list[tuple[float, dict[str, Held]]] = [(START - 86400, dict(self.records))]
        self._served: dict[float, tuple[int, float, dict[str, Held]]] = {}  # by lag: as of which change, until when
        self.sent: list[Message] = []
        self.broken: list[str] = []
        self.sick: dict[str, Moment] = {"a": _never, "b": _never}
        self.foreign: dict[str, Moment] = {"a": _never, "b": _never}
        self.skew: Moment = _never
        self.blind: Moment = _never
        self.silent: Callable[[float], tuple[int, ...]] = lambda _: ()
        self.refuses = ""
        self.different = self.unfit = ""
        self.late: dict[str, Callable[[float], bool]] = {}
        self.left: Callable[[float], tuple[str, ...] | str] = lambda _: ()
        self.stopping = 0.0
        self.counts = {"a": True, "b": True}
        self.up = {"a": True, "b": False}
        self.requests = {"a": 0.0, "b": 0.0}
        self.check_fence = self.check_soa = True
        self.crashes = 0
        self.watch: Callable[[str], None] = lambda _: None
        self.tell: Callable[[str], None] = lambda _: None

    # ---- faults

    def hook(self, where: str) -> None:
        """A point at which the worker may die."""
        self.watch(where)
        if self.faults.crash and self.random.random() < self.faults.crash:
            self.crashes += 1
            self.tell(f"the worker dies ({where})")
            raise Crash(where)

    def away(self) -> bool:
        """The DNS API does not answer now."""
        since = self.clock.now() - START
        return any(begin <= since < end for begin, end in self.faults.down)

    def later(self, message: "Message", how: str) -> None:
        """A message is delivered at some moment from now."""
        when = self.clock.now() + self.random.uniform(0, self.faults.lateness)
        self.tell(f"the message is {how}, at {when - START:.1f}")
        self.clock.at(when, lambda: self.deliver(message))

    # ---- the primary

    def zone(self, name: str) -> str:
        """The apex of the zone that a name is in."""
        return next(zone for zone in self.zones if name == zone or name.endswith("." + zone))

    def deliver(self, message: Message) -> bool:
        """One UPDATE arrives: prerequisites on value, fence and SOA, then all changes or none (RFC 2136 section 3)."""
        zone = self.zone(message.old.held[0].name)
        taken = self._matches(message.old, str(self.serials[zone]))
        self.tell(f"the primary of {zone or 'the zone'} {'applies' if taken else 'refuses'} {_told(message)}")
        if taken:
            self.write(message.new.held)
        return taken

    def _matches(self, old: Records, serial: str) -> bool:
        if self.check_soa and old.soa is not None and old.soa != serial:
            return False
        present = [(held, self.records[held.name]) for held in old.held]
        return all(
            _values(now) == _values(held) and (now.fence == held.fence or not self.check_fence) for held, now in present
        )

    def write(self, new: Sequence[Held]) -> None:
        """The records change; whoever does it."""
        for held in new:
            before = self.records[held.name]
            if not held.rrsets:
                self.broken.append(f"{held.name} would have no records")
            if before.fence and held.fence and held.fence.number < before.fence.number:
                self.broken.append(f"{held.name}: the fence fell from {before.fence.number} to {held.fence.number}")
            self.records[held.name] = held
        self.serials[self.zone(new[0].name)] += 1
        self.history.append((self.clock.now(), dict(self.records)))

    # ---- the secondaries

    def serves(self, lag: float) -> dict[str, Held]:
        """What a server serves now that fetches the zone `lag` seconds after each change, as it is then."""
        now, changes = self.clock.now(), len(self.history)
        count, until, records = self._served.get(lag, (0, 0.0, self.records))
        if count != changes or now >= until:
            fetched = next(at for at, _ in reversed(self.history) if at + lag <= now) + lag
            records = next(records for at, records in reversed(self.history) if at <= fetched)
            until = min((at + lag for at, _ in self.history if at + lag > now), default=math.inf)
            self._served[lag] = changes, until, records
        return records

    def cacheable(self) -> Iterator[RRset]:
        """Every RRset that an honest cache may still hold: of any server, within its TTL."""
        for lag in self.lags:
            yield from self._cacheable(lag)

    def _cacheable(self, lag: float) -> Iterator[RRset]:
        now, times = self.clock.now(), [at for at, _ in self.history]
        fetched = [at + lag for at in times if at + lag <= now]
        for begin, end in zip(fetched, [*fetched[1:], now], strict=True):
            _, records = self.history[bisect_right(times, begin) - 1]
            for held in records.values():
                yield from (r for r in held.rrsets if end + r.ttl > now or end == now)


def _never(_: float) -> float:
    return 0.0


def _values(held: Held) -> dict[str, tuple[str, ...]]:
    return {r.rtype: r.rdatas for r in held.rrsets}


def _told(message: Message) -> str:
    return "; ".join(f"{held.name} → {describe(held)}" for held in message.new.held)
