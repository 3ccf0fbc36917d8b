"""The accounts' zones and changes, in time: what is pending, who is throttled, what goes wrong on purpose.

Nothing happens by itself: a name server serves the newest version that has reached it by the clock, and a change is
INSYNC when its time has passed. The clock is given, so that tests need not wait.
"""

import json
import math
import random
import string
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence

from lbmigrate.dns.route53 import names
from lbmigrate.lab.dnszone import Zone
from lbmigrate.lab.route53 import answers, iam, rules
from lbmigrate.lab.route53.errors import ApiError, Lost
from lbmigrate.lab.route53.rules import About, Change, Sets
from lbmigrate.lab.route53.sets import RecordSet
from lbmigrate.lab.route53.sts import Role, Session
from lbmigrate.value import replace, value

Clock = Callable[[], float]
RATE = 5.0  # requests a second and account (Route 53 quotas), and as many at once
ACCOUNT = "123456789012"
KEY_ID = "AKIALABORATORY"
LETTERS = string.ascii_uppercase + string.digits
SOA_TTL, NS_TTL = 900, 172_800  # as Route 53 makes them
SERVERS = ("ns-1.lab.test.", "ns-2.lab.test.")


@value
class Faults:
    """What goes wrong on purpose, and how long things take; all may be changed at any time.

    `pending`: seconds until a change is INSYNC and served (None: never); `stuck`: served, but PENDING for ever;
    `lag`: by server (0, 1), seconds that it serves a change later than that. `busy`: seconds in which a zone takes no
    second change; `throttled`, `lost`, `unheard`: so many of the next requests are throttled, so many of the next
    changes are applied (or not even that) without an answer. `denied`: actions of the API, or of a change, that the
    key may not; `protected`: names whose sets nobody may change; `unhealthy`: health checks that fail; `policy`: the
    IAM policy of every key as JSON, "" for one that may all.
    """

    pending: float | None = 0.0
    stuck: bool = False
    lag: tuple[float, ...] = ()
    busy: float = 0.0
    rate: float | None = RATE
    throttled: int = 0
    lost: int = 0
    unheard: int = 0
    expired: bool = False
    denied: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    unhealthy: tuple[str, ...] = ()
    policy: str = ""


@value
class Version:
    """What a zone holds from some moment on; `delay`: seconds until its name servers have it."""

    at: float
    delay: float
    sets: Mapping[tuple[str, str, str], RecordSet]


@value
class Vpc:
    """A network that a private zone answers in."""

    region: str
    id: str


@value
class Made:
    """What a zone is made with; `reference` is the caller's own, once an account. An empty `id` is made up."""

    name: str
    reference: str
    private: bool = False
    comment: str = ""
    id: str = ""
    vpcs: tuple[Vpc, ...] = ()


def _changed(changes: Sequence[Change]) -> iam.Context:
    """What a policy's conditions may look at."""
    return {
        f"{iam.CHANGE}NormalizedRecordNames": [one.set.name.removesuffix(".") for one in changes],
        f"{iam.CHANGE}RecordTypes": [one.set.rtype for one in changes],
        f"{iam.CHANGE}Actions": [one.action for one in changes],
    }


class HostedZone:
    """One zone with its history."""

    def __init__(self, zone_id: str, name: str, account: str, made: Made) -> None:
        self.id = zone_id
        self.name = name
        self.account = account
        self.made = made
        self.vpcs = made.vpcs
        self.versions: list[Version] = []
        self.changed = -math.inf
        self._sorted: tuple[Version | None, list[RecordSet]] = (None, [])

    @property
    def sets(self) -> Sets:
        """What a listing shows: the newest, pending or not."""
        return dict(self.versions[-1].sets)

    def listed(self, start: tuple[str, str, str]) -> list[RecordSet]:
        """The same in the order of a listing, from a place on; sorted once a version."""
        version = self.versions[-1]
        if self._sorted[0] is not version:
            self._sorted = version, rules.listed(version.sets)
        return self._sorted[1][bisect_left(self._sorted[1], start, key=rules.place) :]


@value
class Done:
    """One accepted change: when, in which account, and when it is INSYNC (never: infinity)."""

    id: str
    account: str
    at: float
    insync: float
    comment: str


class World:
    """Everything behind the API. One thread at a time.

    `keys`: account by access key id, `sessions` those of assumed `roles`; `balancers`: addresses by the DNS name
    that an alias has, of both families; `checks`: the health checks that there are.
    """

    def __init__(self, clock: Clock, chance: random.Random | None = None) -> None:
        self.clock = clock
        self.faults = Faults()
        self.keys = {KEY_ID: ACCOUNT}
        self.roles: dict[str, Role] = {}
        self.sessions: dict[str, Session] = {}
        self.balancers: dict[str, tuple[str, ...]] = {}
        self.checks: set[str] = set()
        self.zones: dict[str, HostedZone] = {}
        self.changes: dict[str, Done] = {}
        self.calls: list[str] = []
        self._chance = chance or random.Random()
        self._tokens: dict[str, tuple[float, float]] = {}
        self._built: dict[tuple[object, ...], Zone] = {}

    # ------------------------------------------------------------ who may

    def admit(self, key_id: str, action: str, token: str = "") -> str:
        """The account of a request. Raises ApiError: unknown key, expired, denied, throttled."""
        self.calls.append(action)
        account = self.known(key_id, token)
        self._throttle(account)
        self._permit(action)
        return account

    def known(self, key_id: str, token: str) -> str:
        """The account that keys open, those of a session with its token. Raises ApiError."""
        session = self.sessions.get(key_id)
        if (key_id not in self.keys) if session is None else (token != session.token):
            raise ApiError("InvalidClientTokenId", "The security token included in the request is invalid.")
        if self.faults.expired or (session and self.clock() >= session.ends):
            raise ApiError("ExpiredToken", "The security token included in the request is expired")
        return session.account if session else self.keys[key_id]

    def _permit(self, action: str) -> None:
        if action in self.faults.denied:
            raise ApiError("AccessDenied", f"User is not authorized to perform: route53:{action}")

    def permit(self, action: str, resource: str, context: iam.Context) -> None:
        """Raise ApiError where the policy does not allow an action at a resource ("hostedzone/Z1")."""
        arn = f"arn:aws:route53:::{resource}"
        given = self.faults.policy
        if given and not iam.allows(json.loads(given), f"route53:{action}", arn, context):
            raise ApiError("AccessDenied", f"User is not authorized to perform: route53:{action} on resource: {arn}")

    def _throttle(self, account: str) -> None:
        """A bucket that fills at the rate; a refused request takes nothing from it."""
        now, rate = self.clock(), self.faults.rate
        tokens, then = self._tokens.get(account, (RATE, now))
        tokens = min(RATE, tokens + (now - then) * (rate or 0.0))
        if self.faults.throttled:
            self.faults = replace(self.faults, throttled=self.faults.throttled - 1)
            tokens = 0.0
        elif rate is None:
            return
        self._tokens[account] = max(0.0, tokens - 1.0) if tokens >= 1.0 else tokens, now
        if tokens < 1.0:
            raise ApiError("Throttling", "Rate exceeded")

    # ------------------------------------------------------------ zones

    def zone(self, account: str, zone_id: str) -> HostedZone:
        """One zone of the account. Raises ApiError."""
        found = self.zones.get(zone_id)
        if found is None or found.account != account:
            raise ApiError("NoSuchHostedZone", f"No hosted zone found with ID: {zone_id}")
        return found

    def of(self, account: str) -> list[HostedZone]:
        """The zones of an account, by id."""
        return [zone for _, zone in sorted(self.zones.items()) if zone.account == account]

    def create(self, made: Made, account: str = ACCOUNT) -> HostedZone:
        """A new zone with its SOA and NS, served at once. Raises ApiError: a bad name, or the reference was used."""
        if any(zone.made.reference == made.reference for zone in self.of(account)):
            raise ApiError("HostedZoneAlreadyExists", f"A hosted zone was made with {made.reference} already")
        try:
            name = names.canonical(made.name)
        except ValueError as wrong:
            raise ApiError("InvalidDomainName", str(wrong)) from wrong
        self.free(name, made.vpcs)
        zone = HostedZone(made.id or self._id("Z"), name, account, made)
        soa = f"{SERVERS[0]} awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
        first = (RecordSet(name, "NS", ttl=NS_TTL, values=SERVERS), RecordSet(name, "SOA", ttl=SOA_TTL, values=(soa,)))
        zone.versions.append(Version(-math.inf, 0.0, {one.key: one for one in first}))
        self.zones[zone.id] = zone
        return zone

    def free(self, name: str, vpcs: Sequence[Vpc]) -> None:
        """Raise ApiError where a network has a zone of that name already: which would answer there?"""
        for zone in self.zones.values():
            if zone.name == name and (both := sorted(one.id for one in {*vpcs} & {*zone.vpcs})):
                raise ApiError("ConflictingDomainExists", f"A conflicting domain is already associated with {both[0]}")

    def fill(self, zone_id: str, found: Sequence[RecordSet]) -> None:
        """Let a zone hold these as if from its beginning. Raises ApiError as a change does, but of any size."""
        zone = self.zones[zone_id]
        after, wrong = rules.judged(self._about(zone), zone.sets, [Change("CREATE", one) for one in found])
        if wrong:
            raise ApiError("InvalidChangeBatch", f"[{', '.join(wrong)}]")
        zone.versions = [Version(-math.inf, 0.0, after)]
        self._built.clear()  # what was built is known by its place among the versions

    # ------------------------------------------------------------ changes

    def change(self, account: str, zone_id: str, changes: Sequence[Change], comment: str = "") -> Done:
        """The whole batch, or ApiError with every reason. Raises Lost where the answer gets lost."""
        if self.faults.unheard:
            self.faults = replace(self.faults, unheard=self.faults.unheard - 1)
            raise Lost
        zone, now = self.zone(account, zone_id), self.clock()
        self.permit("ChangeResourceRecordSets", f"hostedzone/{zone_id}", _changed(changes))
        for change in changes:
            self._permit(change.action)
            self._checked(change)
        if now < zone.changed + self.faults.busy:
            raise ApiError("PriorRequestNotComplete", "The request was rejected because Route 53 was still processing"
                           " a prior request.")  # fmt: skip
        after, wrong = rules.apply(self._about(zone), zone.versions[-1].sets, changes)
        if wrong:
            raise ApiError("InvalidChangeBatch", f"[{', '.join(wrong)}]")
        done = self._note(zone, after, comment)
        if self.faults.lost:
            self.faults = replace(self.faults, lost=self.faults.lost - 1)
            raise Lost
        return done

    def _about(self, zone: HostedZone) -> About:
        return About(zone.id, zone.name, frozenset(self.faults.protected))

    def _checked(self, change: Change) -> None:
        health = change.set.health
        if health and change.action != "DELETE" and health not in self.checks:
            raise ApiError("NoSuchHealthCheck", f"No health check exists with the specified ID {health}.")

    def _note(self, zone: HostedZone, after: Sets, comment: str) -> Done:
        now = self.clock()
        delay = math.inf if self.faults.pending is None else self.faults.pending
        zone.versions.append(Version(now, delay, after))
        zone.changed = now
        return self.noted(zone.account, comment, now + delay if not self.faults.stuck else math.inf)

    def noted(self, account: str, comment: str, insync: float) -> Done:
        """A change with an id of its own."""
        done = Done(self._id("C"), account, self.clock(), insync, comment)
        self.changes[done.id] = done
        return done

    def status(self, account: str, change_id: str) -> Done:
        """One change. Raises ApiError."""
        done = self.changes.get(change_id)
        if done is None or done.account != account:
            raise ApiError("NoSuchChange", f"A change with the ID {change_id} does not exist.")
        return done

    def pending(self, done: Done) -> bool:
        """Whether it is not everywhere yet."""
        return self.clock() < done.insync

    def _id(self, letter: str) -> str:
        while True:
            found = letter + "".join(self._chance.choices(LETTERS, k=20))
            if found not in self.zones and found not in self.changes:
                return found

    # ------------------------------------------------------------ what is served

    def serving(self, zone_id: str, server: int) -> Zone:
        """The newest version of a zone that has reached one of its name servers."""
        zone, now = self.zones[zone_id], self.clock()
        lag = self.faults.lag[server] if server < len(self.faults.lag) else 0.0
        there = [n for n, one in enumerate(zone.versions) if one.at + one.delay + (lag if n else 0.0) <= now]
        key = (zone_id, there[-1], self.faults.unhealthy, *self.balancers.items())
        if key not in self._built:
            origin = names.parse(zone.name)
            about = answers.About(zone_id, self.balancers, frozenset(self.faults.unhealthy))
            self._built[key] = answers.build(origin, zone.versions[there[-1]].sets.values(), about)
        return self._built[key]
