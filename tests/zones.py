"""The driver for the tests' zone, and a migration of its names by hand: claimed, moved, put back."""

from servers import HOST, ORIGIN

from lbmigrate.dns.rfc2136 import Rfc2136
from lbmigrate.model import Fence, Held, NotApplied, Outcome, Records
from lbmigrate.spec import Dns, Tsig
from lbmigrate.value import replace

WWW, DUAL = "www.lab.test.", "dual.lab.test."
B = {"A": ("198.51.100.7",), "AAAA": ("2001:db8:b::7",), "CNAME": ("lb-b.lab.test.",)}


def driver(port: int, origin: str = ORIGIN, tsig: Tsig | None = None, patience: float = 10.0) -> Rfc2136:
    key = tsig or Tsig("lbm", "hmac-sha256", "env:TSIG")
    entry = Dns("rfc2136", origin, server=HOST, port=port, tsig=key, nameservers=(f"{HOST}:{port}",))
    return Rfc2136(entry, patience, patience)


def claimed(old: Records, number: int = 1, attempt: str = "a1", ttl: int = 30) -> Records:
    """The names with a fence and the lower TTL, values as they are."""
    return Records(tuple(_claim(held, number, attempt, ttl) for held in old.held))


def _claim(held: Held, number: int, attempt: str, ttl: int) -> Held:
    fence = Fence("web", attempt, number, held.rrsets)
    return replace(held, rrsets=tuple(replace(one, ttl=ttl) for one in held.rrsets), fence=fence)


def moved(old: Records, number: int) -> Records:
    """The claimed names with B's addresses and the next fence."""
    return Records(tuple(_move(held, number) for held in old.held))


def _move(held: Held, number: int) -> Held:
    assert held.fence is not None
    rrsets = tuple(replace(one, rdatas=B[one.rtype]) for one in held.rrsets)
    return replace(held, rrsets=rrsets, fence=replace(held.fence, number=number))


def originals(old: Records) -> Records:
    """What the fences keep, without the fence."""
    return Records(tuple(Held(one.name, one.fence.originals) for one in old.held if one.fence))


def now_of(outcome: Outcome) -> Records:
    assert isinstance(outcome, NotApplied), outcome
    return outcome.now


def now(zone: Rfc2136, records: Records) -> Records:
    return replace(zone.read([held.name for held in records.held]), soa=None)


def about_zones(zone: Rfc2136, *names: str) -> list[str]:
    """What `check` says but for what the tests' key, which may write all, may do beyond the names."""
    return [line for line in zone.check(names) if not line.startswith("key lbm ")]
