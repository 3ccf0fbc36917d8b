"""Ports for the laboratory's servers: free, and given to one process alone, whoever else asks at the same time."""

import socket
import subprocess
import sys
from contextlib import closing

import pytest

from lbmigrate.errors import Failed
from lbmigrate.lab import process
from lbmigrate.lab.process import environment, freeport

HOST = "127.0.0.1"
# Its ports and those of a fork of it, while both live.
MANY = """
import os, sys
from lbmigrate.lab.process import freeport
def tell(ports):  # by one write(2), for both tell at once
    os.write(1, (" ".join(map(str, ports)) + "\\n").encode())
mine = [freeport("127.0.0.1") for _ in range(100)]
if os.fork():
    tell(mine)
    os.wait()
else:
    tell([freeport("127.0.0.1") for _ in range(100)])
    sys.stdin.read()
"""


def test_a_free_port_is_free_for_both() -> None:
    assert 1024 < freeport("127.0.0.1") < 65536
    with pytest.raises(Failed, match="use an address of this host"):
        freeport("192.0.2.1")


def test_no_two_processes_are_given_the_same_port() -> None:
    asking = [
        subprocess.Popen(
            [sys.executable, "-c", MANY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
        )
        for _ in range(3)
    ]
    given: list[str] = []
    for one in asking:
        assert one.stdout is not None
        given += one.stdout.readline().split() + one.stdout.readline().split()
    for one in asking:
        one.communicate()
    assert len(given) == len(set(given)) == 600


def test_a_port_is_given_again_when_all_have_been_and_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = [freeport(HOST)]
    while len(ours) < 3 or ours[-3] + 2 != ours[-1]:
        ours.append(freeport(HOST))
    first, *two = ours[-3:]
    monkeypatch.setattr(process, "_ports", lambda: range(first, first + 3))
    with closing(process._Ports()) as ports:
        assert [ports.free(HOST) for _ in range(5)] == [*two, *two, two[0]]
        taken = [socket.create_server((HOST, port)) for port in two]
        with pytest.raises(Failed, match="every block of ports is taken"):
            ports.free(HOST)
        for one in taken:
            one.close()
        assert ports.free(HOST) in two
