"""Who listens: exact addresses only, both families, and what the kernel would let us share."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lbmigrate.balancers import haproxy_process as process
from lbmigrate.balancers import make
from lbmigrate.errors import Unreachable
from lbmigrate.hosts import local, ports
from lbmigrate.lab.process import freeport
from lbmigrate.model import Look, Side

HOST = "127.94.0.2"


@contextmanager
def listening(address: str, port: int, share: bool) -> Iterator[int]:
    """A listener; the value is its socket's inode."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as server:
        if share:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind((address, port))
        server.listen()
        yield os.fstat(server.fileno()).st_ino


@pytest.mark.parametrize("address", [HOST, "::1"])
def test_a_listener_is_found_by_its_exact_address(address: str) -> None:
    port = freeport(address)
    assert ports.listeners(address, port) == frozenset()
    with listening(address, port, share=False) as inode:
        assert ports.listeners(address, port) == {inode}
        assert ports.listeners("127.94.0.3", port) == frozenset()
        assert ports.listens(os.getpid())
        assert inode in (ports.inodes(os.getpid()) or ())


def test_a_wildcard_is_nobodys_exact_address() -> None:
    port = freeport(HOST)
    with listening("0.0.0.0", port, share=True):
        assert ports.listeners(HOST, port) == frozenset()


@pytest.mark.parametrize(("wildcard", "share", "why"), [("0.0.0.0", True, ""), ("0.0.0.0", False, "does not share"), ("::", False, "does not share")])  # fmt: skip  # noqa: E501
def test_beside_a_wildcard(wildcard: str, share: bool, why: str) -> None:
    port = freeport(HOST)
    with listening(wildcard, port, share):
        assert why in ports.unbindable(HOST, port)
        assert bool(why) == bool(ports.unbindable(HOST, port))


def test_an_address_elsewhere_cannot_be_bound() -> None:
    assert ports.unbindable("192.0.2.1", 80) == "192.0.2.1 is no address of this machine"


DEAF = """
import signal, socket, sys
heard = []
signal.signal(signal.SIGUSR1, lambda *_: heard.append(1))
with socket.create_server((sys.argv[3], 0)):
    while len(heard) < 2:
        signal.pause()
"""


def test_a_lost_signal_is_sent_again(tmp_path: Path) -> None:
    """A master that has only just started does not hear the first one."""
    program = tmp_path / "haproxy"
    program.write_text(f"#!{sys.executable}{DEAF}")
    program.chmod(0o755)
    side = Side("haproxy", (HOST,), config=str(tmp_path / "h.cfg"), socket=str(tmp_path / "admin.sock"))
    pid = local.start((str(program), "-f", side.config, HOST), tmp_path / "log", {})
    process.until(lambda: process.listening(side), 10, "the program")
    with pytest.raises(Unreachable, match="its process still listens"):
        make(side, "a").look()
    make(side, "a").stop()
    assert make(side, "a").look() == Look(up=False)
    process.until(lambda: not local.alive(pid), 5, "its end")


def test_a_process_that_is_gone_holds_nothing() -> None:
    assert ports.inodes(2**22 - 1) == frozenset()
    assert not ports.listens(2**22 - 1)
