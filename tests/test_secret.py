"""Secrets by reference: where they may come from, and that no message shows them."""

import os
from pathlib import Path

import pytest

from lbmigrate.errors import Failed, LbmigrateError, Refused, Usage
from lbmigrate.secret import resolve

CANARY = "canary-7f3a"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tsig"
    path.write_text(CANARY + "\n")
    path.chmod(0o600)
    return path


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LBM_TSIG", CANARY)
    assert resolve("env:LBM_TSIG") == CANARY


def test_from_a_file_of_ones_own(file: Path) -> None:
    assert resolve(f"file:{file}") == CANARY


def test_from_a_command_without_a_shell() -> None:
    assert resolve(f"cmd:printf '%s\\n' '{CANARY} $HOME'") == f"{CANARY} $HOME"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o602])
def test_a_file_that_others_can_get_at_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    refused(f"file:{file}", Refused, f"mode {mode:o}.*chmod 600")


def test_a_link_is_judged_by_what_it_points_to(file: Path) -> None:
    link = file.with_name("link")
    link.symlink_to(file)
    assert resolve(f"file:{link}") == CANARY
    file.chmod(0o644)
    refused(f"file:{link}", Refused, "mode 644")


def test_a_pipe_or_a_folder_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    refused(f"file:{pipe}", Refused, "not a regular file")
    refused(f"file:{tmp_path}", Refused, "not a regular file")


def test_a_file_of_another_user_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    os.chown(file, 65534, -1) if os.getuid() == 0 else None
    refused(f"file:{file}", Refused, "owned by uid")


@pytest.mark.parametrize(
    ("reference", "error", "text"),
    [
        (CANARY, Usage, "not a reference"),
        (f"{CANARY}:x", Usage, "not a reference"),
        (f"plain:{CANARY}", Usage, "not a reference"),
        ("env:", Usage, "not a reference"),
        ("env:LBM_NOT_SET", Usage, "not set"),
        ("file:/nowhere/at/all", Usage, "No such file"),
        (f"cmd:/nowhere/at/all {CANARY}", Usage, "No such file"),
        (f"cmd:sh -c 'echo {CANARY}; echo {CANARY} >&2; exit 3'", Failed, "exit code 3"),
        (f"cmd:echo '{CANARY}", Usage, "No closing quotation"),
        ("cmd:true", Usage, "empty"),
        (f"cmd:printf '{CANARY}\\377'", Usage, "not UTF-8"),
    ],
)
def test_whatever_goes_wrong_is_one_line_without_the_secret(
    reference: str, error: type[LbmigrateError], text: str
) -> None:
    refused(reference, error, text)


def refused(reference: str, error: type[LbmigrateError], text: str) -> None:
    with pytest.raises(error, match=text) as seen:
        resolve(reference)
    assert CANARY not in str(seen.value)
    assert "\n" not in str(seen.value)
    assert seen.value.__cause__ is None or CANARY not in str(seen.value.__cause__)


def test_a_command_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lbmigrate.secret.COMMAND_SECONDS", 0.05)
    refused(f"cmd:sh -c 'sleep 60 # {CANARY}'", Failed, "no answer within")
