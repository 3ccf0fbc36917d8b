"""The config file as one declaration: every key, what it may hold, and the line of help an editor shows."""

from functools import partial
from typing import Any

from lbmigrate.config import hosts, values
from lbmigrate.config.kinds import Anything, Choice, Either, Field, Kind, ListOf, Map, MapOf, Schema, Word

NUMERIC: tuple[Any, ...] = ("text", "integer", "number")


def _pattern(pattern: str) -> Schema:
    return {"type": "string", "pattern": f"^(?:{pattern})$"}


def _whole(least: int, most: int, what: str) -> Word:
    schema = {"type": "integer", "minimum": least, "maximum": most}
    return Word(partial(values.whole, least=least, most=most, what=what), schema, ("integer",))


_TIME: Schema = {"anyOf": [_pattern(values.DURATION), {"const": 0}]}
STRING: Schema = {"type": "string", "minLength": 1}
TEXT = Word(values.text, STRING)
PATH = Word(values.path, STRING)
AREA = Word(values.region, _pattern(values.REGION))
ARGUMENTS = Word(values.arguments, STRING)
DURATION = Word(values.duration, _TIME, NUMERIC)
SOME_TIME = Word(values.some_time, _pattern(values.DURATION), NUMERIC)
TTL = Word(values.ttl, _pattern(values.DURATION), NUMERIC)
SHARE = Word(values.share, _pattern(values.SHARE), NUMERIC)
BOOLEAN = Word(values.boolean, {"type": "boolean"}, ("boolean",))
SECRET = Word(values.secret, _pattern(values.SECRET), NUMERIC)
JOURNAL = Word(values.journal, _pattern("sqlite:.+|(?:postgresql|postgres|dynamodb)://.*"))
MIGRATION = Word(values.migration, _pattern(values.MIGRATION))
NAME = Word(hosts.owner, STRING)
DOMAIN = Word(hosts.domain, STRING)
ADDRESS = Word(hosts.address, STRING, NUMERIC)
URL = Word(hosts.url, _pattern("https?://.+"))
PORT = _whole(1, 65535, "port")
WEIGHT = _whole(1, 100, "stage")
COUNT = _whole(0, 10**9, "count")
STATUS = Word(
    values.statuses,
    {"anyOf": [_pattern(values.STATUSES), {"type": "integer", "minimum": 100, "maximum": 599}]},
    ("text", "integer"),
)

RUN = Map(
    {
        "process": Field(
            Map(
                {
                    "binary": Field(PATH, "the program, by path or by name (PATH); default: the driver's own"),
                    "args": Field(
                        Either(ARGUMENTS, ListOf(TEXT)), "further arguments: a list, or one line of shell words"
                    ),
                    "pidfile": Field(PATH, "where its process id is kept"),
                }
            ),
            "a process that lbmigrate starts, and that outlives the command",
        ),
        "service": Field(TEXT, "a system service, by its unit's name"),
        "container": Field(Either(TEXT, None, MapOf(Anything())), "a container"),
        "command": Field(
            Map({"up": Field(TEXT, "starts it", True), "down": Field(TEXT, "stops it softly", True)}),
            "two commands, run by the shell",
        ),
    },
    one=True,
)

SIDE = Map(
    {
        "driver": Field(
            Choice("haproxy", "nginx", "envoy", "elbv2", "server", "external"), "which software this side is", True
        ),
        "addresses": Field(
            ListOf(ADDRESS, 1), "the public addresses that DNS names, IPv4 and IPv6; every driver but elbv2 needs them"
        ),
        "hostname": Field(DOMAIN, "what CNAME, SRV and alias records point to, where they do"),
        "alias": Field(
            Map({"zone_id": Field(TEXT, "the hosted zone that the name is in (CanonicalHostedZoneId)", True)}),
            "for aliases at Route 53: what they need beside hostname, where A's own alias does not tell it",
        ),
        "config": Field(PATH, "the software's own configuration file; for b it is written by lbmigrate"),
        "socket": Field(PATH, "the software's admin socket"),
        "run": Field(RUN, "how it is started and stopped"),
        "name": Field(TEXT, "driver elbv2: the load balancer's name; b's is made"),
        "classic": Field(BOOLEAN, "driver elbv2, a only: it is a Classic Load Balancer; default false"),
        "region": Field(AREA, "driver elbv2: its region; b's is a's"),
        "profile": Field(TEXT, "driver elbv2: the profile of the credentials; default for b: a's"),
        "role": Field(Word(values.role, _pattern(values.ROLE)), "driver elbv2: a role to assume; default for b: a's"),
        "external_id": Field(TEXT, "driver elbv2: what the role asks for beside; default for b: a's"),
        "endpoint": Field(URL, "driver elbv2: another endpoint; default for b: a's"),
        "host": Field(TEXT, "where it runs: ssh://USER@HOST; default: this machine"),
        "ports": Field(ListOf(PORT, 1), "driver server: the ports that are served"),
        "up": Field(TEXT, "driver external: a command that stands this side up"),
        "down": Field(TEXT, "driver external: a command that stops it softly"),
        "health": Field(TEXT, "driver external: a command that exits 0 while it is healthy"),
    }
)

TSIG = Map(
    {
        "name": Field(Word(hosts.key, STRING), "the key's name", True),
        "algorithm": Field(
            Choice(*(f"hmac-sha{size}" for size in ("256", "512", "384", "224", "1", "256-128", "384-192", "512-256"))),
            "its algorithm (RFC 8945 section 6); default hmac-sha256",
        ),
        "secret": Field(SECRET, "its secret, by reference: env:NAME, file:PATH or cmd:COMMAND", True),
    }
)

TRANSFER = Map(
    {
        "server": Field(Word(hosts.host, STRING, NUMERIC), "its server; default: the one that takes updates"),
        "port": Field(PORT, "its port; default: 53, or the entry's own where the server is"),
        "tsig": Field(TSIG, "its key; default: the entry's own"),
    }
)

DNS = Map(
    {
        "driver": Field(Choice("rfc2136", "route53"), "how the zone is written", True),
        "zone": Field(DOMAIN, "the zone's apex", True),
        "server": Field(Word(hosts.host, STRING, NUMERIC), "rfc2136: the primary that takes updates"),
        "port": Field(PORT, "rfc2136: its port; default 53"),
        "tsig": Field(TSIG, "rfc2136: the key that signs every message"),
        "transfer": Field(TRANSFER, "rfc2136: where the whole zone can be had (AXFR); default: server, with tsig"),
        "view": Field(
            Word(values.view, _pattern(values.MIGRATION)),
            "which face of the zone this is, where it has several entries",
        ),
        "addresses": Field(
            ListOf(ADDRESS, 1), "those of a's and b's addresses that this view shows; default: all of them"
        ),
        "scheme": Field(
            Choice("auto", "addresses", "lua", "srv", "names"), "how a weight becomes records; default auto"
        ),
        "nameservers": Field(
            ListOf(Word(hosts.nameserver, STRING, NUMERIC)),
            "all that must serve a change, host or host:port; default: the zone's NS",
        ),
        "serve_limit": Field(SOME_TIME, "a server that does not follow within this holds the migration; default 10m"),
        "zone_id": Field(TEXT, "route53: the hosted zone"),
        "private": Field(BOOLEAN, "route53: whether it is the private or the public zone of that name"),
        "region": Field(AREA, "route53: the region of the control plane"),
        "profile": Field(TEXT, "route53: the profile of the credentials"),
        "role": Field(
            Word(values.role, _pattern(values.ROLE)), "route53: a role to assume, with the credentials that there are"
        ),
        "external_id": Field(TEXT, "route53: what the role asks for beside"),
        "endpoint": Field(URL, "route53: another endpoint"),
    }
)

STAGE = Map(
    {
        "weight": Field(WEIGHT, "B's share of the answers, a whole percent", True),
        "soak": Field(DURATION, "least time at this stage; default: the common soak"),
        "approve": Field(BOOLEAN, "wait for `lbmigrate approve` before leaving it"),
    }
)

PROBE = Map(
    {
        "url": Field(URL, "sent straight to A's and to B's addresses, with this Host and SNI", True),
        "rate": Field(
            Word(values.rate, {"type": "number", "exclusiveMinimum": 0, "maximum": 1000}, ("integer", "number")),
            "pairs a second; default 10",
        ),
        "timeout": Field(SOME_TIME, "for all of one probe; default 2s"),
        "expect": Field(
            Map(
                {
                    "status": Field(STATUS, "status codes and ranges that are well; default 200-399"),
                    "body": Field(TEXT, "text that the body must hold"),
                }
            ),
            "what a good answer is",
        ),
        "ca": Field(PATH, "a file of CA certificates; default: the system's"),
        "method": Field(Word(values.method, {"enum": ["GET", "HEAD", "OPTIONS"]}), "default GET"),
        "headers": Field(MapOf(Word(str, {"type": "string"})), "further headers"),
        "slow": Field(
            SOME_TIME, "B may answer later than this a point more often than A (or `gate: margin`); default: not judged"
        ),
    }
)

GATE = Map(
    {
        "margin": Field(SHARE, "B may fail this much more often than A; default 0.2%"),
        "alpha": Field(SHARE, "chance of a false alarm over the whole migration; default 1%"),
        "beta": Field(SHARE, "chance of passing a stage on which B is worse by promote_margin; default 5%"),
        "promote_margin": Field(SHARE, "how much worse a passed B may be; default 1%"),
        "glitch": Field(DURATION, "failures within one such bucket count once; default 1s"),
        "metrics": Field(ListOf(Anything()), "further evidence"),
    }
)

RETIRE = Map(
    {
        "idle_for": Field(SOME_TIME, "A is idle with at most max_requests within this; default 10m"),
        "max_requests": Field(COUNT, "foreign requests that still count as idle; default 0"),
        "limit": Field(SOME_TIME, "longest wait for idleness; default 24h"),
        "keep": Field(BOOLEAN, "leave A running in the end (a load balancer of AWS: without targets); default false"),
        "approve": Field(BOOLEAN, "wait for `lbmigrate approve` before A is retired; default false"),
    }
)

ROLL = Map(
    {
        "balancer": Field(Choice("a", "b"), "whose backends are updated", True),
        "update": Field(
            Map(
                {
                    "command": Field(TEXT, "run once per backend; {host} is its address"),
                    "container": Field(Map({"image": Field(TEXT, "the new image", True)}), "another image"),
                },
                one=True,
            ),
            "what updates one backend",
            True,
        ),
        "batch": Field(
            Word(values.batch, {"anyOf": [{"type": "integer", "minimum": 1}, STRING]}, ("text", "integer")),
            "how many at a time: a number or a share",
        ),
        "drain": Field(DURATION, "longest wait for a backend to drain"),
        "health": Field(
            Map(
                {
                    "url": Field(URL, "must answer", True),
                    "rise": Field(_whole(1, 1000, "count"), "this many times in a row"),
                    "timeout": Field(SOME_TIME, "within this"),
                }
            ),
            "when an updated backend is well",
        ),
        "on_failure": Field(Choice("stop", "restore"), "what follows a backend that stays unwell"),
    }
)

NAMES: Kind = Either(
    None,
    ListOf(NAME, 1),
    Map({"discover": Field(ListOf(DOMAIN, 1), "every name in these zones that ends at A", True)}),
)

FILE = Map(
    {
        "migration": Field(MIGRATION, "its name in the journal and in the fence records", True),
        "names": Field(NAMES, "the DNS names to move", True),
        "a": Field(SIDE, "the old balancer, live", True),
        "b": Field(SIDE, "the new balancer", True),
        "dns": Field(ListOf(DNS, 1), "one entry per zone", True),
        "stages": Field(
            ListOf(Either(WEIGHT, None, STAGE), 1),
            "weights that the plan stops at: strictly ascending, 1..100, ending in 100",
            True,
        ),
        "soak": Field(DURATION, "least time at a stage, on top of what caches and evidence need; default 5m"),
        "soak_limit": Field(SOME_TIME, "longest hold, and longest wait for evidence; default 2h"),
        "ttl": Field(TTL, "the TTL is lowered to this beforehand, restored afterwards; omit to leave it alone"),
        "cache_margin": Field(DURATION, "added to every cache wait, never under 1s; default 30s"),
        "probe": Field(ListOf(PROBE, 1), "what is asked of A and B, in pairs", True),
        "controls": Field(ListOf(URL), "URLs that must answer, else the prober is blind, not B bad"),
        "gate": Field(GATE, "when B counts as worse than A"),
        "retire": Field(RETIRE, "when A is idle, and what then"),
        "journal": Field(
            JOURNAL,
            "sqlite:PATH, postgresql://… or dynamodb://…; default sqlite:.lbmigrate/journal.db",
        ),
        "notify": Field(ListOf(SECRET), "Apprise URLs, as secrets"),
        "roll": Field(ROLL, "what `lbmigrate roll` updates, and how"),
    }
)


def schema() -> Schema:
    """The whole file as JSON Schema 2020-12; it also knows what later versions will do."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "lbmigrate.yaml",
        "description": "What lbmigrate moves, from where, to where, and how carefully",
        **FILE.schema(),
    }
