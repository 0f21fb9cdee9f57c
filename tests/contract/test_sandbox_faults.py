"""Misbehaviour on request, and the ledger that counts what a client did about it."""

import base64
import hashlib
import io
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from local.sandbox.app import Sandbox
from local.sandbox.reader import Reader
from local.sandbox.readings import ReadingDesk
from local.sandbox.server import serving
from local.sandbox.twins import AccuAuthTwin, CtyunTwin

pytestmark = pytest.mark.thorough

PATH = "/v1/aiop/api/svc/IdentityCard/ocr/v1/idcard.json"
CTYUN = {"service_code": "svc", "app_key": "key", "app_secret": "secret"}
ACCUAUTH = {"api_id": "id", "api_secret": "secret"}


def picture(shade: int = 200) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (150, 150), (shade, 210, 220)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def running() -> Iterator[str]:
    desk = ReadingDesk(Reader())
    with serving(Sandbox([CtyunTwin.open(CTYUN, desk), AccuAuthTwin.open(ACCUAUTH, desk)], desk).app) as url:
        yield url


@pytest.fixture
def base_url(running: str) -> Iterator[str]:
    httpx.delete(running + "/_sandbox/calls")
    yield running
    httpx.delete(running + "/_sandbox/faults")


def ctyun(base_url: str, data: bytes | None = None, timeout: float = 30) -> httpx.Response:
    body = json.dumps({"data": [base64.b64encode(data or picture()).decode()]}).encode()
    stamp = str(int(time.time() * 1000))
    sign = hashlib.md5(f"keysecret{stamp}{PATH}".encode() + body).hexdigest()
    headers = {"Content-Type": "application/json", "AppKey": "key", "Timestamp": stamp, "Sign": sign}
    return httpx.post(base_url + PATH, content=body, headers=headers, timeout=timeout)


def accuauth(base_url: str, data: bytes | None = None) -> httpx.Response:
    headers = {"X-DF-API-ID": "id", "X-DF-API-SECRET": "secret"}
    return httpx.post(base_url + "/ocr/idcard", files={"file": data or picture()}, headers=headers, timeout=30)


CALL = {"ctyun": ctyun, "accuauth": accuauth}


def order(base_url: str, provider: str, fault: str, **more: Any) -> None:
    answer = httpx.post(base_url + "/_sandbox/faults", json={"provider": provider, "fault": fault, **more})
    assert answer.status_code == 200


def account(base_url: str, provider: str) -> dict[str, Any]:
    report: dict[str, Any] = httpx.get(base_url + "/_sandbox/calls").json()["providers"][provider]
    return report


@pytest.mark.parametrize(
    ("fault", "http_status", "code", "outcome"),
    [
        ("throttle", 429, 429, "throttled"),
        ("credentials", 401, 401, "credentials"),
        ("key_expired", 401, 401, "credentials"),
        ("permission", 403, 403, "permission"),
        ("quota", 403, 403, "quota"),
        ("server_error", 500, 5000, "server_error"),
    ],
)
def test_ctyun_refuses_in_its_own_form(base_url: str, fault: str, http_status: int, code: int, outcome: str) -> None:
    order(base_url, "ctyun", fault)
    answer = ctyun(base_url)
    assert (answer.status_code, answer.json()["code"], answer.json()["message"]) == (http_status, code, "error")
    counted = account(base_url, "ctyun")
    assert (counted["received"], counted["billable"], counted["outcomes"]) == (1, 0, {outcome: 1})
    assert counted["faults"] == {fault: 1}
    assert ctyun(base_url).json()["code"] == 0


@pytest.mark.parametrize(
    ("fault", "http_status", "status"),
    [
        ("throttle", 403, "RATE_LIMIT_EXCEEDED"),
        ("credentials", 401, "UNAUTHORIZED"),
        ("key_expired", 401, "KEY_EXPIRED"),
        ("permission", 403, "NO_PERMISSION"),
        ("quota", 403, "OUT_OF_QUOTA"),
        ("server_error", 500, "INTERNAL_ERROR"),
    ],
)
def test_accuauth_refuses_in_its_own_form(base_url: str, fault: str, http_status: int, status: str) -> None:
    order(base_url, "accuauth", fault)
    answer = accuauth(base_url)
    assert (answer.status_code, answer.json()["status"]) == (http_status, status)
    assert answer.json()["reason"]
    assert account(base_url, "accuauth")["billable"] == 0
    assert accuauth(base_url).json()["status"] == "OK"


def test_faults_last_as_often_as_asked_in_order_and_for_one_provider(base_url: str) -> None:
    order(base_url, "ctyun", "throttle", times=2)
    order(base_url, "ctyun", "html_502")
    assert accuauth(base_url).status_code == 200
    assert [ctyun(base_url).status_code for _ in range(4)] == [429, 429, 502, 200]


def test_deleting_the_faults_ends_them(base_url: str) -> None:
    order(base_url, "ctyun", "throttle", times=100)
    assert ctyun(base_url).status_code == 429
    (left,) = httpx.get(base_url + "/_sandbox/faults").json()["pending"]
    assert (left["provider"], left["fault"], left["times"]) == ("ctyun", "throttle", 99)
    assert httpx.delete(base_url + "/_sandbox/faults").status_code == 204
    assert ctyun(base_url).status_code == 200


@pytest.mark.parametrize("provider", ["ctyun", "accuauth"])
def test_gateway_page_and_redirect(base_url: str, provider: str) -> None:
    order(base_url, provider, "html_502")
    page = CALL[provider](base_url)
    assert (page.status_code, page.headers["content-type"].partition(";")[0]) == (502, "text/html")
    order(base_url, provider, "redirect")
    away = CALL[provider](base_url)
    assert (away.status_code, away.headers["location"]) == (307, "/_sandbox/elsewhere")
    counted = account(base_url, provider)
    assert (counted["billable"], counted["outcomes"]) == (0, {"unavailable": 1, "redirected": 1})
    assert httpx.get(base_url + "/_sandbox/calls").json()["redirects_followed"] == 0
    httpx.post(base_url + away.headers["location"])
    assert httpx.get(base_url + "/_sandbox/calls").json()["redirects_followed"] == 1


@pytest.mark.parametrize("provider", ["ctyun", "accuauth"])
def test_cut_and_half_answers_are_billed(base_url: str, provider: str) -> None:
    order(base_url, provider, "cut")
    with pytest.raises(httpx.RemoteProtocolError):
        CALL[provider](base_url)
    order(base_url, provider, "half_json")
    half = CALL[provider](base_url)
    assert half.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        half.json()
    counted = account(base_url, provider)
    assert (counted["received"], counted["billable"]) == (2, 2)


def test_a_stalled_answer_is_billed_although_nobody_waits_for_it(base_url: str) -> None:
    order(base_url, "ctyun", "stall", seconds=1.5)
    with pytest.raises(httpx.ReadTimeout):
        ctyun(base_url, timeout=0.7)
    assert account(base_url, "ctyun")["billable"] == 1
    order(base_url, "ctyun", "stall", seconds=0.5)
    begun = time.monotonic()
    assert ctyun(base_url).json()["code"] == 0
    assert time.monotonic() - begun >= 0.5


def test_a_huge_answer_is_valid_json_at_its_end(base_url: str) -> None:
    order(base_url, "accuauth", "huge", megabytes=3)
    answer = accuauth(base_url)
    assert len(answer.content) > 3_000_000
    assert answer.json()["status"] == "OK"


def test_lies(base_url: str) -> None:
    order(base_url, "ctyun", "lie")
    order(base_url, "accuauth", "lie")
    answer = ctyun(base_url).json()
    assert (answer["code"], answer["message"]) == (0, {"success": 0, "fail": 1})
    assert answer["result"][0]["err_code"] == 4007
    other = accuauth(base_url)
    assert (other.status_code, other.json()["status"]) == (200, "DETECTION_FAILED")
    for provider in CALL:
        assert account(base_url, provider)["outcomes"] == {"image_refused": 1}


@pytest.mark.parametrize(
    "body",
    [
        {"provider": "nobody", "fault": "throttle"},
        {"provider": "ctyun", "fault": "sulk"},
        {"provider": "ctyun", "fault": "stall", "minutes": 1},
        {"provider": "ctyun", "fault": "throttle", "times": 0},
    ],
)
def test_impossible_orders_are_refused(base_url: str, body: dict[str, Any]) -> None:
    assert httpx.post(base_url + "/_sandbox/faults", json=body).status_code == 400
    assert httpx.get(base_url + "/_sandbox/faults").json()["pending"] == []


def test_the_ledger_tells_double_payment(base_url: str) -> None:
    once, twice, bad = picture(90), picture(91), b"GIF89a"
    ctyun(base_url, once)
    ctyun(base_url, twice)
    ctyun(base_url, twice)
    ctyun(base_url, bad)
    httpx.post(base_url + PATH, content=b"{}")
    counted = account(base_url, "ctyun")
    assert (counted["received"], counted["billable"], counted["refused"]) == (5, 4, 2)
    assert counted["outcomes"] == {"no_card": 3, "image_refused": 1, "credentials": 1}
    assert counted["images"] == {
        hashlib.sha256(once).hexdigest(): {"received": 1, "billable": 1},
        hashlib.sha256(twice).hexdigest(): {"received": 2, "billable": 2},
        hashlib.sha256(bad).hexdigest(): {"received": 1, "billable": 1},
    }


def test_the_same_pixels_are_read_once_whoever_sends_them(base_url: str) -> None:
    before = httpx.get(base_url + "/_sandbox/calls").json()["readings"]
    ctyun(base_url, picture(33))
    accuauth(base_url, picture(33))
    after = httpx.get(base_url + "/_sandbox/calls").json()["readings"]
    assert (after["read"] - before["read"], after["remembered"] - before["remembered"]) == (1, 1)


def test_health_and_unknown_paths(base_url: str) -> None:
    health = httpx.get(base_url + "/_sandbox/health").json()
    assert health == {"status": "ready", "providers": ["ctyun", "accuauth"]}
    assert httpx.get(base_url + "/").status_code == 404
    assert httpx.get(base_url + "/_sandbox/nothing").status_code == 404
    assert account(base_url, "ctyun")["received"] == 0
