"""The laboratory's Route 53 as a scenario's DNS: a process with one zone, two name servers, and its listing."""

import json
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path

import dns.rdatatype

from lbmigrate.dns.route53 import names
from lbmigrate.errors import Failed
from lbmigrate.lab import dnszone
from lbmigrate.lab.process import Process, environment
from lbmigrate.lab.route53 import sets
from lbmigrate.lab.route53.answers import BALANCER_TTL
from lbmigrate.lab.route53.world import KEY_ID

ZONE_ID = "ZLABORATORY"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": "laboratory", "AWS_EC2_METADATA_DISABLED": "true"}
SCOPE = f"AWS4-HMAC-SHA256 Credential={KEY_ID}/20260101/us-east-1/route53/aws4_request, SignedHeaders=host, Signature=0"
SECONDS = 5.0
START_SECONDS = 20.0


def records(text: str, origin: str) -> Iterator[dict[str, object]]:
    """The record sets of a zone file, in the API's JSON form; SOA and NS of the apex are Route 53's own."""
    zone = dnszone.from_text(text, origin)
    for rrset in zone.rrsets():
        rtype = dns.rdatatype.to_text(rrset.rdtype)
        if rrset.name != zone.origin or rtype not in ("SOA", "NS"):
            values = [{"Value": rdata.to_text()} for rdata in rrset]
            yield {"Name": names.text_of(rrset.name), "Type": rtype, "TTL": rrset.ttl, "ResourceRecords": values}


def process(directory: Path, api: str, servers: tuple[str, ...], text: str, origin: str) -> Process:
    """The server, not started yet. `api` and `servers`: "host:port" each."""
    zone = {"name": origin, "id": ZONE_ID, "servers": servers, "records": list(records(text, origin))}
    file = directory / "zones.json"
    file.write_text(json.dumps({"zones": [zone]}))
    argv = [sys.executable, "-m", "lbmigrate.lab.route53.server", "--listen", api, "--zones", str(file)]
    return Process(argv, directory / "route53.log", environment())


def fault(api: str, faults: Mapping[str, object]) -> None:
    """Set faults of the running server (see `world.Faults`). Raises Failed."""
    _ask(api, "PUT", "/lab/faults", json.dumps(faults))


def alias(api: str, names: Iterable[str], target: str, zone_id: str) -> None:
    """Make each name an alias (A) to a load balancer. Raises Failed."""
    root = ET.Element("ChangeResourceRecordSetsRequest", xmlns=sets.NAMESPACE)
    changes = sets.put(sets.put(root, "ChangeBatch"), "Changes")
    for name in names:
        change = sets.put(changes, "Change")
        sets.put(change, "Action", "CREATE")
        held = {"HostedZoneId": zone_id, "DNSName": target, "EvaluateTargetHealth": True}
        sets.write(change, sets.from_json({"Name": name, "Type": "A", "AliasTarget": held}))
    _ask(api, "POST", f"/2013-04-01/hostedzone/{ZONE_ID}/rrset", ET.tostring(root, encoding="unicode"))


def listing(api: str) -> list[str]:
    """Every record set as the API lists it, a line of XML each, in its order. Raises Failed."""
    found = ET.fromstring(_ask(api, "GET", f"/2013-04-01/hostedzone/{ZONE_ID}/rrset"))
    each = found.iter(f"{{{sets.NAMESPACE}}}ResourceRecordSet")
    return [re.sub(r"\s*xmlns:ns0=\"[^\"]*\"|ns0:", "", ET.tostring(one, encoding="unicode")).strip() for one in each]


def zone(api: str) -> list[str]:
    """The same as records, one sorted line each: "name ttl IN type rdata"; an alias as a CNAME."""
    found = [sets.read(ET.fromstring(line)) for line in listing(api)]
    aliases = [f"{one.name} {BALANCER_TTL} IN CNAME {one.alias.name}" for one in found if one.alias]
    plain = [f"{one.name} {one.ttl} IN {one.rtype} {value}" for one in found for value in one.values]
    return sorted([*plain, *aliases])


def _ask(api: str, method: str, path: str, body: str = "") -> str:
    connection = HTTPConnection(api, timeout=SECONDS)
    try:
        connection.request(method, path, body, {"Authorization": SCOPE})
        answer = connection.getresponse()
        said = answer.read().decode()
    except OSError as wrong:
        raise Failed(f"asking the laboratory's Route 53 at {api}: {wrong}; see route53.log") from wrong
    finally:
        connection.close()
    if answer.status >= 300:
        raise Failed(f"asking the laboratory's Route 53 at {api} for {path}: {answer.status} {said}")
    return said
