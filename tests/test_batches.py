"""Batches: each fits one message whatever changes, and would not with one name more."""

from collections.abc import Callable, Sequence

import dns.message
import dns.name
import dns.rdatatype
import pytest
from states import A, B, bound, held, rrset

from lbmigrate import plan as plans
from lbmigrate import size
from lbmigrate.batches import ATTEMPT, NUMBER
from lbmigrate.dns.update import Update, build, parts
from lbmigrate.model import Held, Records, RRset, Side
from lbmigrate.plan import Batch, Plan, Write, wanted
from lbmigrate.spec import Bound, Dns, Stage, Tsig
from lbmigrate.value import replace

ZONE = dns.name.from_text("example.com.")
KEY = Tsig("lbmigrate-key.example.com", "hmac-sha256", "env:NONE")
SIX = ("2001:db8::10",)


def config(names: Sequence[str], scheme: str = "auto", b: tuple[str, ...] = (*B, "2001:db8::20")) -> Bound:
    sides = (Side("sim", (*A, *SIX), hostname="a.example.com."), Side("sim", b, hostname="b.example.com."))
    zone = Dns("rfc2136", "example.com.", tsig=KEY, scheme=scheme)
    return Bound("web", tuple(names), *sides, (zone,), (Stage(100),), 60)


def srv(name: str) -> Held:
    return Held(name, (RRset(name, "SRV", 300, ("0 5 80 a.example.com.", "9 0 80 else.example.com.")),))


def https(name: str) -> RRset:
    return RRset(name, "HTTPS", 300, ('1 . alpn="h2,h3" ipv4hint="192.0.2.10" ipv6hint="2001:db8::10"',))


def cname(name: str) -> Held:
    return Held(name, (RRset(name, "CNAME", 300, ("a.example.com.",)),))


def spelled(name: str) -> Held:
    return held(replace(rrset(*A, name=name), spelled=name.upper()), name=name)


KINDS: dict[str, tuple[str, str, Callable[[str], Held]]] = {
    "addresses": ("auto", "www{}", lambda name: held(rrset(*A, name=name), name=name)),
    "both families": ("auto", "w.{}", lambda name: held(rrset(*A, name=name), rrset(*SIX, name=name), name=name)),
    "hints": ("auto", "www{}", lambda name: held(rrset(*A, name=name), https(name), name=name)),
    "srv": ("auto", "_http._tcp.s{}", srv),
    "lua": ("lua", "www{}", lambda name: held(rrset(*A, name=name), name=name)),
    "alias": ("auto", "www{}", cname),
    "whole": ("names", "www{}", lambda name: held(rrset(*A, name=name), name=name)),
    "upper case": ("auto", "www{}", spelled),
    "escaped": ("auto", r"w\.w\032{}", lambda name: held(rrset(*A, name=name), name=name)),
}


def planned(kind: str, count: int = 300) -> Plan:
    scheme, label, make = KINDS[kind]
    names = tuple(f"{label.format(n)}.example.com." for n in range(count))
    return plans.build(config(names, scheme), tuple(make(name) for name in names))


def change(plan: Plan, names: tuple[str, ...], old: int, new: int) -> Update:
    """The message that takes these names from one weight to another."""
    one = replace(plan, batches=(Batch(0, names),))
    was, will = (wanted(one, ATTEMPT, NUMBER - n, Write(0, "weight", w)) for n, w in ((1, old), (0, new)))
    return build(ZONE, Records(was), Records(will))


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_fits_whatever_changes_and_one_name_more_would_not(kind: str) -> None:
    plan = planned(kind)
    first, second, *_ = plan.batches
    can = plans.attainable(plan.bound, plan.originals)
    pairs = [(0, 100), (can[1], can[-2]), (can[-2], 100)]
    room = size.LIMIT - size.signature(KEY)
    assert max(len(change(plan, first.names, *pair)) for pair in pairs) <= room
    if kind not in ("hints", "lua", "upper case"):  # of these the size is a bound; of the others it is exact
        more = (*first.names, second.names[0])
        assert max(len(change(plan, more, *pair)) for pair in pairs) > room


@pytest.mark.parametrize("kind", KINDS)
def test_ttls_are_lowered_and_records_put_back_within_the_same_batch(kind: str) -> None:
    plan = planned(kind)
    room = size.LIMIT - size.signature(KEY)
    names = plan.batches[0].names
    before = Records(tuple(one for one in plan.originals if one.name in names), "a. b. 1 2 3 4 5")
    claim = Records(wanted(plan, ATTEMPT, NUMBER, Write(0, "claim")))
    gone = Records(wanted(plan, ATTEMPT, NUMBER, Write(0, "leave", 100)))
    back = Records(wanted(plan, ATTEMPT, NUMBER, Write(0, "restore")))
    for old, new in ((before, claim), (claim, back), (gone, back), (gone, claim)):
        assert len(build(ZONE, old, new)) <= room


def test_a_batch_that_outgrew_its_message_goes_out_in_parts() -> None:
    plan = planned("addresses")
    was = Records(wanted(plan, ATTEMPT, 2**40, Write(0, "weight", 50)))
    will = Records(wanted(plan, ATTEMPT, 2**40 + 1, Write(0, "weight", 100)))
    made = parts(ZONE, was, will, 40_000)
    assert len(made) == 2
    assert max(map(len, made)) <= 40_000
    soa = "a. b. 1 2 3 4 5"
    guarded = parts(ZONE, replace(was, soa=soa), will, 40_000)
    required = [dns.message.from_wire(one.to_wire()).sections[1] for one in guarded]
    assert [any(rrset.rdtype == dns.rdatatype.SOA for rrset in each) for each in required] == [True, False]
    bare = Records(tuple(replace(one, fence=None) for one in was.held), soa)
    assert len(parts(ZONE, bare, will, 40_000)) == 1, "a claim is one message or none"


def test_a_name_that_no_message_holds_is_a_batch_of_its_own() -> None:
    big = tuple(f"2001:db8::1:{n:x}" for n in range(700, 1400))
    names = ("www1.example.com.", "www2.example.com.")
    plan = plans.build(
        bound(big, ("2001:db8::2",), names=names), tuple(held(rrset(*big, name=name), name=name) for name in names)
    )
    assert [batch.names for batch in plan.batches] == [names[:1], names[1:]]
