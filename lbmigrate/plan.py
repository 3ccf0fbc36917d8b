"""The two lists of steps, forward and backward, and what the zone holds at each of them. Pure.

A step names an absolute target, never a delta, so doing it twice is doing it once. Turning back swaps the list;
there is no rollback code path. Once `Stop("a")` is done there is no way back: that is a position in `forward`.
`Release` follows it, so that the lowered TTL keeps the way back short until A is really gone.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Literal

from lbmigrate import schemes, weighted
from lbmigrate.drawn import ASKED, asked
from lbmigrate.model import Fence, Held, RRset, Side, SideName
from lbmigrate.spec import Bound, Dns
from lbmigrate.value import Same, replace, to_json, value


@value
class Batch:
    """Names of one `dns:` entry (by its index) that one message moves together."""

    zone: int
    names: tuple[str, ...]


Target = Literal["claim", "weight", "leave", "release", "restore", "abandon"]


@value
class Write:
    """One compare-and-swap of one batch. `over`: the operator asked to overwrite what somebody else changed.

    `leave` follows the last weight where A is still there as a standby (SRV): from then on A is not in DNS.
    """

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
class Way:
    """How one name is moved (see `schemes`), and for `names` the weight from which on it has moved."""

    how: str
    moved_from: int = 0


@value
class Plan:
    """What a migration will do: fixed when it starts, and kept in the journal. `ways` go with `originals`, one each."""

    workflow: str
    bound: Bound
    originals: tuple[Held, ...]
    ways: tuple[Way, ...]
    batches: tuple[Batch, ...]
    forward: tuple[Step, ...]


def ways(bound: Bound, originals: tuple[Held, ...]) -> tuple[Way, ...]:
    """How each name is moved. Names that move whole move in the config's order, the same in every view."""
    hows = [schemes.way(entry_of(bound, held).scheme, held) for held in originals]
    order = list(dict.fromkeys(held.name for held, how in zip(originals, hows, strict=True) if how == "names"))
    places = {name: -(-100 * (place + 1) // len(order)) for place, name in enumerate(order)}
    return tuple(
        Way(how, places[held.name] if how == "names" else 0) for held, how in zip(originals, hows, strict=True)
    )


def attainable(bound: Bound, originals: tuple[Held, ...]) -> tuple[int, ...]:
    """The weights that every name attains in every family, ascending."""
    found = [one for _, one in attainable_each(bound, originals)]
    return tuple(sorted(frozenset.intersection(*found))) if found else ()


def attainable_each(bound: Bound, originals: tuple[Held, ...]) -> list[tuple[Held, frozenset[int]]]:
    """The weights that each name attains; those that move whole are one unit, a name a step."""
    chosen = ways(bound, originals)
    count = len({held.name for held, one in zip(originals, chosen, strict=True) if one.how == "names"})
    steps = frozenset(w for w in range(101) if w * count % 100 == 0)
    known: dict[object, frozenset[int]] = {}
    found = []
    for held, one in zip(originals, chosen, strict=True):
        alike = one.how, entries(bound, held.name), held.view, held.shape
        if alike not in known:
            whole = one.how == "names"
            known[alike] = steps if whole else schemes.attainable(one.how, held, *sides(bound, held))
        found.append((held, known[alike]))
    return found


def by_type(bound: Bound, held: Held, way: Way, can: frozenset[int]) -> dict[str, frozenset[int]]:
    """The weights that each RRset of a name attains by itself; `can`: what the name does."""
    if way.how == "names":
        return {rrset.rtype: can for rrset in held.rrsets}
    alone = [(rrset.rtype, replace(held, rrsets=(rrset,))) for rrset in held.rrsets]
    return {rtype: schemes.attainable(way.how, one, *sides(bound, held)) for rtype, one in alone}


def obstacles(bound: Bound, originals: tuple[Held, ...]) -> tuple[str, ...]:
    """Why this migration cannot be planned, a line each; empty when it can."""
    chosen = zip(originals, ways(bound, originals), strict=True)
    found = [why for held, one in chosen if (why := _unfit(bound, held, one.how))]
    if found:
        return tuple(found)
    can = attainable(bound, originals)
    lost = [str(stage.weight) for stage in bound.stages if stage.weight not in can]
    if lost:
        one = "is" if len(lost) == 1 else "are"
        why = f"weight {', '.join(lost)} {one} not attainable with these records: {', '.join(map(str, can))} are"
        return (f"{why}; {_limits(bound, originals)}",)
    return ()


def _limits(bound: Bound, originals: tuple[Held, ...]) -> str:
    """What can be done; and which name limits the others, or which of its types, where they attain more without it."""
    each = attainable_each(bound, originals)
    at, (least, fewest) = min(enumerate(each), key=lambda one: len(one[1][1]))
    way = ways(bound, originals)[at]
    more = "give B more addresses"
    if way.how == "whole":
        more = f"name the host that {least.name} points to in its place, or move a share of the names (`scheme: names`)"
    found = by_type(bound, least, way, fewest)
    few = [rtype for rtype, weights in found.items() if weights == fewest] or list(found)
    choices = f"set `stages:` to these, give `plan` and `start` --nearest, or {more}"
    if all(weights == fewest for _, weights in each) and len(few) == len(found):
        return choices
    return f"{choices}; {least.name} ({', '.join(few)}) attains {', '.join(map(str, sorted(fewest)))} alone"


def _unfit(bound: Bound, held: Held, how: str) -> str:
    scheme = entry_of(bound, held).scheme
    return schemes.misfit(scheme, how, held) or schemes.unfit(how, held, *sides(bound, held))


def nearest(bound: Bound, originals: tuple[Held, ...]) -> Bound:
    """The same with every stage at its nearest attainable weight (never 0; the last stays 100).

    Where none is attainable it stays as it is, for `obstacles` to say why.
    """
    can = [weight for weight in attainable(bound, originals) if weight > 0]
    if not can:
        return bound
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
    plan = Plan("migrate", bound, originals, ways(bound, originals), batches, ())
    ready: tuple[Step, ...] = (*writes(range(len(batches)), "claim"), StandUp(), Prove(), Turn())
    joined = writes(standing_by(plan), "weight", 0)
    return replace(plan, forward=(*ready, *joined, *staged(plan, 0), *ending(plan)))


def standing_by(plan: Plan) -> tuple[int, ...]:
    """The batches (by index) with names that B joins as a standby, and that A leaves as one."""
    found = {held.key for held, one in zip(plan.originals, plan.ways, strict=True) if schemes.leaves(one.how)}
    views = [(index, plan.bound.dns[batch.zone].view, batch.names) for index, batch in enumerate(plan.batches)]
    return tuple(index for index, view, names in views if any((view, name) in found for name in names))


def _batches(bound: Bound, originals: tuple[Held, ...]) -> list[Batch]:
    """Names in the config's order, as many to a message as fit whatever it changes."""
    from lbmigrate import (
        batches,
        quotas,
        size,
    )  # here, because `status` makes no plan and starts without zlib and urllib

    found: list[Batch] = []
    shares = batches.Shares(bound.migration)
    chosen = list(zip(originals, ways(bound, originals), strict=True))
    for index, entry in enumerate(bound.dns):
        mine = [(held, one.how) for held, one in chosen if entry_of(bound, held) is entry]
        if entry.driver == "route53":
            spans = quotas.batches([quotas.share(bound.migration, *one, *sides(bound, one[0])) for one in mine])
        else:
            each = [shares.of(entry, held, how, *sides(bound, held)) for held, how in mine]
            spans = size.batches(entry.zone, each, entry.tsig)
        for span in spans:
            found.append(Batch(index, tuple(held.name for held, _ in mine[span.start : span.stop])))
    return found


def entries(bound: Bound, name: str) -> tuple[int, ...]:
    """The indices of the `dns:` entries that hold `name`: the longest matching suffix, in each of its views."""
    zones, rest = _zones(Same(bound.dns)), name
    while rest not in zones:
        rest = rest.partition(".")[2]
        if not rest:
            raise ValueError(f"{name} is in none of the zones under dns:")
    return zones[rest]


@lru_cache(maxsize=16)
def _zones(dns: Same) -> dict[str, tuple[int, ...]]:
    """The indices of each zone's `dns:` entries."""
    found: dict[str, tuple[int, ...]] = {}
    for index, entry in enumerate(dns.thing):  # type: ignore[arg-type,var-annotated]
        found[entry.zone] = (*found.get(entry.zone, ()), index)
    return found


def names_in(bound: Bound, index: int) -> list[str]:
    """The names that the `dns:` entry `index` holds, in the config's order."""
    return [name for name in bound.names if index in entries(bound, name)]


def entry_of(bound: Bound, held: Held) -> Dns:
    """The `dns:` entry that a name was read from."""
    return next(bound.dns[i] for i in entries(bound, held.name) if bound.dns[i].view == held.view)


def sides(bound: Bound, held: Held) -> tuple[Side, Side]:
    """A and B as this name's view shows them: with the addresses that its `dns:` entry names, else with all."""
    shown = entry_of(bound, held).addresses
    if not shown:
        return bound.a, bound.b
    a, b = (tuple(one for one in side.addresses if one in shown) for side in (bound.a, bound.b))
    return replace(bound.a, addresses=a), replace(bound.b, addresses=b)


def writes(batches: Iterable[int], target: Target, weight: int = 0, over: bool = False) -> tuple[Step, ...]:
    """One write per batch (by index), in the fixed order."""
    return tuple(Write(index, target, weight, over) for index in sorted(batches))


def ending(plan: Plan) -> tuple[Step, ...]:
    """What follows the last stage: A out of DNS where it stands by, drained, stopped; TTLs restored, no fence."""
    every = range(len(plan.batches))
    return (*writes(standing_by(plan), "leave", 100), Drain("a"), Stop("a"), *writes(every, "release"))


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
    return (*preparation(steps), *first, *staged(plan, weight), *ending(plan))


def finished(plan: Plan, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The forward list after an operator's `finish`: to 100 and on to the end, on that word instead of evidence."""
    return (*preparation(steps), *writes(range(len(plan.batches)), "weight", 100), *ending(plan))


def lowered(plan: Plan, ttl: int) -> int:
    """The TTL while the migration is under way: never raised, left alone when the config names none."""
    return ttl if plan.bound.ttl is None else min(ttl, plan.bound.ttl)


def wanted(plan: Plan, attempt: str, number: int, step: Write) -> tuple[Held, ...]:
    """What the names of the step's batch hold once it has taken. Fence number: the journal's number of its intent."""
    return _wanted(Same(plan), attempt, number, step)


@lru_cache(maxsize=4)
def _wanted(same: Same, attempt: str, number: int, step: Write) -> tuple[Held, ...]:
    plan: Plan = same.thing  # type: ignore[assignment]
    batch = plan.batches[step.batch]
    view, places = plan.bound.dns[batch.zone].view, _places(Same(plan.originals))
    mine = [places[view, name] for name in batch.names]
    each = [(plan.originals[place], plan.ways[place]) for place in mine]
    if step.target in ("restore", "abandon"):
        return tuple([original for original, _ in each])
    moved = zip(each, _rrsets(plan, step, each), strict=True)
    if step.target == "release":
        return tuple([replace(original, rrsets=rrsets) for (original, _), rrsets in moved])
    mark = plan.bound.migration, attempt, number
    return tuple([replace(one, rrsets=rrsets, fence=Fence(*mark, one.rrsets)) for (one, _), rrsets in moved])


def _rrsets(plan: Plan, step: Write, each: list[tuple[Held, Way]]) -> Iterator[tuple[RRset, ...]]:
    """What each of these names, all of one batch, holds once the step has taken; worked out once for all alike."""
    known: dict[object, tuple[RRset, ...]] = {}
    for original, way in each:
        alike = way, original.shape
        if alike not in known:
            known[alike] = _moved(plan, step, original, way)
        yield tuple([replace(one, name=original.name) for one in known[alike]])


def found(plan: Plan, held: tuple[Held, ...], keys: Iterable[tuple[str, str]]) -> tuple[Held, ...]:
    """Of these, which stand in the plan's order, the names with such keys."""
    places = _places(Same(plan.originals))
    return tuple([held[places[key]] for key in keys])


def updated(plan: Plan, held: tuple[Held, ...], now: Iterable[Held]) -> tuple[Held, ...]:
    """The same with some names as they are now."""
    places, fresh = _places(Same(plan.originals)), list(held)
    for one in now:
        fresh[places[one.key]] = one
    return tuple(fresh)


def places(plan: Plan) -> dict[tuple[str, str], int]:
    """Where each name, with its view, stands in the plan's order."""
    return _places(Same(plan.originals))


@lru_cache(maxsize=4)
def _places(originals: Same) -> dict[tuple[str, str], int]:
    """Where each name stands among the originals."""
    held: tuple[Held, ...] = originals.thing  # type: ignore[assignment]
    return {one.key: place for place, one in enumerate(held)}


def _moved(plan: Plan, step: Write, original: Held, way: Way) -> tuple[RRset, ...]:
    rrsets = original.rrsets if step.target == "claim" else _weighed(plan, step, original, way)
    if step.target == "release":
        return rrsets
    return tuple(r if weighted.fixed(r) else replace(r, ttl=lowered(plan, r.ttl)) for r in rrsets)


def _weighed(plan: Plan, step: Write, original: Held, way: Way) -> tuple[RRset, ...]:
    weight = 100 if step.target == "release" else step.weight
    if way.how == "names":
        weight = 100 if weight >= way.moved_from else 0
    alone = step.target in ("leave", "release")
    return schemes.records(way.how, original, *sides(plan.bound, original), weight, alone)


def questions(plan: Plan, zone: int) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """What the authoritative servers of a `dns:` entry are asked while it moves: types, and the names asked for them.

    A name whose answers may be drawn is also asked for its fence, which alone tells which record draws them.
    """
    return _questions(Same(plan), zone)


@lru_cache(maxsize=64)
def _questions(same: Same, zone: int) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    plan: Plan = same.thing  # type: ignore[assignment]
    entry = plan.bound.dns[zone]
    found: dict[tuple[str, ...], list[str]] = {}
    for held, way in zip(plan.originals, plan.ways, strict=True):
        if entry_of(plan.bound, held) is entry:
            types = tuple(sorted(rtype for rrset in held.rrsets for rtype in asked(rrset))) + ASKED.get(way.how, ())
            found.setdefault(types, []).append(held.name)
    return tuple((types, tuple(names)) for types, names in found.items())


def digest(plan: Plan) -> str:
    """What was reviewed is what runs: the same for `plan` and for `start` while config and records are the same.

    And the same once B was made, whatever host name its provider gave it.
    """
    bound = plan.bound
    if bound.b.given:
        bound = replace(bound, b=replace(bound.b, hostname="", alias_zone=""))
    text = json.dumps(to_json(replace(plan, bound=bound)), sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def place(steps: tuple[Step, ...], step: Step) -> int:
    """Where a step stands in a list; the list's length when it is not there."""
    return steps.index(step) if step in steps else len(steps)
