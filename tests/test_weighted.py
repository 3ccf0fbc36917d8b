"""The text of weighted sets: whole weights from 1 to 255, addresses of one family, nothing else is read."""

import pytest

from lbmigrate.weighted import choice, fits, identifier, read, text

A, B, SIX = "192.0.2.10", "192.0.2.20", "2001:db8::10"


def test_weights_come_in_smallest_terms_and_by_address() -> None:
    assert choice("A", [(10, B), (990, A)]) == f"A 99 {A} 1 {B}"
    assert choice("AAAA", [(4, SIX)]) == f"AAAA 1 {SIX}"
    assert text("A", [(198, A), (2, B)]) == f"A 198 {A} 2 {B}"


@pytest.mark.parametrize("shares", [[(0, A), (1, B)], [(0, A)], [(256, A), (1, B)], [(-1, A), (1, B)]])
def test_what_route_53_cannot_hold_is_refused(shares: list[tuple[int, str]]) -> None:
    with pytest.raises(ValueError, match="no weights of 1 to 255"):
        choice("A", shares)


def test_what_is_no_address_of_the_family_is_refused() -> None:
    with pytest.raises(ValueError, match=r"permitted|[Ee]xpected"):
        choice("A", [(1, SIX)])


@pytest.mark.parametrize(("shares", "possible"), [([255, 1], True), ([256, 1], False), ([512, 2], False), ([510, 2], True)])  # fmt: skip  # noqa: E501
def test_proportions_that_fit(shares: list[int], possible: bool) -> None:
    assert fits(shares) is possible


def test_what_was_written_is_read() -> None:
    assert read(choice("A", [(1, A), (3, B)])) == ("A", ((1, A), (3, B)))
    assert read(choice("AAAA", [(1, SIX)])) == ("AAAA", ((1, SIX),))


@pytest.mark.parametrize("other", ["", "A", f"A {A}", f"MX 1 {A}", f"A 1 {A} 2", f"A \"pickwrandom({{{{1,'{A}'}}}})\""])
def test_other_text_is_not_ours(other: str) -> None:
    assert read(other) is None


def test_a_set_is_named_after_its_address() -> None:
    assert identifier(A) == f"lbmigrate {A}"
