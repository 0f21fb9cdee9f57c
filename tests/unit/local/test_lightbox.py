"""The lightbox without a browser: what it says, what it derives, what it answers, and whom it refuses."""

import asyncio
import io
import json
import logging
import random
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, get_args

import boto3
import httpx
import pytest
from boto3.dynamodb.types import TypeSerializer
from moto import mock_aws
from PIL import Image
from starlette.responses import Response
from starlette.types import ASGIApp

from cardintake.cards import models
from cardintake.events import EVENTS
from cardintake.providers import REGISTRY
from cardintake.reason_texts import TEXTS
from cardintake.reasons import Reason
from cardintake.record_model import parse_record
from cardintake.thresholds import MEASURES
from local import background, schema_examples
from local.cardprinter import KINDS, SPOILS
from local.demo import contract, own
from local.demo.providers import Choice
from local.demo.terminal import Terminal
from local.lightbox import app as lightbox_app
from local.lightbox import archive, samples
from local.lightbox.app import CLAIMS, PAGE, QUALITIES, RISKS, STATUSES, Lightbox
from local.lightbox.archive import Archive, preview
from local.lightbox.guarding import HEADERS, Guard
from local.lightbox.texts import LANGUAGES, texts
from local.lightbox.way import Name, State, is_over, way
from local.report.explanations import evidence
from local.sandbox.faults import Fault
from local.sandbox.server import serving
from local.stack import Outputs, Stack

ADDRESS = "http://127.0.0.1:4580"
ROUTES = Choice.of("huaweicloud").all_routes
RECORDS = {record["status"]: record for record in reversed(schema_examples.RECORDS)}


# ── texts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_both_languages_say_the_same_things() -> None:
    english, chinese = texts("en"), texts("zh")
    assert {section: set(said) for section, said in english.items()} == {
        section: set(said) for section, said in chinese.items()
    }
    for section, said in english.items():
        for name, sentence in said.items():
            if section != "reason":
                blanks = re.findall(r"\{\w+\}", sentence)
                assert sorted(re.findall(r"\{\w+\}", chinese[section][name])) == sorted(blanks), (section, name)


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_that_has_a_name_has_a_sentence(language: str) -> None:
    said = texts(language)
    assert set(said["reason"]) == set(Reason) == set(TEXTS)
    assert all(text["meaning"] and text["advice"] for text in said["reason"].values())
    fields = {name for card in get_args(get_args(models.Card)[0]) for name in _fields(card)}
    kinds = {*KINDS, samples.NOT_A_CARD}
    changes = {change for kind in samples.catalogue()["kinds"] for change in kind["flaws"]} | {*SPOILS, "none"}
    assert set(said["status"]) == set(STATUSES)
    assert set(said["quality"]) == set(QUALITIES)
    assert set(said["risk"]) == set(RISKS)
    assert set(said["step"]) == set(get_args(Name.__value__))
    assert set(said["state"]) == set(get_args(State.__value__))
    assert set(said["claim"]) == set(CLAIMS)
    assert set(said["kind"]) == kinds
    assert set(said["change"]) == changes
    assert set(said["fault"]) == set(Fault)
    assert set(said["event"]) == {event.detail_type for event in EVENTS}
    assert set(said["field"]) == fields
    assert set(said["signal"]) > set(MEASURES)
    assert not set(said["source"]) & set(REGISTRY), "a provider is named as it is"


def _fields(card: Any) -> Iterator[str]:
    for model in get_args(card) or (card,):
        for each in get_args(model) or (model,):
            if isinstance(each, type):
                yield from each.model_fields  # type: ignore[attr-defined]


def test_statuses_and_verdicts_are_those_of_the_record() -> None:
    assert set(STATUSES) == set(RECORDS)
    for name, values in (("quality", QUALITIES), ("risk", RISKS)):
        for value in values:
            parse_record(RECORDS["RECOGNIZED"] | {name: value})


def test_chinese_is_chinese() -> None:
    for section, said in texts("zh").items():
        for name, sentence in said.items():
            for text in sentence.values() if isinstance(sentence, dict) else [sentence]:
                assert re.search(r"[一-鿿]", text) or re.fullmatch(r"\{\w+\}", text), (section, name)


def test_the_page_says_what_the_texts_hold_and_nothing_else() -> None:
    markup = (PAGE / "index.html").read_text(encoding="utf-8")
    scripts = "".join(path.read_text(encoding="utf-8") for path in PAGE.glob("*.js"))
    named = set(re.findall(r'data-(?:text|label)="(\w+)"', markup))
    in_scripts = set(re.findall(r'"(\w+)"', scripts))
    held = set(texts("en")["page"])
    computed = {f"crop_{crop}" for crop in ("portrait", "card")} | {"at_least", "at_most"}
    assert named <= held
    assert held <= named | in_scripts | computed
    assert set(re.findall(r'\bpage\("(\w+)"', scripts)) <= held
    for section, name in re.findall(r'\bsaid\("(\w+)", "(\w+)"', scripts):
        assert name in texts("en")[section]


def test_the_page_holds_nothing_from_elsewhere_and_nothing_inline() -> None:
    for path in PAGE.iterdir():
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"\w+://[^\s\"')]*", text)) <= {"http://www.w3.org/2000/svg"}, path.name
    markup = (PAGE / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"\son\w+=|\sstyle=|<style|<script(?![^>]*\ssrc=)", markup)
    scripts = "".join(path.read_text(encoding="utf-8") for path in PAGE.glob("*.js"))
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|console\.", scripts)


# ── the way ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def event(detail_type: str, record_id: str = "scan_1", number: int = 1) -> dict[str, Any]:
    metadata = {"event_id": f"{detail_type} {number}", "occurred_at": f"2026-01-15T08:30:0{number}.000Z"}
    return {"detail-type": detail_type, "detail": {"metadata": metadata, "data": {"record_id": record_id}}}


def states(record: Mapping[str, Any] | None, *events: Mapping[str, Any]) -> dict[str, str]:
    return {step.name: step.state for step in way(record, events, "2026-01-15T08:29:59.000Z")}


def order(uploaded: str, queued: str, claimed: str, asked: str, verdict: str, announced: str) -> dict[str, str]:
    return locals()


CLAIMED = RECORDS["PROCESSING"] | {"waiting_for": None, "attempts": 1}
LOW = RECORDS["RECOGNIZED"] | {"quality": "low", "risk": "suspected", "reasons": ["IMAGE_BLURRED", "PHOTOCOPY"]}


@pytest.mark.parametrize(
    ("record", "events", "expected"),
    [
        (None, [], order("done", "now", "next", "next", "next", "next")),
        (CLAIMED, [], order("done", "done", "now", "next", "next", "next")),
        (
            CLAIMED | {"paid_calls": 1, "uncertain_calls": 1}, [],
            order("done", "done", "done", "now", "next", "next"),
        ),
        (RECORDS["PROCESSING"], [], order("done", "done", "done", "waiting", "next", "next")),
        (RECORDS["RECOGNIZED"], [], order("done", "done", "done", "done", "done", "skipped")),
        (LOW, [], order("done", "done", "done", "done", "done", "now")),
        (LOW, ["Card Low Quality"], order("done", "done", "done", "done", "done", "now")),
        (LOW, ["Card Low Quality", "Card Low Quality"], order("done", "done", "done", "done", "done", "now")),
        (LOW, ["Card Risk Suspected", "Card Low Quality"], order("done", "done", "done", "done", "done", "done")),
        (RECORDS["REJECTED"], ["Card Rejected"], order("done", "done", "done", "skipped", "done", "done")),
        (RECORDS["FAILED"], ["Card Failed"], order("done", "done", "done", "failed", "failed", "done")),
        (RECORDS["ERASED"], [], {"erased": "done", "announced": "now"}),
        (RECORDS["ERASED"], ["Card Erased"], {"erased": "done", "announced": "done"}),
    ],
)  # fmt: skip
def test_the_way_is_what_record_and_events_tell(
    record: Mapping[str, Any] | None, events: list[str], expected: dict[str, str]
) -> None:
    arrived = [event(detail_type, number=number) for number, detail_type in enumerate(events)]
    assert states(record, *arrived) == expected
    pending = {"now", "next", "waiting"} & set(expected.values())
    assert is_over(record, arrived) == (not pending)


def test_every_note_of_the_way_has_its_sentence_and_its_values() -> None:
    records = [
        None,
        CLAIMED | {"uncertain_calls": 1},
        RECORDS["RECOGNIZED"] | {"paid_calls": 0},
        LOW,
        *RECORDS.values(),
    ]
    told = [step for record in records for known in ([], [event("Card Failed"), event("Card Low Quality"),
            event("Card Risk Suspected")]) for step in way(record, known, None)]  # fmt: skip
    sentences = texts("en")["note"]
    assert {step.note for step in told if step.note} == set(sentences)
    for step in told:
        if step.note:
            assert set(re.findall(r"\{(\w+)\}", sentences[step.note])) <= set(step.values or {}), step


def test_a_waiting_scan_says_for_what() -> None:
    (asked,) = (step for step in way(RECORDS["PROCESSING"], [], None) if step.state == "waiting")
    assert asked.as_json() == {
        "name": "asked", "state": "waiting", "note": "waiting", "values": {"reason": "PROVIDER_QUOTA"}
    }  # fmt: skip


@pytest.mark.parametrize("signal", MEASURES)
def test_a_threshold_points_the_way_that_the_report_says(signal: str) -> None:
    finding = {"reason": "X", "source": "measure", "signal": signal, "value": "1", "threshold": "2"}
    (bound,) = lightbox_app._bound(finding).values()
    assert f"wanted {bound.replace('_', ' ')} 2" in evidence(finding)
    assert lightbox_app._bound(finding | {"source": "ctyun"}) == {}


# ── samples and pictures ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_offered_can_be_printed_and_nothing_else(kind: str) -> None:
    offered = {each["name"]: each["flaws"] for each in samples.catalogue()["kinds"]}[kind]
    for flaw in ("expired", "wrong_check_digit", "temporary"):
        if flaw in offered:
            assert samples.printed(kind, flaw, 1).startswith(b"\xff\xd8")
        else:
            with pytest.raises(samples.UnknownSampleError):
                samples.printed(kind, flaw, 1)


@pytest.mark.parametrize("kind", ["pe_dni_new_back", samples.NOT_A_CARD])
def test_a_sample_is_the_same_whenever_it_is_printed(kind: str) -> None:
    assert samples.printed(kind, "none", 3) == samples.printed(kind, "none", 3) != samples.printed(kind, "none", 4)


@pytest.mark.parametrize(
    "asked",
    [("cn_portrait", "smell", 1), ("driving", "none", 1), ("cn_portrait", "none", -1), ("not_a_card", "blur", 1)],
)
def test_an_unknown_sample_is_refused(asked: tuple[str, str, int]) -> None:
    with pytest.raises(samples.UnknownSampleError):
        samples.printed(*asked)


def picture(format: str = "JPEG", size: tuple[int, int] = (300, 200), **options: Any) -> bytes:  # noqa: A002 - Pillow's own word
    file = io.BytesIO()
    colour = tuple(random.Random(1).randrange(256) for _ in "rgb")
    Image.new("RGB", size, colour).save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
def test_a_preview_is_a_picture_made_anew(format: str) -> None:  # noqa: A002
    hidden = b"<script>alert(1)</script>"
    data = preview(picture(format, (2400, 1600)) + hidden)
    assert data is not None
    assert hidden not in data
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.size) == ("JPEG", (1200, 800))
        assert not image.getexif()


@pytest.mark.parametrize("data", [b"", b"no picture", picture()[:100], picture("PNG", (20_000, 6_000))])
def test_what_is_no_picture_has_no_preview(data: bytes) -> None:
    assert preview(data) is None


# ── the application ──────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def _session() -> boto3.Session:
    """One for all: loading the services' descriptions is most of what a stack costs."""
    return boto3.Session("test", "test", region_name="eu-west-1")


class MotoStack(Stack):
    """A stack without the application: the test writes what recognize would."""

    clients: ClassVar[dict[str, Any]] = {}

    def client(self, service: str) -> Any:
        if service not in self.clients:
            self.clients[service] = _session().client(service)  # type: ignore[call-overload]
        return self.clients[service]

    def put(self, record: Mapping[str, Any]) -> None:
        item = {name: TypeSerializer().serialize(value) for name, value in record.items()}
        self.client("dynamodb").put_item(TableName=self.outputs.cards_table, Item=item)

    def objects(self) -> dict[str, dict[str, str]]:
        s3, bucket = self.client("s3"), self.outputs.scans_bucket
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", ())]
        return {key: s3.head_object(Bucket=bucket, Key=key)["Metadata"] for key in keys}


NO_STACK = MotoStack("", Outputs(**{name: name.replace("_", "-") for name in Outputs.__annotations__}), Path())
"""Nothing answers before the fixture has made it."""


class Queue:
    """A subscriber's queue, filled by the test."""

    def __init__(self) -> None:
        self.arrived: list[dict[str, Any]] = []

    def receive(self) -> list[dict[str, Any]]:
        arrived, self.arrived = self.arrived, []
        return arrived


class Misbehaviour:
    """The sandbox's control, written down."""

    def __init__(self) -> None:
        self.orders: list[dict[str, Any]] = []

    def order_fault(self, provider: str, fault: str, times: int) -> None:
        self.orders.append({"provider": provider, "fault": fault, "times": times})

    def pending_faults(self) -> list[dict[str, Any]]:
        return self.orders

    def clear_faults(self) -> None:
        self.orders.clear()


class Client:
    """Requests to the application, without a socket between."""

    def __init__(self, app: ASGIApp, **headers: str) -> None:
        self._app, self._headers = app, headers

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def answer() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url=ADDRESS, headers=self._headers) as client:
                return await client.request(method, path, **options)

        return asyncio.run(answer())

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)


class World:
    """The application around its doubles."""

    def __init__(self, stack: MotoStack) -> None:
        self.stack, self.queue, self.sandbox = stack, Queue(), Misbehaviour()
        self.app = Lightbox(Archive(stack, self.queue), self.sandbox, ROUTES).app  # type: ignore[arg-type]
        self.client = Client(self.app, Origin=ADDRESS)

    def upload(self, data: bytes | AsyncIterator[bytes] = b"picture", **how: str | int) -> httpx.Response:
        return self.client.request("POST", "/api/scans", params={"reader": "cn/"} | how, content=data)

    def get(self, path: str, **asked: str) -> Any:
        answer = self.client.get(path, params=asked)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        MotoStack.clients.clear()
        stack = NO_STACK
        for bucket in (stack.outputs.scans_bucket, stack.outputs.answers_bucket):
            stack.client("s3").create_bucket(
                Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
            )
        stack.client("dynamodb").create_table(
            TableName=stack.outputs.cards_table,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "record_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "record_id", "AttributeType": "S"}],
        )
        yield World(stack)


def test_an_upload_goes_where_its_reader_looks_with_its_claim_and_no_name(world: World) -> None:
    answer = world.upload(reader="pe/", claim="pe_dni,back")
    assert answer.status_code == 201
    ((key, metadata),) = world.stack.objects().items()
    assert re.fullmatch(r"pe/lightbox/[0-9a-f]{16}", key)
    assert metadata == {"document-type": "pe_dni", "side": "back"}
    assert answer.json() == {"record_id": contract.record_id(world.stack.outputs.scans_bucket, key)}
    assert world.sandbox.orders == []


def test_who_reads_what_is_what_the_template_was_told(world: World) -> None:
    read = {reader["prefix"]: reader["provider"] for reader in world.get("/api/about")["readers"]}
    assert read == {"cn/": "huaweicloud", "pe/": "accuauth"} | {f"{name}/": name for name in REGISTRY}


def test_a_fault_is_ordered_from_whoever_will_read(world: World) -> None:
    assert world.upload(fault="throttle", times=2).status_code == 201
    assert world.get("/api/faults")["pending"] == [{"provider": "huaweicloud", "fault": "throttle", "times": 2}]
    assert world.client.request("DELETE", "/api/faults").json() == {"pending": []}
    assert world.get("/api/faults") == {"pending": []}


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"reader": "elsewhere/"}, "unknown_reader"),
        ({"reader": ""}, "unknown_reader"),
        ({"claim": "pe_dni,portrait"}, "unknown_claim"),
        ({"fault": "sulk"}, "unknown_fault"),
        ({"fault": "throttle", "times": "0"}, "unknown_fault"),
        ({"fault": "throttle", "times": "21"}, "unknown_fault"),
        ({"fault": "throttle", "times": "١"}, "unknown_fault"),
    ],
)
def test_what_is_not_offered_is_refused_before_anything_happens(world: World, how: dict[str, str], error: str) -> None:
    answer = world.upload(b"picture", **how)
    assert (answer.status_code, answer.json()) == (400, {"error": error})
    assert (world.stack.objects(), world.sandbox.orders) == ({}, [])


@pytest.mark.parametrize("told", [True, False])
def test_what_is_too_large_is_refused(world: World, monkeypatch: pytest.MonkeyPatch, told: bool) -> None:
    monkeypatch.setattr(lightbox_app, "LARGEST_UPLOAD", 1000)

    async def in_parts() -> AsyncIterator[bytes]:
        for size in (600, 401):
            yield b"x" * size

    answer = world.upload(b"x" * 1001 if told else in_parts())
    assert (answer.status_code, answer.json()) == (413, {"error": "too_large"})
    assert world.stack.objects() == {}
    assert world.upload(b"x" * 1000).status_code == 201


def test_a_scan_is_shown_from_the_queue_to_its_events(world: World) -> None:
    record_id = world.upload().json()["record_id"]
    waiting = world.get(f"/api/scans/{record_id}")
    assert (waiting["record"], waiting["over"]) == (None, False)
    assert [step["name"] for step in waiting["way"] if step["state"] == "now"] == ["queued"]
    finding = {"reason": "IMAGE_BLURRED", "source": "measure", "signal": "sharpness", "value": "7", "threshold": "60"}
    world.stack.put(LOW | {"record_id": record_id, "findings": [finding], "some_set": {"b", "a"}})
    assert not world.get(f"/api/scans/{record_id}")["over"]
    world.queue.arrived = [
        event("Card Low Quality", record_id), event("Card Low Quality", "scan_of_somebody_else"),
        event("Card Risk Suspected", record_id, 2),
        {"detail-type": "Provider Recovered", "detail": {"data": {"provider": "ctyun"}}},
    ]  # fmt: skip
    scan = world.get(f"/api/scans/{record_id}")
    assert scan["over"]
    assert [each["detail-type"] for each in scan["events"]] == ["Card Low Quality", "Card Risk Suspected"]
    assert [each["detail-type"] for each in scan["provider_events"]] == ["Provider Recovered"]
    assert scan["findings"] == [finding | {"bound": "at_least"}]
    assert (scan["record"]["some_set"], scan["record"]["size"]) == (["a", "b"], LOW["size"])


def test_pictures_and_crops_come_from_where_the_record_says(world: World) -> None:
    s3, outputs = world.stack.client("s3"), world.stack.outputs
    record_id = world.upload(picture("PNG")).json()["record_id"]
    shown = world.client.get(f"/api/scans/{record_id}/picture")
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/jpeg")
    world.stack.put(LOW | {"record_id": record_id, "key": next(iter(world.stack.objects())), "portrait_key": "p"})
    s3.put_object(Bucket=outputs.answers_bucket, Key="p", Body=picture(size=(40, 50)))
    assert world.get(f"/api/scans/{record_id}")["crops"] == ["portrait"]
    portrait = world.client.get(f"/api/scans/{record_id}/portrait").content
    with Image.open(io.BytesIO(portrait)) as image:
        assert image.size == (40, 50)
    s3.delete_object(Bucket=outputs.answers_bucket, Key="p")
    for missing in ("portrait", "card", "key", "..%2F..%2Fpicture"):
        assert world.client.get(f"/api/scans/{record_id}/{missing}").status_code == 404
    broken = world.upload(b"no picture").json()["record_id"]
    answer = world.client.get(f"/api/scans/{broken}/picture")
    assert (answer.status_code, answer.json()) == (404, {"error": "no_picture"})


@pytest.mark.parametrize("path", ["scan_unknown", "scan_unknown/picture", "content_0", "provider_ctyun"])
def test_only_scans_are_shown(world: World, path: str) -> None:
    world.stack.put({"record_id": "content_0"})
    world.stack.put({"record_id": "provider_ctyun"})
    answer = world.client.get(f"/api/scans/{path}")
    assert (answer.status_code, answer.json()) == (404, {"error": "unknown_scan"})


def put_scans(world: World) -> None:
    records = [RECORDS["RECOGNIZED"], LOW, RECORDS["REJECTED"], RECORDS["PROCESSING"], RECORDS["ERASED"]]
    for number, record in enumerate(records):
        created = {"created_at": f"2026-01-15T08:3{number}:00.000Z"} if "created_at" in record else {}
        world.stack.put(record | created | {"record_id": f"scan_{number}"})
    world.stack.put({"record_id": "content_0", "status": "RECOGNIZED"})


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, "32140"),
        ({"status": "RECOGNIZED"}, "10"),
        ({"quality": "low"}, "1"),
        ({"risk": "none"}, "0"),
        ({"reason": "PHOTOCOPY"}, "1"),
        ({"reason": "PROVIDER_QUOTA"}, "3"),
        ({"status": "RECOGNIZED", "risk": "suspected", "quality": "", "reason": "IMAGE_BLURRED"}, "1"),
        ({"status": "REJECTED", "quality": "low"}, ""),
    ],
)
def test_earlier_scans_are_filtered_newest_first(world: World, wanted: dict[str, str], found: str) -> None:
    put_scans(world)
    answer = world.get("/api/scans", **wanted)
    assert "".join(scan["record_id"][-1] for scan in answer["scans"]) == found
    assert (answer["found"], answer["all"]) == (len(found), 5)


def test_a_list_holds_nothing_of_what_was_read_and_is_not_endless(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_scans(world)
    told = json.dumps(world.get("/api/scans"), ensure_ascii=False)
    for secret in (*map(str, RECORDS["RECOGNIZED"]["card"].values()), RECORDS["RECOGNIZED"]["key"]):
        if len(secret) > 3:
            assert secret not in told.replace(RECORDS["RECOGNIZED"]["record_id"], "")
    monkeypatch.setattr(archive, "LONGEST_LIST", 3)
    answer = world.get("/api/scans")
    assert (len(answer["scans"]), answer["found"]) == (3, 5)


# ── whom it refuses ──────────────────────────────────────────────────────────────────────────────────────────────────

NAVIGATION = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
FOREIGN = "http://example.com"


@pytest.mark.parametrize(
    ("method", "path", "headers", "error"),
    [
        ("GET", "/", {"Host": "example.com:4580"}, "foreign_host"),
        ("GET", "/", {"Host": "127.0.0.1"}, "foreign_host"),
        ("GET", "/", {"Host": "127.0.0.1:80"}, "foreign_host"),
        ("GET", "/", {"Host": "127.0.0.1:4580.example.com"}, "foreign_host"),
        ("GET", "/api/scans", {"Origin": FOREIGN}, "foreign_origin"),
        ("GET", "/api/scans", {"Origin": "null"}, "foreign_origin"),
        ("GET", "/api/scans", {"Sec-Fetch-Site": "cross-site"}, "foreign_origin"),
        ("GET", "/api/scans", {"Sec-Fetch-Site": "same-site"}, "foreign_origin"),
        ("GET", "/api/scans", NAVIGATION, "foreign_origin"),
        ("GET", "/", NAVIGATION | {"Sec-Fetch-Dest": "iframe"}, "foreign_origin"),
        ("POST", "/api/scans?reader=cn/", {}, "foreign_origin"),
        ("POST", "/api/scans?reader=cn/", {"Origin": FOREIGN}, "foreign_origin"),
        ("POST", "/api/scans?reader=cn/", {"Origin": "http://127.0.0.1:8000"}, "foreign_origin"),
        ("POST", "/api/scans?reader=cn/", {"Origin": "https://127.0.0.1:4580"}, "foreign_origin"),
        ("POST", "/api/scans?reader=cn/", {"Origin": ADDRESS} | NAVIGATION, "foreign_origin"),
        ("DELETE", "/api/faults", {}, "foreign_origin"),
    ],
)
def test_other_pages_are_refused(method: str, path: str, headers: dict[str, str], error: str) -> None:
    answer = Client(Guard(Response("identity data"))).request(method, path, headers=headers, content=b"x")
    assert (answer.status_code, answer.json()) == (403, {"error": error})
    assert answer.headers.items() >= {name.lower(): value for name, value in HEADERS.items()}.items()


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/", {}),
        ("GET", "/", NAVIGATION),
        ("GET", "/", {"Host": "localhost:4580", "Sec-Fetch-Site": "none"}),
        ("GET", "/lightbox.js", {"Sec-Fetch-Site": "same-origin"}),
        ("GET", "/api/scans", {"Sec-Fetch-Site": "same-origin"}),
        ("POST", "/api/scans?reader=cn/", {"Origin": ADDRESS, "Sec-Fetch-Site": "same-origin"}),
        ("POST", "/api/scans?reader=cn/", {"Host": "localhost:4580", "Origin": "http://localhost:4580"}),
        ("DELETE", "/api/faults", {"Origin": ADDRESS}),
    ],
)
def test_the_page_itself_is_answered_and_kept_to_itself(method: str, path: str, headers: dict[str, str]) -> None:
    answer = Client(Guard(Response("identity data"))).request(method, path, headers=headers, content=b"x")
    assert answer.text == "identity data"
    assert answer.headers.items() >= {name.lower(): value for name, value in HEADERS.items()}.items()
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/", "/lightbox.js", "/api/texts/zh", "/nothing"])
def test_the_application_is_guarded(path: str) -> None:
    application = Lightbox(Archive(NO_STACK, Queue()), Misbehaviour(), ROUTES).app  # type: ignore[arg-type]
    answer = Client(application).get(path)
    assert answer.headers.items() >= {name.lower(): value for name, value in HEADERS.items()}.items()
    assert Client(application).get(path, headers={"Host": "example.com"}).status_code == 403


@pytest.mark.parametrize("path", ["/../app.py", "/..%2fapp.py", "/texts/zh.json", "/api/texts/fr", "/api/nothing"])
def test_nothing_else_is_served(path: str) -> None:
    application = Lightbox(Archive(NO_STACK, Queue()), Misbehaviour(), ROUTES).app  # type: ignore[arg-type]
    assert Client(application).get(path).status_code == 404


def test_trouble_is_told_in_a_word_and_logged_nowhere(
    world: World, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    secret = "999999199001010011"
    with serving(world.app) as address, httpx.Client(base_url=address, headers={"Origin": address}) as client:
        assert address.startswith("http://127.0.0.1:")
        refused = client.get("/api/scans/scan_" + secret)
        world.stack.client("dynamodb").delete_table(TableName=world.stack.outputs.cards_table)
        without_table = client.get("/api/scans/scan_" + secret)
        world.queue.arrived = [{"detail": {"data": secret}}]
        # something that nobody has foreseen
        world.sandbox.orders = secret  # type: ignore[assignment]
        unforeseen = client.delete("/api/faults")
    assert (refused.status_code, refused.json()) == (404, {"error": "unknown_scan"})
    assert (without_table.status_code, without_table.json()) == (502, {"error": "no_answer"})
    assert unforeseen.status_code == 500
    assert secret not in unforeseen.text
    assert caplog.text == ""
    assert capfd.readouterr() == ("", "")


def test_make_up_says_where_it_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(background, "attach", lambda: NO_STACK)
    monkeypatch.setattr(background, "lightbox_address", lambda: ADDRESS)
    assert own.up(Terminal(), Choice.of(None)) == 0
    assert f"\n    {ADDRESS}\n" in capsys.readouterr().out
