"""Whole migrations at the laboratory's Route 53, as scenarios that ship: there, and back to the letter."""

from pathlib import Path
from typing import Any

import pytest
from test_real_scenarios import QUICK, SCENARIOS

from lbmigrate.errors import Usage
from lbmigrate.lab.rehearse import rehearse
from lbmigrate.lab.virtual_scenario import rehearse_virtually


@pytest.mark.long
@pytest.mark.parametrize(("name", "stages"), [("route53", [1, 100]), ("route53-b-fails", [25, 100])])
def test_names_at_route_53(name: str, stages: list[int], tmp_path: Path) -> None:
    told: list[str] = []
    soak = {"soak": "20s"} if name.endswith("fails") else {}
    instead: dict[str, Any] = {"config": {**QUICK, **soak, "stages": stages}, "ttl": 1, "warm": 1.0}
    verdict = rehearse(SCENARIOS / f"{name}.yaml", False, tmp_path, told.append, instead=instead)
    assert verdict.passed, "\n".join(told)


def test_it_is_played_with_embedded_parts_in_real_time_alone(tmp_path: Path) -> None:
    file = SCENARIOS / "route53.yaml"
    with pytest.raises(Usage, match="leave --real out"):
        rehearse(file, True, tmp_path, print)
    with pytest.raises(Usage, match="leave --virtual out"):
        rehearse_virtually(file, print)
