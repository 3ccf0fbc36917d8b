"""Which points the exploration of kills takes, and what it keeps of a migration in which something broke."""

from collections.abc import Sequence
from pathlib import Path

import killed
import pytest
from killed import EACH, Played, explore, files
from states import NOW
from traced import JOURNAL, Point, chain

from lbmigrate.events import FORMAT, Asked, Event, Opened
from lbmigrate.journal.sqlite import SqliteJournal

CALLS = ("write", "fsync", "write", "unlink") * 20 + ("write",)
FILES = frozenset({"journal.db"})


class Migrations:
    """Made-up ones: the calm one makes CALLS; a killed one comes to `reach` points and leaves `broken`, `files`."""

    def __init__(self) -> None:
        self.played: list[tuple[Point, ...]] = []
        self.reach, self.broken, self.files = EACH, tuple[str, ...](), FILES

    def attempt(self, directory: Path, points: Sequence[Point]) -> Played:
        directory.mkdir(parents=True)
        if not points:
            return Played((), (), FILES, CALLS)
        self.played.append(tuple(points))
        hits = tuple(f"{point.call}(" for point in points[: self.reach])
        return Played(hits, self.broken, self.files)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> Migrations:
    found = Migrations()
    monkeypatch.setattr(killed, "attempt", found.attempt)
    return found


def test_a_successor_counts_from_its_own_start() -> None:
    assert chain(CALLS, (0, 1, 4, 8)) == (Point("write", 1), Point("fsync", 1), Point("write", 2), Point("write", 3))


def test_every_point_once(tmp_path: Path, made_up: Migrations) -> None:
    found = explore(tmp_path)
    assert (found.points, len(found.hits), found.missed, found.broken) == (len(CALLS), len(CALLS), (), ())
    assert sorted(hit for hit in found.hits) == sorted(f"{one}(" for one in CALLS)
    assert all(len(points) <= EACH for points in made_up.played)
    assert [one.name for one in tmp_path.iterdir()] == ["calm"], "what went well leaves nothing"


def test_a_point_beyond_a_chains_end_is_tried_by_itself(tmp_path: Path, made_up: Migrations) -> None:
    made_up.reach = 7
    found = explore(tmp_path)
    assert (len(found.hits), found.missed) == (len(CALLS), ())
    alone = [points[0] for points in made_up.played if len(points) == 1]
    assert Point("write", CALLS.count("write")) in alone, "counted from the beginning"


def test_points_that_no_migration_comes_to_are_said(tmp_path: Path, made_up: Migrations) -> None:
    made_up.reach = 0
    found = explore(tmp_path)
    assert (len(found.hits), len(found.missed)) == (0, len(CALLS))
    assert f"{len(CALLS)} not come to" in found.line()


def test_so_many_kills_by_a_seed(tmp_path: Path, made_up: Migrations) -> None:
    found = explore(tmp_path / "a", 20, 1)
    first, made_up.played = made_up.played, []
    assert 20 <= len(found.hits) < 20 + EACH
    explore(tmp_path / "b", 20, 1)
    assert sorted(map(str, made_up.played)) == sorted(map(str, first))


def test_what_broke_is_told_at_once_and_its_traces_stay(tmp_path: Path, made_up: Migrations) -> None:
    made_up.broken, made_up.files = ("requests: 14 failed",), FILES | {"left"}
    said: list[str] = []
    found = explore(tmp_path, 1, 0, said.append)
    ((where, *beside),) = [[one for one in tmp_path.iterdir() if one.name != "calm"]]
    assert not beside
    assert len(found.broken) == 2
    assert "requests: 14 failed" in said[0]
    assert "files: ['left']" in said[0]
    assert str(where) in said[0]


def test_what_sqlite_had_only_begun_to_note_is_no_file_to_it_nor_to_us(tmp_path: Path) -> None:
    folders = {"a", "b", "tmp"}
    for one in folders:
        (tmp_path / one).mkdir()
    database, beside = (tmp_path / name for name in JOURNAL)
    entries: tuple[Event, ...] = (Opened(FORMAT, "web"), Asked("pause"))

    def journal() -> SqliteJournal:
        return SqliteJournal(str(database))

    first = journal()
    assert first.append(1, NOW, "here:1:1", entries[0])
    first.close()
    beside.write_bytes(bytes(512))  # as a kill before its head is written leaves it
    assert len(journal().read()) == 1
    assert beside.exists(), "a reader leaves it alone"
    assert files(tmp_path) - folders == {JOURNAL[0]}
    again = journal()
    assert again.append(2, NOW, "here:1:1", entries[1])
    again.close()
    assert not beside.exists(), "a writer takes it away"
    beside.write_bytes(bytes.fromhex("d9d505f920a163d7"))
    assert files(tmp_path) - folders == set(JOURNAL), "one that is to be played back counts"
