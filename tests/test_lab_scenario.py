"""Scenario files are strict; the ones that ship can be read; and what came of one is judged by tables."""

from pathlib import Path
from typing import Any

import pytest

from lbmigrate.errors import Usage
from lbmigrate.lab import verdict as judge
from lbmigrate.lab.dnswatch import Summary
from lbmigrate.lab.scenario import LIMIT, Act, Bounds, Command, Expect, Fails, Kill, Scenario, deed
from lbmigrate.lab.scenario_file import STAGE_SECONDS, load
from lbmigrate.lab.story import Story, summary

SHIPPED = sorted((Path(__file__).parent.parent / "scenarios").glob("*.yaml"))
EXPECT = "expect: {exit: 0, phase: done, failed: 0, zone: moved, a: retired, b: running}\n"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_scenarios_can_be_read(path: Path) -> None:
    """Every one has a title and an expectation."""
    assert load(path).title


def test_the_seven_scenarios_ship() -> None:
    """The laboratory's own list."""
    asked = {"clean-move", "b-fails-third", "b-dead-on-arrival", "killed-in-mid-shift"}
    assert asked | {"operator-rolls-back", "a-dies", "four-and-four"} <= {path.stem for path in SHIPPED}


def test_more_stages_than_the_file_has_are_given_more_time() -> None:
    path = Path(__file__).parent.parent / "scenarios" / "clean-move.yaml"
    own, five, one = (load(path, {"config": {"stages": each}}) for each in ([50, 100], [1, 5, 25, 50, 100], [100]))
    assert own.limit == load(path).limit == one.limit == LIMIT
    assert five.limit == LIMIT + 3 * STAGE_SECONDS


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "s.yaml"
    path.write_text(text)
    return path


def test_everything_that_a_scenario_can_say(tmp_path: Path) -> None:
    """Each key arrives where it belongs."""
    scenario = load(
        written(
            tmp_path,
            "title: all\nsides: {a: 2, b: 3}\nbackends: {count: 4, runtime_only: 2}\n"
            "dns: {names: [www, api], ttl: 7s, secondary: false, lag: 1s, software: knotd}\n"
            "clients: {rate: 10, keepalive: 0%, stretchers: 100%, stretch: 3s}\n"
            "config: {soak: 3s, stages: [50, 100], retire: {keep: true}, probe: {rate: 2.5}}\n"
            "acts:\n- {when: {phase: soaking, weight: 50}, after: 500ms, do: [b fails 33%, kill the engine]}\n"
            "- {do: run}\n"
            "expect: {exit: 3, phase: rolled-back, zone: unchanged, a: running, b: gone,\n"
            "  failed: {only: b, share: 5%}}\n",
        )
    )
    assert (scenario.a, scenario.b, scenario.backends, scenario.runtime_only) == (2, 3, 4, 2)
    assert (scenario.names, scenario.ttl, scenario.secondary, scenario.lag) == (("www", "api"), 7, False, 1.0)
    assert scenario.software == "knotd"
    assert (scenario.clients.keepalive, scenario.clients.stretchers, scenario.clients.rate) == (0.0, 1.0, 10.0)
    given = {"soak": "3s", "stages": [50, 100], "retire": {"keep": True}, "probe": {"rate": 2.5}}
    assert dict(scenario.config) == given
    assert scenario.acts == (
        Act((Fails("b", 33), Kill("engine")), phase="soaking", weight=50, after=0.5),
        Act((Command(("run",)),)),
    )
    assert scenario.expect.failed == Bounds("b", 0.05)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title: x\n", "s.yaml:1: the key `expect` is missing"),
        (f"title: x\n{EXPECT}actz: []\n", "s.yaml:3: unknown key 'actz'; did you mean `acts`?"),
        (f"title: x\n{EXPECT}acts: [{{do: kill c}}]\n", "s.yaml:3: acts: do: 'kill c' is no act"),
        (f"title: x\n{EXPECT}title: y\n", "s.yaml:3: duplicate key"),
        (f"title: x\n{EXPECT}sides: {{a: 0}}\n", "s.yaml:3: sides: a: '0' is no number of addresses"),
        (f"title: x\n{EXPECT}backends: {{count: 1}}\n", "runtime_only must be smaller"),
        (f"title: x\n{EXPECT}sides: {{b: {{v4: 1, v6: 1}}}}\n", "only one of them has IPv6"),
        (f"title: x\n{EXPECT}clients: {{keepalive: 101%}}\n", "is no part of the clients"),
        (
            "title: x\nexpect: {exit: 9, phase: gone, failed: 1, zone: moved, a: retired, b: running}\n",
            "failed: only 0",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    """File, line, what, what to do."""
    with pytest.raises(Usage) as wrong:
        load(written(tmp_path, text))
    assert words in str(wrong.value)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a fails 0%", Fails("a", 0)),
        ("b fails 100%", Fails("b", 100)),
        ("kill b", Kill("b")),
        ("kill the engine", Kill("engine")),
        ("shift --weight 50", Command(("shift", "--weight", "50"))),
    ],
)
def test_acts_are_words(text: str, wanted: object) -> None:
    """Faults and verbs."""
    assert deed(text) == wanted


def test_an_act_waits_for_all_that_it_names() -> None:
    """Event, phase, weight and text: each where given."""
    act = Act((), event="Began", phase="shifting", weight=50, text="weight")
    event = {"event": "Began", "phase": "shifting", "weight": 50, "text": "begin: weight 50"}
    assert act.due(event)
    for key, other in (("event", "Ended"), ("phase", "soaking"), ("weight", 25), ("text", "claim")):
        assert not act.due({**event, key: other})


# ---------------------------------------------------------------- the verdict

A, B = ("127.77.1.1", "127.77.1.2"), ("127.78.1.1",)
BEFORE = [
    "lab.test. 3600 IN SOA ns1.lab.test. host.lab.test. 1 3600 600 86400 5",
    "note.lab.test. 600 IN TXT \"not ours\"",
    *(f"www.lab.test. 5 IN A {one}" for one in A),
]  # fmt: skip
LATER = [BEFORE[0].replace(" 1 3600", " 9 3600"), BEFORE[1]]
FENCE = '_lbmigrate.www.lab.test. 5 IN TXT "v=1"'


@pytest.mark.parametrize(
    ("after", "wanted"),
    [
        ([*LATER, *BEFORE[2:]], "unchanged"),
        ([*LATER, "www.lab.test. 5 IN A 127.78.1.1"], "moved"),
        ([*LATER, FENCE, "www.lab.test. 2 IN A 127.77.1.1", "www.lab.test. 2 IN A 127.78.1.1"], "shared"),
        ([*LATER, "www.lab.test. 2 IN A 127.78.1.1"], "-www.lab.test. 5 IN A 127.77.1.1;"),
        ([*LATER, *BEFORE[2:], FENCE], f"+{FENCE}"),
        ([LATER[0], *BEFORE[2:]], '-note.lab.test. 600 IN TXT "not ours"'),
        ([BEFORE[0].replace("86400 5", "86400 6"), *BEFORE[1:]], "-lab.test. 3600 IN SOA"),
    ],
)
def test_zone_is_compared_whole(after: list[str], wanted: str) -> None:
    """Only the serial may differ; a TTL, a left fence, a lost neighbour are all seen."""
    found = judge.compare(BEFORE, after, ["www.lab.test."], A, B)
    assert found.startswith(wanted) if wanted[0] in "+-" else found == wanted


def test_both_families_are_compared() -> None:
    """Each family's records move to B's addresses of that family."""
    before = [*LATER, "www.lab.test. 5 IN A 127.77.1.1", "www.lab.test. 5 IN AAAA fd00:77::1"]
    after = [*LATER, "www.lab.test. 5 IN A 127.78.1.1", "www.lab.test. 5 IN AAAA fd00:78::1"]
    sides = ("127.77.1.1", "fd00:77::1"), ("127.78.1.1", "fd00:78::1")
    assert judge.compare(before, after, ["www.lab.test."], *sides) == "moved"
    assert judge.compare(before, [*after[:-1], before[-1]], ["www.lab.test."], *sides) != "moved"


def clients(**given: Any) -> dict[str, Any]:
    return {
        "sent": 100, "ok": 100, "failed": 0, "retried": 2, "fallback": 0, "late": 0,
        "by_side": {"a": 50, "b": 50, "none": 0}, "failed_by_side": {"a": 0, "b": 0, "none": 0}, **given,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("bounds", "failed", "ok"),
    [
        (Bounds(), {"a": 0, "b": 0, "none": 0}, True),
        (Bounds(), {"a": 1, "b": 0, "none": 0}, False),
        (Bounds("b", 0.05), {"a": 0, "b": 5, "none": 0}, True),
        (Bounds("b", 0.05), {"a": 0, "b": 6, "none": 0}, False),
        (Bounds("b", 0.05), {"a": 1, "b": 2, "none": 0}, False),
        (Bounds("b", 0.05), {"a": 0, "b": 0, "none": 0}, False),
        (Bounds("b", 0.05), {"a": 0, "b": 2, "none": 1}, False),
    ],
)
def test_failures_are_bounded_by_side_and_share(bounds: Bounds, failed: dict[str, int], ok: bool) -> None:
    """A fault that nobody felt proves nothing; one that reaches the other side is too much."""
    total = sum(failed.values())
    seen = clients(failed=total, ok=100 - total, failed_by_side=failed)
    expect = Expect(0, "done", bounds, "moved", "retired", "running")
    found = judge.checks(expect, 0, {"phase": "done"}, seen, "moved", {"a": "retired", "b": "running"})
    assert all(one.ok for one in found) is ok


def test_a_client_that_goes_on_to_another_target_met_the_fault() -> None:
    """With SRV a dead side may fail nobody."""
    expect = Expect(0, "done", Bounds("b", 0.05), "moved", "retired", "running")
    for fallen, ok in ((0, False), (7, True)):
        found = judge.checks(
            expect, 0, {"phase": "done"}, clients(fallback=fallen), "moved", {"a": "retired", "b": "running"}
        )
        assert all(one.ok for one in found) is ok


def test_each_expectation_can_fail_alone() -> None:
    """Exit code, phase, zone, A, B, number of requests, and the sum of the books."""
    expect = Expect(0, "done", Bounds(), "moved", "retired", "running", 100)
    good: tuple[Any, ...] = (0, {"phase": "done"}, clients(), "moved", {"a": "retired", "b": "running"})
    assert all(one.ok for one in judge.checks(expect, *good))
    bad = (None, {"phase": "held"}, clients(sent=99), "shared", {"a": "running", "b": "gone"})
    for place, wrong in enumerate(bad):
        given = [*good[:place], wrong, *good[place + 1 :]]
        seen = judge.checks(expect, *given)
        assert not all(one.ok for one in seen), place


def test_a_must_have_been_idle() -> None:
    """The last request at A against the moment its process ended."""
    assert judge.idle(10.0, 15.0, 5.0).ok
    assert not judge.idle(10.0, 14.9, 5.0).ok
    assert not judge.idle(10.0, 0.0, 5.0).ok


def event(second: int, phase: str, weight: int) -> dict[str, Any]:
    return {"at": f"2026-01-01T00:00:{second:02}.000Z", "phase": phase, "weight": weight, "event": "Saw", "text": ""}


def test_spans_are_measured_against_their_floors() -> None:
    """Served: the last answer. Observed: only after honest caches have turned."""
    began = judge.moment(event(0, "preparing", 0))
    events = [event(0, "preparing", 0), event(4, "shifting", 50), event(5, "soaking", 50), event(20, "draining", 100)]
    seconds = [
        {"t": began + second, "by_side": {"a": 2, "b": 0 if second < 8 else 6}} for second in range(1, 22)
    ]  # fmt: skip
    floors = judge.Floors(prepare=3.0, stage=15.0, drain=5.0, turn=3.0)
    prepare, half = judge.spans(
        events, floors, [(began + 5, 50.0, began + 5), (began + 8.9, 100.0, began + 99)], seconds
    )
    assert (prepare.label, prepare.ended - prepare.began, prepare.floor) == ("preparing", 4.0, 3.0)
    assert (half.label, half.ended - half.began, half.floor) == ("50 %", 16.0, 15.0)
    assert (half.asked, half.served, half.observed) == (50, 50.0, 75.0)


def test_a_stage_broken_off_owes_no_floor() -> None:
    """Turned back before its time; and an engine that said nothing has no spans."""
    floors = judge.Floors(prepare=3.0, stage=15.0, drain=5.0, turn=3.0)
    events = [event(4, "soaking", 50), event(6, "rolling-back", 50), event(9, "rolled-back", 50)]
    half, back = judge.spans(events, floors, [], [])
    assert (half.floor, half.served, half.observed) == (None, None, None)
    assert (back.label, back.ended - back.began) == ("rolling-back", 3.0)
    assert judge.spans([], floors, [], []) == ()


def test_the_story_is_told_line_by_line() -> None:
    """Events with words, failures up to twenty, the end, and the summary with what was not as expected."""
    told: list[str] = []
    moments = iter([100.0, *[101.5] * 100])
    story = Story(told.append, lambda: next(moments))
    story.event({"phase": "soaking", "weight": 50, "text": "begin: weight 50", "event": "Began"})
    story.event({"phase": "soaking", "weight": 50, "text": "", "event": "Took"})
    story.event({"outcome": "ok", "code": 0, "message": "done"})
    assert told == [
        "   +1.50 s  engine   soaking       50 %  begin: weight 50",
        "   +1.50 s  engine   ends: ok (exit 0) done",
    ]
    failure = {"t": 3661.5, "client": 7, "address": "127.77.1.1", "side": "a", "reason": "status 503"}
    for _ in range(30):
        story.failure(failure)
    assert told[2] == "   +1.50 s  clients  FAILED at :01.500, client 7, A 127.77.1.1: status 503"
    assert len(told) == 2 + 21
    watch = Summary(10, 10, 0, 0, 0, 1.0, ())
    wrong = judge.Check("exit code", "0", "3", False)
    lines = summary(judge.Verdict("x", (wrong, judge.watched(watch)), (), clients(), watch, 12.0))
    assert "  NO  exit code: 3 (expected 0)" in lines
    assert lines[-1] == "  NOT as expected after 12 s"


def test_a_watch_that_asked_nothing_is_no_proof() -> None:
    """Zero queries, zero errors: not good enough."""
    assert not judge.watched(Summary(0, 0, 0, 0, 0, 0.0, ())).ok
    assert not judge.watched(Summary(5, 4, 1, 0, 0, 0.0, ())).ok


def test_defaults_are_those_of_the_page() -> None:
    """A scenario needs a title and an expectation only."""
    expect = Expect(0, "done", Bounds(), "moved", "retired", "running")
    assert Scenario("s", "t", expect).clients.rate >= 200


HOSTS = (("127.77.1.1", "lb-a.lab.test."), ("127.78.1.1", "lb-b.lab.test."))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("SRV 10 100 80 lb-a.lab.test.", "SRV 10 100 80 lb-b.lab.test."),
        ("CNAME lb-a.lab.test.", "CNAME lb-b.lab.test."),
        ('HTTPS 1 . ipv4hint="127.77.1.1"', 'HTTPS 1 . ipv4hint="127.78.1.1"'),
    ],
)
def test_what_points_to_a_points_to_b_once_moved(before: str, after: str) -> None:
    """And signatures, which are made anew whenever something changes, are no difference."""
    old, new = ([*LATER, f"www.lab.test. 5 IN {one}"] for one in (before, after))
    signature = "www.lab.test. 5 IN RRSIG A 13 3 5 20261210000000 20261119000000 774 lab.test. {}"
    assert judge.compare(old, [*new, signature.format("x")], ["www.lab.test."], *HOSTS) == "moved"
    one, other = ([*old, signature.format(mark)] for mark in ("x", "y"))
    assert judge.compare(one, other, ["www.lab.test."], *HOSTS) == "unchanged"
    assert judge.compare(old, new, ["api.lab.test."], *HOSTS).startswith("-www.lab.test.")


def test_a_zone_that_is_shared_by_srv_or_lua_is_seen() -> None:
    """A standby counts: it is in DNS."""
    before = [*LATER, "_x._tcp.www.lab.test. 5 IN SRV 10 100 80 lb-a.lab.test."]
    after = [*before, "_x._tcp.www.lab.test. 5 IN SRV 11 100 80 lb-b.lab.test."]
    assert judge.compare(before, after, ["_x._tcp.www.lab.test."], *HOSTS) == "shared"
    code = "pickwrandom({{95,'127.77.1.1'},{5,'127.78.1.1'}})"
    before = [*LATER, "www.lab.test. 5 IN A 127.77.1.1"]
    after = [*LATER, f'www.lab.test. 5 IN LUA A "{code}"', "lab.test. 5 IN NSEC _lbmigrate.www.lab.test. A NSEC"]
    assert judge.compare(before, after, ["www.lab.test."], *HOSTS) == "shared"
