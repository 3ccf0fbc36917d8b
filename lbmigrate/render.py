"""State as text and as the status document. Pure: from the journal alone."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, assert_never

from lbmigrate.decide import Wait, decide, phase, ways
from lbmigrate.events import (
    Asked,
    Began,
    Changed,
    Cleared,
    Configured,
    Ended,
    Entry,
    Finished,
    Hold,
    Left,
    Opened,
    Passed,
    Saw,
    SideSeen,
    Started,
    Took,
    TurnedBack,
)
from lbmigrate.facts import present, turned_at, verdict
from lbmigrate.fold import State
from lbmigrate.model import RRset, Side
from lbmigrate.plan import (
    Drain,
    Plan,
    Prove,
    Soak,
    StandUp,
    Step,
    Stop,
    Turn,
    Write,
    attainable_each,
    by_type,
    entry_of,
    lowered,
    preparation,
)
from lbmigrate.schemes import share
from lbmigrate.value import replace
from lbmigrate.weighted import fixed

SHOWN = 3  # names on one line
LINES = 20  # names that each have a line of their own


def iso(at: float | None) -> str | None:
    """RFC 3339, UTC, whole seconds."""
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(at: float) -> str:
    """The local time of day."""
    return datetime.fromtimestamp(at).strftime("%H:%M:%S")


def span(seconds: float) -> str:
    """A duration as people write it: 0.4 s, 45 s, 5 min 10 s, 2 h 5 min."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if round(seconds) < 7200:
        seconds = round(seconds)
        return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
    return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"


def safe(text: str) -> str:
    """Text from elsewhere, with everything that a terminal would obey made visible."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


# ---------------------------------------------------------------- the status document


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


def _asked(s: State) -> int:
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
            "asked": _asked(s),
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
    waits = f"wait for {now.why}" if isinstance(now, Wait) and now.why else None
    left = [tell_step(step) for step in s.steps[s.cursor : s.cursor + 2]]
    return ", then ".join([waits, *left[1:]] if waits else left) or "the end"


def tell_step(step: Step) -> str:
    """One step of a plan, in words."""
    match step:
        case Write(_, "claim"):
            return "claim the names, lower the TTL"
        case Write(_, "weight", 0):
            return "weight 0: B is at most a standby (SRV: a larger priority number)"
        case Write(_, "weight", weight):
            return f"weight {weight}"
        case Write(_, "leave"):
            return "take A out of DNS, where it stands by"
        case Write(_, "release"):
            return "restore the TTL, remove the fence"
        case Write(_, "restore"):
            return "put the zone back as it was"
        case Write():
            return "remove the fence"
        case StandUp():
            return "stand B up with every backend"
        case Prove():
            return "prove that B answers as A does"
        case Turn():
            return "let caches turn"
        case Soak(weight):
            return f"soak at {weight}"
        case Drain(side):
            return f"prove {side.upper()} idle"
        case Stop(side):
            return f"{'retire A' if side == 'a' else 'stop B'}"
        case _:
            assert_never(step)


# ---------------------------------------------------------------- text


def _names_text(names: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each name; of very many, a line for all that are alike."""
    told = [
        (one["name"], f"asked {one['asked']} %  served {_known(one['served'])} %  ttl {one['ttl']} s") for one in names
    ]
    if len(told) <= LINES:
        return [f"  {name}  {what}" for name, what in told]
    alike: dict[str, list[str]] = {}
    for name, what in told:
        alike.setdefault(what, []).append(name)
    return [f"  {some(those)}  {what}" for what, those in alike.items()]


def status_text(s: State, now: float | None = None) -> str:
    """`status` for people."""
    doc = document(s, now)
    if s.plan is None:
        return f"{s.migration or 'no migration'}: nothing under way; begin with: lbmigrate start"
    lines = [f"{s.migration}  {doc['phase']}  weight {s.weight} %  stages {' '.join(map(str, doc['stages']))}"]
    if s.outcome:
        lines.append(f"  outcome   {s.outcome}{': ' + safe(s.outcome_why) if s.outcome_why else ''}")
    if s.hold:
        lines.append(f"  held      {safe(s.hold.why)} (since {iso(s.hold.at)})")
    lines += _names_text(doc["names"])
    lines.append(f"  observed  {_known(doc['observed'])} % of the requests at B since this weight was set")
    for key, side in doc["sides"].items():
        lines.append(
            f"  {key.upper()} {side['verdict']:8} {' '.join(side['addresses'])}  "
            f"requests {_known(side['requests'])}  active {_known(side['active'])}"
        )
    gate = doc["gate"]
    lines.append(
        f"  gate      alarm {gate['alarm']:.2f} of {gate['alarm_at']:.0f}, "
        f"evidence {gate['promote']:.1f} of {gate['promote_at']:.0f}, {gate['pairs']} pairs; "
        f"controls {doc['controls'] or 'none given'}"
    )
    lines += [f"  caches    turn at {doc['caches_turn_at']}"] if doc["caches_turn_at"] else []
    lines += [f"  undo      complete by {doc['undo_by']} if begun now"] if doc["undo_by"] else []
    lines += [f"  next      {safe(doc['next'])}"] if doc["next"] else []
    worker = doc["worker"]
    lines += [f"  at work   {safe(worker['host'])}, pid {worker['pid']}"] if worker and s.active else []
    if s.active:
        lines += ["", *_way(s)]
    return "\n".join(lines)


def _known(number: object) -> object:
    return "?" if number is None else number


def _way(s: State) -> list[str]:
    """The list of steps, with those that the operator's `shift` or `finish` took out of it when they were done."""
    ready = len(preparation(s.steps)) if s.past else 0
    return steps_text((*s.steps[:ready], *s.past, *s.steps[ready:]), s.cursor + len(s.past))


def steps_text(steps: tuple[Step, ...], cursor: int) -> list[str]:
    """The list of steps, one line each, with a mark at the cursor (writes of several batches on one line)."""
    lines: list[str] = []
    for (first, step), (following_, _) in zip(runs(steps), [*runs(steps)[1:], (len(steps), None)], strict=True):
        mark = ">" if first <= cursor < following_ else "x" if first < cursor else " "
        lines.append(f"  {mark} {tell_step(step)}")
    return lines


def runs(steps: tuple[Step, ...]) -> list[tuple[int, Step]]:
    """The steps with their places; of the writes that do the same to one batch after the other, the first."""
    found: list[tuple[int, Step]] = []
    before: Step | None = None
    for index, step in enumerate(steps):
        if not (isinstance(step, Write) and isinstance(before, Write) and replace(before, batch=step.batch) == step):
            found.append((index, step))
        before = step
    return found


def plan_text(plan: Plan, rows: list[tuple[str, str, str, str]], digest: str, can: tuple[int, ...]) -> str:
    """`plan` for people: step, how long it takes, when it is done, and what undo costs there."""
    head = ("step", "takes", "done at the earliest", "undo")
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [
        f"{plan.bound.migration}: {len(plan.originals)} name(s) from {plan.bound.a.where} to {plan.bound.b.where}",
        f"attainable weights: {weights(can)}",
        *_each_text(plan),
        f"digest: {digest}",
        "",
    ]
    lines += ["  ".join(["", *map(str.ljust, row, widths)]).rstrip() for row in (head, *rows)]
    return "\n".join(lines)


def weights(can: Iterable[int]) -> str:
    """Weights in a row, whole percents without a gap as `0..100`."""
    found: list[list[int]] = []
    for weight in sorted(can):
        if found and weight == found[-1][-1] + 1:
            found[-1].append(weight)
        else:
            found.append([weight])
    return " ".join(f"{run[0]}..{run[-1]}" if len(run) > 2 else " ".join(map(str, run)) for run in found)


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


def _each_text(plan: Plan) -> list[str]:
    """A line for each way of moving and what it attains; names that are alike stand on one line."""
    alike: dict[str, list[str]] = {}
    for one in each(plan):
        types = ", ".join(f"{rtype} {weights(can)}" for rtype, can in one["by_type"].items())
        alike.setdefault(f"{one['scheme']}: {types}", []).append(one["name"])
    return [f"  {some(names)}  {line}" for line, names in alike.items()]


def some(names: Sequence[str]) -> str:
    """The first few of them, and how many more."""
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"


def ttl_of(plan: Plan) -> tuple[int, int]:
    """The highest original TTL of all names, and what it is while the migration is under way."""
    each = [(r.ttl, fixed(r)) for held in plan.originals for r in held.rrsets]
    during = [ttl if stays else lowered(plan, ttl) for ttl, stays in each]
    return max((ttl for ttl, _ in each), default=0), max(during, default=0)


# ---------------------------------------------------------------- events


def entry_text(entry: Entry, s: State) -> str:
    """One journal entry as one line for people; "" for those that only matter to machines."""
    event = entry.event
    match event:
        case Opened() | Took() | Left() | Configured():
            return ""
        case Started(attempt, digest):
            return f"started attempt {attempt}, plan {digest[:19]}…"
        case Changed(difference):
            return f"the config differs: {safe('; '.join(difference))}" if difference else "the config agrees again"
        case Began(step):
            return f"begin: {tell_step(step)}"
        case Ended(step, "done"):
            return f"done: {tell_step(step)}"
        case Ended(step, result, why):
            return f"{result}: {tell_step(step)}: {safe(why)}"
        case Asked():
            return f"asked: {event.verb}{f' to {event.weight}' if event.verb == 'shift' else ''}"
        case Saw():
            return _saw_text(event, s)
        case Passed(step, why):
            return f"passed: {tell_step(step)}{': ' + safe(why) if why else ''}"
        case TurnedBack(_, why):
            return f"turned back: {safe(why)}"
        case Hold(_, why, for_good):
            return f"hold{' until resumed' if for_good else ''}: {safe(why)}"
        case Cleared():
            return "hold cleared: its cause is gone"
        case Finished(outcome, why):
            return f"finished: {outcome}{': ' + safe(why) if why else ''}"
        case _:
            assert_never(event)


def _saw_text(saw: Saw, s: State) -> str:
    seen = saw.after
    return (
        f"watched {span(saw.seconds)} at {s.weight} %: A {verdict(seen.a)}, B {verdict(seen.b)}, "
        f"served {_known(served(s))} %, observed {_known(observed(s))} %, "
        f"evidence {seen.promote:.3g}, alarm {seen.alarm:.3g}"
    )


def entry_json(entry: Entry, s: State) -> dict[str, Any]:
    """One line of `run -o json`."""
    return {
        "seq": entry.n,
        "at": datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "event": type(entry.event).__name__,
        "phase": phase(s),
        "weight": _asked(s),
        "text": entry_text(entry, s),
    }
