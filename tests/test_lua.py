"""The one LUA record that is written: from integers and parsed addresses, and nothing else is read back as ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmigrate import lua

TEXT = "A \"pickwrandom({{9,'192.0.2.1'},{1,'192.0.2.2'}})\""
SIX = "AAAA \"pickwrandom({{1,'2001:db8::1'},{3,'2001:db8::2'}})\""


def test_shares_become_the_smallest_whole_numbers() -> None:
    assert lua.choice("A", [(90, "192.0.2.1"), (10, "192.0.2.2")]) == TEXT
    assert lua.choice("AAAA", [(25, "2001:0db8::1"), (75, "2001:db8::2")]) == SIX
    assert lua.read(TEXT) == ("A", ((9, "192.0.2.1"), (1, "192.0.2.2")))


@pytest.mark.parametrize(
    "shares",
    [
        [(0, "192.0.2.1"), (0, "192.0.2.2")],
        [(0, "192.0.2.1"), (1, "192.0.2.2")],
        [(-1, "192.0.2.1")],
        [(1, "2001:db8::1")],
        [(1, "192.0.2.1'}}) os.execute('x')")],
    ],
)
def test_what_is_no_address_of_the_family_or_no_share_is_never_written(shares: list[tuple[int, str]]) -> None:
    with pytest.raises(ValueError, match=r"share|IPv4|Expected|Only"):
        lua.choice("A", shares)


def test_the_wire_form_is_the_one_that_powerdns_takes() -> None:
    code = TEXT[3:-1].encode()
    assert lua.wire(TEXT) == b"\x00\x01" + bytes([len(code)]) + code
    assert lua.generic(TEXT) == f"\\# {len(code) + 3} {lua.wire(TEXT).hex()}"
    assert lua.wire(lua.generic(TEXT)) == lua.wire(TEXT)
    assert lua.text(lua.wire(TEXT)) == TEXT


@given(st.lists(st.tuples(st.integers(1, 999), st.ip_addresses(v=6)), min_size=1, max_size=30))
def test_a_record_of_any_length_comes_back_as_it_was_written(found: list[tuple[int, object]]) -> None:
    text = lua.choice("AAAA", [(share, str(address)) for share, address in found])
    assert lua.text(lua.wire(text)) == text
    assert lua.read(text) is not None


FOREIGN = b"\x00\x01\x10ifportup(443, {'\x0d192.0.2.77'})"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (lua.wire(TEXT), TEXT),
        (FOREIGN, "A \"ifportup(443, {'192.0.2.77'})\""),
        (b"\x00\x10\x02hi", 'TYPE16 "hi"'),
        (b"\x00\x01\x09cut", 'A "cut"'),
        (b"\x00\x01\x03\x1b[2", 'A "\x1b[2"'),
        (b"\x00\x01" + (b"\xff" + b"x" * 255) * 2, 'A "' + "x" * 197 + "…"),
    ],
)
def test_people_read_anybodys_code_as_text(raw: bytes, said: str) -> None:
    assert lua.shown(lua.text(raw)) == said


def test_what_is_no_generic_form_is_shown_as_it_is() -> None:
    assert lua.shown("") == ""


@given(st.binary(max_size=80))
def test_foreign_code_is_shown_in_the_generic_form_and_survives(raw: bytes) -> None:
    assert lua.text(raw).startswith("\\# ") or lua.read(lua.text(raw))
    assert not raw or lua.wire(lua.text(raw)) == raw


@pytest.mark.parametrize(
    "text",
    [
        "A \"ifportup(443, {'192.0.2.1'})\"",
        TEXT.replace("'192.0.2.1'", "os.execute('x')"),
        TEXT.replace("9", "0"),
        "MX x",
        "A pickwrandom",
    ],
)
def test_only_the_template_is_ours(text: str) -> None:
    assert lua.read(text) is None
    with pytest.raises(ValueError, match="no LUA record that lbmigrate writes"):
        lua.wire(text)
