"""Played in a network namespace of its own, where addresses can come and go: B is good on IPv4 and dead on IPv6."""

import subprocess
import sys
from pathlib import Path

import dns.message
import dns.query
from migrations import SCENARIO, WWW, Rig, rig

from lbmigrate.value import replace

A6, B6 = "fd00:77::1", "fd00:78::1"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def aaaa(one: Rig) -> list[str]:
    """What the primary answers for the AAAA records."""
    reply = dns.query.udp(dns.message.make_query(WWW, "AAAA"), "127.0.0.1", 2, one.port)
    return sorted(str(rdata) for rrset in reply.answer for rdata in rrset)


def play(directory: Path) -> None:
    """A migration that is turned back by one family's verdict, in both families at once."""
    ip("link", "set", "lo", "up")
    for address in (A6, B6):
        ip("-6", "addr", "add", f"{address}/128", "dev", "lo", "nodad")
    with rig(directory, replace(SCENARIO, a6=1, b6=1)) as one:
        before = one.records()
        one.at_50().write(soak="1m")
        assert aaaa(one) == [A6, B6]
        ip("-6", "addr", "del", f"{B6}/128", "dev", "lo")
        said = one.give("tick", "--for", "30s")
        assert said.code == 3, said
        assert "B is bad" in said.line, said.line
        assert one.records() == before
        assert (one.served()[0], aaaa(one)) == ([one.a], [A6])


if __name__ == "__main__":
    play(Path(sys.argv[1]))
