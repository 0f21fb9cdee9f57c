"""waiqin365 勤策: /api/ocr/v1/idcard reads Chinese resident identity cards and judges picture and card.

Everything that signs stands in the URL, {openid}/{timestamp}/{digest}/{msg_id}: digest = lower-case hex MD5 of body,
AppKey and timestamp joined by `|`, over the very bytes that are sent. The answer is JSON inside JSON. No error code is
documented: what a refusal means has to be read from its text, by the table `_REFUSALS` and nowhere else.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, SecretStr

from cardintake.cards import dates
from cardintake.cards.models import Country, DocumentType
from cardintake.images import FittedImage, ImageLimits, urlencoded_base64_size
from cardintake.providers import chinese_id
from cardintake.providers.bodies import Base64, Body, body_of, hex_digest
from cardintake.providers.crops import image_file
from cardintake.providers.errors import (
    ConfigurationError,
    ImageRefusedError,
    ProviderError,
    QuotaError,
    RequestRefusedError,
    RetryableError,
    StaleCredentialError,
    ThrottledError,
    UnreadableAnswerError,
)
from cardintake.providers.protocol import Answer, Attempt, Call, CardReading, Claim, Reading, Signal, json_object
from cardintake.providers.secrets import Credential, ProviderOptions, ProviderSecret, validated

# By words of return_msg, first match wins: no code but 0 is documented. The text itself never leaves this module. What
# costs least when misread stands first; a picture is refused for good only where the text speaks of the picture.
_PICTURE = "图片|图像|照片"
_REFUSALS: tuple[tuple[type[ProviderError], re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE | re.DOTALL))
    for kind, pattern in (
        (ThrottledError, "频繁|限流|qps"),
        (QuotaError, "余额|次数不足|配额|欠费|(daily|total) request limit"),
        (StaleCredentialError, "时间戳|timestamp"),
        (RetryableError, "超时|繁忙|稍后|重复|internal error"),  # 重复: of ids, which are new next time
        (RequestRefusedError, "^(?!.*大小).*base64"),  # how we encode it, unless it is its size after encoding
        (ImageRefusedError, f"^(?=.*(?:{_PICTURE}))(?=.*(?:大小|尺寸|像素|格式|损坏))"),
        (ImageRefusedError, "image (format|size) error|recognize (id card )?error"),
        (ThrottledError, "超限"),
    )
)
_LONGEST_MESSAGE = 500
_HINTS: dict[type[ProviderError], str] = {
    ConfigurationError: " (check openid, app_key, and the interface's permissions)",
    StaleCredentialError: " (about the time: check timestamp_format)",
    RequestRefusedError: " (about base64)",
}

_DATE_FORMS = (dates.COMPACT, dates.YEAR_MONTH_DAY)
_READ = frozenset({"normal", "reversed_side"})  # the values of photo_status that promise fields
_VERDICTS = ("IsClear", "IsComplete", "IsNoCover")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def _path_safe(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", value.get_secret_value()):
        raise ValueError("must be letters, digits, _ and -")
    return value


# the document's own examples write these booleans as text
_Flag = Annotated[
    Literal["true", "false"],
    BeforeValidator(lambda value: str(value).lower() if isinstance(value, bool) else value),
]


class _Options(ProviderOptions):
    ID_card_side: Literal["front", "back"] = "front"
    quality_detection: _Flag = "true"
    risk_detection: _Flag = "true"
    card_cropping: _Flag = "false"
    photo_detection: _Flag = "false"


class _Secret(ProviderSecret):
    openid: Annotated[SecretStr, AfterValidator(_path_safe)]
    app_key: Credential
    timestamp_format: Literal["documented", "milliseconds"] = "documented"
    options: _Options = _Options()


def digest(body: Body, app_key: str, timestamp: str) -> str:
    """The `digest` of the URL. `timestamp` as it stands in the URL, `body` as it is sent."""
    return hex_digest(hashlib.md5(), body, f"|{app_key}|{timestamp}".encode())


class Waiqin365:
    """Reads both sides of the Chinese resident identity card; judges quality, risk and the number."""

    name: ClassVar[str] = "waiqin365"
    country: ClassVar[Country] = "CHN"
    reads: ClassVar[frozenset[DocumentType]] = frozenset({"cn_resident_id"})
    tokens: ClassVar[None] = None
    # 8 MB after base64 and urlencode, shortest side 15, longest 8192 pixels
    limits: ClassVar[ImageLimits] = ImageLimits(
        formats=frozenset({"JPEG", "PNG", "BMP"}),
        max_bytes=8 * 1000 * 1000,
        min_side=15,
        max_side=8192,
        counted=urlencoded_base64_size,
    )

    def __init__(self, secret: _Secret) -> None:
        self._secret = secret

    @classmethod
    def configured(cls, secret: object, *, allow_http: bool) -> Self:
        """From `{"base_url", "openid", "app_key", "timestamp_format"?, "options"?}`."""
        return cls(validated(_Secret, cls.name, secret, allow_http=allow_http))

    def options_key(self, claim: Claim) -> str:
        """The side that is sent and all options."""
        return json.dumps(self._parameters(claim))

    def call(self, image: FittedImage, claim: Claim, attempt: Attempt) -> Call:
        """The request for one image: transfer_id, msg_id and timestamp are new with every attempt."""
        # the low 62 bits of a random UUID are all random; the document's uint64 has to fit signed readers, too
        transfer_id = attempt.nonce.int % 2**62
        # as bytes: a JSON encoder would copy and escape megabytes that need no escaping
        parameters = json.dumps(self._parameters(claim), separators=(",", ":")).encode()
        body = body_of(b'{"transfer_id":%d,"image":"' % transfer_id, Base64(image.data), b'",' + parameters[1:])
        timestamp = self._timestamp(attempt.now)
        signed = digest(body, self._secret.app_key.get_secret_value(), timestamp)
        path = f"{self._secret.openid.get_secret_value()}/{timestamp}/{signed}/{attempt.nonce}"
        url = f"{self._secret.base_url}/api/ocr/v1/idcard/{path}"
        return Call(url, {"Content-Type": "application/json"}, body)

    def _parameters(self, claim: Claim) -> dict[str, str]:
        """What the body says besides the image. Without a claim the portrait side, its front, is asked for."""
        options: dict[str, str] = self._secret.options.model_dump()
        if claim.side is not None:
            options["ID_card_side"] = "back" if claim.side in ("emblem", "back") else "front"
        return options

    def _timestamp(self, now: datetime) -> str:
        if self._secret.timestamp_format == "milliseconds":
            return str(round(now.timestamp() * 1000))
        return now.astimezone(dates.zone_of(self.country)).strftime("%Y%m%d%H%M%S")

    def check(self, answer: Answer) -> None:
        """Errors by return_code and, for want of documented codes, by words of return_msg."""
        with suppress(ImageRefusedError):
            self._data(answer)

    def read(self, answer: Answer) -> Reading:
        """The reading in response_data. The fields that were read decide the side, not photo_status."""
        data = self._data(answer)
        fields = _Fields(data)
        options = self._secret.options
        return Reading(
            cards=tuple(card for card in (_portrait(fields), _emblem(fields)) if card is not None),
            request_id=_request_id(data.get("recognition_id")),
            signals=_signals(data),
            portrait=image_file(data.get("ID_photo")) if options.photo_detection == "true" else None,
            card_image=image_file(data.get("card")) if options.card_cropping == "true" else None,
        )

    def _data(self, answer: Answer) -> Mapping[str, Any]:
        """response_data of a successful answer. Raises the typed error, ImageRefusedError included."""
        document = self._envelope(answer)
        code = _code(document.get("return_code"))
        if code is None:
            # no answer of this interface: the HTTP status of whatever stands before it has to do
            if answer.status in (401, 403, 404, 405):
                raise ConfigurationError(self.name, f"HTTP {answer.status}")
            if answer.status >= 500:
                raise RetryableError(self.name, f"HTTP {answer.status}")
            raise UnreadableAnswerError(self.name, "answer without a return_code")
        if code != "0":
            raise _refusal(code, document.get("return_msg"), answer.status)
        data = document.get("response_data")
        if isinstance(data, str):
            data = self._parsed(data, answer)
        if not isinstance(data, dict) or not _tells(data):
            raise UnreadableAnswerError(self.name, "return_code 0 without a reading")
        if isinstance(quality := data.get("card_quality"), str):
            with suppress(UnreadableAnswerError):
                data["card_quality"] = self._parsed(quality, answer)
        return data

    def _envelope(self, answer: Answer) -> Mapping[str, Any]:
        """What is no JSON object was not said by this interface: another path, another method, another server."""
        body = answer.body.removeprefix(_BYTE_ORDER_MARK).lstrip()
        if body and not body.startswith(b"{"):
            what = "HTML" if body.startswith(b"<") else "no JSON object"
            raise ConfigurationError(self.name, f"the answer is {what}: check base_url")
        return json_object(self.name, answer)

    def _parsed(self, text: str, answer: Answer) -> dict[str, Any]:
        """JSON inside JSON, as strictly as the answer itself."""
        return json_object(self.name, replace(answer, body=text.encode("utf-8", "surrogatepass")))


def _code(value: object) -> str | None:
    """return_code comes as text and as a number; only a short number may stand in an error's message."""
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        return None
    return str(value) if re.fullmatch(r"-?[0-9]{1,6}", str(value)) else "of another form"


def _refusal(code: str, message: object, http_status: int) -> ProviderError:
    text = message[:_LONGEST_MESSAGE] if isinstance(message, str) else ""
    named = f"return_code {code}"
    for kind, pattern in _REFUSALS:
        if pattern.search(text):
            return kind(Waiqin365.name, f"{named}{_HINTS.get(kind, '')}")
    if http_status >= 500:
        return RetryableError(Waiqin365.name, named)
    return ConfigurationError(Waiqin365.name, named + _HINTS[ConfigurationError])


def _tells(data: Mapping[str, Any]) -> bool:
    """Whether there are fields, or a word on why there are none: nothing at all says nothing of the picture."""
    results = data.get("recognition_results")
    if isinstance(results, dict):
        return True
    if results not in (None, "", []):
        return False
    status = _word(data.get("photo_status"))
    without_fields = _whole(data.get("ID_number_type")) == -1 or _whole(data.get("result_num")) == 0
    return without_fields or (status is not None and status not in _READ)


def _request_id(value: object) -> str | None:
    """recognition_id, a number or text, above 2^53: kept as text. It is logged, so only what looks like an id."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    return str(value) if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", str(value)) else None


def _signals(data: Mapping[str, Any]) -> dict[str, Signal]:
    """Verdicts that are words, small numbers and 0/1; edit_tool is free text of the file, so only that it is there."""
    edit_tool = data.get("edit_tool")
    found: dict[str, Signal | None] = {
        "photo_status": _word(data.get("photo_status")),
        "risk_type": _word(data.get("risk_type")),
        "edit_tool": bool(edit_tool.strip() if isinstance(edit_tool, str) else edit_tool) or None,
        "ID_number_type": _whole(data.get("ID_number_type")),
    }
    quality = data.get("card_quality")
    if isinstance(quality, dict):
        for name in _VERDICTS:
            flag = _whole(quality.get(name))
            found[f"card_quality.{name}"] = flag if flag in (0, 1) else None
            # the misspelling is the document's own
            found[f"card_quality.{name}_propobility"] = _share(quality.get(f"{name}_propobility"))
    return {name: value for name, value in found.items() if value is not None}


def _word(value: object) -> str | None:
    """An enumerated word, also one that the document does not list; `other` for what is no such word."""
    if isinstance(value, bool) or not isinstance(value, int | str) or not (written := str(value).strip()):
        return None
    return written if re.fullmatch("[A-Za-z_]{1,40}", written) else "other"


def _whole(value: object) -> int | None:
    """A number of at most two digits, also as text: no verdict is longer, and an identity number is."""
    if not isinstance(value, int | str):
        return None
    return int(value) if re.fullmatch("-?[0-9]{1,2}", str(value)) else None


def _share(value: object) -> float | None:
    """0 to 1, also as text."""
    if isinstance(value, str) and re.fullmatch(r"[01](\.[0-9]{1,20})?", value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= 1 else None


class _Fields:
    """Typed access to `recognition_results`; each of them is `{"words", "location"}` and may be missing."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        results = data.get("recognition_results")
        self._results: Mapping[str, Any] = results if isinstance(results, dict) else {}

    def words(self, name: str) -> object:
        entry = self._results.get(name)
        return entry.get("words") if isinstance(entry, dict) else None


def _portrait(fields: _Fields) -> CardReading | None:
    return chinese_id.portrait(
        name=fields.words("姓名"),
        sex=fields.words("性别"),
        ethnicity=fields.words("民族"),
        birth=fields.words("出生"),
        address=fields.words("住址"),
        number=fields.words("公民身份号码"),
        forms=_DATE_FORMS,
    )


def _emblem(fields: _Fields) -> CardReading | None:
    return chinese_id.emblem(
        authority=fields.words("签发机关"),
        valid_from=fields.words("签发日期"),
        valid_to=fields.words("失效日期"),
        forms=_DATE_FORMS,
    )
