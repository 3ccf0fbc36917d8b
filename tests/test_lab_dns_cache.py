"""The caching resolver: how long an answer lives, what it is replaced by, what a failing server does to it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from labdns import APEX, ORIGIN

from lbmigrate.errors import Unreachable
from lbmigrate.lab import cache
from lbmigrate.lab.cache import Cache
from lbmigrate.lab.dns import start_dns

NAME = f"www.{ORIGIN}"
ONE, TWO = "127.0.0.1:1", "127.0.0.1:2"
SOA = f"{ORIGIN} 300 IN SOA ns1.{ORIGIN} h.{ORIGIN} 1 1 1 1 7"


class Servers:
    """Authoritative servers that say what they are told to; a clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0
        self.says: dict[str, list[str] | Exception] = {}
        self.rcode = dns.rcode.NOERROR
        self.authority: list[str] = []
        self.authoritative = True
        self.asked: list[str] = []
        self.gate: asyncio.Event | None = None

    def clock(self) -> float:
        return self.now

    async def ask(self, server: str, query: dns.message.Message) -> dns.message.Message:
        self.asked.append(server)
        if self.gate is not None:
            await self.gate.wait()
        says = self.says.get(server, [])
        if isinstance(says, Exception):
            raise says
        reply = dns.message.make_response(query)
        reply.set_rcode(self.rcode)
        reply.flags |= dns.flags.AA if self.authoritative else 0
        reply.answer = [dns.rrset.from_text_list(*_record(line)) for line in says]
        reply.authority = [dns.rrset.from_text_list(*_record(line)) for line in self.authority]
        return dns.message.from_wire(reply.to_wire())

    def cache(self, *upstreams: str, stretch: float | None = None) -> Cache:
        return Cache(upstreams or (ONE,), self.clock, stretch, self.ask)


def _record(line: str) -> tuple[str, int, str, str, list[str]]:
    name, ttl, rdclass, rtype, rdata = line.split(maxsplit=4)
    return name, int(ttl), rdclass, rtype, [rdata]


def a(address: str, ttl: int = 3) -> list[str]:
    return [f"{NAME} {ttl} IN A {address}"]


def ages(servers: Servers, cached: Cache, moments: list[float]) -> list[str]:
    """What the cache answers at these moments, the servers having changed after the first."""

    async def look() -> list[str]:
        found = []
        for servers.now in moments:
            found += await cached.resolve(NAME, "A")
            servers.says = {server: a("192.0.2.2") for server in (ONE, TWO)}
        return found

    return asyncio.run(look())


@pytest.mark.parametrize(
    ("moments", "last"),
    [
        ([100.0, 103.0, 103.99, 104.0], "192.0.2.2"),
        ([100.9, 103.99, 104.0], "192.0.2.2"),
        ([100.9, 103.9], "192.0.2.1"),
    ],
)
def test_an_answer_lives_to_the_end_of_its_last_second(moments: list[float], last: str) -> None:
    servers = Servers()
    servers.says = {ONE: a("192.0.2.1", ttl=3)}
    found = ages(servers, servers.cache(), moments)
    assert found == ["192.0.2.1"] * (len(moments) - 1) + [last]


def test_a_stretcher_keeps_it_longer() -> None:
    servers = Servers()
    servers.says = {ONE: a("192.0.2.1", ttl=3)}
    assert ages(servers, servers.cache(stretch=10), [100.0, 104.0, 110.9, 111.0]) == ["192.0.2.1"] * 3 + ["192.0.2.2"]


def test_a_stretcher_shortens_nothing() -> None:
    servers = Servers()
    servers.says = {ONE: a("192.0.2.1", ttl=60)}
    assert ages(servers, servers.cache(stretch=10), [100.0, 160.9]) == ["192.0.2.1"] * 2


def test_ttl_zero_is_not_kept() -> None:
    servers = Servers()
    servers.says = {ONE: a("192.0.2.1", ttl=0)}
    assert ages(servers, servers.cache(), [100.0, 100.0]) == ["192.0.2.1", "192.0.2.2"]


def run(resolving: Awaitable[Any]) -> Any:
    async def main() -> Any:
        return await resolving

    return asyncio.run(main())


def test_upstreams_take_turns() -> None:
    servers = Servers()
    servers.says = {ONE: a("192.0.2.1", 0), TWO: a("192.0.2.2", 0)}
    cached = servers.cache(ONE, TWO)

    async def four() -> None:
        for _ in range(4):
            await cached.resolve(NAME, "A")

    run(four())
    assert sorted(servers.asked) == [ONE, ONE, TWO, TWO]
    assert cached.counts[f"asked {ONE}"] == cached.counts[f"asked {TWO}"] == 2


FAILURES = [
    TimeoutError(),
    ConnectionRefusedError(),
    EOFError(),
    dns.exception.DNSException(),  # type: ignore[no-untyped-call]
]


@pytest.mark.parametrize("wrong", FAILURES, ids=lambda wrong: type(wrong).__name__)
def test_a_failing_upstream_is_passed_over(wrong: Exception) -> None:
    servers = Servers()
    servers.says = {ONE: wrong, TWO: a("192.0.2.2")}
    for _ in range(3):
        assert run(servers.cache(ONE, TWO).resolve(NAME, "A")) == ["192.0.2.2"]


def refuse(servers: Servers) -> None:
    servers.rcode = dns.rcode.SERVFAIL


def lame(servers: Servers) -> None:
    servers.authoritative = False


def unproven(servers: Servers) -> None:
    servers.says = {}


def loop(servers: Servers) -> None:
    servers.says = {ONE: [f"{NAME} 3 IN CNAME {NAME}"]}


@pytest.mark.parametrize("breaking", [refuse, lame, unproven, loop])
def test_what_proves_nothing_is_never_an_empty_answer(breaking: Callable[[Servers], None]) -> None:
    servers = Servers()
    servers.says = {ONE: a("192.0.2.1")}
    breaking(servers)
    cached = servers.cache()
    with pytest.raises(Unreachable, match=r"resolving www.lab.test. A: 127.0.0.1:1: .*; see whether"):
        run(cached.resolve(NAME, "A"))
    assert cached.counts["failures"] == 1
    assert len(servers.asked) == cache.ROUNDS


def test_an_expired_answer_is_not_served_when_all_fail() -> None:
    servers = Servers()
    servers.says = {ONE: a("192.0.2.1")}
    cached = servers.cache()
    assert run(cached.resolve(NAME, "A")) == ["192.0.2.1"]
    servers.now, servers.says = 104.0, {ONE: TimeoutError()}
    with pytest.raises(Unreachable):
        run(cached.resolve(NAME, "A"))


@pytest.mark.parametrize("rcode", [dns.rcode.NOERROR, dns.rcode.NXDOMAIN])
def test_a_proven_absence_is_kept_for_the_soas_minimum(rcode: dns.rcode.Rcode) -> None:
    servers = Servers()
    servers.rcode, servers.authority = rcode, [SOA]
    cached = servers.cache()
    assert run(cached.resolve(NAME, "A")) == []
    servers.rcode, servers.says, servers.now = dns.rcode.NOERROR, {ONE: a("192.0.2.1")}, 107.9
    assert run(cached.resolve(NAME, "A")) == []
    servers.now = 108.0
    assert run(cached.resolve(NAME, "A")) == ["192.0.2.1"]


def test_an_alias_lives_as_long_as_its_shortest_link() -> None:
    servers = Servers()
    servers.says = {ONE: [f"{NAME} 2 IN CNAME x.{ORIGIN}", f"x.{ORIGIN} 60 IN A 192.0.2.1"]}
    assert ages(servers, servers.cache(), [100.0, 102.9, 103.0]) == ["192.0.2.1", "192.0.2.1", "192.0.2.2"]


def test_one_query_however_many_wait() -> None:
    servers = Servers()
    servers.says = {ONE: a("192.0.2.1")}
    cached = servers.cache()

    async def crowd() -> list[list[str]]:
        servers.gate = asyncio.Event()
        waiting = [asyncio.create_task(cached.resolve(NAME, "A")) for _ in range(5)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        servers.gate.set()
        return await asyncio.gather(*waiting[1:])

    assert run(crowd()) == [["192.0.2.1"]] * 4
    assert servers.asked == [ONE]
    assert (cached.counts["misses"], cached.counts["joined"]) == (1, 4)


def test_addresses_are_rotated() -> None:
    servers = Servers()
    servers.says = {ONE: a("192.0.2.1")}
    cached = servers.cache()
    kept = cache.Kept(("192.0.2.1", "192.0.2.2"), 200)
    cached._kept[NAME, "A"] = kept
    firsts = {run(cached.resolve(NAME, "A"))[0] for _ in range(2)}
    assert firsts == set(kept.records)


def test_a_cache_without_upstreams_is_refused() -> None:
    with pytest.raises(ValueError, match="upstream"):
        Cache([], lambda: 0.0)


def test_over_the_wire_and_by_tcp_where_udp_is_too_small(tmp_path: Any) -> None:
    zone = APEX + "www 5 AAAA 2001:db8::1\n" + "".join(f"www 5 A 192.0.2.{n}\n" for n in range(1, 200))
    parts = start_dns(False, tmp_path, zone, ORIGIN)
    try:
        cached = Cache(parts.nameservers, lambda: 100.0)
        assert run(cached.resolve(NAME, "AAAA")) == ["2001:db8::1"]
        assert len(run(cached.resolve(NAME, "A"))) == 199
        assert run(cached.resolve(f"nobody.{ORIGIN}", "A")) == []
    finally:
        parts.stop()
