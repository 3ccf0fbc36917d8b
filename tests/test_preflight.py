"""What `check` and `start` say of the host that aliases and services will point to."""

from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest
from servers import HOST, KEY, ZONE, Server, embedded

from lbmigrate.assemble import target
from lbmigrate.dns.rfc2136 import Rfc2136
from lbmigrate.model import Side
from lbmigrate.spec import Bound, Dns, Stage, Tsig

HOSTS = "\nlb-b A 192.0.2.20\nlb-b AAAA 2001:db8::20\nlb-c A 192.0.2.20\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = embedded(tmp_path_factory.mktemp("embedded"), ZONE + HOSTS)
    yield running
    running.stop()


@pytest.mark.parametrize(
    ("hostname", "addresses", "fit", "what"),
    [
        ("lb-b.lab.test.", ["192.0.2.20", "2001:db8::20"], True, "leads to B"),
        ("lb-c.lab.test.", ["192.0.2.20", "2001:db8::20"], False, "does not lead to 2001:db8::20; add"),
        ("lb-b.lab.test.", ["192.0.2.20"], False, "also leads to 2001:db8::20"),
        ("nope.lab.test.", ["192.0.2.20"], False, "does not lead to 192.0.2.20"),
        ("lb.example.net.", ["192.0.2.20"], True, "lies in no zone under dns:"),
    ],
)
def test_the_host_that_names_will_point_to_must_lead_to_b(
    server: Server, monkeypatch: pytest.MonkeyPatch, hostname: str, addresses: Sequence[str], fit: bool, what: str
) -> None:
    monkeypatch.setenv("TSIG", KEY.secret)
    entry = Dns("rfc2136", "lab.test.", HOST, server.port, Tsig("lbm", "hmac-sha256", "env:TSIG"))
    bound = Bound("web", (), Side("sim", ()), Side("sim", tuple(addresses), hostname), (entry,), (Stage(100),))
    with closing(Rfc2136(entry, 2.0, 2.0)) as zone:
        found = target(bound, (zone,))
    assert (found[0], what in found[1]) == (fit, True), found
