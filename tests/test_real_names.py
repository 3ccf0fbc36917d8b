"""Names that are not plain, on every server: spelled with upper case, escaped, wildcards, the apex."""

import subprocess
from collections.abc import Iterator

import dns.message
import dns.query
import dns.rdatatype
import pytest
from servers import HOST, KEY, KINDS, ORIGIN, ZONE, Server
from zones import B, claimed, moved, originals

from lbmigrate.dns.rfc2136 import Rfc2136
from lbmigrate.errors import LbmigrateError
from lbmigrate.fold import State
from lbmigrate.from_dns import restore
from lbmigrate.model import Applied, Side
from lbmigrate.plan import build
from lbmigrate.spec import Bound, Dns, Stage, Tsig
from lbmigrate.undo import commands

pytestmark = pytest.mark.usefixtures("secret")

SPELLED = ["WWW.Both", "Www.DIFFERS", "CamelCase"]
ESCAPED = [
    r"sp\032ace",
    r"q\"uote",
    r"b\200yte",
    r"s\;emi",
    r"at\@sign",
    r"do\$lar",
    r"b\\ack",
    r"par\(en\)",
    r"x\000nul",
    r"dot\.in",
]
NAMES = r"""
WWW.Both A 192.0.2.31
WWW.Both AAAA 2001:db8::31
Www.DIFFERS A 192.0.2.32
wWW.differS AAAA 2001:db8::32
CamelCase CNAME WWW.Both
""" + "\n".join(f"{label} A 192.0.2.{number}" for number, label in enumerate(ESCAPED, 41))


@pytest.fixture(
    scope="module", params=[pytest.param(k, marks=[] if k == "embedded" else [pytest.mark.real]) for k in KINDS]
)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = KINDS[request.param](tmp_path_factory.mktemp(request.param), ZONE + NAMES)
    yield one
    one.stop()


def spelled(server: Server) -> list[str]:
    """Every RRset's owner as a question for it is answered, which a transfer read name by name does not show."""
    found = []
    for line in server.records():
        name, _, _, rtype, _ = line.split(" ", 4)
        query = dns.message.make_query(name.lower(), rtype)
        answer = dns.query.tcp(query, HOST, 5, server.port).answer
        found += [
            f"{one.name} {one.ttl} {sorted(map(str, one))}"
            for one in answer
            if one.rdtype == dns.rdatatype.from_text(rtype)
        ]
    return sorted(found)


SIDE_A = Side("external", ("192.0.2.31", "192.0.2.32", "2001:db8::31", "2001:db8::32"), "www.both.lab.test.")
SIDE_B = Side("external", (*B["A"], *B["AAAA"]), *B["CNAME"])
# PowerDNS 4.7 answers SERVFAIL to every question about these; the laboratory's own server refuses what is no host name.
NOT_SERVED = {
    "pdns": {r"q\"uote", r"b\200yte", r"s\;emi", r"do\$lar", r"par\(en\)", r"x\000nul"},
    "embedded": set(ESCAPED),
}


def name_of(label: str) -> str:
    return ORIGIN if label == "@" else f"{label}.{ORIGIN}"


@pytest.mark.parametrize("label", [*SPELLED, *ESCAPED, "*.wild", "@", "host.wild", "above"])
def test_a_name_is_moved_and_comes_back_as_it_was_spelled(server: Server, zone: Rfc2136, label: str) -> None:
    name = name_of(label)
    before, owners = server.records(), spelled(server)
    if label in NOT_SERVED.get(server.kind, ()):
        with pytest.raises(LbmigrateError, match=r"SERVFAIL|REFUSED"):
            zone.swap(old := zone.read([name]), claimed(old))
        assert server.records() == before
        return
    old = zone.read([name])
    claim = claimed(old)
    shift = moved(claim, 2)
    assert [zone.swap(old, claim), zone.swap(claim, shift)] == [Applied()] * 2
    rtype = old.held[0].rrsets[0].rtype
    assert {one.rdatas for one in zone.served([name], [rtype])} == {B[rtype]}
    assert zone.swap(shift, originals(shift)) == Applied()
    assert server.records() == before
    assert spelled(server) == owners


def test_the_fence_alone_brings_the_spelling_back(server: Server, zone: Rfc2136) -> None:
    before, owners = server.records(), spelled(server)
    names = [name_of(label).lower() for label in SPELLED]
    old = zone.read(names)
    claim = claimed(old)
    assert [zone.swap(old, claim), zone.swap(claim, moved(claim, 2))] == [Applied()] * 2
    bound = Bound("web", tuple(names), SIDE_A, SIDE_B, (Dns("rfc2136", ORIGIN),), (Stage(100),))
    restore(bound, (zone,), dry_run=False)
    assert server.records() == before
    assert spelled(server) == owners


def test_the_printed_undo_brings_the_spelling_back(server: Server, zone: Rfc2136) -> None:
    """By nsupdate; only BIND keeps a spelling."""
    before, owners = server.records(), spelled(server)
    old = zone.read([name_of(SPELLED[0]).lower()])
    claim = claimed(old)
    assert zone.swap(old, claim) == Applied()
    tsig = Tsig(KEY.name, KEY.algorithm, "env:TSIG")
    bound = Bound(
        "web", (old.held[0].name,), SIDE_A, SIDE_B, (Dns("rfc2136", ORIGIN, HOST, server.port, tsig),), (Stage(100),)
    )
    state = State(plan=build(bound, old.held), known=claim.held, claimed=(0,))
    env = {"SECRET": KEY.secret, "PATH": "/usr/bin:/bin"}
    subprocess.run(["sh", "-c", commands(state)], env=env, capture_output=True, timeout=20, check=True)
    assert server.records() == before
    assert spelled(server) == owners
