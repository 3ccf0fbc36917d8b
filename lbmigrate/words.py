"""The words in which moments, steps, weights and names are told. Pure."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import assert_never

from lbmigrate.plan import Drain, Prove, Soak, StandUp, Step, Stop, Turn, Write
from lbmigrate.value import replace

SHOWN = 3  # names on one line


def iso(at: float | None) -> str | None:
    """RFC 3339, UTC, whole seconds."""
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(at: float) -> str:
    """The local time of day."""
    return datetime.fromtimestamp(at).strftime("%H:%M:%S")


def span(seconds: float) -> str:
    """A duration as people write it: 0.4 s, 45 s, 5 min 10 s, 2 h 5 min."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if round(seconds) < 7200:
        seconds = round(seconds)
        return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
    return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"


def safe(text: str) -> str:
    """Text from elsewhere, with everything that a terminal would obey made visible."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def known(number: object) -> object:
    """A number, or what stands for one that nobody knows."""
    return "?" if number is None else number


def some(names: Sequence[str]) -> str:
    """The first few of them, and how many more."""
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"


def weights(can: Iterable[int]) -> str:
    """Weights in a row, whole percents without a gap as `0..100`."""
    found: list[list[int]] = []
    for weight in sorted(can):
        if found and weight == found[-1][-1] + 1:
            found[-1].append(weight)
        else:
            found.append([weight])
    return " ".join(f"{run[0]}..{run[-1]}" if len(run) > 2 else " ".join(map(str, run)) for run in found)


def tell_step(step: Step) -> str:
    """One step of a plan, in words."""
    match step:
        case Write(_, "claim"):
            return "claim the names, lower the TTL"
        case Write(_, "weight", 0):
            return "weight 0: B is at most a standby (SRV: a larger priority number)"
        case Write(_, "weight", weight):
            return f"weight {weight}"
        case Write(_, "leave"):
            return "take A out of DNS, where it stands by"
        case Write(_, "release"):
            return "restore the TTL, remove the fence"
        case Write(_, "restore"):
            return "put the zone back as it was"
        case Write():
            return "remove the fence"
        case StandUp():
            return "stand B up with every backend"
        case Prove():
            return "prove that B answers as A does"
        case Turn():
            return "let caches turn"
        case Soak(weight):
            return f"soak at {weight}"
        case Drain(side):
            return f"prove {side.upper()} idle"
        case Stop(side):
            return f"{'retire A' if side == 'a' else 'stop B'}"
        case _:
            assert_never(step)


def runs(steps: tuple[Step, ...]) -> list[tuple[int, Step]]:
    """The steps with their places; of the writes that do the same to one batch after the other, the first."""
    found: list[tuple[int, Step]] = []
    before: Step | None = None
    for index, step in enumerate(steps):
        if not (isinstance(step, Write) and isinstance(before, Write) and replace(before, batch=step.batch) == step):
            found.append((index, step))
        before = step
    return found
