"""The health check of a Classic Load Balancer as a target group has it. Pure."""

import re

from lbmigrate.balancers.elbv2.api import Thing
from lbmigrate.errors import Refused

_TARGET = re.compile(r"(HTTP|HTTPS|TCP|SSL):(\d+)(/.*)?")


def check(given: Thing, kind: str, about: str) -> Thing:
    """The settings of a group. Raises Refused for a check that `kind` does not have."""
    found = _TARGET.fullmatch(given["Target"])
    if found is None:
        raise Refused(f"{about}: its health check {given['Target']!r} is of no known form")
    protocol, port, path = found.groups()
    if protocol == "SSL" or (protocol == "TCP" and kind == "application"):
        ways = "HTTP and HTTPS" if kind == "application" else "TCP, HTTP and HTTPS"
        raise Refused(
            f"{about}: its health check is {given['Target']}, and {kind} load balancers check by {ways} only;"
            " give it such a check first, and see that the instances pass it"
        )
    asked = {} if protocol == "TCP" else {"HealthCheckPath": path, "Matcher": {"HttpCode": "200"}}
    return {
        "HealthCheckEnabled": True,
        "HealthCheckProtocol": protocol,
        "HealthCheckPort": port,
        "HealthCheckIntervalSeconds": given["Interval"],
        "HealthCheckTimeoutSeconds": given["Timeout"],
        "HealthyThresholdCount": given["HealthyThreshold"],
        "UnhealthyThresholdCount": given["UnhealthyThreshold"],
        **asked,
    }
