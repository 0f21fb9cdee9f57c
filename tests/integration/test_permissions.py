"""Each action that docs/permissions.md calls proven on the emulator is taken away, and the application fails.

The emulator asks a role's policy at every call, so a change counts at once; the functions start anew before each run,
so that nothing they cached hides what they may not read any more. What AWS demands and the emulator does not look at
is held by tests/unit/template/test_permissions.py, which also sees to it that nothing is left out of PROOFS.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3.dynamodb.types
import pytest

from cardintake.items import due_shard
from local.cardprinter import encode, print_card
from local.laptop import Laptop
from local.stack import STACK_NAME, Stack
from tests.integration.pipeline import InvocationFailedError, Pipeline, notification
from tests.integration.test_quota import ask, forget_state, left

pytestmark = pytest.mark.emulator

_SEEDS = iter(range(8000, 9000))
_DENIED = ("AccessDenied", "not authorized to perform")

type Probe = Callable[[Pipeline], None]


@pytest.fixture(scope="module")
def quiet(laptop: Laptop) -> Iterator[None]:
    """Queue and schedules wake no function: only what a test invokes runs."""
    functions, sqs = laptop.stack.client("lambda"), laptop.stack.client("sqs")
    events, outputs = laptop.stack.client("events"), laptop.stack.outputs
    (mapping,) = functions.list_event_source_mappings(FunctionName=outputs.recognize_function)["EventSourceMappings"]
    schedules = [rule["Name"] for rule in events.list_rules()["Rules"] if "ScheduleExpression" in rule]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    for schedule in schedules:
        events.disable_rule(Name=schedule)
    # A poll under way still takes messages.
    time.sleep(1)
    yield
    sqs.purge_queue(QueueUrl=outputs.queue_url)
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    for schedule in schedules:
        events.enable_rule(Name=schedule)


# ── What the application does, and how one sees that it was done ──────────────────────────────────────────────────────


def uploaded(pipeline: Pipeline, data: bytes | None = None, folder: str = "cn") -> tuple[str, dict[str, Any]]:
    """A scan that nobody has looked at: its key, and the notification that S3 would send."""
    key = f"{folder}/{uuid.uuid4().hex}.jpg"
    body = data or encode(print_card("cn_emblem", next(_SEEDS)).picture)
    pipeline.upload(key, body)
    etag = pipeline.stack.client("s3").head_object(Bucket=pipeline.outputs.scans_bucket, Key=key)["ETag"].strip('"')
    return key, notification(pipeline.outputs.scans_bucket, key, eTag=etag, sequencer="0A")


def reads_a_card(pipeline: Pipeline) -> None:
    key, event = uploaded(pipeline)
    assert pipeline.invoke(event)["records"][0]["status"] == "RECOGNIZED"
    record = pipeline.item(pipeline.record_id(key))
    assert record is not None
    assert record["card"]["document_type"] == "cn_resident_id"


def joins_a_case(pipeline: Pipeline) -> None:
    case = a_case()
    for kind in ("cn_portrait", "cn_emblem"):
        _, event = uploaded(pipeline, encode(print_card(kind, next(_SEEDS)).picture), f"cn/{case}")
        assert pipeline.invoke(event)["records"][0]["status"] == "RECOGNIZED"
    item = pipeline.item(f"case_{case}")
    assert item is not None
    assert len(item["members"]) == 2
    in_case = [one for one in items(pipeline, "number_") if case in dict(one["members"]).values()]
    assert len(in_case) == 1


def uses_an_answer_again(pipeline: Pipeline) -> None:
    data = encode(print_card("cn_emblem", next(_SEEDS)).picture)
    with everything_granted(pipeline.stack):
        pipeline.invoke(uploaded(pipeline, data)[1])
    key, event = uploaded(pipeline, data)
    assert pipeline.invoke(event)["records"][0]["status"] == "RECOGNIZED"
    record = pipeline.item(pipeline.record_id(key))
    assert record is not None
    assert record["paid_calls"] == 0


def erases_a_scan(pipeline: Pipeline) -> None:
    key, stored = read_before(pipeline)
    removed = notification(pipeline.outputs.scans_bucket, key, "ObjectRemoved:Delete", sequencer="0B")
    assert pipeline.invoke(removed)["records"][0]["status"] == "ERASED"
    assert not stored & pipeline.answers()
    assert not [item for item in items(pipeline, "content_") if item["payer"] == pipeline.record_id(key)]


def announces_a_rejection(pipeline: Pipeline) -> None:
    key, event = uploaded(pipeline, b"not a picture " + uuid.uuid4().bytes)
    assert pipeline.invoke(event)["records"][0]["status"] == "REJECTED"
    assert pipeline.events_about(pipeline.record_id(key))


def sends_a_waiting_scan_again(pipeline: Pipeline) -> None:
    key, event = uploaded(pipeline)
    empty_queue(pipeline)
    pipeline.sandbox.order_fault("ctyun", "throttle", times=20)
    message = {"messageId": "1", "eventSource": "aws:sqs", "body": as_text(event), "attributes": {}}
    try:
        assert pipeline.invoke({"Records": [message]}) == {"batchItemFailures": []}
    finally:
        pipeline.sandbox.clear_faults()
    assert any(pipeline.record_id(key) in body for body in in_queue(pipeline))


def sweeps_an_overdue_scan(pipeline: Pipeline) -> None:
    key, _ = read_before(pipeline)
    overdue(pipeline, key, status="PROCESSING", lease_owner="somebody who died", lease_until=1)
    empty_queue(pipeline)
    assert pipeline.sweep()["sent_again"] == 1
    assert any(pipeline.record_id(key) in body for body in in_queue(pipeline))


def sweeps_an_undelivered_event(pipeline: Pipeline) -> None:
    key, _ = read_before(pipeline)
    detail = as_text({"metadata": {}, "data": {"record_id": pipeline.record_id(key)}})
    overdue(pipeline, key, outbox=[{"event_id": "1", "detail_type": "Card Rejected", "detail": detail}])
    assert pipeline.sweep()["delivered"] == 1
    assert pipeline.events_about(pipeline.record_id(key))
    assert "outbox" not in (pipeline.item(pipeline.record_id(key)) or {})


def sweeps_an_unfinished_erasure(pipeline: Pipeline) -> None:
    key, stored = read_before(pipeline)
    overdue(pipeline, key, status="ERASED")
    assert pipeline.sweep()["erased"] == 1
    assert not stored & pipeline.answers()
    assert not [item for item in items(pipeline, "content_") if item["payer"] == pipeline.record_id(key)]
    assert "answer_keys" not in (pipeline.item(pipeline.record_id(key)) or {})


def sweeps_a_scan_out_of_its_case(pipeline: Pipeline) -> None:
    case = a_case()
    one, _ = read_before(pipeline, case)
    read_before(pipeline, case)
    overdue(pipeline, one, status="ERASED")
    assert pipeline.sweep()["erased"] == 1
    item = pipeline.item(f"case_{case}")
    assert item is not None
    assert pipeline.record_id(one) not in dict(item["members"])
    assert len(item["members"]) == 1


def sweeps_a_record_without_its_scan(pipeline: Pipeline) -> None:
    key, _ = read_before(pipeline)
    pipeline.stack.client("s3").delete_object(Bucket=pipeline.outputs.scans_bucket, Key=key)
    pipeline.stack.client("dynamodb").delete_item(
        TableName=pipeline.outputs.cards_table, Key={"record_id": {"S": "sweep_cursor"}}
    )
    swept = pipeline.sweep()["orphans"]
    while "position" in items(pipeline, "sweep_cursor")[0]:  # until the end of the table
        swept += pipeline.sweep()["orphans"]
    assert swept == 1
    assert (pipeline.item(pipeline.record_id(key)) or {})["status"] == "ERASED"


def asks_for_a_balance(pipeline: Pipeline) -> None:
    forget_state(pipeline.stack)
    assert left(pipeline) > 0


def announces_a_low_balance(pipeline: Pipeline) -> None:
    forget_state(pipeline.stack)
    assert ask(pipeline, threshold=10**9)["errors"] == {}
    state = pipeline.item("provider_ihuyi") or {}
    assert "balance_low" in state
    assert "outbox" not in state, "delivered"


def counts_uploads(pipeline: Pipeline) -> None:
    key, _ = uploaded(pipeline, b"not a picture")
    asked = {"bucket": pipeline.outputs.scans_bucket, "prefix": key}
    assert pipeline.invoke(asked, pipeline.outputs.backfill_function)["report"]["unrecorded"] == 1


def reads_stored_answers_again(pipeline: Pipeline) -> None:
    read_before(pipeline)
    report = replayed(pipeline)
    assert report["replayed"] > 0
    assert "crashed" not in report["skipped"]


def changes_a_record_by_replay(pipeline: Pipeline) -> None:
    key = misread_before(pipeline)
    replayed(pipeline, apply=True)
    assert (pipeline.item(pipeline.record_id(key)) or {})["reasons"] == []


def announces_what_a_replay_has_changed(pipeline: Pipeline) -> None:
    key = misread_before(pipeline)
    functions, name = pipeline.stack.client("lambda"), pipeline.outputs.replay_function
    deployed = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(
        FunctionName=name, Environment={"Variables": deployed | {"ANNOUNCE": "all"}}
    )
    try:
        replayed(pipeline, apply=True, announce=True)
    finally:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": deployed})
    assert pipeline.events_about(pipeline.record_id(key))


PROOFS: dict[str, dict[tuple[str, str], Probe]] = {
    "RecognizeRole": {
        ("ReadScans", "s3:GetObject"): reads_a_card,
        ("KeepAnswers", "s3:GetObject"): uses_an_answer_again,
        ("KeepAnswers", "s3:PutObject"): reads_a_card,
        ("KeepAnswers", "s3:DeleteObject"): erases_a_scan,
        ("KeepRecords", "dynamodb:GetItem"): reads_a_card,
        ("KeepRecords", "dynamodb:BatchGetItem"): joins_a_case,
        ("KeepRecords", "dynamodb:PutItem"): reads_a_card,
        ("KeepRecords", "dynamodb:UpdateItem"): reads_a_card,
        ("KeepRecords", "dynamodb:DeleteItem"): erases_a_scan,
        ("ReadCredentials", "secretsmanager:GetSecretValue"): reads_a_card,
        ("ReadLookupKey", "secretsmanager:GetSecretValue"): joins_a_case,
        ("Announce", "events:PutEvents"): announces_a_rejection,
        ("SendScansAgain", "sqs:SendMessage"): sends_a_waiting_scan_again,
    },
    "SweepRole": {
        ("FindDueItems", "dynamodb:Query"): sweeps_an_undelivered_event,
        ("LookThroughRecords", "dynamodb:Scan"): sweeps_a_record_without_its_scan,
        ("FindScans", "s3:ListBucket"): sweeps_a_record_without_its_scan,
        ("SettleRecords", "dynamodb:GetItem"): sweeps_an_undelivered_event,
        ("SettleRecords", "dynamodb:BatchGetItem"): sweeps_a_scan_out_of_its_case,
        ("SettleRecords", "dynamodb:PutItem"): sweeps_a_scan_out_of_its_case,
        ("SettleRecords", "dynamodb:UpdateItem"): sweeps_an_undelivered_event,
        ("SettleRecords", "dynamodb:DeleteItem"): sweeps_an_unfinished_erasure,
        ("DeleteAnswers", "s3:DeleteObject"): sweeps_an_unfinished_erasure,
        ("Announce", "events:PutEvents"): sweeps_an_undelivered_event,
        ("SendScansAgain", "sqs:SendMessage"): sweeps_an_overdue_scan,
    },
    "QuotaRole": {
        ("KeepProviderStates", "dynamodb:GetItem"): asks_for_a_balance,
        ("KeepProviderStates", "dynamodb:UpdateItem"): announces_a_low_balance,
        ("ReadCredentials", "secretsmanager:GetSecretValue"): asks_for_a_balance,
        ("Announce", "events:PutEvents"): announces_a_low_balance,
    },
    "BackfillRole": {
        ("ListScans", "s3:ListBucket"): counts_uploads,
        ("LookUpRecords", "dynamodb:BatchGetItem"): counts_uploads,
    },
    "ReplayRole": {
        ("ReadScans", "s3:GetObject"): reads_stored_answers_again,
        ("ReadAnswers", "s3:GetObject"): reads_stored_answers_again,
        ("ReadRecords", "dynamodb:Scan"): reads_stored_answers_again,
        ("ChangeRecords", "dynamodb:UpdateItem"): changes_a_record_by_replay,
        ("Announce", "events:PutEvents"): announces_what_a_replay_has_changed,
    },
}
PROBES = sorted({probe for proofs in PROOFS.values() for probe in proofs.values()}, key=lambda probe: probe.__name__)


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.__name__)
def test_with_the_whole_policy_it_works(probe: Probe, pipeline: Pipeline, quiet: None) -> None:
    pipeline.start_anew()
    probe(pipeline)


@pytest.mark.parametrize(
    ("role", "statement", "action"), [(role, *taken) for role, proofs in PROOFS.items() for taken in proofs]
)
def test_without_it_the_application_fails(
    role: str, statement: str, action: str, pipeline: Pipeline, quiet: None
) -> None:
    probe = PROOFS[role][statement, action]
    before = len(denials(pipeline))
    with taken_away(pipeline.stack, role, statement, action):
        pipeline.start_anew()
        with pytest.raises((AssertionError, InvocationFailedError)) as failed:
            probe(pipeline)
    told = str(failed.value)
    assert len(denials(pipeline)) > before or any(words in told for words in _DENIED), f"for another reason: {told}"


# ── Policies ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def taken_away(stack: Stack, role: str, statement: str, action: str) -> Iterator[None]:
    """A role without one action of one statement."""
    name, policy, document = live_policy(stack, role, statement)
    kept = [
        entry if entry["Sid"] != statement else entry | {"Action": [each for each in actions(entry) if each != action]}
        for entry in document["Statement"]
    ]
    assert [entry for entry in document["Statement"] if action in actions(entry) and entry["Sid"] == statement]
    put_policy(stack, name, policy, document | {"Statement": [entry for entry in kept if actions(entry)]})
    _WHOLE.append((name, policy, document))
    try:
        yield
    finally:
        put_policy(stack, *_WHOLE.pop())


_WHOLE: list[tuple[str, str, dict[str, Any]]] = []


@contextmanager
def everything_granted(stack: Stack) -> Iterator[None]:
    """For what has to be there before the thing itself can be tried: the whole policy for a while."""
    if not _WHOLE:
        yield
        return
    name, policy, document = _WHOLE[-1]
    reduced = stack.client("iam").get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    put_policy(stack, name, policy, document)
    try:
        yield
    finally:
        put_policy(stack, name, policy, reduced)


def live_policy(stack: Stack, role: str, statement: str) -> tuple[str, str, dict[str, Any]]:
    resource = stack.client("cloudformation").describe_stack_resource(StackName=STACK_NAME, LogicalResourceId=role)
    name = resource["StackResourceDetail"]["PhysicalResourceId"]
    for policy in stack.client("iam").list_role_policies(RoleName=name)["PolicyNames"]:
        found = stack.client("iam").get_role_policy(RoleName=name, PolicyName=policy)
        document: dict[str, Any] = found["PolicyDocument"]
        if statement in [entry["Sid"] for entry in document["Statement"]]:
            return name, policy, document
    raise AssertionError(f"{role} has no statement {statement}")


def put_policy(stack: Stack, role: str, policy: str, document: dict[str, Any]) -> None:
    stack.client("iam").put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=as_text(document))


def actions(statement: dict[str, Any]) -> list[str]:
    named = statement["Action"]
    return [named] if isinstance(named, str) else named


def denials(pipeline: Pipeline) -> list[str]:
    """Lines of the functions' logs that tell of a refusal."""
    outputs = pipeline.outputs
    lines = [
        line
        for name in (
            *(outputs.recognize_function, outputs.sweep_function, outputs.quota_function),
            *(outputs.backfill_function, outputs.replay_function),
        )
        for line in pipeline.stack.function_log(name)
    ]
    return [line for line in lines if any(words in line for words in _DENIED)]


# ── What was there before ─────────────────────────────────────────────────────────────────────────────────────────────


def a_case() -> str:
    return f"C-{uuid.uuid4().hex[:8]}0"


def read_before(pipeline: Pipeline, case: str | None = None) -> tuple[str, set[str]]:
    """A scan that has been read: its key, and the keys of its answers."""
    before = pipeline.answers()
    with everything_granted(pipeline.stack):
        key, event = uploaded(pipeline, folder=f"cn/{case}" if case else "cn")
        assert pipeline.invoke(event)["records"][0]["status"] == "RECOGNIZED"
    return key, pipeline.answers() - before


def misread_before(pipeline: Pipeline) -> str:
    """The key of a scan whose record says what the present code would not."""
    key, _ = read_before(pipeline)
    alter(pipeline, key, reasons=["CARD_COVERED"])
    return key


def replayed(pipeline: Pipeline, *, apply: bool = False, announce: bool = False) -> dict[str, Any]:
    """The report of a replay of the whole table."""
    part = {"segment": 0, "segments": 1, "apply": apply, "announce": announce}
    report: dict[str, Any] = pipeline.invoke(part, pipeline.outputs.replay_function)["report"]
    return report


def overdue(pipeline: Pipeline, key: str, **attributes: object) -> None:
    """Makes a record one that the sweep has to look at."""
    alter(pipeline, key, **attributes, due_shard=due_shard(pipeline.record_id(key)), due_at=1)


def alter(pipeline: Pipeline, key: str, **changed: object) -> None:
    """Writes attributes of a record."""
    record_id = pipeline.record_id(key)
    serialize = boto3.dynamodb.types.TypeSerializer().serialize
    pipeline.stack.client("dynamodb").update_item(
        TableName=pipeline.outputs.cards_table,
        Key={"record_id": {"S": record_id}},
        UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in changed),
        ExpressionAttributeNames={f"#{name}": name for name in changed},
        ExpressionAttributeValues={f":{name}": serialize(value) for name, value in changed.items()},
    )


def items(pipeline: Pipeline, prefix: str) -> list[dict[str, Any]]:
    """Items of the table whose id begins so."""
    pages = pipeline.stack.client("dynamodb").get_paginator("scan").paginate(TableName=pipeline.outputs.cards_table)
    deserialize = boto3.dynamodb.types.TypeDeserializer().deserialize
    found = [{name: deserialize(value) for name, value in item.items()} for page in pages for item in page["Items"]]
    return [item for item in found if item["record_id"].startswith(prefix)]


def in_queue(pipeline: Pipeline) -> list[str]:
    """Bodies of the messages in the queue, those with a delay included; the queue is empty afterwards."""
    sqs, url = pipeline.stack.client("sqs"), pipeline.outputs.queue_url
    bodies: list[str] = []
    deadline = time.monotonic() + 10
    while not bodies and time.monotonic() < deadline:
        received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        bodies = [message["Body"] for message in received.get("Messages", ())]
    empty_queue(pipeline)
    return bodies


def empty_queue(pipeline: Pipeline) -> None:
    pipeline.stack.client("sqs").purge_queue(QueueUrl=pipeline.outputs.queue_url)


def as_text(value: object) -> str:
    return json.dumps(value)
