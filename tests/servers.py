"""Name servers for tests: real named (primary and secondary), knotd and pdns_server, as child processes.

Each answers on 127.0.0.1, on a free port, for one zone, and takes signed updates and transfers. A server that is not
installed fails the test that needs it, by name.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.update

from lbmigrate.dns.records import rdatas_of, type_of
from lbmigrate.errors import Failed
from lbmigrate.lab.process import Process, freeport
from lbmigrate.lab.process import program as program
from lbmigrate.lab.process import run as run
from lbmigrate.lab.realknot import Knot
from lbmigrate.lab.realpdns import Pdns
from lbmigrate.lab.transfer import Key, transfer
from lbmigrate.model import RRset

HOST = "127.0.0.1"
ORIGIN = "lab.test."
KEY = Key("lbm", "hmac-sha256", "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTMyIQ==")

ZONE = r"""$ORIGIN lab.test.
$TTL 300
@ IN SOA ns1 hostmaster 100 3600 600 86400 60
@ NS ns1
@ NS ns2
@ A 192.0.2.5
ns1 A 127.0.0.1
ns2 A 127.0.0.1
www A 192.0.2.10
dual 120 A 192.0.2.11
dual 90 AAAA 2001:db8::11
four A 192.0.2.21
four A 192.0.2.22
four A 192.0.2.23
four A 192.0.2.24
MiXed A 192.0.2.30
odd\.dot A 192.0.2.31
text TXT "no addresses here"
alias CNAME www
*.wild A 192.0.2.99
host.wild A 192.0.2.98
above A 192.0.2.97
*.above TXT "v=spf1 -all"
taken A 192.0.2.96
_lbmigrate.taken TXT "somebody else's"
sub NS ns.sub
ns.sub A 127.0.0.9
"""


class Server:
    """One running name server of one zone."""

    def __init__(self, kind: str, process: Process, port: int, control: Callable[..., str] | None = None) -> None:
        self.kind, self.process, self.port = kind, process, port
        self.at = f"{HOST}:{port}"
        self._control = control

    def start(self) -> "Server":
        """Start and wait until it answers for the zone."""
        self.process.start()
        try:
            self.process.wait(self.answers, 15)
        except Failed:
            self.process.stop()
            raise
        return self

    def answers(self) -> bool:
        """Whether it gives the zone's SOA now."""
        try:
            reply = dns.query.udp(dns.message.make_query(ORIGIN, "SOA"), HOST, 0.2, self.port)
        except (dns.exception.Timeout, OSError):
            return False
        return bool(reply.answer)

    def control(self, *words: str) -> str:
        """Say something over its control channel (rndc)."""
        assert self._control is not None, f"{self.kind} has no control channel here"
        return self._control(*words)

    def zone(self) -> list[str]:
        """The zone by AXFR, one sorted line a record."""
        return transfer(HOST, self.port, ORIGIN, KEY)

    def records(self) -> list[str]:
        """The zone but for the SOA."""
        return [line for line in self.zone() if " SOA " not in line]

    def serial(self) -> int:
        """The SOA's serial."""
        return int(next(line for line in self.zone() if " IN SOA " in line).split()[6])

    def edit(self, change: Callable[[dns.update.UpdateMessage], None]) -> None:
        """Change the zone by hand: an UPDATE without prerequisites. Raises Failed."""
        message = dns.update.UpdateMessage(ORIGIN, keyring=KEY.tsig())
        change(message)
        reply = dns.query.tcp(message, HOST, 5, self.port)
        if reply.rcode():
            raise Failed(f"editing {ORIGIN} on {self.kind}: {dns.rcode.to_text(reply.rcode())}")

    def restore(self, before: list[str]) -> None:
        """Make the records those of `before` again."""
        now = self.records()
        touched = {tuple(line.split()[:4:3]) for line in set(now) ^ set(before)}
        if touched:
            self.edit(lambda message: _rewrite(message, touched, before))

    def stop(self) -> None:
        """End it."""
        self.process.stop()


def _rewrite(message: dns.update.UpdateMessage, touched: set[tuple[str, ...]], before: list[str]) -> None:
    for name, rtype in touched:
        message.delete(name, type_of(rtype))
    for line in before:
        name, ttl, _, rtype, rdata = line.split(" ", 4)
        if (name, rtype) in touched:
            message.add(name, int(ttl), *rdatas_of(RRset(name, rtype, int(ttl), (rdata,))))


NAMED = """
key "lbm" {{ algorithm hmac-sha256; secret "{secret}"; }};
options {{
  directory "{directory}"; pid-file none; lock-file none; session-keyfile "{directory}/session.key";
  listen-on port {port} {{ {host}; }}; listen-on-v6 {{ none; }};
  recursion no; dnssec-validation no; empty-zones-enable no; allow-query {{ any; }};
  notify {notify}; notify-delay 0; startup-notify-rate 1000; serial-query-rate 1000; {options}
}};
controls {{ inet {host} port {control} allow {{ 127.0.0.0/8; }} keys {{ "lbm"; }}; }};
zone "lab.test" {{ file "zone"; allow-transfer {{ key "lbm"; }}; {role} }};
"""


def named(
    directory: Path,
    zone: str = ZONE,
    policy: str = 'allow-update { key "lbm"; };',
    extra: str = "",
    notify: int = 0,
    options: str = "",
    checks: str = "ignore",
) -> Server:
    """A running primary; `policy` says who may update, `extra` goes into the zone's clause, `options` into that one.

    NOTIFY goes to port `notify`; `checks`: what is done about names that are no host names.
    """
    role = f"type primary; check-names {checks}; {policy} {extra}"
    told = f"also-notify {{ {HOST} port {notify}; }};" if notify else ""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "zone").write_text(zone)
    return _named(directory, role + told, freeport(HOST), "explicit" if notify else "no", options).start()


def secondary(directory: Path, port: int, primary: Server) -> Server:
    """A running secondary on `port`, the one that the primary notifies."""
    directory.mkdir(parents=True, exist_ok=True)
    role = f'type secondary; masterfile-format text; primaries {{ {HOST} port {primary.port} key "lbm"; }};'
    return _named(directory, role, port, "no").start()


def _named(directory: Path, role: str, port: int, notify: str, options: str = "") -> Server:
    control = freeport(HOST)
    text = NAMED.format(
        secret=KEY.secret,
        directory=directory,
        port=port,
        host=HOST,
        control=control,
        role=role,
        notify=notify,
        options=options,
    )
    (directory / "named.conf").write_text(text)
    (directory / "rndc.key").write_text(f'key "lbm" {{ algorithm {KEY.algorithm}; secret "{KEY.secret}"; }};\n')
    argv = [program("named"), "-g", "-n", "1", "-c", str(directory / "named.conf")]
    process = Process(argv, directory / "named.log")
    rndc = [program("rndc"), "-s", HOST, "-p", str(control), "-k", str(directory / "rndc.key")]
    return Server("named", process, port, lambda *words: run(*rndc, *words))


def knotd(directory: Path, zone: str = ZONE, **how: Any) -> Server:
    """A running Knot primary; `how`: as `Knot.primary` takes it."""
    knot = Knot(directory, ORIGIN, KEY)
    knot.primary(zone, **how)
    return Server("knotd", knot.process, knot.port, knot.control)


def pdns(directory: Path, zone: str = ZONE, **how: Any) -> Server:
    """A running PowerDNS primary; `how`: as `Pdns.primary` takes it."""
    one = Pdns(directory, ORIGIN, KEY)
    one.primary(zone, **how)
    return Server("pdns", one.process, one.port, one.control)


def embedded(directory: Path, zone: str = ZONE) -> Server:
    """The laboratory's own server."""
    directory.mkdir(parents=True, exist_ok=True)
    port = freeport(HOST)
    (directory / "zone").write_text(zone)
    key = f"{KEY.name}:{KEY.algorithm}:{KEY.secret}"
    module = [sys.executable, "-m", "lbmigrate.lab.dnsserver"]
    argv = [*module, "--listen", f"{HOST}:{port}", "--zone", str(directory / "zone"), "--origin", ORIGIN, "--key", key]
    return Server("embedded", Process(argv, directory / "embedded.log"), port).start()


KINDS: dict[str, Callable[..., Server]] = {"named": named, "knotd": knotd, "pdns": pdns, "embedded": embedded}
