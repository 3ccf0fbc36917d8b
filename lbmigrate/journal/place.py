"""The URL of a shared journal, taken apart and checked. No message repeats the text: it may carry a password.

Parsed here alone, and handed on as single settings: two parsers that differ could be told two different things.
Raises ValueError("what is wrong; what to do").
"""

import re
from urllib.parse import parse_qsl, unquote

from lbmigrate.config.values import REGION
from lbmigrate.value import value

PASSWORD = "secrets are never written in the file; give the password in PGPASSWORD, ~/.pgpass or a service file"
KEYS = "secrets are never written in the file; give keys in the environment, a profile or an instance role"
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS, but for secrets and what we set
LIBPQ = frozenset({
    "application_name", "channel_binding", "connect_timeout", "gssencmode", "hostaddr", "krbsrvname",
    "load_balance_hosts", "options", "passfile", "require_auth", "service", "sslcert", "sslcrl", "sslkey", "sslmode",
    "sslrootcert", "target_session_attrs",
})  # fmt: skip
SECRETS = frozenset({"password", "sslpassword"})
_NAME = r"(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+"
_HOST = r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
_POSTGRESQL = rf"postgres(?:ql)?://(?:({_NAME})@)?({_HOST}(?:,{_HOST})*)?(?:/({_NAME})?)?(?:\?([!-~]*))?"
_DYNAMODB = r"dynamodb://([A-Za-z0-9_.-]{3,255})(?:\?([!-~]*))?"
_AWS = {
    "region": REGION,
    "profile": r"[^\x00-\x1f\x7f]{1,255}",
    "endpoint": r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?/?",
}


@value
class Table:
    """Where a journal in DynamoDB is; "" is left to the environment and the profile."""

    name: str
    region: str = ""
    profile: str = ""
    endpoint: str = ""


def postgresql(url: str) -> dict[str, str]:
    """The settings for libpq that `postgresql://[USER@][HOST[:PORT],…][/DATABASE][?KEY=VALUE&…]` means."""
    if "@" in url and re.match(r"postgres(ql)?://[^@/?]*:[^@]*@", url):
        raise ValueError(f"the URL carries a password; {PASSWORD}")
    found = re.fullmatch(_POSTGRESQL, url)
    if found is None:
        raise ValueError("not a PostgreSQL URL; write postgresql://USER@HOST:PORT/DATABASE")
    user, hosts, database, query = found.groups()
    given = _query(query)
    if SECRETS & given.keys():
        raise ValueError(f"the URL carries a password; {PASSWORD}")
    _known(given, LIBPQ)
    ends = [one.rpartition(":") if re.search(r":[0-9]+$", one) else (one, "", "") for one in (hosts or "").split(",")]
    ports = ",".join(port for _, _, port in ends)
    named = {
        "user": unquote(user or ""),
        "host": ",".join(host.strip("[]") for host, _, _ in ends),
        "port": ports if ports.strip(",") else "",
        "dbname": unquote(database or ""),
    }
    return {**given, **{key: one for key, one in named.items() if one}}


def dynamodb(url: str) -> Table:
    """The table that `dynamodb://TABLE[?region=…&profile=…&endpoint=URL]` names."""
    if "@" in url.partition("?")[0]:
        raise ValueError(f"the URL carries a key; {KEYS}")
    found = re.fullmatch(_DYNAMODB, url)
    if found is None:
        raise ValueError("not a DynamoDB URL; write dynamodb://TABLE?region=REGION")
    given = _query(found[2])
    _known(given, frozenset(_AWS))
    for key, text in given.items():
        if not re.fullmatch(_AWS[key], text):
            raise ValueError(f"the URL's {key} is none; write it like {_LIKE[key]}")
    return Table(found[1], **given)


_LIKE = {"region": "eu-central-1", "profile": "ops", "endpoint": "http://127.0.0.1:8000"}


def _query(text: str | None) -> dict[str, str]:
    try:
        pairs = parse_qsl(text, strict_parsing=True, keep_blank_values=True, errors="strict") if text else []
    except ValueError:
        pairs = [("", "")]
    found = dict(pairs)
    if len(found) != len(pairs) or not all(key and one and one.isprintable() for key, one in pairs):
        raise ValueError("the URL's query is none; write ?KEY=VALUE&KEY=VALUE, each key once")
    return found


def _known(given: dict[str, str], keys: frozenset[str]) -> None:
    if unknown := sorted(given.keys() - keys):
        from difflib import get_close_matches

        near = get_close_matches(unknown[0], keys, 1)
        # A key that is like none may be a piece of a password with a `&` in it.
        known = ", ".join(sorted(keys))
        what = f"key {unknown[0]!r}; did you mean `{near[0]}`?" if near else f"key; known are {known}"
        raise ValueError(f"the URL has an unknown {what}")
