"""The driver for servers with RFC 2136 updates: BIND, Knot, PowerDNS.

    swap = read (TTLs too) -> one message: prerequisites + changes -> its answer -> read back -> Applied only if proven

The update itself is sent once: its repetition belongs to whoever keeps the journal. Reads are tried twice.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import dns.message
import dns.name
import dns.rcode
import dns.rrset
import tenacity

from lbmigrate.dns import nameservers, served, update
from lbmigrate.dns.reading import Asked, Question, Seen, in_zone, interpret, questions, rrset
from lbmigrate.dns.records import fence_name, name_of, text_of
from lbmigrate.dns.wire import Primary, Unsigned, server_time
from lbmigrate.errors import Denied, Drifted, Refused, Unreachable
from lbmigrate.model import Applied, Held, NotApplied, Outcome, Records, Served, Unknown
from lbmigrate.spec import Dns

READ_ATTEMPTS = 2
STEADY_ATTEMPTS = 4
SHOWN = 3
T = TypeVar("T")


def make(entry: Dns, timeout: float, update_timeout: float) -> "Rfc2136":
    """The driver of one `dns:` entry; nothing is connected yet. Timeouts in seconds."""
    return Rfc2136(entry, timeout, update_timeout)


class Rfc2136:
    """`model.Zone` over one kept TCP connection to the primary. May be used from several threads."""

    def __init__(self, entry: Dns, timeout: float, update_timeout: float) -> None:
        self._zone = name_of(entry.zone)
        self._timeout = timeout
        self._update_timeout = update_timeout
        self._primary = Primary(entry)
        self._asked = Asked(self._primary.where, self._primary.key, self._zone)
        self._servers = nameservers.Directory(entry, self._lookup, time.monotonic)

    def close(self) -> None:
        """Close the connection; the next use opens one."""
        self._primary.close()

    # ------------------------------------------------------------ read

    def read(self, names: Sequence[str]) -> Records:
        """Whole RRsets and fences of `names`, the SOA and the server's clock, from the primary.

        A name that does not exist, or only by a wildcard, is a `Held` without RRsets. Raises Unreachable (also for
        anything less than a complete authoritative answer), Denied (key, zone), Refused (an alias), Drifted (a fence
        that cannot be read).
        """
        return _twice(lambda: self._steady([self._in_zone(name) for name in names]))

    def _steady(self, names: list[dns.name.Name]) -> Records:
        """One moment of the zone: the SOA stands still around the read, or two reads in a row show the same."""
        before = self._once(names)
        for _ in range(STEADY_ATTEMPTS):
            soa, when = self._soa()
            if soa == before.soa:
                return Records(before.held, soa, when)
            again = self._once(names)
            if again.held == before.held:
                return again
            before = again
        raise Unreachable(f"reading {_some(names)} at {self._primary.where}: they change while being read; try again")

    def _once(self, names: list[dns.name.Name]) -> Records:
        asked = [question for name in names for question in questions(name)]
        soa, *replies = self._ask([Question(self._zone, "SOA"), *asked])
        width = len(asked) // len(names) if names else 1
        parts = [replies[i : i + width] for i in range(0, len(replies), width)]
        seen = [interpret(self._asked, name, part) for name, part in zip(names, parts, strict=True)]
        held = tuple(self._own(name, one) for name, one in zip(names, seen, strict=True))
        return Records(held, self._soa_of(soa), server_time(replies[-1] if replies else soa))

    def _own(self, name: dns.name.Name, seen: Seen) -> Held:
        """What is the name's own: a wildcard above or beneath it can make answers that no prerequisite will find."""
        if seen.foreign and self._in_use(fence_name(name)):
            raise Refused(
                f"{fence_name(name)}: holds what is not lbmigrate's (TXT or CNAME); remove it, or leave the name out"
            )
        if seen.sure or not seen.held.rrsets or self._in_use(name):
            return seen.held
        return Held(seen.held.name, ())

    def _in_use(self, name: dns.name.Name) -> bool:
        reply = self._primary.ask([update.in_use(self._zone, name)], self._timeout)[0]
        match reply.rcode():
            case dns.rcode.NOERROR:
                return True
            case dns.rcode.NXDOMAIN:
                return False
            case dns.rcode.REFUSED | dns.rcode.NOTAUTH:
                raise Denied(self._refusal(f"the question whether {name} exists", reply))
        raise Unreachable(f"asking {self._primary.where} whether {name} exists: {_code(reply)}; see the server's log")

    def _soa(self) -> tuple[str, float | None]:
        reply = self._ask([Question(self._zone, "SOA")])[0]
        return self._soa_of(reply), server_time(reply)

    def _soa_of(self, reply: dns.message.Message) -> str:
        in_zone(self._asked, self._zone, reply)
        found = rrset(self._asked, Question(self._zone, "SOA"), reply)
        if found is None:
            raise Denied(f"asking {self._primary.where}: no zone begins at {self._zone}; correct zone: under dns:")
        return str(found[0])

    def _ask(self, asked: Sequence[Question]) -> list[dns.message.Message]:
        return self._primary.ask([question.message() for question in asked], self._timeout)

    def _in_zone(self, text: str) -> dns.name.Name:
        name = name_of(text)
        if not name.is_subdomain(self._zone):
            raise Refused(f"{text}: not in zone {self._zone}; give its zone a dns: entry")
        return name

    # ------------------------------------------------------------ swap

    def swap(self, old: Records, new: Records) -> Outcome:
        """Compare-and-swap of the names in `old`, of their fences, and of the SOA where `old.soa` is not None.

        What it raises was raised before anything was sent, or after the server said that nothing was applied:
        Unreachable, Denied (key, name, type, zone), Refused (a change that would break an invariant).
        """
        message = update.build(self._zone, old, new)
        names = [held.name for held in old.held]
        now = self.read(names)
        if now.held != old.held or old.soa not in (None, now.soa):
            return NotApplied(now)
        try:
            reply = self._primary.ask([message], self._update_timeout)[0]
        except (Unreachable, Unsigned) as lost:
            return self._settle(names, new, str(lost))
        return self._judge(reply, names, old, new)

    def _judge(self, reply: dns.message.Message, names: list[str], old: Records, new: Records) -> Outcome:
        match reply.rcode():
            case dns.rcode.NOERROR:
                return self._proven(names, new)
            case dns.rcode.NXRRSET | dns.rcode.YXRRSET | dns.rcode.NXDOMAIN | dns.rcode.YXDOMAIN:
                return NotApplied(self.read(names))
            case dns.rcode.REFUSED | dns.rcode.NOTAUTH | dns.rcode.NOTZONE | dns.rcode.NOTIMP | dns.rcode.FORMERR:
                raise Denied(self._refusal(f"the update of {_touched(old, new)}", reply))
        return self._settle(names, new, f"updating {self._primary.where}: {_code(reply)}; see the server's log")

    def _proven(self, names: list[str], new: Records) -> Outcome:
        try:
            seen = self.read(names)
        except (Unreachable, Denied) as lost:
            return Unknown(f"{self._primary.where} said NOERROR, reading back failed: {lost}")
        return Applied() if seen.held == new.held else NotApplied(seen)

    def _settle(self, names: list[str], new: Records, why: str) -> Outcome:
        """No usable answer: read back. Anything but the whole new state leaves it open: the message may yet come."""
        try:
            seen = self.read(names)
        except (Unreachable, Denied, Refused, Drifted) as lost:
            return Unknown(f"{why}; reading back failed: {lost}")
        return Applied() if seen.held == new.held else Unknown(why)

    def _refusal(self, what: str, reply: dns.message.Message) -> str:
        return (
            f"{self._primary.where} said {_code(reply)} to {what} in zone {self._zone} with {self._primary.key};"
            " allow that key these names and types, or unfreeze the zone (rndc thaw)"
        )

    # ------------------------------------------------------------ served, check

    def served(self, names: Sequence[str]) -> list[Served]:
        """What every authoritative server answers now for A and AAAA, over UDP, within about 2 s; RD=0.

        Raises Unreachable when the list of name servers itself cannot be had from the primary.
        """
        asked = [Question(self._in_zone(name), rtype) for name in names for rtype in ("A", "AAAA")]
        found = served.ask(self._servers.all(), asked, self._timeout)
        return [served.served(one) for one in found]

    def check(self, names: Sequence[str]) -> tuple[str, ...]:
        """What stands in the way of moving `names`, a line each, changing nothing. Raises as `read` does."""
        records = self.read(names)
        missing = tuple(f"{h.name}: does not exist, or only by a wildcard" for h in records.held if not h.rrsets)
        return (*missing, *self._forbidden(records), *self._differing(records))

    def _forbidden(self, records: Records) -> Iterator[str]:
        there = [held for held in records.held if held.rrsets]
        asked = [update.permission(self._zone, held) for held in there]
        for held, reply in zip(there, self._primary.ask(asked, self._update_timeout), strict=True):
            if reply.rcode() != dns.rcode.YXDOMAIN:
                kinds = ", ".join([*(one.rtype for one in held.rrsets), f"TXT of {fence_name(name_of(held.name))}"])
                yield self._refusal(f"an update of {held.name} ({kinds})", reply)

    def _differing(self, records: Records) -> Iterator[str]:
        servers = self._servers.all()
        for one in served.ask(servers, [Question(self._zone, "SOA")], self._timeout):
            if one.error:
                yield f"name server {one.server}: {one.error}"
            elif one.rdatas != (records.soa,):
                yield f"name server {one.server}: its serial differs from the primary's; is it following?"
        there = {(rrset.name, rrset.rtype): rrset.rdatas for held in records.held for rrset in held.rrsets}
        asked = [Question(name_of(name), rtype) for name, rtype in there]
        for one in served.ask(servers, asked, self._timeout):
            primary = there[text_of(one.question.owner), one.question.rtype]
            if not one.error and one.rdatas != primary:
                yield f"name server {one.server}: {_answer(one)}, the primary holds {', '.join(primary)}"

    def _lookup(self, owner: dns.name.Name, rtype: str) -> dns.rrset.RRset | None:
        question = Question(owner, rtype)
        return rrset(self._asked, question, _twice(lambda: self._ask([question]))[0])


def _twice(what: Callable[[], T]) -> T:
    for attempt in tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Unreachable),
        stop=tenacity.stop_after_attempt(READ_ATTEMPTS),
        wait=tenacity.wait_random(0.02, 0.2),
        reraise=True,
    ):
        with attempt:
            return what()
    raise AssertionError("tenacity ended without a result")


def _answer(one: served.Answer) -> str:
    said = ", ".join(one.rdatas or ()) or "nothing"
    return f"answers {said} for {text_of(one.question.owner)} {one.question.rtype}"


def _code(reply: dns.message.Message) -> str:
    return dns.rcode.to_text(reply.rcode())


def _some(names: Sequence[object]) -> str:
    shown = ", ".join(map(str, names[:SHOWN]))
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"


def _touched(old: Records, new: Records) -> str:
    texts = []
    for was, will in zip(old.held, new.held, strict=True):
        changed = {one.rtype for one in set(was.rrsets) ^ set(will.rrsets)}
        fence = [f"TXT of {text_of(fence_name(name_of(was.name)))}"] if was.fence != will.fence else []
        texts.append(f"{was.name} ({', '.join([*sorted(changed), *fence])})")
    return _some(texts)
