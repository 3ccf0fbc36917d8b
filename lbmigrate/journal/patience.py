"""Trying again at a store over the network, which may have done what was asked without our hearing of it."""

from collections.abc import Callable
from typing import TypeVar

import tenacity

from lbmigrate.journal import chain

SECONDS = 8.0  # until no further try begins: under the lease (10 s), and far under a tick (50 s)
ANSWER = 3.0  # seconds for one connection, and for one answer
PAUSE = 0.1  # seconds, doubled with every try up to a second; each pause is a random part of it
MEND = (
    "nothing was done; mend that and give the same command again,"
    " or undo without a journal: lbmigrate rollback --from-dns"
)

T = TypeVar("T")


class Lost(Exception):
    """No usable answer. `sent`: what was asked may have been done all the same."""

    def __init__(self, why: object, sent: bool = True) -> None:
        super().__init__(str(why))
        self.sent = sent


def ask(act: Callable[[], T], verb: str, place: str, unsure: str = MEND) -> T:
    """What `act` returns, tried again while it raises Lost: it must bear repetition.

    Raises JournalError after SECONDS; `unsure`: what is then said of something that may have been done.
    """
    try:
        return _patiently(act)
    except Lost as wrong:
        raise chain.cannot(verb, place, wrong, unsure if wrong.sent else MEND) from wrong


def unsure(n: int) -> str:
    """What is said when the answer to an append was lost for good."""
    return f"whether entry {n} is in it is not known, nothing followed from it; give the same command again"


def _patiently(act: Callable[[], T]) -> T:
    sent = False
    for attempt in tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Lost),
        stop=tenacity.stop_after_delay(SECONDS),
        wait=tenacity.wait_random_exponential(PAUSE, max=1.0),
        reraise=True,
    ):
        with attempt:
            try:
                return act()
            except Lost as wrong:
                wrong.sent = sent = sent or wrong.sent
                raise
    raise AssertionError("tenacity ended without a result")
