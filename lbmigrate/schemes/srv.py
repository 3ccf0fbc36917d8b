"""Scheme `srv`, for any server: priority and weight of SRV records (RFC 2782). Pure.

B joins as a standby, with a larger priority number; then it shares A's number, and the weights say how often each is
chosen; then A is the standby; then A is gone. Clients try a lower number first, and among equal ones choose by
weight. SCALE keeps the choice exact: the algorithm of RFC 2782 draws from 0 to the sum of the weights, both
included, which with weights of 75 and 25 is wrong by up to a percent.
"""

from lbmigrate.model import RRset, Side
from lbmigrate.value import replace

SCALE = 600  # times 100 it stays below 65,535
MOST = 65535
Service = tuple[int, int, int, str]  # priority, weight, port, target


def services(rrset: RRset) -> list[Service]:
    """The records, parsed."""
    found = []
    for rdata in rrset.rdatas:
        priority, weight, port, host = rdata.split(" ")
        found.append((int(priority), int(weight), int(port), host))
    return found


def unfit(rrset: RRset, a: Side) -> str:
    """Why these records cannot be weighed, or ""."""
    found = services(rrset)
    numbers = {priority for priority, *_ in _of(found, a)}
    others = [one for one in found if one not in _of(found, a)]
    if shared := [host for priority, _, _, host in others if priority in numbers]:
        return f"{rrset.name} SRV shares A's priority with {', '.join(shared)}; give that another priority"
    if max(priority for priority, *_ in found) + _span(found, a) > MOST:
        return f"{rrset.name} SRV has no priority number left for a standby; use lower numbers"
    return ""


def records(rrset: RRset, a: Side, b: Side, weight: int, alone: bool = False) -> RRset:
    """The records at a weight, 0: B stands by, 100: A stands by; `alone`: nothing of A's is left."""
    found = services(rrset)
    ours = _of(found, a)
    theirs = [(priority, share, port, b.hostname) for priority, share, port, _ in ours]
    away = max(priority for priority, *_ in found) - min(one[0] for one in ours) + 1
    if weight == 0:
        moved = [*ours, *_standby(theirs, away)]
    elif weight == 100:
        moved = theirs if alone else [*theirs, *_standby(ours, away)]
    else:
        moved = [*_weighed(ours, 100 - weight), *_weighed(theirs, weight)]
    kept = [one for one in found if one not in ours]
    return replace(rrset, rdatas=tuple(sorted({" ".join(map(str, one)) for one in (*kept, *moved)})))


def share(rrset: RRset, b: Side) -> float:
    """B's share of the first choices of clients that follow RFC 2782, percent."""
    found = services(rrset)
    first = min(priority for priority, *_ in found)
    among = [(weight, host) for priority, weight, _, host in found if priority == first]
    even = not sum(weight for weight, _ in among)  # all zero: each as likely as the others
    weighed = [(1 if even else weight, host.lower() == b.hostname) for weight, host in among]
    return 100.0 * sum(weight for weight, ours in weighed if ours) / sum(weight for weight, _ in weighed)


def _of(found: list[Service], side: Side) -> list[Service]:
    return [one for one in found if one[3].lower() == side.hostname]


def _span(found: list[Service], a: Side) -> int:
    ours = [one[0] for one in _of(found, a)]
    return max(ours) - min(ours) + 1


def _standby(services_: list[Service], away: int) -> list[Service]:
    """Behind everything that is there, in their own order."""
    return [(priority + away, weight, port, host) for priority, weight, port, host in services_]


def _weighed(services_: list[Service], percent: int) -> list[Service]:
    """Their weights so that those of one priority add up to `percent` of the whole, in their own proportions."""
    found = []
    for priority, weight, port, host in services_:
        among = [one[1] for one in services_ if one[0] == priority]
        part = weight / sum(among) if sum(among) else 1 / len(among)
        found.append((priority, max(1, round(SCALE * percent * part)), port, host))
    return found
