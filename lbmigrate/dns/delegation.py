"""The servers that a parent zone delegates a zone to. Resolvers may go by these alone (RFC 1034 section 4.2.1).

One that the zone's own NS does not name, such as a secondary that was given up, goes on feeding caches with what it
has. So it is waited for as the others are, if parent and zone agree on one server at least: where they agree on none,
an internal zone of the same name as a public one is the likely reason, and `check` says so.

Following may take seconds, and without the Internet comes to nothing: so it is done beside the work, in a thread that
nobody waits for.
"""

import random
import threading
from collections.abc import Callable

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rdatatype
import dns.rrset

from lbmigrate import resolver
from lbmigrate.dns.records import text_of
from lbmigrate.dns.server import Server
from lbmigrate.value import value

PORT = 53
ADDRESSES = dns.rdatatype.A, dns.rdatatype.AAAA
SECONDS = 1.0  # for one question to a parent's server
MOST = 3  # of the parent's servers that are asked
AGAIN = 600.0  # seconds after which it is followed again


@value
class Delegated:
    """What the parent says: its name, and the servers. None where it could not be asked, and `why`."""

    parent: str = ""
    servers: tuple[Server, ...] = ()
    why: str = ""


class Delegation:
    """One zone's delegation, as last followed. May be used from several threads."""

    def __init__(self, zone: dns.name.Name, clock: Callable[[], float]) -> None:
        self._zone, self._clock = zone, clock
        self._known = Delegated()
        self._due = float("-inf")

    def known(self) -> Delegated:
        """What was found; nothing at first. It is looked for, beside this, when it is due. Never waits."""
        if self._clock() >= self._due:
            self._due = self._clock() + AGAIN
            threading.Thread(target=self.now, name="delegation", daemon=True).start()
        return self._known

    def now(self) -> Delegated:
        """What the parent says now. Waits."""
        self._due = self._clock() + AGAIN
        try:
            self._known = follow(self._zone)
        except OSError as wrong:
            self._known = Delegated(self._known.parent, self._known.servers, str(wrong))
        return self._known


def follow(zone: dns.name.Name) -> Delegated:
    """Ask one of the parent's servers. Raises OSError: no resolver, no answer, not delegated."""
    parent, servers = _parent(zone)
    random.shuffle(servers)
    why = f"no server of {parent} has an address"
    for address in [address for server in servers for address in _addresses(server)][:MOST]:
        try:
            reply = dns.query.udp(_question(zone), address, SECONDS, PORT, ignore_unexpected=True)
        except (dns.exception.DNSException, OSError) as wrong:
            why = f"{address}, a server of {parent}: {str(wrong) or type(wrong).__name__}"
            continue
        if found := _named(reply, zone):
            return Delegated(text_of(parent), tuple(_server(one.target, reply) for one in found))
        why = f"{parent} does not delegate {zone}"
    raise OSError(why)


def _parent(zone: dns.name.Name) -> tuple[dns.name.Name, list[str]]:
    """The zone above, and its servers."""
    name, why = zone, ""
    while name != dns.name.root:
        name = name.parent()
        try:
            if servers := resolver.ask(name.to_text(), "NS")[0]:
                return name, list(servers)
        except OSError as wrong:
            why = why or str(wrong)
    raise OSError(why or f"no zone above {zone} has servers")


def _question(zone: dns.name.Name) -> dns.message.Message:
    return dns.message.make_query(zone, "NS", flags=0)


def _named(reply: dns.message.Message, zone: dns.name.Name) -> dns.rrset.RRset | None:
    """The zone's NS: of a referral, or the answer of a server that has the zone itself too."""
    every = (*reply.answer, *reply.authority)
    return next((one for one in every if one.name == zone and one.rdtype == dns.rdatatype.NS), None)


def _server(target: dns.name.Name, reply: dns.message.Message) -> Server:
    """One of the servers, at the addresses that the referral gives or the resolver knows."""
    glue = [one for one in reply.additional if one.name == target and one.rdtype in ADDRESSES]
    found = [rdata.to_text() for one in glue for rdata in one] or _addresses(target.to_text())
    error = "" if found else f"{target}, to which the parent delegates, has no address"
    return Server(text_of(target), tuple((address, PORT) for address in found), error)


def _addresses(host: str) -> list[str]:
    found: list[str] = []
    for rtype in ("A", "AAAA"):
        try:
            found += resolver.ask(host, rtype)[0]
        except OSError:
            continue  # no address of this family; without any the caller says so
    return found
