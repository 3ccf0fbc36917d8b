"""Small HTTP and TLS sites on loopback that answer well, badly or not at all: what probes are tried on."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

Reply = bytes | Callable[[socket.socket], None]

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


def response(status: int = 200, body: bytes = b"ok", **headers: str) -> bytes:
    """A whole response with a length; `content_type="x"` becomes the header Content-Type."""
    lines = [f"HTTP/1.1 {status} Some Words", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def reset(connection: socket.socket) -> None:
    """Close with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def flood(connection: socket.socket) -> None:
    """A body without end."""
    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65536)


class Site:
    """One listening address; `heads` are the requests' heads, `open` the connections that the client has not closed."""

    def __init__(self, reply: Reply, address: str, port: int, tls: ssl.SSLContext | None, hasty: bool) -> None:
        self.reply, self.address, self._tls, self._hasty = reply, address, tls, hasty
        self.heads: list[str] = []
        self.open = 0
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, port), family=family, backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        """Stop listening, wait for all threads."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                connection, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self.open += 1
        connection.settimeout(20)
        with suppress(OSError), self._secured(connection) as secure:
            self._answer(secure)
        connection.close()
        with self._lock:
            self.open -= 1

    def _secured(self, connection: socket.socket) -> socket.socket:
        return connection if self._tls is None else self._tls.wrap_socket(connection, server_side=True)

    def _answer(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head and (more := connection.recv(65536)):
            head += more
            if self._hasty:
                break
        with self._lock:
            self.heads.append(head.decode("latin-1"))
        if isinstance(self.reply, bytes):
            connection.sendall(self.reply)
        else:
            self.reply(connection)


@contextmanager
def site(
    reply: Reply = OK,
    address: str = "127.41.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    hasty: bool = False,
) -> Iterator[Site]:
    """A site, closed afterwards with everything that it began; a hasty one replies to the first bytes that come."""
    one = Site(reply, address, port, tls, hasty)
    try:
        yield one
    finally:
        one.close()


@contextmanager
def sites(*replies: Reply) -> Iterator[list[Site]]:
    """Sites on addresses of their own, all on one port, as the sides of a migration are."""
    with ExitStack() as stack:
        made: list[Site] = []
        for number, reply in enumerate(replies, start=1):
            port = made[0].port if made else 0
            made.append(stack.enter_context(site(reply, f"127.41.1.{number}", port)))
        yield made


@contextmanager
def black_hole(address: str = "127.41.0.2", port: int = 0) -> Iterator[tuple[str, int]]:
    """Listens and never accepts: connections succeed and stay silent."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family, backlog=512) as listener:
        yield address, listener.getsockname()[1]
