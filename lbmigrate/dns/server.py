"""An authoritative server, as it is found and asked."""

from lbmigrate.value import value


@value
class Server:
    """One authoritative server: how it is called, and its addresses with ports, or why there are none."""

    label: str
    addresses: tuple[tuple[str, int], ...]
    error: str = ""
