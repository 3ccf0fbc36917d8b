"""The tags by which what a migration made, and what it is to retire, are known for certain: names can be taken over.

AWS keeps them with the thing itself, so that what a killed process made is found again without its notes.
"""

from collections.abc import Mapping

PREFIX = "lbmigrate:"
MIGRATION = "lbmigrate:migration"  # on all that we make: for which migration
OF = "lbmigrate:of"  # and the ARN of what it is a copy of
POOL = "lbmigrate:pool"  # on a group: the name that its targets are told by, the same on both sides
RETIRING = "lbmigrate:retiring"  # on A and its groups: the migration that is to retire it
SUCCESSOR = "lbmigrate:successor"  # on A: B's ARN
PROTECTED = "lbmigrate:protected"  # on A: its deletion protection as it was before, "true" or "false"
HOST = "lbmigrate:host"  # on a Classic Load Balancer that is A: the host name that tells it from others of its name
CLASSIC = "classic/"  # before the name of a Classic Load Balancer, where others have an ARN
ON_A = (RETIRING, SUCCESSOR, PROTECTED)

Tags = Mapping[str, str]


def own(tags: Tags) -> dict[str, str]:
    """The tags that a copy is given too: neither AWS's nor ours."""
    return {key: one for key, one in tags.items() if not key.startswith((PREFIX, "aws:"))}


def made(migration: str, of: str) -> dict[str, str]:
    """The tags of what is made as a copy of `of`."""
    return {MIGRATION: migration, OF: of}


def is_classic(arn: str) -> bool:
    """Whether A, by what a document calls its ARN, is a Classic Load Balancer."""
    return arn.startswith(CLASSIC)


def ours(tags: Tags, migration: str) -> bool:
    """Whether this migration made it."""
    return tags.get(MIGRATION) == migration
