"""Thousands of names: name servers are asked for a few at a time, and no wait becomes shorter by it."""

from collections.abc import Callable, Sequence

import pytest
from states import at, bound, held

from lbmigrate import plan as plans
from lbmigrate import poll
from lbmigrate.caches import Answer
from lbmigrate.facts import lagging, missing, turned_at
from lbmigrate.fold import State
from lbmigrate.lab.virtual import START, Faults, World, parts
from lbmigrate.model import Held, Served
from lbmigrate.parts import Parts
from lbmigrate.plan import Soak, Write, wanted
from lbmigrate.value import replace

NAMES = tuple(f"n{number:03}.example.com." for number in range(250))
PLAN = plans.build(bound(names=NAMES), tuple(held(name=name) for name in NAMES))
SERVERS = "ns1", "ns2"
Moment = Callable[[str, str], float]  # when a server serves the change of a name


class Zone:
    """A zone's servers. `asked`: when, and for how many names."""

    def __init__(self, world: World, moment: Moment, old: Sequence[Held], new: Sequence[Held]) -> None:
        self.asked: list[tuple[float, int]] = []
        self.servers: tuple[str, ...] = SERVERS
        self.down: set[str] = set()
        self._world, self._moment = world, moment
        self._old, self._new = ({one.name: one.rrsets[0] for one in each} for each in (old, new))

    def served(self, names: Sequence[str], rtypes: Sequence[str] = ("A",)) -> list[Served]:
        assert rtypes == ("A",)
        self.asked.append((self._world.clock.now() - START, len(names)))
        return [self._answer(server, name) for server in self.servers for name in names]

    def _answer(self, server: str, name: str) -> Served:
        if server in self.down:
            return Served(server, name, "A", None, None, "no answer")
        now = self._world.clock.now() - START
        there = (self._new if now >= self._moment(server, name) else self._old)[name]
        return Served(server, name, "A", there.ttl, there.rdatas)

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"{name} is not asked for in this test")


def holding(weight: int) -> tuple[Held, ...]:
    steps = [Write(index, "weight", weight) for index in range(len(PLAN.batches))]
    return tuple(one for step in steps for one in wanted(PLAN, "a1", 7, step))


OLD, NEW = holding(0), holding(50)


def serving(names: Sequence[Held], servers: Sequence[str] = SERVERS) -> tuple[Answer, ...]:
    return tuple(Answer(server, one.name, "A", 60, one.rrsets[0].rdatas) for server in servers for one in names)


class Watched:
    """The change to 50 % is written; the servers are seen to serve what they did before."""

    def __init__(self, moment: Moment, shown: tuple[Answer, ...] = serving(OLD)) -> None:
        world = World(1, OLD, Faults())
        self.parts: Parts = parts(world, ("192.0.2.10",), ("192.0.2.20",), 1.0, 1, True)
        self.zone = Zone(world, moment, OLD, NEW)
        self.parts.zones = (self.zone,)  # type: ignore[assignment] # nothing is claimed, so only `served` is asked
        self.state: State = at(Soak(50), plan=PLAN, at=START, claimed=(), look={"clock": shown, "at": START})
        self._clock = world.clock

    def slice(self, seconds: float = 5.0, word: bool = False) -> State:
        """One look; `word`: somebody speaks up meanwhile."""
        end = self._clock.now() + seconds

        def wait(pause: float) -> bool:
            self._clock.sleep(min(pause, end - self._clock.now()))
            return self._clock.now() >= end

        self.state = poll.watch(self.parts, self.state, wait, lambda: word)
        return self.state

    def counts(self) -> list[int]:
        """For how many names each time."""
        return [count for _, count in self.zone.asked]


@pytest.mark.parametrize("moment", [
    lambda _server, _name: 0.0,
    lambda server, _name: 0.7 * (server == "ns2"),
    lambda _server, name: 0.7 * (name > "n120"),
    lambda _server, name: 0.02 * (int(name[1:4]) * 7 % 100),
])  # fmt: skip
def test_every_name_on_every_server_is_timed_by_its_own_sight(moment: Moment) -> None:
    one = Watched(moment)
    while lagging(state := one.slice()):  # a slice ends when another server follows
        assert one.zone.asked[-1][0] < 3
    assert not missing(state)
    for answer in state.seen.clock:
        assert answer.old_until - 60 >= START + moment(answer.server, answer.name)
    last = max(moment(server, name) for server in SERVERS for name in NAMES)
    assert START + last <= max(answer.old_until for answer in state.seen.clock) - 60 <= START + last + 2 * poll.AWAITED
    assert turned_at(state) is not None


def test_a_server_that_lags_is_asked_for_a_few() -> None:
    one = Watched(lambda server, _name: 1e9 * (server == "ns2"))
    assert lagging(one.slice()) == ("ns2",)
    assert one.counts() == [poll.FEW // 2, len(NAMES)]  # ns1 is seen to follow
    one.slice()
    assert len(one.counts()) > 10
    assert set(one.counts()[2:]) == {poll.FEW}
    assert turned_at(one.state) is None


def test_where_nothing_lags_a_look_asks_for_some_each_second_and_for_all_at_its_end() -> None:
    one = Watched(lambda _server, _name: 0.0, serving(NEW))
    before = one.state
    assert one.slice(5.5) is before
    assert [int(when) for when, _ in one.zone.asked] == [0, 1, 2, 3, 4, 5, 5]
    assert one.counts() == [*[poll.FEW] * 6, len(NAMES)]


def test_a_word_is_not_kept_waiting() -> None:
    one = Watched(lambda _server, _name: 0.0, serving(NEW))
    one.slice(word=True)
    assert one.counts() == [poll.FEW]


@pytest.mark.parametrize("back", NAMES[::83])
def test_one_name_of_before_is_found_by_the_end_of_a_look(back: str) -> None:
    one = Watched(lambda server, name: 8.0 * ((server, name) == ("ns2", back)), serving(NEW))
    state = one.slice()
    assert lagging(state) == ("ns2",)
    assert missing(state) == {"ns2": [("", back)]}
    while lagging(one.slice()):
        assert one.zone.asked[-1][0] < 9
    (answer,) = [a for a in one.state.seen.clock if (a.server, a.name) == ("ns2", back)]
    assert answer.old_until >= START + 8 + 60


def test_a_value_of_before_has_all_names_asked_for_at_once() -> None:
    one = Watched(lambda server, _name: 3.0 * (server == "ns2"), serving(NEW))
    state = one.slice()
    assert lagging(state) == ("ns2",)
    assert one.counts() == [poll.FEW, len(NAMES)]
    assert len(missing(state)["ns2"]) == len(NAMES)
    one.slice()
    assert not lagging(one.state)
    assert min(answer.old_until for answer in one.state.seen.clock if answer.server == "ns2") >= START + 3 + 60


@pytest.mark.parametrize("shown", [serving(NEW, ["ns1"]), serving(OLD, ["ns1"])])
def test_a_server_that_is_new_is_asked_for_all_names(shown: tuple[Answer, ...]) -> None:
    one = Watched(lambda server, _name: 1e9 * (server == "ns2"), shown)
    assert "ns2" in lagging(one.slice())
    assert len(missing(one.state)["ns2"]) == len(NAMES)


def test_a_server_that_is_down_is_asked_for_a_few() -> None:
    one = Watched(lambda _server, _name: 0.0, serving(NEW))
    one.zone.down = {"ns1"}
    assert lagging(one.slice()) == ("ns1",)
    assert one.counts() == [poll.FEW, len(NAMES)]
    one.slice()
    assert set(one.counts()[2:]) == {poll.FEW}
    one.zone.down = set()
    one.slice()
    assert not lagging(one.state)


def test_few_names_are_asked_for_each_time() -> None:
    one = Watched(lambda _server, _name: 0.0, serving(NEW[:1]))
    one.state = replace(one.state, plan=plans.build(bound(names=NAMES[:1]), (held(name=NAMES[0]),)), known=NEW[:1])
    one.slice(2.5)
    assert one.counts() == [1, 1, 1]
