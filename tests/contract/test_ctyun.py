"""CTYun, held to its document: signature, request, every error code, every form of answer, and what none may do."""

import base64
import hashlib
import json
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from hypothesis import given

from cardintake.images import FittedImage
from cardintake.providers.ctyun import CTYun, eop_signature, eop_text, sign
from cardintake.providers.errors import (
    ConfigurationError,
    ImageRefusedError,
    ProviderError,
    RequestRefusedError,
    RetriedOnceError,
    RetryableError,
    UnreadableAnswerError,
)
from cardintake.providers.protocol import Attempt, Call, CardReading, Claim, Reading
from tests.contract.documented import error_classes, names_in
from tests.contract.recorded import all_recorded, answer, recorded
from tests.properties import invented, mutated_at, tampered

APP_KEY, APP_SECRET = "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "testsecret-ctyun-0001"
PATH = "/v1/aiop/api/2f3os7qq79xc/IdentityCard/ocr/v1/idcard.json"
SECRET: dict[str, Any] = {
    "base_url": "https://ai.ctyun.cn", "service_code": "2f3os7qq79xc", "app_key": APP_KEY, "app_secret": APP_SECRET,
}  # fmt: skip
NOW = datetime(2026, 1, 15, 8, 30, tzinfo=UTC)
JPEG = base64.b64decode("/9j/4AAQSkZJRgABAQAAAQABAAD/2Q==")
PORTRAIT = {
    "country": "CHN", "document_type": "cn_resident_id", "side": "portrait", "name": "张样例", "sex": "M",
    "ethnicity": "汉", "birth_date": "1990-03-07", "address": "样例省样例市样例路1号",
    "id_number": "990105199003070037",
}  # fmt: skip
EMBLEM = {
    "country": "CHN", "document_type": "cn_resident_id", "side": "emblem", "issuing_authority": "样例市公安局城关分局",
    "valid_from": "2007-07-27", "valid_to": "2027-07-27",
}  # fmt: skip


def ctyun(**changes: object) -> CTYun:
    return CTYun.configured(SECRET | changes, allow_http=False)


def image(data: bytes = JPEG) -> FittedImage:
    return FittedImage(data, "JPEG", 100, 100)


def cards_of(document: object) -> list[dict[str, Any]]:
    return [reading.card.values() for reading in readings_of(document)]


def readings_of(document: object) -> tuple[CardReading, ...]:
    provider, given_answer = ctyun(), answer(document)
    provider.check(given_answer)
    return provider.read(given_answer).cards


def with_detail(**detail: object) -> Any:
    document = recorded("ctyun", "portrait")
    document["result"][0]["detail"] |= detail
    return document


# signature ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timestamp", "body", "expected", "wrong"),
    [
        (
            "1768465800000", b'{"data": ["/9j/4AAQSkZJRgABAQAAAQABAAD/2Q=="]}', "9f50d2ea5a8b45738b6f7a3260fa3b6e",
            {
                "711535cf8ab7af0dc08d72014773011d", "1e0cf602e225f536b873748d4ff2d2c3",
                "78f88e611e4f90852ca311cc0f7f538e", "c5af023de483602b683cffdafb537872",
                "9F50D2EA5A8B45738B6F7A3260FA3B6E", "53a6f194256a51125e6ae6b6e41ab602",
            },
        ),
        (
            "1768465800123", b'{"data": ["/9j/4AAQSkZJRgABAQAAAQABAAD/2Q==", "iVBORw0KGgo+AAAA/SUhEUg=="]}',
            "9608efc83a520d5e36b71c8f788d045f",
            {
                "b23bd434e7e321901d71a4f33fa68bd3", "cc428c67335bd46d6d27b0d9ff33e9da",
                "dd91eb4083f0d158c6cf1c90bdd6c6a5", "3b7f9dac7c2236bf06f4e0bb888cde8d",
                "9608EFC83A520D5E36B71C8F788D045F", "ecdfcbb4276bbc7b7e435ff96e871809",
            },
        ),
    ],
    ids=["one", "two"],
)  # fmt: skip
def test_signature_vectors(timestamp: str, body: bytes, expected: str, wrong: set[str]) -> None:
    assert sign(APP_KEY, APP_SECRET, timestamp, PATH, body) == expected
    # what the usual wrong readings of the rule give for the same request: each is another digest than ours
    misread = {
        sign(APP_KEY, APP_SECRET, timestamp, PATH[1:], body),
        sign(APP_KEY, APP_SECRET, timestamp, "/IdentityCard/ocr/v1/idcard.json", body),
        sign(APP_KEY, APP_SECRET, timestamp, "https://ai.ctyun.cn" + PATH, body),
        sign(APP_KEY, APP_SECRET, timestamp[:10], PATH, body),
        expected.upper(),
        sign(APP_KEY, APP_SECRET, timestamp, PATH, body.replace(b": [", b":[").replace(b", ", b",")),
    }
    assert misread == wrong
    assert expected not in wrong


def test_the_vectors_requests_are_made_byte_for_byte() -> None:
    one = ctyun().call(image(), Claim(), Attempt(NOW))
    assert one.content == b'{"data": ["/9j/4AAQSkZJRgABAQAAAQABAAD/2Q=="]}'
    assert one.url == "https://ai.ctyun.cn" + PATH
    assert dict(one.headers) == {
        "Content-Type": "application/json", "AppKey": APP_KEY, "Timestamp": "1768465800000",
        "Sign": "9f50d2ea5a8b45738b6f7a3260fa3b6e",
    }  # fmt: skip
    assert (
        ctyun().call(image(), Claim(), Attempt(NOW.replace(microsecond=123_000))).headers["Timestamp"]
        == "1768465800123"
    )


def assert_signed(call: Call) -> None:
    """What a server computes from what it receives."""
    text = APP_KEY + APP_SECRET + call.headers["Timestamp"] + urlsplit(call.url).path
    assert call.headers["Sign"] == hashlib.md5(text.encode() + call.content).hexdigest()
    assert len(call.headers["Timestamp"]) == 13


# the newer gateway's signature, experimental: published are the layout of the signed text and the body's hash ---------

EOP: dict[str, Any] = {
    "base_url": "https://ai-global.ctapi.ctyun.cn", "service_code": "2f3os7qq79xc", "app_key": APP_KEY,
    "auth_scheme": "eop", "access_key": "testaccess-ctyun-0001", "secret_key": "testsecretkey-ctyun-0001",
}  # fmt: skip
NONCE = UUID("27cfe4dc-e640-45f6-92ca-492ca73e8680")
SHA256_OF_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_text_that_the_newer_gateway_signs() -> None:
    headers = {"eop-date": "20220525T160752Z", "ctyun-eop-request-id": str(NONCE)}
    published = f"ctyun-eop-request-id:{NONCE}\neop-date:20220525T160752Z\n\n\n{SHA256_OF_NOTHING}"
    assert eop_text(headers, "", b"") == published
    with_query = f"ctyun-eop-request-id:{NONCE}\neop-date:20220525T160752Z\n\naa=1&bb=2\n{SHA256_OF_NOTHING}"
    assert eop_text(headers, "aa=1&bb=2", b"") == with_query


def openssl_hmac(key: bytes, text: str) -> bytes:
    command = ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{key.hex()}", "-binary"]
    return subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout


def test_the_newer_gateways_signature_is_what_openssl_computes() -> None:
    body = ctyun().call(image(), Claim(), Attempt(NOW)).content
    call = CTYun.configured(EOP, allow_http=False).call(image(), Claim(), Attempt(NOW, NONCE))
    assert (call.url, call.content) == ("https://ai-global.ctapi.ctyun.cn" + PATH, body)
    text = (
        f"appkey:{APP_KEY}\nctyun-eop-request-id:{NONCE}\neop-date:20260115T163000Z\n\n\n"
        + hashlib.sha256(body).hexdigest()
    )
    by_time = openssl_hmac(b"testsecretkey-ctyun-0001", "20260115T163000Z")
    by_day = openssl_hmac(openssl_hmac(by_time, "testaccess-ctyun-0001"), "20260115")
    signature = base64.b64encode(openssl_hmac(by_day, text)).decode()
    assert dict(call.headers) == {
        "Content-Type": "application/json", "appkey": APP_KEY, "ctyun-eop-request-id": str(NONCE),
        "eop-date": "20260115T163000Z",
        "Eop-Authorization":
            f"testaccess-ctyun-0001 Headers=appkey;ctyun-eop-request-id;eop-date Signature={signature}",
    }  # fmt: skip
    assert "Sign" not in call.headers


def test_the_newer_gateways_day_is_chinas() -> None:
    late = datetime(2026, 1, 15, 16, 0, 1, tzinfo=UTC)
    call = CTYun.configured(EOP, allow_http=False).call(image(), Claim(), Attempt(late))
    assert call.headers["eop-date"] == "20260116T000001Z"


def test_every_part_of_the_request_enters_the_newer_signature() -> None:
    plain = ("access", "secret", "20260115T163000Z", "text")
    others = [(*plain[:n], plain[n].replace("5", "6") + "x", *plain[n + 1 :]) for n in range(4)]
    next_day = ("access", "secret", "20260116T163000Z", "text")
    assert len({eop_signature(*parts) for parts in (plain, next_day, *others)}) == 6
    attempts = [Attempt(NOW), Attempt(NOW)]
    first, second = (CTYun.configured(EOP, allow_http=False).call(image(), Claim(), each) for each in attempts)
    assert first.headers["ctyun-eop-request-id"] != second.headers["ctyun-eop-request-id"]
    assert first.headers["Eop-Authorization"] != second.headers["Eop-Authorization"]


# request --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 50])
def test_the_body_is_what_is_signed_for_up_to_fifty_images(count: int) -> None:
    pictures = [bytes([n]) * (n * 7 + 1) for n in range(count)]
    call = ctyun().call_for([image(data) for data in pictures], Attempt(NOW))
    assert_signed(call)
    document = json.loads(call.content)
    assert document.keys() == {"data"}
    assert [base64.b64decode(text, validate=True) for text in document["data"]] == pictures


@pytest.mark.parametrize("count", [0, 51])
def test_no_request_with_another_number_of_images(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 50 images"):
        ctyun().call_for([image()] * count, Attempt(NOW))


def test_the_base64_alphabet_can_be_set() -> None:
    data = b"\xfb\xff\xfe" * 10
    standard, urlsafe = (
        ctyun(base64_alphabet=alphabet).call(image(data), Claim(), Attempt(NOW)) for alphabet in ("standard", "urlsafe")
    )
    assert b"+" in standard.content
    assert b"-" not in standard.content
    assert json.loads(urlsafe.content)["data"] == [base64.urlsafe_b64encode(data).decode()]
    assert_signed(urlsafe)


def test_a_base_url_may_end_in_a_slash_and_the_claim_changes_nothing() -> None:
    plain = ctyun().call(image(), Claim(), Attempt(NOW))
    claimed = ctyun(base_url="https://ai.ctyun.cn/").call(image(), Claim("cn_resident_id", "emblem"), Attempt(NOW))
    assert claimed == plain
    assert ctyun().options_key(Claim()) == ctyun().options_key(Claim("cn_resident_id", "portrait"))


# errors ---------------------------------------------------------------------------------------------------------------

CLASSES = {
    4001: RequestRefusedError, 4002: RequestRefusedError, 4003: RequestRefusedError, 4004: RequestRefusedError,
    4005: RequestRefusedError, 4006: RequestRefusedError, 4007: RetriedOnceError, 4008: RequestRefusedError,
    4009: ImageRefusedError, 4010: ImageRefusedError, 4011: ImageRefusedError, 4012: ConfigurationError,
    4013: ConfigurationError, 5000: RetryableError,
}  # fmt: skip


def error_of(document: object, status: int = 200) -> ProviderError:
    """The error of an answer: raised by `check`, unless it is a refusal of the image, which is final."""
    given_answer = answer(document, status)
    try:
        ctyun().check(given_answer)
    except ProviderError as error:
        assert not isinstance(error, ImageRefusedError)  # noqa: PT017 - which of the two raises it is what is tested
        return error
    with pytest.raises(ImageRefusedError) as refusal:
        ctyun().read(given_answer)
    return refusal.value


@pytest.mark.parametrize("http_status", [200, 400, 500])
@pytest.mark.parametrize("code", CLASSES)
def test_every_documented_code_of_a_call(code: int, http_status: int) -> None:
    document = {"code": code, "message": "error", "details": "请求JSON处理异常 张样例"}
    error = error_of(document, http_status)
    assert type(error) is CLASSES[code]
    assert str(code) in error.code
    assert "张样例" not in str(error)
    assert not (isinstance(error, RetryableError) and error.maybe_billed)
    assert type(error_of(document | {"code": str(code)}, http_status)) is CLASSES[code]


@pytest.mark.parametrize("code", CLASSES)
def test_every_documented_code_of_an_image(code: int) -> None:
    document = mutated_at(recorded("ctyun", "image_failed"), ("result", 0, "err_code"), code)
    assert type(error_of(document)) is CLASSES[code]
    with_result = mutated_at(recorded("ctyun", "portrait"), ("result", 0, "err_code"), code)
    assert type(error_of(with_result)) is CLASSES[code]


def test_trouble_with_one_picture_is_its_refusal_once_it_is_final() -> None:
    for document in (
        {"code": 4007, "message": "error"},
        mutated_at(recorded("ctyun", "image_failed"), ("result", 0, "err_code"), 4007),
    ):
        with pytest.raises(RetriedOnceError):
            ctyun().check(answer(document))
        with pytest.raises(ImageRefusedError, match="4007"):
            ctyun().read(answer(document))


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(401, 1001, ConfigurationError), (403, 403, ConfigurationError), (404, -1, ConfigurationError),
     (503, 503, RetryableError), (400, 10400, UnreadableAnswerError), (401, 4013, ConfigurationError),
     (500, 4009, ImageRefusedError), (404, 4001, RequestRefusedError)],
)  # fmt: skip
def test_a_code_of_the_gateways_own_goes_by_its_http_status(status: int, code: int, kind: type[ProviderError]) -> None:
    assert type(error_of({"code": code, "message": "no"}, status)) is kind


def test_the_code_of_base64_says_where_to_look() -> None:
    assert "base64_alphabet" in error_of({"code": 4008, "message": "error"}).code
    assert "service_code" in error_of({"code": 4013, "message": "error"}).code


@pytest.mark.parametrize(
    ("code", "kind"),
    [(4999, RequestRefusedError), (4000, RequestRefusedError), (1, RetryableError), (-1, RetryableError),
     (5001, RetryableError), (429, RetryableError), (990105199003070037, RetryableError)],
)  # fmt: skip
def test_a_code_that_the_document_does_not_list(code: int, kind: type[ProviderError]) -> None:
    error = error_of({"code": code, "message": "error"})
    assert type(error) is kind
    assert "990105199003070037" not in str(error)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, ConfigurationError), (403, ConfigurationError), (404, ConfigurationError), (405, ConfigurationError),
     (500, RetryableError), (503, RetryableError), (400, UnreadableAnswerError), (200, UnreadableAnswerError)],
)  # fmt: skip
def test_a_gateways_own_refusal_goes_by_its_http_status(status: int, kind: type[ProviderError]) -> None:
    assert type(error_of({"error": "no such thing"}, status)) is kind


UNREADABLE: list[object] = [
    [], 1, "text", None, {}, {"code": None}, {"code": "zero", "result": []}, {"code": 0}, {"code": 0, "result": []},
    {"code": 0, "result": {}}, {"code": 0, "result": [None]}, {"code": 0, "result": [[]]}, {"code": 0, "result": [{}]},
    {"code": 0, "result": [{"detail": None}]}, {"code": 0, "result": [{"detail": "张样例"}]}, {"code": True},
    {"code": 0.0}, {"code": 0, "result": [{"detail": {}}, {"detail": {}}]},
    {"code": 0, "message": {"success": 0, "fail": 1}, "result": [{"detail": {"name": "张样例"}}]},
    {"code": 0, "message": {"success": 0, "fail": "1"}, "result": [{"detail": {"name": "张样例"}, "err_code": 0}]},
]  # fmt: skip


@pytest.mark.parametrize("document", UNREADABLE, ids=repr)
def test_an_answer_of_no_documented_form_is_unreadable(document: object) -> None:
    error = error_of(document)
    assert type(error) is UnreadableAnswerError
    assert error.maybe_billed
    assert "张样例" not in str(error)


# readings -------------------------------------------------------------------------------------------------------------


def test_the_documents_example_is_the_emblem_side() -> None:
    assert cards_of(recorded("ctyun", "emblem")) == [EMBLEM]
    reading = ctyun().read(answer(recorded("ctyun", "emblem")))
    assert (reading.signals, reading.request_id) == ({"risk": "normal"}, None)


def test_the_portrait_side() -> None:
    assert cards_of(recorded("ctyun", "portrait")) == [PORTRAIT]


def test_long_term() -> None:
    (card,) = cards_of(recorded("ctyun", "emblem_long_term"))
    assert card == {k: v for k, v in EMBLEM.items() if k != "valid_to"} | {
        "valid_from": "2011-04-18",
        "long_term": True,
    }


def test_both_sides_in_one_picture() -> None:
    emblem = EMBLEM | {"valid_from": "2007-07-27"}
    assert cards_of(recorded("ctyun", "both_sides")) == [PORTRAIT, emblem]
    front_first = mutated_at(recorded("ctyun", "both_sides"), ("result", 0, "note"), "front")
    assert cards_of(front_first) == [emblem, PORTRAIT]


@pytest.mark.parametrize("note", ["front", "back", "", None, "reverse", 5])
def test_the_fields_decide_the_side_over_the_note(note: object) -> None:
    assert cards_of(mutated_at(recorded("ctyun", "portrait"), ("result", 0, "note"), note)) == [PORTRAIT]
    assert cards_of(mutated_at(recorded("ctyun", "emblem"), ("result", 0, "note"), note)) == [EMBLEM]


def test_nothing_read_is_no_card_and_no_error() -> None:
    assert cards_of(recorded("ctyun", "nothing_read")) == []
    assert cards_of(with_detail(**dict.fromkeys(recorded("ctyun", "portrait")["result"][0]["detail"]))) == []
    assert cards_of(mutated_at(recorded("ctyun", "portrait"), ("result", 0, "detail"), {})) == []


@pytest.mark.parametrize(
    "written", ["1990-03-07", "1990.03.07", "1990/3/7", "19900307", "1990年03月07日", "1990年3月7日", 19900307]
)
def test_every_plausible_form_of_the_birthday(written: object) -> None:
    assert cards_of(with_detail(birthday=written)) == [PORTRAIT]


@pytest.mark.parametrize("written", ["1990-02-30", "07/03/1990", "1990-03", "unknown", "90-03-07"])
def test_a_birthday_that_is_no_date_is_left_out_and_said(written: str) -> None:
    (reading,) = readings_of(with_detail(birthday=written))
    assert reading.impossible_dates == ("birth_date",)
    assert reading.card.values() == {name: value for name, value in PORTRAIT.items() if name != "birth_date"}


@pytest.mark.parametrize(
    ("written", "left", "impossible"),
    [
        ("2007.07.27", {}, ("valid_from", "valid_to")),
        ("2007.02.30-2027.07.27", {"valid_to": "2027-07-27"}, ("valid_from",)),
        ("2007.07.27-2027.02.30", {"valid_from": "2007-07-27"}, ("valid_to",)),
        ("2007.02.30-长期", {"long_term": True}, ("valid_from",)),
        ("until further notice", {}, ("valid_from", "valid_to")),
    ],
)
def test_a_validity_that_is_none(written: str, left: dict[str, object], impossible: tuple[str, ...]) -> None:
    document = mutated_at(recorded("ctyun", "emblem"), ("result", 0, "detail", "validperiod"), written)
    (reading,) = readings_of(document)
    assert reading.impossible_dates == impossible
    assert reading.card.values() == {k: v for k, v in EMBLEM.items() if not k.startswith("valid_")} | left


def test_what_was_read_is_normalised_but_not_mended() -> None:
    (card,) = cards_of(
        with_detail(idn=" ９９０１０５１９９００３０７００３x ", nation="汉族", name="张 样例\n", sex="女", addr=None)
    )
    assert card == {k: v for k, v in PORTRAIT.items() if k != "address"} | {
        "id_number": "99010519900307003X", "name": "张 样例", "sex": "F",
    }  # fmt: skip
    assert cards_of(with_detail(idn="990105900307003"))[0]["id_number"] == "990105900307003"
    assert cards_of(with_detail(idn="990105********0037"))[0]["id_number"] == "990105********0037"
    assert "sex" not in cards_of(with_detail(sex="不详"))[0]


@pytest.mark.parametrize(
    ("risk", "signals"),
    [("normal", {"risk": "normal"}), ("copy", {"risk": "copy"}), ("复印件", {"risk": "复印件"}), ("", {}), (None, {}),
     ([], {}), ({}, {}), (1, {"risk": "1"})],
)  # fmt: skip
def test_risk_is_handed_on_and_nothing_is_no_risk(risk: object, signals: dict[str, str]) -> None:
    document = mutated_at(recorded("ctyun", "portrait"), ("result", 0, "risk"), risk)
    assert ctyun().read(answer(document)).signals == signals


@pytest.mark.parametrize("code", [0, "0", None, ""])
def test_an_error_code_of_nothing_is_none(code: object) -> None:
    assert cards_of(mutated_at(recorded("ctyun", "portrait"), ("result", 0, "err_code"), code)) == [PORTRAIT]
    assert cards_of(recorded("ctyun", "portrait") | {"code": "0", "message": "ok"}) == [PORTRAIT]


# faces ----------------------------------------------------------------------------------------------------------------


def face_in(value: object, **changes: object) -> object:
    document = mutated_at(recorded("ctyun", "portrait"), ("result", 0, "idcard_face"), value)
    return ctyun(**changes).read(answer(document)).portrait


def test_a_face_is_kept_only_when_asked_for() -> None:
    assert ctyun(keep_face=True).read(answer(recorded("ctyun", "portrait"))).portrait == JPEG
    for changes in ({}, {"keep_face": False}):
        assert ctyun(**changes).read(answer(recorded("ctyun", "portrait"))).portrait is None
    assert ctyun(keep_face=True).options_key(Claim()) == ctyun().options_key(Claim())


@pytest.mark.parametrize(
    "none", ["no face", "", " ", None, 0, True, [], {}, "data", "bm8gaW1hZ2U=", "demo_image", "/9j/4AAQ\u00e9"]
)
def test_a_face_that_is_none(none: object) -> None:
    assert face_in(none, keep_face=True) is None


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_face_in_either_alphabet(encode: Any) -> None:
    data = JPEG + b"\xfb\xff\xfe"
    assert face_in(encode(data).decode(), keep_face=True) == data
    assert face_in("data:image/jpeg;base64," + encode(data).decode(), keep_face=True) == data


# lists of images ------------------------------------------------------------------------------------------------------


def element(name: str, number: int = 0) -> Any:
    result = recorded("ctyun", name)["result"][0]
    if name == "portrait":
        result["detail"]["name"] = f"张样例{number}"
    return result


def listed(elements: Sequence[object], fail: object) -> Any:
    return {"code": 0, "message": {"success": len(elements), "fail": fail}, "result": list(elements)}


def told(document: object, count: int) -> list[Any]:
    """What `read_all` says of each image: the name on its card, or the error's class and code."""
    outcomes = ctyun().read_all(answer(document), count)
    return [
        outcome.cards[0].card.values()["name"] if isinstance(outcome, Reading) else (type(outcome), outcome.code)
        for outcome in outcomes
    ]


@pytest.mark.parametrize("count", [1, 2, 50])
def test_a_list_is_read_in_its_order(count: int) -> None:
    elements = [element("portrait", number) for number in range(count)]
    assert told(listed(elements, 0), count) == [f"张样例{number}" for number in range(count)]


def test_each_image_of_a_list_has_its_own_outcome() -> None:
    codes = list(CLASSES)
    failed = [element("image_failed") | {"err_code": code} for code in codes]
    between = [element("portrait", number) for number in range(len(codes))]
    elements = [one for pair in zip(between, failed, strict=True) for one in pair]
    outcomes = told(listed(elements, len(failed)), len(elements))
    assert outcomes[::2] == [f"张样例{number}" for number in range(len(codes))]
    assert [(CLASSES[code], str(code)) for code in codes] == [(kind, text.split()[0]) for kind, text in outcomes[1::2]]


def test_an_element_of_no_documented_form_costs_the_others_nothing() -> None:
    strange: list[object] = [None, [], "张样例", {}, {"detail": "张样例"}, {"detail": None, "note": "back"}]
    outcomes = told(listed([element("portrait", 1), *strange, element("portrait", 2)], 0), 8)
    assert (outcomes[0], outcomes[-1]) == ("张样例1", "张样例2")
    assert {kind for kind, _ in outcomes[1:-1]} == {UnreadableAnswerError}
    assert "张样例" not in str(outcomes[1:-1])


def test_a_failure_that_no_element_owns_up_to_is_not_guessed() -> None:
    elements = [element("portrait", 1), element("image_failed"), element("portrait", 2)]
    assert told(listed(elements, 1), 3) == ["张样例1", (ImageRefusedError, "4011"), "张样例2"]
    unsaid = (UnreadableAnswerError, "a failed image without its err_code")
    assert told(listed(elements, 2), 3) == [unsaid, (ImageRefusedError, "4011"), unsaid]


@pytest.mark.parametrize("code", CLASSES)
def test_an_error_of_the_whole_call_is_that_of_each_image(code: int) -> None:
    outcomes = ctyun().read_all(answer({"code": code, "message": "error", "details": "x"}), 3)
    assert [type(outcome) for outcome in outcomes] == [CLASSES[code]] * 3


@pytest.mark.parametrize("count", [1, 3, 50])
def test_a_list_of_another_length_is_unreadable(count: int) -> None:
    with pytest.raises(UnreadableAnswerError):
        ctyun().read_all(answer(listed([element("portrait", n) for n in range(2)], 0)), count)


# coverage -------------------------------------------------------------------------------------------------------------


def test_the_documentations_error_table_is_what_the_module_does() -> None:
    classes = error_classes("ctyun")
    assert {code: classes[str(code)] for code in CLASSES} == CLASSES
    assert {code for code in classes if code.isdigit()} == {str(code) for code in CLASSES}


def test_every_parameter_and_field_of_the_document_has_its_place_in_the_documentation() -> None:
    documented = {
        *("Content-Type", "Sign", "Timestamp", "AppKey", "data", "code", "message", "details", "result[].note"),
        *(f"detail.{name}" for name in ("name", "sex", "nation", "birthday", "idn", "addr", "org", "validperiod")),
        *(f"result[].{name}" for name in ("idcard_face", "demo_image", "risk", "err_code", "err_msg")),
    }
    assert documented <= names_in("ctyun")


# strangers ------------------------------------------------------------------------------------------------------------

NOT_JSON = [
    b"", b"   ", b"<html>", b"{", b'{"code": 0,', b'{"code": NaN}', b'{"code": 0, "result": Infinity}', b"\xff\xfe\x00",
    '{"code": "样例"}'.encode("gbk"), b"[" * 100_000, b'{"a":' * 100_000, b'{"code": 0, "code": 0}',
    b'{"code": 1' + b"0" * 9999, b"null", b"\x00", b'{"code": 0} trailing',
    json.dumps(with_detail()).encode().replace(b'"sex"', b'"idn": "990105199003070038", "sex"'),
]  # fmt: skip


@pytest.mark.parametrize("body", NOT_JSON, ids=range(len(NOT_JSON)))
def test_what_is_not_json_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableAnswerError) as error:
        ctyun().check(answer(body))
    assert len(str(error.value)) < 100


def test_a_value_of_ten_megabytes_is_no_value() -> None:
    (card,) = cards_of(with_detail(name="样" * 10_000_000, addr="路" * 400))
    assert card == {k: v for k, v in PORTRAIT.items() if k not in ("name", "address")}


@given(tampered(all_recorded("ctyun")))
def test_a_tampered_answer_is_a_typed_error_or_a_reading_that_invents_nothing(document: object) -> None:
    given_answer = answer(document)
    try:
        ctyun().check(given_answer)
        reading = ctyun().read(given_answer)
    except ProviderError as error:
        assert len(str(error)) < 200  # noqa: PT017
        return
    for card in reading.cards:
        assert not invented(card.card.values(), document)


@given(tampered([listed([recorded("ctyun", "portrait")["result"][0], element("image_failed")], 1)]))
def test_a_tampered_list_is_as_long_as_what_was_sent_or_a_typed_error(document: object) -> None:
    try:
        outcomes = ctyun(keep_face=True).read_all(answer(document), 2)
    except ProviderError as error:
        assert len(str(error)) < 200  # noqa: PT017
        return
    assert len(outcomes) == 2
    for outcome in outcomes:
        assert isinstance(outcome, Reading) or len(str(outcome)) < 200


# secret ---------------------------------------------------------------------------------------------------------------


NO_TEXT: list[object] = ["", None, 5, [], {"hush": "hush"}]


def fault_of(secret: object, *, allow_http: bool = False) -> str:
    with pytest.raises(ConfigurationError) as error:
        CTYun.configured(secret, allow_http=allow_http)
    assert error.value.__cause__ is None
    return error.value.code


@pytest.mark.parametrize("field", sorted(SECRET))
def test_a_missing_field_is_named(field: str) -> None:
    assert f"{field}: Field required" in fault_of({k: v for k, v in SECRET.items() if k != field})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, value) for field in sorted(SECRET) for value in NO_TEXT),
        ("service_code", "hush/../hush"), ("service_code", "hush hush"), ("service_code", "hush\n"),
        ("app_key", "hush\n"), ("app_key", " hush"), ("app_secret", "hush密"), ("app_secret", "hush\x00"),
        ("base64_alphabet", "hush"), ("base64_alphabet", None), ("base_url", "hush"), ("base_url", "ftp://hush"),
        ("base_url", "http://hush.example"), ("base_url", "https://"), ("base_url", "https://user:hush@x.example"),
        ("base_url", "https://hush.example/?a=b"), ("base_url", "https://hush.example/#a"),
        ("base_url", "https://hush.example:port"), ("base_url", "https://hush.example:99999"),
        ("base_url", "https://hu sh"), ("base_url", "https://[hush"), ("base_url", "https://hush\n.example"),
        ("options", {"risk_detection": "hush"}), ("options", "hush"), ("options", None), ("auth_scheme", "hush"),
        ("auth_scheme", None), ("auth_scheme", ["eop"]), ("keep_face", "hush"), ("keep_face", 1), ("keep_face", None),
    ],
)  # fmt: skip
def test_a_bad_field_is_named_and_its_value_is_not(field: str, value: object) -> None:
    fault = fault_of(SECRET | {field: value})
    assert field in fault
    assert "hush" not in fault
    assert not any(other in fault for other in SECRET if other != field)


@pytest.mark.parametrize("field", sorted(EOP.keys() - {"auth_scheme"}))
def test_a_field_that_the_newer_gateway_needs_is_named(field: str) -> None:
    assert f"{field}: Field required" in fault_of({k: v for k, v in EOP.items() if k != field})
    assert field in fault_of(EOP | {field: "húsh hush\n"})
    assert "hush" not in fault_of(EOP | {field: "húsh hush\n"})


@pytest.mark.parametrize("member", [None, 5, "hush", [], ["hush"]])
def test_a_member_that_is_no_object_is_refused(member: object) -> None:
    assert "hush" not in fault_of(member)


def test_http_only_where_it_is_allowed_and_unknown_members_are_ignored() -> None:
    local = SECRET | {"base_url": "http://127.0.0.1:8080", "note": "ours"}
    assert (
        CTYun.configured(local, allow_http=True).call(image(), Claim(), Attempt(NOW)).url
        == f"http://127.0.0.1:8080{PATH}"
    )
    assert "base_url: Value error, must be https" in fault_of(local)


def test_nothing_that_can_be_printed_shows_the_secret() -> None:
    provider = ctyun()
    call = provider.call(image(b"identity"), Claim(), Attempt(NOW))
    shown = f"{provider!r} {provider} {provider._secret!r} {provider._secret} {call!r} {image(b'identity')!r}"
    for hidden in (APP_KEY, APP_SECRET, call.headers["Sign"], "identity", base64.b64encode(b"identity").decode()):
        assert hidden not in shown
    newer = CTYun.configured(EOP, allow_http=False)
    call = newer.call(image(b"identity"), Claim(), Attempt(NOW))
    shown = f"{newer!r} {newer._secret!r} {newer._secret} {call!r}"
    for hidden in (APP_KEY, EOP["access_key"], EOP["secret_key"], call.headers["Eop-Authorization"], "identity"):
        assert hidden not in shown
