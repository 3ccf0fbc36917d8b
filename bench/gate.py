"""What a pair costs the gate, alarm and promotion together: `python bench/gate.py` (target: at most 10 µs)."""

import time
from random import Random

from table import Row, text

from lbmigrate.gate import Gate
from lbmigrate.spec import GateSpec

PAIRS = 50_000
ROUNDS = 5
TARGET = 10.0  # µs

CASES = (
    ("one channel, buckets of 10", GateSpec(), 1),
    ("one channel, every pair for itself", GateSpec(glitch=0.1), 1),
    ("four channels, buckets of 10", GateSpec(), 4),
)


def once(spec: GateSpec, channels: int, pairs: list[tuple[int, bool, bool]]) -> float:
    """Seconds for all pairs, with both verdicts read after each, as watching does."""
    gate = Gate(spec, [10.0] * channels)
    begun = time.perf_counter()
    for channel, a_failed, b_failed in pairs:
        gate.pair(channel, a_failed, b_failed)
        _ = gate.alarmed, gate.passed
    return time.perf_counter() - begun


def cost(spec: GateSpec, channels: int) -> float:
    """Microseconds per pair: the best of some rounds, one failure in a hundred on either side."""
    random = Random(1)
    pairs = [(n % channels, random.random() < 0.01, random.random() < 0.01) for n in range(PAIRS)]
    return min(once(spec, channels, pairs) for _ in range(ROUNDS)) / PAIRS * 1e6


def rows() -> list[Row]:
    """The table's part."""
    return [_row(name, cost(spec, channels)) for name, spec, channels in CASES]


def _row(name: str, micros: float) -> Row:
    return Row(f"gate, {name}", f"{micros:.1f} µs a pair", "", "", f"at most {TARGET:g} µs", micros <= TARGET)


if __name__ == "__main__":
    print(text(rows()))
