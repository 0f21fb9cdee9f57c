"""The waiqin365 twin: what it refuses, what each parameter adds, and how it puts readings and scores into words."""

import base64
import hashlib
import io
import json
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from PIL import Image

from local.kinds import Kind
from local.sandbox.detectors import Inspection, PictureInspection
from local.sandbox.faults import Fault
from local.sandbox.ledger import CountedImage, Outcome
from local.sandbox.pictures import Picture
from local.sandbox.portrait import Cutting
from local.sandbox.reader import Quad
from local.sandbox.readings import ReadingDesk, SeenCard
from local.sandbox.twins.protocol import Answer, Call, CredentialsError
from local.sandbox.twins.waiqin365 import Waiqin365Twin

OPENID, KEY = "1234567890123456789", "TESTappkey00000018"
CREDENTIALS = {"base_url": "http://unused", "openid": OPENID, "app_key": KEY}
STAMP = "20260115163000"
NOW = 1_768_465_800.0  # the same moment: 08:30 UTC
FAULTLESS, FAULTLESS_PICTURE = Inspection(), PictureInspection()
SWITCHES = ("quality_detection", "risk_detection", "card_cropping", "photo_detection")

PORTRAIT = {
    "name": "张样例",
    "sex": "女",
    "ethnicity": "汉",
    "birth": "1990年3月7日",
    "address": "样例省样例市样例路1号",
    "id_number": "990105199003070221",
}
EMBLEM = {"issuing_authority": "样例市公安局", "validity": "2019.06.06-2039.06.06"}


def square(left: int, top: int, width: int, height: int) -> Quad:
    return (left, top), (left + width, top), (left + width, top + height), (left, top + height)


PLACES = {
    **{name: square(100, 50 + 10 * line, 200, 9) for line, name in enumerate(PORTRAIT)},
    "issuing_authority": square(400, 300, 120, 20),
    "validity": square(400, 340, 210, 20),
}


def seen(
    kind: Kind = "cn_portrait",
    fields: Mapping[str, str] = PORTRAIT,
    inspection: Inspection = FAULTLESS,
    places: Mapping[str, Quad] = PLACES,
    turns: int = 0,
) -> SeenCard:
    portrait = Cutting(b"the face", square(620, 90, 180, 220)) if kind == "cn_portrait" else None
    crop = Cutting(b"the card", ((-5, 20), (860, -3), (862, 540), (-4, 544)))
    return SeenCard(
        kind=kind,
        fields=fields,
        photocopied=False,
        portrait=portrait,
        inspection=inspection,
        crop=crop,
        places=places,
        turns=turns,
    )


class ScriptedReader:
    """Never asked: the desk below answers."""

    def read(self, picture: Image.Image) -> list[Any]:
        raise NotImplementedError


class ScriptedDesk(ReadingDesk):
    """Sees the given cards in every picture that can be decoded."""

    def __init__(self, cards: Iterable[SeenCard] = (), picture: PictureInspection = FAULTLESS_PICTURE) -> None:
        super().__init__(ScriptedReader())
        self._cards = tuple(cards)
        self._inspection = picture

    def read(self, picture: Picture) -> tuple[SeenCard, ...]:
        picture.decode()
        return self._cards

    def inspect(self, picture: Picture) -> PictureInspection:
        return self._inspection


def picture(width: int = 60, height: int = 40, file_format: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (200, 210, 220)).save(file, file_format, **options)
    return file.getvalue()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@dataclass
class Client:
    """Sends what the document asks for, but for what a test changes; every id is new."""

    twin: Waiqin365Twin
    sent: int = 0

    def send(self, body: bytes, **changes: str) -> Answer:
        self.sent += 1
        stamp = changes.get("timestamp", STAMP)
        parts = {
            "openid": OPENID,
            "timestamp": stamp,
            "digest": hashlib.md5(body + f"|{KEY}|{stamp}".encode()).hexdigest(),
            "msg_id": f"6d0f3e1c-5b43-4b5e-9a7e-{self.sent:012}",
        } | changes
        path = "/".join(("/api/ocr/v1/idcard", *parts.values()))
        return self.twin.answer(Call("POST", path, httpx.Headers({"Content-Type": "application/json"}), body))

    def ask(self, without: Iterable[str] = (), **members: Any) -> Answer:
        request = {"transfer_id": self.sent, "image": b64(picture()), "ID_card_side": "front"} | members
        return self.send(json.dumps({name: value for name, value in request.items() if name not in without}).encode())


def client(*cards: SeenCard, whole: PictureInspection = FAULTLESS_PICTURE) -> Client:
    return Client(Waiqin365Twin.open(CREDENTIALS, ScriptedDesk(cards, whole), lambda: NOW))


def data_of(answer: Answer) -> dict[str, Any]:
    assert (answer.status, answer.content["return_code"]) == (200, "0")
    data: dict[str, Any] = json.loads(answer.content["response_data"])
    return data


def told(*cards: SeenCard, whole: PictureInspection = FAULTLESS_PICTURE, **members: Any) -> dict[str, Any]:
    return data_of(client(*cards, whole=whole).ask(**members))


def switched(value: str, *names: str) -> dict[str, Any]:
    return dict.fromkeys(names, value)


def words(data: Mapping[str, Any]) -> dict[str, str]:
    return {label: result["words"] for label, result in data["recognition_results"].items()}


def assert_refused(answer: Answer, outcome: Outcome, *in_message: str) -> None:
    assert answer.status == 200
    assert answer.content.keys() == {"return_code", "return_msg", "msg_id", "response_data"}
    assert (answer.content["return_code"], answer.content["response_data"]) == ("1", None)
    assert all(part in answer.content["return_msg"] for part in in_message)
    assert answer.outcome is outcome


# --- address and credentials


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/api/ocr/v1/idcard/{OPENID}/{STAMP}/d/m"),
        ("PUT", f"/api/ocr/v1/idcard/{OPENID}/{STAMP}/d/m"),
        ("POST", f"/api/ocr/v1/idcard/{OPENID}/{STAMP}/d"),
        ("POST", f"/api/ocr/v1/idcard/{OPENID}/{STAMP}/d/m/more"),
        ("POST", f"/api/ocr/v2/idcard/{OPENID}/{STAMP}/d/m"),
        ("POST", f"/api/ocr/v1/idcard//{STAMP}/d/m"),
        ("POST", "/api/"),
    ],
)
def test_a_wrong_address_or_method_is_told_in_plain_text(method: str, path: str) -> None:
    twin = client().twin
    assert twin.owns(path)
    answer = twin.answer(Call(method, path, httpx.Headers(), b"{}"))
    assert (answer.status, answer.outcome) == (200, Outcome.NOT_FOUND)
    assert answer.body().decode() == "请求地址不正确或请求方法不存在！"
    assert answer.headers == {"Content-Type": "text/plain;charset=UTF-8"}


@pytest.mark.parametrize("path", ["/ocr/idcard", "/v2/p/ocr/id-card", "/apis/x", "/"])
def test_other_providers_paths_are_not_owned(path: str) -> None:
    assert not client().twin.owns(path)


@pytest.mark.parametrize("name", ["openid", "app_key"])
def test_credentials_are_checked_by_name(name: str) -> None:
    with pytest.raises(CredentialsError, match=f"waiqin365.{name}$"):
        Waiqin365Twin.open({**CREDENTIALS, name: ""}, ScriptedDesk())


PUBLISHED = '{"org_id":"ORG001","org_name":"南京掌控网络","org_parent_id":"","org_sequence":001}'
COMPACT = (
    '{"transfer_id":3453434212,"image":"/9j/4AAQSkZJRgABAQAAAQABAAD/2Q==","ID_card_side":"front",'
    '"quality_detection":"true","risk_detection":"true","card_cropping":"false","photo_detection":"false"}'
)


@pytest.mark.parametrize(
    ("openid", "app_key", "timestamp", "now", "body", "right", "wrong", "refusal"),
    [
        (
            "5465103569540931532",
            "BFCO0PAgIUgd50c0l6",
            "20150806142836",
            1_438_842_516.0,
            PUBLISHED,
            "74267bf0cae0998a719879ec9b3c7780",
            [
                "44ceaec1da8ee0035a945059ffe1ed9f",
                "b9e43964a4cbeb33707fab979e806546",
                "c28e126e0a0e8c2225d6bd95f2466c138feef9d77a535d94e34c16175cc59c02",
                "74267BF0CAE0998A719879EC9B3C7780",
            ],
            "JSON",
        ),
        (
            OPENID,
            KEY,
            STAMP,
            NOW,
            COMPACT,
            "0105afa26068c601833f77008e79217b",
            [
                "df8fdb7e4ddb449b9bd5d56963b8d56a",
                "4d23953672ec192eb047386b371bdb92",
                "dc90ff4379d3c6125889159c8d9644f47d9940a40aa42508daa8a4a2b7ee400f",
                "0105AFA26068C601833F77008E79217B",
            ],
            "图片已损坏",
        ),
    ],
    ids=["published", "compact"],
)
def test_known_digests(
    openid: str, app_key: str, timestamp: str, now: float, body: str, right: str, wrong: list[str], refusal: str
) -> None:
    twin = Waiqin365Twin.open({"openid": openid, "app_key": app_key}, ScriptedDesk(), lambda: now)
    for digest in wrong:
        answer = Client(twin).send(body.encode(), openid=openid, timestamp=timestamp, digest=digest)
        assert_refused(answer, Outcome.CREDENTIALS, "校验码")
    answer = Client(twin).send(body.encode(), openid=openid, timestamp=timestamp, digest=right)
    assert refusal in answer.content["return_msg"]


def test_a_body_serialised_again_after_signing_is_refused() -> None:
    request = {"transfer_id": 1, "image": b64(picture()), "ID_card_side": "front"}
    sent, other = json.dumps(request).encode(), json.dumps(request, separators=(",", ":")).encode()
    digest = hashlib.md5(other + f"|{KEY}|{STAMP}".encode()).hexdigest()
    assert_refused(client().send(sent, digest=digest), Outcome.CREDENTIALS, "校验码")
    assert client().send(other, digest=digest).content["return_code"] == "0"


def test_another_openid_is_unknown() -> None:
    assert_refused(client().send(b"{}", openid="9" * 19), Outcome.CREDENTIALS, "openid")


@pytest.mark.parametrize(
    "timestamp",
    [
        "1768465800",
        "1768465800000",
        "2026-01-15 16:30",
        "20260115T16300",
        "20261315163000",
        "２０２６０１１５１６３０００",
    ],
)
def test_a_timestamp_of_another_form(timestamp: str) -> None:
    answer = client().send(b"{}", timestamp=timestamp)
    assert_refused(answer, Outcome.CREDENTIALS, "timestamp格式")


@pytest.mark.parametrize("timestamp", ["20260115161500", "20260115163000", "20260115164500"])
def test_fifteen_minutes_either_way_are_taken(timestamp: str) -> None:
    assert "transfer_id" in client().send(b"{}", timestamp=timestamp).content["return_msg"]


@pytest.mark.parametrize("timestamp", ["20260115161459", "20260115164501", "20260115083000", "20250115163000"])
def test_a_timestamp_too_far_off_or_in_utc(timestamp: str) -> None:
    assert_refused(client().send(b"{}", timestamp=timestamp), Outcome.CREDENTIALS, "timestamp不在有效时间范围内")


def test_the_parts_of_the_path_may_be_percent_encoded() -> None:
    answer = client().send(b"{}", msg_id="a%2Fb")
    assert answer.content["msg_id"] == "a/b"


# --- requests


def test_a_used_msg_id_is_refused() -> None:
    one = client()
    assert data_of(one.ask())
    again = json.dumps({"transfer_id": 77, "image": b64(picture()), "ID_card_side": "front"}).encode()
    assert_refused(one.send(again, msg_id=f"6d0f3e1c-5b43-4b5e-9a7e-{1:012}"), Outcome.MALFORMED, "msg_id", "重复")
    assert one.send(again).content["return_code"] == "0"


def test_a_msg_id_with_a_wrong_digest_is_not_used_up() -> None:
    one = client()
    assert_refused(one.send(b"{}", msg_id="m", digest="0" * 32), Outcome.CREDENTIALS)
    assert "transfer_id" in one.send(b"{}", msg_id="m").content["return_msg"]


def test_a_used_transfer_id_is_refused_whatever_came_of_its_call() -> None:
    one = client()
    assert_refused(one.ask(transfer_id=5, image="?"), Outcome.MALFORMED, "base64")
    assert_refused(one.ask(transfer_id=5), Outcome.MALFORMED, "transfer_id", "重复")
    assert data_of(one.ask(transfer_id=6))["transfer_id"] == "6"


def test_of_equal_transfer_ids_at_the_same_moment_one_is_taken() -> None:
    one = client()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: one.ask(transfer_id=9), range(32)))
    assert sum(answer.content["return_code"] == "0" for answer in answers) == 1


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe\xfd", b"[" * 100_000, b'{"transfer_id": 001}'])
def test_no_json(body: bytes) -> None:
    assert_refused(client().send(body), Outcome.MALFORMED, "JSON")


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"null", b"7"])
def test_no_object(body: bytes) -> None:
    assert_refused(client().send(body), Outcome.MALFORMED, "JSON对象")


@pytest.mark.parametrize("transfer_id", [None, "3453434212", "", -1, 2**64, 10**32, 1.0, True, [1]])
def test_a_transfer_id_is_a_number_of_64_bits(transfer_id: object) -> None:
    assert_refused(client().ask(transfer_id=transfer_id), Outcome.MALFORMED, "transfer_id")


def test_the_largest_transfer_id_comes_back_as_text() -> None:
    assert told(transfer_id=2**64 - 1)["transfer_id"] == "18446744073709551615"


@pytest.mark.parametrize("missing", ["transfer_id", "ID_card_side"])
def test_what_must_be_there(missing: str) -> None:
    assert_refused(client().ask(without=[missing]), Outcome.MALFORMED, missing)


@pytest.mark.parametrize("side", [None, "", "Front", "portrait", True, 1, ["front"], {"front": 1}])
def test_the_side_is_one_of_two(side: object) -> None:
    assert_refused(client().ask(ID_card_side=side), Outcome.MALFORMED, "ID_card_side")


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("value", [True, False, 1, 0, None, "", "True", "yes", ["true"]])
def test_the_switches_are_the_texts_true_and_false(name: str, value: Any) -> None:
    assert_refused(client().ask(**{name: value}), Outcome.MALFORMED, name)


def test_an_unknown_member_is_ignored() -> None:
    assert told(seen(), spam="yes", risk="true")["photo_status"] == "normal"


@pytest.mark.parametrize("image", [{}, {"image": ""}, {"image": None}])
def test_without_an_image(image: dict[str, Any]) -> None:
    assert_refused(client().ask(without=() if image else ["image"], **image), Outcome.MALFORMED, "image和url")


def test_a_url_alone_is_not_fetched_and_beside_an_image_has_no_say() -> None:
    assert_refused(client().ask(without=["image"], url="https://x.example/1.jpg"), Outcome.MALFORMED, "url", "下载")
    assert told(seen(), url="https://x.example/1.jpg")["photo_status"] == "normal"


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (7, "STRING"),
        (["x"], "STRING"),
        ("not base64!", "base64"),
        ("data:image/png;base64," + b64(picture()), "base64"),
        (base64.encodebytes(picture()).decode(), "base64"),
        ("ü", "base64"),
        ("%zz", "base64"),
    ],
)
def test_an_image_is_base64(image: object, message: str) -> None:
    assert_refused(client().ask(image=image), Outcome.MALFORMED, "image", message)


def test_an_image_may_be_percent_encoded_too() -> None:
    data = picture(file_format="BMP") + b"\xfb\xff\xfe"
    encoded = urllib.parse.quote_plus(b64(data))
    assert "%2B" in encoded
    assert "%2F" in encoded
    answer = client().ask(image=encoded)
    assert answer.images == (CountedImage(hashlib.sha256(data).hexdigest(), Outcome.NO_CARD),)


JPEG_START = b"\xff\xd8\xff\xe0\x00\x10JFIF"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"%PDF-1.7", "图片格式"),
        (picture(file_format="GIF"), "图片格式"),
        (picture(file_format="TIFF"), "图片格式"),
        (picture(14, 200), "图片尺寸"),
        (picture(200, 14), "图片尺寸"),
        (picture(8193, 20), "图片尺寸"),
        (picture(20, 8193), "图片尺寸"),
        (JPEG_START, "图片已损坏"),
        (picture()[:-40], "图片已损坏"),
    ],
)
def test_refused_pictures_are_counted(data: bytes, message: str) -> None:
    answer = client().ask(image=b64(data))
    assert_refused(answer, Outcome.IMAGE_REFUSED, message)
    assert answer.images == (CountedImage(hashlib.sha256(data).hexdigest(), Outcome.IMAGE_REFUSED),)


@pytest.mark.parametrize("size", [(15, 15), (8192, 15), (15, 8192)])
@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "BMP"])
def test_the_limits_themselves_are_taken(size: tuple[int, int], file_format: str) -> None:
    assert told(image=b64(picture(*size, file_format)))["photo_status"] == "no_IDcard"


@pytest.mark.parametrize(("filler", "per_three_bytes"), [(b"\0", 4), (b"\xff", 12)], ids=["plain", "slashes"])
def test_eight_megabytes_are_counted_after_both_encodings(filler: bytes, per_three_bytes: int) -> None:
    head = picture()
    head += b"\0" * (-len(head) % 3)
    size = len(urllib.parse.quote_plus(b64(head)))
    room = (8_000_000 - size) // per_three_bytes * 3
    fits, too_large = head + filler * room, head + filler * (room + 3)
    assert len(urllib.parse.quote_plus(b64(fits))) <= 8_000_000 < len(urllib.parse.quote_plus(b64(too_large)))
    assert told(image=b64(fits))["photo_status"] == "no_IDcard"
    assert_refused(client().ask(image=b64(too_large)), Outcome.IMAGE_REFUSED, "大小超过8M")


# --- answers


def test_the_envelope_echoes_the_msg_id_and_holds_the_data_as_text() -> None:
    answer = client(seen()).send(
        json.dumps({"transfer_id": 1, "image": b64(picture()), "ID_card_side": "front"}).encode(), msg_id="mine"
    )
    assert {name: value for name, value in answer.content.items() if name != "response_data"} == {
        "return_code": "0",
        "return_msg": "成功",
        "msg_id": "mine",
    }
    assert isinstance(answer.content["response_data"], str)
    assert json.loads(answer.body()) == answer.content
    digest = hashlib.sha256(picture()).hexdigest()
    assert (answer.outcome, answer.images) == (Outcome.READ, (CountedImage(digest, Outcome.READ),))


def test_a_portrait_side() -> None:
    data = told(seen())
    assert words(data) == {
        "住址": "样例省样例市样例路1号",
        "公民身份号码": "990105199003070221",
        "出生": "19900307",
        "姓名": "张样例",
        "性别": "女",
        "民族": "汉",
    }
    assert data["recognition_results"]["姓名"]["location"] == {"top": 50, "left": 100, "width": 200, "height": 9}
    assert data["recognition_results"]["公民身份号码"]["location"]["top"] == 100
    assert (data["result_num"], data["photo_status"], data["ID_number_type"], data["direction"]) == (6, "normal", 1, 0)
    assert isinstance(data["recognition_id"], int)
    assert data["recognition_id"] > 2**53
    assert data.keys() == {
        *("transfer_id", "recognition_id", "direction", "photo_status", "ID_number_type"),
        *("recognition_results", "result_num"),
    }


@pytest.mark.parametrize(
    ("printed", "end", "second", "width"),
    [("2019.06.06-2039.06.06", "20390606", 510, 100), ("2019.06.06-长期", "长期", 554, 56)],
)
def test_an_emblem_side(printed: str, end: str, second: int, width: int) -> None:
    data = told(seen("cn_emblem", {**EMBLEM, "validity": printed}), ID_card_side="back")
    assert words(data) == {"失效日期": end, "签发机关": "样例市公安局", "签发日期": "20190606"}
    first_day, last_day = (data["recognition_results"][label]["location"] for label in ("签发日期", "失效日期"))
    assert first_day == {"top": 340, "left": 400, "width": second - 410 if end != "长期" else 140, "height": 20}
    assert last_day == {"top": 340, "left": second, "width": width, "height": 20}
    assert (data["result_num"], data["photo_status"]) == (3, "normal")
    assert isinstance(data["recognition_id"], str)
    assert int(data["recognition_id"]) > 2**53
    assert "ID_number_type" not in data


def test_a_line_that_runs_down_the_picture_is_parted_along_its_run() -> None:
    down: Quad = ((320, 400), (320, 610), (300, 610), (300, 400))
    data = told(seen("cn_emblem", EMBLEM, places={"validity": down}), ID_card_side="back")
    assert data["recognition_results"]["签发日期"]["location"] == {"top": 400, "left": 300, "width": 20, "height": 100}
    assert data["recognition_results"]["失效日期"]["location"] == {"top": 510, "left": 300, "width": 20, "height": 100}
    assert "location" not in data["recognition_results"]["签发机关"]


def test_every_recognition_has_an_id_of_its_own() -> None:
    one = client(seen())
    assert len({data_of(one.ask())["recognition_id"] for _ in range(20)}) == 20


@pytest.mark.parametrize("printed", ["2019.06.06", "2019.06.06-2039", ""])
def test_a_term_that_is_none_is_left_out(printed: str) -> None:
    data = told(seen("cn_emblem", {**EMBLEM, "validity": printed}), ID_card_side="back")
    assert (words(data), data["result_num"]) == ({"签发机关": "样例市公安局"}, 1)


def test_what_was_not_read_is_left_out() -> None:
    data = told(seen(fields={"name": "张样例", "birth": "1990年12月31日", "sex": ""}))
    assert (words(data), data["result_num"]) == ({"姓名": "张样例", "出生": "19901231"}, 2)


@pytest.mark.parametrize(("turns", "direction"), [(0, 0), (1, 3), (2, 2), (3, 1)])
def test_direction_is_how_the_card_lies(turns: int, direction: int) -> None:
    assert told(seen(turns=turns))["direction"] == direction


@pytest.mark.parametrize(
    ("changes", "number_type"),
    [
        ({}, 1),
        ({"birth": "1990年3月8日", "sex": "男"}, 2),
        ({"birth": "1991年3月7日"}, 3),
        ({"sex": "男"}, 4),
        ({"birth": "", "sex": ""}, 1),
        ({"birth": "", "sex": "男"}, 4),
        ({"id_number": "99010519900307015X"}, 4),
        ({"id_number": "990105199003070222"}, 0),
        ({"id_number": "990105199002300224"}, 0),
        ({"id_number": "99010519900307022"}, 0),
        ({"id_number": "990105********0221"}, 0),
        ({"id_number": ""}, 0),
        (dict.fromkeys(PORTRAIT, ""), -1),
    ],
)
def test_id_number_type(changes: dict[str, str], number_type: int) -> None:
    fields = PORTRAIT | changes
    data = told(seen(fields=fields))
    assert data["ID_number_type"] == number_type
    assert ("公民身份号码" in data["recognition_results"]) == (number_type > 0)
    assert data["result_num"] == len(data["recognition_results"])


def test_the_numbers_of_the_test_are_what_it_takes_them_for() -> None:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    for number in ("990105199003070221", "99010519900307015X", "990105199002300224"):
        total = sum(int(digit) * weight for digit, weight in zip(number, weights, strict=False))
        assert "10X98765432"[total % 11] == number[17]


@pytest.mark.parametrize(
    ("inspection", "status"),
    [
        (Inspection(), "normal"),
        (Inspection(blur=49, glare=49, overexposure=49, darkness=49), "normal"),
        (Inspection(copy=100, reproduce=100, interim=100, border=100, cover=100), "normal"),
        (Inspection(blur=50), "blurred"),
        (Inspection(glare=50), "over_exposure"),
        (Inspection(overexposure=50), "over_exposure"),
        (Inspection(darkness=50), "over_dark"),
        (Inspection(blur=50, glare=100, darkness=100), "blurred"),
        (Inspection(overexposure=50, darkness=100), "over_exposure"),
    ],
)
def test_photo_status_of_a_card_that_was_read(inspection: Inspection, status: str) -> None:
    data = told(seen(inspection=inspection))
    assert data["photo_status"] == status
    assert data["result_num"] == 6


@pytest.mark.parametrize(
    ("cards", "side", "status", "label"),
    [
        ([seen()], "front", "normal", "姓名"),
        ([seen()], "back", "reversed_side", "姓名"),
        ([seen("cn_emblem", EMBLEM)], "front", "reversed_side", "签发机关"),
        ([seen("cn_emblem", EMBLEM)], "back", "normal", "签发机关"),
        ([seen("cn_emblem", EMBLEM), seen()], "front", "normal", "姓名"),
        ([seen(), seen("cn_emblem", EMBLEM)], "back", "normal", "签发机关"),
        ([seen("pe_dni_new_front", {}), seen()], "front", "normal", "姓名"),
        ([seen(inspection=Inspection(darkness=80))], "back", "over_dark", "姓名"),
    ],
)
def test_photo_status_by_the_side_asked_for(cards: list[SeenCard], side: str, status: str, label: str) -> None:
    data = told(*cards, ID_card_side=side)
    assert data["photo_status"] == status
    assert label in data["recognition_results"]


def test_a_reversed_portrait_side_is_numbered_all_the_same() -> None:
    data = told(seen(), ID_card_side="back")
    assert (data["ID_number_type"], type(data["recognition_id"])) == (1, int)


@pytest.mark.parametrize("kind", ["cn_portrait", "cn_emblem"])
def test_a_card_on_which_nothing_could_be_read_is_unknown(kind: Kind) -> None:
    data = told(seen(kind, {}, Inspection(blur=100)), ID_card_side="front")
    assert (data["photo_status"], data["recognition_results"], data["result_num"]) == ("unknown", {}, 0)


@pytest.mark.parametrize(
    ("cards", "whole", "status"),
    [
        ([], PictureInspection(), "no_IDcard"),
        ([], PictureInspection(blur=79, overexposure=49, darkness=49), "no_IDcard"),
        ([], PictureInspection(blur=80, darkness=100), "blurred"),
        ([], PictureInspection(blur=79, darkness=100), "over_dark"),
        ([], PictureInspection(overexposure=50), "over_exposure"),
        ([], PictureInspection(darkness=50), "over_dark"),
        ([], PictureInspection(other_document=True, darkness=100), "other_type_card"),
        ([seen("pe_dni_old_back", {})], PictureInspection(darkness=100), "other_type_card"),
        ([seen("pe_foreigner_front", {"surname": "ESPÉCIMEN"})], PictureInspection(), "other_type_card"),
    ],
)
@pytest.mark.parametrize("side", ["front", "back"])
def test_photo_status_without_a_card(cards: list[SeenCard], whole: PictureInspection, status: str, side: str) -> None:
    answer = client(*cards, whole=whole).ask(ID_card_side=side, **switched("true", *SWITCHES))
    data = data_of(answer)
    recognition_id = int(data.pop("recognition_id"))
    assert recognition_id > 2**53
    assert data == {
        "transfer_id": "0",
        "direction": -1,
        "photo_status": status,
        "risk_type": "unknown",
        "recognition_results": {},
        "result_num": 0,
    } | ({"ID_number_type": -1} if side == "front" else {})
    assert answer.outcome is Outcome.NO_CARD


# --- parameters


@pytest.mark.parametrize(
    ("switch", "members"),
    [
        ("quality_detection", {"card_quality"}),
        ("risk_detection", {"risk_type"}),
        ("card_cropping", {"card", "card_location"}),
        ("photo_detection", {"ID_photo", "photo_location"}),
    ],
)
def test_each_switch_adds_its_members_and_no_others(switch: str, members: set[str]) -> None:
    without = told(seen())
    assert told(seen(), **switched("false", switch)).keys() == without.keys()
    assert told(seen(), **switched("true", switch)).keys() - without.keys() == members
    others = set(SWITCHES) - {switch}
    assert not told(seen(), **switched("true", *others)).keys() & members


def test_the_face_and_its_place() -> None:
    data = told(seen(), photo_detection="true")
    assert base64.b64decode(data["ID_photo"], validate=True) == b"the face"
    assert data["photo_location"] == {"top": 90, "left": 620, "width": 180, "height": 220}


def test_a_side_without_a_face_has_none() -> None:
    data = told(seen("cn_emblem", EMBLEM), photo_detection="true", ID_card_side="back")
    assert not data.keys() & {"ID_photo", "photo_location"}


def test_the_card_and_its_place_from_the_pictures_corner_on() -> None:
    data = told(seen(), card_cropping="true")
    assert base64.b64decode(data["card"], validate=True) == b"the card"
    assert data["card_location"] == {"top": 0, "left": 0, "width": 862, "height": 544}


@pytest.mark.parametrize(
    ("inspection", "risk"),
    [
        (Inspection(), "normal"),
        (Inspection(copy=49, interim=49, reproduce=49), "normal"),
        (Inspection(blur=100, border=100, cover=100), "normal"),
        (Inspection(copy=50), "copy"),
        (Inspection(interim=50), "temporary"),
        (Inspection(reproduce=50), "screen"),
        (Inspection(copy=60, reproduce=70), "screen"),
        (Inspection(copy=80, interim=70, reproduce=70), "copy"),
        (Inspection(copy=60, interim=100), "temporary"),
    ],
)
def test_risk_type(inspection: Inspection, risk: str) -> None:
    assert told(seen(inspection=inspection), risk_detection="true")["risk_type"] == risk


def edited(save: Callable[[Image.Image, io.BytesIO], None]) -> bytes:
    file = io.BytesIO()
    save(Image.new("RGB", (60, 40), (200, 210, 220)), file)
    return file.getvalue()


def save_with_software(image: Image.Image, file: io.BytesIO) -> None:
    exif = Image.Exif()
    exif[0x0131] = "Adobe Photoshop CS6 (Windows)"
    image.save(file, "JPEG", exif=exif)


@pytest.mark.parametrize("cards", [[seen()], []])
def test_the_editing_software_is_named_where_risks_are_asked_for(cards: list[SeenCard]) -> None:
    image = b64(edited(save_with_software))
    assert "Adobe Photoshop CS6" in told(*cards, image=image, risk_detection="true")["edit_tool"]
    assert "edit_tool" not in told(*cards, image=image, risk_detection="false")
    assert "edit_tool" not in told(*cards, risk_detection="true")


@pytest.mark.parametrize(
    ("inspection", "quality"),
    [
        (Inspection(), (1, 1.0, 1, 1.0, 1, 1.0)),
        (Inspection(blur=100), (0, 0.0, 1, 1.0, 1, 1.0)),
        (Inspection(border=50), (1, 1.0, 0, 0.5, 1, 1.0)),
        (Inspection(cover=49), (1, 1.0, 1, 1.0, 1, 0.51)),
        (Inspection(cover=88, blur=7), (1, 0.93, 1, 1.0, 0, 0.12)),
        (Inspection(glare=100, darkness=100, copy=100), (1, 1.0, 1, 1.0, 1, 1.0)),
    ],
)
def test_card_quality(inspection: Inspection, quality: tuple[float, ...]) -> None:
    text = told(seen(inspection=inspection), quality_detection="true")["card_quality"]
    assert isinstance(text, str)
    names = ("IsClear", "IsClear_propobility", "IsComplete", "IsComplete_propobility")
    assert json.loads(text) == dict(zip((*names, "IsNoCover", "IsNoCover_propobility"), quality, strict=True))


# --- misbehaviour


@pytest.mark.parametrize(
    ("fault", "outcome", "part"),
    [
        (Fault.THROTTLE, Outcome.THROTTLED, "频繁"),
        (Fault.QUOTA, Outcome.QUOTA, "余额不足"),
        (Fault.CREDENTIALS, Outcome.CREDENTIALS, "校验码"),
        (Fault.KEY_EXPIRED, Outcome.CREDENTIALS, "过期"),
        (Fault.PERMISSION, Outcome.PERMISSION, "授权"),
        (Fault.SERVER_ERROR, Outcome.SERVER_ERROR, "系统繁忙"),
    ],
)
def test_refusals_on_request(fault: Fault, outcome: Outcome, part: str) -> None:
    answer = client().twin.refuse(fault)
    assert_refused(answer, outcome, part)
    assert answer.images == ()


def test_there_are_no_words_for_the_other_faults() -> None:
    with pytest.raises(KeyError):
        client().twin.refuse(Fault.CUT)


def test_a_lie_is_a_success_without_a_reading() -> None:
    one = client(seen())
    honest = one.ask(transfer_id=41)
    lie = one.twin.lie(honest)
    data = data_of(lie)
    assert (data.pop("recognition_id"), lie.content["msg_id"]) == (
        data_of(honest)["recognition_id"],
        honest.content["msg_id"],
    )
    assert data == {"transfer_id": "41", "photo_status": "no_IDcard", "recognition_results": {}, "result_num": 0}
    assert lie.outcome is Outcome.IMAGE_REFUSED
    assert [image.outcome for image in lie.images] == [Outcome.IMAGE_REFUSED]


def test_a_lie_about_a_refused_picture_is_a_success_without_data() -> None:
    one = client()
    lie = one.twin.lie(one.ask(image=b64(JPEG_START)))
    assert (lie.content["return_code"], lie.content["response_data"]) == ("0", "")
