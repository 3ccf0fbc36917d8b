"""Slots: when they are due, which are unseen, who goes first, how many at once."""

import asyncio
import resource
import threading
from typing import Any

import pytest

from lbmigrate import probe
from lbmigrate.model import Probe, Result, Sample
from lbmigrate.probe import pairs
from lbmigrate.probe.http import Heard, Request

A, B = "127.41.1.1", "127.41.1.2"
LONG = 3600.0


def test_slots_are_a_period_apart() -> None:
    pace = pairs.Pace(10.0)
    pace.begin(100.0)
    assert [(pace.take(pace.due), round(pace.due, 6)) for _ in range(3)] == [(0, 100.1), (1, 100.2), (2, 100.3)]
    assert pace.unseen == 0


def test_a_slot_a_little_late_does_not_move_the_next() -> None:
    pace = pairs.Pace(10.0)
    pace.begin(100.0)
    pace.take(100.05)
    assert pace.due == pytest.approx(100.1)
    assert pace.unseen == 0


def test_slots_whose_time_has_gone_are_unseen() -> None:
    pace = pairs.Pace(10.0)
    pace.begin(100.0)
    assert pace.take(105.02) == 50
    assert pace.unseen == 50
    assert pace.due == pytest.approx(105.1)


def test_fast_slots_may_catch_up_a_little() -> None:
    pace = pairs.Pace(1000.0)
    pace.begin(100.0)
    assert [pace.take(100.05) for _ in range(3)] == [0, 1, 2]
    assert pace.unseen == 0


def test_a_new_slice_waits_for_the_period_and_forgets_what_was_unseen() -> None:
    pace = pairs.Pace(0.1)
    pace.begin(100.0)
    pace.take(125.0)
    assert (pace.unseen, pace.due) == (2, 130.0)
    pace.begin(127.0)
    assert (pace.unseen, pace.due) == (0, 130.0)
    pace.begin(500.0)
    assert (pace.unseen, pace.due) == (0, 500.0)


class Heards:
    """Stands in for `hear`: answers at once, and notes the order of the addresses."""

    def __init__(self) -> None:
        self.order: list[str] = []

    async def hear(self, _: Request, address: str) -> Heard:
        self.order.append(address)
        return Heard(Result(True, True, 200, "", 0.0))


@pytest.fixture
def heards(monkeypatch: pytest.MonkeyPatch) -> Heards:
    monkeypatch.setattr(pairs, "_LATE", LONG)  # a busy machine is no matter here
    made = Heards()
    monkeypatch.setattr(pairs, "hear", made.hear)
    return made


def collected(pairs: pairs.Pairs, enough: int) -> list[Sample]:
    samples: list[Sample] = []

    def seen(sample: Sample) -> bool:
        samples.append(sample)
        return len(samples) >= enough

    running = pairs.start(LONG, seen)
    assert running.wait(20.0)
    running.stop()
    return samples


def prober(count: int, rate: float) -> pairs.Pairs:
    probes = tuple(Probe(f"http://www{number}.lab.test/", rate=rate) for number in range(count))
    return probe.make(probes, probe.channels(probes, (A,), (B,), ("A",)), (A,), (B,))


def test_both_sides_go_first_in_half_of_the_slots(heards: Heards) -> None:
    collected(prober(1, 500.0), 16)
    first = heards.order[:32:2]
    assert sorted(first) == [A] * 8 + [B] * 8
    assert len({*first[0::2]}) == len({*first[1::2]}) == 2  # also at every second address of a round robin


@pytest.mark.usefixtures("heards")
def test_channels_are_spread_over_the_period() -> None:
    pairs = prober(4, 10.0)
    collected(pairs, 12)
    phases = sorted((pace.due - pairs._paces[0].due) % 0.1 for pace in pairs._paces)
    phases = sorted(0.0 if phase > 0.0999 else phase for phase in phases)
    assert phases == pytest.approx([0.0, 0.025, 0.05, 0.075], abs=1e-6)


@pytest.mark.usefixtures("heards")
def test_slow_channels_all_start_within_the_first_second() -> None:
    pairs = prober(3, 1 / LONG)
    samples = collected(pairs, 3)
    assert len(samples) == 3


@pytest.mark.parametrize(("soft", "most"), [(1024, 256), (1 << 20, 4096), (resource.RLIM_INFINITY, 4096), (3, 1)])
def test_pairs_at_once_leave_descriptors_for_the_rest(soft: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))
    assert pairs._pairs_at_once() == most


def complaint(context: dict[str, Any]) -> None:
    async def work() -> None:
        asyncio.get_running_loop().call_exception_handler(context)

    asyncio.run(pairs._quietly(work()))


def test_a_fault_that_nobody_waited_for_is_raised() -> None:
    with pytest.raises(RuntimeError, match="lost"):
        complaint({"message": "lost"})
    with pytest.raises(ZeroDivisionError):
        complaint({"message": "lost", "exception": ZeroDivisionError()})


def test_what_a_transport_complains_of_is_not_printed_again(capfd: pytest.CaptureFixture[str]) -> None:
    complaint({"message": "reset", "transport": object()})
    assert capfd.readouterr() == ("", "")


def test_the_thread_is_a_daemon_that_does_not_keep_the_process() -> None:
    running = prober(1, 1 / LONG).start(LONG, lambda _: False)
    assert [one.daemon for one in threading.enumerate() if one.name == "probe"] == [True]
    running.stop()
