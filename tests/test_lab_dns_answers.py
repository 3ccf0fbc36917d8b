"""The embedded authoritative server: queries, odd messages, transfers, held against real named."""

from collections.abc import Iterator

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rrset
import pytest
from labdns import APEX, ORIGIN, exchange, needs

from lbmigrate.lab.dns import DnsParts, start_dns
from lbmigrate.lab.dnsserver import split
from lbmigrate.lab.transfer import transfer

QUERIES = (
    "www A",
    "WWW A",
    "www AAAA",
    "www MX",
    "www TXT",
    "www ANY",
    "www TYPE65402",
    "nobody A",
    "under.www A",
    "alias A",
    "alias CNAME",
    "alias MX",
    "dangling A",
    "outside A",
    "loop A",
    "any.wild A",
    "very.deep.wild A",
    "any.wild AAAA",
    "wild A",
    "*.wild A",
    "there.wild A",
    "below.there.wild A",
    "alias.wild2 A",
    "empty A",
    "deep.empty A",
    "sub A",
    "host.sub A",
    "sub NS",
    "ns.sub A",
    "@ SOA",
    "@ NS",
    "@ A",
    "other.example. A",
    "test. SOA",
)
LONG = "x" * 250
ZONE = f"""{APEX}
www 60 A 192.0.2.1
www 60 AAAA 2001:db8::1
www 60 TXT "one" "two"
alias CNAME www
dangling CNAME nobody
outside CNAME www.example.
loop CNAME loop2
loop2 CNAME loop
*.wild A 192.0.2.9
there.wild TXT "x"
*.wild2 CNAME www
deep.empty A 192.0.2.8
sub NS ns.sub
ns.sub A 192.0.2.53
many TXT "{LONG}1"
many TXT "{LONG}2"
many TXT "{LONG}3"
""" + "".join(f"www{n} A 192.0.2.1\n" for n in range(2000))

Pair = tuple[DnsParts, DnsParts]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Real named and the embedded server with one zone."""
    needs("named")
    real = start_dns(True, tmp_path_factory.mktemp("real"), ZONE, ORIGIN)
    fake = start_dns(False, tmp_path_factory.mktemp("fake"), ZONE, ORIGIN)
    yield real, fake
    fake.stop()
    real.stop()


def seen(parts: DnsParts, query: dns.message.Message) -> tuple[str, str, list[str], list[str]]:
    """Response code, flags, answers and authority, in no order."""
    reply = dns.message.from_wire(exchange(parts, query.to_wire()))
    return reply.rcode().name, dns.flags.to_text(reply.flags), texts(reply.answer), texts(reply.authority)


def texts(section: list[dns.rrset.RRset]) -> list[str]:
    """One line a record, sorted."""
    return sorted(line.lower() for rrset in section for line in rrset.to_text().splitlines())


@pytest.mark.real("named")
@pytest.mark.parametrize("question", QUERIES)
def test_answer_as_named_gives_it(pair: Pair, question: str) -> None:
    name, rtype = question.split()
    query = dns.message.make_query(dns.name.from_text(name, dns.name.from_text(ORIGIN)), rtype, flags=0)
    real, fake = (seen(parts, query) for parts in pair)
    assert fake == real


def oddities() -> dict[str, bytes]:
    wire = dns.message.make_query(f"www.{ORIGIN}", "A", flags=0).to_wire()
    status = dns.message.make_query(ORIGIN, "SOA", flags=0)
    status.set_opcode(dns.opcode.STATUS)
    return {
        "recursion wanted": dns.message.make_query(f"www.{ORIGIN}", "A").to_wire(),
        "too long for 512": dns.message.make_query(f"many.{ORIGIN}", "TXT", flags=0).to_wire(),
        "room for more than 512": dns.message.make_query(f"many.{ORIGIN}", "TXT", flags=0, payload=1232).to_wire(),
        "another opcode": status.to_wire(),
        "no question": wire[:4] + b"\0\0" + wire[6:12],
        "cut short": wire[:-3],
        "transfer by UDP, unsigned": dns.message.make_query(ORIGIN, "IXFR", flags=0).to_wire(),
    }


@pytest.mark.real("named")
@pytest.mark.parametrize("oddity", oddities())
def test_oddity_as_named_takes_it(pair: Pair, oddity: str) -> None:
    wire = oddities()[oddity]
    real, fake = (dns.message.from_wire(exchange(parts, wire), raise_on_truncation=False) for parts in pair)
    assert (fake.rcode(), fake.flags) == (real.rcode(), real.flags)


@pytest.mark.real("named")
def test_a_transfer_of_many_messages(pair: Pair) -> None:
    real, fake = (transfer(*split(parts.primary), ORIGIN, parts.key) for parts in pair)
    assert len(real) > 2000
    assert fake == real
