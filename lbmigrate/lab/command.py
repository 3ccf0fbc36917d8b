"""The verb `rehearse`: a scenario in a laboratory on this machine, its story on stdout, its verdict as exit code."""

import json
import tempfile
from pathlib import Path

import click

from lbmigrate.cli import Common
from lbmigrate.errors import Failed, Usage
from lbmigrate.lab.rehearse import rehearse as play
from lbmigrate.value import to_json


def rehearse(common: Common, file: Path, real: bool, virtual: bool, keep: str) -> int:
    """Play `file`; 0 when every expectation of the scenario is met. Raises Usage, Failed."""
    if virtual and real:
        raise Usage("rehearse: --real and --virtual exclude each other")
    if virtual:
        from lbmigrate.lab.virtual_scenario import rehearse_virtually

        return rehearse_virtually(file, click.echo)
    directory = Path(keep or tempfile.mkdtemp(prefix="lbmigrate-lab-"))
    directory.mkdir(parents=True, exist_ok=True)

    def say(line: str) -> None:
        click.echo(line, err=common.output == "json")

    verdict = play(file, real, directory, say)
    if common.output == "json":
        click.echo(json.dumps(to_json(verdict), ensure_ascii=False))
    if not verdict.passed:
        raise Failed(f"{file}: the scenario's expectations are not met; its files are in {directory}")
    return 0
