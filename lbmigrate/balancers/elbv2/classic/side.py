"""`model.Balancer` over a Classic Load Balancer, which is only ever A: B is made by elbv2 after its document."""

import json
import time
from collections.abc import Callable

from lbmigrate.balancers.elbv2 import scaling
from lbmigrate.balancers.elbv2.api import Api, Thing
from lbmigrate.balancers.elbv2.classic import counting, guarding, reading, translating
from lbmigrate.balancers.elbv2.counting import FRESH, Counts
from lbmigrate.discover import User
from lbmigrate.errors import Refused
from lbmigrate.model import Blueprint, Endpoint, Listen, Look, Side
from lbmigrate.value import replace


class Classic:
    """A at AWS (model.Balancer). Nothing is kept between two calls but connections, and counts for a moment."""

    def __init__(self, side: Side, api: Api, clock: Callable[[], float] = time.time) -> None:
        place = dict(side.place)
        self._side, self._api, self._clock = side, api, clock
        self._name, self._migration = place["name"], place.get("migration", "")
        self._counted: tuple[str, float, Counts | None] = ("", 0.0, None)

    def located(self) -> Side:
        """The side with what AWS calls it. Raises Refused where it is not there, Denied, Unreachable."""
        there = self._needed()
        zone = there.get("CanonicalHostedZoneNameID", "")
        return replace(self._side, hostname=f"{there['DNSName'].lower()}.", alias_zone=zone, families=("A",))

    def users(self) -> list[User]:
        """What registers instances with it. Raises Refused where it is not there, Denied, Unreachable."""
        source = translating.source(self._needed()["LoadBalancerName"])
        return scaling.users(self._api, {source: self._name}, {source})

    def _needed(self) -> Thing:
        there = reading.find(self._api, self._name)
        if there is None:
            raise Refused(
                f"reading the Classic Load Balancer {self._name}: there is none; correct name and region, or remove"
                " `classic`"
            )
        return there

    def describe(self) -> Blueprint:
        """It as the balancer that B is to be. Raises Refused for what B cannot be, Denied, Unreachable."""
        raw = reading.whole(self._api, self._needed())
        document = translating.document(raw)
        sources, arns = {translating.source(self._name)}, [one["arn"] for one in document["groups"]]
        fed = [{**one, "feeds": arns} for one in scaling.feeding(self._api, sources)]
        document |= {"scaling": fed, "services": scaling.services(self._api, sources)}
        listens = tuple(Listen("*", one["Port"], one["Protocol"] in ("HTTPS", "TLS")) for one in document["listeners"])
        pools = [(one["pool"], one["settings"]["Port"]) for one in document["groups"]]
        backends = reading.backends(pools, raw["health"])
        return Blueprint("elbv2", (), listens, backends, json.dumps(document, sort_keys=True))

    def check(self, plan: Blueprint) -> None:
        """Never asked of A. Raises Refused."""
        self.stand_up(plan)

    def stand_up(self, plan: Blueprint) -> Endpoint | None:
        """Never asked of A. Raises Refused."""
        raise Refused(f"making a Classic Load Balancer after {plan.driver}: they are not made any more")

    def look(self) -> Look:
        """Up while it is there; instances as it finds them; counters minutes late. Raises Denied, Unreachable."""
        there = reading.find(self._api, self._name)
        if there is None:
            return Look(up=False)
        backends = reading.backends(translating.pools(there), reading.health(self._api, self._name))
        identity = translating.identity(there)
        if (told := self._counts(there, identity)) is None:
            return Look(True, identity, backends)
        process = f"{identity} since {told.began:.0f}"
        return Look(True, process, backends, told.requests, told.errors, active=told.active, as_of=told.as_of)

    def _counts(self, there: Thing, identity: str) -> Counts | None:
        now = self._clock()
        if identity != self._counted[0] or not 0 <= now - self._counted[1] < FRESH:
            self._counted = (identity, now, counting.counts(self._api, there, now))
        return self._counted[2]

    def empty(self) -> None:
        """It stays without instances, as its owner had it but for that. Raises Refused, Denied, Unreachable."""
        about = f"emptying the Classic Load Balancer {self._name}"
        guarding.empty(self._api, reading.find(self._api, self._name), about, self._migration)

    def stop(self) -> None:
        """Retired for good. Raises Refused, Denied, Unreachable."""
        about = f"retiring the Classic Load Balancer {self._name}"
        guarding.retire(self._api, reading.find(self._api, self._name), about, self._migration)
