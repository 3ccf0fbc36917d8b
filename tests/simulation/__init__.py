"""Whole migrations on a virtual clock, seeded and faulted, judged by the truth of their world; see docs/testing.md."""

from .fate import drawn
from .run import NAME, Run

__all__ = ["NAME", "Run", "drawn"]
