"""What clients really choose: by SRV records as RFC 2782 says, and by the answers from a LUA record.

20,000 choices of each asked share, from the records that a server serves: within four standard deviations of it.
"""

import random
import select
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from math import sqrt
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import dns.rdata
import pytest
from labdns import APEX, ORIGIN, SECONDS, message

from lbmigrate.dns.records import rdatas_of, rrset_of
from lbmigrate.lab.choice import hinted, ordered
from lbmigrate.lab.dns import DnsParts, start_dns
from lbmigrate.lab.dnsserver import split
from lbmigrate.lab.transfer import transfer
from lbmigrate.model import Held, RRset, Side
from lbmigrate.schemes import records
from lbmigrate.schemes.srv import Service, services

CHOICES = 20_000
ASKED = (1, 5, 25, 50, 75, 99)
LOST = 1.0
UNDER_WAY = 64  # queries at once: their answers fit a socket's buffer
A = Side("sim", ("192.0.2.10",), f"a.{ORIGIN}")
B = Side("sim", ("192.0.2.20", "192.0.2.21"), f"b.{ORIGIN}")


def within(chosen: int, percent: int, of: int) -> bool:
    """Whether a count lies within four standard deviations of what the share lets expect."""
    share = percent / 100
    return abs(chosen - of * share) <= 4 * sqrt(of * share * (1 - share))


def original(rtype: str, rdata: str, name: str) -> Held:
    return Held(name, (RRset(name, rtype, 60, (rdata,)),))


def put(parts: DnsParts, rrsets: list[RRset]) -> None:
    """Write RRsets by UPDATE."""
    update = message(parts)
    for rrset in rrsets:
        update.add(rrset.name, rrset.ttl, *rdatas_of(rrset))
    host, port = split(parts.primary)
    assert dns.query.tcp(update, host, SECONDS, port).rcode() == 0


@contextmanager
def served(software: str, directory: Path) -> Iterator[DnsParts]:
    """A server of the small zone."""
    real = software != "embedded"
    parts = start_dns(real, directory, APEX, ORIGIN, software=software if real else "named")
    try:
        yield parts
    finally:
        parts.stop()


def real(software: str) -> object:
    return pytest.param(software, marks=pytest.mark.real(software))


# ---------------------------------------------------------------- SRV


def test_a_lower_priority_number_is_always_tried_first() -> None:
    """And every record is tried in the end, the weightless ones too."""
    found: list[Service] = [(20, 9, 80, "far."), (10, 0, 80, "idle."), (10, 5, 80, "near.")]
    for seed in range(200):
        order = ordered(found, random.Random(seed))
        assert {host for *_, host in order[:2]} == {"idle.", "near."}
        assert order[2][3] == "far."


def test_without_weights_each_is_tried_first_now_and_then() -> None:
    """RFC 2782: weight 0 is chosen when nothing else is to be chosen from."""
    found: list[Service] = [(1, 0, 80, "one."), (1, 0, 80, "two.")]
    assert {ordered(found, random.Random(seed))[0][3] for seed in range(50)} <= {"one.", "two."}


@pytest.mark.parametrize("software", ["embedded", real("named"), real("knotd")])
def test_srv_clients_see_each_asked_share(software: str, tmp_path: Path) -> None:
    chance = random.Random(1)
    names = {percent: f"_http._tcp.w{percent}.{ORIGIN}" for percent in ASKED}
    with served(software, tmp_path) as parts:
        rdata = f"10 100 80 {A.hostname}"
        put(parts, [one for w, name in names.items() for one in records("srv", original("SRV", rdata, name), A, B, w)])
        host, port = split(parts.primary)
        for percent, name in names.items():
            reply = dns.query.udp(dns.message.make_query(name, "SRV"), host, SECONDS, port)
            found = services(rrset_of(reply.answer[0]))
            first = Counter(ordered(found, chance)[0][3] for _ in range(CHOICES))
            assert within(first[B.hostname], percent, CHOICES), (percent, first)


# ---------------------------------------------------------------- LUA


def resolved(parts: DnsParts, name: str, count: int) -> Counter[str]:
    """So many questions for the A record of a name, many under way at once; how often each address was the answer."""
    wire = dns.message.make_query(name, "A").to_wire()[2:]
    found: Counter[str] = Counter()
    asked = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as talk:
        talk.connect(split(parts.primary))
        while found.total() < count:
            while asked < count and asked - found.total() < UNDER_WAY:
                talk.send(asked.to_bytes(4, "big")[2:] + wire)
                asked += 1
            if not select.select([talk], [], [], LOST)[0]:
                asked = found.total()  # datagrams may be lost: the missing ones are asked again
                continue
            reply = talk.recv(512)
            assert reply[3] & 15 == 0, "an error"
            assert reply[6:8] == b"\0\1", "not one address"
            found[socket.inet_ntoa(reply[-4:])] += 1
    return found


@pytest.mark.parametrize("software", ["embedded", real("pdns_server")])
@pytest.mark.parametrize("percent", [1, 25])
def test_lua_answers_have_each_asked_share(software: str, percent: int, tmp_path: Path) -> None:
    """B has two addresses and A has one: the share is B's, however many there are."""
    with served(software, tmp_path) as parts:
        name = f"w{percent}.{ORIGIN}"
        put(parts, list(records("lua", original("A", A.addresses[0], name), A, B, percent)))
        found = resolved(parts, name, CHOICES)
        assert set(found) == {*A.addresses, *B.addresses}
        assert within(sum(found[one] for one in B.addresses), percent, found.total()), found


@pytest.mark.parametrize("software", ["embedded", real("pdns_server")])
def test_a_lua_record_answers_but_is_never_the_answer(software: str, tmp_path: Path) -> None:
    """One address of its family; nothing else; the record itself in the transfer alone. Bad code is a SERVFAIL."""
    name, bad = f"www.{ORIGIN}", f"bad.{ORIGIN}"
    code = dns.rdata.from_text("IN", "TYPE65402", "\\# 6 000103666f6f")  # `A foo`
    with served(software, tmp_path) as parts:
        put(parts, list(records("lua", original("A", A.addresses[0], name), A, B, 50)))
        update = message(parts)
        update.add(bad, 60, code)
        at = split(parts.primary)
        assert dns.query.tcp(update, at[0], SECONDS, at[1]).rcode() == 0

        def ask(owner: str, rtype: str) -> tuple[str, int]:
            reply = dns.query.tcp(dns.message.make_query(owner, rtype), at[0], SECONDS, at[1])
            return dns.rcode.to_text(reply.rcode()), sum(map(len, reply.answer))

        assert [ask(name, rtype) for rtype in ("A", "AAAA", "TYPE65402")] == [
            ("NOERROR", 1),
            ("NOERROR", 0),
            ("NOERROR", 0),
        ]
        assert ask(bad, "A") == ("SERVFAIL", 0)
        lines = transfer(*at, ORIGIN, parts.key)
    assert any(line.startswith(f'{name} 60 IN LUA A "pickwrandom(') for line in lines)


# ---------------------------------------------------------------- HTTPS


def test_hints_come_from_the_best_record() -> None:
    """AliasMode (priority 0) gives none; without hints the client asks for the addresses."""
    rdatas = ['1 . ipv4hint="192.0.2.1,192.0.2.2" ipv6hint="2001:db8::1"', '2 . ipv4hint="192.0.2.9"']
    assert hinted(rdatas, "A") == ["192.0.2.1", "192.0.2.2"]
    assert hinted(rdatas, "AAAA") == ["2001:db8::1"]
    assert hinted(["0 svc.example.com."], "A") == hinted(['1 . alpn="h2"'], "A") == hinted([], "A") == []
