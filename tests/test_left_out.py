"""What is left out for want of a server is counted and named; without LBMIGRATE_MISSING nothing is left out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SAMPLE = """
import pytest

def test_plain(): pass

@pytest.mark.real
def test_any(): pass

@pytest.mark.real("named")
def test_named(): pass

@pytest.mark.real("haproxy")
def test_haproxy(): pass
"""


def outcome(directory: Path, missing: str, *options: str) -> list[str]:
    sample = directory / "test_sample.py"
    sample.write_text(SAMPLE)
    run = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "-p", "conftest", *options, str(sample)]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "LBMIGRATE_MISSING": missing}
    return subprocess.run(run, capture_output=True, text=True, env=env, cwd=directory).stdout.splitlines()


@pytest.mark.parametrize("options", [(), ("-n", "1")])
def test_only_what_needs_a_missing_program_is_left_out(tmp_path: Path, options: tuple[str, ...]) -> None:
    *_, file, total, closing = outcome(tmp_path, "named unbound", *options)
    assert file == "left out: test_sample.py: 2"
    assert total == "left out: 2 tests (needs named, unbound)"
    assert closing.startswith("2 passed")


def test_nothing_is_left_out_unasked(tmp_path: Path) -> None:
    lines = outcome(tmp_path, "")
    assert lines[-1].startswith("4 passed")
    assert "left out" not in "".join(lines)
