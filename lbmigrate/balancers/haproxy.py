"""The driver for HAProxy 2.6 and newer: one side, read and changed through its file and its admin socket.

Ready, drained and weighted is what `show servers state` says; healthy what HAProxy's own checks say. Standing up twice
changes nothing: a mark beside the file names the process that was started with exactly this text. A process that runs
an older text is replaced softly (`-sf`: the new one listens before the old one stops).
"""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lbmigrate.balancers import haproxy_process as process
from lbmigrate.balancers.haproxy_config import Rendered, Target, render
from lbmigrate.balancers.haproxy_runtime import Gone, Row, Runtime, info, servers, sources, stats
from lbmigrate.balancers.haproxy_servers import backends, register, unwritten
from lbmigrate.balancers.haproxy_text import Line, endpoints, parse, proxies
from lbmigrate.errors import Refused, Unreachable, Usage
from lbmigrate.hosts import local, ports
from lbmigrate.model import Backend, Blueprint, Listen, Look, Side

LOOK_SECONDS = 2.0
HEALTH_SECONDS = 5.0
MOST_CLIENTS = 1000  # beyond that `show sess` is no longer cheap


class Haproxy:
    """One HAProxy side (model.Balancer)."""

    def __init__(self, side: Side) -> None:
        """Raises Usage for a side without file or socket, Refused for a way to run it that is not known."""
        for field in ("config", "socket"):
            if not getattr(side, field):
                raise Usage(f"reading a haproxy side: no `{field}`; give the path of its {field}")
        self._side = side
        self._run = process.kind(side)
        self._runtime = Runtime(side.socket)

    def describe(self) -> Blueprint:
        """File and run-time state as one. Raises Unreachable, Failed, and Refused when file and process disagree."""
        text = local.read(Path(self._side.config))
        lines = parse(text)
        rows, table = servers(self._runtime), stats(self._runtime)
        self._agree(lines, table)
        unwritten(lines, rows)
        return Blueprint("haproxy", self._side.addresses, _listens(lines), backends(rows, table), text)

    def _agree(self, lines: Sequence[Line], table: Sequence[Row]) -> None:
        """The file must be what runs: no other files, no proxy more or less."""
        config = os.path.realpath(self._side.config)
        if others := [one for one in process.files(int(info(self._runtime)["Pid"])) if one != config]:
            raise Refused(f"reading {self._side.config}: the running HAProxy reads {others[0]} too; make it one file")
        differ = proxies(lines) ^ {row["pxname"] for row in table}
        if differ:
            raise Refused(
                f"reading {self._side.config}: `{min(differ)}` is not both in the file and in the running HAProxy;"
                " reload it with this file first"
            )
        if paused := [row["pxname"] for row in table if row["type"] == "0" and row["status"] in ("STOP", "PAUSED")]:
            raise Refused(
                f"reading {self._side.config}: frontend `{paused[0]}` was disabled at run time, and B would open it;"
                " enable it, or take it out of the file"
            )

    def check(self, plan: Blueprint) -> None:
        """Render, let HAProxy judge, look whether the ports are free. Raises Refused; changes nothing."""
        rendered = self._render(plan)
        self._apart(plan)
        if self._run["kind"] == "command" and not self._run.get("up"):
            raise Refused(f"reading `run:` of {self._side.config}: no `up` command; give one")
        self._judge(rendered.text)
        process.conflicts(self._side, self._runtime, rendered.binds)

    def _apart(self, plan: Blueprint) -> None:
        """B's file and socket must not be A's, nor anybody else's: writing one or stopping the other would end A."""
        side, lines = self._side, parse(plan.text)
        if Path(side.config).exists() and local.read(Path(side.config)) == plan.text:
            raise Refused(f"checking `config` {side.config}: it is A's own file; give B one of its own")
        if any(line.texts()[:3] == ("stats", "socket", side.socket) for line in lines):
            raise Refused(f"checking `socket` {side.socket}: it is A's own admin socket; give B one of its own")
        if self._run["kind"] == "process" and (others := process.strangers(side, self._runtime)):
            raise Refused(
                f"checking `config` {side.config}: pid {others[0]} runs HAProxy with it already and does not answer at"
                f" {side.socket}, so it is not B; end it, or give B a file of its own"
            )
        files = process.files(int(info(self._runtime)["Pid"])) if process.answers(self._runtime) else ()
        if files and os.path.realpath(side.config) not in files:
            raise Refused(f"checking `socket` {side.socket}: a HAProxy with {files[0]} answers there; give B its own")

    def _render(self, plan: Blueprint) -> Rendered:
        if plan.driver != "haproxy":
            raise Refused(f"standing HAProxy up after {plan.driver}: only another HAProxy's file can be carried over")
        side = self._side
        target = Target(side.addresses, side.config, side.socket, process.pidfile(side))
        return render(plan.text, plan.addresses, target)

    def _judge(self, text: str) -> None:
        """`haproxy -c` on a file beside the real one, so that relative paths mean the same."""
        config = Path(self._side.config)
        if os.access(config.parent, os.W_OK):
            with local.beside(config, text) as file:
                process.judge(self._side, file)
        else:
            with tempfile.NamedTemporaryFile("w", prefix=f".{config.name}.") as aside:
                aside.write(text)
                aside.flush()
                process.judge(self._side, Path(aside.name))

    def stand_up(self, plan: Blueprint) -> None:
        """Written, judged, running, every server as in `plan`; then up to 5 s for the checks. Raises as `check`."""
        rendered = self._render(plan)
        if not self._current(rendered.text):
            self.check(plan)
            self._keep()
            local.write(Path(self._side.config), rendered.text)
            self._start()
            local.write(self._mark(), self._marked(rendered.text))
        register(self._runtime, parse(plan.text), plan.backends, rendered.here)
        self._settle(plan.backends)

    def _keep(self) -> None:
        """A file that stood there and is not ours stays beside it, once: on the way back it was A's own.

        From then on the mark is there, so that a file of ours, left by a kill before its process ran, is not kept.
        """
        config, kept = Path(self._side.config), Path(f"{self._side.config}.before-lbmigrate")
        if self._mark().exists():
            return
        if config.exists() and not kept.exists():
            local.write(kept, local.read(config))
        local.write(self._mark(), "not started yet\n")

    def _start(self) -> None:
        match self._run["kind"]:
            case "command":
                if process.answers(self._runtime):
                    process.down(self._side, self._runtime, self._down())
                process.up(self._side, self._runtime, self._run["up"])
            case _:
                process.start(self._side, self._runtime)

    def _mark(self) -> Path:
        return Path(f"{self._side.config}.running")

    def _marked(self, text: str) -> str:
        """The mark of a running process and the text it was started with. Raises Gone."""
        return f"{_name(info(self._runtime))} {hashlib.sha256(text.encode()).hexdigest()}\n"

    def _current(self, text: str) -> bool:
        """Whether what runs was started with exactly this text."""
        config, mark = Path(self._side.config), self._mark()
        if not (config.exists() and mark.exists() and process.answers(self._runtime)):
            return False
        return local.read(config) == text and local.read(mark) == self._marked(text)

    def _settle(self, wanted: Sequence[Backend]) -> None:
        """Give the checks a moment; how healthy B is in the end is for its looks to say."""
        sound = {(one.pool, one.name) for one in wanted if one.healthy}

        def settled() -> bool:
            now = backends(servers(self._runtime), stats(self._runtime))
            return sound <= {(one.pool, one.name) for one in now if one.healthy}

        process.settle(settled, HEALTH_SECONDS)

    def look(self) -> Look:
        """Counters of the frontends on public addresses only: a scraped statistics page is no client.

        requests: `req_tot` of HTTP frontends, `stot` of TCP ones. errors: responses of 5xx (HAProxy's own 502, 503
        and 504 among them) of HTTP frontends; for TCP the failed connections and responses of the backends. active:
        open client connections. Bounded by 2 s. Raises Unreachable, also when the socket is gone but not the process.
        """
        runtime = self._runtime.within(LOOK_SECONDS)
        try:
            return self._seen(runtime)
        except Gone as gone:
            if process.listening(self._side):
                raise Unreachable(
                    f"looking at {self._side.config}: {gone}; its process still listens: put the socket back (reload)"
                ) from gone
            return Look(up=False)

    def _seen(self, runtime: Runtime) -> Look:
        about, table = info(runtime), stats(runtime)
        public = [row for row in table if row["type"] == "0" and row["pxname"] not in self._private()]
        active = sum(_number(row, "scur") for row in public)
        names = frozenset(row["pxname"] for row in public)
        busy = 0 < active <= MOST_CLIENTS
        clients = sources(runtime, names) | self._connected(int(about["Pid"])) if busy else frozenset()
        return Look(
            up=True,
            process=_name(about),
            backends=backends(servers(runtime), table),
            requests=sum(_number(row, "req_tot" if _http(row) else "stot") for row in public),
            errors=_errors(public, table),
            active=active,
            clients=tuple(sorted(clients)),
        )

    def _connected(self, pid: int) -> frozenset[str]:
        """Clients by the kernel's table: a connection kept open between requests is in none of HAProxy's own."""
        path = Path(self._side.config)
        numbers = {one.port for one in _listens(parse(local.read(path)))} if path.exists() else set()
        return ports.peers(pid, self._side.addresses, numbers)

    def _private(self) -> frozenset[str]:
        """Proxies that listen on none of the side's addresses, or that serve nothing but HAProxy's own pages."""
        path = Path(self._side.config)
        lines = parse(local.read(path)) if path.exists() else ()
        return private(lines, self._side.addresses)

    def stop(self) -> None:
        """Soft: listeners close, what is under way finishes. Returns once it refuses; nothing when it is down."""
        if self._run["kind"] == "command":
            process.down(self._side, self._runtime, self._down())
        else:
            process.soft_stop(self._side, self._runtime)

    def _down(self) -> str:
        command = self._run.get("down", "")
        if not command:
            raise Refused(f"stopping {self._side.config}: `run:` has no `down` command; give one")
        return command


def _name(about: Row) -> str:
    """A process by pid and start time: a pid alone comes back."""
    return f"{about['Pid']}@{about['Start_time_sec']}"


def _http(row: Row) -> bool:
    return row.get("mode", "http") == "http"


def _number(row: Row, key: str) -> int:
    return int(row.get(key) or 0)


def _errors(public: Sequence[Row], table: Sequence[Row]) -> int:
    http = sum(_number(row, "hrsp_5xx") for row in public if _http(row))
    tcp = [row for row in table if row["type"] == "1" and not _http(row)]
    return http + sum(_number(row, "econ") + _number(row, "eresp") for row in tcp)


def _listens(lines: Sequence[Line]) -> tuple[Listen, ...]:
    """Every address and port that the file binds, in its order."""
    found = {
        Listen(one.host or ("::" if one.v6 else "*"), port, "ssl" in line.texts(2)): None
        for line in lines
        if line.key() == "bind"
        for one in endpoints(line, 1)
        for port in one.ports()
    }
    return tuple(found)


def private(lines: Sequence[Line], addresses: Sequence[str]) -> frozenset[str]:
    """Names of the proxies whose requests are not clients'."""
    binds: dict[str, bool] = {}
    pages: dict[str, bool] = {}
    for line in lines:
        key, words = line.key(), line.texts()
        if key == "bind":
            binds[line.name] = binds.get(line.name, False) or _public(line, addresses)
        if key in ("server", "server-template", "default_backend", "use_backend"):
            pages[line.name] = False
        if (key == "stats" and line.section in ("frontend", "listen")) or "prometheus-exporter" in words:
            pages.setdefault(line.name, True)
    return frozenset({name for name, mine in binds.items() if not mine} | {n for n, only in pages.items() if only})


def _public(line: Line, addresses: Sequence[str]) -> bool:
    """Whether clients may come in by this bind; one that cannot be read counts, so that no client is overlooked."""
    try:
        return any(not one.host or one.host in addresses for one in endpoints(line, 1))
    except Refused:
        return True
