"""One RRset with B in A's place: what a name holds when it is moved whole. Pure.

Rdata is dnspython's canonical text. HTTPS and SVCB (RFC 9460) carry a target and, as hints, addresses that clients
use instead of A and AAAA: both are swapped. In between neither can be weighted, so `plain` takes the hints out and
clients ask for the addresses.
"""

import re
from collections.abc import Callable, Iterable

from lbmigrate import weighted
from lbmigrate.model import RRset, Side
from lbmigrate.value import replace

HINTS = {"ipv4hint": False, "ipv6hint": True}  # the hint's key, and whether it holds IPv6
TARGETS = ("CNAME", "SRV", "HTTPS", "SVCB")  # types that name a side by its hostname
_PARAM = re.compile(r'([^\s="]+)(?:="((?:[^"\\]|\\.)*)"|=(\S*))?')
Params = tuple[tuple[str, str | None], ...]


def families(addresses: Iterable[str], six: bool) -> list[str]:
    """The addresses of one family, sorted."""
    return sorted(address for address in addresses if (":" in address) == six)


def service(rdata: str) -> tuple[int, str, Params]:
    """Priority, target and parameters of an HTTPS or SVCB rdata."""
    priority, target, rest = (*rdata.split(" ", 2), "")[:3]
    found = [(m[1], m[2] if m[2] is not None else m[3]) for m in _PARAM.finditer(rest)]
    return int(priority), target, tuple(found)


def written(priority: int, target: str, params: Params) -> str:
    """The rdata again, in canonical text."""
    return " ".join([str(priority), target, *(key if text is None else f'{key}="{text}"' for key, text in params)])


def hints(rdata: str) -> tuple[str, ...]:
    """The addresses that an HTTPS or SVCB rdata gives as hints."""
    return tuple(one for key, text in service(rdata)[2] if key in HINTS and text for one in text.split(","))


def target(rtype: str, rdata: str) -> str:
    """The host that an rdata of a type in TARGETS points to, in lower case ("." for the owner itself)."""
    return (rdata.rsplit(" ", 1)[-1] if rtype in ("CNAME", "SRV") else service(rdata)[1]).lower()


def names_a(rrset: RRset, a: Side) -> bool:
    """Whether any of its records leads to A: by address, by hostname, by hint."""
    return any(_leads(rrset.rtype, rdata, a) for rdata in rrset.rdatas)


def _leads(rtype: str, rdata: str, side: Side) -> bool:
    if rtype in ("A", "AAAA"):
        return rdata in side.addresses
    if rtype == weighted.TYPE:
        found = weighted.read(rdata)
        return found is not None and any(weighted.belongs(found[0], one.value, side) for one in found[1])
    if side.hostname and target(rtype, rdata) == side.hostname:
        return True
    return rtype in ("HTTPS", "SVCB") and any(hint in side.addresses for hint in hints(rdata))


def swapped(rrset: RRset, a: Side, b: Side) -> RRset:
    """The RRset with B in A's place: every address of B's family, B's hostname, B's hints."""
    if rrset.rtype in ("A", "AAAA"):
        kept = {rdata for rdata in rrset.rdatas if rdata not in a.addresses}
        rdatas = kept | set(families(b.addresses, rrset.rtype == "AAAA"))
    elif rrset.rtype in ("HTTPS", "SVCB"):
        rdatas = {_service(rdata, a, b, lambda six: families(b.addresses, six)) for rdata in rrset.rdatas}
    else:
        rdatas = {_retargeted(rrset.rtype, rdata, a, b) for rdata in rrset.rdatas}
    return replace(rrset, rdatas=tuple(sorted(rdatas)))


def plain(rrset: RRset, a: Side, b: Side) -> RRset:
    """An HTTPS or SVCB RRset while a weight is in force: no hints to A, and beside each target of A's one of B's."""
    stripped = {_service(rdata, a, a, lambda _: []) for rdata in rrset.rdatas}
    both = stripped | {_service(rdata, a, b, lambda _: []) for rdata in stripped}
    return replace(rrset, rdatas=tuple(sorted(both)))


def _retargeted(rtype: str, rdata: str, a: Side, b: Side) -> str:
    if not a.hostname or target(rtype, rdata) != a.hostname:
        return rdata
    return " ".join([*rdata.split(" ")[:-1], b.hostname])


def _service(rdata: str, a: Side, b: Side, instead: Callable[[bool], list[str]]) -> str:
    """One HTTPS or SVCB rdata: A's hints become `instead` (none: the hint goes), A's hostname B's."""
    priority, host, params = service(rdata)
    found: list[tuple[str, str | None]] = []
    for key, text in params:
        if key in HINTS and any(hint in a.addresses for hint in (text or "").split(",")):
            text = ",".join(instead(HINTS[key]))
        if text != "" or key not in HINTS:
            found.append((key, text))
    there = {key for key, _ in found}
    ours = b is not a and a.hostname != "" and host.lower() == a.hostname
    return written(priority, b.hostname if ours else host, _mandatory(found, there))


def _mandatory(params: list[tuple[str, str | None]], there: set[str]) -> Params:
    """What is mandatory must be there (RFC 9460 section 8)."""
    kept = []
    for key, text in params:
        if key == "mandatory":
            text = ",".join(one for one in (text or "").split(",") if one in there)
            if not text:
                continue
        kept.append((key, text))
    return tuple(kept)
