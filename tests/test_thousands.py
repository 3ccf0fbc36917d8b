"""Many names on the virtual clock: moved to the end and put back, a message a batch, each foreseen."""

from collections.abc import Iterator

import pytest
from states import A, B, bound, soft

from lbmigrate import plan as plans
from lbmigrate.engine import Engine, over
from lbmigrate.events import Asked, Ended, Saw
from lbmigrate.fold import State, fold
from lbmigrate.journal import chain
from lbmigrate.lab.virtual import Faults, MemoryJournal, SimZone, World, parts, worker
from lbmigrate.model import Held, Outcome, Records, RRset, Then
from lbmigrate.plan import Plan, Write
from lbmigrate.value import replace

COUNT = 450  # three messages
NAMES = tuple(f"www{number:03}.example.com." for number in range(COUNT))


def original(name: str) -> Held:
    """Names are not all alike: some have IPv6, some another TTL."""
    number = NAMES.index(name)
    v6 = (RRset(name, "AAAA", 15, ("2001:db8::10",)),) if number % 7 == 0 else ()
    return Held(name, (RRset(name, "A", 20 if number % 3 else 10, A), *v6))


def planned() -> Plan:
    """One zone, two stages."""
    sides = bound(names=NAMES, a=(*A, "2001:db8::10"), b=(*B, "2001:db8::20"), ttl=5)
    return plans.build(sides, tuple(map(original, NAMES)))


class Foreseeing(SimZone):
    """A zone that makes what is said to follow, as a driver may, and keeps it beside what came."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.foreseen: list[tuple[Records, Records] | None] = []
        self.came: list[tuple[Records, Records]] = []

    def swap(self, old: Records, new: Records, then: Then = None) -> Outcome:
        """See model.Zone."""
        self.came.append((old, new))
        self.foreseen.append(then() if then else None)
        return super().swap(old, new, then)


class Moved:
    """Many names under way."""

    def __init__(self) -> None:
        self.plan = planned()
        self.world = World(1, self.plan.originals, Faults(), lags=(0.7,))
        self.zone = Foreseeing(self.world)
        self.parts = parts(self.world, self.plan.bound.a.addresses, self.plan.bound.b.addresses, 5.0, 1, True)
        self.parts.zones = (self.zone,)
        self.journal = MemoryJournal(self.world.hook)
        self.engine = Engine(self.journal, self.world.clock, worker(1), lambda _: True)
        self.engine.begin(self.plan, soft(), lambda: tuple(self.zone.served(NAMES, ("A", "AAAA"))))

    def written(self) -> list[Write]:
        """The writes that ended well, in their order."""
        ended = [entry.event for entry in self.journal.entries if isinstance(entry.event, Ended)]
        return [event.step for event in ended if isinstance(event.step, Write) and event.result == "done"]

    def guesses(self) -> Iterator[tuple[object, object]]:
        """Each guess beside the swap that came next."""
        return ((guess, came) for guess, came in zip(self.zone.foreseen, self.zone.came[1:], strict=False) if guess)


@pytest.fixture
def moved() -> Moved:
    return Moved()


def expected(plan: Plan, *changes: Write) -> list[Write]:
    return [replace(one, batch=batch) for one in changes for batch in range(len(plan.batches))]


def test_they_are_moved_to_the_end_a_message_a_batch_and_what_follows_is_foreseen(moved: Moved) -> None:
    moved.engine.drive(moved.parts, over)
    assert moved.engine.state.outcome == "done"
    assert moved.world.broken == []
    changes = Write(0, "claim"), Write(0, "weight", 50), Write(0, "weight", 100), Write(0, "release")
    assert moved.written() == expected(moved.plan, *changes)
    for held in moved.plan.originals:
        there = {"A": B, "AAAA": ("2001:db8::20",)}
        want = replace(held, rrsets=tuple(replace(r, rdatas=there[r.rtype]) for r in held.rrsets))
        assert moved.world.records[held.name] == want
    looks = [(entry.event, len(chain.text(entry.event))) for entry in moved.journal.entries]
    assert max(size for event, size in looks if isinstance(event, Saw)) < 20 * COUNT, (
        "names that are alike are a few words"
    )
    assert fold(State(), moved.journal.entries) == moved.engine.state
    guesses = list(moved.guesses())
    assert len(guesses) == 3 * (len(moved.plan.batches) - 1), "all but claims, which need the SOA as it is then"
    assert [guess for guess, came in guesses if guess != came] == []


def test_they_are_put_back_exactly(moved: Moved) -> None:
    moved.engine.drive(moved.parts, lambda s: s.weight == 50 and s.judged)
    moved.engine.ask(Asked("rollback"))
    moved.engine.drive(moved.parts, over)
    assert moved.engine.state.outcome == "rolled-back"
    assert tuple(moved.world.records.values()) == moved.plan.originals
    assert moved.world.broken == []
    assert [guess for guess, came in moved.guesses() if guess != came] == []


def test_an_operators_word_between_two_batches_has_another_message_sent_than_was_foreseen(moved: Moved) -> None:
    def halfway(s: object) -> bool:
        del s
        return bool(moved.zone.foreseen and moved.zone.foreseen[-1])

    moved.engine.drive(moved.parts, halfway)
    moved.engine.ask(Asked("rollback"))
    moved.engine.drive(moved.parts, over)
    assert moved.engine.state.outcome == "rolled-back"
    assert tuple(moved.world.records.values()) == moved.plan.originals
    assert [guess for guess, came in moved.guesses() if guess != came] != []
