"""A stub resolver: asks one caching resolver by UDP and keeps nothing itself (RFC 1035).

Keeping nothing is the point: what a client sees is then exactly what the cache in front of it holds.
"""

import asyncio
import random
import socket
import struct

import dns.rdata
import dns.rdataclass

from lbmigrate.errors import Unreachable

TYPES = {"A": 1, "AAAA": 28, "SRV": 33, "HTTPS": 65}
RCODES = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}
ATTEMPTS = 3


def question(number: int, name: str, rtype: str) -> bytes:
    """A query with RD set. `name` is absolute; labels are plain (no escapes)."""
    labels = [label.encode() for label in name.rstrip(".").split(".")]
    qname = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + qname + struct.pack("!2H", TYPES[rtype], 1)


def records(answer: bytes, rtype: str) -> list[str]:
    """The records of one type in an answer, in its order. Raises Unreachable for an error or a truncated answer."""
    _, flags, questions, count, _, _ = struct.unpack_from("!6H", answer)
    if flags & 0x0200 or flags & 0x000F:
        raise Unreachable(f"DNS answered {RCODES.get(flags & 15, 'truncated')}; see the resolver's log")
    at = 12
    for _ in range(questions):
        at = _after_name(answer, at) + 4
    found = []
    for _ in range(count):
        at = _after_name(answer, at)
        kind, _, _, length = struct.unpack_from("!HHIH", answer, at)
        at += 10
        if kind == TYPES[rtype]:
            found.append(_text(answer, at, length, rtype))
        at += length
    return found


def _text(message: bytes, at: int, length: int, rtype: str) -> str:
    if rtype in ("A", "AAAA"):
        return socket.inet_ntop(socket.AF_INET if rtype == "A" else socket.AF_INET6, message[at : at + length])
    return dns.rdata.from_wire(dns.rdataclass.IN, rtype, message, at, length).to_text()


def _after_name(message: bytes, at: int) -> int:
    while message[at]:
        if message[at] >= 0xC0:
            return at + 2
        at += message[at] + 1
    return at + 1


class Stub(asyncio.DatagramProtocol):
    """Queries to one resolver over one socket; answers are matched by id."""

    def __init__(self, timeout: float = 2.0) -> None:
        self._timeout = timeout
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self, host: str, port: int) -> None:
        """Bind to the resolver at `host`:`port`."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, remote_addr=(host, port))

    async def resolve(self, name: str, rtype: str) -> list[str]:
        """The records now; asked up to three times, as a libc resolver does. Raises Unreachable."""
        for _ in range(ATTEMPTS):
            try:
                return records(await self._ask(name, rtype), rtype)
            except TimeoutError:
                continue
        raise Unreachable(f"asking DNS for {name} {rtype}: no answer in {ATTEMPTS * self._timeout:g} s; see its log")

    def close(self) -> None:
        """Give the socket back."""
        if self._transport:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002 - asyncio's signature
        """Hand an answer to whoever asked."""
        waiting = self._waiting.get(int.from_bytes(data[:2], "big")) if len(data) >= 12 else None
        if waiting and not waiting.done():
            waiting.set_result(data)

    async def _ask(self, name: str, rtype: str) -> bytes:
        number = random.choice([n for n in (random.randrange(65536) for _ in range(8)) if n not in self._waiting])
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        assert self._transport is not None
        try:
            self._transport.sendto(question(number, name, rtype))
            return await asyncio.wait_for(waiting, self._timeout)
        finally:
            del self._waiting[number]
