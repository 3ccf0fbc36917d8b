"""What the laboratory's balancers do: served on loopback, found by name and by alias, counted, and never otherwise."""

import socket
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path

import dns.message
import dns.query
import pytest
from migrations import until

from lbmigrate.lab.elb.parts import Balancers
from lbmigrate.lab.elb.plane import classic_conf, conf_of
from lbmigrate.lab.elb.state import World
from lbmigrate.lab.fake_config import Conf
from lbmigrate.lab.process import freeport
from lbmigrate.lab.route53 import parts
from lbmigrate.lab.scenario import Bounds, Expect, Scenario
from lbmigrate.lab.sides import Place, place

RECORDS = "$TTL 5\n@ IN SOA ns1 hostmaster 1 3600 600 86400 5\n@ IN NS ns1\nns1 IN A 127.0.0.1\n"


@pytest.fixture
def where(tmp_path: Path) -> Place:
    return place(Scenario("", "", Expect(0, "done", Bounds(), "moved", "retired", "running")), tmp_path)


@pytest.fixture(params=[False, True], ids=["application", "classic"])
def pair(where: Place, request: pytest.FixtureRequest) -> Iterator[Balancers]:
    one = Balancers(where, request.param)
    try:
        one.start()
        yield one
    finally:
        one.stop()


def asked(at: str, name: str) -> list[str]:
    host, _, port = at.rpartition(":")
    answer = dns.query.udp(dns.message.make_query(name, "A"), host, 2.0, int(port)).answer
    return [one.to_text() for rrset in answer for one in rrset]


def status(address: str, port: int) -> int:
    connection = HTTPConnection(address, port, timeout=5)
    connection.request("GET", "/")
    try:
        return connection.getresponse().status
    finally:
        connection.close()


def test_it_serves_by_name_and_by_alias_and_fails_when_told(pair: Balancers, tmp_path: Path) -> None:
    address, (host, zone) = pair.place.a[0], pair.located()
    assert asked(pair.dns, host) == [address]
    until(lambda: status(address, pair.place.port) == 200, "A to find its targets healthy")
    api, server = (f"127.0.0.1:{freeport('127.0.0.1')}" for _ in range(2))
    route53 = parts.process(tmp_path, api, (server,), RECORDS, "lab.test")
    route53.start()
    try:
        route53.wait(lambda: "ready\n" in route53.output())
        parts.alias(api, ["www.lab.test."], host, zone)
        assert asked(server, "www.lab.test") == []
        pair.told(api)
        until(lambda: asked(server, "www.lab.test") == [address], "the alias to lead to A")
        assert f"www.lab.test. 60 IN CNAME {host.lower()}." in parts.zone(api)
    finally:
        route53.stop()
    pair.fails("a", 100)
    until(lambda: status(address, pair.place.port) == 500, "A to fail")
    assert (pair.host("a"), pair.host("b"), pair.pid("b")) == (f"{host.lower()}.", "", None)


def test_names_are_told_again_where_route_53_was_not_there(pair: Balancers) -> None:
    port = freeport("127.0.0.1")
    pair.told(f"127.0.0.1:{port}")
    with socket.create_server(("127.0.0.1", port)) as heard:
        heard.settimeout(10)
        talk, _ = heard.accept()
        with talk:
            assert b"PUT /lab/balancers" in talk.recv(65536)
            talk.sendall(b"HTTP/1.1 204 -\r\nContent-Length: 0\r\n\r\n")
    assert status(pair.place.a[0], pair.place.port) == 200


def test_a_classic_one_is_made_again_of_its_instances_and_follows_their_health() -> None:
    world = World(lambda: 0.0, instances={"i-0": ("127.0.0.9", 81), "i-1": ("127.0.0.9", 82)})
    listeners = [
        {"Protocol": "HTTP", "InstanceProtocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 8080},
        {"Protocol": "HTTPS", "InstanceProtocol": "HTTP", "LoadBalancerPort": 443, "InstancePort": 8080},
        {"Protocol": "HTTP", "InstanceProtocol": "HTTPS", "LoadBalancerPort": 81, "InstancePort": 8443},
    ]
    there = {
        "ListenerDescriptions": [{"Listener": one} for one in listeners],
        "HealthCheck": {"Target": "HTTP:8080/up"}, "Instances": [{"InstanceId": "i-0"}, {"InstanceId": "i-1"}],
    }  # fmt: skip
    front, pool = classic_conf(world, there, ("127.0.0.8",)).proxies
    assert (front.binds, front.target, pool.uri) == ((("127.0.0.8", 80),), pool.name, "/up")
    assert [(one.name, one.host, one.port) for one in pool.servers] == [
        ("i-0:8080", "127.0.0.9", 81), ("i-1:8080", "127.0.0.9", 82),
    ]  # fmt: skip
    world.down = {("127.0.0.9", 82)}
    assert (world.ill("i-0", 8080), world.ill("i-1", None)) == (False, True)


def held(change: Callable[[World], None]) -> Conf:
    """What a listener of an account comes to, after a change."""
    arn = "arn:lb"
    world = World(lambda: 0.0)
    group = {"TargetGroupArn": "arn:g", "Weight": 1}
    listener = {"LoadBalancerArn": arn, "ListenerArn": "arn:l", "Protocol": "HTTP", "Port": 80}
    world.listeners["arn:l"] = {
        **listener,
        "DefaultActions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": [group]}}],
    }
    world.groups["arn:g"] = {"TargetType": "ip", "HealthCheckPath": "/up"}
    world.targets["arn:g"] = {
        ("127.0.0.9", 81): {"target": {"Id": "127.0.0.9", "Port": 81}, "since": 0.0, "left": None}
    }
    change(world)
    return conf_of(world, {"LoadBalancerArn": arn}, ("127.0.0.8",))


def test_a_listener_forwards_to_its_targets() -> None:
    front, pool = held(lambda _: None).proxies
    assert (front.binds, front.target, pool.uri) == ((("127.0.0.8", 80),), pool.name, "/up")
    assert [(one.host, one.port, one.check) for one in pool.servers] == [("127.0.0.9", 81, True)]
    assert held(lambda world: world.targets["arn:g"]["127.0.0.9", 81].update(left=1.0)).proxies[1].servers == ()


@pytest.mark.parametrize(
    "change",
    [
        lambda world: world.listeners["arn:l"].update(Protocol="HTTPS"),
        lambda world: world.listeners["arn:l"].update(DefaultActions=[{"Type": "fixed-response"}]),
        lambda world: world.rules.update({"arn:r": {"_listener": "arn:l"}}),
    ],
)
def test_what_would_do_something_else_is_not_served(change: Callable[[World], None]) -> None:
    assert held(change) == Conf(())
