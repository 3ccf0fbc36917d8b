"""What weights some addresses attain, and which records a name holds at each."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from states import bound, held, rrset

from lbmigrate.model import Held, Side
from lbmigrate.plan import attainable
from lbmigrate.schemes import attainable as attained
from lbmigrate.schemes import records, unfit
from lbmigrate.schemes.addresses import choose

A4 = tuple(f"192.0.2.{n}" for n in range(10, 14))
B4 = tuple(f"192.0.2.{n}" for n in range(20, 24))
A6, B6 = ("2001:db8::a",), ("2001:db8::b",)


@pytest.mark.parametrize(
    ("a", "b", "weights"),
    [
        (1, 1, {0, 50, 100}),
        (2, 1, {0, 50, 100}),
        (4, 4, {0, 20, 25, 40, 50, 60, 75, 80, 100}),
        (4, 1, {0, 20, 25, 50, 100}),
        (1, 0, {0}),
        (0, 1, {100}),
    ],
)
def test_the_weights_that_so_many_addresses_attain(a: int, b: int, weights: set[int]) -> None:
    assert {w for w in range(101) if choose(a, b, w)} == weights


@pytest.mark.parametrize(("a", "b", "weight", "chosen"), [(4, 4, 50, (4, 4)), (4, 4, 20, (4, 1)), (2, 3, 0, (2, 0)), (3, 2, 100, (0, 2))])  # fmt: skip  # noqa: E501
def test_among_equal_choices_the_most_addresses(a: int, b: int, weight: int, chosen: tuple[int, int]) -> None:
    assert choose(a, b, weight) == chosen


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 100))
def test_a_choice_is_exact_and_never_empty(a: int, b: int, weight: int) -> None:
    exact = {(i, j) for i, j in product(range(a + 1), range(b + 1)) if i + j and 100 * j == weight * (i + j)}
    chosen = choose(a, b, weight)
    assert (chosen in exact) if exact else chosen is None
    assert all(sum(chosen or ()) >= i + j for i, j in exact)


def test_attainable_means_in_every_family_of_every_name() -> None:
    """With 4+4 IPv4 but 1+1 IPv6 addresses it is 0, 50, 100 (contract: Weights)."""
    a, b = Side("sim", A4 + A6), Side("sim", B4 + B6)
    four, six = rrset(*A4), rrset(*A6)
    assert len(attained("addresses", held(four), a, b)) == 9
    assert attained("addresses", held(four, six), a, b) == {0, 50, 100}


def test_no_names_attain_nothing() -> None:
    assert attainable(bound(), ()) == ()


@pytest.mark.parametrize("weight", [0, 20, 25, 40, 50, 60, 75, 80, 100])
def test_the_records_at_a_weight_have_just_that_share_of_b(weight: int) -> None:
    a, b = Side("sim", A4), Side("sim", B4)
    (at,) = records("addresses", held(rrset(*A4, ttl=77)), a, b, weight)
    assert 100 * len(set(at.rdatas) & set(B4)) == weight * len(at.rdatas)
    assert (at.name, at.rtype, at.ttl) == ("www.example.com.", "A", 77)
    assert set(at.rdatas) <= set(A4 + B4)


def test_both_families_of_a_name_move_together() -> None:
    a, b = Side("sim", A4[:1] + A6), Side("sim", B4[:1] + B6)
    four, six = records("addresses", held(rrset(A4[0]), rrset(*A6)), a, b, 100)
    assert (four.rdatas, six.rdatas) == ((B4[0],), B6)


def test_a_name_that_holds_some_of_a_moves_those_alone() -> None:
    a, b = Side("sim", A4), Side("sim", B4)
    (at,) = records("addresses", held(rrset(*A4[:2])), a, b, 50)
    assert set(at.rdatas) == {*A4[:2], *B4[:2]}


def test_a_weight_that_is_not_attainable_is_never_rounded() -> None:
    with pytest.raises(ValueError, match="weight 33 is not attainable"):
        records("addresses", held(rrset(*A4)), Side("sim", A4), Side("sim", B4), 33)


def test_what_cannot_be_moved_is_said_by_name() -> None:
    a, b = Side("sim", A4), Side("sim", B4)
    assert unfit("addresses", held(rrset(*A4)), a, b) == ""
    assert "has no record that could be moved" in unfit("addresses", Held("none.example.com.", ()), a, b)
    assert "holds B's records and none of A's: it is moved already" in unfit("addresses", held(rrset(*B4[:2])), a, b)
    assert "198.51.100.1, which a.addresses does not name" in unfit("addresses", held(rrset(*B4, "198.51.100.1")), a, b)
    assert "also holds 198.51.100.1" in unfit("addresses", held(rrset(*A4, "198.51.100.1")), a, b)
    assert "b.addresses has none of that family" in unfit("addresses", held(rrset(*A6)), Side("sim", A6), b)
