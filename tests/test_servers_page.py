"""docs/servers.md says what each server does: every cell is measured anew, on the version that is installed here."""

from collections.abc import Iterator

import pytest
from cells import COMMAND, NAMES, PAGE, ROWS, Bench, bench, page, parsed, restored

TEXT = PAGE.read_text()
VERSIONS, TABLE = parsed(TEXT)
PROGRAMS = {"named": "named", "knotd": "knotd", "pdns": "pdns_server"}
MARKED = [pytest.param(kind, marks=pytest.mark.real(PROGRAMS[kind]) if kind in PROGRAMS else []) for kind in NAMES]


@pytest.fixture(scope="module", params=MARKED)
def one(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with bench(request.param, tmp_path_factory.mktemp(request.param)) as found:
        yield found


@pytest.mark.parametrize("row", ROWS)
def test_a_server_does_what_the_page_says(one: Bench, row: str) -> None:
    measured = restored(one, ROWS[row])
    where = f"{NAMES[one.kind]} {one.version()} (the page: {VERSIONS.get(one.kind, 'this version')})"
    assert measured == TABLE[row][one.kind], f"{where}: {row}: if that is right, make the page again: {COMMAND}"


def test_the_page_is_what_the_measurement_writes() -> None:
    assert list(TABLE) == list(ROWS), f"make the page again: {COMMAND}"
    assert page(VERSIONS, TABLE) == TEXT, f"make the page again: {COMMAND}"


@pytest.mark.real
def test_a_cell_that_is_wrong_is_told_with_what_the_server_does_now(
    one: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = "no key"
    monkeypatch.setitem(TABLE[row], one.kind, "NOERROR")
    with pytest.raises(
        AssertionError, match=r"no key: if that is right, make the page again: \.venv/bin/python tests/cells\.py"
    ):
        test_a_server_does_what_the_page_says(one, row)
