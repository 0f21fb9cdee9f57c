"""Backfill and replay on the emulator's Step Functions: the template's state machines, with the functions deployed.

The emulator runs distributed maps, but ignores result writers, and lets the items of a stopped map run on.
"""

import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

import boto3.dynamodb.types
import pytest

from local.cardprinter import encode, print_card
from local.stack import Stack
from tests.integration.pipeline import Pipeline
from tests.integration.test_permissions import quiet  # noqa: F401 - a fixture

pytestmark = [pytest.mark.emulator, pytest.mark.usefixtures("quiet")]

_PATIENCE_SECONDS = 120
_PICTURES = [encode(print_card("cn_emblem", seed).picture) for seed in (9100, 9101)]


def upload_unheard(pipeline: Pipeline, count: int) -> tuple[str, list[str]]:
    """Uploads that no function hears of: their prefix and keys. Each of other bytes, so that each is to be paid for."""
    prefix = f"cn/补 {uuid.uuid4().hex[:8]}+/"
    keys = [f"{prefix}{number} 张样例 100%.jpg" for number in range(count)]
    pipeline.upload(prefix, b"")
    for number, key in enumerate(keys):
        pipeline.upload(key, with_comment(_PICTURES[number % 2], uuid.uuid4().bytes))
    return prefix, keys


def with_comment(jpeg: bytes, comment: bytes) -> bytes:
    """The same picture in other bytes: a COM segment after the start of the image."""
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]


def start(stack: Stack, machine: str, asked: Mapping[str, object]) -> str:
    """The ARN of a new execution."""
    states = stack.client("stepfunctions")
    arn: str = states.start_execution(stateMachineArn=machine, input=json.dumps(asked))["executionArn"]
    return arn


def ended(stack: Stack, execution: str) -> dict[str, Any]:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        described: dict[str, Any] = stack.client("stepfunctions").describe_execution(executionArn=execution)
        if described["status"] != "RUNNING":
            return described
        assert time.monotonic() < deadline, "the execution does not end"
        time.sleep(0.2)


def run(stack: Stack, machine: str, **asked: object) -> Any:
    """What the execution says at its end."""
    described = ended(stack, start(stack, machine, asked))
    assert described["status"] == "SUCCEEDED", described
    return json.loads(described["output"])


def backfill(pipeline: Pipeline, **asked: object) -> Any:
    return run(pipeline.stack, pipeline.outputs.backfill_machine, **asked)


def replay(pipeline: Pipeline, **asked: object) -> Any:
    return run(pipeline.stack, pipeline.outputs.replay_machine, segments=4, **asked)


def billed(pipeline: Pipeline) -> int:
    """Calls that the provider would bill, by its own count."""
    return int(pipeline.sandbox.calls()["providers"]["ctyun"]["billable"])


def statuses(pipeline: Pipeline, keys: list[str]) -> set[str]:
    return {(pipeline.item(pipeline.record_id(key)) or {"status": "none"})["status"] for key in keys}


def test_uploads_that_nobody_heard_of_are_counted_read_and_paid_for_once(pipeline: Pipeline) -> None:
    prefix, keys = upload_unheard(pipeline, 30)
    paid = billed(pipeline)
    found = backfill(pipeline, prefix=prefix, dry_run=True, price_per_card=0.02, currency="CNY")
    assert found == {
        "objects": 30,
        "recorded": {},
        "changed": 0,
        "unrecorded": 30,
        "empty": 0,
        "to_read": 30,
        "price_at_most": 0.6,
        "currency": "CNY",
    }
    assert billed(pipeline) == paid
    assert statuses(pipeline, keys) == {"none"}

    # the folder's key is an item of the map, and no scan
    assert backfill(pipeline, prefix=prefix) == {"objects": 31, "handled": 31, "failed": 0}
    assert statuses(pipeline, keys) == {"RECOGNIZED"}
    assert billed(pipeline) == paid + 30

    assert backfill(pipeline, prefix=prefix, max_concurrency=2) == {"objects": 31, "handled": 31, "failed": 0}
    assert billed(pipeline) == paid + 30
    found = backfill(pipeline, prefix=prefix, dry_run=True, price_per_card=0.02)
    assert (found["recorded"], found["to_read"], found["price_at_most"]) == ({"RECOGNIZED": 30}, 0, 0)
    log = "\n".join(pipeline.stack.function_log(pipeline.outputs.recognize_function))
    assert "张样例" not in log
    assert prefix not in log


def test_it_is_stopped_and_resumed_at_any_time(pipeline: Pipeline) -> None:
    prefix, keys = upload_unheard(pipeline, 16)
    paid = billed(pipeline)
    execution = start(pipeline.stack, pipeline.outputs.backfill_machine, {"prefix": prefix})
    pipeline.eventually(lambda: "RECOGNIZED" in statuses(pipeline, keys) or None, "a first card of the backfill")
    pipeline.stack.client("stepfunctions").stop_execution(executionArn=execution)
    assert ended(pipeline.stack, execution)["status"] == "ABORTED"
    before = backfill(pipeline, prefix=prefix, dry_run=True)
    assert before["to_read"] + sum(before["recorded"].values()) == 16
    backfill(pipeline, prefix=prefix)
    for key in keys:
        assert pipeline.record(pipeline.record_id(key))["status"] == "RECOGNIZED"
    assert billed(pipeline) == paid + 16


def test_a_throttled_card_is_waited_for(pipeline: Pipeline) -> None:
    prefix, keys = upload_unheard(pipeline, 1)
    paid = billed(pipeline)
    pipeline.sandbox.order_fault("ctyun", "throttle", times=1)
    assert backfill(pipeline, prefix=prefix) == {"objects": 2, "handled": 2, "failed": 0}
    assert statuses(pipeline, keys) == {"RECOGNIZED"}
    assert billed(pipeline) == paid + 1


@pytest.mark.parametrize(
    "asked",
    [{}, {"prefix": "cn/", "inventory": "x"}, {"prefix": "cn/", "dry_run": "yes"}, {"inventory": "x", "dry_run": True}],
)
def test_what_is_not_understood_reads_nothing(stack: Stack, asked: dict[str, object]) -> None:
    described = ended(stack, start(stack, stack.outputs.backfill_machine, asked))
    assert (described["status"], described["error"]) == ("FAILED", "InputNotUnderstood")


def test_replay_says_what_the_present_code_would_change_and_changes_it_when_told(pipeline: Pipeline) -> None:
    prefix, (key,) = upload_unheard(pipeline, 1)
    backfill(pipeline, prefix=prefix)
    before = replay(pipeline)["different"]  # what other tests have left
    record_id = pipeline.record_id(key)
    right = pipeline.item(record_id)
    assert right is not None
    misread = right["card"] | {"issuing_authority": "样例局"}
    serialized = boto3.dynamodb.types.TypeSerializer().serialize
    pipeline.stack.client("dynamodb").update_item(
        TableName=pipeline.outputs.cards_table,
        Key={"record_id": {"S": record_id}},
        UpdateExpression="SET card = :card, reasons = :reasons",
        ExpressionAttributeValues={":card": serialized(misread), ":reasons": serialized(["CARD_COVERED"])},
    )
    altered = pipeline.item(record_id)
    paid = billed(pipeline)

    report = replay(pipeline)
    assert report["fields"]["card.issuing_authority"] == 1
    assert report["reasons_removed"] == {"CARD_COVERED": 1}
    assert (report["different"], report["applied"]) == (before + 1, 0)
    assert "样例" not in json.dumps(report, ensure_ascii=False)
    assert pipeline.item(record_id) == altered

    assert replay(pipeline, apply=True)["applied"] == before + 1
    mended = pipeline.item(record_id)
    assert mended is not None
    assert mended | {"updated_at": right["updated_at"]} == right
    assert replay(pipeline)["different"] == 0
    assert billed(pipeline) == paid
    assert pipeline.events_about(record_id) == []


def test_another_threshold_shows_before_it_is_deployed_to_recognize(pipeline: Pipeline) -> None:
    prefix, _ = upload_unheard(pipeline, 2)
    backfill(pipeline, prefix=prefix)
    functions, name = pipeline.stack.client("lambda"), pipeline.outputs.replay_function
    deployed = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    changed = deployed | {"THRESHOLDS": "sharpness=1000000"}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": changed})
    try:
        report = replay(pipeline)
    finally:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": deployed})
    assert report["reasons_added"]["IMAGE_BLURRED"] >= 2
    assert report["applied"] == 0
