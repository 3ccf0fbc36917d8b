"""The two lists of steps, forward and backward, and what the zone holds at each of them. Pure.

A step names an absolute target, never a delta, so doing it twice is doing it once. Turning back swaps the list;
there is no rollback code path. Once `Stop("a")` is done there is no way back: that is a position in `forward`.
`Release` follows it, so that the lowered TTL keeps the way back short until A is really gone.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Literal

from lbmigrate.model import Fence, Held, RRset, SideName
from lbmigrate.schemes import SCHEMES, unfit
from lbmigrate.spec import Bound
from lbmigrate.value import replace, to_json, value

ROOM = 56_000  # bytes of one message that names may fill; a signed message over TCP ends at 65,535 (RFC 1035 4.2.2)
RR = 26  # bytes of a record beside its owner: type, class, TTL, length (RFC 1035 4.1.3), and an IPv6 address


@value
class Batch:
    """Names of one `dns:` entry (by its index) that one message moves together."""

    zone: int
    names: tuple[str, ...]


Target = Literal["claim", "weight", "release", "restore", "abandon"]


@value
class Write:
    """One compare-and-swap of one batch. `over`: the operator asked to overwrite what somebody else changed."""

    batch: int
    target: Target
    weight: int = 0
    over: bool = False


@value
class StandUp:
    """B up, with every backend."""


@value
class Prove:
    """B finds every backend as healthy as A does, and answers as A does."""


@value
class Turn:
    """Wait until caches have forgotten every answer but the present one."""


@value
class Soak:
    """Watch at a stage until caches have turned, `soak` seconds were watched and the evidence is in."""

    weight: int
    soak: float | None = None
    approve: bool = False


@value
class Drain:
    """Wait until caches have turned and the side is proven idle by its own counters."""

    side: SideName


@value
class Stop:
    """Stop a side softly."""

    side: SideName


Step = Write | StandUp | Prove | Turn | Soak | Drain | Stop


@value
class Plan:
    """What a migration will do: fixed when it starts, and kept in the journal."""

    workflow: str
    bound: Bound
    originals: tuple[Held, ...]
    batches: tuple[Batch, ...]
    forward: tuple[Step, ...]


def attainable(bound: Bound, originals: tuple[Held, ...]) -> tuple[int, ...]:
    """The weights that every name attains in every family, ascending."""
    per_name = [SCHEMES["addresses"].attainable(held, bound.a, bound.b) for held in originals]
    return tuple(sorted(frozenset.intersection(*per_name))) if per_name else ()


def obstacles(bound: Bound, originals: tuple[Held, ...]) -> tuple[str, ...]:
    """Why this migration cannot be planned, a line each; empty when it can."""
    found = [why for held in originals if (why := unfit(held, bound.a, bound.b))]
    if found:
        return tuple(found)
    can = attainable(bound, originals)
    lost = [str(stage.weight) for stage in bound.stages if stage.weight not in can]
    if lost:
        one = "is" if len(lost) == 1 else "are"
        return (f"weight {', '.join(lost)} {one} not attainable with these addresses: {_choices(can)}",)
    return ()


def _choices(can: tuple[int, ...]) -> str:
    return f"{', '.join(map(str, can))} are; set `stages:` to these, use --nearest, or give B more addresses"


def nearest(bound: Bound, originals: tuple[Held, ...]) -> Bound:
    """The same with every stage at its nearest attainable weight (never 0; the last stays 100)."""
    can = [weight for weight in attainable(bound, originals) if weight > 0]
    taken = {}
    for stage in bound.stages:
        weight = min(can, key=lambda one: (abs(one - stage.weight), one))
        taken[weight] = replace(stage, weight=weight)
    return replace(bound, stages=tuple(taken[weight] for weight in sorted(taken)))


def build(bound: Bound, originals: tuple[Held, ...]) -> Plan:
    """The plan for `migrate`. Raises ValueError with the first obstacle."""
    if why := obstacles(bound, originals):
        raise ValueError(why[0])
    batches = tuple(_batches(bound, originals))
    every = range(len(batches))
    ready: tuple[Step, ...] = (*writes(every, "claim"), StandUp(), Prove(), Turn())
    plan = Plan("migrate", bound, originals, batches, ())
    return replace(plan, forward=(*ready, *staged(plan, 0), *ending(every)))


def _batches(bound: Bound, originals: tuple[Held, ...]) -> list[Batch]:
    """Names in the config's order, as many to a message as surely fit."""
    found: list[Batch] = []
    for index in range(len(bound.dns)):
        names: list[str] = []
        room = ROOM
        for held in originals:
            if zone_of(bound, held.name) != index:
                continue
            size = _size(bound, held)
            if names and size > room:
                found.append(Batch(index, tuple(names)))
                names, room = [], ROOM
            names.append(held.name)
            room -= size
        found += [Batch(index, tuple(names))] if names else []
    return found


def _size(bound: Bound, held: Held) -> int:
    """At most so many bytes of a message for one name: values and fence, before and after, and the deletions."""
    from lbmigrate.fence import encode  # here, because `status` makes no plan and starts without zlib and urllib

    fence = sum(len(one) + 1 for one in encode(Fence(bound.migration, "0" * 8, 2**31, held.rrsets)))
    records = sum(len(r.rdatas) for r in held.rrsets) + len(bound.a.addresses) + len(bound.b.addresses)
    owner_bytes = len(held.name) + 12
    return 2 * (fence + owner_bytes + RR) + (records + len(held.rrsets) + 1) * (owner_bytes + RR)


def zone_of(bound: Bound, name: str) -> int:
    """The index of the `dns:` entry that holds `name`: the longest matching suffix."""
    fits = [(len(e.zone), i) for i, e in enumerate(bound.dns) if name == e.zone or name.endswith("." + e.zone)]
    if not fits:
        raise ValueError(f"{name} is in none of the zones under dns:")
    return max(fits)[1]


def writes(batches: Iterable[int], target: Target, weight: int = 0, over: bool = False) -> tuple[Step, ...]:
    """One write per batch (by index), in the fixed order."""
    return tuple(Write(index, target, weight, over) for index in sorted(batches))


def ending(batches: Iterable[int]) -> tuple[Step, ...]:
    """What follows the last stage: drain A, stop it, restore TTLs and remove the fence."""
    return (Drain("a"), Stop("a"), *writes(batches, "release"))


def backward(claimed: Iterable[int], unsure: Iterable[int], take_down: bool, over: bool = False) -> tuple[Step, ...]:
    """The way back from anywhere, for the batches that a claim may have reached.

    A claim whose outcome is unsure is made good first: a late copy of it then finds another SOA, and can no
    longer leave a stray fence after "rolled back" was reported.
    """
    steps = writes(unsure, "claim", over=over) + writes({*claimed, *unsure}, "restore", over=over)
    return (*steps, Drain("b"), Stop("b")) if take_down else steps


def preparation(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps of a forward list before its first weight."""
    return steps[: steps.index(Turn()) + 1]


def staged(plan: Plan, above: int) -> tuple[Step, ...]:
    """The plan's own stages above a weight, each with its writes and its soak."""
    steps: list[Step] = []
    for stage in plan.bound.stages:
        if stage.weight > above:
            steps += writes(range(len(plan.batches)), "weight", stage.weight)
            steps.append(Soak(stage.weight, stage.soak, stage.approve))
    return tuple(steps)


def shifted(plan: Plan, steps: tuple[Step, ...], weight: int) -> tuple[Step, ...]:
    """The forward list after an operator's shift: to `weight` first, then on at the next stage above it."""
    first = (*writes(range(len(plan.batches)), "weight", weight), Soak(weight))
    return (*preparation(steps), *first, *staged(plan, weight), *ending_of(steps))


def finished(plan: Plan, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The forward list after an operator's `finish`: to 100 and on to the end, on that word instead of evidence."""
    return (*preparation(steps), *writes(range(len(plan.batches)), "weight", 100), *ending_of(steps))


def ending_of(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The part of a forward list from the draining of A on."""
    return steps[steps.index(Drain("a")) :]


def lowered(plan: Plan, ttl: int) -> int:
    """The TTL while the migration is under way: never raised, left alone when the config names none."""
    return ttl if plan.bound.ttl is None else min(ttl, plan.bound.ttl)


def wanted(plan: Plan, attempt: str, number: int, step: Write) -> tuple[Held, ...]:
    """What the names of the step's batch hold once it has taken. Fence number: the journal's number of its intent."""
    names = plan.batches[step.batch].names
    return tuple(_held(plan, attempt, number, step, held) for held in plan.originals if held.name in names)


def _held(plan: Plan, attempt: str, number: int, step: Write, original: Held) -> Held:
    if step.target in ("restore", "abandon"):
        return original
    rrsets = original.rrsets
    if step.target != "claim":
        weight = 100 if step.target == "release" else step.weight
        rrsets = SCHEMES["addresses"].records(original, plan.bound.a, plan.bound.b, weight)
    if step.target == "release":
        return Held(original.name, rrsets)
    fence = Fence(plan.bound.migration, attempt, number, original.rrsets)
    return Held(original.name, tuple(replace(r, ttl=lowered(plan, r.ttl)) for r in rrsets), fence)


def share(plan: Plan, rrset: RRset) -> float:
    """The percentage of an RRset's addresses that are B's."""
    return 100.0 * sum(r in plan.bound.b.addresses for r in rrset.rdatas) / len(rrset.rdatas)


def digest(plan: Plan) -> str:
    """What was reviewed is what runs: the same for `plan` and for `start` while config and records are the same."""
    text = json.dumps(to_json(plan), sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def place(steps: tuple[Step, ...], step: Step) -> int:
    """Where a step stands in a list; the list's length when it is not there."""
    return steps.index(step) if step in steps else len(steps)
