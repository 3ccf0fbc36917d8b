"""Servers as they are at run time, and the orders that make B's like A's.

A server's own name, address, weight and state come from A's run-time tables. What those do not hold (check interval,
TLS options) a server that the file lacks takes from the file's servers of its pool: `add server` ignores
`default-server` (HAProxy 2.6, 2.8).
"""

from collections.abc import Callable, Sequence

from lbmigrate.balancers.haproxy_runtime import OPTION, Row, Runtime, named, servers
from lbmigrate.balancers.haproxy_text import Line
from lbmigrate.errors import Refused
from lbmigrate.model import Backend
from lbmigrate.value import replace

FORCED_MAINT, FORCED_DRAIN = 0x01, 0x08  # srv_admin_state, Management Guide, "show servers state"
OWN_WORDS = {  # words of a server line that belong to that server alone -> how many arguments follow
    "id": 1, "cookie": 1, "weight": 1, "disabled": 0, "enabled": 0, "backup": 0, "init-addr": 1, "resolvers": 1,
    "resolve-prefer": 1, "resolve-net": 1, "resolve-opts": 1, "track": 1, "redir": 1, "addr": 1, "guid": 1,
}  # fmt: skip
Here = Callable[[str, int], str]


def backends(rows: Sequence[Row], stats: Sequence[Row]) -> tuple[Backend, ...]:
    """Every server of `show servers state`, with its health from `show stat`."""
    health = {(row["pxname"], row["svname"]): healthy(row) for row in stats if row["type"] == "2"}
    return tuple(_backend(row, health.get((row["be_name"], row["srv_name"]))) for row in rows)


def _backend(row: Row, health: bool | None) -> Backend:
    admin = int(row["srv_admin_state"])
    return Backend(
        pool=row["be_name"],
        name=row["srv_name"],
        address=row["srv_addr"],
        port=int(row["srv_port"]),
        weight=int(row["srv_uweight"]),
        state="maint" if admin & FORCED_MAINT else "drain" if admin & FORCED_DRAIN else "ready",
        healthy=health,
    )


def healthy(row: Row) -> bool | None:
    """What the balancer's own check of a server says; None without a check, in maintenance, or before its first end.

    HAProxy calls a server UP before it was ever checked (check status INI): that is not yet known to be healthy.
    """
    status = row["status"].split(" ")[0]
    if row["status"] == "MAINT (resolution)":
        return False
    if status in ("no", "MAINT"):
        return None
    if status not in ("UP", "DRAIN", "NOLB"):
        return False
    tracked = "(via" in row["status"]
    known = row.get("check_status", "").removeprefix("* ") not in ("", "INI", "UNK")
    return True if tracked or known else None


def written(lines: Sequence[Line]) -> frozenset[tuple[str, str]]:
    """Pool and name of every server in the file, those of `server-template` included."""
    found: set[tuple[str, str]] = set()
    for line in lines:
        match line.texts()[:3]:
            case ("server", name, *_):
                found.add((line.name, name))
            case ("server-template", prefix, count):
                low, _, high = count.rpartition("-")
                found.update((line.name, f"{prefix}{n}") for n in range(int(low or 1), int(high) + 1))
    return frozenset(found)


def unwritten(lines: Sequence[Line], rows: Sequence[Row]) -> None:
    """Judge the servers that the file lacks. Raises Refused for one whose TLS options nothing tells."""
    known = written(lines)
    for row in rows:
        pool, name = row["be_name"], row["srv_name"]
        if (pool, name) not in known and (row["srv_use_ssl"] == "1") != ("ssl" in options(lines, pool)):
            raise Refused(
                f"reading server {pool}/{name}, which A's file lacks: it differs in TLS from the file's servers of"
                f" {pool}, and a running HAProxy does not tell its options; write it into A's file"
            )


def options(lines: Sequence[Line], pool: str) -> tuple[str, ...]:
    """The options that a new server of the pool takes: default-server, then those of the pool's first server."""
    words: list[str] = []
    for line in lines:
        if line.section == "defaults" and line.key() == "defaults":
            words = []
        if line.key() == "default-server" and (line.section == "defaults" or line.name == pool):
            words += line.texts(1)
        if line.key() in ("server", "server-template") and line.name == pool:
            return _shared(words + list(line.texts(3 if line.key() == "server" else 4)))
    return _shared(words)


def _shared(words: Sequence[str]) -> tuple[str, ...]:
    kept: list[str] = []
    skip = 0
    for word in words:
        if skip:
            skip -= 1
        elif word in OWN_WORDS:
            skip = OWN_WORDS[word]
        elif word != "check" or "check" not in kept:
            kept.append(word)
    return tuple(kept)


def register(runtime: Runtime, lines: Sequence[Line], wanted: Sequence[Backend], here: Here) -> None:
    """Make a running HAProxy's servers those of `wanted`; nothing is sent when they are. Raises Failed, Refused."""
    now = {(row["be_name"], row["srv_name"]): row for row in servers(runtime)}
    for one in (replace(each, address=here(each.address, each.port)) for each in wanted):
        row = now.pop((one.pool, one.name), None)
        if row is None:
            _add(runtime, one, options(lines, one.pool))
        else:
            _adjust(runtime, one, row)
    for row in now.values():
        _drop(runtime, row)


def _add(runtime: Runtime, one: Backend, words: Sequence[str]) -> None:
    words = _checked(one, words)
    if bad := [word for word in words if not OPTION.fullmatch(word)]:
        raise Refused(
            f"adding server {one.pool}/{one.name}: option {bad[0]!r} cannot be given to a running HAProxy;"
            " write the server into A's file"
        )
    server = named(one.pool, one.name)
    host = f"[{one.address}]" if ":" in one.address else one.address
    line = " ".join((f"add server {server} {host}:{one.port} weight {one.weight}", *words))
    runtime.order(line, "registered")
    if "check" in words:
        runtime.order(f"enable health {server}")
    if one.state != "maint":
        runtime.order(f"set server {server} state {one.state}")


def _checked(one: Backend, words: Sequence[str]) -> tuple[str, ...]:
    """With a check exactly when A checks it; a server in maintenance does not tell, and follows its neighbours."""
    if one.healthy is not None and "check" not in words:
        return ("check", *words)
    if one.healthy is None and one.state == "ready":
        return tuple(word for word in words if word != "check")
    return tuple(words)


def _adjust(runtime: Runtime, one: Backend, row: Row) -> None:
    server = named(one.pool, one.name)
    now = _backend(row, None)
    if _moved(one, now, row):
        runtime.order(f"set server {server} addr {one.address} port {one.port}", "changed", "no need")
    if one.weight != now.weight:
        runtime.order(f"set server {server} weight {one.weight or '0%'}")
    if one.state != now.state:
        runtime.order(f"set server {server} state {one.state}")


def _moved(one: Backend, now: Backend, row: Row) -> bool:
    """Addresses that DNS gives (srv_fqdn), and sockets by path ("-"), are each process's own affair."""
    fixed = row["srv_fqdn"] == "-" and "-" not in (one.address, now.address)
    return fixed and (one.address, one.port) != (now.address, now.port)


def _drop(runtime: Runtime, row: Row) -> None:
    """A server that A no longer has: out of use here too, and gone where HAProxy lets it go."""
    server = named(row["be_name"], row["srv_name"])
    if not int(row["srv_admin_state"]) & FORCED_MAINT:
        runtime.order(f"set server {server} state maint")
    runtime.ask(f"del server {server}")  # refused for one that a rule names; in maintenance it gets no traffic
