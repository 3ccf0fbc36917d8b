"""What the journal adds up to: the cursor, the lists, the lease, what may be pending; of the last attempt alone."""

from typing import Any, Literal

import pytest
from states import (
    ENDPOINT,
    GIVEN,
    GIVEN_B,
    ME,
    NAME,
    NOW,
    OTHER,
    PLAN,
    B,
    at,
    bound,
    clock,
    entries,
    held,
    known_at,
    rrset,
    soft,
    told,
)

from lbmigrate import plan as plans
from lbmigrate.caches import note, packed
from lbmigrate.decide import Do, decide
from lbmigrate.events import (
    FORMAT,
    Asked,
    Began,
    Changed,
    Cleared,
    Configured,
    Ended,
    Event,
    Finished,
    Hold,
    Left,
    Opened,
    Passed,
    Saw,
    Seen,
    Started,
    Took,
    TurnedBack,
)
from lbmigrate.facts import turned_at
from lbmigrate.fold import LEASE, Flight, Standing, State, fold, worker_id
from lbmigrate.model import Served
from lbmigrate.plan import Drain, Prove, Soak, StandUp, Stop, Turn, Write
from lbmigrate.spec import Stage
from lbmigrate.value import replace

CLAIM, HALF, FULL, RELEASE = Write(0, "claim"), Write(0, "weight", 50), Write(0, "weight", 100), Write(0, "release")
RESTORE = Write(0, "restore")
SERVED = (Served("ns1", NAME, "A", 300, PLAN.originals[0].rrsets[0].rdatas),)
STARTED = Started("a1", "sha256:0", PLAN, soft(), SERVED)
BEGUN = fold(State(), entries(Opened(FORMAT, "web"), Took(ME), STARTED))
STAY = {"seq", "at", "lease", "last", "last_at"}


def changed(before: State, after: State) -> dict[str, Any]:
    """The fields that differ, but for number and time."""
    return {key: one for key, one in vars(after).items() if one != vars(before)[key] and key not in STAY}


def done(step: Write, weight: int | None = None) -> Ended:
    return Ended(step, "done", now=known_at(step.weight if weight is None else weight))


# ---------------------------------------------------------------- the beginning, the lease


def test_an_attempt_begins_at_the_first_step_with_the_records_it_was_planned_from() -> None:
    assert BEGUN.active
    assert BEGUN.step == CLAIM
    assert BEGUN.known == PLAN.originals
    assert (BEGUN.migration, BEGUN.attempt, BEGUN.digest) == ("web", "a1", "sha256:0")
    assert [one.rdatas for one in BEGUN.seen.clock] == [SERVED[0].rdatas]


def test_only_the_last_attempt_counts() -> None:
    over = told(at(Soak(50), hold=Standing("x", "x", NOW, True), paused=True, shown=False), Finished("rolled-back"))
    again = told(replace(over, seen=BEGUN.seen), replace(STARTED, attempt="a2"))
    fresh = told(replace(BEGUN, seq=over.seq, at=over.at, worker=ME), replace(STARTED, attempt="a2"))
    assert not over.active
    assert changed(fresh, again) == {}


def test_what_the_last_attempt_showed_may_still_be_cached_when_the_next_begins() -> None:
    shared = clock(known_at(50))
    over = told(at(Soak(50), look={"clock": shared}), Finished("rolled-back"))
    again = told(over, replace(STARTED, attempt="a2"))
    (one,) = again.seen.clock
    assert (one.server, one.rdatas) == ("ns1", SERVED[0].rdatas), "and no server that is gone"
    assert one.old_until == again.at + shared[0].ttl


@pytest.mark.parametrize(
    ("back", "left", "shown"),
    [
        (Asked("rollback"), "", False),
        (Asked("rollback", keep_b=True), "", True),
        (Asked("rollback"), "B still serves clients: it is left running", True),
    ],
)
def test_a_b_that_was_not_taken_down_is_drained_before_it_is_stopped(back: Asked, left: str, shown: bool) -> None:
    over = told(at(Soak(50), shown=True, stood=True), back, Finished("rolled-back", left))
    again = told(replace(over, left_running=left), replace(STARTED, attempt="a2"))
    assert again.shown is shown


def test_a_lease_lasts_ten_seconds_from_its_holders_last_entry() -> None:
    state = told(State(), Took(ME))
    assert (state.worker, state.by, state.lease) == (ME, worker_id(ME), state.at + LEASE)
    longer = told(state, Configured(soft()))
    assert longer.lease == longer.at + LEASE
    assert told(state, Configured(soft()), by=worker_id(OTHER)).lease == state.lease
    taken = told(state, Took(OTHER), by=worker_id(OTHER))
    assert (taken.worker, taken.lease) == (OTHER, taken.at + LEASE)
    assert (told(state, Left(ME)).worker, told(state, Left(ME)).lease) == (None, 0.0)


def test_what_only_machines_care_for_is_not_the_last_event() -> None:
    state = told(BEGUN, Began(CLAIM))
    assert (state.last, state.last_at) == ("Began", state.at)
    for event in (Saw(1.0, "here", (), Seen()), Took(ME), Left(ME)):
        after = told(state, event)
        assert (after.last, after.last_at) == ("Began", state.at)
        assert after.seq == state.seq + 1


# ---------------------------------------------------------------- effects


def test_an_intent_is_the_flight_and_its_number_the_fence() -> None:
    state = told(BEGUN, Began(CLAIM))
    assert state.flight == Flight(CLAIM, state.seq, state.at)
    assert state.pending == ((state.seq, CLAIM),)
    assert decide(state) == Do(CLAIM)
    again = told(state, Began(CLAIM))
    assert changed(state, again) == {}


def test_a_done_write_moves_the_cursor_and_is_what_is_known() -> None:
    state = told(BEGUN, Began(CLAIM), done(CLAIM))
    assert state.step == StandUp()
    assert (state.flight, state.pending, state.claimed) == (None, (), (0,))
    assert state.known == known_at(0)
    assert (state.weight, state.shown) == (0, False)


def test_a_done_weight_begins_a_stage_that_is_not_judged() -> None:
    before = at(HALF, weight=0, judged=True, seen=Seen(a=replace(Seen().a, total=7), b=replace(Seen().b, total=3)))
    state = told(before, Began(HALF), done(HALF))
    assert (state.weight, state.stage, state.stage_at, state.judged) == (50, state.seq, state.at, False)
    assert state.base == (7, 3)
    assert state.step == Soak(50)


def test_b_counts_as_shown_from_the_intent_on() -> None:
    assert told(at(HALF, weight=0), Began(HALF)).shown
    assert not told(at(CLAIM, weight=0), Began(CLAIM)).shown


@pytest.mark.parametrize("result", ["unknown", "failed"])
def test_an_effect_without_definite_end_stays_in_flight_under_the_same_fence(
    result: Literal["unknown", "failed"],
) -> None:
    first = told(at(HALF, weight=0), Began(HALF))
    state = told(first, Ended(HALF, result, "why"), Ended(HALF, result, "why"))
    assert state.flight == Flight(HALF, first.seq, first.at, 2, state.at, "why", result == "failed")
    assert state.pending == first.pending
    assert state.step == HALF


def test_a_new_worker_tries_again_what_was_refused() -> None:
    state = told(at(HALF, weight=0), Began(HALF), Ended(HALF, "failed", "REFUSED"), Took(ME))
    assert state.flight is not None
    assert not state.flight.denied
    assert told(BEGUN, Took(ME)).flight is None


def test_drift_at_a_write_is_a_hold_at_once() -> None:
    state = told(at(HALF, weight=0), Began(HALF), Ended(HALF, "drift", "holds 192.0.2.77"))
    assert state.flight is None
    assert state.hold == Standing("drift", "holds 192.0.2.77", state.at, True)


def test_the_end_of_an_effect_of_another_list_is_nothing() -> None:
    state = told(at(HALF, weight=0), Began(HALF), Asked("rollback"))
    assert changed(state, told(state, done(HALF))) == {}
    assert changed(BEGUN, told(BEGUN, Ended(CLAIM, "done"))) == {}


def test_what_a_write_left_as_planned_is_not_said_again_name_by_name() -> None:
    begun = told(at(HALF, weight=0), Began(HALF))
    assert begun.flight is not None
    want = plans.wanted(PLAN, begun.attempt, begun.flight.n, HALF)
    short, whole = told(begun, Ended(HALF, "done", planned=True)), told(begun, Ended(HALF, "done", now=want))
    assert changed(whole, short) == {}
    assert short.known == want


def test_the_ends_of_other_effects() -> None:
    assert told(at(StandUp(), weight=0, stood=False), Began(StandUp()), Ended(StandUp(), "done")).stood
    assert told(at(Prove(), weight=0), Began(Prove()), Ended(Prove(), "done")).step == Turn()
    retired = told(at(Stop("a"), weight=100, approved=True), Began(Stop("a")), Ended(Stop("a"), "done"))
    assert (retired.retired, retired.approved, retired.step) == (True, False, RELEASE)
    steps = (Drain("b"), Stop("b"))
    stopped = told(at(HALF, steps=steps, cursor=1), Began(Stop("b")), Ended(Stop("b"), "done"))
    assert (stopped.retired, stopped.step) == (False, None)


# ---------------------------------------------------------------- waits


def test_a_judged_stage_is_counted() -> None:
    state = told(at(Soak(50), approved=True), Passed(Soak(50)))
    assert (state.judged, state.stages_judged, state.approved, state.step) == (True, 1, False, FULL)
    assert state.patience_from == state.at


def test_other_waits_just_pass() -> None:
    assert told(at(Turn(), weight=0), Passed(Turn())).step == HALF
    assert told(at(Drain("a"), weight=100), Passed(Drain("a"))).step == Stop("a")


def test_a_side_that_is_given_up_is_left_running_and_its_stop_passed_over() -> None:
    state = told(at(Drain("a"), weight=100), Passed(Drain("a"), "no counters"))
    assert (state.left_running, state.step) == ("no counters", RELEASE)
    odd = told(at(Drain("a"), weight=100, steps=(Drain("a"), RELEASE), cursor=0), Passed(Drain("a"), "no counters"))
    assert odd.step == RELEASE


def test_holds_come_and_go() -> None:
    state = told(at(Soak(50)), Hold("a-bad", "A fails"))
    began = state.at
    assert state.hold == Standing("a-bad", "A fails", began, False)
    lasting = told(state, Hold("a-bad", "A still fails", True))
    assert lasting.hold == Standing("a-bad", "A still fails", began, True)
    other = told(state, Hold("both", "both fail"))
    assert other.hold == Standing("both", "both fail", other.at, False)
    cleared = told(state, Cleared())
    assert (cleared.hold, cleared.patience_from) == (None, cleared.at)


def test_an_edited_config_takes_effect_or_is_a_difference() -> None:
    assert told(BEGUN, Configured(soft(soak=99.0))).soft.soak == 99.0
    assert told(BEGUN, Changed(("ttl: 60 → 30",))).difference == ("ttl: 60 → 30",)
    assert told(BEGUN, Changed(("ttl: 60 → 30",)), Changed(())).difference == ()


def test_a_look_replaces_what_was_seen() -> None:
    assert told(BEGUN, Saw(5.0, "here", ("o25",), Seen(pairs=25))).seen == Seen(pairs=25)


def test_a_look_that_is_written_in_short_is_the_same_look() -> None:
    state = at(Soak(50))
    assert state.plan is not None
    alike, others = packed((*state.seen.clock, *state.seen.clock[:1]), plans.places(state.plan))
    assert (len(alike), others) == (1, state.seen.clock[1:])
    short = replace(state.seen, clock=others)
    assert told(state, Saw(5.0, "here", (), short, alike)).seen.clock == (*state.seen.clock[:1], *state.seen.clock)


def test_an_end_ends_everything() -> None:
    state = told(
        at(Soak(50), hold=Standing("x", "x", NOW, True), flight=Flight(HALF, 1, NOW)), Finished("done", "kept")
    )
    assert (state.outcome, state.outcome_why, state.hold, state.flight) == ("done", "kept", None, None)
    assert not state.active


# ---------------------------------------------------------------- turning back


BACKS: list[tuple[str, State, Event, tuple[plans.Step, ...]]] = [
    ("nothing claimed, B not stood up", BEGUN, TurnedBack("gate", ""), ()),
    ("claimed, B not stood up", at(StandUp(), weight=0, stood=False), TurnedBack("gate", ""), (RESTORE,)),
    ("B stood up", at(Soak(50)), TurnedBack("gate", ""), (RESTORE, Drain("b"), Stop("b"))),
    ("B is standing up", told(at(StandUp(), weight=0, stood=False), Began(StandUp())), TurnedBack("refused", ""),
     (RESTORE, Drain("b"), Stop("b"))),
    ("B is kept", at(Soak(50)), Asked("rollback", keep_b=True), (RESTORE,)),
    ("overwriting", at(Soak(50)), Asked("rollback", restore=True),
     (replace(RESTORE, over=True), Drain("b"), Stop("b"))),
    ("the claim may yet take", told(BEGUN, Began(CLAIM), Ended(CLAIM, "unknown")), Asked("rollback"), (CLAIM, RESTORE)),
]  # fmt: skip


@pytest.mark.parametrize(("what", "state", "event", "steps"), BACKS, ids=[row[0] for row in BACKS])
def test_turning_back_swaps_the_list(what: str, state: State, event: Event, steps: tuple[plans.Step, ...]) -> None:
    del what
    after = told(replace(state, hold=Standing("x", "x", NOW, True), paused=True), event)
    assert after.steps == steps
    assert (after.back, after.cursor, after.flight, after.hold, after.paused) == (event, 0, None, None, False)


def test_an_unsure_claim_is_made_good_before_any_batch_is_put_back() -> None:
    names = ("www.example.com.", "www.sub.example.com.")
    plan = plans.build(bound(names=names), (held(), held(rrset("192.0.2.10", name=names[1]), name=names[1])))
    first, second = Write(0, "claim"), Write(1, "claim")
    begun = fold(State(), entries(Opened(FORMAT, "web"), replace(STARTED, plan=plan), Began(first)))
    done_first = Ended(first, "done", now=plans.wanted(plan, "a1", 3, first))
    state = told(begun, done_first, Began(second), Ended(second, "unknown"), Asked("rollback"))
    assert state.steps == (second, Write(0, "restore"), Write(1, "restore"))
    assert [n for n, write in state.pending if write == second]


def two_zones() -> plans.Plan:
    names = ("www.example.com.", "www.sub.example.com.")
    return plans.build(bound(names=names), tuple(held(rrset("192.0.2.10", name=name), name=name) for name in names))


@pytest.mark.parametrize("result", ["failed", "unknown"])
def test_on_the_way_back_no_zone_waits_for_another_that_fails(result: Any) -> None:
    plan = two_zones()
    assert [batch.zone for batch in plan.batches] == [0, 1]
    first, second, rest = Write(0, "restore"), Write(1, "restore"), (Drain("b"), Stop("b"))
    back = told(at(Soak(50), 50, plan), Asked("rollback"))
    assert back.steps == (first, second, *rest)
    failed = told(back, Began(first), Ended(first, result, "no"))
    assert (failed.steps, failed.flight) == ((second, first, *rest), None)
    assert [one.why for one in failed.put_off] == ["no"]
    both = told(failed, Began(second), Ended(second, result, "no more"))
    assert (both.steps, both.step) == ((first, second, *rest), first)
    assert both.flight is not None
    assert (both.flight.n, both.flight.tries, both.flight.denied) == (back.seq + 1, 1, result == "failed")
    assert [one.step for one in both.put_off] == [second]
    other = told(both, Took(OTHER), by=worker_id(OTHER))
    assert not any(one.denied for one in other.put_off)
    one = told(failed, Began(second), Ended(second, "done", now=plan.originals[1:]))
    assert one.flight is not None
    assert (one.flight.step, one.flight.why, one.put_off) == (first, "no", ())
    assert told(failed, Asked("rollback", restore=True)).put_off == ()


def test_within_a_zone_and_on_the_way_forward_what_fails_keeps_its_place() -> None:
    alone = told(at(Soak(50)), Asked("rollback"), Began(RESTORE), Ended(RESTORE, "failed", "no"))
    assert (alone.step, alone.put_off) == (RESTORE, ())
    forward = at(HALF, weight=0, plan=two_zones())
    assert told(forward, Began(HALF), Ended(HALF, "unknown", "no")).step == HALF


def test_a_write_under_way_stays_pending_when_the_list_is_swapped() -> None:
    state = told(at(HALF, weight=0), Began(HALF), TurnedBack("gate", "B is bad"))
    assert [write for _, write in state.pending] == [HALF]
    assert told(state, Began(RESTORE), Ended(RESTORE, "done", now=PLAN.originals)).pending == ()


# ---------------------------------------------------------------- caches of what no poll saw


def test_b_counts_as_served_until_it_is_taken_out_even_if_no_poll_ever_saw_it() -> None:
    """A worker dies after a weight was shown, the operator rolls back: nobody polled in between, but clients did."""
    plan = plans.build(bound(ttl=None), (held(rrset("192.0.2.10", ttl=60)),))
    shown = told(at(HALF, weight=0, plan=plan), Began(HALF), Ended(HALF, "done", now=known_at(50, plan)))
    lost = told(at(HALF, weight=0, plan=plan), Began(HALF), Ended(HALF, "unknown", "no answer"))
    for state in (shown, lost):
        after = told(state, Asked("rollback"), Began(RESTORE), Ended(RESTORE, "done", now=plan.originals))
        assert turned_at(after) is None, "some server may serve B still"
        said = [Served(one.server, one.name, "A", 60, ("192.0.2.10",)) for one in after.seen.clock]
        polled = note(after.seen.clock, said, after.at + 3)
        assert turned_at(replace(after, seen=replace(after.seen, clock=polled))) == after.at + 3 + 60 + 5


def test_a_write_that_was_polled_before_changes_nothing_of_the_clock() -> None:
    before = at(FULL, weight=50)
    after = told(before, Began(FULL), done(FULL))
    assert after.seen.clock == before.seen.clock


def test_a_write_of_one_batch_says_nothing_of_the_caches_of_another() -> None:
    plan = two_zones()
    state = at(HALF, weight=0, plan=plan, pending=((9, Write(1, "weight", 100)),))
    after = told(state, Began(HALF), Ended(HALF, "done", now=plans.wanted(plan, "a1", 31, HALF)))
    assert after.seen.clock == state.seen.clock
    assert after.pending == state.pending


# ---------------------------------------------------------------- the operator


def test_shift_goes_there_first_and_then_on_at_the_next_stage_above() -> None:
    plan = plans.build(bound(a=("192.0.2.10", "192.0.2.11"), b=("192.0.2.20", "192.0.2.21"), stages=(50, 100)),
                       (held(rrset("192.0.2.10", "192.0.2.11")),))  # fmt: skip
    down = told(at(FULL, plan=plan), Asked("shift", 0))
    assert down.steps[down.cursor :][:4] == (Write(0, "weight", 0), Soak(0), HALF, Soak(50))
    up = told(at(FULL, plan=plan), Asked("shift", 100))
    assert up.steps[up.cursor :][:3] == (FULL, Soak(100), Drain("a"))
    between = told(at(Soak(50), plan=plan, hold=Standing("x", "x", NOW, True), paused=True), Asked("shift", 67))
    assert (between.hold, between.paused, between.flight) == (None, False, None)
    assert between.steps[between.cursor :][:3] == (Write(0, "weight", 67), Soak(67), FULL)


def test_what_is_being_prepared_goes_on_before_a_shift() -> None:
    state = told(at(StandUp(), weight=0), Began(StandUp()), Asked("shift", 100, force=True))
    assert state.step == StandUp()
    assert state.flight is not None
    assert HALF not in state.steps


def test_a_first_weight_under_way_gives_way_to_a_shift_and_may_yet_take() -> None:
    state = told(at(HALF, weight=0), Began(HALF), Asked("shift", 100, force=True))
    assert (state.step, state.flight) == (FULL, None)
    assert [write for _, write in state.pending] == [HALF]


def test_a_stage_keeps_its_soak_and_approval_after_a_shift() -> None:
    plan = plans.build(bound(stages=(50, Stage(100, 30.0, True))), (held(),))
    assert Soak(100, 30.0, True) in told(at(Soak(50), plan=plan), Asked("shift", 0)).steps


def test_finish_goes_to_100_and_on_to_the_end_on_that_word() -> None:
    state = told(at(Soak(50)), Asked("finish", force=True))
    assert state.steps[state.cursor :] == (FULL, Drain("a"), Stop("a"), RELEASE)
    assert (state.finishing, state.forced, state.approved) == (True, True, True)
    ending = told(at(Drain("a"), weight=100, hold=Standing("left", "", NOW, True), paused=True), Asked("finish"))
    assert (ending.step, ending.finishing, ending.forced, ending.hold) == (Drain("a"), True, False, None)
    assert not ending.paused


def test_what_a_former_list_went_through_is_kept_to_be_shown() -> None:
    assert told(at(StandUp(), weight=0), Asked("shift", 100, force=True)).past == ()
    down = told(at(FULL), Asked("shift", 0))
    assert down.past == (HALF, Soak(50))
    again = told(down, Began(Write(0, "weight", 0)), done(Write(0, "weight", 0), 0), Asked("finish", force=True))
    assert again.past == (HALF, Soak(50), Write(0, "weight", 0))
    assert again.step == FULL
    for word in (Asked("rollback"), Asked("abandon"), TurnedBack("gate", "")):
        assert told(again, word).past == (), word


def test_pause_approve_and_resume() -> None:
    assert told(at(Soak(50)), Asked("pause")).paused
    assert told(at(Soak(50)), Asked("approve")).approved
    stuck = at(Soak(50), paused=True, hold=Standing("a-bad", "", NOW, True), seen=Seen(drift=("x",)))
    state = told(stuck, Asked("resume"))
    assert (state.paused, state.hold, state.seen.drift, state.patience_from) == (False, None, (), state.at)
    assert (state.steps, state.cursor) == (stuck.steps, stuck.cursor)


def test_accepted_drift_is_what_is_known_from_now_on() -> None:
    foreign = (replace(known_at(50)[0], rrsets=(rrset("192.0.2.77"),)),)
    stuck = at(Soak(50), hold=Standing("drift", "", NOW, True), pending=((9, HALF),))
    state = told(stuck, Asked("resume", now=foreign))
    assert (state.known, state.pending, state.hold) == (foreign, (), None)


@pytest.mark.parametrize(
    ("step", "weight", "again"),
    [
        (StandUp(), 0, Write(0, "claim", 0, True)),
        (HALF, 0, Write(0, "claim", 0, True)),
        (Soak(50), 50, Write(0, "weight", 50, True)),
        (Drain("a"), 100, Write(0, "weight", 100, True)),
    ],
)
def test_restore_puts_back_what_we_own_and_goes_on(step: plans.Step, weight: int, again: Write) -> None:
    stuck = at(step, weight=weight, hold=Standing("drift", "", NOW, True))
    state = told(stuck, Asked("resume", restore=True))
    assert state.steps[state.cursor :][:2] == (again, step)


def test_restore_leaves_alone_what_was_released_already() -> None:
    plan = two_zones()
    stuck = at(Write(1, "release"), 100, plan, hold=Standing("drift", "", NOW, True))
    state = told(stuck, Asked("resume", restore=True))
    assert state.steps[state.cursor :] == (Write(1, "weight", 100, True), Write(1, "release"))


def test_restore_at_weight_0_after_a_shift_down_is_a_weight_again() -> None:
    steps = plans.shifted(PLAN, PLAN.forward, 0)
    stuck = at(Soak(50), weight=0, steps=steps, cursor=plans.place(steps, HALF), hold=Standing("drift", "", NOW, True))
    state = told(stuck, Asked("resume", restore=True))
    assert state.step == Write(0, "weight", 0, True)


def test_abandon_removes_the_fence_whatever_is_there() -> None:
    state = told(at(Soak(50), hold=Standing("drift", "", NOW, True), paused=True), Asked("abandon"))
    assert (state.steps, state.hold, state.paused) == ((Write(0, "abandon", 0, True),), None, False)
    assert told(BEGUN, Asked("abandon")).step is None
    assert told(BEGUN, Began(CLAIM), Asked("abandon")).step == Write(0, "abandon", 0, True), "it may have been claimed"


def test_what_was_overwritten_is_no_drift_any_more() -> None:
    again = Write(0, "weight", 50, True)
    stuck = told(at(Soak(50), look={"drift": ("A 192.0.2.99",)}), Asked("resume", restore=True), Began(again))
    seen = replace(stuck, seen=replace(stuck.seen, drift=("A 192.0.2.99",)))
    assert told(seen, done(again)).seen.drift == ()


def test_a_ttl_that_somebody_raised_is_waited_for_when_a_write_replaces_it() -> None:
    key = ("", NAME, "A")
    raised = at(HALF, look={"clock": clock(known_at(0)), "ttls": ((key, 7200),)})
    after = told(raised, Began(HALF), done(HALF))
    assert {one.old_until for one in after.seen.clock} == {after.at + 7200}


# ---------------------------------------------------------------- the same journal


def test_the_same_journal_folds_the_same_in_one_go_and_in_pieces() -> None:
    whole = entries(
        Opened(FORMAT, "web"), Took(ME), STARTED, Began(CLAIM), done(CLAIM),
        Saw(1.0, "here", (), Seen(clock=clock(known_at(0)))),
        Began(StandUp()), Ended(StandUp(), "done"), Hold("both", "x"), Cleared(), Began(Prove()), Asked("pause"),
    )  # fmt: skip
    for cut in range(len(whole)):
        assert fold(fold(State(), whole[:cut]), whole[cut:]) == fold(State(), whole)


def test_b_is_proven_once_its_proof_is_behind_the_cursor_and_not_on_the_way_back() -> None:
    proven = [step for step in PLAN.forward if at(step, weight=0).proven]
    assert proven[0] == Turn()
    assert not told(at(Soak(50)), TurnedBack("gate", "")).proven
    assert not State().proven
    assert B[0] in known_at(50)[0].rrsets[0].rdatas


# ---------------------------------------------------------------- a B that its provider gives its name


def test_what_b_is_reached_by_takes_the_place_of_what_stood_for_it() -> None:
    before = at(StandUp(), weight=0, plan=GIVEN, flight=Flight(StandUp(), 20, NOW), stood=True)
    after = told(before, Ended(StandUp(), "done", endpoint=ENDPOINT))
    assert after.plan is not None
    b = after.plan.bound.b
    assert (after.stood, b.hostname, b.alias_zone) == (True, ENDPOINT.hostname, "Z9")
    assert changed(before, after).keys() == {"plan", "flight", "cursor", "step_at"}
    (name,) = plans.wanted(after.plan, "a1", 30, Write(0, "weight", 50))
    assert f"=Z9,true,{ENDPOINT.hostname}" in name.rrsets[0].rdatas[0]
    assert plans.digest(after.plan) == plans.digest(GIVEN)


def test_a_b_whose_name_is_known_stays_where_it_is() -> None:
    before = at(StandUp(), weight=0, flight=Flight(StandUp(), 20, NOW))
    assert told(before, Ended(StandUp(), "done")).plan is PLAN
    config = replace(GIVEN, bound=replace(GIVEN.bound, b=replace(GIVEN_B, alias_zone="Z1")))
    kept = told(at(StandUp(), weight=0, plan=config, flight=Flight(StandUp(), 20, NOW)),
                Ended(StandUp(), "done", endpoint=replace(ENDPOINT, alias_zone="")))  # fmt: skip
    assert kept.plan is not None
    assert kept.plan.bound.b.alias_zone == "Z1"


# ---------------------------------------------------------------- probes that nobody has counted


def test_who_goes_away_in_the_middle_of_a_look_leaves_probes_that_nobody_has_counted() -> None:
    left = told(BEGUN, Left(ME, torn=True))
    assert left.torn
    assert told(left, Took(OTHER), by=worker_id(OTHER)).torn
    assert told(BEGUN, Took(OTHER), by=worker_id(OTHER)).torn, "who was killed says nothing"
    assert not told(BEGUN, Left(ME), Took(OTHER)).torn
    assert not told(BEGUN, Took(ME)).torn
    assert not told(left, Took(ME), Saw(1.0, "here", (), Seen())).torn
    assert told(replace(left, plan=None), STARTED).torn


def test_a_side_is_where_its_addresses_or_its_host_name_are() -> None:
    assert (GIVEN_B.where, bound().a.where) == (GIVEN_B.hostname.rstrip("."), " ".join(bound().a.addresses))
