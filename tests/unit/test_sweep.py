"""What fell by the wayside is found and repaired, once, and nothing else is touched."""

import time
from typing import Any

import httpx

from cardintake.budget import Budget
from cardintake.sweeping import Swept
from tests.unit.conftest import encoded, picture
from tests.unit.world import PORTRAIT, World, ctyun_answer, sqs_event

KEY = "a/x.jpg"


def sweep(world: World) -> Swept:
    return world.process.sweep.run(Budget(time.monotonic() + 60))


def refuse_entries(world: World, times: int) -> None:
    """EventBridge refuses whole batches, as its answer says it, not by an error."""
    client: Any = world.process.announcements._events
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


def test_one_bad_item_does_not_keep_the_others_waiting(world: World, photo: bytes) -> None:
    world.dynamodb.put_item(
        TableName="cards",
        Item={
            "record_id": {"S": "scan_0"},
            "status": {"S": "PROCESSING"},
            "due_shard": {"S": "0"},
            "due_at": {"N": "1"},
        },
    )
    world.provider.script = [httpx.Response(429)]
    world.deliver(world.upload(KEY, photo))
    world.let_leases_run_out()
    assert sweep(world).sent_again == 1
