"""The laboratory's DNS, embedded or real, behind one call: a primary, perhaps a secondary, perhaps a resolver."""

import base64
import os
import sys
from collections.abc import Callable
from pathlib import Path

from lbmigrate.lab import nameserver, realdns
from lbmigrate.lab.process import Process, environment, freeport, write_private
from lbmigrate.lab.realknot import Knot
from lbmigrate.lab.realpdns import Pdns
from lbmigrate.lab.route53 import parts as route53
from lbmigrate.lab.transfer import Key
from lbmigrate.value import value

ALGORITHM = "hmac-sha256"
KEY_NAME = "lbmigrate-lab"
SECRET_BYTES = 32
START_SECONDS = 20.0
Kind = type[realdns.Named] | type[Knot] | type[Pdns]
SOFTWARE: dict[str, Kind] = {"named": realdns.Named, "knotd": Knot, "pdns_server": Pdns}


class DnsParts:
    """What was started. Servers, and `api`, are "host:port"; `resolver` is None where clients' own caches do its work.

    `processes` (by "primary", "secondary", "resolver") are there to be killed and started again by a scenario.
    """

    def __init__(self, origin: str, key: Key, nameservers: tuple[str, ...]) -> None:
        self.origin = origin
        self.key = key
        self.primary = nameservers[0]
        self.nameservers = nameservers
        self.resolver: str | None = None
        self.api = ""  # of the laboratory's Route 53, where that is the software
        self.processes: dict[str, Process] = {}
        self._stops: list[Callable[[], None]] = []

    def also(self, role: str, process: Process) -> None:
        """Take a started process into care."""
        self.processes[role] = process
        self._stops.append(process.stop)

    def restart(self, role: str) -> None:
        """Start a killed name server again, with the zone that it has kept, and wait until it answers."""
        host, _, port = self.nameservers[role == "secondary"].rpartition(":")
        process = self.processes[role]
        process.start()
        process.wait(lambda: nameserver.answers(host, int(port), self.origin, authoritative=True), START_SECONDS)

    def cleanup(self, stop: Callable[[], None]) -> None:
        """Something else to be stopped."""
        self._stops.append(stop)

    def stop(self) -> None:
        """End everything, the last started first. May be repeated."""
        while self._stops:
            self._stops.pop()()


def start_dns(
    real: bool,
    directory: Path,
    zone_text: str,
    origin: str,
    secondary: bool = False,
    lag: float = 0.0,
    resolver: bool = False,
    software: str = "named",
    signed: bool = False,
) -> DnsParts:
    """Start the servers of one zone and wait until all answer. Raises Failed, with the end of the server's log.

    `lag`: seconds by which the secondary follows (real: at most that long). `software`: which real one, for both;
    `signed`: they sign the zone, and the resolver validates. A real resolver is unbound; the embedded form has none,
    its place is `lbmigrate.lab.cache.Cache` inside the clients.
    """
    key = Key(KEY_NAME, ALGORITHM, base64.b64encode(os.urandom(SECRET_BYTES)).decode())
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    wanted = _Wanted(directory, zone_text, origin, key, secondary, lag, resolver, software, signed)
    ports = [freeport(nameserver.ADDRESS) for _ in range(1 + secondary)]
    parts = DnsParts(origin, key, tuple(f"{nameserver.ADDRESS}:{port}" for port in ports))
    try:
        (_real if real else _embedded)(wanted, parts, ports)
    except BaseException:
        parts.stop()
        raise
    return parts


@value
class _Wanted:
    directory: Path
    zone_text: str
    origin: str
    key: Key
    secondary: bool
    lag: float
    resolver: bool
    software: str
    signed: bool


def _embedded(wanted: _Wanted, parts: DnsParts, ports: list[int]) -> None:
    if wanted.software == "route53":
        _route53(wanted, parts)
        return
    zone = wanted.directory / "zone"
    zone.write_text(wanted.zone_text)
    notify = [arg for server in parts.nameservers[1:] for arg in ("--notify", server)]
    _serve(wanted, parts, "primary", ["--zone", str(zone), *notify])
    if wanted.secondary:
        _serve(wanted, parts, "secondary", ["--secondary-of", parts.primary, "--lag", str(wanted.lag)])
        parts.processes["secondary"].wait(lambda: _follows(wanted, ports), START_SECONDS)


def _route53(wanted: _Wanted, parts: DnsParts) -> None:
    """Both name servers in one process, behind the API."""
    parts.api = f"{nameserver.ADDRESS}:{freeport(nameserver.ADDRESS)}"
    process = route53.process(wanted.directory, parts.api, parts.nameservers, wanted.zone_text, wanted.origin)
    parts.also("primary", process)
    process.start()
    process.wait(lambda: "ready\n" in process.output(), START_SECONDS)


def _serve(wanted: _Wanted, parts: DnsParts, role: str, args: list[str]) -> None:
    listen = parts.nameservers[role == "secondary"]
    key = wanted.directory / f"{role}.key"
    write_private(key, f"{wanted.key.name}:{wanted.key.algorithm}:{wanted.key.secret}")
    about = ["--listen", listen, "--origin", wanted.origin, "--key", f"@{key}"]
    argv = [sys.executable, "-m", "lbmigrate.lab.dnsserver", *about, *args]
    process = Process(argv, wanted.directory / f"{role}.log", environment())
    parts.also(role, process)
    process.start()
    process.wait(lambda: "ready\n" in process.output(), START_SECONDS)


def _real(wanted: _Wanted, parts: DnsParts, ports: list[int]) -> None:
    directory, origin = wanted.directory, wanted.origin
    kind = SOFTWARE[wanted.software]
    first = kind(directory / "primary", origin, wanted.key, ports[0])
    parts.also("primary", first.process)
    first.primary(wanted.zone_text, _told(wanted, parts, ports[1]) if wanted.secondary else None, signed=wanted.signed)
    if wanted.signed:
        first.process.wait(lambda: nameserver.signed(nameserver.ADDRESS, ports[0], origin), START_SECONDS)
    if wanted.secondary:
        second = kind(directory / "secondary", origin, wanted.key, ports[1])
        parts.also("secondary", second.process)
        if isinstance(first, Pdns) and isinstance(second, Pdns) and wanted.signed:
            second.native(first)
        else:
            second.secondary(ports[0])
        second.process.wait(lambda: _follows(wanted, ports), START_SECONDS)
    if wanted.resolver:
        anchors = nameserver.anchors(nameserver.ADDRESS, ports[0], origin) if wanted.signed else ()
        unbound = realdns.Unbound(directory / "resolver", origin, parts.nameservers, anchors=anchors)
        parts.also("resolver", unbound.process)
        unbound.start()
        parts.resolver = unbound.at


def _told(wanted: _Wanted, parts: DnsParts, secondary: int) -> int:
    """The port that the primary notifies: the secondary's own, or that of a notifier that waits."""
    if wanted.lag <= 0:
        return secondary
    notifier = realdns.Notifier(secondary, wanted.lag)
    parts.cleanup(notifier.stop)
    return notifier.port


def _follows(wanted: _Wanted, ports: list[int]) -> bool:
    there = nameserver.signed if wanted.signed else nameserver.serves
    return all(there(nameserver.ADDRESS, port, wanted.origin) for port in ports)
