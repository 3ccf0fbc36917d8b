"""Controls: any answer counts, and a resolver that hangs neither blocks nor piles up."""

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from probe_sites import OK, Reply, black_hole, response, site

from lbmigrate import probe
from lbmigrate.model import ControlSeen, Sample
from lbmigrate.probe import control
from lbmigrate.probe.control import Control
from lbmigrate.probe.http import trust


def check(url: str) -> ControlSeen:
    return asyncio.run(Control(url, cache(trust)).check())


@pytest.fixture
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "TIMEOUT", 0.2)
    monkeypatch.setattr(control, "PERIOD", 0.01)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (OK, ""),
        (response(301, Location="/"), ""),
        (response(404), ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", ""),
        (response(500), "127.41.0.1: status 500"),
        (b"", "127.41.0.1: connection closed without a response"),
    ],
)
def test_any_answer_below_500_counts(reply: Reply, why: str) -> None:
    with site(reply) as one:
        url = f"http://{one.address}:{one.port}/?q=1"
        assert check(url) == ControlSeen(url, not why, why)


def test_a_name_is_resolved_as_the_system_does() -> None:
    with site(OK, "127.0.0.1") as one:
        assert check(f"http://localhost:{one.port}/").ok
        assert one.heads[0].lower().count(f"host: localhost:{one.port}\r\n") == 1


@pytest.mark.usefixtures("_hurried")
def test_the_second_family_is_tried_when_the_first_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    with site(OK, "::1") as six, black_hole("127.41.0.1", six.port) as (address, port):
        found = [(socket.AF_INET, 1, 6, "", (address, port)), (socket.AF_INET6, 1, 6, "", ("::1", port, 0, 0))]
        monkeypatch.setattr(socket, "getaddrinfo", answering(socket.getaddrinfo, found))
        assert check(f"http://control.test:{port}/").ok


@pytest.mark.usefixtures("_hurried")
def test_silent_addresses_share_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    with black_hole("::1") as (_, port), black_hole("127.41.0.1", port):
        found = [(socket.AF_INET, 1, 6, "", ("127.41.0.1", port)), (socket.AF_INET6, 1, 6, "", ("::1", port, 0, 0))]
        monkeypatch.setattr(socket, "getaddrinfo", answering(socket.getaddrinfo, found))
        assert re.match(r"::1: timed out after 0\.(0\d|1)s", check(f"http://control.test:{port}/").why)


@pytest.mark.usefixtures("_hurried")
def test_a_silent_control_fails_at_its_deadline() -> None:
    with black_hole() as (address, port):
        why = check(f"http://{address}:{port}/").why
        assert why.startswith(f"{address}: timed out after 0.")
        assert why.endswith("s waiting for the response")


def test_a_name_that_is_unknown_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    monkeypatch.setattr(socket, "getaddrinfo", answering(socket.getaddrinfo, wrong))
    assert check("http://control.test/").why == "name not resolved: Name or service not known"


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A resolver that answers nothing until the test is over; the names that it was asked for."""
    asked: list[str] = []
    over = threading.Event()
    real = socket.getaddrinfo

    def hang(host: str, *rest: Any, **more: Any) -> Any:
        if host != "control.test":
            return real(host, *rest, **more)
        asked.append(host)
        over.wait(20.0)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield asked
    over.set()
    for thread in threading.enumerate():
        if thread.name == "control":
            thread.join()


@pytest.mark.usefixtures("_hurried")
def test_a_resolver_that_hangs_blocks_nothing_and_is_asked_once(hanging: list[str]) -> None:
    seen: list[ControlSeen] = []

    def enough(sample: Sample) -> bool:
        assert isinstance(sample, ControlSeen)
        seen.append(sample)
        return len(seen) == 3

    running = probe.make((), (), (), (), ("http://control.test/",)).start(3600.0, enough)
    assert running.wait(20.0)
    running.stop()
    assert [one.why for one in seen] == ["name not resolved within 0.2s"] * 3
    assert hanging == ["control.test"]


def answering(real: Any, answer: Any) -> Any:
    """getaddrinfo with `answer` for control.test."""

    def resolve(host: str, *rest: Any, **more: Any) -> Any:
        if host != "control.test":
            return real(host, *rest, **more)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return resolve
