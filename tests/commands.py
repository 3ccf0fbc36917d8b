"""The command line as a test gives it: in this process, without a terminal."""

import io
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lbmigrate.__main__ import main


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)


Call = Callable[..., Done]


def caller(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """What gives commands in that folder."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv("LBMIGRATE_CONFIG", raising=False)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    def call(*argv: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["lbmigrate", *argv])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        assert "Traceback" not in out + err
        return Done(ended.value.code, out, err)

    return call
