"""What the tests of the laboratory's DNS share: a small zone, signed updates, raw exchanges."""

import shutil
import socket

import dns.update

from lbmigrate.lab.dns import DnsParts
from lbmigrate.lab.dnsserver import split
from lbmigrate.lab.process import SYSTEM

ORIGIN = "lab.test."
SECONDS = 10.0
APEX = """$TTL 300
@ 3600 IN SOA ns1 hostmaster 10 3600 600 86400 60
@ NS ns1
@ MX 10 ns1
ns1 A 127.0.0.1
"""

Update = dns.update.UpdateMessage


def needs(program: str) -> None:
    """Fail, not skip: a test of the real thing that did not run has shown nothing."""
    assert shutil.which(program) or shutil.which(program, path=SYSTEM), (
        f"{program} is not installed: install it, or deselect -m real"
    )


def message(parts: DnsParts, zone: str = ORIGIN) -> Update:
    key = parts.key.tsig()
    return Update(zone, keyring=key, keyname=key.name, keyalgorithm=key.algorithm)


def exchange(parts: DnsParts, wire: bytes) -> bytes:
    """Raw bytes there and back, by UDP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(SECONDS)
        asker.sendto(wire, split(parts.primary))
        return asker.recv(65535)
