"""The nouns: what DNS holds, what a side is, what a probe saw; and the Protocols that drivers fulfil.

Everything here is frozen and standard library only. Names are absolute, lower case, with the final dot.
Rdata is the canonical text that dnspython gives for the parsed rdata, so equal records are equal strings.
Times are Unix seconds (wall clock), durations are seconds, weights whole percent.
"""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, runtime_checkable

from lbmigrate.value import value

SideName = Literal["a", "b"]
FAMILIES: dict[str, str] = {"A": "IPv4", "AAAA": "IPv6"}
MOVABLE = ("A", "AAAA", "CNAME", "HTTPS", "LUA", "SRV", "SVCB")  # what a name may hold that names a balancer


def kinds(name: str) -> tuple[str, ...]:
    """The types of records that a name of its form may be moved with; an alias shows in the answer to any of them.

    Owners that begin with an underscore are services (RFC 8552), others are hosts; HTTPS stands at either, at a service
    where it is for another port than 443: `_8443._https.host` (RFC 9460 section 9.1).
    """
    if not name.startswith("_"):
        return "A", "AAAA", "HTTPS"
    return ("HTTPS", "SRV", "SVCB") if name.split(".", 2)[1:2] == ["_https"] else ("SRV", "SVCB")


# ---------------------------------------------------------------- DNS


@value
class RRset:
    """One RRset, rdatas sorted; `ttl` in seconds.

    `spelled`: the owner as the zone spells it, with its upper case, "" where that is `name`.
    """

    name: str
    rtype: str
    ttl: int
    rdatas: tuple[str, ...]
    spelled: str = ""

    def __post_init__(self) -> None:
        if not self.rdatas:
            raise ValueError(f"{self.name} {self.rtype}: an RRset without records (never zero answers)")
        if len(self.rdatas) > 1 and tuple(sorted(set(self.rdatas))) != self.rdatas:
            raise ValueError(f"{self.name} {self.rtype}: records not sorted, or twice: {self.rdatas}")


Shape = tuple[str, int, tuple[str, ...], str]  # of an RRset: type, TTL, records, the owner as the zone spells it


@value
class Fence:
    """The TXT RRset `_lbmigrate.<name>`: the mark of ownership and the fencing token.

    `number` only grows; `attempt` is random per attempt; `originals` is what a rollback needs without a journal.
    """

    migration: str
    attempt: str
    number: int
    originals: tuple[RRset, ...]


@value
class Held:
    """What DNS holds for one name: the RRsets we move (sorted by type) and the fence, None where unclaimed.

    `view`: which face of its zone this is, where a zone has several (`view:` under `dns:`), else "".
    """

    name: str
    rrsets: tuple[RRset, ...]
    fence: Fence | None = None
    view: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from every other name of a migration: view and name."""
        return self.view, self.name

    @property
    def by_type(self) -> dict[str, RRset]:
        """Its RRsets by type."""
        return {rrset.rtype: rrset for rrset in self.rrsets}

    @property
    def shape(self) -> tuple[Shape, ...]:
        """What it holds, whatever its name: names of one shape are moved alike."""
        return tuple([(one.rtype, one.ttl, one.rdatas, one.spelled) for one in self.rrsets])


@value
class Records:
    """One read of some names of one zone, in the order asked. `soa` is the SOA rdata as read.

    `server_time`: the primary's own clock as carried by its signed answer (TSIG, RFC 8945), or None.
    """

    held: tuple[Held, ...]
    soa: str | None = None
    server_time: float | None = None


@value
class Applied:
    """The swap took place: proven by reading back values and TTLs."""


@value
class NotApplied:
    """The server refused the prerequisites; `now` is what the names hold instead."""

    now: Records


@value
class Unknown:
    """No usable answer: the message may or may not have been, or may yet be, applied."""

    why: str


Outcome = Applied | NotApplied | Unknown
Then = Callable[[], tuple[Records, Records]] | None  # makes `old` and `new` of the swap that is likely to follow


@value
class Served:
    """What one authoritative server answers for one name and type. `ttl` and `rdatas` are None with an `error`.

    An answer of no records is `rdatas=()`: it is an answer, never an error.
    """

    server: str
    name: str
    rtype: str
    ttl: int | None
    rdatas: tuple[str, ...] | None
    error: str = ""
    view: str = ""


class Zone(Protocol):
    """One `dns:` entry. All methods are bounded well below a tick and raise only lbmigrate.errors."""

    def read(self, names: Sequence[str]) -> Records:
        """Whole RRsets and fences from the primary. A partial answer is an error (Unreachable), never "no record"."""

    def swap(self, old: Records, new: Records, then: Then = None) -> Outcome:
        """Atomic compare-and-swap of every name in `old` (and of the SOA, where `old.soa` is not None) to `new`.

        `then`: what follows if all goes well, for a driver that has to wait and may prepare it meanwhile; nothing more.
        Raises Denied when the server refuses the key, the zone or the type, with nothing applied.
        """

    def served(self, names: Sequence[str], rtypes: Sequence[str] = tuple(FAMILIES)) -> list[Served]:
        """What every authoritative server answers now, one entry per server, name and type.

        For TXT it is the fence of the name that is asked for, as `fence.rdata` writes it.
        """

    def check(self, names: Sequence[str]) -> tuple[str, ...]:
        """What stands in the way of moving `names`, in plain words, changing nothing. Raises lbmigrate.errors."""


# ---------------------------------------------------------------- sides


@value
class Listen:
    """One address and port that a balancer serves. `address` is "*" or "::" for a wildcard bind."""

    address: str
    port: int
    tls: bool = False


@value
class Backend:
    """One server behind a balancer. `healthy` is None where the balancer does not check or know."""

    pool: str
    name: str
    address: str
    port: int
    weight: int = 1
    state: Literal["ready", "drain", "maint"] = "ready"
    healthy: bool | None = None


@value
class Blueprint:
    """A balancer's live configuration and run-time state, neutral, with the raw text for its own kind.

    `addresses` are the side's public addresses, so that B can put its own in their place.
    """

    driver: str
    addresses: tuple[str, ...]
    listens: tuple[Listen, ...]
    backends: tuple[Backend, ...]
    text: str = ""


@value
class Endpoint:
    """What a side is reached by where its provider gives it that when it is made.

    `alias_zone`: the hosted zone that Route 53 aliases to `hostname` name.
    """

    hostname: str
    alias_zone: str = ""


@value
class Look:
    """One look at a running side. Counters are None where the software has none.

    `requests` and `errors` count since the process that `process` names began; `active` are open client
    connections or requests under way; `clients` are addresses of clients still connected, where known. `as_of`: the
    time (Unix seconds) that the counters tell of, None for now: a provider's come minutes late.
    """

    up: bool
    process: str = ""
    backends: tuple[Backend, ...] = ()
    requests: int | None = None
    errors: int | None = None
    active: int | None = None
    clients: tuple[str, ...] = ()
    as_of: float | None = None


class Balancer(Protocol):
    """One side. Every method may be repeated: the second run of anything changes nothing."""

    def describe(self) -> Blueprint:
        """A's live configuration *and* run-time state. Raises Unreachable; Refused, by name, for what cannot move."""

    def check(self, plan: Blueprint) -> None:
        """Let the software judge what `stand_up(plan)` would run, changing nothing. Raises Refused with its words."""

    def stand_up(self, plan: Blueprint) -> Endpoint | None:
        """Up, on this side's addresses, every backend of `plan` as on A. Raises Failed with the software's words.

        Returns what it is reached by where only its provider knows, the same every time; else None.
        """

    def look(self) -> Look:
        """Health per backend and counters; `Look(up=False)` when the process is gone or refuses."""

    def stop(self) -> None:
        """Soft stop: no new connections, what is under way finishes."""


@runtime_checkable
class Advising(Protocol):
    """A balancer that has more to say of a plan than yes or no."""

    def advice(self, plan: Blueprint) -> tuple[str, ...]:
        """What `stand_up(plan)` will do that its owner may want to know, one line each. Raises Refused."""


@runtime_checkable
class Emptying(Protocol):
    """A balancer that may stay when it is not needed any more, without backends."""

    def empty(self) -> None:
        """No backend is behind it any more; it stays, as it was before the migration but for that. May be repeated."""


@value
class Side:
    """`a:` or `b:` of the config: which software, how it is run, on which addresses.

    `alias_zone`: the hosted zone that Route 53 aliases to `hostname` name, "" where it is to be learnt. `place`: where
    a provider runs it. Such a side may have no addresses that last: then only `hostname` leads to it, which for a B
    that is yet to be made is a stand-in of the same form, and `families` ("A", "AAAA") are those that it serves.
    """

    driver: str
    addresses: tuple[str, ...]
    hostname: str = ""
    config: str = ""
    socket: str = ""
    run: tuple[
        tuple[str, str], ...
    ] = ()  # ("kind", "process"), ("binary", …), ("args", …), ("pidfile", …) | ("up", …), ("down", …)
    commands: tuple[tuple[str, str], ...] = ()  # driver external: ("up", …), ("down", …), ("health", …)
    probes: tuple["Probe", ...] = ()
    alias_zone: str = ""
    place: tuple[tuple[str, str], ...] = ()  # driver elbv2: ("side", "a" | "b"), ("migration", …), ("name", …), …
    families: tuple[str, ...] = ()

    @property
    def given(self) -> bool:
        """Its provider gives it its host name."""
        return bool(self.place) and not self.addresses

    @property
    def where(self) -> str:
        """In words, what leads to it."""
        return self.hostname.rstrip(".") if self.given else " ".join(self.addresses)


# ---------------------------------------------------------------- probes


@value
class Probe:
    """One `probe:` entry. `expect_status`: inclusive ranges; `rate`: pairs a second; `timeout` covers all of it.

    An answer after more than `slow` seconds is evidence of its own; 0: lateness is not judged.
    """

    url: str
    rate: float = 10.0
    timeout: float = 2.0
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    expect_status: tuple[tuple[int, int], ...] = ((200, 399),)
    expect_body: str = ""
    ca: str = ""
    slow: float = 0.0


@value
class Channel:
    """One stream of pairs: a probe in one address family ("A" or "AAAA")."""

    probe: int
    rtype: str


@value
class Result:
    """One probe of one side. `answered`: a complete HTTP response came, so the side's own counters saw it."""

    ok: bool
    answered: bool
    status: int | None
    why: str
    seconds: float


@value
class PairSeen:
    """A and B, probed in the same slot."""

    channel: int
    a: Result
    b: Result


@value
class ControlSeen:
    """One control (a site that must answer, else the prober is blind)."""

    url: str
    ok: bool
    why: str


Sample = PairSeen | ControlSeen


class Probing(Protocol):
    """Probes under way, open loop."""

    def wait(self, seconds: float) -> bool:
        """Let time pass, at most `seconds`; True when probing has ended (its time is over, or `seen` said stop)."""

    def stop(self) -> float:
        """Start no more slots, wait for those under way, deliver them; the seconds that were watched."""


class Prober(Protocol):
    """Sends pairs to A's and B's addresses with the public Host and SNI; channels are numbered as given to it."""

    def start(self, seconds: float, seen: Callable[[Sample], bool]) -> Probing:
        """Probe for `seconds`; `seen` is called once per sample, one at a time, and returns True to stop early."""

    def compare(self) -> tuple[str, ...]:
        """How B's answers differ from A's (status, redirect, content type, body), one line each; empty when alike."""
