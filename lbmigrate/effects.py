"""Carrying out one step, after its intent is in the journal, and how it ended. Every effect may be repeated.

A worker may stand still for long between two lines of this. What it sends late is refused by the server, because a
rollback writes; but not what it *reads* late and then sends. So the journal is asked once more, after the reading.
"""

from collections.abc import Callable
from typing import assert_never

from lbmigrate.errors import Denied, Drifted, Failed, LbmigrateError, Unreachable, Usage
from lbmigrate.events import Ended, TurnedBack
from lbmigrate.facts import alike, describe, differences, odd_ttls, undone
from lbmigrate.fold import State
from lbmigrate.model import Applied, Backend, Balancer, Emptying, Held, NotApplied, Records, Then, Unknown, Zone
from lbmigrate.parts import Parts
from lbmigrate.plan import Drain, Prove, Soak, StandUp, Step, Stop, Turn, Write, found, wanted
from lbmigrate.value import replace

READ = "claim", "abandon"  # writes that begin with a fresh read: the journal does not know what the names hold


def perform(parts: Parts, state: State, step: Step, n: int, still: Callable[[], bool]) -> Ended:
    """Do what `step` says; `n` numbers its intent. Never raises for what the world answers: that is the outcome.

    Raises Usage for what this process lacks (a secret): another one may have it. `still`: the journal says that this
    intent stands and is this worker's.
    """
    try:
        match step:
            case Write():
                return _write(parts, state, step, n, still)
            case _ if not still():
                return _overtaken(step)
            case StandUp():
                endpoint = parts.sides["b"].stand_up(parts.sides["a"].describe())
                return Ended(step, "done", endpoint=endpoint)
            case Prove():
                assert state.plan is not None
                parts.follow(state.plan.bound)
                return _prove(parts, step)
            case Stop(side):
                _stop(parts.sides[side], side == "a" and state.soft.retire.keep)
                return Ended(step, "done")
            case Turn() | Soak() | Drain():
                raise Failed(f"{step} is a wait, not an effect")
            case _:
                assert_never(step)
    except Unreachable as wrong:
        return Ended(step, "unknown", str(wrong))
    except Drifted as wrong:
        return Ended(step, "drift", str(wrong))
    except Usage:
        raise
    except LbmigrateError as wrong:
        return Ended(step, "failed", str(wrong))


def _stop(one: Balancer, keep: bool) -> None:
    if not keep:
        one.stop()
    elif isinstance(one, Emptying):
        one.empty()


def _overtaken(step: Step) -> Ended:
    return Ended(step, "unknown", "somebody else went on meanwhile; nothing was done")


def _write(parts: Parts, state: State, step: Write, n: int, still: Callable[[], bool]) -> Ended:
    """Read, compare, swap, judge by what the primary then holds (design, section 3)."""
    assert state.plan is not None
    batch = state.plan.batches[step.batch]
    zone = parts.zones[batch.zone]
    now = _before(state, step, zone)
    if not still():
        return _overtaken(step)
    want = _target(state, step, n, now)
    if now.held == want:
        return _done(step, want)
    if step.target == "claim" and all(one.fence and alike(one, then) for one, then in zip(now.held, want, strict=True)):
        return Ended(step, "done", "found applied", now.held)  # with a TTL that was edited since, and may be cached
    if not step.over and (drift := _drift(state, step, now)):
        return Ended(step, "drift", drift)
    noted = dict(state.seen.ttls)
    if step.batch in state.claimed and any(ttl > noted.get(key, 0) for key, ttl in odd_ttls(state, now.held)):
        return Ended(step, "unknown", "a TTL was edited: noted first, because caches hold what is replaced for so long")
    soa = now.soa if step.target == "claim" or _bare(now.held) else None
    match zone.swap(Records(now.held, soa), Records(want), _then(state, step, n)):
        case Applied():
            return _done(step, want)
        case NotApplied(after):
            return _judged(state, step, want, after)
        case Unknown(why):
            return Ended(step, "unknown", why)


def _then(state: State, step: Write, n: int) -> Then:
    """The same change of the next batch: its intent is the entry after this one's end, unless somebody speaks up."""
    assert state.plan is not None
    plan, after = state.plan, state.steps[state.cursor + 1 : state.cursor + 2]
    if step.over or step.target in READ or not (after and isinstance(other := after[0], Write)):
        return None
    batch = plan.batches[other.batch]
    if replace(other, batch=step.batch) != step or batch.zone != plan.batches[step.batch].zone:
        return None
    return lambda: (_known(state, other.batch), Records(wanted(plan, state.attempt, n + 2, other)))


def _bare(held: tuple[Held, ...]) -> bool:
    """Some name has lost its fence, and is overwritten: only the SOA then keeps a late copy of the message from a
    later attempt that comes to hold the same records."""
    return any(one.fence is None for one in held)


def _done(step: Write, want: tuple[Held, ...]) -> Ended:
    """What the plan says need not be said again, name by name; what is abandoned the plan does not know."""
    return Ended(step, "done", now=want) if step.target == "abandon" else Ended(step, "done", planned=True)


def _before(state: State, step: Write, zone: Zone) -> Records:
    """What the swap starts from: what the journal knows, which the swap compares; a read where that is not enough."""
    assert state.plan is not None
    names = state.plan.batches[step.batch].names
    surprises = any(write.batch == step.batch for _, write in state.pending[:-1]) or (
        (state.flight and state.flight.tries) or (isinstance(state.back, TurnedBack) and state.back.by == "dns")
    )
    if step.over or surprises or step.target in READ or _bare((known := _known(state, step.batch)).held):
        return zone.read(names)
    return known


def _known(state: State, index: int) -> Records:
    """What the journal says that the names of a batch hold."""
    assert state.plan is not None
    batch = state.plan.batches[index]
    view = state.plan.bound.dns[batch.zone].view
    return Records(found(state.plan, state.known, [(view, name) for name in batch.names]))


def _target(state: State, step: Write, n: int, now: Records) -> tuple[Held, ...]:
    assert state.plan is not None
    if step.target == "abandon":
        return tuple(replace(held, fence=None) for held in now.held)
    return wanted(state.plan, state.attempt, n, step)


def _drift(state: State, step: Write, now: Records) -> str:
    """A claim needs the very records that the plan was made from; later writes need what one of ours left there."""
    if step.target == "claim" and step.batch not in state.claimed:
        known = {held.key: held for held in state.known}
        return "; ".join(
            f"{held.name} changed since it was planned: it holds {describe(held)}"
            for held in now.held
            if held != known[held.key] and (held.fence is None or differences(state, [held]))
        )
    return "; ".join(differences(state, now.held))


def _judged(state: State, step: Write, want: tuple[Held, ...], after: Records) -> Ended:
    """A swap that was not plainly applied: ours with another TTL (the server clamps), refused for now, or drift."""
    if all(alike(one, other) and one.fence for one, other in zip(after.held, want, strict=True)):
        return Ended(step, "done", now=after.held)
    if undone(state, after.held):
        return Ended(step, "unknown", "the records are as before the migration, without a fence: undone by hand?")
    if not step.over and (drift := _drift(state, step, after)):
        return Ended(step, "drift", drift)
    return Ended(step, "unknown", "the zone changed at the same moment; reading it again")


def _prove(parts: Parts, step: Step) -> Ended:
    """B finds every backend as healthy as A does, and answers as A does."""
    a, b = parts.sides["a"].look(), parts.sides["b"].look()
    if not b.up:
        raise Denied("B does not run, or refuses its socket")
    theirs = {_key(one): one for one in b.backends}
    alive = [one for one in a.backends if one.healthy is not False]
    lacking = [_name(one) for one in alive if not _as_good(one, theirs.get(_key(one)))]
    if lacking:
        raise Denied(f"B does not find these backends as healthy as A does: {', '.join(lacking)}")
    if different := parts.prober.compare():
        raise Denied("A and B do not answer alike: " + "; ".join(different))
    return Ended(step, "done")


def _key(one: Backend) -> tuple[str, str]:
    return one.pool, one.name


def _name(one: Backend) -> str:
    return f"{one.pool}/{one.name} ({one.address}:{one.port})"


def _as_good(on_a: Backend, on_b: Backend | None) -> bool:
    """On B, in the same state, and healthy there where A knows it to be healthy."""
    return on_b is not None and on_b.state == on_a.state and (on_b.healthy is not False) >= (on_a.healthy is True)
