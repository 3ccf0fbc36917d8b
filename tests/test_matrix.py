"""The fault matrix tells the truth: every row once, every test that it names exists, results are joined."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from matrix import COMMAND, NEVER, PAGE, ROWS, UNKNOWN, Row, Shown, noted, page, parsed, recorded, rows, there, told

ROOT = Path(__file__).parent.parent
FAILING = """
import pytest

@pytest.mark.parametrize("n", range(2))
def test_one(n): assert not n

@pytest.mark.real("named")
def test_real(): pass

def test_root(): pytest.skip("needs root")

@pytest.fixture
def broken():
    yield
    raise OSError

def test_torn(broken): pass
"""
TABLE = (
    Row(1, "one", "it holds", (Shown("test_one", "[0]"),)),
    Row(2, "two", "it waits", waits="ssh"),
    Row(3, "three", "it is real", (Shown("test_one", "[0]"), Shown("test_real", note="BIND"))),
)


def results(**outcomes: str) -> list[str]:
    return [json.dumps({"id": f"tests/test_x.py::{name}", "outcome": outcome}) for name, outcome in outcomes.items()]


# ---------------------------------------------------------------- the table, the page


def test_every_row_is_there_once_and_shown_or_waits() -> None:
    assert [row.number for row in rows()] == list(range(1, ROWS + 1))


def test_every_test_that_is_named_is_defined_once() -> None:
    defined = there()
    wrong = {one.name: defined[one.name] for row in rows() for one in row.tests if defined[one.name] != 1}
    assert not wrong, f"rename these, or mend tests/faults.yaml: {wrong}"


def test_the_page_is_made_from_the_table() -> None:
    text = PAGE.read_text()
    assert page(rows(), *parsed(text)) == text, f"make it again: {COMMAND} page"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("then: b", "row 7: either tests that show it, or what it waits for"),
        ("then: b\n  waits: c\n  tests: [test_x]", "row 7: either tests"),
        ("then: b\n  tests: [x]", "row 7: not a test and a remark in brackets: x"),
        ("then: b\n  tests: [test_x (a) b]", "not a test and a remark"),
        ("then: b\n  waits: c\n  test: [test_x]", "row 7: unknown: test"),
    ],
)
def test_a_row_that_is_none_is_refused(row: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        rows(f"7:\n  fault: a\n  {row}\n")


# ---------------------------------------------------------------- results


def test_a_row_passes_when_every_test_of_it_did() -> None:
    lines, stands = told(
        TABLE, noted(results(**{"test_one[0]": "passed", "test_one[10]": "failed", "test_real": "passed"}))
    )
    assert stands
    assert lines == [
        "  1 passed 1     one: test_one[0]",
        "  2 waits        two: waits for ssh",
        "  3 passed 2     three: test_one[0] and 1 more",
        "faults: 3 rows; 2 shown; 0 failing; 1 waiting: 2 (ssh)",
    ]


def test_one_case_that_fails_in_any_phase_fails_its_rows() -> None:
    first, second = results(**{"test_one[0]": "passed"}), results(**{"test_one[0]": "failed", "test_real": "passed"})
    lines, stands = told(TABLE, noted(first + second))
    assert not stands
    assert lines[0].startswith("  1 FAILED")
    assert lines[-1].startswith("faults: 3 rows; 0 shown; 2 failing;")


def test_a_case_that_was_tried_again_counts_as_it_ended_then() -> None:
    first = results(**{"test_one[0]": "failed", "test_real": "passed"})
    _, stands = told(TABLE, noted(first + results(**{"test_one[0]": "passed"})))
    assert stands


def test_what_was_left_out_is_told_and_what_was_forgotten_fails() -> None:
    lines, stands = told(TABLE, noted(results(**{"test_one[0]": "passed", "test_real": "left out"})))
    assert stands
    assert "1 shown; 0 failing; 1 left out; 1 waiting" in lines[-1]
    lines, stands = told(TABLE, noted(results(**{"test_one[0]": "passed"})))
    assert not stands
    assert "  3 NOT RUN 1    three: test_one[0] and 1 more" in lines


@pytest.mark.parametrize("options", [(), ("-n", "2")])
def test_a_run_keeps_how_every_test_ended(tmp_path: Path, options: tuple[str, ...]) -> None:
    sample, kept = tmp_path / "test_sample.py", tmp_path / "results"
    sample.write_text(FAILING)
    run = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "-p", "conftest", *options, str(sample)]
    env = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    env |= {"PYTHONPATH": str(ROOT / "tests"), "LBMIGRATE_MISSING": "named", "LBMIGRATE_RESULTS": str(kept)}
    for _ in range(2):
        subprocess.run(run, capture_output=True, env=env, cwd=tmp_path)
    lines = kept.read_text().splitlines()
    assert len(lines) == 2 * 6, "phases add to one file; what is torn down badly has passed before"
    assert noted(lines) == {
        "test_one[0]": "passed",
        "test_one[1]": "failed",
        "test_real": "left out",
        "test_root": "left out",
        "test_torn": "failed",
    }


# ---------------------------------------------------------------- the recorded run


def test_a_recorded_run_is_kept_until_a_rows_tests_change() -> None:
    text = recorded(TABLE, noted(results(**{"test_one[0]": "passed", "test_real": "left out"})), date(2026, 1, 2))
    last, ends = parsed(text)
    assert last.endswith(", 2026-01-02")
    assert {number: end for number, (_, end) in ends.items()} == {1: "passed 1", 2: "waits", 3: "left out 1"}
    assert page(TABLE, last, ends) == text
    changed = (Row(1, "one", "it holds", (Shown("test_real"),)), *TABLE[1:])
    assert f"| 1 | one | it holds | `test_real` | {UNKNOWN} |" in page(changed, last, ends)


def test_a_page_without_rows_tells_of_no_run() -> None:
    assert parsed("") == (NEVER, {})
