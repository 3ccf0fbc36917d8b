"""docs/faults.md tells the truth: every row of the matrix is there once, every test that it names exists."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "faults.md").read_text()
ROWS = 64


def test_every_row_is_shown_or_said_not_to_be() -> None:
    numbers = [int(n) for cell in re.findall(r"^\| ([\d, ]+) \|", PAGE, re.MULTILINE) for n in cell.split(", ")]
    assert sorted(numbers) == list(range(1, ROWS + 1))


def test_every_test_that_is_named_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    there = {
        name for file in TESTS.glob("test_*.py") for name in re.findall(r"^def (test_\w+)", file.read_text(), re.M)
    }
    assert named
    assert named <= there, named - there
