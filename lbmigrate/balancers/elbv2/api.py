"""The calls of the AWS APIs that a balancer's move needs: paged, patient, their errors in our words."""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, NoRegionError  # type: ignore[import-untyped]
from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]

from lbmigrate import aws
from lbmigrate.aws import TRIES, Busy, Reach
from lbmigrate.errors import Denied, Unreachable

TIMEOUT = 10.0  # seconds for one call
TAGGED = 20  # things whose tags one call tells (DescribeTags)
SOON = ("ResourceInUse", "WAFUnavailableEntityException")  # true for a moment after something else was done
PAGES = {
    "elbv2": ("NextMarker", "Marker"),
    "autoscaling": ("NextToken", "NextToken"),
    "ecs": ("nextToken", "nextToken"),
}
Thing = dict[str, Any]  # as boto3 has it


class Api:
    """One account and region, as one side reaches it; each service is connected at its first call."""

    def __init__(self, reach: Reach, sleep: Callable[[float], None] = time.sleep) -> None:
        self._reach, self._sleep = reach, sleep
        self._made: dict[str, Any] = {}
        self._lock = threading.Lock()
        self.where = f"AWS{f' at {reach.endpoint}' if reach.endpoint else ''}"

    def do(self, call: str, service: str = "elbv2", unless: Collection[str] = (), **given: Any) -> Thing:
        """One call's answer; an empty one where AWS answers with a code in `unless`. Raises Denied, Unreachable.

        What is refused for being too much was not done and is asked again; a lost answer may have been done.
        """
        about = f"{service} {call.replace('_', ' ')} at {self.where}"
        try:
            return self._patiently(call, service, given)
        except Busy as busy:
            raise Unreachable(f"{about}: {busy}, {TRIES} times; others use up the account's requests") from busy
        except NoRegionError as wrong:
            raise Denied(f"{about}: no region; give the side a `region`") from wrong
        except ClientError as wrong:
            code, words = aws.said(wrong)
            if code in unless:
                return {}
            if code in SOON:
                raise Unreachable(f"{about}: {code}: {words}") from wrong
            raise aws.error(about, wrong, "the side's name, region, profile and the key's IAM policy") from wrong
        except (BotoCoreError, ResponseParserError) as wrong:
            raise aws.error(about, wrong, "region and profile") from wrong

    def _patiently(self, call: str, service: str, given: Mapping[str, Any]) -> Thing:
        found: Thing = aws.patiently(self._sleep)(aws.once, self._client(service), call, given)
        return found

    def _client(self, service: str) -> Any:
        with self._lock:
            if service not in self._made:
                self._made[service] = aws.client(service, self._reach, TIMEOUT)
            return self._made[service]

    def every(
        self, call: str, key: str, unless: Collection[str] = (), service: str = "elbv2", **given: Any
    ) -> list[Any]:
        """The things under `key` of every page. Raises as `do`."""
        told, asked = PAGES.get(service, PAGES["elbv2"])
        page = self.do(call, service, unless, **given)
        found: list[Any] = list(page.get(key, ()))
        while page.get(told):
            page = self.do(call, service, **given, **{asked: page[told]})
            found += page[key]
        return found

    def tags(self, arns: Sequence[str]) -> dict[str, dict[str, str]]:
        """The tags of each of these. Raises as `do`."""
        found: dict[str, dict[str, str]] = {}
        for start in range(0, len(arns), TAGGED):
            page = self.do("describe_tags", ResourceArns=list(arns[start : start + TAGGED]))
            found |= {one["ResourceArn"]: mapping(one["Tags"]) for one in page["TagDescriptions"]}
        return found


def mapping(given: Iterable[Thing]) -> dict[str, str]:
    """Tags or attributes, by key, in the order of their keys."""
    return {one["Key"]: one.get("Value", "") for one in sorted(given, key=lambda one: str(one["Key"]))}


def listed(given: Mapping[str, str]) -> list[Thing]:
    """Tags or attributes as the API takes them."""
    return [{"Key": key, "Value": one} for key, one in given.items()]
