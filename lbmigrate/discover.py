"""Which names end at A, and what else names A, by the records of the zones. Pure: names and rdata are in wire form.

A name ends at A when it holds one of A's addresses, or leads to a name that does: by CNAME, DNAME, SRV, HTTPS, SVCB, by
PowerDNS's ALIAS or an alias of Route 53. Only a record that itself names A, by address, hint or hostname, has to be
moved; what leads to a moved name follows it.
"""

import ipaddress
import re
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from lbmigrate import lua
from lbmigrate.model import Side, kinds
from lbmigrate.rdata import address_of, end_of, hints, strings, terms, wire
from lbmigrate.value import replace, value

Record = tuple[bytes, int, int, bytes]  # owner in lower case, type, TTL in seconds, rdata; see dns.transfer
Name = bytes
Fate = Literal["move", "follow", "own", "glue", "stuck"]
A, NS, CNAME, PTR, MX, TXT, AAAA, SRV, DNAME, SVCB, HTTPS, SPF, ALIAS = 1, 2, 5, 12, 15, 16, 28, 33, 39, 64, 65, 99, 65401  # fmt: skip  # noqa: E501
HOSTED, STUCK = 1 << 16, (1 << 16) + 1  # never on the wire: an alias of Route 53; why an owner's records cannot move
TYPES = {
    A: "A", NS: "NS", CNAME: "CNAME", PTR: "PTR", MX: "MX", TXT: "TXT", AAAA: "AAAA", SRV: "SRV", DNAME: "DNAME",
    SVCB: "SVCB", HTTPS: "HTTPS", SPF: "SPF", ALIAS: "ALIAS", lua.NUMBER: "LUA",
    HOSTED: "alias", STUCK: "",
}  # fmt: skip
WHOLE = dict.fromkeys((NS, CNAME, PTR, DNAME, ALIAS, HOSTED), 0)
TARGET_AT = {**WHOLE, MX: 2, SRV: 6, SVCB: 2, HTTPS: 2}  # bytes before the name
LEADING = (CNAME, ALIAS, HOSTED, SRV, SVCB, HTTPS)
REPLACE = " cannot be moved: replace it by plain addresses"
WILDCARD = b"\1*"
FENCE = b"\x0a_lbmigrate"
MOST = 16  # aliases one after the other; no resolver follows more, and two DNAMEs that point at each other never end
_WORD = re.compile(r"[\w.:-]+")


@value
class Found:
    """One record by which a name ends at A.

    `entry`: whose zone, the index under dns:. `what`: the address, hint or code that names A, "" where `via` are the
    names up to the last one, which does. `fate`: it has to be changed (move), or it is right once others are (follow),
    or it stays (own: A's hostname; glue: below a zone cut), or nobody can move it (stuck); `why`: in words.
    """

    name: Name
    entry: int
    rtype: str
    what: str = ""
    via: tuple[Name, ...] = ()
    fate: Fate = "follow"
    why: str = ""

    @property
    def wildcard(self) -> bool:
        """Whether it stands for every name that does not exist."""
        return self.name.startswith(WILDCARD)


@value
class Beside:
    """One record that names A, or a name that ends there, and is not moved: `what` or `target` as it says it."""

    name: Name
    entry: int
    rtype: str
    what: str = ""
    target: Name = b""


@value
class User:
    """What names A outside DNS: of which kind, by which name, in which way, and what is to be done about it."""

    kind: str
    name: str
    what: str
    todo: str


class _Edge(NamedTuple):
    owner: Name
    entry: int
    rtype: int


class Contents:
    """What one zone holds that can lead to A, as its records come by."""

    def __init__(self, entry: int, a: Side) -> None:
        self.entry, self._a = entry, a
        self.addresses = {ipaddress.ip_address(one).packed: one for one in a.addresses}
        self._parsed = tuple(ipaddress.ip_address(one) for one in a.addresses)
        self.reverse = {wire(f"{one.reverse_pointer}.") for one in self._parsed}
        self.found: list[Found] = []
        self.beside: list[Beside] = []
        self.edges: list[tuple[_Edge, Name]] = []
        self.dnames: list[tuple[Name, Name]] = []
        self.aims: list[tuple[_Edge, Name]] = []
        self.cuts: set[Name] = set()
        self.fenced: list[tuple[Name, str]] = []
        self.stuck: dict[Name, str] = {}
        self.apex = b""

    def wanted(self, every: Container[bytes]) -> Mapping[int, Container[bytes]]:
        """The records that `add` looks at, for `dns.transfer.records`; `every` is what it calls all rdatas."""
        return {**dict.fromkeys(TYPES, every), A: self.addresses, AAAA: self.addresses}

    def add(self, records: Iterable[Record]) -> "Contents":
        """Look at each of them once; what can lead nowhere near A is not kept. The first one is the SOA."""
        for owner, rtype, _, rdata in records:
            if rtype in TARGET_AT:
                self._points(owner, rtype, rdata)
            elif rtype in (A, AAAA):
                self._holds(owner, rtype, rdata)
            elif rtype in (TXT, SPF):
                self._text(owner, rtype, rdata)
            elif rtype == lua.NUMBER:
                self._code(owner, rdata)
            elif rtype == STUCK:
                self.stuck[owner] = rdata.decode(errors="replace")
            else:
                self.apex = owner
        return self

    def _points(self, owner: Name, rtype: int, rdata: bytes) -> None:
        target = rdata[TARGET_AT[rtype] :].lower()
        if rtype in (SVCB, HTTPS):
            target = self._service(owner, rtype, rdata)
        edge = _Edge(owner, self.entry, rtype)
        if rtype == DNAME:
            self.dnames.append((owner, target))
        elif rtype in LEADING and target != b"\0":
            self.edges.append((edge, target))
            if rtype == CNAME and owner in self.reverse:
                self.reverse.add(target)  # the reverse zone of a part of a net is delegated so (RFC 2317)
        elif target != b"\0":
            self.aims.append((edge, target))
            if rtype == NS and owner != self.apex:
                self.cuts.add(owner)

    def _service(self, owner: Name, rtype: int, rdata: bytes) -> Name:
        """The target of an HTTPS or SVCB record ("." with a priority is the owner itself); its hints are noted."""
        end = end_of(rdata, 2)
        target = rdata[2:end].lower()
        for hint in hints(rdata[end:]):
            if hint in self.addresses:
                self._note(owner, rtype, f"hint {self.addresses[hint]}")
        return owner if target == b"\0" and rdata[:2] != b"\0\0" else target

    def _holds(self, owner: Name, rtype: int, rdata: bytes) -> None:
        if rdata in self.addresses:
            self._note(owner, rtype, self.addresses[rdata])

    def _note(self, owner: Name, rtype: int, what: str) -> None:
        self.found.append(Found(owner, self.entry, TYPES[rtype], what, fate="move"))

    def _text(self, owner: Name, rtype: int, rdata: bytes) -> None:
        if owner.startswith(FENCE):
            self.fenced.append((owner[len(FENCE) :], strings(rdata)))
        if b"=spf1" in rdata.lower():
            for term in terms(strings(rdata), self._parsed):
                self.beside.append(Beside(owner, self.entry, TYPES[rtype], term))

    def _code(self, owner: Name, rdata: bytes) -> None:
        words = _WORD.findall(strings(rdata[2:]))
        named = {one for word in words if (one := address_of(word)) in self._parsed}
        hosts = {word.lower().rstrip(".") for word in words} & {self._a.hostname.rstrip(".")} - {""}
        if named or hosts:
            what = f"code with {', '.join([*sorted(map(str, named)), *sorted(hosts)])}"
            self.found.append(Found(owner, self.entry, "LUA", what, fate="stuck", why=f"code{REPLACE}"))


# ---------------------------------------------------------------- what follows from it


def findings(
    zones: Iterable[Contents], a: Side, planned: Collection[Name] = ()
) -> tuple[tuple[Found, ...], tuple[Beside, ...]]:
    """Every record by which a name ends at A, and every one that names A beside, in the order of names in a zone.

    `planned`: names that are moved. A's own host name among them leads to B then, and what points there follows.
    """
    zones = list(zones)
    host = wire(a.hostname) if a.hostname else b""
    held = [one for zone in zones for one in zone.found]
    ends: dict[Name, tuple[Name, ...]] = {**({host: ()} if host else {}), **{one.name: () for one in held}}
    led = list(_led(zones, ends))
    by_entry = {zone.entry: zone for zone in zones}
    stays = b"" if host in planned else host
    judged = dict.fromkeys(_judged(one, stays, by_entry[one.entry]) for one in (*held, *led))
    moved = {one.name for one in judged if one.fate == "move"}
    found = [_followed(one, moved) for one in judged]
    beside = [one for zone in zones for one in zone.beside]
    reverse = {name for zone in zones for name in zone.reverse}
    for zone in zones:
        for (owner, entry, rtype), target in zone.aims:
            if target in ends or (rtype == PTR and owner in reverse):
                beside.append(Beside(owner, entry, TYPES[rtype], target=target))
    return tuple(sorted(found, key=_order)), tuple(sorted(dict.fromkeys(beside), key=_order))


def _led(zones: list[Contents], ends: dict[Name, tuple[Name, ...]]) -> Iterator[Found]:
    """What leads to the ends, to what leads there, and so on; `ends` grows by it: each with its way to the last."""
    to: dict[Name, list[_Edge]] = {}
    for zone in zones:
        for edge, target in zone.edges:
            if edge.owner != target:
                to.setdefault(target, []).append(edge)
    below: dict[Name, list[tuple[Name, int]]] = {}
    for zone in zones:
        for owner, target in zone.dnames:
            below.setdefault(target, []).append((owner, zone.entry))
    due = [(name, 0) for name in ends]
    for name, hops in due:  # it grows while it is gone through
        if hops == MOST:
            continue
        via = (name, *ends[name])
        for owner, entry, rtype in to.get(name, ()):
            yield Found(owner, entry, TYPES[rtype], via=via)
            due += _new(owner, via, ends, hops + 1)
        for owner, entry in _renamed(name, below):
            yield Found(owner, entry, "DNAME", via=via, why="exists by the DNAME above it, and follows")
            due += _new(owner, via, ends, hops + 1)


def _new(owner: Name, via: tuple[Name, ...], ends: dict[Name, tuple[Name, ...]], hops: int) -> list[tuple[Name, int]]:
    if owner in ends:
        return []
    ends[owner] = via
    return [(owner, hops)]


def _renamed(name: Name, below: Mapping[Name, list[tuple[Name, int]]]) -> Iterator[tuple[Name, int]]:
    """The names that a DNAME makes of `name`: what stands before its target, before its owner (RFC 6672 2.2)."""
    at = 0
    while below and name[at]:
        at += 1 + name[at]
        for owner, entry in below.get(name[at:], ()):
            if at + len(owner) <= 255:
                yield name[:at] + owner, entry


def _judged(one: Found, host: Name, zone: Contents) -> Found:
    """The same with its fate, and what is to be said about it."""
    if any(part in zone.cuts for part in _parents(one.name)):
        return replace(one, fate="glue", why="below a zone cut: that zone needs its own dns: entry")
    if one.name == host and one.rtype in ("A", "AAAA"):
        return replace(one, fate="own", why="A's own name")
    if one.fate == "stuck" or one.rtype == "DNAME" or (one.via and one.via[0] != host):
        return one
    if one.rtype == "ALIAS":
        return replace(one, fate="stuck", why=f"an ALIAS{REPLACE}")
    service = one.name[1:2] == b"_"
    form = ".".join(label.decode("ascii", "replace") for label in _labels(one.name)[::-1][:2])
    if one.rtype not in (*kinds(form), "CNAME", *(() if service else ("alias",))):
        return replace(one, fate="stuck", why=f"{one.rtype} is not moved at such a name")
    if one.name in zone.stuck:
        return replace(one, fate="stuck", why=zone.stuck[one.name])
    return replace(one, fate="move")


def _followed(one: Found, moved: set[Name]) -> Found:
    """The same, unless it follows what stays: then it stays too."""
    if one.fate == "follow" and not moved & {one.name, *one.via}:
        return replace(one, fate="stuck", why="leads to what is not moved")
    return one


def names(found: Iterable[Found]) -> tuple[Name, ...]:
    """The names that have to be moved, each once, in the order of a zone (RFC 4034 section 6.1)."""
    return tuple(sorted({one.name for one in found if one.fate == "move"}, key=_labels))


def _order(one: Found | Beside) -> tuple[tuple[bytes, ...], str, int, str]:
    return _labels(one.name), one.rtype, one.entry, one.what


def _labels(name: Name) -> tuple[bytes, ...]:
    return tuple(part[1 : 1 + part[0]] for part in reversed(list(_parents(name))))


def _parents(name: Name) -> Iterator[Name]:
    """The name and each one above it, but for the root."""
    while name[0]:
        yield name
        name = name[1 + name[0] :]
