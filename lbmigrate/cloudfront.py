"""The distributions of an account's CloudFront and the hosts that they fetch from, for `discover`."""

import time
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]
from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]

from lbmigrate import aws
from lbmigrate.aws import Busy, Reach
from lbmigrate.errors import Unreachable
from lbmigrate.value import value

TIMEOUT = 10.0  # seconds for one page
DUALSTACK = "dualstack."  # before the name of a load balancer, it leads to the same


@value
class Distribution:
    """One of them: its id, the names that it serves (`d….cloudfront.net` first), and the hosts of its origins."""

    id: str
    names: tuple[str, ...]
    origins: tuple[str, ...]


def distributions(reach: Reach) -> Iterator[Distribution]:
    """Every distribution of the account (ListDistributions, 100 a page). Raises Denied, Unreachable."""
    about = f"cloudfront list distributions at AWS{f' at {reach.endpoint}' if reach.endpoint else ''}"
    marker: dict[str, str] = {}
    try:
        made = aws.client("cloudfront", reach, TIMEOUT)
        while True:
            page = aws.patiently(time.sleep)(aws.once, made, "list_distributions", marker)["DistributionList"]
            yield from map(_read, page.get("Items", ()))
            if not page["IsTruncated"]:
                return
            marker = {"Marker": page["NextMarker"]}
    except Busy as busy:
        raise Unreachable(f"{about}: {busy}; others use up the account's requests") from busy
    except (ClientError, BotoCoreError, ResponseParserError) as wrong:
        raise aws.error(about, wrong, "the profile and the key's IAM policy (cloudfront:ListDistributions)") from wrong


def _read(given: dict[str, Any]) -> Distribution:
    hosts = [str(one["DomainName"]).lower().rstrip(".") for one in given["Origins"].get("Items", ())]
    origins = dict.fromkeys(f"{host.removeprefix(DUALSTACK)}." for host in hosts)
    return Distribution(given["Id"], (given["DomainName"], *given.get("Aliases", {}).get("Items", ())), tuple(origins))
