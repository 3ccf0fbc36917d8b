"""What CloudWatch counted of a Classic Load Balancer, as `elbv2.counting` tells it of the others.

HealthyHostCount is told while instances are registered, whatever the load is; all else only where it is not zero.
RequestCount has what was answered by instances (HTTP) or the connections made to them (TCP); what the balancer
answered itself is counted apart (CLB user guide, "CloudWatch metrics for your Classic Load Balancer").
"""

from lbmigrate.balancers.elbv2.api import Api, Thing
from lbmigrate.balancers.elbv2.counting import HOUR, MINUTE, SPAN, Counts, query, series, total

HTTP = "RequestCount", "HTTPCode_ELB_4XX", "HTTPCode_ELB_5XX"
TCP = "RequestCount", "SpilloverCount"
FAILED = "HTTPCode_ELB_5XX", "HTTPCode_Backend_5XX"
ALWAYS, QUEUE = "HealthyHostCount", "SurgeQueueLength"


def counts(api: Api, there: Thing, now: float) -> Counts | None:
    """What is known by `now`, None while CloudWatch tells of no period yet. Raises Denied, Unreachable.

    `active`: requests that wait for an instance, None where there are none: open connections are not told.
    """
    first = now // HOUR * HOUR - HOUR
    minutes = series(api, _queries(there, MINUTE), first, now)
    if not (told := minutes[ALWAYS]):
        return None
    until = max(told)
    began = until // SPAN * SPAN
    hours = series(api, _queries(there, HOUR), began, first) if began < first else {}
    http = there["ListenerDescriptions"][0]["Listener"]["Protocol"] in ("HTTP", "HTTPS")
    requests, errors = (
        total(hours, names, 0, until) + total(minutes, names, began, until) for names in (HTTP if http else TCP, FAILED)
    )
    return Counts(
        began, until, requests, errors if http else None, round(minutes[QUEUE].get(until - MINUTE, 0)) or None
    )


def _queries(there: Thing, period: int) -> list[Thing]:
    asked = [(name, "Sum") for name in dict.fromkeys((*HTTP, *TCP, *FAILED))]
    asked += [(ALWAYS, "Minimum"), (QUEUE, "Maximum")]
    which = [{"Name": "LoadBalancerName", "Value": there["LoadBalancerName"]}]
    return [query(f"m{n}", period, name, stat, "AWS/ELB", which) for n, (name, stat) in enumerate(asked)]
