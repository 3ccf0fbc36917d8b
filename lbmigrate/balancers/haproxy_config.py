"""Writes B's configuration file: A's text with only that replaced which two processes cannot share.

Replaced: addresses of `bind` (A's by all of B's of that family), admin sockets, pidfile, server-state files.

Wildcards. `bind *:80` becomes B's own addresses, never a wildcard: beside A's wildcard the kernel hands a connection
to the socket bound to the specific address (Linux, inet_lookup), so B gets exactly what is sent to B's addresses and
A keeps the rest. Two wildcards would share A's traffic at once. `:::80` also takes IPv4 unless it says `v6only`
(net.ipv6.bindv6only is 0 by default).

Loopback binds (a statistics page, one proxy feeding another) would be shared in the same way: they move, with the
`server` lines that name them, to one address of 127/8 that is made from the path of B's file. What can be neither kept
nor moved (peers, programs, sockets by path, addresses that are not A's, A's address in a rule) is refused by line.
"""

import hashlib
import ipaddress
import os
import re
from collections.abc import Iterable, Mapping, Sequence

from lbmigrate.balancers.haproxy_text import (
    SECTIONS,
    Endpoint,
    Line,
    endpoints,
    parse,
    quoted,
    refused,
    variables,
)
from lbmigrate.errors import Refused
from lbmigrate.value import value

UNSHARED_SECTIONS: Mapping[str, str] = {
    "peers": "two processes cannot be the same peer; take the section and its `peers` words out of A's file",
    "program": "the program would run twice; start it outside HAProxy",
}
UNSHARED_KEYS: Mapping[str, str] = {
    "dgram-bind": "UDP log listeners are not carried over; take the section out of A's file",
    "unix-bind": "it moves every socket path; write the paths out",
    "backing-file": "two processes cannot write the same ring file; take the line out of A's file",
}
STATE_FILES: Mapping[str, str] = {"server-state-file": ".server-state", "server-state-base": ".server-states"}
FAMILY_WORDS = ("v4v6", "v6only")
Taken = dict[tuple[str, int, str], tuple[str, tuple[str, ...]]]


@value
class Target:
    """B's place: its addresses, and the paths of its file, admin socket and pid file."""

    addresses: tuple[str, ...]
    config: str
    socket: str
    pidfile: str

    def private(self) -> str:
        """The loopback address for what A has on loopback: the same one for the same file, always."""
        digest = hashlib.sha256(self.config.encode()).digest()
        return f"127.{1 + digest[0] % 254}.{digest[1]}.{1 + digest[2] % 254}"


@value
class Rendered:
    """B's file, the TCP addresses and ports that it listens on, and A's loopback listeners that it moved."""

    text: str
    binds: tuple[tuple[str, int], ...]
    internal: tuple[tuple[str, int], ...]
    private: str

    def here(self, address: str, port: int) -> str:
        """The address of a server as B must know it."""
        return self.private if (_loopback_name(address), port) in self.internal else address


def render(text: str, addresses: Sequence[str], target: Target) -> Rendered:
    """A's text, listening on `addresses`, as B's. Raises Refused, by line, for what cannot be carried over."""
    lines = parse(text)
    carrier = _Carrier(lines, frozenset(map(_same, addresses)), target)
    written = "\n".join(carrier.carry(line) for line in lines)
    if not carrier.admin:
        written = f"{written.rstrip()}\n\nglobal\n  stats socket {quoted(target.socket)} mode 600 level admin\n"
    binds = tuple(sorted((host, port) for host, port, kind in carrier.taken if not kind))
    return Rendered(written, binds, tuple(sorted(carrier.internal)), target.private())


class _Carrier:
    """One rendering: what has been bound so far, and the line of the admin socket."""

    def __init__(self, lines: Sequence[Line], old: frozenset[str], target: Target) -> None:
        self.old = old
        self.target = target
        self.taken: Taken = {}
        self.sockets = 0
        binds = [(line, one) for line in lines if line.key() == "bind" for one in endpoints(line, 1)]
        self.internal = {(one.host, port) for _, one in binds if self._internal(one) for port in one.ports()}
        self.ports = {port for _, one in binds if not self._internal(one) for port in one.ports()}
        self.admin = next((line.number for line in lines if _is_admin(line)), 0)
        self.set = _environment(lines)

    def carry(self, line: Line) -> str:
        """One line as B needs it."""
        self._judge(line)
        match line.key():
            case "bind":
                return self._bind(line)
            case "stats" if line.text(1) == "socket":
                return self._socket(line)
            case "pidfile":
                return line.having(1, quoted(self.target.pidfile))
            case "server-state-file" | "server-state-base":
                return line.having(1, quoted(self.target.config + STATE_FILES[line.key()]))
            case "server":
                return self._server(line)
            case _:
                return line.raw

    def _judge(self, line: Line) -> None:
        key = line.key()
        if key in SECTIONS and key in UNSHARED_SECTIONS:
            raise refused(line, "it belongs to one process", UNSHARED_SECTIONS[key])
        if key in UNSHARED_KEYS and (key != "unix-bind" or "prefix" in line.texts()):
            raise refused(line, "it belongs to one process", UNSHARED_KEYS[key])
        if unset := sorted(variables(line) - self.set):
            raise refused(line, f"${unset[0]} is set in A's environment only", "`setenv` it in A's file")
        for address in self.old:
            self._rule(line, address)

    def _rule(self, line: Line, address: str) -> None:
        """A's address in a rule would never match on B; as host:port of something else it may stay."""
        pattern = rf"(?<![\w.:])\[?{re.escape(address)}\]?(?::(\d+))?(?![\w.:])"
        skip = 2 if line.key() == "bind" or line.texts()[:2] == ("stats", "socket") else 1
        for word in line.texts(skip):
            if (found := re.search(pattern, word)) and (not found[1] or int(found[1]) in self.ports):
                raise refused(line, f"it names A's own address {address}", "say it without the address, in A's file")

    def _internal(self, one: Endpoint) -> bool:
        return one.loopback() and one.host not in self.old

    def _bind(self, line: Line) -> str:
        found = [
            one.at(host) for one in endpoints(line, 1) for host in self._hosts(line, one) if self._take(line, one, host)
        ]
        if not found:
            return f"  # on this side the same as a line above: {line.raw.strip()}"
        return line.having(1, ",".join(found))

    def _hosts(self, line: Line, one: Endpoint) -> tuple[str, ...]:
        """B's addresses in place of one of A's."""
        if not one.host:
            versions = {6} if one.v6 and "v6only" in line.texts() else {4, 6} if one.v6 else {4}
            return self._of(line, versions & {_version(address) for address in self.old} or versions)
        if one.host in self.old:
            return self._of(line, {_version(one.host)})
        if self._internal(one):
            return (self.target.private(),)
        raise refused(
            line, f"{one.host} is none of A's addresses", "add it to `a.addresses`, or bind A's addresses only"
        )

    def _of(self, line: Line, versions: Iterable[int]) -> tuple[str, ...]:
        found: list[str] = []
        for version in sorted(versions):
            mine = [_same(one) for one in self.target.addresses if _version(one) == version]
            if not mine:
                raise refused(line, f"B has no IPv{version} address to serve it on", "add one to `b.addresses`")
            found += mine
        return tuple(dict.fromkeys(found))

    def _take(self, line: Line, one: Endpoint, host: str) -> bool:
        """Claim host and ports for this line; False when the same proxy has them with the same options."""
        mark = line.name, tuple(word for word in line.texts(2) if word not in FAMILY_WORDS)
        keys = [(host, port, one.prefix) for port in one.ports()]
        held = {self.taken.get(key, mark) for key in keys}
        if held != {mark}:
            other = next(iter(held - {mark}))[0]
            raise refused(
                line,
                f"on B's addresses port {one.low} would be `{other}`'s as well, or have other options",
                "B cannot tell A's addresses apart: give such listeners ports of their own",
            )
        fresh = any(key not in self.taken for key in keys)
        self.taken.update(dict.fromkeys(keys, mark))
        return fresh

    def _socket(self, line: Line) -> str:
        """The first admin socket becomes B's; others by path get a number; one on loopback moves."""
        if line.number == self.admin:
            return line.having(2, quoted(self.target.socket))
        if _by_path(line.text(2)):
            self.sockets += 1
            return line.having(2, quoted(f"{self.target.socket}.{self.sockets + 1}"))
        found = endpoints(line, 2)
        if len(found) != 1 or not self._internal(found[0]):
            raise refused(line, "an admin socket open to the network", "make it a unix socket in A's file")
        self._take(line, found[0], self.target.private())
        return line.having(2, f"ipv4@{found[0].at(self.target.private())}")

    def _server(self, line: Line) -> str:
        host, _, port = line.text(2).rpartition(":")
        if port.isdigit() and (_loopback_name(host), int(port)) in self.internal:
            return line.having(2, f"{self.target.private()}:{port}")
        return line.raw


def _is_admin(line: Line) -> bool:
    return line.texts()[:2] == ("stats", "socket") and _by_path(line.text(2)) and "admin" in line.texts(3)


def _by_path(text: str) -> bool:
    return text.startswith(("/", "unix@"))


def _environment(lines: Sequence[Line]) -> frozenset[str]:
    """Variables that B will have: HAProxy's own, the file's, and those of whoever starts B."""
    inside = {line.text(1) for line in lines if line.key() in ("setenv", "presetenv")}
    own = {name for line in lines for name in variables(line) if name.startswith("HAPROXY_")}
    return frozenset(inside | own | set(os.environ))


def _same(address: str) -> str:
    """The one spelling of an address. Raises Refused."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError as wrong:
        raise Refused(f"reading the side's addresses: {address!r} is no IP address; correct `addresses`") from wrong


def _version(address: str) -> int:
    return 6 if ":" in address else 4


def _loopback_name(host: str) -> str:
    return "127.0.0.1" if host == "localhost" else host.strip("[]")
