"""Breadth first through every world that can be reached; the first broken invariant, by the shortest way there."""

import sys
from collections import deque
from dataclasses import dataclass

from explore.moves import Moves, beginning, standing
from explore.world import Rules, World

Ways = dict[World, tuple[World, str] | None]


@dataclass(frozen=True)
class Found:
    """How many worlds were reached, the length of the longest shortest way, and the first violation's story."""

    states: int
    depth: int
    complete: bool
    broken: str = ""
    trace: tuple[str, ...] = ()

    def story(self) -> str:
        """Readable: a line each for what happened, and the invariant that it broke."""
        lines = [f"{n:3}. {what}" for n, what in enumerate(self.trace, 1)]
        return "\n".join([*lines, f"  => {self.broken}"])


def explore(rules: Rules, odd: int, limit: int = sys.maxsize) -> Found:
    """Every world that can be reached with at most so many odd events, or the first `limit` of them."""
    first, moves, depth = beginning(rules), Moves(rules), 0
    ways: Ways = {first: None}
    left = {first: odd}
    queue = deque([(first, 0, odd)])
    while queue and len(ways) < limit:
        world, depth, allowed = queue.popleft()
        if left[world] > allowed:
            continue  # met again with more allowance before its turn
        for new in moves.of(world, allowed > 0):
            rest = allowed - new.odd
            if wrong := new.broken or ("" if new.world in left else standing(new.world)):
                return Found(len(ways), depth + 1, False, wrong, (*_trace(ways, world), new.what))
            if left.get(new.world, -1) < rest:
                ways.setdefault(new.world, (world, new.what))
                left[new.world] = rest
                queue.append((new.world, depth + 1, rest))
    return Found(len(ways), depth, not queue)


def _trace(ways: Ways, world: World) -> tuple[str, ...]:
    found: list[str] = []
    while step := ways[world]:
        world, what = step
        found.append(what)
    return tuple(reversed(found))
