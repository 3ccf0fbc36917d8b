"""A whole migration for tests: a ground of real servers, the command line against it, and what both left behind.

The pace is quick (TTLs of one second, a second of margin, half a second of soak), so that a stage takes three.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import dns.query
import dns.rcode
import dns.update
import pytest
import yaml
from taps import Tap

from lbmigrate.lab import dnswatch
from lbmigrate.lab.dns import SOFTWARE
from lbmigrate.lab.ground import ORIGIN, Ground
from lbmigrate.lab.process import environment
from lbmigrate.lab.scenario import Bounds, Expect, Scenario
from lbmigrate.value import replace

WWW = f"www.{ORIGIN}."
FENCE = f"_lbmigrate.{WWW}"
NEEDS = ("named", "unbound", "haproxy")
COMMAND_SECONDS = 300.0  # fifty at once, on a machine that has other work
# The command line as it is, but for how long `start` waits for a B that does not become fit.
PROGRAM = "from lbmigrate import __main__, decide; decide.PROVE_LIMIT = {}; {}; __main__.main()"
# Every clock of a command says what the machine's does and so much more, as a file has it at that moment.
CLOCK = (
    "import pathlib, time; true, more = time.time, pathlib.Path({!r}); "
    "time.time = lambda: true() + float(more.read_text())"
)
POLL_SECONDS = 0.02
QUICK: dict[str, Any] = {
    "stages": [50, 100],
    "soak": "500ms",
    "soak_limit": "60s",
    "ttl": "1s",
    "cache_margin": "1s",
    "gate": {"promote_margin": "30%"},
    "retire": {"idle_for": "1s", "limit": "30s"},
}
SCENARIO = Scenario(
    path="", title="", expect=Expect(0, "", Bounds(), "moved", "retired", "running"), ttl=1, backends=2, runtime_only=1
)


@dataclass(frozen=True)
class Said:
    """How a command ended: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line of an error."""
        complaints = [line for line in self.err.splitlines() if line.startswith("lbmigrate: ")]
        assert len(complaints) == 1, f"exit {self.code}, not one line of complaint: {self.err[-2000:]}"
        return complaints[0].removeprefix("lbmigrate: ")


class Under:
    """A command under way."""

    def __init__(self, argv: Sequence[str], directory: Path, env: Mapping[str, str]) -> None:
        self._child = subprocess.Popen(
            argv, cwd=directory, env=env, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.pid = self._child.pid

    def signal(self, number: int) -> None:
        self._child.send_signal(number)

    def alive(self) -> bool:
        return self._child.poll() is None

    def end(self) -> Said:
        """Wait for its end."""
        try:
            out, err = self._child.communicate(timeout=COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            out, err = self._child.communicate()
            raise AssertionError(f"{self._child.args!r}: not done in {COMMAND_SECONDS} s: {err[-2000:]}") from None
        assert "Traceback" not in err, err
        return Said(self._child.returncode, out, err)


class Rig:
    """One ground and one config file. `config` is what the file holds; `write` changes it.

    `patience`: seconds that `start` gives B to become fit.
    """

    def __init__(self, directory: Path, scenario: Scenario = SCENARIO, **config: Any) -> None:
        self.ground = Ground(replace(scenario, config=tuple({**QUICK, **config}.items())), True, directory)
        self.directory = directory
        self.config = self.ground.settings
        self.env: dict[str, str] = {}
        self.patience = 60.0
        self.before = "pass"  # what the program does before it begins
        self.through: tuple[str, ...] = ()  # a command that starts it
        self._begun: list[Under] = []

    def close(self) -> None:
        """End every command and every server."""
        for one in self._begun:
            if one.alive():
                one.signal(9)
                one.end()
        self.ground.close()

    # ---- the config, the command line

    def write(self, **changes: Any) -> Self:
        """Put these keys into the config file."""
        self.config = {**self.config, **changes}
        self.ground.config.write_text(yaml.safe_dump(self.config, sort_keys=False))
        return self

    def entry(self, **changes: Any) -> Self:
        """Put these keys into the config's only `dns:` entry."""
        return self.write(dns=[{**self.config["dns"][0], **changes}])

    def begin(self, *words: str) -> Under:
        """Start a command and return at once."""
        argv = (
            *self.through,
            sys.executable,
            "-c",
            PROGRAM.format(self.patience, self.before),
            "-c",
            str(self.ground.config),
            *words,
        )
        return self.under(argv, {**environment(), **self.env})

    def under(self, argv: Sequence[str], env: Mapping[str, str]) -> Under:
        """Start any program, which ends with the rig at the latest."""
        one = Under(argv, self.directory, env)
        self._begun.append(one)
        return one

    def give(self, *words: str) -> Said:
        """Give a command and wait for its end."""
        return self.begin(*words).end()

    def ok(self, *words: str) -> Said:
        """Give a command that must succeed."""
        said = self.give(*words)
        assert said.code == 0, f"{' '.join(words)}: exit {said.code}: {said.err[-2000:]}"
        return said

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ok("-o", "json", "status").out)
        return found

    def history(self) -> list[dict[str, Any]]:
        """The journal, one document an entry."""
        return [json.loads(line) for line in self.ok("-o", "json", "history").out.splitlines()]

    def texts(self) -> list[str]:
        """The journal's lines but for what was watched."""
        return [entry["text"] for entry in self.history() if entry["text"] and entry["event"] != "Saw"]

    def off(self, seconds: float) -> None:
        """From now on the commands' clock is off by so much, also of those under way if they began after the first
        such word."""
        file = self.directory / "clock"
        file.with_suffix(".new").write_text(str(seconds))
        file.with_suffix(".new").replace(file)
        self.before = CLOCK.format(str(file))

    # ---- DNS

    @property
    def a(self) -> str:
        return self.ground.place.a[0]

    @property
    def b(self) -> str:
        return self.ground.place.b[0]

    @property
    def port(self) -> int:
        """The primary's own port, whatever the config says."""
        return int(self.ground.dns.primary.rpartition(":")[2])

    def records(self) -> list[str]:
        """The zone by transfer, but for its SOA, whose serial counts every change."""
        return [line for line in self.ground.zone() if " SOA " not in line]

    def fence(self) -> str:
        """The fence's TXT record, "" where there is none."""
        return next((line for line in self.records() if line.startswith(FENCE)), "")

    def served(self, name: str = WWW) -> list[list[str]]:
        """What each authoritative server answers for the A records of a name."""
        replies = [dnswatch.reply(server, name, "A") for server in self.ground.dns.nameservers]
        return [sorted(str(rdata) for rrset in one.answer for rdata in rrset) for one in replies]

    def edit(self, change: Callable[[dns.update.UpdateMessage], None]) -> None:
        """Somebody else's change of the zone."""
        message = dns.update.UpdateMessage(f"{ORIGIN}.", keyring=self.ground.dns.key.tsig())
        change(message)
        reply = dns.query.tcp(message, "127.0.0.1", 5, self.port)
        assert reply.rcode() == dns.rcode.NOERROR, dns.rcode.to_text(reply.rcode())

    # ---- the ways there

    def at_50(self) -> Self:
        """The first stage, judged."""
        self.ok("start")
        assert self.served() == [sorted((self.a, self.b))] * 2
        return self


def until(true: Callable[[], Any], what: str, seconds: float = 30.0) -> None:
    """Poll until it is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(POLL_SECONDS)


@contextmanager
def rig(directory: Path, scenario: Scenario = SCENARIO, watched: bool = True, **config: Any) -> Iterator[Rig]:
    """A rig; `watched`: a query every 10 ms to every authoritative server, none may be empty or an error."""
    with ExitStack() as stack:
        found = Rig(directory, scenario, **config)
        stack.callback(found.close)
        if watched:
            found.ground.watch.start()
            stack.callback(found.ground.watch.process.stop)
        yield found
        if watched:
            summary = found.ground.watch.stop()
            assert summary.clean, summary.failures[:5]
            assert summary.answers > 0


@contextmanager
def tapped(one: Rig) -> Iterator[Tap]:
    """A proxy before the primary that keeps every message; lbmigrate knows no other way there."""
    tap = Tap(one.port)
    one.entry(port=tap.port)
    try:
        yield tap
    finally:
        tap.close()


EACH = [pytest.param(one, marks=pytest.mark.real(one, "unbound", "haproxy")) for one in SOFTWARE]


def on(software: str) -> Scenario:
    """The scenario with these name servers."""
    return replace(SCENARIO, software=software)


def root() -> bool:
    return os.geteuid() == 0
