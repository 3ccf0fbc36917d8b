"""Frozen values and their JSON form: what is written can be read back, and nothing else can."""

import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmigrate.model import Fence, RRset
from lbmigrate.value import Same, from_json, replace, to_json, value


@value
class Point:
    x: int
    y: float = 0.5


@value
class Odd:
    n: int

    def __post_init__(self) -> None:
        if self.n % 2 == 0:
            raise ValueError(f"{self.n} is even")


@value
class All:
    name: str
    points: tuple[Point, ...] = ()
    pair: tuple[int, str] = (0, "")
    either: Point | Odd | None = None
    word: Literal["a", "b"] = "a"
    table: dict[str, Point] = {}  # noqa: RUF012  (never changed: a value is frozen)
    number: int | float | str = 0
    free: Any = None


points = st.builds(Point, st.integers(), st.floats(allow_nan=False, allow_infinity=False))
odd = st.builds(Odd, st.integers().map(lambda n: 2 * n + 1))
alls = st.builds(
    All, st.text(), st.lists(points, max_size=3).map(tuple), st.tuples(st.integers(), st.text()),
    st.none() | points | odd, st.sampled_from(["a", "b"]), st.dictionaries(st.text(), points, max_size=2),
    st.integers() | st.text(),
)  # fmt: skip


@given(alls)
def test_what_is_written_as_json_is_read_back_equal(thing: All) -> None:
    assert from_json(All, json.loads(json.dumps(to_json(thing)))) == thing


def test_a_value_is_its_fields() -> None:
    assert Point(1) == Point(x=1, y=0.5) != Point(2)
    assert to_json(Point(1)) != to_json(Odd(1))
    assert {Point(1), Odd(1)} != {Point(1)}
    assert len({Point(1), Point(1), Point(2)}) == 2
    assert repr(Point(1)) == "Point(x=1, y=0.5)"
    assert replace(Point(1), y=2.0) == Point(1, 2.0)


def test_a_value_never_changes() -> None:
    one: Any = Point(1)
    with pytest.raises(AttributeError, match="Point is immutable"):
        one.x = 2
    with pytest.raises(AttributeError, match="Point is immutable"):
        del one.x
    with pytest.raises(AttributeError, match="Point is immutable"):
        one.z = 2


@pytest.mark.parametrize("made", [lambda: Point(), lambda: Point(1, 2.0, 3), lambda: Point(1, z=2)])  # type: ignore[call-arg]
def test_missing_and_unknown_fields_are_errors(made: Any) -> None:
    with pytest.raises(TypeError):
        made()


def test_a_value_that_exists_is_legal() -> None:
    with pytest.raises(ValueError, match="2 is even"):
        Odd(2)
    with pytest.raises(ValueError, match="2 is even"):
        replace(Odd(1), n=2)


def test_a_field_that_an_older_release_did_not_write_takes_its_default() -> None:
    assert from_json(Point, {"is": "Point", "x": 3}) == Point(3)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (Point, {"is": "Odd", "x": 1}),
        (Point, {"is": "Point", "x": 1, "z": 1}),
        (Point, {"is": "Point"}),
        (Point, {"is": "Point", "x": "1"}),
        (Point, {"is": "Point", "x": True}),
        (Point, {"is": "Point", "x": 1.0}),
        (Point, [1, 2]),
        (Odd, {"is": "Odd", "n": 2}),
        (Point | Odd, {"is": "Other"}),
        (Point | Odd, {"x": 1}),
        (Point | None, 3),
        (tuple[int, ...], "12"),
        (tuple[int, str], [1]),
        (Literal["a", "b"], "c"),
        (dict[str, int], {"a": "b"}),
        (dict[str, int], []),
        (None, 0),
        (float, "1"),
    ],
)
def test_anything_else_is_a_value_error(kind: Any, data: Any) -> None:
    with pytest.raises(ValueError) as wrong:  # noqa: PT011  (the message is of many kinds)
        from_json(kind, data)
    assert str(wrong.value)


def test_an_rrset_is_never_empty_nor_in_disorder() -> None:
    """Never zero answers (design, section 3.5)."""
    with pytest.raises(ValueError, match="never zero answers"):
        RRset("www.example.com.", "A", 60, ())
    for rdatas in (("192.0.2.2", "192.0.2.1"), ("192.0.2.1", "192.0.2.1")):
        with pytest.raises(ValueError, match="not sorted, or twice"):
            RRset("www.example.com.", "A", 60, rdatas)


def test_nested_values_name_their_type() -> None:
    fence = Fence("web", "a1", 7, (RRset("www.example.com.", "A", 60, ("192.0.2.1",)),))
    assert to_json(fence)["originals"][0] == {
        "is": "RRset", "name": "www.example.com.", "rtype": "A", "ttl": 60, "rdatas": ["192.0.2.1"], "spelled": ""
    }  # fmt: skip


def test_a_thing_is_the_same_by_identity_alone() -> None:
    one, other = {"n": 1}, {"n": 1}
    assert Same(one) == Same(one)
    assert hash(Same(one)) == hash(Same(one))
    assert Same(one) != Same(other)
    assert Same(one) != one


def test_a_copy_cannot_have_fields_that_its_kind_has_not() -> None:
    with pytest.raises(TypeError, match="RRset: unknown fields: color"):
        replace(RRset("www.example.com.", "A", 60, ("192.0.2.1",)), color="red")
