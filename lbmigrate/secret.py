"""Secrets by reference: `env:NAME`, `file:PATH`, `cmd:COMMAND`, read at the moment they are needed.

No message here shows a value, the output of a command or more than its first word: those may be the secret.
"""

import os
import stat
from collections.abc import Callable

from lbmigrate.errors import Failed, Refused, Usage

COMMAND_SECONDS = 10.0
LONGEST = 65536


def resolve(reference: str) -> str:
    """The secret that `reference` names, without white space around it.

    Raises Usage (no such form, variable, file or program), Refused (a file that others may read),
    Failed (the command failed, or took longer than 10 s).
    """
    kind, _, rest = reference.partition(":")
    if kind not in KINDS or not rest:
        # What was written instead may well be the secret itself.
        raise Usage("secret: not a reference; write env:NAME, file:PATH or cmd:COMMAND")
    secret = KINDS[kind](rest).strip()
    if not secret:
        raise Usage(f"secret {kind}:{_shown(kind, rest)}: it is empty; put the secret there")
    return secret


def _shown(kind: str, rest: str) -> str:
    return rest.split()[0] if kind == "cmd" else rest


def _env(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        raise Usage(f"secret env:{name}: the variable is not set; export {name} and try again") from None


def _file(path: str) -> str:
    # O_NONBLOCK: opening a FIFO must not wait for its writer. fstat on what was opened: no race with a rename.
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as wrong:
        raise Usage(f"secret file:{path}: {wrong.strerror}; correct the path or its permissions") from wrong
    try:
        _private(path, os.fstat(handle))
        return _text(f"file:{path}", os.read(handle, LONGEST))
    finally:
        os.close(handle)


def _private(path: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise Refused(f"secret file:{path}: not a regular file; put the secret in a regular file of mode 600")
    if found.st_mode & 0o077:
        mode = f"{stat.S_IMODE(found.st_mode):o}"
        raise Refused(f"secret file:{path}: mode {mode} lets others at it; chmod 600 it, and change the secret")
    if found.st_uid not in (os.geteuid(), 0):
        raise Refused(f"secret file:{path}: owned by uid {found.st_uid}, not by this user; chown it")


def _command(command: str) -> str:
    import shlex
    import subprocess

    what = f"secret cmd:{_shown('cmd', command)}"
    try:
        done = subprocess.run(
            shlex.split(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{what}: no answer within {COMMAND_SECONDS:g} s; run it by hand") from None
    except (OSError, ValueError) as wrong:
        why = wrong.strerror if isinstance(wrong, OSError) else wrong
        raise Usage(f"{what}: {why}; correct the command (no shell: use sh -c '…' for pipes)") from None
    if done.returncode:
        raise Failed(f"{what}: ended with exit code {done.returncode}; run it by hand to see why")
    return _text(what.removeprefix("secret "), done.stdout)


def _text(what: str, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Usage(f"secret {what}: not UTF-8 text; store the secret as text") from None


KINDS: dict[str, Callable[[str], str]] = {"env": _env, "file": _file, "cmd": _command}
