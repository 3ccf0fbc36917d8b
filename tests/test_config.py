"""The config file: what is read, what is refused, and that every refusal says where and what to do."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from states import GIVEN, GIVEN_A, GIVEN_B

from lbmigrate import config
from lbmigrate.config.declaration import FILE
from lbmigrate.difference import difference
from lbmigrate.errors import Usage
from lbmigrate.spec import Config, Dns, GateSpec, Retire, Soft, Stage, Transfer, Tsig
from lbmigrate.value import from_json, replace, to_json

ROOT = Path(__file__).parent.parent
LINE = re.compile(r".+:\d+: .+[^.]$")

FULL = """\
migration: web-2026
names: [www.example.com, api.example.com]
a:
  driver: haproxy
  addresses: [192.0.2.10, "2001:db8::10"]
  config: /etc/haproxy/haproxy.cfg
  socket: /run/haproxy/admin.sock
  run: {service: haproxy}
  hostname: lb-a.example.com
b:
  driver: haproxy
  addresses: [192.0.2.20, "2001:db8::20"]
  config: /etc/haproxy-b/haproxy.cfg
  socket: /run/haproxy-b/admin.sock
  run: {process: {binary: /usr/sbin/haproxy}}
dns:
  - driver: rfc2136
    zone: example.com
    server: 192.0.2.53
    port: 53
    tsig: {name: lbmigrate-key, algorithm: hmac-sha256, secret: env:LBMIGRATE_TSIG}
    scheme: auto
    nameservers: [192.0.2.53, "192.0.2.54:5300"]
    serve_limit: 10m
stages: [1, 5, 25, 50, 100]
soak: 5m
soak_limit: 2h
ttl: 60s
cache_margin: 30s
probe:
  - url: https://www.example.com/healthz
    rate: 10
    timeout: 2s
    expect: {status: "200-399", body: ok}
controls: [https://status.example.net/]
gate:
  margin: 0.2%
  alpha: 1%
  beta: 5%
  promote_margin: 1%
  glitch: 1s
  metrics: []
retire: {idle_for: 10m, max_requests: 0, limit: 24h, keep: false, approve: false}
journal: sqlite:.lbmigrate/journal.db
notify: []
"""
LEAST = """\
migration: m
names: [www.example.com]
a: {driver: external, addresses: [192.0.2.1]}
b: {driver: external, addresses: [192.0.2.2]}
dns: [{driver: rfc2136, zone: example.com, server: ns.example.com}]
stages: [50, 100]
probe: [{url: "http://www.example.com"}]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lbmigrate.yaml"


def load(file: Path, text: str) -> Config:
    file.write_text(text)
    return config.load(file)


def refusal(file: Path, text: str) -> str:
    """The one error for this file, its name shortened; every line of it has the promised form."""
    with pytest.raises(Usage) as caught:
        load(file, text)
    lines = str(caught.value).splitlines()
    assert lines
    assert all(LINE.fullmatch(line) for line in lines), lines
    return str(caught.value).replace(f"{file}:", "")


def swapped(old: str, new: str, text: str = FULL) -> str:
    assert text.count(old) >= 1, old
    return text.replace(old, new, 1)


# ---------------------------------------------------------------- what is read


def test_every_key_of_the_contract_becomes_its_value(file: Path) -> None:
    got = load(file, FULL)
    assert got.path == str(file)
    assert got.journal == f"sqlite:{file.parent}/.lbmigrate/journal.db"
    bound, soft = got.bound, got.soft
    assert bound.migration == "web-2026"
    assert bound.names == ("www.example.com.", "api.example.com.")
    assert bound.a.run == (("kind", "service"), ("name", "haproxy"))
    assert bound.a.hostname == "lb-a.example.com."
    assert bound.b.addresses == ("192.0.2.20", "2001:db8::20")
    assert bound.b.run == (("kind", "process"), ("binary", "/usr/sbin/haproxy"))
    tsig = Tsig("lbmigrate-key", "hmac-sha256", "env:LBMIGRATE_TSIG")
    servers = ("192.0.2.53", "192.0.2.54:5300")
    assert bound.dns == (Dns("rfc2136", "example.com.", "192.0.2.53", 53, tsig, "auto", servers, 600.0),)
    assert bound.stages == tuple(map(Stage, (1, 5, 25, 50, 100)))
    assert bound.ttl == 60
    assert (soft.soak, soft.soak_limit, soft.cache_margin) == (300.0, 7200.0, 30.0)
    assert soft.gate == GateSpec(0.002, 0.01, 0.05, 0.01, 1.0)
    assert soft.retire == Retire(600.0, 0, 86400.0, False, False)
    assert (soft.probes[0].expect_status, soft.probes[0].expect_body) == (((200, 399),), "ok")


def test_what_the_file_leaves_out_takes_the_defaults_of_the_values(file: Path) -> None:
    got = load(file, LEAST)
    assert got.soft == Soft(probes=got.soft.probes)
    assert got.bound.dns == (Dns("rfc2136", "example.com.", "ns.example.com"),)
    assert got.bound.ttl is None
    assert got.journal == f"sqlite:{file.parent}/.lbmigrate/journal.db"
    assert got.soft.probes[0].url == "http://www.example.com/"


def test_names_may_be_left_to_be_found(file: Path) -> None:
    got = load(file, swapped("[www.example.com, api.example.com]", "{discover: [Example.com]}"))
    assert got.discover == ("example.com.",)
    assert got.bound.names == ()


def test_a_config_survives_the_journal(file: Path) -> None:
    got = load(file, FULL)
    assert from_json(Config, to_json(got)) == got


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30),
        ("10m", 600),
        ("1h30m", 5400),
        ("0", 0),
        ('"0"', 0),
        ("1.5s", 1.5),
        ("1m30s500ms", 90.5),
    ],
)
def test_durations(file: Path, text: str, seconds: float) -> None:
    assert load(file, swapped("soak: 5m", f"soak: {text}")).soft.soak == seconds


@pytest.mark.parametrize(
    "text", ["5", "-5s", "5 m", "m", "1m1h", "5d", "1s1s", "1e9s", "soon", "true", "[5m]", "", "1:30"]
)
def test_what_is_no_duration(file: Path, text: str) -> None:
    assert refusal(file, swapped("soak: 5m", f"soak: {text}")).startswith("26: soak: ")


def test_a_duration_without_unit_is_told_its_unit(file: Path) -> None:
    assert refusal(file, swapped("soak: 5m", "soak: 300")) == "26: soak: '300' is no duration; write 300s"


@pytest.mark.parametrize("text", ["1", "0.01", "0%", "100%", "-1%", "1 %", "one"])
def test_what_is_no_share(file: Path, text: str) -> None:
    assert refusal(file, swapped("alpha: 1%", f"alpha: {text}")).startswith("38: gate: alpha: ")


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ('"200-399"', ((200, 399),)),
        ('"200,301-302"', ((200, 200), (301, 302))),
        ("204", ((204, 204),)),
        ('"204"', ((204, 204),)),
        ("200, 301-302", None),
        ('"399-200"', None),
        ('"20"', None),
        ("600", None),
        ("2e2", None),
    ],
)
def test_status_ranges(file: Path, text: str, ranges: object) -> None:
    changed = swapped('"200-399"', text)
    if ranges is None:
        assert "32: " in refusal(file, changed) or "status" in refusal(file, changed)
    else:
        assert load(file, changed).soft.probes[0].expect_status == ranges


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Api.Example.COM", "api.example.com."),
        ("api.example.com.", "api.example.com."),
        ("bücher.example.com", "xn--bcher-kva.example.com."),
        (r"a\.b.example.com", r"a\.b.example.com."),
        ("_sip._tcp.example.com", "_sip._tcp.example.com."),
        ("example.com", "example.com."),
    ],
)
def test_names_take_one_form(file: Path, written: str, name: str) -> None:
    assert load(file, swapped("api.example.com", written)).bound.names[1] == name


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("www.example.com.", "listed twice"),
        ("WWW.example.com", "listed twice"),
        ("www.example.org", "in none of the zones under dns: (example.com.)"),
        ("wwwexample.com", "in none of the zones"),
        (r"a\.example.com", "in none of the zones"),
        ("a..example.com", "label is empty"),
        (".", "no DNS name"),
        ("x" * 64 + ".example.com", "63 octets"),
        (".".join(["x" * 60] * 3) + "." + "x" * 50 + ".example.com", "too long"),
        ("https://www.example.com/", "no DNS name"),
    ],
)
def test_names_that_cannot_be_moved(file: Path, written: str, words: str) -> None:
    text = refusal(file, swapped("api.example.com", f"'{written}'"))
    assert text.startswith("2: names: ")
    assert words in text


@pytest.mark.parametrize(
    ("written", "address"),
    [("2001:DB8:0:0::20", "2001:db8::20"), ("::1", "::1"), ("127.0.0.1", "127.0.0.1")],
)
def test_addresses_take_one_form(file: Path, written: str, address: str) -> None:
    assert load(file, swapped("2001:db8::20", written)).bound.b.addresses[1] == address


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("192.0.2.10", "A's too"),
        ("2001:0db8::0010", "A's too"),
        ("192.0.2.20", "twice"),
        ("192.0.2.300", "no IP address"),
        ("192.0.2.0/24", "no IP address"),
        ("0.0.0.0", "its own address"),
        ("224.0.0.1", "its own address"),
        ("fe80::1%eth0", "its own address"),
        ("::ffff:192.0.2.1", "write 192.0.2.1"),
    ],
)
def test_addresses_that_cannot_be_a_side(file: Path, written: str, words: str) -> None:
    text = refusal(file, swapped('"2001:db8::20"', f'"{written}"'))
    assert text.startswith("12: b: addresses: ")
    assert words in text


@pytest.mark.parametrize(
    ("written", "server"),
    [
        ("192.0.2.9:53", "192.0.2.9:53"),
        ("'[2001:DB8::9]:53'", "[2001:db8::9]:53"),
        ("'2001:DB8::9'", "2001:db8::9"),
        ("NS1.example.com", "ns1.example.com"),
        ("'ns1.example.com:5300'", "ns1.example.com:5300"),
    ],
)
def test_nameservers(file: Path, written: str, server: str) -> None:
    assert load(file, swapped('"192.0.2.54:5300"', written)).bound.dns[0].nameservers[1] == server


@pytest.mark.parametrize("written", ["'192.0.2.9:0'", "'ns1:x'", "'[192.0.2.1'", "'ns1:53:53'", "''", "192.0.2"])
def test_what_is_no_nameserver(file: Path, written: str) -> None:
    assert refusal(file, swapped('"192.0.2.54:5300"', written)).startswith("23: dns: nameservers: ")


@pytest.mark.parametrize(
    ("written", "transfer"),
    [
        ("{}", Transfer("192.0.2.53", 5353, Tsig("lbmigrate-key", "hmac-sha256", "env:LBMIGRATE_TSIG"))),
        (
            "{server: hidden.example.com, tsig: {name: k, secret: env:K}}",
            Transfer("hidden.example.com", 53, Tsig("k", "hmac-sha256", "env:K")),
        ),
        ("{port: 54}", Transfer("192.0.2.53", 54, Tsig("lbmigrate-key", "hmac-sha256", "env:LBMIGRATE_TSIG"))),
    ],
)
def test_a_transfer_takes_from_its_entry_what_it_is_not_given(file: Path, written: str, transfer: Transfer) -> None:
    text = swapped("    port: 53\n", f"    port: 5353\n    transfer: {written}\n")
    assert load(file, text).bound.dns[0].transfer == transfer


@pytest.mark.parametrize(
    ("stages", "weights"),
    [
        ("[100]", (Stage(100),)),
        ("[{weight: 5, soak: 10m, approve: true}, 100]", (Stage(5, 600.0, True), Stage(100))),
    ],
)
def test_stages(file: Path, stages: str, weights: tuple[Stage, ...]) -> None:
    assert load(file, swapped("[1, 5, 25, 50, 100]", stages)).bound.stages == weights


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ("[1, 5]", "end the list with 100"),
        ("[5, 5, 100]", "strictly ascending"),
        ("[50, 5, 100]", "5 follows 50"),
        ("[0, 100]", "from 1 to 100"),
        ("[101]", "from 1 to 100"),
        ("[true, 100]", "true or false, where a number belongs"),
        ("['5', 100]", "text, where a number belongs"),
        ("[5.0, 100]", "where a number belongs"),
        ("[]", "empty list"),
        ("100", "where a list belongs"),
        ("[{weigth: 5}, 100]", "did you mean `weight`?"),
    ],
)
def test_stages_that_are_no_plan(file: Path, stages: str, words: str) -> None:
    text = refusal(file, swapped("[1, 5, 25, 50, 100]", stages))
    assert text.startswith("25: stages: ")
    assert words in text


RUNS: list[tuple[str, Any]] = [
    ("{process: {}}", (("kind", "process"),)),
    (
        "{process: {binary: haproxy, args: [-n, '100 0'], pidfile: b.pid}}",
        (("kind", "process"), ("binary", "haproxy"), ("args", "-n '100 0'"), ("pidfile", "DIR/b.pid")),
    ),
    ("{process: {args: '-n  1000'}}", (("kind", "process"), ("args", "-n 1000"))),
    ("{command: {up: ./up, down: ./down}}", (("kind", "command"), ("up", "./up"), ("down", "./down"))),
]


@pytest.mark.parametrize(("run", "pairs"), RUNS)
def test_how_a_side_is_run(file: Path, run: str, pairs: tuple[tuple[str, str], ...]) -> None:
    wanted = tuple((key, text.replace("DIR", str(file.parent))) for key, text in pairs)
    assert load(file, swapped("{process: {binary: /usr/sbin/haproxy}}", run)).bound.b.run == wanted


@pytest.mark.parametrize("run", ["{}", "{service: x, process: {}}", "{command: {up: x}}", '{process: {args: "\'"}}'])
def test_how_no_side_is_run(file: Path, run: str) -> None:
    assert refusal(file, swapped("{process: {binary: /usr/sbin/haproxy}}", run)).startswith("15: b: run: ")


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("HTTPS://WWW.Example.com", "https://www.example.com/"),
        ("http://192.0.2.9:8080/x?y=1", "http://192.0.2.9:8080/x?y=1"),
        ("http://[2001:DB8::9]/", "http://[2001:db8::9]/"),
    ],
)
def test_urls_take_one_form(file: Path, written: str, url: str) -> None:
    assert load(file, swapped("https://www.example.com/healthz", f"'{written}'")).soft.probes[0].url == url


def test_headers_of_a_probe(file: Path) -> None:
    got = load(file, swapped("timeout: 2s", "headers: {X-Check: lb migrate, Accept: ''}"))
    assert got.soft.probes[0].headers == (("X-Check", "lb migrate"), ("Accept", ""))


def test_aliases_repeat_what_they_name(file: Path) -> None:
    got = load(file, swapped("soak_limit: 2h", "soak_limit: *five", swapped("soak: 5m", "soak: &five 5m")))
    assert got.soft.soak == got.soft.soak_limit == 300


def test_an_external_side_has_commands(file: Path) -> None:
    got = load(file, swapped("[192.0.2.2]", "[192.0.2.2], health: curl -f x, up: a up", LEAST))
    assert got.bound.b.commands == (("up", "a up"), ("health", "curl -f x"))


def test_relative_paths_start_at_the_file(file: Path) -> None:
    text = swapped("/etc/haproxy-b/haproxy.cfg", "b/haproxy.cfg")
    text = swapped("env:LBMIGRATE_TSIG", "file:keys/tsig", text)
    text = swapped("    rate: 10", "    rate: 10\n    ca: ca.pem", text)
    got = load(file, text)
    here = file.parent
    assert got.bound.b.config == f"{here}/b/haproxy.cfg"
    assert got.bound.dns[0].tsig is not None
    assert got.bound.dns[0].tsig.secret == f"file:{here}/keys/tsig"
    assert got.soft.probes[0].ca == f"{here}/ca.pem"


# ---------------------------------------------------------------- what is refused

REFUSED = [
    ("soak: 5m", "soek: 5m", "26: unknown key 'soek'; did you mean `soak`?"),
    ("rate: 10", "raet: 10", "32: probe: unknown key 'raet'; did you mean `rate`?"),
    ("migration: web-2026", "", "2: the key `migration` is missing; add it"),
    ("migration: web-2026", "migration:", "1: migration: has no value; give one, or remove the key"),
    ("migration: web-2026", "migration: 2026", "1: migration: '2026' reads as a number in YAML; put it in quotes"),
    (
        "migration: web-2026",
        "migration: !!int 5",
        "1: the tag 'tag:yaml.org,2002:int' is not used here; remove it",
    ),
    ("port: 53", "port: 53\n    port: 54", "21: duplicate key 'port' (first on line 20); remove one of them"),
    ("port: 53", "port: 65536", "20: dns: port: '65536' is no port; give a whole number from 1 to 65535"),
    ("driver: haproxy", "driver: haproxi", "4: a: driver: 'haproxi' is not known; did you mean haproxy?"),
    ("driver: haproxy", "driver: nginx", "4: a: driver nginx is not in this version; use one of haproxy, external, "),
    ("driver: haproxy", "driver: envoy", "4: a: driver envoy is not in this version; use one of haproxy, external, "),
    ("driver: haproxy", "driver: elbv2", "4: a: driver elbv2 needs the key `name`; add it"),
    ('  addresses: [192.0.2.10, "2001:db8::10"]\n', "", "4: a: driver haproxy needs the key `addresses`; add it"),
    ("driver: haproxy", "driver: server\n  ports: [80]", "4: a: driver server is not in this version"),
    ("driver: haproxy", "driver: haproxy\n  ports: [80]", "5: a: the key `ports` does not belong to driver haproxy"),
    ("driver: haproxy", "driver: haproxy\n  host: ssh://ops@lb2", "5: a: host is not in this version"),
    ("{service: haproxy}", "{container: lb}", "8: a: run: container is not in this version"),
    ("  socket: /run/haproxy/admin.sock\n", "", "4: a: driver haproxy needs the key `socket`; add it"),
    ("/etc/haproxy-b/haproxy.cfg", "/etc/haproxy/../haproxy/haproxy.cfg", "13: b: config is the same file as a's"),
    ("/run/haproxy-b/admin.sock", "/run/haproxy/admin.sock", "14: b: socket is the same file as a's"),
    ("/run/haproxy-b/admin.sock", "~/admin.sock", "14: b: socket: '~/admin.sock': `~` is a shell's word"),
    ("driver: rfc2136", "driver: route53", "19: dns: the key `server` does not belong to driver route53; remove it"),
    (
        "driver: rfc2136",
        "driver: route53\n    role: arn:x",
        "18: dns: role: 'arn:x' is no role's ARN",
    ),
    ("scheme: auto", "scheme: weighted", "22: dns: scheme"),
    ("scheme: auto", "zone_id: Z123", "22: dns: the key `zone_id` does not belong to driver rfc2136; remove it"),
    ("    server: 192.0.2.53\n", "", "17: dns: driver rfc2136 needs the key `server`"),
    ("algorithm: hmac-sha256", "algorithm: hmac-md5", "21: dns: tsig: algorithm: 'hmac-md5' is not known; "),
    (
        "[www.example.com, api.example.com]",
        "{discover: [example.net]}",
        "2: names: discover: example.net. has no entry",
    ),
    ("[www.example.com, api.example.com]", "{discover: []}", "2: names: discover: is an empty list"),
    ("[www.example.com, api.example.com]", "{}", "2: names: the key `discover` is missing"),
    ("metrics: []", "metrics: [{prometheus: x}]", "42: gate: metrics is not in this version"),
    ("notify: []", "notify: [env:SLACK_URL]", "45: notify is not in this version"),
    ("notify: []", "roll: {balancer: b, update: {command: x}}", "45: roll is not in this version"),
    ("notify: []", "roll: {balancer: b, update: {command: x}, batch: 0}", "45: roll: batch: '0' is no batch"),
    ("body: ok", "body: ''", "34: probe: expect: body: '' is empty or not printable"),
    ("/etc/haproxy/haproxy.cfg", "''", "6: a: config: an empty or unprintable path; name a file"),
    ("server: 192.0.2.53", "server: a b", "19: dns: server: 'a b' is no host name; write one like ns1.example.com"),
    ("rate: 10", "slow: 2s", "32: probe: slow is not below timeout (2 s), so nothing is ever only late; lower it"),
    ("rate: 10", "rate: 0", "32: probe: rate: '0' is no rate"),
    (
        "rate: 10",
        "rate: 251",
        "32: gate: a bucket of 251 pairs (rate 251 × glitch 1s) with margin 0.200% tells nothing",
    ),
    ("timeout: 2s", "timeout: 0", "33: probe: timeout: '0' is no time at all"),
    ("timeout: 2s", "method: POST", "33: probe: method: 'POST': probes only ask"),
    ("timeout: 2s", "headers: {Host: x}", "33: probe: headers: the header Host is the probe's own"),
    ("timeout: 2s", 'headers: {X-A: "a\\nb"}', "33: probe: headers: the value of header X-A is not plain ASCII"),
    ("timeout: 2s", 'headers: {"a b": c}', "33: probe: headers: 'a b' is no header name"),
    ("https://www.example.com/healthz", "ftp://www.example.com/", "31: probe: url: 'ftp://www.example.com/': write"),
    ("https://www.example.com/healthz", "https:///x", "31: probe: url: 'https:///x': write"),
    ("https://www.example.com/healthz", "https://h:x/", "31: probe: url: not a URL: "),
    ("https://www.example.com/healthz", "https://h/a b", "31: probe: url: the URL holds spaces"),
    ("ttl: 60s", "ttl: 500ms", "28: ttl: '500ms' is no TTL; give whole seconds, 1s or more"),
    ("keep: false", "keep: no", "43: retire: keep: is text, where true or false belongs; write it without quotes"),
    ("max_requests: 0", "max_requests: -1", "43: retire: max_requests: '-1' is no count"),
    ("journal: sqlite:", "journal: mysql:", "44: journal: not a journal; write sqlite:PATH"),
    ("sqlite:.lbmigrate/journal.db", "postgresql://h/d?ssl=1", "44: journal: the URL has an unknown key 'ssl'"),
    ("sqlite:.lbmigrate/journal.db", "postgresql:h", "44: journal: not a PostgreSQL URL; write postgresql://USER@"),
    ("sqlite:.lbmigrate/journal.db", "dynamodb://t", "44: journal: not a DynamoDB URL; write dynamodb://TABLE?"),
    ("journal: ", "  journal: ", "not YAML"),
    ("soak: 5m", "soak: *five", "26: not YAML: found undefined alias"),
    ("soak: 5m", "soak: &five [*five]", "26: an alias stands within what it names"),
    ("soak: 5m", "? [a]\n: 5m", "26: a key must be a word"),
    ("soak: 5m", "<<: {soak: 5m}", "26: unknown key '<<'"),
]


@pytest.mark.parametrize(("old", "new", "said"), REFUSED)
def test_every_refusal_names_its_line_and_the_way_out(file: Path, old: str, new: str, said: str) -> None:
    assert said in refusal(file, swapped(old, new))


def test_two_zones_may_not_be_one(file: Path) -> None:
    twice = swapped("stages:", "  - {driver: rfc2136, zone: EXAMPLE.com., server: ns}\nstages:")
    assert refusal(file, twice) == "25: dns: zone example.com. has two entries; keep one, or give each its own `view`"


INSIDE = '{driver: rfc2136, zone: example.com, server: ns, view: inside, addresses: [192.0.2.10, "192.0.2.20"]}'


def test_views_of_one_zone_are_entries_of_their_own(file: Path) -> None:
    text = swapped("zone: example.com", "zone: example.com\n    view: outside").replace(
        "stages:", f"  - {INSIDE}\nstages:"
    )
    outside, inside = load(file, text).bound.dns
    assert (outside.view, outside.addresses) == ("outside", ())
    assert (inside.view, inside.addresses) == ("inside", ("192.0.2.10", "192.0.2.20"))


VIEWS = [
    ("view: inside, ", "", "dns: zone example.com. has two entries; keep one, or give each its own `view`"),
    ("view: inside", "view: outside", "dns: zone example.com. has two entries for the view outside; keep one"),
    ("view: inside", "view: in side", "dns: view: 'in side' is no view's name; use letters"),
    ("192.0.2.10", "192.0.2.99", "dns: addresses: 192.0.2.99 is neither a's nor b's; correct it, or add it there"),
]


@pytest.mark.parametrize(("old", "new", "said"), VIEWS)
def test_views_that_cannot_be(file: Path, old: str, new: str, said: str) -> None:
    text = swapped("zone: example.com", "zone: example.com\n    view: outside")
    assert said in refusal(file, text.replace("stages:", f"  - {INSIDE.replace(old, new)}\nstages:"))


def test_an_address_that_no_view_shows_is_named(file: Path) -> None:
    text = swapped("zone: example.com", "zone: example.com\n    addresses: [192.0.2.10, 192.0.2.20]")
    said = refusal(file, text).splitlines()
    assert [line.partition(": ")[2] for line in said] == [
        "dns: addresses: 2001:db8::10 is shown by no entry; add it to one of them",
        "dns: addresses: 2001:db8::20 is shown by no entry; add it to one of them",
    ]


def test_all_findings_are_shown_in_the_order_of_the_file(file: Path) -> None:
    text = FULL.replace("soak: 5m", "soek: 5m").replace("port: 53", "port: x").replace("alpha: 1%", "alpha: 1")
    assert [line.split(":")[0] for line in refusal(file, text).splitlines()] == ["20", "26", "38"]


SECRETS = [
    ("env:LBMIGRATE_TSIG", "c2VjcmV0c2VjcmV0"),
    ("env:LBMIGRATE_TSIG", "[c2VjcmV0c2VjcmV0]"),
    ("env:LBMIGRATE_TSIG", "env:c2VjcmV0c2VjcmV0=="),
    ("env:LBMIGRATE_TSIG", "pass:c2VjcmV0c2VjcmV0"),
    ("{name: lbmigrate-key, algorithm: hmac-sha256, secret: env:LBMIGRATE_TSIG}", "k:c2VjcmV0c2VjcmV0"),
    ("https://www.example.com/healthz", "https://u:c2VjcmV0c2VjcmV0@h/"),
    ("timeout: 2s", "headers: {Authorization: Bearer c2VjcmV0c2VjcmV0}"),
    ("timeout: 2s", "headers: {X-Api-Key: c2VjcmV0c2VjcmV0}"),
    ("notify: []", "notify: [slack://c2VjcmV0c2VjcmV0]"),
    ("sqlite:.lbmigrate/journal.db", "postgresql://u:c2VjcmV0c2VjcmV0@h/d"),
    ("sqlite:.lbmigrate/journal.db", "redis://u:c2VjcmV0c2VjcmV0@h/d"),
]


@pytest.mark.parametrize(("old", "new"), SECRETS)
def test_a_secret_in_the_file_is_refused_and_never_repeated(file: Path, old: str, new: str) -> None:
    assert "c2VjcmV0" not in refusal(file, swapped(old, new))


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "1: the file holds no keys"),
        (b"- a", "1: the file holds no keys"),
        (b"a: 1\n---\nb: 2", "2: not YAML: expected a single document"),
        (b"a: 1\nb: \xff", "2: byte 0xff is not UTF-8"),
        (b"a: 1\nb: \x07", "2: not YAML"),
        (b"{" * 50_000, "1: nested more than 20 deep"),
        (b"- " * 50_000, "1: nested more than 20 deep"),
        (b"a" * ((1 << 20) + 1), "larger than"),
    ],
)
def test_files_that_are_no_config(file: Path, raw: bytes, said: str) -> None:
    file.write_bytes(raw)
    for read in (config.load, config.light):
        with pytest.raises(Usage, match=re.escape(said)):
            read(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Usage, match=r"No such file or directory; name the file with -c or LBMIGRATE_CONFIG$"):
        config.load(tmp_path / "none.yaml")
    with pytest.raises(Usage, match="Is a directory"):
        config.load(tmp_path)


def test_control_characters_of_the_file_do_not_reach_the_terminal(file: Path) -> None:
    text = refusal(file, swapped("migration: web-2026", r'migration: "\e[31mred\u0007"'))
    assert text.isprintable()
    text = refusal(file, swapped("soak: 5m", r'"\e[31mred": 5m'))
    assert text.isprintable()


# ---------------------------------------------------------------- any text at all

KEYS = sorted(FILE.fields)
ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.dates(),
    st.sampled_from(
        ["env:X", "5m", "1%", "haproxy", "rfc2136", "example.com", "192.0.2.1", "::1", "http://h", "9" * 400]
    ),
)
DEEP = st.recursive(
    ATOMS, lambda more: st.lists(more, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), more)
)


def check_any(directory: Path, text: str) -> None:
    path = directory / "any.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    for read in (config.load, config.light):
        try:
            got = str(read(path))
        except Usage as wrong:
            got = str(wrong)
        assert all(line.isprintable() for line in got.split("\n"))


ANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@ANY
@given(st.text(max_size=200))
def test_any_text_is_a_config_or_a_usage_error(tmp_path: Path, text: str) -> None:
    check_any(tmp_path, text)


@ANY
@given(st.sampled_from(KEYS), DEEP)
def test_any_value_of_any_key_is_a_config_or_a_usage_error(tmp_path: Path, key: str, value: Any) -> None:
    check_any(tmp_path, yaml.safe_dump({**yaml.safe_load(FULL), key: value}, allow_unicode=True))


@ANY
@given(
    st.integers(0, len(FULL) - 1), st.integers(0, 20), st.text(alphabet="[]{}:,-&*!%@#'\"\n \\09azé\x1b", max_size=6)
)
def test_any_slip_of_the_pen_is_a_config_or_a_usage_error(tmp_path: Path, at: int, cut: int, put: str) -> None:
    check_any(tmp_path, FULL[:at] + put + FULL[at + cut :])


# ---------------------------------------------------------------- the light reading


def test_light_agrees_with_load(file: Path) -> None:
    for text in (FULL, LEAST):
        got = load(file, text)
        assert config.light(file) == (got.bound.migration, got.journal)


def test_light_reads_on_when_the_rest_is_wrong(file: Path) -> None:
    file.write_text("migration: m\nstages: [0]\nunknown: 1\n")
    assert config.light(file) == ("m", f"sqlite:{file.parent}/.lbmigrate/journal.db")


@pytest.mark.parametrize("text", ["a: 1", "migration: 1", "migration: [m]", "migration: m\njournal: x", "migration: -"])
def test_light_refuses_what_it_needs(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(Usage):
        config.light(file)


def test_light_imports_nothing_that_status_may_not(file: Path) -> None:
    file.write_text(FULL)
    code = f"""
        import sys
        before = set(sys.modules)
        from lbmigrate import config
        config.light({str(file)!r})
        print(*sorted({{name.split('.')[0] for name in set(sys.modules) - before}}))
    """
    out = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    loaded = set(out.stdout.split())
    assert not loaded & {
        "yaml",
        "pathlib",
        "dns",
        "httpx",
        "ssl",
        "asyncio",
        "ipaddress",
        "difflib",
        "msgspec",
        "dataclasses",
    }


# ---------------------------------------------------------------- the schema and the pages


def schema_accepts(text: str) -> bool:
    return bool(jsonschema.Draft202012Validator(config.schema()).is_valid(yaml.safe_load(text)))


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(config.schema())


def test_the_schema_takes_what_load_takes(file: Path) -> None:
    for text in (FULL, LEAST, *(swapped("{process: {binary: /usr/sbin/haproxy}}", run) for run, _ in RUNS)):
        load(file, text)
        assert schema_accepts(text)


LATER = [
    (old, new) for old, new, said in REFUSED if "not in this version" in said
] + [
    ("notify: []", "roll: {balancer: b, update: {container: {image: x}}, batch: 25%, drain: 60s, "
     "health: {url: 'http://h/', rise: 3, timeout: 60s}, on_failure: restore}"),
    ("notify: []", "roll: {balancer: a, update: {command: 'ssh {host} x'}, batch: 1}"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), LATER)
def test_the_schema_knows_what_later_versions_do(file: Path, old: str, new: str) -> None:
    text = swapped(old, new)
    assert schema_accepts(text)
    lines = refusal(file, text).splitlines()
    assert any("not in this version" in line for line in lines)


@pytest.mark.parametrize(("old", "new"), [("soak:", "soek:"), ("port: 53", "port: 0"), ("soak: 5m", "soak: 5")])
def test_the_schema_refuses_too(old: str, new: str) -> None:
    assert schema_accepts(FULL)
    assert not schema_accepts(swapped(old, new))


def documented() -> list[Any]:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    found = []
    for page in filter(Path.exists, pages):
        for number, block in enumerate(re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.S | re.M)):
            found.append(pytest.param(block, id=f"{page.name}-{number}"))
    return found


@pytest.mark.parametrize("fragment", documented())
def test_every_config_in_the_docs_can_be_used(file: Path, fragment: str) -> None:
    """A whole file as it stands; a fragment in the place of the same keys of the full example."""
    given = yaml.safe_load(fragment)
    text = fragment if "migration" in given else yaml.safe_dump({**yaml.safe_load(FULL), **given})
    assert load(file, text)


def test_the_page_names_every_key() -> None:
    page = (ROOT / "docs" / "config.md").read_text()

    def keys(schema: Any) -> set[str]:
        if isinstance(schema, list):
            return set().union(*map(keys, schema))
        if not isinstance(schema, dict):
            return set()
        return set(schema.get("properties", {})) | set().union(*map(keys, schema.values()))

    assert {key for key in keys(config.schema()) if f"`{key}`" not in page and f"{key}:" not in page} == set()


# ---------------------------------------------------------------- the difference


def test_no_difference(file: Path) -> None:
    assert difference(load(file, FULL).bound, load(file, FULL).bound) == ()


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ("api.example.com", "www2.example.com", ("names: api.example.com. removed; www2.example.com. added",)),
        ("ttl: 60s", "", ("ttl: 60 → none",)),
        ("[1, 5, 25, 50, 100]", "[{weight: 50, soak: 1m}, 100]",
         ("stages: weight 1, weight 5, weight 25, weight 50, weight 100 → weight 50 soak 60.0, weight 100",)),
        ("192.0.2.20", "192.0.2.21", ("b.addresses: 192.0.2.20 removed; 192.0.2.21 added",)),
        ("{service: haproxy}", "{process: {}}", ("a.run.kind: service → process", "a.run.name: haproxy → none")),
        ("port: 53", "port: 54", ("dns.example.com.port: 53 → 54",)),
        ("env:LBMIGRATE_TSIG", "env:OTHER", ("dns.example.com.tsig.secret: env:LBMIGRATE_TSIG → env:OTHER",)),
        ("web-2026", "web-2027", ("migration: web-2026 → web-2027",)),
    ],
)  # fmt: skip
def test_the_difference_names_the_key(file: Path, old: str, new: str, lines: tuple[str, ...]) -> None:
    assert difference(load(file, FULL).bound, load(file, swapped(old, new)).bound) == lines


def test_what_a_provider_said_of_a_side_is_no_difference() -> None:
    config = replace(GIVEN.bound, a=replace(GIVEN_A, hostname="", families=()), b=replace(GIVEN_B, hostname=""))
    assert difference(GIVEN.bound, config) == ()
    other = replace(config, b=replace(config.b, place=(("name", "web-c"),)))
    assert "b.place.name: web-b → web-c" in difference(GIVEN.bound, other)


def test_an_order_that_changed_is_a_difference(file: Path) -> None:
    bound = load(file, FULL).bound
    turned = replace(bound, names=bound.names[::-1])
    assert difference(bound, turned) == (
        "names: www.example.com., api.example.com. → api.example.com., www.example.com.",
    )
    run = replace(bound.a, run=bound.a.run[::-1])
    assert difference(bound, replace(bound, a=run)) == ("a.run: the same in another order",)
