"""What the system's resolvers say, or the one that LBMIGRATE_RESOLVER ("address", "address:port", "[IPv6]:port") names.

For what no server of the config knows: where a provider's balancer is, and which servers a parent zone delegates to.
"""

import os

SECONDS = 2.0  # for one question
LEAST = 1.0  # seconds for which an answer of nothing is good


def ask(name: str, rtype: str) -> tuple[tuple[str, ...], float]:
    """The records of a name, sorted, empty where there is none of that type, and their TTL in seconds.

    Raises OSError: no such name, no answer, no resolver.
    """
    import dns.exception
    import dns.resolver

    given = os.environ.get("LBMIGRATE_RESOLVER", "")
    try:
        asked = dns.resolver.Resolver(configure=not given)
        if given:
            from urllib.parse import urlsplit

            where = urlsplit(f"//{given}")
            asked.nameservers, asked.port = [where.hostname or ""], where.port or 53
        answer = asked.resolve(name, rtype, lifetime=SECONDS, search=False, raise_on_no_answer=False)
    except (dns.exception.DNSException, ValueError) as wrong:
        raise OSError(str(wrong) or type(wrong).__name__) from wrong
    if answer.rrset is None:
        return (), LEAST
    return tuple(sorted(one.to_text() for one in answer.rrset)), float(answer.rrset.ttl)
