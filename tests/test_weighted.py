"""The text of weighted sets: whole weights from 1 to 255, addresses of one family, nothing else is read."""

import pytest

from lbmigrate import weighted
from lbmigrate.model import RRset, Side
from lbmigrate.weighted import Alias, One, alias, alias_of, belongs, choice, fits, identifier, octal, read, sets, text

A, B, SIX = "192.0.2.10", "192.0.2.20", "2001:db8::10"


def test_weights_come_in_smallest_terms_and_by_address() -> None:
    assert choice("A", [(10, B), (990, A)]) == f"A 99 {A} 1 {B}"
    assert choice("AAAA", [(4, SIX)]) == f"AAAA 1 {SIX}"
    assert text("A", [One(198, A), One(2, B)]) == f"A 198 {A} 2 {B}"
    assert text("A", [One(1, "192.0.2.100"), One(1, "192.0.2.20")]) == "A 1 192.0.2.20 1 192.0.2.100"


@pytest.mark.parametrize("shares", [[(0, A), (1, B)], [(0, A)], [(256, A), (1, B)], [(-1, A), (1, B)]])
def test_what_route_53_cannot_hold_is_refused(shares: list[tuple[int, str]]) -> None:
    with pytest.raises(ValueError, match="no weights of 1 to 255"):
        choice("A", shares)


def test_what_is_no_address_of_the_family_is_refused() -> None:
    with pytest.raises(ValueError, match=r"permitted|[Ee]xpected"):
        choice("A", [(1, SIX)])


@pytest.mark.parametrize(("shares", "possible"), [([255, 1], True), ([256, 1], False), ([512, 2], False), ([510, 2], True)])  # fmt: skip  # noqa: E501
def test_proportions_that_fit(shares: list[int], possible: bool) -> None:
    assert fits(shares) is possible


def test_what_was_written_is_read() -> None:
    assert read(choice("A", [(1, A), (3, B)])) == ("A", (One(1, A), One(3, B)))
    assert read(choice("AAAA", [(1, SIX)])) == ("AAAA", (One(1, SIX),))


ODD = [
    ("A", One(None, alias(Alias("Z1", True, "lb.example.com.")))),
    ("CNAME", One(7, r"a\;b.example.com.", "an old; name", "check/1")),
    ("SRV", One(1, "0 5 80 lb.example.com.")),
    ("A", One(1, A, "", "check")),
    ("A", One(0, A, "größe")),
]


@pytest.mark.parametrize(("rtype", "one"), ODD)
def test_what_is_special_survives(rtype: str, one: One) -> None:
    rdata = text(rtype, [one])
    assert rdata.isascii()
    assert len(rdata.split()) == 3
    assert read(rdata) == (rtype, (one,))


@pytest.mark.parametrize(
    "other", ["", "A", "A 1 x", f"A {A}", f"MX 1 {A}", f"A 1 {A} 2", f"A \"pickwrandom({{{{1,'{A}'}}}})\""]
)
def test_other_text_is_not_ours(other: str) -> None:
    assert read(other) is None


def test_a_set_is_named_after_its_address() -> None:
    assert identifier(A) == f"lbmigrate {A}"
    assert identifier(alias(Alias("Z1", False, "lb.example.com."))) == "lbmigrate lb.example.com."


def test_a_long_identifier_is_cut_and_stays_its_own() -> None:
    long = [f"{'x' * 60}.{'y' * 60}.{end}.example.com." for end in "ab"]
    found = [identifier(one) for one in long]
    assert [len(one) for one in found] == [128, 128]
    assert found[0] != found[1]


def test_which_side_a_value_leads_to() -> None:
    side = Side("sim", (A,), hostname="lb.example.com.")
    target = Alias("Z1", False, "dualstack.lb.example.com.")
    leading = [("A", A), ("CNAME", "LB.example.com."), ("SRV", "0 5 80 lb.example.com."), ("A", alias(target))]
    assert all(belongs(rtype, value, side) for rtype, value in leading)
    assert not any(belongs(rtype, value, Side("sim", ())) for rtype, value in leading)
    assert alias_of(A) is None


def test_the_api_s_form() -> None:
    two = text("A", [One(1, A), One(3, B, "old", "check")])
    assert sets("www", RRset("www.", "WEIGHTED", 5, (two,))) == [
        {"Name": "www", "Type": "A", "TTL": 5, "ResourceRecords": [{"Value": A}], "Weight": 1,
         "SetIdentifier": f"lbmigrate {A}"},
        {"Name": "www", "Type": "A", "TTL": 5, "ResourceRecords": [{"Value": B}], "Weight": 3,
         "SetIdentifier": "old", "HealthCheckId": "check"},
    ]  # fmt: skip
    whole = text("A", [One(None, A, "", "check"), One(None, B, "", "check")])
    assert sets("www", RRset("www.", "WEIGHTED", 5, (whole,))) == [
        {"Name": "www", "Type": "A", "TTL": 5, "ResourceRecords": [{"Value": A}, {"Value": B}],
         "HealthCheckId": "check"},
    ]  # fmt: skip
    target = text("A", [One(None, alias(Alias("Z1", True, "*.example.com.")))])
    assert sets("www", RRset("www.", "WEIGHTED", 60, (target,))) == [
        {"Name": "www", "Type": "A", "AliasTarget": {
            "HostedZoneId": "Z1", "DNSName": r"\052.example.com.", "EvaluateTargetHealth": True}},
    ]  # fmt: skip
    assert sets("www", RRset("www.", "TXT", 5, ("x",)))[0]["Type"] == "TXT"
    assert weighted.types(RRset("www.", "TXT", 5, ("x",))) == ["TXT"]
    assert not weighted.fixed(RRset("www.", "TXT", 5, ("x",)))


def test_names_as_route_53_writes_them() -> None:
    assert octal(r"*.a\;b\032c.example.com.") == r"\052.a\073b\040c.example.com."
