"""What the primary's answers say about a name: its records, its fence, its zone; or why they say nothing.

The rule: "no record" is believed only from an authoritative, complete, negative answer that carries the zone's SOA
(RFC 2308 section 2). Anything less is an error.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset

from lbmigrate import fence
from lbmigrate.dns.records import fence_name, rrset_of, strings_of, text_of
from lbmigrate.errors import Denied, Drifted, Refused, Unreachable
from lbmigrate.model import Fence, Held, kinds

T = TypeVar("T")


class Question(NamedTuple):
    """What one query asks."""

    owner: dns.name.Name
    rtype: str

    def message(self) -> dns.message.QueryMessage:
        """The query, RD=0, no EDNS: over TCP nothing needs it."""
        return dns.message.make_query(self.owner, self.rtype, flags=0)


class Asked(NamedTuple):
    """Whom, and for which zone: what the messages need."""

    where: str
    key: str
    zone: dns.name.Name
    view: str = ""


class Seen(NamedTuple):
    """One name as the answers show it. `sure`: proven to be a node of its own, not a wildcard's shadow.

    `foreign`: a TXT that is no fence, or an alias, was answered at the fence's place.
    """

    held: Held
    sure: bool
    foreign: bool


def questions(name: dns.name.Name) -> list[Question]:
    """What must be asked about one name: the records it may be moved with, and its fence."""
    return [*(Question(name, rtype) for rtype in kinds(text_of(name))), Question(fence_name(name), "TXT")]


def placed(asked: Asked, name: dns.name.Name, replies: Sequence[dns.message.Message]) -> bool:
    """Whether these answers prove that `name` lies in the zone asked for: a negative one names its zone.

    Where all are positive the answer to "SOA of name" tells; an alias counts as placed, `interpret` refuses it.
    Raises Denied naming the zone found instead.
    """
    for reply in replies:
        if delegated := _delegated(asked, reply):
            raise Denied(f"{name}: lies in {delegated}, delegated by {asked.zone}; give that zone its own dns: entry")
        owner = _soa_owner(reply)
        if owner is not None and owner != asked.zone:
            raise Denied(f"{name}: its zone at {asked.where} is {owner}, not {asked.zone}; correct zone: under dns:")
    return any(_soa_owner(reply) is not None or _aliased(name, reply) is not None for reply in replies)


def interpret(asked: Asked, name: dns.name.Name, replies: Sequence[dns.message.Message]) -> Seen:
    """One name from the answers to `questions(name)`, in that order. Raises Denied, Refused, Unreachable, Drifted."""
    *given, txt = replies
    answers = list(zip(kinds(text_of(name)), given, strict=True))
    alias = _alias(asked, Question(name, "CNAME"), [reply for _, reply in answers])
    found = [one for rtype, reply in answers if (one := rrset(asked, Question(name, rtype), reply))]
    found = [alias] if alias else found
    at = Question(fence_name(name), "TXT")
    records = rrset(asked, at, txt)
    mark = fence_in(name, records or ())
    held = Held(text_of(name), tuple(sorted(map(rrset_of, found), key=lambda one: one.rtype)), mark, asked.view)
    sure = mark is not None or name == asked.zone or txt.rcode() == dns.rcode.NXDOMAIN
    return Seen(held, sure, bool(txt.answer) and mark is None)


def fence_in(name: dns.name.Name, records: Iterable[dns.rdata.Rdata]) -> Fence | None:
    """The fence among TXT records in its place, None where they are not ours. Raises Drifted for an edited one."""
    strings = strings_of(records)
    if not any(fence.marked(one) for one in strings):
        return None
    where = f"reading {fence.owner(text_of(name))} TXT"
    undo = "restore it, or delete it and give `resume --restore`"
    if len(strings) > 1:
        raise Drifted(f"{where}: a fence and {len(strings) - 1} other records; {undo}")
    try:
        found = fence.decode(strings[0])
    except ValueError as wrong:
        raise Drifted(f"{where}: {wrong}; it was edited or written by another version: {undo}") from wrong
    if fence.encode(found) != strings[0] or any(one.name != text_of(name) for one in found.originals):
        raise Drifted(f"{where}: it was edited, or copied from another name; {undo}")
    return found


def rrset(asked: Asked, question: Question, reply: dns.message.Message) -> dns.rrset.RRset | None:
    """The RRset asked for, None where the zone proves that there is none. Raises Unreachable, Denied."""
    usable(asked, question, reply)
    found = [one for one in reply.answer if (one.name, dns.rdatatype.to_text(one.rdtype)) == question]
    if found:
        return found[0]
    if reply.answer or _soa_owner(reply) is not None:
        return None
    raise Unreachable(
        f"{_asking(asked, question)}: an empty answer without the zone's SOA proves nothing; see the server's log"
    )


def usable(asked: Asked, question: Question, reply: dns.message.Message) -> None:
    """Authoritative, complete, and NOERROR or NXDOMAIN; else raises Unreachable or Denied."""
    what, code = _asking(asked, question), dns.rcode.to_text(reply.rcode())
    match reply.rcode():
        case dns.rcode.REFUSED | dns.rcode.NOTAUTH:
            raise Denied(f"{what}: {code}; does it serve {asked.zone}, and may {asked.key} query it?")
        case dns.rcode.NOERROR | dns.rcode.NXDOMAIN:
            pass
        case _:
            raise Unreachable(f"{what}: {code}; see the server's log")
    if reply.flags & dns.flags.TC:
        raise Unreachable(f"{what}: the answer is truncated over TCP; see what stands between")
    if not reply.flags & dns.flags.AA:
        raise Unreachable(f"{what}: not authoritative (lame); is it the primary of {asked.zone}?")


def unproven(asked: Asked, question: Question, reply: dns.message.Message) -> Unreachable:
    """The error for an answer that names no zone; raises Denied or another Unreachable when it says why itself."""
    usable(asked, question, reply)
    return Unreachable(f"{_asking(asked, question)}: no SOA in the answer; is the zone loaded there?")


def _delegated(asked: Asked, reply: dns.message.Message) -> dns.name.Name | None:
    cuts = [one.name for one in reply.authority if one.rdtype == dns.rdatatype.NS]
    below = [cut for cut in cuts if cut != asked.zone and cut.is_subdomain(asked.zone)]
    return below[0] if below and not reply.flags & dns.flags.AA else None


def _soa_owner(reply: dns.message.Message) -> dns.name.Name | None:
    owners = [one.name for one in (*reply.answer, *reply.authority) if one.rdtype == dns.rdatatype.SOA]
    return owners[0].canonicalize() if owners else None


def _aliased(name: dns.name.Name, reply: dns.message.Message) -> dns.rrset.RRset | None:
    kinds = (dns.rdatatype.CNAME, dns.rdatatype.DNAME)
    found = [one for one in reply.answer if one.rdtype in kinds and name.is_subdomain(one.name)]
    return found[0] if found else None


def _alias(asked: Asked, question: Question, replies: Sequence[dns.message.Message]) -> dns.rrset.RRset | None:
    """The name's CNAME, where it is one. Raises Refused where a DNAME above it is what answers."""
    for reply in replies:
        usable(asked, question, reply)
        alias = _aliased(question.owner, reply)
        if alias is not None and alias.name != question.owner:
            raise Refused(
                f"{question.owner}: is an alias by {alias.name} DNAME {alias[0]}, it holds nothing of its own;"
                " put the name that it leads to under names: instead"
            )
        if alias is not None:
            return alias
    return None


def _asking(asked: Asked, question: Question) -> str:
    return f"asking {asked.where} for {question.owner} {question.rtype}"


def in_parts(each: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """At most so many at a time."""
    for start in range(0, len(each), size):
        yield each[start : start + size]
