"""What the journal adds up to: `state = fold(state, entries)`. Pure; the only road from events to a decision.

Positions are recorded, never guessed: the cursor moves when an effect ended or a wait was passed, and when an
operator or the gate gave it another list. Only the last attempt counts.
"""

from collections.abc import Iterable
from typing import assert_never

from lbmigrate import plan as plans
from lbmigrate.caches import Clock, Key, note, replaced, unpacked
from lbmigrate.events import (
    Asked,
    Began,
    Changed,
    Cleared,
    Configured,
    Ended,
    Entry,
    Event,
    Finished,
    Hold,
    Left,
    Opened,
    Passed,
    Saw,
    Search,
    Seen,
    Started,
    Took,
    TurnedBack,
    Worker,
)
from lbmigrate.model import Endpoint, Held, RRset, Served
from lbmigrate.plan import Drain, Plan, Prove, Soak, StandUp, Step, Stop, Turn, Write
from lbmigrate.spec import Soft
from lbmigrate.value import replace, value

LEASE = 10.0  # seconds for which a worker's last event keeps others from repeating what is under way


@value
class Flight:
    """An effect that began and has no definite end yet. `n`: the number of its intent, the fence its write carries."""

    step: Step
    n: int
    at: float
    tries: int = 0
    tried_at: float = 0.0
    why: str = ""
    denied: bool = False


@value
class Standing:
    """A hold that stands since `at`; `for_good`: until `resume`."""

    cause: str
    why: str
    at: float
    for_good: bool


@value
class State:
    """Everything that `decide` may know. `stage` numbers the entry that began the present stage.

    `drifts`: how often somebody else's change was met in this attempt. `looked`: the present worker has looked since
    it took over; what another one saw is no proof of now. `torn`: somebody went away in the middle of a look, so that
    the sides' counters since the last one hold probes of ours that nobody has counted. `past`: steps of former lists
    that were gone through, to be shown after the preparation. `put_off`: writes of the way back that failed, and come
    again after those of other zones.
    """

    seq: int = 0
    at: float = 0.0
    migration: str = ""
    worker: Worker | None = None
    by: str = ""
    lease: float = 0.0
    attempt: str = ""
    digest: str = ""
    plan: Plan | None = None
    soft: Soft = Soft(())
    steps: tuple[Step, ...] = ()
    cursor: int = 0
    past: tuple[Step, ...] = ()
    step_at: float = 0.0
    back: TurnedBack | Asked | None = None
    flight: Flight | None = None
    put_off: tuple[Flight, ...] = ()
    known: tuple[Held, ...] = ()
    pending: tuple[tuple[int, Write], ...] = ()
    claimed: tuple[int, ...] = ()
    stood: bool = False
    shown: bool = False
    retired: bool = False
    weight: int = 0
    stage: int = 0
    stage_at: float = 0.0
    judged: bool = False
    stages_judged: int = 0
    finishing: bool = False
    forced: bool = False
    approved: bool = False
    paused: bool = False
    hold: Standing | None = None
    drifts: int = 0
    patience_from: float = 0.0
    difference: tuple[str, ...] = ()
    seen: Seen = Seen()
    looked: bool = True
    torn: bool = False
    base: tuple[int, int] = (0, 0)
    left_running: str = ""
    outcome: str = ""
    outcome_why: str = ""
    last: str = ""
    last_at: float = 0.0

    @property
    def step(self) -> Step | None:
        """The step under the cursor; None at the list's end."""
        return self.steps[self.cursor] if self.cursor < len(self.steps) else None

    @property
    def active(self) -> bool:
        """An attempt is under way."""
        return self.plan is not None and not self.outcome

    @property
    def proven(self) -> bool:
        """B was shown to answer as A does: from here on the gate judges it."""
        return self.back is None and self.plan is not None and Prove() in self.steps[: self.cursor]


def fold(state: State, entries: Iterable[Entry]) -> State:
    """The state after more entries."""
    for entry in entries:
        after = _one(state, entry)
        lease = entry.at + LEASE if after.by == entry.by else after.lease
        said = not isinstance(entry.event, Saw | Took | Left)
        last, last_at = (type(entry.event).__name__, entry.at) if said else (after.last, after.last_at)
        state = replace(after, seq=entry.n, at=entry.at, lease=lease, last=last, last_at=last_at)
    return state


def worker_id(worker: Worker) -> str:
    """How a worker signs its entries."""
    return f"{worker.host}:{worker.pid}:{worker.started}"


def _one(s: State, entry: Entry) -> State:
    event: Event = entry.event
    match event:
        case Opened(_, migration):
            return replace(s, migration=migration)
        case Took(worker):
            lease, torn = entry.at + LEASE, s.torn or s.worker not in (None, worker)
            flight = s.flight and replace(s.flight, denied=False)
            s = replace(s, put_off=tuple([replace(one, denied=False) for one in s.put_off]))
            return replace(s, worker=worker, by=worker_id(worker), lease=lease, flight=flight, looked=False, torn=torn)
        case Left(_, torn):
            return replace(s, worker=None, by="", lease=0.0, torn=s.torn or torn)
        case Started():
            return _started(s, entry, event)
        case Configured(soft):
            return replace(s, soft=soft)
        case Changed(difference):
            return replace(s, difference=difference)
        case Began(step):
            return _began(s, entry, step)
        case Ended():
            return _ended(s, entry, event)
        case Asked():
            return _asked(s, entry, event)
        case Saw():
            return replace(s, seen=_seen(s, event), looked=True, torn=False)
        case Passed(step, why):
            return _passed(s, entry, step, why)
        case TurnedBack():
            return _turned(s, entry, event)
        case Hold(cause, why, for_good):
            return _on_hold(s, entry, cause, why, for_good)
        case Cleared():
            return replace(s, hold=None, patience_from=entry.at)
        case Finished(outcome, why):
            return replace(s, outcome=outcome, outcome_why=why, hold=None, flight=None)
        case _:
            assert_never(event)


def _started(s: State, entry: Entry, event: Started) -> State:
    return State(
        migration=s.migration,
        worker=s.worker,
        by=s.by,
        lease=s.lease,
        torn=s.torn,
        attempt=event.attempt,
        digest=event.digest,
        plan=event.plan,
        soft=event.soft,
        steps=event.plan.forward,
        step_at=entry.at,
        patience_from=entry.at,
        stage=entry.n,
        stage_at=entry.at,
        known=event.plan.originals,
        shown=s.shown and (Drain("b") not in s.steps or bool(s.left_running)),
        seen=Seen(clock=_inherited(s.seen.clock, event.served, entry.at)),
    )


def _inherited(before: Clock, served: tuple[Served, ...], at: float) -> Clock:
    """The clock of a new attempt: caches may still hold what the one before it showed (`rollback --keep-b`)."""
    asked = {(one.server, one.view, one.name, one.rtype) for one in served}
    return note(tuple(one for one in before if (one.server, *one.key) in asked), served, at)


def _seen(s: State, saw: Saw) -> Seen:
    if not saw.alike or s.plan is None:
        return saw.after
    return replace(saw.after, clock=unpacked(saw.alike, saw.after.clock, [held.key for held in s.plan.originals]))


def _on_hold(s: State, entry: Entry, cause: str, why: str, for_good: bool) -> State:
    same = s.hold is not None and s.hold.cause == cause
    since = s.hold.at if s.hold and same else entry.at
    drifts = s.drifts + (cause == "drift" and not same)
    return replace(s, hold=Standing(cause, why, since, for_good), drifts=drifts)


def _began(s: State, entry: Entry, step: Step) -> State:
    if s.flight and s.flight.step == step:
        return s
    pending = ((entry.n, step),) if isinstance(step, Write) else ()
    shown = s.shown or (isinstance(step, Write) and step.target == "weight")
    return replace(s, flight=Flight(step, entry.n, entry.at), pending=(*s.pending, *pending), shown=shown)


def _ended(s: State, entry: Entry, event: Ended) -> State:
    if s.flight is None or s.flight.step != event.step:
        return s  # the list was swapped while the effect was under way: its outcome is read from the world again
    if event.planned and isinstance(event.step, Write):
        assert s.plan is not None
        event = replace(event, now=plans.wanted(s.plan, s.attempt, s.flight.n, event.step))
    match event.result:
        case "done":
            done = _done(replace(s, flight=None, cursor=s.cursor + 1, step_at=entry.at), entry, event)
            return _taken_up(done)
        case "unknown":
            flight = replace(s.flight, tries=s.flight.tries + 1, tried_at=entry.at, why=event.why)
            return _others_first(replace(s, flight=flight), flight)
        case "failed":
            flight = replace(s.flight, tries=s.flight.tries + 1, tried_at=entry.at, why=event.why, denied=True)
            return _others_first(replace(s, flight=flight), flight)
        case "drift":
            return _on_hold(replace(s, flight=None), entry, "drift", event.why, True)
        case _:
            assert_never(event.result)


def _others_first(s: State, failed: Flight) -> State:
    """On the way back no zone, or view of one, waits for another that fails."""
    assert s.plan is not None
    if not s.back or not isinstance(failed.step, Write):
        return s
    batches, zone = s.plan.batches, s.plan.batches[failed.step.batch].zone
    left = s.steps[s.cursor :]
    writes = [step for step in left if isinstance(step, Write)]
    others = [step for step in writes if batches[step.batch].zone != zone]
    if not others:
        return s
    again = [step for step in writes if batches[step.batch].zone == zone]
    steps = (*s.steps[: s.cursor], *others, *again, *left[len(writes) :])  # writes come before all else
    return _taken_up(replace(s, steps=steps, flight=None, put_off=(*s.put_off, failed)))


def _taken_up(s: State) -> State:
    """What was put off goes on where it was, under its own fence, when it is due."""
    found = [one for one in s.put_off if one.step == s.step]
    return replace(s, flight=found[0], put_off=tuple([one for one in s.put_off if one not in found])) if found else s


def _done(s: State, entry: Entry, event: Ended) -> State:
    match event.step:
        case Write():
            return _written(s, entry, event.step, event.now)
        case StandUp():
            return _reached(replace(s, stood=True), event.endpoint)
        case Stop(side):
            return replace(s, approved=False, retired=s.retired or side == "a")
        case _:
            return s


def _reached(s: State, endpoint: Endpoint | None) -> State:
    """The plan with what B is reached by in the place of what stood for it; no record named it yet."""
    if endpoint is None:
        return s
    assert s.plan is not None
    bound = s.plan.bound
    b = replace(bound.b, hostname=endpoint.hostname, alias_zone=endpoint.alias_zone or bound.b.alias_zone)
    return replace(s, plan=replace(s.plan, bound=replace(bound, b=b)))


def _written(s: State, entry: Entry, step: Write, now: tuple[Held, ...]) -> State:
    assert s.plan is not None
    clock = replaced(s.seen.clock, _outgoing(s, step, now), entry.at)
    s = replace(
        s,
        seen=replace(s.seen, clock=clock, drift=() if step.over else s.seen.drift),  # what was seen is overwritten
        known=plans.updated(s.plan, s.known, now),
        pending=tuple((n, write) for n, write in s.pending if write.batch != step.batch),
        claimed=tuple(sorted({*s.claimed, step.batch})),
    )
    if step.target == "restore":
        return replace(s, weight=0)
    if step.target != "weight":
        return s
    base = (s.seen.a.total, s.seen.b.total)
    return replace(
        s, weight=step.weight, stage=entry.n, stage_at=entry.at, patience_from=entry.at, judged=False, base=base
    )


def _outgoing(s: State, step: Write, now: tuple[Held, ...]) -> dict[Key, list[RRset]]:
    """What a write may have put an end to: what was known, and what earlier ones without a definite end had made.

    With the TTL that was last read at the primary, where somebody edited that.
    """
    assert s.plan is not None
    odd = dict(s.seen.ttls)
    present = {held.key: held.rrsets for held in now}
    before = [*plans.found(s.plan, s.known, present)]
    for n, write in s.pending:
        if write.batch == step.batch:
            before += plans.wanted(s.plan, s.attempt, n, write)
    found: dict[Key, list[RRset]] = {}
    for held in before:
        for rrset in held.rrsets:
            key = (*held.key, rrset.rtype)
            r = replace(rrset, ttl=max(rrset.ttl, odd[key])) if key in odd else rrset
            if r not in present.get(held.key, ()):
                found.setdefault(key, []).append(r)
    return found


def _passed(s: State, entry: Entry, step: Step, why: str) -> State:
    moved = replace(s, cursor=s.cursor + 1, step_at=entry.at, approved=False, patience_from=entry.at)
    match step:
        case Soak():
            return replace(moved, judged=True, stages_judged=s.stages_judged + 1)
        case Drain(side) if why:
            skip = 1 if moved.step == Stop(side) else 0
            return replace(moved, cursor=moved.cursor + skip, left_running=why)
        case _:
            return moved


def _turned(s: State, entry: Entry, by: TurnedBack | Asked) -> State:
    """Swap the list. A write under way stays `pending`: it may yet take, and is known when it does."""
    assert s.plan is not None
    over = isinstance(by, Asked) and by.restore
    stand = s.stood or (s.flight is not None and s.flight.step == StandUp())
    keep = isinstance(by, Asked) and by.keep_b
    steps = plans.backward(s.claimed, _unsure(s), stand and not keep, over)
    s = replace(s, back=by, steps=steps, cursor=0, past=(), step_at=entry.at, patience_from=entry.at)
    return replace(s, flight=None, put_off=(), hold=None, paused=False)


def _unsure(s: State) -> set[int]:
    """The batches that may be claimed: nobody knows yet."""
    return {write.batch for _, write in s.pending if write.target == "claim"} - set(s.claimed)


def _asked(s: State, entry: Entry, ask: Asked) -> State:
    assert s.plan is not None
    match ask.verb:
        case "shift":
            return _listed(s, entry, plans.shifted(s.plan, s.steps, ask.weight))
        case "finish":
            steps = plans.finished(s.plan, s.steps)
            ending = s.cursor >= len(s.steps) - len(plans.ending(s.plan))
            s = replace(s, finishing=True, forced=ask.force, approved=True)
            s = replace(s, hold=None, paused=False, patience_from=entry.at)
            return s if ending else _listed(s, entry, steps)
        case "pause":
            return replace(s, paused=True)
        case "resume":
            return _resumed(s, entry, ask)
        case "approve":
            return replace(s, approved=True)
        case "rollback":
            return _turned(s, entry, ask)
        case "abandon":
            steps = plans.writes({*s.claimed, *_unsure(s)}, "abandon", over=True)
            return replace(
                s, back=ask, steps=steps, cursor=0, past=(), flight=None, put_off=(), hold=None, paused=False
            )
        case _:
            assert_never(ask.verb)


def _listed(s: State, entry: Entry, steps: tuple[Step, ...]) -> State:
    """Another forward list: preparation goes on where it was, anything later starts at the first new step."""
    ready = len(plans.preparation(steps))
    preparing = s.cursor < ready
    return replace(
        s,
        steps=steps,
        cursor=s.cursor if preparing else ready,
        past=s.past if preparing else (*s.past, *s.steps[ready : s.cursor]),
        flight=s.flight if preparing else None,
        hold=None,
        paused=False,
        step_at=entry.at,
        patience_from=entry.at,
    )


def _resumed(s: State, entry: Entry, ask: Asked) -> State:
    assert s.plan is not None
    steps = s.steps
    if ask.restore:
        steps = (*steps[: s.cursor], *_again(s), *steps[s.cursor :])
    return replace(
        s,
        steps=steps,
        known=plans.updated(s.plan, s.known, ask.now),
        pending=() if ask.now else s.pending,
        flight=None if ask.restore else s.flight,
        paused=False,
        hold=None,
        patience_from=entry.at,
        seen=replace(s.seen, drift=(), search=Search()),
    )


def _again(s: State) -> tuple[Step, ...]:
    """The writes that put back what we own as it should be at the cursor; what was released is not ours any more."""
    written = [step for step in s.steps[: s.cursor] if isinstance(step, Write)]
    ours = set(s.claimed) - {step.batch for step in written if step.target == "release"}
    left = [step.batch for step in written if step.target == "leave" and step.batch in ours]
    if s.weight > 0 or s.cursor > plans.place(s.steps, Turn()) + 1:
        stay = plans.writes(ours - set(left), "weight", s.weight, over=True)
        return (*stay, *plans.writes(left, "leave", 100, over=True))
    return plans.writes(s.claimed, "claim", over=True)
