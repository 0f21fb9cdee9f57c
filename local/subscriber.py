"""A downstream application: a queue of its own that a rule on the bus fills, emptied without minding repeats."""

import json
from collections.abc import Mapping
from typing import Any, Self

from local.stack import Stack

_MESSAGES = 10  # SQS gives no more at a time


class Subscriber:
    """Subscribed from its making until `cancel` or the end of a `with`."""

    def __init__(self, stack: Stack, name: str) -> None:
        self._stack = stack
        self._name = name
        self._queue_url = stack.subscribe(name)
        self._known: set[str] = set()

    def receive(self) -> list[Mapping[str, Any]]:
        """The events that have arrived since the last call, in order of arrival, without repeats (same event_id)."""
        sqs = self._stack.client("sqs")
        fresh = []
        while messages := sqs.receive_message(QueueUrl=self._queue_url, MaxNumberOfMessages=_MESSAGES).get("Messages"):
            for message in messages:
                event = json.loads(message["Body"])
                event_id = event["detail"]["metadata"]["event_id"]
                if event_id not in self._known:
                    self._known.add(event_id)
                    fresh.append(event)
                sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])
        return fresh

    def cancel(self) -> None:
        """Leaves nothing behind: no rule, no queue."""
        events, bus = self._stack.client("events"), self._stack.outputs.event_bus
        targets = events.list_targets_by_rule(Rule=self._name, EventBusName=bus)["Targets"]
        events.remove_targets(Rule=self._name, EventBusName=bus, Ids=[target["Id"] for target in targets])
        events.delete_rule(Name=self._name, EventBusName=bus)
        self._stack.client("sqs").delete_queue(QueueUrl=self._queue_url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()
