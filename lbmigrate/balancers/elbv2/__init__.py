"""The driver for Elastic Load Balancing (elbv2): Application and Network Load Balancers, read whole and made again.

api: the calls and their errors · reading: a balancer with all that belongs to it, as a document · copying: the requests
that make the same again · building: B from A's document · scaling: who else registers targets
(Auto Scaling, ECS) · guarding: A meanwhile · counting: what CloudWatch tells · removing: B on the way back, A at the
end · classic: a Classic Load Balancer as A · marks: the tags by which ours is told from others' · side:
`model.Balancer` over these
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lbmigrate.discover import User
from lbmigrate.errors import Failed
from lbmigrate.model import Balancer, Side
from lbmigrate.value import replace

if TYPE_CHECKING:
    from lbmigrate.balancers.elbv2.classic.side import Classic
    from lbmigrate.balancers.elbv2.side import Elbv2
    from lbmigrate.cloudfront import Distribution


def _made(side: Side) -> "Elbv2 | Classic":
    try:
        from lbmigrate.balancers.elbv2.api import Api
        from lbmigrate.balancers.elbv2.classic.side import Classic
        from lbmigrate.balancers.elbv2.side import Elbv2, reach
    except ImportError as wrong:
        raise Failed(f"a side with driver elbv2: {wrong}; install it: pip install 'lbmigrate[elbv2]'") from wrong
    return Classic(side, Api(reach(side))) if "classic" in dict(side.place) else Elbv2(side)


def make(side: Side) -> Balancer:
    """The driver of one side; nothing is connected yet. Raises Failed without boto3."""
    return _made(side)


def located(side: Side) -> Side:
    """A with its host name, hosted zone and families, as AWS tells them. Raises as `Elbv2.located`, and Failed."""
    return _made(side).located()


def users(side: Side) -> list[User]:
    """What registers targets with it. Raises as `Elbv2.users`, and Failed."""
    return _made(side).users()


def distributions(side: Side) -> "Iterator[Distribution]":
    """The CloudFront distributions of its account. Raises Denied, Unreachable."""
    _made(side)  # boto3 is there
    from lbmigrate.balancers.elbv2.side import reach
    from lbmigrate.cloudfront import distributions as found

    return found(reach(side))


def awaited(side: Side, a: Side) -> Side:
    """B with a stand-in for the host name that AWS will give it: no shorter, and in A's region."""
    first, _, region = a.hostname.partition(".")
    internal = "internal-" if first.startswith("internal-") else ""
    return replace(side, hostname=f"{internal}{dict(side.place)['name']}-{0:016}.{region}".lower(), families=a.families)
