"""The DNS drivers: one visible registry, imported when used."""

from collections.abc import Sequence
from importlib import import_module
from typing import Protocol

from lbmigrate.errors import Usage
from lbmigrate.model import Outcome, Records, Served
from lbmigrate.spec import Dns

DRIVERS = {"rfc2136": "lbmigrate.dns.rfc2136"}  # module with `make(entry, timeout, update_timeout)`
TIMEOUT = 2.0
UPDATE_TIMEOUT = 5.0


class CheckedZone(Protocol):
    """What every driver gives: `model.Zone`, and findings for the verb `check`."""

    def read(self, names: Sequence[str]) -> Records:
        """As `model.Zone.read`."""

    def swap(self, old: Records, new: Records) -> Outcome:
        """As `model.Zone.swap`."""

    def served(self, names: Sequence[str]) -> list[Served]:
        """As `model.Zone.served`."""

    def check(self, names: Sequence[str]) -> tuple[str, ...]:
        """What stands in the way of moving `names`, in plain words, changing nothing. Raises lbmigrate.errors."""


def make(entry: Dns, timeout: float = TIMEOUT, update_timeout: float = UPDATE_TIMEOUT) -> CheckedZone:
    """The driver of one `dns:` entry; no network and no secret before its first use. Raises Usage.

    `timeout`: seconds for an answer to a read, and for what a name server serves; `update_timeout`: for an update.
    """
    if entry.driver not in DRIVERS:
        raise Usage(f"dns: driver {entry.driver!r} is not known; known: {', '.join(sorted(DRIVERS))}")
    zone: CheckedZone = import_module(DRIVERS[entry.driver]).make(entry, timeout, update_timeout)
    return zone
