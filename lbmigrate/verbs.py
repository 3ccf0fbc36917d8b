"""What each verb does: read the config, ask or drive the engine, print. Every function returns an exit code."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click

from lbmigrate.cli import Common
from lbmigrate.errors import Busy, Failed, LbmigrateError, Refused, RolledBack, Usage
from lbmigrate.events import Asked, TurnedBack
from lbmigrate.fold import State, fold
from lbmigrate.journal import connect
from lbmigrate.value import replace

if TYPE_CHECKING:
    from lbmigrate.decide import End
    from lbmigrate.engine import Engine, Goal
    from lbmigrate.model import Held
    from lbmigrate.parts import Parts
    from lbmigrate.plan import Plan
    from lbmigrate.spec import Config


LIVE = 2.5  # seconds of `status --live`: 20 probes at the default rate


def config_path(common: Common) -> str:
    """`-c`, then $LBMIGRATE_CONFIG, then lbmigrate.yaml."""
    return common.config or os.environ.get("LBMIGRATE_CONFIG") or "lbmigrate.yaml"


# ---------------------------------------------------------------- from the journal alone


def _state(common: Common) -> State:
    """The state by the journal, with no more than its address read from the config."""
    from lbmigrate import config

    name, url = config.light(config_path(common))
    with closing(connect(url, name)) as journal:
        state = fold(State(migration=name), journal.read())
    if state.migration != name:
        raise Usage(f"the journal {url} belongs to the migration {state.migration!r}, the config names {name!r}")
    return state


def status(common: Common, live: bool, exit_code: bool, undo: bool) -> int:
    """See the command line's help."""
    from lbmigrate import render

    if live:
        _look_once(common)
    state = _state(common)
    if undo:
        from lbmigrate.undo import commands

        undo_text = commands(state)
        click.echo(json.dumps({"undo": undo_text}) if common.output == "json" else undo_text)
        return 0
    if common.output == "json":
        click.echo(json.dumps(render.document(state, time.time())))
    else:
        click.echo(render.status_text(state, time.time()))
    return _exit_code(state) if exit_code else 0


def _look_once(common: Common) -> None:
    """`--live`: one look of a few seconds, unless somebody is watching anyway."""
    with _at_work(common) as (engine, parts, _):
        engine.observe(parts, LIVE)


def _exit_code(s: State) -> int:
    from lbmigrate.decide import on_hold

    if s.active:
        wrong = on_hold(s)
        return wrong.code if wrong else 8
    return 3 if s.outcome == "rolled-back" else 1 if s.outcome == "abandoned" else 0


def history(common: Common, verify: bool) -> int:
    """See the command line's help."""
    from lbmigrate import config, render

    name, url = config.light(config_path(common))
    with closing(connect(url, name)) as journal:
        if verify:
            return _say(common, f"{journal.verify()} entries, every one follows from the one before")
        entries = journal.read(whole=True)
    state = State(migration=name)
    for entry in entries:
        state = fold(state, [entry])
        if common.output == "json":
            click.echo(json.dumps(render.entry_json(entry, state)))
        elif text := render.entry_text(entry, state):
            click.echo(f"{entry.n:5} {render.iso(entry.at)} {render.safe(entry.by):24} {text}")
    return 0


# ---------------------------------------------------------------- driving


@contextmanager
def _at_work(
    common: Common, changes: bool = True, lines: bool = False, begins: bool = False
) -> Iterator[tuple["Engine", "Parts", "Config"]]:
    """The config, its drivers and an engine on its journal; the lease is given back at the end.

    `changes`: the verb is one that moves the migration, so an edited config is noted first. `lines`: with `-o json` it
    prints a line per event (`run`, `tick`), not one document. `begins`: it needs the names even where nothing is under
    way.
    """
    from lbmigrate import assemble, config, worker
    from lbmigrate.difference import difference
    from lbmigrate.engine import Engine
    from lbmigrate.progress import Progress

    chosen = config.load(config_path(common))
    progress = Progress(lines and common.output == "json", common.quiet, common.verbose)
    journal = connect(chosen.journal, chosen.bound.migration)
    begun = fold(State(), journal.read())
    if begun.migration not in ("", chosen.bound.migration):
        raise Usage(
            f"{chosen.path}: the journal belongs to the migration {begun.migration!r}, the config names"
            f" {chosen.bound.migration!r}; name it so again, or give the new one a journal: of its own"
        )
    chosen = _named(chosen, begun, begins)
    given = chosen.bound
    if begun.active and begun.plan is not None:
        chosen = replace(chosen, bound=begun.plan.bound)  # what is looked at, judged and undone is what was begun
    parts = assemble.parts(chosen, begun.active)
    engine = Engine(journal, parts.clock, worker.here(), worker.alive, progress.tell, progress.waiting)
    if changes and engine.state.active:
        engine.configure(chosen.soft, difference(chosen.bound, given))
    try:
        yield engine, parts, chosen
    finally:
        progress.close()
        if engine.state.active or engine.state.outcome:
            engine.leave()
        journal.close()


def _named(chosen: "Config", begun: State, begins: bool) -> "Config":
    """With `names: discover`: the names of the plan that was begun, for none comes in unseen; else those of now."""
    if not chosen.discover:
        return chosen
    plan, bound = begun.plan, chosen.bound
    if plan is not None and (begun.active or (begun.outcome == "done" and replace(plan.bound, names=()) == bound)):
        return replace(chosen, bound=replace(bound, names=plan.bound.names))
    if not begins:
        return chosen
    from lbmigrate import gather

    return replace(chosen, bound=replace(bound, names=gather.bound_names(bound, chosen.discover)))


def _over(state: State, chosen: "Config") -> str:
    """Why there is nothing to begin, or "": the migration of this very config is done."""
    if state.outcome == "done" and state.plan is not None and state.plan.bound == chosen.bound:
        return (
            f"{state.migration} is done: the names lead to B; to go back swap a and b in the config,"
            " to go on to another balancer make this b the a, and name a new b"
        )
    return ""


def _judged(engine: "Engine", end: "End | None") -> None:
    """Raise what the end of a drive means. Coming back by the gate is exit 3, an unfit B is exit 6."""
    from lbmigrate.decide import End, decide

    s = engine.refresh()
    now = end if isinstance(end, End) and end.word != "ok" else decide(s)
    if s.active and not (isinstance(now, End) and now.word == "failed"):
        return
    if isinstance(now, End) and now.word == "rolled-back":
        raise RolledBack(f"rolled back, traffic is on A: {now.why}; see: lbmigrate history")
    if isinstance(now, End) and now.word == "refused":
        raise Refused(f"B is not fit to take traffic: {now.why}; the zone is as it was; mend B, then start again")
    if isinstance(now, End) and now.word == "failed":
        raise Failed(f"{now.why}; the same command can be given again")


def _result(common: Common, engine: "Engine", message: str) -> int:
    """Say how it ended: one line, or in JSON a document with the status."""
    from lbmigrate import render

    if common.output == "json":
        doc = {"outcome": "ok", "code": 0, "message": message, "status": render.document(engine.state)}
        click.echo(json.dumps(doc))
    else:
        click.echo(message)
    return 0


def _say(common: Common, message: str) -> int:
    """A result without more to it: one line, or one JSON document."""
    if common.output == "json":
        click.echo(json.dumps({"outcome": "ok", "code": 0, "message": message}))
    else:
        click.echo(message)
    return 0


def _where(s: State) -> str:
    from lbmigrate import render
    from lbmigrate.decide import phase

    if not s.active:
        return f"{s.migration}: {s.outcome or 'no migration under way'}{f' ({s.outcome_why})' if s.outcome_why else ''}"
    stands = s.paused or (s.hold is not None and s.hold.for_good)  # then "next" names the operator's own words
    way = "" if stands else "; go on with: lbmigrate run"
    return f"{s.migration}: {phase(s)} at {s.weight} %; next: {render.following(s)}{way}"


def _going_back(s: State) -> str:
    from lbmigrate import render

    way = "follow it: lbmigrate run, or look: lbmigrate status; when it is over begin anew: lbmigrate start"
    return f"{s.migration}: a rollback is under way at {s.weight} %, next: {render.following(s)}; {way}"


def _planned(engine: "Engine", parts: "Parts", chosen: "Config", nearest: bool) -> "Plan":
    """The plan of the attempt under way, or a new one for what the zones hold now."""
    from lbmigrate import assemble

    if engine.state.active and engine.state.plan is not None:
        return engine.state.plan
    if over := _over(engine.state, chosen):
        raise Refused(over)
    originals = assemble.survey(chosen.bound, parts.zones)
    found = assemble.planned(chosen.bound, originals, nearest)
    if assemble.pointed(originals) and chosen.bound.b.hostname:
        fit, what = assemble.target(chosen.bound, parts.zones)
        if not fit:
            raise Refused(what)
    return found


def _same_plan(wanted: str, plan: "Plan") -> None:
    from lbmigrate.plan import digest

    if wanted and wanted != digest(plan):
        raise Refused(f"the plan is {digest(plan)}, not the one reviewed; look again: lbmigrate plan")


def _print_plan(common: Common, plan: "Plan", chosen: "Config") -> int:
    from lbmigrate import render
    from lbmigrate.plan import attainable, digest
    from lbmigrate.schedule import rows, schedule

    due = schedule(plan, chosen.soft)
    can = attainable(plan.bound, plan.originals)
    if common.output == "json":
        steps = [{"step": d.step, "least_seconds": d.least, "most_seconds": d.most, "undo": d.undo} for d in due]
        doc = {"plan": digest(plan), "attainable": list(can), "names": render.each(plan), "steps": steps}
        click.echo(json.dumps(doc))
    else:
        click.echo(render.plan_text(plan, rows(due, time.time()), digest(plan), can))
    return 0


def plan(common: Common, nearest: bool) -> int:
    """See the command line's help."""
    with _at_work(common, changes=False, begins=True) as (engine, parts, chosen):
        if engine.state.active and engine.state.back:
            click.echo(f"lbmigrate: {_going_back(engine.state)}; this was the plan:", err=True)
        return _print_plan(common, _planned(engine, parts, chosen, nearest), chosen)


def check(common: Common) -> int:
    """See the command line's help."""
    from lbmigrate.preflight import findings

    with _at_work(common, changes=False, begins=True) as (engine, parts, chosen):
        if over := _over(engine.state, chosen):
            raise Refused(f"check: {over}")
        found = findings(engine.state, parts, chosen)
    if common.output == "json":
        click.echo(json.dumps([{"level": one.level, "what": one.what} for one in found]))
    else:
        for one in found:
            click.echo(f"{one.level:5} {one.what}")
    failed = [one for one in found if one.level == "no"]
    if failed:
        more = f"check: {len(failed)} preconditions not met, the first: " if len(failed) > 1 else "check: "
        raise failed[0].kind(f"{more}{failed[0].what}")
    return 0


def discover(common: Common, names: tuple[str, ...], section: bool) -> int:
    """See the command line's help."""
    from lbmigrate import config, gather, listing
    from lbmigrate.render import safe

    seen = gather.discover(config.load(config_path(common)).bound, config.owners(names))
    for line in listing.remarks(seen):
        click.echo(f"lbmigrate: {safe(line)}", err=True)
    if common.output == "json":
        click.echo(json.dumps(listing.document(seen)))
    else:
        click.echo(listing.section(seen) if section else listing.table(seen))
    return 0


def start(common: Common, dry_run: bool, yes: bool, digest: str, no_wait: bool, nearest: bool) -> int:
    """See the command line's help."""
    del yes
    from lbmigrate.engine import first_stage, shown

    return _begin(common, dry_run, digest, nearest, shown if no_wait else first_stage, no_wait)


def run(common: Common, dry_run: bool, yes: bool, digest: str, nearest: bool) -> int:
    """See the command line's help."""
    del yes
    from lbmigrate.engine import over

    state = _state(common)
    if state.outcome == "rolled-back":
        raise RolledBack("the last attempt was rolled back, and run does not try for ever; begin anew: lbmigrate start")
    if state.outcome:
        return _say(common, _where(state))
    return _begin(common, dry_run, digest, nearest, over, lines=True)


def _begin(
    common: Common, dry_run: bool, digest: str, nearest: bool, goal: "Goal", no_wait: bool = False, lines: bool = False
) -> int:
    from lbmigrate import assemble

    with _at_work(common, lines=lines, begins=True) as (engine, parts, chosen):
        if engine.state.active and engine.state.back and not lines:
            return _result(common, engine, _going_back(engine.state))
        chosen_plan = _planned(engine, parts, chosen, nearest)
        _same_plan(digest, chosen_plan)
        if dry_run:
            return _print_plan(common, chosen_plan, chosen)
        if not engine.state.active:
            parts.sides["b"].check(parts.sides["a"].describe())
            _hint(common, parts, chosen)
            engine.begin(chosen_plan, chosen.soft, assemble.served(chosen_plan, parts.zones))
        if no_wait and engine.busy():
            raise Busy("another process is at work on this migration; see: lbmigrate status")
        _judged(engine, engine.drive(parts, goal))
    return _result(common, engine, _where(engine.state))


def _hint(common: Common, parts: "Parts", chosen: "Config") -> None:
    """What a beginning should know of names that stay at A."""
    from lbmigrate.preflight import others
    from lbmigrate.render import safe

    for one in others(parts, chosen):
        if one.level == "hint" and not common.quiet:
            click.echo(f"hint: {safe(one.what)}", err=True)


def tick(common: Common, seconds: float) -> int:
    """See the command line's help. Exits 3, 4 or 5 in the tick in which that happens, 0 when nothing is due."""
    from lbmigrate.decide import on_hold
    from lbmigrate.engine import over

    before = _state(common)
    if not before.active:
        return 0
    with _at_work(common, lines=True) as (engine, parts, _):
        if engine.busy():
            return 0
        held = engine.state.hold is not None and engine.state.hold.for_good
        end = engine.drive(parts, over, until=time.time() + seconds)
        if isinstance(engine.state.back, TurnedBack) and before.back is None:
            _turned_back(engine.state.back)
        if engine.state.outcome == "":
            _judged(engine, end)
        if not held and (wrong := on_hold(engine.state)):
            raise wrong
    return 0


def _turned_back(back: TurnedBack) -> None:
    """Raise what turning back by itself means in the tick in which it happens."""
    if back.by == "gate":
        raise RolledBack(f"turned back to A: {back.why}; see: lbmigrate status")
    if back.by == "refused":
        raise Refused(f"B is not fit to take traffic: {back.why}; the zone is put back; mend B, then start again")


def _ask(common: Common, ask: Asked, goal: "Goal", no_wait: bool, dry_run: bool, digest: str) -> int:
    """Append an operator's word and drive until its goal."""
    from lbmigrate.decide import permit

    with _at_work(common) as (engine, parts, _):
        if engine.state.plan is not None:
            _same_plan(digest, engine.state.plan)
        if refusal := permit(engine.state, ask):
            raise refusal
        if dry_run:
            what = f"{ask.verb}{f' to {ask.weight} %' if ask.verb == 'shift' else ''}"
            return _say(common, f"would ask for: {what}; nothing was changed")
        if no_wait and ask.verb != "rollback" and engine.busy():
            raise Busy("another process is at work on this migration; see: lbmigrate status")
        engine.ask(ask)
        _judged(engine, engine.drive(parts, goal))
        return _result(common, engine, _where(engine.state))


def shift(
    common: Common, weight: int, force: bool, dry_run: bool, yes: bool, digest: str, no_wait: bool, nearest: bool
) -> int:
    """See the command line's help."""
    del yes
    from lbmigrate.engine import shown, stage_at
    from lbmigrate.plan import attainable

    state = _state(common)
    if nearest and state.plan is not None:
        can = attainable(state.plan.bound, state.plan.originals)
        weight = min(can, key=lambda one: (abs(one - weight), one))
    settled = stage_at(weight, state.seq)
    goal = (lambda s: not s.active or (shown(s) and s.weight == weight)) if no_wait else settled
    return _ask(common, Asked("shift", weight, force), goal, no_wait, dry_run, digest)


def finish(common: Common, force: bool, dry_run: bool, yes: bool, digest: str, no_wait: bool) -> int:
    """See the command line's help."""
    from lbmigrate.engine import over, shown

    if _state(common).outcome == "done":
        return _say(common, "already done")
    if not dry_run:
        _confirm("finish", "Take all traffic to B and retire A?", yes)
    goal = (lambda s: not s.active or (shown(s) and s.weight == 100)) if no_wait else over
    return _ask(common, Asked("finish", force=force), goal, no_wait, dry_run, digest)


def rollback(
    common: Common, keep_b: bool, from_dns: bool, restore: bool, dry_run: bool, yes: bool, digest: str, no_wait: bool
) -> int:
    """See the command line's help."""
    from lbmigrate.engine import over, zone_back

    if not dry_run:
        _confirm("rollback", "Put the zone back as it was?", yes)
    if from_dns:
        return _from_dns(common, restore, dry_run)
    if _state(common).outcome == "rolled-back":
        return _say(common, "already rolled back")
    told: list[bool] = []

    def goal(s: State) -> bool:
        if zone_back(s) and not told:
            told.append(True)
            if not common.quiet and s.active:
                click.echo("the zone is as it was; caches forget B by themselves; now B is taken down", err=True)
        return zone_back(s) if no_wait else over(s)

    return _ask(common, Asked("rollback", keep_b=keep_b, restore=restore), goal, no_wait, dry_run, digest)


def _from_dns(common: Common, restore: bool, dry_run: bool) -> int:
    from lbmigrate import assemble, config
    from lbmigrate.from_dns import restore as put_back

    chosen = config.load(config_path(common))
    if chosen.discover:
        from lbmigrate import gather

        names = gather.fenced(chosen.bound, chosen.discover)
        chosen = replace(chosen, bound=replace(chosen.bound, names=names))
    lines = put_back(chosen.bound, assemble.zones(chosen), dry_run, restore)
    return _say(common, ("; " if common.output == "json" else "\n").join(lines))


def _confirm(verb: str, question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise Usage(f"{verb}: no terminal to ask on; give --yes")
    if not click.confirm(question, err=True):
        raise Usage(f"{verb}: not confirmed; nothing was changed")


def approve(common: Common) -> int:
    """See the command line's help."""
    return _word(common, Asked("approve"))


def pause(common: Common) -> int:
    """See the command line's help."""
    return _word(common, Asked("pause"))


def _word(common: Common, ask: Asked) -> int:
    """An operator's word that needs no work of this process: whoever drives heeds it."""
    with _at_work(common) as (engine, _, _):
        engine.ask(ask)
        return _result(common, engine, _where(engine.state))


def resume(common: Common, accept_drift: bool, restore: bool) -> int:
    """See the command line's help."""
    if accept_drift and restore:
        raise Usage("resume: --accept-drift and --restore exclude each other")
    from lbmigrate.engine import put_back

    with _at_work(common) as (engine, parts, chosen):
        now: tuple[Held, ...] = ()
        if accept_drift and engine.state.plan is not None:
            now = tuple(
                held for batch in engine.state.plan.batches for held in parts.zones[batch.zone].read(batch.names).held
            )
            _readable(now)
        del chosen
        engine.ask(Asked("resume", restore=restore, now=now))
        if restore:
            engine.drive(parts, put_back)
        return _result(common, engine, _where(engine.state))


def _readable(now: "tuple[Held, ...]") -> None:
    """Raise Refused for a LUA record that is not of our form: what it answers, nobody here can tell."""
    from lbmigrate import lua

    strange = [held.name for held in now for r in held.rrsets if r.rtype == "LUA" and not all(map(lua.read, r.rdatas))]
    if strange:
        raise Refused(
            f"resume: {strange[0]} holds LUA code that lbmigrate did not write; go on with: lbmigrate resume --restore"
        )


def abandon(common: Common, dry_run: bool, yes: bool) -> int:
    """See the command line's help."""
    from lbmigrate.engine import over
    from lbmigrate.undo import leftovers

    if not dry_run:
        _confirm("abandon", "Forget this migration and leave everything as it is?", yes or not sys.stdin.isatty())
    text = leftovers(_state(common))
    code = _ask(common, Asked("abandon"), over, False, dry_run, "")
    click.echo(text, err=common.output == "json")
    return code


# ---------------------------------------------------------------- the rest


def policy(common: Common, server: str | None) -> int:
    """See the command line's help."""
    from lbmigrate import policy as rules
    from lbmigrate.needed import needs

    kinds = [server] if server else list(rules.SERVERS)
    with _at_work(common, changes=False, begins=True) as (engine, parts, chosen):
        found = needs(chosen.bound, parts.zones, engine.state.plan if engine.state.active else None)
    if common.output == "json":
        click.echo(json.dumps([rules.document(where, each, kinds) for where, each in found.items()]))
    else:
        click.echo("\n\n".join(rules.text(each, kinds) for each in found.values()))
    return 0


def schema(common: Common) -> int:
    """See the command line's help."""
    del common
    from lbmigrate import config

    click.echo(json.dumps(config.schema(), indent=2))
    return 0


def completion(common: Common, shell: str) -> int:
    """See the command line's help."""
    del common
    from click.shell_completion import get_completion_class

    from lbmigrate.cli import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise Usage(f"completion: no script for {shell}")
    click.echo(kind(cli, {}, "lbmigrate", "_LBMIGRATE_COMPLETE").source())
    return 0


def rehearse(common: Common, file: str, real: bool, virtual: bool, keep: str, **instead: object) -> int:
    """See the command line's help."""
    from pathlib import Path

    from lbmigrate.lab.command import rehearse as play

    return play(common, Path(file), real, virtual, keep, **instead)


def fail(common: Common, wrong: LbmigrateError) -> int:
    """The one line of an error, and its exit code."""
    from lbmigrate.render import safe

    if common.output == "json":
        click.echo(json.dumps({"outcome": wrong.word, "code": wrong.code, "message": str(wrong)}))
    click.echo("\n".join(f"lbmigrate: {safe(line)}" for line in str(wrong).splitlines()), err=True)
    return wrong.code
