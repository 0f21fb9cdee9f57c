"""waiqin365, held to its document: digest, request, options, every form of answer, and the refusals without codes."""

import base64
import hashlib
import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlsplit
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardintake import signals
from cardintake.cards.models import Side
from cardintake.images import FittedImage
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
from cardintake.providers.protocol import Attempt, Call, CardReading, Claim, Reading
from cardintake.providers.waiqin365 import Waiqin365, digest
from tests.contract.documented import names_in
from tests.contract.recorded import all_recorded, answer, recorded
from tests.properties import invented, tampered, without

OPENID, APP_KEY = "1234567890123456789", "TESTappkey00000018"
SECRET: dict[str, Any] = {"base_url": "https://openapi.waiqin365.com", "openid": OPENID, "app_key": APP_KEY}
NOW = datetime(2026, 1, 15, 8, 30, tzinfo=UTC)
NONCE = UUID("6d0f3e1c-5b43-4b5e-9a7e-0d7f1a2b3c4d")
JPEG = base64.b64decode("/9j/4AAQSkZJRgABAQAAAQABAAD/2Q==")
OPTIONS = ("quality_detection", "risk_detection", "card_cropping", "photo_detection")
IDENTITY = {"country": "CHN", "document_type": "cn_resident_id"}
PORTRAIT = IDENTITY | {
    "side": "portrait", "name": "张样例", "sex": "M", "ethnicity": "汉", "birth_date": "1990-03-07",
    "address": "样例省样例市样例路1号", "id_number": "990105199003070037",
}  # fmt: skip
EMBLEM = IDENTITY | {
    "side": "emblem", "issuing_authority": "样例市公安局", "valid_from": "2019-06-06", "valid_to": "2039-06-06",
}  # fmt: skip


def waiqin365(**changes: object) -> Waiqin365:
    return Waiqin365.configured(SECRET | changes, allow_http=False)


def image(data: bytes = JPEG) -> FittedImage:
    return FittedImage(data, "JPEG", 100, 100)


def call_of(provider: Waiqin365, claim: Claim | None = None, nonce: UUID = NONCE, now: datetime = NOW) -> Call:
    return provider.call(image(), claim or Claim(), Attempt(now, nonce))


def reading_of(document: object, **changes: object) -> Reading:
    provider, given_answer = waiqin365(**changes), answer(document)
    provider.check(given_answer)
    return provider.read(given_answer)


def readings_of(document: object) -> tuple[CardReading, ...]:
    return reading_of(document).cards


def cards_of(document: object) -> list[dict[str, Any]]:
    return [reading.card.values() for reading in readings_of(document)]


def data_of(document: Any) -> Any:
    """response_data as an object, whichever form it was recorded in."""
    data = document["response_data"]
    return json.loads(data) if isinstance(data, str) else data


def answered(data: object, **envelope: object) -> dict[str, Any]:
    """A success with response_data as the JSON text that it usually is."""
    text = json.dumps(data, ensure_ascii=False)
    return {"return_code": "0", "return_msg": "成功", "msg_id": str(NONCE), "response_data": text} | envelope


def with_data(name: str = "portrait", **members: object) -> dict[str, Any]:
    return answered(data_of(recorded("waiqin365", name)) | members)


def with_words(name: str = "portrait", **fields: object) -> dict[str, Any]:
    results = data_of(recorded("waiqin365", name))["recognition_results"]
    return with_data(name, recognition_results=results | {field: {"words": words} for field, words in fields.items()})


# digest ---------------------------------------------------------------------------------------------------------------

PUBLISHED = '{"org_id":"ORG001","org_name":"南京掌控网络","org_parent_id":"","org_sequence":001}'.encode()
COMPACT = (
    b'{"transfer_id":3453434212,"image":"/9j/4AAQSkZJRgABAQAAAQABAAD/2Q==","ID_card_side":"front",'
    b'"quality_detection":"true","risk_detection":"true","card_cropping":"false","photo_detection":"false"}'
)


@pytest.mark.parametrize(
    ("body", "app_key", "timestamp", "msg_id", "expected", "wrong"),
    [
        # the published worked example; its body is no JSON (001) and is hashed as it is written
        (
            PUBLISHED, "BFCO0PAgIUgd50c0l6", "20150806142836", "3c6b9b2e-0000-4000-8000-000000000001",
            "74267bf0cae0998a719879ec9b3c7780",
            {
                "44ceaec1da8ee0035a945059ffe1ed9f", "b9e43964a4cbeb33707fab979e806546",
                "c28e126e0a0e8c2225d6bd95f2466c138feef9d77a535d94e34c16175cc59c02",
                "74267BF0CAE0998A719879EC9B3C7780",
            },
        ),
        (
            COMPACT, APP_KEY, "20260115163000", str(NONCE), "0105afa26068c601833f77008e79217b",
            {
                "df8fdb7e4ddb449b9bd5d56963b8d56a", "4d23953672ec192eb047386b371bdb92",
                "dc90ff4379d3c6125889159c8d9644f47d9940a40aa42508daa8a4a2b7ee400f",
                "0105AFA26068C601833F77008E79217B",
            },
        ),
    ],
    ids=["published", "front"],
)  # fmt: skip
def test_digest_vectors(body: bytes, app_key: str, timestamp: str, msg_id: str, expected: str, wrong: set[str]) -> None:
    assert digest(body, app_key, timestamp) == expected
    # what the usual wrong readings of the rule give for the same request: each is another digest than ours
    key, time = app_key.encode(), timestamp.encode()
    browser = b"data=%b&appkey=%b&nonce=%b&timestamp=%b" % (body, key, msg_id.encode(), time)  # the platform's JSAPI
    misread = {
        hashlib.md5(body + key + time).hexdigest(),
        hashlib.md5(b"|".join([key, body, time])).hexdigest(),
        hashlib.sha256(browser).hexdigest(),
        expected.upper(),
    }
    assert misread == wrong
    assert expected not in wrong


def test_the_vectors_request_is_made_byte_for_byte() -> None:
    call = call_of(waiqin365(), nonce=UUID(int=3453434212))
    assert call.content == COMPACT
    assert call.url == (
        "https://openapi.waiqin365.com/api/ocr/v1/idcard/1234567890123456789/20260115163000/"
        "0105afa26068c601833f77008e79217b/00000000-0000-0000-0000-0000cdd73964"
    )
    assert dict(call.headers) == {"Content-Type": "application/json"}


def parts_of(call: Call) -> tuple[str, str, str, str]:
    """openid, timestamp, digest, msg_id; the digest recomputed as a server does from what it receives."""
    match = re.fullmatch(r"/api/ocr/v1/idcard/([^/]+)/([^/]+)/([^/]+)/([^/]+)", urlsplit(call.url).path)
    assert match
    openid, timestamp, signed, msg_id = match.groups()
    assert signed == hashlib.md5(b"|".join([call.content, APP_KEY.encode(), timestamp.encode()])).hexdigest()
    return openid, timestamp, signed, msg_id


# request --------------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=400))
def test_the_body_is_what_is_signed_and_holds_the_picture_as_it_is(data: bytes) -> None:
    call = waiqin365().call(image(data), Claim(), Attempt(NOW))
    parts_of(call)
    document = json.loads(call.content)
    # base64 with its own + / =, not percent-encoded, on one line
    assert document["image"] == base64.b64encode(data).decode()
    assert list(document) == ["transfer_id", "image", "ID_card_side", *OPTIONS]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2026, 1, 15, 8, 30, tzinfo=UTC), "20260115163000"),
        (datetime(2025, 12, 31, 16, 0, tzinfo=UTC), "20260101000000"),  # another year in China
        (datetime(2026, 7, 1, 15, 59, 59, 999_999, tzinfo=UTC), "20260701235959"),
        (datetime(2026, 1, 15, 3, 30, tzinfo=timezone(timedelta(hours=-5))), "20260115163000"),
    ],
)
def test_the_timestamp_is_chinese_wall_time(now: datetime, expected: str) -> None:
    assert parts_of(call_of(waiqin365(), now=now))[1] == expected
    assert parts_of(call_of(waiqin365(timestamp_format="documented"), now=now))[1] == expected


def test_the_timestamp_can_be_milliseconds() -> None:
    now = NOW.replace(microsecond=123_000)
    assert parts_of(call_of(waiqin365(timestamp_format="milliseconds"), now=now))[1] == "1768465800123"


def test_every_attempt_has_ids_of_its_own() -> None:
    nonces = [uuid4() for _ in range(200)] + [UUID(int=0), UUID(int=2**128 - 1), NONCE]
    calls = [call_of(waiqin365(), nonce=nonce) for nonce in nonces]
    assert [parts_of(call)[3] for call in calls] == [str(nonce) for nonce in nonces]
    transfers = [json.loads(call.content)["transfer_id"] for call in calls]
    assert len(set(transfers)) == len(transfers)
    # a number for every reader: unsigned and signed 64 bits, 19 digits
    assert all(type(transfer) is int and 0 <= transfer < 2**63 and len(str(transfer)) <= 19 for transfer in transfers)
    assert len({parts_of(call)[2] for call in calls}) == len(calls)
    assert call_of(waiqin365()) == call_of(waiqin365())


@pytest.mark.parametrize(
    ("side", "sent"), [("portrait", "front"), ("front", "front"), ("emblem", "back"), ("back", "back"), (None, "front")]
)
def test_the_side_is_demanded_and_the_claimed_one_else_the_portrait(side: Side | None, sent: str) -> None:
    claim = Claim("cn_resident_id", side)
    assert json.loads(call_of(waiqin365(), claim).content)["ID_card_side"] == sent
    assert (waiqin365().options_key(claim) == waiqin365().options_key(Claim())) == (sent == "front")


def test_detection_is_on_and_cropping_off_by_default_all_as_text() -> None:
    document = json.loads(call_of(waiqin365()).content)
    assert {name: document[name] for name in OPTIONS} == {
        "quality_detection": "true", "risk_detection": "true", "card_cropping": "false", "photo_detection": "false",
    }  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize(
    ("given_value", "sent"), [(True, "true"), (False, "false"), ("true", "true"), ("false", "false")]
)
def test_every_documented_option(name: str, given_value: object, sent: str) -> None:
    provider = waiqin365(options={name: given_value})
    document, unchanged = json.loads(call_of(provider).content), json.loads(call_of(waiqin365()).content)
    assert document == unchanged | {name: sent}
    assert (provider.options_key(Claim()) == waiqin365().options_key(Claim())) == (document == unchanged)


def test_the_address_is_not_offered() -> None:
    assert "url" not in json.loads(call_of(waiqin365()).content)
    assert "options.url" in fault_of(SECRET | {"options": {"url": "https://image.example/hush.jpg"}})


def test_a_base_url_may_end_in_a_slash_or_hold_a_path() -> None:
    assert call_of(waiqin365(base_url="https://openapi.waiqin365.com/")) == call_of(waiqin365())
    tenant = call_of(waiqin365(base_url="https://openapi.example/tenant"))
    assert tenant.url.startswith(f"https://openapi.example/tenant/api/ocr/v1/idcard/{OPENID}/")


def test_the_documents_limits() -> None:
    limits = Waiqin365.limits
    assert limits.formats == {"JPEG", "PNG", "BMP"}
    assert (limits.min_side, limits.max_side) == (15, 8192)
    # 8 MB after base64 and urlencode, in the smaller reading of MB
    dense = b"\xff" * 2_000_000  # base64 of this is nothing but /
    assert len(quote_plus(base64.b64encode(dense))) > 8_000_000 > len(base64.b64encode(dense))
    assert not limits.hold(dense)
    assert limits.hold(b"\x00" * 5_999_997)
    assert not limits.hold(b"\x00" * 6_000_003)


# errors ---------------------------------------------------------------------------------------------------------------


def error_of(document: object, status: int = 200) -> ProviderError:
    """The error of an answer: raised by `check`, unless it is a refusal of the image, which is final."""
    given_answer = answer(document, status)
    try:
        waiqin365().check(given_answer)
    except ProviderError as error:
        assert not isinstance(error, ImageRefusedError)  # noqa: PT017 - which of the two raises it is what is tested
        with pytest.raises(type(error)):
            waiqin365().read(given_answer)
        return error
    with pytest.raises(ImageRefusedError) as refusal:
        waiqin365().read(given_answer)
    return refusal.value


def refused(message: object, code: object = "1") -> dict[str, Any]:
    document: dict[str, Any] = recorded("waiqin365", "call_refused")
    return document | {"return_code": code, "return_msg": message}


MESSAGES: list[tuple[str, type[ProviderError]]] = [
    ("调用过于频繁", ThrottledError), ("请求过于频繁，请稍后再试", ThrottledError), ("接口限流", ThrottledError),
    ("Open api qps request limit reached", ThrottledError), ("并发数超限", ThrottledError),
    ("余额不足", QuotaError), ("次数不足，请充值", QuotaError), ("超出配额", QuotaError), ("账户已欠费", QuotaError),
    ("Open api daily request limit reached", QuotaError), ("Open api total request limit reached", QuotaError),
    ("时间戳无效", StaleCredentialError), ("Timestamp已超时", StaleCredentialError),
    ("识别超时", RetryableError), ("系统繁忙", RetryableError), ("请稍后重试", RetryableError),
    ("transfer_id不允许重复", RetryableError), ("internal error", RetryableError),
    ("图片识别服务繁忙，请稍后", RetryableError), ("图片大小检测超时", RetryableError),
    ("base64解码失败", RequestRefusedError), ("图片Base64格式错误", RequestRefusedError),
    ("图片大小超限", ImageRefusedError), ("图片base64编码后大小超过8M", ImageRefusedError),
    ("图像尺寸不符", ImageRefusedError), ("照片像素过低", ImageRefusedError), ("不支持的图片格式", ImageRefusedError),
    ("图片无法解析\n可能已损坏", ImageRefusedError), ("image format error", ImageRefusedError),
    ("image size error", ImageRefusedError), ("recognize id card error", ImageRefusedError),
    ("recognize error", ImageRefusedError), ("Recognize ID card error", ImageRefusedError),
    ("签名校验失败", ConfigurationError), ("该接口未授权", ConfigurationError), ("appkey已过期", ConfigurationError),
    ("参数格式错误", ConfigurationError), ("图片不能为空", ConfigurationError),
    ("ID_card_side必填", ConfigurationError),
    ("IP不在白名单", ConfigurationError), ("", ConfigurationError), ("张样例", ConfigurationError),
]  # fmt: skip


@pytest.mark.parametrize(("message", "kind"), MESSAGES)
def test_what_a_refusal_means_is_read_from_its_words(message: str, kind: type[ProviderError]) -> None:
    for code in ("1", 1, "-1", 50001):
        error = error_of(refused(message, code))
        assert type(error) is kind
        assert f"return_code {code}" in error.code
        assert not (isinstance(error, RetryableError) and error.maybe_billed)
        # the text stays inside
        assert not message or message not in f"{error!s} {error!r} {error.code}"


def test_an_operator_is_told_where_to_look() -> None:
    assert "check openid, app_key" in error_of(refused("数据校验码不正确")).code
    assert "timestamp_format" in error_of(refused("时间戳不在有效范围")).code
    assert "base64" in error_of(refused("base64解码失败")).code


@pytest.mark.parametrize("message", [None, 5, [], ["频繁"], {"text": "余额"}, True])
def test_a_message_that_is_no_text_says_nothing(message: object) -> None:
    assert type(error_of(refused(message))) is ConfigurationError
    assert type(error_of(without(refused(""), ("return_msg",)))) is ConfigurationError


def test_only_the_beginning_of_a_message_is_looked_at() -> None:
    assert type(error_of(refused("样" * 1_000_000 + "频繁"))) is ConfigurationError


@pytest.mark.parametrize("data", [None, "", {}, "{}", "<html>", [], 5])
def test_a_refusal_needs_no_data(data: object) -> None:
    assert type(error_of(refused("余额不足") | {"response_data": data})) is QuotaError
    assert type(error_of(without(refused("余额不足"), ("response_data",)))) is QuotaError


def test_a_refusal_beside_a_reading_is_a_refusal() -> None:
    assert type(error_of(recorded("waiqin365", "portrait") | {"return_code": 1})) is ConfigurationError


@pytest.mark.parametrize(
    "code", ["990105199003070037", 990105199003070037, "张样例", " 0", "0 ", "00x", "1.0", "错误", "x" * 1000, 10**40]
)
def test_a_return_code_of_another_form_is_not_repeated(code: object) -> None:
    error = error_of(refused("", code))
    assert type(error) is ConfigurationError
    assert "return_code of another form" in error.code
    assert str(code) not in error.code


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [(500, "", RetryableError), (503, "签名校验失败", RetryableError), (500, "余额不足", QuotaError),
     (400, "", ConfigurationError), (401, "系统繁忙", RetryableError), (403, "调用过于频繁", ThrottledError),
     (400, "图片格式不支持", ImageRefusedError)],
)  # fmt: skip
def test_the_words_go_before_the_http_status(status: int, message: str, kind: type[ProviderError]) -> None:
    assert type(error_of(refused(message), status)) is kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, ConfigurationError), (403, ConfigurationError), (404, ConfigurationError), (405, ConfigurationError),
     (500, RetryableError), (503, RetryableError), (400, UnreadableAnswerError), (200, UnreadableAnswerError)],
)  # fmt: skip
def test_a_gateways_own_refusal_goes_by_its_http_status(status: int, kind: type[ProviderError]) -> None:
    strangers: list[object] = [{"error": "张样例"}, {"return_code": None, "message": "张样例"}, {"return_code": {}}]
    for document in strangers:
        error = error_of(document, status)
        assert type(error) is kind
        assert "张样例" not in str(error)


@pytest.mark.parametrize(
    "body",
    ["请求地址不正确或请求方法不存在！".encode(), b"<html>hush</html>", b"\n  <!DOCTYPE html>", b"OK", b"null", b"[]",
     b"1", b'[{"return_code": "0"}]', b'"text"', b"\xff\xfe\x00", "\ufeff<html>".encode(), b"\x00", "请".encode("gbk")],
)  # fmt: skip
def test_what_is_no_json_object_was_said_by_somebody_else(body: bytes) -> None:
    error = error_of(body)
    assert type(error) is ConfigurationError
    assert "base_url" in error.code
    assert ("HTML" in error.code) == (b"<" in body)
    assert "hush" not in str(error)


HALF_JSON = [
    b"", b"   ", b"\n", b"\xef\xbb\xbf", b"{", b'{"return_code": "0",', b'{"return_code": NaN}',
    b'{"return_code": "0", "response_data": "{', '{"return_code": "样例"}'.encode("gbk"), b'{"a":' * 100_000,
    b'{"return_code": 1, "return_code": 0}', b'{"return_code": 1' + b"0" * 9999, b'{"return_code": 0} trailing',
]  # fmt: skip


@pytest.mark.parametrize("body", HALF_JSON, ids=range(len(HALF_JSON)))
def test_nothing_and_half_a_json_are_unreadable(body: bytes) -> None:
    error = error_of(body)
    assert type(error) is UnreadableAnswerError
    assert error.maybe_billed
    assert len(str(error)) < 100


def test_a_byte_order_mark_is_no_harm() -> None:
    body = json.dumps(recorded("waiqin365", "portrait")).encode()
    assert cards_of(b"\xef\xbb\xbf" + body) == [PORTRAIT]
    assert cards_of(b" \r\n" + body) == [PORTRAIT]


FIELDS = data_of(recorded("waiqin365", "portrait"))["recognition_results"]
NO_READING: list[object] = [
    None, "", " ", "{}", {}, [], "[]", "null", 5, True, "<<DATA>>", '{"photo_status": "normal"', "张样例", '"{}"',
    {"photo_status": "normal"}, {"photo_status": "reversed_side"}, {"photo_status": ""}, {"photo_status": None},
    {"photo_status": True}, {"photo_status": {}}, {"transfer_id": "1", "recognition_id": 5}, {"result_num": 6},
    {"photo_status": "normal", "recognition_results": None}, {"photo_status": "normal", "recognition_results": []},
    {"photo_status": "blurred", "recognition_results": [FIELDS]}, {"recognition_results": "张样例"},
    {"recognition_results": 5}, {"recognition_results": True}, {"photo_status": "normal", "ID_number_type": 1},
    '{"photo_status": "blurred", "photo_status": "normal"}', '{"photo_status": "blurred", "x": NaN}',
    '{"photo_status": "\ud83d', "[" * 100_000, '{"a":' * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("data", NO_READING, ids=range(len(NO_READING)))
def test_success_without_a_reading_or_a_reason_is_unreadable(data: object) -> None:
    error = error_of({"return_code": "0", "return_msg": "成功", "response_data": data})
    assert type(error) is UnreadableAnswerError
    assert error.maybe_billed
    assert "张样例" not in str(error)


@pytest.mark.parametrize("code", [None, "", True, False, 0.0, [], {}, ["0"]])
def test_an_answer_without_its_code_is_unreadable(code: object) -> None:
    assert type(error_of(recorded("waiqin365", "portrait") | {"return_code": code})) is UnreadableAnswerError
    assert type(error_of(without(recorded("waiqin365", "portrait"), ("return_code",)))) is UnreadableAnswerError


# readings -------------------------------------------------------------------------------------------------------------


def test_the_documents_portrait_side() -> None:
    assert cards_of(recorded("waiqin365", "portrait")) == [PORTRAIT]
    reading = reading_of(recorded("waiqin365", "portrait"))
    assert reading.signals == {"photo_status": "normal", "ID_number_type": 1}
    assert reading.request_id == "547777451"


def test_the_documents_emblem_side() -> None:
    assert cards_of(recorded("waiqin365", "emblem")) == [EMBLEM]
    reading = reading_of(recorded("waiqin365", "emblem"))
    assert reading.signals == {"photo_status": "normal"}
    assert reading.request_id == "1559208562721579328"  # more than 2**53


@pytest.mark.parametrize("code", ["0", 0])
def test_code_and_data_come_in_several_types(code: object) -> None:
    document = recorded("waiqin365", "portrait") | {"return_code": code}
    assert isinstance(document["response_data"], str)
    assert cards_of(document) == [PORTRAIT]
    assert cards_of(document | {"response_data": data_of(document)}) == [PORTRAIT]
    escaped = json.dumps(data_of(document), ensure_ascii=True)
    assert cards_of(document | {"response_data": f"\n {escaped} \n"}) == [PORTRAIT]


def test_long_term() -> None:
    (reading,) = readings_of(recorded("waiqin365", "emblem_long_term"))
    assert reading.impossible_dates == ()
    assert reading.card.values() == {k: v for k, v in EMBLEM.items() if k != "valid_to"} | {"long_term": True}
    assert cards_of(with_words("emblem", 失效日期="长期有效"))[0]["long_term"] is True


def test_a_reversed_side_is_read_and_said() -> None:
    reading = reading_of(recorded("waiqin365", "emblem_long_term"))
    assert reading.signals == {"photo_status": "reversed_side"}
    assert reading.cards[0].card.side == "emblem"


@pytest.mark.parametrize("status", ["normal", "reversed_side", "unknown", "other_type_card", "", None, 5, {}])
def test_the_fields_decide_the_side_whatever_the_status(status: object) -> None:
    assert cards_of(with_data("portrait", photo_status=status)) == [PORTRAIT]
    assert cards_of(with_data("emblem", photo_status=status)) == [EMBLEM]


def test_both_sides_in_one_picture() -> None:
    emblem = data_of(recorded("waiqin365", "emblem"))["recognition_results"]
    assert cards_of(with_data(recognition_results=emblem | FIELDS)) == [PORTRAIT, EMBLEM]


OF_FIELD = {
    "姓名": "name", "性别": "sex", "民族": "ethnicity", "出生": "birth_date", "住址": "address",
    "公民身份号码": "id_number",
}  # fmt: skip


@pytest.mark.parametrize(("field", "name"), OF_FIELD.items())
def test_a_field_that_was_not_read_is_absent(field: str, name: str) -> None:
    expected = [{k: v for k, v in PORTRAIT.items() if k != name}]
    assert cards_of(with_data(recognition_results={k: v for k, v in FIELDS.items() if k != field})) == expected
    unread: list[object] = [
        None, {}, [], "", 5, {"words": None}, {"words": ""}, {"words": " "}, {"location": {"top": 1}}, {"words": {}},
        {"words": []}, {"words": True},
    ]  # fmt: skip
    for entry in unread:
        assert cards_of(with_data(recognition_results=FIELDS | {field: entry})) == expected


@pytest.mark.parametrize("field", ["签发机关", "签发日期", "失效日期"])
def test_a_field_of_the_emblem_side_that_was_not_read_is_absent(field: str) -> None:
    name = {"签发机关": "issuing_authority", "签发日期": "valid_from", "失效日期": "valid_to"}[field]
    assert cards_of(with_words("emblem", **{field: ""})) == [{k: v for k, v in EMBLEM.items() if k != name}]


@pytest.mark.parametrize(
    "written", ["19900307", "1990-03-07", "1990.03.07", "１９９００３０７", 19900307, " 19900307 "]
)
def test_forms_of_a_date(written: object) -> None:
    assert cards_of(with_words(出生=written)) == [PORTRAIT]


@pytest.mark.parametrize("written", ["19900230", "1990030", "07031990", "1990年", "199003**", "长期", "00000000"])
def test_a_date_that_is_none_is_left_out_and_said(written: str) -> None:
    (reading,) = readings_of(with_words(出生=written))
    assert reading.impossible_dates == ("birth_date",)
    assert reading.card.values() == {name: value for name, value in PORTRAIT.items() if name != "birth_date"}


def test_dates_of_the_emblem_side_that_are_none() -> None:
    (reading,) = readings_of(with_words("emblem", 签发日期="20190231", 失效日期="20390631"))
    assert reading.impossible_dates == ("valid_from", "valid_to")
    assert reading.card.values() == {k: v for k, v in EMBLEM.items() if not k.startswith("valid_")}
    (alone,) = readings_of(with_data("emblem", recognition_results={"失效日期": {"words": "20390631"}}))
    assert alone.impossible_dates == ("valid_to",)


def test_what_was_read_is_normalised_but_not_mended() -> None:
    document = with_words(
        公民身份号码=" ９９０１０５１９９００３０７００３x ", 民族="汉族", 姓名="张 样例\n", 性别="女", 住址=None
    )
    assert cards_of(document) == [
        {k: v for k, v in PORTRAIT.items() if k != "address"}
        | {"id_number": "99010519900307003X", "name": "张 样例", "sex": "F"}
    ]
    # a wrong check character, as in the document's own example, is kept as it was read
    assert cards_of(with_words(公民身份号码="990105199003070038"))[0]["id_number"] == "990105199003070038"
    assert cards_of(with_words(公民身份号码="990105900307003"))[0]["id_number"] == "990105900307003"
    assert "sex" not in cards_of(with_words(性别="不详"))[0]


def test_a_withheld_number_is_absent() -> None:
    document = recorded("waiqin365", "number_withheld")
    assert cards_of(document) == [{k: v for k, v in PORTRAIT.items() if k != "id_number"}]
    assert reading_of(document).signals["ID_number_type"] == 0


@pytest.mark.parametrize("name", ["no_card", "blurred", "nothing_read"])
def test_no_fields_with_a_reason_are_a_final_answer_without_a_card(name: str) -> None:
    reading = reading_of(recorded("waiqin365", name))
    assert reading.cards == ()
    assert reading.signals["photo_status"] == {"no_card": "no_IDcard", "nothing_read": "unknown"}.get(name, name)
    assert reading.request_id


@pytest.mark.parametrize("results", [None, "", [], {}])
@pytest.mark.parametrize(
    "why", [{"photo_status": "over_dark"}, {"photo_status": "not_complete"}, {"ID_number_type": -1}, {"result_num": 0},
            {"photo_status": "normal", "ID_number_type": "-1"}, {"photo_status": "什么"}],
)  # fmt: skip
def test_every_form_of_no_fields(results: object, why: dict[str, object]) -> None:
    assert cards_of(answered({"recognition_results": results} | why)) == []
    assert cards_of(answered(why)) == []


def test_what_is_not_documented_is_ignored() -> None:
    document = with_data(
        log_id=5, photo=1, card_cropping={"top": 1}, direction="unknown", photo_location="none", card_location=[],
        transfer_id=None, result_num="six", recognition_results=FIELDS | {"备注": {"words": "x"}, "x": 5},
    )  # fmt: skip
    assert cards_of(document | {"msg_id": None, "trace": []}) == [PORTRAIT]


# signals --------------------------------------------------------------------------------------------------------------

PHOTO_STATUS = (
    "normal", "reversed_side", "no_IDcard", "blurred", "other_type_card", "over_exposure", "over_dark", "unknown",
)  # fmt: skip
RISK_TYPES = ("normal", "copy", "temporary", "screen", "unknown")
NUMBER_TYPES = (-1, 0, 1, 2, 3, 4)


@pytest.mark.parametrize("member", ["photo_status", "risk_type"])
@pytest.mark.parametrize(
    ("value", "signal"),
    [*((word, word) for word in (*PHOTO_STATUS, *RISK_TYPES)), ("not_complete", "not_complete"), (" copy ", "copy"),
     ("COPY", "COPY"), ("复印件", "other"), ("x" * 41, "other"), ("张样例", "other"), ("990105199003070037", "other"),
     (1, "other"), ("two words", "other"), ("copy\u202e", "other"), ("", None), (" ", None), (None, None), (True, None),
     ([], None), ({}, None), (1.5, None), (["copy"], None)],
)  # fmt: skip
def test_words_are_handed_on_and_free_text_is_not(member: str, value: object, signal: str | None) -> None:
    assert reading_of(with_data("portrait", **{member: value})).signals.get(member) == signal


@pytest.mark.parametrize(
    ("value", "signal"),
    [*((number, number) for number in NUMBER_TYPES), *((str(number), number) for number in NUMBER_TYPES), (5, 5),
     (990105199003070037, None), ("990105199003070037", None), (100, None), ("", None), (None, None), (True, None),
     (1.0, None), ("１", None), ([], None), ("1\n", None)],
)  # fmt: skip
def test_the_verdict_on_the_number(value: object, signal: int | None) -> None:
    assert reading_of(with_data(ID_number_type=value)).signals.get("ID_number_type") == signal


@pytest.mark.parametrize("value", ["Adobe Photoshop CS6", "张样例", "x" * 1000, 5, ["x"], True])
def test_of_the_editing_program_only_that_there_is_one(value: object) -> None:
    assert reading_of(with_data(edit_tool=value)).signals["edit_tool"] is True


@pytest.mark.parametrize("value", ["", " ", None, False, [], {}, 0])
def test_no_editing_program(value: object) -> None:
    assert "edit_tool" not in reading_of(with_data(edit_tool=value)).signals


QUALITY = data_of(recorded("waiqin365", "judged"))["card_quality"]
QUALITY_SIGNALS = {
    "card_quality.IsClear": 1, "card_quality.IsComplete": 0, "card_quality.IsNoCover": 1,
    "card_quality.IsClear_propobility": 0.912, "card_quality.IsComplete_propobility": 0.21,
    "card_quality.IsNoCover_propobility": 0.999,
}  # fmt: skip


def quality_of(card_quality: object) -> dict[str, object]:
    document = with_data(card_quality=card_quality)
    return {k: v for k, v in reading_of(document).signals.items() if k.startswith("card_quality.")}


def test_every_verdict_of_one_answer() -> None:
    assert reading_of(recorded("waiqin365", "judged")).signals == QUALITY_SIGNALS | {
        "photo_status": "normal", "risk_type": "copy", "ID_number_type": 1,
    }  # fmt: skip
    edited = reading_of(recorded("waiqin365", "edited")).signals
    assert (edited["risk_type"], edited["edit_tool"], edited["card_quality.IsComplete"]) == ("normal", True, 1)


def test_quality_is_an_object_or_the_text_of_one() -> None:
    assert quality_of(QUALITY) == QUALITY_SIGNALS
    assert quality_of(json.dumps(QUALITY)) == QUALITY_SIGNALS
    assert quality_of({name: str(value) for name, value in QUALITY.items()}) == QUALITY_SIGNALS
    assert all(type(quality_of(QUALITY)[name]) is type(value) for name, value in QUALITY_SIGNALS.items())


@pytest.mark.parametrize(
    "value", [None, "", " ", "IsClear", "{", "[]", "null", "[" * 100_000, '{"IsClear": NaN}', 5, True, [], {},
              [QUALITY], '{"IsClear": 1, "IsClear": 0}', "\ud83d"],
)  # fmt: skip
def test_quality_of_no_documented_form_says_nothing(value: object) -> None:
    assert quality_of(value) == {}
    assert cards_of(with_data(card_quality=value)) == [PORTRAIT]


@pytest.mark.parametrize("name", ["IsClear", "IsComplete", "IsNoCover"])
def test_a_verdict_of_another_form_is_left_out(name: str) -> None:
    no_flags: list[object] = [2, -1, "yes", None, "", True, 1.0, 0.5, [], {}, 10**30, "0.0"]
    for flag in no_flags:
        assert quality_of(QUALITY | {name: flag}) == {
            k: v for k, v in QUALITY_SIGNALS.items() if k != f"card_quality.{name}"
        }
    probability = f"{name}_propobility"
    no_shares: list[object] = [1.01, -0.1, "high", None, "", True, [], 10**30, "1.5", "-0.2", "nan", "1e5"]
    for share in no_shares:
        assert quality_of(QUALITY | {probability: share}) == {
            k: v for k, v in QUALITY_SIGNALS.items() if k != f"card_quality.{probability}"
        }
    for edge in (0, 1, 0.0, 1.0, "0", "1", "1.000"):
        assert quality_of(QUALITY | {probability: edge})[f"card_quality.{probability}"] == float(edge)


def test_every_documented_verdict_has_a_rule() -> None:
    rules = {rule.signal: rule for rule in signals.TABLE["waiqin365"]}
    assert rules.keys() == {"photo_status", "risk_type", "edit_tool", "ID_number_type"} | {
        name for name in QUALITY_SIGNALS if not name.endswith("_propobility")
    }
    assert {rule.number for rule in rules.values()} - {None} == {
        name for name in QUALITY_SIGNALS if name.endswith("_propobility")
    }


# crops ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("photo", [True, False])
@pytest.mark.parametrize("card", [True, False])
def test_crops_only_when_asked_for(photo: bool, card: bool) -> None:
    png = b"\x89PNG\r\n\x1a\n" + b"crop"
    document = with_data(card=base64.b64encode(png).decode())
    reading = reading_of(document, options={"photo_detection": photo, "card_cropping": card})
    assert (reading.portrait, reading.card_image) == (JPEG if photo else None, png if card else None)


@pytest.mark.parametrize("value", [None, "", "/9j/4AAQSkZJRgABA......", "no face", 5, {}, "PGh0bWw+"])
def test_what_is_no_image_file_is_no_crop(value: object) -> None:
    options = {"photo_detection": True, "card_cropping": True}
    reading = reading_of(with_data(ID_photo=value, card=value), options=options)
    assert (reading.portrait, reading.card_image) == (None, None)
    assert reading_of(recorded("waiqin365", "emblem"), options=options).portrait is None


# strangers ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "request_id"),
    [(547777451, "547777451"), ("1559208562721579328", "1559208562721579328"), (2**64 - 1, "18446744073709551615"),
     ("a-b_C1", "a-b_C1"), ("", None), (None, None), (True, None), (-5, None), (1.5, None), ("张样例", None),
     ("1\n", None), ("x" * 41, None), (10**40, None), ("a b", None), ([], None), ({}, None), ("１", None)],
)  # fmt: skip
def test_their_id_is_text_and_looks_like_one(value: object, request_id: str | None) -> None:
    assert reading_of(with_data(recognition_id=value)).request_id == request_id
    assert reading_of(answered(without(data_of(with_data()), ("recognition_id",)))).request_id is None


def test_a_value_of_ten_megabytes_is_no_value() -> None:
    (card,) = cards_of(with_words(姓名="样" * 10_000_000, 住址="路" * 400))
    assert card == {k: v for k, v in PORTRAIT.items() if k not in ("name", "address")}


UNFOLDED = [{**document, "response_data": data_of(document)} for document in all_recorded("waiqin365")]


@given(tampered(UNFOLDED), st.booleans())
def test_a_tampered_answer_is_a_typed_error_or_a_reading_that_invents_nothing(document: object, folded: bool) -> None:
    sent = document
    if folded and isinstance(document, dict) and "response_data" in document:
        sent = document | {"response_data": json.dumps(document["response_data"])}
    given_answer = answer(sent)
    try:
        waiqin365().check(given_answer)
        reading = waiqin365(options={"photo_detection": True, "card_cropping": True}).read(given_answer)
    except ProviderError as error:
        assert len(str(error)) < 200  # noqa: PT017
        return
    for card in reading.cards:
        assert not invented(card.card.values(), document)
    assert all(isinstance(value, bool | int | float) or re.fullmatch("[A-Za-z_]{1,40}", value)
               for value in reading.signals.values())  # fmt: skip


@given(tampered(all_recorded("waiqin365")))
def test_tampered_text_inside_the_answer_is_a_typed_error_or_a_reading(document: object) -> None:
    given_answer = answer(document)
    try:
        waiqin365().check(given_answer)
        waiqin365().read(given_answer)
    except ProviderError as error:
        assert len(str(error)) < 200  # noqa: PT017


# secret ---------------------------------------------------------------------------------------------------------------


NO_TEXT: list[object] = ["", None, 5, [], {"hush": "hush"}]


def fault_of(secret: object, *, allow_http: bool = False) -> str:
    with pytest.raises(ConfigurationError) as error:
        Waiqin365.configured(secret, allow_http=allow_http)
    assert error.value.__cause__ is None
    return error.value.code


@pytest.mark.parametrize("field", sorted(SECRET))
def test_a_missing_field_is_named(field: str) -> None:
    assert f"{field}: Field required" in fault_of({k: v for k, v in SECRET.items() if k != field})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, value) for field in sorted(SECRET) for value in NO_TEXT),
        ("openid", "hush/../hush"), ("openid", "hush hush"), ("openid", "hush\n"), ("openid", "hush?a=b"),
        ("openid", "hush%2f"), ("openid", "hush#"), ("openid", "hush开"), ("openid", 5465103569540931532),
        ("app_key", "hush\n"), ("app_key", " hush"), ("app_key", "hush密"), ("app_key", "hush\x00"),
        ("timestamp_format", "hush"), ("timestamp_format", None), ("timestamp_format", 14),
        ("base_url", "hush"), ("base_url", "ftp://hush"), ("base_url", "http://hush.example"),
        ("base_url", "https://hush.example/?a=b"), ("base_url", "https://user:hush@x.example"),
        ("options", {"risk_detection": "hush"}), ("options", {"detect_copy": True}), ("options", "hush"),
        ("options", None), ("options", {"ID_card_side": "hush"}), ("options", {"url": "hush"}),
        *(("options", {name: value}) for name in OPTIONS for value in (1, 0, "True", "yes", "", None, "hush", [True])),
    ],
)  # fmt: skip
def test_a_bad_field_is_named_and_its_value_is_not(field: str, value: object) -> None:
    fault = fault_of(SECRET | {field: value})
    assert field in fault
    assert "hush" not in fault
    assert not any(other in fault for other in SECRET if other != field)


@pytest.mark.parametrize("name", [*OPTIONS, "detect_copy"])
def test_a_bad_option_is_named(name: str) -> None:
    assert f"options.{name}" in fault_of(SECRET | {"options": {name: "hush"}})


@pytest.mark.parametrize("member", [None, 5, "hush", [], ["hush"]])
def test_a_member_that_is_no_object_is_refused(member: object) -> None:
    assert "hush" not in fault_of(member)


def test_http_only_where_it_is_allowed_and_unknown_members_are_ignored() -> None:
    local = SECRET | {"base_url": "http://127.0.0.1:8080", "note": "ours"}
    provider = Waiqin365.configured(local, allow_http=True)
    assert call_of(provider).url.startswith("http://127.0.0.1:8080/api/ocr/v1/idcard/")
    assert "base_url: Value error, must be https" in fault_of(local)


def test_nothing_that_can_be_printed_shows_the_secret() -> None:
    provider = waiqin365()
    call = provider.call(image(b"identity"), Claim(), Attempt(NOW))
    shown = f"{provider!r} {provider} {provider._secret!r} {provider._secret} {call!r} {call} {image(b'identity')!r}"
    shown += provider.options_key(Claim())
    for hidden in (OPENID, APP_KEY, parts_of(call)[2], "identity", base64.b64encode(b"identity").decode()):
        assert hidden not in shown


# documentation --------------------------------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[2] / "docs/providers/waiqin365.md").read_text("utf-8")


@pytest.mark.parametrize(
    "word",
    ["openid", "timestamp", "digest", "msg_id", "transfer_id", "image", "url", "ID_card_side", *OPTIONS,
     "return_code", "return_msg", "response_data", "recognition_id", "recognition_results", "result_num", "direction",
     "photo_status", "risk_type", "edit_tool", "card_quality", "ID_photo", "photo_location", "card", "card_location",
     "card_cropping", "ID_number_type", "location", "top", "left", "height", "width", *QUALITY, *OF_FIELD,
     "签发机关", "签发日期", "失效日期", *PHOTO_STATUS, *RISK_TYPES, *map(str, NUMBER_TYPES)],
)  # fmt: skip
def test_the_page_has_a_row_for_everything_that_the_document_lists(word: str) -> None:
    assert word in names_in("waiqin365")


@pytest.mark.parametrize(
    ("title", "signal", "words"),
    [("photo_status", "photo_status", PHOTO_STATUS), ("risk_type", "risk_type", RISK_TYPES),
     ("ID_number_type", "ID_number_type", tuple(map(str, NUMBER_TYPES)))],
)  # fmt: skip
def test_the_page_says_what_follows_as_the_rules_have_it(title: str, signal: str, words: tuple[str, ...]) -> None:
    (rule,) = (rule for rule in signals.TABLE["waiqin365"] if rule.signal == signal)
    lines = PAGE.split(f"| `{title}` | ")[1].split("\n\n")[0].splitlines()[2:]
    rows = {line.split(" | ")[0].strip("| `"): line.split(" | ", 1)[1] for line in lines}
    for word in words:
        reasons, _ = rule.outcome(word)
        for reason in reasons or ():
            assert reason.value in rows[word]
        assert reasons or "nothing" in rows[word]


def test_the_page_names_every_word_by_which_a_refusal_is_classed() -> None:
    refusals = PAGE.split("| `return_msg` has |")[1].split("\n\n")[0]
    words = (
        "频繁", "限流", "qps", "余额", "次数不足", "配额", "欠费", "daily request limit", "total request limit",
        "时间戳", "timestamp", "超时", "繁忙", "稍后", "重复", "internal error", "base64", "图片", "图像", "照片",
        "大小", "尺寸", "像素", "格式", "损坏", "image format error", "image size error", "recognize id card error",
        "recognize error", "超限",
    )  # fmt: skip
    for word in words:
        assert word in refusals


@pytest.mark.parametrize(
    ("option", "claim", "sent"),
    [("back", Claim(), "back"), ("front", Claim(), "front"), ("back", Claim(side="portrait"), "front"),
     ("front", Claim(side="emblem"), "back")],
)  # fmt: skip
def test_the_side_may_be_an_option_and_a_claim_goes_before_it(option: str, claim: Claim, sent: str) -> None:
    provider = waiqin365(options={"ID_card_side": option})
    assert json.loads(provider.call(image(), claim, Attempt(NOW)).content)["ID_card_side"] == sent
    assert f'"ID_card_side": "{sent}"' in provider.options_key(claim)
