"""Who listens: exact addresses only, both families, and what the kernel would let us share."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lbmigrate.hosts import ports
from lbmigrate.lab.process import freeport

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


def test_a_process_that_is_gone_holds_nothing() -> None:
    assert ports.inodes(2**22 - 1) == frozenset()
    assert not ports.listens(2**22 - 1)
