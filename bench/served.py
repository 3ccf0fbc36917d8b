"""How long a decided weight takes until BIND serves it, and how long nsupdate and dig take for the same change.

Ours: from the moment the engine begins to write its intent into the journal (SQLite on disk, synchronous) to the
first answer of named that shows the new addresses, as another process sees it that asks without pause. Theirs: from
the start of nsupdate (same server, same kind of key, prerequisite on the old value) to the end of the first dig that
shows it. The two take turns on two names of one zone. The sides and the prober are simulated: no part of either.
"""

import gc
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from poll import Poll
from table import Row, text, told

from lbmigrate import dns, worker
from lbmigrate import plan as plans
from lbmigrate.__main__ import UNSEARCHED
from lbmigrate.assemble import WallClock
from lbmigrate.engine import Engine
from lbmigrate.events import Asked, Began, Entry, Event
from lbmigrate.fold import State
from lbmigrate.journal.sqlite import SqliteJournal
from lbmigrate.lab.dns import DnsParts, start_dns
from lbmigrate.lab.virtual import RESULTS, Faults, SimBalancer, World
from lbmigrate.model import Balancer, Channel, PairSeen, Probe, Sample, Side, SideName
from lbmigrate.parts import Parts
from lbmigrate.plan import Write
from lbmigrate.spec import Bound, Dns, Soft, Stage, Tsig

CHANGES = 50
MOST = 0.010  # seconds
A, B = "192.0.2.10", "192.0.2.20"
OURS, THEIRS = "www.lab.test.", "other.lab.test."
ZONE = f"""$ORIGIN lab.test.
$TTL 60
@ IN SOA ns1 hostmaster 1 3600 600 86400 60
@ NS ns1
ns1 A 127.0.0.1
www A {A}
other A {A}
other A {B}
"""
WEIGHTS = {50: (A, B), 100: (B,)}


class Ready:
    """A `model.Prober` that has always just seen twenty good pairs, so that nothing waits for probes."""

    def start(self, seconds: float, seen: Callable[[Sample], bool]) -> "Ready":  # noqa: ARG002
        """See model.Prober."""
        for _ in range(20):
            seen(PairSeen(0, RESULTS["good"], RESULTS["good"]))
        return self

    def compare(self) -> tuple[str, ...]:
        """See model.Prober."""
        return ()

    def wait(self, seconds: float) -> bool:  # noqa: ARG002
        """See model.Probing."""
        return True

    def stop(self) -> float:
        """See model.Probing."""
        return 0.001


class Timed:
    """A `Journal` that remembers when the intent of the last write began to be written down."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal
        self.began = 0.0

    def read(self, after: int = 0, whole: bool = False) -> list[Entry]:
        """See Journal."""
        return self._journal.read(after, whole)

    def append(self, n: int, at: float, by: str, event: Event) -> bool:
        """See Journal."""
        if isinstance(event, Began) and isinstance(event.step, Write):
            self.began = time.time()
        return self._journal.append(n, at, by, event)

    def verify(self) -> int:
        """See Journal."""
        return self._journal.verify()

    def close(self) -> None:
        """See Journal."""
        self._journal.close()


@contextmanager
def migration(directory: Path, made: DnsParts) -> Iterator[tuple[Engine, Parts, Timed]]:
    """An engine on a claimed name, at weight 50."""
    host, _, port = made.primary.rpartition(":")
    secret = directory / "secret"
    secret.write_text(made.key.secret)
    secret.chmod(0o600)
    key = Tsig(made.key.name, made.key.algorithm, f"file:{secret}")
    entry = Dns("rfc2136", "lab.test.", host, int(port), key, nameservers=(made.primary,))
    bound = Bound("bench", (OURS,), Side("sim", (A,)), Side("sim", (B,)), (entry,), (Stage(50), Stage(100)))
    soft = Soft((Probe(f"http://{OURS}/"),), soak=3600)
    zone, world = dns.make(entry), World(1, (), Faults())
    world.up["b"] = True
    sides: dict[SideName, Balancer] = {"a": SimBalancer(world, "a", (A,)), "b": SimBalancer(world, "b", (B,))}
    parts = Parts((zone,), sides, Ready(), (Channel(0, "A"),), WallClock())
    journal = Timed(SqliteJournal(str(directory / "journal.db")))
    engine = Engine(journal, parts.clock, worker.here(), worker.alive)
    try:
        engine.begin(plans.build(bound, zone.read((OURS,)).held), soft, lambda: tuple(zone.served((OURS,))))
        engine.drive(parts, arrived(50))
        yield engine, parts, journal
    finally:
        journal.close()


def arrived(weight: int) -> Callable[[State], bool]:
    """The goal: the weight is set, its write has ended."""
    return lambda s: s.weight == weight and s.flight is None


def ours(engine: Engine, parts: Parts, journal: Timed, poll: Poll, weight: int) -> float:
    """Seconds from the intent to the first sight."""
    engine.ask(Asked("shift", weight, force=True))
    engine.drive(parts, arrived(weight))
    return poll.first(WEIGHTS[weight], journal.began) - journal.began


def theirs(made: DnsParts, keyfile: Path, weight: int) -> float:
    """Seconds from the start of nsupdate to the end of the first dig that shows the change."""
    host, _, port = made.primary.rpartition(":")
    before = WEIGHTS[50 if weight == 100 else 100]
    lines = [f"server {host} {port}", "zone lab.test."]
    lines += [f"prereq yxrrset {THEIRS} A {one}" for one in before]
    lines += [f"update delete {THEIRS} A", *(f"update add {THEIRS} 60 A {one}" for one in WEIGHTS[weight]), "send"]
    began = time.time()
    subprocess.run(["nsupdate", "-v", "-k", keyfile], input="\n".join(lines) + "\n", text=True, check=True)
    dig = ["dig", f"@{host}", "-p", port, "+short", "+norecurse", THEIRS, "A"]
    while tuple(sorted(subprocess.check_output(dig, text=True).split())) != WEIGHTS[weight]:
        continue
    return time.time() - began


def series(changes: int) -> tuple[list[float], list[float]]:
    """The seconds of each change, ours and theirs, taking turns."""
    with tempfile.TemporaryDirectory(prefix="lbmigrate-bench-") as name, ExitStack() as open_:
        directory = Path(name)
        made = start_dns(True, directory / "dns", ZONE, "lab.test")
        open_.callback(made.stop)
        poll = Poll(made.primary, OURS)
        open_.callback(poll.close)
        keyfile = directory / "nsupdate.key"
        key = f'algorithm {made.key.algorithm}; secret "{made.key.secret}";'
        keyfile.write_text(f'key "{made.key.name}" {{ {key} }};\n')
        held = open_.enter_context(migration(directory, made))
        weights = [(100, 50)[n % 2] for n in range(changes)]
        both = [(ours(*held, poll, weight), theirs(made, keyfile, weight)) for weight in weights]
    return [one for one, _ in both], [other for _, other in both]


def rows(changes: int = CHANGES) -> list[Row]:
    """The table's part."""
    gc.set_threshold(UNSEARCHED)  # as the command line has it
    mine, other = series(changes)
    half, late = statistics.median(mine), statistics.quantiles(mine, n=20)[-1]
    half_other, late_other = statistics.median(other), statistics.quantiles(other, n=20)[-1]
    ratio = half / half_other
    return [
        Row(
            f"a weight decided → served, median of {changes}",
            _ms(half), f"nsupdate + dig {_ms(half_other)}", f"{ratio:.3f}", f"at most {_ms(MOST)}", half <= MOST,
        ),
        told("  the same, 95th percentile", _ms(late), f"nsupdate + dig {_ms(late_other)}", f"{late / late_other:.3f}"),
    ]  # fmt: skip


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"


if __name__ == "__main__":
    print(text(rows()))
