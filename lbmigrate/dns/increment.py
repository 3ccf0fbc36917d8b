"""What has changed in a zone since a moment (IXFR, RFC 1995), from the server that gives the whole zone too."""

import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from lbmigrate.dns.transfer import SOA, Malformed, Record, Spelled, message
from lbmigrate.dns.wire import Primary, Stream

Changes = list[tuple[bool, Record]]  # True: added, False: deleted


def fetch(
    primary: Primary, zone: dns.name.Name, since: Record, timeout: float, spelled: Spelled
) -> tuple[Record, Changes] | None:
    """The present SOA and what led there from the SOA `since`; None where the server has no differences to give.

    `timeout` in seconds for each message. Raises what `transfer.message` raises; then nothing of it counts.
    """
    query = dns.message.make_query(zone, "IXFR", flags=0)
    query.authority.append(dns.rrset.from_rdata(zone, 0, _soa(since)))
    return _read(primary.stream(query, timeout), since, spelled)


def _read(stream: Stream, since: Record, spelled: Spelled) -> tuple[Record, Changes] | None:
    records = message(stream, None, spelled)
    last = records[0]
    if last[1] != SOA:
        raise Malformed("the first record is not the zone's SOA")
    if len(records) == 1:
        if last[3] == since[3]:
            stream.end()
            return last, []
        records += message(stream, None, spelled)
    if records[1] != since:
        return None  # the whole zone, or the differences from another moment
    return last, _differences(stream, last, records[1:], spelled)


def _differences(stream: Stream, last: Record, records: list[Record], spelled: Spelled) -> Changes:
    """Each step is the SOA before, what was deleted, the SOA after, what was added; the last SOA once more ends it."""
    found: Changes = []
    made = True
    while True:
        for number, record in enumerate(records, 1):
            if record[1] != SOA or record[0] != last[0]:
                found.append((made, record))
            elif made and record == last:
                if number < len(records):
                    raise Malformed("records after the zone's last SOA")
                stream.end()
                return found
            else:
                made = not made
        records = message(stream, None, spelled)


def _soa(record: Record) -> dns.rdata.Rdata:
    return dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.SOA, record[3], 0, len(record[3]))
