"""ihuyi 互亿无线: reading of Chinese resident identity cards (/ocr/Submit.json), prepaid balance (/ocr/GetNum.json).

The password of a request is dynamic: lower-case hex MD5 over account, key, app, picture and time, so that it covers the
base64 text before the form percent-encodes it. Code 2 is success. The document has neither
request options nor verdicts on quality or risk.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Self
from urllib.parse import urlencode

from pydantic import StrictBool

from cardintake.cards import dates, values
from cardintake.cards.models import Country, DocumentType
from cardintake.images import FittedImage, ImageLimits, urlencoded_base64_size
from cardintake.providers import chinese_id
from cardintake.providers.bodies import Base64, Body, body_of, form_base64, hex_digest
from cardintake.providers.errors import (
    ConfigurationError,
    ImageRefusedError,
    ProviderError,
    QuotaError,
    RequestRefusedError,
    RetriedOnceError,
    RetryableError,
    StaleCredentialError,
    UnreadableAnswerError,
)
from cardintake.providers.protocol import Answer, Attempt, Call, CardReading, Claim, Reading, json_object, whole_number
from cardintake.providers.secrets import Credential, ProviderOptions, ProviderSecret, validated

APP = "idcard"

_SUCCESS = 2
# The document's codes by class. They mean something else in ihuyi's other products: never share this table.
_ERRORS: dict[int, tuple[type[ProviderError], str]] = {
    0: (RetryableError, "0"),
    1: (RetryableError, "1"),
    400: (ConfigurationError, "400 (source address refused: IP allow-list)"),
    401: (ConfigurationError, "401 (no account)"),
    402: (ConfigurationError, "402 (no password)"),
    403: (ConfigurationError, "403 (no such app)"),
    404: (RequestRefusedError, "404"),
    405: (ConfigurationError, "405 (check account and api_key)"),
    4010: (RetryableError, "4010"),
    4050: (QuotaError, "4050 (account frozen)"),
    4051: (QuotaError, "4051 (none left)"),
    4052: (ConfigurationError, "4052 (source address is not the registered one: IP allow-list)"),
    4086: (ImageRefusedError, "4086"),
    40501: (StaleCredentialError, "40501 (the password's time is past: check the clock)"),
    40502: (ConfigurationError, "40502 (password does not match: check account and api_key)"),
    40505: (ConfigurationError, "40505 (no contract signed)"),
}
_ABOUT_A_PICTURE = frozenset({404, 4086})

# Other servers' JSON uses these numbers too: with an HTTP status that refuses or fails, the status decides.
_ANYBODYS = frozenset({0, 1, 404})

_BIRTH_NAMES = ("data_of_birth", "date_of_birth", "birth")  # as documented; as meant; as an older document has it
_ID_NAMES = ("ocrid", "msgid")  # as documented; as an older document has it
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BIRTH_FORMS = (dates.YEAR_MONTH_DAY, dates.COMPACT, dates.CHINESE)
_VALIDITY_FORMS = (dates.YEAR_MONTH_DAY, dates.COMPACT)


class _Secret(ProviderSecret):
    account: Credential
    api_key: Credential
    static_password: StrictBool = False
    options: ProviderOptions = ProviderOptions()


def submit_password(account: str, api_key: str, time: str, *, img_base64: Body = b"", img_url: str = "") -> str:
    """The dynamic password of Submit: `img_base64` and `img_url` before any percent-encoding, "" for the absent one.

    `time`: 10 digits, seconds since the epoch.
    """
    return hex_digest(hashlib.md5(f"{account}{api_key}{APP}".encode()), img_base64, f"{img_url}{time}".encode())


def balance_password(account: str, api_key: str, time: str) -> str:
    """The dynamic password of GetNum, in which no picture takes part."""
    return hashlib.md5(f"{account}{api_key}{APP}{time}".encode()).hexdigest()


class Ihuyi:
    """Reads both sides of the Chinese resident identity card, also from a PDF's first page; is paid in advance."""

    name: ClassVar[str] = "ihuyi"
    country: ClassVar[Country] = "CHN"
    reads: ClassVar[frozenset[DocumentType]] = frozenset({"cn_resident_id"})
    tokens: ClassVar[None] = None
    # 8 MB after base64 and percent-encoding, 256 x 256 to 2048 x 2048 pixels
    limits: ClassVar[ImageLimits] = ImageLimits(
        formats=frozenset({"JPEG", "PNG", "BMP", "PDF"}),
        max_bytes=8 * 1000 * 1000,
        min_side=256,
        max_side=2048,
        counted=urlencoded_base64_size,
    )

    def __init__(self, secret: _Secret) -> None:
        self._secret = secret

    @classmethod
    def configured(cls, secret: object, *, allow_http: bool) -> Self:
        """From `{"base_url", "account", "api_key", "static_password"?: bool}`; static: the key itself is sent."""
        return cls(validated(_Secret, cls.name, secret, allow_http=allow_http))

    def options_key(self, claim: Claim) -> str:  # noqa: ARG002 - nothing that is claimed enters the request
        """The document has no options."""
        return ""

    def call(self, image: FittedImage, claim: Claim, attempt: Attempt) -> Call:  # noqa: ARG002
        """The request for one image, as a form. The picture itself is sent: a URL would hand it to others' logs."""
        time = _seconds(attempt)
        password = submit_password(self._account, self._api_key, time, img_base64=body_of(Base64(image.data)))
        return self._form("/ocr/Submit.json", password, time, b"&img_base64=", Base64(image.data, form_base64))

    def balance_call(self, attempt: Attempt) -> Call:
        """The request for the number of recognitions that are left."""
        time = _seconds(attempt)
        return self._form("/ocr/GetNum.json", balance_password(self._account, self._api_key, time), time)

    def check(self, answer: Answer) -> None:
        """Errors by the code, then by the one inside `content`, where there is one."""
        error = self._error(json_object(self.name, answer), answer.status)
        if error is not None and not isinstance(error, ImageRefusedError):
            raise error

    def read(self, answer: Answer) -> Reading:
        """The sides in `content`; none when it is empty."""
        document = json_object(self.name, answer)
        error = self._error(document, answer.status)
        if isinstance(error, RetriedOnceError):
            raise ImageRefusedError(self.name, error.code)
        if error is not None:
            raise error
        return Reading(cards=_cards(document["content"] or {}), request_id=_request_id(document))

    def balance(self, answer: Answer) -> int:
        """`num`, a number or digits in text. Raises the typed errors; a code about pictures is none of GetNum's."""
        document = json_object(self.name, answer)
        code = whole_number(document.get("code"))
        if code in _ABOUT_A_PICTURE:
            raise RetryableError(self.name, f"{code} to a question about no picture")
        if code != _SUCCESS:
            raise error_of(code, answer.status)
        left = whole_number(document.get("num"))
        if left is None or not 0 <= left < 10**9:
            raise UnreadableAnswerError(self.name, "balance without a number")
        return left

    @property
    def _account(self) -> str:
        return self._secret.account.get_secret_value()

    @property
    def _api_key(self) -> str:
        return self._secret.api_key.get_secret_value()

    def _form(self, path: str, dynamic_password: str, time: str, *picture: bytes | Base64) -> Call:
        if self._secret.static_password:
            password, ending = self._api_key, b""
        else:
            password, ending = dynamic_password, f"&time={time}".encode()
        fields = urlencode({"account": self._account, "password": password, "app": APP}).encode()
        body = body_of(fields, *picture, ending)
        return Call(self._secret.base_url + path, {"Content-Type": "application/x-www-form-urlencoded"}, body)

    def _error(self, document: Mapping[str, Any], http_status: int) -> ProviderError | None:
        code = whole_number(document.get("code"))
        if code != _SUCCESS:
            return error_of(code, http_status, _request_id(document))
        content = document.get("content")
        if not isinstance(content, dict) and content != []:  # PHP writes an object without members as []
            return UnreadableAnswerError(self.name, "success without content")
        if not content:
            # a success has a serial number: its "0" says the contrary of the code, and nothing was read
            return RetriedOnceError(self.name, "success without a serial number") if _serial(document) == "0" else None
        inner = whole_number(content.get("code"))  # in the document's tables, not in its example
        return error_of(inner, request_id=_request_id(document)) if inner in _ERRORS else None


def error_of(code: int | None, http_status: int = 200, request_id: str | None = None) -> ProviderError:
    """Any code but 2, and none at all, as a typed error. Of what a code answers, only a refused image may be billed."""
    if code in _ERRORS and not (code in _ANYBODYS and http_status >= 400):
        kind, text = _ERRORS[code]
        return kind(Ihuyi.name, text, request_id=request_id)
    # no answer of this interface, or none that it documents: the HTTP status of whoever wrote it has to do
    if http_status in (401, 403, 404, 405):
        return ConfigurationError(Ihuyi.name, f"HTTP {http_status}")
    if http_status >= 500:
        return RetryableError(Ihuyi.name, f"HTTP {http_status}")
    if code is None:
        return UnreadableAnswerError(Ihuyi.name, "answer without a code")
    return RetryableError(Ihuyi.name, "a code that the document does not list")


def _seconds(attempt: Attempt) -> str:
    return str(int(attempt.now.timestamp()))


def _serial(document: Mapping[str, Any]) -> str | None:
    return next(filter(None, (values.text(document.get(name)) for name in _ID_NAMES)), None)


def _request_id(document: Mapping[str, Any]) -> str | None:
    """Theirs for the call, "0" for none; it is logged, so only what looks like one."""
    serial = _serial(document)
    return serial if serial and serial != "0" and _REQUEST_ID.fullmatch(serial) else None


def _cards(content: Mapping[str, Any]) -> tuple[CardReading, ...]:
    """The fields that were read decide the side; `type` only the order, should there be both."""
    cards = [card for card in (_portrait(content), _emblem(content)) if card is not None]
    if content.get("type") == "back":
        cards.reverse()
    return tuple(cards)


def _portrait(content: Mapping[str, Any]) -> CardReading | None:
    return chinese_id.portrait(
        name=content.get("name"),
        sex=content.get("gender"),
        ethnicity=content.get("ethnicity"),
        birth=next(filter(None, (values.text(content.get(name)) for name in _BIRTH_NAMES)), None),
        address=content.get("domicile"),
        number=content.get("id_number"),
        forms=_BIRTH_FORMS,
    )


def _emblem(content: Mapping[str, Any]) -> CardReading | None:
    return chinese_id.emblem_with_range(
        authority=content.get("issue_authority"), validity=content.get("valid_period"), forms=_VALIDITY_FORMS
    )
