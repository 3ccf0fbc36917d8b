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

import dns.name

from lbmigrate.lab.nameserver import ADDRESS, ASK_SECONDS, START_SECONDS, Nameserver, answers
from lbmigrate.lab.process import Process, freeport, program, write_private

POLL_SECONDS = 0.05
QR_BIT = 0x80

NAMED = """
key "{key.name}" {{ algorithm {key.algorithm}; secret "{key.secret}"; }};
options {{
  directory "{directory}"; pid-file none; lock-file none; session-keyfile "{directory}/session.key";
  {listen}
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
  infra-host-ttl: 1
  val-bogus-ttl: 1
  local-zone: "{tld}." nodefault
remote-control:
  control-enable: no
stub-zone:
  name: "{origin}"
{stubs}
"""


class Named(Nameserver):
    """One named."""

    def _argv(self) -> list[str]:
        return [program("named"), "-g", "-n", "1", "-c", str(self._directory / "named.conf")]

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

    def _listen(self) -> str:
        where = f"port {self.port} {{ {self.address}; }};"
        if ":" in self.address:
            return f"listen-on {{ none; }}; listen-on-v6 {where}"
        return f"listen-on {where} listen-on-v6 {{ none; }};"

    def _start(self, role: str, notify: str) -> None:
        text = NAMED.format(
            key=self._key,
            directory=self._directory,
            listen=self._listen(),
            notify=notify,
            origin=self._origin,
            role=role,
        )
        write_private(self._directory / "named.conf", text)
        self.restart()


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
        self.port = freeport(ADDRESS)  # one number for both: TCP may lack what the kernel gives for UDP
        with contextlib.ExitStack() as opened:
            self._socket = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            self._socket.bind((ADDRESS, self.port))
            self._socket.settimeout(POLL_SECONDS)
            self._listener = socket.create_server((ADDRESS, self.port))
            opened.pop_all()
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
