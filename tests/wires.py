"""A TCP proxy between a program and a server: what it does not let through is lost, and the connection with it."""

import contextlib
import socket
import threading
from collections.abc import Callable

HOST = "127.0.0.1"


class Wire:
    """`told(data)` sees what goes to the server and `heard(data)` what comes back, and say what arrives.

    b"" is: lost, and the connection is closed. `cut` loses every connection and refuses new ones until `mend`.
    """

    def __init__(self, port: int) -> None:
        self.told: Callable[[bytes], bytes] = lambda data: data
        self.heard: Callable[[bytes], bytes] = lambda data: data
        self._to = (HOST, port)
        self._whole = True
        self._open: list[socket.socket] = []
        self._listener = socket.create_server((HOST, 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Lose every connection, and every new one."""
        self._whole = False
        self._shut(self._open)

    def mend(self) -> None:
        """Let new connections through again."""
        self._whole = True

    def lose_answer(self, mark: bytes) -> threading.Event:
        """The server gets the next request with `mark` in it, and its answer is lost; set when that has happened."""
        armed, lost = threading.Event(), threading.Event()

        def told(data: bytes) -> bytes:
            if mark in data and not lost.is_set():
                armed.set()
            return data

        def heard(data: bytes) -> bytes:
            if armed.is_set() and not lost.is_set():
                lost.set()
                return b""
            return data

        self.told, self.heard = told, heard
        return lost

    def lose_request(self, mark: bytes, meanwhile: Callable[[], object] = lambda: None) -> threading.Event:
        """The next request with `mark` in it never arrives, and `meanwhile` happens; set when that has happened."""
        lost = threading.Event()

        def told(data: bytes) -> bytes:
            if mark in data and not lost.is_set():
                meanwhile()
                lost.set()
                return b""
            return data

        self.told = told
        return lost

    def close(self) -> None:
        """End it and every connection."""
        self._shut([self._listener, *self._open])
        for one in [self._listener, *self._open]:
            one.close()

    def _shut(self, ends: list[socket.socket]) -> None:
        for one in ends:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                try:
                    server = socket.create_connection(self._to) if self._whole else None
                except OSError:
                    server = None
                if server is None:
                    client.close()
                    continue
                self._open.append(server)
                for ends, pass_on in (((client, server), self._ask), ((server, client), self._answer)):
                    threading.Thread(target=pass_on, args=ends, daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        self._pump(client, server, lambda data: self.told(data))

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        self._pump(server, client, lambda data: self.heard(data))

    def _pump(self, source: socket.socket, sink: socket.socket, treat: Callable[[bytes], bytes]) -> None:
        with contextlib.suppress(OSError):
            while (data := source.recv(1 << 16)) and (passed := treat(data)):
                sink.sendall(passed)
        self._shut([source, sink])
