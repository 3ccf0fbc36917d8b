"""How long each step of a plan takes at least, and what undo costs there. Pure."""

from lbmigrate.document import ttl_of
from lbmigrate.gate import pairs_range
from lbmigrate.plan import Drain, Plan, Soak, Stop, Turn, Write
from lbmigrate.spec import Soft
from lbmigrate.value import value
from lbmigrate.words import clock, runs, span, tell_step


@value
class Due:
    """One line of a plan: the step in words, its least and its likely most seconds, and undo in words."""

    step: str
    least: float
    most: float
    undo: str


def schedule(plan: Plan, soft: Soft) -> tuple[Due, ...]:
    """Every step that takes time or changes something, in order."""
    before, during = ttl_of(plan)
    margin = max(1.0, soft.cache_margin)
    rate = min((probe.rate for probe in soft.probes), default=1.0)
    few, many = pairs_range(soft.gate)
    shown, retired = False, ""
    rested = leaving = 0.0
    lines: list[Due] = []
    for _, step in runs(plan.forward):
        least = most = 0.0
        match step:
            case Write(_, target):
                shown = shown or target == "weight"
                leaving = during + margin if target == "leave" else leaving
            case Turn():
                least = most = before + margin if during < before else 0.0
            case Soak():
                rest = during + margin + (soft.soak if step.soak is None else step.soak)
                least, most = max(rest, few / rate), max(rest, many / rate)
                rested = least - during - margin  # A may be idle already while the last stage soaks
            case Drain():
                least, most = max(leaving, soft.retire.idle_for - rested), soft.retire.limit
            case Stop():
                retired = "A is out of use" if soft.retire.keep else "A is gone"
            case _:
                pass
        lines.append(Due(tell_step(step), least, most, _undo(shown, retired, during + margin)))
    return tuple(lines)


def _undo(shown: bool, retired: str, caches: float) -> str:
    if retired:
        return f"none: {retired}"
    return f"complete within {span(caches)}" if shown else "at once"


def rows(due: tuple[Due, ...], now: float) -> list[tuple[str, str, str, str]]:
    """The table of `plan`: step, how long it takes, the earliest time of day at which it is done, undo."""
    out: list[tuple[str, str, str, str]] = []
    for one in due:
        now += one.least
        takes = span(one.least) if one.least == one.most else f"{span(one.least)} to {span(one.most)}"
        out.append((one.step, takes if one.most else "", clock(now), one.undo))
    return out
