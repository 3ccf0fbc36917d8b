"""Child processes of the laboratory: start, wait until they answer, end by pid, reap."""

import contextlib
import errno
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import lbmigrate
from lbmigrate.errors import Failed

POLL_SECONDS = 0.01
TAIL_BYTES = 2000
GRACE_SECONDS = 5.0
RUN_SECONDS = 20.0
SYSTEM = "/usr/sbin:/usr/local/sbin:/sbin"


class Process:
    """One child process whose stdout and stderr go to the end of `log`.

    The child stays ours: it is waited for, so a dead one is never taken for alive, and it is ended by its pid.
    """

    def __init__(self, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.argv = tuple(argv)
        self.log = log
        self._env = env
        self._child: subprocess.Popen[bytes] | None = None
        self._mark = 0

    def start(self) -> None:
        """Start it; a second start while it lives changes nothing. Raises Failed when the program cannot be run."""
        if self.alive():
            return
        with self.log.open("ab") as out:
            self._mark = out.tell()
            try:
                self._child = subprocess.Popen(
                    self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=self._env
                )
            except OSError as wrong:
                raise Failed(f"starting {self.argv[0]}: {wrong.strerror}; install it or correct the path") from wrong

    @property
    def pid(self) -> int:
        """The process id. Raises Failed before the first start."""
        if self._child is None:
            raise Failed(f"{self.argv[0]}: asked for its pid before it was started; start it first")
        return self._child.pid

    def wait(self, ready: Callable[[], bool], seconds: float = 10) -> None:
        """Poll `ready` until it is true. Raises Failed, with the log's end, when the child dies or `seconds` pass."""
        until = time.monotonic() + seconds
        while not ready():
            if not self.alive():
                raise Failed(f"waiting for {self._name()}: it ended with {self._code()}; its log ends: {self.tail()}")
            if time.monotonic() > until:
                raise Failed(f"waiting for {self._name()}: no answer in {seconds:g} s; its log ends: {self.tail()}")
            time.sleep(POLL_SECONDS)

    def alive(self) -> bool:
        """Whether it runs now; a child that has ended is reaped here."""
        return self._child is not None and self._child.poll() is None

    def kill(self, sig: int = signal.SIGKILL) -> None:
        """Send a signal; nothing happens when it has ended."""
        if self._child is not None:
            self._child.send_signal(sig)

    def stop(self) -> None:
        """SIGTERM, after 5 s SIGKILL, and reap. May be repeated."""
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def output(self) -> str:
        """What it wrote to the log since its last start."""
        with self.log.open("rb") as file:
            file.seek(self._mark)
            return file.read().decode(errors="replace")

    def tail(self) -> str:
        """The end of what it wrote, on one line."""
        return " | ".join(self.output()[-TAIL_BYTES:].split("\n")).strip(" |")

    def _name(self) -> str:
        return f"{self.argv[0]} (pid {self.pid})"

    def _code(self) -> str:
        code = self._child.returncode if self._child else None
        return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def program(name: str) -> str:
    """The path of an installed program; a user's PATH often lacks the folders where servers live. Raises Failed."""
    found = shutil.which(name) or shutil.which(name, path=SYSTEM)
    if found is None:
        raise Failed(f"looking for {name}: not installed; install the package that holds it")
    return found


def run(*argv: str) -> str:
    """Run a program to its end, 20 s at most; its output. Raises Failed."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(argv)}: exit code {done.returncode}: {done.stdout} {done.stderr}; see its log")
    return done.stdout


def environment() -> dict[str, str]:
    """For a child that runs this very package with `python -m`, whatever its working directory is."""
    root = str(Path(lbmigrate.__file__).parent.parent)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, from its first moment on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def freeport(address: str) -> int:
    """A port that is free for TCP and UDP on `address`, and that nobody else who asks here is given.

    It is of a block that this process alone takes its ports from, outside the kernel's ephemeral range: a port that the
    kernel may hand to any client's connection can be taken between here and the server's own bind. Raises Failed.
    """
    return _PORTS.free(address)


class _Ports:
    """Blocks of ports: whoever has bound the first port of one may use the others, as long as its process lives.

    A port is given once before any is given again.
    """

    def __init__(self, size: int = 64) -> None:
        self._size = size
        self._pid = 0
        self._held: list[int] = []
        self._fresh: list[int] = []
        self._used: list[int] = []
        self._lock = threading.Lock()

    def free(self, address: str) -> int:
        """See `freeport`."""
        with self._lock:
            if self._pid != os.getpid():  # a fork's blocks are its parent's
                self._pid, self._held, self._fresh, self._used = os.getpid(), [], [], []
            again = len(self._used)
            while self._fresh or self._block() or again:
                if not self._fresh:
                    self._fresh, self._used, again = self._used, [], 0
                    continue
                self._used.append(self._fresh.pop(0))
                if _free(address, self._used[-1]):
                    return self._used[-1]
        raise Failed(f"looking for a free port on {address}: every block of ports is taken; end what holds them")

    def close(self) -> None:
        """Give the blocks back."""
        while self._held:
            os.close(self._held.pop())

    def _block(self) -> bool:
        """Take another block, if there is one; at random, for who comes first finds all of them free."""
        every = _ports()
        firsts = every[:: self._size]
        for first in random.sample(firsts, len(firsts)):
            one = socket.socket()
            try:
                one.bind(("", first))
            except OSError:
                one.close()
                continue
            self._held.append(one.detach())  # open until the process ends
            self._fresh += range(first + 1, min(first + self._size, every.stop))
            return True
        return False


_PORTS = _Ports()


def _ports() -> range:
    try:
        low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        low = 32768
    return range(10240, low) if low > 12000 else range(10240, 32768)


def _free(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.ExitStack() as held:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            try:
                held.enter_context(socket.socket(family, kind)).bind((address, port))
            except OSError as wrong:
                if wrong.errno in (errno.EADDRINUSE, errno.EACCES):
                    return False
                raise Failed(f"binding {address}: {os.strerror(wrong.errno or 0)}; use an address of this host") from (
                    wrong
                )
    return True
