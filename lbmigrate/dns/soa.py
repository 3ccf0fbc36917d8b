"""The SOA that a claim requires, where the one that is served is not the one that updates are checked against.

BIND with `inline-signing` serves a signed copy of the zone, with a serial of its own; updates are checked against the
zone itself, whose serial nobody can ask for. So the serial is set first, to the next above the one served: the copy's
is never below the zone's own. That message may come again at any time, for a serial that is not above the present
one is ignored (RFC 2136 section 3.4.2.2). The claim then requires exactly that SOA, and moves the serial on itself:
its bytes never fit again.
"""

import dns.name
import dns.rcode
import dns.rdtypes.ANY.SOA
import dns.rrset
import dns.update

APART = "the SOA that is served is not the one that updates are checked against"
SERIALS = 2**32  # RFC 1982: after the last comes 0


def following(served: dns.rrset.RRset) -> dns.rrset.RRset:
    """The SOA RRset with the next serial, TTL and spelling as served."""
    soa = served[0]
    assert isinstance(soa, dns.rdtypes.ANY.SOA.SOA)
    return dns.rrset.from_rdata(served.name, served.ttl, soa.replace(serial=(soa.serial + 1) % SERIALS))


def setting(zone: dns.name.Name, soa: dns.rrset.RRset) -> dns.update.UpdateMessage:
    """Sets the zone's SOA, or does nothing where its serial is as high already."""
    message = dns.update.UpdateMessage(zone)
    message.add(soa.name, soa.ttl, soa[0])
    return message


def permission(zone: dns.name.Name, soa: dns.rrset.RRset) -> dns.update.UpdateMessage:
    """Asks whether the key may set it, behind a prerequisite that never holds: REFUSED, or YXDOMAIN (BIND)."""
    message = setting(zone, soa)
    message.absent(zone)
    return message


def same(zone: dns.name.Name, soa: str) -> dns.update.UpdateMessage:
    """Asks whether updates are checked against this SOA, changing nothing: NOERROR or NXRRSET."""
    message = dns.update.UpdateMessage(zone)
    message.present(zone, "SOA", soa)
    return message
