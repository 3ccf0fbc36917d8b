"""Going on by the plan: `start`, `run`, `tick`."""

import time
from typing import TYPE_CHECKING

import click

from lbmigrate.errors import Busy, Refused, RolledBack
from lbmigrate.events import TurnedBack
from lbmigrate.flags import Common
from lbmigrate.verbs import said, work

if TYPE_CHECKING:
    from lbmigrate.engine import Goal
    from lbmigrate.parts import Parts
    from lbmigrate.spec import Config


def start(common: Common, dry_run: bool, yes: bool, digest: str, no_wait: bool, nearest: bool) -> int:
    """See the command line's help."""
    del yes
    from lbmigrate.engine import first_stage, shown

    return _begin(common, dry_run, digest, nearest, shown if no_wait else first_stage, no_wait)


def run(common: Common, dry_run: bool, yes: bool, digest: str, nearest: bool) -> int:
    """See the command line's help."""
    del yes
    from lbmigrate.engine import over

    state = work.state(common)
    if state.outcome == "rolled-back":
        raise RolledBack("the last attempt was rolled back, and run does not try for ever; begin anew: lbmigrate start")
    if state.outcome == "done" and work.another(common, state):
        raise Refused(f"{said.where(state)}; the config is another plan by now; begin it: lbmigrate start")
    if state.outcome:
        return said.say(common, said.where(state))
    return _begin(common, dry_run, digest, nearest, over, lines=True)


def _begin(
    common: Common, dry_run: bool, digest: str, nearest: bool, goal: "Goal", no_wait: bool = False, lines: bool = False
) -> int:
    from lbmigrate import assemble

    with work.at_work(common, lines=lines, begins=True) as (engine, parts, chosen):
        if engine.state.active and engine.state.back and not lines:
            return said.result(common, engine, said.going_back(engine.state))
        chosen_plan = work.planned(engine, parts, chosen, nearest)
        work.same_plan(digest, chosen_plan)
        if dry_run:
            return said.print_plan(common, chosen_plan, chosen)
        if not engine.state.active:
            parts.sides["b"].check(parts.sides["a"].describe())
            _hint(common, parts, chosen)
            engine.begin(chosen_plan, chosen.soft, assemble.served(chosen_plan, parts.zones))
        if no_wait and engine.busy():
            raise Busy("another process is at work on this migration; see: lbmigrate status")
        work.judged(engine, engine.drive(parts, goal))
    return said.result(common, engine, said.where(engine.state))


def _hint(common: Common, parts: "Parts", chosen: "Config") -> None:
    """What a beginning should know of names that stay at A."""
    from lbmigrate.preflight import others
    from lbmigrate.words import safe

    for one in others(parts, chosen):
        if one.level == "hint" and not common.quiet:
            click.echo(f"hint: {safe(one.what)}", err=True)


def tick(common: Common, seconds: float) -> int:
    """See the command line's help. Exits 3, 4 or 5 in the tick in which that happens, 0 when nothing is due."""
    from lbmigrate.decide import on_hold
    from lbmigrate.engine import over

    before = work.state(common)
    if not before.active:
        return 0
    with work.at_work(common, lines=True) as (engine, parts, _):
        if engine.busy():
            return 0
        held = engine.state.hold is not None and engine.state.hold.for_good
        end = engine.drive(parts, over, until=time.time() + seconds)
        if isinstance(engine.state.back, TurnedBack) and before.back is None:
            _turned_back(engine.state.back)
        if engine.state.outcome == "":
            work.judged(engine, end)
        if not held and (wrong := on_hold(engine.state)):
            raise wrong
    return 0


def _turned_back(back: TurnedBack) -> None:
    """Raise what turning back by itself means in the tick in which it happens."""
    if back.by == "gate":
        raise RolledBack(f"turned back to A: {back.why}; see: lbmigrate status")
    if back.by == "refused":
        raise Refused(f"B is not fit to take traffic: {back.why}; the zone is put back; mend B, then start again")
