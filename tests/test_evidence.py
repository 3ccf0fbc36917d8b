"""The gate's guarantees, exactly: means of its bets by enumeration, weights by their sum."""

from collections.abc import Callable
from itertools import product

import pytest
from gates import LOOSE, OK, feed, spoken

from lbmigrate import evidence
from lbmigrate.evidence import Process, ProcessState, Table
from lbmigrate.gate import Gate
from lbmigrate.spec import GateSpec
from lbmigrate.value import replace

TABLES = [
    *(("alarm", size * margin, evidence.alarm_table(margin, size)) for margin, size in
      ((0.0001, 1), (0.002, 1), (0.01, 1), (0.5, 1), (0.002, 2), (0.002, 10), (0.002, 250))),
    *(("promotion", margin, evidence.promotion_table(margin)) for margin in (0.0005, 0.002, 0.01, 0.05, 0.5)),
]  # fmt: skip
each_table = pytest.mark.parametrize(("question", "d", "table"), TABLES, ids=[f"{name}-{d:g}" for name, d, _ in TABLES])


# ---------------------------------------------------------------- e-values


def mean(table: Table, k: int, a: float, b: float) -> float:
    """The exact mean of one e-value where A fails with chance `a` and B, independently, with chance `b`."""
    chances = ((1 - a) * (1 - b), (1 - a) * b, a * (1 - b), a * b)
    return sum(chance * row[k] for chance, row in zip(chances, table, strict=True))


@each_table
def test_no_bet_gains_on_the_boundary(question: str, d: float, table: Table) -> None:
    for k in range(len(table[0])):
        means = [mean(table, k, a, a + d) for a in (i / 400 * (1 - d) for i in range(401))]
        assert max(means) <= 1 + 1e-12, (question, k)


@each_table
def test_every_bet_loses_more_further_inside_the_null(question: str, d: float, table: Table) -> None:
    off = 0.5 if question == "alarm" else 1.5
    for k in range(len(table[0])):
        for a in (0.0, 0.001, 0.05, 0.2):
            assert mean(table, k, a, a + off * d) < mean(table, k, a, a + d)


@each_table
def test_failures_that_both_share_only_lower_the_mean(question: str, d: float, table: Table) -> None:
    for k in range(len(table[0])):
        a, b, shared = 0.05, 0.05 + d, 0.03
        alone = (1 - a - b + shared, b - shared, a - shared, shared)
        chances = tuple(max(chance, 0.0) for chance in alone)
        if sum(chances) <= 1 + 1e-12:
            assert sum(c * row[k] for c, row in zip(chances, table, strict=True)) <= 1 + 1e-12, (question, k)


@pytest.mark.parametrize("margin", [0.0005, 0.01, 0.5])
def test_every_bet_wins_where_it_is_right(margin: float) -> None:
    promotion, alarm = evidence.promotion_table(margin), evidence.alarm_table(margin, 1)
    for k, pa in enumerate(evidence.PAIR_RATES):
        assert mean(promotion, k, pa, pa) > 1
        assert mean(alarm, 24 + k, pa, 0.95) > 1
        for gap in range(6):
            assert mean(alarm, 6 * k + gap, pa, min(pa + margin * evidence.PAIR_GAPS[gap], 0.95)) > 1


@pytest.mark.parametrize(
    ("pa", "pb", "d"),
    [(1e-4, 0.95, 0.002), (1e-3, 1e-3 + 1.75 * 0.002, 0.002), (0.05, 0.25, 0.02), (0.2, 0.95, 0.5), (1e-4, 1e-4, 0.01),
     (0.05, 0.05, 0.01), (0.05, 0.05, 0.5), (1e-4, 1e-4, 1e-4)],
)  # fmt: skip
def test_q_is_where_the_boundary_comes_closest(pa: float, pb: float, d: float) -> None:
    q = evidence.closest(pa, pb, d)
    e = evidence.e_values(pa, pb, d)
    table = tuple((one,) for one in e)
    assert 0 < q < 1 - d
    assert mean(table, 0, q, q + d) == pytest.approx(1, abs=1e-12)
    for near in (q * 0.99, min(q * 1.01, 1 - d)):
        assert mean(table, 0, near, near + d) < 1


def test_the_alternatives_are_those_of_the_rule() -> None:
    assert len(evidence.alarm_table(0.002, 1)[0]) == 28
    assert len(evidence.alarm_table(0.002, 10)[0]) == 24
    assert len(evidence.promotion_table(0.01)[0]) == 4


# ---------------------------------------------------------------- the guarantee, exactly


def chances(a: float, b: float) -> tuple[float, float, float, float]:
    return ((1 - a) * (1 - b), (1 - a) * b, a * (1 - b), a * b)


def average(spec: GateSpec, read: Callable[[Gate], float], a: float, b: float, plan: str) -> float:
    """The exact mean of `read` after `plan` ("." is a pair, "|" a stage, "c" a restart), over every possible run."""
    odds = chances(a, b)
    total = 0.0
    for run in product(range(4), repeat=plan.count(".")):
        gate, chance, outcomes = Gate(spec, [10.0]), 1.0, iter(run)
        for act in plan:
            if act == "|":
                gate.stage()
            elif act == "c":
                gate = Gate(spec, [10.0], spoken(gate.state()))
            else:
                outcome = next(outcomes)
                chance *= odds[outcome]
                feed(gate, outcome)
        total += chance * read(gate)
    return total


def spent(spec: GateSpec, size: int, plan: str) -> float:
    """The alarm's weight after `plan`, from the rule's own words and not from the gate's code."""
    units, starts, fresh, filled, weight = 0, 0, True, 0, 0.0
    for act in plan.replace("c", ""):
        filled += act == "."
        if (act == "|" and filled) or filled == size:
            filled = 0
            weight += (
                0.25 / 2**starts if fresh else 0.5 * ((1 + units / 1000) ** -0.5 - (1 + (units + 1) / 1000) ** -0.5)
            )
            units, starts, fresh = units + (not fresh), starts + fresh, False
        fresh = fresh or act == "|"
    assert spec.margin * size <= 0.5
    return weight


@pytest.mark.parametrize("a", [0.0, 0.01, 0.2, 0.45])
@pytest.mark.parametrize("plan", [".....", "..|.c..", "||.|.|.|.|."])
def test_the_alarms_mean_on_the_boundary_is_at_most_the_weight_spent(a: float, plan: str) -> None:
    spec = replace(LOOSE, glitch=0.1)
    assert average(spec, lambda gate: gate.alarm, a, a + spec.margin, plan) <= spent(spec, 1, plan) + 1e-12


@pytest.mark.parametrize("a", [0.0, 0.01, 0.2, 0.45])
@pytest.mark.parametrize("plan", [".....", "...|..", ".|..c.|."])
def test_buckets_keep_the_guarantee_of_their_pairs(a: float, plan: str) -> None:
    assert average(LOOSE, lambda gate: gate.alarm, a, a + LOOSE.margin, plan) <= spent(LOOSE, 2, plan) + 1e-12


@pytest.mark.parametrize("a", [0.0, 0.01, 0.05, 0.3])
def test_the_promotions_mean_on_the_boundary_is_at_most_one(a: float) -> None:
    assert average(LOOSE, lambda gate: gate.promote, a, a + LOOSE.promote_margin, "..c...") <= 1


def test_the_enumeration_can_fail() -> None:
    """Beyond the boundary the alarm's mean is more than the weight, or the tests above would prove nothing."""
    spec = replace(LOOSE, glitch=0.1)
    assert average(spec, lambda gate: gate.alarm, 0.01, 0.5, "......") > spent(spec, 1, "......")
    assert average(LOOSE, lambda gate: gate.promote, 0.01, 0.01, "......") > 1


@pytest.mark.parametrize("weights", [evidence.ALARM_WEIGHTS, evidence.PROMOTION_WEIGHTS])
def test_the_weights_never_add_up_to_more_than_one(weights: tuple[float, float]) -> None:
    """Bets whose every factor is 1 hold just what was put on them."""
    even = Process(((1.0,),) * 4, weights, evidence.clipped, 1e9, ProcessState((0.0,)))
    starts = 1 if weights == evidence.PROMOTION_WEIGHTS else 60
    for _ in range(starts):
        even.fresh = True
        for _ in range(500):
            even.add(OK)
    assert even.starts == starts
    assert sum(weights) * 0.5 < even.mean <= 1.0
