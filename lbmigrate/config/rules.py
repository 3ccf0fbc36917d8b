"""What the keys of a config must be to each other, and what this version does not do yet: findings with lines."""

import os
from collections.abc import Iterator

from lbmigrate.config import hosts, values
from lbmigrate.config.kinds import Read, Table
from lbmigrate.model import Probe
from lbmigrate.spec import GateSpec, Retire

Finding = tuple[int, str]
SIDE_COMMON = {"driver", "addresses", "hostname", "alias", "host"}
SIDE_KEYS = {
    "haproxy": SIDE_COMMON | {"config", "socket", "run"},
    "external": SIDE_COMMON | {"up", "down", "health"},
    "elbv2": SIDE_COMMON | {"name", "classic", "region", "profile", "role", "external_id", "endpoint"},
}
SIDE_NEEDS = {"haproxy": ("addresses", "config", "socket"), "external": ("addresses",), "elbv2": ("name",)}
DNS_KEYS = {
    "rfc2136": {
        "driver",
        "zone",
        "server",
        "port",
        "tsig",
        "scheme",
        "nameservers",
        "serve_limit",
        "transfer",
        "view",
        "addresses",
    },
    "route53": {
        "driver",
        "zone",
        "zone_id",
        "region",
        "profile",
        "endpoint",
        "role",
        "external_id",
        "private",
        "scheme",
        "nameservers",
        "serve_limit",
        "view",
        "addresses",
    },
}
MAX_BUCKET_MARGIN = 0.5  # gate.md rule 1: above it a bucket cannot tell a bad B from a good one


def findings(file: Table, beside: str) -> list[Finding]:
    """Everything that is wrong between the keys; empty when the file can be used."""
    found = [*_later(file), *_stages(file), *_buckets(file), *_slow(file), *_headers(file), *_retire(file)]
    for side in ("a", "b"):
        found += [(line, f"{side}: {what}") for line, what in _side(file.get(side))]
    for entry in file.all("dns"):
        found += [(line, f"dns: {what}") for line, what in _entry(entry)]
    found += [*_apart(file, beside), *_hosted(file), *_addresses(file), *_zones(file), *_shown(file), *_names(file)]
    return found


def _absent(thing: str, instead: str) -> str:
    return f"{thing} is not in this version; {instead}"


def _later(file: Table) -> Iterator[Finding]:
    if "roll" in file:
        yield file.at("roll"), _absent("roll", "remove the section")
    if file.get("notify"):
        yield file.at("notify"), _absent("notify", "leave the list empty")
    gate = file.get("gate")
    if gate and gate.get("metrics"):
        yield gate.at("metrics"), _absent("gate: metrics", "leave the list empty")


def _side(side: Table) -> Iterator[Finding]:
    driver = side.get("driver")
    if driver not in SIDE_KEYS:
        yield side.at("driver"), _absent(f"driver {driver}", f"use one of {', '.join(SIDE_KEYS)}")
        return
    if "host" in side:
        yield side.at("host"), _absent("host", "remove the key: sides run on this machine")
    for key in side.entries.keys() - SIDE_KEYS[driver]:
        yield side.at(key), f"the key `{key}` does not belong to driver {driver}; remove it"
    for key in SIDE_NEEDS[driver]:
        if key not in side:
            yield side.line, f"driver {driver} needs the key `{key}`; add it"
    if "external_id" in side and "role" not in side:
        yield side.at("external_id"), "external_id belongs to a role; give `role`, or remove it"
    if (run := side.get("run")) and "container" in run:
        yield run.at("container"), _absent("run: container", "use process, service or command")


def _entry(entry: Table) -> Iterator[Finding]:
    driver = entry.get("driver")
    if driver not in DNS_KEYS:
        yield entry.at("driver"), _absent(f"driver {driver}", f"use {' or '.join(DNS_KEYS)}")
        return
    for key in entry.entries.keys() - DNS_KEYS[driver]:
        yield entry.at(key), f"the key `{key}` does not belong to driver {driver}; remove it"
    if driver == "rfc2136" and "server" not in entry:
        yield entry.line, f"driver {driver} needs the key `server`, the primary that takes updates; add it"
    if "external_id" in entry and "role" not in entry:
        yield entry.at("external_id"), "external_id belongs to a role; give `role`, or remove it"
    if driver == "route53" and entry.get("scheme", "auto") != "auto":
        yield entry.at("scheme"), _absent("a scheme for driver route53", "remove the key: names have weighted sets")


def _stages(file: Table) -> Iterator[Finding]:
    last = 0
    for stage in file.get("stages"):
        weight = stage.value.get("weight") if isinstance(stage.value, Table) else stage.value
        if weight <= last:
            yield stage.line, f"stages: {weight} follows {last}; list the weights strictly ascending"
        last = weight
    if last != 100:
        yield file.at("stages"), f"stages: the last is {last}; end the list with 100"


def _buckets(file: Table) -> Iterator[Finding]:
    gate = file.get("gate") or Table(file.line, {})
    margin, glitch = gate.get("margin", GateSpec().margin), gate.get("glitch", GateSpec().glitch)
    for probe in file.all("probe"):
        rate = probe.get("rate", 10.0)
        pairs = max(1, round(rate * glitch))
        if pairs * margin > MAX_BUCKET_MARGIN:
            yield (
                probe.at("rate"),
                f"gate: a bucket of {pairs} pairs (rate {rate:g} × glitch {glitch:g}s) with margin {margin:.3%} tells "
                f"nothing: pairs × margin is above {MAX_BUCKET_MARGIN:g}; lower rate, glitch or margin",
            )


def _slow(file: Table) -> Iterator[Finding]:
    for probe in file.all("probe"):
        timeout = probe.get("timeout", Probe("").timeout)
        if probe.get("slow", 0.0) >= timeout:
            why = f"not below timeout ({timeout:g} s), so nothing is ever only late; lower it"
            yield probe.at("slow"), f"probe: slow is {why}"


def _retire(file: Table) -> Iterator[Finding]:
    retire = file.get("retire") or Table(file.line, {})
    idle, limit = retire.get("idle_for", Retire().idle_for), retire.get("limit", Retire().limit)
    if idle > limit:
        yield file.at("retire"), f"retire: idle_for {idle:g}s can never pass within limit {limit:g}s; raise limit"


def _headers(file: Table) -> Iterator[Finding]:
    for probe in file.all("probe"):
        headers: dict[str, Read] = probe.get("headers", Table(probe.line, {})).entries
        for name, value in headers.items():
            try:
                values.header(name, value.value)
            except ValueError as wrong:
                yield value.line, f"probe: headers: {wrong}"


def _apart(file: Table, beside: str) -> Iterator[Finding]:
    """B's files are written by lbmigrate: one that is also A's would be lost, and A with it."""
    a, b = file.get("a"), file.get("b")
    for key in ("config", "socket"):
        if key in a and key in b:
            files = [os.path.realpath(values.located(side.get(key), beside)) for side in (a, b)]
            if files[0] == files[1]:
                yield b.at(key), f"b: {key} is the same file as a's; give B its own"


def _hosted(file: Table) -> Iterator[Finding]:
    """What AWS keeps of a balancer, and what a copy has in common with it."""
    a, b = file.get("a"), file.get("b")
    for which, side in (("a", a), ("b", b)):
        for key in {"hostname", "alias"} & side.entries.keys():
            if side.get("driver") == "elbv2" and "addresses" not in side:
                yield side.at(key), f"{which}: {key} of a load balancer is what AWS calls it; remove the key"
    if b.get("classic"):
        yield b.at("classic"), "b: a Classic Load Balancer is not made any more; remove the key"
    if a.get("classic") and "addresses" in a:
        yield a.at("addresses"), "a: addresses of a Classic Load Balancer do not stay; remove the key"
    if b.get("driver") != "elbv2":
        if a.get("driver") == "elbv2" and not file.get("retire", Table(file.line, {})).get("keep"):
            yield (
                a.at("driver"),
                "a: only a migration to driver elbv2 retires a load balancer; set retire: {keep: true}",
            )
        return
    if a.get("driver") != "elbv2":
        yield b.at("driver"), "b: driver elbv2 makes a copy of a, which is no such load balancer; use another driver"
        return
    if b.get("name") == a.get("name"):
        yield b.at("name"), "b: name is a's too, and a region has a name once; give another"
    if "region" in b and b.get("region") != a.get("region"):
        yield b.at("region"), "b: region is not a's, whose subnets and certificates it is to have; remove the key"


def _addresses(file: Table) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for side in ("a", "b"):
        for one in file.get(side).get("addresses", ()):
            if one.value in seen:
                whose = "twice" if seen[one.value] == side else "A's too: A and B share no address"
                yield one.line, f"{side}: addresses: {one.value} is {whose}; remove it"
            seen[one.value] = side


def _zones(file: Table) -> Iterator[Finding]:
    """One entry per zone, or one per view of it."""
    seen: dict[str, set[str]] = {}
    for entry in file.all("dns"):
        zone, view = entry.get("zone"), entry.get("view", "")
        views = seen.setdefault(zone, set())
        if views and not (view and all(views)):
            yield entry.at("zone"), f"dns: zone {zone} has two entries; keep one, or give each its own `view`"
        elif view in views:
            yield entry.at("view"), f"dns: zone {zone} has two entries for the view {view}; keep one"
        views.add(view)


def _shown(file: Table) -> Iterator[Finding]:
    """What a view shows are addresses of A and B, and each of these is shown somewhere."""
    every = [one for side in ("a", "b") for one in file.get(side).get("addresses", ())]
    known, shown = {one.value for one in every}, set()
    for entry in file.all("dns"):
        given = entry.get("addresses", ())
        for one in given:
            if one.value not in known:
                yield one.line, f"dns: addresses: {one.value} is neither a's nor b's; correct it, or add it there"
        shown |= {one.value for one in given} or known
    for one in every:
        if one.value not in shown:
            yield one.line, f"dns: addresses: {one.value} is shown by no entry; add it to one of them"


def _names(file: Table) -> Iterator[Finding]:
    zones = [entry.get("zone") for entry in file.all("dns")]
    if isinstance(file.get("names"), Table):
        for one in file.get("names").get("discover", ()):
            if one.value not in zones:
                yield one.line, f"names: discover: {one.value} has no entry under dns: ({', '.join(zones)}); add it"
        return
    seen: set[str] = set()
    for one in file.get("names"):
        if one.value in seen:
            yield one.line, f"names: {one.value} is listed twice; remove one"
        elif not any(hosts.inside(one.value, zone) for zone in zones):
            yield one.line, f"names: {one.value} is in none of the zones under dns: ({', '.join(zones)}); add its zone"
        seen.add(one.value)
