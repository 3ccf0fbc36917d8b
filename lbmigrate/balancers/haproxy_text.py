"""HAProxy's configuration file as words with their places, so that one word can be replaced and all else stays.

Quoting as in the Configuration Manual 2.2: blanks separate words, `#` begins a comment, backslash, "…" and '…' quote,
environment variables are expanded inside double quotes only (2.3).
"""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from lbmigrate.errors import Refused
from lbmigrate.value import value

SECTIONS = frozenset(
    ("global", "defaults", "frontend", "backend", "listen", "peers", "resolvers", "mailers", "userlist", "program")
) | frozenset(("cache", "ring", "http-errors", "log-forward", "fcgi-app"))
PROXIES = frozenset(("frontend", "backend", "listen"))
WORD = re.compile(r'\s*((?:"(?:\\.|[^"\\])*"|\'[^\']*\'|\\.|[^\s#"\'\\])+)')
PIECE = re.compile(r'"((?:\\.|[^"\\])*)"|\'([^\']*)\'|\\(.)|([^"\'\\]+)')
VARIABLE = re.compile(r"(?<!\\)\$\{?([A-Za-z_][A-Za-z0-9_]*)")
PREFIX = re.compile(r"(ipv4|ipv6|quic4|quic6|udp4|udp6|unix|uxst|uxdg|abns|fd|sockpair|ip)@")
PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
MOST_PORTS = 1000


@value
class Word:
    """One word: its text without quotes, and where it stands in the line as written."""

    text: str
    raw: str
    start: int
    end: int


@value
class Line:
    """One line, with the section that it is in (`frontend` and `web`; the header line is in its own section)."""

    number: int
    raw: str
    section: str
    name: str
    words: tuple[Word, ...]

    def key(self) -> str:
        """The keyword, "" on a line without words."""
        return self.words[0].text if self.words else ""

    def text(self, index: int) -> str:
        """The word at `index`, "" beyond the end."""
        return self.words[index].text if index < len(self.words) else ""

    def texts(self, first: int = 0) -> tuple[str, ...]:
        """The words from `first` on."""
        return tuple(word.text for word in self.words[first:])

    def having(self, index: int, text: str) -> str:
        """The line as written with the word at `index` replaced."""
        word = self.words[index]
        return self.raw[: word.start] + text + self.raw[word.end :]


@lru_cache(maxsize=4)
def parse(text: str) -> tuple[Line, ...]:
    """Every line of a file, comments and blank ones included, without the line ends."""
    return tuple(_lines(text.split("\n")))


def _lines(raws: Sequence[str]) -> Iterator[Line]:
    section = name = ""
    for number, raw in enumerate(raws, 1):
        words = _words(raw)
        if words and words[0].text in SECTIONS:
            section, name = words[0].text, words[1].text if len(words) > 1 else ""
        yield Line(number, raw, section, name, words)


def _words(raw: str) -> tuple[Word, ...]:
    words: list[Word] = []
    place = 0
    while found := WORD.match(raw, place):
        words.append(Word(_plain(found[1]), found[1], found.start(1), found.end()))
        place = found.end()
    return tuple(words)


def _plain(raw: str) -> str:
    """A word without its quotes and escapes."""
    return "".join(_piece(found) for found in PIECE.finditer(raw))


def _piece(found: re.Match[str]) -> str:
    strong, weak, escaped, bare = found[1], found[2], found[3], found[4]
    if strong is not None:
        return re.sub(r"\\(.)", r"\1", strong)
    return next(one for one in (weak, escaped, bare) if one is not None)


def quoted(text: str) -> str:
    """One word as the file has it; the inverse of `Word.text` (Configuration Manual 2.2). `text` is on one line."""
    return text if PLAIN.fullmatch(text) else '"' + re.sub(r'(["\\$])', r"\\\1", text) + '"'


def variables(line: Line) -> frozenset[str]:
    """Environment variables that the line expands."""
    quoted = (found[1] for word in line.words for found in PIECE.finditer(word.raw) if found[1])
    return frozenset(name for text in quoted for name in VARIABLE.findall(text))


def option(words: Sequence[str], name: str) -> str:
    """The argument that follows `name` among the words, "" when it is not there."""
    return words[words.index(name) + 1] if name in words[:-1] else ""


def proxies(lines: Sequence[Line]) -> frozenset[str]:
    """Names of the proxies that run: those with a `disabled` line are left out."""
    off = {line.name for line in lines if line.section in PROXIES and line.texts() == ("disabled",)}
    return frozenset(line.name for line in lines if line.key() in PROXIES) - off


@value
class Endpoint:
    """An IP address and port range to listen on or connect to; `host` is "" for the wildcard. `prefix`: "quic4@" …"""

    host: str
    low: int
    high: int
    prefix: str = ""
    v6: bool = False

    def ports(self) -> range:
        """All ports of the range."""
        return range(self.low, self.high + 1)

    def loopback(self) -> bool:
        """Whether it is on this machine's loopback interface only."""
        return bool(self.host) and ipaddress.ip_address(self.host).is_loopback

    def at(self, host: str) -> str:
        """The same ports on another address, as HAProxy writes it."""
        ports = str(self.low) if self.low == self.high else f"{self.low}-{self.high}"
        return f"{self.prefix}[{host}]:{ports}" if ":" in host else f"{self.prefix}{host}:{ports}"


def endpoints(line: Line, index: int) -> tuple[Endpoint, ...]:
    """The comma-separated addresses of a word. Raises Refused, by line, for what is no IP address and port."""
    word = line.words[index]
    if variables(line) and "$" in word.raw:
        raise refused(line, "an address from an environment variable cannot be followed", "write the address itself")
    return tuple(_endpoint(line, one) for one in word.text.split(","))


def _endpoint(line: Line, text: str) -> Endpoint:
    prefix = found[0] if (found := PREFIX.match(text)) else ""
    if prefix in ("unix@", "uxst@", "uxdg@", "abns@", "fd@", "sockpair@") or text.startswith("/"):
        raise refused(line, f"two processes cannot both have {text}", "use a loopback address and port instead")
    host, _, ports = text.removeprefix(prefix).rpartition(":")
    low, _, high = ports.partition("-")
    try:
        found_host, v6 = _host(host.strip("[]"), prefix)
        first, last = int(low), int(high or low)
    except ValueError as wrong:
        raise refused(line, f"{text!r} is no IP address and port", "write addresses, not names") from wrong
    if not 0 < first <= last < 65536 or last - first > MOST_PORTS:
        raise refused(line, f"{ports} is no port or range of at most {MOST_PORTS}", "correct the ports")
    return Endpoint(found_host, first, last, prefix if prefix.startswith(("quic", "udp")) else "", v6)


def _host(text: str, prefix: str) -> tuple[str, bool]:
    if text in ("", "*"):
        return "", prefix.endswith("6@")
    address = ipaddress.ip_address(text)
    return "" if address.is_unspecified else str(address), address.version == 6


def refused(line: Line, seen: str, todo: str) -> Refused:
    """The error for a line that cannot be carried to another side."""
    return Refused(f"carrying over line {line.number} `{line.raw.strip()}`: {seen}; {todo}")
