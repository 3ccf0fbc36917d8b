"""Thousands of seeded migrations under faults: the invariants hold, and each safeguard taken away breaks them."""

from collections.abc import Iterator

import pytest
from mutations import DESIGNED, Mutation
from simulation import Run, drawn

from lbmigrate.events import Began
from lbmigrate.plan import Write

MIGRATIONS = 2000
CHUNK = 50
MUTANTS = 400  # seeds after which a mutation that broke nothing counts as unnoticed


CHUNKS = [pytest.param(n, marks=pytest.mark.long) if n else n for n in range(0, MIGRATIONS, CHUNK)]


@pytest.mark.parametrize("first", CHUNKS)
def test_no_fault_breaks_an_invariant(first: int) -> None:
    for seed in range(first, first + CHUNK):
        run = drawn(seed)
        state = run.play()
        assert not run.broken
        assert state.outcome or (state.hold and state.hold.for_good), f"seed {seed} came to no end: {state.step}"


def violations(mutation: Mutation, patch: pytest.MonkeyPatch) -> Iterator[str]:
    """What breaks when one safeguard is missing."""
    runs: list[Run] = []
    mutation.patch(patch, lambda: intent(runs[-1]))
    for seed in range(MUTANTS):
        runs.append(drawn(seed))
        runs[-1].world.check_fence, runs[-1].world.check_soa = mutation.fence, mutation.soa
        runs[-1].play()
        yield from runs.pop().broken


def intent(run: Run) -> float | None:
    """When a write was last meant."""
    found = [e.at for e in run.journal.entries if isinstance(e.event, Began) and isinstance(e.event.step, Write)]
    return found[-1] if found else None


@pytest.mark.long
@pytest.mark.parametrize("mutation", DESIGNED, ids=str)
def test_each_safeguard_is_needed(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    assert next(violations(mutation, monkeypatch), None), f"without it nothing was noticed: {mutation}"
