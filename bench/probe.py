"""What a probe costs: probes per CPU-second of the prober, beside httpx with a new connection for each request.

`python bench/probe.py`. The server is a child process, so that only the client's CPU is counted. Rounds alternate,
the best of each is printed: other work on the machine only ever makes a round slower.
"""

import asyncio
import ssl
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import process_time

import httpx
import trustme
from table import Row, text, told

from lbmigrate.lab.process import Process, environment, freeport
from lbmigrate.model import Probe
from lbmigrate.probe.http import hear, request, trust

HOST, ADDRESS = "www.lab.test", "127.41.3.1"
ROUNDS = 5
REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
Once = Callable[[], Awaitable[None]]


class Answer(asyncio.Protocol):
    """Answers the first bytes that come and closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:  # noqa: ARG002 - asyncio's signature
        """Answer."""
        self._transport.write(REPLY)
        self._transport.close()


async def serve(port: int, certificate: str) -> None:
    """Serve for ever, over TLS where a certificate is given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
    if context:
        context.load_cert_chain(certificate)
    server = await asyncio.get_running_loop().create_server(Answer, ADDRESS, port, ssl=context, backlog=1024)
    await server.serve_forever()


async def cost(once: Once, times: int) -> float:
    """CPU seconds of this process for one call."""
    began = process_time()
    for _ in range(times):
        await once()
    return (process_time() - began) / times


def by_probe(scheme: str, port: int, ca: str) -> Once:
    """One probe as it is sent in earnest."""
    what = request(Probe(f"{scheme}://{HOST}:{port}/", timeout=10.0, ca=ca, expect_body="ok"))

    async def once() -> None:
        heard = await hear(what, ADDRESS)
        assert heard.result.ok, heard.result.why

    return once


def by_httpx(client: httpx.AsyncClient, scheme: str, port: int) -> Once:
    """The same request by httpx: address in the URL, Host and SNI by hand."""
    url, headers = f"{scheme}://{ADDRESS}:{port}/", {"Host": f"{HOST}:{port}"}

    async def once() -> None:
        answer = await client.get(url, headers=headers, extensions={"sni_hostname": HOST})
        assert answer.text == "ok"

    return once


async def compared(scheme: str, port: int, ca: str, times: int) -> tuple[float, float]:
    """CPU seconds a probe and a request of httpx, the best round of each."""
    verify = trust(ca) if ca else ssl.create_default_context()
    async with httpx.AsyncClient(verify=verify, limits=httpx.Limits(max_keepalive_connections=0)) as client:
        both = by_probe(scheme, port, ca), by_httpx(client, scheme, port)
        rounds = [[await cost(once, times) for once in both] for _ in range(ROUNDS)]
    ours, theirs = map(min, zip(*rounds, strict=True))
    return ours, theirs


def measure(scheme: str, directory: Path, times: int) -> Row:
    """One row of the table."""
    authority, certificate = trustme.CA(), directory / "site.pem"
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    authority.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(str(certificate))
    port, secure = freeport(ADDRESS), scheme == "https"
    argv = [sys.executable, __file__, str(port), str(certificate) if secure else ""]
    server = Process(argv, directory / "server.log", environment())
    server.start()
    try:
        ready = by_probe(scheme, port, str(directory / "ca.pem"))
        server.wait(lambda: asyncio.run(answers(ready)))
        ours, theirs = asyncio.run(compared(scheme, port, str(directory / "ca.pem") if secure else "", times))
    finally:
        server.stop()
    mine, other = f"{1 / ours:.0f} a CPU-second", f"httpx {1 / theirs:.0f} a CPU-second"
    return told(f"probe over {scheme}, a new connection each", mine, other, f"{theirs / ours:.3f}")


async def answers(once: Once) -> bool:
    """Whether the server is up."""
    try:
        await once()
    except AssertionError:
        return False
    return True


def rows() -> list[Row]:
    """The table's part."""
    with tempfile.TemporaryDirectory(prefix="lbmigrate-bench-") as directory:
        return [measure("http", Path(directory), 1000), measure("https", Path(directory), 300)]


if __name__ == "__main__":
    if len(sys.argv) == 3:
        asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
    else:
        print(text(rows()))
