"""The config file, checked and turned into `spec.Config`; all that is wrong with it in one error, a line each.

`light` is for `status`, which must start at once: it reads two words, so YAML, the rules and the schema are imported
where they are used.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lbmigrate.config import values
from lbmigrate.config.text import FilePath, Wrong, bytes_of, salvaged, text_of, usage, words
from lbmigrate.errors import Usage
from lbmigrate.model import Probe, Side
from lbmigrate.spec import Bound, Config, Dns, GateSpec, Retire, Soft, Stage, Transfer, Tsig
from lbmigrate.value import replace

if TYPE_CHECKING:
    from lbmigrate.config.kinds import Schema, Table
    from lbmigrate.config.nodes import Entries

JOURNAL = "sqlite:.lbmigrate/journal.db"
PLACE = ("name", "region", "profile", "endpoint", "role", "external_id")  # keys of a load balancer at AWS
Pairs = tuple[tuple[str, str], ...]
HOSTED = ("zone_id", "private", "region", "profile", "role", "external_id", "endpoint")  # keys of a zone at Route 53
KEYS = ("migration", "journal")


def light(path: FilePath) -> tuple[str, str]:
    """The migration's name and its journal's URL; the rest of the file may be wrong. Raises Usage."""
    try:
        return _two(path)
    except Usage as wrong:
        try:
            return _named(path, salvaged(bytes_of(path).decode("utf-8-sig", "replace"), KEYS))
        except ValueError:
            raise wrong from None


def beside(path: FilePath) -> str:
    """The URL of the journal of a file that names none."""
    return _journal(JOURNAL, _beside(path))


def _named(path: FilePath, found: dict[str, str] | None) -> tuple[str, str]:
    """Raises ValueError for words that are not there, or none."""
    given = found or {}
    name, journal = values.migration(given.get("migration", "")), values.journal(given.get("journal", JOURNAL))
    return name, _journal(journal, _beside(path))


def _two(path: FilePath) -> tuple[str, str]:
    try:
        return _named(path, words(text_of(path), KEYS))
    except ValueError:
        return _by_yaml(path)


def _by_yaml(path: FilePath) -> tuple[str, str]:
    """The same from any file at all, and what is wrong with its line."""
    from lbmigrate.config import nodes

    top = nodes.read(path)
    try:
        name, journal = _word(top, "migration", None), _word(top, "journal", JOURNAL)
        return name, _journal(journal, _beside(path))
    except Wrong as wrong:
        raise usage(path, wrong) from None


def _word(top: Entries, key: str, default: str | None) -> str:
    from lbmigrate.config.nodes import Scalar

    line, node = top.nodes.get(key, (top.line, None))
    if node is None and default is not None:
        return default
    if not isinstance(node, Scalar) or node.kind != "text":
        raise Wrong((line, f"the key `{key}` is missing or no text; write it as `{key}: TEXT`"))
    try:
        return {"migration": values.migration, "journal": values.journal}[key](node.text)
    except ValueError as wrong:
        raise Wrong((node.line, f"{key}: {wrong}")) from None


def load(path: FilePath) -> Config:
    """The whole file. Raises Usage with one line per finding: `file:line: what is wrong; what to do`."""
    from lbmigrate.config import nodes
    from lbmigrate.config.declaration import FILE
    from lbmigrate.config.rules import findings

    top = nodes.read(path)
    try:
        file = FILE.read(top)
        if wrong := findings(file, _beside(path)):
            raise Wrong(*wrong)
    except Wrong as wrong:
        raise usage(path, wrong) from None
    return _config(path, file)


def owners(written: Iterable[str]) -> tuple[str, ...]:
    """Names from the command line, read as those under names: are. Raises Usage."""
    from lbmigrate.config import hosts

    try:
        return tuple(hosts.owner(one) for one in written)
    except ValueError as wrong:
        raise Usage(str(wrong)) from None


def schema() -> Schema:
    """The file's JSON Schema (2020-12), for editors."""
    from lbmigrate.config import declaration

    return declaration.schema()


def _beside(path: FilePath) -> str:
    return os.path.dirname(os.path.abspath(path))


def _journal(url: str, beside: str) -> str:
    scheme, _, where = url.partition(":")
    return f"sqlite:{values.located(where, beside)}" if scheme == "sqlite" else url


def _config(path: FilePath, file: Table) -> Config:
    beside = _beside(path)
    return Config(
        path=os.path.abspath(path),
        bound=_bound(file, beside),
        soft=_soft(file, beside),
        journal=_journal(file.get("journal", JOURNAL), beside),
        discover=() if _listed(file) else file.get("names").all("discover"),
    )


def _listed(file: Table) -> bool:
    return isinstance(file.get("names"), tuple)


def _bound(file: Table, beside: str) -> Bound:
    return Bound(
        migration=file.get("migration"),
        names=file.all("names") if _listed(file) else (),
        a=_side(file.get("a"), _place(file, "a"), beside),
        b=_side(file.get("b"), _place(file, "b"), beside),
        dns=tuple(_dns(entry, beside) for entry in file.all("dns")),
        stages=tuple(_stage(stage) for stage in file.all("stages")),
        ttl=file.get("ttl"),
    )


def _soft(file: Table, beside: str) -> Soft:
    given = _given(file, "soak", "soak_limit", "cache_margin")
    return Soft(
        probes=tuple(_probe(probe, beside) for probe in file.all("probe")),
        controls=file.all("controls"),
        gate=_gate(file),
        retire=_retire(file),
        **given,
    )


def _given(table: Table, *keys: str) -> dict[str, Any]:
    """The keys that the file gives: for the others the value class knows the default."""
    return {key: table.get(key) for key in keys if key in table}


def _place(file: Table, side: str) -> Pairs:
    """Where a load balancer at AWS is; B is reached as A is, where the file does not say otherwise."""
    given, a = file.get(side), file.get("a")
    if given.get("driver") != "elbv2":
        return ()
    found = [(key, given.get(key, a.get(key))) for key in PLACE]
    kind = (("classic", "true"),) if given.get("classic") else ()
    return (("side", side), ("migration", file.get("migration")), *[pair for pair in found if pair[1]], *kind)


def _side(side: Table, place: Pairs, beside: str) -> Side:
    files: dict[str, Any] = {key: values.located(side.get(key), beside) for key in ("config", "socket") if key in side}
    return Side(
        driver=side.get("driver"),
        addresses=side.all("addresses"),
        place=place,
        run=_run(side.get("run"), beside) if "run" in side else (),
        alias_zone=side.get("alias").get("zone_id") if "alias" in side else "",
        commands=tuple((key, side.get(key)) for key in ("up", "down", "health") if key in side),
        **files,
        **_given(side, "hostname"),
    )


def _run(run: Table, beside: str) -> Pairs:
    (kind,) = run.entries
    how = run.get(kind)
    if kind == "service":
        return (("kind", kind), ("name", how))
    if kind == "command":
        return (("kind", kind), ("up", how.get("up")), ("down", how.get("down")))
    return (("kind", kind), *_process(how, beside))


def _process(how: Table, beside: str) -> Pairs:
    found = []
    if "binary" in how:
        found.append(("binary", values.binary(how.get("binary"), beside)))
    if args := how.get("args"):
        found.append(("args", args if isinstance(args, str) else values.joined(one.value for one in args)))
    if "pidfile" in how:
        found.append(("pidfile", values.located(how.get("pidfile"), beside)))
    return tuple(found)


def _dns(entry: Table, beside: str) -> Dns:
    found = Dns(
        driver=entry.get("driver"),
        zone=entry.get("zone"),
        tsig=_tsig(entry.get("tsig"), beside) if "tsig" in entry else None,
        nameservers=entry.all("nameservers"),
        addresses=entry.all("addresses"),
        **_given(entry, "server", "port", "scheme", "serve_limit", "view", *HOSTED),
    )
    if found.driver == "route53":
        return replace(found, scheme="weighted")
    return replace(found, transfer=_transfer(entry.get("transfer"), found, beside)) if "transfer" in entry else found


def _transfer(given: Table, entry: Dns, beside: str) -> Transfer:
    port = Transfer("").port if "server" in given else entry.port
    key = _tsig(given.get("tsig"), beside) if "tsig" in given else entry.tsig
    return Transfer(given.get("server", entry.server), given.get("port", port), key)


def _tsig(tsig: Table, beside: str) -> Tsig:
    secret = values.anchored(tsig.get("secret"), beside)
    return Tsig(tsig.get("name"), tsig.get("algorithm", "hmac-sha256"), secret)


def _stage(stage: int | Table) -> Stage:
    if isinstance(stage, int):
        return Stage(stage)
    return Stage(stage.get("weight"), **_given(stage, "soak", "approve"))


def _probe(probe: Table, beside: str) -> Probe:
    given = _given(probe, "rate", "timeout", "method", "slow")
    expect = probe.get("expect")
    if expect and "status" in expect:
        given["expect_status"] = expect.get("status")
    if expect and "body" in expect:
        given["expect_body"] = expect.get("body")
    if "headers" in probe:
        given["headers"] = tuple((name, one.value) for name, one in probe.get("headers").entries.items())
    if "ca" in probe:
        given["ca"] = values.located(probe.get("ca"), beside)
    return Probe(url=probe.get("url"), **given)


def _gate(file: Table) -> GateSpec:
    gate = file.get("gate")
    return GateSpec(**_given(gate, "margin", "alpha", "beta", "promote_margin", "glitch")) if gate else GateSpec()


def _retire(file: Table) -> Retire:
    retire = file.get("retire")
    return Retire(**_given(retire, "idle_for", "max_requests", "limit", "keep", "approve")) if retire else Retire()
