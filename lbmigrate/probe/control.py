"""Controls: sites that must answer, so that a blind prober is not taken for a bad side.

A control is asked as any program on this machine would ask: by the system's resolver. A resolver can block for
half a minute and cannot be cancelled, so it runs in a daemon thread that nobody waits for; a control whose last
look-up still hangs waits for that one instead of starting another.
"""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future

from lbmigrate.model import ControlSeen, Probe
from lbmigrate.probe.http import Request, hear, printable, request
from lbmigrate.value import replace

PERIOD = 1.0
"""Seconds from the start of one check of a control to the next, at least."""

TIMEOUT = 2.0
"""Seconds that one check may take, name resolution included."""

_ANY_ANSWER = ((100, 499),)


class Control:
    """One control URL; `check` may be called again and again, not twice at once. Raises Usage for a wrong URL."""

    def __init__(self, url: str, trusted: Callable[[str], ssl.SSLContext]) -> None:
        self.url = url
        self._request = request(Probe(url, timeout=TIMEOUT, expect_status=_ANY_ANSWER), trusted, head_only=True)
        self._resolving: Future[tuple[str, ...]] | None = None

    async def check(self) -> ControlSeen:
        """Ask once: any answer below 500, from its first address of either family, counts."""
        why = await self._ask()
        return ControlSeen(self.url, not why, why)

    async def _ask(self) -> str:
        began = asyncio.get_running_loop().time()
        try:
            addresses = await asyncio.wait_for(self._addresses(), TIMEOUT)
        except TimeoutError:
            return f"name not resolved within {TIMEOUT:g}s"
        except OSError as wrong:
            return f"name not resolved: {printable(wrong.strerror or str(wrong))}"
        left = TIMEOUT - (asyncio.get_running_loop().time() - began)
        return await self._try(addresses, max(left, 0.0) / len(addresses))

    async def _try(self, addresses: tuple[str, ...], seconds: float) -> str:
        why = "its name has no address"
        what = replace(self._request, probe=replace(self._request.probe, timeout=seconds))
        for address in addresses:
            heard = await hear(what, address)
            if heard.result.ok:
                return ""
            why = f"{address}: {heard.result.why}"
        return why

    async def _addresses(self) -> tuple[str, ...]:
        if self._resolving is None or self._resolving.done():
            self._resolving = _resolving(self._request)
        return await asyncio.wrap_future(self._resolving)


def _resolving(what: Request) -> Future[tuple[str, ...]]:
    """The first address of each family, from a daemon thread; fails with the resolver's OSError."""
    answer: Future[tuple[str, ...]] = Future()
    answer.set_running_or_notify_cancel()  # a caller that gives up must not cancel what the next one may wait for
    threading.Thread(target=_resolve, args=(what.host, what.port, answer), name="control", daemon=True).start()
    return answer


def _resolve(host: str, port: int, answer: "Future[tuple[str, ...]]") -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as wrong:
        answer.set_exception(wrong if isinstance(wrong, OSError) else OSError(str(wrong)))
        return
    first = {family: str(place[0]) for family, _, _, _, place in reversed(found)}
    answer.set_result(tuple(first[family] for family in dict.fromkeys(one[0] for one in found)))
