"""The system calls of a command that write, by strace(1): which they are, and a kill at one of them."""

import re
from collections.abc import Sequence
from pathlib import Path

from lbmigrate.value import value

# Those that a migration makes are found by tracing one; a call that none makes costs nothing.
CALLS = (
    "write", "writev", "pwrite64", "pwritev", "sendto", "sendmsg", "sendmmsg", "connect", "bind", "rename", "renameat",
    "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir",
    "truncate", "ftruncate", "fallocate", "chmod", "fchmod", "fchmodat", "chown", "fchown", "fchownat", "utimensat",
    "fsync", "fdatasync", "fork", "vfork", "clone", "kill",
)  # fmt: skip
OPEN = "openat"  # makes files, too: strace cannot tell by its flags, but by the path of the journal's two
JOURNAL = ("journal.db", "journal.db-journal")


@value
class Point:
    """The `number`-th `call` of one process, counted from 1."""

    call: str
    number: int


def tracing(directory: Path, log: Path, point: Point | None) -> tuple[str, ...]:
    """The words before a command that is to be traced, and killed at `point`."""
    paths = [word for name in JOURNAL for word in ("-P", str(directory / name))]
    kill = ("-e", f"inject={point.call}:signal=SIGKILL:when={point.number}") if point else ()
    what = ("-e", f"trace={','.join((*CALLS, OPEN))}")
    return ("strace", "-o", str(log), "-s", "40", "-y", *what, *kill, *(paths if point and point.call == OPEN else ()))


def written(log: Path) -> list[str]:
    """The calls in a trace that are points, in their order."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if re.match(r"[a-z0-9]+\(", line)]
    ours = tuple(f'/{name}", ' for name in JOURNAL)
    return [line for line in lines if not line.startswith(OPEN) or any(one in line for one in ours)]


def call(line: str) -> str:
    """Which system call a line of the trace is."""
    return line.partition("(")[0]


def chain(calls: Sequence[str], places: Sequence[int]) -> tuple[Point, ...]:
    """These places of one process's calls as points of several: a kill's successor counts from its own start on."""
    begun = (0, *places[:-1])
    return tuple(
        Point(calls[place], calls[since : place + 1].count(calls[place]))
        for since, place in zip(begun, places, strict=True)
    )
