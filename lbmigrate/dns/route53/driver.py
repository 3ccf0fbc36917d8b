"""`model.Zone` over Route 53: a read is a listing, a swap one change batch, served is what its name servers answer.

    swap = list -> compare -> DELETE exact + CREATE, one batch -> its answer -> list again -> Applied only if proven

A batch is sent once; what Route 53 refuses for being busy was not done and is sent again. Until GetChange says INSYNC
no answer of a name server counts. That is known only to the process that made the change: after a restart the name
servers' own answers are all there is.
"""

import secrets
import time
from collections import deque
from collections.abc import Iterator, Sequence

import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from lbmigrate import weighted
from lbmigrate.dns import nameservers, served
from lbmigrate.dns.reading import Question
from lbmigrate.dns.records import fence_name, name_of
from lbmigrate.dns.route53 import batch, health, listing, names
from lbmigrate.dns.route53.api import PACE, Api, HostedZone, Invalid, Lost, Pace, Set
from lbmigrate.dns.route53.listing import MARK, Name
from lbmigrate.errors import Denied, LbmigrateError, Refused
from lbmigrate.model import FAMILIES, Applied, Held, NotApplied, Outcome, Records, Served, Then, Unknown
from lbmigrate.spec import Dns
from lbmigrate.value import replace

WORD = 4  # octets of a claim's random word
ASK_EVERY = 1.0  # seconds between two GetChange: each is one of the account's 5 requests a second


class Route53:
    """One hosted zone. May be used from several threads."""

    def __init__(self, entry: Dns, timeout: float, update_timeout: float, pace: Pace = PACE) -> None:
        self._entry, self._timeout = entry, timeout
        self._api = Api(entry, update_timeout, pace)
        self._found: HostedZone | None = None
        self._servers = nameservers.Directory(entry, self._lookup, time.monotonic)
        self._change = ""  # the last one, until it is INSYNC
        self._asked, self._said = float("-inf"), ""

    def close(self) -> None:
        """Close the connections; the next use opens some."""
        self._api.close()

    # ------------------------------------------------------------ the zone

    def _zone(self) -> HostedZone:
        """The hosted zone: `zone_id`, else the only one of that name. Raises Refused, Denied, Unreachable."""
        if self._found is None:
            self._found = self._api.zone(self._entry.zone_id or self._only())
            if self._found.name != listing.owner(self._entry.zone):
                raise Refused(
                    f"{self._entry.zone}: hosted zone {self._found.id} is {self._found.name}; correct zone_id"
                )
            if self._entry.private not in (None, self._found.private):
                is_ = "private" if self._found.private else "public"
                raise Refused(f"{self._entry.zone}: hosted zone {self._found.id} is {is_}; correct zone_id or private")
        return self._found

    def _only(self) -> str:
        entry = self._entry
        found = list(self._api.zones(listing.owner(entry.zone)))
        fit = [one for one in found if entry.private in (None, one.private)]
        if not fit:
            which = "" if entry.private is None else "private " if entry.private else "public "
            raise Refused(f"{entry.zone}: {self._api.where} has no {which}zone of that name; see profile and zone")
        if len(fit) > 1:
            kinds = ", ".join(f"{one.id} ({'private' if one.private else 'public'})" for one in fit)
            raise Refused(f"{entry.zone}: {self._api.where} has {kinds}; say which by zone_id, or by private: true or"
                          " false")  # fmt: skip
        return fit[0].id

    def _lookup(self, owner: dns.name.Name, rtype: str) -> dns.rrset.RRset | None:
        """The delegation's name servers, for the directory of servers; nothing else is asked of it."""
        del owner
        zone = self._zone()
        if rtype != "NS" or not zone.servers:
            raise Refused(f"{self._entry.zone}: zone {zone.id} names no name servers; give nameservers: under dns:")
        texts = [server.removesuffix(".") + "." for server in zone.servers]
        return dns.rrset.from_text_list(name_of(self._entry.zone), 0, dns.rdataclass.IN, dns.rdatatype.NS, texts)

    @property
    def id(self) -> str:
        """The hosted zone's id. Raises as `read` does."""
        return self._zone().id

    # ------------------------------------------------------------ reading

    def read(self, names: Sequence[str]) -> Records:
        """Whole sets and fences of `names` as the API lists them, pending or not.

        Raises Unreachable, Denied (key, zone), Refused (what is not moved on Route 53), Drifted (an edited fence).
        """
        return Records(tuple(one.held for one in self._list(names)))

    def all(self) -> Iterator[Set]:
        """Every set of the zone, in the order of its listing. Raises Unreachable, Denied, Refused."""
        start: tuple[str, str, str] | None = ("", "", "")
        while start:
            page = self._api.page(self._zone().id, start)
            yield from page.sets
            start = page.following

    def _list(self, given: Sequence[str]) -> list[Name]:
        owners = {name: (listing.owner(name), listing.mark(name)) for name in given}
        found = self._sets({owner for pair in owners.values() for owner in pair})
        at = self._entry.view, self._zone().id
        return [listing.read(name, at, found[own], found[mark]) for name, (own, mark) in owners.items()]

    def _sets(self, owners: set[str]) -> dict[str, list[Set]]:
        """The sets of these owners, in as few requests as their places in the listing allow."""
        zone_id = self._zone().id
        found: dict[str, list[Set]] = {owner: [] for owner in owners}
        left = deque(sorted(owners, key=names.order))
        start = (left[0], "", "") if left else None
        while start:
            page = self._api.page(zone_id, start)
            for one in page.sets:
                found.get(one["Name"], []).append(one)
            following = names.order(page.following[0]) if page.following else None
            while left and (following is None or names.order(left[0]) < following):
                left.popleft()
            start = None
            if left and page.following:
                start = page.following if left[0] == page.following[0] else (left[0], "", "")
        return found

    # ------------------------------------------------------------ swap

    def swap(self, old: Records, new: Records, then: Then = None) -> Outcome:  # noqa: ARG002
        """Compare-and-swap of the names in `old` and of their fences; Route 53 has no SOA that a change could require.

        Where a fence is lost and records are put back, they are a second batch: it deletes the fence that the first
        made, whose random word never comes again, so that a late copy of it changes nothing.

        What it raises was raised before anything was sent, or after Route 53 said that nothing was done: Unreachable,
        Denied (key, policy, a protected set), Refused (what a fence cannot hold).
        """
        bare = [was.fence is None and _moves(was, will) for was, will in zip(old.held, new.held, strict=True)]
        if any(bare):
            each = zip(old.held, new.held, bare, strict=True)
            fenced = Records(tuple(replace(was, fence=will.fence) if lost else was for was, will, lost in each))
            if (outcome := self._swapped(old, fenced)) != Applied():
                return outcome
            old = fenced
        return self._swapped(old, new)

    def _swapped(self, old: Records, new: Records) -> Outcome:
        """One batch."""
        given = [held.name for held in old.held]
        found = self._list(given)
        now = Records(tuple(one.held for one in found))
        if now.held != old.held:
            return NotApplied(now)
        changes = batch.changes(found, new.held, lambda: secrets.token_hex(WORD))
        try:
            self._change = self._api.change(self._zone().id, changes)
        except Lost as lost:
            return self._settled(given, new, str(lost))
        except Invalid as wrong:
            return self._invalid(given, old, new, str(wrong))
        self._asked = float("-inf")
        return self._proven(given, new)

    def _proven(self, given: Sequence[str], new: Records) -> Outcome:
        try:
            seen = self.read(given)
        except LbmigrateError as lost:
            return Unknown(f"{self._api.where} took the change, reading back failed: {lost}")
        return Applied() if seen.held == new.held else NotApplied(seen)

    def _settled(self, given: Sequence[str], new: Records, why: str) -> Outcome:
        """No usable answer. Anything but the whole new state leaves it open: the change may yet come."""
        try:
            seen = self.read(given)
        except LbmigrateError as lost:
            return Unknown(f"{why}; reading back failed: {lost}")
        return Applied() if seen.held == new.held else Unknown(why)

    def _invalid(self, given: Sequence[str], old: Records, new: Records, said: str) -> Outcome:
        """Nothing was done, for a reason that the message does not tell surely: what the zone holds now does."""
        seen = self.read(given)
        if seen.held == new.held:
            return Applied()
        if seen.held != old.held:
            return NotApplied(seen)
        raise Denied(f"changing {', '.join(given[:3])} at {self._api.where}: InvalidChangeBatch: {said}; remove what"
                     " stands in the way")  # fmt: skip

    # ------------------------------------------------------------ served, check

    def served(self, names: Sequence[str], rtypes: Sequence[str] = tuple(FAMILIES)) -> list[Served]:
        """What every name server answers now, over UDP; errors alone until the last change is INSYNC.

        For "WEIGHTED" it is the fence of the name that is asked for. Raises Unreachable, Denied, Refused when the list
        of name servers cannot be had.
        """
        asked = {_question(name, rtype): (name, rtype) for name in names for rtype in rtypes}
        waiting = self._waiting()
        found = served.ask(self._servers.all(), list(asked), self._timeout)
        return [_told(one, *asked[one.question], self._entry.view, waiting) for one in found]

    def _waiting(self) -> str:
        """Why the last change does not count yet, "" where it does."""
        if self._change and time.monotonic() - self._asked >= ASK_EVERY:
            self._asked = time.monotonic()
            try:
                self._said = f"{self._change} is PENDING" if self._api.pending(self._change) else ""
            except LbmigrateError as lost:
                self._said = str(lost)
            if not self._said:
                self._change = ""
        return self._said if self._change else ""

    def check(self, names: Sequence[str]) -> tuple[str, ...]:
        """What is worth knowing before `names` are moved, a line each, changing nothing.

        Raises as `read` does, and Denied when the key may not change sets of the zone.
        """
        found = self._list(names)
        missing = [f"{one.held.name}: does not exist" for one in found if not one.held.rrsets]
        zone = self._zone()
        try:
            self._api.change(zone.id, [("DELETE", _nothing([*names, self._entry.zone][0]))])
        except Invalid:
            pass  # understood and allowed, and nothing to delete
        except Lost as lost:
            raise Denied(f"asking whether {zone.name} may be changed: {lost}; try again") from lost
        unlike = self._unlike([one.held for one in found])
        return (*missing, *self._longer(names), *health.told(found), *unlike, *self._servers.delegation())

    def _longer(self, given: Sequence[str]) -> list[str]:
        """The names for which the account has a longer zone of the same kind: that one is asked for them."""
        zone = self._zone()
        try:
            below = [one for one in self._api.below(zone.name) if one.private == zone.private and one.name != zone.name]
        except Denied as refused:
            return [f"whether another zone of the account is longer for these names is not known: {refused}"]
        return [
            f"{name}: hosted zone {one.name} ({one.id}) is longer for it; give that one its own entry under dns:"
            for name in given
            for one in below
            if f".{listing.owner(name)}".endswith(f".{one.name}")
        ]

    def _unlike(self, held_: Sequence[Held]) -> list[str]:
        """Name servers that do not answer what the listing holds; of aliases and weighted sets nobody can say that."""
        there = {(rrset.name, rrset.rtype): rrset.rdatas for one in held_ for rrset in one.rrsets}
        asked = {one.name: [r.rtype for r in one.rrsets if r.rtype != weighted.TYPE] for one in held_ if one.rrsets}
        said = []
        for one in [answer for name, rtypes in asked.items() for answer in self.served([name], rtypes or ["SOA"])]:
            held = there.get((one.name, one.rtype), ())
            if one.error or (one.rtype != "SOA" and set(one.rdatas or ()) != set(held)):
                answer = one.error or ", ".join(one.rdatas or ()) or "nothing"
                said.append(f"name server {one.server}: {one.name} {one.rtype}: {answer}, the zone holds"
                            f" {', '.join(held) or 'nothing'}")  # fmt: skip
        return said


def _question(name: str, rtype: str) -> Question:
    owner = name_of(name)
    return Question(fence_name(owner), "TXT") if rtype == weighted.TYPE else Question(owner, rtype)


def _told(one: served.Answer, name: str, rtype: str, view: str, waiting: str) -> Served:
    """The model's form of an answer: a fence without its keeper."""
    found = replace(served.served(one, name, view), rtype=rtype)
    if rtype == weighted.TYPE and found.rdatas:
        found = replace(found, rdatas=tuple(text for text in found.rdatas if not text.startswith(f'"{MARK} ')))
    return replace(found, ttl=None, rdatas=None, error=waiting) if waiting else found


def _moves(was: Held, will: Held) -> bool:
    """Whether other values come under a fence; a claim changes TTLs alone."""
    values = [[(one.rtype, one.rdatas) for one in held.rrsets] for held in (was, will)]
    return will.fence is not None and values[0] != values[1]


def _nothing(name: str) -> Set:
    """A set that is not there, at the fence of a name, which a policy lets us write."""
    return {"Name": listing.mark(name), "Type": "TXT", "TTL": 0, "ResourceRecords": [{"Value": '"nothing"'}]}
