"""Records whose scan is gone, though no removal's event was heard: found a few at a time, and erased as it would have.

Every sweep looks at the next page of the table, in the table's own order; `sweep_cursor` remembers where the next one
begins, and when the look at the whole table began. Only a listing that lacks the key proves that a scan is gone: a
refusal proves nothing. A scan whose retention is over went by lifecycle, and its record goes by its own
retention.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from cardintake import limits, telemetry
from cardintake.budget import Budget
from cardintake.items import marshalled, plain
from cardintake.scans import NO_SEQUENCER, SEQUENCER_DIGITS, Scan
from cardintake.settings import Settings

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client

_DAY = 86400
_CURSOR = "sweep_cursor"
_SETTLED = ("RECOGNIZED", "REJECTED", "FAILED")
_SECONDS_A_LOOK = 1.0


class Orphans:
    """`clock` gives epoch seconds."""

    def __init__(
        self,
        dynamodb: "DynamoDBClient",
        s3: "S3Client",
        settings: Settings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._dynamodb = dynamodb
        self._s3 = s3
        self._settings = settings
        self._clock = clock

    def removals(self, budget: Budget) -> Iterator[Scan]:
        """For each record on the next page whose scan is gone, the removal that was not heard of.

        The cursor moves when all of them were taken; an interrupted page is looked at again.
        """
        cursor = plain(
            self._dynamodb.get_item(
                TableName=self._settings.cards_table, Key=marshalled({"record_id": _CURSOR}), ConsistentRead=True
            ).get("Item")
        )
        position, begun_at = cursor.get("position"), int(cursor.get("begun_at", 0))
        now = int(self._clock())
        if position is None:
            if now - begun_at < limits.ORPHANS_SECONDS:
                return
            begun_at = now
        request: Any = {"ExclusiveStartKey": marshalled({"record_id": position})} if position is not None else {}
        page = self._dynamodb.scan(
            TableName=self._settings.cards_table,
            Limit=limits.ORPHANS_PAGE,
            ProjectionExpression="record_id, #bucket, #key, #status, sequencer, created_at",
            ExpressionAttributeNames={"#bucket": "bucket", "#key": "key", "#status": "status"},
            **request,
        )
        refused = False
        for item in filter(self._may_be_an_orphan, map(plain, page["Items"])):
            if budget.remaining < _SECONDS_A_LOOK:
                return
            try:
                gone = self._is_gone(item["bucket"], item["key"])
            except (ClientError, BotoCoreError) as error:
                if not refused:  # the first of a page says it for all
                    telemetry.crashed(error, record_id=item["record_id"])
                refused = True
                continue
            if gone:
                yield _removal(item)
        last = plain(page.get("LastEvaluatedKey"))
        self._dynamodb.put_item(
            TableName=self._settings.cards_table,
            Item=marshalled({"record_id": _CURSOR, "position": last.get("record_id"), "begun_at": begun_at}),
        )

    def _may_be_an_orphan(self, item: dict[str, Any]) -> bool:
        """A finished record of a scan that lifecycle cannot have expired yet.

        That a scan was uploaded when its record began is known only of one that came with its event.
        """
        if item.get("status") not in _SETTLED or item["sequencer"] == NO_SEQUENCER:
            return False
        age = self._clock() - datetime.fromisoformat(item["created_at"]).timestamp()
        return age < (self._settings.retention_days - 1) * _DAY

    def _is_gone(self, bucket: str, key: str) -> bool:
        # a listing and not a HEAD: that one would need leave to read the scans; a key is the first of those it begins
        found = self._s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
        return [entry["Key"] for entry in found.get("Contents", ())] != [key]


def _removal(item: dict[str, Any]) -> Scan:
    """Newer than the record, by the least that sequencers can differ: older than whatever was uploaded since."""
    scan = Scan(bucket=item["bucket"], key=item["key"], removed=True)
    return replace(scan, sequencer=f"{int(item['sequencer'], 16) + 1:0{SEQUENCER_DIGITS}X}")
