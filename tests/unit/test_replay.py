"""Replay: what the present code would say of stored answers, told without a value, and written only where asked to."""

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from cardintake import assessment, replaying
from cardintake.budget import Budget
from cardintake.items import marshalled
from cardintake.providers import REGISTRY
from cardintake.providers.protocol import Reading
from cardintake.scans import record_id
from tests.unit.conftest import encoded, picture
from tests.unit.world import ANSWERS, EMBLEM, PORTRAIT, SCANS, TABLE, World, ctyun_answer

pytestmark = pytest.mark.thorough

KEY = "a/x.jpg"
NOTHING: dict[str, Any] = {
    "records": 0, "replayed": 0, "different": 0, "applied": 0,
    "fields": {}, "reasons_added": {}, "reasons_removed": {}, "skipped": {},
}  # fmt: skip


def run(world: World, seconds: float = 60, **part: Any) -> dict[str, Any]:
    event = {"segment": 0, "segments": 1, "apply": False, "announce": False, **part}
    return world.process.replay.run(event, Budget(time.monotonic() + seconds))


def replay(world: World, **part: Any) -> dict[str, Any]:
    """The report, without what is zero."""
    report: dict[str, Any] = run(world, **part)["report"]
    return {name: value for name, value in report.items() if value}


def alter(world: World, key: str = KEY, **attributes: object) -> None:
    """As an earlier version of the code would have left the record."""
    world.dynamodb.update_item(
        TableName=TABLE,
        Key={"record_id": {"S": record_id(SCANS, key)}},
        UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in attributes),
        ExpressionAttributeNames={f"#{name}": name for name in attributes},
        ExpressionAttributeValues=marshalled({f":{name}": value for name, value in attributes.items()}),
    )


def with_another_card(world: World, key: str = KEY) -> dict[str, Any]:
    """A record whose sex was misread by code that has been mended since; what it was."""
    record = world.record(key)
    alter(world, key, card=record["card"] | {"sex": "F"}, reasons=["ID_NUMBER_SEX_MISMATCH"], risk="suspected")
    return record


@pytest.mark.parametrize("name", REGISTRY)
def test_an_answer_is_read_without_credentials(name: str) -> None:
    REGISTRY[name].configured(replaying._NO_CREDENTIALS, allow_http=False)


# nothing has changed: nothing is different ----------------------------------------------------------------------------


ANSWERS_OF_CTYUN: dict[str, Callable[[], httpx.Response]] = {
    "portrait": ctyun_answer,
    "emblem": lambda: ctyun_answer(EMBLEM),
    "expired": lambda: ctyun_answer(EMBLEM | {"validperiod": "2009.06.06-2019.06.06"}),
    "copy": lambda: ctyun_answer(risk="copy"),
    "field missing": lambda: ctyun_answer(PORTRAIT | {"addr": ""}),
    "nothing read": lambda: ctyun_answer(dict.fromkeys(PORTRAIT, "")),
    "date impossible": lambda: ctyun_answer(PORTRAIT | {"birthday": "1990-02-31"}),
}


@pytest.mark.parametrize("answer", ANSWERS_OF_CTYUN.values(), ids=ANSWERS_OF_CTYUN)
def test_the_same_code_says_the_same(world: World, photo: bytes, answer: Callable[[], httpx.Response]) -> None:
    world.provider.default["ctyun.test"] = answer
    world.deliver(world.upload(KEY, photo, **{"document-type": "cn_resident_id", "side": "emblem"}))
    assert replay(world) == {"records": 1, "replayed": 1}


def test_a_refusal_is_read_again_too(world: World, photo: bytes) -> None:
    failed = {"note": "", "err_code": 4009, "detail": {}}
    world.provider.default["ctyun.test"] = lambda: httpx.Response(
        200, json={"code": 0, "message": {"success": 0, "fail": 1}, "result": [failed]}
    )
    world.deliver(world.upload(KEY, photo))
    assert world.record(KEY)["reasons"] == ["PROVIDER_REJECTED_IMAGE"]
    assert replay(world) == {"records": 1, "replayed": 1}


def test_what_a_card_met_in_its_case_stays(world: World, photo: bytes) -> None:
    world.deliver(world.upload("a/C-1/front.jpg", photo))
    world.provider.default["ctyun.test"] = lambda: ctyun_answer(EMBLEM | {"validperiod": "2019.06.06-2029.06.06"})
    world.deliver(world.upload("a/C-1/back.jpg", encoded(picture(2))))
    assert "SIDES_DISAGREE" in world.record("a/C-1/back.jpg")["reasons"]
    assert replay(world) == {"records": 2, "replayed": 2}


def test_a_poor_picture_is_measured_again(world: World) -> None:
    world.deliver(world.upload(KEY, encoded(picture().point(lambda level: level // 5))))
    assert "IMAGE_UNDEREXPOSED" in world.record(KEY)["reasons"]
    assert replay(world) == {"records": 1, "replayed": 1}


# something has --------------------------------------------------------------------------------------------------------


def test_a_report_counts_fields_and_reasons_and_changes_nothing(world: World, photo: bytes) -> None:
    world.deliver(world.upload(KEY, photo))
    with_another_card(world)
    before = world.record(KEY)
    report = replay(world)
    assert report == {
        "records": 1,
        "replayed": 1,
        "different": 1,
        "fields": {"risk": 1, "card.sex": 1},
        "reasons_removed": {"ID_NUMBER_SEX_MISMATCH": 1},
    }
    assert world.record(KEY) == before
    assert not [word for word in json.dumps(report) if word in "张样例"]


def test_a_changed_threshold_shows(world: World, photo: bytes) -> None:
    world.deliver(world.upload(KEY, photo))
    world.new_process(THRESHOLDS="sharpness=100000")
    report = replay(world)
    assert report["reasons_added"] == {"IMAGE_BLURRED": 1}
    assert report["fields"] == {"quality": 1, "findings": 1}


def test_applied_it_is_what_the_present_code_would_have_written(world: World, photo: bytes) -> None:
    world.deliver(world.upload(KEY, photo))
    right = with_another_card(world)
    assert replay(world, apply=True)["applied"] == 1
    record = world.record(KEY)
    assert record.pop("updated_at") > right.pop("updated_at")
    assert record == right
    assert replay(world, apply=True) == {"records": 1, "replayed": 1}, "a second time there is nothing to do"


def test_what_can_be_read_now_becomes_recognized(world: World, photo: bytes) -> None:
    world.deliver(world.upload(KEY, photo))
    right = world.record(KEY)
    world.dynamodb.update_item(
        TableName=TABLE, Key={"record_id": {"S": right["record_id"]}}, UpdateExpression="REMOVE card"
    )
    alter(world, status="REJECTED", quality="low", risk="unknown", reasons=["NO_CARD"])
    replay(world, apply=True)
    assert world.record(KEY) | {"updated_at": right["updated_at"]} == right


def test_what_no_card_can_be_read_in_any_more_is_rejected_and_loses_its_card(
    world: World, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(world.upload(KEY, photo))
    monkeypatch.setattr(REGISTRY["ctyun"], "read", lambda _, __: Reading(()))
    assert replay(world, apply=True)["reasons_added"] == {"NO_CARD": 1}
    record = world.record(KEY)
    assert (record["status"], record["reasons"]) == ("REJECTED", ["NO_CARD"])
    assert "card" not in record


def test_no_provider_is_called_and_nothing_is_said(world: World, photo: bytes) -> None:
    world.deliver(world.upload(KEY, photo))
    with_another_card(world)
    calls = len(world.provider.calls)
    world.heard_events()
    world.log.clear()
    replay(world, apply=True)
    assert len(world.provider.calls) == calls
    assert not [call for call in world.log if call.startswith(("secretsmanager", "events", "provider"))]
    assert world.heard_events() == []
    assert not world.record(KEY).keys() & {"outbox", "due_at", "due_shard"}


def test_asked_to_it_announces_what_has_changed_and_only_that(world: World, photo: bytes) -> None:
    world.deliver(world.upload(KEY, photo))
    world.deliver(world.upload("a/same.jpg", photo))
    world.provider.default["ctyun.test"] = lambda: ctyun_answer(PORTRAIT | {"addr": ""})
    world.deliver(world.upload("a/flagged.jpg", encoded(picture(2))))
    alter(world, "a/flagged.jpg", quality="good", reasons=[])
    world.heard_events()
    assert replay(world, apply=True, announce=True)["applied"] == 1
    (event,) = world.heard_events()
    assert event["detail-type"] == "Card Low Quality"
    assert event["detail"]["data"] == {
        "record_id": record_id(SCANS, "a/flagged.jpg"), "provider": "ctyun", "status": "RECOGNIZED", "quality": "low",
        "risk": "none", "reasons": ["FIELD_MISSING"], "document_type": "cn_resident_id", "side": "portrait",
    }  # fmt: skip
    assert not world.record("a/flagged.jpg").keys() & {"outbox", "due_at", "due_shard"}


def test_announcing_without_applying_says_nothing(world: World, photo: bytes) -> None:
    world.provider.default["ctyun.test"] = lambda: ctyun_answer(PORTRAIT | {"addr": ""})
    world.deliver(world.upload(KEY, photo))
    alter(world, quality="good", reasons=[])
    world.heard_events()
    assert replay(world, announce=True)["different"] == 1
    assert world.heard_events() == []


def test_events_that_cannot_be_delivered_wait_in_the_outbox_for_the_sweep(world: World, photo: bytes) -> None:
    world.provider.default["ctyun.test"] = lambda: ctyun_answer(PORTRAIT | {"addr": ""})
    world.deliver(world.upload(KEY, photo))
    alter(world, quality="good", reasons=[])
    world.heard_events()
    client: Any = world.process.announcements._events()
    whole = client.put_events
    client.put_events = lambda **_: {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}
    replay(world, apply=True, announce=True)
    client.put_events = whole
    assert world.record(KEY)["outbox"]
    world.let_leases_run_out()
    assert world.process.sweep.run(Budget(time.monotonic() + 60)).delivered == 1
    assert [event["detail-type"] for event in world.heard_events()] == ["Card Low Quality"]


# records that are left alone ------------------------------------------------------------------------------------------


def test_a_record_that_changes_meanwhile_is_left_alone(
    world: World, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(world.upload(KEY, photo))
    with_another_card(world)

    def meanwhile(*arguments: Any) -> Any:
        world.deliver(world.upload(KEY, encoded(picture(9))))
        return assessment.assess(*arguments)

    monkeypatch.setattr(replaying, "assess", meanwhile)
    assert replay(world, apply=True) == {"records": 1, "skipped": {"record_changed": 1}}
    assert world.record(KEY)["card"]["sex"] == "M"


def test_what_is_missing_is_counted(world: World, photo: bytes) -> None:
    for number, name in enumerate(("gone", "changed", "no answer", "unreadable", "whose")):
        world.deliver(world.upload(f"a/{name}.jpg", encoded(picture(number))))
    world.s3.delete_object(Bucket=SCANS, Key="a/gone.jpg")
    world.s3_put("a/changed.jpg", encoded(picture(99)))
    (answer,) = world.record("a/no answer.jpg")["answer_keys"]
    world.s3.delete_object(Bucket=ANSWERS, Key=answer)
    (answer,) = world.record("a/unreadable.jpg")["answer_keys"]
    metadata = world.s3.head_object(Bucket=ANSWERS, Key=answer)["Metadata"]
    world.s3.put_object(Bucket=ANSWERS, Key=answer, Body=b"{", Metadata=metadata)
    alter(world, "a/whose.jpg", provider="somebody")
    skipped = {"scan_gone": 1, "scan_changed": 1, "answer_gone": 1, "answer_unreadable": 1, "provider_unknown": 1}
    assert replay(world) == {"records": 5, "skipped": skipped}


def test_only_what_a_provider_has_answered_is_looked_at(world: World, photo: bytes) -> None:
    world.deliver(world.upload("a/no picture.jpg", b"no picture"))
    world.provider.script = [httpx.Response(429)]
    world.deliver(world.upload("a/waits.jpg", photo))
    world.deliver(world.upload("a/erased.jpg", encoded(picture(2))))
    world.deliver(world.remove("a/erased.jpg"))
    assert replay(world) == {}


def test_the_answer_is_the_records_own(world: World, photo: bytes) -> None:
    """An earlier upload's answer stays among the keys of the record until it is erased."""
    world.deliver(world.upload(KEY, photo))
    world.provider.default["ctyun.test"] = lambda: ctyun_answer(EMBLEM)
    for seed in (2, 3, 4):
        world.deliver(world.upload(KEY, encoded(picture(seed))))
    assert len(world.record(KEY)["answer_keys"]) == 4
    assert replay(world) == {"records": 1, "replayed": 1}


def test_one_records_trouble_is_its_own(world: World, photo: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    world.deliver(world.upload(KEY, photo))
    world.deliver(world.upload("a/y.jpg", photo))
    alter(world, "a/y.jpg", recognized_at="yesterday")
    assert replay(world) == {"records": 2, "replayed": 1, "skipped": {"crashed": 1}}
    assert "yesterday" not in capsys.readouterr().out


# at any size ----------------------------------------------------------------------------------------------------------


def test_segments_and_invocations_look_at_every_record_once(world: World, photo: bytes) -> None:
    for number in range(33):
        world.deliver(world.upload(f"a/{number}.jpg", photo))
    reports = []
    for segment in range(3):
        answer = run(world, 0, segment=segment, segments=3)
        while "cursor" in answer:
            answer = run(world, 0, segment=segment, segments=3, so_far=answer)
        reports.append(answer["report"])
    assert replaying.total(reports) == NOTHING | {"records": 33, "replayed": 33}
    assert max(report["records"] for report in reports) > 10, "more than one batch"


@pytest.mark.parametrize("wrong", [{"apply": "yes"}, {"segments": 0}, {"announce": None}])
def test_other_input_is_refused(world: World, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        run(world, **wrong)
