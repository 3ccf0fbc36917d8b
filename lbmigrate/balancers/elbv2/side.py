"""`model.Balancer` over one load balancer of an account; what happens at AWS later is for its looks to say."""

import json
import time
from collections.abc import Callable

from lbmigrate.aws import Reach
from lbmigrate.balancers.elbv2 import building, copying, counting, guarding, reading, removing, scaling
from lbmigrate.balancers.elbv2.api import Api, Thing
from lbmigrate.balancers.elbv2.counting import FRESH, Counts
from lbmigrate.discover import User
from lbmigrate.errors import Refused
from lbmigrate.model import Blueprint, Endpoint, Listen, Look, Side
from lbmigrate.value import replace

FAMILIES = {"ipv4": ("A",), "dualstack": ("A", "AAAA"), "dualstack-without-public-ipv4": ("AAAA",)}
REACH = ("region", "profile", "endpoint", "role", "external_id")  # what of its place says how AWS is reached
UP = ("active", "active_impaired")


def reach(side: Side) -> Reach:
    """How the API of a side is reached."""
    return Reach(**{key: text for key, text in side.place if key in REACH})


class Elbv2:
    """One side at AWS (model.Balancer). Nothing is kept between two calls but connections, and counts for a moment."""

    def __init__(self, side: Side, clock: Callable[[], float] = time.time) -> None:
        place = dict(side.place)
        self._side = side
        self._which, self._migration = place.get("side", "b"), place.get("migration", "")
        self._name, self._arn = place.get("name", ""), place.get("arn", "")
        self._api = Api(reach(side))
        self._clock = clock
        self._counted: tuple[str, float, Counts | None] = ("", 0.0, None)

    def located(self) -> Side:
        """The side with what AWS calls it. Raises Refused where it is not there, Denied, Unreachable."""
        there = self._needed()
        return replace(
            self._side,
            hostname=there["DNSName"].lower() + ".",
            alias_zone=there["CanonicalHostedZoneId"],
            families=FAMILIES[there.get("IpAddressType", "ipv4")],
        )

    def users(self) -> list[User]:
        """What registers targets with it. Raises Refused where it is not there, Denied, Unreachable."""
        groups = reading.groups_of(self._api, self._needed()["LoadBalancerArn"])
        fed = scaling.of_kind(groups, scaling.SCALED)
        names = {one["TargetGroupArn"]: one["TargetGroupName"] for one in groups if one["TargetGroupArn"] in fed}
        return scaling.users(self._api, names, scaling.of_kind(groups, scaling.SERVED))

    def _needed(self) -> Thing:
        there = self._there()
        if there is None:
            about = f"reading the load balancer {self._name or self._arn}"
            raise Refused(f"{about}: there is none; correct name and region")
        return there

    def _there(self) -> Thing | None:
        return reading.find(self._api, self._name, self._arn)

    def describe(self) -> Blueprint:
        """The balancer with all that belongs to it. Raises Refused for what cannot be moved, Denied, Unreachable."""
        there = self._needed()
        if self._side.addresses and there["Type"] == "application":
            about = f"reading {there['LoadBalancerName']}"
            raise Refused(f"{about}: an Application Load Balancer's addresses do not stay; leave `addresses` out")
        document = reading.document(self._api, there)
        backends = reading.backends(self._api, reading.groups_of(self._api, there["LoadBalancerArn"]))
        listens = tuple(Listen("*", one["Port"], one["Protocol"] in ("HTTPS", "TLS")) for one in document["listeners"])
        return Blueprint("elbv2", self._side.addresses, listens, backends, json.dumps(document, sort_keys=True))

    def check(self, plan: Blueprint) -> None:
        """What AWS lets us know beforehand: names, addresses, whose B is. Raises Refused, Denied, Unreachable."""
        document = self._document(plan)
        name = copying.named(self._name)
        self._fits(document)
        if building.mine(self._api, document, name, self._migration) is None:
            building.mappings(self._api, document, self._side.addresses)

    def _fits(self, document: Thing) -> None:
        scaling.refuse(document, self._name)
        if self._side.addresses and document["balancer"]["Type"] == "application":
            about = f"making {self._name}"
            raise Refused(f"{about}: an Application Load Balancer's addresses do not stay; leave `addresses` out")

    def advice(self, plan: Blueprint) -> tuple[str, ...]:
        """What is done about who else registers targets with A. Raises Refused."""
        return scaling.advice(self._document(plan))

    def _document(self, plan: Blueprint) -> Thing:
        if plan.driver != "elbv2":
            raise Refused(f"making a load balancer after {plan.driver}: only a load balancer can be copied")
        found: Thing = json.loads(plan.text)
        return found

    def stand_up(self, plan: Blueprint) -> Endpoint | None:
        """Made, with every group, target, listener and rule as on A; A marked and protected. Raises as `check`."""
        api, document, migration = self._api, self._document(plan), self._migration
        self._fits(document)
        arn = building.balancer(api, document, copying.named(self._name), self._side.addresses, migration)
        guarding.guard(api, document, arn, migration)
        copies = building.groups(api, document, migration)
        building.listeners(api, document, arn, copies, migration)
        building.settings(api, document, arn)
        if document["scaling"]:
            scaling.attach(api, [(one.get("source", one["arn"]), copies[one["arn"]]) for one in document["groups"]])
        if self._side.addresses:
            return None
        now = self.located()
        return Endpoint(now.hostname, now.alias_zone)

    def look(self) -> Look:
        """Up once AWS calls it active; every target as AWS finds it; counters as CloudWatch has them, minutes late.

        Raises Denied, Unreachable.
        """
        there = self._there()
        if there is None or there["State"]["Code"] not in UP:
            return Look(up=False)
        arn = there["LoadBalancerArn"]
        backends = reading.backends(self._api, reading.groups_of(self._api, arn))
        if (told := self._counts(there)) is None:
            return Look(True, arn, backends)
        process = f"{arn} since {told.began:.0f}"
        return Look(True, process, backends, told.requests, told.errors, active=told.active, as_of=told.as_of)

    def _counts(self, there: Thing) -> Counts | None:
        arn, now = there["LoadBalancerArn"], self._clock()
        if arn != self._counted[0] or not 0 <= now - self._counted[1] < FRESH:
            self._counted = (arn, now, counting.counts(self._api, there, now))
        return self._counted[2]

    def empty(self) -> None:
        """A stays without targets, as its owner had it but for that. Raises Refused, Denied, Unreachable."""
        removing.empty(self._api, self._there(), f"emptying {self._name or self._arn}", self._migration)

    def stop(self) -> None:
        """B is taken down with all that we made; A is retired for good. Raises Refused, Denied, Unreachable."""
        if self._which == "b":
            removing.take_down(self._api, self._name, self._migration)
        else:
            removing.retire(self._api, self._there(), f"retiring {self._name or self._arn}", self._migration)
