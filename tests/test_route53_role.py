"""A role to assume for a zone at Route 53: by STS, with an external id, again before the session's hour is over."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from route53s import OTHER_KEY, WWW, ZONE, A, code, simple, sts
from test_route53 import KEYS, Lab

from lbmigrate.errors import Denied, Unreachable
from lbmigrate.lab.route53.sts import HOUR, Role
from lbmigrate.lab.route53.world import KEY_ID, Made
from lbmigrate.value import replace

OTHER = "210987654321"
ARN = f"arn:aws:iam::{OTHER}:role/dns"


class Roles(Lab):
    """A zone in another account, which only a role opens; the clock stands, or goes with `later`."""

    def __init__(self) -> None:
        super().__init__()
        self.world.roles[ARN] = Role(ARN, (KEY_ID,), "outer-7")
        self.zone = self.world.create(Made(ZONE, "theirs"), OTHER).id
        self.fill(simple(WWW, A))
        self.driver = self.made(zone_id=self.zone, role=ARN, external_id="outer-7")

    def drop(self) -> None:
        """The keys of every session are past their time."""
        self.world.sessions = {key: replace(one, ends=0.0) for key, one in self.world.sessions.items()}


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[Roles]:
    one = Roles()
    for key, text in {**KEYS, "AWS_ENDPOINT_URL_STS": f"http://{one.at}"}.items():
        monkeypatch.setenv(key, text)
    with one.serving():
        yield one


def test_a_zone_of_another_account_is_opened_by_a_role(lab: Roles) -> None:
    lab.claimed()
    assert lab.world.calls.count("AssumeRole") == 1
    with pytest.raises(Denied, match="NoSuchHostedZone"):
        lab.made(zone_id=lab.zone).read([WWW])


def test_a_session_that_ends_is_begun_again(lab: Roles) -> None:
    """botocore asks anew when less than 15 minutes are left by this machine's clock: here 10 are."""
    lab.clock.now = time.time() - HOUR + 600
    for _ in range(3):
        lab.held()
    assert lab.world.calls.count("AssumeRole") == lab.world.calls.count("ListResourceRecordSets") + 1 == 4


def test_a_session_that_is_over_when_it_comes_is_told(lab: Roles) -> None:
    lab.clock.now = time.time() - 2 * HOUR
    with pytest.raises(Unreachable, match=r"still expired.*see that this machine's clock is right"):
        lab.held()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"external_id": ""}, "AccessDenied.*sts:AssumeRole"),
        ({"external_id": "outer-8"}, "AccessDenied.*sts:AssumeRole"),
        ({"role": f"{ARN}2"}, "AccessDenied.*sts:AssumeRole"),
    ],
)
def test_what_the_role_does_not_trust_is_denied(lab: Roles, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Denied, match=said):
        lab.made(zone_id=lab.zone, **{"role": ARN, "external_id": "outer-7", **changes}).read([WWW])


def test_keys_that_expire_in_between_are_told(lab: Roles) -> None:
    lab.held()
    lab.drop()
    with pytest.raises(Unreachable, match="ExpiredToken; renew the credentials"):
        lab.held()


def test_without_keys_there_is_nothing_to_assume_with(lab: Roles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(Denied, match="give a profile, or AWS_ACCESS_KEY_ID"):
        lab.held()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "taken"),
        ({"DurationSeconds": 899}, "ValidationError"),
        ({"DurationSeconds": 3601}, "ValidationError"),
        ({"RoleSessionName": "x"}, "ValidationError"),
        ({"RoleArn": "dns"}, "ValidationError"),
        ({"RoleArn": f"{ARN}2"}, "AccessDenied"),
        ({"ExternalId": "outer-8"}, "AccessDenied"),
    ],
)
def test_the_laboratorys_sts_is_as_strict_as_the_real_one(lab: Roles, given: dict[str, Any], said: str) -> None:
    whole = {"RoleArn": ARN, "RoleSessionName": "lbmigrate", "ExternalId": "outer-7", **given}
    asked = sts(lab.at)
    assert code(lambda: asked.assume_role(**whole)) == said
    asked.close()


def test_a_key_that_the_role_does_not_trust_is_refused(lab: Roles) -> None:
    lab.world.keys[OTHER_KEY] = OTHER
    asked = sts(lab.at, OTHER_KEY)
    given = {"RoleArn": ARN, "RoleSessionName": "lbmigrate", "ExternalId": "outer-7"}
    assert code(lambda: asked.assume_role(**given)) == "AccessDenied"
    asked.close()
