"""How the bound part of an edited config differs from the plan's, in lines that name the key. Pure."""

from typing import Any

from lbmigrate.model import Side
from lbmigrate.spec import Bound, Dns
from lbmigrate.value import replace


def difference(old: Bound, new: Bound) -> tuple[str, ...]:
    """One line per key that differs, `old → new`; empty when they agree. Secrets are references in both.

    What a side's provider said of it is as it was when that was planned.
    """
    same = replace(new, a=_as_given(old.a, new.a), b=_as_given(old.b, new.b))
    return tuple(_compare("", old, same))


def _as_given(old: Side, new: Side) -> Side:
    if not new.given or new.place != old.place:
        return new
    return replace(new, hostname=old.hostname, alias_zone=old.alias_zone, families=old.families)


def _compare(key: str, old: Any, new: Any) -> list[str]:
    if old == new:
        return []
    if key == "dns":
        return _keyed(key, _entries(old), _entries(new))
    if _pairs(old) and _pairs(new):
        return _keyed(key, dict(old), dict(new))
    if _texts(old) and _texts(new) and set(old) != set(new):
        return _members(key, old, new)
    if type(old) is type(new) and hasattr(type(old), "__match_args__"):
        prefix = f"{key}." if key else ""
        return [line for name in vars(old) for line in _compare(prefix + name, vars(old)[name], vars(new)[name])]
    return [f"{key}: {_shown(old)} → {_shown(new)}"]


def _entries(dns: tuple[Dns, ...]) -> dict[str, Dns]:
    return {f"{entry.zone.rstrip('.')} {entry.view}".strip(): entry for entry in dns}


def _keyed(key: str, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    lines = []
    for name in (*old, *(name for name in new if name not in old)):
        lines += _compare(f"{key}.{name.rstrip('.')}", old.get(name), new.get(name))
    return lines or [f"{key}: the same in another order"]


def _members(key: str, old: tuple[str, ...], new: tuple[str, ...]) -> list[str]:
    gone = [one for one in old if one not in new]
    come = [one for one in new if one not in old]
    parts = ([f"{', '.join(gone)} removed"] if gone else []) + ([f"{', '.join(come)} added"] if come else [])
    return [f"{key}: {'; '.join(parts)}"]


def _pairs(thing: Any) -> bool:
    return isinstance(thing, tuple) and all(isinstance(one, tuple) and len(one) == 2 for one in thing)


def _texts(thing: Any) -> bool:
    return isinstance(thing, tuple) and bool(thing) and all(isinstance(one, str) for one in thing)


def _shown(thing: Any) -> str:
    if thing is None or thing in ("", ()):
        return "none"
    if isinstance(thing, tuple):
        return ", ".join(_shown(one) for one in thing)
    if hasattr(type(thing), "__match_args__"):
        known = {name: one for name, one in vars(thing).items() if one not in (None, "", (), False)}
        return " ".join(f"{name} {_shown(one)}" for name, one in known.items())
    return str(thing)
