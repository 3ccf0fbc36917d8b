"""One seeded migration: workers come, die and come again, an operator speaks, and a judge looks on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lbmigrate.assemble import served
from lbmigrate.engine import Engine, over
from lbmigrate.errors import LbmigrateError
from lbmigrate.events import Asked, Entry, Worker
from lbmigrate.fold import State
from lbmigrate.lab.virtual import START, Crash, Faults, MemoryJournal, World, parts, worker
from lbmigrate.model import Held, RRset
from lbmigrate.parts import Parts
from lbmigrate.spec import Soft, Stage

from .ground import GROUNDS, NAME, RATE, SOFT, A, B, planned
from .judge import Judge

__all__ = ["NAME", "OTHER", "Run"]

OTHER = Held("mail.example.com.", (RRset("mail.example.com.", "A", 300, ("192.0.2.99",)),))
HORIZON = 1200.0  # virtual seconds after which a migration must have come to an end or to a hold
OPERATOR = 1_000_000  # numbers from here on are processes of the operator's


def stands(state: State) -> bool:
    """Held until an operator says how to go on, or paused by one."""
    return state.paused or (state.hold is not None and state.hold.for_good)


@dataclass
class Run:
    """A migration and what is known about it. `words`: the operator's, each at its time (seconds after the start).

    `late`: who is at work stood still since it asked the journal, and may send what is meant no more.
    `behind`: and since it wrote something itself; what others wrote it reads late.
    """

    seed: int
    faults: Faults = field(default_factory=Faults)
    ground: str = "addresses"
    lags: Sequence[float] = (0.0, 2.0)
    stages: tuple[Stage, ...] = (Stage(50), Stage(100))
    ttl: int | None = 5
    original_ttl: int = 20
    soft: Soft = SOFT
    attempts: int = 1
    crashes: int = 0
    started: int = 0
    fate: str = ""
    words: int = 0
    stalled: set[int] = field(default_factory=set)
    late: bool = False
    behind: bool = False

    def __post_init__(self) -> None:
        self.plan = planned(self.ground, self.stages, self.ttl, self.original_ttl)
        self.originals, self.original = self.plan.originals, self.plan.originals[0]
        zones = GROUNDS[self.ground].zones
        self.world = World(self.seed, (*self.originals, OTHER), self.faults, self.lags, zones)
        self.world.watch = self.watched
        self.journal = MemoryJournal(self.world.hook)
        self.judge = Judge(self.world, self.journal, self.plan)
        self.until = START + HORIZON
        self.listen: Callable[[Entry, State], None] = lambda _entry, _state: None

    @property
    def broken(self) -> list[str]:
        """The violations of invariants, each with its moment."""
        return self.judge.broken

    # ---- playing

    def play(self) -> State:
        """Workers come, die and come again until the attempts are over, or a hold stands, or the horizon is reached."""
        clock, state = self.world.clock, State()
        while clock.now() < self.until:
            state = self.worker()
            if (state.active and self.done(state)) or self.ended(state):
                break
            self.attempts -= bool(state.outcome)
            clock.sleep(self.world.random.uniform(0.5, 30))
        self.finally_()
        return state

    def worker(self, until: float | None = None) -> State:
        """One worker, from its start to its death, or `until`, or the end."""
        self.started += 1
        held = self.tools()
        engine = Engine(self.journal, self.world.clock, worker(self.started), self.alive, self.told)
        self.world.tell(f"worker {self.started} begins")
        try:
            if not engine.state.active and until is None:
                engine.begin(self.plan, self.soft, served(self.plan, held.zones))
            engine.drive(held, self.done, until)
        except Crash:
            self.crashes += 1
        except LbmigrateError as wrong:
            self.world.tell(f"worker {self.started} ends: {wrong}")  # a hold for good: `play` looks at the state
        return self.judge.known()

    def tools(self) -> Parts:
        """What one worker works with."""
        return parts(self.world, A.addresses, B.addresses, RATE, GROUNDS[self.ground].channels, True)

    def alive(self, who: Worker) -> bool | None:
        """The newest worker lives; one that stands still is on another machine, where nobody can tell."""
        return who.pid == self.started or (None if who.pid in self.stalled else False)

    def watched(self, where: str) -> None:
        """At an effect: the judge looks, and the worker may stand still here."""
        self.behind = self.behind and where != "appended"
        if where in ("appended", "read", "send", "sent") and self.faults.stall and len(self.stalled) < 3:
            odd = 1 if where == "send" else 0.02
            if self.world.random.random() < self.faults.stall * odd:
                self.stall(where)
                return
        self.late = self.late and where != "append"
        if not (self.late and where == "send"):
            self.judge.watched(where)

    def stall(self, where: str) -> None:
        """The worker at hand stands still here while another works, and then goes on with what it was about to do."""
        mine, random, clock = self.started, self.world.random, self.world.clock
        self.stalled.add(mine)
        self.world.tell(f"worker {mine} stands still ({where})")
        clock.sleep(random.uniform(5, 30))
        self.worker(until=clock.now() + random.uniform(5, 100))
        self.late = self.behind = True
        self.world.tell(f"worker {mine} goes on")

    def ended(self, state: State) -> bool:
        """Over, with no further attempt to come: only what was rolled back begins again."""
        return bool(state.outcome) and (self.attempts == 1 or state.outcome != "rolled-back")

    def done(self, state: State) -> bool:
        """The attempt is over, or stands until an operator speaks, and none will."""
        late = self.world.clock.now() >= self.until
        return over(state) or late or (stands(state) and not self.words)

    def told(self, entry: Entry, state: State) -> None:
        """What was written down: to the judge, but for what a late worker reads of others; and to who listens."""
        if not self.behind:
            self.judge.told(entry, state)
        self.listen(entry, state)

    # ---- the operator

    def asks(self, when: float, ask: Asked) -> None:
        """A word of the operator, given at its time by a process of its own."""
        self.words += 1
        self.world.clock.at(START + when, lambda: self._ask(ask))

    def _ask(self, ask: Asked) -> None:
        if self.judge.over:
            return
        number = worker(OPERATOR + self.words)
        try:
            Engine(self.journal, self.world.clock, number, self.alive, self.told).ask(ask)
            self.world.tell(f"the operator: {ask.verb}")
        except Crash:
            self.world.tell("the operator's command dies")
            self.asks(self.world.clock.now() - START + 2, ask)
        except LbmigrateError as wrong:
            self.world.tell(f"the operator is refused: {wrong}")
        self.words -= 1

    def edits(self, when: float, difference: tuple[str, ...]) -> None:
        """The bound part of the config differs from the plan from then on; nothing: it agrees again."""

        def configure() -> None:
            if self.judge.over or not self.judge.known().active:
                return
            try:
                number = worker(OPERATOR + int(when))
                Engine(self.journal, self.world.clock, number, self.alive, self.told).configure(self.soft, difference)
            except Crash:
                self.edits(when + 2, difference)

        self.world.clock.at(START + when, configure)

    # ---- judging

    def finally_(self) -> None:
        """What can be judged only at the end."""
        self.judge.ended(self.judge.known())
