"""Many seeds, by all processors: the rate, what broke, and which branches of `decide` were taken.

`python -m tests.simulation.soak [COUNT [FIRST]]`, in the project's folder.
"""

import os
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from .branches import Arcs, taken, traced
from .fate import drawn
from .story import ended, verdict

CHUNK = 200
SAMPLE = 100  # one seed in so many is played under coverage, which takes several times as long


@dataclass
class Tally:
    """What some seeds came to: `wrong` has a line for each seed that broke an invariant or came to no end."""

    seeds: int = 0
    wrong: list[str] = field(default_factory=list)
    arcs: Arcs = frozenset()


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
    tally = Tally(count)
    for seed in range(first, first + count):
        if seed % SAMPLE == 0:
            wrong, arcs = traced(partial(play, seed))
            tally.arcs |= arcs
        else:
            wrong = play(seed)
        if wrong:
            tally.wrong.append(f"seed {seed}: {wrong} (python -m tests.simulation {seed})")
    return tally


def chunks(first: int, count: int) -> Iterator[tuple[int, int]]:
    """The first seed and the number of each chunk."""
    for begin in range(first, first + count, CHUNK):
        yield begin, min(CHUNK, first + count - begin)


def soak(count: int, first: int) -> int:
    """Play them all, and say how it goes; the number of seeds that went wrong."""
    begun, total = time.monotonic(), Tally()
    begins = [begin for begin, _ in chunks(first, count)]
    sizes = [size for _, size in chunks(first, count)]
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for one in pool.map(chunk, begins, sizes):
            total = Tally(total.seeds + one.seeds, total.wrong + one.wrong, total.arcs | one.arcs)
            for line in one.wrong:
                print(line, flush=True)
            if total.seeds % (50 * CHUNK) == 0:
                print(f"simulated: {total.seeds:,} of {count:,}", file=sys.stderr, flush=True)
    seconds = time.monotonic() - begun
    last, wrong = first + count - 1, len(total.wrong)
    print(f"simulated: seeds {first:,} to {last:,} in {seconds:,.0f} s, {count / seconds:.0f} a second: {wrong} wrong")
    found, of, missing = taken(total.arcs)
    print(f"simulated: {found} of {of} branches of `decide` taken in a sample of one in {SAMPLE}{_but(missing)}")
    return wrong


def _but(missing: list[str]) -> str:
    return f"; not (line → line): {', '.join(missing)}" if missing else ""


if __name__ == "__main__":
    given = [int(one) for one in sys.argv[1:3]]
    sys.exit(bool(soak(*(given + [1_000_000, 0][len(given) :]))))
