"""Since when a name server answers with what: a process that asks it for one name again and again.

`poll.py ADDRESS PORT NAME PAUSE` prints a line for each change: the moment of the first such answer (Unix seconds),
the TTL, and the addresses, sorted. It is a process of its own, so that its asking takes no time from what is measured.
"""

import socket
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import dns.message

from lbmigrate.lab.process import environment
from lbmigrate.value import value

PAUSE = 0.0005  # seconds
PATIENCE = 5.0


@value
class Answer:
    """What was answered from `at` on."""

    at: float
    ttl: int
    addresses: tuple[str, ...]


class Poll:
    """The process that asks "host:port" for `name`, and all that it has told."""

    def __init__(self, server: str, name: str, pause: float = PAUSE) -> None:
        host, _, port = server.rpartition(":")
        argv = [sys.executable, str(Path(__file__)), host, port, name, str(pause)]
        self._child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment())
        self._told: list[Answer] = []
        Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            at, ttl, *addresses = line.split()
            self._told.append(Answer(float(at), int(ttl), tuple(addresses)))

    def first(self, addresses: tuple[str, ...], after: float, ttl: int | None = None) -> float:
        """When these (sorted) were first answered, at or after a moment; waits for it. Raises TimeoutError."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            for one in self._told:
                if one.at >= after and one.addresses == addresses and ttl in (None, one.ttl):
                    return one.at
            time.sleep(0.001)
        raise TimeoutError(f"{' '.join(addresses)} were not answered; told: {self._told[-3:]}")

    def close(self) -> None:
        """End the process."""
        self._child.kill()
        self._child.wait()


def main() -> None:
    """Ask until the reader is gone."""
    address, port, name, pause = sys.argv[1:]
    query = dns.message.make_query(name, "A", flags=0).to_wire()
    last: tuple[int, list[str]] = (-1, [])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.connect((address, int(port)))
        server.settimeout(PATIENCE)
        before = b""
        while True:
            server.send(query)
            wire = server.recv(4096)
            now = time.time()
            if wire != before:
                before = wire
                rrset = dns.message.from_wire(wire).answer[0]
                if (found := (rrset.ttl, sorted(map(str, rrset)))) != last:
                    last = found
                    print(f"{now:.6f}", found[0], *found[1], flush=True)
            time.sleep(float(pause))


if __name__ == "__main__":
    main()
