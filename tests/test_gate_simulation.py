"""The gate on seeded random pairs: how often it errs, at most what was asked, and that it still sees."""

import math
from collections.abc import Callable, Iterator
from random import Random

import pytest

from lbmigrate.gate import Gate
from lbmigrate.spec import GateSpec

Pairs = Iterator[tuple[bool, bool]]
World = Callable[[Random, float, float], Pairs]
SINGLE = GateSpec(glitch=0.1)
BUCKETS = GateSpec()
RATE = 10.0


def independent(random: Random, a: float, b: float) -> Pairs:
    """A and B fail each for itself."""
    while True:
        yield random.random() < a, random.random() < b


def outages(random: Random, a: float, b: float) -> Pairs:
    """The same, with outages of both: one begins every 500 pairs or so and lasts 50 or so."""
    down = False
    for alone in independent(random, a, b):
        down = random.random() < (0.98 if down else 0.002)
        yield (True, True) if down else alone


def drifting(random: Random, a: float, b: float) -> Pairs:
    """A's rate and with it B's swing between half and one and a half times `a`; B stays as much worse."""
    t = 0
    while True:
        now = a * (1 + 0.5 * math.sin(t / 300))
        yield random.random() < now, random.random() < now + b - a
        t += 1


def bursts(random: Random, a: float, b: float, length: int = 10) -> Pairs:
    """Failures come in bursts of `length` or so, each side's for itself, at the rates `a` and `b` overall."""
    stay = 1 - 1 / length
    begin = [rate / (1 - rate) / length for rate in (a, b)]
    failing = [False, False]
    while True:
        failing = [random.random() < (stay if now else new) for now, new in zip(failing, begin, strict=True)]
        yield failing[0], failing[1]


def alarms(spec: GateSpec, make: list[Pairs], pairs: int, stages: int = 4) -> int:
    """How many runs alarm, each looked at after every pair, over so many stages."""
    return sum(alarm_at(spec, run, pairs, stages) < pairs for run in make)


def alarm_at(spec: GateSpec, run: Pairs, pairs: int, stages: int = 1) -> int:
    gate = Gate(spec, [RATE])
    for n in range(pairs):
        if n % (pairs // stages) == 0:
            gate.stage()
        gate.pair(0, *next(run))
        if gate.alarmed:
            return n
    return pairs


def pass_at(spec: GateSpec, run: Pairs, pairs: int) -> int:
    gate = Gate(spec, [RATE])
    for n in range(pairs):
        gate.pair(0, *next(run))
        if gate.passed:
            return n
    return pairs


def at_most(share: float, runs: int) -> float:
    """What a run of luck may add to a share of the runs: three standard deviations."""
    return share * runs + 3 * math.sqrt(runs * share * (1 - share))


@pytest.mark.parametrize("world", [independent, outages, drifting])
@pytest.mark.parametrize("a", [0.001, 0.05])
def test_a_b_worse_by_the_margin_is_seldom_called_worse(world: World, a: float) -> None:
    spec = GateSpec(glitch=0.1, alpha=0.05)
    runs = [world(Random(seed), a, a + spec.margin) for seed in range(50)]
    assert alarms(spec, runs, 1_500) <= at_most(spec.alpha, 50)


def test_bursts_need_buckets() -> None:
    """Pair by pair an equal B alarms in most runs: the same bursts in buckets of three times their length do not."""
    found = {
        glitch: alarms(GateSpec(glitch=glitch), [bursts(Random(seed), 0.01, 0.01) for seed in range(30)], 6_000)
        for glitch in (0.1, 1.0, 3.0)
    }
    assert found[0.1] >= 15
    assert found[1.0] <= 1
    assert found[3.0] == 0


@pytest.mark.parametrize(("a", "world"), [(0.0, independent), (0.01, independent), (0.01, outages)])
def test_a_b_worse_by_the_promote_margin_seldom_passes(a: float, world: World) -> None:
    runs = [world(Random(seed), a, a + BUCKETS.promote_margin) for seed in range(100)]
    passed = sum(pass_at(BUCKETS, run, 2_000) < 2_000 for run in runs)
    assert passed <= at_most(BUCKETS.beta, 100)


def test_bursts_that_hide_from_the_promotion_are_seen_within_a_soak() -> None:
    """Between bursts a bad B looks good: five points worse, some pass at once, none after five minutes of watching."""
    early = late = 0
    for seed in range(20):
        run, gate = bursts(Random(seed), 0.001, 0.05), Gate(BUCKETS, [RATE])
        alarmed = passed = False
        for _ in range(3_000):
            gate.pair(0, *next(run))
            alarmed = alarmed or gate.alarmed
            passed = passed or (gate.passed and not alarmed)
        early, late = early + passed, late + (gate.passed and not alarmed)
    assert early > 0
    assert late == 0


@pytest.mark.parametrize(("a", "typical"), [(0.0, 383), (0.001, 500), (0.01, 2_000)])
def test_a_b_like_a_passes(a: float, typical: int) -> None:
    needed = sorted(pass_at(BUCKETS, independent(Random(seed), a, a), 6_000) for seed in range(31))
    assert needed[15] < typical


@pytest.mark.parametrize("spec", [SINGLE, BUCKETS])
def test_one_failure_in_a_hundred_is_seen_beside_one_in_a_thousand(spec: GateSpec) -> None:
    """The information bound is about 1,700 pairs."""
    seen = [alarm_at(spec, independent(Random(seed), 0.001, 0.01), 12_000) for seed in range(15)]
    assert sum(seen) / len(seen) < 4_500
    assert max(seen) < 12_000


def test_it_is_seen_after_a_long_good_spell_too() -> None:
    for seed in range(2):
        random, gate = Random(seed), Gate(BUCKETS, [RATE])
        alike, worse = independent(random, 0.001, 0.001), independent(random, 0.001, 0.01)
        for _ in range(50_000):
            gate.pair(0, *next(alike))
        assert not gate.alarmed
        for _ in range(12_000):
            gate.pair(0, *next(worse))
            if gate.alarmed:
                break
        assert gate.alarmed
