"""A Classic Load Balancer while the migration runs, and its end: tags are all the guard that it has."""

from lbmigrate.balancers.elbv2 import marks, scaling
from lbmigrate.balancers.elbv2 import reading as others
from lbmigrate.balancers.elbv2.api import Api, Thing, listed
from lbmigrate.balancers.elbv2.classic import reading
from lbmigrate.balancers.elbv2.classic.translating import identity, source
from lbmigrate.balancers.elbv2.copying import changed
from lbmigrate.errors import Refused

ON_A = (marks.RETIRING, marks.SUCCESSOR, marks.HOST)


def guard(api: Api, arn: str, successor: str, migration: str) -> None:
    """Mark A. Raises Refused where another migration did, or where it is another one by now, Denied, Unreachable."""
    name = _name(arn)
    there = reading.find(api, name)
    if there is None or identity(there) != arn:
        raise Refused(f"the Classic Load Balancer {name} is gone, or another one has its name")
    tags = reading.tags(api, name)
    if tags.get(marks.RETIRING, migration) != migration:
        raise Refused(f"A is being replaced by the migration {tags[marks.RETIRING]} already; finish or undo that first")
    wanted = {marks.RETIRING: migration, marks.SUCCESSOR: successor, marks.HOST: there["DNSName"].lower()}
    if missing := changed(wanted, tags):
        api.do("add_tags", "elb", LoadBalancerNames=[name], Tags=listed(missing))


def release(api: Api, arn: str, migration: str) -> None:
    """A without our marks; nothing where it is gone or not ours. Raises Denied, Unreachable."""
    name = _name(arn)
    if reading.find(api, name) is not None and reading.tags(api, name).get(marks.RETIRING) == migration:
        api.do("remove_tags", "elb", LoadBalancerNames=[name], Tags=[{"Key": key} for key in ON_A])


def _name(arn: str) -> str:
    return arn.split("/")[1]


def retire(api: Api, there: Thing | None, about: str, migration: str) -> None:
    """It is deleted; Auto Scaling groups are B's by then. Raises Refused (not the one that was replaced), Denied,
    Unreachable."""
    if there is not None:
        name = there["LoadBalancerName"]
        _handed_over(api, there, reading.tags(api, name), about, migration)
        api.do("delete_load_balancer", "elb", LoadBalancerName=name)


def empty(api: Api, there: Thing | None, about: str, migration: str) -> None:
    """It stays without instances, tagged with B's ARN; its mark goes last. Raises as `retire`."""
    if there is None:  # its deletion had begun
        return
    name = there["LoadBalancerName"]
    tags = reading.tags(api, name)
    if marks.RETIRING not in tags and _copies(api, tags.get(marks.SUCCESSOR, ""), identity(there), migration):
        return  # done before
    _handed_over(api, there, tags, about, migration)
    now = reading.find(api, name) or {}  # without those that Auto Scaling has taken away by now
    if held := now.get("Instances"):
        api.do("deregister_instances_from_load_balancer", "elb", LoadBalancerName=name, Instances=held)
    gone = [{"Key": key} for key in (marks.RETIRING, marks.HOST)]
    api.do("remove_tags", "elb", LoadBalancerNames=[name], Tags=gone)


def _handed_over(api: Api, there: Thing, tags: marks.Tags, about: str, migration: str) -> None:
    """What Auto Scaling fed A with feeds B, and A no more. Raises Refused where A is not the one that was replaced."""
    name = there["LoadBalancerName"]
    if tags.get(marks.RETIRING) != migration or tags.get(marks.HOST) != there["DNSName"].lower():
        raise Refused(
            f"{about}: it does not carry the mark of {migration}, so it is not the one that was replaced;"
            " see to it by hand"
        )
    scaling.attach(api, _copies(api, tags[marks.SUCCESSOR], identity(there), migration), [source(name)])
    scaling.detach(api, [source(name)])


def _copies(api: Api, successor: str, of: str, migration: str) -> list[tuple[str, str]]:
    """B's groups, each as fed by what feeds A; none where B is gone."""
    if not successor or others.find(api, "", successor) is None:
        return []
    tags = api.tags([one["TargetGroupArn"] for one in others.groups_of(api, successor)])
    mine = [arn for arn, held in tags.items() if marks.ours(held, migration) and held[marks.OF].startswith(f"{of}/")]
    return [(source(_name(of)), arn) for arn in mine]
