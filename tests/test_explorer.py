"""Every order of events of a small world: no invariant breaks, and each safeguard taken away is noticed."""

from collections.abc import Callable

import pytest
from explore.parts import Moment
from explore.search import explore
from explore.world import AS_IT_IS, PLAN, Rules
from mutations import DESIGNED, RARE, Mutation

ODD = 2  # kills, lost answers, standstills, failing sides, words of the operator: at most so many together
STATES = 110_000  # of them, breadth first; `make soak` takes all


@pytest.mark.long
def test_no_order_of_events_breaks_an_invariant(shown: Callable[[str], None]) -> None:
    for odd, limit in ((1, STATES), (ODD, STATES)):
        found = explore(Rules(), odd, limit)
        assert not found.broken, found.story()
        all_ = "all of them" if found.complete else "breadth first"
        shown(
            f"explored: {found.states:,} states to depth {found.depth} ({odd} odd at most, {all_}): 0 invariants broken"
        )
    assert found.states >= 100_000


@pytest.mark.long
@pytest.mark.parametrize("mutation", [*DESIGNED, *RARE], ids=str)
def test_each_safeguard_is_needed(
    mutation: Mutation, monkeypatch: pytest.MonkeyPatch, shown: Callable[[str], None]
) -> None:
    mutation.patch(monkeypatch, lambda: Moment.intent)
    rules = Rules(mutation.fence, mutation.soa, mutation.timed, PLAN if mutation.lowers else AS_IT_IS)
    found = next((one for odd in range(ODD + 1) if (one := explore(rules, odd)).broken), None)
    assert found, f"{mutation}: nothing noticed"
    print(f"{mutation}:\n{found.story()}")
    shown(f"explored: without a safeguard ({mutation}): noticed, {len(found.trace)} events")
