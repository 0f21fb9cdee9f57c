"""CTYun 天翼云: printed-text recognition of Chinese resident identity cards (IdentityCard/ocr/v1/idcard.json).

Sign = lower-case hex MD5(AppKey + AppSecret + Timestamp + Path + body): the very bytes that are sent, the path with its
leading slash and service code. `note` says front for the emblem side and back for the portrait side, the reverse of
everybody else. HTTP 200 and code 0 do not mean that the image was read: its own err_code decides.

EXPERIMENTAL: `"auth_scheme": "eop"` signs for the newer gateway, which takes the same body and gives the same answer.
The layout of its signed text is published, a finished signature is not: this one has never met the real service.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import timedelta, timezone
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from cardintake.cards import dates, values
from cardintake.cards.models import Country, DocumentType
from cardintake.images import FittedImage, ImageLimits
from cardintake.providers import chinese_id
from cardintake.providers.bodies import Base64, Body, body_of, hex_digest
from cardintake.providers.crops import image_file
from cardintake.providers.errors import (
    ConfigurationError,
    ImageRefusedError,
    ProviderError,
    RequestRefusedError,
    RetriedOnceError,
    RetryableError,
    UnreadableAnswerError,
)
from cardintake.providers.protocol import Answer, Attempt, Call, CardReading, Claim, Reading, json_object, whole_number
from cardintake.providers.secrets import Credential, ProviderOptions, ProviderSecret, validated

MAX_IMAGES = 50

# The document's error list, by class.
_REQUEST = frozenset({4001, 4002, 4003, 4004, 4005, 4006})
_RETRY = frozenset({5000})
_RETRY_ONCE = 4007  # 文件处理错误: of this picture, as far as one can tell
_IMAGE = frozenset({4009, 4010, 4011})
_CONFIGURATION = frozenset({4012, 4013})
_BASE64 = 4008  # could not be decoded: the alphabet setting is the first suspect

_BIRTHDAY_FORMS = (dates.YEAR_MONTH_DAY, dates.COMPACT, dates.CHINESE)  # the document shows no filled example
_VALIDITY_FORMS = (dates.YEAR_MONTH_DAY, dates.COMPACT)

_CHINA = timezone(timedelta(hours=8))  # its one zone, without summer time since 1991


class _Secret(ProviderSecret):
    service_code: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    app_key: Credential
    auth_scheme: Literal["md5", "eop"] = "md5"
    base64_alphabet: Literal["standard", "urlsafe"] = "standard"
    keep_face: Annotated[bool, Field(strict=True)] = False
    options: ProviderOptions = ProviderOptions()


class _Md5Secret(_Secret):
    app_secret: Credential


class _EopSecret(_Secret):
    access_key: Credential
    secret_key: Credential


def sign(app_key: str, app_secret: str, timestamp: str, path: str, body: Body) -> str:
    """The Sign header. `timestamp`: 13 digits, milliseconds since the epoch; `path` without host and query."""
    return hex_digest(hashlib.md5(f"{app_key}{app_secret}{timestamp}{path}".encode()), body)


def eop_text(headers: Mapping[str, str], query: str, body: Body) -> str:
    """What the newer gateway signs: `name:value` lines of the headers by name, the query, the body's SHA-256 in hex.

    Experimental. `query`: its pairs sorted by name, without the question mark.
    """
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    return f"{lines}\n{query}\n{hex_digest(hashlib.sha256(), body)}"


def eop_signature(access_key: str, secret_key: str, eop_date: str, text: str) -> str:
    """Base64 of HMAC-SHA256 over `text`, under a key derived from the secret key by time, access key and day.

    Experimental. `eop_date`: YYYYMMDDThhmmssZ.
    """
    key = secret_key.encode()
    for part in (eop_date, access_key, eop_date[:8], text):
        key = hmac.digest(key, part.encode(), "sha256")
    return base64.b64encode(key).decode()


class CTYun:
    """Reads both sides of the Chinese resident identity card; says whether it is a copy."""

    name: ClassVar[str] = "ctyun"
    country: ClassVar[Country] = "CHN"
    reads: ClassVar[frozenset[DocumentType]] = frozenset({"cn_resident_id"})
    tokens: ClassVar[None] = None
    # 10 MB a picture, sides over 32 and under 5000 pixels
    limits: ClassVar[ImageLimits] = ImageLimits(
        formats=frozenset({"JPEG", "PNG", "BMP"}), max_bytes=10 * 1000 * 1000, min_side=33, max_side=4999
    )

    def __init__(self, secret: _Md5Secret | _EopSecret) -> None:
        self._secret = secret

    @classmethod
    def configured(cls, secret: object, *, allow_http: bool) -> Self:
        """From `{"base_url", "service_code", "app_key", "app_secret", "base64_alphabet"?, "keep_face"?}`.

        With `"auth_scheme": "eop"`: `access_key` and `secret_key` of the account in place of `app_secret`.
        """
        if isinstance(secret, Mapping) and secret.get("auth_scheme") == "eop":
            return cls(validated(_EopSecret, cls.name, secret, allow_http=allow_http))
        return cls(validated(_Md5Secret, cls.name, secret, allow_http=allow_http))

    def options_key(self, claim: Claim) -> str:  # noqa: ARG002 - nothing that is claimed enters the request
        """The document has no options."""
        return ""

    def call(self, image: FittedImage, claim: Claim, attempt: Attempt) -> Call:  # noqa: ARG002
        """The request for one image."""
        return self.call_for([image], attempt)

    def call_for(self, images: Sequence[FittedImage], attempt: Attempt) -> Call:
        """The request for up to 50 images, answered in their order: `read_all`."""
        if not 0 < len(images) <= MAX_IMAGES:
            raise ValueError(f"CTYun takes 1 to {MAX_IMAGES} images a request")
        encode = base64.b64encode if self._secret.base64_alphabet == "standard" else base64.urlsafe_b64encode
        # as bytes: a JSON encoder would copy and escape megabytes that need no escaping
        parts = [part for image in images for part in (b'", "', Base64(image.data, encode))]
        body = body_of(b'{"data": ["', *parts[1:], b'"]}')
        path = f"/v1/aiop/api/{self._secret.service_code}/IdentityCard/ocr/v1/idcard.json"
        signed = self._signed(self._secret, path, body, attempt)
        return Call(self._secret.base_url + path, {"Content-Type": "application/json", **signed}, body)

    def _signed(self, secret: _Md5Secret | _EopSecret, path: str, body: Body, attempt: Attempt) -> dict[str, str]:
        app_key = secret.app_key.get_secret_value()
        if isinstance(secret, _Md5Secret):
            timestamp = str(round(attempt.now.timestamp() * 1000))
            signature = sign(app_key, secret.app_secret.get_secret_value(), timestamp, path, body)
            return {"AppKey": app_key, "Timestamp": timestamp, "Sign": signature}
        # its published samples write China's time, and a Z behind it
        eop_date = attempt.now.astimezone(_CHINA).strftime("%Y%m%dT%H%M%SZ")
        headers = {"appkey": app_key, "ctyun-eop-request-id": str(attempt.nonce), "eop-date": eop_date}
        access_key = secret.access_key.get_secret_value()
        signature = eop_signature(
            access_key, secret.secret_key.get_secret_value(), eop_date, eop_text(headers, "", body)
        )
        return headers | {
            "Eop-Authorization": f"{access_key} Headers={';'.join(sorted(headers))} Signature={signature}"
        }

    def check(self, answer: Answer) -> None:
        """Errors of the call as a whole, then of its image, by the document's list."""
        (outcome,) = _outcomes(answer, 1)
        if isinstance(outcome, ProviderError) and not isinstance(outcome, ImageRefusedError):
            raise outcome

    def read(self, answer: Answer) -> Reading:
        """The only image's result."""
        (outcome,) = self.read_all(answer, 1)
        if isinstance(outcome, RetriedOnceError):
            raise ImageRefusedError(self.name, outcome.code)
        if isinstance(outcome, ProviderError):
            raise outcome
        return outcome

    def read_all(self, answer: Answer, count: int) -> list[Reading | ProviderError]:
        """What came of each of the `count` images of a call, in the order in which they were sent.

        A documented error of the call as a whole is that of every image. Raises UnreadableAnswerError,
        ConfigurationError or RetryableError for an answer that tells nothing of any of them.
        """
        return [
            outcome if isinstance(outcome, ProviderError) else read_result(outcome, keep_face=self._secret.keep_face)
            for outcome in _outcomes(answer, count)
        ]


def _outcomes(answer: Answer, count: int) -> list[dict[str, Any] | ProviderError]:
    """Each image's element of `result`, or its error."""
    name = CTYun.name
    document = json_object(name, answer)
    code = whole_number(document.get("code"))
    if code is None or (code != 0 and answer.status != 200 and not 4000 <= code <= 5000):
        # no answer of this interface. The gateway's refusals are undocumented; their HTTP status has to do.
        if answer.status in (401, 403, 404, 405):
            raise ConfigurationError(name, f"HTTP {answer.status}")
        if answer.status >= 500:
            raise RetryableError(name, f"HTTP {answer.status}")
        raise UnreadableAnswerError(name, "answer without a code")
    if code != 0:
        return [error_of(code) for _ in range(count)]
    results = document.get("result")
    if not isinstance(results, list) or len(results) != count:
        raise UnreadableAnswerError(name, "answer without exactly one result an image")
    failed = [_error_in(result) for result in results]
    if _failures_counted_in(document.get("message")) > sum(error is not None for error in failed):
        # which of the others it was is not said, and not guessed
        unsaid = UnreadableAnswerError(name, "a failed image without its err_code")
        return [error or unsaid for error in failed]
    return [error or result for error, result in zip(failed, results, strict=True)]


def _error_in(result: object) -> ProviderError | None:
    """The error of one element of `result`."""
    if not isinstance(result, dict):
        return UnreadableAnswerError(CTYun.name, "result is not an object")
    if code := whole_number(result.get("err_code")):
        return error_of(code)
    return (
        None if isinstance(result.get("detail"), dict) else UnreadableAnswerError(CTYun.name, "result without detail")
    )


def _failures_counted_in(message: object) -> int:
    return (whole_number(message.get("fail")) or 0) if isinstance(message, dict) else 0


def error_of(code: int) -> ProviderError:
    """The document's error code as a typed error; an unknown 4xxx is ours, anything else is tried again."""
    name = CTYun.name
    if code == _BASE64:
        return RequestRefusedError(name, "4008 (base64 not decoded: check base64_alphabet)")
    if code == _RETRY_ONCE:
        return RetriedOnceError(name, str(code))
    if code in _IMAGE:
        return ImageRefusedError(name, str(code))
    if code in _CONFIGURATION:
        return ConfigurationError(name, f"{code} (check base_url and service_code)")
    if code in _REQUEST or (4000 <= code < 5000 and code not in _RETRY):
        return RequestRefusedError(name, str(code))
    return RetryableError(name, str(code) if code in _RETRY else "a code that the document does not list")


def read_result(result: Mapping[str, Any], *, keep_face: bool = False) -> Reading:
    """One element of `result` as a reading. The fields that were read decide the side, not `note`.

    `keep_face`: the face that every answer about a portrait side carries is handed on.
    """
    detail = result["detail"]
    cards = [card for card in (_portrait(detail), _emblem(detail)) if card is not None]
    if len(cards) == 2 and result.get("note") == "front":
        cards.reverse()
    signals = {"risk": risk} if (risk := values.text(result.get("risk"))) else {}
    return Reading(
        cards=tuple(cards), signals=signals, portrait=_face(result.get("idcard_face")) if keep_face else None
    )


def _face(encoded: object) -> bytes | None:
    """In either base64 alphabet, as for the images sent; `no face` is none."""
    return image_file(encoded.replace("-", "+").replace("_", "/")) if isinstance(encoded, str) else None


def _portrait(detail: Mapping[str, Any]) -> CardReading | None:
    return chinese_id.portrait(
        name=detail.get("name"),
        sex=detail.get("sex"),
        ethnicity=detail.get("nation"),
        birth=detail.get("birthday"),
        address=detail.get("addr"),
        number=detail.get("idn"),
        forms=_BIRTHDAY_FORMS,
    )


def _emblem(detail: Mapping[str, Any]) -> CardReading | None:
    return chinese_id.emblem_with_range(
        authority=detail.get("org"), validity=detail.get("validperiod"), forms=_VALIDITY_FORMS
    )
