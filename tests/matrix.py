"""The fault matrix: 64 rows, the tests that show each (tests/faults.yaml), and how these ended in the last run.

`python tests/matrix.py` prints the matrix with the results that the runs of pytest left in $LBMIGRATE_RESULTS, and
fails when a row fails or was not run. With `page` it writes docs/faults.md anew, with `record` the results too.
"""

import ast
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import yaml

from lbmigrate import __version__
from lbmigrate.value import value

TESTS = Path(__file__).parent
TABLE = TESTS / "faults.yaml"
PAGE = TESTS.parent / "docs" / "faults.md"
RESULTS = TESTS.parent / ".results.jsonl"
COMMAND = ".venv/bin/python tests/matrix.py"
ROWS = 64
SHOWN = re.compile(r"(?P<name>test_\w+)(?P<case>\[[^\]]+\])?(?: \((?P<note>.+)\))?")
HEAD = """# Faults, and what happens

Made by `{command} page` from `tests/faults.yaml`; a row without a test, or with a test that
does not exist, fails the build. The last column says how the row's tests ended, and how many of their cases passed, in
the last whole run that was recorded here: {last}.
`make test` prints the same rows with the results of that very run.

Each row was played against real servers (BIND with a secondary, HAProxy 2.6 as A and 2.8 as B) through the command
line, unless the remark beside a test says otherwise; “each server” means BIND, Knot and PowerDNS, each with a
secondary of its kind. The tests assert what DNS serves, the exit code, and the one line that says what to do next, as
far as there is one; where DNS itself was not broken on purpose, a query every 10 ms to every authoritative server saw
no empty answer and no error. What needs root is left out without it.

| # | fault | what happens | shown by | last |
|---|---|---|---|---|
"""
NEVER = "none yet"
UNKNOWN = "not run yet"  # the row's tests are others than those of the last recorded run
ENDS = {"passed": "passed", "failed": "FAILED", "left out": "left out", "waits": "waits", "missing": "NOT RUN"}


@value
class Shown:
    """One test of a row: its name, the case where only one counts ("" for all), and a remark."""

    name: str
    case: str = ""
    note: str = ""


@value
class Row:
    """One row. `waits`: what it waits for where it has no tests."""

    number: int
    fault: str
    then: str
    tests: tuple[Shown, ...] = ()
    waits: str = ""


@value
class Ending:
    """How a row's tests ended, in one word of ENDS, and how many cases passed."""

    word: str
    passed: int = 0

    @property
    def text(self) -> str:
        """A few words."""
        return f"{ENDS[self.word]} {self.passed}" if self.passed else ENDS[self.word]


Results = Mapping[str, str]  # how every case ended, by its id without the file


def rows(text: str = "") -> tuple[Row, ...]:
    """The table. Raises ValueError for a row that is not one."""
    found = yaml.safe_load(text or TABLE.read_text())
    return tuple(_row(number, fields) for number, fields in sorted(found.items()))


def _row(number: int, fields: dict[str, str | list[str]]) -> Row:
    tests = tuple(_shown(number, one) for one in fields.get("tests", ()))
    row = Row(number, str(fields["fault"]), str(fields["then"]), tests, str(fields.get("waits", "")))
    if unknown := set(fields) - {"fault", "then", "tests", "waits"}:
        raise ValueError(f"row {number}: unknown: {', '.join(sorted(unknown))}")
    if bool(row.tests) == bool(row.waits):
        raise ValueError(f"row {number}: either tests that show it, or what it waits for")
    return row


def _shown(number: int, text: str) -> Shown:
    if (found := SHOWN.fullmatch(text)) is None:
        raise ValueError(f"row {number}: not a test and a remark in brackets: {text}")
    return Shown(found["name"], found["case"] or "", found["note"] or "")


def there() -> Counter[str]:
    """How often each name of a test function is defined in the tests' files."""
    trees = [ast.parse(file.read_text()) for file in TESTS.glob("test_*.py")]
    return Counter(one.name for tree in trees for one in tree.body if isinstance(one, ast.FunctionDef))


# ---------------------------------------------------------------- results


def noted(results: Iterable[str]) -> Results:
    """What runs of pytest wrote down, a JSON document a line; of a case that was tried again the last counts."""
    told = (json.loads(line) for line in results)
    return {one["id"].partition("::")[2]: one["outcome"] for one in told}


def ending(row: Row, results: Results) -> Ending:
    """How a row ended. One that failed counts more than any that passed; a test without any result was not run."""
    if row.waits:
        return Ending("waits")
    each = [_cases(one, results) for one in row.tests]
    passed = sum(one["passed"] for one in each)
    if any(one["failed"] for one in each):
        return Ending("failed", passed)
    if not all(each):
        return Ending("missing", passed)
    return Ending("passed" if all(one["passed"] for one in each) else "left out", passed)


def _cases(shown: Shown, results: Results) -> Counter[str]:
    """The outcomes of the cases that count; a case is `test[x]` for the remark `[x]`, also beside other parameters."""
    found: Counter[str] = Counter()
    for case, outcome in results.items():
        name, _, parameters = case.rstrip("]").partition("[")
        if name == shown.name and f"-{shown.case[1:-1]}-" in ("--" if not shown.case else f"-{parameters}-"):
            found[outcome] += 1
    return found


def told(table: Iterable[Row], results: Results) -> tuple[list[str], bool]:
    """The matrix for the end of a run, and whether it stands: nothing failed, nothing was forgotten."""
    ends = {row: ending(row, results) for row in table}
    lines = [f"{row.number:3} {end.text:12} {row.fault}: {_by(row)}" for row, end in ends.items()]
    words = Counter(end.word for end in ends.values())
    waits = ", ".join(f"{row.number} ({row.waits})" for row in ends if row.waits)
    parts = [f"{words['passed']} shown", f"{words['failed']} failing"]
    parts += [
        f"{words[word]} {said}" for word, said in (("left out", "left out"), ("missing", "NOT RUN")) if words[word]
    ]
    parts += [f"{words['waits']} waiting: {waits}"] if waits else []
    return [*lines, f"faults: {len(ends)} rows; {'; '.join(parts)}"], not words["failed"] + words["missing"]


def _by(row: Row) -> str:
    more = f" and {len(row.tests) - 1} more" if len(row.tests) > 1 else ""
    return f"{row.tests[0].name}{row.tests[0].case}{more}" if row.tests else f"waits for {row.waits}"


# ---------------------------------------------------------------- the page


def page(table: Iterable[Row], last: str, ends: Mapping[int, tuple[str, str]]) -> str:
    """docs/faults.md; `ends`: what the page says of each row's tests, and how they ended, in the run `last`."""
    lines = [_line(row, ends.get(row.number, ("", ""))) for row in table]
    return HEAD.format(command=COMMAND, last=last) + "\n".join(lines) + "\n"


def _line(row: Row, end: tuple[str, str]) -> str:
    by = _tests(row)
    return f"| {row.number} | {row.fault} | {row.then} | {by} | {end[1] if end[0] == by else UNKNOWN} |"


def _tests(row: Row) -> str:
    remarks = [f"`{one.name}{one.case}`{f' ({one.note})' if one.note else ''}" for one in row.tests]
    return "; ".join(remarks) or f"*not shown: waits for {row.waits}*"


def parsed(text: str) -> tuple[str, dict[int, tuple[str, str]]]:
    """The run that a page tells of, and per row its tests and how they ended then."""
    last = re.search(r"was recorded here: (.*)\.$", text, re.MULTILINE)
    cells = re.findall(r"^\| (\d+) \| .* \| (.*) \| (.*) \|$", text, re.MULTILINE)
    return last[1] if last else NEVER, {int(number): (by, end) for number, by, end in cells}


def recorded(table: Iterable[Row], results: Results, day: date) -> str:
    """The page with these results."""
    ends = {row.number: (_tests(row), ending(row, results).text) for row in table}
    return page(table, f"version {__version__}, {day.isoformat()}", ends)


def main(words: list[str]) -> int:
    """Print the matrix, or write the page."""
    table = rows()
    if words == ["page"]:
        PAGE.write_text(page(table, *parsed(PAGE.read_text())))
        return 0
    file = Path(os.environ.get("LBMIGRATE_RESULTS", RESULTS))
    results = noted(file.read_text().splitlines())
    lines, stands = told(table, results)
    print("\n".join(lines))
    if words == ["record"] and stands:
        PAGE.write_text(recorded(table, results, datetime.fromtimestamp(file.stat().st_mtime, UTC).date()))
    return 0 if stands else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
