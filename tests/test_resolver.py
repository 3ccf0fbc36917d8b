"""The resolver that is asked for what no server of the config knows."""

import socket
import threading
from collections.abc import Callable

import dns.message
import dns.rcode
import dns.rrset
import pytest

from lbmigrate import resolver

NAME = "web-b-1.eu-west-1.elb.amazonaws.com."
Reply = Callable[[dns.message.Message], dns.message.Message]


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Callable[[Reply], None]:
    """Answer one question by a function, at the resolver that the environment names."""

    def start(reply: Reply) -> None:
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", 0))
        monkeypatch.setenv("LBMIGRATE_RESOLVER", f"127.0.0.1:{server.getsockname()[1]}")

        def serve() -> None:
            with server:
                data, where = server.recvfrom(4096)
                server.sendto(reply(dns.message.from_wire(data)).to_wire(), where)

        threading.Thread(target=serve, daemon=True).start()

    return start


def test_the_resolver_of_the_environment_is_asked(
    serving: Callable[[Reply], None],
) -> None:
    def reply(question: dns.message.Message) -> dns.message.Message:
        answer = dns.message.make_response(question, recursion_available=True)
        answer.answer.append(dns.rrset.from_text(NAME, 17, "IN", "A", "192.0.2.2", "192.0.2.1"))
        return answer

    serving(reply)
    assert resolver.ask(NAME, "A") == (("192.0.2.1", "192.0.2.2"), 17.0)


def test_a_name_that_is_not_there_is_told(
    serving: Callable[[Reply], None],
) -> None:
    def reply(question: dns.message.Message) -> dns.message.Message:
        answer = dns.message.make_response(question, recursion_available=True)
        answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer

    serving(reply)
    with pytest.raises(OSError, match="does not exist"):
        resolver.ask(NAME, "A")


@pytest.mark.parametrize("given", ["", "resolver.example", "127.0.0.1:port"])
def test_a_resolver_that_is_none_is_told(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LBMIGRATE_RESOLVER", given or "127.0.0.1:0x")
    with pytest.raises(OSError, match=r"."):
        resolver.ask(NAME, "A")


def test_a_name_without_such_records_has_none(serving: Callable[[Reply], None]) -> None:
    serving(lambda question: dns.message.make_response(question, recursion_available=True))
    assert resolver.ask(NAME, "AAAA") == ((), resolver.LEAST)
