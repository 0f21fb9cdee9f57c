"""What fell by the wayside: leases that ran out, waits that nobody ended, events that were not delivered.

Works through the `due` index. Everything here is repeatable: a scan is sent to the queue as if it had just arrived,
an outbox is delivered with the ids that its events already have, an erasure is continued where it stopped.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cardintake import telemetry
from cardintake.announcements import Announcements, Event
from cardintake.budget import Budget
from cardintake.intake import Intake
from cardintake.items import DUE_INDEX, DUE_SHARDS, marshalled, plain
from cardintake.provider_states import ProviderStates
from cardintake.records import Records, tombstone_of
from cardintake.scans import Scan
from cardintake.settings import Settings

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_sqs import SQSClient

_SECONDS_AN_ITEM = 2.0


@dataclass(slots=True)
class Swept:
    """What a sweep did, and the age in seconds of the oldest unfinished scan that it met."""

    sent_again: int = 0
    delivered: int = 0
    erased: int = 0
    oldest_seconds: int = 0


class Sweep:
    """`clock` gives epoch seconds."""

    def __init__(
        self,
        dynamodb: "DynamoDBClient",
        sqs: Callable[[], "SQSClient"],
        settings: Settings,
        intake: Intake,
        records: Records,
        states: ProviderStates,
        announcements: Announcements,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._dynamodb = dynamodb
        self._sqs = sqs
        self._settings = settings
        self._intake = intake
        self._records = records
        self._states = states
        self._announcements = announcements
        self._clock = clock

    def run(self, budget: Budget) -> Swept:
        """Repairs what is due, the longest due of each shard first, until the budget is used up."""
        swept = Swept()
        for record_id in self._due():
            if budget.remaining < _SECONDS_AN_ITEM:
                break
            try:
                self._repair(record_id, swept)
            except Exception as error:  # noqa: BLE001 - one item's trouble must not keep the others waiting
                telemetry.crashed(error, record_id=record_id)
        telemetry.count("SweptScans", swept.sent_again)
        telemetry.count("OldestUnfinishedSeconds", swept.oldest_seconds)
        return swept

    def _due(self) -> Iterator[str]:
        now = int(self._clock())
        for shard in DUE_SHARDS:
            pages = self._dynamodb.get_paginator("query").paginate(
                TableName=self._settings.cards_table,
                IndexName=DUE_INDEX,
                KeyConditionExpression="due_shard = :shard AND due_at <= :now",
                ExpressionAttributeValues=marshalled({":shard": shard, ":now": now}),
            )
            for page in pages:
                for item in page["Items"]:
                    yield str(plain(item)["record_id"])

    def _repair(self, record_id: str, swept: Swept) -> None:
        item = plain(
            self._dynamodb.get_item(
                TableName=self._settings.cards_table, Key=marshalled({"record_id": record_id}), ConsistentRead=True
            ).get("Item")
        )
        if item.get("due_at", float("inf")) > self._clock():
            return  # the index lags behind: somebody has seen to it
        if item.get("status") == "ERASED":
            self._intake.bury(tombstone_of(item))
            swept.erased += 1
            return
        if item.get("status") == "PROCESSING":
            swept.sent_again += self._sent_again(item)
            age = int(self._clock()) - int(item.get("waiting_since") or item["lease_until"])
            swept.oldest_seconds = max(swept.oldest_seconds, age)
        if item.get("leaving"):
            self._intake.leave(record_id, item["leaving"], undelivered=bool(item.get("outbox")))
        if item.get("outbox"):
            self._deliver(record_id, item)
            swept.delivered += 1

    def _sent_again(self, item: dict[str, Any]) -> bool:
        if self._settings.queue_url is None or (ticket := self._records.overdue(item)) is None:
            return False
        scan = Scan(
            bucket=item["bucket"],
            key=item["key"],
            etag=item.get("etag"),
            size=item.get("size"),
            sequencer=item["sequencer"],
            version_id=item.get("version_id"),
        )
        self._sqs().send_message(QueueUrl=self._settings.queue_url, MessageBody=scan.message(ticket))
        return True

    def _deliver(self, record_id: str, item: dict[str, Any]) -> None:
        events = [Event(**entry) for entry in item["outbox"]]
        if self._announcements.deliver(events):
            forget = self._records.delivered if record_id.startswith("scan_") else self._states.delivered
            forget(record_id, events)
