"""What every driver promises, asked of each: the second run of anything changes nothing."""

import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from elbs import KEYS
from haproxies import A, B, get, pair
from migrations import until

from lbmigrate.balancers import haproxy_process as process
from lbmigrate.balancers import make
from lbmigrate.hosts import local
from lbmigrate.lab.elb import parts
from lbmigrate.lab.process import freeport
from lbmigrate.lab.scenario import Bounds, Expect, Scenario
from lbmigrate.lab.sides import place
from lbmigrate.model import Balancer, Blueprint, Look, Side
from lbmigrate.value import value


@value
class Case:
    """A plan, a side that is to stand in its place, and where that then answers."""

    a: Balancer
    b: Balancer
    address: str
    url: str


@pytest.fixture(
    params=[
        pytest.param("real", marks=pytest.mark.real("haproxy")),
        pytest.param("same", marks=pytest.mark.real("haproxy")),
        "fake",
        "external",
        "elbv2",
    ]
)
def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    if request.param == "external":
        yield from external(tmp_path)
        return
    if request.param == "elbv2":
        yield from elbv2(tmp_path, monkeypatch)
        return
    with pair(tmp_path, request.param, (B,)) as two:
        two.start()
        two.add("p3", f"{A.rpartition('.')[0]}.13")
        yield Case(make(two.a_side, "a"), make(two.b_side, "b"), B, f"http://{B}:{two.port}/")


def external(tmp_path: Path) -> Iterator[Case]:
    """A small HTTP server as the balancer; its own commands start and stop it."""
    port = freeport(B)
    pid, url = tmp_path / "pid", f"http://{B}:{port}/"
    python = shlex.quote(sys.executable)
    alive = "import http.client,sys; c=http.client.HTTPConnection(*sys.argv[1:]); c.request('GET','/'); c.getresponse()"
    health = f'{python} -c "{alive}" {B} {port}'
    up = (
        f"cd {tmp_path} && {{ {python} -m http.server --bind {B} {port} >log 2>&1 & echo $! >{pid}; }}"
        f" && for n in $(seq 100); do {health} 2>>log && exit; sleep 0.05; done; exit 1"
    )
    down = f"kill $(cat {pid}); while {health} 2>>{tmp_path}/log; do sleep 0.05; done"
    side = Side("external", (B,), commands=(("up", up), ("down", down), ("health", health)))
    a = Side("external", (A,))
    yield Case(make(a, "a"), make(side, "b"), B, url)
    if pid.exists():
        local.signal_process(int(pid.read_text()), signal.SIGKILL)


def elbv2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    """The laboratory's account, whose balancers serve; what it counts comes after the test."""
    scenario = Scenario("", "", Expect(0, "done", Bounds(), "moved", "retired", "running"))
    monkeypatch.setattr(parts, "DELAYS", {"metrics": 1e6})
    for key, text in KEYS.items():
        monkeypatch.setenv(key, text)
    account = parts.Balancers(place(scenario, tmp_path))
    try:
        account.start()
        entries = account.entries()
        a, b = (make(Side("elbv2", (), place=located(side, entries[side])), side) for side in ("a", "b"))
        yield Case(a, b, account.place.b[0], f"http://{account.place.b[0]}:{account.place.port}/")
    finally:
        account.stop()


def located(side: str, entry: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return (("side", side), ("migration", "m"), *[(key, entry[key]) for key in ("name", "region", "endpoint")])


def test_before_it_stands_it_is_down_and_stopping_it_is_nothing(case: Case) -> None:
    assert case.b.look() == Look(up=False)
    case.b.stop()
    assert case.b.look() == Look(up=False)


def test_describing_twice_gives_the_same(case: Case) -> None:
    plan = case.a.describe()
    assert isinstance(plan, Blueprint)
    assert case.a.describe() == plan
    assert plan.addresses in ((A,), ())


def test_checking_changes_nothing(case: Case, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    plan = case.a.describe()
    case.b.check(plan)
    case.b.check(plan)
    assert [one for one in sorted(tmp_path.rglob("*")) if one not in before and one.name != "log"] == []
    assert case.b.look() == Look(up=False)


def test_it_stands_up_and_answers(case: Case) -> None:
    plan = case.a.describe()
    case.b.check(plan)
    case.b.stand_up(plan)
    until(lambda: case.b.look().up, "B up")  # a provider takes its time
    seen = case.b.look()
    assert list(map(key, seen.backends)) == list(map(key, plan.backends))
    until(lambda: all(one.healthy for one in case.b.look().backends), "every backend healthy on B")
    assert get(case.url) == 200


def key(one: object) -> tuple[object, ...]:
    return tuple(vars(one).values())[:6]


def test_standing_up_twice_is_standing_up_once(case: Case) -> None:
    plan = case.a.describe()
    case.b.stand_up(plan)
    until(lambda: case.b.look().up, "B up")
    first = case.b.look()
    case.b.stand_up(plan)
    case.b.check(plan)
    assert case.b.look() == first


def test_counters_count_or_are_none(case: Case) -> None:
    case.b.stand_up(case.a.describe())
    until(lambda: case.b.look().up, "B up")
    before = case.b.look()
    get(case.url)
    after = case.b.look()
    if before.requests is None:
        assert (before.errors, before.active, after.requests) == (None, None, None)
    else:
        assert (before.requests, after.requests, after.errors) == (0, 1, 0)


def test_stopping_twice_is_stopping_once_and_it_can_stand_again(case: Case) -> None:
    plan = case.a.describe()
    case.b.stand_up(plan)
    until(lambda: case.b.look().up, "B up")
    first = case.b.look().process
    case.b.stop()
    assert case.b.look() == Look(up=False)
    case.b.stop()
    until(lambda: refuses(case.url), "B to refuse")
    case.b.stand_up(plan)
    until(lambda: case.b.look().up, "B up")
    assert get(case.url) == 200
    assert not first or case.b.look().process != first


def refuses(url: str) -> bool:
    try:
        get(url)
    except OSError as wrong:
        return "refused" in str(wrong)
    return False


def test_a_is_never_touched(case: Case) -> None:
    until(lambda: case.a.look().up, "A up")
    before = case.a.look()
    case.b.stand_up(case.a.describe())
    case.b.stop()
    after = case.a.look()
    assert (after.up, after.process, after.backends, after.requests) == (
        before.up,
        before.process,
        before.backends,
        before.requests,
    )


def test_nothing_is_left_running(tmp_path: Path) -> None:
    """The fixtures' own promise, so that the next test does not meet this one's processes."""
    assert local.find(lambda pid: str(tmp_path.parent) in " ".join(local.argv(pid))) == ()
    assert process.POLL_SECONDS < 1
