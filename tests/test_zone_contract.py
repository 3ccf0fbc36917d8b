"""The contract suite of `model.Zone`: read, swap, served, check, on named, knotd, pdns_server and the embedded server.

Here: other zones, other changes than expected, many names at once, answers that are lost, wildcards, delegations.
test_rfc2136.py has reads, claims, races, keys and replays, test_rfc2136_types.py every kind of record,
test_real_names.py spellings and the apex, test_real_signed.py zones that are signed.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext

import dns.message
import dns.query
import dns.update
import pytest
from servers import HOST, ORIGIN, Server
from taps import Tap, is_update, send
from zones import DUAL, WWW, claimed, driver, moved, now_of, originals

from lbmigrate.dns.rfc2136 import Rfc2136
from lbmigrate.errors import Denied, Failed, Refused
from lbmigrate.model import Applied, Held, NotApplied, Records, RRset, Served, Unknown
from lbmigrate.value import replace

pytestmark = pytest.mark.usefixtures("secret")

ALIAS, WILD, FOUR = "alias.lab.test.", "*.wild.lab.test.", "four.lab.test."
NEIGHBOUR = RRset("www.example.", "A", 300, ("192.0.2.10",))
Change = Callable[[dns.update.UpdateMessage], None]


def before_the_update(tap: Tap, server: Server, change: Change) -> None:
    """Somebody's change arrives between the driver's own read and its message."""

    def deliver(wire: bytes) -> bool:
        if is_update(wire):
            server.edit(change)
        return True

    tap.deliver = deliver


def by_hand(server: Server, change: Change) -> None:
    """What BIND and Knot leave out and say NOERROR to, PowerDNS refuses: there is no such record afterwards."""
    with pytest.raises(Failed, match="REFUSED") if server.kind == "pdns" else nullcontext():
        server.edit(change)


def address(server: Server, name: str) -> list[str]:
    """What a client is told."""
    reply = dns.query.udp(dns.message.make_query(name, "A"), HOST, 2, server.port)
    return sorted(str(rdata) for rrset in reply.answer for rdata in rrset)


def cycle(zone: Rfc2136, *names: str) -> Iterator[tuple[str, Records]]:
    """Claim, shift, shift back, end: each step proven applied, then given with what was written."""
    old = zone.read(names)
    claim = claimed(old)
    shift = moved(claim, 2)
    back = Records(
        tuple(replace(was, fence=replace(one.fence, number=3)) for was, one in zip(claim.held, shift.held, strict=True)
              if one.fence)
    )  # fmt: skip
    steps = {"claim": (old, claim), "shift": (claim, shift), "back": (shift, back), "end": (back, originals(back))}
    for what, (was, will) in steps.items():
        assert zone.swap(was, will) == Applied(), what
        yield what, will


# ---------------------------------------------------------------- another zone


def test_a_name_of_another_zone_is_refused_before_anything_is_sent(tap: Tap, server: Server) -> None:
    before = server.zone()
    with closing(driver(tap.port)) as zone:
        old = zone.read([WWW])
        two = Records((*old.held, Held(NEIGHBOUR.name, (NEIGHBOUR,))))
        with pytest.raises(Refused, match=r"www\.example\.: not in zone lab\.test\.; give its zone a dns: entry"):
            zone.swap(two, claimed(two))
    assert tap.updates() == []
    assert server.zone() == before


def test_a_name_of_another_zone_is_not_even_written_out(
    server: Server, zone: Rfc2136, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = server.zone()
    two = Records((*zone.read([WWW]).held, Held(NEIGHBOUR.name, (NEIGHBOUR,))))
    monkeypatch.setattr(zone._reader, "read", lambda _: two)  # the driver's own look would not send it
    with pytest.raises(Refused, match=r"www\.example\.: not in zone lab\.test\."):
        zone.swap(two, claimed(two))
    assert server.zone() == before


# ---------------------------------------------------------------- another state than expected


def _last(held: Held, **changes: object) -> Held:
    """The last of the name's RRsets alone differs."""
    return replace(held, rrsets=(*held.rrsets[:-1], replace(held.rrsets[-1], **changes)))


def _number(held: Held) -> Held:
    assert held.fence
    return replace(held, fence=replace(held.fence, number=held.fence.number + 1))


def _attempt(held: Held) -> Held:
    assert held.fence
    return replace(held, fence=replace(held.fence, attempt="a2"))


STALE: dict[str, Callable[[Held], Held]] = {
    "value": lambda held: _last(held, rdatas=("2001:db8::9",)),
    "TTL": lambda held: _last(held, ttl=29),
    "number of the fence": _number,
    "attempt of the fence": _attempt,
    "no fence": lambda held: replace(held, fence=None),
}


@pytest.mark.parametrize("what", STALE)
def test_what_is_stale_is_told_with_what_is_there_and_nothing_is_sent(server: Server, tap: Tap, what: str) -> None:
    with closing(driver(tap.port)) as zone:
        old = zone.read([WWW, DUAL])
        claim = claimed(old)
        assert zone.swap(old, claim) == Applied()
        before, sent = server.zone(), len(tap.updates())
        stale = Records((claim.held[0], STALE[what](claim.held[1])))
        assert now_of(zone.swap(stale, moved(claim, 9))).held == claim.held
    assert len(tap.updates()) == sent
    assert server.zone() == before


def test_a_ttl_that_changes_under_way_is_seen_by_reading_back(server: Server, tap: Tap, zone: Rfc2136) -> None:
    """No prerequisite can see it; the records were to stay as they are, so the server keeps the other TTL."""
    old = zone.read([WWW])
    claim = claimed(old, ttl=300)
    before_the_update(tap, server, lambda message: message.replace(WWW, 299, "A", "192.0.2.10"))
    with closing(driver(tap.port)) as other:
        now = now_of(other.swap(replace(old, soa=None), claim)).held[0]
    assert [one.ttl for one in now.rrsets] == [299]
    assert now.fence == claim.held[0].fence


def test_one_name_that_changed_keeps_all_the_others_where_they_are(server: Server, tap: Tap, zone: Rfc2136) -> None:
    """A, A and AAAA, four addresses and a CNAME in one message; somebody repoints the alias just before it arrives."""
    names = [WWW, DUAL, FOUR, ALIAS]
    old = zone.read(names)
    claim = claimed(old)
    assert zone.swap(old, claim) == Applied()
    before_the_update(tap, server, lambda message: message.replace(ALIAS, 30, "CNAME", "ns1.lab.test."))
    with closing(driver(tap.port)) as other:
        now = now_of(other.swap(claim, moved(claim, 2)))
    assert now.held[:3] == claim.held[:3]
    assert now.held[3].rrsets == (RRset(ALIAS, "CNAME", 30, ("ns1.lab.test.",)),)
    assert now.held[3].fence == claim.held[3].fence


def test_names_of_several_types_move_in_one_message_and_are_served(server: Server, zone: Rfc2136) -> None:
    before = server.records()
    names = [WWW, DUAL, FOUR, ALIAS]
    for what, records in cycle(zone, *names):
        held = {(one.name, one.rtype): one.rdatas for each in records.held for one in each.rrsets}
        found = zone.served(names, ["A", "AAAA", "CNAME"])
        assert {key: rdatas for key, rdatas in _own(found).items() if rdatas} == held, what
    assert server.records() == before


def _own(found: list[Served]) -> dict[tuple[str, str], tuple[str, ...] | None]:
    """Answers by name and type but for what an alias's answer to another type says."""
    return {(one.name, one.rtype): one.rdatas for one in found if one.name != ALIAS or one.rtype == "CNAME"}


# ---------------------------------------------------------------- a CNAME, put there by hand


@pytest.mark.parametrize(("name", "rtype", "rdata"), [(WWW, "CNAME", "text.lab.test."), (ALIAS, "A", "203.0.113.1")])
def test_what_is_put_beside_a_cname_or_beside_which_one_is_put_by_hand_moves_all_the_same(
    server: Server, tap: Tap, zone: Rfc2136, name: str, rtype: str, rdata: str
) -> None:
    """No server keeps both, whoever comes second is dropped."""
    old = zone.read([name])
    claim = claimed(old)
    assert zone.swap(old, claim) == Applied()
    tries: list[bytes] = []

    def deliver(wire: bytes) -> bool:
        if is_update(wire):
            tries.append(wire)
            by_hand(server, lambda message: message.add(name, 30, rtype, rdata))
        return True

    tap.deliver = deliver
    with closing(driver(tap.port)) as other:
        assert other.swap(claim, moved(claim, 2)) == Applied()
    assert len(tries) == 1


def test_a_cname_put_in_the_place_of_an_address_by_hand_stays(server: Server, tap: Tap, zone: Rfc2136) -> None:
    old = zone.read([WWW])
    claim = claimed(old)
    assert zone.swap(old, claim) == Applied()

    def instead(message: dns.update.UpdateMessage) -> None:
        message.delete(WWW, "A")
        message.add(WWW, 30, "CNAME", "text.lab.test.")

    before_the_update(tap, server, instead)
    with closing(driver(tap.port)) as other:
        now = now_of(other.swap(claim, moved(claim, 2)))
    assert now.held[0].rrsets == (RRset(WWW, "CNAME", 30, ("text.lab.test.",)),)
    assert f"{WWW} 30 IN CNAME text.lab.test." in server.records()


# ---------------------------------------------------------------- answers lost


def test_a_message_that_comes_late_after_all_is_found_by_the_next_try(server: Server, tap: Tap) -> None:
    with closing(driver(tap.port)) as zone:
        old = zone.read([WWW])
        claim = claimed(old)
        tap.deliver = lambda wire: not is_update(wire)
        assert isinstance(zone.swap(old, claim), Unknown)
        send(server.port, tap.updates()[-1])
        tap.deliver = lambda _: True
        outcome = zone.swap(old, claim)
        assert isinstance(outcome, NotApplied)
        assert outcome.now.held == claim.held
        assert len(tap.updates()) == 1, "it was not sent again"


def test_an_answer_lost_while_somebody_else_writes_is_left_open(server: Server, tap: Tap) -> None:
    """Neither the old nor the new is there: the message may have come before the other change, or may yet come."""
    with closing(driver(tap.port)) as zone:
        old = zone.read([WWW])

        def lose(wire: bytes) -> bytes | None:
            if not is_update(wire):
                return wire
            server.edit(lambda message: message.replace(WWW, 30, "A", "203.0.113.1"))
            return None

        tap.treat = lose
        assert isinstance(zone.swap(old, claimed(old)), Unknown)
    assert address(server, WWW) == ["203.0.113.1"]


# ---------------------------------------------------------------- wildcard, apex, delegation


def test_what_stands_under_a_wildcard_goes_where_the_wildcard_goes(server: Server, zone: Rfc2136) -> None:
    before = server.records()
    for what, records in cycle(zone, WILD):
        (rrset,) = records.held[0].rrsets
        assert tuple(address(server, f"{what}.wild.lab.test.")) == rrset.rdatas
        assert address(server, "host.wild.lab.test.") == ["192.0.2.98"]
        assert zone.read(["any.wild.lab.test."]).held == (Held("any.wild.lab.test.", ()),)
    assert server.records() == before


def test_the_apex_moves_and_the_rest_of_it_stays(server: Server, zone: Rfc2136) -> None:
    before = server.records()
    kept = {line for line in before if not line.startswith((WWW, f"{ORIGIN} 300 IN A "))}
    for _, records in cycle(zone, ORIGIN, WWW):
        assert tuple(address(server, ORIGIN)) == records.held[0].rrsets[0].rdatas
        assert kept <= set(server.records())
    assert server.records() == before


@pytest.mark.parametrize("name", ["sub.lab.test.", "x.sub.lab.test.", "ns.sub.lab.test."])
def test_what_is_delegated_is_refused_by_every_call_that_would_touch_it(
    server: Server, tap: Tap, zone: Rfc2136, name: str
) -> None:
    before = server.zone()
    there = Held(name, (RRset(name, "A", 300, ("127.0.0.9",)),))
    both = Records((*zone.read([WWW]).held, there))
    with closing(driver(tap.port)) as other:
        calls: list[Callable[[], object]] = [
            lambda: other.read([WWW, name]),
            lambda: other.check([WWW, name]),
            lambda: other.swap(both, claimed(both)),
        ]
        for call in calls:
            with pytest.raises(Denied, match=r"lies in sub\.lab\.test\., delegated by lab\.test\."):
                call()
    assert tap.updates() == []
    assert server.zone() == before


def test_a_name_beside_a_delegation_moves_and_the_delegation_stays(server: Server, zone: Rfc2136) -> None:
    cut = [line for line in server.records() if "sub.lab.test." in line]
    assert len(cut) == 2
    for _ in cycle(zone, WWW):
        assert [line for line in server.records() if "sub.lab.test." in line] == cut
