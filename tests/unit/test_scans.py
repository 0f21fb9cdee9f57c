"""What comes in: every shape of event, the names that scans get, and what is no scan at all."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardintake.scans import (
    NO_SEQUENCER,
    Continuation,
    Delivery,
    Scan,
    UnknownEventError,
    case_id,
    of_message,
    parse,
    record_id,
)
from cardintake.settings import DEFAULT_CASE_ID
from tests.unit.world import sqs_event

PATTERN = re.compile(DEFAULT_CASE_ID)
ETAG = "d41d8cd98f00b204e9800998ecf8427e"

# as `sam local generate-event s3 put` prints it
GENERATED_SAMPLE = {
    "Records": [
        {
            "eventVersion": "2.0", "eventSource": "aws:s3", "awsRegion": "us-east-1",
            "eventTime": "1970-01-01T00:00:00.000Z", "eventName": "ObjectCreated:Put",
            "userIdentity": {"principalId": "EXAMPLE"}, "requestParameters": {"sourceIPAddress": "127.0.0.1"},
            "responseElements": {"x-amz-request-id": "EXAMPLE123456789"},
            "s3": {
                "s3SchemaVersion": "1.0", "configurationId": "testConfigRule",
                "bucket": {
                    "name": "example-bucket", "ownerIdentity": {"principalId": "EXAMPLE"},
                    "arn": "arn:aws:s3:::example-bucket",
                },
                "object": {
                    "key": "test/key", "size": 1024, "eTag": "0123456789abcdef0123456789abcdef",
                    "sequencer": "0A1B2C3D4E5F678901",
                },
            },
        }
    ]
}  # fmt: skip


def notification(key: str = "a/b.jpg", name: str = "ObjectCreated:Put", **described: object) -> dict[str, Any]:
    """S3's own notification; `key` as S3 encodes it."""
    described = {"eTag": ETAG, "size": 7, "sequencer": "0055AED6DCD90281E5"} | described
    record = {
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-west-1",
        "eventTime": "2026-01-15T08:30:00.000Z", "eventName": name,
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": "scans"}, "object": {"key": key, **described}},
    }  # fmt: skip
    return {"Records": [record]}


def eventbridge(key: str = "a/b.jpg", kind: str = "Object Created", **detail: object) -> dict[str, Any]:
    described = {"key": key, "size": 7, "etag": ETAG, "sequencer": "0055AED6DCD90281E5"}
    return {
        "version": "0", "id": "17793124-05d4-b198-2fde-7ededc63b103", "detail-type": kind, "source": "aws.s3",
        "time": "2026-01-15T08:30:00Z", "detail": {"bucket": {"name": "scans"}, "object": described, **detail},
    }  # fmt: skip


def scans_of(event: object) -> tuple[Scan, ...]:
    (delivery,) = parse(event).deliveries
    return uploads(delivery)


def uploads(delivery: Delivery) -> tuple[Scan, ...]:
    """Its scans, none of which is a message of our own."""
    scans = tuple(scan for scan in delivery.scans if isinstance(scan, Scan))
    assert scans == delivery.scans
    return scans


def only(event: object) -> Scan:
    (scan,) = scans_of(event)
    return scan


# shapes ---------------------------------------------------------------------------------------------------------------


EXPECTED = Scan(bucket="scans", key="a/b.jpg", etag=ETAG, size=7, sequencer="0055AED6DCD90281E5".ljust(64, "0"))


@pytest.mark.parametrize("event", [notification(), eventbridge()], ids=["s3", "eventbridge"])
def test_directly_and_through_the_queue_it_is_the_same_scan(event: dict[str, Any]) -> None:
    assert only(event) == EXPECTED
    assert not parse(event).from_queue
    arrivals = parse(sqs_event(event, receive_count=3))
    assert arrivals.from_queue
    assert arrivals.unreadable == ()
    (delivery,) = arrivals.deliveries
    assert (delivery.message_id, delivery.scans, delivery.receive_count) == ("m-0", (EXPECTED,), 3)
    bare = sqs_event(event)
    del bare["Records"][0]["attributes"]
    assert [delivery.receive_count for delivery in (*parse(bare).deliveries, *parse(event).deliveries)] == [1, 1]


def test_several_records_and_several_messages_are_several_scans_in_their_order() -> None:
    two = {"Records": notification("1.jpg")["Records"] + notification("2.jpg")["Records"]}
    assert [scan.key for scan in scans_of(two)] == ["1.jpg", "2.jpg"]
    arrivals = parse(sqs_event(two, eventbridge("3.jpg"), {"Event": "s3:TestEvent"}, notification("4.jpg")))
    assert [[scan.key for scan in uploads(delivery)] for delivery in arrivals.deliveries] == [
        ["1.jpg", "2.jpg"], ["3.jpg"], [], ["4.jpg"],
    ]  # fmt: skip
    assert [delivery.message_id for delivery in arrivals.deliveries] == ["m-0", "m-1", "m-2", "m-3"]


def test_the_test_event_that_s3_sends_is_ignored() -> None:
    event = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-01-15T08:30:00.000Z", "Bucket": "scans"}
    assert scans_of(event) == ()
    assert parse(sqs_event(event)).unreadable == ()


@pytest.mark.parametrize(
    "event",
    [
        notification("folder/"), notification("folder%2F"), notification("a/", name="ObjectRemoved:Delete"),
        eventbridge("folder/"), notification(name="ObjectRestore:Completed"), notification(name="ObjectTagging:Put"),
        notification(name="LifecycleExpiration:Delete"), notification(name="LifecycleExpiration:DeleteMarkerCreated"),
        eventbridge(kind="Object Tags Added"), eventbridge(kind="Object Access Tier Changed"),
        eventbridge(kind="Object Deleted", reason="Lifecycle Expiration"), {"Records": []},
    ],
)  # fmt: skip
def test_folders_lifecycle_and_other_events_are_no_scans(event: dict[str, Any]) -> None:
    assert scans_of(event) == ()
    assert parse(sqs_event(event)).unreadable == ()


@pytest.mark.parametrize(
    "event",
    [
        notification(name="ObjectRemoved:Delete"), notification(name="ObjectRemoved:DeleteMarkerCreated"),
        notification(name="s3:ObjectRemoved:Delete"), eventbridge(kind="Object Deleted", reason="DeleteObject"),
        eventbridge(kind="Object Deleted"),
    ],
)  # fmt: skip
def test_removals(event: dict[str, Any]) -> None:
    scan = only(event)
    assert scan.removed
    assert scan.sequencer == EXPECTED.sequencer


@pytest.mark.parametrize(
    "name",
    ["ObjectCreated:Put", "ObjectCreated:Post", "ObjectCreated:Copy", "ObjectCreated:CompleteMultipartUpload",
     "s3:ObjectCreated:Put"],
)  # fmt: skip
def test_every_kind_of_upload(name: str) -> None:
    assert only(notification(name=name)) == EXPECTED


def test_a_removal_knows_neither_size_nor_etag() -> None:
    event = notification(name="ObjectRemoved:Delete")
    del event["Records"][0]["s3"]["object"]["size"], event["Records"][0]["s3"]["object"]["eTag"]
    assert (only(event).size, only(event).etag) == (None, None)


def test_versions_are_told_and_quoted_etags_bared() -> None:
    scan = only(notification(versionId="3sL4kqtJlcpXroDTDmJ", eTag=f'"{ETAG}"'))
    assert (scan.version_id, scan.etag) == ("3sL4kqtJlcpXroDTDmJ", ETAG)
    event = eventbridge()
    event["detail"]["object"] |= {"version-id": "v2", "etag": ""}
    assert (only(event).version_id, only(event).etag) == ("v2", None)
    assert only(notification(versionId="")).version_id is None


# keys -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("my+card.jpg", "my card.jpg"),
        ("my%20card.jpg", "my card.jpg"),
        ("a%2Bb+c.jpg", "a+b c.jpg"),
        ("100%25+sure.jpg", "100% sure.jpg"),
        ("%2525.jpg", "%25.jpg"),
        ("%E8%AF%81%E4%BB%B6/%E5%BC%A0%E6%A0%B7%E4%BE%8B.jpg", "证件/张样例.jpg"),
        ("a/b%28copy%29+%26+more%3D1%3F%23.jpg", "a/b(copy) & more=1?#.jpg"),
        ("%E8%AF%81" * 341 + "x", "证" * 341 + "x"),
        ("a%2F%2Fb.jpg", "a//b.jpg"),
        ("%0A.jpg", "\n.jpg"),
    ],
)
def test_notifications_encode_keys_and_eventbridge_does_not(encoded: str, key: str) -> None:
    assert len(key.encode()) <= 1024
    assert only(notification(encoded)).key == key
    assert only(eventbridge(key)).key == key
    assert only(eventbridge(encoded)).key == encoded


def test_the_record_id_is_a_hash_of_bucket_and_key() -> None:
    # printf '%s' 'scans-here/uploads/C-1001/front.jpg' | sha256sum
    assert record_id("scans-here", "uploads/C-1001/front.jpg") == "scan_7529da62e44c6199c3dbf7906224f0ef"
    assert record_id("scans-here", "证件/张样例 1+2%.jpg") == "scan_f64fcbc01f635eb4324a115e2407f053"
    assert record_id("b", "k") == "scan_710800c9e207017de17bae08517e6f4b"
    assert Scan(bucket="b", key="k").record_id == "scan_710800c9e207017de17bae08517e6f4b"


def test_a_scan_hides_its_key_from_logs() -> None:
    scan = only(notification("%E5%BC%A0%E6%A0%B7%E4%BE%8B.jpg"))
    assert "张样例" not in repr(scan)
    assert "scans" not in repr(scan)


# sequencers -----------------------------------------------------------------------------------------------------------

HEX = st.text("0123456789ABCDEF", min_size=1, max_size=40)


@given(HEX, HEX)
def test_sequencers_compare_as_if_padded_on_the_right(one: str, other: str) -> None:
    width = max(len(one), len(other))
    first, second = only(notification(sequencer=one)), only(eventbridge_with(other))
    as_numbers = int(one.ljust(width, "0"), 16), int(other.ljust(width, "0"), 16)
    assert (first.sequencer < second.sequencer) == (as_numbers[0] < as_numbers[1])
    assert (first.sequencer == second.sequencer) == (as_numbers[0] == as_numbers[1])


def eventbridge_with(sequencer: str) -> dict[str, Any]:
    event = eventbridge()
    event["detail"]["object"]["sequencer"] = sequencer
    return event


def test_lower_case_sequencers_are_the_same_numbers() -> None:
    assert only(notification(sequencer="00ab")).sequencer == only(notification(sequencer="00AB")).sequencer


def test_no_sequencer_is_older_than_any() -> None:
    event = notification()
    del event["Records"][0]["s3"]["object"]["sequencer"]
    assert only(event).sequencer == NO_SEQUENCER
    assert only(notification(sequencer="00000001")).sequencer > NO_SEQUENCER


# samples --------------------------------------------------------------------------------------------------------------


def test_a_generated_sample_names_an_object_and_nothing_else() -> None:
    assert only(GENERATED_SAMPLE) == Scan(bucket="example-bucket", key="test/key")
    assert only(eventbridge() | {"time": "1970-01-01T00:00:00Z"}) == Scan(bucket="scans", key="a/b.jpg")
    (delivery,) = parse(sqs_event(GENERATED_SAMPLE)).deliveries
    assert delivery.scans == (Scan(bucket="example-bucket", key="test/key"),)


def test_a_removal_of_1970_is_a_sample_too() -> None:
    event = json.loads(json.dumps(GENERATED_SAMPLE).replace("ObjectCreated:Put", "ObjectRemoved:Delete"))
    assert only(event) == Scan(bucket="example-bucket", key="test/key", removed=True)


# rubbish --------------------------------------------------------------------------------------------------------------

RUBBISH: list[object] = [
    None, 1, "x", [], {}, {"Records": {}}, {"Records": [1]}, {"Records": [None]}, {"Records": [{}]},
    {"Records": [{"eventSource": "aws:sns"}]}, {"Records": [{"eventSource": "aws:s3"}]}, {"hello": "world"},
    notification(""), notification(5),  # type: ignore[arg-type]
    notification(sequencer="not hex"), notification(sequencer="A" * 65), notification(sequencer={"a": 1}),
    notification(size="big"), notification(size=[]), notification(size=float("inf")), notification(size=float("nan")),
    notification("%FF.jpg"), eventbridge(""), eventbridge() | {"source": "my.app"}, eventbridge() | {"detail": []},
    eventbridge() | {"detail": None}, {"detail-type": "Object Created"}, eventbridge(bucket={"name": 5}),
    eventbridge(bucket="scans"), eventbridge(object="a/b.jpg"),
]  # fmt: skip


@pytest.mark.parametrize("event", RUBBISH, ids=repr)
def test_rubbish_is_refused_directly_and_listed_from_the_queue(event: object) -> None:
    with pytest.raises(UnknownEventError):
        parse(event)
    arrivals = parse(sqs_event(notification("1.jpg"), json.dumps(event), notification("2.jpg")))
    assert arrivals.unreadable == ("m-1",)
    assert [delivery.message_id for delivery in arrivals.deliveries] == ["m-0", "m-2"]


NO_MEMBERS = "an S3 event without the members that S3 documents"


@pytest.mark.parametrize(
    "body", ["", "hello", "{", "[" * 200_000, '{"Records": [{"size": 1e999}]}', "\ud800", "9" * 9999], ids=range(7)
)
def test_text_that_is_no_event_is_listed(body: str) -> None:
    assert parse(sqs_event(body)).unreadable == ("m-0",)
    with pytest.raises(UnknownEventError) as refusal:
        of_message(body)
    assert str(refusal.value) in ("not JSON", "neither an S3 notification nor an EventBridge event", NO_MEMBERS)
    assert refusal.value.__cause__ is None


def test_a_refusal_quotes_nothing_of_the_event() -> None:
    for event in (
        notification("张样例.jpg", sequencer="990105199003070037 not hex"),
        eventbridge("张样例.jpg", bucket={"name": 990105199003070037}),
        {"Records": [{"eventSource": "张样例"}]},
    ):
        with pytest.raises(UnknownEventError) as refusal:
            parse(event)
        assert "张样例" not in str(refusal.value)
        assert "990105199003070037" not in str(refusal.value)
        assert refusal.value.__cause__ is None
        with pytest.raises(UnknownEventError, match=f"^{re.escape(str(refusal.value))}$"):
            of_message(json.dumps(event))


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["aws:s3", "aws.s3", "ObjectCreated:Put", "Object Created", "s3:TestEvent"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["Records", "eventSource", "eventName", "s3", "bucket", "object", "name", "key", "size", "eTag",
                         "sequencer", "detail", "detail-type", "source", "Event", "ticket", "record_id", "eventTime",
                         "time"]),
        inner, max_size=4),
    max_leaves=12,
))  # fmt: skip
def test_no_message_takes_the_others_along(body: object) -> None:
    arrivals = parse(sqs_event(json.dumps(body), notification("good.jpg")))
    assert [scan.key for scan in uploads(arrivals.deliveries[-1])] == ["good.jpg"]
    assert len(arrivals.deliveries) + len(arrivals.unreadable) == 2


# our own messages -----------------------------------------------------------------------------------------------------

OURS = "scan_" + "0f" * 16


@pytest.mark.parametrize(
    "told",
    [
        Continuation(OURS, ticket="0f"),
        Continuation(OURS, redrive="2026-01-15T08:30:00.000Z"),
        Continuation(OURS, "0", "1"),
    ],
    ids=["ticket", "redrive", "both"],
)
def test_a_message_of_ours_is_read_as_it_was_written(told: Continuation) -> None:
    text = told.message()
    assert parse(sqs_event(text)).deliveries[0].scans == (told,)
    assert parse(json.loads(text)).deliveries[0].scans == (told,)


@pytest.mark.parametrize("value", [None, 5, True, ["2026"], {"at": "2026"}], ids=repr)
def test_a_message_of_ours_is_made_of_texts(value: object) -> None:
    for event in ({"record_id": OURS, "ticket": value}, {"record_id": value, "ticket": "0f"}):
        with pytest.raises(UnknownEventError):
            parse(event)
        assert parse(sqs_event(json.dumps(event))).unreadable == ("m-0",)


@pytest.mark.parametrize("event", [{"record_id": OURS}, {"record_id": "content_0f", "ticket": "0f"}], ids=str)
def test_a_message_of_ours_tells_of_a_scan_and_says_why(event: object) -> None:
    with pytest.raises(UnknownEventError):
        parse(event)


def test_a_notification_is_never_taken_for_one_of_ours() -> None:
    assert only(notification() | {"redrive": "2026", "ticket": "0f"}) == EXPECTED


# cases ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("uploads/C-1001/front.jpg", "C-1001"),
        ("a/b/c/2024_07/x.jpg", "2024_07"),
        ("uploads/1/front.jpg", "1"),
        ("uploads/C-12345678/front.jpg", "C-12345678"),
        ("uploads/" + "c" * 63 + "1/x.jpg", "c" * 63 + "1"),
        ("uploads/550e8400-e29b-41d4-a716-446655440000/x.jpg", "550e8400-e29b-41d4-a716-446655440000"),
        ("uploads/20260115083000123456/x.jpg", "20260115083000123456"),
        ("a/990105199003070037/C-1/x.jpg", "C-1"),
        # too few folders
        ("front.jpg", None),
        ("C-1001/front.jpg", None),
        # not of the pattern
        ("uploads/alice/front.jpg", None),
        ("uploads/C 1001/front.jpg", None),
        ("uploads/C-1001\n/front.jpg", None),
        ("uploads/张样例1/front.jpg", None),
        ("uploads/" + "c" * 64 + "1/x.jpg", None),
        ("uploads//front.jpg", None),
        # identity numbers, in whatever dress
        ("a/C-1/990105199003070037/x.jpg", None),
        ("uploads/990105199003070037/x.jpg", None),
        ("uploads/99010519900307003X/x.jpg", None),
        ("uploads/99010519900307003x/x.jpg", None),
        ("uploads/990105-19900307-0037/x.jpg", None),
        ("uploads/990105900307003/x.jpg", None),
        ("uploads/C-990105199003070037/x.jpg", None),
        ("uploads/990105199003070037-front/x.jpg", None),
        ("uploads/990105199003070037_2/x.jpg", None),
        ("uploads/990105199003070037a/x.jpg", None),
        ("uploads/id990105199003070037b990105199003070037/x.jpg", None),
        ("uploads/SFZ990105199003070037/x.jpg", None),
        ("uploads/99000006/x.jpg", None),
        ("uploads/99000006-2/x.jpg", None),
        ("uploads/99000006K/x.jpg", None),
        ("uploads/DNI99000006/x.jpg", None),
        ("uploads/dni-99000006/x.jpg", None),
        ("uploads/004599123/x.jpg", None),
        ("uploads/CE_004599123/x.jpg", None),
        ("uploads/123456789012/x.jpg", None),
    ],
)
def test_a_case_is_the_last_folder_and_never_an_identity_number(key: str, expected: str | None) -> None:
    assert case_id(key, PATTERN) == expected


def test_another_pattern_decides_but_identity_numbers_stay_refused() -> None:
    pattern = re.compile(r"\w+")
    assert case_id("uploads/alice/x.jpg", pattern) == "alice"
    assert case_id("uploads/990105199003070037/x.jpg", pattern) is None
    assert case_id("uploads/９９０１０５１９９００３０７００３Ｘ/x.jpg", pattern) is None


@given(st.integers(0, 10**17 - 1), st.sampled_from("0123456789Xx"), st.sampled_from(["", "C-", "ID"]))
def test_no_eighteen_characters_of_a_number_become_a_case(digits: int, check: str, before: str) -> None:
    number = f"{digits:017d}{check}"
    if before == "C-":
        number = f"{number[:6]}19900307{number[14:]}"
    assert case_id(f"uploads/{before}{number}/x.jpg", PATTERN) is None
