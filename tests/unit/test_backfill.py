"""A dry run: every upload below a prefix is counted once, against its record, and nothing else happens."""

import time
from typing import Any

import pytest
from pydantic import ValidationError

from cardintake import backfilling
from cardintake.budget import Budget
from tests.unit.conftest import encoded, picture
from tests.unit.world import SCANS, World


def count(world: World, seconds: float = 50, **asked: Any) -> dict[str, Any]:
    event = {"bucket": SCANS, "prefix": "", **asked}
    return world.process.backfill.count(event, Budget(time.monotonic() + seconds))


def counted(world: World, **asked: Any) -> dict[str, Any]:
    """The report, however many invocations it takes."""
    answer = count(world, **asked)
    while "token" in answer:
        answer = count(world, **asked, so_far=answer)
    report: dict[str, Any] = answer["report"]
    return report


def test_uploads_are_counted_against_their_records(world: World, photo: bytes) -> None:
    world.deliver(world.upload("a/read.jpg", photo))
    world.deliver(world.upload("a/rejected.jpg", b"no picture"))
    world.deliver(world.upload("a/changed.jpg", encoded(picture(2))))
    world.s3_put("a/changed.jpg", encoded(picture(3)))
    world.s3_put("a/never seen.jpg", photo)
    world.s3_put("a/空.jpg", b"")
    world.s3_put("a/folder/", b"")
    world.s3_put("b/elsewhere.jpg", photo)
    calls = len(world.provider.calls)
    assert counted(world, prefix="a/") == {
        "objects": 5,
        "recorded": {"RECOGNIZED": 1, "REJECTED": 1},
        "changed": 1,
        "unrecorded": 2,
        "empty": 1,
        "to_read": 2,
    }
    assert len(world.provider.calls) == calls


def test_it_writes_nothing_and_reads_no_object(world: World, photo: bytes) -> None:
    world.s3_put("a/x.jpg", photo)
    world.log.clear()
    counted(world)
    assert set(world.log) == {"s3.list_objects_v2", "dynamodb.batch_get_item"}


def test_what_an_erasure_left_is_no_record_of_the_object_that_is_there_now(world: World, photo: bytes) -> None:
    world.deliver(world.upload("a/x.jpg", photo))
    world.deliver(world.remove("a/x.jpg"))
    world.s3_put("a/x.jpg", photo)
    assert counted(world)["changed"] == 1


def test_calls_are_priced_exactly(world: World, photo: bytes) -> None:
    for number in range(3):
        world.s3_put(f"a/{number}.jpg", photo)
    report = counted(world, price_per_card=0.1, currency="CNY")
    assert (report["price_at_most"], report["currency"]) == (0.3, "CNY"), "and not 0.30000000000000004"


def test_pages_are_counted_once_each_whoever_counts_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(7):
        world.s3_put(f"a/{number}.jpg", b"bytes")
    listed = world.s3.list_objects_v2
    monkeypatch.setattr(world.s3, "list_objects_v2", lambda **request: listed(**request, MaxKeys=2))
    monkeypatch.setattr(backfilling, "_RECORDS_AT_A_TIME", 1)
    answer = count(world, seconds=0)
    assert answer["report"]["objects"] == 2, "no time for more"
    invocations = 1
    while "token" in answer:
        answer = count(world, seconds=0, so_far=answer)
        invocations += 1
    assert invocations == 4
    assert answer["report"]["objects"] == answer["report"]["to_read"] == 7
    assert count(world, seconds=50)["report"] == answer["report"], "and at one go"


def test_records_that_dynamodb_leaves_out_are_asked_for_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.deliver(world.upload("a/x.jpg", b"no picture"))
    whole = world.dynamodb.batch_get_item
    refusals = 2

    def reluctant(**request: Any) -> Any:
        nonlocal refusals
        if refusals:
            refusals -= 1
            return {"Responses": {}, "UnprocessedKeys": request["RequestItems"]}
        return whole(**request)

    monkeypatch.setattr(world.dynamodb, "batch_get_item", reluctant)
    assert counted(world)["recorded"] == {"REJECTED": 1}


@pytest.mark.parametrize("wrong", [{"price_per_card": -1}, {"prefix": None}, {"so_far": {"token": 1}}])
def test_other_input_is_refused_without_being_quoted(world: World, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        count(world, **wrong)
    assert SCANS not in str(refused.value)


def test_a_scan_without_sequencer_and_with_a_record_of_its_etag_is_not_read_again(world: World, photo: bytes) -> None:
    """What a backfill sends: the EventBridge event that the state machine makes of an object that was listed."""
    etag = world.s3_put("a/张样例 +1.jpg", photo)
    listed = {"key": "a/张样例 +1.jpg", "etag": f'"{etag}"', "size": len(photo)}
    event = {
        "source": "aws.s3", "detail-type": "Object Created", "detail": {"bucket": {"name": SCANS}, "object": listed},
    }  # fmt: skip
    for _ in range(2):
        (outcome,) = world.deliver(event).outcomes
        assert outcome.status == "RECOGNIZED"
    assert len(world.provider.calls) == 1
    assert counted(world)["recorded"] == {"RECOGNIZED": 1}
