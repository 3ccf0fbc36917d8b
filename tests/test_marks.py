"""Marks of other tools, as `check` finds them on a server that holds them; and what is no mark."""

from collections.abc import Iterator
from contextlib import closing

import dns.name
import pytest
from servers import HOST, KEY, ORIGIN, Server, embedded

from lbmigrate.dns import reader
from lbmigrate.dns.marks import places
from lbmigrate.dns.rfc2136 import Rfc2136
from lbmigrate.model import Held
from lbmigrate.spec import Dns, Tsig

WWW, DUAL, FOUR = "www.lab.test.", "dual.lab.test.", "four.lab.test."
EXTERNAL = '"heritage=external-dns,external-dns/owner=k8s,external-dns/resource=ingress/web/www"'
FREEZE = "as its TXT records say: freeze it until the migration is over"
ONE = f"external-dns (owner k8s) also manages {WWW}"
GARDENER = [("comment-www.lab.test.", '"owner=x"'), ("comment-www.lab.test.", '"prefix=comment-"')]
ZONE = "octoDNS also manages the zone"
MARKS = {
    "external-dns at the name": ((WWW,), [(WWW, EXTERNAL)], ONE),
    "external-dns for A": ((WWW,), [("a-www.lab.test.", EXTERNAL)], ONE),
    "external-dns for AAAA": ((DUAL,), [("aaaa-dual.lab.test.", EXTERNAL)], f"manages {DUAL}"),
    "external-dns for an alias": ((WWW,), [("cname-www.lab.test.", EXTERNAL)], ONE),
    "external-dns without an owner": ((WWW,), [(WWW, '"heritage=external-dns"')], f"external-dns also manages {WWW}"),
    "octoDNS, meta": ((WWW,), [("octodns-meta.lab.test.", '"provider=bind"')], ZONE),
    "octoDNS, default meta": ((WWW,), [("meta.lab.test.", '"time=2026-01-02T03:04:05"')], ZONE),
    "octoDNS, ownership": ((WWW,), [("_owner.A.www.lab.test.", '"*octodns*"')], f"octoDNS also manages {WWW}"),
    "Gardener": ((WWW,), GARDENER, f"Gardener's DNS controller also manages {WWW}"),
    "two names of one tool": ((WWW, FOUR), [(WWW, EXTERNAL), (FOUR, EXTERNAL)], f"{ONE}, {FOUR},"),
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = embedded(tmp_path_factory.mktemp("embedded"))
    yield server
    server.stop()


@pytest.fixture(params=[reader.MANY, 1], ids=["asked for", "transferred"])
def server(running: Server, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The marks of many names are looked for in a transfer, those of few asked for."""
    monkeypatch.setenv("TSIG", KEY.secret)
    monkeypatch.setattr(reader, "MANY", request.param)
    before = running.records()
    yield running
    running.restore(before)


def checked(server: Server, *names: str) -> list[str]:
    key = Tsig("lbm", "hmac-sha256", "env:TSIG")
    entry = Dns("rfc2136", ORIGIN, server=HOST, port=server.port, tsig=key, nameservers=(server.at,))
    with closing(Rfc2136(entry, 2.0, 2.0)) as zone:
        return [line for line in zone.check(names) if "also manages" in line]


def put(server: Server, records: list[tuple[str, str]]) -> None:
    for owner, text in records:
        server.edit(lambda message, owner=owner, text=text: message.add(owner, 60, "TXT", text))  # type: ignore[misc]


@pytest.mark.parametrize("what", MARKS)
def test_a_mark_is_told_with_tool_and_name(server: Server, what: str) -> None:
    names, records, said = MARKS[what]
    put(server, records)
    (line,) = checked(server, *names)
    assert said in line
    assert line.endswith(FREEZE)


def test_no_mark_is_nothing_to_tell(server: Server) -> None:
    put(server, [(WWW, '"v=spf1 -all"'), ("meta.lab.test.", '"hello"'), ("a-www.lab.test.", '"external-dns is great"')])
    assert checked(server, WWW, DUAL, ORIGIN) == []


def test_a_hostile_mark_stays_on_one_line(server: Server) -> None:
    put(server, [(WWW, '"heritage=external-dns,external-dns/owner=\\027[2J\\010x"')])
    (line,) = checked(server, WWW)
    assert line.isprintable()
    assert "external-dns also manages" in line


def test_a_name_too_long_for_a_prefix_is_asked_for_less() -> None:
    zone = dns.name.from_text(ORIGIN)
    name = f"{'x' * 62}.{ORIGIN}"
    asked = {str(place.owner) for place in places(zone, [Held(name, ())])}
    assert name in asked
    assert not any(owner.startswith(("a-x", "comment-x")) for owner in asked)
