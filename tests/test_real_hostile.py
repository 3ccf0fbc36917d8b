"""Hostile strings at real servers: a PowerDNS that runs LUA records, and HAProxy's own reading of B's file."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dns.message
import dns.query
import dns.rdata
import dns.rdataclass
import pytest
from hostile import refused, strings
from servers import HOST, KEY, ORIGIN, Server, pdns, program, run

from lbmigrate import fence, lua
from lbmigrate.balancers.haproxy_config import Target, render
from lbmigrate.config import values
from lbmigrate.dns.rfc2136 import Rfc2136
from lbmigrate.model import Applied, Fence, Held, Records, RRset
from lbmigrate.spec import Dns, Tsig
from lbmigrate.value import replace

SOME = 60  # strings that go to a real server, one message or one process each


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    found = pdns(tmp_path / "pdns").start()
    yield found
    found.stop()


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> Tsig:
    monkeypatch.setenv("LBM_KEY", KEY.secret)
    return Tsig(KEY.name, KEY.algorithm, "env:LBM_KEY")


def codes(proof: Path) -> list[str]:
    """Strings that leave that file behind, where somebody runs them."""
    call = f"io.open('{proof}','w'):close()"
    return [
        f"A \"pickwrandom({{{{1,'192.0.2.1'}}}});{call}\"",
        f'A "pickwrandom({{{{1,\'192.0.2.1\'}}}})" "{call}"',
        f"A \"pickwrandom({{{{1,'192.0.2.1'..tostring({call})}}}})\"",
        f"A \";{call} return '192.0.2.1'\"",
        f"192.0.2.1'}}}});{call}--",
        f"os.execute('touch {proof}')",
        *(text.replace("LUA", str(proof)) for text in strings(SOME)),
    ]


def asked(server: Server, name: str) -> None:
    """Have the server evaluate all that is there."""
    for rtype in ("A", "AAAA", "TXT", "ANY"):
        dns.query.tcp(dns.message.make_query(name, rtype), HOST, 5, server.port)


@pytest.mark.real("pdns_server")
def test_no_string_makes_powerdns_run_anything(server: Server, key: Tsig, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    tmp_path.chmod(0o777)
    code = f";io.open('{proof}','w'):close() return '192.0.2.1'".encode()
    raw = dns.rdata.GenericRdata(
        dns.rdataclass.IN, dns.rdatatype.RdataType.make(lua.NUMBER), b"\0\1" + bytes([len(code)]) + code
    )
    server.edit(lambda message: message.add(f"theirs.{ORIGIN}", 60, raw))
    asked(server, f"theirs.{ORIGIN}")
    assert proof.exists(), "this PowerDNS runs what is in its LUA records"
    server.edit(lambda message: message.delete(f"theirs.{ORIGIN}"))
    proof.unlink()

    www, before = f"www.{ORIGIN}", server.records()
    entry = Dns("rfc2136", ORIGIN, server=HOST, port=server.port, tsig=key, scheme="lua")
    written = 0
    with closing(Rfc2136(entry, 5.0, 5.0)) as zone:
        start = zone.read([www])
        (plain,) = start.held
        for number, text in enumerate(codes(proof)):
            record = RRset(www, "LUA", 60, (text,))
            assert refused(zone.swap, start, Records((replace(plain, rrsets=(record,)),))) is None, text
            assert refused(lua.choice, "A", ((1, text),)) in (None, lua.choice("A", ((1, "192.0.2.1"),))), text
            mark = Fence(text, "a1", number + 1, plain.rrsets)
            if refused(fence.encode, mark):
                written += zone.swap(zone.read([www]), Records((replace(plain, fence=mark),))) == Applied()
                asked(server, f"_lbmigrate.{www}")
            asked(server, www)
            assert not proof.exists(), text
    assert written > SOME / 2
    kept = [line for line in server.records() if not line.startswith("_lbmigrate.www.")]
    assert kept == before


@pytest.mark.real("haproxy")
def test_haproxy_takes_a_path_in_the_file_of_b_for_one_word(tmp_path: Path) -> None:
    """Quotes, blanks or a `#` in the socket's path; a second word there is no keyword, and refused."""
    tried = 0
    for text in strings(SOME):
        socket = refused(values.path, f"{tmp_path}/{text.replace('/', '')[:20]}.sock")
        if socket is None or "," in socket or "%" in socket or "@" in socket:
            continue
        tried += 1
        target = Target(("127.0.0.2",), str(tmp_path / "b.cfg"), socket, str(tmp_path / "b.pid"))
        file = tmp_path / "b.cfg"
        file.write_text(render("defaults\n mode http\n timeout client 1s\n", ("127.0.0.1",), target).text)
        run(program("haproxy"), "-c", "-q", "-f", str(file))
    assert tried > 10


def test_the_fence_says_nothing_that_dns_did_not_say() -> None:
    """Migration, attempt, number, checksum; the name, and its records with TTLs. No host, user, path, time or plan."""
    assert list(Fence.__match_args__) == ["migration", "attempt", "number", "originals"]
    held = Held("www.lab.test.", (RRset("www.lab.test.", "A", 60, ("192.0.2.1", "192.0.2.2"), "WWW.lab.test."),))
    head, *lines = fence.encode(Fence("web", "5e1f0c2a", 7, held.rrsets))
    words = dict(word.split("=") for word in head.split()[1:])
    assert (list(words), words["m"], words["a"], words["n"]) == (["m", "a", "n", "c"], "web", "5e1f0c2a", "7")
    assert lines == ["name www.lab.test.", "A 60 192.0.2.1 192.0.2.2", "as A WWW.lab.test."]
