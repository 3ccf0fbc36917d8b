"""Every rule of movement, as tables: state in, the one next thing out."""

from typing import Any

import pytest
from states import GIVEN, NAME, NOW, PLAN, at, bound, clock, held, known_at, side, soft, told

from lbmigrate import plan as plans
from lbmigrate.decide import (
    MAKE_LIMIT,
    PROVE_LIMIT,
    SKEW_LIMIT,
    SLICE,
    SOON,
    TRIES,
    Do,
    End,
    Next,
    Note,
    Wait,
    on_hold,
    permit,
    phase,
)
from lbmigrate.decide import decide as rules
from lbmigrate.errors import Drifted, OnHold, Refused
from lbmigrate.events import Asked, Cleared, Ended, Finished, Hold, Passed, Search, TurnedBack
from lbmigrate.facts import Verdict
from lbmigrate.fold import Flight, Standing, State
from lbmigrate.plan import Drain, Prove, Soak, StandUp, Step, Stop, Turn, Write
from lbmigrate.spec import GateSpec, Retire, Stage
from lbmigrate.value import replace

CLAIM, HALF, FULL, RELEASE = Write(0, "claim"), Write(0, "weight", 50), Write(0, "weight", 100), Write(0, "release")
SOAK, END = Soak(50), Soak(100)
GATE = TurnedBack("gate", "B is bad: refused")


def decide(state: State) -> Next:
    """The rules; no wait may end before it begins."""
    found = rules(state)
    assert not isinstance(found, Wait) or found.until >= state.at
    return found


def cause(step: Next) -> str:
    """The cause of a hold that begins, "back" for turning back, else what kind of next thing it is."""
    match step:
        case Note(Hold(named)):
            return named
        case Note(TurnedBack()):
            return "back"
        case Note(event):
            return type(event).__name__
        case Wait():
            return "wait"
        case _:
            return type(step).__name__


def going_back(*steps: Step, cursor: int = 0, by: TurnedBack | Asked = GATE, **changes: Any) -> State:
    return at(SOAK, steps=steps, cursor=cursor, back=by, **changes)


# ---------------------------------------------------------------- the verdict table (design, section 5)

VERDICTS: list[tuple[Verdict, Verdict, str | None, str]] = [
    ("ok", "ok", "ok", "Passed"),
    ("ok", "ok", None, "Passed"),
    ("ok", "bad", "ok", "back"),
    ("ok", "bad", None, "back"),
    ("bad", "ok", "ok", "a-bad"),
    ("bad", "ok", None, "a-bad"),
    ("bad", "bad", "ok", "both"),
    ("bad", "bad", None, "both"),
    ("ok", "ok", "bad", "blind"),
    ("ok", "bad", "bad", "blind"),
    ("bad", "ok", "bad", "blind"),
    ("bad", "bad", "bad", "blind"),
    ("unknown", "unknown", "bad", "blind"),
    ("unknown", "ok", "ok", "too-little"),
    ("ok", "unknown", "ok", "too-little"),
    ("unknown", "unknown", "ok", "too-little"),
    ("unknown", "bad", "ok", "too-little"),
    ("bad", "unknown", "ok", "a-bad"),
]


@pytest.mark.parametrize(("a", "b", "controls", "then"), VERDICTS)
def test_what_follows_from_the_verdicts(a: Verdict, b: Verdict, controls: str | None, then: str) -> None:
    state = at(SOAK, look={"a": side(a), "b": side(b), "controls": controls})
    assert cause(decide(state)) == then


@pytest.mark.parametrize(("a", "b", "controls", "then"), [row for row in VERDICTS if row[3] not in ("back", "Passed")])
@pytest.mark.parametrize("step", [HALF, FULL, SOAK, END])
def test_no_step_is_taken_while_the_verdicts_say_hold(
    a: Verdict, b: Verdict, controls: str | None, then: str, step: Step
) -> None:
    assert cause(decide(at(step, look={"a": side(a), "b": side(b), "controls": controls}))) == then


@pytest.mark.parametrize("a", ["ok", "bad", "unknown"])
def test_an_alarm_turns_back_only_to_an_a_that_is_proven_good(a: Verdict) -> None:
    state = at(SOAK, look={"a": side(a), "alarm": 100.0})
    assert cause(decide(state)) == {"ok": "back", "bad": "a-bad", "unknown": "too-little"}[a]


@pytest.mark.parametrize(("late", "how"), [(False, "fails"), (True, "is later than `slow`")])
def test_an_alarm_says_what_b_does(late: bool, how: str) -> None:
    turned = decide(at(SOAK, look={"alarm": 100.0, "late": late}))
    assert turned == Note(TurnedBack("gate", f"B {how} more often than A (evidence 100, alarm at 100)"))


def test_an_alarm_while_both_are_bad_is_a_shared_cause() -> None:
    assert cause(decide(at(SOAK, look={"a": side("bad"), "b": side("bad"), "alarm": 1e6}))) == "both"


@pytest.mark.parametrize(("why", "said"), [("connection refused", "connection refused"), ("", "at least half")])
def test_the_reason_for_turning_back_is_what_b_failed_with(why: str, said: str) -> None:
    match decide(at(SOAK, look={"b": side("bad", why=why)})):
        case Note(TurnedBack("gate", reason)):
            assert said in reason
        case other:
            pytest.fail(f"{other}")


def test_an_alarm_below_its_threshold_does_nothing() -> None:
    assert cause(decide(at(SOAK, look={"alarm": 99.9}))) == "Passed"
    assert cause(decide(at(SOAK, look={"alarm": 99.9}, soft=soft(gate=GateSpec(alpha=0.02))))) == "back"


def test_b_is_judged_only_once_it_was_proven_to_answer_as_a_does() -> None:
    bad = {"a": side("ok"), "b": side("bad"), "alarm": 1e6}
    for step, then in ((CLAIM, "Do"), (StandUp(), "Do"), (Prove(), "Do"), (Turn(), "back")):
        assert cause(decide(at(step, weight=0, look=bad))) == then, step


def test_nothing_turns_back_on_an_old_look() -> None:
    assert cause(decide(at(SOAK, look={"at": NOW - 11, "b": side("bad")}))) == "wait"


def test_nothing_turns_back_once_a_is_retired_or_its_ttl_given_back() -> None:
    bad = {"a": side("ok"), "b": side("bad")}
    assert cause(decide(at(RELEASE, weight=100, look=bad, retired=True))) == "Do"
    assert cause(decide(at(RELEASE, weight=100, look=bad))) == "Do"
    assert cause(decide(at(Stop("a"), weight=100, look=bad))) == "back"


@pytest.mark.parametrize(("denied", "then"), [(False, "wait"), (True, "back")])
def test_nothing_turns_back_once_the_stop_of_a_has_begun_unless_it_was_refused(denied: bool, then: str) -> None:
    bad = {"a": side("ok", quiet=((NOW, 1),)), "b": side("bad")}
    begun = Flight(Stop("a"), 30, NOW, denied=denied)
    assert cause(decide(at(Stop("a"), weight=100, look=bad, flight=begun))) == then


def test_a_short_watch_without_verdict_is_no_hold_yet() -> None:
    assert cause(decide(at(SOAK, look={"a": side("unknown"), "run": 19.9}))) == "wait"


def test_a_bad_a_does_not_hold_up_the_end_of_an_operator_who_said_finish() -> None:
    dead = {"a": side("bad", up=False)}
    assert cause(decide(at(FULL, look=dead))) == "a-bad"
    assert cause(decide(at(FULL, look=dead, finishing=True))) == "Do"
    unproven = {**dead, "b": side("unknown")}
    assert cause(decide(at(FULL, look=unproven, finishing=True))) == "wait"
    assert cause(decide(at(FULL, look=unproven, finishing=True, forced=True))) == "Do"


def test_an_a_that_dies_after_caches_turned_is_idle_not_a_reason_to_hold() -> None:
    dead = {"a": side("bad", up=False)}
    assert decide(at(Drain("a"), weight=100, look=dead)) == Note(Passed(Drain("a")))
    assert decide(at(Stop("a"), weight=100, look=dead)) == Do(Stop("a"))
    early = {**dead, "clock": clock(known_at(100), NOW + 20)}
    assert cause(decide(at(Drain("a"), weight=100, look=early))) == "a-bad"


# ---------------------------------------------------------------- holds

HOLDS: list[tuple[str, dict[str, Any], dict[str, Any], bool]] = [
    ("config", {}, {"difference": ("stages: 50, 100 → 100",)}, False),
    ("drift", {"drift": (f"{NAME} holds A 192.0.2.77",)}, {}, True),
    ("clock", {"skew": SKEW_LIMIT + 1}, {}, False),
    ("clock", {"skew": -SKEW_LIMIT - 1}, {}, False),
    ("unreadable", {"unreadable": "reading example.com.: no answer"}, {}, False),
    ("behind", {"clock": clock(known_at(0)), "lag_since": NOW - 121}, {}, False),
    ("blind", {"controls": "bad"}, {}, False),
    ("both", {"a": side("bad"), "b": side("bad")}, {}, False),
    ("a-bad", {"a": side("bad")}, {}, False),
    ("too-little", {"b": side("unknown")}, {}, False),
    (
        "undecided",
        {"promote": 19.9, "clock": clock(known_at(50), NOW - 9999)},
        {"patience_from": NOW - 10 - 1800},
        True,
    ),
]
TABLE = pytest.mark.parametrize(("named", "look", "changes", "for_good"), HOLDS)


@TABLE
def test_a_cause_begins_a_hold(named: str, look: dict[str, Any], changes: dict[str, Any], for_good: bool) -> None:
    match decide(at(SOAK, look=look, **changes)):
        case Note(Hold(began, why, lasts)):
            assert (began, lasts) == (named, for_good)
            assert why
        case other:
            pytest.fail(f"{other}")


@TABLE
def test_a_hold_that_is_written_down_waits(
    named: str, look: dict[str, Any], changes: dict[str, Any], for_good: bool
) -> None:
    standing = at(SOAK, look=look, **changes, hold=Standing(named, "why", NOW - 5, for_good))
    assert cause(decide(standing)) == "wait"


@TABLE
def test_a_hold_clears_by_itself_unless_it_stands_for_good(
    named: str, look: dict[str, Any], changes: dict[str, Any], for_good: bool
) -> None:
    del look, changes
    well = at(SOAK, hold=Standing(named, "why", NOW - 5, for_good))
    assert decide(well) == (Wait(NOW + SLICE, "why") if for_good else Note(Cleared()))


@TABLE
def test_a_hold_that_lasted_soak_limit_stays_until_resume(
    named: str, look: dict[str, Any], changes: dict[str, Any], for_good: bool
) -> None:
    del for_good
    for begun, lasts in ((NOW - 1799.9, False), (NOW - 1800, True)):
        standing = at(SOAK, look=look, **changes, hold=Standing(named, "why", begun, False))
        match decide(standing):
            case Note(Hold(began, _, True)):
                assert began == named
                assert lasts or named in ("drift", "undecided")
            case other:
                assert cause(other) == "wait"
                assert not lasts
    well = at(SOAK, hold=Standing(named, "why", NOW - 9999, True))
    assert decide(well) == Wait(NOW + SLICE, "why")
    assert decide(told(well, Asked("resume"))) == Note(Passed(SOAK))


@pytest.mark.parametrize(("since", "then"), [(120.0, "wait"), (120.1, "behind")])
def test_servers_are_given_the_serve_limit_to_follow(since: float, then: str) -> None:
    look = {"clock": clock(known_at(0)), "lag_since": NOW - since}
    assert cause(decide(at(SOAK, look=look))) == then


@pytest.mark.parametrize(("skew", "then"), [(SKEW_LIMIT, "Passed"), (-SKEW_LIMIT, "Passed"), (SKEW_LIMIT + 1, "clock")])
def test_a_clock_may_be_off_by_so_much(skew: float, then: str) -> None:
    assert cause(decide(at(SOAK, look={"skew": skew}))) == then


def test_another_cause_takes_the_place_of_one_that_is_not_for_good() -> None:
    look = {"drift": ("x",)}
    assert cause(decide(at(SOAK, look=look, hold=Standing("a-bad", "why", NOW - 5, False)))) == "drift"
    for_good = Standing("a-bad", "why", NOW - 9999, True)
    assert cause(decide(at(SOAK, look={"controls": "bad"}, hold=for_good))) == "wait"


def test_an_effect_without_answer_is_tried_again_after_longer_and_longer_pauses() -> None:
    waits = []
    for tries in range(1, 12):
        flight = Flight(HALF, 20, NOW - 50, tries, NOW, "no answer")
        match decide(at(HALF, weight=0, flight=flight, hold=Standing("unanswered", "no answer", NOW, False))):
            case Wait(until, "no answer"):
                waits.append(until - NOW)
            case other:
                assert (tries < TRIES, other) == (True, Note(Cleared()))
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (2.0, 30.0)
    due = Flight(HALF, 20, NOW - 50, TRIES, NOW - 2, "no answer")
    assert decide(at(HALF, weight=0, flight=due, hold=Standing("unanswered", "", NOW, False))) == Do(HALF)


@pytest.mark.parametrize(("tries", "then"), [(0, "Do"), (1, "wait"), (TRIES - 1, "wait"), (TRIES, "unanswered")])
def test_so_many_unknown_outcomes_are_a_hold(tries: int, then: str) -> None:
    assert cause(decide(at(HALF, weight=0, flight=Flight(HALF, 20, NOW, tries, NOW, "no answer")))) == then


def test_nothing_is_tried_again_while_a_drift_stands() -> None:
    flight = Flight(HALF, 20, NOW - 50, TRIES, NOW - 60, "no answer")
    held_by = Standing("drift", "somebody else", NOW - 40, True)
    assert cause(decide(at(HALF, weight=0, flight=flight, hold=held_by))) == "wait"


def test_a_refused_effect_ends_the_command() -> None:
    flight = Flight(HALF, 20, NOW, 1, NOW, "REFUSED", denied=True)
    assert decide(at(HALF, weight=0, flight=flight)) == End("failed", "REFUSED")


def test_a_b_that_cannot_stand_up_turns_back_as_refused() -> None:
    flight = Flight(StandUp(), 20, NOW, 1, NOW, "no such file", denied=True)
    assert decide(at(StandUp(), weight=0, flight=flight)) == Note(TurnedBack("refused", "no such file"))


def test_a_b_that_is_not_proven_within_its_limit_turns_back_as_refused() -> None:
    flight = Flight(Prove(), 20, NOW, 9, NOW - 0.5, "app/p1", denied=True)
    early = at(Prove(), weight=0, flight=flight, step_at=NOW - PROVE_LIMIT)
    assert decide(early) == Wait(NOW + 0.5, "app/p1")
    assert decide(replace(early, flight=replace(flight, tried_at=NOW - 1))) == Do(Prove())
    late = replace(early, step_at=NOW - PROVE_LIMIT - 1)
    assert decide(late) == Note(TurnedBack("refused", "app/p1"))


def test_paused_holds_at_the_weight_and_still_turns_back() -> None:
    match decide(at(SOAK, paused=True)):
        case Wait(_, why):
            assert "paused" in why
        case other:
            pytest.fail(f"{other}")
    assert cause(decide(at(SOAK, paused=True, look={"b": side("bad")}))) == "back"


# ---------------------------------------------------------------- steps


@pytest.mark.parametrize("step", [CLAIM, StandUp(), Prove()])
def test_preparing_needs_no_look(step: Step) -> None:
    assert decide(at(step, weight=0, look={"at": 0.0, "a": side("unknown"), "b": side("unknown"), "run": 0.0})) == Do(
        step
    )


def test_the_lowered_ttl_is_looked_for_before_b_is_stood_up_but_not_for_long() -> None:
    behind = at(StandUp(), weight=0, look={"clock": clock(known_at(100))}, step_at=NOW)
    assert decide(behind) == Wait(NOW + SLICE, "the lowered TTL to be served")
    assert decide(replace(behind, at=NOW + SLICE)) == Do(StandUp())
    assert decide(replace(behind, flight=Flight(StandUp(), 20, NOW))) == Do(StandUp())
    assert decide(at(StandUp(), weight=0, step_at=NOW)) == Do(StandUp())


RISES: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("B proven good now", {}, {}, "Do"),
    ("B not proven yet", {"b": side("unknown"), "run": 5.0}, {}, "wait"),
    ("an old look", {"at": NOW - 11}, {}, "wait"),
    ("begun by a worker that died", {"at": NOW - 11}, {"flight": Flight(HALF, 20, NOW - 50)}, "wait"),
    ("not proven, by the operator's force", {"b": side("unknown"), "run": 5.0}, {"forced": True}, "Do"),
    ("an old look, by the operator's force", {"at": NOW - 11}, {"forced": True}, "wait"),
]


@pytest.mark.parametrize(("what", "look", "changes", "then"), RISES, ids=[row[0] for row in RISES])
def test_the_weight_rises_only_on_a_b_proven_good_now(
    what: str, look: dict[str, Any], changes: dict[str, Any], then: str
) -> None:
    del what
    assert cause(decide(at(HALF, weight=0, look=look, **changes))) == then


def test_the_weight_falls_without_proof_of_b() -> None:
    steps = plans.shifted(PLAN, PLAN.forward, 0)
    down = at(Turn(), weight=50, steps=steps, cursor=plans.place(steps, Write(0, "weight", 0)))
    assert decide(replace(down, seen=replace(down.seen, at=NOW - 11))) == Do(Write(0, "weight", 0))


def test_a_rise_without_answer_is_not_tried_again_on_an_unproven_b() -> None:
    flight = Flight(HALF, 20, NOW - 50, TRIES, NOW - 60, "no answer")
    begun = at(HALF, weight=0, flight=flight, hold=Standing("unanswered", "", NOW, False))
    assert decide(begun) == Do(HALF)
    unproven = replace(begun, seen=replace(begun.seen, a=side("bad"), b=side("bad")))
    assert cause(decide(unproven)) == "wait"


@pytest.mark.parametrize("left", [0.001, 30.0, 290.0])
def test_the_first_weight_waits_for_the_old_ttl(left: float) -> None:
    """TTL 300, lowered to 60 by the claim: caches are done 300 s and the margin after it was first seen."""
    until = NOW + left - 5
    state = at(Turn(), weight=0, look={"clock": clock(known_at(0), until)})
    assert decide(state) == Wait(until + 5, "caches to turn")
    assert decide(replace(state, at=until + 5, seen=replace(state.seen, at=until + 5))) == Note(Passed(Turn()))
    ahead = until + 5 + 3 * 86400
    assert decide(replace(state, at=ahead)) == Wait(ahead + SLICE, "a fresh look"), "a clock that jumps has no witness"


@pytest.mark.parametrize("step", [Turn(), SOAK, Drain("a")])
def test_the_cache_wait_does_not_begin_before_every_server_follows(step: Step) -> None:
    lagging = clock(known_at(100), NOW - 1000)
    weight = 0 if step == Turn() else 50 if step == SOAK else 0
    match decide(at(step, weight=weight, look={"clock": lagging})):
        case Wait(_, why):
            assert "ns1, ns2 to serve" in why
        case other:
            pytest.fail(f"{other}")


@pytest.mark.parametrize("step", [Turn(), SOAK, Drain("a")])
def test_after_a_write_the_servers_are_looked_at_before_any_is_said_to_lag(step: Step) -> None:
    lagging = clock(known_at(100), NOW - 1000)
    unseen = at(step, weight=50 if step == SOAK else 0, look={"clock": lagging, "at": NOW - 1}, step_at=NOW - 1)
    assert decide(unseen) == Wait(NOW + SLICE, "")


def test_a_write_in_flight_that_a_look_found_applied_is_done() -> None:
    now = known_at(50)
    flight = Flight(HALF, 20, NOW - 50, 2, NOW, "no answer")
    assert decide(at(HALF, weight=0, flight=flight, look={"shows": (20, now)})) == Note(
        Ended(HALF, "done", "found applied", now)
    )
    assert cause(decide(at(HALF, weight=0, flight=flight, look={"shows": (19, now)}))) == "wait"


SOAKS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("all is in", {}, {}, "Passed"),
    ("caches not turned", {"clock": clock(known_at(50), NOW)}, {}, "caches to turn"),
    ("an old look", {"at": NOW - 11}, {}, "a fresh look"),
    ("too little watched", {"soaked": 9.9}, {}, "the soak to be watched"),
    ("evidence short of 1/beta", {"promote": 19.9}, {}, "evidence"),
    ("evidence of another stage", {"stage": 19}, {}, "evidence"),
    ("beta 10 %", {"promote": 10.0}, {"soft": soft(gate=GateSpec(beta=0.1))}, "Passed"),
    ("enough watched for another soak", {"soaked": 10.0}, {}, "Passed"),
]


@pytest.mark.parametrize(("what", "look", "changes", "then"), SOAKS, ids=[row[0] for row in SOAKS])
def test_a_stage_is_left_only_when(what: str, look: dict[str, Any], changes: dict[str, Any], then: str) -> None:
    del what
    match decide(at(SOAK, look=look, **changes)):
        case Wait(_, why):
            assert then in why
        case other:
            assert cause(other) == then


def test_a_stage_of_its_own_soak_is_watched_that_long() -> None:
    plan = plans.build(bound(stages=(Stage(50, soak=100.0), 100)), (held(),))
    state = at(Soak(50, 100.0), plan=plan, look={"soaked": 60.0})
    assert decide(state) == Wait(NOW + 40.0, "the soak to be watched")


def test_a_stage_that_asks_for_approval_waits_for_it() -> None:
    plan = plans.build(bound(stages=(Stage(50, approve=True), 100)), (held(),))
    state = at(Soak(50, None, True), plan=plan)
    match decide(state):
        case Wait(_, why):
            assert "lbmigrate approve" in why
        case other:
            pytest.fail(f"{other}")
    approved = told(state, Asked("approve"))
    assert decide(approved) == Note(Passed(Soak(50, None, True)))
    assert not told(approved, Passed(Soak(50, None, True))).approved


def test_at_weight_0_there_is_nothing_to_prove() -> None:
    steps = plans.shifted(PLAN, PLAN.forward, 0)
    state = at(Soak(0), weight=0, steps=steps, cursor=plans.place(steps, Soak(0)), look={"promote": 0.0, "soaked": 0.0})
    assert decide(state) == Note(Passed(Soak(0)))


# ---------------------------------------------------------------- idleness

IDLE: list[tuple[str, dict[str, Any], bool]] = [
    ("no foreign request for a whole window", {}, True),
    ("counters never read", {"requests": None, "up": None, "quiet": ()}, False),
    ("counters reset a moment ago", {"quiet": ((NOW - 29, 0),)}, False),
    ("counters read for just the window", {"quiet": ((NOW - 30, 0),)}, True),
    ("one foreign request in the window", {"quiet": ((NOW - 1000, 0), (NOW - 29.9, 1))}, False),
    ("one foreign request before the window", {"quiet": ((NOW - 1000, 0), (NOW - 30, 1))}, True),
    ("a connection still open", {"active": 1}, False),
    ("open connections unknown", {"active": None}, True),
    ("the process is gone", {"up": False, "requests": None, "active": None, "quiet": ()}, True),
]


@pytest.mark.parametrize(("what", "changes", "proven"), IDLE, ids=[row[0] for row in IDLE])
def test_a_is_idle_when(what: str, changes: dict[str, Any], proven: bool) -> None:
    del what
    state = at(Drain("a"), weight=100, look={"a": side(**changes)})
    assert (decide(state) == Note(Passed(Drain("a")))) is proven
    assert (decide(replace(state, cursor=state.cursor + 1)) == Do(Stop("a"))) is proven


def test_a_begun_stop_is_proven_anew_and_a_side_that_has_gone_is_idle() -> None:
    begun = Flight(Stop("a"), 20, NOW)
    busy, gone = {"a": side(active=3)}, {"a": side(up=False)}
    assert isinstance(decide(at(Stop("a"), weight=100, look=busy, flight=begun)), Wait)
    assert decide(at(Stop("a"), weight=100, look=gone, flight=begun)) == Do(Stop("a"))


LATE = Search(NOW, ("late.example.com.",))
AT_A: list[tuple[str, Search, dict[str, Any], dict[str, Any], str]] = [
    ("nothing else ends there", Search(NOW), {}, {}, "on"),
    ("a zone that is closed to us is no reason", Search(NOW, closed=("example.com.",)), {}, {}, "on"),
    ("not looked through yet", Search(), {}, {}, "wait"),
    ("not looked through since long", Search(NOW - 60.1), {}, {}, "wait"),
    ("looked through just now", Search(NOW - 60), {}, {}, "on"),
    ("a name was added since", LATE, {}, {}, "left"),
    ("and draws requests", LATE, {"quiet": ((NOW, 1),)}, {}, "left"),
    ("the zone gave no answer", Search(NOW, why="no answer"), {}, {}, "unsearched"),
    ("the operator insists", LATE, {}, {"forced": True}, "on"),
    ("and needs no search for that", Search(), {}, {"forced": True}, "on"),
    ("A has gone by itself", LATE, {"up": False, "requests": None}, {}, "on"),
]


@pytest.mark.parametrize(("what", "search", "a", "changes", "then"), AT_A, ids=[row[0] for row in AT_A])
def test_a_is_not_stopped_while_names_beyond_the_plan_end_there(
    what: str, search: Search, a: dict[str, Any], changes: dict[str, Any], then: str
) -> None:
    del what
    for step, on in ((Drain("a"), "Passed"), (Stop("a"), "Do")):
        state = at(step, weight=100, look={"a": side(**a), "search": search}, **changes)
        assert cause(decide(state)) == (on if then == "on" else then)


def test_what_stays_at_a_is_named_with_what_to_do_and_holds_nothing_but_its_stop() -> None:
    many = Search(NOW, tuple(f"n{number}.example.com." for number in range(5)))
    match decide(at(Drain("a"), weight=100, look={"search": many})):
        case Note(Hold("left", why, False)):
            assert why.startswith("5 name(s) that the plan does not move end at A: n0.example.com., ")
            assert "n2.example.com., …; " in why
            assert why.endswith("lbmigrate finish --force")
        case other:
            pytest.fail(f"{other}")
    assert decide(at(END, weight=100, look={"search": many})) == Note(Passed(END))
    kept = at(Drain("a"), weight=100, look={"search": many}, soft=soft(retire=Retire(idle_for=30, keep=True)))
    assert cause(decide(kept)) == "Passed"
    early = {"search": many, "clock": clock(known_at(100), NOW)}
    assert cause(decide(at(Drain("a"), weight=100, look=early))) == "wait"


def test_a_hold_at_the_retirement_ends_by_force_and_resume_looks_anew() -> None:
    held_up = at(Drain("a"), weight=100, look={"search": LATE}, hold=Standing("left", "why", NOW - 9999, True))
    assert cause(decide(held_up)) == "wait"
    assert decide(told(held_up, Asked("finish", force=True))) == Note(Passed(Drain("a")))
    again = told(held_up, Asked("resume"))
    assert (again.hold, cause(decide(again))) == (None, "wait")


def test_some_requests_are_allowed_where_max_requests_says_so() -> None:
    quiet = ((NOW - 1000, 0), (NOW - 20, 2), (NOW - 10, 1))
    few = soft(retire=Retire(idle_for=30, max_requests=3))
    assert decide(at(Drain("a"), weight=100, look={"a": side(quiet=quiet)}, soft=few)) == Note(Passed(Drain("a")))
    fewer = soft(retire=Retire(idle_for=30, max_requests=2))
    assert cause(decide(at(Drain("a"), weight=100, look={"a": side(quiet=quiet)}, soft=fewer))) == "wait"


def test_the_wait_for_idleness_ends_when_the_window_can_be_full() -> None:
    state = at(Drain("a"), weight=100, look={"a": side(quiet=((NOW - 1000, 0), (NOW - 10, 4)))})
    assert decide(state) == Wait(NOW + 20, "A to be idle")
    caches = at(Drain("a"), weight=100, look={"clock": clock(known_at(100), NOW - 15)})
    assert decide(caches) == Wait(NOW - 15 + 5 + 30, "A to be idle")


@pytest.mark.parametrize(("as_of", "again"), [(None, SOON), (NOW - 60, SLICE)])
def test_counters_that_come_late_are_not_asked_for_every_half_second(as_of: float | None, again: float) -> None:
    busy = side(quiet=((NOW - 1000, 0), (NOW, 0)), active=2, as_of=as_of)
    assert decide(at(Drain("a"), weight=100, look={"a": busy})) == Wait(NOW + again, "A to be idle")


def test_a_is_not_drained_before_caches_turned_or_on_an_old_look() -> None:
    assert decide(at(Drain("a"), weight=100, look={"clock": clock(known_at(100), NOW)})) == Wait(
        NOW + 5, "caches to turn"
    )
    assert decide(at(Drain("a"), weight=100, look={"at": NOW - 11})) == Wait(NOW + SLICE, "a fresh look")
    assert cause(decide(at(Stop("a"), weight=100, look={"at": NOW - 11}))) == "wait"


def test_an_a_that_is_kept_is_passed_over_and_left_running() -> None:
    state = at(Drain("a"), weight=100, soft=soft(retire=Retire(idle_for=30, keep=True)))
    match decide(state):
        case Note(Passed(Drain("a"), why) as passed):
            assert "kept" in why
        case other:
            pytest.fail(f"{other}")
    after = told(state, passed)
    assert (after.step, after.left_running, after.retired) == (RELEASE, why, False)


def test_an_a_that_is_kept_by_its_provider_is_emptied_once_it_is_idle() -> None:
    """And so, like one that is to go, not while other names still end at it, or while it serves."""
    kept: dict[str, Any] = {"plan": GIVEN, "soft": soft(retire=Retire(idle_for=30, keep=True))}
    state = at(Drain("a"), weight=100, **kept)
    assert decide(state) == Note(Passed(Drain("a")))
    assert told(state, Passed(Drain("a"))).step == Stop("a")
    many = Search(left=("api.example.com.",))
    assert cause(decide(at(Drain("a"), weight=100, look={"search": many}, **kept))) == "left"
    busy = {"a": side(active=1)}
    assert cause(decide(at(Drain("a"), weight=100, look=busy, **kept))) == "wait"
    elsewhere = replace(GIVEN, bound=replace(GIVEN.bound, b=replace(GIVEN.bound.b, place=())))
    match decide(at(Drain("a"), weight=100, **{**kept, "plan": elsewhere})):
        case Note(Passed(Drain("a"), why)):
            assert "kept" in why
        case other:
            pytest.fail(f"{other}")


def test_an_a_without_counters_is_left_running_unless_finish_was_forced() -> None:
    state = at(Drain("a"), weight=100, look={"a": side(requests=None, active=None, quiet=())})
    match decide(state):
        case Note(Passed(Drain("a"), why)):
            assert "no counters" in why
        case other:
            pytest.fail(f"{other}")
    assert decide(replace(state, forced=True)) == Note(Passed(Drain("a")))
    assert decide(told(state, Asked("finish", force=True))) == Note(Passed(Drain("a")))


def test_the_retiring_of_a_waits_for_approval_where_it_is_asked_for() -> None:
    state = at(Drain("a"), weight=100, soft=soft(retire=Retire(idle_for=30, approve=True)))
    match decide(state):
        case Wait(_, why):
            assert "lbmigrate approve" in why
        case other:
            pytest.fail(f"{other}")
    assert decide(told(state, Asked("approve"))) == Note(Passed(Drain("a")))
    assert decide(told(state, Asked("finish"))) == Note(Passed(Drain("a")))


def test_an_a_that_never_falls_idle_is_a_hold_that_names_its_clients() -> None:
    busy = {"a": side(active=2, clients=("203.0.113.9",))}
    state = at(Drain("a"), weight=100, look=busy, step_at=NOW - 3601, patience_from=NOW - 3601)
    match decide(state):
        case Note(Hold("not-idle", why, True)):
            assert "203.0.113.9" in why
        case other:
            pytest.fail(f"{other}")
    unnamed = replace(state, seen=replace(state.seen, a=side(active=2)))
    match decide(unnamed):
        case Note(Hold("not-idle", why, True)):
            assert "clients that its counters do not name" in why
        case other:
            pytest.fail(f"{other}")
    assert cause(decide(replace(state, patience_from=NOW))) == "wait"
    before = replace(state, seen=replace(state.seen, at=NOW - 11))
    assert decide(before) == Wait(NOW + SLICE, "a fresh look"), "it may have gone since"


# ---------------------------------------------------------------- back

RESTORE = Write(0, "restore")


def test_going_back_is_held_up_by_nothing_but_drift() -> None:
    trouble: dict[str, Any] = {"a": side("bad"), "b": side("bad"), "controls": "bad", "skew": 9999.0, "unreadable": "x"}
    state = going_back(RESTORE, look=trouble, difference=("stages",), paused=True)
    assert decide(state) == Do(RESTORE)
    drifted = replace(state, hold=Standing("drift", "somebody else", NOW, True))
    assert decide(drifted) == Wait(NOW + SLICE, "somebody else")


def test_a_way_back_that_must_claim_first_and_may_not_names_the_way_out() -> None:
    claim = Write(0, "claim")
    denied = Flight(claim, 40, NOW, 1, NOW, "REFUSED", denied=True)
    now = decide(going_back(claim, RESTORE, flight=denied))
    assert now == End("failed", "REFUSED; or forget it, for no traffic was moved: lbmigrate abandon")


def test_servers_that_lag_say_why() -> None:
    said = tuple(replace(one, error="does not evaluate LUA records") for one in clock(known_at(50)))
    now = decide(at(Soak(50), look={"clock": said}))
    assert isinstance(now, Wait)
    assert now.why == "ns1, ns2 to serve the change: does not evaluate LUA records"


def test_a_refused_restore_fails_and_is_tried_again_by_the_same_command() -> None:
    denied = Flight(RESTORE, 40, NOW, 1, NOW, "REFUSED", denied=True)
    assert decide(going_back(RESTORE, flight=denied)) == End("failed", "REFUSED")


BACK: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("B was never shown", {"b": side(active=9)}, {"shown": False}, "Passed"),
    ("B is bad", {"b": side("bad", active=9)}, {}, "Passed"),
    ("B was bad long ago", {"b": side("bad", active=9), "at": NOW - 11}, {}, "wait"),
    ("B still serves", {"b": side(active=9)}, {}, "wait"),
    ("B is idle", {}, {}, "Passed"),
    ("B has no counters", {"b": side(requests=None, quiet=())}, {}, "Passed"),
    ("B still serves at retire.limit", {"b": side(active=9)}, {"step_at": NOW - 3600}, "wait"),
    ("B still serves after retire.limit", {"b": side(active=9)}, {"step_at": NOW - 3601}, "Passed"),
    ("a server lags at retire.limit", {"clock": clock(known_at(100))}, {"step_at": NOW - 3600}, "wait"),
    ("a server lags after retire.limit", {"clock": clock(known_at(100))}, {"step_at": NOW - 3601}, "Passed"),
]


@pytest.mark.parametrize(("what", "look", "changes", "then"), BACK, ids=[row[0] for row in BACK])
def test_on_the_way_back_b_is_stopped_when(what: str, look: dict[str, Any], changes: dict[str, Any], then: str) -> None:
    del what
    assert cause(decide(going_back(Drain("b"), Stop("b"), look=look, **changes))) == then


def test_a_b_that_still_serves_at_the_end_is_left_running_and_named() -> None:
    look = {"b": side(active=9, clients=("203.0.113.9",))}
    match decide(going_back(Drain("b"), Stop("b"), look=look, step_at=NOW - 3601)):
        case Note(Passed(_, why)):
            assert "203.0.113.9" in why
        case other:
            pytest.fail(f"{other}")


def test_on_the_way_back_a_server_that_never_follows_is_looked_at_in_peace_and_named() -> None:
    """A dead one; or a name that others changed when the fence was gone: nothing holds here, and nothing spins."""
    look = {"clock": clock(known_at(100)), "lag_since": NOW - 900.0}
    assert decide(going_back(Drain("b"), Stop("b"), look=look)) == Wait(NOW + SLICE, "ns1, ns2 to serve the change")
    left = Passed(Drain("b"), "ns1, ns2: what was put back is not served there; B is left running")
    assert decide(going_back(Drain("b"), Stop("b"), look=look, step_at=NOW - 3601)) == Note(left)


def test_on_the_way_back_b_is_stopped() -> None:
    assert decide(going_back(Drain("b"), Stop("b"), cursor=1)) == Do(Stop("b"))


def test_a_rollback_made_without_this_journal_is_recognised() -> None:
    match decide(at(SOAK, look={"gone": True, "drift": ("x",)})):
        case Note(TurnedBack("dns", _)):
            pass
        case other:
            pytest.fail(f"{other}")


# ---------------------------------------------------------------- ends


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, Finished("done")),
        ({"left_running": "A is kept"}, Finished("done", "A is kept")),
        ({"back": GATE}, Finished("rolled-back")),
        ({"back": Asked("rollback")}, Finished("rolled-back")),
        ({"back": Asked("abandon")}, Finished("abandoned", "the fence is removed, nothing else was touched")),
    ],
)
def test_a_list_that_is_used_up_ends(changes: dict[str, Any], outcome: Finished) -> None:
    assert decide(at(SOAK, cursor=len(PLAN.forward), **changes)) == Note(outcome)


@pytest.mark.parametrize(
    ("outcome", "back", "word"),
    [
        ("done", None, "ok"),
        ("abandoned", Asked("abandon"), "ok"),
        ("rolled-back", Asked("rollback"), "ok"),
        ("rolled-back", GATE, "rolled-back"),
        ("rolled-back", TurnedBack("dns", "elsewhere"), "ok"),
        ("rolled-back", TurnedBack("refused", "unfit"), "refused"),
    ],
)
def test_the_word_of_an_end(outcome: str, back: Any, word: str) -> None:
    ended = decide(at(SOAK, outcome=outcome, back=back))
    assert isinstance(ended, End)
    assert ended.word == word


@pytest.mark.parametrize(("why", "said"), [("A is kept", "A is kept"), ("", "done")])
def test_an_end_says_why_or_at_least_what(why: str, said: str) -> None:
    assert decide(at(SOAK, outcome="done", outcome_why=why)) == End("ok", said)


def test_without_a_plan_there_is_nothing_to_do() -> None:
    assert decide(State()) == End("ok", "no migration under way")


# ---------------------------------------------------------------- the operator

NONE = State()
SOAKING = at(SOAK, judged=False)
ASKED_FOR = plans.build(bound(stages=(Stage(50, approve=True), 100)), (held(),))
ASKING = at(Soak(50, approve=True), plan=ASKED_FOR)
JUDGED = at(FULL, judged=True)
BACKWARD = going_back(RESTORE)
RETIRED = at(RELEASE, weight=100, retired=True)
LEAVING = at(Stop("a"), weight=100, flight=Flight(Stop("a"), 30, NOW))
STAYING = at(Stop("a"), weight=100, flight=Flight(Stop("a"), 30, NOW, tries=1, denied=True))
DRIFT = at(SOAK, judged=True, hold=Standing("drift", "x", NOW, True))
BACK_DRIFT = going_back(RESTORE, hold=Standing("drift", "x", NOW, True))
ROLLED, DONE = at(SOAK, outcome="rolled-back"), at(SOAK, outcome="done")
LEFT = at(SOAK, outcome="abandoned")

WORDS: list[tuple[str, State, Asked, type[Exception] | None]] = [
    *((name, state, Asked(verb), Refused)
      for name, state in (("none", NONE), ("rolled back", ROLLED), ("done", DONE), ("abandoned", LEFT))
      for verb in ("shift", "pause", "resume", "finish", "rollback", "approve", "abandon")),
    ("up before it is judged", SOAKING, Asked("shift", 100), Refused),
    ("up before it is judged, forced", SOAKING, Asked("shift", 100, force=True), None),
    ("up before the first stage", at(Turn(), weight=0), Asked("shift", 50), Refused),
    ("up once it is judged", JUDGED, Asked("shift", 100), None),
    ("down at any time", SOAKING, Asked("shift", 0), None),
    ("the same weight", SOAKING, Asked("shift", 50), None),
    ("a weight that is not attainable", JUDGED, Asked("shift", 51), Refused),
    ("a weight that is not attainable, forced", JUDGED, Asked("shift", 51, force=True), Refused),
    ("finish before it is judged", SOAKING, Asked("finish"), Refused),
    ("finish once it is judged", JUDGED, Asked("finish"), None),
    ("finish, forced", SOAKING, Asked("finish", force=True), None),
    ("finish when A is bad", at(SOAK, look={"a": side("bad")}), Asked("finish"), None),
    ("finish when A is dead", at(SOAK, look={"a": side("unknown", up=False)}), Asked("finish"), None),
    ("pause", SOAKING, Asked("pause"), None),
    ("resume", SOAKING, Asked("resume"), None),
    ("approve where nothing waits for it", SOAKING, Asked("approve"), None),
    ("approve a stage", ASKING, Asked("approve"), None),
    ("approve a stage that is on its way", replace(ASKING, cursor=ASKING.cursor - 1), Asked("approve"), None),
    ("approve A's retirement", replace(at(Drain("a"), weight=100), soft=soft(retire=Retire(approve=True))),
     Asked("approve"), None),
    ("approve A's retirement, which does not ask", at(Drain("a"), weight=100), Asked("approve"), None),
    ("approve at the end", RETIRED, Asked("approve"), None),
    ("rollback", SOAKING, Asked("rollback"), None),
    ("abandon", SOAKING, Asked("abandon"), None),
    *((f"{verb} on the way back", BACKWARD, Asked(verb), Refused)
      for verb in ("shift", "finish", "pause", "approve")),
    *((f"{verb} on the way back", BACKWARD, Asked(verb), None)
      for verb in ("rollback", "resume", "abandon")),
    ("resume --restore on the way back", BACKWARD, Asked("resume", restore=True), Refused),
    *((f"{verb} after A is retired", RETIRED, Asked(verb), Refused)
      for verb in ("shift", "rollback", "pause")),
    *((f"{verb} while A is being stopped", LEAVING, Asked(verb, force=True), Refused)
      for verb in ("shift", "rollback")),
    ("pause while A is being stopped", LEAVING, Asked("pause"), None),
    ("rollback after the stop of A was refused", STAYING, Asked("rollback"), None),
    ("finish after A is retired", RETIRED, Asked("finish", force=True), None),
    *((f"{verb} under drift", DRIFT, Asked(verb), Drifted)
      for verb in ("shift", "finish", "rollback", "resume")),
    *((f"{verb} under drift", DRIFT, Asked(verb), None)
      for verb in ("pause", "abandon")),
    ("resume --restore under drift", DRIFT, Asked("resume", restore=True), None),
    ("resume --accept-drift", DRIFT, Asked("resume", now=PLAN.originals), None),
    ("rollback --restore under drift", DRIFT, Asked("rollback", restore=True), None),
    ("rollback under drift on the way back", BACK_DRIFT, Asked("rollback"), Drifted),
    ("rollback --restore under drift on the way back", BACK_DRIFT, Asked("rollback", restore=True), None),
]  # fmt: skip


@pytest.mark.parametrize(("what", "state", "ask", "refusal"), WORDS, ids=[f"{r[0]}-{r[2].verb}" for r in WORDS])
def test_an_operators_word_is_taken_or_refused(
    what: str, state: State, ask: Asked, refusal: type[Exception] | None
) -> None:
    del what
    found = permit(state, ask)
    assert type(found) is (refusal or type(None))
    assert "\n" not in str(found or "")


def test_a_refused_shift_says_which_stage_is_not_judged() -> None:
    assert "the stage at 50 has not been judged" in str(permit(SOAKING, Asked("shift", 100)))
    assert "before the first stage" in str(permit(at(Turn(), weight=0), Asked("shift", 50)))


def test_a_refused_weight_names_the_attainable_ones() -> None:
    assert "0, 50, 100" in str(permit(JUDGED, Asked("shift", 25)))


def test_what_is_overwritten_is_looked_at_first() -> None:
    """What somebody else put there may be cached, and only a look that came after the operator's word tells."""
    drift = at(SOAK, look={"drift": ("A 192.0.2.99",)}, hold=Standing("drift", "", NOW, True))
    asked = told(drift, Asked("resume", restore=True))
    (again,) = asked.steps[asked.cursor : asked.cursor + 1]
    assert decide(asked) == Wait(asked.at, "a look at what is overwritten: caches may hold it")
    looked = replace(asked, at=asked.at + 1, seen=replace(asked.seen, at=asked.at + 1))
    assert decide(looked) == Do(again)
    assert isinstance(decide(replace(looked, looked=False)), Wait), "of another worker's look"


@pytest.mark.parametrize(
    ("state", "error", "ways"),
    [
        (SOAKING, None, ()),
        (at(SOAK, hold=Standing("a-bad", "A fails", NOW, False)), None, ()),
        (at(SOAK, hold=Standing("a-bad", "A fails", NOW, True)), OnHold, ("lbmigrate finish", "lbmigrate resume")),
        (at(SOAK, hold=Standing("behind", "ns2", NOW, True)), OnHold, ("lbmigrate resume", "lbmigrate rollback")),
        (DRIFT, Drifted, ("resume --accept-drift", "resume --restore")),
        (BACK_DRIFT, Drifted, ("rollback --restore",)),
    ],
)
def test_a_hold_for_good_ends_a_blocking_verb(
    state: State, error: type[Exception] | None, ways: tuple[str, ...]
) -> None:
    found = on_hold(state)
    assert type(found) is (error or type(None))
    assert all(way in str(found) for way in ways)


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (State(), "none"),
        (at(CLAIM, weight=0), "preparing"),
        (at(StandUp(), weight=0), "preparing"),
        (at(Prove(), weight=0), "preparing"),
        (at(Turn(), weight=0), "preparing"),
        (at(HALF, weight=0), "preparing"),
        (at(HALF, weight=0, flight=Flight(HALF, 20, NOW)), "shifting"),
        (at(FULL, judged=True), "soaking"),
        (at(SOAK, look={"clock": clock(known_at(0))}), "shifting"),
        (SOAKING, "soaking"),
        (at(SOAK, paused=True), "paused"),
        (at(SOAK, paused=True, hold=Standing("a-bad", "", NOW, False)), "held"),
        (at(Drain("a"), weight=100), "draining"),
        (at(Stop("a"), weight=100), "retiring"),
        (RETIRED, "retiring"),
        (at(SOAK, cursor=99), "retiring"),
        (BACKWARD, "rolling-back"),
        (BACK_DRIFT, "rolling-back"),
        (ROLLED, "rolled-back"),
        (DONE, "done"),
        (LEFT, "failed"),
    ],
)
def test_the_word_for_where_it_stands(state: State, word: str) -> None:
    assert phase(state) == word


def test_a_b_that_its_provider_makes_is_given_the_time_that_takes() -> None:
    flight = Flight(Prove(), 20, NOW, 9, NOW - 1, "B does not run", denied=True)
    slow = at(Prove(), weight=0, plan=GIVEN, flight=flight, step_at=NOW - MAKE_LIMIT)
    assert decide(slow) == Do(Prove())
    assert decide(replace(slow, step_at=NOW - MAKE_LIMIT - 1)) == Note(TurnedBack("refused", "B does not run"))
