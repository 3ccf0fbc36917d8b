"""What `discover` found: as a table, as JSON, as `names:` for the config."""

from collections.abc import Iterable
from typing import Any

from lbmigrate.discover import Beside, Found, names
from lbmigrate.gather import Discovery, text
from lbmigrate.words import safe

HEAD = ("NAME", "TYPE", "ENDS AT A BY", "TO DO")


def table(seen: Discovery) -> str:
    """For people: every record that ends at A, then what names A beside."""
    lines = _columns([HEAD, *map(_row, seen.found)]) if seen.found else ["nothing ends at A"]
    if seen.beside:
        lines += ["", "These name A, or a name that ends there, and are not moved:"]
        lines += _columns([(text(one.name), one.rtype, safe(_what(one))) for one in seen.beside])
    if seen.users:
        lines += ["", "These name A, or a name that ends there, outside DNS:"]
        lines += _columns([(one.kind, safe(one.name), safe(one.what), one.todo) for one in seen.users])
    count = len(names(seen.found))
    marked = "1 name has to be moved, marked `move`" if count == 1 else f"{count} names have to be moved, marked `move`"
    end = f"{marked}; as `names:` for the config: lbmigrate discover --names" if count else "no name has to be moved"
    return "\n".join([*lines, "", end])


def _row(one: Found) -> tuple[str, str, str, str]:
    by = one.what or " → ".join(map(text, one.via))
    note = one.why or ("" if one.fate == "move" else f"follows {text(one.via[0])}")
    if one.fate == "move":
        note = "move (a wildcard: not the names that exist only by it)" if one.wildcard else "move"
    return text(one.name), one.rtype, safe(by), note


def _what(one: Beside) -> str:
    return one.what or text(one.target)


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def document(seen: Discovery) -> dict[str, Any]:
    """The same as one JSON document."""
    zones = [dict(vars(one)) for one in seen.zones]
    return {
        "zones": zones,
        "found": [_found(one, zones) for one in seen.found],
        "beside": [{**_place(one, zones), "what": _what(one)} for one in seen.beside],
        "users": [dict(vars(one)) for one in seen.users],
        "names": [text(one) for one in names(seen.found)],
        "remarks": list(seen.remarks),
    }


def _found(one: Found, zones: list[dict[str, Any]]) -> dict[str, Any]:
    rest = {"what": one.what, "via": [text(name) for name in one.via], "wildcard": one.wildcard}
    return {**_place(one, zones), **rest, "fate": one.fate, "why": one.why}


def _place(one: Found | Beside, zones: list[dict[str, Any]]) -> dict[str, Any]:
    zone = zones[one.entry]
    return {"name": text(one.name), "type": one.rtype, "zone": zone["zone"], "view": zone["view"]}


def section(seen: Discovery) -> str:
    """`names:` as it stands in the config."""
    found = [text(one) for one in names(seen.found)]
    return "\n".join(["names:", *(f"  - {_quoted(one)}" for one in found)]) if found else "names: []"


def _quoted(name: str) -> str:
    plain = name[:1].isalpha() and all(c.isalnum() or c in "._-" for c in name)
    return name if plain else "'" + name.replace("'", "''") + "'"


def remarks(seen: Discovery) -> Iterable[str]:
    """What has to be said beside the result."""
    for zone in seen.zones:
        if zone.by == "queries":
            yield f"{zone.zone} was not transferred: only the names asked for are seen, no SPF, PTR, LUA ({zone.why})"
    yield from seen.remarks
