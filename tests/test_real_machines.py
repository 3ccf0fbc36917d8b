"""Several machines at one migration, over one journal in PostgreSQL or DynamoDB: one at work, whatever dies.

A machine is a host name and a way to the journal of its own, which can be cut.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from migrations import NEEDS, Rig, Said, Under, rig, tapped, until
from stores import PASSWORD, Dynamodb, Postgresql
from taps import Tap, is_update
from wires import Wire

from lbmigrate.events import Began, Ended
from lbmigrate.journal import connect, patience
from lbmigrate.lab.process import environment
from lbmigrate.plan import Write

Shared = Postgresql | Dynamodb
KINDS = [
    pytest.param("postgres_server", marks=pytest.mark.real(*NEEDS, "postgres")),
    pytest.param("dynamo_server", marks=pytest.mark.real(*NEEDS)),
]
pg = pytest.mark.real(*NEEDS, "postgres")
MIGRATION = "laboratory"
TICKS = {Postgresql: 50, Dynamodb: 12}  # processes at once; boto3 takes each half a second of processor to import
# The command line as it is, but for the host's name and for how long a lost journal is tried again.
PROGRAM = """
import socket
socket.gethostname = lambda: {!r}
from lbmigrate import __main__
from lbmigrate.journal import patience
patience.SECONDS = {}
__main__.main()
"""


class Machine:
    """One host: its name, its config file, its wire to the journal."""

    def __init__(self, name: str, one: Rig, store: Shared) -> None:
        self.name, self._rig = name, one
        self.patience = patience.SECONDS  # less where the journal is known to be lost
        self.wire = Wire(store.server.port)
        self._config = one.directory / f"{name}.yaml"
        self._url = store.by(self.wire.port)
        self.write()

    def write(self) -> None:
        """The rig's config, with this machine's way to the journal."""
        self._config.write_text(yaml.safe_dump({**self._rig.config, "journal": self._url}, sort_keys=False))

    def begin(self, *words: str) -> Under:
        """Start a command on this machine."""
        argv = (sys.executable, "-c", PROGRAM.format(self.name, self.patience), "-c", str(self._config), *words)
        return self._rig.under(argv, {**environment(), **os.environ})

    def give(self, *words: str) -> Said:
        return self.begin(*words).end()

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ok("-o", "json", "status").out)
        return found

    def ok(self, *words: str) -> Said:
        said = self.give(*words)
        assert said.code == 0, f"{self.name}: {' '.join(words)}: exit {said.code}: {said.err[-2000:]}"
        return said


@contextmanager
def machines(directory: Path, server: object, *names: str) -> Iterator[tuple[Rig, Shared, list[Machine]]]:
    """One ground, one journal, and these machines."""
    with ExitStack() as stack:
        store: Shared = server.store()  # type: ignore[attr-defined]
        one = stack.enter_context(rig(directory))
        found = [Machine(name, one, store) for name in names]
        for machine in found:
            stack.callback(machine.wire.close)
        yield one, store, found


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest) -> object:
    return request.getfixturevalue(request.param)


def events(store: Shared) -> list[object]:
    """Everything in the journal, read past all wires, its chain checked."""
    with closing(connect(store.url, MIGRATION)) as journal:
        return [entry.event for entry in journal.read(whole=True)]


def writes(store: Shared) -> list[tuple[str, int]]:
    """What was written to DNS and ended well, in its order."""
    done = [event.step for event in events(store) if isinstance(event, Ended) and event.result == "done"]
    return [(step.target, step.weight) for step in done if isinstance(step, Write)]


def intents(store: Shared) -> int:
    return sum(isinstance(event, Began) and isinstance(event.step, Write) for event in events(store))


WHOLE = [("claim", 0), ("weight", 50), ("weight", 100), ("release", 0)]


def test_ticks_of_two_machines_at_once_make_one_write_each_step(server: object, tmp_path: Path) -> None:
    with machines(tmp_path, server, "web1", "web2") as (one, store, (web1, web2)), tapped(one) as tap:
        web1.write()
        web1.ok("start")
        one.write(soak="1m")
        web1.write()
        web2.write()
        sent = len(tap.updates())
        ticks = [(web1, web2)[i % 2].begin("-q", "tick", "--for", "12s") for i in range(TICKS[type(store)])]
        said = [tick.end() for tick in ticks]
        assert {(one.code, one.err) for one in said} == {(0, "")}
        assert len(tap.updates()) == sent + 1
        assert writes(store) == WHOLE[:3]
        assert intents(store) == 3
        assert "every one follows" in web2.ok("history", "--verify").out
        assert one.served() == [[one.b]] * 2


class Held:
    """The next UPDATE is kept on its way to the primary until `release`."""

    def __init__(self, tap: Tap) -> None:
        self.there, self._gate = threading.Event(), threading.Event()
        tap.deliver = self._deliver

    def _deliver(self, wire: bytes) -> bool:
        if is_update(wire) and not self.there.is_set():
            self.there.set()
            self._gate.wait(60)
        return True

    def release(self) -> None:
        self._gate.set()


def test_one_is_killed_in_mid_effect_and_the_other_finds_it_done(server: object, tmp_path: Path) -> None:
    with machines(tmp_path, server, "web1", "web2") as (one, store, (web1, web2)), tapped(one) as tap:
        web1.write()
        web2.write()
        web1.ok("start")
        held = Held(tap)
        run = web1.begin("run")
        until(held.there.is_set, "the message of 100")
        worker = web2.status()["worker"]
        assert (worker["host"], worker["pid"]) == ("web1", run.pid)
        assert f"at work   web1, pid {run.pid}" in web2.ok("status").out
        run.signal(signal.SIGKILL)
        assert run.end().code == -signal.SIGKILL
        held.release()
        until(lambda: one.served()[0] == [one.b], "the shift to 100")
        web2.ok("run")
        assert intents(store) == 4, "what was sent again carried the same fence, and was refused"
        assert writes(store) == WHOLE
        assert web1.status()["worker"] is None


@pg
def test_one_is_stopped_past_its_lease_and_stands_down(postgres_server: object, tmp_path: Path) -> None:
    with machines(tmp_path, postgres_server, "web1", "web2") as (one, _, (web1, web2)), tapped(one) as tap:
        before = one.records()
        web1.write()
        web2.write()
        web1.ok("start")
        held = Held(tap)
        shift = web1.begin("shift", "--weight", "100")
        until(held.there.is_set, "the message of 100")
        shift.signal(signal.SIGSTOP)
        web2.ok("rollback", "--yes")
        assert one.records() == before
        held.release()
        shift.signal(signal.SIGCONT)
        said = shift.end()
        assert said.code == 0
        assert "laboratory: rolled-back" in said.out
        assert one.records() == before
        assert one.served() == [[one.a]] * 2


@pg
def test_one_is_cut_off_from_the_journal_in_mid_effect(postgres_server: object, tmp_path: Path) -> None:
    with machines(tmp_path, postgres_server, "web1", "web2") as (one, store, (web1, web2)), tapped(one) as tap:
        before = one.records()
        web1.write()
        web2.write()
        web1.ok("start")
        held = Held(tap)
        web1.patience = 3.0
        shift = web1.begin("shift", "--weight", "100")
        until(held.there.is_set, "the message of 100")
        web1.wire.cut()
        web2.ok("rollback", "--yes")
        held.release()
        said = shift.end()
        assert said.code == 1
        assert said.line.startswith("journal postgresql://lb@127.0.0.1:")
        assert "give the same command again, or undo without a journal: lbmigrate rollback" in said.line
        assert one.records() == before, "the primary refused what came late"
        assert "rolled back" in web2.ok("rollback", "--yes").out
        web1.wire.mend()
        assert web1.status()["phase"] == "rolled-back"
        assert ("weight", 100) not in writes(store)


@pg
def test_without_the_journal_nothing_is_written_but_a_rollback_from_dns(
    postgres_server: object, tmp_path: Path
) -> None:
    with machines(tmp_path, postgres_server, "web1") as (one, store, (web1,)):
        before = one.records()
        web1.ok("start")
        at_50 = one.ground.zone()
        web1.wire.cut()
        web1.patience = 1.0
        said = [
            web1.give(*words.split()) for words in ("shift --weight 100", "run", "tick", "status", "rollback --yes")
        ]
        assert {one.code for one in said} == {1}
        assert all("cannot read it: " in one.line for one in said)
        assert one.ground.zone() == at_50
        web1.ok("rollback", "--from-dns", "--yes")
        assert one.records() == before
        web1.wire.mend()
        web1.patience = patience.SECONDS
        said.append(web1.ok("tick", "--for", "20s"))
        assert web1.status()["phase"] == "rolled-back"
        shown = "".join(one.out + one.err for one in said)
        assert PASSWORD not in shown + repr(events(store))
