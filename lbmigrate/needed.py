"""What the keys of a config need: by the plan under way, else by what the zones hold, else by the config alone."""

import socket
from collections.abc import Iterator

from lbmigrate.assemble import planned, survey
from lbmigrate.errors import LbmigrateError, Refused
from lbmigrate.iam import Policy, policy
from lbmigrate.model import Held, Zone
from lbmigrate.plan import Plan, Write, attainable, entry_of, names_in, wanted, writes
from lbmigrate.policy import Need, need, types
from lbmigrate.spec import Bound, Dns

Types = dict[str, set[str]]


def needs(
    bound: Bound, zones: tuple[Zone, ...], begun: Plan | None
) -> tuple[dict[str, tuple[Need, ...]], list[Policy]]:
    """The needs of every `dns:` entry, by the server that they are for ("host:port"); IAM policies for Route 53.

    Raises Refused.
    """
    states, known = (list(written(begun)), "types as the plan under way writes them") if begun else _read(bound, zones)
    found: dict[str, tuple[Need, ...]] = {}
    hosted: list[Policy] = []
    for index, entry in enumerate(bound.dns):
        own = types(held for held in states if entry_of(bound, held) is entry) or assumed(bound, index)
        if entry.driver == "route53":
            hosted.append(policy(entry, own))
            continue
        where = f"[{entry.server}]:{entry.port}" if ":" in entry.server else f"{entry.server}:{entry.port}"
        found[where] = (*found.get(where, ()), need(entry, own, known, _source(entry)))
    return found, hosted


def written(plan: Plan) -> Iterator[Held]:
    """What each name holds at any step, a shift by hand included: all weights between 0 and 100 hold the same types."""
    can = attainable(plan.bound, plan.originals)
    weights = {0, 100, *[weight for weight in can if 0 < weight < 100][:1]} & {*can}
    shifts = [step for weight in weights for step in writes(range(len(plan.batches)), "weight", weight)]
    yield from plan.originals
    for step in (*plan.forward, *shifts):
        if isinstance(step, Write):
            yield from wanted(plan, "", 0, step)


def _read(bound: Bound, zones: tuple[Zone, ...]) -> tuple[list[Held], str]:
    try:
        originals = survey(bound, zones)
    except LbmigrateError as wrong:
        return [], f"types assumed from the config: {wrong}; give this again once the key may read the zone"
    try:
        plan = planned(bound, originals, near=True)
    except Refused as wrong:
        return list(originals), f"types as the zone holds them; there is no plan yet: {wrong}"
    return list(written(plan)), "types as the zone holds them, and as the plan writes them"


def assumed(bound: Bound, index: int) -> Types:
    """The types that an entry's names are likely to hold: addresses of the sides' families, CNAME where a side has a
    host name, LUA where the scheme says so; SRV for the name of a service."""
    hosts = {"AAAA" if ":" in one else "A" for side in (bound.a, bound.b) for one in side.addresses}
    hosts |= {rtype for side in (bound.a, bound.b) for rtype in side.families}
    hosts |= {"CNAME"} if bound.a.hostname or bound.b.hostname else set()
    hosts |= {"LUA"} if bound.dns[index].scheme == "lua" else set()
    return {name: {"SRV"} if name.startswith("_") else hosts for name in names_in(bound, index)}


def _source(entry: Dns) -> str:
    """The address that this machine reaches the server from, "" where it has no way there. Nothing is sent."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(entry.server, entry.port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as talk:
            talk.connect(address)
            return str(talk.getsockname()[0])
    except OSError:
        return ""
