"""What `check` and `start` say of the host that aliases and services will point to, and of how A answers."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from servers import HOST, KEY, ZONE, Server, embedded
from states import PLAN, soft

from lbmigrate.assemble import target
from lbmigrate.dns.rfc2136 import Rfc2136
from lbmigrate.lab.virtual import Faults, World, parts
from lbmigrate.model import PairSeen, Probe, Result, Sample, Side
from lbmigrate.preflight import Finding, _late, _open, _probes
from lbmigrate.spec import Bound, Config, Dns, Stage, Tsig

HOSTS = "\nlb-b A 192.0.2.20\nlb-b AAAA 2001:db8::20\nlb-c A 192.0.2.20\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = embedded(tmp_path_factory.mktemp("embedded"), ZONE + HOSTS)
    yield running
    running.stop()


@pytest.mark.parametrize(
    ("hostname", "addresses", "fit", "what"),
    [
        ("lb-b.lab.test.", ["192.0.2.20", "2001:db8::20"], True, "leads to B"),
        ("lb-c.lab.test.", ["192.0.2.20", "2001:db8::20"], False, "does not lead to 2001:db8::20; add"),
        ("lb-b.lab.test.", ["192.0.2.20"], False, "also leads to 2001:db8::20"),
        ("nope.lab.test.", ["192.0.2.20"], False, "does not lead to 192.0.2.20"),
        ("lb.example.net.", ["192.0.2.20"], True, "lies in no zone under dns:"),
    ],
)
def test_the_host_that_names_will_point_to_must_lead_to_b(
    server: Server, monkeypatch: pytest.MonkeyPatch, hostname: str, addresses: Sequence[str], fit: bool, what: str
) -> None:
    monkeypatch.setenv("TSIG", KEY.secret)
    entry = Dns("rfc2136", "lab.test.", HOST, server.port, Tsig("lbm", "hmac-sha256", "env:TSIG"))
    bound = Bound("web", (), Side("sim", ()), Side("sim", tuple(addresses), hostname), (entry,), (Stage(100),))
    with closing(Rfc2136(entry, 2.0, 2.0)) as zone:
        found = target(bound, (zone,))
    assert (found[0], what in found[1]) == (fit, True), found


class Takes:
    """A prober whose answers of A take these seconds."""

    def __init__(self, *seconds: float) -> None:
        self._seconds = seconds

    def start(self, _: float, seen: Callable[[Sample], bool]) -> "Takes":
        for one in self._seconds:
            answer = Result(True, True, 200, "", one)
            seen(PairSeen(0, answer, answer))
        return self

    def wait(self, _: float) -> bool:
        return True

    def stop(self) -> float:
        return 1.0


@pytest.mark.parametrize(("slow", "hints"), [(0.0, 0), (0.2, 1), (2.0, 0)])
def test_an_a_that_is_late_by_the_configs_own_word_is_told(slow: float, hints: int) -> None:
    url = "http://www.example.com/"
    made = parts(World(1, (), Faults()), ("192.0.2.10",), ("192.0.2.20",), 1.0, 1, True)
    made.prober = Takes(0.1, 0.5, 1.0)  # type: ignore[assignment]
    config = Config("", PLAN.bound, soft(probes=(Probe(url, slow=slow),), controls=("http://c.test/",)), "")
    told = Finding("hint", f"{url}: A was 2 times later than `slow`: raise it, or stages take long")
    assert _probes(made, config) == [Finding("ok", "A answered 3 probes as expected"), *[told] * hints]


@pytest.mark.parametrize(
    ("probe", "took", "told"),
    [
        (Probe("u"), [0.002, 0.0201], "A's latest of 2 answers took 20 ms, so give the probe slow: 200ms or so"),
        (Probe("u"), [0.02], "slow: 100ms"),
        (Probe("u"), [0.3], ""),
        (Probe("u", timeout=3.0), [0.3], "slow: 2000ms"),
        (Probe("u", slow=0.5), [0.02], ""),
        (Probe("u", slow=0.5), [0.6, 0.1], "A was 1 times later than `slow`"),
        (Probe("u"), [], ""),
    ],
)
def test_what_as_answers_say_of_slow(probe: Probe, took: list[float], told: str) -> None:
    said = _late(probe, took)
    assert told in said
    assert bool(said) is bool(told)


@pytest.mark.parametrize(("mode", "hints"), [(0o644, 0), (0o600, 0), (0o664, 1), (0o666, 1)])
def test_a_config_that_others_can_write_is_told(tmp_path: Path, mode: int, hints: int) -> None:
    file = tmp_path / "lbmigrate.yaml"
    file.touch()
    file.chmod(mode)
    assert len(_open(str(file))) == hints
    assert _open(str(tmp_path / "none.yaml")) == []
