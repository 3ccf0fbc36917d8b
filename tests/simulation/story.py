"""One seed's story: what happened when in the simulated world, and which invariant broke."""

from collections.abc import Callable

from lbmigrate.events import Entry
from lbmigrate.fold import State
from lbmigrate.lab.virtual import START
from lbmigrate.render import entry_text

from .fate import drawn
from .run import Run, stands


def story(seed: int, say: Callable[[str], None]) -> tuple[Run, State]:
    """Play the seed's migration once more, with a line for each thing that happens."""
    run = drawn(seed)
    say(_header(run))

    def told(what: str) -> None:
        say(f"{run.world.clock.now() - START:8.2f}  {what}")

    def written(entry: Entry, state: State) -> None:
        text = entry_text(entry, state) if entry.n == len(run.journal.entries) else ""  # else another read it later
        if text:
            told(f"    {entry.n:3}. {entry.by}: {text}")

    run.world.tell, run.listen = told, written
    state = run.play()
    say(verdict(run, state))
    return run, state


def ended(state: State) -> bool:
    """The attempt is over, or an operator has to say how to go on."""
    return bool(state.outcome) or stands(state)


def verdict(run: Run, state: State) -> str:
    """What came of it, on one line."""
    if not ended(state):
        return f"came to no end, at {state.step}"
    end = state.outcome or (f"held: {state.hold.why}" if state.hold else "paused")
    return f"{end}; {len(run.broken)} invariants broken{''.join(f'; {one}' for one in run.broken)}"


def _header(run: Run) -> str:
    stages = ", ".join(str(stage.weight) for stage in run.stages)
    names = "; ".join(f"{held.name} {', '.join(held.by_type)}" for held in run.originals)
    return f"seed {run.seed}: {names}, stages {stages}, TTL {run.original_ttl} → {run.ttl}; {run.fate}; {run.faults}"
