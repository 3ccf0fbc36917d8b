"""Probes over TLS: certificates are judged by the public name, and every fault is told apart."""

import asyncio
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from probe_sites import OK, Reply, flood, reset, response, site

from lbmigrate.errors import Usage
from lbmigrate.model import Probe
from lbmigrate.probe.http import Heard, hear, request

HOST = "www.lab.test"
YEAR = timedelta(days=365)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def server_context(authority: trustme.CA, *names: str, **validity: datetime) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **validity).configure_cert(context)  # type: ignore[arg-type]
    return context


def over_tls(context: ssl.SSLContext, ca: str, reply: Reply = OK) -> Heard:
    with site(reply, tls=context) as one:
        what = request(Probe(f"https://{HOST}:{one.port}/", timeout=5.0, ca=ca))
        return asyncio.run(hear(what, one.address))


def test_tls_is_verified_by_the_given_ca_and_names_the_host(authority: trustme.CA, ca: str) -> None:
    names: list[str | None] = []
    context = server_context(authority, HOST)
    context.sni_callback = lambda _, name, __: names.append(name)
    heard = over_tls(context, ca)
    assert heard.result.ok, heard.result.why
    assert names == [HOST]


def test_bad_certificates_are_told_apart(authority: trustme.CA, ca: str) -> None:
    now = datetime.now(UTC)
    expired = server_context(authority, HOST, not_before=now - 2 * YEAR, not_after=now - YEAR)
    assert over_tls(expired, ca).result.why == "certificate expired"
    early = server_context(authority, HOST, not_before=now + YEAR, not_after=now + 2 * YEAR)
    assert over_tls(early, ca).result.why == "certificate is not valid yet"
    assert over_tls(server_context(authority, "api.lab.test"), ca).result.why == "certificate is for other names"
    assert over_tls(server_context(authority, "127.41.0.1"), ca).result.why == "certificate is for other names"
    untrusted = server_context(trustme.CA(), HOST)
    assert over_tls(untrusted, ca).result.why == "certificate is not signed by a trusted CA"
    assert over_tls(server_context(authority, HOST), "").result.why == "certificate is not signed by a trusted CA"


def test_the_second_host_at_an_address_is_not_answered_over_the_connection_of_the_first(
    authority: trustme.CA, ca: str
) -> None:
    """A pool keyed by IP address reuses the first connection, whose certificate it has verified already."""
    with site(tls=server_context(authority, HOST)) as one:
        right = request(Probe(f"https://{HOST}:{one.port}/", ca=ca))
        wrong = request(Probe(f"https://other.lab.test:{one.port}/", ca=ca))

        async def both() -> list[Heard]:
            return [await hear(what, one.address) for what in (right, wrong, right)]

        whys = [heard.result.why for heard in asyncio.run(both())]
        assert whys == ["", "certificate is for other names", ""]
        assert len(one.heads) == 2


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (reset, "connection reset"),
        (response()[:-1], "response broken off or malformed: "),
        (flood, "body longer than"),
        (b"", "connection closed without a response"),
        (b"\x00" * 9, "no valid HTTP response: "),
    ],
)
def test_faults_within_tls_have_the_same_words(authority: trustme.CA, ca: str, reply: Reply, why: str) -> None:
    assert over_tls(server_context(authority, HOST), ca, reply).result.why.startswith(why)


def test_a_side_that_never_closes_is_not_waited_for(authority: trustme.CA, ca: str) -> None:
    """TLS's close_notify is sent, not awaited: the deadline would pass, and a good answer be called late."""
    over = threading.Event()

    def stubborn(connection: socket.socket) -> None:
        connection.sendall(OK)
        over.wait(20.0)

    with site(stubborn, tls=server_context(authority, HOST)) as one:
        heard = asyncio.run(hear(request(Probe(f"https://{HOST}:{one.port}/", timeout=5.0, ca=ca)), one.address))
        over.set()
    assert heard.result.ok, heard.result.why


def test_a_port_without_tls_is_named_as_such() -> None:
    with site(hasty=True) as plain:
        what = request(Probe(f"https://{HOST}:{plain.port}/"))
        assert asyncio.run(hear(what, plain.address)).result.why.startswith("TLS failed: wrong version number")


def test_a_ca_file_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    for path in (tmp_path / "ca.pem", tmp_path / "absent.pem"):
        with pytest.raises(Usage, match="not readable as PEM certificates"):
            request(Probe(f"https://{HOST}/", ca=str(path)))
