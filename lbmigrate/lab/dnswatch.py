"""One query every 10 ms to every authoritative server for the moved names; every empty answer or error is counted.

Raw UDP from packets built beforehand; of an answer only its id, response code and number of records are read, so that
watching costs next to nothing. A question without an answer is asked again after a second, as a resolver does: a busy
machine loses or delays one, and only `TRIES` in a row are "unanswered". How many were asked again is told. A child
process: it stops at SIGTERM, waits for what is under way, and prints one line of JSON.
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
PATIENCE = 1.0  # seconds until a question is asked again
TRIES = 3
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
    """What came of the watch. `failures` lists the first thousand; the numbers count all. `seconds` were watched.

    `again`: how many questions were asked a second time, or a third; no failure, if an answer came.
    """

    queries: int
    answers: int
    empty: int
    errors: int
    timeouts: int
    seconds: float
    failures: tuple[Failure, ...]
    again: int = 0

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


class Asked:
    """A question under way: first asked `at` (Unix seconds), overdue from `due` on, sent `tries` times."""

    __slots__ = ("at", "due", "question", "tries", "wire")

    def __init__(self, at: float, question: str, wire: bytes) -> None:
        self.at, self.due, self.question, self.wire, self.tries = at, at, question, wire, 0


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
        self._pending: dict[int, Asked] = {}  # the one that is due first comes first
        self._id = 0

    def ask(self, now: float) -> None:
        """Send the next query; `now` is the moment, in Unix seconds."""
        question, body = next(self._packets)
        self._id = (self._id + 1) % IDS
        self.counts["queries"] += 1
        self._send(self._id, Asked(now, question, self._id.to_bytes(2, "big") + body), now)

    def _send(self, number: int, asked: Asked, now: float) -> None:
        asked.due, asked.tries = now + PATIENCE, asked.tries + 1
        self._pending[number] = asked
        try:
            self.socket.send(asked.wire)
        except OSError as wrong:
            # The kernel may report an earlier query's refusal here; either way this one has not been sent.
            self._fail(number, "refused" if wrong.errno == errno.ECONNREFUSED else "not sent")

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

    def expire(self, now: float) -> bool:
        """Ask again what is overdue, and count what has been often enough; whether anything is still under way."""
        while self._pending and self._pending[first := next(iter(self._pending))].due < now:
            if self._pending[first].tries == TRIES:
                self._fail(first, "timeout")
            else:
                self.counts["again"] += self._pending[first].tries == 1
                self._send(first, self._pending.pop(first), now)
        return bool(self._pending)

    def _fail(self, number: int, what: str) -> None:
        asked = self._pending.pop(number)
        kind = {"empty": "empty", "timeout": "timeouts"}.get(what, "errors")
        self.counts[kind] += 1
        if len(self.failures) < MOST_FAILURES:
            self.failures.append(Failure(asked.at, self.server, asked.question, what))


def packet(question: str) -> bytes:
    """A query's wire without its id; `question` is "NAME TYPE"."""
    name, rtype = question.split()
    return dns.message.make_query(name, rtype, flags=0).to_wire()[2:]


def reply(server: str, name: str, rtype: str) -> dns.message.Message:
    """What `server` answers, asked with the patience of the watch. Raises Unreachable."""
    host, _, port = server.rpartition(":")
    query = dns.message.make_query(name, rtype, flags=0)
    for left in reversed(range(TRIES)):
        try:
            return dns.query.udp(query, host.strip("[]"), PATIENCE, int(port))
        except (OSError, dns.exception.DNSException) as wrong:
            if not left or not isinstance(wrong, dns.exception.Timeout):
                raise Unreachable(f"asking {server} for {name} {rtype}: {wrong}; see whether it runs") from wrong
    raise AssertionError("no try")


def present(server: str, names: Sequence[str]) -> list[str]:
    """The questions ("NAME TYPE") that the server has records for. Raises Unreachable, Failed."""
    asked = product(names, TYPES)
    found = [f"{name} {rtype}" for name, rtype in asked if reply(server, name, rtype).answer]
    if not found:
        raise Failed(f"asking {server} for {', '.join(names)}: no record anywhere; correct the names")
    return found


def watch(servers: Sequence[str], questions: Sequence[str], stopped: Callable[[], bool]) -> Summary:
    """Watch until `stopped` says so, and for the last answers."""
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
    now = time.time()
    under_way = [one.expire(now) for one in watched]
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
        again=counts["again"],
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
