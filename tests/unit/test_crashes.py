"""The process dies before or after each of its outside calls; then everything is delivered again and swept.

The invariants hold wherever it died: the right final status, one paid call (a second only when it died between the
provider's answer and the journal, and then counted), an event for every flagged record, nothing left behind.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import httpx
import pytest

from cardintake.budget import Budget
from cardintake.items import plain
from tests.contract.recorded import recorded
from tests.unit.conftest import encoded, picture
from tests.unit.test_every_provider import SECRETS
from tests.unit.world import ANSWERS, EMBLEM, LOOKUP, PORTRAIT, TABLE, DiedError, World, a_world, ctyun_answer

pytestmark = pytest.mark.thorough

KEY = "uploads/C-1/x.jpg"
PARTNER = "uploads/C-1/y.jpg"


def clean(_: World) -> None:
    """Nothing to say."""


def flagged(world: World) -> None:
    world.provider.default["ctyun.test"] = lambda: ctyun_answer(PORTRAIT | {"addr": ""})


def no_card(world: World) -> None:
    world.provider.default["ctyun.test"] = lambda: ctyun_answer(dict.fromkeys(PORTRAIT, ""))


def refused_image(world: World) -> None:
    world.provider.default["ctyun.test"] = lambda: httpx.Response(200, json={"code": 4009, "message": "error"})


def completing(world: World) -> None:
    """The other side of another person's card is there."""
    world.provider.script = [ctyun_answer(EMBLEM | {"org": "另外市公安局"})]
    world.deliver(world.upload(PARTNER, encoded(picture(2))))


def replacing(world: World) -> None:
    """An older upload under the same key showed another person."""
    world.provider.script = [ctyun_answer(PORTRAIT | {"idn": "990105199003070053"})]
    world.deliver(world.upload(KEY, encoded(picture(2))))


def capped(world: World) -> None:
    """Paid calls are counted against a cap."""
    world.new_process(DAILY_CALL_CAP="9")


def failing_over(world: World) -> None:
    """The first provider is down until the process dies; then it is back."""
    world.set_secret(SECRETS)
    before = world.new_process(PROVIDERS="ctyun,waiqin365", DAILY_CALL_CAP="9")

    def ctyun() -> httpx.Response:
        if world.process is not before:
            return ctyun_answer()
        world.provider.calls.pop()  # nobody bills this one
        return httpx.Response(503)

    world.provider.default["ctyun.test"] = ctyun
    world.provider.default["waiqin.test"] = lambda: httpx.Response(200, json=recorded("waiqin365", "portrait"))


EXPECTED = {
    clean: ("RECOGNIZED", set()),
    flagged: ("RECOGNIZED", {"Card Low Quality"}),
    no_card: ("REJECTED", {"Card Low Quality", "Card Rejected"}),
    refused_image: ("REJECTED", {"Card Rejected"}),
    completing: ("RECOGNIZED", {"Card Risk Suspected"}),
    replacing: ("RECOGNIZED", set()),
    capped: ("RECOGNIZED", set()),
    failing_over: ("RECOGNIZED", set()),
}


def a_case() -> AbstractContextManager[World]:
    """A world in which numbers and pictures are looked up in other cases."""
    return a_world(LOOKUP_SECRET=LOOKUP)


def links_are_whole(world: World) -> bool:
    """Every record is in the links that it names and in no other, and only what was read is in one."""
    items = [world.item(item["record_id"]["S"]) for item in world.dynamodb.scan(TableName=TABLE)["Items"]]
    in_links: dict[str, set[str]] = {}
    for item in items:
        for member, _ in item.get("members", ()):
            in_links.setdefault(member, set()).add(item["record_id"])
    scans = [item for item in items if item["record_id"].startswith("scan_")]
    return all(
        set(scan.get("link_keys", ())) == in_links.get(scan["record_id"], set())
        and bool(scan.get("link_keys")) == (scan["status"] == "RECOGNIZED")
        for scan in scans
    )


def counted_calls(world: World) -> list[int]:
    """Calls counted against the daily cap, by day."""
    items = [plain(item) for item in world.dynamodb.scan(TableName=TABLE)["Items"]]
    return [item["calls"] for item in items if item["record_id"].startswith("spending_")]


def come_back(world: World, event: object) -> None:
    """The message comes back after its visibility timeout and a sweep has been by; twice, for good measure."""
    world.die = None
    for _ in range(2):
        world.let_leases_run_out()
        world.new_process()
        world.deliver(event)
        world.process.sweep.run(Budget(time.monotonic() + 60))


def points_of(setting: Callable[[World], None]) -> int:
    with a_case() as world:
        setting(world)
        world.deliver(world.upload(KEY, encoded(picture())))
        return len(world.log)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("setting", EXPECTED, ids=lambda setting: setting.__name__)
def test_wherever_the_process_dies(setting: Callable[[World], None], when: str) -> None:
    status, detail_types = EXPECTED[setting]
    points = points_of(setting)
    assert points >= 7  # claim, get, content claim, call, answer, case, store
    for point in range(1, points + 1):
        with a_case() as world:
            setting(world)
            world.heard_events()
            world.provider.calls.clear()
            event = world.upload(KEY, encoded(picture()))
            world.die = (point, when)
            with pytest.raises(DiedError):
                world.deliver(event)
            died_at, paid_before = world.died_at, len(world.provider.calls)
            where = f"died {when} call {point}, {died_at}"
            come_back(world, event)

            record, calls = world.record(KEY), len(world.provider.calls)
            assert record["status"] == status, where
            assert not record.keys() & {"outbox", "due_at", "lease_owner"}, where
            unjournaled = (died_at, when) in (("provider", "after"), ("s3.put_object", "before"))
            assert calls == (2 if unjournaled and paid_before else 1), where
            assert record["paid_calls"] - record["uncertain_calls"] <= calls <= record["paid_calls"], where
            assert record["uncertain_calls"] <= 1, where
            if setting in (capped, failing_over):
                assert calls <= sum(counted_calls(world)) <= calls + 1, where
            heard = {e["detail"]["metadata"]["event_id"]: e["detail-type"] for e in world.heard_events()}
            assert sorted(t for t in heard.values() if t.startswith("Card")) == sorted(detail_types), where
            assert links_are_whole(world), where
            assert ("SIDES_DISAGREE" in record["reasons"]) == (setting is completing), where


@pytest.mark.parametrize("when", ["before", "after"])
def test_wherever_an_erasure_dies(when: str) -> None:
    with a_case() as world:
        world.deliver(world.upload(KEY, encoded(picture())))
        world.deliver(world.remove(KEY))
        points = len(world.log)
    for point in range(1, points + 1):
        with a_case() as world:
            world.deliver(world.upload(KEY, encoded(picture())))
            removal = world.remove(KEY)
            world.die = (point, when)
            with pytest.raises(DiedError):
                world.deliver(removal)
            where = f"died {when} call {point}, {world.died_at}"
            come_back(world, removal)
            assert world.record(KEY).keys() == {"record_id", "status", "sequencer", "updated_at", "expires_at"}, where
            assert world.s3.list_objects_v2(Bucket=ANSWERS)["KeyCount"] == 0, where
            heard = {e["detail"]["metadata"]["event_id"]: e["detail-type"] for e in world.heard_events()}
            assert list(heard.values()) == ["Card Erased"], where
            assert links_are_whole(world), where


def test_an_answer_that_arrives_after_the_erasure_is_deleted_again() -> None:
    with a_world() as world:
        event = world.upload(KEY, encoded(picture()))

        def erased_meanwhile(_: httpx.Request) -> httpx.Response:
            log, world.log = world.log, []
            world.deliver(world.remove(KEY))
            world.log = log
            return ctyun_answer()

        world.provider.script = [erased_meanwhile]
        world.deliver(event)
        assert world.record(KEY)["status"] == "ERASED"
        assert world.s3.list_objects_v2(Bucket=ANSWERS)["KeyCount"] == 0


def test_an_answer_journaled_after_the_erasure_by_a_process_that_dies_then_is_swept() -> None:
    with a_world() as world:
        event = world.upload(KEY, encoded(picture()))

        def erased_meanwhile(_: httpx.Request) -> httpx.Response:
            world.deliver(world.remove(KEY))
            world.log = ["before the answer"]
            world.die = (3, "after")  # the provider's answer, then the journal
            return ctyun_answer()

        world.provider.script = [erased_meanwhile]
        with pytest.raises(DiedError):
            world.deliver(event)
        assert world.s3.list_objects_v2(Bucket=ANSWERS)["KeyCount"] == 1
        come_back(world, event)
        assert world.s3.list_objects_v2(Bucket=ANSWERS)["KeyCount"] == 0
        assert world.record(KEY).keys() == {"record_id", "status", "sequencer", "updated_at", "expires_at"}


def test_a_scan_that_kills_every_process_fails_at_last() -> None:
    with a_world(MAX_ATTEMPTS="3") as world:
        event = world.upload(KEY, encoded(picture()))
        for _ in range(3):
            world.new_process()
            world.let_leases_run_out()
            world.provider.script = [DiedError()]
            with pytest.raises(DiedError):
                world.deliver(event)
        world.provider.script = []
        come_back(world, event)
        record = world.record(KEY)
        assert (record["status"], record["reasons"], record["attempts"]) == ("FAILED", ["PROCESSING_CRASHED"], 3)
        assert (record["paid_calls"], record["uncertain_calls"]) == (3, 3)
        assert not record.keys() & {"quality", "risk", "card"}
        assert [e["detail-type"] for e in world.heard_events()] == ["Card Failed"]
