"""What the authoritative servers answer now, all of them at once, over UDP (TCP where an answer is truncated)."""

import random
import selectors
import socket
import time
from collections.abc import Iterator, Sequence

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rdtypes.ANY.SOA
import dns.tsig

from lbmigrate.dns import plain
from lbmigrate.dns.reading import Question
from lbmigrate.dns.server import Server
from lbmigrate.model import Served
from lbmigrate.value import value

ROUNDS = 2  # the first try and one retry, at the server's next address where it has several
WINDOW = 32  # queries under way per server
DATAGRAM = 65535


@value
class Answer:
    """One server's answer to one question: TTL in seconds and sorted rdatas, None with an `error`."""

    server: str
    question: Question
    ttl: int | None
    rdatas: tuple[str, ...] | None
    error: str = ""


def served(one: Answer, name: str, view: str) -> Served:
    """The model's form of an answer to a question about `name`."""
    return Served(one.server, name, one.question.rtype, one.ttl, one.rdatas, one.error, view)


def ask(
    servers: Sequence[Server], questions: Sequence[Question], timeout: float, key: dns.tsig.Key | None = None
) -> list[Answer]:
    """Every question to every server, one answer or error each, in the order given.

    A server that says nothing for half of `timeout` (seconds) is asked once more, then given up. With a `key` every
    question is signed (RFC 8945) and an answer that is not is an error.
    """
    talks = [Talk(server, questions, timeout / ROUNDS, key) for server in servers]
    for number in range(ROUNDS):
        _round([talk for talk in talks if talk.unanswered()], number)
    return [answer for talk in talks for answer in talk.results()]


def _round(talks: Sequence["Talk"], number: int) -> None:
    with selectors.DefaultSelector() as selector:
        for talk in talks:
            if handle := talk.open(number):
                selector.register(handle, selectors.EVENT_READ, talk)
        while open_ := [talk for talk in talks if talk.busy()]:
            for key, _ in selector.select(max(0.0, min(talk.until for talk in open_) - time.monotonic())):
                key.data.receive()
    for talk in talks:
        talk.close()


class Talk:
    """One server's questions over one connected UDP socket: strangers are not heard, a closed port is noticed."""

    def __init__(
        self, server: Server, questions: Sequence[Question], patience: float, key: dns.tsig.Key | None = None
    ) -> None:
        self.until = 0.0
        self._server = server
        self._patience = patience
        self._questions = questions
        self._answers: dict[int, Answer] = {}  # by the question's place: a name's hash is dear
        self._pending: dict[int, tuple[int, bytes]] = {}  # by the id: the question's place, and what was sent
        self._key = key
        self._macs: dict[int, bytes] = {}  # of the questions, which the answers' signatures cover
        self._waiting: list[int] = []
        self._socket: socket.socket | None = None
        self._address = ("", 0)
        self._why = "no answer"
        self._tcp = True

    def unanswered(self) -> bool:
        """Whether questions are open that the server can be asked."""
        return len(self._answers) < len(self._questions) and bool(self._server.addresses)

    def open(self, number: int) -> socket.socket | None:
        """Begin round `number`: send the first questions. None when the address cannot be used."""
        self._address = self._server.addresses[number % len(self._server.addresses)]
        self._waiting = [place for place in range(len(self._questions)) if place not in self._answers]
        self._pending = {}
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        try:
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
            self._socket.connect(self._address)
        except OSError as wrong:
            self._fail(wrong)
        self.until = time.monotonic() + self._patience
        self._send()
        return self._socket

    def busy(self) -> bool:
        """Whether answers of this round are still worth waiting for."""
        return bool(self._pending) and self._socket is not None and time.monotonic() < self.until

    def close(self) -> None:
        """End the round."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def receive(self) -> None:
        """Take what has come, send what follows."""
        try:
            while self._socket is not None and self._pending:
                self._take(self._socket.recv(DATAGRAM))
        except BlockingIOError:
            pass  # nothing more has come yet
        except OSError as wrong:
            self._fail(wrong)
        self._send()

    def results(self) -> Iterator[Answer]:
        """Each answer, or why there is none."""
        for place, question in enumerate(self._questions):
            found = self._answers.get(place)
            yield found or Answer(self._server.label, question, None, None, self._server.error or self._why)

    def _send(self) -> None:
        try:
            while self._socket is not None and self._waiting and len(self._pending) < WINDOW:
                number = random.randrange(65536)
                if number not in self._pending:
                    sent = self._signed(self._questions[self._waiting[-1]], number)
                    self._socket.send(sent)
                    self._pending[number] = self._waiting.pop(), sent[2:]
        except BlockingIOError:
            pass  # the socket's buffer is full: goes on after the next answer
        except OSError as wrong:
            self._fail(wrong)

    def _signed(self, question: Question, number: int) -> bytes:
        """The question on the wire under this id."""
        if self._key is None:
            return number.to_bytes(2, "big") + plain.query(question.owner, question.rtype)
        query = dns.message.make_query(
            question.owner, question.rtype, flags=0, use_edns=0, payload=plain.PAYLOAD, id=number
        )
        query.use_tsig(self._key)
        wire = query.to_wire()
        self._macs[number] = query.mac or b""
        return wire

    def _fail(self, wrong: OSError) -> None:
        self._why = wrong.strerror or str(wrong)
        self._pending.clear()
        self.close()

    def _take(self, wire: bytes) -> None:
        number = int.from_bytes(wire[:2], "big")
        if number not in self._pending:
            return
        place, sent = self._pending[number]
        question, found = self._questions[place], None
        if self._key is None and (quick := plain.read(wire, sent)):
            found = Answer(self._server.label, question, *quick)
        elif reply := _parsed(wire, question):
            found = self._read(question, wire, reply)
        if found:
            del self._pending[number]
            self._answers[place] = found
            self.until = time.monotonic() + self._patience

    def _read(self, question: Question, wire: bytes, reply: dns.message.Message) -> Answer:
        if self._key is not None and not _verified(wire, self._key, self._macs[reply.id]):
            return Answer(self._server.label, question, None, None, _unsigned(self._key, reply))
        if reply.flags & dns.flags.TC:
            reply = (self._whole(question) if self._tcp else None) or reply
        return _answer(self._server.label, question, reply)

    def _whole(self, question: Question) -> dns.message.Message | None:
        from dns.query import tcp  # with it come TLS and asyncio

        query = dns.message.make_query(question.owner, question.rtype, flags=0)
        if self._key is not None:
            query.use_tsig(self._key)
        try:
            reply = tcp(query, self._address[0], port=self._address[1], timeout=self._patience)
        except (OSError, EOFError, dns.exception.DNSException):
            self._tcp = False  # one wait is enough for all; the truncated answers stay, and are errors
            return None
        return reply if self._key is None or reply.had_tsig else None


def _parsed(wire: bytes, question: Question) -> dns.message.Message | None:
    """The reply to this very question, None for anything else: a late or forged datagram is no answer."""
    try:
        reply = dns.message.from_wire(wire, keyring=False)
    except (dns.exception.DNSException, ValueError):
        return None
    same = [(one.name, dns.rdatatype.to_text(one.rdtype)) for one in reply.question] == [question]
    return reply if reply.flags & dns.flags.QR and same else None


def _verified(wire: bytes, key: dns.tsig.Key, mac: bytes) -> bool:
    """Whether an answer is signed with the key of its question."""
    try:
        return dns.message.from_wire(wire, keyring=key, request_mac=mac).had_tsig
    except (dns.exception.DNSException, ValueError):
        return False


def _unsigned(key: dns.tsig.Key, reply: dns.message.Message) -> str:
    name = key.name.to_text(omit_final_dot=True)
    return f"{dns.rcode.to_text(reply.rcode())} without a valid signature of key {name}: give this server the key"


def _answer(server: str, question: Question, reply: dns.message.Message) -> Answer:
    code = reply.rcode()
    if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return Answer(server, question, None, None, dns.rcode.to_text(code))
    if not reply.flags & dns.flags.AA:
        return Answer(server, question, None, None, "not authoritative (lame)")
    if reply.flags & dns.flags.TC:
        return Answer(server, question, None, None, "truncated, and no answer over TCP")
    for found in reply.answer:
        kind = dns.rdatatype.to_text(found.rdtype)
        if (found.name, kind) == question:
            return Answer(server, question, found.ttl, tuple(sorted(one.to_text() for one in found)))
    if reply.answer:
        return Answer(server, question, None, None, f"answers {dns.rdatatype.to_text(reply.answer[0].rdtype)}")
    return Answer(server, question, _negative_ttl(reply), ())


def _negative_ttl(reply: dns.message.Message) -> int:
    """How long caches keep "no such record" (RFC 2308 section 5); 0 where the server sent no SOA."""
    for found in reply.authority:
        if isinstance(soa := found[0], dns.rdtypes.ANY.SOA.SOA):
            return min(found.ttl, soa.minimum)
    return 0
