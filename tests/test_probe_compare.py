"""compare: what B answers otherwise than A, one line each, and silence when they are alike."""

import re
import socket
from itertools import count
from typing import Any

import pytest
from probe_sites import OK, Reply, response, site, sites

from lbmigrate import probe
from lbmigrate.model import Probe

FAMILIES = ("A", "AAAA")


def compared(a: list[Reply], b: list[Reply], **fields: Any) -> list[str]:
    """The lines, without what is the same in all of them; addresses as A1, A2, B1 …"""
    with sites(*a, *b) as made:
        at = tuple(one.address for one in made)
        probes = (Probe(f"http://www.lab.test:{made[0].port}/x?secret=1", **fields),)
        ours, theirs = at[: len(a)], at[len(a) :]
        lines = probe.make(probes, probe.channels(probes, ours, theirs, FAMILIES), ours, theirs).compare()
    start = f"http://www.lab.test:{made[0].port}/x IPv4: "
    assert all(line.startswith(start) and line.isprintable() for line in lines)
    return [re.sub(r"127\.41\.1\.(\d)", r"\1", line.removeprefix(start)) for line in lines]


def test_alike_is_silence() -> None:
    assert compared([OK, OK], [OK, OK]) == []


@pytest.mark.parametrize(
    ("a", "b", "lines"),
    [
        (OK, response(204, b""), ["status 204, A answers 200"]),
        (OK, response(503), ["status 503, A answers 200"]),
        (response(301, Location="/a"), response(301, Location="/b"), ["Location /b, A answers /a"]),
        (response(301, Location="/a"), response(301), ["Location none, A answers /a"]),
        (response(), response(200, b"no"), ["body of 2 bytes differs from A's of 2"]),
        (OK, response(), ["Content-Type none, A answers text/plain"]),
        (response(), b"", ["connection closed without a response"]),
        (response(301, Location="/a"), response(301, Location="/\x7f"), ["Location /\\x7f, A answers /a"]),
    ],
)
def test_differences_are_told_one_by_one(a: Reply, b: Reply, lines: list[str]) -> None:
    told = compared([a], [b])
    assert len(told) == len(lines)
    for line, expected in zip(told, lines, strict=True):
        assert line.startswith(f"B 2: {expected}")


def test_every_address_of_b_is_asked() -> None:
    assert compared([OK], [OK, response(200, b"ok", Content_Type="text/html"), OK]) == [
        "B 3: Content-Type text/html, A answers text/plain"
    ]


def test_an_unmet_expectation_of_a_is_told_once_and_b_is_not_blamed_for_being_alike() -> None:
    assert compared([response(404)], [response(404)]) == ["A 1: status 404", "B 2: status 404"]


def changing(*, status: int = 200, **headers: str) -> Reply:
    number = count()

    def reply(connection: socket.socket) -> None:
        filled = {name: text.format(next(number)) for name, text in headers.items()}
        connection.sendall(response(status, str(next(number)).encode(), **filled))

    return reply


def test_what_a_does_not_agree_on_with_itself_is_not_compared() -> None:
    assert compared([changing()], [changing()]) == []
    assert compared([changing()], [response(200, b"x")]) == []
    assert compared([changing(status=302, Location="/?id={}")], [changing(status=302, Location="/?id={}")]) == []
    assert compared([response(200, b"1"), response(200, b"2")], [response(200, b"3")]) == []
    assert compared([changing()], [changing(status=404)]) == ["B 2: status 404, A answers 200"]


def test_an_a_that_does_not_answer_is_no_model() -> None:
    assert compared([b""], [OK]) == ["A 1: connection closed without a response"]


def test_the_expected_body_is_asked_of_both() -> None:
    assert compared([OK], [OK], expect_body="fine") == ['A 1: body lacks "fine"', 'B 2: body lacks "fine"']


def test_families_are_named() -> None:
    with site(response(500), "::1") as one:
        probes = (Probe(f"http://www.lab.test:{one.port}/"),)
        a, b = ("::1", "127.41.1.1"), ("::1",)
        lines = probe.make(probes, probe.channels(probes, a, b, FAMILIES), a, b).compare()
    where = f"http://www.lab.test:{one.port}/ IPv6: "
    assert lines == (f"{where}A ::1: status 500", f"{where}B ::1: status 500")


def test_a_closed_port_refuses() -> None:
    with site(OK, "127.41.1.1") as one:
        probes = (Probe(f"http://www.lab.test:{one.port}/"),)
        a, b = ("127.41.1.1",), ("127.41.1.9",)
        lines = probe.make(probes, probe.channels(probes, a, b, FAMILIES), a, b).compare()
    assert lines == (f"http://www.lab.test:{one.port}/ IPv4: B 127.41.1.9: connection refused",)
