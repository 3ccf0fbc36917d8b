"""When honest caches have forgotten every answer but the present one. Pure.

For each authoritative server and RRset: an answer lives on in caches until the server was first *seen* to
serve another, plus the TTL that the old one carried. First sight is never before the change, so honest caches
(RFC 2181 section 8) are done by then; timed from the intent, a soak would begin while old answers live.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter

from lbmigrate.model import RRset, Served
from lbmigrate.value import Same, replace, value

Key = tuple[str, str, str]  # view, name, rtype
MIN_MARGIN = 1.0  # resolvers count whole seconds


@value
class Answer:
    """What one server serves for one RRset (`rdatas` None: not known yet), and until when older ones may be cached."""

    server: str
    name: str
    rtype: str
    ttl: int
    rdatas: tuple[str, ...] | None
    old_until: float = 0.0
    error: str = ""
    view: str = ""

    @property
    def key(self) -> Key:
        """Which RRset it is."""
        return self.view, self.name, self.rtype


@value
class Alike:
    """The answers of one server for names of which it serves the same: these by their places in the plan, in runs."""

    server: str
    rtype: str
    ttl: int
    rdatas: tuple[str, ...] | None
    old_until: float
    error: str
    runs: tuple[tuple[int, int], ...]


Clock = tuple[Answer, ...]  # in this order
_order = attrgetter("server", "view", "name", "rtype")
_server = attrgetter("server")


def note(clock: Clock, served: Iterable[Served], at: float) -> Clock:
    """The clock after one poll that ended at `at`. An error changes the text alone: silence is not a new answer.

    A poll that found everything as it was gives the very clock that it was given.
    """
    found, places = list(clock), _places(Same(clock))
    fresh: dict[tuple[str, str, str, str], Answer] = {}
    same = True
    for now in served:
        order = now.server, now.view, now.name, now.rtype
        if (place := places.get(order)) is not None:
            before, found[place] = found[place], _next(found[place], now, at)
            same = same and found[place] is before
        else:
            fresh[order] = _next(fresh.get(order), now, at)
    if fresh:
        return tuple(sorted([*found, *fresh.values()], key=_order))
    return clock if same else tuple(found)


@lru_cache(maxsize=2)
def _places(clock: Same) -> dict[tuple[str, str, str, str], int]:
    """Where each answer stands: most polls find the clock as it was."""
    answers: Clock = clock.thing  # type: ignore[assignment]
    return {_order(one): place for place, one in enumerate(answers)}


def _next(before: Answer | None, now: Served, at: float) -> Answer:
    if now.rdatas is None:
        base = before or Answer(now.server, now.name, now.rtype, 0, None, view=now.view)
        return replace(base, error=now.error)
    old_until = before.old_until if before else 0.0
    if before and before.rdatas == now.rdatas and before.ttl == now.ttl and not before.error:
        return before
    if before and before.rdatas is not None and (before.rdatas, before.ttl) != (now.rdatas, now.ttl):
        old_until = max(old_until, at + before.ttl)
    return Answer(now.server, now.name, now.rtype, now.ttl or 0, now.rdatas, old_until, view=now.view)


def replaced(clock: Clock, before: Mapping[Key, Sequence[RRset]], at: float) -> Clock:
    """The clock when a write ended at `at`: what stood there `before` may have been served although no poll saw it.

    A worker that dies between two writes leaves such an answer in caches, and a server that lags may serve it on and
    on: it counts as what the server serves, so that the next poll times it from first sight. Where a server was last
    seen to serve just that, nothing changes.
    """
    found = list(clock)
    for server in servers(clock):
        for key, rrsets in before.items():
            if (place := _place(found, (server, *key))) is not None:
                found[place] = _doubted(found[place], rrsets, at)
    return tuple(found)


def servers(clock: Clock) -> list[str]:
    """The servers of a clock."""
    found: list[str] = []
    at = 0
    while at < len(clock):
        found.append(clock[at].server)
        at = bisect_right(clock, found[-1], at, key=_server)
    return found


def _place(found: list[Answer], order: tuple[str, str, str, str]) -> int | None:
    at = bisect_left(found, order, key=_order)
    return at if at < len(found) and _order(found[at]) == order else None


def _doubted(one: Answer, before: Sequence[RRset], at: float) -> Answer:
    unseen = [r for r in before if one.rdatas != r.rdatas or one.ttl < r.ttl]
    if not unseen:
        return one
    longest = max(unseen, key=lambda r: r.ttl)
    until = max(one.old_until, at + longest.ttl)
    return replace(one, rdatas=longest.rdatas, ttl=max(one.ttl, longest.ttl), old_until=until)


def packed(clock: Clock, places: Mapping[tuple[str, str], int]) -> tuple[tuple[Alike, ...], Clock]:
    """The same in short, for the journal: answers that differ in their names alone as one, and the others.

    `places`: where each name, with its view, stands in the plan.
    """
    groups: dict[tuple[object, ...], list[Answer]] = {}
    for one in clock:
        common = one.server, one.rtype, one.ttl, one.rdatas, one.old_until, one.error, (one.view, one.name) in places
        groups.setdefault(common, []).append(one)
    alike: list[Alike] = []
    others: list[Answer] = []
    for (*_, known), those in groups.items():
        if not known or len(those) == 1:
            others += those
            continue
        first, runs = those[0], _runs(sorted([places[one.view, one.name] for one in those]))
        alike.append(Alike(first.server, first.rtype, first.ttl, first.rdatas, first.old_until, first.error, runs))
    return tuple(alike), tuple(sorted(others, key=_order))


def _runs(places: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Ascending numbers as runs, each its first and its last."""
    found: list[tuple[int, int]] = []
    for place in places:
        start = found.pop()[0] if found and found[-1][1] == place - 1 else place
        found.append((start, place))
    return tuple(found)


def unpacked(alike: Iterable[Alike], others: Clock, names: Sequence[tuple[str, str]]) -> Clock:
    """The clock that was packed; `names` with their views in the plan's order."""
    found = list(others)
    for one in alike:
        mine = [key for first, last in one.runs for key in names[first : last + 1]]
        fields = one.rtype, one.ttl, one.rdatas, one.old_until, one.error
        found += [Answer(one.server, name, *fields, view) for view, name in mine]
    return tuple(sorted(found, key=_order))


def missing(clock: Clock, present: Mapping[Key, tuple[int, tuple[str, ...]]]) -> dict[str, list[tuple[str, str]]]:
    """By server that is behind the names, with their views, that it does not serve as `present` has them."""
    found: dict[str, list[tuple[str, str]]] = {}
    for one in clock:
        if not _serves(one, present):
            found.setdefault(one.server, []).append((one.view, one.name))
    return found


def behind(clock: Clock, present: Mapping[Key, tuple[int, tuple[str, ...]]]) -> tuple[str, ...]:
    """The servers that do not serve `present` (TTL and records per RRset) yet, or whose answer is not known."""
    return tuple(sorted({one.server for one in clock if not _serves(one, present)}))


def _serves(one: Answer, present: Mapping[Key, tuple[int, tuple[str, ...]]]) -> bool:
    ttl, rdatas = present.get(one.key, (0, ()))
    return not one.error and one.rdatas == rdatas and (one.ttl <= ttl or not rdatas)


def turned_at(clock: Clock, present: Mapping[Key, tuple[int, tuple[str, ...]]], margin: float) -> float | None:
    """When caches have turned to `present`; None while any server lags (then the clock has not started)."""
    if not clock or behind(clock, present):
        return None
    latest = max(one.old_until for one in clock)
    return latest + max(margin, MIN_MARGIN) if latest else 0.0
