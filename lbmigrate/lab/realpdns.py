"""Real PowerDNS as a child process: pdns_server on SQLite as primary or secondary of one zone."""

import contextlib
import sqlite3
from pathlib import Path

from lbmigrate.errors import Failed
from lbmigrate.lab.nameserver import ADDRESS, Nameserver
from lbmigrate.lab.process import program, run, write_private
from lbmigrate.lab.transfer import Key

# Debian's folder, and that of the packages by PowerDNS.
SCHEMAS = ("/usr/share/doc/pdns-backend-sqlite3/schema.sqlite3.sql", "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")  # fmt: skip  # noqa: E501
UNCACHED = "cache-ttl=0\nquery-cache-ttl=0\nnegquery-cache-ttl=0"

PDNS = """
launch=gsqlite3
gsqlite3-database={database}
gsqlite3-pragma-synchronous=0
local-address={address}
local-port={port}
allow-dnsupdate-from=127.0.0.0/8,::1
allow-axfr-ips=
zone-cache-refresh-interval=0
gsqlite3-dnssec=yes
enable-lua-records=shared
security-poll-suffix=
socket-dir={directory}
guardian=no
daemon=no
{settings}
"""


class Pdns(Nameserver):
    """One pdns_server; `database` is its file."""

    def __init__(self, directory: Path, origin: str, key: Key, port: int | None = None, address: str = ADDRESS) -> None:
        super().__init__(directory, origin, key, port, address)
        self.database = directory / "pdns.db"

    def _argv(self) -> list[str]:
        return [program("pdns_server"), f"--config-dir={self._directory}"]

    def primary(
        self, zone_text: str, notify: int | None = None, settings: str = UNCACHED, signed: bool = False
    ) -> None:
        """Start as primary of `zone_text`; NOTIFY goes to port `notify` after each update.

        `settings`: further lines of pdns.conf, in place of those that turn its caches off.
        """
        self._prepare(settings + "\ndnsupdate=yes\nprimary=yes")
        (self._directory / "zone").write_text(zone_text)
        self.util("load-zone", self._origin, str(self._directory / "zone"))
        self._meta("TSIG-ALLOW-DNSUPDATE", self._key.name)
        self._meta("TSIG-ALLOW-AXFR", self._key.name)
        self._meta("SOA-EDIT-DNSUPDATE", "INCREASE")
        self.util("set-kind", self._origin, "master")  # a native zone notifies nobody
        if notify:
            self._meta("NOTIFY-DNSUPDATE", "1")
            self._meta("ALSO-NOTIFY", f"{ADDRESS}:{notify}")
        if signed:
            self.util("secure-zone", self._origin)
        self.restart()

    def secondary(self, primary: int) -> None:
        """Start as secondary of the primary on that port, which may notify it."""
        self._prepare(f"{UNCACHED}\nsecondary=yes\nxfr-cycle-interval=1")
        self.util("create-slave-zone", self._origin, f"{ADDRESS}:{primary}")
        self._meta("AXFR-MASTER-TSIG", self._key.name)
        self._meta("TSIG-ALLOW-AXFR", self._key.name)
        self.process.start()

    def native(self, first: "Pdns") -> None:
        """Start on another one's database (PowerDNS: native replication).

        The one way in which a second server has LUA records in a signed zone: transferred with its signatures, the
        zone has none for an answer that is made up when asked, and PowerDNS then says that there is no record.
        """
        self.database = first.database
        self._configure(UNCACHED)
        self.process.start()

    def _configure(self, settings: str) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        text = PDNS.format(
            directory=self._directory, database=self.database, address=self.address, port=self.port, settings=settings
        )
        write_private(self._directory / "pdns.conf", text)

    def _prepare(self, settings: str) -> None:
        self._configure(settings)
        schema = next((path for path in map(Path, SCHEMAS) if path.exists()), None)
        if schema is None:
            raise Failed("the schema of pdns-backend-sqlite3 is not installed; apt-get install pdns-backend-sqlite3")
        with contextlib.closing(sqlite3.connect(self._directory / "pdns.db")) as database:
            database.executescript(schema.read_text())
            database.execute("pragma journal_mode=wal")  # another server may read while this one writes
        self.util("import-tsig-key", self._key.name, self._key.algorithm, self._key.secret)

    def _meta(self, kind: str, text: str) -> None:
        self.util("set-meta", self._origin, kind, text)

    def util(self, *words: str) -> str:
        """What pdnsutil says to these words. Raises Failed."""
        return run(program("pdnsutil"), f"--config-dir={self._directory}", *words)

    def control(self, *words: str) -> str:
        """What pdns_control says to these words. Raises Failed."""
        return run(program("pdns_control"), f"--config-dir={self._directory}", *words)
