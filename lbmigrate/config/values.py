"""One scalar of the config file: its text in, its value out.

Every parser raises ValueError("what is wrong; what to do"). Whatever may hold a secret is never repeated in the
message. Durations become seconds, shares become fractions. Names, addresses and URLs are in `hosts`, because
dnspython is slow to import and `status` comes through here for two words.
"""

import os
import re
from collections.abc import Iterable

from lbmigrate.config.text import show

DURATION = r"0|(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:ms|s|m|h))+"
SHARE = r"[0-9]{1,3}(?:\.[0-9]{1,9})?%"
SECRET = r"(?:env|file|cmd):.+"
ROLE = r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+"  # API reference of IAM, "IAM identifiers"
REGION = r"[a-z]{2,}(?:-[a-z0-9]+)+"
MIGRATION = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
STATUSES = r"[1-5][0-9]{2}(?:-[1-5][0-9]{2})?(?: *, *[1-5][0-9]{2}(?:-[1-5][0-9]{2})?)*"
_UNITS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}  # milliseconds
_PART = r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)"
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110 section 5.6.2


def duration(text: str) -> float:
    """Seconds: 500ms, 30s, 10m, 1h30m, or 0; each unit once, the largest first."""
    if not re.fullmatch(DURATION, text):
        hint = f"write {text}s" if re.fullmatch(r"[0-9]{1,9}", text) else "write it like 500ms, 30s, 10m or 1h30m"
        raise ValueError(f"{show(text)} is no duration; {hint}")
    from decimal import Decimal

    parts = re.findall(_PART, text)
    units = [unit for _, unit in parts]
    if units != [unit for unit in _UNITS if unit in units]:
        raise ValueError(f"{show(text)} is no duration; give each unit once, the largest first: 1h30m")
    return float(sum(Decimal(number) * _UNITS[unit] for number, unit in parts) / 1000)


def some_time(text: str) -> float:
    """A duration above 0, in seconds."""
    seconds = duration(text)
    if not seconds:
        raise ValueError(f"{show(text)} is no time at all; give a duration above 0")
    return seconds


def ttl(text: str) -> int:
    """A TTL in whole seconds, 1 .. 2^31-1 (RFC 2181 section 8)."""
    seconds = duration(text)
    if seconds != int(seconds) or not 1 <= seconds < 2**31:
        raise ValueError(f"{show(text)} is no TTL; give whole seconds, 1s or more")
    return int(seconds)


def share(text: str) -> float:
    """A fraction strictly between 0 and 1, from a percentage such as 0.5%."""
    from decimal import Decimal

    if not re.fullmatch(SHARE, text) or not 0 < Decimal(text[:-1]) < 100:
        raise ValueError(f"{show(text)} is no share; write a percentage between 0% and 100%, like 0.5%")
    return float(Decimal(text[:-1]) / 100)


def batch(text: str) -> str:
    """How many backends at a time: a number from 1 up, or a percentage."""
    if not re.fullmatch(r"[1-9][0-9]{0,5}|[1-9][0-9]?%|100%", text):
        raise ValueError(f"{show(text)} is no batch; write a number of backends such as 1, or a share such as 25%")
    return text


def boolean(text: str) -> bool:
    """true or false."""
    return text.lower() == "true"


def text(text: str) -> str:
    """Printable text on one line, not empty."""
    if not text or not text.isprintable():
        raise ValueError(f"{show(text)} is empty or not printable; write one line of text")
    return text


def migration(name: str) -> str:
    """The migration's name: it stands in the journal and, as text, in the fence records."""
    if not re.fullmatch(MIGRATION, name):
        raise ValueError(
            f"{show(name)} is no migration name; use 1 to 63 letters, digits, `.`, `_` and `-`, "
            "beginning and ending with a letter or digit"
        )
    return name


def view(name: str) -> str:
    """The name of one face of a zone."""
    if not re.fullmatch(MIGRATION, name):
        raise ValueError(f"{show(name)} is no view's name; use letters, digits, `.`, `_` and `-`, such as inside")
    return name


def role(arn: str) -> str:
    """The ARN of a role of AWS."""
    if not re.fullmatch(ROLE, arn):
        raise ValueError(f"{show(arn)} is no role's ARN; it looks like arn:aws:iam::123456789012:role/dns")
    return arn


def region(text: str) -> str:
    """A region of AWS."""
    if not re.fullmatch(REGION, text):
        raise ValueError(f"{show(text)} is no region; write it like eu-west-1")
    return text


def secret(reference: str) -> str:
    """A reference to a secret. The text is never repeated: it may be the secret itself."""
    if not re.fullmatch(SECRET, reference) or not reference.isprintable():
        raise ValueError("a secret is never written in the file; give env:NAME, file:PATH or cmd:COMMAND")
    kind, rest = reference.split(":", 1)
    if kind == "env" and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", rest):
        raise ValueError("env: is followed by the name of an environment variable, like env:LBMIGRATE_TSIG")
    return reference


def port(text: str) -> int:
    """A TCP or UDP port."""
    return whole(text, 1, 65535, "port")


def whole(text: str, least: int, most: int, what: str) -> int:
    """A whole decimal number within bounds."""
    if not re.fullmatch(r"[0-9]{1,18}", text) or not least <= int(text) <= most:
        raise ValueError(f"{show(text)} is no {what}; give a whole number from {least} to {most}")
    return int(text)


def rate(text: str) -> float:
    """Pairs per second, above 0 and at most 1000."""
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or not 0 < float(text) <= 1000:
        raise ValueError(f"{show(text)} is no rate; give pairs a second, above 0 and at most 1000")
    return float(text)


def statuses(text: str) -> tuple[tuple[int, int], ...]:
    """Inclusive ranges of HTTP status codes, from "200-399" or "200,301-302"."""
    if not re.fullmatch(STATUSES, text):
        raise ValueError(f'{show(text)} names no status codes; write them like "200-399" or "200,301-302"')
    found = []
    for part in text.replace(" ", "").split(","):
        low, _, high = part.partition("-")
        found.append((int(low), int(high or low)))
        if found[-1][0] > found[-1][1]:
            raise ValueError(f"{part} is an empty range of status codes; the smaller number comes first")
    return tuple(found)


def method(text: str) -> str:
    """An HTTP method that changes nothing (RFC 9110 section 9.2.1): probes go to live servers."""
    if text not in ("GET", "HEAD", "OPTIONS"):
        raise ValueError(f"{show(text)}: probes only ask; use GET, HEAD or OPTIONS")
    return text


def header(name: str, value: str) -> tuple[str, str]:
    """One header of a probe: a token, and text that cannot end the line (RFC 9110 section 5)."""
    if not re.fullmatch(_TOKEN, name):
        raise ValueError(f"{show(name)} is no header name; use letters, digits and `-`")
    if name.lower() in ("host", "connection", "content-length", "transfer-encoding"):
        raise ValueError(f"the header {name} is the probe's own; remove it (Host comes from the URL)")
    if not re.fullmatch(r"[!-~](?:[ -~]*[!-~])?|", value):
        raise ValueError(f"the value of header {name} is not plain ASCII on one line; correct it")
    if re.search(r"authorization|cookie|token|secret|password|api-?key", name, re.IGNORECASE):
        raise ValueError(f"the header {name} carries a secret, which is not in this version; probe a path without it")
    return name, value


def path(written: str) -> str:
    """A file's path as written."""
    if not written or not written.isprintable():
        raise ValueError("an empty or unprintable path; name a file")
    if written.startswith("~"):
        raise ValueError(f"{show(written)}: `~` is a shell's word; write the whole path")
    return written


def located(written: str, beside: str) -> str:
    """A path made absolute from the config file's folder, so that cron and a shell elsewhere mean the same file."""
    return os.path.abspath(os.path.join(beside, written))


def binary(written: str, beside: str) -> str:
    """A program: a bare name is left to PATH, anything with a slash is a path."""
    return located(written, beside) if "/" in written else written


def anchored(reference: str, beside: str) -> str:
    """A secret's reference, with the path of `file:` made absolute."""
    kind, _, rest = reference.partition(":")
    return f"file:{located(rest, beside)}" if kind == "file" else reference


def arguments(line: str) -> str:
    """Further arguments as one line of shell words, quoted in one way only."""
    import shlex

    try:
        return shlex.join(shlex.split(text(line)))
    except ValueError as wrong:
        raise ValueError(f"{wrong}; write the arguments as a list") from None


def joined(words: Iterable[str]) -> str:
    """A list of arguments as one line of shell words."""
    import shlex

    return shlex.join(words)


def journal(written: str) -> str:
    """The journal's URL. The text is not repeated: it may carry a password."""
    scheme, colon, rest = written.partition(":")
    if scheme in ("postgresql", "postgres", "dynamodb"):
        from lbmigrate.journal import place

        (place.dynamodb if scheme == "dynamodb" else place.postgresql)(written)
        return written
    if scheme != "sqlite" or not colon or (rest.startswith("//") and not rest.startswith("///")):
        raise ValueError(
            "not a journal; write sqlite:PATH, such as sqlite:.lbmigrate/journal.db, postgresql://… or dynamodb://…"
        )
    return "sqlite:" + path("/" + rest.lstrip("/") if rest.startswith("/") else rest)
