"""State as a document, as text, and as the commands that undo by hand."""

import json
import re
import subprocess
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from servers import HOST, KEY, ORIGIN, named, program
from states import ME, NAME, NOW, PLAN, A, B, at, bound, clock, entries, held, known_at, rrset, seen, side, soft, told

from lbmigrate import plan as plans
from lbmigrate.dns.rfc2136 import Rfc2136
from lbmigrate.document import document, each, following, ttl_of
from lbmigrate.events import (
    FORMAT,
    Asked,
    Began,
    Changed,
    Cleared,
    Configured,
    Ended,
    Entry,
    Event,
    Finished,
    Hold,
    Left,
    Opened,
    Passed,
    Saw,
    Seen,
    Started,
    Took,
    TurnedBack,
)
from lbmigrate.fold import Flight, Standing, State, fold
from lbmigrate.model import Applied, Records, Side
from lbmigrate.plan import Drain, Prove, Soak, StandUp, Stop, Turn, Write
from lbmigrate.render import entry_json, entry_text, plan_text, status_text, steps_text
from lbmigrate.schedule import rows, schedule
from lbmigrate.spec import Bound, Dns, Retire, Stage, Tsig
from lbmigrate.undo import commands, leftovers
from lbmigrate.value import replace
from lbmigrate.words import iso, safe, span, tell_step, weights

CLAIM, HALF, FULL, RELEASE = Write(0, "claim"), Write(0, "weight", 50), Write(0, "weight", 100), Write(0, "release")
KEYS = {  # the contract's status document
    "migration": None, "workflow": None, "phase": None, "outcome": None, "weight": None, "stage": None, "stages": None,
    "fence": None, "plan": None, "names": ["name", "zone", "scheme", "ttl", "asked", "attained", "served"],
    "sides": ["a", "b"], "observed": None, "controls": None,
    "gate": ["alarm", "alarm_at", "promote", "promote_at", "pairs"], "caches_turn_at": None, "watched_seconds": None,
    "next": None, "undo_by": None, "last_event": ["seq", "at", "event"],
}  # fmt: skip
HOSTILE = "\x1b[31mred\x07\r\n\u202e\x9b2J"


# ---------------------------------------------------------------- the status document


def soaking(**look: Any) -> State:
    counts = {"a": side(requests=9000, total=8120, active=12), "b": side(requests=3000, total=2702, active=4)}
    return at(Soak(50), look={**counts, **look}, base=(20, 2), digest="sha256:ab", last="Began", last_at=NOW - 5)


def test_the_document_has_exactly_the_keys_of_the_contract() -> None:
    doc = document(soaking(), NOW)
    assert list(doc) == [*KEYS, "worker"]
    assert list(doc["names"][0]) == KEYS["names"]
    assert list(doc["gate"]) == KEYS["gate"]
    assert list(doc["last_event"]) == KEYS["last_event"]
    assert list(doc["sides"]) == KEYS["sides"]
    assert all(list(one) == ["verdict", "addresses", "requests", "active"] for one in doc["sides"].values())
    json.dumps(doc, allow_nan=False)


def test_the_document_says_where_it_stands() -> None:
    doc = document(soaking(), NOW)
    assert (doc["migration"], doc["workflow"], doc["phase"], doc["outcome"]) == ("web", "migrate", "soaking", None)
    assert (doc["weight"], doc["stage"], doc["stages"], doc["fence"]) == (50, 0, [50, 100], 7)
    assert doc["names"] == [
        {"name": NAME, "zone": "example.com.", "scheme": "addresses", "ttl": 60,
         "asked": 50, "attained": 50, "served": 50.0}
    ]  # fmt: skip
    assert doc["sides"]["a"] == {"verdict": "ok", "addresses": list(A), "requests": 8100, "active": 12}
    assert doc["observed"] == 25.0
    assert doc["gate"] == {"alarm": 0.0, "alarm_at": 100.0, "promote": 25.0, "promote_at": pytest.approx(20.0), "pairs": 400}  # fmt: skip  # noqa: E501
    assert doc["watched_seconds"] == 300
    assert doc["last_event"] == {"seq": 30, "at": iso(NOW - 5), "event": "Began"}


def test_times_are_utc_with_whole_seconds() -> None:
    doc = document(soaking(), NOW)
    assert doc["undo_by"] == "2027-01-15T08:01:05Z"
    for key in ("caches_turn_at", "undo_by"):
        assert datetime.fromisoformat(doc[key]).utcoffset() is not None
    assert iso(None) is None


NULLS: list[tuple[str, State, dict[str, Any]]] = [
    ("nothing begun", State(), dict.fromkeys(
        ("migration", "workflow", "outcome", "weight", "stage", "fence", "plan", "observed", "controls",
         "caches_turn_at", "next", "undo_by", "last_event"))),
    ("no controls given", soaking(controls=None), {"controls": None}),
    ("a server lags", soaking(clock=clock(known_at(0))), {"caches_turn_at": None}),
    ("A has no counters", soaking(a=side(requests=None, active=None)), {"observed": None}),
    ("nobody asked yet", at(Soak(50)), {"observed": None}),
    ("B was never shown", at(StandUp(), weight=0), {"undo_by": None, "stage": None}),
    ("A is retired", at(RELEASE, weight=100, retired=True), {"undo_by": None}),
    ("over", at(Soak(50), outcome="rolled-back"), {"caches_turn_at": None, "next": None, "undo_by": None}),
    ("a weight that is no stage", at(Soak(50), weight=0), {"stage": None}),
    ("not claimed", at(CLAIM, known=PLAN.originals, claimed=()), {"fence": None}),
]  # fmt: skip


@pytest.mark.parametrize(("what", "state", "nulls"), NULLS, ids=[row[0] for row in NULLS])
def test_what_is_not_known_is_null(what: str, state: State, nulls: dict[str, Any]) -> None:
    del what
    doc = document(state, NOW)
    assert {key: doc[key] for key in nulls} == nulls


def test_a_side_without_counters_has_null_for_them() -> None:
    one = document(soaking(a=side("unknown", requests=None, active=None)), NOW)["sides"]["a"]
    assert one == {"verdict": "unknown", "addresses": list(A), "requests": None, "active": None}


def test_served_is_what_the_servers_hand_out_and_null_where_none_answered() -> None:
    half = replace(soaking(), seen=seen(known_at(50), clock=(clock(known_at(0))[0], clock(known_at(50))[1])))
    assert document(half, NOW)["names"][0]["served"] == 25.0
    assert document(soaking(clock=()), NOW)["names"][0]["served"] is None


@pytest.mark.parametrize(
    ("step", "weight", "asked"),
    [(HALF, 0, 50), (FULL, 50, 100), (CLAIM, 0, 0), (RELEASE, 100, 100)],
)
def test_asked_is_the_weight_under_way_attained_the_one_that_is_there(step: Write, weight: int, asked: int) -> None:
    name = document(at(step, weight=weight, flight=Flight(step, 31, NOW)), NOW)["names"][0]
    assert (name["asked"], name["attained"]) == (asked, weight)


NEXT: list[tuple[State, str]] = [
    (soaking(promote=2.0), "wait for evidence: 2.0 of 20, then weight 100"),
    (at(StandUp(), weight=0), "stand B up with every backend, then prove that B answers as A does"),
    (
        at(Soak(50), hold=Standing("a-bad", "A fails", NOW, True)),
        "lbmigrate finish, or lbmigrate resume once A is well",
    ),
    (
        at(Soak(50), hold=Standing("both", "both fail", NOW, False)),
        "go on when the cause of the hold is gone, with: soak",
    ),
    (at(Soak(50), paused=True), "lbmigrate resume"),
    (at(Soak(50), cursor=99), "the end"),
]


@pytest.mark.parametrize(("state", "words"), NEXT)
def test_what_comes_next_is_said_in_words(state: State, words: str) -> None:
    found = following(state)
    assert found is not None
    assert found.startswith(words)


# ---------------------------------------------------------------- text


@pytest.mark.parametrize(
    "state",
    [State(), State(migration="web"), soaking(), at(Soak(50), outcome="done", outcome_why="A is kept"),
     at(Soak(50), hold=Standing("both", "A and B both fail", NOW, False)), at(StandUp(), weight=0)],
)  # fmt: skip
def test_status_for_people_has_every_word_of_the_document(state: State) -> None:
    text = status_text(state, NOW)
    assert "None" not in text
    if state.plan is None:
        assert "lbmigrate start" in text
        return
    assert f"weight {state.weight} %" in text
    assert document(state, NOW)["phase"] in text
    assert (state.hold.why if state.hold else state.outcome) in text


@pytest.mark.parametrize(("count", "first"), [
    (20, "n0000.example.com."), (2000, "n0000.example.com., n0001.example.com., n0002.example.com. and 1996 more"),
])  # fmt: skip
def test_of_very_many_names_those_alike_stand_on_one_line_and_json_has_them_all(count: int, first: str) -> None:
    names = tuple(f"n{number:04}.example.com." for number in range(count))
    plan = plans.build(bound(names=names), tuple(held(rrset(*A, name=name), name=name) for name in names))
    known = known_at(50, plan)
    late = replace(known[-1], rrsets=tuple(replace(r, rdatas=A) for r in known[-1].rrsets))
    state = at(Soak(50), plan=plan, look={"clock": clock((*known[:-1], late)), "at": NOW})
    lines = [line for line in status_text(state, NOW).splitlines() if "asked" in line]
    assert lines[0] == f"  {first}  asked 50 %  served 50.0 %  ttl 60 s"
    assert lines[-1] == f"  {names[-1]}  asked 50 %  served 0.0 %  ttl 60 s"
    assert len(lines) == (20 if count == 20 else 2)
    assert [one["name"] for one in document(state, NOW)["names"]] == list(names)


def test_the_list_of_steps_has_a_mark_at_the_cursor() -> None:
    lines = steps_text(PLAN.forward, 2)
    assert [line[:4] for line in lines[:4]] == ["  x ", "  x ", "  > ", "    "]
    names = ("www.example.com.", "www.sub.example.com.")
    two = plans.build(bound(names=names), tuple(held(rrset(*A, name=name), name=name) for name in names))
    assert len(steps_text(two.forward, 0)) == len(lines)


STEPS = (*PLAN.forward, Write(0, "restore"), Write(0, "abandon"), Drain("b"), Stop("b"), Prove(), Turn())


def test_every_step_has_words_of_its_own() -> None:
    told_ = {tell_step(step) for step in STEPS}
    assert len(told_) == len(set(STEPS))


def test_a_plan_shows_steps_times_and_what_undo_costs() -> None:
    due = schedule(PLAN, soft())
    text = plan_text(PLAN, rows(due, NOW), plans.digest(PLAN), (0, 50, 100))
    assert "attainable weights: 0 50 100\n  www.example.com.  addresses: A 0 50 100\n" in text
    assert plans.digest(PLAN) in text
    words = [line.split("  ")[1].strip() for line in text.splitlines() if line.startswith("  ")]
    assert [tell_step(step) for step in PLAN.forward] == words[2:]
    undo = {one.step: one.undo for one in due}
    assert undo["claim the names, lower the TTL"] == "at once"
    assert undo["soak at 50"] == "complete within 65 s"
    assert undo["restore the TTL, remove the fence"] == "none: A is gone"
    kept = soft(retire=replace(soft().retire, keep=True))
    assert schedule(PLAN, kept)[-1].undo == "none: A is out of use"


@pytest.mark.parametrize(
    ("can", "text"), [((), ""), ((0, 50, 100), "0 50 100"), (range(101), "0..100"), ((0, 1, 3, 4, 5, 9), "0 1 3..5 9")]
)
def test_weights_in_a_row_are_one_range(can: Iterable[int], text: str) -> None:
    assert weights(can) == text


def test_a_plan_says_how_each_name_is_moved_and_what_each_of_its_rrsets_attains() -> None:
    names = tuple(f"n{i}.example.com." for i in range(5))
    a4, b4 = tuple(f"192.0.2.{10 + i}" for i in range(4)), tuple(f"192.0.2.{20 + i}" for i in range(4))
    dual = [held(rrset(*a4, name=name), rrset("2001:db8::a", name=name), name=name) for name in names]
    config = bound((*a4, "2001:db8::a"), (*b4, "2001:db8::b"), names=names)
    plan = plans.build(config, tuple(dual))
    text = plan_text(plan, [], "", (0, 50, 100))
    line = "A 0 20 25 40 50 60 75 80 100, AAAA 0 50 100"
    assert f"  n0.example.com., n1.example.com., n2.example.com. and 2 more  addresses: {line}" in text
    assert each(plan)[0]["attainable"] == [0, 50, 100]
    whole = plans.build(
        replace(config, dns=(replace(config.dns[0], scheme="names"),), stages=(Stage(100),)), tuple(dual)
    )
    assert "  names: A 0 20 40 60 80 100" in plan_text(whole, [], "", ())


def test_writes_that_do_the_same_to_several_batches_are_one_line_and_the_mark_stays_on_it() -> None:
    steps = (
        Write(0, "claim"),
        Write(1, "claim"),
        Write(1, "weight", 0),
        Write(0, "weight", 50),
        Write(1, "weight", 50),
    )
    standby = "weight 0: B is at most a standby (SRV: a larger priority number)"
    assert steps_text(steps, 1) == ["  > claim the names, lower the TTL", f"    {standby}", "    weight 50"]
    assert steps_text(steps, 4)[1:] == [f"  x {standby}", "  > weight 50"]


def test_a_plan_counts_the_old_ttl_the_caches_and_the_evidence() -> None:
    own = plans.build(bound(stages=(Stage(50, soak=900.0), 100)), (held(),))
    least = {one.step: one.least for one in schedule(own, soft())}
    assert ttl_of(own) == (300, 60)
    assert least["let caches turn"] == 300 + 5
    assert least["soak at 50"] == 60 + 5 + 900
    alone = plans.build(bound(ttl=None), (held(),))
    assert {one.step: one.least for one in schedule(alone, soft())}["let caches turn"] == 0
    keep = {one.step: one for one in schedule(own, soft(retire=Retire(idle_for=30, limit=40)))}
    rested = keep["soak at 100"].least - 60 - 5  # A may be idle already while the last stage soaks
    assert (keep["prove A idle"].least, keep["prove A idle"].most) == (max(0, 30 - rested), 40)


def test_a_plan_of_several_batches_counts_each_step_once() -> None:
    names = ("www.example.com.", "www.sub.example.com.")
    two = plans.build(bound(names=names), tuple(held(rrset(*A, name=name), name=name) for name in names))
    assert [one.step for one in schedule(two, soft())] == [one.step for one in schedule(PLAN, soft())]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0.0 s"), (0.44, "0.4 s"), (45, "45 s"), (310, "5 min 10 s"), (7500, "2 h 5 min")],
)
def test_a_duration_as_people_write_it(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_what_a_terminal_would_obey_is_made_visible() -> None:
    assert safe(HOSTILE).isprintable()
    assert safe("Grüße, 漢字") == "Grüße, 漢字"


EVENTS: list[tuple[Event, str]] = [
    (Opened(FORMAT, HOSTILE), ""),
    (Took(ME), ""),
    (Left(ME), ""),
    (Configured(soft()), ""),
    (Started("a1", "sha256:" + "0" * 64, PLAN, soft(), ()), "started attempt a1"),
    (Changed(("ttl: " + HOSTILE,)), "the config differs: ttl: "),
    (Changed(()), "the config agrees again"),
    (Began(HALF), "begin: weight 50"),
    (Ended(HALF, "done", HOSTILE), "done: weight 50"),
    (Ended(HALF, "unknown", HOSTILE), "unknown: weight 50: "),
    (Asked("shift", 50), "asked: shift to 50"),
    (Asked("pause"), "asked: pause"),
    (Saw(5.0, "here", (), Seen()), "watched 5.0 s at 0 %: A unknown"),
    (Passed(Drain("a"), HOSTILE), "passed: prove A idle: "),
    (Passed(Turn()), "passed: let caches turn"),
    (TurnedBack("gate", HOSTILE), "turned back: "),
    (Hold("both", HOSTILE), "hold: "),
    (Hold("both", HOSTILE, True), "hold until resumed: "),
    (Cleared(), "hold cleared"),
    (Finished("done", HOSTILE), "finished: done: "),
    (Finished("rolled-back"), "finished: rolled-back"),
]


@pytest.mark.parametrize(("event", "begin"), EVENTS)
def test_every_event_is_one_printable_line(event: Event, begin: str) -> None:
    text = entry_text(Entry(1, NOW, "here", event), State())
    assert text.startswith(begin)
    assert bool(text) == bool(begin)
    assert text.isprintable()


def test_an_entry_as_a_line_of_json() -> None:
    line = entry_json(Entry(31, NOW + 0.25, "here", Began(FULL)), at(FULL, flight=Flight(FULL, 31, NOW)))
    assert line == {
        "seq": 31, "at": "2027-01-15T08:00:00.250Z", "event": "Began", "phase": "shifting", "weight": 100,
        "text": "begin: weight 100",
    }  # fmt: skip


# ---------------------------------------------------------------- undo


def test_with_nothing_claimed_there_is_nothing_to_undo() -> None:
    for state in (at(CLAIM, claimed=()), at(Soak(50), outcome="done")):
        assert commands(state) == "# nothing to undo: no name is claimed"
    assert "lbmigrate rollback --from-dns" in commands(State())


def test_what_the_server_will_refuse_is_said_before_it() -> None:
    drifted = commands(at(Soak(50), look={"drift": (f"{NAME} holds A 192.0.2.99",)}))
    assert drifted.startswith("# somebody else changed these names")
    assert "nsupdate" in drifted
    assert not commands(at(Soak(50))).startswith("# somebody")


def test_what_abandon_leaves_is_said() -> None:
    assert leftovers(State()) == "nothing is left"
    text = leftovers(at(Soak(50)))
    assert f"{NAME} A {A[0]} {B[0]} ttl 60" in text
    assert "left running: B" in text
    assert "left running: B" not in leftovers(at(StandUp(), weight=0, stood=False))


def test_undo_has_conditions_on_value_and_fence() -> None:
    text = commands(at(Soak(50)))
    assert f"prereq yxrrset {NAME} A {A[0]}\nprereq yxrrset {NAME} A {B[0]}\n" in text
    assert f'prereq yxrrset _lbmigrate.{NAME} TXT "lbm1 m=web a=a1 n=7' in text
    assert f"update add {NAME} 300 A {A[0]}\nupdate delete _lbmigrate.{NAME} TXT" in text
    assert "-y" not in text


@pytest.mark.real("named", "nsupdate")
@pytest.mark.parametrize("edited", [False, True])
def test_undo_as_printed_puts_the_zone_back_unless_somebody_changed_it(
    edited: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TSIG", KEY.secret)
    server = named(tmp_path)
    try:
        before = server.records()
        state = _migrated(server.port, ("www.lab.test.", "dual.lab.test.", "odd\\.dot.lab.test."))
        assert server.records() != before
        if edited:
            server.edit(lambda message: message.add("www.lab.test.", 60, "A", "192.0.2.77"))
        middle = server.records()
        _as_printed(commands(state))
        assert server.records() == (middle if edited else before)
    finally:
        server.stop()


def _migrated(port: int, names: tuple[str, ...]) -> State:
    """Claimed, and at weight 100, on the real server; the state that its journal would add up to."""
    tsig = Tsig("lbm", "hmac-sha256", "env:TSIG")
    entry = Dns("rfc2136", ORIGIN, server=HOST, port=port, tsig=tsig, nameservers=(f"{HOST}:{port}",))
    a = ("192.0.2.10", "192.0.2.11", "2001:db8::11", "192.0.2.31")
    sides = Side("sim", a), Side("sim", ("192.0.2.110", "2001:db8::b"))
    with closing(Rfc2136(entry, 2.0, 2.0)) as zone:
        now = zone.read(names)
        plan = plans.build(Bound('we"b\\ 1;', names, *sides, (entry,), (Stage(100),), 60), now.held)
        state = fold(State(), entries(Opened(FORMAT, "web"), Started("a1", "", plan, soft(), ())))
        for step in (CLAIM, FULL):
            state = told(state, Began(step))
            assert state.flight is not None
            new = plans.wanted(plan, "a1", state.flight.n, step)
            assert zone.swap(now, Records(new)) == Applied()
            now = Records(new)
            state = told(state, Ended(step, "done", now=new))
    return state


def _as_printed(text: str) -> None:
    """Run it in a shell with the secret that its comment names; nsupdate refuses what is no input of its own."""
    assert re.search(r"^# SECRET is env:TSIG$", text, re.MULTILINE)
    nsupdate = program("nsupdate")
    script = f"SECRET={KEY.secret}\n" + text.replace("nsupdate -v", f"{nsupdate} -v")
    done = subprocess.run(["/bin/sh"], input=script, text=True, capture_output=True, timeout=20, check=False)
    assert "syntax" not in done.stderr
    assert "invalid" not in done.stderr
