"""This machine: run a command bounded in time, start a program that outlives us, find and signal processes.

Processes are read from /proc (proc(5)); one that has ended but was not yet reaped (state Z) counts as gone.
"""

import glob
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from lbmigrate.errors import Denied, Failed, Unreachable
from lbmigrate.value import value

PROC = Path("/proc")
OWNER = 0o600
COMMAND_SECONDS = 60.0
TAIL_CHARS = 1500
PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")


@value
class Done:
    """How a command ended: its exit code (negative: the signal that ended it) and its whole output."""

    code: int
    output: str

    def tail(self) -> str:
        """The end of the output, on one line."""
        return oneline(self.output)


def oneline(text: str) -> str:
    """The end of a text as one line, for an error message."""
    lines = (one.strip() for one in text.splitlines())
    return " | ".join(one for one in lines if one)[-TAIL_CHARS:]


def environment(names: Iterable[str] = ()) -> dict[str, str]:
    """The environment for a program that outlives us: what programs need, and `names`; never our secrets."""
    return {name: os.environ[name] for name in (*PASSED_ON, *names) if name in os.environ}


def run(argv: Sequence[str], seconds: float = COMMAND_SECONDS, env: Mapping[str, str] | None = None) -> Done:
    """Run a command to its end, output gathered. Raises Failed (no such program), Unreachable (still running).

    The output goes to a file, not a pipe: a daemon that the command leaves behind keeps a pipe open for ever. The file
    has no name (memfd_create(2)): a kill leaves nothing behind.
    """
    with os.fdopen(os.memfd_create("output"), "w+b") as out:
        child = _spawn(argv, out.fileno(), env)
        try:
            code = child.wait(seconds)
        except subprocess.TimeoutExpired:
            _end_session(child)
            raise Unreachable(
                f"running {shlex.join(argv)}: not done in {seconds:g} s, ended; find out what it waits for"
            ) from None
        out.seek(0)
        return Done(code, out.read().decode(errors="replace"))


def shell(command: str, seconds: float = COMMAND_SECONDS) -> Done:
    """Run a command line of the config with /bin/sh, bounded. Raises as `run`."""
    return run(("/bin/sh", "-c", command), seconds)


def start(argv: Sequence[str], log: Path, env: Mapping[str, str]) -> int:
    """Start a program in a session of its own, output appended to `log`; returns its pid. Raises Failed.

    A shell in between starts it and exits, so that init reaps it: it outlives this command and is never our zombie.
    What a program complains of may quote its configuration: the log is the owner's alone.
    """
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, OWNER))
    script = '"$@" </dev/null >>"$0" 2>&1 & echo $!'
    done = run(("/bin/sh", "-c", script, str(log), *argv), env=env)
    if done.code != 0 or not done.output.strip().isdigit():
        raise Failed(f"starting {shlex.join(argv)}: {done.tail()}; correct the command")
    return int(done.output)


def _spawn(argv: Sequence[str], out: int, env: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True, env=env
        )
    except OSError as wrong:
        raise Failed(f"running {argv[0]}: {wrong.strerror}; install it or correct the path") from wrong


def _end_session(child: subprocess.Popen[bytes]) -> None:
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def alive(pid: int) -> bool:
    """Whether the process runs: a zombie does not."""
    return _stat(pid)[:1] not in ([], ["Z"], ["X"])


def began(pid: int) -> str:
    """When the process began, in clock ticks since boot; "" when it is gone. With the pid it names one process."""
    fields = _stat(pid)
    return fields[19] if len(fields) > 19 else ""


def parent(pid: int) -> int:
    """The parent's pid; 0 when there is none."""
    fields = _stat(pid)
    return int(fields[1]) if len(fields) > 1 else 0


def _stat(pid: int) -> list[str]:
    """/proc/PID/stat from the state on: what stands before it is a name that may hold spaces and brackets."""
    try:
        return (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def argv(pid: int) -> tuple[str, ...]:
    """The command line of a process; empty when it is gone."""
    try:
        raw = (PROC / str(pid) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return ()
    return tuple(raw.decode(errors="replace").split("\0")[:-1])


def resolve(pid: int, path: str) -> str:
    """A path as that process means it: relative ones from its working directory. Links are followed."""
    try:
        base = Path(os.readlink(PROC / str(pid) / "cwd"))
    except OSError:
        base = Path("/")
    return os.path.realpath(base / path)


def find(wanted: Callable[[int], bool]) -> tuple[int, ...]:
    """The pids of all live processes for which `wanted` is true, in order; not those of a container.

    A container's process may have the same command line, and files of its own under the same names.
    """
    pids = sorted(int(one.name) for one in PROC.iterdir() if one.name.isdigit())
    return tuple(pid for pid in pids if wanted(pid) and alive(pid) and _together(pid))


def _together(pid: int) -> bool:
    """Whether it sees the same files and the same network as this process; true where that is not to be known."""
    try:
        return all(
            os.readlink(PROC / str(pid) / "ns" / kind) == os.readlink(PROC / "self/ns" / kind)
            for kind in ("mnt", "net")
        )
    except OSError:
        return True


def signal_process(pid: int, sig: signal.Signals) -> None:
    """Send a signal; nothing happens when the process is gone. Raises Denied."""
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        return
    except PermissionError as wrong:
        raise Denied(f"sending {sig.name} to pid {pid}: not permitted; run as its user, or as root") from wrong


@contextmanager
def beside(path: Path, text: str) -> Iterator[Path]:
    """A file with this text in the folder of `path`, on the disk, readable by the owner only; gone afterwards.

    Its name holds our pid: what a killed process left is known by that, and removed first. Raises Failed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _sweep(path)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER), "w") as file:
            try:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
                yield fresh
            finally:
                fresh.unlink(missing_ok=True)
    except OSError as wrong:
        raise Failed(f"writing {path}: {wrong.strerror}; make its folder writable for this user") from wrong


def _sweep(path: Path) -> None:
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        pid = left.suffix.removeprefix(".")
        if pid.isdecimal() and (int(pid) == os.getpid() or not alive(int(pid))):
            left.unlink(missing_ok=True)


def write(path: Path, text: str) -> None:
    """Replace a file in one step (write beside it, fsync, rename), readable by the owner only. Raises Failed."""
    with beside(path, text) as fresh:
        os.replace(fresh, path)


def read(path: Path) -> str:
    """The text of a file. Raises Failed."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as wrong:
        why = wrong.strerror if isinstance(wrong, OSError) else "not UTF-8 text"
        raise Failed(f"reading {path}: {why}; correct the path or the permissions") from wrong
