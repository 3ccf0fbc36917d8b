"""A scenario: what the laboratory is made of, what happens in it and when, and what must come of it.

An act is one line of words: `b fails 33%` · `kill a` · `kill the engine` · `tick` · `run` · `rollback` · any other
verb of the command line with its flags (`shift --weight 50`).
"""

import re
import shlex
from typing import Any, Literal

from lbmigrate.config.text import show
from lbmigrate.value import value

SOFTWARE = ("named", "knotd", "pdns_server", "route53")
Holds = Literal["addresses", "srv", "cname", "https", "alias"]
SERVICE = "_http._tcp"
VERBS = ("run", "tick", "start", "shift", "approve", "pause", "resume", "finish", "rollback", "abandon")


@value
class Fails:
    """A side answers that percentage of its requests with an error from now on; 0 heals it."""

    side: str
    percent: int


@value
class Kill:
    """SIGKILL to a side's balancer, or to the engine."""

    what: Literal["a", "b", "engine"]


@value
class Command:
    """A verb of the command line, as an operator or cron would give it."""

    words: tuple[str, ...]


Deed = Fails | Kill | Command


@value
class Act:
    """What is done, and when: at the first event of that kind, phase and weight (each where given), `after` seconds."""

    deeds: tuple[Deed, ...]
    event: str = ""
    phase: str = ""
    weight: int | None = None
    text: str = ""
    after: float = 0.0

    def due(self, event: dict[str, Any]) -> bool:
        """Whether an event of the engine is the one waited for."""
        pairs = ((self.event, event.get("event")), (self.phase, event.get("phase")))
        plain = all(not wanted or wanted == seen for wanted, seen in pairs)
        return plain and self.weight in (None, event.get("weight")) and self.text in str(event.get("text", ""))


@value
class Bounds:
    """What may fail: nothing, or only requests to one side and at most that share of all."""

    side: str = ""
    share: float = 0.0


@value
class Expect:
    """What must come of it; what is not given is not asked."""

    exit: int
    phase: str
    failed: Bounds
    zone: Literal["unchanged", "moved", "shared"]
    a: Literal["running", "retired", "dead"]
    b: Literal["running", "gone"]
    requests: int = 0


@value
class Clients:
    """The population (see lbmigrate.lab.clients.Plan)."""

    rate: float = 220.0
    clients: int = 60
    keepalive: float = 0.4
    requests_per_connection: int = 20
    caches: int = 3
    stretchers: float = 0.1
    stretch: float = 4.0
    timeout: float = 5.0


LIMIT = 170.0  # seconds, for the stages that a file has


@value
class Scenario:
    """One scenario file, checked.

    `balancers`: what both sides are, or, with "classic", A alone, and B elbv2; `a`, `b`: how many IPv4 addresses, `a6`,
    `b6`: how many IPv6 addresses; `ttl`: the zone's own; `holds`: what stands at the names; `software`, `signed`: the
    name servers', where real, and whether they sign; `config`: keys of lbmigrate.yaml that take the place of the
    laboratory's; `limit`: seconds after which the engine is given up.
    """

    path: str
    title: str
    expect: Expect
    balancers: Literal["haproxy", "elbv2", "classic"] = "haproxy"
    a: int = 1
    b: int = 1
    a6: int = 0
    b6: int = 0
    dead_on_arrival: bool = False
    backends: int = 3
    runtime_only: int = 1
    names: tuple[str, ...] = ("www",)
    holds: Holds = "addresses"
    scheme: str = "auto"
    signed: bool = False
    ttl: int = 5
    secondary: bool = True
    lag: float = 0.0
    software: str = "named"
    clients: Clients = Clients()
    config: tuple[tuple[str, Any], ...] = ()
    acts: tuple[Act, ...] = ()
    warm: float = 2.0
    limit: float = LIMIT

    def __post_init__(self) -> None:
        if bool(self.a6) != bool(self.b6):
            raise ValueError("sides: only one of them has IPv6 addresses: no weight could be attained in that family")
        if self.scheme == "lua" and self.software != "pdns_server":
            raise ValueError("dns: scheme lua needs software pdns_server: nothing else has LUA records")
        if self.scheme == "srv" and self.holds != "srv":
            raise ValueError("dns: scheme srv needs `holds: srv`: it weighs SRV records alone")
        if self.hosted != (self.holds == "alias") or (self.hosted and self.software != "route53"):
            raise ValueError(
                "sides: balancers of AWS (elbv2, classic), `holds: alias` and software route53 go together"
            )
        if self.software == "route53" and (self.scheme, self.holds) not in (("auto", "addresses"), ("auto", "alias")):
            raise ValueError(
                "dns: software route53 weighs names that hold addresses or aliases, by its own sets; leave scheme out"
            )
        if self.runtime_only >= self.backends:
            raise ValueError("runtime_only must be smaller than the number of backends: A's file names at least one")

    @property
    def drawn(self) -> bool:
        """Whether an answer holds one address, drawn by weight."""
        return self.scheme == "lua" or self.software == "route53"

    @property
    def hosted(self) -> bool:
        """Whether the sides are load balancers of AWS."""
        return self.balancers != "haproxy"

    @property
    def pointed(self) -> bool:
        """Whether the names point to hosts, which have the addresses."""
        return self.holds in ("srv", "cname")

    def owner(self, name: str, origin: str) -> str:
        """The absolute name that moves: that of the service where it holds SRV (RFC 2782), else the host itself."""
        return f"{SERVICE}.{name}.{origin}." if self.holds == "srv" else f"{name}.{origin}."


def deed(text: str) -> Deed:
    """Read one act. Raises ValueError."""
    if found := re.fullmatch(r"([ab]) fails ([0-9]{1,2}|100)%", text):
        return Fails(found[1], int(found[2]))
    if found := re.fullmatch(r"kill (a|b|the engine)", text):
        return Kill(found[1].removeprefix("the "))  # type: ignore[arg-type] # the pattern allows nothing else
    words = tuple(shlex.split(text))
    if words and words[0] in VERBS:
        return Command(words)
    raise ValueError(f"{show(text)} is no act; write `b fails 33%`, `kill a`, `kill the engine`, or a verb with flags")
