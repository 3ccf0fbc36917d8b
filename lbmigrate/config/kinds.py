"""What a node of the config may be: each kind reads nodes and describes itself as JSON Schema (2020-12).

One declaration serves both, so they cannot disagree. A ready-made typed decoder was not taken: it stops at the
first mistake and knows no lines, and a config's author is owed all of them, with lines and the nearest known key.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from lbmigrate.config.nodes import Entries, Items, Node, Scalar, ScalarKind
from lbmigrate.config.text import Wrong, show
from lbmigrate.value import value

Schema = dict[str, Any]
_CALLED = {"text": "text", "integer": "a number", "number": "a number", "boolean": "true or false", "nothing": "empty"}


@value
class Read:
    """What one node said, and the line it stands on."""

    value: Any
    line: int


class Table:
    """A mapping that was read: known keys only."""

    def __init__(self, line: int, entries: Mapping[str, Read]) -> None:
        self.line, self.entries = line, entries

    def __contains__(self, key: str) -> bool:
        return key in self.entries

    def get(self, key: str, default: Any = None) -> Any:
        """The key's value, or `default` where the file is silent."""
        return self.entries[key].value if key in self.entries else default

    def all(self, key: str) -> tuple[Any, ...]:
        """The values of a list, empty where the file is silent."""
        return tuple(one.value for one in self.get(key, ()))

    def at(self, key: str) -> int:
        """The line a key's value stands on, or the table's own."""
        return self.entries[key].line if key in self.entries else self.line


class Kind(Protocol):
    """One kind of node."""

    def read(self, node: Node) -> Any:
        """What the node says. Raises Wrong with everything that is not as it must be."""

    def schema(self) -> Schema:
        """The same as JSON Schema; never stricter than `read`."""


class Word:
    """A scalar that a parser reads (ValueError becomes Wrong). `kinds`: what it may look like unquoted."""

    def __init__(self, parse: Callable[[str], Any], schema: Schema, kinds: Iterable[ScalarKind] = ("text",)) -> None:
        self._parse, self._schema, self._kinds = parse, schema, frozenset(kinds)

    def read(self, node: Node) -> Any:
        """The parsed value."""
        if not isinstance(node, Scalar):
            raise Wrong((node.line, f"is {_called(node)}, where one value belongs; write it as one word"))
        if node.kind not in self._kinds:
            raise Wrong((node.line, self._amiss(node)))
        try:
            return self._parse(node.text)
        except ValueError as wrong:
            raise Wrong((node.line, str(wrong))) from None

    def _amiss(self, node: Scalar) -> str:
        if node.kind == "nothing":
            return "has no value; give one, or remove the key"
        if "text" in self._kinds:
            return f"{show(node.text)} reads as {_called(node)} in YAML; put it in quotes"
        wanted = " or ".join(sorted({_CALLED[kind] for kind in self._kinds}))
        return f"is {_called(node)}, where {wanted} belongs; write it without quotes"

    def schema(self) -> Schema:
        """As declared."""
        return dict(self._schema)


class Choice:
    """One of some words."""

    def __init__(self, *words: str) -> None:
        self._words = words

    def read(self, node: Node) -> str:
        """The word."""
        return str(Word(self._one, {}).read(node))

    def _one(self, text: str) -> str:
        if text not in self._words:
            near = difflib.get_close_matches(text.lower(), self._words, 1)
            hint = f"did you mean {near[0]}?" if near else f"one of: {', '.join(self._words)}"
            raise ValueError(f"{show(text)} is not known; {hint}")
        return text

    def schema(self) -> Schema:
        """An enumeration."""
        return {"enum": list(self._words)}


class ListOf:
    """A sequence of one kind, at least `least` long."""

    def __init__(self, kind: Kind, least: int = 0) -> None:
        self._kind, self._least = kind, least

    def read(self, node: Node) -> tuple[Read, ...]:
        """The elements with their lines."""
        if not isinstance(node, Items):
            raise Wrong((node.line, f"is {_called(node)}, where a list belongs; write it as [ … ] or with dashes"))
        found: list[Read] = []
        wrong: list[tuple[int, str]] = []
        for one in node.nodes:
            try:
                found.append(Read(self._kind.read(one), one.line))
            except Wrong as why:
                wrong += why.findings
        if len(node.nodes) < self._least:
            wrong.append((node.line, "is an empty list; name at least one"))
        if wrong:
            raise Wrong(*wrong)
        return tuple(found)

    def schema(self) -> Schema:
        """An array."""
        return {"type": "array", "items": self._kind.schema(), **({"minItems": self._least} if self._least else {})}


class MapOf:
    """A mapping whose keys are free."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    def read(self, node: Node) -> Table:
        """The entries with their lines."""
        return _table(node, lambda _key: self._kind)

    def schema(self) -> Schema:
        """An object."""
        return {"type": "object", "additionalProperties": self._kind.schema()}


@value
class Field:
    """One key of a `Map`: its kind, one line of help (the editor shows it), and whether it must be there."""

    kind: Kind
    help: str
    required: bool = False


class Map:
    """A mapping of known keys; `one` says that exactly one of them is given."""

    def __init__(self, fields: Mapping[str, Field], one: bool = False) -> None:
        self.fields, self._one = fields, one

    def read(self, node: Node) -> Table:
        """The entries with their lines. Raises Wrong naming unknown keys (and the nearest known) and missing ones."""
        wrong: tuple[tuple[int, str], ...] = ()
        table = None
        try:
            table = _table(node, lambda key: self.fields[key].kind if key in self.fields else None)
        except Wrong as why:
            wrong = why.findings
        if isinstance(node, Entries):
            wrong += tuple(self._keys(node))
        if wrong or table is None:
            raise Wrong(*wrong)
        return table

    def _keys(self, node: Entries) -> Iterable[tuple[int, str]]:
        for key, (line, _) in node.nodes.items():
            if key not in self.fields:
                yield line, f"unknown key {show(key)}; {self._nearest(key)}"
        for key, field in self.fields.items():
            if field.required and key not in node.nodes:
                yield node.line, f"the key `{key}` is missing; add it"
        if self._one and len(node.nodes) != 1:
            yield node.line, f"give exactly one of: {', '.join(self.fields)}"

    def _nearest(self, key: str) -> str:
        near = difflib.get_close_matches(key, self.fields, 1)
        return f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(self.fields)}"

    def schema(self) -> Schema:
        """An object that is closed to other keys."""
        fields = {key: {**field.kind.schema(), "description": field.help} for key, field in self.fields.items()}
        found: Schema = {"type": "object", "additionalProperties": False, "properties": fields}
        if required := [key for key, field in self.fields.items() if field.required]:
            found["required"] = required
        if self._one:
            found |= {"minProperties": 1, "maxProperties": 1}
        return found


def _table(node: Node, kind_of: Callable[[str], Kind | None]) -> Table:
    if not isinstance(node, Entries):
        raise Wrong((node.line, f"is {_called(node)}, where `key: value` lines belong; write it as a table"))
    found, wrong = {}, []
    for key, (_, one) in node.nodes.items():
        if (kind := kind_of(key)) is None:
            continue
        try:
            found[key] = Read(kind.read(one), one.line)
        except Wrong as why:
            wrong += [(line, f"{show(key)[1:-1]}: {what}") for line, what in why.findings]
    if wrong:
        raise Wrong(*wrong)
    return Table(node.line, found)


class Either:
    """A kind per shape of the node: a scalar, a list, a table."""

    def __init__(self, scalar: Kind | None = None, items: Kind | None = None, entries: Kind | None = None) -> None:
        self._by: dict[type, Kind | None] = {Scalar: scalar, Items: items, Entries: entries}

    def read(self, node: Node) -> Any:
        """What the kind for this shape reads; where there is none, what the first kind says about it."""
        kind = self._by[type(node)] or next(kind for kind in self._by.values() if kind)
        return kind.read(node)

    def schema(self) -> Schema:
        """Any of them."""
        return {"anyOf": [kind.schema() for kind in self._by.values() if kind]}


class Anything:
    """A node that a later version reads."""

    def read(self, node: Node) -> Node:
        """The node itself."""
        return node

    def schema(self) -> Schema:
        """No rule."""
        return {}


def _called(node: Node) -> str:
    match node:
        case Scalar():
            return _CALLED[node.kind]
        case Items():
            return "a list"
        case Entries():
            return "a table"
