"""The verb `rehearse`: a scenario in a laboratory on this machine, its story on stdout, its verdict as exit code."""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import click

from lbmigrate.config.text import show
from lbmigrate.errors import Failed, Usage
from lbmigrate.flags import Common
from lbmigrate.lab.rehearse import rehearse as play
from lbmigrate.value import to_json


def rehearse(common: Common, file: Path, real: bool, virtual: bool, keep: str, **instead: Any) -> int:
    """Play `file`, with what the flags give `instead` of its own; 0 when every expectation is met.

    Raises Usage, Failed.
    """
    if virtual and real:
        raise Usage("rehearse: --real and --virtual exclude each other")
    if not real and (instead["software"] or instead["signed"]):
        raise Usage("rehearse: --software and --signed choose among real servers; give --real too")
    given = _given(**instead)
    if virtual:
        from lbmigrate.lab.virtual_scenario import rehearse_virtually

        return rehearse_virtually(file, click.echo, instead=given)
    directory = Path(keep or tempfile.mkdtemp(prefix="lbmigrate-lab-"))
    directory.mkdir(parents=True, exist_ok=True)

    def say(line: str) -> None:
        click.echo(line, err=common.output == "json")

    verdict = play(file, real, directory, say, instead=given)
    if common.output == "json":
        click.echo(json.dumps(to_json(verdict)))
    if not verdict.passed:
        raise Failed(f"{file}: the scenario's expectations are not met; its files are in {directory}")
    return 0


def _given(software: str | None, signed: bool, scheme: str | None, stages: str | None) -> dict[str, Any]:
    """The fields of a scenario that flags were given for. Raises Usage."""
    found: dict[str, Any] = {"software": software, "signed": signed or None, "scheme": scheme}
    if stages is not None:
        if not re.fullmatch(r"\d{1,3}(,\d{1,3})*", stages):
            raise Usage(f"rehearse: --stages {show(stages)} is no list of weights; write it like 1,5,25,50,100")
        found["config"] = {"stages": [int(one) for one in stages.split(",")]}
    return {key: one for key, one in found.items() if one is not None}
