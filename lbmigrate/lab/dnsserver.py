"""The embedded authoritative server: UDP and TCP, RFC 2136 updates with TSIG, transfers, a secondary with a set lag.

It stands in for BIND where none is installed: what it answers to an update is checked against named 9.18. As a primary
it keeps every accepted update in a journal beside the zone file before it answers, so that an acknowledged update
outlives a kill -9. As a secondary it transfers at every NOTIFY (RFC 1996), looks at the primary's serial once a second
besides, and serves what it has found `lag` seconds later.
"""

import argparse
import asyncio
import contextlib
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol, cast

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.tsig
import dns.update
from dns.rcode import Rcode
from dns.rdatatype import RdataType

from lbmigrate.errors import Failed, LbmigrateError, Usage
from lbmigrate.lab import dnsupdate, dnszone, transfer
from lbmigrate.lab.dnsauthority import Authority
from lbmigrate.lab.dnszone import Zone
from lbmigrate.value import value

REFRESH_SECONDS = 1.0
ASK_SECONDS = 1.0
LENGTH = struct.Struct("!H")


def split(server: str) -> tuple[str, int]:
    """("127.0.0.1", 5300) from "127.0.0.1:5300" or "[::1]:5300". Raises Usage."""
    host, _, port = server.rpartition(":")
    if not host or not port.isdigit():
        raise Usage(f"reading the server {server!r}: no HOST:PORT; write it so")
    return host.strip("[]"), int(port)


@value
class Plan:
    """What one server is to be. `zone` is the zone file, absent for a secondary; `lag` in seconds."""

    listen: str
    origin: str
    key: transfer.Key
    zone: str = ""
    primary: str = ""
    lag: float = 0.0
    notify: tuple[str, ...] = ()


class Answering(Protocol):
    """Whatever has responses to DNS messages; `Authority` says what they are."""

    def datagram(self, wire: bytes) -> bytes | None: ...
    def stream(self, wire: bytes) -> list[bytes]: ...


class Datagrams(asyncio.DatagramProtocol):
    """UDP: one message in, at most one out."""

    def __init__(self, authority: Answering) -> None:
        self._answer = authority.datagram
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket (asyncio's own UDP transport is no subclass of DatagramTransport before 3.12)."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer at once."""
        answer = self._answer(data)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)


async def converse(authority: Answering, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One TCP connection, any number of messages, answered in order (RFC 7766), until it or the server ends."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        while True:
            (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
            for answer in authority.stream(await reader.readexactly(length)):
                writer.write(LENGTH.pack(len(answer)) + answer)
            await writer.drain()
    writer.close()


class Journal:
    """The accepted updates since the zone file was written, as messages, in order."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, wire: bytes) -> None:
        """Keep one; it is with the kernel when this returns, so it outlives the process."""
        with self._path.open("ab", buffering=0) as file:
            file.write(LENGTH.pack(len(wire)) + wire)

    def replay(self, zone: Zone) -> Zone:
        """The zone as it was after the last one."""
        for wire in self._wires():
            message = dns.message.from_wire(wire, keyring=False, one_rr_per_rrset=True)
            assert isinstance(message, dns.update.UpdateMessage)
            zone = dnsupdate.update(zone, message)[1]
        return zone

    def _wires(self) -> Iterator[bytes]:
        data = self._path.read_bytes() if self._path.exists() else b""
        while len(data) >= LENGTH.size:
            (length,) = LENGTH.unpack_from(data)
            yield data[LENGTH.size : LENGTH.size + length]
            data = data[LENGTH.size + length :]


def primary(plan: Plan) -> Authority:
    """An authority that takes updates. Raises Usage for a bad zone file."""
    path = Path(plan.zone)
    journal = Journal(path.with_name(path.name + ".jnl"))
    zone = journal.replay(dnszone.from_text(path.read_text(), plan.origin))

    def changed(after: Zone, wire: bytes) -> None:
        journal.append(wire)
        asyncio.get_running_loop().call_soon(_notify, after, plan.notify)

    return Authority(zone, plan.key.tsig(), changed=changed)


def _notify(zone: Zone, servers: Sequence[str]) -> None:
    """RFC 1996. One that is lost is made up for by the secondary's own look."""
    message = dns.message.make_query(zone.origin, RdataType.SOA)
    message.set_opcode(dns.opcode.NOTIFY)
    message.flags = (message.flags | dns.flags.AA) & ~dns.flags.RD
    for host, port in map(split, servers):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as told:
            told.sendto(message.to_wire(), (host, port))


class Secondary:
    """Follows a primary: what it finds there is served `lag` seconds later, in order."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._told = asyncio.Event()
        self._seen: int | None = None
        self.authority = Authority(None, plan.key.tsig(), notified=self._told.set)

    async def follow(self) -> None:
        """Look, wait for a NOTIFY or a second, look again."""
        while True:
            self._told.clear()
            await self._look()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), REFRESH_SECONDS)

    async def _look(self) -> None:
        host, port = split(self._plan.primary)
        try:
            if await _serial(host, port, self._plan.origin) != self._seen:
                self._install(await _fetch(host, port, self._plan))
        except (dns.exception.DNSException, OSError, EOFError) as wrong:
            # A secondary outlives its primary: it keeps serving what it has, says so, and looks again.
            say(f"{self._plan.origin} from {self._plan.primary}: {type(wrong).__name__} {wrong}; trying again")

    def _install(self, zone: Zone) -> None:
        first = self._seen is None
        self._seen = zone.serial
        if first or self._plan.lag <= 0:
            self._serve(zone)
        else:
            say(f"{self._plan.origin}: serial {zone.serial} in {self._plan.lag:g} s")
            asyncio.get_running_loop().call_later(self._plan.lag, self._serve, zone)

    def _serve(self, zone: Zone) -> None:
        self.authority.serve(zone)
        say(f"{self._plan.origin}: serving serial {zone.serial}")


async def _serial(host: str, port: int, origin: str) -> int | None:
    query = dns.message.make_query(dns.name.from_text(origin), RdataType.SOA, flags=0)
    reply = await dns.asyncquery.udp(query, host, ASK_SECONDS, port)
    found = [rdata for rrset in reply.answer for rdata in rrset if rrset.rdtype == RdataType.SOA]
    if reply.rcode() != Rcode.NOERROR or not found:
        raise dns.exception.DNSException(f"no SOA but {dns.rcode.to_text(reply.rcode())}")  # type: ignore[no-untyped-call]
    return int(found[0].serial)


async def _fetch(host: str, port: int, plan: Plan) -> Zone:
    zone = transfer.empty(plan.origin)
    query = transfer.question(zone, plan.key)
    await dns.asyncquery.inbound_xfr(host, zone, query, port=port, timeout=transfer.SECONDS, lifetime=transfer.SECONDS)
    return dnszone.from_zone(zone)


def say(line: str) -> None:
    """One line of the server's log."""
    print(line, file=sys.stderr, flush=True)


async def serve(plan: Plan, ready: Callable[[], None]) -> None:
    """Listen until SIGTERM; `ready` is called once every socket is bound. Raises Failed when one cannot be."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, ended.set)
    secondary = Secondary(plan) if plan.primary else None
    authority = secondary.authority if secondary else primary(plan)
    transport, server = await listen(authority, *split(plan.listen))
    following = loop.create_task(secondary.follow()) if secondary else None
    ready()
    await ended.wait()
    if following:
        following.cancel()
    server.close()
    transport.close()


async def listen(authority: Answering, host: str, port: int) -> tuple[asyncio.BaseTransport, asyncio.Server]:
    """Both sockets of one name server. Raises Failed when one cannot be bound."""
    loop = asyncio.get_running_loop()
    try:
        server = await asyncio.start_server(partial(converse, authority), host, port)
        transport, _ = await loop.create_datagram_endpoint(lambda: Datagrams(authority), local_addr=(host, port))
    except OSError as wrong:
        raise Failed(
            f"listening on {host}:{port}: {wrong.strerror or wrong}; choose a free address and port"
        ) from wrong
    return transport, server


def read(argv: Sequence[str]) -> Plan:
    """The plan from the command line. Raises Usage."""
    parser = argparse.ArgumentParser(prog="python -m lbmigrate.lab.dnsserver")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument("--origin", required=True)
    parser.add_argument("--key", required=True, metavar="NAME:ALGORITHM:SECRET|@FILE")
    parser.add_argument("--zone", default="", metavar="FILE", help="the zone file of a primary")
    parser.add_argument("--secondary-of", default="", metavar="HOST:PORT")
    parser.add_argument("--lag", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--notify", action="append", default=[], metavar="HOST:PORT", help="a secondary to tell")
    given = parser.parse_args(argv)
    if bool(given.zone) == bool(given.secondary_of):
        raise Usage("reading the command line: exactly one of --zone and --secondary-of is needed; give one")
    key = transfer.parse_key(given.key)
    return Plan(given.listen, given.origin, key, given.zone, given.secondary_of, given.lag, tuple(given.notify))


def main() -> int:
    """Serve; print "ready" when listening."""
    try:
        asyncio.run(serve(read(sys.argv[1:]), lambda: print("ready", flush=True)))
    except LbmigrateError as wrong:
        say(str(wrong))
        return wrong.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
