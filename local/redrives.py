"""What has to be done again by an operator: dead letters listed and sent back, scans that have failed reopened.

Bodies of S3's notifications hold object keys: they are read and passed on here, and never shown.
"""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.exceptions import ClientError

from cardintake import scans
from cardintake.items import iso, marshalled, plain
from cardintake.scans import Continuation, Scan, UnknownEventError
from local.stack import Stack

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.type_defs import AttributeValueTypeDef
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import MessageTypeDef

_BATCH = 10  # SQS takes and gives no more at a time
# Longer than a listing takes, or messages come back into it; whoever kills this process waits as long to see them.
_HELD_SECONDS = 300
_LOOK_SECONDS = 2.0

# all that somebody with the stack's StatusReaderPolicy may read of a record, as far as it says why something is here
_STATUS = ("record_id", "status", "waiting_for", "reasons", "attempts", "updated_at")
_FAILURE = ("status", "updated_at")


@dataclass(frozen=True)
class Deployment:
    """The queues and the table of one stack."""

    sqs: "SQSClient"
    dynamodb: "DynamoDBClient"
    queue_url: str
    dead_letter_queue_url: str
    cards_table: str

    @classmethod
    def on_laptop(cls, stack: Stack) -> Self:
        """What runs on this machine."""
        outputs = stack.outputs
        return cls(
            stack.client("sqs"),
            stack.client("dynamodb"),
            outputs.queue_url,
            outputs.dead_letter_queue_url,
            outputs.cards_table,
        )

    @classmethod
    def of_stack(cls, name: str, session: boto3.Session) -> Self:
        """A stack by its name, in the session's account and region. Raises RuntimeError, ClientError."""
        described = session.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", ())}
        try:
            queues = outputs["QueueUrl"], outputs["DeadLetterQueueUrl"]
            return cls(session.client("sqs"), session.client("dynamodb"), *queues, outputs["CardsTableName"])
        except KeyError as missing:
            raise RuntimeError(f"The stack {name} has no output {missing}: it is none of this template.") from None


@dataclass(frozen=True)
class DeadLetter:
    """A message of the dead-letter queue. `unparsable` says why there are no scans in it."""

    message_id: str
    sent_at: str
    scans: tuple[Scan | Continuation, ...] = ()
    unparsable: str | None = None

    @classmethod
    def of(cls, message: "MessageTypeDef") -> Self:
        sent_at = iso(int(message["Attributes"]["SentTimestamp"]) / 1000)
        try:
            return cls(message["MessageId"], sent_at, scans.of_message(message["Body"]))
        except UnknownEventError as unknown:
            return cls(message["MessageId"], sent_at, unparsable=str(unknown))


@dataclass(frozen=True)
class SentBack:
    """How many messages were sent back and how many stay; `by` says who moved them."""

    sent: int
    left: int
    by: str


@dataclass(frozen=True)
class Redriven:
    """Ids of the records to which a redrive was sent, and why it was not to others."""

    sent: tuple[str, ...]
    refused: dict[str, str]


# what is there --------------------------------------------------------------------------------------------------------


def listed(deployment: Deployment) -> list[dict[str, Any]]:
    """Every dead letter with the records of its scans, as `--json` prints them; the queue is left as it was."""
    with closing(_messages(deployment)) as messages:
        return [_described(deployment, DeadLetter.of(message)) for message in messages]


def _described(deployment: Deployment, letter: DeadLetter) -> dict[str, Any]:
    about = [
        {
            "record_id": scan.record_id,
            "removed": isinstance(scan, Scan) and scan.removed,
            "record": _record(deployment, scan.record_id, _STATUS),
        }
        for scan in letter.scans
    ]
    described = {"message_id": letter.message_id, "sent_at": letter.sent_at, "scans": about}
    return described | ({"unparsable": letter.unparsable} if letter.unparsable else {})


def _messages(deployment: Deployment) -> Generator["MessageTypeDef"]:
    """Every message once, out of everybody else's sight until the generator is closed."""
    seen: set[str] = set()
    held: list[str] = []
    try:
        while True:
            received = deployment.sqs.receive_message(
                QueueUrl=deployment.dead_letter_queue_url,
                MaxNumberOfMessages=_BATCH,
                VisibilityTimeout=_HELD_SECONDS,
                WaitTimeSeconds=1,  # asks all of the queue's servers, not a few
                MessageSystemAttributeNames=["SentTimestamp"],
            ).get("Messages", [])
            held += [message["ReceiptHandle"] for message in received]
            new = [message for message in received if message["MessageId"] not in seen]
            seen.update(message["MessageId"] for message in new)
            if not new:
                return
            yield from new
    finally:
        for handles in batched(held, _BATCH, strict=False):
            # entries that fail are of messages that were deleted, or have come back by themselves
            deployment.sqs.change_message_visibility_batch(
                QueueUrl=deployment.dead_letter_queue_url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                    for number, handle in enumerate(handles)
                ],
            )


def _record(deployment: Deployment, record_id: str, attributes: Sequence[str]) -> dict[str, Any] | None:
    found = deployment.dynamodb.get_item(
        TableName=deployment.cards_table,
        Key={"record_id": {"S": record_id}},
        ConsistentRead=True,
        **_projection(attributes),
    )
    return plain(found.get("Item")) or None


def _projection(attributes: Iterable[str]) -> Any:
    """Of which attributes a request wants to know; by aliases, since some of them are reserved words."""
    names = {f"#{name}": name for name in attributes}
    return {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}


# sending back ---------------------------------------------------------------------------------------------------------


def send_back(deployment: Deployment, *, everything: bool, sleep: Callable[[float], None] = time.sleep) -> SentBack:
    """Moves the dead letters to the queue that they came from; those that cannot be parsed only with `everything`.

    SQS's own redrive moves all or nothing: it is used when nothing is to stay. Where it is not, and on an emulator that
    has none, messages are sent first and then deleted: one that is sent twice does no harm. Raises RuntimeError when
    SQS gives up.
    """
    with closing(_messages(deployment)) as messages:
        letters = [DeadLetter.of(message) for message in messages]
    staying = 0 if everything else sum(letter.unparsable is not None for letter in letters)
    if staying == len(letters):
        return SentBack(0, staying, by="nobody: there was nothing to send")
    if not staying and (moved := _moved_by_sqs(deployment, sleep)) is not None:
        return SentBack(moved, 0, by="SQS's own redrive (StartMessageMoveTask)")
    return _moved_one_by_one(deployment, everything=everything)


def _moved_by_sqs(deployment: Deployment, sleep: Callable[[float], None]) -> int | None:
    """How many messages SQS has moved; None where it does not know how to."""
    source = _arn(deployment, deployment.dead_letter_queue_url)
    try:
        deployment.sqs.start_message_move_task(
            SourceArn=source,
            # named: else SQS refuses messages that were put here by hand
            DestinationArn=_arn(deployment, deployment.queue_url),
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidAction":
            raise
        return None
    while (task := deployment.sqs.list_message_move_tasks(SourceArn=source)["Results"][0])["Status"] == "RUNNING":
        sleep(_LOOK_SECONDS)
    if task["Status"] != "COMPLETED":
        why = task.get("FailureReason", "no reason given")
        raise RuntimeError(f"SQS's own redrive is {task['Status']} ({why}). What it has not moved is where it was.")
    return task.get("ApproximateNumberOfMessagesMoved", 0)


def _arn(deployment: Deployment, queue_url: str) -> str:
    known = deployment.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]
    return known["QueueArn"]


def _moved_one_by_one(deployment: Deployment, *, everything: bool) -> SentBack:
    sent = left = 0
    with closing(_messages(deployment)) as messages:
        for message in messages:
            if not everything and DeadLetter.of(message).unparsable is not None:
                left += 1
                continue
            deployment.sqs.send_message(QueueUrl=deployment.queue_url, MessageBody=message["Body"])
            deployment.sqs.delete_message(
                QueueUrl=deployment.dead_letter_queue_url, ReceiptHandle=message["ReceiptHandle"]
            )
            sent += 1
    return SentBack(sent, left, by="this command, one by one")


# redrive of what has failed -------------------------------------------------------------------------------------------


def redrive(deployment: Deployment, record_ids: Sequence[str]) -> Redriven:
    """Sends a redrive to these records, or without any to all that have FAILED, for which it reads the whole table."""
    found = (
        ((record_id, _record(deployment, record_id, _FAILURE)) for record_id in record_ids)
        if record_ids
        else _failed(deployment)
    )
    sent: list[str] = []
    refused: dict[str, str] = {}
    for some in batched(found, _BATCH, strict=False):
        failed = {record_id: item for record_id, item in some if item is not None and item["status"] == "FAILED"}
        refused |= {
            record_id: item["status"] if item else "no record" for record_id, item in some if record_id not in failed
        }
        if not failed:
            continue
        answer = deployment.sqs.send_message_batch(
            QueueUrl=deployment.queue_url,
            Entries=[
                {"Id": record_id, "MessageBody": Continuation(record_id, redrive=item["updated_at"]).message()}
                for record_id, item in failed.items()
            ],
        )
        refused |= {entry["Id"]: f"not sent: {entry['Code']}" for entry in answer.get("Failed", ())}
        sent += [entry["Id"] for entry in answer.get("Successful", ())]
    return Redriven(tuple(sent), refused)


def _failed(deployment: Deployment) -> Iterator[tuple[str, dict[str, Any]]]:
    values: dict[str, AttributeValueTypeDef] = marshalled({":scan": "scan_", ":failed": "FAILED"})
    pages = deployment.dynamodb.get_paginator("scan").paginate(
        TableName=deployment.cards_table,
        FilterExpression="begins_with(#record_id, :scan) AND #status = :failed",
        ExpressionAttributeValues=values,
        **_projection(("record_id", *_FAILURE)),
    )
    for page in pages:
        for item in map(plain, page["Items"]):
            yield item["record_id"], item
