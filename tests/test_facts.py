"""What the state says about the world: verdicts, who lags, who is ours."""

import pytest
from states import BAD, NAME, NOW, OK, PLAN, at, clock, known_at, rrset, seen, side, soft

from lbmigrate.events import SideSeen
from lbmigrate.facts import (
    Verdict,
    alike,
    describe,
    differences,
    evidence,
    expected,
    fresh,
    idle,
    idle_at,
    lagging,
    missing,
    odd_ttls,
    present,
    serve_limit,
    turned,
    turned_at,
    undone,
    verdict,
)
from lbmigrate.model import Held, RRset
from lbmigrate.plan import Drain, Soak, Write
from lbmigrate.spec import Retire
from lbmigrate.value import replace

HALF = Write(0, "weight", 50)


@pytest.mark.parametrize(
    ("recent", "what"),
    [
        ((), "unknown"),
        ((OK[:19],), "unknown"),
        ((BAD[:19],), "unknown"),
        ((OK,), "ok"),
        ((BAD,), "bad"),
        (("0" * 9 + "1" * 11,), "ok"),
        (("0" * 10 + "1" * 10,), "bad"),
        (("1" * 10 + "0" * 10,), "bad"),
        ((OK, BAD), "bad"),
        ((OK, OK[:3]), "unknown"),
        ((BAD, OK[:3]), "unknown"),
    ],
)
def test_a_verdict_is_of_the_last_20_probes_of_every_channel(recent: tuple[str, ...], what: Verdict) -> None:
    assert verdict(SideSeen(recent=recent)) == what


@pytest.mark.parametrize(("age", "is_fresh"), [(0.0, True), (10.0, True), (10.1, False), (3600.0, False)])
def test_a_look_is_fresh_for_as_long_as_a_lease(age: float, is_fresh: bool) -> None:
    assert fresh(at(Soak(50), look={"at": NOW - age})) is is_fresh


def test_every_server_should_serve_what_the_primary_holds() -> None:
    assert present(at(Soak(50))) == {("", NAME, "A"): (60, ("192.0.2.10", "192.0.2.20"))}
    assert lagging(at(Soak(50))) == ()
    assert missing(at(Soak(50))) == {}
    before = at(Soak(50), look={"clock": clock(known_at(0))})
    assert lagging(before) == ("ns1", "ns2")
    assert missing(before) == {"ns1": [("", NAME)], "ns2": [("", NAME)]}


def test_a_ttl_edited_by_hand_is_the_one_to_wait_for_not_a_server_that_lags() -> None:
    longer = tuple(replace(one, ttl=900) for one in clock(known_at(50)))
    assert lagging(at(Soak(50), look={"clock": longer})) == ("ns1", "ns2")
    assert lagging(at(Soak(50), look={"clock": longer, "ttls": ((("", NAME, "A"), 900),)})) == ()


def test_caches_turn_after_the_margin_of_the_config() -> None:
    for margin in (5.0, 50.0):
        state = at(Soak(50), look={"clock": clock(known_at(50), NOW - 20)}, soft=soft(cache_margin=margin))
        assert turned_at(state) == NOW - 20 + margin
        assert turned(state) is (margin == 5.0)


def test_caches_have_turned_from_that_very_moment_on() -> None:
    for old_until, has in ((NOW - 5, True), (NOW - 4.9, False)):
        assert turned(at(Soak(50), look={"clock": clock(known_at(50), old_until)})) is has


def test_the_shortest_serve_limit_of_all_zones_counts() -> None:
    assert serve_limit(at(Soak(50))) == 120


def test_evidence_is_of_this_stage_and_both_sides() -> None:
    assert evidence(at(Soak(50)), Soak(50))
    for look in ({"stage": 19}, {"promote": 19.9}, {"a": side("bad")}, {"b": side("unknown")}):
        assert not evidence(at(Soak(50), look=look), Soak(50))
    assert evidence(at(Soak(50), look={"promote": 0.0}), Soak(0))


def test_a_side_whose_counters_cannot_be_read_is_not_idle() -> None:
    state = at(Drain("a"), weight=100)
    assert idle(state, "a")
    assert not idle(replace(state, seen=replace(state.seen, a=side(up=None))), "a")
    assert not idle(replace(state, seen=replace(state.seen, at=NOW - 11)), "a")
    assert not idle(at(Drain("a"), weight=100, look={"clock": clock(known_at(100), NOW)}), "a")


def test_an_idle_window_ends_with_the_last_look_not_with_a_word_said_since() -> None:
    looked = at(Drain("a"), weight=100, look={"a": side(quiet=((NOW - 30, 0),))})
    assert idle(looked, "a")
    before = replace(looked.seen, at=NOW - 4)
    assert not idle(replace(looked, seen=before), "a")
    asked = replace(before, a=side(quiet=((NOW - 1000, 0), (NOW - 33, 1))))
    assert not idle(replace(looked, seen=asked), "a")


def test_only_a_is_ever_idle_by_the_operators_force() -> None:
    mute = {"a": side(requests=None, quiet=()), "b": side(requests=None, quiet=())}
    state = at(Drain("a"), weight=100, look=mute, forced=True)
    assert (idle(state, "a"), idle(state, "b"), idle(replace(state, forced=False), "a")) == (True, False, False)


def test_the_window_begins_when_caches_turned_or_counting_began_or_a_request_was_seen() -> None:
    quiet = at(Drain("a"), weight=100, look={"clock": clock(known_at(100), NOW - 100)})
    assert idle_at(quiet, side(quiet=((NOW - 1000, 0),))) == NOW - 100 + 5 + 30
    assert idle_at(quiet, side(quiet=((NOW - 10, 0),))) == NOW - 10 + 30
    assert idle_at(quiet, side(quiet=())) == NOW + 30
    assert idle_at(quiet, side(quiet=((NOW - 1000, 0), (NOW - 3, 1)))) == NOW - 3 + 30
    few = replace(quiet, soft=soft(retire=Retire(idle_for=30, max_requests=2)))
    assert idle_at(few, side(quiet=((NOW - 1000, 0), (NOW - 3, 2)))) == NOW - 100 + 5 + 30
    assert idle_at(few, side(quiet=((NOW - 1000, 0), (NOW - 3, 3)))) == NOW - 3 + 30
    lagging_ = replace(quiet, seen=seen(known_at(0)))
    assert idle_at(lagging_, side(quiet=())) == NOW + 30


# ---------------------------------------------------------------- ours, or drift


def holding(*addresses: str, ttl: int = 60, number: int = 7, attempt: str = "a1", fence: bool = True) -> Held:
    ours = known_at(50)[0].fence
    assert ours is not None
    return Held(NAME, (rrset(*addresses, ttl=ttl),), replace(ours, number=number, attempt=attempt) if fence else None)


BOTH = ("192.0.2.10", "192.0.2.20")


@pytest.mark.parametrize(
    ("now", "ours"),
    [
        (holding(*BOTH), True),
        (holding(*BOTH, ttl=900), True),
        (holding("192.0.2.20", number=9), True),
        (holding("192.0.2.20"), False),
        (holding(*BOTH, number=9), False),
        (holding(*BOTH, number=8), False),
        (holding(*BOTH, attempt="a2"), False),
        (holding(*BOTH, fence=False), False),
        (holding("192.0.2.77"), False),
        (Held(NAME, (), None), False),
    ],
)
def test_a_name_is_ours_as_last_proven_or_as_a_write_without_definite_end_may_have_made_it(
    now: Held, ours: bool
) -> None:
    state = at(Soak(50), pending=((9, Write(0, "weight", 100)),))
    assert (differences(state, [now]) == []) is ours


def test_what_may_be_there_is_of_that_name_alone() -> None:
    state = at(Soak(50), pending=((9, Write(0, "weight", 100)),))
    assert {key: len(options) for key, options in expected(state, state.known).items()} == {("", NAME): 2}


def test_what_may_be_there_is_told_of_the_names_that_are_asked_for_alone() -> None:
    assert expected(at(Soak(50), pending=((9, Write(0, "weight", 100)),)), []) == {}


def test_a_difference_is_shown_with_values_and_fence() -> None:
    (line,) = differences(at(Soak(50)), [Held(NAME, (), None)])
    assert line == f"{NAME} holds no record (no fence), not A 192.0.2.10 192.0.2.20 (fence a1/7)"
    assert describe(holding(*BOTH)) == "A 192.0.2.10 192.0.2.20 (fence a1/7)"


def test_somebody_elses_code_is_shown_as_text_and_not_in_hex() -> None:
    code = b"pickrandom({'192.0.2.77'})"
    raw = bytes([0, 1, len(code)]) + code
    foreign = f"\\# {len(raw)} {raw.hex()}"
    strange = replace(holding(*BOTH), rrsets=(RRset(NAME, "LUA", 60, (foreign,)),))
    (said,) = differences(at(Soak(50)), [strange])
    assert said.startswith(f"{NAME} holds LUA A \"pickrandom({{'192.0.2.77'}})\" (fence a1/7), not A 192.0.2.10 ")


def test_who_undoes_by_hand_what_is_several_messages_is_told_how_to_go_on() -> None:
    state = at(Soak(50))
    by_hand = differences(state, PLAN.originals)
    assert by_hand[0].endswith(
        "as before the migration (undone by hand? to undo the rest: lbmigrate rollback --restore)"
    )
    assert "by hand" not in differences(state, [replace(PLAN.originals[0], rrsets=(rrset("192.0.2.77"),))])[0]
    assert undone(state, PLAN.originals)
    assert not undone(replace(state, known=PLAN.originals), PLAN.originals)


def test_ttls_alone_make_no_difference() -> None:
    one = holding(*BOTH)
    assert alike(one, one)
    assert alike(one, holding(*BOTH, ttl=5))
    assert not alike(holding(*BOTH), holding(*BOTH, number=8))


def test_a_ttl_that_somebody_edited_is_told_with_its_rrset() -> None:
    state = at(Soak(50))
    now = known_at(50)
    edited = tuple(replace(one, rrsets=tuple(replace(r, ttl=r.ttl + 1) for r in one.rrsets)) for one in now)
    assert odd_ttls(state, now) == []
    assert odd_ttls(state, edited) == [((*one.key, r.rtype), r.ttl) for one in edited for r in one.rrsets]


def test_late_counters_prove_what_they_tell_of_and_two_probes_may_be_astray() -> None:
    late = at(Drain("a"), weight=100, look={"a": side(as_of=NOW - 180)})
    assert idle(late, "a")
    assert not idle(replace(late, seen=replace(late.seen, a=side(as_of=NOW - 180, quiet=((NOW - 209, 0),)))), "a")
    for counts, is_idle in (((2, -1, 1), True), ((2, 1), False), ((3,), False)):
        window = tuple((NOW - 181 - place, one) for place, one in enumerate(counts))
        state = replace(late.seen, a=side(as_of=NOW - 180, quiet=((NOW - 1000, 0), *window)))
        assert idle(replace(late, seen=state), "a") is is_idle
