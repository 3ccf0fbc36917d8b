"""The changes that turn what a listing holds into what is wanted: exact DELETEs first, then CREATEs, never UPSERT.

A set that stays as it is is deleted and created all the same: that compares it. Values that a name held at first come
back in their own order and spelling.
"""

from collections.abc import Callable, Iterator, Sequence

from lbmigrate import weighted
from lbmigrate.dns.route53.api import Change, Set
from lbmigrate.dns.route53.listing import Keeper, Name, canonical, kept, marked, owner
from lbmigrate.model import Held


def changes(found: Sequence[Name], new: Sequence[Held], word: Callable[[], str]) -> list[Change]:
    """One batch for all names. `word` gives a random word, for a claim's keeper."""
    deletes = [("DELETE", one) for name in found for one in (*name.sets, *name.marks)]
    creates = [("CREATE", one) for name, held in zip(found, new, strict=True) for one in _created(name, held, word)]
    return [*deletes, *creates]


def _created(name: Name, held: Held, word: Callable[[], str]) -> Iterator[Set]:
    keeper = name.keeper or kept(word(), name.sets)
    for rrset in held.rrsets:
        for one in weighted.sets(owner(rrset.name), rrset):
            yield _spelled(one, name, keeper)
    if held.fence:
        yield marked(held.name, held.fence, keeper)


def _spelled(one: Set, name: Name, keeper: Keeper) -> Set:
    """The set with its values as they stand there, or stood there at first, where they are the same records."""
    if "AliasTarget" in one or str(one.get("SetIdentifier", "")).startswith(weighted.OURS):
        return one
    rtype, wanted = one["Type"], [record["Value"] for record in one["ResourceRecords"]]
    alike = [
        each for each in name.sets if (each["Type"], each.get("SetIdentifier")) == (rtype, one.get("SetIdentifier"))
    ]
    present = [[str(record["Value"]) for record in each.get("ResourceRecords", ())] for each in alike]
    kept_ = [value for value in keeper.values.get(rtype, ()) if canonical(rtype, value) in wanted]
    for values in (*present, kept_, kept_[:1]):  # several weighted sets may have one value
        if sorted(canonical(rtype, value) for value in values) == sorted(wanted):
            return {**one, "ResourceRecords": [{"Value": value} for value in values]}
    return one
