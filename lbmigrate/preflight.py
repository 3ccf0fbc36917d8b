"""`check`: every precondition proven against the real systems, changing nothing."""

import os
import stat
from collections.abc import Callable
from functools import partial
from typing import Literal

from lbmigrate.assemble import planned, pointed, served, survey, target
from lbmigrate.document import ttl_of
from lbmigrate.errors import LbmigrateError, Refused
from lbmigrate.fold import State
from lbmigrate.model import Advising, ControlSeen, PairSeen, Probe, Sample
from lbmigrate.parts import Parts
from lbmigrate.plan import attainable, names_in
from lbmigrate.spec import Config
from lbmigrate.value import value
from lbmigrate.words import some, weights

ACCEPTED = "its configuration is accepted by the software itself"  # what `Balancer.check` says of B
PROVEN = {"elbv2": "its name is free, and so are its addresses; AWS judges the rest when it is made"}
LATE = (0.1, 0.2, 0.5, 1.0, 2.0)  # seconds that may be worth a `slow`
PROBING = 2.5  # seconds of probing A, B (which may not exist yet) and the controls


@value
class Finding:
    """One line of `check`: ok, hint (worth a thought), no (`start` would end with an error of this kind)."""

    level: Literal["ok", "hint", "no"]
    what: str
    kind: type[LbmigrateError] = Refused


def findings(state: State, parts: Parts, config: Config) -> list[Finding]:
    """Every precondition, each with what was seen."""
    found = [Finding("ok", f"config {config.path}: {len(config.bound.names)} name(s)"), *_open(config.path)]
    if state.active:
        return [*found, Finding("ok", f"attempt {state.attempt} is under way; see: lbmigrate status")]
    for index in range(len(config.bound.dns)):
        found += _tried(partial(_zone, parts, config, index))
    if all(one.kind is Refused for one in found):  # else nothing more can be said of what the zones hold
        found += _tried(partial(_names, parts, config)) + others(parts, config)
    found += _tried(partial(_sides, parts, config)) + _tried(partial(_probes, parts, config))
    return list(dict.fromkeys(found))


def _open(path: str) -> list[Finding]:
    """A config that others can write: it may name commands, which run as whoever gives a verb."""
    if not os.path.exists(path) or not os.stat(path).st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return []
    return [Finding("hint", f"{path} can be written by others, and what it names is run as you: chmod go-w {path}")]


def _tried(look: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return look()
    except LbmigrateError as wrong:
        return [Finding("no", str(wrong), type(wrong))]


def _zone(parts: Parts, config: Config, index: int) -> list[Finding]:
    entry = config.bound.dns[index]
    where = f"{entry.zone} (view {entry.view})" if entry.view else entry.zone
    hints = parts.zones[index].check(names_in(config.bound, index))
    what = f"{where} at {entry.server or entry.endpoint or entry.driver}: the key may read it, and write what is moved"
    return [Finding("ok", what), *[Finding("hint", line) for line in hints]]


def _names(parts: Parts, config: Config) -> list[Finding]:
    originals = survey(config.bound, parts.zones)
    plan = planned(config.bound, originals)
    before, during = ttl_of(plan)
    can = weights(attainable(config.bound, originals))
    found = [Finding("ok", f"attainable weights: {can}; TTL {before} s, {during} s while under way")]
    silent = {one.server: one.error for one in served(plan, parts.zones)() if one.error}
    found += [
        Finding("no", f"{server} does not serve the names: {error}; if others do, list them: nameservers:")
        for server, error in silent.items()
    ]
    if pointed(originals) and config.bound.b.hostname and not config.bound.b.given:  # or it leads to B by itself
        fit, what = target(config.bound, parts.zones)
        found.append(Finding("ok" if what.endswith("leads to B") else "hint" if fit else "no", what))
    if during > 300:
        found.append(Finding("hint", f"a TTL of {during} s makes every stage and every undo that slow; set ttl: 60s"))
    return found


def others(parts: Parts, config: Config) -> list[Finding]:
    """Names at A that the plan does not move: they hold its retirement, where they can be seen."""
    try:
        found = parts.search(config.bound)
    except LbmigrateError as wrong:
        return [Finding("hint", f"whether other names end at A cannot be seen: {wrong}")]
    said: list[Finding] = []
    if found.left:
        what = f"{some(found.left)} {'ends' if len(found.left) == 1 else 'end'} at A too, and A is not retired while"
        said.append(
            Finding("hint", f"{what} that is so: add to names:, point to B by hand, or set retire: {{keep: true}}")
        )
    if found.closed:
        closed = ", ".join(found.closed)
        what = f"{closed} cannot be transferred: other names at A are not seen, neither now nor before A is retired"
        said.append(Finding("hint", f"{what}; to have them seen allow a key that (transfer: under dns:)"))
    return said or [Finding("ok", "no other name in these zones ends at A")]


def _sides(parts: Parts, config: Config) -> list[Finding]:
    blueprint = parts.sides["a"].describe()
    look = parts.sides["a"].look()
    sick = [f"{one.pool}/{one.name}" for one in look.backends if one.healthy is False]
    found = [Finding("ok", f"A ({config.bound.a.driver}): {len(blueprint.backends)} backend(s), up")]
    found += [Finding("hint", f"A finds {', '.join(sick)} unhealthy")] if sick else []
    if look.requests is None:
        yet = "CloudWatch tells nothing of A yet: until it does A" if config.bound.a.place else "A has no counters: it"
        found.append(Finding("hint", f"{yet} cannot be proven idle and will be left running"))
    b = parts.sides["b"]
    b.check(blueprint)
    found += [Finding("hint", line) for line in b.advice(blueprint)] if isinstance(b, Advising) else []
    if config.bound.b.config and os.path.exists(config.bound.b.config):
        found.append(
            Finding("hint", f"{config.bound.b.config} exists: start replaces it (a file not ours is kept beside)")
        )
    return [*found, Finding("ok", f"B ({config.bound.b.driver}): {PROVEN.get(config.bound.b.driver, ACCEPTED)}")]


def _late(probe: Probe, took: list[float]) -> str:
    """What A's own answers, in seconds, say of the probe's `slow`."""
    late = sum(0 < probe.slow < one for one in took)
    if late:
        return f"A was {late} times later than `slow`: raise it, or stages take long"
    if probe.slow or not took:
        return ""
    enough = [one for one in LATE if 5 * max(took) <= one < probe.timeout]
    return (
        f"a B that answers later is not turned back: A's latest of {len(took)} answers took {max(took) * 1000:.0f} ms,"
        f" so give the probe slow: {enough[0] * 1000:.0f}ms or so"
    ) if enough else ""  # fmt: skip


def _probes(parts: Parts, config: Config) -> list[Finding]:
    failures: dict[str, str] = {}
    took: dict[Probe, list[float]] = {probe: [] for probe in config.soft.probes}
    seen = {"a": 0}

    def sample(one: Sample) -> bool:
        match one:
            case PairSeen():
                seen["a"] += 1
                if one.a.ok:
                    took[config.soft.probes[parts.channels[one.channel].probe]].append(one.a.seconds)
                else:
                    failures["A"] = one.a.why
            case ControlSeen():
                if not one.ok:
                    failures[one.url] = one.why
        return False

    probing = parts.prober.start(PROBING, sample)
    while not probing.wait(PROBING):
        continue
    probing.stop()
    found = [Finding("no", f"{who} does not answer the probe as expected: {why}") for who, why in failures.items()]
    found += [] if found else [Finding("ok", f"A answered {seen['a']} probes as expected")]
    if not config.soft.controls:
        found.append(Finding("hint", "no controls: name a site there, so that a blind prober is not taken for a bad B"))
    seldom = [probe.url for probe in config.soft.probes if probe.rate < 2]
    found += [Finding("hint", f"{probe.url}: {told}") for probe, each in took.items() if (told := _late(probe, each))]
    return found + [Finding("hint", f"{url}: under 2 pairs a second there is never a verdict") for url in seldom]
