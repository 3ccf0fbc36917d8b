"""The admin socket: bounded, never a second command on one line, and a table read by the names of its columns."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lbmigrate.balancers import make
from lbmigrate.balancers.haproxy_runtime import Gone, Runtime, info, named, servers, sources, stats
from lbmigrate.balancers.haproxy_servers import healthy, register
from lbmigrate.balancers.haproxy_text import parse
from lbmigrate.errors import Denied, Failed, Refused, Unreachable, Usage
from lbmigrate.model import Backend, Look, Side

INFO = b"Name: HAProxy\nPid: 12\nStart_time_sec: 34\n\n"
STATE = "1\n# be_id be_name srv_id srv_name srv_addr srv_admin_state srv_uweight srv_fqdn srv_port srv_use_ssl\n"


@contextmanager
def answering(path: Path, answer: Callable[[str], bytes | None]) -> Iterator[list[str]]:
    """A socket that answers each line; None closes without a word. The value is what it was asked."""
    asked: list[str] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(16)

        def serve() -> None:
            while True:
                link, _ = server.accept()
                with link:
                    line = link.makefile().readline().strip()
                    if not line:
                        return
                    asked.append(line)
                    link.sendall(answer(line) or b"")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield asked
        finally:
            with socket.socket(socket.AF_UNIX) as last:
                last.connect(str(path))
                last.sendall(b"\n")
            thread.join()
            path.unlink()


def side(path: Path) -> Side:
    return Side("haproxy", ("127.93.0.2",), config=str(path.parent / "h.cfg"), socket=str(path))


def test_nobody_there_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with pytest.raises(Gone, match="No such file"):
        Runtime(str(path)).ask("show info")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(Gone, match="Connection refused"):
        Runtime(str(path)).ask("show info")
    assert make(side(path), "a").look() == Look(up=False)


def test_a_socket_that_hangs_is_unreachable_in_bounded_time(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(tmp_path / "s"))
        hanging.listen(1)
        with pytest.raises(Unreachable, match="timed out"):
            Runtime(str(tmp_path / "s")).within(0.05).ask("show info")


def test_a_look_has_one_deadline_over_all_its_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float | None] = []

    def ask(self: Runtime, command: str) -> str:
        seen.append(self.until)
        return (
            INFO.decode() if command == "show info" else "# pxname,svname,type\n" if command[-4:] == "stat" else STATE
        )

    monkeypatch.setattr(Runtime, "ask", ask)
    begun = time.monotonic()
    make(side(tmp_path / "s"), "a").look()
    assert len(seen) == 3
    assert len(set(seen)) == 1
    assert seen[0] is not None
    assert seen[0] >= begun + 2


def test_a_question_cut_off_by_a_stopping_process_is_asked_again(tmp_path: Path) -> None:
    answers = iter([None, INFO])
    with answering(tmp_path / "s", lambda _: next(answers)) as asked:
        assert info(Runtime(str(tmp_path / "s")))["Pid"] == "12"
    assert asked == ["show info", "show info"]


def test_an_order_is_never_given_twice(tmp_path: Path) -> None:
    with answering(tmp_path / "s", lambda _: None) as asked:
        Runtime(str(tmp_path / "s")).order("set server a/b state drain")
    assert asked == ["set server a/b state drain"]


def test_an_order_cut_off_is_unreachable_and_not_repeated(tmp_path: Path) -> None:
    """It may have been carried out: only a fresh read can tell."""
    calls: list[int] = []

    def reset(server: socket.socket) -> None:
        for _ in range(2):
            link, _peer = server.accept()
            calls.append(1)
            link.close()  # unread data: the peer sees a reset, or a broken pipe

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen(2)
        thread = threading.Thread(target=reset, args=(server,))
        thread.start()
        with pytest.raises(Unreachable, match="set server"):
            Runtime(str(tmp_path / "s")).order("set server a/b state drain " + "x" * 500_000)
        assert calls == [1]
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(tmp_path / "s"))
            thread.join()


def test_words_that_were_not_expected_are_an_error(tmp_path: Path) -> None:
    with (
        answering(tmp_path / "s", lambda _: b"No such\nbackend.\n"),
        pytest.raises(Failed, match=r"HAProxy says No such backend\."),
    ):
        Runtime(str(tmp_path / "s")).order("set server a/b state drain", "fine")


def test_a_socket_of_a_lower_level_is_denied(tmp_path: Path) -> None:
    with answering(tmp_path / "s", lambda _: b"Permission denied\n"), pytest.raises(Denied, match="level admin"):
        Runtime(str(tmp_path / "s")).ask("show info")


@pytest.mark.parametrize("answer", [b"nonsense\n", b"Pid: x\nStart_time_sec: 1\n"])
def test_an_answer_that_is_none_is_unreachable(tmp_path: Path, answer: bytes) -> None:
    with answering(tmp_path / "s", lambda _: answer):
        for table in (info, stats, servers):
            with pytest.raises(Unreachable):
                table(Runtime(str(tmp_path / "s")))


@pytest.mark.parametrize("command", ["show info; quit", "show info\nquit", "show\x00info"])
def test_one_line_is_one_command(command: str) -> None:
    with pytest.raises(Refused, match="are not sent"):
        Runtime("/nowhere").ask(command)


@pytest.mark.parametrize("name", ["a;b", "a b", "a\nb", "a/b", "", "a<<", "a\\", "$(x)"])
def test_hostile_names_are_refused(name: str) -> None:
    with pytest.raises(Refused, match="not sent"):
        named("web", name)


@pytest.mark.parametrize("path", ["127.0.0.1:9999", "ipv4@127.0.0.1:9999", "relative.sock"])
def test_an_admin_socket_is_a_unix_socket(path: str) -> None:
    with pytest.raises(Refused, match="no absolute path of a unix socket"):
        Runtime(path)


def test_a_side_needs_its_file_and_its_socket() -> None:
    with pytest.raises(Usage, match="`config`"):
        make(Side("haproxy", ()), "a")
    with pytest.raises(Usage, match="`socket`"):
        make(Side("haproxy", (), config="/x"), "a")


def test_a_way_to_run_it_that_is_not_known_is_refused() -> None:
    with pytest.raises(Refused, match="'container'"):
        make(Side("haproxy", (), config="/x", socket="/y", run=(("kind", "container"),)), "a")


@pytest.mark.parametrize(
    ("status", "check", "verdict"),
    [
        ("UP", "L7OK", True),
        ("UP", "* L7OK", True),
        ("UP 1/3", "L4CON", True),
        ("UP", "INI", None),
        ("UP", "", None),
        ("UP (via web/p1)", "", True),
        ("DOWN", "L4CON", False),
        ("DOWN 1/2", "L7OK", False),
        ("DOWN (agent)", "", False),
        ("DRAIN", "L7OK", True),
        ("DRAIN", "", None),
        ("NOLB", "L7OKC", True),
        ("MAINT", "", None),
        ("MAINT (via web/p1)", "", None),
        ("MAINT (resolution)", "", False),
        ("no check", "", None),
    ],
)
def test_health_is_what_the_check_said(status: str, check: str, verdict: bool | None) -> None:
    assert healthy({"status": status, "check_status": check}) is verdict


def orders(tmp_path: Path, state: str, text: str, *wanted: Backend) -> list[str]:
    """What `register` tells a HAProxy whose servers are `state`."""

    def answer(line: str) -> bytes:
        return (
            (STATE + state).encode() if line.startswith("show") else b"New server registered." * line.startswith("add")
        )

    with answering(tmp_path / "s", answer) as asked:
        register(Runtime(str(tmp_path / "s")), parse(text), wanted, lambda address, _port: address)
    return asked[1:]


def test_a_server_that_dns_gives_keeps_its_own_address(tmp_path: Path) -> None:
    row = "3 web 1 p1 127.0.0.9 0 1 app.example. 80 0\n"
    assert orders(tmp_path, row, "", Backend("web", "p1", "127.0.0.8", 80)) == []
    row = row.replace("app.example.", "-")
    assert orders(tmp_path, row, "", Backend("web", "p1", "127.0.0.8", 80)) == [
        "set server web/p1 addr 127.0.0.8 port 80"
    ]


def test_weight_nought_is_given_as_a_share(tmp_path: Path) -> None:
    """Static algorithms take 0% and 100% only."""
    row = "3 web 1 p1 127.0.0.9 0 1 - 80 0\n"
    assert orders(tmp_path, row, "", Backend("web", "p1", "127.0.0.9", 80, weight=0)) == ["set server web/p1 weight 0%"]


def test_a_new_server_over_ipv6(tmp_path: Path) -> None:
    text = "backend web\n server p0 1.1.1.1:1 check inter 1s\n"
    row = "3 web 1 p0 1.1.1.1 0 1 - 1 0\n"
    old, new = Backend("web", "p0", "1.1.1.1", 1), Backend("web", "p1", "2001:db8::1", 80, 5, "drain", True)
    assert orders(tmp_path, row, text, old, new) == [
        "add server web/p1 [2001:db8::1]:80 weight 5 check inter 1s",
        "enable health web/p1",
        "set server web/p1 state drain",
    ]


def test_options_that_a_line_cannot_carry_are_refused(tmp_path: Path) -> None:
    text = 'backend web\n server p0 1.1.1.1:1 sni "str(a b)"\n'
    with pytest.raises(Refused, match="write the server into A's file"):
        orders(tmp_path, "", text, Backend("web", "p1", "1.1.1.1", 80, healthy=True))


def test_clients_are_those_of_the_public_frontends(tmp_path: Path) -> None:
    text = b"0x1: proto=tcpv4 src=192.0.2.1:5 fe=web be=x\n0x2: proto=tcpv6 src=2001:db8::1:6 fe=web be=x\n"
    text += b"0x3: proto=tcpv4 src=192.0.2.2:7 fe=page be=x\n0x4: proto=unix_stream src=unix:1 fe=GLOBAL\n"
    with answering(tmp_path / "s", lambda _: text):
        found = sources(Runtime(str(tmp_path / "s")), frozenset({"web"}))
    assert found == {"192.0.2.1", "2001:db8::1"}
