"""A caching resolver inside the process of the clients: TTLs as unbound counts them, or stretched.

A time is cut to its whole second before a TTL is added, and an answer is served up to the end of the second in which it
runs out: it lives between TTL and TTL + 1 s after it was fetched, as unbound's answers do. An answer of TTL 0 serves
those who are waiting for it and nobody after them. A failing upstream never empties anything: the next one is asked,
and only a server that says so itself makes a name empty (RFC 2308).
"""

import asyncio
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from math import floor
from typing import cast

import dns.exception
import dns.flags
import dns.message
from dns.message import Message
from dns.name import Name
from dns.rcode import Rcode
from dns.rdatatype import RdataType

from lbmigrate.errors import Unreachable
from lbmigrate.value import value

TRY_SECONDS = 0.5
ROUNDS = 3
LONGEST_CHAIN = 16
LENGTH = struct.Struct("!H")

Ask = Callable[[str, Message], Awaitable[Message]]


@value
class Kept:
    """One answer: its records (none for a name that the zone does not have) and its last whole second on the clock."""

    records: tuple[str, ...]
    until: int


class Cache:
    """Resolves at `upstreams` ("host:port", authoritative, taken in turn) and remembers by `clock` (seconds).

    `stretch`: the least TTL in seconds, None for an honest cache. `counts`: "hits", "misses", "joined" (answered by
    another's miss), "failures" (all upstreams failed) and one "asked HOST:PORT" each. `ask` sends one query to one
    server and gives its answer, or raises OSError, TimeoutError or DNSException.
    """

    def __init__(
        self,
        upstreams: Sequence[str],
        clock: Callable[[], float],
        stretch: float | None = None,
        ask: Ask | None = None,
    ) -> None:
        if not upstreams:
            raise ValueError("a cache needs an upstream server")
        self.counts: Counter[str] = Counter()
        self._upstreams = tuple(upstreams)
        self._clock = clock
        self._stretch = stretch or 0
        self._ask = ask or exchange
        self._kept: dict[tuple[str, str], Kept] = {}
        self._waiting: dict[tuple[str, str], asyncio.Task[Kept]] = {}
        self._turn = 0

    async def resolve(self, name: str, rtype: str) -> list[str]:
        """The records as text (addresses, SRV, HTTPS), rotated from call to call; empty only where there are none.

        Raises Unreachable when no upstream gave an answer that can be used.
        """
        key = (name, rtype)
        kept = self._kept.get(key)
        if kept is not None and floor(self._clock()) <= kept.until:
            self.counts["hits"] += 1
        else:
            kept = await self._miss(key)
        return self._rotated(kept.records)

    def _rotated(self, records: tuple[str, ...]) -> list[str]:
        self._turn += 1
        start = self._turn % max(1, len(records))
        return [*records[start:], *records[:start]]

    async def _miss(self, key: tuple[str, str]) -> Kept:
        """One query however many wait; one who stops waiting takes nothing from the others."""
        task = self._waiting.get(key)
        self.counts["joined" if task else "misses"] += 1
        if task is None:
            task = self._waiting[key] = asyncio.get_running_loop().create_task(self._fetch(key))
            task.add_done_callback(lambda done: self._done(key, done))
        return await asyncio.shield(task)

    def _done(self, key: tuple[str, str], task: asyncio.Task[Kept]) -> None:
        self._waiting.pop(key, None)
        if not task.cancelled() and task.exception() is None:
            self._kept[key] = task.result()

    async def _fetch(self, key: tuple[str, str]) -> Kept:
        seen: dict[str, str] = {}
        for number in range(ROUNDS * len(self._upstreams)):
            server = self._upstreams[(self.counts["misses"] + number) % len(self._upstreams)]
            self.counts[f"asked {server}"] += 1
            query = dns.message.make_query(key[0], key[1], use_edns=0, payload=1232, flags=0)
            try:
                return self._keep(query, await self._ask(server, query))
            except (OSError, EOFError, TimeoutError, dns.exception.DNSException, Unreachable) as wrong:
                seen[server] = str(wrong) or type(wrong).__name__
        self.counts["failures"] += 1
        what = "; ".join(f"{server}: {why}" for server, why in seen.items())
        raise Unreachable(f"resolving {key[0]} {key[1]}: {what}; see whether the name servers are up")

    def _keep(self, query: Message, reply: Message) -> Kept:
        records, ttl = read(query, reply)
        lasts = max(ttl, floor(self._stretch))
        return Kept(records, floor(self._clock()) + lasts if lasts else -1)


def read(query: Message, reply: Message) -> tuple[tuple[str, ...], int]:
    """Records and TTL in seconds (the least along a CNAME chain; RFC 2308's for none). Raises Unreachable."""
    rcode = reply.rcode()
    if rcode not in (Rcode.NOERROR, Rcode.NXDOMAIN) or not reply.flags & dns.flags.AA:
        raise Unreachable(f"answered {rcode.name} {'with' if reply.flags & dns.flags.AA else 'without'} authority")
    asked = query.question[0]
    ttls: list[int] = []
    name: Name = asked.name
    for _ in range(LONGEST_CHAIN):
        found = reply.get_rrset(reply.answer, name, asked.rdclass, asked.rdtype)
        if found is not None:
            return tuple(rdata.to_text() for rdata in found), min([*ttls, found.ttl])
        alias = reply.get_rrset(reply.answer, name, asked.rdclass, RdataType.CNAME)
        if alias is None:
            return (), min([*ttls, _negative(reply)])
        ttls.append(alias.ttl)
        name = alias[0].target
    raise Unreachable(f"a chain of more than {LONGEST_CHAIN} CNAMEs")


def _negative(reply: Message) -> int:
    """How long an absence is believed (RFC 2308, section 5). Without an SOA it is no proof of anything."""
    for rrset in reply.authority:
        if rrset.rdtype == RdataType.SOA:
            return min(rrset.ttl, int(rrset[0].minimum))
    raise Unreachable("an empty answer without an SOA")


async def exchange(server: str, query: Message) -> Message:
    """Ask by UDP, by TCP when the answer was cut short. Raises OSError, TimeoutError, EOFError, DNSException."""
    host, _, port = server.rpartition(":")
    at = (host.strip("[]"), int(port))
    async with asyncio.timeout(TRY_SECONDS):
        reply = await _datagram(at, query)
        return await _stream(at, query) if reply.flags & dns.flags.TC else reply


class _Exchange(asyncio.DatagramProtocol):
    """Sends one query; what does not answer it (RFC 5452) is passed over."""

    def __init__(self, query: Message) -> None:
        self._query = query
        self._wire = query.to_wire()
        self.reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.DatagramTransport, transport).sendto(self._wire)

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002
        if data[:2] != self._wire[:2] or self.reply.done():
            return
        try:
            reply = dns.message.from_wire(data)
        except dns.exception.DNSException as wrong:
            self.reply.set_exception(wrong)
            return
        if self._query.is_response(reply):
            self.reply.set_result(reply)

    def error_received(self, exc: Exception) -> None:
        if not self.reply.done():
            self.reply.set_exception(exc)


async def _datagram(at: tuple[str, int], query: Message) -> Message:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(lambda: _Exchange(query), remote_addr=at)
    try:
        return await protocol.reply
    finally:
        transport.close()


async def _stream(at: tuple[str, int], query: Message) -> Message:
    reader, writer = await asyncio.open_connection(*at)
    try:
        writer.write(query.to_wire(prepend_length=True))
        (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        reply = dns.message.from_wire(await reader.readexactly(length))
    finally:
        writer.close()
    if not query.is_response(reply):
        raise Unreachable("an answer to another question")
    return reply
