"""Reads the subset of HAProxy's configuration language that the stand-in understands; the rest it rejects by name.

Sections global, defaults, frontend, backend, listen. A keyword that would change what clients see and is not
understood is an error, as is one HAProxy would not know: a stand-in that skips a line lies about what it proved.
"""

import re
from collections.abc import Iterator

from lbmigrate.errors import Refused
from lbmigrate.value import value

SECTIONS = ("global", "defaults", "frontend", "backend", "listen")
IGNORED = {
    "global": {"log", "maxconn", "nbthread", "stats-timeout", "description", "ulimit-n", "hard-stop-after"},
    "proxy": {"log", "maxconn", "timeout", "retries", "description", "option", "errorfile"},
}
TIMES = {"us": 1e-6, "ms": 1e-3, "": 1e-3, "s": 1.0, "m": 60.0}


@value
class Server:
    """One `server` line. `inter` in seconds; `host` is an address, never a name."""

    name: str
    host: str
    port: int
    check: bool = False
    inter: float = 2.0
    rise: int = 2
    fall: int = 3
    weight: int = 1
    disabled: bool = False


@value
class Proxy:
    """One frontend, backend or listen section. `number` counts proxies from 2, as HAProxy's ids do."""

    name: str
    kind: str
    number: int
    binds: tuple[tuple[str, int], ...] = ()
    target: str = ""
    uri: str = ""
    servers: tuple[Server, ...] = ()


@value
class Conf:
    """A whole file. `mode` are the socket's permission bits."""

    proxies: tuple[Proxy, ...]
    socket: str = ""
    mode: int = 0o600
    pidfile: str = ""
    daemon: bool = False

    def fronts(self) -> Iterator[Proxy]:
        """The sections that listen."""
        return (one for one in self.proxies if one.binds)

    def backends(self) -> Iterator[Proxy]:
        """The sections that hold servers."""
        return (one for one in self.proxies if one.kind != "frontend")


class _Reader:
    """Reads lines into a Conf, collecting what is wrong."""

    def __init__(self, where: str) -> None:
        self.where, self.line, self.section = where, 0, ""
        self.wrong: list[str] = []
        self.top: dict[str, object] = {}
        self.common: dict[str, object] = {}
        self.proxies: list[dict[str, object]] = []

    def fail(self, what: str) -> None:
        self.wrong.append(f"[ALERT] config : parsing [{self.where}:{self.line}] : {what}")

    def take(self, words: list[str]) -> None:
        if words[0] in SECTIONS:
            self._open(words)
        elif self.section == "global":
            self._global(words)
        elif self.section:
            self._proxy(words)
        else:
            self.fail(f"unknown keyword '{words[0]}' out of section.")

    def _open(self, words: list[str]) -> None:
        self.section = words[0]
        if words[0] in ("global", "defaults"):
            return
        if len(words) < 2:
            self.fail(f"'{words[0]}' expects an <id> argument")
        name = words[1] if len(words) > 1 else ""
        if any(one["name"] == name and {one["kind"], words[0]} != {"frontend", "backend"} for one in self.proxies):
            self.fail(f"proxy '{name}' has the same name as another {words[0]}.")
        self.proxies.append({"name": name, "kind": words[0], "number": len(self.proxies) + 2, **self.common})

    def _global(self, words: list[str]) -> None:
        match words:
            case ["stats", "socket", path, *options]:
                self.top["socket"] = path
                pairs = dict(zip(options[::2], options[1::2], strict=False))
                self.top["mode"] = int(pairs.get("mode", "600"), 8)
            case ["stats", "timeout", _]:
                pass
            case ["pidfile", path]:
                self.top["pidfile"] = path
            case ["daemon"]:
                self.top["daemon"] = True
            case [word, *_] if word in IGNORED["global"]:
                pass
            case _:
                self.fail(f"unknown keyword '{words[0]}' in 'global' section")

    def _proxy(self, words: list[str]) -> None:
        now = self.common if self.section == "defaults" else self.proxies[-1]
        match words:
            case ["mode", "http"] | ["balance", "roundrobin"]:
                pass
            case ["bind" | "server" | "default_backend", *_] if self.section == "defaults":
                self.fail(f"'{words[0]}' not allowed in 'defaults' section.")
            case ["bind", where, *options] if not set(options) - {"v4v6", "v6only"}:
                now["binds"] = (*_binds(now), *self._listens(where))
            case ["default_backend", name]:
                now["target"] = name
            case ["option", "httpchk", *uri]:
                now["uri"] = uri[-1] if uri and uri[-1].startswith("/") else (uri[1] if len(uri) > 1 else "/")
            case ["server", name, where, *options]:
                self._server(now, name, where, options)
            case [word, *_] if word in IGNORED["proxy"]:
                pass
            case _:
                self.fail(f"unknown keyword '{' '.join(words)}' in '{self.section}' section")

    def _listens(self, where: str) -> Iterator[tuple[str, int]]:
        for one in where.split(","):
            host, colon, port = one.rpartition(":")
            if not colon or not port.isdigit():
                self.fail(f"'bind' : missing port number: '{one}', need '<addr>:<port>'")
                continue
            yield host.strip("[]"), int(port)

    def _server(self, now: dict[str, object], name: str, where: str, options: list[str]) -> None:
        known = now.setdefault("servers", ())
        assert isinstance(known, tuple)
        if any(one.name == name for one in known):
            self.fail(f"backend '{now.get('name')}', another server named '{name}' was already defined.")
        try:
            now["servers"] = (*known, server(name, where, options))
        except ValueError as wrong:
            self.fail(str(wrong))

    def conf(self) -> Conf:
        proxies = tuple(Proxy(**one) for one in self.proxies)  # type: ignore[arg-type] # filled by _proxy alone
        pools = {one.name for one in proxies if one.kind != "frontend"}
        for one in proxies:
            if one.target and one.target not in pools:
                self.wrong.append(f"[ALERT] config : proxy '{one.name}': unable to find default_backend '{one.target}'")
        return Conf(proxies, **self.top)  # type: ignore[arg-type] # filled by _global alone


def _binds(now: dict[str, object]) -> tuple[tuple[str, int], ...]:
    known = now.get("binds", ())
    assert isinstance(known, tuple)
    return known


def server(name: str, where: str, options: list[str]) -> Server:
    """A server from a `server` line or an `add server` command. Raises ValueError in HAProxy's words."""
    host, colon, port = where.rpartition(":")
    if not colon or not port.isdigit():
        raise ValueError(f"'server' expects <name> and <addr>[:<port>] as arguments: '{where}'.")
    given: dict[str, object] = {}
    words = iter(options)
    for word in words:
        if word in ("check", "disabled"):
            given[word] = True
        elif word in ("weight", "rise", "fall"):
            given[word] = int(next(words, "1"))
        elif word == "inter":
            given[word] = seconds(next(words, ""))
        else:
            raise ValueError(f"unknown keyword '{word}'.")
    return Server(name, host.strip("[]"), int(port), **given)  # type: ignore[arg-type] # typed by the branches above


def seconds(text: str) -> float:
    """HAProxy's time format (default unit: milliseconds). Raises ValueError."""
    found = re.fullmatch(r"(\d+)(us|ms|s|m|)", text)
    if not found:
        raise ValueError(f"unexpected time '{text}'.")
    return int(found[1]) * TIMES[found[2]]


def parse(text: str, where: str) -> Conf:
    """Read a configuration. Raises Refused with one [ALERT] line for each thing wrong, as `haproxy -c` prints them."""
    reader = _Reader(where)
    for reader.line, line in enumerate(text.splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if words:
            reader.take(words)
    conf = reader.conf()
    if reader.wrong:
        raise Refused("\n".join(reader.wrong))
    return conf
