"""Thousands of seeded migrations under faults: the invariants hold, and each safeguard taken away breaks them."""

from collections.abc import Iterator

import pytest
from simulation import Run, drawn

from lbmigrate import caches, effects, look
from lbmigrate.events import Began, Ended
from lbmigrate.fold import State
from lbmigrate.lab.virtual import MemoryJournal
from lbmigrate.model import Records, Served
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


def violations(mutate: "Mutation") -> Iterator[str]:
    """What breaks when one safeguard is missing."""
    for seed in range(MUTANTS):
        run = drawn(seed)
        mutate(run)
        run.play()
        yield from run.broken


class Mutation:
    """One safeguard taken away."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch

    def __call__(self, run: Run) -> None:
        """Change the run, or what it runs."""


class NoFence(Mutation):
    """The server does not check the fence."""

    def __call__(self, run: Run) -> None:
        run.world.check_fence = False


class NoSoa(Mutation):
    """The claim does not require the SOA as it was read."""

    def __call__(self, run: Run) -> None:
        run.world.check_soa = False


class NoFinalWrite(Mutation):
    """Rollback and the end write nothing where the records look right already, but for the mark in the last message."""

    def __call__(self, run: Run) -> None:
        write = effects._write
        del write

        def lazy(parts: object, state: State, step: Write, n: int) -> Ended:
            return _lazy(parts, state, step, n)

        self.patch.setattr(effects, "_write", lazy)
        del run


ORIGINAL_WRITE = effects._write


def _lazy(parts: object, state: State, step: Write, n: int) -> Ended:
    assert state.plan is not None
    batch = state.plan.batches[step.batch]
    now: Records = parts.zones[batch.zone].read(batch.names)  # type: ignore[attr-defined]
    want = effects._target(state, step, n, now)
    same = all(one.rrsets == other.rrsets for one, other in zip(now.held, want, strict=True))
    if step.target in ("restore", "release") and same:
        return Ended(step, "done", now=now.held)
    return ORIGINAL_WRITE(parts, state, step, n)  # type: ignore[arg-type]


class TimedFromIntent(Mutation):
    """Caches are timed from the intent instead of first sight."""

    def __call__(self, run: Run) -> None:
        journal: MemoryJournal = run.journal

        def note(clock: caches.Clock, served: list[Served], at: float) -> caches.Clock:
            intents = [e.at for e in journal.entries if isinstance(e.event, Began) and isinstance(e.event.step, Write)]
            return caches.note(clock, served, intents[-1] if intents else at)

        self.patch.setattr(look, "caches", type("Mutated", (), {"note": staticmethod(note)}))


@pytest.mark.long
@pytest.mark.parametrize("mutation", [NoFence, NoSoa, NoFinalWrite, TimedFromIntent])
def test_each_safeguard_is_needed(mutation: type[Mutation], monkeypatch: pytest.MonkeyPatch) -> None:
    assert next(violations(mutation(monkeypatch)), None), f"{mutation.__doc__} was not noticed"
