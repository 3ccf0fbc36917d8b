"""The AWS API as every driver reaches it: the session, the tries while it is busy, the errors in our words.

Only what was surely not done is tried again here; botocore itself sends every call once.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import botocore.loaders  # type: ignore[import-untyped]
import botocore.session  # type: ignore[import-untyped]
import tenacity
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.credentials import (  # type: ignore[import-untyped]
    AssumeRoleCredentialFetcher,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import (  # type: ignore[import-untyped]
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)

from lbmigrate.errors import Denied, Unreachable
from lbmigrate.value import value

TRIES = 6
PAUSE = (0.3, 4.0)  # seconds before a second try, and at most before a later one
BUSY = ("Throttling", "ThrottlingException", "PriorRequestNotComplete", "RequestLimitExceeded")
UNARMED = (NoCredentialsError, PartialCredentialsError, ProfileNotFound)
UNSENT = (*UNARMED, CredentialRetrievalError)  # without keys nothing was sent
METHOD = "assume-role"
SESSION = "lbmigrate"  # by which CloudTrail tells our calls
STALE = ("ExpiredToken", "ExpiredTokenException", "RequestExpired")


class Busy(Exception):
    """Refused for now; nothing was done."""


@value
class Reach:
    """How the API is reached: region, profile of the credentials, another endpoint; "" where boto3 may choose.

    `role` is assumed by STS with these credentials, again before each session of an hour ends.
    """

    region: str = ""
    profile: str = ""
    endpoint: str = ""
    role: str = ""
    external_id: str = ""


def client(service: str, reach: Reach, timeout: float) -> Any:
    """A client that sends each call once; `timeout` in seconds. Raises what botocore does for a wrong profile."""
    once = Config(retries={"total_max_attempts": 1}, connect_timeout=timeout, read_timeout=timeout)
    session = _session(reach.profile)
    if reach.role:
        session = _assumed(session, reach, once)
    return session.create_client(
        service, region_name=reach.region or None, endpoint_url=reach.endpoint or None, config=once
    )


def _session(profile: str) -> Any:
    made = botocore.session.Session(profile=profile or None)
    made.register_component("data_loader", _loader(made.get_config_variable("data_path")))
    return made


@cache
def _loader(path: str | None) -> Any:
    """The descriptions of the services, read once: reading them is most of what a client costs."""
    return botocore.loaders.create_loader(path)


def _assumed(base: Any, reach: Reach, config: Config) -> Any:
    """A session with the role's credentials; STS is asked at the first call, and where AWS's settings say it is."""
    held = base.get_credentials()
    if held is None:
        raise NoCredentialsError
    given = {"RoleSessionName": SESSION} | ({"ExternalId": reach.external_id} if reach.external_id else {})
    made = partial(base.create_client, region_name=reach.region or None, config=config)
    fetcher = AssumeRoleCredentialFetcher(made, held, reach.role, given)
    found = _session(reach.profile)
    found._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, METHOD)
    return found


def once(made: Any, call: str, given: Mapping[str, Any]) -> Any:
    """One call, sent once. Raises Busy, ClientError, BotoCoreError."""
    try:
        return getattr(made, call)(**given)
    except RuntimeError as wrong:  # botocore's word for a role's keys that are over when they come: a clock is wrong
        raise CredentialRetrievalError(provider=METHOD, error_msg=wrong) from wrong
    except ClientError as wrong:
        if said(wrong)[0] in BUSY:
            raise Busy(said(wrong)[0]) from wrong
        raise


def patiently(sleep: Callable[[float], None]) -> tenacity.Retrying:
    """Calls what it is given again while that raises Busy, a few times, further and further apart."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Busy),
        stop=tenacity.stop_after_attempt(TRIES),
        wait=tenacity.wait_random_exponential(multiplier=PAUSE[0], max=PAUSE[1]),
        sleep=sleep,
        reraise=True,
    )


def said(wrong: ClientError) -> tuple[str, str]:
    """Code and words of an answer that is an error, the words on one line."""
    found = wrong.response.get("Error", {})
    return str(found.get("Code", "")), " ".join(str(found.get("Message", "")).split())[:500]


def error(about: str, wrong: Exception, see: str) -> Denied | Unreachable:
    """Our word for it: Unreachable where another try may help. `see`: what to look at where the call is denied."""
    if isinstance(wrong, ClientError):
        code, words = said(wrong)
        if code in STALE:
            return Unreachable(f"{about}: {code}; renew the credentials")
        if wrong.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
            return Unreachable(f"{about}: {code}: {words}")
        return Denied(f"{about}: {code}: {words}; see {see}")
    if isinstance(wrong, UNARMED):
        return Denied(f"{about}: {wrong}; give a profile, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    if isinstance(wrong, CredentialRetrievalError):
        return Unreachable(f"{about}: {wrong}; renew the credentials, and see that this machine's clock is right")
    return Unreachable(f"{about}: no answer ({type(wrong).__name__}); see the network and endpoint")
