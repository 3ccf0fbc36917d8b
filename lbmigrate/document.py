"""The status document, and the plan's names: state as JSON has it. Pure: from the journal alone."""

from typing import Any

from lbmigrate.decide import Note, Wait, decide, phase, ways
from lbmigrate.events import Hold, SideSeen, TurnedBack
from lbmigrate.facts import present, turned_at, verdict
from lbmigrate.fold import State
from lbmigrate.model import RRset, Side
from lbmigrate.plan import Plan, Write, attainable_each, by_type, entry_of, lowered
from lbmigrate.schemes import share
from lbmigrate.weighted import fixed
from lbmigrate.words import iso, tell_step


def document(s: State, now: float | None = None) -> dict[str, Any]:
    """The contract's status document at `now` (by default the journal's last moment); what is not known is None."""
    gate = s.soft.gate
    return {
        "migration": s.migration or None,
        "workflow": s.plan.workflow if s.plan else None,
        "phase": phase(s),
        "outcome": s.outcome or None,
        "weight": s.weight if s.plan else None,
        "stage": stage_number(s),
        "stages": [stage.weight for stage in s.plan.bound.stages] if s.plan else [],
        "fence": _fence(s),
        "plan": s.digest or None,
        "names": _names(s),
        "sides": _sides(s),
        "observed": observed(s),
        "controls": s.seen.controls,
        "gate": {
            "alarm": round(s.seen.alarm, 4),
            "alarm_at": 1 / gate.alpha,
            "promote": round(s.seen.promote, 4),
            "promote_at": 1 / gate.beta,
            "pairs": s.seen.pairs,
        },
        "caches_turn_at": iso(turned_at(s) or None) if s.active else None,
        "watched_seconds": round(s.seen.watched),
        "next": following(s),
        "undo_by": iso(undo_by(s, now or s.at)),
        "last_event": {"seq": s.seq, "at": iso(s.last_at), "event": s.last} if s.seq else None,
        "worker": _worker(s, now or s.at),
    }


def _worker(s: State, now: float) -> dict[str, Any] | None:
    """Who holds the lease at `now`, and until when it lasts without another word of theirs."""
    if s.worker is None or s.lease <= now:
        return None
    return {"host": s.worker.host, "pid": s.worker.pid, "lease_until": iso(s.lease)}


def stage_number(s: State) -> int | None:
    """The present stage, counted from 0; None before the first, and at a weight that is no stage."""
    weights = [stage.weight for stage in s.plan.bound.stages] if s.plan else []
    return weights.index(s.weight) if s.weight in weights else None


def _fence(s: State) -> int | None:
    numbers = [held.fence.number for held in s.known if held.fence]
    return max(numbers, default=None)


def asked(s: State) -> int:
    step = s.flight.step if s.flight else None
    return step.weight if isinstance(step, Write) and step.target == "weight" and not s.back else s.weight


def _names(s: State) -> list[dict[str, Any]]:
    if s.plan is None:
        return []
    found = served_each(s)
    return [
        {
            "name": held.name,
            "zone": entry_of(s.plan.bound, held).zone,
            **({"view": held.view} if held.view else {}),
            "scheme": way.how,
            "ttl": min((r.ttl for r in held.rrsets), default=None),
            "asked": asked(s),
            "attained": s.weight,
            "served": found.get(held.key),
        }
        for held, way in zip(s.known, s.plan.ways, strict=True)
    ]


def served(s: State) -> float | None:
    """B's share of what the authoritative servers hand out, percent, over all names."""
    found = served_each(s).values()
    return round(sum(found) / len(found), 2) if found else None


def served_each(s: State) -> dict[tuple[str, str], float]:
    """B's share of what the authoritative servers hand out for each name, percent, over all servers and types."""
    if s.plan is None:
        return {}
    shares: dict[tuple[str, str], list[float]] = {}
    for one in s.seen.clock:
        rrsets = [RRset(one.name, one.rtype, one.ttl, one.rdatas)] if one.rdatas else []
        if (percent := share(rrsets, s.plan.bound.b)) is not None:
            shares.setdefault((one.view, one.name), []).append(percent)
    return {key: round(sum(found) / len(found), 2) for key, found in shares.items()}


def _sides(s: State) -> dict[str, Any]:
    if s.plan is None:
        return {}
    pairs = (("a", s.plan.bound.a, s.seen.a, s.base[0]), ("b", s.plan.bound.b, s.seen.b, s.base[1]))
    return {name: _side(side, seen, base) for name, side, seen, base in pairs}


def _side(side: Side, seen: SideSeen, base: int) -> dict[str, Any]:
    requests = None if seen.requests is None else seen.total - base
    return {
        "verdict": verdict(seen),
        "addresses": list(side.addresses) or [side.where],
        "requests": requests,
        "active": seen.active,
    }


def observed(s: State) -> float | None:
    """B's share of the clients' requests since the present weight was set, by the sides' own counters, percent."""
    if s.seen.a.requests is None or s.seen.b.requests is None:
        return None
    a, b = s.seen.a.total - s.base[0], s.seen.b.total - s.base[1]
    return round(100 * b / (a + b), 2) if a + b else None


def undo_by(s: State, now: float) -> float | None:
    """When caches would have forgotten B, were it taken out of DNS at `now`; None while no client can know B."""
    if not s.active or not s.shown or s.plan is None or s.retired:
        return None
    ttls = [ttl for ttl, _ in present(s).values()]
    return now + max(ttls, default=0) + max(1.0, s.soft.cache_margin)


def following(s: State) -> str | None:
    """What happens next, in words."""
    if not s.active:
        return None
    if s.hold and s.hold.for_good:
        return f"lbmigrate {ways(s)}"
    if s.paused and not s.hold:
        return "lbmigrate resume"
    now = decide(s)
    if s.hold:
        then = tell_step(s.step) if s.step else "the end"
        return f"go on when the cause of the hold is gone, with: {then}; exit 4 at {iso(s.hold.at + s.soft.soak_limit)}"
    if isinstance(now, Note) and isinstance(now.event, Hold | TurnedBack):
        return f"{'hold' if isinstance(now.event, Hold) else 'turn back to A'}: {now.event.why}"
    waits = f"wait for {now.why}" if isinstance(now, Wait) and now.why else None
    left = [tell_step(step) for step in s.steps[s.cursor : s.cursor + 2]]
    return ", then ".join([waits, *left[1:]] if waits else left) or "the end"


def each(plan: Plan) -> list[dict[str, Any]]:
    """How each name is moved, and the weights that it attains in each of its RRsets."""
    found = zip(attainable_each(plan.bound, plan.originals), plan.ways, strict=True)
    return [
        {
            "name": held.name,
            **({"view": held.view} if held.view else {}),
            "scheme": way.how,
            "types": sorted(held.by_type),
            "attainable": sorted(can),
            "by_type": {rtype: sorted(one) for rtype, one in by_type(plan.bound, held, way, can).items()},
        }
        for (held, can), way in found
    ]


def ttl_of(plan: Plan) -> tuple[int, int]:
    """The highest original TTL of all names, and what it is while the migration is under way."""
    each = [(r.ttl, fixed(r)) for held in plan.originals for r in held.rrsets]
    during = [ttl if stays else lowered(plan, ttl) for ttl, stays in each]
    return max((ttl for ttl, _ in each), default=0), max(during, default=0)
