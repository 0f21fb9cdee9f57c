"""The ihuyi twin over HTTP: known passwords, both paths, documented answers, the vendor's sample, and our module."""

import base64
import hashlib
import io
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
from PIL import Image

from cardintake.budget import Budget
from cardintake.images import FittedImage
from cardintake.providers.client import ProviderClient
from cardintake.providers.errors import (
    ConfigurationError,
    ImageRefusedError,
    ProviderError,
    QuotaError,
    RetryableError,
    StaleCredentialError,
    ThrottledError,
    UnreadableAnswerError,
)
from cardintake.providers.ihuyi import Ihuyi
from cardintake.providers.protocol import Claim, Reading
from local.cardprinter import encode, not_a_card, print_card
from local.sandbox.app import Sandbox
from local.sandbox.reader import Reader
from local.sandbox.readings import ReadingDesk
from local.sandbox.server import serving
from local.sandbox.twins.accuauth import AccuAuthTwin
from local.sandbox.twins.ihuyi import IhuyiTwin

pytestmark = pytest.mark.thorough

APIID, APIKEY = "C99000001", "ihuyi-key-example"
CREDENTIALS = {"base_url": "http://unused", "account": APIID, "api_key": APIKEY}
ACCUAUTH = {"api_id": "id", "api_secret": "secret"}


@pytest.fixture(scope="module")
def running() -> Iterator[str]:
    desk = ReadingDesk(Reader())
    with serving(Sandbox([IhuyiTwin.open(CREDENTIALS, desk), AccuAuthTwin.open(ACCUAUTH, desk)], desk).app) as url:
        yield url


@pytest.fixture
def base_url(running: str) -> Iterator[str]:
    httpx.delete(running + "/_sandbox/calls")
    yield running
    httpx.delete(running + "/_sandbox/faults")


def picture(width: int = 300, height: int = 300, file_format: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (200, 210, 220)).save(file, file_format)
    return file.getvalue()


def md5(text: str) -> str:
    return hashlib.md5(text.encode("utf-8")).hexdigest()


def submit(base_url: str, data: bytes) -> dict[str, Any]:
    img_base64, stamp = base64.b64encode(data).decode(), str(int(time.time()))
    form = {"account": APIID, "password": md5(APIID + APIKEY + "idcard" + img_base64 + stamp), "app": "idcard",
            "img_base64": img_base64, "time": stamp}  # fmt: skip
    answer = httpx.post(base_url + "/ocr/Submit.json", data=form, timeout=60)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    content: dict[str, Any] = answer.json()
    return content


def left(base_url: str) -> int:
    form = {"account": APIID, "password": APIKEY, "app": "idcard"}
    num: int = httpx.post(base_url + "/ocr/GetNum.json", data=form).json()["num"]
    return num


def account(base_url: str) -> dict[str, Any]:
    report: dict[str, Any] = httpx.get(base_url + "/_sandbox/calls").json()["providers"]["ihuyi"]
    return report


# passwords ------------------------------------------------------------------------------------------------------------

PUBLISHED = {"account": "test", "api_key": "1q784322ba1******"}
URL = "http://www.xx.com/xxx.png"


@pytest.mark.parametrize(
    ("path", "sent", "right", "wrong"),
    [
        (
            "/ocr/Submit.json", {"img_url": URL}, "c6d71dab80e1978f6d195f50aecb3ae6",
            ["d1f9911452992ecd37c8663dee8c3256", "fcd1b5571fbb9ef0018d1fc39f926940", "C6D71DAB80E1978F6D195F50AECB3AE6",
             "8eabdf547e1fb37c03d5dbee4442c538"],
        ),
        (
            "/ocr/GetNum.json", {}, "386bd904266bedef25a913f534c3b363",
            ["0e0d75d867d8d232dbd90d5c3c74caaa", "dec0e311a9e8444c77c3dee7b47c11d6",
             "386BD904266BEDEF25A913F534C3B363"],
        ),
    ],
)  # fmt: skip
def test_known_passwords(path: str, sent: dict[str, str], right: str, wrong: list[str]) -> None:
    desk = ReadingDesk(Reader())
    twin = IhuyiTwin.open(PUBLISHED, desk, lambda: 1_651_544_941.0)
    with serving(Sandbox([twin], desk).app) as url:

        def code(password: str, stamp: str = "1651544941") -> object:
            form = {"account": "test", "password": password, "app": "idcard", "time": stamp} | sent
            return httpx.post(url + path, data=form).json()["code"]

        assert code(right) == (4086 if sent else 2)  # the right password, to an address that nobody fetches
        assert [code(password) for password in wrong] == [40502] * len(wrong)
        in_ms = "2612473605c8430a51f0046f13c8cbb4" if sent else "eec55f4a526389127e286d74c520ff32"
        assert code(in_ms, "1651544941000") == 40502


def test_the_documents_examples_of_failure(base_url: str) -> None:
    wrong = {"account": APIID, "password": "wrong", "app": "idcard"}
    failed = httpx.post(base_url + "/ocr/Submit.json", data=wrong | {"img_base64": "AAAA"})
    assert failed.text == '{"code": 405, "msg": "API ID或API KEY不正确", "ocrid": "0", "content": {}}'
    assert httpx.post(base_url + "/ocr/GetNum.json", data=wrong).json() == {
        "code": 405, "msg": "API ID或API KEY不正确", "num": 0,
    }  # fmt: skip
    counted = account(base_url)
    assert (counted["received"], counted["billable"], counted["outcomes"]) == (2, 0, {"credentials": 2})


# paths ----------------------------------------------------------------------------------------------------------------


def test_the_rest_below_ocr_is_another_providers(base_url: str) -> None:
    headers = {"X-DF-API-ID": "id", "X-DF-API-SECRET": "secret"}
    other = httpx.post(base_url + "/ocr/idcard", files={"file": picture()}, headers=headers, timeout=60)
    assert other.json()["status"] == "OK"
    assert httpx.get(base_url + "/ocr/Submit.json&account=APIID").json()["status"] == "NOT_FOUND"
    assert account(base_url)["received"] == 0


def test_a_picture_is_counted_and_a_balance_query_is_not(base_url: str) -> None:
    before, data = left(base_url), picture()
    for _ in range(2):
        answer = submit(base_url, data)
        assert (answer["code"], answer["content"]) == (2, {})
    counted = account(base_url)
    assert (counted["billable"], counted["outcomes"]) == (2, {"no_card": 2})
    assert counted["images"] == {hashlib.sha256(data).hexdigest(): {"received": 2, "billable": 2}}
    assert left(base_url) == before - 2


def test_by_get_as_the_document_writes_it_but_for_the_question_mark(base_url: str) -> None:
    query = f"account={APIID}&password={APIKEY}&app=idcard"
    assert httpx.get(f"{base_url}/ocr/GetNum.json?{query}").json()["code"] == 2
    by_url = httpx.get(f"{base_url}/ocr/Submit.json?{query}&img_url=http://www.xxxx.com/xxxx.png").json()
    assert by_url == {"code": 4086, "msg": "图片错误", "ocrid": "0", "content": {}}
    small = base64.b64encode(picture()).decode()
    answer = httpx.get(
        base_url + "/ocr/Submit.json",
        params={"account": APIID, "password": APIKEY, "app": "idcard", "img_base64": small},
        timeout=60,
    )
    assert answer.json()["code"] == 2


# readings -------------------------------------------------------------------------------------------------------------


@pytest.mark.ocr
def test_a_portrait_side_is_front(base_url: str) -> None:
    card = print_card("cn_portrait", 31, birth_date="1990-03-07")
    answer = submit(base_url, encode(card.picture))
    assert list(answer) == ["code", "msg", "ocrid", "content"]
    assert (answer["code"], answer["msg"]) == (2, "提交成功")
    assert re.fullmatch(r"[0-9]{17}", answer["ocrid"])
    assert answer["content"] == {
        "type": "front", "name": card.card["name"], "id_number": card.card["id_number"],
        "gender": {"M": "男", "F": "女"}[str(card.card["sex"])], "ethnicity": card.card["ethnicity"],
        "data_of_birth": "1990.03.07", "domicile": card.card["address"],
    }  # fmt: skip


@pytest.mark.ocr
@pytest.mark.parametrize(
    ("end", "printed"),
    [({"valid_to": "2044-06-06"}, "2024.06.06-2044.06.06"), ({"long_term": True}, "2024.06.06-长期")],
)
def test_an_emblem_side_is_back(base_url: str, end: dict[str, Any], printed: str) -> None:
    card = print_card("cn_emblem", 32, valid_from="2024-06-06", **end)
    answer = submit(base_url, encode(card.picture))
    assert answer["content"] == {
        "type": "back", "issue_authority": card.card["issuing_authority"], "valid_period": printed,
    }  # fmt: skip


@pytest.mark.ocr
def test_a_grey_copy_is_a_bad_picture(base_url: str) -> None:
    copy = print_card("cn_emblem", 33).picture.convert("L")
    assert submit(base_url, encode(copy))["code"] == 4086


@pytest.mark.ocr
def test_the_vendors_sample_but_for_the_host(base_url: str) -> None:
    """The document's rule in PHP, with its own names: `md5($account.$apikey.$app.$img_base64.$img_url.$time)`."""
    card = print_card("cn_portrait", 34)
    account, apikey, app = APIID, APIKEY, "idcard"
    img_base64 = base64.b64encode(encode(card.picture)).decode()
    img_url = ""
    now = str(int(time.time()))
    password = md5(account + apikey + app + img_base64 + img_url + now)
    post = {"account": account, "password": password, "app": app, "img_base64": img_base64, "img_url": img_url,
            "time": now}  # fmt: skip
    answer = requests.post(base_url + "/ocr/Submit.json", data=post, timeout=60).json()
    assert answer["content"]["id_number"] == card.card["id_number"]

    password = md5(account + apikey + app + now)
    query = {"account": account, "password": password, "app": app, "time": now}
    balance = requests.post(base_url + "/ocr/GetNum.json", data=query, timeout=60).json()
    assert balance == {"code": 2, "msg": "查询成功", "num": left(base_url)}


# our module -----------------------------------------------------------------------------------------------------------


def ours(base_url: str, **changes: object) -> Ihuyi:
    return Ihuyi.configured(CREDENTIALS | {"base_url": base_url} | changes, allow_http=True)


def recognise(provider: Ihuyi, data: bytes, kind: str = "JPEG") -> Reading:
    client = ProviderClient(sleep=lambda _: None)
    image = FittedImage(data, kind, 0, 0)
    budget = Budget(time.monotonic() + 60)
    return provider.read(client.recognise(provider, lambda attempt: provider.call(image, Claim(), attempt), budget))


def balance(provider: Ihuyi) -> int:
    return ProviderClient(sleep=lambda _: None).balance(provider, Budget(time.monotonic() + 60))


@pytest.mark.ocr
@pytest.mark.parametrize("static", [False, True])
def test_our_module_reads_a_card_and_a_pdf_of_it(base_url: str, static: bool) -> None:
    card = print_card("cn_portrait", 35)
    file = io.BytesIO()
    card.picture.convert("RGB").save(file, "PDF", quality=95)
    before = balance(ours(base_url))
    for data, kind in ((encode(card.picture), "JPEG"), (file.getvalue(), "PDF")):
        reading = recognise(ours(base_url, static_password=static), data, kind)
        assert [side.card.values() for side in reading.cards] == [{"country": "CHN"} | card.card]
        assert re.fullmatch(r"[0-9]{17}", reading.request_id or "")
    assert balance(ours(base_url, static_password=static)) == before - 2


@pytest.mark.ocr
def test_our_module_finds_no_card_and_is_refused_a_grey_one(base_url: str) -> None:
    stray = recognise(ours(base_url), encode(not_a_card(36)))
    assert stray.cards == ()
    assert stray.request_id
    with pytest.raises(ImageRefusedError, match="4086"):
        recognise(ours(base_url), encode(Image.new("L", (300, 300))))


@pytest.mark.parametrize("question", ["recognise", "balance"])
@pytest.mark.parametrize(
    ("fault", "times", "kind"),
    [("throttle", 1, ThrottledError), ("quota", 1, QuotaError), ("credentials", 1, ConfigurationError),
     ("key_expired", 2, StaleCredentialError), ("permission", 1, ConfigurationError),
     ("server_error", 3, RetryableError), ("html_502", 3, RetryableError), ("redirect", 1, ConfigurationError)],
)  # fmt: skip
def test_every_refusal_is_understood(
    base_url: str, fault: str, times: int, kind: type[ProviderError], question: str
) -> None:
    order = {"provider": "ihuyi", "fault": fault, "times": times}
    assert httpx.post(base_url + "/_sandbox/faults", json=order).status_code == 200
    with pytest.raises(ProviderError) as error:
        _ = recognise(ours(base_url), picture()) if question == "recognise" else balance(ours(base_url))
    assert type(error.value) is kind
    assert httpx.get(base_url + "/_sandbox/faults").json() == {"pending": []}
    assert account(base_url)["billable"] == 0


@pytest.mark.parametrize("fault", ["key_expired", "server_error", "lie", "html_502"])
def test_what_passes_is_tried_again(base_url: str, fault: str) -> None:
    httpx.post(base_url + "/_sandbox/faults", json={"provider": "ihuyi", "fault": fault})
    reading = recognise(ours(base_url), picture(), "PNG")
    assert (reading.cards, account(base_url)["received"]) == ((), 2)


def test_a_lie_told_twice_is_a_refused_picture_and_half_an_answer_is_none(base_url: str) -> None:
    httpx.post(base_url + "/_sandbox/faults", json={"provider": "ihuyi", "fault": "lie", "times": 2})
    with pytest.raises(ImageRefusedError):
        recognise(ours(base_url), picture(), "PNG")
    httpx.post(base_url + "/_sandbox/faults", json={"provider": "ihuyi", "fault": "half_json"})
    with pytest.raises(UnreadableAnswerError):
        recognise(ours(base_url), picture(), "PNG")


def test_a_wrong_key_is_configuration_and_an_empty_balance_quota() -> None:
    desk = ReadingDesk(Reader())
    with serving(Sandbox([IhuyiTwin.open(CREDENTIALS | {"balance": 0}, desk)], desk).app) as url:
        assert balance(ours(url)) == 0
        with pytest.raises(QuotaError, match="4051"):
            recognise(ours(url), picture(), "PNG")
        for static, code in ((False, "40502"), (True, "405")):
            with pytest.raises(ConfigurationError, match=code):
                recognise(ours(url, api_key="another", static_password=static), picture(), "PNG")
