"""The population of clients: every request is sent once, counted once, and every failure is told with its reason."""

import asyncio
import contextlib
import json
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import dns.message
import dns.rrset
import pytest

from lbmigrate.errors import Unreachable
from lbmigrate.lab import stub, wire
from lbmigrate.lab.backend import APPLICATION, answer
from lbmigrate.lab.clients import Books, Client, Plan, Population
from lbmigrate.lab.httpclient import Broken, Stale, connect
from lbmigrate.lab.process import Process, environment, freeport

HOST = "127.79.2.1"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
OK = answer("p1", False)
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


# ---------------------------------------------------------------- the wire


@pytest.mark.parametrize(
    ("head", "close"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nconnection: Keep-Alive, Close\r\n\r\n".replace(b"Close", b"close"), True),
        (b"GET / HTTP/1.0\r\n\r\n", True),
        (b"HTTP/1.0 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nX-Connection: close\r\n\r\n", False),
    ],
)
def test_wants_close(head: bytes, close: bool) -> None:
    """Connection: close and HTTP/1.0 end a connection; a header that merely ends in the word does not."""
    assert wire.wants_close(head) is close


def test_an_answer_without_length_is_refused() -> None:
    """Cut short, it could not be told from a whole one."""
    with pytest.raises(ValueError, match="without Content-Length"):
        wire.answer_length(b"HTTP/1.1 200 OK\r\n\r\n")
    with pytest.raises(ValueError, match="chunked"):
        wire.body_length(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert wire.answer_length(b"HTTP/1.1 204 No Content\r\n\r\n") == 0
    assert wire.answer_length(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"HEAD") == 0


def test_the_connection_header_is_per_hop() -> None:
    """It is taken out, and put back only where this hop ends."""
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\n"
    assert wire.hop(head, False) == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
    assert wire.hop(head, True) == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"


# ---------------------------------------------------------------- the stub resolver


@pytest.mark.parametrize(("rtype", "address"), [("A", "192.0.2.1"), ("AAAA", "2001:db8::1")])
def test_stub_speaks_dns_as_dnspython_does(rtype: str, address: str) -> None:
    """Its query parses to the question; its reading of an answer, compressed names and CNAMEs included, is the same."""
    query = dns.message.from_wire(stub.question(7, "www.lab.test.", rtype))
    assert str(query.question[0]) == f"www.lab.test. IN {rtype}"
    reply = dns.message.make_response(query)
    reply.answer.append(dns.rrset.from_text("www.lab.test.", 5, "IN", "CNAME", "lb.lab.test."))
    reply.answer.append(dns.rrset.from_text("lb.lab.test.", 5, "IN", rtype, address))
    assert stub.records(reply.to_wire(), rtype) == [address]


def test_stub_reads_srv_records() -> None:
    """As dnspython writes them, which is what the choice among them reads."""
    reply = dns.message.make_response(dns.message.from_wire(stub.question(7, "_http._tcp.lab.test.", "SRV")))
    reply.answer.append(dns.rrset.from_text("_http._tcp.lab.test.", 5, "IN", "SRV", "10 5 80 lb.lab.test."))
    assert stub.records(reply.to_wire(), "SRV") == ["10 5 80 lb.lab.test."]


def test_stub_says_what_dns_said() -> None:
    """An error code is an error, never "no address"."""
    reply = dns.message.make_response(dns.message.make_query("www.lab.test.", "A"))
    reply.set_rcode(dns.rcode.SERVFAIL)
    with pytest.raises(Unreachable, match="SERVFAIL"):
        stub.records(reply.to_wire(), "A")


# ---------------------------------------------------------------- one connection


@contextlib.asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[int]:
    """A server on a free port."""
    writers: list[asyncio.StreamWriter] = []

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await serve(reader, writer)

    listener = await asyncio.start_server(client, HOST, 0)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        for one in writers:
            one.close()
        await asyncio.sleep(0)


def says(*answers: bytes) -> Serve:
    """Answers one request each, then closes without a word."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for one in answers:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(one)
        await reader.read(1)
        writer.close()

    return serve


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "status 503"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nno!", "another body: b'no!'"),
        (b"SSH-2.0\r\n\r\n", "answer cut short: no HTTP/1.1 status line"),
    ],
)
def test_a_wrong_answer_is_a_failure_with_its_reason(reply: bytes, reason: str) -> None:
    """Status, body and syntax are all judged."""

    async def play() -> None:
        async with server(says(reply)) as port:
            connection = await connect(HOST, port)
            with pytest.raises(Broken) as broken:
                await connection.get(GET, APPLICATION.encode())
            assert reason in str(broken.value)
            connection.close()

    asyncio.run(play())


def test_only_a_kept_connection_can_be_stale() -> None:
    """Closed without an answer: on a first request a failure, on a later one a reason to ask again."""

    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(1):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def play() -> None:
        async with server(hangs_up) as port:
            connection = await connect(HOST, port)
            await connection.get(GET, APPLICATION.encode())
            with pytest.raises(Stale):
                await connection.get(GET, APPLICATION.encode())
        async with server(never) as port:
            connection = await connect(HOST, port)
            with pytest.raises(Broken) as broken:
                await connection.get(GET, APPLICATION.encode())
            assert not isinstance(broken.value, Stale)

    asyncio.run(play())


def test_an_answer_cut_short_on_a_kept_connection_is_a_failure() -> None:
    """Bytes of an answer had come: the request may have been acted on, so it is not repeated."""

    async def play() -> None:
        async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK[:30])
            writer.close()

        async with server(cut) as port:
            connection = await connect(HOST, port)
            await connection.get(GET, APPLICATION.encode())
            with pytest.raises(Broken) as broken:
                await connection.get(GET, APPLICATION.encode())
            assert not isinstance(broken.value, Stale)

    asyncio.run(play())


def test_refused_names_the_reason() -> None:
    """The reason is the system's own word."""
    with pytest.raises(Broken, match="connect: Connection refused"):
        asyncio.run(connect(HOST, freeport(HOST)))


# ---------------------------------------------------------------- the population


def plan(port: int, **given: Any) -> Plan:
    return Plan(("www.lab.test.",), port, "/", APPLICATION, ("127.0.0.1:9",), {"a": (HOST,), "b": ()}, **given)


def play(serve: Serve, requests: int, keepalive: bool, timeout: float = 5.0) -> list[dict[str, Any]]:
    """One client against one server until that many requests are accounted for; the lines it printed."""
    lines: list[dict[str, Any]] = []

    async def to_host(_name: str, _rtype: str) -> list[str]:
        return [HOST]

    async def run() -> None:
        async with server(serve) as port:
            chosen = plan(port, rate=200, timeout=timeout)
            books = Books(chosen.sides, lines.append)
            people = Population(chosen, [Client(0, to_host, 5 if keepalive else 1)], books)
            stop = asyncio.Event()
            running = asyncio.create_task(people.run(stop))
            while books.totals["ok"] + books.totals["failed"] < requests:
                await asyncio.sleep(0.01)
            stop.set()
            await running
            books.summary()

    asyncio.run(run())
    return lines


async def keeps(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A good server."""
    while head := await reader.readuntil(b"\r\n\r\n"):
        writer.write(answer("p1", wire.wants_close(head)))
        if wire.wants_close(head):
            writer.close()
            return


async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers one request, keeps the connection open, and hangs up on the next one."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(OK)
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


def test_every_request_is_accounted_for_once() -> None:
    """Sent is ok plus failed; all of it went to A."""
    summary = play(keeps, 20, keepalive=True)[-1]["summary"]
    assert summary["sent"] == summary["ok"] >= 20
    assert (summary["failed"], summary["by_side"]["a"]) == (0, summary["sent"])


def test_a_request_on_a_connection_closed_in_between_is_repeated_once_and_counted() -> None:
    """As every HTTP client does with a GET (RFC 9112 section 9.3.1): no failure, but not silent either."""
    summary = play(rude, 10, keepalive=True)[-1]["summary"]
    assert summary["failed"] == 0
    assert summary["retried"] > 0
    assert summary["sent"] == summary["ok"]


def test_no_answer_in_time_is_a_failure_that_is_told() -> None:
    """The line carries moment, client, address, side and reason."""

    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    lines = play(silent, 1, keepalive=False, timeout=0.5)
    failure = next(line["failure"] for line in lines if "failure" in line)
    assert {key: failure[key] for key in ("client", "address", "side", "reason")} == {
        "client": 0,
        "address": HOST,
        "side": "a",
        "reason": "no answer in 0.5 s",
    }
    assert failure["t"] > 0
    assert lines[-1]["summary"]["failed_by_side"]["a"] == lines[-1]["summary"]["failed"]


def test_a_client_of_srv_records_goes_on_where_nobody_answers() -> None:
    """RFC 2782: the next record, here the standby of a larger priority number, whose own port is used."""
    lines: list[dict[str, Any]] = []

    async def run() -> None:
        async with server(keeps) as port:
            records = [f"10 100 {freeport(HOST)} dead.test.", f"20 100 {port} well.test."]
            places = {"_http._tcp.www.lab.test.": records, "dead.test.": [HOST], "well.test.": [HOST]}

            async def resolve(name: str, _rtype: str) -> list[str]:
                return places[name]

            chosen = plan(1, rate=200, follow="srv")
            books = Books(chosen.sides, lines.append)
            stop = asyncio.Event()
            running = asyncio.create_task(Population(chosen, [Client(0, resolve, 1)], books).run(stop))
            while books.totals["ok"] + books.totals["failed"] < 5:
                await asyncio.sleep(0.01)
            stop.set()
            await running
            books.summary()

    asyncio.run(run())
    summary = lines[-1]["summary"]
    assert (summary["failed"], summary["fallback"]) == (0, summary["sent"])


def test_a_plan_without_sense_is_refused() -> None:
    """Zero is no rate, 2 is no share."""
    for wrong in ({"rate": 0}, {"keepalive": 2.0}, {"requests_per_connection": 0}):
        with pytest.raises(ValueError, match="clients:"):
            plan(1, **wrong)


# ---------------------------------------------------------------- as child processes


def test_backend_serves_many_requests_on_one_connection(tmp_path: Path) -> None:
    """Pipelined requests are answered in order; the header names the instance, the body does not."""
    port = freeport(HOST)
    argv = (sys.executable, "-m", "lbmigrate.lab.backend", "--listen", f"{HOST}:{port}", "--name", "p7")
    app = Process(argv, tmp_path / "app.log", environment())
    app.start()
    app.wait(lambda: "ready" in app.output())
    with socket.create_connection((HOST, port), 5) as one:
        one.sendall(GET * 2 + GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        answered = b"".join(iter(lambda: one.recv(65536), b""))
    app.stop()
    assert answered.count(b"HTTP/1.1 200 OK") == answered.count(b"X-Backend: p7") == 3
    assert answered.endswith(APPLICATION.encode())
    assert "p7" not in APPLICATION


def test_the_population_ends_softly_with_a_summary(tmp_path: Path) -> None:
    """SIGTERM: what is under way finishes; the DNS that it cannot reach is a failure with a reason, not a crash."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        resolver.bind((HOST, 0))
        resolver.settimeout(20)
        made = plan(freeport(HOST), resolver=f"{HOST}:{resolver.getsockname()[1]}", rate=50, stretchers=0.0)
        path = tmp_path / "plan.json"
        path.write_text(json.dumps(vars(made)))
        argv = [sys.executable, "-m", "lbmigrate.lab.clients", "--plan", str(path)]
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment())
        asked, where = resolver.recvfrom(512)
        resolver.sendto(asked[:2] + struct.pack("!5H", 0x8182, 1, 0, 0, 0) + asked[12:], where)
        assert child.stdout is not None
        first = json.loads(child.stdout.readline())
        child.send_signal(signal.SIGTERM)
        rest = [json.loads(line) for line in child.stdout.read().splitlines()]
        child.stdout.close()
        assert child.wait(20) == 0
    assert "SERVFAIL" in first["failure"]["reason"]
    assert rest[-1]["summary"]["failed"] == rest[-1]["summary"]["sent"] >= 1
