"""One record set with every field verbatim, as it is read from XML and written to it."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping

from lbmigrate.dns.route53 import names
from lbmigrate.lab.route53.errors import ApiError
from lbmigrate.value import value

NAMESPACE = "https://route53.amazonaws.com/doc/2013-04-01/"
TYPES = frozenset((
    "SOA", "A", "TXT", "NS", "CNAME", "MX", "NAPTR", "PTR", "SRV", "SPF", "AAAA", "CAA", "DS", "TLSA", "SSHFP", "SVCB",
    "HTTPS",
))  # fmt: skip
ROUTINGS = {
    "Weight": "weighted",
    "Region": "latency",
    "GeoLocation": "geolocation",
    "Failover": "failover",
    "MultiValueAnswer": "multivalue",
    "CidrRoutingConfig": "cidr",
    "GeoProximityLocation": "geoproximity",
}
BEFORE = ("Weight", "Region", "GeoLocation", "Failover", "MultiValueAnswer")  # the order of the API's own answers
AFTER = ("CidrRoutingConfig", "GeoProximityLocation")
KNOWN = frozenset((
    "Name", "Type", "SetIdentifier", "TTL", "ResourceRecords", "AliasTarget", "HealthCheckId",
    "TrafficPolicyInstanceId", *BEFORE, *AFTER,
))  # fmt: skip
LONGEST_TTL = 2**31 - 1
Key = tuple[str, str, str]


@value
class Alias:
    """An alias target; `zone` is the hosted zone that `name` is in."""

    zone: str
    name: str
    evaluate: bool


@value
class RecordSet:
    """`place`: the fields of its routing policy, by path ("Weight", "GeoLocation/CountryCode"), if it has one."""

    name: str
    rtype: str
    identifier: str = ""
    routing: str = "simple"
    place: tuple[tuple[str, str], ...] = ()
    ttl: int | None = None
    values: tuple[str, ...] = ()
    alias: Alias | None = None
    health: str = ""
    policy: str = ""

    @property
    def key(self) -> Key:
        """What tells it from every other set of its zone."""
        return self.name, self.rtype, self.identifier

    @property
    def weight(self) -> int:
        """The weight of a weighted set."""
        return int(dict(self.place)["Weight"])

    @property
    def same(self) -> tuple[object, ...]:
        """Every field but the values' order: what a DELETE must repeat."""
        return self.key, self.place, self.ttl, sorted(self.values), self.alias, self.health


def local(element: ET.Element) -> str:
    """An element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def children(element: ET.Element, known: frozenset[str]) -> dict[str, ET.Element]:
    """An element's children by name. Raises ApiError for one that is unknown or there twice."""
    found: dict[str, ET.Element] = {}
    for child in element:
        if local(child) not in known or local(child) in found:
            raise ApiError("InvalidInput", f"Invalid XML ; invalid content was found starting with '{local(child)}'")
        found[local(child)] = child
    return found


def _text(element: ET.Element | None) -> str:
    return element.text or "" if element is not None else ""


def _number(element: ET.Element | None, field: str, most: int) -> int | None:
    """A whole number from 0 to `most`; None where the field is not there."""
    if element is None:
        return None
    text = _text(element)
    if not text.lstrip("-").isascii() or not text.lstrip("-").isdigit():
        raise ApiError("InvalidInput", f"Invalid XML ; '{text}' is not a valid value for '{field}'")
    if not 0 <= int(text) <= most:
        raise ApiError("InvalidInput", f"1 validation error detected: Value '{text}' at '{field}' failed to satisfy"
                       f" constraint: Member must have value between 0 and {most}")  # fmt: skip
    return int(text)


def _name(text: str) -> str:
    try:
        return names.canonical(text)
    except ValueError as wrong:
        raise ApiError("InvalidChangeBatch", f"[FATAL problem: DomainLabel ({wrong})]") from wrong


def read(element: ET.Element) -> RecordSet:
    """The set that a request names. Raises ApiError."""
    found = children(element, KNOWN)
    if missing := [field for field in ("Name", "Type") if not _text(found.get(field))]:
        raise ApiError("InvalidInput", f"Invalid XML ; '{missing[0]}' is missing")
    if _text(found["Type"]) not in TYPES:
        raise ApiError("InvalidInput", f"Invalid XML ; '{_text(found['Type'])}' is not a valid RRType")
    _number(found.get("Weight"), "Weight", 255)
    routed = [field for field in (*BEFORE, *AFTER) if field in found]
    one = RecordSet(
        name=_name(_text(found["Name"])),
        rtype=_text(found["Type"]),
        identifier=_text(found.get("SetIdentifier")),
        routing=ROUTINGS[routed[0]] if routed else "simple",
        place=tuple(leaf for field in routed for leaf in _leaves(found[field], field)),
        ttl=_number(found.get("TTL"), "TTL", LONGEST_TTL),
        values=tuple(_values(found.get("ResourceRecords"))),
        alias=_alias(found.get("AliasTarget")),
        health=_text(found.get("HealthCheckId")),
        policy=_text(found.get("TrafficPolicyInstanceId")),
    )
    _whole(one, len(routed))
    return one


def from_json(given: Mapping[str, object]) -> RecordSet:
    """The set that the API's JSON form (as of boto3 and the AWS command line) gives. Raises ApiError."""
    top = ET.Element("ResourceRecordSet")
    for field, one in given.items():
        _element(top, field, one)
    return read(top)


def _element(parent: ET.Element, field: str, one: object) -> None:
    child = ET.SubElement(parent, field)
    if isinstance(one, Mapping):
        for below, text in one.items():
            _element(child, below, text)
    elif isinstance(one, list):
        for each in one:
            _element(child, field.removesuffix("s"), each)
    else:
        child.text = str(one).lower() if isinstance(one, bool) else str(one)


def _whole(one: RecordSet, routings: int) -> None:
    """Exactly one way to hold data and at most one way to route. Raises ApiError."""
    about = f"Change with [Name={one.name}, Type={one.rtype}, SetIdentifier={one.identifier or 'null'}]"
    plain, none = one.ttl is not None and bool(one.values), one.ttl is None and not one.values
    if not (plain if one.alias is None else none):
        raise ApiError("InvalidInput", "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and"
                       f" ResourceRecords], or TrafficPolicyInstanceId] in {about}")  # fmt: skip
    if routings > 1:
        raise ApiError("InvalidInput", f"Invalid request: more than one routing policy in {about}")
    if routings and not one.identifier:
        raise ApiError("InvalidInput", f"Invalid request: Missing field 'SetIdentifier' in {about}")
    if one.identifier and not routings:
        raise ApiError("InvalidInput", f"Invalid request: Expected exactly one of {sorted(ROUTINGS)} in {about}")


def _leaves(element: ET.Element, path: str) -> Iterator[tuple[str, str]]:
    if not len(element):
        yield path, _text(element)
    for child in element:
        yield from _leaves(child, f"{path}/{local(child)}")


def _values(element: ET.Element | None) -> Iterator[str]:
    for record in element if element is not None else ():
        yield _text(children(record, frozenset(("Value",))).get("Value"))


def _alias(element: ET.Element | None) -> Alias | None:
    if element is None:
        return None
    found = children(element, frozenset(("HostedZoneId", "DNSName", "EvaluateTargetHealth")))
    if len(found) < 3:
        raise ApiError("InvalidInput", "Invalid XML ; the content of element 'AliasTarget' is not complete")
    evaluate = _text(found["EvaluateTargetHealth"]) == "true"
    return Alias(_text(found["HostedZoneId"]), _name(_text(found["DNSName"])), evaluate)


# ---------------------------------------------------------------- to XML


def put(parent: ET.Element, tag: str, text: str = "") -> ET.Element:
    """A new child with text."""
    child = ET.SubElement(parent, tag)
    child.text = text or None
    return child


def write(parent: ET.Element, one: RecordSet) -> None:
    """The set as `ResourceRecordSet` below `parent`, its fields in the API's order."""
    top = put(parent, "ResourceRecordSet")
    put(top, "Name", one.name)
    put(top, "Type", one.rtype)
    if one.identifier:
        put(top, "SetIdentifier", one.identifier)
    _place(top, one, BEFORE)
    if one.ttl is not None:
        put(top, "TTL", str(one.ttl))
    if one.values:
        records = put(top, "ResourceRecords")
        for text in one.values:
            put(put(records, "ResourceRecord"), "Value", text)
    if one.alias:
        alias = put(top, "AliasTarget")
        put(alias, "HostedZoneId", one.alias.zone)
        put(alias, "DNSName", one.alias.name)
        put(alias, "EvaluateTargetHealth", str(one.alias.evaluate).lower())
    if one.health:
        put(top, "HealthCheckId", one.health)
    _place(top, one, AFTER)


def _place(top: ET.Element, one: RecordSet, fields: tuple[str, ...]) -> None:
    made: dict[str, ET.Element] = {"": top}
    for path, text in one.place:
        if path.partition("/")[0] in fields:
            above, _, field = path.rpartition("/")
            put(_made(made, above), field, text)


def _made(made: dict[str, ET.Element], path: str) -> ET.Element:
    """The element at a path, with those above it."""
    if path not in made:
        above, _, field = path.rpartition("/")
        made[path] = put(_made(made, above), field)
    return made[path]
