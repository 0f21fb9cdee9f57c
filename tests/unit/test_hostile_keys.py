"""Object keys that strangers choose: one record in every shape of event, and the key in nothing that we write."""

import json
import re
import unicodedata
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardintake.scans import Scan, UnknownEventError, case_id, parse, record_id
from cardintake.settings import DEFAULT_CASE_ID
from tests import properties as _profile  # noqa: F401 - loads the profile
from tests.unit.test_scans import eventbridge, notification
from tests.unit.world import World, sqs_event

PATTERN = re.compile(DEFAULT_CASE_ID)
NAME = "张样例990105199003070037"

TRAVERSING = [
    f"../{NAME}", f"../../../etc/{NAME}", f"a/../../{NAME}", f"./{NAME}", f"/{NAME}", f"//{NAME}", f"a//b///{NAME}",
    f"..\\..\\{NAME}", f"C:\\{NAME}", f"a/./b/../{NAME}", f"~/{NAME}", f"file:///etc/{NAME}", f"a/..;/{NAME}",
]  # fmt: skip
CONTROL = [f"a/{NAME}{chr(code)}b" for code in (*range(0x20), 0x7F, 0x85, 0xA0, 0xAD, 0x200B, 0x2028, 0x202E, 0xFEFF)]
ENCODED = [
    f"{NAME}+", f"+{NAME}", f"a+b%{NAME}", f"100%{NAME}", f"%{NAME}", f"{NAME}%", f"{NAME}%2", "%2F" + NAME,
    f"%252F{NAME}", f"%25252F..%2F{NAME}", f"%00{NAME}", f"%zz{NAME}", f"a%2Bb+c%20d {NAME}", f"{NAME}%FF",
    f"a?versionId={NAME}", f"a#{NAME}", f"a&b={NAME}", f"a;b={NAME}", f"{{{NAME}}}", f"${{jndi:ldap://{NAME}}}",
]  # fmt: skip
LONG = ["证" * 341 + "x", f"{NAME}/" * 15 + "x" * 64, "x" * 1024, "🪪" * 256, "/" * 1023 + "x", "a/" * 511 + "b"]
SCRIPTS = [
    f"证件/{NAME}.jpg", f"🪪/👩‍👩‍👧/{NAME}.jpg", f"é/{NAME}", f"e\u0301/{NAME}",
    f"ﬁ/{NAME}", f"١٢٣/{NAME}", f"עברית/{NAME}",
]  # fmt: skip
OURS = [
    f"scan_7529da62e44c6199c3dbf7906224f0ef/{NAME}", f"answers/ctyun/{NAME}", f"content_{NAME}", f"case_{NAME}",
    f"number_{NAME}", f"image_{NAME}", f"provider_{NAME}", f"{{'Records': '{NAME}'}}", f'{{"ticket": "{NAME}"}}',
]  # fmt: skip
KEYS = [*TRAVERSING, *CONTROL, *ENCODED, *LONG, *SCRIPTS, *OURS]


def in_every_shape(key: str) -> dict[str, Any]:
    """An upload of this key as S3 tells it, as EventBridge tells it, and each through the queue."""
    told, raw = notification(quote_plus(key, safe="/")), eventbridge(key)
    return {"s3": told, "eventbridge": raw, "s3 queued": sqs_event(told), "eventbridge queued": sqs_event(raw)}


def scans_in(event: object) -> tuple[Scan, ...]:
    (delivery,) = parse(event).deliveries
    assert all(isinstance(scan, Scan) for scan in delivery.scans)
    return delivery.scans  # type: ignore[return-value]


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_every_shape_of_event_gives_the_same_scan_of_the_very_key(key: str) -> None:
    for shape, event in in_every_shape(key).items():
        (scan,) = scans_in(event)
        assert (scan.bucket, scan.key) == ("scans", key), shape
        assert scan.record_id == record_id("scans", key)
        assert re.fullmatch("scan_[0-9a-f]{32}", scan.record_id)
        assert NAME not in repr(scan)
        assert key not in repr(scan)


def test_no_two_of_them_share_a_record() -> None:
    assert len({record_id("scans", key) for key in KEYS}) == len(set(KEYS)) == len(KEYS)


def test_keys_are_decoded_once_however_they_are_spelled() -> None:
    for key in KEYS:
        lower = re.sub("%[0-9A-F]{2}", lambda escape: escape[0].lower(), quote_plus(key))
        for spelling in (quote(key, safe="/"), quote(key, safe=""), lower):
            assert [scan.key for scan in scans_in(notification(spelling))] == [key]
        assert [scan.key for scan in scans_in(notification(quote_plus(quote_plus(key))))] == [quote_plus(key)]


def test_normal_forms_of_one_text_are_different_objects() -> None:
    composed = f"é/{NAME}"
    assert record_id("scans", composed) != record_id("scans", unicodedata.normalize("NFD", composed))


@pytest.mark.parametrize("key", [f"{NAME}/", f"a/{NAME}//", "../", "\x00/", "证" * 340 + "/", "/", "//"])
def test_folder_keys_are_no_scans(key: str) -> None:
    assert [scans_in(event) for event in in_every_shape(key).values()] == [(), (), (), ()]


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_a_case_is_never_more_than_its_pattern_allows(key: str) -> None:
    for each in (key, f"uploads/{key}/front.jpg", f"{key}/C-1/front.jpg"):
        found = case_id(each, PATTERN)
        assert found is None or (PATTERN.fullmatch(found) and found in each.split("/"))
        assert found is None or NAME not in found
        assert found not in ("", ".", "..")


@pytest.mark.parametrize("member", [None, "", 5, True, [], ["k"], {"k": 1}, 1.5], ids=repr)
def test_a_key_that_is_no_text_is_refused(member: object) -> None:
    told, raw = notification(), eventbridge()
    told["Records"][0]["s3"]["object"]["key"] = member
    raw["detail"]["object"]["key"] = member
    for event in (told, raw):
        with pytest.raises(UnknownEventError):
            parse(event)
        assert parse(sqs_event(event)).unreadable == ("m-0",)


@pytest.mark.parametrize("key", [*KEYS, f"{NAME}%FF%FE", f"{NAME}%C0%AF", f"{NAME}%ED%A0"], ids=range(len(KEYS) + 3))
def test_what_is_wrong_with_an_event_never_quotes_its_key(key: str) -> None:
    broken = [
        notification(key, sequencer="no"), notification(key, size="no"), notification(key, name=f"ObjectCreated:{key}")
        | {"Records": [{"eventSource": key}]}, eventbridge(key, bucket={"name": 5}), eventbridge(key) | {"source": key},
    ]  # fmt: skip
    for event in broken:
        with pytest.raises(UnknownEventError) as refusal:
            parse(event)
        said = f"{refusal.value!r} {refusal.value.__cause__!r}"
        assert NAME not in said
        assert key not in said


@given(st.text(min_size=1, max_size=200).filter(lambda key: not key.endswith("/")))
def test_any_key_is_one_scan_in_every_shape(key: str) -> None:
    expected = Scan(bucket="scans", key=key).record_id
    for event in in_every_shape(key).values():
        assert [scan.record_id for scan in scans_in(json.loads(json.dumps(event)))] == [expected]


@pytest.mark.parametrize(
    "key",
    [f"../../{NAME}/x.jpg", f"a/\x01\n{NAME}.jpg", f"%252F{NAME}+%.jpg", f"🪪/{NAME}.jpg", f"answers/ctyun/{NAME}",
     ("证" * 110 + "/") * 3 + "x" * 30],
    ids=range(6),
)  # fmt: skip
def test_a_hostile_key_is_read_and_stands_in_no_name_of_ours(
    key: str, world: World, photo: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    world.deliver(world.upload(key, photo))
    record = world.record(key)
    assert record["status"] == "RECOGNIZED"
    stored = world.s3.list_objects_v2(Bucket="answers-here").get("Contents", [])
    assert stored
    assert all(re.fullmatch("answers/ctyun/[0-9a-f]{32}(/[0-9a-f]+/[a-z]+)?", entry["Key"]) for entry in stored)
    said = str([world.heard_events(), [vars(line) for line in caplog.records]])
    for written in (key, NAME, quote(key), json.dumps(key)):
        assert written not in said
