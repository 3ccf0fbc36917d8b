"""Which branches of `decide` were taken: its conditions, each with both ways, by their words and not by their lines."""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FunctionType
from typing import TypeVar

from lbmigrate import decide

Branch = str  # "decide: s.outcome → yes"
T = TypeVar("T")
MARK = "_took"


class _Marked(ast.NodeTransformer):
    """Puts each condition, as it is, into a call of MARK that notes its way; each case begins with one."""

    def __init__(self) -> None:
        self.every: set[Branch] = set()
        self._function = ""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self._function = node.name
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST:
        node.test = self._both(node.test)
        return self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        node.test = self._both(node.test)
        return self.generic_visit(node)

    def visit_match_case(self, node: ast.match_case) -> ast.AST:
        guard = f" if {ast.unparse(node.guard)}" if node.guard else ""
        text = f"{self._function}: case {ast.unparse(node.pattern)}{guard}"
        if not _never(node):
            self.every.add(_named(text, True))
        node.body.insert(0, ast.Expr(_call(text, ast.Constant(True))))
        return self.generic_visit(node)

    def _both(self, test: ast.expr) -> ast.expr:
        text = f"{self._function}: {ast.unparse(test)}"
        self.every |= {_named(text, True), _named(text, False)}
        return _call(text, test)


def _never(node: ast.match_case) -> bool:
    return isinstance(node.body[0], ast.Expr) and "assert_never" in ast.unparse(node.body[0])


def _call(text: str, test: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(MARK, ast.Load()), [ast.Constant(text), test], [])


def _named(text: str, way: bool) -> Branch:
    return text if text.partition(": ")[2].startswith("case ") else f"{text} → {'yes' if way else 'no'}"


def _compiled() -> tuple[dict[str, CodeType], set[Branch]]:
    """The code of each function of `decide` with marks, and all of its branches."""
    marked = _Marked()
    tree = ast.fix_missing_locations(marked.visit(ast.parse(Path(decide.__file__).read_text())))
    scratch: dict[str, object] = {"__name__": decide.__name__, MARK: None}
    exec(compile(tree, decide.__file__, "exec"), scratch)
    return {name: one.__code__ for name, one in scratch.items() if isinstance(one, FunctionType)}, marked.every


CODES, EVERY = _compiled()


@contextmanager
def noted() -> Iterator[set[Branch]]:
    """The branches that are taken from here on, whoever calls `decide`; next to free."""
    found: set[tuple[str, bool]] = set()
    branches: set[Branch] = set()

    def took(text: str, test: T) -> T:
        found.add((text, bool(test)))
        return test

    mine = {name: one for name, one in vars(decide).items() if _own(name, one)}
    before = {name: one.__code__ for name, one in mine.items()}
    setattr(decide, MARK, took)
    try:
        for name, one in mine.items():
            one.__code__ = CODES[name]
        yield branches
    finally:
        for name, one in mine.items():
            one.__code__ = before[name]
        delattr(decide, MARK)
        branches |= {_named(text, way) for text, way in found}


def _own(name: str, one: object) -> bool:
    return isinstance(one, FunctionType) and one.__module__ == decide.__name__ and name in CODES


def untaken(branches: set[Branch]) -> list[Branch]:
    """Those that were not."""
    return sorted(EVERY - branches)
