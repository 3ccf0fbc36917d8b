"""The fence's text form: what is written is read back, whatever else is refused."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbmigrate.fence import decode, encode, marked, owner
from lbmigrate.model import Fence, RRset

NAME = "www.example.com."
ORIGINALS = (
    RRset(NAME, "A", 300, ("192.0.2.10", "192.0.2.11")),
    RRset(NAME, "AAAA", 60, ("2001:db8::10",)),
)
FENCE = Fence("web-2026", "5e1f0c2a", 7, ORIGINALS)

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
rrsets = st.builds(
    lambda rtype, ttl, rdatas, spelled: RRset(NAME, rtype, ttl, tuple(sorted(rdatas)), spelled),
    st.sampled_from(["A", "AAAA", "SRV", "HTTPS", "TYPE65402"]),
    st.integers(0, 2**31 - 1),
    st.sets(st.text(string.printable, min_size=1, max_size=40), min_size=1, max_size=30),
    st.sampled_from(["", "WWW.example.com.", r"Ww\032W.Example.com."]),
)
sets = st.lists(rrsets, max_size=4, unique_by=lambda one: one.rtype).map(
    lambda found: tuple(sorted(found, key=lambda one: one.rtype))
)


def test_the_text_as_it_stands_in_dns() -> None:
    assert encode(FENCE) == (
        "lbm1 m=web-2026 a=5e1f0c2a n=7 c=" + encode(FENCE)[0][-8:],
        "name www.example.com.",
        "A 300 192.0.2.10 192.0.2.11",
        "AAAA 60 2001:db8::10",
    )
    assert owner(NAME) == "_lbmigrate.www.example.com."


def test_an_owner_in_upper_case_has_a_line_of_its_own() -> None:
    upper = Fence("web-2026", "5e1f0c2a", 7, (RRset(NAME, "A", 300, ("192.0.2.10",), "WWW.Example.com."),))
    assert encode(upper)[1:] == ("name www.example.com.", "A 300 192.0.2.10", "as A WWW.Example.com.")


@settings(deadline=None, database=None)
@given(texts, texts, st.integers(0, 2**63 - 1), sets, st.randoms())
def test_what_is_written_is_read_back_in_any_order(
    migration: str, attempt: str, number: int, originals: tuple[RRset, ...], random: "object"
) -> None:
    fence = Fence(migration, attempt, number, originals)
    strings = list(encode(fence))
    assert all(0 < len(one.encode()) <= 255 and one.isascii() and one.isprintable() for one in strings)
    getattr(random, "shuffle")(strings)  # noqa: B009
    assert decode(tuple(strings)) == fence
    assert marked(strings)


@settings(deadline=None, database=None)
@given(st.lists(st.text(max_size=60), max_size=4), st.sampled_from(encode(FENCE)))
def test_anything_else_is_a_value_error(strings: list[str], one: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode((*strings, one))


@settings(deadline=None, database=None)
@given(st.integers(0, 3), st.data())
def test_one_character_edited_is_noticed(which: int, data: st.DataObject) -> None:
    strings = list(encode(FENCE))
    at = data.draw(st.integers(0, len(strings[which]) - 1))
    put = data.draw(st.characters(min_codepoint=32, max_codepoint=126).filter(lambda c: c != strings[which][at]))
    strings[which] = strings[which][:at] + put + strings[which][at + 1 :]
    with pytest.raises(ValueError, match=r".+"):
        decode(tuple(strings))


@pytest.mark.parametrize("lost", range(4))
def test_a_string_lost_or_doubled_is_noticed(lost: int) -> None:
    strings = encode(FENCE)
    with pytest.raises(ValueError, match=r".+"):
        decode(strings[:lost] + strings[lost + 1 :])
    with pytest.raises(ValueError, match=r".+"):
        decode((*strings, strings[lost]))


@pytest.mark.parametrize(
    "fence",
    [
        Fence("", "a", 1, ()),
        Fence("m", "", 1, ()),
        Fence("m", "a", -1, ()),
        Fence("m", "a", 2**63, ()),
        Fence("m" * 300, "a", 1, ()),
        Fence("m", "a", 1, (RRset(NAME, "A", 2**31, ("192.0.2.1",)),)),
        Fence("m", "a", 1, (RRset(NAME, "A", -1, ("192.0.2.1",)),)),
        Fence("m", "a", 1, (RRset(NAME, "A", 1, ("x" * 300,)),)),
        Fence("m", "a", 1, (ORIGINALS[0], RRset("other.", "AAAA", 1, ("2001:db8::1",)))),
        Fence("m", "a", 1, (ORIGINALS[0], ORIGINALS[0])),
    ],
)
def test_what_text_cannot_hold_is_a_value_error(fence: Fence) -> None:
    with pytest.raises(ValueError, match=r".+"):
        encode(fence)


@pytest.mark.parametrize(
    ("text", "meant"), [("lbm1 m=a", True), ("lbm2 x", True), ("v=spf1 -all", False), ("xlbm1", False), ("", False)]
)
def test_a_text_that_means_to_be_a_fence_is_told_from_others(text: str, meant: bool) -> None:
    assert marked([text]) is meant
