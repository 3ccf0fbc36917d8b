"""One change of weight of ten thousand names in one zone, beside nsupdate making the same change; both on named.

Ours: from the operator's word to the journal's last entry about it, every intent and every end durable, every
message read back. The messages are counted; beside them stands how many this one change would need: as many names as
fit one message to the last byte. Theirs: nsupdate with the same prerequisites, changes and fences, as many names to a
message as its own layout surely holds; then one `dig axfr`, as a careful person reads back. What the name servers
serve, the sides and the prober are no part of either. Ours is a process of its own, which says what it used at most.
"""

import gc
import json
import subprocess
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import cast

from served import Ready
from table import Row, judged, text

from lbmigrate import dns, fence, worker
from lbmigrate import plan as plans
from lbmigrate.__main__ import UNSEARCHED
from lbmigrate.assemble import WallClock
from lbmigrate.dns import update
from lbmigrate.dns.records import name_of
from lbmigrate.engine import Engine, Goal
from lbmigrate.events import Asked
from lbmigrate.journal.sqlite import SqliteJournal
from lbmigrate.lab.dns import DnsParts, start_dns
from lbmigrate.lab.virtual import Faults, SimBalancer, World
from lbmigrate.model import Balancer, Channel, Fence, Outcome, Probe, Records, RRset, Served, Side, SideName, Then, Zone
from lbmigrate.parts import Parts
from lbmigrate.plan import Write
from lbmigrate.size import HEADER, LIMIT, signature
from lbmigrate.spec import Bound, Dns, Soft, Stage, Tsig
from lbmigrate.value import from_json, to_json, value

COUNT = 10_000
MOST = 1.5
MOST_MIB = 120
THEIRS = 150  # names in one message of nsupdate, which writes later names out in full
A, B = "192.0.2.10", "192.0.2.20"
ORIGIN = "lab.test."
HEAD = f"$ORIGIN {ORIGIN}\n$TTL 60\n@ IN SOA ns1 hostmaster 1 3600 600 86400 60\n@ NS ns1\nns1 A 127.0.0.1\n"


class Watched:
    """A `model.Zone` that keeps what is written, and answers for the name servers from the primary."""

    def __init__(self, zone: Zone, server: str) -> None:
        self._zone, self._server = zone, server
        self.swaps: list[tuple[Records, Records]] = []

    def read(self, names: Sequence[str]) -> Records:
        """See model.Zone."""
        return self._zone.read(names)

    def swap(self, old: Records, new: Records, then: Then = None) -> Outcome:
        """See model.Zone."""
        self.swaps.append((old, new))
        return self._zone.swap(old, new, then)

    def served(self, names: Sequence[str], rtypes: Sequence[str] = ("A",)) -> list[Served]:  # noqa: ARG002
        """See model.Zone."""
        held = self._zone.read(names).held
        return [Served(self._server, r.name, r.rtype, r.ttl, r.rdatas) for one in held for r in one.rrsets]

    def check(self, names: Sequence[str]) -> tuple[str, ...]:
        """See model.Zone."""
        return self._zone.check(names)


def arrived(weight: int) -> Goal:
    """The weight is set in every batch."""
    return lambda s: s.weight == weight and s.flight is None and not isinstance(s.step, Write)


def names_of(count: int) -> tuple[str, ...]:
    """The names that move."""
    return tuple(f"www{number:05}.{ORIGIN}" for number in range(count))


@value
class Ours:
    """Seconds of the change, its messages, how many it takes at least, and the most memory (resident, MiB)."""

    seconds: float
    sent: int
    least: int
    peak: float


def ours(directory: Path, count: int) -> Ours:
    """What `lbmigrate` takes, measured in a process of its own: from the plan on, the first stage included."""
    argv = [sys.executable, __file__, str(directory), str(count)]
    return cast(Ours, from_json(Ours, json.loads(subprocess.check_output(argv, text=True))))


def _change(directory: Path, count: int) -> Ours:
    names = names_of(count)
    with ExitStack() as open_:
        made = start_dns(True, directory / "dns", HEAD + "".join(f"{name} A {A}\n" for name in names), "lab.test")
        open_.callback(made.stop)
        entry = _entry(directory, made)
        zone = Watched(dns.make(entry), made.primary)
        bound = Bound("bench", names, Side("sim", (A,)), Side("sim", (B,)), (entry,), (Stage(50), Stage(100)))
        world = World(1, (), Faults())
        world.up["b"] = True
        sides: dict[SideName, Balancer] = {"a": SimBalancer(world, "a", (A,)), "b": SimBalancer(world, "b", (B,))}
        parts = Parts((zone,), sides, Ready(), (Channel(0, "A"),), WallClock())
        journal = SqliteJournal(str(directory / "journal.db"))
        open_.callback(journal.close)
        engine = Engine(journal, parts.clock, worker.here(), worker.alive)
        soft = Soft((Probe(f"http://{names[0]}/"),), soak=3600)
        engine.begin(plans.build(bound, zone.read(names).held), soft, lambda: tuple(zone.served(names)))
        engine.drive(parts, arrived(50))
        zone.swaps.clear()
        began = time.perf_counter()
        engine.ask(Asked("shift", 100, force=True))
        engine.drive(parts, arrived(100))
        seconds = time.perf_counter() - began
    peak = _peak()
    return Ours(seconds, *_messages(entry, zone.swaps, count), peak)


def _peak() -> float:
    """The most memory that this process had (proc(5): VmHWM; getrusage counts what its parent had before exec)."""
    (line,) = [one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def _entry(directory: Path, made: DnsParts) -> Dns:
    host, _, port = made.primary.rpartition(":")
    secret = directory / "secret"
    secret.write_text(made.key.secret)
    secret.chmod(0o600)
    key = Tsig(made.key.name, made.key.algorithm, f"file:{secret}")
    return Dns("rfc2136", ORIGIN, host, int(port), key, nameservers=(made.primary,))


def _messages(entry: Dns, swaps: list[tuple[Records, Records]], count: int) -> tuple[int, int]:
    """How many messages these swaps were, and the fewest that their bytes need."""
    zone, room = name_of(entry.zone), LIMIT - signature(entry.tsig)
    sent = sum(len(update.parts(zone, *swap, room)) for swap in swaps)
    old, new = (tuple(held for swap in swaps for held in swap[side].held) for side in (0, 1))

    def size(names: int) -> int:
        return len(update.build(zone, Records(old[:names]), Records(new[:names])))

    return sent, -(-count // bisect_right(range(1, LIMIT // HEADER), room, key=size))


def theirs(directory: Path, count: int) -> float:
    """Seconds of nsupdate and of the transfer that reads it back."""
    names = names_of(count)
    before, after = ([_fence(name, number) for name in names] for number in (200, 300))
    lines = [
        f"{name} A {A}\n{name} A {B}\n{fence.owner(name)} TXT {mark}\n"
        for name, mark in zip(names, before, strict=True)
    ]
    made = start_dns(True, directory / "dns", HEAD + "".join(lines), "lab.test")
    try:
        host, _, port = made.primary.rpartition(":")
        keyfile = directory / "nsupdate.key"
        keyfile.write_text(
            f'key "{made.key.name}" {{ algorithm {made.key.algorithm}; secret "{made.key.secret}"; }};\n'
        )
        script = [f"server {host} {port}", f"zone {ORIGIN}"]
        for start in range(0, count, THEIRS):
            each = list(zip(names, before, after, strict=True))[start : start + THEIRS]
            script += [line for one in each for line in _lines(*one)]
            script.append("send")
        (directory / "script").write_text("\n".join(script) + "\n")
        dig = ["dig", f"@{host}", "-p", port, "-k", str(keyfile), ORIGIN, "AXFR"]
        began = time.perf_counter()
        subprocess.run(["nsupdate", "-v", "-k", keyfile, directory / "script"], check=True)
        shown = subprocess.check_output(dig, text=True)
        seconds = time.perf_counter() - began
        if A in shown.replace(f"A 60 {A}", ""):
            raise OSError("nsupdate did not make the change")
        return seconds
    finally:
        made.stop()


def _fence(name: str, number: int) -> str:
    return fence.rdata(Fence("bench", "0123abcd", number, (RRset(name, "A", 60, (A,)),)))


def _lines(name: str, before: str, after: str) -> list[str]:
    mark = fence.owner(name)
    return [
        f"prereq yxrrset {name} A {A}",
        f"prereq yxrrset {name} A {B}",
        f"prereq nxrrset {name} AAAA",
        f"prereq nxrrset {name} HTTPS",
        f"prereq yxrrset {mark} TXT {before}",
        f"update delete {name} A",
        f"update add {name} 60 A {B}",
        f"update delete {mark} TXT",
        f"update add {mark} 60 TXT {after}",
    ]


def rows(count: int = COUNT) -> list[Row]:
    """The table's part."""
    with tempfile.TemporaryDirectory(prefix="lbmigrate-bench-") as name:
        directory = Path(name)
        (directory / "theirs").mkdir()
        other = theirs(directory / "theirs", count)
        mine = ours(directory, count)
    what = f"{count} names change weight"
    fits = mine.sent <= mine.least + 1
    return [
        judged(what, f"{mine.seconds:.2f} s", f"nsupdate + dig axfr {other:.2f} s", mine.seconds / other, MOST),
        Row(f"{what}, messages", f"{mine.sent}", f"at least {mine.least}", "", f"{mine.least + 1}", fits),
        Row("  its peak memory", f"{mine.peak:.0f} MiB", "", "", f"at most {MOST_MIB} MiB", mine.peak <= MOST_MIB),
    ]


def main(argv: list[str]) -> None:
    """The table's part; with a directory and a number of names our change alone, in this very process, as JSON."""
    if argv:
        gc.set_threshold(UNSEARCHED)  # as the command line has it
        print(json.dumps(to_json(_change(Path(argv[0]), int(argv[1])))))
    else:
        print(text(rows()))


if __name__ == "__main__":
    main(sys.argv[1:])
