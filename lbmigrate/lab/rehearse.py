"""Plays a scenario: builds the laboratory, drives the real command line through it, judges what came of it."""

import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, assert_never

import dns.rdatatype
import dns.rrset

from lbmigrate import config, schemes
from lbmigrate.dns.records import rrset_of
from lbmigrate.errors import Failed, Usage
from lbmigrate.gate import pairs_range
from lbmigrate.lab import dnswatch
from lbmigrate.lab import verdict as judge
from lbmigrate.lab.ground import Ground
from lbmigrate.lab.operator import Given, Operator
from lbmigrate.lab.scenario import Act, Command, Deed, Fails, Kill, Scenario
from lbmigrate.lab.scenario_file import load
from lbmigrate.lab.story import Story
from lbmigrate.lab.verdict import Check, Floors, Verdict
from lbmigrate.model import Side

POLL_SECONDS = 0.02
SERVED_SECONDS = 0.5
SETTLE_SECONDS = 1.0
LUA_QUERIES = 10
LUA_WINDOW = 200
MINIMUM_MARGIN = 1.0  # resolvers count whole seconds: a cache wait never has a smaller margin


def rehearse(
    path: Path,
    real: bool,
    directory: Path,
    say: Callable[[str], None],
    program: Sequence[str] = (),
    instead: Mapping[str, Any] | None = None,
) -> Verdict:
    """Play the scenario file in `directory` (kept afterwards), telling the story through `say`.

    `real`: real name servers, unbound and haproxy in place of the embedded parts. `program`: the command line to
    drive, by default this package's own. `instead`: fields of the scenario that the file's own give way to.
    Raises Usage for a wrong file, Failed where the laboratory itself cannot be built.
    """
    scenario = load(path, instead)
    if real and scenario.software == "route53":
        raise Usage(f"{path}: Route 53 is the laboratory's own, there is no real one; leave --real out")
    story = Story(say, time.time)
    story.tell("lab", f"{scenario.title} ({_parts(scenario, real)}), in {directory}")
    ground = Ground(scenario, real, directory)
    play = _Play(scenario, ground, story, program or (sys.executable, "-m", "lbmigrate"))
    try:
        return play.play()
    finally:
        play.close()
        ground.close()


def _parts(scenario: Scenario, real: bool) -> str:
    """What it is played with, in words."""
    zone = f"{scenario.software}, {'signed' if scenario.signed else 'unsigned'}" if real else "embedded parts"
    zone += ", Route 53" if scenario.software == "route53" else ""
    return f"{'real servers: ' if real else ''}{zone}; scheme {scenario.scheme}"


class _Play:
    """One scenario while it is played."""

    def __init__(self, scenario: Scenario, ground: Ground, story: Story, program: Sequence[str]) -> None:
        self.scenario, self.ground, self.story = scenario, ground, story
        self.operator = Operator(program, ground.config, ground.environment)
        self.events: list[dict[str, Any]] = []
        self.heard: set[int] = set()
        self.ended: set[Given] = set()
        self.given: list[Given] = []
        self.seconds: list[dict[str, Any]] = []
        self.served: list[judge.Answer] = []
        self.checks: list[Check] = []
        self.summary: dict[str, Any] = {}
        self.acts: deque[Act] = deque(scenario.acts)
        self.deeds: deque[Deed] = deque()
        self.due: float | None = None
        self.beside: Given | None = None
        self.engine: Given
        self.a_gone = 0.0
        self.listed: list[str] = []
        self.a_host = ""
        self.b = Side("haproxy", ground.place.b, ground.both.host("b"))
        self.lately: deque[float] = deque(maxlen=LUA_WINDOW)

    def play(self) -> Verdict:
        """The whole story."""
        self.story.tell("lab", self._about())
        self.ground.begin()
        before, self.listed = self.ground.zone(), self.ground.listing()
        self.a_host = self.ground.both.host("a")
        self._clients()
        self.story.zero()
        began = time.time()
        self.engine = self._give(("run",))
        self._turn_until_over(began + self.scenario.limit)
        moments = time.time() - began
        self._last_words()
        self._settle()
        after = self.ground.zone()
        return self._judge(before, after, moments)

    def _about(self) -> str:
        where = self.ground.place
        servers = ", ".join(self.ground.dns.nameservers)
        ends = f"A at {', '.join(where.a)}, B to come at {', '.join(where.b)}, port {where.port}"
        return f"{ends}; {len(where.backends)} backends; DNS at {servers}; {self.scenario.clients.rate:g} requests/s"

    def _turn_until_over(self, limit: float) -> None:
        while True:
            self._listen()
            if not self._act() and self.engine.code() is not None and self.beside is None and not self._expecting():
                self._listen()
                break
            if time.time() > limit:
                self.checks.append(Check("the end", f"within {self.scenario.limit:g} s", "not reached", False))
                self.engine.end()
                break
            time.sleep(POLL_SECONDS)
        if self.acts:
            self.checks.append(Check("acts", "all played", f"{len(self.acts)} never came due", False))

    def _last_words(self) -> None:
        """What the engine had to say on stderr, where it ended without its last line."""
        if self.engine not in self.ended:
            self.story.tell("engine", f"exit {self.engine.code()}: {self.engine.complaint()}")

    def _expecting(self) -> bool:
        """Whether an act is due, or will be without another event."""
        return self.due is not None or bool(self.deeds)

    # ------------------------------------------------------------ what happens

    def _act(self) -> bool:
        """Do what is due; whether anything was done."""
        if self.beside is not None:
            return self._wait_beside(self.beside)
        if self.deeds:
            self._do(self.deeds.popleft())
            return True
        if self.acts and self.due is None and self.acts[0] == Act(self.acts[0].deeds, after=self.acts[0].after):
            self.due = time.time() + self.acts[0].after
        if self.due is not None and time.time() >= self.due:
            self.due = None
            self.deeds.extend(self.acts.popleft().deeds)
            return True
        return False

    def _do(self, deed: Deed) -> None:
        match deed:
            case Fails(side, percent):
                self.ground.both.fails(side, percent)
                self.story.tell("fault", f"{side.upper()} answers {percent} % of its requests with an error")
            case Kill("engine"):
                self.engine.kill()
                self.story.tell("fault", "kill -9 the engine")
            case Kill(side):
                self.ground.both.kill(side)
                self.story.tell("fault", f"kill -9 {side.upper()}")
            case Command(words) if words[0] == "run":
                self.engine = self._give(words)
            case Command(words):
                self.beside = self._give(words)
            case _:
                assert_never(deed)

    def _give(self, words: tuple[str, ...]) -> Given:
        self.story.tell("operator", f"lbmigrate {' '.join(words)}")
        self.given.append(self.operator.give(words))
        return self.given[-1]

    def close(self) -> None:
        """End the commands that still run: none may act on what is about to be taken down."""
        for one in self.given:
            one.end()

    def _wait_beside(self, given: Given) -> bool:
        code = given.code()
        if code is None:
            return False
        self._hear(given)
        self.beside = None
        said = f" {given.complaint()}" if code else ""
        self.checks.append(Check(f"exit code of {' '.join(given.words)}", "0", f"{code}{said}", code == 0))
        return True

    # ------------------------------------------------------------ what is seen

    def _listen(self) -> None:
        self._hear(self.engine)
        if self.beside:
            self._hear(self.beside)
        self._clients()
        if not self.served or time.time() - self.served[-1][0] >= SERVED_SECONDS:
            self.served.append((time.time(), self._share(), time.time()))
        if not self.a_gone and not self.ground.both.pid("a"):
            self.a_gone = time.time()
            self.story.tell("lab", "A's process has ended")

    def _hear(self, given: Given) -> None:
        for event in given.events():
            if "outcome" in event:
                self.ended.add(given)
                self.story.event(event)
            # Two commands that follow the same journal print the same entries.
            if "phase" not in event or event["seq"] in self.heard:
                continue
            self.heard.add(event["seq"])
            self.story.event(event)
            self.events.append(event)
            if self.acts and self.due is None and not self.deeds and self.acts[0].due(event):
                self.due = time.time() + self.acts[0].after

    def _clients(self) -> None:
        self._take(self.ground.clients.read())

    def _take(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            if "failure" in line:
                self.story.failure(line["failure"])
            elif "second" in line:
                self.seconds.append(line["second"])
            else:
                self.summary = line["summary"]

    def _share(self) -> float:
        """B's share of what the authoritative servers hand out now, over all of them and all names, percent."""
        found: list[float] = []
        for server, name in product(self.ground.dns.nameservers, self.ground.names):
            rtype = "SRV" if self.scenario.holds == "srv" else "A"
            for rrset in self._asked(server, name, rtype):
                share = schemes.share([rrset_of(rrset)], self.b)
                found += [] if share is None or rrset.rdtype == dns.rdatatype.CNAME else [share]
        if self.scenario.drawn:  # one address an answer: of many answers, the share
            self.lately.extend(found)
            found = list(self.lately)
        return sum(found) / max(1, len(found))

    def _asked(self, server: str, name: str, rtype: str) -> list[dns.rrset.RRset]:
        times = LUA_QUERIES if self.scenario.drawn else 1
        return [rrset for _ in range(times) for rrset in dnswatch.reply(server, name, rtype).answer]

    def _settle(self) -> None:
        """A last second of traffic after the end, then the clients finish."""
        until = time.time() + SETTLE_SECONDS
        while time.time() < until:
            self._clients()
            time.sleep(POLL_SECONDS)
        self._take(self.ground.end_clients())
        if not self.summary:
            raise Failed("ending the clients: they left no summary; see clients.log")

    # ------------------------------------------------------------ what came of it

    def _judge(self, before: list[str], after: list[str], moments: float) -> Verdict:
        where, watch = self.ground.place, self.ground.end_watch()
        b_host = [one for one in (self.ground.both.host("b"),) if one]
        zone = judge.compare(before, after, self.ground.names, (*where.a, self.a_host), (*where.b, *b_host))
        code, status = self.engine.code(), self.operator.status()
        found = judge.checks(self.scenario.expect, code, status, self.summary, zone, self._sides())
        floors = self._floors()
        if self.scenario.expect.a == "retired":
            found.append(judge.idle(floors.last_at_a, self.a_gone, floors.drain))
        spans = judge.spans(self.events, floors, self.served, self.seconds)
        checks = (*self.checks, *found, *self._listed(zone), judge.watched(watch))
        verdict = Verdict(self.scenario.title, checks, spans, self.summary, watch, moments)
        self.story.verdict(verdict)
        return verdict

    def _listed(self, zone: str) -> list[Check]:
        """Route 53: a zone that is unchanged is listed as it was, to the letter."""
        if not self.listed or zone != "unchanged":
            return []
        same = sum(was == now for was, now in zip(self.listed, self.ground.listing(), strict=True))
        return [
            Check("sets listed to the letter as before", f"{len(self.listed)}", f"{same}", same == len(self.listed))
        ]

    def _sides(self) -> dict[str, str]:
        sides = self.ground.both
        a = "running" if sides.pid("a") else "dead" if "a" in sides.killed else "retired"
        return {"a": a, "b": "running" if sides.pid("b") else "gone"}

    def _floors(self) -> Floors:
        """From the very config that was used (design, section 4; gate.md, rule 6)."""
        made = config.load(self.ground.config)
        soft = made.soft
        ttl = made.bound.ttl or self.scenario.ttl
        margin = max(MINIMUM_MARGIN, soft.cache_margin)
        evidence = pairs_range(soft.gate)[0] / min(one.rate for one in soft.probes)
        prepare = self.scenario.ttl + margin if ttl < self.scenario.ttl else 0.0
        stage, last = max(ttl + margin + soft.soak, evidence), self.summary["last_by_side"].get("a", 0.0)
        return Floors(prepare, stage, soft.retire.idle_for, ttl + margin, last)
