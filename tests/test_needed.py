"""What the keys of a config need: from the plan under way, from what the zones hold, or from the config alone."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from commands import Call
from servers import HOST, KEY, ORIGIN, Server, embedded
from test_cli import CONFIG, one_line

from lbmigrate.dns.rfc2136 import Rfc2136
from lbmigrate.model import Held, RRset, Side
from lbmigrate.needed import assumed, needs, written
from lbmigrate.plan import build
from lbmigrate.policy import Need, types
from lbmigrate.spec import Bound, Dns, Stage, Tsig
from lbmigrate.value import replace

WWW, DUAL = "www.lab.test.", "dual.lab.test."
A = Side("external", ("192.0.2.10", "192.0.2.11", "2001:db8::11"))
B = Side("external", ("198.51.100.7", "2001:db8:b::7"))
ENTRY = Dns("rfc2136", ORIGIN, server=HOST, port=53, tsig=Tsig("lbm", "hmac-sha256", "env:TSIG"))
BOUND = Bound("web", (WWW, DUAL), A, B, (ENTRY,), (Stage(50), Stage(100)), 30)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = embedded(tmp_path_factory.mktemp("embedded"))
    yield server
    server.stop()


def asked(bound: Bound, port: int, monkeypatch: pytest.MonkeyPatch) -> Need:
    """The one need of a config whose only server answers at `port`."""
    monkeypatch.setenv("TSIG", KEY.secret)
    bound = replace(bound, dns=(replace(bound.dns[0], port=port),))
    with closing(Rfc2136(bound.dns[0], 0.5, 0.5)) as zone:
        ((where, (found,)),) = needs(bound, (zone,), None)[0].items()
    assert where == f"{HOST}:{port}"
    assert found.source == HOST
    return found


def granted(one: Need) -> dict[str, set[str]]:
    return {grant.name: set(grant.rtypes) for grant in one.grants if not grant.name.startswith("_lbmigrate.")}


def test_types_are_those_that_the_zone_holds(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    one = asked(BOUND, server.port, monkeypatch)
    assert granted(one) == {WWW: {"A"}, DUAL: {"A", "AAAA"}}
    assert one.known == "types as the zone holds them, and as the plan writes them"


def test_where_there_can_be_no_plan_they_are_still_read(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    one = asked(replace(BOUND, b=Side("external", ("198.51.100.7",))), server.port, monkeypatch)
    assert granted(one) == {WWW: {"A"}, DUAL: {"A", "AAAA"}}
    assert "there is no plan yet: dual.lab.test. has AAAA records" in one.known


def test_a_zone_that_cannot_be_read_leaves_the_config(monkeypatch: pytest.MonkeyPatch) -> None:
    one = asked(BOUND, 9, monkeypatch)
    assert granted(one) == {WWW: {"A", "AAAA"}, DUAL: {"A", "AAAA"}}
    assert one.known.startswith("types assumed from the config: asking 127.0.0.1:9")


def test_what_is_assumed_follows_scheme_host_name_and_the_form_of_the_name() -> None:
    names = (WWW, "_https._tcp.lab.test.")
    bound = replace(BOUND, names=names, b=replace(B, hostname="lb-b.lab.test."), dns=(replace(ENTRY, scheme="lua"),))
    assert assumed(bound, 0) == {WWW: {"A", "AAAA", "CNAME", "LUA"}, names[1]: {"SRV"}}


def test_a_plan_under_way_needs_what_any_of_its_weights_writes() -> None:
    held = Held(WWW, (RRset(WWW, "A", 300, ("192.0.2.10",)),))
    bound = replace(BOUND, names=(WWW,), dns=(replace(ENTRY, scheme="lua"),), stages=(Stage(100),))
    plan = build(bound, (held,))
    assert types(written(plan)) == {WWW: {"A", "LUA"}}
    ((one,),) = needs(bound, (), plan)[0].values()
    assert granted(one) == {WWW: {"A", "LUA"}}
    assert one.known == "types as the plan under way writes them"


def test_the_verb_prints_each_kind_or_the_one_asked_for(lbmigrate: Call) -> None:
    Path("lbmigrate.yaml").write_text(CONFIG.replace("192.0.2.53", HOST))  # no key in the environment: nothing is sent
    text = lbmigrate("policy").out
    assert [word in text for word in ("update-policy {", "update-owner-match: equal", "pdnsutil add-meta")] == [
        True
    ] * 3
    bind = lbmigrate("policy", "--server", "bind").out
    assert bind.startswith("// BIND, zone example.com")
    assert bind in text
    (doc,) = json.loads(lbmigrate("policy", "-o", "json").out)
    assert (doc["server"], sorted(doc["policies"])) == (f"{HOST}:53", ["bind", "knot", "powerdns"])
    assert doc["policies"]["bind"] + "\n" == bind
    assert "--server" in one_line(lbmigrate("policy", "--server", "nsd"), 2)


def test_an_entry_without_a_key_is_refused(lbmigrate: Call) -> None:
    plain = "\n".join(line for line in CONFIG.splitlines() if "tsig" not in line).replace("192.0.2.53", HOST)
    Path("lbmigrate.yaml").write_text(plain.replace(f"server: {HOST}", f"server: {HOST}\n    port: 9"))
    assert "not signed" in one_line(lbmigrate("policy"), 6)
