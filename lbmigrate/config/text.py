"""The config file as text: how it is read, how what is wrong with it is told, and two of its words without YAML.

The YAML library takes as long to import as the rest of `status` takes altogether. `words` therefore reads the two
that `status` needs from a file that is written plainly, and says nothing about any other: then YAML decides.
"""

import os
import re

from lbmigrate.errors import Usage

FilePath = str | os.PathLike[str]  # pathlib, too, is slow to import
MAX_BYTES = 1 << 20
# A quoted scalar on one line, where one can begin and end: whatever it holds is no sign of YAML's.
_QUOTED = r"""(?<![^\s\[{,:])(?:"[^"\\]*"|'[^']*')(?=[\s,\]}:]|$)"""
_PLAIN = r" +([A-Za-z][A-Za-z0-9._-]*(?::[A-Za-z0-9._/:@%+=?&~-]*[A-Za-z0-9_/])?) *"
_OTHER_KINDS = ("true", "false", "null")  # YAML 1.2.2 section 10.3.2, of those that begin with a letter


class Wrong(Exception):
    """What is wrong, each with its line; never leaves the config modules."""

    def __init__(self, *findings: tuple[int, str]) -> None:
        super().__init__(findings)
        self.findings = findings


def usage(path: FilePath, wrong: Wrong) -> Usage:
    """The findings as one error, a line each, in the file's order."""
    return Usage("\n".join(f"{path}:{line}: {what}" for line, what in sorted(set(wrong.findings))))


def show(text: str) -> str:
    """Text from the file for a message: one short printable line."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


def bytes_of(path: FilePath) -> bytes:
    """The file's bytes. Raises Usage: unreadable, too large."""
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as wrong:
        why = getattr(wrong, "strerror", None) or str(wrong)
        raise Usage(
            f"{show(str(path))}: reading the config: {why}; name the file with -c or LBMIGRATE_CONFIG"
        ) from None
    if len(raw) > MAX_BYTES:
        raise Usage(f"{path}:1: the file is larger than {MAX_BYTES} bytes; is it the config?")
    return raw


def text_of(path: FilePath) -> str:
    """The file's text. Raises Usage: unreadable, too large, not UTF-8."""
    raw = bytes_of(path)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = raw.count(b"\n", 0, wrong.start) + 1
        raise Usage(f"{path}:{line}: byte {raw[wrong.start]:#04x} is not UTF-8; save the file as UTF-8") from None


# ---------------------------------------------------------------- two words without YAML


def words(text: str, keys: tuple[str, ...]) -> dict[str, str] | None:
    """The plain text under each of `keys` at the top level, without those that are absent; None where unsure.

    Sure is: nothing spans lines but by indentation, so that what begins a line is a top-level key, each wanted key
    stands there once, and its value is one plain word of letters that no other kind than text is made of.
    """
    lines = text.split("\n")
    if len(lines) != len((text + ".").splitlines()):
        return None  # line breaks that only some would see
    found: dict[str, str] = {}
    last = ""
    for line in lines:
        code = _code(line)
        if code is None or (last in keys and code[:1] == " "):
            return None  # open to what follows, or a word that goes on in the next line
        if not code.strip():
            continue
        if code[0] == " " or code[:2] == "- ":  # a list may stand as far left as its key
            if not last or last in keys:
                return None  # keys that do not begin their lines, or a list of one word's
            continue
        last, colon, rest = code.partition(":")
        if not colon or not last.isidentifier() or rest[:1] not in ("", " ") or last in found:
            return None
        if last in keys:
            value = re.fullmatch(_PLAIN, rest)
            if value is None or value[1].lower() in _OTHER_KINDS:
                return None
            found[last] = value[1]
    return found


def salvaged(text: str, keys: tuple[str, ...]) -> dict[str, str] | None:
    """The same from a file that YAML cannot read, for who has something to check them against: the journal names its
    migration too. Each key's line, plainly written and alone of its kind; None where one is not."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        begun = re.match(r"[^\w#]*(\w+)", line)
        if begun is None or begun[1] not in keys:
            continue
        key, _, rest = line.partition(":")
        value = re.fullmatch(_PLAIN, rest.partition(" #")[0])
        if key not in keys or key in found or value is None:
            return None
        found[key] = value[1]
    return found


def _code(line: str) -> str | None:
    """A line without its comment, every quoted scalar as one NUL; None where something stays open at its end."""
    if not any(sign in line for sign in "#\"'[]{}\\\t"):
        return line
    bare = re.sub(_QUOTED, "\0", line.partition(" #")[0] if line[:1] != "#" else "")
    closed = bare.count("[") == bare.count("]") and bare.count("{") == bare.count("}")
    return bare if closed and not any(sign in bare for sign in "\"'\\\t") else None
