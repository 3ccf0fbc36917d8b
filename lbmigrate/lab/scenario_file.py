"""Scenario files: one declaration of every key, and the file read into a Scenario.

Strict YAML like the config file: an unknown or duplicate key is an error with file, line and the nearest known key.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lbmigrate.config import values
from lbmigrate.config.declaration import BOOLEAN, DURATION, SHARE, SOME_TIME, TTL
from lbmigrate.config.kinds import Anything, Choice, Either, Field, ListOf, Map, MapOf, Table, Word
from lbmigrate.config.nodes import Entries, Items, Node, ScalarKind, read
from lbmigrate.config.text import Wrong, show, usage
from lbmigrate.lab.scenario import LIMIT, SOFTWARE, Act, Bounds, Clients, Expect, Scenario, deed

STAGE_SECONDS = 60.0  # that the engine has for a stage that the command line adds


def _count(least: int, most: int, what: str) -> Word:
    return Word(lambda text: values.whole(text, least, most, what), {"type": "integer"}, ("integer",))


def _nothing(text: str) -> Bounds:
    if text != "0":
        raise ValueError("only 0, or a table of `only` and `share`, can be expected to fail")
    return Bounds()


def _part(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,2}%|100%", text):
        raise ValueError(f"{show(text)} is no part of the clients; write a whole percentage from 0% to 100%")
    return int(text[:-1]) / 100


NUMBER: Iterable[ScalarKind] = ("text", "integer", "number")
TEXT = Word(values.text, {"type": "string"}, NUMBER)
PART = Word(_part, {"type": "string"})
ADDRESSES = _count(1, 100, "number of addresses")
SIDE = Either(
    ADDRESSES,
    None,
    Map({"v4": Field(ADDRESSES, "IPv4", True), "v6": Field(ADDRESSES, "IPv6; they must be on an interface", True)}),
)
DEED = Word(deed, {"type": "string"})
PHASE = Choice(
    *("none", "preparing", "shifting", "soaking", "held", "paused", "draining", "retiring"),
    *("rolling-back", "rolled-back", "done", "failed"),
)  # contract: Status document
ACT = Map(
    {
        "when": Field(
            Map(
                {
                    "event": Field(TEXT, "the event's kind"),
                    "phase": Field(PHASE, "the phase that it shows"),
                    "weight": Field(_count(0, 100, "weight"), "the weight that it shows"),
                    "text": Field(TEXT, "words in its line"),
                }
            ),
            "the first event like this; without it the act follows the one before",
        ),
        "after": Field(DURATION, "how long after that"),
        "do": Field(Either(DEED, ListOf(DEED, 1)), "what happens, in this order", True),
    }
)
FAILED = Either(
    Word(_nothing, {"const": 0}, ("integer",)),
    None,
    Map({"only": Field(Choice("a", "b"), "the side", True), "share": Field(SHARE, "at most", True)}),
)
EXPECT = Map(
    {
        "exit": Field(_count(0, 8, "exit code"), "the engine's last exit code", True),
        "phase": Field(PHASE, "the phase that status names", True),
        "failed": Field(FAILED, "0, or what may fail", True),
        "zone": Field(Choice("unchanged", "moved", "shared"), "the zone transfer against the first one", True),
        "a": Field(Choice("running", "retired", "dead"), "A in the end", True),
        "b": Field(Choice("running", "gone"), "B in the end", True),
        "requests": Field(_count(0, 10**9, "count"), "at least so many requests"),
    }
)
CLIENTS = Map(
    {
        "rate": Field(Word(values.rate, {"type": "number"}, NUMBER), "requests a second in all"),
        "clients": Field(_count(1, 10000, "count"), "how many clients"),
        "keepalive": Field(PART, "share of clients that keep connections"),
        "requests_per_connection": Field(_count(1, 10**6, "count"), "how many requests each connection lives"),
        "caches": Field(_count(1, 100, "count"), "embedded caches"),
        "stretchers": Field(PART, "share of clients behind caches that stretch TTLs"),
        "stretch": Field(SOME_TIME, "the least time those keep an answer"),
        "timeout": Field(SOME_TIME, "how long a request may take in all"),
    }
)
SCENARIO = Map(
    {
        "title": Field(TEXT, "one line: what is played", True),
        "sides": Field(
            Map(
                {
                    "balancers": Field(
                        Choice("haproxy", "elbv2", "classic"),
                        "what both are; elbv2: of AWS, classic: A is a Classic one",
                    ),
                    "a": Field(SIDE, "how many addresses A has"),
                    "b": Field(SIDE, "how many addresses B has"),
                    "b_dead_on_arrival": Field(BOOLEAN, "B's program ends as soon as it should serve"),
                }
            ),
            "the two balancers",
        ),
        "backends": Field(
            Map(
                {
                    "count": Field(_count(1, 100, "count"), "how many"),
                    "runtime_only": Field(_count(0, 99, "count"), "how many of them A's file does not know"),
                }
            ),
            "what stands behind both",
        ),
        "dns": Field(
            Map(
                {
                    "names": Field(ListOf(TEXT, 1), "first labels of the names that move"),
                    "ttl": Field(TTL, "their TTL before"),
                    "secondary": Field(BOOLEAN, "a secondary beside the primary"),
                    "lag": Field(DURATION, "how far the secondary is behind"),
                    "software": Field(Choice(*SOFTWARE), "the name servers' software, where they are real"),
                    "holds": Field(
                        Choice("addresses", "srv", "cname", "https", "alias"), "what stands at the names before"
                    ),
                    "scheme": Field(Choice("auto", "addresses", "lua", "srv", "names"), "how they are weighed"),
                    "signed": Field(BOOLEAN, "whether real name servers sign it (DNSSEC)"),
                }
            ),
            "the zone",
        ),
        "clients": Field(CLIENTS, "the population"),
        "config": Field(MapOf(Anything()), "keys of lbmigrate.yaml"),
        "acts": Field(ListOf(ACT), "what happens while the engine runs"),
        "warm": Field(DURATION, "how long the clients run before the engine begins"),
        "limit": Field(SOME_TIME, "when the engine is given up"),
        "expect": Field(EXPECT, "what must come of it", True),
    }
)


IMPLIED = {"srv": {"holds": "srv"}, "lua": {"software": "pdns_server"}}  # what a scheme needs


def load(path: Path, instead: Mapping[str, Any] | None = None) -> Scenario:
    """Read a scenario, with fields of it that the command line gives `instead`.

    Raises Usage, one line for each thing that is wrong: file:line: what; what to do.
    """
    tree = read(path)
    try:
        table = SCENARIO.read(tree)
        return _scenario(path, table, instead or {})
    except Wrong as wrong:
        raise usage(path, wrong) from None
    except ValueError as wrong:
        raise usage(path, Wrong((tree.line, f"{wrong}; correct it"))) from None


def _scenario(path: Path, table: Table, instead: Mapping[str, Any]) -> Scenario:
    empty = Table(table.line, {})
    sides, backends, dns = (table.get(key, empty) for key in ("sides", "backends", "dns"))
    given = {key: found for key, found in _top(table, sides, backends, dns).items() if found is not None}
    given = {**IMPLIED.get({**given, **instead}.get("scheme", ""), {}), **given, **instead}
    settings = {key: plain(one.value) for key, one in table.get("config", empty).entries.items()}
    added = len(given.get("config", {}).get("stages", ())) - len(settings.get("stages", ()))
    if added > 0 and "stages" in settings:
        given["limit"] = given.get("limit", LIMIT) + added * STAGE_SECONDS
    people = table.get("clients", empty)
    return Scenario(
        path=str(path),
        title=table.get("title"),
        expect=_expect(table.get("expect")),
        clients=Clients(**{key: one.value for key, one in people.entries.items()}),
        config=tuple({**settings, **given.pop("config", {})}.items()),
        acts=tuple(_act(one) for one in table.all("acts")),
        **given,
    )


def _top(table: Table, sides: Table, backends: Table, dns: Table) -> dict[str, Any]:
    return {
        **_addresses("a", sides.get("a")),
        **_addresses("b", sides.get("b")),
        "balancers": sides.get("balancers"),
        "dead_on_arrival": sides.get("b_dead_on_arrival"),
        "backends": backends.get("count"),
        "runtime_only": backends.get("runtime_only"),
        "names": dns.all("names") or None,
        "ttl": dns.get("ttl"),
        "secondary": dns.get("secondary"),
        **{key: dns.get(key) for key in ("lag", "holds", "scheme", "software", "signed")},
        "warm": table.get("warm"),
        "limit": table.get("limit"),
    }


def _addresses(side: str, given: Any) -> dict[str, Any]:
    if isinstance(given, Table):
        return {side: given.get("v4"), f"{side}6": given.get("v6")}
    return {side: given}


def _act(table: Table) -> Act:
    given = table.get("do")
    deeds = tuple(one.value for one in given) if isinstance(given, tuple) else (given,)
    when = table.get("when", Table(table.line, {}))
    return Act(deeds, after=table.get("after", 0.0), **{key: one.value for key, one in when.entries.items()})


def _expect(table: Table) -> Expect:
    fields = {key: one.value for key, one in table.entries.items()}
    failed = fields.pop("failed")
    bounds = Bounds(failed.get("only"), failed.get("share")) if isinstance(failed, Table) else failed
    return Expect(failed=bounds, **fields)


def plain(node: Node) -> Any:
    """A node as it can be written to YAML again: words stay words, numbers and booleans what they are."""
    if isinstance(node, Entries):
        return {key: plain(one) for key, (_, one) in node.nodes.items()}
    if isinstance(node, Items):
        return [plain(one) for one in node.nodes]
    match node.kind:
        case "integer":
            return int(node.text, 0)
        case "number":
            return float(node.text)
        case "boolean":
            return node.text.lower() == "true"
        case "nothing":
            return None
        case _:
            return node.text
