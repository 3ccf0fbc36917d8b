"""docs/route53.md says what Route 53 does: each row is measured through boto3, on the laboratory and on ministack."""

from collections.abc import Iterator
from importlib.metadata import version

import pytest
from route53s import COMMAND, KINDS, PAGE, ROWS, Bench, bench, measured, page, parsed

TEXT = PAGE.read_text()
NUMBER, TABLE = parsed(TEXT)


@pytest.fixture(scope="module", params=KINDS)
def one(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with bench(request.param, tmp_path_factory.mktemp(request.param)) as found:
        yield found


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_what_the_page_says(one: Bench, row: str) -> None:
    wanted = ROWS[row][0] if one.kind == "laboratory" else TABLE[row]
    where = one.kind if one.kind == "laboratory" else f"ministack {version('ministack')} (the page: {NUMBER})"
    assert measured(one, row) == wanted, f"{where}: {row}: if that is right, make the page again: {COMMAND}"


def test_the_page_is_what_the_measurement_writes() -> None:
    assert list(TABLE) == list(ROWS), f"make the page again: {COMMAND}"
    assert page(NUMBER, TABLE) == TEXT, f"make the page again: {COMMAND}"
