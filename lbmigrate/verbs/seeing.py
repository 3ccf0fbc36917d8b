"""Looking back: `status` and `history`, from the journal alone."""

import json
import time
from contextlib import closing

import click

from lbmigrate.errors import Drifted
from lbmigrate.flags import Common
from lbmigrate.fold import State, fold
from lbmigrate.journal import connect
from lbmigrate.verbs import said, work

LIVE = 2.5  # seconds of `status --live`: 20 probes at the default rate


def status(common: Common, live: bool, exit_code: bool, undo: bool) -> int:
    """See the command line's help."""
    from lbmigrate import render
    from lbmigrate.document import document

    if live:
        _look_once(common)
    state = work.state(common)
    if undo:
        from lbmigrate.undo import commands

        undo_text = commands(state)
        click.echo(json.dumps({"undo": undo_text}) if common.output == "json" else undo_text)
        return 0
    if common.output == "json":
        click.echo(json.dumps(document(state, time.time())))
    else:
        click.echo(render.status_text(state, time.time()))
    return _exit_code(state) if exit_code else 0


def _look_once(common: Common) -> None:
    """`--live`: one look of a few seconds, unless somebody is watching anyway."""
    with work.at_work(common) as (engine, parts, _):
        engine.observe(parts, LIVE)


def _exit_code(s: State) -> int:
    from lbmigrate.decide import on_hold

    if s.active:
        wrong = on_hold(s)
        return wrong.code if wrong else Drifted.code if s.seen.drift else 8
    return 3 if s.outcome == "rolled-back" else 1 if s.outcome == "abandoned" else 0


def history(common: Common, verify: bool) -> int:
    """See the command line's help."""
    from lbmigrate import config, render
    from lbmigrate.words import iso, safe

    name, url = config.light(work.config_path(common))
    with closing(connect(url, name)) as journal:
        if verify:
            return said.say(common, f"{journal.verify()} entries, every one follows from the one before")
        entries = journal.read(whole=True)
    state = State(migration=name)
    for entry in entries:
        state = fold(state, [entry])
        if common.output == "json":
            click.echo(json.dumps(render.entry_json(entry, state)))
        elif text := render.entry_text(entry, state):
            click.echo(f"{entry.n:5} {iso(entry.at)} {safe(entry.by):24} {text}")
    return 0
