"""Every rule of movement: `decide(state) -> Next`. Pure; no clock, no I/O, no randomness.

Theory of operation
-------------------
A migration is a list of steps and a cursor. One thing is due at a time, looked for in this order:

1. An attempt that is over, or a list that is used up, ends.
2. Going **back** is never held up: a rollback needs the primary and the key, nothing else. Only drift stops it.
3. Going **forward**, safety comes before progress: turn back (B bad or worse, A proven good *now*); then hold
   (drift, clock, unreadable, servers behind, blind prober, A bad, both bad, too little seen); only then the step.
4. An effect is `Do`: its intent is in the journal before it happens. One is in flight at a time; an unknown
   outcome is tried again after a pause, with the same fence. A refused one ends the command, and the same
   command tries again.
5. A wait passes on the facts of the last look, and only when that look is fresh. Evidence counts watched
   seconds and pairs, caches count the wall clock from first sight.

An operator's word (`permit`) swaps or rewrites the list; the rules above then apply to the new one.

Known weak spots. Caches are trusted to honour TTLs: what stretches them shows only in A's idle proof. The
clock's witness is the primary's signed time; without TSIG there is none. Verdicts need 20 probes in 10 s, so a
rate under two pairs a second a channel never gives one: the migration then holds, and says so. A stop is fenced by
nothing but a last look at the journal: a worker that stands still between the two may stop a side that another
attempt has come to need. The intent to stop A is therefore where the way back ends. Names beyond the plan that still
end at A hold its stop only where the zone may be transferred; elsewhere only its idle proof guards them.
"""

from typing import Literal, assert_never

from lbmigrate import plan as plans
from lbmigrate.errors import Drifted, LbmigrateError, OnHold, Refused
from lbmigrate.events import Asked, Cleared, Ended, Event, Finished, Hold, Passed, TurnedBack
from lbmigrate.facts import (
    RING,
    evidence,
    fresh,
    idle,
    idle_at,
    kept,
    lagging,
    searched,
    serve_limit,
    soak,
    stopping,
    turned,
    turned_at,
    verdict,
    why_behind,
)
from lbmigrate.fold import LEASE, State
from lbmigrate.plan import Drain, Prove, Soak, StandUp, Step, Stop, Turn, Write
from lbmigrate.value import value

SLICE = 5.0  # seconds of watching in one observation; below the lease, so that a watcher keeps it
SOON = 0.5  # seconds until a side that may be idle at any moment is looked at again
PROVE_LIMIT = 60.0  # seconds for B to become as healthy as A and to answer alike, before `start` refuses
MAKE_LIMIT = 900.0  # and where its provider has to make it first: minutes, says AWS of its balancers
SKEW_LIMIT = 60.0  # seconds between our clock and the primary's; TSIG itself allows 300 (RFC 8945 section 10)
TRIES = 3  # unknown outcomes in a row before it is called a hold
SHOWN = 3  # names in one line


@value
class Do:
    """Carry out this step; note its intent first, unless it is in flight already."""

    step: Step


@value
class Note:
    """Write this down."""

    event: Event


@value
class Wait:
    """Watch until then at the latest (Unix seconds); for just SLICE where nobody knows when `why` comes true."""

    until: float
    why: str


@value
class End:
    """Nothing more to do: `word` is the outcome's word, as for exit codes."""

    word: Literal["ok", "rolled-back", "refused", "failed"]
    why: str


Next = Do | Note | Wait | End
WORDS: dict[str, Literal["ok", "rolled-back", "refused"]] = {"gate": "rolled-back", "refused": "refused", "dns": "ok"}


def decide(s: State) -> Next:
    """The one next thing."""
    if s.plan is None:
        return End("ok", "no migration under way")
    if s.outcome:
        return _over(s)
    if s.step is None:
        return Note(_finish(s))
    if s.back:
        return _backward(s, s.step)
    if s.flight and s.seen.shows and s.seen.shows[0] == s.flight.n:
        return Note(Ended(s.flight.step, "done", "found applied", s.seen.shows[1]))
    if s.seen.gone:
        why = "the fence is gone and the original records are in place: undone by hand, or by rollback --from-dns"
        return Note(TurnedBack("dns", why))
    if why := _turn_back(s):
        return Note(TurnedBack("gate", why))
    if trouble := _trouble(s, s.step):
        return _held(s, s.step, trouble)
    if s.hold and not s.hold.for_good:
        return Note(Cleared())
    if s.hold or s.paused:
        return Wait(s.at + SLICE, s.hold.why if s.hold else "lbmigrate resume: paused")
    return _forward(s, s.step)


def _over(s: State) -> End:
    if s.outcome == "rolled-back" and isinstance(s.back, TurnedBack):
        return End(WORDS[s.back.by], s.back.why)
    return End("ok", s.outcome_why or s.outcome)


def _finish(s: State) -> Finished:
    if isinstance(s.back, Asked) and s.back.verb == "abandon":
        return Finished("abandoned", "the fence is removed, nothing else was touched")
    return Finished("rolled-back" if s.back else "done", s.left_running)


# ---------------------------------------------------------------- back


def _backward(s: State, step: Step) -> Next:
    if s.hold:
        return Wait(s.at + SLICE, s.hold.why)
    if isinstance(step, Drain):
        return _drain(s, step)
    return _effect(s, step)


def _turn_back(s: State) -> str:
    """Why to turn back now, or "": only while B is being judged, and only to an A that is proven good now."""
    if not s.proven or s.retired or leaving(s) or s.seen.controls == "bad":
        return ""
    if fresh(s) is False or verdict(s.seen.a) != "ok":
        return ""
    if isinstance(s.step, Write) and s.step.target == "release":
        return ""
    if verdict(s.seen.b) == "bad":
        return f"B is bad: {s.seen.b.why or 'at least half of its last probes failed'}"
    if s.seen.alarm >= 1 / s.soft.gate.alpha:
        how = "is later than `slow`" if s.seen.late else "fails"
        return f"B {how} more often than A (evidence {s.seen.alarm:.0f}, alarm at {1 / s.soft.gate.alpha:.0f})"
    return ""


# ---------------------------------------------------------------- holds


def _held(s: State, step: Step, trouble: Hold) -> Next:
    if s.hold is None or (s.hold.cause != trouble.cause and not s.hold.for_good):
        return Note(trouble)
    if not s.hold.for_good and (trouble.for_good or s.at - s.hold.at >= s.soft.soak_limit):
        return Note(Hold(trouble.cause, trouble.why, True))
    if trouble.cause == s.hold.cause == "unanswered":  # but never beneath another hold: drift stays until `resume`
        return _forward(s, step)
    limit = s.at + SLICE if s.hold.for_good else s.hold.at + s.soft.soak_limit
    return Wait(min(s.at + SLICE, limit), trouble.why)


def _trouble(s: State, step: Step) -> Hold | None:
    judged = s.proven and not s.retired and not _mending(step)
    return _world(s, step) or (_sides(s, step) if judged else None) or _left_at_a(s) or _undecided(s, step)


def _mending(step: Step) -> bool:
    """The operator's word to put back what we own at the present weight: what the zone holds is no reason to wait."""
    return isinstance(step, Write) and step.over


def _world(s: State, step: Step) -> Hold | None:
    """What is wrong with the ground under us: the config, the zone, the clock, the servers."""
    if s.difference:
        return Hold("config", "the config differs from the plan: " + "; ".join(s.difference))
    if s.seen.drift and not _mending(step):
        return Hold("drift", "; ".join(s.seen.drift), True)
    if s.seen.skew is not None and abs(s.seen.skew) > SKEW_LIMIT:
        return Hold("clock", f"this clock and the primary's differ by {-s.seen.skew:+.0f} s; no wait is shortened")
    if s.flight and s.flight.tries >= TRIES and not s.flight.denied:
        return Hold("unanswered", s.flight.why)
    if s.seen.unreadable and not _mending(step):
        return Hold("unreadable", s.seen.unreadable)
    if s.seen.lag_since and s.at - s.seen.lag_since > serve_limit(s):
        return Hold("behind", f"{', '.join(lagging(s))} does not serve the change{why_behind(s)}")
    return None


def _sides(s: State, step: Step) -> Hold | None:
    """The verdict table (design, section 5) as far as it says hold."""
    a, b = verdict(s.seen.a), verdict(s.seen.b)
    if s.seen.controls == "bad":
        return Hold("blind", "the controls do not answer either: the prober is blind")
    if a == "bad" and b == "bad":
        return Hold("both", f"A and B both fail: a shared cause ({s.seen.a.why}; {s.seen.b.why})")
    if a == "bad" and not s.finishing and not (isinstance(step, Drain | Stop) and turned(s)):
        return Hold("a-bad", f"A fails ({s.seen.a.why}); never back to A; to move all traffic to B: lbmigrate finish")
    if "unknown" in (a, b) and s.seen.run >= 2 * LEASE and not s.finishing:
        return Hold("too-little", f"fewer than {RING} probes in {LEASE:.0f} s: no verdict; raise the probe's rate")
    return None


def _left_at_a(s: State) -> Hold | None:
    """Names that the plan does not move, such as those added since: they would lead to an A that is gone."""
    search = s.seen.search
    if not stopping(s):
        return None
    if search.why:
        return Hold("unsearched", f"whether other names still end at A cannot be seen: {search.why}")
    if not search.left:
        return None
    names = ", ".join(search.left[:SHOWN]) + (", …" if len(search.left) > SHOWN else "")
    what = f"{len(search.left)} name(s) that the plan does not move end at A: {names}"
    return Hold("left", f"{what}; point them to B or delete them, or retire A all the same: lbmigrate finish --force")


def _undecided(s: State, step: Step) -> Hold | None:
    if isinstance(step, Soak) and not evidence(s, step) and (begun := turned_at(s)) is not None:
        deadline = max(begun, s.patience_from) + soak(s, step) + s.soft.soak_limit
        if s.at >= deadline:
            return Hold("undecided", _too_little(s), True)
    late = s.at - max(s.step_at, s.patience_from) > s.soft.retire.limit
    if isinstance(step, Drain) and step.side == "a" and late and fresh(s) and not idle(s, "a"):
        who = ", ".join(s.seen.a.clients) or "clients that its counters do not name"
        return Hold("not-idle", f"A is not idle after retire.limit: {s.seen.a.active} connections, from {who}", True)
    return None


# ---------------------------------------------------------------- forward


def _too_little(s: State) -> str:
    found, wanted = f"{s.seen.promote:.1f}", f"{1 / s.soft.gate.beta:.0f}"
    return (
        f"not enough evidence: {found} of {wanted} after {s.seen.pairs} pairs, past soak_limit; "
        "a higher probe rate or a wider gate.promote_margin brings it sooner"
    )


def _forward(s: State, step: Step) -> Next:
    match step:
        case StandUp() if not s.flight and lagging(s) and s.at < s.step_at + SLICE:
            # Caches count from first sight: seen at once, the old TTL runs out while B is stood up.
            return Wait(s.step_at + SLICE, "the lowered TTL to be served")
        case Write() | StandUp() | Prove():
            if isinstance(step, Write) and step.weight > s.weight and not _b_is_good(s):
                return Wait(s.at + SLICE, "fresh proof that B is good before the weight moves")
            if _mending(step) and not (fresh(s) and s.seen.at > s.patience_from):
                return Wait(s.at, "a look at what is overwritten: caches may hold it")
            return _effect(s, step)
        case Stop():
            ready = idle(s, step.side) and (searched(s) or not stopping(s))  # proven anew after a crash, too
            return _effect(s, step) if ready else Wait(s.at + SLICE, f"fresh proof that {step.side.upper()} is idle")
        case Turn():
            return _turn(s, step)
        case Soak():
            return _soaking(s, step)
        case Drain():
            return _drain(s, step)
        case _:
            assert_never(step)


def _b_is_good(s: State) -> bool:
    """Proven now, by this worker's own look; after a crash that takes 20 probes."""
    return fresh(s) and (verdict(s.seen.b) == "ok" or s.forced)


def _effect(s: State, step: Step) -> Next:
    flight = s.flight
    if flight is None or not flight.tries:
        return Do(step)
    if flight.denied and not isinstance(step, Prove):
        return Note(TurnedBack("refused", flight.why)) if isinstance(step, StandUp) else End("failed", _denied(s, step))
    assert s.plan is not None
    limit = MAKE_LIMIT if s.plan.bound.b.place else PROVE_LIMIT
    if flight.denied and s.at - s.step_at > limit:
        return Note(TurnedBack("refused", flight.why))
    again = flight.tried_at + (1.0 if flight.denied else min(0.25 * 2**flight.tries, 30.0))
    return Wait(again, flight.why) if s.at < again else Do(step)


def _denied(s: State, step: Step) -> str:
    """Why, and where the way back itself needs a claim that is refused, the way out."""
    assert s.flight is not None
    claiming = bool(s.back) and isinstance(step, Write) and step.target == "claim"
    return s.flight.why + ("; or forget it, for no traffic was moved: lbmigrate abandon" if claiming else "")


def _serving(s: State) -> Wait:
    if s.seen.at <= s.step_at:
        return Wait(s.at + SLICE, "")  # not looked yet since the write: as a rule they serve it already
    limit = s.at + SLICE if s.back else (s.seen.lag_since or s.at) + serve_limit(s)  # on the way back none holds
    return Wait(limit, f"{', '.join(lagging(s))} to serve the change{why_behind(s)}")


def _turn(s: State, step: Step) -> Next:
    until = turned_at(s)
    if until is None:
        return _serving(s)
    if s.at < until:
        return Wait(until, "caches to turn")
    # A clock that has jumped ahead since the last look has no witness yet.
    return Note(Passed(step)) if fresh(s) else Wait(s.at + SLICE, "a fresh look")


def _soaking(s: State, step: Soak) -> Next:
    begun = turned_at(s)
    if begun is None:
        return _serving(s)
    if s.at < begun:
        return Wait(begun, "caches to turn")
    if not fresh(s):
        return Wait(s.at + SLICE, "a fresh look")
    if step.weight == 0:
        return Note(Passed(step))
    if (left := soak(s, step) - s.seen.soaked) > 1e-6:
        return Wait(s.at + left, "the soak to be watched")
    if not evidence(s, step):
        return Wait(s.at + SLICE, f"evidence: {s.seen.promote:.1f} of {1 / s.soft.gate.beta:.0f}")
    if step.approve and not s.approved:
        return Wait(s.at + SLICE, "approval: lbmigrate approve")
    return Note(Passed(step))


def _drain(s: State, step: Drain) -> Next:
    side = s.seen.a if step.side == "a" else s.seen.b
    if step.side == "b" and not s.shown:
        return Note(Passed(step))
    late = step.side == "b" and s.at - s.step_at > s.soft.retire.limit
    begun = turned_at(s)
    if begun is None and late:  # a server that is dead, or records that others changed since they are theirs again
        return Note(Passed(step, f"{', '.join(lagging(s))}: what was put back is not served there; B is left running"))
    if begun is None:
        return _serving(s)
    if s.at < begun:
        return Wait(begun, "caches to turn")
    if not fresh(s):
        return Wait(s.at + SLICE, "a fresh look")
    if step.side == "b" and verdict(side) == "bad":
        return Note(Passed(step))  # what still asks a bad B gains nothing by its staying; honest caches are done
    name = step.side.upper()
    if step.side == "a" and kept(s):
        return Note(Passed(step, "A is kept running, as retire.keep asks"))
    if side.up and side.requests is None and not s.forced:
        return Note(Passed(step, f"{name} has no counters and cannot be proven idle: it is left running"))
    if late:
        return Note(Passed(step, f"{name} still serves {', '.join(side.clients) or 'clients'}: it is left running"))
    if not idle(s, step.side):
        again = SOON if side.as_of is None else SLICE  # counters that come late are not there sooner for being asked
        return Wait(max(idle_at(s, side), s.at + again), f"{name} to be idle")
    if stopping(s) and not searched(s):
        return Wait(s.at + SLICE, "a search of the zones for names that still end at A")
    if step.side == "a" and s.soft.retire.approve and not s.approved:
        return Wait(s.at + SLICE, "approval to retire A: lbmigrate approve")
    return Note(Passed(step))


# ---------------------------------------------------------------- the operator


def phase(s: State) -> str:
    """The contract's word for where the migration stands."""
    if s.plan is None:
        return "none"
    if s.outcome:
        return {"done": "done", "rolled-back": "rolled-back"}.get(s.outcome, "failed")
    if s.back:
        return "rolling-back"
    if s.hold:
        return "held"
    if s.paused:
        return "paused"
    match s.step:
        case Write(_, "weight" | "leave"):
            return "shifting" if s.flight else "soaking" if s.judged else "preparing"
        case Soak():
            return "shifting" if lagging(s) else "soaking"
        case Drain():
            return "draining"
        case Stop() | Write(_, "release") | None:
            return "retiring"
        case _:
            return "preparing"


def permit(s: State, ask: Asked) -> LbmigrateError | None:
    """Why an operator's word is refused in this state (contract: Verbs by phase); None when it is taken."""
    if s.outcome == "done":
        return Refused(f"{ask.verb}: this migration is done; for the way back swap a and b, then start again")
    if s.plan is None and ask.verb in ("rollback", "abandon"):
        lost = "if names carry a fence all the same, for its journal is lost: lbmigrate rollback --from-dns"
        return Refused(f"{ask.verb}: no migration is under way (none); {lost}; else begin one with: lbmigrate start")
    if s.outcome == "abandoned":
        why = "this migration was abandoned: its records and TTLs are as they were left, and yours to put right"
        return Refused(f"{ask.verb}: {why}; see: lbmigrate history")
    if s.plan is None or s.outcome:
        return Refused(f"{ask.verb}: no migration is under way ({phase(s)}); begin one with: lbmigrate start")
    if s.hold and s.hold.cause == "drift" and ask.verb in ("shift", "finish", "rollback") and not ask.restore:
        way = "rollback --restore" if ask.verb == "rollback" else "resume --accept-drift, or resume --restore"
        return Drifted(f"{ask.verb}: somebody else changed what we own: {s.hold.why}; go on with: lbmigrate {way}")
    if s.retired and ask.verb in ("shift", "rollback", "pause"):
        return Refused(f"{ask.verb}: A is already retired; for the way back swap a and b in the config and start again")
    if leaving(s) and ask.verb in ("shift", "rollback"):
        return Refused(f"{ask.verb}: A is being stopped and may be gone by now; go on with: lbmigrate run")
    if s.back and ask.verb in ("shift", "finish", "pause", "approve"):
        return Refused(f"{ask.verb}: the migration is rolling back; see: lbmigrate status")
    if s.back and ask.verb == "resume" and ask.restore:
        why = "the migration is rolling back; to overwrite what others changed: lbmigrate rollback --restore"
        return Refused(f"resume --restore: {why}")
    if ask.verb == "resume" and s.hold and s.hold.cause == "drift" and not (ask.now or ask.restore):
        return Drifted(f"resume: somebody else changed what we own: {s.hold.why}; go on with: lbmigrate {ways(s)}")
    if ask.verb == "shift":
        return _permit_shift(s, ask)
    if ask.verb == "finish" and not s.judged and not ask.force and not _a_is_bad(s):
        return Refused("finish: the present stage has not been judged and A is not bad; wait for it, or give --force")
    return None


def _permit_shift(s: State, ask: Asked) -> LbmigrateError | None:
    assert s.plan is not None
    can = plans.attainable(s.plan.bound, s.plan.originals)
    if ask.weight not in can:
        names = ", ".join(map(str, can))
        return Refused(f"shift: weight {ask.weight} is not attainable; attainable are {names}; or give --nearest")
    if not ask.force and not s.judged and ask.weight > s.weight:
        where = f"at {s.weight}" if s.stage_at and s.weight else "before the first stage"
        return Refused(f"shift: the stage {where} has not been judged yet; wait for it, or give --force")
    return None


def leaving(s: State) -> bool:
    """The stop of A has begun, and nobody knows that it was refused: from here on A may be gone at any moment."""
    return s.flight is not None and s.flight.step == Stop("a") and not s.flight.denied


def _a_is_bad(s: State) -> bool:
    return verdict(s.seen.a) == "bad" or s.seen.a.up is False


def on_hold(s: State) -> LbmigrateError | None:
    """The error a blocking verb ends with while a hold stands for good."""
    if s.hold is None or not s.hold.for_good:
        return None
    if s.hold.cause == "drift":
        again = f" for the {s.drifts}. time: somebody owns this" if s.drifts > 1 else ""
        return Drifted(f"somebody else changed what we own{again}: {s.hold.why}; go on with: lbmigrate {ways(s)}")
    return OnHold(f"held at {s.weight} %: {s.hold.why}; go on with: lbmigrate {ways(s)}")


def ways(s: State) -> str:
    """The ways on from a hold for good, as commands."""
    if s.hold and s.hold.cause == "a-bad":
        return "finish, or lbmigrate resume once A is well"
    if s.hold is None or s.hold.cause != "drift":
        return "resume, or lbmigrate rollback"
    return "rollback --restore" if s.back else "resume --accept-drift, or lbmigrate resume --restore"
