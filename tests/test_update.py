"""The update message laid out by hand is, record for record, the one that dnspython makes of the same change."""

from collections.abc import Iterator

import dns.message
import dns.name
import dns.rrset
import dns.update
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lbmigrate import lua
from lbmigrate.dns.layout import FENCE_TTL
from lbmigrate.dns.records import fence_name, name_of, rdatas_of, type_of
from lbmigrate.dns.update import build, parts
from lbmigrate.errors import Refused
from lbmigrate.fence import rdata
from lbmigrate.model import Fence, Held, Records, RRset, kinds
from lbmigrate.size import name_wire

ZONE = dns.name.from_text("example.com.")
SOA = "ns1.example.com. hostmaster.example.com. 7 3600 600 86400 60"
RDATAS = {
    "A": [f"192.0.2.{n}" for n in range(1, 9)],
    "AAAA": [f"2001:db8::{n}" for n in range(1, 9)],
    "CNAME": ["lb.example.com.", r"Mixed\.Dot.example.net."],
    "SRV": ["0 5 80 lb.example.com.", "1 0 443 ."],
    "HTTPS": ['1 . alpn="h2,h3" ipv4hint="192.0.2.1"', "0 lb.example.com."],
    "LUA": [lua.choice("A", [(n, "192.0.2.1"), (100 - n, "192.0.2.2")]) for n in (1, 50)],
}


def reference(old: Records, new: Records) -> dns.update.UpdateMessage:
    """The same message by dnspython."""
    message = dns.update.UpdateMessage(ZONE)
    if old.soa is not None:
        message.present(ZONE, "SOA", old.soa)
    for was, will in zip(old.held, new.held, strict=True):
        name = name_of(was.name)
        for rtype in sorted({*kinds(was.name), *was.by_type, *will.by_type}):
            before, after = was.by_type.get(rtype), will.by_type.get(rtype)
            if before is None:
                message.absent(name, type_of(rtype))
            else:
                message.present(name, *rdatas_of(before))
            if before is not None and before != after:
                message.delete(name, type_of(rtype))
        for rtype, after in will.by_type.items():
            if after != was.by_type.get(rtype):
                message.add(name, after.ttl, *rdatas_of(after))
        _fence(message, fence_name(name), was.fence, will.fence)
    return message


def _fence(message: dns.update.UpdateMessage, owner: dns.name.Name, was: Fence | None, will: Fence | None) -> None:
    if was is None:
        message.absent(owner, "TXT")
    else:
        message.present(owner, "TXT", rdata(was))
    if was is not None and was != will:
        message.delete(owner, "TXT")
    if will is not None and was != will:
        message.add(owner, FENCE_TTL, "TXT", rdata(will))


def told(message: dns.message.Message) -> tuple[list[str], dict[dns.name.Name, list[str]]]:
    """What is required, in any order; and the changes, in the order of each owner and type."""
    changes: dict[dns.name.Name, list[str]] = {}
    for found in message.sections[2]:
        changes.setdefault(found.name, []).extend(_lines(found))
    return sorted(line for found in message.sections[1] for line in _lines(found)), changes


def _lines(found: dns.rrset.RRset) -> Iterator[str]:
    head = f"{found.name} {found.ttl} {found.rdclass} {found.rdtype} {found.deleting}"
    yield from sorted(f"{head} {one}" for one in found) or [head]


def rrsets(name: str) -> st.SearchStrategy[tuple[RRset, ...]]:
    """What a name holds: an alias, or any other types."""

    def made(rtype: str) -> st.SearchStrategy[RRset]:
        most = 1 if rtype == "CNAME" else len(RDATAS[rtype])
        values = st.sets(st.sampled_from(RDATAS[rtype]), min_size=1, max_size=most)
        return st.builds(RRset, st.just(name), st.just(rtype), st.integers(0, 2**31 - 1), values.map(_sorted))

    others = st.sets(st.sampled_from([one for one in RDATAS if one != "CNAME"]), min_size=1)
    types = st.just({"CNAME"}) | others
    return types.flatmap(lambda chosen: st.tuples(*(made(one) for one in sorted(chosen))))


def _sorted(values: set[str]) -> tuple[str, ...]:
    return tuple(sorted(values))


labels = st.sampled_from(
    ["www", "_http._tcp.s", r"odd\.dot", r"sp\032ace", r"\"q\200", "a" * 60 + ".b", "*.wild", "x-1.y"]
)


@st.composite
def changes(draw: st.DrawFn) -> tuple[Records, Records]:
    names = [
        f"{label}{draw(st.integers(0, 9))}.example.com." for label in draw(st.lists(labels, unique=True, max_size=3))
    ]
    names += ["example.com."] if draw(st.booleans()) else []
    old, new = [], []
    for name in names:
        held = draw(rrsets(name))
        marks = [None, Fence("web", "a1", draw(st.integers(0, 2**40)), held), Fence("w 2", "a2", 1, held)]
        old.append(Held(name, held, draw(st.sampled_from(marks))))
        new.append(Held(name, draw(rrsets(name) | st.just(held)), draw(st.sampled_from(marks))))
    return Records(tuple(old), draw(st.none() | st.just(SOA))), Records(tuple(new))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changes())
def test_by_hand_it_is_record_for_record_what_dnspython_makes(change: tuple[Records, Records]) -> None:
    mine = build(ZONE, *change)
    wire = mine.to_wire(max_size=65535)
    assert len(wire) == len(mine)
    assert told(dns.message.from_wire(wire)) == told(dns.message.from_wire(reference(*change).to_wire(max_size=65535)))


def many(count: int, number: int) -> Records:
    """Names enough that the last are written beyond the reach of pointers."""
    names = [f"{'n' * 50}{n}.example.com." for n in range(count)]
    originals = [(RRset(name, "A", 300, ("192.0.2.1",)),) for name in names]
    pairs = zip(names, originals, strict=True)
    return Records(tuple(Held(name, held, Fence("web", "a1", number, held)) for name, held in pairs))


def test_beyond_the_reach_of_pointers_it_is_the_same_too() -> None:
    change = many(120, 6), many(120, 7)
    found = told(dns.message.from_wire(build(ZONE, *change).to_wire()))
    assert found == told(dns.message.from_wire(reference(*change).to_wire(max_size=65535)))


def test_in_parts_it_is_the_same_names_in_the_same_order() -> None:
    change = many(200, 6), many(200, 7)
    made = parts(ZONE, *change, room=30_000)
    assert max(map(len, made)) <= 30_000
    owners = [found.name for message in made for found in dns.message.from_wire(message.to_wire()).sections[2]]
    whole = [found.name for found in dns.message.from_wire(build(ZONE, *change).to_wire()).sections[2]]
    assert owners == whole


@pytest.mark.parametrize("text", [r"a\.b\\c.example.com.", r"\000\255\"x.y.", ".", "plain.example.", r"\065bc."])
def test_a_name_in_wire_form_is_dnspythons(text: str) -> None:
    assert name_wire(text) == dns.name.from_text(text).to_wire()


def test_a_name_too_long_for_its_fence_is_refused() -> None:
    name = ".".join(["x" * 60] * 3 + ["x" * 50]) + ".example.com."
    held = Held(name, (RRset(name, "A", 60, ("192.0.2.1",)),))
    with pytest.raises(Refused, match="too long for _lbmigrate before it"):
        build(ZONE, Records((held,)), Records((held,)))
