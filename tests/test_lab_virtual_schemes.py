"""Every scenario that ships, by every scheme that fits it, on the virtual clock."""

from pathlib import Path
from typing import Any

import pytest

from lbmigrate.errors import Usage
from lbmigrate.lab.scenario_file import load
from lbmigrate.lab.virtual_scenario import rehearse_virtually

SCENARIOS = Path(__file__).parent.parent / "scenarios"
OWN = sorted(path.stem for path in SCENARIOS.glob("*.yaml") if load(path).software != "route53")
WEIGHED = ("clean-move", "b-fails-third", "operator-rolls-back", "killed-in-mid-shift", "a-dies", "b-dead-on-arrival")
FINE = [1, 5, 25, 50, 100]


def passes(name: str, **instead: Any) -> None:
    """As the file expects; what failed is in the message."""
    told: list[str] = []
    assert rehearse_virtually(SCENARIOS / f"{name}.yaml", told.append, instead=instead) == 0, told
    assert "as expected" in told[-1]


@pytest.mark.parametrize("name", OWN)
def test_as_it_is(name: str) -> None:
    passes(name)


@pytest.mark.parametrize("scheme", ["srv", "lua"])
@pytest.mark.parametrize("name", WEIGHED)
def test_in_fine_stages(name: str, scheme: str) -> None:
    """One address a side, and every whole percent."""
    passes(name, scheme=scheme, config={"stages": FINE})


def test_what_a_scheme_needs_comes_with_it() -> None:
    """SRV names for `srv`, PowerDNS for `lua`; what contradicts it is said with the file's name."""
    path = SCENARIOS / "clean-move.yaml"
    assert load(path, {"scheme": "srv"}).holds == "srv"
    assert load(path, {"scheme": "lua"}).software == "pdns_server"
    assert dict(load(path, {"config": {"stages": FINE}}).config)["stages"] == FINE
    with pytest.raises(Usage, match=r"clean-move.yaml.*scheme lua needs software pdns_server"):
        load(path, {"scheme": "lua", "software": "knotd"})
