"""What CloudWatch counted of one balancer, and up to when: it tells minutes later, and of a quiet balancer little.

A metric that is not told is zero only where a later period of one that AWS always reports is there ("Reporting
criteria" of the metrics, ELB user guides). Sums begin at a fixed day, so that every look counts from the same moment:
hours that are over as hours, the last ones as minutes, which CloudWatch keeps for 15 days.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from lbmigrate.balancers.elbv2.api import Api, Thing
from lbmigrate.value import value

MINUTE, HOUR, SPAN = 60, 3600, 7 * 86400  # seconds; a new count begins with each span
FRESH = 15.0  # seconds that an answer is kept: a new minute is told once a minute
ALB = "RequestCount", "HTTP_Redirect_Count", "HTTP_Fixed_Response_Count"  # an answer is in one of these
FAILED = "HTTPCode_ELB_5XX_Count", "HTTPCode_Target_5XX_Count"
ALWAYS = {"application": "ConsumedLCUs", "network": "NewFlowCount"}
SPACE = {"application": "AWS/ApplicationELB", "network": "AWS/NetworkELB"}
Series = Mapping[str, Mapping[float, float]]  # by metric: the period's begin, Unix seconds, and what it holds


@value
class Counts:
    """Requests and errors since `began` (Unix seconds), up to `as_of`. `active`: flows that were open all the minute.

    Application Load Balancers count connections to targets among the active ones, ours too: None.
    """

    began: float
    as_of: float
    requests: int
    errors: int | None
    active: int | None


def counts(api: Api, balancer: Thing, now: float) -> Counts | None:
    """What is known by `now`, None while CloudWatch tells of no period yet. Raises Denied, Unreachable."""
    kind = balancer["Type"]
    first = now // HOUR * HOUR - HOUR
    minutes = series(api, [*_queries(balancer, MINUTE)], first, now)
    if not (told := minutes[ALWAYS[kind]]):
        return None
    until = max(told)
    began = until // SPAN * SPAN
    hours = series(api, [*_queries(balancer, HOUR)], began, first) if began < first else {}
    wanted = ALB if kind == "application" else ("NewFlowCount",)
    sums = [total(hours, names, 0, until) + total(minutes, names, began, until) for names in (wanted, FAILED)]
    errors = sums[1] if kind == "application" else None
    return Counts(began, until, sums[0], errors, _active(minutes, until) if kind == "network" else None)


def total(told: Series, names: tuple[str, ...], since: float, until: float) -> int:
    """Of the periods that are told whole: those before `until`."""
    held = [told.get(name, {}) for name in names]
    return round(sum(count for each in held for at, count in each.items() if since <= at < until))


def _active(series: Series, until: float) -> int:
    """In each zone the fewest flows of the last whole minute: those that come and go are not in it."""
    zones = [each for name, each in series.items() if name.startswith("ActiveFlowCount")]
    return round(sum(each.get(until - MINUTE, 0.0) for each in zones))


def series(api: Api, queries: list[Thing], start: float, end: float) -> dict[str, dict[float, float]]:
    """What each query finds from one moment to another, by its label. Raises Denied, Unreachable."""
    given: Thing = {"StartTime": _moment(start), "EndTime": _moment(end), "ScanBy": "TimestampAscending"}
    found: dict[str, dict[float, float]] = {query["Label"]: {} for query in queries}
    token: Thing = {}
    while True:
        page = api.do("get_metric_data", "cloudwatch", MetricDataQueries=queries, **given, **token)
        for one in page["MetricDataResults"]:
            pairs = zip(one["Timestamps"], one["Values"], strict=True)
            found[one["Label"]] |= {at.timestamp(): float(count) for at, count in pairs}
        if not page.get("NextToken"):
            return found
        token = {"NextToken": page["NextToken"]}


def _queries(balancer: Thing, period: int) -> list[Thing]:
    kind = balancer["Type"]
    sums = (*ALB, *FAILED, ALWAYS[kind]) if kind == "application" else (ALWAYS[kind],)
    asked: list[tuple[str, str, list[Thing]]] = [(name, "Sum", []) for name in sums]
    if kind == "network" and period == MINUTE:
        zones = [one["ZoneName"] for one in balancer["AvailabilityZones"]]
        asked += [("ActiveFlowCount", "Minimum", [{"Name": "AvailabilityZone", "Value": one}]) for one in zones]
    which = {"Name": "LoadBalancer", "Value": balancer["LoadBalancerArn"].partition(":loadbalancer/")[2]}
    return [
        query(f"m{n}", period, metric, stat, SPACE[kind], [which, *more])
        for n, (metric, stat, more) in enumerate(asked)
    ]


def query(name: str, period: int, metric: str, stat: str, space: str, about: list[Thing]) -> Thing:
    """One query of GetMetricData; its label is the metric with the values of all but its first dimension."""
    label = " ".join([metric, *(one["Value"] for one in about[1:])])
    which = {"Namespace": space, "MetricName": metric, "Dimensions": about}
    return {"Id": name, "Label": label, "MetricStat": {"Metric": which, "Period": period, "Stat": stat}}


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
