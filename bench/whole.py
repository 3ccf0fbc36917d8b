"""A whole five-stage migration on real servers beside its floor: what caches, soaks, evidence and lag ask for.

BIND with a secondary that follows 0.7 s later, HAProxy 2.6 replaced by 2.8, four addresses a side, `lbmigrate run` as
a user gives it. How long each part took is in the journal. The floor is made of what happened, as other processes
saw it:

- lag: from the primary's first answer with the change to the slowest server's;
- caches: the TTL that the old answer carried, and the margin;
- soak, or the time that the evidence needs at this rate when nothing fails, if that is longer;
- idle: what is left of A's idle window once the last soak is over.

Everything else (deciding, writing, journal, starting and ending probes, reading the primary and both sides, standing
B up beyond the first wait, stopping A, restoring the TTL) is over the floor.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from poll import Poll
from table import Row, text

from lbmigrate import config
from lbmigrate.errors import Failed
from lbmigrate.events import Entry, Finished, Passed, Started
from lbmigrate.gate import pairs_range
from lbmigrate.journal import connect
from lbmigrate.lab.ground import ORIGIN, Ground
from lbmigrate.lab.process import environment
from lbmigrate.lab.scenario import Bounds, Expect, Scenario
from lbmigrate.plan import Drain, Plan, Soak, Turn
from lbmigrate.schemes import records
from lbmigrate.spec import Soft
from lbmigrate.value import value

STAGES = (20, 25, 50, 80, 100)
SHARE, GRACE = 0.01, 0.5  # over the floor: at most this share of it, or these seconds a stage
NAME = f"www.{ORIGIN}."
SECONDS = 150.0
SCENARIO = Scenario(
    path="",
    title="a whole migration",
    expect=Expect(0, "done", Bounds(), "moved", "retired", "running"),
    a=4,
    b=4,
    ttl=3,
    lag=0.7,
    config=(
        ("stages", list(STAGES)),
        ("ttl", "2s"),
        ("cache_margin", "1s"),
        ("soak", "5s"),
        ("gate", {"promote_margin": "5%"}),
        ("retire", {"idle_for": "8s", "limit": "60s"}),
    ),
)


@value
class Part:
    """A stretch of the migration and its floor, in seconds; `floor` as it is made up, in words."""

    label: str
    took: float
    floor: float
    made_of: str


class Story:
    """The journal of a migration that is over, beside what its name servers answered."""

    def __init__(self, entries: list[Entry], polls: Iterable[Poll]) -> None:
        (self.began, started), *_ = [(one.at, one.event) for one in entries if isinstance(one.event, Started)]
        self.plan: Plan = started.plan
        self.soft: Soft = started.soft
        self.passed = {type(e.event.step): e.at for e in entries if isinstance(e.event, Passed)}
        self.judged = {
            e.event.step.weight: e.at for e in entries if isinstance(e.event, Passed) and isinstance(e.event.step, Soak)
        }
        self.ended = next(one.at for one in entries if isinstance(one.event, Finished))
        self._polls = tuple(polls)

    def sights(self, weight: int, after: float) -> tuple[float, float]:
        """When the first and when the slowest server answered with the records of a weight, under the lowered TTL."""
        bound = self.plan.bound
        (rrset,) = records("addresses", self.plan.originals[0], bound.a, bound.b, weight)
        seen = [poll.first(tuple(sorted(rrset.rdatas)), after, bound.ttl) for poll in self._polls]
        return min(seen), max(seen)

    def parts(self) -> list[Part]:
        """Every part, in order; together they are the whole."""
        return [self._preparation(), *self._stages(), self._drain(), self._end()]

    def _preparation(self) -> Part:
        first, last = self.sights(0, self.began)
        ttl, margin = self.plan.originals[0].rrsets[0].ttl, self.soft.cache_margin
        what = f"lag {last - first:.2f} + caches {ttl + margin:g}"
        return Part("claim, TTL, B", self.passed[Turn] - self.began, last - first + ttl + margin, what)

    def _stages(self) -> list[Part]:
        moments = [self.passed[Turn], *(self.judged[weight] for weight in STAGES)]
        return [self._stage(*one) for one in zip(STAGES, moments, moments[1:], strict=False)]

    def _stage(self, weight: int, began: float, ended: float) -> Part:
        first, last = self.sights(weight, began)
        caches = (self.plan.bound.ttl or 0) + self.soft.cache_margin
        evidence = pairs_range(self.soft.gate)[0] / min(probe.rate for probe in self.soft.probes)
        asked = last - first + caches + self.soft.soak
        what = f"lag {last - first:.2f} + caches {caches:g} + soak {self.soft.soak:g}"
        what = what if asked > evidence else f"evidence {evidence:.2f}"
        return Part(f"stage {weight} %", ended - began, max(asked, evidence), what)

    def _drain(self) -> Part:
        before = self.judged[STAGES[-1]]
        _, last = self.sights(STAGES[-1], self.judged[STAGES[-2]])
        turned = last + (self.plan.bound.ttl or 0) + self.soft.cache_margin
        left = max(0.0, turned + self.soft.retire.idle_for - before)
        return Part("A idle", self.passed[Drain] - before, left, f"idle {left:.2f}")

    def _end(self) -> Part:
        return Part("A stopped, TTL restored", self.ended - self.passed[Drain], 0.0, "")


def played(directory: Path) -> list[Part]:
    """Play it. Raises Failed when `run` fails, or a server is missing."""
    with ExitStack() as stack:
        ground = Ground(SCENARIO, True, directory)
        stack.callback(ground.close)
        polls = [Poll(server, NAME) for server in ground.dns.nameservers]
        for poll in polls:
            stack.callback(poll.close)
        argv = [sys.executable, "-m", "lbmigrate", "-q", "-c", str(ground.config), "run", "--yes"]
        done = subprocess.run(argv, env=environment(), check=False, timeout=SECONDS, capture_output=True, text=True)
        if done.returncode:
            raise Failed(f"lbmigrate run: exit {done.returncode}: {done.stderr.strip()[-300:]}; see bench/whole.py")
        return Story(connect(config.load(ground.config).journal).read(whole=True), polls).parts()


def rows() -> list[Row]:
    """The table's part."""
    with tempfile.TemporaryDirectory(prefix="lbmigrate-bench-") as name:
        parts = played(Path(name))
    took, floor = sum(one.took for one in parts), sum(one.floor for one in parts)
    whole = Part(f"the whole migration, {len(STAGES)} stages", took, floor, "sum of these")
    return [_row(whole, GRACE * len(STAGES)), *(_row(one, GRACE) for one in parts)]


def _row(part: Part, grace: float) -> Row:
    over = part.took - part.floor
    ratio = f"{part.took / part.floor:.3f}" if part.floor else ""
    beside = f"floor {part.floor:.2f} s" + (f" = {part.made_of}" if part.made_of else "")
    ok = over <= max(SHARE * part.floor, grace)
    return Row(part.label, f"{part.took:.2f} s", beside, ratio, f"{1 + SHARE} or +{grace:g} s", ok)


if __name__ == "__main__":
    print(text(rows()))
