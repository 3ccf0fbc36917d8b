"""Other tools that manage the same names, by the TXT records that they leave: external-dns, octoDNS, Gardener.

Found by looking at the places where each tool puts its mark; what it was told to put elsewhere, or to encrypt, is not.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import dns.exception
import dns.name

from lbmigrate.dns.records import name_of
from lbmigrate.model import Held

EXTERNAL = re.compile(r"\bheritage=external-dns\b")
OWNER = re.compile(r"external-dns/owner=([\w.:/-]{1,60})")
META = re.compile(r"octodns-version=|provider=|uuid=|time=\d{4}-\d\d-\d\dT")
SHOWN = 3


class Place(NamedTuple):
    """Where a tool's mark would stand, and whose record it marks."""

    tool: str
    subject: str
    owner: dns.name.Name


def places(zone: dns.name.Name, names: Sequence[Held]) -> list[Place]:
    """Every place worth asking about: of the zone, and of the names with the types that they hold."""
    made: list[tuple[str, str, tuple[str, ...], dns.name.Name]] = []
    made += [("octodns", "the zone", (label,), zone) for label in ("octodns-meta", "meta")]
    for held in names:
        name = name_of(held.name)
        types = sorted({"A", "AAAA", "CNAME", *held.by_type})
        made.append(("external-dns", held.name, (), name))
        first, rest = name.labels[0].decode("ascii", "replace"), name.parent()
        if name != zone:
            made += [("external-dns", held.name, (f"{rtype.lower()}-{first}",), rest) for rtype in types]
            made.append(("gardener", held.name, (f"comment-{first}",), rest))
        made += [("octodns", held.name, ("_owner", rtype), name) for rtype in held.by_type]
    return [Place(tool, subject, owner) for tool, subject, labels, at in made if (owner := _below(labels, at))]


def _below(labels: tuple[str, ...], at: dns.name.Name) -> dns.name.Name | None:
    """The name of these labels below another, None where there can be none."""
    try:
        return dns.name.Name([*(label.encode() for label in labels), *at.labels])
    except dns.exception.DNSException:
        return None


def found(places: Sequence[Place], texts: Iterable[Sequence[str]]) -> Iterator[str]:
    """A line for each tool that has left a mark, in plain words, with the names that it has marked.

    `texts`: of each place the TXT records that stand there.
    """
    marked: dict[str, list[str]] = {}
    for place, those in zip(places, texts, strict=True):
        if those and (who := _tool(place, those)):
            marked.setdefault(who, []).append(place.subject)
    for who, subjects in marked.items():
        each = list(dict.fromkeys(subjects))
        more = f" and {len(each) - SHOWN} more" if len(each) > SHOWN else ""
        what = f"{', '.join(each[:SHOWN])}{more}"
        yield f"{who} also manages {what}, as its TXT records say: freeze it until the migration is over"


def _tool(place: Place, texts: Sequence[str]) -> str:
    match place.tool:
        case "external-dns":
            marks = [text for text in texts if EXTERNAL.search(text)]
            owner = OWNER.search(" ".join(marks))
            return f"external-dns (owner {owner[1]})" if owner else "external-dns" if marks else ""
        case "gardener":
            ours = any(text.startswith("prefix=comment-") for text in texts)
            return "Gardener's DNS controller" if ours and any(text.startswith("owner=") for text in texts) else ""
    if place.subject == "the zone":
        plain = place.owner.labels[0] == b"octodns-meta"
        return "octoDNS" if plain or any(META.match(text) for text in texts) else ""
    return "octoDNS" if "*octodns*" in texts else ""
