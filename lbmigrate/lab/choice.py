"""Where a client goes by what DNS gave it: SRV records (RFC 2782), HTTPS records with hints (RFC 9460). Pure.

A client that follows neither takes any of the addresses.
"""

import random
from collections.abc import Sequence

from lbmigrate.schemes.srv import Service
from lbmigrate.schemes.swap import HINTS, service


def services(rdatas: Sequence[str]) -> list[Service]:
    """SRV rdatas, parsed: priority, weight, port, target."""
    found = [rdata.split() for rdata in rdatas]
    return [(int(priority), int(weight), int(port), host) for priority, weight, port, host in found]


def ordered(found: Sequence[Service], chance: random.Random) -> list[Service]:
    """In the order in which a client tries them (RFC 2782, "Usage rules"): by priority, then chosen by weight."""
    order: list[Service] = []
    for priority in sorted({one[0] for one in found}):
        left = sorted((one for one in found if one[0] == priority), key=lambda one: one[1] > 0)  # weight 0 first
        while left:
            order.append(left.pop(_chosen([weight for _, weight, *_ in left], chance)))
    return order


def _chosen(weights: Sequence[int], chance: random.Random) -> int:
    """The first whose running sum reaches a number drawn from 0 to the whole sum, both included."""
    drawn, running = chance.randint(0, sum(weights)), 0
    for index, weight in enumerate(weights):
        running += weight
        if running >= drawn:
            return index
    raise AssertionError("a number above the sum")


def hinted(rdatas: Sequence[str], rtype: str) -> list[str]:
    """The hints of one family in the HTTPS records of the best priority; none where clients must ask for addresses."""
    found = [service(rdata) for rdata in rdatas]
    best = min((priority for priority, *_ in found if priority), default=0)
    keys = {key for key, six in HINTS.items() if six == (rtype == "AAAA")}
    params = [param for priority, _, all_of_it in found if priority == best for param in all_of_it]
    return [one for key, text in params if key in keys and text for one in text.split(",")]
