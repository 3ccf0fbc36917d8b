"""Asking the authoritative servers until what they serve changes. Of thousands of names most polls ask for a few.

While a server lags it is asked for some of the names that it was not yet seen to serve as the primary holds them; once
it serves those, all that are missing are asked for at once. Each name is timed by its own first sight, which is never
early. A look that ends with nothing lagging has asked for all of them, as for few names each poll does.
"""

from collections.abc import Callable, Collection

from lbmigrate import caches
from lbmigrate.facts import lagging, missing
from lbmigrate.fold import State
from lbmigrate.model import Served
from lbmigrate.parts import Parts
from lbmigrate.plan import places, questions
from lbmigrate.settled import settled
from lbmigrate.value import replace

EAGER = 0.01  # seconds between two polls of the servers just after a write
AWAITED = 0.25  # and at most while one lags: caches count from first sight, but servers limit answers a second
CALM = 1.0  # and when nothing is awaited
FEW = 100  # names that each poll asks for
Keys = Collection[tuple[str, str]]  # names with their views
Last = dict[int, list[Served]]  # what each zone's servers answered last in this look: the same again says nothing new


def watch(parts: Parts, state: State, wait: Callable[[float], bool], wake: Callable[[], bool]) -> State:
    """Poll the servers until the slice ends or the set of lagging ones changes."""
    assert state.plan is not None
    every = places(state.plan)
    before, last = lagging(state), Last()
    longest = AWAITED if before else CALM
    pause = EAGER if before and state.at - (state.seen.lag_since or state.at) < CALM else longest
    while True:
        polled = _polled(parts, state, every, last)
        changed = polled is not state and lagging(polled) != before
        state = polled
        if changed or wake():
            return state
        if wait(pause):
            return state if before or len(every) <= FEW else _asked(parts, state, every, last)
        pause = min(pause * 1.3, longest)


def _polled(parts: Parts, state: State, every: Keys, last: Last) -> State:
    """The state after one poll, which may end with all that is open."""
    if len(every) <= FEW:
        return _asked(parts, state, every, last)
    late = missing(state)
    some = {key for names in late.values() for key in names[: FEW // len(late)]} or _turn(parts, every)
    after = _asked(parts, state, some, last)
    if len(after.seen.clock) != len(state.seen.clock) or (not late and after is not state):
        return _asked(parts, after, every, last)  # another server, or another answer where nothing is awaited
    still = missing(after)
    follows = [server for server, names in late.items() if some.isdisjoint(still.get(server, ()))]
    return _asked(parts, after, {key for names in still.values() for key in names}, last) if follows else after


def _turn(parts: Parts, every: Keys) -> set[tuple[str, str]]:
    """The next few: one poll after the other they come to all."""
    parts.polls += 1
    start, each = parts.polls * FEW % len(every), list(every)
    return set((each[start:] + each[:start])[:FEW])


def _asked(parts: Parts, state: State, keys: Keys, last: Last) -> State:
    """The state once every server was asked for these."""
    assert state.plan is not None
    clock = state.seen.clock
    for index, zone in enumerate(parts.zones):
        view = state.plan.bound.dns[index].view
        each = questions(state.plan, index)
        asked = [(types, tuple([name for name in names if (view, name) in keys])) for types, names in each]
        answers: list[Served] = [one for types, names in asked if names for one in zone.served(names, types)]
        if answers != last.get(index):
            last[index] = answers
            clock = caches.note(clock, settled(state.known, answers), parts.clock.now())
    return state if clock is state.seen.clock else replace(state, seen=replace(state.seen, clock=clock))
