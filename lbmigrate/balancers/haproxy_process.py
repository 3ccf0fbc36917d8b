"""The HAProxy process of a side: found by the file it runs with, started to outlive us, stopped softly.

A process may be ours when its command line names the program and `-f` the side's file; it is when it also answers at
the side's socket, or stands in the pid file. Each alone is not enough: a pid file may be stale, its number somebody
else's by now, and anybody may start the same command line. No signal is sent to a process on less.
"""

import os
import shlex
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from lbmigrate.balancers.haproxy_runtime import Gone, Runtime, info
from lbmigrate.balancers.haproxy_text import parse, variables
from lbmigrate.errors import Failed, Refused, Unreachable
from lbmigrate.hosts import local, ports
from lbmigrate.model import Side

START_SECONDS = 10.0
STOP_SECONDS = 5.0
STOP_SIGNALS = 10
CHECK_SECONDS = 30.0
POLL_SECONDS = 0.02
SYSTEM = "/usr/local/sbin:/usr/sbin:/sbin"  # where packages put it, and where cron's PATH does not look
KINDS = ("process", "command", "service")


def kind(side: Side) -> Mapping[str, str]:
    """`run:` with its kind filled in; a service is its systemctl commands. Raises Refused for an unknown kind."""
    run = dict(side.run)
    found = run.setdefault("kind", "process")
    if found not in KINDS:
        raise Refused(f"reading `run:`: haproxy is not run as {found!r}; use `command: {{up: …, down: …}}`")
    if found == "service":
        name = shlex.quote(run.get("name") or run.get("service", ""))
        return {"kind": "command", "up": f"systemctl start {name}", "down": f"systemctl stop {name}"}
    return run


def binary(side: Side) -> str:
    """The program's path: `binary`, else haproxy from PATH. Raises Refused."""
    given = dict(side.run).get("binary", "haproxy")
    found = shutil.which(given, path=f"{os.environ.get('PATH', os.defpath)}:{SYSTEM}")
    if found is None:
        raise Refused(f"looking for {given}: no such program; install HAProxy or set `run: {{process: {{binary: …}}}}`")
    return found


def pidfile(side: Side) -> str:
    """Where the pid is written for others to read."""
    return dict(side.run).get("pidfile") or f"{side.config}.pid"


def judge(side: Side, file: Path) -> None:
    """`haproxy -c`. Raises Refused with HAProxy's own words, which name the line and any file that is missing."""
    done = local.run((binary(side), *_arguments(side), "-c", "-f", str(file)), CHECK_SECONDS, environment(file))
    if done.code != 0:
        words = _words(done.output).replace(str(file), side.config)
        raise Refused(f"validating {side.config} with haproxy -c: {words}; put that right in A, or supply the file")


def environment(file: Path) -> Mapping[str, str]:
    """What HAProxy is started with: the few variables that programs need, and those that its file names."""
    return local.environment(sorted({name for line in parse(local.read(file)) for name in variables(line)}))


def _words(output: str) -> str:
    """What HAProxy complains of, on one line: its alerts, where it prints any."""
    alerts = [line.partition(" : ")[2] or line for line in output.splitlines() if line.startswith("[ALERT]")]
    telling = [line for line in alerts if "rror(s) found" not in line and "Fatal errors" not in line]
    return local.oneline("\n".join(telling) or output)


def _arguments(side: Side) -> list[str]:
    return shlex.split(dict(side.run).get("args", ""))


def files(pid: int) -> tuple[str, ...]:
    """The configuration files on the command line of a process, resolved; empty when there is no such process."""
    words = local.argv(pid)
    return tuple(local.resolve(pid, path) for flag, path in pairwise(words) if flag == "-f")


def running(side: Side) -> tuple[int, ...]:
    """Pids of the live processes that run this side's file, those that are finishing after a soft stop included."""
    config = os.path.realpath(side.config)
    names = {"haproxy", Path(dict(side.run).get("binary", "haproxy")).name}

    def ours(pid: int) -> bool:
        words = local.argv(pid)
        if "-f" not in words or "-c" in words:
            return False
        program = [Path(word).name for word in words[: words.index("-f")]]
        return any(name in word for word in program for name in names) and config in files(pid)

    return local.find(ours)


def mine(side: Side, runtime: Runtime) -> tuple[int, ...]:
    """Of `running` those that are this side: whoever answers at its socket or stands in its pid file, and their kin."""
    pids = running(side)
    heads = {_head(pid, pids) for pid in _named(side, runtime) if pid in pids}
    return tuple(pid for pid in pids if _head(pid, pids) in heads)


def _head(pid: int, pids: Sequence[int]) -> int:
    """The master of a worker, among these."""
    above = local.parent(pid)
    return above if above in pids else pid


def _named(side: Side, runtime: Runtime) -> Iterator[int]:
    file = Path(pidfile(side))
    if file.exists() and (text := local.read(file).strip()).isdecimal():
        yield int(text)
    if answers(runtime):
        yield int(info(runtime)["Pid"])


def strangers(side: Side, runtime: Runtime) -> tuple[int, ...]:
    """Processes with this side's command line that listen and are not this side."""
    ours = mine(side, runtime)
    return tuple(pid for pid in running(side) if pid not in ours and ports.listens(pid))


def listening(side: Side) -> bool:
    """Whether any process of this side still takes connections."""
    return any(ports.listens(pid) for pid in running(side))


def start(side: Side, runtime: Runtime) -> None:
    """Start it, or a new one beside the old which it then stops softly (`-sf`). Raises Failed with its words."""
    log = Path(f"{side.config}.log")
    mark = log.stat().st_size if log.exists() else 0
    before = mine(side, runtime)
    old = tuple(pid for pid in before if _head(pid, before) == pid)
    soft = ("-sf", *map(str, old)) if old else ()
    argv = (binary(side), "-db", "-f", side.config, *_arguments(side), *soft)
    Path(side.socket).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    pid = local.start(argv, log, environment(Path(side.config)))

    def up() -> bool:
        if not local.alive(pid):
            words = _words(log.read_bytes()[mark:].decode(errors="replace"))
            raise Failed(f"starting {shlex.join(argv)}: it ended at once: {words or 'no words'}; put it right")
        return answers(runtime) and _serves(runtime, pid)

    until(up, START_SECONDS, f"starting {shlex.join(argv)}: {side.socket} does not answer; read {log}")
    if not _silent(old, lambda: not any(ports.listens(one) for one in before)):
        raise Unreachable(f"replacing pid {', '.join(map(str, old))} of {side.config}: it still listens; end it")
    local.write(Path(pidfile(side)), f"{pid}\n")


def _serves(runtime: Runtime, pid: int) -> bool:
    """Whether the socket is the new process's own, or its worker's."""
    worker = int(info(runtime)["Pid"])
    return pid in (worker, local.parent(worker))


def masters(side: Side) -> tuple[int, ...]:
    """Of this side's processes those whose parent is not one too: the master of a master with workers."""
    pids = running(side)
    return tuple(pid for pid in pids if local.parent(pid) not in pids)


def up(side: Side, runtime: Runtime, command: str) -> None:
    """Start it by the config's own command. Raises Failed with the command's words."""
    done = local.shell(command)
    if done.code != 0:
        raise Failed(f"running `{command}`: exit code {done.code}: {done.tail()}; correct `run.command.up`")
    until(lambda: answers(runtime), START_SECONDS, f"after `{command}`: {side.socket} does not answer; correct `up`")


def down(side: Side, runtime: Runtime, command: str) -> None:
    """Stop it by the config's own command; nothing is run when it is down. Raises Failed with the command's words."""
    if not answers(runtime) and not listening(side):
        return
    done = local.shell(command)
    if done.code != 0:
        raise Failed(f"running `{command}`: exit code {done.code}: {done.tail()}; correct `run.command.down`")
    until(lambda: not answers(runtime), STOP_SECONDS, f"after `{command}`: {side.socket} still answers; correct `down`")


def soft_stop(side: Side, runtime: Runtime) -> None:
    """SIGUSR1 to what listens with this side's file, until it refuses. Raises Refused, Unreachable."""
    told = answers(runtime) or Path(pidfile(side)).exists()
    ours = mine(side, runtime) if told else running(side)  # a socket that is lost: the command line is all there is
    found = tuple(pid for pid in ours if _head(pid, ours) == pid)
    if not found and answers(runtime):
        raise Refused(
            f"stopping {side.config}: {side.socket} answers, but no process here runs `haproxy -f {side.config}`;"
            " stop it by `run: {command: {up: …, down: …}}`"
        )
    if _silent(found, lambda: not answers(runtime) and not listening(side)):
        return
    if others := strangers(side, runtime):
        raise Unreachable(
            f"stopping {side.config}: pid {', '.join(map(str, others))} runs `haproxy -f {side.config}` too and still"
            f" listens, but is not what answers at {side.socket}; it was left alone: end it by hand"
        )
    pids = ", ".join(map(str, found))
    raise Unreachable(
        f"stopping {side.config} softly (pid {pids}): it still listens after {STOP_SECONDS:g} s; look into its log"
    )


def _silent(pids: Sequence[int], refuses: Callable[[], bool]) -> bool:
    """SIGUSR1 until they refuse: a master that has only just started loses it (2.8: 1 in 50); a second is harmless."""
    for _ in range(STOP_SIGNALS):
        for pid in pids:
            if local.alive(pid):
                local.signal_process(pid, signal.SIGUSR1)
        if settle(refuses, STOP_SECONDS / STOP_SIGNALS):
            return True
    return False


def answers(runtime: Runtime) -> bool:
    """Whether somebody listens on the admin socket. Raises Unreachable when it is there but does not answer."""
    try:
        info(runtime)
    except Gone:
        return False
    return True


def settle(done: Callable[[], bool], seconds: float) -> bool:
    """Poll until true or until the time is over; which of the two it was."""
    end = time.monotonic() + seconds
    while not (ended := done()) and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
    return ended


def until(done: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """Poll until true. Raises Unreachable, with these words, after `seconds`."""
    if not settle(done, seconds):
        raise Unreachable(f"{otherwise} (waited {seconds:g} s)")


def conflicts(side: Side, runtime: Runtime, binds: Sequence[tuple[str, int]]) -> None:
    """Judge whether B could listen there and would have the ports to itself. Raises Refused, by address and port."""
    own = frozenset().union(*(ports.inodes(pid) or frozenset() for pid in mine(side, runtime)))
    for address, port in binds:
        holders = ports.listeners(address, port)
        why = "another program listens there" if holders - own else ""
        if not holders:
            why = ports.unbindable(address, port)
        if why:
            raise Refused(f"listening on {address} port {port} for {side.config}: {why}; free the port or correct B")
