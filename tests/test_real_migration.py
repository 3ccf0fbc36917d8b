"""Whole migrations on BIND and two HAProxies: turned back at any stage, messages late, lost, doubled; many at once."""

import re
import threading
from collections.abc import Callable
from pathlib import Path

import dns.rcode
import pytest
from killed import judge_journal
from migrations import NEEDS, Rig, Under, rig, tapped, until
from taps import is_update, send

pytestmark = pytest.mark.real(*NEEDS)


# ---------------------------------------------------------------- rollback at any stage


def claimed(one: Rig) -> None:
    one.ok("start", "--no-wait")
    assert one.status()["weight"] == 0
    assert one.fence()


def at_50(one: Rig) -> None:
    one.at_50()


def shifting(one: Rig) -> Under:
    """The write of 100 is served, its stage has not been judged, and its command is still at work."""
    one.at_50()
    shift = one.begin("shift", "--weight", "100")
    until(lambda: one.served()[0] == [one.b], "the shift to 100")
    return shift


def at_100(one: Rig) -> None:
    one.at_50().ok("shift", "--weight", "100")


def at_0_again(one: Rig) -> None:
    """The records already look right; the fence does not."""
    one.at_50().ok("shift", "--weight", "0")


def draining(one: Rig) -> Under:
    at_100(one)
    one.write(retire={"idle_for": "30s", "limit": "60s"})
    finish = one.begin("finish", "--yes")
    until(lambda: one.status()["phase"] == "draining" and "finish" in str(one.texts()), "draining")
    return finish


STAGES: dict[str, Callable[[Rig], Under | None]] = {
    "claimed": claimed, "at 50": at_50, "shifting": shifting,
    "at 100": at_100, "at 0 again": at_0_again, "draining": draining,
}  # fmt: skip


@pytest.mark.parametrize("stage", STAGES)
def test_rollback_leaves_the_zone_as_it_was_and_no_replay_changes_it(stage: str, tmp_path: Path) -> None:
    with rig(tmp_path) as one, tapped(one) as tap:
        before = one.ground.zone()
        beside = STAGES[stage](one)
        one.write(retire={"idle_for": "1s", "limit": "30s"})
        said = one.ok("rollback", "--yes")
        assert "laboratory: rolled-back" in said.out
        if beside:
            assert beside.end().code == 0
        after = one.ground.zone()
        assert without_serial(after) == without_serial(before)
        assert one.served() == [[one.a]] * 2
        assert one.ground.sides.pid("b") is None
        updates = tap.updates()
        assert len(updates) >= 2, "at least the claim and the restoring"
        codes = {dns.rcode.from_flags(int.from_bytes(send(one.port, wire)[2:4], "big"), 0) for wire in updates * 2}
        assert codes <= {dns.rcode.NXRRSET, dns.rcode.YXRRSET}
        assert one.ground.zone() == after, "the serial included"


def without_serial(zone: list[str]) -> list[str]:
    """The zone with the SOA's serial (RFC 1035 section 3.3.13) left out."""
    return [re.sub(r"( SOA \S+ \S+) \d+", r"\1", line) for line in zone]


# ---------------------------------------------------------------- messages late, lost, doubled; many at once


def test_an_answer_lost_after_it_was_applied_is_read_back_and_never_sent_again(tmp_path: Path) -> None:
    with rig(tmp_path) as one, tapped(one) as tap:
        one.at_50()
        sent = len(tap.updates())
        eaten: list[bytes] = []

        def eat(answer: bytes) -> bytes:
            if is_update(answer) and not eaten:
                eaten.append(answer)
                return b""
            return answer

        tap.treat = eat
        one.ok("shift", "--weight", "100")
        assert eaten
        assert len(tap.updates()) == sent + 1
        assert one.served() == [[one.b]] * 2


def test_a_message_held_back_past_a_rollback_is_refused_and_its_process_stands_down(tmp_path: Path) -> None:
    with rig(tmp_path) as one, tapped(one) as tap:
        before = one.records()
        one.at_50()
        release, held = threading.Event(), threading.Event()

        def hold(wire: bytes) -> bool:
            if is_update(wire) and not held.is_set():
                held.set()
                release.wait(60)
            return True

        tap.deliver = hold
        shift = one.begin("shift", "--weight", "100")
        until(held.is_set, "the shift's message")
        shift.signal(19)  # SIGSTOP: alive, and silent for longer than its lease
        one.ok("rollback", "--yes")
        assert one.records() == before
        release.set()
        shift.signal(18)
        said = shift.end()
        assert said.code == 0
        assert "laboratory: rolled-back" in said.out
        assert one.records() == before
        assert one.served() == [[one.a]] * 2


def test_each_message_delivered_twice_takes_once(tmp_path: Path) -> None:
    with rig(tmp_path) as one, tapped(one) as tap:
        before = one.records()

        def twice(wire: bytes) -> bool:
            if is_update(wire):
                send(one.port, wire)
            return True

        tap.deliver = twice
        one.ok("run")
        assert one.records() == [line.replace(one.a, one.b) for line in before]
        judge_journal(one)


def test_fifty_ticks_at_once_make_one_write_and_all_exit_0(tmp_path: Path) -> None:
    with rig(tmp_path) as one, tapped(one) as tap:
        one.at_50().write(soak="1m")
        sent = len(tap.updates())
        ticks = [one.begin("-q", "tick", "--for", "12s") for _ in range(50)]
        said = [tick.end() for tick in ticks]
        assert [one.code for one in said] == [0] * 50
        assert {one.err for one in said} == {""}
        assert len(tap.updates()) == sent + 1
        assert one.served() == [[one.b]] * 2
