"""A small judge of IAM policies, for those that name actions, resources, and what a change batch changes or tags.

Knows Allow and Deny, exact actions, `*` in resources, ForAllValues:StringEquals and :ArnLike, StringEquals. Whatever
else stands in a policy is a KeyError: nothing is let through by what is not understood.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

CHANGE = "route53:ChangeResourceRecordSets"
Context = Mapping[str, Sequence[str]]


def allows(policy: Mapping[str, Any], action: str, resource: str, context: Context) -> bool:
    """Whether a request may be: some statement allows it, and none denies it."""
    fitting = [one["Effect"] for one in policy["Statement"] if _fits(one, action, resource, context)]
    return "Allow" in fitting and "Deny" not in fitting


def _fits(statement: Mapping[str, Any], action: str, resource: str, context: Context) -> bool:
    actions, resources = (_listed(statement[key]) for key in ("Action", "Resource"))
    if action not in actions or not any(fnmatchcase(resource, one) for one in resources):
        return False
    return all(_all(operator, keys, context) for operator, keys in statement.get("Condition", {}).items())


def _all(operator: str, keys: Mapping[str, Any], context: Context) -> bool:
    if operator == "StringEquals":
        return all(any(one in _listed(values) for one in context.get(key, ())) for key, values in keys.items())
    if operator == "ForAllValues:ArnLike":
        return all(_like(context[key], _listed(values)) for key, values in keys.items())
    if operator != "ForAllValues:StringEquals":
        raise KeyError(operator)
    return all(set(context[key]) <= set(_listed(values)) for key, values in keys.items())


def _like(given: Sequence[str], patterns: Sequence[str]) -> bool:
    return all(any(fnmatchcase(one, pattern) for pattern in patterns) for one in given)


def _listed(given: Any) -> list[str]:
    return [given] if isinstance(given, str) else list(given)
