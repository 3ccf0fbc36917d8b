"""What the state says about the world: verdicts, freshness, who lags, when caches turn, who is idle. Pure."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

from lbmigrate import caches, lua
from lbmigrate.caches import Key, behind
from lbmigrate.caches import turned_at as caches_turned_at
from lbmigrate.events import SideSeen
from lbmigrate.fold import LEASE, State
from lbmigrate.model import Held, SideName
from lbmigrate.plan import Drain, Soak, Stop, found, wanted
from lbmigrate.value import Same

RING = 20  # probes that a verdict needs
ASTRAY = 2  # own probes at the two ends of a window that late counters may have put on its other side
SEARCHED = 60.0  # seconds for which a search of the zones is good enough to stop A on

Verdict = Literal["ok", "bad", "unknown"]


def verdict(side: SideSeen) -> Verdict:
    """Bad while at least half of the last 20 probes of any channel failed; unknown under 20 (design, section 5)."""
    if not side.recent or any(len(ring) < RING for ring in side.recent):
        return "unknown"
    return "bad" if any(2 * ring.count("0") >= len(ring) for ring in side.recent) else "ok"


def fresh(s: State) -> bool:
    """The last look is of now, and of the worker who asks."""
    return s.looked and s.at - s.seen.at <= LEASE


def present(s: State) -> dict[Key, tuple[int, tuple[str, ...]]]:
    """What every server should serve: TTL and records of each RRset as last read at the primary."""
    return _present(Same(s.known), Same(s.seen.ttls))


@lru_cache(maxsize=2)
def _present(known: Same, ttls: Same) -> dict[Key, tuple[int, tuple[str, ...]]]:
    odd = dict(ttls.thing)  # type: ignore[call-overload]
    keyed = [((*held.key, r.rtype), r) for held in known.thing for r in held.rrsets]  # type: ignore[attr-defined]
    return {key: (odd.get(key, r.ttl), r.rdatas) for key, r in keyed}


def lagging(s: State) -> tuple[str, ...]:
    """The authoritative servers that do not serve what the primary holds."""
    return _lagging(Same(s.seen.clock), Same(s.known), Same(s.seen.ttls))


@lru_cache(maxsize=4)
def _lagging(clock: Same, known: Same, ttls: Same) -> tuple[str, ...]:
    return behind(clock.thing, _present(known, ttls))  # type: ignore[arg-type]


def missing(s: State) -> dict[str, list[tuple[str, str]]]:
    """By lagging server the names, with their views, that it does not serve as the primary holds them."""
    return _missing(Same(s.seen.clock), Same(s.known), Same(s.seen.ttls))


@lru_cache(maxsize=2)
def _missing(clock: Same, known: Same, ttls: Same) -> dict[str, list[tuple[str, str]]]:
    return caches.missing(clock.thing, _present(known, ttls))  # type: ignore[arg-type]


def why_behind(s: State) -> str:
    """What the servers that lag say for themselves, in words to go on with; "" where they merely serve the old."""
    said = sorted({one.error for one in s.seen.clock if one.error})
    return f": {'; '.join(said)}" if said else ""


def turned_at(s: State) -> float | None:
    return _turned_at(Same(s.seen.clock), Same(s.known), Same(s.seen.ttls), s.soft.cache_margin)


@lru_cache(maxsize=4)
def _turned_at(clock: Same, known: Same, ttls: Same, margin: float) -> float | None:
    return caches_turned_at(clock.thing, _present(known, ttls), margin)  # type: ignore[arg-type]


def turned(s: State) -> bool:
    at = turned_at(s)
    return at is not None and at <= s.at


def serve_limit(s: State) -> float:
    assert s.plan is not None
    return min(entry.serve_limit for entry in s.plan.bound.dns)


def soak(s: State, step: Soak) -> float:
    return s.soft.soak if step.soak is None else step.soak


def evidence(s: State, step: Soak) -> bool:
    both = verdict(s.seen.a) == verdict(s.seen.b) == "ok"
    return step.weight == 0 or (both and s.seen.stage == s.stage and s.seen.promote >= 1 / s.soft.gate.beta)


def idle_at(s: State, side: SideSeen) -> float:
    """When the window without foreign requests can be full, going by what was seen so far."""
    start = max(turned_at(s) or s.at, side.quiet[0][0] if side.quiet else s.at)
    over = [at for at, count in side.quiet if count > _most(s, side)]
    return max(start, *over) + s.soft.retire.idle_for if over else start + s.soft.retire.idle_for


def idle(s: State, name: SideName) -> bool:
    """Proven idle by its own counters over a whole window after caches turned; a side that is gone is idle.

    The window ends with the last look, or where late counters end: nobody has counted since.
    """
    side = s.seen.a if name == "a" else s.seen.b
    if not fresh(s) or not turned(s) or side.up is None:
        return False
    if not side.up:
        return True
    if side.requests is None:
        return s.forced and name == "a"
    end = s.seen.at if side.as_of is None else side.as_of
    recent = sum(count for at, count in side.quiet if at > end - s.soft.retire.idle_for)
    return end >= idle_at(s, side) and recent <= _most(s, side) and not side.active


def _most(s: State, side: SideSeen) -> int:
    return s.soft.retire.max_requests + (ASTRAY if side.as_of is not None else 0)


def kept(s: State) -> bool:
    """A stays as it is. Where a provider runs both sides, `retire.keep` leaves it there without backends instead."""
    assert s.plan is not None
    return s.soft.retire.keep and not s.plan.bound.provided


def stopping(s: State) -> bool:
    """A is to be stopped once it is idle, by the plan and not by force: a name that still ends there would be lost."""
    here = isinstance(s.step, Drain | Stop) and s.step.side == "a"
    counted = s.seen.a.up is True and s.seen.a.requests is not None  # an A without counters is left running
    return here and counted and turned(s) and not (kept(s) or s.forced)


def searched(s: State) -> bool:
    """The zones were looked through a moment ago for names that still end at A."""
    return not s.seen.search.why and s.at - s.seen.search.at <= SEARCHED


def expected(state: State, names: Iterable[Held]) -> dict[tuple[str, str], list[Held]]:
    """What these names may hold: what was last proven, and what any write without a definite end may yet make them."""
    assert state.plan is not None
    known = found(state.plan, state.known, [held.key for held in names])
    may = {held.key: [held] for held in known}
    for n, write in state.pending:
        for held in wanted(state.plan, state.attempt, n, write):
            if held.key in may:
                may[held.key].append(held)
    return may


def alike(one: Held, other: Held) -> bool:
    """The same values and the same fence; TTLs aside."""
    if one is other:
        return True
    values = {r.rtype: r.rdatas for r in one.rrsets} == {r.rtype: r.rdatas for r in other.rrsets}
    return values and one.fence == other.fence


def differences(state: State, now: Iterable[Held]) -> list[str]:
    """How names differ from everything that we may have left there, in words; nothing for those that are ours."""
    now = list(now)
    may = expected(state, now)
    strange = [held for held in now if not any(alike(held, option) for option in may[held.key])]
    return [f"{held.name} holds {describe(held)}, {_instead(state, held, may[held.key][0])}" for held in strange]


def odd_ttls(state: State, now: Iterable[Held]) -> list[tuple[Key, int]]:
    """The RRsets that stand there with another TTL than what was last proven, and that TTL."""
    assert state.plan is not None
    now = list(now)
    mine = found(state.plan, state.known, [held.key for held in now])
    known = {(*held.key, r.rtype): r.ttl for held in mine for r in held.rrsets}
    seen = {(*held.key, r.rtype): r.ttl for held in now for r in held.rrsets}
    return [(key, ttl) for key, ttl in seen.items() if known.get(key, ttl) != ttl]


def _instead(state: State, held: Held, ours: Held) -> str:
    """What a name does not hold; and what somebody who began to undo the migration by hand should know."""
    by_hand = ", as before the migration (undone by hand? to undo the rest: lbmigrate rollback --restore)"
    return f"not {describe(ours)}{by_hand if undone(state, (held,)) else ''}"


def undone(state: State, now: tuple[Held, ...]) -> bool:
    """Somebody put these claimed names back without this journal: no fence, and the originals in place."""
    assert state.plan is not None
    known, originals = (
        found(state.plan, held, [one.key for one in now]) for held in (state.known, state.plan.originals)
    )
    return now == originals and all(one.fence is not None for one in known)


def describe(held: Held) -> str:
    """Records and fence of one name, on one line."""
    texts = [(r.rtype, map(lua.shown, r.rdatas) if r.rtype == "LUA" else r.rdatas) for r in held.rrsets]
    values = ", ".join(f"{rtype} {' '.join(each)}" for rtype, each in texts) or "no record"
    return f"{values} ({f'fence {held.fence.attempt}/{held.fence.number}' if held.fence else 'no fence'})"
