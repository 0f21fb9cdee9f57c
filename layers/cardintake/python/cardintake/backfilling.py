"""What a backfill would read, before it costs anything: uploads counted against their records, and priced.

Lists a prefix of the scans bucket and looks up the records. An invocation counts for as long as it has time, and its
answer is what the next one goes on from. Nothing is read, written or sent to a provider.
"""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import batched
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from cardintake import limits
from cardintake.budget import Budget
from cardintake.items import marshalled, plain
from cardintake.scans import record_id
from cardintake.settings import Settings

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ListObjectsV2OutputTypeDef, ObjectTypeDef

_RECORDS_AT_A_TIME = 100  # BatchGetItem takes no more
_SECONDS_A_PAGE = 8.0
_TRIES = 6


class Report(BaseModel):
    """Uploads below the prefix. Folder keys are none.

    `recorded`: by status, those whose record tells of this very object (etag); a backfill passes over them, unless they
    are still PROCESSING. `changed`: the record tells of an earlier object under the key, or of an erased one.
    `to_read`: what a backfill would have read, `changed` and `unrecorded` without the empty ones, which cost nothing.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    objects: int = 0
    recorded: Counter[str] = Field(default_factory=Counter)
    changed: int = 0
    unrecorded: int = 0
    empty: int = 0
    to_read: int = 0
    price_at_most: float | None = None
    currency: str | None = None


class Progress(BaseModel):
    """What was counted so far; `token` where the listing goes on."""

    model_config = ConfigDict(hide_input_in_errors=True)

    report: Report = Field(default_factory=Report)
    token: str | None = None


class Asked(BaseModel):
    """The task's input. `price_per_card`: of one call, in any currency."""

    model_config = ConfigDict(hide_input_in_errors=True)

    bucket: str
    prefix: str = Field(repr=False)
    price_per_card: Decimal | None = Field(default=None, ge=0)
    currency: str | None = None
    so_far: Progress = Field(default_factory=Progress)


class Backfill:
    """Counts; the reading itself is `recognize`'s, invoked by the state machine."""

    def __init__(self, s3: "S3Client", dynamodb: "DynamoDBClient", settings: Settings) -> None:
        self._s3 = s3
        self._dynamodb = dynamodb
        self._settings = settings

    def count(self, event: object, budget: Budget) -> dict[str, Any]:
        """`{"report": ..., "token"?}`; without a token all has been counted. Raises ValidationError."""
        asked = Asked.model_validate(event)
        report, token = asked.so_far.report, asked.so_far.token
        with ThreadPoolExecutor(max_workers=limits.WORKERS) as pool:
            while True:
                page = self._page(asked, token)
                scans = [entry for entry in page.get("Contents", ()) if not entry["Key"].endswith("/")]
                known: dict[str, dict[str, Any]] = {}
                ids = [record_id(asked.bucket, entry["Key"]) for entry in scans]
                for found in pool.map(self._looked_up, batched(ids, _RECORDS_AT_A_TIME, strict=False)):
                    known |= found
                for scan, its_id in zip(scans, ids, strict=True):
                    _count(report, scan, known.get(its_id))
                token = page.get("NextContinuationToken")
                if token is None or budget.remaining < _SECONDS_A_PAGE:
                    break
        if asked.price_per_card is not None:
            report.price_at_most = float(asked.price_per_card * report.to_read)
            report.currency = asked.currency
        return Progress(report=report, token=token).model_dump(exclude_none=True)

    def _page(self, asked: Asked, token: str | None) -> "ListObjectsV2OutputTypeDef":
        if token is None:
            return self._s3.list_objects_v2(Bucket=asked.bucket, Prefix=asked.prefix)
        return self._s3.list_objects_v2(Bucket=asked.bucket, Prefix=asked.prefix, ContinuationToken=token)

    def _looked_up(self, ids: tuple[str, ...]) -> dict[str, dict[str, Any]]:
        """The records that there are, by id: etag and status."""
        table, found = self._settings.cards_table, {}
        request: Any = {
            table: {
                "Keys": [marshalled({"record_id": one}) for one in ids],
                "ProjectionExpression": "record_id, etag, #status",
                "ExpressionAttributeNames": {"#status": "status"},
            }
        }
        for attempt in range(_TRIES):
            answer = self._dynamodb.batch_get_item(RequestItems=request)
            for item in map(plain, answer["Responses"].get(table, ())):
                found[item["record_id"]] = item
            request = answer.get("UnprocessedKeys")
            if not request:
                return found
            time.sleep(0.05 * 2**attempt)
        raise RuntimeError("DynamoDB leaves keys of a batch unread")


def _count(report: Report, scan: "ObjectTypeDef", record: dict[str, Any] | None) -> None:
    report.objects += 1
    if record is not None and record.get("etag") == scan["ETag"].strip('"'):
        report.recorded[record["status"]] += 1
        return
    if record is None:
        report.unrecorded += 1
    else:
        report.changed += 1
    if scan["Size"] == 0:
        report.empty += 1
    else:
        report.to_read += 1
