"""Real Knot DNS as a child process: knotd as primary or secondary of one zone."""

from lbmigrate.lab.nameserver import Nameserver
from lbmigrate.lab.process import program, run, write_private

ALLOWED = "action: [update, transfer]"

KNOT = """
server:
  rundir: {directory}
  listen: {address}@{port}
  {server}
database:
  storage: {directory}
  journal-db-mode: asynchronous
key:
  - id: {key.name}
    algorithm: {key.algorithm}
    secret: {key.secret}
remote:
  - id: other
    address: {address}@{other}
    key: {key.name}
acl:
  - id: lab
    key: {key.name}
    {allowed}
zone:
  - domain: {origin}
    storage: {directory}
    file: zone
    acl: lab
    zonefile-sync: -1
    {role}
"""


class Knot(Nameserver):
    """One knotd."""

    def _argv(self) -> list[str]:
        return [program("knotd"), "-c", str(self._directory / "knot.conf")]

    def primary(
        self,
        zone_text: str,
        notify: int | None = None,
        allowed: str = ALLOWED,
        role: str = "",
        server: str = "",
        signed: bool = False,
    ) -> None:
        """Start as primary of `zone_text`; NOTIFY goes to port `notify`.

        `allowed`: the lines of the key's ACL; `role`, `server`: further lines of those sections.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        (self._directory / "zone").write_text(zone_text)
        told = "\n    ".join(
            filter(None, ["notify: other" if notify else "", "dnssec-signing: on" if signed else "", role])
        )
        self._start(notify or self.port, allowed, told, server)

    def secondary(self, primary: int) -> None:
        """Start as secondary of the primary on that port, which may notify it."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._start(primary, "action: [notify, transfer]", "master: other", "")

    def _start(self, other: int, allowed: str, role: str, server: str) -> None:
        text = KNOT.format(
            directory=self._directory,
            address=self.address,
            port=self.port,
            key=self._key,
            other=other,
            allowed=allowed,
            origin=self._origin,
            role=role,
            server=server,
        )
        write_private(self._directory / "knot.conf", text)
        self.restart()

    def control(self, *words: str) -> str:
        """What knotc says to these words. Raises Failed."""
        return run(program("knotc"), "-c", str(self._directory / "knot.conf"), "--blocking", *words)
