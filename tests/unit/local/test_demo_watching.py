"""Watching: every upload is followed to its end, or patience ends and says so by what it has seen."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer
from moto import mock_aws

from local.demo import contract, watching
from local.demo.model import Result, Upload
from local.demo.watching import Watch
from local.stack import Outputs, Stack
from local.subscriber import Subscriber

NAMES = {name: name.replace("_", "-") for name in Outputs.__annotations__}


class MotoStack(Stack):
    """A stack without the application: the test writes what recognize would."""

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name="eu-west-1")  # type: ignore[call-overload]

    def record(self, key: str, **attributes: object) -> None:
        item = {"record_id": contract.record_id(self.outputs.scans_bucket, key), **attributes}
        serialized = {name: TypeSerializer().serialize(value) for name, value in item.items()}
        self.client("dynamodb").put_item(TableName=self.outputs.cards_table, Item=serialized)

    def announce(self, detail_type: str, key: str, event_id: str) -> None:
        data = {"record_id": contract.record_id(self.outputs.scans_bucket, key), "reasons": ["NO_CARD"]}
        detail = {"metadata": {"event_id": event_id, "occurred_at": "2026-11-21T05:00:00.000Z"}, "data": data}
        entry = {"Source": "cardintake", "DetailType": detail_type, "Detail": json.dumps(detail)}
        self.client("events").put_events(Entries=[entry | {"EventBusName": self.outputs.event_bus}])


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        stack = MotoStack("", Outputs(**NAMES), Path(os.devnull))
        stack.client("s3").create_bucket(
            Bucket=stack.outputs.scans_bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        stack.client("events").create_event_bus(Name=stack.outputs.event_bus)
        stack.client("dynamodb").create_table(
            TableName=stack.outputs.cards_table,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "record_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "record_id", "AttributeType": "S"}],
        )
        yield stack


def watched(stack: MotoStack, *keys: str, tell: Callable[[Result], None] = lambda _: None) -> tuple[Result, ...]:
    with Subscriber(stack, "subscriber") as subscriber:
        watch = Watch(stack, subscriber, tell)
        watch.upload(Upload(key, key, b"data", {"side": "back"}) for key in keys)
        stack.announce("Card Rejected", "a", "event-1")
        stack.announce("Card Rejected", "a", "event-1")
        stack.announce("Card Low Quality", "a", "event-2")
        return watch.wait()


REJECTED: Mapping[str, object] = {
    "status": "REJECTED", "quality": "low", "risk": "unknown", "reasons": ["NO_CARD"], "paid_calls": 1
}  # fmt: skip


def test_it_ends_when_everything_is_there(stack: MotoStack) -> None:
    stack.record("a", **REJECTED)
    told: list[Result] = []
    (result,) = watched(stack, "a", tell=told.append)
    assert result.is_final
    assert result.get("reasons") == ["NO_CARD"]
    assert type(result.get("paid_calls")) is int
    assert result.milliseconds is not None
    assert sorted(result.announced()) == ["Card Low Quality", "Card Rejected"], "the repeat is dropped"
    assert [one.upload.name for one in told] == ["a"]
    found = stack.client("s3").get_object(Bucket=stack.outputs.scans_bucket, Key="a")
    assert (found["Body"].read(), found["Metadata"]) == (b"data", {"side": "back"})
    assert stack.client("sqs").list_queues().get("QueueUrls") is None, "the subscriber has gone"
    assert stack.client("events").list_rules(EventBusName=stack.outputs.event_bus)["Rules"] == []


@pytest.mark.thorough
def test_patience_ends_for_records_and_for_events(stack: MotoStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(watching, "EVENT_SECONDS", 0.3)
    stack.record("b", status="PROCESSING", waiting_for="PROVIDER_QUOTA")
    stack.record("c", **REJECTED)
    waiting, silent, unknown = watched(stack, "b", "c", "d")
    assert (waiting.is_final, waiting.milliseconds, waiting.get("waiting_for")) == (False, None, "PROVIDER_QUOTA")
    assert (silent.is_final, silent.events) == (True, ())
    assert unknown.record is None
