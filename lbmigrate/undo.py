"""What a person needs to undo by hand: the exact nsupdate or aws commands. Pure, from the journal alone."""

import json
import shlex
from typing import Any

from lbmigrate import lua, weighted
from lbmigrate.decide import leaving
from lbmigrate.fence import owner, rdata
from lbmigrate.fold import State
from lbmigrate.model import Held, RRset
from lbmigrate.plan import Plan, found, wanted
from lbmigrate.spec import Dns

NOTHING = "# nothing to undo: no name is claimed"
DRIFTED = "# somebody else changed these names, so the server will refuse this; instead: lbmigrate rollback --restore"
UNKNOWN = (
    "# nothing to undo that this journal knows of; if names carry a fence all the same (TXT at _lbmigrate.NAME):"
    " lbmigrate rollback --from-dns"
)


def commands(s: State) -> str:
    """What puts every claimed name back as it was, while it is still as we left it: for nsupdate, or for aws.

    A message under way may have arrived or not: then there is one for each case, and the server takes what fits.
    """
    if s.plan is None:
        return UNKNOWN
    if not s.active:
        return NOTHING
    if s.retired or leaving(s):
        return "# nothing to undo by hand: A is stopped, or being stopped; go on with: lbmigrate run"
    unsure = {write.batch for _, write in s.pending}
    parts = [part for index in sorted({*s.claimed, *unsure}) for part in _batch(s, s.plan, index)]
    drifted = bool(s.seen.drift) or (s.hold is not None and s.hold.cause == "drift")
    if not parts:
        return NOTHING
    return "\n".join([DRIFTED, *parts] if drifted else parts)


def _batch(s: State, plan: Plan, index: int) -> list[str]:
    """A message for each state that the names of a batch may be in; none where they are back already."""
    batch = plan.batches[index]
    entry = plan.bound.dns[batch.zone]
    keys = [(entry.view, name) for name in batch.names]
    originals, known = found(plan, plan.originals, keys), found(plan, s.known, keys)
    sent = [wanted(plan, s.attempt, n, write) for n, write in s.pending if write.batch == index]
    ours = [now for now in dict.fromkeys([known, *sent]) if now != originals]
    if entry.driver == "route53":
        return [_aws(entry, list(zip(now, originals, strict=True))) for now in ours]
    return [_message(entry, _lines(now, originals, entry.scheme)) for now in ours]


def _lines(now: tuple[Held, ...], originals: tuple[Held, ...], scheme: str) -> list[str]:
    return [line for one, then in zip(now, originals, strict=True) for line in _name(one, then, scheme)]


def _message(entry: Dns, lines: list[str]) -> str:
    # nsupdate by itself refuses to add addresses at names that are no host names (RFC 952), such as my_app.
    words = ["check-names no", f"server {entry.server} {entry.port}", f"zone {entry.zone}", *lines, "send", "answer"]
    if not entry.tsig:
        return "\n".join(["nsupdate -v <<'END'", *words, "END"])
    # By the shell's own printf and a pipe, for what stands in a program's arguments every user of the machine can read.
    key = shlex.quote(f"key {entry.tsig.algorithm}:{entry.tsig.name}")
    head = [f"# SECRET is {entry.tsig.secret}", f"{{ printf '%s %s\\n' {key} \"$SECRET\"; cat <<'END'"]
    return "\n".join([*head, *words, "END", "} | nsupdate -v"])


def _name(now: Held, then: Held, scheme: str) -> list[str]:
    lines = [f"prereq yxrrset {_owner(r)} {record}" for r in now.rrsets for record in _records(r)]
    if now.fence:
        lines.append(f"prereq yxrrset {owner(now.name)} TXT {rdata(now.fence)}")
    for r in now.rrsets:
        lines.append(f"update delete {_owner(r)} {_type(r)}")
    for r in then.rrsets:
        lines += [f"update add {_owner(r)} {r.ttl} {record}" for record in _records(r)]
    probe = [f"update delete {owner(now.name)} TYPE{lua.NUMBER}"] if scheme == "lua" else []
    return [*lines, f"update delete {owner(now.name)} TXT", *probe]


def _owner(rrset: RRset) -> str:
    """As the zone spells it, in every line: nsupdate writes a name that comes again as it was spelled first."""
    return rrset.spelled or rrset.name


def _type(rrset: RRset) -> str:
    return f"TYPE{lua.NUMBER}" if rrset.rtype == "LUA" else rrset.rtype


def _records(rrset: RRset) -> list[str]:
    """Type and rdata of each record, as nsupdate reads them."""
    texts = map(lua.generic, rrset.rdatas) if rrset.rtype == "LUA" else rrset.rdatas
    return [f"{_type(rrset)} {text}" for text in texts]


def _aws(entry: Dns, names: list[tuple[Held, Held]]) -> str:
    """One change batch for the aws command line. The fence's TXT holds more than the journal knows: it stays."""
    deletes = [("DELETE", one) for now, _ in names for one in _sets(now)]
    creates = [("CREATE", one) for _, then in names for one in _sets(then)]
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": one} for action, one in (*deletes, *creates)]}
    given = {"--profile": entry.profile, "--endpoint-url": entry.endpoint}
    role = f"# as the role {entry.role}" + (f", external id {entry.external_id}" if entry.external_id else "")
    head = f"{role}: aws sts assume-role, or a profile that assumes it\n" if entry.role else ""
    options = "".join(f" {option} {shlex.quote(text)}" for option, text in given.items() if text)
    zone = shlex.quote(entry.zone_id) if entry.zone_id else f"THE_ID_OF_{shlex.quote(entry.zone)}"
    return (
        f"{head}aws route53 change-resource-record-sets{options} --hosted-zone-id {zone} --change-batch"
        f" {shlex.quote(json.dumps(batch))}\n# then, for the fence: lbmigrate rollback --from-dns"
    )


def _sets(held: Held) -> list[dict[str, Any]]:
    return [one for rrset in held.rrsets for one in weighted.sets(weighted.octal(rrset.name), rrset)]


def leftovers(s: State) -> str:
    """What `abandon` leaves behind, a line each."""
    if s.plan is None:
        return "nothing is left"
    lines = [
        f"left as it is: {held.name} {r.rtype} {' '.join(r.rdatas)} ttl {r.ttl}"
        for held in s.known
        for r in held.rrsets
    ]
    lines += ["left running: B"] if s.stood else []
    return "\n".join([*lines, f"left as it is: A at {s.plan.bound.a.where}"])
