"""The command line that is read without click: as click reads it, or not at all."""

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lbmigrate import verbs
from lbmigrate.cli import cli
from lbmigrate.echo import echo
from lbmigrate.flags import ROLLBACK, Common, hurried
from lbmigrate.lab.process import environment

# Words that it knows, and others of each kind: a verb, a flag of click's, a value, the end of flags, joined ones.
WORDS = (
    "rollback", *ROLLBACK, "-c", "--config", "-q", "--quiet", "-v", "--help", "--digest", "web.yaml", "status", "--",
    "-qc", "--config=x", "",
)  # fmt: skip
YES, DEEP = ("rollback", "--yes"), 2  # so many words before, between and behind


def by_click(words: tuple[str, ...], patch: pytest.MonkeyPatch) -> tuple[Common, dict[str, Any]]:
    """What click calls the verb with."""
    found: list[tuple[str, Common, dict[str, Any]]] = []

    def verb(name: str) -> Any:
        return lambda common, **given: found.append((name, common, given))

    patch.setattr(verbs, "verb", verb)
    cli.main(list(words), prog_name="lbmigrate", standalone_mode=False, obj=Common())
    ((name, common, given),) = found
    assert name == "rollback"
    return common, given


def test_what_is_read_without_click_is_what_click_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = {
        (*before, "rollback", *between, "--yes", *behind)
        for n in range(DEEP + 1)
        for before, between, behind in itertools.product(
            *(itertools.chain.from_iterable(itertools.product(WORDS, repeat=k) for k in range(n + 1)) for _ in range(3))
        )
        if len(before) + len(between) + len(behind) <= DEEP
    }
    read = 0
    for words in sorted(lines):
        common = Common()
        if (given := hurried(words, common)) is None:
            assert vars(common) == {}, words
            continue
        theirs, params = by_click(words, monkeypatch)
        names = ("config", "verbose", "quiet", "output")
        assert (given, [getattr(common, name) for name in names]) == (
            params, [getattr(theirs, name) for name in names]
        ), words  # fmt: skip
        read += 1
    assert read > 100


@pytest.mark.parametrize(
    "words",
    [
        (), ("rollback",), ("--yes",), ("--yes", "rollback"), ("status", "--yes"), (*YES, "-v"), (*YES, "--help"),
        (*YES, "--digest", "x"), (*YES, "rollback"), (*YES, "-c"), (*YES, "-c", ""), (*YES, "-c", "--yes"),
        (*YES, "-o", "json"), (*YES, "--ye"), (*YES, "--"), (*YES, "-qc", "x"), (*YES, "--config=x"),
    ],
)  # fmt: skip
def test_anything_else_is_clicks(words: tuple[str, ...]) -> None:
    assert hurried(words, Common()) is None


def test_a_shell_that_asks_how_to_complete_is_answered_by_click(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hurried(YES, Common()) is not None
    monkeypatch.setenv("_LBMIGRATE_COMPLETE", "bash_complete")
    assert hurried(YES, Common()) is None


ECHO = "import sys; from lbmigrate.echo import echo; echo({!r}, err={}); print('click' in sys.modules, end='')"


@pytest.mark.parametrize(
    ("text", "encoding", "by_click", "shown"),
    [
        ("plain …", "utf-8", False, b"plain \xe2\x80\xa6\n"),
        ("\x1b[1mbold\x1b[0m", "utf-8", True, b"bold\n"),  # no terminal: without its codes
        ("latin ü", "latin-1", True, b"latin \xfc\n"),
    ],
)
def test_text_is_written_as_click_does(text: str, encoding: str, by_click: bool, shown: bytes) -> None:
    env = {**environment(), "PYTHONIOENCODING": encoding}
    for err in (False, True):
        done = subprocess.run([sys.executable, "-c", ECHO.format(text, err)], env=env, capture_output=True, check=True)
        ours, others = (
            (done.stderr, done.stdout) if err else (done.stdout.removesuffix(str(by_click).encode()), done.stderr)
        )
        assert ours == shown
        assert others == (str(by_click).encode() if err else b"")


def test_text_without_a_line_end(capsys: pytest.CaptureFixture[str]) -> None:
    echo("one", nl=False)
    echo("two")
    assert capsys.readouterr() == ("onetwo\n", "")


@pytest.mark.parametrize("words", [("rollback", "--yes"), ("rollback", "--yes", "-o", "text")])
def test_a_reader_that_went_away_is_no_reason_to_complain(tmp_path: Path, words: tuple[str, ...]) -> None:
    # With click (the second) and without: both ways write into a pipe that nobody reads.
    reads, writes = os.pipe()
    os.close(reads)
    (tmp_path / "lbmigrate.yaml").write_text("migration: web\njournal: sqlite:journal.db\n")
    argv = [sys.executable, "-m", "lbmigrate", *words]
    try:
        done = subprocess.run(argv, cwd=tmp_path, env=environment(), stdout=writes, stderr=writes, check=False)
    finally:
        os.close(writes)
    assert done.returncode == 1
