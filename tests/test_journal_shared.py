"""Journals over the network: answers lost, requests lost, servers gone or silent. What was not heard is read back."""

import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from states import NOW
from stores import (
    EVENTS,
    HALF,
    PASSWORD,
    Dynamodb,
    DynamoServer,
    Postgresql,
    PostgresServer,
    Store,
    fill,
    opened,
    postgres,
)
from wires import Wire

from lbmigrate.errors import JournalError
from lbmigrate.events import Asked, Ended
from lbmigrate.journal import Journal, connect, patience

Shared = Postgresql | Dynamodb
KINDS = [
    pytest.param("postgres_server", marks=pytest.mark.real("postgres")),
    pytest.param("dynamo_server", marks=pytest.mark.real("ministack")),
]
APPENDS = {Postgresql: b"INSERT INTO lbmigrate_journal", Dynamodb: b"DynamoDB_20120810.PutItem"}
N = len(EVENTS) + 1
PAUSE = Asked("pause")


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest) -> Shared:
    """A journal of EVENTS on a server."""
    found: Shared = request.getfixturevalue(request.param).store()
    fill(found)
    return found


@pytest.fixture
def wire(store: Shared) -> Iterator[Wire]:
    """The way to that server, which can be cut."""
    with closing(Wire(store.server.port)) as found:
        yield found


@pytest.fixture
def journal(store: Shared, wire: Wire) -> Iterator[Journal]:
    """The journal over the wire, connected."""
    with closing(connect(store.by(wire.port), store.migration)) as found:
        assert found.verify() == len(EVENTS)
        yield found


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not eight seconds of trying, nor three of waiting for one answer."""
    monkeypatch.setattr(patience, "SECONDS", 0.2)
    monkeypatch.setattr(patience, "ANSWER", 0.5)


def kept(store: Store) -> list[str]:
    """Who signed the entries after EVENTS, read past the wire."""
    with closing(opened(store)) as journal:
        return [entry.by for entry in journal.read(len(EVENTS), whole=True)]


def test_an_answer_that_was_lost_is_read_back_as_ones_own(store: Shared, wire: Wire, journal: Journal) -> None:
    lost = wire.lose_answer(APPENDS[type(store)])
    assert journal.append(N, NOW, "me", PAUSE)
    assert lost.is_set()
    assert kept(store) == ["me"]
    assert journal.append(N + 1, NOW, "me", PAUSE)


def test_a_request_that_was_lost_is_sent_again(store: Shared, wire: Wire, journal: Journal) -> None:
    lost = wire.lose_request(APPENDS[type(store)])
    assert journal.append(N, NOW, "me", PAUSE)
    assert lost.is_set()
    assert kept(store) == ["me"]


def test_what_another_took_meanwhile_is_theirs(store: Shared, wire: Wire, journal: Journal) -> None:
    def other() -> None:
        with closing(opened(store)) as theirs:
            assert theirs.append(N, NOW, "other", PAUSE)

    lost = wire.lose_request(APPENDS[type(store)], other)
    assert not journal.append(N, NOW, "me", PAUSE)
    assert lost.is_set()
    assert kept(store) == ["other"]


def test_a_connection_that_ended_between_two_calls_is_made_anew(store: Shared, wire: Wire, journal: Journal) -> None:
    wire.cut()
    wire.mend()
    assert journal.append(N, NOW, "me", PAUSE)
    assert kept(store) == ["me"]


def test_a_short_loss_is_waited_for(store: Shared, wire: Wire, journal: Journal) -> None:
    wire.cut()
    threading.Timer(0.5, wire.mend).start()
    assert journal.append(N, NOW, "me", PAUSE)
    assert kept(store) == ["me"]


def unread(url: str) -> str:
    """What a journal says that cannot be read."""
    with closing(connect(url, "web")) as journal:
        return complaint(journal.read)


def complaint(act: Callable[[], object]) -> str:
    """What the journal says where it does not do as asked: one printable line without the secret."""
    with pytest.raises(JournalError) as wrong:
        act()
    text = str(wrong.value)
    assert text.isprintable()
    assert "canary" not in text
    return text


@pytest.mark.usefixtures("hasty")
def test_a_server_that_is_gone_is_one_line(store: Shared, wire: Wire, journal: Journal) -> None:
    wire.cut()
    assert "cannot read it: " in complaint(lambda: journal.read(3))
    assert "give the same command again" in complaint(lambda: journal.append(N, NOW, "me", PAUSE))
    wire.mend()
    assert journal.append(N, NOW, "me", PAUSE)
    assert kept(store) == ["me"]


@pytest.mark.usefixtures("hasty")
def test_what_may_be_in_it_is_said_to_be_so(store: Shared, wire: Wire, journal: Journal) -> None:
    mark = APPENDS[type(store)]

    def told(data: bytes) -> bytes:
        if mark in data:
            wire.heard = lambda _: b""
        return data

    wire.told = told
    said = complaint(lambda: journal.append(N, NOW, "me", PAUSE))
    assert f"whether entry {N} is in it is not known" in said
    assert kept(store) == ["me"]


@pytest.mark.usefixtures("hasty")
def test_a_server_that_is_silent_is_not_waited_for_for_ever(store: Shared, wire: Wire, journal: Journal) -> None:
    hold = threading.Event()

    def held(data: bytes) -> bytes:
        hold.wait(30)
        return data

    wire.told = held
    begun = time.monotonic()
    try:
        assert "cannot read it: " in complaint(lambda: journal.read(3))
    finally:
        hold.set()
    assert time.monotonic() - begun < 30, "it did end before the server spoke"
    assert kept(store) == []


# ---------------------------------------------------------------- PostgreSQL


@pytest.fixture
def base(postgres_server: PostgresServer) -> Postgresql:
    """An empty schema."""
    return postgres_server.store()


pg = pytest.mark.real("postgres")


@pg
@pytest.mark.usefixtures("hasty")
def test_a_wrong_password_is_one_line_that_does_not_show_it(base: Postgresql, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "canary-wrong")
    said = unread(base.url)
    assert "password authentication failed" in said


@pg
def test_the_password_may_be_in_a_file(base: Postgresql, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PGPASSWORD")
    (tmp_path / "pgpass").write_text(f"*:*:*:lb:{PASSWORD}\n")
    (tmp_path / "pgpass").chmod(0o600)
    with closing(connect(f"{base.url}&passfile={tmp_path}/pgpass", "web")) as journal:
        assert journal.append(1, NOW, "here", EVENTS[0])


@pg
def test_reading_makes_no_table(base: Postgresql) -> None:
    with closing(opened(base)) as journal:
        assert journal.read() == []
    assert base.ask("SELECT to_regclass('lbmigrate_journal')") == [(None,)]


@pg
def test_a_role_that_may_only_read_and_add_is_enough(base: Postgresql) -> None:
    fill(base, EVENTS[:2])
    name = f"adder_{base.schema}"
    base.ask(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
    base.ask(f"GRANT USAGE ON SCHEMA {base.schema} TO {name}")
    base.ask(f"GRANT SELECT, INSERT ON lbmigrate_journal TO {name}")
    with closing(connect(base.by(base.server.port, name), "web")) as journal:
        assert journal.append(3, NOW, "here", EVENTS[2])
        assert not journal.append(3, NOW, "here", EVENTS[2])
        assert journal.verify() == 3


@pg
def test_a_role_that_may_not_make_the_table_is_told(base: Postgresql) -> None:
    name = f"nobody_{base.schema}"
    base.ask(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
    base.ask(f"GRANT USAGE ON SCHEMA {base.schema} TO {name}")
    with closing(connect(base.by(base.server.port, name), "web")) as journal:
        said = complaint(lambda: journal.append(1, NOW, "here", EVENTS[0]))
    assert f"permission denied for schema {base.schema}" in said
    assert "nothing was done; mend that" in said


@pg
def test_a_database_that_is_read_only_is_read(postgres_server: PostgresServer) -> None:
    base = postgres_server.database()
    fill(base)
    base.ask(f"ALTER DATABASE {base.database} SET default_transaction_read_only = on")
    with closing(opened(base)) as journal:
        assert journal.verify() == len(EVENTS)
        said = complaint(lambda: journal.append(N, NOW, "here", PAUSE))
    assert "read-only transaction" in said


@pg
def test_another_table_of_that_name_is_told(base: Postgresql) -> None:
    base.ask("CREATE TABLE lbmigrate_journal (id int)")
    assert "does not exist" in unread(base.url)


@pg
def test_a_database_of_another_encoding_holds_every_text(postgres_server: PostgresServer) -> None:
    store = postgres_server.database("ENCODING 'LATIN1' TEMPLATE template0")
    fill(store)
    with closing(opened(store)) as journal:
        assert tuple(entry.event for entry in journal.read(whole=True)) == EVENTS


@pg
def test_a_session_that_an_administrator_ends_is_made_anew(base: Postgresql) -> None:
    fill(base)
    with closing(opened(base)) as journal:
        journal.read()
        base.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lbmigrate'")
        assert journal.append(N, NOW, "me", PAUSE)
    assert kept(base) == ["me"]


@pg
def test_an_entry_outlives_a_crash_where_the_role_asks_for_less() -> None:
    with postgres() as server:
        store = server.store()
        store.ask("ALTER ROLE lb SET synchronous_commit = off")
        store.ask("ALTER SYSTEM SET wal_writer_delay = '10s'")
        store.ask("SELECT pg_reload_conf()")
        with closing(opened(store)) as journal:
            for n, event in enumerate(EVENTS, 1):
                assert journal.append(n, NOW, "here", event)
            server.stop(signal.SIGQUIT)
        server.start()
        with closing(opened(store)) as journal:
            assert journal.verify() == len(EVENTS)


# ---------------------------------------------------------------- DynamoDB


@pytest.fixture
def table(dynamo_server: DynamoServer) -> Dynamodb:
    """A table with a journal of EVENTS."""
    found = dynamo_server.store()
    fill(found)
    return found


dynamo = pytest.mark.real("ministack")


@dynamo
def test_a_table_that_is_missing_is_told_with_the_command_that_makes_it(table: Dynamodb) -> None:
    url = table.server.url("lbm-new")
    with closing(connect(url, "web")) as journal:
        said = complaint(lambda: journal.append(1, NOW, "here", EVENTS[0]))
    assert said == unread(url)
    assert "there is no table lbm-new; create it: aws dynamodb create-table --table-name lbm-new " in said
    assert "AttributeName=migration,KeyType=HASH AttributeName=n,KeyType=RANGE" in said
    assert said.endswith(f"--region us-east-1 --endpoint-url http://127.0.0.1:{table.server.port}")


@dynamo
def test_a_table_with_other_keys_is_told(table: Dynamodb) -> None:
    table.server.create("lbm-other", "number")
    with closing(connect(table.server.url("lbm-other"), "web")) as journal:
        said = complaint(lambda: journal.append(1, NOW, "here", EVENTS[0]))
    assert "cannot write it: ValidationException: " in said


@dynamo
def test_a_long_watch_is_jumped_over(table: Dynamodb) -> None:
    asked: list[bytes] = []
    with closing(Wire(table.server.port)) as wire, closing(connect(table.by(wire.port), "web")) as one:  # fmt: skip
        for n in range(N, N + 105):
            assert one.append(n, NOW, "here", EVENTS[5])
        one.append(N + 105, NOW, "here", PAUSE)
        wire.told = lambda data: asked.append(data) or data  # type: ignore[func-returns-value]
        assert len(one.read()) == 9
    assert sum(b"DynamoDB_20120810.Query" in data for data in asked) == 2


@dynamo
def test_a_run_of_looks_that_was_edited_is_noticed(table: Dynamodb) -> None:
    table.put(8, {**table.row(8), "run": 4})
    with closing(opened(table)) as journal:
        assert "entry 8 does not follow" in complaint(journal.verify)


@dynamo
def test_a_part_that_is_gone_is_noticed(table: Dynamodb) -> None:
    with closing(opened(table)) as journal:
        assert journal.append(N, NOW, "here", Asked("pause"))
        assert journal.append(N + 1, NOW, "here", Ended(HALF, "unknown", secrets.token_hex(500_000)))
    client, name = table.server.client, table.table
    nonce = client.get_item(TableName=name, Key={"migration": {"S": "web"}, "n": {"N": str(N + 1)}})["Item"]["nonce"]
    client.delete_item(TableName=name, Key={"migration": {"S": f"web#{nonce['S']}"}, "n": {"N": "2"}})
    assert f"entry {N + 1} does not follow" in unread(table.url)


@dynamo
@pytest.mark.parametrize(
    ("url", "unset", "said"),
    [
        ("dynamodb://lbm?region=us-east-1&profile=nobody", (), "The config profile (nobody) could not be found"),
        ("dynamodb://lbm", ("AWS_DEFAULT_REGION", "AWS_REGION"), "You must specify a region"),
        ("dynamodb://lbm?region=us-east-1", ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "Unable to locate cred"),
    ],
)
def test_what_boto3_lacks_is_told(
    url: str, unset: tuple[str, ...], said: str, table: Dynamodb, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    del table  # for the environment that its server sets
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    for name in unset:
        monkeypatch.delenv(name, raising=False)
    assert said in unread(url)


@dynamo
@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (400, "AccessDeniedException", "AccessDeniedException: no; nothing was done; mend that"),
        (400, "ThrottlingException", "whether entry 11 is in it is not known"),
        (500, "InternalServerError", "whether entry 11 is in it is not known"),
        (200, "", "whether entry 11 is in it is not known"),  # an answer that is no answer of DynamoDB's
    ],
)
def test_what_the_service_says(table: Dynamodb, status: int, code: str, said: str) -> None:
    body = f'{{"__type":"com.amazonaws#{code}","message":"no"}}'.encode() if code else b"<html>"
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}\r\n\r\n"
    with closing(Wire(table.server.port)) as wire, closing(connect(table.by(wire.port), "web")) as one:  # fmt: skip
        one.read()
        wire.heard = lambda _: head.encode() + body
        assert said in complaint(lambda: one.append(N, NOW, "here", PAUSE))
