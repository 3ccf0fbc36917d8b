"""Why record sets of Route 53 that are more than plain RRsets cannot be moved. Pure."""

from lbmigrate import weighted
from lbmigrate.model import RRset, Side
from lbmigrate.weighted import Group, alias_of

LONGEST = 200  # characters of a type's sets, which the fence keeps as one word of a string of 255


def unfit(rrset: RRset, a: Side, b: Side) -> str:
    """The first reason, or ""."""
    if len(weighted.groups(rrset)) < len(rrset.rdatas):
        return f"{rrset.name} has sets that this version cannot read: {' '.join(rrset.rdatas)}; leave the name out"
    reasons = [_group(rrset.name, group, a, b) for group in weighted.groups(rrset)]
    reasons += [_long(rrset.name, rdata) for rdata in rrset.rdatas]
    return next(filter(None, reasons), "")


def _group(name: str, group: Group, a: Side, b: Side) -> str:
    rtype, ones = group
    about = f"{name} {rtype}"
    targets = [alias_of(one.value) for one in ones]
    if strange := [_shown(one.value) for one in ones if not weighted.belongs(rtype, one.value, a)]:
        return f"{about} also leads to {', '.join(strange)}, which a: addresses, hostname do not name"
    if 0 in [one.share for one in ones]:
        return f"{about} has a set of weight 0, which serves when no other is healthy; delete that set first"
    if len({target is None for target in targets}) > 1:
        return f"{about} has an alias beside other sets; make them one or the other first"
    if targets[0]:
        return _unknown(about, targets[0], a, b)
    if rtype in weighted.VERSIONS:
        lacking = not any((":" in one) == (rtype == "AAAA") for one in b.addresses)
        return f"{about} has sets, but b.addresses has none of that family" if lacking else ""
    return "" if b.hostname else f"{about} points to {a.hostname}; give b: hostname, what it shall point to instead"


def _unknown(about: str, target: weighted.Alias, a: Side, b: Side) -> str:
    if not b.hostname:
        return f"{about} is an alias to {target.host}; give b: hostname, what it shall be an alias to instead"
    if weighted.moved(target, a, b) is None:
        return (f"{about} is an alias to {target.host}; b: hostname {b.hostname} is of another kind or region, so give"
                " b: alias: {zone_id: …}, its CanonicalHostedZoneId")  # fmt: skip
    return ""


def _long(name: str, rdata: str) -> str:
    if len(weighted.quoted(rdata)) <= LONGEST:
        return ""
    return f"{name} has more weighted sets than a fence can keep; move them behind one name first"


def _shown(value: str) -> str:
    target = alias_of(value)
    return target.host if target else value
