"""Somebody who looks at the world every few milliseconds, in a thread of its own, while a test goes on."""

import threading
from typing import Self


class Looking:
    """`look` is called every `every` seconds until the block ends."""

    every = 0.05

    def __init__(self) -> None:
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self.every):
            self.look()

    def look(self) -> None:
        """Once."""
        raise NotImplementedError
