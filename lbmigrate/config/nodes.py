"""YAML text in, a tree of nodes that know their line out.

Plain scalars are read as YAML 1.2 reads them (core schema): `no`, `on` and `2026-01-01` are text, never a boolean
or a date, so that a name or a word means what it says. Tags and merge keys are refused: the file is data only.
"""

import re
from typing import Literal, TypeVar

import yaml

from lbmigrate.config.text import FilePath, Wrong, show, text_of, usage

try:
    from yaml import CBaseLoader as Loader
except ImportError:  # PyYAML built without libyaml: slower, the same tree
    from yaml import BaseLoader as Loader  # type: ignore[assignment]

T = TypeVar("T")
MAX_DEPTH = 20  # libyaml's composer recurses in C: a file of 50,000 "{" ends the process with SIGSEGV
ScalarKind = Literal["text", "integer", "number", "boolean", "nothing"]
_CORE: tuple[tuple[ScalarKind, re.Pattern[str]], ...] = (  # YAML 1.2.2 section 10.3.2
    ("nothing", re.compile(r"|~|null|Null|NULL")),
    ("boolean", re.compile(r"true|True|TRUE|false|False|FALSE")),
    ("integer", re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")),
    ("number", re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")),
)


class Scalar:
    """One scalar as it is written; a quoted one is always text."""

    def __init__(self, line: int, text: str, kind: ScalarKind) -> None:
        self.line, self.text, self.kind = line, text, kind


class Items:
    """A YAML sequence."""

    def __init__(self, line: int, nodes: list["Node"]) -> None:
        self.line, self.nodes = line, nodes


class Entries:
    """A YAML mapping: per key the line it stands on, and its node."""

    def __init__(self, line: int, nodes: dict[str, tuple[int, "Node"]]) -> None:
        self.line, self.nodes = line, nodes


Node = Scalar | Items | Entries


def read(path: FilePath) -> Entries:
    """The file's top level. Raises Usage: unreadable, not UTF-8, not YAML, tags, duplicate keys (all of them)."""
    try:
        top = _compose(text_of(path))
        tree = _Tree().node(top) if top is not None else None
        if not isinstance(tree, Entries):
            raise Wrong((1, "the file holds no keys; start it with `migration: NAME`"))
        return tree
    except Wrong as wrong:
        raise usage(path, wrong) from None


def _compose(text: str) -> "yaml.Node | None":
    try:
        _shallow(text)
        node: yaml.Node | None = yaml.compose(text, Loader=Loader)
    except yaml.MarkedYAMLError as wrong:
        mark = wrong.problem_mark or wrong.context_mark
        what = ", ".join(filter(None, (wrong.context, wrong.problem)))
        line = mark.line + 1 if mark else 1
        tab = any("\t" in one for one in text.splitlines()[line - 1 : line])
        what += "; there is a tab, and YAML is indented by spaces" if tab else ""
        raise Wrong((line, f"not YAML: {what}")) from None
    except yaml.reader.ReaderError as wrong:
        line = text.count("\n", 0, wrong.position) + 1 if isinstance(wrong.position, int) else 1
        raise Wrong((line, f"not YAML: {wrong.reason}")) from None
    except (yaml.YAMLError, RecursionError, ValueError) as wrong:
        raise Wrong((1, f"not YAML: {type(wrong).__name__}; write it plainer")) from None
    return node


def _shallow(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise Wrong((line, f"nested more than {MAX_DEPTH} deep; is it the config?"))


class _Tree:
    """Turns composed nodes into ours, once each: aliases are shared, an alias within itself is refused."""

    def __init__(self) -> None:
        self._made: dict[int, Node] = {}
        self._open: set[int] = set()

    def node(self, node: "yaml.Node") -> Node:
        if id(node) in self._open:
            raise Wrong((_line(node), "an alias stands within what it names; write the value out"))
        if id(node) not in self._made:
            self._open.add(id(node))
            try:
                self._made[id(node)] = self._make(node)
            finally:
                self._open.discard(id(node))
        return self._made[id(node)]

    def _make(self, node: "yaml.Node") -> Node:
        _untagged(node)
        if isinstance(node, yaml.MappingNode):
            return self._entries(node)
        if isinstance(node, yaml.SequenceNode):
            return Items(_line(node), [self.node(one) for one in node.value])
        return _scalar(node)

    def _entries(self, node: "yaml.MappingNode") -> Entries:
        found: dict[str, tuple[int, Node]] = {}
        wrong: list[tuple[int, str]] = []
        for key, value in node.value:
            line = _line(key)
            if not isinstance(key, yaml.ScalarNode):
                wrong.append((line, "a key must be a word, not a list or a table"))
            elif key.value in found:
                first = found[key.value][0]
                wrong.append((line, f"duplicate key {show(key.value)} (first on line {first}); remove one of them"))
            else:
                wrong += self._into(found, key.value, line, value)
        if wrong:
            raise Wrong(*wrong)
        return Entries(_line(node), found)

    def _into(
        self, found: dict[str, tuple[int, Node]], key: str, line: int, value: "yaml.Node"
    ) -> tuple[tuple[int, str], ...]:
        try:
            found[key] = (line, self.node(value))
        except Wrong as wrong:
            found[key] = (line, Scalar(line, "", "nothing"))
            return wrong.findings
        return ()


def _line(node: "yaml.Node") -> int:
    return int(node.start_mark.line) + 1


def _untagged(node: "yaml.Node") -> None:
    # BaseLoader resolves nothing, so any other tag than its defaults was written in the file.
    plain = {yaml.ScalarNode: "str", yaml.SequenceNode: "seq", yaml.MappingNode: "map"}[type(node)]
    if node.tag not in (f"tag:yaml.org,2002:{plain}", "!", None):
        raise Wrong((_line(node), f"the tag {show(node.tag)} is not used here; remove it"))


def _scalar(node: "yaml.Node") -> Scalar:
    if node.style in ("'", '"', "|", ">"):  # type: ignore[attr-defined]
        return Scalar(_line(node), node.value, "text")
    kind: ScalarKind = next((kind for kind, shape in _CORE if shape.fullmatch(node.value)), "text")
    return Scalar(_line(node), node.value, kind)
