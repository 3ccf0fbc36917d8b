"""What a seed draws: the ground, the faults, and what befalls the migration."""

from collections.abc import Callable
from random import Random

from lbmigrate.events import Asked
from lbmigrate.lab.virtual import START, Faults
from lbmigrate.model import RRset, SideName
from lbmigrate.spec import Stage
from lbmigrate.value import replace

from .ground import GROUNDS, soft
from .run import Run

Fate = Callable[[Run, Random, float], None]  # what befalls a run from a moment on (seconds after the start)
LONG = 1000.0  # seconds: longer than any migration


def drawn(seed: int) -> Run:
    """A migration with faults and a fate drawn from its seed."""
    random = Random(seed)
    ground = random.choice(sorted(GROUNDS))
    asks = random.random() < 0.1
    stages = tuple(Stage(weight, None, asks) for weight in random.choice(GROUNDS[ground].stages))
    lags = random.choice(((0.0,), (0.0, 2.0), (0.0, 1.0, 6.0)))
    run = Run(
        seed, _faults(random), ground, lags, stages, random.choice((3, 5, None)), random.choice((10, 20)), soft(random)
    )
    run.attempts = 1 + (random.random() < 0.2)
    when = random.uniform(0, random.choice((20, 60)))
    run.fate = random.choice(sorted(FATES))
    FATES[run.fate](run, random, when)
    if asks or run.soft.retire.approve:
        for later in range(20, 1000, 20):  # a second attempt, after much was lost, may ask late
            run.asks(later, Asked("approve"))
    return run


def _faults(random: Random) -> Faults:
    begin = random.uniform(0, 60)
    away = ((begin, begin + random.choice((3.0, 15.0, 60.0))),) if random.random() < 0.25 else ()
    return Faults(
        crash=random.choice((0.0, 0.005, 0.02)), lost=random.choice((0.0, 0.2, 0.5)),
        late=random.choice((0.0, 0.1, 0.3)), doubled=random.choice((0.0, 0.3)), lateness=random.choice((10.0, 100.0)),
        stall=random.choice((0.0, 0.0, 0.1)), down=away,
    )  # fmt: skip


# ---------------------------------------------------------------- sides


def _sick(run: Run, side: SideName, how: float, begin: float, seconds: float = LONG) -> None:
    begin, end = START + begin, START + begin + seconds
    run.world.sick[side] = lambda at: how if begin < at < end else 0.0


def _a_fails(run: Run, random: Random, when: float) -> None:
    _sick(run, "a", 1.0, when, random.choice((6.0, 20.0, LONG)))
    if random.random() < 0.5:
        run.asks(when + random.uniform(5, 30), Asked("finish"))


def _b_fails(run: Run, random: Random, when: float) -> None:
    _sick(run, "b", random.choice((0.34, 0.5, 1.0)), when, random.choice((6.0, LONG)))


def _b_is_late(run: Run, random: Random, when: float) -> None:
    begin, end = START + when, START + when + random.choice((10.0, LONG))
    run.soft = replace(run.soft, probes=tuple(replace(probe, slow=0.5) for probe in run.soft.probes))
    run.world.late["b"] = lambda at: begin < at < end


def _both_fail(run: Run, random: Random, when: float) -> None:
    seconds = random.choice((15.0, LONG))
    _sick(run, "a", 1.0, when, seconds)
    _sick(run, "b", 1.0, when, seconds)


def _blind(run: Run, random: Random, when: float) -> None:
    _both_fail(run, random, when)
    run.world.blind = run.world.sick["a"]


def _unfit(run: Run, random: Random, when: float) -> None:
    del when
    if random.random() < 0.2:
        run.world.unfit = "haproxy -c: unknown keyword"
        return
    run.world.different = "status: A 200, B 404"
    if random.random() < 0.8:
        run.world.clock.at(START + random.uniform(5, 40), lambda: setattr(run.world, "different", ""))


def _stays(run: Run, random: Random, when: float) -> None:
    """A client that never asks DNS again, until it goes."""
    until = START + when * random.choice((1, 2, 10))
    run.world.foreign["a"] = lambda at: (min(at, until) - START) // 3
    run.soft = replace(run.soft, retire=replace(run.soft.retire, limit=random.choice((15.0, 100.0))))
    if random.random() < 0.3:
        run.asks(random.uniform(50, 150), Asked("finish", force=True))


def _uncounted(run: Run, random: Random, when: float) -> None:
    del when
    run.world.counts[random.choice(("a", "b"))] = False


def _kept(run: Run, random: Random, when: float) -> None:
    del when
    keep = random.random() < 0.5
    run.soft = replace(run.soft, retire=replace(run.soft.retire, keep=keep, approve=not keep))


def _left_out(run: Run, random: Random, when: float) -> None:
    """Names that nobody told us of end at A; or the zones cannot be looked through."""
    begin, end = START + when, START + when + random.choice((60.0, LONG))
    names = tuple(f"new{n}.example.com." for n in range(random.choice((1, 5))))
    found = random.choice((names, names, "transfer of example.com: REFUSED"))
    run.world.left = lambda at: found if begin < at < end else ()
    if random.random() < 0.5:
        run.asks(when + random.uniform(50, 150), Asked("finish", force=True))


def _slowly_stopped(run: Run, random: Random, when: float) -> None:
    """A stop takes its time, and the operator says the same again and again."""
    run.world.stopping = random.uniform(1, 20)
    ask = random.choice((Asked("shift", 100), Asked("pause"), Asked("shift", 0)))
    for n in range(random.randint(1, 12)):
        run.asks(when + 10 * n, ask)
        if ask.verb == "pause":
            run.asks(when + 10 * n + 3, Asked("resume"))


# ---------------------------------------------------------------- the ground


def _edited(run: Run, random: Random, when: float) -> None:
    """Somebody edits the zone by hand; then the operator says what shall be."""
    run.world.clock.at(START + when, lambda: _edit(run, random))
    words = (
        Asked("resume", restore=True), Asked("rollback", restore=True), Asked("rollback"), Asked("abandon"),
        Asked("resume"), Asked("finish"),
    )  # fmt: skip
    for ask in random.sample(words, 2):
        when += random.uniform(2, 30)
        run.asks(when, ask)
        if random.random() < 0.3:
            when += random.uniform(0, 10)
            run.world.clock.at(START + when, lambda: _edit(run, random))


def _edit(run: Run, random: Random) -> None:
    state, held = run.judge.known(), run.world.records[random.choice(run.originals).name]
    if not state.active:
        return
    if not held.fence and not any(one.fence for one in state.known if one.name == held.name):
        run.judge.theirs.add(held.name)
    strange = tuple(_strange(r, random) for r in held.rrsets)
    if random.random() < 0.3:
        run.world.tell(f"somebody removes the fence of {held.name}")
        run.world.write([replace(held, fence=None)])
    else:
        run.world.tell(f"somebody edits {held.name}")
        run.world.write([replace(held, rrsets=strange)])


def _strange(r: RRset, random: Random) -> RRset:
    if r.rtype not in ("A", "AAAA") or random.random() < 0.3:
        return replace(r, ttl=r.ttl + 7)
    return replace(r, rdatas=tuple(sorted({*r.rdatas, "192.0.2.99" if r.rtype == "A" else "2001:db8::99"})))


def _undone(run: Run, random: Random, when: float) -> None:
    """Somebody puts the zone back without the journal (`rollback --from-dns`)."""
    del random

    def undo() -> None:
        if all(run.world.records[one.name].fence for one in run.originals):
            run.world.tell("somebody rolls back from DNS")
            for one in run.originals:
                run.world.write([one])

    run.world.clock.at(START + when, undo)


def _skewed(run: Run, random: Random, when: float) -> None:
    begin, end, skew = START + when, START + when + random.choice((10, LONG)), random.choice((-90.0, 90.0))
    run.world.skew = lambda at: skew if begin < at < end else 0.0


def _silent(run: Run, random: Random, when: float) -> None:
    begin, end = START + when, START + when + random.choice((5.0, 40.0, LONG))
    which = random.randrange(len(run.lags))
    if random.random() < 0.3:
        run.asks(when + random.uniform(0, 60), Asked("rollback"))
    run.world.silent = lambda at: (which,) if begin < at < end else ()


def _refused(run: Run, random: Random, when: float) -> None:
    """The server refuses the key for a while; it may be that the operator turns back at once."""
    world = run.world
    if random.random() < 0.4:
        when *= random.choice((0, 1))
        run.asks(when + random.uniform(0, 10), Asked("rollback"))
    world.clock.at(START + when, lambda: setattr(world, "refuses", "REFUSED by policy"))
    world.clock.at(START + when + random.choice((5.0, 30.0)), lambda: setattr(world, "refuses", ""))


def _edited_config(run: Run, random: Random, when: float) -> None:
    """Somebody edits what the plan is bound to, and as a rule takes it back."""
    run.edits(when, ("ttl: 60s → 30s",))
    if random.random() < 0.8:
        run.edits(when + random.uniform(1, 30), ())
    else:
        run.asks(when + random.uniform(1, 60), Asked("rollback"))


# ---------------------------------------------------------------- the operator


def _rollback(run: Run, random: Random, when: float) -> None:
    run.asks(when, Asked("rollback", keep_b=random.random() < 0.5))


def _shift(run: Run, random: Random, when: float) -> None:
    weights = sorted({0, 33, *(stage.weight for stage in run.stages)})
    run.asks(when, Asked("shift", random.choice(weights), force=random.random() < 0.7))


def _finish(run: Run, random: Random, when: float) -> None:
    run.asks(when, Asked("finish", force=random.random() < 0.7))


def _pause(run: Run, random: Random, when: float) -> None:
    run.asks(when, Asked("pause"))
    run.asks(when + random.uniform(1, 30), Asked(random.choice(("resume", "resume", "rollback", "finish")), force=True))


def _abandon(run: Run, random: Random, when: float) -> None:
    del random
    run.asks(when, Asked("abandon"))


FATES: dict[str, Fate] = {
    "nothing befalls it": lambda *_: None,
    "A fails": _a_fails,
    "B fails": _b_fails,
    "B is late": _b_is_late,
    "both fail": _both_fail,
    "the prober is blind": _blind,
    "B answers otherwise": _unfit,
    "a client stays at A": _stays,
    "a side has no counters": _uncounted,
    "A is kept, or asks for approval": _kept,
    "a name was left out": _left_out,
    "A is slow to stop": _slowly_stopped,
    "somebody edits the zone": _edited,
    "undone from DNS": _undone,
    "the clocks differ": _skewed,
    "a name server is silent": _silent,
    "the key is refused": _refused,
    "the config is edited": _edited_config,
    "rollback": _rollback,
    "shift": _shift,
    "finish": _finish,
    "pause": _pause,
    "abandon": _abandon,
}
