"""The ground that a scenario is played on: zone, config file, servers, clients, DNS watch; built and taken down."""

import json
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from lbmigrate.errors import Failed
from lbmigrate.lab.backend import APPLICATION
from lbmigrate.lab.clients import Plan
from lbmigrate.lab.dns import DnsParts, start_dns
from lbmigrate.lab.dnswatch import Summary, Watch
from lbmigrate.lab.elb.parts import Balancers
from lbmigrate.lab.operator import Tail, secret_file
from lbmigrate.lab.process import Process, environment
from lbmigrate.lab.route53 import parts as route53
from lbmigrate.lab.scenario import Scenario
from lbmigrate.lab.sides import CHECK, HOSTS, Place, Sides, place
from lbmigrate.lab.sides import ORIGIN as ORIGIN
from lbmigrate.lab.transfer import transfer
from lbmigrate.value import to_json

WARM_SECONDS = 30.0
END_SECONDS = 60.0


def rtype(address: str) -> str:
    """The type of an address's record."""
    return "AAAA" if ":" in address else "A"


def zone_text(scenario: Scenario, where: Place) -> str:
    """The zone before: the names that move, the hosts of both sides, and others that nobody may touch."""
    lines = [
        f"$ORIGIN {ORIGIN}.",
        f"$TTL {scenario.ttl}",
        f"@ 3600 IN SOA ns1.{ORIGIN}. hostmaster.{ORIGIN}. 1 3600 600 86400 {scenario.ttl}",
        "@ 3600 IN NS ns1",
        "ns1 3600 IN A 127.0.0.1",
        "@ 3600 IN MX 10 mail",
        "mail 3600 IN A 127.9.9.9",
        'note 600 IN TXT "not ours"',
    ]
    if scenario.pointed:
        lines += [f"{HOSTS[side]}. 60 IN {rtype(one)} {one}" for side in "ab" for one in where.addresses(side)]
    if scenario.hosted:
        return "\n".join(lines) + "\n"
    moved = [f"{scenario.owner(name, ORIGIN)} IN {one}" for name in scenario.names for one in held(scenario, where)]
    return "\n".join([*lines, *moved]) + "\n"


def held(scenario: Scenario, where: Place) -> list[str]:
    """What each moving name holds before, as "TYPE RDATA"."""
    addresses = [f"{rtype(one)} {one}" for one in where.a]
    match scenario.holds:
        case "srv":
            return [f"SRV 10 100 {where.port} {HOSTS['a']}."]
        case "cname":
            return [f"CNAME {HOSTS['a']}."]
        case "https":
            v4, v6 = (sorted(one for one in where.a if (":" in one) == six) for six in (False, True))
            hints = [f'{key}="{",".join(found)}"' for key, found in (("ipv4hint", v4), ("ipv6hint", v6)) if found]
            return [*addresses, f"HTTPS 1 . {' '.join(hints)}"]
    return addresses


def config(
    scenario: Scenario, where: Place, dns: DnsParts, sides: dict[str, dict[str, Any]], secret: Path
) -> dict[str, Any]:
    """lbmigrate.yaml (contract: Config), with the scenario's own keys in place of the laboratory's."""
    url = f"http://{scenario.names[0]}.{ORIGIN}:{where.port}{CHECK}"
    probe = {"url": url, "rate": 40, "timeout": "2s", "expect": {"status": 200, "body": "ok"}}
    given = dict(scenario.config)
    named = scenario.pointed
    return {
        "migration": "laboratory",
        "names": [scenario.owner(name, ORIGIN).rstrip(".") for name in scenario.names],
        "a": {**sides["a"], **({"hostname": HOSTS["a"]} if named else {})},
        "b": {**sides["b"], **({"hostname": HOSTS["b"]} if named else {})},
        "dns": [{**_zone(scenario, dns, secret), "nameservers": list(dns.nameservers)}],
        "stages": [100] if scenario.holds == "cname" else [50, 100],
        "soak": "5s",
        "soak_limit": "60s",
        "ttl": "2s",
        "cache_margin": "1s",
        "retire": {"idle_for": "5s", "limit": "60s"},
        "journal": f"sqlite:{where.directory / 'journal.db'}",
        **given,
        "probe": [{**probe, **given.get("probe", {})}],
    }


def _zone(scenario: Scenario, dns: DnsParts, secret: Path) -> dict[str, Any]:
    """The zone's entry under `dns:`, without its name servers."""
    if dns.api:
        return {"driver": "route53", "zone": ORIGIN, "zone_id": route53.ZONE_ID, "endpoint": f"http://{dns.api}"}
    host, _, port = dns.primary.rpartition(":")
    tsig = {"name": dns.key.name, "algorithm": dns.key.algorithm, "secret": f"file:{secret}"}
    entry = {"driver": "rfc2136", "zone": ORIGIN, "server": host, "port": int(port), "tsig": tsig}
    return {**entry, "scheme": scenario.scheme}


class Ground:
    """Everything that runs while a scenario is played; `close` ends all of it."""

    def __init__(self, scenario: Scenario, real: bool, directory: Path) -> None:
        self._open = ExitStack()
        self._scenario = scenario
        directory.mkdir(parents=True, exist_ok=True)
        self.place = place(scenario, directory)
        self.both: Sides | Balancers = (
            Balancers(self.place, scenario.balancers == "classic")
            if scenario.hosted
            else Sides(self.place, scenario, real)
        )
        try:
            self._build(real)
        except BaseException:
            self._open.close()
            raise

    def _build(self, real: bool) -> None:
        self._open.callback(self.both.stop)
        self.both.start()
        text = zone_text(self._scenario, self.place)
        more = (self._scenario.secondary, self._scenario.lag, real, self._scenario.software, self._scenario.signed)
        self.dns = start_dns(real, self.place.directory / "dns", text, ORIGIN, *more)
        self._open.callback(self.dns.stop)
        secret = secret_file(self.place.directory / "tsig.key", self.dns.key.secret)
        self.config = self.place.directory / "lbmigrate.yaml"
        settings = config(self._scenario, self.place, self.dns, self.both.entries(), secret)
        self.config.write_text(yaml.safe_dump(settings, sort_keys=False))
        self.settings = settings
        self.environment = {**(route53.CREDENTIALS if self.dns.api else {}), **self.both.environment}
        self.names = [self._scenario.owner(name, ORIGIN) for name in self._scenario.names]
        if isinstance(self.both, Balancers):
            self.both.told(self.dns.api)
            route53.alias(self.dns.api, self.names, *self.both.located())
        self.watch = Watch(self.dns.nameservers, self.names, self.place.directory / "dnswatch.log")
        self._clients = self._population([f"{name}.{ORIGIN}." for name in self._scenario.names])
        self._open.callback(self._clients.stop)

    def _population(self, names: list[str]) -> Process:
        path = self.place.directory / "clients.json"
        people, sides = vars(self._scenario.clients), {"a": self.place.a, "b": self.place.b}
        plan = Plan(
            tuple(names),
            self.place.port,
            "/",
            APPLICATION,
            self.dns.nameservers,
            sides,
            self.dns.resolver or "",
            tuple(sorted({rtype(address) for address in self.place.a})),
            self._scenario.holds if self._scenario.holds in ("srv", "https") else "addresses",
            **people,
        )
        path.write_text(json.dumps(to_json(plan)))
        log = self.place.directory / "clients.log"
        self.clients = Tail(log)
        argv = (sys.executable, "-m", "lbmigrate.lab.clients", "--plan", str(path))
        return Process(argv, log, environment())

    @property
    def sides(self) -> Sides:
        """Both, where they are HAProxy."""
        assert isinstance(self.both, Sides)
        return self.both

    def begin(self) -> None:
        """Start the clients and the watch, and let the clients run for the scenario's `warm` seconds."""
        self.watch.start()
        self._open.callback(self.watch.process.stop)
        self._clients.start()
        seconds = max(1.0, self._scenario.warm)
        self._clients.wait(lambda: self._clients.output().count('"second"') >= seconds, WARM_SECONDS + seconds)

    def zone(self) -> list[str]:
        """The zone as the primary has it now, by transfer; as Route 53 lists it."""
        if self.dns.api:
            return route53.zone(self.dns.api)
        host, _, port = self.dns.primary.rpartition(":")
        return transfer(host, int(port), ORIGIN, self.dns.key)

    def listing(self) -> list[str]:
        """Every record set to the letter, of Route 53; nothing elsewhere."""
        return route53.listing(self.dns.api) if self.dns.api else []

    def end_clients(self) -> list[dict[str, Any]]:
        """Let the clients finish what is under way; their last lines. Raises Failed where they do not end."""
        self._clients.kill(15)
        until = time.monotonic() + END_SECONDS
        while self._clients.alive():
            if time.monotonic() > until:
                raise Failed(f"ending the clients: still there after {END_SECONDS:g} s; see clients.log")
            time.sleep(0.02)
        return self.clients.read()

    def end_watch(self) -> Summary:
        """What the DNS watch saw."""
        return self.watch.stop()

    def close(self) -> None:
        """End everything. May be repeated."""
        self._open.close()
