"""Zone transfers read by hand: equal to dnspython's reading, and never less than the whole zone."""

import itertools
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import HOST, KEY, KINDS, ORIGIN, ZONE, Server, named
from taps import Fake, Made, Tap

from lbmigrate.dns.records import name_of
from lbmigrate.dns.transfer import SHAPES, Malformed, Record, origin, parse, records
from lbmigrate.dns.wire import UNSIGNED, Primary
from lbmigrate.errors import Denied, Unreachable
from lbmigrate.lab.transfer import fetch
from lbmigrate.spec import Dns, Transfer, Tsig
from lbmigrate.value import replace

pytestmark = pytest.mark.usefixtures("secret")

TSIG = Tsig("lbm", "hmac-sha256", "env:TSIG")
APEX = name_of(ORIGIN).to_wire() or b""
LONG = ".".join(["x" * 60] * 3) + "." + "y" * 50
COMMON = rf"""
{LONG} A 192.0.2.1
a.{LONG} CNAME B.{LONG}
\000\255\.\@\(q\)\; TXT "a\000\"b" "{"t" * 255}" "" "\195\164"
mx MX 10 Mail.Example.ORG.
mx MX 20 mAIL
_sip._tcp SRV 1 2 3 WWW
_sip._udp SRV 0 0 0 .
nap NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:x@lab.test!" .
nap NAPTR 101 10 "s" "SIP+D2U" "" _sip._udp
hi HINFO "cpu" "os"
rp RP mbox.Lab.Test. txt
afs AFSDB 1 afs
loc LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
caa CAA 0 issue "ca.example.net"
tls TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
ssh SSHFP 1 1 0123456789abcdef0123456789abcdef01234567
kx KX 10 kx
uri URI 10 1 "https://www.lab.test/"
spf SPF "v=spf1 ip4:192.0.2.0/24 -all"
eui EUI48 00-00-5e-00-53-2a
eui EUI64 00-00-5e-ef-10-00-00-2a
https HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.10 ipv6hint=2001:db8::10
svcb SVCB 0 WWW
10.2.0.192.rev PTR www
sub DS 60485 5 1 2bb183af5f22588179a53b0a98631fad1a292118
"""
RARE = r"""
dn DNAME Other.Example.
mi MINFO a.mi b.mi
rt RT 10 relay
unknown TYPE65280 \# 4 deadbeef
ttl 0 A 192.0.2.77
big 2147483647 A 192.0.2.78
"""
OLD = r"""
mb MB host.mb
mg MG x
mr MR y
px PX 10 Map.Px map2
"""
SIGNED = r"""
@ DNSKEY 257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==
www RRSIG A 13 3 300 20300101000000 20200101000000 12345 Lab.TEST. qx6wLYqmh+l9oCKTN6qIc+bw6ya+KJ8oMz0YP107epXAyGmt+3SNruPFKG7tZoLBLlUzGGus7ZwmwWep666VCw==
www NSEC xyz.LAB.test. A RRSIG NSEC
@ NSEC3PARAM 1 0 0 -
@ CDS 12345 13 2 49fd46e6c4b45c55d4ac69cbd3cd34ac1afe51de69cbd3cd34ac1afe51de69cb
"""  # noqa: E501
ZONES = {
    "named": ZONE + COMMON + RARE + OLD + SIGNED,
    "knotd": ZONE + COMMON + RARE + SIGNED,
    "pdns": ZONE + COMMON,
    "embedded": ZONE + COMMON.split("hi HINFO")[0],
}


def entry(port: int, **changed: object) -> Dns:
    return replace(Dns("rfc2136", ORIGIN, server=HOST, port=port, tsig=TSIG), **changed)


# Types with names in them that dnspython does not know: it gives them with the pointers of the message they came in.
OBSOLETE = {
    7: b"\4host\2mb" + APEX,
    8: b"\1x" + APEX,
    9: b"\1y" + APEX,
    14: b"\1a\2mi" + APEX + b"\1b\2mi" + APEX,
}


def same(ours: Iterable[Record], theirs: Iterable[Record]) -> bool:
    """Whether both are the same, but for what dnspython does not read: that is as it should be."""
    mended = [(owner, rtype, ttl, OBSOLETE.get(rtype, rdata)) for owner, rtype, ttl, rdata in theirs]
    return list(ours) == mended


def by_dnspython(wire: bytes) -> list[Record]:
    message = dns.message.from_wire(wire, keyring=False, xfr=True, one_rr_per_rrset=True)
    return [_record(one) for one in message.answer]


def _record(one: dns.rrset.RRset) -> Record:
    owner = one.name.canonicalize().to_wire() or b""
    return owner, int(one.rdtype), one.ttl, one[0].to_wire() or b""


def messages(source: Dns) -> Iterator[bytes]:
    """The answer to AXFR as it comes, up to the message that ends in the second SOA."""
    with closing(Primary(source)) as primary:
        stream = primary.stream(dns.message.make_query(ORIGIN, "AXFR", flags=0), 5)
        soas = 0
        while soas < 2:
            wire = stream.receive()
            soas += sum(
                one.rdtype.name == "SOA"
                for one in dns.message.from_wire(wire, keyring=False, xfr=True, one_rr_per_rrset=True).answer
            )
            yield wire


# ---------------------------------------------------------------- real servers


@pytest.fixture(scope="module", params=[pytest.param(k, marks=[] if k == "embedded" else [pytest.mark.real]) for k in KINDS])  # fmt: skip  # noqa: E501
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    make: Callable[..., Server] = KINDS[request.param]
    server = make(tmp_path_factory.mktemp(request.param), ZONES[request.param])
    yield server
    server.stop()


def test_every_type_is_read_as_dnspython_reads_it(server: Server) -> None:
    wires = list(messages(entry(server.port)))
    for wire in wires:
        assert same(parse(wire)[0], by_dnspython(wire))
    kinds = {record[1] for wire in wires for record in parse(wire)[0]}
    assert {2, 5, 6, 15, 33} <= kinds & SHAPES.keys()


def test_the_whole_zone_is_the_one_that_dnspython_transfers(server: Server) -> None:
    zone = fetch(HOST, server.port, ORIGIN, KEY)
    theirs = [(name.canonicalize().to_wire() or b"", ttl, rdata) for name, ttl, rdata in zone.iterate_rdatas()]
    wires = [(owner, int(rdata.rdtype), ttl, rdata.to_wire() or b"") for owner, ttl, rdata in theirs]
    found = list(records(entry(server.port)))
    assert same(sorted(found), sorted(wires))
    assert found[0][:2] == (APEX, 6)


def test_a_wrong_key_an_unknown_key_and_no_key_are_denied(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRONG", "d3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmc=")
    for tsig in (Tsig("lbm", "hmac-sha256", "env:WRONG"), Tsig("other", "hmac-sha256", "env:TSIG"), None):
        with pytest.raises(Denied, match=r"127\.0\.0\.1") as caught:
            list(records(entry(server.port, tsig=tsig)))
        assert KEY.secret not in str(caught.value)


def test_a_zone_that_is_not_there_is_denied(server: Server) -> None:
    with pytest.raises(Denied):
        list(records(entry(server.port, zone="other.test.")))


def test_a_transfer_has_its_own_server_and_key(server: Server) -> None:
    hidden = entry(9, server="192.0.2.53", tsig=None, transfer=Transfer(HOST, server.port, TSIG))
    assert origin(hidden) == entry(server.port, transfer=Transfer(HOST, server.port, TSIG))
    assert next(records(hidden))[1] == 6


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A zone of several messages, signed with DNSSEC by the server itself."""
    zone = ZONE + "".join(f"h{n} A 192.0.2.{n % 250}\n" for n in range(3000))
    server = named(tmp_path_factory.mktemp("many"), zone, extra="dnssec-policy default; inline-signing yes;")
    server.process.wait(lambda: any(record[1] == 46 for record in _quietly(server.port)), 15)
    yield server
    server.stop()


def _quietly(port: int) -> list[Record]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TSIG", KEY.secret)
        return list(records(entry(port)))


@pytest.mark.real("named")
def test_a_signed_zone_of_many_messages(many: Server) -> None:
    wires = list(messages(entry(many.port)))
    assert len(wires) > 3
    for wire in wires:
        assert same(parse(wire)[0], by_dnspython(wire))


@pytest.mark.real("named")
@pytest.mark.parametrize(
    ("treat", "wrong"),
    [
        (
            lambda n, wire: wire[:-200] + bytes([wire[-200] ^ 1]) + wire[-199:] if n == 1 else wire,
            (Denied, Unreachable),
        ),
        (lambda n, wire: b"" if n == 1 else wire, Denied),
        (lambda n, wire: None if n == 2 else wire, Unreachable),
        (lambda n, wire: wire[: len(wire) // 2] if n == 1 else wire, Unreachable),
        (lambda n, wire: _unsigned(wire) if n == 0 else wire, Denied),
        (lambda n, wire: _unsigned(wire) if n == 1 else wire, Denied),
    ],
    ids=["a bit", "one lost", "the end lost", "one cut", "the first unsigned", "another unsigned"],
)
def test_a_transfer_that_is_altered_under_way(
    many: Server, treat: Callable[[int, bytes], bytes | None], wrong: type[Exception]
) -> None:
    count = itertools.count()
    with closing(Tap(many.port)) as tap:
        tap.treat = lambda wire: treat(next(count), wire)
        with pytest.raises(wrong):
            list(records(entry(tap.port), timeout=2.0))


def _unsigned(wire: bytes) -> bytes:
    """The same message without its TSIG record."""
    at = parse(wire)[1]
    (additional,) = struct.unpack_from("!H", wire, 10)
    return wire[:10] + struct.pack("!H", additional - 1) + wire[12:at]


# ---------------------------------------------------------------- made-up servers

SOA = f"{ORIGIN} 300 IN SOA ns1.{ORIGIN} h.{ORIGIN} 1 2 3 4 5"
WWW = f"www.{ORIGIN} 300 IN A 192.0.2.1"


def message(asked: dns.message.Message, *lines: str) -> dns.message.Message:
    made = dns.message.Message(id=asked.id)
    made.flags = dns.flags.QR | dns.flags.AA
    made.answer = [_rrset(*line.split(" ", 4)) for line in lines]
    return made


def _rrset(owner: str, ttl: str, *rest: str) -> dns.rrset.RRset:
    return dns.rrset.from_text(owner, int(ttl), *rest)


def chain(asked: dns.message.Message, parts: Sequence[Sequence[str]], signed: Callable[[int], bool]) -> list[bytes]:
    """Several messages, some of them signed, as RFC 8945 section 5.3.1 has it."""
    wires: list[bytes] = []
    context = None
    for number, lines in enumerate(parts):
        made = message(asked, *lines)
        if signed(number):
            made.use_tsig(KEY.tsig())
            made.request_mac = asked.mac or b""
        wires.append(made.to_wire(multi=True, tsig_ctx=context))
        if signed(number):
            context = made.tsig_ctx
        elif context is not None:
            context.update(wires[-1])
    return wires


def taken(answer: Callable[[dns.message.Message], Made], tsig: Tsig | None = TSIG) -> list[Record]:
    with closing(Fake(answer, KEY.tsig())) as fake:
        return list(records(entry(fake.port, tsig=tsig), timeout=1))


def test_messages_between_two_signed_ones_may_go_without() -> None:
    parts = [[SOA], *[[WWW]] * UNSIGNED, [SOA]]
    assert len(taken(lambda asked: chain(asked, parts, lambda n: n in (0, len(parts) - 1)))) == UNSIGNED + 1


@pytest.mark.parametrize(
    ("parts", "signed"),
    [
        ([[SOA], *[[WWW]] * (UNSIGNED + 1), [SOA]], lambda n: n in (0, UNSIGNED + 2)),
        ([[SOA], [WWW], [SOA]], lambda n: n < 2),
        ([[SOA], [WWW], [SOA]], lambda n: n > 0),
        ([[SOA, SOA]], lambda _: False),
    ],
    ids=["100 without", "the last", "the first", "none"],
)
def test_too_few_signatures_prove_nothing(parts: list[list[str]], signed: Callable[[int], bool]) -> None:
    with pytest.raises(Denied, match="sign"):
        taken(lambda asked: chain(asked, parts, signed))


OTHER = SOA.replace(" 1 2 3", " 2 2 3")
PARTS: list[tuple[list[list[str]], str]] = [
    ([[SOA, WWW]], "closed"),
    ([[WWW, SOA]], "first record is not"),
    ([[f"www.{SOA}", WWW]], "first record is not"),
    ([[]], "without records"),
    ([[SOA, WWW], [], [SOA]], "without records"),
    ([[SOA, WWW, OTHER]], "changed under way"),
    ([[SOA, WWW, SOA, WWW]], "after the zone's last SOA"),
]


@pytest.mark.parametrize(("parts", "words"), PARTS)
@pytest.mark.parametrize("tsig", [TSIG, None])
def test_less_than_a_whole_zone_is_an_error(parts: list[list[str]], words: str, tsig: Tsig | None) -> None:
    with pytest.raises(Unreachable, match=words):
        taken(lambda asked: chain(asked, parts, lambda _: tsig is not None), tsig)


def test_records_of_other_zones_are_left_out() -> None:
    parts = [[SOA, "www.example.com. 300 IN A 192.0.2.1", f"x.{SOA}", SOA]]
    found = taken(lambda asked: chain(asked, parts, lambda _: True))
    assert [record[0] for record in found] == [APEX, b"\1x" + APEX]


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("REFUSED", Denied),
        ("NOTAUTH", Denied),
        ("NOTIMP", Denied),
        ("SERVFAIL", Unreachable),
        ("NXDOMAIN", Unreachable),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_an_error_code_is_told(code: str, wrong: type[Exception], first: bool) -> None:
    def answer(asked: dns.message.Message) -> list[bytes]:
        made = message(asked)
        made.set_rcode(dns.rcode.from_text(code))
        return [*([] if first else [message(asked, SOA, WWW).to_wire()]), made.to_wire()]

    with pytest.raises(wrong, match=code):
        taken(answer, None)


def test_a_cut_message_an_alien_one_and_silence() -> None:
    def cut(asked: dns.message.Message) -> dns.message.Message:
        made = message(asked, SOA, WWW)
        made.flags |= dns.flags.TC
        return made

    with pytest.raises(Unreachable, match="TC"):
        taken(cut, None)
    for alien in (lambda asked: b"\0" + asked.to_wire()[1:], lambda asked: asked.to_wire(), lambda _: b"\0" * 5):
        with pytest.raises(Unreachable, match="no question"):
            taken(alien, None)
    with closing(Fake(lambda _: None)) as fake, pytest.raises(Unreachable, match="in time"):
        list(records(entry(fake.port, tsig=None), timeout=0.05))


def test_no_server() -> None:
    with closing(Fake(lambda _: None)) as fake:
        port = fake.port
    with pytest.raises(Unreachable, match="is the server up"):
        list(records(entry(port)))


# ---------------------------------------------------------------- hostile messages

HEAD = struct.pack("!6H", 1, 0x8400, 0, 1, 0, 0)
BODY = struct.pack("!HHIH", 1, 1, 300, 4) + b"\xc0\0\2\1"


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (HEAD[:8], "within a record"),
        (HEAD, "within a record"),
        (HEAD + b"\0" + BODY[:-1], "do not agree"),
        (HEAD + b"\0" + BODY + b"\0", "do not agree"),
        (HEAD + b"\0" + BODY[:6], "within a record"),
        (HEAD + b"\0" + struct.pack("!HHIH", 1, 3, 300, 0), "class 3"),
        (HEAD + b"\xc0\x0c" + BODY, "points ahead"),
        (HEAD + b"\xc0\x10" + BODY, "points ahead"),
        (HEAD + b"\xc0", "within a record"),
        (HEAD + b"\x40" + BODY, "unknown kind"),
        (HEAD + b"\x80" + BODY, "unknown kind"),
        (HEAD + (b"\x3f" + b"x" * 63) * 4 + b"\0" + BODY, "255"),
        (HEAD + b"\0" + struct.pack("!HHIH", 5, 1, 300, 1) + b"\1x\0", "CNAME record of the wrong length"),
        (HEAD + b"\0" + struct.pack("!HHIH", 6, 1, 300, 3) + b"\0\0\0", "SOA record of the wrong length"),
        (
            HEAD[:10] + b"\0\2" + b"\0" + BODY + (b"\0" + struct.pack("!HHIH", 250, 255, 0, 0)) * 2,
            "after the signature",
        ),
    ],
)
def test_a_message_that_is_none(wire: bytes, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        parse(wire)


def test_a_long_way_of_pointers_is_not_gone() -> None:
    way = b"\1x\0" + b"".join(struct.pack("!H", 0xC000 + at) for at in [23, *range(26, 26 + 2 * 200, 2)])
    wire = struct.pack("!6H", 1, 0x8400, 0, 2, 0, 0) + b"\0" + struct.pack("!HHIH", 10, 1, 0, len(way)) + way
    last = struct.pack("!H", 0xC000 + len(wire) - 2)
    with pytest.raises(Malformed, match="on and on"):
        parse(wire + last + BODY)


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 3), st.integers(0, 3))
def test_no_bytes_do_more_than_be_refused(body: bytes, answers: int, additional: int) -> None:
    wire = struct.pack("!6H", 1, 0x8400, 0, answers, 0, additional) + body
    try:
        found, _ = parse(wire)
    except Malformed:
        return
    assert len(found) == answers
