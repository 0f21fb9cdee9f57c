"""The way of a scan through the deployed template: S3, queue, runtime, provider, table, bus, subscriber."""

import io
import json
import uuid

import pytest
from botocore.exceptions import ClientError

from local.cardprinter import (
    PrintedCard,
    encode,
    not_a_card,
    print_card,
    print_card_with_wrong_check_digit,
    print_expired_card,
)
from local.kinds import Kind
from local.stack import STACK_NAME
from tests.integration.pipeline import InvocationFailedError, Pipeline, notification

pytestmark = pytest.mark.emulator

# A card of its own for every test: the same bytes are read once only.
_SEEDS = iter(range(9000, 10000))


def fresh(kind: Kind) -> PrintedCard:
    return print_card(kind, next(_SEEDS))


def folder(country: str = "cn") -> str:
    """A prefix of its own for every test, without a case number."""
    return f"{country}/{uuid.uuid4().hex[:6].translate(str.maketrans('0123456789', 'ghijklmnop'))}"


@pytest.mark.parametrize(
    ("kind", "provider"),
    [("cn_portrait", "ctyun"), ("cn_emblem", "ctyun"), ("pe_dni_new_front", "accuauth")],
)
def test_an_uploaded_card_becomes_a_record_with_every_field(kind: Kind, provider: str, pipeline: Pipeline) -> None:
    card = fresh(kind)
    case = f"C-{next(_SEEDS)}"  # nobody else's: the sides of a case have to belong together
    key = f"{folder(kind[:2])}/{case}/scan.jpg"
    data = encode(card.picture)
    record = pipeline.record(pipeline.upload(key, data))
    assert record["card"] == card.card
    assert {name: record[name] for name in ("status", "quality", "risk", "reasons", "provider", "paid_calls")} == {
        "status": "RECOGNIZED",
        "quality": "good",
        "risk": "none",
        "reasons": [],
        "provider": provider,
        "paid_calls": 1,
    }
    assert (record["bucket"], record["key"], record["case_id"]) == (pipeline.outputs.scans_bucket, key, case)
    assert record["size"] == len(data)
    assert pipeline.events_about(record["record_id"]) == []


def test_a_flagged_card_is_announced_without_what_is_on_it(pipeline: Pipeline) -> None:
    card = print_card_with_wrong_check_digit("cn_portrait", next(_SEEDS))
    key = f"{folder()}/secret-name-Li.jpg"
    record = pipeline.record(pipeline.upload(key, encode(card.picture)))
    assert (record["status"], record["risk"], record["reasons"]) == ("RECOGNIZED", "suspected", ["ID_NUMBER_INVALID"])
    event = pipeline.event("Card Risk Suspected", record["record_id"])
    assert event["source"] == "cardintake"
    assert event["detail"]["data"] == {
        "record_id": record["record_id"],
        "status": "RECOGNIZED",
        "provider": "ctyun",
        "document_type": "cn_resident_id",
        "side": "portrait",
        "quality": "good",
        "risk": "suspected",
        "reasons": ["ID_NUMBER_INVALID"],
    }
    assert set(event["detail"]["metadata"]) == {"event_id", "schema_version", "occurred_at"}
    text = json.dumps(event, ensure_ascii=False)
    assert not [name for name in ("name", "address", "id_number", "birth_date") if str(card.card[name]) in text]
    assert "secret-name" not in text


def test_nothing_of_a_card_or_of_its_key_is_in_the_log(pipeline: Pipeline) -> None:
    card = print_expired_card("pe_dni_new_front", next(_SEEDS))
    record = pipeline.record(pipeline.upload(f"{folder('pe')}/secret-name-Juan.jpg", encode(card.picture)))
    assert record["reasons"] == ["CARD_EXPIRED"]
    log = pipeline.log_with(record["record_id"])
    printed = {str(card.card[name]) for name in ("id_number", "given_names", "paternal_surname", "birth_date")}
    assert not [text for text in (*printed, "secret-name") if text in log]


def test_a_file_that_is_no_image_is_rejected_and_costs_nothing(pipeline: Pipeline) -> None:
    before = pipeline.sandbox.calls()["providers"]["ctyun"]["received"]
    record = pipeline.record(pipeline.upload(f"{folder()}/notes.jpg", b"This is a text. " * 200))
    assert (record["status"], record["reasons"], record["paid_calls"]) == ("REJECTED", ["IMAGE_UNSUPPORTED"], 0)
    assert "card" not in record
    assert pipeline.event("Card Rejected", record["record_id"])["detail"]["data"]["reasons"] == ["IMAGE_UNSUPPORTED"]
    assert pipeline.sandbox.calls()["providers"]["ctyun"]["received"] == before


def test_a_picture_without_a_card_is_rejected_by_the_provider(pipeline: Pipeline) -> None:
    data = encode(not_a_card(next(_SEEDS)))
    record = pipeline.record(pipeline.upload(f"{folder()}/receipt.jpg", data))
    assert (record["status"], record["paid_calls"]) == ("REJECTED", 1)
    assert set(record["reasons"]) & {"NO_CARD", "OTHER_DOCUMENT", "PROVIDER_REJECTED_IMAGE"}
    pipeline.event("Card Rejected", record["record_id"])


def test_the_same_bytes_are_paid_for_once(pipeline: Pipeline) -> None:
    prefix, data = folder(), encode(fresh("cn_emblem").picture)
    first = pipeline.record(pipeline.upload(f"{prefix}/one.jpg", data))
    before = pipeline.sandbox.calls()["providers"]["ctyun"]["received"]
    again = pipeline.record(pipeline.upload(f"{prefix}/two.jpg", data))
    assert (again["card"], again["paid_calls"]) == (first["card"], 0)
    assert pipeline.sandbox.calls()["providers"]["ctyun"]["received"] == before


def test_a_message_delivered_again_changes_nothing(pipeline: Pipeline) -> None:
    key = f"{folder()}/scan.jpg"
    record = pipeline.record(pipeline.upload(key, encode(fresh("cn_emblem").picture)))
    message = notification(pipeline.outputs.scans_bucket, key, eTag=record["etag"], sequencer=record["sequencer"])
    # The queue's own shape, twice in one batch.
    batch = [
        {
            "messageId": str(number),
            "eventSource": "aws:sqs",
            "body": json.dumps(message),
            "attributes": {"ApproximateReceiveCount": "2"},
        }
        for number in range(2)
    ]
    assert pipeline.invoke({"Records": batch}) == {"batchItemFailures": []}
    assert pipeline.item(record["record_id"]) == record


def test_keys_with_signs_of_their_own_are_found(pipeline: Pipeline) -> None:
    prefix, data = folder(), encode(fresh("cn_emblem").picture)
    for name in ("a+b c.jpg", "100%25 (2).jpg", "扫描件 á&=.jpg"):
        record = pipeline.record(pipeline.upload(f"{prefix}/{name}", data))
        assert (record["status"], record["key"]) == ("RECOGNIZED", f"{prefix}/{name}")


def test_a_removed_scan_is_erased_everywhere(pipeline: Pipeline) -> None:
    key, before = f"{folder()}/scan.jpg", pipeline.answers()
    record_id = pipeline.upload(key, encode(fresh("cn_portrait").picture))
    pipeline.record(record_id)
    stored = pipeline.answers() - before
    assert stored, "the provider's answer is kept"
    pipeline.remove(key)
    pipeline.event("Card Erased", record_id)
    assert not stored & pipeline.answers()
    tombstone = pipeline.record(record_id, lambda item: item["status"] == "ERASED" and "outbox" not in item)
    assert tombstone.keys() == {"record_id", "status", "sequencer", "updated_at", "expires_at"}


def test_a_folder_is_no_scan(pipeline: Pipeline) -> None:
    prefix = folder()
    record_id = pipeline.upload(f"{prefix}/", b"")
    after = pipeline.record(pipeline.upload(f"{prefix}/empty.jpg", b""))
    assert (after["status"], after["reasons"]) == ("REJECTED", ["IMAGE_CORRUPT"])
    assert pipeline.item(record_id) is None


def test_a_direct_eventbridge_event_is_answered_with_the_record(pipeline: Pipeline) -> None:
    key = f"{folder()}/a+b c.jpg"
    record = pipeline.record(pipeline.upload(key, encode(fresh("cn_emblem").picture)))
    described = {"key": key, "etag": record["etag"], "sequencer": record["sequencer"]}
    answer = pipeline.invoke(
        {
            "version": "0",
            "source": "aws.s3",
            "detail-type": "Object Created",
            "detail": {"bucket": {"name": pipeline.outputs.scans_bucket}, "object": described},
        }
    )
    assert answer == {"records": [{"record_id": record["record_id"], "status": "RECOGNIZED", "reasons": []}]}


def test_a_broken_provider_makes_the_scan_wait_and_a_message_carries_it_on(pipeline: Pipeline) -> None:
    pipeline.sandbox.order_fault("ctyun", "server_error", times=2)
    waiting = pipeline.upload(f"{folder()}/scan.jpg", encode(fresh("cn_emblem").picture))
    record = pipeline.record(waiting, lambda record: "waiting_for" in record or record["status"] != "PROCESSING")
    if record["status"] == "PROCESSING":
        assert record["waiting_for"] == "PROVIDER_UNAVAILABLE"
        record = pipeline.record(waiting)
    assert record["status"] == "RECOGNIZED"
    assert "waiting_for" not in record


def test_two_sides_of_a_case_are_checked_against_each_other(pipeline: Pipeline) -> None:
    case = f"C-{next(_SEEDS)}"
    portrait, same, other = fresh("cn_portrait"), next(_SEEDS), next(_SEEDS)
    first = pipeline.record(pipeline.upload(f"{folder()}/{case}/front.jpg", encode(portrait.picture)))
    assert first["reasons"] == []
    stranger = print_card("cn_emblem", same, issuing_authority="另外市公安局")
    second = pipeline.record(pipeline.upload(f"{folder()}/{case}/back.jpg", encode(stranger.picture)))
    assert "SIDES_DISAGREE" in second["reasons"]
    assert second["risk"] == "suspected"
    elsewhere = encode(print_card("cn_portrait", other, id_number=str(portrait.card["id_number"])).picture)
    third = pipeline.record(pipeline.upload(f"{folder()}/C-{next(_SEEDS)}/front.jpg", elsewhere))
    assert "NUMBER_SEEN_IN_OTHER_CASE" in third["reasons"]


def test_a_secret_without_a_field_is_named_and_the_scan_waits(pipeline: Pipeline) -> None:
    secret = dict(pipeline.sandbox.credentials["ctyun"])
    del secret["app_key"]
    pipeline.put_credentials(ctyun=secret)
    key = f"{folder()}/scan.jpg"
    waiting = pipeline.upload(key, encode(fresh("cn_emblem").picture))
    record = pipeline.record(waiting, lambda record: "waiting_for" in record)
    assert (record["status"], record["waiting_for"]) == ("PROCESSING", "PROVIDER_MISCONFIGURED")
    assert record["paid_calls"] == 0
    event = pipeline.provider_event("Provider Misconfigured")
    assert event["detail"]["data"]["provider"] == "ctyun"
    assert secret["app_secret"] not in pipeline.log_with("app_key"), "the field is named, and no value"
    pipeline.put_credentials()
    described = {"eTag": record["etag"], "sequencer": record["sequencer"]}
    answer = pipeline.invoke(notification(pipeline.outputs.scans_bucket, key, **described))
    assert answer["records"][0]["status"] == "RECOGNIZED", "the new content is tried at once"
    assert pipeline.provider_event("Provider Recovered")["detail"]["data"]["provider"] == "ctyun"


def test_the_function_names_the_providers_it_knows(pipeline: Pipeline) -> None:
    pipeline.configure(PROVIDERS="ctyun,nobody")
    with pytest.raises(InvocationFailedError, match=r"'nobody'; known are: .*accuauth, .*ctyun") as failed:
        pipeline.invoke(notification(pipeline.outputs.scans_bucket, "cn/x.jpg"))
    assert failed.value.error_type == "SettingsError"


def test_the_template_refuses_a_provider_that_it_does_not_know(pipeline: Pipeline) -> None:
    cloudformation = pipeline.stack.client("cloudformation")
    described = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0]
    kept = [{"ParameterKey": given["ParameterKey"], "UsePreviousValue": True} for given in described["Parameters"]]
    parameters = [given for given in kept if given["ParameterKey"] != "Providers"]
    with pytest.raises(ClientError, match="Providers"):
        cloudformation.create_change_set(
            StackName=STACK_NAME,
            ChangeSetName="unknown-provider",
            UsePreviousTemplate=True,
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[*parameters, {"ParameterKey": "Providers", "ParameterValue": "nobody"}],
        )


def test_a_message_that_cannot_be_parsed_ends_in_the_dead_letters(pipeline: Pipeline) -> None:
    sqs = pipeline.stack.client("sqs")
    marker = uuid.uuid4().hex
    url = pipeline.outputs.queue_url
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})
    try:
        sqs.send_message(QueueUrl=url, MessageBody=f"not a notification {marker}")

        def dead() -> bool | None:
            received = sqs.receive_message(QueueUrl=pipeline.outputs.dead_letter_queue_url, MaxNumberOfMessages=10)
            return any(marker in message["Body"] for message in received.get("Messages", ())) or None

        assert pipeline.eventually(dead, "the message among the dead letters")
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=before)
        sqs.purge_queue(QueueUrl=pipeline.outputs.dead_letter_queue_url)


def test_a_large_picture_goes_through(pipeline: Pipeline) -> None:
    """Ten megabytes of PNG: beyond the provider's limit, scaled down before the call."""
    card = fresh("cn_emblem")
    width, height = card.picture.size
    large = card.picture.resize((width * 3, height * 3))
    file = io.BytesIO()
    large.save(file, "PNG", compress_level=0)
    assert len(file.getvalue()) > 10_000_000
    record = pipeline.record(pipeline.upload(f"{folder()}/large.png", file.getvalue()))
    assert (record["status"], record["card"]) == ("RECOGNIZED", card.card)
