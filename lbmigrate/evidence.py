"""E-values and the processes that multiply them: the arithmetic under `lbmigrate.gate`, which has the theory. Pure."""

import math
from collections.abc import Callable, Sequence
from functools import cache

from lbmigrate.value import value

PAIR_RATES = (1e-4, 1e-3, 1e-2, 5e-2)
PAIR_GAPS = (1.75, 3.0, 6.0, 12.0, 30.0, 100.0)
BUCKET_RATES = (1e-3, 1e-2, 5e-2, 0.2)
BUCKET_GAPS = (1.75, 3.0, 6.0, 12.0, 30.0)
DEAD = 0.95  # the failure rate of a B that is as good as dead; also the most that any alternative claims
WIDEST = 0.5  # above this margin the alternatives would have no room left
SPELL = 1000.0  # units over which a start is about equally likely
ALARM_WEIGHTS = (0.25, 0.5)  # the first start's, and all of the later units' together
PROMOTION_WEIGHTS = (0.95, 0.05)
ALARM_ROOF = 10.0  # times what alarms
PROMOTION_ROOF = 100.0  # times what passes

Table = tuple[tuple[float, ...], ...]  # e-values: [2x + y][alternative]


@value
class ProcessState:
    """A bet per alternative; how many units followed a start, how many starts there were, is the next unit a start."""

    sums: tuple[float, ...]
    units: int = 0
    starts: int = 0
    fresh: bool = True


# ---------------------------------------------------------------- e-values


def closest(pa: float, pb: float, d: float) -> float:
    """The q that minimises KL(pa||q) + KL(pb||q+d), by bisection to the last bit; 0 < pa, pb < 1, 0 < d < 1."""
    low, high = sorted((pa, max(pb - d, 0.0)))
    while True:
        q = (low + high) / 2
        if q in (low, high):
            return q
        r = q + d
        if (pa - q) / (q * (1 - q)) + (pb - r) / (r * (1 - r)) > 0:
            low = q
        else:
            high = q


def e_values(pa: float, pb: float, d: float) -> tuple[float, float, float, float]:
    """e(x, y) of one alternative for (x, y) = 00, 01, 10, 11."""
    q = closest(pa, pb, d)
    a = ((1 - pa) / (1 - q), pa / q)
    b = ((1 - pb) / (1 - q - d), pb / (q + d))
    return (a[0] * b[0], a[0] * b[1], a[1] * b[0], a[1] * b[1])


def _table(alternatives: Sequence[tuple[float, float]], d: float) -> Table:
    return tuple(zip(*(e_values(pa, pb, d) for pa, pb in alternatives), strict=True))


@cache
def alarm_table(margin: float, size: int) -> Table:
    """B is worse: for buckets of `size` pairs: 24 alternatives, or 28 for single pairs."""
    d = size * margin
    rates, gaps = (PAIR_RATES, PAIR_GAPS) if size == 1 else (BUCKET_RATES, BUCKET_GAPS)
    worse = [(pa, min(pa + d * gap, DEAD)) for pa in rates for gap in gaps]
    return _table([*worse, *((pa, DEAD) for pa in rates)], d)


@cache
def promotion_table(promote_margin: float) -> Table:
    """B is like A: for single pairs: 4 alternatives."""
    return _table([(pa, pa) for pa in PAIR_RATES], promote_margin)


# ---------------------------------------------------------------- processes


def nothing(table: Table) -> tuple[float, ...]:
    """No bet placed yet on any alternative."""
    return (0.0,) * len(table[0])


def share(t: int) -> float:
    """The part of the weight for later units that is left before the t-th of them, t = 0, 1, …"""
    return 1.0 / math.sqrt(1.0 + t / SPELL)


def scaled(sums: list[float], roof: float) -> list[float]:
    """Down to the roof together: what fits best keeps its lead, so a spell is unlearned soon after its end."""
    down = roof / sum(sums)
    return [s * down for s in sums]


def clipped(sums: list[float], roof: float) -> list[float]:
    """Each at the roof at most: after a long good spell the others stand ready, so a lone failure undoes little."""
    return [min(s, roof) for s in sums]


class Process:
    """S_k <- (S_k + w) * e_k for every alternative k, kept under a roof; `mean` is the e-process."""

    def __init__(
        self,
        table: Table,
        weights: tuple[float, float],
        curb: Callable[[list[float], float], list[float]],
        roof: float,
        state: ProcessState,
    ) -> None:
        self.table = table
        self.weights = weights
        self.curb = curb
        self.roof = roof
        self.restore(state)

    def restore(self, state: ProcessState) -> None:
        self.sums = list(state.sums)
        self.units, self.starts, self.fresh = state.units, state.starts, state.fresh
        self.left = share(self.units)
        self.mean = sum(self.sums) / len(self.sums)

    def state(self) -> ProcessState:
        return ProcessState(tuple(self.sums), self.units, self.starts, self.fresh)

    def _weight(self) -> float:
        """The next unit's, which is spent by asking."""
        first, later = self.weights
        if self.fresh:
            self.fresh = False
            self.starts += 1
            return math.ldexp(first, 1 - self.starts)
        self.units += 1
        before, self.left = self.left, share(self.units)
        return later * (before - self.left)

    def add(self, outcome: int) -> None:
        weight = self._weight()
        self.sums = [(s + weight) * e for s, e in zip(self.sums, self.table[outcome], strict=True)]
        total = sum(self.sums)
        if total > self.roof:
            self.sums = self.curb(self.sums, self.roof)
            total = sum(self.sums)
        self.mean = total / len(self.sums)
