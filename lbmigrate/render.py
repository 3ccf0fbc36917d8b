"""State, plan and events as text for people. Pure: from the journal alone."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, assert_never

from lbmigrate.decide import phase
from lbmigrate.document import asked, document, each, observed, served
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
    Started,
    Took,
    TurnedBack,
)
from lbmigrate.facts import verdict
from lbmigrate.fold import State
from lbmigrate.plan import Plan, Step, preparation
from lbmigrate.words import iso, known, runs, safe, some, span, tell_step, weights

LINES = 20  # names that each have a line of their own


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
    lines.append(f"  observed  {known(doc['observed'])} % of the requests at B since this weight was set")
    for key, side in doc["sides"].items():
        lines.append(
            f"  {key.upper()} {side['verdict']:8} {' '.join(side['addresses'])}  "
            f"requests {known(side['requests'])}  active {known(side['active'])}"
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


def _names_text(names: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each name; of very many, a line for all that are alike."""
    told = [
        (one["name"], f"asked {one['asked']} %  served {known(one['served'])} %  ttl {one['ttl']} s") for one in names
    ]
    if len(told) <= LINES:
        return [f"  {name}  {what}" for name, what in told]
    alike: dict[str, list[str]] = {}
    for name, what in told:
        alike.setdefault(what, []).append(name)
    return [f"  {some(those)}  {what}" for what, those in alike.items()]


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


def _each_text(plan: Plan) -> list[str]:
    """A line for each way of moving and what it attains; names that are alike stand on one line."""
    alike: dict[str, list[str]] = {}
    for one in each(plan):
        types = ", ".join(f"{rtype} {weights(can)}" for rtype, can in one["by_type"].items())
        alike.setdefault(f"{one['scheme']}: {types}", []).append(one["name"])
    return [f"  {some(names)}  {line}" for line, names in alike.items()]


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
        f"served {known(served(s))} %, observed {known(observed(s))} %, "
        f"evidence {seen.promote:.3g}, alarm {seen.alarm:.3g}"
    )


def entry_json(entry: Entry, s: State) -> dict[str, Any]:
    """One line of `run -o json`."""
    return {
        "seq": entry.n,
        "at": datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "event": type(entry.event).__name__,
        "phase": phase(s),
        "weight": asked(s),
        "text": entry_text(entry, s),
    }
