"""What CloudWatch counted: late, by whole minutes, and quiet told apart from not known yet."""

from collections.abc import Iterator

import pytest
from elbs import KEYS, Account, Hand, account, application, network

from lbmigrate import aws
from lbmigrate.balancers.elbv2 import reading
from lbmigrate.balancers.elbv2.api import Api, Thing
from lbmigrate.balancers.elbv2.counting import HOUR, SPAN, Counts, counts
from lbmigrate.errors import Denied
from lbmigrate.lab.elb import metrics

MINUTE = 60.0
DAY = 1_790_000_000.0 // SPAN * SPAN  # where a span begins


@pytest.fixture
def one(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for key, text in KEYS.items():
        monkeypatch.setenv(key, text)
    with account() as found:
        found.world.delays.metrics = 120.0
        yield found


class Counted:
    """A balancer that does things at a time of a clock."""

    def __init__(self, one: Account, arn: str, begun: float) -> None:
        self.one, self.arn = one, arn
        self.api = Api(aws.Reach("us-east-1", "", one.endpoint))
        assert isinstance(one.world.clock, Hand)
        self.clock = one.world.clock
        one.world.balancers[arn]["CreatedTime"] = begun
        self.clock.now = begun

    def at(self, seconds: float, **done: int) -> None:
        self.clock.now = seconds
        for metric, number in done.items():
            metrics.count(self.one.world, self.arn, metric, number)

    def now(self, seconds: float) -> Counts | None:
        self.clock.now = seconds
        return counts(self.api, self.there(), seconds)

    def there(self) -> Thing:
        found = reading.find(self.api, "", self.arn)
        assert found is not None
        return found


@pytest.fixture
def alb(one: Account) -> Counted:
    return Counted(one, application(one, "a"), DAY)


def test_what_is_not_told_yet_is_not_known_and_what_is_quiet_is_zero(alb: Counted) -> None:
    assert alb.now(DAY + 179) is None
    assert alb.now(DAY + 180) == Counts(DAY, DAY, 0, 0, None)
    assert alb.now(DAY + 299) == Counts(DAY, DAY + 60, 0, 0, None)


def test_every_answer_is_counted_once_and_up_to_the_last_whole_minute(alb: Counted) -> None:
    alb.at(DAY + 10, RequestCount=5, HTTP_Redirect_Count=2, HTTPCode_ELB_5XX_Count=1)
    alb.at(DAY + 70, RequestCount=3, HTTPCode_Target_5XX_Count=2)
    alb.at(DAY + 130, HTTP_Fixed_Response_Count=100)
    assert alb.now(DAY + 310) == Counts(DAY, DAY + 120, 10, 3, None)
    assert alb.now(DAY + 360) == Counts(DAY, DAY + 180, 110, 3, None)


def test_counts_only_grow_while_minutes_become_hours(alb: Counted) -> None:
    for hour in range(8):
        alb.at(DAY + hour * HOUR + 1800, RequestCount=10)
    seen = [alb.now(DAY + 8 * HOUR + n * 900.0) for n in range(12)]
    assert [one and one.requests for one in seen] == [80] * 12
    assert len({one and one.as_of for one in seen}) == 12


def test_a_new_span_begins_a_new_count_only_once_it_is_told(alb: Counted) -> None:
    alb.at(DAY + SPAN - 30, RequestCount=7)
    before, after = alb.now(DAY + SPAN + 100), alb.now(DAY + SPAN + 240)
    assert before
    assert (before.began, before.requests, before.as_of) == (DAY, 0, DAY + SPAN - 120)
    assert after
    assert (after.began, after.requests) == (DAY + SPAN, 0)


def test_flows_of_a_network_balancer_and_those_that_stay_open(one: Account) -> None:
    net = Counted(one, network(one, "n"), DAY)
    net.at(DAY + 10, NewFlowCount=4)
    for minute in range(3):
        one.world.counted[net.arn, "ActiveFlowCount us-east-1a"] = {int(DAY // 60) + minute: 2.0}
    assert net.now(DAY + 360) == Counts(DAY, DAY + 180, 4, None, 2)
    assert net.now(DAY + 420) == Counts(DAY, DAY + 240, 4, None, 0)


def test_not_to_be_allowed_is_told(one: Account, alb: Counted) -> None:
    one.world.faults.deny = ("GetMetricData",)
    with pytest.raises(Denied, match=r"cloudwatch get metric data .*AccessDenied"):
        alb.now(DAY + 300)
