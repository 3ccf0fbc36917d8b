"""What is read of an answer by hand is what dnspython reads; what is not ordinary is left to it."""

from collections.abc import Callable

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from lbmigrate.dns import plain, served
from lbmigrate.dns.reading import Question
from lbmigrate.dns.records import name_of

WWW = name_of("www.lab.test.")
RECORDS = {
    "A": ("192.0.2.10", "192.0.2.9", "198.51.100.7"),
    "AAAA": ("2001:db8::1", "::ffff:192.0.2.1"),
    "TXT": ('"a" "b\\"c\\200"', '""'),
}
ORDINARY = [
    *((rtype, records[:count]) for rtype, records in RECORDS.items() for count in (1, len(records))),
    ("A", ("192.0.2.10", "192.0.2.10")),
]


def answered(rtype: str, records: tuple[str, ...], ttl: int = 60) -> dns.message.Message:
    query = dns.message.from_wire(b"\7\7" + plain.query(WWW, rtype))
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.AA
    reply.answer = [dns.rrset.from_text(WWW, ttl, "IN", rtype, *records)]
    return reply


def surrounded(reply: dns.message.Message) -> dns.message.Message:
    """As BIND answers: with the zone's servers and their addresses."""
    reply.authority = [dns.rrset.from_text("lab.test.", 60, "IN", "NS", "ns1.lab.test.", "ns.example.")]
    reply.additional = [dns.rrset.from_text("ns1.lab.test.", 60, "IN", "A", "192.0.2.53")]
    return reply


def slowly(wire: bytes, rtype: str) -> served.Answer | None:
    """The same by dnspython."""
    reply = served._parsed(wire, Question(WWW, rtype))
    return None if reply is None else served._answer("ns1", Question(WWW, rtype), reply)


def agrees(wire: bytes, rtype: str) -> bool:
    """Whether the answer was read by hand; then dnspython reads the same."""
    found = plain.read(wire, plain.query(WWW, rtype))
    if found is not None:
        assert slowly(wire, rtype) == served.Answer("ns1", Question(WWW, rtype), *found)
    return found is not None


def test_a_question_is_the_one_that_dnspython_asks() -> None:
    for rtype in (*RECORDS, "SOA", "CNAME", "SRV", "HTTPS", "SVCB"):
        made = dns.message.make_query(WWW, rtype, flags=0, use_edns=0, payload=plain.PAYLOAD)
        assert plain.query(WWW, rtype) == made.to_wire()[2:]


@pytest.mark.parametrize(("rtype", "records"), ORDINARY)
@pytest.mark.parametrize("around", [lambda reply: reply, surrounded])
def test_an_ordinary_answer_is_read_by_hand(
    rtype: str, records: tuple[str, ...], around: Callable[[dns.message.Message], dns.message.Message]
) -> None:
    assert agrees(around(answered(rtype, records)).to_wire(), rtype)


@pytest.mark.parametrize("rtype", RECORDS)
def test_whatever_bit_is_wrong_dnspython_reads_no_other_thing(rtype: str) -> None:
    wire = answered(rtype, RECORDS[rtype]).to_wire()
    for bit in range(16, 8 * len(wire)):
        changed = bytearray(wire)
        changed[bit // 8] ^= 1 << bit % 8
        agrees(bytes(changed), rtype)


@pytest.mark.parametrize("rtype", RECORDS)
def test_what_is_cut_or_too_long_is_left_to_dnspython(rtype: str) -> None:
    wire = surrounded(answered(rtype, RECORDS[rtype])).to_wire()
    assert not any(agrees(wire[:length], rtype) for length in range(4, len(wire)))
    assert not agrees(wire + b"\0", rtype)


def test_what_is_not_ordinary_is_left_to_dnspython() -> None:
    made = {what: answered("A", ("192.0.2.10",)) for what in ("code", "lame", "cut", "none", "alias", "mixed", "old")}
    made["code"].set_rcode(dns.rcode.SERVFAIL)
    made["lame"].flags &= ~dns.flags.AA
    made["cut"].flags |= dns.flags.TC
    made["none"].answer = []
    made["alias"].answer.insert(0, dns.rrset.from_text("www.lab.test.", 60, "IN", "CNAME", "lb.lab.test."))
    made["mixed"].answer.append(dns.rrset.from_text("other.lab.test.", 60, "IN", "A", "192.0.2.11"))
    made["old"].answer[0].ttl = 1 << 31
    for what, reply in made.items():
        assert plain.read(reply.to_wire(), plain.query(WWW, "A")) is None, what
    made["code"].set_rcode(dns.rcode.BADVERS)
    assert plain.read(made["code"].to_wire(), plain.query(WWW, "A")) is None
