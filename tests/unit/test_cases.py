"""Two sides, one person: sides that meet in a case, also at the same moment, and what other cases have shown."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from cardintake.items import marshalled
from tests.unit.conftest import encoded, picture
from tests.unit.world import EMBLEM, LOOKUP, PORTRAIT, TABLE, World, a_world, ctyun_answer

YOUNG = PORTRAIT | {"addr": "样例省样例市样例路1号", "birthday": "1990-03-07"}
ELSEWHERE = EMBLEM | {"org": "另外市公安局"}


@pytest.fixture
def world() -> Iterator[World]:
    with a_world(LOOKUP_SECRET=LOOKUP, ANNOUNCE_CASES="true") as one:
        yield one


def read(world: World, key: str, detail: dict[str, str], body: bytes | None = None, **result: object) -> dict[str, Any]:
    """Uploads a picture of its own, has it read as `detail`, and gives the record."""
    world.provider.script = [ctyun_answer(detail, **result)]
    world.deliver(world.upload(key, body or a_picture(key)))
    return world.record(key)


def a_picture(name: str) -> bytes:
    return encoded(picture(sum(name.encode())), comment=name.encode())


def links(world: World) -> dict[str, dict[str, str]]:
    items = [world.item(item["record_id"]["S"]) for item in world.dynamodb.scan(TableName=TABLE)["Items"]]
    prefixes = ("case_", "number_", "image_")
    return {item["record_id"]: dict(item["members"]) for item in items if item["record_id"].startswith(prefixes)}


def complete_events(world: World) -> list[dict[str, Any]]:
    return [event["detail"]["data"] for event in world.heard_events() if event["detail-type"] == "Case Complete"]


# the sides of one card ------------------------------------------------------------------------------------------------


def test_two_sides_of_one_card_complete_a_case(world: World) -> None:
    front = read(world, "up/C-1/front.jpg", YOUNG)
    assert complete_events(world) == []
    back = read(world, "up/C-1/back.jpg", EMBLEM)
    assert (front["reasons"], back["reasons"], back["risk"]) == ([], [], "none")
    assert complete_events(world) == [
        {
            "case_id": "C-1", "records": sorted([front["record_id"], back["record_id"]]),
            "document_type": "cn_resident_id", "quality": "good", "risk": "none", "reasons": [],
        }
    ]  # fmt: skip
    assert links(world)["case_C-1"] == {
        front["record_id"]: "cn_resident_id/portrait",
        back["record_id"]: "cn_resident_id/emblem",
    }


@pytest.mark.parametrize("first", ["front", "back"])
def test_sides_that_do_not_fit_are_said_of_the_one_that_completes_the_pair(world: World, first: str) -> None:
    sides = {"front": YOUNG, "back": ELSEWHERE}
    second = "back" if first == "front" else "front"
    assert read(world, f"up/C-1/{first}.jpg", sides[first])["reasons"] == []
    record = read(world, f"up/C-1/{second}.jpg", sides[second])
    assert (record["reasons"], record["risk"], record["status"]) == (["SIDES_DISAGREE"], "suspected", "RECOGNIZED")
    assert {"reason": "SIDES_DISAGREE", "source": "case", "signal": "issuing_region"} in record["findings"]
    assert world.record(f"up/C-1/{first}.jpg")["reasons"] == []
    heard = world.heard_events()
    assert sorted(event["detail-type"] for event in heard) == ["Card Risk Suspected", "Case Complete"]
    (case,) = [event["detail"]["data"] for event in heard if event["detail-type"] == "Case Complete"]
    assert (case["risk"], case["reasons"]) == ("suspected", ["SIDES_DISAGREE"])


def test_a_term_that_the_age_does_not_have(world: World) -> None:
    read(world, "up/C-1/front.jpg", YOUNG)
    record = read(world, "up/C-1/back.jpg", EMBLEM | {"validperiod": "2019.06.06-2029.06.06"})
    assert record["reasons"] == ["SIDES_DISAGREE", "VALIDITY_TERM_UNUSUAL"]


def test_only_a_case_joins_scans(world: World) -> None:
    read(world, "up/front.jpg", YOUNG)
    read(world, "up/back.jpg", ELSEWHERE)
    read(world, "up/C-1/front.jpg", YOUNG | {"idn": "990105199003070053"})
    record = read(world, "up/C-2/back.jpg", ELSEWHERE)
    assert record["reasons"] == []
    assert complete_events(world) == []


def test_the_same_side_twice_and_another_document_are_no_pair(world: World) -> None:
    read(world, "up/C-1/front.jpg", YOUNG)
    read(world, "up/C-1/again.jpg", YOUNG)
    assert complete_events(world) == []


def test_a_case_is_announced_only_when_that_was_asked_for() -> None:
    with a_world() as world:
        read(world, "up/C-1/front.jpg", YOUNG)
        read(world, "up/C-1/back.jpg", EMBLEM)
        assert world.heard_events() == []


def test_a_rejected_scan_does_not_belong_to_a_case(world: World) -> None:
    record = read(world, "up/C-1/cat.jpg", dict.fromkeys(PORTRAIT, ""))
    assert (record["status"], links(world)) == ("REJECTED", {})


# at the same moment ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", range(5))
def test_two_sides_at_the_same_moment_meet(world: World, run: int) -> None:
    both = threading.Barrier(2, timeout=20)

    def answer(detail: dict[str, str]) -> Any:
        def when_both_are_there(_: object) -> Any:
            both.wait()
            return ctyun_answer(detail)

        return when_both_are_there

    world.provider.script = [answer(YOUNG), answer(ELSEWHERE)]
    events = [world.upload(f"up/C-{run}/{name}.jpg", a_picture(name)) for name in ("front", "back")]
    threads = [threading.Thread(target=world.deliver, args=(event,)) for event in events]
    # the credentials have been seen to work: no trial keeps one of them waiting
    read_first = read(world, "up/warm.jpg", PORTRAIT) if run == 0 else None
    assert read_first is None or read_first["status"] == "RECOGNIZED"
    world.provider.script = [answer(YOUNG), answer(ELSEWHERE)]
    if run != 0:
        world.provider.script.insert(0, ctyun_answer())
        world.deliver(world.upload("up/warm.jpg", a_picture("warm")))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    reasons = [world.record(f"up/C-{run}/{name}.jpg")["reasons"] for name in ("front", "back")]
    assert sorted(reasons) == [[], ["SIDES_DISAGREE"]], "the later one meets the former, and only it"
    assert len(complete_events(world)) == 1


def test_a_case_that_changes_between_reading_and_writing_is_looked_at_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(world, "up/C-1/front.jpg", YOUNG)
    cases = world.process.intake._cases
    join = cases.join
    overtaken: list[int] = []

    def overtaking(*args: Any, **kwargs: Any) -> Any:
        joined = join(*args, **kwargs)
        if not overtaken:
            overtaken.append(1)
            item = world.item("case_C-1")
            item["members"].append(["scan_" + "0" * 32, "cn_resident_id/portrait"])
            put(world, item | {"version": item["version"] + 1})
        return joined

    monkeypatch.setattr(cases, "join", overtaking)
    record = read(world, "up/C-1/back.jpg", EMBLEM)
    assert record["status"] == "RECOGNIZED"
    assert "scan_" + "0" * 32 in links(world)["case_C-1"]
    assert record["record_id"] in links(world)["case_C-1"]


def put(world: World, item: dict[str, Any]) -> None:
    world.dynamodb.put_item(TableName=TABLE, Item=marshalled(item))


# other cases ----------------------------------------------------------------------------------------------------------


def test_a_number_and_a_picture_that_another_case_has_shown(world: World) -> None:
    body = a_picture("one")
    assert read(world, "up/C-1/front.jpg", YOUNG, body)["reasons"] == []
    world.deliver(world.upload("up/C-2/front.jpg", body))
    record = world.record("up/C-2/front.jpg")
    assert record["reasons"] == ["IMAGE_SEEN_IN_OTHER_CASE", "NUMBER_SEEN_IN_OTHER_CASE"]
    assert record["risk"] == "suspected"
    assert read(world, "up/C-3/front.jpg", YOUNG)["reasons"] == ["NUMBER_SEEN_IN_OTHER_CASE"]
    other_person = YOUNG | {"idn": "990105199003070053"}
    assert read(world, "up/C-4/front.jpg", other_person)["reasons"] == []


def test_the_same_case_may_show_them_again(world: World) -> None:
    body = a_picture("one")
    read(world, "up/C-1/front.jpg", YOUNG, body)
    world.deliver(world.upload("up/C-1/copy.jpg", body))
    assert world.record("up/C-1/copy.jpg")["reasons"] == []


@pytest.mark.parametrize("number", ["990105********0037", "9901051990XXXX0037"])
def test_a_masked_number_tells_nobody_from_another(world: World, number: str) -> None:
    read(world, "up/C-1/front.jpg", YOUNG | {"idn": number})
    assert read(world, "up/C-2/front.jpg", YOUNG | {"idn": number})["reasons"] == ["ID_NUMBER_NOT_CHECKABLE"]


def test_without_the_lookup_secret_other_cases_are_not_looked_at() -> None:
    with a_world() as world:
        read(world, "up/C-1/front.jpg", YOUNG)
        assert read(world, "up/C-2/front.jpg", YOUNG)["reasons"] == []
        assert {name.partition("_")[0] for name in links(world)} == {"case"}


def test_links_hold_nothing_of_what_was_read(world: World) -> None:
    read(world, "up/C-1/front.jpg", YOUNG)
    read(world, "up/C-1/back.jpg", EMBLEM)
    items = world.dynamodb.scan(TableName=TABLE)["Items"]
    ours = json.dumps([item for item in items if not item["record_id"]["S"].startswith("scan_")], ensure_ascii=False)
    assert not [value for value in (*PORTRAIT.values(), *EMBLEM.values()) if len(value) > 1 and value in ours]
    assert "1990" not in ours
    (number,) = [name for name in links(world) if name.startswith("number_")]
    world.secrets.put_secret_value(SecretId=LOOKUP, SecretString="another key")
    world.new_process()
    read(world, "up/C-2/front.jpg", YOUNG)
    assert len([name for name in links(world) if name.startswith("number_") and name != number]) == 1, "keyed"


def test_a_lookup_secret_that_cannot_be_read_is_said_and_cards_are_read(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.secrets.delete_secret(SecretId=LOOKUP, ForceDeleteWithoutRecovery=True)
    assert read(world, "up/C-1/front.jpg", YOUNG)["status"] == "RECOGNIZED"
    assert "LOOKUP_SECRET" in str([vars(line) for line in caplog.records])
    assert {name.partition("_")[0] for name in links(world)} == {"case"}
    world.secrets.create_secret(Name=LOOKUP, SecretString="the key of the hashes")
    read(world, "up/C-2/front.jpg", YOUNG)
    assert read(world, "up/C-3/front.jpg", YOUNG)["reasons"] == ["NUMBER_SEEN_IN_OTHER_CASE"]


def test_both_sides_in_one_picture_are_a_case(world: World) -> None:
    both = YOUNG | {"org": EMBLEM["org"], "validperiod": EMBLEM["validperiod"]}
    record = read(world, "up/C-1/both.jpg", both)
    assert record["reasons"] == ["SEVERAL_CARDS"]
    assert [case["records"] for case in complete_events(world)] == [[record["record_id"]]]
    assert read(world, "up/C-2/front.jpg", YOUNG)["reasons"] == ["NUMBER_SEEN_IN_OTHER_CASE"]
    assert complete_events(world) == []
    mixed = read(world, "up/C-3/both.jpg", both | {"org": "另外市公安局", "idn": "990105199003070053"})
    assert mixed["reasons"] == ["SEVERAL_CARDS", "SIDES_DISAGREE"]


# newer uploads and erasure --------------------------------------------------------------------------------------------


def test_a_newer_upload_leaves_the_links_of_the_older(world: World) -> None:
    read(world, "up/C-1/scan.jpg", YOUNG)
    before = links(world)
    record = read(world, "up/C-1/scan.jpg", EMBLEM, a_picture("other"))
    after = links(world)
    assert after["case_C-1"] == {record["record_id"]: "cn_resident_id/emblem"}
    assert not [name for name in after if name.startswith("number_")]
    assert len([name for name in after if name.startswith("image_")]) == 1
    assert not [name for name in after if name.startswith("image_") and name in before]
    assert set(record["link_keys"]) == set(after)
    record = read(world, "up/C-1/scan.jpg", dict.fromkeys(PORTRAIT, ""), a_picture("none"))
    assert (record["status"], links(world)) == ("REJECTED", {})


def test_an_erased_scan_leaves_everything(world: World) -> None:
    front = read(world, "up/C-1/front.jpg", YOUNG)
    back = read(world, "up/C-1/back.jpg", EMBLEM)
    world.deliver(world.remove("up/C-1/front.jpg"))
    assert links(world)["case_C-1"] == {back["record_id"]: "cn_resident_id/emblem"}
    assert not any(front["record_id"] in members for members in links(world).values())
    assert world.record("up/C-1/front.jpg").keys() == {
        "record_id", "status", "sequencer", "updated_at", "expires_at",
    }  # fmt: skip
    world.deliver(world.remove("up/C-1/back.jpg"))
    assert links(world) == {}
    assert read(world, "up/C-9/front.jpg", YOUNG)["reasons"] == []


def test_a_case_can_be_queried_by_its_id(world: World) -> None:
    keys = {read(world, f"up/C-1/{name}.jpg", side)["record_id"] for name, side in (("f", YOUNG), ("b", EMBLEM))}
    read(world, "up/C-2/f.jpg", YOUNG)
    answer = world.dynamodb.query(
        TableName=TABLE,
        IndexName="cases",
        KeyConditionExpression="case_id = :case",
        ExpressionAttributeValues={":case": {"S": "C-1"}},
    )
    assert {item["record_id"]["S"] for item in answer["Items"]} == keys
    assert all(item.keys() == {"record_id", "case_id"} for item in answer["Items"]), "no copy of what was read"


def test_a_case_remembers_only_so_many_members(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cardintake.limits.LINK_MEMBERS", 3)
    for number in range(5):
        read(world, f"up/C-1/{number}.jpg", YOUNG | {"name": f"样例{number}"})
    assert len(links(world)["case_C-1"]) == 3
    assert datetime.now(UTC).timestamp() < world.item("case_C-1")["expires_at"]
