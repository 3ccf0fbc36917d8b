"""How a result is said: one line, or one JSON document."""

import json
import time
from typing import TYPE_CHECKING

from lbmigrate.echo import echo
from lbmigrate.errors import LbmigrateError
from lbmigrate.flags import Common
from lbmigrate.fold import State

if TYPE_CHECKING:
    from lbmigrate.engine import Engine
    from lbmigrate.plan import Plan
    from lbmigrate.spec import Config


def result(common: Common, engine: "Engine", message: str) -> int:
    """Say how it ended: one line, or in JSON a document with the status."""
    from lbmigrate.document import document

    if common.output == "json":
        doc = {"outcome": "ok", "code": 0, "message": message, "status": document(engine.state)}
        echo(json.dumps(doc))
    else:
        echo(message)
    return 0


def say(common: Common, message: str) -> int:
    """A result without more to it: one line, or one JSON document."""
    if common.output == "json":
        echo(json.dumps({"outcome": "ok", "code": 0, "message": message}))
    else:
        echo(message)
    return 0


def where(s: State) -> str:
    from lbmigrate.decide import phase
    from lbmigrate.document import following

    if not s.active:
        return f"{s.migration}: {s.outcome or 'no migration under way'}{f' ({s.outcome_why})' if s.outcome_why else ''}"
    stands = s.paused or (s.hold is not None and s.hold.for_good)  # then "next" names the operator's own words
    way = "" if stands else "; go on with: lbmigrate run"
    return f"{s.migration}: {phase(s)} at {s.weight} %; next: {following(s)}{way}"


def going_back(s: State) -> str:
    from lbmigrate.document import following

    way = "follow it: lbmigrate run, or look: lbmigrate status; when it is over begin anew: lbmigrate start"
    return f"{s.migration}: a rollback is under way at {s.weight} %, next: {following(s)}; {way}"


def print_plan(common: Common, plan: "Plan", chosen: "Config") -> int:
    from lbmigrate import render
    from lbmigrate.document import each
    from lbmigrate.plan import attainable, digest
    from lbmigrate.schedule import rows, schedule

    due = schedule(plan, chosen.soft)
    can = attainable(plan.bound, plan.originals)
    if common.output == "json":
        steps = [{"step": d.step, "least_seconds": d.least, "most_seconds": d.most, "undo": d.undo} for d in due]
        doc = {"plan": digest(plan), "attainable": list(can), "names": each(plan), "steps": steps}
        echo(json.dumps(doc))
    else:
        echo(render.plan_text(plan, rows(due, time.time()), digest(plan), can))
    return 0


def warn(message: str) -> None:
    """A line of stderr for each line of what is to be known but stops nothing."""
    from lbmigrate.words import safe

    echo("\n".join(f"lbmigrate: {safe(line)}" for line in message.splitlines()), err=True)


def fail(common: Common, wrong: LbmigrateError) -> int:
    """The one line of an error, and its exit code."""
    if common.output == "json":
        echo(json.dumps({"outcome": wrong.word, "code": wrong.code, "message": str(wrong), **wrong.more}))
    warn(str(wrong))
    return wrong.code
