"""The embedded authoritative server: signatures (RFC 8945), held against real named."""

import base64
import time
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
from labdns import APEX, ORIGIN, Update, exchange, message, needs

from lbmigrate.lab.dns import DnsParts, start_dns


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DnsParts]:
    parts = start_dns(False, tmp_path_factory.mktemp("embedded"), APEX, ORIGIN)
    yield parts
    parts.stop()


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DnsParts]:
    needs("named")
    parts = start_dns(True, tmp_path_factory.mktemp("named"), APEX, ORIGIN)
    yield parts
    parts.stop()


class Signed(NamedTuple):
    """One way to sign, and what comes of it: response code, TSIG error, whether the response is signed."""

    name: str
    key: Callable[[dns.tsig.Key], dns.tsig.Key | None]
    off: int
    zone: str
    expected: tuple[str, int | None, bool]


OTHER_SECRET = base64.b64encode(b"another secret, as long as that").decode()
BADSIG, BADKEY, BADTIME = 16, 17, 18
Key = dns.tsig.Key


def same(key: Key) -> Key:
    return key


def unsigned(_: Key) -> None:
    return None


def other_name(key: Key) -> Key:
    return Key("who", key.secret, key.algorithm)


def other_secret(key: Key) -> Key:
    return Key(key.name, OTHER_SECRET, key.algorithm)


def other_algorithm(key: Key) -> Key:
    return Key(key.name, key.secret, "hmac-sha512")


SIGNED = (
    Signed("good", same, 0, ORIGIN, ("NOERROR", 0, True)),
    Signed("none", unsigned, 0, ORIGIN, ("REFUSED", None, False)),
    Signed(
        "unknown key", lambda key: dns.tsig.Key("who", key.secret, key.algorithm), 0, ORIGIN, ("NOTAUTH", 17, False)
    ),
    Signed("wrong secret", other_secret, 0, ORIGIN, ("NOTAUTH", BADSIG, False)),
    Signed(
        "wrong algorithm",
        lambda key: dns.tsig.Key(key.name, key.secret, "hmac-sha512"),
        0,
        ORIGIN,
        ("NOTAUTH", 17, False),
    ),
    Signed("late", same, -1000, ORIGIN, ("NOTAUTH", BADTIME, True)),
    Signed("early", same, 1000, ORIGIN, ("NOTAUTH", BADTIME, True)),
    Signed(
        "late, wrong secret", lambda key: dns.tsig.Key(key.name, OTHER_SECRET), -1000, ORIGIN, ("NOTAUTH", 16, False)
    ),
    Signed("another zone", same, 0, "example.", ("NOTAUTH", 0, True)),
    Signed("a name inside the zone", same, 0, f"c0.{ORIGIN}", ("NOTAUTH", 0, True)),
    Signed("another zone, none", unsigned, 0, "example.", ("NOTAUTH", None, False)),
)


def signature(parts: DnsParts, how: Signed, monkeypatch: pytest.MonkeyPatch) -> tuple[str, int | None, bool]:
    """What a server says to an update signed like this; the time that it says at BADTIME is its own."""
    update = Update(how.zone)
    update.add("new", 60, "A", "192.0.2.1")
    key = how.key(parts.key.tsig())
    if key is not None:
        update.use_tsig(key, key.name, algorithm=key.algorithm)
    now = time.time()
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now + how.off)
        wire = update.to_wire()
    reply = dns.message.from_wire(exchange(parts, wire), keyring=False)
    if reply.tsig is None:
        return reply.rcode().name, None, False
    if reply.tsig_error == BADTIME:
        assert abs(int.from_bytes(reply.tsig[0].other, "big") - now) < 60
    return reply.rcode().name, reply.tsig_error, bool(reply.mac)


@pytest.mark.parametrize("how", SIGNED, ids=lambda how: how.name)
def test_signature(embedded: DnsParts, how: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    assert signature(embedded, how, monkeypatch) == how.expected


@pytest.mark.real("named")
@pytest.mark.parametrize("how", SIGNED, ids=lambda how: how.name)
def test_signature_as_named_takes_it(named: DnsParts, how: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    assert signature(named, how, monkeypatch) == how.expected


@pytest.mark.parametrize("off", [-1000, 1000])
def test_badtime_is_signed_with_the_askers_time(embedded: DnsParts, off: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 8945, 5.2.3. The client believes the server's clock only because of it."""
    update = message(embedded)
    now = time.time()
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now + off)
        wire = update.to_wire()
    answer = exchange(embedded, wire)
    tsig = dns.message.from_wire(answer, keyring=False).tsig
    assert tsig is not None
    assert tsig[0].time_signed == int(now + off)
    with pytest.raises(dns.tsig.PeerBadTime):
        dns.message.from_wire(answer, keyring=embedded.key.tsig(), request_mac=update.mac or b"")
    assert proven(answer, embedded, update.mac or b"")
    assert not proven(answer, embedded, b"x" * 32)


def proven(wire: bytes, parts: DnsParts, request_mac: bytes) -> bool:
    """Whether the TSIG at the end of an error response is the key's."""
    reply = dns.message.from_wire(wire, keyring=False)
    tsig = reply.tsig
    assert tsig is not None
    start = len(wire) - len(tsig.name.to_wire() or b"") - 10 - len(tsig[0].to_wire())
    plain = wire[:10] + b"\0\0" + wire[12:start]
    bare = tsig[0].replace(mac=b"")
    signed = dns.tsig.sign(plain, parts.key.tsig(), bare, tsig[0].time_signed, request_mac)[0]  # type: ignore[no-untyped-call]
    return bool(signed.mac == tsig[0].mac)
