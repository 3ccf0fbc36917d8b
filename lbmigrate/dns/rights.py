"""What the key may write, proven by updates that can change nothing: each deletes what is not there (RFC 2136 2.5).

BIND, Knot and PowerDNS answer NOERROR to those and leave the serial alone; that nothing is there is a prerequisite of
the same message. Prerequisites that never hold would prove less: PowerDNS fails them before it asks its policy.
"""

import itertools
import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import dns.message
import dns.name
import dns.rcode

from lbmigrate.dns import software
from lbmigrate.dns.layout import ANY, IN, NONE, Layout, fixed, rdata_wire
from lbmigrate.dns.reading import in_parts
from lbmigrate.dns.records import fence_name, fence_strings, name_of, text_of, type_of
from lbmigrate.dns.update import Update
from lbmigrate.dns.wire import Primary, Unheard
from lbmigrate.errors import Denied
from lbmigrate.model import Held

TOGETHER = 200  # names in one message: far from its 65,535 bytes, and more than one rule of a policy is made for
ASKED = 512  # messages that are laid out before the first is sent
CHANGED = ("NXRRSET", "YXRRSET", "NXDOMAIN", "YXDOMAIN")
# One record of each type that nobody has; where somebody has it, the next number.
NOBODY = {
    "A": "0.0.0.{}", "AAAA": "::{}", "CNAME": "lbmigrate-probe-{}.invalid.", "SRV": "0 0 0 lbmigrate-probe-{}.invalid.",
    "HTTPS": "65535 lbmigrate-probe-{}.invalid.", "SVCB": "65535 lbmigrate-probe-{}.invalid.",
    "TXT": '"lbmigrate-probe-{}"',
}  # fmt: skip


class Write(NamedTuple):
    """One type at one owner (in wire form), the rdatas that stand there now, and how an error names it."""

    owner: bytes
    rtype: str
    there: tuple[bytes, ...]
    what: str


class Rights:
    """The rights of one key in one zone. `refusal` words a refusal: of what, and what the server said."""

    def __init__(
        self, primary: Primary, zone: dns.name.Name, timeout: float, refusal: Callable[[str, str], str]
    ) -> None:
        self._primary, self._zone, self._timeout, self._refusal = primary, zone, timeout, refusal

    def needed(self, names: Sequence[Held], lua: bool) -> Iterator[str]:
        """Prove every write that moving `names` takes, each by itself and then together; `lua`: as LUA records too.

        Yields what changed meanwhile. Raises Denied with the first write that would be refused, Unreachable.
        """
        each = [list(_writes(held, lua)) for held in names if held.rrsets]
        singly = [write for writes in each for write in writes]
        for write, said in (one for some in in_parts(singly, ASKED) for one in self._singly(some)):
            if said in CHANGED:
                yield f"{write.what}: changed while it was checked; check again"
            elif said != "NOERROR":
                hint = "; from PowerDNS 5.1 on it needs enable-lua-record-updates=yes" if write.rtype == "LUA" else ""
                raise Denied(self._refusal(f"an update of {write.what}", said) + hint)
        for some in in_parts(each, TOGETHER):
            said = self._said(self._deletion([write for writes in some for write in writes]))
            if said not in ("NOERROR", *CHANGED):
                what = f"an update of {some[0][0].what} and others in one message, though each alone is allowed"
                raise Denied(self._refusal(f"{what} (in Knot one rule must fit them all)", said))

    def beyond(self, lua: bool) -> Iterator[str]:
        """What else the key may do, as far as updates that change nothing show it.

        Raises Denied where LUA records are to be written to a server that surely knows none.
        """
        try:
            neighbour = dns.name.from_text(f"lbmigrate-probe-{secrets.token_hex(8)}", self._zone)
        except dns.name.NameTooLong:
            return
        address, code = (Write(neighbour.to_wire() or b"", rtype, (), rtype) for rtype in ("A", "LUA"))
        if self._said(self._deletion([address])) == "NOERROR":
            yield f"{self._primary.key} may also write other names of {self._zone}; narrow it: lbmigrate policy"
        if lua or self._said(self._deletion([code])) == "NOERROR":
            name = software.called(self._primary, self._timeout)
            if lua:
                software.no_lua(name, self._primary.where)
            if lua or "PowerDNS" in name:
                yield f"{self._primary.key} is a shell on the DNS server: it may write LUA records, which PowerDNS runs"
            if lua and "PowerDNS" not in name:
                yield f"scheme lua: {self._primary.where} does not say what it is; only PowerDNS knows LUA records"

    def _singly(self, writes: Sequence[Write]) -> Iterator[tuple[Write, str]]:
        messages = [self._deletion([write]) for write in writes]
        try:
            said = [dns.rcode.to_text(reply.rcode()) for reply in self._primary.ask(messages, self._timeout)]
        except Denied:  # by one of them: Knot's refusal looks like that of a key
            yield from ((write, self._said(message)) for write, message in zip(writes, messages, strict=True))
        else:
            yield from zip(writes, said, strict=True)

    def _said(self, message: Update) -> str:
        """The server's word; a refusal of the key, which was good for reading, is one of what it asks for."""
        try:
            return dns.rcode.to_text(self._primary.ask([message], self._timeout)[0].rcode())
        except Unheard:
            return "BADKEY"
        except Denied:
            return "NOTAUTH"

    def _deletion(self, writes: Sequence[Write]) -> Update:
        """Of each what nobody has, where it holds something; else all that there is, which is nothing."""
        layout = Layout(self._zone)
        for write in writes:
            kind = type_of(write.rtype)
            there = [fixed(kind, IN, 0, len(one)) + one for one in write.there]
            layout.records(write.owner, there or [fixed(kind, NONE, 0, 0)])
        required, layout.count = layout.count, 0
        for write in writes:
            kind, gone = type_of(write.rtype), _nobodys(write) if write.there else b""
            layout.records(write.owner, [fixed(kind, NONE if gone else ANY, 0, len(gone)) + gone])
        return Update(self._zone, required, layout.count, bytes(layout.wire))


def _writes(held: Held, lua: bool) -> Iterator[Write]:
    name = name_of(held.name)
    owner, fence = name.to_wire() or b"", fence_name(name)
    for rrset in held.rrsets:
        if rrset.rtype in NOBODY:
            there = tuple([rdata_wire(rrset.rtype, one) for one in rrset.rdatas])
            yield Write(owner, rrset.rtype, there, f"{held.name} ({rrset.rtype})")
    if lua and {"A", "AAAA"} & held.by_type.keys():
        yield Write(owner, "LUA", (), f"{held.name} (LUA)")
    mark, beside = (fence_strings(held.fence),) if held.fence else (), fence.to_wire() or b""
    yield Write(beside, "TXT", mark, f"{held.name} (TXT of {text_of(fence)})")
    if lua and not held.fence:
        yield Write(beside, "LUA", (), f"{held.name} (LUA of {text_of(fence)})")


def _nobodys(write: Write) -> bytes:
    there = {one.lower() for one in write.there}  # names in rdata are the same in any spelling
    texts = (NOBODY[write.rtype].format(number) for number in itertools.count())
    found = (rdata_wire(write.rtype, text) for text in texts)
    return next(one for one in found if one.lower() not in there)
