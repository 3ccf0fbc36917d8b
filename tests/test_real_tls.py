"""Whole migrations over TLS: B's certificate is bad from the beginning, or becomes so under way."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from migrations import NEEDS, SCENARIO, Rig, rig
from test_real_sides import restarted_a

from lbmigrate.value import replace

pytestmark = pytest.mark.real(*NEEDS)
HOST = "www.lab.test"
YEAR = timedelta(days=365)
Issue = Callable[[trustme.CA], trustme.LeafCert]


def expired(ca: trustme.CA) -> trustme.LeafCert:
    now = datetime.now(UTC)
    return ca.issue_cert(HOST, not_before=now - 2 * YEAR, not_after=now - YEAR)


BAD: dict[str, tuple[Issue, str]] = {
    "expired": (expired, "certificate expired"),
    "for another name": (lambda ca: ca.issue_cert("api.lab.test"), "certificate is for other names"),
    "untrusted": (lambda _: trustme.CA().issue_cert(HOST), "certificate is not signed by a trusted CA"),
}


def pem(leaf: trustme.LeafCert) -> str:
    """Key and chain, as HAProxy wants them."""
    return leaf.private_key_and_cert_chain_pem.bytes().decode()


@pytest.fixture
def one(tmp_path: Path, ca: trustme.CA) -> Iterator[Rig]:
    """A serves https with a good certificate, from a file that B will read too."""
    with rig(tmp_path, replace(SCENARIO, runtime_only=0)) as found:
        (tmp_path / "site.pem").write_text(pem(ca.issue_cert(HOST)))
        ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        path = found.ground.place.config("a")
        port = f":{found.ground.place.port}\n"
        path.write_text(path.read_text().replace(port, f"{port.strip()} ssl crt {tmp_path}/site.pem\n"))
        restarted_a(found)
        (probe,) = found.config["probe"]
        url = probe["url"].replace("http:", "https:")
        yield found.write(probe=[{**probe, "url": url, "ca": str(tmp_path / "ca.pem")}])


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.mark.parametrize("how", BAD)
def test_a_b_whose_certificate_is_bad_is_refused(how: str, one: Rig, ca: trustme.CA) -> None:
    issue, why = BAD[how]
    one.patience = 1.0
    before = one.records()
    (one.directory / "site.pem").write_text(pem(issue(ca)))  # A has read the old one
    said = one.give("start")
    assert said.code == 6, said.err
    assert why in said.line
    assert one.records() == before
    assert one.served() == [[one.a]] * 2


def test_a_certificate_of_b_that_expires_under_way_turns_back(one: Rig, ca: trustme.CA) -> None:
    one.at_50().write(soak="1m")
    path = one.directory / "site.pem"
    said = one.ground.sides.ask("b", f"set ssl cert {path} <<\n{pem(expired(ca))}")
    assert "Transaction created" in said
    assert "Success" in one.ground.sides.ask("b", f"commit ssl cert {path}")
    turned = one.give("tick", "--for", "60s")
    assert turned.code == 3, turned.err
    assert turned.line.startswith("turned back to A: B is bad: certificate expired")
    assert one.served() == [[one.a]] * 2


def test_a_rollback_needs_no_probe_that_can_be_made(one: Rig) -> None:
    """The CA's file is gone: nothing can be probed any more."""
    one.at_50()
    (one.directory / "ca.pem").unlink()
    assert one.give("run").code == 2
    one.ok("rollback", "--yes", "--no-wait")
    assert one.served()[0] == [one.a]
