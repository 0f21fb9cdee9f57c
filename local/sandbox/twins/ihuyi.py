"""Plays ihuyi (互亿无线): identity-card recognition, `/ocr/Submit.json`, and the balance query, `/ocr/GetNum.json`.

From the document: both paths by GET and POST, the parameters, the key itself or MD5 as the password (over the picture
as it was before the form encoded it), the codes and their texts, the form of both answers and of failures, the limits,
`front` for the portrait side, a PDF's first page.

The document is silent on the following; these are the sandbox's own choices:

* HTTP status: 200 whatever the code, but 429 for throttling, which has no code: 4010. A method other than GET and POST,
  and a body that is no form, bring no parameters. Its GET examples lack the question mark: so written, they are another
  path. Refusals on request have the form of a failed submission, on both paths.
* Checked in the order of their codes: 401, 402, 403, 404. Then account and password: 405 for another account, or for
  a wrong password without a `time`; 40502 for a wrong one with it, or a `time` that is not 10 digits; 40501 for a right
  one that is more than ten minutes off.
* `img_base64` wins over `img_url`; the password covers both. `img_url` alone is 4086: the sandbox fetches nothing.
* 4086 is a text that is not base64, another format, more than 8 * 1000² characters after percent-encoding, a side
  beyond the limits, a picture that cannot be decoded, a PDF without a picture on its first page, and a picture in which
  red, green and blue are the same everywhere. The sides of a PDF's picture are not looked at.
* No card in the picture: a success with empty `content`. Both sides in it: the portrait side.
* `content` has the members of the example, which has no `code` of its own. What was not read is "".
* A picture that was looked at costs one, refused or not. The balance begins at the credentials' `balance`, 1000 where
  they have none; at 0 the answer is 4051.
"""

import base64
import hashlib
import hmac
import itertools
import re
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar, Self

from PIL import Image, ImageChops
from pydantic import NonNegativeInt

from local.kinds import Kind
from local.sandbox.faults import Fault
from local.sandbox.forms import MULTIPART, URLENCODED, MalformedFormError, read_arguments
from local.sandbox.ledger import CountedImage, Outcome
from local.sandbox.pictures import Limits, PictureRefused, admit
from local.sandbox.readings import ReadingDesk, SeenCard
from local.sandbox.twins.protocol import Answer, Call, Clock, Credentials

SUBMIT, BALANCE = "/ocr/Submit.json", "/ocr/GetNum.json"
APP = "idcard"
LARGEST_ENCODED = 8_000_000
LIMITS = Limits(
    frozenset({"JPEG", "PNG", "BMP", "PDF"}), largest_bytes=LARGEST_ENCODED, smallest_side=256, largest_side=2048
)
FORM_TYPES = (URLENCODED.decode(), MULTIPART.decode())
PASSWORD_LIVES_SECONDS = 600
CHINA = timezone(timedelta(hours=8))

MESSAGES = {
    0: "未知错误",
    2: "提交成功",
    401: "帐号不能为空",
    402: "密码不能为空",
    403: "应用不存在",
    404: "img_base64或img_url必须传一个",
    405: "API ID或API KEY不正确",
    4010: "通道错误",
    4051: "剩余次数不足",
    4086: "图片错误",
    40501: "动态密码已过期",
    40502: "动态密码校验失败",
    40505: "没有签定合同",
}
OUTCOMES = {
    0: Outcome.SERVER_ERROR,
    401: Outcome.MALFORMED,
    402: Outcome.MALFORMED,
    403: Outcome.MALFORMED,
    404: Outcome.MALFORMED,
    405: Outcome.CREDENTIALS,
    4010: Outcome.THROTTLED,
    4051: Outcome.QUOTA,
    4086: Outcome.IMAGE_REFUSED,
    40501: Outcome.CREDENTIALS,
    40502: Outcome.CREDENTIALS,
    40505: Outcome.PERMISSION,
}
FAULTS = {
    Fault.THROTTLE: 4010,
    Fault.QUOTA: 4051,
    Fault.CREDENTIALS: 405,
    Fault.KEY_EXPIRED: 40501,
    Fault.PERMISSION: 40505,
    Fault.SERVER_ERROR: 0,
}

PRINTED_DATE = re.compile(r"(\d{4})\D+(\d{1,2})\D+(\d{1,2})\D*")
PRINTED_TERM = re.compile(r"(\d{4})\D(\d{2})\D(\d{2})\D+(?:(\d{4})\D(\d{2})\D(\d{2})|长期)")

type Content = dict[str, str]


class IhuyiCredentials(Credentials):
    """What one account has at ihuyi; `balance` is what the sandbox lets it begin with."""

    account: str
    api_key: str
    balance: NonNegativeInt = 1000


class _Balance:
    """Recognitions paid for and not yet used. Safe between threads."""

    def __init__(self, left: int) -> None:
        self._left = left
        self._lock = threading.Lock()

    @property
    def left(self) -> int:
        return self._left

    def take(self) -> bool:
        with self._lock:
            if self._left == 0:
                return False
            self._left -= 1
            return True

    def give_back(self) -> None:
        with self._lock:
            self._left += 1


class IhuyiTwin:
    """Answers as ihuyi does."""

    name: ClassVar[str] = "ihuyi"

    def __init__(self, credentials: IhuyiCredentials, desk: ReadingDesk, clock: Clock) -> None:
        self._credentials = credentials
        self._desk = desk
        self._clock = clock
        self._balance = _Balance(credentials.balance)
        self._submissions = itertools.count()

    @classmethod
    def open(cls, credentials: Mapping[str, Any], desk: ReadingDesk, clock: Clock = time.time) -> Self:
        """The twin for these credentials. CredentialsError names what is wrong with them."""
        return cls(IhuyiCredentials.of(cls.name, credentials), desk, clock)

    def owns(self, path: str) -> bool:
        """The two documented paths; what else is below `/ocr` belongs to others."""
        return path in {SUBMIT, BALANCE}

    def answer(self, call: Call) -> Answer:
        """Parameters, password, balance, picture: checked in this order."""
        arguments = _arguments(call)
        if call.path == BALANCE:
            return self._answer_balance(arguments)
        picture, url = arguments.get("img_base64", ""), arguments.get("img_url", "")
        if code := self._refused(arguments, picture + url, demanded=True):
            return _failure(code)
        try:
            data = base64.b64decode(picture, validate=True)
        except ValueError:
            return _failure(4086, Outcome.MALFORMED)
        if not data:
            return _failure(4086, Outcome.MALFORMED)
        if not self._balance.take():
            return _failure(4051)
        try:
            return self._recognise(data, picture)
        except BaseException:
            self._balance.give_back()
            raise

    def refuse(self, fault: Fault) -> Answer:
        """The code that comes nearest to the fault."""
        return _failure(FAULTS[fault], status=429 if fault is Fault.THROTTLE else 200)

    def lie(self, answer: Answer) -> Answer:
        """Code 2, and neither a serial number nor a content."""
        images = tuple(CountedImage(image.sha256, Outcome.IMAGE_REFUSED) for image in answer.images)
        return Answer(200, _submission(2, "0", {}), Outcome.IMAGE_REFUSED, images)

    def _answer_balance(self, arguments: Mapping[str, str]) -> Answer:
        if code := self._refused(arguments, "", demanded=False):
            return Answer(200, {"code": code, "msg": MESSAGES[code], "num": 0}, OUTCOMES[code])
        return Answer(200, {"code": 2, "msg": "查询成功", "num": self._balance.left}, None)

    def _refused(self, arguments: Mapping[str, str], picture: str, *, demanded: bool) -> int | None:
        """The code of what is wrong with parameters and password first; the password covers `picture`."""
        account, password = arguments.get("account", ""), arguments.get("password", "")
        if not account:
            return 401
        if not password:
            return 402
        if arguments.get("app") != APP:
            return 403
        if demanded and not picture:
            return 404
        if not _same(account, self._credentials.account):
            return 405
        if _same(password, self._credentials.api_key):
            return None
        stamp = arguments.get("time", "")
        if not stamp:
            return 405
        text = self._credentials.account + self._credentials.api_key + APP + picture + stamp
        dynamic = hashlib.md5(text.encode()).hexdigest()
        if not re.fullmatch(r"[0-9]{10}", stamp) or not _same(password, dynamic):
            return 40502
        return 40501 if abs(int(stamp) - self._clock()) > PASSWORD_LIVES_SECONDS else None

    def _recognise(self, data: bytes, encoded: str) -> Answer:
        digest = hashlib.sha256(data).hexdigest()
        refused = _failure(4086, images=(CountedImage(digest, Outcome.IMAGE_REFUSED),))
        if len(encoded) + 2 * sum(encoded.count(character) for character in "+/=") > LARGEST_ENCODED:
            return refused
        try:
            picture = admit(data, LIMITS)
            if _is_colourless(picture.decode()):
                return refused
            cards = [card for card in self._desk.read(picture) if card.kind in SIDES]
        except PictureRefused:
            return refused
        card = min(cards, key=lambda card: card.kind != "cn_portrait", default=None)
        outcome = Outcome.READ if card else Outcome.NO_CARD
        content = SIDES[card.kind](card) if card else {}
        return Answer(200, _submission(2, self._serial(), content), outcome, (CountedImage(digest, outcome),))

    def _serial(self) -> str:
        """As in the example: the time to the second, and a number."""
        return f"{datetime.fromtimestamp(self._clock(), CHINA):%y%m%d%H%M%S}{next(self._submissions) % 100_000:05}"


def _arguments(call: Call) -> Mapping[str, str]:
    if call.method == "GET":
        return dict(urllib.parse.parse_qsl(call.query, keep_blank_values=True))
    content_type = call.headers.get("Content-Type", "")
    if call.method != "POST" or not content_type.lower().startswith(FORM_TYPES):
        return {}
    try:
        return read_arguments(content_type, call.body).texts
    except MalformedFormError:
        return {}


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _is_colourless(image: Image.Image) -> bool:
    red, green, blue = image.split()
    return not (ImageChops.difference(red, green).getbbox() or ImageChops.difference(green, blue).getbbox())


def _submission(code: int, serial: str, content: Content) -> dict[str, Any]:
    return {"code": code, "msg": MESSAGES[code], "ocrid": serial, "content": content}


def _failure(
    code: int, outcome: Outcome | None = None, images: tuple[CountedImage, ...] = (), status: int = 200
) -> Answer:
    return Answer(status, _submission(code, "0", {}), outcome or OUTCOMES[code], images)


def _portrait(card: SeenCard) -> Content:
    texts = card.fields
    born = PRINTED_DATE.fullmatch(printed := texts.get("birth", ""))
    return {
        "type": "front",
        "name": texts.get("name", ""),
        "id_number": texts.get("id_number", ""),
        "gender": texts.get("sex", ""),
        "ethnicity": texts.get("ethnicity", ""),
        "data_of_birth": f"{born[1]}.{born[2]:0>2}.{born[3]:0>2}" if born else printed,
        "domicile": texts.get("address", ""),
    }


def _emblem(card: SeenCard) -> Content:
    term = PRINTED_TERM.fullmatch(printed := card.fields.get("validity", ""))
    if term:
        printed = ".".join(term.group(1, 2, 3)) + "-" + (".".join(term.group(4, 5, 6)) if term[4] else "长期")
    return {
        "type": "back",
        "issue_authority": card.fields.get("issuing_authority", ""),
        "valid_period": printed,
    }


SIDES: Mapping[Kind, Callable[[SeenCard], Content]] = {"cn_portrait": _portrait, "cn_emblem": _emblem}
