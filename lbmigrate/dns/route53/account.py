"""What an account has beside its `dns:` entries, for `discover`: hosted zones without one, distributions."""

import contextlib
from collections.abc import Iterator, Sequence

from lbmigrate import cloudfront
from lbmigrate.aws import Reach
from lbmigrate.cloudfront import Distribution
from lbmigrate.dns.records import text_of
from lbmigrate.dns.route53 import names
from lbmigrate.dns.route53.api import REGION, Api, HostedZone
from lbmigrate.dns.route53.listing import owner
from lbmigrate.spec import Dns
from lbmigrate.value import replace

TIMEOUT = 5.0  # seconds for one page


def others(entries: Sequence[Dns]) -> tuple[Dns, ...]:
    """An entry for each of them, reached as the zones of the account that have one; its `view` is the zone's id.

    Raises Unreachable, Denied.
    """
    accounts = {(one.profile, one.role, one.endpoint): one for one in entries}
    known = {one.zone_id for one in entries} - {""}
    named = {(owner(one.zone), one.private) for one in entries if not one.zone_id}
    found: dict[str, Dns] = {}
    for one in accounts.values():
        for zone in _zones(one):
            if zone.id not in known and not named & {(zone.name, None), (zone.name, zone.private)}:
                name = text_of(names.parse(zone.name))
                found[zone.id] = replace(one, zone=name, zone_id=zone.id, private=None, view=zone.id, addresses=())
    return tuple(found.values())


def distributions(entries: Sequence[Dns]) -> Iterator[Distribution]:
    """The CloudFront distributions of the accounts that these zones are in. Raises Denied, Unreachable."""
    for one in dict.fromkeys(Reach(REGION, one.profile, one.endpoint, one.role, one.external_id) for one in entries):
        yield from cloudfront.distributions(one)


def _zones(entry: Dns) -> Iterator[HostedZone]:
    with contextlib.closing(Api(entry, TIMEOUT)) as api:
        yield from api.every()
