"""Answers of the five providers with canaries in them: readings, and a refusal of every class that is documented."""

import base64
import io
import json
from collections.abc import Callable, Iterator
from typing import Any, get_args

import httpx
from PIL import Image

from cardintake.providers import REGISTRY
from cardintake.providers.errors import ErrorClass
from cardintake.providers.huaweicloud_errors import ERROR_CLASSES as OF_HUAWEICLOUD
from tests.canaries.texts import (
    ADDRESS,
    AUTHORITY,
    DNI,
    FACE,
    GIVEN_NAMES,
    MATERNAL,
    NAME,
    NUMBER,
    OF_SECRETS,
    PATERNAL,
    TALE,
)
from tests.contract.documented import error_classes
from tests.contract.recorded import recorded

FRONTS = {
    "ctyun": "portrait", "waiqin365": "portrait", "huaweicloud": "portrait", "ihuyi": "front", "accuauth": "new_front",
}  # fmt: skip
BACKS = {"ctyun": "emblem", "waiqin365": "emblem", "huaweicloud": "emblem", "ihuyi": "back", "accuauth": "new_back"}
NO_CARDS = {
    "ctyun": "nothing_read", "waiqin365": "nothing_read", "huaweicloud": "nothing_read", "ihuyi": "no_card",
    "accuauth": "no_card",
}  # fmt: skip
_KEPT = {"keep_face": True}
_OPTIONS: dict[str, dict[str, Any]] = {
    "ctyun": _KEPT, "waiqin365": {"options": {"photo_detection": True, "card_cropping": True}},
    "huaweicloud": {"options": {"return_portrait_image": True}}, "ihuyi": {},
    "accuauth": {"options": {"detect_face": 1}},
}  # fmt: skip
_SECRET = OF_SECRETS[0]
SECRETS: dict[str, dict[str, Any]] = {
    name: {"base_url": f"http://{name}.test", **_OPTIONS[name], **dict.fromkeys(members, _SECRET)}
    for name, members in {
        "ctyun": ("service_code", "app_key", "app_secret"), "waiqin365": ("openid", "app_key"),
        "huaweicloud": ("project_id", "access_key", "secret_key"), "ihuyi": ("account", "api_key"),
        "accuauth": ("api_id", "api_secret"),
    }.items()
}  # fmt: skip

_INVENTED = {
    "张样例": NAME, "990105199003070037": NUMBER, "样例省样例市样例路1号": ADDRESS, "样例市公安局": AUTHORITY,
    "ANA ISABEL": GIVEN_NAMES, "ESPÉCIMEN": PATERNAL, "MUESTRA": MATERNAL, "99000006-4": f"{DNI}-4",
}  # fmt: skip


def _picture(comment: str) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (90, 120), (200, 150, 130)).save(buffer, "JPEG", comment=comment.encode())
    return base64.b64encode(buffer.getvalue()).decode()


_FACE = _picture(FACE)


def reading(provider: str, name: str) -> httpx.Response:
    """A recorded answer with the canaries in place of its people."""
    return _response(_canary(recorded(provider, name)))


def _canary(value: Any) -> Any:
    if isinstance(value, dict):
        return {member: _canary(inner) for member, inner in value.items()}
    if isinstance(value, list):
        return [_canary(inner) for inner in value]
    if not isinstance(value, str):
        return value
    if value.startswith("{"):
        return json.dumps(_canary(json.loads(value)), ensure_ascii=False)
    return _FACE if value.startswith("/9j/") else _INVENTED.get(value, value)


def _response(document: Any, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=document, headers={"X-Request-Id": "r-1", "X-Trace": "x"})


# refusals -------------------------------------------------------------------------------------------------------------

_WORDS_OF_WAIQIN365: dict[ErrorClass, str] = {
    "retryable": "系统繁忙", "throttled": "调用过于频繁", "image": "图片格式错误", "configuration": "",
    "quota": "余额不足", "request": "base64解码失败",
}  # fmt: skip
_REFUSED: dict[str, Callable[[str], Any]] = {
    "ctyun": lambda code: {"code": int(code), "message": TALE, "details": TALE},
    "huaweicloud": lambda code: {"error_code": code, "error_msg": TALE},
    "ihuyi": lambda code: {"code": int(code), "msg": TALE, "ocrid": "0", "content": {}},
    "accuauth": lambda code: {"status": code, "reason": TALE, "request_id": "TID1", "results": []},
    "waiqin365": lambda words: recorded("waiqin365", "call_refused") | {
        "return_code": "1", "return_msg": f"{words} {TALE}",
    },
}  # fmt: skip
# of our own making: no answer says it
OUR_OWN = {"unavailable"}
# the documents of these name no code for it
_UNDOCUMENTED = {("ctyun", "quota")}


def refusals(provider: str) -> dict[ErrorClass, list[httpx.Response]]:
    """Every documented code, by the class of its error; HTTP's own where the document has none for throttling.

    Raises KeyError for a provider that is not known here, and AssertionError for a class that none of its answers has.
    """
    refused = _REFUSED[provider]
    codes = dict(_codes(provider))
    found: dict[ErrorClass, list[httpx.Response]] = {}
    for code, error_class in codes.items():
        found.setdefault(error_class, []).append(_response(refused(code)))
    found.setdefault("throttled", [httpx.Response(429, text=TALE)])
    wanted = {*get_args(ErrorClass.__value__)} - OUR_OWN - {one for of, one in _UNDOCUMENTED if of == provider}
    assert found.keys() == wanted, f"{provider}: {found.keys() ^ wanted}"
    return found


def _codes(provider: str) -> Iterator[tuple[str, ErrorClass]]:
    if provider == "waiqin365":
        yield from ((words, error_class) for error_class, words in _WORDS_OF_WAIQIN365.items())
        return
    for code, kind in (OF_HUAWEICLOUD if provider == "huaweicloud" else error_classes(provider)).items():
        if code.isdigit() or provider in ("huaweicloud", "accuauth"):
            yield code, kind.error_class


def troubles() -> dict[str, httpx.Response | Exception]:
    """What can go wrong with a call whoever answers it: the transport, and what is no answer."""
    half = f'{{"code": 0, "result": [{{"name": "{NAME}", "text": {json.dumps(TALE)}'
    return {
        "ReadTimeout": httpx.ReadTimeout(TALE),
        "ConnectError": httpx.ConnectError(TALE),
        "RemoteProtocolError": httpx.RemoteProtocolError(TALE),
        "half": httpx.Response(200, text=half),
        "no JSON": httpx.Response(200, text=TALE),
        "another shape": httpx.Response(200, json={"text": TALE, "code": TALE, "status": TALE, "error_code": TALE}),
        "other codes": httpx.Response(200, json={"return_code": TALE, "return_msg": TALE, "message": [TALE]}),
        "gateway": httpx.Response(502, text=f"<html>{TALE}</html>"),
        "refused": httpx.Response(403, json={"reason": TALE, "error": {"code": TALE, "message": TALE}}),
        "redirect": httpx.Response(302, headers={"Location": f"http://x.test/{NUMBER}"}),
        "bytes": httpx.Response(200, content=b'{"a": "\xff' + TALE.encode("gbk", "ignore")),
    }


def covers_the_registry() -> bool:
    """Whether each provider has its place in every table here."""
    tables: tuple[dict[str, Any], ...] = (FRONTS, BACKS, NO_CARDS, SECRETS, _REFUSED)
    return all(table.keys() == REGISTRY.keys() for table in tables)
