"""AssumeRole of STS for the laboratory: who may become which role, for how long, and by which keys it is then known.

As strict as the API reference of STS: the caller must be trusted by the role, an external id that the role asks for
must be given to the letter, and keys without their session token, or past their time, are no keys.
"""

import re
import secrets
import uuid
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from urllib.parse import parse_qs

from lbmigrate.lab.route53.errors import ApiError
from lbmigrate.lab.route53.sets import put
from lbmigrate.value import value

NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
SHORTEST, HOUR = 900, 3600  # seconds of a session: at least, and where nothing is said
ARN = re.compile(r"arn:aws:iam::([0-9]{12}):role/([\w+=,.@/-]{1,512})")
SESSION = re.compile(r"[\w+=,.@-]{2,64}")


@value
class Role:
    """A role: `trusts` are the key ids that may assume it, `longest` in seconds (its MaxSessionDuration)."""

    arn: str
    trusts: tuple[str, ...]
    external_id: str = ""
    longest: int = HOUR


@value
class Session:
    """Keys of a role: whose account they open, the token that must stand beside them, and until when (Unix seconds)."""

    account: str
    token: str
    ends: float


def assumed(roles: dict[str, Role], caller: str, body: bytes, now: float) -> tuple[str, Session, ET.Element]:
    """The key id and session that an AssumeRole begins, and its answer. Raises ApiError."""
    given = {field: found[-1] for field, found in parse_qs(body.decode("latin-1")).items()}
    if (given.get("Action"), given.get("Version")) != ("AssumeRole", "2011-06-15"):
        raise ApiError("InvalidAction", f"Could not find operation {given.get('Action')}")
    arn, named, seconds = (given.get(key, "") for key in ("RoleArn", "RoleSessionName", "DurationSeconds"))
    if not ARN.fullmatch(arn) or not SESSION.fullmatch(named):
        raise ApiError("ValidationError", f"{arn or named} is invalid")
    role = roles.get(arn)
    if role is None or caller not in role.trusts or role.external_id not in ("", given.get("ExternalId")):
        raise ApiError("AccessDenied", f"User is not authorized to perform: sts:AssumeRole on resource: {arn}")
    lasts = _lasts(role, seconds)
    key_id, session = "ASIA" + secrets.token_hex(8).upper(), Session(_account(arn), secrets.token_hex(32), now + lasts)
    return key_id, session, _answer(arn, named, key_id, session)


def _account(arn: str) -> str:
    found = ARN.fullmatch(arn)
    return found[1] if found else ""


def _lasts(role: Role, seconds: str) -> int:
    """How long the session is to last."""
    lasts = int(seconds) if seconds.isascii() and seconds.isdigit() else HOUR if not seconds else 0
    if lasts < SHORTEST:
        raise ApiError("ValidationError", f"DurationSeconds {seconds} must be at least {SHORTEST}")
    if lasts > role.longest:
        raise ApiError("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this"
                       " role.")  # fmt: skip
    return lasts


def _answer(arn: str, named: str, key_id: str, session: Session) -> ET.Element:
    root = ET.Element("AssumeRoleResponse", xmlns=NAMESPACE)
    result = put(root, "AssumeRoleResult")
    keys = put(result, "Credentials")
    ends = datetime.fromtimestamp(session.ends, UTC)
    for field, text in (
        ("AccessKeyId", key_id), ("SecretAccessKey", secrets.token_hex(20)), ("SessionToken", session.token),
        ("Expiration", ends.strftime("%Y-%m-%dT%H:%M:%SZ")),
    ):  # fmt: skip
        put(keys, field, text)
    user = put(result, "AssumedRoleUser")
    put(user, "Arn", f"{arn.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/{named}")
    put(user, "AssumedRoleId", f"AROALABORATORY:{named}")
    put(put(root, "ResponseMetadata"), "RequestId", str(uuid.uuid4()))
    return root
