"""The driver for servers with RFC 2136 updates: BIND, Knot, PowerDNS.

    swap = read (TTLs too) -> one message: prerequisites + changes -> its answer -> read back -> Applied only if proven

The update itself is sent once: its repetition belongs to whoever keeps the journal. Reads are tried twice.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import cycle
from typing import NamedTuple

import dns.message
import dns.name
import dns.rcode
import dns.rrset

from lbmigrate import lua
from lbmigrate.dns import nameservers, served, soa, update
from lbmigrate.dns.reader import PAUSE, Reader, some
from lbmigrate.dns.reading import Question
from lbmigrate.dns.records import fence_name, name_of, text_of
from lbmigrate.dns.served import Answer
from lbmigrate.dns.wire import Primary, Unheard, Unsigned
from lbmigrate.errors import Denied, LbmigrateError, Refused, Unreachable
from lbmigrate.model import FAMILIES, Applied, NotApplied, Outcome, Records, Served, Then, Unknown
from lbmigrate.size import LIMIT, signature
from lbmigrate.spec import Dns
from lbmigrate.value import replace

BLIND = "does not evaluate LUA records: it would answer nothing for names that have one"
SIGNING = 1.0  # seconds; measured on BIND: 0.02 to 0.1


def make(entry: Dns, timeout: float, update_timeout: float) -> "Rfc2136":
    """The driver of one `dns:` entry; nothing is connected yet. Timeouts in seconds."""
    return Rfc2136(entry, timeout, update_timeout)


class Unmet(NamedTuple):
    """The server found a prerequisite unmet; `now` is what the names hold."""

    now: Records


class Rfc2136:
    """`model.Zone` over one kept TCP connection to the primary. May be used from several threads."""

    def __init__(self, entry: Dns, timeout: float, update_timeout: float) -> None:
        self._zone = name_of(entry.zone)
        self._view = entry.view
        self._lua = entry.scheme == "lua"
        self._timeout = timeout
        self._update_timeout = update_timeout
        self._primary = Primary(entry)
        self._room = LIMIT - signature(entry.tsig)
        self._reader = Reader(entry, self._primary, timeout)
        self._foreseen: tuple[Records, Records, list[update.Update]] | None = None
        self._servers = nameservers.Directory(entry, self._reader.lookup, time.monotonic)

    def close(self) -> None:
        """Close the connection; the next use opens one."""
        self._primary.close()
        self._reader.close()

    def read(self, names: Sequence[str]) -> Records:
        """Whole RRsets and fences of `names`, the SOA and the server's clock, from the primary.

        A name that does not exist, or only by a wildcard, is a `Held` without RRsets. Raises Unreachable (also for
        anything less than a complete authoritative answer), Denied (key, zone), Refused (an alias), Drifted (a fence
        that cannot be read).
        """
        return self._reader.read(names)

    # ------------------------------------------------------------ swap

    def swap(self, old: Records, new: Records, then: Then = None) -> Outcome:
        """Compare-and-swap of the names in `old`, of their fences, and of the SOA where `old.soa` is not None.

        What it raises was raised before anything was sent, or after the server said that nothing was applied:
        Unreachable, Denied (key, name, type, zone), Refused (a change that would break an invariant). Denied, too, when
        the server said NOERROR to a claim and left its fences out (PowerDNS, by its policy script): a TTL may be lower.
        `then` is laid out while the server is at work on this.
        """
        if self._lua and old.soa is not None:  # a claim
            self._evaluated()
        messages = self._laid_out(old, new)
        self._reader.expect(old.held)
        now = self.read([held.name for held in old.held])
        if now.held != old.held or old.soa not in (None, now.soa):
            return NotApplied(now)
        self._reader.expect(new.held)
        outcome = self._sent(messages, old, new, then)
        if isinstance(outcome, Unmet) and (outcome.now.held, outcome.now.soa) == (old.held, old.soa):
            self._plain(old)
            outcome = self._behind(self._pinned(), old, new)
        return NotApplied(outcome.now) if isinstance(outcome, Unmet) else outcome

    def _evaluated(self) -> None:
        """LUA records are code, not data. Raises Denied where the primary surely has only the data."""
        from lbmigrate.dns import software  # nothing else needs it

        software.no_lua(software.called(self._primary, self._timeout), self._primary.where)

    def _plain(self, old: Records) -> None:
        """The records are in the zone as they are answered. Raises Denied where the server makes them up."""
        asked = [update.build(self._zone, Records((one,)), Records((one,))) for one in old.held]
        for held, reply in zip(old.held, self._primary.ask(asked, self._update_timeout), strict=True):
            if reply.rcode() == dns.rcode.NXRRSET:
                what = f"claiming {held.name} at {self._primary.where}: its answers are not what the zone holds"
                made = "LUA, ALIAS or a module makes them up (replace that by plain records)"
                spelled = "PowerDNS's database spells the records otherwise (final dots, quotes, zeros, upper case)"
                raise Denied(f"{what}: {made}, or {spelled}; delete these and add them again by an update or the API")

    def _pinned(self) -> str:
        """Set the SOA that a claim can require (see `soa`). Raises Denied, Unreachable."""
        found = self._reader.lookup(self._zone, "SOA")
        assert found is not None
        ours = soa.following(found)
        reply = self._primary.ask([soa.setting(self._zone, ours)], self._update_timeout)[0]
        if reply.rcode() != dns.rcode.NOERROR:
            raise Denied(self._reader.refusal(f"an update of {self._zone} (SOA, since {soa.APART})", _code(reply)))
        return str(ours[0])

    def _behind(self, pinned: str, old: Records, new: Records) -> "Outcome | Unmet":
        """The claim again, requiring the SOA that was set."""
        outcome = self._sent([update.build(self._zone, replace(old, soa=pinned), new, self._lua)], old, new)
        if isinstance(outcome, Unmet) and outcome.now.held == old.held:
            raise Denied(f"claiming in {self._zone} at {self._primary.where}: {soa.APART}, and setting its serial does"
                         " not help; turn SOA-EDIT off (PowerDNS), or try again if the zone is busy")  # fmt: skip
        return outcome

    def _laid_out(self, old: Records, new: Records) -> list[update.Update]:
        """The messages of a swap; if it was foreseen, those that were prepared. Raises Refused."""
        foreseen, self._foreseen = self._foreseen, None
        if foreseen is not None and foreseen[:2] == (old, new):
            return foreseen[2]
        return update.parts(self._zone, old, new, self._room, self._lua)

    def _foresee(self, then: Then) -> None:
        if then is not None:
            old, new = then()
            with suppress(Refused):  # which says so when it is asked for
                self._foreseen = old, new, update.parts(self._zone, old, new, self._room, self._lua)

    def _sent(self, messages: list[update.Update], old: Records, new: Records, then: Then = None) -> "Outcome | Unmet":
        names = [held.name for held in old.held]
        try:
            reply = self._send(messages, then)
        except (Unreachable, Unsigned) as lost:
            return self._settle(names, new, str(lost))
        except Unheard as wrong:
            raise Denied(self._reader.unheard(f"the update of {_touched(old, new)}")) from wrong
        match reply.rcode():
            case dns.rcode.NOERROR:
                return self._proven(names, old, new)
            case dns.rcode.NXRRSET | dns.rcode.YXRRSET | dns.rcode.NXDOMAIN | dns.rcode.YXDOMAIN:
                return Unmet(self.read(names))
            case dns.rcode.REFUSED | dns.rcode.NOTAUTH | dns.rcode.NOTZONE | dns.rcode.NOTIMP | dns.rcode.FORMERR:
                raise Denied(self._reader.refusal(f"the update of {_touched(old, new)}", _code(reply)))
        return self._settle(names, new, f"updating {self._primary.where}: {_code(reply)}; see the server's log")

    def _send(self, messages: list[update.Update], then: Then) -> dns.message.Message:
        """One after the other, as far as they are applied; the last answer."""
        for message in messages:
            meanwhile = partial(self._foresee, then if message is messages[-1] else None)
            reply = self._primary.ask([message], self._update_timeout, meanwhile)[0]
            if reply.rcode() != dns.rcode.NOERROR:
                break
        return reply

    def _proven(self, names: list[str], old: Records, new: Records) -> Outcome:
        """Read back; again while it shows the old: BIND serves a signed copy (inline-signing) 0.1 s behind the zone."""
        if self._reader.shows(new.held):
            return Applied()
        import tenacity  # slow to import, and the message is sent

        reading = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda one: one.held == old.held != new.held),
            stop=tenacity.stop_after_delay(SIGNING),
            wait=tenacity.wait_random(*PAUSE),
            retry_error_callback=lambda last: last.outcome and last.outcome.result(),
        )
        try:
            seen: Records = reading(self.read, names)
            lacking = self._left_out(old, new, seen)
        except LbmigrateError as lost:
            return Unknown(f"{self._primary.where} said NOERROR, reading back failed: {lost}")
        if lacking:
            raise Denied(self._reader.left_out(f"the update of {_touched(old, new)}", some(lacking)))
        return Applied() if seen.held == new.held else NotApplied(seen)

    def _left_out(self, old: Records, new: Records, seen: Records) -> list[str]:
        """The claim's fences that are not in the zone. Not in its signed copy yet is not the same (see `_proven`)."""
        states = zip(old.held, new.held, seen.held, strict=True)
        unseen = [was.name for was, will, now in states if will.fence and not was.fence and not now.fence]
        owners = [fence_name(name_of(name)) for name in unseen]
        return [f"TXT of {owner}" for owner in owners if not self._reader.in_use(owner)]

    def _settle(self, names: list[str], new: Records, why: str) -> Outcome:
        """No usable answer: read back. Anything but the whole new state leaves it open: the message may yet come."""
        try:
            seen = self.read(names)
        except LbmigrateError as lost:
            return Unknown(f"{why}; reading back failed: {lost}")
        return Applied() if seen.held == new.held else Unknown(why)

    # ------------------------------------------------------------ served, check

    def served(self, names: Sequence[str], rtypes: Sequence[str] = tuple(FAMILIES)) -> list[Served]:
        """What every authoritative server answers now, over UDP, within about 2 s; RD=0.

        Raises Unreachable when the list of name servers itself cannot be had from the primary.
        """
        asked = [(name, self._question(name, rtype)) for name in names for rtype in rtypes]
        found = self._ask_all([question for _, question in asked])
        if self._lua and "TXT" in rtypes:
            found = self._evaluating(found)
        return [served.served(one, name, self._view) for one, (name, _) in zip(found, cycle(asked), strict=False)]

    def _evaluating(self, found: Sequence[Answer]) -> list[Answer]:
        """The answers, with an error in place of each fence whose server does not evaluate the LUA record beside it.

        Such a server (a secondary that is no PowerDNS, or one with LUA records off) would answer nothing for the name.
        """
        fenced = {one.question.owner: one for one in found if one.question.rtype == "TXT" and one.rdatas}
        probes = self._ask_all([Question(owner, "A") for owner in fenced])
        blind = {(one.server, one.question.owner) for one in probes if one.rdatas != (lua.ADDRESS,)}
        return [
            replace(one, rdatas=None, ttl=None, error=BLIND)
            if one.question.rtype == "TXT" and one.rdatas and (one.server, one.question.owner) in blind
            else one
            for one in found
        ]

    def _ask_all(self, questions: Sequence[Question]) -> list[Answer]:
        """Every authoritative server; signed where the zone has views, which servers choose by the key."""
        key = self._primary.signing() if self._view else None
        return served.ask(self._servers.all(), questions, self._timeout, key)

    def _question(self, name: str, rtype: str) -> Question:
        owner = self._reader.name(name)
        return Question(fence_name(owner) if rtype == "TXT" else owner, rtype)

    def check(self, names: Sequence[str]) -> tuple[str, ...]:
        """What is worth knowing before `names` are moved, a line each, changing nothing.

        Raises as `read` does, and Denied when the server would refuse the updates that a migration makes.
        """
        from lbmigrate.dns.rights import Rights  # nothing else needs it

        records = self.read(names)
        missing = tuple(f"{h.name}: does not exist, or only by a wildcard" for h in records.held if not h.rrsets)
        rights = Rights(self._primary, self._zone, self._update_timeout, self._reader.refusal)
        changed = tuple(rights.needed(records.held, self._lua))
        if changed:
            self._plain(self.read(names))
        allowed = (*changed, *rights.beyond(self._lua))
        about = (*self._marks(records), *self._apart(records), *self._differing(records))
        return (*missing, *allowed, *about, *self._servers.delegation())

    def _marks(self, records: Records) -> Iterator[str]:
        from lbmigrate.dns import marks  # nothing else needs it

        places = marks.places(self._zone, records.held)
        return marks.found(places, self._reader.texts([one.owner for one in places], len(records.held)))

    def _apart(self, records: Records) -> Iterator[str]:
        """Whether a claim has to set the SOA first, and may."""
        found = self._reader.lookup(self._zone, "SOA")
        assert found is not None
        assert records.soa is not None
        same = self._primary.ask([soa.same(self._zone, records.soa)], self._update_timeout)[0]
        if same.rcode() != dns.rcode.NXRRSET or self.read([]).soa != records.soa:
            return
        may = self._primary.ask([soa.permission(self._zone, soa.following(found))], self._update_timeout)[0]
        if may.rcode() == dns.rcode.REFUSED:
            raise Denied(self._reader.refusal(f"an update of {self._zone} (SOA, since {soa.APART})", _code(may)))
        yield f"{self._zone}: {soa.APART}; start sets its serial first (this does not help with PowerDNS: SOA-EDIT)"

    def _differing(self, records: Records) -> Iterator[str]:
        for one in self._ask_all([Question(self._zone, "SOA")]):
            if one.error:
                yield f"name server {one.server}: {one.error}"
            elif one.rdatas != (records.soa,):
                yield f"name server {one.server}: its serial differs from the primary's; is it following?"
        there = [r for held in records.held for r in held.rrsets if r.rtype != "LUA"]
        asked = [Question(name_of(rrset.name), rrset.rtype) for rrset in there]
        for one, rrset in zip(self._ask_all(asked), cycle(there), strict=False):
            if not one.error and one.rdatas != rrset.rdatas:
                yield f"name server {one.server}: {_answer(one)}, the primary holds {', '.join(rrset.rdatas)}"


def _answer(one: Answer) -> str:
    said = ", ".join(one.rdatas or ()) or "nothing"
    return f"answers {said} for {text_of(one.question.owner)} {one.question.rtype}"


def _code(reply: dns.message.Message) -> str:
    return dns.rcode.to_text(reply.rcode())


def _touched(old: Records, new: Records) -> str:
    texts = []
    for was, will in zip(old.held, new.held, strict=True):
        changed = {one.rtype for one in set(was.rrsets) ^ set(will.rrsets)}
        fence = [f"TXT of {text_of(fence_name(name_of(was.name)))}"] if was.fence != will.fence else []
        texts.append(f"{was.name} ({', '.join([*sorted(changed), *fence])})")
    return some(texts)
