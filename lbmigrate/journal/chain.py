"""An entry as every store keeps it: its text, its link to the one before, and how it is read back and checked."""

import hashlib
import json

from lbmigrate import __version__
from lbmigrate.errors import JournalError
from lbmigrate.events import FORMAT, Entry, Event, Opened
from lbmigrate.value import from_json, to_json

GENESIS = "lbmigrate"
# number, moment, signature, kind, hash, hash of the entry before (None: there is none), text
Row = tuple[int, float, str, str, str, str | None, str]


def text(event: Event) -> str:
    """An event as JSON in ASCII, which any database's encoding holds. Raises ValueError for NaN and infinity."""
    return json.dumps(to_json(event), separators=(",", ":"), allow_nan=False)


def link(before: str, n: int, at: float, by: str, body: str) -> str:
    """The hash of an entry and, through `before`, of all that came before it."""
    return hashlib.sha256(f"{before}\n{n}\n{at!r}\n{by}\n{body}".encode()).hexdigest()


def entry(row: Row, place: str, aside: str) -> Entry:
    """The entry of a row; `aside`: how to put a damaged journal away.

    Raises JournalError: damaged, edited, or another version's.
    """
    n, at, by, kind, stored, before, body = row
    if link(GENESIS if n == 1 else before or "", n, at, by, body) != stored:
        raise damaged(n, place, aside)
    found = _decoded(place, n, at, by, kind, body)
    if type(found.event).__name__ != kind:  # no hash covers it, and reading goes by it
        raise damaged(n, place, aside)
    return found


def damaged(n: int, place: str, aside: str) -> JournalError:
    """What is said of a broken chain."""
    return JournalError(
        f"journal {place}: entry {n} does not follow from the one before (damaged, or edited); "
        f"nothing was done. {aside} and undo with: lbmigrate rollback --from-dns"
    )


def missing(n: int, place: str) -> JournalError:
    """What is said of an entry that comes before its time."""
    return JournalError(f"journal {place}: entry {n - 1} is missing before {n}; nothing was done")


def cannot(verb: str, place: str, why: object, way: str) -> JournalError:
    """What is said of a store that does not do as asked: one printable line."""
    said = " ".join("".join(c if c.isprintable() else " " for c in str(why)).split())
    return JournalError(f"journal {place}: cannot {verb} it: {said}; {way}")


def _decoded(place: str, n: int, at: float, by: str, kind: str, body: str) -> Entry:
    try:
        event = from_json(Event, json.loads(body))
    except ValueError as wrong:
        raise JournalError(
            f"journal {place}: lbmigrate {__version__} (format {FORMAT}) cannot read entry {n} ({kind}): {wrong}; "
            "use the version that wrote it; nothing was touched"
        ) from wrong
    if isinstance(event, Opened) and event.format != FORMAT:
        raise JournalError(
            f"journal {place}: its format is {event.format}, lbmigrate {__version__} knows {FORMAT}; "
            "use the version that wrote it; nothing was touched"
        )
    return Entry(n, at, by, event)
