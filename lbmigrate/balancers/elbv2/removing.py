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
        _hand_over(api, groups := reading.groups_of(api, arn), tags, migration)
        _mark(api, arns := [one["TargetGroupArn"] for one in groups], migration)
        _delete(api, there, arns, marks.RETIRING, migration)
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
    _hand_over(api, groups := reading.groups_of(api, arn), tags, migration)
    _empty(api, groups, migration)
    guarding.leave(api, arn, tags)


def _empty(api: Api, groups: list[Thing], migration: str) -> None:
    """No target is left, and nothing that would register one; the groups carry the mark only meanwhile."""
    arns = [one["TargetGroupArn"] for one in groups]
    fed = {each for one in scaling.feeding(api, scaling.of_kind(groups, scaling.SCALED)) for each in one["feeds"]}
    _mark(api, [one for one in arns if one in fed or reading.targets(api, one)], migration)
    scaling.detach(api, arns)
    for one in arns:
        if left := reading.targets(api, one):
            api.do("deregister_targets", TargetGroupArn=one, Targets=left)
    if marked := [one for one, held in api.tags(arns).items() if held.get(marks.RETIRING) == migration]:
        api.do("remove_tags", ResourceArns=marked, TagKeys=[marks.RETIRING])


def _replaced(tags: marks.Tags, about: str, migration: str) -> None:
    """Raise Refused where a balancer with these tags is not the one that was replaced."""
    if tags.get(marks.RETIRING) != migration:
        raise Refused(
            f"{about}: it does not carry the mark of {migration}, so it is not the one that was replaced;"
            " see to it by hand"
        )


def _hand_over(api: Api, groups: list[Thing], tags: marks.Tags, migration: str) -> None:
    """What A, which has these groups and tags, was to others, protected and fed by Auto Scaling, B is from now on."""
    guarding.hand_over(api, tags, migration)
    if groups:
        copies = _copies(api, tags.get(marks.SUCCESSOR, ""), migration)
        scaling.attach(api, copies.items(), [one["TargetGroupArn"] for one in groups])


def _mark(api: Api, arns: list[str], migration: str) -> None:
    unmarked = [one for one, held in api.tags(arns).items() if held.get(marks.RETIRING) != migration]
    if unmarked:
        api.do("add_tags", ResourceArns=unmarked, Tags=listed({marks.RETIRING: migration}))


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
