"""Probes against a real HAProxy: `answered` is what its own counters say, and closing leaves no error behind."""

import csv
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from probe_sites import OK, site
from servers import program

from lbmigrate import probe
from lbmigrate.lab.process import Process, freeport
from lbmigrate.model import PairSeen, Probe, Sample

CONFIG = """
global
  stats socket {directory}/{name}.sock level admin
defaults
  mode http
  timeout connect 2s
  timeout client 10s
  timeout server 10s
frontend front
  bind {address}:{port} {tls}
  default_backend back
backend back
  server one 127.41.2.9:{back}
"""


class Balancer:
    """A running HAProxy with one frontend, at `address`."""

    def __init__(self, directory: Path, address: str, port: int, back: int, tls: str) -> None:
        self._socket = directory / f"{address}.sock"
        config = directory / f"{address}.cfg"
        text = CONFIG.format(directory=directory, name=address, address=address, port=port, back=back, tls=tls)
        config.write_text(text)
        self.process = Process([program("haproxy"), "-db", "-f", str(config)], directory / f"{address}.log")

    def stat(self, row: str) -> dict[str, str]:
        """One row of `show stat`: FRONTEND, BACKEND or a server."""
        with socket.socket(socket.AF_UNIX) as talk:
            talk.connect(str(self._socket))
            talk.sendall(b"show stat\n")
            text = b"".join(iter(lambda: talk.recv(65536), b"")).decode().removeprefix("# ")
        return next(line for line in csv.DictReader(text.splitlines()) if line["svname"] == row)

    def ready(self) -> bool:
        """Whether it answers on its socket."""
        try:
            return bool(self.stat("FRONTEND"))
        except OSError:
            return False


@contextmanager
def balancers(directory: Path, port: int, tls: str) -> Iterator[list[Balancer]]:
    with site(OK, "127.41.2.9") as back:
        made = [Balancer(directory, f"127.41.2.{number}", port, back.port, tls) for number in (1, 2)]
        try:
            for one in made:
                one.process.start()
            for one in made:
                one.process.wait(one.ready)
            yield made
        finally:
            for one in made:
                one.process.stop()


@pytest.mark.real("haproxy")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_counters_hold_exactly_the_probes_that_were_answered(scheme: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    authority.issue_cert("www.lab.test").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "site.pem"))
    tls = f"ssl crt {tmp_path}/site.pem alpn h2,http/1.1" if scheme == "https" else ""
    port = freeport("127.41.2.1")
    probes = (Probe(f"{scheme}://www.lab.test:{port}/", rate=100, ca=str(tmp_path / "ca.pem")),)
    a, b = ("127.41.2.1",), ("127.41.2.2",)
    pairs: list[PairSeen] = []

    def seen(sample: Sample) -> bool:
        assert isinstance(sample, PairSeen)
        pairs.append(sample)
        return len(pairs) >= 50

    with balancers(tmp_path, port, tls) as sides:
        prober = probe.make(probes, probe.channels(probes, a, b, ("A",)), a, b, ())
        assert prober.compare() == ()
        before = [int(side.stat("FRONTEND")["req_tot"]) for side in sides]
        running = prober.start(3600.0, seen)
        assert running.wait(20.0)
        running.stop()
        after = [side.stat("FRONTEND") for side in sides]
        assert [one.a.why or one.b.why for one in pairs] == [""] * len(pairs)
        assert [int(now["req_tot"]) - then for now, then in zip(after, before, strict=True)] == [len(pairs)] * 2
        assert [now["ereq"] for now in after] == ["0", "0"]
        backs = [side.stat("BACKEND") for side in sides]
        assert [(now["econ"], now["eresp"], now["cli_abrt"], now["srv_abrt"]) for now in backs] == [("0",) * 4] * 2
