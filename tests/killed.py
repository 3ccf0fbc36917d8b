"""Whole migrations killed at their system calls (strace(1)): which calls count, what must hold afterwards.

A point is a call of lbmigrate's main thread that writes: to a file, a socket, a process, or the terminal. The thread
of the prober is another one, and strace without -f follows the first alone; so are the programs that lbmigrate
starts. The kill comes at the entry of the call, which then does nothing; what it would have done is the next point's.

`python tests/killed.py` kills at every point (`make soak`), `python tests/killed.py COUNT [SEED]` at so many.
"""

import math
import random
import re
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dns.message
from looking import Looking
from migrations import SCENARIO, Rig, Said, rig, tapped, until
from taps import Tap

from lbmigrate.errors import Failed
from lbmigrate.events import Began, Ended
from lbmigrate.hosts import local
from lbmigrate.journal import connect
from lbmigrate.lab.process import environment
from lbmigrate.lab.scenario import Clients
from lbmigrate.plan import StandUp, Stop, Write
from lbmigrate.value import replace, value

# Those that a migration makes are found by tracing one; a call that none makes costs nothing.
CALLS = (
    "write", "writev", "pwrite64", "pwritev", "sendto", "sendmsg", "sendmmsg", "connect", "bind", "rename", "renameat",
    "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir",
    "truncate", "ftruncate", "fallocate", "chmod", "fchmod", "fchmodat", "chown", "fchown", "fchownat", "utimensat",
    "fsync", "fdatasync", "fork", "vfork", "clone", "kill",
)  # fmt: skip
OPEN = "openat"  # makes files, too: strace cannot tell by its flags, but by the path of the journal's two
JOURNAL = ("journal.db", "journal.db-journal")
EACH = 10  # kills in one migration
LANES = 4  # migrations at a time: most of one is waiting
ONE_AT_A_TIME = threading.Lock()  # a dozen servers each
SOFT_SECONDS = 40.0  # the laboratory's `timeout client` is 30 s
TICKS = 4  # a tick ends after 50 s, which a busy machine may need more than once
BEGUN = "started attempt"
PEOPLE = Clients(rate=20, clients=10, stretchers=0.0, requests_per_connection=5)
KILLED = -9


@value
class Point:
    """The `number`-th `call` of one process, counted from 1."""

    call: str
    number: int


@value
class Played:
    """One migration: which calls its kills hit (as strace shows them), what was broken; `calls`: a calm one's."""

    hits: tuple[str, ...]
    broken: tuple[str, ...]
    files: frozenset[str]
    calls: tuple[str, ...] = ()


# ---------------------------------------------------------------- strace


def tracing(directory: Path, log: Path, point: Point | None) -> tuple[str, ...]:
    """The words before a command that is to be traced, and killed at `point`."""
    paths = [word for name in JOURNAL for word in ("-P", str(directory / name))]
    kill = ("-e", f"inject={point.call}:signal=SIGKILL:when={point.number}") if point else ()
    what = ("-e", f"trace={','.join((*CALLS, OPEN))}")
    return ("strace", "-o", str(log), "-s", "40", "-y", *what, *kill, *(paths if point and point.call == OPEN else ()))


def written(log: Path) -> list[str]:
    """The calls in a trace that are points, in their order."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if re.match(r"[a-z0-9]+\(", line)]
    ours = tuple(f'/{name}", ' for name in JOURNAL)
    return [line for line in lines if not line.startswith(OPEN) or any(one in line for one in ours)]


def call(line: str) -> str:
    """Which system call a line of the trace is."""
    return line.partition("(")[0]


def chains(calls: Sequence[str], each: int = EACH) -> list[tuple[Point, ...]]:
    """Every point once, `each` a migration, far apart: a kill's successor counts from its own start on."""
    apart = math.ceil(len(calls) / each)
    return [_chain(calls, range(first, len(calls), apart)) for first in range(apart)]


def _chain(calls: Sequence[str], places: Sequence[int]) -> tuple[Point, ...]:
    begun = (0, *places[:-1])
    return tuple(
        Point(calls[place], calls[since : place + 1].count(calls[place]))
        for since, place in zip(begun, places, strict=True)
    )


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


def files(one: Rig) -> frozenset[str]:
    """Every file in the folders that lbmigrate writes to, but for our own."""
    folders = (one.directory, one.directory / "a", one.directory / "b", one.directory / "tmp")
    return frozenset(str(path.relative_to(one.directory)) for folder in folders for path in folder.iterdir())


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
    ground, log, hits = directory / "ground", directory / "trace", []
    directory.mkdir(parents=True)
    with _ground(ground) as one, tapped(one) as tap:
        before, verb = one.records(), "run"
        with Observer(one) as seen:
            for point in (*points, None):
                said = _give(one, verb, log, point)
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
        return Played(tuple(hits), tuple(broken), files(one), tuple(call(line) for line in calls))


def attempt(directory: Path, points: Sequence[Point]) -> Played:
    """`play`; what went wrong in the rig itself counts as broken."""
    try:
        return play(directory, points)
    except (AssertionError, Failed) as wrong:
        return Played((), (f"{type(wrong).__name__}: {wrong}",), frozenset())


@value
class Tally:
    """What came of many: points in an undisturbed migration, the calls that were hit, what was broken where."""

    points: int
    hits: tuple[str, ...]
    broken: tuple[str, ...]

    def line(self) -> str:
        """All in one line."""
        kinds = len({call(one) for one in self.hits})
        return (
            f"explored: killed at {len(self.hits)} of {self.points} points of a migration ({kinds} system calls): "
            f"{len(self.broken)} invariants broken"
        )


def explore(directory: Path, kills: int | None = None, seed: int = 0) -> Tally:
    """An undisturbed migration tells the points; then migrations killed at all of them, or at `kills` chosen ones."""
    calm = attempt(directory / "calm", ())
    if calm.broken:
        return Tally(len(calm.calls), (), calm.broken)
    todo = chains(calm.calls)
    random.Random(seed).shuffle(todo)
    hits, broken = list[str](), list[str]()
    with ThreadPoolExecutor(LANES) as pool:
        while todo and (kills is None or len(hits) < kills):
            some = math.ceil((kills - len(hits)) / EACH) if kills else len(todo)
            now, todo = todo[:some], todo[some:]
            where = [directory / f"{len(todo)}-{number}" for number in range(len(now))]
            for points, played in zip(now, pool.map(attempt, where, now), strict=True):
                hits += played.hits
                left = played.files ^ calm.files if played.files else frozenset()
                wrong = [*played.broken, *([f"files: {sorted(left)}"] if left else [])]
                broken += [f"{points}, hit {played.hits}: {one}" for one in wrong]
    return Tally(len(calm.calls), tuple(hits), tuple(broken))


def main() -> int:
    """Every point, or as many as the first argument says; the second is the seed that chooses them."""
    kills, seed = [*map(int, sys.argv[1:]), 0, 0][:2]
    with tempfile.TemporaryDirectory() as folder:
        found = explore(Path(folder), kills or None, seed)
    print("\n".join((*found.broken, found.line())))
    return bool(found.broken)


if __name__ == "__main__":
    sys.exit(main())
