"""From a checked config to drivers, and from a first look at the zones to a plan."""

import time
from collections.abc import Callable
from functools import partial

from lbmigrate import balancers, dns, probe, weighted
from lbmigrate.errors import Refused
from lbmigrate.events import Search
from lbmigrate.model import FAMILIES, Balancer, Held, RRset, Served, SideName, Zone
from lbmigrate.parts import Parts
from lbmigrate.plan import Plan, build, entries, names_in, nearest, obstacles, questions
from lbmigrate.probe.host import Host
from lbmigrate.schemes.swap import TARGETS
from lbmigrate.settled import settled
from lbmigrate.spec import Bound, Config
from lbmigrate.value import replace


class WallClock:
    """The machine's clock."""

    def now(self) -> float:
        """Unix seconds."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)


def zones(config: Config) -> tuple[Zone, ...]:
    """The drivers of the `dns:` entries, in their order."""
    return tuple(dns.make(entry) for entry in config.bound.dns)


def parts(config: Config, under_way: bool = False) -> Parts:
    """Everything that the engine works with. Raises Usage for probes that cannot be made.

    `under_way`: they could when it began, and a rollback does not wait for them: prober and sides are made when they
    are needed.
    """
    bound, soft = config.bound, config.soft
    a, b = (Host(one.hostname, one.families) if one.given else one.addresses for one in (bound.a, bound.b))
    channels = probe.channels(soft.probes, a, b, FAMILIES)
    made = partial(probe.make, soft.probes, channels, a, b, soft.controls)
    prober = probe.Later(made) if under_way else made()
    later = balancers.Sides(bound.a, bound.b)
    sides: dict[SideName, Balancer] = later if under_way else {"a": later["a"], "b": later["b"]}
    found = Parts(zones(config), sides, prober, channels, WallClock())
    found.search = _left
    found.follow = partial(_follow, a, b)
    return found


def _left(bound: Bound) -> Search:
    from lbmigrate import gather

    return gather.left(bound)


def _follow(a: probe.Where, b: probe.Where, bound: Bound) -> None:
    """Let probes go where the plan has the sides by now."""
    for where, side in ((a, bound.a), (b, bound.b)):
        if isinstance(where, Host):
            where.follow(side.hostname)


def located(config: Config) -> Config:
    """The config with what only their provider knows of the sides: where A is, and what stands for a B yet to be made.

    Raises Refused, Denied, Unreachable.
    """
    bound = config.bound
    a, b = balancers.located(bound.a, bound.b)
    return replace(config, bound=replace(bound, a=a, b=b))


def survey(bound: Bound, found: tuple[Zone, ...]) -> tuple[Held, ...]:
    """What the primary holds for every name, in the config's order. Raises Refused where a name is owned already."""
    held: dict[tuple[int, str], Held] = {}
    for index, zone in enumerate(found):
        names = names_in(bound, index)
        held |= {(index, one.name): one for one in zone.read(names).held} if names else {}
    for one in held.values():
        if one.fence:
            raise Refused(f"{one.name} is claimed {_owner(bound, one)}")
    return tuple(held[index, name] for name in bound.names for index in entries(bound, name))


def _owner(bound: Bound, held: Held) -> str:
    assert held.fence is not None
    if held.fence.migration == bound.migration:
        return (
            f"by an attempt of this migration that this journal does not know ({held.fence.attempt}); "
            "undo that one first: lbmigrate rollback --from-dns"
        )
    return f"by the migration {held.fence.migration!r}; finish or roll back that one first"


def target(bound: Bound, found: tuple[Zone, ...]) -> tuple[bool, str]:
    """Whether B's hostname leads to B and to nothing else, as far as our zones can tell, and that in words.

    CNAME, SRV, HTTPS and SVCB will point there: clients would follow them to nowhere, or back to A.
    """
    from lbmigrate.config.hosts import inside

    host = bound.b.hostname
    if not any(inside(host, entry.zone) for entry in bound.dns):
        where = f"{', '.join(bound.b.addresses)} and to nothing else"
        return True, f"b: hostname {host} lies in no zone under dns:, so make sure yourself that it leads to {where}"
    held = [one for index in entries(bound, host) for one in found[index].read([host]).held]
    leads = {rdata for one in held for r in one.rrsets if r.rtype in FAMILIES for rdata in r.rdatas}
    if lacking := sorted(set(bound.b.addresses) - leads):
        return False, f"b: hostname {host} does not lead to {', '.join(lacking)}; add these records to its zone"
    if beside := sorted(leads - set(bound.b.addresses)):
        return False, f"b: hostname {host} also leads to {', '.join(beside)}; give B a host name of its own"
    return True, f"b: hostname {host} leads to B"


def pointed(originals: tuple[Held, ...]) -> bool:
    """Whether any name is moved by pointing it to a host."""
    return any(_pointed(rrset) for held in originals for rrset in held.rrsets)


def _pointed(rrset: RRset) -> bool:
    groups = weighted.groups(rrset) if rrset.rtype == weighted.TYPE else []
    hosts = [one for rtype, ones in groups for one in ones if rtype in TARGETS or weighted.alias_of(one.value)]
    return rrset.rtype in TARGETS or bool(hosts)


def planned(bound: Bound, originals: tuple[Held, ...], near: bool = False) -> Plan:
    """The plan for these records; `near` takes the nearest attainable stages. Raises Refused with every obstacle."""
    chosen = nearest(bound, originals) if near else bound
    if found := obstacles(chosen, originals):
        raise Refused("; ".join(found))
    return build(chosen, originals)


def served(plan: Plan, found: tuple[Zone, ...]) -> Callable[[], tuple[Served, ...]]:
    """What every authoritative server answers for all names: where the caches' clock starts from."""

    def ask() -> tuple[Served, ...]:
        asked = [(zone, *one) for index, zone in enumerate(found) for one in questions(plan, index)]
        answers = [one for zone, types, names in asked for one in zone.served(names, types)]
        return tuple(settled(plan.originals, answers))

    return ask
