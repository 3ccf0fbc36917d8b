"""A scenario file on the virtual clock: the same engine, simulated parts, a migration of an hour in under a second.

What is simulated has no clients and no processes: the scenario's exit code, phase, zone and sides are judged, its
requests are not. Commands of the acts are an operator's words to the same journal; `kill the engine` crashes the
worker, and `run` and `tick` bring another.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from lbmigrate import assemble, config, plan
from lbmigrate.decide import End, decide, phase
from lbmigrate.engine import Engine, over
from lbmigrate.errors import Failed, LbmigrateError, RolledBack, Usage
from lbmigrate.events import Asked, Entry, Saw
from lbmigrate.fold import State, fold
from lbmigrate.lab import ground
from lbmigrate.lab.dns import DnsParts
from lbmigrate.lab.scenario import Act, Command, Deed, Fails, Kill, Scenario
from lbmigrate.lab.scenario_file import load
from lbmigrate.lab.sides import Place, entry
from lbmigrate.lab.transfer import Key
from lbmigrate.lab.virtual import START, Crash, Faults, MemoryJournal, World, parts, worker
from lbmigrate.model import Held, RRset
from lbmigrate.render import entry_json, entry_text
from lbmigrate.schemes import swap
from lbmigrate.spec import Bound, Config

HORIZON = 86400.0  # virtual seconds after which a scenario has come to no end


def rehearse_virtually(
    path: Path, say: Callable[[str], None], seed: int = 1, instead: Mapping[str, Any] | None = None
) -> int:
    """Play the file; 0 when phase, exit code, zone and sides are as it expects. Raises Usage, Failed.

    `instead`: fields of the scenario that the file's own give way to.
    """
    scenario = load(path, instead)
    if scenario.software == "route53":
        raise Usage(f"{path}: Route 53 has no form on the virtual clock; leave --virtual out")
    play = _Play(scenario, say, seed)
    wrong = play.judge(play.play())
    for line in wrong:
        say(f"  NO  {line}")
    if wrong:
        raise Failed(f"{path}: the scenario's expectations are not met on the virtual clock")
    say(f"  as expected after {play.world.clock.now() - START:.0f} virtual seconds")
    return 0


def _place(scenario: Scenario, folder: str) -> Place:
    """Addresses that nobody needs to own."""
    return Place(
        Path(folder),
        8080,
        tuple(f"192.0.2.{10 + i}" for i in range(scenario.a)),
        tuple(f"192.0.2.{100 + i}" for i in range(scenario.b)),
        tuple(("192.0.2.200", 8000 + i) for i in range(scenario.backends)),
    )


def _originals(scenario: Scenario, bound: Bound) -> tuple[Held, ...]:
    """What the laboratory's zone would hold at each name."""
    given = [line.split(" ", 1) for line in ground.held(scenario, _place(scenario, ""))]
    types = sorted({rtype for rtype, _ in given})
    rdatas = {rtype: tuple(sorted(rdata for kind, rdata in given if kind == rtype)) for rtype in types}
    return tuple(
        Held(name, tuple(RRset(name, rtype, scenario.ttl, rdatas[rtype]) for rtype in types)) for name in bound.names
    )


def _config(scenario: Scenario) -> Config:
    """The very config that the laboratory would write."""
    with tempfile.TemporaryDirectory() as folder:
        where = _place(scenario, folder)
        secret = Path(folder) / "tsig.key"
        servers = ("192.0.2.53:53", "192.0.2.54:53")[: 1 + scenario.secondary]
        made = DnsParts(ground.ORIGIN, Key("laboratory", "hmac-sha256", ""), servers)
        text = ground.config(scenario, where, made, {side: entry(where, side, "haproxy") for side in "ab"}, secret)
        file = Path(folder) / "lbmigrate.yaml"
        file.write_text(yaml.safe_dump(text))
        return config.load(file)


class _Play:
    """One scenario while it is played."""

    def __init__(self, scenario: Scenario, say: Callable[[str], None], seed: int) -> None:
        self.scenario, self.say = scenario, say
        self.config = _config(scenario)
        self.originals = _originals(scenario, self.config.bound)
        lags = (0.0, scenario.lag)[: 1 + scenario.secondary]
        self.world = World(seed, self.originals, Faults(), lags)
        self.world.watch = self._killed
        if scenario.dead_on_arrival:
            self.world.sick["b"] = lambda _: 1.0
        self.journal = MemoryJournal(self.world.hook)
        self.acts = list(scenario.acts)
        self.deeds: list[Deed] = []
        self.killing = False
        self.workers = 0
        self.code = 0

    def play(self) -> State:
        """Workers come and go as the acts say, until the attempt is over, held for good, or nobody is left."""
        while True:
            try:
                self._work()
            except Crash:
                self.say(f"{self._clock()} kill -9 the engine; another one goes on")
                continue
            except LbmigrateError as wrong:
                self.code = wrong.code
                self.say(f"{self._clock()} {wrong}")
            return fold(State(), self.journal.entries)

    def _work(self) -> None:
        self.workers += 1
        self.killing = False
        bound, soft = self.config.bound, self.config.soft
        made = parts(self.world, bound.a.addresses, bound.b.addresses, soft.probes[0].rate, 1, bool(soft.controls))
        engine = Engine(
            self.journal, self.world.clock, worker(self.workers), lambda who: who.pid == self.workers, self._tell
        )
        if engine.state.plan is None:
            made_plan = plan.build(bound, self.originals)
            engine.begin(made_plan, soft, assemble.served(made_plan, made.zones))
        engine.drive(made, lambda s: over(s) or self._act(engine, s))
        last = decide(engine.state)
        if isinstance(last, End) and last.word == "rolled-back":
            raise RolledBack(f"rolled back: {last.why}")
        self.code = 6 if isinstance(last, End) and last.word == "refused" else 0

    # ---- acts

    def _tell(self, entry: Entry, state: State) -> None:
        text = entry_text(entry, state)
        if text and not isinstance(entry.event, Saw):
            self.say(f"{self._clock()} {text}")
        if self.acts and self.acts[0].due(entry_json(entry, state)):
            self.world.clock.at(self.world.clock.now() + self.acts[0].after, self._ready(self.acts.pop(0)))

    def _ready(self, act: Act) -> Callable[[], None]:
        return lambda: self.deeds.extend(act.deeds)

    def _act(self, engine: Engine, state: State) -> bool:
        """Do what is due; never a goal."""
        if self.world.clock.now() > START + HORIZON:
            raise Failed(f"no end within {HORIZON:.0f} virtual seconds: {state.step}")
        while self.deeds:
            self._do(self.deeds.pop(0), engine)
        return False

    def _do(self, deed: Deed, engine: Engine) -> None:
        match deed:
            case Fails(side, percent):
                self.world.sick[side] = lambda _: percent / 100
            case Kill("engine"):
                self.killing = True
            case Kill(side):
                self.world.up[side] = False
            case Command(("run" | "tick", *_)):
                pass  # another worker comes by itself
            case Command(words):
                for ask in _asks(words):
                    engine.ask(ask)

    def _killed(self, where: str) -> None:
        if self.killing and where in ("append", "send", "sent"):
            raise Crash(where)

    def _clock(self) -> str:
        return f"{self.world.clock.now() - START:9.2f} s"

    # ---- verdict

    def judge(self, state: State) -> list[str]:
        """What is not as the scenario expects."""
        expect, sides = self.scenario.expect, self._sides()
        pairs = (
            ("exit code", expect.exit, self.code),
            ("phase", expect.phase, phase(state)),
            ("zone", expect.zone, self._zone()),
            ("A", expect.a, sides["a"]),
            ("B", expect.b, sides["b"]),
        )
        lost = [f"{len(self.acts)} acts never came due"] if self.acts else []
        unmet = [f"{what}: {seen} (expected {want})" for what, want, seen in pairs if want != seen]
        return lost + self.world.broken + unmet

    def _sides(self) -> dict[str, str]:
        dead = {deed.what for act in self.scenario.acts for deed in act.deeds if isinstance(deed, Kill)}
        a = "running" if self.world.up["a"] else "dead" if "a" in dead else "retired"
        return {"a": a, "b": "running" if self.world.up["b"] else "gone"}

    def _zone(self) -> str:
        bound = self.config.bound
        if all(self.world.records[held.name] == held for held in self.originals):
            return "unchanged"
        rrsets = [rrset for held in self.world.records.values() for rrset in held.rrsets]
        return "shared" if any(swap.names_a(rrset, bound.a) or rrset.rtype == "LUA" for rrset in rrsets) else "moved"


def _asks(words: tuple[str, ...]) -> Iterator[Asked]:
    """The operator's words that a command line stands for. Raises Usage for one that a virtual clock cannot play."""
    verb, flags = words[0], words[1:]
    if verb == "shift" and "--weight" in flags:
        yield Asked("shift", int(flags[flags.index("--weight") + 1]), force="--force" in flags)
    elif verb == "rollback":
        yield Asked("rollback", keep_b="--keep-b" in flags, restore="--restore" in flags)
    elif verb == "finish":
        yield Asked("finish", force="--force" in flags)
    elif verb == "pause":
        yield Asked("pause")
    elif verb == "resume":
        yield Asked("resume", restore="--restore" in flags)
    elif verb == "approve":
        yield Asked("approve")
    else:
        raise Usage(f"{' '.join(words)}: cannot be played on a virtual clock")
