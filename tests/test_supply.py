"""What a user installs: sbom.json is in step with the lock and well formed; the audit says what it could not do."""

import json
import runpy
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).parent.parent
SBOM = runpy.run_path(str(ROOT / "scripts" / "sbom.py"))
AUDIT = runpy.run_path(str(ROOT / "scripts" / "audit.py"))
LOCK = (
    "anyio==4.16.0 \\\n    --hash=sha256:"
    + "5" * 64
    + "\ncffi==2.1.1 ; x == 'y' \\\n    --hash=sha256:"
    + "6" * 64
    + "\n"
)


def test_the_bill_is_in_step_with_the_lock_and_of_cyclonedx_own_schema() -> None:
    text = (ROOT / "sbom.json").read_text()
    assert text == SBOM["made"]() == SBOM["made"](), "the same lock gives the same file"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    locked = {(name, version) for name, version, _ in SBOM["pinned"]((ROOT / "requirements.txt").read_text())}
    assert locked == {(one["name"], one["version"]) for one in json.loads(text)["components"]}


def test_a_package_without_a_version_or_a_hash_is_told() -> None:
    assert [one[:2] for one in SBOM["pinned"](LOCK)] == [("anyio", "4.16.0"), ("cffi", "2.1.1")]
    for lock in ("", "anyio>=4\n", LOCK + "click==8.5.1\n"):
        with pytest.raises(ValueError, match="packages in the lock"):
            SBOM["pinned"](lock)


def test_a_weakness_fails_and_what_was_not_looked_up_is_named() -> None:
    weak = {"name": "h11", "version": "0.1", "vulns": [{"id": "CVE-1", "fix_versions": ["0.2"]}]}
    sound, unknown = {"name": "idna", "version": "3", "vulns": []}, {"name": "click", "skip_reason": "?"}
    lines, bad = AUDIT["told"]("lock", [weak, sound, unknown], "")
    assert bad
    assert lines[0] == "audit: lock: h11 0.1: CVE-1, mended in 0.2"
    assert "2 of 3 packages looked up, 1 with a known weakness" in lines[1]
    assert "NOT MADE for 1 of 3 packages of lock" in lines[2]
    assert lines[2].endswith(": click")
    assert AUDIT["told"]("lock", [], "no network") == (["audit: NOT MADE for lock: no network"], False)
