"""The ihuyi twin by itself: what it tells of a reading, what it takes for a password, how it counts what is left."""

import base64
import hashlib
import io
import re
import threading
import urllib.parse
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from PIL import Image, ImageDraw

from local.kinds import Kind
from local.sandbox.faults import Fault
from local.sandbox.ledger import Outcome
from local.sandbox.reader import ReadCard
from local.sandbox.readings import ReadingDesk
from local.sandbox.twins.ihuyi import IhuyiTwin
from local.sandbox.twins.protocol import Answer, Call, CredentialsError

ACCOUNT, API_KEY = "C99000001", "ihuyi-key-example"
CREDENTIALS = {"account": ACCOUNT, "api_key": API_KEY}
NOW = 1_651_544_941.0
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def striped(width: int = 400, height: int = 260, *, colour: bool = True, file_format: str = "PNG") -> bytes:
    image = Image.new("RGB", (width, height), (205, 222, 236))
    for x in range(0, width, 10):
        ImageDraw.Draw(image).line((x, 0, x, height), fill=(230, 120, 90), width=4)
    file = io.BytesIO()
    (image if colour else image.convert("L")).save(file, file_format)
    return file.getvalue()


class ScriptedReader:
    """Finds the given cards in every picture."""

    def __init__(self, *cards: tuple[Kind, Mapping[str, str]], before: Callable[[], None] = lambda: None) -> None:
        self._cards = cards
        self._before = before

    def read(self, picture: Image.Image) -> list[ReadCard]:
        self._before()
        return [ReadCard(kind, dict(fields), (0, 0, *picture.size), picture) for kind, fields in self._cards]


def twin(reader: ScriptedReader | None = None, now: float = NOW, **credentials: object) -> IhuyiTwin:
    desk = ReadingDesk(reader or ScriptedReader(("cn_portrait", {"name": "张样例"})))
    return IhuyiTwin.open(CREDENTIALS | credentials, desk, lambda: now)


def fields(data: bytes | None = None, at: float = NOW, **changes: str) -> dict[str, str]:
    """The parameters of a right request, with the document's password over what is sent."""
    sent = {"account": ACCOUNT, "app": "idcard", "time": str(int(at))}
    sent |= {"img_base64": base64.b64encode(data).decode()} if data is not None else {}
    sent |= changes
    covered = sent.get("img_base64", "") + sent.get("img_url", "")
    text = ACCOUNT + API_KEY + "idcard" + covered + sent["time"]
    return {"password": hashlib.md5(text.encode()).hexdigest()} | sent


def post(path: str, sent: Mapping[str, str], headers: Mapping[str, str] = FORM) -> Call:
    return Call("POST", path, httpx.Headers(dict(headers)), urllib.parse.urlencode(sent).encode())


def submit(ihuyi: IhuyiTwin, data: bytes) -> Answer:
    return ihuyi.answer(post("/ocr/Submit.json", fields(data)))


def left(ihuyi: IhuyiTwin) -> int:
    answer = ihuyi.answer(post("/ocr/GetNum.json", fields()))
    assert answer.outcome is None
    assert {name: value for name, value in answer.content.items() if name != "num"} == {"code": 2, "msg": "查询成功"}
    num: int = answer.content["num"]
    return num


def content_of(*cards: tuple[Kind, Mapping[str, str]]) -> dict[str, str]:
    answer = submit(twin(ScriptedReader(*cards)), striped())
    assert answer.status == 200
    content: dict[str, str] = answer.content["content"]
    return content


def test_a_success_has_the_examples_members_and_a_serial_number_of_its_own() -> None:
    ihuyi = twin()
    answers = [submit(ihuyi, striped()) for _ in range(2)]
    assert all(list(answer.content) == ["code", "msg", "ocrid", "content"] for answer in answers)
    assert [(answer.content["code"], answer.content["msg"], answer.outcome) for answer in answers] == [
        (2, "提交成功", Outcome.READ)
    ] * 2
    serials = [answer.content["ocrid"] for answer in answers]
    assert all(re.fullmatch(r"220503102901\d{5}", serial) for serial in serials)
    assert serials[0] != serials[1]


def test_the_sides_and_their_members() -> None:
    portrait = {"name": "张样例", "sex": "男", "ethnicity": "汉", "birth": "1990年3月7日", "address": "样例路1号",
                "id_number": "990105199003070037"}  # fmt: skip
    assert list(content_of(("cn_portrait", portrait)).items()) == [
        ("type", "front"), ("name", "张样例"), ("id_number", "990105199003070037"), ("gender", "男"),
        ("ethnicity", "汉"), ("data_of_birth", "1990.03.07"), ("domicile", "样例路1号"),
    ]  # fmt: skip
    emblem = {"issuing_authority": "样例市公安局", "validity": "2005.10.08-2025.10.08"}
    assert list(content_of(("cn_emblem", emblem)).items()) == [
        ("type", "back"), ("issue_authority", "样例市公安局"), ("valid_period", "2005.10.08-2025.10.08"),
    ]  # fmt: skip


def test_what_was_not_read_is_empty() -> None:
    told = content_of(("cn_portrait", {"name": "张样例"}))
    assert {name: text for name, text in told.items() if text} == {"type": "front", "name": "张样例"}
    assert set(content_of(("cn_emblem", {})).values()) == {"back", ""}


@pytest.mark.parametrize(
    ("printed", "told"), [("1990年12月31日", "1990.12.31"), ("1990年3月7日", "1990.03.07"), ("1990年", "1990年")]
)
def test_birth_dates(printed: str, told: str) -> None:
    assert content_of(("cn_portrait", {"birth": printed}))["data_of_birth"] == told


@pytest.mark.parametrize(
    ("printed", "told"),
    [("2019.06.06-2039.06.06", "2019.06.06-2039.06.06"), ("2019.06.06 长期", "2019.06.06-长期"),
     ("2019.06.06", "2019.06.06")],
)  # fmt: skip
def test_terms(printed: str, told: str) -> None:
    assert content_of(("cn_emblem", {"validity": printed}))["valid_period"] == told


def test_the_portrait_side_of_two_and_no_card_among_others() -> None:
    assert content_of(("cn_emblem", {}), ("cn_portrait", {}))["type"] == "front"
    answer = submit(twin(ScriptedReader(("pe_dni_new_front", {"name": "JUAN"}))), striped())
    assert (answer.content["code"], answer.content["content"], answer.outcome) == (2, {}, Outcome.NO_CARD)
    assert answer.content["ocrid"] != "0"


# parameters and password ----------------------------------------------------------------------------------------------


def codes_of(sent: Mapping[str, str], now: float = NOW) -> tuple[int, int]:
    """What Submit and GetNum answer to the same parameters, of which GetNum looks at its own."""
    answers = [twin(now=now).answer(post(path, sent)) for path in ("/ocr/Submit.json", "/ocr/GetNum.json")]
    assert all(answer.status == 200 and answer.content["msg"] for answer in answers)
    return answers[0].content["code"], answers[1].content["code"]


@pytest.mark.parametrize(
    ("changes", "codes"),
    [({"account": ""}, (401, 401)), ({"password": ""}, (402, 402)), ({"app": ""}, (403, 403)),
     ({"app": "idcard2"}, (403, 403)), ({"account": "C99000002"}, (405, 405)), ({"time": ""}, (405, 405)),
     ({"password": "0" * 32}, (40502, 40502)), ({"time": "1651544941000"}, (40502, 40502)),
     ({"time": "165154494"}, (40502, 40502)), ({"time": "1651544942"}, (40502, 40502)),
     ({"img_base64": ""}, (404, 40502)), ({"img_base64": "AAAA"}, (40502, 40502))],
)  # fmt: skip
def test_what_is_wrong_is_told_by_its_code(changes: dict[str, str], codes: tuple[int, int]) -> None:
    assert codes_of(fields(striped()) | changes) == codes


@pytest.mark.parametrize("lacking", ["account", "password", "app", "img_base64"])
def test_what_is_missing_is_told_like_what_is_empty(lacking: str) -> None:
    sent = fields(striped())
    assert codes_of({k: v for k, v in sent.items() if k != lacking}) == codes_of(sent | {lacking: ""})


def test_a_right_password_of_another_form_of_time_is_wrong() -> None:
    for stamp in ("1651544941000", "0165154494", "１６５１５４４９４１", "1651544941 ", "-651544941"):
        assert codes_of(fields(time=stamp))[1] != 2


@pytest.mark.parametrize(("off", "code"), [(0, 2), (600, 2), (-600, 2), (601, 40501), (-601, 40501), (-86400, 40501)])
def test_a_password_lives_ten_minutes(off: int, code: int) -> None:
    assert codes_of(fields(at=NOW + off))[1] == code
    assert codes_of(fields(striped(), at=NOW + off))[0] == code


def test_the_key_itself_is_a_password_without_a_time() -> None:
    picture = {"img_base64": base64.b64encode(striped()).decode()}
    sent = {"account": ACCOUNT, "password": API_KEY, "app": "idcard"} | picture
    assert codes_of(sent) == (2, 2)
    assert codes_of(sent | {"time": "whenever"}) == (2, 2)
    assert codes_of(sent | {"password": API_KEY[:-1]}) == (405, 405)


def test_the_password_of_getnum_covers_no_picture_and_that_of_submit_both() -> None:
    assert codes_of(fields() | {"img_base64": "AAAA", "img_url": "http://x.example/1.png"})[1] == 2
    data = striped()
    assert codes_of(fields(data, img_url="http://x.example/1.png"))[0] == 2
    assert codes_of(fields(data) | {"img_url": "http://x.example/1.png"})[0] == 40502


def test_an_address_alone_is_not_fetched() -> None:
    answer = twin().answer(post("/ocr/Submit.json", fields(img_url="http://x.example/1.png")))
    assert (answer.content, answer.images) == ({"code": 4086, "msg": "图片错误", "ocrid": "0", "content": {}}, ())


def test_get_reads_the_query_and_post_a_form() -> None:
    sent = fields(striped(256, 256))
    query = urllib.parse.urlencode(sent)
    calls = {
        "get": Call("GET", "/ocr/Submit.json", httpx.Headers(), b"", query),
        "post": post("/ocr/Submit.json", sent),
        "charset": post("/ocr/Submit.json", sent, {"content-type": "application/x-www-form-urlencoded;charset=utf-8"}),
        "query of a post": Call("POST", "/ocr/Submit.json", httpx.Headers(FORM), b"", query),
        "body of a get": Call("GET", "/ocr/Submit.json", httpx.Headers(FORM), query.encode()),
        "json": post("/ocr/Submit.json", sent, {"Content-Type": "application/json"}),
        "no type": post("/ocr/Submit.json", sent, {}),
        "broken": post("/ocr/Submit.json", sent, {"Content-Type": "multipart/form-data"}),
        "put": Call("PUT", "/ocr/Submit.json", httpx.Headers(FORM), query.encode(), query),
    }
    codes = {name: twin().answer(call).content["code"] for name, call in calls.items()}
    assert codes == dict.fromkeys(calls, 401) | dict.fromkeys(("get", "post", "charset"), 2)


def test_a_plus_sign_that_was_not_encoded_is_lost() -> None:
    data = next(data for data in (striped() + bytes([n]) * 3 for n in range(256)) if b"+" in base64.b64encode(data))
    body = "&".join(f"{name}={value}" for name, value in fields(data).items()).encode()
    answer = twin().answer(Call("POST", "/ocr/Submit.json", httpx.Headers(FORM), body))
    assert answer.content["code"] == 40502


def test_only_the_documented_paths_are_its_own() -> None:
    assert [twin().owns(path) for path in ("/ocr/Submit.json", "/ocr/GetNum.json")] == [True, True]
    others = (
        "/ocr",
        "/ocr/",
        "/ocr/idcard",
        "/ocr/submit.json",
        "/ocr/Submit.json/",
        "/ocr/Submit.json&account=1",
        "/",
    )
    assert not any(twin().owns(path) for path in others)


# pictures -------------------------------------------------------------------------------------------------------------


def pdf(*pages: Image.Image) -> bytes:
    file = io.BytesIO()
    pages[0].save(file, "PDF", save_all=True, append_images=pages[1:])
    return file.getvalue()


COLOURED = Image.open(io.BytesIO(striped())).convert("RGB")


@pytest.mark.parametrize(
    "data",
    [
        striped(256, 256), striped(2048, 256), striped(256, 2048), striped(file_format="JPEG"),
        striped(file_format="BMP"), pdf(COLOURED), pdf(COLOURED, COLOURED.convert("L")), pdf(COLOURED.resize((99, 99))),
        striped() + b"\0" * 5_900_000,
    ],
    ids=["least", "widest", "highest", "jpeg", "bmp", "pdf", "second page grey", "small in a pdf", "largest"],
)  # fmt: skip
def test_pictures_that_are_taken(data: bytes) -> None:
    answer = submit(twin(), data)
    assert (answer.content["code"], answer.outcome) == (2, Outcome.READ)
    assert [image.sha256 for image in answer.images] == [hashlib.sha256(data).hexdigest()]


@pytest.mark.parametrize(
    "data",
    [
        striped(255, 400), striped(400, 255), striped(2049, 400), striped(400, 2049), striped(file_format="GIF"),
        striped(file_format="TIFF"), b"%PDF-1.7", pdf(COLOURED.convert("L")), pdf(COLOURED.convert("L"), COLOURED),
        striped()[:-40], striped(colour=False), striped(colour=False, file_format="JPEG"), b"GET / HTTP/1.1",
        striped() + b"\0" * 6_000_000, striped() + b"\0" * 5_850_000 + b"\xff" * 60_000,
    ],
    ids=["narrow", "low", "wide", "high", "gif", "tiff", "no pdf", "grey pdf", "first page grey", "cut off", "grey",
         "grey jpeg", "text", "8 MB", "8 MB for the form"],
)  # fmt: skip
def test_pictures_that_are_not(data: bytes) -> None:
    ihuyi = twin()
    answer = submit(ihuyi, data)
    assert answer.content == {"code": 4086, "msg": "图片错误", "ocrid": "0", "content": {}}
    assert (answer.status, answer.outcome, len(answer.images)) == (200, Outcome.IMAGE_REFUSED, 1)
    assert left(ihuyi) == 999


def test_grey_in_three_channels_is_grey_and_one_coloured_pixel_is_colour() -> None:
    grey = COLOURED.convert("L").convert("RGB")
    codes = []
    for tint in (None, (120, 120, 121), (121, 120, 120)):
        if tint:
            grey.putpixel((399, 259), tint)
        file = io.BytesIO()
        grey.save(file, "PNG")
        codes.append(submit(twin(), file.getvalue()).content["code"])
    assert codes == [4086, 2, 2]


@pytest.mark.parametrize("text", ["not base64!", "data:image/png;base64,AAAA", "AAAA\nAAAA", "AAA", "样例"])
def test_what_is_not_base64_is_a_bad_picture_and_costs_nothing(text: str) -> None:
    ihuyi = twin()
    answer = ihuyi.answer(post("/ocr/Submit.json", fields(img_base64=text)))
    assert (answer.content["code"], answer.outcome, answer.images) == (4086, Outcome.MALFORMED, ())
    assert left(ihuyi) == 1000


# balance --------------------------------------------------------------------------------------------------------------


def test_the_balance_goes_down_by_one_for_every_picture_that_was_looked_at() -> None:
    ihuyi = twin(balance=3)
    assert [left(ihuyi), left(ihuyi)] == [3, 3]
    submit(ihuyi, striped())
    assert left(ihuyi) == 2
    ihuyi.answer(post("/ocr/Submit.json", fields(striped()) | {"password": "0" * 32}))
    assert left(ihuyi) == 2
    submit(ihuyi, striped(colour=False))
    submit(ihuyi, striped())
    assert left(ihuyi) == 0
    answer = submit(ihuyi, striped())
    assert answer.content == {"code": 4051, "msg": "剩余次数不足", "ocrid": "0", "content": {}}
    assert (answer.outcome, answer.images, left(ihuyi)) == (Outcome.QUOTA, (), 0)


def test_a_failing_engine_takes_nothing() -> None:
    def fail() -> None:
        raise RuntimeError("the engine is gone")

    ihuyi = twin(ScriptedReader(before=fail), balance=1)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="the engine is gone"):
            submit(ihuyi, striped())
    assert left(ihuyi) == 1


def test_many_at_once_get_no_more_than_is_left() -> None:
    together = threading.Barrier(8)
    ihuyi = twin(balance=5)

    def call(width: int) -> int:
        together.wait(30)
        code: int = submit(ihuyi, striped(width)).content["code"]
        return code

    with ThreadPoolExecutor(8) as pool:
        codes = sorted(pool.map(call, range(300, 308)))
    assert codes == [2] * 5 + [4051] * 3
    assert left(ihuyi) == 0


@pytest.mark.parametrize("balance", [-1, "many", None, 1.5])
def test_a_balance_that_is_none_is_named(balance: object) -> None:
    with pytest.raises(CredentialsError, match=r"ihuyi\.balance$"):
        twin(balance=balance)


@pytest.mark.parametrize("field", ["account", "api_key"])
def test_credentials_that_are_missing_are_named(field: str) -> None:
    for credentials in ({}, {field: ""}):
        with pytest.raises(CredentialsError, match=rf"ihuyi\.{field}"):
            IhuyiTwin.open(credentials, ReadingDesk(ScriptedReader()))


# faults ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "status", "code", "outcome"),
    [(Fault.THROTTLE, 429, 4010, Outcome.THROTTLED), (Fault.QUOTA, 200, 4051, Outcome.QUOTA),
     (Fault.CREDENTIALS, 200, 405, Outcome.CREDENTIALS), (Fault.KEY_EXPIRED, 200, 40501, Outcome.CREDENTIALS),
     (Fault.PERMISSION, 200, 40505, Outcome.PERMISSION), (Fault.SERVER_ERROR, 200, 0, Outcome.SERVER_ERROR)],
)  # fmt: skip
def test_every_refusal_on_request(fault: Fault, status: int, code: int, outcome: Outcome) -> None:
    answer = twin().refuse(fault)
    assert (answer.status, answer.outcome) == (status, outcome)
    assert answer.content == {"code": code, "msg": answer.content["msg"], "ocrid": "0", "content": {}}
    assert answer.content["msg"]
    with pytest.raises(KeyError):
        twin().refuse(Fault.LIE)


def test_a_lie_says_success_and_has_neither_number_nor_content() -> None:
    ihuyi = twin()
    true = submit(ihuyi, striped())
    lie = ihuyi.lie(true)
    assert lie.content == {"code": 2, "msg": "提交成功", "ocrid": "0", "content": {}}
    assert [(image.sha256, image.outcome) for image in lie.images] == [
        (true.images[0].sha256, Outcome.IMAGE_REFUSED)
    ]  # fmt: skip


def test_nothing_that_can_be_printed_shows_a_picture_or_a_key() -> None:
    call = post("/ocr/Submit.json", fields(striped()))
    shown: Any = f"{call!r} {twin()!r} {submit(twin(), striped())!r}"
    assert not any(hidden in shown for hidden in (API_KEY, "张样例", fields(striped())["password"]))
