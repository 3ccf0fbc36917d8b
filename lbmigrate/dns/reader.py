"""Names as the primary holds them at one moment, over its TCP connection."""

import random
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from lbmigrate.dns import transfer, update
from lbmigrate.dns.mirror import Mirror
from lbmigrate.dns.reading import Asked, Question, Seen, in_parts, interpret, placed, questions, rrset, unproven
from lbmigrate.dns.records import fence_name, name_of, text_of, texts_of
from lbmigrate.dns.wire import Primary, server_time
from lbmigrate.errors import Denied, Refused, Unreachable
from lbmigrate.model import Held, Records
from lbmigrate.spec import Dns
from lbmigrate.value import replace

STEADY_ATTEMPTS = 4
PAUSE = (0.02, 0.2)  # seconds between two attempts, jittered
SHOWN = 3
ASKED = 512  # questions that are made before the first is asked
MANY = 100  # names from which on the whole zone is read instead of asking for each
PLAIN_LIMIT = 255  # bytes of a name on the wire, which is one longer than its text (RFC 1035 section 3.1)
T = TypeVar("T")
_plain = re.compile(r"(?:[a-z0-9_*-]{1,63}\.)+").fullmatch


class Reader:
    """Reads whole names of one zone; a question without a usable answer is asked twice."""

    def __init__(self, entry: Dns, primary: Primary, timeout: float) -> None:
        self._entry = entry
        self._primary = primary
        self._zone = name_of(entry.zone)
        self._timeout = timeout
        self._asked = Asked(primary.where, primary.key, self._zone, entry.view)
        self._mirror = Mirror(entry, timeout)
        self._copies = True  # the server gives the zone as a whole

    def read(self, names: Sequence[str]) -> Records:
        """What `model.Zone.read` promises."""
        texts = [_placed(name, self._entry.zone) for name in names]
        if self._entry.scheme == "lua":
            return _twice(lambda: self._steady(texts, self._transferred))
        if self._copied(len(texts)):
            try:
                found = _twice(lambda: self._steady(texts, self._transferred))
            except Denied:
                self._copies = False  # or it is a name that is denied: then the questions say so
            else:
                if not self._mirror.spells(texts):
                    return found
        return _twice(lambda: self._steady(list(map(name_of, texts)), self._once))

    def _copied(self, count: int) -> bool:
        """Whether so many names are read from a copy of the zone."""
        return self._entry.transfer is None and self._copies and self._mirror.worth(count, count >= MANY)

    def expect(self, held: Sequence[Held]) -> None:
        """These are about to be read; as a rule they hold this."""
        self._mirror.expect(held)

    def shows(self, held: Sequence[Held]) -> bool:
        """Whether the primary's differences alone show that the names hold this: then nothing more need be asked.

        A server that lags behind itself cannot show what it does not have; so False means nothing.
        """
        if not self._copied(len(held)):
            return False
        names = [one.name for one in held]
        return self._mirror.follow(names) == tuple(held) and not self._mirror.spells(names)

    def close(self) -> None:
        """Close what is open beside the primary's connection."""
        self._mirror.close()

    def lookup(self, owner: dns.name.Name, rtype: str) -> dns.rrset.RRset | None:
        """Any RRset of the zone, None where the zone proves that there is none. Raises Unreachable, Denied."""
        question = Question(owner, rtype)
        return _twice(lambda: rrset(self._asked, question, self._ask([question])[0]))

    def texts(self, owners: Sequence[dns.name.Name], count: int) -> list[list[str]]:
        """The TXT records at these places of `count` names, each as one text; raises Unreachable, Denied.

        From a transfer where so many names are read from one: each has half a dozen places.
        """
        if self._copied(count):
            with suppress(Denied):
                return self._transferred_texts(owners)
        questions = [Question(owner, "TXT") for owner in owners]
        replies = (reply for some in in_parts(questions, ASKED) for reply in self._ask(some))
        found = [_at(question, reply) for question, reply in zip(questions, replies, strict=True)]
        return [texts_of(rdatas) for rdatas in found]

    def _transferred_texts(self, owners: Sequence[dns.name.Name]) -> list[list[str]]:
        wires = [(owner.to_wire() or b"").lower() for owner in owners]
        found: dict[bytes, list[dns.rdata.Rdata]] = {wire: [] for wire in wires}
        wanted, timeout = {int(dns.rdatatype.TXT): transfer.EVERY}, max(self._timeout, transfer.TIMEOUT)
        for owner, rtype, _, wire in transfer.records(self._entry, wanted, timeout):
            if rtype == dns.rdatatype.TXT and owner in found:
                rdata = dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.TXT, wire, 0, len(wire))
                found[owner].append(rdata)
        return [texts_of(found[wire]) for wire in wires]

    def name(self, text: str) -> dns.name.Name:
        """The name, when it lies in the zone. Raises Refused."""
        return name_of(_placed(text, self._entry.zone))

    def refusal(self, what: str, said: str) -> str:
        """The text for a server that understood an update and said no."""
        return (
            f"{self._primary.where} said {said} to {what} in zone {self._zone} with {self._primary.key}; allow that key"
            " these names and types (see: lbmigrate policy), or unfreeze the zone (rndc thaw)"
        )

    def left_out(self, what: str, lacking: str) -> str:
        """The text for a server that says NOERROR and leaves out what its policy forbids (PowerDNS)."""
        return (
            f"{self._primary.where} said NOERROR to {what} in zone {self._zone} with {self._primary.key}, but left out"
            f" {lacking}; allow that key these names and types (PowerDNS: its policy script)"
        )

    def unheard(self, what: str) -> str:
        """The text for a server that answers the key's questions and knows the key no more for an update (Knot)."""
        return (
            f"{self._primary.where} said BADKEY to {what} in zone {self._zone} with {self._primary.key}, whose"
            " questions it answers; allow that key these names and types (Knot: its acl)"
        )

    def _steady(self, names: list[T], once: Callable[[list[T]], tuple[Records, bool]]) -> Records:
        """One moment of the zone: the SOA stands still around the read, or two reads in a row show the same."""
        before = None
        for _ in range(STEADY_ATTEMPTS):
            records, steady = once(names)
            if steady or records.held == before:
                return records
            before = records.held
        raise Unreachable(f"reading {some(names)} at {self._primary.where}: they change while being read; try again")

    def _once(self, names: list[dns.name.Name]) -> tuple[Records, bool]:
        """One read, and whether the SOA was the same before and after it.

        One connection's questions are answered in their order by BIND, Knot and PowerDNS; a server that did not would
        at worst show a mixture of two moments, and no swap from that would take.
        """
        asked = {name: questions(name) for name in names}
        apex = Question(self._zone, "SOA")
        first, *replies, last = self._ask([apex, *(one for each in asked.values() for one in each), apex])
        rest = iter(replies)
        parts = {name: [next(rest) for _ in each] for name, each in asked.items()}
        self._place(parts)
        before, after = self._soa(first), self._soa(last)
        seen = {name: interpret(self._asked, name, part) for name, part in parts.items()}
        held = {name: self._own(name, one) for name, one in seen.items()}
        return Records(tuple(held[name] for name in names), after, server_time(last)), before == after

    def _transferred(self, names: list[str]) -> tuple[Records, bool]:
        """The same from the whole zone, and whether it is of the moment of the primary's SOA."""
        reply = self._ask([Question(self._zone, "SOA")])[0]
        soa = self._soa(reply)
        at, held = self._mirror.read(soa, names)
        return Records(held, at, server_time(reply)), at == soa

    def _place(self, parts: dict[dns.name.Name, list[dns.message.Message]]) -> None:
        """Every name in this very zone, by its own answers or by asking for its SOA. Raises Denied, Unreachable."""
        unsure = [Question(name, "SOA") for name, part in parts.items() if not placed(self._asked, name, part)]
        for question, reply in zip(unsure, self._ask(unsure), strict=True):
            if not placed(self._asked, question.owner, [reply]):
                raise unproven(self._asked, question, reply)

    def _own(self, name: dns.name.Name, seen: Seen) -> Held:
        """What is the name's own: a wildcard above or beneath it can make answers that no prerequisite will find."""
        if seen.foreign and self.in_use(fence_name(name)):
            what = "holds what is not lbmigrate's (TXT or CNAME)"
            raise Refused(f"{fence_name(name)}: {what}; remove it, or leave the name out")
        if seen.sure or not seen.held.rrsets or self.in_use(name):
            return seen.held
        return replace(seen.held, rrsets=())

    def in_use(self, name: dns.name.Name) -> bool:
        """Whether the zone itself holds anything at this name, by wildcards nothing. Raises Denied, Unreachable."""
        reply = self._primary.ask([update.in_use(self._zone, name)], self._timeout)[0]
        code = dns.rcode.to_text(reply.rcode())
        match reply.rcode():
            case dns.rcode.NOERROR:
                return True
            case dns.rcode.NXDOMAIN:
                return False
            case dns.rcode.REFUSED | dns.rcode.NOTAUTH:
                raise Denied(self.refusal(f"the question whether {name} exists", code))
        raise Unreachable(f"asking {self._primary.where} whether {name} exists: {code}; see the server's log")

    def _soa(self, reply: dns.message.Message) -> str:
        question = Question(self._zone, "SOA")
        placed(self._asked, self._zone, [reply])
        found = rrset(self._asked, question, reply)
        if found is None:
            raise unproven(self._asked, question, reply)
        return str(found[0])

    def _ask(self, asked: Sequence[Question]) -> list[dns.message.Message]:
        return self._primary.ask([question.message() for question in asked], self._timeout)


def _placed(text: str, zone: str) -> str:
    """The name as the model wants it, when it lies in the zone. Raises Refused."""
    if len(text) < PLAIN_LIMIT and text.endswith(zone) and _plain(text) and text[: -len(zone)][-1:] in ("", "."):
        return text
    name = name_of(text)
    if not name.is_subdomain(name_of(zone)):
        raise Refused(f"{text}: not in zone {name_of(zone)}; give its zone a dns: entry")
    return text_of(name)


def _at(question: Question, reply: dns.message.Message) -> dns.rrset.RRset | Sequence[dns.rdata.Rdata]:
    """The records of that type at that very place, whatever else the answer says."""
    there = [one for one in reply.answer if (one.name, dns.rdatatype.to_text(one.rdtype)) == question]
    return there[0] if there else ()


def some(things: Sequence[object]) -> str:
    """The first few of them, for a message."""
    shown = ", ".join(map(str, things[:SHOWN]))
    return shown if len(things) <= SHOWN else f"{shown} and {len(things) - SHOWN} more"


def _twice(what: Callable[[], T]) -> T:
    try:
        return what()
    except Unreachable:
        time.sleep(random.uniform(*PAUSE))
        return what()
