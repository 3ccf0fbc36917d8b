"""What the journal holds: everything that was seen, asked, begun and decided, in the past tense. Pure.

State is folded from these and kept nowhere else. `Saw` carries the sums after its slice as well as the slice itself:
the sums are a cache that a replay can prove, so that a long journal folds by its last `Saw`.
"""

from typing import Literal

from lbmigrate.caches import Alike, Clock, Key
from lbmigrate.gate import GateState
from lbmigrate.model import Endpoint, Held, Served
from lbmigrate.plan import Plan, Step
from lbmigrate.spec import Soft
from lbmigrate.value import value

FORMAT = 1


@value
class Opened:
    """Line one of every journal: the version of its format, and whose it is."""

    format: int
    migration: str


@value
class Worker:
    """Who is at work: the machine, the process, its start time (clock ticks since boot) and the boot."""

    host: str
    pid: int
    started: int
    boot: str


@value
class Took:
    """A worker holds the lease: from now on it alone probes and acts, until its events are older than the lease."""

    worker: Worker


@value
class Left:
    """The worker went away in good order; `torn`: in the middle of a look, whose probes nobody has counted."""

    worker: Worker
    torn: bool = False


@value
class Started:
    """An attempt began: state is folded from the last of these. `served` is what the caches' clock starts from."""

    attempt: str
    digest: str
    plan: Plan
    soft: Soft
    served: tuple[Served, ...]


@value
class Configured:
    """The soft part of the config was edited in mid-migration."""

    soft: Soft


@value
class Changed:
    """The bound part of the config differs from the plan's (lines), or agrees again (none)."""

    difference: tuple[str, ...]


@value
class Began:
    """An intent, durable before its effect. The entry's own number is the fence that a write carries."""

    step: Step


@value
class Ended:
    """How an effect ended. `now` is what a write's names hold as read back; `planned`: just what the plan wants.

    `endpoint`: what B is reached by, where that was known only once it was made.
    done · unknown (may yet take; tried again) · failed (no, with the reason) · drift (somebody else's value)
    """

    step: Step
    result: Literal["done", "unknown", "failed", "drift"]
    why: str = ""
    now: tuple[Held, ...] = ()
    planned: bool = False
    endpoint: Endpoint | None = None


@value
class Asked:
    """An operator's word. `now`: the records taken as they are (`resume --accept-drift`)."""

    verb: Literal["shift", "pause", "resume", "finish", "rollback", "approve", "abandon"]
    weight: int = 0
    force: bool = False
    keep_b: bool = False
    restore: bool = False
    now: tuple[Held, ...] = ()


@value
class SideSeen:
    """One side over a slice, and after it. `recent`: per channel the last 20 probes within 10 s, "1" ok, "0" failed.

    `own` counts probes that the side's counters saw; foreign requests are all others: `total` of them in this
    attempt, and `quiet` the (time, number) of each slice since counters were read without a gap. `as_of`: the time that
    the counters tell of, where that is not now; `sent` are then our probes (`own`) since that time, by slice: its end,
    its seconds, their number.
    """

    recent: tuple[str, ...] = ()
    ok: int = 0
    failed: int = 0
    own: int = 0
    up: bool | None = None
    process: str = ""
    requests: int | None = None
    errors: int | None = None
    active: int | None = None
    clients: tuple[str, ...] = ()
    sick: tuple[str, ...] = ()
    why: str = ""
    quiet: tuple[tuple[float, int], ...] = ()
    total: int = 0
    as_of: float | None = None
    sent: tuple[tuple[float, float, int], ...] = ()


@value
class Search:
    """The zones looked through for names that still end at A, at `at`: `left` are those beyond the plan.

    `closed`: zones that nobody may transfer, so that they were not looked through; `why`: it came to nothing.
    """

    at: float = 0.0
    left: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    why: str = ""


@value
class Seen:
    """What all looks of this attempt add up to, at `at`. `stage` numbers the entry that began the present stage.

    `run` are the seconds watched by this worker without a gap, `watched` those at this stage, `soaked` those of them
    after caches had turned; `skew` is the primary's clock minus ours; `gone`: the fence
    is gone and the originals are in place (a rollback without this journal); `shows`: the write in flight, by its
    number, was found applied, and these are the records; `late`: what alarms is that B answers late.
    """

    at: float = 0.0
    gate: GateState | None = None
    stage: int = 0
    alarm: float = 0.0
    promote: float = 0.0
    pairs: int = 0
    run: float = 0.0
    watched: float = 0.0
    soaked: float = 0.0
    a: SideSeen = SideSeen()
    b: SideSeen = SideSeen()
    controls: Literal["ok", "bad"] | None = None
    clock: Clock = ()
    lag_since: float = 0.0
    drift: tuple[str, ...] = ()
    gone: bool = False
    ttls: tuple[tuple[Key, int], ...] = ()
    shows: tuple[int, tuple[Held, ...]] | None = None
    unreadable: str = ""
    skew: float | None = None
    search: Search = Search()
    late: bool = False


@value
class Saw:
    """One slice of watching. `outcomes`: per channel, who failed in each pair (o, a, b, x both), run-length coded.

    After them, for each channel whose probe has `slow`, who failed or was late. `alike`: what is served of many names,
    in short (`caches.packed`); the clock of `after` then holds the others.
    """

    seconds: float
    where: str
    outcomes: tuple[str, ...]
    after: Seen
    alike: tuple[Alike, ...] = ()


@value
class Passed:
    """A wait is over: caches turned, a stage judged, a side proven idle (or given up, with `why`)."""

    step: Step
    why: str = ""


@value
class TurnedBack:
    """From here on the backward list. `by`: gate (exit 3), refused (exit 6: an unfit B), dns (undone there)."""

    by: Literal["gate", "refused", "dns"]
    why: str


@value
class Hold:
    """A hold, its cause by name and in words; `for_good`: drift, or it lasted soak_limit: it stays until `resume`."""

    cause: str
    why: str
    for_good: bool = False


@value
class Cleared:
    """The cause of the hold is gone."""


@value
class Finished:
    """The end of an attempt."""

    outcome: Literal["done", "rolled-back", "abandoned"]
    why: str = ""


Event = (
    Opened | Took | Left | Started | Configured | Changed | Began | Ended
    | Asked | Saw | Passed | TurnedBack | Hold | Cleared | Finished
)  # fmt: skip


@value
class Entry:
    """One line of the journal: its number, when (Unix seconds), by whom, what."""

    n: int
    at: float
    by: str
    event: Event
