"""Plays waiqin365 (勤策) identity-card recognition, v1.

From the document: the path with its four parts, the request's members and their types, the limits, `image` before
`url`, ids that may not come twice, the members of both sides' answers and what each value of `photo_status`,
`risk_type`, `card_quality`, `ID_number_type` and `direction` says. From what is published of the platform's other
interfaces: digest = MD5(body + "|" + AppKey + "|" + timestamp), the timestamp `yyyyMMddHHmmss`, `response_data` as a
JSON text, and the plain text at a wrong address.

The documents are silent on the following; these are the sandbox's own choices:

* Refusals. HTTP 200, `return_code` "1", `response_data` null and a sentence in `return_msg`, of which no table exists:
  频繁 for throttling, 余额不足 for quota, 校验码 for credentials, 过期 for an expired key, 授权 for permission,
  系统繁忙 for a server error. A refusal on request is given unread and has an empty `msg_id`.
* Everything below `/api/` belongs to this host. The timestamp is Asia/Shanghai wall time and at most 15 minutes off.
* A used `msg_id` or `transfer_id` is used up whatever came of the call, once the digest was right. `transfer_id` is a
  JSON number of 64 bits. The switches are the texts "true" and "false" and nothing else.
* `image` is taken as base64 and as percent-encoded base64. 8 MB are 8 * 1000² bytes of the percent-encoded text. `url`
  alone is refused: the sandbox fetches nothing. A picture beyond the limits, of another format or broken is a refusal.
* Both sides in a picture: the side that was asked for. A fault of the picture goes before a reversed side in
  `photo_status`: blur, then too bright, then too dark. `unknown` is a card on which nothing could be read. Without a
  card in it, a picture that is blurred, burnt out or dark is told so, any other is `no_IDcard`.
* A picture of another kind of card, or of none, has empty `recognition_results`, `direction` -1, and `ID_number_type`
  -1 when the portrait side was asked for. What was not read is left out, and contradicts nothing in `ID_number_type`;
  a number that was not read is 0.
* `risk_type` is the worst of several alarms, `unknown` without a card. `card_quality` is a JSON text, as the document
  types it, and absent without a card; its probabilities are the detectors' scores turned round.
* `direction` says how the card lies. Locations are upright rectangles in the picture as EXIF turns it.
* `recognition_id` is a number on the portrait side and a text elsewhere, as in the examples, and larger than 2^53.
"""

import base64
import hashlib
import hmac
import json
import re
import threading
import time
import urllib.parse
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar, Self

from local.sandbox.faults import Fault
from local.sandbox.ledger import CountedImage, Outcome
from local.sandbox.pictures import Defect, Limits, Picture, PictureRefused, admit
from local.sandbox.readings import ReadingDesk
from local.sandbox.twins.protocol import Answer, Call, Clock, Credentials
from local.sandbox.twins.waiqin365_data import SIDES, Question, about_card, about_picture

PATH = re.compile(r"/api/ocr/v1/idcard/([^/]+)/([^/]+)/([^/]+)/([^/]+)")
WRONG_ADDRESS = "请求地址不正确或请求方法不存在！"
PLAIN_TEXT = {"Content-Type": "text/plain;charset=UTF-8"}
LARGEST_ENCODED = 8_000_000
LIMITS = Limits(frozenset({"JPEG", "PNG", "BMP"}), largest_bytes=LARGEST_ENCODED, smallest_side=15, largest_side=8192)
CLOCK_TOLERANCE = timedelta(minutes=15)
SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
SWITCHES = ("quality_detection", "risk_detection", "card_cropping", "photo_detection")

REFUSALS = {
    Fault.THROTTLE: ("调用过于频繁,请稍后再试", Outcome.THROTTLED),
    Fault.CREDENTIALS: ("数据校验码不正确", Outcome.CREDENTIALS),
    Fault.KEY_EXPIRED: ("appkey已过期", Outcome.CREDENTIALS),
    Fault.PERMISSION: ("该接口未授权", Outcome.PERMISSION),
    Fault.QUOTA: ("余额不足", Outcome.QUOTA),
    Fault.SERVER_ERROR: ("系统繁忙,请稍后再试", Outcome.SERVER_ERROR),
}
DEFECT_MESSAGES = {
    Defect.FORMAT: "图片格式不支持,仅支持jpg/jpeg/png/bmp格式",
    Defect.BYTES: "图片编码后大小超过8M",
    Defect.PIXELS: "图片尺寸不符合要求,最短边至少15px,最长边最大8192px",
    Defect.UNREADABLE: "图片已损坏,无法解析",
}


class Waiqin365Credentials(Credentials):
    """What one tenant has at waiqin365."""

    openid: str
    app_key: str


class _Refused(Exception):  # noqa: N818  said as the providers say it
    def __init__(self, message: str, outcome: Outcome, images: tuple[CountedImage, ...] = ()) -> None:
        super().__init__(outcome)
        self.message = message
        self.outcome = outcome
        self.images = images


class _UsedIds:
    """Ids that may come once. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: set[object] = set()

    def use(self, one: object) -> bool:
        """Whether `one` came for the first time."""
        with self._lock:
            if one in self._seen:
                return False
            self._seen.add(one)
            return True


class Waiqin365Twin:
    """Answers as waiqin365 does."""

    name: ClassVar[str] = "waiqin365"

    def __init__(self, credentials: Waiqin365Credentials, desk: ReadingDesk, clock: Clock) -> None:
        self._credentials = credentials
        self._desk = desk
        self._clock = clock
        self._messages = _UsedIds()
        self._transfers = _UsedIds()

    @classmethod
    def open(cls, credentials: Mapping[str, Any], desk: ReadingDesk, clock: Clock = time.time) -> Self:
        """The twin for these credentials. CredentialsError names what is wrong with them."""
        return cls(Waiqin365Credentials.of(cls.name, credentials), desk, clock)

    def owns(self, path: str) -> bool:
        """Everything of the platform's interfaces."""
        return path.startswith("/api/")

    def answer(self, call: Call) -> Answer:
        """Path and method, credentials, ids, request, picture: checked in this order."""
        parts = PATH.fullmatch(call.path)
        if not parts or call.method != "POST":
            return Answer(200, {}, Outcome.NOT_FOUND, headers=PLAIN_TEXT, text=WRONG_ADDRESS)
        openid, timestamp, digest, msg_id = (urllib.parse.unquote(part) for part in parts.groups())
        try:
            self._check_credentials(openid, timestamp, digest, call.body)
            self._check_first_use(msg_id)
            question = self._read(call.body)
            data, outcome = self._recognise(question)
        except _Refused as refused:
            return _failure(msg_id, refused.message, refused.outcome, refused.images)
        return _success(msg_id, data, outcome, (CountedImage(hashlib.sha256(question.file).hexdigest(), outcome),))

    def refuse(self, fault: Fault) -> Answer:
        """`return_code` "1" and a sentence."""
        return _failure("", *REFUSALS[fault])

    def lie(self, answer: Answer) -> Answer:
        """`return_code` "0", and no card was found after all; without any `response_data` where there was none."""
        images = tuple(CountedImage(image.sha256, Outcome.IMAGE_REFUSED) for image in answer.images)
        said = answer.content["response_data"]
        data = ""
        if said is not None:
            kept = {name: value for name, value in json.loads(said).items() if name.endswith("_id")}
            failed = kept | {"photo_status": "no_IDcard", "recognition_results": {}, "result_num": 0}
            data = json.dumps(failed, ensure_ascii=False)
        success = {"return_code": "0", "return_msg": "成功", "response_data": data}
        return Answer(200, dict(answer.content) | success, Outcome.IMAGE_REFUSED, images)

    def _check_credentials(self, openid: str, timestamp: str, digest: str, body: bytes) -> None:
        if not _same(openid, self._credentials.openid):
            raise _Refused("openid不存在", Outcome.CREDENTIALS)
        try:
            if not re.fullmatch(r"[0-9]{14}", timestamp):
                raise ValueError("not 14 digits")  # noqa: TRY301  one place says what is wrong with a timestamp
            sent_at = datetime.strptime(timestamp, "%Y%m%d%H%M%S").replace(tzinfo=SHANGHAI)
        except ValueError:
            raise _Refused("timestamp格式不正确,应为yyyyMMddHHmmss", Outcome.CREDENTIALS) from None
        if abs(sent_at - datetime.fromtimestamp(self._clock(), UTC)) > CLOCK_TOLERANCE:
            raise _Refused("timestamp不在有效时间范围内", Outcome.CREDENTIALS)
        expected = hashlib.md5(body + f"|{self._credentials.app_key}|{timestamp}".encode()).hexdigest()
        if not _same(digest, expected):
            raise _Refused(*REFUSALS[Fault.CREDENTIALS])

    def _check_first_use(self, msg_id: str) -> None:
        if not self._messages.use(msg_id):
            raise _Refused("msg_id不允许重复", Outcome.MALFORMED)

    def _read(self, body: bytes) -> Question:
        try:
            members = json.loads(body)
        except (ValueError, RecursionError):
            raise _Refused("消息体不是合法的JSON", Outcome.MALFORMED) from None
        if not isinstance(members, dict):
            raise _Refused("消息体不是JSON对象", Outcome.MALFORMED)
        transfer_id = members.get("transfer_id")
        if not isinstance(transfer_id, int) or isinstance(transfer_id, bool) or not 0 <= transfer_id < 2**64:
            raise _Refused("transfer_id必填,类型为uint64", Outcome.MALFORMED)
        if not self._transfers.use(transfer_id):
            raise _Refused("transfer_id不允许重复", Outcome.MALFORMED)
        side = members.get("ID_card_side")
        if side not in tuple(SIDES):
            raise _Refused("ID_card_side必填,取值为front或back", Outcome.MALFORMED)
        for name in SWITCHES:
            if members.get(name, "false") not in ("true", "false"):
                raise _Refused(f"{name}取值为字符串true或false", Outcome.MALFORMED)
        switches = frozenset(name for name in SWITCHES if members.get(name) == "true")
        return Question(transfer_id, side, switches, _decode(members))

    def _recognise(self, question: Question) -> tuple[dict[str, Any], Outcome]:
        try:
            picture = _admitted(question.file)
            seen = self._desk.read(picture)
        except PictureRefused as refused:
            image = CountedImage(hashlib.sha256(question.file).hexdigest(), Outcome.IMAGE_REFUSED)
            raise _Refused(DEFECT_MESSAGES[refused.defect], Outcome.IMAGE_REFUSED, (image,)) from None
        asked = SIDES[question.side]
        cards = [card for card in seen if card.kind in SIDES.values()]
        if not cards:
            return about_picture(question, self._desk.inspect(picture), seen), Outcome.NO_CARD
        card = min(cards, key=lambda card: card.kind != asked)
        return about_card(question, card), Outcome.READ


def _decode(members: Mapping[str, Any]) -> bytes:
    encoded = members.get("image")
    if not encoded:
        if members.get("url"):
            raise _Refused("url对应的图片下载失败", Outcome.MALFORMED)
        raise _Refused("image和url二选一必填", Outcome.MALFORMED)
    if not isinstance(encoded, str):
        raise _Refused("image类型为STRING", Outcome.MALFORMED)
    try:
        return base64.b64decode(urllib.parse.unquote(encoded), validate=True)
    except ValueError:
        raise _Refused("image不是合法的base64编码", Outcome.MALFORMED) from None


def _admitted(data: bytes) -> Picture:
    """The picture in `data`. Counted as base64, percent-encoded: `+`, `/` and `=` are three bytes each."""
    text = base64.b64encode(data)
    if len(text) + 2 * sum(text.count(character) for character in (b"+", b"/", b"=")) > LARGEST_ENCODED:
        raise PictureRefused(Defect.BYTES)
    return admit(data, LIMITS)


def _success(msg_id: str, data: dict[str, Any], outcome: Outcome, images: tuple[CountedImage, ...]) -> Answer:
    text = json.dumps(data, ensure_ascii=False)
    envelope = {"return_code": "0", "return_msg": "成功", "msg_id": msg_id, "response_data": text}
    return Answer(200, envelope, outcome, images)


def _failure(msg_id: str, message: str, outcome: Outcome, images: tuple[CountedImage, ...] = ()) -> Answer:
    envelope = {"return_code": "1", "return_msg": message, "msg_id": msg_id, "response_data": None}
    return Answer(200, envelope, outcome, images)


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
