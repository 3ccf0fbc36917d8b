"""The contract of every journal: each number is won by exactly one, and what was damaged, edited or written by others
is refused. Against a file, a real PostgreSQL, and DynamoDB over the wire; the list in memory that simulations append to
numbers and reads as they do, and has nothing to be damaged."""

import secrets
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from states import NOW
from stores import EVENTS, HALF, LOOK, Memory, Row, Sqlite, Store, fill, opened

from lbmigrate.errors import JournalError
from lbmigrate.events import FORMAT, Asked, Ended, Opened, Saw, Seen
from lbmigrate.fold import State, fold
from lbmigrate.journal import chain, connect
from lbmigrate.value import replace

ROOT = Path(__file__).parent.parent
SHARED = [
    pytest.param("postgresql", marks=pytest.mark.real("postgres")),
    pytest.param("dynamodb", marks=pytest.mark.real("ministack")),
]
EVERY = pytest.mark.parametrize("empty", ["memory", "sqlite", *SHARED], indirect=True)


@pytest.fixture(params=["sqlite", *SHARED])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A place where no journal is yet."""
    if request.param == "memory":
        return Memory()
    if request.param == "sqlite":
        return Sqlite(tmp_path)
    server = {"postgresql": "postgres_server", "dynamodb": "dynamo_server"}[request.param]
    found: Store = request.getfixturevalue(server).store()
    return found


@pytest.fixture
def store(empty: Store) -> Store:
    """A place with a journal of EVENTS."""
    fill(empty)
    return empty


def refused(store: Store) -> str:
    """What reading it all says; always one line that names the journal and the way out."""
    with closing(opened(store)) as journal, pytest.raises(JournalError) as wrong:
        journal.read(whole=True)
    text = str(wrong.value)
    assert text.isprintable()
    assert text.startswith(f"journal {store.url.removeprefix('sqlite:')}: ")
    return text


# ---------------------------------------------------------------- what is written


@EVERY
def test_what_is_appended_is_read_back_equal(store: Store) -> None:
    with closing(opened(store)) as journal:
        entries = journal.read(whole=True)
        assert tuple(entry.event for entry in entries) == EVENTS
        found = [(entry.n, entry.at, entry.by) for entry in entries]
        assert found == [(n, NOW + n, "here:1:1") for n in range(1, len(EVENTS) + 1)]
        assert journal.verify() == len(EVENTS)


@EVERY
def test_an_empty_one_is_empty(empty: Store) -> None:
    with closing(opened(empty)) as journal:
        assert journal.read() == []
        assert journal.read(5) == []
        assert journal.verify() == 0


@EVERY
def test_a_look_that_another_follows_is_left_out_and_the_state_is_the_same(store: Store) -> None:
    with closing(opened(store)) as journal:
        assert [entry.n for entry in journal.read()] == [1, 2, 3, 4, 5, 8, 9, 10]
        assert [entry.n for entry in journal.read(5)] == [8, 9, 10]
        assert [entry.n for entry in journal.read(6)] == [8, 9, 10]
        assert [entry.n for entry in journal.read(8)] == [9, 10]
        assert journal.read(10) == []
        assert [entry.n for entry in journal.read(5, whole=True)] == [6, 7, 8, 9, 10]
        assert fold(State(), journal.read()) == fold(State(), journal.read(whole=True))


@EVERY
def test_a_long_watch_is_left_out_but_for_its_end(empty: Store) -> None:
    looks = tuple(replace(LOOK, seconds=float(i)) for i in range(120))
    fill(empty, (*EVENTS[:5], *looks, EVENTS[8], *looks[:3]))
    with closing(opened(empty)) as journal:
        assert [entry.n for entry in journal.read()] == [1, 2, 3, 4, 5, 125, 126, 129]
        assert journal.verify() == 129
        assert journal.append(130, NOW, "here", LOOK)
        assert [entry.n for entry in journal.read(125)] == [126, 130]


def test_events_of_megabytes_are_kept_whole(empty: Store) -> None:
    """What no compression makes smaller than an item of DynamoDB may be (400 KB)."""
    large = Ended(HALF, "unknown", secrets.token_hex(800_000))
    fill(empty, (*EVENTS[:4], large, LOOK))
    with closing(opened(empty)) as journal:
        assert journal.read(4)[0].event == large
        assert journal.verify() == 6


def test_what_json_cannot_hold_is_never_written(store: Store) -> None:
    with closing(opened(store)) as journal:
        with pytest.raises(ValueError, match="not JSON compliant"):
            journal.append(11, NOW, "here", replace(LOOK, seconds=float("nan")))
        assert journal.verify() == len(EVENTS)


@EVERY
def test_closing_twice_and_reading_after_is_harmless(store: Store) -> None:
    journal = opened(store)
    journal.close()
    journal.close()
    assert len(journal.read(whole=True)) == len(EVENTS)
    journal.close()


# ---------------------------------------------------------------- append n, if it is not there yet


@EVERY
def test_of_two_connections_one_wins_a_number(store: Store) -> None:
    n = len(EVENTS) + 1
    with closing(opened(store)) as one, closing(opened(store)) as other:
        assert one.append(n, NOW, "one", Asked("pause"))
        assert not other.append(n, NOW, "other", Asked("resume"))
        assert other.read(n - 1)[0].by == "one"
        assert other.append(n + 1, NOW, "other", Asked("resume"))
        assert one.verify() == n + 1


@EVERY
def test_of_two_that_append_the_very_same_one_wins(store: Store) -> None:
    n = len(EVENTS) + 1
    with closing(opened(store)) as one, closing(opened(store)) as other:
        assert one.append(n, NOW, "here:1:1", Asked("pause"))
        assert not other.append(n, NOW, "here:1:1", Asked("pause"))
        assert not one.append(n, NOW, "here:1:1", Asked("pause"))


@EVERY
def test_a_number_before_its_time_is_refused(store: Store) -> None:
    with closing(opened(store)) as journal:
        with pytest.raises(JournalError, match=r"entry 11 is missing before 12; nothing was done"):
            journal.append(12, NOW, "here", Asked("pause"))
        assert journal.verify() == len(EVENTS)


RACER = """
import sys
from lbmigrate.events import Asked
from lbmigrate.journal import connect
journal = connect(*sys.argv[1:3])
journal.read()
print("ready", flush=True)
sys.stdin.readline()
print(*(n for n in range(11, 31) if journal.append(n, 1.0, sys.argv[3], Asked("pause"))))
"""
RACERS = {"sqlite": 20, "postgresql": 8, "dynamodb": 8}  # its library takes a second to import, here


def test_of_processes_at_once_exactly_one_wins_each_number(store: Store) -> None:
    count = RACERS[store.url.partition(":")[0]]
    argv = [sys.executable, "-c", RACER, store.url, store.migration]
    racers = [
        subprocess.Popen([*argv, str(i)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for i in range(count)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    won = [int(n) for racer in racers for n in racer.communicate(timeout=60)[0].split()]
    assert [racer.returncode for racer in racers] == [0] * count
    assert sorted(won) == list(range(11, 31))
    with closing(opened(store)) as journal:
        assert journal.verify() == 30


def test_of_threads_that_begin_a_journal_at_once_exactly_one_wins_each_number(empty: Store) -> None:
    """The first append makes the file or the table: that, too, happens once."""
    won: list[int] = []
    gate = threading.Barrier(8)

    def race(name: str) -> None:
        with closing(opened(empty)) as journal:
            gate.wait()
            won.extend(n for n in range(1, 11) if journal.append(n, NOW, name, Asked("pause")))

    threads = [threading.Thread(target=race, args=(str(i),)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(won) == list(range(1, 11))
    with closing(opened(empty)) as journal:
        assert journal.verify() == 10


# ---------------------------------------------------------------- damaged, edited, newer

EDITS: list[tuple[str, int, Callable[[Row], Row | None]]] = [
    ("a body", 4, lambda row: {**row, "body": row["body"].replace("50", "99")}),
    ("a body that is none", 4, lambda row: {**row, "body": "{"}),
    ("a moment", 4, lambda row: {**row, "at": row["at"] + 1}),
    ("a signature", 4, lambda row: {**row, "by": "else"}),
    ("a hash", 4, lambda row: {**row, "hash": "ff"}),
    ("a kind", 4, lambda row: {**row, "kind": "Asked"}),
    ("a kind made a look", 5, lambda row: {**row, "kind": "Saw"}),
    ("a line removed", 4, lambda _: None),
    ("a look removed", 7, lambda _: None),
    ("the first line removed", 1, lambda _: None),
]


@pytest.mark.parametrize(("n", "change"), [row[1:] for row in EDITS], ids=[row[0] for row in EDITS])
def test_an_edited_journal_is_refused(store: Store, n: int, change: Callable[[Row], Row | None]) -> None:
    store.put(n, change(store.row(n)))
    assert "rollback --from-dns" in refused(store)


def test_a_line_moved_is_refused(store: Store) -> None:
    row = store.row(4)
    store.put(4, None)
    store.put(99, {**row, "n": 99})
    assert "rollback --from-dns" in refused(store)


def test_an_edited_line_is_refused_however_little_is_read(store: Store) -> None:
    row = store.row(9)
    store.put(9, {**row, "body": row["body"].replace("pause", "abandon")})
    with closing(opened(store)) as journal, pytest.raises(JournalError, match="entry 9 does not follow"):
        journal.read(8)


def test_a_line_removed_is_refused_however_little_is_read(store: Store) -> None:
    store.put(9, None)
    with closing(opened(store)) as journal, pytest.raises(JournalError, match="entry 10 does not follow"):
        journal.read(8)


def forged(store: Store, body: str) -> None:
    """Line one as another version would write it: with a hash that fits."""
    fill(store, EVENTS[:1])
    made = chain.link(chain.GENESIS, 1, NOW + 1, "here:1:1", body)
    store.put(1, {**store.row(1), "body": body, "hash": made})


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
def test_a_journal_of_another_version_is_refused_untouched(empty: Store, body: str) -> None:
    forged(empty, body)
    before = empty.row(1)
    assert "use the version that wrote it; nothing was touched" in refused(empty)
    assert empty.row(1) == before


def test_a_field_that_an_older_version_did_not_write_is_read(empty: Store) -> None:
    fill(empty, (EVENTS[0], Saw(1.0, "here", (), Seen())))
    row = empty.row(2)
    body = row["body"].replace(',"unreadable":""', "")
    assert body != row["body"]
    before = str(empty.row(1)["hash"])
    empty.put(2, {**row, "body": body, "hash": chain.link(before, 2, row["at"], row["by"], body)})
    with closing(opened(empty)) as journal:
        assert journal.read(1)[0].event == Saw(1.0, "here", (), Seen())


# ---------------------------------------------------------------- many migrations in one store


@pytest.mark.parametrize("empty", SHARED, indirect=True)
def test_each_migration_has_a_journal_of_its_own(store: Store) -> None:
    with closing(connect(store.url, "web-2")) as other, closing(opened(store)) as journal:
        assert other.read() == []
        assert other.append(1, NOW, "here", Opened(FORMAT, "web-2"))
        assert journal.verify() == len(EVENTS)
        assert other.verify() == 1


def test_an_unknown_store_names_the_known_ones_and_not_the_url() -> None:
    with pytest.raises(JournalError, match="known stores are sqlite, postgresql, postgres, dynamodb") as wrong:
        connect("etcd://u:canary@here")
    assert "canary" not in str(wrong.value)
