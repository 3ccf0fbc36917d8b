"""Which records are found to end at A, and what is to be done about each: tables of records and findings."""

import dns.name
import dns.rdata
import dns.rdatatype
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbmigrate import lua
from lbmigrate.discover import HOSTED, MOST, STUCK, TYPES, Contents, Found, Record, findings, names
from lbmigrate.model import Side

A = Side("external", ("192.0.2.10", "2001:db8::10"), hostname="lb-a.example.com.")
NAMELESS = Side("external", A.addresses)
NUMBERS = {"LUA": lua.NUMBER, "ALIAS": 65401}


def w(name: str) -> bytes:
    return dns.name.from_text(name, dns.name.from_text("example.com")).to_wire() or b""


def t(name: bytes) -> str:
    """Short: without the zone."""
    return dns.name.from_wire(name, 0)[0].relativize(dns.name.from_text("example.com")).to_text()


def record(line: str) -> Record:
    owner, rtype, rdata = line.split(" ", 2)
    origin = dns.name.from_text("example.com")
    if rtype == "ALIAS":
        return w(owner), 65401, 300, w(rdata)
    if rtype == "HOSTED":
        return w(owner), HOSTED, 60, w(rdata)
    if rtype == "STUCK":
        return w(owner), STUCK, 0, rdata.encode()
    if rtype == "LUA":
        family, _, code = rdata.partition(" ")
        raw = code.encode()
        return w(owner), lua.NUMBER, 300, lua.FAMILY[family].to_bytes(2, "big") + bytes([len(raw)]) + raw
    made = dns.rdata.from_text("IN", rtype, rdata, origin=origin, relativize=False)
    return w(owner).lower(), int(dns.rdatatype.from_text(rtype)), 300, made.to_wire() or b""


def zone(lines: str, entry: int = 0, a: Side = A, apex: str = "@") -> Contents:
    soa = f"{apex} SOA ns h 1 2 3 4 5"
    return Contents(entry, a).add(map(record, [soa, *(line.strip() for line in lines.strip().split("\n") if line)]))


def told(*zones: Contents, a: Side = A) -> list[str]:
    """Each finding as `name type by: fate`."""
    return [_line(one) for one in findings(zones, a)[0]]


def _line(one: Found) -> str:
    return f"{t(one.name)} {one.rtype} {one.what or ' '.join(map(t, one.via))}: {one.fate}"


W = "www A 192.0.2.10: move"
X = "x.t A 192.0.2.10: move"
TABLE = [
    ("www A 192.0.2.10", ["www A 192.0.2.10: move"]),
    ("WwW A 192.0.2.10", ["www A 192.0.2.10: move"]),
    ("www A 192.0.2.11", []),
    ("www AAAA 2001:DB8:0::10", ["www AAAA 2001:db8::10: move"]),
    ("www A 192.0.2.10\nwww A 192.0.2.11", ["www A 192.0.2.10: move"]),
    ("*.apps A 192.0.2.10", ["*.apps A 192.0.2.10: move"]),
    ("@ A 192.0.2.10", ["@ A 192.0.2.10: move"]),
    ("lb-a A 192.0.2.10", ["lb-a A 192.0.2.10: own"]),
    ("www CNAME lb-a", ["www CNAME lb-a: move"]),
    ("www CNAME LB-A", ["www CNAME lb-a: move"]),
    ("www CNAME lb-b", []),
    ("www CNAME www", []),
    ("x CNAME y\ny CNAME x\nz CNAME x", []),
    ("x CNAME y\ny CNAME x\ny A 192.0.2.10", ["x CNAME y: follow", "y A 192.0.2.10: move", "y CNAME x y: follow"]),
    ("b CNAME www\na CNAME b\nwww A 192.0.2.10", ["a CNAME b www: follow", "b CNAME www: follow", W]),
    ("a ALIAS www\nwww A 192.0.2.10", ["a ALIAS www: follow", "www A 192.0.2.10: move"]),
    ("a ALIAS lb-a", ["a ALIAS lb-a: stuck"]),
    ("a HOSTED lb-a", ["a alias lb-a: move"]),
    ("_a HOSTED lb-a", ["_a alias lb-a: stuck"]),
    ("a HOSTED www\nwww A 192.0.2.10", ["a alias www: follow", "www A 192.0.2.10: move"]),
    ("a STUCK why\na HOSTED lb-a\nb CNAME a", ["a alias lb-a: stuck", "b CNAME a lb-a: stuck"]),
    ("www STUCK why\nwww A 192.0.2.10", ["www A 192.0.2.10: stuck"]),
    ("a STUCK why\na HOSTED www\nwww A 192.0.2.10", ["a alias www: follow", "www A 192.0.2.10: move"]),
    ("_x._tcp SRV 0 0 80 lb-a", ["_x._tcp SRV lb-a: move"]),
    ("_x._tcp SRV 0 0 80 .", []),
    ("x SRV 0 0 80 lb-a", ["x SRV lb-a: stuck"]),
    ("_x._tcp SRV 0 0 80 www\nwww A 192.0.2.10", ["_x._tcp SRV www: follow", "www A 192.0.2.10: move"]),
    ("x HTTPS 1 lb-a alpn=h2", ["x HTTPS lb-a: move"]),
    ("x HTTPS 0 lb-a", ["x HTTPS lb-a: move"]),
    ("x HTTPS 0 .", []),
    ("x HTTPS 1 . ipv4hint=192.0.2.10", ["x HTTPS hint 192.0.2.10: move"]),
    ("x HTTPS 1 . ipv6hint=2001:db8::1,2001:db8::10", ["x HTTPS hint 2001:db8::10: move"]),
    ("x HTTPS 1 . ipv4hint=192.0.2.99", []),
    ("_8443._https.x HTTPS 1 lb-a", ["_8443._https.x HTTPS lb-a: move"]),
    ("_8443._tcp.x HTTPS 1 lb-a", ["_8443._tcp.x HTTPS lb-a: stuck"]),
    ("_d SVCB 1 lb-a", ["_d SVCB lb-a: move"]),
    ("x LUA A pickrandom({'192.0.2.10','192.0.2.11'})", ["x LUA code with 192.0.2.10: stuck"]),
    ("x LUA AAAA ifportup(443, {'2001:DB8::10'})", ["x LUA code with 2001:db8::10: stuck"]),
    ("x LUA A createAlias('lb-a.example.com')", ["x LUA code with lb-a.example.com: stuck"]),
    ("x LUA A pickrandom({'192.0.2.101'})", []),
    ("d DNAME t\nx.t A 192.0.2.10", ["x.d DNAME x.t: follow", "x.t A 192.0.2.10: move"]),
    ("a ALIAS lb-a\nb CNAME a", ["a ALIAS lb-a: stuck", "b CNAME a lb-a: stuck"]),
    ("d.example.org. DNAME @", ["lb-a.d.example.org. DNAME lb-a: stuck"]),
    ("d DNAME t\nt A 192.0.2.10", ["t A 192.0.2.10: move"]),
    ("d DNAME t\nx.t A 192.0.2.10\ny CNAME x.d", ["x.d DNAME x.t: follow", X, "y CNAME x.d x.t: follow"]),
    ("sub NS ns.sub\nns.sub A 192.0.2.10\n@ NS ns", ["ns.sub A 192.0.2.10: glue"]),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "expected"), TABLE)
def test_what_ends_at_a(lines: str, expected: list[str]) -> None:
    assert told(zone(lines)) == expected


BESIDE = [
    ('@ TXT "v=spf1 ip4:192.0.2.0/24 -all"', ["@ TXT ip4:192.0.2.0/24"]),
    ('@ SPF "v=spf1 ip6:2001:db8::10"', ["@ SPF ip6:2001:db8::10"]),
    ('@ TXT "v=spf1 ip4:198.51.100.0/24"\nx TXT "ip4:192.0.2.10"', []),
    ("10.2.0.192.in-addr.arpa. PTR anything.", ["10.2.0.192.in-addr.arpa. PTR anything."]),
    ("9.2.0.192.in-addr.arpa. PTR anything.", []),
    ("9.2.0.192.in-addr.arpa. PTR www\nwww A 192.0.2.10", ["9.2.0.192.in-addr.arpa. PTR www"]),
    ("9.2.0.192.in-addr.arpa. PTR lb-a", ["9.2.0.192.in-addr.arpa. PTR lb-a"]),
    (
        "10.0-15.2.0.192.in-addr.arpa. PTR x.\n10.2.0.192.in-addr.arpa. CNAME 10.0-15.2.0.192.in-addr.arpa.",
        ["10.0-15.2.0.192.in-addr.arpa. PTR x."],
    ),
    ("@ MX 10 www\nwww A 192.0.2.10\n@ MX 20 other\n@ MX 30 .", ["@ MX www"]),
    ("sub NS www\nwww A 192.0.2.10", ["sub NS www"]),
]


@pytest.mark.parametrize(("lines", "expected"), BESIDE)
def test_what_names_a_and_is_not_moved(lines: str, expected: list[str]) -> None:
    beside = findings([zone(lines)], A)[1]
    assert [f"{t(one.name)} {one.rtype} {one.what or t(one.target)}" for one in beside] == expected


def test_chains_go_across_zones() -> None:
    other = zone("www.example.org. A 192.0.2.10\nx.example.org. CNAME lb-a", entry=1, apex="example.org.")
    found = told(zone("www CNAME x.example.org.\nb CNAME www.example.org."), other)
    assert found == [
        "b CNAME www.example.org.: follow",
        "www CNAME x.example.org. lb-a: follow",
        "www.example.org. A 192.0.2.10: move",
        "x.example.org. CNAME lb-a: move",
    ]


def test_a_side_without_a_hostname_is_found_by_its_addresses_alone() -> None:
    lines = "lb-a A 192.0.2.10\nwww CNAME lb-a\nx LUA A f('lb-a.example.com')"
    assert told(zone(lines, a=NAMELESS), a=NAMELESS) == ["lb-a A 192.0.2.10: move", "www CNAME lb-a: follow"]


def test_a_child_zone_with_its_own_entry_is_moved_there() -> None:
    parent = zone("sub NS ns.sub\nwww.sub A 192.0.2.10")
    child = zone("www.sub A 192.0.2.10", entry=1, apex="sub")
    assert told(parent, child) == ["www.sub A 192.0.2.10: glue", "www.sub A 192.0.2.10: move"]
    assert [t(one) for one in names(findings([parent, child], A)[0])] == ["www.sub"]


def test_names_are_each_once_and_in_the_order_of_a_zone() -> None:
    found, _ = findings(
        [zone("b A 192.0.2.10\nb AAAA 2001:db8::10\na.b A 192.0.2.10\n*.b A 192.0.2.10\na A 192.0.2.10")], A
    )
    assert [t(one) for one in names(found)] == ["a", "b", "*.b", "a.b"]
    assert [one.wildcard for one in found] == [False, False, False, True, False]


def test_chains_that_no_resolver_follows_end() -> None:
    lines = "\n".join(f"n{n} CNAME n{n - 1}" for n in range(1, 2 * MOST))
    assert len(told(zone(f"n0 A 192.0.2.10\n{lines}"))) == MOST + 1


def test_dnames_that_feed_each_other_end() -> None:
    found = told(zone("d DNAME @\na A 192.0.2.10", a=NAMELESS), a=NAMELESS)
    assert len(found) == MOST + 1
    assert found[:2] == ["a A 192.0.2.10: move", "a.d DNAME a: follow"]


def test_a_dname_makes_no_name_that_is_too_long() -> None:
    long = ".".join(["x" * 60] * 3) + "." + "y" * 40
    assert len(told(zone(f"{'d' * 50} DNAME t\n{long}.t A 192.0.2.10"))) == 1


def test_fences_are_remembered() -> None:
    assert zone('_lbmigrate.www TXT "lbm1 m=web"').fenced == [(w("www"), "lbm1 m=web")]


def test_only_what_is_looked_at_is_wanted() -> None:
    wanted = zone("www A 192.0.2.10").wanted(every := frozenset[bytes]())
    assert wanted.keys() == TYPES.keys()
    assert b"\xc0\0\2\x0a" in wanted[1]
    assert b"\xc0\0\2\x0b" not in wanted[1]
    assert wanted[5] is every


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(TYPES)), st.binary(max_size=40)), max_size=8))
def test_no_rdata_breaks_it(many: list[tuple[int, bytes]]) -> None:
    findings([Contents(0, A).add((w("www"), rtype, 0, rdata) for rtype, rdata in many)], A)


def test_what_points_to_as_own_name_follows_where_that_is_moved() -> None:
    one = zone("lb-a A 192.0.2.10\nwww CNAME lb-a\n_x._tcp SRV 0 0 80 lb-a")
    found, _ = findings([one], A, {w("lb-a")})
    assert [_line(each) for each in found] == [
        "_x._tcp SRV lb-a: follow", "lb-a A 192.0.2.10: move", "www CNAME lb-a: follow",
    ]  # fmt: skip
