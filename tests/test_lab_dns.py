"""The embedded authoritative server: every form of RFC 2136 update, held against real named."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
import pytest
from labdns import APEX, ORIGIN, SECONDS, Update, message, needs

from lbmigrate.lab.dns import DnsParts, start_dns
from lbmigrate.lab.dnsserver import split
from lbmigrate.lab.transfer import transfer

TREE = (
    ("www", 60, "A", "192.0.2.1"),
    ("www", 60, "A", "192.0.2.2"),
    ("www", 60, "AAAA", "2001:db8::1"),
    ("www", 60, "TXT", '"one" "two"'),
    ("alias", 300, "CNAME", "www.sub"),
    ("*.wild", 300, "A", "192.0.2.9"),
    ("deep.empty", 300, "A", "192.0.2.8"),
)
AT = "sub"

Build = Callable[[Update, str], object]


class Case(NamedTuple):
    """One update, what both servers must say, and whether the zone changes."""

    name: str
    build: Build
    rcode: str
    changes: bool = False


def raw(section: int, name: str, rdclass: str, rtype: str, ttl: int, *rdata: str, deleting: str = "") -> Build:
    """A record in a form that dnspython's own methods would not write. `name` is relative to the case's subtree."""

    def build(message: Update, at: str) -> None:
        owner = dns.name.from_text(name if name.endswith(".") else f"{name}.{at}.{ORIGIN}")
        one = dns.rrset.RRset(owner, dns.rdataclass.from_text(rdclass), dns.rdatatype.from_text(rtype))
        if deleting:
            one.deleting = dns.rdataclass.from_text(deleting)
        one.update_ttl(ttl)
        for text in rdata:
            one.add(dns.rdata.from_text(dns.rdataclass.IN, one.rdtype, text), ttl)
        message.sections[section].append(one)

    return build


def both(*builds: Build) -> Build:
    """Several in one message, in order."""

    def build(message: Update, at: str) -> None:
        for one in builds:
            one(message, at)

    return build


def add(name: str, ttl: int, rtype: str, *rdata: str) -> Build:
    def build(message: Update, at: str) -> None:
        for one in rdata:
            message.add(f"{name}.{at}", ttl, rtype, one)

    return build


def delete(name: str, *rest: str) -> Build:
    return lambda message, at: message.delete(f"{name}.{at}", *rest)


def present(name: str, *rest: str) -> Build:
    return lambda message, at: message.present(f"{name}.{at}", *rest)


def absent(name: str, *rest: str) -> Build:
    return lambda message, at: message.absent(f"{name}.{at}", *rest)


def apex(build: Callable[[Update], object]) -> Build:
    return lambda message, _at: build(message)


CHANGE = add("www", 60, "A", "192.0.2.77")
PRE, UPD = 1, 2

CASES = (
    # prerequisites, RFC 2136 section 2.4
    Case("name in use", both(present("www"), CHANGE), "NOERROR", True),
    Case("name in use, is not", both(present("nobody"), CHANGE), "NXDOMAIN"),
    Case("name in use, only by wildcard", both(present("x.wild"), CHANGE), "NXDOMAIN"),
    Case("name in use, empty non-terminal", both(present("empty"), CHANGE), "NXDOMAIN"),
    Case("name not in use", both(absent("nobody"), CHANGE), "NOERROR", True),
    Case("name not in use, is", both(absent("www"), CHANGE), "YXDOMAIN"),
    Case("rrset exists", both(present("www", "A"), CHANGE), "NOERROR", True),
    Case("rrset exists, does not", both(present("www", "MX"), CHANGE), "NXRRSET"),
    Case("rrset exists, an alias does", both(present("alias", "A"), CHANGE), "NXRRSET"),
    Case("rrset does not exist", both(absent("www", "MX"), CHANGE), "NOERROR", True),
    Case("rrset does not exist, does", both(absent("www", "A"), CHANGE), "YXRRSET"),
    Case("value", both(present("www", "A", "192.0.2.1", "192.0.2.2"), CHANGE), "NOERROR", True),
    Case("value, other order", both(present("www", "A", "192.0.2.2", "192.0.2.1"), CHANGE), "NOERROR", True),
    Case("value, stale", both(present("www", "A", "192.0.2.1", "192.0.2.3"), CHANGE), "NXRRSET"),
    Case("value, only a part", both(present("www", "A", "192.0.2.1"), CHANGE), "NXRRSET"),
    Case("value, more", both(present("www", "A", *(f"192.0.2.{n}" for n in (1, 2, 3))), CHANGE), "NXRRSET"),
    Case("value, of no rrset", both(present("nobody", "A", "192.0.2.1"), CHANGE), "NXRRSET"),
    Case("value, TXT", both(present("www", "TXT", '"one" "two"'), CHANGE), "NOERROR", True),
    Case("value, TXT in other case", both(present("www", "TXT", '"One" "two"'), CHANGE), "NXRRSET"),
    Case("value, TXT cut elsewhere", both(present("www", "TXT", '"onetwo"'), CHANGE), "NXRRSET"),
    Case("value, CNAME in other case", both(present("alias", "CNAME", "WWW.sub"), CHANGE), "NOERROR", True),
    Case("value, CNAME", both(present("alias", "CNAME", "other"), CHANGE), "NXRRSET"),
    Case("two values", both(present("www", "A", "192.0.2.1", "192.0.2.2"), present("www", "MX", "1 a")), "NXRRSET"),
    Case("prerequisite only", present("www"), "NOERROR"),
    Case("prerequisite out of zone", both(raw(PRE, "www.example.", "IN", "A", 0, deleting="ANY"), CHANGE), "NOTZONE"),
    Case("prerequisite with TTL", both(raw(PRE, "www", "IN", "A", 5, "192.0.2.1"), CHANGE), "FORMERR"),
    Case("value of any type", both(raw(PRE, "www", "IN", "ANY", 0, deleting="CH"), CHANGE), "FORMERR"),
    # updates, section 2.5
    Case("add", add("new", 30, "A", "192.0.2.5"), "NOERROR", True),
    Case("add what is there", add("www", 60, "A", "192.0.2.1"), "NOERROR"),
    Case("add with another TTL turns the rrset", add("www", 30, "A", "192.0.2.3"), "NOERROR", True),
    Case("TTL alone", add("www", 30, "A", "192.0.2.1"), "NOERROR", True),
    Case("add of a TTL beyond 31 bits", add("huge", 2**31 - 1, "A", "192.0.2.5"), "NOERROR", True),
    Case("delete rrset", delete("www", "A"), "NOERROR", True),
    Case("delete rrset that is not", delete("www", "MX"), "NOERROR"),
    Case("delete name", delete("www"), "NOERROR", True),
    Case("delete name that is not", delete("nobody"), "NOERROR"),
    Case("delete record", delete("www", "A", "192.0.2.1"), "NOERROR", True),
    Case("delete record that is not", delete("www", "A", "192.0.2.3"), "NOERROR"),
    Case("delete every record", delete("www", "A", "192.0.2.1", "192.0.2.2"), "NOERROR", True),
    Case("replace", both(delete("www", "A"), add("www", 5, "A", "192.0.2.3", "192.0.2.4")), "NOERROR", True),
    Case("replace by the same", both(delete("www", "A"), add("www", 60, "A", "192.0.2.1", "192.0.2.2")), "NOERROR"),
    Case("add, delete, add", both(CHANGE, delete("www", "A"), add("www", 60, "A", "192.0.2.3")), "NOERROR", True),
    Case("add, then delete all", both(CHANGE, delete("www", "A")), "NOERROR", True),
    Case("CNAME beside A", both(add("www", 60, "CNAME", "ns1"), add("other", 60, "A", "192.0.2.5")), "NOERROR", True),
    Case("only a CNAME beside A", add("www", 60, "CNAME", "ns1"), "NOERROR"),
    Case("A beside CNAME", add("alias", 60, "A", "192.0.2.5"), "NOERROR"),
    Case("second CNAME takes the first one's place", add("alias", 60, "CNAME", "ns1"), "NOERROR", True),
    Case("CNAME in place of A", both(delete("www"), add("www", 60, "CNAME", "ns1")), "NOERROR", True),
    Case("A below a wildcard", add("x.wild", 60, "A", "192.0.2.5"), "NOERROR", True),
    Case("a wildcard", add("*", 60, "A", "192.0.2.5"), "NOERROR", True),
    Case("out of zone", both(CHANGE, raw(UPD, "www.example.", "IN", "A", 60, "192.0.2.1")), "NOTZONE"),
    Case(
        "out of zone and a stale value",
        both(raw(UPD, "a.example.", "IN", "A", 60, "192.0.2.1"), present("no")),
        "NOTZONE",
    ),
    Case("delete with TTL", raw(UPD, "www", "IN", "A", 5, "192.0.2.1", deleting="NONE"), "FORMERR"),
    Case("delete a meta type", raw(UPD, "www", "IN", "AXFR", 0, deleting="ANY"), "FORMERR"),
    Case("add NSEC", add("www", 60, "NSEC", "ns1 A"), "REFUSED"),
    Case("unknown type", add("www", 60, "TYPE65402", r"\# 2 0001"), "NOERROR", True),
    Case("upper case", lambda m, at: m.add(f"WWW.{at}", 60, "A", "192.0.2.77"), "NOERROR", True),
    Case("escaped name", add(r"a\.b\032c", 60, "TXT", "x"), "NOERROR", True),
    # names that are no host names, as BIND's check-names has it
    Case("A under no host name", both(CHANGE, add(r"a\.b\032c", 60, "A", "192.0.2.77")), "REFUSED"),
    Case("AAAA under an underscore", add("_x", 60, "AAAA", "2001:db8::2"), "REFUSED"),
    Case("A under a hyphen", add("-x", 60, "A", "192.0.2.77"), "REFUSED"),
    Case("TXT under an underscore", add("_x", 60, "TXT", "x"), "NOERROR", True),
    Case("CNAME under an underscore", add("_x", 60, "CNAME", "_y"), "NOERROR", True),
    Case("MX to an underscore", add("x", 60, "MX", "10 _y"), "REFUSED"),
    Case("SRV to an underscore", add("_x._tcp", 60, "SRV", "0 0 80 _y"), "REFUSED"),
    Case("SRV", add("_x._tcp", 60, "SRV", "0 0 80 y"), "NOERROR", True),
    Case("SRV to nothing", add("_x._tcp", 60, "SRV", "0 0 0 ."), "NOERROR", True),
    Case("NS to an underscore", add("x", 60, "NS", "_y"), "REFUSED"),
    Case("delete A under an underscore", delete("_x", "A", "192.0.2.77"), "NOERROR"),
    # the apex, section 3.4.2.4
    Case("apex: delete SOA", apex(lambda m: m.delete("@", "SOA")), "NOERROR"),
    Case("apex: delete NS", apex(lambda m: m.delete("@", "NS")), "NOERROR"),
    Case("apex: delete the last NS", apex(lambda m: m.delete("@", "NS", f"ns1.{ORIGIN}")), "NOERROR"),
    Case("apex: older SOA", apex(lambda m: m.add("@", 60, "SOA", "ns1 h 3 1 1 1 1")), "NOERROR"),
    Case("SOA elsewhere", add("www", 60, "SOA", "ns1 h 999 1 1 1 1"), "NOERROR"),
    Case("apex: newer SOA", apex(lambda m: m.add("@", 60, "SOA", "ns1 h 5000 3600 600 86400 60")), "NOERROR", True),
    Case("apex: SOA as read", apex(lambda m: m.present("@", "SOA", "ns1 h 77 1 1 1 1")), "NXRRSET"),
    Case("apex: delete all", apex(lambda m: m.delete("@")), "NOERROR", True),
    Case("apex: CNAME", apex(lambda m: m.add("@", 60, "CNAME", "ns1")), "NOERROR"),
)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DnsParts]:
    parts = start_dns(False, tmp_path_factory.mktemp("embedded"), APEX, ORIGIN)
    yield parts
    parts.stop()


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DnsParts]:
    """An embedded server that is given exactly what `named` is given."""
    parts = start_dns(False, tmp_path_factory.mktemp("twin"), APEX, ORIGIN)
    yield parts
    parts.stop()


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DnsParts]:
    needs("named")
    parts = start_dns(True, tmp_path_factory.mktemp("named"), APEX, ORIGIN)
    yield parts
    parts.stop()


def send(parts: DnsParts, update: Update) -> str:
    host, port = split(parts.primary)
    return dns.query.tcp(update, host, SECONDS, port).rcode().name


def content(parts: DnsParts) -> tuple[set[str], int]:
    """Every record but the SOA's serial, and that serial."""
    lines = [line.lower() for line in transfer(*split(parts.primary), ORIGIN, parts.key)]
    soa = next(line.split() for line in lines if " soa " in line)
    return {line for line in lines if " soa " not in line} | {" ".join(soa[:6] + soa[7:])}, int(soa[6])


def plant(parts: DnsParts) -> None:
    """Give the case its records."""
    update = message(parts)
    for name, ttl, rtype, rdata in TREE:
        update.add(f"{name}.{AT}", ttl, rtype, rdata)
    assert send(parts, update) == "NOERROR"


def uproot(parts: DnsParts, lines: set[str]) -> None:
    """Take away all that the case has left."""
    update = message(parts)
    for name in {line.split()[0] for line in lines}:
        if name.endswith(f".{AT}.{ORIGIN}"):
            update.delete(dns.name.from_text(name))
    assert send(parts, update) == "NOERROR"


def outcome(parts: DnsParts, case: Case) -> tuple[str, int, set[str], set[str]]:
    """What the server said, whether the serial went on by none, one or more, what was added and what is gone.

    Case aside: BIND takes the case of a name from the last update, for all of its RRsets.
    """
    plant(parts)
    before, old = content(parts)
    update = message(parts)
    case.build(update, AT)
    rcode = send(parts, update)
    after, new = content(parts)
    uproot(parts, after)
    return rcode, min(new - old, 2), after - before, before - after


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_update(embedded: DnsParts, case: Case) -> None:
    rcode, grown, added, gone = outcome(embedded, case)
    assert rcode == case.rcode
    assert (grown > 0) == case.changes
    assert bool(added or gone) <= case.changes


@pytest.mark.real("named")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_update_as_named_does(named: DnsParts, twin: DnsParts, case: Case) -> None:
    expected = outcome(named, case)
    assert expected[0] == case.rcode
    assert outcome(twin, case) == expected
