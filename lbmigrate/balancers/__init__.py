"""Which software a side runs: one visible dict of drivers, each imported when it is asked for."""

from importlib import import_module
from typing import cast

from lbmigrate.errors import Refused
from lbmigrate.model import Balancer, Side

DRIVERS = {
    "haproxy": ("lbmigrate.balancers.haproxy", "Haproxy"),
    "elbv2": ("lbmigrate.balancers.elbv2", "make"),
    "external": ("lbmigrate.balancers.external", "External"),
}


def make(side: Side, where: str) -> Balancer:
    """The driver of one side; `where` names the side in errors ("a", "b"). Raises Refused, Usage."""
    if side.driver not in DRIVERS:
        known = ", ".join(sorted(DRIVERS))
        raise Refused(f"reading side {where}: driver {side.driver!r} is not known; known are {known}")
    module, name = DRIVERS[side.driver]
    return cast(Balancer, getattr(import_module(module), name)(side))
