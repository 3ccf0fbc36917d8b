"""Scenarios that ship, on Knot, PowerDNS and signed zones, by every scheme: at a quick pace, the rest by `make soak`.

No request fails, no name server gives an empty answer or an error, a resolver that validates accepts every answer of a
signed zone, and after a rollback the zone is what it was but for its serial and signatures.
"""

from pathlib import Path
from typing import Any

import pytest

from lbmigrate.lab.rehearse import rehearse

pytestmark = pytest.mark.long

SCENARIOS = Path(__file__).parent.parent / "scenarios"
QUICK: dict[str, Any] = {
    "ttl": "1s",
    "soak": "2s",
    "cache_margin": "1s",
    "gate": {"promote_margin": "20%"},
    "retire": {"idle_for": "2s", "limit": "60s"},
}


def real(name: str, software: str, signed: bool, scheme: str, *stages: int) -> object:
    """One variant of a shipped scenario."""
    config = {**QUICK, **({"stages": list(stages)} if stages else {})}
    given = {"software": software, "signed": signed, "scheme": scheme, "config": config, "ttl": 1, "warm": 1.0}
    marks = pytest.mark.real(software, "unbound", "haproxy")
    label = f"{name}-{software}-{'signed' if signed else 'unsigned'}-{scheme}"
    return pytest.param(name, given, marks=marks, id=label)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        real("operator-rolls-back", "knotd", True, "srv"),
        real("b-fails-third", "knotd", False, "addresses"),
        real("lua-records", "pdns_server", True, "lua", 5, 50, 100),
        real("operator-rolls-back", "pdns_server", False, "lua"),
        real("many-names", "knotd", True, "names"),
        real("https-hints", "named", True, "addresses"),
        real("alias", "pdns_server", True, "auto"),
    ],
)
def test_on_other_servers_and_signed_zones(name: str, instead: dict[str, Any], tmp_path: Path) -> None:
    told: list[str] = []
    verdict = rehearse(SCENARIOS / f"{name}.yaml", True, tmp_path, told.append, instead=instead)
    assert verdict.passed, "\n".join(told)
