"""What each server does with an RFC 2136 update, a transfer and a query: one function a row of docs/servers.md.

Each sends raw messages to one server and says in a few words what came of them. `python tests/cells.py` measures every
row on every server and writes the page.
"""

import random
import re
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from unittest.mock import patch

import dns.message
import dns.query
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TSIG
import dns.update
from servers import HOST, KEY, KINDS, ORIGIN, ZONE, Server, knotd, named, pdns, program
from taps import frames, send

from lbmigrate.lab.transfer import Key

PAGE = Path(__file__).parent.parent / "docs" / "servers.md"
COMMAND = ".venv/bin/python tests/cells.py"
NONE = "–"
LUA = 65402
SECONDS = 5
TIMES = 60
MANY = 40
SILENCE = 1.5  # seconds without an answer, after which none is waited for
WRONG = "d3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmc="
NAMES = {"named": "BIND", "knotd": "Knot", "pdns": "PowerDNS", "embedded": "embedded"}
VERSIONS = {"named": "-v", "knotd": "--version", "pdns": "--version"}
POLICY = "function updatepolicy(input)\n  return input:getQType() ~= 16\nend\n"
ODD = "enable-lua-records=yes\nallow-axfr-ips=127.0.0.0/8\nlua-dnsupdate-policy-script="

Change = Callable[[dns.update.UpdateMessage], object]


class Bench:
    """One kind of server: `plain`, as the tests have it, and `odd`, with a policy that forbids TXT and other limits."""

    def __init__(self, kind: str, directory: Path, stack: ExitStack) -> None:
        self.kind = kind
        self.plain = KINDS[kind](directory / "plain")
        stack.callback(self.plain.stop)
        self._directory = directory / "odd"
        self._stack = stack
        self._odd: Server | None = None

    @property
    def odd(self) -> Server:
        """Started when it is first needed."""
        if self._odd is None:
            self._odd = self._start()
            self._stack.callback(self._odd.stop)
        return self._odd

    def _start(self) -> Server:
        match self.kind:
            case "named":
                grant = f"update-policy {{ grant lbm zonesub A AAAA CNAME HTTPS TYPE{LUA}; }};"
                text = re.sub(r".*odd.*\n", "", ZONE)  # no host name
                limits = ("max-zone-ttl 600;", 0, "update-quota 1;", "fail")
                return named(self._directory, text, grant, *limits)
            case "knotd":
                return knotd(self._directory, allowed=f"action: [update, transfer]\n    update-type: [A, TYPE{LUA}]")
            case _:
                self._directory.mkdir(parents=True)
                (self._directory / "policy.lua").write_text(POLICY)
                return pdns(self._directory, settings=f"{ODD}{self._directory}/policy.lua")

    def version(self) -> str:
        """What is measured, by its own word."""
        if self.kind not in VERSIONS:
            return "of this version"
        argv = [program({"pdns": "pdns_server"}.get(self.kind, self.kind)), VERSIONS[self.kind]]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)  # PowerDNS: exit code 99
        found = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
        return found[0] if found else "of no known version"


@contextmanager
def bench(kind: str, directory: Path) -> Iterator[Bench]:
    """A bench; its servers end with it."""
    with ExitStack() as stack:
        yield Bench(kind, directory, stack)


# ---------------------------------------------------------------- raw messages


def update(change: Change, origin: str = ORIGIN, key: Key | None = KEY) -> dns.update.UpdateMessage:
    message = dns.update.UpdateMessage(origin)
    if key is not None:
        message.use_tsig(key.tsig())
    change(message)
    return message


def said(server: Server, message: dns.message.Message) -> str:
    """The answer in a word: the TSIG error where there is one, and whether a signed question got a signed answer."""
    wire = send(server.port, message.to_wire(max_size=65535))
    if not wire:
        return "no answer"
    reply = dns.message.from_wire(wire, keyring=False)
    if reply.tsig is None:
        return dns.rcode.to_text(reply.rcode()) + (", unsigned" if message.had_tsig or message.keyring else "")
    error = reply.tsig[0]
    assert isinstance(error, dns.rdtypes.ANY.TSIG.TSIG)
    return dns.rcode.to_text(error.error, tsig=True) if error.error else dns.rcode.to_text(reply.rcode())


def tell(server: Server, change: Change) -> str:
    return said(server, update(change))


def ask(server: Server, name: str, rtype: str = "A") -> dns.message.Message:
    return dns.query.tcp(dns.message.make_query(f"{name}.{ORIGIN}", rtype), HOST, SECONDS, server.port)


def found(server: Server, name: str, rtype: str = "A") -> list[str]:
    """The records of that type in the answer, and the TTL before each."""
    kind = dns.rdatatype.from_text(rtype)
    return sorted(
        f"{one.ttl} {rdata}" for one in ask(server, name, rtype).answer if one.rdtype == kind for rdata in one
    )


def rest(server: Server) -> str:
    """Whether the record that stood beside the one in question was applied."""
    return "the rest applied" if found(server, "rest") else "nothing applied"


def good(message: dns.update.UpdateMessage) -> None:
    message.add("rest", 60, "A", "192.0.2.200")


def code(reply: dns.message.Message) -> str:
    return dns.rcode.to_text(reply.rcode())


# ---------------------------------------------------------------- prerequisites


def prerequisites(one: Bench) -> str:
    four = [f"192.0.2.{n}" for n in (21, 22, 23, 24)]
    given: list[Change] = [
        lambda m: m.present("four", "A", *four),
        lambda m: m.present("four", "A", *four[:3], "192.0.2.9"),
        lambda m: m.present("four", "A", *four[:3]),
    ]
    return " / ".join(tell(one.plain, each) for each in given)


def prerequisite_ttl(one: Bench) -> str:
    def change(message: dns.update.UpdateMessage) -> None:
        message.present("www", "A", "192.0.2.10")
        message.prerequisite[0].ttl = 300

    return tell(one.plain, change)


def unused_by_wildcard(one: Bench) -> str:
    return tell(one.plain, lambda m: m.absent("any.wild"))


def unused_between(one: Bench) -> str:
    return tell(one.plain, lambda m: m.absent("wild"))


def forbidden_and_false(one: Bench) -> str:
    if one.kind == "embedded":
        return NONE

    def change(message: dns.update.UpdateMessage) -> None:
        message.absent("www")
        message.add("new", 60, "TXT", "x")

    return tell(one.odd, change)


# ---------------------------------------------------------------- changes


def outside(one: Bench) -> str:
    def change(message: dns.update.UpdateMessage) -> None:
        good(message)
        message.add("www.example.", 60, "A", "192.0.2.1")

    return f"{tell(one.plain, change)}, {rest(one.plain)}"


def forbidden(one: Bench) -> str:
    if one.kind == "embedded":
        return NONE

    def change(message: dns.update.UpdateMessage) -> None:
        good(message)
        message.add("new", 60, "TXT", "x")

    return f"{tell(one.odd, change)}, {rest(one.odd)}"


def alias_beside_address(one: Bench) -> str:
    def change(message: dns.update.UpdateMessage) -> None:
        good(message)
        message.add("dual", 60, "CNAME", "www")

    answer = tell(one.plain, change)
    return f"{answer}, {'taken' if found(one.plain, 'dual', 'CNAME') else 'dropped'}, {rest(one.plain)}"


def address_beside_alias(one: Bench) -> str:
    def change(message: dns.update.UpdateMessage) -> None:
        good(message)
        message.add("alias", 60, "A", "192.0.2.77")

    answer = tell(one.plain, change)
    taken = any(line.startswith(f"alias.{ORIGIN} ") and " A " in line for line in one.plain.records())
    return f"{answer}, {'taken' if taken else 'dropped'}, {rest(one.plain)}"


def alias_replaced(one: Bench) -> str:
    def change(message: dns.update.UpdateMessage) -> None:
        message.delete("alias", "CNAME")
        message.add("alias", 60, "A", "192.0.2.77")

    return f"{tell(one.plain, change)}, {'taken' if found(one.plain, 'alias') == ['60 192.0.2.77'] else 'dropped'}"


def ttl_alone(one: Bench) -> str:
    answer = tell(one.plain, lambda m: m.add("www", 17, "A", "192.0.2.10"))
    return f"{answer}, {'applied' if found(one.plain, 'www') == ['17 192.0.2.10'] else 'ignored'}"


def ttl_whole(one: Bench) -> str:
    answer = tell(one.plain, lambda m: m.replace("www", 17, "A", "192.0.2.10"))
    return f"{answer}, {'applied' if found(one.plain, 'www') == ['17 192.0.2.10'] else 'ignored'}"


def ttl_of_one_more(one: Bench) -> str:
    answer = tell(one.plain, lambda m: m.add("www", 17, "A", "192.0.2.99"))
    ttls = sorted({int(line.split()[0]) for line in found(one.plain, "www")})
    return f"{answer}, {' and '.join(f'{ttl} s' for ttl in ttls)}"


def twice_the_same(one: Bench) -> str:
    answer = tell(one.plain, lambda m: m.add("new", 60, "A", "192.0.2.1", "192.0.2.1"))
    return f"{answer}, {len(found(one.plain, 'new'))} record"


def hundred_and_one(one: Bench) -> str:
    answer = tell(one.plain, lambda m: m.add("new", 60, "A", *(f"198.51.100.{n}" for n in range(1, 102))))
    return f"{answer}, {len(found(one.plain, 'new'))} records"


def nothing_deleted(one: Bench) -> str:
    before = one.plain.serial()
    answer = tell(one.plain, lambda m: m.delete("www", "TXT"))
    return f"{answer}, serial +{one.plain.serial() - before}"


def nothing_changed(one: Bench) -> str:
    before = one.plain.serial()
    answer = tell(one.plain, lambda m: m.replace("www", 300, "A", "192.0.2.10"))
    return f"{answer}, serial +{one.plain.serial() - before}"


def something_changed(one: Bench) -> str:
    before = one.plain.serial()
    answer = tell(one.plain, good)
    return f"{answer}, serial +{one.plain.serial() - before}"


def ttl_above_the_limit(one: Bench) -> str:
    if one.kind != "named":
        return NONE
    return f"{tell(one.odd, lambda m: m.add('new', 900, 'A', '192.0.2.1'))}, {found(one.odd, 'new')[0].split()[0]} s"


def no_host_name(one: Bench) -> str:
    server = one.odd if one.kind == "named" else one.plain
    return tell(server, lambda m: m.add(r"no\.host", 60, "A", "192.0.2.1"))


def capitals(one: Bench) -> str:
    tell(one.plain, lambda m: m.add("UPPER", 60, "A", "192.0.2.1"))
    return "kept" if any(line.startswith("UPPER.") for line in one.plain.records()) else "in small letters"


def https(one: Bench) -> str:
    text = "1 . alpn=h2 port=8443 ipv4hint=192.0.2.10"
    answers = [tell(one.plain, lambda m: m.add("new", 60, "HTTPS", text))]
    answers += [tell(one.plain, lambda m, text=text: m.present("new", "HTTPS", text))]  # type: ignore[misc]
    answers += [tell(one.plain, lambda m: m.present("new", "HTTPS", text.replace("8443", "443")))]
    return " / ".join(answers)


# ---------------------------------------------------------------- keys, clocks, zones


def wrong_secret(one: Bench) -> str:
    return said(one.plain, update(good, key=Key(KEY.name, KEY.algorithm, WRONG)))


def unknown_key(one: Bench) -> str:
    return said(one.plain, update(good, key=Key("stranger", KEY.algorithm, KEY.secret)))


def other_algorithm(one: Bench) -> str:
    return said(one.plain, update(good, key=Key(KEY.name, "hmac-sha512", KEY.secret)))


def no_key(one: Bench) -> str:
    return said(one.plain, update(good, key=None))


class Slow:
    """The module `time`, 1,000 s behind."""

    @staticmethod
    def time() -> float:
        return time.time() - 1000


def slow_clock(one: Bench) -> str:
    with patch("dns.message.time", Slow):
        wire = update(good).to_wire()
    reply = dns.message.from_wire(send(one.plain.port, wire), keyring=False)
    if reply.tsig is None:
        return f"{code(reply)}, unsigned"
    tsig = reply.tsig[0]
    assert isinstance(tsig, dns.rdtypes.ANY.TSIG.TSIG)
    clock = "with the server's clock" if len(tsig.other) == 6 else "without a clock"
    return f"{dns.rcode.to_text(tsig.error, tsig=True)}, {clock}"


def other_zone(one: Bench) -> str:
    return said(one.plain, update(lambda m: m.add("www", 60, "A", "192.0.2.1"), origin="example."))


def open_transfer(one: Bench) -> str:
    server = one.odd if one.kind == "pdns" else one.plain
    query = dns.message.make_query(ORIGIN, "AXFR")
    answers = [code(dns.message.from_wire(send(each.port, query.to_wire()))) for each in (one.plain, server)]
    return answers[0] + (f" ({answers[1]} where allow-axfr-ips matches)" if one.kind == "pdns" else "")


def frozen(one: Bench) -> str:
    words = {"named": ("freeze", "thaw"), "knotd": ("zone-freeze", "zone-thaw")}.get(one.kind)
    if words is None:
        return NONE
    one.plain.control(words[0], ORIGIN)
    answer = tell(one.plain, good)
    one.plain.control(words[1], ORIGIN)
    return f"{answer}, {rest(one.plain)}"


# ---------------------------------------------------------------- late, many, killed


def replayed(one: Bench) -> str:
    wire = update(lambda m: m.replace("www", 60, "A", "192.0.2.1")).to_wire()
    send(one.plain.port, wire)
    tell(one.plain, lambda m: m.replace("www", 60, "A", "192.0.2.2"))
    answer = code(dns.message.from_wire(send(one.plain.port, wire), keyring=False))
    return f"{answer}, {'applied again' if found(one.plain, 'www') == ['60 192.0.2.1'] else 'not applied'}"


def burst(one: Bench) -> str:
    """By UDP, all sent before any answer is read; BIND with its quota at 1 (100 by default)."""
    server = one.odd if one.kind == "named" else one.plain
    wires = [update(lambda m, n=n: m.add(f"b{n}", 60, "A", "192.0.2.1")).to_wire() for n in range(MANY)]  # type: ignore[misc]
    codes: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as talk:
        talk.connect((HOST, server.port))
        talk.settimeout(SILENCE)
        for wire in wires:
            talk.send(wire)
        with suppress(TimeoutError):
            while len(codes) < MANY:
                codes.append(code(dns.message.from_wire(talk.recv(4096), keyring=False)))
    left = [name for line in server.records() if (name := line.split(" ")[0]).startswith("b")]
    assert len(left) >= codes.count("NOERROR")
    for name in left:
        tell(server, lambda m, name=name: m.delete(name))  # type: ignore[misc]
    # PowerDNS on SQLite answers SERVFAIL to some of them now and then.
    return "all answered" if len(codes) == MANY else "some unanswered"


def in_order(one: Bench) -> str:
    numbers = random.sample(range(65536), 32)
    with socket.create_connection((HOST, one.plain.port), SECONDS) as talk:
        for number in numbers:
            query = dns.message.make_query(f"www.{ORIGIN}", random.choice(["A", "TXT", "AAAA"]), id=number)
            wire = query.to_wire()
            talk.sendall(struct.pack("!H", len(wire)) + wire)
        answers = frames(talk)
        seen = [int.from_bytes(next(answers)[:2], "big") for _ in numbers]
    return "in order" if seen == numbers else "in any order" if sorted(seen) == sorted(numbers) else "not all"


def killed(one: Bench) -> str:
    answer = tell(one.plain, good)
    one.plain.process.kill()
    one.plain.process.stop()
    one.plain.start()
    return f"{answer}, {'kept' if found(one.plain, 'rest') else 'lost'}"


# ---------------------------------------------------------------- queries


def order(one: Bench) -> str:
    tell(one.plain, lambda m: m.add("new", 60, "A", "192.0.2.1", "192.0.2.2", "192.0.2.3"))
    query = dns.message.make_query(f"new.{ORIGIN}", "A")  # PowerDNS does not shuffle over TCP
    replies = [dns.query.udp(query, HOST, SECONDS, one.plain.port) for _ in range(TIMES)]
    seen = [tuple(str(rdata)[-1] for rdata in reply.answer[0]) for reply in replies]
    turns = [tuple("123123"[n : n + 3]) for n in range(3)]
    if len(set(seen)) == 1:
        return "fixed"
    return "in turn" if set(seen) <= set(turns) else "random"


def case_of_answers(one: Bench) -> str:
    query = dns.message.make_query(f"WwW.{ORIGIN}", "A")
    wire = send(one.plain.port, query.to_wire())
    reply = dns.message.from_wire(wire)
    return {"WwW": "as asked", "www": "as stored"}[reply.answer[0].name.labels[0].decode()]


def negative(one: Bench) -> str:
    reply = ask(one.plain, "nobody")
    return f"{code(reply)}, {reply.authority[0].ttl} s"


def beneath_a_wildcard(one: Bench) -> str:
    before = code(ask(one.plain, "any.wild", "AAAA"))
    assert found(one.plain, "any.wild") and before == "NOERROR"  # noqa: PT018
    tell(one.plain, lambda m: m.add("_lbmigrate.any.wild", 60, "TXT", "x"))
    reply = ask(one.plain, "any.wild")
    return f"{code(reply)}, {'the wildcard' if reply.answer else 'no address'}"


def shadowed(one: Bench) -> str:
    tell(one.plain, lambda m: m.add("any.wild", 60, "TXT", "x"))
    return "shadowed" if not found(one.plain, "any.wild") else "answers beside it"


def at_once(one: Bench) -> str:
    """PowerDNS with its caches as they are by default."""
    server = one.odd if one.kind == "pdns" else one.plain
    old = found(server, "www")
    tell(server, lambda m: m.replace("www", 60, "A", "192.0.2.1"))
    now = found(server, "www")
    tell(server, lambda m: m.replace("www", 300, "A", "192.0.2.10"))
    return "the new" if now == ["60 192.0.2.1"] else "the old" if now == old else "another"


# ---------------------------------------------------------------- LUA records


def lua(text: str) -> dns.rdata.Rdata:
    """A LUA record for A: its type in two bytes, then the code in strings of at most 255 bytes."""
    raw = text.encode()
    parts = [raw[n : n + 255] for n in range(0, len(raw), 255)]
    content = struct.pack("!H", dns.rdatatype.A) + b"".join(bytes([len(part)]) + part for part in parts)
    return dns.rdata.GenericRdata(dns.rdataclass.IN, dns.rdatatype.RdataType.make(LUA), content)


def weighted(one: int, other: int) -> dns.rdata.Rdata:
    return lua(f"pickwrandom({{{{{one},'192.0.2.1'}},{{{other},'192.0.2.2'}}}})")


def with_lua(one: Bench) -> Server:
    return one.plain if one.kind == "embedded" else one.odd


def lua_weights(one: Bench) -> str:
    server = with_lua(one)
    answer = tell(server, lambda m: m.add("lua", 60, weighted(90, 10)))
    replies = [ask(server, "lua") for _ in range(2 * TIMES)]
    served = [str(reply.answer[0][0]) for reply in replies if reply.answer]
    if not served:
        return f"{answer}, no address"
    # 120 draws at 90 %: 108, within 4 standard deviations of 3.3.
    return f"{answer}, {'by weight' if 94 <= served.count('192.0.2.1') <= 119 else 'not by weight'}"


def lua_swapped(one: Bench) -> str:
    server = with_lua(one)
    tell(server, lambda m: m.replace("lua", 60, weighted(90, 10)))
    right = tell(server, lambda m: m.present("lua", weighted(90, 10)))
    return f"{right} / {tell(server, lambda m: m.present('lua', weighted(10, 90)))}"


def lua_zero(one: Bench) -> str:
    server = with_lua(one)
    answer = tell(server, lambda m: m.replace("lua", 60, weighted(0, 0)))
    return f"{answer}, {code(ask(server, 'lua'))}"


def lua_broken(one: Bench) -> str:
    server = with_lua(one)
    answer = tell(server, lambda m: m.replace("lua", 60, lua("no lua at all (")))
    return f"{answer}, {code(ask(server, 'lua'))}"


ROWS: dict[str, Callable[[Bench], str]] = {
    "an RRset as prerequisite: as it is / another value / only part of it": prerequisites,
    "the same with a TTL": prerequisite_ttl,
    "“name not in use” where only a wildcard answers": unused_by_wildcard,
    "“name not in use” for an empty name between two": unused_between,
    "a prerequisite that does not hold before a change that policy forbids": forbidden_and_false,
    "a record outside the zone beside a good one": outside,
    "a record that policy forbids beside a good one": forbidden,
    "a CNAME added beside an A, with a good one": alias_beside_address,
    "an A added beside a CNAME, with a good one": address_beside_alias,
    "a CNAME deleted and an A added in one message": alias_replaced,
    "the same record added with another TTL": ttl_alone,
    "the RRset deleted and added with another TTL": ttl_whole,
    "one more record added with another TTL (17 s, was 300 s)": ttl_of_one_more,
    "the same record twice": twice_the_same,
    "101 records in one RRset": hundred_and_one,
    "deletion of an RRset that is not there": nothing_deleted,
    "an RRset deleted and added as it was": nothing_changed,
    "a record added": something_changed,
    "a TTL of 900 s above the zone's limit of 600 s": ttl_above_the_limit,
    r"an address at a name that is no host name (`no\.host`)": no_host_name,
    "capitals in a new name": capitals,
    "HTTPS: added / compared / compared with another value": https,
    "a wrong secret": wrong_secret,
    "an unknown key": unknown_key,
    "another algorithm": other_algorithm,
    "no key": no_key,
    "a clock 1,000 s behind": slow_clock,
    "a zone that is not served": other_zone,
    "a transfer without a key": open_transfer,
    "a frozen zone": frozen,
    "the same signed bytes again, after another change": replayed,
    "40 updates at once (BIND: with `update-quota 1`)": burst,
    "32 questions at once over one connection": in_order,
    "an acknowledged update after kill -9": killed,
    "the order of three addresses": order,
    "the case of a name in answers": case_of_answers,
    "how long “no such name” is kept (SOA minimum 60 s)": negative,
    "a TXT beneath a name that only a wildcard answers: that name afterwards": beneath_a_wildcard,
    "a TXT at such a name: the wildcard's address there": shadowed,
    "an answer right after an update (caches by default)": at_once,
    "LUA (type 65402) with `pickwrandom` 90 : 10": lua_weights,
    "LUA as prerequisite: as it is / another value": lua_swapped,
    "LUA with weights 0 : 0": lua_zero,
    "LUA that is no Lua": lua_broken,
}


def restored(one: Bench, row: Callable[[Bench], str]) -> str:
    """The cell, and the servers as they were before."""
    before = one.plain.records()
    try:
        return row(one)
    finally:
        one.plain.restore(before)


# ---------------------------------------------------------------- the page

HEAD = """# What each server does

Measured with raw messages, one by one, by the tests: each cell is a test of its own, and a version that behaves
otherwise fails it with what it does now. Versions: {versions}.
“Embedded” is the laboratory's own server, which stands in for BIND, and in LUA
records for PowerDNS; “–” means that there is no such thing there.
Cells with two or more answers follow the order of the case. The page is made by `{command}`.

"""


def page(versions: dict[str, str], table: dict[str, dict[str, str]]) -> str:
    """The whole page from the cells: row, kind, text."""
    named_versions = ", ".join(f"{NAMES[kind]} {version}" for kind, version in versions.items() if kind in VERSIONS)
    lines = [f"| case | {' | '.join(NAMES.values())} |", f"|{'---|' * (len(NAMES) + 1)}"]
    lines += [f"| {row} | {' | '.join(cells[kind] for kind in NAMES)} |" for row, cells in table.items()]
    return HEAD.format(versions=named_versions, command=COMMAND) + "\n".join(lines) + "\n"


def parsed(text: str) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Versions and cells of a page."""
    versions = {kind: found[1] for kind in VERSIONS if (found := re.search(rf"{NAMES[kind]} ([\d.]*\d)", text))}
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")][1:]
    return versions, {row: dict(zip(NAMES, cells, strict=True)) for row, *cells in rows}


def main() -> None:
    """Measure everything and write the page."""
    versions: dict[str, str] = {}
    table: dict[str, dict[str, str]] = {row: {} for row in ROWS}
    with tempfile.TemporaryDirectory() as directory:
        for kind in NAMES:
            with bench(kind, Path(directory) / kind) as one:
                versions[kind] = one.version()
                for row, measure in ROWS.items():
                    table[row][kind] = restored(one, measure)
    PAGE.write_text(page(versions, table))


if __name__ == "__main__":
    main()
