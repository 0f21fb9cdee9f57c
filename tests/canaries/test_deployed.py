"""The deployed pipeline with canaries: what its processes really printed, sent and handed to Step Functions."""

import json
import uuid
from pathlib import Path

import pytest

import tests.integration.conftest as deployed
from local.cardprinter import encode, print_card
from tests.canaries.searching import found
from tests.canaries.texts import OF_KEYS, OF_SECRETS, SCAN, key
from tests.integration.pipeline import InvocationFailedError, Pipeline
from tests.integration.test_backfill import ended, replay, start, with_comment

pytestmark = [pytest.mark.emulator, pytest.mark.timeout(600)]

laptop, stack, sandbox, pipeline = deployed.laptop, deployed.stack, deployed.sandbox, deployed.pipeline

_LOUD = {"POWERTOOLS_LOG_LEVEL": "DEBUG", "AWS_LAMBDA_LOG_LEVEL": "DEBUG", "LOG_LEVEL": "DEBUG"}


def test_nothing_of_a_card_and_its_key_is_printed_sent_or_put_out(pipeline: Pipeline) -> None:
    aws = pipeline.stack.client
    pipeline.configure(**_LOUD)
    prefix = f"cn/{uuid.uuid4().hex}/"
    card = print_card("cn_portrait", 4711)
    canaries = {*OF_KEYS, *OF_SECRETS, SCAN, *(str(card.card[name]) for name in ("name", "id_number", "address"))}
    picture = encode(card.picture)

    def scan(name: str) -> str:
        return pipeline.upload(prefix + key(name), with_comment(picture, f"{SCAN} {uuid.uuid4()}".encode()))

    read = pipeline.record(scan("read"))
    assert read["card"]["id_number"] == card.card["id_number"]
    assert found(read["key"], OF_KEYS) == set(OF_KEYS)
    pipeline.sandbox.order_fault("ctyun", "throttle", times=1)
    assert pipeline.record(scan("throttled"))["status"] == "RECOGNIZED"
    pipeline.put_credentials(ctyun={"base_url": OF_SECRETS[0], "app_secret": [OF_SECRETS[0]]})
    misconfigured = scan("misconfigured")
    pipeline.record(misconfigured, lambda record: record.get("waiting_for") == "PROVIDER_MISCONFIGURED")
    pipeline.put_credentials()

    # a crash that nobody catches: botocore refuses the bucket's name and would quote it
    for bucket in (f"nobody-{uuid.uuid4().hex}", key("no bucket")):
        with pytest.raises(InvocationFailedError) as failed:
            pipeline.invoke({"bucket": bucket, "prefix": prefix + key("x")}, pipeline.outputs.backfill_function)
        assert failed.value.error_type == "UnexpectedError"
        assert found(str(failed.value), canaries) == set()
    with pytest.raises(InvocationFailedError):
        pipeline.invoke({"Records": key("x")})

    # Step Functions: what the functions put out, and what was made of it
    states, machine = aws("stepfunctions"), pipeline.outputs.backfill_machine
    for asked in ({"dry_run": True}, {}):
        execution = start(pipeline.stack, machine, {"prefix": prefix, **asked})
        assert ended(pipeline.stack, execution)["status"] == "SUCCEEDED"
        pages = states.get_paginator("get_execution_history").paginate(executionArn=execution)
        history = [event for page in pages for event in page["events"]]
        outputs = [
            detail["output"] for event in history for detail in event.values()
            if isinstance(detail, dict) and "output" in detail and "name" not in detail
        ]  # fmt: skip
        assert outputs
        assert found("\n".join(outputs), canaries) == set()
    assert found(json.dumps(replay(pipeline)), canaries) == set()

    pipeline.remove(prefix + key("read"))
    pipeline.record(read["record_id"], lambda record: record["status"] == "ERASED")
    pipeline.sweep()

    logs = sorted(Path(pipeline.stack.logs).glob("*.log"))
    printed = {log.name: log.read_text(encoding="utf-8", errors="replace") for log in logs}
    assert "UnexpectedError" in "".join(printed.values())
    assert misconfigured in "".join(printed.values())
    assert {name: leaked for name, text in printed.items() if (leaked := found(text, canaries))} == {}
    assert "Card Erased" in {event["detail-type"] for event in pipeline.events_about(read["record_id"])}
    assert found(json.dumps(pipeline._heard), canaries) == set()
    items = aws("dynamodb").scan(TableName=pipeline.outputs.cards_table)["Items"]
    beside = [item for item in items if not item["record_id"]["S"].startswith("scan_")]
    assert beside
    assert found(json.dumps(beside, default=repr), canaries) == set()
    assert found("\n".join(pipeline.answers()), canaries) == set()
