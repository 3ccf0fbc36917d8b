"""The sockets: the API over HTTP/1.1, and two name servers for every zone, over UDP and TCP.

`python -m lbmigrate.lab.route53.server --listen HOST:PORT --zones FILE`. FILE is JSON, records as the API's JSON form
has them: {"zones": [{"name": …, "id": …, "private": …, "servers": ["HOST:PORT", …], "records": [{"Name": …}, …]}, …],
"balancers": {NAME: [ADDRESS, …]}}. `PUT /lab/faults` takes fields of `Faults` as JSON, `PUT
/lab/balancers` other balancers.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lbmigrate.errors import LbmigrateError
from lbmigrate.lab.dnsauthority import Authority
from lbmigrate.lab.dnsserver import listen, split
from lbmigrate.lab.route53 import api, sets
from lbmigrate.lab.route53.errors import Lost
from lbmigrate.lab.route53.wire import Reply, Request
from lbmigrate.lab.route53.world import Made, World
from lbmigrate.lab.wire import body_length, head_length, wants_close
from lbmigrate.value import replace

LARGEST = 4_000_000  # octets of a request: far above what 1,000 elements take


class Edge:
    """One name server of one zone: it answers from the newest version that has reached it."""

    def __init__(self, world: World, zone_id: str, server: int) -> None:
        self._world, self._zone_id, self._server = world, zone_id, server
        self._authority = Authority(None)

    def datagram(self, wire: bytes) -> bytes | None:
        """The response to a UDP message."""
        return self._current().datagram(wire)

    def stream(self, wire: bytes) -> list[bytes]:
        """The responses to a TCP message."""
        return self._current().stream(wire)

    def _current(self) -> Authority:
        zone = self._world.serving(self._zone_id, self._server)
        if self._authority.zone is not zone:
            self._authority.serve(zone)
        return self._authority


class Http(asyncio.Protocol):
    """One connection; requests are answered in order, a lost answer closes it."""

    def __init__(self, world: World, open_ones: "set[Http]") -> None:
        self._world, self._open = world, open_ones
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; asyncio hands a TCP server a Transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Forget the connection."""
        self._open.discard(self)

    def close(self) -> None:
        """Close it; what is written is sent first."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete; what is no request closes the connection."""
        self._buffer += data
        try:
            while (length := head_length(self._buffer)) is not None:
                whole = length + body_length(self._buffer[:length])
                if len(self._buffer) < whole:
                    break
                head, body = self._buffer[:length], self._buffer[length:whole]
                self._buffer = self._buffer[whole:]
                self._answer(head, body)
            if len(self._buffer) > LARGEST:
                raise ValueError("too large")
        except (ValueError, Lost):
            self._transport.close()

    def _answer(self, head: bytes, body: bytes) -> None:
        line, *fields = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, target, _ = line.split(" ")
        given = {name.lower(): text.strip() for name, _, text in (field.partition(":") for field in fields)}
        if target == "/lab/faults" and method == "PUT":
            reply = _faulted(self._world, body)
        elif target == "/lab/balancers" and method == "PUT":
            self._world.balancers = {name: tuple(found) for name, found in json.loads(body).items()}
            reply = Reply(204, b"")
        else:
            asked = Request(method, target, given.get("authorization", ""), body, given.get("x-amz-security-token", ""))
            reply = api.answer(self._world, asked)
        self._send(reply, wants_close(head))

    def _send(self, reply: Reply, close: bool) -> None:
        head = f"HTTP/1.1 {reply.status} -\r\nContent-Type: text/xml\r\nContent-Length: {len(reply.body)}\r\n\r\n"
        self._transport.write(head.encode() + reply.body)
        if close:
            self._transport.close()


def _faulted(world: World, body: bytes) -> Reply:
    """Set the fields that the JSON object names. Raises ValueError, which closes the connection."""
    given = {field: tuple(one) if isinstance(one, list) else one for field, one in json.loads(body).items()}
    try:
        world.faults = replace(world.faults, **given)
    except TypeError as wrong:
        raise ValueError(str(wrong)) from wrong
    return Reply(204, b"")


# ---------------------------------------------------------------- running


async def listening(world: World, at: str, servers: dict[str, Sequence[str]], ended: asyncio.Event,
                    ready: Callable[[], None]) -> None:  # fmt: skip
    """Serve the API at `at`, and each zone (by id) at its name servers, until `ended`."""
    open_ones: set[Http] = set()
    host, port = split(at)
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as held:
        api_server = await loop.create_server(lambda: Http(world, open_ones), host, port)
        held.callback(api_server.close)
        for zone_id, places in servers.items():
            for number, place in enumerate(places):
                transport, tcp = await listen(Edge(world, zone_id, number), *split(place))
                held.callback(transport.close)
                held.callback(tcp.close)
        ready()
        await ended.wait()
        for one in tuple(open_ones):
            one.close()


@contextlib.contextmanager
def running(world: World, at: str, servers: dict[str, Sequence[str]]) -> Iterator[None]:
    """The same in a thread of this process, so that its clock and faults can be set from here."""
    loop = asyncio.new_event_loop()
    ended, ready = asyncio.Event(), threading.Event()
    wrong: list[Exception] = []

    def run() -> None:
        try:
            loop.run_until_complete(listening(world, at, servers, ended, ready.set))
        except (OSError, LbmigrateError) as failed:
            wrong.append(failed)
            ready.set()
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        ready.wait()
        if wrong:
            raise wrong[0]
        yield
    finally:
        if not wrong:
            loop.call_soon_threadsafe(ended.set)
        thread.join()


def load(world: World, text: str) -> dict[str, Sequence[str]]:
    """Fill the world from the JSON of a file; each zone's name servers."""
    given: dict[str, Any] = json.loads(text)
    world.balancers = {name: tuple(found) for name, found in given.get("balancers", {}).items()}
    servers: dict[str, Sequence[str]] = {}
    for n, zone in enumerate(given["zones"]):
        made = world.create(Made(zone["name"], f"zone {n}", zone.get("private", False), id=zone.get("id", "")))
        servers[made.id] = zone.get("servers", ())
        world.fill(made.id, [sets.from_json(one) for one in zone.get("records", ())])
    return servers


async def _serve(at: str, zones: Path) -> None:
    world = World(time.time)
    servers = load(world, zones.read_text())
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await listening(world, at, servers, ended, partial(print, "ready", flush=True))


def main() -> None:
    """Serve until SIGTERM; print "ready" when listening."""
    parser = argparse.ArgumentParser(prog="python -m lbmigrate.lab.route53.server")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument("--zones", required=True, metavar="FILE")
    given = parser.parse_args()
    asyncio.run(_serve(given.listen, Path(given.zones)))


if __name__ == "__main__":
    main()
