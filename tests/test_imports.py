"""Who may know whom (design, section 2): read from the source by `ast`, and from what `status` really loads."""

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from states import NOW, PLAN, soft

from lbmigrate.events import FORMAT, Opened, Started
from lbmigrate.journal.sqlite import SqliteJournal

ROOT = Path(__file__).parent.parent
CORE = (
    "value", "errors", "model", "spec", "plan", "caches", "events", "evidence", "gate", "fold", "facts",
    "decide", "schedule", "render", "document", "words", "fence", "undo", "difference", "lua", "settled", "discover",
    "rdata", "policy",
    "size", "batches", "quotas", "weighted", "drawn",
    "schemes.__init__", "schemes.addresses", "schemes.draws", "schemes.srv", "schemes.swap",
)  # fmt: skip
IMPURE = {
    "time", "os", "random", "secrets", "socket", "subprocess", "sqlite3", "pathlib", "threading", "io", "tempfile",
    "shutil", "asyncio", "ssl", "sys", "signal", "logging",
}  # fmt: skip
ASKING_CLOCKS = {"now", "utcnow", "today", "open", "input", "print"}
DRIVERS = ("dns", "balancers", "hosts")
RULES = ("engine", "decide", "fold", "facts", "plan", "look", "effects", "events", "verbs", "cli", "gate")
HEAVY = {"boto3", "botocore", "httpx", "dns", "ssl", "asyncio", "rich", "msgspec", "h11", "tenacity"}


def imports(tree: ast.AST) -> set[str]:
    """Every module that a source names, wherever in it, `from package import module` in full."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def parsed(module: str, root: Path = ROOT) -> ast.AST:
    return ast.parse((root / "lbmigrate" / f"{module.replace('.', '/')}.py").read_text())


def under(name: str, packages: Iterable[str]) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in packages)


def impure(tree: ast.AST) -> Iterator[str]:
    """What a module of the pure core must not have."""
    for name in sorted(imports(tree)):
        if name.startswith("lbmigrate."):
            if name.split(".")[1] not in {module.split(".")[0] for module in CORE}:
                yield name
        elif name.split(".")[0] in IMPURE or name.split(".")[0] not in sys.stdlib_module_names:
            yield name
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ASKING_CLOCKS:
            yield ast.unparse(node.func)


def modules(*folders: str) -> list[str]:
    found = [path for folder in folders for path in (ROOT / "lbmigrate" / folder).rglob("*.py")]
    return sorted(str(path.relative_to(ROOT / "lbmigrate").with_suffix("")).replace("/", ".") for path in found)


@pytest.mark.parametrize("module", CORE)
def test_the_pure_core_knows_only_itself_and_pure_standard_library(module: str) -> None:
    assert list(impure(parsed(module))) == []


@pytest.mark.parametrize("module", modules(*DRIVERS))
def test_a_driver_knows_neither_the_rules_nor_other_drivers(module: str) -> None:
    own = module.split(".")[0]
    others = [one for one in DRIVERS if one not in (own, "hosts")] if own != "hosts" else ["dns", "balancers"]
    wrong = [f"lbmigrate.{name}" for name in (*RULES, *others, "lab")]
    assert [name for name in imports(parsed(module)) if under(name, wrong)] == []


def test_nothing_but_the_laboratory_knows_the_laboratory() -> None:
    outside = [name for name in modules(".") if not name.startswith("lab.")]
    knowing = {name for name in outside for used in imports(parsed(name)) if under(used, ["lbmigrate.lab"])}
    assert knowing == {"verbs.aside"}
    assert not any(under(used, ["lbmigrate.lab"]) for used in _at_import(parsed("verbs/aside")))


def _at_import(tree: ast.AST) -> set[str]:
    """What a module imports as it is imported itself, not when a function of it is called."""
    assert isinstance(tree, ast.Module)
    return {name for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom) for name in imports(node)}


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "from os import path",
        "def late() -> None:\n    import socket",
        "import dns.name",
        "from lbmigrate import engine",
        "from lbmigrate.journal.sqlite import SqliteJournal",
        "from datetime import datetime\nat = datetime.now()",
        "text = open('file')",
    ],
)
def test_a_wrong_arrow_is_found(source: str, tmp_path: Path) -> None:
    (tmp_path / "lbmigrate").mkdir()
    (tmp_path / "lbmigrate" / "drawn.py").write_text(source)
    assert list(impure(parsed("drawn", tmp_path)))


STATUS = """
import sys
{before}
from lbmigrate.__main__ import main
sys.argv = ["lbmigrate", "-c", {config!r}, "status"]
try:
    main()
except SystemExit as done:
    print(done.code, *sorted({{name.split(".")[0] for name in sys.modules}}))
"""


def loaded_by_status(config: Path, before: str = "") -> set[str]:
    """The packages in memory after `lbmigrate -c config status` in a process of its own."""
    argv = [sys.executable, "-c", STATUS.format(config=str(config), before=before)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True, cwd=ROOT)
    code, *names = done.stdout.splitlines()[-1].split()
    assert code == "0", done.stdout + done.stderr
    return set(names)


def test_status_loads_nothing_heavy(tmp_path: Path) -> None:
    config = tmp_path / "lbmigrate.yaml"
    config.write_text("migration: web\njournal: sqlite:journal.db\n")
    journal = SqliteJournal(str(tmp_path / "journal.db"))
    assert journal.append(1, NOW, "here", Opened(FORMAT, "web"))
    assert journal.append(2, NOW, "here", Started("a1", "sha256:0", PLAN, soft(), ()))
    journal.close()
    assert loaded_by_status(config) & HEAVY == set()
    assert loaded_by_status(config, "import ssl") & HEAVY == {"ssl"}
