"""The calls of the Route 53 API that a migration needs, at its pace, with its errors in our words.

An account has 5 requests a second, and a zone takes one change at a time. What is refused for that was not done, so it
is asked again, a few times, further and further apart. A change whose answer is lost may have been done.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]
from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]

from lbmigrate import aws
from lbmigrate.aws import TRIES, UNSENT, Busy
from lbmigrate.errors import Denied, Unreachable
from lbmigrate.spec import Dns

PAGE = 300  # record sets, the most that one request gives
RATE, SECOND = 5, 1.0  # requests a second and account (Route 53 quotas)
REGION = "us-east-1"  # where the API of the whole partition is
Set = dict[str, Any]  # a ResourceRecordSet as boto3 has it
Change = tuple[str, Set]  # action and set


class Invalid(Exception):
    """InvalidChangeBatch: nothing was done, for one of many reasons."""


class Lost(Exception):
    """No usable answer to a change: it may have been done, or may yet be."""


class Page(NamedTuple):
    """A part of a listing; `following`: name, type and identifier of the next set, None after the last."""

    sets: list[Set]
    following: tuple[str, str, str] | None


class HostedZone(NamedTuple):
    """A zone of the account. `servers`: the names of its name servers, none for a private one."""

    id: str
    name: str
    private: bool
    servers: tuple[str, ...] = ()


class Pace:
    """Never more than 5 requests within a second."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock, self.sleep = clock, sleep
        self._lately: deque[float] = deque(maxlen=RATE)
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Until one more request may go out."""
        with self._lock:
            while len(self._lately) == RATE and (left := self._lately[0] + SECOND - self._clock()) > 0:
                self.sleep(left)
            self._lately.append(self._clock())


PACE = Pace()  # for every zone of this process: the limit is the account's


class Api:
    """One account's Route 53, as one `dns:` entry reaches it; connected at the first call."""

    def __init__(self, entry: Dns, timeout: float, pace: Pace = PACE) -> None:
        self._entry, self._timeout, self._pace = entry, timeout, pace
        self._made: Any = None
        self._lock = threading.Lock()
        self.where = f"Route 53{f' at {entry.endpoint}' if entry.endpoint else ''}"

    def close(self) -> None:
        """Close the connections; the next call opens some."""
        with self._lock:
            if self._made is not None:
                self._made.close()
            self._made = None

    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                one = self._entry
                reach = aws.Reach(one.region or REGION, one.profile, one.endpoint, one.role, one.external_id)
                self._made = aws.client("route53", reach, self._timeout)
            return self._made

    # ------------------------------------------------------------ the calls

    def page(self, zone_id: str, start: tuple[str, str, str]) -> Page:
        """Up to 300 record sets from this name, type and identifier on ("" where any). Raises Unreachable, Denied."""
        fields = ("StartRecordName", "StartRecordType", "StartRecordIdentifier")
        given = {field: one for field, one in zip(fields, start, strict=True) if one}
        found = self._read("list_resource_record_sets", HostedZoneId=zone_id, MaxItems=str(PAGE), **given)
        following = None
        if found["IsTruncated"]:
            following = (found["NextRecordName"], found["NextRecordType"], found.get("NextRecordIdentifier", ""))
        return Page(found["ResourceRecordSets"], following)

    def zones(self, name: str) -> Iterator[HostedZone]:
        """The zones of just this name, public and private. Raises Unreachable, Denied."""
        return takewhile(lambda one: one.name == name, self.below(name))

    def below(self, name: str) -> Iterator[HostedZone]:
        """The same, and then those of the names below it. Raises Unreachable, Denied."""
        given = {"DNSName": name}
        while given:
            page = self._read("list_hosted_zones_by_name", **given)
            for one in map(_zone, page["HostedZones"]):
                if not f".{one.name}".endswith(f".{name}"):
                    return
                yield one
            following = {"DNSName": page.get("NextDNSName", ""), "HostedZoneId": page.get("NextHostedZoneId", "")}
            given = following if page["IsTruncated"] else {}

    def every(self) -> Iterator[HostedZone]:
        """Every zone of the account, 100 a request. Raises Unreachable, Denied."""
        page: dict[str, Any] = {"IsTruncated": True, "NextMarker": ""}
        while page["IsTruncated"]:
            after = {"Marker": page["NextMarker"]} if page["NextMarker"] else {}
            page = self._read("list_hosted_zones", **after)
            yield from map(_zone, page["HostedZones"])

    def zone(self, zone_id: str) -> HostedZone:
        """One zone, with its name servers. Raises Unreachable, Denied."""
        found = self._read("get_hosted_zone", Id=zone_id)
        servers = found.get("DelegationSet", {}).get("NameServers", ())
        return _zone(found["HostedZone"])._replace(servers=tuple(servers))

    def pending(self, change_id: str) -> bool:
        """Whether a change is not on all name servers yet. Raises Unreachable, Denied."""
        status: str = self._read("get_change", Id=change_id)["ChangeInfo"]["Status"]
        return status != "INSYNC"

    def change(self, zone_id: str, changes: list[Change]) -> str:
        """All of them or none; the id of the change. Raises Invalid, Lost, Unreachable (not done), Denied."""
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": one} for action, one in changes]}
        try:
            done = self._call("change_resource_record_sets", HostedZoneId=zone_id, ChangeBatch=batch)
        except ClientError as wrong:
            code, said = aws.said(wrong)
            if code == "InvalidChangeBatch":
                raise Invalid(said) from wrong
            if wrong.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                raise Lost(f"changing {self._entry.zone} at {self.where}: {code}: {said}") from wrong
            raise self._error("changing", wrong) from wrong
        except (BotoCoreError, ResponseParserError) as wrong:
            if isinstance(wrong, UNSENT):
                raise self._error("changing", wrong) from wrong
            raise Lost(f"changing {self._entry.zone} at {self.where}: no answer ({type(wrong).__name__})") from wrong
        found: str = done["ChangeInfo"]["Id"]
        return found

    def _read(self, call: str, **given: Any) -> Any:
        try:
            return self._call(call, **given)
        except (ClientError, BotoCoreError, ResponseParserError) as wrong:
            raise self._error(call.replace("_", " "), wrong) from wrong

    def _call(self, call: str, **given: Any) -> Any:
        """One call, tried again while Route 53 is busy. Raises ClientError, BotoCoreError, Unreachable."""
        try:
            return aws.patiently(self._pace.sleep)(self._once, call, given)
        except Busy as busy:
            raise Unreachable(
                f"{call.replace('_', ' ')} at {self.where}: {busy}, {TRIES} times; others use up the account's"
                " 5 requests a second, or change the zone"
            ) from busy

    def _once(self, call: str, given: dict[str, Any]) -> Any:
        self._pace.wait()
        return aws.once(self._client(), call, given)

    def _error(self, what: str, wrong: Exception) -> Denied | Unreachable:
        """Our word for it: Unreachable where another try may help."""
        about = f"{what} in {self._entry.zone} at {self.where}"
        return aws.error(about, wrong, "zone_id, profile, role and the key's IAM policy")


def _zone(given: dict[str, Any]) -> HostedZone:
    return HostedZone(given["Id"].rpartition("/")[2], given["Name"], given["Config"]["PrivateZone"])
