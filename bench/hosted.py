"""One change of weight of ten thousand names in one zone at Route 53, beside octodns-route53 making the same change.

Both at the laboratory's Route 53, which keeps an account to 5 requests a second and judges sizes as AWS does. Ours goes
by a clock that stands but for the waits of its pace: what is told is the time that the requests take at that rate,
and beside it the processor's. It changes the weights of two sets a name, naming the old ones and the fence exactly, and
lists each batch before and after. octodns goes by the wall clock, with the pauses of its own tries; it gives every name
another value, by UPSERT, whatever stands there.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from bulk import A, B, names_of
from table import Row, text, told

from lbmigrate import plan as plans
from lbmigrate import weighted
from lbmigrate.dns.route53 import listing
from lbmigrate.dns.route53.api import Pace
from lbmigrate.dns.route53.driver import Route53
from lbmigrate.lab.process import freeport
from lbmigrate.lab.route53 import rules, sets
from lbmigrate.lab.route53.errors import ApiError
from lbmigrate.lab.route53.server import running
from lbmigrate.lab.route53.world import KEY_ID, Made, World
from lbmigrate.lab.virtual import Clock
from lbmigrate.model import Applied, Held, Records, RRset, Side
from lbmigrate.quotas import CHARACTERS, ELEMENTS
from lbmigrate.spec import Bound, Dns, Stage

COUNT = 10_000
HOST = "127.0.0.1"
ZONE = "lab.test."
SECONDS = 1800.0  # for octodns at most
WHOLE, SAFE = 1000, 500  # changes of a batch of octodns, which counts an UPSERT once; Route 53 counts it twice
OCTODNS = Path(__file__).parent.parent / ".bench" / "bin" / "octodns-sync"
OCTODNS_CONFIG = """\
providers:
  config: {{class: octodns.provider.yaml.YamlProvider, directory: {zones}, default_ttl: 60}}
  route53: {{class: octodns_route53.Route53Provider, max_changes: {most}, client_max_attempts: 30}}
zones:
  {zone}: {{sources: [config], targets: [route53]}}
"""
KEYS = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": "bench", "AWS_EC2_METADATA_DISABLED": "true"}


class Counting(World):
    """The laboratory's Route 53, which counts what it refuses, and keeps what it is asked to change."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock, random.Random(1))
        self.refused: list[str] = []
        self.sizes: list[tuple[int, int]] = []

    def admit(self, key_id: str, action: str, token: str = "") -> str:
        """See World."""
        try:
            return super().admit(key_id, action, token)
        except ApiError as wrong:
            self.refused.append(wrong.code)
            raise

    def change(self, account: str, zone_id: str, changes: Sequence[rules.Change], comment: str = "") -> Any:
        """See World."""
        try:
            done = super().change(account, zone_id, changes, comment)
        except ApiError as wrong:
            self.refused.append(wrong.code)
            raise
        self.sizes += [(rules.elements([one]), rules.characters([one])) for one in changes]
        return done


def ours(count: int) -> tuple[Counting, float, float]:
    """The account after a stage from 25 to 50, seconds of its clock, and of the processor."""
    clock = Clock()
    world, at = Counting(clock.now), f"{HOST}:{freeport(HOST)}"
    zone = world.create(Made(ZONE, "bench")).id
    entry = Dns("route53", ZONE, scheme="weighted", zone_id=zone, endpoint=f"http://{at}")
    sides = Side("sim", (A,)), Side("sim", (B,))
    bound = Bound("bench", names_of(count), *sides, (entry,), (Stage(25), Stage(50), Stage(100)))
    plan = plans.build(bound, tuple(Held(name, (RRset(name, "A", 60, (A,)),)) for name in bound.names))
    steps = [(at_(plan, index, 25), at_(plan, index, 50)) for index in range(len(plan.batches))]
    world.fill(zone, [one for old, _ in steps for one in standing(old)])
    with running(world, at, {}), closing(Route53(entry, 60.0, 60.0, Pace(clock.now, clock.sleep))) as driver:
        began, used = clock.now(), time.process_time()
        for old, new in steps:
            if (outcome := driver.swap(old, new)) != Applied():
                raise OSError(f"Route 53: {outcome}")
        return world, clock.now() - began, time.process_time() - used


def at_(plan: plans.Plan, index: int, weight: int) -> Records:
    """What the names of a batch hold at a weight."""
    return Records(plans.wanted(plan, "0a1b2c3d", weight, plans.Write(index, "weight", weight)))


def standing(records: Records) -> Iterator[sets.RecordSet]:
    """The record sets that these are."""
    for held in records.held:
        name = listing.owner(held.name)
        each = [one for rrset in held.rrsets for one in weighted.sets(name, rrset)]
        mark = [listing.marked(held.name, held.fence, listing.kept("0a0b0c0d", each))] if held.fence else []
        yield from map(sets.from_json, [*each, *mark])


def least(sizes: Sequence[tuple[int, int]]) -> int:
    """The fewest requests that changes of these sizes need: by elements, and by characters."""
    elements, characters = (sum(one[place] for one in sizes) for place in (0, 1))
    return max(-(-elements // ELEMENTS), -(-characters // CHARACTERS))


def theirs(directory: Path, count: int, most: int) -> tuple[Counting, float, int]:
    """The account after octodns-sync with batches of `most`, its seconds, and how it ended."""
    world, at = Counting(time.time), f"{HOST}:{freeport(HOST)}"
    zone = world.create(Made(ZONE, "bench")).id
    world.fill(zone, [sets.from_json(weighted.sets(name, RRset(name, "A", 60, (A,)))[0]) for name in names_of(count)])
    (directory / "zones").mkdir(parents=True)
    (directory / "zones" / f"{ZONE}yaml").write_text(
        "".join(f"{name.removesuffix('.' + ZONE)}: {{ttl: 60, type: A, value: {B}}}\n" for name in names_of(count))
    )
    (directory / "octodns.yaml").write_text(OCTODNS_CONFIG.format(zones=directory / "zones", zone=ZONE, most=most))
    argv = [str(OCTODNS), "--config-file", str(directory / "octodns.yaml"), "--doit", "--force", "--quiet"]
    with running(world, at, {}):
        began = time.perf_counter()
        env = {**os.environ, **KEYS, "AWS_ENDPOINT_URL_ROUTE_53": f"http://{at}", "AWS_DEFAULT_REGION": "us-east-1"}
        done = subprocess.run(argv, env=env, capture_output=True, check=False, timeout=SECONDS)
        return world, time.perf_counter() - began, done.returncode


def rows(count: int = COUNT) -> list[Row]:
    """The table's part."""
    os.environ.update(KEYS)
    world, seconds, used = ours(count)
    sent, few = world.calls.count("ChangeResourceRecordSets"), least(world.sizes)
    what = f"{count} names at Route 53, a stage"
    with tempfile.TemporaryDirectory(prefix="lbmigrate-bench-") as name:
        whole, safe = (theirs(Path(name) / str(most), count, most) for most in (WHOLE, SAFE))
    refused = whole[0].refused.count("InvalidChangeBatch")
    beside = f"octodns-route53 ({SAFE} a batch) {safe[0].calls.count('ChangeResourceRecordSets')}"
    return [
        Row(f"{what}, batches", f"{sent}", beside, "", f"{few}, the least", sent == few),
        Row(f"{what}, refused", f"{len(world.refused)}", _ended(whole, refused), "", "0", not world.refused),
        told(f"{what}, at 5 requests/s", f"{seconds:.0f} s, {len(world.calls)} calls",
             f"{_ended(safe, len(safe[0].refused))} in {safe[1]:.0f} s, {len(safe[0].calls)} calls"),
        told(f"{what}, processor", f"{used:.0f} s, the laboratory's server included"),
    ]  # fmt: skip


def _ended(one: tuple[Counting, float, int], refused: int) -> str:
    return f"octodns-route53 {'done' if one[2] == 0 else 'failed'}, {refused} refused"


if __name__ == "__main__":
    print(text(rows(int(sys.argv[1]) if sys.argv[1:] else COUNT)))
