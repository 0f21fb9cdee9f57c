"""ihuyi, held to its document: passwords, both requests, every error code, every form of answer, and the doc page."""

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardintake.images import FittedImage, urlencoded_base64_size
from cardintake.providers.errors import (
    ConfigurationError,
    ImageRefusedError,
    ProviderError,
    QuotaError,
    RequestRefusedError,
    RetriedOnceError,
    RetryableError,
    StaleCredentialError,
    UnreadableAnswerError,
)
from cardintake.providers.ihuyi import Ihuyi, balance_password, submit_password
from cardintake.providers.protocol import Attempt, Call, CardReading, Claim, Prepaid
from tests.contract.documented import error_classes, names_in
from tests.contract.recorded import all_recorded, answer, recorded
from tests.properties import invented, mutated_at, tampered, without

ACCOUNT, API_KEY = "test", "1q784322ba1******"
SECRET: dict[str, Any] = {"base_url": "https://api.ihuyi.com", "account": ACCOUNT, "api_key": API_KEY}
NOW = datetime.fromtimestamp(1651544941, UTC)
JPEG = base64.b64decode("/9j/4AAQSkZJRgABAQAAAQABAAD/2Q==")
PORTRAIT = {
    "country": "CHN", "document_type": "cn_resident_id", "side": "portrait", "name": "张样例", "sex": "M",
    "ethnicity": "汉", "birth_date": "1990-03-07", "address": "样例省样例市样例路1号",
    "id_number": "990105199003070037",
}  # fmt: skip
EMBLEM = {
    "country": "CHN", "document_type": "cn_resident_id", "side": "emblem", "issuing_authority": "样例市公安局城关分局",
    "valid_from": "2005-10-08", "valid_to": "2025-10-08",
}  # fmt: skip


def ihuyi(**changes: object) -> Ihuyi:
    return Ihuyi.configured(SECRET | changes, allow_http=False)


def image(data: bytes = JPEG, kind: str = "JPEG") -> FittedImage:
    return FittedImage(data, kind, 400, 300)


def readings_of(document: object) -> tuple[CardReading, ...]:
    provider, given_answer = ihuyi(), answer(document)
    provider.check(given_answer)
    return provider.read(given_answer).cards


def cards_of(document: object) -> list[dict[str, Any]]:
    return [reading.card.values() for reading in readings_of(document)]


def with_content(recording: str = "front", /, **content: object) -> Any:
    document = recorded("ihuyi", recording)
    document["content"] |= content
    return document


# passwords ------------------------------------------------------------------------------------------------------------

URL, TIME = "http://www.xx.com/xxx.png", "1651544941"


def test_the_documents_password_of_submit() -> None:
    expected = "c6d71dab80e1978f6d195f50aecb3ae6"
    assert submit_password(ACCOUNT, API_KEY, TIME, img_url=URL) == expected
    # what the usual wrong readings of the rule give for the same request: each is another digest than ours
    misread = {
        submit_password(API_KEY, ACCOUNT, TIME, img_url=URL),
        hashlib.md5(f"{ACCOUNT}{API_KEY}{URL}{TIME}".encode()).hexdigest(),
        expected.upper(),
        submit_password(ACCOUNT, API_KEY, TIME + "000", img_url=URL),
        submit_password(ACCOUNT, API_KEY, TIME, img_url=quote_plus(URL)),
    }
    assert misread == {
        "d1f9911452992ecd37c8663dee8c3256", "fcd1b5571fbb9ef0018d1fc39f926940", "C6D71DAB80E1978F6D195F50AECB3AE6",
        "2612473605c8430a51f0046f13c8cbb4", "8eabdf547e1fb37c03d5dbee4442c538",
    }  # fmt: skip
    assert expected not in misread


def test_the_documents_password_of_getnum() -> None:
    expected = "386bd904266bedef25a913f534c3b363"
    assert balance_password(ACCOUNT, API_KEY, TIME) == expected
    misread = {
        balance_password(API_KEY, ACCOUNT, TIME),
        hashlib.md5(f"{ACCOUNT}{API_KEY}{TIME}".encode()).hexdigest(),
        expected.upper(),
        balance_password(ACCOUNT, API_KEY, TIME + "000"),
    }
    assert misread == {
        "0e0d75d867d8d232dbd90d5c3c74caaa", "dec0e311a9e8444c77c3dee7b47c11d6", "386BD904266BEDEF25A913F534C3B363",
        "eec55f4a526389127e286d74c520ff32",
    }  # fmt: skip
    assert expected not in misread


def test_the_password_covers_the_base64_as_it_is_before_the_form_encodes_it() -> None:
    encoded = base64.b64encode(b"\xfb\xff\xfe\xff\xfb")
    assert {b"+", b"/", b"="} <= {encoded[n : n + 1] for n in range(len(encoded))}
    plain = submit_password(ACCOUNT, API_KEY, TIME, img_base64=encoded)
    assert plain == hashlib.md5(f"{ACCOUNT}{API_KEY}idcard{encoded.decode()}{TIME}".encode()).hexdigest()
    assert plain != submit_password(ACCOUNT, API_KEY, TIME, img_base64=quote_plus(encoded).encode())


# requests -------------------------------------------------------------------------------------------------------------


def form_of(call: Call) -> list[tuple[str, str]]:
    """The fields of a form, as a server that is not ours takes them apart."""
    assert dict(call.headers) == {"Content-Type": "application/x-www-form-urlencoded"}
    return parse_qsl(call.content.decode("ascii"), keep_blank_values=True, strict_parsing=True)


def assert_submits(call: Call, data: bytes, *, account: str = ACCOUNT, api_key: str = API_KEY) -> None:
    """The form holds the picture and a password that a server computes from what it receives."""
    fields = dict(form_of(call))
    assert list(fields) == ["account", "password", "app", "img_base64", "time"]
    assert base64.b64decode(fields["img_base64"], validate=True) == data
    text = account + api_key + fields["app"] + fields["img_base64"] + fields["time"]
    assert fields["password"] == hashlib.md5(text.encode()).hexdigest()
    assert (fields["account"], fields["app"], fields["time"]) == (account, "idcard", TIME)


def test_the_request_byte_for_byte() -> None:
    call = ihuyi().call(image(), Claim(), Attempt(NOW))
    assert call.url == "https://api.ihuyi.com/ocr/Submit.json"
    encoded = base64.b64encode(JPEG).decode()
    password = hashlib.md5(f"test1q784322ba1******idcard{encoded}1651544941".encode()).hexdigest()
    assert call.content.decode() == (
        f"account=test&password={password}&app=idcard"
        "&img_base64=%2F9j%2F4AAQSkZJRgABAQAAAQABAAD%2F2Q%3D%3D&time=1651544941"
    )
    assert_submits(call, JPEG)


@given(st.binary(max_size=400))
def test_any_picture_arrives_as_it_is_and_counts_as_the_limit_counts_it(data: bytes) -> None:
    call = ihuyi().call(image(data), Claim(), Attempt(NOW))
    assert_submits(call, data)
    assert f"&img_base64={quote_plus(base64.b64encode(data))}&".encode() in call.content
    assert urlencoded_base64_size(data) == len(quote_plus(base64.b64encode(data)))


def test_a_pdf_is_sent_like_a_picture() -> None:
    assert_submits(ihuyi().call(image(b"%PDF-1.7 \xff", "PDF"), Claim(), Attempt(NOW)), b"%PDF-1.7 \xff")


def test_credentials_of_any_printable_form_are_encoded() -> None:
    account, api_key = "a&b=c+d%20e", "k&time=1#?/ +"
    call = ihuyi(account=account, api_key=api_key).call(image(), Claim(), Attempt(NOW))
    assert_submits(call, JPEG, account=account, api_key=api_key)


def test_every_attempt_has_its_own_time_in_whole_seconds() -> None:
    provider = ihuyi()
    calls = [
        provider.call(image(), Claim(), Attempt(at))
        for at in (NOW, NOW.replace(microsecond=999_999), NOW.replace(second=NOW.second + 1))
    ]
    assert [dict(form_of(call))["time"] for call in calls] == ["1651544941", "1651544941", "1651544942"]
    assert calls[0].content == calls[1].content != calls[2].content


def test_the_static_password_is_the_key_and_has_no_time() -> None:
    provider = ihuyi(static_password=True)
    assert form_of(provider.call(image(), Claim(), Attempt(NOW))) == [
        ("account", ACCOUNT), ("password", API_KEY), ("app", "idcard"), ("img_base64", base64.b64encode(JPEG).decode()),
    ]  # fmt: skip
    assert form_of(provider.balance_call(Attempt(NOW))) == [
        ("account", ACCOUNT), ("password", API_KEY), ("app", "idcard"),
    ]  # fmt: skip
    explicit = ihuyi(static_password=False)
    assert explicit.call(image(), Claim(), Attempt(NOW)) == ihuyi().call(image(), Claim(), Attempt(NOW))


def test_the_balance_query_byte_for_byte() -> None:
    provider = ihuyi()
    assert isinstance(provider, Prepaid)
    call = provider.balance_call(Attempt(NOW))
    assert call.url == "https://api.ihuyi.com/ocr/GetNum.json"
    assert call.content == b"account=test&password=386bd904266bedef25a913f534c3b363&app=idcard&time=1651544941"
    assert len(form_of(call)) == 4


def test_a_base_url_may_end_in_a_slash_and_the_claim_changes_nothing() -> None:
    plain = ihuyi().call(image(), Claim(), Attempt(NOW))
    claimed = ihuyi(base_url="https://api.ihuyi.com/").call(image(), Claim("cn_resident_id", "emblem"), Attempt(NOW))
    assert claimed == plain
    assert ihuyi().options_key(Claim()) == ihuyi(account="x").options_key(Claim("cn_resident_id", "portrait"))
    assert ihuyi().tokens is None


def test_the_documented_limits() -> None:
    limits = Ihuyi.limits
    assert limits.formats == {"JPEG", "PNG", "BMP", "PDF"}
    assert (limits.min_side, limits.max_side) == (256, 2048)
    # 6,000,000 zero bytes are 8,000,000 characters of base64 without one to escape
    assert limits.hold(b"\0" * 6_000_000)
    assert not limits.hold(b"\0" * 6_000_001)
    assert not limits.hold(b"\xff" * 5_999_999)


# errors ---------------------------------------------------------------------------------------------------------------

CLASSES: dict[int, type[ProviderError]] = {
    0: RetryableError, 1: RetryableError, 400: ConfigurationError, 401: ConfigurationError, 402: ConfigurationError,
    403: ConfigurationError, 404: RequestRefusedError, 405: ConfigurationError, 4010: RetryableError,
    4050: QuotaError, 4051: QuotaError, 4052: ConfigurationError, 4086: ImageRefusedError,
    40501: StaleCredentialError, 40502: ConfigurationError, 40505: ConfigurationError,
}  # fmt: skip


def error_of(document: object, status: int = 200) -> ProviderError:
    """The error of an answer: raised by `check`, unless it is a refusal of the image, which is final."""
    given_answer = answer(document, status)
    try:
        ihuyi().check(given_answer)
    except ProviderError as error:
        assert not isinstance(error, ImageRefusedError)  # noqa: PT017 - which of the two raises it is what is tested
        return error
    with pytest.raises(ImageRefusedError) as refusal:
        ihuyi().read(given_answer)
    return refusal.value


@pytest.mark.parametrize("name", ["call_failed", "image_refused"])
@pytest.mark.parametrize("code", CLASSES)
def test_every_documented_code(code: int, name: str) -> None:
    document = recorded("ihuyi", name) | {"code": code, "msg": "张样例"}
    for written in (code, str(code)):
        error = error_of(document | {"code": written})
        assert type(error) is CLASSES[code]
        assert error.code.split(" ")[0] == str(code)
        assert "张样例" not in str(error)
        assert not (isinstance(error, RetryableError) and error.maybe_billed)
    for lacking in (without(document, ("content",)), mutated_at(document, ("content",), None), {"code": code}):
        assert type(error_of(lacking)) is CLASSES[code]


@pytest.mark.parametrize("status", [400, 401, 403, 500])
@pytest.mark.parametrize("code", [code for code in CLASSES if code not in (0, 1, 404)])
def test_the_http_status_changes_nothing_of_what_only_ihuyi_says(code: int, status: int) -> None:
    assert type(error_of({"code": code, "msg": "x"}, status)) is CLASSES[code]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(404, 404, ConfigurationError), (401, 0, ConfigurationError), (403, 1, ConfigurationError),
     (503, 404, RetryableError), (405, 0, ConfigurationError), (500, 1, RetryableError), (400, 404, RetryableError)],
)  # fmt: skip
def test_what_another_server_may_have_said_goes_by_its_http_status(
    status: int, code: int, kind: type[ProviderError]
) -> None:
    assert type(error_of({"code": code, "msg": "no route"}, status)) is kind


@pytest.mark.parametrize("code", CLASSES)
def test_a_code_inside_the_content_counts_under_a_success(code: int) -> None:
    assert type(error_of(with_content(code=code))) is CLASSES[code]
    assert type(error_of(with_content(code=str(code)))) is CLASSES[code]


def test_a_failure_is_one_whatever_its_content_says() -> None:
    document = recorded("ihuyi", "front_with_inner_code")
    assert document["content"]["code"] == 2
    assert type(error_of(document | {"code": 4086})) is ImageRefusedError


def test_the_codes_that_people_have_to_act_on_say_where_to_look() -> None:
    assert all("allow-list" in error_of({"code": code}).code for code in (400, 4052))
    assert "api_key" in error_of({"code": 405}).code
    assert "clock" in error_of({"code": 40501}).code


@pytest.mark.parametrize("code", [3, 200, 406, 4000, 4085, 5000, 40500, -1, 990105199003070037, 10**40])
def test_a_code_that_the_document_does_not_list(code: int) -> None:
    error = error_of({"code": code, "msg": "张样例", "ocrid": "0", "content": {}})
    assert type(error) is RetryableError
    assert str(error) == "ihuyi: a code that the document does not list"
    assert not error.maybe_billed
    assert type(error_of({"code": code}, 401)) is ConfigurationError
    assert type(error_of({"code": code}, 502)) is RetryableError


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, ConfigurationError), (403, ConfigurationError), (404, ConfigurationError), (405, ConfigurationError),
     (500, RetryableError), (503, RetryableError), (400, UnreadableAnswerError), (200, UnreadableAnswerError)],
)  # fmt: skip
def test_a_gateways_own_refusal_goes_by_its_http_status(status: int, kind: type[ProviderError]) -> None:
    assert type(error_of({"error": "no such thing"}, status)) is kind


UNREADABLE: list[object] = [
    [], 1, "text", None, {}, {"code": None}, {"code": "two"}, {"code": True}, {"code": 2.0}, {"code": [2]},
    {"code": "", "content": {}}, {"code": 2}, {"code": 2, "content": None}, {"code": 2, "content": ""},
    {"code": 2, "content": "张样例"}, {"code": 2, "content": ["张样例"]}, {"code": 2, "content": 5},
    {"code": 2, "content": False}, {"code": 2, "msg": "查询成功", "num": 123},
]  # fmt: skip


@pytest.mark.parametrize("document", UNREADABLE, ids=repr)
def test_an_answer_of_no_documented_form_is_unreadable(document: object) -> None:
    error = error_of(document)
    assert type(error) is UnreadableAnswerError
    assert error.maybe_billed
    assert "张样例" not in str(error)


@pytest.mark.parametrize("empty", [{}, []])
@pytest.mark.parametrize("zero", ["0", 0])
def test_a_success_whose_serial_number_denies_it_is_tried_once_more_then_refused(zero: object, empty: object) -> None:
    denied = recorded("ihuyi", "success_denied") | {"ocrid": zero, "content": empty}
    with pytest.raises(RetriedOnceError):
        ihuyi().check(answer(denied))
    with pytest.raises(ImageRefusedError):
        ihuyi().read(answer(denied))


# readings -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "cards"),
    [("front", [PORTRAIT]), ("front_with_inner_code", [PORTRAIT]), ("older_front", [PORTRAIT]), ("back", [EMBLEM]),
     ("both_sides", [PORTRAIT, EMBLEM]), ("no_card", [])],
)  # fmt: skip
def test_every_recorded_reading(name: str, cards: list[dict[str, Any]]) -> None:
    document = recorded("ihuyi", name)
    assert cards_of(document) == cards
    assert cards_of(document | {"code": "2"}) == cards
    reading = ihuyi().read(answer(document))
    assert (reading.request_id, reading.signals, reading.portrait, reading.card_image) == (
        "22101320041348318", {}, None, None,
    )  # fmt: skip
    assert all(card.impossible_dates == () for card in reading.cards)


def test_long_term() -> None:
    (card,) = cards_of(recorded("ihuyi", "back_long_term"))
    assert card == {k: v for k, v in EMBLEM.items() if k != "valid_to"} | {
        "valid_from": "2011-04-18",
        "long_term": True,
    }


@pytest.mark.parametrize("kind", ["front", "back", "", None, "reverse", 5, ["back"]])
def test_the_fields_decide_the_side_over_the_type(kind: object) -> None:
    assert cards_of(with_content("front", type=kind)) == [PORTRAIT]
    assert cards_of(with_content("back", type=kind)) == [EMBLEM]
    both = [PORTRAIT, EMBLEM]
    assert cards_of(with_content("both_sides", type=kind)) == (both[::-1] if kind == "back" else both)


@pytest.mark.parametrize("empty", [{}, [], {"type": "front"}, {"code": 2, "type": "", "name": "", "gender": None}])
def test_nothing_read_is_no_card_and_no_error(empty: object) -> None:
    assert cards_of(recorded("ihuyi", "front") | {"content": empty}) == []
    assert cards_of(without(recorded("ihuyi", "front"), ("ocrid",)) | {"content": empty}) == []


@pytest.mark.parametrize("code", [2, "2", None, "", "ok", 3])
def test_a_code_inside_the_content_that_is_no_error_changes_nothing(code: object) -> None:
    assert cards_of(with_content(code=code)) == [PORTRAIT]


@pytest.mark.parametrize("name", ["data_of_birth", "date_of_birth", "birth"])
def test_every_name_of_the_birth_date(name: str) -> None:
    document = without(recorded("ihuyi", "front"), ("content", "data_of_birth"))
    for written in ("1990.03.07", "1990.3.7", "1990-03-07", "19900307", "1990年3月7日", 19900307):
        assert cards_of(mutated_at(document, ("content", name), written)) == [PORTRAIT]
    assert cards_of(document) == [{k: v for k, v in PORTRAIT.items() if k != "birth_date"}]


def test_an_empty_name_of_the_birth_date_does_not_hide_another() -> None:
    assert cards_of(with_content(data_of_birth="", date_of_birth=None, birth="1990.03.07")) == [PORTRAIT]
    assert cards_of(with_content(date_of_birth="1991.01.01", birth="1992.01.01")) == [PORTRAIT]


@pytest.mark.parametrize("written", ["1990.02.30", "07.03.1990", "1990.03", "unknown", "90.03.07", "1990.03.**"])
def test_a_birth_date_that_is_none_is_left_out_and_said(written: str) -> None:
    (reading,) = readings_of(with_content(data_of_birth=written))
    assert reading.impossible_dates == ("birth_date",)
    assert reading.card.values() == {k: v for k, v in PORTRAIT.items() if k != "birth_date"}


@pytest.mark.parametrize(
    "written", ["2005.10.08-2025.10.08", "2005-10-08-2025-10-08", "2005.10.08至2025.10.08", "20051008-20251008",
                "2005.10.08 — 2025.10.08"],
)  # fmt: skip
def test_every_plausible_form_of_the_validity(written: str) -> None:
    assert cards_of(with_content("back", valid_period=written)) == [EMBLEM]


@pytest.mark.parametrize(
    ("written", "left", "impossible"),
    [
        ("2005.10.08", {}, ("valid_from", "valid_to")),
        ("2005.02.30-2025.10.08", {"valid_to": "2025-10-08"}, ("valid_from",)),
        ("2005.10.08-2025.02.30", {"valid_from": "2005-10-08"}, ("valid_to",)),
        ("2005.02.30-长期", {"long_term": True}, ("valid_from",)),
        ("until further notice", {}, ("valid_from", "valid_to")),
        ("", {}, ()),
    ],
)
def test_a_validity_that_is_none(written: str, left: dict[str, object], impossible: tuple[str, ...]) -> None:
    (reading,) = readings_of(with_content("back", valid_period=written))
    assert reading.impossible_dates == impossible
    assert reading.card.values() == {k: v for k, v in EMBLEM.items() if not k.startswith("valid_")} | left


def test_what_was_read_is_normalised_but_not_mended() -> None:
    (card,) = cards_of(
        with_content(
            id_number=" ９９０１０５１９９００３０７００３x ",
            ethnicity="汉族",
            name="张 样例\n",
            gender="女",
            domicile=None,
        )
    )
    assert card == {k: v for k, v in PORTRAIT.items() if k != "address"} | {
        "id_number": "99010519900307003X", "name": "张 样例", "sex": "F",
    }  # fmt: skip
    assert cards_of(with_content(id_number="990105900307003"))[0]["id_number"] == "990105900307003"
    assert cards_of(with_content(id_number="990105********0037"))[0]["id_number"] == "990105********0037"
    assert "sex" not in cards_of(with_content(gender="不详"))[0]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ocrid": "22101320041348318"}, "22101320041348318"), ({"ocrid": 22101320041348318}, "22101320041348318"),
        ({"ocrid": "0"}, None), ({"ocrid": 0}, None), ({"ocrid": ""}, None), ({"ocrid": None}, None),
        ({"ocrid": "张样例"}, None), ({"ocrid": "1" * 65}, None), ({"ocrid": "a b"}, None), ({"ocrid": ["1"]}, None),
        ({"ocrid": "", "msgid": "m-1"}, "m-1"), ({"ocrid": None, "msgid": "m-1"}, "m-1"),
        ({"ocrid": "o-1", "msgid": "m-1"}, "o-1"), ({"ocrid": True}, None),
    ],
)  # fmt: skip
def test_the_request_id(changes: dict[str, object], expected: str | None) -> None:
    document = recorded("ihuyi", "front") | changes
    assert ihuyi().read(answer(document)).request_id == expected
    assert error_of(document | {"code": 4010}).request_id == expected
    assert cards_of(document) == [PORTRAIT]


# balance --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("num", "left"), [(123, 123), ("123", 123), (0, 0), ("0", 0), ("007", 7), (999_999_999, 999_999_999)]
)
def test_the_balance(num: object, left: int) -> None:
    document = recorded("ihuyi", "balance") | {"num": num}
    assert ihuyi().balance(answer(document)) == left
    assert ihuyi().balance(answer(document | {"code": "2"})) == left


@pytest.mark.parametrize(
    "num", [None, "", "many", -1, "-1", 1.5, "1.5", True, [], {}, "١٢٣", 10**9, "1" * 10, 10**40, " 5"], ids=repr
)
def test_a_balance_that_is_no_number_is_never_taken_for_one(num: object) -> None:
    with pytest.raises(UnreadableAnswerError):
        ihuyi().balance(answer(recorded("ihuyi", "balance") | {"num": num}))


def test_a_balance_without_its_number() -> None:
    with pytest.raises(UnreadableAnswerError):
        ihuyi().balance(answer(without(recorded("ihuyi", "balance"), ("num",))))


@pytest.mark.parametrize("code", [code for code in CLASSES if code not in (404, 4086)])
def test_every_documented_code_of_the_balance(code: int) -> None:
    document = recorded("ihuyi", "balance_failed") | {"code": code}
    for written in (code, str(code)):
        with pytest.raises(ProviderError) as error:
            ihuyi().balance(answer(document | {"code": written}))
        assert type(error.value) is CLASSES[code]


@pytest.mark.parametrize("code", [3, 404, 4086, 10**40])
def test_a_code_that_says_nothing_of_a_balance(code: int) -> None:
    with pytest.raises(RetryableError):
        ihuyi().balance(answer({"code": code, "msg": "x", "num": 5}))


@pytest.mark.parametrize("code", [0, 1, 3, None])
def test_a_balance_refused_by_another_server(code: int | None) -> None:
    for status, kind in ((401, ConfigurationError), (404, ConfigurationError), (500, RetryableError)):
        with pytest.raises(ProviderError) as error:
            ihuyi().balance(answer({"code": code, "num": 5}, status))
        assert type(error.value) is kind


@pytest.mark.parametrize("document", [{}, [], {"code": None, "num": 5}, {"num": 5}, b"<html>", b'{"code": 2, "num": 1'])
def test_a_balance_in_no_documented_form(document: object) -> None:
    with pytest.raises(UnreadableAnswerError):
        ihuyi().balance(answer(document))


@given(tampered([recorded("ihuyi", "balance"), recorded("ihuyi", "balance_failed")]))
def test_a_tampered_balance_is_a_typed_error_or_the_number_that_was_sent(document: Any) -> None:
    try:
        left = ihuyi().balance(answer(document))
    except ProviderError as error:
        assert len(str(error)) < 200  # noqa: PT017
        return
    assert int(document["num"]) == left
    assert int(document["code"]) == 2


# strangers ------------------------------------------------------------------------------------------------------------

NOT_JSON = [
    b"", b"   ", b"<html>", b"{", b'{"code": 2,', b'{"code": NaN}', b'{"code": 2, "content": Infinity}',
    b"\xff\xfe\x00", '{"code": "样例"}'.encode("gbk"), b"[" * 100_000, b'{"a":' * 100_000, b'{"code": 2, "code": 2}',
    b'{"code": 2' + b"0" * 9999, b"null", b"\x00", b'{"code": 2} trailing',
    json.dumps(with_content()).encode().replace(b'"gender"', b'"id_number": "990105199003070038", "gender"'),
]  # fmt: skip


@pytest.mark.parametrize("body", NOT_JSON, ids=range(len(NOT_JSON)))
def test_what_is_not_json_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableAnswerError) as error:
        ihuyi().check(answer(body))
    assert len(str(error.value)) < 100


def test_a_value_of_ten_megabytes_is_no_value() -> None:
    (card,) = cards_of(with_content(name="样" * 10_000_000, domicile="路" * 400))
    assert card == {k: v for k, v in PORTRAIT.items() if k not in ("name", "address")}


@given(tampered(all_recorded("ihuyi")))
def test_a_tampered_answer_is_a_typed_error_or_a_reading_that_invents_nothing(document: object) -> None:
    given_answer = answer(document)
    try:
        ihuyi().check(given_answer)
        reading = ihuyi().read(given_answer)
    except ProviderError as error:
        assert len(str(error)) < 200  # noqa: PT017
        return
    for card in reading.cards:
        assert not invented(card.card.values(), document)


# secret ---------------------------------------------------------------------------------------------------------------


NO_TEXT: list[object] = ["", None, 5, [], {"hush": "hush"}]


def fault_of(secret: object, *, allow_http: bool = False) -> str:
    with pytest.raises(ConfigurationError) as error:
        Ihuyi.configured(secret, allow_http=allow_http)
    assert error.value.__cause__ is None
    return error.value.code


@pytest.mark.parametrize("field", sorted(SECRET))
def test_a_missing_field_is_named(field: str) -> None:
    assert f"{field}: Field required" in fault_of({k: v for k, v in SECRET.items() if k != field})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, value) for field in sorted(SECRET) for value in NO_TEXT),
        ("account", "hush\n"), ("account", " hush"), ("api_key", "hush密"), ("api_key", "hush\x00"),
        ("static_password", "true"), ("static_password", 1), ("static_password", None), ("static_password", "hush"),
        ("base_url", "http://hush.example"), ("base_url", "hush"), ("base_url", "https://hush.example/?a=b"),
        ("options", {"img_url": "hush"}), ("options", {"app": "idcard"}), ("options", {"risk_detection": True}),
        ("options", "hush"), ("options", None), ("options", ["hush"]),
    ],
)  # fmt: skip
def test_a_bad_field_is_named_and_its_value_is_not(field: str, value: object) -> None:
    fault = fault_of(SECRET | {field: value})
    assert field in fault
    assert "hush" not in fault
    assert not any(f"{other}:" in fault for other in SECRET if other != field)


@pytest.mark.parametrize("member", [None, 5, "hush", [], ["hush"]])
def test_a_member_that_is_no_object_is_refused(member: object) -> None:
    assert "hush" not in fault_of(member)


def test_http_only_where_it_is_allowed_and_unknown_members_are_ignored() -> None:
    local = SECRET | {"base_url": "http://127.0.0.1:8080", "balance": 5, "options": {}}
    call = Ihuyi.configured(local, allow_http=True).call(image(), Claim(), Attempt(NOW))
    assert call.url == "http://127.0.0.1:8080/ocr/Submit.json"
    assert "base_url: Value error, must be https" in fault_of(local)


@pytest.mark.parametrize("static", [False, True])
def test_nothing_that_can_be_printed_shows_the_secret(static: bool) -> None:
    provider = ihuyi(account="hidden-account", static_password=static)
    calls = [provider.call(image(b"identity"), Claim(), Attempt(NOW)), provider.balance_call(Attempt(NOW))]
    shown = f"{provider!r} {provider} {provider._secret!r} {provider._secret} {calls!r} {image(b'identity')!r}"
    passwords = [dict(form_of(call))["password"] for call in calls]
    for hidden in ("hidden-account", API_KEY, *passwords, "identity", base64.b64encode(b"identity").decode()):
        assert hidden not in shown


# its page in the documentation ----------------------------------------------------------------------------------------


def test_the_pages_error_table_is_what_the_module_does() -> None:
    """A stale time is told as configuration there, which it is the second time."""
    documented = error_classes("ihuyi")
    assert documented == {
        str(code): ConfigurationError if kind is StaleCredentialError else kind for code, kind in CLASSES.items()
    }
    for code, kind in documented.items():
        assert isinstance(error_of({"code": code}), kind)


def test_the_page_names_every_parameter_and_field() -> None:
    named = names_in("ihuyi")
    assert {"account", "password", "app", "img_base64", "img_url", "time"} <= named
    answers = [recorded("ihuyi", name) for name in ("both_sides", "balance", "older_front")]
    assert {field for document in answers for field in document} <= named
    assert {field for document in answers for field in document.get("content", {})} <= named
