"""Every way to fail: one class per exit code.

A message is one line: what was tried, what was seen, what to do next. Drivers translate foreign exceptions
at their door; nobody matches on message text.
"""

from collections.abc import Mapping


class LbmigrateError(Exception):
    """The root. `code` is the exit code, `word` its name in JSON (contract: Exit codes), `more`: and what else."""

    code = 1
    word = "failed"
    more: Mapping[str, object] = {}


class Failed(LbmigrateError):
    """An error; nothing is lost; the same command can be given again."""


class Unreachable(Failed):
    """No usable answer from a server, a socket or a program: it may come back, so it is worth another try."""


class Denied(Failed):
    """The other side understood and said no (key, policy, permission): trying again does not help."""


class JournalError(Failed):
    """The journal cannot be read or written, is corrupt, or was written by a newer version."""


class Usage(LbmigrateError):
    """Command line or config wrong; nothing was touched."""

    code = 2
    word = "usage"


class RolledBack(LbmigrateError):
    """The gate rolled back; traffic is on A."""

    code = 3
    word = "rolled-back"


class OnHold(LbmigrateError):
    """Not safe to go on."""

    code = 4
    word = "held"


class Drifted(LbmigrateError):
    """Somebody else changed what we own; nothing was overwritten."""

    code = 5
    word = "drift"


class Refused(LbmigrateError):
    """A precondition is not met."""

    code = 6
    word = "refused"


class Busy(LbmigrateError):
    """Another process is at work on this migration."""

    code = 7
    word = "busy"


class Waiting(LbmigrateError):
    """Under way (only from `status --exit-code`)."""

    code = 8
    word = "waiting"
