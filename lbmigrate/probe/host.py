"""The addresses of a side that only its host name leads to: asked for again when their TTL has passed.

Answers that were had go on to be used while there are no new ones: a resolver that fails is no news of the side.
"""

import threading
from collections.abc import Callable, Sequence
from time import monotonic

from lbmigrate import resolver
from lbmigrate.model import FAMILIES

LEAST = 1.0  # seconds between two look-ups of the same
Found = tuple[tuple[str, ...], float]  # addresses, and their TTL in seconds


class Unresolved(LookupError):
    """There is no address to send a probe to, and why."""


class Fixed:
    """Addresses that the config gives."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = {
            rtype: tuple(one for one in addresses if (":" in one) == (rtype == "AAAA")) for rtype in FAMILIES
        }

    def has(self, rtype: str) -> bool:
        """Whether it has addresses of this family."""
        return bool(self._addresses[rtype])

    def addresses(self, rtype: str) -> tuple[str, ...]:
        """Those of one family."""
        return self._addresses[rtype]

    now = addresses


class Host:
    """One host name, which may become another. `look_up` raises OSError. Safe for several threads."""

    def __init__(self, name: str, families: Sequence[str], look_up: Callable[[str, str], Found] | None = None) -> None:
        self._families, self._look_up = tuple(families), look_up or resolver.ask
        self._lock = threading.Lock()
        self._become(name)

    def _become(self, name: str) -> None:
        self.name = name
        self._known: dict[str, tuple[str, ...]] = {}
        self._why: dict[str, str] = {}
        self._due: dict[str, float] = {}

    def has(self, rtype: str) -> bool:
        """Whether it is to have addresses of this family."""
        return rtype in self._families

    def follow(self, name: str) -> None:
        """Let it be this name from now on."""
        with self._lock:
            if name != self.name:
                self._become(name)

    def addresses(self, rtype: str) -> tuple[str, ...]:
        """What is known now; what is due is looked up meanwhile. Raises Unresolved. Never waits."""
        with self._lock:
            if monotonic() >= self._due.get(rtype, 0.0):
                self._due[rtype] = monotonic() + resolver.SECONDS  # nobody else need ask
                threading.Thread(target=self.refresh, args=(rtype,), name="host", daemon=True).start()
            return self._told(rtype)

    def _told(self, rtype: str) -> tuple[str, ...]:
        if found := self._known.get(rtype):
            return found
        raise Unresolved(self._why.get(rtype) or f"{self.name} is being resolved")

    def now(self, rtype: str) -> tuple[str, ...]:
        """What the resolver says now, or was known before. Raises Unresolved. Waits for resolver.SECONDS at most."""
        self.refresh(rtype)
        with self._lock:
            return self._told(rtype)

    def refresh(self, rtype: str) -> None:
        """Look it up."""
        name = self.name
        try:
            found, ttl = self._look_up(name, rtype)
            why = "" if found else f"{name} has no {FAMILIES[rtype]} address"
        except OSError as wrong:
            found, ttl, why = (), LEAST, f"{name} cannot be resolved: {wrong}"
        with self._lock:
            if name == self.name:
                self._due[rtype] = monotonic() + max(ttl, LEAST)
                self._why[rtype] = why
                self._known |= {rtype: found} if found else {}
