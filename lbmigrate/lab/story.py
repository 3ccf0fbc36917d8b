"""Tells a rehearsal as it happens, one plain line each, and its summary in the end."""

from collections.abc import Callable
from typing import Any

from lbmigrate.lab.verdict import Span, Verdict

FAILURES_TOLD = 20


class Story:
    """Writes lines through `say`, each with the seconds since the engine began (`clock`) and who does what."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._say, self._clock = say, clock
        self._zero = clock()
        self._told = 0
        self._hidden = 0

    def zero(self) -> None:
        """Time counts from now."""
        self._zero = self._clock()

    def tell(self, who: str, text: str) -> None:
        """One line."""
        self._say(f"{self._clock() - self._zero:+8.2f} s  {who:8} {text}")

    def event(self, event: dict[str, Any]) -> None:
        """An event of the engine; those without words only matter to machines."""
        if "outcome" in event:
            self.tell("engine", f"ends: {event['outcome']} (exit {event['code']}) {event.get('message', '')}".rstrip())
        elif event.get("text"):
            self.tell("engine", f"{event['phase']:12} {event['weight']:3} %  {event['text']}")

    def failure(self, line: dict[str, Any]) -> None:
        """A failed request. The first twenty are told; all of them stand in clients.log."""
        self._told += 1
        if self._told <= FAILURES_TOLD:
            at = f"{line['t'] % 86400 % 3600 % 60:06.3f}"
            where = f"{line['side'].upper()} {line['address']}".strip()
            self.tell("clients", f"FAILED at :{at}, client {line['client']}, {where}: {line['reason']}")
            if self._told == FAILURES_TOLD:
                self.tell("clients", "further failures are counted; each stands in clients.log with its moment")

    def verdict(self, verdict: Verdict) -> None:
        """The summary."""
        for line in summary(verdict):
            self._say(line)


def summary(verdict: Verdict) -> list[str]:
    """The summary as lines: requests, spans against their floors, DNS, expectations."""
    clients, watch = verdict.clients, verdict.watch
    sent = f"{clients['sent']} requests, {clients['failed']} failed, {clients['retried']} repeated on a new connection"
    return [
        "",
        verdict.title,
        f"  clients   {sent}; {_sides(clients['by_side'])}",
        f"  DNS       {watch.queries} queries, {watch.empty} empty, {watch.errors} errors, {watch.timeouts} unanswered"
        f"{f', {watch.again} asked again' if watch.again else ''}",
        "",
        "  span            time     floor  asked  served  observed at B",
        *(_span(one) for one in verdict.spans),
        "",
        *(f"  {'ok ' if one.ok else 'NO '} {one.what}: {_seen(one.expected, one.seen)}" for one in verdict.checks),
        "",
        f"  {'as expected' if verdict.passed else 'NOT as expected'} after {verdict.moments:.0f} s",
    ]


def _seen(expected: str, seen: str) -> str:
    return seen if expected == seen else f"{seen} (expected {expected})"


def _sides(by_side: dict[str, int]) -> str:
    return ", ".join(f"{count} to {side.upper()}" for side, count in by_side.items() if count)


def _span(span: Span) -> str:
    floor = f"{span.floor:7.1f} s" if span.floor is not None else " " * 9
    shares = [f"{share:.0f} %" if share is not None else "" for share in (span.asked, span.served, span.observed)]
    line = f"  {span.label:12} {span.ended - span.began:7.1f} s {floor} {shares[0]:>6} {shares[1]:>7} {shares[2]:>9}"
    return line.rstrip()
