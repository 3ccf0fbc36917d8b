"""The sockets: every API of the account on one port, its balancers on their addresses, their names by DNS.

`python -m lbmigrate.lab.elb.server --listen HOST:PORT --dns HOST:PORT --account FILE`. FILE is JSON: {"subnets": {ID:
{"zone": …, "vpc": …, "cidr": …}}, "pool": [[ADDRESS, …], …], "delays": fields of `Delays`, "instances": {ID: [HOST,
PORT]}}. `PUT /lab/fails` takes the share of requests that a balancer fails, by its name, `PUT /lab/route53` the
HOST:PORT of a laboratory's Route 53 that is to know the names. Times are the machine's.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from lbmigrate.lab import dnszone
from lbmigrate.lab.dnsauthority import Authority
from lbmigrate.lab.dnsserver import listen, split
from lbmigrate.lab.elb.beside import Lost, answered, got
from lbmigrate.lab.elb.plane import PAUSE, Plane
from lbmigrate.lab.elb.state import Delays, World
from lbmigrate.lab.elb.wire import SERVICES, model

ORIGIN = "amazonaws.com"
DUALSTACK = "dualstack."  # before a balancer's name, it leads to the same
TTL = 60  # of a balancer's addresses, as AWS has it
SECONDS = 5.0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one segment: two wait for each other's acknowledgement (40 ms)
    world: World
    settings: dict[str, Any]

    def do_POST(self) -> None:
        body = self._body()
        try:
            with self.world.lock:
                status, found = answered(
                    self.world, self.headers.get("Authorization", ""), self.headers.get("X-Amz-Target", ""), body
                )
        except Lost:
            self.close_connection = True
            return
        self._answer(status, found)

    def do_GET(self) -> None:
        with self.world.lock:
            status, found = got(self.world, self.path)
        self._answer(status, found)

    def do_PUT(self) -> None:
        """A setting of the laboratory's own."""
        self.settings[self.path.removeprefix("/lab/")] = json.loads(self._body())
        self._answer(200, b"")

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what was called is in the world."""


@contextlib.contextmanager
def serving(
    world: World, host: str = "127.0.0.1", port: int = 0, settings: dict[str, Any] | None = None
) -> Iterator[str]:
    """The endpoint's URL, while it is served."""
    held = {} if settings is None else settings
    handler = type("Handler", (_Handler,), {"world": world, "settings": held})
    server = ThreadingHTTPServer((host, port), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# ---------------------------------------------------------------- the process


def zone(names: Mapping[str, tuple[str, ...]]) -> dnszone.Zone:
    """The names of balancers as DNS has them."""
    soa = f"@ {TTL} IN SOA ns.{ORIGIN}. awsdns.{ORIGIN}. 1 7200 900 1209600 {TTL}"
    each = [f"{name} {TTL} IN {'AAAA' if ':' in one else 'A'} {one}" for name, held in names.items() for one in held]
    return dnszone.from_text("\n".join([f"$ORIGIN {ORIGIN}.", soa, f"@ {TTL} IN NS ns", *each]) + "\n", ORIGIN)


def announce(at: str, names: Mapping[str, tuple[str, ...]]) -> bool:
    """Tell the laboratory's Route 53, which answers for aliases; whether it heard."""
    every = {f"{kind}{name}": held for name, held in names.items() for kind in ("", DUALSTACK)}
    connection = HTTPConnection(at, timeout=SECONDS)
    try:
        connection.request("PUT", "/lab/balancers", json.dumps(every))
        return connection.getresponse().status < 300
    except OSError:
        return False  # it is not there yet
    finally:
        connection.close()


async def _follow(plane: Plane, authority: Authority, settings: dict[str, Any]) -> None:
    """Names and faults, as they become."""
    served: Mapping[str, tuple[str, ...]] = {}
    told: tuple[object, ...] = ()
    while True:
        names, at = plane.names, settings.get("route53", "")
        plane.fails = settings.get("fails", {})
        if names != served:
            authority.serve(zone(names))
            served = names
        if at and (names, at) != told and await asyncio.to_thread(announce, at, names):
            told = (names, at)
        await asyncio.sleep(PAUSE)


async def _serve(given: argparse.Namespace) -> None:
    account = json.loads(given.account.read_text())
    world = World(time.time, subnets=account["subnets"], delays=Delays(**account.get("delays", {})))
    world.instances = {key: (str(host), int(port)) for key, (host, port) in account.get("instances", {}).items()}
    plane, settings, authority = Plane(world, account["pool"]), dict[str, Any](), Authority(zone({}))
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    host, port = split(given.listen)
    transport, tcp = await listen(authority, *split(given.dns))
    tasks = [asyncio.create_task(plane.run()), asyncio.create_task(_follow(plane, authority, settings))]
    for service in SERVICES.values():
        model(service)  # read before it is asked for: reading takes long, and nothing is served meanwhile
    with serving(world, host, port, settings), contextlib.closing(transport), contextlib.closing(tcp):
        print("ready", flush=True)
        await asyncio.wait([*tasks, asyncio.create_task(ended.wait())], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        if task.done():
            task.result()
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks)


def main() -> None:
    """Serve until SIGTERM; print "ready" when listening."""
    parser = argparse.ArgumentParser(prog="python -m lbmigrate.lab.elb.server")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument("--dns", required=True, metavar="HOST:PORT")
    parser.add_argument("--account", required=True, metavar="FILE", type=Path)
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
