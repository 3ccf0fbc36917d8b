"""HAProxy 2.6 replaced by 2.8, for real: run-time servers, wildcards, what is shared, what is refused, how it stops."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from haproxies import B2, BACKENDS, CONFIG, NET, POOL, A, App, B, Pair, get, pair
from haproxies import new as newer

from lbmigrate.balancers import haproxy_process as process
from lbmigrate.balancers.haproxy import Haproxy
from lbmigrate.balancers.haproxy_runtime import Runtime
from lbmigrate.errors import Failed, Refused, Unreachable
from lbmigrate.hosts import local, ports
from lbmigrate.lab.process import Process, freeport
from lbmigrate.model import Backend, Listen, Look
from lbmigrate.value import replace

pytestmark = pytest.mark.real("haproxy")


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Pair]:
    with pair(tmp_path) as found:
        yield found


def states(look: Look) -> list[tuple[str, str, int, str, bool | None]]:
    return [(one.name, one.address, one.weight, one.state, one.healthy) for one in look.backends]


def test_what_only_the_running_a_knows_is_on_b(two: Pair) -> None:
    two.start()
    two.add("p3", BACKENDS[2])
    two.add("off", BACKENDS[2], state="maint")
    two.socket.order("set server web/p2 state drain")
    two.socket.order("set server web/p1 weight 9")
    two.socket.order(f"set server web/p1 addr {BACKENDS[2]} port {two.back}", "changed")
    process.until(lambda: [one.healthy for one in two.a.look().backends] == [True, True, True, None], 5, "A")
    plan = two.a.describe()
    two.b.check(plan)
    two.b.stand_up(plan)
    seen = two.b.look()
    assert states(seen) == states(two.a.look())
    assert states(seen) == [
        ("p1", BACKENDS[2], 9, "ready", True),
        ("p2", BACKENDS[1], 1, "drain", True),
        ("p3", BACKENDS[2], 2, "ready", True),
        ("off", BACKENDS[2], 2, "maint", None),
    ]
    assert [get(f"http://{host}:{two.port}/") for host in (A, B, B2)] == [200, 200, 200]


def test_a_file_that_is_not_ours_is_kept_once_beside_b(two: Pair) -> None:
    two.start()
    config = Path(two.b_side.config)
    local.write(config, "# the operator's own\n")
    for _ in range(2):
        two.b.stand_up(two.a.describe())
    assert Path(f"{config}.before-lbmigrate").read_text() == "# the operator's own\n"
    assert "operator" not in config.read_text()


def test_a_server_that_a_has_dropped_is_dropped_on_b(two: Pair) -> None:
    two.start()
    two.socket.order("set server web/p2 state maint")
    two.socket.order("del server web/p2", "deleted")
    two.b.stand_up(two.a.describe())
    assert [one.name for one in two.b.look().backends] == ["p1"]


def test_standing_up_again_starts_nothing_and_orders_nothing(two: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    two.start()
    two.add("p3", BACKENDS[2])
    plan = two.a.describe()
    two.b.stand_up(plan)
    before = two.b.look().process
    asked: list[str] = []
    ask = type(two.socket).ask

    def noted(self: object, command: str) -> str:
        asked.append(command)
        return ask(self, command)  # type: ignore[arg-type]

    monkeypatch.setattr(type(two.socket), "ask", noted)
    two.b.stand_up(plan)
    assert two.b.look().process == before
    assert {one.split()[0] for one in asked} == {"show"}


def args(two: Pair, words: str) -> None:
    """Have B started with these arguments as well."""
    two.b_side = replace(two.b_side, run=(*two.b_side.run, ("args", words)))
    two.b = Haproxy(two.b_side)


@pytest.mark.parametrize("words", ["", "-W"])
def test_b_that_runs_an_older_text_is_replaced_softly(two: Pair, words: str) -> None:
    args(two, words)
    two.start()
    two.b.stand_up(two.a.describe())
    before = two.b.look().process
    plan = two.a.describe()
    slow = Slow(B, two.port)
    process.until(lambda: two.b.look().requests == 1, 5, "the request")
    two.b.stand_up(replace(plan, text=plan.text + "# newer\n"))
    assert two.b.look().process != before
    assert Path(two.b_side.config).read_text().endswith("# newer\n")
    assert get(f"http://{B}:{two.port}/") == 200
    assert slow.finish().startswith(b"HTTP/1.1 200")
    process.until(lambda: len(process.masters(two.b_side)) == 1, 5, "the end of the old process")


def test_a_in_the_background_with_a_master(two: Pair) -> None:
    """As packages start it: master and worker, daemon and pid file in A's own file."""
    text = CONFIG.replace("defaults\n", "  daemon\n  master-worker\n  pidfile {net}.pid\ndefaults\n", 1)
    two.start(text.replace("pidfile {net}", f"pidfile {two.directory}/a/h"))
    plan = two.a.describe()
    two.b.stand_up(plan)
    assert two.b.look().up
    assert get(f"http://{B}:{two.port}/") == 200
    two.a.stop()
    assert two.a.look() == Look(up=False)
    process.until(lambda: not process.running(two.a_side), 5, "the end of A's master")
    assert get(f"http://{B}:{two.port}/") == 200


def test_bs_file_and_socket_must_not_be_as(two: Pair) -> None:
    two.start()
    plan = two.a.describe()
    for wrong, why in (
        (replace(two.b_side, config=two.a_side.config), "A's own file"),
        (replace(two.b_side, socket=two.a_side.socket), "A's own admin socket"),
    ):
        for verb in (Haproxy(wrong).check, Haproxy(wrong).stand_up):
            with pytest.raises(Refused, match=why):
                verb(plan)
    hidden = replace(plan, text=plan.text.replace(two.a_side.socket, "/nowhere/a.sock"))
    with pytest.raises(Refused, match=r"a HAProxy with .* answers there"):
        Haproxy(replace(two.b_side, socket=two.a_side.socket)).stand_up(hidden)
    assert two.a.describe() == plan


def test_no_secret_of_ours_goes_to_b_but_what_its_file_names(two: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LBMIGRATE_TSIG", "secret")
    monkeypatch.setenv("SITE", "named")
    two.start(CONFIG.replace("default_backend web", 'default_backend web\n  log-tag "${{SITE}}"'))
    two.b.stand_up(two.a.describe())
    (pid,) = process.masters(two.b_side)
    environ = Path(f"/proc/{pid}/environ").read_text()
    assert "secret" not in environ
    assert "SITE=named" in environ


def test_a_wildcard_of_a_becomes_bs_own_addresses_and_a_keeps_its_traffic(two: Pair) -> None:
    two.start(bind=f"*:{two.port}")
    two.b.stand_up(two.a.describe())
    assert f"bind {B}:{two.port},{B2}:{two.port}\n" in Path(two.b_side.config).read_text()
    for _ in range(40):
        get(f"http://{A}:{two.port}/")
        get(f"http://{B}:{two.port}/")
    assert (two.a.look().requests, two.b.look().requests) == (40, 40)
    two.b.stop()
    assert get(f"http://{A}:{two.port}/") == 200


def test_a_page_on_loopback_moves_and_is_not_counted(two: Pair) -> None:
    page = freeport("127.0.0.1")
    text = CONFIG + f"listen page\n  bind 127.0.0.1:{page}\n  stats enable\n  stats uri /\n"
    two.start(text)
    plan = two.a.describe()
    two.b.stand_up(plan)
    moved = two.b._render(plan).private
    assert get(f"http://127.0.0.1:{page}/") == 200
    assert get(f"http://{moved}:{page}/") == 200
    assert two.a.look().requests == two.b.look().requests == 0


def test_requests_errors_active_and_clients(two: Pair) -> None:
    two.start()
    plain, bad = socket.create_connection((A, two.port)), b"GET /bad HTTP/1.1\r\nHost: x\r\n\r\n"
    with plain:
        plain.sendall(bad)
        assert plain.recv(65536).startswith(b"HTTP/1.1 500")
        seen = two.a.look()
        assert (seen.requests, seen.errors, seen.active) == (1, 1, 1)
    slow = Slow(A, two.port, source="127.91.0.99")
    process.until(lambda: two.a.look().requests == 2, 5, "the request")
    seen = two.a.look()
    assert (seen.requests, seen.active, seen.clients) == (2, 1, ("127.91.0.99",))
    slow.finish()


class Slow:
    """A request that the backend holds back until `finish`."""

    def __init__(self, host: str, port: int, source: str = "127.0.0.1") -> None:
        App.go.clear()
        self._link = socket.create_connection((host, port), timeout=5, source_address=(source, 0))
        self._link.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        self._answer = b""
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        with self._link:
            self._answer = self._link.recv(65536)

    def finish(self) -> bytes:
        App.go.set()
        self._thread.join()
        return self._answer


@pytest.mark.parametrize("words", ["", "-W"])
def test_a_soft_stop_refuses_the_new_and_finishes_the_old(two: Pair, words: str) -> None:
    args(two, words)
    two.start()
    two.b.stand_up(two.a.describe())
    slow = Slow(B, two.port)
    process.until(lambda: two.b.look().requests == 1, 5, "the request")
    two.b.stop()
    assert two.b.look() == Look(up=False)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((B, two.port))
    two.b.stop()
    assert process.running(two.b_side), "what is under way is still being served"
    assert slow.finish().startswith(b"HTTP/1.1 200")
    process.until(lambda: not process.running(two.b_side), 5, "the end")
    two.b.stop()


def test_a_missing_certificate_is_refused_by_name(two: Pair) -> None:
    two.start()
    plan = two.a.describe()
    text = plan.text.replace("default_backend", f"bind {A}:{freeport(A)} ssl crt /nowhere/site.pem\n  default_backend")
    with pytest.raises(Refused, match=r"/nowhere/site\.pem"):
        two.b.check(replace(plan, text=text))
    assert not Path(two.b_side.config).exists()


def test_check_changes_nothing(two: Pair) -> None:
    two.start()
    two.b.check(two.a.describe())
    assert not (two.directory / "b").exists()


def test_a_port_of_somebody_else_is_refused_and_bs_own_is_not(two: Pair) -> None:
    two.start()
    plan = two.a.describe()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind((B2, two.port))
        other.listen()
        with pytest.raises(Refused, match=f"{B2} port {two.port}.*another program listens there"):
            two.b.check(plan)
    two.b.stand_up(plan)
    two.b.check(plan)


def test_a_wildcard_that_does_not_share_is_refused(two: Pair) -> None:
    two.start()
    plan = two.a.describe()
    port = freeport("127.0.0.1")
    with socket.socket() as other:
        other.bind(("", port))
        other.listen()
        with pytest.raises(Refused, match="does not share"):
            two.b.check(replace(plan, text=plan.text.replace(str(two.port), str(port))))


def test_an_address_of_another_machine_is_refused(two: Pair) -> None:
    two.start()
    b = Haproxy(replace(two.b_side, addresses=("192.0.2.20",)))
    with pytest.raises(Refused, match="no address of this machine"):
        b.check(two.a.describe())


def test_a_b_that_dies_at_once_says_why(two: Pair, tmp_path: Path) -> None:
    two.start()
    dying = tmp_path / "haproxy-dying"
    dying.write_text(f'#!/bin/sh\ncase " $* " in *" -c "*) exec {newer()} "$@";; esac\necho out of memory; exit 1\n')
    dying.chmod(0o755)
    b = Haproxy(replace(two.b_side, run=(("binary", str(dying)),)))
    with pytest.raises(Failed, match="ended at once: out of memory"):
        b.stand_up(two.a.describe())
    assert b.look() == Look(up=False)


def test_the_file_must_be_what_runs(two: Pair) -> None:
    two.start()
    with Path(two.a_side.config).open("a") as file:
        file.write("backend later\n  server x 127.91.0.11:9\n")
    with pytest.raises(Refused, match="`later` is not both in the file and in the running HAProxy"):
        two.a.describe()


def test_a_frontend_disabled_at_run_time_is_refused(two: Pair) -> None:
    two.start()
    two.socket.order("disable frontend public")
    with pytest.raises(Refused, match="`public` was disabled at run time"):
        two.a.describe()


def test_haproxy_is_found_where_cron_does_not_look(two: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert process.binary(replace(two.b_side, run=())).endswith("sbin/haproxy")
    with pytest.raises(Refused, match="haproxy-of-nowhere: no such program"):
        process.binary(replace(two.b_side, run=(("binary", "haproxy-of-nowhere"),)))


def test_a_second_file_is_refused(two: Pair) -> None:
    more = two.directory / "more.cfg"
    more.write_text(POOL.format(back=two.back, net=NET).replace("backend web", "backend more"))
    two.a_side = replace(two.a_side, run=(*two.a_side.run, ("args", f"-f {more}")))
    two.start()
    with pytest.raises(Refused, match=r"reads .*more\.cfg too"):
        two.a.describe()


def test_a_run_time_server_whose_tls_nothing_tells_is_refused(two: Pair) -> None:
    two.start()
    two.socket.order(f"add server web/p4 {BACKENDS[2]}:{two.back} ssl verify none", "registered")
    with pytest.raises(Refused, match=r"web/p4.*differs in TLS"):
        two.a.describe()


def test_a_server_without_check_is_registered_without_one(two: Pair) -> None:
    two.start(CONFIG.replace("check inter 100ms", "").replace("option httpchk GET /", ""))
    two.socket.order(f"add server web/p3 {BACKENDS[2]}:{two.back} weight 2", "registered")
    two.socket.order("set server web/p3 state ready")
    two.b.stand_up(two.a.describe())
    assert {one.healthy for one in two.b.look().backends} == {None}
    assert states(two.b.look()) == states(two.a.look())


def test_a_dead_backend_is_not_healthy_on_either_side(two: Pair) -> None:
    two.start(CONFIG + "  server dead {net}.14:{back} check inter 100ms\n")
    process.until(lambda: two.a.look().backends[2].healthy is False, 5, "the check")
    two.b.stand_up(two.a.describe())
    process.until(lambda: two.b.look().backends[2].healthy is False, 5, "the check")
    assert [one.healthy for one in two.b.look().backends] == [True, True, False]


def test_tcp_mode_counts_connections(two: Pair) -> None:
    two.start(CONFIG.replace("mode http", "mode tcp"))
    get(f"http://{A}:{two.port}/")
    assert two.a.look().requests == 1


def test_a_socket_that_vanished_is_no_proof_that_a_is_gone(two: Pair) -> None:
    two.start()
    Path(two.a_side.socket).unlink()
    with pytest.raises(Unreachable, match="its process still listens"):
        two.a.look()
    two.a.stop()
    assert two.a.look() == Look(up=False)


def test_a_pid_file_of_somebody_else_is_not_signalled(two: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    two.start()
    pid = process.masters(two.a_side)
    Path(process.pidfile(two.a_side)).write_text(f"{os.getpid()}\n")
    sent: list[int] = []

    def kill(pid: int, sig: signal.Signals) -> None:
        sent.append(pid)
        os.kill(pid, sig)

    monkeypatch.setattr(local, "signal_process", kill)
    two.a.stop()
    assert tuple(sent) == pid


def test_who_only_reads_the_file_is_no_process_of_ours(two: Pair) -> None:
    two.start()
    reader = local.start(("/usr/bin/tail", "-f", two.a_side.config), two.directory / "tail.log", {})
    try:
        process.until(lambda: local.argv(reader)[:1] == ("/usr/bin/tail",), 5, "tail")
        assert reader not in process.running(two.a_side)
        assert len(process.running(two.a_side)) == 1
        assert ports.listens(process.running(two.a_side)[0])
    finally:
        local.signal_process(reader, signal.SIGTERM)


def test_run_by_commands(two: Pair) -> None:
    two.start()
    b = two.b_side
    up = f"{newer()} -D -f {b.config} -p {b.config}.pid"
    down = f"kill -USR1 $(cat {b.config}.pid)"
    side = Haproxy(replace(b, run=(("kind", "command"), ("up", up), ("down", down))))
    plan = two.a.describe()
    side.stand_up(plan)
    first = side.look().process
    side.stand_up(plan)
    assert side.look().process == first
    side.stand_up(replace(plan, text=plan.text + "# newer\n"))
    assert side.look().process != first
    side.stop()
    side.stop()
    assert side.look() == Look(up=False)


def test_what_is_described(two: Pair) -> None:
    other = freeport(A)
    two.start(CONFIG.replace("bind {bind}", f"bind {{bind}}\n  bind :::{other}-{other + 1} v4v6"))
    plan = two.a.describe()
    assert plan.listens == (Listen(A, two.port), Listen("::", other), Listen("::", other + 1))
    assert plan.text == Path(two.a_side.config).read_text()
    assert plan.backends[0] == Backend("web", "p1", BACKENDS[0], two.back, 3, "ready", True)


# ---------------------------------------------------------------- the same command line


@contextmanager
def stranger(two: Pair, port: int) -> Iterator[Process]:
    """Somebody else's HAProxy with B's very command line, from another text that stood there before."""
    text = CONFIG.format(directory=two.directory / "stranger", bind=f"{B2}:{port}", net=NET, back=1)
    (two.directory / "stranger/a").mkdir(parents=True, exist_ok=True)
    config = Path(two.b_side.config)
    kept = config.read_text() if config.exists() else ""
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(text)
    one = Process((process.binary(two.b_side), "-db", "-f", str(config)), two.directory / "stranger.log")
    one.start()
    one.wait(lambda: bool(ports.listeners(B2, port)), 10)
    config.unlink()
    if kept:
        local.write(config, kept)
    try:
        yield one
    finally:
        one.stop()


def test_a_stranger_with_bs_command_line_is_not_taken_for_b_and_never_stopped(two: Pair) -> None:
    two.start()
    plan = two.a.describe()
    with stranger(two, freeport(B2)) as one:
        with pytest.raises(Refused, match=rf"pid {one.pid} runs HAProxy with it already .* so it is not B; end it"):
            two.b.check(plan)
        assert one.alive()
    two.b.stand_up(plan)
    with stranger(two, freeport(B2)) as one:
        before = two.b.look().process
        assert one.pid not in process.mine(two.b_side, Runtime(two.b_side.socket))
        with pytest.raises(Unreachable, match=rf"pid {one.pid} runs .* left alone: end it by hand"):
            two.b.stop()
        assert one.alive()
        assert not process.answers(Runtime(two.b_side.socket)), f"B itself has stopped: {before}"
    two.b.stop()
    assert two.b.look() == Look(up=False)
