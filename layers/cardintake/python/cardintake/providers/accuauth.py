"""AccuAuth Peru: /ocr/idcard reads the Peruvian DNI, old and new, both sides, and the foreigner's card (ALIEN).

Two static headers, no signature. The image goes as the multipart part `file`, or as the form field `image_base64`.
Throttling and quota come as HTTP 403: the `status` field decides, not the HTTP code. `results` may be empty with status
OK: no card in the picture.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, ClassVar, Literal, Self, TypeGuard
from urllib.parse import urlencode

from pydantic import Field

from cardintake.cards import dates, values
from cardintake.cards.identity_numbers import split_dni
from cardintake.cards.models import (
    Country,
    DocumentType,
    Edition,
    PeruvianDniBack,
    PeruvianDniFront,
    PeruvianForeignerCardFront,
)
from cardintake.images import FittedImage, ImageLimits
from cardintake.providers.bodies import Base64, Body, body_of, form_base64
from cardintake.providers.errors import (
    ConfigurationError,
    ImageRefusedError,
    ProviderError,
    QuotaError,
    RequestRefusedError,
    RetryableError,
    ThrottledError,
    UnreadableAnswerError,
)
from cardintake.providers.protocol import Answer, Attempt, Call, CardReading, Claim, Reading, Region, json_object
from cardintake.providers.secrets import Credential, ProviderOptions, ProviderSecret, validated

_CONFIGURATION = frozenset({"UNAUTHORIZED", "KEY_EXPIRED", "NO_PERMISSION", "NOT_FOUND"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_LONGEST_REASON = 500
_AN_IMAGE = re.compile(r"\b(?:image|picture|photo|file)s?\b", re.IGNORECASE)
_ITS_FAULT = re.compile("size|format|resolution|pixel|dimension|width|height|decode|corrupt", re.IGNORECASE)
_MEDIA_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png"}

# what only one side of a DNI bears; election number and organ donation stand on either, by edition
_FRONT_ONLY = frozenset(
    {
        "id_number", "father_name", "mother_name", "name", "gender", "gender_s", "marriage", "birthday", "birth_place",
        "issue_date", "expiry_date", "registration_date",
    }
)  # fmt: skip
_FOREIGNERS_ONLY = frozenset({"surname", "given_name", "document_number", "nationality", "migratory_quality"})
_BACK_ONLY = frozenset({"address", "region", "department", "province", "district"})

_FARTHEST_PIXEL = 100_000  # far outside of any picture that is taken

# more than a picture can hold legibly, and less than makes a record too large to store
MAX_CARDS = 20


class _Options(ProviderOptions):
    detect_face: Annotated[int, Field(strict=True, ge=0, le=1)] | None = None


class _Secret(ProviderSecret):
    api_id: Credential
    api_secret: Credential
    image_parameter: Literal["file", "image_base64"] = "file"
    options: _Options = _Options()


class AccuAuth:
    """Reads Peruvian cards; has no quality or risk verdict of its own."""

    name: ClassVar[str] = "accuauth"
    country: ClassVar[Country] = "PER"
    reads: ClassVar[frozenset[DocumentType]] = frozenset({"pe_dni", "pe_foreigner_card"})
    tokens: ClassVar[None] = None
    # PDF is listed, but as boilerplate from another country's document: not sent
    limits: ClassVar[ImageLimits] = ImageLimits(
        formats=frozenset({"JPEG", "PNG"}), max_bytes=5 * 1000 * 1000, min_side=128, max_side=6000
    )

    def __init__(self, secret: _Secret) -> None:
        self._secret = secret

    @classmethod
    def configured(cls, secret: object, *, allow_http: bool) -> Self:
        """From `{"base_url", "api_id", "api_secret", "image_parameter"?, "options"?: {"detect_face": 0 | 1}}`."""
        return cls(validated(_Secret, cls.name, secret, allow_http=allow_http))

    def options_key(self, claim: Claim) -> str:  # noqa: ARG002 - nothing that is claimed enters the request
        """The options that were set."""
        return self._secret.options.model_dump_json(exclude_none=True)

    def call(self, image: FittedImage, claim: Claim, attempt: Attempt) -> Call:  # noqa: ARG002
        """The request for one image, as the form type that `image_parameter` needs."""
        form = _multipart if self._secret.image_parameter == "file" else _urlencoded
        content_type, body = form(image, self._secret.options.model_dump(exclude_none=True))
        headers = {
            "Content-Type": content_type,
            "X-DF-API-ID": self._secret.api_id.get_secret_value(),
            "X-DF-API-SECRET": self._secret.api_secret.get_secret_value(),
        }
        return Call(f"{self._secret.base_url}/ocr/idcard", headers, body)

    def check(self, answer: Answer) -> None:
        """Errors by the `status` field."""
        error = self._error(json_object(self.name, answer), answer.status)
        if error is not None and not isinstance(error, ImageRefusedError):
            raise error

    def read(self, answer: Answer) -> Reading:
        """The first `MAX_CARDS` cards in `results`, in their order."""
        document = json_object(self.name, answer)
        if error := self._error(document, answer.status):
            raise error
        results = document["results"][:MAX_CARDS]
        read = [(card, result) for result in results if (card := _read_card(result)) is not None]
        fronts = [result for card, result in read if card.card.side == "front"]
        # the front that the record's card is, or stands beside: never the face of somebody else's card
        face = _region(fronts[0].get("face_region")) if fronts and self._secret.options.detect_face else None
        return Reading(cards=tuple(card for card, _ in read), request_id=_request_id(document), portrait=face)

    def _error(self, document: Mapping[str, Any], http_status: int) -> ProviderError | None:
        status = document.get("status")
        request_id = _request_id(document)
        if status == "OK":
            if not _are_results(document.get("results")):
                return UnreadableAnswerError(self.name, "status OK without results as documented")
            return None
        if not isinstance(status, str):
            # no answer of this interface: the HTTP status of whatever stands before it has to do
            if http_status in (401, 403, 404):
                return ConfigurationError(self.name, f"HTTP {http_status}", request_id=request_id)
            if http_status >= 500:
                return RetryableError(self.name, f"HTTP {http_status}", request_id=request_id)
            return UnreadableAnswerError(self.name, "answer without a status")
        if status == "RATE_LIMIT_EXCEEDED":
            return ThrottledError(self.name, status)
        if status == "OUT_OF_QUOTA":
            return QuotaError(self.name, status, request_id=request_id)
        if status in _CONFIGURATION:
            return ConfigurationError(self.name, status, request_id=request_id)
        if status == "DETECTION_FAILED":
            return ImageRefusedError(self.name, status, request_id=request_id)
        if status == "INVALID_ARGUMENT":
            # one code for a wrong request and for a picture that it does not take: only its text tells
            kind = ImageRefusedError if _is_of_the_image(document.get("reason")) else RequestRefusedError
            return kind(self.name, status, request_id=request_id)
        if status == "INTERNAL_ERROR":
            return RetryableError(self.name, status, request_id=request_id)
        return RetryableError(self.name, "a status that the document does not list", request_id=request_id)


def _multipart(image: FittedImage, options: Mapping[str, int]) -> tuple[str, Body]:
    """Content type and body, the image as the part `file`."""
    # a boundary that cannot occur inside the image by accident, and the same bytes for the same image
    boundary = hashlib.sha256(image.data).hexdigest()
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="scan.{image.format.lower()}"\r\n'
        f"Content-Type: {_MEDIA_TYPES[image.format]}\r\n\r\n".encode(),
        image.data,
        *(
            f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()
            for name, value in options.items()
        ),
        f"\r\n--{boundary}--\r\n".encode(),
    ]
    return f"multipart/form-data; boundary={boundary}", body_of(*parts)


def _urlencoded(image: FittedImage, options: Mapping[str, int]) -> tuple[str, Body]:
    """Content type and body, the image as the field `image_base64`."""
    rest = "".join(f"&{urlencode({name: value})}" for name, value in options.items()).encode()
    body = body_of(b"image_base64=", Base64(image.data, form_base64), rest)
    return "application/x-www-form-urlencoded", body


def _is_of_the_image(reason: object) -> bool:
    text = reason[:_LONGEST_REASON] if isinstance(reason, str) else ""
    return _AN_IMAGE.search(text) is not None and _ITS_FAULT.search(text) is not None


def _request_id(document: Mapping[str, Any]) -> str | None:
    """Theirs for the call; it is logged, so only what looks like one."""
    value = document.get("request_id")
    return value if isinstance(value, str) and _REQUEST_ID.fullmatch(value) else None


def _are_results(results: object) -> bool:
    """A list of objects, each with a `card_info` object where it has one at all."""
    return isinstance(results, list) and all(
        isinstance(result, dict) and isinstance(result.get("card_info") or {}, dict) for result in results
    )


def _region(corners: object) -> Region | None:
    """Four different points, each a pair of numbers, also outside of the picture; None for anything else."""
    if not (isinstance(corners, list) and len(corners) == 4 and all(_is_point(corner) for corner in corners)):
        return None
    first, second, third, fourth = ((round(x), round(y)) for x, y in corners)
    return Region((first, second, third, fourth)) if len({first, second, third, fourth}) == 4 else None


def _is_point(value: object) -> TypeGuard[tuple[float, float]]:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(type(number) in (int, float) and abs(number) <= _FARTHEST_PIXEL for number in value)
    )


def _read_card(result: Mapping[str, Any]) -> CardReading | None:
    info = result.get("card_info") or {}
    kind = result.get("card_type")
    fields = _Fields({name: value for name, value in info.items() if values.text(value) is not None})
    if not fields.info:
        return None
    card: PeruvianForeignerCardFront | PeruvianDniBack | PeruvianDniFront
    # a card that it does not name is told by its fields
    if kind == "ALIEN" or (kind not in ("old", "new") and _FOREIGNERS_ONLY & fields.info.keys()):
        card = _foreigner_card(fields)
    else:
        edition: Edition | None = "old" if kind == "old" else "new" if kind == "new" else None
        card = _dni_back(fields, edition) if _is_back(fields, result) else _dni_front(fields, edition)
    if not card.model_dump(exclude_none=True, exclude={"country", "document_type", "side", "edition"}):
        return None if not fields.impossible else CardReading(card, tuple(fields.impossible))
    return CardReading(card, tuple(fields.impossible))


def _is_back(fields: "_Fields", result: Mapping[str, Any]) -> bool:
    """The fields that were read decide, over `card_side`; where they do not, it does."""
    front, back = bool(_FRONT_ONLY & fields.info.keys()), bool(_BACK_ONLY & fields.info.keys())
    return back if front != back else result.get("card_side") == "back"


class _Fields:
    """Typed access to `card_info`; remembers the dates that were written but are none."""

    def __init__(self, info: Mapping[str, Any]) -> None:
        self.info = info
        self.impossible: list[str] = []

    def text(self, name: str) -> str | None:
        return values.text(self.info.get(name))

    def read_date(self, field: str, name: str) -> date | None:
        """`name_s` is the service's own formatted copy (dd-mm-yyyy) and preferred, where it is a date."""
        try:
            if (formatted := dates.read(self.info.get(f"{name}_s"), dates.DAY_MONTH_YEAR)) is not None:
                return formatted
        except dates.NotADateError:
            if self.info.get(name) is None:
                self.impossible.append(field)
                return None
        try:
            return dates.read(self.info.get(name), dates.DAY_MONTH_YEAR, dates.SPANISH)
        except dates.NotADateError:
            self.impossible.append(field)
            return None

    def expiry(self) -> tuple[date | None, Literal[True] | None]:
        if dates.is_without_end(self.info.get("expiry_date")) or dates.is_without_end(self.info.get("expiry_date_s")):
            return None, True
        return self.read_date("expiry_date", "expiry_date"), None

    def sex(self) -> Literal["M", "F"] | None:
        return values.sex(self.info.get("gender_s")) or values.sex(self.info.get("gender"))


def _dni_front(fields: _Fields, edition: Edition | None) -> PeruvianDniFront:
    printed = values.code(fields.info.get("id_number"))
    id_number, check_character = split_dni(printed) if printed else (None, None)
    expiry_date, no_expiry = fields.expiry()
    return PeruvianDniFront(
        edition=edition,
        id_number=id_number,
        check_character=check_character,
        given_names=fields.text("name"),
        paternal_surname=fields.text("father_name"),
        maternal_surname=fields.text("mother_name"),
        sex=fields.sex(),
        marital_status=values.marital_status(fields.info.get("marriage")),
        birth_date=fields.read_date("birth_date", "birthday"),
        birth_place=fields.text("birth_place"),
        issue_date=fields.read_date("issue_date", "issue_date"),
        expiry_date=expiry_date,
        no_expiry=no_expiry,
        registration_date=fields.read_date("registration_date", "registration_date"),
        election_number=fields.text("election_number"),
        organ_donor=values.yes_no(fields.info.get("organ_donation")),
    )


def _dni_back(fields: _Fields, edition: Edition | None) -> PeruvianDniBack:
    """The new edition writes department, province and district as one `region`, A/B/C."""
    region = [values.text(part) for part in (fields.text("region") or "").split("/")]
    department, province, district = region if len(region) == 3 else (None, None, None)
    return PeruvianDniBack(
        edition=edition,
        address=fields.text("address"),
        department=fields.text("department") or department,
        province=fields.text("province") or province,
        district=fields.text("district") or district,
        election_number=fields.text("election_number"),
        organ_donor=values.yes_no(fields.info.get("organ_donation")),
    )


def _foreigner_card(fields: _Fields) -> PeruvianForeignerCardFront:
    expiry_date, _ = fields.expiry()
    return PeruvianForeignerCardFront(
        id_number=values.code(fields.info.get("id_number")),
        document_number=values.code(fields.info.get("document_number")),
        surname=fields.text("surname"),
        given_names=fields.text("given_name"),
        sex=fields.sex(),
        marital_status=values.marital_status(fields.info.get("marriage")),
        birth_date=fields.read_date("birth_date", "birthday"),
        issue_date=fields.read_date("issue_date", "issue_date"),
        expiry_date=expiry_date,
        nationality=fields.text("nationality"),
        migratory_quality=fields.text("migratory_quality"),
    )
