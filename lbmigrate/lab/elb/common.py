"""What the calls share: pages, attributes, tags."""

from collections.abc import Callable

from lbmigrate.lab.elb import rules
from lbmigrate.lab.elb.state import Thing, World
from lbmigrate.lab.elb.wire import ApiError

PAGE = 3  # things in one answer, so that nothing here is read without its pages


def paged(found: list[Thing], key: str, given: Thing) -> Thing:
    """A part of a listing, and where the next begins."""
    start = int(given.get("Marker", "0"))
    rest = {"NextMarker": str(start + PAGE)} if len(found) > start + PAGE else {}
    return {key: found[start : start + PAGE], **rest}


def listed(attributes: dict[str, str]) -> list[Thing]:
    """A mapping as the API has it."""
    return [{"Key": key, "Value": one} for key, one in attributes.items()]


def attributes(what: str, key: str) -> tuple[Callable[[World, Thing], Thing], Callable[[World, Thing], Thing]]:
    def describe(world: World, given: Thing) -> Thing:
        world.one(what, given[key])
        return {"Attributes": listed(world.attributes[given[key]])}

    def modify(world: World, given: Thing) -> Thing:
        world.one(what, given[key])
        held = world.attributes[given[key]]
        held |= rules.attributes(held, given["Attributes"])
        return {"Attributes": listed(held)}

    return describe, modify


def describe_tags(world: World, given: Thing) -> Thing:
    """Of at most 20 things."""
    if len(given["ResourceArns"]) > rules.MOST_DESCRIBED:
        raise ApiError("ValidationError", "at most 20 resources")
    return {
        "TagDescriptions": [{"ResourceArn": arn, "Tags": listed(_tags(world, arn))} for arn in given["ResourceArns"]]
    }


def _tags(world: World, arn: str) -> dict[str, str]:
    if arn not in world.tags and not arn.endswith("/default"):
        raise ApiError("LoadBalancerNotFound", f"{arn} not found")
    return world.tags.setdefault(arn, {})


def add_tags(world: World, given: Thing) -> Thing:
    """Tags added, or given other values."""
    for arn in given["ResourceArns"]:
        held = _tags(world, arn)
        held |= rules.tags(listed({**held, **rules.tags(given["Tags"])}))
    return {}


def remove_tags(world: World, given: Thing) -> Thing:
    """Tags taken off; missing ones are no error."""
    for arn in given["ResourceArns"]:
        for key in given["TagKeys"]:
            _tags(world, arn).pop(key, None)
    return {}
