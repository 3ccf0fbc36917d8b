"""Thousands of seeded migrations under faults: the invariants hold, and each safeguard taken away breaks them."""

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mutations import DESIGNED, Mutation
from simulation import Run, drawn
from simulation.branches import EVERY, Branch, noted, untaken
from simulation.soak import play
from simulation.story import story

from lbmigrate import decide
from lbmigrate.events import Began
from lbmigrate.fold import State
from lbmigrate.plan import Write

MIGRATIONS = 20_000  # `make soak` plays a million
CHUNK = 250
QUICK = 100  # of the first chunk, in `make check`
MUTANTS = 3000  # seeds after which a mutation that broke nothing counts as unnoticed

# Branches of `decide` that none of the migrations takes, each with the reason.
UNTAKEN: dict[Branch, str] = {
    "decide: s.plan is None → yes": "a verb begins an attempt, or refuses: none turns the loop without",
    "_effect: s.plan.bound.b.place → yes": "the simulated B is no provider's, who makes its host name",
    "_drain: side.as_of is None → no": "the simulated sides count at once; tests/test_elb_migration.py has late ones",
}

CHUNKS = [pytest.param(n, marks=pytest.mark.long) for n in range(0, MIGRATIONS, CHUNK)]


def test_a_few_migrations_break_no_invariant() -> None:
    assert [wrong for seed in range(QUICK) if (wrong := play(seed))] == []


@pytest.mark.parametrize("first", CHUNKS)
def test_no_fault_breaks_an_invariant(
    first: int,
    counted: Callable[..., None],
    shown: Callable[[str], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    begun = time.process_time()
    with noted() as branches:
        for seed in range(first, first + CHUNK):
            wrong = play(seed)
            assert not wrong, f"{wrong}; its story: python -m tests.simulation {seed}"
    line = "simulated: {:,.0f} whole migrations under faults in {:,.0f} s of processor time: 0 invariants broken"
    counted(line, CHUNK, time.process_time() - begun)
    if (every := _gathered(tmp_path_factory, first, branches)) is not None:
        shown(f"simulated: {len(EVERY & every)} of {len(EVERY)} branches of `decide` taken, {len(UNTAKEN)} excused")
        assert [one for one in untaken(every) if one not in UNTAKEN] == []


def _gathered(folders: pytest.TempPathFactory, first: int, branches: set[Branch]) -> set[Branch] | None:
    """The branches that all chunks took, by whichever worker; None until the last of them ends."""
    base = folders.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "branches"
    folder.mkdir(exist_ok=True)
    new = folder / f"{first}.new"
    new.write_text(json.dumps(sorted(branches)))
    new.rename(folder / f"{first}.json")
    found: list[Path] = list(folder.glob("*.json"))
    if len(found) < len(CHUNKS):
        return None
    return {one for file in found for one in json.loads(file.read_text())}


def test_a_condition_counts_by_its_words_and_both_ways() -> None:
    """What is noted is what `decide` did; afterwards it is as it was."""
    code = decide.decide.__code__
    with noted() as branches:
        assert decide.decide(State()) == decide.End("ok", "no migration under way")
    assert branches == {"decide: s.plan is None → yes"}
    assert decide.decide.__code__ is code
    assert untaken(EVERY - branches) == sorted(branches)


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
