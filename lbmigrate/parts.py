"""What the engine works with: the drivers of one migration, and the clock. The simulation brings its own."""

from collections import deque
from collections.abc import Callable
from typing import Literal, Protocol

from lbmigrate.events import Search
from lbmigrate.model import Balancer, Channel, Prober, SideName, Zone
from lbmigrate.spec import Bound


class Clock(Protocol):
    """Wall-clock time in Unix seconds."""

    def now(self) -> float:
        """The present moment."""

    def sleep(self, seconds: float) -> None:
        """Let time pass without watching."""


class Ring:
    """The last probes of one side on one channel, as far as they tell of now: 20, none older than 10 s."""

    SIZE = 20
    AGE = 10.0

    def __init__(self) -> None:
        self._seen: deque[tuple[float, bool]] = deque(maxlen=self.SIZE)
        self._failed = 0
        self._verdict: Literal["ok", "bad", "unknown"] = "unknown"

    def add(self, at: float, ok: bool) -> bool:
        """Note one probe; True where the verdict is another now: bad while at least half of a full ring failed."""
        seen = self._seen
        full = len(seen) == self.SIZE
        if full:
            self._failed -= not seen[0][1]
        seen.append((at, ok))
        self._failed += not ok
        if not full and len(seen) < self.SIZE:
            return False
        before, self._verdict = self._verdict, "bad" if 2 * self._failed >= self.SIZE else "ok"
        return before != self._verdict

    def text(self, at: float) -> str:
        """As the journal has it: "1" ok, "0" failed, oldest first."""
        return "".join("1" if ok else "0" for when, ok in self._seen if at - when <= self.AGE)


def _nowhere(_: Bound) -> Search:
    return Search()


def _nothing(_: Bound) -> None:
    """Sides with addresses do not move."""


class Parts:
    """The drivers of one migration. Rings live as long as the process: a verdict is of now, and not inherited.

    `search`: what still ends at A in the zones beyond the plan's names; raises what a zone transfer does. A simulated
    zone holds no other names. `follow`: probe the sides where this plan has them.
    """

    def __init__(
        self,
        zones: tuple[Zone, ...],
        sides: dict[SideName, Balancer],
        prober: Prober,
        channels: tuple[Channel, ...],
        clock: Clock,
    ) -> None:
        self.zones = zones
        self.sides = sides
        self.prober = prober
        self.channels = channels
        self.clock = clock
        self.rings: dict[SideName, tuple[Ring, ...]] = {
            "a": tuple(Ring() for _ in channels),
            "b": tuple(Ring() for _ in channels),
        }
        self.search: Callable[[Bound], Search] = _nowhere
        self.follow: Callable[[Bound], None] = _nothing
        self.run = 0.0
        self.polls = 0
