"""The small world that is explored: its state, the rules of its name server, and how time passes in it.

One name with an address on either side; a primary and a secondary that follows when it likes; two workers at one
journal; a network that may deliver any message that was ever sent, at any later moment and any number of times.

Now is always `NOW`: when time passes, every moment in the state moves into the past instead, and stays at the edge
beyond which no rule looks, so that states that differ in age alone are one. One jump of `JUMP` seconds outlasts a
lease, a lowered TTL and an idle window, three outlast the original TTL; limits that only hold are out of reach.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from lbmigrate import plan as plans
from lbmigrate.events import Asked, Ended, Seen, SideSeen, TurnedBack, Worker
from lbmigrate.fold import LEASE, State
from lbmigrate.model import Held, Probe, RRset, Side
from lbmigrate.spec import Bound, Dns, Retire, Soft, Stage
from lbmigrate.value import replace

NOW, JUMP, EDGE = 1000.0, 61.0, 61.0
NAME = "www.example.com."
A, B = "192.0.2.10", "192.0.2.20"
ORIGINAL = Held(NAME, (RRset(NAME, "A", 170, (A,)),))
BOUND = Bound(
    "web", (NAME,), Side("sim", (A,)), Side("sim", (B,)), (Dns("sim", "example.com.", serve_limit=float("inf")),),
    (Stage(50), Stage(100)), 50,
)  # fmt: skip
SOFT = Soft(
    (Probe("http://www.example.com/"),), soak=0.0, soak_limit=float("inf"), cache_margin=1.0,
    retire=Retire(idle_for=20.0, limit=float("inf")),
)  # fmt: skip
PLAN = plans.build(BOUND, (ORIGINAL,))
AS_IT_IS = plans.build(replace(BOUND, ttl=None), (ORIGINAL,))  # the TTL is left alone
WORKERS = (Worker("w1", 1, 1, ""), Worker("w2", 2, 2, ""))


T = TypeVar("T", bound=Hashable)


class Atom(Generic[T]):
    """A value of which there is one instance: compared and hashed by identity, because states are large and many."""

    __slots__ = ("of",)
    known: dict[Any, "Atom[Any]"] = {}  # noqa: RUF012  # one table for all, on purpose

    def __init__(self, of: T) -> None:
        self.of = of


def atom(of: T) -> Atom[T]:
    """The one instance."""
    return Atom.known.setdefault((type(of), of), Atom(of))


class Message(NamedTuple):
    """One update: from `old` to `new`; `soa`: it also requires that the zone was not written since it was made."""

    old: Held
    new: Held
    soa: Literal["", "now", "past"]


class Act(NamedTuple):
    """What a worker is about: an intent is durable and `then` is next. `state`: what it knew when it began.

    `read`: what the zone held when it was read, and `soa` whether nobody wrote since.
    """

    then: Literal["read", "do", "answer", "note"]
    state: State
    read: Held | None = None
    soa: Literal["now", "past"] = "now"
    message: Message | None = None
    ended: Ended | None = None


Acts = tuple[Atom[Act] | None, Atom[Act] | None]
Caches = tuple[tuple[RRset, float], ...]


class World(NamedTuple):
    """Everything there is. `caches`: what honest ones may still hold, and for how many seconds more.

    `quiet`: since when nobody but our prober asked A, B; `hot`: somebody did since the last look. `asked`: an operator
    moved the weight. `told`: attempts whose rollback was reported. `intent`: see Rules.
    """

    journal: Atom[State]
    zone: Atom[Held]
    second: Atom[Held]
    caches: Atom[Caches]
    sent: frozenset[Atom[Message]] = frozenset()
    acts: Acts = (None, None)
    up: tuple[bool, bool] = (True, False)
    quiet: tuple[float, float] = (EDGE, EDGE)
    hot: tuple[bool, bool] = (False, False)
    asked: bool = False
    told: frozenset[str] = frozenset()
    intent: float = 0.0


@dataclass(frozen=True)
class Rules:
    """What the name server checks besides the values; `intents`: the moment of the last one is kept; the plan."""

    fence: bool = True
    soa: bool = True
    intents: bool = False
    plan: plans.Plan = PLAN


def deliver(world: World, message: Atom[Message], rules: Rules) -> World | None:
    """The message arrives at the primary: prerequisites, then all changes; None where nothing changes (RFC 2136, 3)."""
    old, new, soa = message.of
    zone = world.zone.of
    if (rules.soa and soa == "past") or (zone != old if rules.fence else zone.rrsets != old.rrsets) or zone == new:
        return None
    gone = tuple(r for r in zone.rrsets if r not in new.rrsets)
    sent = frozenset(_past(one) for one in world.sent)
    if rules.soa and rules.fence:
        sent = frozenset(one for one in sent if not _dead(one.of, new))
    acts = (_overtaken(world.acts[0]), _overtaken(world.acts[1]))
    return world._replace(zone=atom(new), sent=sent, acts=acts, caches=cached(world.caches, gone))


def _dead(message: Message, zone: Held) -> bool:
    """It can never be applied again: a serial and a fence do not go back (and if one does, that is noticed there)."""
    old, now = message.old.fence, zone.fence
    passed = old is not None and now is not None and old.attempt == now.attempt and old.number < now.number
    return message.soa == "past" or passed


def _past(message: Atom[Message]) -> Atom[Message]:
    return atom(message.of._replace(soa="past")) if message.of.soa == "now" else message


def _overtaken(act: Atom[Act] | None) -> Atom[Act] | None:
    if act is None or act.of.then not in ("do", "answer"):
        return act
    message = act.of.message and _past(atom(act.of.message)).of
    return atom(act.of._replace(soa="past", message=message))


def cached(caches: Atom[Caches], gone: tuple[RRset, ...]) -> Atom[Caches]:
    """A server stopped serving these a moment ago: caches may hold each for its TTL."""
    left = dict(caches.of)
    for one in gone:
        left[one] = max(left.get(one, 0.0), float(one.ttl))
    return atom(tuple(sorted(left.items(), key=lambda item: (item[0].rdatas, item[0].ttl))))


def named(world: World, address: str) -> bool:
    """Some server or honest cache may still hand out this address."""
    if any(address in one.rdatas for one, _ in world.caches.of):
        return True
    return any(address in one.rdatas for held in (world.zone, world.second) for one in held.of.rrsets)


# ---------------------------------------------------------------- time


def later(world: World, journal: Atom[State], pinned: bool) -> World:
    """Time passes; who is named somewhere has clients meanwhile, and A perhaps one that never asks DNS again."""
    hot = (world.up[0] and (named(world, A) or pinned), world.up[1] and named(world, B))
    quiet = tuple(0.0 if busy else min(since + JUMP, EDGE) for busy, since in zip(hot, world.quiet, strict=True))
    return world._replace(
        journal=journal,
        caches=atom(tuple((one, left - JUMP) for one, left in world.caches.of if left > JUMP)),
        quiet=(quiet[0], quiet[1]),
        hot=(world.hot[0] or hot[0], world.hot[1] or hot[1]),
        intent=world.intent and _older(world.intent),
    )


def _older(moment: float) -> float:
    return max(moment - JUMP, NOW - EDGE)


def aged(s: State) -> State:
    """The journal's state, all of its moments further in the past."""
    flight = s.flight and replace(s.flight, tried_at=_older(s.flight.tried_at))
    seen = replace(
        s.seen,
        at=_older(s.seen.at),
        search=replace(s.seen.search, at=_older(s.seen.search.at)),
        clock=tuple(replace(one, old_until=one.old_until and _forgotten(one.old_until - JUMP)) for one in s.seen.clock),
        a=replace(s.seen.a, quiet=tuple((_older(at), count) for at, count in s.seen.a.quiet)),
        b=replace(s.seen.b, quiet=tuple((_older(at), count) for at, count in s.seen.b.quiet)),
    )
    return replace(s, step_at=_older(s.step_at), lease=min(s.lease, NOW), flight=flight, seen=seen)


def _forgotten(until: float) -> float:
    return max(until, NOW - EDGE - SOFT.cache_margin)


def plain(s: State) -> State:
    """The state without what no rule looks at: words, counts, moments of display, steps of lists that were left."""
    hold = s.hold and replace(s.hold, why=s.hold.cause, at=NOW)
    flight = s.flight and replace(s.flight, at=NOW, why="", tries=min(s.flight.tries, 3))
    back = replace(s.back, why="") if isinstance(s.back, TurnedBack) else s.back and Asked(s.back.verb)
    return replace(
        s, hold=hold, flight=flight, back=back, stage_at=1.0, last="", last_at=0.0, drifts=0, stages_judged=0,
        patience_from=NOW, left_running="", outcome_why="", seen=plain_seen(s.seen), lease=max(s.lease, NOW),
        base=(0, 0), past=(),
    )  # fmt: skip


def plain_seen(seen: Seen) -> Seen:
    """What was seen, without its counts: the gate is the simulation's part, here a verdict is picked.

    The zone holds no other name: a search of it finds nothing, but is made by the shipped rules, when they want one.
    """
    fields = {"gate": None, "pairs": 0, "run": LEASE, "watched": 0.0, "soaked": 0.0}
    lag = NOW if seen.lag_since else 0.0
    return replace(seen, lag_since=lag, a=_plain_side(seen.a), b=_plain_side(seen.b), **fields)


def _plain_side(side: SideSeen) -> SideSeen:
    requests = None if side.requests is None else 0
    return replace(side, requests=requests, own=0, ok=0, failed=0, total=0, why="", errors=None)
