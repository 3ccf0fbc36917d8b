"""Two Route 53s for tests, the laboratory's and ministack's, and what each does: a function a row of docs/route53.md.

Each row makes a zone of its own through boto3 and says in a few words what came of it. `python tests/route53s.py`
measures every row on both and writes the page.
"""

import random
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]
from servers import HOST
from stores import ministack

from lbmigrate.lab.process import freeport
from lbmigrate.lab.route53 import sets
from lbmigrate.lab.route53.server import running
from lbmigrate.lab.route53.world import KEY_ID, Faults, Made, Vpc, World
from lbmigrate.value import replace

PAGE = Path(__file__).parent.parent / "docs" / "route53.md"
COMMAND = ".venv/bin/python tests/route53s.py"
KINDS = ("laboratory", "ministack")
ZONE = "lab.test."
CHECK = "0f0f0f0f-check"
OTHER_KEY = "AKIAOTHERACCOUNT"
UNTHROTTLED = Faults(rate=None)  # throttled only where that is the case under test
Set = dict[str, Any]
Given = tuple[str, Set]


def address() -> str:
    """A loopback address that no other test is on."""
    return f"127.{random.randrange(60, 250)}.{random.randrange(250)}.{random.randrange(1, 250)}"


def client(at: str, key: str = KEY_ID, attempts: int = 1) -> Any:
    """boto3 as it is; what it would refuse itself goes out all the same."""
    return _client("route53", at, key, attempts)


def sts(at: str, key: str = KEY_ID) -> Any:
    """The same for STS."""
    return _client("sts", at, key, 1)


def _client(service: str, at: str, key: str, attempts: int) -> Any:
    return boto3.client(
        service, region_name="us-east-1", endpoint_url=f"http://{at}", aws_access_key_id=key,
        aws_secret_access_key="canary-r53", config=Config(
            retries={"total_max_attempts": attempts}, connect_timeout=2, read_timeout=20, parameter_validation=False
        ),
    )  # fmt: skip


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Ground:
    """The laboratory's Route 53 with one zone and its two name servers, on an address of its own, by its `clock`."""

    def __init__(self, now: Callable[[], float] | None = None) -> None:
        self.clock = Clock()
        self.world = World(now or self.clock, random.Random(1))
        self.world.faults = UNTHROTTLED
        self.zone = self.world.create(Made(ZONE, "one")).id
        self.host = address()
        self.at, *self.servers = (f"{self.host}:{freeport(self.host)}" for _ in range(3))
        self.faces = {self.zone: self.servers}

    def set(self, **faults: Any) -> None:
        self.world.faults = replace(UNTHROTTLED, **faults)

    def fill(self, *held: Set) -> None:
        """Let the zone hold these as if from its beginning."""
        self.world.fill(self.zone, [sets.from_json(one) for one in held])

    def private(self, *held: Set) -> str:
        """The private zone of the same name, which one network sees, with two servers that answer from it; its id."""
        made = Made(ZONE, "inside", True, vpcs=(Vpc("us-east-1", "vpc-1"),))
        self.faces[(zone := self.world.create(made).id)] = [f"{self.host}:{freeport(self.host)}" for _ in range(2)]
        self.world.fill(zone, [sets.from_json(one) for one in held])
        return zone

    def close(self) -> None:
        """End what speaks to it."""

    @contextmanager
    def serving(self) -> Iterator[None]:
        """The sockets, while this lasts."""
        with running(self.world, self.at, {**self.faces}):
            try:
                yield
            finally:
                self.close()


class Bench:
    """One Route 53. `world` and `clock` are the laboratory's, None where there is none to set."""

    def __init__(self, kind: str, directory: Path, stack: ExitStack) -> None:
        self.kind = kind
        host = HOST if kind == "ministack" else address()
        port = freeport(host)
        self.at = f"{host}:{port}"
        self.clock = Clock()
        self.world = World(self.clock) if kind == "laboratory" else None
        self._count = 0
        if self.world is not None:
            self.world.checks.add(CHECK)
            self.world.keys[OTHER_KEY] = "210987654321"
            stack.enter_context(running(self.world, self.at, {}))
        self.client = client(self.at)
        stack.callback(self.client.close)
        if self.world is None:
            process = ministack(directory, port, "route53")
            stack.callback(process.stop)
            process.start()
            process.wait(self._answers, 30)

    def _answers(self) -> bool:
        try:
            self.client.list_hosted_zones()
        except (BotoCoreError, ClientError):
            return False
        return True

    def set(self, **faults: Any) -> None:
        """Faults of the laboratory; the emulator has none."""
        if self.world is not None:
            self.world.faults = replace(UNTHROTTLED, **faults)

    def zone(self, name: str = ZONE, private: bool = False) -> str:
        """A new zone."""
        self._count += 1
        vpc = {"VPC": {"VPCRegion": "us-east-1", "VPCId": f"vpc-{self._count}"}} if private else {}
        made = self.client.create_hosted_zone(Name=name, CallerReference=f"{self.kind} {self._count}", **vpc)
        found: str = made["HostedZone"]["Id"]
        return found

    def change(self, zone: str, *given: Given) -> str:
        """Send a batch; the change's id. Raises ClientError."""
        changes = [{"Action": action, "ResourceRecordSet": one} for action, one in given]
        done = self.client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
        found: str = done["ChangeInfo"]["Id"]
        return found

    def tried(self, zone: str, *given: Given) -> str:
        """Send a batch: "taken", or the error's code."""
        return code(lambda: self.change(zone, *given))

    def sets(self, zone: str, page: int = 300) -> list[Set]:
        """The whole listing, by pages of that size, without the zone's own SOA and NS."""
        pages = self.client.get_paginator("list_resource_record_sets").paginate(
            HostedZoneId=zone, PaginationConfig={"PageSize": page}
        )
        return [one for found in pages for one in found["ResourceRecordSets"] if one["Type"] not in ("SOA", "NS")]


def code(do: Callable[[], object]) -> str:
    """ "taken", or the code of the error."""
    try:
        do()
    except ClientError as wrong:
        found: str = wrong.response["Error"]["Code"]
        return found
    return "taken"


@contextmanager
def bench(kind: str, directory: Path) -> Iterator[Bench]:
    """A bench; its server ends with it."""
    directory.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        yield Bench(kind, directory, stack)


# ---------------------------------------------------------------- record sets


def simple(name: str, *values: str, rtype: str = "A", ttl: int = 60) -> Set:
    """A simple set."""
    return {"Name": name, "Type": rtype, "TTL": ttl, "ResourceRecords": [{"Value": one} for one in values]}


def weighted(name: str, weight: int, value: str, identifier: str, ttl: int = 60) -> Set:
    """One weighted A set."""
    return {**simple(name, value, ttl=ttl), "SetIdentifier": identifier, "Weight": weight}


def alias(zone: str, name: str, target: str, evaluate: bool = False) -> Set:
    """An A alias."""
    held = {"HostedZoneId": zone.rpartition("/")[2], "DNSName": target, "EvaluateTargetHealth": evaluate}
    return {"Name": name, "Type": "A", "AliasTarget": held}


A, B = "192.0.2.10", "192.0.2.20"
WWW = f"www.{ZONE}"


def outcomes(found: Sequence[str]) -> str:
    """Several cells of one row; all alike are told once."""
    return found[0] if len(set(found)) == 1 else " / ".join(found)


def each(one: Bench, batches: Sequence[Sequence[Given]], before: Sequence[Set] = ()) -> str:
    """Every batch on a zone of its own that holds `before`."""
    found = []
    for batch in batches:
        zone = one.zone()
        if before:
            one.change(zone, *[("CREATE", held) for held in before])
        found.append(one.tried(zone, *batch))
    return outcomes(found)


def create(*held: Set) -> list[Given]:
    return [("CREATE", each_one) for each_one in held]


# ---------------------------------------------------------------- rows: batches


def exact(one: Bench) -> str:
    return each(one, [[("DELETE", weighted(WWW, 90, A, "a"))]], [weighted(WWW, 90, A, "a")])


def inexact(one: Bench) -> str:
    held = {**weighted(WWW, 90, A, "a"), "HealthCheckId": CHECK}
    bare = {key: value for key, value in held.items() if key != "HealthCheckId"}
    others = [{**held, "Weight": 91}, {**held, "TTL": 61}, {**held, "ResourceRecords": [{"Value": B}]},
              {**held, "SetIdentifier": "b"}, bare]  # fmt: skip
    return each(one, [[("DELETE", other)] for other in others], [held])


def other_alias(one: Bench) -> str:
    zone = one.zone()
    one.change(zone, *create(simple(WWW, A), alias(zone, f"x.{ZONE}", WWW)))
    return one.tried(zone, ("DELETE", alias(zone, f"x.{ZONE}", WWW, evaluate=True)))


def values_in_another_order(one: Bench) -> str:
    return each(one, [[("DELETE", simple(WWW, B, A))]], [simple(WWW, A, B)])


def again(one: Bench) -> str:
    return each(one, [create(simple(WWW, A))], [simple(WWW, A)])


def atomic(one: Bench) -> str:
    zone = one.zone()
    said = one.tried(
        zone, *create(simple(WWW, A)), ("DELETE", simple(f"no.{ZONE}", A)), *create(simple(f"x.{ZONE}", A))
    )
    return f"{said}, {len(one.sets(zone))} applied"


def reasons(one: Bench) -> str:
    zone = one.zone()
    try:
        one.change(zone, ("DELETE", simple(f"no.{ZONE}", A)), ("DELETE", simple(f"nor.{ZONE}", A)))
    except ClientError as wrong:
        return str(str(wrong).count("was not found"))
    return "taken"


def to_weighted(one: Bench) -> str:
    pair = create(weighted(WWW, 90, A, "a"), weighted(WWW, 10, B, "b"))
    out = ("DELETE", simple(WWW, A))
    return each(one, [[out, *pair], [*pair, out]], [simple(WWW, A)])


def mixed(one: Bench) -> str:
    latency = {**simple(WWW, A), "SetIdentifier": "l", "Region": "eu-west-1"}
    first = each(one, [create(weighted(WWW, 10, B, "b"))], [simple(WWW, A)])
    others = [each(one, [create(other)], [weighted(WWW, 10, B, "b")]) for other in (simple(WWW, A), latency)]
    return outcomes([first, *others])


def upserted(one: Bench) -> str:
    return each(one, [[("UPSERT", simple(WWW, A))]], [weighted(WWW, 10, B, "b")])


def weights(one: Bench) -> str:
    return each(one, [create(weighted(WWW, weight, A, "a")) for weight in (0, 255, 256, -1)])


def ttls(one: Bench) -> str:
    return each(one, [create(weighted(WWW, 1, A, "a"), weighted(WWW, 1, B, "b", ttl=61))])


def two_values(one: Bench) -> str:
    return each(one, [create({**weighted(WWW, 1, A, "a"), "ResourceRecords": [{"Value": A}, {"Value": B}]})])


def identifiers(one: Bench) -> str:
    none = {key: value for key, value in weighted(WWW, 1, A, "a").items() if key != "SetIdentifier"}
    alone = {**simple(WWW, A), "SetIdentifier": "a"}
    return each(one, [create(none), create(alone)])


def many_weighted(one: Bench) -> str:
    sets = [weighted(WWW, 1, f"192.0.2.{n}", f"s{n}") for n in range(101)]
    return each(one, [create(*sets[:100]), create(*sets)])


def cnames(one: Bench) -> str:
    def cname(name: str) -> Set:
        return simple(name, f"lb.{ZONE}", rtype="CNAME")

    apex = each(one, [create(cname(ZONE))])
    beside = each(one, [create(cname(WWW))], [simple(WWW, A)])
    under = each(one, [create(simple(WWW, A))], [cname(WWW)])
    return outcomes([apex, beside, under])


def outside(one: Bench) -> str:
    return each(one, [create(simple(name, A)) for name in ("www.example.net.", "badlab.test.")])


def twice(one: Bench) -> str:
    held, other = simple(WWW, A), simple(WWW, B)
    return each(one, [
        [("UPSERT", held), ("UPSERT", other)], [("DELETE", held), ("DELETE", held)],
        [("DELETE", held), ("CREATE", other), ("DELETE", other)],
    ], [held])  # fmt: skip


def replaced(one: Bench) -> str:
    return each(one, [[("DELETE", simple(WWW, A)), ("CREATE", simple(WWW, B))]], [simple(WWW, A)])


def elements(one: Bench) -> str:
    def batch(action: str, count: int) -> list[Given]:
        return [(action, simple(f"n{n}.{ZONE}", A)) for n in range(count)]

    return each(one, [batch("CREATE", 1000), batch("CREATE", 1001), batch("UPSERT", 500), batch("UPSERT", 501)])


def characters(one: Bench) -> str:
    def batch(action: str, count: int) -> list[Given]:
        """Values of 100 characters, the last one shorter, `count` in all."""
        sizes = [100] * (count // 100) + [count % 100] * bool(count % 100)
        return [(action, simple(f"n{n}.{ZONE}", f'"{"x" * (size - 2)}"', rtype="TXT")) for n, size in enumerate(sizes)]

    given = [("CREATE", 32_000), ("CREATE", 32_005), ("UPSERT", 16_000), ("UPSERT", 16_005)]
    return each(one, [batch(action, count) for action, count in given])


def syntax(one: Bench) -> str:
    return each(one, [
        create(simple(WWW, "192.0.2.256")), create(simple(WWW, "unquoted", rtype="TXT")),
        create(simple(WWW, f'"{"x" * 256}"', rtype="TXT")), create(simple(WWW, A, A)),
    ])  # fmt: skip


def data(one: Bench) -> str:
    zone = one.zone()
    one.change(zone, *create(simple(WWW, A)))
    both = {**alias(zone, f"x.{ZONE}", WWW), "TTL": 60}
    return outcomes([one.tried(zone, *create(both)), one.tried(zone, *create({"Name": f"x.{ZONE}", "Type": "A"}))])


def targets(one: Bench) -> str:
    zone = one.zone()
    one.change(zone, *create(simple(WWW, A)))
    there, gone = alias(zone, f"x.{ZONE}", WWW), alias(zone, f"y.{ZONE}", f"no.{ZONE}")
    return outcomes([one.tried(zone, *create(there)), one.tried(zone, *create(gone))])


def checks(one: Bench) -> str:
    held = {**weighted(WWW, 1, A, "a"), "HealthCheckId": "no-such-check"}
    return each(one, [create(held)])


def apex(one: Bench) -> str:
    zone = one.zone()
    found = one.client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return outcomes([one.tried(zone, ("DELETE", held)) for held in found])


def routed(one: Bench) -> str:
    """Everything but `simple` and weights, listed as it was given."""
    network = {"CollectionId": "c", "LocationName": "l"}
    place = {"Coordinates": {"Latitude": "49.22", "Longitude": "-74.01"}, "Bias": 5}
    given = [
        {**simple(f"a.{ZONE}", A), "SetIdentifier": "l", "Region": "eu-west-1"},
        {**simple(f"b.{ZONE}", A), "SetIdentifier": "g", "GeoLocation": {"CountryCode": "US", "SubdivisionCode": "CA"}},
        {**simple(f"c.{ZONE}", A), "SetIdentifier": "f", "Failover": "PRIMARY", "HealthCheckId": CHECK},
        {**simple(f"d.{ZONE}", A), "SetIdentifier": "m", "MultiValueAnswer": True},
        {**simple(f"e.{ZONE}", A), "SetIdentifier": "i", "CidrRoutingConfig": network},
        {**simple(f"f.{ZONE}", A), "SetIdentifier": "p", "GeoProximityLocation": place},
    ]
    zone = one.zone()
    one.change(zone, *create(*given))
    same = [held == was for held, was in zip(one.sets(zone), given, strict=True)]
    return f"{sum(same)} of {len(same)} as given"


# ---------------------------------------------------------------- rows: listings, names, changes


def order(one: Bench) -> str:
    """A hyphen comes before the dot in ASCII."""
    zone = one.zone()
    names = [f"{name}.{ZONE}" for name in ("a", "a-b", "b.a", "0")]
    one.change(zone, *create(*[simple(name, A) for name in names], simple(names[0], '"x"', rtype="TXT")))
    return ", ".join(f"{held['Name'].removesuffix('.' + ZONE)} {held['Type']}" for held in one.sets(zone))


def paging(one: Bench) -> str:
    zone = one.zone()
    given = [weighted(WWW, n, f"192.0.2.{n}", f"s{n}") for n in range(7)]
    one.change(zone, *create(*given))
    found = [held["SetIdentifier"] for held in one.sets(zone, page=2)]
    return "each once, in order" if found == [held["SetIdentifier"] for held in given] else ", ".join(found)


def page_start(one: Bench) -> str:
    zone = one.zone()
    return outcomes([
        code(lambda: one.client.list_resource_record_sets(HostedZoneId=zone, StartRecordType="A")),
        code(lambda: one.client.list_resource_record_sets(HostedZoneId=zone, StartRecordName=WWW,
                                                          StartRecordIdentifier="a")),
    ])  # fmt: skip


def escapes(one: Bench) -> str:
    zone = one.zone()
    for name in ("*", "WWW", "a/b", r"a\057c"):
        one.change(zone, *create(simple(f"{name}.{ZONE}", A)))
    return " ".join(sorted(held["Name"].removesuffix("." + ZONE) for held in one.sets(zone)))


def escaped_delete(one: Bench) -> str:
    return each(one, [[("DELETE", simple(rf"\052.{ZONE}", A))]], [simple(f"*.{ZONE}", A)])


def pending(one: Bench) -> str:
    one.set(pending=30.0)
    change = one.change(one.zone(), *create(simple(WWW, A)))
    found = []
    for _ in range(2):
        found.append(one.client.get_change(Id=change)["ChangeInfo"]["Status"])
        one.clock.now += 30
    return ", then ".join(found)


def listed_at_once(one: Bench) -> str:
    one.set(pending=30.0)
    zone = one.zone()
    one.change(zone, *create(simple(WWW, A)))
    return f"{len(one.sets(zone))} listed"


def change_ids(one: Bench) -> str:
    zone = one.zone()
    found = {one.change(zone, *create(simple(f"n{n}.{ZONE}", A))) for n in range(5)}
    return f"{len(found)} ids of 5 changes"


def no_change(one: Bench) -> str:
    return code(lambda: one.client.get_change(Id="C0000000000000"))


def no_zone(one: Bench) -> str:
    none = "Z0000000000000"
    read = code(lambda: one.client.get_hosted_zone(Id=none))
    return outcomes([read, one.tried(none, *create(simple(WWW, A)))])


def two_faces(one: Bench) -> str:
    name = "faces.test."
    for private in (False, True):
        one.zone(name, private)
    found = one.client.list_hosted_zones_by_name(DNSName=name)["HostedZones"]
    mine = [zone["Config"]["PrivateZone"] for zone in found if zone["Name"] == name]
    return f"{len(mine)}, {mine.count(True)} private"


def zones_by_name(one: Bench) -> str:
    for name in ("b.order.test.", "order.test.", "z.test.order-x."):
        one.zone(name)
    found = one.client.list_hosted_zones_by_name(DNSName="order.test.")["HostedZones"]
    wanted = ("order.test.", "b.order.test.")
    return ", ".join([zone["Name"] for zone in found if zone["Name"] in wanted])


def zone_pages(one: Bench) -> str:
    made = {one.zone(f"p{n}.test.") for n in range(5)}
    pages = one.client.get_paginator("list_hosted_zones").paginate(PaginationConfig={"PageSize": 2})
    found = [zone["Id"] for page in pages for zone in page["HostedZones"]]
    return "each once" if len(found) == len(set(found)) and made <= set(found) else "not each once"


def throttling(one: Bench) -> str:
    zone = one.zone()
    one.set(rate=5.0)
    one.clock.now += 10
    found = [code(lambda: one.client.get_hosted_zone(Id=zone)) for _ in range(10)]
    one.clock.now += 1
    found += [code(lambda: one.client.get_hosted_zone(Id=zone)) for _ in range(6)]
    refused = outcomes(sorted(set(found) - {"taken"}) or ["–"])
    return f"{found[:10].count('taken')} of 10, then {found[10:].count('taken')} of 6, else {refused}"


def accounts(one: Bench) -> str:
    zone = one.zone()
    other = client(one.at, OTHER_KEY)
    try:
        return code(lambda: other.get_hosted_zone(Id=zone))
    finally:
        other.close()


IN, NO, BAD = "taken", "InvalidChangeBatch", "InvalidInput"
Row = tuple[str, Callable[[Bench], str]]  # what Route 53 does by its documents, and the measurement
ROWS: dict[str, Row] = {
    "DELETE with every field as it is": (IN, exact),
    "DELETE with another weight / TTL / value / identifier / without its health check": (NO, inexact),
    "DELETE of an alias with the other EvaluateTargetHealth": (NO, other_alias),
    "DELETE with the values in another order": (IN, values_in_another_order),
    "CREATE of a set that is there": (NO, again),
    "one change of three that cannot be": (f"{NO}, 0 applied", atomic),
    "reasons told for two changes that cannot be": ("2", reasons),
    "simple set deleted, then weighted ones created, in one batch / the other way about": (f"{IN} / {NO}", to_weighted),
    "weighted beside simple / simple beside weighted / latency beside weighted": (NO, mixed),
    "UPSERT of a simple set where weighted ones are": (NO, upserted),
    "weight 0 / 255 / 256 / -1": (f"{IN} / {IN} / {BAD} / {BAD}", weights),
    "two TTLs among the weighted sets of a name": (NO, ttls),
    "two values in a weighted set": (NO, two_values),
    "weight without set identifier / set identifier alone": (BAD, identifiers),
    "100 / 101 weighted sets of one name": (f"{IN} / {NO}", many_weighted),
    "CNAME at the apex / beside an A / an A beside it": (NO, cnames),
    "a name outside the zone / one that only ends alike": (NO, outside),
    "the same set twice in a batch: UPSERT, UPSERT / DELETE, DELETE / DELETE, CREATE, DELETE": (NO, twice),
    "the same set twice in a batch: DELETE, CREATE": (IN, replaced),
    "1,000 / 1,001 elements; with UPSERT 500 / 501": (f"{IN} / {NO} / {IN} / {NO}", elements),
    "32,000 / 32,005 characters; with UPSERT 16,000 / 16,005": (f"{IN} / {NO} / {IN} / {NO}", characters),
    "a bad address / unquoted TXT / a string of 256 octets / the same value twice": (NO, syntax),
    "alias with TTL / neither alias nor values": (BAD, data),
    "alias to a set of the zone / to none": (f"{IN} / {NO}", targets),
    "health check that does not exist": ("NoSuchHealthCheck", checks),
    "DELETE of the apex's NS / SOA": (NO, apex),
    "latency, geo, failover, multivalue, CIDR, geoproximity sets": ("6 of 6 as given", routed),
    "order of names and types in a listing": ("0 A, a-b A, a A, a TXT, b.a A", order),
    "a listing by pages, from the middle of a weighted group": ("each once, in order", paging),
    "a listing from a type without a name / from an identifier without a type": (BAD, page_start),
    r"the names `*`, `WWW`, `a/b`, `a\057c`": (r"\052 a\057b a\057c www", escapes),
    r"DELETE of `\052` where `*` was created": (IN, escaped_delete),
    "GetChange": ("PENDING, then INSYNC", pending),
    "a set whose change is PENDING": ("1 listed", listed_at_once),
    "ids of changes": ("5 ids of 5 changes", change_ids),
    "GetChange of no change": ("NoSuchChange", no_change),
    "a zone that does not exist: read / changed": ("NoSuchHostedZone", no_zone),
    "a public and a private zone of one name, by name": ("2, 1 private", two_faces),
    "order of zones by name": ("order.test., b.order.test.", zones_by_name),
    "a listing of zones by pages": ("each once", zone_pages),
    "ten requests at once, six more after a second": ("5 of 10, then 5 of 6, else Throttling", throttling),
    "a zone of another account": ("NoSuchHostedZone", accounts),
}


def measured(one: Bench, row: str) -> str:
    """The cell, without the faults of the row before."""
    one.set()
    return ROWS[row][1](one)


# ---------------------------------------------------------------- the page

HEAD = """# Route 53, the laboratory's and ministack's

What Route 53 does by its documents (API reference, quotas, developer guide); nothing here was run against AWS itself.
The laboratory's server does the same, row by row; where the documents leave something open, it refuses. ministack
{version} is an emulator that others use: in {differ} of {rows} rows it does something else, so that what was only tried
there is not tested. Both are measured through boto3 by the tests. Cells with several answers follow the order of the
case. The page is made by `{command}`.

| case | Route 53, the laboratory | ministack |
|---|---|---|
"""


def page(number: str, table: dict[str, str]) -> str:
    """The whole page, from ministack's cells."""
    differ = sum(table[row] != ROWS[row][0] for row in ROWS)
    lines = [f"| {row} | {ROWS[row][0]} | {'the same' if table[row] == ROWS[row][0] else table[row]} |" for row in ROWS]
    return HEAD.format(version=number, command=COMMAND, differ=differ, rows=len(ROWS)) + "\n".join(lines) + "\n"


def parsed(text: str) -> tuple[str, dict[str, str]]:
    """ministack's version and cells."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")][1:]
    number = re.search(r"ministack\s(\d[\d.]*\d)", text)
    assert number is not None
    return number[1], {row: right if cell == "the same" else cell for row, right, cell in rows}


def main() -> None:
    """Measure everything and write the page; what the laboratory does otherwise is told."""
    table: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as directory:
        for kind in KINDS:
            with bench(kind, Path(directory) / kind) as one:
                table[kind] = {row: measured(one, row) for row in ROWS}
    for row, (right, _) in ROWS.items():
        if table["laboratory"][row] != right:
            print(f"laboratory: {row}: {table['laboratory'][row]}, not {right}")
    PAGE.write_text(page(version("ministack"), table["ministack"]))


if __name__ == "__main__":
    main()
