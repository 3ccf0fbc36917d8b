"""Hostile strings in the config, names, records and arguments: refused or kept, and shown so that nothing escapes."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import dns.name
import pytest
import yaml
from hostile import COUNT, DEAR, Doors, harmless, raws, refused, strings
from states import NAME, PLAN, at, bound, entries, told
from test_config import FULL

from lbmigrate import config, fence, listing, lua, policy, render, undo
from lbmigrate.__main__ import _misused
from lbmigrate.cli import cli
from lbmigrate.config import hosts, values
from lbmigrate.discover import Found
from lbmigrate.document import document
from lbmigrate.errors import LbmigrateError
from lbmigrate.events import Changed, Ended, Hold, TurnedBack
from lbmigrate.flags import Common
from lbmigrate.gather import Discovery
from lbmigrate.journal import connect
from lbmigrate.model import Fence, RRset
from lbmigrate.plan import Soak, Write
from lbmigrate.probe import http
from lbmigrate.spec import Dns, Tsig
from lbmigrate.value import replace
from lbmigrate.verbs.said import fail
from lbmigrate.words import safe

door = Doors()


def test_the_strings_are_hostile() -> None:
    some = list(strings(COUNT))
    assert len(some) == len(list(raws(COUNT))) == COUNT
    assert sum(map(harmless, some)) < COUNT * 3 / 4, "most of them would do something to a terminal, or to a grammar"


# ---------------------------------------------------------------- what people and programs are shown


@door
def what_a_terminal_is_shown() -> int:
    for text in strings(COUNT):
        shown = safe(text)
        assert shown.isprintable(), text
        assert safe(shown) == shown
        assert http.printable(text).isprintable()
    return COUNT


@door
def reasons_in_the_journal() -> int:
    """As `status`, `history` and `run` show them, in text and in JSON."""
    start = at(Soak(50))
    for text in strings(DEAR, 1):
        said, calm = _events(text), _events("plain")
        state = told(start, *said)
        assert all(render.entry_text(one, state).isprintable() for one in entries(*said)), text
        shown = render.status_text(state)
        assert harmless(shown), text
        assert len(shown.splitlines()) == len(render.status_text(told(start, *calm)).splitlines())
        assert json.dumps([document(state), *(render.entry_json(one, state) for one in entries(*said))])
    return DEAR


def _events(why: str) -> tuple[Ended | Changed | TurnedBack | Hold, ...]:
    return Ended(Write(0, "weight", 50), "failed", why), Changed((why,)), TurnedBack("gate", why), Hold("h", why)


VERBS = ("shift --weight", "tick --for", "status --", "discover", "rehearse", "completion", "-o", "start --digest", "")


@door
def arguments_of_the_command_line() -> int:
    for number, text in enumerate(strings(DEAR, 2)):
        given = os.fsdecode(text.encode("utf-8", "surrogatepass").replace(b"\0", b""))  # what a process can be given
        argv = ["-c", given if number % 3 == 0 else "/nowhere", *VERBS[number % len(VERBS)].split(), given]
        out, err = _given(argv, "text" if number % 2 else "json")
        assert harmless(err), argv
        if number % 2 == 0:
            assert out.isascii(), argv
            assert all(json.loads(line) for line in out.splitlines()), argv
    return DEAR


def _given(argv: list[str], output: str) -> tuple[str, str]:
    """stdout and stderr of a command that goes wrong, as `__main__` has them written."""
    common, said = Common(), {True: list[str](), False: list[str]()}
    common.output = output
    with pytest.MonkeyPatch.context() as patch:
        for place in ("click", "lbmigrate.verbs.said"):
            patch.setattr(f"{place}.echo", lambda text, err=False: said[err].append(text))
        patch.setattr(sys, "argv", ["lbmigrate"])
        try:
            cli.main(argv, prog_name="lbmigrate", standalone_mode=False, obj=common)
        except LbmigrateError as wrong:
            fail(common, wrong)
        except click.ClickException as wrong:
            _misused(common, wrong)
        except click.exceptions.Exit:
            pass  # the help, or a word that is one
    return "\n".join(said[False]), "\n".join(said[True])


@door
def tables_of_discover() -> int:
    for raw in raws(DEAR, 3):
        name = dns.name.Name([raw[:63] or b"x", raw[63:99] or b"y", b"example", b""]).canonicalize().to_wire()
        assert name is not None
        what = raw.decode("latin-1")
        found = (Found(name, 0, "A", what, (), "move", ""), Found(name, 0, "CNAME", "", (name,)))
        seen = Discovery((), found, (), (what,))
        table = listing.table(seen)
        assert harmless(table), raw
        assert len(table.splitlines()) == 5, raw
        (written,) = yaml.safe_load(listing.section(seen))["names"]
        assert dns.name.from_text(written).canonicalize().to_wire() == name
    return DEAR


# ---------------------------------------------------------------- names, records, what goes to a name server


@door
def names_of_the_config() -> int:
    for text in strings(COUNT, 4):
        for read in (hosts.owner, hosts.key, hosts.url, values.migration):
            found = refused(read, text)
            assert found is None or re.fullmatch(r"[!-~]+", found), text
        for read in (hosts.host, hosts.nameserver, hosts.address):
            found = refused(read, text)
            assert found is None or re.fullmatch(r"[a-z0-9._:\[\]-]+", found), text
    return COUNT


@door
def fences() -> int:
    for text in strings(COUNT, 5):
        refused(fence.decode, (text,))
        refused(fence.decode, (f"lbm1 m={text} a=a n=1 c=00000000", text))
        mine = Fence(text, "a1", 1, (RRset(NAME, "A", 60, (text,)),))
        if written := refused(fence.encode, mine):
            assert all(re.fullmatch(r"[ -~]{1,255}", one) for one in written), text
            assert fence.decode(written) == mine
    return COUNT


@door
def lua_records() -> int:
    """Only addresses and whole numbers get into the template, and only what it makes is read back as ours."""
    for text, raw in zip(strings(COUNT, 6), raws(COUNT, 6), strict=True):
        assert refused(lua.choice, "A", ((1, text),)) in (None, "A \"pickwrandom({{1,'192.0.2.1'}})\""), text
        for form in (text, f'A "{text}"', f"A \"pickwrandom({{{{1,'{text}'}}}})\""):
            assert refused(lua.wire, form) is None or lua.read(form) or form.startswith("\\# "), form
        shown = lua.text(raw)
        assert lua.read(shown) or re.fullmatch(r"\\# \d+ [0-9a-f]*", shown), raw
    return COUNT


KEY = Tsig("k", "hmac-sha256", "env:X")


@door
def policies() -> int:
    """Names and keys of one plain grammar, or none; what is said of them stays within its comment."""
    entry = Dns("rfc2136", "example.com.", tsig=KEY)
    for text in strings(COUNT, 7):
        as_key = refused(policy.need, replace(entry, tsig=replace(KEY, name=text)), {NAME: {"A", "LUA"}}, "known")
        as_name = refused(policy.need, entry, {text: {"A"}}, "known")
        assert re.fullmatch(r"[a-z0-9_.*-]+", text) or not (as_key or as_name), text
        said = policy.need(entry, {NAME: {"A"}}, text, text)
        for make in (policy.bind, policy.knot, policy.powerdns):
            shown, calm = make((said,)).splitlines(), make((replace(said, known="known"),)).splitlines()
            assert len(shown) == len(calm), text
            assert all(a == b or re.match(r"(//|#) ", a) for a, b in zip(shown, calm, strict=True)), text
            assert harmless("\n".join(shown)), text
    return COUNT


@door
def undo_by_hand() -> int:
    """The text is run by a shell in which nsupdate only says what it was given."""
    known = at(Soak(50))
    for number, text in enumerate(strings(DEAR, 8)):
        name = refused(hosts.key, text)
        if name is None:
            continue
        zones = tuple(replace(one, server="192.0.2.53", tsig=replace(KEY, name=name)) for one in bound().dns)
        shown = undo.commands(replace(known, plan=replace(PLAN, bound=replace(bound(), dns=zones))))
        assert harmless(shown), text
        if number % 10 == 0:
            script = 'nsupdate() { printf "%s\\n" "$@"; cat; }; SECRET=c2Vj\n' + shown
            said = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
            assert said.stdout.splitlines()[:2] == ["-v", f"key hmac-sha256:{name} c2Vj"], text
            assert said.stderr == "", text
    return DEAR


# ---------------------------------------------------------------- the config file


@door
def values_of_the_config() -> int:
    """Every scalar of a whole config in turn, in quotes so that the string itself arrives, and as it is."""
    lines, path = FULL.splitlines(), Path("/nowhere/lbmigrate.yaml")
    places = [number for number, line in enumerate(lines) if re.search(r": [^\[{\s]+$", line)]
    with pytest.MonkeyPatch.context() as patch:
        for number, text in enumerate(strings(DEAR, 9)):
            place = places[number % len(places)]
            key = lines[place].partition(": ")[0]
            given = f"{key}: {text if number % 4 == 0 else json.dumps(text)}"
            changed = "\n".join([*lines[:place], given, *lines[place + 1 :]])
            patch.setattr(config, "text_of", lambda _, changed=changed: changed)
            found = refused(config.load, path)
            assert found is None or harmless(repr(found)), text
    return DEAR


@door
def references_to_secrets_and_journals() -> int:
    for text in strings(COUNT, 10):
        for reference in (text, f"env:{text}", f"file:{text}", f"cmd:{text}"):
            found = refused(values.secret, reference)
            assert found is None or found.isprintable(), text
        for url in (text, f"postgresql://{text}", f"dynamodb://{text}", f"sqlite:{text}"):
            found = refused(values.journal, url)
            assert found is None or found.isprintable(), text
        refused(connect, text)
    return COUNT


@pytest.mark.parametrize("name", door)
def test_no_string_escapes(name: str, shown: Callable[[str], None]) -> None:
    shown(f"explored: {door[name]():,} hostile strings, {name}: none escaped")
