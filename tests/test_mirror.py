"""Many names at once: from the whole zone and its differences, the same as by questions."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from servers import KEY, KINDS, ORIGIN, ZONE, Server
from zones import driver

from lbmigrate.dns import increment, mirror, reader
from lbmigrate.dns.records import name_of
from lbmigrate.dns.rfc2136 import Rfc2136
from lbmigrate.dns.snapshot import BELOW, Snapshot
from lbmigrate.dns.transfer import Record
from lbmigrate.errors import Denied, Refused, Unreachable
from lbmigrate.fence import rdata
from lbmigrate.model import Applied, Fence, Held, NotApplied, Records, RRset
from lbmigrate.value import replace

COUNT = 24
NAMES = [f"n{number}.{ORIGIN}" for number in range(COUNT)]
MANY = ZONE + "".join(f"n{number} A 192.0.2.10\n" for number in range(COUNT))


@pytest.fixture(
    scope="module", params=[pytest.param(k, marks=[] if k == "embedded" else [pytest.mark.real]) for k in KINDS]
)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = KINDS[request.param](tmp_path_factory.mktemp(request.param), MANY)
    yield found
    found.stop()


@pytest.fixture
def zone(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rfc2136]:
    monkeypatch.setenv("TSIG", KEY.secret)
    monkeypatch.setattr(reader, "MANY", COUNT)
    before = server.records()
    with closing(driver(server.port, patience=20)) as zone:
        yield zone
    server.restore(before)


def asked(server: Server, names: list[str]) -> Records:
    """The same by questions."""
    with pytest.MonkeyPatch.context() as patch, closing(driver(server.port, patience=20)) as zone:
        patch.setattr(reader, "MANY", 10**6)
        return zone.read(names)


def same(zone: Rfc2136, server: Server, names: list[str]) -> Records:
    """What many names hold, which is what the questions say."""
    found = zone.read(names)
    assert found.held == asked(server, names).held
    assert found.server_time is not None
    return found


def moved(old: Records, number: int, *rdatas: str) -> Records:
    made = [
        Held(one.name, (replace(one.rrsets[0], ttl=30, rdatas=rdatas),), Fence("web", "a1", number, one.rrsets))
        for one in old.held
    ]
    return Records(tuple(made))


def test_many_names_are_written_and_put_back_and_read_as_by_questions(zone: Rfc2136, server: Server) -> None:
    first = same(zone, server, NAMES)
    claimed = moved(first, 1, "192.0.2.10")
    assert zone.swap(first, claimed) == Applied()
    assert same(zone, server, NAMES).held == claimed.held
    half = moved(first, 2, "192.0.2.10", "192.0.2.20")
    assert zone.swap(replace(claimed, soa=None), half) == Applied()
    assert same(zone, server, NAMES).held == half.held
    assert zone.swap(half, replace(first, soa=None)) == Applied()
    assert same(zone, server, NAMES).held == first.held


def test_what_others_change_is_seen_and_nothing_is_overwritten(zone: Rfc2136, server: Server) -> None:
    first = replace(same(zone, server, NAMES), soa=None)
    server.edit(lambda message: message.replace(NAMES[7], 77, "A", "192.0.2.10"))
    server.edit(lambda message: message.add(NAMES[8], 300, "AAAA", "2001:db8::8"))
    server.edit(lambda message: message.delete(NAMES[9]))
    now = same(zone, server, NAMES)
    assert now.held[7].rrsets[0].ttl == 77
    assert [one.rtype for one in now.held[8].rrsets] == ["A", "AAAA"]
    assert now.held[9].rrsets == ()
    found = zone.swap(first, moved(first, 1, "192.0.2.10"))
    assert isinstance(found, NotApplied)
    assert found.now.held == now.held


def test_all_kinds_of_names_are_read_as_by_questions(zone: Rfc2136, server: Server) -> None:
    others = ["www", "dual", "four", "mixed", r"odd\.dot", "host.wild", "above", "text", "nope", "any.wild", "alias"]
    same(zone, server, [*NAMES, ORIGIN, *(f"{label}.{ORIGIN}" for label in others)])


def test_an_owner_with_upper_case_is_put_back_as_the_zone_spells_it(zone: Rfc2136, server: Server) -> None:
    before = server.records()
    first = replace(same(zone, server, [*NAMES, f"mixed.{ORIGIN}"]), soa=None)
    claimed = moved(first, 1, "192.0.2.10")
    assert zone.swap(first, claimed) == Applied()
    assert zone.swap(claimed, first) == Applied()
    assert server.records() == before or server.kind == "embedded"


def test_a_fence_of_another_name_or_of_somebody_else_is_refused_as_by_questions(zone: Rfc2136, server: Server) -> None:
    zone.read(NAMES)
    with pytest.raises(Refused, match=r"_lbmigrate\.taken\.lab\.test\.: holds what is not lbmigrate's"):
        zone.read([*NAMES, f"taken.{ORIGIN}"])
    with pytest.raises(Denied, match=r"lies in sub\.lab\.test\., delegated by lab\.test\."):
        zone.read([*NAMES, f"x.sub.{ORIGIN}"])
    mark = rdata(Fence("web", "a1", 1, (RRset(NAMES[1], "A", 60, ("192.0.2.10",)),)))
    server.edit(lambda message: message.add(f"_lbmigrate.{NAMES[0]}", 60, "TXT", mark))
    for read in (zone.read, lambda names: asked(server, names)):
        with pytest.raises(Exception, match="it was edited, or copied from another name"):
            read(NAMES)


@pytest.mark.real("named")
def test_a_key_that_may_not_transfer_asks_for_each_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from servers import named

    monkeypatch.setenv("TSIG", KEY.secret)
    monkeypatch.setattr(reader, "MANY", COUNT)
    server = named(tmp_path, MANY, extra="allow-query { any; };")
    config = tmp_path / "named.conf"
    config.write_text(config.read_text().replace('allow-transfer { key "lbm"; };', "allow-transfer { none; };"))
    try:
        server.control("reconfig")
        with closing(driver(server.port, patience=20)) as zone:
            first = zone.read(NAMES)
            assert zone.swap(replace(first, soa=None), moved(first, 1, "192.0.2.10")) == Applied()
    finally:
        server.stop()


def test_a_name_of_which_nothing_has_changed_is_not_read_again() -> None:
    apex, www, other = (name_of(name).to_wire() or b"" for name in (ORIGIN, f"www.{ORIGIN}", f"other.{ORIGIN}"))
    soa: Record = (apex, 6, 60, b"")
    a, b = b"\xc0\0\2\1", b"\xc0\0\2\2"
    before = Snapshot(soa, "")
    for owner in (www, other):
        before.add((owner, 1, 60, a))
    www_, other_ = (before.held(name) for name in (f"www.{ORIGIN}", f"other.{ORIGIN}"))
    after = Snapshot(soa, "")
    after.add((www, 1, 60, a))
    after.add((other, 1, 60, b))
    after.learn(before)
    assert after.held(f"www.{ORIGIN}") is www_
    assert after.held(f"other.{ORIGIN}") == replace(other_, rrsets=(replace(other_.rrsets[0], rdatas=("192.0.2.2",)),))
    fenced, cut = Snapshot(soa, ""), Snapshot(soa, "")
    fenced.add((BELOW + www, 16, 60, b"\1x"))
    cut.add((other, 2, 60, apex))
    for one in (fenced, cut):
        one.add((www, 1, 60, a))
        one.learn(before)
    with pytest.raises(Refused, match="holds what is not lbmigrate's"):
        fenced.held(f"www.{ORIGIN}")
    assert cut.held(f"www.{ORIGIN}") is not www_
    with pytest.raises(Denied, match="delegated"):
        cut.held(f"other.{ORIGIN}")


def test_a_question_for_differences_that_is_lost_is_asked_again(
    zone: Rfc2136, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = zone.read(NAMES)
    fetch, asked_ = increment.fetch, []

    def lossy(*given: Any) -> Any:
        asked_.append(given)
        if len(asked_) == 1:
            monkeypatch.setattr(mirror, "QUERIES", 0)  # the zone is too large to be read as a whole each time
            raise Unreachable("lost")
        return fetch(*given)

    monkeypatch.setattr(increment, "fetch", lossy)
    put = replace(moved(replace(first, held=first.held[:2]), 1, "192.0.2.10"), soa=None)
    rest = Records(put.held + first.held[2:])
    assert zone.swap(replace(first, soa=None), rest) == Applied()
    again = moved(Records(rest.held[:2]), 2, "192.0.2.11")
    assert zone.swap(rest, Records(again.held + first.held[2:])) == Applied()
    assert len(asked_) > 1
    assert same(zone, server, NAMES).held == again.held + first.held[2:]


def test_a_part_of_a_large_zone_is_read_from_its_differences(
    zone: Rfc2136, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "QUERIES", 0)  # the zone is too large to be read as a whole each time
    fetch, fetched = increment.fetch, []

    def counted(*given: Any) -> Any:
        fetched.append(given)
        return fetch(*given)

    monkeypatch.setattr(increment, "fetch", counted)
    first = zone.read(NAMES)
    claimed = moved(first, 1, "192.0.2.10")
    assert zone.swap(replace(first, soa=None), claimed) == Applied()
    assert fetched
    assert same(zone, server, NAMES).held == claimed.held
