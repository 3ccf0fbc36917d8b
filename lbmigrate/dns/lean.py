"""dnspython without the third of its import that looks for a package which is there.

Its `dns.name` asks `importlib.metadata` (email, zipfile, tempfile, …: 30 ms) whether `idna` is installed. We require it
ourselves, so dnspython is told beforehand, and asks nothing.
"""

import importlib
import sys
from types import ModuleType
from typing import Any

METADATA = "importlib.metadata"


def prepare() -> None:
    """Before dnspython is imported for the first time; later, or with a dnspython that is made otherwise, nothing."""
    if "dns.name" in sys.modules:
        return
    if METADATA not in sys.modules:
        _later()
    try:
        from dns import _features
    except ImportError:
        return
    _features.force("idna", True)


def _later() -> None:
    """The module is loaded when something of it is used. importlib's own LazyLoader does so when it is imported."""
    stand_in = ModuleType(METADATA)

    def real(name: str) -> Any:
        if sys.modules.get(METADATA) is stand_in:
            del sys.modules[METADATA]
        return getattr(importlib.import_module(METADATA), name)

    vars(stand_in)["__getattr__"] = real  # PEP 562
    sys.modules[METADATA] = stand_in
    vars(importlib)["metadata"] = stand_in
