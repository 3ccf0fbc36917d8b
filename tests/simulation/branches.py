"""Which branches of `decide` a sample of migrations takes."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from coverage import Coverage

from lbmigrate import decide

T = TypeVar("T")
Arcs = frozenset[tuple[int, int]]
FILE = decide.__file__


def traced(play: Callable[[], T]) -> tuple[T, Arcs]:
    """What `play` gives, and the arcs of `decide` that it takes."""
    cover = _coverage()
    with cover.collect():
        found = play()
    return found, frozenset(cover.get_data().arcs(FILE) or ())


def taken(arcs: Arcs) -> tuple[int, int, list[str]]:
    """How many branches of `decide` were taken, of how many, and the others: from line, to line."""
    cover = _coverage()
    cover.get_data().add_arcs({FILE: arcs})
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        cover.json_report(outfile=str(report))
        (found,) = json.loads(report.read_text())["files"].values()
    summary = found["summary"]
    return summary["covered_branches"], summary["num_branches"], [f"{a}→{b}" for a, b in found["missing_branches"]]


def _coverage() -> Coverage:
    return Coverage(data_file=None, branch=True, include=[FILE])
