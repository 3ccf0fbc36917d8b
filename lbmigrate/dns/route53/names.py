"""Names as Route 53 writes them: lower case, octal escapes, a final dot; and their order in a listing."""

import re

import dns.exception
import dns.name

PLAIN = re.compile(r"[a-z0-9_-]")
_ESCAPE = re.compile(r"\\([0-3][0-7]{2})")
LONGEST = 255  # octets, RFC 1035 section 2.3.4
LONGEST_LABEL = 63


def parse(text: str) -> dns.name.Name:
    """The name that `text` means: `\\ooo` is an octet, a missing final dot is added. Raises ValueError."""
    labels = [_octets(label) for label in text.removesuffix(".").split(".")]
    if not text.removesuffix(".") or not all(labels):
        raise ValueError(f"Domain name contains an empty label: {text!r}")
    try:
        return dns.name.Name([*labels, b""]).canonicalize()
    except dns.exception.DNSException as wrong:
        raise ValueError(f"Domain label is too long: {text!r}") from wrong


def _octets(label: str) -> bytes:
    raw = _ESCAPE.sub(lambda found: chr(int(found[1], 8)), label)
    if "\\" in _ESCAPE.sub("", label):
        raise ValueError(f"Invalid escape in {label!r}")
    try:
        return raw.encode("latin-1")
    except UnicodeEncodeError as wrong:
        raise ValueError(f"Domain name is not ASCII: {label!r}") from wrong


def text_of(name: dns.name.Name) -> str:
    """As Route 53 lists it: everything but letters, digits, hyphen and underscore is an octal escape."""
    return ".".join("".join(_shown(octet) for octet in label) for label in name.labels[:-1]) + "."


def _shown(octet: int) -> str:
    one = chr(octet)
    return one if PLAIN.match(one) else f"\\{octet:03o}"


def canonical(text: str) -> str:
    """`text` as Route 53 lists it. Raises ValueError."""
    return text_of(parse(text))


def order(name: str) -> str:
    """What a listing is sorted by: the labels reversed, escaped, with the dot behind each (ASCII order)."""
    return "".join(label + "." for label in reversed(name.removesuffix(".").split(".")))
