"""Who is at work: this process, named so that its death is noticed at once on the same machine."""

import os
import socket

from lbmigrate.events import Worker


def _text(path: str) -> str:
    with open(path) as file:  # pathlib is slow to import
        return file.read()


def _boot() -> str:
    """The kernel's run and the process namespace: where a pid means the same process."""
    try:
        return f"{_text('/proc/sys/kernel/random/boot_id').strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""  # no such file on this system: others then wait for the lease


def _started(pid: int) -> int | None:
    """Start time in clock ticks since boot (proc(5), field 22); None when there is no such process, or it is dead."""
    try:
        fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def here() -> Worker:
    """This process."""
    return Worker(socket.gethostname(), os.getpid(), _started(os.getpid()) or 0, _boot())


def alive(worker: Worker) -> bool | None:
    """Whether that worker still runs; None where this process cannot tell: another machine or container, or no /proc.

    Machines may have the same name, so one of another boot counts as another machine: its lease tells.
    """
    if (worker.host, worker.boot) != (socket.gethostname(), _boot()) or not worker.boot:
        return None
    return _started(worker.pid) == worker.started
