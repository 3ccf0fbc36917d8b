"""What a simulated migration stands on: the records that it finds, and how they are to be moved."""

from dataclasses import dataclass
from functools import cache
from random import Random

from lbmigrate import plan as plans
from lbmigrate.model import Held, Probe, RRset, Side
from lbmigrate.plan import Plan
from lbmigrate.spec import Bound, Dns, GateSpec, Retire, Soft, Stage
from lbmigrate.value import replace

NAME = "www.example.com."
ZONE = "example.com."
A = Side("sim", ("192.0.2.10", "192.0.2.11", "2001:db8::10"), hostname="lb-a.example.com.")
B = Side("sim", ("192.0.2.20", "192.0.2.21", "2001:db8::20"), hostname="lb-b.example.com.")
SIDES = {"a": A, "b": B}
RATE = 4.0  # pairs a second: a verdict needs 20 within 10 seconds


@dataclass(frozen=True)
class Ground:
    """`records`: by name, type and rdatas. `stages`: the choices that every name attains; `zones`: apexes."""

    records: dict[str, dict[str, tuple[str, ...]]]
    stages: tuple[tuple[int, ...], ...] = ((50, 100), (100,))
    scheme: str = "auto"
    zones: tuple[str, ...] = (ZONE,)
    channels: int = 1

    def originals(self, ttl: int) -> tuple[Held, ...]:
        """What the zones hold before."""
        return tuple(
            Held(name, tuple(RRset(name, rtype, ttl, rdatas) for rtype, rdatas in sorted(types.items())))
            for name, types in self.records.items()
        )

    def bound(self, stages: tuple[Stage, ...], ttl: int | None) -> Bound:
        """The part of the config that the plan's digest binds."""
        entries = tuple(Dns("sim", zone, scheme=self.scheme, serve_limit=20.0) for zone in self.zones)
        return Bound("sim", tuple(self.records), A, B, entries, stages, ttl)


FOUR = {"A": A.addresses[:2]}
FINE = ((1, 5, 25, 50, 100), (25, 100), (10, 100))
GROUNDS = {
    "addresses": Ground({NAME: FOUR}),
    "families": Ground({NAME: {**FOUR, "AAAA": A.addresses[2:]}}, channels=2),
    "lua": Ground({NAME: FOUR}, FINE, "lua"),
    "srv": Ground({"_http._tcp.example.com.": {"SRV": (f"10 5 80 {A.hostname}",)}}, FINE, "srv"),
    "swap": Ground({NAME: {"CNAME": (A.hostname,)}}, ((100,),)),
    "hints": Ground({NAME: {"A": A.addresses[:2], "HTTPS": (f'1 . ipv4hint="{",".join(A.addresses[:2])}"',)}}),
    "names": Ground(
        {f"w{i}.example.com.": {"A": A.addresses[:1]} for i in range(4)}, ((25, 50, 100), (50, 100)), "names"
    ),
    "zones": Ground({NAME: FOUR, "www.example.net.": FOUR}, zones=(ZONE, "example.net.")),
}


SOFT = Soft(
    (Probe("http://www.example.com/", rate=RATE),), soak=4.0, soak_limit=20.0, cache_margin=1.0,
    gate=GateSpec(promote_margin=0.3), retire=Retire(idle_for=8.0, limit=40.0),
)  # fmt: skip


@cache
def planned(ground: str, stages: tuple[Stage, ...], ttl: int | None, original: int) -> Plan:
    """The plan for a ground: the same for many seeds."""
    one = GROUNDS[ground]
    return plans.build(one.bound(stages, ttl), one.originals(original))


def soft(random: Random) -> Soft:
    """Waits that are as short as they may be."""
    retire = replace(SOFT.retire, idle_for=random.choice((4.0, 8.0)))
    return replace(SOFT, soak=random.choice((0.0, 4.0)), cache_margin=random.choice((1.0, 2.0)), retire=retire)
