"""What the config asks for, as checked values: `Bound` by the plan's digest, `Soft` (may be edited in mid-migration).

Secrets are kept as the references that the file gives (`env:NAME`), never as their values.
"""

from lbmigrate.model import Probe, Side
from lbmigrate.value import value


@value
class Tsig:
    """A TSIG key (RFC 8945); `secret` is a reference: env:NAME, file:PATH or cmd:COMMAND."""

    name: str
    algorithm: str
    secret: str


@value
class Transfer:
    """Where the zone can be had as a whole (AXFR), where that is not the server that takes updates."""

    server: str
    port: int = 53
    tsig: Tsig | None = None


@value
class Dns:
    """One `dns:` entry. `nameservers`: "host" or "host:port", empty for the zone's own NS; `serve_limit` in seconds.

    `view`: the name of this face of a zone that has several; `addresses`: those of A's and B's that it shows, empty for
    all of them. `transfer` is None where the zone is transferred from `server` with its key. Route 53 alone has
    `zone_id`, `private` (None: the config does not say), `region`, `profile`, `role` (to assume, with `external_id`),
    `endpoint`; its `scheme` is "weighted".
    """

    driver: str
    zone: str
    server: str = ""
    port: int = 53
    tsig: Tsig | None = None
    scheme: str = "auto"
    nameservers: tuple[str, ...] = ()
    serve_limit: float = 600.0
    view: str = ""
    addresses: tuple[str, ...] = ()
    transfer: Transfer | None = None
    zone_id: str = ""
    region: str = ""
    profile: str = ""
    endpoint: str = ""
    role: str = ""
    external_id: str = ""
    private: bool | None = None


@value
class Stage:
    """A weight that the plan stops at; `soak` in seconds, None for the common one."""

    weight: int
    soak: float | None = None
    approve: bool = False


@value
class Retire:
    """When A counts as idle, and what then: at most `max_requests` foreign requests within `idle_for` seconds."""

    idle_for: float = 600.0
    max_requests: int = 0
    limit: float = 86400.0
    keep: bool = False
    approve: bool = False


@value
class GateSpec:
    """`gate:` as shares (0.002 is 0.2 %); `glitch` in seconds (gate.md, rule 1)."""

    margin: float = 0.002
    alpha: float = 0.01
    beta: float = 0.05
    promote_margin: float = 0.01
    glitch: float = 1.0


@value
class Bound:
    """What the plan's digest binds: a change in mid-migration is a hold, with the difference."""

    migration: str
    names: tuple[str, ...]
    a: Side
    b: Side
    dns: tuple[Dns, ...]
    stages: tuple[Stage, ...]
    ttl: int | None = None

    @property
    def provided(self) -> bool:
        """A provider runs both sides: B was made there from A, which is marked meanwhile."""
        return bool(self.a.place and self.b.place)


@value
class Soft:
    """What takes effect at once when the file is edited in mid-migration. Durations in seconds."""

    probes: tuple[Probe, ...]
    soak: float = 300.0
    soak_limit: float = 7200.0
    cache_margin: float = 30.0
    controls: tuple[str, ...] = ()
    gate: GateSpec = GateSpec()
    retire: Retire = Retire()


@value
class Config:
    """One checked config file. `journal` is its URL, with a relative SQLite path already beside the config file.

    `discover`: the zones whose names that end at A are moved; `bound.names` is empty then, until they are found.
    """

    path: str
    bound: Bound
    soft: Soft
    journal: str
    discover: tuple[str, ...] = ()
