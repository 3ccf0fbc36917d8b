"""One query every 10 ms to every authoritative server for the moved names; every empty answer or error is counted.

Raw UDP from packets built beforehand; of an answer only its id, response code and number of records are read, so that
watching costs next to nothing. A child process: it stops at SIGTERM, waits for what is under way, and prints one line
of JSON.
"""

import argparse
import errno
import json
import select
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import cycle, product
from pathlib import Path

import dns.exception
import dns.message
import dns.query
from dns.rcode import Rcode

from lbmigrate.errors import Failed, LbmigrateError, Unreachable
from lbmigrate.lab.process import Process, environment
from lbmigrate.value import from_json, to_json, value

EVERY = 0.01
PATIENCE = 1.0
START_SECONDS = 10.0
MOST_FAILURES = 1000
TYPES = ("A", "AAAA", "HTTPS", "SRV")
IDS = 65536


@value
class Failure:
    """One answer that should not have been: its moment (Unix seconds), and "empty", "timeout", or the rcode."""

    at: float
    server: str
    question: str
    what: str


@value
class Summary:
    """What came of the watch. `failures` lists the first thousand; the numbers count all. `seconds` were watched."""

    queries: int
    answers: int
    empty: int
    errors: int
    timeouts: int
    seconds: float
    failures: tuple[Failure, ...]

    @property
    def clean(self) -> bool:
        """Whether every query got an answer with records in it."""
        return self.queries > 0 and self.answers == self.queries


def reading(text: str) -> Summary:
    """A summary from the JSON line of the child. Raises Failed."""
    try:
        summary = from_json(Summary, json.loads(text))
    except ValueError as wrong:
        raise Failed(f"reading the DNS watch's summary: {wrong}; see its log") from wrong
    assert isinstance(summary, Summary)
    return summary


class Watched:
    """One server: a connected socket, the packets to send in turn, and what is under way by message id."""

    def __init__(self, server: str, questions: Sequence[str]) -> None:
        host, _, port = server.rpartition(":")
        host = host.strip("[]")
        self.server = server
        self.counts: Counter[str] = Counter()
        self.failures: list[Failure] = []
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((host, int(port)))
        self.socket.setblocking(False)
        self._packets = cycle([(question, packet(question)) for question in questions])
        self._pending: dict[int, tuple[float, str]] = {}
        self._id = 0

    def ask(self, now: float) -> None:
        """Send the next query; `now` is the moment, in Unix seconds."""
        question, body = next(self._packets)
        self._id = (self._id + 1) % IDS
        self._pending[self._id] = (now, question)
        self.counts["queries"] += 1
        wire = self._id.to_bytes(2, "big") + body
        try:
            self.socket.send(wire)
        except OSError as wrong:
            # The kernel may report an earlier query's refusal here; either way this one has not been sent.
            self._fail(self._id, "refused" if wrong.errno == errno.ECONNREFUSED else "not sent")

    def hear(self) -> None:
        """Take every answer that is there."""
        while True:
            try:
                self._judge(self.socket.recv(4096))
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                if self._pending:
                    self._fail(next(iter(self._pending)), "refused")

    def _judge(self, data: bytes) -> None:
        number = int.from_bytes(data[:2], "big")
        if len(data) < 12 or number not in self._pending:
            return
        if rcode := data[3] & 15:
            self._fail(number, Rcode(rcode).name)
        elif data[6:8] == b"\0\0":
            self._fail(number, "empty")
        else:
            del self._pending[number]
            self.counts["answers"] += 1

    def expire(self, before: float) -> bool:
        """Count what was sent before that moment as timed out; whether anything is still under way."""
        while self._pending and self._pending[first := next(iter(self._pending))][0] < before:
            self._fail(first, "timeout")
        return bool(self._pending)

    def _fail(self, number: int, what: str) -> None:
        at, question = self._pending.pop(number)
        kind = {"empty": "empty", "timeout": "timeouts"}.get(what, "errors")
        self.counts[kind] += 1
        if len(self.failures) < MOST_FAILURES:
            self.failures.append(Failure(at, self.server, question, what))


def packet(question: str) -> bytes:
    """A query's wire without its id; `question` is "NAME TYPE"."""
    name, rtype = question.split()
    return dns.message.make_query(name, rtype, flags=0).to_wire()[2:]


def present(server: str, names: Sequence[str]) -> list[str]:
    """The questions ("NAME TYPE") that the server has records for. Raises Unreachable, Failed."""
    host, _, port = server.rpartition(":")
    found = []
    for name, rtype in product(names, TYPES):
        query = dns.message.make_query(name, rtype, flags=0)
        try:
            reply = dns.query.udp(query, host.strip("[]"), PATIENCE, int(port))
        except (OSError, dns.exception.DNSException) as wrong:
            raise Unreachable(f"asking {server} for {name} {rtype}: {wrong}; start the server first") from wrong
        found += [f"{name} {rtype}"] if reply.answer else []
    if not found:
        raise Failed(f"asking {server} for {', '.join(names)}: no record anywhere; correct the names")
    return found


def watch(servers: Sequence[str], questions: Sequence[str], stopped: Callable[[], bool]) -> Summary:
    """Watch until `stopped` says so, and at most a second longer for the last answers."""
    watched = [Watched(server, questions) for server in servers]
    began = slot = time.monotonic()
    while not stopped():
        now = time.monotonic()
        if now >= slot:
            for one in watched:
                one.ask(time.time())
            # After a suspension the missed slots are not made up for: a burst would be no observation.
            slot = slot + EVERY if now < slot + PATIENCE else now
        _listen(watched, max(0.0, slot - time.monotonic()))
        _expire(watched)
    seconds = time.monotonic() - began
    while _expire(watched):
        _listen(watched, EVERY)
    return _summary(watched, seconds)


def _listen(watched: Sequence[Watched], seconds: float) -> None:
    readable = select.select([one.socket for one in watched], [], [], seconds)[0]
    for one in watched:
        if one.socket in readable:
            one.hear()


def _expire(watched: Sequence[Watched]) -> bool:
    """Whether anything is still under way."""
    before = time.time() - PATIENCE
    under_way = [one.expire(before) for one in watched]
    return any(under_way)


def _summary(watched: Sequence[Watched], seconds: float) -> Summary:
    counts = sum((one.counts for one in watched), Counter[str]())
    failures = sorted((failure for one in watched for failure in one.failures), key=lambda failure: failure.at)
    for one in watched:
        one.socket.close()
    return Summary(
        queries=counts["queries"],
        answers=counts["answers"],
        empty=counts["empty"],
        errors=counts["errors"],
        timeouts=counts["timeouts"],
        seconds=round(seconds, 3),
        failures=tuple(failures[:MOST_FAILURES]),
    )


class Watch:
    """The watcher as a child process."""

    def __init__(self, servers: Sequence[str], names: Sequence[str], log: Path) -> None:
        argv = [sys.executable, "-m", "lbmigrate.lab.dnswatch"]
        argv += [arg for server in servers for arg in ("--server", server)]
        argv += [arg for name in names for arg in ("--name", name)]
        self.process = Process(argv, log, environment())

    def start(self) -> None:
        """Return when it has begun. Raises Failed when it cannot."""
        self.process.start()
        self.process.wait(lambda: "ready\n" in self.process.output(), START_SECONDS)

    def stop(self) -> Summary:
        """End it and say what it saw. Raises Failed when it died before."""
        self.process.stop()
        lines = self.process.output().splitlines()
        if not lines or not lines[-1].startswith("{"):
            raise Failed(f"ending the DNS watch: no summary; its log ends: {self.process.tail()}")
        return reading(lines[-1])


def main() -> int:
    """Watch until SIGTERM or SIGINT; print the summary."""
    parser = argparse.ArgumentParser(
        prog="python -m lbmigrate.lab.dnswatch", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--server", action="append", required=True, metavar="HOST:PORT")
    parser.add_argument("--name", action="append", required=True)
    given = parser.parse_args()
    signals: list[int] = []
    for sig in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sig, lambda number, _: signals.append(number))
    try:
        questions = present(given.server[0], given.name)
    except LbmigrateError as wrong:
        print(wrong, file=sys.stderr)
        return wrong.code
    print("ready", flush=True)
    print(json.dumps(to_json(watch(given.server, questions, lambda: bool(signals)))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
