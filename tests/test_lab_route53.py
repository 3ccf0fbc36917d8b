"""The laboratory's Route 53 beside its API's rules: what its name servers answer; time, faults, hostile requests."""

import http.client
import json
import math
import random
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest
from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]
from route53s import (
    CHECK,
    WWW,
    ZONE,
    A,
    B,
    Ground,
    Set,
    address,
    alias,
    client,
    code,
    create,
    simple,
    weighted,
)

from lbmigrate.dns.route53 import names
from lbmigrate.errors import Failed
from lbmigrate.lab.dnsserver import split
from lbmigrate.lab.process import Process, environment, freeport
from lbmigrate.lab.route53 import sets, values
from lbmigrate.lab.route53.errors import ApiError
from lbmigrate.lab.route53.server import Edge, running
from lbmigrate.lab.route53.world import KEY_ID

DRAWN = 20_000
SIX = "2001:db8::10"


class Lab(Ground):
    """A client beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.world.checks.add(CHECK)
        self.client = client(self.at)

    def close(self) -> None:
        self.client.close()

    def change(self, *given: tuple[str, Set]) -> str:
        changes = [{"Action": action, "ResourceRecordSet": one} for action, one in given]
        done = self.client.change_resource_record_sets(HostedZoneId=self.zone, ChangeBatch={"Changes": changes})
        found: str = done["ChangeInfo"]["Id"]
        return found

    def status(self, change: str) -> str:
        found: str = self.client.get_change(Id=change)["ChangeInfo"]["Status"]
        return found

    def ask(self, name: str, rtype: str = "A", server: int = 0, tcp: bool = False) -> dns.message.Message:
        """One query over a socket."""
        query = dns.message.make_query(name, rtype, flags=0)
        return (dns.query.tcp if tcp else dns.query.udp)(query, self.host, 5, split(self.servers[server])[1])

    def answers(self, name: str = WWW, rtype: str = "A", count: int = 1) -> Counter[tuple[str, ...]]:
        """What `count` queries are answered with, without a socket."""
        wire = dns.message.make_query(name, rtype, flags=0).to_wire()
        edge = Edge(self.world, self.zone, 0)
        replies = Counter(edge.datagram(wire) for _ in range(count))
        found: Counter[tuple[str, ...]] = Counter()
        for reply, times in replies.items():
            assert reply is not None
            found[texts(dns.message.from_wire(reply))] += times
        return found


def texts(message: dns.message.Message) -> tuple[str, ...]:
    return tuple(sorted(rdata.to_text() for rrset in message.answer for rdata in rrset))


@pytest.fixture
def lab() -> Iterator[Lab]:
    one = Lab()
    with one.serving():
        yield one


@pytest.fixture
def world() -> Lab:
    """Without a socket."""
    return Lab()


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize("weight", [1, 25, 50, 99])
def test_answers_follow_the_weights(world: Lab, weight: int) -> None:
    world.fill(weighted(WWW, 100 - weight, A, "a"), weighted(WWW, weight, B, "b"))
    random.seed(weight)
    seen = world.answers(count=DRAWN)
    share = weight / 100
    assert abs(seen[(B,)] - DRAWN * share) <= 4 * math.sqrt(DRAWN * share * (1 - share))
    assert seen.total() == DRAWN == seen[(A,)] + seen[(B,)]


def test_all_zero_is_equal_and_zero_beside_others_is_never(world: Lab) -> None:
    world.fill(*[weighted(WWW, 0, f"192.0.2.{n}", f"s{n}") for n in range(4)],
               weighted(f"x.{ZONE}", 0, A, "a"), weighted(f"x.{ZONE}", 1, B, "b"))  # fmt: skip
    random.seed(1)
    equal = world.answers(count=4000)
    assert len(equal) == 4
    assert min(equal.values()) > 1000 - 4 * math.sqrt(750)
    assert world.answers(f"x.{ZONE}", count=1000) == {(B,): 1000}


def test_one_of_weight_zero_serves_when_no_other_is_healthy(world: Lab) -> None:
    failing = {**weighted(WWW, 9, A, "a"), "HealthCheckId": CHECK}
    world.fill(failing, weighted(WWW, 0, B, "b"))
    assert world.answers(count=50) == {(A,): 50}
    world.set(unhealthy=(CHECK,))
    assert world.answers(count=50) == {(B,): 50}


def test_where_none_is_healthy_all_are(world: Lab) -> None:
    world.fill({**weighted(WWW, 9, A, "a"), "HealthCheckId": CHECK})
    world.set(unhealthy=(CHECK,))
    assert world.answers(count=5) == {(A,): 5}


def test_failover_and_multivalue(world: Lab) -> None:
    world.fill(
        {**simple(WWW, A), "SetIdentifier": "z", "Failover": "PRIMARY", "HealthCheckId": CHECK},
        {**simple(WWW, B), "SetIdentifier": "a", "Failover": "SECONDARY"},
        *[{**simple(f"m.{ZONE}", f"192.0.2.{n}"), "SetIdentifier": f"{n}", "MultiValueAnswer": True} for n in range(9)],
    )
    assert set(world.answers()) == {(A,)}
    assert [len(found) for found in world.answers(f"m.{ZONE}")] == [8]
    world.set(unhealthy=(CHECK,))
    assert set(world.answers()) == {(B,)}


def test_aliases_answer_as_their_targets_do(lab: Lab) -> None:
    balancer = {"HostedZoneId": "Z35SXDOTRQ7X7K", "DNSName": "lb-1.elb.amazonaws.com", "EvaluateTargetHealth": False}
    lab.world.balancers["lb-1.elb.amazonaws.com."] = (A, SIX)
    lab.fill(
        simple(WWW, A, B, ttl=7), alias(lab.zone, f"x.{ZONE}", WWW), alias(lab.zone, f"y.{ZONE}", f"x.{ZONE}"),
        *[{"Name": ZONE, "Type": rtype, "AliasTarget": balancer} for rtype in ("A", "AAAA")],
        {"Name": f"none.{ZONE}", "Type": "A", "AliasTarget": {**balancer, "DNSName": "gone.elb.amazonaws.com"}},
    )  # fmt: skip
    found = lab.ask(f"y.{ZONE}")
    assert (texts(found), found.answer[0].ttl) == ((A, B), 7)
    assert (texts(lab.ask(ZONE)), lab.ask(ZONE).answer[0].ttl) == ((A,), 60)
    assert texts(lab.ask(ZONE, "AAAA")) == (SIX,)
    assert not lab.ask(f"none.{ZONE}").answer


def test_a_weighted_alias_draws_among_its_targets(world: Lab) -> None:
    inner = [weighted(f"in.{ZONE}", 1, A, "a"), weighted(f"in.{ZONE}", 1, B, "b")]
    outer = {**alias(world.zone, WWW, f"in.{ZONE}"), "SetIdentifier": "in", "Weight": 1}
    world.fill(*inner, outer, weighted(WWW, 1, "192.0.2.30", "own"))
    random.seed(1)
    seen = world.answers(count=4000)
    for one, share in ((A, 0.25), (B, 0.25), ("192.0.2.30", 0.5)):
        assert abs(seen[(one,)] - 4000 * share) <= 4 * math.sqrt(4000 * share * (1 - share))


def test_names_wildcards_and_weighted_aliases_over_both_transports(lab: Lab) -> None:
    cname = {**simple(f"c.{ZONE}", WWW, rtype="CNAME"), "SetIdentifier": "c", "Weight": 1}
    other = {**simple(f"c.{ZONE}", f"in.{ZONE}", rtype="CNAME"), "SetIdentifier": "d", "Weight": 0}
    lab.fill(simple(WWW, A), simple(f"*.{ZONE}", B), cname, other, simple(f"t.{ZONE}", r'"a\052b" "c"', rtype="TXT"),
             simple(f"m.{ZONE}", "10 mail.example.net", rtype="MX"))  # fmt: skip
    for tcp in (False, True):
        assert texts(lab.ask("any.thing." + ZONE, tcp=tcp)) == (B,)
        assert texts(lab.ask(f"c.{ZONE}", tcp=tcp))[0] in (WWW, A)
        assert texts(lab.ask(f"t.{ZONE}", "TXT", tcp=tcp)) == ('"a*b" "c"',)
        assert texts(lab.ask(f"m.{ZONE}", "MX", tcp=tcp)) == ("10 mail.example.net.",)
    assert lab.ask(ZONE, "SOA").flags & dns.flags.AA
    assert lab.ask("www.example.net.").rcode() == dns.rcode.REFUSED
    assert lab.ask(ZONE, "AXFR", tcp=True).rcode() == dns.rcode.REFUSED


def test_a_latency_set_is_answered_by_the_first_identifier(world: Lab) -> None:
    world.fill(*[{**simple(WWW, one), "SetIdentifier": one, "Region": region} for one, region in
                 ((B, "eu-west-1"), (A, "us-east-1"))])  # fmt: skip
    assert set(world.answers()) == {(A,)}


# ---------------------------------------------------------------- time and faults


def test_a_change_is_served_and_in_sync_when_its_time_has_passed(lab: Lab) -> None:
    lab.fill(simple(WWW, A))
    lab.set(pending=30.0, lag=(0.0, 20.0))
    change = lab.change(("DELETE", simple(WWW, A)), ("CREATE", simple(WWW, B)))
    assert (lab.status(change), texts(lab.ask(WWW))) == ("PENDING", (A,))
    lab.clock.now += 30
    assert lab.status(change) == "INSYNC"
    assert [texts(lab.ask(WWW, server=server)) for server in (0, 1)] == [(B,), (A,)]
    lab.clock.now += 20
    assert texts(lab.ask(WWW, server=1)) == (B,)


@pytest.mark.parametrize(("fault", "served"), [({"stuck": True}, True), ({"pending": None}, False)])
def test_pending_for_ever_served_or_not(lab: Lab, fault: dict[str, Any], served: bool) -> None:
    lab.set(**fault)
    change = lab.change(*create(simple(WWW, A)))
    lab.clock.now += 1e6
    assert lab.status(change) == "PENDING"
    assert bool(lab.ask(WWW).answer) is served


@pytest.mark.parametrize("fault", ["lost", "unheard"])
def test_a_lost_answer_was_applied_and_an_unheard_request_was_not(lab: Lab, fault: str) -> None:
    lab.set(**{fault: 1})
    with pytest.raises(BotoCoreError):
        lab.change(*create(simple(WWW, A)))
    assert bool(lab.ask(WWW).answer) is (fault == "lost")
    assert code(lambda: lab.change(*create(simple(f"x.{ZONE}", A)))) == "taken"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"throttled": 1}, "Throttling"),
        ({"expired": True}, "ExpiredToken"),
        ({"denied": ("CREATE",)}, "AccessDenied"),
        ({"denied": ("ChangeResourceRecordSets",)}, "AccessDenied"),
        ({"protected": (WWW,)}, "InvalidChangeBatch"),
    ],
)
def test_what_a_change_is_refused_with(lab: Lab, fault: dict[str, Any], said: str) -> None:
    lab.set(**fault)
    assert code(lambda: lab.change(*create(simple(WWW, A)))) == said
    lab.set()
    assert code(lambda: lab.change(*create(simple(WWW, A)))) == "taken"


def test_a_zone_is_busy_with_its_last_change(lab: Lab) -> None:
    lab.set(busy=2.0)
    lab.change(*create(simple(WWW, A)))
    assert code(lambda: lab.change(*create(simple(f"x.{ZONE}", A)))) == "PriorRequestNotComplete"
    lab.clock.now += 2
    assert code(lambda: lab.change(*create(simple(f"x.{ZONE}", A)))) == "taken"


def test_boto3_itself_gets_over_a_burst_of_throttling(lab: Lab) -> None:
    patient = client(lab.at, attempts=3)
    lab.set(throttled=1)
    assert patient.get_hosted_zone(Id=lab.zone)["HostedZone"]["Name"] == ZONE
    assert lab.world.calls == ["GetHostedZone"] * 2
    patient.close()


# ---------------------------------------------------------------- hostile and wrong requests


def raw(lab: Lab, method: str, path: str, body: bytes = b"", key: str = KEY_ID) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(lab.at, timeout=5)
    scope = f"{key}/20260101/us-east-1/route53/aws4_request"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"} if key else {}
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


REQUEST = f'<ChangeResourceRecordSetsRequest xmlns="{sets.NAMESPACE}">%s</ChangeResourceRecordSetsRequest>'
CHANGE = REQUEST % "<ChangeBatch><Changes><Change>%s</Change></Changes></ChangeBatch>"
SET = CHANGE % "<Action>CREATE</Action><ResourceRecordSet><Name>a</Name>%s</ResourceRecordSet>"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no xml",
        '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        "<ChangeResourceRecordSetsRequest/>",
        REQUEST % "",
        REQUEST % "<ChangeBatch/>",
        REQUEST % "<ChangeBatch><Changes/></ChangeBatch>",
        CHANGE % "<Action>REPLACE</Action><ResourceRecordSet/>",
        CHANGE % "<Action>CREATE</Action>",
        SET % "<Odd/>",
        SET % "",
        SET % "<Type>X</Type>",
        SET % "<Type>A</Type><TTL>x</TTL>",
        SET % "<Type>A</Type><AliasTarget/>",
        SET % "<Type>A</Type><SetIdentifier>a</SetIdentifier><Weight>1</Weight><Region>eu-west-1</Region>"
        "<TTL>1</TTL><ResourceRecords><ResourceRecord><Value>192.0.2.1</Value></ResourceRecord></ResourceRecords>",
    ],
)
def test_what_is_no_request_is_invalid_input(lab: Lab, body: str) -> None:
    status, answer = raw(lab, "POST", f"/2013-04-01/hostedzone/{lab.zone}/rrset/", body.encode())
    assert status == 400
    assert b"<Code>InvalidInput</Code>" in answer


@pytest.mark.parametrize(
    ("key", "path", "status", "said"),
    [
        (KEY_ID, "/2013-04-01/cidrcollection", 400, b"InvalidInput"),
        (KEY_ID, "/2013-04-01/hostedzone?maxitems=0", 400, b"InvalidInput"),
        (KEY_ID, "/2013-04-01/hostedzonesbyname?hostedzoneid=Z1", 400, b"InvalidInput"),
        (KEY_ID, "/2013-04-01/hostedzonesbyname?dnsname=a..b", 400, b"InvalidDomainName"),
        ("AKIANOBODY", "/2013-04-01/hostedzone", 403, b"InvalidClientTokenId"),
        ("", "/2013-04-01/hostedzone", 403, b"MissingAuthenticationToken"),
    ],
)
def test_other_requests_that_are_refused(lab: Lab, key: str, path: str, status: int, said: bytes) -> None:
    assert raw(lab, "GET", path, key=key)[0] == status
    assert said in raw(lab, "GET", path, key=key)[1]


def test_a_place_is_listed_as_one_element(lab: Lab) -> None:
    lab.fill({**simple(WWW, A), "SetIdentifier": "g", "GeoLocation": {"CountryCode": "US", "SubdivisionCode": "CA"}})
    assert raw(lab, "GET", f"/2013-04-01/hostedzone/{lab.zone}/rrset")[1].count(b"<GeoLocation>") == 1


@pytest.mark.parametrize("first", [b"\x00\xff\r\n\r\n", b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"])
def test_what_is_no_http_closes_the_connection(lab: Lab, first: bytes) -> None:
    with socket.create_connection(split(lab.at), 5) as connection:
        connection.sendall(first)
        assert connection.recv(100) == b""


def test_a_zone_needs_a_name_and_a_reference_of_its_own(lab: Lab) -> None:
    made = {"Name": "new.test", "CallerReference": "two", "HostedZoneConfig": {"Comment": "new"}}
    assert lab.client.create_hosted_zone(**made)["HostedZone"]["Config"]["Comment"] == "new"
    assert code(lambda: lab.client.create_hosted_zone(**made)) == "HostedZoneAlreadyExists"
    assert code(lambda: lab.client.create_hosted_zone(Name="a..b", CallerReference="x")) == "InvalidDomainName"
    assert code(lambda: lab.client.create_hosted_zone(Name="c.test")) == "InvalidInput"


@pytest.mark.parametrize("text", ["", ".", "a..b", "x" * 64, r"a\9", "ä€.test"])
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"label|escape|ASCII"):
        names.parse(text)


@pytest.mark.parametrize(("rtype", "text"), [("A", "::1"), ("AAAA", "1.2.3.4"), ("MX", "mail"), ("TXT", '"a" b')])
def test_what_is_no_value(rtype: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"Illegal|InvalidCharacterString"):
        values.rdata(rtype, text)


def test_a_zone_is_not_filled_with_what_cannot_be(world: Lab) -> None:
    with pytest.raises(ApiError, match="apex"):
        world.fill(simple(ZONE, WWW, rtype="CNAME"))


# ---------------------------------------------------------------- the process


def test_the_process_serves_a_file_and_takes_faults(tmp_path: Path) -> None:
    host = address()
    api, server = (f"{host}:{freeport(host)}" for _ in range(2))
    zone = {"name": ZONE, "id": "ZLAB", "servers": [server], "records": [weighted(WWW, 1, A, "a")]}
    file = tmp_path / "zones.json"
    file.write_text(json.dumps({"zones": [zone, {"name": ZONE, "private": True}]}))
    argv = [sys.executable, "-m", "lbmigrate.lab.route53.server", "--listen", api, "--zones", str(file)]
    process = Process(argv, tmp_path / "log", environment())
    process.start()
    one = client(api)
    try:
        process.wait(lambda: "ready\n" in process.output(), 20)
        assert len(one.list_hosted_zones()["HostedZones"]) == 2
        assert texts(dns.query.udp(dns.message.make_query(WWW, "A"), host, 5, split(server)[1])) == (A,)
        assert put(api, b'{"expired": true}') == 204
        assert code(lambda: one.get_hosted_zone(Id="ZLAB")) == "ExpiredToken"
        with pytest.raises(http.client.HTTPException):
            put(api, b'{"odd": 1}')
    finally:
        one.close()
        process.stop()


def put(api: str, body: bytes) -> int:
    connection = http.client.HTTPConnection(api, timeout=5)
    try:
        connection.request("PUT", "/lab/faults", body)
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_port_that_is_taken_is_told(lab: Lab) -> None:
    other = Lab()
    with pytest.raises(Failed, match="listening on"), running(other.world, other.at, {other.zone: lab.servers}):
        pass
    with pytest.raises(OSError, match="in use"), running(other.world, lab.at, {}):
        pass
    other.client.close()
