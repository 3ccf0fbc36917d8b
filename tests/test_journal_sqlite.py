"""The journal in a file: pages, permissions, a disk. What every journal does is in test_journal."""

import os
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from states import NOW
from stores import EVENTS, LOOK

from lbmigrate.errors import JournalError
from lbmigrate.events import Asked, Event
from lbmigrate.journal import connect
from lbmigrate.journal.sqlite import SqliteJournal


def written(path: Path, events: tuple[Event, ...] = EVENTS) -> SqliteJournal:
    journal = SqliteJournal(str(path))
    for n, event in enumerate(events, 1):
        assert journal.append(n, NOW + n, "here:1:1", event)
    return journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journal.db"
    written(path).close()
    return path


def refused(path: Path, whole: bool = True) -> str:
    """What reading says; always one line that names the journal and the way out."""
    with closing(SqliteJournal(str(path))) as journal, pytest.raises(JournalError) as wrong:
        journal.read(whole=whole)
    text = str(wrong.value)
    assert "\n" not in text
    assert text.startswith(f"journal {path}: ")
    return text


# ---------------------------------------------------------------- what is written


def test_nothing_is_created_before_the_first_append(tmp_path: Path) -> None:
    with closing(connect(f"sqlite:{tmp_path}/new/journal.db")) as journal:
        assert journal.read() == []
        assert list(tmp_path.iterdir()) == []
        assert journal.append(1, NOW, "here", EVENTS[0])
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_a_journal_in_memory_is_one() -> None:
    with closing(connect("sqlite::memory:")) as journal:
        assert journal.read() == []
        assert journal.append(1, NOW, "here", EVENTS[0])
        assert journal.verify() == 1


# ---------------------------------------------------------------- damaged


def test_bytes_overwritten_anywhere_are_noticed_or_change_nothing(path: Path) -> None:
    whole = path.read_bytes()
    with closing(SqliteJournal(str(path))) as journal:
        before = journal.read(whole=True)
    chance = random.Random(7)
    noticed = []
    for _ in range(200):
        place, size = chance.randrange(len(whole)), chance.choice((1, 16, 400))
        damaged = whole[:place] + chance.randbytes(size) + whole[place + size :]
        path.write_bytes(damaged[: len(whole)])
        with closing(SqliteJournal(str(path))) as journal:
            try:
                assert journal.read(whole=True) == before
            except JournalError as wrong:
                noticed.append(str(wrong))
    assert len(noticed) > 70
    assert [text for text in noticed if not text.isprintable()] == []


@pytest.mark.parametrize("content", [b"not a database, but long enough to look at" * 40, b"\x00" * 4096])
def test_a_file_that_is_no_database_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert "journal" in refused(path)
    with closing(SqliteJournal(str(path))) as journal, pytest.raises(JournalError):
        journal.append(1, NOW, "here", EVENTS[0])
    assert path.read_bytes() == content


def test_a_truncated_file_is_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])
    assert "rollback --from-dns" in refused(path)


# ---------------------------------------------------------------- no place to write


@contextmanager
def unprivileged() -> Iterator[None]:
    """As nobody, where the tests run as root, to whom every file is writable."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory that everybody may enter, with a journal in it."""
    import tempfile

    del tmp_path_factory
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        written(Path(folder) / "journal.db").close()
        yield Path(folder)


def test_the_file_is_the_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        written(tmp_path / "deep" / "journal.db").close()
    finally:
        os.umask(before)
    modes = {one.name: one.stat().st_mode & 0o777 for one in (tmp_path / "deep", tmp_path / "deep" / "journal.db")}
    assert modes == {"deep": 0o700, "journal.db": 0o600}


def test_a_read_only_file_is_read_but_not_written(place: Path) -> None:
    path = place / "journal.db"
    path.chmod(0o444)
    with unprivileged(), closing(SqliteJournal(str(path))) as journal:
        assert journal.verify() == len(EVENTS)
        with pytest.raises(JournalError, match=r"cannot write it: .*readonly.*nothing was done; mend that"):
            journal.append(11, NOW, "here", Asked("pause"))


def test_a_file_that_may_not_be_read_is_an_error_not_an_empty_journal(place: Path) -> None:
    path = place / "journal.db"
    path.chmod(0o000)
    with unprivileged():
        assert "cannot read it" in refused(path)


def test_a_read_only_directory_is_an_error(place: Path) -> None:
    place.chmod(0o555)
    for name in ("new.db", "deeper/new.db"):
        with unprivileged(), closing(SqliteJournal(str(place / name))) as journal:
            with pytest.raises(JournalError, match="cannot write it") as wrong:
                journal.append(1, NOW, "here", EVENTS[0])
            assert "\n" not in str(wrong.value)


def test_a_directory_in_the_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    assert "cannot read it" in refused(tmp_path)


def fill(journal: SqliteJournal) -> None:
    for n in range(len(EVENTS) + 1, 99):
        journal.append(n, NOW, "here", LOOK)


def test_a_full_disk_is_an_error_and_the_journal_stays_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def small(*args: Any, **given: Any) -> sqlite3.Connection:
        database: sqlite3.Connection = real(*args, **given)
        database.execute("PRAGMA max_page_count = 1")  # SQLite takes the present size instead
        return database

    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", small)
    with closing(SqliteJournal(str(path))) as journal:
        with pytest.raises(JournalError, match="cannot write it: database or disk is full; nothing was done; mend"):
            fill(journal)
        count = journal.verify()
    monkeypatch.undo()
    with closing(SqliteJournal(str(path))) as journal:
        assert journal.append(count + 1, NOW, "here", Asked("pause"))
        assert journal.verify() == count + 1


def test_an_intent_is_on_the_disk_before_it_is_done(path: Path) -> None:
    with closing(SqliteJournal(str(path))) as journal:
        assert journal._open().execute("PRAGMA synchronous").fetchone() == (2,)
