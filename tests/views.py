"""BIND with the same zone in two views, told apart by key alone, for tests."""

from pathlib import Path

import dns.message
import dns.query
from servers import HOST, ORIGIN, program

from lbmigrate.lab.nameserver import answers
from lbmigrate.lab.process import Process, freeport
from lbmigrate.lab.transfer import Key, transfer

KEYS = {
    "inside": Key("inside-key", "hmac-sha256", "aW5zaWRlLWluc2lkZS1pbnNpZGUtaW5zaWRlLTMyISE="),
    "outside": Key("outside-key", "hmac-sha256", "b3V0c2lkZS1vdXRzaWRlLW91dHNpZGUtb3V0c2lkZTE="),
}
ZONE = """$ORIGIN lab.test.
$TTL 1
@ 3600 IN SOA ns1 hostmaster 1 3600 600 86400 1
@ 3600 IN NS ns1
ns1 3600 IN A 127.0.0.1
note 600 IN TXT "{view}"
www IN A {address}
"""
OPTIONS = """
options {{
  directory "{directory}"; pid-file none; lock-file none; session-keyfile "{directory}/session.key";
  listen-on port {port} {{ {host}; }}; listen-on-v6 {{ none; }};
  recursion no; dnssec-validation no; empty-zones-enable no; notify no;
}};
controls {{ }};
"""
VIEW = """
key "{key.name}" {{ algorithm {key.algorithm}; secret "{key.secret}"; }};
view "{view}" {{
  match-clients {{ {clients} }};
  zone "lab.test" {{
    type primary; file "{view}"; allow-transfer {{ key "{key.name}"; }}; {policy}
  }};
}};
"""
ALLOWED = 'allow-update { key "%s"; };'


class Views:
    """One named. The outside view is what everybody sees, the inside one needs its key."""

    def __init__(self, directory: Path, addresses: dict[str, str]) -> None:
        directory.mkdir(parents=True)
        self.port = freeport(HOST)
        self._directory = directory
        for view, address in addresses.items():
            (directory / view).write_text(ZONE.format(view=view, address=address))
        argv = [program("named"), "-g", "-n", "1", "-c", str(directory / "named.conf")]
        self.process = Process(argv, directory / "named.log")

    def start(self, **policies: str) -> "Views":
        """Start it, or anew with other policies: who may update, by view."""
        self.process.stop()
        text = OPTIONS.format(directory=self._directory, port=self.port, host=HOST)
        for view, key in KEYS.items():
            clients = f'key "{key.name}";' if view == "inside" else "any;"
            policy = policies.get(view, ALLOWED % key.name)
            text += VIEW.format(view=view, key=key, clients=clients, policy=policy)
        (self._directory / "named.conf").write_text(text)
        self.process.start()
        self.process.wait(lambda: answers(HOST, self.port, ORIGIN, authoritative=True), 20)
        return self

    def zone(self) -> dict[str, list[str]]:
        """Each view by transfer, but for the SOA."""
        zones = {view: transfer(HOST, self.port, ORIGIN, key) for view, key in KEYS.items()}
        return {view: [line for line in lines if " SOA " not in line] for view, lines in zones.items()}

    def served(self) -> dict[str, list[str]]:
        """What each view answers for www."""
        found = {}
        for view, key in KEYS.items():
            query = dns.message.make_query(f"www.{ORIGIN}", "A")
            query.use_tsig(key.tsig())
            reply = dns.query.udp(query, HOST, 2, port=self.port)
            found[view] = sorted(str(rdata) for rrset in reply.answer for rdata in rrset)
        return found
