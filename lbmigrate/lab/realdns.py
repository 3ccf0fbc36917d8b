"""Real name servers as child processes: named as primary and secondary, unbound as the caching resolver in front.

Each gets its own directory, its own free port on a loopback address, and a configuration rendered from the fewest
lines that it needs. None needs root. Each is waited for until it answers, and ended by its pid.
"""

import contextlib
import socket
import struct
import threading
import time
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query

from lbmigrate.lab.process import Process, freeport, write_private
from lbmigrate.lab.transfer import Key

ADDRESS = "127.0.0.1"
ASK_SECONDS = 0.3
START_SECONDS = 20.0
POLL_SECONDS = 0.05
QR_BIT = 0x80

NAMED = """
key "{key.name}" {{ algorithm {key.algorithm}; secret "{key.secret}"; }};
options {{
  directory "{directory}"; pid-file none; lock-file none; session-keyfile "{directory}/session.key";
  listen-on port {port} {{ {address}; }}; listen-on-v6 {{ none; }};
  recursion no; dnssec-validation no; empty-zones-enable no; minimal-responses yes;
  allow-query {{ any; }};
  notify {notify}; notify-delay 0; serial-query-rate 1000; startup-notify-rate 1000;
}};
controls {{ }};
zone "{origin}" {{
  file "zone"; allow-transfer {{ key "{key.name}"; }};
  {role}
}};
"""

# A busy machine's late answers must not keep it from asking again for longer than a client waits: hence max-rtt.
UNBOUND = """
server:
  interface: {address}@{port}
  access-control: 127.0.0.0/8 allow
  directory: "{directory}"
  chroot: ""
  username: ""
  pidfile: ""
  logfile: ""
  use-syslog: no
  do-daemonize: no
  do-ip6: no
  num-threads: 1
  do-not-query-localhost: no
  module-config: "{modules}"
  {trust}
  hide-version: yes
  cache-min-ttl: {stretch}
  infra-cache-max-rtt: 1000
  infra-keep-probing: yes
  val-bogus-ttl: 1
  local-zone: "{tld}." nodefault
remote-control:
  control-enable: no
stub-zone:
  name: "{origin}"
{stubs}
"""


class Named:
    """One named. `at` is its "host:port"."""

    def __init__(self, directory: Path, origin: str, key: Key, port: int | None = None) -> None:
        self.port = port or freeport(ADDRESS)
        self.at = f"{ADDRESS}:{self.port}"
        self._directory = directory
        self._origin = origin
        self._key = key
        self.process = Process(["named", "-g", "-n", "1", "-c", str(directory / "named.conf")], directory / "named.log")

    def primary(self, zone_text: str, notify: int | None = None, signed: bool = False) -> None:
        """Start as primary of `zone_text`, updates and transfers by the key; NOTIFY goes to port `notify`."""
        told = f"also-notify {{ {ADDRESS} port {notify}; }};" if notify else ""
        signing = f'dnssec-policy default; key-directory "{self._directory}";' if signed else ""
        role = f'type primary; allow-update {{ key "{self._key.name}"; }}; {signing} {told}'
        self._directory.mkdir(parents=True, exist_ok=True)
        (self._directory / "zone").write_text(zone_text)
        self._start(role, "explicit" if notify else "no")

    def secondary(self, primary: int) -> None:
        """Start as secondary of the primary on that port."""
        role = f'type secondary; primaries {{ {ADDRESS} port {primary} key "{self._key.name}"; }};'
        self._directory.mkdir(parents=True, exist_ok=True)
        self._start(role, "no")

    def _start(self, role: str, notify: str) -> None:
        text = NAMED.format(
            key=self._key,
            directory=self._directory,
            port=self.port,
            address=ADDRESS,
            notify=notify,
            origin=self._origin,
            role=role,
        )
        write_private(self._directory / "named.conf", text)
        self.restart()

    def restart(self) -> None:
        """Start it, again after it was killed too, with the zone that it has, and wait until it answers."""
        self.process.start()
        self.process.wait(lambda: answers(ADDRESS, self.port, self._origin, authoritative=True), START_SECONDS)

    def stop(self) -> None:
        """End it."""
        self.process.stop()


class Unbound:
    """One caching resolver. `at` is its "host:port"; `stretch` is its least TTL in whole seconds (0: honest).

    `anchors`: the zone's DNSKEY records as text; with them it validates, and answers SERVFAIL for what is bogus.
    """

    def __init__(
        self,
        directory: Path,
        origin: str,
        nameservers: tuple[str, ...],
        stretch: int = 0,
        anchors: tuple[str, ...] = (),
    ) -> None:
        self.port = freeport(ADDRESS)
        self.at = f"{ADDRESS}:{self.port}"
        self._origin = origin
        directory.mkdir(parents=True, exist_ok=True)
        stubs = "\n".join(f"  stub-addr: {server.replace(':', '@')}" for server in nameservers)
        tld = dns.name.from_text(origin).labels[-2].decode()
        text = UNBOUND.format(
            address=ADDRESS,
            port=self.port,
            directory=directory,
            stretch=stretch,
            tld=tld,
            origin=origin,
            stubs=stubs,
            modules="validator iterator" if anchors else "iterator",
            trust="\n  ".join(f"trust-anchor: '{one}'" for one in anchors),
        )
        (directory / "unbound.conf").write_text(text)
        self.process = Process(["unbound", "-d", "-c", str(directory / "unbound.conf")], directory / "unbound.log")

    def start(self) -> None:
        """Start it and wait until it answers for the zone."""
        self.process.start()
        self.process.wait(lambda: answers(ADDRESS, self.port, self._origin, authoritative=False), START_SECONDS)

    def stop(self) -> None:
        """End it."""
        self.process.stop()


class Notifier:
    """Passes a primary's NOTIFY on to its secondary, `lag` seconds later: so the secondary lags by at most that.

    BIND has no setting for it: `notify-delay` spaces the messages out, it does not hold the first one back. (Even at 0
    it keeps half a second between two: a secondary follows at once, but the second of two quick updates 0.5 s later.)
    The notice is acknowledged at once, so that the primary does not repeat it.
    """

    def __init__(self, secondary: int, lag: float) -> None:
        self._to = (ADDRESS, secondary)
        self._lag = lag
        self._ended = threading.Event()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((ADDRESS, 0))
        self._socket.settimeout(POLL_SECONDS)
        self.port = int(self._socket.getsockname()[1])
        self._listener = socket.create_server((ADDRESS, self.port))
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)
        self._thread.start()
        threading.Thread(target=self._listen, name="notifier over TCP", daemon=True).start()

    def _listen(self) -> None:
        """Knot gives notice over TCP: each such message is told to the datagram socket, its answer passed back."""
        with contextlib.suppress(OSError):  # closed, or the asker is gone
            while True:
                talk, _ = self._listener.accept()
                with talk, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as told:
                    (length,) = struct.unpack("!H", talk.recv(2, socket.MSG_WAITALL))
                    told.settimeout(ASK_SECONDS)
                    told.sendto(talk.recv(length, socket.MSG_WAITALL), (ADDRESS, self.port))
                    talk.sendall(struct.pack("!H", length) + told.recv(length))

    def _run(self) -> None:
        due: list[tuple[float, bytes]] = []
        while not self._ended.is_set():
            try:
                wire, asker = self._socket.recvfrom(4096)
            except TimeoutError:
                wire = b""
            if len(wire) > 2 and not wire[2] & QR_BIT:
                self._socket.sendto(wire[:2] + bytes([wire[2] | QR_BIT]) + wire[3:], asker)
                due.append((time.monotonic() + self._lag, wire))
            while due and due[0][0] <= time.monotonic():
                self._socket.sendto(due.pop(0)[1], self._to)

    def stop(self) -> None:
        """End it."""
        self._ended.set()
        self._thread.join()
        self._socket.close()
        self._listener.close()


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
