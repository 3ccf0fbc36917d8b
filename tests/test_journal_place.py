"""The URLs of shared journals: what they mean, and that none with a secret in it is taken or shown."""

import pytest

from lbmigrate.errors import JournalError
from lbmigrate.journal import connect
from lbmigrate.journal.place import Table, dynamodb, postgresql

POSTGRESQL = [
    ("postgresql://", {}),
    ("postgresql:///lbm", {"dbname": "lbm"}),
    ("postgresql://db", {"host": "db"}),
    (
        "postgres://lb@db.example.com:5433/lbm",
        {"user": "lb", "host": "db.example.com", "port": "5433", "dbname": "lbm"},
    ),
    (
        "postgresql://lb%40corp@[2001:db8::1]:5433/l%2Fm",
        {"user": "lb@corp", "host": "2001:db8::1", "port": "5433", "dbname": "l/m"},
    ),
    ("postgresql://[::1]/lbm", {"host": "::1", "dbname": "lbm"}),
    ("postgresql://h1,h2:5433/d", {"host": "h1,h2", "port": ",5433", "dbname": "d"}),
    ("postgresql://?service=lbm", {"service": "lbm"}),
    (
        "postgresql://h/d?sslmode=verify-full&sslrootcert=system",
        {"host": "h", "dbname": "d", "sslmode": "verify-full", "sslrootcert": "system"},
    ),
    ("postgresql://h/d?options=-csearch_path%3Dops", {"host": "h", "dbname": "d", "options": "-csearch_path=ops"}),
    ("postgresql://h/d?passfile=/run/pg%20pass", {"host": "h", "dbname": "d", "passfile": "/run/pg pass"}),
]
DYNAMODB = [
    ("dynamodb://lbm", Table("lbm")),
    ("dynamodb://lbm?region=eu-central-1&profile=ops", Table("lbm", "eu-central-1", "ops")),
    ("dynamodb://l.b-m_1?endpoint=http://127.0.0.1:8000", Table("l.b-m_1", endpoint="http://127.0.0.1:8000")),
    (
        "dynamodb://lbm?endpoint=https%3A%2F%2Fdb.example.com&region=us-gov-west-1",
        Table("lbm", "us-gov-west-1", "", "https://db.example.com"),
    ),
]
SECRETS = [
    "postgresql://lb:canary@h/d",
    "postgresql://:canary@h/d",
    "postgresql://lb:can/ary@h/d",
    "postgresql://lb:?canary@h/d",
    "postgresql://lb:@canary@h/d",
    "postgresql://lb:canary@h1,h2/d",
    "postgresql://h/d?password=canary",
    "postgresql://h/d?sslpassword=canary",
    "dynamodb://AKIA:canary@lbm",
    "dynamodb://canary@lbm",
]
WRONG = [
    ("postgresql:h/d", "not a PostgreSQL URL"),
    ("postgresql://h:123456/d", "not a PostgreSQL URL"),
    ("postgresql://h/d/canary", "not a PostgreSQL URL"),
    ("postgresql://h/d#canary", "not a PostgreSQL URL"),
    ("postgresql://h h/d", "not a PostgreSQL URL"),
    ("postgresql://lb@canary@h/d", "not a PostgreSQL URL"),
    ("postgresql://h/d?sslmod=require", "unknown key 'sslmod'; did you mean `sslmode`?"),
    ("postgresql://h/d?canary=1", "an unknown key; known are application_name, "),
    ("postgresql://h/d?sslmode", "the URL's query is none"),
    ("postgresql://h/d?sslmode=", "the URL's query is none"),
    ("postgresql://h/d?sslmode=a&sslmode=b", "the URL's query is none"),
    ("postgresql://h/d?options=a%00b", "the URL's query is none"),
    ("postgresql://h/d?options=%ff", "the URL's query is none"),
    ("dynamodb:lbm", "not a DynamoDB URL"),
    ("dynamodb://", "not a DynamoDB URL"),
    ("dynamodb://t", "not a DynamoDB URL"),  # a table's name has 3 letters at least
    ("dynamodb://lbm/canary", "not a DynamoDB URL"),
    ("dynamodb://lbm?region=Frankfurt", "the URL's region is none; write it like eu-central-1"),
    ("dynamodb://lbm?endpoint=canary:8000", "the URL's endpoint is none; write it like http"),
    ("dynamodb://lbm?endpoint=http://u:canary@h", "the URL's endpoint is none"),
    ("dynamodb://lbm?regoin=us-east-1", "unknown key 'regoin'; did you mean `region`?"),
    ("dynamodb://lbm?aws_secret_access_key=canary", "an unknown key; known are endpoint, profile, region"),
]


@pytest.mark.parametrize(("url", "means"), POSTGRESQL)
def test_what_a_postgresql_url_means(url: str, means: dict[str, str]) -> None:
    assert postgresql(url) == means


@pytest.mark.parametrize(("url", "means"), DYNAMODB)
def test_what_a_dynamodb_url_means(url: str, means: Table) -> None:
    assert dynamodb(url) == means


@pytest.mark.parametrize("url", SECRETS)
def test_a_secret_is_refused_and_not_shown(url: str) -> None:
    parse = dynamodb if url.startswith("dynamodb") else postgresql
    with pytest.raises(ValueError, match="secrets are never written in the file; give ") as wrong:
        parse(url)
    assert "ary" not in str(wrong.value)
    with pytest.raises(JournalError, match="secrets are never"):
        connect(url, "web")


@pytest.mark.parametrize(("url", "said"), WRONG)
def test_what_is_no_url_is_refused_without_repeating_it(url: str, said: str) -> None:
    parse = dynamodb if url.startswith("dynamodb") else postgresql
    with pytest.raises(ValueError, match=r"the URL|URL; write") as wrong:
        parse(url)
    assert said in str(wrong.value)
    assert "canary" not in str(wrong.value)
