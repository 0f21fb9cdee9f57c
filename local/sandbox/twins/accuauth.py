"""Plays AccuAuth's identity-card recognition for Peru.

From the document: the two headers, the ways to send a picture, the limits, `detect_face`, the members of each card and
side, the error table with its HTTP statuses (throttling and quota are 403) and the form of errors.

The document is silent on the following; these are the sandbox's own choices:

* A method other than POST, and any other path below `/ocr`, is `NOT_FOUND`. `file` wins over `image_base64`; JSON is
  taken beside the two form types. `detect_face` other than 0 or 1 is `INVALID_ARGUMENT`.
* A picture of the wrong format, bytes or pixels is `INVALID_ARGUMENT`; one that cannot be decoded is
  `DETECTION_FAILED`; one without a Peruvian card is `OK` with empty `results`. PDF is refused: the document names it by
  an Indian product.
* Megabytes are 1000² bytes of the file, before base64. The alphabet is the standard one, without a `data:` prefix.
* What was not read is "". A side without a visible face has no `face_region`; its corners count in the picture as EXIF
  turns it.
"""

import base64
import hashlib
import hmac
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from local.kinds import Kind
from local.sandbox.faults import Fault
from local.sandbox.forms import MalformedFormError, read_arguments
from local.sandbox.ledger import CountedImage, Outcome
from local.sandbox.pictures import Defect, Limits, PictureRefused, admit
from local.sandbox.readings import ReadingDesk, SeenCard
from local.sandbox.twins.protocol import Answer, Call, Clock, Credentials

PATH = "/ocr/idcard"
LIMITS = Limits(frozenset({"JPEG", "PNG"}), largest_bytes=5_000_000, smallest_side=128, largest_side=6000)
DEFECT_REASONS = {
    Defect.FORMAT: "image format must be JPG or PNG",
    Defect.BYTES: "image size must not exceed 5MB",
    Defect.PIXELS: "image width and height must be between 128 and 6000 pixels",
    Defect.UNREADABLE: "image can not be decoded",
}
REFUSALS: dict[Fault, tuple[int, str, str, Outcome]] = {
    Fault.THROTTLE: (403, "RATE_LIMIT_EXCEEDED", "too many requests", Outcome.THROTTLED),
    Fault.CREDENTIALS: (401, "UNAUTHORIZED", "invalid api id or secret", Outcome.CREDENTIALS),
    Fault.KEY_EXPIRED: (401, "KEY_EXPIRED", "api id has expired", Outcome.CREDENTIALS),
    Fault.PERMISSION: (403, "NO_PERMISSION", "no permission to use this interface", Outcome.PERMISSION),
    Fault.QUOTA: (403, "OUT_OF_QUOTA", "no calls left", Outcome.QUOTA),
    Fault.SERVER_ERROR: (500, "INTERNAL_ERROR", "internal error", Outcome.SERVER_ERROR),
}
MONTHS = ("ENE", "FEB", "MAR", "ABR", "MAY", "JUN", "JUL", "AGO", "SEP", "OCT", "NOV", "DIC")
SPELLED_DATE = re.compile(r"(\d{1,2}) ([A-Z]{3}) (\d{4})")


class AccuAuthCredentials(Credentials):
    """What one account has at AccuAuth."""

    api_id: str
    api_secret: str


@dataclass(frozen=True)
class Side:
    """How one kind of card is told: its type and side, and each member from the texts that were read."""

    card_type: str
    card_side: str
    members: Mapping[str, Callable[[Mapping[str, str]], str]]


def _text(name: str) -> Callable[[Mapping[str, str]], str]:
    return lambda texts: texts.get(name, "")


def _sex(texts: Mapping[str, str]) -> str:
    initial = texts.get("sex", "")[:1]
    return initial if initial in {"M", "F"} else ""


def _numeric(name: str) -> Callable[[Mapping[str, str]], str]:
    def convert(texts: Mapping[str, str]) -> str:
        found = SPELLED_DATE.fullmatch(texts.get(name, ""))
        if not found or found[2] not in MONTHS:
            return ""
        return f"{found[1]:0>2}-{MONTHS.index(found[2]) + 1:02}-{found[3]}"

    return convert


_DNI_FRONT = {
    "id_number": _text("id_number"),
    "father_name": _text("paternal_surname"),
    "mother_name": _text("maternal_surname"),
    "name": _text("given_names"),
    "gender": _text("sex"),
    "gender_s": _sex,
    "marriage": _text("marital_status"),
    "birthday": _text("birth_date"),
    "birth_place": _text("birth_place"),
}
_TERM = {"issue_date": _text("issue_date"), "expiry_date": _text("expiry_date")}
_WISHES = {"election_number": _text("election_number"), "organ_donation": _text("organ_donor")}

SIDES: dict[Kind, Side] = {
    "pe_dni_new_front": Side("new", "front", _DNI_FRONT | _TERM | _WISHES),
    "pe_dni_new_back": Side("new", "back", {"region": _text("region"), "address": _text("address")}),
    "pe_dni_old_front": Side("old", "front", _DNI_FRONT | {"registration_date": _text("registration_date")} | _TERM),
    "pe_dni_old_back": Side(
        "old",
        "back",
        {name: _text(name) for name in ("department", "province", "district", "address")} | _WISHES,
    ),
    "pe_foreigner_front": Side(
        "ALIEN",
        "front",
        {
            "id_number": _text("id_number"),
            "document_number": _text("document_number"),
            "surname": _text("surname"),
            "given_name": _text("given_names"),
            "gender": _text("sex"),
            "gender_s": _sex,
            "marriage": _text("marital_status"),
            "birthday": _text("birth_date"),
            "birthday_s": _numeric("birth_date"),
            "issue_date": _text("issue_date"),
            "issue_date_s": _numeric("issue_date"),
            "expiry_date": _text("expiry_date"),
            "expiry_date_s": _numeric("expiry_date"),
            "nationality": _text("nationality"),
            "migratory_quality": _text("migratory_quality"),
        },
    ),
}


class _InvalidArgumentError(Exception):
    """The request is not what the document asks for; the message is the `reason`."""


class AccuAuthTwin:
    """Answers as AccuAuth Peru does."""

    name: ClassVar[str] = "accuauth"

    def __init__(self, credentials: AccuAuthCredentials, desk: ReadingDesk) -> None:
        self._credentials = credentials
        self._desk = desk

    @classmethod
    def open(cls, credentials: Mapping[str, Any], desk: ReadingDesk, _clock: Clock = time.time) -> Self:
        """The twin for these credentials. CredentialsError names what is wrong with them."""
        return cls(AccuAuthCredentials.of(cls.name, credentials), desk)

    def owns(self, path: str) -> bool:
        """Everything below `/ocr`."""
        return path == "/ocr" or path.startswith("/ocr/")

    def answer(self, call: Call) -> Answer:
        """Path and method, credentials, request, picture: checked in this order."""
        if call.path != PATH or call.method != "POST":
            return _failure(404, "NOT_FOUND", "no such interface", Outcome.NOT_FOUND)
        id_fits = _same(call.headers.get("X-DF-API-ID", ""), self._credentials.api_id)
        secret_fits = _same(call.headers.get("X-DF-API-SECRET", ""), self._credentials.api_secret)
        if not (id_fits and secret_fits):
            return self.refuse(Fault.CREDENTIALS)
        try:
            data, detect_face = _picture_and_switch(call)
        except _InvalidArgumentError as error:
            return _failure(400, "INVALID_ARGUMENT", str(error), Outcome.MALFORMED)
        digest = hashlib.sha256(data).hexdigest()
        try:
            cards = [card for card in self._desk.read(admit(data, LIMITS)) if card.kind in SIDES]
        except PictureRefused as refused:
            status = "DETECTION_FAILED" if refused.defect is Defect.UNREADABLE else "INVALID_ARGUMENT"
            image = CountedImage(digest, Outcome.IMAGE_REFUSED)
            return _failure(400, status, DEFECT_REASONS[refused.defect], Outcome.IMAGE_REFUSED, (image,))
        outcome = Outcome.READ if cards else Outcome.NO_CARD
        content = {
            "request_id": _request_id(),
            "status": "OK",
            "results": [_result(card, detect_face) for card in cards],
        }
        return Answer(200, content, outcome, (CountedImage(digest, outcome),))

    def refuse(self, fault: Fault) -> Answer:
        """The error table, where no request of its own leads there."""
        return _failure(*REFUSALS[fault])

    def lie(self, answer: Answer) -> Answer:
        """HTTP 200, and `DETECTION_FAILED` in the body."""
        images = tuple(CountedImage(image.sha256, Outcome.IMAGE_REFUSED) for image in answer.images)
        return _failure(200, "DETECTION_FAILED", "image detection failed", Outcome.IMAGE_REFUSED, images)


def _picture_and_switch(call: Call) -> tuple[bytes, bool]:
    """The picture's bytes, and whether the face is asked for."""
    try:
        arguments = read_arguments(call.headers.get("Content-Type"), call.body)
    except MalformedFormError as error:
        raise _InvalidArgumentError(str(error)) from None
    detect_face = arguments.texts.get("detect_face", "0")
    if detect_face not in {"0", "1"}:
        raise _InvalidArgumentError("'detect_face' must be 0 or 1")
    if "file" in arguments.files:
        return arguments.files["file"], detect_face == "1"
    encoded = arguments.texts.get("image_base64")
    if not encoded:
        raise _InvalidArgumentError("must specify 'file' or 'image_base64' argument")
    try:
        return base64.b64decode(encoded, validate=True), detect_face == "1"
    except ValueError:
        raise _InvalidArgumentError("'image_base64' is not base64") from None


def _result(card: SeenCard, detect_face: bool) -> dict[str, Any]:
    side = SIDES[card.kind]
    result: dict[str, Any] = {
        "card_type": side.card_type,
        "card_side": side.card_side,
        "card_info": {name: member(card.fields) for name, member in side.members.items()},
    }
    if detect_face and card.portrait:
        result["face_region"] = [list(corner) for corner in card.portrait.corners]
    return result


def _failure(status: int, word: str, reason: str, outcome: Outcome, images: tuple[CountedImage, ...] = ()) -> Answer:
    return Answer(status, {"status": word, "reason": reason, "request_id": _request_id()}, outcome, images)


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _request_id() -> str:
    return f"TID{uuid.uuid4().hex}"
