"""The DNS drivers: one visible registry, imported when used."""

from collections.abc import Container, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

from lbmigrate.dns import lean
from lbmigrate.errors import Usage
from lbmigrate.model import Zone
from lbmigrate.spec import Dns

DRIVERS = {
    "rfc2136": "lbmigrate.dns.rfc2136",
    "route53": "lbmigrate.dns.route53",
}  # module with `make(entry, timeout, update_timeout)`
WHOLE = {"rfc2136": "lbmigrate.dns.transfer", "route53": "lbmigrate.dns.route53.whole"}  # `records(entry, wanted)`
OTHERS = {
    "route53": "lbmigrate.dns.route53.account"
}  # `others(entries)`, `distributions(entries)`: what an account tells
TIMEOUT = 2.0
UPDATE_TIMEOUT = 5.0


def make(entry: Dns, timeout: float = TIMEOUT, update_timeout: float = UPDATE_TIMEOUT) -> Zone:
    """The driver of one `dns:` entry; no network and no secret before its first use. Raises Usage.

    `timeout`: seconds for an answer to a read, and for what a name server serves; `update_timeout`: for an update.
    """
    if entry.driver not in DRIVERS:
        raise Usage(f"dns: driver {entry.driver!r} is not known; known: {', '.join(sorted(DRIVERS))}")
    lean.prepare()
    zone: Zone = import_module(DRIVERS[entry.driver]).make(entry, timeout, update_timeout)
    return zone


def whole(entry: Dns, wanted: Mapping[int, Container[bytes]]) -> Iterator[tuple[bytes, int, int, bytes]]:
    """Every record of a whole zone that is in `wanted`: see dns.transfer. Raises Unreachable, Denied, Refused."""
    found: Iterator[tuple[bytes, int, int, bytes]] = import_module(WHOLE[entry.driver]).records(entry, wanted)
    return found


def distributions(entries: Sequence[Dns]) -> Iterator[Any]:
    """The CloudFront distributions (lbmigrate.cloudfront) of the accounts that these zones are in.

    Raises Denied, Unreachable.
    """
    for driver, module in OTHERS.items():
        if mine := [one for one in entries if one.driver == driver]:
            yield from import_module(module).distributions(mine)


def others(entries: Sequence[Dns]) -> tuple[Dns, ...]:
    """An entry for each zone that is where those of `entries` are and has none. Raises Unreachable, Denied."""
    found: list[Dns] = []
    for driver, module in OTHERS.items():
        if mine := [one for one in entries if one.driver == driver]:
            found += import_module(module).others(mine)
    return tuple(found)
