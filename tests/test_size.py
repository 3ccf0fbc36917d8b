"""Bytes of a message: what is counted is what is sent."""

import dns.name
import dns.tsig
import pytest

from lbmigrate import lua, size
from lbmigrate.dns.update import build
from lbmigrate.model import Records
from lbmigrate.spec import Tsig

ZONE = dns.name.from_text("example.com.")


@pytest.mark.parametrize("algorithm", ["hmac-sha256", "hmac-sha512", "hmac-md5.sig-alg.reg.int", "HMAC-SHA1."])
def test_the_signature_is_counted(algorithm: str) -> None:
    tsig = Tsig("Key.example.com.", algorithm, "env:NONE")
    key = dns.tsig.Key(tsig.name, b"0" * 32, algorithm)
    message = build(ZONE, Records(()), Records(()))
    message.use_tsig(key)
    assert len(message.to_wire()) == len(message) + size.signature(tsig)
    assert size.signature(None) == 0


def test_the_bytes_of_rdata() -> None:
    assert size.rdata("LUA", lua.choice("A", [(1, "192.0.2.1")])) == 2 + 1 + len("pickwrandom({{1,'192.0.2.1'}})")
    assert size.rdata("CNAME", ".") == 1


def test_a_name_is_introduced_then_pointed_to_and_written_out_again_beyond_the_reach() -> None:
    share = size.Share(owner=40, first=0, fence=100, records=(4, 8), marks=(2, 100))
    alone = size.message("example.com.", [share])
    header = 12 + 13 + 4
    owners = (40 + 2) + 3 * 2 + (11 + 2) + 2 * 2  # the name, its pointers, the fence's name, its pointers
    assert alone == header + owners + 7 * 10 + 8 + 100 + 100
    assert size.message("example.com.", [share] * 400) > 400 * (alone - header) + header


def test_no_names_are_no_batch() -> None:
    assert size.batches("example.com.", [], None) == []
