"""What fell by the wayside is found and repaired, once, and nothing else is touched."""

import time
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from cardintake import limits
from cardintake.budget import Budget
from cardintake.scans import record_id
from cardintake.sweeping import Swept
from tests.unit.conftest import encoded, picture
from tests.unit.world import ANSWERS, PORTRAIT, SCANS, TABLE, World, ctyun_answer, sqs_event

KEY = "a/x.jpg"


def sweep(world: World) -> Swept:
    return world.process.sweep.run(Budget(time.monotonic() + 60))


def refuse_entries(world: World, times: int) -> None:
    """EventBridge refuses whole batches, as its answer says it, not by an error."""
    client: Any = world.process.announcements._events()
    put_events = client.put_events

    def refusing(**request: object) -> object:
        nonlocal times
        if times:
            times -= 1
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}
        return put_events(**request)

    client.put_events = refusing


def test_nothing_due_is_nothing_done(world: World, photo: bytes) -> None:
    world.deliver(world.upload(KEY, photo))
    assert sweep(world) == Swept()


def test_an_entry_that_eventbridge_refuses_once_is_put_again_at_once(world: World, photo: bytes) -> None:
    world.provider.default["ctyun.test"] = lambda: ctyun_answer(PORTRAIT | {"addr": ""})
    world.deliver(world.upload("a/warm.jpg", encoded(picture(4))))
    world.heard_events()
    refuse_entries(world, 1)
    world.deliver(world.upload(KEY, photo))
    assert [event["detail-type"] for event in world.heard_events()] == ["Card Low Quality"]
    assert "outbox" not in world.record(KEY)


def test_events_that_were_refused_are_delivered_later_with_the_same_id(world: World, photo: bytes) -> None:
    world.provider.default["ctyun.test"] = lambda: ctyun_answer(PORTRAIT | {"addr": ""})
    refuse_entries(world, 2)
    world.deliver(world.upload(KEY, photo))
    (entry,) = world.record(KEY)["outbox"]
    assert world.record(KEY)["status"] == "RECOGNIZED"
    assert world.heard_events() == []
    assert sweep(world) == Swept()  # not due yet: the function may still be at it
    world.let_leases_run_out()
    assert sweep(world).delivered == 1
    (heard,) = world.heard_events()
    assert heard["detail"]["metadata"]["event_id"] == entry["event_id"]
    assert not world.record(KEY).keys() & {"outbox", "due_at", "due_shard"}
    assert sweep(world) == Swept()


def test_a_message_that_was_lost_is_replaced_once(world: World, photo: bytes) -> None:
    world.provider.script = [httpx.Response(429)]
    world.deliver(world.upload(KEY, photo))
    (lost,) = world.messages_without_delay()
    world.let_leases_run_out()
    assert sweep(world).sent_again == 1
    assert sweep(world).sent_again == 0  # its patience has doubled
    (message,) = world.messages()
    calls = len(world.provider.calls)
    world.deliver(sqs_event(lost))
    assert len(world.provider.calls) == calls, "the lost message came after all, and is void"
    world.deliver(sqs_event(message))
    assert world.record(KEY)["status"] == "RECOGNIZED"


def test_the_age_of_the_oldest_unfinished_scan(world: World, photo: bytes) -> None:
    world.provider.script = [httpx.Response(429)]
    world.deliver(world.upload(KEY, photo))
    world.let_leases_run_out()
    world.set_number(KEY, "waiting_since", int(time.time()) - 3600)
    assert 3590 < sweep(world).oldest_seconds < 3700


def test_the_age_of_a_scan_that_waits_its_turn_counts_too(world: World, photo: bytes) -> None:
    world.provider.default["ctyun.test"] = lambda: httpx.Response(429, headers={"Retry-After": "800"})
    for n in range(3):
        world.deliver(world.upload(f"a/{n}.jpg", encoded(picture(n))))
        world.set_number(f"a/{n}.jpg", "waiting_since", int(time.time()) - 100 * n)
    swept = sweep(world)
    assert (swept.sent_again, 199 <= swept.oldest_seconds < 260) == (0, True)
    world.provider.default["ctyun.test"] = ctyun_answer
    world.deliver(sqs_event(*world.messages_without_delay()))
    assert sweep(world).oldest_seconds == 0


def test_one_bad_item_does_not_keep_the_others_waiting(world: World, photo: bytes) -> None:
    world.dynamodb.put_item(
        TableName="cards",
        Item={
            "record_id": {"S": "scan_0"},
            "outbox": {"L": [{"S": "no event"}]},
            "due_shard": {"S": "0"},
            "due_at": {"N": "1"},
        },
    )
    world.provider.script = [httpx.Response(429)]
    world.deliver(world.upload(KEY, photo))
    world.let_leases_run_out()
    assert sweep(world).sent_again == 1


# records without scans ------------------------------------------------------------------------------------------------

DAY = 86400


def on_another_day(world: World, days: float) -> Swept:
    """A sweep as if so many days had passed."""
    world.process.sweep._orphans._clock = lambda: time.time() + days * DAY
    return sweep(world)


def remove_unheard(world: World, *keys: str) -> None:
    """The object goes, and S3's event with it."""
    for key in keys:
        world.s3.delete_object(Bucket=SCANS, Key=key)


def status(world: World, key: str = KEY) -> str:
    return str(world.record(key)["status"])


def test_a_record_whose_scan_is_gone_is_erased_as_its_removal_would_have(world: World, photo: bytes) -> None:
    world.deliver(world.upload(KEY, photo))
    world.deliver(world.upload("a/kept.jpg", encoded(picture(2))))
    remove_unheard(world, KEY)
    assert sweep(world) == Swept(orphans=1)
    assert world.record(KEY).keys() == {"record_id", "status", "sequencer", "updated_at", "expires_at"}
    assert (status(world), status(world, "a/kept.jpg")) == ("ERASED", "RECOGNIZED")
    assert world.s3.list_objects_v2(Bucket=ANSWERS)["KeyCount"] == 1
    (heard,) = world.heard_events()
    assert (heard["detail-type"], heard["detail"]["data"]["record_id"]) == ("Card Erased", record_id(SCANS, KEY))
    assert on_another_day(world, 2) == Swept()


def test_a_key_that_only_begins_another_one_is_gone(world: World, photo: bytes) -> None:
    for key in ("a/x", "a/x.jpg", "a/x y", "a/x/z", "a/é"):
        world.deliver(world.upload(key, photo))
    remove_unheard(world, "a/x", "a/é")
    assert sweep(world).orphans == 2
    assert [status(world, key) for key in ("a/x", "a/é", "a/x.jpg", "a/x y", "a/x/z")] == ["ERASED"] * 2 + [
        "RECOGNIZED"
    ] * 3


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchBucket", "SlowDown", "403"])
def test_a_refusal_proves_nothing_and_is_told(
    world: World, photo: bytes, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.deliver(world.upload(KEY, photo))
    world.deliver(world.upload("a/other.jpg", encoded(picture(2))))
    remove_unheard(world, KEY)

    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": code}}, "ListObjectsV2")

    client: Any = world.process.clients.s3
    client.list_objects_v2 = refuse
    assert sweep(world) == Swept()
    assert status(world) == "RECOGNIZED"
    assert [line.__dict__["aws_code"] for line in caplog.records if line.message == "unexpected error"] == [code]


def test_a_scan_that_lifecycle_may_have_expired_leaves_its_record_to_its_own_retention(
    world: World, photo: bytes
) -> None:
    world.deliver(world.upload(KEY, photo))
    remove_unheard(world, KEY)
    assert on_another_day(world, 29.5) == Swept()
    assert status(world) == "RECOGNIZED"


def test_until_then_it_is_erased(world: World, photo: bytes) -> None:
    world.deliver(world.upload(KEY, photo))
    remove_unheard(world, KEY)
    assert on_another_day(world, 28.5).orphans == 1


def test_a_backfilled_scan_may_be_older_than_its_record(world: World, photo: bytes) -> None:
    event = world.notification(KEY, world.s3_put(KEY, photo), len(photo))
    del event["Records"][0]["s3"]["object"]["sequencer"]
    world.deliver(event)
    assert status(world) == "RECOGNIZED"
    remove_unheard(world, KEY)
    assert sweep(world) == Swept()


def test_unfinished_scans_are_left_to_their_own_next_try(world: World, photo: bytes) -> None:
    world.provider.script = [httpx.Response(429)]
    world.deliver(world.upload(KEY, photo))
    world.set_number(KEY, "waiting_since", int(time.time()) + 60)  # however slow this machine is
    remove_unheard(world, KEY)
    assert sweep(world) == Swept()
    world.deliver(sqs_event(*world.messages_without_delay()))
    assert status(world) == "ERASED"


@pytest.mark.thorough
def test_the_whole_table_is_looked_at_page_by_page_once_a_day(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ORPHANS_PAGE", 3)
    keys = [f"a/{n}.jpg" for n in range(4)]
    for n, key in enumerate(keys):
        world.deliver(world.upload(key, encoded(picture(n))))
    remove_unheard(world, *keys)
    items = world.dynamodb.scan(TableName=TABLE)["Count"]
    pages = [sweep(world).orphans for _ in range(items // 3 + 2)]
    assert sum(pages) == 4
    assert len([found for found in pages if found]) > 1
    assert [status(world, key) for key in keys] == ["ERASED"] * 4

    world.deliver(world.upload(KEY, encoded(picture(9))))
    remove_unheard(world, KEY)
    world.log.clear()
    assert sweep(world) == Swept()
    assert not {"dynamodb.scan", "s3.list_objects_v2"} & set(world.log), "everything was looked at today"
    assert sum(on_another_day(world, 1.1).orphans for _ in range(items)) == 1


def test_a_page_that_was_not_finished_is_looked_at_again(world: World, photo: bytes) -> None:
    world.deliver(world.upload(KEY, photo))
    remove_unheard(world, KEY)
    assert world.process.sweep.run(Budget(time.monotonic() + 0.5)) == Swept()
    assert sweep(world).orphans == 1


def test_an_upload_that_arrives_while_it_is_looked_for_is_not_erased(world: World, photo: bytes) -> None:
    world.deliver(world.upload(KEY, photo))
    remove_unheard(world, KEY)
    (removal,) = world.process.sweep._orphans.removals(Budget(time.monotonic() + 60))
    world.deliver(world.upload(KEY, encoded(picture(2))))
    world.process.intake.take(removal, Budget(time.monotonic() + 60))
    assert status(world) == "RECOGNIZED"
    assert world.heard_events() == []


def test_an_upload_after_the_erasure_begins_a_new_record(world: World, photo: bytes) -> None:
    world.deliver(world.upload(KEY, photo))
    remove_unheard(world, KEY)
    sweep(world)
    world.deliver(world.upload(KEY, encoded(picture(2))))
    assert status(world) == "RECOGNIZED"


def test_an_erasure_that_fails_keeps_no_other_waiting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [f"a/{n}.jpg" for n in range(3)]
    for n, key in enumerate(keys):
        world.deliver(world.upload(key, encoded(picture(n))))
    remove_unheard(world, *keys)
    take = world.process.intake.take
    failed: list[str] = []

    def fail_once(*arguments: Any) -> object:
        if not failed:
            failed.append(arguments[0].key)
            raise RuntimeError
        return take(*arguments)

    monkeypatch.setattr(world.process.intake, "take", fail_once)
    assert sweep(world).orphans == 2
    assert sorted(status(world, key) for key in keys) == ["ERASED", "ERASED", "RECOGNIZED"]
    assert on_another_day(world, 1.1).orphans == 1
