"""Safeguards taken away, one at a time: the simulation and the explorer must notice each.

What the name server checks is a switch of their own servers; the rest is patched into the shipped code.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from lbmigrate import caches, decide, effects, poll
from lbmigrate.caches import Answer, Clock
from lbmigrate.events import Ended
from lbmigrate.fold import State
from lbmigrate.model import Served
from lbmigrate.parts import Parts
from lbmigrate.plan import Write
from lbmigrate.value import replace

Intent = Callable[[], float | None]
Patch = Callable[[pytest.MonkeyPatch, Intent], None]
WRITE, NEXT = effects._write, caches._next


def _nothing(patch: pytest.MonkeyPatch, intent: Intent) -> None:
    del patch, intent


def _lazy(patch: pytest.MonkeyPatch, intent: Intent) -> None:
    """Rollback and the end write nothing where the records look right already, but for the mark in the last message."""
    del intent

    def write(parts: Parts, state: State, step: Write, n: int, still: Callable[[], bool]) -> Ended:
        assert state.plan is not None
        batch = state.plan.batches[step.batch]
        now = parts.zones[batch.zone].read(batch.names)
        want = effects._target(state, step, n, now)
        same = all(one.rrsets == other.rrsets for one, other in zip(now.held, want, strict=True))
        if step.target in ("restore", "release") and same:
            return Ended(step, "done", now=now.held)
        return WRITE(parts, state, step, n, still)

    patch.setattr(effects, "_write", write)


def _from_intent(patch: pytest.MonkeyPatch, intent: Intent) -> None:
    def note(clock: Clock, served: Iterable[Served], at: float) -> Clock:
        begun = intent()
        return caches.note(clock, served, at if begun is None else begun)

    patch.setattr(poll, "caches", type("Mutated", (), {"note": staticmethod(note)}))


def _new_ttl(patch: pytest.MonkeyPatch, intent: Intent) -> None:
    del intent

    def following(before: Answer | None, now: Served, at: float) -> Answer:
        return NEXT(before and replace(before, ttl=min(before.ttl, now.ttl or before.ttl)), now, at)

    patch.setattr(caches, "_next", following)


def _careless(patch: pytest.MonkeyPatch, intent: Intent) -> None:
    del intent

    def write(parts: Parts, state: State, step: Write, n: int, still: Callable[[], bool]) -> Ended:
        del still
        return WRITE(parts, state, step, n, lambda: True)

    patch.setattr(effects, "_write", write)


def _unseen(patch: pytest.MonkeyPatch, intent: Intent) -> None:
    del intent

    def doubted(one: Answer, before: Any, at: float) -> Answer:
        unseen = [at + r.ttl for r in before if one.rdatas != r.rdatas or one.ttl < r.ttl]
        return replace(one, old_until=max([one.old_until, *unseen]))

    patch.setattr(caches, "_doubted", doubted)


def _returning(patch: pytest.MonkeyPatch, intent: Intent) -> None:
    del intent
    patch.setattr(decide, "leaving", lambda _: False)


@dataclass(frozen=True)
class Mutation:
    """One safeguard taken away: what the server still checks, what is patched, whether that asks for intents.

    `lowers`: the plan lowers the TTL, so that the last write never looks superfluous.
    """

    name: str
    fence: bool = True
    soa: bool = True
    patch: Patch = _nothing
    timed: bool = False
    lowers: bool = True

    def __str__(self) -> str:
        return self.name


DESIGNED = (
    Mutation("no fence", fence=False),
    Mutation("value-compare only", fence=False, soa=False),
    Mutation("no SOA in the claim", soa=False),
    Mutation("no final fence write", patch=_lazy, lowers=False),
    Mutation("caches timed from the intent", patch=_from_intent, timed=True),
    Mutation("the new TTL instead of the old", patch=_new_ttl),
)
# Found by the explorer; too rare for a few hundred seeds.
RARE = (
    Mutation("what is read late is sent all the same", patch=_careless),
    Mutation("a way back while A is being stopped", patch=_returning),
)
DEEP = Mutation("what no poll saw is timed from the write", patch=_unseen)
