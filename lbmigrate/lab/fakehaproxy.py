"""A stand-in for HAProxy in plain Python: its command line, a subset of its configuration, its Runtime API.

`python -m lbmigrate.lab.fakehaproxy -f FILE`, or the executable that `install` writes. Options: -v, -c, -f FILE,
-p PIDFILE, -D (leaves once it listens), -W and -db (accepted, foreground), -sf PID (soft stop of that one, once it
listens). SIGUSR1 is the soft stop, SIGTERM and SIGINT end at once. The pid file is written under -D and -W.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import stat
import sys
from pathlib import Path

from lbmigrate.errors import Refused
from lbmigrate.lab.fake_config import Conf, parse
from lbmigrate.lab.fake_proxy import Balancer
from lbmigrate.lab.fake_runtime import VERSION, serve

POLL_SECONDS = 0.02


def install(path: Path) -> Path:
    """Write an executable that stands where the real program would: `path`, with this interpreter and package."""
    package = Path(__file__).resolve().parents[2]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(package)!r})\n"
        "from lbmigrate.lab.fakehaproxy import main\nmain()\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


async def run(conf: Conf, finish: list[int], ready: int | None) -> None:
    """Serve until SIGUSR1 and the last connection's end, or SIGTERM. Raises OSError where an address is taken."""
    balancer = Balancer(conf)
    # The admin socket first, as with HAProxy: who can reach the port can then ask the process.
    runtime = await _socket(balancer)
    await balancer.open()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, balancer.soft_stop)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    for pid in finish:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGUSR1)
    if ready is not None:
        os.write(ready, b"+")
        os.close(ready)
    checks = asyncio.create_task(balancer.check())
    while not ended.is_set() and not (balancer.stopping.is_set() and not balancer.active()):
        if balancer.stopping.is_set() and runtime:
            runtime.close()
        await asyncio.sleep(POLL_SECONDS)
    checks.cancel()
    if runtime:
        runtime.close()


async def _socket(balancer: Balancer) -> asyncio.Server | None:
    if not balancer.conf.socket:
        return None
    old = os.umask(0o777 & ~balancer.conf.mode)
    try:
        return await asyncio.start_unix_server(
            lambda reader, writer: serve(balancer, reader, writer), balancer.conf.socket
        )
    finally:
        os.umask(old)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="haproxy", allow_abbrev=False)
    parser.add_argument("-v", action="store_true", dest="version")
    parser.add_argument("-c", action="store_true", dest="check")
    parser.add_argument("-f", dest="file", type=Path)
    parser.add_argument("-D", action="store_true", dest="daemon")
    parser.add_argument("-p", dest="pidfile", default="")
    parser.add_argument("-sf", dest="finish", nargs="*", type=int, default=[])
    for mode in ("-W", "-Ws"):
        parser.add_argument(mode, action="store_true", dest="master")
    for ignored in ("-db", "-q", "-V", "-4"):
        parser.add_argument(ignored, action="store_true", dest="ignored")
    return parser.parse_args()


def _read(file: Path | None) -> Conf:
    if file is None:
        raise Refused("[ALERT] no configuration file given: use -f FILE")
    try:
        return parse(file.read_text(), str(file))
    except OSError as wrong:
        raise Refused(f"[ALERT] Could not open configuration file {file} : {wrong.strerror}") from wrong


def _leave() -> int | None:
    """Go into the background; the one who called returns from here only once the child listens, or has failed."""
    read, write = os.pipe()
    if os.fork():
        os.close(write)
        os._exit(0 if os.read(read, 1) else 1)
    os.close(read)
    os.setsid()
    return write


def _pidfile(path: str) -> None:
    if path:
        Path(path).write_text(f"{os.getpid()}\n")


def main() -> None:
    """The command line."""
    given = _options()
    if given.version:
        print(f"HAProxy version {VERSION} - the laboratory's stand-in")
        return
    try:
        conf = _read(given.file)
    except Refused as wrong:
        sys.exit(f"{wrong}\n[ALERT] config : Fatal errors found in configuration.")
    if given.check:
        print("Configuration file is valid")
        return
    _start(conf, given)


def _start(conf: Conf, given: argparse.Namespace) -> None:
    background = given.daemon or conf.daemon
    ready = _leave() if background else None
    if background or given.master:
        _pidfile(given.pidfile or conf.pidfile)
    try:
        asyncio.run(run(conf, given.finish, ready))
    except OSError as wrong:
        sys.exit(f"[ALERT] Starting proxy: cannot bind socket ({wrong.strerror})")


if __name__ == "__main__":
    main()
