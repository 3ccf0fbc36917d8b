"""What the key may write, proven by updates that can change nothing: each deletes what is not there (RFC 2136 2.5).

BIND, Knot and PowerDNS answer NOERROR to those and leave the serial alone; that nothing is there is a prerequisite of
the same message. Prerequisites that never hold would prove less: PowerDNS fails them before it asks its policy.
"""

import itertools
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.update

from lbmigrate.dns.records import fence_name, fence_rdata, name_of, rdatas_of, text_of, type_of
from lbmigrate.dns.wire import Primary, Unheard
from lbmigrate.errors import Denied, LbmigrateError
from lbmigrate.model import Held

TOGETHER = 200  # names in one message: far from its 65,535 bytes, and more than one rule of a policy is made for
CHANGED = ("NXRRSET", "YXRRSET", "NXDOMAIN", "YXDOMAIN")
# One record of each type that nobody has; where somebody has it, the next number.
NOBODY = {
    "A": "0.0.0.{}", "AAAA": "::{}", "CNAME": "lbmigrate-probe-{}.invalid.", "SRV": "0 0 0 lbmigrate-probe-{}.invalid.",
    "HTTPS": "65535 lbmigrate-probe-{}.invalid.", "SVCB": "65535 lbmigrate-probe-{}.invalid.",
    "TXT": '"lbmigrate-probe-{}"',
}  # fmt: skip


class Write(NamedTuple):
    """One type at one owner, what stands there now, and how an error names it."""

    owner: dns.name.Name
    rtype: str
    there: tuple[dns.rdata.Rdata, ...]
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
        for write, said in self._singly([write for writes in each for write in writes]):
            if said in CHANGED:
                yield f"{write.what}: changed while it was checked; check again"
            elif said != "NOERROR":
                hint = "; from PowerDNS 5.1 on it needs enable-lua-record-updates=yes" if write.rtype == "LUA" else ""
                raise Denied(self._refusal(f"an update of {write.what}", said) + hint)
        for some in _parts(each, TOGETHER):
            said = self._said(self._deletion([write for writes in some for write in writes]))
            if said not in ("NOERROR", *CHANGED):
                what = f"an update of {some[0][0].what} and others in one message, though each alone is allowed"
                raise Denied(self._refusal(f"{what} (in Knot one rule must fit them all)", said))

    def beyond(self, lua: bool) -> Iterator[str]:
        """What else the key may do, as far as updates that change nothing show it."""
        try:
            neighbour = dns.name.from_text(f"lbmigrate-probe-{secrets.token_hex(8)}", self._zone)
        except dns.name.NameTooLong:
            return
        address, code = (Write(neighbour, rtype, (), rtype) for rtype in ("A", "LUA"))
        if self._said(self._deletion([address])) == "NOERROR":
            yield f"{self._primary.key} may also write other names of {self._zone}; narrow it: lbmigrate policy"
        if lua or self._said(self._deletion([code])) == "NOERROR":
            software = self._software()
            if "PowerDNS" in software or (lua and not software):
                yield f"{self._primary.key} is a shell on the DNS server: it may write LUA records, which PowerDNS runs"
            elif lua:
                yield f"scheme lua: {self._primary.where} calls itself {software}; only PowerDNS knows LUA records"

    def _singly(self, writes: Sequence[Write]) -> Iterator[tuple[Write, str]]:
        messages = [self._deletion([write]) for write in writes]
        try:
            said = [dns.rcode.to_text(reply.rcode()) for reply in self._primary.ask(messages, self._timeout)]
        except Denied:  # by one of them: Knot's refusal looks like that of a key
            yield from ((write, self._said(message)) for write, message in zip(writes, messages, strict=True))
        else:
            yield from zip(writes, said, strict=True)

    def _said(self, message: dns.update.UpdateMessage) -> str:
        """The server's word; a refusal of the key, which was good for reading, is one of what it asks for."""
        try:
            return dns.rcode.to_text(self._primary.ask([message], self._timeout)[0].rcode())
        except Unheard:
            return "BADKEY"
        except Denied:
            return "NOTAUTH"

    def _deletion(self, writes: Iterable[Write]) -> dns.update.UpdateMessage:
        message = dns.update.UpdateMessage(self._zone)
        for write in writes:
            if write.there:
                message.present(write.owner, *write.there)
                message.delete(write.owner, _nobodys(write))
            else:
                message.absent(write.owner, type_of(write.rtype))
                message.delete(write.owner, type_of(write.rtype))
        return message

    def _software(self) -> str:
        """What the server calls itself, "" where it does not say."""
        query = dns.message.make_query("version.bind.", "TXT", "CH", flags=0)
        try:
            (reply,) = self._primary.ask([query], self._timeout)
        except LbmigrateError:
            return ""
        return re.sub(r"[^\w .-]", "", " ".join(str(rdata) for rrset in reply.answer for rdata in rrset))[:60]


def _writes(held: Held, lua: bool) -> Iterator[Write]:
    name = name_of(held.name)
    for rrset in held.rrsets:
        if rrset.rtype in NOBODY:
            yield Write(name, rrset.rtype, tuple(rdatas_of(rrset)), f"{held.name} ({rrset.rtype})")
    if lua and {"A", "AAAA"} & held.by_type.keys():
        yield Write(name, "LUA", (), f"{held.name} (LUA)")
    fence = fence_name(name)
    there = (fence_rdata(held.fence),) if held.fence else ()
    yield Write(fence, "TXT", there, f"{held.name} (TXT of {text_of(fence)})")
    if lua and not held.fence:
        yield Write(fence, "LUA", (), f"{held.name} (LUA of {text_of(fence)})")


def _nobodys(write: Write) -> dns.rdata.Rdata:
    texts = (NOBODY[write.rtype].format(number) for number in itertools.count())
    found = (dns.rdata.from_text(dns.rdataclass.IN, type_of(write.rtype), text) for text in texts)
    return next(one for one in found if one not in write.there)


def _parts(each: list[list[Write]], size: int) -> Iterator[list[list[Write]]]:
    for start in range(0, len(each), size):
        yield each[start : start + size]
