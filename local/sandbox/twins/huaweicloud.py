"""Plays Huawei Cloud's identity-card recognition, v2, and the token service that it needs.

From the document and the official SDK's models: the path, the parameters and their JSON types, the limits, the members
of the answer for each side and for both, what each switch adds, the codes and texts of errors. Who calls is checked in
`huaweicloud_auth`.

The documents are silent on the following; these are the sandbox's own choices:

* Another path or method is `APIG.0101`, another project in the path `ModelArts.4204`; the headers `X-Project-Id` and
  `Enterprise-Project-Id` are not looked at. With both, a signature counts and not the token. The text of `AIS.0122` is
  the sandbox's. Statuses: 400 for AIS and ModelArts codes, 500 for `ModelArts.4505`. AK/SK requests above 12 MB are
  `APIG.0201`, 413. Each answer has its `X-Request-Id`; the gateway's refusals repeat it as `request_id`.
* "" and null are the same as no `image`, `url` or `side`; null is no boolean. Unknown members are ignored; another
  content type than JSON is `ModelArts.4105`, no body `ModelArts.4104`. Nothing is fetched: a `url` is `ModelArts.4704`
  at OBS, else `ModelArts.4603`.
* Megabytes are 1000² bytes of base64. A picture that cannot be decoded, shows another document, or is too blurred, dark
  or bright for a card to be read is `AIS.0104`; one that shows nothing is `AIS.0105`.
* `side` chooses where the picture shows both sides, the portrait side when nothing is said; where only the other one is
  there, that is told. With `double_side` there are only `front` and `back`, each when it was seen.
* What was not read is "". A scale of 0 to 100 for scores, alarm from 50 on; tampering is 100 when the file names the
  software that edited it. `text_location` is told under the members' names; both dates have the place of their line.
* `valid_to` without end is 长期. `valid_date` counts days in China. `valid_validity_period` wants 5, 10 or 20 years, or
  no end.
"""

import base64
import hashlib
import json
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from local.sandbox.detectors import ALARM, editor_of
from local.sandbox.faults import Fault
from local.sandbox.ledger import CountedImage, Outcome
from local.sandbox.pictures import Defect, Limits, Picture, PictureRefused, admit
from local.sandbox.readings import ReadingDesk, SeenCard
from local.sandbox.twins.huaweicloud_auth import (
    BROKEN_TOKEN,
    NO_TOKEN,
    TOKEN_EXPIRED,
    UNKNOWN_KEY,
    WRONG_SIGNATURE,
    AccessKey,
    IamUser,
    SignatureGate,
    TokenOffice,
    UnauthorizedError,
)
from local.sandbox.twins.huaweicloud_result import SIDES, SWITCHES, both_pages, single_page
from local.sandbox.twins.protocol import Answer, Call, Clock, Credentials

TOKENS_PATH = "/v3/auth/tokens"
LARGEST_SIGNED_BODY = 12_000_000
LIMITS = Limits(
    frozenset({"JPEG", "PNG", "BMP", "TIFF"}),
    largest_bytes=7_500_000,  # 10 MB in base64
    smallest_side=15,
    largest_side=8000,
)
MESSAGES = {
    "AIS.0101": "The input parameter is invalid.",
    "AIS.0102": "The image format is not supported.",
    "AIS.0103": "The image size does not meet the requirements.",
    "AIS.0104": "The image is not supported or the image quality is poor.",
    "AIS.0105": "Recognition failed.",
    "AIS.0122": "There are two or more ID cards of the same side.",
    "ModelArts.4104": "Invalid Request Content Length.",
    "ModelArts.4105": "The JSON format of the input data is incorrect.",
    "ModelArts.4204": "Access api error! Not subscribe this api.",
    "ModelArts.4505": "Backend service internal error.",
    "ModelArts.4601": "The URL is not allowed.",
    "ModelArts.4603": "Obtaining the file from the URL failed.",
    "ModelArts.4704": "Obtaining the file from the OBS failed.",
}
DEFECT_CODES = {
    Defect.FORMAT: "AIS.0102",
    Defect.BYTES: "AIS.0103",
    Defect.PIXELS: "AIS.0103",
    Defect.UNREADABLE: "AIS.0104",
}

CHINA = timezone(timedelta(hours=8))


class _Project(Credentials):
    project_id: str


@dataclass(frozen=True)
class _Request:
    data: bytes = field(repr=False)
    side: str
    switches: frozenset[str]


class _Rejected(Exception):  # noqa: N818  carries an answer, reports no failure of ours
    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.outcome)
        self.answer = answer


class HuaweiCloudTwin:
    """Answers as Huawei Cloud's gateway, OCR service and IAM do."""

    name: ClassVar[str] = "huaweicloud"

    def __init__(
        self, project_id: str, key: AccessKey | None, user: IamUser | None, desk: ReadingDesk, clock: Clock
    ) -> None:
        self._path = f"/v2/{project_id}/ocr/id-card"
        self._signatures = SignatureGate(key, clock) if key else None
        self._tokens = TokenOffice(user, project_id, clock) if user else None
        self._desk = desk
        self._clock = clock

    @classmethod
    def open(cls, credentials: Mapping[str, Any], desk: ReadingDesk, clock: Clock = time.time) -> Self:
        """The twin for an access key, an IAM user, or both. CredentialsError names what is wrong with them."""
        project_id = _Project.of(cls.name, credentials).project_id
        members = credentials.keys()
        user = IamUser.of(cls.name, credentials) if IamUser.model_fields.keys() & members else None
        key = AccessKey.of(cls.name, credentials) if not user or AccessKey.model_fields.keys() & members else None
        return cls(project_id, key, user, desk, clock)

    def owns(self, path: str) -> bool:
        """The service's API and IAM's."""
        return path.startswith(("/v2/", "/v3/"))

    def answer(self, call: Call) -> Answer:
        """Address, size, credentials, subscription, request, picture: checked in this order."""
        if call.method == "POST" and call.path == TOKENS_PATH and self._tokens:
            return self._tokens.issue(call)
        try:
            self._check_caller(call)
            request = _request_in(call)
        except _Rejected as rejected:
            return rejected.answer
        digest = hashlib.sha256(request.data).hexdigest()
        try:
            picture = admit(request.data, LIMITS)
            cards = self._desk.read(picture)
            shown = [card for card in cards if card.kind in SIDES]
            refusal = self._refusal(picture, shown, foreign=len(shown) < len(cards))
        except PictureRefused as refused:
            refusal = (DEFECT_CODES[refused.defect], Outcome.IMAGE_REFUSED)
        if refusal:
            code, outcome = refusal
            return _failure(code, outcome, images=(CountedImage(digest, outcome),))
        return _success(self._result(request, shown), CountedImage(digest, Outcome.READ))

    def refuse(self, fault: Fault) -> Answer:
        """The gateway's refusals, where no request of its own leads there; a missing subscription; a broken backend."""
        match fault:
            case Fault.THROTTLE:
                text = "The throttling threshold has been reached: policy user over ratelimit,limit:10,time:1 second"
                return _gateway(429, "APIG.0308", text, Outcome.THROTTLED)
            case Fault.QUOTA:
                return _gateway(405, "APIG.0501", "The app quota has been used up.", Outcome.QUOTA)
            case Fault.CREDENTIALS:
                return _gateway(401, *(WRONG_SIGNATURE if self._signatures else BROKEN_TOKEN), Outcome.CREDENTIALS)
            case Fault.KEY_EXPIRED:
                return _gateway(401, *(UNKNOWN_KEY if self._signatures else TOKEN_EXPIRED), Outcome.CREDENTIALS)
            case Fault.PERMISSION:
                return _failure("ModelArts.4204", Outcome.PERMISSION)
            case Fault.SERVER_ERROR:
                return _failure("ModelArts.4505", Outcome.SERVER_ERROR, status=500)
            case _:
                raise KeyError(fault)

    def lie(self, answer: Answer) -> Answer:
        """HTTP 200 with a `result`, and `AIS.0105` beside it."""
        images = tuple(CountedImage(image.sha256, Outcome.IMAGE_REFUSED) for image in answer.images)
        error = _failure("AIS.0105", Outcome.IMAGE_REFUSED)
        content = {"result": answer.content.get("result", {}), **error.content}
        return Answer(200, content, error.outcome, images, error.headers)

    def _check_caller(self, call: Call) -> None:
        found = re.fullmatch(r"/v2/[^/]+/ocr/id-card", call.path)
        if not found or call.method != "POST":
            raise _Rejected(_gateway(404, "APIG.0101", "The API does not exist.", Outcome.NOT_FOUND))
        try:
            if call.headers.get("Authorization", "").startswith("SDK-HMAC-SHA256"):
                self._check_signature(call)
            else:
                self._check_token(call)
        except UnauthorizedError as error:
            raise _Rejected(_gateway(401, error.code, str(error), Outcome.CREDENTIALS)) from None
        if call.path != self._path:
            raise _Rejected(self.refuse(Fault.PERMISSION))

    def _check_signature(self, call: Call) -> None:
        if len(call.body) > LARGEST_SIGNED_BODY:
            raise _Rejected(_gateway(413, "APIG.0201", "Request entity too large.", Outcome.MALFORMED))
        if self._signatures is None:
            raise UnauthorizedError(*UNKNOWN_KEY)
        self._signatures.check(call)

    def _check_token(self, call: Call) -> None:
        token = call.headers.get("X-Auth-Token", "")
        if not token:
            raise UnauthorizedError(*NO_TOKEN)
        if self._tokens is None:
            raise UnauthorizedError(*BROKEN_TOKEN)
        if not self._tokens.is_for_project(token):
            text = "The IAM user is not authorized to access the API."
            raise _Rejected(_gateway(403, "APIG.0302", text, Outcome.PERMISSION))

    def _refusal(self, picture: Picture, shown: list[SeenCard], *, foreign: bool) -> tuple[str, Outcome] | None:
        if len({card.kind for card in shown}) < len(shown):
            return "AIS.0122", Outcome.IMAGE_REFUSED
        if shown:
            return None
        seen = self._desk.inspect(picture)
        if foreign or seen.other_document or max(seen.blur, seen.overexposure, seen.darkness) >= ALARM:
            return "AIS.0104", Outcome.NO_CARD
        return "AIS.0105", Outcome.NO_CARD

    def _result(self, request: _Request, shown: list[SeenCard]) -> dict[str, Any]:
        today = datetime.fromtimestamp(self._clock(), CHINA).date()
        edited = editor_of(request.data) is not None
        front_first = sorted(shown, key=lambda card: SIDES[card.kind] != "front")
        if request.side == "double_side":
            return both_pages(front_first, request.switches, today, edited=edited)
        card = next((card for card in shown if SIDES[card.kind] == request.side), front_first[0])
        return single_page(card, request.switches, today, edited=edited)


def _request_in(call: Call) -> _Request:
    if not call.body:
        raise _Rejected(_failure("ModelArts.4104", Outcome.MALFORMED))
    content_type = call.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise _Rejected(_failure("ModelArts.4105", Outcome.MALFORMED))
    try:
        members = json.loads(call.body)
    except (ValueError, RecursionError):
        raise _Rejected(_failure("ModelArts.4105", Outcome.MALFORMED)) from None
    if not isinstance(members, dict):
        raise _Rejected(_failure("AIS.0101", Outcome.MALFORMED))
    image, url, side = (_text(members.get(name)) for name in ("image", "url", "side"))
    switches = {name: members.get(name, False) for name in SWITCHES}
    if (
        bool(image) == bool(url)
        or side not in {"", "double_side", *SIDES.values()}
        or not all(isinstance(value, bool) for value in switches.values())
    ):
        raise _Rejected(_failure("AIS.0101", Outcome.MALFORMED))
    if url:
        raise _Rejected(_failure(_url_problem(url), Outcome.MALFORMED))
    try:
        data = base64.b64decode(image, validate=True)
    except ValueError:
        raise _Rejected(_failure("AIS.0102", Outcome.MALFORMED)) from None
    return _Request(data, side, frozenset(name for name, on in switches.items() if on))


def _text(value: object) -> str:
    if value is not None and not isinstance(value, str):
        raise _Rejected(_failure("AIS.0101", Outcome.MALFORMED))
    return value or ""


def _url_problem(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "ModelArts.4601"
    if parts.scheme not in {"http", "https"} or not host:
        return "ModelArts.4601"
    return "ModelArts.4704" if host.endswith(".myhuaweicloud.com") and ".obs." in host else "ModelArts.4603"


def _success(result: Mapping[str, Any], image: CountedImage) -> Answer:
    return Answer(200, {"result": result}, Outcome.READ, (image,), {"X-Request-Id": uuid.uuid4().hex})


def _failure(code: str, outcome: Outcome, status: int = 400, images: tuple[CountedImage, ...] = ()) -> Answer:
    content = {"error_code": code, "error_msg": MESSAGES[code]}
    return Answer(status, content, outcome, images, {"X-Request-Id": uuid.uuid4().hex})


def _gateway(status: int, code: str, message: str, outcome: Outcome) -> Answer:
    request_id = uuid.uuid4().hex
    content = {"error_msg": message, "error_code": code, "request_id": request_id}
    return Answer(status, content, outcome, headers={"X-Request-Id": request_id})
