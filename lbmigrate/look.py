"""One look at the world: a slice of probing, what every server serves, what the primary holds, both sides' counters."""

from collections.abc import Callable, Sequence
from itertools import islice

from lbmigrate import poll
from lbmigrate.errors import Drifted, LbmigrateError, Refused, Usage
from lbmigrate.events import Saw, Search, SideSeen
from lbmigrate.facts import SEARCHED, alike, differences, idle, lagging, odd_ttls, stopping, turned_at, undone
from lbmigrate.fold import State
from lbmigrate.gate import Gate
from lbmigrate.model import ControlSeen, Held, Look, Result, Sample, SideName
from lbmigrate.parts import Parts
from lbmigrate.plan import Plan, Soak, Write, wanted
from lbmigrate.value import replace

AGAIN = 10.0  # seconds between two searches of the zones while something is found there
SELDOM = 300.0  # and while A is not idle anyway: a zone may be large
Sent = tuple[float, float, int]  # our probes of a slice: its end, its seconds, their number
SIDES: tuple[SideName, SideName] = ("a", "b")


def look(parts: Parts, state: State, until: float, wake: Callable[[], bool]) -> Saw:
    """Watch until then at the latest; earlier when a verdict, the gate or what is served changes, or `wake` says so."""
    assert state.plan is not None
    parts.follow(state.plan.bound)
    tally = Tally(parts, state)
    probing = parts.prober.start(max(0.0, until - parts.clock.now()), tally.sample)
    try:
        state = poll.watch(parts, state, probing.wait, wake)
    finally:
        seconds = probing.stop()
    seen = replace(state.seen, at=parts.clock.now(), **tally.sums(seconds))
    seen = replace(seen, **_primary(parts, state))
    state = replace(state, seen=seen, at=seen.at)
    lag = (state.seen.lag_since or seen.at) if lagging(state) else 0.0
    seen = replace(seen, lag_since=lag, soaked=_soaked(state, seconds, seen.at), **_sides(parts, state, seconds))
    seen = replace(seen, search=_search(parts, replace(state, seen=seen, looked=True)))
    return Saw(seconds, state.by.partition(":")[0], tally.outcomes(), seen)


def _soaked(state: State, seconds: float, at: float) -> float:
    """Seconds watched after caches had turned, at this stage."""
    begun = turned_at(state)
    before = state.seen.soaked
    return before if begun is None else before + max(0.0, min(seconds, at - begun))


class Tally:
    """What a slice's samples add up to. The gate judges only once B was proven to answer as A does."""

    def __init__(self, parts: Parts, state: State) -> None:
        spec, seen = state.soft.gate, state.seen
        probes = [state.soft.probes[channel.probe] for channel in parts.channels]
        late = [number for number, probe in enumerate(probes) if probe.slow]
        self._late = {number: (len(probes) + place, probes[number].slow) for place, number in enumerate(late)}
        self._parts, self._state, self._proven = parts, state, state.proven
        self._judged, self._soaking = state.proven or bool(state.back), isinstance(state.step, Soak)
        self._gate = Gate(spec, [one.rate for one in probes], seen.gate, [probes[number].rate for number in late])
        self._fresh = seen.stage != state.stage
        if self._fresh:
            self._gate.stage()
        self._runs: list[list[str]] = [[] for _ in (*probes, *late)]
        self._counts = {name: {"ok": 0, "failed": 0, "own": 0} for name in SIDES}
        self._why = {"a": seen.a.why, "b": seen.b.why}
        self._controls = [0, 0]
        self._turned = self._turning()

    def sample(self, sample: Sample) -> bool:
        """Take one sample; True when the slice should end, because something just became known."""
        if isinstance(sample, ControlSeen):
            self._controls[not sample.ok] += 1
            return False
        turned = [self._side("a", sample.channel, sample.a), self._side("b", sample.channel, sample.b)]
        self._pair(sample.channel, not sample.a.ok, not sample.b.ok)
        if sample.channel in self._late:
            channel, slow = self._late[sample.channel]
            self._pair(channel, *(not one.ok or one.seconds > slow for one in (sample.a, sample.b)))
        before, self._turned = self._turned, self._turning()
        return any(turned) or self._turned != before

    def _pair(self, channel: int, a_failed: bool, b_failed: bool) -> None:
        self._runs[channel].append("oabx"[a_failed + 2 * b_failed])
        if self._proven:
            self._gate.pair(channel, a_failed, b_failed)

    def _side(self, name: SideName, channel: int, result: Result) -> bool:
        """Count a side's part of a pair; True where the verdict on it is another now."""
        counts = self._counts[name]
        counts["ok" if result.ok else "failed"] += 1
        counts["own"] += result.answered
        if not result.ok:
            self._why[name] = result.why
        if name == "b" and not self._judged:  # what B failed before it stood is no verdict on it
            return False
        return self._parts.rings[name][channel].add(self._parts.clock.now(), result.ok)

    def _turning(self) -> tuple[bool, bool]:
        """What of the gate ends a slice when it changes."""
        return self._proven and self._gate.alarmed, self._soaking and self._gate.passed

    def outcomes(self) -> tuple[str, ...]:
        """The slice's pairs, run-length coded per channel."""
        return tuple(_run_lengths(run) for run in self._runs)

    def sums(self, seconds: float) -> dict[str, object]:
        """The fields of Seen that samples add to."""
        seen, at = self._state.seen, self._parts.clock.now()
        self._parts.run += seconds
        good, bad = self._controls
        return {
            "gate": self._gate.state(),
            "stage": self._state.stage,
            "alarm": self._gate.alarm,
            "late": self._gate.late,
            "promote": self._gate.promote,
            "pairs": self._gate.pairs,
            "run": self._parts.run,
            "watched": seconds if self._fresh else seen.watched + seconds,
            "soaked": 0.0 if self._fresh else seen.soaked,
            "controls": seen.controls if not good + bad else ("bad" if bad > good else "ok"),
            "a": self._side_sum("a", seen.a, at),
            "b": self._side_sum("b", seen.b, at),
        }

    def _side_sum(self, name: SideName, before: SideSeen, at: float) -> SideSeen:
        counts = self._counts[name]
        rings = tuple(ring.text(at) for ring in self._parts.rings[name])
        return replace(before, recent=rings, why=self._why[name], **counts)


def _run_lengths(outcomes: list[str]) -> str:
    """`ooob` becomes `o3b1`."""
    coded: list[tuple[str, int]] = []
    for one in outcomes:
        if coded and coded[-1][0] == one:
            coded[-1] = (one, coded[-1][1] + 1)
        else:
            coded.append((one, 1))
    return "".join(f"{letter}{count}" for letter, count in coded)


# ---------------------------------------------------------------- the primary


def _primary(parts: Parts, state: State) -> dict[str, object]:
    """Does the zone hold what we left there? A read that fails says so; it is never taken for "no record"."""
    assert state.plan is not None
    drift: list[str] = []
    ttls = dict(state.seen.ttls) if state.pending else {}  # a write that may have taken hides what it replaced
    gone: list[bool] = []
    shows = None
    skew = state.seen.skew
    try:
        for zone, batches in _claimed(state.plan, state.claimed):
            records = parts.zones[zone].read([name for index in batches for name in state.plan.batches[index].names])
            if records.server_time is not None:
                skew = records.server_time - parts.clock.now()
            drift += differences(state, records.held)
            ttls.update((key, max(ttl, ttls.get(key, 0))) for key, ttl in odd_ttls(state, records.held))
            gone.append(undone(state, records.held))
            rest = iter(records.held)
            for index in batches:
                shows = _shows(state, index, tuple(islice(rest, len(state.plan.batches[index].names)))) or shows
    except (Drifted, Refused) as wrong:  # a stranger's TXT at the fence, an alias at a name of ours
        return {"drift": (str(wrong),)}
    except Usage:  # a secret that this process lacks says nothing about the zone
        raise
    except LbmigrateError as wrong:
        return {"unreadable": str(wrong)}
    every = bool(gone) and all(gone)
    read = {"gone": every, "ttls": tuple(ttls.items()), "skew": skew, "unreadable": "", "shows": shows}
    return {"drift": () if every else tuple(drift), **read}


def _claimed(plan: Plan, claimed: Sequence[int]) -> list[tuple[int, list[int]]]:
    """The claimed batches by their `dns:` entries: each is read at once."""
    found: dict[int, list[int]] = {}
    for index in claimed:
        found.setdefault(plan.batches[index].zone, []).append(index)
    return list(found.items())


def _shows(state: State, batch: int, now: tuple[Held, ...]) -> tuple[int, tuple[Held, ...]] | None:
    """The write in flight, where the primary holds what it wants: an unknown outcome settled without sending again."""
    flight = state.flight
    if flight is None or not isinstance(flight.step, Write) or flight.step.batch != batch or state.plan is None:
        return None
    want = wanted(state.plan, state.attempt, flight.n, flight.step)
    mine = all(one.fence and alike(one, other) for one, other in zip(now, want, strict=True))
    return (flight.n, now) if mine else None


def _search(parts: Parts, state: State) -> Search:
    """Names that still end at A, where it is about to be stopped; as it was while that is fresh enough."""
    before = state.seen.search
    pace = AGAIN if before.left or before.why else SEARCHED / 2 if idle(state, "a") else SELDOM
    if state.plan is None or not stopping(state) or state.at - before.at < pace:
        return before
    try:
        return replace(parts.search(state.plan.bound), at=state.at)
    except LbmigrateError as wrong:
        return Search(state.at, why=str(wrong))


# ---------------------------------------------------------------- the sides


def _sides(parts: Parts, state: State, seconds: float) -> dict[str, object]:
    return {name: _side(parts, state, name, seconds) for name in SIDES}


def _side(parts: Parts, state: State, name: SideName, seconds: float) -> SideSeen:
    """One side's own word. Nothing of ours is under way now, so its counters hold exactly our probes of this slice."""
    before = state.seen.a if name == "a" else state.seen.b
    try:
        now = parts.sides[name].look()
    except LbmigrateError as wrong:
        return replace(before, up=None, requests=None, active=None, quiet=(), sent=(), why=before.why or str(wrong))
    sick = tuple(f"{b.pool}/{b.name}" for b in now.backends if b.healthy is False)
    own, sent = before.own, before.sent
    if now.as_of is not None:
        own, sent = counted((*before.sent, (state.at, seconds, before.own)), now.as_of)
    foreign = None if state.torn else _foreign(before, now, own)
    return replace(
        before,
        up=now.up,
        process=now.process,
        requests=now.requests,
        errors=now.errors,
        active=now.active,
        clients=now.clients,
        sick=sick,
        total=max(0, before.total + (foreign or 0)),
        quiet=_quiet(state, name, before, now, foreign, parts.clock.now()),
        as_of=now.as_of,
        sent=sent,
    )


def counted(sent: Sequence[Sent], until: float) -> tuple[int, tuple[Sent, ...]]:
    """How many probes were sent until then, and the rest. Those of a slice are spread evenly over it."""
    own, left = 0, []
    for end, seconds, number in sent:
        share = 1.0 if end <= until else max(0.0, 1.0 - (end - until) / seconds) if seconds else 0.0
        part = round(number * share)
        own += part
        if end > until:
            left.append((end, min(seconds, end - until), number - part))
    return own, tuple(left)


def _foreign(before: SideSeen, now: Look, own: int) -> int | None:
    """Requests since the last look that were not our probes; None across a gap in the counters.

    Counters that come late may put a probe into the next count: what is too little now is too much then.
    """
    if now.requests is None or before.requests is None or now.process != before.process:
        return None
    if now.requests < before.requests:  # somebody cleared them (HAProxy: `clear counters all`)
        return None
    found = now.requests - before.requests - own
    return found if now.as_of is not None else max(0, found)


def _quiet(
    state: State, name: SideName, before: SideSeen, now: Look, foreign: int | None, counted_at: float
) -> tuple[tuple[float, int], ...]:
    """The record that an idle proof needs: where counting began, then every slice with foreign requests.

    By the time at which the counters were had: the look may have begun long before, where the zone was slow to read.
    """
    leaving = "b" if state.back else "a" if state.weight == 100 else None
    if name != leaving or now.requests is None:
        return ()
    at = counted_at if now.as_of is None else now.as_of
    if foreign is None or not before.quiet:
        return ((at, 0),)
    kept = before.quiet if not foreign else (*before.quiet, (at, foreign))
    horizon = min(at, state.at) - state.soft.retire.idle_for
    return (kept[0], *(one for one in kept[1:] if one[0] > horizon))
