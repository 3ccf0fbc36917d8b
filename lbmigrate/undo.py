"""What a person needs to undo by hand: the exact nsupdate commands. Pure, from the journal alone."""

from lbmigrate import lua
from lbmigrate.fence import owner, rdata
from lbmigrate.fold import State
from lbmigrate.model import Held, RRset
from lbmigrate.spec import Dns


def commands(s: State) -> str:
    """nsupdate input that puts every claimed name back as it was, on condition that it is still as we left it."""
    if s.plan is None or not s.active or not s.claimed:
        return "# nothing to undo: no name is claimed"
    originals = {held.key: held for held in s.plan.originals}
    known = {held.key: held for held in s.known}
    parts = []
    for index in s.claimed:
        batch = s.plan.batches[index]
        entry = s.plan.bound.dns[batch.zone]
        keys = [(entry.view, name) for name in batch.names]
        lines = [line for key in keys for line in _name(known[key], originals[key], entry.scheme)]
        parts.append(_message(entry, lines))
    return "\n".join(parts)


def _message(entry: Dns, lines: list[str]) -> str:
    key = f" -y {entry.tsig.algorithm}:{entry.tsig.name}:$SECRET" if entry.tsig else ""
    note = [f"# SECRET is {entry.tsig.secret}"] if entry.tsig else []
    # nsupdate by itself refuses to add addresses at names that are no host names (RFC 952), such as my_app.
    head = [f"nsupdate -v{key} <<'END'", "check-names no", f"server {entry.server} {entry.port}", f"zone {entry.zone}"]
    return "\n".join([*note, *head, *lines, "send", "answer", "END"])


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
    return "\n".join([*lines, f"left as it is: A at {' '.join(s.plan.bound.a.addresses)}"])
