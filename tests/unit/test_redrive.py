"""A scan that has FAILED is reopened by a redrive, once, and nothing else is: not what it reads, not what it paid."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cardintake.announcements import Event
from cardintake.record_model import FailedRecord, ProcessingRecord, parse_record
from cardintake.scans import NO_SEQUENCER, Continuation
from tests.unit.conftest import encoded, picture
from tests.unit.world import PORTRAIT, TABLE, DiedError, World, a_world, ctyun_answer, sqs_event

pytestmark = pytest.mark.thorough

KEY = "uploads/C-1/张样例.jpg"
DOWN = httpx.Response(503)


@pytest.fixture
def failing() -> Iterator[World]:
    """One attempt only, unless a test says otherwise."""
    with a_world(MAX_ATTEMPTS="1") as world:
        yield world


def fail(world: World, photo: bytes, key: str = KEY) -> None:
    """An upload that fails since its provider is down."""
    world.provider.default["ctyun.test"] = lambda: DOWN
    world.deliver(world.upload(key, photo))
    assert (world.record(key)["status"], world.record(key)["reasons"]) == ("FAILED", ["PROVIDER_UNAVAILABLE"])
    mend(world)


def mend(world: World) -> None:
    world.provider.default["ctyun.test"] = ctyun_answer
    world.let_pauses_run_out()
    world.new_process()
    world.provider.calls.clear()


def warm(world: World) -> None:
    """The process has everything that it asks once only."""
    world.deliver(world.upload("warm.jpg", encoded(picture(7))))
    world.provider.calls.clear()


def redrive_of(record: dict[str, Any]) -> dict[str, Any]:
    """The redrive of a record as it stands, as an event without a queue."""
    redrive: dict[str, Any] = json.loads(Continuation(record["record_id"], redrive=record["updated_at"]).message())
    return redrive


def resumed(world: World) -> list[dict[str, Any]]:
    """What was sent to the queue again."""
    return [message for message in world.messages_without_delay() if "record_id" in message]


@pytest.mark.parametrize("wrapped", [sqs_event, lambda event: event], ids=["queue", "direct"])
def test_a_redrive_reads_what_has_failed_for_one_more_paid_call(failing: World, photo: bytes, wrapped: Any) -> None:
    fail(failing, photo)
    before = failing.record(KEY)
    done = failing.deliver(wrapped(redrive_of(before)))
    assert [(outcome.status, outcome.retry_in) for outcome in done.outcomes] == [("RECOGNIZED", None)]
    record = failing.record(KEY)
    assert (record["status"], record["card"]["id_number"]) == ("RECOGNIZED", PORTRAIT["idn"])
    assert len(failing.provider.calls) == 1
    assert record["paid_calls"] == before["paid_calls"] + 1
    kept = ("bucket", "key", "etag", "size", "sequencer", "case_id", "created_at", "uncertain_calls")
    assert [record[name] for name in kept] == [before[name] for name in kept]
    assert record["attempts"] == 1
    assert not record.keys() & {"lease_owner", "due_at", "ticket", "waiting_since", "waiting_for", "outbox"}
    parse_record(record)


def test_uncertain_calls_stay_counted(failing: World, photo: bytes) -> None:
    failing.provider.script = [httpx.ReadTimeout("late")]
    failing.provider.default["ctyun.test"] = lambda: DOWN
    failing.deliver(failing.upload(KEY, photo))
    before = failing.record(KEY)
    assert (before["status"], before["paid_calls"], before["uncertain_calls"]) == ("FAILED", 1, 1)
    mend(failing)
    failing.deliver(sqs_event(redrive_of(before)))
    record = failing.record(KEY)
    assert (record["status"], record["paid_calls"], record["uncertain_calls"]) == ("RECOGNIZED", 2, 1)


def test_an_answer_that_was_stored_is_not_paid_for_again(failing: World, photo: bytes) -> None:
    warm(failing)
    dying = failing.upload(KEY, photo)
    failing.die = (5, "after")  # the answer is stored, the record is not
    with pytest.raises(DiedError):
        failing.deliver(dying)
    assert failing.died_at == "s3.put_object"
    failing.die = None
    failing.new_process()
    failing.let_leases_run_out()
    failing.deliver(dying)
    assert failing.record(KEY)["reasons"] == ["PROCESSING_CRASHED"]
    before = failing.record(KEY)
    failing.deliver(sqs_event(redrive_of(before)))
    record = failing.record(KEY)
    assert (record["status"], record["paid_calls"], record["uncertain_calls"]) == ("RECOGNIZED", 1, 0)
    assert len(failing.provider.calls) == 1


def test_attempts_begin_anew_and_the_next_failure_is_announced_as_one_of_its_own(world: World, photo: bytes) -> None:
    world.provider.default["ctyun.test"] = lambda: DOWN
    world.new_process(MAX_ATTEMPTS="1")
    world.deliver(world.upload(KEY, photo))
    first = world.record(KEY)
    world.new_process(MAX_ATTEMPTS="2")
    event = sqs_event(redrive_of(first))
    for attempt in (1, 2):
        world.let_pauses_run_out()
        world.new_process()
        world.deliver(event)
        record = world.record(KEY)
        assert record["attempts"] == attempt
        assert (record["status"], "reasons" in record) == (("PROCESSING", False), ("FAILED", True))[attempt - 1]
        assert isinstance(parse_record(record), (ProcessingRecord, FailedRecord)[attempt - 1])
        event = sqs_event(*resumed(world))
    heard = [event for event in world.heard_events() if event["detail-type"] == "Card Failed"]
    assert len({event["detail"]["metadata"]["event_id"] for event in heard}) == len(heard) == 2


# what is refused ------------------------------------------------------------------------------------------------------


def test_a_record_that_has_not_failed_is_left_alone(world: World, photo: bytes) -> None:
    world.deliver(world.upload(KEY, photo))
    recognized = world.record(KEY)
    done = world.deliver(redrive_of(recognized))
    assert [(outcome.status, outcome.retry_in) for outcome in done.outcomes] == [("RECOGNIZED", None)]
    assert world.record(KEY) == recognized

    world.deliver(world.remove(KEY))
    tombstone = world.record(KEY)
    done = world.deliver(redrive_of(recognized))
    assert [outcome.status for outcome in done.outcomes] == ["ERASED"]
    assert world.record(KEY) == tombstone
    assert len(world.provider.calls) == 1


def test_a_record_that_is_not_there_is_not_made(failing: World, photo: bytes) -> None:
    fail(failing, photo)
    failed = failing.record(KEY)
    failing.dynamodb.delete_item(TableName=TABLE, Key={"record_id": {"S": failed["record_id"]}})
    done = failing.deliver(redrive_of(failed))
    assert [(outcome.status, outcome.retry_in) for outcome in done.outcomes] == [("ERASED", None)]
    assert failing.record(KEY) == {}
    assert failing.log == ["dynamodb.get_item"]


def test_a_scan_that_is_in_work_or_waits_is_not_hurried(failing: World, photo: bytes) -> None:
    fail(failing, photo)
    redrive = sqs_event(redrive_of(failing.record(KEY)))

    def meanwhile(_: httpx.Request) -> httpx.Response:
        """The redrive's duplicate, while its first delivery asks the provider."""
        in_work = failing.record(KEY)
        assert in_work["attempts"] == 1
        failing.deliver(redrive)
        assert failing.record(KEY) == in_work
        return httpx.Response(429)

    failing.provider.script = [meanwhile]
    failing.deliver(redrive)
    waiting = failing.record(KEY)
    assert len(failing.provider.calls) == 1
    assert (waiting["status"], waiting["waiting_for"]) == ("PROCESSING", "PROVIDER_THROTTLED")
    failing.deliver(redrive)
    assert failing.record(KEY) == waiting
    (carrying,) = resumed(failing)
    failing.deliver(sqs_event(carrying))
    assert failing.record(KEY)["status"] == "RECOGNIZED"


def test_a_late_duplicate_does_not_end_the_next_failure(failing: World, photo: bytes) -> None:
    fail(failing, photo)
    redrive = sqs_event(redrive_of(failing.record(KEY)))
    failing.provider.script = [DOWN] * 3
    failing.deliver(redrive)
    again = failing.record(KEY)
    assert again["status"] == "FAILED"
    mend(failing)
    failing.deliver(redrive)
    assert failing.record(KEY) == again
    assert failing.provider.calls == []
    failing.deliver(sqs_event(redrive_of(again)))
    assert failing.record(KEY)["status"] == "RECOGNIZED"


def test_many_duplicates_in_one_batch_are_one_redrive(failing: World, photo: bytes) -> None:
    fail(failing, photo)
    redrive = redrive_of(failing.record(KEY))
    done = failing.deliver(sqs_event(*[redrive] * 6))
    assert done.failed_messages == ()
    assert len(failing.provider.calls) == 1
    record = failing.record(KEY)
    assert (record["status"], record["attempts"]) == ("RECOGNIZED", 1)


# a newer upload, an erasure -------------------------------------------------------------------------------------------


def test_a_newer_upload_wins_whenever_it_comes(failing: World, photo: bytes) -> None:
    fail(failing, photo)
    redrive = sqs_event(redrive_of(failing.record(KEY)))
    newer = failing.upload(KEY, encoded(picture(2)))

    failing.provider.script = [DOWN] * 3
    failing.deliver(newer)
    failed = failing.record(KEY)
    assert failed["status"] == "FAILED"
    mend(failing)
    failing.deliver(redrive)  # of the older upload's failure
    assert failing.record(KEY) == failed
    assert failing.provider.calls == []

    newest = failing.upload(KEY, encoded(picture(3)))

    def meanwhile(_: httpx.Request) -> httpx.Response:
        failing.deliver(newest, seconds=7)
        return ctyun_answer()

    failing.provider.script = [meanwhile]
    failing.deliver(sqs_event(redrive_of(failed)))
    taken_over = failing.record(KEY)
    assert (taken_over["status"], taken_over["sequencer"] > failed["sequencer"]) == ("PROCESSING", True)
    failing.deliver(sqs_event(*resumed(failing)))
    record = failing.record(KEY)
    assert (record["status"], record["sequencer"]) == ("RECOGNIZED", taken_over["sequencer"])
    assert len(failing.provider.calls) == 1  # the redrive had found the newest bytes, and was paid for them


def test_an_object_that_was_deleted_is_not_read(failing: World, photo: bytes) -> None:
    fail(failing, photo)
    redrive = sqs_event(redrive_of(failing.record(KEY)))
    removal = failing.remove(KEY)
    failing.deliver(redrive)
    assert failing.record(KEY)["status"] == "ERASED"
    failing.deliver(removal)
    assert failing.record(KEY)["status"] == "ERASED"
    assert failing.provider.calls == []


# where it dies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", range(1, 8))
def test_wherever_a_redrive_dies_its_redelivery_ends_it(failing: World, photo: bytes, call: int, when: str) -> None:
    fail(failing, photo)
    failing.new_process(MAX_ATTEMPTS="5")
    warm(failing)
    redrive = sqs_event(redrive_of(failing.record(KEY)))
    failing.die = (call, when)
    with pytest.raises(DiedError):
        failing.deliver(redrive)
    in_doubt = (failing.died_at, when) in {("provider", "after"), ("s3.put_object", "before")}
    failing.die = None
    failing.new_process()
    failing.let_leases_run_out()
    failing.deliver(redrive)
    record = failing.record(KEY)
    assert record["status"] == "RECOGNIZED"
    assert len(failing.provider.calls) == 1 + in_doubt


def test_without_a_queue_to_send_it_to_the_redrive_itself_comes_again(failing: World, photo: bytes) -> None:
    fail(failing, photo)
    failing.new_process(QUEUE_URL="")
    redrive = sqs_event(redrive_of(failing.record(KEY)))
    failing.provider.script = [httpx.Response(429)]
    assert failing.deliver(redrive).failed_messages == ("m-0",)
    assert failing.record(KEY)["waiting_for"] == "PROVIDER_THROTTLED"
    assert failing.deliver(redrive).failed_messages == ()
    assert failing.record(KEY)["status"] == "RECOGNIZED"


def test_a_redrive_that_no_longer_fits_into_the_invocation_is_sent_again_as_one(failing: World, photo: bytes) -> None:
    fail(failing, photo)
    failed = failing.record(KEY)
    failing.deliver(sqs_event(redrive_of(failed)), seconds=1)
    assert failing.record(KEY) == failed
    failing.deliver(sqs_event(*resumed(failing)))
    assert failing.record(KEY)["status"] == "RECOGNIZED"


# what is to be said, and uploads without a sequencer ------------------------------------------------------------------


def test_the_failures_own_event_is_not_lost_with_its_reopening(failing: World, photo: bytes) -> None:
    client: Any = failing.process.announcements._events()
    put_events, refusal = client.put_events, {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}
    client.put_events = lambda **_: refusal
    failing.provider.default["ctyun.test"] = lambda: DOWN
    failing.deliver(failing.upload(KEY, photo))
    client.put_events = put_events
    failed = failing.record(KEY)
    (entry,) = failed["outbox"]
    mend(failing)
    failing.provider.script = [httpx.Response(429)]
    failing.deliver(sqs_event(redrive_of(failed)))
    waiting = failing.record(KEY)
    assert waiting["outbox"] == [entry]

    # a sweep that read the failure before it was reopened has delivered its event, and must not undo the wait
    failing.process.records.delivered(failed["record_id"], [Event(**entry)])
    assert failing.record(KEY) == waiting
    failing.deliver(sqs_event(*resumed(failing)))
    heard = [event for event in failing.heard_events() if event["detail-type"] == "Card Failed"]
    assert [event["detail"]["metadata"]["event_id"] for event in heard] == [entry["event_id"]]
    assert failing.record(KEY)["status"] == "RECOGNIZED"


def test_an_upload_without_sequencer_is_reopened_too(failing: World, photo: bytes) -> None:
    sample = failing.upload(KEY, photo)
    body = json.loads(sample["Records"][0]["body"])
    del body["Records"][0]["s3"]["object"]["sequencer"]
    failing.provider.default["ctyun.test"] = lambda: DOWN
    failing.deliver(body)
    failed = failing.record(KEY)
    assert (failed["status"], failed["sequencer"]) == ("FAILED", NO_SEQUENCER)
    mend(failing)
    failing.deliver(redrive_of(failed))
    assert failing.record(KEY)["status"] == "RECOGNIZED"
