"""A balancer, a backend or the prober fails in mid-migration; B that is not fit; clients that stay: on real servers."""

import contextlib
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from migrations import NEEDS, SCENARIO, Rig, rig, root, until

from lbmigrate.lab.process import environment, freeport
from lbmigrate.value import replace

pytestmark = pytest.mark.real(*NEEDS)
POISON = "127.99.99.99"


def both(one: Rig) -> list[list[str]]:
    """What every server answers at 50 %."""
    return [sorted([one.a, one.b])] * 2


# ---------------------------------------------------------------- verdicts


def test_b_dies_at_50_and_the_tick_turns_back(tmp_path: Path) -> None:
    with rig(tmp_path) as one:
        before = one.records()
        one.at_50().write(soak="1m")
        one.ground.sides.kill("b")
        said = one.give("tick", "--for", "30s")
        assert said.code == 3
        assert said.line.startswith("turned back to A: B is bad: ")
        assert one.records() == before
        assert one.served() == [[one.a]] * 2
        again = one.give("run")
        assert again.code == 3, "a bad B is not tried for ever"
        assert again.line.endswith("begin anew: lbmigrate start")
        assert one.ok("tick").err == ""


def test_b_that_fails_a_third_of_its_requests_is_turned_back_and_healing_changes_nothing(tmp_path: Path) -> None:
    with rig(tmp_path) as one:
        one.at_50().write(soak="1m")
        one.ground.sides.fails("b", 33)
        said = one.give("tick", "--for", "40s")
        assert said.code == 3
        assert "B fails more often than A" in said.line or "B is bad" in said.line
        zone = one.ground.zone()
        assert one.give("run").code == 3
        assert one.give("tick").code == 0
        assert one.ground.zone() == zone


def test_a_dies_at_50_and_nothing_goes_back_to_it(tmp_path: Path) -> None:
    with rig(tmp_path, soak_limit="1s") as one:
        one.at_50()
        one.ground.sides.kill("a")
        said = one.give("run")
        assert said.code == 4
        assert said.line.startswith("held at 50 %: A fails")
        assert "never back to A; to move all traffic to B: lbmigrate finish" in said.line
        assert one.served() == both(one)
        assert one.give("tick", "--for", "1s").code == 0, "told once"
        assert "laboratory: done" in one.ok("finish", "--yes").out
        assert one.served() == [[one.b]] * 2


def test_both_balancers_die_and_the_weight_stays(tmp_path: Path) -> None:
    with rig(tmp_path, soak_limit="1s") as one:
        one.at_50()
        one.ground.sides.kill("a")
        one.ground.sides.kill("b")
        said = one.give("run")
        assert said.code == 4
        assert "A and B both fail: a shared cause" in said.line
        assert one.served() == both(one)


def test_a_backend_broken_behind_both_is_a_shared_cause(tmp_path: Path) -> None:
    with rig(tmp_path, soak_limit="1s") as one:
        one.at_50()
        for app in one.ground.sides._apps.each:
            app.stop()
        said = one.give("run")
        assert said.code == 4
        assert "A and B both fail: a shared cause" in said.line
        assert "503" in said.line, "the status is said"
        assert one.served() == both(one)


def test_controls_that_fail_as_well_are_a_blind_prober_and_no_reason_to_go_back(tmp_path: Path) -> None:
    with rig(tmp_path, soak_limit="1s") as one:
        one.at_50()
        one.write(controls=[f"http://127.0.0.1:{freeport('127.0.0.1')}/"])
        one.ground.sides.kill("b")
        said = one.give("run")
        assert said.code == 4
        assert "the controls do not answer either: the prober is blind" in said.line
        assert one.served() == both(one)


SLOW = """tcp-request inspect-delay LONG
 tcp-request content accept if !{ int(0),sub(proc.slow) lt 0 }
 tcp-request content accept if WAIT_END"""


@pytest.mark.parametrize(
    ("delay", "slow", "said_so"), [("1m", "1900ms", "timed out after 2s"), ("1500ms", "1s", "B is later")]
)
def test_b_that_answers_late_is_turned_back(delay: str, slow: str, said_so: str, tmp_path: Path) -> None:
    """Later than `timeout` is a failure; later than `slow`, in time, is judged by itself."""
    with rig(tmp_path, ALL_KNOWN) as one:
        path = one.ground.place.config("a")
        path.write_text(path.read_text().replace("global\n", "global\n set-var proc.slow int(0)\n"))
        rule(one, SLOW.replace("LONG", delay))
        one.write(probe=[{**one.config["probe"][0], "slow": slow}])
        one.at_50().write(soak="1m")
        assert not one.ground.sides.ask("b", "experimental-mode on; set var proc.slow int(1)").strip()
        said = one.give("tick", "--for", "60s")
        assert said.code == 3, said.err
        assert said.line.startswith("turned back to A: B is ")
        assert said_so in said.line
        assert one.served() == [[one.a]] * 2


def test_a_resolver_that_lies_about_every_name_has_no_effect(tmp_path: Path) -> None:
    """Probes go to the addresses of both sides, questions to the authoritative servers. /etc/hosts is this test's own,
    in a mount namespace: that takes root."""
    if not root():
        pytest.skip("an /etc/hosts of one's own needs root")
    with rig(tmp_path) as one, socket.create_server((POISON, one.ground.place.port)) as elsewhere:
        names = " ".join(f"{name}.lab.test" for name in ("www", "ns1", "ns2", "lb-a", "lb-b")) + " lab.test"
        (tmp_path / "hosts").write_text(f"{POISON} {names}\n")
        one.through = ("unshare", "--mount", "sh", "-c", f'mount --bind {tmp_path}/hosts /etc/hosts && exec "$@"', "sh")
        one.ok("start")
        one.ok("shift", "--weight", "100")
        assert one.served() == [[one.b]] * 2
        elsewhere.setblocking(False)
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


def test_too_little_evidence_holds_and_says_how_much_there_is(tmp_path: Path) -> None:
    with rig(tmp_path, soak_limit="1s", gate={"promote_margin": "0.3%"}) as one:
        said = one.give("start")
        assert said.code == 4
        assert re.search(r"not enough evidence: \d+\.\d of 20 after \d+ pairs, past soak_limit", said.line)
        assert one.served() == both(one)


# ---------------------------------------------------------------- clients that stay


@contextlib.contextmanager
def staying(one: Rig) -> Iterator[socket.socket]:
    """A client that keeps its connection to A, has made a request, and never asks DNS again."""
    with socket.create_connection((one.a, one.ground.place.port), 5) as talk:
        talk.sendall(b"GET / HTTP/1.1\r\nHost: www.lab.test\r\n\r\n")
        assert talk.recv(65536).startswith(b"HTTP/1.1 200")
        yield talk


def test_a_client_that_stays_keeps_a_alive_and_is_named(tmp_path: Path) -> None:
    with rig(tmp_path, retire={"idle_for": "1s", "limit": "4s"}) as one, staying(one) as talk:
        said = one.give("run")
        assert said.code == 4
        assert "A is not idle after retire.limit: 1 connections, from 127.0.0.1" in said.line
        assert one.served() == [[one.b]] * 2
        assert one.ground.sides.pid("a") is not None
        talk.sendall(b"GET / HTTP/1.1\r\nHost: www.lab.test\r\n\r\n")
        assert talk.recv(65536).startswith(b"HTTP/1.1 200"), "A still serves who stayed"
        talk.close()
        one.ok("resume")
        one.ok("run")
        until(lambda: one.ground.sides.pid("a") is None, "the end of A")


class Websockets:
    """An application behind A that upgrades every connection and then sends back what it gets."""

    HELLO = (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    )
    ASK = (
        b"GET /ws HTTP/1.1\r\nHost: www.lab.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                talk, _ = self._listener.accept()
                threading.Thread(target=self._echo, args=(talk,), daemon=True).start()

    def _echo(self, talk: socket.socket) -> None:
        with contextlib.suppress(OSError), talk:
            if b"Upgrade" in talk.recv(65536):
                talk.sendall(self.HELLO)
            while said := talk.recv(65536):
                talk.sendall(said)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def echoes(talk: socket.socket) -> bool:
    """A ping frame (RFC 6455 section 5.5.2) through the balancer and back."""
    frame = b"\x89\x84\x00\x00\x00\x00ping"
    talk.sendall(frame)
    return talk.recv(65536) == frame


def test_three_websockets_that_stay_keep_a_alive(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        behind = stack.enter_context(contextlib.closing(Websockets()))
        one = stack.enter_context(rig(tmp_path, ALL_KNOWN, retire={"idle_for": "1s", "limit": "4s"}))
        path = one.ground.place.config("a")
        path.write_text(f"{path.read_text()}backend ws\n timeout tunnel 1h\n server w 127.0.0.1:{behind.port}\n")
        rule(one, "use_backend ws if { path /ws }")
        talks = [stack.enter_context(socket.create_connection((one.a, one.ground.place.port), 5)) for _ in range(3)]
        for talk in talks:
            talk.sendall(Websockets.ASK)
            assert talk.recv(65536).startswith(b"HTTP/1.1 101")
        said = one.give("run")
        assert said.code == 4, said.err
        assert "A is not idle after retire.limit: 3 connections, from 127.0.0.1" in said.line
        assert one.served() == [[one.b]] * 2
        assert all(map(echoes, talks)), "A still serves who stayed"
        for talk in talks:
            talk.close()
        one.ok("resume")
        one.ok("run")
        until(lambda: one.ground.sides.pid("a") is None, "the end of A")


# ---------------------------------------------------------------- a B that is not fit


def refuses(one: Rig, code: int) -> str:
    """`start` ends with this code, its line; the zone is as it was, A serves, no fence is left."""
    before = one.records()
    said = one.give("start")
    assert said.code == code, said
    assert one.records() == before
    assert one.served() == [[one.a]] * 2
    with staying(one):
        return said.line


def rule(one: Rig, line: str, healthy: int = 2) -> None:
    """A's file, restarted with one more line in its frontend, until so many backends are healthy."""
    path = one.ground.place.config("a")
    path.write_text(path.read_text().replace(" default_backend app\n", f" {line}\n default_backend app\n"))
    restarted_a(one, healthy)


def restarted_a(one: Rig, healthy: int = 2) -> None:
    """A with its file as it is now."""
    one.ground.sides._a.stop()
    one.ground.sides._a.start()
    one.ground.sides._a.wait(lambda: one.ground.sides.pid("a") == one.ground.sides._named("a"))
    one.ground.sides._a.wait(lambda: one.ground.sides.ask("a", "show stat").count("L7OK") == healthy)


ALL_KNOWN = replace(SCENARIO, runtime_only=0)
DIFFERENT = {
    "body": ("http-request return status 200 content-type text/plain string other", "body"),
    "header": ("http-request return status 200 content-type text/evil%ESC[2J string ok", "evil"),
    "redirect": ("http-request redirect location https://elsewhere.test/ code 302", "302"),
    "status": ("http-request deny deny_status 404", "404"),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_b_that_answers_otherwise_than_a_is_refused_with_the_difference(what: str, tmp_path: Path) -> None:
    how, said = DIFFERENT[what]
    with rig(tmp_path, ALL_KNOWN) as one:
        one.patience = 1.0
        rule(one, f"{how.replace('%ESC', chr(27))} if {{ dst {one.b} }}")
        line = refuses(one, 6)
        assert line.startswith("B is not fit to take traffic: A and B do not answer alike: ")
        assert said in line
        assert "\x1b" not in line
        assert line.endswith("mend B, then start again")


def test_a_backend_that_only_b_finds_unhealthy_is_named(tmp_path: Path) -> None:
    with rig(tmp_path, ALL_KNOWN) as one:
        one.patience = 1.0
        path = one.ground.place.config("a")
        check = " option httpchk GET /healthz\n"
        only_b = ".if version_atleast(2.8)\n option httpchk GET /elsewhere\n http-check expect status 299\n.endif\n"
        path.write_text(path.read_text().replace("backend app\n", f"backend app\n{check}{only_b}"))
        line = refuses(one, 6)
        assert "B does not find these backends as healthy as A does: app/p1" in line


def test_a_backend_that_b_does_not_have_is_named(tmp_path: Path) -> None:
    """B's version of the software leaves it out of the file, and such a pool takes no servers at run time."""
    with rig(tmp_path, ALL_KNOWN) as one:
        one.patience = 1.0
        host, port = one.ground.place.backends[0]
        more = f".if !version_atleast(2.8)\n server p9 {host}:{port} check inter 500ms\n.endif\n"
        path = one.ground.place.config("a")
        path.write_text(path.read_text().replace("balance roundrobin", "balance static-rr") + more)
        restarted_a(one, healthy=3)
        line = refuses(one, 6)
        assert "app/p9" in line


def test_a_port_of_b_that_is_taken_is_refused_and_a_serves_on(tmp_path: Path) -> None:
    with rig(tmp_path) as one, socket.create_server((one.b, one.ground.place.port)):
        line = refuses(one, 6)
        assert f"listening on {one.b} port {one.ground.place.port} " in line
        assert "another program listens there" in line


def test_a_file_that_b_rejects_is_refused_in_the_softwares_own_words(tmp_path: Path) -> None:
    with rig(tmp_path) as one:
        path = one.ground.place.config("a")
        path.write_text(path.read_text() + ".if version_atleast(2.8)\n no-such-word at all\n.endif\n")
        line = refuses(one, 6)
        assert "unknown keyword 'no-such-word'" in line


def test_b_that_dies_at_once_is_refused_in_its_own_words(tmp_path: Path) -> None:
    with rig(tmp_path, replace(SCENARIO, dead_on_arrival=True)) as one:
        line = refuses(one, 6)
        assert "out of memory" in line


def test_b_that_is_dead_on_ipv6_alone_is_turned_back_in_both_families(tmp_path: Path) -> None:
    """In a network namespace, since an IPv6 address that can be taken away is needed: that takes root."""
    if not root() or shutil.which("ip") is None:
        pytest.skip("a network namespace and its addresses need root and the program ip")
    played = str(Path(__file__).parent / "namespaced.py")
    argv = ["unshare", "--net", sys.executable, played, str(tmp_path / "lab")]
    done = subprocess.run(argv, env=environment(), capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
