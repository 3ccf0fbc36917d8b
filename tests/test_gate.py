"""The gate: how soon it sees, what it proves, what it keeps over a restart and over other settings."""

from collections.abc import Iterable

import pytest
from gates import A_FAILED, B_FAILED, BOTH, BUCKETS, LOOSE, OK, PAIRS, feed, spoken, until
from hypothesis import given
from hypothesis import strategies as st

from lbmigrate.gate import Gate, GateState, check, pairs_needed, pairs_range
from lbmigrate.spec import GateSpec
from lbmigrate.value import replace

# ---------------------------------------------------------------- how soon


@pytest.mark.parametrize(("good", "pairs"), [(0, 6), (50, 10), (500, 11), (50_000, 16)])
def test_a_dead_b_is_seen_within_pairs(good: int, pairs: int) -> None:
    gate = Gate(PAIRS, [10.0])
    feed(gate, OK, good)
    assert until(gate, B_FAILED, lambda gate: gate.alarmed) == pairs


@pytest.mark.parametrize(("good", "buckets"), [(0, 7), (20, 11), (300, 12), (5_000, 14)])
def test_a_dead_b_is_seen_within_buckets(good: int, buckets: int) -> None:
    gate = Gate(BUCKETS, [10.0])
    feed(gate, OK, good * 10)
    assert until(gate, B_FAILED, lambda gate: gate.alarmed) == buckets * 10


def test_a_new_stage_sees_a_dead_b_almost_as_soon_as_the_first() -> None:
    gate = Gate(PAIRS, [10.0])
    feed(gate, OK, 2_000)
    gate.stage()
    assert until(gate, B_FAILED, lambda gate: gate.alarmed) == 7


def test_a_b_that_is_late_alarms_by_its_own_channel_and_a_shared_lateness_never() -> None:
    gate = Gate(BUCKETS, [10.0], slow=[10.0])
    for _ in range(200):
        gate.pair(0, False, False)
        gate.pair(1, True, True)
    assert (gate.alarmed, gate.late, gate.passed) == (False, False, False)
    for _ in range(200):
        gate.pair(0, False, False)
        gate.pair(1, False, True)
    assert (gate.alarmed, gate.late) == (True, True)


def test_a_b_that_fails_is_not_called_late() -> None:
    gate = Gate(BUCKETS, [10.0], slow=[10.0])
    for _ in range(200):
        gate.pair(0, False, True)
        gate.pair(1, False, True)
    assert (gate.alarmed, gate.late) == (True, False)


def test_b_may_be_late_a_point_more_often_than_a() -> None:
    """The same outcomes alarm where they are failures (margin 0.2 %)."""
    failing, late = Gate(PAIRS, [10.0]), Gate(PAIRS, [10.0], slow=[10.0])
    for number in range(4_000):
        failing.pair(0, False, number % 100 == 99)
        late.pair(0, False, False)
        late.pair(1, False, number % 100 == 99)
    assert failing.alarmed
    assert late.alarm < 1


def test_a_bucket_of_lateness_is_cut_where_its_margin_leaves_no_room() -> None:
    assert Gate(BUCKETS, [100.0], slow=[100.0, 10.0]).sizes == (100, 50, 10)


def test_a_state_made_for_failures_is_not_taken_for_one_of_lateness() -> None:
    two = Gate(BUCKETS, [10.0, 10.0])
    feed(two, B_FAILED, 30)
    assert two.alarm > 1
    assert Gate(BUCKETS, [10.0], two.state(), [10.0]).alarm == 0
    late = Gate(BUCKETS, [10.0], slow=[10.0])
    late.pair(1, False, True)
    again = spoken(late.state())
    assert Gate(BUCKETS, [10.0], again, [10.0]).state() == again


def test_failures_that_both_share_never_alarm() -> None:
    gate = Gate(BUCKETS, [10.0])
    feed(gate, BOTH, 1_000)
    assert gate.alarm < 1


def test_a_that_fails_alone_never_alarms_and_does_not_stop_the_promotion() -> None:
    gate = Gate(BUCKETS, [10.0])
    feed(gate, A_FAILED, 10)
    feed(gate, OK, 400)
    assert gate.alarm < 1
    assert gate.passed


def test_a_burst_of_b_counts_once() -> None:
    bursts = {spec: Gate(spec, [10.0]) for spec in (PAIRS, BUCKETS)}
    for gate in bursts.values():
        feed(gate, OK, 500)
        feed(gate, B_FAILED, 10)
    assert bursts[PAIRS].alarm > 50 * bursts[BUCKETS].alarm


# ---------------------------------------------------------------- promotion


@pytest.mark.parametrize(
    ("spec", "lone", "pairs"),
    [(GateSpec(), (), 383), (GateSpec(promote_margin=0.002), (), 2_197), (GateSpec(), (0,), 704),
     (GateSpec(), (100,), 707), (GateSpec(), (100, 200), 962), (GateSpec(), (370, 700), 971),
     (GateSpec(beta=0.5), (), 110), (GateSpec(promote_margin=0.5), (), 5)],
)  # fmt: skip
def test_pairs_until_a_stage_passes(spec: GateSpec, lone: tuple[int, ...], pairs: int) -> None:
    gate = Gate(spec, [10.0])
    while not gate.passed:
        feed(gate, B_FAILED if gate.pairs in lone else OK)
    assert gate.pairs == pairs


@pytest.mark.parametrize("margin", [0.0005, 0.002, 0.01, 0.1, 0.5])
@pytest.mark.parametrize("beta", [0.01, 0.05])
def test_pairs_needed_is_what_the_gate_needs(margin: float, beta: float) -> None:
    spec = GateSpec(promote_margin=margin, beta=beta)
    few, many = pairs_range(spec)
    gate, unlucky = Gate(spec, [10.0]), Gate(spec, [10.0])
    until(gate, OK, lambda gate: gate.passed)
    assert few * 0.99 - 1 <= gate.pairs <= few == pairs_needed(spec)
    while not unlucky.passed:
        feed(unlucky, B_FAILED if unlucky.pairs in (few // 2, few - 2) else OK)
    assert many * 0.99 - 1 <= unlucky.pairs <= many


def test_pairs_needed_grows_with_what_both_fail() -> None:
    assert [pairs_needed(GateSpec(), rate) for rate in (0.001, 0.01, 0.05)] == [383, 1_859, 8_450]
    assert pairs_range(GateSpec()) == (383, 972)


def test_pairs_needed_says_when_no_number_is_enough() -> None:
    with pytest.raises(ValueError, match=r"while A fails 30\.0% of its probes no number of pairs proves B"):
        pairs_needed(GateSpec(), 0.3)


def test_a_lone_failure_after_much_good_does_not_undo_a_pass() -> None:
    gate = Gate(BUCKETS, [10.0])
    feed(gate, OK, 50_000)
    feed(gate, B_FAILED)
    assert gate.passed
    feed(gate, B_FAILED, 40)
    assert not gate.passed


def test_what_was_bad_for_a_minute_can_be_proven_good_again() -> None:
    gate = Gate(BUCKETS, [10.0])
    feed(gate, B_FAILED, 600)
    assert until(gate, OK, lambda gate: gate.passed) < 1_500


def test_the_alarm_ends_soon_after_b_recovers() -> None:
    gate = Gate(BUCKETS, [10.0])
    feed(gate, B_FAILED, 36_000)
    assert gate.alarm <= 10 * gate.alarm_at * (1 + 1e-12)
    assert until(gate, OK, lambda gate: not gate.alarmed) <= 50
    assert until(gate, B_FAILED, lambda gate: gate.alarmed) <= 50


# ---------------------------------------------------------------- stages and channels


def test_a_stage_starts_the_promotion_afresh_and_keeps_the_alarm() -> None:
    gate = Gate(PAIRS, [10.0])
    feed(gate, OK, 400)
    feed(gate, B_FAILED, 3)
    alarm = gate.alarm
    gate.stage()
    assert (gate.pairs, gate.promote, gate.alarm) == (0, 0.0, alarm)
    assert not gate.passed


def test_a_stage_begun_again_without_a_pair_spends_nothing() -> None:
    gate = Gate(BUCKETS, [10.0])
    before = gate.state()
    gate.stage()
    gate.stage()
    assert gate.state() == before


def test_a_stage_closes_the_bucket_under_way() -> None:
    cut, whole = Gate(BUCKETS, [10.0]), Gate(BUCKETS, [10.0])
    feed(cut, B_FAILED)
    cut.stage()
    feed(whole, B_FAILED)
    feed(whole, OK, 9)
    assert cut.alarm == whole.alarm > 0


def test_the_alarm_is_the_average_of_the_channels() -> None:
    gate, alone = Gate(PAIRS, [10.0, 10.0]), Gate(PAIRS, [10.0])
    feed(gate, B_FAILED, 5, channel=1)
    feed(alone, B_FAILED, 5)
    assert gate.alarm == alone.alarm / 2
    assert until(Gate(PAIRS, [10.0]), B_FAILED, lambda gate: gate.alarmed) == 6
    feed(gate, B_FAILED, 2, channel=1)
    assert gate.alarmed


def test_one_channel_can_alarm_beside_many() -> None:
    gate = Gate(BUCKETS, [10.0] * 50)
    feed(gate, B_FAILED, 600, channel=7)
    assert gate.alarmed


def test_each_channel_must_pass() -> None:
    gate = Gate(BUCKETS, [10.0, 1.0])
    feed(gate, OK, 1_000)
    assert (gate.pairs, gate.promote) == (0, 0.0)
    feed(gate, OK, 382, channel=1)
    assert (gate.pairs, gate.passed) == (382, False)
    feed(gate, OK, 1, channel=1)
    assert (gate.pairs, gate.passed) == (383, True)


def test_a_bucket_is_as_long_as_the_glitch() -> None:
    rates = [0.01, 1.0, 10.0, 14.9, 100.0]
    assert Gate(BUCKETS, rates).state().sizes == (1, 1, 10, 15, 100)
    assert Gate(replace(BUCKETS, glitch=0.0), rates).state().sizes == (1,) * 5


# ---------------------------------------------------------------- restarts


acts = st.lists(st.sampled_from([OK, OK, OK, B_FAILED, A_FAILED, BOTH, "stage"]), max_size=40)


def play(gate: Gate, run: Iterable[int | str]) -> None:
    for n, act in enumerate(run):
        if isinstance(act, int):
            feed(gate, act, channel=n % 2)
        else:
            gate.stage()


@given(before=acts, after=acts)
def test_a_restart_changes_no_bit(before: list[int | str], after: list[int | str]) -> None:
    straight = Gate(LOOSE, [10.0, 50.0])
    play(straight, before)
    resumed = Gate(LOOSE, [10.0, 50.0], spoken(straight.state()))
    assert (resumed.alarm, resumed.promote, resumed.pairs) == (straight.alarm, straight.promote, straight.pairs)
    play(straight, after)
    play(resumed, after)
    assert resumed.state() == straight.state()
    assert (resumed.alarm, resumed.promote, resumed.pairs) == (straight.alarm, straight.promote, straight.pairs)


def grown() -> GateState:
    """Two channels, one with more spent than the other, both in the middle of a bucket."""
    gate = Gate(BUCKETS, [10.0, 10.0])
    feed(gate, OK, 205)
    gate.stage()
    feed(gate, B_FAILED, 25)
    feed(gate, B_FAILED, 25, channel=1)
    return gate.state()


@pytest.mark.parametrize("change", [{"alpha": 0.05}, {"beta": 0.2}])
def test_thresholds_may_change_without_any_loss(change: dict[str, float]) -> None:
    assert Gate(replace(BUCKETS, **change), [10.0, 10.0], grown()).state() == grown()


def test_another_promote_margin_keeps_the_alarm() -> None:
    gate = Gate(replace(BUCKETS, promote_margin=0.02), [10.0, 10.0], grown())
    assert gate.alarm == Gate(BUCKETS, [10.0, 10.0], grown()).alarm > 0
    assert (gate.pairs, gate.promote) == (0, 0.0)
    assert [channel.filled for channel in gate.state().channels] == [5, 5]


@pytest.mark.parametrize(
    ("spec", "rates"),
    [(replace(BUCKETS, margin=0.003), [10.0, 10.0]), (BUCKETS, [10.0]), (BUCKETS, [10.0, 10.0, 10.0]),
     (BUCKETS, [10.0, 20.0]), (replace(BUCKETS, glitch=0.1), [10.0, 10.0])],
)  # fmt: skip
def test_another_question_drops_the_bets_and_keeps_what_was_spent(spec: GateSpec, rates: list[float]) -> None:
    old = grown()
    gate = Gate(spec, rates, old)
    assert (gate.alarm, gate.promote, gate.pairs) == (0.0, 0.0, 0)
    assert all(not channel.filled for channel in gate.state().channels)
    assert [channel.alarm.starts for channel in old.channels] == [2, 1]
    for channel in gate.state().channels:
        assert (channel.alarm.units, channel.alarm.starts, channel.alarm.fresh) == (21, 2, True)


def test_settings_changed_over_and_over_never_spend_more_than_there_is() -> None:
    state, reached = grown(), []
    for n in range(30):
        gate = Gate(replace(BUCKETS, glitch=0.1, margin=0.002 + 0.001 * (n % 2)), [10.0], state)
        feed(gate, B_FAILED)
        reached.append(gate.alarm)
        state = gate.state()
    assert state.channels[0].alarm.starts == 32
    assert all(after < before for before, after in zip(reached, reached[2:], strict=False))
    assert sum(reached) < 0.25


def test_a_release_with_other_alternatives_drops_the_bets() -> None:
    old = grown()
    short = replace(old.channels[0].alarm, sums=(1.0, 2.0))
    gate = Gate(BUCKETS, [10.0, 10.0], replace(old, channels=(replace(old.channels[0], alarm=short), old.channels[1])))
    assert gate.alarm == 0.0
    assert gate.state().channels[0].alarm.starts == 2


@pytest.mark.parametrize("sizes", [(), (10,), (10, 10, 10)])
def test_a_state_must_be_of_its_channels(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=f"{len(sizes)} bucket sizes for 2 channels"):
        replace(grown(), sizes=sizes)


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("spec", "rates", "says"),
    [
        (GateSpec(alpha=0.0), [10.0], r"gate: alpha is 0\.000%: set it above 0% and below 100%"),
        (GateSpec(alpha=1.0), [10.0], "alpha is 100.000%"),
        (GateSpec(beta=1.5), [10.0], "beta is 150.000%"),
        (GateSpec(margin=0.0), [10.0], "margin is 0.000%: set it above 0% and at most 50%"),
        (GateSpec(promote_margin=0.6), [10.0], "promote_margin is 60.000%"),
        (GateSpec(margin=float("nan")), [10.0], "margin is nan"),
        (GateSpec(glitch=-1.0), [10.0], "glitch is -1 s: set it to 0s or more"),
        (GateSpec(glitch=float("inf")), [10.0], "glitch is inf s"),
        (GateSpec(), [], "give at least one probe"),
        (GateSpec(), [10.0, 0.0], "each at a rate above 0"),
        (GateSpec(glitch=30.0), [1.0, 10.0],
         r"a bucket of 300 pairs \(rate 10/s, glitch 30 s\) times margin 0\.200% is 0\.60, above 0\.5: lower glitch"),
    ],
)  # fmt: skip
def test_settings_without_a_gate_are_refused(spec: GateSpec, rates: list[float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check(spec, rates)
    with pytest.raises(ValueError, match=says):
        Gate(spec, rates)


@pytest.mark.parametrize("spec", [GateSpec(), GateSpec(margin=0.5, promote_margin=0.5), GateSpec(glitch=25.0)])
def test_settings_at_the_edge_make_a_gate(spec: GateSpec) -> None:
    gate = Gate(spec, [1.0] if spec.margin == 0.5 else [10.0])
    assert until(gate, B_FAILED, lambda gate: gate.alarmed) > 0
