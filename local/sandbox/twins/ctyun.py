"""Plays CTYun (天翼云) identity-card recognition, v1.

From the document: the path with its service code, the three headers and the signature, the list of pictures, the
limits, the codes 4001-4013 and 5000 and their texts, the form of both answers, `front` for the emblem side.

The document is silent on the following; these are the sandbox's own choices:

* Refusals of the gateway. The form of the other errors is kept, with the HTTP status as `code`: 401 for credentials (an
  unknown AppKey, a wrong Sign, a Timestamp that is not 13 digits or more than five minutes off), 403 for permission and
  quota, 429 for throttling.
* HTTP status: 200 for the codes 4001-4013, 500 for 5000.
* 4001 is also the answer to another content type than JSON. 4007-4011 are told for each picture, with `code` 0; 4007 is
  a picture that cannot be decoded. A failed element has every documented member, empty.
* Megabytes are 1000² bytes of the file, before base64. The alphabet is the standard one unless the credentials say
  `"base64_alphabet": "urlsafe"`; then it is the other and nothing else.
* No card in the picture: a success with empty `note`, `detail` and `risk`. Both sides in it: the portrait side.
* `risk` is `copy` for a picture without colours. `birthday` is `1990-03-07`.

With `"auth_scheme": "eop"` in the credentials it is the newer gateway and refuses the older signature. Its headers, the
signed text and the derivation of the key are published; no finished signature is. The sandbox's own choices there:
`eop-date` is China's time and may be five minutes off; the three headers are all signed, named in any order; a request
id is a UUID; refusals are those above.
"""

import base64
import hashlib
import hmac
import json
import re
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, Self

from local.sandbox.faults import Fault
from local.sandbox.ledger import CountedImage, Outcome
from local.sandbox.pictures import Defect, Limits, PictureRefused, admit
from local.sandbox.readings import ReadingDesk, SeenCard
from local.sandbox.twins.protocol import Answer, Call, Clock, Credentials

LIMITS = Limits(frozenset({"JPEG", "PNG", "BMP"}), largest_bytes=10_000_000, smallest_side=33, largest_side=4999)
LARGEST_BATCH = 50
CLOCK_TOLERANCE_SECONDS = 300

MESSAGES = {
    4001: "请求JSON处理异常",
    4002: "body传入的不是字典",
    4003: "请求中未包data字段",
    4004: "data字段图片数据不是list格式",
    4005: "图片list内图片数量为0",
    4006: "图片list内图片数量超过50张",
    4007: "文件处理错误，请联系管理员",
    4008: "base64数据处理异常",
    4009: "请求文件格式不合法,仅支持 jpeg/png/jpg/bmp 格式",
    4010: "单张图片大小超过10M",
    4011: "图片尺寸不符合要求,分辨率长宽尺寸应低于5000,高于32",
    4012: "请求方法错误,请使用POST请求",
    4013: "无效的请求路径,请确保请求路径正确",
    5000: "OCR服务接口异常,请联系管理员",
}
DEFECT_CODES = {Defect.FORMAT: 4009, Defect.BYTES: 4010, Defect.PIXELS: 4011, Defect.UNREADABLE: 4007}

DETAIL_FIELDS = ("name", "sex", "nation", "birthday", "idn", "addr", "org", "validperiod")
NOTES = {"cn_portrait": "back", "cn_emblem": "front"}
PRINTED_DATE = re.compile(r"(\d{4})\D+(\d{1,2})\D+(\d{1,2})\D*")
PRINTED_TERM = re.compile(r"(\d{4})\D(\d{2})\D(\d{2})\D+(?:(\d{4})\D(\d{2})\D(\d{2})|长期)")


EOP_HEADERS = frozenset({"appkey", "ctyun-eop-request-id", "eop-date"})
EOP_AUTHORIZATION = re.compile(r"(\S+) Headers=([a-z-]+(?:;[a-z-]+)*) Signature=([A-Za-z0-9+/]{43}=)")
CHINA_AHEAD_SECONDS = 8 * 3600


class CtyunCredentials(Credentials):
    """What one application has at CTYun."""

    service_code: str
    app_key: str
    auth_scheme: Literal["md5", "eop"] = "md5"
    base64_alphabet: Literal["standard", "urlsafe"] = "standard"


class OlderKeys(CtyunCredentials):
    """With what the documented gateway checks `Sign`."""

    app_secret: str


class NewerKeys(CtyunCredentials):
    """With what the newer gateway checks `Eop-Authorization`."""

    access_key: str
    secret_key: str


class _Rejected(Exception):  # noqa: N818  carries an answer, reports no failure of ours
    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.outcome)
        self.answer = answer


class CtyunTwin:
    """Answers as CTYun does."""

    name: ClassVar[str] = "ctyun"

    def __init__(self, credentials: OlderKeys | NewerKeys, desk: ReadingDesk, clock: Clock) -> None:
        self._credentials = credentials
        self._desk = desk
        self._clock = clock
        self._path = f"/v1/aiop/api/{credentials.service_code}/IdentityCard/ocr/v1/idcard.json"

    @classmethod
    def open(cls, credentials: Mapping[str, Any], desk: ReadingDesk, clock: Clock = time.time) -> Self:
        """The twin for these credentials. CredentialsError names what is wrong with them."""
        keys = NewerKeys if isinstance(credentials, Mapping) and credentials.get("auth_scheme") == "eop" else OlderKeys
        return cls(keys.of(cls.name, credentials), desk, clock)

    def owns(self, path: str) -> bool:
        """Everything of the platform's API."""
        return path.startswith("/v1/aiop/")

    def answer(self, call: Call) -> Answer:
        """Path, method, credentials, request, pictures: checked in this order."""
        try:
            self._check_address(call)
            if isinstance(self._credentials, OlderKeys):
                self._check_sign(call, self._credentials)
            else:
                self._check_eop(call, self._credentials)
            encoded = _pictures_of(call)
        except _Rejected as rejected:
            return rejected.answer
        results, outcomes, counted = [], [], []
        for text in encoded:
            result, outcome, image = self._recognise(text)
            results.append(result)
            outcomes.append(outcome)
            counted += [image] if image else []
        return _success(results, _worst_paid(outcomes), tuple(counted))

    def refuse(self, fault: Fault) -> Answer:
        """The gateway's refusals, and 5000."""
        match fault:
            case Fault.THROTTLE:
                return _gateway(429, "too many requests", Outcome.THROTTLED)
            case Fault.CREDENTIALS:
                return _gateway(401, "signature does not match", Outcome.CREDENTIALS)
            case Fault.KEY_EXPIRED:
                return _gateway(401, "app key has expired", Outcome.CREDENTIALS)
            case Fault.PERMISSION:
                return _gateway(403, "service is not authorised for this app", Outcome.PERMISSION)
            case Fault.QUOTA:
                return _gateway(403, "resource package is used up", Outcome.QUOTA)
            case Fault.SERVER_ERROR:
                return _failure(5000, Outcome.SERVER_ERROR, status=500)
            case _:
                raise KeyError(fault)

    def lie(self, answer: Answer) -> Answer:
        """`code` 0, and every picture failed after all."""
        results = [_failed(4007) for _ in answer.content["result"]]
        images = tuple(CountedImage(image.sha256, Outcome.IMAGE_REFUSED) for image in answer.images)
        return _success(results, Outcome.IMAGE_REFUSED, images)

    def _check_address(self, call: Call) -> None:
        if call.path != self._path:
            raise _Rejected(_failure(4013, Outcome.NOT_FOUND))
        if call.method != "POST":
            raise _Rejected(_failure(4012, Outcome.MALFORMED))

    def _check_sign(self, call: Call, keys: OlderKeys) -> None:
        key, secret = keys.app_key, keys.app_secret
        if not _same(call.headers.get("AppKey", ""), key):
            raise _Rejected(_gateway(401, "unknown app key", Outcome.CREDENTIALS))
        timestamp = call.headers.get("Timestamp", "")
        if not re.fullmatch(r"[0-9]{13}", timestamp):
            raise _Rejected(_gateway(401, "timestamp is not 13 digits", Outcome.CREDENTIALS))
        if abs(int(timestamp) / 1000 - self._clock()) > CLOCK_TOLERANCE_SECONDS:
            raise _Rejected(_gateway(401, "timestamp is out of the window", Outcome.CREDENTIALS))
        signed = hashlib.md5(f"{key}{secret}{timestamp}{call.path}".encode() + call.body).hexdigest()
        if not _same(call.headers.get("Sign", ""), signed):
            raise _Rejected(self.refuse(Fault.CREDENTIALS))

    def _check_eop(self, call: Call, keys: NewerKeys) -> None:
        if not _same(call.headers.get("appkey", ""), keys.app_key):
            raise _Rejected(_gateway(401, "unknown app key", Outcome.CREDENTIALS))
        if not _is_uuid(call.headers.get("ctyun-eop-request-id", "")):
            raise _Rejected(_gateway(401, "request id is not a UUID", Outcome.CREDENTIALS))
        date = call.headers.get("eop-date", "")
        if not re.fullmatch(r"[0-9]{8}T[0-9]{6}Z", date):
            raise _Rejected(_gateway(401, "eop-date is not YYYYMMDDThhmmssZ", Outcome.CREDENTIALS))
        china = datetime.fromtimestamp(self._clock() + CHINA_AHEAD_SECONDS, UTC)
        try:
            off = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) - china
        except ValueError:
            raise _Rejected(_gateway(401, "eop-date is not YYYYMMDDThhmmssZ", Outcome.CREDENTIALS)) from None
        if abs(off.total_seconds()) > CLOCK_TOLERANCE_SECONDS:
            raise _Rejected(_gateway(401, "eop-date is out of the window", Outcome.CREDENTIALS))
        given = EOP_AUTHORIZATION.fullmatch(call.headers.get("Eop-Authorization", ""))
        if not given or not _same(given[1], keys.access_key):
            raise _Rejected(_gateway(401, "unknown access key", Outcome.CREDENTIALS))
        names = sorted(given[2].split(";"))
        if not set(names) >= EOP_HEADERS:
            raise _Rejected(_gateway(401, "a header that has to be signed is not", Outcome.CREDENTIALS))
        lines = "".join(f"{name}:{call.headers.get(name, '')}\n" for name in names)
        text = f"{lines}\n\n{hashlib.sha256(call.body).hexdigest()}"
        by_time = hmac.digest(keys.secret_key.encode(), date.encode(), "sha256")
        by_day = hmac.digest(hmac.digest(by_time, keys.access_key.encode(), "sha256"), date[:8].encode(), "sha256")
        signature = base64.b64encode(hmac.digest(by_day, text.encode(), "sha256")).decode()
        if not _same(given[3], signature):
            raise _Rejected(self.refuse(Fault.CREDENTIALS))

    def _recognise(self, encoded: object) -> tuple[dict[str, Any], Outcome, CountedImage | None]:
        try:
            data = self._decode(encoded)
        except ValueError:
            return _failed(4008), Outcome.MALFORMED, None
        try:
            cards = [card for card in self._desk.read(admit(data, LIMITS)) if card.kind in NOTES]
        except PictureRefused as refused:
            result, outcome = _failed(DEFECT_CODES[refused.defect]), Outcome.IMAGE_REFUSED
        else:
            card = min(cards, key=lambda card: card.kind != "cn_portrait", default=None)
            result, outcome = (_read(card), Outcome.READ) if card else (_element(), Outcome.NO_CARD)
        return result, outcome, CountedImage(hashlib.sha256(data).hexdigest(), outcome)

    def _decode(self, encoded: object) -> bytes:
        if not isinstance(encoded, str) or not encoded:
            raise ValueError("not a text")
        if self._credentials.base64_alphabet == "urlsafe":
            if "+" in encoded or "/" in encoded:
                raise ValueError("standard alphabet")
            encoded = encoded.translate({ord("-"): "+", ord("_"): "/"})
        return base64.b64decode(encoded, validate=True)


def _pictures_of(call: Call) -> list[object]:
    content_type = call.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise _Rejected(_failure(4001, Outcome.MALFORMED))
    try:
        request = json.loads(call.body)
    except (ValueError, RecursionError):
        raise _Rejected(_failure(4001, Outcome.MALFORMED)) from None
    if not isinstance(request, dict):
        raise _Rejected(_failure(4002, Outcome.MALFORMED))
    if "data" not in request:
        raise _Rejected(_failure(4003, Outcome.MALFORMED))
    pictures = request["data"]
    if not isinstance(pictures, list):
        raise _Rejected(_failure(4004, Outcome.MALFORMED))
    if not pictures:
        raise _Rejected(_failure(4005, Outcome.MALFORMED))
    if len(pictures) > LARGEST_BATCH:
        raise _Rejected(_failure(4006, Outcome.MALFORMED))
    return pictures


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _failure(code: int, outcome: Outcome, status: int = 200) -> Answer:
    return Answer(status, {"code": code, "message": "error", "details": MESSAGES[code]}, outcome)


def _gateway(status: int, details: str, outcome: Outcome) -> Answer:
    return Answer(status, {"code": status, "message": "error", "details": details}, outcome)


def _success(results: list[dict[str, Any]], outcome: Outcome, images: tuple[CountedImage, ...]) -> Answer:
    fail = sum("err_code" in result for result in results)
    message = {"success": len(results) - fail, "fail": fail}
    return Answer(200, {"code": 0, "message": message, "result": results}, outcome, images)


def _worst_paid(outcomes: list[Outcome]) -> Outcome:
    """What the whole call counts as: a reading if it holds one, and so on down."""
    return next(o for o in (Outcome.READ, Outcome.NO_CARD, Outcome.IMAGE_REFUSED, Outcome.MALFORMED) if o in outcomes)


def _element(note: str = "", detail: Mapping[str, str] | None = None, face: str = "", risk: str = "") -> dict[str, Any]:
    return {
        "note": note,
        "detail": dict.fromkeys(DETAIL_FIELDS, "") | dict(detail or {}),
        "idcard_face": face,
        "demo_image": "demo_image",
        "risk": risk,
    }


def _failed(code: int) -> dict[str, Any]:
    return _element() | {"err_code": code, "err_msg": MESSAGES[code]}


def _read(card: SeenCard) -> dict[str, Any]:
    texts = card.fields
    detail = {
        "name": texts.get("name", ""),
        "sex": texts.get("sex", ""),
        "nation": texts.get("ethnicity", ""),
        "birthday": _birthday(texts.get("birth", "")),
        "idn": texts.get("id_number", ""),
        "addr": texts.get("address", ""),
        "org": texts.get("issuing_authority", ""),
        "validperiod": _term(texts.get("validity", "")),
    }
    face = base64.b64encode(card.portrait.jpeg).decode() if card.portrait else "no face"
    return _element(NOTES[card.kind], detail, face, "copy" if card.photocopied else "normal")


def _birthday(printed: str) -> str:
    found = PRINTED_DATE.fullmatch(printed)
    return f"{found[1]}-{found[2]:0>2}-{found[3]:0>2}" if found else printed


def _term(printed: str) -> str:
    found = PRINTED_TERM.fullmatch(printed)
    if not found:
        return printed
    end = ".".join(found.group(4, 5, 6)) if found[4] else "长期"
    return ".".join(found.group(1, 2, 3)) + "-" + end
