"""What names hold at each weight when they hold more than addresses: SRV, CNAME, HTTPS, SVCB, LUA; whole names."""

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmigrate import drawn, lua, weighted
from lbmigrate.model import Held, RRset, Side
from lbmigrate.schemes import attainable, leaves, misfit, records, share, srv, unfit, way, within
from lbmigrate.schemes.swap import hints, service
from lbmigrate.value import replace

NAME = "www.example.com."
SERVICE = "_web._tcp.example.com."
A = Side("sim", ("192.0.2.10", "192.0.2.11", "2001:db8::10"), "lb-a.example.com.")
B = Side("sim", ("192.0.2.20", "2001:db8::20"), "lb-b.example.com.")
FOUR = RRset(NAME, "A", 300, A.addresses[:2])
SIX = RRset(NAME, "AAAA", 120, A.addresses[2:])


def one(rtype: str, *rdatas: str, name: str = NAME, ttl: int = 300) -> RRset:
    return RRset(name, rtype, ttl, tuple(sorted(rdatas)))


def held(*rrsets: RRset) -> Held:
    return Held(rrsets[0].name, tuple(sorted(rrsets, key=lambda r: r.rtype)))


def at(how: str, original: Held, weight: int, alone: bool = False) -> dict[str, tuple[str, ...]]:
    return {r.rtype: r.rdatas for r in records(how, original, A, B, weight, alone)}


CNAME = held(one("CNAME", "LB-a.example.com."))
SRV = held(one("SRV", "10 5 443 lb-a.example.com.", "30 0 443 other.example.net.", name=SERVICE))
HTTPS = one("HTTPS", '1 . alpn="h2,h3" ipv4hint="192.0.2.10,192.0.2.11" ipv6hint="2001:db8::10"')

# ---------------------------------------------------------------- which way


@pytest.mark.parametrize(
    ("scheme", "original", "how"),
    [
        ("auto", held(FOUR), "addresses"),
        ("addresses", held(FOUR, HTTPS), "addresses"),
        ("lua", held(FOUR), "lua"),
        ("lua", CNAME, "whole"),
        ("weighted", held(FOUR), "weighted"),
        ("auto", CNAME, "whole"),
        ("auto", SRV, "srv"),
        ("srv", SRV, "srv"),
        ("names", SRV, "names"),
        ("names", CNAME, "names"),
        ("auto", held(HTTPS), "whole"),
    ],
)
def test_a_name_is_moved_by_what_it_holds_and_what_its_zone_can(scheme: str, original: Held, how: str) -> None:
    assert way(scheme, original) == how


@pytest.mark.parametrize(
    ("how", "original", "can"),
    [
        ("addresses", held(FOUR), {0, 50, 100}),
        ("lua", held(FOUR, SIX), set(range(101))),
        ("srv", SRV, set(range(101))),
        ("whole", CNAME, {0, 100}),
        ("whole", held(HTTPS), set(range(101))),
        ("whole", held(one("HTTPS", "1 lb-a.example.com.")), {0, 50, 100}),
        ("names", SRV, {0, 100}),
        ("lua", held(FOUR, HTTPS), set(range(101))),
        ("lua", held(FOUR, one("HTTPS", "1 lb-a.example.com.")), {0, 50, 100}),
        ("lua", held(FOUR, one("HTTPS", "0 lb-a.example.com.")), {0, 100}),
        ("lua", held(FOUR, one("HTTPS", "1 cdn.example.net.")), set(range(101))),
    ],
)
def test_the_weights_that_a_name_attains(how: str, original: Held, can: set[int]) -> None:
    assert attainable(how, original, A, B) == can


def test_what_is_not_attainable_is_never_rounded() -> None:
    with pytest.raises(ValueError, match="weight 1 is not attainable"):
        records("whole", CNAME, A, B, 1)


# ---------------------------------------------------------------- srv


def test_b_joins_as_a_standby_shares_is_preferred_and_is_alone() -> None:
    other = "30 0 443 other.example.net."
    assert at("srv", SRV, 0) == {"SRV": ("10 5 443 lb-a.example.com.", other, "31 5 443 lb-b.example.com.")}
    assert at("srv", SRV, 25) == {"SRV": ("10 15000 443 lb-b.example.com.", "10 45000 443 lb-a.example.com.", other)}
    assert at("srv", SRV, 100) == {"SRV": ("10 5 443 lb-b.example.com.", other, "31 5 443 lb-a.example.com.")}
    assert at("srv", SRV, 100, alone=True) == {"SRV": ("10 5 443 lb-b.example.com.", other)}
    assert leaves("srv")
    assert not leaves("addresses")


def test_several_ports_and_priorities_of_a_keep_their_proportions() -> None:
    original = one("SRV", "1 3 80 lb-a.example.com.", "1 1 81 lb-a.example.com.", "2 0 90 lb-a.example.com.")
    now = srv.services(srv.records(original, A, B, 50))
    assert {(p, w, port) for p, w, port, host in now if host == B.hostname} == {(1, 22500, 80), (1, 7500, 81), (2, 30000, 90)}  # fmt: skip  # noqa: E501
    standby = srv.services(srv.records(original, A, B, 0))
    assert {(p, port) for p, _, port, host in standby if host == B.hostname} == {(3, 80), (3, 81), (4, 90)}


@given(st.integers(1, 99), st.lists(st.integers(0, 65535), min_size=1, max_size=4))
def test_the_shares_of_srv_are_the_weights(weight: int, given_weights: list[int]) -> None:
    original = one("SRV", *(f"5 {w} {8000 + i} lb-a.example.com." for i, w in enumerate(given_weights)))
    now = srv.records(original, A, B, weight)
    assert abs(srv.share(now, B) - weight) < 0.05
    assert all(0 < w <= 65535 for _, w, _, _ in srv.services(now))


def test_all_zero_weights_are_equal_ones() -> None:
    assert srv.share(one("SRV", "1 0 1 lb-a.example.com.", "1 0 1 lb-b.example.com."), B) == 50.0


@pytest.mark.parametrize(
    ("rdatas", "why"),
    [
        (("10 5 443 lb-a.example.com.", "10 5 443 x.example.net."), "shares A's priority with x.example.net."),
        (("65535 5 443 lb-a.example.com.",), "no priority number left"),
        (("10 5 443 x.example.net.",), "points to x.example.net."),
    ],
)
def test_services_that_cannot_be_weighed(rdatas: tuple[str, ...], why: str) -> None:
    assert why in unfit("srv", held(one("SRV", *rdatas, name=SERVICE)), A, B)


# ---------------------------------------------------------------- lua


def test_a_lua_record_stands_in_place_of_both_families_and_each_has_the_weight() -> None:
    (record,) = records("lua", held(FOUR, SIX), A, B, 25)
    assert (record.rtype, record.ttl) == ("LUA", 120)
    for text in record.rdatas:
        found = lua.read(text)
        assert found is not None
        total = Counter(address in B.addresses for n, address in found[1] for _ in range(n))
        assert Fraction(total[True], total.total()) == Fraction(1, 4)
    assert share([record], B) == 25.0


def test_at_the_ends_there_are_plain_addresses() -> None:
    assert at("lua", held(FOUR), 0) == {"A": FOUR.rdatas}
    assert at("lua", held(FOUR), 100) == {"A": ("192.0.2.20",)}


def test_somebody_elses_lua_record_is_not_touched() -> None:
    assert "LUA record of somebody else's" in unfit("whole", held(one("LUA", "\\# 2 0001")), A, B)


# ---------------------------------------------------------------- HTTPS, SVCB, CNAME


def test_hints_are_gone_while_a_weight_is_in_force_and_bs_in_the_end() -> None:
    name = held(FOUR, HTTPS)
    assert at("lua", name, 0)["HTTPS"] == HTTPS.rdatas
    assert at("lua", name, 30)["HTTPS"] == ('1 . alpn="h2,h3"',)
    assert at("lua", name, 100)["HTTPS"] == ('1 . alpn="h2,h3" ipv4hint="192.0.2.20" ipv6hint="2001:db8::20"',)


def test_a_target_of_as_stands_beside_one_of_bs_half_way() -> None:
    name = held(FOUR, one("HTTPS", '1 LB-A.example.com. port="8443"', "5 cdn.example.net."))
    assert at("addresses", name, 50)["HTTPS"] == ('1 LB-A.example.com. port="8443"', '1 lb-b.example.com. port="8443"', "5 cdn.example.net.")  # fmt: skip  # noqa: E501
    assert at("addresses", name, 100)["HTTPS"] == ('1 lb-b.example.com. port="8443"', "5 cdn.example.net.")


def test_what_is_mandatory_must_be_there() -> None:
    both = one("SVCB", '1 . mandatory="alpn,ipv4hint" alpn="h2" no-default-alpn ipv4hint="192.0.2.10" ipv6hint="2001:db8::99"')  # fmt: skip  # noqa: E501
    only = one("SVCB", '2 . mandatory="ipv4hint" ipv4hint="192.0.2.10"')
    assert at("lua", held(FOUR, both), 50)["SVCB"] == ('1 . mandatory="alpn" alpn="h2" no-default-alpn ipv6hint="2001:db8::99"',)  # fmt: skip  # noqa: E501
    assert at("lua", held(FOUR, only), 50)["SVCB"] == ("2 .",)
    four_only = Side("sim", ("192.0.2.20",), B.hostname)
    (moved,) = [r for r in records("lua", held(FOUR, HTTPS), A, four_only, 100) if r.rtype == "HTTPS"]
    assert moved.rdatas == ('1 . alpn="h2,h3" ipv4hint="192.0.2.20"',)


def test_parameters_keep_their_text() -> None:
    text = '1 . alpn="h2" key65400="a \\"b\\" c" ech="AEX+DQ=="'
    assert service(text) == (1, ".", (("alpn", "h2"), ("key65400", 'a \\"b\\" c'), ("ech", "AEX+DQ==")))
    assert at("lua", held(FOUR, one("HTTPS", text)), 40)["HTTPS"] == (text,)
    assert hints(HTTPS.rdatas[0]) == A.addresses
    assert service("1 . port=8443")[2] == (("port", "8443"),)


def test_an_alias_is_moved_whole() -> None:
    assert at("whole", CNAME, 0) == {"CNAME": ("LB-a.example.com.",)}
    assert at("whole", CNAME, 100) == {"CNAME": ("lb-b.example.com.",)}


def test_names_that_move_whole_swap_everything_and_leave_what_leads_elsewhere() -> None:
    assert at("names", SRV, 100) == {"SRV": ("10 5 443 lb-b.example.com.", "30 0 443 other.example.net.")}
    assert at("names", held(FOUR, SIX, HTTPS), 100)["AAAA"] == ("2001:db8::20",)


# ---------------------------------------------------------------- what cannot be moved


@pytest.mark.parametrize(
    ("original", "b", "why"),
    [
        (Held(NAME, ()), B, "has no record that could be moved"),
        (held(one("A", "192.0.2.10", "198.51.100.1")), B, "also holds 198.51.100.1"),
        (held(SIX), Side("sim", ("192.0.2.20",)), "b.addresses has none of that family"),
        (CNAME, Side("sim", B.addresses), "give b: hostname"),
        (held(one("CNAME", "cdn.example.net.")), B, "points to cdn.example.net."),
        (held(one("HTTPS", "1 cdn.example.net.")), B, "does not lead to A: HTTPS 1 cdn.example.net."),
    ],
)
def test_what_cannot_be_moved_is_said_with_the_way_out(original: Held, b: Side, why: str) -> None:
    assert why in unfit("whole", original, A, b)


@pytest.mark.parametrize(
    "original", [held(FOUR, HTTPS), CNAME, SRV, held(HTTPS), held(one("HTTPS", "1 lb-a.example.com."))]
)
def test_what_leads_to_a_can_be_moved(original: Held) -> None:
    assert unfit(way("auto", original), original, A, B) == ""


# ---------------------------------------------------------------- shares, and what is not ours


@pytest.mark.parametrize(
    ("rrsets", "percent"),
    [
        ([one("A", "192.0.2.10", "192.0.2.20")], 50.0),
        ([one("CNAME", "LB-B.example.com.")], 100.0),
        ([one("SRV", "1 3 1 lb-a.example.com.", "1 1 1 LB-B.example.com.", "2 9 1 lb-b.example.com.")], 25.0),
        ([HTTPS], None),
        ([one("LUA", "not the present record")], None),
        ([], None),
    ],
)
def test_the_share_of_b(rrsets: list[RRset], percent: float | None) -> None:
    assert share(rrsets, B) == percent


@pytest.mark.parametrize(
    ("rrset", "strange"),
    [
        (one("A", "192.0.2.10", "198.51.100.1"), ("198.51.100.1",)),
        (one("CNAME", "LB-A.example.com."), ()),
        (one("CNAME", "cdn.example.net."), ("cdn.example.net.",)),
        (one("LUA", lua.choice("A", [(1, "192.0.2.10"), (1, "192.0.2.20")])), ()),
        (one("LUA", lua.choice("A", [(1, "192.0.2.10"), (1, "198.51.100.1")])), None),
        (one("LUA", "\\# 2 0001"), ("\\# 2 0001",)),
        (HTTPS, ()),
    ],
)
def test_records_that_name_neither_side(rrset: RRset, strange: tuple[str, ...] | None) -> None:
    assert within(rrset, (A, B)) == (rrset.rdatas if strange is None else strange)


# ---------------------------------------------------------------- weighted sets


A1, B1 = Side("sim", A.addresses[:1]), Side("sim", B.addresses[:1])


def weighted_shares(original: Held, a: Side, b: Side, weight: int) -> list[tuple[str, tuple[tuple[int, str], ...]]]:
    (found,) = [r for r in records("weighted", original, a, b, weight) if r.rtype == "WEIGHTED"]
    return [read for read in drawn.choices(found) if read]


def test_one_address_a_side_attains_every_whole_percent() -> None:
    original = held(one("A", *A1.addresses))
    assert attainable("weighted", original, A1, B1) == frozenset(range(101))
    assert weighted_shares(original, A1, B1, 1) == [("A", ((99, A1.addresses[0]), (1, B1.addresses[0])))]
    assert {r.rtype: r.rdatas for r in records("weighted", original, A1, B1, 0)} == {"A": A1.addresses}
    assert {r.rtype: r.rdatas for r in records("weighted", original, A1, B1, 100)} == {"A": B1.addresses}


def test_weights_end_at_255() -> None:
    """2 + 3 addresses: at 1 % each of A's would weigh 99 · 3 = 297 beside 2."""
    a, b = (Side("sim", tuple(f"192.0.2.{n}" for n in range(at, at + count))) for at, count in ((10, 2), (20, 3)))
    original = held(one("A", *a.addresses))
    can = attainable("weighted", original, a, b)
    assert 1 not in can
    assert can == {w for w in range(101) if weighted.fits([(100 - w) * 3, w * 2]) or w in (0, 100)}
    with pytest.raises(ValueError, match="weight 1 is not attainable"):
        records("weighted", original, a, b, 1)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 99))
def test_the_share_of_b_is_exact(count_a: int, count_b: int, weight: int) -> None:
    a, b = (Side("sim", tuple(f"192.0.2.{at + n}" for n in range(count))) for at, count in ((10, count_a), (20, count_b)))  # fmt: skip  # noqa: E501
    original = held(one("A", *a.addresses))
    if weight in attainable("weighted", original, a, b):
        found = records("weighted", original, a, b, weight)
        assert share(found, b) == pytest.approx(weight)
        ((_, shares),) = weighted_shares(original, a, b, weight)
        assert {address for _, address in shares} == {*a.addresses, *b.addresses}


def test_both_families_move_together_and_keep_the_lower_ttl() -> None:
    (found,) = records("weighted", held(FOUR, SIX), A, B, 25)
    assert (found.ttl, [read[0] for rdata in found.rdatas if (read := weighted.read(rdata))]) == (120, ["A", "AAAA"])


def test_weighted_sets_of_strangers_are_seen() -> None:
    ours = one("WEIGHTED", weighted.choice("A", [(1, A.addresses[0]), (1, B.addresses[0])]))
    other = one("WEIGHTED", weighted.choice("A", [(1, "192.0.2.99")]))
    assert within(ours, (A, B)) == ()
    assert within(other, (A, B)) == other.rdatas


# ---------------------------------------------------------------- aliases, CNAME, SRV, sets that were there before

ELB = ".us-east-1.elb.amazonaws.com."
NAMED_A = Side("sim", A1.addresses, hostname=f"lb-a-1{ELB}")
NAMED_B = Side("sim", B1.addresses, hostname=f"lb-b-2{ELB}")
ALIAS = f"=Z35SXDOTRQ7X7K,true,dualstack.lb-a-1{ELB}"
ALIAS_B = f"=Z35SXDOTRQ7X7K,true,dualstack.lb-b-2{ELB}"


def test_an_alias_moves_by_weighted_aliases_to_one_that_is_alike() -> None:
    original = held(one("WEIGHTED", f"A - {ALIAS}", ttl=60))
    assert attainable("weighted", original, NAMED_A, NAMED_B) == frozenset(range(101))
    (mixed,) = records("weighted", original, NAMED_A, NAMED_B, 25)
    assert (mixed.ttl, mixed.rdatas) == (60, (f"A 3 {ALIAS} 1 {ALIAS_B}",))
    assert share([mixed], NAMED_B) == 25
    (whole,) = records("weighted", original, NAMED_A, NAMED_B, 100)
    assert (whole.rtype, whole.ttl, whole.rdatas) == ("WEIGHTED", 60, (f"A - {ALIAS_B}",))
    assert share([whole], NAMED_B) == 100
    assert unfit("weighted", original, NAMED_A, NAMED_B) == ""
    assert within(mixed, (NAMED_A, NAMED_B)) == ()
    assert within(mixed, (NAMED_A, B1)) == mixed.rdatas


def test_an_alias_beside_addresses_keeps_its_ttl() -> None:
    original = held(one("WEIGHTED", f"A - {ALIAS}", ttl=60), one("AAAA", "2001:db8::10", ttl=300))
    a, b = (replace(side, addresses=(*side.addresses, six)) for side, six in ((NAMED_A, "2001:db8::10"), (NAMED_B, "2001:db8::20")))  # fmt: skip  # noqa: E501
    (mixed,) = records("weighted", original, a, b, 50)
    assert (mixed.ttl, len(mixed.rdatas)) == (60, 2)
    assert {r.rtype: r.ttl for r in records("weighted", original, a, b, 100)} == {"AAAA": 300, "WEIGHTED": 60}


def test_a_cname_and_one_srv_have_weighted_sets() -> None:
    cname, srv = held(one("CNAME", NAMED_A.hostname)), held(one("SRV", f"0 5 80 {NAMED_A.hostname}"))
    for original, rtype in ((cname, "CNAME"), (srv, "SRV")):
        assert way("weighted", original) == "weighted"
        (mixed,) = records("weighted", original, NAMED_A, NAMED_B, 1)
        assert share([mixed], NAMED_B) == 1
        assert weighted.types(mixed) == [rtype]
        (whole,) = records("weighted", original, NAMED_A, NAMED_B, 100)
        assert (whole.rtype, whole.rdatas[0].split(" ")[-1]) == (rtype, NAMED_B.hostname)
        assert unfit("weighted", original, NAMED_A, NAMED_B) == ""


def test_several_srv_records_stay_together() -> None:
    """A weighted set has one value: a client would see one of them, and no standby."""
    original = held(one("SRV", *(f"{n} 5 80 {NAMED_A.hostname}" for n in (0, 1))))
    assert way("weighted", original) == "srv"
    assert misfit("weighted", "srv", original) == ""


def test_sets_that_have_weights_keep_identifier_health_check_and_proportions() -> None:
    a = Side("sim", ("192.0.2.10", "192.0.2.11"), hostname=NAMED_A.hostname)
    original = held(one("WEIGHTED", "A 1 192.0.2.10;old 3 192.0.2.11;new;check-1"))
    assert unfit("weighted", original, a, NAMED_B) == ""
    (mixed,) = records("weighted", original, a, NAMED_B, 50)
    assert mixed.rdatas == ("A 1 192.0.2.10;old 3 192.0.2.11;new;check-1 4 192.0.2.20",)
    assert share([mixed], NAMED_B) == 50
    assert {r.rtype: r.rdatas for r in records("weighted", original, a, NAMED_B, 100)} == {"A": ("192.0.2.20",)}
    cname = held(one("WEIGHTED", f"CNAME 1 {NAMED_A.hostname};old"))
    assert {r.rtype: r.rdatas for r in records("weighted", cname, a, NAMED_B, 100)} == {"CNAME": (NAMED_B.hostname,)}


@pytest.mark.parametrize(
    ("text", "b", "said"),
    [
        ("A 1 192.0.2.10 1 192.0.2.99", NAMED_B, "also leads to 192.0.2.99"),
        (f"A - {ALIAS.replace('lb-a', 'lb-x')}", NAMED_B, "also leads to dualstack.lb-x"),
        ("A 0 192.0.2.10;old", NAMED_B, "a set of weight 0"),
        (f"A 1 {ALIAS} 1 192.0.2.10", NAMED_B, "an alias beside other sets"),
        (f"A - {ALIAS}", B1, "give b: hostname, what it shall be an alias to"),
        (f"A - {ALIAS}", Side("sim", (), hostname="lb-b.elb.us-east-1.amazonaws.com."), "alias: {zone_id: …}"),
        ("AAAA 1 2001:db8::10;old", NAMED_B, "b.addresses has none of that family"),
        (f"CNAME 1 {NAMED_A.hostname};old", B1, "give b: hostname, what it shall point to"),
        ("A 1 " + f"192.0.2.10;{'x' * 128};{'y' * 64}", NAMED_B, "more weighted sets than a fence can keep"),
        ("MX 1 2", NAMED_B, "cannot read"),
    ],
)
def test_sets_that_are_not_moved(text: str, b: Side, said: str) -> None:
    a = replace(NAMED_A, addresses=("192.0.2.10", "2001:db8::10"))
    assert said in unfit("weighted", held(one("WEIGHTED", text)), a, b)


def test_the_config_tells_the_zone_of_an_alias() -> None:
    b = Side("sim", (), hostname="lb-b.elb.us-east-1.amazonaws.com.", alias_zone="Z26RNL4JYFTOTI")
    original = held(one("WEIGHTED", f"A - {ALIAS}", ttl=60))
    assert unfit("weighted", original, NAMED_A, b) == ""
    (whole,) = records("weighted", original, NAMED_A, b, 100)
    assert whole.rdatas == ("A - =Z26RNL4JYFTOTI,true,dualstack.lb-b.elb.us-east-1.amazonaws.com.",)


def test_what_cannot_be_weighed_attains_the_ends() -> None:
    assert attainable("weighted", held(one("WEIGHTED", "MX 1 2")), NAMED_A, NAMED_B) == {0, 100}
    assert share([one("WEIGHTED", "A 0 192.0.2.20")], NAMED_B) is None


def test_an_alias_to_b_is_moved_already() -> None:
    assert "moved already" in unfit("weighted", held(one("WEIGHTED", f"A - {ALIAS_B}")), NAMED_A, NAMED_B)
