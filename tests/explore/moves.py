"""Everything that may happen next in the small world, by the shipped rules, and what must never be true of it."""

from collections.abc import Hashable, Iterator
from functools import partial
from typing import Any, NamedTuple

from explore import parts
from explore.world import (
    NAME,
    NOW,
    ORIGINAL,
    PLAN,
    SOFT,
    WORKERS,
    A,
    Act,
    Acts,
    Atom,
    B,
    Message,
    Rules,
    World,
    aged,
    atom,
    cached,
    deliver,
    later,
    named,
    plain,
)
from lbmigrate import from_dns
from lbmigrate.decide import Do, Note, Wait, decide, permit
from lbmigrate.engine import zone_back
from lbmigrate.errors import LbmigrateError
from lbmigrate.events import Asked, Began, Entry, Event, Passed, Started, Took, TurnedBack
from lbmigrate.facts import verdict
from lbmigrate.fold import Flight, State, fold, worker_id
from lbmigrate.model import Applied, Held
from lbmigrate.plan import Prove, Soak, Stop, Turn, Write
from lbmigrate.value import replace

WORDS = (
    Asked("rollback"), Asked("shift", 0, force=True), Asked("shift", 50, force=True), Asked("shift", 100, force=True),
    Asked("finish", force=True),
)  # fmt: skip
ON_DRIFT = (Asked("rollback", restore=True), Asked("resume", restore=True))
HEALTH = {"both sides well": (True, True), "B fails": (True, False), "A fails": (False, True)}

MOVED = Held(NAME, tuple(replace(r, rdatas=(B,)) for r in ORIGINAL.rrsets))
WELL = (("both sides well", (True, True)),)


class Next(NamedTuple):
    """One thing that may happen: in words, the world after it, the invariant that it breaks, and whether it is odd.

    Odd is what does not happen when all is well: each counts against the allowance of the search.
    """

    what: str
    world: World
    broken: str = ""
    odd: bool = False


def after(s: State, event: Event, by: str) -> Atom[State]:
    """The state with one more entry. Entries are numbered by intents, which is all that the rules ask of numbers."""
    n = s.seq + isinstance(event, Began | Started)
    return atom(plain(fold(s, [Entry(n, NOW, by, event)])))


def beginning(rules: Rules) -> World:
    """An attempt that has just begun; nobody is at work yet."""
    return _started(World(atom(State()), atom(ORIGINAL), atom(ORIGINAL), atom(())), "a1", rules).world


def _started(world: World, attempt: str, rules: Rules) -> Next:
    served = parts.Moment(world).served([NAME])
    event = Started(attempt, "", rules.plan, SOFT, tuple(served))
    return Next(f"start: attempt {attempt}", world._replace(journal=after(world.journal.of, event, "operator")))


class Moves:
    """`of(world)`: everything that may happen next. What was worked out once is kept."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._kept: dict[Hashable, Any] = {}

    def _once(self, key: Hashable, make: Any) -> Any:
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def of(self, world: World, odd: bool) -> Iterator[Next]:
        """Everything that may happen next; what is odd only where it is allowed."""
        for worker in (0, 1):
            act = world.acts[worker]
            yield from self._turn(world, worker, odd) if act is None else self._go_on(world, worker, act, odd)
            if odd and (act or world.journal.of.worker == WORKERS[worker]):
                yield self._crash(world, worker)
        yield from self._network(world)
        yield from self._again(world)
        if odd:
            yield from self._operator(world)
        yield from self._time(world, odd)

    # ---- a worker between two effects

    def _turn(self, world: World, worker: int, odd: bool) -> Iterator[Next]:
        s, me = world.journal.of, WORKERS[worker]
        if not s.active:
            return
        if s.worker != me:
            if _free(world, worker):
                yield self._noted(world, worker, Took(me))
            return
        match self._once(("decide", world.journal), lambda: decide(s)):
            case Note(event):
                yield self._noted(world, worker, event, _unfounded(world, event))
            case Do(step):
                yield self._begun(world, worker, step)
            case Wait():
                for what, ok in HEALTH.items() if odd else WELL:
                    yield self._looked(world, worker, what, ok)
            case _:
                pass

    def _noted(self, world: World, worker: int, event: Event, broken: str = "") -> Next:
        key = ("note", world.journal, worker)
        journal = self._once(key, lambda: after(world.journal.of, event, worker_id(WORKERS[worker])))
        what = self._once(("words", event), lambda: _noted(event))
        return Next(f"w{worker + 1} notes {what}", self._told(world._replace(journal=journal)), broken)

    def _begun(self, world: World, worker: int, step: Any) -> Next:
        def make() -> tuple[Atom[State], Atom[Act]]:
            s = world.journal.of
            journal = world.journal if s.flight else after(s, Began(step), worker_id(WORKERS[worker]))
            return journal, atom(Act("read", _kept(journal.of)))

        journal, act = self._once(("begin", world.journal, worker), make)
        intent = (
            NOW if self._rules.intents and isinstance(step, Write) and not world.journal.of.flight else world.intent
        )
        changed = world._replace(journal=journal, acts=_put(world.acts, worker, act), intent=intent)
        return Next(f"w{worker + 1} means to {step}", changed, _premature(world, step))

    def _looked(self, world: World, worker: int, what: str, ok: tuple[bool, bool]) -> Next:
        def make() -> Atom[State]:
            return after(world.journal.of, parts.watch(world, worker, ok), worker_id(WORKERS[worker]))

        key = ("look", world.journal, worker, world.zone, world.second, world.hot, world.up, world.intent, ok)
        journal = self._once(key, make)
        return Next(
            f"w{worker + 1} looks: {what}", world._replace(journal=journal, hot=(False, False)), odd=not all(ok)
        )

    # ---- a worker in an effect

    def _go_on(self, world: World, worker: int, act: Atom[Act], odd: bool) -> Iterator[Next]:
        me = f"w{worker + 1}"
        if act.of.then == "note":
            yield self._ended(world, worker, act)
        elif act.of.then == "read":
            yield from self._reads(world, worker, act, odd)
        elif act.of.then == "do":
            yield from self._does(world, worker, act, odd)
        else:
            assert act.of.message is not None
            arrived = self._arrives(world, atom(act.of.message), f"{me}'s message arrives, and its answer")
            yield self._answered(arrived or Next(f"{me}'s message is refused", world), worker, act, "came")
            if odd:
                yield self._answered(Next(f"{me} gets no answer", world, odd=True), worker, act, "lost")
            if odd and world.zone.of == act.of.message.new:
                lost = Next(f"{me} gets no answer and cannot read", world, odd=True)
                yield self._answered(lost, worker, act, "lost twice")

    def _answered(self, met: Next, worker: int, act: Atom[Act], answer: str) -> Next:
        world = met.world
        key = ("answer", act, world.zone, answer)
        now = self._once(key, lambda: atom(parts.settled(act.of, world, answer)))
        return met._replace(world=world._replace(acts=_put(world.acts, worker, now)))

    def _reads(self, world: World, worker: int, act: Atom[Act], odd: bool) -> Iterator[Next]:
        now = self._once(("read", act, world.zone), lambda: atom(parts.read(act.of, world)))
        yield Next(f"w{worker + 1} reads", world._replace(acts=_put(world.acts, worker, now)))
        if odd and isinstance(_flight(act).step, Write):
            lost = self._once(("lost", act, world.zone), lambda: atom(parts.unreachable(act.of, world)))
            changed = world._replace(acts=_put(world.acts, worker, lost))
            yield Next(f"w{worker + 1} gets no word from the primary", changed, odd=True)

    def _does(self, world: World, worker: int, act: Atom[Act], odd: bool) -> Iterator[Next]:
        step, mine = _flight(act).step, _mine(world, worker, act)
        for fit in (True, False) if odd and mine and isinstance(step, Prove) else (True,):
            key = ("do", act, world.up, mine, fit)
            done, up, sent = self._once(key, partial(parts.do, act.of, world, mine, fit))
            if sent is None:
                what = f"w{worker + 1} does {step}" if mine else f"w{worker + 1} finds that it was overtaken"
                changed = world._replace(acts=_put(world.acts, worker, atom(done)), up=up)
                yield Next(what + ": B is not fit" * (not fit), changed, _stopped(world, changed), odd=not fit)
            else:
                yield self._sends(world, worker, act, sent)

    def _sends(self, world: World, worker: int, act: Atom[Act], sent: parts.Sent) -> Next:
        message = Message(sent.old, sent.new, act.of.soa if sent.soa else "")
        now = atom(act.of._replace(then="answer", message=message))
        changed = world._replace(acts=_put(world.acts, worker, now), sent=world.sent | {atom(message)})
        return Next(f"w{worker + 1} sends {_words(message)}", changed)

    def _ended(self, world: World, worker: int, act: Atom[Act]) -> Next:
        s, ended = world.journal.of, act.of.ended
        assert ended is not None
        quit_ = world._replace(acts=_put(world.acts, worker, None))
        if not _mine(world, worker, act):
            return Next(f"w{worker + 1} stands down", quit_)
        journal = self._once(("ended", world.journal, act), lambda: after(s, ended, s.by))
        return Next(f"w{worker + 1} notes that it is {ended.result}", self._told(quit_._replace(journal=journal)))

    def _crash(self, world: World, worker: int) -> Next:
        journal = world.journal
        if journal.of.worker == WORKERS[worker]:
            dead = partial(replace, journal.of, worker=None, by="", lease=0.0)
            journal = self._once(("dead", journal), lambda: atom(dead()))
        changed = world._replace(journal=journal, acts=_put(world.acts, worker, None))
        return Next(f"w{worker + 1} is killed", changed, odd=True)

    # ---- the network, the operator, time

    def _arrives(self, world: World, message: Atom[Message], what: str) -> Next | None:
        changed = deliver(world, message, self._rules)
        return None if changed is None else Next(what, changed, _wrong(world, message.of))

    def _network(self, world: World) -> Iterator[Next]:
        for message in world.sent:
            if found := self._arrives(world, message, f"late or again arrives: {_words(message.of)}"):
                yield found
        if world.second.of.rrsets != world.zone.of.rrsets:
            caches = cached(world.caches, world.second.of.rrsets)
            second = atom(Held(NAME, world.zone.of.rrsets))
            yield Next("the secondary follows", world._replace(second=second, caches=caches))

    def _operator(self, world: World) -> Iterator[Next]:
        s = world.journal.of
        if s.active:
            drifted = s.hold is not None and s.hold.cause == "drift"
            for ask in ON_DRIFT if drifted else WORDS:
                if self._once(("permit", world.journal, ask), partial(permit, s, ask)) is None:
                    journal = self._once(("ask", world.journal, ask), partial(after, s, ask, "operator"))
                    said = f"operator: {ask.verb}{' --restore' * ask.restore}{f' {ask.weight}' * (ask.verb == 'shift')}"
                    yield Next(said, self._told(world._replace(journal=journal, asked=True)), odd=True)
        if s.active and s.attempt == "a1" and world.up[0]:  # --from-dns cannot know that A was retired
            lost = world._replace(journal=atom(State()), acts=(None, None))
            yield Next("the journal is lost", lost, odd=True)

    def _again(self, world: World) -> Iterator[Next]:
        """A second attempt: after a rollback, or because the journal was lost."""
        s, fence = world.journal.of, world.zone.of.fence
        if s.outcome == "rolled-back" and s.attempt == "a1" and fence is None:
            yield _started(world, "a2", self._rules)
        elif not s.attempt and fence is not None:
            yield from self._from_dns(world)
        elif not s.attempt and not named(world, B):  # a new journal does not know that caches may hold B
            yield _started(world, "a2", self._rules)

    def _from_dns(self, world: World) -> Iterator[Next]:
        found = world

        def swapped(old: Held, new: Held, soa: bool) -> Applied:
            nonlocal found
            message = atom(Message(old, new, "now" if soa else ""))
            found = deliver(world._replace(sent=world.sent | {message}), message, self._rules) or found
            return Applied()

        try:
            from_dns.restore(PLAN.bound, (parts.Moment(world, swapped),), dry_run=False)
        except LbmigrateError:
            return
        fence = world.zone.of.fence
        assert fence is not None
        yield Next("operator: rollback --from-dns", found._replace(told=found.told | {fence.attempt}))

    def _time(self, world: World, odd: bool) -> Iterator[Next]:
        journal = self._once(("aged", world.journal), lambda: atom(aged(world.journal.of)))
        stalled = world.acts != (None, None) or world.second.of.rrsets != world.zone.of.rrsets or self._due(world)
        if odd or not stalled:
            yield Next("time passes", later(world, journal, False), odd=stalled)
        if odd and world.up[0] and not named(world, A) and not stalled:
            yield Next("time passes; a client asks A by an old address", later(world, journal, True), odd=True)

    def _due(self, world: World) -> bool:
        """Somebody should be at work just now."""
        s = world.journal.of
        due = self._once(("decide", world.journal), lambda: decide(s))
        return s.active and (s.worker is None or not isinstance(due, Wait) or s.seen.at < NOW)

    def _told(self, world: World) -> World:
        s = world.journal.of
        told = bool(s.back) and bool(s.outcome or zone_back(s))
        return world._replace(told=world.told | {s.attempt}) if told and s.attempt not in world.told else world


def _flight(act: Atom[Act]) -> Flight:
    assert act.of.state.flight is not None
    return act.of.state.flight


def _mine(world: World, worker: int, act: Atom[Act]) -> bool:
    """The journal says that the act's intent stands, and is this worker's."""
    s, flight = world.journal.of, _flight(act)
    same = s.flight is not None and (s.flight.n, s.flight.step) == (flight.n, flight.step)
    return same and s.by == worker_id(WORKERS[worker])


def _free(world: World, worker: int) -> bool:
    """The lease may be taken: its holder is dead, or stands still in an effect. Of two that may, the first does."""
    s, other = world.journal.of, 1 - worker
    if s.worker is None:
        return worker == 0 or world.acts[other] is not None
    return s.lease <= NOW and world.acts[other] is not None


def _put(acts: Acts, worker: int, act: Atom[Act] | None) -> Acts:
    return (act, acts[1]) if worker == 0 else (acts[0], act)


def _kept(s: State) -> State:
    """What an effect uses of the state that it began in."""
    flight = s.flight and replace(s.flight, tried_at=NOW)
    return State(
        attempt=s.attempt, plan=s.plan, soft=s.soft, flight=flight, known=s.known, pending=s.pending, claimed=s.claimed,
    )  # fmt: skip


def _noted(event: Event) -> str:
    match event:
        case Took():
            return "that it is at work"
        case Passed(step):
            return f"that {step} is over"
        case _:
            return str(event)


def _words(message: Message) -> str:
    def one(held: Held) -> str:
        fence = f"fence {held.fence.attempt}/{held.fence.number}" if held.fence else "no fence"
        return f"{'+'.join(r for r in held.rrsets[0].rdatas)} ttl {held.rrsets[0].ttl}, {fence}"

    text = f"({one(message.old)}) to ({one(message.new)})".replace(A, "A").replace(B, "B")
    return text + (", SOA as read" if message.soa else "")


# ---------------------------------------------------------------- invariants of the design, section 8


def _wrong(world: World, message: Message) -> str:
    """Of a message that changes the zone (1, 2, 3)."""
    was, new = world.zone.of.fence, message.new.fence
    attempt = new or message.old.fence or was or ORIGINAL.fence
    if attempt and attempt.attempt in world.told:
        return f"3: a message of {attempt.attempt} changed the zone after its rollback was reported"
    if world.journal.of.outcome == "done":
        return "3: a message changed the zone after the migration was done"
    if was and new and was.attempt == new.attempt and new.number <= was.number:
        return f"2: the fence fell from {was.number} to {new.number}"
    if was and new and was.attempt == world.journal.of.attempt != new.attempt:
        return f"2: {new.attempt} took over the fence of {was.attempt}"
    return ""


def _unfounded(world: World, event: Event) -> str:
    """Of a wait that is over, a turning back (4, 5)."""
    s = world.journal.of
    present = {r.rdatas for r in world.zone.of.rrsets}
    others = {r.rdatas for r in world.second.of.rrsets} | {r.rdatas for r, _ in world.caches.of}
    if isinstance(event, Passed) and isinstance(event.step, Soak | Turn) and others - present:
        return f"4: passed {event.step} while servers or caches hold another answer"
    if isinstance(event, TurnedBack) and event.by == "gate" and not (s.seen.at == NOW and verdict(s.seen.a) == "ok"):
        return "5: turned back by itself to an A that is not proven good now"
    return ""


def _premature(world: World, step: Any) -> str:
    """Of an effect that begins (4, 5, 11)."""
    s = world.journal.of
    if isinstance(step, Stop) and step.side == "a" and world.up[0] and (named(world, A) or world.quiet[0] < 20):
        return "4: A is to be stopped while it is named, or was asked a moment ago"
    if isinstance(step, Write) and step.target == "weight" and not s.finishing:
        stages = [stage.weight for stage in PLAN.bound.stages]
        if step.weight > s.weight and not (s.looked and s.seen.at == NOW and verdict(s.seen.b) == "ok"):
            return "5: the weight is to grow while B is not proven good now"
        below = [weight for weight in stages if weight < step.weight]
        if not world.asked and (s.weight != (below or [0])[-1] or (below and not s.judged)):
            return f"11: weight {step.weight} by itself from {s.weight}"
    return ""


def _stopped(world: World, changed: World) -> str:
    """Of a side that is stopped just now (4)."""
    for index, (name, address) in enumerate((("A", A), ("B", B))):
        if world.up[index] and not changed.up[index] and named(world, address):
            return f"4: {name} was stopped while servers or caches name it"
    return ""


def standing(world: World) -> str:
    """What must be true of every world (1, 3, 4)."""
    s, zone = world.journal.of, world.zone.of
    if not zone.rrsets or not all(r.rdatas for r in zone.rrsets):
        return "1: the name has no answer"
    for up, name, address in zip(world.up, "AB", (A, B), strict=True):
        if not up and named(world, address):
            return f"4: {name} does not run, and servers or caches name it"
    astray = zone.fence and zone.fence.attempt != s.attempt and zone.rrsets[0].rdatas == (A,)
    if s.attempt in world.told and zone != ORIGINAL and not astray:  # a lost journal's claim moves no traffic
        return "3: rolled back was reported, and the zone is not as it was"
    if s.outcome == "done" and (
        zone.fence or zone.rrsets[0].rdatas != (B,) or zone.rrsets[0].ttl != ORIGINAL.rrsets[0].ttl
    ):
        return "3: done was reported, and the zone is not B's alone"
    return ""
