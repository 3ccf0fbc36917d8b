"""Answers of a LUA record count as the record that the served fence says is there."""

import pytest

from lbmigrate import lua, weighted
from lbmigrate.fence import rdata
from lbmigrate.model import Fence, Held, RRset, Served
from lbmigrate.settled import OTHER, settled

NAME, A, B = "www.example.com.", "192.0.2.10", "192.0.2.20"
TEXT = lua.choice("A", [(75, A), (25, B)])
FENCE = Fence("web", "a1", 7, (RRset(NAME, "A", 300, (A,)),))
LUA = Held(NAME, (RRset(NAME, "LUA", 60, (TEXT,)),), FENCE)
PLAIN = Held(NAME, (RRset(NAME, "A", 60, (B,)),), FENCE)


def served(*addresses: str, fence: Fence | None = FENCE, ttl: int = 60) -> list[Served]:
    return [
        Served("ns1", NAME, "A", ttl, addresses),
        Served("ns1", NAME, "TXT", 60, (rdata(fence),) if fence else ()),
    ]


def found(held: Held, answers: list[Served]) -> dict[str, tuple[int | None, tuple[str, ...] | None]]:
    return {one.rtype: (one.ttl, one.rdatas) for one in settled([held], answers)}


@pytest.mark.parametrize("address", [A, B])
def test_any_address_of_the_present_record_is_the_present_record(address: str) -> None:
    assert found(LUA, served(address, ttl=55)) == {"A": (55, ()), "LUA": (55, (TEXT,))}


def test_an_address_that_it_cannot_answer_stays_an_answer_of_its_own() -> None:
    assert found(LUA, served("192.0.2.99"))["A"] == (60, ("192.0.2.99",))


@pytest.mark.parametrize(
    "fence", [None, Fence("web", "a1", 6, FENCE.originals), Fence("web", "a2", 7, FENCE.originals)]
)
@pytest.mark.parametrize("held", [LUA, PLAIN])
def test_under_another_fence_it_is_another_record(held: Held, fence: Fence | None) -> None:
    assert found(held, served(B, fence=fence)) == {"A": (60, (B,)), "LUA": (60, (OTHER,))}


def test_where_no_lua_record_is_held_addresses_are_what_they_are() -> None:
    assert found(PLAIN, served(B)) == {"A": (60, (B,)), "LUA": (60, ())}


def test_without_a_fence_none_must_be_served() -> None:
    bare = Held(NAME, PLAIN.rrsets)
    assert found(bare, served(B, fence=None))["LUA"] == (60, ())
    assert found(bare, served(B))["LUA"] == (60, (OTHER,))


def test_a_server_that_does_not_answer_for_the_fence_says_nothing_of_the_record() -> None:
    silent = [Served("ns1", NAME, "A", None, None, "no answer"), Served("ns1", NAME, "TXT", None, None, "no answer")]
    assert [(one.rtype, one.rdatas, one.error) for one in settled([LUA], silent)] == [
        ("A", None, "no answer"),
        ("LUA", None, "no answer"),
    ]


def test_names_that_were_not_asked_for_their_fence_are_left_alone() -> None:
    other = Served("ns1", "api.example.com.", "A", 60, (A,))
    https = Served("ns1", NAME, "HTTPS", 60, ("1 .",))
    assert settled([LUA], [other]) == [other]
    assert {other, https} <= set(settled([LUA], [other, https, *served(A)]))


# ---------------------------------------------------------------- weighted sets


def test_weighted_sets_are_known_by_the_fence_too() -> None:
    sets = RRset(NAME, "WEIGHTED", 60, (weighted.choice("A", [(75, A), (25, B)]),))
    answers = [Served("ns1", NAME, "A", 50, (B,)), Served("ns1", NAME, "WEIGHTED", 60, (rdata(FENCE),))]
    assert found(Held(NAME, (sets,), FENCE), answers) == {"A": (50, ()), "WEIGHTED": (50, sets.rdatas)}
    assert found(PLAIN, answers) == {"A": (50, (B,)), "WEIGHTED": (50, ())}


def test_an_alias_answers_with_what_its_balancer_has() -> None:
    """Whatever addresses come: under our fence they are the alias; the TTL of what stands beside it is another's."""
    sets = RRset(NAME, "WEIGHTED", 60, ("A - =Z1,true,lb.example.com.",))
    beside = RRset(NAME, "AAAA", 300, ("2001:db8::10",))
    answers = [
        Served("ns1", NAME, "A", 60, ("198.51.100.7", "198.51.100.8")),
        Served("ns1", NAME, "AAAA", 300, beside.rdatas),
        Served("ns1", NAME, "WEIGHTED", 60, (rdata(FENCE),)),
    ]
    assert found(Held(NAME, (sets, beside), FENCE), answers) == {
        "A": (60, ()), "AAAA": (300, beside.rdatas), "WEIGHTED": (60, sets.rdatas)
    }  # fmt: skip


def test_a_weighted_cname_is_either_of_its_targets() -> None:
    sets = RRset(NAME, "WEIGHTED", 5, (weighted.choice("CNAME", [(1, "lb-a.example.com."), (1, "LB-B.example.com.")]),))
    answers = [Served("ns1", NAME, "CNAME", 5, ("lb-b.example.com.",)), Served("ns1", NAME, "WEIGHTED", 60, (rdata(FENCE),))]  # fmt: skip  # noqa: E501
    assert found(Held(NAME, (sets,), FENCE), answers) == {"CNAME": (5, ()), "WEIGHTED": (5, sets.rdatas)}
