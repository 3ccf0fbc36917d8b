"""The REST-XML protocol of Route 53 over a `World`: one request in, status and body out."""

import re
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from lbmigrate.dns.route53 import names
from lbmigrate.lab.route53 import rules, sets, sts
from lbmigrate.lab.route53.errors import ApiError
from lbmigrate.lab.route53.rules import ACTIONS, Change
from lbmigrate.lab.route53.sets import NAMESPACE, local, put
from lbmigrate.lab.route53.world import SERVERS, Done, HostedZone, Made, World

VERSION = "/2013-04-01"
MOST_SETS = 300  # a page of ListResourceRecordSets
MOST_ZONES = 100
_CREDENTIAL = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/, ]+)/\d{8}/[^/, ]+/(route53|sts)/aws4_request,")


class Request(NamedTuple):
    """One request; `target` is path and query, `authorization` the header of that name, `token` the session's."""

    method: str
    target: str
    authorization: str
    body: bytes
    token: str = ""


class Call(NamedTuple):
    """A request whose caller is known: the account, the path's own part, the query's fields, the body."""

    account: str
    key: str
    query: dict[str, str]
    body: bytes


class Reply(NamedTuple):
    """Status and XML."""

    status: int
    body: bytes


Handler = Callable[[World, Call], Reply]


def answer(world: World, request: Request) -> Reply:
    """Serve one request; errors are answers. Raises Lost where there is to be none."""
    try:
        key_id, service = _caller(request.authorization)
        if service == "sts":
            return _assume(world, key_id, request)
        path, query = urlsplit(request.target).path, urlsplit(request.target).query
        action, handler, key = _route(request.method, path)
        account = world.admit(key_id, action, request.token)
        if action != "ChangeResourceRecordSets":  # which is judged by what it changes
            world.permit(action, f"{'change' if action == 'GetChange' else 'hostedzone'}/{unquote(key)}", {})
        fields = {field: given[-1] for field, given in parse_qs(query).items()}
        return handler(world, Call(account, unquote(key), fields, request.body))
    except ApiError as wrong:
        return _error(wrong)


def _route(method: str, path: str) -> tuple[str, Handler, str]:
    for verb, pattern, handler in ROUTES:
        if verb == method and (found := re.fullmatch(VERSION + pattern, path)):
            action = "".join(word.capitalize() for word in handler.__name__.split("_"))
            return action, handler, found[1] if found.groups() else ""
    raise ApiError("InvalidInput", f"The laboratory's Route 53 has no {method} {path}")


def _caller(authorization: str) -> tuple[str, str]:
    """Whose key it is, and for which service the request is signed."""
    found = _CREDENTIAL.match(authorization)
    if found is None:
        raise ApiError("MissingAuthenticationToken", "Missing Authentication Token")
    return found[1], found[2]


def _assume(world: World, key_id: str, request: Request) -> Reply:
    """AssumeRole of STS, at the same address."""
    world.calls.append("AssumeRole")
    world.known(key_id, request.token)
    new, session, root = sts.assumed(world.roles, key_id, request.body, world.clock())
    world.sessions[new] = session
    return _reply(root)


def _error(wrong: ApiError) -> Reply:
    root = ET.Element("ErrorResponse", xmlns=NAMESPACE)
    error = put(root, "Error")
    put(error, "Type", "Sender")
    put(error, "Code", wrong.code)
    put(error, "Message", wrong.message)
    put(root, "RequestId", str(uuid.uuid4()))
    return _reply(root, wrong.status)


def _reply(root: ET.Element, status: int = 200) -> Reply:
    return Reply(status, b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="utf-8"))


def _root(name: str) -> ET.Element:
    return ET.Element(name, xmlns=NAMESPACE)


def _parsed(body: bytes, name: str) -> ET.Element:
    """The request's document. Raises ApiError."""
    try:
        root = ET.fromstring(body) if b"<!" not in body else None
    except ET.ParseError as wrong:
        raise ApiError("InvalidInput", f"Invalid XML ; {wrong}") from wrong
    if root is None or local(root) != name or root.tag != f"{{{NAMESPACE}}}{name}":
        raise ApiError("InvalidInput", f"Invalid XML ; no {name} of {NAMESPACE}")
    return root


def _most(query: dict[str, str], most: int) -> int:
    text = query.get("maxitems", str(most))
    if not text.isascii() or not text.isdigit() or not int(text):
        raise ApiError("InvalidInput", f"maxitems {text} is no number above 0")
    return min(int(text), most)


# ---------------------------------------------------------------- zones


def _zone(parent: ET.Element, zone: HostedZone) -> None:
    top = put(parent, "HostedZone")
    put(top, "Id", f"/hostedzone/{zone.id}")
    put(top, "Name", zone.name)
    put(top, "CallerReference", zone.made.reference)
    config = put(top, "Config")
    if zone.made.comment:
        put(config, "Comment", zone.made.comment)
    put(config, "PrivateZone", str(zone.made.private).lower())
    put(top, "ResourceRecordSetCount", str(len(zone.versions[-1].sets)))


def _delegation(root: ET.Element, zone: HostedZone) -> None:
    """A public zone has name servers, a private one networks."""
    if zone.made.private:
        vpc = put(put(root, "VPCs"), "VPC")
        put(vpc, "VPCRegion", "us-east-1")
        put(vpc, "VPCId", "vpc-1a2b3c4d")
        return
    servers = put(put(root, "DelegationSet"), "NameServers")
    for server in SERVERS:
        put(servers, "NameServer", server.removesuffix("."))


def create_hosted_zone(world: World, call: Call) -> Reply:
    """CreateHostedZone: private where a VPC is given."""
    root = _parsed(call.body, "CreateHostedZoneRequest")
    known = frozenset(("Name", "VPC", "CallerReference", "HostedZoneConfig"))
    found = sets.children(root, known)
    if not {"Name", "CallerReference"} <= found.keys():
        raise ApiError("InvalidInput", "Invalid XML ; 'Name' and 'CallerReference' are needed")
    config = found.get("HostedZoneConfig")
    comment = "" if config is None else config.findtext(f"{{{NAMESPACE}}}Comment", "")
    name, reference = found["Name"].text or "", found["CallerReference"].text or ""
    zone = world.create(Made(name, reference, "VPC" in found, comment), call.account)
    reply = _root("CreateHostedZoneResponse")
    _zone(reply, zone)
    _change(reply, world, world.noted(call.account, comment, world.clock()))
    _delegation(reply, zone)
    return _reply(reply, 201)


def get_hosted_zone(world: World, call: Call) -> Reply:
    """GetHostedZone."""
    zone = world.zone(call.account, call.key)
    root = _root("GetHostedZoneResponse")
    _zone(root, zone)
    _delegation(root, zone)
    return _reply(root)


def list_hosted_zones(world: World, call: Call) -> Reply:
    """ListHostedZones: by id; `marker` is the first of the page."""
    most, marker = _most(call.query, MOST_ZONES), call.query.get("marker", "")
    found = [zone for zone in world.of(call.account) if zone.id >= marker]
    root = _root("ListHostedZonesResponse")
    listed = put(root, "HostedZones")
    for zone in found[:most]:
        _zone(listed, zone)
    put(root, "Marker", marker)
    put(root, "IsTruncated", str(len(found) > most).lower())
    if found[most:]:
        put(root, "NextMarker", found[most].id)
    put(root, "MaxItems", str(most))
    return _reply(root)


def list_hosted_zones_by_name(world: World, call: Call) -> Reply:
    """ListHostedZonesByName: by reversed name, then id, from `dnsname` (and `hostedzoneid`) on."""
    most, name, zone_id = _most(call.query, MOST_ZONES), call.query.get("dnsname"), call.query.get("hostedzoneid", "")
    if zone_id and not name:
        raise ApiError("InvalidInput", "A hosted zone id needs a DNS name beside it")
    start = (names.order(_canonical(name)), zone_id) if name else ("", "")
    placed = sorted(((names.order(zone.name), zone.id), zone) for zone in world.of(call.account))
    found = [zone for at, zone in placed if at >= start]
    root = _root("ListHostedZonesByNameResponse")
    listed = put(root, "HostedZones")
    for zone in found[:most]:
        _zone(listed, zone)
    for tag, given in (("DNSName", name), ("HostedZoneId", zone_id)):
        if given:
            put(root, tag, given)
    put(root, "IsTruncated", str(len(found) > most).lower())
    if found[most:]:
        put(root, "NextDNSName", found[most].name)
        put(root, "NextHostedZoneId", found[most].id)
    put(root, "MaxItems", str(most))
    return _reply(root)


def _canonical(name: str) -> str:
    try:
        return names.canonical(name)
    except ValueError as wrong:
        raise ApiError("InvalidDomainName", str(wrong)) from wrong


# ---------------------------------------------------------------- record sets


def list_resource_record_sets(world: World, call: Call) -> Reply:
    """ListResourceRecordSets: the newest, pending or not, from name, type and identifier on."""
    zone, most = world.zone(call.account, call.key), _most(call.query, MOST_SETS)
    start = _start(call.query)
    found = [one for one in rules.listed(zone.sets) if rules.place(one) >= start]
    root = _root("ListResourceRecordSetsResponse")
    listed = put(root, "ResourceRecordSets")
    for one in found[:most]:
        sets.write(listed, one)
    put(root, "IsTruncated", str(len(found) > most).lower())
    if found[most:]:
        following = found[most]
        put(root, "NextRecordName", following.name)
        put(root, "NextRecordType", following.rtype)
        if following.identifier:
            put(root, "NextRecordIdentifier", following.identifier)
    put(root, "MaxItems", str(most))
    return _reply(root)


def _start(query: dict[str, str]) -> tuple[str, str, str]:
    name, rtype, identifier = (query.get(field, "") for field in ("name", "type", "identifier"))
    if (rtype and not name) or (identifier and not rtype):
        raise ApiError("InvalidInput", "The input is not valid: a type needs a name, an identifier needs a type.")
    if rtype and rtype not in sets.TYPES:
        raise ApiError("InvalidInput", f"'{rtype}' is not a valid RRType")
    return (names.order(_canonical(name)) if name else ""), rtype, identifier


def change_resource_record_sets(world: World, call: Call) -> Reply:
    """ChangeResourceRecordSets: the whole batch or nothing."""
    root = _parsed(call.body, "ChangeResourceRecordSetsRequest")
    batch = sets.children(root, frozenset(("ChangeBatch",))).get("ChangeBatch")
    parts = sets.children(batch, frozenset(("Comment", "Changes"))) if batch is not None else {}
    if "Changes" not in parts or not len(parts["Changes"]):
        raise ApiError("InvalidInput", "Invalid XML ; the content of element 'Changes' is not complete")
    comment = parts["Comment"].text or "" if "Comment" in parts else ""
    done = world.change(call.account, call.key, list(_changes(parts["Changes"])), comment)
    reply = _root("ChangeResourceRecordSetsResponse")
    _change(reply, world, done)
    return _reply(reply)


def _changes(listed: Sequence[ET.Element] | ET.Element) -> Iterator[Change]:
    for element in listed:
        found = sets.children(element, frozenset(("Action", "ResourceRecordSet")))
        action = found["Action"].text or "" if "Action" in found else ""
        if action not in ACTIONS or "ResourceRecordSet" not in found:
            raise ApiError("InvalidInput", f"Invalid XML ; '{action}' is not one of {', '.join(ACTIONS)}")
        yield Change(action, sets.read(found["ResourceRecordSet"]))


def get_change(world: World, call: Call) -> Reply:
    """GetChange."""
    done = world.status(call.account, call.key)
    root = _root("GetChangeResponse")
    _change(root, world, done)
    return _reply(root)


def _change(root: ET.Element, world: World, done: Done) -> None:
    info = put(root, "ChangeInfo")
    put(info, "Id", f"/change/{done.id}")
    put(info, "Status", "PENDING" if world.pending(done) else "INSYNC")
    at = datetime.fromtimestamp(done.at, UTC)
    put(info, "SubmittedAt", at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z")
    if done.comment:
        put(info, "Comment", done.comment)


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/hostedzone", create_hosted_zone),
    ("GET", "/hostedzone", list_hosted_zones),
    ("GET", "/hostedzonesbyname", list_hosted_zones_by_name),
    ("GET", "/hostedzone/([^/]+)", get_hosted_zone),
    ("GET", "/hostedzone/([^/]+)/rrset/?", list_resource_record_sets),
    ("POST", "/hostedzone/([^/]+)/rrset/?", change_resource_record_sets),
    ("GET", "/change/([^/]+)", get_change),
)
