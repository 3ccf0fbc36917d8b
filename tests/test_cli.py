"""The command line: flags, exit codes, one line per error; and every verb in every phase, on the virtual clock."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from commands import Call, Done

from lbmigrate import __version__, assemble
from lbmigrate.cli import cli
from lbmigrate.events import Asked, Began, Hold, Took, Worker
from lbmigrate.fold import worker_id
from lbmigrate.lab.virtual import Crash, Faults, MemoryJournal, World, parts
from lbmigrate.model import Held, RRset
from lbmigrate.parts import Parts
from lbmigrate.plan import Write
from lbmigrate.verbs import GROUPS, driving, said, seeing, work

ROOT = Path(__file__).parent.parent
NAME = "www.example.com."
A, B = ("192.0.2.10",), ("192.0.2.20",)
CONFIG = """\
migration: web
names: [www.example.com]
a: {driver: external, addresses: [192.0.2.10]}
b: {driver: external, addresses: [192.0.2.20], up: "true", down: "true", health: "true"}
dns:
  - driver: rfc2136
    zone: example.com
    server: 192.0.2.53
    tsig: {name: lbm, algorithm: hmac-sha256, secret: env:LBMIGRATE_TSIG}
stages: [50, 100]
soak: 10s
soak_limit: 30m
ttl: 60s
cache_margin: 5s
probe:
  - url: http://www.example.com/
    rate: 5
gate: {promote_margin: 5%}
retire: {idle_for: 30s, limit: 2h}
"""
VERBS = sorted(cli.commands)


def one_line(done: Done, code: int) -> str:
    """The error of a command that ended with `code`: one line on stderr, nothing on stdout."""
    assert (done.code, done.out) == (code, ""), done.err
    (line,) = done.err.splitlines()
    assert line.startswith("lbmigrate: ")
    assert line.isprintable()
    return line


# ---------------------------------------------------------------- help


def test_help_names_every_verb_of_the_contract(lbmigrate: Call) -> None:
    done = lbmigrate("--help")
    assert done.code == 0
    issue = (
        "check plan start shift run tick approve pause resume finish rollback abandon status history rehearse schema "
        "completion"
    )
    assert set(VERBS) >= set(issue.split())
    assert all(re.search(rf"^  {verb} ", done.out, re.MULTILINE) for verb in VERBS)
    assert "A typical migration:" in done.out


def test_every_verb_is_in_one_group() -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_and_its_flags(lbmigrate: Call, verb: str) -> None:
    done = lbmigrate(verb, "--help")
    assert done.code == 0
    assert f"Usage: lbmigrate {verb}" in done.out
    command = cli.commands[verb]
    assert command.help
    assert all(option.help for option in command.params if isinstance(option, click.Option))
    flags = [option for option in command.params if isinstance(option, click.Option)]
    needy = [o for o in command.params if o.required or isinstance(o, click.Argument)]
    assert not needy or "Example" in done.out
    assert {"--config", "--verbose", "--quiet", "--output"} <= {name for o in flags for name in o.opts}


def test_version(lbmigrate: Call) -> None:
    assert lbmigrate("--version").out == f"lbmigrate {__version__}\n"


def test_no_command_shows_the_help(lbmigrate: Call) -> None:
    done = lbmigrate()
    assert "Usage: lbmigrate" in done.out + done.err


def test_schema_is_json_and_completions_name_the_program(lbmigrate: Call) -> None:
    assert lbmigrate("schema").json()["properties"]["migration"]
    for shell in ("bash", "zsh", "fish"):
        assert "_LBMIGRATE_COMPLETE" in lbmigrate("completion", shell).out


# ---------------------------------------------------------------- misuse


@pytest.mark.parametrize("weight", ["-1", "101", "NaN", "25%", "25.0", "2.5e1", "", "٢٥", "1_0", "+5", " 5"])
def test_a_weight_that_is_none_is_refused(lbmigrate: Call, weight: str) -> None:
    assert "no whole number from 0 to 100" in one_line(lbmigrate("shift", f"--weight={weight}"), 2)


MISUSES = [
    (("statsu",), "Did you mean one of: 'start', 'status'?"),
    (("shift", "--wieght", "5"), "'--weight'"),
    (("shift",), "Missing option '--weight'"),
    (("status", "extra"), "unexpected extra argument"),
    (("-o", "xml", "status"), "'xml' is not one of 'text', 'json'"),
    (("tick", "--for", "5"), "write 5s"),
    (("completion", "tcsh"), "'bash', 'zsh', 'fish'"),
    (("finish",), "give --yes"),
    (("rollback",), "give --yes"),
    (("rollback", "--from-dns"), "give --yes"),
    (("resume", "--accept-drift", "--restore"), "exclude each other"),
]


@pytest.mark.parametrize(("argv", "why"), MISUSES, ids=[" ".join(row[0]) for row in MISUSES])
def test_a_misuse_is_one_line_and_exit_2(lbmigrate: Call, argv: tuple[str, ...], why: str) -> None:
    Path("lbmigrate.yaml").write_text(CONFIG)
    assert why in one_line(lbmigrate(*argv), 2)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("completion", "rehearse", "schema")])
def test_a_missing_config_is_one_line_and_exit_2(lbmigrate: Call, verb: str) -> None:
    more = {"shift": ["--weight", "50"], "finish": ["--yes"], "rollback": ["--yes"]}.get(verb, [])
    assert "'lbmigrate.yaml': reading the config: No such file" in one_line(lbmigrate(verb, *more), 2)


JSON_ERRORS = [
    ("-o", "json", "status"),
    ("status", "-o", "json"),
    ("status", "-ojson"),
    ("status", "--output=json"),
    ("shift", "--weight", "101", "-o", "json"),
    ("shift", "--wieght", "1", "--output", "json"),
    ("-o", "json", "statsu"),
]


@pytest.mark.parametrize("argv", JSON_ERRORS)
def test_an_error_in_json_is_one_document(lbmigrate: Call, argv: tuple[str, ...]) -> None:
    done = lbmigrate(*argv)
    assert done.code == 2
    doc = done.json()
    assert list(doc) == ["outcome", "code", "message"]
    assert (doc["outcome"], doc["code"]) == ("usage", 2)
    assert doc["message"] in done.err


def test_global_flags_stand_before_and_after_the_command(lbmigrate: Call) -> None:
    Path("other.yaml").write_text(CONFIG)
    for argv in (("-c", "other.yaml", "-o", "json", "status"), ("status", "-c", "other.yaml", "-o", "json")):
        assert lbmigrate(*argv).json()["phase"] == "none"
    one_line(lbmigrate("-c", "other.yaml", "status", "-c", "none.yaml"), 2)


def test_the_config_comes_from_the_environment_where_no_flag_says_otherwise(
    lbmigrate: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("other.yaml").write_text(CONFIG)
    monkeypatch.setenv("LBMIGRATE_CONFIG", "other.yaml")
    assert lbmigrate("status").code == 0


def test_an_error_in_the_config_is_told_with_file_and_line_and_nothing_that_a_terminal_obeys(lbmigrate: Call) -> None:
    Path("lbmigrate.yaml").write_text(CONFIG + '"\\x1b[31mstages\\u202e": 5\n')
    done = lbmigrate("plan")
    assert done.code == 2
    assert "lbmigrate.yaml:20" in done.err
    assert all(line.isprintable() for line in done.err.splitlines())


def test_a_journal_of_another_migration_is_refused(lbmigrate: Call) -> None:
    from contextlib import closing

    from lbmigrate.events import FORMAT, Opened
    from lbmigrate.journal.sqlite import SqliteJournal

    Path("lbmigrate.yaml").write_text(CONFIG)
    with closing(SqliteJournal(".lbmigrate/journal.db")) as journal:
        assert journal.append(1, 1.0, "here", Opened(FORMAT, "\x1b[31mother"))
    assert "belongs to the migration" in one_line(lbmigrate("status"), 2)


def test_a_damaged_journal_is_one_line_and_exit_1(lbmigrate: Call) -> None:
    Path("lbmigrate.yaml").write_text(CONFIG)
    Path(".lbmigrate").mkdir()
    Path(".lbmigrate/journal.db").write_bytes(b"no database at all, but long enough" * 99)
    for verb in ("status", "history", "run", "tick"):
        assert "rollback --from-dns" in one_line(lbmigrate(verb), 1)


def process(*argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own."""
    command = [sys.executable, "-m", "lbmigrate", *argv]
    whole = {**os.environ, "PYTHONPATH": str(ROOT), **env}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=whole, cwd="/")


def test_a_traceback_is_shown_only_when_asked_for() -> None:
    plain, debug = process("status", "-c", "none"), process("status", "-c", "none", LBMIGRATE_DEBUG="1")
    assert (plain.returncode, len(plain.stderr.splitlines())) == (2, 1)
    assert "Traceback" in debug.stderr


# ---------------------------------------------------------------- verbs by phase


class Time:
    """The module `time` on the virtual clock."""

    def __init__(self, world: World) -> None:
        self.time = world.clock.now


class Ground:
    """A migration on the virtual clock behind the real command line; each command is a process of its own."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.original = Held(NAME, (RRset(NAME, "A", 300, A),))
        self.world = World(1, (self.original,), Faults())
        self.journal = MemoryJournal(self.world.hook)

    def parts(self, config: object = None, under_way: bool = False) -> Parts:
        """What a command works with."""
        del config, under_way
        return parts(self.world, A, B, 5.0, 1, True)

    def __call__(self, *argv: str) -> Done:
        """One command."""
        return self._call(*argv)

    def asked(self) -> list[str]:
        """What operators asked for so far."""
        return [entry.event.verb for entry in self.journal.entries if isinstance(entry.event, Asked)]

    def status(self) -> Any:
        """The status document."""
        return self("-o", "json", "status").json()


@pytest.fixture
def ground(lbmigrate: Call, monkeypatch: pytest.MonkeyPatch) -> Ground:
    Path("lbmigrate.yaml").write_text(CONFIG)
    made = Ground(lbmigrate)
    monkeypatch.setattr(assemble, "parts", made.parts)
    monkeypatch.setattr(assemble, "zones", lambda _: made.parts().zones)
    for module in (work, seeing):
        monkeypatch.setattr(module, "connect", lambda *_: made.journal)
    for timed in (said, seeing, driving):
        monkeypatch.setattr(timed, "time", Time(made.world))
    return made


def nothing(ground: Ground) -> None:
    """No attempt yet."""
    del ground


def under_way(ground: Ground) -> None:
    """The first stage is judged."""
    assert ground("start").code == 0


def rolled_back(ground: Ground) -> None:
    """Back on A."""
    under_way(ground)
    assert ground("rollback", "--yes").code == 0


def done(ground: Ground) -> None:
    """A is retired."""
    assert ground("run").code == 0


PHASES: dict[str, Callable[[Ground], None]] = {
    "none": nothing, "under way": under_way, "rolled back": rolled_back, "done": done
}  # fmt: skip
COMMANDS = {
    "start": ("start",), "run": ("run",), "tick": ("tick", "--for", "5s"), "shift": ("shift", "--weight", "100"),
    "finish": ("finish", "--yes"), "rollback": ("rollback", "--yes"),
}  # fmt: skip
TABLE = {  # contract.md, "Verbs by phase": exit code, and the phase that it leads to
    "none": {"start": (0, "soaking"), "run": (0, "done"), "tick": (0, "none"),
             "shift": (6, "none"), "finish": (6, "none"), "rollback": (6, "none")},
    "under way": {"start": (0, "soaking"), "run": (0, "done"), "tick": (0, "soaking"),
                  "shift": (0, "soaking"), "finish": (0, "done"), "rollback": (0, "rolled-back")},
    "rolled back": {"start": (0, "soaking"), "run": (3, "rolled-back"), "tick": (0, "rolled-back"),
                    "shift": (6, "rolled-back"), "finish": (6, "rolled-back"), "rollback": (0, "rolled-back")},
    "done": {"start": (6, "done"), "run": (0, "done"), "tick": (0, "done"),
             "shift": (6, "done"), "finish": (0, "done"), "rollback": (6, "done")},
}  # fmt: skip
CELLS = [(phase, verb, *TABLE[phase][verb]) for phase in TABLE for verb in TABLE[phase]]


@pytest.mark.parametrize(("phase", "verb", "code", "after"), CELLS)
def test_verbs_by_phase(ground: Ground, phase: str, verb: str, code: int, after: str) -> None:
    PHASES[phase](ground)
    before = len(ground.journal.entries)
    found = ground(*COMMANDS[verb])
    assert found.code == code, found.err
    status = ground.status()
    if (phase, verb) in (("under way", "tick"), ("under way", "shift"), ("none", "start"), ("rolled back", "start")):
        assert status["phase"] in (after, "shifting", "draining")
        assert status["outcome"] is None
    else:
        assert status["phase"] == after
    if code == 6 or status["phase"] == "none":
        assert len(ground.journal.entries) == before
    if code:
        assert "\n" not in found.err.strip()
    if (phase, verb) == ("done", "start"):
        assert "swap a and b" in found.err


def test_a_start_under_way_goes_on_with_what_start_does(ground: Ground) -> None:
    assert ground("start", "--no-wait").code == 0
    assert ground.status()["phase"] == "preparing"
    assert ground("start").code == 0
    assert ground.status()["weight"] == 50


def test_after_a_rollback_the_records_are_the_originals(ground: Ground) -> None:
    rolled_back(ground)
    assert ground.world.records[NAME] == ground.original
    assert not ground.world.up["b"]


@pytest.mark.parametrize(("keep", "up"), [((), False), (("--keep-b",), True)])
def test_rollback_takes_b_down_unless_it_is_kept(ground: Ground, keep: tuple[str, ...], up: bool) -> None:
    under_way(ground)
    assert ground("rollback", "--yes", *keep).code == 0
    assert ground.world.up["b"] is up


TAKEN_DOWN = "lbmigrate: B is taken down by the config that the journal holds"
BROKEN = [
    ("yaml:3: not YAML", CONFIG.replace("[192.0.2.10]}", "[192.0.2.10}")),
    ("yaml:1: byte 0xe9 is not UTF-8", CONFIG.replace("web", "web  # caf\xe9", 1)),
    ("yaml:10: unknown key 'staged'", CONFIG.replace("stages:", "staged:")),
    ("the key `stages` is missing", "migration: web\n"),
    ("not YAML", "# journal: sqlite:old.db\nmigration: web\n[]\n"),
]


@pytest.mark.parametrize(("told", "text"), BROKEN)
def test_a_config_that_is_broken_by_now_does_not_stop_a_rollback(ground: Ground, told: str, text: str) -> None:
    under_way(ground)
    Path("lbmigrate.yaml").write_bytes(text.encode("latin-1"))
    assert ground("-q", "run").code == 2
    found = ground("-q", "rollback", "--yes")
    assert (found.code, found.out) == (0, "web: rolled-back\n")
    assert ground.world.records[NAME] == ground.original
    assert not ground.world.up["b"]
    assert told in found.err
    *wrong, last = found.err.splitlines()
    assert all(line.startswith("lbmigrate: lbmigrate.yaml:") for line in wrong)
    assert last == TAKEN_DOWN


def test_a_config_that_is_gone_does_not_stop_a_rollback_by_the_journal_beside_it(ground: Ground) -> None:
    under_way(ground)
    Path("lbmigrate.yaml").unlink()
    assert "reading the config" in one_line(ground("-q", "run"), 2)
    asked = ground("-q", "rollback", "--yes", "--dry-run")
    assert (asked.code, asked.out) == (0, "would ask for: rollback; nothing was changed\n")
    assert ground.world.records[NAME] != ground.original
    found = ground("-q", "rollback", "--yes")
    assert (found.code, found.out) == (0, "web: rolled-back\n")
    assert ground.world.records[NAME] == ground.original
    first, *_, last = found.err.splitlines()
    assert first.startswith("lbmigrate: lbmigrate.yaml is gone; sqlite:")
    assert first.endswith(".lbmigrate/journal.db holds the migration web")
    assert last == TAKEN_DOWN


@pytest.mark.parametrize(
    ("argv", "text", "told"),
    [
        (("-c", "webb.yaml"), None, "name the file with -c"),
        ((), CONFIG.replace("migration: web", 'migration: "web').replace("[50", "50"), "not YAML"),
        ((), CONFIG.replace("stages: [", "journal: [sqlite:x\nstages: ["), "not YAML"),
        ((), CONFIG.replace("migration: web", "migration: another").replace("[50", "50"), "belongs to the migration"),
    ],
)
def test_where_the_journal_cannot_be_told_from_the_config_a_rollback_leaves_everything(
    ground: Ground, argv: tuple[str, ...], text: str | None, told: str
) -> None:
    under_way(ground)
    before = ground.world.records[NAME], len(ground.journal.entries)
    if text is not None:
        Path("lbmigrate.yaml").write_text(text)
    assert told in one_line(ground("-q", *argv, "rollback", "--yes"), 2)
    assert (ground.world.records[NAME], len(ground.journal.entries)) == before


def test_without_config_and_migration_a_rollback_says_that_the_config_is_not_there(lbmigrate: Call) -> None:
    assert "reading the config" in one_line(lbmigrate("rollback", "--yes"), 2)
    assert not Path(".lbmigrate").exists()


@pytest.mark.parametrize("verb", ["plan", "check", "start"])
def test_what_is_done_is_told_with_the_two_ways_on_and_not_as_strange_addresses(ground: Ground, verb: str) -> None:
    done(ground)
    said = one_line(ground(verb), 6)
    assert (
        "web is done: the names lead to B; to go back swap a and b in the config, to go on to another balancer" in said
    )


def test_a_start_during_a_rollback_says_so_and_how_to_follow_it(ground: Ground) -> None:
    under_way(ground)
    assert ground("rollback", "--yes", "--no-wait").code == 0
    for words in (("start",), ("start", "--no-wait"), ("start", "--dry-run")):
        said = ground(*words)
        assert said.code == 0
        assert said.out.startswith("web: a rollback is under way at 0 %, next: ")
        assert said.out.endswith(
            "follow it: lbmigrate run, or look: lbmigrate status; when it is over begin anew: lbmigrate start\n"
        )
    assert "a rollback is under way at 0 %" in ground("plan").err
    assert ground("run").code == 0
    assert ground.status()["phase"] == "rolled-back"


def test_status_still_shows_the_stages_that_were_passed_before_a_shift(ground: Ground) -> None:
    under_way(ground)
    assert ground("shift", "--weight", "100").code == 0
    listed = [line.strip() for line in ground("status").out.splitlines() if line.startswith(("  x ", "  > "))]
    assert listed[4:] == ["x weight 50", "x soak at 50", "x weight 100", "x soak at 100", "> prove A idle"]


def test_a_bad_b_is_exit_3_once_and_a_new_start_is_a_new_attempt(ground: Ground) -> None:
    under_way(ground)
    ground.world.sick["b"] = lambda _: 1.0
    assert "rolled back, traffic is on A" in ground("run", "-q").err
    assert ground("run").code == 3
    assert (ground("tick").code, ground("status", "--exit-code").code) == (0, 3)
    ground.world.sick["b"] = lambda _: 0.0
    assert ground("start").code == 0
    assert ground.status()["weight"] == 50


def test_a_tick_says_3_in_the_tick_in_which_it_happens(ground: Ground) -> None:
    under_way(ground)
    ground.world.sick["b"] = lambda _: 1.0
    codes = [ground("tick", "--for", "60s").code for _ in range(12)]
    assert codes.count(3) == 1
    assert set(codes) == {0, 3}


def test_a_b_that_is_dead_on_arrival_is_exit_6_and_the_zone_as_it_was(ground: Ground) -> None:
    ground.world.sick["b"] = lambda _: 1.0
    found = ground("-q", "start")
    assert found.code == 6
    assert "mend B" in one_line(found, 6)
    assert ground.world.records[NAME] == ground.original


def test_an_a_that_dies_is_a_hold_exit_4_after_soak_limit_and_finish_takes_all_to_b(ground: Ground) -> None:
    under_way(ground)
    ground.world.sick["a"] = lambda _: 1.0
    assert "lbmigrate finish" in one_line(ground("-q", "run"), 4)
    assert (ground("status", "--exit-code").code, ground("tick", "--for", "5s").code) == (4, 0)
    assert ground("finish", "--yes").code == 0
    assert ground.status()["phase"] == "done"


def test_drift_is_exit_5_with_both_ways_on(ground: Ground) -> None:
    under_way(ground)
    foreign = RRset(NAME, "A", 60, ("192.0.2.77",))
    mine = ground.world.records[NAME]
    ground.world.records[NAME] = Held(NAME, (foreign,), mine.fence)
    line = one_line(ground("-q", "run"), 5)
    assert "192.0.2.77" in line
    assert "resume --accept-drift" in line
    assert "resume --restore" in line
    assert (ground("status", "--exit-code").code, ground("tick", "--for", "5s").code) == (5, 0)
    assert "rollback --restore" in one_line(ground("-q", "rollback", "--yes"), 5)
    assert ground.world.records[NAME].rrsets == (foreign,)
    assert ground("resume", "--restore").code == 0
    assert ground.world.records[NAME].rrsets == mine.rrsets
    assert ground("run").code == 0


def test_drift_that_is_accepted_is_gone_on_from(ground: Ground) -> None:
    under_way(ground)
    mine = ground.world.records[NAME]
    ground.world.records[NAME] = Held(NAME, (RRset(NAME, "A", 60, B),), mine.fence)
    assert ground("-q", "run").code == 5
    assert ground("resume", "--accept-drift").code == 0
    assert ground("run").code == 0


def test_rollback_restore_overwrites_drift(ground: Ground) -> None:
    under_way(ground)
    mine = ground.world.records[NAME]
    ground.world.records[NAME] = Held(NAME, (RRset(NAME, "A", 60, ("192.0.2.77",)),), mine.fence)
    assert ground("-q", "run").code == 5
    assert ground("rollback", "--yes", "--restore").code == 0
    assert ground.world.records[NAME] == ground.original


def test_pause_and_resume(ground: Ground) -> None:
    under_way(ground)
    assert ground("pause").code == 0
    assert ground("tick", "--for", "5m").code == 0
    assert (ground.status()["phase"], ground.status()["weight"]) == ("paused", 50)
    assert ground("resume").code == 0
    assert ground("run").code == 0


def test_a_stage_that_asks_for_approval_waits_for_it(ground: Ground) -> None:
    text = CONFIG.replace("[50, 100]", "[{weight: 50, approve: true}, 100]")
    Path("lbmigrate.yaml").write_text(text)
    assert ground("start", "--no-wait").code == 0
    for _ in range(20):
        assert ground("tick").code == 0
    assert (ground.status()["weight"], "approv" in ground.status()["next"]) == (50, True)
    assert ground("approve").code == 0
    assert ground("run").code == 0
    assert ground.asked() == ["approve"]


def test_shift_before_the_stage_is_judged_needs_force(ground: Ground) -> None:
    assert ground("start", "--no-wait").code == 0
    assert "--force" in one_line(ground("-q", "shift", "--weight", "100"), 6)
    assert ground("shift", "--weight", "100", "--force").code == 0
    assert ground.status()["weight"] == 100


def test_a_weight_that_is_not_attainable_is_refused_with_those_that_are(ground: Ground) -> None:
    under_way(ground)
    assert "0, 50, 100" in one_line(ground("-q", "shift", "--weight", "25"), 6)
    assert ground("shift", "--weight", "70", "--nearest").code == 0
    assert ground.status()["weight"] == 50


@pytest.mark.parametrize(
    "argv",
    [("start", "--dry-run"), ("run", "--dry-run"), ("plan",), ("check",), ("status",), ("history",)],
)
def test_a_look_or_a_dry_run_writes_nothing(ground: Ground, argv: tuple[str, ...]) -> None:
    ground(*argv)
    assert ground.journal.entries == []
    assert ground.world.sent == []


@pytest.mark.parametrize("verb", ["shift", "finish", "rollback", "abandon"])
def test_a_dry_run_under_way_changes_nothing(ground: Ground, verb: str) -> None:
    under_way(ground)
    before = (ground.asked(), len(ground.world.sent), ground.world.records[NAME])
    more = ("--weight", "100") if verb == "shift" else ()
    found = ground(verb, "--dry-run", *more)
    assert (found.code, "nothing was changed" in found.out) == (0, True)
    assert (ground.asked(), len(ground.world.sent), ground.world.records[NAME]) == before


def test_only_the_reviewed_plan_runs(ground: Ground) -> None:
    digest = ground("-o", "json", "plan").json()["plan"]
    assert "not the one reviewed" in one_line(ground("-q", "start", "--digest", "sha256:0"), 6)
    assert ground.journal.entries == []
    assert ground("start", "--digest", digest).code == 0
    assert "not the one reviewed" in one_line(ground("-q", "shift", "--weight", "100", "--digest", "sha256:0"), 6)
    assert ground.status()["plan"] == digest


def test_an_edited_config_is_a_hold_with_the_difference_until_it_agrees_again(ground: Ground) -> None:
    under_way(ground)
    Path("lbmigrate.yaml").write_text(CONFIG.replace("ttl: 60s", "ttl: 30s"))
    assert ground("tick", "--for", "20s").code == 0
    assert (ground.status()["phase"], ground.status()["weight"]) == ("held", 50)
    assert "ttl: 60 → 30" in ground("status").out
    Path("lbmigrate.yaml").write_text(CONFIG.replace("soak: 10s", "soak: 12s"))
    assert ground("run").code == 0


def test_abandon_removes_the_fence_and_touches_nothing_else(ground: Ground) -> None:
    under_way(ground)
    values = ground.world.records[NAME].rrsets
    found = ground("abandon")
    assert found.code == 0, found.err
    assert ground.world.records[NAME] == Held(NAME, values)
    assert "left running: B" in found.out
    assert ground.status()["phase"] == "failed"


def test_rollback_from_dns_needs_no_journal(ground: Ground) -> None:
    under_way(ground)
    ground.journal.entries.clear()
    assert ground("rollback", "--yes", "--from-dns", "--dry-run").code == 0
    assert ground.world.records[NAME] != ground.original
    assert ground("rollback", "--yes", "--from-dns").code == 0
    assert ground.world.records[NAME] == ground.original
    assert "no fence, left as it is" in ground("rollback", "--yes", "--from-dns").out


def test_a_claim_that_this_journal_does_not_know_is_refused_with_the_way_out(ground: Ground) -> None:
    under_way(ground)
    ground.journal.entries.clear()
    assert "rollback --from-dns" in one_line(ground("-q", "start"), 6)


def test_run_in_json_is_one_line_per_event_and_a_last_document(ground: Ground) -> None:
    lines = [json.loads(line) for line in ground("-q", "-o", "json", "run").out.splitlines()]
    events, last = lines[:-1], lines[-1]
    assert [line["seq"] for line in events] == list(range(1, len(events) + 1))
    assert (last["outcome"], last["code"], last["status"]["phase"]) == ("ok", 0, "done")


@pytest.mark.parametrize("verb", ["start", "shift", "finish", "rollback", "abandon", "pause", "approve", "resume"])
def test_a_verb_that_moves_something_prints_one_document_in_json(ground: Ground, verb: str) -> None:
    if verb == "approve":
        Path("lbmigrate.yaml").write_text(CONFIG.replace("[50, 100]", "[50, {weight: 100, approve: true}]"))
    if verb != "start":
        under_way(ground)
    more = {"shift": ("--weight", "0"), "finish": ("--yes",), "rollback": ("--yes",)}.get(verb, ())
    doc = ground("-q", "-o", "json", verb, *more).json()
    assert (doc["outcome"], doc["code"], doc["status"]["migration"]) == ("ok", 0, "web")


SHORT = [
    ("none", ("status",)),
    ("none", ("plan",)),
    ("none", ("check",)),
    ("none", ("policy",)),
    ("none", ("start", "--dry-run")),
    ("under way", ("shift", "--weight", "100", "--dry-run")),
    ("done", ("run",)),
    ("done", ("finish", "--yes")),
    ("done", ("history", "--verify")),
    ("rolled back", ("rollback", "--yes")),
    ("under way", ("rollback", "--yes", "--from-dns")),
]


@pytest.mark.parametrize(("phase", "argv"), SHORT)
def test_every_result_in_json_is_one_document(ground: Ground, phase: str, argv: tuple[str, ...]) -> None:
    PHASES[phase](ground)
    assert ground("-o", "json", *argv).json()


def test_history_is_readable_and_verified(ground: Ground) -> None:
    done(ground)
    lines = ground("history").out.splitlines()
    assert any("finished: done" in line for line in lines)
    assert "every one follows" in ground("history", "--verify").out
    rows = [json.loads(line) for line in ground("-o", "json", "history").out.splitlines()]
    assert [row["seq"] for row in rows] == list(range(1, len(ground.journal.entries) + 1))


@pytest.mark.parametrize("moment", [15, 40, 60, 90])
def test_a_command_that_was_killed_is_gone_on_from_by_the_next_tick_without_a_flag(ground: Ground, moment: int) -> None:
    left = moment

    def die(_: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Crash

    ground.world.watch = die
    with pytest.raises(Crash):
        ground("run")
    ground.world.clock.sleep(11)
    for _ in range(60):
        assert ground("tick").code == 0
    assert ground.status()["phase"] == "done"


def at_work_elsewhere(ground: Ground) -> None:
    """A worker on another machine holds the lease."""
    entry = ground.journal.entries[-1]
    elsewhere = Worker("elsewhere", 1, 1, "")
    assert ground.journal.append(entry.n + 1, ground.world.clock.now(), worker_id(elsewhere), Took(elsewhere))


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("start", "--no-wait"), 7),
        (("shift", "--weight", "100", "--no-wait"), 7),
        (("finish", "--yes", "--no-wait"), 7),
        (("tick",), 0),
        (("rollback", "--yes", "--no-wait"), 0),
        (("shift", "--weight", "100"), 0),
        (("run",), 0),
        (("pause",), 0),
    ],
)
def test_busy_is_said_only_with_no_wait_and_never_by_rollback_or_tick(
    ground: Ground, argv: tuple[str, ...], code: int
) -> None:
    under_way(ground)
    at_work_elsewhere(ground)
    before = len(ground.journal.entries)
    found = ground("-q", *argv)
    assert found.code == code, found.err
    if code == 7:
        assert "another process is at work" in one_line(found, 7)
        assert len(ground.journal.entries) == before


def test_a_hold_for_good_stays_until_resume(ground: Ground) -> None:
    under_way(ground)
    entry = ground.journal.entries[-1]
    assert ground.journal.append(entry.n + 1, entry.at, "x", Hold("both", "for a test", True))
    assert "for a test" in one_line(ground("-q", "run"), 4)
    assert ground("resume").code == 0
    assert ground("run").code == 0
    weights = [e.event.step.weight for e in ground.journal.entries
               if isinstance(e.event, Began) and isinstance(e.event.step, Write) and e.event.step.target == "weight"]  # fmt: skip  # noqa: E501
    assert weights == [50, 100]


def test_an_edited_side_is_held_and_the_plan_s_own_side_is_what_is_looked_at(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way(ground)
    used: list[Any] = []

    def made(chosen: Any, _: bool) -> Parts:
        used.append(chosen.bound.b.addresses)
        return ground.parts()

    monkeypatch.setattr(assemble, "parts", made)
    Path("lbmigrate.yaml").write_text(CONFIG.replace(B[0], "192.0.2.77"))
    ground("-q", "tick", "--for", "20s")
    assert used == [B]
    assert "192.0.2.77" in str(ground("status").out)
    assert ground.status()["phase"] == "held"


def test_after_done_the_same_config_is_refused_and_a_swapped_one_begins_the_way_back(ground: Ground) -> None:
    done(ground)
    assert "swap a and b" in one_line(ground("start"), 6)
    file = Path("lbmigrate.yaml")
    swapped = file.read_text().replace(A[0], "x.x").replace(B[0], A[0]).replace("x.x", B[0])
    file.write_text(swapped)
    assert "swap a and b" not in ground("start", "--dry-run").err
    assert "another plan by now; begin it: lbmigrate start" in one_line(ground("run"), 6)
    file.write_text(CONFIG.replace("[50, 100]", "[100]"))
    assert ground("run").code == 0


def test_a_look_finds_drift_that_nobody_has_met_yet(ground: Ground) -> None:
    under_way(ground)
    mine = ground.world.records[NAME]
    strange = RRset(NAME, "A", mine.rrsets[0].ttl, ("192.0.2.99",))
    ground.world.records[NAME] = Held(NAME, (strange,), mine.fence)
    assert ground("status", "--exit-code").code == 8
    seen = ground("status", "--live", "--exit-code")
    assert seen.code == 5
    assert "192.0.2.99" in seen.out
    assert ground("status", "--undo").out.startswith("# somebody else changed these names")


def test_without_its_journal_a_rollback_says_how_it_goes_without(ground: Ground) -> None:
    under_way(ground)
    ground.journal.entries.clear()
    assert "rollback --from-dns" in one_line(ground("rollback", "--yes"), 6)
    assert "rollback --from-dns" in ground("status", "--undo").out


def test_what_was_abandoned_is_the_operators_own(ground: Ground) -> None:
    under_way(ground)
    assert ground("abandon", "--yes").code == 0
    assert "yours to put right" in one_line(ground("rollback", "--yes"), 6)
