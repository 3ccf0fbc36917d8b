"""CloudWatch of the laboratory's account: what balancers did, minute by minute, told a settable time later.

As of the user guides: a metric whose value is zero is not reported, but for ConsumedLCUs and the flows of a Network
Load Balancer, which always are.
"""

from collections.abc import Callable

from lbmigrate.lab.elb.state import Thing, World
from lbmigrate.lab.elb.wire import ApiError

MINUTE = 60
ALWAYS = ("ConsumedLCUs", "NewFlowCount", "ActiveFlowCount")
SPACES = {"AWS/ApplicationELB": "application", "AWS/NetworkELB": "network"}
STATS: dict[str, Callable[[list[float]], float]] = {"Sum": sum, "Minimum": min, "Maximum": max}
MOST_POINTS = 100_800  # of one request


def count(world: World, arn: str, metric: str, number: int = 1) -> None:
    """Note what happened just now."""
    held = world.counted.setdefault((arn, metric), {})
    minute = int(world.clock() // MINUTE)
    held[minute] = held.get(minute, 0) + number


def get_metric_data(world: World, given: Thing) -> Thing:
    """A page for every query."""
    start, end = given["StartTime"], given["EndTime"]
    queries, n = given["MetricDataQueries"], int(given.get("NextToken", "0"))
    if start >= end or len({one["Id"] for one in queries}) < len(queries):
        raise ApiError("ValidationError", "StartTime must be before EndTime, and every Id its own")
    points = _points(world, queries[n]["MetricStat"], start, end)
    if len(points) > MOST_POINTS:
        raise ApiError("ValidationError", "too many points")
    result = {"Id": queries[n]["Id"], "Label": queries[n]["Label"], "StatusCode": "Complete",
              "Timestamps": [at for at, _ in points], "Values": [held for _, held in points]}  # fmt: skip
    more = {"NextToken": str(n + 1)} if n + 1 < len(queries) else {}
    return {"MetricDataResults": [result], "Messages": [], **more}


def _points(world: World, asked: Thing, start: float, end: float) -> list[tuple[float, float]]:
    """Period by period what is told of the minutes in it, by one of the statistics."""
    period, stat = asked["Period"], asked["Stat"]
    if period < MINUTE or period % MINUTE or stat not in STATS:
        raise ApiError("ValidationError", f"period {period}, statistic {stat}")
    told: dict[float, list[float]] = {}
    for minute, held in _minutes(world, asked["Metric"]).items():
        at = minute * MINUTE // period * period
        if start <= at < end and world.clock() >= (minute + 1) * MINUTE + world.delays.metrics:
            told.setdefault(float(at), []).append(held)
    return [(at, STATS[stat](each)) for at, each in sorted(told.items())]


def _minutes(world: World, metric: Thing) -> dict[int, float]:
    """What a metric holds; nothing of one that nobody publishes."""
    about = {one["Name"]: one["Value"] for one in metric["Dimensions"]}
    name, kind = metric["MetricName"], SPACES.get(metric["Namespace"], "")
    if metric["Namespace"] == "AWS/ELB":
        return _classic(world, about["LoadBalancerName"], name)
    mine = [one for arn, one in world.balancers.items() if arn.endswith(f":loadbalancer/{about.get('LoadBalancer')}")]
    if not mine or mine[0]["Type"] != kind:
        return {}
    zone = f" {about['AvailabilityZone']}" if "AvailabilityZone" in about else ""
    held: dict[int, float] = dict(world.counted.get((mine[0]["LoadBalancerArn"], f"{name}{zone}"), {}))
    if name not in ALWAYS or (name == "ConsumedLCUs") != (kind == "application"):
        return held
    since = int(max(mine[0]["CreatedTime"], world.clock() - 15 * 86400) // MINUTE)
    return {**dict.fromkeys(range(since, int(world.clock() // MINUTE) + 1), 0.0), **held}


def _classic(world: World, balancer: str, name: str) -> dict[int, float]:
    """Of a Classic Load Balancer, counted under `classic/` and its name: how many are healthy is always told."""
    there = world.classics.get(balancer)
    if there is None:
        return {}
    if name != "HealthyHostCount":
        return dict(world.counted.get((f"classic/{balancer}", name), {}))
    since, now = int(there["CreatedTime"] // MINUTE), int(world.clock() // MINUTE)
    return dict.fromkeys(range(since, now + 1), float(len(there["Instances"]))) if there["Instances"] else {}
