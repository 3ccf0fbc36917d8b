"""The loop: who works and who follows, an operator's word in the middle of it, and death at any moment."""

import random
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from simulation import NAME, Run
from simulation.run import OTHER
from states import ME, NOW, PLAN, at, clock, known_at, soft

from lbmigrate.decide import End
from lbmigrate.effects import perform
from lbmigrate.engine import FOLLOW, Engine, first_stage, over, put_back, shown, stage_at, zone_back
from lbmigrate.errors import Denied, Drifted, OnHold, Refused
from lbmigrate.events import (
    Asked,
    Began,
    Changed,
    Configured,
    Ended,
    Event,
    Finished,
    Hold,
    Left,
    Opened,
    Saw,
    Started,
    Took,
    Worker,
)
from lbmigrate.fold import Flight, State, fold, worker_id
from lbmigrate.journal.sqlite import SqliteJournal
from lbmigrate.lab.virtual import START, Crash, Faults, SimBalancer, worker
from lbmigrate.look import look
from lbmigrate.model import Applied, Held, Outcome, Records, RRset, Served, Then
from lbmigrate.parts import Parts
from lbmigrate.plan import Drain, Prove, Soak, StandUp, Step, Stop, Turn, Write
from lbmigrate.spec import Retire
from lbmigrate.value import replace
from lbmigrate.worker import _started, here
from lbmigrate.worker import alive as living

KILLS = 200
CLEAN_SEED = 1
RESTORE = Write(0, "restore")


# ---------------------------------------------------------------- helpers


def engine(run: Run, number: int, alive: bool | None = True, clock: object = None) -> Engine:
    """A worker of its own at the run's journal, who takes every other for `alive`."""
    return Engine(run.journal, clock or run.world.clock, worker(number), lambda _: alive)  # type: ignore[arg-type]


def tools(run: Run) -> Parts:
    return run.tools()


def begun(run: Run, number: int = 1) -> tuple[Engine, Parts]:
    """A worker whose attempt is under way."""
    one, held = engine(run, number), tools(run)
    one.begin(run.plan, run.soft, lambda: tuple(held.zones[0].served([NAME])))
    return one, held


def events(run: Run) -> list[Event]:
    return [entry.event for entry in run.journal.entries]


def by(run: Run, number: int) -> list[Event]:
    return [entry.event for entry in run.journal.entries if entry.by == worker_id(worker(number))]


def weight(least: int) -> Callable[[State], bool]:
    return lambda s: s.weight >= least


# ---------------------------------------------------------------- the beginning


def test_an_attempt_begins_once_however_many_begin_it() -> None:
    run = Run(1)
    first, _ = begun(run)
    second, _ = begun(run, 2)
    assert [type(event) for event in events(run)] == [Opened, Started]
    assert first.refresh() == second.refresh()


def test_two_that_begin_at_the_same_moment_find_one_attempt() -> None:
    run = Run(1)
    late = engine(run, 2)
    held = tools(run)

    def meanwhile() -> tuple[Served, ...]:
        if len(run.journal.entries) == 1:
            begun(run, 1)
        return tuple(held.zones[0].served([NAME]))

    state = late.begin(run.plan, run.soft, meanwhile)
    assert [type(event) for event in events(run)] == [Opened, Started]
    assert state.active


def test_after_a_rollback_a_new_attempt_begins() -> None:
    run = Run(1)
    one, held = begun(run)
    one.drive(held, weight(50))
    one.ask(Asked("rollback"))
    one.drive(held, over)
    before = one.state.attempt
    one.begin(run.plan, run.soft, lambda: tuple(held.zones[0].served([NAME])))
    assert one.state.active
    assert one.state.attempt != before


def test_an_edited_config_is_noted_once() -> None:
    run = Run(1)
    one, _ = begun(run)
    edited = replace(run.soft, soak=99.0)
    for _ in range(3):
        one.configure(edited, ("ttl: 60 → 30",))
    assert events(run)[2:] == [Configured(edited), Changed(("ttl: 60 → 30",))]
    one.configure(edited, ())
    assert one.state.difference == ()


def test_a_whole_migration_needs_one_worker_and_nothing_else() -> None:
    run = Run(1)
    state = run.play()
    assert state.outcome == "done"
    assert run.broken == []
    assert (run.started, run.crashes) == (1, 0)


# ---------------------------------------------------------------- the lease

LEASES = [
    ("lives here and is at work", True, 0.0, True),
    ("lives here and was at work 9 s ago", True, 9.9, True),
    ("lives here and says nothing for a lease", True, 10.0, False),
    ("is elsewhere and was at work 9 s ago", None, 9.9, True),
    ("is elsewhere and says nothing for a lease", None, 10.0, False),
    ("died here just now", False, 0.0, False),
]


@pytest.mark.parametrize(("what", "alive", "silent", "busy"), LEASES, ids=[row[0] for row in LEASES])
def test_a_worker_keeps_others_off_while_it(what: str, alive: bool | None, silent: float, busy: bool) -> None:
    del what
    run = Run(1)
    first, _ = begun(run)
    assert first.append(Took(worker(1)))
    run.world.clock.sleep(silent)
    second = engine(run, 2, alive)
    assert second.busy() is busy
    assert not first.busy()


@pytest.mark.parametrize(("alive", "wait"), [(False, 0.0), (None, 10.0), (True, 10.0)])
def test_another_takes_over_at_once_or_after_the_lease(alive: bool | None, wait: float) -> None:
    run = Run(1)
    first, _ = begun(run)
    assert first.append(Took(worker(1)))
    second = engine(run, 2, alive)
    second.drive(tools(run), lambda s: bool(s.claimed))
    taken = next(e.at for e in run.journal.entries if e.event == Took(worker(2)))
    assert wait <= taken - START <= wait + FOLLOW
    assert second.state.claimed == (0,)


def test_who_went_away_in_good_order_keeps_nobody_off() -> None:
    run = Run(1)
    first, _ = begun(run)
    assert first.append(Took(worker(1)))
    first.leave()
    first.leave()
    assert events(run)[-1] == Left(worker(1))
    assert not engine(run, 2).busy()


def test_whether_a_worker_lives_is_known_on_its_own_machine_alone() -> None:
    me = here()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        started = _started(child.pid)
        assert started is not None
        other = replace(me, pid=child.pid, started=started)
        assert (living(me), living(other)) == (True, True)
        assert living(replace(other, started=started + 1)) is False  # its pid was given to another process
        assert living(replace(other, boot="another")) is None  # another machine of the same name, or a container
        assert living(replace(other, host="elsewhere")) is None
        assert living(replace(other, boot="")) is None
        child.kill()
        assert child.wait(20)
    assert living(other) is False


class Following:
    """The clock of a process that follows: while it waits, the worker works."""

    def __init__(self, run: Run, first: Engine, held: Parts) -> None:
        self._run, self._first, self._held = run, first, held

    def now(self) -> float:
        """The present moment."""
        return self._run.world.clock.now()

    def sleep(self, seconds: float) -> None:
        """The other one's turn."""
        assert seconds == FOLLOW
        self._first.refresh()
        self._first.turn(self._held)


@pytest.mark.parametrize(
    ("ask", "goal", "shows"),
    [
        (Asked("rollback"), zone_back, "restore"),
        (Asked("shift", 100, force=True), weight(100), "weight"),
        (Asked("finish", force=True), over, "release"),
        (Asked("abandon"), over, "abandon"),
    ],
)
def test_a_word_given_elsewhere_is_obeyed_by_whoever_is_at_work(
    ask: Asked, goal: Callable[[State], bool], shows: str
) -> None:
    run = Run(1)
    first, held = begun(run)
    first.drive(held, weight(50))
    other = engine(run, 2, True, Following(run, first, held))
    other.ask(ask)
    assert other.drive(tools(run), goal) == End("ok", "")
    assert by(run, 2) == [ask]
    targets = [e.step.target for e in by(run, 1) if isinstance(e, Began) and isinstance(e.step, Write)]
    assert targets[-1] == shows
    assert run.broken == []


def test_one_that_follows_sees_its_goal_even_if_it_never_worked() -> None:
    run = Run(1)
    first, held = begun(run)
    assert first.append(Took(worker(1)))
    other = engine(run, 2, True, Following(run, first, held))
    other.drive(tools(run), over)
    assert other.state.outcome == "done"
    assert by(run, 2) == []


@pytest.mark.parametrize(("verb", "kept"), [("pause", True), ("approve", True), ("rollback", True), ("resume", False)])
def test_a_word_that_comes_while_somebody_looks_takes_nothing_from_what_is_seen(
    verb: str, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But `resume` says what the world is taken for: what was seen before that word is no answer to it."""
    run = Run(1)
    one, held = begun(run)
    one.drive(held, weight(50))
    torn: list[bool] = []

    def looked(parts: Parts, state: State, until: float, wake: Callable[[], bool]) -> Saw:
        torn.append(state.torn)
        saw = look(parts, state, until, wake)
        if len(torn) == 1:
            engine(run, 2).ask(Asked(verb))  # type: ignore[arg-type]
        return saw

    monkeypatch.setattr("lbmigrate.engine.look", looked)
    before = len(events(run))
    one.drive(held, lambda _: len(torn) == 2)
    since = events(run)[before:]
    assert isinstance(since[0], Asked)
    assert sum(isinstance(event, Saw) for event in since) == (2 if kept else 1)
    assert torn == [False, not kept]


def test_a_word_that_the_rules_refuse_is_not_written_down() -> None:
    run = Run(1)
    one, _ = begun(run)
    with pytest.raises(Refused, match="not attainable"):
        one.ask(Asked("shift", 33))
    assert len(events(run)) == 2


@pytest.mark.parametrize("where", ["send", "sent"])
@pytest.mark.parametrize("verb", ["rollback", "pause", "finish"])
def test_a_word_that_comes_while_a_write_is_under_way(where: str, verb: str) -> None:
    run = Run(1)
    one, held = begun(run)
    one.drive(held, lambda s: isinstance(s.step, Turn))
    told: list[State] = []

    def watch(at: str) -> None:
        run.watched(at)
        if at == where and not told:
            told.append(engine(run, 2).ask(Asked(verb, force=True)))  # type: ignore[arg-type]

    run.world.watch = watch
    one.drive(held, lambda s: bool(told) and not s.flight and (over(s) or s.paused))
    if verb == "pause":
        assert (one.state.weight, one.state.paused) == (50, True)
        return
    assert one.state.outcome == {"rollback": "rolled-back", "finish": "done"}[verb]
    run.finally_()
    assert run.broken == []


def test_a_wait_ends_when_somebody_says_something() -> None:
    run = Run(1)
    one, held = begun(run)
    one.drive(held, lambda s: isinstance(s.step, Soak))
    before = run.world.clock.now()
    run.world.clock.at(before + 0.5, lambda: engine(run, 2).ask(Asked("pause")))
    one.drive(held, lambda s: s.paused)
    assert run.world.clock.now() - before < 2.0


# ---------------------------------------------------------------- how long one drives


def test_a_slice_ends_at_its_time_and_the_next_goes_on() -> None:
    run = Run(1)
    one, held = begun(run)
    for _ in range(200):
        begin = run.world.clock.now()
        if (end := one.drive(held, over, until=begin + 50.0)) is not None:
            break
        assert 50.0 <= run.world.clock.now() - begin < 51.0
    assert end == End("ok", "")
    assert one.state.outcome == "done"


def test_a_hold_for_good_ends_a_blocking_verb_and_not_a_slice() -> None:
    run = Run(1)
    one, held = begun(run)
    assert one.append(Hold("a-bad", "A fails", True))
    with pytest.raises(OnHold, match="A fails"):
        one.drive(held, over)
    assert one.drive(held, over, until=run.world.clock.now() + 5) is None
    assert one.append(Hold("drift", "somebody else", True))
    with pytest.raises(Drifted, match="somebody else"):
        one.drive(held, over)


def test_what_the_last_look_of_a_slice_brings_up_holds_within_it() -> None:
    run = Run(1)
    one, held = begun(run)
    one.drive(held, lambda s: isinstance(s.step, Soak))
    stranger = Held(NAME, (RRset(NAME, "A", 60, ("192.0.2.99",)),))
    now = run.world.clock.now()
    run.world.clock.at(now + 4.0, lambda: run.world.records.update({NAME: stranger}))
    assert one.drive(held, over, until=now + 5.0) is None
    assert one.state.hold is not None
    assert (one.state.hold.cause, one.state.hold.for_good) == ("drift", True)


def test_a_refused_write_ends_with_its_reason_and_the_next_command_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Run(1)
    one, held = begun(run)

    def refuse(*_: Records) -> Outcome:
        raise Denied("REFUSED by policy")

    with monkeypatch.context() as patch:
        patch.setattr(held.zones[0], "swap", refuse)
        end = one.drive(held, over)
    assert end == End("failed", "REFUSED by policy")
    one.leave()
    next_one = engine(run, 2)
    next_one.drive(held, over)
    assert next_one.state.outcome == "done"


def test_looking_only_moves_nothing() -> None:
    run = Run(1)
    one, held = begun(run)
    one.observe(held, 3.0)
    assert [type(event) for event in events(run)[2:]] == [Took, Saw]
    other = engine(run, 2)
    other.observe(tools(run), 3.0)
    assert by(run, 2) == []


def test_every_entry_is_told_once_and_waits_are_announced() -> None:
    run = Run(1)
    told: list[int] = []
    waits: list[str] = []
    one = Engine(
        run.journal, run.world.clock, worker(1), lambda _: True,
        lambda entry, _: told.append(entry.n), lambda *wait: waits.append(wait[2]),
    )  # fmt: skip
    held = tools(run)
    one.begin(run.plan, run.soft, lambda: tuple(held.zones[0].served([NAME])))
    one.drive(held, over)
    assert told == list(range(1, len(run.journal.entries) + 1))
    assert {"caches to turn", "the soak to be watched", "A to be idle"} <= set(waits)


@pytest.mark.parametrize("step", [Write(0, "claim"), StandUp(), Prove(), Stop("a")])
def test_an_effect_whose_intent_no_longer_stands_does_nothing(step: Step) -> None:
    """Asked after the reading: what was read late is not sent (a claim would be made good by a fresh SOA)."""
    run = Run(1)
    one, held = begun(run)
    before = dict(run.world.records)
    assert perform(held, one.state, step, 9, lambda: False).result == "unknown"
    assert (run.world.sent, run.world.records, run.world.up) == ([], before, {"a": True, "b": False})


@pytest.mark.parametrize(("emptying", "keep", "up"), [(False, False, False), (False, True, True), (True, True, True)])
def test_an_a_that_is_kept_is_emptied_where_that_can_be_and_never_stopped(emptying: bool, keep: bool, up: bool) -> None:
    run = Run(1)
    one, held = begun(run)
    run.world.up["a"] = True
    emptied: list[bool] = []

    class Emptied(SimBalancer):
        def empty(self) -> None:
            emptied.append(True)

    held.sides["a"] = (Emptied if emptying else SimBalancer)(run.world, "a", ())
    state = replace(one.state, soft=replace(run.soft, retire=Retire(keep=keep)))
    assert perform(held, state, Stop("a"), 9, lambda: True) == Ended(Stop("a"), "done")
    assert (run.world.up["a"], emptied) == (up, [True] * emptying)


def test_a_worker_that_stood_still_before_it_read_sends_nothing_after_a_rollback() -> None:
    run = Run(1)
    one, held = begun(run)
    read = type(held.zones[0]).read
    stood: list[str] = []

    def late(zone: Any, names: Any) -> Records:
        if one.state.flight and not stood:
            stood.append("here")
            run.world.clock.sleep(60)
            two = engine(run, 2)
            two.ask(Asked("rollback"))
            two.drive(tools(run), over)
        return read(zone, names)

    held.zones[0].read = partial(late, held.zones[0])  # type: ignore[method-assign]
    one.drive(held, over)
    assert stood
    assert one.state.outcome == "rolled-back"
    assert run.world.records[NAME] == run.original
    assert len(run.world.sent) == 2, "the claim and the restoring, both by the other worker"


@pytest.mark.parametrize("ask", [Asked("rollback", restore=True), Asked("resume", restore=True)], ids=lambda a: a.verb)
def test_what_is_put_back_over_a_lost_fence_cannot_come_again(ask: Asked) -> None:
    """Nothing in the records keeps a late copy off once they are the same again: the SOA does."""
    run = Run(1)
    one, held = begun(run)
    one.drive(held, weight(50))
    bare = replace(run.world.records[NAME], fence=None)
    run.world.write([bare])
    with pytest.raises(Drifted):
        one.drive(held, over)
    one.ask(ask)
    one.drive(held, lambda s: any(m.old.held == (bare,) for m in run.world.sent) and not s.flight)
    message = run.world.sent[-1]
    run.world.write([bare])
    assert not run.world.deliver(message)


def test_where_the_zone_is_busy_an_operators_restore_goes_on() -> None:
    run = Run(1)
    one, held = begun(run)
    one.drive(held, weight(50))
    run.world.write([replace(run.world.records[NAME], fence=None)])
    with pytest.raises(Drifted):
        one.drive(held, over)
    busy = [OTHER, OTHER]
    run.world.watch = lambda where: run.world.write([busy.pop()]) if where == "send" and busy else None
    one.ask(Asked("rollback", restore=True))
    one.drive(held, over)
    assert (one.state.outcome, busy) == ("rolled-back", [])
    assert run.world.records[NAME] == run.original


def test_a_ttl_edited_unseen_is_noted_before_a_write_replaces_it() -> None:
    run = Run(1)
    one, held = begun(run)
    one.drive(held, weight(50))
    now = run.world.records[NAME]
    run.world.write([replace(now, rrsets=tuple(replace(r, ttl=77) for r in now.rrsets))])
    edited = run.world.clock.now()
    one.ask(Asked("rollback"))
    tried = replace(one.state, flight=Flight(RESTORE, one.state.seq, edited, tries=1))
    assert perform(held, tried, RESTORE, one.state.seq, lambda: True).why.startswith("a TTL was edited: noted first")
    one.drive(held, zone_back)
    assert max(answer.old_until for answer in one.state.seen.clock) >= edited + 77


def test_a_ttl_edited_after_a_claim_without_an_answer_is_taken_for_what_caches_hold() -> None:
    run = Run(1)
    one, held = begun(run)
    run.world.faults = replace(run.world.faults, lost=1.0)
    one.drive(held, lambda s: s.flight is not None and s.flight.tries == 1)
    now = run.world.records[NAME]
    assert now.fence
    run.world.faults = replace(run.world.faults, lost=0.0)
    run.world.write([replace(now, rrsets=tuple(replace(r, ttl=77) for r in now.rrsets))])
    one.drive(held, lambda s: bool(s.claimed))
    assert [r.ttl for known in one.state.known for r in known.rrsets] == [77]
    one.drive(held, lambda s: s.weight == 50 and s.judged)
    assert one.state.at >= one.state.stage_at + 77


def test_a_ttl_that_was_edited_twice_is_noted_once_as_the_longer_one() -> None:
    """The longer one was seen first, while a write may have replaced it: what is waited for covers the other."""
    run = Run(1)
    one, held = begun(run)
    one.drive(held, weight(50))
    now = run.world.records[NAME]
    run.world.write([replace(now, rrsets=tuple(replace(r, ttl=77) for r in now.rrsets))])
    one.ask(Asked("rollback"))
    tried = replace(one.state, flight=Flight(RESTORE, one.state.seq, run.world.clock.now(), tries=1))
    longer = replace(tried, seen=replace(tried.seen, ttls=((("", NAME, "A"), 99),)))
    assert perform(held, longer, RESTORE, one.state.seq, lambda: True).result == "done"


def test_a_wait_is_no_effect() -> None:
    run = Run(1)
    _, held = begun(run)
    assert perform(held, State(), Turn(), 1, lambda: True).result == "failed"


# ---------------------------------------------------------------- goals

HALF = at(Soak(50))


@pytest.mark.parametrize(
    ("goal", "state", "reached"),
    [
        (first_stage, HALF, False),
        (first_stage, replace(HALF, stages_judged=1), True),
        (first_stage, replace(HALF, outcome="rolled-back"), True),
        (stage_at(50, 10), replace(HALF, judged=True), True),
        (stage_at(50, 10), HALF, False),
        (stage_at(50, 20), replace(HALF, judged=True), False),
        (stage_at(100, 10), replace(HALF, judged=True), False),
        (stage_at(100, 10), replace(HALF, back=Asked("rollback")), True),
        (stage_at(100, 10), replace(HALF, outcome="done"), True),
        (shown, HALF, True),
        (shown, replace(HALF, step_at=NOW + 1), False),
        (shown, replace(HALF, flight=Flight(StandUp(), 9, NOW)), False),
        (shown, replace(HALF, claimed=()), False),
        (shown, at(Soak(50), look={"clock": clock(known_at(0))}), False),
        (shown, replace(HALF, outcome="done"), True),
        (zone_back, HALF, False),
        (zone_back, replace(HALF, back=Asked("rollback"), steps=(RESTORE,), cursor=0), False),
        (zone_back, replace(HALF, back=Asked("rollback"), steps=(RESTORE,), cursor=1), True),
        (zone_back, replace(HALF, outcome="rolled-back"), True),
        (put_back, HALF, True),
        (put_back, replace(HALF, steps=(replace(RESTORE, over=True),), cursor=0), False),
        (put_back, replace(HALF, steps=(replace(RESTORE, over=True),), cursor=1), True),
        (put_back, replace(HALF, steps=(replace(RESTORE, over=True),), cursor=0, outcome="done"), True),
        (over, HALF, False),
        (over, replace(HALF, outcome="done"), True),
    ],
)
def test_a_verb_is_done_when(goal: Callable[[State], bool], state: State, reached: bool) -> None:
    assert goal(state) is reached


# ---------------------------------------------------------------- 50 ticks at once


class Counting:
    """A zone that many threads share: what was written, one swap at a time."""

    def __init__(self, held: Held) -> None:
        self.held, self.swaps = held, 0
        self._lock = threading.Lock()

    def read(self, names: object) -> Records:
        """See model.Zone."""
        del names
        return Records((self.held,), "1")

    def swap(self, old: Records, new: Records, then: Then = None) -> Outcome:
        """See model.Zone."""
        del old, then
        with self._lock:
            self.swaps += 1
            self.held = new.held[0]
        return Applied()

    def served(self, names: object) -> list[Served]:
        """See model.Zone."""
        del names
        return []


class Still:
    """A clock that stands still; waiting lets others run."""

    def now(self) -> float:
        """The present moment."""
        return NOW

    def sleep(self, seconds: float) -> None:
        """Let others run."""
        del seconds
        threading.Event().wait(0.001)


def test_of_50_ticks_at_once_one_writes(tmp_path: Path) -> None:
    zone = Counting(PLAN.originals[0])
    held = Parts((zone,), {}, None, (), Still())  # type: ignore[arg-type]
    path = str(tmp_path / "journal.db")
    with closing(SqliteJournal(path)) as journal:
        Engine(journal, Still(), ME, lambda _: True).begin(PLAN, soft(), lambda: ())
    gate = threading.Barrier(50)
    wrong: list[BaseException] = []

    def tick(number: int) -> None:
        with closing(SqliteJournal(path)) as journal:
            one = Engine(journal, Still(), Worker("here", number, number, "boot"), lambda _: True)
            gate.wait()
            try:
                one.drive(held, lambda s: bool(s.claimed), until=NOW + 50)
            except BaseException as error:  # noqa: BLE001  (of a thread: told below)
                wrong.append(error)

    threads = [threading.Thread(target=tick, args=(number,)) for number in range(2, 52)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    assert zone.swaps == 1
    with closing(SqliteJournal(path)) as journal:
        kinds = [type(entry.event) for entry in journal.read(whole=True)]
    assert kinds == [Opened, Started, Took, Began, Ended]


# ---------------------------------------------------------------- death at any moment


def killed(seed: int, moment: int) -> tuple[Run, int]:
    """A clean move whose worker dies at its `moment`-th moment before or after a write or an effect; how many."""
    run = Run(seed, Faults())
    passed = 0
    watched = run.world.watch

    def watch(where: str) -> None:
        nonlocal passed
        watched(where)
        passed += 1
        if passed == moment:
            raise Crash(where)

    run.world.watch = watch
    run.play()
    return run, passed


def moments() -> list[tuple[int, int]]:
    """Every moment of one clean move, and random ones of others: 200 in all."""
    _, every = killed(CLEAN_SEED, 0)
    chance = random.Random(2)
    more = [(seed, chance.randrange(1, every // 2)) for seed in range(2, KILLS)]
    return [*((CLEAN_SEED, moment) for moment in range(1, every)), *more][:KILLS]


@pytest.mark.parametrize("part", range(8))
def test_killed_at_any_moment_the_next_command_goes_on_without_a_flag(part: int) -> None:
    for seed, moment in moments()[part::8]:
        run, _ = killed(seed, moment)
        state = fold(State(), run.journal.entries)
        assert run.broken == [], f"seed {seed}, killed at moment {moment}"
        assert state.outcome == "done", f"seed {seed}, killed at moment {moment}: {state.step}"
        assert (run.crashes, run.started) == (1, 2), f"seed {seed}, moment {moment}"
        assert run.world.up == {"a": False, "b": True}


@pytest.mark.parametrize("where", ["send", "sent"])
def test_a_worker_that_died_inside_a_write_finds_it_done_or_sends_it_once(where: str) -> None:
    run = Run(CLEAN_SEED)
    deaths: list[str] = []

    def watch(at: str) -> None:
        run.watched(at)
        if at == where and not deaths:
            deaths.append(at)
            raise Crash(at)

    run.world.watch = watch
    run.play()
    claims = [message for message in run.world.sent if message.old.soa is not None]
    assert len(claims) == 1
    assert events(run).count(Began(Write(0, "claim"))) == 1


def test_the_effects_of_a_clean_move_are_the_steps_of_its_plan() -> None:
    run = Run(CLEAN_SEED)
    run.play()
    done = [event.step for event in events(run) if isinstance(event, Ended)]
    assert done == [step for step in run.plan.forward if not isinstance(step, Turn | Soak | Drain)]
    assert isinstance(events(run)[-1], Finished)
