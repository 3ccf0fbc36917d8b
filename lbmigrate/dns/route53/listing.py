"""Record sets as the model has them, and back: a name's sets in a listing, its fence, and what is beside the fence.

Beside the fence stands a second TXT value, the keeper: a random word of the claim, so that no two claims are alike, and
the original values where their order or spelling is not the model's, so that a rollback restores them to the letter.

    "lbmr53 5e1f0c2a" "A 192.0.2.11 192.0.2.10"
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import dns.exception
import dns.rdata
import dns.rdataclass

from lbmigrate import fence, weighted
from lbmigrate.dns.reading import fence_in
from lbmigrate.dns.records import fence_name, fence_rdata, name_of
from lbmigrate.dns.route53 import names
from lbmigrate.dns.route53.api import Set
from lbmigrate.errors import Drifted, Refused
from lbmigrate.model import FAMILIES, Fence, Held, RRset, kinds

MARK = "lbmr53"
FENCE_TTL = 60
ALIASES = ("CNAME", "HTTPS", "SRV", "SVCB")
ROUTED = {
    "Region": "latency", "GeoLocation": "geolocation", "Failover": "failover", "MultiValueAnswer": "multivalue",
    "CidrRoutingConfig": "CIDR", "GeoProximityLocation": "geoproximity", "Weight": "weighted",
}  # fmt: skip
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(?:([0-7]{3})|(.))")
_KEEPER = re.compile(rf"{MARK} ([0-9a-f]+)")


class Keeper(NamedTuple):
    """What stands beside a fence: the claim's word, and the original values by type where they are not canonical."""

    word: str
    values: dict[str, tuple[str, ...]]


class Name(NamedTuple):
    """One name as a listing has it: its own sets, those of its fence, and what they are."""

    sets: list[Set]
    marks: list[Set]
    held: Held
    keeper: Keeper | None


def owner(name: str) -> str:
    """The name as Route 53 lists it."""
    return names.text_of(name_of(name))


def mark(name: str) -> str:
    """Where the fence of a name stands, as Route 53 lists it. Raises Refused for a name too long."""
    return names.text_of(fence_name(name_of(name)))


def read(name: str, view: str, sets: Sequence[Set], marks: Sequence[Set]) -> Name:
    """One name from the sets at it and at its fence. Raises Refused (what is not moved), Drifted (a broken fence)."""
    mine = [one for one in sets if one["Type"] in (*FAMILIES, *ALIASES)]
    for one in mine:
        _plain(name, one)
    simple = [_rrset(name, one) for one in mine if "SetIdentifier" not in one]
    drawn = [one for one in mine if "SetIdentifier" in one]
    found = sorted([*simple, *([_weighted(name, drawn)] if drawn else [])], key=lambda rrset: rrset.rtype)
    texts = [one for one in marks if one["Type"] == "TXT"]
    held_fence, keeper = _fence(name, texts)
    return Name(list(mine), texts, Held(name, tuple(found), held_fence, view), keeper)


def _plain(name: str, one: Set) -> None:
    """Raise Refused for a set that cannot be moved, or not be put back as it was."""
    about = f"{name} {one['Type']}"
    if one["Type"] in ALIASES or not {"A", "AAAA"} & set(kinds(name)):
        raise Refused(f"{about}: on Route 53 only A and AAAA are moved in this version; leave the name out")
    if "AliasTarget" in one:
        raise Refused(f"{about}: is an alias to {one['AliasTarget']['DNSName']}; aliases are not moved in this version")
    for field, what in (("HealthCheckId", "a health check"), ("TrafficPolicyInstanceId", "a traffic policy")):
        if field in one:
            raise Refused(f"{about}: has {what} ({one[field]}); such sets are not moved in this version")
    routed = [what for field, what in ROUTED.items() if field in one]
    if routed and not _ours(one):
        raise Refused(
            f"{about}: is a {routed[0]} set already ({one['SetIdentifier']}); only simple sets are moved here"
        )


def _ours(one: Set) -> bool:
    return "Weight" in one and one["SetIdentifier"] == weighted.identifier(_only(one))


def _only(one: Set) -> str:
    return str(one["ResourceRecords"][0]["Value"])


def _values(one: Set) -> tuple[str, ...]:
    return tuple(str(record["Value"]) for record in one["ResourceRecords"])


def canonical(rtype: str, value: str) -> str:
    """An address as the model has it. Raises Refused."""
    try:
        return dns.rdata.from_text(dns.rdataclass.IN, rtype, value).to_text()
    except (dns.exception.DNSException, ValueError) as wrong:
        raise Refused(f"{rtype} {value!r}: {wrong}; correct the record") from wrong


def _rrset(name: str, one: Set) -> RRset:
    rdatas = tuple(sorted({canonical(one["Type"], value) for value in _values(one)}))
    return RRset(name, one["Type"], one["TTL"], rdatas)


def _weighted(name: str, sets: Sequence[Set]) -> RRset:
    """Our weighted sets as one record; one weight of 0 among them was put there by somebody else."""
    shares: dict[str, list[tuple[int, str]]] = {}
    for one in sets:
        shares.setdefault(one["Type"], []).append((one["Weight"], _only(one)))
    rdatas = tuple(sorted(weighted.text(rtype, found) for rtype, found in shares.items()))
    return RRset(name, weighted.TYPE, min(one["TTL"] for one in sets), rdatas)


# ---------------------------------------------------------------- the fence


def strings(value: str) -> tuple[str, ...]:
    """The strings of a TXT value."""
    return tuple(_ESCAPE.sub(_character, one) for one in _STRING.findall(value))


def _character(found: re.Match[str]) -> str:
    return chr(int(found[1], 8)) if found[1] else str(found[2])


def quoted(texts: Iterable[str]) -> str:
    """The TXT value of these strings, what is special as octal escapes."""
    return " ".join('"' + one.replace("\\", r"\134").replace('"', r"\042") + '"' for one in texts)


def _fence(name: str, marks: Sequence[Set]) -> tuple[Fence | None, Keeper | None]:
    """Fence and keeper, None where the TXT there are not ours. Raises Drifted."""
    found = [strings(str(record["Value"])) for one in marks for record in one.get("ResourceRecords", ())]
    keepers = [one for one in found if one and one[0].partition(" ")[0] == MARK]
    fences = [one for one in found if one not in keepers]
    if not any(fence.marked(one) for one in fences):
        if found:
            raise Drifted(f"reading {fence.owner(name)} TXT: a record that is no fence; remove it")
        return None, None
    if len(keepers) != 1 or len(marks) != 1 or "SetIdentifier" in marks[0]:
        raise Drifted(f"reading {fence.owner(name)} TXT: it was edited; restore it, or delete it and give"
                      " `resume --restore`")  # fmt: skip
    records = [dns.rdata.from_text(dns.rdataclass.IN, "TXT", zonefile(one)) for one in fences]
    return fence_in(name_of(name), records), _keeper(name, keepers[0])


def zonefile(texts: Sequence[str]) -> str:
    """The same strings as a zone file has them."""
    return " ".join('"' + one.replace("\\", "\\\\").replace('"', '\\"') + '"' for one in texts)


def _keeper(name: str, texts: Sequence[str]) -> Keeper:
    word = _KEEPER.fullmatch(texts[0])
    if word is None:
        raise Drifted(f"reading {fence.owner(name)} TXT: {texts[0]!r} was edited; restore it")
    found: dict[str, tuple[str, ...]] = {}
    for line in texts[1:]:
        rtype, *values = line.split(" ")
        found[rtype] = (*found.get(rtype, ()), *values)
    return Keeper(word[1], found)


def kept(word: str, sets: Sequence[Set]) -> Keeper:
    """The keeper of a claim over these sets."""
    odd = {one["Type"]: _values(one) for one in sets}
    return Keeper(word, {rtype: values for rtype, values in odd.items() if not _neat(rtype, values)})


def _neat(rtype: str, values: tuple[str, ...]) -> bool:
    return values == tuple(sorted({canonical(rtype, one) for one in values}))


def texts(keeper: Keeper) -> tuple[str, ...]:
    """The strings of a keeper's TXT value."""
    lines = [f"{MARK} {keeper.word}"]
    for rtype, values in sorted(keeper.values.items()):
        for value in values:
            if lines[-1].startswith(f"{rtype} ") and len(lines[-1]) + 1 + len(value) <= fence.LONGEST:
                lines[-1] += " " + value
            else:
                lines.append(f"{rtype} {value}")
    return tuple(lines)


def marked(name: str, held: Fence, keeper: Keeper) -> Set:
    """The TXT set of a fence and its keeper."""
    values = (quoted(_strings(held)), quoted(texts(keeper)))
    return {
        "Name": mark(name), "Type": "TXT", "TTL": FENCE_TTL,
        "ResourceRecords": [{"Value": one} for one in values],
    }  # fmt: skip


def _strings(held: Fence) -> tuple[str, ...]:
    rdata = fence_rdata(held)  # which raises Refused for what a fence cannot hold
    return tuple(one.decode() for one in getattr(rdata, "strings", ()))
