"""HAProxy's Runtime API: one command per connection on a unix socket, bounded in time, and its tables as values.

Commands used, and no others, so that a stand-in knows what to answer (HAProxy 2.6 and 2.8, "Management Guide" 9.3).
A connection carries one line and is closed by HAProxy after its answer. No experimental mode is needed.

    show info                                   lines "Key: value"; read: Name, Version, Pid, Start_time_sec, Stopping
    show stat                                   CSV, first line "# pxname,svname,…"; read by name: pxname svname type
                                                (0 frontend, 1 backend, 2 server) status scur stot req_tot hrsp_5xx
                                                econ eresp mode check_status
    show servers state                          version line "1", "# be_id be_name …", rows; read by name: be_name
                                                srv_name srv_addr srv_port srv_admin_state srv_uweight srv_fqdn
                                                srv_use_ssl
    show sess                                   rows "0x…: proto=tcpv4 src=1.2.3.4:5 fe=NAME …"; read: src, fe
    add server P/S ADDR:PORT weight W [opts]    "New server registered."; the new server is in maintenance, its checks
                                                are off; opts: those of its neighbours in the file, "check inter 1s …"
    enable health P/S                           (nothing); only after `add server … check`
    set server P/S state ready|drain|maint      (nothing)
    set server P/S weight N | 0%                (nothing)
    set server P/S addr IP port N               "… changed from …" or "no need to change …"
    del server P/S                              "Server deleted."; only in maintenance

The program itself is called as `BINARY -c -f FILE` (exit 0: valid) and `BINARY -db -f FILE [ARGS] [-sf PID]`: in the
foreground (its caller puts it in a session of its own), with `-sf` telling PID to stop softly once it listens.
SIGUSR1 is the soft stop: every listener closes, the unix socket included, and what is under way finishes.
"""

import csv
import re
import socket
import time
from collections.abc import Mapping

from lbmigrate.errors import Denied, Failed, Refused, Unreachable
from lbmigrate.value import value

SECONDS = 2.0
POLL_SECONDS = 0.01
NAME = re.compile(r"[A-Za-z0-9_.:-]+")  # what HAProxy itself accepts in the names of proxies and servers
OPTION = re.compile(r"[^;\s\\<\x00-\x1f\x7f]+")
NUMBERS = (
    "srv_admin_state", "srv_port", "srv_uweight", "scur", "req_tot", "stot", "hrsp_5xx", "econ", "eresp",
)  # fmt: skip
Row = Mapping[str, str]


class Gone(Unreachable):
    """Nobody listens on the socket: the process has ended or has been told to stop."""


@value
class Runtime:
    """One HAProxy's admin socket, a unix socket: whoever can reach a TCP one owns the balancer."""

    path: str
    until: float | None = None

    def __post_init__(self) -> None:
        if not self.path.startswith("/"):
            raise Refused(
                f"admin socket {self.path!r}: no absolute path of a unix socket; give the one in `stats socket`"
            )

    def within(self, seconds: float) -> "Runtime":
        """The same socket with one deadline, from now, over all that is asked through it."""
        return Runtime(self.path, time.monotonic() + seconds)

    def ask(self, command: str) -> str:
        """One command, its whole answer. Raises Gone, Unreachable (at the deadline, else after 2 s), Denied."""
        if ";" in command or not command.isprintable():
            raise Refused(f"Runtime API command {command!r}: separators and control characters are not sent")
        answer = self._asked(command, self.until or time.monotonic() + SECONDS).decode(errors="replace")
        if answer.startswith("Permission denied"):
            raise Denied(f"asking {self.path} for {command!r}: permission denied; give its `stats socket` level admin")
        return answer.strip()

    def _asked(self, command: str, until: float) -> bytes:
        """A question that a stopping process cuts off is asked again: the next connection tells whether it is gone."""
        while True:
            try:
                if (answer := self._talk(command, until)) or not command.startswith("show "):
                    return answer
            except ConnectionError as wrong:
                if not command.startswith("show ") or time.monotonic() > until:
                    raise self._unreachable(command, wrong) from wrong
            except OSError as wrong:  # a timeout is one too
                raise self._unreachable(command, wrong) from wrong
            if time.monotonic() > until:
                raise self._unreachable(command, "no answer")
            time.sleep(POLL_SECONDS)

    def _unreachable(self, command: str, seen: object) -> Unreachable:
        return Unreachable(f"asking {self.path} for {command!r}: {seen}; look whether HAProxy is overloaded or stuck")

    def _talk(self, command: str, until: float) -> bytes:
        answer = bytearray()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            self._connect(link, until)
            link.sendall(command.encode() + b"\n")
            while data := self._receive(link, until):
                answer += data
        return bytes(answer)

    def _connect(self, link: socket.socket, until: float) -> None:
        link.settimeout(max(0.001, until - time.monotonic()))
        try:
            link.connect(self.path)
        except (FileNotFoundError, ConnectionRefusedError) as wrong:
            raise Gone(f"asking {self.path}: {wrong.strerror}; start the balancer or correct `socket`") from wrong

    @staticmethod
    def _receive(link: socket.socket, until: float) -> bytes:
        link.settimeout(max(0.001, until - time.monotonic()))
        return link.recv(65536)

    def order(self, command: str, *expected: str) -> None:
        """A command that changes something: no answer, or one that holds an `expected` text. Raises Failed."""
        answer = self.ask(command)
        if answer and not any(one in answer for one in expected):
            raise Failed(
                f"telling {self.path} {command!r}: HAProxy says {' '.join(answer.split())}; correct that in A first"
            )


def info(runtime: Runtime) -> Row:
    """`show info` as a mapping. Raises Gone, Unreachable."""
    lines = runtime.ask("show info").splitlines()
    fields = {key.strip(): rest.strip() for key, _, rest in (line.partition(":") for line in lines)}
    if missing := [key for key in ("Pid", "Start_time_sec") if not fields.get(key, "").isdigit()]:
        raise Unreachable(
            f"asking {runtime.path} for 'show info': no {missing[0]} in the answer; is this HAProxy 2.4+?"
        )
    return fields


def stats(runtime: Runtime) -> list[Row]:
    """`show stat`, one mapping per frontend, backend and server. Raises Gone, Unreachable."""
    return _rows(runtime, "show stat", "# pxname", ",")


def servers(runtime: Runtime) -> list[Row]:
    """`show servers state`, one mapping per server. Raises Gone, Unreachable."""
    return _rows(runtime, "show servers state", "# be_id", " ")


def sources(runtime: Runtime, frontends: frozenset[str]) -> frozenset[str]:
    """Client addresses of `show sess` in these frontends: requests under way (an idle connection has no session)."""
    found = re.findall(r"\bsrc=(\S+):\d+ fe=(\S+)", runtime.ask("show sess"))
    return frozenset(address.strip("[]") for address, frontend in found if frontend in frontends)


def _rows(runtime: Runtime, command: str, header: str, comma: str) -> list[Row]:
    text = runtime.ask(command)
    start = text.find(header)
    if start < 0:
        raise Unreachable(f"asking {runtime.path} for {command!r}: no table in the answer ({text[:60]!r}); try again")
    rows: list[Row] = list(csv.DictReader(text[start + 2 :].splitlines(), delimiter=comma))
    if broken := next((row for row in rows if not _whole(row)), None):
        raise Unreachable(
            f"asking {runtime.path} for {command!r}: a line is no row of its table ({str(broken)[:60]!r}); try again"
        )
    return rows


def _whole(row: Mapping[str, str | None]) -> bool:
    """Whether a row has all its columns, no more, and numbers where they belong."""
    numbers = [row.get(key) or "0" for key in NUMBERS]
    return None not in row and None not in row.values() and all(re.fullmatch("[0-9]+", one) for one in numbers)


def named(*names: str) -> str:
    """`pool/server` for a command, or one name. Raises Refused for a name that could carry another command."""
    for name in names:
        if not NAME.fullmatch(name):
            raise Refused(f"the name {name!r} in the balancer's configuration: not sent to a Runtime API; rename it")
    return "/".join(names)
