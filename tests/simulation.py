"""One seeded migration on the virtual clock, under faults, every invariant of the design checked against the truth."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lbmigrate import plan as plans
from lbmigrate.decide import decide
from lbmigrate.engine import Engine, over
from lbmigrate.errors import LbmigrateError
from lbmigrate.events import Asked, Began, Entry, Finished, Passed, TurnedBack, Worker
from lbmigrate.fold import State, fold
from lbmigrate.lab.virtual import START, Crash, Faults, MemoryJournal, World, parts, worker
from lbmigrate.model import Held, Probe, RRset, Side
from lbmigrate.plan import Soak, Turn, Write
from lbmigrate.spec import Bound, Dns, GateSpec, Retire, Soft, Stage

NAME = "www.example.com."
OTHER = Held("mail.example.com.", (RRset("mail.example.com.", "A", 300, ("192.0.2.99",)),))
HORIZON = 6 * 3600.0  # virtual seconds after which a migration must have come to an end or to a hold

Step = Callable[["Run"], None]


@dataclass
class Run:
    """A migration and what is known about it. `broken` lists the violations of invariants, each with its moment."""

    seed: int
    faults: Faults = field(default_factory=Faults)
    ttl: int = 60
    stages: tuple[int, ...] = (50, 100)
    lags: Sequence[float] = (0.0, 2.0)
    verbs: list[tuple[float, Asked]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    crashes: int = 0
    started: int = 0
    stalled: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        rng = random.Random(self.seed)
        self.a = tuple(f"192.0.2.{10 + i}" for i in range(2))
        self.b = tuple(f"192.0.2.{20 + i}" for i in range(2))
        self.original = Held(NAME, (RRset(NAME, "A", rng.choice((60, 120, 300)), self.a),))
        self.world = World(self.seed, (self.original, OTHER), self.faults, self.lags)
        self.world.watch = self.watched
        self.journal = MemoryJournal(self.world.hook)
        self.bound = Bound(
            "sim", (NAME,), Side("sim", self.a), Side("sim", self.b), (Dns("sim", "example.com."),),
            tuple(Stage(weight) for weight in self.stages), self.ttl,
        )  # fmt: skip
        self.soft = Soft(
            (Probe("http://www.example.com/", rate=5.0),), soak=10, soak_limit=1800, cache_margin=5,
            gate=GateSpec(promote_margin=0.05), retire=Retire(idle_for=30, limit=7200),
        )  # fmt: skip
        self.plan = plans.build(self.bound, (self.original,))

    # ---- playing

    def play(self) -> State:
        """Workers come, die and come again until the attempt is over or the horizon is reached."""
        state = State()
        while self.world.clock.now() < START + HORIZON:
            state = self.worker()
            if state.outcome or (state.hold and state.hold.for_good):
                break
            self.world.clock.sleep(self.world.random.uniform(1, 90))
        self.finally_()
        return state

    def worker(self, until: float | None = None) -> State:
        """One worker, from its start to its death, or `until`, or the end."""
        self.started += 1
        me = worker(self.started)
        held = parts(self.world, self.a, self.b, 5.0, 1, True)
        engine = Engine(self.journal, self.world.clock, me, self.alive, self.told)
        try:
            if not engine.state.plan:
                names = [NAME]
                engine.begin(self.plan, self.soft, lambda: tuple(held.zones[0].served(names)))
            engine.drive(held, lambda s: over(s) or self.ask_due(engine, s), until)
        except Crash:
            self.crashes += 1
        except LbmigrateError:
            pass  # a hold for good: `play` looks at the state
        return fold(State(), self.journal.entries)

    def alive(self, who: Worker) -> bool | None:
        """The newest worker lives; one that stands still is on another machine, where nobody can tell."""
        return who.pid == self.started or (None if who.pid in self.stalled else False)

    def stall(self) -> None:
        """The worker at hand stands still here while another works, and then goes on with what it was about to do."""
        self.stalled.add(self.started)
        self.world.clock.sleep(self.world.random.uniform(11, 60))
        self.worker(until=self.world.clock.now() + self.world.random.uniform(5, 400))

    def ask_due(self, engine: Engine, state: State) -> bool:
        """The operator's words, each at its time."""
        while self.verbs and self.world.clock.now() >= START + self.verbs[0][0] and state.active:
            _, ask = self.verbs.pop(0)
            try:
                engine.ask(ask)
            except LbmigrateError:
                continue  # refused by the rules: the operator shrugs
        return False

    # ---- judging

    def told(self, entry: Entry, _state: State) -> None:
        """Checks that hang on what was just written down."""
        event = entry.event
        if entry.n != len(self.journal.entries):
            return  # read later by another worker: the truth has moved on
        if isinstance(event, Passed) and isinstance(event.step, Soak | Turn) and self.world.cached_other(NAME):
            self.break_(f"passed {event.step} while caches may hold another answer")
        if isinstance(event, TurnedBack) and event.by == "gate" and self.world.sick["a"](self.world.clock.now()) >= 0.5:
            self.break_("turned back to an A that fails")
        if isinstance(event, Began) and isinstance(event.step, Write) and event.step.target == "weight":
            self.ordered(event.step, self.journal.entries[: entry.n - 1])
        if isinstance(event, Finished):
            self.world.watch = lambda _: None

    def ordered(self, step: Write, before: list[Entry]) -> None:
        """Automatic weights follow the plan, upwards, one judged stage after another."""
        if any(isinstance(entry.event, Asked) for entry in before):
            return
        begun = [entry.event.step for entry in before if isinstance(entry.event, Began)]
        earlier = [s.weight for s in begun if isinstance(s, Write) and s.target == "weight"]
        judged = {e.event.step.weight for e in before if isinstance(e.event, Passed) and isinstance(e.event.step, Soak)}
        if step.weight not in self.stages or step.weight < max(earlier, default=0):
            self.break_(f"weight {step.weight} is not in the plan, or comes after {max(earlier, default=0)}")
        if not {weight for weight in self.stages if weight < step.weight} <= judged:
            self.break_(f"weight {step.weight} before the stages below it were judged")

    def watched(self, where: str) -> None:
        """Checks at the moment of an effect."""
        entries = self.journal.entries
        if where == "send" and len(self.stalled) < 3 and self.world.random.random() < self.faults.stall:
            self.stall()
            return
        if where in ("send", "stop a", "stop b", "stand up"):
            state = fold(State(), entries)
            if state.flight is None:
                self.break_(f"{where} without a durable intent")
        if where == "stop a":
            if any(self.world.cached(address) for address in self.a):
                self.break_("A was stopped while DNS or a cache may still name it")
            if any(address in r.rdatas for address in self.a for r in self.world.records[NAME].rrsets):
                self.break_("A was stopped while in DNS")

    def finally_(self) -> None:
        """After the end: no earlier message changes anything, nothing else was touched, the journal folds the same."""
        state = fold(State(), self.journal.entries)
        if self.world.records[OTHER.name] != OTHER:
            self.break_("a name that is not ours was changed")
        if decide(state) != decide(fold(State(), self.journal.entries)):
            self.break_("the same journal gave another next action")
        if state.outcome:
            before = dict(self.world.records)
            for message in self.world.sent:
                self.world.deliver(message)
            self.world.clock.sleep(4000)
            if self.world.records != before:
                self.break_(f"a late message changed the records after {state.outcome!r}")
            want = self.original.rrsets if state.outcome == "rolled-back" else None
            now = before[NAME]
            if want and (now.rrsets != want or now.fence):
                self.break_("rolled back, but the zone is not as it was")
            if state.outcome == "done" and (now.fence or set(now.rrsets[0].rdatas) != set(self.b)):
                self.break_("done, but the zone is not B's alone")
        self.broken += self.world.broken

    def break_(self, what: str) -> None:
        """Note a violation."""
        self.broken.append(f"seed {self.seed} at {self.world.clock.now() - START:.1f}: {what}")


def drawn(seed: int) -> Run:
    """A migration with faults and a fate drawn from its seed."""
    rng = random.Random(seed)
    begin = rng.uniform(0, 600)
    away = ((begin, begin + rng.choice((5.0, 90.0, 3600.0))),) if rng.random() < 0.3 else ()
    faults = Faults(
        crash=rng.choice((0.0, 0.003, 0.01)), lost=rng.choice((0.0, 0.2, 0.5)), late=rng.choice((0.0, 0.1, 0.3)),
        doubled=rng.choice((0.0, 0.3)), stall=rng.choice((0.0, 0.0, 0.1)), down=away,
    )  # fmt: skip
    lags = rng.choice(((0.0,), (0.0, 2.0), (0.0, 5.0, 20.0)))
    run = Run(seed, faults, rng.choice((20, 60)), rng.choice(((50, 100), (100,))), lags)
    _fate(run, rng)
    return run


def _fate(run: Run, rng: random.Random) -> None:
    when = START + rng.uniform(50, 700)
    match rng.choice(("clean", "clean", "b dies", "a dies", "b fails a third", "both", "rollback", "shift", "finish")):
        case "b dies":
            run.world.sick["b"] = lambda at: 1.0 if at > when else 0.0
        case "a dies":
            run.world.sick["a"] = lambda at: 1.0 if at > when else 0.0
        case "b fails a third":
            run.world.sick["b"] = lambda at: 0.33 if at > when else 0.0
        case "both":
            run.world.sick["a"] = run.world.sick["b"] = lambda at: 1.0 if when < at < when + 600 else 0.0
        case "rollback":
            run.verbs = [(rng.uniform(0, 900), Asked("rollback", keep_b=rng.random() < 0.5))]
        case "shift":
            run.verbs = [(rng.uniform(100, 900), Asked("shift", rng.choice((0, 50, 100)), force=True))]
        case "finish":
            run.verbs = [(rng.uniform(100, 900), Asked("finish", force=True))]
        case _:
            pass
