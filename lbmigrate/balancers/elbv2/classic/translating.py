"""What a Classic Load Balancer is, as the document of an Application or Network Load Balancer; or why not. Pure.

HTTP and HTTPS listeners make an Application Load Balancer, TCP and SSL listeners a Network Load Balancer; no balancer
of today has both. Nothing is left out unsaid: what B cannot be is refused, what it is almost stands in `notes`.
"""

from collections.abc import Iterator, Mapping

from lbmigrate.balancers.elbv2 import marks
from lbmigrate.balancers.elbv2.api import Thing
from lbmigrate.balancers.elbv2.classic import policies
from lbmigrate.balancers.elbv2.classic.checks import check
from lbmigrate.errors import Refused

KINDS = {"HTTP": "application", "HTTPS": "application", "TCP": "network", "SSL": "network"}
FRONT = {"HTTP": "HTTP", "HTTPS": "HTTPS", "TCP": "TCP", "SSL": "TLS"}
DESYNC = "elb.http.desyncmitigationmode"
TLS_IDLE, LEAST_IDLE = 350, 60  # seconds: of a TLS listener, which is fixed; the least of a TCP listener
Sticky = Mapping[str, str]
Key = tuple[str, int, frozenset[tuple[str, str]]]  # of a group: protocol, port, how sessions stick


def source(name: str) -> str:
    """By what it is known to whom it is told apart from a target group."""
    return f"{marks.CLASSIC}{name}"


def identity(there: Thing) -> str:
    """Name and host name: AWS gives the number in this to one balancer only."""
    return f"{source(there['LoadBalancerName'])}/{there['DNSName'].lower()}"


def document(raw: Thing) -> Thing:
    """The document, without who else registers instances. Raises Refused for what B cannot be."""
    there = raw["balancer"]
    about = f"reading {there['LoadBalancerName']}"
    kind = _kind(there, about)
    policies.backward(there.get("BackendServerDescriptions", ()), raw["policies"], about)
    groups = _groups(raw, kind, about)
    return {
        "arn": identity(there),
        "balancer": {"Type": kind, "Scheme": there["Scheme"], "IpAddressType": "ipv4",
                     "SecurityGroups": there["SecurityGroups"]},
        "zones": [{"zone": one, "subnet": one} for one in sorted(there["Subnets"])],
        "attributes": _attributes(raw["attributes"], kind, about),
        "tags": raw["tags"],
        "acl": "",
        "listeners": list(_listeners(raw, groups, kind, about)),
        "groups": list(groups.values()),
        "notes": list(_notes(raw, kind)),
    }  # fmt: skip


def pools(there: Thing) -> list[tuple[str, int]]:
    """Name and port of each kind of backend, in the order of the listeners' ports; those that stick alike or not."""
    found = [(one["InstanceProtocol"], int(one["InstancePort"])) for one, _ in _listened(there)]
    return list(dict.fromkeys((_pool(FRONT[protocol], port), port) for protocol, port in found))


def _pool(protocol: str, port: int) -> str:
    return f"{protocol.lower()}-{port}"


def _listened(there: Thing) -> list[tuple[Thing, list[str]]]:
    """Each listener with the names of its policies, by port."""
    held = [(one["Listener"], one.get("PolicyNames", [])) for one in there["ListenerDescriptions"]]
    return sorted(held, key=lambda one: int(one[0]["LoadBalancerPort"]))


def _kind(there: Thing, about: str) -> str:
    if not there.get("VPCId"):
        raise Refused(f"{about}: it is in no VPC, where load balancers of today are")
    protocols = {one["Listener"]["Protocol"] for one in there["ListenerDescriptions"]}
    kinds = {KINDS[one] for one in protocols}
    if len(kinds) > 1:
        raise Refused(
            f"{about}: it has {', '.join(sorted(protocols))} listeners, and no load balancer of today has such side by"
            " side; make a second Classic Load Balancer for some of them, and move each by itself"
        )
    if not kinds:
        raise Refused(f"{about}: it has no listener")
    (kind,) = kinds
    if kind == "application" and len(there["Subnets"]) < 2:
        raise Refused(f"{about}: an Application Load Balancer is in two zones at least; give it a second subnet first")
    return kind


# ---------------------------------------------------------------- groups


def _groups(raw: Thing, kind: str, about: str) -> dict[Key, Thing]:
    """A group for every port and protocol of the instances, and for every way to stick."""
    found: dict[Key, Thing] = {}
    for listener, names in _listened(raw["balancer"]):
        key = _key(listener, names, raw, about)
        if key not in found:
            others = sum(key[:2] == one[:2] for one in found)
            pool = f"{_pool(key[0], key[1])}{f'-{others + 1}' if others else ''}"
            found[key] = _group(raw, kind, pool, listener, dict(key[2]), about)
    return found


def _key(listener: Thing, names: list[str], raw: Thing, about: str) -> Key:
    sticky = policies.sticky(names, raw["policies"], about)
    return FRONT[listener["InstanceProtocol"]], int(listener["InstancePort"]), frozenset(sticky.items())


def _group(raw: Thing, kind: str, pool: str, listener: Thing, sticky: Sticky, about: str) -> Thing:
    there, port = raw["balancer"], int(listener["InstancePort"])
    front, back = listener["Protocol"], listener["InstanceProtocol"]
    if (front, back) == ("TCP", "SSL"):
        raise Refused(
            f"{about}, listener {listener['LoadBalancerPort']}: it takes TCP and speaks SSL to the instances,"
            " which a Network Load Balancer does behind a TLS listener only"
        )
    version = {"ProtocolVersion": "HTTP1"} if kind == "application" else {}
    return {
        "arn": f"{identity(there)}/{pool}",
        "source": source(there["LoadBalancerName"]),
        "pool": pool,
        "settings": {"Protocol": FRONT[back], "Port": port, "VpcId": there["VPCId"], "TargetType": "instance",
                     **version, **check(there["HealthCheck"], kind, about)},
        "attributes": _of_group(raw["attributes"], kind, sticky, about),
        "tags": raw["tags"],
        "targets": [{"Id": one, "Port": port} for one in raw["health"]],
    }  # fmt: skip


def _of_group(attributes: Thing, kind: str, sticky: Sticky, about: str) -> dict[str, str]:
    draining = attributes["ConnectionDraining"]
    seconds = draining.get("Timeout", 300) if draining["Enabled"] else 0
    held = {"deregistration_delay.timeout_seconds": str(seconds), **sticky}
    if kind == "network":
        return {**held, "preserve_client_ip.enabled": "false"}  # the instances saw the balancer's address
    if attributes["CrossZoneLoadBalancing"]["Enabled"]:
        return held
    if sticky:
        raise Refused(
            f"{about}: it keeps to its zone and its sessions stick, and an Application Load Balancer does one or the"
            " other; turn cross-zone load balancing on first"
        )
    return {**held, "load_balancing.cross_zone.enabled": "false"}


# ---------------------------------------------------------------- listeners and attributes


def _listeners(raw: Thing, groups: Mapping[Key, Thing], kind: str, about: str) -> Iterator[Thing]:
    for listener, names in _listened(raw["balancer"]):
        port, protocol = int(listener["LoadBalancerPort"]), FRONT[listener["Protocol"]]
        where = f"{about}, listener {port}"
        secure = protocol in ("HTTPS", "TLS")
        group = groups[_key(listener, names, raw, about)]
        policy = {"SslPolicy": policies.negotiation(names, raw["policies"], where)} if secure else {}
        yield {
            "arn": f"{identity(raw['balancer'])}/{port}",
            "Port": port, "Protocol": protocol, **policy,
            "certificates": [listener["SSLCertificateId"]] if secure else [],
            "actions": [{"Type": "forward", "TargetGroupArn": group["arn"]}],
            "attributes": _of_listener(raw["attributes"], protocol, where) if kind == "network" else {},
            "tags": {},
            "rules": [],
        }  # fmt: skip


def _of_listener(attributes: Thing, protocol: str, where: str) -> dict[str, str]:
    idle = attributes["ConnectionSettings"]["IdleTimeout"]
    if protocol == "TLS":
        if idle > TLS_IDLE:
            raise Refused(f"{where}: connections may be idle for {idle} s, at a TLS listener {TLS_IDLE} s; lower it")
        return {}
    return {"tcp.idle_timeout.seconds": str(max(LEAST_IDLE, idle))}


def _attributes(given: Thing, kind: str, about: str) -> dict[str, str]:
    more = {one["Key"]: one["Value"] for one in given.get("AdditionalAttributes", ())}
    if unknown := sorted(more.keys() - {DESYNC}):
        raise Refused(f"{about}: it has the attribute {unknown[0]}, which is not known here")
    if kind == "network":
        if given["AccessLog"]["Enabled"]:
            raise Refused(
                f"{about}: it logs every connection, a Network Load Balancer those by TLS only; turn that off"
            )
        return {"load_balancing.cross_zone.enabled": str(given["CrossZoneLoadBalancing"]["Enabled"]).lower()}
    mode = {"routing.http.desync_mitigation_mode": more[DESYNC]} if DESYNC in more else {}
    idle = str(given["ConnectionSettings"]["IdleTimeout"])
    return {"idle_timeout.timeout_seconds": idle, **mode, **_logs(given["AccessLog"])}


def _logs(given: Thing) -> dict[str, str]:
    if not given["Enabled"]:
        return {}
    where = {"bucket": given["S3BucketName"], "prefix": given.get("S3BucketPrefix", "")}
    return {"access_logs.s3.enabled": "true", **{f"access_logs.s3.{key}": one for key, one in where.items()}}


def _notes(raw: Thing, kind: str) -> Iterator[str]:
    """What B is almost, or not yet said of A."""
    yield "AWS has no protection from deletion for Classic Load Balancers: see that nobody deletes A meanwhile"
    idle = raw["attributes"]["ConnectionSettings"]["IdleTimeout"]
    for listener, names in _listened(raw["balancer"]):
        where = f"listener {listener['LoadBalancerPort']}"
        yield from policies.unlike(names, raw["policies"], where)
        least = TLS_IDLE if listener["Protocol"] == "SSL" else LEAST_IDLE
        if kind == "network" and idle < least:
            yield f"{where}: connections may be idle for {idle} s; at B for {least} s"
    if kind == "application" and raw["attributes"]["AccessLog"]["Enabled"]:
        yield "access logs of B come every five minutes, and in another form"
