"""Route 53's record sets as text, one record a type, where plain RRsets cannot tell what they are. Pure.

    A 99 192.0.2.10 1 192.0.2.20                       weighted sets, for a weighted set has one value
    AAAA 1 2001:db8::10;old;0f0f-check                 one that was there before: its identifier, its health check
    A - =Z35SXDOTRQ7X7K,true,lb-a.example.net.         an alias: target's zone, EvaluateTargetHealth, target
    CNAME 3 lb-a.example.net. 1 lb-b.example.net.

A share is a weight of 1 to 255, or "-" for a set without one. 0 is not used: where all are 0 each is answered as often
as the others, and beside others it is never answered (API reference, "Weight"). What is not plain is percent-encoded.
"""

import ipaddress
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from lbmigrate.model import RRset, Side

TYPE = "WEIGHTED"  # stands for the sets of a name that have weights, identifiers, health checks, or are aliases
DRAWN = ("A", "AAAA", "CNAME", "SRV", TYPE)  # what weighted sets can hold
OURS = "lbmigrate "  # begins the identifiers of the sets that lbmigrate makes
LONGEST = 128
MOST = 255
ALIAS_TTL = 60  # seconds, of an alias to a load balancer: fixed (developer guide, "TTL (seconds)")
VERSIONS = {"A": ipaddress.IPv4Address, "AAAA": ipaddress.IPv6Address}
DUALSTACK = "dualstack."  # what the console puts before a balancer's name, for answers in both families
_ODD = re.compile(r"[^A-Za-z0-9_.~:=,*@/-]")
_OCTETS = re.compile(rb"%([0-9A-F]{2})")
_WORD = r"\S+"
_TEXT = re.compile(rf"(A|AAAA|CNAME|SRV)((?: (?:-|[0-9]{{1,3}}) {_WORD})+)")
_ALIAS = re.compile(r"=([A-Z0-9]+),(true|false),(.+\.)")
_ESCAPE = re.compile(r"\\(?:([0-9]{3})|(.))")


class One(NamedTuple):
    """One set, or one record of a set without a weight (`share` None); `identifier` "" for ours."""

    share: int | None
    value: str
    identifier: str = ""
    health: str = ""


class Alias(NamedTuple):
    """An alias target."""

    zone: str
    evaluate: bool
    host: str


Group = tuple[str, tuple[One, ...]]  # the type, and its sets
Shares = Sequence[tuple[int, str]]


def identifier(value: str) -> str:
    """The set identifier of our set for a value, at most 128 characters (API reference, "SetIdentifier")."""
    found = alias_of(value)
    whole = f"{OURS}{found.host if found else value}"
    if len(whole) <= LONGEST:
        return whole
    from zlib import crc32  # here, because `status` starts without it

    return f"{whole[: LONGEST - 9]} {crc32(whole.encode()):08x}"


def fits(shares: Sequence[int]) -> bool:
    """Whether Route 53 can hold these proportions: whole weights of 1 to 255."""
    common = math.gcd(*shares)
    return common > 0 and min(shares) > 0 and max(shares) // common <= MOST


def choice(rtype: str, shares: Shares) -> str:
    """The record that answers with each value as often as its share says: see `chosen`."""
    return chosen(rtype, [One(share, value) for share, value in shares])


def chosen(rtype: str, ones: Sequence[One]) -> str:
    """The record that answers with each of these as often as its share says, in the smallest weights.

    Raises ValueError for shares that do not fit.
    """
    shares = [one.share or 0 for one in ones]
    if not fits(shares):
        raise ValueError(f"shares {shares} are no weights of 1 to {MOST}")
    common = math.gcd(*shares)
    return text(rtype, [one._replace(share=share // common) for one, share in zip(ones, shares, strict=True)])


def text(rtype: str, ones: Iterable[One]) -> str:
    """The record with just these sets, in the order of their values. Raises ValueError for what is no address."""
    placed = sorted(ones, key=lambda one: (_place(rtype, one.value), one.identifier))
    return " ".join([rtype, *(f"{'-' if one.share is None else one.share} {_word(one)}" for one in placed)])


def _place(rtype: str, value: str) -> tuple[int, str]:
    """Where a value stands among others: addresses by number."""
    if rtype not in VERSIONS or alias_of(value):
        return 0, value
    return int(VERSIONS[rtype](value)), ""


def _word(one: One) -> str:
    more = [one.identifier, one.health] if one.health else [one.identifier] if one.identifier else []
    return ";".join(map(quoted, [one.value, *more]))


def quoted(text_: str) -> str:
    """What is not plain, percent-encoded."""
    return _ODD.sub(lambda found: "".join(f"%{octet:02X}" for octet in found[0].encode()), text_)


def _unquoted(text_: str) -> str:
    return _OCTETS.sub(lambda found: bytes([int(found[1], 16)]), text_.encode()).decode()


def read(rdata: str) -> Group | None:
    """The type and its sets; None for text that is no such record."""
    found = _TEXT.fullmatch(rdata)
    if found is None:
        return None
    words = found[2].split()
    ones = [_one(share, word) for share, word in zip(words[::2], words[1::2], strict=True)]
    try:
        return (found[1], tuple(ones)) if text(found[1], ones) == rdata else None
    except ValueError:
        return None


def _one(share: str, word: str) -> One:
    parts = [_unquoted(part) for part in word.split(";")]
    return One(None if share == "-" else int(share), *parts[:3])


def groups(rrset: RRset) -> list[Group]:
    """What an RRset is in sets: those of each record that is one of these, else its own records without a weight."""
    if rrset.rtype == TYPE:
        return [found for rdata in rrset.rdatas if (found := read(rdata))]
    return [(rrset.rtype, tuple(One(None, rdata) for rdata in rrset.rdatas))]


def types(rrset: RRset) -> list[str]:
    """The types of DNS that an RRset stands for."""
    return [rtype for rtype, _ in groups(rrset)]


# ---------------------------------------------------------------- aliases


def alias(target: Alias) -> str:
    """An alias target as a value."""
    return f"={target.zone},{'true' if target.evaluate else 'false'},{target.host}"


def alias_of(value: str) -> Alias | None:
    """The alias target that a value is, None for any other."""
    found = _ALIAS.fullmatch(value)
    return Alias(found[1], found[2] == "true", found[3]) if found else None


def fixed(rrset: RRset) -> bool:
    """Whether its TTL cannot be chosen, because there is an alias among its sets."""
    return rrset.rtype == TYPE and any(alias_of(one.value) for _, ones in groups(rrset) for one in ones)


def belongs(rtype: str, value: str, side: Side) -> bool:
    """Whether a value leads to this side: one of its addresses, or its hostname."""
    target = alias_of(value)
    if target is None and rtype in VERSIONS:
        return value in side.addresses
    host = target.host if target else value.rsplit(" ", 1)[-1].lower()
    return side.hostname != "" and host in (side.hostname, DUALSTACK + side.hostname)


def moved(target: Alias, a: Side, b: Side) -> Alias | None:
    """The same alias to B; None where neither the config nor A's own alias tells the zone that B's name is in.

    Names that are alike but for their first label are in one zone: a region has one for application and classic
    balancers, and one for network ones, whose names are built in another way (AWS, "Elastic Load Balancing endpoints").
    """
    prefix = DUALSTACK if target.host.startswith(DUALSTACK) else ""
    near = a.hostname.partition(".")[2] == b.hostname.partition(".")[2]
    zone = b.alias_zone or (target.zone if near else "")
    return Alias(zone, target.evaluate, prefix + b.hostname) if zone and b.hostname else None


# ---------------------------------------------------------------- the API's form


def sets(name: str, rrset: RRset) -> list[dict[str, Any]]:
    """The record sets that an RRset is, in the API's JSON form. `name`: its owner as Route 53 writes it."""
    if rrset.rtype != TYPE:
        return [_valued(name, rrset.rtype, rrset.ttl, rrset.rdatas)]
    return [one for rtype, ones in groups(rrset) for one in _sets(name, rtype, rrset.ttl, ones)]


def _sets(name: str, rtype: str, ttl: int, ones: Sequence[One]) -> list[dict[str, Any]]:
    plain = [one for one in ones if one.share is None]
    found = [_shared(name, rtype, ttl, (one,)) for one in ones if one.share is not None]
    return [*found, *([_shared(name, rtype, ttl, plain)] if plain else [])]


def _shared(name: str, rtype: str, ttl: int, ones: Sequence[One]) -> dict[str, Any]:
    one, target = ones[0], alias_of(ones[0].value)
    if target:
        at = {"HostedZoneId": target.zone, "DNSName": octal(target.host), "EvaluateTargetHealth": target.evaluate}
        found: dict[str, Any] = {"Name": name, "Type": rtype, "AliasTarget": at}
    else:
        found = _valued(name, rtype, ttl, [each.value for each in ones])
    if one.share is not None:
        found |= {"SetIdentifier": one.identifier or identifier(one.value), "Weight": one.share}
    return found | ({"HealthCheckId": one.health} if one.health else {})


def _valued(name: str, rtype: str, ttl: int, values: Sequence[str]) -> dict[str, Any]:
    return {"Name": name, "Type": rtype, "TTL": ttl, "ResourceRecords": [{"Value": value} for value in values]}


def octal(name: str) -> str:
    """A name of the model as Route 53 writes it: what is special as an octal escape, `*` too."""
    found = _ESCAPE.sub(lambda m: f"\\{int(m[1]) if m[1] else ord(m[2]):03o}", name)
    return found.replace("*", r"\052")
