"""The command line as an operator or cron gives it: child processes, and the events that they print (JSON Lines)."""

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lbmigrate.errors import Failed
from lbmigrate.lab.process import environment

COMMAND_SECONDS = 60.0


class Tail:
    """The JSON objects of a file that grows, each once; lines that are none are passed over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at = 0
        path.touch()

    def read(self) -> list[dict[str, Any]]:
        """What was added since the last call, whole lines only."""
        with self.path.open("rb") as file:
            file.seek(self._at)
            whole = file.read().rpartition(b"\n")[0]
        if not whole:
            return []
        self._at += len(whole) + 1
        return [json.loads(line) for line in whole.split(b"\n") if line.startswith(b"{")]


class Given:
    """One command under way. `words` are its verb and flags."""

    def __init__(
        self, argv: Sequence[str], words: tuple[str, ...], directory: Path, number: int, env: Mapping[str, str]
    ) -> None:
        self.words = words
        self._err = directory / f"command-{number}-{words[0]}.err"
        self._out = Tail(self._err.with_suffix(".jsonl"))
        with self._out.path.open("ab") as out, self._err.open("ab") as err:
            self._child = subprocess.Popen(
                [*argv, *words], stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env, cwd=directory
            )

    def events(self) -> list[dict[str, Any]]:
        """The lines printed since the last call."""
        return self._out.read()

    def code(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._child.poll()

    def complaint(self) -> str:
        """The end of what it wrote to stderr, on one line."""
        return " | ".join(self._err.read_text(errors="replace").splitlines()[-3:])

    def kill(self) -> None:
        """SIGKILL. Raises Failed when it has ended already."""
        if self._child.poll() is not None:
            raise Failed("killing the engine: it has ended already; correct the act's `when`")
        self._child.kill()
        self._child.wait()

    def end(self) -> None:
        """SIGTERM, in the end SIGKILL, and reap. May be repeated."""
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)
            try:
                self._child.wait(5)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()


class Operator:
    """Gives commands, numbered, against one config file; `more`: what their environment holds beside ours."""

    def __init__(self, program: Sequence[str], config: Path, more: Mapping[str, str] | None = None) -> None:
        self._argv = (*program, "-c", str(config), "-o", "json")
        self._directory = config.parent
        self._env = {**environment(), **(more or {})}
        self._number = 0

    def give(self, words: tuple[str, ...]) -> Given:
        """Start a command."""
        self._number += 1
        return Given(self._argv, words, self._directory, self._number, self._env)

    def status(self) -> dict[str, Any]:
        """The status document. Raises Failed where the command gives none."""
        shown = subprocess.run(
            [*self._argv, "status"], capture_output=True, env=self._env, timeout=COMMAND_SECONDS, check=False
        )
        try:
            found: dict[str, Any] = json.loads(shown.stdout)
        except ValueError as wrong:
            said = (shown.stderr or shown.stdout).decode(errors="replace").strip()[-300:]
            raise Failed(
                f"{shlex.join(self._argv)} status: exit {shown.returncode}, {said}; see the journal"
            ) from wrong
        return found


def secret_file(path: Path, secret: str) -> Path:
    """Write a secret where only its owner can read it."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secret)
    return path
