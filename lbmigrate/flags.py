"""The global flags; and the one command line that is read without click, because it is in a hurry."""

import os
from collections.abc import Sequence

COMPLETING = "_LBMIGRATE_COMPLETE"  # how click is asked by a shell's completion script
ROLLBACK = {
    "--yes": "yes", "--no-wait": "no_wait", "--keep-b": "keep_b", "--from-dns": "from_dns", "--restore": "restore",
    "--dry-run": "dry_run",
}  # fmt: skip


class Common:
    """The global flags, as given before or after the command."""

    config: str = ""
    verbose: int = 0
    quiet: bool = False
    output: str = "text"


def hurried(words: Sequence[str], common: Common) -> dict[str, bool | str] | None:
    """What click makes of `rollback --yes` with plain flags, and the global ones put into `common`; of anything else
    None, and nothing is put anywhere. click's import is a tenth of what a rollback takes until the zone is back.
    """
    given = dict[str, bool | str](digest="", **dict.fromkeys(ROLLBACK.values(), False))
    config, quiet, verb, rest = "", False, False, iter(words)
    for word in rest:
        if word in ("-c", "--config"):
            config = next(rest, "")
            if not config or config.startswith("-"):
                return None
        elif word in ("-q", "--quiet"):
            quiet = True
        elif verb and word in ROLLBACK:
            given[ROLLBACK[word]] = True
        elif word == "rollback" and not verb:
            verb = True
        else:
            return None
    if not (verb and given["yes"]) or COMPLETING in os.environ:
        return None
    common.config, common.quiet = config, quiet
    return given
