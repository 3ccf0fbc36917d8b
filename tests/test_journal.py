"""The journal: each number is won by exactly one, and what was damaged, edited or written by others is refused."""

import os
import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from states import NOW, PLAN, known_at, seen, soft

from lbmigrate.errors import JournalError
from lbmigrate.events import FORMAT, Asked, Began, Ended, Event, Opened, Saw, Seen, Started, Took, Worker
from lbmigrate.fold import State, fold
from lbmigrate.journal import connect
from lbmigrate.journal.sqlite import SqliteJournal
from lbmigrate.model import Served
from lbmigrate.plan import Write
from lbmigrate.value import replace

ROOT = Path(__file__).parent.parent
HALF = Write(0, "weight", 50)
LOOK = Saw(5.0, "here", ("o25",), seen(known_at(50)))
EVENTS: tuple[Event, ...] = (
    Opened(FORMAT, "web"),
    Took(Worker("here", 1, 1, "boot")),
    Started("a1", "sha256:0", PLAN, soft(), (Served("ns1", "www.example.com.", "A", 300, ("192.0.2.10",)),)),
    Began(HALF),
    Ended(HALF, "done", "Grüße, \x1b[31m\n‮", known_at(50)),
    LOOK,
    replace(LOOK, seconds=4.0),
    replace(LOOK, seconds=3.0),
    Asked("pause"),
    replace(LOOK, seconds=2.0),
)


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


def edit(path: Path, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        assert database.execute(sql, values).rowcount == 1


def refused(path: Path, whole: bool = True) -> str:
    """What reading says; always one line that names the journal and the way out."""
    with closing(SqliteJournal(str(path))) as journal, pytest.raises(JournalError) as wrong:
        journal.read(whole=whole)
    text = str(wrong.value)
    assert "\n" not in text
    assert text.startswith(f"journal {path}: ")
    return text


# ---------------------------------------------------------------- what is written


def test_what_is_appended_is_read_back_equal(path: Path) -> None:
    with closing(SqliteJournal(str(path))) as journal:
        entries = journal.read(whole=True)
        assert tuple(entry.event for entry in entries) == EVENTS
        assert [(entry.n, entry.at, entry.by) for entry in entries[:2]] == [(1, NOW + 1, "here:1:1"), (2, NOW + 2, "here:1:1")]  # fmt: skip  # noqa: E501
        assert journal.verify() == len(EVENTS)


def test_a_look_that_another_follows_is_left_out_and_the_state_is_the_same(path: Path) -> None:
    with closing(SqliteJournal(str(path))) as journal:
        assert [entry.n for entry in journal.read()] == [1, 2, 3, 4, 5, 8, 9, 10]
        assert [entry.n for entry in journal.read(5)] == [8, 9, 10]
        assert [entry.n for entry in journal.read(5, whole=True)] == [6, 7, 8, 9, 10]
        assert fold(State(), journal.read()) == fold(State(), journal.read(whole=True))


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


def test_an_unknown_store_names_the_known_ones() -> None:
    with pytest.raises(JournalError, match="known stores are sqlite"):
        connect("etcd://here")


def test_closing_twice_and_reading_after_is_harmless(path: Path) -> None:
    journal = SqliteJournal(str(path))
    journal.close()
    journal.close()
    assert len(journal.read(whole=True)) == len(EVENTS)
    journal.close()


# ---------------------------------------------------------------- append n, if it is not there yet


def test_of_two_connections_one_wins_a_number(path: Path) -> None:
    n = len(EVENTS) + 1
    with closing(SqliteJournal(str(path))) as one, closing(SqliteJournal(str(path))) as other:
        assert one.append(n, NOW, "one", Asked("pause"))
        assert not other.append(n, NOW, "other", Asked("resume"))
        assert other.read(n - 1)[0].by == "one"
        assert other.append(n + 1, NOW, "other", Asked("resume"))
        assert one.verify() == n + 1


def test_a_number_before_its_time_is_refused(path: Path) -> None:
    with closing(SqliteJournal(str(path))) as journal:
        with pytest.raises(JournalError, match=r"entry 11 is missing before 12; nothing was done"):
            journal.append(12, NOW, "here", Asked("pause"))
        assert journal.verify() == len(EVENTS)


RACER = """
import sys
from lbmigrate.events import Asked
from lbmigrate.journal.sqlite import SqliteJournal
journal = SqliteJournal(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(*(n for n in range(11, 31) if journal.append(n, 1.0, sys.argv[2], Asked("pause"))))
"""
RACERS = 20


def test_of_20_processes_at_once_exactly_one_wins_each_number(path: Path) -> None:
    argv = [sys.executable, "-c", RACER, str(path)]
    racers = [
        subprocess.Popen([*argv, str(i)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for i in range(RACERS)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    won = [int(n) for racer in racers for n in racer.communicate(timeout=60)[0].split()]
    assert [racer.returncode for racer in racers] == [0] * RACERS
    assert sorted(won) == list(range(11, 31))
    with closing(SqliteJournal(str(path))) as journal:
        assert journal.verify() == 30


def test_of_threads_at_once_exactly_one_wins_each_number(path: Path) -> None:
    won: list[int] = []
    gate = threading.Barrier(8)

    def race(name: str) -> None:
        with closing(SqliteJournal(str(path))) as journal:
            gate.wait()
            won.extend(n for n in range(11, 31) if journal.append(n, NOW, name, Asked("pause")))

    threads = [threading.Thread(target=race, args=(str(i),)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(won) == list(range(11, 31))


# ---------------------------------------------------------------- damaged, edited, newer

EDITS: list[tuple[str, str, tuple[object, ...]]] = [
    ("a body", "UPDATE events SET body = replace(body, '50', '99') WHERE n = 4", ()),
    ("a moment", "UPDATE events SET at = at + 1 WHERE n = 4", ()),
    ("a signature", "UPDATE events SET by = 'else' WHERE n = 4", ()),
    ("a hash", "UPDATE events SET hash = 'ff' WHERE n = 4", ()),
    ("a kind", "UPDATE events SET kind = 'Asked' WHERE n = 4", ()),
    ("a kind made a look", "UPDATE events SET kind = 'Saw' WHERE n = 5", ()),
    ("a line removed", "DELETE FROM events WHERE n = 4", ()),
    ("the first line removed", "DELETE FROM events WHERE n = 1", ()),
    ("a line moved", "UPDATE events SET n = 99 WHERE n = 4", ()),
]


@pytest.mark.parametrize(("what", "sql", "values"), EDITS, ids=[row[0] for row in EDITS])
def test_an_edited_journal_is_refused(path: Path, what: str, sql: str, values: tuple[object, ...]) -> None:
    del what
    edit(path, sql, *values)
    assert "rollback --from-dns" in refused(path)


def test_an_edited_line_is_refused_however_little_is_read(path: Path) -> None:
    edit(path, "UPDATE events SET body = replace(body, 'pause', 'abandon') WHERE n = 9")
    with closing(SqliteJournal(str(path))) as journal, pytest.raises(JournalError, match="entry 9 does not follow"):
        journal.read(8)


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


def forged(path: Path, body: str) -> None:
    """Line one as another version would write it: with a hash that fits."""
    from lbmigrate.journal.sqlite import GENESIS, _link

    path.unlink()
    written(path, EVENTS[:1]).close()
    link = _link(GENESIS, 1, NOW + 1, "here:1:1", body)
    edit(path, "UPDATE events SET body = ?, hash = ? WHERE n = 1", body, link)


@pytest.mark.parametrize(
    "body",
    [
        '{"is":"Opened","format":2,"migration":"web"}',
        '{"is":"Opened","format":1,"migration":"web","region":"eu"}',
        '{"is":"Foreseen","when":12}',
        '{"is":"Opened","format":"1","migration":"web"}',
        "no json",
    ],
)
def test_a_journal_of_another_version_is_refused_untouched(path: Path, body: str) -> None:
    forged(path, body)
    before = path.read_bytes()
    assert "use the version that wrote it; nothing was touched" in refused(path)
    assert path.read_bytes() == before


def test_a_field_that_an_older_version_did_not_write_is_read(path: Path) -> None:
    path.unlink()
    written(path, EVENTS[:1]).close()
    with closing(SqliteJournal(str(path))) as journal:
        assert journal.append(2, NOW, "here", Saw(1.0, "here", (), Seen()))
        assert journal.read(1)[0].event == Saw(1.0, "here", (), Seen())


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


def test_what_json_cannot_hold_is_never_written(path: Path) -> None:
    with closing(SqliteJournal(str(path))) as journal:
        with pytest.raises(ValueError, match="not JSON compliant"):
            journal.append(11, NOW, "here", replace(LOOK, seconds=float("nan")))
        assert journal.verify() == len(EVENTS)


def test_an_intent_is_on_the_disk_before_it_is_done(path: Path) -> None:
    with closing(SqliteJournal(str(path))) as journal:
        assert journal._open().execute("PRAGMA synchronous").fetchone() == (2,)
