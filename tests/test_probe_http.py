"""One probe: what it sends, what it accepts, and the words it finds for everything else."""

import asyncio
import errno
import socket
from datetime import timedelta
from itertools import count
from typing import Any

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st
from probe_sites import OK, Reply, black_hole, flood, reset, response, site

from lbmigrate.errors import Usage
from lbmigrate.model import Probe
from lbmigrate.probe import http
from lbmigrate.probe.http import BODY_LIMIT, Heard, hear, label, printable, request

HOST = "www.lab.test"
YEAR = timedelta(days=365)


def ask(address: str, port: int, scheme: str = "http", host: str = HOST, path: str = "/", **fields: Any) -> Heard:
    probe = Probe(f"{scheme}://{host}:{port}{path}", **{"timeout": 5.0, **fields})
    return asyncio.run(hear(request(probe), address))


def asked(reply: Reply, **fields: Any) -> Heard:
    with site(reply) as one:
        return ask(one.address, one.port, **fields)


def head_of(**fields: Any) -> str:
    with site() as one:
        assert ask(one.address, one.port, **fields).result.answered
        return one.heads[0].replace(f":{one.port}", ":PORT")


# ---------------------------------------------------------------- what is sent


def test_an_ordinary_client_is_sent_with_the_public_host() -> None:
    head = head_of(path="/healthz?deep=1")
    assert head.startswith("GET /healthz?deep=1 HTTP/1.1\r\n")
    assert f"host: {HOST}:port\r\n" in head.lower()
    assert "connection: close\r\n" in head.lower()


def test_headers_of_the_config_replace_ours_and_may_repeat() -> None:
    head = head_of(headers=(("Host", "other.test"), ("X-A", "1"), ("X-A", "2"))).lower()
    assert "host: other.test\r\n" in head
    assert HOST not in head
    assert "x-a: 1\r\nx-a: 2\r\n" in head


@pytest.mark.parametrize(("method", "expected"), [("GET", False), ("HEAD", False), ("POST", True)])
def test_a_method_with_content_says_that_there_is_none(method: str, expected: bool) -> None:
    assert ("content-length: 0" in head_of(method=method).lower()) is expected


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://www.lab.test/", "www.lab.test"),
        ("http://www.lab.test:80/", "www.lab.test"),
        ("http://www.lab.test:8080/", "www.lab.test:8080"),
        ("http://WWW.lab.test./", "www.lab.test"),
        ("http://[::1]:8080/", "[::1]:8080"),
        ("http://bücher.test/", "xn--bcher-kva.test"),
    ],
)
def test_host_is_what_a_browser_would_send(url: str, host: str) -> None:
    assert dict(request(Probe(url)).event.headers)[b"host"] == host.encode()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://www.lab.test/",
        "www.lab.test",
        "http:///path",
        "http://a..b/",
        "http://.test/",
        "http://www.lab.test:99999/",
        f"http://{'a' * 64}.test/",
        "http://user:hush@www.lab.test/?t=hush",
    ],
)
def test_a_url_that_cannot_be_sent_is_a_usage_error_without_secrets(url: str) -> None:
    with pytest.raises(Usage, match=r"^probe .*: cannot be sent: .*: give an http or https URL$") as told:
        request(Probe(url))
    assert "hush" not in str(told.value)


def test_a_header_that_cannot_be_sent_is_a_usage_error() -> None:
    with pytest.raises(Usage, match="cannot be sent"):
        request(Probe("http://www.lab.test/", headers=(("X-A", "1\r\nX-B: 2"),)))


def test_a_label_shows_neither_user_nor_query() -> None:
    assert label("https://me:hush@www.lab.test:8443/x?token=hush") == "https://www.lab.test:8443/x"


# ---------------------------------------------------------------- what is accepted


def test_a_good_answer_is_kept_whole() -> None:
    heard = asked(response(302, b"ok", Location="/x", Content_Type="text/plain"))
    assert heard.result.ok
    assert heard.result.answered
    assert (heard.result.status, heard.result.why) == (302, "")
    assert heard.result.seconds > 0
    assert heard.answer == http.Answer(302, "/x", "text/plain", b"ok")


@pytest.mark.parametrize(
    ("reply", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", b"ok"),
        (b"HTTP/1.0 200 OK\r\n\r\nok until the end", b"ok until the end"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, b"ok"),
        (OK + b"HTTP/1.1 500 Smuggled\r\n\r\n", b"ok"),
        (response(204, b""), b""),
        (response(200, b"x" * BODY_LIMIT), b"x" * BODY_LIMIT),
    ],
)
def test_every_framing_of_http_is_understood(reply: bytes, body: bytes) -> None:
    heard = asked(reply)
    assert heard.result.answered, heard.result.why
    assert heard.answer is not None
    assert heard.answer.body == body


@pytest.mark.parametrize(
    ("status", "expect", "why"),
    [
        (200, ((200, 399),), ""),
        (399, ((200, 399),), ""),
        (400, ((200, 399),), "status 400"),
        (503, ((200, 399),), "status 503"),
        (503, ((200, 200), (503, 503)), ""),
        (404, ((200, 200), (503, 503)), "status 404"),
    ],
)
def test_status_ranges_are_inclusive(status: int, expect: tuple[tuple[int, int], ...], why: str) -> None:
    result = asked(response(status), expect_status=expect).result
    assert (result.ok, result.answered, result.status, result.why) == (not why, True, status, why)


def test_a_body_that_lacks_the_text_is_answered_but_not_ok() -> None:
    result = asked(response(200, b"maintenance"), expect_body="ok").result
    assert (result.ok, result.answered, result.why) == (False, True, 'body lacks "ok"')
    assert asked(response(200, "größer".encode()), expect_body="größe").result.ok


def test_redirects_are_not_followed() -> None:
    with site() as elsewhere, site(response(301, Location=f"http://127.41.0.1:{elsewhere.port}/")) as one:
        heard = ask(one.address, one.port)
        assert heard.result.status == 301
        assert (len(one.heads), elsewhere.heads) == (1, [])


def test_an_upgrade_that_was_asked_for_is_an_answer() -> None:
    headers = (("Connection", "Upgrade"), ("Upgrade", "websocket"))
    reply = b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert asked(reply, headers=headers, expect_status=((101, 101),)).result.ok


def test_head_only_leaves_the_body_unread() -> None:
    with site(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n") as one:
        what = request(Probe(f"http://{HOST}:{one.port}/"), head_only=True)
        assert asyncio.run(hear(what, one.address)).result.ok


# ---------------------------------------------------------------- what is not


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    connection.settimeout(0.02)
    while True:
        connection.sendall(b".")
        try:
            if not connection.recv(1):
                return
        except TimeoutError:
            continue


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"", "connection closed without a response"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "connection closed without a response"),
        (b"HTTP/1.1 200 O", "connection closed without a response"),
        (reset, "connection reset"),
        (flood, f"body longer than {BODY_LIMIT} bytes"),
        (response()[:-1], "response broken off or malformed: "),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "response broken off or malformed: "),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "no valid HTTP response: "),
        (b"\x1b[2J\x1b]0;owned\x07 garbage\r\n\r\n", "no valid HTTP response: "),
        (b"\x1b[2J" * 30000, "no valid HTTP response: "),
        (b"HTTP/1.1 200 OK\r\nA: " + b"a" * 100_000, "no valid HTTP response: "),
    ],
)
def test_what_is_no_complete_response_is_told_in_plain_words(reply: Reply, why: str) -> None:
    heard = asked(reply)
    assert heard.result.why.startswith(why)
    assert (heard.result.ok, heard.result.answered, heard.result.status) == (False, False, None)
    assert heard.answer is None
    assert not heard.own_trouble
    assert heard.result.why.isprintable()
    assert len(heard.result.why) <= 120


def test_a_slow_drip_is_cut_at_the_deadline() -> None:
    assert asked(drip, timeout=1.0).result.why == "timed out after 1s reading the body"


def test_a_black_hole_is_cut_at_the_deadline() -> None:
    with black_hole() as (address, port):
        assert ask(address, port, timeout=0.5).result.why == "timed out after 0.5s waiting for the response"
        assert ask(address, port, "https", timeout=0.5).result.why == "timed out after 0.5s connecting"


def test_a_flood_of_tiny_chunks_lets_others_have_their_turn() -> None:
    """Answered from memory, reads never wait: only by giving way can the deadline, and probes of A, get a turn."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def read() -> bytes:
        talk = h11.Connection(h11.CLIENT)
        talk.send(request(Probe("http://x.test/")).event)
        talk.send(h11.EndOfMessage())
        reader = asyncio.StreamReader()
        reader.feed_data(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 10_000 + b"0\r\n\r\n"
        )
        other = asyncio.create_task(others())
        await http._head(talk, reader)
        body = await http._body(talk, reader)
        other.cancel()
        return body

    assert asyncio.run(read()) == b"x" * 10_000
    assert turns >= 10


def test_a_closed_port_refuses() -> None:
    with black_hole() as (address, port):
        pass
    heard = ask(address, port)
    assert (heard.result.why, heard.own_trouble) == ("connection refused", False)


def test_running_out_of_descriptors_is_our_own_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_more(*_: Any, **__: Any) -> None:
        raise OSError(errno.EMFILE, "too many")

    monkeypatch.setattr(asyncio, "open_connection", no_more)
    heard = ask("127.41.0.1", 1)
    assert (heard.own_trouble, heard.result.why) == (True, "too many open files")


def test_a_deadline_noticed_far_too_late_is_our_own_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = count(0.0, 60.0)
    monkeypatch.setattr(http, "monotonic", lambda: next(clock))
    with black_hole() as (address, port):
        assert ask(address, port, timeout=0.05).own_trouble


# ---------------------------------------------------------------- words


@given(st.text(max_size=400), st.integers(2, 200))
def test_whatever_is_printed_is_one_bounded_line(text: str, limit: int) -> None:
    shown = printable(text, limit)
    assert shown.isprintable()
    assert len(shown) <= limit


def test_text_that_can_be_printed_is_left_alone() -> None:
    assert printable("größer 日本 ok") == "größer 日本 ok"
    assert printable("\x1b[31m\n\u202e") == "\\x1b[31m\\n\\u202e"
