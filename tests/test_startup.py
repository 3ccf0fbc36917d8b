"""What a command imports before it does its work: `status` and an idle `tick` must start at once, and so must what is
sent first by a rollback."""

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import click
import pytest
from states import NOW, PLAN, held, soft

from lbmigrate import plan as plans
from lbmigrate.cli import Page, cli
from lbmigrate.events import FORMAT, Began, Ended, Event, Finished, Opened, Started
from lbmigrate.journal.sqlite import SqliteJournal
from lbmigrate.lab.process import environment
from lbmigrate.plan import Write
from lbmigrate.spec import Dns, Tsig
from lbmigrate.value import replace

HEAVY = {"boto3", "botocore", "httpx", "h11", "dns", "ssl", "asyncio", "rich", "yaml", "tenacity"}
SLOW = {"pathlib", "urllib.parse", "shutil", "dataclasses", "importlib.metadata"}  # standard library, but not free
BEGUN: tuple[Event, ...] = (Opened(FORMAT, "web"), Started("a1", "sha256:0", PLAN, soft(), ()))
LOADED = """import json, sys
from lbmigrate.__main__ import main
try:
    main()
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


# Ends at the first connection, to which the first message is written.
ASKED = """import json, os, socket, sys
def connect(*_, **__):
    print(json.dumps(sorted(sys.modules)), file=sys.stderr, flush=True)
    os._exit(0)
socket.create_connection = connect
from lbmigrate.__main__ import main
main()
"""
SIGNED = Dns("rfc2136", "example.com.", server="127.0.0.1", tsig=Tsig("lbm", "hmac-sha256", "env:LBMIGRATE_SECRET"))
CLAIM = Write(0, "claim")
CLAIMED = (
    BEGUN[0],
    Started("a1", "sha256:0", plans.build(replace(PLAN.bound, dns=(SIGNED,)), (held(),)), soft(), ()),
    Began(CLAIM),
    Ended(CLAIM, "done", planned=True),
)
# What a rollback needs of this package to write: the state, the rules, and the driver of the zone's server.
OURS = """
    __main__ assemble balancers caches config config.text config.values decide dns dns.increment dns.layout dns.lean
    dns.mirror dns.nameservers dns.plain dns.reader dns.reading dns.records dns.rfc2136 dns.served dns.server
    dns.snapshot dns.soa dns.transfer dns.update dns.wire document drawn echo effects engine errors events evidence
    facts fence flags fold gate journal journal.chain journal.sqlite look lua model parts plan poll probe probe.host
    progress render resolver schemes schemes.addresses schemes.draws schemes.sets schemes.srv schemes.swap secret
    settled size spec value verbs verbs.asking verbs.said verbs.work weighted words worker
"""
THEIRS = {"dns", "idna"}
LATE = {
    "concurrent", "email", "gettext", "locale", "logging", "pathlib", "platform", "secrets", "shlex",
    "shutil", "subprocess", "tempfile", "urllib", "uuid", "zipfile",
}  # fmt: skip


def loaded(folder: Path, *words: str, events: tuple[Event, ...] = BEGUN, program: str = LOADED) -> set[str]:
    """The modules that a command has imported by its end. -S: site's own hooks are no part of it."""
    (folder / "lbmigrate.yaml").write_text("migration: web\njournal: sqlite:journal.db\n")
    journal = SqliteJournal(str(folder / "journal.db"))
    for n, event in enumerate(events, 1):
        assert journal.append(n, NOW + n, "here:1:1", event)
    journal.close()
    path = {**environment(), "PYTHONPATH": ":".join(one for one in sys.path if one), "LBMIGRATE_SECRET": "c2VjcmV0"}
    argv = [sys.executable, "-S", "-c", program, *words]
    done = subprocess.run(argv, cwd=folder, env=path, capture_output=True, text=True, check=True)
    found: list[str] = json.loads(done.stderr.splitlines()[-1])
    return set(found)


@pytest.mark.parametrize("words", [("--version",), ("--help",), ("status",), ("-o", "json", "status")])
def test_what_only_reads_imports_nothing_heavy(tmp_path: Path, words: tuple[str, ...]) -> None:
    found = loaded(tmp_path, *words)
    assert not found & (HEAVY | SLOW)
    assert ("sqlite3" in found) is ("status" in words)


def test_a_tick_with_nothing_due_imports_nothing_heavy(tmp_path: Path) -> None:
    found = loaded(tmp_path, "tick", events=(*BEGUN, Finished("done")))
    assert not found & HEAVY


def test_a_rollback_has_imported_nothing_that_it_could_do_without_when_it_first_asks(tmp_path: Path) -> None:
    found = loaded(tmp_path, "rollback", "--yes", events=CLAIMED, program=ASKED)
    assert {one.removeprefix("lbmigrate.") for one in found if one.startswith("lbmigrate.")} == set(OURS.split())
    packages = {one.partition(".")[0] for one in found}
    assert packages - sys.stdlib_module_names - {"__main__", "lbmigrate"} == THEIRS
    assert not packages & (HEAVY - THEIRS | LATE)


# What dnspython is told beforehand, and what the stand-in for the module that it would ask then gives to others.
STOOD_IN = """import json, sys
from lbmigrate.dns import lean
lean.prepare()
import dns.name
sys.modules["importlib.metadata"]
import importlib.metadata
early = "email" in sys.modules
from importlib.metadata import PackageNotFoundError, version
import importlib.metadata as real
print(json.dumps([early, version("click"), real.__file__ is not None, dns.name.from_text("\u00fc.").to_text()]))
"""


def test_who_asks_for_a_packages_version_after_dnspython_was_imported_gets_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STOOD_IN], env=environment(), capture_output=True, text=True, check=True
    )
    early, version, real, name = json.loads(done.stdout)
    assert (early, version, real, name) == (False, metadata.version("click"), True, "xn--tda.")


@pytest.mark.parametrize("columns", ["60", "20", "100", "400", "0", "-1", "", "x", None])
def test_help_is_as_wide_as_clicks_own(columns: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if columns is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", columns)
    ours = Page(cli).make_formatter()
    assert ours.width == click.HelpFormatter(max_width=110).width
