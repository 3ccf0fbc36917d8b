"""Names, addresses and URLs of the config file, in the one form that `model` asks for.

Like `values`, but for what needs dnspython; every parser raises ValueError("what is wrong; what to do").
"""

import ipaddress
import re
from urllib.parse import urlsplit, urlunsplit

import dns.exception
import dns.ipv6
import dns.name

from lbmigrate.config import values
from lbmigrate.config.text import show

FENCE_LABEL = 11  # octets that `_lbmigrate.` adds to a name (RFC 1035 section 3.1)


def domain(written: str) -> str:
    """A DNS name: absolute, lower case, final dot, IDNA 2008; escapes as dnspython writes them."""
    try:
        name = dns.name.from_text(written, idna_codec=dns.name.IDNA_2008).canonicalize()
    except (dns.exception.DNSException, UnicodeError) as wrong:
        raise ValueError(f"{show(written)} is no DNS name: {wrong}; correct it") from None
    if name == dns.name.root or "/" in written or ":" in written:
        raise ValueError(f"{show(written)} is no DNS name; write one like www.example.com")
    return name.to_text()


def owner(written: str) -> str:
    """A DNS name that is moved, with room for the fence's label before it."""
    name = domain(written)
    if len(dns.name.from_text(name).to_wire() or b"") + FENCE_LABEL > 255:
        raise ValueError(f"{show(written)} is too long: its fence `_lbmigrate.<name>` would pass 255 octets")
    return name


def key(written: str) -> str:
    """A TSIG key's name, lower case, without the final dot."""
    return domain(written).removesuffix(".")


def inside(name: str, zone: str) -> bool:
    """Whether a name is at or below a zone's apex, label by label."""
    return dns.name.from_text(name).is_subdomain(dns.name.from_text(zone))


def address(written: str) -> str:
    """An address that a client can connect to, in the text form that dnspython gives its record."""
    try:
        found = ipaddress.ip_address(written)
    except ValueError:
        raise ValueError(f"{show(written)} is no IP address; write one like 192.0.2.10 or 2001:db8::10") from None
    if found.is_unspecified or found.is_multicast or "%" in written:
        raise ValueError(f"{show(written)} cannot stand in DNS as a balancer's address; give its own address")
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped:
        raise ValueError(f"{show(written)} is an IPv4 address in IPv6 clothes; write {found.ipv4_mapped}")
    return dns.ipv6.inet_ntoa(found.packed)


def host(written: str) -> str:
    """A server by address, or by a host name without its final dot."""
    if re.fullmatch(r"[0-9.]+", written) or ":" in written:
        return address(written)
    return hostname(written)


def hostname(written: str) -> str:
    """A host's name in DNS, of letters, digits, `-` and `_`, without its final dot."""
    name = domain(written).removesuffix(".")
    if not re.fullmatch(r"[a-z0-9._-]+", name):
        raise ValueError(f"{show(written)} is no host name; write one like ns1.example.com")
    return name


def nameserver(written: str) -> str:
    """host or host:port; an IPv6 address with a port stands in brackets."""
    bracket = re.fullmatch(r"\[([^\]]*)\](?::([0-9]+))?", written)
    plain = re.fullmatch(r"([^:\[\]]*):([0-9]+)", written)
    found = bracket or plain
    if not found:
        return host(written)
    name = address(found[1]) if bracket else host(found[1])
    if found[2] is None:
        return name
    return f"[{name}]:{values.port(found[2])}" if ":" in name else f"{name}:{values.port(found[2])}"


def url(written: str) -> str:
    """An http or https URL with a host, in ASCII, the host in lower case. User names and passwords are refused."""
    if not re.fullmatch(r"[!-~]+", written):
        raise ValueError("the URL holds spaces or characters outside ASCII; percent-encode them (host: xn--…)")
    try:
        parts = urlsplit(written)
        given, at = parts.hostname, parts.port
    except ValueError as wrong:
        raise ValueError(f"not a URL: {wrong}; write https://HOST/PATH") from None
    if "@" in parts.netloc:
        raise ValueError("the URL carries a user name or password; secrets are never written in the file")
    if parts.scheme not in ("http", "https") or not given or parts.fragment:
        raise ValueError(f"{show(written)}: write http://HOST/PATH or https://HOST/PATH, without a #fragment")
    name = _url_host(given)
    netloc = name if at is None else f"{name}:{values.whole(str(at), 1, 65535, 'port')}"
    return urlunsplit((parts.scheme, netloc, parts.path or "/", parts.query, ""))


def _url_host(name: str) -> str:
    if re.fullmatch(r"[0-9.]+", name):
        return address(name)
    return f"[{address(name)}]" if ":" in name else hostname(name)
