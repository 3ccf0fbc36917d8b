"""A listener's policies as elbv2 has them: which sessions stick, and how TLS is negotiated. Pure."""

from collections.abc import Collection, Mapping

from lbmigrate.balancers.elbv2.api import Thing
from lbmigrate.errors import Refused

WEEK = 7 * 86400  # seconds, the longest that a session sticks at an Application Load Balancer
SAME = ("ELBSecurityPolicy-2016-08", "ELBSecurityPolicy-TLS-1-1-2017-01", "ELBSecurityPolicy-TLS-1-2-2017-01")
RESERVED = ("AWSALB", "AWSALBAPP", "AWSALBTG")  # names of cookies that are the balancer's own
STICKY = {"LBCookieStickinessPolicyType", "AppCookieStickinessPolicyType"}
REFERENCE = "Reference-Security-Policy"
SSL = "SSLNegotiationPolicyType"
BACKWARD = {  # policies of an instance's port
    "ProxyProtocolPolicyType": "sends the PROXY protocol in version 1, and Network Load Balancers send version 2",
    "BackendServerAuthenticationPolicyType": "checks the instances' certificates, which load balancers of today do not",
}
Policies = Mapping[str, Thing]


def sticky(names: Collection[str], policies: Policies, about: str) -> dict[str, str]:
    """The attributes of the group, none where sessions do not stick. Raises Refused, for an unknown policy too."""
    for name in names:
        if (kind := policies[name]["type"]) not in {*STICKY, SSL}:
            raise Refused(f"{about}: it has the policy {name} of the type {kind}, which is not known here; take it off")
    for one in (policies[name] for name in names):
        if one["type"] == "LBCookieStickinessPolicyType":
            return _by_balancer(one["attributes"], about)
        if one["type"] == "AppCookieStickinessPolicyType":
            return _by_application(one["attributes"]["CookieName"], about)
    return {}


def _by_balancer(attributes: Mapping[str, str], about: str) -> dict[str, str]:
    seconds = int(attributes.get("CookieExpirationPeriod") or 0)
    if seconds > WEEK:
        raise Refused(f"{about}: its sessions stick for {seconds} s, at an Application Load Balancer {WEEK} s at most")
    held = {"stickiness.enabled": "true", "stickiness.type": "lb_cookie"}
    return {**held, "stickiness.lb_cookie.duration_seconds": str(seconds or WEEK)}


def _by_application(cookie: str, about: str) -> dict[str, str]:
    if cookie in RESERVED:
        raise Refused(f"{about}: its sessions stick by the cookie {cookie}, a name that AWS keeps for itself")
    return {
        "stickiness.enabled": "true",
        "stickiness.type": "app_cookie",
        "stickiness.app_cookie.cookie_name": cookie,
        "stickiness.app_cookie.duration_seconds": str(WEEK),
    }


def unlike(names: Collection[str], policies: Policies, where: str) -> list[str]:
    """What of the stickiness is not quite the same, in words."""
    found = []
    for one in (policies[name] for name in names):
        if one["type"] == "AppCookieStickinessPolicyType":
            cookie = one["attributes"]["CookieName"]
            found.append(f"{where}: sessions stick as long as the cookie {cookie} lives; at B for a week at most")
        elif one["type"] in STICKY and not int(one["attributes"].get("CookieExpirationPeriod") or 0):
            found.append(f"{where}: sessions stick until the browser is closed; at B for a week")
    return found


def negotiation(names: Collection[str], policies: Policies, about: str) -> str:
    """The security policy of a secure listener. Raises Refused for one that is not there under the same name."""
    mine = [name for name in names if policies[name]["type"] == SSL]
    held = policies[mine[0]]["attributes"] if mine else {REFERENCE: SAME[0]}  # what a listener without one has
    reference: str = held.get(REFERENCE, "")
    if reference not in SAME:
        what = f"is {reference}, which is no more" if reference else f"{mine[0]} is of its owner's own making"
        raise Refused(
            f"{about}: its security policy {what}, and B cannot have the same; give it one of {', '.join(SAME)}"
        )
    return reference


def backward(given: Collection[Thing], policies: Policies, about: str) -> None:
    """Raise Refused for policies of instances' ports."""
    for one in given:
        for name in one.get("PolicyNames", ()):
            kind = policies[name]["type"]
            why = BACKWARD.get(kind, f"has the policy {name} of the type {kind}, which is not known here")
            raise Refused(f"{about}: at the instances' port {one['InstancePort']} it {why}; take the policy off first")
