"""`lbmigrate discover` over a zone of 100,000 records, beside what a user would run to have that zone: dig's AXFR.

Same server (BIND), same key, output to nowhere. As information: the bare bytes of the same answer, received and thrown
away, which is what the server alone takes.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import dns.message
import yaml
from table import Row, judged, text, told

from lbmigrate.dns.wire import Primary
from lbmigrate.lab.dns import DnsParts, start_dns
from lbmigrate.spec import Dns, Tsig

RECORDS = 100_000
RUNS = 7
MOST = 2.0  # times dig
MOST_MIB = 120
A = "192.0.2.10"


def zone() -> str:
    """A zone as companies have it: hosts, aliases, services, texts; one record in a thousand leads to A."""
    head = [
        "$ORIGIN lab.test.",
        "$TTL 300",
        "@ IN SOA ns1 hostmaster 1 3600 600 86400 60",
        "@ NS ns1",
        "ns1 A 127.0.0.1",
    ]
    return "\n".join([*head, *(_record(n) for n in range(RECORDS - len(head) + 2))]) + "\n"


def _record(n: int) -> str:
    match n % 10:
        case 6:
            return f"c{n} CNAME h{n - 1}"
        case 7:
            return f"h{n} AAAA 2001:db8::{n >> 16:x}:{n & 65535:x}"
        case 8:
            return f'h{n - 1} TXT "v=spf1 ip4:10.0.0.0/8 -all"'
        case 9:
            return f"_x._tcp.h{n} SRV 0 0 80 h{n - 4}"
    return f"h{n} A {_address(n)}"


def _address(n: int) -> str:
    return A if n % 1000 == 0 else f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"


def ours(config: Path) -> tuple[float, float]:
    """Seconds and MiB (peak RSS) of `lbmigrate discover`."""
    began = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-m", "lbmigrate", "-c", config, "discover"], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, "lbmigrate discover")
    return time.perf_counter() - began, used.ru_maxrss / 1024


def theirs(made: DnsParts, keyfile: Path) -> float:
    """Seconds of dig."""
    host, _, port = made.primary.rpartition(":")
    began = time.perf_counter()
    argv = ["dig", f"@{host}", "-p", port, "-k", str(keyfile), "lab.test", "AXFR"]
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def bare(entry: Dns, size: int) -> float:
    """Seconds until `size` bytes of the answer are here."""
    began = time.perf_counter()
    with closing(Primary(entry)) as primary:
        stream = primary.stream(dns.message.make_query("lab.test", "AXFR", flags=0), 30)
        while size > 0:
            size -= len(stream.receive())
    return time.perf_counter() - began


def _size(entry: Dns) -> int:
    """How many bytes the messages of the whole transfer have."""
    from lbmigrate.dns.transfer import parse

    total, soas = 0, 0
    with closing(Primary(entry)) as primary:
        stream = primary.stream(dns.message.make_query("lab.test", "AXFR", flags=0), 30)
        while soas < 2:
            wire = stream.receive()
            total += len(wire)
            soas += len(parse(wire, {})[0])
    return total


def rows(runs: int = RUNS) -> list[Row]:
    """The table's part."""
    with tempfile.TemporaryDirectory(prefix="lbmigrate-bench-") as name:
        directory = Path(name)
        made = start_dns(True, directory / "dns", zone(), "lab.test")
        try:
            return _measured(made, directory, runs)
        finally:
            made.stop()


def _measured(made: DnsParts, directory: Path, runs: int) -> list[Row]:
    host, _, port = made.primary.rpartition(":")
    secret, keyfile, config = directory / "secret", directory / "dig.key", directory / "lbmigrate.yaml"
    secret.write_text(made.key.secret)
    secret.chmod(0o600)
    keyfile.write_text(f'key "{made.key.name}" {{ algorithm {made.key.algorithm}; secret "{made.key.secret}"; }};\n')
    key = {"name": made.key.name, "algorithm": made.key.algorithm, "secret": f"file:{secret}"}
    entry = {"driver": "rfc2136", "zone": "lab.test", "server": host, "port": int(port), "tsig": key}
    settings = {
        "migration": "bench", "names": ["h0.lab.test"], "dns": [entry], "stages": [100],
        "a": {"driver": "external", "addresses": [A]}, "b": {"driver": "external", "addresses": ["192.0.2.20"]},
        "probe": [{"url": "http://h0.lab.test"}],
    }  # fmt: skip
    config.write_text(yaml.safe_dump(settings))
    source = Dns("rfc2136", "lab.test.", host, int(port), Tsig(**key))
    size = _size(source)
    seen = [(*ours(config), theirs(made, keyfile), bare(source, size)) for _ in range(runs)]
    mine, peak, dig, alone = (statistics.median(column) for column in zip(*seen, strict=True))
    return [
        judged(f"discover over {RECORDS:,} records", f"{mine:.2f} s", f"dig axfr {dig:.2f} s", mine / dig, MOST),
        told("  beside the bare bytes", f"{size / 2**20:.1f} MiB", f"received in {alone:.2f} s", f"{mine / alone:.3f}"),
        Row("  its peak memory", f"{peak:.0f} MiB", "", "", f"at most {MOST_MIB} MiB", peak <= MOST_MIB),
    ]  # fmt: skip


if __name__ == "__main__":
    print(text(rows()))
