"""The two lists of steps, and what the zone holds at each of them."""

import itertools
import re

import dns.name
import pytest
from states import NAME, PLAN, A, B, bound, held, rrset

from lbmigrate import plan as plans
from lbmigrate.batches import NUMBER
from lbmigrate.dns.update import build as message
from lbmigrate.model import Fence, Held, Records
from lbmigrate.plan import Batch, Drain, Plan, Prove, Soak, StandUp, Stop, Turn, Write, build, digest, wanted
from lbmigrate.spec import Bound, Dns, Stage
from lbmigrate.value import from_json, replace, to_json

SOA = "ns1.example.com. hostmaster.example.com. 1 3600 600 86400 60"
CLAIM, HALF, FULL, RELEASE = Write(0, "claim"), Write(0, "weight", 50), Write(0, "weight", 100), Write(0, "release")


def two_zones() -> Plan:
    names = ("api.example.com.", "www.example.com.", "www.sub.example.com.")
    return build(bound(names=names), tuple(held(rrset(*A, name=name), name=name) for name in names))


def test_the_way_forward_is_prepared_staged_and_ended() -> None:
    assert PLAN.forward == (
        CLAIM, StandUp(), Prove(), Turn(), HALF, Soak(50), FULL, Soak(100), Drain("a"), Stop("a"), RELEASE
    )  # fmt: skip
    assert (PLAN.workflow, PLAN.batches) == ("migrate", (Batch(0, (NAME,)),))


def test_all_names_of_a_zone_move_in_one_message_and_a_name_belongs_to_its_longest_zone() -> None:
    plan = two_zones()
    assert plan.batches == (
        Batch(0, ("api.example.com.", "www.example.com.")),
        Batch(1, ("www.sub.example.com.",)),
    )
    assert plan.forward[:3] == (CLAIM, Write(1, "claim"), StandUp())


def test_a_name_in_none_of_the_zones_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"www\.example\.org\. is in none of the zones"):
        plans.entries(bound(), "www.example.org.")
    with pytest.raises(ValueError, match=r"wwwexample\.com\. is in none"):
        plans.entries(bound(), "wwwexample.com.")
    assert plans.entries(bound(), "example.com.") == (0,)
    assert plans.entries(bound(), "sub.example.com.") == (1,)


def test_a_thousand_names_are_few_batches_in_the_configs_order() -> None:
    names = tuple(f"{'n' * 40}{n}.example.com." for n in range(1000))
    plan = build(bound(names=names), tuple(held(rrset(*A, name=name), name=name) for name in names))
    assert 1 < len(plan.batches) < 20
    assert tuple(itertools.chain(*(batch.names for batch in plan.batches))) == names
    assert [step.batch for step in plan.forward if isinstance(step, Write) and step.target == "claim"] == list(
        range(len(plan.batches))
    )


@pytest.mark.parametrize(("addresses", "label"), [(1, "n"), (4, "n" * 50), (8, "n.n.n")])
def test_no_batch_outgrows_a_message(addresses: int, label: str) -> None:
    """65,535 bytes over TCP (RFC 1035 section 4.2.2), less 300 for a signature (RFC 8945)."""
    a4, b4 = ([f"192.0.2.{side * 100 + n}" for n in range(addresses)] for side in (0, 1))
    a6, b6 = ([f"2001:db8::{side}:{n:x}" for n in range(1, addresses + 1)] for side in ("a", "b"))
    names = tuple(f"{label}{n}.example.com." for n in range(400))
    originals = tuple(held(rrset(*a4, name=name), rrset(*a6, name=name), name=name) for name in names)
    plan = build(bound(a=(*a4, *a6), b=(*b4, *b6), names=names, stages=(50, 100)), originals)
    zone = dns.name.from_text("example.com.")
    sizes = []
    for index in {0, len(plan.batches) // 2}:
        now = Records(tuple(one for one in originals if one.name in plan.batches[index].names), SOA)
        for step in (CLAIM, HALF, FULL, RELEASE):
            new = Records(wanted(plan, "0" * 8, NUMBER, replace(step, batch=index)))
            sizes.append(len(message(zone, now, new).to_wire(max_size=10**6)))
            now = new
    assert max(sizes) <= 65_535 - 300
    assert max(sizes) >= 10_000


OBSTACLES = [
    ("no record", Held(NAME, ()), bound(), "has no record that could be moved"),
    ("a foreign address", held(rrset(*A, "198.51.100.9")), bound(), "also holds 198.51.100.9"),
    ("one weight", held(), bound(stages=(25, 100)), "weight 25 is not attainable with these records: 0, 50, 100 are"),
    ("two weights", held(), bound(stages=(1, 5, 100)), "weight 1, 5 are not attainable"),
]


@pytest.mark.parametrize(("what", "original", "config", "why"), OBSTACLES, ids=[row[0] for row in OBSTACLES])
def test_what_cannot_be_planned_is_said(what: str, original: Held, config: Bound, why: str) -> None:
    del what
    assert any(why in line for line in plans.obstacles(config, (original,)))
    with pytest.raises(ValueError, match=re.escape(why)):
        build(config, (original,))


def test_the_nearest_stages_are_attainable_ascending_and_never_0() -> None:
    near = plans.nearest(bound(stages=(1, 60, Stage(70, 9.0, True), 100)), (held(),))
    assert near.stages == (Stage(50, 9.0, True), Stage(100))
    assert plans.obstacles(near, (held(),)) == ()
    assert build(near, (held(),)).forward[-1] == RELEASE


def test_where_no_weight_is_attainable_the_stages_stay_for_the_obstacle_to_be_told() -> None:
    six = bound(b=("2001:db8::b",))
    assert plans.nearest(six, (held(),)) == six
    assert plans.obstacles(six, (held(),))


def test_the_way_back_puts_every_claimed_batch_back() -> None:
    restores = (Write(0, "restore"), Write(1, "restore"))
    assert plans.backward((1, 0), (), True) == (*restores, Drain("b"), Stop("b"))
    assert plans.backward((0, 1), (), False) == restores
    assert plans.backward((), (), False) == ()
    assert plans.backward((0,), (1,), False) == (Write(1, "claim"), *restores)
    over = plans.backward((0,), (), False, over=True)
    assert over == (Write(0, "restore", 0, True),)


# ---------------------------------------------------------------- what the zone holds


def test_a_claim_moves_no_traffic_and_lowers_the_ttl() -> None:
    (one,) = wanted(PLAN, "a1", 7, CLAIM)
    assert one == Held(NAME, (rrset(*A, ttl=60),), Fence("web", "a1", 7, (rrset(*A),)))


def test_a_weight_moves_values_under_the_next_fence_with_the_originals_in_it() -> None:
    (one,) = wanted(PLAN, "a1", 9, HALF)
    assert one == Held(NAME, (rrset(*A, *B, ttl=60),), Fence("web", "a1", 9, (rrset(*A),)))


def test_the_release_leaves_b_with_the_original_ttl_and_no_fence() -> None:
    assert wanted(PLAN, "a1", 9, RELEASE) == (Held(NAME, (rrset(*B),)),)


def test_a_rollback_and_abandon_want_the_originals_verbatim() -> None:
    for target in ("restore", "abandon"):
        assert wanted(PLAN, "a1", 9, Write(0, target)) == PLAN.originals


def test_a_step_concerns_the_names_of_its_batch_alone() -> None:
    assert [one.name for one in wanted(two_zones(), "a1", 7, Write(1, "claim"))] == ["www.sub.example.com."]


@pytest.mark.parametrize(("asked", "original", "during"), [(60, 300, 60), (60, 30, 30), (None, 300, 300)])
def test_a_ttl_is_lowered_never_raised(asked: int | None, original: int, during: int) -> None:
    plan = build(bound(ttl=asked), (held(rrset(*A, ttl=original)),))
    assert wanted(plan, "a1", 7, CLAIM)[0].rrsets[0].ttl == during
    assert wanted(plan, "a1", 9, RELEASE)[0].rrsets[0].ttl == original


# ---------------------------------------------------------------- the digest


def test_the_digest_is_of_config_and_records_and_of_nothing_else() -> None:
    assert digest(PLAN) == digest(build(bound(), (held(),)))
    others = [
        build(bound(ttl=30), (held(),)),
        build(bound(stages=(100,)), (held(),)),
        build(bound(), (held(rrset(*A, ttl=299)),)),
        replace(PLAN, bound=replace(PLAN.bound, dns=(Dns("rfc2136", "example.com.", server="192.0.2.53"),))),
    ]
    assert len({digest(plan) for plan in (PLAN, *others)}) == 5


def test_a_plan_is_read_back_from_the_journal_equal() -> None:
    assert from_json(Plan, to_json(two_zones())) == two_zones()


def test_where_a_step_stands() -> None:
    assert plans.place(PLAN.forward, StandUp()) == 1
    assert plans.place(PLAN.forward, Soak(33)) == len(PLAN.forward)
