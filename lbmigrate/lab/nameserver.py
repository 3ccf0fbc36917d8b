"""What the real name servers of the laboratory have in common: their place, start and end, and whether they answer."""

from abc import ABC, abstractmethod
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.query

from lbmigrate.lab.process import Process, freeport
from lbmigrate.lab.transfer import Key

ADDRESS = "127.0.0.1"
ASK_SECONDS = 0.3
START_SECONDS = 20.0


class Nameserver(ABC):
    """One name server of one zone, as a child process. `at` is its "host:port", of IPv6 "[host]:port".

    A kind of server says what it runs (`_argv`) and writes its configuration before `restart`.
    """

    def __init__(self, directory: Path, origin: str, key: Key, port: int | None = None, address: str = ADDRESS) -> None:
        self.address = address
        self.port = port or freeport(address)
        self.at = f"[{address}]:{self.port}" if ":" in address else f"{address}:{self.port}"
        self._directory = directory
        self._origin = origin
        self._key = key
        argv = self._argv()
        self.process = Process(argv, directory / f"{Path(argv[0]).name}.log")

    @abstractmethod
    def _argv(self) -> list[str]:
        """The program and its arguments; its log is named after it."""

    def restart(self) -> None:
        """Start it, again after it was killed too, with the zone that it has, and wait until it answers."""
        self.process.start()
        self.process.wait(lambda: serves(self.address, self.port, self._origin), START_SECONDS)

    def stop(self) -> None:
        """End it."""
        self.process.stop()


def anchors(address: str, port: int, origin: str) -> tuple[str, ...]:
    """The zone's DNSKEY records, as the server gives them now; none while it is not signed."""
    query = dns.message.make_query(origin, "DNSKEY", use_edns=0, payload=4096)
    try:
        reply = dns.query.tcp(query, address, ASK_SECONDS, port)
    except (dns.exception.Timeout, OSError, EOFError):
        return ()
    return tuple(f"{rrset.name} IN DNSKEY {one}" for rrset in reply.answer for one in rrset)


def serves(address: str, port: int, origin: str) -> bool:
    """Whether the server gives the zone's SOA with authority."""
    return answers(address, port, origin, authoritative=True)


def signed(address: str, port: int, origin: str) -> bool:
    """Whether the server gives keys, and the zone's SOA with a signature."""
    query = dns.message.make_query(origin, "SOA", want_dnssec=True)
    try:
        reply = dns.query.tcp(query, address, ASK_SECONDS, port)
    except (dns.exception.Timeout, OSError, EOFError):
        return False
    return len(reply.answer) > 1 and bool(anchors(address, port, origin))


def answers(address: str, port: int, origin: str, authoritative: bool) -> bool:
    """Whether the server gives the zone's SOA, with AA where that is asked for."""
    query = dns.message.make_query(origin, "SOA")
    try:
        reply = dns.query.udp(query, address, ASK_SECONDS, port)
    except (dns.exception.Timeout, OSError):
        return False
    return bool(reply.answer) and (not authoritative or bool(reply.flags & dns.flags.AA))
