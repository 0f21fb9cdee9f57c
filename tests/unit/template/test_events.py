"""The sample events: the shapes of AWS, dated as SAM's own samples, about one object of the local stack."""

import hashlib
import json
from typing import Any

import pytest

from cardintake import backfilling, replaying
from cardintake.scans import NO_SEQUENCER, Continuation, Scan, parse, record_id
from tests.unit.template.cloudformation import REPOSITORY, Template

_BUCKET = "cardintake-scans-000000000000-eu-west-1"
_KEY = "samples/cn-portrait.jpg"
_NAMES = [
    "backfill-count", "backfill-object", "eventbridge-object-created", "eventbridge-object-deleted", "quota-schedule",
    "replay-segment", "replay-total", "s3-delete", "s3-put", "sqs-redrive", "sqs-s3-delete", "sqs-s3-put", "sqs-ticket",
    "sweep-schedule",
]  # fmt: skip


def event(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((REPOSITORY / "events" / f"{name}.json").read_text(encoding="utf-8"))
    return found


def test_there_is_one_for_every_way_that_a_function_is_called() -> None:
    assert sorted(path.stem for path in (REPOSITORY / "events").glob("*.json")) == _NAMES


@pytest.mark.parametrize(("name", "kind"), [("s3-put", "ObjectCreated:Put"), ("s3-delete", "ObjectRemoved:Delete")])
def test_notifications(name: str, kind: str) -> None:
    (record,) = event(name)["Records"]
    assert (record["eventSource"], record["eventName"]) == ("aws:s3", kind)
    assert record["eventTime"].startswith("1970-")
    assert record["s3"]["bucket"]["name"] == _BUCKET
    assert record["s3"]["object"]["key"] == _KEY


@pytest.mark.parametrize("name", ["s3-delete", "s3-put"])
def test_the_queues_message_holds_the_notification(name: str) -> None:
    (record,) = event(f"sqs-{name}")["Records"]
    assert json.loads(record["body"]) == event(name)
    assert record["md5OfBody"] == hashlib.md5(record["body"].encode()).hexdigest()
    assert (record["eventSource"], record["eventSourceARN"]) == (
        "aws:sqs",
        "arn:aws:sqs:eu-west-1:000000000000:cardintake-scans",
    )


@pytest.mark.parametrize(("name", "kind"), [("created", "Object Created"), ("deleted", "Object Deleted")])
def test_the_event_of_eventbridge(name: str, kind: str) -> None:
    created = event(f"eventbridge-object-{name}")
    assert (created["source"], created["detail-type"]) == ("aws.s3", kind)
    assert created["time"].startswith("1970-")
    assert created["detail"]["bucket"] == {"name": _BUCKET}
    assert created["detail"]["object"]["key"] == _KEY


@pytest.mark.parametrize(
    ("name", "rule"),
    [("sweep-schedule", "SweepFunctionEveryFiveMinutes"), ("quota-schedule", "QuotaFunctionAsOftenAsToldTo")],
)
def test_the_schedules(name: str, rule: str, transformed: Template) -> None:
    assert event(name)["detail-type"] == "Scheduled Event"
    (arn,) = event(name)["resources"]
    assert arn == f"arn:aws:events:eu-west-1:000000000000:rule/cardintake-{rule}"
    assert transformed["Resources"][rule]["Type"] == "AWS::Events::Rule"


def test_what_a_backfill_sends_names_the_object_that_was_listed() -> None:
    ((scan,),) = [delivery.scans for delivery in parse(event("backfill-object")).deliveries]
    assert isinstance(scan, Scan)
    assert (scan.bucket, scan.key, scan.sequencer) == (_BUCKET, _KEY, NO_SEQUENCER)
    assert scan.etag == "0123456789abcdef0123456789abcdef"


def test_backfill_and_replay_take_theirs() -> None:
    assert backfilling.Asked.model_validate(event("backfill-count")).bucket == _BUCKET
    assert replaying.Part.model_validate(event("replay-segment")).segments == 16
    assert replaying.total(event("replay-total")["reports"])["records"] == 4


@pytest.mark.parametrize("name", ["sqs-redrive", "sqs-ticket"])
def test_our_own_messages_name_the_record_of_the_object(name: str) -> None:
    (delivery,) = parse(event(name)).deliveries
    (told,) = delivery.scans
    assert isinstance(told, Continuation)
    assert told.record_id == record_id(_BUCKET, _KEY)
    assert (told.ticket is None, told.redrive is None) == (name == "sqs-redrive", name == "sqs-ticket")
    (record,) = event(name)["Records"]
    assert record["md5OfBody"] == hashlib.md5(record["body"].encode()).hexdigest()


@pytest.mark.parametrize(
    "name",
    ["eventbridge-object-created", "eventbridge-object-deleted", "s3-delete", "s3-put", "sqs-s3-delete", "sqs-s3-put"],
)
def test_recognize_takes_each_of_them(name: str) -> None:
    arrivals = parse(event(name))
    assert arrivals.from_queue == name.startswith("sqs-")
    (scan,) = [scan for delivery in arrivals.deliveries for scan in delivery.scans]
    assert isinstance(scan, Scan)
    assert (scan.bucket, scan.key, scan.removed) == (_BUCKET, _KEY, "delete" in name)
    assert (scan.etag, scan.sequencer) == (None, NO_SEQUENCER), "made up in a sample, so they say nothing"
