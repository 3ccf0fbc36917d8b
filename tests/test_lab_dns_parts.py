"""The laboratory's DNS as processes: secondaries that follow, updates that outlive a kill, the watch, the resolver."""

import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import dns.message
import dns.query
import pytest
from labdns import APEX, ORIGIN, SECONDS, message, needs

from lbmigrate.errors import Failed, Unreachable, Usage
from lbmigrate.lab import dnsserver, dnswatch, transfer
from lbmigrate.lab.dns import SOFTWARE, DnsParts, start_dns
from lbmigrate.lab.dnswatch import PATIENCE, TRIES, Watch, Watched, present, reading, reply, watch
from lbmigrate.lab.process import Process, write_private

ZONE = f"{APEX}www 5 A 192.0.2.1\nwww 5 AAAA 2001:db8::1\n"
WWW = f"www.{ORIGIN}"
FOREVER = 3600.0
HOST = "127.0.0.1"
ALL = ["embedded", *(pytest.param(one, marks=pytest.mark.real(one)) for one in SOFTWARE)]


@contextmanager
def running(software: str, directory: Path, lag: float = 0.0, resolver: bool = False) -> Iterator[DnsParts]:
    real = software != "embedded"
    if real:
        needs(software)
    parts = start_dns(real, directory, ZONE, ORIGIN, secondary=True, lag=lag, resolver=resolver, software=software)
    try:
        yield parts
    finally:
        parts.stop()


def ask(server: str, name: str = WWW, rtype: str = "A") -> list[str]:
    host, port = dnsserver.split(server)
    reply = dns.query.udp(dns.message.make_query(name, rtype), host, SECONDS, port)
    return sorted(str(rdata) for rrset in reply.answer for rdata in rrset)


def move(parts: DnsParts, *addresses: str) -> None:
    update = message(parts)
    update.delete("www", "A")
    for address in addresses:
        update.add("www", 5, "A", address)
    host, port = dnsserver.split(parts.primary)
    assert dns.query.tcp(update, host, SECONDS, port).rcode() == 0


def serves(parts: DnsParts, *addresses: str) -> None:
    """Wait until the secondary answers so."""
    until(parts.processes["secondary"], lambda: ask(parts.nameservers[1]) == [*addresses])


def until(process: Process, seen: Callable[[], bool]) -> None:
    process.wait(seen, SECONDS)


@pytest.mark.parametrize("software", ALL)
def test_the_secondary_follows_and_the_watch_sees_no_gap(software: str, tmp_path: Path) -> None:
    with running(software, tmp_path) as parts:
        watching = Watch(parts.nameservers, [WWW, f"ns1.{ORIGIN}"], tmp_path / "watch.log")
        watching.start()
        for number in range(2, 7):
            move(parts, f"192.0.2.{number}")
            serves(parts, f"192.0.2.{number}")
        summary = watching.stop()
    assert summary.clean
    assert summary.queries > 0
    assert summary.failures == ()


@pytest.mark.parametrize("software", ALL)
def test_a_lagging_secondary_keeps_the_old_answer(software: str, tmp_path: Path) -> None:
    with running(software, tmp_path, lag=FOREVER) as parts:
        move(parts, "192.0.2.2")
        move(parts, "192.0.2.3")
        if software == "embedded":
            until(parts.processes["secondary"], lambda: "serial 12 in 3600 s" in parts.processes["secondary"].output())
        assert ask(parts.primary) == ["192.0.2.3"]
        assert ask(parts.nameservers[1]) == ["192.0.2.1"]


@pytest.mark.parametrize("software", ALL)
def test_a_short_lag_ends(software: str, tmp_path: Path) -> None:
    with running(software, tmp_path, lag=0.05) as parts:
        move(parts, "192.0.2.2")
        serves(parts, "192.0.2.2")


@pytest.mark.parametrize("software", ALL)
def test_an_acknowledged_update_outlives_a_kill(software: str, tmp_path: Path) -> None:
    with running(software, tmp_path) as parts:
        move(parts, "192.0.2.2", "192.0.2.3")
        primary, at = parts.processes["primary"], dnsserver.split(parts.primary)
        before = transfer.transfer(*at, ORIGIN, parts.key)
        primary.kill()
        until(parts.processes["secondary"], lambda: not primary.alive())
        with pytest.raises(Unreachable, match="transferring lab"):
            transfer.transfer(*at, ORIGIN, parts.key)
        parts.restart("primary")
        assert transfer.transfer(*at, ORIGIN, parts.key) == before


@pytest.mark.real("named", "unbound")
def test_unbound_in_front_answers(tmp_path: Path) -> None:
    needs("unbound")
    with running("named", tmp_path, resolver=True) as parts:
        assert parts.resolver is not None
        assert ask(parts.resolver) == ["192.0.2.1"]
        assert ask(parts.resolver, rtype="AAAA") == ["2001:db8::1"]
        assert ask(parts.resolver, f"nobody.{ORIGIN}") == []


def acts(*todo: Callable[[], object]) -> Callable[[], bool]:
    """Something to do after every fifty turns of the watch; after the last fifty it is to stop."""
    turns = count(1)
    left = iter(todo)

    def stopped() -> bool:
        if next(turns) % 50:
            return False
        act = next(left, None)
        if act is not None:
            act()
        return act is None

    return stopped


def test_the_watch_counts_what_goes_wrong(tmp_path: Path) -> None:
    with running("embedded", tmp_path) as parts:
        first, second = parts.nameservers
        secondary = parts.processes["secondary"]

        def delete() -> None:
            move(parts)
            serves(parts)

        seen = watch(parts.nameservers, present(first, [WWW]), acts(delete, lambda: secondary.kill(signal.SIGSTOP)))
        secondary.kill(signal.SIGCONT)
    assert not seen.clean
    assert seen.queries == seen.answers + seen.empty + seen.errors + seen.timeouts
    assert {(one.server, one.question, one.what) for one in seen.failures if one.what == "empty"} == {
        (first, f"{WWW} A", "empty"),
        (second, f"{WWW} A", "empty"),
    }
    assert {one.server for one in seen.failures if one.what == "timeout"} == {second}
    assert (seen.empty + seen.timeouts, seen.errors) == (len(seen.failures), 0)


def test_the_watch_tells_a_dead_server_by_its_moment(tmp_path: Path) -> None:
    with running("embedded", tmp_path) as parts:
        first, second = parts.nameservers
        killed: list[float] = []

        def kill() -> None:
            killed.append(time.time())
            parts.processes["secondary"].stop()

        seen = watch(parts.nameservers, present(first, [WWW]), acts(kill))
    assert seen.errors > 0
    assert {one.server for one in seen.failures} == {second}
    assert min(one.at for one in seen.failures) > killed[0] - PATIENCE * TRIES


@contextmanager
def silent() -> Iterator[tuple[socket.socket, Watched]]:
    """A server that says what the test says, and the watch on it, its first question asked at 0."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((HOST, 0))
        server.settimeout(SECONDS)
        one = Watched(f"{HOST}:{server.getsockname()[1]}", [f"{WWW} A"])
        one.ask(0.0)
        yield server, one
        one.socket.close()


def test_what_is_answered_when_asked_again_is_no_failure_but_told() -> None:
    with silent() as (server, one):
        assert one.expire(PATIENCE)
        assert one.expire(PATIENCE + 0.1)
        wire, back = server.recvfrom(512)
        assert server.recv(512) == wire
        for _ in range(2):  # the first question's answer may come as well
            server.sendto(wire[:2] + b"\x84\0\0\1\0\1\0\0\0\0" + wire[12:], back)
        select.select([one.socket], [], [], SECONDS)
        one.hear()
        assert not one.expire(PATIENCE * 9)
        assert one.counts == {"queries": 1, "again": 1, "answers": 1}


def test_what_is_never_answered_is_a_failure_at_the_moment_of_the_first_question() -> None:
    with silent() as (server, one):
        under_way = [one.expire(number * (PATIENCE + 0.1)) for number in range(1, TRIES + 1)]
        assert under_way == [True] * (TRIES - 1) + [False]
        assert len({server.recv(512) for _ in range(TRIES)}) == 1
        assert one.counts == {"queries": 1, "again": 1, "timeouts": 1}
        assert [(failure.at, failure.what) for failure in one.failures] == [(0.0, "timeout")]


def test_a_question_of_the_laboratory_itself_is_asked_again_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dnswatch, "PATIENCE", 0.01)
    with silent() as (server, one):
        server.recv(512)
        with pytest.raises(Unreachable, match=f"for {WWW} A: .*; see whether it runs"):
            reply(one.server, WWW, "A")
        assert len({server.recv(512) for _ in range(TRIES)}) == 1


def test_a_watch_on_nothing_is_refused(tmp_path: Path) -> None:
    with running("embedded", tmp_path) as parts:
        watching = Watch(parts.nameservers, [f"nobody.{ORIGIN}"], tmp_path / "watch.log")
        with pytest.raises(Failed, match="no record anywhere"):
            watching.start()


def test_a_summary_that_is_none() -> None:
    with pytest.raises(Failed, match="reading the DNS watch's summary"):
        reading('{"is": "Summary"}')


@pytest.mark.parametrize("argv", [[], ["--zone", "z", "--secondary-of", "127.0.0.1:53"]])
def test_a_server_is_primary_or_secondary(argv: list[str]) -> None:
    with pytest.raises(Usage, match="exactly one of --zone and --secondary-of"):
        dnsserver.read(["--listen", "127.0.0.1:0", "--origin", ORIGIN, "--key", "k:hmac-sha256:c2VjcmV0", *argv])


@pytest.mark.parametrize("text", ["name", "name:alg", "name:alg:"])
def test_a_key_that_is_none(text: str) -> None:
    with pytest.raises(Usage, match="NAME:ALGORITHM:SECRET"):
        transfer.parse_key(text)


def test_a_key_from_a_file(tmp_path: Path) -> None:
    write_private(tmp_path / "key", "name:hmac-sha256:c2VjcmV0\n")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert transfer.parse_key(f"@{tmp_path}/key") == transfer.Key("name", "hmac-sha256", "c2VjcmV0")
    with pytest.raises(Usage, match="No such file"):
        transfer.parse_key(f"@{tmp_path}/other")


def test_a_bad_zone_is_named_and_nothing_is_left_running(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="reading the zone"):
        start_dns(False, tmp_path, "www A 192.0.2.1\n", ORIGIN)


def test_a_process_that_dies_shows_the_end_of_its_log(tmp_path: Path) -> None:
    process = Process([sys.executable, "-c", "print('so long'); raise SystemExit(3)"], tmp_path / "log")
    process.start()
    with pytest.raises(Failed, match="ended with exit code 3; its log ends: so long"):
        process.wait(lambda: False)
    assert not process.alive()
    process.stop()


def test_a_killed_process_is_not_alive(tmp_path: Path) -> None:
    process = Process([sys.executable, "-c", "import signal; signal.pause()"], tmp_path / "log")
    process.start()
    assert process.alive()
    process.kill()
    process.stop()
    assert not process.alive()
    process.kill()


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="starting /nowhere/named: No such file"):
        Process(["/nowhere/named"], tmp_path / "log").start()
