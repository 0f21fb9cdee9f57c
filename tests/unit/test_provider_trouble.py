"""Providers in trouble: who is called, who waits for what, and what the operator hears."""

import time
from typing import Any

import httpx
import pytest

from cardintake.provider_states import PausedError, TrialBusyError
from cardintake.providers.errors import ConfigurationError
from cardintake.scans import Scan
from cardintake.uploads import Upload, Uploads
from tests.unit.conftest import encoded, picture
from tests.unit.test_every_provider import SECRETS, world_of
from tests.unit.world import ANSWERS, CREDENTIALS, TABLE, DiedError, World, a_world, ctyun_answer, sqs_event


def error(code: int) -> httpx.Response:
    return httpx.Response(200, json={"code": code, "message": "error", "details": "..."})


def photos(world: World, count: int, start: int = 0) -> list[Any]:
    return [world.upload(f"a/{n}.jpg", encoded(picture(n))) for n in range(start, start + count)]


def heard(world: World) -> list[str]:
    return [event["detail-type"] for event in world.heard_events()]


def test_server_errors_are_tried_again_in_the_invocation_and_not_billed(world: World, photo: bytes) -> None:
    world.provider.script = [error(5000), httpx.Response(502, text="<html>")]
    world.deliver(world.upload("a/x.jpg", photo))
    record = world.record("a/x.jpg")
    assert (record["status"], record["paid_calls"], record["uncertain_calls"]) == ("RECOGNIZED", 1, 0)
    assert len(world.provider.calls) == 3


def test_a_provider_that_is_down_fails_the_scan_after_the_last_attempt() -> None:
    with a_world(MAX_ATTEMPTS="2") as world:
        world.provider.default["ctyun.test"] = lambda: error(5000)
        event = world.upload("a/x.jpg", encoded(picture()))
        first = world.deliver(event)
        record = world.record("a/x.jpg")
        assert (record["status"], record["attempts"]) == ("PROCESSING", 1)
        assert record["waiting_for"] == "PROVIDER_UNAVAILABLE"
        assert first.failed_messages == ()  # it was sent to the queue again instead
        world.deliver(sqs_event(*world.messages_without_delay()))
        record = world.record("a/x.jpg")
        assert (record["status"], record["reasons"]) == ("FAILED", ["PROVIDER_UNAVAILABLE"])
        assert (record["paid_calls"], record["attempts"]) == (0, 2)
        assert not record.keys() & {"quality", "risk", "card", "waiting_for"}
        assert heard(world) == ["Card Failed"]


def test_a_call_without_an_answer_is_not_repeated_in_the_invocation_and_counted_as_uncertain(
    world: World, photo: bytes
) -> None:
    world.provider.script = [httpx.ReadTimeout("late")]
    event = world.upload("a/x.jpg", photo)
    world.deliver(event)
    assert len(world.provider.calls) == 1
    record = world.record("a/x.jpg")
    assert (record["status"], record["paid_calls"], record["uncertain_calls"]) == ("PROCESSING", 1, 1)
    world.deliver(event)
    record = world.record("a/x.jpg")
    assert (record["status"], record["paid_calls"], record["uncertain_calls"]) == ("RECOGNIZED", 2, 1)


def test_half_an_answer_is_no_reading() -> None:
    with a_world(MAX_ATTEMPTS="1") as world:
        world.provider.script = [httpx.Response(200, text='{"code": 0, "result": [{"detail"')]
        world.deliver(world.upload("a/x.jpg", encoded(picture())))
        record = world.record("a/x.jpg")
        assert (record["status"], record["reasons"], record["paid_calls"]) == ("FAILED", ["ANSWER_UNREADABLE"], 1)


def test_throttling_is_waited_for_and_is_no_attempt(world: World, photo: bytes) -> None:
    world.provider.script = [httpx.Response(429, headers={"Retry-After": "120"})]
    done = world.deliver(world.upload("a/x.jpg", photo))
    record = world.record("a/x.jpg")
    assert (record["waiting_for"], record["attempts"], record["paid_calls"]) == ("PROVIDER_THROTTLED", 0, 0)
    assert done.outcomes[0].retry_in == 120
    world.deliver(sqs_event(*world.messages_without_delay()))
    assert world.record("a/x.jpg")["status"] == "RECOGNIZED"
    assert heard(world) == []


def test_a_long_retry_after_is_waited_for_as_long_as_the_queue_can_and_then_again(world: World, photo: bytes) -> None:
    world.deliver(world.upload("a/first.jpg", encoded(picture(5))))
    world.provider.script = [httpx.Response(429, headers={"Retry-After": str(left)}) for left in (2000, 1100, 200)]
    event = world.upload("a/x.jpg", photo)
    waits = []
    for _ in range(3):
        outcome = world.deliver(event).outcomes[0]
        waits.append(outcome.retry_in)
        record = world.record("a/x.jpg")
        assert (record["waiting_for"], record["attempts"], record["paid_calls"]) == ("PROVIDER_THROTTLED", 0, 0)
        assert record["due_at"] >= time.time() + (outcome.retry_in or 0), "the sweep is not quicker"
        (message,) = world.messages_without_delay()
        event = sqs_event(message)
    assert waits == [900, 900, 200]
    world.deliver(event)
    assert world.record("a/x.jpg")["status"] == "RECOGNIZED"
    assert len(world.provider.calls) == 5


@pytest.mark.parametrize(
    ("asked", "waited"), [("0", 5), ("9" * 400, 900), ("-1", 5), ("soon", 5), ("1e3", 5), ("٣٣", 5)]
)
def test_whatever_retry_after_says_the_wait_is_bounded(world: World, photo: bytes, asked: str, waited: int) -> None:
    world.provider.script = [httpx.Response(429, headers=[(b"Retry-After", asked.encode())])]
    assert world.deliver(world.upload("a/x.jpg", photo)).outcomes[0].retry_in == waited


def test_a_malformed_request_is_our_bug_and_fails(world: World, photo: bytes) -> None:
    world.provider.script = [error(4003)]
    world.deliver(world.upload("a/x.jpg", photo))
    record = world.record("a/x.jpg")
    assert (record["status"], record["reasons"], record["paid_calls"]) == ("FAILED", ["PROVIDER_REFUSED_REQUEST"], 0)


def test_wrong_credentials_are_tried_by_one_call_and_pause_the_provider(world: World) -> None:
    world.provider.default["ctyun.test"] = lambda: httpx.Response(401, json={"message": "no"})
    bodies = [event["Records"][0]["body"] for event in photos(world, 6)]
    world.deliver(sqs_event(*bodies))
    assert len(world.provider.calls) == 1
    for n in range(6):
        record = world.record(f"a/{n}.jpg")
        assert (record["status"], record["waiting_for"]) == ("PROCESSING", "PROVIDER_MISCONFIGURED"), n
        assert (record["paid_calls"], record["uncertain_calls"], record["attempts"]) == (0, 0, 0), n
    assert heard(world) == ["Provider Misconfigured"]

    world.new_process()  # another instance learns of it without calling
    world.deliver(photos(world, 1, start=6)[0])
    assert len(world.provider.calls) == 1

    world.set_secret(CREDENTIALS)
    world.provider.default["ctyun.test"] = ctyun_answer
    world.new_process()
    world.deliver(sqs_event(*bodies))
    assert [world.record(f"a/{n}.jpg")["status"] for n in range(6)] == ["RECOGNIZED"] * 6
    assert heard(world) == ["Provider Recovered"]


def test_a_pause_ends_with_one_probe(world: World, photo: bytes) -> None:
    world.provider.script = [error(4013)]
    event = world.upload("a/x.jpg", photo)
    world.deliver(event)
    world.deliver(event)
    assert len(world.provider.calls) == 1
    world.let_pauses_run_out()
    world.new_process()
    world.provider.script = [error(4013)]
    world.deliver(event)
    world.deliver(event)
    assert len(world.provider.calls) == 2
    world.let_pauses_run_out()
    world.new_process()
    world.deliver(event)
    assert world.record("a/x.jpg")["status"] == "RECOGNIZED"
    assert heard(world) == ["Provider Misconfigured", "Provider Recovered"]


def test_credentials_renewed_meanwhile_are_tried_at_once(world: World, photo: bytes) -> None:
    world.deliver(world.upload("a/first.jpg", encoded(picture(5))))

    def refuse(_: httpx.Request) -> httpx.Response:
        world.set_secret(CREDENTIALS | {"rotated": True})
        return httpx.Response(403, json={"message": "old key"})

    world.provider.script = [refuse]
    world.deliver(world.upload("a/x.jpg", photo))
    assert world.record("a/x.jpg")["status"] == "RECOGNIZED"
    assert heard(world) == []


@pytest.mark.parametrize(
    ("secret", "names"),
    [
        ("not json", "PROVIDERS_SECRET is not JSON"),
        ([], "PROVIDERS_SECRET is not a JSON object"),
        ({}, "secret has no member 'ctyun'"),
        ({"ctyun": CREDENTIALS["ctyun"] | {"base_url": "ftp://x"}}, "base_url"),
        ({"ctyun": CREDENTIALS["ctyun"] | {"app_secret": ""}}, "app_secret"),
        ({"ctyun": CREDENTIALS["ctyun"] | {"options": {"no_such": 1}}}, "options.no_such"),
    ],
)
def test_a_bad_secret_is_named_and_scans_wait(
    world: World, photo: bytes, secret: object, names: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.set_secret(secret)
    world.deliver(world.upload("a/x.jpg", photo))
    assert world.record("a/x.jpg")["waiting_for"] == "PROVIDER_MISCONFIGURED"
    assert world.provider.calls == []
    assert names in str([vars(line) for line in caplog.records])
    assert heard(world) == ["Provider Misconfigured"]


def test_a_missing_secret_is_a_configuration_error(photo: bytes) -> None:
    with a_world(PROVIDERS_SECRET="not-there") as world:
        world.deliver(world.upload("a/x.jpg", photo))
        assert world.record("a/x.jpg")["waiting_for"] == "PROVIDER_MISCONFIGURED"


def test_a_stored_answer_serves_while_the_provider_is_paused(world: World, photo: bytes) -> None:
    world.deliver(world.upload("a/one.jpg", photo))
    world.provider.script = [error(4013)]
    world.deliver(world.upload("a/other.jpg", encoded(picture(9))))
    world.deliver(world.upload("a/two.jpg", photo))
    assert world.record("a/two.jpg")["status"] == "RECOGNIZED"
    assert len(world.provider.calls) == 2


def test_without_a_queue_a_waiting_scan_waits_by_redelivery(photo: bytes) -> None:
    with a_world(QUEUE_URL="") as world:
        world.provider.script = [httpx.Response(429)]
        done = world.deliver(world.upload("a/x.jpg", photo))
        assert done.failed_messages == ("m-0",)


def test_waiting_ends_after_max_wait_hours(photo: bytes) -> None:
    with a_world(MAX_WAIT_HOURS="1") as world:
        world.provider.script = [httpx.Response(429), httpx.Response(429)]
        event = world.upload("a/x.jpg", photo)
        world.deliver(event)
        world.set_number("a/x.jpg", "waiting_since", 1)
        world.deliver(event)
        record = world.record("a/x.jpg")
        assert (record["status"], record["reasons"]) == ("FAILED", ["WAITED_TOO_LONG"])


def test_a_message_with_an_older_ticket_is_void(world: World, photo: bytes) -> None:
    world.provider.default["ctyun.test"] = lambda: httpx.Response(429)
    event = world.upload("a/x.jpg", photo)
    world.deliver(event)
    (older,) = world.messages_without_delay()
    world.deliver(event)  # a duplicate of the upload's own notification carries on with a ticket of its own
    (newer,) = world.messages_without_delay()
    calls = len(world.provider.calls)
    world.deliver(sqs_event(older))
    assert (len(world.provider.calls), world.messages_without_delay()) == (calls, [])
    world.deliver(sqs_event(newer))
    assert len(world.provider.calls) == calls + 1


def test_a_claimed_type_that_nobody_reads_waits_for_the_operator(world: World, photo: bytes) -> None:
    world.deliver(world.upload("a/x.jpg", photo, **{"document-type": "pe_dni"}))
    assert world.record("a/x.jpg")["waiting_for"] == "PROVIDER_MISCONFIGURED"
    assert world.provider.calls == []


def test_a_scan_that_does_not_fit_the_time_left_is_not_begun(world: World, photo: bytes) -> None:
    event = world.upload("a/x.jpg", photo)
    done = world.deliver(event, seconds=3)
    assert world.log == ["dynamodb.update_item", "dynamodb.update_item", "sqs.send_message"]
    assert (done.failed_messages, world.record("a/x.jpg")["attempts"]) == ((), 0)
    world.deliver(sqs_event(*world.messages_without_delay()))
    assert world.record("a/x.jpg")["status"] == "RECOGNIZED"


def test_five_failures_in_a_row_break_the_circuit_and_one_probe_closes_it(world: World) -> None:
    world.deliver(world.upload("a/first.jpg", encoded(picture(50))))
    world.provider.default["ctyun.test"] = lambda: error(5000)
    for event in photos(world, 5):
        world.deliver(event)
    calls = len(world.provider.calls)
    world.deliver(photos(world, 1, start=5)[0])
    assert len(world.provider.calls) == calls
    record = world.record("a/5.jpg")
    assert (record["waiting_for"], record["attempts"]) == ("PROVIDER_UNAVAILABLE", 0)
    assert heard(world) == ["Provider Unavailable"]
    world.provider.default["ctyun.test"] = ctyun_answer
    world.let_pauses_run_out()
    world.new_process()
    world.deliver(photos(world, 1, start=6)[0])
    assert world.record("a/6.jpg")["status"] == "RECOGNIZED"
    assert heard(world) == ["Provider Recovered"]


def test_a_trial_that_ended_in_a_pause_is_not_followed_by_one_that_began_before(world: World) -> None:
    first, second = world.process.states, world.new_process().states
    second.is_paused("ctyun", "v1")  # has read the state: neither verified nor paused
    permit = first.permit("ctyun", "v1", "first")
    first.refused(permit, ConfigurationError("ctyun", "HTTP 401"))
    with pytest.raises(TrialBusyError):
        second.permit("ctyun", "v1", "second")
    with pytest.raises(PausedError):
        second.permit("ctyun", "v1", "second")


def test_nobody_waits_for_the_probe_of_a_pause_that_has_run_out(world: World) -> None:
    states = world.process.states
    states.refused(states.permit("ctyun", "v1", "before"), ConfigurationError("ctyun", "HTTP 401"))
    world.let_pauses_run_out()
    first, second = world.new_process().states, world.new_process().states
    assert first.permit("ctyun", "v1", "first").trial_owner == "first"
    with pytest.raises(PausedError):
        second.permit("ctyun", "v1", "second")
    with pytest.raises(TrialBusyError):  # other content may work: its trial is worth a moment
        second.permit("ctyun", "v2", "second")


def test_a_renewed_secret_is_tried_by_one_call_too(world: World) -> None:
    world.deliver(world.upload("a/first.jpg", encoded(picture(5))))
    world.set_secret(CREDENTIALS | {"rotated": 1})
    world.provider.calls.clear()
    world.provider.default["ctyun.test"] = lambda: httpx.Response(401, json={"code": 401, "message": "error"})
    world.deliver(sqs_event(*[event["Records"][0]["body"] for event in photos(world, 6, start=20)]))
    old_content = len(world.provider.calls) - 1
    assert old_content <= 6  # those under way with the content that had been seen to work
    assert {world.record(f"a/{n}.jpg")["waiting_for"] for n in range(20, 26)} == {"PROVIDER_MISCONFIGURED"}
    calls = len(world.provider.calls)
    world.new_process()
    world.deliver(photos(world, 1, start=26)[0])
    assert len(world.provider.calls) == calls, "the pause is booked on the content that was refused"


def test_a_picture_that_the_provider_cannot_process_is_no_outage(world: World) -> None:
    world.provider.default["ctyun.test"] = lambda: error(4007)
    for event in photos(world, 6):
        world.deliver(event)
    assert len(world.provider.calls) == 12
    record = world.record("a/5.jpg")
    assert (record["status"], record["reasons"]) == ("REJECTED", ["PROVIDER_REJECTED_IMAGE"])
    assert (record["paid_calls"], record["uncertain_calls"]) == (2, 0), "either refusal may be billed"
    assert heard(world) == ["Card Rejected"] * 6


def test_trouble_with_one_picture_and_then_another_trouble_is_one_billed_call(world: World, photo: bytes) -> None:
    world.provider.script = [error(4007), httpx.Response(429)]
    world.deliver(world.upload("a/x.jpg", photo))
    record = world.record("a/x.jpg")
    assert (record["waiting_for"], record["paid_calls"], record["uncertain_calls"]) == ("PROVIDER_THROTTLED", 1, 0)


def test_a_second_call_is_counted_before_it_is_made(world: World, photo: bytes) -> None:
    def counted(_: httpx.Request) -> httpx.Response:
        record = world.record("a/x.jpg")
        assert (record["paid_calls"], record["uncertain_calls"]) == (2, 1)
        return ctyun_answer()

    world.provider.script = [error(4007), counted]
    world.deliver(world.upload("a/x.jpg", photo))
    record = world.record("a/x.jpg")
    assert (record["status"], record["paid_calls"], record["uncertain_calls"]) == ("RECOGNIZED", 2, 0)


def test_waits_after_counted_attempts_grow(world: World, photo: bytes) -> None:
    world.provider.default["ctyun.test"] = lambda: error(5000)
    event = world.upload("a/x.jpg", photo)
    delays = [world.deliver(event).outcomes[0].retry_in for _ in range(4)]
    assert delays == [5, 20, 80, 320]


def test_nothing_is_paid_for_without_time_to_hear_the_answer(
    world: World, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = world.upload("a/x.jpg", photo)
    fetch = Uploads.fetch

    def slowly(uploads: Uploads, scan: Scan) -> Upload:
        time.sleep(1.2)
        return fetch(uploads, scan)

    monkeypatch.setattr(Uploads, "fetch", slowly)
    done = world.deliver(event, seconds=7)
    assert world.provider.calls == []
    assert done.outcomes[0].retry_in == 0
    record = world.record("a/x.jpg")
    assert (record["status"], record["attempts"], record["paid_calls"]) == ("PROCESSING", 0, 0)
    assert "waiting_for" not in record


def test_one_kind_of_trouble_ends_before_another_begins(world: World, photo: bytes) -> None:
    world.provider.script = [error(4013)]
    event = world.upload("a/x.jpg", photo)
    world.deliver(event)
    world.let_pauses_run_out()
    world.new_process()
    world.process.states.pause("ctyun", "v", "quota", 60)
    assert heard(world) == ["Provider Misconfigured", "Provider Recovered", "Provider Quota Low"]


def test_a_claimed_type_that_nobody_reads_is_logged(
    world: World, photo: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    world.deliver(world.upload("a/x.jpg", photo, **{"document-type": "pe_dni"}))
    assert "none of them reads the document type" in str([vars(line) for line in caplog.records])


# two providers --------------------------------------------------------------------------------------------------------

TWO = ("ctyun", "waiqin365")
DOWN = {name: (lambda: httpx.Response(503)) for name in ("ctyun.test", "waiqin.test")}


def called(world: World, host: str) -> int:
    return [request.url.host for request in world.provider.calls].count(host)


def item_ids(world: World, prefix: str) -> set[str]:
    found = {item["record_id"]["S"] for item in world.dynamodb.scan(TableName=TABLE)["Items"]}
    return {one for one in found if one.startswith(prefix)}


def test_what_the_second_provider_answered_before_the_process_died_is_used(photo: bytes) -> None:
    with world_of(*TWO) as world:
        world.provider.script = [error(5000)] * 3
        event = world.upload("a/x.jpg", photo)
        world.deliver(event)
        store = world.log.index("s3.put_object") + 1
    with world_of(*TWO) as world:
        world.provider.script = [error(5000)] * 3
        event = world.upload("a/x.jpg", photo)
        world.die = (store, "after")
        with pytest.raises(DiedError):
            world.deliver(event)
        assert world.died_at == "s3.put_object"
        world.die = None
        world.let_leases_run_out()
        world.new_process()
        world.deliver(event)
        record = world.record("a/x.jpg")
        assert (record["status"], record["provider"]) == ("RECOGNIZED", "waiqin365")
        assert (record["paid_calls"], record["uncertain_calls"]) == (1, 0)
        assert (called(world, "ctyun.test"), called(world, "waiqin.test")) == (3, 1)


def test_the_same_picture_is_not_paid_for_again_when_the_first_provider_is_back(photo: bytes) -> None:
    with world_of(*TWO) as world:
        world.provider.script = [error(5000)] * 3
        world.deliver(world.upload("a/one.jpg", photo))
        world.new_process()
        world.deliver(world.upload("a/two.jpg", photo))
        record = world.record("a/two.jpg")
        assert (record["status"], record["provider"], record["paid_calls"]) == ("RECOGNIZED", "waiqin365", 0)
        world.deliver(world.upload("a/other.jpg", encoded(picture(2))))
        assert world.record("a/other.jpg")["provider"] == "ctyun", "another picture is its own matter"
        assert (called(world, "ctyun.test"), called(world, "waiqin.test")) == (4, 1)


def test_nor_when_the_first_one_was_not_even_asked(photo: bytes) -> None:
    with world_of(*TWO) as world:
        world.process.states.pause("ctyun", world.process.secrets.content().version, "quota", 300)
        world.deliver(world.upload("a/one.jpg", photo))
        world.let_pauses_run_out()
        world.new_process()
        world.deliver(world.upload("a/two.jpg", photo))
        assert world.record("a/two.jpg")["paid_calls"] == 0
        assert [request.url.host for request in world.provider.calls] == ["waiqin.test"]
        state = world.item("provider_ctyun")
        assert "trial_owner" not in state, "who has found an answer leaves the probe to others"


@pytest.mark.parametrize("asked", [True, False])
def test_when_the_second_ones_answer_is_erased_the_first_one_is_asked(photo: bytes, *, asked: bool) -> None:
    with world_of(*TWO) as world:
        if asked:
            world.provider.script = [error(5000)] * 3
        else:
            world.process.states.pause("ctyun", world.process.secrets.content().version, "unavailable", 300)
        world.deliver(world.upload("a/one.jpg", photo))
        world.deliver(world.remove("a/one.jpg"))
        assert world.s3.list_objects_v2(Bucket=ANSWERS)["KeyCount"] == 0
        assert item_ids(world, "content_") == set(), "nothing tells of the picture"
        world.let_pauses_run_out()
        world.new_process()
        world.deliver(world.upload("a/two.jpg", photo))
        assert world.record("a/two.jpg")["provider"] == "ctyun"


def test_a_reference_to_an_answer_that_is_gone_holds_nobody_up(photo: bytes) -> None:
    with world_of(*TWO) as world:
        world.provider.script = [error(5000)] * 3
        world.deliver(world.upload("a/one.jpg", photo))
        for entry in world.s3.list_objects_v2(Bucket=ANSWERS)["Contents"]:
            world.s3.delete_object(Bucket=ANSWERS, Key=entry["Key"])
        world.deliver(world.upload("a/two.jpg", photo))
        assert (world.record("a/two.jpg")["provider"], world.record("a/two.jpg")["paid_calls"]) == ("ctyun", 1)


def test_with_two_providers_a_clean_scan_asks_aws_no_more_often(photo: bytes) -> None:
    with world_of(*TWO) as world:
        world.deliver(world.upload("a/warm.jpg", encoded(picture(7))))
        world.deliver(world.upload("a/x.jpg", photo))
        assert len([call for call in world.log if not call.startswith("provider")]) == 5


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("error_class", "waited_for"), [("configuration", "PROVIDER_MISCONFIGURED"), ("quota", "PROVIDER_QUOTA")]
)
@pytest.mark.parametrize("providers", [TWO, TWO[::-1]], ids=["first", "second"])
def test_a_scan_waits_for_the_operator_of_one_provider_while_the_other_is_down(
    providers: tuple[str, str], error_class: str, waited_for: str, photo: bytes
) -> None:
    with world_of(*providers, MAX_ATTEMPTS="2") as world:
        world.provider.default |= DOWN
        world.process.states.pause("ctyun", world.process.secrets.content().version, error_class, 10**6)
        event = world.upload("a/x.jpg", photo)
        for _ in range(8):
            world.new_process()
            world.deliver(event)
            record = world.record("a/x.jpg")
            assert (record["status"], record["waiting_for"], record["attempts"]) == ("PROCESSING", waited_for, 0)
        assert called(world, "ctyun.test") == 0
        world.set_secret(SECRETS | {"renewed": True})
        world.provider.default["ctyun.test"] = ctyun_answer
        world.new_process()
        world.let_pauses_run_out()
        world.deliver(event)
        assert (world.record("a/x.jpg")["status"], world.record("a/x.jpg")["provider"]) == ("RECOGNIZED", "ctyun")


@pytest.mark.parametrize("providers", [TWO, TWO[::-1]], ids=["first", "second"])
def test_waiting_for_an_operator_does_not_cost_without_an_end(providers: tuple[str, str], photo: bytes) -> None:
    with world_of(*providers, MAX_ATTEMPTS="3") as world:
        world.process.states.pause("ctyun", world.process.secrets.content().version, "configuration", 10**6)
        world.provider.default["waiqin.test"] = lambda: httpx.Response(200, content=b'{"half')
        event = world.upload("a/x.jpg", photo)
        for _ in range(8):
            world.new_process()
            world.deliver(event)
            assert world.record("a/x.jpg")["waiting_for"] == "PROVIDER_MISCONFIGURED"
        assert called(world, "waiqin.test") == world.record("a/x.jpg")["paid_calls"] == 3
        world.set_secret(SECRETS | {"renewed": True})
        world.new_process()
        world.deliver(event)
        assert world.record("a/x.jpg")["provider"] == "ctyun"


def test_when_both_are_down_the_scan_fails_after_its_attempts(photo: bytes) -> None:
    with world_of(*TWO, MAX_ATTEMPTS="2") as world:
        world.provider.default |= DOWN
        event = world.upload("a/x.jpg", photo)
        world.deliver(event)
        world.deliver(event)
        record = world.record("a/x.jpg")
        assert (record["status"], record["reasons"], record["attempts"]) == ("FAILED", ["PROVIDER_UNAVAILABLE"], 2)


def test_a_probe_that_fails_renews_the_pause(world: World) -> None:
    world.provider.default["ctyun.test"] = lambda: error(5000)
    for event in photos(world, 5):
        world.deliver(event)
    assert "error_class" in world.item("provider_ctyun")
    heard(world)
    world.let_pauses_run_out()
    world.new_process()
    calls = len(world.provider.calls)
    world.deliver(photos(world, 1, start=10)[0])
    probe = len(world.provider.calls)
    assert probe > calls
    for event in photos(world, 3, start=20):
        world.deliver(event)
    assert len(world.provider.calls) == probe, "nobody calls before the pause is over again"
    assert {world.record(f"a/{n}.jpg")["attempts"] for n in range(20, 23)} == {0}, "and nobody's attempt is used up"
    assert heard(world) == [], "it was announced already"
