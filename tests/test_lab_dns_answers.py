"""The embedded authoritative server: queries, odd messages, transfers, held against real named."""

from collections.abc import Iterator
from pathlib import Path

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rcode
import dns.rrset
import pytest
from labdns import APEX, ORIGIN, SECONDS, exchange, message, needs

from lbmigrate.lab.dns import DnsParts, start_dns
from lbmigrate.lab.dnsauthority import Authority
from lbmigrate.lab.dnsserver import split
from lbmigrate.lab.dnszone import from_text
from lbmigrate.lab.transfer import Key, transfer

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
    notify = dns.message.make_query(ORIGIN, "SOA", flags=dns.flags.AA)
    notify.set_opcode(dns.opcode.NOTIFY)
    return {
        "recursion wanted": dns.message.make_query(f"www.{ORIGIN}", "A").to_wire(),
        "too long for 512": dns.message.make_query(f"many.{ORIGIN}", "TXT", flags=0).to_wire(),
        "room for more than 512": dns.message.make_query(f"many.{ORIGIN}", "TXT", flags=0, payload=1232).to_wire(),
        "another opcode": status.to_wire(),
        "a notice to the primary": notify.to_wire(),
        "another class": dns.message.make_query(ORIGIN, "SOA", "CH", flags=0).to_wire(),
        "two questions": wire[:4] + b"\0\2" + wire[6:] + wire[12:],
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


@pytest.mark.real("named")
def test_a_secondary_takes_no_update(tmp_path: Path) -> None:
    rcodes = set()
    for real in (True, False):
        parts = start_dns(real, tmp_path / str(real), APEX, ORIGIN, secondary=True)
        update = message(parts)
        update.add("new", 60, "A", "192.0.2.1")
        host, port = split(parts.nameservers[1])
        rcodes.add(dns.query.tcp(update, host, SECONDS, port).rcode())
        parts.stop()
    assert rcodes == {dns.rcode.REFUSED}


KEY = Key("k", "hmac-sha256", "c2VjcmV0").tsig()
SOA = dns.message.make_query(ORIGIN, "SOA", flags=0)


def test_a_secondary_without_a_zone_says_so() -> None:
    told: list[bool] = []
    authority = Authority(None, KEY, notified=lambda: told.append(True))
    reply = dns.message.from_wire(authority.datagram(SOA.to_wire()) or b"")
    assert reply.rcode() == dns.rcode.SERVFAIL
    notify = dns.message.make_query(ORIGIN, "SOA")
    notify.set_opcode(dns.opcode.NOTIFY)
    assert authority.datagram(notify.to_wire())
    assert told == [True]


@pytest.mark.parametrize(
    "wire", [b"", b"short", SOA.to_wire()[:2] + b"\x80" + SOA.to_wire()[3:]], ids=["nothing", "short", "a response"]
)
def test_silence_where_an_answer_could_be_echoed_for_ever(wire: bytes) -> None:
    assert Authority(None, KEY).datagram(wire) is None


def test_answers_take_turns_until_the_zone_changes() -> None:
    first = from_text(f"{APEX}www A 192.0.2.1\nwww A 192.0.2.2\nwww A 192.0.2.3\n", ORIGIN)
    authority = Authority(first, KEY)
    query = dns.message.make_query(f"www.{ORIGIN}", "A", flags=0).to_wire()

    def ask(number: int) -> str:
        reply = dns.message.from_wire(authority.datagram(number.to_bytes(2, "big") + query[2:]) or b"")
        assert reply.id == number
        return str(reply.answer[0][0])

    assert sorted(ask(number) for number in range(3)) == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert [ask(number) for number in range(3)] == [ask(number) for number in range(3)]
    authority.serve(from_text(f"{APEX}www A 192.0.2.9\n", ORIGIN))
    assert ask(9) == "192.0.2.9"
