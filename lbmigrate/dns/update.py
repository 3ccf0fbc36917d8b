"""One RFC 2136 message from what names hold and what they shall hold.

Prerequisites compare values only (RFC 2136 section 2.4.2 wants TTL 0), so the caller compares TTLs. A changed RRset is
deleted and added whole: Knot takes an add that changes nothing but the TTL for nothing at all.
"""

from collections.abc import Iterator

import dns.message
import dns.name
import dns.update

from lbmigrate.dns.records import fence_name, fence_rdata, name_of, owner_of, rdatas_of, type_of
from lbmigrate.errors import Refused
from lbmigrate.model import MOVABLE, Held, Records, kinds

FENCE_TTL = 60  # seconds; nobody but lbmigrate asks for it, and at the primary


def pairs(old: Records, new: Records) -> Iterator[tuple[Held, Held]]:
    """Each name before and after, checked. Raises Refused for what would break an invariant of the design.

    No name is left without records (never zero answers); no fence is written beneath a name that has none: it would
    make that name an empty non-terminal, and a wildcard above would answer no more (RFC 4592 section 2.2.2).
    """
    if [held.name for held in old.held] != [held.name for held in new.held]:
        raise Refused("a swap of different names before and after; give the same names in the same order")
    for was, will in zip(old.held, new.held, strict=True):
        if will.fence is not None and not will.rrsets:
            raise Refused(
                f"{was.name}: does not exist, or only by a wildcard; add its addresses first, or leave it out"
            )
        if was.rrsets and not will.rrsets:
            raise Refused(f"{was.name}: the change would leave it without any address; nothing was sent")
        for held in (was, will):
            _check(held)
        yield was, will


def _check(held: Held) -> None:
    types = [rrset.rtype for rrset in held.rrsets]
    if len(set(types)) != len(types) or not set(types) <= set(MOVABLE):
        raise Refused(f"{held.name}: moves {', '.join(types)}; only one RRset of each of {', '.join(MOVABLE)} can be")
    if "CNAME" in types and len(types) > 1:  # BIND and Knot would drop one of them and say NOERROR
        raise Refused(f"{held.name}: moves {', '.join(types)}; beside a CNAME there is nothing else (RFC 2181 10.1)")
    if any(rrset.name != held.name for rrset in held.rrsets):
        raise Refused(f"{held.name}: given the records of another name; give each name its own")


def build(zone: dns.name.Name, old: Records, new: Records) -> dns.update.UpdateMessage:
    """The message that turns `old` into `new` or does nothing. Raises Refused."""
    message = dns.update.UpdateMessage(zone)
    if old.soa is not None:
        message.present(zone, "SOA", old.soa)
    for was, will in pairs(old, new):
        name = name_of(was.name)
        _records(message, name, was, will)
        _fence(message, fence_name(name), was, will)
    return message


def _records(message: dns.update.UpdateMessage, name: dns.name.Name, was: Held, will: Held) -> None:
    types = sorted({*kinds(was.name), *was.by_type, *will.by_type})
    pairs_ = [(rtype, was.by_type.get(rtype), will.by_type.get(rtype)) for rtype in types]
    for rtype, before, _ in pairs_:
        if before is None:
            message.absent(name, type_of(rtype))
        else:
            message.present(owner_of(before), *rdatas_of(before))
    changed = [(rtype, before, after) for rtype, before, after in pairs_ if before != after]
    for rtype, before, _ in changed:  # all of them first: a CNAME beside something else is dropped without a word
        if before is not None:
            message.delete(name, type_of(rtype))
    for _, _, after in changed:
        if after is not None:
            message.add(owner_of(after), after.ttl, *rdatas_of(after))


def _fence(message: dns.update.UpdateMessage, owner: dns.name.Name, was: Held, will: Held) -> None:
    if was.fence is None:
        message.absent(owner, "TXT")
    else:
        message.present(owner, fence_rdata(was.fence))
    if was.fence == will.fence:
        return
    if was.fence is not None:
        message.delete(owner, "TXT")
    if will.fence is not None:
        message.add(owner, FENCE_TTL, fence_rdata(will.fence))


def in_use(zone: dns.name.Name, name: dns.name.Name) -> dns.update.UpdateMessage:
    """Asks whether `name` is in use (RFC 2136 section 2.4.4), changing nothing: NOERROR or NXDOMAIN.

    A wildcard does not count, unlike in a query.
    """
    message = dns.update.UpdateMessage(zone)
    message.present(name)
    return message
