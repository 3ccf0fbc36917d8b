"""A small HTTP/1.1 application server of the laboratory: any path answers the same body on every instance.

`python -m lbmigrate.lab.backend --listen HOST:PORT --name NAME`. The body names the application, never the
instance, so that the two sides answer alike; the header X-Backend names the instance.
"""

import argparse
import asyncio
import signal

from lbmigrate.lab.wire import endpoint, head_length, wants_close

APPLICATION = "lbmigrate laboratory: ok\n"


class App(asyncio.Protocol):
    """One connection; requests are answered in order as their heads arrive (bodies of requests are not read)."""

    def __init__(self, answer: bytes, last: bytes, open_ones: "set[App]") -> None:
        self._answer, self._last, self._open = answer, last, open_ones
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; asyncio hands a TCP server a Transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open.add(self)

    def data_received(self, data: bytes) -> None:
        """Answer every request whose head is complete."""
        self._buffer += data
        while (length := head_length(self._buffer)) is not None:
            head, self._buffer = self._buffer[:length], self._buffer[length:]
            if wants_close(head):
                self._transport.write(self._last)
                self._transport.close()
                return
            self._transport.write(self._answer)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Forget the connection."""
        self._open.discard(self)

    def close(self) -> None:
        """Close it; what is written is sent first."""
        self._transport.close()


def answer(name: str, close: bool) -> bytes:
    """The whole response, made once per process: an answer then costs one write."""
    body = APPLICATION.encode()
    ending = "Connection: close\r\n" if close else ""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nX-Backend: {name}\r\n"
    return f"{head}{ending}\r\n".encode() + body


async def serve(host: str, port: int, name: str) -> None:
    """Answer until SIGTERM; says "ready" on stdout once it listens."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    open_ones: set[App] = set()
    server = await loop.create_server(
        lambda: App(answer(name, False), answer(name, True), open_ones), host, port, backlog=512
    )
    print("ready", flush=True)
    await stop.wait()
    server.close()
    for one in tuple(open_ones):
        one.close()


def main() -> None:
    """The command line of a backend."""
    parser = argparse.ArgumentParser(prog="lbmigrate.lab.backend")
    parser.add_argument("--listen", required=True, help="HOST:PORT")
    parser.add_argument("--name", required=True)
    given = parser.parse_args()
    asyncio.run(serve(*endpoint(given.listen), given.name))


if __name__ == "__main__":
    main()
