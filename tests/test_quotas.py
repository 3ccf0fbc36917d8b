"""Names of one Route 53 request: as many as 1,000 elements and 32,000 characters hold, whatever the weights."""

import pytest
from states import bound, rrset

from lbmigrate.model import Held, RRset, Side
from lbmigrate.plan import build
from lbmigrate.quotas import CHARACTERS, ELEMENTS, Share, batches, share
from lbmigrate.spec import Dns
from lbmigrate.value import replace

A, B = Side("haproxy", ("192.0.2.10",)), Side("haproxy", ("192.0.2.20",))
A4, B4 = (Side("haproxy", tuple(f"192.0.2.{n}" for n in range(at, at + 4))) for at in (10, 20))
NAME = "www.example.com."


def held(*rdatas: str, rtype: str = "A", name: str = NAME) -> Held:
    return Held(name, (RRset(name, rtype, 300, rdatas),))


def test_a_name_takes_its_sets_twice_and_its_marks_twice() -> None:
    assert share("web", held("192.0.2.10"), "weighted", A, B).elements == 2 * 2 + 2 * 2
    four = share("web", held(*A4.addresses), "weighted", A4, B4)
    assert four.elements == 2 * 8 + 2 * 2


def test_values_that_may_be_spelled_otherwise_count_as_long_as_they_can_be() -> None:
    plain = share("web", held("192.0.2.10"), "weighted", A, B).characters
    assert share("web", held(*A4.addresses), "weighted", A4, B4).characters > plain + 8 * 45
    six = Side("haproxy", ("2001:db8::10",)), Side("haproxy", ("2001:db8::20",))
    assert share("web", held("2001:db8::10", rtype="AAAA"), "weighted", *six).characters > plain + 2 * 45


def test_what_is_special_in_a_name_counts_as_an_escape() -> None:
    odd = share("web", held("192.0.2.10", name=r"a\"b.example.com."), "weighted", A, B)
    plain = share("web", held("192.0.2.10", name="axxb.example.com."), "weighted", A, B)
    assert odd.characters > plain.characters


@pytest.mark.parametrize(
    ("shares", "counts"),
    [
        ([], []),
        ([Share(ELEMENTS, 1), Share(1, 1)], [1, 1]),
        ([Share(1, CHARACTERS), Share(1, 1)], [1, 1]),
        ([Share(500, 1), Share(500, 1), Share(1, 1)], [2, 1]),
        ([Share(ELEMENTS + 1, 1)], [1]),
        ([Share(8, 300)] * 250, [106, 106, 38]),
    ],
)
def test_as_many_as_fit_and_in_order(shares: list[Share], counts: list[int]) -> None:
    found = batches(shares)
    assert [len(span) for span in found] == counts
    assert [place for span in found for place in span] == list(range(len(shares)))


def test_a_plan_for_route_53_is_cut_by_its_quotas() -> None:
    names = tuple(f"n{n}.example.com." for n in range(300))
    hosted = replace(bound(names=names), dns=(Dns("route53", "example.com.", scheme="weighted"),))
    plan = build(hosted, tuple(Held(name, (rrset(*hosted.a.addresses, name=name),)) for name in names))
    each = {one.name: share("web", one, "weighted", hosted.a, hosted.b) for one in plan.originals}
    totals = [
        [sum(sizes) for sizes in zip(*(each[name] for name in batch.names), strict=True)] for batch in plan.batches
    ]
    most = each[names[-1]]
    for elements, characters in totals[:-1]:
        assert elements <= ELEMENTS
        assert characters <= CHARACTERS
        assert elements + most.elements > ELEMENTS or characters + most.characters > CHARACTERS
    assert [name for batch in plan.batches for name in batch.names] == list(names)
