"""Strings that mean harm, seeded: terminal escapes, separators, quotes, code, markup, direction marks, broken UTF-8."""

import os
import random
from collections.abc import Callable, Iterator
from typing import Any

from lbmigrate.errors import LbmigrateError
from lbmigrate.words import safe

COUNT = int(os.environ.get("LBMIGRATE_STRINGS", "1000"))  # through a cheap door; `make test` and `make soak` take more
DEAR = COUNT // 20

PIECES = (
    "\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\x00", "\x07", "\x08", "\r", "\n", "\r\n", "\t", "\x7f", "\x85",
    "\u2028", "\u202e", "\u2066", "\u200b", "\ufeff", "\u0301" * 9, "\ud800", "\udcff", "\U000e0041", "\U0001f4a9",
    ";", "'", '"', "`id`", "$(id)", "${HOME}", "$HOME", "\\", "\\n", "\\000", "|", "&", ">", "<", "#", "//", "/*",
    "*/", "--", "(", ")", "{", "}", "[", "]", "%s", "%n", "{0}", "{x.__class__}", " ", "  ", "*", "@", "~", "!", "=",
    ",", ".", "..", ":", "::", "-", "_", "/", "../../etc/passwd", "-oProxyCommand=id", "END", "\nEND\nid\n", "\nsend\n",
    "\nupdate delete lab.test. SOA\n", "'}})os.execute('touch LUA')--", "io.open('LUA','w')", "'..os.execute'id'..'",
    "<script>alert(1)</script>", "</style>", "&lt;", "]]>", "<!--", "javascript:", "' OR 1=1 --", "'); DROP TABLE x",
    "!!python/object/apply:os.system", "&anchor", "*alias", "<<: ", "- ", "? ", "null", "yes", "1e999", "NaN", "٢٥",
    "shutdown sessions server", "; disable server app/p1", "set server", "HTTP/1.1 200 OK\r\n\r\n", "lbm1 m=x a=y n=1",
    "a", "web", "www", "lab", "test", "192.0.2.1", "é", "x" * 63, "x" * 300,
)  # fmt: skip
MOST = 6  # pieces of one string


def strings(count: int, seed: int = 0) -> Iterator[str]:
    """So many strings; the same seed gives the same. Lone surrogates are among them."""
    chance = random.Random(seed)
    yield from PIECES[:count]
    for _ in range(count - len(PIECES)):
        if chance.random() < 0.1:
            yield "".join(chr(chance.choice((chance.randrange(256), chance.randrange(0x11000)))) for _ in range(8))
        else:
            yield "".join(chance.choices(PIECES, k=chance.randrange(1, MOST + 1)))


def raws(count: int, seed: int = 0) -> Iterator[bytes]:
    """The same as bytes, a part of them broken."""
    chance = random.Random(seed)
    for text in strings(count, seed):
        raw = text.encode("utf-8", "surrogatepass")
        if chance.random() < 0.3:
            cut = chance.randrange(len(raw) + 1)
            raw = raw[:cut] + chance.randbytes(chance.randrange(1, 9)) + raw[cut:]
        yield raw


def harmless(text: str) -> bool:
    """Whether a terminal, or a person, is shown nothing else than what is there: printable, line by line."""
    return all(line.isprintable() for line in text.split("\n"))


Door = Callable[[], int]


class Doors(dict[str, Door]):
    """Ways in or out, by what they are called in words; each, called, says how many strings went through."""

    def __call__(self, one: Door) -> Door:
        self[one.__name__.replace("_", " ")] = one
        return one


def refused(work: Callable[..., Any], *given: Any) -> Any:
    """What `work` makes of it; None: refused (ValueError, or an error of ours) in words that can be shown."""
    try:
        return work(*given)
    except (ValueError, LbmigrateError) as wrong:
        why = str(wrong)
    assert harmless(safe(why))
    return None
