"""`rollback --from-dns`: the zone back as it was from the config and the fence alone, for when the journal is lost.

The one effect without a durable intent: a journal that comes back finds the fence gone and the originals in place,
and concludes "rolled back". B is left running, since nothing here proves it idle.
"""

from collections.abc import Sequence

from lbmigrate.errors import Drifted, LbmigrateError, Refused, Unreachable
from lbmigrate.model import Applied, Held, NotApplied, Records, Unknown, Zone
from lbmigrate.plan import names_in
from lbmigrate.schemes import within
from lbmigrate.spec import Bound
from lbmigrate.value import replace


def restore(bound: Bound, zones: tuple[Zone, ...], dry_run: bool, over: bool = False) -> tuple[str, ...]:
    """Put back every name that carries this migration's fence; what was done, a line each.

    A zone, or one view of it, that cannot be put back keeps none of the others from it. Then raises what it was
    (of several the first), with all that was done: Refused for another migration's fence, Drifted when records are not
    ours, Denied, Unreachable, also when the outcome is not known (the same command can be given again).
    """
    lines: list[str] = []
    failed: list[LbmigrateError] = []
    for index, zone in enumerate(zones):
        if names := names_in(bound, index):
            try:
                lines += _zone(bound, zone, names, dry_run, over)
            except LbmigrateError as wrong:
                failed.append(wrong)
    if failed:
        raise type(failed[0])("; ".join([*map(str, failed), *lines]))
    return (*lines, "B is left as it is: nothing here proves it idle")


def _zone(bound: Bound, zone: Zone, names: Sequence[str], dry_run: bool, over: bool) -> list[str]:
    now = zone.read(names).held
    claimed = tuple(held for held in now if _ours(bound, held, over))
    left = [f"{held.name}: no fence, left as it is" for held in now if held not in claimed]
    return [*left, *(_put_back(zone, claimed, dry_run) if claimed else ())]


def _ours(bound: Bound, held: Held, over: bool) -> bool:
    if held.fence is None:
        return False
    if held.fence.migration != bound.migration:
        raise Refused(f"{held.name} is claimed by the migration {held.fence.migration!r}, not by {bound.migration!r}")
    strange = [r for rrset in held.rrsets for r in within(rrset, (bound.a, bound.b))]
    if strange and not over:
        raise Drifted(f"{held.name} also holds {', '.join(strange)}; overwrite with: rollback --from-dns --restore")
    return True


def _put_back(zone: Zone, claimed: tuple[Held, ...], dry_run: bool) -> list[str]:
    want = tuple(replace(held, rrsets=held.fence.originals, fence=None) for held in claimed if held.fence)
    text = [f"{r.name} {r.ttl} {r.rtype} {' '.join(r.rdatas)}" for held in want for r in held.rrsets]
    if dry_run:
        return [f"would put back {line}" for line in text]
    match zone.swap(Records(claimed), Records(want)):
        case Applied():
            return [f"put back {line}" for line in text]
        case NotApplied():
            raise Drifted("rollback --from-dns: the records changed at the same moment; give the same command again")
        case Unknown(why):
            raise Unreachable(f"rollback --from-dns: {why}; give the same command again")
