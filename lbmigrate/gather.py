"""From the zones under dns: to what ends at A: by zone transfer, or by questions where that is not allowed."""

from collections.abc import Sequence

import dns.name

from lbmigrate import dns as drivers
from lbmigrate.discover import CNAME, WILDCARD, Beside, Contents, Found, Name, Record, User, findings, names
from lbmigrate.dns import transfer
from lbmigrate.dns.records import name_of, rdatas_of, text_of
from lbmigrate.errors import Denied, Drifted, Refused, Usage
from lbmigrate.events import Search
from lbmigrate.model import RRset
from lbmigrate.plan import entries, names_in
from lbmigrate.spec import Bound
from lbmigrate.users import users
from lbmigrate.value import replace, value

ALIASES = 16  # asked for one after the other
SOME = 5  # zones that a remark names


@value
class Looked:
    """How one zone was looked at, by "transfer" or by "queries"; `why` not by transfer."""

    zone: str
    view: str
    by: str
    why: str = ""


@value
class Discovery:
    """All that was found. `remarks`: what is to be said of names that were asked for, a line each.

    `users`: what names A outside DNS.
    """

    zones: tuple[Looked, ...]
    found: tuple[Found, ...]
    beside: tuple[Beside, ...]
    remarks: tuple[str, ...] = ()
    users: tuple[User, ...] = ()


def discover(bound: Bound, given: Sequence[str] = (), account: bool = False) -> Discovery:
    """Every zone under dns:; `given` and the config's own names are asked for where a transfer is not allowed.

    `account`: and every other zone that Route 53 has for the same account, and what names A outside DNS. Raises Usage
    (a name outside the zones), Unreachable, Denied (no transfer, and no name to ask for, or no answer).
    """
    asked = replace(bound, names=tuple(dict.fromkeys((*bound.names, *given))))
    _within(asked)
    if account:
        every = (*bound.dns, *drivers.others(bound.dns))
        bound, asked = replace(bound, dns=every), replace(asked, dns=every)
    parts, zones = [], []
    unread: dict[str, str] = {}
    refusals: list[Denied] = []
    for index, entry in enumerate(bound.dns):
        try:
            parts.append(_by_transfer(bound, index))
            zones.append(Looked(entry.zone, entry.view, "transfer"))
        except Denied as refused:
            part, untold = _by_queries(asked, index)
            parts.append(part)
            unread |= untold
            refusals += [refused] if untold.keys() >= {*names_in(asked, index)} else []
            zones.append(Looked(entry.zone, entry.view, "queries", str(refused)))
    if len(refusals) == len(bound.dns):
        more = "" if asked.names else "; or give the names to ask for: lbmigrate discover NAME …"
        raise Denied(f"{refusals[0]}{more}")
    found, beside = findings(parts, bound.a, {wire(name) for name in bound.names})
    strays = _strays([name for name in asked.names if name not in unread], found)
    said = _unlisted(bound) if not account else _unconfigured(bound, found)
    named, unknown = users(bound, {text(one.name) for one in found}) if account else ((), ())
    return Discovery(tuple(zones), found, beside, (*unread.values(), *strays, *said, *unknown), named)


def _unlisted(bound: Bound) -> list[str]:
    """What of the account nobody looked through."""
    others = ["not looked through: CloudFront, Auto Scaling, ECS; to look: lbmigrate discover --account"]
    return [*(others if bound.a.place else ()), *_other_zones(bound)]


def _other_zones(bound: Bound) -> list[str]:
    try:
        zones = drivers.others(bound.dns)
    except Denied as refused:
        return [f"whether the account has other zones is not known: {refused}"]
    if not zones:
        return []
    some = ", ".join(f"{one.zone} ({one.zone_id})" for one in zones[:SOME]) + (", …" if zones[SOME:] else "")
    return [f"not looked through, having no entry under dns: {len(zones)} hosted zone(s) of the account: {some}; to"
            " look through them too: lbmigrate discover --account"]  # fmt: skip


def _unconfigured(bound: Bound, found: Sequence[Found]) -> list[str]:
    """The zones whose names would have to be moved and that have no entry."""
    lacking = dict.fromkeys(bound.dns[one.entry] for one in found if one.fate == "move")
    return [f"{one.zone}: hosted zone {one.zone_id} holds names that end at A, and has no entry under dns:; give it one"
            for one in lacking if one.view and one.view == one.zone_id]  # fmt: skip


def _by_transfer(bound: Bound, index: int) -> Contents:
    part = Contents(index, bound.a)
    return part.add(drivers.whole(bound.dns[index], part.wanted(transfer.EVERY)))


def _by_queries(bound: Bound, index: int) -> tuple[Contents, dict[str, str]]:
    """What the names of this entry hold, and the aliases' targets in its zone; and of names not read why.

    Raises Unreachable.
    """
    zone, apex = drivers.make(bound.dns[index]), name_of(bound.dns[index].zone)
    held: list[Record] = []
    unread: dict[str, str] = {}
    due = [(name, 0) for name in names_in(bound, index)]
    seen = {name for name, _ in due}
    for name, hops in due:  # it grows while it is gone through
        try:
            records = [record for rrset in zone.read([name]).held[0].rrsets for record in _records(rrset)]
        except (Denied, Drifted, Refused) as wrong:
            unread[name] = str(wrong)
            continue
        held += records
        for _, rtype, _, rdata in records:
            target = text(rdata) if rtype == CNAME and hops < ALIASES else ""
            if target and target not in seen and name_of(target).is_subdomain(apex):
                seen.add(target)
                due.append((target, hops + 1))
    return Contents(index, bound.a).add(held), unread


def _records(rrset: RRset) -> list[Record]:
    owner = wire(rrset.name)
    return [(owner, int(one.rdtype), rrset.ttl, one.to_wire() or b"") for one in rdatas_of(rrset)]


def _within(asked: Bound) -> None:
    for name in asked.names:
        try:
            entries(asked, name)
        except ValueError as wrong:
            raise Usage(f"{wrong} give it an entry, or leave the name out") from wrong


def _strays(asked: Sequence[str], found: Sequence[Found]) -> list[str]:
    """What is to be said of each name asked for that does not end at A."""
    there = {one.name for one in found}
    wild = [one.name for one in found if one.wildcard]
    lines = []
    for name in asked:
        if wire(name) not in there:
            above = next((one for one in wild if wire(name).endswith(one[len(WILDCARD) :])), None)
            but = f"; the wildcard {text(above)} does, but what exists only by it cannot be moved" if above else ""
            lines.append(f"{name} has no record of its own that ends at A{but}")
    return lines


def bound_names(bound: Bound, zones: Sequence[str]) -> tuple[str, ...]:
    """The names of these zones that have to be moved, for a plan. Raises Refused where that would not be all of them,
    Denied where a zone under dns: cannot be transferred, Unreachable."""
    try:
        parts = [_by_transfer(bound, index) for index in range(len(bound.dns))]
    except Denied as refused:
        raise Denied(f"names: discover: {refused}; or list the names") from refused
    inside = [one for one in findings(parts, bound.a)[0] if bound.dns[one.entry].zone in zones]
    chosen = names(inside)
    if left := _left([one for one in inside if one.fate in ("stuck", "follow")], chosen):
        raise Refused(f"names: discover: {'; '.join(left)}; or list the names that shall move")
    if not chosen:
        raise Refused(f"names: discover: nothing in {', '.join(zones)} ends at A; see: lbmigrate discover")
    return tuple(map(text, chosen))


def left(bound: Bound) -> Search:
    """The names that end at A by a record of their own, beyond those that `bound` moves. Raises Unreachable."""
    parts, closed = [], []
    for index, entry in enumerate(bound.dns):
        try:
            parts.append(_by_transfer(bound, index))
        except Denied:
            closed.append(f"{entry.zone} (view {entry.view})" if entry.view else entry.zone)
    moved = {wire(name) for name in bound.names}
    found = [
        one.name
        for one in findings(parts, bound.a, moved)[0]
        if one.fate in ("move", "stuck") and one.name not in moved
    ]
    return Search(left=tuple(map(text, dict.fromkeys(found))), closed=tuple(closed))


def fenced(bound: Bound, zones: Sequence[str]) -> tuple[str, ...]:
    """The names of these zones that carry a fence of this migration: what it moved, found without its journal."""
    parts = [_by_transfer(bound, index) for index, entry in enumerate(bound.dns) if entry.zone in zones]
    marked = [name for part in parts for name, said in part.fenced if f" m={bound.migration} " in said]
    return tuple(dict.fromkeys(map(text, marked)))


def _left(found: Sequence[Found], chosen: Sequence[Name]) -> list[str]:
    """Why some names of the zones would stay at A."""
    stuck = [f"{text(one.name)} {one.rtype}: {one.why}" for one in found if one.fate == "stuck"]
    away = [one for one in found if one.fate == "follow" and not {one.name, *one.via} & set(chosen)]
    return stuck + [
        f"{text(one.name)} leads to {text(one.via[-1])}, which is in another zone; add that" for one in away
    ]


def text(name: Name) -> str:
    """The name as the config has it."""
    return text_of(dns.name.from_wire(name, 0)[0])


def wire(name: str) -> Name:
    """The name as the records have it."""
    return name_of(name).to_wire() or b""
