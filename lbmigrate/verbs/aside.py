"""What needs no migration: `schema`, `completion`, `rehearse`."""

import json

import click

from lbmigrate.errors import Usage
from lbmigrate.flags import Common


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
