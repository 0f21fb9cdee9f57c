"""`make erase` and `make held` on the emulator: a person is gone from table and buckets, and nobody else is."""

import base64
import io
import json
import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from local import erase
from local.cardprinter import encode, print_card
from local.holdings import Deployment
from tests.integration.pipeline import Pipeline

pytestmark = pytest.mark.emulator

Run = Callable[..., Any]


@pytest.fixture
def run(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command as a person types it: what it prints as JSON, and that its exit code is this."""
    deployment = Deployment.on_laptop(pipeline.stack)
    monkeypatch.setattr(erase, "_deployment", lambda _stack: deployment)

    def command(*arguments: str, typed: str = "", code: int = 0) -> Any:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
        capsys.readouterr()
        assert erase.main([*arguments, "--json"]) == code
        said = capsys.readouterr()
        assert not typed or typed not in said.out + said.err
        return json.loads(said.out)

    return command


def stored(pipeline: Pipeline) -> bytes:
    """Every item of the table, and every version of every object of both buckets."""
    dynamodb, s3 = pipeline.stack.client("dynamodb"), pipeline.stack.client("s3")
    pages = dynamodb.get_paginator("scan").paginate(TableName=pipeline.outputs.cards_table, ConsistentRead=True)
    parts = [json.dumps(item, ensure_ascii=False).encode() for page in pages for item in page["Items"]]
    for bucket in (pipeline.outputs.scans_bucket, pipeline.outputs.answers_bucket):
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            for entry in page.get("Versions", ()):
                parts += [entry["Key"].encode(), s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()]
    return b"\n".join(parts)


def spellings(word: str) -> set[bytes]:
    """The word in plain, escaped as in JSON, base64 and as in a URL."""
    return {word.encode(), json.dumps(word)[1:-1].encode(), base64.b64encode(word.encode()), quote(word).encode()}


def test_a_person_is_erased_by_number_from_everything_that_is_kept(pipeline: Pipeline, run: Run) -> None:
    unique = uuid.uuid4().hex[:8]
    seed = time.time_ns() % 10**6
    # the printer's people have few names, and the other tests' scans are stored here as well
    name = "欧阳样例"
    front, back = print_card("cn_portrait", seed, name=name), print_card("cn_emblem", seed)
    other = print_card("cn_portrait", seed + 1)
    number = str(front.card["id_number"])
    mine = {
        f"cn/E1-{unique}/{name}.jpg": encode(front.picture),
        f"cn/E1-{unique}/back.jpg": encode(back.picture),
        f"cn/E2-{unique}/front.jpg": encode(front.picture),  # the same bytes: the answer is shared
        f"cn/{unique}.jpg": encode(front.picture) + b"\n",
    }
    somebody = f"cn/E3-{unique}/front.jpg"
    ids = [pipeline.upload(key, data) for key, data in mine.items()]
    stays = pipeline.record(pipeline.upload(somebody, encode(other.picture)))
    records = [pipeline.record(record_id) for record_id in ids]
    assert [record["status"] for record in records] == ["RECOGNIZED"] * 4
    before = stored(pipeline)
    assert all(any(spelling in before for spelling in spellings(word)) for word in (number, name))

    report = run("--person", "--held", typed=number)
    assert {record["record_id"] for record in report["records"]} == set(ids)
    assert all(record["answers"]["count"] == 1 and record["scans"]["count"] == 1 for record in report["records"])
    done = run("--person", typed=f"{number[:6]} {number[6:].lower()}")
    assert (set(done["erased"]), done["left"]) == (set(ids), {})

    after = stored(pipeline)
    for word in (number, name):
        assert not [spelling for spelling in spellings(word) if spelling in after]
    assert after.count(f"E1-{unique}".encode()) == after.count(f"E2-{unique}".encode()) == 0
    for record_id in ids:
        assert pipeline.record(record_id)["status"] == "ERASED"
        pipeline.event("Card Erased", record_id)
    assert pipeline.item(stays["record_id"]) == stays
    assert run("--person", typed=number)["erased"] == []
    log = "\n".join(pipeline.stack.function_log(pipeline.outputs.recognize_function))
    assert number not in log
    assert name not in log


def test_a_case_in_a_bucket_with_versions_is_erased_with_all_of_them(pipeline: Pipeline, run: Run) -> None:
    s3, bucket = pipeline.stack.client("s3"), pipeline.outputs.scans_bucket
    case_id = f"V-{uuid.uuid4().hex[:8]}1"
    key, seed = f"cn/{case_id}/scan.jpg", time.time_ns() % 10**6
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    try:
        first = pipeline.record(pipeline.upload(key, encode(print_card("cn_emblem", seed).picture)))
        pipeline.upload(key, encode(print_card("cn_emblem", seed + 1).picture))
        pipeline.record(
            first["record_id"],
            lambda item: item["status"] == "RECOGNIZED" and item["sequencer"] > first["sequencer"],
        )
        assert run("--case", case_id)["erased"] == [first["record_id"]]
        left = s3.list_object_versions(Bucket=bucket, Prefix=key)
        assert not left.get("Versions")
        assert not left.get("DeleteMarkers")
    finally:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})


def test_a_scan_without_an_object_is_erased_without_waiting_for_an_event(pipeline: Pipeline, run: Run) -> None:
    """Its removal's event never comes: the message is thrown away."""
    record = pipeline.record(pipeline.upload(f"cn/{uuid.uuid4().hex}.jpg", b"no picture"))
    notifications = pipeline.stack.client("s3").get_bucket_notification_configuration(Bucket=record["bucket"])
    described = {name: value for name, value in notifications.items() if name.endswith("Configurations")}
    s3 = pipeline.stack.client("s3")
    s3.put_bucket_notification_configuration(Bucket=record["bucket"], NotificationConfiguration={})
    try:
        pipeline.remove(record["key"])
        assert run("--record", record["record_id"])["erased"] == [record["record_id"]]
    finally:
        s3.put_bucket_notification_configuration(Bucket=record["bucket"], NotificationConfiguration=described)
    assert pipeline.record(record["record_id"])["status"] == "ERASED"
