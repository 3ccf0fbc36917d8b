"""The gate: is B worse than A? Answered after any pair, with both chances of error kept. Pure.

Theory of operation
-------------------
A pair is one probe of A and one of B in the same slot: x = A failed, y = B failed. Two questions are kept per channel,
each as a bet that is fair at best while its null hypothesis holds, whatever A's own failure rate does meanwhile:

    alarm       null: P(y) <= P(x) + d, d = m * margin       on buckets of m = max(1, round(rate * glitch)) pairs: any
                                                             failure in one makes it failed, so a burst counts once
    promotion   null: P(y) >= P(x) + d, d = promote_margin   on pairs, never buckets: between buckets, a B that is
                                                             worse by d a pair differs by less than m * d, and passes

For an alternative (pa, pb) outside the null, q minimises KL(pa||q) + KL(pb||q+d), and one unit multiplies the bet by

    e(x, y) = pa^x (1-pa)^(1-x) pb^y (1-pb)^(1-y) / [ q^x (1-q)^(1-x) (q+d)^y (1-q-d)^(1-y) ]

On the boundary P(y) = P(x) + d its mean is a parabola in P(x) whose top is 1, at q; further inside the null it is less
again: an e-value (Turner, Ly, Grünwald, arXiv 2106.02693 and 2203.09785). It is a factor for x times a factor for y,
and one rises where the other falls, so failures that A and B share only lower the mean.

Each alternative k is mixed over the moments at which the trouble (or the proof) may have begun, since good times would
else blind the test to what follows them: S_k <- (S_k + w) * e_k. The mean over k, plus the weight not yet spent, is a
nonnegative supermartingale that begins at 1, so by Ville's inequality P(mean S_k ever reaches 1/alpha) <= alpha
(compare Shin, Ramdas, Rinaldo, "E-detectors", arXiv 2203.03532). The weights:

    alarm       0.25 * 2^-j for the first unit of the j-th start, 0.5 * (h(t-1) - h(t)) for the t-th of all other units
    promotion   0.95 for a stage's first pair, 0.05 * (h(t-1) - h(t)) for its later ones; h(t) = 1 / sqrt(1 + t/1000)

The sums telescope: never more than 1, with no number of pairs known beforehand, however often one stops, repeats a
stage or shifts by hand. h is nearly flat over the first thousand units, about a stage. The promotion's alternatives
are "B is like A" at four failure rates, the alarm's own: 383 clean pairs pass at a margin of 1 % and beta 5 %. Where A
itself fails far more often than one probe in ten, nothing is ever promoted.

Alarm and promotion are the bets as they stand, not their best moment: a hold clears when its cause is gone, and a
stage passes on evidence that still holds. So that a long spell can be unlearned, the alarm's bets are scaled down to
ten times what alarms, and each of the promotion's is clipped at a hundred times what passes. Taking from a bet is
always allowed: the guarantees stay.

Several channels: the alarm is the average over them, an e-process under any dependence; promotion is the minimum, for
each channel must pass. A probe with `slow` is two channels: in the second one a probe that failed, or that was answered
later than that, counts as failed, and B may be late a point more often than A. The threshold is the operator's, the
same for both sides; one learnt from A's own latencies is not built.

A state that was made for other settings: alpha and beta are only thresholds and may change (the chance of a false
alarm is then at most the largest alpha that was in force). After any other change the promotion starts afresh. Where
margin, bucket sizes or the number of channels differ, the alarm's bets answer another question and are dropped, which
costs evidence and never the guarantee; the weight that was spent stays spent, by the channel that spent most, and the
next unit is one more start.

Weak spots. A `slow` that A itself exceeds now and then makes a stage long (in one probe of ten: endless). Where A fails
in bursts but B singly, B fails in more buckets than A and may alarm although its probes fail no more often. Failures
that exclude each other (B fails *because* A works) break the claim that shared causes only help. A burst longer than a
bucket counts several times. A bet is on the chance given the past, so between bursts a bad B looks good to the
promotion: with bursts of 10, a B worse by just its margin passed in 88 of 100 simulated runs; one worse by five points
in 22 if asked at once, in none after a soak of five minutes at 10 pairs a second. A probe replaced by another of equal
rate cannot be told apart here: call `stage()` then.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

from lbmigrate.evidence import (
    ALARM_ROOF,
    ALARM_WEIGHTS,
    PROMOTION_ROOF,
    PROMOTION_WEIGHTS,
    WIDEST,
    Process,
    ProcessState,
    Table,
    alarm_table,
    clipped,
    nothing,
    promotion_table,
    scaled,
)
from lbmigrate.spec import GateSpec
from lbmigrate.value import replace, value

SLOW_MARGIN = 0.01  # a point, where `margin` is less: latencies have tails


@value
class ChannelState:
    """One channel. `filled`, `a_failed`, `b_failed`: the bucket under way."""

    alarm: ProcessState
    promotion: ProcessState
    filled: int = 0
    a_failed: bool = False
    b_failed: bool = False


@value
class GateState:
    """All that a gate knows, and what it was made for: margins as shares, `sizes` = pairs in a bucket, per channel.

    The last `slow` channels judge lateness.
    """

    margin: float
    promote_margin: float
    sizes: tuple[int, ...]
    channels: tuple[ChannelState, ...]
    slow: int = 0

    def __post_init__(self) -> None:
        if not self.sizes or len(self.sizes) != len(self.channels):
            raise ValueError(f"a gate's state with {len(self.sizes)} bucket sizes for {len(self.channels)} channels")


class _Channel:
    """One stream of pairs: alarm on its buckets, promotion on its pairs."""

    def __init__(self, spec: GateSpec, margin: float, size: int, count: int, state: ChannelState) -> None:
        self.size = size
        alarm, promotion = alarm_table(margin, size), promotion_table(spec.promote_margin)
        roof = ALARM_ROOF * count * len(alarm[0]) / spec.alpha
        self.alarm = Process(alarm, ALARM_WEIGHTS, scaled, roof, state.alarm)
        roof = PROMOTION_ROOF / spec.beta
        self.promotion = Process(promotion, PROMOTION_WEIGHTS, clipped, roof, state.promotion)
        self.filled = state.filled
        self.bucket = 2 * state.a_failed + state.b_failed

    def pair(self, a_failed: bool, b_failed: bool) -> None:
        outcome = 2 * a_failed + b_failed
        self.promotion.add(outcome)
        self.bucket |= outcome
        self.filled += 1
        if self.filled == self.size:
            self.close()

    def close(self) -> None:
        self.alarm.add(self.bucket)
        self.filled = self.bucket = 0

    def stage(self) -> None:
        # A bucket cut short is still a fair one: fewer pairs than m make P(y) - P(x) smaller, not larger.
        if self.filled:
            self.close()
        self.alarm.fresh = True
        self.promotion.restore(ProcessState(nothing(self.promotion.table)))

    def state(self) -> ChannelState:
        a_failed, b_failed = bool(self.bucket & 2), bool(self.bucket & 1)
        return ChannelState(self.alarm.state(), self.promotion.state(), self.filled, a_failed, b_failed)


# ---------------------------------------------------------------- the gate


def sizes_of(spec: GateSpec, rates: Sequence[float], slow: Sequence[float] = ()) -> tuple[int, ...]:
    """Pairs in a bucket, per channel; rates in pairs per second, those that judge lateness last.

    A bucket of lateness is cut so that the tables have room: a margin of a point reaches `WIDEST` at 50 pairs.
    """
    most = int(WIDEST / slow_margin(spec))
    late = tuple(min(most, max(1, round(rate * spec.glitch))) for rate in slow)
    return tuple(max(1, round(rate * spec.glitch)) for rate in rates) + late


def slow_margin(spec: GateSpec) -> float:
    """How much more often than A B may be late, as a share."""
    return max(spec.margin, SLOW_MARGIN)


def check(spec: GateSpec, rates: Sequence[float]) -> None:
    """Raise ValueError, with what to change, for settings that no gate can be made for; rates in pairs per second."""
    for name, given in (("alpha", spec.alpha), ("beta", spec.beta)):
        if not 0.0 < given < 1.0:
            raise ValueError(f"gate: {name} is {given:.3%}: set it above 0% and below 100%")
    for name, given in (("margin", spec.margin), ("promote_margin", spec.promote_margin)):
        if not 0.0 < given <= WIDEST:
            raise ValueError(f"gate: {name} is {given:.3%}: set it above 0% and at most {WIDEST:.0%}")
    if not 0.0 <= spec.glitch < math.inf:
        raise ValueError(f"gate: glitch is {spec.glitch:g} s: set it to 0s or more")
    if not rates or not all(0.0 < rate < math.inf for rate in rates):
        raise ValueError(f"gate: the probe rates are {list(rates)}: give at least one probe, each at a rate above 0")
    for rate, size in zip(rates, sizes_of(spec, rates), strict=True):
        if size * spec.margin > WIDEST:
            raise ValueError(
                f"gate: a bucket of {size} pairs (rate {rate:g}/s, glitch {spec.glitch:g} s) times margin "
                f"{spec.margin:.3%} is {size * spec.margin:.2f}, above {WIDEST}: lower glitch, rate or margin"
            )


class Gate:
    """Evidence on every channel, pair by pair. Raises ValueError as `check` does.

    `rates`: pairs per second, one per channel; `slow`: the same of further channels that judge lateness. `state`
    continues where another gate stopped, bit for bit; one that was made for other settings starts the promotion afresh
    and keeps the alarm's guarantee (see above).
    """

    def __init__(
        self, spec: GateSpec, rates: Sequence[float], state: GateState | None = None, slow: Sequence[float] = ()
    ) -> None:
        check(spec, rates)
        self.spec, self.slow = spec, len(slow)
        self.sizes = sizes_of(spec, rates, slow)
        empty = _fresh(spec, self.sizes, self.slow)
        channels = _adopted(spec, empty, state) if state else empty.channels
        margins = _margins(spec, len(rates), self.slow)
        self.channels = tuple(
            _Channel(spec, margin, size, len(margins), one)
            for margin, size, one in zip(margins, self.sizes, channels, strict=True)
        )

    def stage(self) -> None:
        """A stage begins: the alarm starts once more, the promotion afresh. Again without a pair changes nothing."""
        for channel in self.channels:
            channel.stage()

    def pair(self, channel: int, a_failed: bool, b_failed: bool) -> None:
        """Count one slot of one channel."""
        self.channels[channel].pair(a_failed, b_failed)

    @property
    def alarm(self) -> float:
        """Evidence that B is worse than A by `margin`: alarms at `alarm_at`; at most ten times that a channel."""
        return sum(channel.alarm.mean for channel in self.channels) / len(self.channels)

    @property
    def alarm_at(self) -> float:
        return 1.0 / self.spec.alpha

    @property
    def alarmed(self) -> bool:
        """As it stands: may end when B recovers."""
        return self.alarm >= self.alarm_at

    @property
    def late(self) -> bool:
        """What alarms is that B is late: no channel of failures would do so by itself."""
        means = [channel.alarm.mean for channel in self.channels]
        return self.alarmed and max(means[: len(means) - self.slow]) < self.alarm_at

    @property
    def promote(self) -> float:
        """Evidence, on the channel that has least, that B is not worse by `promote_margin`; of this stage."""
        return min(channel.promotion.mean for channel in self.channels)

    @property
    def promote_at(self) -> float:
        return 1.0 / self.spec.beta

    @property
    def passed(self) -> bool:
        """As it stands: may end when B fails."""
        return self.promote >= self.promote_at

    @property
    def pairs(self) -> int:
        """Pairs at this stage on the channel that has fewest: what `pairs_needed` is compared with."""
        return min(channel.promotion.units + channel.promotion.starts for channel in self.channels)

    def state(self) -> GateState:
        """All of it; cheap, and free of any reference to this gate."""
        channels = tuple(channel.state() for channel in self.channels)
        return GateState(self.spec.margin, self.spec.promote_margin, self.sizes, channels, self.slow)


def _margins(spec: GateSpec, failing: int, slow: int) -> tuple[float, ...]:
    return (spec.margin,) * failing + (slow_margin(spec),) * slow


@lru_cache(maxsize=64)
def _fresh(spec: GateSpec, sizes: tuple[int, ...], slow: int, units: int = 0, starts: int = 0) -> GateState:
    """Channels without evidence, of whose alarm weight `units` and `starts` are spent."""
    promotion = ProcessState(nothing(promotion_table(spec.promote_margin)))
    channels = tuple(
        ChannelState(ProcessState(nothing(alarm_table(margin, size)), units, starts), promotion)
        for margin, size in zip(_margins(spec, len(sizes) - slow, slow), sizes, strict=True)
    )
    return GateState(spec.margin, spec.promote_margin, sizes, channels, slow)


def _adopted(spec: GateSpec, empty: GateState, state: GateState) -> tuple[ChannelState, ...]:
    """What of `state` still answers the questions of `spec`; spent weight stays spent in any case."""
    same = (state.margin, state.sizes, state.slow) == (empty.margin, empty.sizes, empty.slow)
    if not same or _widths(state.channels) != _widths(empty.channels):
        units = max(channel.alarm.units for channel in state.channels)
        starts = max(channel.alarm.starts for channel in state.channels)
        return _fresh(spec, empty.sizes, empty.slow, units, starts).channels
    if state.promote_margin == spec.promote_margin:
        return state.channels
    return tuple(replace(old, promotion=new.promotion) for old, new in zip(state.channels, empty.channels, strict=True))


def _widths(channels: tuple[ChannelState, ...]) -> list[tuple[int, int]]:
    """How many alternatives there are: another release may have others."""
    return [(len(channel.alarm.sums), len(channel.promotion.sums)) for channel in channels]


# ---------------------------------------------------------------- what to expect


def pairs_needed(spec: GateSpec, failure_rate: float = 0.0) -> int:
    """Pairs per channel until a stage passes when B is like A and each fails as often as expected, whole failures.

    At rate 0 the gate passes with it, or up to 1 % earlier (it counts the later starts too). Where failures matter it
    is about the mean, and runs differ widely: at 1 % (margin 1 %, beta 5 %) it says 1,859, while half of the simulated
    runs needed 1,466 and one in ten 3,246 or more. Raises ValueError for a rate at which no number is enough.
    """
    table = promotion_table(spec.promote_margin)
    drift = max(_growth(table, k, failure_rate, failure_rate) for k in range(len(table[0])))
    if drift <= 0:
        raise ValueError(f"gate: while A fails {failure_rate:.1%} of its probes no number of pairs proves B")
    return _fewest(spec, lambda n: (int(n * failure_rate), int(n * failure_rate)))


def pairs_range(spec: GateSpec) -> tuple[int, int]:
    """Pairs per channel until a stage passes, at most: without any failure, and with two lone failures of B."""
    return _fewest(spec, lambda _: (0, 0)), _fewest(spec, lambda _: (0, 2))


def _growth(table: Table, k: int, a: float, b: float) -> float:
    """Mean log of e_k per pair when A and B fail the shares `a` and `b` of them, by itself each (e is a product)."""
    none, only_b, only_a, _ = (math.log(row[k]) for row in table)
    return none + a * (only_a - none) + b * (only_b - none)


def _fewest(spec: GateSpec, failed: Callable[[int], tuple[int, int]]) -> int:
    """The fewest pairs that pass when `failed(n)` are failures of (A, B) among n pairs, by the start's weight alone."""
    table = promotion_table(spec.promote_margin)
    width = len(table[0])
    goal = math.log(width / PROMOTION_WEIGHTS[0] / spec.beta)

    def passes(n: int) -> bool:
        a, b = failed(n)
        logs = [n * _growth(table, k, a / n, b / n) for k in range(width)]
        top = max(logs)
        return top + math.log(sum(math.exp(log - top) for log in logs)) >= goal

    high = 1
    while not passes(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return high
