"""Pairs: slots that start whatever became of those before, everything delivered, nothing left under way."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from probe_sites import OK, black_hole, response, site, sites

from lbmigrate import probe
from lbmigrate.errors import Usage
from lbmigrate.model import Channel, ControlSeen, PairSeen, Probe, Prober, Probing, Result, Sample
from lbmigrate.probe import pairs
from lbmigrate.probe.http import Heard, Request

A, B = "127.41.1.1", "127.41.1.2"
LONG = 3600.0


def until(done: Callable[[], bool], seconds: float = 20.0) -> None:
    """Poll for something that another thread brings about."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "never happened"
        time.sleep(0.005)


def stop_in_thread(running: pairs.Running) -> threading.Thread:
    """Begin to stop; returns once no more slots will start, while `stop` still waits for those under way."""
    stopping = threading.Thread(target=running.stop)
    stopping.start()
    assert running.wait(20.0)
    return stopping


class Samples:
    """Collects samples; says stop when there are `enough` pairs."""

    def __init__(self, enough: int = 1_000_000) -> None:
        self.pairs: list[PairSeen] = []
        self.controls: list[ControlSeen] = []
        self.threads: set[int] = set()
        self._enough = enough

    def __call__(self, sample: Sample) -> bool:
        self.threads.add(threading.get_ident())
        if isinstance(sample, PairSeen):
            self.pairs.append(sample)
        else:
            self.controls.append(sample)
        return len(self.pairs) >= self._enough


def prober(
    port: int,
    a: tuple[str, ...] = (A,),
    b: tuple[str, ...] = (B,),
    families: tuple[str, ...] = ("A",),
    controls: tuple[str, ...] = (),
    **fields: Any,
) -> pairs.Pairs:
    probes = (Probe(f"http://www.lab.test:{port}/", **{"rate": 200.0, "timeout": 5.0, **fields}),)
    return probe.make(probes, probe.channels(probes, a, b, families), a, b, controls)


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """No thread and no descriptor outlives a test."""
    files, threads = os.listdir("/proc/self/fd"), threading.active_count()
    yield
    assert len(os.listdir("/proc/self/fd")) <= len(files)
    assert threading.active_count() == threads


def test_the_protocols_are_fulfilled() -> None:
    given: Prober = prober(1)
    running: Probing = given.start(0.0, lambda _: False)
    assert running.wait(20.0)
    running.stop()


@pytest.mark.parametrize(
    ("a", "b", "families", "expected"),
    [
        ((A,), (B,), ("A", "AAAA"), [(0, "A"), (1, "A")]),
        ((A, "::1"), (B, "::2"), ("A", "AAAA"), [(0, "A"), (0, "AAAA"), (1, "A"), (1, "AAAA")]),
        ((A, "::1"), (B, "::2"), ("AAAA",), [(0, "AAAA"), (1, "AAAA")]),
        ((A, "::1"), (B,), ("A", "AAAA"), [(0, "A"), (1, "A")]),
        (("::1",), (B,), ("A", "AAAA"), []),
    ],
)
def test_a_channel_needs_addresses_on_both_sides(
    a: tuple[str, ...], b: tuple[str, ...], families: tuple[str, ...], expected: list[tuple[int, str]]
) -> None:
    probes = (Probe("http://x.test/"), Probe("http://y.test/"))
    assert probe.channels(probes, a, b, families) == tuple(Channel(*one) for one in expected)


def test_pairs_are_delivered_until_told_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "_LATE", LONG)  # a busy machine is no matter here
    samples = Samples(enough=10)
    with sites(OK, response(503)) as (a, b):
        running = prober(a.port).start(LONG, samples)
        assert running.wait(20.0)
        watched = running.stop()
        assert running.stop() == watched
        assert len(samples.pairs) >= 10
        assert {(one.channel, one.a.why, one.b.why) for one in samples.pairs} == {(0, "", "status 503")}
        assert len(samples.threads) == 1
        assert threading.get_ident() not in samples.threads
        assert len(a.heads) == len(b.heads) == len(samples.pairs)
        assert 0 < watched < LONG
        assert running.unseen == 0


def test_probing_ends_by_itself_when_its_time_is_over() -> None:
    samples = Samples()
    with sites(OK, OK) as (a, _):
        running = prober(a.port).start(0.2, samples)
        assert running.wait(20.0)
        assert 0 < running.stop() < 20
        assert len(samples.pairs) == len(a.heads) > 0


def test_waiting_is_bounded_and_stop_ends_it_early() -> None:
    with sites(OK, OK) as (a, _):
        running = prober(a.port).start(LONG, Samples())
        assert not running.wait(0.01)
        assert running.stop() < LONG
        assert running.wait(0.0)


def test_a_black_holed_side_slows_nothing_and_skips_no_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline is far away: had slots waited for the one before, A would see one request, not thirty."""
    monkeypatch.setattr(pairs, "_LATE", LONG)
    samples = Samples()
    with site(OK, A) as a:
        with black_hole(B, a.port):
            running = prober(a.port, rate=100.0, timeout=LONG).start(LONG, samples)
            until(lambda: len(a.heads) >= 30)
            assert samples.pairs == []
            stopping = stop_in_thread(running)
        # the hole has closed: what hung there is reset, and is delivered
        stopping.join()
        assert len(samples.pairs) == len(a.heads)
    assert {(one.a.why, one.b.why) for one in samples.pairs} == {("", "connection reset")}
    assert running.unseen == 0


def test_slots_beyond_the_bound_are_unseen_and_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "_pairs_at_once", lambda: 3)
    samples = Samples()
    with site(OK, A) as a:
        with black_hole(B, a.port):
            running = prober(a.port, timeout=LONG).start(LONG, samples)
            until(lambda: running.unseen >= 100)
            stopping = stop_in_thread(running)
        stopping.join()
        assert len(a.heads) == len(samples.pairs) == 3
    assert running.stop() < running.unseen / 200.0


def test_own_trouble_is_no_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hear(_: Request, address: str) -> Heard:
        return Heard(Result(False, False, None, "too many open files", 0.0), None, own_trouble=address == B)

    monkeypatch.setattr(pairs, "hear", hear)
    samples = Samples()
    running = prober(1).start(LONG, samples)
    until(lambda: running.unseen >= 5)
    running.stop()
    assert samples.pairs == []


def test_nothing_is_under_way_after_stop() -> None:
    """Replies are held back until stop is waiting; every request that a side saw has then been delivered."""
    gate = threading.Event()

    def held(connection: socket.socket) -> None:
        gate.wait(20.0)
        connection.sendall(OK)
        assert connection.recv(1) == b""  # the client closed

    samples = Samples()
    with sites(held, held) as (a, b):
        running = prober(a.port).start(LONG, samples)
        until(lambda: len(a.heads) >= 10)
        stopping = stop_in_thread(running)
        assert stopping.is_alive()
        gate.set()
        stopping.join()
        assert len(a.heads) == len(b.heads) == len(samples.pairs)
        assert all(one.a.answered and one.b.answered for one in samples.pairs)
        until(lambda: a.open == b.open == 0)


def test_addresses_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "_LATE", LONG)  # on a busy machine a late slot would pass its turn by
    samples = Samples(enough=12)
    with sites(OK, OK, OK, OK, OK) as made:
        addresses = tuple(one.address for one in made)
        running = prober(made[0].port, a=addresses[:2], b=addresses[2:]).start(LONG, samples)
        assert running.wait(20.0)
        running.stop()
        counts = [len(one.heads) for one in made]
        assert max(counts[:2]) - min(counts[:2]) <= 1
        assert max(counts[2:]) - min(counts[2:]) <= 1


def test_both_families_are_probed_on_their_own_channels() -> None:
    samples = Samples(enough=10)
    with site(OK, "::1") as six, site(OK, A, six.port), site(response(500), B, six.port):
        running = prober(six.port, (A, "::1"), (B, "::1"), ("A", "AAAA")).start(LONG, samples)
        assert running.wait(20.0)
        running.stop()
    assert {(one.channel, one.b.status) for one in samples.pairs} == {(0, 500), (1, 200)}


def test_an_exception_of_seen_ends_the_probing_and_is_raised() -> None:
    class Boom(Exception):
        pass

    def seen(_: Sample) -> bool:
        raise Boom

    with sites(OK, OK) as (a, _):
        running = prober(a.port).start(LONG, seen)
        with pytest.raises(Boom):
            running.wait(20.0)
        with pytest.raises(Boom):
            running.stop()
        until(lambda: a.open == 0)


def test_short_slices_keep_the_rate() -> None:
    """A channel of one pair an hour gives one pair, however many slices are begun within it."""
    samples = Samples()
    with sites(OK, OK) as (a, _):
        pairs = prober(a.port, rate=1 / 3600)
        for _ in range(3):
            running = pairs.start(0.05, samples)
            assert running.wait(20.0)
            running.stop()
        running = pairs.start(LONG, samples)
        until(lambda: len(samples.pairs) == 1)
        running.stop()
        assert len(a.heads) == 1


def test_a_wrong_probe_is_known_before_anything_is_sent() -> None:
    with pytest.raises(Usage):
        probe.make((Probe("gopher://x.test/"),), (), (A,), (B,), ())
    with pytest.raises(Usage):
        probe.make((), (), (A,), (B,), ("x.test",))


def test_a_prober_that_is_made_later_is_made_once_and_says_what_is_wrong_when_it_is_asked() -> None:
    made: list[pairs.Pairs] = []

    def make() -> pairs.Pairs:
        made.append(probe.make((), (), (A,), (B,), ()))
        return made[-1]

    later = probe.Later(make)
    assert made == []
    assert later.compare() == ()
    assert later.start(0.0, lambda _: False).stop() >= 0.0
    assert len(made) == 1
    with pytest.raises(Usage):
        probe.Later(lambda: probe.make((Probe("gopher://x.test/"),), (), (A,), (B,), ())).compare()
