"""`model.Balancer` over one load balancer of an account; what happens at AWS later is for its looks to say."""

import json

from lbmigrate.aws import Reach
from lbmigrate.balancers.elbv2 import building, copying, guarding, reading, removing
from lbmigrate.balancers.elbv2.api import Api, Thing
from lbmigrate.errors import Refused
from lbmigrate.model import Blueprint, Listen, Look, Side

UP = ("active", "active_impaired")


class Elbv2:
    """One side at AWS (model.Balancer). Nothing is kept between two calls but the connections."""

    def __init__(self, side: Side) -> None:
        place = dict(side.place)
        self._side = side
        self._which, self._migration = place.get("side", "b"), place.get("migration", "")
        self._name, self._arn = place.get("name", ""), place.get("arn", "")
        self._api = Api(Reach(place.get("region", ""), place.get("profile", ""), place.get("endpoint", "")))

    def _there(self) -> Thing | None:
        return reading.find(self._api, self._name, self._arn)

    def describe(self) -> Blueprint:
        """The balancer with all that belongs to it. Raises Refused for what cannot be moved, Denied, Unreachable."""
        there = self._there()
        if there is None:
            raise Refused(
                f"reading the load balancer {self._name or self._arn}: there is none; correct name and region"
            )
        document = reading.document(self._api, there)
        self._addressed(there)
        backends = reading.backends(self._api, reading.groups_of(self._api, there["LoadBalancerArn"]))
        listens = tuple(Listen("*", one["Port"], one["Protocol"] in ("HTTPS", "TLS")) for one in document["listeners"])
        return Blueprint("elbv2", self._side.addresses, listens, backends, json.dumps(document, sort_keys=True))

    def _addressed(self, there: Thing) -> None:
        """Addresses that DNS may hold must stay its own."""
        if self._side.addresses and there["Type"] == "application":
            raise Refused(
                f"reading {there['LoadBalancerName']}: the addresses of an Application Load Balancer do not stay; names"
                " lead to it by alias or CNAME, which is not in this version"
            )

    def check(self, plan: Blueprint) -> None:
        """What AWS lets us know beforehand: names, addresses, whose B is. Raises Refused, Denied, Unreachable."""
        document = self._document(plan)
        name = copying.named(self._name)
        if building.mine(self._api, document, name, self._migration) is None:
            building.mappings(self._api, document, self._side.addresses)

    def _document(self, plan: Blueprint) -> Thing:
        if plan.driver != "elbv2":
            raise Refused(f"making a load balancer after {plan.driver}: only a load balancer can be copied")
        found: Thing = json.loads(plan.text)
        return found

    def stand_up(self, plan: Blueprint) -> None:
        """Made, with every group, target, listener and rule as on A; A marked and protected. Raises as `check`."""
        api, document, migration = self._api, self._document(plan), self._migration
        arn = building.balancer(api, document, copying.named(self._name), self._side.addresses, migration)
        guarding.guard(api, document, arn, migration)
        copies = building.groups(api, document, migration)
        building.listeners(api, document, arn, copies, migration)
        building.settings(api, document, arn)

    def look(self) -> Look:
        """Up once AWS calls it active; every target as AWS finds it. Without counters: these come minutes late."""
        there = self._there()
        if there is None or there["State"]["Code"] not in UP:
            return Look(up=False)
        arn = there["LoadBalancerArn"]
        return Look(True, arn, reading.backends(self._api, reading.groups_of(self._api, arn)))

    def stop(self) -> None:
        """B is taken down with all that we made; A is retired for good. Raises Refused, Denied, Unreachable."""
        if self._which == "b":
            removing.take_down(self._api, self._name, self._migration)
        else:
            removing.retire(self._api, self._there(), f"retiring {self._name or self._arn}", self._migration)
