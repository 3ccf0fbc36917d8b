"""What a command imports before it does its work: `status` and an idle `tick` must start at once."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from states import NOW, PLAN, soft

from lbmigrate.cli import Page, cli
from lbmigrate.events import FORMAT, Event, Finished, Opened, Started
from lbmigrate.journal.sqlite import SqliteJournal
from lbmigrate.lab.process import environment

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


def loaded(folder: Path, *words: str, events: tuple[Event, ...] = BEGUN) -> set[str]:
    """The modules that a command has imported by its end. -S: site's own hooks are no part of it."""
    (folder / "lbmigrate.yaml").write_text("migration: web\njournal: sqlite:journal.db\n")
    journal = SqliteJournal(str(folder / "journal.db"))
    for n, event in enumerate(events, 1):
        assert journal.append(n, NOW + n, "here:1:1", event)
    journal.close()
    path = {**environment(), "PYTHONPATH": ":".join(one for one in sys.path if one)}
    argv = [sys.executable, "-S", "-c", LOADED, *words]
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


@pytest.mark.parametrize("columns", ["60", "20", "100", "400", "0", "-1", "", "x", None])
def test_help_is_as_wide_as_clicks_own(columns: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if columns is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", columns)
    ours = Page(cli).make_formatter()
    assert ours.width == click.HelpFormatter(max_width=110).width
