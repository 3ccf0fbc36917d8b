"""One TCP connection to the primary: signed messages out, verified answers in.

Several questions travel at once (RFC 7766 section 6.2.1.1), answers are matched by id. Every answer to a signed
request must be signed with the same key (RFC 8945); what is not says nothing about what the server did.
"""

import base64
import random
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Sequence

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TSIG
import dns.tsig

from lbmigrate.errors import Denied, Refused, Unreachable, Usage
from lbmigrate.secret import resolve
from lbmigrate.spec import Dns, Tsig

WINDOW = 32  # questions under way at once: their answers fit the socket's buffers, so neither side waits for the other
PIECE = 65536
HEADER = 12  # bytes (RFC 1035 section 4.1.1)
QR = 0x80  # in the header's third byte: an answer
RR_FIXED = 10  # bytes of a record between its owner and its data (RFC 1035 section 4.1.3)
UNSIGNED = 99  # messages in a row of a signed transfer that may go without a signature (RFC 8945 section 5.3.1)


class Unsigned(Denied):
    """An answer without a valid signature to a signed request: whatever it says, it proves nothing."""


class Unheard(Denied):
    """BADKEY: the key is unknown there. Knot says so, too, when its ACL does not allow the key this change."""


def load_key(tsig: Tsig) -> dns.tsig.Key:
    """The key with its secret. Raises Usage for an unknown algorithm or a secret that is not base64 (never shown)."""
    secret = resolve(tsig.secret)
    try:
        key = dns.tsig.Key(tsig.name, base64.b64decode(secret, validate=True), tsig.algorithm)
    except (ValueError, dns.exception.DNSException):
        raise Usage(f"tsig key {tsig.name}: name or secret ({tsig.secret.split(':')[0]}:…) not valid; the secret is"
                    " base64, as tsig-keygen prints it") from None  # fmt: skip
    if key.algorithm not in dns.tsig.mac_sizes or key.algorithm == dns.tsig.GSS_TSIG:
        raise Usage(f"tsig key {tsig.name}: algorithm {tsig.algorithm!r} is not known; use hmac-sha256")
    return key


def server_time(reply: dns.message.Message) -> float | None:
    """The server's clock (Unix seconds) as its signed answer carries it, None for an unsigned one."""
    return float(_tsig(reply).time_signed) if reply.tsig else None


def _tsig(message: dns.message.Message) -> dns.rdtypes.ANY.TSIG.TSIG:
    assert message.tsig is not None
    found = message.tsig[0]
    assert isinstance(found, dns.rdtypes.ANY.TSIG.TSIG)
    return found


def _nothing() -> None:
    pass


class Primary:
    """The server that takes updates. The connection is kept between calls, and opened anew when it was lost."""

    def __init__(self, entry: Dns, clock: Callable[[], float] = time.monotonic) -> None:
        self.where = f"{entry.server}:{entry.port}" if ":" not in entry.server else f"[{entry.server}]:{entry.port}"
        self._entry = entry
        self._clock = clock
        self._key: dns.tsig.Key | None = None
        self._socket: socket.socket | None = None
        self._buffer = b""
        self._lock = threading.Lock()

    @property
    def key(self) -> str:
        """The key's name, for messages; "no key" where updates are not signed."""
        return f"key {self._entry.tsig.name}" if self._entry.tsig else "no key"

    def ask(
        self, messages: Sequence[dns.message.Message], timeout: float, meanwhile: Callable[[], None] = _nothing
    ) -> list[dns.message.Message]:
        """Send them and return the answers in the same order; `timeout` in seconds for each 32 of them.

        `meanwhile` is done while they are under way.

        Raises Unreachable (no connection, no answer), Unsigned, Denied (the server rejects the key).
        """
        with self._lock:
            key = self.signing()
            replies: list[dns.message.Message] = []
            for start in range(0, len(messages), WINDOW):
                replies += self._exchange(messages[start : start + WINDOW], key, self._clock() + timeout, meanwhile)
            return replies

    def stream(self, question: dns.message.Message, timeout: float) -> "Stream":
        """Send a question whose answer is many messages; `timeout` in seconds for each of them. Not for two threads,
        and nothing else may be asked before `close`. Raises as `ask` does."""
        return Stream(self, question, timeout, self.signing())

    def close(self) -> None:
        """Close the connection; the next `ask` opens one."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._buffer = None, b""

    def signing(self) -> dns.tsig.Key | None:
        """The key with its secret, None where nothing is signed. Raises Usage."""
        if self._key is None and self._entry.tsig is not None:
            self._key = load_key(self._entry.tsig)
        return self._key

    def _exchange(
        self,
        messages: Sequence[dns.message.Message],
        key: dns.tsig.Key | None,
        until: float,
        meanwhile: Callable[[], None],
    ) -> list[dns.message.Message]:
        try:
            for message, number in zip(messages, random.sample(range(65536), len(messages)), strict=True):
                message.id = number  # distinct ones: answers may come in any order
            self._send([_signed(message, key) for message in messages], until)
            meanwhile()
            pending = {message.id: message for message in messages}
            found = {}
            while pending:
                wire = self._receive(until)
                asked = pending.pop(int.from_bytes(wire[:2], "big"), None)
                if asked is None:
                    raise Unreachable(f"asking {self.where}: an answer to no question; see what answers there")
                found[asked.id] = self._open(wire, asked, key)
            return [found[message.id] for message in messages]
        except OSError as wrong:
            raise self._lost(wrong) from wrong
        except BaseException:
            self.close()  # answers may still be under way on it
            raise

    def _lost(self, wrong: OSError) -> Unreachable:
        self.close()
        return Unreachable(f"asking {self.where} over TCP: {_why(wrong)}; is the server up and reachable?")

    def _send(self, wires: Sequence[bytes], until: float) -> None:
        if self._socket is not None and select.select([self._socket], [], [], 0)[0]:
            self.close()  # nothing is expected: the server has closed it
        if self._socket is None:
            self._socket = socket.create_connection((self._entry.server, self._entry.port), self._left(until))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(self._left(until))
        self._socket.sendall(b"".join(struct.pack("!H", len(wire)) + wire for wire in wires))

    def _left(self, until: float) -> float:
        left = until - self._clock()
        if left <= 0:
            raise TimeoutError
        return left

    def _receive(self, until: float) -> bytes:
        (length,) = struct.unpack("!H", self._take(2, until))
        return self._take(length, until)

    def _take(self, count: int, until: float) -> bytes:
        assert self._socket is not None
        while len(self._buffer) < count:
            self._socket.settimeout(self._left(until))
            _acknowledge(self._socket)
            more = self._socket.recv(PIECE)
            if not more:
                raise ConnectionResetError("the server closed the connection in mid-answer")
            self._buffer += more
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def _open(self, wire: bytes, asked: dns.message.Message, key: dns.tsig.Key | None) -> dns.message.Message:
        try:
            reply = dns.message.from_wire(wire, keyring=key, request_mac=asked.mac)
        except (dns.exception.DNSException, ValueError, struct.error) as wrong:
            raise self._rejected(wire, asked, wrong) from wrong
        if not asked.is_response(reply):
            raise Unreachable(f"asking {self.where}: an answer to another question; see what answers there")
        return reply

    def _rejected(self, wire: bytes, asked: dns.message.Message, wrong: Exception) -> Denied | Unreachable:
        try:
            reply = dns.message.from_wire(wire, keyring=False)
        except (dns.exception.DNSException, ValueError, struct.error):
            return Unreachable(f"asking {self.where}: an unreadable answer ({type(wrong).__name__}); try again")
        return _verdict(f"asking {self.where} about {self._entry.zone}", self.key, reply, asked, wrong)


class Stream:
    """The messages of one long answer as they come, and the chain of their signatures (RFC 8945 section 5.3.1)."""

    def __init__(
        self, primary: Primary, question: dns.message.Message, timeout: float, key: dns.tsig.Key | None
    ) -> None:
        self._primary, self._asked, self._timeout, self._key = primary, question, timeout, key
        self._context: dns.tsig.HMACTSig | dns.tsig.GSSTSig | None = None
        self._unsigned = 0
        try:
            primary._send([_signed(question, key)], primary._clock() + timeout)
        except OSError as wrong:
            raise primary._lost(wrong) from wrong

    def receive(self) -> bytes:
        """The next message, which may still be anybody's. Raises Unreachable."""
        try:
            wire = self._primary._receive(self._primary._clock() + self._timeout)
        except OSError as wrong:
            raise self._primary._lost(wrong) from wrong
        if len(wire) < HEADER or wire[:2] != self._asked.id.to_bytes(2, "big") or not wire[2] & QR:
            raise Unreachable(f"asking {self._primary.where}: an answer to no question; see what answers there")
        return wire

    def verify(self, wire: bytes, tsig: int) -> None:
        """Prove the message and all before it; `tsig` is where its TSIG record begins, 0 where it has none.

        A message without one is proven by the next that has one. Raises Unsigned, Denied.
        """
        if self._key is None:
            return
        if not tsig and self._context is not None and self._unsigned < UNSIGNED:
            self._context.update(wire)  # type: ignore[no-untyped-call]
            self._unsigned += 1
            return
        try:
            self._context, self._unsigned = self._proven(wire, tsig, self._key), 0
        except (dns.exception.DNSException, ValueError, struct.error) as wrong:
            raise self._primary._rejected(wire, self._asked, wrong) from wrong

    def _proven(self, wire: bytes, tsig: int, key: dns.tsig.Key) -> dns.tsig.HMACTSig | dns.tsig.GSSTSig | None:
        if not tsig:
            raise dns.tsig.BadSignature
        owner, used = dns.name.from_wire(wire, tsig)
        at = tsig + used + RR_FIXED
        rdata = dns.rdata.from_wire(dns.rdataclass.ANY, dns.rdatatype.TSIG, wire, at, len(wire) - at)
        assert isinstance(rdata, dns.rdtypes.ANY.TSIG.TSIG)
        now = int(time.time())
        return dns.tsig.validate(wire, key, owner, rdata, now, self._asked.mac, tsig, self._context, True)  # type: ignore[no-untyped-call,no-any-return]

    def end(self) -> None:
        """No more messages: the last one must have been signed. Raises Unsigned."""
        if self._unsigned:
            raise Unsigned(
                f"asking {self._primary.where}: the answer's last message is not signed; see what answers there"
            )


def _verdict(
    what: str, key: str, reply: dns.message.Message, asked: dns.message.Message, wrong: Exception
) -> Denied | Unreachable:
    said = dns.rcode.to_text(reply.rcode())
    if reply.tsig is None:
        why = f"{said}, unsigned: {key} rejected, or the zone is not served there"
        return Unsigned(f"{what}: {why}; compare name, algorithm and secret of the key, both clocks, the zone")
    error = _tsig(reply).error
    match error:
        case dns.rcode.BADKEY:
            why = "it is unknown there; compare name and algorithm (Knot: or no acl of the zone names it)"
            return Unheard(f"{what}: {key} rejected (BADKEY), {why}")
        case dns.rcode.BADSIG:
            return Denied(f"{what}: {key} rejected (BADSIG), its secret differs there; compare the secrets")
        case dns.rcode.BADTIME:
            return Denied(f"{what}: {key} rejected (BADTIME), {_skew(reply, asked)}; set the clocks (NTP)")
        case dns.rcode.NOERROR:
            return Unsigned(f"{what}: the answer's signature is not valid ({type(wrong).__name__}); compare"
                            f" {key} on both sides, see what answers there")  # fmt: skip
    return Denied(f"{what}: {key} rejected ({dns.rcode.to_text(error, tsig=True)}); compare it on both sides")


def _skew(reply: dns.message.Message, asked: dns.message.Message) -> str:
    # RFC 8945 section 5.2.3: the server's time is in Other Data, 48 bits; without it the reply's own time must do.
    other = _tsig(reply).other
    theirs = int.from_bytes(other, "big") if len(other) == 6 else _tsig(reply).time_signed
    offset = _tsig(asked).time_signed - theirs
    return f"this machine's clock is {abs(offset)} s {'ahead of' if offset > 0 else 'behind'} the server's"


def _acknowledge(talk: socket.socket) -> None:
    """Acknowledge at once what comes next: a server that waits for it (Nagle) before its second answer otherwise
    waits 40 ms. Linux forgets the wish after each use."""
    if sys.platform == "linux":
        talk.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _signed(message: dns.message.Message, key: dns.tsig.Key | None) -> bytes:
    if key is not None:
        message.use_tsig(key)
    try:
        return message.to_wire(max_size=65535)
    except dns.exception.TooBig as wrong:
        raise Refused("one DNS message holds 65535 bytes, this one needs more; move fewer names at once") from wrong


def _why(wrong: OSError) -> str:
    return "no answer in time" if isinstance(wrong, TimeoutError) else (wrong.strerror or str(wrong) or "lost")
