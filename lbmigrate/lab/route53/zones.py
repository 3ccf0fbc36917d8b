"""The calls about hosted zones: made, listed, and the networks (VPCs) that a private one is associated with."""

import re
import xml.etree.ElementTree as ET

from lbmigrate.dns.route53 import names
from lbmigrate.lab.route53 import sets
from lbmigrate.lab.route53.errors import ApiError
from lbmigrate.lab.route53.sets import NAMESPACE, put
from lbmigrate.lab.route53.wire import Call, Reply, answered, canonical, document, page, parsed, put_change
from lbmigrate.lab.route53.world import SERVERS, HostedZone, Made, Vpc, World

MOST_ZONES = 100
VPC = re.compile(r"vpc-[0-9a-z]{1,20}")


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
        networks = put(root, "VPCs")
        for vpc in zone.vpcs:
            one = put(networks, "VPC")
            put(one, "VPCRegion", vpc.region)
            put(one, "VPCId", vpc.id)
        return
    servers = put(put(root, "DelegationSet"), "NameServers")
    for server in SERVERS:
        put(servers, "NameServer", server.removesuffix("."))


def create_hosted_zone(world: World, call: Call) -> Reply:
    """CreateHostedZone: private where a VPC is given."""
    root = parsed(call.body, "CreateHostedZoneRequest")
    known = frozenset(("Name", "VPC", "CallerReference", "HostedZoneConfig"))
    found = sets.children(root, known)
    if not {"Name", "CallerReference"} <= found.keys():
        raise ApiError("InvalidInput", "Invalid XML ; 'Name' and 'CallerReference' are needed")
    config = found.get("HostedZoneConfig")
    comment = "" if config is None else config.findtext(f"{{{NAMESPACE}}}Comment", "")
    name, reference = found["Name"].text or "", found["CallerReference"].text or ""
    vpc = _vpc(found["VPC"]) if "VPC" in found else None
    zone = world.create(Made(name, reference, vpc is not None, comment, vpcs=(vpc,) if vpc else ()), call.account)
    reply = document("CreateHostedZoneResponse")
    _zone(reply, zone)
    put_change(reply, world, world.noted(call.account, comment, world.clock()))
    _delegation(reply, zone)
    return answered(reply, 201)


def get_hosted_zone(world: World, call: Call) -> Reply:
    """GetHostedZone."""
    zone = world.zone(call.account, call.key)
    root = document("GetHostedZoneResponse")
    _zone(root, zone)
    _delegation(root, zone)
    return answered(root)


def list_hosted_zones(world: World, call: Call) -> Reply:
    """ListHostedZones: by id; `marker` is the first of the page."""
    most, marker = page(call.query, MOST_ZONES), call.query.get("marker", "")
    found = [zone for zone in world.of(call.account) if zone.id >= marker]
    root = document("ListHostedZonesResponse")
    listed = put(root, "HostedZones")
    for zone in found[:most]:
        _zone(listed, zone)
    put(root, "Marker", marker)
    put(root, "IsTruncated", str(len(found) > most).lower())
    if found[most:]:
        put(root, "NextMarker", found[most].id)
    put(root, "MaxItems", str(most))
    return answered(root)


def list_hosted_zones_by_name(world: World, call: Call) -> Reply:
    """ListHostedZonesByName: by reversed name, then id, from `dnsname` (and `hostedzoneid`) on."""
    most, name, zone_id = page(call.query, MOST_ZONES), call.query.get("dnsname"), call.query.get("hostedzoneid", "")
    if zone_id and not name:
        raise ApiError("InvalidInput", "A hosted zone id needs a DNS name beside it")
    start = (names.order(canonical(name)), zone_id) if name else ("", "")
    placed = sorted(((names.order(zone.name), zone.id), zone) for zone in world.of(call.account))
    found = [zone for at, zone in placed if at >= start]
    root = document("ListHostedZonesByNameResponse")
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
    return answered(root)


# ---------------------------------------------------------------- networks


def _vpc(given: ET.Element) -> Vpc:
    found = sets.children(given, frozenset(("VPCRegion", "VPCId")))
    region, name = (found[key].text or "" if key in found else "" for key in ("VPCRegion", "VPCId"))
    if not region or not VPC.fullmatch(name):
        raise ApiError("InvalidVPCId", f"The VPC: {name} in region {region} that you provided is not valid.")
    return Vpc(region, name)


def _private(world: World, call: Call, request: str) -> tuple[HostedZone, Vpc]:
    """The zone and the network of a request. Raises ApiError."""
    zone = world.zone(call.account, call.key)
    found = sets.children(parsed(call.body, request), frozenset(("VPC", "Comment")))
    if "VPC" not in found:
        raise ApiError("InvalidInput", "Invalid XML ; 'VPC' is missing")
    if not zone.made.private:
        raise ApiError("PublicZoneVPCAssociation", "You can't associate a VPC with a public hosted zone")
    return zone, _vpc(found["VPC"])


def associate_vpc_with_hosted_zone(world: World, call: Call) -> Reply:
    """AssociateVPCWithHostedZone."""
    zone, vpc = _private(world, call, "AssociateVPCWithHostedZoneRequest")
    world.free(zone.name, (vpc,))
    zone.vpcs = (*zone.vpcs, vpc)
    return _associated(world, call, "AssociateVPCWithHostedZoneResponse")


def disassociate_vpc_from_hosted_zone(world: World, call: Call) -> Reply:
    """DisassociateVPCFromHostedZone."""
    zone, vpc = _private(world, call, "DisassociateVPCFromHostedZoneRequest")
    if vpc not in zone.vpcs:
        raise ApiError("VPCAssociationNotFound", f"The VPC {vpc.id} is not associated with hosted zone {zone.id}")
    if len(zone.vpcs) == 1:
        raise ApiError("LastVPCAssociation", "The VPC is the last one of a private hosted zone")
    zone.vpcs = tuple(one for one in zone.vpcs if one != vpc)
    return _associated(world, call, "DisassociateVPCFromHostedZoneResponse")


def _associated(world: World, call: Call, name: str) -> Reply:
    answer = document(name)
    put_change(answer, world, world.noted(call.account, "", world.clock()))
    return answered(answer)
