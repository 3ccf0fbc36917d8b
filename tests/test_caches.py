"""When honest caches have turned: timed from first sight, by the slowest server, with the TTL that answers carried."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmigrate.caches import (
    MIN_MARGIN,
    Alike,
    Answer,
    Clock,
    behind,
    missing,
    note,
    packed,
    replaced,
    turned_at,
    unpacked,
)
from lbmigrate.model import RRset, Served

NAME = "www.example.com."
OLD, NEW = ("192.0.2.1",), ("192.0.2.2",)
T = 1_800_000_000.0
MARGIN = 5.0


def says(rdatas: tuple[str, ...] | None, ttl: int = 300, server: str = "ns1", error: str = "") -> Served:
    return Served(server, NAME, "A", None if rdatas is None else ttl, rdatas, error or ("timeout" * (rdatas is None)))


def polled(*polls: tuple[float, list[Served]]) -> Clock:
    clock: Clock = ()
    for at, served in polls:
        clock = note(clock, served, T + at)
    return clock


def present(rdatas: tuple[str, ...] = NEW, ttl: int = 60) -> Any:
    return {("", NAME, "A"): (ttl, rdatas)}


def test_it_is_timed_from_first_sight_and_the_ttl_that_the_old_answer_carried() -> None:
    clock = polled((0, [says(OLD, 300)]), (10, [says(NEW, 60)]), (20, [says(NEW, 60)]), (500, [says(NEW, 60)]))
    assert turned_at(clock, present(), MARGIN) == T + 10 + 300 + MARGIN


def test_the_slowest_server_counts() -> None:
    quick, slow = says(NEW, 60), says(NEW, 60, "ns2")
    clock = polled((0, [says(OLD), says(OLD, server="ns2")]), (10, [quick, says(OLD, server="ns2")]))
    assert behind(clock, present()) == ("ns2",)
    assert turned_at(clock, present(), MARGIN) is None
    clock = note(clock, [quick, slow], T + 70)
    assert behind(clock, present()) == ()
    assert turned_at(clock, present(), MARGIN) == T + 70 + 300 + MARGIN


def test_an_error_is_no_new_answer_and_no_proof_of_one() -> None:
    clock = polled((0, [says(OLD)]), (10, [says(None)]))
    assert clock[0].rdatas == OLD
    assert clock[0].error == "timeout"
    assert turned_at(clock, present(OLD, 300), MARGIN) is None
    clock = note(clock, [says(NEW, 60)], T + 20)
    assert (clock[0].error, turned_at(clock, present(), MARGIN)) == ("", T + 20 + 300 + MARGIN)


def test_a_server_that_was_never_heard_is_behind_until_it_answers() -> None:
    clock = polled((0, [says(None)]))
    assert (clock[0].rdatas, behind(clock, present())) == (None, ("ns1",))
    assert turned_at(note(clock, [says(NEW, 60)], T + 10), present(), MARGIN) == 0.0


def test_a_change_of_the_ttl_alone_waits_for_the_old_ttl() -> None:
    clock = polled((0, [says(OLD, 300)]), (10, [says(OLD, 60)]))
    assert turned_at(clock, present(OLD, 60), MARGIN) == T + 10 + 300 + MARGIN


def test_a_server_that_still_serves_the_longer_ttl_is_behind_one_that_serves_a_shorter_is_not() -> None:
    for ttl, lags in ((61, True), (60, False), (30, False)):
        assert bool(behind(polled((0, [says(NEW, ttl)])), present(NEW, 60))) is lags


def test_going_back_waits_for_what_named_b() -> None:
    clock = polled((0, [says(OLD, 60)]), (10, [says(NEW, 60)]), (100, [says(OLD, 60)]))
    assert turned_at(clock, present(OLD, 60), MARGIN) == T + 100 + 60 + MARGIN


def test_an_older_long_answer_is_not_forgotten_for_a_newer_short_one() -> None:
    clock = polled((0, [says(OLD, 3600)]), (10, [says(OLD, 60)]), (20, [says(NEW, 60)]))
    assert turned_at(clock, present(), MARGIN) == T + 10 + 3600 + MARGIN


def test_an_answer_without_records_is_an_answer() -> None:
    absent = Served("ns1", NAME, "AAAA", None, ())
    clock = polled((0, [says(NEW, 60), absent]))
    assert turned_at(clock, present(), MARGIN) == 0.0
    assert clock[1] == Answer("ns1", NAME, "AAAA", 0, (), 0.0, "")
    stray = Served("ns1", NAME, "AAAA", 60, ("2001:db8::1",))
    assert behind(note(clock, [stray], T + 1), present()) == ("ns1",)


def test_the_margin_is_never_under_a_second() -> None:
    clock = polled((0, [says(OLD, 60)]), (10, [says(NEW, 60)]))
    assert turned_at(clock, present(), 0.0) == T + 10 + 60 + MIN_MARGIN


def test_nothing_heard_is_nothing_known() -> None:
    assert turned_at((), present(), MARGIN) is None


def test_what_never_changed_has_turned() -> None:
    assert turned_at(polled((0, [says(NEW, 60)]), (9, [says(NEW, 60)])), present(), MARGIN) == 0.0


TTLS = st.lists(st.integers(5, 600), min_size=2, max_size=7).map(lambda ttls: sorted(ttls, reverse=True))
GAPS = st.lists(st.floats(0.1, 500), min_size=6, max_size=6)
POLLS = st.lists(st.tuples(st.floats(0.01, 400), st.booleans()), min_size=1, max_size=30)
LAGS = st.lists(st.floats(0, 90), min_size=1, max_size=3)


@given(TTLS, GAPS, LAGS, POLLS)
def test_it_is_never_before_the_true_last_serving_and_its_ttl(
    ttls: list[int], gaps: list[float], lags: list[float], polls: list[tuple[float, bool]]
) -> None:
    """However rarely polls come, however many are lost, however servers lag; TTLs are lowered, never raised."""
    begins = [0.0, *(sum(gaps[:k]) for k in range(1, len(ttls)))]

    def serves(lag: float, at: float) -> int:
        return max(k for k, begin in enumerate(begins) if begin + lag <= at or k == 0)

    def answers(at: float, lost: bool) -> list[Served]:
        which = [serves(lag, at) for lag in lags]
        return [says(None if lost else (f"192.0.2.{k}",), ttls[k], f"ns{n}") for n, k in enumerate(which)]

    at, clock = 0.0, note((), answers(0.0, False), T)
    for gap, lost in polls:
        at += gap
        clock = note(clock, answers(at, lost), T + at)
    last = len(ttls) - 1
    found = turned_at(clock, present((f"192.0.2.{last}",), ttls[last]), MARGIN)
    ends = [begins[k + 1] + max(lags) + ttls[k] for k in range(last)]
    assert found is None or found >= T + max(ends) + MARGIN


@pytest.mark.parametrize(
    ("last_seen", "expected"),
    [
        (says(OLD, 300), T + 50 + 300),
        (says(NEW, 30), T + 50 + 60),
        (says(None), T + 50 + 60),
        (says(NEW, 60), 0.0),
        (says(NEW, 300), 0.0),
    ],
)
def test_what_a_write_replaced_counts_as_served_until_then_unless_the_next_poll_will_time_it(
    last_seen: Served, expected: float
) -> None:
    before = {("", NAME, "A"): [RRset(NAME, "A", 60, NEW)]}
    before["", NAME, "AAAA"] = [RRset(NAME, "AAAA", 9999, ("2001:db8::1",))]
    if last_seen.rdatas == OLD:
        before["", NAME, "A"].append(RRset(NAME, "A", 300, ("192.0.2.3",)))
    (one,) = replaced(polled((0, [last_seen])), before, T + 50)
    assert one.old_until == expected


def test_a_write_never_shortens_what_is_waited_for() -> None:
    clock = polled((0, [says(OLD, 3600)]), (10, [says(OLD, 60)]))
    assert replaced(clock, {("", NAME, "A"): [RRset(NAME, "A", 60, NEW)]}, T + 20)[0].old_until == T + 10 + 3600


def test_what_no_poll_saw_is_timed_from_the_next_sight_and_not_from_the_write() -> None:
    """OLD was seen, NEW written and served by one that lags, OLD written again: the poll that finds OLD ends NEW."""
    clock = replaced(polled((0, [says(OLD, 60)])), {("", NAME, "A"): [RRset(NAME, "A", 60, NEW)]}, T + 50)
    assert turned_at(clock, present(OLD), MARGIN) is None
    later = note(clock, [says(OLD, 60)], T + 170)
    assert turned_at(later, present(OLD), MARGIN) == T + 170 + 60 + MARGIN


def test_what_was_written_of_a_name_that_no_server_was_asked_for_changes_nothing() -> None:
    clock = polled((0, [says(OLD)]))
    assert (
        replaced(clock, {("", f"{name}.example.", "A"): [RRset(NAME, "A", 60, NEW)] for name in "az"}, T + 20) == clock
    )


def many(count: int, ttl: int = 60, server: str = "ns1") -> list[Answer]:
    return [Answer(server, f"n{number}.", "A", ttl, NEW, T) for number in range(count)]


def test_what_a_server_serves_of_many_names_is_a_few_words() -> None:
    names = [("", f"n{number}.") for number in range(9)]
    clock = tuple(many(9))
    alike, others = packed(clock, {key: place for place, key in enumerate(names)})
    assert (alike, others) == ((Alike("ns1", "A", 60, NEW, T, "", ((0, 8),)),), ())
    assert unpacked(alike, others, names) == clock


answers = st.builds(
    Answer,
    st.sampled_from(["ns1", "ns2"]),
    st.sampled_from([f"n{number}." for number in range(6)]),
    st.sampled_from(["A", "AAAA"]),
    st.sampled_from([30, 60]),
    st.sampled_from([OLD, NEW, None]),
    st.sampled_from([0.0, T]),
    st.sampled_from(["", "timeout"]),
    st.sampled_from(["", "inside"]),
)


@given(st.lists(answers, unique_by=lambda one: (one.server, *one.key), max_size=30))
def test_what_is_written_in_short_is_read_as_it_was(found: list[Answer]) -> None:
    clock = tuple(sorted(found, key=lambda one: (one.server, *one.key)))
    names = [(view, f"n{number}.") for number in (3, 0, 1, 5) for view in ("", "inside")]  # not all that is served
    alike, others = packed(clock, {key: place for place, key in enumerate(names)})
    assert unpacked(alike, others, names) == clock
    assert all(len(names[first : last + 1]) > 1 or len(one.runs) > 1 for one in alike for first, last in one.runs)


def test_what_is_missing_is_told_by_server() -> None:
    clock = (*many(2), *many(2, ttl=300, server="ns2"))
    there = {("", f"n{number}.", "A"): (60, NEW) for number in range(2)}
    assert missing(clock, there) == {"ns2": [("", "n0."), ("", "n1.")]}
    assert behind(clock, there) == ("ns2",)
