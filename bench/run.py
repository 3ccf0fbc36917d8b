"""`make bench`: everything that is measured, side by side in one table; exit 1 when a bound is missed."""

import subprocess
import sys
from collections.abc import Callable

import bulk
import discover
import gate
import hosted
import probe
import rollback
import served
import startup
import whole
from table import Row, text

from lbmigrate.errors import LbmigrateError

PARTS: dict[str, Callable[[], list[Row]]] = {
    "start-up": startup.rows,
    "a weight until BIND serves it": served.rows,
    "a rollback (about two minutes)": rollback.rows,
    "discover over a large zone": discover.rows,
    "ten thousand names (about a minute)": bulk.rows,
    "ten thousand names at Route 53 (minutes)": hosted.rows,
    "the gate": gate.rows,
    "the probe": probe.rows,
    "a whole migration (about a minute)": whole.rows,
}


def main() -> int:
    """Measure part by part, then print all of it."""
    rows: list[Row] = []
    for name, measured in PARTS.items():
        print(f"bench: {name}", file=sys.stderr, flush=True)
        try:
            rows += measured()
        except (LbmigrateError, OSError, subprocess.SubprocessError) as wrong:
            rows.append(Row(name, "not measured", str(wrong), "", "", False))
    print(text(rows))
    missed = sum(one.ok is False for one in rows)
    print(f"{missed} of {sum(one.ok is not None for one in rows)} bounds missed" if missed else "every bound is met")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
