"""Small states, plans and looks for the tables of rules: everything well unless a test says otherwise."""

from typing import Any

from lbmigrate import plan as plans
from lbmigrate import weighted
from lbmigrate.caches import Answer
from lbmigrate.events import Entry, Event, Search, Seen, SideSeen, Worker
from lbmigrate.facts import Verdict
from lbmigrate.fold import State, fold
from lbmigrate.model import Endpoint, Held, Probe, RRset, Side
from lbmigrate.plan import Plan, Step, Write
from lbmigrate.spec import Bound, Dns, Retire, Soft, Stage
from lbmigrate.value import replace

NOW = 1_800_000_000.0
NAME = "www.example.com."
A, B = ("192.0.2.10",), ("192.0.2.20",)
OK, BAD = "1" * 20, "0" * 20
RINGS: dict[Verdict, tuple[str, ...]] = {"ok": (OK,), "bad": (BAD,), "unknown": ("1" * 19,)}
ME = Worker("here", 1, 1, "boot")
OTHER = Worker("here", 2, 2, "boot")


def rrset(*rdatas: str, name: str = NAME, ttl: int = 300) -> RRset:
    """Addresses of one family, in any order."""
    return RRset(name, "AAAA" if ":" in rdatas[0] else "A", ttl, tuple(sorted(rdatas)))


def held(*rrsets: RRset, name: str = NAME) -> Held:
    return Held(name, rrsets or (rrset(*A, name=name),))


def bound(
    a: tuple[str, ...] = A,
    b: tuple[str, ...] = B,
    stages: tuple[int | Stage, ...] = (50, 100),
    names: tuple[str, ...] = (NAME,),
    ttl: int | None = 60,
) -> Bound:
    listed = tuple(stage if isinstance(stage, Stage) else Stage(stage) for stage in stages)
    zones = (Dns("rfc2136", "example.com."), Dns("rfc2136", "sub.example.com.", serve_limit=120))
    return Bound("web", names, Side("sim", a), Side("sim", b), zones, listed, ttl)


def soft(**changes: Any) -> Soft:
    given = {"soak": 10.0, "soak_limit": 1800.0, "cache_margin": 5.0, "retire": Retire(idle_for=30, limit=3600)}
    return Soft((Probe("http://www.example.com/", rate=5.0),), **{**given, **changes})


PLAN = plans.build(bound(), (held(),))


STAND_IN, ENDPOINT = "web-b-0.eu-west-1.elb.amazonaws.com.", Endpoint("web-b-9.eu-west-1.elb.amazonaws.com.", "Z9")
GIVEN_A = Side("elbv2", (), "web-a-1.eu-west-1.elb.amazonaws.com.", place=(("name", "web-a"),), families=("A",))
GIVEN_B = replace(GIVEN_A, hostname=STAND_IN, place=(("name", "web-b"),))
ALIASED = RRset(NAME, weighted.TYPE, 60, (f"A - =Z9,true,{GIVEN_A.hostname}",))
GIVEN = plans.build(
    replace(bound(), a=GIVEN_A, b=GIVEN_B, dns=(Dns("route53", "example.com.", scheme="weighted"),)), (held(ALIASED),)
)
"""Two balancers that their provider gives host names, the second of which is yet to be made."""


def side(verdict: Verdict = "ok", **changes: Any) -> SideSeen:
    """A side with counters that stand still, watched since long ago."""
    given = {"recent": RINGS[verdict], "up": True, "requests": 0, "active": 0, "quiet": ((NOW - 1000, 0),)}
    return SideSeen(**{**given, "why": "refused" if verdict == "bad" else "", **changes})


def known_at(weight: int, plan: Plan = PLAN) -> tuple[Held, ...]:
    """What the claimed names hold at a weight, under fence 7."""
    write = [Write(index, "weight", weight) for index in range(len(plan.batches))]
    return tuple(one for step in write for one in plans.wanted(plan, "a1", 7, step))


def clock(known: tuple[Held, ...], old_until: float = NOW - 1000) -> tuple[Answer, ...]:
    """Two servers that serve just that; what caches held before is forgotten at `old_until`."""
    return tuple(
        Answer(server, r.name, r.rtype, r.ttl, r.rdatas, old_until)
        for server in ("ns1", "ns2")
        for one in known
        for r in one.rrsets
    )


def seen(known: tuple[Held, ...], **changes: Any) -> Seen:
    """A fresh look in which all is well and all evidence is in."""
    given = {
        "at": NOW, "stage": 20, "promote": 25.0, "pairs": 400, "run": 300.0, "watched": 300.0, "soaked": 300.0,
        "a": side(), "b": side(), "controls": "ok", "clock": clock(known), "skew": 0.0,
        "search": Search(NOW),
    }  # fmt: skip
    return Seen(**{**given, **changes})


def at(step: Step, weight: int = 50, plan: Plan = PLAN, look: dict[str, Any] | None = None, **changes: Any) -> State:
    """A migration at `step`, claimed, B proven, everything well; `look` changes what was last seen."""
    known = known_at(weight, plan)
    given = {
        "seq": 30, "at": NOW, "migration": "web", "worker": ME, "by": "here:1:1", "lease": NOW + 10, "attempt": "a1",
        "plan": plan, "soft": soft(), "steps": plan.forward, "cursor": plans.place(plan.forward, step),
        "step_at": NOW - 100, "known": known, "claimed": tuple(range(len(plan.batches))), "stood": True,
        "shown": weight > 0, "weight": weight, "stage": 20, "stage_at": NOW - 100, "patience_from": NOW - 100,
        "seen": seen(known, **(look or {})),
    }  # fmt: skip
    return State(**{**given, **changes})


def entries(*events: Event, begin: int = 1, by: str = "here:1:1", every: float = 1.0) -> list[Entry]:
    """Journal entries, one second apart, by one worker."""
    return [Entry(begin + i, NOW + (begin + i) * every, by, event) for i, event in enumerate(events)]


def told(state: State, *events: Event, by: str = "here:1:1") -> State:
    """The state after some more events."""
    return fold(
        state, [replace(e, at=state.at + 1 + i) for i, e in enumerate(entries(*events, begin=state.seq + 1, by=by))]
    )
