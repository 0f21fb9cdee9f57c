"""What a removal takes along and what it leaves: twins, versions, leases that run; and that every item has an end."""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cardintake import scans
from cardintake.budget import Budget
from cardintake.items import plain
from cardintake.scans import record_id
from tests.unit.conftest import encoded, picture
from tests.unit.world import (
    ANSWERS,
    CREDENTIALS,
    EMBLEM,
    LOOKUP,
    SCANS,
    TABLE,
    DiedError,
    World,
    a_world,
    ctyun_answer,
    sqs_event,
)

FACE = encoded(picture(5, (120, 150)))
ONE, TWO = "up/C-1/one.jpg", "up/C-2/two.jpg"


@pytest.fixture
def faces() -> Iterator[World]:
    """A provider that sends the face with every answer, and is asked to keep it."""
    with a_world() as world:
        world.set_secret(CREDENTIALS | {"ctyun": CREDENTIALS["ctyun"] | {"keep_face": True}})
        world.provider.default["ctyun.test"] = lambda: ctyun_answer(idcard_face=base64.b64encode(FACE).decode())
        yield world


def answers(world: World) -> list[str]:
    return [entry["Key"] for entry in world.s3.list_objects_v2(Bucket=ANSWERS).get("Contents", ())]


def portrait(world: World, key: str) -> bytes:
    stored = world.s3.get_object(Bucket=ANSWERS, Key=world.record(key)["portrait_key"])
    data: bytes = stored["Body"].read()
    return data


def removal_of(world: World, key: str, version: str | None = None, kind: str = "Delete") -> dict[str, Any]:
    told = world.notification(key, None, None, name=f"ObjectRemoved:{kind}")
    if version is not None:
        told["Records"][0]["s3"]["object"]["versionId"] = version
    return sqs_event(told)


# the same bytes under two keys ----------------------------------------------------------------------------------------


def test_of_two_equal_uploads_the_other_keeps_its_record_and_its_portrait(faces: World, photo: bytes) -> None:
    faces.deliver(faces.upload(ONE, photo))
    faces.deliver(faces.upload(TWO, photo))
    assert len(faces.provider.calls) == 1
    assert faces.record(ONE)["portrait_key"] != faces.record(TWO)["portrait_key"]
    faces.deliver(faces.remove(ONE))
    assert answers(faces) == [faces.record(TWO)["portrait_key"]], "the answer that both used goes with either"
    assert portrait(faces, TWO) == FACE
    faces.deliver(faces.remove(TWO))
    assert answers(faces) == []


@pytest.mark.thorough
@pytest.mark.parametrize("when", ["before", "after"])
def test_wherever_a_twin_dies_its_erasure_finds_its_portrait(when: str, photo: bytes) -> None:
    def dying(at: int) -> str | None:
        with a_world() as world:
            world.set_secret(CREDENTIALS | {"ctyun": CREDENTIALS["ctyun"] | {"keep_face": True}})
            world.provider.default["ctyun.test"] = lambda: ctyun_answer(idcard_face=base64.b64encode(FACE).decode())
            world.deliver(world.upload(ONE, photo))
            event = world.upload(TWO, photo)
            world.die = (at, when)
            try:
                world.deliver(event)
            except DiedError:
                died_at = world.died_at
            else:
                return None
            world.die = None
            world.new_process()
            world.deliver(world.remove(TWO))
            world.let_leases_run_out()
            world.process.sweep.run(Budget(time.monotonic() + 50))
            own = record_id(SCANS, TWO).removeprefix("scan_")
            assert not [key for key in answers(world) if own in key], f"died {when} {died_at}"
            return died_at

    died: list[str] = []
    while (where := dying(len(died) + 1)) is not None:
        died.append(where)
    assert died.count("s3.put_object") == 1, "the portrait's own"


# a worker that goes on ------------------------------------------------------------------------------------------------


def test_a_removal_that_is_delivered_twice_does_not_forget_the_worker_that_may_still_store(
    world: World, photo: bytes
) -> None:
    event = world.upload(ONE, photo)

    def erased_meanwhile(_: httpx.Request) -> httpx.Response:
        removal = world.remove(ONE)
        world.deliver(removal)
        world.deliver(removal)
        assert world.record(ONE).keys() >= {"answer_keys", "lease_until"}
        world.log = []
        world.die = (1, "after")  # the journal
        return ctyun_answer()

    world.provider.script = [erased_meanwhile]
    with pytest.raises(DiedError):
        world.deliver(event)
    assert len(answers(world)) == 1
    world.die = None
    world.new_process()
    world.let_leases_run_out()
    world.process.sweep.run(Budget(time.monotonic() + 50))
    assert answers(world) == []
    assert world.record(ONE).keys() == {"record_id", "status", "sequencer", "updated_at", "expires_at"}


# versions -------------------------------------------------------------------------------------------------------------


def versioned_upload(world: World, seed: int) -> str:
    body = encoded(picture(seed))
    put = world.s3.put_object(Bucket=SCANS, Key=ONE, Body=body)
    told = world.notification(ONE, put["ETag"].strip('"'), len(body))
    told["Records"][0]["s3"]["object"]["versionId"] = put["VersionId"]
    world.deliver(sqs_event(told))
    return str(put["VersionId"])


def test_the_removal_of_an_older_version_erases_nothing(world: World) -> None:
    world.s3.put_bucket_versioning(Bucket=SCANS, VersioningConfiguration={"Status": "Enabled"})
    older, newer = versioned_upload(world, 1), versioned_upload(world, 2)
    world.deliver(removal_of(world, ONE, older))
    assert (world.record(ONE)["status"], world.record(ONE)["version_id"]) == ("RECOGNIZED", newer)
    world.deliver(removal_of(world, ONE, newer))
    assert world.record(ONE)["status"] == "ERASED"
    world.deliver(removal_of(world, ONE, older))
    assert [event["detail-type"] for event in world.heard_events()].count("Card Erased") == 1


def test_a_delete_marker_erases_whatever_version_it_hides(world: World) -> None:
    world.s3.put_bucket_versioning(Bucket=SCANS, VersioningConfiguration={"Status": "Enabled"})
    versioned_upload(world, 1)
    world.deliver(removal_of(world, ONE, "the marker's", "DeleteMarkerCreated"))
    assert world.record(ONE)["status"] == "ERASED"


def test_eventbridge_tells_markers_from_versions_too() -> None:
    detail: dict[str, Any] = {"bucket": {"name": SCANS}, "object": {"key": ONE, "version-id": "v", "sequencer": "0F"}}
    event: dict[str, Any] = {"source": "aws.s3", "detail-type": "Object Deleted", "detail": detail}
    for kind, version in (("Delete Marker Created", None), ("Permanently Deleted", "v")):
        detail["deletion-type"] = kind
        ((scan,),) = (delivery.scans for delivery in scans.parse(json.loads(json.dumps(event))).deliveries)
        assert isinstance(scan, scans.Scan)
        assert (scan.removed, scan.version_id) == (True, version)


# how long -------------------------------------------------------------------------------------------------------------


def test_every_item_ends_with_the_retention_but_those_that_tell_of_nobody() -> None:
    """A new kind of item fails this test until somebody says when it ends."""
    days = 7
    with a_world(
        LOOKUP_SECRET=LOOKUP, RETENTION_DAYS=str(days), DAILY_CALL_CAP="9", PROVIDERS="ctyun,accuauth"
    ) as world:
        world.provider.default["accuauth.test"] = lambda: httpx.Response(503)
        world.deliver(world.upload(ONE, encoded(picture(1)), **{"document-type": "cn_resident_id"}))
        world.provider.script = [ctyun_answer(EMBLEM)]
        world.deliver(world.upload("up/C-1/back.jpg", encoded(picture(2))))
        world.provider.script = [httpx.Response(429)]
        world.deliver(world.upload("up/C-1/waits.jpg", encoded(picture(3))))
        world.deliver(world.upload("up/C-1/corrupt.jpg", b"nothing"))
        world.deliver(world.upload("up/C-1/gone.jpg", encoded(picture(4))))
        world.deliver(world.remove("up/C-1/gone.jpg"))
        world.process.sweep.run(Budget(time.monotonic() + 50))
        items = [plain(item) for item in world.dynamodb.scan(TableName=TABLE)["Items"]]
    endless = {item["record_id"].partition("_")[0] for item in items if "expires_at" not in item}
    assert endless == {"provider", "sweep"}
    kinds = {item["record_id"].partition("_")[0] for item in items} - endless
    assert kinds == {"scan", "content", "case", "number", "image", "spending"}
    assert {item["status"] for item in items if "status" in item} == {"RECOGNIZED", "PROCESSING", "REJECTED", "ERASED"}
    for item in items:
        if "expires_at" in item:
            assert 0 <= time.time() + days * 86400 - item["expires_at"] < 300, item["record_id"]
