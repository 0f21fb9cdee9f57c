"""The story of a scan, from the queue's message to record and events: what operators and consumers rely on."""

import httpx
import pytest

from tests.unit.conftest import encoded, picture
from tests.unit.world import ANSWERS, CREDENTIALS, EMBLEM, PORTRAIT, DiedError, World, ctyun_answer, sqs_event


def test_a_clean_card_becomes_a_record_in_five_calls(world: World, photo: bytes) -> None:
    world.deliver(world.upload("in/warm-1/up.jpg", encoded(picture(7))))
    event = world.upload("uploads/front.jpg", photo)
    done = world.deliver(event)

    assert done.failed_messages == ()
    assert world.log == [
        "dynamodb.update_item", "s3.get_object", "dynamodb.transact_write_items", "provider", "s3.put_object",
        "dynamodb.update_item",
    ]  # fmt: skip
    record = world.record("uploads/front.jpg")
    assert record["status"] == "RECOGNIZED"
    assert record["card"] == {
        "country": "CHN", "document_type": "cn_resident_id", "side": "portrait", "name": "张样例", "sex": "M",
        "ethnicity": "汉", "birth_date": "1990-03-07", "address": "样例省样例市样例路1号", "id_number": PORTRAIT["idn"],
    }  # fmt: skip
    assert (record["quality"], record["risk"], record["reasons"]) == ("good", "none", [])
    assert (record["paid_calls"], record["uncertain_calls"], record["attempts"]) == (1, 0, 1)
    assert record["provider"] == "ctyun"
    assert not record.keys() & {"case_id", "lease_owner", "lease_until", "due_at", "due_shard", "outbox", "waiting_for"}
    assert world.heard_events() == []


def test_a_case_costs_a_call_and_the_other_side_another(world: World) -> None:
    world.deliver(world.upload("warm.jpg", encoded(picture(7))))
    to_the_answer = [
        "dynamodb.update_item", "s3.get_object", "dynamodb.transact_write_items", "provider", "s3.put_object",
    ]  # fmt: skip
    world.deliver(world.upload("uploads/C-1001/front.jpg", encoded(picture(1))))
    assert world.log == [*to_the_answer, "dynamodb.batch_get_item", "dynamodb.transact_write_items"]
    assert world.record("uploads/C-1001/front.jpg")["case_id"] == "C-1001"
    world.provider.script = [ctyun_answer(EMBLEM)]
    world.deliver(world.upload("uploads/C-1001/back.jpg", encoded(picture(2))))
    case_then_side = ["dynamodb.batch_get_item"] * 2
    assert world.log == [*to_the_answer, *case_then_side, "dynamodb.transact_write_items"]


def test_a_redelivered_message_costs_one_call_and_changes_nothing(world: World, photo: bytes) -> None:
    event = world.upload("a/b1/x.jpg", photo)
    world.deliver(event)
    before = world.record("a/b1/x.jpg")
    world.deliver(event)
    assert world.log == ["dynamodb.update_item"]
    assert world.record("a/b1/x.jpg") == before
    assert len(world.provider.calls) == 1


def test_a_flagged_card_is_announced_without_identity_data(world: World, photo: bytes) -> None:
    world.provider.default["ctyun.test"] = lambda: ctyun_answer(PORTRAIT | {"idn": "990105199003070038", "addr": ""})
    world.deliver(world.upload("uploads/C-7/front.jpg", photo))
    heard = world.heard_events()
    assert sorted(event["detail-type"] for event in heard) == ["Card Low Quality", "Card Risk Suspected"]
    for event in heard:
        data = event["detail"]["data"]
        assert data == {
            "record_id": world.record("uploads/C-7/front.jpg")["record_id"], "case_id": "C-7", "status": "RECOGNIZED",
            "provider": "ctyun", "document_type": "cn_resident_id", "side": "portrait", "quality": "low",
            "risk": "suspected", "reasons": ["FIELD_MISSING", "ID_NUMBER_INVALID"],
        }  # fmt: skip
        assert event["detail"]["metadata"].keys() == {"event_id", "schema_version", "occurred_at"}
    assert "outbox" not in world.record("uploads/C-7/front.jpg")


def test_the_same_bytes_under_another_key_are_not_paid_again(world: World, photo: bytes) -> None:
    world.deliver(world.upload("a/one.jpg", photo))
    world.deliver(world.upload("a/two.jpg", photo))
    assert len(world.provider.calls) == 1
    assert (world.record("a/one.jpg")["paid_calls"], world.record("a/two.jpg")["paid_calls"]) == (1, 0)
    assert world.record("a/one.jpg")["card"] == world.record("a/two.jpg")["card"]
    assert world.record("a/one.jpg")["recognized_at"] == world.record("a/two.jpg")["recognized_at"]


def test_the_same_bytes_at_the_same_moment_are_paid_once(world: World, photo: bytes) -> None:
    messages = [world.upload(f"a/{name}.jpg", photo)["Records"][0]["body"] for name in ("one", "two", "three")]
    world.deliver(sqs_event(*messages))
    assert len(world.provider.calls) == 1
    assert [world.record(f"a/{name}.jpg")["status"] for name in ("one", "two", "three")] == ["RECOGNIZED"] * 3
    assert sum(world.record(f"a/{name}.jpg")["paid_calls"] for name in ("one", "two", "three")) == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "IMAGE_CORRUPT"),
        (b"not an image at all", "IMAGE_UNSUPPORTED"),
        (b"%PDF-1.7 ...", "IMAGE_UNSUPPORTED"),
        (encoded(picture())[:3000], "IMAGE_CORRUPT"),
        (encoded(picture(size=(30, 200))), "IMAGE_TOO_SMALL"),
    ],
)
def test_a_bad_image_is_rejected_and_costs_nothing(world: World, body: bytes, reason: str) -> None:
    world.deliver(world.upload("a/bad.jpg", body))
    record = world.record("a/bad.jpg")
    assert (record["status"], record["reasons"], record["paid_calls"]) == ("REJECTED", [reason], 0)
    assert (record["quality"], record["risk"]) == ("unknown", "unknown")
    assert "card" not in record
    assert world.provider.calls == []
    assert [event["detail-type"] for event in world.heard_events()] == ["Card Rejected"]


def test_no_card_in_the_picture(world: World, photo: bytes) -> None:
    world.provider.default["ctyun.test"] = lambda: ctyun_answer(dict.fromkeys(PORTRAIT, ""), risk="")
    world.deliver(world.upload("a/cat.jpg", photo))
    record = world.record("a/cat.jpg")
    assert (record["status"], record["reasons"], record["quality"]) == ("REJECTED", ["NO_CARD"], "low")
    assert record["paid_calls"] == 1
    assert sorted(e["detail-type"] for e in world.heard_events()) == ["Card Low Quality", "Card Rejected"]


def test_a_refusal_of_the_image_is_journaled_like_a_reading(world: World, photo: bytes) -> None:
    world.provider.default["ctyun.test"] = lambda: httpx.Response(
        200, json={"code": 4011, "message": "error", "details": "x"}
    )
    world.deliver(world.upload("a/one.jpg", photo))
    world.deliver(world.upload("a/two.jpg", photo))
    assert len(world.provider.calls) == 1
    record = world.record("a/two.jpg")
    assert (record["status"], record["reasons"], record["quality"]) == (
        "REJECTED",
        ["PROVIDER_REJECTED_IMAGE"],
        "unknown",
    )


def test_a_newer_upload_starts_afresh_and_an_older_event_changes_nothing(world: World, photo: bytes) -> None:
    older = world.upload("a/x.jpg", photo)
    newer = world.upload("a/x.jpg", encoded(picture(2)))
    world.provider.default["ctyun.test"] = lambda: ctyun_answer(EMBLEM, note="front")
    world.deliver(newer)
    assert world.record("a/x.jpg")["card"]["side"] == "emblem"
    world.deliver(older)
    assert world.record("a/x.jpg")["card"]["side"] == "emblem"
    assert len(world.provider.calls) == 1


def test_an_object_that_changed_since_its_event_is_read_as_it_is(world: World, photo: bytes) -> None:
    event = world.upload("a/x.jpg", photo)
    world.upload("a/x.jpg", encoded(picture(3)))
    world.deliver(event)
    record = world.record("a/x.jpg")
    etag = world.s3.head_object(Bucket="scans-here", Key="a/x.jpg")["ETag"].strip('"')
    assert (record["status"], record["etag"]) == ("RECOGNIZED", etag)


def test_an_object_that_is_gone_leaves_a_tombstone(world: World, photo: bytes) -> None:
    event = world.upload("a/x.jpg", photo)
    removal = world.remove("a/x.jpg")
    world.deliver(event)
    assert world.record("a/x.jpg").keys() == {"record_id", "status", "sequencer", "updated_at", "expires_at"}
    world.deliver(removal)
    assert [event["detail-type"] for event in world.heard_events()] == ["Card Erased"]


def test_removal_erases_record_answer_and_claim_and_stays_erased(world: World, photo: bytes) -> None:
    event = world.upload("case/C-1/x.jpg", photo)
    world.deliver(event)
    assert world.s3.list_objects_v2(Bucket=ANSWERS)["KeyCount"] == 1
    removal = world.remove("case/C-1/x.jpg")
    world.deliver(removal)
    tombstone = world.record("case/C-1/x.jpg")
    assert tombstone.keys() == {"record_id", "status", "sequencer", "updated_at", "expires_at"}
    assert tombstone["status"] == "ERASED"
    assert world.s3.list_objects_v2(Bucket=ANSWERS)["KeyCount"] == 0
    assert {i["record_id"]["S"][:5] for i in world.dynamodb.scan(TableName="cards")["Items"]} == {"scan_", "provi"}
    world.deliver(event)
    world.deliver(removal)
    assert world.record("case/C-1/x.jpg")["status"] == "ERASED"
    assert [event["detail-type"] for event in world.heard_events()] == ["Card Erased"]
    world.deliver(world.upload("case/C-1/x.jpg", photo))
    assert world.record("case/C-1/x.jpg")["status"] == "RECOGNIZED"
    assert len(world.provider.calls) == 2


def test_directly_it_answers_with_records(world: World, photo: bytes) -> None:
    world.upload("samples/my card+1.jpg", photo)
    sample = {
        "Records": [
            {
                "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": "1970-01-01T00:00:00.000Z",
                "s3": {
                    "bucket": {"name": "scans-here"},
                    "object": {
                        "key": "samples/my+card%2B1.jpg", "size": 1024, "eTag": "0123456789abcdef0123456789abcdef",
                        "sequencer": "0A1B2C3D4E5F678901",
                    },
                },
            }
        ]
    }  # fmt: skip
    first, second = world.deliver(sample), world.deliver(sample)
    assert [outcome.status for outcome in (*first.outcomes, *second.outcomes)] == ["RECOGNIZED"] * 2
    assert len(world.provider.calls) == 1


def test_secret_without_a_field_makes_scans_wait_and_says_which(
    world: World, photo: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    world.set_secret({"ctyun": {"base_url": "http://ctyun.test", "app_key": "key", "app_secret": "hush"}})
    event = world.upload("a/x.jpg", photo)
    world.deliver(event)
    record = world.record("a/x.jpg")
    assert (record["status"], record["waiting_for"], record["attempts"]) == ("PROCESSING", "PROVIDER_MISCONFIGURED", 0)
    assert world.provider.calls == []
    logged = str([vars(line) for line in caplog.records])
    assert "service_code: Field required" in logged
    assert "hush" not in logged
    world.deliver(world.upload("a/y.jpg", photo))
    assert [event["detail-type"] for event in world.heard_events()] == ["Provider Misconfigured"]

    world.set_secret(CREDENTIALS)
    world.new_process()
    world.deliver(event)
    assert world.record("a/x.jpg")["status"] == "RECOGNIZED"
    assert [event["detail-type"] for event in world.heard_events()] == ["Provider Recovered"]


def test_erasing_a_scan_takes_the_answer_that_it_shared(world: World, photo: bytes) -> None:
    world.deliver(world.upload("a/one.jpg", photo))
    world.deliver(world.upload("a/two.jpg", photo))
    world.deliver(world.remove("a/two.jpg"))
    assert world.s3.list_objects_v2(Bucket=ANSWERS)["KeyCount"] == 0
    assert world.record("a/one.jpg")["status"] == "RECOGNIZED"
    world.deliver(world.upload("a/three.jpg", photo))
    assert len(world.provider.calls) == 2


def test_an_upload_after_an_interrupted_erasure_finishes_it(world: World, photo: bytes) -> None:
    world.deliver(world.upload("a/x.jpg", photo))
    removal = world.remove("a/x.jpg")
    world.die = (2, "before")
    with pytest.raises(DiedError):
        world.deliver(removal)
    world.die = None
    world.new_process()
    world.deliver(world.upload("a/x.jpg", encoded(picture(2))))
    record = world.record("a/x.jpg")
    assert record["status"] == "RECOGNIZED"
    assert world.s3.list_objects_v2(Bucket=ANSWERS)["KeyCount"] == 1
    assert [event["detail-type"] for event in world.heard_events()] == ["Card Erased"]


def test_a_finished_record_holds_nothing_of_its_way(world: World, photo: bytes) -> None:
    world.provider.script = [httpx.Response(429)]
    event = world.upload("a/x.jpg", photo)
    world.deliver(event)
    world.deliver(event)
    record = world.record("a/x.jpg")
    assert record["status"] == "RECOGNIZED"
    assert not record.keys() & {"ticket", "waiting_for", "waiting_since", "lease_owner", "lease_until", "due_at"}


def test_a_grey_picture_without_a_card_is_no_copy_of_one(world: World) -> None:
    world.provider.default["ctyun.test"] = lambda: ctyun_answer(dict.fromkeys(PORTRAIT, ""), risk="")
    world.deliver(world.upload("a/letter.jpg", encoded(picture().convert("L").convert("RGB"))))
    record = world.record("a/letter.jpg")
    assert (record["reasons"], record["risk"]) == (["NO_CARD"], "unknown")
