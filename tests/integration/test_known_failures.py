"""Eight failures that public pipelines of this kind are known for, each as an upload and its deliveries.

A key with signs of its own, the same event twice, two records in one event, an older event after a newer one, a
provider that throttles once, a folder key, a process killed in the middle, and content in what the process prints.
"""

import hashlib
import json
import os
import signal
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from local.cardprinter import PrintedCard, encode, print_card, print_card_with_wrong_check_digit, print_expired_card
from tests.integration.pipeline import InvocationFailedError, Pipeline, notification
from tests.integration.storming import function_processes, undelivered

pytestmark = pytest.mark.emulator

_SEEDS = iter(range(5000, 6000))
_LEASE_SECONDS = 5


def folder(country: str = "cn") -> str:
    """A prefix of its own for every test, without a case number."""
    return f"{country}/{uuid.uuid4().hex[:6].translate(str.maketrans('0123456789', 'ghijklmnop'))}"


def flagged() -> tuple[PrintedCard, bytes]:
    """A card with a wrong check digit: a record with a risk, and so an event."""
    card = print_card_with_wrong_check_digit("cn_portrait", next(_SEEDS))
    return card, encode(card.picture)


def paid(pipeline: Pipeline, data: bytes) -> int:
    """Billable calls for this file, counted at the sandbox."""
    digest = hashlib.sha256(data).hexdigest()
    accounts = pipeline.sandbox.calls()["providers"].values()
    return sum(account["images"].get(digest, {"billable": 0})["billable"] for account in accounts)


def notified(pipeline: Pipeline, key: str, data: bytes) -> dict[str, Any]:
    """Uploads the file and returns S3's own notification of it, taken out of the queue."""
    sqs, url = pipeline.stack.client("sqs"), pipeline.outputs.queue_url
    pipeline.upload(key, data)

    def mine() -> dict[str, Any] | None:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ()):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            body: dict[str, Any] = json.loads(message["Body"])
            # an earlier test's scan may still be waiting in the queue, by a message of ours
            told = body["Records"][0]["s3"]["object"] if "Records" in body else {}
            if told.get("eTag", "").strip('"') == hashlib.md5(data).hexdigest():
                return body
        return None

    return pipeline.eventually(mine, "the notification")


@pytest.fixture
def held(pipeline: Pipeline) -> Iterator[None]:
    """What is uploaded is delivered by the test alone."""
    with undelivered(pipeline.stack):
        yield


@pytest.mark.parametrize("name", ["two words.jpg", "a+b.jpg", "100% (50%25).jpg", "扫描件 张样例.jpg", "á&=?#;.jpg"])
def test_a_key_with_signs_of_its_own(name: str, pipeline: Pipeline) -> None:
    card = print_card("cn_emblem", next(_SEEDS))
    key, data = f"{folder()}/{name}", encode(card.picture)
    record = pipeline.record(pipeline.upload(key, data))
    assert (record["status"], record["key"], record["card"]) == ("RECOGNIZED", key, card.card)
    described = {"key": key, "etag": record["etag"], "sequencer": record["sequencer"]}
    detail = {"bucket": {"name": pipeline.outputs.scans_bucket}, "object": described}
    raw = {"version": "0", "source": "aws.s3", "detail-type": "Object Created", "detail": detail}
    assert pipeline.invoke(raw)["records"][0]["record_id"] == record["record_id"]
    assert paid(pipeline, data) == 1


def test_the_same_event_twice_at_the_same_moment(pipeline: Pipeline, held: None) -> None:
    key, (card, data) = f"{folder()}/scan.jpg", flagged()
    event = notified(pipeline, key, data)
    deliveries = [threading.Thread(target=pipeline.invoke, args=(event,)) for _ in range(3)]
    for delivery in deliveries:
        delivery.start()
    for delivery in deliveries:
        delivery.join()
    record = pipeline.record(pipeline.record_id(key))
    pipeline.invoke(event)
    assert (record["status"], record["card"], record["attempts"]) == ("RECOGNIZED", card.card, 1)
    assert (paid(pipeline, data), record["paid_calls"], record["uncertain_calls"]) == (1, 1, 0)
    assert [told["detail-type"] for told in pipeline.events_about(record["record_id"])] == ["Card Risk Suspected"]


def test_two_records_in_one_event(pipeline: Pipeline, held: None) -> None:
    prefix, cards = folder(), [print_card(kind, next(_SEEDS)) for kind in ("cn_portrait", "cn_emblem")]
    events = [notified(pipeline, f"{prefix}/{card.kind}.jpg", encode(card.picture)) for card in cards]
    both = {"Records": [record for event in events for record in event["Records"]]}
    message = {"messageId": "1", "eventSource": "aws:sqs", "body": json.dumps(both), "attributes": {}}
    assert pipeline.invoke({"Records": [message]}) == {"batchItemFailures": []}
    for card in cards:
        record = pipeline.item(pipeline.record_id(f"{prefix}/{card.kind}.jpg")) or {}
        assert (record["status"], record["card"]) == ("RECOGNIZED", card.card)


@pytest.mark.parametrize(("older", "newer"), [("00A1", "00B2"), ("F5", "F51"), ("0F", "F")])
def test_an_older_event_after_a_newer_one(older: str, newer: str, pipeline: Pipeline, held: None) -> None:
    """Sequencers are compared as text after the shorter one has been filled with zeros on the right."""
    key, bucket = f"{folder()}/scan.jpg", pipeline.outputs.scans_bucket
    cards = [print_card("cn_portrait", next(_SEEDS)) for _ in range(2)]
    first, second = (encode(card.picture) for card in cards)
    etags = [notified(pipeline, key, data)["Records"][0]["s3"]["object"]["eTag"] for data in (first, second)]
    newest = pipeline.invoke(notification(bucket, key, eTag=etags[1], sequencer=newer))
    before = pipeline.item(pipeline.record_id(key)) or {}
    assert pipeline.invoke(notification(bucket, key, eTag=etags[0], sequencer=older)) == newest
    removal = notification(bucket, key, "ObjectRemoved:Delete", sequencer=older)
    assert pipeline.invoke(removal) == newest
    assert pipeline.item(pipeline.record_id(key)) == before
    assert before["card"] == cards[1].card
    assert (paid(pipeline, first), paid(pipeline, second)) == (0, 1)


def test_equal_sequencers_of_another_length_are_the_same_event(pipeline: Pipeline, held: None) -> None:
    key, bucket, data = f"{folder()}/scan.jpg", pipeline.outputs.scans_bucket, flagged()[1]
    etag = notified(pipeline, key, data)["Records"][0]["s3"]["object"]["eTag"]
    for sequencer in ("F5", "F50"):
        pipeline.invoke(notification(bucket, key, eTag=etag, sequencer=sequencer))
    record = pipeline.item(pipeline.record_id(key)) or {}
    assert (record["attempts"], record["paid_calls"], paid(pipeline, data)) == (1, 1, 1)
    assert len(pipeline.events_about(record["record_id"])) == 1


def test_throttled_once(pipeline: Pipeline) -> None:
    card = print_card("cn_emblem", next(_SEEDS))
    data = encode(card.picture)
    before = pipeline.sandbox.calls()["providers"]["ctyun"]["received"]
    pipeline.sandbox.order_fault("ctyun", "throttle")
    record_id = pipeline.upload(f"{folder()}/scan.jpg", data)
    waiting = pipeline.record(record_id, lambda record: "waiting_for" in record)
    assert (waiting["status"], waiting["waiting_for"]) == ("PROCESSING", "PROVIDER_THROTTLED")
    record = pipeline.record(record_id)
    assert (record["status"], record["card"]) == ("RECOGNIZED", card.card)
    assert (record["attempts"], record["paid_calls"], record["uncertain_calls"]) == (1, 1, 0), "waiting is no attempt"
    assert (paid(pipeline, data), pipeline.sandbox.calls()["providers"]["ctyun"]["received"] - before) == (1, 2)


def test_a_folder_key(pipeline: Pipeline, held: None) -> None:
    before = pipeline.sandbox.calls()["providers"]
    key = f"{folder()}/"
    event = notified(pipeline, key, b"")
    message = {"messageId": "1", "eventSource": "aws:sqs", "body": json.dumps(event), "attributes": {}}
    assert pipeline.invoke(event) == {"records": []}
    assert pipeline.invoke({"Records": [message]}) == {"batchItemFailures": []}
    assert pipeline.item(pipeline.record_id(key)) is None
    assert pipeline.sandbox.calls()["providers"] == before


def test_killed_in_the_middle_of_the_call(pipeline: Pipeline, held: None) -> None:
    """The provider has been asked, its answer has not been seen: nobody can know whether that call is paid for."""
    pipeline.configure(LEASE_SECONDS=str(_LEASE_SECONDS))
    key, (card, data) = f"{folder()}/scan.jpg", flagged()
    event = notified(pipeline, key, data)
    pipeline.sandbox.order_fault("ctyun", "stall", seconds=4)
    died: list[InvocationFailedError] = []

    def deliver() -> None:
        try:
            pipeline.invoke(event)
        except InvocationFailedError as error:
            died.append(error)

    working = threading.Thread(target=deliver)
    working.start()
    pipeline.eventually(lambda: paid(pipeline, data) or None, "the call at the sandbox")
    for process in function_processes(pipeline.stack, pipeline.outputs.recognize_function):
        os.kill(process, signal.SIGKILL)
    working.join()
    assert died, "the invocation ended with its process"

    left = pipeline.item(pipeline.record_id(key)) or {}
    assert (left["status"], left["paid_calls"], left["uncertain_calls"]) == ("PROCESSING", 1, 1), "counted before"
    pipeline.invoke(event)
    assert (pipeline.item(left["record_id"]) or {})["attempts"] == 1, "nobody else works on it while the lease runs"

    def swept_and_taken_up() -> dict[str, Any] | None:
        pipeline.sweep()
        sqs, url = pipeline.stack.client("sqs"), pipeline.outputs.queue_url
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ()):
            pipeline.invoke(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        record = pipeline.item(left["record_id"]) or {}
        return record if record["status"] != "PROCESSING" else None

    record = pipeline.eventually(swept_and_taken_up, "the end of the scan")
    assert (record["status"], record["card"], record["attempts"]) == ("RECOGNIZED", card.card, 2)
    assert (paid(pipeline, data), record["paid_calls"], record["uncertain_calls"]) == (2, 2, 1)
    assert [told["detail-type"] for told in pipeline.events_about(record["record_id"])] == ["Card Risk Suspected"]


def test_content_on_stdout(pipeline: Pipeline) -> None:
    """Good, flagged and rejected cards, providers that fail and talk nonsense: nothing printed tells of them."""
    prefix = f"{folder()}/secret-name-Zhang"
    cards = [
        print_card("cn_portrait", next(_SEEDS)),
        flagged()[0],
        print_expired_card("cn_emblem", next(_SEEDS)),
        print_card("pe_dni_new_front", next(_SEEDS)),
    ]
    for fault in ("half_json", "lie", "server_error"):
        pipeline.sandbox.order_fault("ctyun", fault)
    keys = [
        f"{prefix if card.kind.startswith('cn') else 'pe/secret-name-Juan'}-{i}.jpg" for i, card in enumerate(cards)
    ]
    ids = [pipeline.upload(key, encode(card.picture)) for key, card in zip(keys, cards, strict=True)]
    ids += [pipeline.upload(f"{prefix}/notes.jpg", b"secret-name is no picture " * 9)]
    for record_id in ids:
        pipeline.record(record_id)
        pipeline.log_with(record_id)
    pipeline.sweep()
    functions = pipeline.outputs.recognize_function, pipeline.outputs.sweep_function, pipeline.outputs.quota_function
    printed = "\n".join(line for function in functions for line in pipeline.stack.function_log(function))
    told_nobody = {"secret-name", *pipeline.sandbox.credentials["ctyun"].values()} - {pipeline.sandbox.base_url}
    for card in cards:
        told_nobody |= {text for text in map(str, card.card.values()) if len(text) >= 6 or not text.isascii()} - _WORDS
    assert not [text for text in told_nobody if text in printed]


_WORDS = frozenset({"cn_resident_id", "pe_dni", "portrait", "emblem"})
"""Values of a card that say of what kind it is, as every record and event does."""
