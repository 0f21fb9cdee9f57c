"""Takes the next suspected card out of the review queue and shows what is known of it.

    python examples/review-queue/review.py             status and reasons: StatusReaderPolicy is enough
    python examples/review-queue/review.py --card      what was read as well: needs RecordReaderPolicy
    python examples/review-queue/review.py --decide accepted

A decision is written down before the message is deleted, under the event's id: a repeat of the event is not shown
again, and of two people with the same event the second is told. Without one, the card comes back when its time
(VisibilityTimeout) is over.

Exit codes: 0 when a card was shown, 1 when none waits, 2 for a wrong command line.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError

from cardintake.events import CardRiskSuspected, parse_event

# As long as cardintake's archive of events can hand out one again, by default.
REMEMBER_SECONDS = 30 * 86_400
_STATUS = ("record_id", "status", "quality", "risk", "reasons", "case_id")


class DecidedBeforeError(Exception):
    """Somebody else has decided about this event in the meantime."""


@dataclass(frozen=True)
class Waiting:
    """One suspected card, until its message is visible again."""

    event: CardRiskSuspected
    receipt: str


class ReviewQueue:
    """The queue of one deployed `review-queue` stack, and the records; `session` has the reviewer's credentials."""

    def __init__(self, session: boto3.Session, outputs: Mapping[str, str]) -> None:
        """outputs: of the stack of this example and of cardintake's."""
        self._outputs = outputs
        self._sqs = session.client("sqs")
        self._dynamodb = session.client("dynamodb")

    def next(self, wait_seconds: int = 1) -> Waiting | None:
        """The next card that nobody has decided about; repeats of others are dropped on the way."""
        url = self._outputs["ReviewQueueUrl"]
        while messages := self._sqs.receive_message(QueueUrl=url, WaitTimeSeconds=wait_seconds).get("Messages"):
            (message,) = messages
            event = parse_event(json.loads(message["Body"]))
            assert isinstance(event, CardRiskSuspected), "the rule lets nothing else in"  # noqa: S101
            if not self._decided(event):
                return Waiting(event, message["ReceiptHandle"])
            self._delete(message["ReceiptHandle"])
        return None

    def status(self, waiting: Waiting) -> dict[str, Any]:
        """What became of the scan by now, without what the card says. Empty when it has expired."""
        return self._record(
            waiting,
            ProjectionExpression=", ".join(f"#{name}" for name in _STATUS),
            ExpressionAttributeNames={f"#{name}": name for name in _STATUS},
        )

    def card(self, waiting: Waiting) -> dict[str, Any]:
        """What was read. Raises boto3's AccessDeniedException for who may read the status only."""
        found: dict[str, Any] = self._record(waiting).get("card", {})
        return found

    def decide(self, waiting: Waiting, decision: str) -> None:
        """Writes the decision down and takes the card out of the queue. Raises DecidedBeforeError."""
        try:
            self._dynamodb.put_item(
                TableName=self._outputs["ReviewedTableName"],
                Item={
                    "event_id": {"S": waiting.event.metadata.event_id},
                    "record_id": {"S": waiting.event.data.record_id},
                    "decision": {"S": decision},
                    "expires_at": {"N": str(int(time.time()) + REMEMBER_SECONDS)},
                },
                ConditionExpression="attribute_not_exists(event_id)",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            raise DecidedBeforeError("somebody else has decided about this event") from None
        self._delete(waiting.receipt)

    def _decided(self, event: CardRiskSuspected) -> bool:
        key = {"event_id": {"S": event.metadata.event_id}}
        return "Item" in self._dynamodb.get_item(
            TableName=self._outputs["ReviewedTableName"], Key=key, ConsistentRead=True
        )

    def _record(self, waiting: Waiting, **projection: Any) -> dict[str, Any]:
        key = {"record_id": {"S": waiting.event.data.record_id}}
        found = self._dynamodb.get_item(TableName=self._outputs["CardsTableName"], Key=key, **projection)
        return {name: TypeDeserializer().deserialize(value) for name, value in found.get("Item", {}).items()}

    def _delete(self, receipt: str) -> None:
        self._sqs.delete_message(QueueUrl=self._outputs["ReviewQueueUrl"], ReceiptHandle=receipt)


def outputs_of(session: boto3.Session, *stacks: str) -> dict[str, str]:
    """The outputs of all these stacks."""
    cloudformation = session.client("cloudformation")
    return {
        output["OutputKey"]: output["OutputValue"]
        for name in stacks
        for output in cloudformation.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="review.py", description="Shows the next suspected card.")
    parser.add_argument("--stack", default="review-queue", help="name of the deployed example (review-queue)")
    parser.add_argument("--cardintake", default="cardintake", help="name of the cardintake stack (cardintake)")
    parser.add_argument("--card", action="store_true", help="show what was read, too")
    parser.add_argument("--decide", metavar="DECISION", help="write this decision down, and take the card out")
    asked = parser.parse_args(arguments)
    session = boto3.Session()
    queue = ReviewQueue(session, outputs_of(session, asked.cardintake, asked.stack))
    if (waiting := queue.next()) is None:
        print("No card waits.", file=sys.stderr)
        return 1
    shown = {"event_id": waiting.event.metadata.event_id, **queue.status(waiting)}
    if asked.card:
        shown["card"] = queue.card(waiting)
    print(json.dumps(shown, ensure_ascii=False, default=str))
    if asked.decide:
        queue.decide(waiting, asked.decide)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
