"""Thousands of seeded migrations under faults: the invariants hold, and each safeguard taken away breaks them."""

import secrets
import time
from collections.abc import Callable, Iterator

import pytest
from mutations import DESIGNED, Mutation
from simulation import Run, drawn
from simulation.branches import taken, traced
from simulation.soak import play
from simulation.story import story

from lbmigrate.events import Began
from lbmigrate.plan import Write

MIGRATIONS = 20_000  # `make soak` plays a million
CHUNK = 250
QUICK = 100  # of the first chunk, in `make check`
MUTANTS = 3000  # seeds after which a mutation that broke nothing counts as unnoticed
TRACED = range(0, 2000, 5)  # under coverage, which takes several times as long
UNTAKEN = 40  # branches of `decide`, at most: an order of events that is too rare for so few

CHUNKS = [pytest.param(n, marks=pytest.mark.long) for n in range(0, MIGRATIONS, CHUNK)]


def test_a_few_migrations_break_no_invariant() -> None:
    assert [wrong for seed in range(QUICK) if (wrong := play(seed))] == []


@pytest.mark.parametrize("first", CHUNKS)
def test_no_fault_breaks_an_invariant(first: int, counted: Callable[..., None]) -> None:
    begun = time.process_time()
    for seed in range(first, first + CHUNK):
        wrong = play(seed)
        assert not wrong, f"{wrong}; its story: python -m tests.simulation {seed}"
    line = "simulated: {:,.0f} whole migrations under faults in {:,.0f} s of processor time: 0 invariants broken"
    counted(line, CHUNK, time.process_time() - begun)


@pytest.mark.long
def test_nearly_every_branch_of_the_rules_is_taken(shown: Callable[[str], None]) -> None:
    wrong, arcs = traced(lambda: [wrong for seed in TRACED if (wrong := play(seed))])
    assert wrong == []
    count, of, missing = taken(arcs)
    shown(f"simulated: {count} of {of} branches of `decide` taken by {len(TRACED)} migrations")
    assert of - count <= UNTAKEN, f"not taken: {', '.join(missing)}"


def test_a_seed_tells_the_same_story_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for what marks an attempt, which is random."""
    monkeypatch.setattr(secrets, "token_hex", lambda _: "mark")
    told: tuple[list[str], list[str]] = [], []
    for lines in told:
        run, _ = story(7, lines.append)
    assert told[0] == told[1]
    assert told[0][0].startswith(f"seed 7: {run.original.name}")
    assert "0 invariants broken" in told[0][-1]


# ---------------------------------------------------------------- each safeguard taken away


def violations(mutation: Mutation, patch: pytest.MonkeyPatch) -> Iterator[str]:
    """What breaks when one safeguard is missing."""
    runs: list[Run] = []
    mutation.patch(patch, lambda: intent(runs[-1]))
    for seed in range(MUTANTS):
        runs.append(drawn(seed))
        runs[-1].world.check_fence, runs[-1].world.check_soa = mutation.fence, mutation.soa
        runs[-1].play()
        yield from (f"seed {seed}: {one}" for one in runs.pop().broken)


def intent(run: Run) -> float | None:
    """When a write was last meant."""
    found = [e.at for e in run.journal.entries if isinstance(e.event, Began) and isinstance(e.event.step, Write)]
    return found[-1] if found else None


@pytest.mark.long
@pytest.mark.parametrize("mutation", DESIGNED, ids=str)
def test_each_safeguard_is_needed(
    mutation: Mutation, monkeypatch: pytest.MonkeyPatch, shown: Callable[[str], None]
) -> None:
    found = next(violations(mutation, monkeypatch), None)
    assert found, f"without it nothing was noticed: {mutation}"
    shown(f"simulated: without a safeguard ({mutation}): noticed, {found.partition(':')[0]}")
