"""Load balancers of AWS as a scenario's sides: the backends, the account, and A in it; B is made by lbmigrate.

What `lbmigrate.lab.sides.Sides` is for HAProxy; both are asked for the same.
"""

import json
import socket
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

from lbmigrate.errors import Failed
from lbmigrate.lab.process import Process, environment, freeport
from lbmigrate.lab.route53.parts import CREDENTIALS
from lbmigrate.lab.route53.world import KEY_ID
from lbmigrate.lab.sides import CHECK, Apps, Place

HOST = "127.0.0.1"
REGION = "us-east-1"
NAMES = {"a": "web-a", "b": "web-b"}
NETS = {f"subnet-{n}": {"zone": f"{REGION}{'ab'[n]}", "vpc": "vpc-1", "cidr": f"10.0.{n}.0/24"} for n in (0, 1)}
DELAYS = {"provision": 1.0, "healthy": 0.5, "drain": 1.0, "metrics": 1.0}
VERSION, OLDER = "2015-12-01", "2012-06-01"  # of the API, and of that for Classic Load Balancers
SCOPE = f"AWS4-HMAC-SHA256 Credential={KEY_ID}/20260101/{REGION}/elasticloadbalancing/aws4_request"
SECONDS = 5.0


class Balancers:
    """The backends and the account while a scenario is played."""

    def __init__(self, place: Place, classic: bool = False) -> None:
        self.place, self._classic = place, classic
        self.killed: set[str] = set()
        self.at, self.dns = (f"{HOST}:{freeport(HOST)}" for _ in range(2))
        file = place.directory / "account.json"
        instances = {f"i-{n}": at for n, at in enumerate(place.backends)} if classic else {}
        account = {"subnets": NETS, "pool": [place.a, place.b], "delays": DELAYS, "instances": instances}
        file.write_text(json.dumps(account))
        self._instances = [*instances]
        argv = (sys.executable, "-m", "lbmigrate.lab.elb.server", "--listen", self.at, "--dns", self.dns)
        self._account = Process((*argv, "--account", str(file)), place.directory / "elb.log", environment())
        self._apps = Apps(place)
        self.environment = {**CREDENTIALS, "LBMIGRATE_RESOLVER": self.dns}

    def start(self) -> None:
        """Backends, then the account and A in it. Raises Failed with the log's end."""
        self._apps.start()
        self._account.start()
        self._account.wait(lambda: "ready\n" in self._account.output())
        if self._classic:
            self._make_classic()
        else:
            self._make()
        self._account.wait(lambda: self._answers("a"))

    def _make(self) -> None:
        """A as its owner would have made it: a group with every backend, a listener, an attribute of its own."""
        group = self._call(
            "CreateTargetGroup", Name="app", Protocol="HTTP", Port=80, VpcId="vpc-1", TargetType="ip",
            HealthCheckPath=CHECK, HealthCheckIntervalSeconds=5,
        )["TargetGroupArn"]  # fmt: skip
        targets = [{"Id": host, "Port": port} for host, port in self.place.backends]
        self._call("RegisterTargets", TargetGroupArn=group, Targets=targets)
        tags = [{"Key": "team", "Value": "web"}]
        made = self._call("CreateLoadBalancer", Name=NAMES["a"], Subnets=[*NETS], SecurityGroups=["sg-1"], Tags=tags)
        arn, forward = made["LoadBalancerArn"], [{"Type": "forward", "TargetGroupArn": group}]
        self._call("CreateListener", LoadBalancerArn=arn, Protocol="HTTP", Port=self.place.port, DefaultActions=forward)
        idle = [{"Key": "idle_timeout.timeout_seconds", "Value": "120"}]
        self._call("ModifyLoadBalancerAttributes", LoadBalancerArn=arn, Attributes=idle)

    def _make_classic(self) -> None:
        """A of the older kind, with every backend as an instance."""
        listener = {"Protocol": "HTTP", "LoadBalancerPort": self.place.port, "InstanceProtocol": "HTTP",
                    "InstancePort": 80}  # fmt: skip
        name = {"LoadBalancerName": NAMES["a"]}
        tags = [{"Key": "team", "Value": "web"}]
        more = {"Listeners": [listener], "Subnets": [*NETS], "SecurityGroups": ["sg-1"], "Tags": tags}
        self._call("CreateLoadBalancer", OLDER, **name, **more)
        check = {"Target": f"HTTP:80{CHECK}", "Interval": 5, "Timeout": 2, "UnhealthyThreshold": 2,
                 "HealthyThreshold": 2}  # fmt: skip
        self._call("ConfigureHealthCheck", OLDER, **name, HealthCheck=check)
        instances = [{"InstanceId": one} for one in self._instances]
        self._call("RegisterInstancesWithLoadBalancer", OLDER, **name, Instances=instances)
        change = {"CrossZoneLoadBalancing": {"Enabled": "true"}, "ConnectionSettings": {"IdleTimeout": 120}}
        self._call("ModifyLoadBalancerAttributes", OLDER, **name, LoadBalancerAttributes=change)

    def entries(self) -> dict[str, dict[str, Any]]:
        """Both as lbmigrate.yaml has them."""
        where = {"driver": "elbv2", "region": REGION, "endpoint": f"http://{self.at}"}
        found: dict[str, dict[str, Any]] = {side: {**where, "name": name} for side, name in NAMES.items()}
        if self._classic:
            found["a"]["classic"] = True
        return found

    def located(self) -> tuple[str, str]:
        """The host name and the hosted zone of A."""
        if self._classic:
            a = self._call("DescribeLoadBalancers", OLDER, LoadBalancerNames=[NAMES["a"]])
            return a["DNSName"], a["CanonicalHostedZoneNameID"]
        a = self._call("DescribeLoadBalancers", Names=[NAMES["a"]])
        return a["DNSName"], a["CanonicalHostedZoneId"]

    def host(self, side: str) -> str:
        """The host that names point to; "" of a side that is not there."""
        try:
            if self._classic and side == "a":
                return f"{self.located()[0].lower()}."
            return f"{self._call('DescribeLoadBalancers', Names=[NAMES[side]])['DNSName'].lower()}."
        except LookupError:
            return ""

    def _call(self, name: str, version: str = VERSION, **given: object) -> dict[str, str]:
        """The fields of one call's answer, by their own names. Raises Failed; LookupError for what is not there."""
        body = urlencode({"Action": name, "Version": version, **dict(_flat("", given))})
        status, answer = self._ask("POST", "/", body)
        found = {one.tag.rpartition("}")[2]: one.text or "" for one in ET.fromstring(answer).iter()}
        if found.get("Code") == "LoadBalancerNotFound":
            raise LookupError(name)
        if status >= 300:
            raise Failed(f"{name} at the laboratory's account: {answer}")
        return found

    def told(self, route53: str) -> None:
        """Let the laboratory's Route 53 know the names, now and whenever they change."""
        self._put("route53", route53)

    def _put(self, what: str, said: object) -> None:
        self._ask("PUT", f"/lab/{what}", json.dumps(said))

    def _ask(self, method: str, path: str, body: str) -> tuple[int, str]:
        connection = HTTPConnection(self.at, timeout=SECONDS)
        try:
            connection.request(method, path, body, {"Authorization": SCOPE})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError as wrong:
            raise Failed(f"asking the laboratory's account at {self.at}: {wrong}; see elb.log") from wrong
        finally:
            connection.close()

    def _answers(self, side: str) -> bool:
        for address in self.place.addresses(side):
            with socket.socket() as one:
                if one.connect_ex((address, self.place.port)):
                    return False
        return True

    def pid(self, side: str) -> int | None:
        """The process that a side runs in, None while it does not run."""
        return self._account.pid if self._account.alive() and self._answers(side) else None

    def fails(self, side: str, share: int) -> None:
        """From now on a side answers that percentage of its requests with an error of its own."""
        self._put("fails", {NAMES[side]: share / 100})

    def kill(self, side: str) -> None:
        """Nobody can."""
        raise Failed(f"killing {side.upper()}: a load balancer of AWS is no process; let it fail instead")

    def stop(self) -> None:
        """End everything that was started here. May be repeated."""
        self._account.stop()
        self._apps.stop()


def _flat(prefix: str, given: object) -> Iterator[tuple[str, str]]:
    """Arguments as the query protocol has them."""
    if isinstance(given, dict):
        for key, one in given.items():
            yield from _flat(f"{prefix}.{key}" if prefix else key, one)
    elif isinstance(given, list):
        for number, one in enumerate(given, 1):
            yield from _flat(f"{prefix}.member.{number}", one)
    else:
        yield prefix, str(given)
