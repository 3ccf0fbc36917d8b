"""Many seeds, by all processors: the rate, what broke, and which branches of `decide` were taken.

`python -m tests.simulation.soak [COUNT [FIRST]]`, in the project's folder. What was interrupted goes on from the seed
that it named last: seeds know nothing of each other.
"""

import os
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from .branches import EVERY, Branch, noted, untaken
from .fate import drawn
from .story import ended, verdict

CHUNK = 200
EACH = 25  # chunks between two lines that say how far it is


@dataclass
class Tally:
    """What some seeds came to: `wrong` has a line for each seed that broke an invariant or came to no end."""

    seeds: int = 0
    wrong: list[str] = field(default_factory=list)
    branches: set[Branch] = field(default_factory=set)
    cpu: float = 0.0


def play(seed: int) -> str:
    """What is wrong with a seed's migration; "" where nothing is."""
    try:
        run = drawn(seed)
        state = run.play()
    except Exception:  # noqa: BLE001  (any error of the shipped code is what is looked for)
        return traceback.format_exc()
    return verdict(run, state) if run.broken or not ended(state) else ""


def chunk(first: int, count: int) -> Tally:
    """Play some seeds one after the other."""
    begun, tally = time.process_time(), Tally(count)
    with noted() as tally.branches:
        for seed in range(first, first + count):
            if wrong := play(seed):
                tally.wrong.append(f"seed {seed}: {wrong} (python -m tests.simulation {seed})")
    tally.cpu = time.process_time() - begun
    return tally


def chunks(first: int, count: int) -> Iterator[tuple[int, int]]:
    """The first seed and the number of each chunk."""
    for begin in range(first, first + count, CHUNK):
        yield begin, min(CHUNK, first + count - begin)


def soak(count: int, first: int) -> int:
    """Play them all, and say how it goes; the number of seeds that went wrong."""
    begun, total = time.monotonic(), Tally()
    begins, sizes = zip(*chunks(first, count), strict=True)
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for n, one in enumerate(pool.map(chunk, begins, sizes), 1):
            branches = total.branches | one.branches
            total = Tally(total.seeds + one.seeds, total.wrong + one.wrong, branches, total.cpu + one.cpu)
            for line in one.wrong:
                print(line, flush=True)
            if n % EACH == 0:
                where = f"up to seed {first + total.seeds - 1:,}; to go on: {count - total.seeds} {first + total.seeds}"
                print(f"simulated: {total.seeds:,} of {count:,}, {where}", file=sys.stderr, flush=True)
    _said(total, first, time.monotonic() - begun)
    return len(total.wrong)


def _said(total: Tally, first: int, seconds: float) -> None:
    last, rate, each = first + total.seeds - 1, total.seeds / seconds, 1000 * total.cpu / total.seeds
    pace = f"in {seconds:,.0f} s, {rate:.0f} a second ({each:.1f} ms of processor time each)"
    print(f"simulated: seeds {first:,} to {last:,} {pace}: {len(total.wrong)} wrong")
    missing = untaken(total.branches)
    but = f"; not: {'; '.join(missing)}" if missing else ""
    print(f"simulated: {len(EVERY) - len(missing)} of {len(EVERY)} branches of `decide` taken{but}")


if __name__ == "__main__":
    given = [int(one) for one in sys.argv[1:3]]
    sys.exit(bool(soak(*(given + [1_000_000, 0][len(given) :]))))
