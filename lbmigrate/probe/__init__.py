"""Probing both sides: which channels there are, and the prober of them, whose modules are loaded when it is made.

asyncio, TLS and HTTP are a sixth of what a command takes to start, and a rollback writes before it probes.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from lbmigrate.model import Channel, Probe, Prober, Probing, Sample

if TYPE_CHECKING:
    from lbmigrate.probe.pairs import Pairs

_VERSIONS = {"A": 4, "AAAA": 6}


def channels(
    probes: Sequence[Probe], a: Sequence[str], b: Sequence[str], families: Iterable[str]
) -> tuple[Channel, ...]:
    """A channel for every probe and every family ("A", "AAAA") in which both sides have addresses."""
    both = [rtype for rtype in families if _of(a, rtype) and _of(b, rtype)]
    return tuple(Channel(number, rtype) for number in range(len(probes)) for rtype in both)


def make(
    probes: tuple[Probe, ...],
    channels: tuple[Channel, ...],
    a: tuple[str, ...],
    b: tuple[str, ...],
    controls: tuple[str, ...] = (),
) -> "Pairs":
    """A `model.Prober` of `channels`. `a` and `b` are addresses of both families. Raises Usage; opens no connection."""
    from lbmigrate.probe.compare import Line
    from lbmigrate.probe.control import Control
    from lbmigrate.probe.http import request, trust
    from lbmigrate.probe.pairs import Pairs

    trusted = cache(trust)
    requests = [request(probe, trusted) for probe in probes]
    lines = [Line(requests[one.probe], one.rtype, _of(a, one.rtype), _of(b, one.rtype)) for one in channels]
    return Pairs(lines, [Control(url, trusted) for url in controls])


def _of(addresses: Sequence[str], rtype: str) -> tuple[str, ...]:
    return tuple(one for one in addresses if ip_address(one).version == _VERSIONS[rtype])


class Later:
    """A `model.Prober` that is made when it is first asked for anything; then raises what making it raises."""

    def __init__(self, made: Callable[[], Prober]) -> None:
        self._made = cache(made)

    def start(self, seconds: float, seen: Callable[[Sample], bool]) -> Probing:
        """See `model.Prober.start`."""
        return self._made().start(seconds, seen)

    def compare(self) -> tuple[str, ...]:
        """See `model.Prober.compare`."""
        return self._made().compare()
