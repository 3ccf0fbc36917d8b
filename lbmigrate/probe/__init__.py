"""Probing both sides: which channels there are, and the prober of them, whose modules are loaded when it is made.

asyncio, TLS and HTTP are a sixth of what a command takes to start, and a rollback writes before it probes.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from lbmigrate.model import Channel, Probe, Prober, Probing, Sample
from lbmigrate.probe.host import Fixed, Host

if TYPE_CHECKING:
    from lbmigrate.probe.pairs import Pairs

Where = Sequence[str] | Fixed | Host


def channels(probes: Sequence[Probe], a: Where, b: Where, families: Iterable[str]) -> tuple[Channel, ...]:
    """A channel for every probe and every family ("A", "AAAA") in which both sides have addresses."""
    both = [rtype for rtype in families if places(a).has(rtype) and places(b).has(rtype)]
    return tuple(Channel(number, rtype) for number in range(len(probes)) for rtype in both)


def make(
    probes: tuple[Probe, ...],
    channels: tuple[Channel, ...],
    a: Where,
    b: Where,
    controls: tuple[str, ...] = (),
) -> "Pairs":
    """A `model.Prober` of `channels`; `a` and `b`: where the sides are. Raises Usage; opens no connection."""
    from lbmigrate.probe.compare import Line
    from lbmigrate.probe.control import Control
    from lbmigrate.probe.http import request, trust
    from lbmigrate.probe.pairs import Pairs

    trusted = cache(trust)
    requests = [request(probe, trusted) for probe in probes]
    lines = [Line(requests[one.probe], one.rtype, places(a), places(b)) for one in channels]
    return Pairs(lines, [Control(url, trusted) for url in controls])


def places(where: Where) -> Fixed | Host:
    """Addresses as they are given, or what is behind a host name."""
    return where if isinstance(where, Fixed | Host) else Fixed(where)


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
