"""The REST-XML protocol of Route 53 over a `World`: one request in, status and body out."""

import re
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from urllib.parse import parse_qs, unquote, urlsplit

from lbmigrate.dns.route53 import names
from lbmigrate.lab.route53 import sets, sts
from lbmigrate.lab.route53.errors import ApiError
from lbmigrate.lab.route53.rules import ACTIONS, Change
from lbmigrate.lab.route53.sets import put
from lbmigrate.lab.route53.wire import (
    Call,
    Handler,
    Reply,
    Request,
    answered,
    canonical,
    document,
    page,
    parsed,
    put_change,
)
from lbmigrate.lab.route53.world import World
from lbmigrate.lab.route53.zones import (
    associate_vpc_with_hosted_zone,
    create_hosted_zone,
    disassociate_vpc_from_hosted_zone,
    get_hosted_zone,
    list_hosted_zones,
    list_hosted_zones_by_name,
)

VERSION = "/2013-04-01"
MOST_SETS = 300  # a page of ListResourceRecordSets
_CREDENTIAL = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/, ]+)/\d{8}/[^/, ]+/(route53|sts)/aws4_request,")


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
            action = "".join(word.capitalize() for word in handler.__name__.split("_")).replace("Vpc", "VPC")
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
    return answered(root)


def _error(wrong: ApiError) -> Reply:
    root = document("ErrorResponse")
    error = put(root, "Error")
    put(error, "Type", "Sender")
    put(error, "Code", wrong.code)
    put(error, "Message", wrong.message)
    put(root, "RequestId", str(uuid.uuid4()))
    return answered(root, wrong.status)


# ---------------------------------------------------------------- record sets


def list_resource_record_sets(world: World, call: Call) -> Reply:
    """ListResourceRecordSets: the newest, pending or not, from name, type and identifier on."""
    zone, most = world.zone(call.account, call.key), page(call.query, MOST_SETS)
    start = _start(call.query)
    found = zone.listed(start)
    root = document("ListResourceRecordSetsResponse")
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
    return answered(root)


def _start(query: dict[str, str]) -> tuple[str, str, str]:
    name, rtype, identifier = (query.get(field, "") for field in ("name", "type", "identifier"))
    if (rtype and not name) or (identifier and not rtype):
        raise ApiError("InvalidInput", "The input is not valid: a type needs a name, an identifier needs a type.")
    if rtype and rtype not in sets.TYPES:
        raise ApiError("InvalidInput", f"'{rtype}' is not a valid RRType")
    return (names.order(canonical(name)) if name else ""), rtype, identifier


def change_resource_record_sets(world: World, call: Call) -> Reply:
    """ChangeResourceRecordSets: the whole batch or nothing."""
    root = parsed(call.body, "ChangeResourceRecordSetsRequest")
    batch = sets.children(root, frozenset(("ChangeBatch",))).get("ChangeBatch")
    parts = sets.children(batch, frozenset(("Comment", "Changes"))) if batch is not None else {}
    if "Changes" not in parts or not len(parts["Changes"]):
        raise ApiError("InvalidInput", "Invalid XML ; the content of element 'Changes' is not complete")
    comment = parts["Comment"].text or "" if "Comment" in parts else ""
    done = world.change(call.account, call.key, list(_changes(parts["Changes"])), comment)
    reply = document("ChangeResourceRecordSetsResponse")
    put_change(reply, world, done)
    return answered(reply)


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
    root = document("GetChangeResponse")
    put_change(root, world, done)
    return answered(root)


def list_health_checks(world: World, call: Call) -> Reply:
    """ListHealthChecks, on one page: the laboratory has only their ids."""
    del call
    root = document("ListHealthChecksResponse")
    listed = put(root, "HealthChecks")
    for one in sorted(world.checks):
        check = put(listed, "HealthCheck")
        put(check, "Id", one)
        put(check, "CallerReference", one)
        put(put(check, "HealthCheckConfig"), "Type", "TCP")
        put(check, "HealthCheckVersion", "1")
    put(root, "Marker")
    put(root, "IsTruncated", "false")
    put(root, "MaxItems", "100")
    return answered(root)


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/hostedzone", create_hosted_zone),
    ("GET", "/hostedzone", list_hosted_zones),
    ("GET", "/hostedzonesbyname", list_hosted_zones_by_name),
    ("GET", "/hostedzone/([^/]+)", get_hosted_zone),
    ("GET", "/hostedzone/([^/]+)/rrset/?", list_resource_record_sets),
    ("POST", "/hostedzone/([^/]+)/rrset/?", change_resource_record_sets),
    ("POST", "/hostedzone/([^/]+)/associatevpc", associate_vpc_with_hosted_zone),
    ("POST", "/hostedzone/([^/]+)/disassociatevpc", disassociate_vpc_from_hosted_zone),
    ("GET", "/healthcheck", list_health_checks),
    ("GET", "/change/([^/]+)", get_change),
)
