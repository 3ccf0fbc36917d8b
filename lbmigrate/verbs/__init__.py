"""Every verb, by what users do. A group is imported when one of its verbs is called: `status` must start at once."""

from collections.abc import Callable

GROUPS = {
    "planning": ("check", "discover", "plan", "policy"),
    "driving": ("start", "run", "tick"),
    "asking": ("shift", "finish", "rollback", "approve", "pause", "resume", "abandon"),
    "seeing": ("status", "history"),
    "aside": ("schema", "completion", "rehearse"),
}


def verb(name: str) -> Callable[..., int]:
    """The function of that name, which takes the global flags and its own and returns an exit code.

    Raises KeyError for one that is in no group.
    """
    group = {one: group for group, names in GROUPS.items() for one in names}[name]
    found: Callable[..., int] = getattr(__import__(f"lbmigrate.verbs.{group}", fromlist=[name]), name)
    return found
