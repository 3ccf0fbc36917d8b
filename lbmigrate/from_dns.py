"""`rollback --from-dns`: the zone back as it was from the config and the fence alone, for when the journal is lost.

The one effect without a durable intent: a journal that comes back finds the fence gone and the originals in place,
and concludes "rolled back". B is left running, since nothing here proves it idle.
"""

from lbmigrate.errors import Drifted, Refused, Unreachable
from lbmigrate.model import Applied, Held, NotApplied, Records, Unknown, Zone
from lbmigrate.plan import names_in
from lbmigrate.schemes import within
from lbmigrate.spec import Bound
from lbmigrate.value import replace


def restore(bound: Bound, zones: tuple[Zone, ...], dry_run: bool, over: bool = False) -> tuple[str, ...]:
    """Put back every name that carries this migration's fence; what was done, a line each.

    Raises Refused for another migration's fence, Drifted when records are not ours, Unreachable when the outcome is
    not known (the same command can be given again).
    """
    lines: list[str] = []
    for index, zone in enumerate(zones):
        names = names_in(bound, index)
        if not names:
            continue
        now = zone.read(names).held
        claimed = tuple(held for held in now if _ours(bound, held, over))
        lines += [f"{held.name}: no fence, left as it is" for held in now if held not in claimed]
        if claimed:
            lines += _put_back(zone, claimed, dry_run)
    return (*lines, "B is left as it is: nothing here proves it idle")


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
