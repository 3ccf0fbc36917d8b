"""Record sets as the model has them, and back: a name's sets in a listing, its fence, and what is beside the fence.

Beside the fence stands a second TXT value, the keeper: a random word of the claim, so that no two claims are alike, and
the original values where their order or spelling is not the model's, so that a rollback restores them to the letter.

    "lbmr53 5e1f0c2a" "A 192.0.2.11 192.0.2.10"
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import quote, unquote

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass

from lbmigrate import fence, weighted
from lbmigrate.dns.reading import fence_in
from lbmigrate.dns.records import fence_name, fence_rdata, name_of, text_of
from lbmigrate.dns.route53 import names
from lbmigrate.dns.route53.api import Set
from lbmigrate.errors import Drifted, Refused
from lbmigrate.model import Fence, Held, RRset, kinds
from lbmigrate.weighted import Alias, One

MARK = "lbmr53"
PLAIN = ':;=,*@/"()'  # what stands in a keeper as it is
FENCE_TTL = 60
ROUTED = {
    "Region": "latency", "GeoLocation": "geolocation", "Failover": "failover", "MultiValueAnswer": "multivalue",
    "CidrRoutingConfig": "CIDR", "GeoProximityLocation": "geoproximity",
}  # fmt: skip
KNOWN = {
    "Name", "Type", "TTL", "ResourceRecords", "AliasTarget", "HealthCheckId", "SetIdentifier", "Weight",
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


def read(name: str, at: tuple[str, str], sets: Sequence[Set], marks: Sequence[Set]) -> Name:
    """One name from the sets at it and at its fence; `at`: the view and the zone's id.

    Raises Refused (what is not moved), Drifted (a broken fence).
    """
    view, zone_id = at
    mine = [one for one in sets if one["Type"] in (*kinds(name), "CNAME")]
    for one in mine:
        _movable(name, one, zone_id)
    found = [_rrset(name, one) for one in mine if plain(one)]
    if others := [one for one in mine if not plain(one)]:
        found.append(_odd(name, others))
    texts = [one for one in marks if one["Type"] == "TXT"]
    held_fence, keeper = _fence(name, texts)
    rrsets = tuple(sorted(found, key=lambda rrset: rrset.rtype))
    return Name(list(mine), texts, Held(name, rrsets, held_fence, view), keeper)


def _movable(name: str, one: Set, zone_id: str) -> None:
    """Raise Refused for a set that cannot be moved, or not be put back as it was."""
    about = f"{name} {one['Type']}"
    for field, what in ROUTED.items():
        if field in one:
            raise Refused(f"{about}: is a {what} set ({one['SetIdentifier']}): weights cannot stand beside it; move the"
                          " names that it leads to, or leave this one out")  # fmt: skip
    if unknown := sorted(one.keys() - KNOWN):
        raise Refused(f"{about}: has {', '.join(unknown)}, which could not be put back as it was; leave the name out")
    if "Weight" in one and len(_values(one)) > 1:
        raise Refused(
            f"{about}: its weighted set {one['SetIdentifier']} has several values; make each a set of its own"
        )
    target = one.get("AliasTarget")
    if target and target["HostedZoneId"] == zone_id:
        raise Refused(f"{about}: is an alias to {target['DNSName']} in this very zone, and follows it; move that name")


def plain(one: Set) -> bool:
    """Whether a set is no more than an RRset."""
    return not {"SetIdentifier", "AliasTarget", "HealthCheckId"} & one.keys()


def _values(one: Set) -> tuple[str, ...]:
    return tuple(str(record["Value"]) for record in one.get("ResourceRecords", ()))


def canonical(rtype: str, value: str) -> str:
    """A value as the model has it: names in it are whole, with or without the final dot. Raises Refused."""
    try:
        found = dns.rdata.from_text(dns.rdataclass.IN, rtype, value, dns.name.root, relativize=False)
        return found.to_text()
    except (dns.exception.DNSException, ValueError) as wrong:
        raise Refused(f"{rtype} {value!r}: {wrong}; correct the record") from wrong


def _rrset(name: str, one: Set) -> RRset:
    rdatas = tuple(sorted({canonical(one["Type"], value) for value in _values(one)}))
    return RRset(name, one["Type"], one["TTL"], rdatas)


def _odd(name: str, sets: Sequence[Set]) -> RRset:
    """Sets with weights, health checks, aliases, as one record a type. Raises Refused for several TTLs."""
    ones: dict[str, list[One]] = {}
    for one in sets:
        ones.setdefault(one["Type"], []).extend(_ones(one))
    ttls = {one.get("TTL", weighted.ALIAS_TTL) for one in sets}
    if len(ttls) > 1:
        raise Refused(f"{name} {', '.join(ones)}: sets have the TTLs {sorted(ttls)} (an alias {weighted.ALIAS_TTL});"
                      " give all of them the same")  # fmt: skip
    rdatas = tuple(sorted(weighted.text(rtype, found) for rtype, found in ones.items()))
    return RRset(name, weighted.TYPE, ttls.pop(), rdatas)


def _ones(one: Set) -> list[One]:
    """One set as the text has it; ours has no identifier there."""
    if "AliasTarget" in one:
        target = one["AliasTarget"]
        host = text_of(names.parse(target["DNSName"]))
        values = [weighted.alias(Alias(target["HostedZoneId"], target["EvaluateTargetHealth"], host))]
    else:
        values = sorted({canonical(one["Type"], value) for value in _values(one)})
    given = one.get("SetIdentifier", "")
    own = "" if given == weighted.identifier(values[0]) else given
    return [One(one.get("Weight"), value, own, one.get("HealthCheckId", "")) for value in values]


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
        found[rtype] = (*found.get(rtype, ()), *map(unquote, values))
    return Keeper(word[1], found)


def kept(word: str, sets: Sequence[Set]) -> Keeper:
    """The keeper of a claim over these sets."""
    values: dict[str, tuple[str, ...]] = {}
    for one in sets:
        values[one["Type"]] = (*values.get(one["Type"], ()), *_values(one))
    return Keeper(word, {rtype: found for rtype, found in values.items() if not _neat(rtype, found)})


def _neat(rtype: str, values: tuple[str, ...]) -> bool:
    return values == tuple(sorted({canonical(rtype, one) for one in values}))


def texts(keeper: Keeper) -> tuple[str, ...]:
    """The strings of a keeper's TXT value."""
    lines = [f"{MARK} {keeper.word}"]
    for rtype, values in sorted(keeper.values.items()):
        for value in (quote(one, safe=PLAIN) for one in values):
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
