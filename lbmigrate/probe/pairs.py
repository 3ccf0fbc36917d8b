"""Pairs of probes to A and B, in the same slot, open loop: what the gate bases its verdicts on.

Theory of operation. Every channel has slots, `1/rate` seconds apart, and a slot starts when its time has come,
whatever became of those before: a black-holed B neither slows A nor skips a slot. The two halves of a pair start
together and take turns in going first, since the second one waits for the first one's share of CPU. A slot that
could not be started in time, or whose probe failed on this machine (no file descriptors left), is *unseen*: it is
no evidence against a side, and its time does not count as watched.

All of it runs in one thread with an event loop of its own. `seen` is called in that thread, one sample at a time,
in order of completion; it must be quick, and must not wait for the thread that calls `stop`.

Known weak spots: what `seen` costs is added to the latencies of the probes under way, to both sides alike; a name
with hundreds of addresses is probed one address a slot, so that one bad address among n shows in every n-th slot.
"""

import asyncio
import resource
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from lbmigrate.model import PairSeen, Result, Sample
from lbmigrate.probe.compare import Line, differences
from lbmigrate.probe.control import PERIOD, Control
from lbmigrate.probe.host import Fixed, Host, Unresolved
from lbmigrate.probe.http import Heard, hear

_LATE = 0.1
"""Seconds that a slot may start late, or its own period where that is longer; later it is unseen."""

_STAGGER = 1.0
"""Seconds over which the first slots of slow channels are spread, so that a short slice reaches all of them."""

_MOST = 4096
"""Pairs under way at once, at most."""

T = TypeVar("T")
Seen = Callable[[Sample], bool]


class Pace:
    """When the slots of one channel are due. It outlives a `start`, so that short slices keep to the rate.

    `slot` numbers the slots of this process; `unseen` counts those that were due since `begin` and gave no evidence.
    """

    def __init__(self, rate: float) -> None:
        self.period = 1 / rate
        self.due = 0.0
        self.slot = 0
        self.unseen = 0

    def begin(self, first: float) -> None:
        """Let the next slot be due at `first` (event loop's time, seconds), or when the last one's period is over."""
        self.due = max(self.due, first)
        self.unseen = 0

    def take(self, now: float) -> int:
        """The slot to start `now`, at or after `due`; slots whose time has long gone are counted and left out."""
        late = now - self.due
        if late > max(_LATE, self.period):
            self._skip(int(late / self.period))
        self.slot += 1
        self.due += self.period
        return self.slot - 1

    def _skip(self, slots: int) -> None:
        self.unseen += slots
        self.slot += slots
        self.due += slots * self.period


class Pairs:
    """A `model.Prober`: pairs of probes over `lines`, and `controls`. One `start` at a time."""

    def __init__(self, lines: Sequence[Line], controls: Sequence[Control]) -> None:
        self._lines = tuple(lines)
        self._controls = tuple(controls)
        self._paces = tuple(Pace(line.request.probe.rate) for line in lines)

    def start(self, seconds: float, seen: Seen) -> "Running":
        """See `model.Prober.start`. An exception of `seen` ends the probing and is raised by `wait` and `stop`."""
        return Running(tuple(zip(self._lines, self._paces, strict=True)), self._controls, seconds, seen)

    def compare(self) -> tuple[str, ...]:
        """See `model.Prober.compare`; takes three times the longest timeout at most, for up to 64 requests at once."""
        return asyncio.run(_quietly(differences(self._lines)))


class Running:
    """A `model.Probing`. `unseen` slots are those that were due but gave no evidence (see the module)."""

    def __init__(
        self, lines: Sequence[tuple[Line, Pace]], controls: Sequence[Control], seconds: float, seen: Seen
    ) -> None:
        self._lines = lines
        self._controls = controls
        self._seen = seen
        self._room = _pairs_at_once()
        self._watched = 0.0
        self._failure: BaseException | None = None
        self._over = asyncio.Event()
        self._ended = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._main, args=(seconds,), name="probe", daemon=True)
        self._thread.start()

    @property
    def unseen(self) -> int:
        """Slots that were due and gave no evidence, over all channels."""
        return sum(pace.unseen for _, pace in self._lines)

    def wait(self, seconds: float) -> bool:
        """Let time pass; True when no more slots will start. Raises what `seen` raised."""
        ended = self._ended.wait(min(seconds, threading.TIMEOUT_MAX))
        if self._failure is not None:
            raise self._failure
        return ended

    def stop(self) -> float:
        """Start no more; returns when every probe has ended, was delivered and its connection closed.

        The seconds returned are those in which every channel's slots were started. May be called again.
        """
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join()
            self._loop.close()
        if self._failure is not None:
            raise self._failure
        return self._watched

    # ------------------------------------------------------------ in the thread

    def _main(self, seconds: float) -> None:
        try:
            self._loop.run_until_complete(_quietly(self._probe(seconds)))
        except BaseExceptionGroup as several:
            self._failure = several.exceptions[0]
        except BaseException as wrong:  # noqa: BLE001 - raised again by wait() and stop()
            self._failure = wrong
        finally:
            self._ended.set()

    async def _probe(self, seconds: float) -> None:
        began = self._loop.time()
        end = self._loop.call_at(began + seconds, self._over.set)
        async with asyncio.TaskGroup() as group:
            launching = [group.create_task(self._launch(number, group, began)) for number in range(len(self._lines))]
            for control in self._controls:
                group.create_task(self._check(control))
            await self._over.wait()
            self._watched = self._loop.time() - began
            self._ended.set()
            end.cancel()
            for task in launching:
                task.cancel()
        self._watched = max(0.0, self._watched - max((p.unseen * p.period for _, p in self._lines), default=0.0))

    async def _launch(self, number: int, group: asyncio.TaskGroup, began: float) -> None:
        line, pace = self._lines[number]
        pace.begin(began + number / len(self._lines) * min(pace.period, _STAGGER))
        while True:
            await asyncio.sleep(pace.due - self._loop.time())
            slot = pace.take(self._loop.time())
            if self._room:
                self._room -= 1
                group.create_task(self._pair(number, line, slot))
            else:
                pace.unseen += 1

    async def _pair(self, number: int, line: Line, slot: int) -> None:
        a, b = _sent(line, line.a, slot), _sent(line, line.b, slot)
        if slot.bit_count() % 2:  # Thue-Morse: fair turns, also to every address of a round robin
            b_heard, a_heard = await asyncio.gather(b, a)
        else:
            a_heard, b_heard = await asyncio.gather(a, b)
        self._room += 1
        if a_heard.own_trouble or b_heard.own_trouble:
            self._lines[number][1].unseen += 1
        else:
            self._deliver(PairSeen(number, a_heard.result, b_heard.result))

    async def _check(self, control: Control) -> None:
        while not self._over.is_set():
            due = self._loop.time() + PERIOD
            self._deliver(await control.check())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), max(0.0, due - self._loop.time()))

    def _deliver(self, sample: Sample) -> None:
        if self._seen(sample):
            self._over.set()


async def _sent(line: Line, side: Fixed | Host, slot: int) -> Heard:
    """One probe to one side; what nothing leads to fails as what does not answer."""
    try:
        addresses = side.addresses(line.rtype)
    except Unresolved as wrong:
        return Heard(Result(False, False, None, str(wrong), 0.0), None)
    return await hear(line.request, addresses[slot % len(addresses)])


def _pairs_at_once() -> int:
    """Two descriptors a pair, from half of what this process may open: the rest belongs to journal and drivers."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else min(_MOST, max(1, soft // 4))


async def _quietly(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` in a loop that prints nothing: what a transport complains of is raised by its stream as well.

    Anything else that nobody waited for is a fault of ours, and is raised at the end.
    """
    faults: list[BaseException] = []

    def complain(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "transport" not in context:
            faults.append(context.get("exception") or RuntimeError(context["message"]))

    asyncio.get_running_loop().set_exception_handler(complain)
    done = await work
    if faults:
        raise faults[0]
    return done
