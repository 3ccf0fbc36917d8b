"""What is left out, and which tests count for the core's coverage.

Without LBMIGRATE_MISSING nothing is left out: a test whose server is not installed fails. `make test` sets it to the
programs that it could not install; the tests that need them are deselected, counted and named at the end.
"""

import json
import os
import signal
import tomllib
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from servers import KEY, KINDS, ZONE, Server

if TYPE_CHECKING:
    from commands import Call
    from elbs import Account
    from stores import DynamoServer, PostgresServer
    from taps import Tap

    from lbmigrate.dns.rfc2136 import Rfc2136

settings.register_profile("untimed", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("untimed")

MISSING = frozenset(os.environ.get("LBMIGRATE_MISSING", "").split())
LEFT_OUT = pytest.StashKey[list[str]]()
RESULTS = os.environ.get("LBMIGRATE_RESULTS")  # a file that keeps how every test ended: what tests/matrix.py reads
FAILED = os.environ.pop("LBMIGRATE_FAILED", None)  # a file for what failed here; not in the runs that tests make
ROOT = Path(__file__).parent.parent


def _core() -> tuple[str, ...]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return tuple(settings["tool"]["lbmigrate"]["core"])


def _is_core(item: pytest.Item, core: tuple[str, ...]) -> bool:
    stem = item.path.stem.removeprefix("test_")
    return any(stem == module or stem.startswith(f"{module}_") for module in core)


def _lacks(item: pytest.Item) -> bool:
    mark = item.get_closest_marker("real")
    return mark is not None and bool(MISSING & set(mark.args or MISSING))


def pytest_configure(config: pytest.Config) -> None:
    """A run that was started in the background has SIGINT ignored, and so would the commands that tests interrupt."""
    del config
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None, None, None]:
    """Mark the core's tests, let `-m` choose, and of what it chose deselect what needs a program that is missing."""
    core = _core()
    for item in items:
        if _is_core(item, core):
            item.add_marker("core")
    yield
    if out := [item for item in items if _lacks(item)]:
        items[:] = [item for item in items if not _lacks(item)]
        config.hook.pytest_deselected(items=out)
        config.stash[LEFT_OUT] = [f"{item.path.name}::{item.nodeid.partition('::')[2]}" for item in out]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of xdist hands its list to the process that prints."""
    left_out = session.config.stash.get(LEFT_OUT, [])
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = left_out
    else:
        for test in left_out:
            keep(test, "left out")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """The process that prints gets every worker's reports; of a test that passed only its own is kept."""
    if report.when == "call" or not report.passed:
        keep(report.nodeid, "left out" if report.skipped else report.outcome)


def keep(test: str, outcome: str) -> None:
    """Write down how a test ended, where that is asked for. Runs of several phases add to one file."""
    if RESULTS and "PYTEST_XDIST_WORKER" not in os.environ:
        with open(RESULTS, "a") as file:
            file.write(json.dumps({"id": test, "outcome": outcome}) + "\n")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Every worker collects everything, so each reports the same: one is kept."""
    config: pytest.Config = node.config  # type: ignore[attr-defined]
    output: dict[str, list[str]] = getattr(node, "workeroutput", {})
    if output.get("left_out"):
        config.stash[LEFT_OUT] = output["left_out"]


@pytest.fixture
def shown(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes lines for the end of the run: how much was tried, in figures."""
    return lambda line: request.node.user_properties.append(("shown", line))


@pytest.fixture
def counted(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Takes a line with places for figures, and this test's part of them: at the end they are added up."""
    return lambda line, *figures: request.node.user_properties.append(("counted", (line, *figures)))


def _added(reports: list[pytest.TestReport]) -> list[str]:
    """The lines of `counted`, each with its sums."""
    sums: dict[str, list[float]] = {}
    given: list[Any] = [found for one in reports for key, found in one.user_properties if key == "counted"]
    for line, *figures in given:
        sums[line] = [a + b for a, b in zip(sums.get(line, [0.0] * len(figures)), figures, strict=True)]
    return [line.format(*figures) for line, figures in sums.items()]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Generator[None, None, None]:
    """The last thing before pytest's closing line: the outermost wrapper prints after the list of failures."""
    yield
    reports = [one for kind in ("passed", "failed") for one in terminalreporter.stats.get(kind, [])]
    lines = [line for one in reports for key, line in one.user_properties if key == "shown"]
    for line in sorted([*lines, *_added(reports)]):
        terminalreporter.write_line(line)
    if FAILED:
        names = [one.nodeid for kind in ("failed", "error") for one in terminalreporter.stats.get(kind, [])]
        with Path(FAILED).open("a") as out:
            out.writelines(f"{name}\n" for name in dict.fromkeys(names))
    if left_out := config.stash.get(LEFT_OUT, []):
        for file, count in sorted(Counter(test.partition("::")[0] for test in left_out).items()):
            terminalreporter.write_line(f"left out: {file}: {count}")
        needs = ", ".join(sorted(MISSING))
        terminalreporter.write_line(f"left out: {len(left_out)} tests (needs {needs})", yellow=True)


@pytest.fixture(autouse=True)
def _no_parents(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test asks the machine's resolver about the zones above its own."""
    monkeypatch.setenv("LBMIGRATE_RESOLVER", "127.0.0.1:1")
    monkeypatch.setattr("lbmigrate.dns.delegation.follow", _no_resolver)


def _no_resolver(_: object) -> object:
    raise OSError("no resolver in tests")


EVERY = [pytest.param(kind, marks=[] if kind == "embedded" else [pytest.mark.real]) for kind in KINDS]


@pytest.fixture(scope="module", params=EVERY)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Each kind of name server, once a module; with the module's own ZONE where it has one."""
    zone = getattr(request.module, "ZONE", ZONE)
    one = KINDS[request.param](tmp_path_factory.mktemp(request.param), zone)
    yield one
    one.stop()


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    """A name server with the zone as in its file; what a test changes is put back."""
    before = running.records()
    yield running
    running.restore(before)


@pytest.fixture
def lbmigrate(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> "Call":
    """`lbmigrate ...` in this process, in an empty directory, without a terminal."""
    from commands import caller

    return caller(tmp_path, capsys, monkeypatch)


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' key, and one that is wrong, where their configs look for them."""
    monkeypatch.setenv("TSIG", KEY.secret)
    monkeypatch.setenv("WRONG", "d3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmc=")


@pytest.fixture
def zone(server: Server) -> Iterator["Rfc2136"]:
    """The driver for that server's zone."""
    from zones import driver

    with closing(driver(server.port)) as zone:
        yield zone


@pytest.fixture
def tap(server: Server) -> Iterator["Tap"]:
    """A proxy before that server."""
    from taps import Tap

    with closing(Tap(server.port)) as tap:
        yield tap


@pytest.fixture(scope="session")
def postgres_server() -> Iterator["PostgresServer"]:
    """One PostgreSQL for all tests of this process; each test has a database of its own on it."""
    from stores import postgres

    with postgres() as server:
        yield server


@pytest.fixture(scope="session")
def dynamo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator["DynamoServer"]:
    """One DynamoDB for all tests of this process; each test has a table of its own on it."""
    from stores import dynamo

    with dynamo(tmp_path_factory.mktemp("dynamo")) as server:
        yield server


@pytest.fixture
def one(monkeypatch: pytest.MonkeyPatch) -> Iterator["Account"]:
    """An account of AWS's in the laboratory, and the keys to it in the environment."""
    from elbs import KEYS, account

    for key, text in KEYS.items():
        monkeypatch.setenv(key, text)
    with account() as found:
        yield found
