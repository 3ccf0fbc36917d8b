"""The operator's words: asked first, then followed by whoever is at work."""

import sys
from typing import TYPE_CHECKING

from lbmigrate.echo import echo
from lbmigrate.errors import Busy, Refused, Usage
from lbmigrate.events import Asked
from lbmigrate.flags import Common
from lbmigrate.fold import State
from lbmigrate.value import replace
from lbmigrate.verbs import said, work

if TYPE_CHECKING:
    from lbmigrate.engine import Goal
    from lbmigrate.model import Held


def _ask(common: Common, ask: Asked, goal: "Goal", no_wait: bool, dry_run: bool, digest: str) -> int:
    """Append an operator's word and drive until its goal."""
    with work.at_work(common) as (engine, parts, _):
        if not _may(common, engine.state, ask, dry_run, digest):
            return 0
        if no_wait and engine.busy():
            raise Busy("another process is at work on this migration; see: lbmigrate status")
        engine.ask(ask)
        work.judged(engine, engine.drive(parts, goal))
        return said.result(common, engine, said.where(engine.state))


def _may(common: Common, s: State, ask: Asked, dry_run: bool, digest: str) -> bool:
    """Whether to ask now. Raises what forbids it; a dry run says what would be asked for."""
    from lbmigrate.decide import permit

    if s.plan is not None:
        work.same_plan(digest, s.plan)
    if refusal := permit(s, ask):
        raise refusal
    if dry_run:
        what = f"{ask.verb}{f' to {ask.weight} %' if ask.verb == 'shift' else ''}"
        said.say(common, f"would ask for: {what}; nothing was changed")
    return not dry_run


def shift(
    common: Common, weight: int, force: bool, dry_run: bool, yes: bool, digest: str, no_wait: bool, nearest: bool
) -> int:
    """See the command line's help."""
    del yes
    from lbmigrate.engine import shown, stage_at
    from lbmigrate.plan import attainable

    state = work.state(common)
    if nearest and state.plan is not None:
        can = attainable(state.plan.bound, state.plan.originals)
        weight = min(can, key=lambda one: (abs(one - weight), one))
    settled = stage_at(weight, state.seq)
    goal = (lambda s: not s.active or (shown(s) and s.weight == weight)) if no_wait else settled
    return _ask(common, Asked("shift", weight, force), goal, no_wait, dry_run, digest)


def finish(common: Common, force: bool, dry_run: bool, yes: bool, digest: str, no_wait: bool) -> int:
    """See the command line's help."""
    from lbmigrate.engine import over, shown

    if work.state(common).outcome == "done":
        return said.say(common, "already done")
    if not dry_run:
        _confirm("finish", "Take all traffic to B and retire A?", yes)
    goal = (lambda s: not s.active or (shown(s) and s.weight == 100)) if no_wait else over
    return _ask(common, Asked("finish", force=force), goal, no_wait, dry_run, digest)


def rollback(
    common: Common, keep_b: bool, from_dns: bool, restore: bool, dry_run: bool, yes: bool, digest: str, no_wait: bool
) -> int:
    """See the command line's help. The zone comes first; then B is taken down by the config as it is now."""
    from lbmigrate.engine import over, zone_back

    if not dry_run:
        _confirm("rollback", "Put the zone back as it was?", yes)
    if from_dns:
        return _from_dns(common, restore, dry_run)
    ask, (url, known) = Asked("rollback", keep_b=keep_b, restore=restore), work.at_hand(common)
    if known.outcome == "rolled-back":
        return said.say(common, "already rolled back")
    if not _may(common, known, ask, dry_run, digest):
        return 0
    with work.at_once(common, url, known) as (engine, parts):
        engine.ask(ask)
        work.judged(engine, engine.drive(parts, zone_back))
    if engine.state.active and not common.quiet:
        echo("the zone is as it was; caches forget B by themselves; now B is taken down", err=True)
    if engine.state.active and not no_wait:
        with work.afterwards(common, url, engine.state) as (engine, parts):
            work.judged(engine, engine.drive(parts, over))
    return said.result(common, engine, said.where(engine.state))


def _from_dns(common: Common, restore: bool, dry_run: bool) -> int:
    from lbmigrate import assemble, config
    from lbmigrate.from_dns import restore as put_back

    chosen = config.load(work.config_path(common))
    if chosen.discover:
        from lbmigrate import gather

        names = gather.fenced(chosen.bound, chosen.discover)
        chosen = replace(chosen, bound=replace(chosen.bound, names=names))
    lines = put_back(chosen.bound, assemble.zones(chosen), dry_run, restore)
    return said.say(common, ("; " if common.output == "json" else "\n").join(lines))


def _confirm(verb: str, question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise Usage(f"{verb}: no terminal to ask on; give --yes")
    import click

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
    with work.at_work(common) as (engine, _, _):
        engine.ask(ask)
        return said.result(common, engine, said.where(engine.state))


def resume(common: Common, accept_drift: bool, restore: bool) -> int:
    """See the command line's help."""
    if accept_drift and restore:
        raise Usage("resume: --accept-drift and --restore exclude each other")
    from lbmigrate.engine import put_back

    with work.at_work(common) as (engine, parts, chosen):
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
        return said.result(common, engine, said.where(engine.state))


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
    text = leftovers(work.state(common))
    code = _ask(common, Asked("abandon"), over, False, dry_run, "")
    echo(text, err=common.output == "json")
    return code
