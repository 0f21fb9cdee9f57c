"""One invocation's scans: each ends for itself, and the sender is told the truth."""

import httpx
import pytest

from cardintake.scans import UnknownEventError
from cardintake.worklist import not_finished
from tests.unit.conftest import encoded, picture
from tests.unit.world import DiedError, World, sqs_event


def test_unreadable_messages_are_failed_and_the_others_finished(world: World, photo: bytes) -> None:
    good = world.upload("a/x.jpg", photo)["Records"][0]["body"]
    done = world.deliver(
        sqs_event("rubbish", good, '{"Event": "s3:TestEvent"}', '{"Records": [{"eventSource": "aws:sns"}]}')
    )
    assert done.failed_messages == ("m-0", "m-3")
    assert world.record("a/x.jpg")["status"] == "RECOGNIZED"


def test_several_records_in_one_message_are_several_scans(world: World) -> None:
    first = world.notification("a/1.jpg", world.s3_put("a/1.jpg", encoded(picture(1))), None)
    second = world.notification("a/2.jpg", world.s3_put("a/2.jpg", b"no image"), None)
    world.deliver(sqs_event({"Records": first["Records"] + second["Records"]}))
    assert (world.record("a/1.jpg")["status"], world.record("a/2.jpg")["status"]) == ("RECOGNIZED", "REJECTED")


def test_a_crash_fails_its_own_message_only(world: World, photo: bytes, caplog: pytest.LogCaptureFixture) -> None:
    bodies = [world.upload(f"a/{n}.jpg", encoded(picture(n)))["Records"][0]["body"] for n in range(3)]
    world.deliver(world.upload("a/warm.jpg", photo))
    world.provider.script = [RuntimeError("张样例 990105199003070037")]
    done = world.deliver(sqs_event(*bodies))
    assert len(done.failed_messages) == 1
    assert sorted(world.record(f"a/{n}.jpg")["status"] for n in range(3)) == ["PROCESSING", "RECOGNIZED", "RECOGNIZED"]
    logged = str([vars(line) for line in caplog.records])
    assert "RuntimeError" in logged
    assert "张样例" not in logged
    assert "990105199003070037" not in logged


def test_a_second_attempt_works_alone_after_all_others(world: World) -> None:
    world.provider.script = [DiedError()]
    poison = world.upload("a/poison.jpg", encoded(picture(66)))
    with pytest.raises(DiedError):
        world.deliver(poison)
    world.let_leases_run_out()
    world.new_process()
    others = [world.upload(f"a/{n}.jpg", encoded(picture(n)))["Records"][0]["body"] for n in range(4)]
    world.provider.script = []
    seen: list[int] = []

    def finished(_: httpx.Request) -> httpx.Response:
        seen.append(sum(world.record(f"a/{n}.jpg").get("status") == "RECOGNIZED" for n in range(4)))
        return world.provider.default["ctyun.test"]()

    world.provider.script = [*[world.provider.default["ctyun.test"]() for _ in range(4)], finished]
    world.deliver(sqs_event(poison["Records"][0]["body"], *others))
    assert seen == [4]
    assert world.record("a/poison.jpg")["attempts"] == 2


def test_directly_a_scan_that_waits_raises_after_the_others_are_finished(world: World, photo: bytes) -> None:
    waits = world.notification("a/waits.jpg", world.s3_put("a/waits.jpg", photo), None)
    bad = world.notification("a/bad.jpg", world.s3_put("a/bad.jpg", b"no image"), None)
    world.provider.script = [httpx.Response(429)]
    done = world.deliver({"Records": waits["Records"] + bad["Records"]})
    error = not_finished(done.outcomes)
    assert error is not None
    assert world.record("a/waits.jpg")["record_id"] in str(error)
    assert "PROVIDER_THROTTLED" in str(error)
    assert "waits.jpg" not in str(error)
    assert world.record("a/bad.jpg")["status"] == "REJECTED"
    assert world.messages_without_delay() == []


def test_an_unknown_direct_event_is_an_error(world: World) -> None:
    with pytest.raises(UnknownEventError):
        world.deliver({"hello": "world"})
