"""Names, hints, texts and nets in wire form."""

import ipaddress

import dns.name
import dns.rdata
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbmigrate.rdata import address_of, end_of, hints, strings, terms, wire

A = (ipaddress.ip_address("192.0.2.10"), ipaddress.ip_address("2001:db8::10"))


@pytest.mark.parametrize("name", ["www.example.com.", "10.2.0.192.in-addr.arpa.", "com."])
def test_the_wire_form_is_the_one_of_dnspython(name: str) -> None:
    assert wire(name) == dns.name.from_text(name).to_wire()


@pytest.mark.parametrize(("raw", "at", "end"), [(b"\1a\0x", 0, 3), (b"xx\0", 2, 3), (b"\1a", 0, 3), (b"\5a", 0, 7)])
def test_where_a_name_ends(raw: bytes, at: int, end: int) -> None:
    assert end_of(raw, at) == end


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("alpn=h2 ipv4hint=192.0.2.1,192.0.2.2 port=1 ipv6hint=2001::1", ["192.0.2.1", "192.0.2.2", "2001::1"]),
        ("alpn=h2", []),
        ("", []),
    ],
)  # fmt: skip
def test_hints(text: str, found: list[str]) -> None:
    raw = dns.rdata.from_text("IN", "HTTPS", f"1 . {text}").to_wire() or b""
    assert [str(ipaddress.ip_address(one)) for one in hints(raw[3:])] == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("v=spf1 ip4:192.0.2.10 -all", ["ip4:192.0.2.10"]),
        ("V=SPF1 ?IP4:192.0.2.0/24 ~ip6:2001:db8::/32", ["?IP4:192.0.2.0/24", "~ip6:2001:db8::/32"]),
        ("v=spf1 ip4:192.0.2.99/24", ["ip4:192.0.2.99/24"]),
        ("v=spf1 ip4:192.0.2.11 ip4:198.51.100.0/24 ip6:2001:db8::11", []),
        ("v=spf1 a:192.0.2.10 ip4:nonsense ip4: ip6:192.0.2.10/99 +all", []),
        ("v=spf10 ip4:192.0.2.10", []),
        ("ip4:192.0.2.10", []),
        ("", []),
    ],
)
def test_the_terms_of_an_spf_record_that_hold_an_address(text: str, found: list[str]) -> None:
    assert list(terms(text, A)) == found


def test_strings_are_joined() -> None:
    assert strings(b"\2ab\0\1\xff") == "ab\xff"
    assert strings(b"\5ab") == "ab"


@pytest.mark.parametrize(("text", "found"), [("192.0.2.10", A[0]), ("2001:DB8::10", A[1]), ("192.0.2", None)])
def test_addresses(text: str, found: object) -> None:
    assert address_of(text) == found


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(0, 60))
def test_no_bytes_are_too_much(raw: bytes, at: int) -> None:
    assert all(len(one) <= 16 for one in hints(raw))
    assert len(strings(raw)) <= len(raw)
    assert end_of(raw, at) > 0
