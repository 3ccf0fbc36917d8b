"""What health does to the split: said before names with health checks or aliases are moved."""

from collections.abc import Iterator, Sequence

from lbmigrate.dns.route53.api import Set
from lbmigrate.dns.route53.listing import Name


def told(found: Sequence[Name]) -> list[str]:
    """A line for each set by whose health a weight may not be what is served."""
    return [line for name in found for one in name.sets for line in _told(name.held.name, one)]


def _told(name: str, one: Set) -> Iterator[str]:
    about = f"{name} {one['Type']}"
    if target := one.get("AliasTarget"):
        if target["EvaluateTargetHealth"]:
            yield (f"{about}: alias to {target['DNSName']} with EvaluateTargetHealth, and B's will have it too: a side"
                   " whose balancer has an empty or unhealthy target group is left out of the answers, and the weights"
                   " are then not what is served (where both are unhealthy, both are answered)")  # fmt: skip
        else:
            yield (f"{about}: alias to {target['DNSName']} without EvaluateTargetHealth, and B's will be so too: the"
                   " weights are served whatever the balancers' health")  # fmt: skip
    if check := one.get("HealthCheckId"):
        yield (f"{about}: health check {check} stays with A's set and B's has none: while the check fails Route 53"
               " answers B alone, and the weights are then not what is served")  # fmt: skip
