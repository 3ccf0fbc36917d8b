"""What else of an AWS account names A: origins of CloudFront, and what registers targets with A. For `discover`."""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from lbmigrate import balancers, dns
from lbmigrate.discover import User
from lbmigrate.errors import Denied, Unreachable
from lbmigrate.spec import Bound

if TYPE_CHECKING:
    from lbmigrate.cloudfront import Distribution


def users(bound: Bound, ends: Collection[str]) -> tuple[tuple[User, ...], tuple[str, ...]]:
    """All that was found, and a line for each thing that could not be looked at. `ends`: names that end at A."""
    looks: tuple[tuple[str, Callable[[], Iterable[User]]], ...] = (
        ("CloudFront fetches from", lambda: _origins(dns.distributions(bound.dns), bound.a.hostname, ends)),
        ("CloudFront fetches from", lambda: _origins(balancers.distributions(bound.a), bound.a.hostname, ends)),
        ("Auto Scaling or ECS registers targets with", lambda: balancers.users(bound.a)),
    )
    found: list[User] = []
    unknown: list[str] = []
    for what, look in looks:
        try:
            found += look()
        except (Denied, Unreachable) as wrong:
            unknown.append(f"whether {what} A is not known: {wrong}")
    return tuple(sorted(dict.fromkeys(found), key=_order)), tuple(dict.fromkeys(unknown))


def _order(one: User) -> tuple[str, str, str]:
    return one.kind, one.name, one.what


def _origins(every: "Iterable[Distribution]", a: str, ends: Collection[str]) -> Iterator[User]:
    """Each origin that is A's own host name, or a name that ends there: that follows."""
    for one in every:
        for host in one.origins:
            if host in ends or host == a:
                todo = "follows it" if host != a else "give it the name of B, or one that is moved"
                yield User("CloudFront", one.id, f"{', '.join(one.names)}: origin {host}", todo)
