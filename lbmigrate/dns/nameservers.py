"""Which servers are authoritative for a zone, and at which addresses."""

import ipaddress
import queue
import socket
import threading
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import dns.name
import dns.rrset

from lbmigrate.dns.records import text_of
from lbmigrate.dns.server import Server
from lbmigrate.errors import Unreachable, Usage
from lbmigrate.spec import Dns

if TYPE_CHECKING:
    from lbmigrate.dns.delegation import Delegated, Delegation

REMEMBER = 60.0  # seconds; a list that never changed would keep asking a server that has been replaced
SYSTEM_SECONDS = 2.0
DNS_PORT = 53

Lookup = Callable[[dns.name.Name, str], dns.rrset.RRset | None]


def parse(text: str) -> tuple[str, int]:
    """Host and port of "host", "host:port", "2001:db8::1", "[2001:db8::1]:port". Raises Usage."""
    host, port = text, ""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
        if rest and not rest.startswith(":"):
            host = ""
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    valid = port.isascii() and port.isdigit() and 0 < int(port) < 65536
    if not host or not (valid or text in (host, f"[{host}]")):
        raise Usage(f"nameservers: {text!r} is no server; write host, host:port or [IPv6]:port")
    return host, int(port) if port else DNS_PORT


class Directory:
    """The zone's servers, looked up at most once a minute; the last list stands while the primary is away.

    `lookup(owner, rtype)` asks the primary; it may raise Unreachable or Denied.
    """

    def __init__(self, entry: Dns, lookup: Lookup, clock: Callable[[], float]) -> None:
        self._entry = entry
        self._lookup = lookup
        self._clock = clock
        self._zone = dns.name.from_text(entry.zone)
        self._known: tuple[Server, ...] = ()
        self._until = float("-inf")

    def all(self) -> tuple[Server, ...]:
        """Every server that must serve a change: `nameservers:`, else the zone's NS as the primary has them."""
        if self._clock() >= self._until:
            self._known = self._refreshed()
            self._until = self._clock() + REMEMBER
        return self._known if self._entry.nameservers else (*self._known, *self._beyond(self._delegation.known()))

    @cached_property
    def _delegation(self) -> "Delegation":
        from lbmigrate.dns.delegation import Delegation  # here, because a rollback writes before it asks any server

        return Delegation(self._zone, self._clock)

    def _beyond(self, found: "Delegated") -> tuple[Server, ...]:
        """The servers that the parent alone names, if it is the parent of this very zone."""
        mine = {server.label for server in self._known}
        if mine.isdisjoint(server.label for server in found.servers):
            return ()
        return tuple(server for server in found.servers if server.label not in mine)

    def delegation(self) -> tuple[str, ...]:
        """What is worth knowing of the zone's delegation, a line each. Waits for it. Raises Unreachable."""
        if self._entry.nameservers:
            return ()
        found, mine = self._delegation.now(), self.all()
        zone = text_of(self._zone)
        if not found.servers:
            return (f"{zone}: the zone above it cannot be asked for its servers ({found.why}); one that only that zone"
                    " names would not be waited for; nameservers: lists all",)  # fmt: skip
        beyond = [server.label for server in self._beyond(found)]
        if beyond:
            return (f"{zone}: {found.parent} delegates it to {', '.join(beyond)} too, which its own NS does not name;"
                    " waited for like the others, so let them follow, or mend the delegation",)  # fmt: skip
        if not {server.label for server in mine} & {server.label for server in found.servers}:
            names = ", ".join(server.label for server in found.servers)
            return (f"{zone}: {found.parent} delegates it to {names}, and its own NS names none of them: is this"
                    " the zone that your clients ask? If it is an internal one, all is well",)  # fmt: skip
        return ()

    def _refreshed(self) -> tuple[Server, ...]:
        try:
            return tuple(self._find())
        except Unreachable:
            if not self._known:
                raise
            return self._known  # the primary is away; the servers it named last still serve

    def _find(self) -> list[Server]:
        if self._entry.nameservers:
            return [self._named(text) for text in self._entry.nameservers]
        found = self._lookup(self._zone, "NS")
        if found is None:
            raise Unreachable(f"looking for the name servers of {self._zone}: no NS; give nameservers: under dns:")
        return [self._ns(target) for target in sorted(dns.name.from_text(rdata.to_text()) for rdata in found)]

    def _named(self, text: str) -> Server:
        host, port = parse(text)
        try:
            return Server(text, ((str(ipaddress.ip_address(host)), port),))
        except ValueError:
            name = dns.name.from_text(host)
            return self._resolved(text, name, port)

    def _ns(self, name: dns.name.Name) -> Server:
        return self._resolved(text_of(name), name, DNS_PORT)

    def _resolved(self, label: str, name: dns.name.Name, port: int) -> Server:
        if not name.is_subdomain(self._zone):
            return system(label, name.to_text(omit_final_dot=True), port)
        found = [one for rtype in ("A", "AAAA") if (one := self._lookup(name, rtype))]
        addresses = tuple((rdata.to_text(), port) for one in found for rdata in one)
        return Server(label, addresses, "" if addresses else f"{name} has no address at the primary")


def system(label: str, host: str, port: int) -> Server:
    """A server found by the system's resolver, within 2 s."""
    answer: queue.SimpleQueue[Server] = queue.SimpleQueue()
    # getaddrinfo knows no deadline: a thread that nobody waits for takes the risk.
    threading.Thread(target=lambda: answer.put(_getaddrinfo(label, host, port)), daemon=True).start()
    try:
        return answer.get(timeout=SYSTEM_SECONDS)
    except queue.Empty:
        return Server(label, (), f"the system's resolver gave no address of {host} in {SYSTEM_SECONDS:g} s")


def _getaddrinfo(label: str, host: str, port: int) -> Server:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as wrong:
        return Server(label, (), f"the system's resolver has no address of {host} ({wrong})")
    addresses = dict.fromkeys((str(one[4][0]), port) for one in found)
    return Server(label, tuple(sorted(addresses, key=lambda one: ":" in one[0])))
