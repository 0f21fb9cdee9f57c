"""The waiqin365 twin over HTTP: the address, the digest, really read cards, every parameter, and misbehaviour."""

import base64
import hashlib
import io
import itertools
import json
import random
import time
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from PIL import Image, ImageFilter

from local.cardprinter import SPOILS, encode, not_a_card, print_card
from local.sandbox.app import Sandbox
from local.sandbox.reader import Reader
from local.sandbox.readings import ReadingDesk
from local.sandbox.server import serving
from local.sandbox.twins.waiqin365 import Waiqin365Twin

pytestmark = pytest.mark.thorough

OPENID, KEY = "1234567890123456789", "TESTappkey00000018"
CREDENTIALS = {"base_url": "http://unused", "openid": OPENID, "app_key": KEY}
TRANSFERS = itertools.count(3_453_434_212)
SWITCHES = ("quality_detection", "risk_detection", "card_cropping", "photo_detection")
ALL_ON = dict.fromkeys(SWITCHES, "true")


@pytest.fixture(scope="module")
def running() -> Iterator[str]:
    desk = ReadingDesk(Reader())
    with serving(Sandbox([Waiqin365Twin.open(CREDENTIALS, desk)], desk).app) as url:
        yield url


@pytest.fixture
def base_url(running: str) -> Iterator[str]:
    httpx.delete(running + "/_sandbox/calls")
    yield running
    httpx.delete(running + "/_sandbox/faults")


def blank(shade: int = 200) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (60, 40), (shade, 210, 220)).save(file, "PNG")
    return file.getvalue()


def post(base_url: str, body: bytes, **parts: str) -> httpx.Response:
    stamp = datetime.fromtimestamp(time.time(), ZoneInfo("Asia/Shanghai")).strftime("%Y%m%d%H%M%S")
    digest = hashlib.md5(body + f"|{KEY}|{stamp}".encode()).hexdigest()
    path = {"openid": OPENID, "timestamp": stamp, "digest": digest, "msg_id": str(uuid.uuid4())} | parts
    return httpx.post(base_url + "/api/ocr/v1/idcard/" + "/".join(path.values()), content=body, timeout=60)


def request_for(data: bytes, side: str = "front", **members: str) -> bytes:
    encoded = base64.b64encode(data).decode()
    return json.dumps({"transfer_id": next(TRANSFERS), "image": encoded, "ID_card_side": side} | members).encode()


def envelope_of(answer: httpx.Response) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    content: dict[str, Any] = answer.json()
    assert content.keys() == {"return_code", "return_msg", "msg_id", "response_data"}
    return content


def recognise(base_url: str, data: bytes, side: str = "front", **members: str) -> dict[str, Any]:
    content = envelope_of(post(base_url, request_for(data, side, **members)))
    assert content["return_code"] == "0"
    told: dict[str, Any] = json.loads(content["response_data"])
    return told


def words(told: dict[str, Any]) -> dict[str, str]:
    return {label: result["words"] for label, result in told["recognition_results"].items()}


def account(base_url: str) -> dict[str, Any]:
    report: dict[str, Any] = httpx.get(base_url + "/_sandbox/calls").json()["providers"]["waiqin365"]
    return report


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/api/ocr/v1/idcard/{OPENID}/20260115163000/d/m"),
        ("POST", "/api/ocr/v1/idcard"),
        ("POST", f"/api/ocr/v1/idcards/{OPENID}/20260115163000/d/m"),
    ],
)
def test_a_wrong_address_is_told_in_plain_text(base_url: str, method: str, path: str) -> None:
    answer = httpx.request(method, base_url + path)
    assert (answer.status_code, answer.text) == (200, "请求地址不正确或请求方法不存在！")
    assert answer.headers["content-type"] == "text/plain;charset=UTF-8"
    assert account(base_url)["outcomes"] == {"not_found": 1}


def test_the_digest_is_over_the_very_bytes(base_url: str) -> None:
    body = request_for(blank())
    assert envelope_of(post(base_url, body, digest="0" * 32))["return_msg"] == "数据校验码不正确"
    again = json.dumps(json.loads(body), separators=(",", ":")).encode()
    signed = hashlib.md5(again + f"|{KEY}|20260115163000".encode()).hexdigest()
    assert envelope_of(post(base_url, again, digest=signed))["return_code"] == "1"
    assert envelope_of(post(base_url, body))["return_code"] == "0"
    assert account(base_url)["outcomes"] == {"credentials": 2, "no_card": 1}


def test_a_retry_needs_new_ids(base_url: str) -> None:
    body = request_for(blank())
    sent = post(base_url, body, msg_id="first")
    assert (envelope_of(sent)["return_code"], envelope_of(sent)["msg_id"]) == ("0", "first")
    assert envelope_of(post(base_url, body))["return_msg"] == "transfer_id不允许重复"
    assert envelope_of(post(base_url, request_for(blank()), msg_id="first"))["return_msg"] == "msg_id不允许重复"
    assert (account(base_url)["billable"], account(base_url)["refused"]) == (1, 2)


@pytest.mark.parametrize(
    ("fault", "part", "outcome"),
    [
        ("throttle", "频繁", "throttled"),
        ("quota", "余额不足", "quota"),
        ("credentials", "校验码", "credentials"),
        ("key_expired", "过期", "credentials"),
        ("permission", "授权", "permission"),
        ("server_error", "系统繁忙", "server_error"),
    ],
)
def test_refusals_on_request(base_url: str, fault: str, part: str, outcome: str) -> None:
    httpx.post(base_url + "/_sandbox/faults", json={"provider": "waiqin365", "fault": fault})
    body = request_for(blank())
    refused = envelope_of(post(base_url, body))
    assert (refused["return_code"], refused["response_data"]) == ("1", None)
    assert part in refused["return_msg"]
    assert (account(base_url)["outcomes"], account(base_url)["billable"]) == ({outcome: 1}, 0)
    assert envelope_of(post(base_url, body))["return_code"] == "0"


def test_a_lie(base_url: str) -> None:
    httpx.post(base_url + "/_sandbox/faults", json={"provider": "waiqin365", "fault": "lie"})
    told = recognise(base_url, blank(), **ALL_ON)
    assert (told["photo_status"], told["result_num"], told["recognition_results"]) == ("no_IDcard", 0, {})
    assert account(base_url)["outcomes"] == {"image_refused": 1}


@pytest.mark.parametrize("fault", ["half_json", "cut"])
def test_the_ids_of_a_call_whose_answer_was_lost_are_used_up(base_url: str, fault: str) -> None:
    httpx.post(base_url + "/_sandbox/faults", json={"provider": "waiqin365", "fault": fault})
    body = request_for(blank())
    if fault == "cut":
        with pytest.raises(httpx.RemoteProtocolError):
            post(base_url, body)
    else:
        with pytest.raises(json.JSONDecodeError):
            post(base_url, body).json()
    assert "transfer_id" in envelope_of(post(base_url, body))["return_msg"]


@pytest.mark.ocr
def test_a_portrait_side_with_everything(base_url: str) -> None:
    card = print_card("cn_portrait", 31, birth_date="1990-03-07", sex="F")
    data = encode(card.picture)
    told = recognise(base_url, data, **ALL_ON)
    assert words(told) == {
        "住址": card.card["address"],
        "公民身份号码": card.card["id_number"],
        "出生": "19900307",
        "姓名": card.card["name"],
        "性别": "女",
        "民族": card.card["ethnicity"],
    }
    assert (told["photo_status"], told["risk_type"], told["ID_number_type"]) == ("normal", "normal", 1)
    assert (told["direction"], told["result_num"]) == (0, 6)
    assert "edit_tool" not in told
    quality = json.loads(told["card_quality"])
    assert (quality["IsClear"], quality["IsComplete"], quality["IsNoCover"]) == (1, 1, 1)
    assert all(0.5 < quality[f"{name}_propobility"] <= 1 for name in ("IsClear", "IsComplete", "IsNoCover"))

    left, top, right, bottom = card.picture.info["card"]
    whole = told["card_location"]
    assert abs(whole["left"] - left) < 40
    assert abs(whole["top"] - top) < 40
    assert abs(whole["width"] - (right - left)) < 60
    assert abs(whole["height"] - (bottom - top)) < 60
    cut = Image.open(io.BytesIO(base64.b64decode(told["card"], validate=True)))
    assert abs(cut.width / cut.height - 85.6 / 54) < 0.1
    face = Image.open(io.BytesIO(base64.b64decode(told["ID_photo"], validate=True)))
    assert face.height > face.width > 100
    assert told["photo_location"]["left"] > (left + right) / 2

    number = told["recognition_results"]["公民身份号码"]["location"]
    x0, y0, x1, y1 = card.picture.info["key_field"]
    assert abs(number["left"] - x0) < 25
    assert abs(number["top"] - y0) < 25
    assert abs(number["left"] + number["width"] - x1) < 25
    assert abs(number["top"] + number["height"] - y1) < 25

    reversed_side = recognise(base_url, data, "back")
    assert (reversed_side["photo_status"], words(reversed_side)) == ("reversed_side", words(told))
    assert not reversed_side.keys() & {"card_quality", "risk_type", "card", "card_location", "ID_photo"}
    digest = hashlib.sha256(data).hexdigest()
    assert account(base_url)["images"] == {digest: {"received": 2, "billable": 2}}


@pytest.mark.ocr
@pytest.mark.parametrize(("end", "told_end"), [({"valid_to": "2044-06-06"}, "20440606"), ({"long_term": True}, "长期")])
def test_an_emblem_side(base_url: str, end: dict[str, Any], told_end: str) -> None:
    card = print_card("cn_emblem", 32, valid_from="2024-06-06", **end)
    told = recognise(base_url, encode(card.picture), "back", **ALL_ON)
    assert words(told) == {
        "失效日期": told_end,
        "签发机关": card.card["issuing_authority"],
        "签发日期": "20240606",
    }
    assert (told["photo_status"], told["risk_type"], told["result_num"]) == ("normal", "normal", 3)
    assert not told.keys() & {"ID_photo", "photo_location", "ID_number_type"}
    begin, last = (told["recognition_results"][label]["location"] for label in ("签发日期", "失效日期"))
    assert begin["left"] + begin["width"] <= last["left"]
    x0, _, x1, _ = card.picture.info["key_field"]
    assert abs(begin["left"] - x0) < 60
    assert abs(last["left"] + last["width"] - x1) < 40


@pytest.mark.ocr
@pytest.mark.parametrize(("turns", "direction"), [(1, 1), (3, 3)])
def test_direction_of_a_turned_card(base_url: str, turns: int, direction: int) -> None:
    card = print_card("cn_emblem", 33)
    turned = card.picture.rotate(90 * turns, expand=True)
    told = recognise(base_url, encode(turned), "back", card_cropping="true")
    assert told["direction"] == direction
    assert words(told)["签发机关"] == card.card["issuing_authority"]
    assert told["card_location"]["height"] > told["card_location"]["width"]
    cut = Image.open(io.BytesIO(base64.b64decode(told["card"], validate=True)))
    assert cut.width > cut.height


@pytest.mark.ocr
def test_a_card_of_another_country_and_a_picture_of_none(base_url: str) -> None:
    other = recognise(base_url, encode(print_card("pe_dni_new_front", 34).picture), **ALL_ON)
    assert (other["photo_status"], other["risk_type"], other["result_num"]) == ("other_type_card", "unknown", 0)
    none = recognise(base_url, encode(not_a_card(35)), **ALL_ON)
    assert (none["photo_status"], none["direction"], none["ID_number_type"]) == ("no_IDcard", -1, -1)


@pytest.mark.ocr
def test_a_card_blurred_past_reading(base_url: str) -> None:
    told = recognise(base_url, encode(print_card("cn_portrait", 37).picture.filter(ImageFilter.GaussianBlur(12))))
    assert (told["photo_status"], told["result_num"]) == ("blurred", 0)


@pytest.mark.ocr
@pytest.mark.parametrize(
    ("spoil", "status", "risk"),
    [
        ("blur", "blurred", "normal"),
        ("glare", "over_exposure", "normal"),
        ("overexposure", "over_exposure", "normal"),
        ("darkness", "over_dark", "normal"),
        ("photocopy", "normal", "copy"),
        ("screen_recapture", "normal", "screen"),
    ],
)
def test_what_is_wrong_with_a_picture(base_url: str, spoil: str, status: str, risk: str) -> None:
    spoiled = SPOILS[spoil].apply(print_card("cn_portrait", 36).picture, random.Random(36))
    told = recognise(base_url, encode(spoiled), **ALL_ON)
    assert (told["photo_status"], told["risk_type"]) == (status, risk)
