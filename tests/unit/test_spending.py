"""The daily spending cap: counted before the call, given back when nothing was billed, waited for when reached."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.unit.conftest import encoded, picture
from tests.unit.test_every_provider import world_of
from tests.unit.world import CREDENTIALS, TABLE, DiedError, World, a_world, ctyun_answer, sqs_event

KEY = "a/x.jpg"
DAY = 86400


@pytest.fixture
def capped() -> Iterator[World]:
    """Two paid calls a day."""
    with a_world(DAILY_CALL_CAP="2") as world:
        yield world


def item_id(moment: float | None = None) -> str:
    return f"spending_{datetime.fromtimestamp(moment or time.time(), UTC).date().isoformat()}"


def counted(world: World) -> int:
    return int(world.item(item_id()).get("calls", 0))


def photos(world: World, count: int, start: int = 0) -> list[Any]:
    return [world.upload(f"a/{n}.jpg", encoded(picture(n))) for n in range(start, start + count)]


def statuses(world: World, count: int) -> list[str]:
    return [world.record(f"a/{n}.jpg")["status"] for n in range(count)]


def code(number: int) -> httpx.Response:
    return httpx.Response(200, json={"code": number, "message": "error"})


def told(caplog: pytest.LogCaptureFixture) -> int:
    return [line.message for line in caplog.records].count("daily call cap reached")


def test_without_a_cap_nothing_is_counted_and_nothing_asked(world: World, photo: bytes) -> None:
    world.deliver(world.upload("a/warm.jpg", encoded(picture(7))))
    world.deliver(world.upload(KEY, photo))
    assert world.record(KEY)["status"] == "RECOGNIZED"
    assert world.item(item_id()) == {}
    assert len([call for call in world.log if not call.startswith("provider")]) == 5


def test_a_cap_costs_one_more_call_to_aws(capped: World, photo: bytes) -> None:
    capped.deliver(capped.upload("a/warm.jpg", encoded(picture(7))))
    capped.deliver(capped.upload(KEY, photo))
    assert len([call for call in capped.log if not call.startswith("provider")]) == 6


def test_beyond_the_cap_scans_wait_and_nothing_is_called(capped: World, caplog: pytest.LogCaptureFixture) -> None:
    for event in photos(capped, 5):
        outcome = capped.deliver(event).outcomes[0]
    assert len(capped.provider.calls) == counted(capped) == 2
    assert statuses(capped, 5) == ["RECOGNIZED"] * 2 + ["PROCESSING"] * 3
    for n in range(2, 5):
        record = capped.record(f"a/{n}.jpg")
        assert record["waiting_for"] == "SPENDING_CAP"
        assert (record["attempts"], record["paid_calls"], record["uncertain_calls"]) == (0, 0, 0)
    assert outcome.retry_in is not None
    assert 5 <= outcome.retry_in <= 900
    assert told(caplog) == 1
    assert capped.heard_events() == []
    items = [item["record_id"]["S"] for item in capped.dynamodb.scan(TableName=TABLE)["Items"]]
    assert len([one for one in items if one.startswith("content_")]) == 2, "of those that were read"


def test_what_was_seen_a_moment_ago_is_not_asked_again(capped: World) -> None:
    events = photos(capped, 4)
    for event in events[:3]:
        capped.deliver(event)
    capped.deliver(events[3])
    assert [call for call in capped.log if call.startswith("dynamodb.")] == ["dynamodb.update_item"] * 2  # claim, wait


def test_who_hears_of_the_cap_later_writes_nothing_about_it(capped: World) -> None:
    for event in photos(capped, 3):
        capped.deliver(event)
    told_once = capped.item(item_id())
    capped.new_process()
    capped.deliver(photos(capped, 1, start=3)[0])
    assert capped.log.count("dynamodb.update_item") == 3  # claim, count, wait
    assert capped.item(item_id()) == told_once


def test_the_next_day_goes_on_by_itself(capped: World) -> None:
    for event in photos(capped, 3):
        capped.deliver(event)
    (waiting,) = capped.messages_without_delay()
    capped.process.spending._clock = lambda: time.time() + DAY
    capped.deliver(sqs_event(waiting))
    assert statuses(capped, 3) == ["RECOGNIZED"] * 3
    assert capped.item(item_id(time.time() + DAY))["calls"] == 1
    assert counted(capped) == 2
    assert DAY * 29 < capped.item(item_id())["expires_at"] - time.time() <= DAY * 30


def test_a_raised_cap_goes_on_at_the_next_try(capped: World, caplog: pytest.LogCaptureFixture) -> None:
    for event in photos(capped, 4):
        capped.deliver(event)
    first, second = capped.messages_without_delay()
    capped.new_process(DAILY_CALL_CAP="3")
    capped.deliver(sqs_event(first))
    capped.deliver(sqs_event(second))
    assert sorted(statuses(capped, 4)) == ["PROCESSING"] + ["RECOGNIZED"] * 3
    assert told(caplog) == 2, "once for each cap"


def test_midnight_is_what_a_scan_waits_for_when_it_is_near(capped: World) -> None:
    midnight = (time.time() // DAY + 1) * DAY
    capped.process.spending._clock = lambda: midnight - 60
    outcomes = [capped.deliver(event).outcomes[0] for event in photos(capped, 3)]
    assert outcomes[-1].retry_in == 60


@pytest.mark.parametrize(
    "answer", [httpx.Response(429), code(5000), code(4013), code(4001), httpx.ConnectError("refused")]
)
def test_what_was_certainly_not_billed_is_given_back(capped: World, photo: bytes, answer: Any) -> None:
    def counted_before(_: httpx.Request) -> httpx.Response:
        assert counted(capped) == 1
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    capped.provider.script = [counted_before] * 3
    capped.deliver(capped.upload(KEY, photo))
    assert counted(capped) == 0


@pytest.mark.parametrize("trouble", [httpx.ReadTimeout("late"), httpx.Response(200, content=b'{"half')])
def test_what_may_be_billed_stays_counted(capped: World, photo: bytes, trouble: Any) -> None:
    capped.provider.script = [trouble]
    event = capped.upload(KEY, photo)
    capped.deliver(event)
    assert counted(capped) == capped.record(KEY)["paid_calls"] == 1
    capped.deliver(event)
    assert counted(capped) == capped.record(KEY)["paid_calls"] == 2


def test_a_second_call_for_one_picture_is_counted_before_it_is_made(capped: World, photo: bytes) -> None:
    def second(_: httpx.Request) -> httpx.Response:
        assert counted(capped) == 2
        return ctyun_answer()

    capped.provider.script = [code(4007), second]
    capped.deliver(capped.upload(KEY, photo))
    assert capped.record(KEY)["paid_calls"] == counted(capped) == 2


def test_of_two_calls_the_one_that_was_not_billed_is_given_back(capped: World, photo: bytes) -> None:
    capped.provider.script = [code(4007), httpx.Response(429)]
    capped.deliver(capped.upload(KEY, photo))
    assert capped.record(KEY)["paid_calls"] == counted(capped) == 1


def test_a_second_call_beyond_the_cap_is_not_made() -> None:
    with a_world(DAILY_CALL_CAP="1") as world:
        world.provider.script = [code(4007)]
        event = world.upload(KEY, encoded(picture()))
        world.deliver(event)
        record = world.record(KEY)
        assert len(world.provider.calls) == counted(world) == 1
        assert (record["waiting_for"], record["attempts"]) == ("SPENDING_CAP", 0)
        assert (record["paid_calls"], record["uncertain_calls"]) == (1, 0)
        world.process.spending._clock = lambda: time.time() + DAY
        world.deliver(event)
        assert world.record(KEY)["status"] == "RECOGNIZED"


def test_answers_that_are_there_are_used_beyond_the_cap(capped: World) -> None:
    for event in photos(capped, 3):
        capped.deliver(event)
    capped.deliver(capped.upload("a/again.jpg", encoded(picture(1))))
    capped.new_process()  # one that has yet to hear of the cap
    capped.deliver(capped.upload("a/once-more.jpg", encoded(picture(1))))
    assert [capped.record(f"a/{name}.jpg")["status"] for name in ("again", "once-more")] == ["RECOGNIZED"] * 2
    assert len(capped.provider.calls) == counted(capped) == 2


def test_answers_of_the_second_provider_are_used_beyond_the_cap() -> None:
    with world_of("ctyun", "waiqin365", DAILY_CALL_CAP="1") as world:
        world.provider.script = [code(5000)] * 3
        world.deliver(world.upload("a/1.jpg", encoded(picture())))
        assert world.record("a/1.jpg")["provider"] == "waiqin365"
        world.deliver(world.upload("a/2.jpg", encoded(picture(2))))
        assert world.record("a/2.jpg")["waiting_for"] == "SPENDING_CAP"
        world.deliver(world.upload("a/3.jpg", encoded(picture())))
        assert world.record("a/3.jpg")["provider"] == "waiqin365"
        assert counted(world) == 1


def test_images_that_nobody_is_paid_for_are_refused_beyond_the_cap(capped: World) -> None:
    for event in photos(capped, 3):
        capped.deliver(event)
    capped.deliver(capped.upload("a/small.jpg", encoded(picture(size=(32, 200)))))
    assert capped.record("a/small.jpg")["reasons"] == ["IMAGE_TOO_SMALL"]


def test_a_cap_holds_for_all_instances_and_threads() -> None:
    with a_world(DAILY_CALL_CAP="4") as world:
        bodies = [event["Records"][0]["body"] for event in photos(world, 16)]
        world.deliver(sqs_event(*bodies[:8]))
        world.new_process()
        world.deliver(sqs_event(*bodies[8:]))
        assert len(world.provider.calls) == counted(world) == 4
        assert sorted(statuses(world, 16)) == ["PROCESSING"] * 12 + ["RECOGNIZED"] * 4


def test_a_cap_reached_while_credentials_are_new_does_not_keep_others_from_trying_them(capped: World) -> None:
    for event in photos(capped, 3):
        capped.deliver(event)
    capped.set_secret(CREDENTIALS | {"rotated": 1})
    capped.new_process()
    capped.deliver(photos(capped, 1, start=3)[0])
    assert not capped.item("provider_ctyun").keys() & {"trial_owner", "trial_until", "error_class"}


@pytest.mark.thorough
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_process_that_dies_has_counted_one_too_many_at_most(when: str) -> None:
    with a_world(DAILY_CALL_CAP="9") as world:
        world.deliver(world.upload(KEY, encoded(picture())))
        points = len(world.log)
    for point in range(1, points + 1):
        with a_world(DAILY_CALL_CAP="9") as world:
            event = world.upload(KEY, encoded(picture()))
            world.die = (point, when)
            with pytest.raises(DiedError):
                world.deliver(event)
            where = f"died {when} call {point}, {world.died_at}"
            assert len(world.provider.calls) <= counted(world) <= len(world.provider.calls) + 1, where
            world.die = None
            world.let_leases_run_out()
            world.new_process()
            world.deliver(event)
            assert world.record(KEY)["status"] == "RECOGNIZED", where
            assert len(world.provider.calls) <= counted(world) <= len(world.provider.calls) + 1, where
