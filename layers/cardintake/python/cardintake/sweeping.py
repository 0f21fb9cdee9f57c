"""What fell by the wayside: leases that ran out, waits nobody ended, events not delivered, records without scans.

Works through the `due` index, then through a page of the table (see `orphans`). Everything here is repeatable: a scan
is sent to the queue as if it had just arrived, an outbox is delivered with the ids that its events already have, an
erasure is continued where it stopped.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cardintake import limits, telemetry
from cardintake.announcements import Announcements, Event
from cardintake.budget import Budget
from cardintake.intake import Intake
from cardintake.items import DUE_INDEX, DUE_SHARDS, marshalled, plain
from cardintake.orphans import Orphans
from cardintake.provider_states import ProviderStates
from cardintake.reasons import Reason
from cardintake.records import Records, tombstone_of
from cardintake.scans import Continuation
from cardintake.settings import Settings

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_sqs import SQSClient

_SECONDS_AN_ITEM = 2.0
_BATCH = 100  # BatchGetItem takes no more at a time
# what a scan waits for while its provider is paused, by error class
_WAITED_FOR = {
    "configuration": Reason.PROVIDER_MISCONFIGURED,
    "quota": Reason.PROVIDER_QUOTA,
    "unavailable": Reason.PROVIDER_UNAVAILABLE,
}


@dataclass(slots=True)
class Swept:
    """What a sweep did, and the age in seconds of the oldest unfinished scan, since it began to wait or was claimed."""

    sent_again: int = 0
    delivered: int = 0
    erased: int = 0
    orphans: int = 0
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
        orphans: Orphans,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._dynamodb = dynamodb
        self._sqs = sqs
        self._settings = settings
        self._intake = intake
        self._records = records
        self._states = states
        self._announcements = announcements
        self._orphans = orphans
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
        self._measure_others(swept)
        telemetry.count("SweptScans", swept.sent_again)
        telemetry.count("OldestUnfinishedSeconds", swept.oldest_seconds)
        self._watch_providers()
        self._erase_orphans(budget, swept)
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
            self._measure(item, swept)
        if item.get("leaving"):
            self._intake.leave(record_id, item["leaving"], undelivered=bool(item.get("outbox")))
        if item.get("outbox"):
            self._deliver(record_id, item)
            swept.delivered += 1

    def _sent_again(self, item: dict[str, Any]) -> bool:
        if self._settings.queue_url is None or (ticket := self._records.overdue(item)) is None:
            return False
        again = Continuation(item["record_id"], ticket)
        self._sqs().send_message(QueueUrl=self._settings.queue_url, MessageBody=again.message())
        return True

    def _measure_others(self, swept: Swept) -> None:
        """Unfinished scans that are not due, because somebody sees to them: of many, those that are due next."""
        table, keys = self._settings.cards_table, []
        for shard in DUE_SHARDS:
            page = self._dynamodb.query(
                TableName=table,
                IndexName=DUE_INDEX,
                KeyConditionExpression="due_shard = :shard AND due_at > :now",
                ExpressionAttributeValues=marshalled({":shard": shard, ":now": int(self._clock())}),
                Limit=limits.UNFINISHED_PAGE,
            )
            keys += [{"record_id": item["record_id"]} for item in page["Items"]]
        for start in range(0, len(keys), _BATCH):
            answer = self._dynamodb.batch_get_item(
                RequestItems={
                    table: {
                        "Keys": keys[start : start + _BATCH],
                        "ProjectionExpression": "#status, created_at, waiting_since",
                        "ExpressionAttributeNames": {"#status": "status"},
                    }
                }
            )
            for item in map(plain, answer["Responses"][table]):
                if item.get("status") == "PROCESSING" and "created_at" in item:
                    self._measure(item, swept)

    def _measure(self, item: dict[str, Any], swept: Swept) -> None:
        began = item.get("waiting_since") or datetime.fromisoformat(item["created_at"]).timestamp()
        swept.oldest_seconds = max(swept.oldest_seconds, int(self._clock() - began))

    def _watch_providers(self) -> None:
        """Says who is paused, zero included: an alarm on it ends when the pause does."""
        paused, running_out = dict.fromkeys(_WAITED_FOR, 0), 0
        for provider in self._settings.providers_in_use:
            error_class, runs_out = self._states.trouble(provider)
            running_out += runs_out
            if error_class is not None:
                paused[error_class] += 1
                telemetry.info("provider is paused", provider=provider, waiting_for=_WAITED_FOR[error_class].value)
        for error_class, providers in paused.items():
            telemetry.providers_paused(error_class, providers)
        telemetry.count("ProvidersRunningOut", running_out)

    def _erase_orphans(self, budget: Budget, swept: Swept) -> None:
        for removal in self._orphans.removals(budget):
            try:
                self._intake.take(removal, budget)
            except Exception as error:  # noqa: BLE001 - nor must one record's
                telemetry.crashed(error, record_id=removal.record_id)
            else:
                swept.orphans += 1
        telemetry.count("OrphanedRecords", swept.orphans)

    def _deliver(self, record_id: str, item: dict[str, Any]) -> None:
        events = [Event(**entry) for entry in item["outbox"]]
        if self._announcements.deliver(events):
            forget = self._records.delivered if record_id.startswith("scan_") else self._states.delivered
            forget(record_id, events)
