"""Huawei Cloud 华为云: /v2/{project_id}/ocr/id-card reads both sides of the Chinese resident identity card.

Signed with AK/SK, or with a token of IAM. Its detectors say true for an alarm, also `detect_border_integrity_result`,
whose name reads the other way. Verification members are false on the side that they do not concern: they are handed
on only where what they verify was read.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, Strict

from cardintake.cards.models import Card, ChineseIdEmblem, ChineseIdPortrait, Country, DocumentType, Side
from cardintake.images import FittedImage, ImageLimits, base64_size
from cardintake.providers import chinese_id
from cardintake.providers.bodies import Base64, Body, body_of
from cardintake.providers.crops import image_file
from cardintake.providers.errors import (
    ConfigurationError,
    ImageRefusedError,
    ProviderError,
    RetriedOnceError,
    UnreadableAnswerError,
)
from cardintake.providers.huaweicloud_errors import error_of, is_error, request_id_of
from cardintake.providers.huaweicloud_signing import NAME, IamTokens, sign
from cardintake.providers.protocol import Answer, Attempt, Call, CardReading, Claim, Reading, Signal, json_object
from cardintake.providers.secrets import BaseUrl, Credential, ProviderOptions, ProviderSecret, validated

_DATE = re.compile(r"(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})", re.ASCII)
_SIDES: dict[Side, str] = {"portrait": "front", "emblem": "back", "front": "front", "back": "back"}

_ALARMS = tuple(
    f"detect_{name}_result"
    for name in (
        "reproduce", "copy", "tampering", "border_integrity", "blocking_within_border", "blur", "interim", "glare",
    )
)  # fmt: skip
_SCORES = (
    "tampering_score", "interim_score", "reproduce_score", "copy_score", "border_integrity_score", "blur_score",
    "glare_score", "blocking_within_border_score",
)  # fmt: skip
_MAX_SCORE = 1_000_000  # their scale is not documented; a larger number is none of theirs

type _Object = Mapping[str, Any]
type _ReadSide = tuple[CardReading, dict[str, Signal]]  # with what the service verified of it

_Switch = Annotated[bool, Strict()]  # the service refuses any other type


class _Options(ProviderOptions):
    side: Literal["", "front", "back", "double_side"] = ""  # empty is documented: the service finds out
    return_verification: _Switch = True
    return_text_location: _Switch = False
    detect_reproduce: _Switch = True
    detect_copy: _Switch = True
    detect_tampering: _Switch = True
    detect_border_integrity: _Switch = True
    detect_blocking_within_border: _Switch = True
    detect_blur: _Switch = True
    detect_interim: _Switch = True
    detect_glare: _Switch = True
    return_portrait_location: _Switch = False
    return_portrait_image: _Switch = False
    return_adjusted_image: _Switch = False
    enterprise_project_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]{1,64}$")


def _sendable(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().isprintable():
        raise ValueError("must be text without control characters")
    return value


_Text = Annotated[SecretStr, Field(min_length=1), AfterValidator(_sendable)]


class _Secret(ProviderSecret):
    project_id: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    options: _Options = _Options()


class _KeySecret(_Secret):
    access_key: Credential
    secret_key: Credential
    security_token: Credential | None = None


class _TokenSecret(_Secret):
    iam_url: BaseUrl
    domain: _Text
    username: _Text
    password: Annotated[SecretStr, Field(min_length=1)]
    project: _Text


_KEY_FIELDS = tuple(name for name in _KeySecret.model_fields if name not in _Secret.model_fields)
_TOKEN_FIELDS = tuple(name for name in _TokenSecret.model_fields if name not in _Secret.model_fields)


class HuaweiCloud:
    """Reads both sides, also both in one picture; detects copies, recaptures, edits and poor pictures; verifies."""

    name: ClassVar[str] = NAME
    country: ClassVar[Country] = "CHN"
    reads: ClassVar[frozenset[DocumentType]] = frozenset({"cn_resident_id"})
    # 10 MB after base64, shortest side 15, longest 8000 pixels
    limits: ClassVar[ImageLimits] = ImageLimits(
        formats=frozenset({"JPEG", "PNG", "BMP", "TIFF"}),
        max_bytes=10 * 1000 * 1000,
        min_side=15,
        max_side=8000,
        counted=base64_size,
    )

    def __init__(self, secret: _KeySecret | _TokenSecret) -> None:
        self._secret = secret
        self._tokens: IamTokens | None = None
        if isinstance(secret, _TokenSecret):
            self._tokens = IamTokens(
                iam_url=secret.iam_url,
                domain=secret.domain.get_secret_value(),
                username=secret.username.get_secret_value(),
                password=secret.password.get_secret_value(),
                project=secret.project.get_secret_value(),
            )

    @classmethod
    def configured(cls, secret: object, *, allow_http: bool) -> Self:
        """From `{"base_url", "project_id", "options"?}` and either AK/SK or IAM user.

        AK/SK: `{"access_key", "secret_key", "security_token"?}`. IAM user: `{"iam_url", "domain", "username",
        "password", "project"}`.
        """
        given = secret if isinstance(secret, dict) else {}
        keys = [name for name in _KEY_FIELDS if given.get(name) is not None]
        user = [name for name in _TOKEN_FIELDS if given.get(name) is not None]
        model: type[_KeySecret | _TokenSecret] = _TokenSecret if user else _KeySecret
        if keys and user:
            missing = [name for name in ("access_key", "secret_key", *_TOKEN_FIELDS) if name not in {*keys, *user}]
            raise ConfigurationError(
                cls.name,
                f"secret is wrong: {', '.join(keys)} and {', '.join(user)} are of two kinds, keep one: access_key and "
                f"secret_key, or {', '.join(_TOKEN_FIELDS)} (missing: {', '.join(missing) or 'none'})",
            )
        try:
            return cls(validated(model, cls.name, secret, allow_http=allow_http))
        except ConfigurationError as error:
            if keys or user:
                raise
            hint = f" (or, for an IAM user: {', '.join(_TOKEN_FIELDS)})"
            raise ConfigurationError(cls.name, error.code + hint) from None

    @property
    def tokens(self) -> IamTokens | None:
        """IAM, where the secret names a user; None with AK/SK."""
        return self._tokens

    def options_key(self, claim: Claim) -> str:
        """The side that is asked for and the switches that are on; who is billed changes no answer."""
        return json.dumps({name: value for name, value in self._parameters(claim).items() if value})

    def call(self, image: FittedImage, claim: Claim, attempt: Attempt) -> Call:
        """The request for one image."""
        # as bytes: a JSON encoder would copy and escape megabytes that need no escaping
        begin = b'{"image": "'
        rest = json.dumps({"image": "", **self._parameters(claim)}).encode().removeprefix(begin)
        body = body_of(begin, Base64(image.data), rest)
        url = f"{self._secret.base_url}/v2/{self._secret.project_id}/ocr/id-card"
        headers = {"Content-Type": "application/json;charset=utf-8"}
        if self._secret.options.enterprise_project_id is not None:
            headers["Enterprise-Project-Id"] = self._secret.options.enterprise_project_id
        return Call(url, self._authorized(url, headers, body, attempt), body)

    def _authorized(self, url: str, headers: dict[str, str], body: Body, attempt: Attempt) -> dict[str, str]:
        secret = self._secret
        if isinstance(secret, _TokenSecret):
            if attempt.token is None:
                raise ValueError("an IAM user's request needs the attempt's token")
            return headers | {"X-Auth-Token": attempt.token}
        headers["X-Project-Id"] = secret.project_id  # without it a key finds the region's main project only
        if secret.security_token is not None:
            headers["X-Security-Token"] = secret.security_token.get_secret_value()
        return sign(
            "POST",
            url,
            headers,
            body,
            access_key=secret.access_key.get_secret_value(),
            secret_key=secret.secret_key.get_secret_value(),
            now=attempt.now,
        )

    def _parameters(self, claim: Claim) -> dict[str, str | bool]:
        """What the body says besides the image: the side, the switches that are on, and those that were set."""
        options = self._secret.options
        side: str = options.side
        if side != "double_side" and claim.side is not None:
            side = _SIDES[claim.side]
        switches = {
            name: value
            for name, value in options.model_dump(exclude={"side", "enterprise_project_id"}).items()
            if value or name in options.model_fields_set
        }
        return ({"side": side} if side else {}) | switches

    def check(self, answer: Answer) -> None:
        """Errors by their code, and by the HTTP status where the code does not decide."""
        if (error := self._error(answer, json_object(self.name, answer))) and not isinstance(error, ImageRefusedError):
            raise error

    def read(self, answer: Answer) -> Reading:
        """The cards in `result`: of one side, or of both."""
        document = json_object(self.name, answer)
        error = self._error(answer, document)
        if isinstance(error, RetriedOnceError):
            raise ImageRefusedError(self.name, error.code, request_id=error.request_id)
        if error is not None:
            raise error
        return read_result(
            document["result"],
            request_id=request_id_of(answer, document),
            portrait=self._secret.options.return_portrait_image,
            card_image=self._secret.options.return_adjusted_image,
        )

    def _error(self, answer: Answer, document: _Object) -> ProviderError | None:
        if is_error(answer, document):
            return error_of(answer, document, token=self._tokens is not None)
        if not isinstance(document.get("result"), dict):
            return UnreadableAnswerError(self.name, "answer without a result")
        return None


def read_result(result: _Object, *, request_id: str | None, portrait: bool, card_image: bool) -> Reading:
    """`result` as a reading. With `double_side` the sides stand in `front` and `back`, beside empty fields."""
    parts = [part for part in (result.get("front"), result.get("back"), result) if isinstance(part, dict)]
    sides = [side for read in (_portrait, _emblem) if (side := next(filter(None, map(read, parts)), None))]
    signals = _detected(parts)
    for _, verified in sides:
        signals |= verified
    return Reading(
        cards=tuple(card for card, _ in sides),
        request_id=request_id,
        signals=signals,
        portrait=_crop(parts, "portrait_image") if portrait else None,
        card_image=_crop(parts, "adjusted_image") if card_image else None,
    )


def _portrait(part: _Object) -> _ReadSide | None:
    reading = chinese_id.portrait(
        name=part.get("name"),
        sex=part.get("sex"),
        ethnicity=part.get("ethnicity"),
        birth=part.get("birth"),
        address=part.get("address"),
        number=part.get("number"),
        forms=(_DATE,),
    )
    return (reading, _verified(part, reading.card)) if reading is not None else None


def _emblem(part: _Object) -> _ReadSide | None:
    reading = chinese_id.emblem(
        authority=part.get("issue"),
        valid_from=part.get("valid_from"),
        valid_to=part.get("valid_to"),
        forms=(_DATE,),
    )
    return (reading, _verified(part, reading.card)) if reading is not None else None


def _detected(parts: Sequence[_Object]) -> dict[str, Signal]:
    """Alarms and scores, the worst of all parts: true, the highest."""
    signals: dict[str, Signal] = {}
    for name in _ALARMS:
        alarms = [part[name] for part in parts if isinstance(part.get(name), bool)]
        if alarms:
            signals[name] = any(alarms)
    scored = [part["score_info"] for part in parts if isinstance(part.get("score_info"), dict)]
    for name in _SCORES:
        scores = [info[name] for info in scored if _is_score(info.get(name))]
        if scores:
            signals[f"score_info.{name}"] = max(scores)
    return signals


def _is_score(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MAX_SCORE


def _verified(part: _Object, card: Card) -> dict[str, Signal]:
    """What the service verified of a side, where it could read what it verifies."""
    match card:
        # birth and sex are compared with the number: where it fails, their false says nothing
        case ChineseIdPortrait() if card.id_number is not None:
            verdicts = _verdicts(part, ("valid_number",))
            if verdicts.get("verification_result.valid_number") is True:
                compared = (("valid_birth", card.birth_date), ("valid_sex", card.sex))
                verdicts |= _verdicts(part, [name for name, value in compared if value is not None])
            return verdicts
        # both verdicts are on the whole term: with half of it unread, their false says nothing
        case ChineseIdEmblem() if card.valid_from is not None and (card.valid_to is not None or card.long_term):
            return _verdicts(part, ("valid_date", "valid_validity_period"))
    return {}


def _verdicts(part: _Object, names: Sequence[str]) -> dict[str, Signal]:
    verification = part.get("verification_result")
    given = verification if isinstance(verification, dict) else {}
    return {f"verification_result.{name}": given[name] for name in names if isinstance(given.get(name), bool)}


def _crop(parts: Sequence[_Object], name: str) -> bytes | None:
    """The first one that is an image: of both sides' cards, the portrait side's."""
    return next((data for part in parts if (data := image_file(part.get(name))) is not None), None)
