"""The AccuAuth twin over HTTP: credentials, every way to send, limits, errors, and the documented answers."""

import base64
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from PIL import Image

from cardintake.images import FittedImage
from cardintake.providers.accuauth import AccuAuth
from cardintake.providers.protocol import Answer, Attempt, Claim, Reading, Region
from local.cardprinter import encode, print_card
from local.kinds import Kind
from local.sandbox.app import Sandbox
from local.sandbox.reader import Reader
from local.sandbox.readings import ReadingDesk
from local.sandbox.server import serving
from local.sandbox.twins.accuauth import AccuAuthTwin

pytestmark = pytest.mark.thorough

HEADERS = {"X-DF-API-ID": "df-id-example", "X-DF-API-SECRET": "df-secret-example"}
CREDENTIALS = {"base_url": "http://unused", "api_id": "df-id-example", "api_secret": "df-secret-example"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    desk = ReadingDesk(Reader())
    with serving(Sandbox([AccuAuthTwin.open(CREDENTIALS, desk)], desk).app) as base_url:
        yield base_url + "/ocr/idcard"


def picture(width: int = 200, height: int = 200, file_format: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (200, 210, 220)).save(file, file_format)
    return file.getvalue()


def send(url: str, data: bytes, **fields: str) -> httpx.Response:
    return httpx.post(url, files={"file": ("scan.jpg", data)}, data=fields, headers=HEADERS, timeout=60)


def assert_error(answer: httpx.Response, http_status: int, status: str, reason: str | None = None) -> None:
    content = answer.json()
    assert (answer.status_code, content["status"]) == (http_status, status)
    assert content.keys() == {"status", "reason", "request_id"}
    assert re.fullmatch("TID[0-9a-f]{32}", content["request_id"])
    assert content["reason"] == reason if reason else content["reason"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        HEADERS | {"X-DF-API-ID": "another"},
        HEADERS | {"X-DF-API-SECRET": "another"},
        {"X-DF-API-ID": "df-id-example"},
        {"X-DF-API-ID": "df-secret-example", "X-DF-API-SECRET": "df-id-example"},
    ],
)
def test_wrong_credentials(url: str, headers: dict[str, str]) -> None:
    assert_error(httpx.post(url, files={"file": picture()}, headers=headers), 401, "UNAUTHORIZED")


def test_other_paths_and_methods(url: str) -> None:
    for path in (url + "s", url + "/", url.removesuffix("/idcard"), url.replace("idcard", "passport")):
        assert_error(httpx.post(path, files={"file": picture()}, headers=HEADERS), 404, "NOT_FOUND")
    assert_error(httpx.get(url, headers=HEADERS), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    "request_body",
    [
        {},
        {"data": {"detect_face": "1"}},
        {"files": {"other": picture()}},
        {"json": {"detect_face": 1}},
        {"data": {"image_base64": ""}},
        {"content": picture(), "headers": HEADERS | {"Content-Type": "image/png"}},
    ],
)
def test_without_a_picture(url: str, request_body: dict[str, Any]) -> None:
    answer = httpx.post(url, **({"headers": HEADERS} | request_body))
    assert_error(answer, 400, "INVALID_ARGUMENT", "must specify 'file' or 'image_base64' argument")


@pytest.mark.parametrize(
    "request_body",
    [
        {"data": {"image_base64": "not base64!"}},
        {"data": {"image_base64": "data:image/png;base64," + base64.b64encode(picture()).decode()}},
        {"data": {"image_base64": "ü"}},
        {"content": b"image_base64=aG+/", "headers": HEADERS | {"Content-Type": "application/x-www-form-urlencoded"}},
        {"json": ["x"]},
        {"content": b"{", "headers": HEADERS | {"Content-Type": "application/json"}},
        {"content": b"--b\r\n", "headers": HEADERS | {"Content-Type": "multipart/form-data"}},
        {"files": {"file": picture()}, "data": {"detect_face": "2"}},
        {"files": {"file": picture()}, "data": {"detect_face": "yes"}},
    ],
)
def test_malformed_requests(url: str, request_body: dict[str, Any]) -> None:
    assert_error(httpx.post(url, **({"headers": HEADERS} | request_body)), 400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        (b"", "INVALID_ARGUMENT", "image format must be JPG or PNG"),
        (b"%PDF-1.7", "INVALID_ARGUMENT", "image format must be JPG or PNG"),
        (picture(file_format="BMP"), "INVALID_ARGUMENT", "image format must be JPG or PNG"),
        (picture() + b"\0" * 5_000_000, "INVALID_ARGUMENT", "image size must not exceed 5MB"),
        (picture(127, 500), "INVALID_ARGUMENT", "image width and height must be between 128 and 6000 pixels"),
        (picture(500, 6001), "INVALID_ARGUMENT", "image width and height must be between 128 and 6000 pixels"),
        (picture()[:-40], "DETECTION_FAILED", "image can not be decoded"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "DETECTION_FAILED", "image can not be decoded"),
    ],
)
def test_refused_pictures(url: str, data: bytes, status: str, reason: str) -> None:
    assert_error(send(url, data), 400, status, reason)


@pytest.mark.parametrize("size", [(128, 128), (6000, 128), (128, 6000)])
def test_the_limits_themselves_are_taken(url: str, size: tuple[int, int]) -> None:
    assert send(url, picture(*size)).json()["status"] == "OK"


def test_every_way_to_send_and_no_card(url: str) -> None:
    data = picture(300, 200, "JPEG")
    text = base64.b64encode(data).decode()
    assert "+" in text or "/" in text  # else the form's percent-encoding is not tried
    ways: list[dict[str, Any]] = [
        {"files": {"file": ("scan.jpg", data, "image/jpeg")}, "data": {"detect_face": "0"}},
        {"files": {"file": ("a.bin", data), "image_base64": (None, "ignored!")}},
        {"files": {"image_base64": (None, text)}},
        {"data": {"image_base64": text, "detect_face": "1"}},
        {"json": {"image_base64": text, "detect_face": 1}},
    ]
    for way in ways:
        answer = httpx.post(url, headers=HEADERS, timeout=60, **way)
        content = answer.json()
        assert answer.status_code == 200
        assert re.fullmatch("TID[0-9a-f]{32}", content.pop("request_id"))
        assert content == {"status": "OK", "results": []}


DATES = {"birth_date": "1991-03-07", "issue_date": "2023-10-11", "expiry_date": "2031-10-11"}
PRINTED = {"birthday": "07/03/1991", "issue_date": "11/10/2023", "expiry_date": "11/10/2031"}
FRONT = ["id_number", "father_name", "mother_name", "name", "gender", "gender_s", "marriage", "birthday", "birth_place"]
ALIEN = [
    *["id_number", "document_number", "surname", "given_name", "gender", "gender_s", "marriage"],
    *["birthday", "birthday_s", "issue_date", "issue_date_s", "expiry_date", "expiry_date_s"],
    *["nationality", "migratory_quality"],
]


@pytest.mark.ocr
@pytest.mark.parametrize(
    ("kind", "overrides", "card_type", "names", "texts"),
    [
        (
            "pe_dni_new_front",
            {**DATES, "sex": "F", "marital_status": "single", "organ_donor": True},
            "new",
            [*FRONT, "issue_date", "expiry_date", "election_number", "organ_donation"],
            {**PRINTED, "gender": "FEMENINO", "gender_s": "F", "marriage": "Soltero", "organ_donation": "SI"},
        ),
        (
            "pe_dni_old_front",
            {**DATES, "sex": "M", "marital_status": "widowed", "registration_date": "2010-01-02"},
            "old",
            [*FRONT, "registration_date", "issue_date", "expiry_date"],
            {**PRINTED, "gender": "M", "gender_s": "M", "marriage": "V", "registration_date": "02/01/2010"},
        ),
        (
            "pe_foreigner_front",
            {**DATES, "sex": "M", "marital_status": "married"},
            "ALIEN",
            ALIEN,
            {
                "gender": "M",
                "gender_s": "M",
                "marriage": "C",
                "birthday": "07 MAR 1991",
                "birthday_s": "07-03-1991",
                "expiry_date": "11 OCT 2031",
                "expiry_date_s": "11-10-2031",
            },
        ),
    ],
)
def test_fronts(
    url: str, kind: Kind, overrides: dict[str, Any], card_type: str, names: list[str], texts: dict[str, str]
) -> None:
    card = print_card(kind, 21, **overrides)
    answer = send(url, encode(card.picture), detect_face="1").json()
    (result,) = answer["results"]
    assert (answer["status"], result["card_type"], result["card_side"]) == ("OK", card_type, "front")
    assert list(result["card_info"]) == names
    assert {name: result["card_info"][name] for name in texts} == texts
    top_left, top_right, bottom_right, bottom_left = result["face_region"]
    sides = [(top_left[0], bottom_left[0]), (top_right[0], bottom_right[0])]
    edges = [(top_left[1], top_right[1]), (bottom_left[1], bottom_right[1])]
    # the card lies straight in the picture, but for how finely its edges are found
    assert all(abs(one - other) <= 3 for one, other in sides + edges)
    assert top_left[0] + 100 < top_right[0] < card.picture.width / 2
    assert top_left[1] + 100 < bottom_left[1] < card.picture.height
    without = send(url, encode(card.picture)).json()["results"][0]
    assert "face_region" not in without
    assert without["card_info"] == result["card_info"]


def recognised(url: str, data: bytes, **changes: object) -> Reading:
    """By our own module."""
    provider = AccuAuth.configured(
        CREDENTIALS | {"base_url": url.removesuffix("/ocr/idcard")} | changes, allow_http=True
    )
    call = provider.call(FittedImage(data, "JPEG", 200, 200), Claim(), Attempt(datetime.now(UTC)))
    assert call.url == url
    given = httpx.post(call.url, headers=dict(call.headers), content=call.content, timeout=60)
    answer = Answer(given.status_code, given.content, datetime.now(UTC))
    provider.check(answer)
    return provider.read(answer)


@pytest.mark.parametrize("image_parameter", ["file", "image_base64"])
def test_our_module_is_understood_in_both_ways_to_send(url: str, image_parameter: str) -> None:
    for options in ({}, {"detect_face": 0}, {"detect_face": 1}):
        reading = recognised(url, picture(file_format="JPEG"), image_parameter=image_parameter, options=options)
        assert reading.cards == ()
        assert reading.request_id


@pytest.mark.ocr
def test_our_module_finds_the_face_where_it_was_printed(url: str) -> None:
    card = print_card("pe_dni_new_front", 26)
    reading = recognised(url, encode(card.picture), options={"detect_face": 1})
    assert reading.cards[0].card.values() == card.card
    assert isinstance(reading.portrait, Region)
    (left, top), _, (right, bottom), _ = reading.portrait.corners
    assert 0 <= left < right < card.picture.width / 2
    assert 0 <= top < bottom <= card.picture.height
    assert recognised(url, encode(card.picture)).portrait is None


@pytest.mark.ocr
def test_backs(url: str) -> None:
    new = print_card("pe_dni_new_back", 22)
    (result,) = send(url, encode(new.picture), detect_face="1").json()["results"]
    region = "/".join(str(new.card[name]) for name in ("department", "province", "district"))
    assert result == {
        "card_type": "new",
        "card_side": "back",
        "card_info": {"region": region, "address": new.card["address"]},
    }
    old = print_card("pe_dni_old_back", 23, organ_donor=False)
    (result,) = send(url, encode(old.picture)).json()["results"]
    assert result == {
        "card_type": "old",
        "card_side": "back",
        "card_info": {name: old.card[name] for name in ("department", "province", "district", "address")}
        | {"election_number": old.card["election_number"], "organ_donation": "NO"},
    }


@pytest.mark.ocr
def test_the_face_of_a_turned_card_in_the_picture_as_sent(url: str) -> None:
    card = print_card("pe_dni_old_front", 24)
    turned = card.picture.transpose(Image.Transpose.ROTATE_180)
    upright = send(url, encode(card.picture, "PNG"), detect_face="1").json()["results"][0]["face_region"]
    answer = send(url, encode(turned, "PNG"), detect_face="1").json()["results"][0]["face_region"]
    for (x, y), (other_x, other_y) in zip(upright, answer, strict=True):
        assert abs(card.picture.width - x - other_x) < 25
        assert abs(card.picture.height - y - other_y) < 25


@pytest.mark.ocr
def test_a_card_of_another_country_is_no_card(url: str) -> None:
    assert send(url, encode(print_card("cn_emblem", 25).picture)).json()["results"] == []
