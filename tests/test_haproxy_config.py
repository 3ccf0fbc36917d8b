"""The file written for B: what is replaced, what stays as it is, what is refused and by which name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmigrate.balancers.haproxy_config import Rendered, Target, render
from lbmigrate.balancers.haproxy_servers import options, written
from lbmigrate.balancers.haproxy_text import parse, proxies
from lbmigrate.errors import Refused

A = ("192.0.2.10", "192.0.2.11", "2001:db8::10")
TARGET = Target(("192.0.2.20", "192.0.2.21", "2001:db8::20"), "/b/h.cfg", "/b/admin.sock", "/b/pid")
PRIVATE = TARGET.private()
ADMIN = "global\n  stats socket /a/admin.sock mode 660 user ops level admin expose-fd listeners\n"
V4, V6 = "192.0.2.20:80,192.0.2.21:80", "[2001:db8::20]:80"


def carried(*lines: str, head: str = ADMIN, old: tuple[str, ...] = A, target: Target = TARGET) -> Rendered:
    return render(head + "frontend web\n" + "\n".join(lines) + "\n", old, target)


def body(*lines: str, head: str = ADMIN, old: tuple[str, ...] = A, target: Target = TARGET) -> list[str]:
    text = carried(*lines, head=head, old=old, target=target).text
    return text.partition("frontend web\n")[2].rstrip("\n").split("\n")


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("bind 192.0.2.10:80", f"bind {V4}"),
        ("  bind   192.0.2.10:80   ssl crt /x.pem # why", f"  bind   {V4}   ssl crt /x.pem # why"),
        ('bind "192.0.2.10:80"', f"bind {V4}"),
        ("bind ipv4@192.0.2.11:80", f"bind {V4}"),
        ("bind 192.0.2.10:80,192.0.2.11:80", f"bind {V4}"),
        ("bind *:80", f"bind {V4}"),
        ("bind :80", f"bind {V4}"),
        ("bind 0.0.0.0:80", f"bind {V4}"),
        ("bind :::80 v6only", f"bind {V6} v6only"),
        ("bind [::]:80 v4v6", f"bind {V4},{V6} v4v6"),
        ("bind :::80", f"bind {V4},{V6}"),
        ("bind ipv6@:80 v6only", f"bind {V6} v6only"),
        ("bind 2001:db8::10:80", f"bind {V6}"),
        ("bind [2001:DB8:0::10]:80", f"bind {V6}"),
        ("bind 192.0.2.10:80,2001:db8::10:80", f"bind {V4},{V6}"),
        ("bind 192.0.2.10:8000-8010", "bind 192.0.2.20:8000-8010,192.0.2.21:8000-8010"),
        ("bind quic4@:443", "bind quic4@192.0.2.20:443,quic4@192.0.2.21:443"),
        ("bind 127.0.0.1:8404", f"bind {PRIVATE}:8404"),
        ("bind [::1]:8404", f"bind {PRIVATE}:8404"),
        ("stats socket /run/other.sock level operator", "stats socket /b/admin.sock.2 level operator"),
        ("stats socket 127.0.0.1:9999 level admin", f"stats socket ipv4@{PRIVATE}:9999 level admin"),
        ("pidfile /run/h.pid", "pidfile /b/pid"),
        ("server-state-file /var/state", "server-state-file /b/h.cfg.server-state"),
        ('http-request set-header X "192.0.2.100 is not A"', 'http-request set-header X "192.0.2.100 is not A"'),
        ("# bind 192.0.2.10:80", "# bind 192.0.2.10:80"),
        ("server s 192.0.2.10:9001", "server s 192.0.2.10:9001"),
        ('acl x path_reg "^/\\$a[0-9]$"', 'acl x path_reg "^/\\$a[0-9]$"'),
        ("unix-bind mode 600", "unix-bind mode 600"),
    ],
)
def test_a_line_becomes(line: str, wanted: str) -> None:
    assert body(line) == [wanted]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("bind 10.0.0.5:80", "10.0.0.5 is none of A's addresses"),
        ("bind lb.example.com:80", "is no IP address and port"),
        ("bind 192.0.2.10", "is no IP address and port"),
        ("bind 192.0.2.10:0", "is no port or range"),
        ("bind 192.0.2.10:90-80", "is no port or range"),
        ("bind /run/x.sock", "two processes cannot both have /run/x.sock"),
        ("bind unix@/run/x.sock", "two processes cannot both have"),
        ("bind abns@offload", "two processes cannot both have"),
        ("bind fd@3", "two processes cannot both have"),
        ('bind "$ADDRESS:80"', "environment variable"),
        ('log-format "${NOWHERE_SET}"', "NOWHERE_SET is set in A's environment only"),
        ("acl own dst 192.0.2.10", "names A's own address 192.0.2.10"),
        ("acl own dst 192.0.2.10/32", "names A's own address 192.0.2.10"),
        ("acl own dst 2001:db8::10", "names A's own address 2001:db8::10"),
        ("source 192.0.2.11", "names A's own address 192.0.2.11"),
        ("peers friends", "two processes cannot be the same peer"),
        ("program daemon", "run twice"),
        ("dgram-bind :514", "UDP log listeners"),
        ("unix-bind prefix /x", "moves every socket path"),
        ("backing-file /var/ring", "cannot write the same ring"),
        ("stats socket 0.0.0.0:9999 level admin", "open to the network"),
    ],
)
def test_a_line_is_refused_by_number_and_text(line: str, why: str) -> None:
    with pytest.raises(Refused) as wrong:
        carried(line)
    assert why in str(wrong.value)
    assert "line 4 `" in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_as_own_port_on_another_server_line_is_refused() -> None:
    with pytest.raises(Refused, match="names A's own address"):
        carried("bind 192.0.2.10:80", "server self 192.0.2.10:80")


def test_several_addresses_of_a_collapse_to_one_set() -> None:
    text = body("bind 192.0.2.10:80", "bind 192.0.2.11:80", "bind 192.0.2.10:443 ssl crt x")
    assert text == [
        f"bind {V4}",
        "  # on this side the same as a line above: bind 192.0.2.11:80",
        "bind 192.0.2.20:443,192.0.2.21:443 ssl crt x",
    ]


@pytest.mark.parametrize("second", ["bind 192.0.2.11:80 accept-proxy", "frontend other\nbind 192.0.2.11:80"])
def test_addresses_that_serve_different_things_are_refused(second: str) -> None:
    with pytest.raises(Refused, match="B cannot tell A's addresses apart"):
        carried("bind 192.0.2.10:80", *second.split("\n"))


def test_more_and_fewer_addresses() -> None:
    one = Target(("192.0.2.20",), "/b/h.cfg", "/b/s", "/b/p")
    assert body("bind 192.0.2.10:80,192.0.2.11:80", target=one) == ["bind 192.0.2.20:80"]
    with pytest.raises(Refused, match="B has no IPv6 address"):
        carried("bind 2001:db8::10:80", target=one)
    with pytest.raises(Refused, match="B has no IPv6 address"):
        carried("bind :::80", target=one)
    assert body("bind :::80", old=A[:2], target=one) == ["bind 192.0.2.20:80"]


def test_what_listens_on_loopback_moves_with_what_speaks_to_it() -> None:
    found = carried("bind 127.0.0.1:8443", "backend b", "server s 127.0.0.1:8443 send-proxy", "server t 127.0.0.1:1")
    assert f"server s {PRIVATE}:8443 send-proxy\nserver t 127.0.0.1:1\n" in found.text
    assert found.here("127.0.0.1", 8443) == PRIVATE
    assert found.here("127.0.0.1", 1) == "127.0.0.1"


def test_loopback_addresses_that_are_as_own_are_as() -> None:
    target = Target(("127.0.0.3",), "/b/h.cfg", "/b/s", "/b/p")
    assert body("bind 127.0.0.2:80", old=("127.0.0.2",), target=target) == ["bind 127.0.0.3:80"]


def test_the_admin_socket_is_bs_with_as_options() -> None:
    assert carried().text.startswith("global\n  stats socket /b/admin.sock mode 660 user ops level admin expose-fd")


def test_without_an_admin_socket_in_the_file_b_gets_one() -> None:
    text = carried(head="global\n  stats socket /a/user.sock level user\n").text
    assert "stats socket /b/admin.sock.2 level user" in text
    assert text.endswith("\nglobal\n  stats socket /b/admin.sock mode 600 level admin\n")


def test_binds_are_the_tcp_ones() -> None:
    found = carried("bind 192.0.2.10:80-81", "bind quic4@:443", "bind 127.0.0.1:9")
    assert set(found.binds) == {(f"192.0.2.2{n}", port) for n in (0, 1) for port in (80, 81)} | {(PRIVATE, 9)}


def test_variables_that_the_file_sets_are_carried_over() -> None:
    assert body('log "${LOG}:514" "$HAPROXY_HTTP_LOG_FMT"', head=ADMIN + "setenv LOG 192.0.2.99\n")


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(Refused, match="'lb' is no IP address"):
        carried(old=("lb",))


@given(st.text(alphabet="ab \t#\"'\\$:{}\n", max_size=40))
def test_text_without_what_must_differ_stays_as_it_is(text: str) -> None:
    """Whatever the quoting, a line that is not ours to rewrite comes out byte for byte."""
    lines = parse(text)
    assert "\n".join(line.raw for line in lines) == text
    for line in lines:
        assert all(line.raw[word.start : word.end] == word.raw for word in line.words)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a b # c", ["a", "b"]),
        ('a "b # c" d#e', ["a", "b # c", "d"]),
        (r'a "b \" c" d\ e', ["a", 'b " c', "d e"]),
        ("a 'b \\ c'\"d\"e", ["a", "b \\ cde"]),
        ('a "" b', ["a", "", "b"]),
    ],
)
def test_words(line: str, words: list[str]) -> None:
    assert [word.text for word in parse(line)[0].words] == words


def test_proxies_and_servers_of_a_file() -> None:
    text = "listen a\ndefaults\nbackend b\n server s 1.1.1.1:1\n server-template t 2-3 x:1\nbackend c\n disabled\n"
    lines = parse(text + " server-template u 2 x:1\n")
    assert proxies(lines) == {"a", "b"}
    assert written(lines) == {("b", "s"), ("b", "t2"), ("b", "t3"), ("c", "u1"), ("c", "u2")}


def test_options_of_a_new_server_are_its_neighbours() -> None:
    text = "defaults\n default-server maxconn 9\nbackend x\n default-server ssl\n server y 1.1.1.1:1\nbackend b\n"
    text += " default-server inter 1s\n server s 1.1.1.1:1 check weight 3 cookie c id 4 backup fall 2 check\n"
    lines = parse(text)
    assert options(lines, "b") == ("maxconn", "9", "inter", "1s", "check", "fall", "2")
    assert options(lines, "none") == ("maxconn", "9")
