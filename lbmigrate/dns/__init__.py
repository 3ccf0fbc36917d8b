"""The DNS drivers: one visible registry, imported when used."""

from importlib import import_module

from lbmigrate.errors import Usage
from lbmigrate.model import Zone
from lbmigrate.spec import Dns

DRIVERS = {"rfc2136": "lbmigrate.dns.rfc2136"}  # module with `make(entry, timeout, update_timeout)`
TIMEOUT = 2.0
UPDATE_TIMEOUT = 5.0


def make(entry: Dns, timeout: float = TIMEOUT, update_timeout: float = UPDATE_TIMEOUT) -> Zone:
    """The driver of one `dns:` entry; no network and no secret before its first use. Raises Usage.

    `timeout`: seconds for an answer to a read, and for what a name server serves; `update_timeout`: for an update.
    """
    if entry.driver not in DRIVERS:
        raise Usage(f"dns: driver {entry.driver!r} is not known; known: {', '.join(sorted(DRIVERS))}")
    zone: Zone = import_module(DRIVERS[entry.driver]).make(entry, timeout, update_timeout)
    return zone
