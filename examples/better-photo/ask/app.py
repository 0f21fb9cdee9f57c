"""Asks for a better photo: a `Card Low Quality` or `Card Rejected` event becomes one message on a topic.

The message says which record and case it is about and, for each reason that a better photo would mend, what to do, in
English, Chinese and Spanish. Whoever subscribes knows the person behind the case and their language.
"""

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

# Longer than the function's timeout: whoever claimed the event has ended by then.
CLAIM_SECONDS = 15
_DAY_SECONDS = 86_400
_SUBJECT = "Please take the photo again"
_UNCLAIMED = "attribute_not_exists(event_id) OR (attribute_not_exists(asked) AND claimed_until < :now)"
_ABOUT = ("record_id", "case_id", "document_type", "side")

# By reason and language. Codes that are not listed, new ones among them, get the text of "" when no other is present.
TEXTS: Mapping[str, Mapping[str, str]] = json.loads((Path(__file__).parent / "texts.json").read_text(encoding="utf-8"))

_dynamodb = boto3.client("dynamodb")
_sns = boto3.client("sns")


class BeingAskedError(Exception):
    """Another invocation works on the same event right now. Lambda tries again later, when that one has ended."""


def handler(event: Mapping[str, Any], _context: object) -> dict[str, str]:
    """Takes what EventBridge delivers; `{"asked": "yes"}`, or `"before"` for a repeat.

    Raises BeingAskedError, and boto3's errors: EventBridge's invocation is tried again, then put into the dead letters.
    """
    detail = event["detail"]
    event_id = detail["metadata"]["event_id"]
    if not _claimed(event_id):
        return {"asked": "before"}
    message = message_for(event_id, detail["data"])
    by_protocol = {"default": json.dumps(message, ensure_ascii=False), "email": "\n\n".join(message["ask"].values())}
    _sns.publish(
        TopicArn=os.environ["TOPIC"],
        Subject=_SUBJECT,
        Message=json.dumps(by_protocol, ensure_ascii=False),
        MessageStructure="json",
    )
    _dynamodb.update_item(
        TableName=os.environ["ASKED_TABLE"],
        Key={"event_id": {"S": event_id}},
        UpdateExpression="SET asked = :yes",
        ExpressionAttributeValues={":yes": {"BOOL": True}},
    )
    return {"asked": "yes"}


def message_for(event_id: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """What subscribers get, from the event's `data`."""
    about = {name: data[name] for name in _ABOUT if name in data}
    return {"event_id": event_id, **about, "reasons": data["reasons"], "ask": _texts(data["reasons"])}


def _texts(reasons: Sequence[str]) -> dict[str, str]:
    known = [reason for reason in reasons if reason in TEXTS] or [""]
    return {language: " ".join(TEXTS[reason][language] for reason in known) for language in ("en", "zh", "es")}


def _claimed(event_id: str) -> bool:
    """Whether this invocation is the one to ask. A claim that led to nothing, by an error or a crash, ends by itself.

    Written before the message, so that of two deliveries at once one asks; marked after it, so that none is lost.
    """
    now = int(time.time())
    expires = now + int(os.environ["REMEMBER_DAYS"]) * _DAY_SECONDS
    try:
        _dynamodb.put_item(
            TableName=os.environ["ASKED_TABLE"],
            Item={
                "event_id": {"S": event_id},
                "claimed_until": {"N": str(now + CLAIM_SECONDS)},
                "expires_at": {"N": str(expires)},
            },
            ConditionExpression=_UNCLAIMED,
            ExpressionAttributeValues={":now": {"N": str(now)}},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        found: Mapping[str, object] = error.response.get("Item", {})  # type: ignore[assignment]
        if "asked" not in found:
            raise BeingAskedError("the event is being worked on") from None
        return False
    return True
