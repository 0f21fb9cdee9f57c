"""The CTYun twin over HTTP: signatures, every documented code, the documented answer, and the vendor's own sample."""

import base64
import hashlib
import io
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
import requests
from PIL import Image

from cardintake.images import FittedImage
from cardintake.providers.ctyun import CTYun, eop_signature, eop_text
from cardintake.providers.errors import ImageRefusedError, ProviderError, RequestRefusedError, RetriedOnceError
from cardintake.providers.protocol import Answer, Attempt, Call, Reading
from local.cardprinter import encode, print_card
from local.kinds import Kind
from local.sandbox.app import Sandbox
from local.sandbox.reader import Reader
from local.sandbox.readings import ReadingDesk
from local.sandbox.server import serving
from local.sandbox.twins.ctyun import CtyunTwin

pytestmark = pytest.mark.thorough

KEY, SECRET, SERVICE = "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "testsecret-ctyun-0001", "2f3os7qq79xc"
PATH = "/v1/aiop/api/2f3os7qq79xc/IdentityCard/ocr/v1/idcard.json"
CREDENTIALS = {"base_url": "http://unused", "service_code": SERVICE, "app_key": KEY, "app_secret": SECRET}
DETAIL = ["name", "sex", "nation", "birthday", "idn", "addr", "org", "validperiod"]


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    desk = ReadingDesk(Reader())
    with serving(Sandbox([CtyunTwin.open(CREDENTIALS, desk)], desk).app) as url:
        yield url


def picture(width: int = 200, height: int = 200, file_format: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (200, 210, 220)).save(file, file_format)
    return file.getvalue()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def signed(body: bytes, **changes: str) -> dict[str, str]:
    stamp = changes.get("Timestamp", str(int(time.time() * 1000)))
    sign = hashlib.md5((KEY + SECRET + stamp + PATH).encode() + body).hexdigest()
    return {"Content-Type": "application/json", "AppKey": KEY, "Timestamp": stamp, "Sign": sign} | changes


def post(base_url: str, body: bytes, path: str = PATH, **changes: str) -> httpx.Response:
    return httpx.post(base_url + path, content=body, headers=signed(body, **changes), timeout=60)


def recognise(base_url: str, *pictures: object) -> dict[str, Any]:
    answer = post(base_url, json.dumps({"data": pictures}).encode())
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    content: dict[str, Any] = answer.json()
    return content


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"data": ', 4001),
        (b"\xff\xfe\xfd", 4001),
        (b'["x"]', 4002),
        (b'{"image": []}', 4003),
        (b'{"data": "x"}', 4004),
        (b'{"data": []}', 4005),
        (json.dumps({"data": ["x"] * 51}).encode(), 4006),
    ],
)
def test_request_errors(base_url: str, body: bytes, code: int) -> None:
    answer = post(base_url, body).json()
    assert (answer["code"], answer["message"]) == (code, "error")
    assert answer["details"]


def test_other_content_type_is_4001(base_url: str) -> None:
    assert post(base_url, b'{"data": ["x"]}', **{"Content-Type": "text/plain"}).json()["code"] == 4001


def test_method_is_4012_and_path_4013(base_url: str) -> None:
    assert httpx.get(base_url + PATH).json()["code"] == 4012
    for path in (PATH.replace(SERVICE, "otherservice"), "/v1/aiop/api/", PATH + "/"):
        assert post(base_url, b"{}", path).json() == {
            "code": 4013,
            "message": "error",
            "details": "无效的请求路径,请确保请求路径正确",
        }


JPEG_START = b"\xff\xd8\xff\xe0\x00\x10JFIF"


@pytest.mark.parametrize(
    ("encoded", "code"),
    [
        (b64(JPEG_START), 4007),
        (b64(picture()[:-40]), 4007),
        ("not base64!", 4008),
        ("data:image/png;base64," + b64(picture()), 4008),
        (base64.encodebytes(picture()).decode(), 4008),
        (7, 4008),
        (b64(b"%PDF-1.7"), 4009),
        (b64(picture(file_format="GIF")), 4009),
        (b64(picture() + b"\0" * 10_000_000), 4010),
        (b64(picture(32, 100)), 4011),
        (b64(picture(100, 5000)), 4011),
    ],
)
def test_picture_errors_stand_beside_their_picture(base_url: str, encoded: object, code: int) -> None:
    answer = recognise(base_url, encoded, b64(picture(33, 4999)))
    assert answer["code"] == 0
    assert answer["message"] == {"success": 1, "fail": 1}
    refused, taken = answer["result"]
    assert refused["err_code"] == code
    assert refused["err_msg"]
    assert "err_code" not in taken


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "BMP"])
def test_no_card_is_a_success_without_texts(base_url: str, file_format: str) -> None:
    answer = recognise(base_url, b64(picture(file_format=file_format)))
    assert answer == {
        "code": 0,
        "message": {"success": 1, "fail": 0},
        "result": [
            {
                "note": "",
                "detail": dict.fromkeys(DETAIL, ""),
                "idcard_face": "",
                "demo_image": "demo_image",
                "risk": "",
            }
        ],
    }


def test_fifty_pictures_are_taken(base_url: str) -> None:
    assert recognise(base_url, *[b64(picture())] * 50)["message"] == {"success": 50, "fail": 0}


@pytest.mark.parametrize(
    "changes",
    [
        {"Sign": "0" * 32},
        {"Sign": ""},
        {"AppKey": "another"},
        {"Timestamp": str(int(time.time()))},
        {"Timestamp": str(int(time.time() * 1000) - 3_600_000)},
        {"Timestamp": str(int(time.time() * 1000) + 3_600_000)},
        {"Timestamp": "soon"},
    ],
    ids=["wrong sign", "no sign", "other key", "seconds", "stale", "early", "no number"],
)
def test_wrong_credentials_are_401_in_the_documents_form(base_url: str, changes: dict[str, str]) -> None:
    answer = post(base_url, json.dumps({"data": [b64(picture())]}).encode(), **changes)
    assert answer.status_code == 401
    assert answer.json().keys() == {"code", "message", "details"}
    assert (answer.json()["code"], answer.json()["message"]) == (401, "error")


@pytest.mark.parametrize("stamp", ["1768465800", "17684658000000", "soon"])
def test_a_timestamp_of_another_form_is_told_from_a_stale_one(base_url: str, stamp: str) -> None:
    assert post(base_url, b"{}", Timestamp=stamp).json()["details"] == "timestamp is not 13 digits"
    assert post(base_url, b"{}", Timestamp="1768465800000").json()["details"] == "timestamp is out of the window"


def test_a_body_serialised_again_after_signing_is_refused(base_url: str) -> None:
    request = {"data": [b64(picture())]}
    sent, other = json.dumps(request).encode(), json.dumps(request, separators=(",", ":")).encode()
    assert httpx.post(base_url + PATH, content=other, headers=signed(sent)).status_code == 401
    assert httpx.post(base_url + PATH, content=sent, headers=signed(sent), timeout=60).status_code == 200


def test_the_query_is_not_signed(base_url: str) -> None:
    assert post(base_url, b'{"data": []}', PATH + "?trace=1").json()["code"] == 4005


ONE = b'{"data": ["/9j/4AAQSkZJRgABAQAAAQABAAD/2Q=="]}'
TWO = b'{"data": ["/9j/4AAQSkZJRgABAQAAAQABAAD/2Q==", "iVBORw0KGgo+AAAA/SUhEUg=="]}'


@pytest.mark.parametrize(
    ("body", "stamp", "codes", "right", "wrong"),
    [
        (
            ONE,
            "1768465800000",
            [4007],
            "9f50d2ea5a8b45738b6f7a3260fa3b6e",
            [
                "711535cf8ab7af0dc08d72014773011d",
                "1e0cf602e225f536b873748d4ff2d2c3",
                "78f88e611e4f90852ca311cc0f7f538e",
                "c5af023de483602b683cffdafb537872",
                "9F50D2EA5A8B45738B6F7A3260FA3B6E",
                "53a6f194256a51125e6ae6b6e41ab602",
            ],
        ),
        (
            TWO,
            "1768465800123",
            [4007, 4008],
            "9608efc83a520d5e36b71c8f788d045f",
            [
                "b23bd434e7e321901d71a4f33fa68bd3",
                "cc428c67335bd46d6d27b0d9ff33e9da",
                "dd91eb4083f0d158c6cf1c90bdd6c6a5",
                "3b7f9dac7c2236bf06f4e0bb888cde8d",
                "9608EFC83A520D5E36B71C8F788D045F",
                "ecdfcbb4276bbc7b7e435ff96e871809",
            ],
        ),
    ],
)
def test_known_signatures(body: bytes, stamp: str, codes: list[int], right: str, wrong: list[str]) -> None:
    desk = ReadingDesk(Reader())
    twin = CtyunTwin.open(CREDENTIALS, desk, lambda: 1_768_465_800.0)
    with serving(Sandbox([twin], desk).app) as url:
        taken = post(url, body, Timestamp=stamp, Sign=right)
        assert (taken.status_code, [result["err_code"] for result in taken.json()["result"]]) == (200, codes)
        for sign in wrong:
            assert post(url, body, Timestamp=stamp, Sign=sign).status_code == 401


def test_urlsafe_alphabet_where_the_credentials_say_so(base_url: str) -> None:
    data = picture(file_format="BMP") + b"\xfb\xff\xfe"
    standard, urlsafe = b64(data), base64.urlsafe_b64encode(data).decode()
    assert standard != urlsafe
    assert recognise(base_url, urlsafe)["result"][0]["err_code"] == 4008
    desk = ReadingDesk(Reader())
    with serving(Sandbox([CtyunTwin.open(CREDENTIALS | {"base64_alphabet": "urlsafe"}, desk)], desk).app) as url:
        assert recognise(url, urlsafe)["message"]["success"] == 1
        assert recognise(url, standard)["result"][0]["err_code"] == 4008


# our own module against the twin --------------------------------------------------------------------------------------


def sent(url: str, call: Call) -> Answer:
    answer = httpx.post(call.url, headers=dict(call.headers), content=call.content, timeout=60)
    return Answer(answer.status_code, answer.content, datetime.now(UTC))


def module(url: str, **changes: object) -> CTYun:
    return CTYun.configured(CREDENTIALS | {"base_url": url} | changes, allow_http=True)


def fitted(data: bytes) -> FittedImage:
    return FittedImage(data, "PNG", 200, 200)


@pytest.mark.thorough
def test_our_list_of_fifty_and_the_twins_refusal_of_fifty_one(base_url: str) -> None:
    provider = module(base_url)
    call = provider.call_for([fitted(picture(200, 100 + n)) for n in range(50)], Attempt(datetime.now(UTC)))
    outcomes = provider.read_all(sent(base_url, call), 50)
    assert [isinstance(outcome, Reading) and outcome.cards for outcome in outcomes] == [()] * 50
    body = json.dumps({"data": [b64(picture())] * 51}).encode()
    one_more = sent(base_url, Call(base_url + PATH, signed(body), body))
    refused = provider.read_all(one_more, 51)
    assert [(type(outcome), outcome.code) for outcome in refused if isinstance(outcome, ProviderError)] == [
        (RequestRefusedError, "4006")
    ] * 51


def test_our_list_with_failures_among_it_keeps_its_order(base_url: str) -> None:
    provider = module(base_url)
    datas = [picture()[:-40], picture(), b"%PDF-1.7", picture(32, 100), picture(), picture() + b"\0" * 10_000_000]
    call = provider.call_for([fitted(data) for data in datas], Attempt(datetime.now(UTC)))
    outcomes = provider.read_all(sent(base_url, call), len(datas))
    assert [outcome.code if isinstance(outcome, ProviderError) else "read" for outcome in outcomes] == [
        *("4007", "read", "4009", "4011", "read", "4010")
    ]
    assert [type(outcomes[n]) for n in (0, 2, 3, 5)] == [RetriedOnceError, *[ImageRefusedError] * 3]


@pytest.mark.ocr
def test_our_list_of_cards_is_read_in_its_order_and_faces_are_kept_when_asked_for(base_url: str) -> None:
    cards = [print_card("cn_portrait", 16), print_card("cn_emblem", 17), print_card("cn_portrait", 18)]
    for keep_face in (False, True):
        provider = module(base_url, keep_face=keep_face)
        call = provider.call_for([fitted(encode(card.picture)) for card in cards], Attempt(datetime.now(UTC)))
        readings = [outcome for outcome in provider.read_all(sent(base_url, call), 3) if isinstance(outcome, Reading)]
        assert [reading.cards[0].card.values() for reading in readings] == [card.card for card in cards]
        assert [isinstance(reading.portrait, bytes) for reading in readings] == [keep_face, False, keep_face]


# the newer gateway ----------------------------------------------------------------------------------------------------

NEWER = {name: value for name, value in CREDENTIALS.items() if name != "app_secret"} | {
    "auth_scheme": "eop",
    "access_key": "testaccess-ctyun-0001",
    "secret_key": "testsecretkey-ctyun-0001",
}


@pytest.fixture(scope="module")
def newer_url() -> Iterator[str]:
    desk = ReadingDesk(Reader())
    with serving(Sandbox([CtyunTwin.open(NEWER, desk)], desk).app) as url:
        yield url


def test_our_signature_is_taken_by_the_newer_gateway_and_the_older_one_is_not(base_url: str, newer_url: str) -> None:
    provider = CTYun.configured(NEWER | {"base_url": newer_url}, allow_http=True)
    call = provider.call_for([fitted(picture())], Attempt(datetime.now(UTC)))
    (outcome,) = provider.read_all(sent(newer_url, call), 1)
    assert isinstance(outcome, Reading)
    assert post(newer_url, b'{"data": []}').status_code == 401
    assert httpx.post(base_url + PATH, content=call.content, headers=dict(call.headers)).status_code == 401


def eop_headers(body: bytes, **changes: str) -> dict[str, str]:
    """Signed, with the changes among what is signed; changes of other headers come after the signing."""
    now = datetime.now(UTC) + timedelta(hours=8)
    signed_headers = {"appkey": KEY, "ctyun-eop-request-id": str(UUID(int=5, version=4))}
    signed_headers["eop-date"] = f"{now:%Y%m%dT%H%M%SZ}"
    signed_headers |= {name: value for name, value in changes.items() if name in signed_headers}
    text = eop_text(signed_headers, "", body)
    signature = eop_signature("testaccess-ctyun-0001", NEWER["secret_key"], signed_headers["eop-date"], text)
    authorization = f"testaccess-ctyun-0001 Headers=eop-date;appkey;ctyun-eop-request-id Signature={signature}"
    return signed_headers | {"Content-Type": "application/json", "Eop-Authorization": authorization} | changes


EMPTY = b'{"data": []}'


def test_the_order_in_which_signed_headers_are_named_does_not_matter(newer_url: str) -> None:
    answer = httpx.post(newer_url + PATH, content=EMPTY, headers=eop_headers(EMPTY))
    assert (answer.status_code, answer.json()["code"]) == (200, 4005)


NO_SIGNATURE = "A" * 43 + "="


@pytest.mark.parametrize(
    ("changes", "details"),
    [
        ({"appkey": "another"}, "unknown app key"),
        ({"ctyun-eop-request-id": "1"}, "request id is not a UUID"),
        ({"eop-date": "now"}, "eop-date is not YYYYMMDDThhmmssZ"),
        ({"eop-date": "20261315T993000Z"}, "eop-date is not YYYYMMDDThhmmssZ"),
        ({"eop-date": "20260115T163000Z"}, "eop-date is out of the window"),
        ({"Eop-Authorization": "x"}, "unknown access key"),
        ({"Eop-Authorization": f"other Headers=appkey Signature={NO_SIGNATURE}"}, "unknown access key"),
        (
            {"Eop-Authorization": f"testaccess-ctyun-0001 Headers=appkey Signature={NO_SIGNATURE}"},
            "a header that has to be signed is not",
        ),
        (
            {
                "Eop-Authorization": "testaccess-ctyun-0001 Headers=appkey;ctyun-eop-request-id;eop-date "
                f"Signature={NO_SIGNATURE}"
            },
            "signature does not match",
        ),
    ],
)
def test_wrong_credentials_at_the_newer_gateway(newer_url: str, changes: dict[str, str], details: str) -> None:
    answer = httpx.post(newer_url + PATH, content=EMPTY, headers=eop_headers(EMPTY, **changes))
    assert answer.status_code == 401
    assert answer.json() == {"code": 401, "message": "error", "details": details}


def test_the_newer_gateway_checks_the_body_and_keeps_chinas_time(newer_url: str) -> None:
    other_body = httpx.post(newer_url + PATH, content=EMPTY, headers=eop_headers(b'{"data":[]}'))
    assert other_body.json()["details"] == "signature does not match"
    utc = httpx.post(
        newer_url + PATH,
        content=EMPTY,
        headers=eop_headers(EMPTY, **{"eop-date": f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"}),
    )
    assert utc.json()["details"] == "eop-date is out of the window"


@pytest.mark.ocr
def test_a_portrait_side_is_back_and_has_a_face(base_url: str) -> None:
    card = print_card("cn_portrait", 11, birth_date="1990-03-07")
    answer = recognise(base_url, b64(encode(card.picture)))
    (result,) = answer["result"]
    assert (result["note"], result["risk"]) == ("back", "normal")
    assert list(result["detail"]) == DETAIL
    assert {name: result["detail"][name] for name in ("name", "birthday", "idn", "org", "validperiod")} == {
        "name": card.card["name"],
        "birthday": "1990-03-07",
        "idn": card.card["id_number"],
        "org": "",
        "validperiod": "",
    }
    face = Image.open(io.BytesIO(base64.b64decode(result["idcard_face"], validate=True)))
    assert face.height > face.width > 100


@pytest.mark.ocr
@pytest.mark.parametrize(
    ("end", "printed"),
    [({"valid_to": "2044-06-06"}, "2024.06.06-2044.06.06"), ({"long_term": True}, "2024.06.06-长期")],
)
def test_an_emblem_side_is_front_and_has_no_face(base_url: str, end: dict[str, Any], printed: str) -> None:
    card = print_card("cn_emblem", 12, valid_from="2024-06-06", **end)
    (result,) = recognise(base_url, b64(encode(card.picture)))["result"]
    assert (result["note"], result["risk"], result["idcard_face"]) == ("front", "normal", "no face")
    expected = dict.fromkeys(DETAIL, "") | {"org": card.card["issuing_authority"], "validperiod": printed}
    assert result["detail"] == expected


@pytest.mark.ocr
def test_a_grey_copy_is_told(base_url: str) -> None:
    copy = print_card("cn_emblem", 13).picture.convert("L")
    assert recognise(base_url, b64(encode(copy)))["result"][0]["risk"] == "copy"


@pytest.mark.ocr
@pytest.mark.parametrize("kind", ["pe_dni_new_front"])
def test_a_card_of_another_country_is_no_card(base_url: str, kind: Kind) -> None:
    (result,) = recognise(base_url, b64(encode(print_card(kind, 14).picture)))["result"]
    assert (result["note"], set(result["detail"].values())) == ("", {""})


@pytest.mark.ocr
def test_the_vendors_sample_but_for_the_host(base_url: str) -> None:
    def md5(key: str) -> str:
        input_name = hashlib.md5()
        input_name.update(key.encode("utf-8"))
        return input_name.hexdigest()

    card = print_card("cn_portrait", 15)
    img = f"{base64.b64encode(encode(card.picture)).decode()}"
    params = {"data": [img]}
    time_stamp = str(round(time.time() * 1000))
    headers = {
        "content-type": "application/json",
        "Sign": md5(KEY + SECRET + time_stamp + PATH + json.dumps(params)),
        "Timestamp": time_stamp,
        "AppKey": KEY,
    }
    response = requests.post(base_url + PATH, data=json.dumps(params), headers=headers, timeout=60)
    assert response.json()["result"][0]["detail"]["idn"] == card.card["id_number"]
