"""A while the migration runs: marked as what is to be retired, and protected from deletion; and as it was, after."""

from lbmigrate.balancers.elbv2 import marks, reading
from lbmigrate.balancers.elbv2.api import Api, Thing, listed, mapping
from lbmigrate.balancers.elbv2.classic import guarding as classic
from lbmigrate.balancers.elbv2.copying import GUARD, changed
from lbmigrate.errors import Refused


def guard(api: Api, document: Thing, successor: str, migration: str) -> None:
    """Mark A, then protect it. Raises Refused where another migration did, Denied, Unreachable.

    The mark keeps what the protection was; so it comes first.
    """
    if marks.is_classic(document["arn"]):
        classic.guard(api, document["arn"], successor, migration)
    else:
        _guard(api, document["arn"], successor, migration)


def _guard(api: Api, arn: str, successor: str, migration: str) -> None:
    tags = api.tags([arn])[arn]
    if tags.get(marks.RETIRING, migration) != migration:
        raise Refused(f"A is being replaced by the migration {tags[marks.RETIRING]} already; finish or undo that first")
    before = tags.get(marks.PROTECTED) or protected(api, arn)
    if missing := changed({marks.RETIRING: migration, marks.SUCCESSOR: successor, marks.PROTECTED: before}, tags):
        api.do("add_tags", ResourceArns=[arn], Tags=listed(missing))
    protect(api, arn, "true")


def release(api: Api, arn: str, migration: str) -> None:
    """A without our marks, its protection as it was; nothing where it is gone or not ours. Raises as `guard`."""
    if marks.is_classic(arn):
        classic.release(api, arn, migration)
    elif reading.find(api, "", arn) is not None:
        tags = api.tags([arn])[arn]
        if tags.get(marks.RETIRING) == migration:
            protect(api, arn, tags.get(marks.PROTECTED, "true"))
            api.do("remove_tags", ResourceArns=[arn], TagKeys=list(marks.ON_A))


def leave(api: Api, arn: str, tags: marks.Tags) -> None:
    """A, which has these tags, is its owner's again: its protection as it was, the name of what replaced it beside."""
    protect(api, arn, tags.get(marks.PROTECTED, "true"))
    api.do("remove_tags", ResourceArns=[arn], TagKeys=[marks.RETIRING, marks.PROTECTED])


def hand_over(api: Api, tags: marks.Tags, migration: str) -> None:
    """B is protected as A, which has these tags, was."""
    successor = tags.get(marks.SUCCESSOR, "")
    if reading.find(api, "", successor) and marks.ours(api.tags([successor])[successor], migration):
        protect(api, successor, tags.get(marks.PROTECTED, "false"))


def protect(api: Api, arn: str, wanted: str) -> None:
    """Deletion protection as wanted, "true" or "false"."""
    if protected(api, arn) != wanted:
        api.do("modify_load_balancer_attributes", LoadBalancerArn=arn, Attributes=listed({GUARD: wanted}))


def protected(api: Api, arn: str) -> str:
    """Whether a balancer is protected from deletion, "true" or "false"."""
    return mapping(api.do("describe_load_balancer_attributes", LoadBalancerArn=arn)["Attributes"]).get(GUARD, "false")
