"""The loop: look, write down, decide, write down, do, write down. One code path for every verb.

A verb appends what is asked and then drives: it turns the loop itself where nobody is at work, and otherwise follows
whoever is, until its goal is reached. Only the holder of the lease looks and acts.
"""

from collections.abc import Callable

from lbmigrate import caches
from lbmigrate.decide import SLICE, Do, End, Note, Wait, decide, on_hold, permit
from lbmigrate.effects import perform
from lbmigrate.events import (
    FORMAT,
    Asked,
    Began,
    Changed,
    Configured,
    Entry,
    Event,
    Hold,
    Left,
    Opened,
    Saw,
    Started,
    Took,
    Worker,
)
from lbmigrate.facts import lagging
from lbmigrate.fold import Flight, State, fold, worker_id
from lbmigrate.journal import Journal
from lbmigrate.look import look
from lbmigrate.model import Served
from lbmigrate.parts import Clock, Parts
from lbmigrate.plan import Plan, Write, digest, places
from lbmigrate.poll import FEW
from lbmigrate.spec import Soft
from lbmigrate.value import replace

Goal = Callable[[State], bool]
LEAST = 0.05  # seconds of one slice: a wait that is all but over must not turn into hundreds of entries
FOLLOW = 0.2  # seconds between two looks at the journal while another process is at work


class Engine:
    """One process at one migration's journal. `tell` is called with every new entry and the state after it."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        me: Worker,
        alive: Callable[[Worker], bool | None],
        tell: Callable[[Entry, State], None] = lambda _entry, _state: None,
        waiting: Callable[[State, float, str], None] = lambda _state, _until, _why: None,
    ) -> None:
        self._journal, self._clock = journal, clock
        self._me, self._alive = me, alive
        self._tell, self._waiting = tell, waiting
        self._uncounted = False  # the last look is not in the journal: nobody has counted its probes
        self.state = State()
        self.refresh(quiet=True)

    # ---- the journal

    def refresh(self, quiet: bool = False) -> State:
        """Fold what others appended since."""
        for entry in self._journal.read(self.state.seq):
            self.state = fold(self.state, [entry])
            if not quiet:
                self._tell(entry, self.state)
        return self.state

    def append(self, event: Event) -> bool:
        """Append under the next number; False when somebody was faster (the state is fresh in either case)."""
        entry = Entry(self.state.seq + 1, self._clock.now(), worker_id(self._me), event)
        done = self._journal.append(entry.n, entry.at, entry.by, event)
        if done:
            self.state = fold(self.state, [entry])
            self._tell(entry, self.state)
        else:
            self.refresh()
        return done

    # ---- beginning, asking

    def begin(self, plan: Plan, soft: Soft, served: Callable[[], tuple[Served, ...]]) -> State:
        """A new attempt at `plan`, unless one is under way. Two that begin at once: the journal keeps one."""
        import secrets  # here: nothing else needs it

        while not self.refresh().active:
            if self.state.seq == 0:
                self.append(Opened(FORMAT, plan.bound.migration))
                continue
            self.append(Started(secrets.token_hex(4), digest(plan), plan, soft, served()))
        return self.state

    def ask(self, ask: Asked) -> State:
        """Append an operator's word, if the rules permit it now. Raises what `permit` says."""
        while True:
            if refusal := permit(self.refresh(), ask):
                raise refusal
            if self.append(ask):
                return self.state

    def configure(self, soft: Soft, difference: tuple[str, ...]) -> None:
        """Note an edited config."""
        while self.refresh().active and self.state.soft != soft:
            self.append(Configured(soft))
        while self.refresh().active and self.state.difference != difference:
            self.append(Changed(difference))

    # ---- driving

    def busy(self) -> bool:
        """Another process holds the lease."""
        s = self.refresh()
        if s.worker is None or s.worker == self._me:
            return False
        alive = self._alive(s.worker)
        return alive is not False and s.lease > self._clock.now()

    def drive(self, parts: Parts, goal: Goal, until: float | None = None) -> End | None:
        """Turn the loop until `goal`, or the end of the attempt, or `until` (then None: there is more to do).

        Without `until`, raises what a hold for good means for a blocking verb.
        """
        while True:
            s = self.refresh()
            if goal(s):
                return End("ok", "")
            if until is None and (wrong := on_hold(s)):
                raise wrong
            if until is not None and self._clock.now() >= until:
                self._hold()
                return None
            if self.busy():
                self._waiting(s, s.at + SLICE, "what another process is at work on")
                self._clock.sleep(FOLLOW)
            elif s.worker != self._me and s.active:
                self.append(Took(self._me))
            elif (end := self.turn(parts, until)) is not None:
                return end

    def _hold(self) -> None:
        """Note the hold that the last look calls for, though time is up: whoever gave the time is told of it."""
        match decide(self.state):
            case Note(Hold() as hold) if self.state.worker == self._me:
                self.append(hold)

    def turn(self, parts: Parts, until: float | None = None) -> End | None:
        """Once round: decide on what is known, and do that."""
        s = self.state
        match decide(s):
            case Note(event):
                self.append(event)
            case Do(step):
                if s.flight is not None or self.append(Began(step)):
                    self._do(parts)
            case Wait(at, why):
                self._watch(parts, at, why, until)
            case End() as end:
                return end
        return None

    def _do(self, parts: Parts) -> None:
        flight = self.state.flight
        if flight is None or self.state.step != flight.step:
            return
        ended = perform(parts, self.state, flight.step, flight.n, lambda: self._mine(flight))
        while not self.append(ended):
            if not self._mine(flight):
                return  # the list was swapped, or another took over: the world will show what this did

    def _mine(self, flight: Flight) -> bool:
        """This intent stands, and this worker is at it."""
        s = self.refresh()
        return s.flight == flight and s.by == worker_id(self._me)

    def observe(self, parts: Parts, seconds: float) -> None:
        """Look for so long and note it, moving nothing; not where another process is at work, which looks anyway."""
        if self.refresh().active and not self.busy() and self.append(Took(self._me)):
            self._watch(parts, self._clock.now() + seconds, "", None)

    def _watch(self, parts: Parts, at: float, why: str, until: float | None) -> None:
        now = self._clock.now()
        left = min(at - self.state.at, SLICE)  # counted from what was decided on: a soak is watched to its end
        end = min(now + left, *([until] if until is not None else [now + SLICE]))
        self._waiting(self.state, at, why)
        seq = self.state.seq
        state = replace(self.state, torn=True) if self._uncounted else self.state
        self._uncounted = True
        saw = look(parts, state, max(end, now + LEAST), lambda: self._newer(seq))
        # An operator's word that came first takes nothing from what was seen, unless it changed what that adds to.
        while self._uncounted and self.state.by == worker_id(self._me) and self.state.seen is state.seen:
            self._uncounted = not self.append(_short(self.state, saw))

    def _newer(self, seq: int) -> bool:
        return bool(self._journal.read(seq))

    def leave(self) -> None:
        """Give the lease back."""
        while self.refresh().worker == self._me and not self.append(Left(self._me, self._uncounted)):
            pass


def _short(s: State, saw: Saw) -> Saw:
    """The look as it is written down: thousands of names of which a server serves the same are a few words."""
    if s.plan is None or len(saw.after.clock) <= FEW:
        return saw
    alike, others = caches.packed(saw.after.clock, places(s.plan))
    return replace(saw, alike=alike, after=replace(saw.after, clock=others))


# ---------------------------------------------------------------- goals of the verbs


def first_stage(s: State) -> bool:
    """`start`: the first stage has been judged, or the attempt is over."""
    return s.stages_judged > 0 or not s.active


def stage_at(weight: int, asked: int) -> Goal:
    """`shift`: the stage at `weight`, asked for by entry `asked`, has been judged."""
    return lambda s: not s.active or bool(s.back) or (s.weight == weight and s.judged and s.stage > asked)


def shown(s: State) -> bool:
    """`--no-wait`: every authoritative server serves what the primary holds, and nothing is in flight."""
    return not s.active or (bool(s.claimed) and s.flight is None and not lagging(s) and s.seen.at > s.step_at)


def zone_back(s: State) -> bool:
    """`rollback`: the records are back (every restoring write has ended)."""
    return not s.active or (bool(s.back) and not any(isinstance(step, Write) for step in s.steps[s.cursor :]))


def put_back(s: State) -> bool:
    """`resume --restore`: every write that the operator asked for has ended."""
    return not s.active or not any(isinstance(step, Write) and step.over for step in s.steps[s.cursor :])


def over(s: State) -> bool:
    """`run`, `finish`: the attempt is over."""
    return not s.active
