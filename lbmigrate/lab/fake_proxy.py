"""The stand-in's data path: HTTP/1.1 with keep-alive on both sides, round robin, health checks, counters.

What it does at a soft stop was read off HAProxy 2.6 and 2.8: a connection idle after a request is closed at once;
one that has not sent its first request is still served; every answer from then on says Connection: close.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter

from lbmigrate.lab import fake_config
from lbmigrate.lab.wire import answer_length, body_length, head_length, hop, is_request, status, wants_close

CHECK_TIMEOUT = 2.0
SERVER_TIMEOUT = 10.0
CLIENT_TIMEOUT = 30.0
REASONS = {400: "Bad Request", 500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable"}


class Server:
    """One server at run time. `up` without a check is always true; `health` counts as HAProxy's does."""

    def __init__(self, conf: fake_config.Server, number: int, dynamic: bool) -> None:
        self.conf, self.number, self.dynamic = conf, number, dynamic
        self.host, self.port, self.weight = conf.host, conf.port, conf.weight
        self.admin = "maint" if dynamic or conf.disabled else "ready"
        self.checked = conf.check and not dynamic
        self.up, self.health = True, conf.rise if self.checked else 0
        self.seen = "INI"
        self.changed = time.monotonic()
        self.count: Counter[str] = Counter()
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.credit = 0

    def usable(self) -> bool:
        """Whether new requests go to it."""
        return self.admin == "ready" and self.weight > 0 and (self.up or not self.checked)

    def set_admin(self, state: str) -> None:
        """ready, drain or maint. Leaving maint, a checked server counts as up, one failure away from down."""
        if self.admin == "maint" and state != "maint" and self.checked and self.seen != "INI":
            self.up, self.health = True, self.conf.rise
        self.admin, self.changed = state, time.monotonic()

    def note(self, passed: bool, seen: str) -> None:
        """Book one check's result (HAProxy's rise and fall)."""
        before, self.seen = self.up, seen
        full = self.conf.rise + self.conf.fall - 1
        if passed:
            self.health = full if self.health + 1 >= self.conf.rise else self.health + 1
            self.up = self.up or self.health == full
        else:
            self.health = self.health - 1 if self.health > self.conf.rise else 0
            self.up = self.health > 0
        if before != self.up:
            self.changed = time.monotonic()


class Pool:
    """A backend at run time: its servers in order."""

    def __init__(self, conf: fake_config.Proxy) -> None:
        self.conf = conf
        self.servers = {one.name: Server(one, number, False) for number, one in enumerate(conf.servers, 1)}
        self.count: Counter[str] = Counter()

    def pick(self, tried: set[str]) -> Server | None:
        """The next server by smooth weighted round robin, or None where none is left."""
        ready = [one for one in self.servers.values() if one.usable() and one.conf.name not in tried]
        if not ready:
            return None
        for one in ready:
            one.credit += one.weight
        best = max(ready, key=lambda one: one.credit)
        best.credit -= sum(one.weight for one in ready)
        return best


class Front:
    """A frontend at run time: its listeners and its connections."""

    def __init__(self, conf: fake_config.Proxy) -> None:
        self.conf = conf
        self.count: Counter[str] = Counter()
        self.listeners: list[asyncio.Server] = []
        self.sessions: dict[asyncio.StreamWriter, Session] = {}


class Session:
    """One client connection. `idle`: between two requests, with nothing of the next one read."""

    def __init__(self, number: int, client: str) -> None:
        self.number, self.client = number, client
        self.began = time.monotonic()
        self.idle = False
        self.requests = 0


class Balancer:
    """Everything at run time; `fail` and `slow` are the laboratory's faults (a share, and seconds)."""

    def __init__(self, conf: fake_config.Conf) -> None:
        self.conf = conf
        self.pools = {one.name: Pool(one) for one in conf.backends()}
        self.fronts = {one.name: Front(one) for one in conf.fronts()}
        self.fail, self.slow = 0.0, 0.0
        self.stopping = asyncio.Event()
        self.numbers = 0
        self.born, self.born_at = time.monotonic(), time.time()
        self.random = random.Random(1)

    async def open(self) -> None:
        """Listen. Raises OSError, with nothing left open, where an address is taken."""
        for front in self.fronts.values():
            for host, port in front.conf.binds:
                front.listeners.append(await self._listen(front, None if host in ("", "*") else host, port))

    async def _listen(self, front: Front, host: str | None, port: int) -> asyncio.Server:
        async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._client(front, reader, writer)

        return await asyncio.start_server(client, host, port, backlog=512, reuse_port=True)

    def soft_stop(self) -> None:
        """Close the listeners and the idle connections; the rest ends with its next answer."""
        self.stopping.set()
        for front in self.fronts.values():
            for listener in front.listeners:
                listener.close()
            for writer, session in front.sessions.items():
                if session.idle:
                    writer.close()

    def active(self) -> int:
        """Client connections open now."""
        return sum(len(front.sessions) for front in self.fronts.values())

    async def check(self) -> None:
        """Run the health checks for as long as the process lives, each server at its own interval."""
        due: dict[Server, float] = {}
        tasks: set[asyncio.Task[None]] = set()
        while True:
            now = time.monotonic()
            for pool in self.pools.values():
                for one in list(pool.servers.values()):
                    if one.checked and one.admin != "maint" and due.get(one, 0) <= now:
                        due[one] = now + one.conf.inter
                        tasks.add(task := asyncio.create_task(check(one, pool.conf.uri)))
                        task.add_done_callback(tasks.discard)
            await asyncio.sleep(0.02)

    async def _client(self, front: Front, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.numbers += 1
        session = Session(self.numbers, "{}:{}".format(*writer.get_extra_info("peername")[:2]))
        front.sessions[writer] = session
        front.count["stot"] += 1
        try:
            while await self._request(front, session, reader, writer):
                session.idle = True
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            front.count["cli_abrt"] += 1
        finally:
            del front.sessions[writer]
            writer.close()

    async def _request(
        self, front: Front, session: Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """One request and its answer; False when the connection ends here."""
        async with asyncio.timeout(CLIENT_TIMEOUT):
            head = await self._head(session, reader)
        if not (is_request(head) and head.endswith(b"\r\n\r\n")):
            # HAProxy books a connection that ends without its first request as a request in error.
            front.count.update(("req_tot", "ereq", "hrsp_4xx") if head or not session.requests else ())
            writer.write(own_answer(400, True))
            return False
        session.requests += 1
        body = await reader.readexactly(body_length(head))
        front.count["req_tot"] += 1
        answer = await self._answer(front, head, body)
        close = self.stopping.is_set() or wants_close(head) or wants_close(answer)
        length = head_length(answer) or 0
        front.count[f"hrsp_{status(answer) // 100}xx"] += 1
        writer.write(hop(answer[:length], close) + answer[length:])
        await writer.drain()
        return not close

    async def _head(self, session: Session, reader: asyncio.StreamReader) -> bytes:
        """The next request's head, or what there was of it where the connection ended before."""
        first = await reader.read(1)
        session.idle = False
        if not first:
            return b""
        try:
            return first + await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as ended:
            return first + ended.partial

    async def _answer(self, front: Front, head: bytes, body: bytes) -> bytes:
        if self.slow:
            await asyncio.sleep(self.slow)
        if self.random.random() < self.fail:
            return own_answer(500, False)
        pool = self.pools.get(front.conf.target or front.conf.name)
        tried: set[str] = set()
        while pool and (server := pool.pick(tried)):
            tried.add(server.conf.name)
            try:
                return await self._forward(pool, server, hop(head, False) + body)
            except ConnectionRefusedError:
                server.count["econ"] += 1
            except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
                server.count["eresp"] += 1
                return own_answer(502, False)
        return own_answer(503, False)

    async def _forward(self, pool: Pool, server: Server, message: bytes) -> bytes:
        """Send to one server, on a kept connection first: one that was closed meanwhile is replaced, once."""
        server.count["stot"] += 1
        pool.count["stot"] += 1
        server.count["scur"] += 1
        try:
            async with asyncio.timeout(SERVER_TIMEOUT):
                while server.idle:
                    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                        return await exchange(server, *server.idle.pop(), message)
                return await exchange(server, *await asyncio.open_connection(server.host, server.port), message)
        finally:
            server.count["scur"] -= 1


async def exchange(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes) -> bytes:
    """One message to a server and its whole answer; the connection is kept where the server keeps it."""
    try:
        writer.write(message)
        head = await reader.readuntil(b"\r\n\r\n")
        answer = head + await reader.readexactly(answer_length(head, message.split(b" ", 1)[0]))
    except BaseException:
        writer.close()
        raise
    server.count[f"hrsp_{status(head) // 100}xx"] += 1
    if wants_close(head):
        writer.close()
    else:
        server.idle.append((reader, writer))
    return answer


async def check(server: Server, uri: str) -> None:
    """One health check: HTTP where the backend says `option httpchk`, else a connection."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            passed, seen = await probe(server, uri)
    except TimeoutError:
        passed, seen = False, "L4TOUT"
    except OSError:
        passed, seen = False, "L4CON"
    except (ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        passed, seen = False, "L7RSP"
    server.note(passed, seen)


async def probe(server: Server, uri: str) -> tuple[bool, str]:
    """Whether a server answers, and the check's name for it."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        if not uri:
            return True, "L4OK"
        writer.write(f"GET {uri} HTTP/1.1\r\nHost: {server.host}\r\nConnection: close\r\n\r\n".encode())
        code = status(await reader.readuntil(b"\r\n\r\n"))
        return (True, "L7OK") if 200 <= code < 400 else (False, "L7STS")
    finally:
        writer.close()


def own_answer(code: int, close: bool) -> bytes:
    """An answer of the balancer's own."""
    body = f"{code} {REASONS[code]}\n".encode()
    ending = "Connection: close\r\n" if close else ""
    head = f"HTTP/1.1 {code} {REASONS[code]}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n{ending}\r\n"
    return head.encode() + body
