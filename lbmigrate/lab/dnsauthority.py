"""One DNS message in, the response out: queries, transfers, signed updates (RFC 1035, 5936, 2136, 8945).

Transport is elsewhere. An unsigned query that was asked before is answered from ready wire, all rotations of its RRsets
in turn; whatever changes the zone throws the ready answers away.
"""

import random
import struct
import time
from collections.abc import Callable, Iterator
from itertools import cycle

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdtypes.ANY.TSIG
import dns.tsig
import dns.update
from dns.message import Message
from dns.opcode import Opcode
from dns.rcode import Rcode
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType
from dns.rrset import RRset

from lbmigrate.lab import dnsupdate, dnszone
from lbmigrate.lab.dnszone import Zone

HEADER = 12
QR_BIT = 0x80
TRANSFER_BYTES = 16_000
MOST_READY = 20_000
FUDGE = 300


class Authority:
    """Answers for one zone. `zone` is None in a secondary that has not yet transferred it (SERVFAIL).

    `changed` is called with the zone and the message's bytes before an update is answered; `notified` when a
    secondary is told that the zone has changed. A secondary refuses updates. Without a key nobody may transfer.
    """

    def __init__(
        self,
        zone: Zone | None,
        key: dns.tsig.Key | None = None,
        changed: Callable[[Zone, bytes], None] | None = None,
        notified: Callable[[], None] | None = None,
    ) -> None:
        self.zone = zone
        self._keyring = {key.name: key} if key else {}
        self._changed = changed
        self._notified = notified
        self._ready: dict[bytes, Iterator[bytes]] = {}

    def serve(self, zone: Zone) -> None:
        """Answer from this version from now on."""
        self.zone = zone
        self._ready.clear()

    def datagram(self, wire: bytes) -> bytes | None:
        """The response to a UDP message, truncated to what the sender can take; None where silence is right."""
        ready = self._ready.get(wire[2:])
        if ready is not None:
            return wire[:2] + next(ready)
        return next(iter(self._respond(wire, tcp=False)), None)

    def stream(self, wire: bytes) -> list[bytes]:
        """The responses to a TCP message: several for a transfer, none where silence is right."""
        return self._respond(wire, tcp=True)

    def _respond(self, wire: bytes, tcp: bool) -> list[bytes]:
        if len(wire) < HEADER or wire[2] & QR_BIT:
            return []
        try:
            message = dns.message.from_wire(wire, keyring=self._keyring, one_rr_per_rrset=True)
        except (dns.message.UnknownTSIGKey, dns.tsig.BadKey, dns.tsig.BadAlgorithm):
            return _distrust(wire, Rcode.BADKEY)
        except dns.tsig.BadSignature:
            return _distrust(wire, Rcode.BADSIG)
        except dns.tsig.BadTime:
            return self._distrust_time(wire)
        except dns.exception.DNSException:
            return [_bare(wire, Rcode.FORMERR)]
        return self._dispatch(wire, message, tcp)

    def _dispatch(self, wire: bytes, message: Message, tcp: bool) -> list[bytes]:
        opcode = message.opcode()
        if opcode in (Opcode.QUERY, Opcode.NOTIFY, Opcode.UPDATE) and len(message.question) != 1:
            return [_bare(wire, Rcode.FORMERR)]
        match opcode:
            case Opcode.QUERY if message.question[0].rdtype in (RdataType.AXFR, RdataType.IXFR):
                return self._transfer(message, tcp)
            case Opcode.QUERY:
                return [self._query(wire, message, tcp)]
            case Opcode.UPDATE:
                assert isinstance(message, dns.update.UpdateMessage)
                return [_say(message, self._update(wire, message))]
            case Opcode.NOTIFY:
                return [self._notify(message)]
            case _:
                return [_bare(wire, Rcode.NOTIMP)]

    def _query(self, wire: bytes, query: Message, tcp: bool) -> bytes:
        asked = query.question[0]
        if self.zone is None:
            return _say(query, Rcode.SERVFAIL)
        if asked.rdclass != RdataClass.IN:
            return _say(query, Rcode.REFUSED)
        found = dnszone.look(self.zone, asked.name, asked.rdtype)
        size = 65535 if tcp else max(512, query.payload) if query.edns >= 0 else 512

        def render(turn: int) -> bytes:
            response = _fill(query, found, turn)
            return response.to_wire(max_size=size, prefer_truncation=True, want_shuffle=False)

        if tcp or query.had_tsig:
            return render(_draw(found.weights) if found.drawn else 0)
        return query.id.to_bytes(2, "big") + next(self._keep(wire[2:], render, found))

    def _keep(self, question: bytes, render: Callable[[int], bytes], found: dnszone.Answer) -> Iterator[bytes]:
        if len(self._ready) >= MOST_READY:
            self._ready.clear()
        if found.drawn:
            self._ready[question] = _draws(render, found.weights)
        else:
            self._ready[question] = _turns(render, max((len(one) for one in found.answer), default=1))
        return self._ready[question]

    def _transfer(self, query: Message, tcp: bool) -> list[bytes]:
        """AXFR, also for IXFR (RFC 1995, section 2); over UDP the SOA alone, so that the asker comes by TCP."""
        if self.zone is None or query.question[0].name != self.zone.origin:
            return [_say(query, Rcode.NOTAUTH)]
        if not query.had_tsig:
            return [_say(query, Rcode.REFUSED)]
        rrsets = self.zone.rrsets()
        if not tcp:
            return [_part(query, rrsets[:1], None).to_wire()]
        wires, context = [], None
        for part in _parts([*rrsets, rrsets[0]]):
            message = _part(query, part, context)
            wires.append(message.to_wire(multi=True, tsig_ctx=context))
            context = message.tsig_ctx
        return wires

    def _update(self, wire: bytes, message: dns.update.UpdateMessage) -> Rcode:
        if self.zone is None or message.zone[0].name != self.zone.origin:
            return Rcode.NOTAUTH
        if self._changed is None or not message.had_tsig:
            return Rcode.REFUSED
        rcode, after = dnsupdate.update(self.zone, message)
        if after is not self.zone:
            self._changed(after, wire)
            self.serve(after)
        return rcode

    def _notify(self, message: Message) -> bytes:
        """Authority is claimed and a primary thanks for the notice too, as BIND does."""
        mine = self.zone is not None and message.question[0].name == self.zone.origin
        if self._notified is not None and (mine or self.zone is None):
            self._notified()
        response = dns.message.make_response(message)
        response.set_rcode(Rcode.NOERROR if mine else Rcode.NOTAUTH)
        response.flags |= dns.flags.AA if mine else 0
        return response.to_wire()

    def _distrust_time(self, wire: bytes) -> list[bytes]:
        """BADTIME is the one TSIG error that is signed, with the asker's time and ours beside it (RFC 8945, 5.2.3)."""
        query = dns.message.from_wire(wire, keyring=False)
        assert query.keyname is not None
        return _distrust(wire, Rcode.BADTIME, self._keyring[query.keyname])


def _turns(render: Callable[[int], bytes], most: int) -> Iterator[bytes]:
    """Every rotation without its id, in turn and for ever; rendered once, when first needed."""
    wires = []
    for turn in range(most):
        wires.append(render(turn)[2:])
        yield wires[-1]
    yield from cycle(wires)


def _draws(render: Callable[[int], bytes], weights: tuple[float, ...]) -> Iterator[bytes]:
    """The responses with each RRset alone, without their ids, drawn by weight for ever."""
    wires = [render(number)[2:] for number in range(len(weights))]
    while True:
        yield wires[_draw(weights)]


def _draw(weights: tuple[float, ...]) -> int:
    return random.choices(range(len(weights)), weights)[0]


def _say(query: Message, rcode: Rcode) -> bytes:
    """A response of no more than a response code."""
    response = dns.message.make_response(query)
    response.set_rcode(rcode)
    return response.to_wire()


def _fill(query: Message, found: dnszone.Answer, turn: int) -> Message:
    response = dns.message.make_response(query, our_payload=1232)
    response.set_rcode(found.rcode)
    if found.aa:
        response.flags |= dns.flags.AA
    response.answer = [_turned(one, turn) for one in found.answer]
    if found.drawn:
        response.answer.append(found.drawn[turn])
    response.authority = list(found.authority)
    response.additional = list(found.additional)
    return response


def _turned(rrset: RRset, turn: int) -> RRset:
    """The same RRset with its records rotated."""
    records = list(rrset)
    start = turn % len(records)
    return dns.rrset.from_rdata_list(rrset.name, rrset.ttl, records[start:] + records[:start])


def _part(query: Message, rrsets: list[RRset], context: object) -> Message:
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA
    if context is not None:
        response.question = []
    response.answer = rrsets
    return response


def _parts(rrsets: list[RRset]) -> Iterator[list[RRset]]:
    """As many RRsets to a message as fit well within it."""
    part: list[RRset] = []
    room = TRANSFER_BYTES
    for rrset in rrsets:
        size = sum(len(rdata.to_wire() or b"") + 300 for rdata in rrset)
        if part and size > room:
            yield part
            part, room = [], TRANSFER_BYTES
        part.append(rrset)
        room -= size
    yield part


def _bare(wire: bytes, rcode: Rcode) -> bytes:
    """A header alone, for a message that cannot be read."""
    flags = QR_BIT << 8 | (wire[2] & 0x78) << 8 | rcode
    return wire[:2] + struct.pack("!5H", flags, 0, 0, 0, 0)


def _distrust(wire: bytes, error: Rcode, key: dns.tsig.Key | None = None) -> list[bytes]:
    """NOTAUTH with the TSIG error (RFC 8945, section 5.2); signed only where a key is given."""
    query = dns.message.from_wire(wire, keyring=False)
    signed, mac, query.tsig = query.tsig, query.mac, None
    assert signed is not None
    asked = signed[0]
    assert isinstance(asked, dns.rdtypes.ANY.TSIG.TSIG)
    plain = _say(query, Rcode.NOTAUTH)
    tsig = asked.replace(mac=b"", error=int(error), other=b"", fudge=FUDGE)
    if key is not None:
        tsig = tsig.replace(other=struct.pack("!HI", *divmod(int(time.time()), 2**32)))
        tsig = dns.tsig.sign(plain, key, tsig, asked.time_signed, mac)[0]  # type: ignore[no-untyped-call]
    return [_append(plain, signed.name.to_wire() or b"", tsig.to_wire() or b"")]


def _append(wire: bytes, owner: bytes, rdata: bytes) -> bytes:
    """The message with one TSIG record at its end."""
    (count,) = struct.unpack("!H", wire[10:12])
    record = owner + struct.pack("!HHIH", RdataType.TSIG, RdataClass.ANY, 0, len(rdata)) + rdata
    return wire[:10] + struct.pack("!H", count + 1) + wire[12:] + record
