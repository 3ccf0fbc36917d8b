"""What came of a scenario: the numbers, and each expectation beside what was seen. Pure."""

import re
from datetime import datetime
from typing import Any

from lbmigrate.lab.dnswatch import Summary
from lbmigrate.lab.scenario import Expect
from lbmigrate.model import MOVABLE
from lbmigrate.value import replace, value

STAGES = ("shifting", "soaking")
Answer = tuple[float, float, float]  # when the name servers were asked, B's share in percent, when they had answered
SIGNATURES = ("RRSIG", "TYPE65534")  # and BIND's own notes of what it has signed
_WORD = re.compile(r"[0-9A-Za-z.:_-]+")


@value
class Check:
    """One expectation."""

    what: str
    expected: str
    seen: str
    ok: bool


@value
class Span:
    """A stretch of the migration: at one weight, or in one phase. Shares in percent of B; times in seconds.

    `floor` is the least that caches, soak and evidence ask for; None where nothing asks.
    """

    label: str
    began: float
    ended: float
    floor: float | None = None
    asked: int | None = None
    served: float | None = None
    observed: float | None = None


@value
class Floors:
    """The least time of each kind of span, in seconds; evidence is within `stage`. `last_at_a`: A's last request."""

    prepare: float
    stage: float
    drain: float
    turn: float
    last_at_a: float = 0.0


@value
class Verdict:
    """The result of a rehearsal. `moments` is how long the engine was at work, in seconds."""

    title: str
    checks: tuple[Check, ...]
    spans: tuple[Span, ...]
    clients: dict[str, Any]
    watch: Summary
    moments: float

    @property
    def passed(self) -> bool:
        """Whether every expectation was met."""
        return all(one.ok for one in self.checks)


def moment(event: dict[str, Any]) -> float:
    """An event's time in Unix seconds."""
    return datetime.fromisoformat(str(event["at"])).timestamp()


def label(event: dict[str, Any]) -> str:
    """The span that an event belongs to."""
    phase, weight = str(event["phase"]), event.get("weight")
    if phase == "none" or (phase in STAGES and not weight):
        return "preparing"
    if phase in STAGES:
        return f"{weight} %"
    return {"done": "retiring", "rolled-back": "rolling-back"}.get(phase, phase)


def spans(
    events: list[dict[str, Any]], floors: Floors, served: list[Answer], seconds: list[dict[str, Any]]
) -> tuple[Span, ...]:
    """The stretches in order. `served`: what the name servers answered; `seconds`: the clients' lines."""
    found: list[Span] = []
    for event in events:
        now, name = moment(event), label(event)
        if not found or found[-1].label != name:
            if found:
                found[-1] = replace(found[-1], ended=now)
            asked = event["weight"] if name.endswith("%") else None
            found.append(Span(name, now, now, _floor(name, now, floors), asked))
        else:
            found[-1] = replace(found[-1], ended=now)
    whole = [one if _passed(name) else replace(one, floor=None) for one, name in zip(found, _after(found), strict=True)]
    return tuple(_measured(one, floors, served, seconds) for one in whole if one.ended > one.began)


def _after(found: list[Span]) -> list[str]:
    return [*(one.label for one in found), ""][1 : len(found) + 1]


def _passed(following: str) -> bool:
    """Whether a span came to its own end: one that is broken off owes its floor nothing."""
    return following not in ("", "rolling-back", "held", "paused")


def _floor(name: str, began: float, floors: Floors) -> float | None:
    """Draining counts from the last request at A, which may lie before it."""
    if name.endswith("%"):
        return floors.stage
    if name == "draining":
        return max(0.0, floors.last_at_a + floors.drain - began)
    return floors.prepare if name == "preparing" else None


def _measured(span: Span, floors: Floors, served: list[Answer], seconds: list[dict[str, Any]]) -> Span:
    """Served: the last answer asked for and had within the span. Observed: from when honest caches have turned on."""
    if span.asked is None:
        return span
    answers = [share for asked, share, had in served if span.began <= asked and had <= span.ended]
    lines = [one["by_side"] for one in seconds if span.began + floors.turn <= one["t"] - 1 and one["t"] <= span.ended]
    a, b = (sum(one[side] for one in lines) for side in ("a", "b"))
    observed = 100 * b / (a + b) if a + b else None
    return replace(span, served=answers[-1] if answers else None, observed=observed)


# ---------------------------------------------------------------- the expectations


def checks(
    expect: Expect, code: int | None, status: dict[str, Any], clients: dict[str, Any], zone: str, sides: dict[str, str]
) -> list[Check]:
    """Every expectation of the file beside what was seen. `clients` is the population's own summary."""
    return [
        _equal("exit code", expect.exit, code),
        _equal("phase", expect.phase, status.get("phase")),
        _failed(expect, clients),
        _equal("zone", expect.zone, zone),
        _equal("A", expect.a, sides["a"]),
        _equal("B", expect.b, sides["b"]),
        Check("requests", f"at least {expect.requests}", str(clients["sent"]), clients["sent"] >= expect.requests),
        _equal("requests accounted for", clients["sent"], clients["ok"] + clients["failed"]),
    ]


def _equal(what: str, expected: object, seen: object) -> Check:
    return Check(what, str(expected), str(seen), expected == seen)


def _failed(expect: Expect, clients: dict[str, Any]) -> Check:
    total, by_side = clients["failed"], clients["failed_by_side"]
    if not expect.failed.side:
        return _equal("failed requests", 0, total)
    side, most = expect.failed.side, int(expect.failed.share * clients["sent"])
    seen = ", ".join(f"{count} at {one}" for one, count in by_side.items() if count) or "none"
    # None at all would mean that the fault never reached a client: then nothing was rehearsed. A client that follows
    # SRV and finds one target dead goes on to the next (RFC 2782, page 3): it met the fault, and did not fail.
    met, fallen = total > 0 or clients["fallback"] > 0, clients["fallback"]
    seen += f", {fallen} went on to another target" if fallen else ""
    wanted = f"{0 if fallen else 1} to {most}, all at {side}"
    return Check("failed requests", wanted, seen, met and total <= most and total == by_side[side])


def watched(summary: Summary) -> Check:
    """Nobody who asked an authoritative server ever got an empty answer or an error."""
    wrong = summary.empty + summary.errors + summary.timeouts
    return Check(
        "empty or failed DNS answers", "0", f"{wrong} of {summary.queries}", wrong == 0 and summary.queries > 0
    )


def idle(last: float, gone_at: float, idle_for: float) -> Check:
    """A was retired only after no client had asked it for `idle_for` seconds: `last` by the clients' own books."""
    seen = f"{gone_at - last:.1f} s" if gone_at else "A was not retired"
    return Check("A idle before it was retired", f"at least {idle_for:g} s", seen, gone_at - last >= idle_for)


def compare(before: list[str], after: list[str], names: list[str], a: tuple[str, ...], b: tuple[str, ...]) -> str:
    """What became of the zone: unchanged (but for the SOA serial and signatures), moved, shared, or how it differs.

    `a`, `b`: each side's addresses, and its host ("lb-a.lab.test.") where names point to one.
    """
    old, new = _plain(before), _plain(after)
    if old == new:
        return "unchanged"
    if _moved(old, names, a, b) == new:
        return "moved"
    both = {word for line in new if _ours(line, names) for word in _WORD.findall(line.split(maxsplit=3)[3])}
    rest = [[line for line in zone if not _ours(line, names) and not _fence(line)] for zone in (old, new)]
    if rest[0] == rest[1] and both & {*a} and both & {*b}:
        return "shared"
    return "; ".join(f"{mark}{line}" for mark, line in _difference(old, new))


def _moved(old: list[str], names: list[str], a: tuple[str, ...], b: tuple[str, ...]) -> list[str]:
    """The old zone with B's addresses of the same family and B's host in the place of A's, under the old TTL."""
    found = {line for line in old if not _ours(line, names)}
    for name, ttl, dns_class, rtype, rdata in (line.split(maxsplit=4) for line in old if _ours(line, names)):
        if rtype in ("A", "AAAA"):
            found |= {f"{name} {ttl} {dns_class} {rtype} {one}" for one in _of(b, rtype == "AAAA")}
        else:
            found.add(f"{name} {ttl} {dns_class} {rtype} {_swapped(rdata, a, b)}")
    return sorted(found)


def _swapped(rdata: str, a: tuple[str, ...], b: tuple[str, ...]) -> str:
    """A record that points to A, by host or by hints (a list in quotes), pointing to B."""
    for six in (False, True):
        rdata = rdata.replace(f'"{",".join(_of(a, six))}"', f'"{",".join(_of(b, six))}"')
    hosts = [next((one for one in side if one.endswith(".")), "") for side in (a, b)]
    return " ".join(hosts[1] if word == hosts[0] else word for word in rdata.split(" "))


def _of(side: tuple[str, ...], six: bool) -> list[str]:
    """Its addresses of one family, in the order of a hint."""
    return sorted(one for one in side if not one.endswith(".") and (":" in one) == six)


def _plain(zone: list[str]) -> list[str]:
    """Without signatures and the SOA's serial."""
    lines = [line.split() for line in zone]
    plain = [" ".join([*one[:6], "SERIAL", *one[7:]] if one[3] == "SOA" else one) for one in lines]
    return sorted(text for text, one in zip(plain, lines, strict=True) if one[3] not in SIGNATURES)


def _ours(line: str, names: list[str]) -> bool:
    words = line.split()
    return words[0] in names and words[3] in MOVABLE


def _fence(line: str) -> bool:
    """Its own record, and what says which types and names there are (RFC 4034 section 4)."""
    return line.startswith("_lbmigrate.") or line.split()[3] == "NSEC"


def _difference(old: list[str], new: list[str]) -> list[tuple[str, str]]:
    gone, come = [line for line in old if line not in new], [line for line in new if line not in old]
    return [("-", line) for line in gone] + [("+", line) for line in come]
