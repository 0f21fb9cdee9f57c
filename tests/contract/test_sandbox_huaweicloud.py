"""The Huawei Cloud twin over HTTP: the official SDK, the document's own sample, IAM, and our module against it."""

import base64
import importlib
import io
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import requests
from PIL import Image

from cardintake.budget import Budget
from cardintake.cards.models import ChineseIdEmblem, ChineseIdPortrait
from cardintake.images import fit, probe
from cardintake.providers.client import ProviderClient
from cardintake.providers.errors import ConfigurationError, ImageRefusedError
from cardintake.providers.huaweicloud import HuaweiCloud
from cardintake.providers.protocol import Claim
from local.cardprinter import encode, print_card
from local.sandbox.app import Sandbox
from local.sandbox.reader import Reader
from local.sandbox.readings import ReadingDesk
from local.sandbox.server import serving
from local.sandbox.twins.huaweicloud import HuaweiCloudTwin

# the SDK's own signer asks for the time so
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

ACCESS_KEY, SECRET_KEY, PROJECT = "AKIDEXAMPLE0HWC00001", "SKEXAMPLE0001", "0123456789abcdef0123456789abcdef"
KEY = {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
USER = {"domain": "IAMDomain", "username": "IAMUser", "password": "pass-word-example", "project": "cn-north-4"}
CREDENTIALS = {"base_url": "http://unused", "project_id": PROJECT, "iam_url": "http://unused"} | KEY | USER
DETECTORS = [
    "detect_reproduce",
    "detect_copy",
    "detect_tampering",
    "detect_border_integrity",
    "detect_blocking_within_border",
    "detect_blur",
    "detect_interim",
    "detect_glare",
]


class Clock:
    """The time, and what a test adds to it."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def base_url(clock: Clock) -> Iterator[str]:
    desk = ReadingDesk(Reader())
    with serving(Sandbox([HuaweiCloudTwin.open(CREDENTIALS, desk, clock)], desk).app) as url:
        yield url


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The official SDK, which writes into the user's home when it is imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield importlib.import_module("huaweicloudsdkocr.v1")


@pytest.fixture(autouse=True)
def no_faults(base_url: str, clock: Clock) -> Iterator[None]:
    yield
    clock.ahead = 0.0
    httpx.delete(base_url + "/_sandbox/faults")


def ask_for_token(base_url: str, **user: str) -> httpx.Response:
    named = {"name": USER["username"], "password": USER["password"], "domain": {"name": USER["domain"]}} | user
    identity = {"methods": ["password"], "password": {"user": named}}
    request = {"auth": {"identity": identity, "scope": {"project": {"name": USER["project"]}}}}
    return httpx.post(base_url + "/v3/auth/tokens?nocatalog=true", json=request)


def token(base_url: str) -> str:
    issued = ask_for_token(base_url)
    assert issued.status_code == 201
    return issued.headers["X-Subject-Token"]


def recognise(base_url: str, data: bytes, **members: object) -> httpx.Response:
    body = {"image": base64.b64encode(data).decode()} | members
    headers = {"X-Auth-Token": token(base_url)}
    return httpx.post(f"{base_url}/v2/{PROJECT}/ocr/id-card", json=body, headers=headers, timeout=60)


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (200, 200), (200, 210, 220)).save(file, "PNG")
    return file.getvalue()


def client(sdk: ModuleType, base_url: str, secret_key: str = SECRET_KEY) -> Any:
    credentials = importlib.import_module("huaweicloudsdkcore.auth.credentials")
    own = credentials.BasicCredentials(ACCESS_KEY, secret_key, PROJECT)
    return sdk.OcrClient.new_builder().with_credentials(own).with_endpoint(base_url).build()


def by_the_sdk(sdk: ModuleType, base_url: str, data: bytes, **members: object) -> Any:
    body = sdk.IdCardRequestBody(image=base64.b64encode(data).decode(), **members)
    return client(sdk, base_url).recognize_id_card(sdk.RecognizeIdCardRequest(body=body)).result


@pytest.mark.ocr
def test_the_official_sdk_reads_a_portrait_side(sdk: ModuleType, base_url: str) -> None:
    card = print_card("cn_portrait", 31, birth_date="1990-03-07")
    result = by_the_sdk(sdk, base_url, encode(card.picture))
    assert (result.name, result.number, result.birth) == (card.card["name"], card.card["id_number"], "1990-03-07")
    assert (result.sex, result.ethnicity) == ("男" if card.card["sex"] == "M" else "女", card.card["ethnicity"])
    assert result.address == card.card["address"]
    assert [result.issue, result.verification_result, result.score_info, result.portrait_image] == [None] * 4
    assert [getattr(result, f"{detector}_result") for detector in DETECTORS] == [None] * 8


@pytest.mark.ocr
def test_the_official_sdk_with_everything_on(sdk: ModuleType, base_url: str) -> None:
    card = print_card("cn_portrait", 31, birth_date="1990-03-07")
    data = encode(card.picture)
    on: dict[str, object] = dict.fromkeys(DETECTORS, True)
    on |= {name: True for name in sdk.IdCardRequestBody.openapi_types if name.startswith("return_")}
    result = by_the_sdk(sdk, base_url, data, side="front", **on)
    assert [getattr(result, f"{detector}_result") for detector in DETECTORS] == [False] * 8
    scores = result.score_info.to_dict()
    assert len(scores) == 8
    assert all(type(score) is int and 0 <= score < 50 for score in scores.values())
    assert result.verification_result.to_dict() == {
        "valid_number": True,
        "valid_birth": True,
        "valid_sex": True,
        "valid_date": False,
        "valid_validity_period": False,
    }
    (left, top), (right, _), (_, bottom), _ = result.portrait_location
    face = Image.open(io.BytesIO(base64.b64decode(result.portrait_image)))
    assert abs((right - left) / (bottom - top) - face.width / face.height) < 0.1
    whole = Image.open(io.BytesIO(base64.b64decode(result.adjusted_image)))
    assert 1.4 < whole.width / whole.height < 1.8  # a card is 85.6 mm by 54 mm
    assert {"name", "address", "number"} <= result.text_location.keys() <= {*sdk.IdCardResult.openapi_types}
    key_field = card.picture.info["key_field"]
    (left, top), _, (right, bottom), _ = result.text_location["number"]
    assert abs((left + right) / 2 - (key_field[0] + key_field[2]) / 2) < 0.1 * card.picture.width
    assert abs((top + bottom) / 2 - (key_field[1] + key_field[3]) / 2) < 0.1 * card.picture.height


@pytest.mark.ocr
def test_a_grey_picture_of_the_other_side_alarms_and_both_sides_are_told(sdk: ModuleType, base_url: str) -> None:
    front = print_card("cn_portrait", 32).picture
    back = print_card("cn_emblem", 32, valid_from="2024-06-06", long_term=True).picture.convert("L").convert("RGB")
    both = Image.new("RGB", (max(front.width, back.width), front.height + back.height), (90, 90, 90))
    both.paste(front, (0, 0))
    both.paste(back, (0, front.height))
    on = {"detect_copy": True, "return_verification": True}
    result = by_the_sdk(sdk, base_url, encode(both), side="double_side", **on)
    assert (result.back.valid_from, result.back.valid_to) == ("2024-06-06", "长期")
    assert (result.front.detect_copy_result, result.back.detect_copy_result) == (False, True)
    assert result.back.score_info.copy_score >= 50
    assert result.front.verification_result.valid_number
    assert result.back.verification_result.valid_validity_period
    assert result.name is None


def test_the_official_sdk_understands_the_errors(sdk: ModuleType, base_url: str) -> None:
    exceptions = importlib.import_module("huaweicloudsdkcore.exceptions.exceptions")
    with pytest.raises(exceptions.ClientRequestException) as refused:
        by_the_sdk(sdk, base_url, b"GIF89a")
    assert (refused.value.status_code, refused.value.error_code) == (400, "AIS.0102")
    assert refused.value.error_msg == "The image format is not supported."
    assert refused.value.request_id
    request = sdk.RecognizeIdCardRequest(body=sdk.IdCardRequestBody(image="aGk="))
    with pytest.raises(exceptions.ClientRequestException) as unknown:
        client(sdk, base_url, "another").recognize_id_card(request)
    assert (unknown.value.status_code, unknown.value.error_code) == (401, "APIGW.0301")


@pytest.mark.ocr
def test_the_documents_sample_but_for_host_token_and_file(base_url: str, tmp_path: Path) -> None:
    card = print_card("cn_emblem", 33)
    (tmp_path / "id-card-demo.png").write_bytes(encode(card.picture, "PNG"))

    url = f"{base_url}/v2/{PROJECT}/ocr/id-card"
    token_text = token(base_url)
    headers = {"Content-Type": "application/json", "X-Auth-Token": token_text}
    imagepath = tmp_path / "id-card-demo.png"
    with open(imagepath, "rb") as bin_data:  # noqa: PTH123  as the document writes it
        image_data = bin_data.read()
    image_base64 = base64.b64encode(image_data).decode("utf-8")
    payload = {"image": image_base64}
    response = requests.post(url, headers=headers, json=payload, timeout=60)

    assert response.headers["Content-Type"] == "application/json"
    ends = card.card.get("valid_to", "长期")
    assert response.json() == {
        "result": {
            "issue": card.card["issuing_authority"],
            "valid_from": card.card["valid_from"],
            "valid_to": ends,
        }
    }


def test_nothing_on_the_picture(base_url: str) -> None:
    answer = recognise(base_url, picture())
    assert answer.status_code == 400
    assert answer.json()["error_code"] in {"AIS.0104", "AIS.0105"}
    assert answer.headers["X-Request-Id"]


@pytest.mark.ocr
def test_a_card_of_another_country_is_not_supported(base_url: str) -> None:
    answer = recognise(base_url, encode(print_card("pe_dni_new_front", 34).picture))
    assert (answer.status_code, answer.json()["error_code"]) == (400, "AIS.0104")


def test_tokens_over_http(base_url: str) -> None:
    httpx.delete(base_url + "/_sandbox/calls")
    issued = ask_for_token(base_url)
    assert (issued.status_code, len(issued.headers["X-Subject-Token"]) > 100) == (201, True)
    assert issued.json()["token"]["methods"] == ["password"]
    assert "catalog" not in issued.json()["token"]
    refused = ask_for_token(base_url, password="another")
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, 401)
    account = httpx.get(base_url + "/_sandbox/calls").json()["providers"]["huaweicloud"]
    assert (account["received"], account["billable"], account["refused"]) == (2, 0, 1)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("throttle", 429, "APIG.0308"),
        ("quota", 405, "APIG.0501"),
        ("permission", 400, "ModelArts.4204"),
        ("server_error", 500, "ModelArts.4505"),
        ("lie", 200, "AIS.0105"),
    ],
)
def test_faults(base_url: str, fault: str, status: int, code: str) -> None:
    own = token(base_url)
    httpx.post(base_url + "/_sandbox/faults", json={"provider": "huaweicloud", "fault": fault})
    body = {"image": base64.b64encode(picture()).decode()}
    answer = httpx.post(f"{base_url}/v2/{PROJECT}/ocr/id-card", json=body, headers={"X-Auth-Token": own}, timeout=60)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
    assert ("result" in answer.json()) == (fault == "lie")
    assert answer.headers["X-Request-Id"]


@pytest.mark.parametrize("fault", ["cut", "half_json", "stall"])
def test_headers_come_with_a_broken_answer_too(base_url: str, fault: str) -> None:
    order = {"provider": "huaweicloud", "fault": fault, "seconds": 0.01}
    httpx.post(base_url + "/_sandbox/faults", json=order)
    with httpx.stream("POST", base_url + "/v3/auth/tokens", content=b"{}") as answer:
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/json"
        assert len(answer.headers["X-Request-Id"]) == 32


def configured(base_url: str, **members: object) -> HuaweiCloud:
    secret = {"base_url": base_url, "project_id": PROJECT} | members
    return HuaweiCloud.configured(secret, allow_http=True)


def ours(provider: HuaweiCloud, data: bytes, http: ProviderClient) -> Any:
    image = fit(probe(data), provider.limits)
    budget = Budget(time.monotonic() + 60)
    return provider.read(http.recognise(provider, lambda attempt: provider.call(image, Claim(), attempt), budget))


@pytest.mark.ocr
def test_our_module_with_a_key(base_url: str) -> None:
    card = print_card("cn_portrait", 31, birth_date="1990-03-07")
    provider = configured(base_url, **KEY, options={"return_portrait_image": True, "return_adjusted_image": True})
    reading = ours(provider, encode(card.picture), ProviderClient())
    (found,) = reading.cards
    assert isinstance(found.card, ChineseIdPortrait)
    assert found.card.model_dump(mode="json", exclude_none=True) == card.card
    assert None not in {reading.portrait, reading.card_image, reading.request_id}
    assert reading.signals["verification_result.valid_number"] is True
    assert {name: reading.signals[f"{name}_result"] for name in DETECTORS} == dict.fromkeys(DETECTORS, False)


@pytest.mark.ocr
def test_our_module_with_a_user_renews_an_expired_token(base_url: str, clock: Clock) -> None:
    card = print_card("cn_emblem", 33)
    provider = configured(base_url, **USER, iam_url=base_url)
    http = ProviderClient()
    httpx.delete(base_url + "/_sandbox/calls")
    for ahead in (0.0, 0.0, 25 * 3600.0):
        clock.ahead = ahead
        (found,) = ours(provider, encode(card.picture), http).cards
        assert isinstance(found.card, ChineseIdEmblem)
        assert found.card.issuing_authority == card.card["issuing_authority"]
    account = httpx.get(base_url + "/_sandbox/calls").json()["providers"]["huaweicloud"]
    # three readings, one refusal of the expired token, two tokens
    assert (account["received"], account["billable"], account["outcomes"]["credentials"]) == (6, 3, 1)


def test_our_module_understands_a_refusal_of_the_picture_and_of_the_password(base_url: str) -> None:
    with pytest.raises(ImageRefusedError):
        ours(configured(base_url, **KEY), picture(), ProviderClient(sleep=lambda _seconds: None))
    wrong = USER | {"password": "another"}
    with pytest.raises(ConfigurationError):
        ours(configured(base_url, **wrong, iam_url=base_url), picture(), ProviderClient())
