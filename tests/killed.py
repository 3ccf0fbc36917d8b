"""Whole migrations killed at their system calls (strace(1)): which calls count, what must hold afterwards.

A point is a call of lbmigrate's main thread that writes: to a file, a socket, a process, or the terminal. The thread
of the prober is another one, and strace without -f follows the first alone; so are the programs that lbmigrate
starts. The kill comes at the entry of the call, which then does nothing; what it would have done is the next point's.

`python tests/killed.py` kills at every point (`make soak`), `python tests/killed.py COUNT [SEED]` at so many.
"""

import math
import os
import random
import re
import shutil
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import dns.message
from looking import Looking
from migrations import SCENARIO, Rig, Said, rig, tapped, until
from taps import Tap
from traced import JOURNAL, Point, call, chain, tracing, written

from lbmigrate.errors import Failed
from lbmigrate.events import Began, Ended
from lbmigrate.hosts import local
from lbmigrate.journal import connect
from lbmigrate.lab.process import environment
from lbmigrate.lab.scenario import Clients
from lbmigrate.plan import StandUp, Stop, Write
from lbmigrate.value import replace, value

EACH = 10  # kills in one migration
LANES = 4  # migrations at a time: most of one is waiting
ONE_AT_A_TIME = threading.Lock()  # a dozen servers each
SOFT_SECONDS = 40.0  # the laboratory's `timeout client` is 30 s
TICKS = 4  # a tick ends after 50 s, which a busy machine may need more than once
BEGUN = "started attempt"
PEOPLE = Clients(rate=20, clients=10, stretchers=0.0, requests_per_connection=5)
KILLED = -9


@value
class Played:
    """One migration: which calls its kills hit (as strace shows them), what was broken; `calls`: a calm one's."""

    hits: tuple[str, ...]
    broken: tuple[str, ...]
    files: frozenset[str]
    calls: tuple[str, ...] = ()


# ---------------------------------------------------------------- what must hold


class Observer(Looking):
    """What was true of the world: B's weight as served, and A gone only once out of DNS."""

    def __init__(self, one: Rig) -> None:
        super().__init__()
        self._rig = one
        self.weights: list[int] = []
        self.broken: list[str] = []

    def look(self) -> None:
        """Once."""
        gone = self._rig.ground.sides.pid("a") is None
        served = self._rig.served()
        if gone and any(self._rig.a in answer for answer in served):
            self.broken.append(f"A is gone, and {served} still names it")
        weight = round(100 * served[0].count(self._rig.b) / len(served[0]))
        if not self.weights or self.weights[-1] != weight:
            self.weights.append(weight)


def fences(wires: Sequence[bytes]) -> list[int]:
    """The fence's number that each message writes, in the order sent; those that remove the fence have none."""
    found = []
    for wire in wires:
        updates = dns.message.from_wire(wire, keyring=False, ignore_trailing=True).sections[2]
        text = " ".join(str(rrset) for rrset in updates)
        found += [int(number) for number in re.findall(r"n=(\d+)", text)]
    return found


def judge_journal(one: Rig) -> None:
    """One intent and one good end for each effect of the plan, in its order; the chain holds."""
    assert one.status()["phase"] == "done"
    assert "every one follows" in one.ok("history", "--verify").out
    journal = connect(f"sqlite:{one.ground.place.directory / 'journal.db'}")
    events = [entry.event for entry in journal.read(whole=True)]
    journal.close()
    done = [event.step for event in events if isinstance(event, Ended) and event.result == "done"]
    writes = [(step.target, step.weight) for step in done if isinstance(step, Write)]
    assert writes == [("claim", 0), ("weight", 50), ("weight", 100), ("release", 0)]
    assert [step for step in done if isinstance(step, Stop | StandUp)] == [StandUp(), Stop("a")]
    assert sum(isinstance(event, Began) for event in events) == len(done)


def processes(one: Rig, side: str) -> tuple[int, ...]:
    """Everything that runs with a side's file."""
    config = str(one.ground.place.config(side))
    return local.find(lambda pid: config in local.argv(pid))


def files(directory: Path) -> frozenset[str]:
    """Every file in the folders that lbmigrate writes to, but for our own."""
    folders = (directory, directory / "a", directory / "b", directory / "tmp")
    found = (path for folder in folders for path in folder.iterdir() if not void(path))
    return frozenset(str(path.relative_to(directory)) for path in found)


def void(path: Path) -> bool:
    """Whether it is a file beside the journal in which SQLite has begun to note what it is about to change, and nothing
    is changed yet: its head is zeros until then. It is not "hot" (sqlite.org/atomiccommit.html, section 4.2), and the
    next write takes it away; after a kill at a migration's last entry there is none."""
    return path.name == JOURNAL[1] and not any(path.read_bytes()[:8])


def _wrong(one: Rig, before: list[str], seen: Observer, tap: Tap) -> Iterator[str]:
    """The invariants that do not hold, at the end."""
    yield from seen.broken
    if seen.weights != [0, 50, 100]:
        yield f"weights served: {seen.weights}"
    if (now := one.records()) != [line.replace(one.a, one.b) for line in before]:
        yield f"the zone is not as planned: {now}"
    numbers = fences(tap.updates())
    if numbers != sorted(numbers):
        yield f"fences: {numbers}"
    try:  # one that was stopped softly ends when its last connection has
        until(lambda: [len(processes(one, side)) for side in "ab"] == [0, 1], "no process of A, one of B", SOFT_SECONDS)
    except AssertionError as wrong:
        yield f"{wrong}: {[processes(one, side) for side in 'ab']}"
    try:
        judge_journal(one)
    except AssertionError as wrong:
        yield f"the journal: {wrong}"
    lines, summary = one.ground.end_clients(), one.ground.end_watch()
    clients, failures = lines[-1]["summary"], [line["failure"] for line in lines if "failure" in line]
    if clients["failed"] or not clients["ok"]:
        yield f"requests: {clients}; {Counter((one['side'], one['reason']) for one in failures)}; {failures[:5]}"
    if not summary.clean:
        yield f"DNS: {summary.failures[:5]}"


# ---------------------------------------------------------------- one migration


@contextmanager
def _ground(directory: Path) -> Iterator[Rig]:
    scenario = replace(SCENARIO, clients=PEOPLE, warm=1.0)
    with ExitStack() as stack:
        with ONE_AT_A_TIME:
            one = stack.enter_context(rig(directory, scenario, watched=False, probe={"rate": 20}))
            (directory / "tmp").mkdir()
            one.write()
            one.ground.begin()
        yield one


def _give(one: Rig, verb: str, log: Path, point: Point | None) -> Said:
    argv = (sys.executable, "-m", "lbmigrate", "-c", str(one.ground.config), verb)
    traced = tracing(one.directory, log, point)
    return one.under((*traced, *argv), {**environment(), "TMPDIR": str(one.directory / "tmp")}).end()


def play(directory: Path, points: Sequence[Point]) -> Played:
    """A whole migration, killed at `points` one after the other; ticks without a flag go on."""
    ground, hits = directory / "ground", list[str]()
    directory.mkdir(parents=True)
    with _ground(ground) as one, tapped(one) as tap:
        before, verb = one.records(), "run"
        with Observer(one) as seen:
            for number, point in enumerate((*points, None)):
                log = directory / f"trace{number}"
                said = _give(one, verb, log, point)
                (directory / f"said{number}").write_text(f"{point}: exit {said.code}\n{said.out}\n{said.err}")
                verb = "tick" if BEGUN in said.err else verb  # a tick begins nothing
                if said.code != KILLED:
                    break  # it came to its end, or wrongly stopped, before this point
                hits.append(written(log)[-1])
            calls = written(log)
            for _ in range(TICKS):
                if said.code == 0 and one.status()["outcome"] is None:
                    said = one.give("tick")
        broken = [f"exit {said.code}: {said.err[-500:]}"] if said.code else []
        broken += _wrong(one, before, seen, tap)
        return Played(tuple(hits), tuple(broken), files(one.directory), tuple(call(line) for line in calls))


def attempt(directory: Path, points: Sequence[Point]) -> Played:
    """`play`; what went wrong in the rig itself counts as broken."""
    try:
        return play(directory, points)
    except (AssertionError, Failed) as wrong:
        return Played((), (f"{type(wrong).__name__}: {wrong}",), frozenset())


@value
class Tally:
    """What came of many: points in an undisturbed migration, the calls that were hit, those that no migration came to
    (they end at another number of polls each), what was broken where."""

    points: int
    hits: tuple[str, ...]
    missed: tuple[Point, ...]
    broken: tuple[str, ...]

    def line(self) -> str:
        """All in one line."""
        kinds = len({call(one) for one in self.hits})
        missed = f", {len(self.missed)} not come to" if self.missed else ""
        where = f"{self.points} points of a migration ({kinds} system calls{missed})"
        return f"explored: killed at {len(self.hits)} of {where}: {len(self.broken)} invariants broken"


class Explorer:
    """Migrations killed at the points of an undisturbed one, each in a folder, which stays where something was broken.

    `say` is told what was broken at once, while its traces are there to be looked at.
    """

    def __init__(self, directory: Path, say: Callable[[str], None]) -> None:
        self._directory, self._say = directory, say
        self._calm = attempt(directory / "calm", ())
        self._hits, self._broken = list[str](), list[str]()

    def explore(self, kills: int | None, seed: int) -> Tally:
        """All points, or `kills` chosen ones."""
        calls = self._calm.calls
        if self._calm.broken:
            return Tally(len(calls), (), (), self._calm.broken)
        apart = math.ceil(len(calls) / EACH)
        todo = [range(first, len(calls), apart) for first in range(apart)]
        random.Random(seed).shuffle(todo)
        missed = list[int]()
        while todo and (kills is None or len(self._hits) < kills):
            some = math.ceil((kills - len(self._hits)) / EACH) if kills else len(todo)
            now, todo = todo[:some], todo[some:]
            missed += self._play(now)
        if kills is None:  # a chain's last ones lie beyond its end where ten starts took fewer polls than one
            missed = self._play([(place,) for place in sorted(missed)])
        never = tuple(chain(calls, (place,))[0] for place in missed)
        return Tally(len(calls), tuple(self._hits), never, tuple(self._broken))

    def _play(self, chains: Sequence[Sequence[int]]) -> list[int]:
        """Migrations killed at those places, and the places that they did not come to."""
        missed = list[int]()
        with ThreadPoolExecutor(LANES) as pool:
            todo = {pool.submit(self._one, places): places for places in chains}
            for done in as_completed(todo):
                missed += todo[done][done.result() :]
        return missed

    def _one(self, places: Sequence[int]) -> int:
        """One migration; how many of its places it came to."""
        points = chain(self._calm.calls, places)
        folder = self._directory / f"at{places[0]}-{len(places)}"
        played = attempt(folder, points)
        self._hits += played.hits
        left = played.files ^ self._calm.files if played.files else frozenset()
        wrong = [*played.broken, *([f"files: {sorted(left)}"] if left else [])]
        lines = [f"{points}, hit {played.hits}: {one}" for one in wrong]
        self._broken += lines
        if lines:
            self._say("\n".join((*lines, f"its traces: {folder}; load {os.getloadavg()[0]:.1f}")))
        else:
            shutil.rmtree(folder)
        return len(played.hits)


def explore(
    directory: Path, kills: int | None = None, seed: int = 0, say: Callable[[str], None] = lambda _: None
) -> Tally:
    """An undisturbed migration tells the points; then migrations killed at all of them, or at `kills` chosen ones."""
    return Explorer(directory, say).explore(kills, seed)


def main() -> int:
    """Every point, or as many as the first argument says; the second is the seed that chooses them."""
    kills, seed = [*map(int, sys.argv[1:]), 0, 0][:2]
    folder = Path(tempfile.mkdtemp(prefix="k"))
    found = explore(folder, kills or None, seed, partial(print, flush=True))
    print(found.line())
    if not found.broken:
        shutil.rmtree(folder)
    return bool(found.broken)


if __name__ == "__main__":
    sys.exit(main())
