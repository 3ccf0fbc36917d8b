"""One probe: a fresh connection to one address of a side, judged as a client of the public name would judge it.

Theory of operation. A request is built once and sent to any number of addresses. Every hearing opens its own
connection: a pool that keeps connections by IP address would answer a wrong Host or SNI from an old one, which
is a false pass. One deadline covers connect, TLS, first byte and body. Certificates are verified against the
host of the URL, never against the address. Whatever a server sends is hostile until shown otherwise: it is
bounded in size and escaped before it is put into words.

Known weak spots: `connecting` covers TCP and TLS together; a body that ends with the connection (no length) counts
as complete, since nothing in it says otherwise (RFC 9112 section 6.3).
"""

import asyncio
import errno
import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from time import monotonic
from urllib.parse import SplitResult, urlsplit

import h11

from lbmigrate import __version__
from lbmigrate.errors import Usage
from lbmigrate.model import Probe, Result
from lbmigrate.value import value

BODY_LIMIT = 1 << 20
"""Bytes of a body that are read at most; a longer one is a failure, because it was not seen whole."""

_HEAD_LIMIT = 1 << 16

_READ = 1 << 12
"""Bytes taken at a time: of one-byte chunks they cost some 20 ms of CPU, which is all that others have to wait."""

_WORDS_LIMIT = 120

_STALL = 0.5
"""Seconds: a deadline noticed later than this says that this machine stood still, not that the side did."""

# This machine ran out of something: it says nothing about the side.
_OWN_TROUBLE = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}

_PORTS = {"http": 80, "https": 443}

_CERTIFICATE = {  # X509_V_ERR_* of OpenSSL's x509_vfy.h
    2: "certificate is not signed by a trusted CA",
    9: "certificate is not valid yet",
    10: "certificate expired",
    18: "certificate is not signed by a trusted CA",
    19: "certificate is not signed by a trusted CA",
    20: "certificate is not signed by a trusted CA",
    21: "certificate is not signed by a trusted CA",
    23: "certificate revoked",
    62: "certificate is for other names",
    64: "certificate is for other names",
}


@value
class Request:
    """What is sent, byte for byte the same to every address, and what is expected in return.

    `host` is the SNI and the name that the certificate must carry; `head_only` stops after the response's head.
    """

    probe: Probe
    host: str
    port: int
    tls: ssl.SSLContext | None
    event: h11.Request
    head_only: bool = False


@value
class Answer:
    """A complete HTTP response. `location` and `content_type` are None where the header is absent."""

    status: int
    location: str | None
    content_type: str | None
    body: bytes


@value
class Heard:
    """What came of one probe. `own_trouble`: it failed on this machine, before the side could show anything."""

    result: Result
    answer: Answer | None = None
    own_trouble: bool = False


class _TooLong(Exception):
    """The body is longer than BODY_LIMIT."""


def trust(ca: str) -> ssl.SSLContext:
    """A context that verifies chain and name, by the CAs in the PEM file `ca` or else the system's. Raises Usage."""
    try:
        context = ssl.create_default_context(cafile=ca or None)
    except OSError as wrong:  # ssl.SSLError is one
        raise Usage(f"probe: ca {ca}: not readable as PEM certificates: {_os_words(wrong)}: name another") from wrong
    context.set_alpn_protocols(["http/1.1"])
    return context


def request(probe: Probe, trusted: Callable[[str], ssl.SSLContext] = trust, head_only: bool = False) -> Request:
    """What `probe` sends; `trusted` makes the context of an https URL from `probe.ca`.

    Raises Usage for a URL, a header or a CA file that cannot be used.
    """
    try:
        url = urlsplit(probe.url)
        host, port = _host(url), url.port or _PORTS[url.scheme]
        event = h11.Request(method=probe.method, target=_target(url), headers=_headers(probe, url, host))
    except (KeyError, ValueError, h11.LocalProtocolError) as wrong:
        what = f"no scheme of a probe: {wrong}" if isinstance(wrong, KeyError) else printable(str(wrong))
        raise Usage(f"probe {label(probe.url)}: cannot be sent: {what}: give an http or https URL") from wrong
    return Request(probe, host, port, trusted(probe.ca) if url.scheme == "https" else None, event, head_only)


def label(url: str) -> str:
    """`url` as it may be shown: without user, password and query, which can hold secrets."""
    scheme, separator, rest = url.partition("?")[0].partition("://")
    place, slash, path = rest.partition("/")
    return printable(f"{scheme}{separator}{place.rpartition('@')[2]}{slash}{path}")


async def hear(what: Request, address: str) -> Heard:
    """Send `what` to `address` over a connection of its own; never raises for anything that a server does."""
    began, doing = monotonic(), "connecting"
    deadline = asyncio.timeout(what.probe.timeout)
    try:
        async with deadline, _connected(what, address) as (reader, writer):
            doing = "waiting for the response"
            talk = _ask(what, writer)
            head = await _head(talk, reader)
            doing = "reading the body"
            body = b"" if what.head_only else await _body(talk, reader)
            seconds = monotonic() - began
    except (OSError, h11.RemoteProtocolError, _TooLong, EOFError) as wrong:
        late, took = deadline.expired(), monotonic() - began
        why = f"timed out after {round(what.probe.timeout, 2):g}s {doing}" if late else _words(wrong, doing)
        ours = took > what.probe.timeout + _STALL if late else getattr(wrong, "errno", None) in _OWN_TROUBLE
        return Heard(Result(False, False, None, why, took), None, ours)
    return _judged(what.probe, head, body, seconds)


def printable(text: str, limit: int = _WORDS_LIMIT) -> str:
    """`text` on one line of at most `limit` characters, with everything escaped that a terminal would act upon."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


# ---------------------------------------------------------------- what is sent


def _host(url: SplitResult) -> str:
    """The host as it goes on the wire, in Host and SNI alike (IDNA; no final dot, RFC 6066 section 3)."""
    if url.username is not None or url.password is not None:
        raise ValueError("user and password in a URL are not sent, use an Authorization header")
    host = (url.hostname or "").rstrip(".").encode("idna").decode()
    if not host or host.startswith("."):
        raise ValueError("no host in it")
    return host


def _target(url: SplitResult) -> str:
    return (url.path or "/") + (f"?{url.query}" if url.query else "")


def _headers(probe: Probe, url: SplitResult, host: str) -> list[tuple[str, str]]:
    """The headers of an ordinary client; those of the config replace them, Host included."""
    literal = f"[{host}]" if ":" in host else host
    port = f":{url.port}" if url.port not in (None, _PORTS[url.scheme]) else ""
    mine = [
        ("Host", literal + port),
        ("User-Agent", f"lbmigrate/{__version__}"),
        ("Accept", "*/*"),
        ("Connection", "close"),
    ]
    if probe.method not in ("GET", "HEAD", "OPTIONS"):  # RFC 9110 section 8.6
        mine.append(("Content-Length", "0"))
    given = {name.lower() for name, _ in probe.headers}
    return [*(one for one in mine if one[0].lower() not in given), *probe.headers]


# ---------------------------------------------------------------- the exchange


@asynccontextmanager
async def _connected(what: Request, address: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    name = what.host if what.tls else None
    reader, writer = await asyncio.open_connection(address, what.port, ssl=what.tls, server_hostname=name)
    try:
        yield reader, writer
    finally:
        # close() has sent TLS's close_notify; abort() then does not wait for the other side's, which a slow or
        # hostile one may never send.
        writer.close()
        with suppress(AttributeError):  # Python 3.11.2 (Debian 12): a TLS transport that is closed has no more to abort
            writer.transport.abort()
        with suppress(OSError):  # the error that ended the exchange has already been told, or the answer is complete
            await writer.wait_closed()


def _ask(what: Request, writer: asyncio.StreamWriter) -> h11.Connection:
    talk = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_LIMIT)
    writer.write((talk.send(what.event) or b"") + (talk.send(h11.EndOfMessage()) or b""))
    return talk


async def _event(talk: h11.Connection, reader: asyncio.StreamReader) -> object:
    while (event := talk.next_event()) is h11.NEED_DATA:
        data = await reader.read(_READ)
        if not data and talk.their_state is h11.SEND_RESPONSE:
            raise EOFError
        talk.receive_data(data)
        if len(data) == _READ:  # more may be waiting, and would be read without giving way: a flood by B is not A's
            await asyncio.sleep(0)
    return event


async def _head(talk: h11.Connection, reader: asyncio.StreamReader) -> h11.Response | h11.InformationalResponse:
    """The response's head; any number of 1xx may come before it, and 101 takes its place (RFC 9110 section 15.2)."""
    while True:
        event = await _event(talk, reader)
        if isinstance(event, h11.Response) or (
            isinstance(event, h11.InformationalResponse) and event.status_code == 101
        ):
            return event


async def _body(talk: h11.Connection, reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while isinstance(event := await _event(talk, reader), h11.Data):
        body += event.data
        if len(body) > BODY_LIMIT:
            raise _TooLong
    return bytes(body)


# ---------------------------------------------------------------- judging and wording


def _judged(probe: Probe, head: h11.Response | h11.InformationalResponse, body: bytes, seconds: float) -> Heard:
    headers = {name: text.decode("latin-1") for name, text in reversed(list(head.headers))}
    answer = Answer(head.status_code, headers.get(b"location"), headers.get(b"content-type"), body)
    why = _unmet(probe, answer)
    return Heard(Result(not why, True, answer.status, why, seconds), answer)


def _unmet(probe: Probe, answer: Answer) -> str:
    if not any(low <= answer.status <= high for low, high in probe.expect_status):
        return f"status {answer.status}"
    if probe.expect_body.encode() not in answer.body:
        return f'body lacks "{printable(probe.expect_body)}"'
    return ""


def _words(wrong: Exception, doing: str) -> str:
    match wrong:
        case _TooLong():
            return f"body longer than {BODY_LIMIT} bytes"
        case EOFError():
            return "connection closed without a response"
        case h11.RemoteProtocolError() if doing == "reading the body":
            return printable(f"response broken off or malformed: {wrong}")
        case h11.RemoteProtocolError():
            return printable(f"no valid HTTP response: {wrong}")
        case OSError():
            return _os_words(wrong)
        case _:
            raise wrong


def _os_words(wrong: OSError) -> str:
    match wrong:
        case ssl.SSLCertVerificationError():
            return _CERTIFICATE.get(wrong.verify_code, printable(f"certificate not accepted: {wrong.verify_message}"))
        case ssl.SSLError():
            return printable(f"TLS failed: {(wrong.reason or str(wrong)).replace('_', ' ').lower()}")
        case ConnectionRefusedError():
            return "connection refused"
        case ConnectionResetError() | BrokenPipeError():
            return "connection reset"
        case _:
            return printable(os.strerror(wrong.errno).lower() if wrong.errno else str(wrong))
