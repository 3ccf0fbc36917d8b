"""Route 53 from the user's end: the config, `check`, `plan`, what is not there yet, and the ways back by hand."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import Done
from route53s import WWW, A, B, alias, client, simple, weighted
from test_route53 import KEYS, Lab, at

from lbmigrate import config
from lbmigrate.dns.route53.api import PACE
from lbmigrate.errors import Usage
from lbmigrate.fold import State
from lbmigrate.lab.route53 import sets, zones
from lbmigrate.lab.route53.world import Made
from lbmigrate.model import Applied, Records
from lbmigrate.plan import build
from lbmigrate.undo import commands
from lbmigrate.value import replace

CONFIG = """\
migration: web
names: [www.lab.test]
a: {driver: external, addresses: [192.0.2.10]}
b: {driver: external, addresses: [192.0.2.20], up: "true", down: "true", health: "true"}
dns:
  - driver: route53
    zone: lab.test
    endpoint: http://ENDPOINT
    nameservers: [SERVERS]
stages: [1, 25, 100]
probe:
  - url: http://www.lab.test/
"""
Said = Done


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    for key, text in KEYS.items():
        monkeypatch.setenv(key, text)
    one = Lab()
    one.fill(simple(WWW, A))
    with one.serving():
        yield one


@pytest.fixture
def lbmigrate(lab: Lab, lbmigrate: Callable[..., Said], tmp_path: Path) -> Callable[..., Said]:
    (tmp_path / "lbmigrate.yaml").write_text(text(lab))
    return lbmigrate


def text(lab: Lab) -> str:
    return CONFIG.replace("ENDPOINT", lab.at).replace("SERVERS", ", ".join(lab.servers))


def test_the_plan_shows_what_weighted_sets_attain(lbmigrate: Callable[..., Said]) -> None:
    code, out, _ = lbmigrate("plan")
    assert code == 0
    assert "www.lab.test.  weighted: A 0..100" in out
    assert "weight 1 " in out


def test_check_proves_the_key(lab: Lab, lbmigrate: Callable[..., Said]) -> None:
    assert "the key may read it, and write what is moved" in lbmigrate("check")[1]
    lab.set(denied=("ChangeResourceRecordSets",))
    code, out, err = lbmigrate("check")
    assert code
    assert "AccessDenied" in out + err


def test_discover_reads_the_listing(lab: Lab, lbmigrate: Callable[..., Said]) -> None:
    lab.world.create(Made("lab.test.", "other", private=True))
    balancer = {"HostedZoneId": "Z35SXDOTRQ7X7K", "DNSName": "lb-1.elb.amazonaws.com", "EvaluateTargetHealth": False}
    lab.fill(
        simple("api.lab.test.", B, A), simple("c.lab.test.", "www.lab.test", rtype="CNAME"), simple("b.lab.test.", B),
        simple("lab.test.", r'"v=spf1 ip4:192.0.2.10 \055all"', rtype="TXT"), simple("*.w.lab.test.", A),
        simple("sub.lab.test.", "ns.lab.test.", rtype="NS"), alias(lab.zone, "d.lab.test.", "www.lab.test."),
        {"Name": "e.lab.test.", "Type": "A", "AliasTarget": balancer},
    )  # fmt: skip
    file = Path("lbmigrate.yaml")
    file.write_text(text(lab).replace("zone: lab.test\n", f"zone: lab.test\n    zone_id: {lab.zone}\n"))
    code, out, err = lbmigrate("discover")
    assert code == 0, err
    found = {line.split()[0]: line for line in out.splitlines() if line.strip() and ".lab.test" in line.split()[0]}
    assert {"www.lab.test.", "api.lab.test.", "*.w.lab.test.", "c.lab.test.", "d.lab.test."} <= found.keys()
    assert not {"b.lab.test.", "e.lab.test."} & found.keys()
    assert "ip4:192.0.2.10" in out


def test_discover_says_what_moves_what_follows_and_what_cannot_be_moved(
    lab: Lab, lbmigrate: Callable[..., Said]
) -> None:
    """An alias to A's hostname (also behind dualstack.) is moved as it is; what weights cannot stand beside is told."""
    here = "Z35SXDOTRQ7X7K"
    lab.fill(
        alias(here, "a.lab.test.", "lb-a.example.net."), alias(here, "d.lab.test.", "dualstack.lb-a.example.net."),
        alias(lab.zone, "f.lab.test.", "www.lab.test."), weighted("w.lab.test.", 3, A, "one"),
        {**simple("l.lab.test.", A), "SetIdentifier": "l", "Region": "eu-west-1"},
    )  # fmt: skip
    file = Path("lbmigrate.yaml")
    file.write_text(text(lab).replace("[192.0.2.10]}", "[192.0.2.10], hostname: lb-a.example.net}"))
    code, out, err = lbmigrate("-o", "json", "discover")
    assert code == 0, err
    found = {one["name"]: (one["type"], one["fate"]) for one in json.loads(out)["found"]}
    assert found == {
        "a.lab.test.": ("alias", "move"), "d.lab.test.": ("alias", "move"), "f.lab.test.": ("alias", "follow"),
        "w.lab.test.": ("A", "move"), "l.lab.test.": ("A", "stuck"), "www.lab.test.": ("A", "move"),
    }  # fmt: skip
    (why,) = [one["why"] for one in json.loads(out)["found"] if one["fate"] == "stuck"]
    assert why.startswith("A: is a latency set (l): weights cannot stand beside it")
    file.write_text(file.read_text().replace("[www.lab.test]", "{discover: [lab.test]}"))
    code, _, err = lbmigrate("plan")
    assert (code, "l.lab.test. A: A: is a latency set" in err) == (6, True)


def test_discover_tells_of_the_accounts_other_zones_and_looks_through_them_when_asked(
    lab: Lab, lbmigrate: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 14 other zones (two pages of their listing) one is the private zone of the same name."""
    monkeypatch.setattr(PACE, "wait", lambda: None)  # which would keep to 5 requests a second
    monkeypatch.setattr(zones, "MOST_ZONES", 8)
    others = [lab.world.create(Made(f"z{n}.test.", f"z{n}")).id for n in range(13)]
    lab.world.fill(others[7], [sets.from_json(simple("in.z7.test.", A))])
    inside = lab.world.create(Made("lab.test.", "inside", private=True)).id
    lab.world.fill(inside, [sets.from_json(simple("app.lab.test.", A))])
    file = Path("lbmigrate.yaml")
    file.write_text(text(lab).replace("zone: lab.test\n", "zone: lab.test\n    private: false\n"))
    code, out, err = lbmigrate("discover")
    assert (code, "app.lab.test." in out) == (0, False)
    assert "14 hosted zone(s) of the account" in err
    lab.world.calls.clear()
    code, out, err = lbmigrate("-o", "json", "discover", "--account")
    assert code == 0, err
    found = json.loads(out)
    assert found["names"] == ["app.lab.test.", "www.lab.test.", "in.z7.test."]
    assert {one["zone"] for one in found["found"]} == {"lab.test.", "z7.test."}
    assert lab.world.calls.count("ListHostedZones") == 2
    assert f"hosted zone {inside} holds names that end at A, and has no entry under dns:" in err
    lab.set(denied=("ListHostedZones",))
    code, _, err = lbmigrate("discover")
    assert (code, "whether the account has other zones is not known" in err) == (0, True)
    assert lbmigrate("discover", "--account")[0] == 1


def test_names_are_found_for_the_plan(lab: Lab, lbmigrate: Callable[..., Said]) -> None:
    lab.fill(simple("api.lab.test.", A))
    Path("lbmigrate.yaml").write_text(text(lab).replace("[www.lab.test]", "{discover: [lab.test]}"))
    assert "2 name(s)" in lbmigrate("plan")[1]


def test_the_policy_is_enough_for_check_and_no_more_than_that(lab: Lab, lbmigrate: Callable[..., Said]) -> None:
    code, _, err = lbmigrate("policy")
    assert (code, "give zone_id" in err) == (6, True)
    Path("lbmigrate.yaml").write_text(
        text(lab).replace("zone: lab.test\n", f"zone: lab.test\n    zone_id: {lab.zone}\n")
    )
    code, out, err = lbmigrate("policy")
    assert code == 0, err
    assert json.loads(lbmigrate("-o", "json", "policy")[1])[0]["policies"]["iam"] == json.loads(out)
    lab.set(policy=out)
    assert "the key may read it, and write what is moved" in lbmigrate("check")[1]
    lab.set(policy=out.replace("_lbmigrate.www", "_lbmigrate.api"))
    assert "AccessDenied" in lbmigrate("check")[1]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "    zone: lab.test\n",
            "    zone: lab.test\n    scheme: lua\n",
            "a scheme for driver route53 is not in this version",
        ),
        (
            "    zone: lab.test\n",
            "    zone: lab.test\n    role: arn:aws:x\n",
            "no role's ARN; it looks like arn:aws:iam",
        ),
        ("    zone: lab.test\n", "    zone: lab.test\n    external_id: x\n", "external_id belongs to a role"),
    ],
)
def test_the_config_says_what_this_version_lacks(tmp_path: Path, old: str, new: str, said: str) -> None:
    file = tmp_path / "lbmigrate.yaml"
    given = CONFIG.replace("ENDPOINT", "127.0.0.1:1").replace("[SERVERS]", "[]")
    file.write_text(given)
    assert config.load(file).bound.dns[0].scheme == "weighted"
    file.write_text(given.replace(old, new))
    with pytest.raises(Usage) as told:
        config.load(file)
    assert said in str(told.value)


def test_rollback_without_the_journal_puts_every_set_back(lab: Lab, lbmigrate: Callable[..., Said]) -> None:
    before = lab.listed()
    claimed = lab.claimed()
    assert lab.driver.swap(Records((claimed,)), Records((at(25, claimed, 8),))) == Applied()
    code, out, err = lbmigrate("rollback", "--from-dns", "--yes")
    assert (code, f"put back {WWW} 60 A {A}" in out + err) == (0, True)
    assert lab.listed() == before


def test_the_commands_that_undo_by_hand_are_taken_by_route_53(lab: Lab, tmp_path: Path) -> None:
    """The weighted sets go and the original comes back, in one batch; the fence stays, as the text says."""
    file = tmp_path / "lbmigrate.yaml"
    file.write_text(text(lab))
    original = lab.held().held
    plan = build(config.load(file).bound, original)
    claimed = lab.claimed()
    known = at(25, claimed, 8)
    assert lab.driver.swap(Records((claimed,)), Records((known,))) == Applied()
    said = commands(replace(State(), plan=plan, claimed=(0,), known=(known,)))
    assert said.startswith(f"aws route53 change-resource-record-sets --endpoint-url http://{lab.at}/ --hosted-zone-id")
    assert said.endswith("lbmigrate rollback --from-dns")
    zones = tuple(replace(one, role="arn:aws:iam::1:role/r", external_id="x") for one in plan.bound.dns)
    roled = replace(State(), plan=replace(plan, bound=replace(plan.bound, dns=zones)), claimed=(0,), known=(known,))
    assert commands(roled).startswith("# as the role arn:aws:iam::1:role/r, external id x: aws sts assume-role, or")
    batch = json.loads(said.split("--change-batch ")[1].splitlines()[0].strip("'"))
    other = client(lab.at)
    other.change_resource_record_sets(HostedZoneId=lab.zone, ChangeBatch=batch)
    other.close()
    assert lab.held().held[0].rrsets == original[0].rrsets
    assert lab.held().held[0].fence is not None
