"""The stores of a journal, for tests: real servers as child processes, and rows that can be edited by hand."""

import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import boto3  # type: ignore[import-untyped]
import psycopg
from botocore.config import Config  # type: ignore[import-untyped]
from servers import HOST, program, run
from states import NOW, PLAN, known_at, seen, soft

from lbmigrate.events import FORMAT, Asked, Began, Ended, Event, Opened, Saw, Started, Took, Worker
from lbmigrate.journal import Journal, connect
from lbmigrate.lab.process import Process, freeport
from lbmigrate.lab.world import MemoryJournal
from lbmigrate.model import Served
from lbmigrate.plan import Write
from lbmigrate.value import replace

HALF = Write(0, "weight", 50)
LOOK = Saw(5.0, "here", ("o25",), seen(known_at(50)))
EVENTS: tuple[Event, ...] = (
    Opened(FORMAT, "web"),
    Took(Worker("here", 1, 1, "boot")),
    Started("a1", "sha256:0", PLAN, soft(), (Served("ns1", "www.example.com.", "A", 300, ("192.0.2.10",)),)),
    Began(HALF),
    Ended(HALF, "done", "Grüße, \x1b[31m\n‮ \0 \ud800 😀", known_at(50)),
    LOOK,
    replace(LOOK, seconds=4.0),
    replace(LOOK, seconds=3.0),
    Asked("pause"),
    replace(LOOK, seconds=2.0),
)
PASSWORD = "canary-pg-c2VjcmV0"
AWS = {"AWS_ACCESS_KEY_ID": "canary-id", "AWS_SECRET_ACCESS_KEY": "canary-aws-c2VjcmV0", "AWS_EC2_METADATA_DISABLED": "true"}  # fmt: skip  # noqa: E501
Row = dict[str, Any]


class Store(Protocol):
    """One place for a journal; `row` and `put` go around the journal's own code. A row of None: taken out."""

    url: str
    migration: str

    def row(self, n: int) -> Row: ...
    def put(self, n: int, row: Row | None) -> None: ...


class Memory:
    """The simulation's list: no rows, and nothing to be damaged."""

    url, migration = "in memory", "web"

    def __init__(self) -> None:
        self.journal = MemoryJournal(lambda _: None)

    def row(self, n: int) -> Row:
        raise NotImplementedError(n)

    def put(self, n: int, row: Row | None) -> None:
        raise NotImplementedError(n, row)


def opened(store: Store, url: str = "") -> Journal:
    """A journal of its own on the store."""
    if isinstance(store, Memory):
        return store.journal
    return connect(url or store.url, store.migration)


def fill(store: Store, events: tuple[Event, ...] = EVENTS) -> None:
    """Append these from number 1 on."""
    with closing(opened(store)) as journal:
        for n, event in enumerate(events, 1):
            assert journal.append(n, NOW + n, "here:1:1", event)


class Sqlite:
    """A file."""

    migration = "web"

    def __init__(self, directory: Path) -> None:
        self.path = directory / "journal.db"
        self.url = f"sqlite:{self.path}"

    def row(self, n: int) -> Row:
        with closing(sqlite3.connect(self.path)) as db:
            db.row_factory = sqlite3.Row
            return dict(db.execute("SELECT * FROM events WHERE n = ?", (n,)).fetchone())

    def put(self, n: int, row: Row | None) -> None:
        with closing(sqlite3.connect(self.path)) as db, db:
            db.execute("DELETE FROM events WHERE n = ?", (n,))
            if row is not None:
                db.execute("INSERT INTO events VALUES (:n, :at, :by, :kind, :hash, :body)", row)


class Postgresql:
    """A schema of its own on a real server."""

    migration = "web"

    def __init__(self, server: "PostgresServer", database: str, schema: str = "public") -> None:
        self.server, self.database, self.schema = server, database, schema
        self.url = self.by(server.port)

    def by(self, port: int, user: str = "lb") -> str:
        """Its URL by another port, for another role."""
        return f"postgresql://{user}@{HOST}:{port}/{self.database}?options=-csearch_path%3D{self.schema}"

    def ask(self, query: str, *values: object) -> list[Any]:
        with closing(self.server.connect(self.database)) as db:
            db.execute(f"SET search_path = {self.schema}".encode())
            done = db.execute(query, values)
            return done.fetchall() if done.description else []

    def row(self, n: int) -> Row:
        (found,) = self.ask("SELECT to_json(e) FROM lbmigrate_journal e WHERE migration = %s AND n = %s", "web", n)
        return {**found[0], "at": float(found[0]["at"])}

    def put(self, n: int, row: Row | None) -> None:
        self.ask("DELETE FROM lbmigrate_journal WHERE migration = %s AND n = %s", "web", n)
        if row is not None:
            names, values = ", ".join(row), ", ".join(["%s"] * len(row))
            self.ask(f"INSERT INTO lbmigrate_journal ({names}) VALUES ({values})", *row.values())


class Dynamodb:
    """A table of its own on an emulator."""

    migration = "web"

    def __init__(self, server: "DynamoServer", table: str) -> None:
        self.server, self.table = server, table
        self.url = server.url(table)

    def by(self, port: int) -> str:
        """Its URL by another port."""
        return self.server.url(self.table, port)

    def _key(self, n: int) -> Row:
        return {"TableName": self.table, "Key": {"migration": {"S": "web"}, "n": {"N": str(n)}}}

    def row(self, n: int) -> Row:
        item = self.server.client.get_item(**self._key(n))["Item"]
        kinds = {"S": str, "N": int, "B": bytes}
        found = {key: kinds[kind](one) for key, typed in item.items() for kind, one in typed.items()}
        return {**found, "body": zlib.decompress(found["body"]).decode(), "at": float(found["at"])}

    def put(self, n: int, row: Row | None) -> None:
        self.server.client.delete_item(**self._key(n))
        if row is not None:
            plain = {**row, "body": zlib.compress(row["body"].encode()), "at": repr(row["at"])}
            item = {key: _typed(one) for key, one in plain.items()}
            self.server.client.put_item(TableName=self.table, Item=item)


def _typed(one: Any) -> dict[str, Any]:
    return {"N": str(one)} if isinstance(one, int) else {"S" if isinstance(one, str) else "B": one}


# ---------------------------------------------------------------- the servers


class PostgresServer:
    """A PostgreSQL of its own. It refuses to run as root: then it runs as the user that its package made."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="lbmigrate-pg-", dir="/tmp"))
        self.port = freeport(HOST)
        self._count = 0
        self._as: tuple[str, ...] = ()
        if os.geteuid() == 0:
            shutil.chown(self.directory, "postgres", "postgres")
            self._as = (program("setpriv"), "--reuid=postgres", "--regid=postgres", "--clear-groups")
        secret = self.directory / "pw"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        bin_ = postgres_folder()
        data = self.directory / "data"
        given = ("-U", "lb", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--locale=C", "--no-sync")
        run(*self._as, str(bin_ / "initdb"), "-D", str(data), *given)
        argv = [*self._as, str(bin_ / "postgres"), "-D", str(data), "-p", str(self.port), "-k", str(self.directory)]
        for setting in (f"listen_addresses={HOST}", "fsync=off", "shared_buffers=16MB", "max_connections=200"):
            argv += ["-c", setting]
        log = Path(tempfile.mkdtemp(prefix="lbmigrate-pg-log-")) / "log"
        self.process = Process(argv, log)
        self._log = log

    def start(self) -> None:
        self.process.start()
        self.process.wait(self._answers, 20)

    def stop(self, number: int = signal.SIGINT) -> None:
        """SIGINT: a fast shutdown; SIGQUIT: as after a crash."""
        self.process.kill(number)
        self.process.stop()

    def close(self) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.directory, ignore_errors=True)
        shutil.rmtree(self._log.parent, ignore_errors=True)

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=HOST, port=self.port, user="lb", dbname=database, password=PASSWORD, autocommit=True
        )

    def store(self) -> Postgresql:
        """A new, empty schema."""
        self._count += 1
        with closing(self.connect()) as db:
            db.execute(f"CREATE SCHEMA lbm{self._count}".encode())
        return Postgresql(self, "postgres", f"lbm{self._count}")

    def database(self, options: str = "") -> Postgresql:
        """A new, empty database."""
        self._count += 1
        with closing(self.connect()) as db:
            db.execute(f"CREATE DATABASE lbm{self._count} {options}".encode())
        return Postgresql(self, f"lbm{self._count}")

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True


def postgres_folder() -> Path:
    """Where Debian keeps the server's programs, of the newest version; elsewhere they are on PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    return folders[-1] if folders else Path(program("postgres")).resolve().parent


def ministack(directory: Path, port: int, service: str) -> Process:
    """An emulator of one service of AWS, on the loopback only; not started yet."""
    env = {**os.environ, "BIND_HOST": HOST, "GATEWAY_PORT": str(port), "SERVICES": service}
    return Process([sys.executable, "-m", "ministack"], directory / "ministack.log", env)


class DynamoServer:
    """ministack with DynamoDB alone."""

    def __init__(self, directory: Path) -> None:
        self.port = freeport(HOST)
        self.process = ministack(directory, self.port, "dynamodb")
        self._count = 0
        once = Config(retries={"total_max_attempts": 1}, connect_timeout=1, read_timeout=10)
        self.client = boto3.client(
            "dynamodb", region_name="us-east-1", endpoint_url=f"http://{HOST}:{self.port}",
            aws_access_key_id="x", aws_secret_access_key="y", config=once,
        )  # fmt: skip

    def start(self) -> None:
        self.process.start()
        self.process.wait(self._answers, 30)

    def close(self) -> None:
        self.client.close()
        self.process.stop()

    def url(self, table: str, port: int = 0) -> str:
        return f"dynamodb://{table}?region=us-east-1&endpoint=http://{HOST}:{port or self.port}"

    def create(self, table: str, sort: str = "n") -> None:
        self.client.create_table(
            TableName=table, BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": "migration", "AttributeType": "S"}, {"AttributeName": sort, "AttributeType": "N"}
            ],
            KeySchema=[
                {"AttributeName": "migration", "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}
            ],
        )  # fmt: skip

    def store(self) -> Dynamodb:
        """A new, empty table."""
        self._count += 1
        name = f"lbm{self._count}"
        self.create(name)
        return Dynamodb(self, name)

    def _answers(self) -> bool:
        from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

        try:
            self.client.list_tables()
        except (BotoCoreError, ClientError):
            return False
        return True


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL, with its password where libpq looks for it."""
    server = PostgresServer()
    try:
        server.start()
        with environ({"PGPASSWORD": PASSWORD}):
            yield server
    finally:
        server.close()


@contextmanager
def dynamo(directory: Path) -> Iterator[DynamoServer]:
    """A running DynamoDB, with keys where boto3 looks for them."""
    server = DynamoServer(directory)
    try:
        server.start()
        with environ(AWS):
            yield server
    finally:
        server.close()


@contextmanager
def environ(changes: dict[str, str]) -> Iterator[None]:
    """These variables, also for child processes; afterwards as before."""
    before = {key: os.environ.get(key) for key in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for key, one in before.items():
            if one is None:
                del os.environ[key]
            else:
                os.environ[key] = one
