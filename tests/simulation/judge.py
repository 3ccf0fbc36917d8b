"""The invariants of a migration, checked against the truth of the simulated world."""

from lbmigrate import lua
from lbmigrate.decide import decide, permit, phase
from lbmigrate.events import Asked, Began, Ended, Entry, Event, Passed, Started, TurnedBack
from lbmigrate.facts import SEARCHED
from lbmigrate.fold import State, fold
from lbmigrate.lab.world import START, MemoryJournal, World
from lbmigrate.model import RRset, SideName
from lbmigrate.plan import Drain, Plan, Soak, Step, Turn, Write
from lbmigrate.schemes.swap import names_a

from .ground import SIDES

SLOW = 12.0  # seconds in which 20 probes, a slice and a takeover have shown that a side fails
AFTER = 400.0  # seconds: later than any message


class Judge:
    """What was broken, each with its moment. `theirs`: names that others edited when we had no claim on them."""

    def __init__(self, world: World, journal: MemoryJournal, plan: Plan) -> None:
        self.broken: list[str] = []
        self.over = False
        self.theirs: set[str] = set()
        self._world, self._journal, self._plan = world, journal, plan
        self._before = dict(world.records)
        self._state = State()

    def known(self) -> State:
        """What the journal adds up to."""
        self._state = fold(self._state, self._journal.entries[self._state.seq :])
        return self._state

    def break_(self, what: str) -> None:
        """Note a violation."""
        self.broken.append(f"at {self._world.clock.now() - START:.1f}: {what}")
        self._world.tell(f"BROKEN: {what}")

    # ---- what is written down

    def told(self, entry: Entry, state: State) -> None:
        """Checks that hang on what was just written down."""
        if entry.n != len(self._journal.entries):
            return  # read later by another worker: the truth has moved on
        before, self._state = self._state, state
        if phase(state) == "failed" and state.outcome != "abandoned":
            self.break_(f"{state.outcome} is called failed")
        match entry.event:
            case Passed(step):
                self._passed(step)
            case TurnedBack("gate"):
                if self._failing("a"):
                    self.break_("turned back to an A that fails")
            case Ended(Write(target="abandon") as step, "done"):
                self._abandoned(step)
            case Began(Write(target="weight") as step) if before.flight is None or before.flight.step != step:
                self._weighed(step, before)
            case _:
                pass

    def _passed(self, step: Step) -> None:
        if isinstance(step, Turn | Soak) and self._cached_other():
            self.break_(f"passed {step} while caches may hold another answer")
        if isinstance(step, Soak) and step.weight and self._failing("b"):
            self.break_(f"passed {step} although B fails")
        if isinstance(step, Drain) and self._cached(step.side):
            self.break_(f"passed {step} while DNS or a cache may still name it")

    def _abandoned(self, step: Write) -> None:
        """The fence is gone for now: a claim that is still under way may leave one later."""
        for name in self._plan.batches[step.batch].names:
            if self._world.records[name].fence:
                self.break_(f"abandoned, but {name} still has a fence")

    def _weighed(self, step: Write, before: State) -> None:
        """Weights by themselves follow the plan, upwards, one judged stage after another, onto a B that is good."""
        if not before.forced and step.weight > before.weight and not step.over and self._failing("b"):
            self.break_(f"weight {step.weight} although B fails")
        earlier = self._attempt()
        if any(isinstance(event, Asked) and event.verb in ("shift", "finish", "resume") for event in earlier):
            return
        begun = [w for event in earlier if isinstance(event, Began) and (w := _weight(event.step)) is not None]
        judged = {e.step.weight for e in earlier if isinstance(e, Passed) and isinstance(e.step, Soak)}
        stages = {stage.weight for stage in self._plan.bound.stages}
        if step.weight not in stages | {0} or step.weight < max(begun, default=0):
            self.break_(f"weight {step.weight} is not in the plan, or comes after {max(begun, default=0)}")
        if not {weight for weight in stages if weight < step.weight} <= judged:
            self.break_(f"weight {step.weight} before the stages below it were judged")

    def _attempt(self) -> list[Event]:
        """The events of the attempt under way."""
        entries = [entry.event for entry in self._journal.entries[:-1]]
        begun = max(n for n, event in enumerate(entries) if isinstance(event, Started))
        return entries[begun:]

    # ---- what is done

    def watched(self, where: str) -> None:
        """Checks at the moment of an effect."""
        if where not in ("send", "stop a", "stop b", "stand up"):
            return
        state = self.known()
        if state.flight is None:
            self.break_(f"{where} without a durable intent")
        match where:
            case "stop a":
                self._stopped(state)
            case "stop b" if self._cached("b"):
                self.break_("B was stopped while DNS or a cache may still name it")
            case _:
                pass

    def _stopped(self, state: State) -> None:
        """A is stopped when nothing names it, nobody asked it for a whole window, and with consent."""
        if self._cached("a"):
            self.break_("A was stopped while DNS or a cache may still name it")
        retire, at, asked = state.soft.retire, state.seen.at, self._world.foreign["a"]
        late = asked(at) - asked(at - retire.idle_for) > retire.max_requests
        if late and self._world.up["a"] and self._world.counts["a"]:
            self.break_("A was stopped although somebody asked it within the idle window")
        if self._left_out(state):
            self.break_("A was stopped although a name that the plan does not move still ends there")
        if retire.approve and not any(
            isinstance(e, Asked) and e.verb in ("approve", "finish") for e in self._attempt()
        ):
            self.break_("A was stopped without the approval that retire asks for")

    def _left_out(self, state: State) -> bool:
        """A name beyond the plan ended at A when the zones were looked through last, and does so now."""
        left, now, counted = self._world.left, self._world.clock.now(), self._world.up["a"] and self._world.counts["a"]
        return bool(left(now) and left(now - SEARCHED)) and counted and not state.forced

    def ended(self, state: State) -> None:
        """After the end: no earlier message changes anything, nothing else was touched, the journal folds the same."""
        world, self.over = self._world, True
        world.watch = lambda _: None
        whole = fold(State(), self._journal.entries)
        if whole != state or decide(whole) != decide(state):
            self.break_("the same journal gave another state, or another next action")
        if state.outcome:
            if not all(permit(state, Asked(verb)) for verb in ("shift", "finish", "rollback", "abandon")):
                self.break_("an operator's word is taken although nothing is under way")
            before = dict(world.records)
            self._holds(state.outcome)
            world.tell("once more every message that was ever sent")
            for message in world.sent:
                world.deliver(message)
            world.clock.sleep(AFTER)
            if world.records != before and state.outcome != "abandoned":  # which leaves things as they are
                self.break_(f"a late message changed the records after {state.outcome!r}")
        for name in self._before.keys() - {held.name for held in self._plan.originals}:
            if world.records[name] != self._before[name]:
                self.break_(f"{name} is not ours and was changed")
        self.broken += world.broken

    def _holds(self, outcome: str) -> None:
        """What the zones hold at the end."""
        for original in self._plan.originals:
            now = self._world.records[original.name]
            if now.name in self.theirs:
                continue
            if now.fence and outcome != "abandoned":
                self.break_(f"{outcome}, but {now.name} still has a fence")
            if outcome == "rolled-back" and now.rrsets != original.rrsets:
                self.break_(f"rolled back, but {now.name} is not as it was")
            if outcome == "done" and not all(_names(r, "b") and not _names(r, "a") for r in now.rrsets):
                self.break_(f"done, but {now.name} is not B's alone")

    # ---- the truth

    def _failing(self, side: SideName) -> bool:
        """Long enough for everybody to have seen it."""
        sick, now = self._world.sick[side], self._world.clock.now()
        return all(sick(now - ago) == 1.0 for ago in (0.0, SLOW / 2, SLOW))

    def _cached(self, side: SideName) -> bool:
        """Some honest cache may still hold an answer that names a side."""
        return any(_names(r, side) for r in self._ours())

    def _cached_other(self) -> bool:
        """Some honest cache may still hold an answer for a name of ours with other records than the primary's."""
        records = self._world.records
        return any(all(r.rdatas != one.rdatas for one in records[r.name].rrsets) for r in self._ours())

    def _ours(self) -> list[RRset]:
        names = {held.name for held in self._plan.originals}
        return [r for r in self._world.cacheable() if r.name in names]


def _weight(step: Step) -> int | None:
    """What a write sets the weight to."""
    return step.weight if isinstance(step, Write) and step.target == "weight" else None


def _names(r: RRset, side: SideName) -> bool:
    if r.rtype == "LUA":
        chosen = [shares for text in r.rdatas if (shares := lua.read(text))]
        return any(address in SIDES[side].addresses for _, shares in chosen for _, address in shares)
    return names_a(r, SIDES[side])
