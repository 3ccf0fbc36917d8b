"""A thousand names on a real named, through the command line: begun, moved, and put back to the letter."""

import json
from pathlib import Path

import pytest
from migrations import NEEDS, SCENARIO, rig

from lbmigrate.value import replace

COUNT = 1000
NAMES = ("www", *(f"www{number:04}" for number in range(1, COUNT)))


@pytest.mark.long
@pytest.mark.real(*NEEDS)
def test_a_thousand_names_are_moved_and_put_back_to_the_letter(tmp_path: Path) -> None:
    with rig(tmp_path, replace(SCENARIO, names=NAMES, ttl=2), watched=False) as one:
        one.write()
        before = one.records()
        one.ok("start", "--no-wait")
        one.ok("shift", "--weight", "100", "--no-wait", "--force")
        moved = [line for line in one.records() if line.endswith(f" A {one.b}")]
        assert len(moved) == COUNT
        assert len(one.ok("status").out.splitlines()) < 40
        assert len(json.loads(one.ok("-o", "json", "status").out)["names"]) == COUNT
        one.ok("rollback", "--yes")
        assert one.records() == before
