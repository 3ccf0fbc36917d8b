"""`discover` against real name servers, and plans whose names are found."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from migrations import NEEDS, WWW, rig, until
from servers import HOST, KEY, KINDS, Server, knotd, named, program, run
from states import at

from lbmigrate import config
from lbmigrate.errors import Unreachable
from lbmigrate.fence import rdata
from lbmigrate.fold import State
from lbmigrate.lab.ground import ORIGIN
from lbmigrate.lab.process import write_private
from lbmigrate.model import Fence, RRset
from lbmigrate.plan import Soak
from lbmigrate.value import replace
from lbmigrate.verbs import work

A = "192.0.2.10"
ZONE = rf"""$ORIGIN lab.test.
$TTL 300
@ IN SOA ns1 hostmaster 100 3600 600 86400 60
@ NS ns1
@ TXT "v=spf1 ip4:192.0.2.0/28 -all"
@ MX 10 www
ns1 A 127.0.0.1
lb-a A {A}
lb-b A 192.0.2.20
lb-b AAAA 2001:db8::20
www A {A}
WWW2 AAAA 2001:db8::10
odd\.dot\032x A {A}
elsewhere A 192.0.2.11
alias CNAME www
repoint CNAME lb-a
_web._tcp SRV 0 0 80 lb-a
*.apps A {A}
www HTTPS 1 . ipv4hint={A}
"""
MOVED = ["_web._tcp", "*.apps", r"odd\.dot\032x", "repoint", "www", "www2"]


class Cli:
    """The command line on a config of its own."""

    def __init__(self, directory: Path, port: int) -> None:
        self.file = directory / "lbmigrate.yaml"
        write_private(directory / "secret", KEY.secret)
        key = {"name": KEY.name, "secret": "file:secret"}
        entry = {"driver": "rfc2136", "zone": "lab.test", "server": HOST, "port": port, "tsig": key}
        self.out = self.err = ""
        self.settings: dict[str, Any] = {
            "migration": "web",
            "names": ["www.lab.test"],
            "a": {"driver": "external", "addresses": [A, "2001:db8::10"], "hostname": "lb-a.lab.test"},
            "b": {"driver": "external", "addresses": ["192.0.2.20", "2001:db8::20"], "hostname": "lb-b.lab.test"},
            "dns": [{**entry, "nameservers": [f"{HOST}:{port}"]}],
            "stages": [100],
            "probe": [{"url": "http://www.lab.test"}],
        }

    def __call__(self, *words: str, code: int = 0, **changed: Any) -> str:
        """What it prints, on stderr where it fails."""
        self.settings |= changed
        self.file.write_text(yaml.safe_dump(self.settings))
        argv = [sys.executable, "-m", "lbmigrate", "-c", str(self.file), *words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        self.out, self.err = done.stdout, done.stderr
        return done.stderr if code else done.stdout

    def denied(self, **changed: Any) -> dict[str, Any]:
        """Its `dns:` entry with a key that may not transfer."""
        return {**self.settings["dns"][0], "transfer": {"tsig": {"name": "other", "secret": "file:secret"}}, **changed}


@pytest.fixture(scope="module", params=[pytest.param(k, marks=[] if k == "embedded" else [pytest.mark.real]) for k in KINDS])  # fmt: skip  # noqa: E501
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    make: Any = KINDS[request.param]
    server = make(tmp_path_factory.mktemp(request.param), ZONE)
    yield server
    server.stop()


@pytest.fixture
def cli(server: Server, tmp_path: Path) -> Cli:
    return Cli(tmp_path, server.port)


def test_every_name_that_ends_at_a_and_what_else_names_it(cli: Cli) -> None:
    seen = json.loads(cli("-o", "json", "discover"))
    assert seen["names"] == [f"{name}.lab.test." for name in MOVED]
    fates = {(one["name"].removesuffix(".lab.test."), one["type"]): one["fate"] for one in seen["found"]}
    assert fates["alias", "CNAME"] == "follow"
    assert fates["lb-a", "A"] == "own"
    assert fates["www", "HTTPS"] == "move"
    assert {(one["type"], one["what"]) for one in seen["beside"]} == {
        ("TXT", "ip4:192.0.2.0/28"),
        ("MX", "www.lab.test."),
    }
    assert seen["zones"] == [{"zone": "lab.test.", "view": "", "by": "transfer", "why": ""}]
    assert not seen["remarks"]
    assert not cli.err


def test_the_table_names_all_of_it(cli: Cli) -> None:
    table = cli("discover")
    assert "*.apps.lab.test." in table
    assert "move (a wildcard" in table
    assert "follows www.lab.test." in table
    assert "6 names have to be moved, marked `move`; as `names:` for the config" in table


def test_the_list_is_ready_for_the_config(cli: Cli) -> None:
    section = yaml.safe_load(cli("discover", "--names"))
    cli.file.write_text(yaml.safe_dump({**cli.settings, **section}))
    assert config.load(cli.file).bound.names == tuple(f"{name}.lab.test." for name in MOVED)


def test_a_name_that_exists_only_by_a_wildcard_is_told(cli: Cli) -> None:
    cli("discover", "x.apps.lab.test", "elsewhere.lab.test")
    first, second = cli.err.splitlines()
    assert "x.apps.lab.test. has no record of its own" in first
    assert "the wildcard *.apps.lab.test. does" in first
    assert second.endswith("elsewhere.lab.test. has no record of its own that ends at A")


def test_names_outside_the_zones_and_no_names_at_all_are_usage(cli: Cli) -> None:
    assert "in none of the zones" in cli("discover", "www.example.com", code=2)
    assert "no DNS name" in cli("discover", "a..b", code=2)


def test_where_no_transfer_is_allowed_the_names_are_asked_for(cli: Cli) -> None:
    names = ["alias.lab.test", "_web._tcp.lab.test", "x.apps.lab.test"]
    seen = json.loads(cli("-o", "json", "discover", *names, dns=[cli.denied()], names=["alias.lab.test"]))
    assert seen["names"] == ["_web._tcp.lab.test.", "www.lab.test."]
    assert seen["zones"][0]["by"] == "queries"
    assert "key other rejected" in seen["zones"][0]["why"]
    assert "lab.test. was not transferred" in cli.err
    assert "x.apps.lab.test. has no record of its own" in cli.err


@pytest.mark.parametrize(("key", "code", "said"), [
    ({"name": "other", "secret": "file:secret"}, 1, "key other rejected"),
    ({"name": KEY.name, "secret": "env:LBMIGRATE_NOT_SET"}, 2, "the variable is not set"),
])  # fmt: skip
def test_a_key_that_does_not_fit_ends_every_verb_alike_and_is_told_once(
    cli: Cli, key: dict[str, str], code: int, said: str
) -> None:
    dns = [{**cli.settings["dns"][0], "tsig": key}]
    for verb in ("check", "plan", "start", "discover"):
        assert said in cli(verb, code=code, dns=dns, names=["www.lab.test"]).splitlines()[-1], verb
        assert "has no record" not in cli.err, "nobody knows"
        assert cli.out.count(said) == (verb == "check"), cli.out


@pytest.mark.real("knotd")
def test_a_key_that_knot_does_not_let_transfer_is_not_called_unknown(tmp_path: Path) -> None:
    server = knotd(tmp_path / "knot", ZONE)
    try:
        path = tmp_path / "knot" / "knot.conf"
        text = path.read_text()
        assert "action: [update, transfer]" in text
        write_private(path, text.replace("action: [update, transfer]", "action: [update]"))
        run(program("knotc"), "-c", str(path), "--blocking", "reload")
        one = Cli(tmp_path, server.port)
        one("discover", "www.lab.test")
        assert f"BADKEY, but key {KEY.name} is known there" in one.err
        assert "`action: transfer` in its acl" in one.err
        assert "unknown" not in one.err
        unknown = {"name": "other", "secret": "file:secret"}
        said = one("discover", "www.lab.test", dns=[{**one.settings["dns"][0], "tsig": unknown}], code=1)
        assert "key other rejected (BADKEY), it is unknown there" in said
    finally:
        server.stop()


# ---------------------------------------------------------------- names that are found for a plan

FIND = {"discover": ["lab.test"]}


@pytest.fixture
def primary(tmp_path: Path) -> Iterator[Server]:
    server = named(tmp_path / "named", ZONE)
    yield server
    server.stop()


@pytest.mark.real("named")
def test_a_plan_takes_the_names_that_are_found(primary: Server, tmp_path: Path) -> None:
    one = Cli(tmp_path, primary.port)
    found = json.loads(one("-o", "json", "plan", names=FIND))
    listed = json.loads(one("-o", "json", "plan", names=[f"{name}.lab.test" for name in MOVED]))
    assert found["plan"] == listed["plan"]


@pytest.mark.real("named")
def test_a_name_that_would_stay_at_a_is_refused(primary: Server, tmp_path: Path) -> None:
    code = b"pickrandom({'192.0.2.10'})"
    raw = b"\0\1" + bytes([len(code)]) + code
    primary.edit(lambda message: message.add("code.lab.test.", 60, "TYPE65402", rf"\# {len(raw)} {raw.hex()}"))
    said = Cli(tmp_path, primary.port)("plan", names=FIND, code=6)
    assert "code.lab.test. LUA: code cannot be moved" in said


@pytest.mark.real("named")
def test_nothing_found_and_no_transfer_are_errors(primary: Server, tmp_path: Path) -> None:
    one = Cli(tmp_path, primary.port)
    nowhere = {"driver": "external", "addresses": ["203.0.113.1"]}
    assert "nothing in lab.test. ends at A" in one("plan", names=FIND, a=nowhere, code=6)
    assert "names: discover" in one("plan", dns=[one.denied()], code=1)
    assert "lbmigrate discover NAME" in one("discover", code=1)


@pytest.mark.real("named")
def test_a_rollback_without_the_journal_finds_the_names_by_their_fences(primary: Server, tmp_path: Path) -> None:
    before = primary.records()
    www = RRset("lb-a.lab.test.", "A", 300, (A,))
    texts = {name: rdata(Fence(name, "a1", 1, (www,))) for name in ("web", "other")}
    primary.edit(lambda message: message.add("_lbmigrate.lb-a.lab.test.", 60, "TXT", texts["web"]))
    primary.edit(lambda message: message.add("_lbmigrate.elsewhere.lab.test.", 60, "TXT", texts["other"]))
    said = Cli(tmp_path, primary.port)("rollback", "--from-dns", "--yes", names=FIND)
    assert "put back lb-a.lab.test. 300 A 192.0.2.10" in said
    left = set(primary.records()) ^ set(before)
    assert {line.split()[0] for line in left} == {"_lbmigrate.elsewhere.lab.test."}


def test_once_begun_the_names_are_those_of_the_plan(tmp_path: Path) -> None:
    file = tmp_path / "lbmigrate.yaml"
    one = Cli(tmp_path, 9)
    file.write_text(yaml.safe_dump({**one.settings, "names": FIND}))
    chosen = config.load(file)
    begun = at(Soak(50))
    assert begun.plan is not None
    assert work._named(chosen, begun, True).bound.names == begun.plan.bound.names
    assert work._named(chosen, State(), False) == chosen
    same = replace(begun.plan, bound=replace(chosen.bound, names=("x.lab.test.",)))
    done = replace(begun, outcome="done", plan=same)
    assert work._named(chosen, done, True).bound.names == ("x.lab.test.",)
    with pytest.raises(Unreachable):
        work._named(chosen, replace(done, outcome="rolled-back"), True)


LATE = f"late.{ORIGIN}."
EAGER = "from lbmigrate import look; look.AGAIN = 0.5"


@pytest.mark.real(*NEEDS)
def test_a_name_that_comes_after_the_start_holds_the_retiring_of_a_until_it_is_moved(tmp_path: Path) -> None:
    with rig(tmp_path, names={"discover": [ORIGIN]}) as one:
        one.before = EAGER
        one.at_50()
        one.edit(lambda message: message.add(LATE, 1, "A", one.a))
        run = one.begin("run")
        until(lambda: one.status()["phase"] == "held", "the hold")
        assert f"1 name(s) that the plan does not move end at A: {LATE}; " in one.ok("status").out
        assert [name["name"] for name in one.status()["names"]] == [WWW], "none comes in unseen"
        assert one.served(LATE) == [[one.a]] * 2, "and none is touched"
        one.edit(lambda message: message.replace(LATE, 1, "A", one.b))
        assert run.end().code == 0
        assert "hold cleared: its cause is gone" in one.texts()
        assert "done: retire A" in one.texts()


@pytest.mark.real(*NEEDS)
def test_a_name_that_a_fixed_list_leaves_out_is_told_at_once_and_holds_until_forced(tmp_path: Path) -> None:
    with rig(tmp_path, soak_limit="1s") as one:
        one.edit(lambda message: message.add(LATE, 1, "A", one.a))
        until(lambda: one.served(LATE) == [[one.a]] * 2, "the name at A")
        hint = f"{LATE} ends at A too, and A is not retired while that is so: add to names:, point to B by hand"
        assert f"hint  {hint}" in one.ok("check").out
        assert f"hint: {hint}" in one.ok("start").err
        said = one.give("run")
        assert said.code == 4
        assert f"end at A: {LATE}; point them to B or delete them, or retire A all the same: " in said.line
        assert one.give("run").code == 4
        assert f"hint: {LATE}" not in one.give("tick", "--for", "1s").err, "told once"
        one.ok("finish", "--force", "--yes")
        assert "done: retire A" in one.texts()


@pytest.mark.real(*NEEDS)
def test_where_no_transfer_is_allowed_it_is_said_once_and_holds_nothing(tmp_path: Path) -> None:
    with rig(tmp_path) as one:
        one.edit(lambda message: message.add(LATE, 1, "A", one.a))
        secret = one.config["dns"][0]["tsig"]["secret"]
        one.entry(transfer={"tsig": {"name": "nobody", "secret": secret}})
        said = f"{ORIGIN}. cannot be transferred: other names at A are not seen, neither now nor before A is retired"
        assert f"hint  {said}" in one.ok("check").out
        assert f"hint: {said}" in one.ok("start", "--no-wait").err
        assert said not in one.ok("run").err
        assert "done: retire A" in one.texts()
