"""Gates fed by hand: what the tests of the gate share."""

import json
from collections.abc import Callable

import pytest

from lbmigrate.gate import Gate, GateState
from lbmigrate.spec import GateSpec
from lbmigrate.value import from_json, to_json

OK, B_FAILED, A_FAILED, BOTH = range(4)
PAIRS = GateSpec(glitch=0.1)  # at 10 pairs a second: every pair a bucket of its own
BUCKETS = GateSpec()  # at 10 pairs a second: buckets of 10
LOOSE = GateSpec(margin=0.05, promote_margin=0.2, glitch=0.2)  # bets that move within a few pairs; buckets of 2


def feed(gate: Gate, outcome: int, times: int = 1, channel: int = 0) -> None:
    for _ in range(times):
        gate.pair(channel, bool(outcome & 2), bool(outcome & 1))


def until(gate: Gate, outcome: int, seen: Callable[[Gate], bool]) -> int:
    """Pairs of one outcome until `seen`, at most 100,000."""
    for n in range(100_000):
        if seen(gate):
            return n
        feed(gate, outcome)
    pytest.fail(f"not seen in 100,000 pairs: {gate.state()}")


def spoken(thing: GateState) -> GateState:
    """The state after a trip through the journal."""
    back = from_json(GateState, json.loads(json.dumps(to_json(thing))))
    assert isinstance(back, GateState)
    return back
