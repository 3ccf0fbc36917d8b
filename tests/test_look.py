"""One look: how often the name servers are asked, on a virtual clock."""

from collections.abc import Callable, Sequence

import pytest
from states import NAME, PLAN, at, clock, known_at, side, soft

from lbmigrate.errors import Unreachable
from lbmigrate.events import Search
from lbmigrate.lab.virtual import START, Faults, World, parts
from lbmigrate.look import Sent, Tally, counted, look
from lbmigrate.model import Look, PairSeen, Probe, Probing, Result, Sample, Served
from lbmigrate.parts import Parts
from lbmigrate.plan import Drain, Soak, Step, Write
from lbmigrate.poll import AWAITED
from lbmigrate.spec import Bound
from lbmigrate.value import replace

OLD, NEW = (known_at(weight)[0].rrsets[0] for weight in (0, 50))


class Follows:
    """A zone's servers: the first at once, the second from a moment on. `asked`: when they were."""

    def __init__(self, world: World, moment: float) -> None:
        self.asked: list[float] = []
        self._world, self._moment = world, moment

    def served(self, names: Sequence[str], rtypes: Sequence[str] = ("A",)) -> list[Served]:
        assert (names, rtypes) == ((NAME,), ("A",))
        now = self._world.clock.now()
        self.asked.append(now)
        late = NEW if now >= self._moment else OLD
        return [
            Served("ns1", NAME, "A", NEW.ttl, NEW.rdatas),
            Served("ns2", NAME, "A", late.ttl, late.rdatas),
        ]

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"{name} is not asked for in this test")


def watched(lag: float, since: float = 0.0) -> tuple[Follows, float]:
    """A slice of ten seconds at 50 %, `lag` seconds before the second server follows; when it was seen to.

    One probe a second: twenty would be a verdict, which ends the slice.
    """
    world = World(1, known_at(50), Faults())
    made: Parts = parts(world, ("192.0.2.10",), ("192.0.2.20",), 1.0, 1, True)
    zone = Follows(world, START + lag)
    made.zones = (zone,)  # type: ignore[assignment] # nothing is claimed, so only `served` is asked
    behind = replace(clock(known_at(50))[0], server="ns1"), replace(clock(known_at(0))[0], server="ns2")
    state = at(Soak(50), at=START, claimed=(), look={"clock": behind, "lag_since": since, "at": START})
    saw = look(made, state, START + 10, lambda: False)
    (seen,) = [one.old_until - OLD.ttl for one in saw.after.clock if one.server == "ns2"]
    return zone, seen


@pytest.mark.parametrize("pending", [True, False])
def test_a_ttl_that_was_edited_is_kept_while_a_write_may_have_replaced_it(pending: bool) -> None:
    world = World(1, known_at(50), Faults())
    made = parts(world, ("192.0.2.10",), ("192.0.2.20",), 1.0, 1, True)
    raised = ((("", NAME, "A"), 7200),)
    under = ((9, Write(0, "weight", 50)),) if pending else ()
    state = at(Soak(50), at=START, pending=under, look={"at": START, "ttls": raised})
    assert look(made, state, START + 1, lambda: False).after.ttls == (raised if pending else ())


@pytest.mark.parametrize("lag", [0.0, 0.05, 0.3, 0.7, 2.0, 6.3])
def test_a_server_that_follows_is_seen_at_once_and_never_later_than_the_pause(lag: float) -> None:
    zone, seen = watched(lag)
    assert START + lag <= seen <= START + lag + min(0.01 + 0.3 * lag, AWAITED) + 1e-6
    assert seen == zone.asked[-1]


def test_servers_that_lag_for_long_are_not_asked_oftener_than_their_limits_bear() -> None:
    zone, _ = watched(lag=9.0, since=START - 60)
    gaps = [later - earlier for earlier, later in zip(zone.asked, zone.asked[1:], strict=False)]
    assert min(gaps) >= AWAITED - 1e-6


def test_where_nothing_is_awaited_the_servers_are_asked_once_a_second() -> None:
    world = World(1, known_at(50), Faults())
    made = parts(world, ("192.0.2.10",), ("192.0.2.20",), 1.0, 1, True)
    zone = Follows(world, START)
    made.zones = (zone,)  # type: ignore[assignment]
    look(made, at(Soak(50), at=START, claimed=(), look={"at": START}), START + 10, lambda: False)
    assert zone.asked == [START + second for second in range(10)]


# ---------------------------------------------------------------- lateness


@pytest.mark.parametrize(("slow", "alarms"), [(0.0, False), (0.5, True), (2.0, False)])
def test_a_b_that_answers_late_is_seen_where_the_probe_says_what_is_late(slow: float, alarms: bool) -> None:
    world = World(1, known_at(50), Faults())
    made = parts(world, ("192.0.2.10",), ("192.0.2.20",), 1.0, 1, True)
    made.zones = (Follows(world, START),)  # type: ignore[assignment]
    fine = Result(True, True, 200, "", 0.01)
    probes = soft(probes=(Probe("http://www.example.com/", rate=5.0, slow=slow),))
    watching = Tally(made, at(Soak(50), at=START, claimed=(), soft=probes, look={"at": START}))
    for _ in range(100):
        watching.sample(PairSeen(0, fine, replace(fine, seconds=1.0)))
    sums = watching.sums(20.0)
    assert (sums["alarm"] >= 100, sums["late"]) == (alarms, alarms)  # type: ignore[operator]
    assert watching.outcomes() == (("o100", "b100") if alarms else ("o100", "o100") if slow else ("o100",))


# ---------------------------------------------------------------- what else ends at A


class Zones:
    """What a search finds, and when it was asked for."""

    def __init__(self, found: Search | Unreachable) -> None:
        self.found, self.asked = found, 0

    def __call__(self, bound: Bound) -> Search:
        assert bound == PLAN.bound
        self.asked += 1
        if isinstance(self.found, Unreachable):
            raise self.found
        return self.found


DRAIN = Drain("a")
LATE = Search(left=("late.example.com.",))


def searched(found: Search | Unreachable, before: Search, step: Step = DRAIN, quiet: bool = True) -> Search | None:
    """What one look at an A that nothing but this keeps from being stopped knows of names left there; None: as before.

    `quiet`: A has been idle for its whole window.
    """
    world = World(1, known_at(100), Faults())
    made: Parts = parts(world, ("192.0.2.10",), ("192.0.2.20",), 1.0, 1, True)
    made.zones = (Follows(world, START),)  # type: ignore[assignment]
    made.search = zones = Zones(found)
    counted = made.sides["a"].look()
    since = ((START - 1000, 0), *(() if quiet else ((START, 5),)))
    a = side(process=counted.process, requests=counted.requests, quiet=since)
    known = [replace(one, old_until=START - 1000) for one in clock(known_at(50))]
    look_ = {"clock": tuple(known), "at": START, "search": before, "a": a}
    state = at(step, weight=100, at=START, known=known_at(50), claimed=(), look=look_)
    after = look(made, state, START + 1, lambda: False).after.search
    assert (after == before) is not bool(zones.asked)
    return after if zones.asked else None


@pytest.mark.parametrize(
    ("before", "quiet", "again"),
    [
        (Search(), True, True),
        (Search(START - 29), True, True),
        (Search(START - 28), True, False),
        (Search(), False, True),
        (Search(START - 298), False, False),
        (replace(LATE, at=START - 9), False, True),
        (replace(LATE, at=START - 8), True, False),
        (Search(START - 9, why="no answer"), False, True),
    ],
)
def test_the_zones_are_searched_before_a_is_stopped_and_not_oftener_than_needed(
    before: Search, quiet: bool, again: bool
) -> None:
    assert searched(LATE, before, quiet=quiet) == (replace(LATE, at=START + 1) if again else None)


def test_a_search_that_comes_to_nothing_says_why_and_none_is_made_before_the_end() -> None:
    assert searched(Unreachable("no answer"), Search()) == Search(START + 1, why="no answer")
    assert searched(LATE, Search(), Soak(100)) is None


# ---------------------------------------------------------------- counters that come late


@pytest.mark.parametrize(
    ("sent", "until", "own", "left"),
    [
        ((), 100.0, 0, ()),
        (((90.0, 5.0, 50), (95.0, 5.0, 50)), 100.0, 100, ()),
        (((95.0, 5.0, 50), (102.0, 5.0, 50)), 100.0, 80, ((102.0, 2.0, 20),)),
        (((105.0, 5.0, 50),), 100.0, 0, ((105.0, 5.0, 50),)),
        (((100.5, 0.0, 0),), 100.0, 0, ((100.5, 0.0, 0),)),
    ],
)
def test_our_probes_are_counted_up_to_where_the_counters_tell(
    sent: tuple[Sent, ...], until: float, own: int, left: tuple[Sent, ...]
) -> None:
    assert counted(sent, until) == (own, left)
    assert own + sum(number for _, _, number in left) == sum(number for _, _, number in sent)


class Late:
    """A balancer that counts our probes and `foreign` requests a minute, and tells of a minute when that is over."""

    def __init__(self, made: Parts, foreign: int) -> None:
        self._made, self._foreign, self._start = made, foreign, made.prober.start
        self._at: list[float] = []

    def start(self, seconds: float, seen: Callable[[Sample], bool]) -> Probing:
        """As the prober's own."""

        def counted_too(sample: Sample) -> bool:
            self._at += [self._made.clock.now()] * isinstance(sample, PairSeen)
            return seen(sample)

        return self._start(seconds, counted_too)

    def look(self) -> Look:
        """The counters up to the last whole minute."""
        minutes = int((self._made.clock.now() - START) // 60)
        until = START + 60 * minutes
        ours = sum(at < until for at in self._at)
        return Look(True, "lb", requests=ours + minutes * self._foreign, as_of=until)


@pytest.mark.parametrize("foreign", [0, 7])
def test_counters_that_come_late_tell_foreign_requests_from_ours(foreign: int) -> None:
    world = World(1, known_at(100), Faults())
    made = parts(world, ("192.0.2.10",), ("192.0.2.20",), 5.0, 1, True)
    made.zones = (Follows(world, START),)  # type: ignore[assignment]
    late = Late(made, foreign)
    made.prober.start = late.start  # type: ignore[method-assign]
    made.sides = {"a": late, "b": late}  # type: ignore[dict-item]
    counters = side(as_of=START, quiet=((START, 0),), process="lb")
    state = at(DRAIN, weight=100, at=START, claimed=(), look={"at": START, "a": counters, "b": counters})
    while world.clock.now() < START + 300:
        saw = look(made, state, state.at + 7, lambda: False)
        state = replace(state, at=saw.after.at, seen=saw.after)
    a = state.seen.a
    assert a.as_of == START + 300
    assert a.total == pytest.approx(5 * foreign, abs=2)
    assert sum(number for _, _, number in a.sent) < 35


@pytest.mark.parametrize("torn", [False, True])
def test_requests_that_nobody_has_counted_are_nobodys(torn: bool) -> None:
    world = World(1, known_at(100), Faults())
    made = parts(world, ("192.0.2.10",), ("192.0.2.20",), 5.0, 1, True)
    made.zones = (Follows(world, START),)  # type: ignore[assignment]
    counted_ = side(process="lb", requests=0, quiet=((START - 1000, 0),))
    made.sides["a"].look = lambda: Look(True, "lb", requests=500)  # type: ignore[method-assign]
    state = at(DRAIN, weight=100, at=START, claimed=(), look={"at": START, "a": counted_}, torn=torn)
    a = look(made, state, START + 1, lambda: False).after.a
    assert (a.total > 400) is not torn
    assert (a.quiet[0][0] >= START) is torn


def test_requests_count_for_the_time_at_which_they_were_read() -> None:
    """The look stood still before the counters: a request meanwhile is in them, and younger than the look's end."""
    world = World(1, known_at(100), Faults())
    made = parts(world, ("192.0.2.10",), ("192.0.2.20",), 5.0, 1, True)
    made.zones = (Follows(world, START),)  # type: ignore[assignment]

    def late() -> Look:
        world.clock.sleep(9)
        return Look(True, "lb", requests=500)

    made.sides["a"].look = late  # type: ignore[method-assign]
    counted_ = side(process="lb", requests=0, quiet=((START - 1000, 0),))
    state = at(DRAIN, weight=100, at=START, claimed=(), look={"at": START, "a": counted_})
    saw = look(made, state, START + 1, lambda: False)
    assert saw.after.a.quiet[-1][0] == saw.after.at + 9
