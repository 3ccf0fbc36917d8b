"""Which software a side runs: one visible dict of drivers, each imported when it is asked for.

The module of a driver whose balancers have no addresses of their own to give (`Side.given`) also says where they are:
`located(side)` asks the provider, `awaited(side, a)` makes what stands for a B until it is there.
"""

from collections.abc import Iterable
from importlib import import_module
from typing import Any, cast

from lbmigrate.errors import Refused
from lbmigrate.model import Balancer, Side, SideName

DRIVERS = {
    "haproxy": ("lbmigrate.balancers.haproxy", "Haproxy"),
    "elbv2": ("lbmigrate.balancers.elbv2", "make"),
    "external": ("lbmigrate.balancers.external", "External"),
}


def located(a: Side, b: Side) -> tuple[Side, Side]:
    """The sides with their host names, where only the provider knows them. Raises Refused, Denied, Unreachable."""
    found = _host(a).located(a) if a.given else a
    return found, _host(b).awaited(b, found) if b.given else b


def users(side: Side) -> Iterable[Any]:
    """What registers targets with a balancer of a provider: `discover.User`s. Raises Refused, Denied, Unreachable."""
    return _host(side).users(side) if side.place else ()


def distributions(side: Side) -> Iterable[Any]:
    """What may fetch from it, of the same account (lbmigrate.cloudfront). Raises Denied, Unreachable."""
    return _host(side).distributions(side) if side.place else ()


def _host(side: Side) -> Any:
    return import_module(DRIVERS[side.driver][0])


def make(side: Side, where: str) -> Balancer:
    """The driver of one side; `where` names the side in errors ("a", "b"). Raises Refused, Usage."""
    if side.driver not in DRIVERS:
        known = ", ".join(sorted(DRIVERS))
        raise Refused(f"reading side {where}: driver {side.driver!r} is not known; known are {known}")
    module, name = DRIVERS[side.driver]
    return cast(Balancer, getattr(import_module(module), name)(side))


class Sides(dict[SideName, Balancer]):
    """Both sides' drivers, each made when it is first asked for; then raises what `make` raises."""

    def __init__(self, a: Side, b: Side) -> None:
        super().__init__()
        self._a, self._b = a, b

    def __missing__(self, name: SideName) -> Balancer:
        self[name] = made = make(self._a if name == "a" else self._b, name)
        return made
