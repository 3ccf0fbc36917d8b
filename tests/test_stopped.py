"""Ctrl-C at a bad moment: it is neither lost nor taken for a broken answer, and never a traceback."""

import subprocess
import sys
from pathlib import Path

from lbmigrate.lab.process import environment

WITHIN_DNSPYTHON = """
import os, signal
from lbmigrate import __main__
import dns.exception, dns.message, dns.name, dns.rdtypes.ANY.SOA

wire = dns.message.from_text("id 1\\nopcode QUERY\\n;ANSWER\\nlab.test. 1 IN SOA a. b. 1 2 3 4 5\\n").to_wire()
plain = dns.name.from_wire_parser

calls = []

def interrupted(*given):
    calls.append(given)
    if len(calls) == 2:  # the first is the owner's, the second stands in the rdata
        os.kill(os.getpid(), signal.SIGINT)
    return plain(*given)

dns.name.from_wire_parser = interrupted
def run():
    dns.message.from_wire(wire)
    while True:
        pass
__main__._run = run
__main__.main()
"""


def played(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", program, *words]
    return subprocess.run(argv, env=environment(), capture_output=True, text=True, timeout=30, check=False)


def test_a_stop_while_an_answer_is_parsed_is_a_stop() -> None:
    done = played(WITHIN_DNSPYTHON)
    assert done.returncode == 130, done.stderr
    assert done.stderr == "lbmigrate: stopped waiting; the migration is where it was; go on with: lbmigrate run\n"


def test_a_stop_during_the_imports_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    done = played(f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nfrom lbmigrate import __main__; __main__.main()")
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr


def test_who_started_us_may_have_ctrl_c_ignored() -> None:
    ignore = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    show = "__main__._listen(); print(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)"
    done = played(f"{ignore}from lbmigrate import __main__; {show}")
    assert done.stdout == "True\n"
