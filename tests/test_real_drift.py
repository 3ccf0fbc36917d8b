"""Somebody else at work on the same names, config or journal, in mid-migration: held, shown, and nothing overwritten.

The tests share a migration that is paused at 50 %, and leave it as they found it.
"""

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from migrations import EACH, FENCE, NEEDS, WWW, Rig, on, rig, root

pytestmark = pytest.mark.real(*NEEDS)
WAYS = "go on with: lbmigrate resume --accept-drift, or lbmigrate resume --restore"
STRANGER = "192.0.2.99"
BIND = pytest.mark.parametrize("shared", ["named"], indirect=True)  # what the name servers have no part in


@pytest.fixture(scope="module", params=EACH)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("drift"), on(request.param), watched=False) as one:
        one.at_50().ok("pause")
        yield one


@pytest.fixture
def one(shared: Rig) -> Iterator[Rig]:
    """The shared migration; afterwards it is paused at 50 % again, the zone as it was but for the fence's number."""
    before = addresses(shared)
    yield shared
    mend(shared)
    assert addresses(shared) == before
    assert shared.status()["phase"] == "paused", shared.texts()[-5:]


def addresses(one: Rig) -> list[str]:
    return [line for line in one.records() if not line.startswith(FENCE)]


def mend(one: Rig) -> None:
    """Put back what we own, where it is not so already, and pause. A fence that cannot be read is deleted first."""
    if one.status()["phase"] != "paused" or one.give("tick", "--for", "1s").code:
        one.edit(lambda message: message.delete(FENCE, "TXT"))
        one.ok("resume", "--restore")
        one.ok("pause")


def test_a_value_edited_by_hand_is_drift_until_the_operator_decides(one: Rig) -> None:
    one.edit(lambda message: message.replace(WWW, 1, "A", STRANGER))
    edited = one.ground.zone()
    said = one.give("tick", "--for", "2s")
    assert said.code == 5
    assert said.line.endswith(
        f": {WWW} holds A {STRANGER} (fence {fence_of(one)}), not A {one.a} {one.b} (fence {fence_of(one)}); {WAYS}"
    )
    assert one.give("tick", "--for", "1s").code == 0, "told once"
    assert one.give("shift", "--weight", "100", "--force").code == 5
    back = one.give("rollback", "--yes")
    assert back.code == 5
    assert back.line.endswith("go on with: lbmigrate rollback --restore")
    assert one.ground.zone() == edited, "nothing was overwritten"
    one.ok("resume", "--restore")
    one.ok("pause")
    assert one.served()[0] == sorted([one.a, one.b])


def fence_of(one: Rig) -> str:
    status = one.status()
    attempt = next(text.split()[2].rstrip(",") for text in one.texts() if text.startswith("started"))
    return f"{attempt}/{status['fence']}"


def test_a_fence_that_is_gone_is_drift_and_nothing_is_written(one: Rig) -> None:
    one.edit(lambda message: message.delete(FENCE, "TXT"))
    edited = one.ground.zone()
    said = one.give("tick", "--for", "2s")
    assert said.code == 5
    assert "(no fence), not" in said.line
    assert one.ground.zone() == edited


@pytest.mark.parametrize("text", ["somebody else's", "lbm1 m=other a=00000000 n=1 c=00000000", r"\027[2J\007 ;\000"])
def test_a_fence_that_was_edited_is_drift_and_nothing_is_written(one: Rig, text: str) -> None:
    one.edit(lambda message: message.replace(FENCE, 60, "TXT", f'"{text}"'))
    edited = one.ground.zone()
    said = one.give("tick", "--for", "2s")
    assert said.code == 5
    assert said.line.endswith(WAYS)
    assert "\x1b" not in said.err + said.out + one.ok("status").out + one.ok("history").out
    assert one.ground.zone() == edited


def test_a_deleted_record_is_drift_and_put_back_when_asked(one: Rig) -> None:
    one.edit(lambda message: message.delete(WWW, "A"))
    said = one.give("tick", "--for", "2s")
    assert said.code == 5
    assert f"{WWW} holds no record" in said.line
    assert one.served() == [[], []], "nothing silent"
    one.ok("resume", "--restore")
    one.ok("pause")
    assert one.served()[0] == sorted([one.a, one.b])


@BIND
def test_a_config_changed_in_mid_migration_holds_with_the_difference(one: Rig) -> None:
    right = one.config
    one.write(soak_limit="1s", stages=[100])
    try:
        said = one.give("tick", "--for", "7s")
        assert said.code == 4
        assert "the config differs from the plan: stages:" in said.line
        assert one.served()[0] == sorted([one.a, one.b])
    finally:
        one.write(**right)
    one.ok("resume")
    one.ok("pause")
    assert "the config agrees again" in one.texts()


# ---------------------------------------------------------------- the journal


@pytest.fixture
def copy(one: Rig, tmp_path: Path) -> Iterator[Path]:
    """A copy of the journal in a folder of its own, in the place of the journal while the test runs."""
    right = one.config["journal"]
    place = tmp_path / "journal" / "journal.db"
    place.parent.mkdir()
    shutil.copy(right.removeprefix("sqlite:"), place)
    one.write(journal=f"sqlite:{place}")
    yield place
    one.write(journal=right)


def refused(one: Rig, *words: str) -> str:
    """Every verb that reads the journal refuses with the same line, and changes nothing."""
    before = one.ground.zone()
    lines = set()
    for verb in (words,) if words else (("status",), ("tick",), ("shift", "--weight", "100"), ("rollback", "--yes")):
        said = one.give(*verb)
        assert said.code == 1, said
        lines.add(said.line)
    assert one.ground.zone() == before
    assert len(lines) == 1, lines
    return lines.pop()


@BIND
def test_an_edited_journal_is_refused_with_the_way_out(one: Rig, copy: Path) -> None:
    with sqlite3.connect(copy) as db:
        db.execute("UPDATE events SET body = replace(body, 'lab.test', 'bad.test') WHERE n = 2")
    db.close()
    line = refused(one)
    assert "entry 2 does not follow from the one before" in line
    assert "rollback --from-dns" in line


@BIND
def test_overwritten_bytes_in_the_journal_are_refused_with_the_way_out(one: Rig, copy: Path) -> None:
    with copy.open("r+b") as file:
        file.write(b"\xff" * 4096)
    line = refused(one)
    assert "not a database" in line
    assert "rollback --from-dns" in line


@BIND
def test_a_journal_of_a_newer_format_is_left_untouched(one: Rig, copy: Path) -> None:
    with sqlite3.connect(copy) as db:
        db.execute("DELETE FROM events WHERE n > 1")
        body = str(db.execute("SELECT body FROM events").fetchone()[0])
    db.close()
    from lbmigrate.journal.chain import GENESIS, link

    newer = body.replace('"format":1', '"format":2')
    assert newer != body
    with sqlite3.connect(copy) as db:
        at, by = db.execute("SELECT at, by FROM events").fetchone()
        db.execute("UPDATE events SET body = ?, hash = ?", (newer, link(GENESIS, 1, at, by, newer)))
    db.close()
    bytes_before = copy.read_bytes()
    line = refused(one)
    assert "its format is 2" in line
    assert "use the version that wrote it" in line
    assert copy.read_bytes() == bytes_before


@pytest.fixture
def tiny(one: Rig, copy: Path) -> Iterator[Path]:
    """The journal's folder as a file system of its own. Mounting needs root."""
    if not root():
        pytest.skip("mounting a small tmpfs needs root")
    inside = copy.read_bytes()
    folder = copy.parent
    size = len(inside) // 4096 * 4 + 8
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(folder)], check=True)
    try:
        copy.write_bytes(inside)
        yield copy
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    del one


@BIND
def test_a_full_disk_at_the_journal_means_no_write_to_dns(one: Rig, tiny: Path) -> None:
    (tiny.parent / "filler").write_bytes(b"x" * 4096)
    before = one.ground.zone()
    said = one.give("shift", "--weight", "100", "--force")
    assert said.code == 1
    assert "cannot write it" in said.line
    assert one.ground.zone() == before, "no durable intent, no effect"


@BIND
def test_a_journal_that_is_read_only_is_refused_before_any_effect(one: Rig, tiny: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(tiny.parent)], check=True)
    before = one.ground.zone()
    said = one.give("shift", "--weight", "100", "--force")
    assert said.code == 1
    assert "cannot write it" in said.line
    assert one.ok("status").code == 0, "reading needs no writing"
    assert one.ground.zone() == before
