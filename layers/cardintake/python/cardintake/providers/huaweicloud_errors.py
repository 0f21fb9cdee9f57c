"""What Huawei Cloud's error answers mean, whether its OCR, its platform (ModelArts) or its gateway (APIG) wrote them.

The published code decides, whatever the HTTP status. Two codes have two meanings that only their text tells apart:
APIG.0301 (a token, or other credentials) and APIG.0308 (a rate, or the day's quota).
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from cardintake.providers.errors import (
    ConfigurationError,
    ImageRefusedError,
    ProviderError,
    QuotaError,
    RequestRefusedError,
    RetriedOnceError,
    RetryableError,
    StaleCredentialError,
    ThrottledError,
)
from cardintake.providers.huaweicloud_signing import NAME
from cardintake.providers.protocol import Answer

BY_HTTP_STATUS = "APIG.0201"  # one code for too large, unavailable, timed out and more
_CODES: dict[type[ProviderError], dict[str, str]] = {
    ImageRefusedError: {"AIS": "0102 0103 0104 0122", "ModelArts": "4104 4705"},
    RetriedOnceError: {"AIS": "0105"},
    RequestRefusedError: {
        "AIS": "0101 0117 0118 0119 0120 0121",
        "ModelArts": "4105 4201 4202 4503 4504 4703 4706",
        "APIG": "0106 0602",
    },
    RetryableError: {
        "ModelArts": "4301 4302 4402 4403 4502 4505 4506 4508 4603 4704",
        "APIG": "0103 0104 0105 0601 0605 0606 0608 0609 0610 0611 0612 0613 0705",
    },
    ThrottledError: {"ModelArts": "4401", "APIG": "0308"},
    QuotaError: {"ModelArts": "6201", "APIG": "0501 0502"},
    ConfigurationError: {
        "ModelArts": "0203 4101 4102 4103 4106 4107 4203 4204 4601 4702",
        "APIG": "0101 0204 0301 0302 0303 0304 0305 0306 0307 0310 0401 0402 0404 0607 0802",
    },
}
ERROR_CLASSES: Mapping[str, type[ProviderError]] = MappingProxyType(
    {
        f"{family}.{digits}": kind
        for kind, families in _CODES.items()
        for family, numbers in families.items()
        for digits in numbers.split()
    }
)
"""The published codes but APIG.0201, as the list writes them."""

_TOKEN_CODES = frozenset({"APIG.0307", "ModelArts.0203", "ModelArts.4101", "ModelArts.4102", "ModelArts.4103"})
_HINTS = {
    "ModelArts.4204": " (not subscribed, or in another region: check base_url and project_id)",
    "APIG.0101": " (check base_url and project_id)",
    "APIG.0301": " (check the credentials)",
}
_SPELLINGS = {"ais": "AIS", "modelarts": "ModelArts", "apig": "APIG", "apigw": "APIG"}  # APIGW is the older one
_CODE = re.compile(r"([A-Za-z]+)\.([0-9]{4})")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


def is_error(answer: Answer, document: Mapping[str, Any]) -> bool:
    """Whether the answer says that it failed: by its HTTP status, or by an error code."""
    return answer.status >= 300 or _code(document) is not None


def error_of(answer: Answer, document: Mapping[str, Any], *, token: bool) -> ProviderError:
    """The typed error of an error answer. `token`: the call went with a token, which may have expired."""
    theirs = request_id_of(answer, document)
    code = _listed(_code(document))
    if code is None or code == BY_HTTP_STATUS:
        described = f"HTTP {answer.status}" + (f" {code}" if code else "")
        return _error(_class_of_status(answer.status), described, theirs)
    text = _text(document)
    if token and (code in _TOKEN_CODES or (code == "APIG.0301" and "token" in text)):
        return StaleCredentialError(NAME, code, request_id=theirs)
    if code == "APIG.0308" and "daily quota" in text:
        return QuotaError(NAME, f"{code} (daily quota)", request_id=theirs)
    return _error(ERROR_CLASSES[code], code + _HINTS.get(code, ""), theirs)


def _error(kind: type[ProviderError], described: str, request_id: str | None) -> ProviderError:
    return ThrottledError(NAME, described) if kind is ThrottledError else kind(NAME, described, request_id=request_id)


def _class_of_status(status: int) -> type[ProviderError]:
    if status in (401, 403, 404, 405):
        return ConfigurationError
    if status == 413:
        return ImageRefusedError  # nothing else in the request can be too large
    if status == 429:
        return ThrottledError
    return RequestRefusedError if 400 <= status < 500 and status != 408 else RetryableError


def request_id_of(answer: Answer, document: Mapping[str, Any]) -> str | None:
    """Theirs for the call, from the header, else the body; it is logged, so only what looks like one."""
    for value in (answer.request_id, document.get("request_id")):
        if isinstance(value, str) and _REQUEST_ID.fullmatch(value):
            return value
    return None


def _code(document: Mapping[str, Any]) -> str | None:
    """Whatever stands as its error code. A number is none: theirs are text."""
    return next(_texts(document, "error_code", "errorCode", "code"), None)


def _text(document: Mapping[str, Any]) -> str:
    return next(_texts(document, "error_msg", "errorMsg", "message"), "").casefold()


def _texts(document: Mapping[str, Any], *names: str) -> Iterator[str]:
    """Texts under these names, at the top or in an `error` object, as the service's own SDK looks for them."""
    inner = document.get("error")
    for place in (document, inner if isinstance(inner, dict) else {}):
        for name in names:
            if isinstance(value := place.get(name), str) and value.strip():
                yield value.strip()


def _listed(code: str | None) -> str | None:
    """The code as the list writes it; None when the list lacks it: it may hold anything then."""
    match = _CODE.fullmatch(code) if code is not None else None
    if match is None:
        return None
    written = f"{_SPELLINGS.get(match[1].lower())}.{match[2]}"
    return written if written in ERROR_CLASSES or written == BY_HTTP_STATUS else None
