"""The values of record sets: which Route 53 takes, and the rdata that they are."""

import ipaddress
import re
from collections.abc import Callable

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from dns.rdata import Rdata

LONGEST = 4000  # characters of one value (the API's RData)
LONGEST_STRING = 255  # octets of a character string (RFC 1035 section 3.3)
STRINGS = ("TXT", "SPF")
ALONE = ("CNAME", "SOA")  # types whose sets have one value
_ESCAPE = re.compile(r"\\([0-7]{3})")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
FAMILY: dict[str, Callable[[str], Address]] = {"A": ipaddress.IPv4Address, "AAAA": ipaddress.IPv6Address}


def rdata(rtype: str, text: str) -> Rdata:
    """The rdata of one value; a name without its final dot is whole all the same. Raises ValueError with the reason."""
    if rtype in FAMILY:
        text = str(_address(rtype, text))
    if rtype in STRINGS:
        text = _strings(text)
    try:
        return dns.rdata.from_text(dns.rdataclass.IN, rtype, text, dns.name.root, relativize=False)
    except (dns.exception.DNSException, ValueError) as wrong:
        raise ValueError(f"RRDATAIllegal ({wrong or type(wrong).__name__})") from wrong


def _address(rtype: str, text: str) -> Address:
    try:
        return FAMILY[rtype](text)
    except ValueError as wrong:
        version = 4 if rtype == "A" else 6
        raise ValueError(f"ARRDATAIllegalIPv{version}Address (Value is not a valid IPv{version} address)") from wrong


def _strings(text: str) -> str:
    """Quoted strings, their octal escapes as the decimal ones of zone files."""
    if not re.fullmatch(rf"{_STRING.pattern}( {_STRING.pattern})*", text):
        raise ValueError("InvalidCharacterString (Value should be enclosed in quotation marks)")
    if any(len(_ESCAPE.sub("x", one)) > LONGEST_STRING for one in _STRING.findall(text)):
        raise ValueError("CharacterStringTooLong (Value is too long)")
    return _ESCAPE.sub(lambda found: f"\\{int(found[1], 8):03d}", text)
