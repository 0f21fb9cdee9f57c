"""How the twins put readings into their providers' words, and that the sandbox stays responsive and silent."""

import base64
import hashlib
import io
import json
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest
from PIL import Image, ImageDraw

from local.kinds import Kind
from local.sandbox.app import Sandbox
from local.sandbox.ledger import Outcome
from local.sandbox.reader import ReadCard
from local.sandbox.readings import ReadingDesk
from local.sandbox.server import serving
from local.sandbox.twins import AccuAuthTwin, Answer, Call, CredentialsError, CtyunTwin

PATH = "/v1/aiop/api/svc/IdentityCard/ocr/v1/idcard.json"
CTYUN = {"service_code": "svc", "app_key": "key", "app_secret": "secret"}
ACCUAUTH = {"api_id": "id", "api_secret": "secret"}
NOW = 1_768_465_800.0


def striped() -> bytes:
    image = Image.new("RGB", (400, 260), (205, 222, 236))
    for x in range(0, 400, 10):
        ImageDraw.Draw(image).line((x, 0, x, 260), fill=(230, 120, 90), width=4)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


class ScriptedReader:
    """Finds the given cards in every picture."""

    def __init__(self, *cards: tuple[Kind, Mapping[str, str]], before: Callable[[], None] = lambda: None) -> None:
        self._cards = cards
        self._before = before

    def read(self, picture: Image.Image) -> list[ReadCard]:
        self._before()
        return [ReadCard(kind, dict(fields), (0, 0, *picture.size), picture) for kind, fields in self._cards]


def ctyun_call(body: bytes) -> Call:
    stamp = str(int(NOW * 1000))
    sign = hashlib.md5(f"keysecret{stamp}{PATH}".encode() + body).hexdigest()
    headers = {"Content-Type": "application/json", "AppKey": "key", "Timestamp": stamp, "Sign": sign}
    return Call("POST", PATH, httpx.Headers(headers), body)


def ctyun(*cards: tuple[Kind, Mapping[str, str]]) -> Answer:
    twin = CtyunTwin.open(CTYUN, ReadingDesk(ScriptedReader(*cards)), lambda: NOW)
    return twin.answer(ctyun_call(json.dumps({"data": [base64.b64encode(striped()).decode()]}).encode()))


def accuauth(*cards: tuple[Kind, Mapping[str, str]], detect_face: int = 0) -> Answer:
    twin = AccuAuthTwin.open(ACCUAUTH, ReadingDesk(ScriptedReader(*cards)))
    body = json.dumps({"image_base64": base64.b64encode(striped()).decode(), "detect_face": detect_face}).encode()
    headers = {"X-DF-API-ID": "id", "X-DF-API-SECRET": "secret", "Content-Type": "application/json"}
    return twin.answer(Call("POST", "/ocr/idcard", httpx.Headers(headers), body))


def detail(answer: Answer) -> dict[str, str]:
    texts: dict[str, str] = answer.content["result"][0]["detail"]
    return texts


@pytest.mark.parametrize(
    ("printed", "told"),
    [("1990年3月7日", "1990-03-07"), ("1990年12月31日", "1990-12-31"), ("1990年", "1990年"), ("", "")],
)
def test_ctyun_birthday(printed: str, told: str) -> None:
    assert detail(ctyun(("cn_portrait", {"birth": printed})))["birthday"] == told


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        ("2019.06.06-2039.06.06", "2019.06.06-2039.06.06"),
        ("2019.06.06-长期", "2019.06.06-长期"),
        ("2019.06.06", "2019.06.06"),
    ],
)
def test_ctyun_term(printed: str, told: str) -> None:
    assert detail(ctyun(("cn_emblem", {"validity": printed})))["validperiod"] == told


def test_ctyun_texts_that_were_not_read_are_empty() -> None:
    answer = ctyun(("cn_portrait", {"name": "张样例", "ethnicity": "汉"}))
    assert {name: text for name, text in detail(answer).items() if text} == {"name": "张样例", "nation": "汉"}
    assert answer.outcome is Outcome.READ


def test_ctyun_takes_the_portrait_side_of_two() -> None:
    answer = ctyun(("cn_emblem", {"issuing_authority": "x"}), ("cn_portrait", {"name": "y"}))
    assert [result["note"] for result in answer.content["result"]] == ["back"]


def test_ctyun_faces_of_a_portrait_side_and_of_an_emblem_side() -> None:
    (portrait,) = ctyun(("cn_portrait", {"name": "张样例"})).content["result"]
    (emblem,) = ctyun(("cn_emblem", {"issuing_authority": "x"})).content["result"]
    assert base64.b64decode(portrait["idcard_face"], validate=True).startswith(b"\xff\xd8\xff")
    assert emblem["idcard_face"] == "no face"


@pytest.mark.parametrize(
    ("credentials", "named"),
    [
        ({"service_code": "svc", "app_key": "key"}, "ctyun.app_secret"),
        ({"service_code": "svc", "app_key": "key", "auth_scheme": "eop"}, "ctyun.access_key, ctyun.secret_key"),
        (CTYUN | {"auth_scheme": "sha1"}, "ctyun.auth_scheme"),
    ],
)
def test_ctyun_credentials_that_lack_something_are_named(credentials: dict[str, str], named: str) -> None:
    with pytest.raises(CredentialsError, match=rf": {named}$"):
        CtyunTwin.open(credentials, ReadingDesk(ScriptedReader()))


def test_accuauth_tells_every_card_in_the_picture() -> None:
    answer = accuauth(("pe_dni_old_front", {}), ("pe_dni_new_back", {}), ("cn_emblem", {}), detect_face=1)
    assert [(card["card_type"], card["card_side"]) for card in answer.content["results"]] == [
        ("old", "front"),
        ("new", "back"),
    ]
    front, back = answer.content["results"]
    assert len(front["face_region"]) == 4
    assert "face_region" not in back
    assert set(front["card_info"].values()) == {""}


@pytest.mark.parametrize(
    ("printed", "told"),
    [("07 MAR 1991", "07-03-1991"), ("30 DIC 2025", "30-12-2025"), ("07 MXR 1991", ""), ("NO CADUCA", ""), ("", "")],
)
def test_accuauth_numeric_dates(printed: str, told: str) -> None:
    (card,) = accuauth(("pe_foreigner_front", {"expiry_date": printed})).content["results"]
    assert (card["card_info"]["expiry_date"], card["card_info"]["expiry_date_s"]) == (printed, told)


@pytest.mark.parametrize(("printed", "told"), [("FEMENINO", "F"), ("M", "M"), ("?", ""), ("", "")])
def test_accuauth_sex_letter(printed: str, told: str) -> None:
    (card,) = accuauth(("pe_dni_new_front", {"sex": printed})).content["results"]
    assert (card["card_info"]["gender"], card["card_info"]["gender_s"]) == (printed, told)


def ctyun_request(url: str) -> httpx.Request:
    call = ctyun_call(json.dumps({"data": [base64.b64encode(striped()).decode()]}).encode())
    return httpx.Request("POST", url + PATH, headers=dict(call.headers), content=call.body)


def test_the_sandbox_answers_others_while_it_reads() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert go_on.wait(30)

    desk = ReadingDesk(ScriptedReader(("cn_emblem", {}), before=wait))
    answers: list[httpx.Response] = []

    def call(url: str) -> None:
        with httpx.Client(timeout=30) as client:
            answers.append(client.send(ctyun_request(url)))

    with serving(Sandbox([CtyunTwin.open(CTYUN, desk, lambda: NOW)], desk).app) as url:
        callers = [threading.Thread(target=call, args=(url,)) for _ in range(8)]
        try:
            for caller in callers:
                caller.start()
            assert begun.wait(30)
            assert httpx.get(url + "/_sandbox/health").status_code == 200
            assert httpx.post(url + PATH, content=b"{}").status_code == 401
            assert answers == []
        finally:
            go_on.set()
            for caller in callers:
                caller.join(30)
    assert [answer.json()["result"][0]["note"] for answer in answers] == ["front"] * 8
    assert desk.counts() == {"read": 1, "remembered": 7}


@pytest.mark.parametrize("provider", ["ctyun", "accuauth"])
def test_a_failing_engine_is_the_providers_own_server_error(provider: str, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise RuntimeError("张样例 993898197408223893")

    desk = ReadingDesk(ScriptedReader(before=fail))
    twins: list[Any] = [CtyunTwin.open(CTYUN, desk, lambda: NOW), AccuAuthTwin.open(ACCUAUTH, desk)]
    with caplog.at_level(logging.DEBUG), serving(Sandbox(twins, desk).app) as url, httpx.Client() as client:
        if provider == "ctyun":
            answer = client.send(ctyun_request(url))
            assert (answer.status_code, answer.json()["code"]) == (500, 5000)
        else:
            headers = {"X-DF-API-ID": "id", "X-DF-API-SECRET": "secret"}
            answer = client.post(url + "/ocr/idcard", headers=headers, files={"file": striped()})
            assert (answer.status_code, answer.json()["status"]) == (500, "INTERNAL_ERROR")
        assert client.get(url + "/_sandbox/calls").json()["providers"][provider]["billable"] == 0
    ours = [record for record in caplog.records if record.name.startswith("local.")]
    assert [record.getMessage() for record in ours] == [f"{provider} failed inside: RuntimeError"]
    assert "993898197408223893" not in caplog.text
    assert "张样例" not in answer.text
