"""Whether a batch of changes may be, and what the zone holds after it: all of it, or nothing.

Each change is judged against what the ones before it leave. AWS does not say whether it looks at the state between two
changes of a batch; whoever satisfies this order satisfies either.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from lbmigrate.dns.route53 import names
from lbmigrate.lab.route53 import values
from lbmigrate.lab.route53.sets import Key, RecordSet
from lbmigrate.value import value

MOST_ELEMENTS = 1000
MOST_CHARACTERS = 32_000
MOST_WEIGHTED = 100
ACTIONS = ("CREATE", "DELETE", "UPSERT")
ALLOWED = (["CREATE"], ["DELETE"], ["UPSERT"], ["DELETE", "CREATE"])
ONE_VALUE = ("weighted", "latency")
UNROUTED = ("SOA", "NS", "DS")  # types that only simple sets have
Sets = dict[Key, RecordSet]


@value
class Change:
    """One change of a batch."""

    action: str
    set: RecordSet


@value
class About:
    """What the rules need of the zone. `protected`: names whose sets nobody may change."""

    zone_id: str
    zone: str
    protected: frozenset[str] = frozenset()


def apply(about: About, held: Mapping[Key, RecordSet], changes: Sequence[Change]) -> tuple[Sets, list[str]]:
    """What the zone holds afterwards, and every reason against it; with a reason nothing is applied."""
    wrong = [*_sizes(changes), *_twice(changes)]
    return (dict(held), wrong) if wrong else judged(about, held, changes)


def judged(about: About, held: Mapping[Key, RecordSet], changes: Sequence[Change]) -> tuple[Sets, list[str]]:
    """The same for a batch of any size."""
    after = Copy(held)
    wrong: list[str] = []
    for change in changes:
        found = list(_against(about, after, change))
        wrong += found
        if not found:
            after.put(change)
    return after.sets if not wrong else dict(held), wrong


class Copy:
    """The zone while a batch is judged, with its sets by name too."""

    def __init__(self, held: Mapping[Key, RecordSet]) -> None:
        self.sets: Sets = dict(held)
        self._names: dict[str, set[Key]] = {}
        for key in held:
            self._names.setdefault(key[0], set()).add(key)

    def at(self, name: str) -> list[RecordSet]:
        """The sets of a name."""
        return [self.sets[key] for key in sorted(self._names.get(name, ()))]

    def put(self, change: Change) -> None:
        """Let one change that was judged come true."""
        if change.action == "DELETE":
            del self.sets[change.set.key]
            self._names[change.set.name].remove(change.set.key)
        else:
            self.sets[change.set.key] = change.set
            self._names.setdefault(change.set.name, set()).add(change.set.key)


def elements(changes: Sequence[Change]) -> int:
    """ResourceRecord elements of a request: an alias is one, an UPSERT counts twice."""
    return sum(max(1, len(one.set.values)) * _times(one) for one in changes)


def characters(changes: Sequence[Change]) -> int:
    """Characters of all values of a request; an UPSERT counts twice."""
    return sum(sum(map(len, one.set.values)) * _times(one) for one in changes)


def _times(change: Change) -> int:
    return 2 if change.action == "UPSERT" else 1


def _sizes(changes: Sequence[Change]) -> Iterator[str]:
    if elements(changes) > MOST_ELEMENTS:
        yield f"Number of records limit of {MOST_ELEMENTS} exceeded."
    if characters(changes) > MOST_CHARACTERS:
        yield f"Number of characters limit of {MOST_CHARACTERS} exceeded."


def _twice(changes: Sequence[Change]) -> Iterator[str]:
    count = Counter(one.set.key for one in changes)
    for key, times in count.items():
        if times > 1 and [one.action for one in changes if one.set.key == key] not in ALLOWED:
            yield ("The request contains an invalid set of changes for a resource record set"
                   f" '{key[1]} {key[0]}'")  # fmt: skip


def _against(about: About, copy: Copy, change: Change) -> Iterator[str]:
    one, action = change.set, change.action
    there = copy.sets.get(one.key)
    tried = f"Tried to {action.lower()} resource record set [{_shown(one)}]"
    if one.name in about.protected:
        yield f"{tried} but it is protected"
    if action == "CREATE" and there:
        yield f"{tried} but it already exists"
    elif action == "DELETE":
        yield from _undeletable(about, one, there, tried)
    else:
        yield from _misfit(about, one, [held for held in copy.at(one.name) if held.key != one.key])
        yield from _target(about, copy, one)


def _target(about: About, copy: Copy, one: RecordSet) -> Iterator[str]:
    """An alias within its own zone points to something that is there."""
    if one.alias is None or one.alias.zone != about.zone_id:
        return
    found = [held for held in copy.at(one.alias.name) if held.rtype == one.rtype and one.alias.name != one.name]
    if not found:
        yield (f"Tried to create an alias that targets {one.alias.name}, type {one.rtype} in zone {about.zone_id},"
               " but that target was not found")  # fmt: skip


def _shown(one: RecordSet) -> str:
    identifier = f", set-identifier='{one.identifier}'" if one.identifier else ""
    return f"name='{one.name}', type='{one.rtype}'{identifier}"


def _undeletable(about: About, one: RecordSet, there: RecordSet | None, tried: str) -> Iterator[str]:
    if there is None:
        yield f"{tried} but it was not found"
    elif there.same != one.same:
        yield f"{tried} but the values provided do not match the current values"
    elif one.name == about.zone and one.rtype in ("SOA", "NS"):
        yield f"A HostedZone must contain at least one {one.rtype} record for the zone itself."


def _misfit(about: About, one: RecordSet, others: Sequence[RecordSet]) -> Iterator[str]:
    """Why a set cannot stand where it would, beside the others of its name."""
    if one.name != about.zone and not one.name.endswith("." + about.zone):
        yield f"RRSet with DNS name {one.name} is not permitted in zone {about.zone}"
    if one.rtype == "CNAME" and one.name == about.zone:
        yield f"RRSet of type CNAME with DNS name {one.name} is not permitted at apex in zone {about.zone}"
    yield from _aliased(about, one, others)
    yield from _beside(one, [held for held in others if held.rtype == one.rtype])
    yield from _values(one)


def _aliased(about: About, one: RecordSet, others: Collection[RecordSet]) -> Iterator[str]:
    if one.rtype == "CNAME" and any(held.rtype != "CNAME" for held in others):
        yield (f"RRSet of type CNAME with DNS name {one.name} is not permitted as it conflicts with other records"
               f" with the same DNS name in zone {about.zone}")  # fmt: skip
    if one.rtype != "CNAME" and any(held.rtype == "CNAME" for held in others):
        yield (f"RRSet of type {one.rtype} with DNS name {one.name} is not permitted because a conflicting RRSet of"
               f" type CNAME with the same DNS name already exists in zone {about.zone}")  # fmt: skip


def _beside(one: RecordSet, group: Sequence[RecordSet]) -> Iterator[str]:
    """Against the other sets of its name and type."""
    about = f"RRSet with DNS name {one.name}, type {one.rtype}"
    if one.routing != "simple" and one.rtype in UNROUTED:
        yield f"{about} cannot have a routing policy"
    if one.routing == "simple" and group:
        yield f"{about} cannot be created as other RRSets exist with the same name and type"
    elif any(held.routing != one.routing for held in group):
        yield (f"{about}, SetIdentifier {one.identifier} cannot be created because a non-{one.routing} RRSet with"
               " the same name and type already exists")  # fmt: skip
    else:
        yield from _within(one, group, f"{about}, SetIdentifier {one.identifier}")


def _within(one: RecordSet, group: Sequence[RecordSet], about: str) -> Iterator[str]:
    """Against the other sets of its own routing policy."""
    ttls = {held.ttl for held in group if held.ttl is not None}
    if one.routing == "weighted" and one.ttl is not None and ttls - {one.ttl}:
        yield f"{about} cannot have another TTL than the RRSets with the same name and type"
    if one.routing == "weighted" and len(group) >= MOST_WEIGHTED:
        yield f"{about}: more than {MOST_WEIGHTED} weighted RRSets"
    if one.routing not in ("simple", "weighted", "multivalue") and any(held.place == one.place for held in group):
        yield f"{about} cannot be created as another RRSet has the same {one.routing} value"


def _values(one: RecordSet) -> Iterator[str]:
    if len(one.values) > 1 and (one.routing in ONE_VALUE or one.rtype in values.ALONE):
        yield f"{one.routing.capitalize()} RRSet of type {one.rtype} with DNS name {one.name} may have one value only"
    for text, times in Counter(one.values).items():
        if times > 1:
            yield f"Duplicate Resource Record: '{text}'"
        try:
            values.rdata(one.rtype, text)
        except ValueError as wrong:
            yield f"Invalid Resource Record: 'FATAL problem: {wrong} encountered with '{text}''"
        if len(text) > values.LONGEST:
            yield f"Invalid Resource Record: longer than {values.LONGEST} characters"


def listed(held: Mapping[Key, RecordSet]) -> list[RecordSet]:
    """In the order of a listing: reversed name, type, identifier."""
    return sorted(held.values(), key=place)


def place(one: RecordSet) -> tuple[str, str, str]:
    """Where a set stands in a listing."""
    return names.order(one.name), one.rtype, one.identifier
