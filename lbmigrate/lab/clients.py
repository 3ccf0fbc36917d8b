"""A population of HTTP clients that never stops: it resolves, connects, keeps alive and counts every failed request.

`python -m lbmigrate.lab.clients --plan FILE` (JSON, the fields of `Plan`). Requests leave at their slot times
whatever became of the ones before (open loop). On stdout, JSON Lines: {"failure": {...}} at once for every failed
request, {"second": {...}} every second, {"summary": {...}} after SIGTERM, once all that is under way has ended.
"""

import argparse
import asyncio
import contextlib
import json
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from lbmigrate.errors import LbmigrateError
from lbmigrate.lab.cache import Cache
from lbmigrate.lab.choice import hinted, ordered, services
from lbmigrate.lab.httpclient import Broken, Connection, Stale, connect
from lbmigrate.lab.scenario import SERVICE
from lbmigrate.lab.stub import Stub
from lbmigrate.lab.wire import endpoint
from lbmigrate.value import from_json, value

Resolve = Callable[[str, str], Awaitable[list[str]]]


@value
class Plan:
    """What the population does. `rate`: requests a second in all; `keepalive`: the share of clients that keep
    connections, each for `requests_per_connection`; `stretchers`: the share behind caches that keep an answer for at
    least `stretch` seconds. `resolver` is a caching resolver (HOST:PORT); without one `caches` embedded ones ask
    `nameservers`. `sides`: the addresses of "a" and "b", for the books. `timeout` covers resolve, connect and answer.
    `follow`: "addresses", "srv" (the service's SRV records, RFC 2782), or "https" (hints before addresses, RFC 9460).
    """

    names: tuple[str, ...]
    port: int
    path: str
    expect: str
    nameservers: tuple[str, ...]
    sides: dict[str, tuple[str, ...]]
    resolver: str = ""
    rtypes: tuple[str, ...] = ("A",)
    follow: str = "addresses"
    rate: float = 220.0
    clients: int = 60
    keepalive: float = 0.4
    requests_per_connection: int = 20
    caches: int = 3
    stretchers: float = 0.1
    stretch: float = 4.0
    timeout: float = 5.0
    seed: int = 1

    def __post_init__(self) -> None:
        if not self.names or not self.rate > 0 or self.clients < 1 or self.requests_per_connection < 1:
            raise ValueError("clients: names, rate, clients and requests_per_connection must not be empty or zero")
        if not (0 <= self.keepalive <= 1 and 0 <= self.stretchers <= 1):
            raise ValueError("clients: keepalive and stretchers are shares between 0 and 1")


class Client:
    """One client: its resolver, and the connection that it keeps, if it is of that kind."""

    def __init__(self, number: int, resolve: Resolve, keeps: int) -> None:
        self.number, self.resolve, self.keeps = number, resolve, keeps
        self.kept: Connection | None = None
        self.busy = False

    def take(self) -> Connection | None:
        """The kept connection, if it can still carry a request."""
        kept, self.kept = self.kept, None
        if kept and not kept.usable():
            kept.close()
            return None
        return kept

    def give_back(self, connection: Connection) -> None:
        """Keep the connection for the next request, or close it."""
        if connection.open and connection.served < self.keeps:
            self.kept = connection
        else:
            connection.close()


class Books:
    """Every request, once: sent, and then ok or failed, by side; `retried` ones are ok or failed like the others."""

    def __init__(self, sides: dict[str, tuple[str, ...]], out: Callable[[dict[str, Any]], None]) -> None:
        self._side = {address: side for side, all_of_it in sides.items() for address in all_of_it}
        self._out = out
        self.totals: Counter[str] = Counter()
        self._last: dict[str, float] = {}
        self._shown: Counter[str] = Counter()

    def side(self, address: str) -> str:
        """Which side an address belongs to; "none" where there is no address, or nobody's."""
        return self._side.get(address, "none")

    def ok(self, address: str) -> None:
        """One request was answered as it should be."""
        self._note("ok", self.side(address))

    def failed(self, client: int, address: str, reason: str) -> None:
        """One request failed: counted, and printed with its moment."""
        side = self.side(address)
        self._note("failed", side)
        line = {"t": round(time.time(), 3), "client": client, "address": address, "side": side, "reason": reason}
        self._out({"failure": line})

    def _note(self, how: str, side: str) -> None:
        self.totals.update((how, f"{how}.{side}"))
        self._last[side] = round(time.time(), 3)

    def second(self) -> None:
        """Print what was added since the last line."""
        added = self.totals - self._shown
        self._shown = self.totals.copy()
        self._out({"second": {"t": round(time.time(), 3), **self._line(added)}})

    def summary(self) -> None:
        """Print the totals, and when each side was last asked."""
        totals = {**self._line(self.totals), "last_by_side": self._last}
        self._out({"summary": {"t": round(time.time(), 3), **totals}})

    def _line(self, counts: "Counter[str]") -> dict[str, Any]:
        by_side = {side: counts[f"ok.{side}"] + counts[f"failed.{side}"] for side in ("a", "b", "none")}
        plain = {key: counts[key] for key in ("sent", "ok", "failed", "retried", "fallback", "late")}
        return {**plain, "by_side": by_side, "failed_by_side": {s: counts[f"failed.{s}"] for s in by_side}}


class Population:
    """The clients of one plan and their requests under way."""

    def __init__(self, plan: Plan, clients: list[Client], books: Books) -> None:
        self._plan, self._clients, self._books = plan, clients, books
        self._random = random.Random(plan.seed)
        self._under_way: set[asyncio.Task[None]] = set()
        self._requests = {
            (name, close): _request(name, plan.port, plan.path, close) for name in plan.names for close in (True, False)
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Send at the slot times until `stop`, then wait for what is under way."""
        loop = asyncio.get_running_loop()
        slot, gap = loop.time(), 1 / self._plan.rate
        told = slot
        while not stop.is_set():
            now = loop.time()
            while slot <= now:
                self._books.totals["late"] += now - slot > 1
                self._launch()
                slot += gap
            if now - told >= 1:
                self._books.second()
                told += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), max(0.0, slot - loop.time()))
        if self._under_way:
            await asyncio.wait(self._under_way)
        self._close()

    def _launch(self) -> None:
        client = self._pick()
        client.busy = True
        self._books.totals["sent"] += 1
        task = asyncio.get_running_loop().create_task(self._one(client))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def _pick(self) -> Client:
        """A client at rest; where all are busy, one more is born, because the arrivals do not wait for answers."""
        client = self._random.choice(self._clients)
        if not client.busy:
            return client
        resting = [one for one in self._clients if not one.busy]
        if resting:
            return self._random.choice(resting)
        self._clients.append(Client(len(self._clients), client.resolve, client.keeps))
        return self._clients[-1]

    async def _one(self, client: Client) -> None:
        seen = [""]
        try:
            async with asyncio.timeout(self._plan.timeout):
                await self._exchange(client, seen)
            self._books.ok(seen[0])
        except TimeoutError:
            self._books.failed(client.number, seen[0], f"no answer in {self._plan.timeout:g} s")
        except (Broken, LbmigrateError) as wrong:
            self._books.failed(client.number, seen[0], str(wrong))
        finally:
            client.busy = False

    async def _exchange(self, client: Client, seen: list[str]) -> None:
        """One request; `seen[0]` is the address that it goes to. A kept connection gone stale is replaced once."""
        name = self._random.choice(self._plan.names)
        kept = client.take()
        if kept:
            seen[0] = kept.address
            try:
                return await self._ask(client, kept, name)
            except Stale:
                self._books.totals["retried"] += 1
        return await self._ask(client, await self._connect(client, name, seen), name)

    async def _connect(self, client: Client, name: str, seen: list[str]) -> Connection:
        """A new connection: to each place in turn that DNS gives, until one takes it. Raises Broken for the last."""
        seen[0] = ""
        places = await self._places(client, name)
        for host, port in places[:-1]:
            seen[0] = await self._address(client, host)
            with contextlib.suppress(Broken):
                return await connect(seen[0], port)
            self._books.totals["fallback"] += 1
        host, port = places[-1]
        seen[0] = await self._address(client, host)
        return await connect(seen[0], port)

    async def _places(self, client: Client, name: str) -> list[tuple[str, int]]:
        """Hosts and ports in the order in which they are tried."""
        if self._plan.follow != "srv":
            return [(name, self._plan.port)]
        found = await client.resolve(f"{SERVICE}.{name}", "SRV")
        if not found:
            raise Broken(f"DNS gave no SRV for {name}")
        return [(host, port) for _, _, port, host in ordered(services(found), self._random)]

    async def _ask(self, client: Client, connection: Connection, name: str) -> None:
        last = connection.served + 1 >= client.keeps
        try:
            await connection.get(self._requests[name, last], self._plan.expect.encode())
        except BaseException:
            connection.close()
            raise
        client.give_back(connection)

    async def _address(self, client: Client, name: str) -> str:
        rtype = self._random.choice(self._plan.rtypes)
        found: list[str] = []
        if self._plan.follow == "https":
            found = hinted(await client.resolve(name, "HTTPS"), rtype)
        found = found or await client.resolve(name, rtype)
        if not found:
            raise Broken(f"DNS gave no address for {name}")
        return self._random.choice(found)

    def _close(self) -> None:
        for client in self._clients:
            if client.kept:
                client.kept.close()


def _request(name: str, port: int, path: str, close: bool) -> bytes:
    ending = "Connection: close\r\n" if close else ""
    return f"GET {path} HTTP/1.1\r\nHost: {name.rstrip('.')}:{port}\r\n{ending}\r\n".encode()


async def resolvers(plan: Plan) -> tuple[list[Resolve], list[Resolve]]:
    """The honest caches and the TTL stretchers of a plan."""
    stretching: list[Resolve] = [Cache(plan.nameservers, time.monotonic, plan.stretch).resolve for _ in range(2)]
    if not plan.resolver:
        honest: list[Resolve] = [Cache(plan.nameservers, time.monotonic).resolve for _ in range(plan.caches)]
        return honest, stretching
    stub = Stub()
    await stub.open(*endpoint(plan.resolver))
    return [stub.resolve], stretching


async def population(plan: Plan, books: Books) -> Population:
    """Clients in the shares that the plan asks for; the kinds are dealt out evenly, so stretchers keep alive too."""
    honest, stretching = await resolvers(plan)
    clients = []
    for number in range(plan.clients):
        spread = number * 0.6180339887 % 1
        pool = stretching if spread < plan.stretchers else honest
        keeps = plan.requests_per_connection if number < plan.keepalive * plan.clients else 1
        clients.append(Client(number, pool[number % len(pool)], keeps))
    return Population(plan, clients, books)


async def run(plan: Plan, out: Callable[[dict[str, Any]], None]) -> None:
    """Play a plan until SIGTERM (or SIGINT)."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    books = Books(plan.sides, out)
    people = await population(plan, books)
    await people.run(stop)
    books.second()
    books.summary()


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main() -> None:
    """The command line of the population."""
    parser = argparse.ArgumentParser(prog="lbmigrate.lab.clients")
    parser.add_argument("--plan", required=True, type=Path)
    asyncio.run(run(from_json(Plan, json.loads(parser.parse_args().plan.read_text())), _say))


if __name__ == "__main__":
    main()
