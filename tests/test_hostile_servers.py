"""Hostile answers of balancers, name servers, web servers and the journal's store: an error of ours, or harmless."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import dns.message
import dns.name
import pytest
from hostile import COUNT, DEAR, Doors, raws, refused, strings
from states import NAME, at

from lbmigrate import render
from lbmigrate.balancers.haproxy_config import Target
from lbmigrate.balancers.haproxy_config import render as carried
from lbmigrate.balancers.haproxy_runtime import NAME as PLAIN
from lbmigrate.balancers.haproxy_runtime import Runtime, info, named, servers, sources, stats
from lbmigrate.balancers.haproxy_servers import backends
from lbmigrate.balancers.haproxy_text import parse, quoted
from lbmigrate.config import values
from lbmigrate.dns.reading import Question
from lbmigrate.dns.served import _parsed
from lbmigrate.events import Hold
from lbmigrate.journal import chain
from lbmigrate.model import Probe
from lbmigrate.plan import Soak
from lbmigrate.probe import http
from lbmigrate.probe.compare import _differing

door = Doors()


# ---------------------------------------------------------------- balancers


@door
def paths_and_names_in_the_file_of_b() -> int:
    for text in strings(COUNT, 11):
        assert refused(named, text) is None or PLAIN.fullmatch(text), text
        parse(text)
        if path := refused(values.path, f"/run/{text}"):
            (line,) = parse(f"stats socket {quoted(path)} level admin")
            assert line.texts() == ("stats", "socket", path, "level", "admin"), text
    target = Target(("192.0.2.2",), "/b.cfg", "/b.sock", "/b.pid")
    for text in strings(DEAR, 12):
        refused(carried, f"frontend web\n bind 192.0.2.1:80\n http-request {text}\n{text}\n", ("192.0.2.1",), target)
    return COUNT + DEAR


@door
def orders_to_an_admin_socket() -> int:
    sent: list[str] = []

    def asked(_: Runtime, command: str, until: float) -> bytes:
        del until
        sent.append(command)
        return b""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Runtime, "_asked", asked)
        for text in strings(COUNT, 13):
            refused(Runtime("/run/admin.sock").ask, f"set server app/{text} state ready")
    assert all(one.isprintable() and ";" not in one for one in sent)
    assert 0 < len(sent) < COUNT
    return COUNT


TABLES = {
    "show stat": "# pxname,svname,type,status,mode,scur,req_tot\n",
    "show servers state": "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight "
    "srv_iweight srv_fqdn srv_port srvrecord srv_use_ssl\n",
}


@door
def answers_of_an_admin_socket() -> int:
    made = [""]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Runtime, "ask", lambda _, command: TABLES.get(command, "") + made[0])
        runtime = Runtime("/run/admin.sock")
        for text in strings(COUNT // 4, 14):
            for made[0] in (text, f"2 app 1 p1 {text}", f"app,p1,2,UP,{text}", f"Pid: {text}\nStart_time_sec: {text}"):
                refused(lambda: backends(servers(runtime), stats(runtime)))
                refused(info, runtime)
                sources(runtime, frozenset({"web"}))
    return COUNT


# ---------------------------------------------------------------- servers


@door
def answers_of_name_servers() -> int:
    question = Question(dns.name.from_text(NAME), "A")
    reply = dns.message.make_response(dns.message.make_query(NAME, "A")).to_wire()
    for raw in raws(COUNT, 15):
        cut = len(raw) % len(reply)
        for wire in (raw, reply[:cut] + raw + reply[cut:], reply + raw):
            _parsed(wire, question)
    return COUNT


class Deaf:
    """A connection that takes what is written."""

    def write(self, data: bytes) -> None:
        del data


FORMS = (
    b"%b",
    b"HTTP/1.1 200 %b\r\n\r\n%b",
    b"HTTP/1.1 302 x\r\nLocation: %b\r\nContent-Type: %b\r\n\r\n",
    b"HTTP/1.1 200 x\r\n%b: %b\r\n\r\nok",
)


@door
def answers_of_web_servers() -> int:
    with pytest.MonkeyPatch.context() as patch:
        asyncio.run(_heard(patch))
    return COUNT // 4


async def _heard(patch: pytest.MonkeyPatch) -> None:
    what = http.request(Probe("http://www.example.com/", expect_body="ok"), lambda _: pytest.fail("no TLS here"))
    calm = http.Answer(200, None, "text/plain", b"ok")
    answer = [b""]

    @asynccontextmanager
    async def connected(*_: object) -> AsyncIterator[tuple[asyncio.StreamReader, Deaf]]:
        reader = asyncio.StreamReader()
        reader.feed_data(answer[0])
        reader.feed_eof()
        yield reader, Deaf()

    patch.setattr(http, "_connected", connected)
    for number, raw in enumerate(raws(COUNT // 4, 16)):
        answer[0] = FORMS[number % len(FORMS)].replace(b"%b", raw)
        heard = await http.hear(what, "192.0.2.1")
        assert heard.result.why.isprintable(), raw
        assert all(line.isprintable() for line in (_differing(heard.answer, [calm]) if heard.answer else ())), raw


# ---------------------------------------------------------------- the journal


@door
def bodies_of_the_journal() -> int:
    good, state = chain.text(Hold("h", "why")), at(Soak(50))
    for text in strings(COUNT, 17):
        by = text.encode(errors="replace").decode()  # no database gives a lone surrogate
        for body in (by, good.replace("why", json.dumps(text)[1:-1]), good.replace('"why"', by)):
            row = (1, 1.0, by, "Hold", chain.link(chain.GENESIS, 1, 1.0, by, body), None, body)
            if found := refused(chain.entry, row, "sqlite:x", "Move it aside"):
                assert render.entry_text(found, state).isprintable(), text
    return COUNT


@pytest.mark.parametrize("name", door)
def test_no_answer_escapes(name: str, shown: Callable[[str], None]) -> None:
    shown(f"explored: {door[name]():,} hostile strings, {name}: none escaped")
