"""A side stood up by other means: its three commands, and what they mean."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from migrations import until

from lbmigrate.balancers import make
from lbmigrate.errors import Failed, Refused, Unreachable
from lbmigrate.hosts import local
from lbmigrate.model import Balancer, Blueprint, Look, Side

ADDRESSES = ("127.92.0.2", "::1")
PLAN = Blueprint("haproxy", ("127.92.0.1",), (), ())


def external(**commands: str) -> Balancer:
    return make(Side("external", ADDRESSES, commands=tuple(commands.items())), "b")


def test_it_is_described_by_its_addresses() -> None:
    assert external().describe() == Blueprint("external", ADDRESSES, (), ())


def test_without_commands_it_is_taken_to_be_up_and_nothing_is_run() -> None:
    side = external()
    side.check(PLAN)
    side.stand_up(PLAN)
    side.stop()
    assert side.look() == Look(up=True)


def test_health_is_its_exit_code() -> None:
    assert external(health="exit 0").look() == Look(up=True)
    assert external(health="exit 3").look() == Look(up=False)


def test_up_and_down_run_once(tmp_path: Path) -> None:
    log, flag = tmp_path / "log", tmp_path / "flag"
    side = external(up=f"echo up >>{log}; touch {flag}", down=f"echo down >>{log}; rm {flag}", health=f"test -e {flag}")
    for _ in range(2):
        side.check(PLAN)
        side.stand_up(PLAN)
    for _ in range(2):
        side.stop()
    assert log.read_text() == "up\ndown\n"


def test_down_and_without_up_is_refused() -> None:
    with pytest.raises(Refused, match="no `up`"):
        external(health="false").check(PLAN)
    with pytest.raises(Refused, match="no `up`"):
        external(health="false").stand_up(PLAN)


@pytest.mark.parametrize("name", ["up", "down"])
def test_a_command_that_fails_is_told_with_its_words(name: str) -> None:
    side = external(**{name: "echo no; echo licence >&2; exit 7"})
    with pytest.raises(Failed, match=r"exit code 7: no \| licence"):
        side.stand_up(PLAN) if name == "up" else side.stop()


def test_an_unknown_command_is_refused() -> None:
    with pytest.raises(Refused, match="'restart'"):
        external(restart="x")


def test_an_unknown_driver_names_those_that_are_known() -> None:
    with pytest.raises(Refused, match="side b: driver 'nginz' is not known; known are elbv2, external, haproxy"):
        make(Side("nginz", ()), "b")


def test_no_driver_is_imported_before_it_is_asked_for() -> None:
    script = "import sys, lbmigrate.balancers; print([n for n in sys.modules if n.startswith('lbmigrate.balancers.')])"
    assert local.run((sys.executable, "-c", script)).output == "[]\n"


def test_a_command_is_bounded_and_ended_with_its_children(tmp_path: Path) -> None:
    command = f"sleep 1000 & echo $! >{tmp_path}/pid; wait"
    with pytest.raises(Unreachable, match=r"not done in 1 s"):
        local.shell(command, 1)
    child = int((tmp_path / "pid").read_text())
    until(lambda: not local.alive(child), "the end of the child")


def test_a_daemon_left_behind_does_not_hold_the_command(tmp_path: Path) -> None:
    assert local.shell(f"sleep 1000 & echo $! >{tmp_path}/pid; echo done", 5) == local.Done(0, "done\n")
    pid = int((tmp_path / "pid").read_text())
    assert local.alive(pid)
    local.signal_process(pid, signal.SIGKILL)


def test_a_started_program_is_nobodys_child_here(tmp_path: Path) -> None:
    pid = local.start(("/bin/sh", "-c", "echo hello; exec /bin/sleep 1000"), tmp_path / "log", {})
    try:
        assert local.alive(pid)
        assert local.parent(pid) != os.getpid()
        assert local.began(pid).isdigit()
    finally:
        local.signal_process(pid, signal.SIGKILL)
    local.signal_process(2**22 - 1, signal.SIGTERM)


def test_a_program_that_is_not_there_is_told() -> None:
    with pytest.raises(Failed, match=r"/nowhere/program: No such file or directory; install"):
        local.run(("/nowhere/program",))


def test_a_file_is_replaced_in_one_step_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    local.write(path, "one")
    local.write(path, "two")
    assert local.read(path) == "two"
    assert [one.name for one in path.parent.iterdir()] == ["file"]
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_what_a_killed_process_left_beside_a_file_is_removed(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    left, theirs, other = (tmp_path / f".file.{end}" for end in (gone.pid, os.getppid(), "swp"))
    for one in (left, theirs, other):
        one.touch()
    local.write(tmp_path / "file", "text")
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted([theirs.name, other.name, "file"])


def test_files_that_cannot_be_written_or_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xff")
    with pytest.raises(Failed, match=r"writing .*: File exists; make"):
        local.write(tmp_path / "file" / "x", "")
    with pytest.raises(Failed, match="not UTF-8 text"):
        local.read(tmp_path / "file")
    with pytest.raises(Failed, match="No such file"):
        local.read(tmp_path / "nothing")
