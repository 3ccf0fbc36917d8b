"""What a user waits for before anything happens: `--version`, `--help`, `status` and an idle `tick`, by the clock.

Each is a process of its own, as a console script starts it, from modules compiled beforehand, in a virtual
environment that holds no hooks of development tools. Beside them runs a click hello-world of the same make.
The commands take turns, round by round; of each the fastest round counts, since other work on the machine
only ever makes one slower.
"""

import compileall
import json
import shutil
import subprocess
import sysconfig
import tempfile
import time
import venv
from collections.abc import Sequence
from pathlib import Path

from table import Row, judged, text, told

import lbmigrate
from lbmigrate import plan as plans
from lbmigrate.engine import Engine, over
from lbmigrate.journal.sqlite import SqliteJournal
from lbmigrate.lab.virtual import START, Faults, World, parts, worker
from lbmigrate.model import Held, Probe, RRset, Side
from lbmigrate.spec import Bound, Dns, Soft, Stage

ROUNDS = 40
HEAVY = ("boto3", "botocore", "httpx", "dns", "ssl", "asyncio", "rich")
QUICK, STATUS = 1.15, 1.6  # highest ratios to the hello-world
HALFWAY = 900.0  # virtual seconds: in the third of five stages
HORIZON = 7200.0  # it is over by then

HELLO = """import click


@click.command()
def main():
    click.echo("Hello, world!")
"""
SCRIPT = """#!{python}
import sys
from {module} import main
if __name__ == "__main__":
    sys.exit(main())
"""
# Runs the console script's own entry and then says which modules that took.
LOADED = """import json, sys
from lbmigrate.__main__ import main
sys.argv = ["lbmigrate", *sys.argv[1:]]
try:
    main()
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


class Installed:
    """lbmigrate and the hello-world, installed and compiled in `directory`, and a config with its journal."""

    def __init__(self, directory: Path) -> None:
        self._bin = directory / "venv" / "bin"
        venv.create(directory / "venv", symlinks=True)
        (site,) = (directory / "venv" / "lib").glob("python*/site-packages")
        # The libraries stay where they are: a path in a .pth file is only added to sys.path, its own .pth files sleep.
        (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
        shutil.copytree(Path(lbmigrate.__file__).parent, site / "lbmigrate")
        (site / "hello.py").write_text(HELLO)
        compileall.compile_dir(site, quiet=1)
        self._script("hello", "hello")
        self._script("lbmigrate", "lbmigrate.__main__")
        self.directory = directory

    def _script(self, name: str, module: str) -> None:
        path = self._bin / name
        path.write_text(SCRIPT.format(python=self._bin / "python", module=module))
        path.chmod(0o755)

    def seconds(self, program: str, words: Sequence[str]) -> float:
        """One run, from its start to its end. Raises CalledProcessError when it fails."""
        began = time.perf_counter()
        self.run(program, words)
        return time.perf_counter() - began

    def run(self, program: str, words: Sequence[str]) -> None:
        """One run of `hello` or `lbmigrate`. Raises CalledProcessError when it fails."""
        self._run([str(self._bin / program), *words])

    def modules(self, words: Sequence[str]) -> list[str]:
        """The modules that a run of lbmigrate has imported by its end."""
        done = self._run([str(self._bin / "python"), "-c", LOADED, *words])
        loaded: list[str] = json.loads(done.stderr.splitlines()[-1])
        return loaded

    def _run(self, argv: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv, cwd=self.directory, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True
        )


def migration(path: Path, until: float) -> int:
    """A journal in mid-migration (`until` in virtual seconds), by the engine itself over simulated parts; its length.

    Two names, four addresses a side, two name servers, five stages, ten pairs a second.
    """
    a, b = (tuple(f"192.0.2.{first + n}" for n in range(4)) for first in (10, 20))
    names = ("www.example.com.", "api.example.com.")
    originals = tuple(Held(name, (RRset(name, "A", 300, a),)) for name in names)
    stages = tuple(Stage(weight) for weight in (20, 25, 50, 80, 100))
    bound = Bound("web-2026", names, Side("sim", a), Side("sim", b), (Dns("sim", "example.com."),), stages, 60)
    soft = Soft((Probe("http://www.example.com/"),), soak=120)
    world = World(1, originals, Faults(), (0.0, 2.0))
    held = parts(world, a, b, 10.0, 1, True)
    journal = SqliteJournal(str(path))
    engine = Engine(journal, world.clock, worker(1), lambda _: True)
    engine.begin(plans.build(bound, originals), soft, lambda: tuple(held.zones[0].served(names)))
    engine.drive(held, over, START + until)
    journal.close()
    return engine.state.seq


def fastest(installed: Installed, commands: Sequence[tuple[str, tuple[str, ...]]], rounds: int) -> list[float]:
    """The fastest run of each command, in seconds; the commands take turns."""
    found = [[installed.seconds(*command) for command in commands] for _ in range(rounds)]
    return [min(times) for times in zip(*found, strict=True)]


def rows(rounds: int = ROUNDS) -> list[Row]:
    """The table's part."""
    with tempfile.TemporaryDirectory(prefix="lbmigrate-bench-") as name:
        directory = Path(name)
        installed = Installed(directory)
        shutil.copy(Path(__file__).with_name("lbmigrate.yaml"), directory)
        entries = migration(directory / "journal.db", HALFWAY)
        done = migration(directory / "done.db", HORIZON)
        (directory / "done.yaml").write_text("migration: web-2026\njournal: sqlite:done.db\n")
        given = (("--version",), ("--help",), ("status",), ("-c", "done.yaml", "tick"))
        commands = [("hello", ()), *(("lbmigrate", words) for words in given)]
        hello, version, usage, status, tick = fastest(installed, commands, rounds)
        beside = f"click hello-world {hello * 1e3:.1f} ms"
        loaded = installed.modules(["status"])
        return [
            judged("--version", _ms(version), beside, version / hello, QUICK),
            judged("--help", _ms(usage), beside, usage / hello, QUICK),
            judged(f"status, journal of {entries} entries", _ms(status), beside, status / hello, STATUS),
            _imports(loaded),
            told(f"tick with nothing due, journal of {done} entries", _ms(tick), beside, f"{tick / hello:.3f}"),
        ]


def _imports(loaded: list[str]) -> Row:
    found = [name for name in HEAVY if name in loaded]
    return Row("status imports", f"{len(loaded)} modules", ", ".join(HEAVY), "", "none of them", not found)


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"


if __name__ == "__main__":
    print(text(rows()))
