"""The changes that turn what a listing holds into what is wanted: exact DELETEs first, then CREATEs, never UPSERT.

A set that stays as it is is deleted and created all the same: that compares it. Values that a name held at first come
back in their own order and spelling.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from lbmigrate import weighted
from lbmigrate.dns.route53.api import Change, Set
from lbmigrate.dns.route53.listing import Keeper, Name, canonical, kept, marked, owner
from lbmigrate.model import Held, RRset


def changes(found: Sequence[Name], new: Sequence[Held], word: Callable[[], str]) -> list[Change]:
    """One batch for all names. `word` gives a random word, for a claim's keeper."""
    deletes = [("DELETE", one) for name in found for one in (*name.sets, *name.marks)]
    creates = [("CREATE", one) for name, held in zip(found, new, strict=True) for one in _created(name, held, word)]
    return [*deletes, *creates]


def _created(name: Name, held: Held, word: Callable[[], str]) -> Iterator[Set]:
    keeper = name.keeper or kept(word(), name.sets)
    for rrset in held.rrsets:
        if rrset.rtype == weighted.TYPE:
            yield from chain.from_iterable(_weighted(rrset, rdata) for rdata in rrset.rdatas)
        else:
            yield _set(rrset, rrset.rtype, _spelled(rrset, name, keeper))
    if held.fence:
        yield marked(held.name, held.fence, keeper)


def _set(rrset: RRset, rtype: str, values: Sequence[str]) -> Set:
    records = [{"Value": value} for value in values]
    return {"Name": owner(rrset.name), "Type": rtype, "TTL": rrset.ttl, "ResourceRecords": records}


def _weighted(rrset: RRset, rdata: str) -> Iterator[Set]:
    read = weighted.read(rdata)
    assert read is not None
    rtype, shares = read
    for share, address in shares:
        yield {**_set(rrset, rtype, [address]), "SetIdentifier": weighted.identifier(address), "Weight": share}


def _spelled(rrset: RRset, name: Name, keeper: Keeper) -> Sequence[str]:
    """The values as they stand there, or stood there at first, where they are the same records."""
    simple = [one for one in name.sets if one["Type"] == rrset.rtype and "SetIdentifier" not in one]
    present = [[str(record["Value"]) for record in one["ResourceRecords"]] for one in simple]
    for values in (*present, keeper.values.get(rrset.rtype, ())):
        if sorted({canonical(rrset.rtype, value) for value in values}) == list(rrset.rdatas):
            return values
    return rrset.rdatas
