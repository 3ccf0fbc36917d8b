"""The journal in one DynamoDB table: PutItem with attribute_not_exists is "append n if absent".

An item's key is (migration, n). Its text is compressed; what is still too large for one item is kept in parts,
written before it under a key that it alone names. Reads are consistent. A try whose answer was lost is made again
with the same nonce: where the item is there already, its nonce says whose it is.
"""

import uuid
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import boto3  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]
from botocore.exceptions import ConnectionError as Unconnected
from botocore.exceptions import HTTPClientError as Unanswered
from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]

from lbmigrate.errors import JournalError
from lbmigrate.events import Entry, Event
from lbmigrate.journal import chain, patience
from lbmigrate.journal.patience import MEND, Lost
from lbmigrate.journal.place import Table, dynamodb

Item = dict[str, dict[str, Any]]  # as the API gives it: {"n": {"N": "7"}}
Tail = tuple[int, str, int]  # of the last entry known: number, hash, first number of its run of looks (0: no look)
T = TypeVar("T")

PART = 350_000  # bytes of compressed text in one item, which holds at most 400 KB with all its attributes
PAGE = 100  # items of one answer while runs of looks may be jumped over
LAST = 2**53
ASIDE = "Put its items of this migration aside"
CREATE = (
    "aws dynamodb create-table --table-name {} --billing-mode PAY_PER_REQUEST --attribute-definitions "
    "AttributeName=migration,AttributeType=S AttributeName=n,AttributeType=N "
    "--key-schema AttributeName=migration,KeyType=HASH AttributeName=n,KeyType=RANGE"
)
# Worth another try: docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
PASSING = frozenset({
    "InternalServerError", "LimitExceededException", "ProvisionedThroughputExceededException",
    "RequestLimitExceeded", "RequestTimeout", "ServiceUnavailable", "ThrottlingException",
    "TransactionConflictException",
})  # fmt: skip


class Client(Protocol):
    """What is used of boto3's client."""

    def put_item(self, **given: Any) -> dict[str, Any]:
        """Write one item."""

    def get_item(self, **given: Any) -> dict[str, Any]:
        """Read one item."""

    def query(self, **given: Any) -> dict[str, Any]:
        """Read items of one partition, in order."""

    def close(self) -> None:
        """End its connections."""


class DynamodbJournal:
    """The items of one `migration` in a table, which must be there."""

    def __init__(self, url: str, migration: str) -> None:
        self._url, self._migration = url, migration
        self._at = dynamodb(url)
        self._client: Client | None = None
        self._last: Tail = (0, chain.GENESIS, 0)

    def read(self, after: int = 0, whole: bool = False) -> list[Entry]:
        """See Journal."""
        pages = self._all if whole else self._thinned
        items = self._ask("read", lambda client: pages(client, self._migration, after))
        entries = [chain.entry(self._row(item), self._url, ASIDE) for item in items]
        self._follows([_tail(item) for item in items], [_text(item, "before") for item in items], after, whole)
        if items:
            self._last = _tail(items[-1])
        return entries

    def append(self, n: int, at: float, by: str, event: Event) -> bool:
        """See Journal."""
        before, kind, body = self._before(n), type(event).__name__, chain.text(event)
        hashed, run = chain.link(before[1], n, at, by, body), (before[2] or n) if kind == "Saw" else 0
        nonce, packed = uuid.uuid4().hex, zlib.compress(body.encode())
        parts = self._put_parts(nonce, packed) if len(packed) > PART else 0
        texts = {"by": by, "kind": kind, "at": repr(at), "before": before[1], "hash": hashed, "nonce": nonce}
        item: Item = {
            "migration": {"S": self._migration},
            **{key: {"S": one} for key, one in texts.items()},
            **{key: {"N": str(one)} for key, one in {"n": n, "run": run, "parts": parts}.items()},
            "body": {"B": b"" if parts else packed},
        }
        done = self._ask("write", lambda client: self._put(client, item), patience.unsure(n))
        if done:
            self._last = (n, hashed, run)
        return done

    def verify(self) -> int:
        """See Journal."""
        return len(self.read(0, whole=True))

    def close(self) -> None:
        """See Journal."""
        if self._client is not None:
            self._client.close()
            self._client = None

    # ---- writing

    def _put(self, client: Client, item: Item) -> bool:
        given = {"ConditionExpression": "attribute_not_exists(n)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        try:
            _answer(client.put_item, TableName=self._at.name, Item=item, **given)
        except ClientError as wrong:
            if wrong.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            # There already: by another, or by an earlier try of this very call whose answer was lost.
            there: Item = wrong.response.get("Item") or self._get(client, int(item["n"]["N"])) or {}
            return there.get("nonce") == item["nonce"]
        return True

    def _put_parts(self, nonce: str, packed: bytes) -> int:
        """Whoever then loses the race for the number leaves its parts behind, which nobody reads."""
        parts = [packed[i : i + PART] for i in range(0, len(packed), PART)]
        for number, part in enumerate(parts, 1):
            self._put_part({"migration": {"S": self._parts(nonce)}, "n": {"N": str(number)}, "body": {"B": part}})
        return len(parts)

    def _put_part(self, item: Item) -> None:
        self._ask("write", lambda client: _answer(client.put_item, TableName=self._at.name, Item=item))

    def _before(self, n: int) -> Tail:
        if self._last[0] == n - 1:
            return self._last
        if n == 1:
            return 0, chain.GENESIS, 0
        item = self._ask("read", lambda client: self._get(client, n - 1))
        if item is None:
            raise chain.missing(n, self._url)
        return _tail(item)

    def _get(self, client: Client, n: int) -> Item | None:
        key = {"migration": {"S": self._migration}, "n": {"N": str(n)}}
        item: Item | None = _answer(client.get_item, TableName=self._at.name, Key=key, ConsistentRead=True).get("Item")
        return item

    def _parts(self, nonce: str) -> str:
        return f"{self._migration}#{nonce}"  # no migration's name holds a `#`

    # ---- reading

    def _page(self, client: Client, key: str, least: int, most: int, **given: Any) -> tuple[list[Item], bool]:
        """Items numbered `least` to `most`, as many as one answer holds, and whether there are more."""
        values = {":key": {"S": key}, ":least": {"N": str(least)}, ":most": {"N": str(most)}}
        found = _answer(
            client.query, TableName=self._at.name, ConsistentRead=True, ExpressionAttributeValues=values,
            KeyConditionExpression="migration = :key AND n BETWEEN :least AND :most", **given,
        )  # fmt: skip
        return found["Items"], "LastEvaluatedKey" in found

    def _all(self, client: Client, key: str, after: int) -> list[Item]:
        found: list[Item] = []
        more = True
        while more:
            page, more = self._page(client, key, after + 1, LAST)
            found += page
            after = _number(found[-1], "n") if found else after
        return found

    def _thinned(self, client: Client, key: str, after: int) -> list[Item]:
        """Without a look that another look follows: from the last backwards, from a look to before its run."""
        found: list[Item] = []
        most, more = LAST, True
        while more and most > after:
            page, more = self._page(client, key, after + 1, most, ScanIndexForward=False, Limit=PAGE)
            for item in page:
                if _number(item, "n") <= most:
                    found.append(item)
                    most = (_number(item, "run") or _number(item, "n")) - 1
        return found[::-1]

    def _row(self, item: Item) -> chain.Row:
        try:
            at, by, kind, stored, before = (_text(item, key) for key in ("at", "by", "kind", "hash", "before"))
            return _number(item, "n"), float(at), by, kind, stored, before, zlib.decompress(self._body(item)).decode()
        except (KeyError, ValueError, zlib.error):
            raise chain.damaged(_number(item, "n"), self._url, ASIDE) from None

    def _body(self, item: Item) -> bytes:
        if not _number(item, "parts"):
            return bytes(item["body"]["B"])
        key = self._parts(_text(item, "nonce"))
        return b"".join(part["body"]["B"] for part in self._ask("read", lambda client: self._all(client, key, 0)))

    def _follows(self, tails: list[Tail], befores: list[str], after: int, whole: bool) -> None:
        """Each entry names the hash of the one before, and none is left out but looks within a run of looks."""
        known = {tail[0]: tail for tail in [self._last, *tails]}
        for (n, _, run), before in zip(tails, befores, strict=True):
            last = known.get(n - 1)
            read = (run if run and not whole else n) - 1  # what must have been read: the rest of a run may be left out
            if (last and (last[1] != before or run not in (0, last[2] or n))) or (read > after and read not in known):
                raise chain.damaged(n, self._url, ASIDE)

    # ---- the connection

    def _ask(self, verb: str, ask: Callable[[Client], T], unsure: str = MEND) -> T:
        def once() -> T:
            with _translated(verb, self._url, self._at):
                if self._client is None:
                    self._client = _client(self._at)
                return ask(self._client)

        return patience.ask(once, verb, self._url, unsure)


def _answer(call: Callable[..., dict[str, Any]], **given: Any) -> dict[str, Any]:
    """botocore takes any page with status 200, such as a proxy's, for an answer without content."""
    answer = call(ReturnConsumedCapacity="TOTAL", **given)
    if "ConsumedCapacity" not in answer:
        raise Lost("what answered is no DynamoDB")
    return answer


def _client(at: Table) -> Client:
    # Tries are counted here: botocore's own would make a lost answer of ours look like somebody else's entry.
    seconds = patience.ANSWER
    once = Config(connect_timeout=seconds, read_timeout=seconds, retries={"mode": "standard", "total_max_attempts": 1})
    session = boto3.Session(profile_name=at.profile or None)
    made: Client = session.client(
        "dynamodb", region_name=at.region or None, endpoint_url=at.endpoint or None, config=once
    )
    return made


@contextmanager
def _translated(verb: str, url: str, at: Table) -> Iterator[None]:
    try:
        yield
    except Unconnected as wrong:
        raise Lost(wrong, sent=False) from wrong
    except (Unanswered, ResponseParserError) as wrong:
        raise Lost(wrong) from wrong
    except ClientError as wrong:
        error, status = wrong.response["Error"], wrong.response["ResponseMetadata"]["HTTPStatusCode"]
        if error["Code"] in PASSING or status >= 500:
            raise Lost(wrong) from wrong
        if error["Code"] == "ResourceNotFoundException":
            raise _no_table(url, at) from wrong
        raise chain.cannot(verb, url, f"{error['Code']}: {error.get('Message', '')}", MEND) from wrong
    except BotoCoreError as wrong:
        raise chain.cannot(verb, url, wrong, MEND) from wrong


def _no_table(url: str, at: Table) -> JournalError:
    given = {"region": at.region, "profile": at.profile, "endpoint-url": at.endpoint}
    where = "".join(f" --{key} {one}" for key, one in given.items() if one)
    return JournalError(f"journal {url}: there is no table {at.name}; create it: {CREATE.format(at.name)}{where}")


def _tail(item: Item) -> Tail:
    return _number(item, "n"), _text(item, "hash"), _number(item, "run")


def _number(item: Item, key: str) -> int:
    return int(item[key]["N"])


def _text(item: Item, key: str) -> str:
    return str(item[key]["S"])
