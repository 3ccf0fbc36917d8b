"""What verbs work with: the config, the state by the journal, drivers and engine; the plan, and what an end means."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from lbmigrate.errors import Failed, Refused, RolledBack, Usage
from lbmigrate.flags import Common
from lbmigrate.fold import State, fold
from lbmigrate.journal import connect
from lbmigrate.value import replace
from lbmigrate.verbs import said

if TYPE_CHECKING:
    from lbmigrate.decide import End
    from lbmigrate.engine import Engine
    from lbmigrate.journal import Journal
    from lbmigrate.parts import Parts
    from lbmigrate.plan import Plan
    from lbmigrate.spec import Config


def config_path(common: Common) -> str:
    """`-c`, then $LBMIGRATE_CONFIG, then lbmigrate.yaml."""
    return common.config or os.environ.get("LBMIGRATE_CONFIG") or "lbmigrate.yaml"


def state(common: Common) -> State:
    """The state by the journal, with no more than its address read from the config."""
    return known(common)[1]


def known(common: Common) -> tuple[str, State]:
    """The journal's URL, and the state by it."""
    from lbmigrate import config

    name, url = config.light(config_path(common))
    state = _read(name, url)
    if state.migration != name:
        raise Usage(f"the journal {url} belongs to the migration {state.migration!r}, the config names {name!r}")
    return url, state


def at_hand(common: Common) -> tuple[str, State]:
    """`known`; where lbmigrate.yaml is gone, by the journal beside it. One that was named is missed: it may be a slip
    of the pen, and the journal another migration's."""
    try:
        return known(common)
    except Usage:
        path = config_path(common)
        if common.config or os.environ.get("LBMIGRATE_CONFIG") or os.path.lexists(path):
            raise
        from lbmigrate import config

        url = config.beside(path)
        if not (state := _read("", url)).active:
            raise
        said.warn(f"{path} is gone; {url} holds the migration {state.migration}")
        return url, state


def _read(name: str, url: str) -> State:
    with closing(connect(url, name)) as journal:
        return fold(State(migration=name), journal.read())


@contextmanager
def afterwards(common: Common, url: str, begun: State) -> Iterator[tuple["Engine", "Parts"]]:
    """`at_work`; with a config that is broken or gone by now `at_once`, and what is wrong with it."""
    from lbmigrate import config

    try:
        chosen = config.load(config_path(common))
    except Usage as wrong:
        said.warn(f"{wrong}\nB is taken down by the config that the journal holds")
        with at_once(common, url, begun) as found:
            yield found
    else:
        with at_work(common, chosen=chosen) as (engine, parts, _):
            yield engine, parts


@contextmanager
def at_once(common: Common, url: str, begun: State) -> Iterator[tuple["Engine", "Parts"]]:
    """What `at_work` gives, for an attempt under way and from its journal alone: records are put back before the config
    is read, and before what they do not need is imported."""
    from lbmigrate import assemble
    from lbmigrate.spec import Config

    assert begun.plan is not None
    chosen = Config(config_path(common), begun.plan.bound, begun.soft, url)
    with _engine(common, connect(url, begun.migration), assemble.parts(chosen, True)) as found:
        yield found


@contextmanager
def at_work(
    common: Common,
    changes: bool = True,
    lines: bool = False,
    begins: bool = False,
    chosen: "Config | None" = None,
) -> Iterator[tuple["Engine", "Parts", "Config"]]:
    """The config, its drivers and an engine on its journal; the lease is given back at the end.

    `chosen`: the config, where it has been read. `changes`: the verb is one that moves the migration, so an edited
    config is noted first. `lines`: with `-o json` it prints a line per event (`run`, `tick`), not one document.
    `begins`: it needs the names even where nothing is under way.
    """
    from lbmigrate import assemble, config
    from lbmigrate.difference import difference

    chosen = chosen or config.load(config_path(common))
    journal = connect(chosen.journal, chosen.bound.migration)
    begun = fold(State(), journal.read())
    if begun.migration not in ("", chosen.bound.migration):
        raise Usage(
            f"{chosen.path}: the journal belongs to the migration {begun.migration!r}, the config names"
            f" {chosen.bound.migration!r}; name it so again, or give the new one a journal: of its own"
        )
    chosen = _named(chosen if begun.active else assemble.located(chosen), begun, begins)
    given = chosen.bound
    if begun.active and begun.plan is not None:
        chosen = replace(chosen, bound=begun.plan.bound)  # what is looked at, judged and undone is what was begun
    with _engine(common, journal, assemble.parts(chosen, begun.active), lines) as (engine, parts):
        if changes and engine.state.active:
            engine.configure(chosen.soft, difference(chosen.bound, given))
        yield engine, parts, chosen


@contextmanager
def _engine(
    common: Common, journal: "Journal", parts: "Parts", lines: bool = False
) -> Iterator[tuple["Engine", "Parts"]]:
    from lbmigrate import worker
    from lbmigrate.engine import Engine
    from lbmigrate.progress import Progress

    progress = Progress(lines and common.output == "json", common.quiet, common.verbose)
    engine = Engine(journal, parts.clock, worker.here(), worker.alive, progress.tell, progress.waiting)
    try:
        yield engine, parts
    finally:
        progress.close()
        if engine.state.active or engine.state.outcome:
            engine.leave()
        journal.close()


def _named(chosen: "Config", begun: State, begins: bool) -> "Config":
    """With `names: discover`: the names of the plan that was begun, for none comes in unseen; else those of now."""
    if not chosen.discover:
        return chosen
    from lbmigrate.difference import difference

    plan, bound = begun.plan, chosen.bound
    same = plan is not None and not difference(replace(plan.bound, names=()), bound)
    if plan is not None and (begun.active or (begun.outcome == "done" and same)):
        return replace(chosen, bound=replace(bound, names=plan.bound.names))
    if not begins:
        return chosen
    from lbmigrate import gather

    return replace(chosen, bound=replace(bound, names=gather.bound_names(bound, chosen.discover)))


def another(common: Common, state: State) -> bool:
    """Whether the config is of another migration than the one that is done; stages may since have been edited."""
    from lbmigrate import config
    from lbmigrate.difference import difference

    assert state.plan is not None
    bound = _named(config.load(config_path(common)), state, False).bound
    return bool(difference(state.plan.bound, replace(bound, stages=state.plan.bound.stages)))


def ended(state: State, chosen: "Config") -> str:
    """Why there is nothing to begin, or "": the migration of this very config is done."""
    from lbmigrate.difference import difference

    if state.outcome == "done" and state.plan is not None and not difference(state.plan.bound, chosen.bound):
        return (
            f"{state.migration} is done: the names lead to B; to go back swap a and b in the config,"
            " to go on to another balancer make this b the a, and name a new b"
        )
    return ""


def planned(engine: "Engine", parts: "Parts", chosen: "Config", nearest: bool) -> "Plan":
    """The plan of the attempt under way, or a new one for what the zones hold now."""
    from lbmigrate import assemble

    if engine.state.active and engine.state.plan is not None:
        return engine.state.plan
    if over := ended(engine.state, chosen):
        raise Refused(over)
    originals = assemble.survey(chosen.bound, parts.zones)
    found = assemble.planned(chosen.bound, originals, nearest)
    if assemble.pointed(originals) and chosen.bound.b.hostname:
        fit, what = assemble.target(chosen.bound, parts.zones)
        if not fit:
            raise Refused(what)
    return found


def same_plan(wanted: str, plan: "Plan") -> None:
    from lbmigrate.plan import digest

    if wanted and wanted != digest(plan):
        raise Refused(f"the plan is {digest(plan)}, not the one reviewed; look again: lbmigrate plan")


def judged(engine: "Engine", end: "End | None") -> None:
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
