"""What a name server calls itself (version.bind, RFC 4892 section 2), for what only PowerDNS does: LUA records."""

import re

import dns.message

from lbmigrate.dns.wire import Primary
from lbmigrate.errors import Denied, LbmigrateError

_OTHER = re.compile(r"9\.\d|.*\b(BIND|Knot|NSD)\b")  # BIND tells its bare number


def called(primary: Primary, timeout: float) -> str:
    """Its own words, "" where it does not say; any owner may have changed them."""
    query = dns.message.make_query("version.bind.", "TXT", "CH", flags=0)
    try:
        (reply,) = primary.ask([query], timeout)
    except LbmigrateError:
        return ""
    return re.sub(r"[^\w .-]", "", " ".join(str(rdata) for rrset in reply.answer for rdata in rrset))[:60]


def no_lua(name: str, where: str) -> None:
    """Raise Denied where a server that calls itself so surely knows no LUA records."""
    if _OTHER.match(name):
        why = f"scheme lua: {where} calls itself {name}; only PowerDNS knows LUA records"
        raise Denied(f"{why}; remove `scheme: lua`, or name the PowerDNS primary under dns: server")
