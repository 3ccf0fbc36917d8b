"""Known weaknesses of locked packages, looked up by pip-audit; what could not be looked up is said by name.

`scripts/audit.py LOCK…`: exit 1 for a weakness, 0 otherwise: without the network nothing is known, and nothing fails.
"""

import json
import subprocess
import sys
from typing import Any

SECONDS = 60
CONNECT_SECONDS = 5


def looked_up(lock: str) -> tuple[list[dict[str, Any]], str]:
    """What pip-audit found about each package; nothing, and why, where it could not."""
    argv = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--requirement", lock]
    argv += ["--format", "json", "--progress-spinner", "off", "--timeout", str(CONNECT_SECONDS)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=False)
        return json.loads(done.stdout)["dependencies"], ""
    except subprocess.TimeoutExpired:
        return [], f"no answer in {SECONDS} s"
    except (ValueError, KeyError):
        return [], (done.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]


def told(lock: str, found: list[dict[str, Any]], why: str) -> tuple[list[str], bool]:
    """What to say of one lock, and whether a weakness was found."""
    if why:
        return [f"audit: NOT MADE for {lock}: {why}"], False
    weak = [one for one in found if one.get("vulns")]
    skipped = [one["name"] for one in found if "skip_reason" in one]
    lines = [
        f"audit: {lock}: {one['name']} {one['version']}: {_weakness(each)}" for one in weak for each in one["vulns"]
    ]
    if known := len(found) - len(skipped):
        lines.append(f"audit: {lock}: {known} of {len(found)} packages looked up, {len(weak)} with a known weakness")
    if skipped:
        lines.append(f"audit: NOT MADE for {len(skipped)} of {len(found)} packages of {lock}, which the service")
        lines[-1] += f" for weaknesses did not know: {', '.join(skipped)}"
    return lines, bool(weak)


def _weakness(one: dict[str, Any]) -> str:
    fixed = ", ".join(one.get("fix_versions", []))
    return f"{one['id']}, {f'mended in {fixed}' if fixed else 'not mended yet'}"


def main(locks: list[str]) -> int:
    """Look all of them up."""
    bad = False
    for lock in locks:
        lines, weak = told(lock, *looked_up(lock))
        print("\n".join(lines))
        bad |= weak
    return int(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
