"""The laboratory notices a bad tool: a scripted engine in place of the command line, once careful and once careless.

The script moves the names in the simplest way that works. What it does wrong on purpose, the verdict must name.
"""

import contextlib
import sys
from pathlib import Path

import pytest

from lbmigrate.errors import Failed
from lbmigrate.lab.operator import Operator, Tail
from lbmigrate.lab.rehearse import rehearse
from lbmigrate.lab.verdict import Verdict

pytestmark = pytest.mark.long

ENGINE = """
import csv, datetime, json, os, pathlib, signal, socket, subprocess, sys, time
import dns.query, dns.tsigkeyring, dns.update, yaml

manner, config, words = sys.argv[1], yaml.safe_load(open(sys.argv[3])), sys.argv[6:]
place = pathlib.Path(sys.argv[3]).parent
a, b, zone = config["a"], config["b"], config["dns"][0]
seq = 0

def say(phase, weight, text):
    global seq
    seq += 1
    at = datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")
    event = {"seq": seq, "at": at, "event": "Saw", "phase": phase, "weight": weight, "text": text}
    print(json.dumps(event), flush=True)
    (place / "phase").write_text(phase)

def write(addresses, ttl):
    secret = open(zone["tsig"]["secret"].removeprefix("file:")).read()
    key = dns.tsigkeyring.from_text({zone["tsig"]["name"]: secret})
    update = dns.update.UpdateMessage(zone["zone"], keyring=key, keyalgorithm=zone["tsig"]["algorithm"])
    update.replace("www", ttl, "A", *addresses)
    if manner == "untidy":
        update.replace("left", 60, "TXT", "behind")
    dns.query.tcp(update, zone["server"], 5, zone["port"])

def ask(side, line):
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(side["socket"])
        one.sendall(line.encode() + b"\\n")
        return b"".join(iter(lambda: one.recv(65536), b"")).decode()

def until(true):
    while not true():
        time.sleep(0.02)

def requests(side):
    rows = csv.DictReader(ask(side, "show stat").removeprefix("# ").splitlines())
    return sum(int(row["req_tot"]) for row in rows if row["svname"] == "FRONTEND")

def gone(side):
    with socket.socket(socket.AF_UNIX) as one:
        return one.connect_ex(side["socket"]) != 0

def idle(seconds):
    # By the clients' own books, which are what a retired A is judged by.
    lines = (place / "clients.log").read_text().rpartition("\\n")[0].splitlines()
    told = [one["second"] for one in map(json.loads, lines) if "second" in one]
    return told[-1]["t"] - max(one["t"] for one in told if one["by_side"]["a"]) >= seconds

def stand_up():
    text = open(a["config"]).read().replace(a["socket"], b["socket"])
    for old, new in zip(a["addresses"], b["addresses"]):
        text = text.replace(f"bind {old}:", f"bind {new}:")
    open(b["config"], "w").write(text)
    subprocess.Popen([b["run"]["process"]["binary"], "-f", b["config"]], start_new_session=True)
    until(lambda: not gone(b))

if words[0] == "status":
    print(json.dumps({"phase": (place / "phase").read_text()}))
    sys.exit(0)
if words[0] == "pause":
    sys.exit(6)
stand_up()
say("shifting", 50, "half")
write(a["addresses"] + b["addresses"], 1)
say("soaking", 50, "half")
until(lambda: requests(b) >= 60)
say("shifting", 100, "all")
say("draining", 100, "all")  # before it is done: what name servers answer from now on is no longer "half"
write(b["addresses"], 1)
if manner != "careless":
    until(lambda: idle(3.0))
os.kill(int(ask(a, "show info").split("Pid: ")[1].split()[0]), signal.SIGUSR1)
until(lambda: gone(a) if manner != "careless" else '"failure"' in (place / "clients.log").read_text())
say("done", 100, "done")
print(json.dumps({"outcome": "ok", "code": 0, "message": "done"}), flush=True)
"""

SCENARIO = """
title: a scripted engine
backends: {count: 1, runtime_only: 0}
dns: {ttl: 1s, secondary: false}
clients: {rate: 100, clients: 20, requests_per_connection: 5, stretchers: 0%}
config: {retire: {idle_for: 2s, limit: 30s}}
warm: 1s
limit: 90s
"""
EXPECT = "expect: {exit: 0, phase: done, failed: 0, zone: moved, a: retired, b: running}\n"


def played(tmp_path: Path, manner: str, scenario: str = SCENARIO + EXPECT) -> tuple[Verdict, list[str]]:
    script, path = tmp_path / "engine.py", tmp_path / "s.yaml"
    script.write_text(ENGINE)
    path.write_text(scenario)
    told: list[str] = []
    verdict = rehearse(path, False, tmp_path / "lab", told.append, (sys.executable, str(script), manner))
    return verdict, told


def wrong(verdict: Verdict) -> set[str]:
    return {one.what for one in verdict.checks if not one.ok}


def test_a_careful_engine_passes(tmp_path: Path) -> None:
    """Every request is answered; stages, served shares and the idle wait are measured."""
    verdict, told = played(tmp_path, "careful")
    assert wrong(verdict) == set()
    assert verdict.passed
    assert verdict.clients["by_side"]["a"] > 0 < verdict.clients["by_side"]["b"]
    half = next(one for one in verdict.spans if one.label == "50 %")
    assert (half.asked, half.served) == (50, 50.0)
    assert any("A's process has ended" in line for line in told)
    assert any("as expected" in line for line in told)


def test_an_engine_that_stops_a_while_caches_still_name_it_is_found_out(tmp_path: Path) -> None:
    """Requests fail, and A was not idle: both are named, and the failures are told with their moment."""
    verdict, told = played(tmp_path, "careless")
    assert {"failed requests", "A idle before it was retired"} <= wrong(verdict)
    assert verdict.clients["failed_by_side"]["a"] > 0
    assert any("FAILED at" in line and "Connection refused" in line for line in told)


def test_leftovers_missed_acts_and_refused_commands_are_found(tmp_path: Path) -> None:
    """One record too many in the zone; an act that never came; a verb that was refused: none of it is a success."""
    acts = "acts:\n- {when: {phase: soaking, weight: 50}, do: pause}\n- {when: {phase: held}, do: kill b}\n"
    verdict, _ = played(tmp_path, "untidy", SCENARIO + acts + EXPECT)
    assert wrong(verdict) == {"zone", "acts", "exit code of pause"}


def test_an_engine_that_is_killed_and_not_resumed(tmp_path: Path) -> None:
    """SIGKILL reaches it; its exit code says so; B that it started is ended with the laboratory."""
    acts = "acts: [{when: {phase: soaking, weight: 50}, do: kill the engine}]\n"
    verdict, _ = played(tmp_path, "careful", SCENARIO + acts + EXPECT)
    assert wrong(verdict) == {"exit code", "phase", "zone", "A", "A idle before it was retired"}
    code = next(one.seen for one in verdict.checks if one.what == "exit code")
    assert code == "-9"


def test_an_interrupted_rehearsal_leaves_nothing_running(tmp_path: Path) -> None:
    """Stopped in the middle (here by its own story), it ends the engine, both balancers, backends, clients and DNS."""
    script, path = tmp_path / "engine.py", tmp_path / "s.yaml"
    script.write_text(ENGINE)
    path.write_text(SCENARIO + EXPECT)

    def say(line: str) -> None:
        if "soaking" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rehearse(path, False, tmp_path / "lab", say, (sys.executable, str(script), "careful"))
    assert running(str(tmp_path)) == []


def running(where: str) -> list[str]:
    """The command lines of live processes that name a directory."""
    found = []
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += [
                text for text in [one.read_bytes().replace(b"\0", b" ").decode(errors="replace")] if where in text
            ]
    return found


def test_a_tail_gives_whole_lines_once(tmp_path: Path) -> None:
    """Half a line waits for its end; other text is passed over."""
    tail = Tail(tmp_path / "x")
    with (tmp_path / "x").open("a") as file:
        file.write('ready\n{"n": 1}\n{"n"')
        file.flush()
        assert tail.read() == [{"n": 1}]
        assert tail.read() == []
        file.write(": 2}\n")
        file.flush()
        assert tail.read() == [{"n": 2}]


def test_a_status_that_is_none_is_an_error(tmp_path: Path) -> None:
    """The command line must give a document."""
    script = "import sys; print('no such thing', file=sys.stderr); sys.exit(3)"
    operator = Operator((sys.executable, "-c", script), tmp_path / "c.yaml")
    with pytest.raises(Failed, match="status: exit 3, no such thing"):
        operator.status()


@pytest.mark.real
def test_real_servers_take_the_place_of_the_embedded_ones(tmp_path: Path) -> None:
    """named, a secondary, unbound, HAProxy with a backend known at run time only; and HAProxy is made to fail."""
    script, path = tmp_path / "engine.py", tmp_path / "s.yaml"
    script.write_text(ENGINE)
    acts = "acts: [{when: {phase: draining}, after: 2s, do: b fails 100%}]\n"
    expect = EXPECT.replace("failed: 0", "failed: {only: b, share: 80%}")
    real = SCENARIO.replace("count: 1, runtime_only: 0", "count: 2, runtime_only: 1").replace("false", "true")
    path.write_text(real + acts + expect)
    told: list[str] = []
    verdict = rehearse(path, True, tmp_path / "lab", told.append, (sys.executable, str(script), "careful"))
    assert wrong(verdict) == set()
    assert any("B 127.78" in line and "status 503" in line for line in told)
    assert "haproxy" in (tmp_path / "lab" / "lbmigrate.yaml").read_text()
