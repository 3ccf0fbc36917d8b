"""The same zone inside and outside, moved as one unit on BIND: each view has a key, a `dns:` entry and addresses."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from migrations import NEEDS, SCENARIO, Rig, rig
from servers import HOST, ORIGIN
from views import KEYS, Views

from lbmigrate.dns.rfc2136 import Rfc2136
from lbmigrate.model import Served
from lbmigrate.spec import Dns, Tsig
from lbmigrate.value import replace

pytestmark = pytest.mark.real(*NEEDS)
VIEWS = tuple(KEYS)


@contextmanager
def split(directory: Path) -> Iterator[tuple[Rig, Views]]:
    """Two addresses a side: the first of each inside, the second outside."""
    with rig(directory, replace(SCENARIO, a=2, b=2, secondary=False), watched=False) as one:
        shown = {view: (one.ground.place.a[at], one.ground.place.b[at]) for at, view in enumerate(VIEWS)}
        views = Views(directory / "views", {view: addresses[0] for view, addresses in shown.items()}).start()
        try:
            one.env |= {f"KEY_{view}": key.secret for view, key in KEYS.items()}
            one.write(dns=[entry(views, view, shown[view]) for view in VIEWS])
            yield one, views
        finally:
            views.process.stop()


def entry(views: Views, view: str, addresses: tuple[str, ...]) -> dict[str, Any]:
    key = KEYS[view]
    tsig = {"name": key.name, "algorithm": key.algorithm, "secret": f"env:KEY_{view}"}
    at = {"server": HOST, "port": views.port, "nameservers": [f"{HOST}:{views.port}"]}
    return {"driver": "rfc2136", "zone": ORIGIN, "view": view, "addresses": list(addresses), "tsig": tsig, **at}


def on(one: Rig, *sides: str) -> dict[str, list[str]]:
    """What the views serve when these sides are in DNS."""
    place = one.ground.place
    return {view: sorted(place.addresses(side)[at] for side in sides) for at, view in enumerate(VIEWS)}


def test_both_views_move_as_one_and_come_back(tmp_path: Path) -> None:
    with split(tmp_path) as (one, views):
        before = views.zone()
        assert one.ok("check").code == 0
        one.ok("start")
        assert views.served() == on(one, "a", "b")
        one.ok("shift", "--weight", "100")
        assert views.served() == on(one, "b")
        one.ok("rollback", "--yes")
        assert views.zone() == before


@pytest.mark.parametrize("refusing", VIEWS)
def test_a_view_that_refuses_leaves_no_other_moved_after_the_rollback(tmp_path: Path, refusing: str) -> None:
    with split(tmp_path) as (one, views):
        before = views.zone()
        one.ok("start")
        views.start(**{refusing: "allow-update { none; };"})
        said = one.give("shift", "--weight", "100")
        assert said.code == 1, said.err
        assert f"key {KEYS[refusing].name}" in said.line
        assert one.give("rollback", "--yes").code == 1
        (other,) = {*VIEWS} - {refusing}
        assert views.served()[other] == on(one, "a")[other], "it waits for no other view"
        assert one.give("rollback", "--yes").code == 1
        views.start()
        one.ok("rollback", "--yes")
        assert views.zone() == before
        assert views.served() == on(one, "a")


def test_without_the_journal_both_views_come_back(tmp_path: Path) -> None:
    with split(tmp_path) as (one, views):
        before = views.zone()
        one.ok("start")
        (tmp_path / "journal.db").unlink()
        one.ok("rollback", "--from-dns", "--yes")
        assert views.zone() == before


def test_without_the_journal_a_view_that_refuses_keeps_no_other_from_coming_back(tmp_path: Path) -> None:
    with split(tmp_path) as (one, views):
        before = views.zone()
        one.ok("start")
        (tmp_path / "journal.db").unlink()
        views.start(inside="allow-update { none; };")
        said = one.give("rollback", "--from-dns", "--yes")
        assert (said.code, views.served()["outside"]) == (1, on(one, "a")["outside"])
        assert "put back www.lab.test." in said.line
        views.start()
        one.ok("rollback", "--from-dns", "--yes")
        assert views.zone() == before


def test_what_a_view_serves_is_asked_with_its_key_and_its_answers_are_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    views = Views(tmp_path / "views", {"inside": "192.0.2.1", "outside": "192.0.2.2"}).start()
    monkeypatch.setenv("WRONG", KEYS["outside"].secret)
    try:
        for view, key in KEYS.items():
            monkeypatch.setenv("TSIG", key.secret)
            tsig = Tsig(key.name, key.algorithm, "env:TSIG")
            at = f"{HOST}:{views.port}"
            known = Dns("rfc2136", ORIGIN, HOST, views.port, tsig, nameservers=(at,), view=view)
            address = {"inside": "192.0.2.1", "outside": "192.0.2.2"}[view]
            with closing(Rfc2136(known, 2.0, 2.0)) as zone:
                assert zone.served([f"www.{ORIGIN}"], ["A"]) == [
                    Served(at, f"www.{ORIGIN}", "A", 1, (address,), "", view)
                ]
        unknown = replace(known, tsig=Tsig("inside-key", "hmac-sha256", "env:WRONG"))
        with closing(Rfc2136(unknown, 2.0, 2.0)) as zone:
            (one,) = zone.served([f"www.{ORIGIN}"], ["A"])
        assert one.rdatas is None
        assert "without a valid signature of key inside-key" in one.error
    finally:
        views.process.stop()
