"""How long a rollback takes, from the command's start until the name servers answer with the old records again.

BIND with a secondary that it notifies, HAProxy 2.6 and 2.8, the command line, installed and compiled as pip does it, as
a process of its own each time; after each a hello-world with click starts. Every run begins at the same moment of one
migration, at 50 %: zone and journal are put back between two. Once as a rule (journal in SQLite, primary alone), once
with `--from-dns`, where the journal's host, the prober's sites and B are gone (journal in a PostgreSQL that nobody
runs, B killed), until the slower of the two servers answers with the old records.
"""

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.message
import dns.query
import dns.update
import yaml
from poll import Poll
from startup import Installed
from table import Row, text, told

from lbmigrate.errors import Failed
from lbmigrate.lab.ground import ORIGIN, Ground
from lbmigrate.lab.scenario import Bounds, Expect, Scenario

RUNS = 40
PAUSE = 0.005  # seconds between two questions to a server: two who ask without pause take a core from the command
PRIMARY, EVERY = 0.2, 5.0  # seconds at most
TTL, LOWERED = 2, 1
NAME, FENCE = f"www.{ORIGIN}.", f"_lbmigrate.www.{ORIGIN}."
SECONDS = 60.0
NOBODY = "postgresql://127.0.0.1:1/lbmigrate"
QUICK = (("ttl", f"{LOWERED}s"), ("cache_margin", "1s"), ("soak", "0s"), ("gate", {"promote_margin": "30%"}))
SCENARIO = Scenario(
    path="",
    title="a rollback",
    expect=Expect(0, "", Bounds(), "unchanged", "running", "gone"),
    ttl=LOWERED,
    config=QUICK,
)


class Halfway:
    """A ground at 50 %, to which it comes back as often as wanted."""

    def __init__(self, ground: Ground, polls: tuple[Poll, ...], installed: Installed) -> None:
        self.ground, self._polls, self._installed = ground, polls, installed
        self._config = ground.config.read_text()
        self._old, self._both = ground.place.a, tuple(sorted((*ground.place.a, *ground.place.b)))
        self._retitled(TTL)
        self.gives("start")
        self._journal = ground.place.directory / "halfway.db"
        shutil.copy(ground.place.directory / "journal.db", self._journal)
        self._records = [line for line in ground.zone() if line.startswith((NAME, FENCE))]
        self.back(self.gives("rollback", "--yes", "--no-wait"))

    def _retitled(self, ttl: int) -> None:
        """The old records get a TTL of their own, by which they are known from those of weight 0."""
        self._edit([f"{NAME} {ttl} IN A {one}" for one in self._old])

    def _edit(self, lines: list[str]) -> None:
        message = dns.update.UpdateMessage(f"{ORIGIN}.", keyring=self.ground.dns.key.tsig())
        message.delete(NAME)
        message.delete(FENCE)
        for line in lines:
            name, ttl, _, rtype, rdata = line.split(" ", 4)
            message.add(name, int(ttl), rtype, rdata)
        host, _, port = self.ground.dns.primary.rpartition(":")
        dns.query.tcp(message, host, SECONDS, int(port))

    def configured(self, **changes: str) -> None:
        """The config file with these keys."""
        self.ground.config.write_text(yaml.safe_dump({**yaml.safe_load(self._config), **changes}, sort_keys=False))

    def again(self) -> None:
        """Zone, journal and every server's answers as they were at 50 %."""
        for file in self.ground.place.directory.glob("journal.db*"):
            file.unlink()
        shutil.copy(self._journal, self.ground.place.directory / "journal.db")
        began = time.time()
        self._edit(self._records)
        for poll in self._polls:
            poll.first(self._both, began, LOWERED)

    def gives(self, *words: str) -> float:
        """Give a command; the moment of its start. Raises Failed."""
        began = time.time()
        try:
            self._installed.run("lbmigrate", ("-q", "-c", str(self.ground.config), *words))
        except subprocess.CalledProcessError as wrong:
            said = str(wrong.stderr).strip()[-300:]
            raise Failed(f"lbmigrate {' '.join(words)}: exit {wrong.returncode}: {said}") from wrong
        return began

    def back(self, began: float) -> list[float]:
        """Seconds from then until each server, the primary first, answered with the old records."""
        return [poll.first(self._old, began, TTL) - began for poll in self._polls]

    def hello(self) -> float:
        """Seconds that a hello-world takes."""
        return self._installed.seconds("hello", ())


@contextmanager
def halfway() -> Iterator[Halfway]:
    """A migration at 50 %; everything ends with it."""
    with tempfile.TemporaryDirectory(prefix="lbmigrate-bench-") as name:
        (directory := Path(name) / "installed").mkdir()
        ground = Ground(SCENARIO, True, Path(name))
        polls = tuple(Poll(server, NAME, PAUSE) for server in ground.dns.nameservers)
        try:
            yield Halfway(ground, polls, Installed(directory))
        finally:
            for poll in polls:
                poll.close()
            ground.close()


def series(
    one: Halfway, runs: int, slowest: Callable[[list[float]], float], *words: str
) -> tuple[list[float], list[float]]:
    """The seconds of each run, and of the hello-world after each; `slowest`: which server's counts."""
    found, beside = [], []
    for _ in range(runs):
        one.again()
        found.append(slowest(one.back(one.gives(*words))))
        beside.append(one.hello())
    return found, beside


def rows(runs: int = RUNS) -> list[Row]:
    """The table's part."""
    with halfway() as one:
        ordinary = series(one, runs, lambda each: each[0], "rollback", "--yes", "--no-wait")
        one.configured(journal=NOBODY)
        one.ground.sides.kill("b")
        bare = series(one, runs, max, "rollback", "--from-dns", "--yes")
    half, late = statistics.median(ordinary[0]), _late(bare[0])
    alone = f"rollback --from-dns → every server, median of {runs}"
    bound = f"at most {_ms(PRIMARY)}"
    return [
        Row(f"rollback → primary, median of {runs}", _ms(half), *_beside(ordinary), bound, half <= PRIMARY),
        told("  the same, 99th percentile", _ms(_late(ordinary[0]))),
        told(alone, _ms(statistics.median(bare[0])), *_beside(bare)),
        Row("  the same, 99th percentile", _ms(late), "", "", f"at most {_ms(EVERY)}", late <= EVERY),
    ]  # fmt: skip


def _beside(found: tuple[list[float], list[float]]) -> tuple[str, str]:
    ours, theirs = map(statistics.median, found)
    return f"click hello-world {_ms(theirs)}", f"{ours / theirs:.3f}"


def _late(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100, method="inclusive")[-1]


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"


if __name__ == "__main__":
    print(text(rows(*map(int, re.findall(r"\d+", " ".join(sys.argv[1:]))))))
