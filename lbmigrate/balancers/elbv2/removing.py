"""B taken down on the way back, A retired at the end: only what the marks name, the balancer before its groups.

AWS takes the deletion of what is gone already for done; so a run after a kill finds what is left by its marks.
"""

from lbmigrate.balancers.elbv2 import guarding, marks, reading, scaling
from lbmigrate.balancers.elbv2.api import Api, Thing, listed
from lbmigrate.errors import Denied, Refused


def take_down(api: Api, name: str, migration: str) -> None:
    """B and all that we made for it; A as it was before. What is not ours stays. Raises Denied, Unreachable."""
    there = reading.find(api, name)
    if there is not None:
        tags = api.tags([there["LoadBalancerArn"]])[there["LoadBalancerArn"]]
        if marks.ours(tags, migration):
            guarding.release(api, tags[marks.OF], migration)
            groups = [one["TargetGroupArn"] for one in reading.groups_of(api, there["LoadBalancerArn"])]
            _delete(api, there, groups, marks.MIGRATION, migration)
    _leftovers(api, marks.MIGRATION, migration)


def retire(api: Api, there: Thing | None, about: str, migration: str) -> None:
    """A and the groups that only it used. Raises Refused (not the one that was replaced), Denied, Unreachable."""
    if there is not None:
        arn = there["LoadBalancerArn"]
        tags = api.tags([arn])[arn]
        _replaced(tags, about, migration)
        if tags.get(marks.PROTECTED) == "true" and guarding.protected(api, arn) == "true":
            raise Denied(f"{about}: it was protected from deletion before; take that off, or set `retire: keep: true`")
        _delete(api, there, _handed_over(api, arn, tags, migration), marks.RETIRING, migration)
    _leftovers(api, marks.RETIRING, migration)


def empty(api: Api, there: Thing | None, about: str, migration: str) -> None:
    """A without targets; it stays, protected as it was before, and is tagged with B's ARN. Raises as `retire`.

    Its own mark goes last: what is unmarked and names our B has been emptied already.
    """
    if there is None:  # its deletion had begun
        _leftovers(api, marks.RETIRING, migration)
        return
    arn = there["LoadBalancerArn"]
    tags = api.tags([arn])[arn]
    if marks.RETIRING not in tags and _copies(api, tags.get(marks.SUCCESSOR, ""), migration):
        return
    _replaced(tags, about, migration)
    groups = _handed_over(api, arn, tags, migration)
    scaling.detach(api, groups)
    for one in groups:
        if held := reading.targets(api, one):
            api.do("deregister_targets", TargetGroupArn=one, Targets=held)
    if groups:
        api.do("remove_tags", ResourceArns=groups, TagKeys=[marks.RETIRING])
    guarding.leave(api, arn, tags)


def _replaced(tags: marks.Tags, about: str, migration: str) -> None:
    """Raise Refused where a balancer with these tags is not the one that was replaced."""
    if tags.get(marks.RETIRING) != migration:
        raise Refused(
            f"{about}: it does not carry the mark of {migration}, so it is not the one that was replaced;"
            " see to it by hand"
        )


def _handed_over(api: Api, arn: str, tags: marks.Tags, migration: str) -> list[str]:
    """A's groups, marked; what A was to others, protected and fed by Auto Scaling, B is from now on."""
    guarding.hand_over(api, tags, migration)
    groups = [one["TargetGroupArn"] for one in reading.groups_of(api, arn)]
    unmarked = [one for one, held in api.tags(groups).items() if held.get(marks.RETIRING) != migration]
    if unmarked:
        api.do("add_tags", ResourceArns=unmarked, Tags=listed({marks.RETIRING: migration}))
    if groups:
        scaling.attach(api, _copies(api, tags.get(marks.SUCCESSOR, ""), migration).items(), groups)
    return groups


def _copies(api: Api, successor: str, migration: str) -> dict[str, str]:
    """B's groups by what they are copies of; none where B is gone."""
    if not successor or reading.find(api, "", successor) is None:
        return {}
    tags = api.tags([one["TargetGroupArn"] for one in reading.groups_of(api, successor)])
    return {held[marks.OF]: arn for arn, held in tags.items() if marks.ours(held, migration)}


def _delete(api: Api, balancer: Thing, groups: list[str], key: str, migration: str) -> None:
    """A balancer, then its groups as far as they carry the mark."""
    arn = balancer["LoadBalancerArn"]
    marked = [one for one, tags in api.tags(groups).items() if tags.get(key) == migration]
    scaling.detach(api, marked)
    guarding.protect(api, arn, "false")
    api.do("delete_load_balancer", LoadBalancerArn=arn)
    for one in marked:
        api.do("delete_target_group", TargetGroupArn=one)


def _leftovers(api: Api, key: str, migration: str) -> None:
    """Groups with the mark that no balancer uses: what a kill left."""
    every = api.every("describe_target_groups", "TargetGroups")
    idle = [one["TargetGroupArn"] for one in every if not one.get("LoadBalancerArns")]
    left = [arn for arn, tags in api.tags(idle).items() if tags.get(key) == migration]
    scaling.detach(api, left)
    for arn in left:
        api.do("delete_target_group", TargetGroupArn=arn)
