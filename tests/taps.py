"""Between a driver and a name server: a tap that eats or alters messages, and a server whose answers are made up."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import dns.message
import dns.tsig
from servers import HOST

from lbmigrate.lab.process import freeport

Made = dns.message.Message | bytes | list[bytes] | None


def is_update(wire: bytes) -> bool:
    """Whether a message is an UPDATE, question or answer (opcode 5)."""
    return len(wire) > 2 and (wire[2] >> 3) & 15 == 5


def conditional(wire: bytes) -> bool:
    """Whether an UPDATE has prerequisites (RFC 2136 section 2.2: PRCOUNT)."""
    return wire[6:8] != b"\0\0"


def frames(data: socket.socket) -> Iterator[bytes]:
    """The messages on a TCP connection, until it ends."""
    stream = data.makefile("rb")
    while len(size := stream.read(2)) == 2:
        yield stream.read(struct.unpack("!H", size)[0])


class Tap:
    """A TCP proxy before a name server: keeps every message seen, and does with each answer what `treat` says.

    `treat(answer)` returns what the client gets; b"" is silence, None closes the connection.
    `deliver(question)` says whether the server gets it.
    """

    def __init__(self, port: int) -> None:
        self.treat: Callable[[bytes], bytes | None] = lambda wire: wire
        self.deliver: Callable[[bytes], bool] = lambda _: True
        self.sent: list[bytes] = []
        self._to = (HOST, port)
        self._open: list[socket.socket] = []
        self._listener = socket.create_server((HOST, 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def updates(self) -> list[bytes]:
        """The UPDATE messages as the client signed them."""
        return [wire for wire in self.sent if is_update(wire)]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._to)
                self._open += [client, server]
                threading.Thread(target=self._ask, args=(client, server), daemon=True).start()
                threading.Thread(target=self._answer, args=(client, server), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for wire in frames(client):
                self.sent.append(wire)
                if self.deliver(wire):
                    server.sendall(struct.pack("!H", len(wire)) + wire)
                else:
                    client.shutdown(socket.SHUT_RDWR)

    def _answer(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for wire in frames(server):
                treated = self.treat(wire)
                if treated is None:
                    client.shutdown(socket.SHUT_RDWR)
                elif treated:
                    client.sendall(struct.pack("!H", len(treated)) + treated)

    def close(self) -> None:
        """End it and every connection."""
        for one in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def send(port: int, wire: bytes) -> bytes:
    """One message over TCP just as it is, and the answer."""
    with socket.create_connection((HOST, port), 5) as talk:
        talk.sendall(struct.pack("!H", len(wire)) + wire)
        return next(frames(talk), b"")


class Fake:
    """A name server over UDP and TCP on one port whose answers are made by `answer(query)`; None is silence.

    Over TCP it may be many messages, and the end of the connection. `key`: what its questions are signed with.
    """

    def __init__(self, answer: Callable[[dns.message.Message], Made], key: dns.tsig.Key | None = None) -> None:
        self.answer, self._key = answer, key
        self.port = freeport(HOST)
        self.at = f"{HOST}:{self.port}"
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind((HOST, self.port))
        self._tcp = socket.create_server((HOST, self.port))
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._datagrams, self._streams)]
        for thread in self._threads:
            thread.start()

    def _wire(self, asked: bytes) -> bytes | list[bytes] | None:
        made = self.answer(dns.message.from_wire(asked, keyring=self._key))
        return made.to_wire() if isinstance(made, dns.message.Message) else made

    def _datagrams(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                asked, peer = self._udp.recvfrom(4096)
                if not asked:
                    return  # shut down
                if isinstance(wire := self._wire(asked), bytes):
                    self._udp.sendto(wire, peer)

    def _streams(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                talk, _ = self._tcp.accept()
                with contextlib.suppress(OSError), talk:
                    for asked in frames(talk):
                        made = self._wire(asked)
                        for wire in made if isinstance(made, list) else [made]:
                            if wire is not None:
                                talk.sendall(struct.pack("!H", len(wire)) + wire)
                        if isinstance(made, list):
                            break

    def close(self) -> None:
        """End it."""
        for one in (self._udp, self._tcp):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
