"""One client connection of the laboratory: requests in turn, each answer read whole and judged."""

import asyncio
import os

from lbmigrate.lab.wire import answer_length, status, wants_close


class Broken(Exception):
    """A request failed; the text says how."""


class Stale(Broken):
    """A kept connection turned out to be closed before any byte of an answer came.

    The one failure that an HTTP client repeats by itself for an idempotent request (RFC 9112 section 9.3.1).
    """


class Connection:
    """A TCP connection to one address; `served` counts the requests that were answered on it."""

    def __init__(self, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.address = address
        self.served = 0
        self.open = True
        self._reader, self._writer = reader, writer

    def usable(self) -> bool:
        """Open as far as can be seen without sending: no end of stream has arrived while it was idle."""
        return self.open and not self._reader.at_eof()

    async def get(self, request: bytes, expect: bytes) -> None:
        """Send one GET and read its answer. Raises Broken, or Stale on a kept connection closed in between."""
        try:
            head = await self._head(request)
            body = await self._reader.readexactly(answer_length(head))
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as wrong:
            self.close()
            raise Broken(f"answer cut short: {wrong or type(wrong).__name__}") from wrong
        self.served += 1
        if wants_close(head):
            self.close()
        if status(head) != 200:
            raise Broken(f"status {status(head)}")
        if body != expect:
            raise Broken(f"another body: {body[:40]!r}")

    async def _head(self, request: bytes) -> bytes:
        try:
            self._writer.write(request)
            return await self._reader.readuntil(b"\r\n\r\n")
        except (ConnectionError, asyncio.IncompleteReadError) as wrong:
            self.close()
            nothing = not getattr(wrong, "partial", b"")
            reset = isinstance(wrong, ConnectionError)
            why = "connection reset" if reset else "connection closed without an answer"
            raise (Stale if self.served and nothing else Broken)(why) from wrong

    def close(self) -> None:
        """Close it. May be repeated."""
        self.open = False
        self._writer.close()


async def connect(address: str, port: int) -> Connection:
    """A new connection. Raises Broken with the reason."""
    try:
        reader, writer = await asyncio.open_connection(address, port)
    except OSError as wrong:
        raise Broken(f"connect: {os.strerror(wrong.errno or 0)}") from wrong
    return Connection(address, reader, writer)
