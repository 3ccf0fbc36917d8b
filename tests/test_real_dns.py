"""The name servers fail, refuse, lag or lie in mid-migration, and names that cannot be moved: on each real server."""

import signal
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import dns.message
import dns.opcode
import dns.query
import dns.update
import pytest
from migrations import EACH, FENCE, NEEDS, WWW, Rig, Said, on, rig, tapped, until
from servers import KINDS, program, run

from lbmigrate.fence import encode
from lbmigrate.lab.ground import ORIGIN
from lbmigrate.lab.process import freeport, write_private
from lbmigrate.model import Fence, RRset
from lbmigrate.value import replace

pytestmark = pytest.mark.real(*NEEDS)
each = pytest.mark.parametrize("software", EACH)
CANARY = "Q0FOQVJZLWNhbmFyeS1DQU5BUlktY2FuYXJ5LUNBTkE="


def both(one: Rig) -> list[list[str]]:
    return [sorted([one.a, one.b])] * 2


def give(one: Rig, *words: str) -> Said:
    """Give a command that changes nothing in the whole zone."""
    before = one.ground.zone()
    found = one.give(*words)
    assert one.ground.zone() == before, "the serial included"
    return found


def reconfigure(one: Rig, old: str, new: str) -> None:
    """Change the primary's configuration and let it read that."""
    process = one.ground.dns.processes["primary"]
    path = Path(process.argv[-1])
    text = path.read_text()
    assert old in text
    write_private(path, text.replace(old, new))
    process.kill(signal.SIGHUP)
    process.wait(lambda: "reloading zones succeeded" in process.output())


# ---------------------------------------------------------------- the primary says no, or nothing


@pytest.mark.real("knotd", "unbound", "haproxy")
def test_a_key_whose_acl_lacks_the_fences_type_is_told_with_key_name_and_type_on_knot(tmp_path: Path) -> None:
    """Knot says BADKEY to it, though it answers the key's questions."""
    with rig(tmp_path, on("knotd")) as one:
        path = tmp_path / "dns" / "primary" / "knot.conf"
        text = path.read_text()
        acl = "action: [update, transfer]"
        assert acl in text
        write_private(path, text.replace(acl, f"{acl}\n    update-type: [A, AAAA]"))
        run(program("knotc"), "-c", str(path), "--blocking", "reload")
        name = one.ground.dns.key.name
        for verb in ("check", "start"):
            said = give(one, verb)
            assert said.code == 1
            assert "said BADKEY" in said.line
            assert f"key {name}" in said.line
            assert "; allow that key" in said.line
            assert f"TXT of {FENCE}" in said.line


@each
def test_a_clock_that_is_off_is_told_with_the_offset_where_the_server_says_it(software: str, tmp_path: Path) -> None:
    with rig(tmp_path, on(software)) as one:
        one.before = (
            "import time, types, dns.message; dns.message.time = types.SimpleNamespace(time=lambda: time.time() - 1000)"
        )
        for verb in ("check", "start"):
            said = give(one, verb)
            assert said.code == 1, said
            assert f"key {one.ground.dns.key.name} rejected" in said.line
            known = "both clocks" if software == "pdns_server" else " s behind the server's; set the clocks"
            assert known in said.line


def test_a_key_that_may_not_write_the_fence_is_told_with_key_name_and_type(tmp_path: Path) -> None:
    with rig(tmp_path) as one:
        name = one.ground.dns.key.name
        reconfigure(
            one, f'allow-update {{ key "{name}"; }}', f"update-policy {{ grant {name} name www.{ORIGIN}. A AAAA; }}"
        )
        for verb in ("check", "start"):
            said = give(one, verb)
            assert said.code == 1
            assert "REFUSED" in said.line
            assert name in said.line
            assert f"TXT of {FENCE}" in said.line


def restarted(one: Rig, old: str, new: str) -> None:
    """The primary comes up again with another configuration."""
    process = one.ground.dns.processes["primary"]
    (path,) = (one.directory / "dns" / "primary").glob("*.conf")
    text = path.read_text()
    assert old in text
    process.stop()
    write_private(path, text.replace(old, new))
    one.ground.dns.restart("primary")


@pytest.mark.real("pdns_server", "unbound", "haproxy")
def test_a_policy_script_that_leaves_the_fence_out_is_told_and_no_traffic_moves(tmp_path: Path) -> None:
    """PowerDNS says NOERROR to it and applies the rest."""
    with rig(tmp_path, on("pdns_server"), watched=False) as one:
        script = tmp_path / "policy.lua"
        script.write_text("function updatepolicy(input)\n  return input:getQType() ~= 16\nend\n")
        line = f"lua-dnsupdate-policy-script={script}\n"
        restarted(one, "launch=", f"{line}launch=")
        before = one.records()
        for verb in ("start", "rollback"):
            said = one.give(verb, "--yes")
            assert said.code == 1, said.err
            assert "NOERROR" in said.line
            assert f"with key {one.ground.dns.key.name}, but left out TXT of {FENCE}" in said.line
            assert one.records() == before
        restarted(one, line, "")
        one.ok("rollback", "--yes")
        one.at_50()


@pytest.mark.real("knotd", "unbound", "haproxy")
def test_a_knot_without_a_journal_directory_is_tried_again_then_held_then_gone_on_with(tmp_path: Path) -> None:
    """It starts, answers, and fails every update."""
    with rig(tmp_path, on("knotd"), watched=False, soak_limit="1s") as one:
        line = f"  journal-db: {tmp_path / 'nowhere' / 'journal'}\n"
        restarted(one, "database:\n", f"database:\n{line}")
        said = give(one, "start")
        assert said.code == 4, said.err
        assert "SERVFAIL" in said.line
        restarted(one, line, "")
        one.ok("resume")
        one.at_50()


def test_a_powerdns_whose_database_is_locked_is_tried_again_then_held_then_gone_on_with(tmp_path: Path) -> None:
    """It answers queries, and fails every update."""
    with rig(tmp_path, on("pdns_server"), watched=False, soak_limit="1s") as one:
        one.at_50()
        database = next((tmp_path / "dns" / "primary").glob("*.db"))
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            said = give(one, "run")
        assert said.code == 4, said.err
        assert "SERVFAIL" in said.line
        assert one.served() == both(one)
        one.ok("resume")
        one.ok("shift", "--weight", "100", "--force")
        assert one.served() == [[one.b]] * 2


@each
def test_a_wrong_zone_is_told_with_the_zone_found(software: str, tmp_path: Path) -> None:
    with rig(tmp_path, on(software)) as one:
        one.entry(zone=f"www.{ORIGIN}")
        said = give(one, "start")
        assert said.code == 1
        assert ORIGIN in said.line.replace(f"www.{ORIGIN}", "")


@each
def test_a_wrong_secret_is_told_and_never_shown(software: str, tmp_path: Path) -> None:
    with rig(tmp_path, on(software)) as one:
        write_private(tmp_path / "wrong.key", CANARY)
        one.entry(tsig={**one.config["dns"][0]["tsig"], "secret": f"file:{tmp_path / 'wrong.key'}"})
        said = give(one, "start")
        assert said.code == 1
        signed = "" if software == "pdns_server" else " (BADSIG)"  # PowerDNS answers such a message unsigned
        assert f"key {one.ground.dns.key.name} rejected{signed}" in said.line
        assert CANARY not in said.out + said.err


def test_a_primary_that_fails_every_update_is_tried_again_then_held_then_gone_on_with(tmp_path: Path) -> None:
    """A journal that named cannot write makes each update SERVFAIL."""
    with rig(tmp_path, soak_limit="1s") as one:
        one.at_50()
        zone = tmp_path / "dns" / "primary" / "zone.jnl"
        zone.rename(zone.with_suffix(".away"))
        zone.mkdir()
        said = give(one, "run")
        assert said.code == 4, said.err
        assert "SERVFAIL" in said.line
        assert one.served() == both(one)
        zone.rmdir()
        zone.with_suffix(".away").rename(zone)
        one.ok("resume")
        one.ok("shift", "--weight", "100", "--force")
        assert one.served() == [[one.b]] * 2


PASSED_ON = """
zone "other.test" {{
  type secondary; file "other"; masterfile-format text; allow-update-forwarding {{ any; }};
  primaries {{ {primaries} }};
}};
"""


@contextmanager
def full(one: Rig) -> Iterator[None]:
    """named's quota of one update is taken, by one that it passes on to primaries that say nothing (15 s each)."""
    primary = one.ground.dns.processes["primary"]
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.create_connection(("127.0.0.1", one.port)) as asker:
        primaries = f"127.0.0.1 port {silent.getsockname()[1]}; " * 4
        zone = Path(primary.argv[-1]).with_name("other")
        zone.write_text("@ 60 SOA ns hostmaster 1 3600 600 86400 60\n@ 60 NS ns.\n")
        passed_on = PASSED_ON.format(primaries=primaries)
        reconfigure(one, "notify-delay 0;", "notify-delay 0; update-quota 1;")
        reconfigure(one, "controls { };", "controls { };" + passed_on)
        primary.wait(lambda: "zone other.test/IN: loaded" in primary.output())
        wire = dns.update.UpdateMessage("other.test.").to_wire()
        asker.sendall(len(wire).to_bytes(2, "big") + wire)
        primary.wait(lambda: "forwarding update for zone 'other.test" in primary.output())
        yield
        assert "could not forward" not in primary.output(), "the quota was taken all the time"


def test_a_primary_whose_update_quota_is_full_is_tried_again_then_held_then_gone_on_with(tmp_path: Path) -> None:
    """named drops what is over its quota without an answer."""
    with rig(tmp_path, soak_limit="1s") as one:
        one.at_50()
        primary = one.ground.dns.processes["primary"]
        with full(one):
            said = give(one, "run")
            assert said.code == 4, said.err
            assert "no answer in time" in said.line
            assert primary.output().count("quota reached") > 1, "tried again"
            assert one.served() == both(one)
        primary.wait(lambda: "could not forward" in primary.output())
        one.ok("resume")
        one.ok("shift", "--weight", "100", "--force")
        assert one.served() == [[one.b]] * 2


@each
def test_a_primary_that_is_gone_is_held_and_a_primary_that_is_back_gone_on_with(software: str, tmp_path: Path) -> None:
    with rig(tmp_path, on(software), watched=False, soak_limit="1s") as one:
        one.at_50()
        one.ground.dns.processes["primary"].kill()
        said = one.give("run")
        assert said.code == 4, said.err
        assert "is the server up and reachable?" in said.line
        back = one.begin("rollback", "--yes")  # an operator's word is kept until it can be obeyed
        until(lambda: "rolling-back" in one.ok("status").out, "the rollback to be on record")
        one.ground.dns.restart("primary")
        assert back.end().code == 0
        assert one.served()[0] == [one.a]
        assert one.fence() == ""


@each
@pytest.mark.parametrize("treat", ["silence", "half"])
def test_no_answer_is_never_taken_for_no_record(treat: str, software: str, tmp_path: Path) -> None:
    ways: dict[str, Callable[[bytes], bytes | None]] = {
        "silence": lambda _: b"",
        "half": lambda wire: wire[: len(wire) // 2],
    }
    with rig(tmp_path, on(software), soak_limit="1s") as one, tapped(one) as tap:
        one.at_50()
        tap.treat = ways[treat]
        said = give(one, "run")
        assert said.code == 4, said
        assert said.line.startswith(f"held at 50 %: asking 127.0.0.1:{tap.port}")
        assert one.served() == both(one)


def test_a_frozen_zone_is_told_with_the_way_on(tmp_path: Path) -> None:
    with rig(tmp_path) as one:
        one.at_50()
        port = freeport("127.0.0.1")
        key = one.ground.dns.key
        reconfigure(
            one,
            "controls { };",
            f'controls {{ inet 127.0.0.1 port {port} allow {{ any; }} keys {{ "{key.name}"; }}; }};',
        )
        secret = tmp_path / "rndc.key"
        write_private(secret, f'key "{key.name}" {{ algorithm {key.algorithm}; secret "{key.secret}"; }};\n')
        rndc = [program("rndc"), "-s", "127.0.0.1", "-p", str(port), "-k", str(secret)]
        run(*rndc, "freeze", ORIGIN)
        said = one.give("shift", "--weight", "100", "--force")
        assert said.code == 1, said.err
        assert "rndc thaw" in said.line
        assert one.served() == both(one)
        run(*rndc, "thaw", ORIGIN)
        one.ok("shift", "--weight", "100", "--force")
        assert one.served() == [[one.b]] * 2


# ---------------------------------------------------------------- a secondary lags, is dead, lies


@each
def test_a_dead_secondary_stops_the_clock_of_the_caches_and_is_named(software: str, tmp_path: Path) -> None:
    with rig(tmp_path, on(software), watched=False, soak_limit="2s") as one:
        one.entry(serve_limit="2s")
        one.at_50()
        one.ground.dns.processes["secondary"].kill(signal.SIGSTOP)
        said = one.give("shift", "--weight", "100", "--force")
        assert said.code == 4, said.err
        assert f"{one.ground.dns.nameservers[1]} does not serve the change" in said.line
        status = one.status()
        assert (status["weight"], status["caches_turn_at"]) == (100, None)
        one.ground.dns.processes["secondary"].kill(signal.SIGCONT)
        one.ok("resume")
        one.ok("run")
        assert one.served() == [[one.b]] * 2


def test_a_secondary_that_lags_stops_the_clock_of_the_caches_and_is_named(tmp_path: Path) -> None:
    """It answers, with the zone as it was: no notice of the change comes through to it."""
    with rig(tmp_path, replace(on("named"), lag=3600.0), watched=False, soak_limit="1s") as one:
        one.entry(serve_limit="1s")
        said = one.give("start")
        assert said.code == 4, said.err
        assert f"{one.ground.dns.nameservers[1]} does not serve the change" in said.line
        assert one.served() == [sorted([one.a, one.b]), [one.a]]
        assert one.status()["caches_turn_at"] is None
        notice = dns.message.make_query(f"{ORIGIN}.", "SOA")
        notice.set_opcode(dns.opcode.NOTIFY)
        host, _, port = one.ground.dns.nameservers[1].rpartition(":")
        dns.query.udp(notice, host, 5, int(port))
        until(lambda: one.served() == both(one), "the secondary to follow")
        one.ok("resume")
        one.ok("start")
        assert one.served() == both(one)


@each
def test_a_secondary_that_serves_other_data_under_the_same_serial_is_named(software: str, tmp_path: Path) -> None:
    with rig(tmp_path, on(software), watched=False, soak_limit="2s") as one:
        text = (tmp_path / "dns" / "primary" / "zone").read_text()
        start = KINDS[{"pdns_server": "pdns"}.get(software, software)]
        other = start(tmp_path / "other", text.replace(one.a, "192.0.2.66"))
        try:
            one.entry(nameservers=[one.ground.dns.primary, other.at], serve_limit="2s")
            checked = give(one, "check")
            assert f"{other.at}: answers 192.0.2.66 for {WWW} A" in checked.out
            said = one.give("start")
            assert said.code == 4, said.err
            assert f"{other.at} does not serve the change" in said.line
            assert one.served()[0] == [one.a], "no traffic was moved"
        finally:
            other.stop()


# ---------------------------------------------------------------- TTLs


@each
def test_a_ttl_edited_by_hand_lengthens_the_wait_and_the_migration_goes_on(software: str, tmp_path: Path) -> None:
    with rig(tmp_path, on(software)) as one:
        one.at_50()
        one.edit(lambda message: message.replace(WWW, 6, "A", one.a, one.b))
        one.ok("shift", "--weight", "100", "--force")
        assert one.served() == [[one.b]] * 2
        ends = {entry["text"]: entry["at"] for entry in one.history()}
        moved, judged = (seconds(ends[text]) for text in ("done: weight 100", "passed: soak at 100"))
        assert judged - moved >= 6 + 1, "the TTL that was served, and the margin"


def seconds(at: str) -> float:
    return datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp()


# ---------------------------------------------------------------- names that cannot be moved


def add(one: Rig, *records: str) -> None:
    """Somebody adds records to the zone."""

    def change(message: dns.update.UpdateMessage) -> None:
        for name, rtype, rdata in (record.split(" ", 2) for record in records):
            message.add(f"{name}.{ORIGIN}.", 60, rtype, rdata)

    one.edit(change)


NAMES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "absent": ((), "gone", "has no record that could be moved"),
    "wildcard": (("*.wild A 127.77.0.9",), "some.wild", "has no record that could be moved"),
    "alias": ((f"alias CNAME www.{ORIGIN}.",), "alias", f"CNAME points to www.{ORIGIN}.; name that host under a: host"),
    "elsewhere": (("other A 192.0.2.7",), "other", "A also holds 192.0.2.7, which a.addresses does not name"),
    "owned": (("taken A {a}", "_lbmigrate.taken TXT {rival}"), "taken", "is claimed by the migration 'rival'"),
    "no IPv6 on B": (("dual A {a}", "dual AAAA 2001:db8::1"), "dual", "AAAA"),
    "apex without an address": ((), "", "has no record that could be moved"),
}  # fmt: skip


@pytest.fixture(scope="module", params=EACH)
def still(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A ground on which no migration begins."""
    with rig(tmp_path_factory.mktemp("still"), on(request.param)) as one:
        taken = f"taken.{ORIGIN}."
        mark = encode(Fence("rival", "0" * 8, 3, (RRset(taken, "A", 60, (one.a,)),)))
        rival = " ".join(f'"{text}"' for text in mark)
        for texts, _, _ in NAMES.values():
            add(one, *(text.format(a=one.a, rival=rival) for text in texts))
        yield one


@pytest.mark.parametrize("kind", NAMES)
def test_a_name_that_cannot_be_moved_is_told_before_anything_is_touched(still: Rig, kind: str) -> None:
    _, label, said_of_it = NAMES[kind]
    name = f"{label}.{ORIGIN}".removeprefix(".")
    still.write(names=[name])
    for verb in ("check", "plan", "start"):
        said = give(still, verb)
        assert said.code == 6, said
        assert f" {name}." in f" {said.line}"
        assert said_of_it in said.line


@each
def test_the_apex_is_moved_with_a_name_below_it_and_comes_back(software: str, tmp_path: Path) -> None:
    with rig(tmp_path, on(software)) as one:
        one.edit(lambda message: message.add(f"{ORIGIN}.", 1, "A", one.a))
        before = one.records()
        one.write(names=[ORIGIN, f"www.{ORIGIN}"])
        one.ok("check")
        one.at_50()
        assert one.served(f"{ORIGIN}.") == both(one)
        assert {line for line in before if " A " not in line} <= set(one.records())
        one.ok("rollback", "--yes")
        assert one.records() == before


# ---------------------------------------------------------------- the journal is lost


def test_without_the_journal_the_zone_is_put_back_from_the_fence(tmp_path: Path) -> None:
    with rig(tmp_path) as one:
        before = one.records()
        one.at_50()
        (tmp_path / "journal.db").rename(tmp_path / "lost.db")
        said = give(one, "start")
        assert said.code == 6
        assert said.line.endswith("undo that one first: lbmigrate rollback --from-dns")
        assert give(one, "rollback", "--from-dns", "--dry-run", "--yes").code == 0
        assert f"put back {WWW} 1 A {one.a}" in one.ok("rollback", "--from-dns", "--yes").out
        assert one.records() == before
        (tmp_path / "lost.db").rename(tmp_path / "journal.db")
        assert one.give("tick", "--for", "20s").code == 0, "a journal that comes back concludes the same by itself"
        assert one.status()["outcome"] == "rolled-back"
        assert one.records() == before


def test_the_printed_undo_puts_the_zone_back_by_hand(tmp_path: Path) -> None:
    with rig(tmp_path) as one:
        before = one.records()
        one.at_50()
        script = one.ok("status", "--undo").out
        env = {"SECRET": one.ground.dns.key.secret, "PATH": "/usr/bin:/bin:/usr/sbin"}
        done = subprocess.run(["sh", "-c", script], env=env, capture_output=True, text=True, timeout=20, check=True)
        assert "NOERROR" in done.stdout
        assert one.records() == before
        again = subprocess.run(["sh", "-c", script], env=env, capture_output=True, text=True, timeout=20, check=False)
        assert again.returncode, "on condition that all is still as it was"
        assert one.records() == before
        one.ok("tick", "--for", "30s")
        assert one.status()["phase"] == "rolled-back"
        told = one.texts()[-9:]
        assert any(
            "turned back: the fence is gone and the original records are in place: undone by hand" in t for t in told
        )
        assert not [text for text in told if "unknown" in text or "drift" in text or "hold" in text], told
        assert one.records() == before
