"""The addresses behind a host name: asked for when due, kept while there are no new ones."""

import threading

import pytest

from lbmigrate import probe
from lbmigrate.model import PairSeen, Probe, Sample
from lbmigrate.probe import host
from lbmigrate.probe.host import Fixed, Host, Unresolved

NAME = "web-b-1.eu-west-1.elb.amazonaws.com."


class Answers:
    """A resolver whose answers a test gives; `asked`: what it was asked."""

    def __init__(self) -> None:
        self.answer: tuple[tuple[str, ...], float] | OSError = (("192.0.2.1",), 60.0)
        self.asked: list[tuple[str, str]] = []
        self.done = threading.Event()

    def __call__(self, name: str, rtype: str) -> tuple[tuple[str, ...], float]:
        self.asked.append((name, rtype))
        self.done.set()
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which a test may change."""
    now = [1000.0]
    monkeypatch.setattr(host, "monotonic", lambda: now[0])
    return now


def test_given_addresses_are_of_their_family() -> None:
    fixed = Fixed(("192.0.2.1", "2001:db8::1", "192.0.2.2"))
    assert fixed.addresses("A") == fixed.now("A") == ("192.0.2.1", "192.0.2.2")
    assert (fixed.addresses("AAAA"), fixed.has("AAAA"), Fixed(("192.0.2.1",)).has("AAAA")) == (
        ("2001:db8::1",), True, False,
    )  # fmt: skip


@pytest.mark.usefixtures("clock")
def test_a_name_is_asked_for_once_until_its_ttl_has_passed(clock: list[float]) -> None:
    answers = Answers()
    one = Host(NAME, ("A",), answers)
    assert one.now("A") == ("192.0.2.1",)
    answers.answer = (("192.0.2.2",), 60.0)
    clock[0] += 59
    assert one.addresses("A") == ("192.0.2.1",)
    assert answers.asked == [(NAME, "A")]
    clock[0] += 1
    answers.done.clear()
    assert one.addresses("A")  # the old ones as a rule, for nobody waits
    assert answers.done.wait(20)
    one.refresh("A")
    assert one.addresses("A") == ("192.0.2.2",)


def test_what_was_known_is_used_while_the_resolver_fails(clock: list[float]) -> None:
    answers = Answers()
    one = Host(NAME, ("A",), answers)
    one.now("A")
    for nothing in (OSError("timed out"), ((), 60.0)):
        answers.answer = nothing
        clock[0] += 61
        assert one.now("A") == ("192.0.2.1",)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (OSError("timed out"), f"{NAME} cannot be resolved: timed out"),
        (((), 60.0), f"{NAME} has no IPv4 address"),
    ],
)
def test_what_nothing_leads_to_says_why(answer: tuple[tuple[str, ...], float] | OSError, why: str) -> None:
    answers = Answers()
    answers.answer = answer
    one = Host(NAME, ("A",), answers)
    with pytest.raises(Unresolved, match=f"^{why}$"):
        one.now("A")


@pytest.mark.usefixtures("clock")
def test_another_name_has_other_addresses() -> None:
    answers = Answers()
    one = Host("stand-in.example.", ("A",), answers)
    one.now("A")
    one.follow("stand-in.example.")
    assert one.addresses("A") == ("192.0.2.1",)
    one.follow(NAME)
    answers.answer = OSError("timed out")
    with pytest.raises(Unresolved):
        one.now("A")
    assert answers.asked[-1] == (NAME, "A")


def test_an_answer_that_comes_too_late_is_not_taken_for_the_new_names() -> None:
    def slow(name: str, _: str) -> tuple[tuple[str, ...], float]:
        if name == "old.example.":
            one.follow(NAME)
            return ("192.0.2.9",), 60.0
        raise OSError("timed out")

    one = Host("old.example.", ("A",), slow)
    one.refresh("A")
    with pytest.raises(Unresolved):
        one.now("A")


def test_a_side_that_cannot_be_found_fails_its_probes_and_the_proof() -> None:
    def nowhere(_: str, __: str) -> tuple[tuple[str, ...], float]:
        raise OSError("timed out")

    lost = Host(NAME, ("A",), nowhere)
    probes = (Probe("http://www.lab.test/", rate=200.0),)
    channels = probe.channels(probes, lost, lost, ("A", "AAAA"))
    assert [one.rtype for one in channels] == ["A"]
    prober = probe.make(probes, channels, lost, lost)
    assert prober.compare() == (f"http://www.lab.test/ IPv4: {NAME} cannot be resolved: timed out",)
    seen: list[object] = []

    def enough(one: Sample) -> bool:
        seen.append(one)
        return len(seen) >= 3

    running = prober.start(3600.0, enough)
    assert running.wait(20.0)
    running.stop()
    assert all(isinstance(one, PairSeen) and not one.a.ok and NAME in one.b.why for one in seen)
