"""Huawei Cloud, held to its documents: request, options, every error code and form of answer, and what none may do."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given

from cardintake.images import FittedImage
from cardintake.providers.errors import (
    ConfigurationError,
    ImageRefusedError,
    ProviderError,
    QuotaError,
    RequestRefusedError,
    RetriedOnceError,
    RetryableError,
    StaleCredentialError,
    ThrottledError,
    UnreadableAnswerError,
)
from cardintake.providers.huaweicloud import HuaweiCloud
from cardintake.providers.huaweicloud_errors import BY_HTTP_STATUS, ERROR_CLASSES
from cardintake.providers.protocol import Answer, Attempt, Call, CardReading, Claim, Reading, Signal
from tests.contract.recorded import ANSWERED_AT, all_recorded, answer, recorded
from tests.properties import HOSTILE_VALUES, invented, mutated_at, tampered, without

ACCESS_KEY, SECRET_KEY = "AKIDEXAMPLE0HWC00001", "SKEXAMPLE/wJalrXUtnFEMI-K7MDENG+bPxRfiCYEXAMPLEKEY"
PROJECT = "0123456789abcdef0123456789abcdef"
BASE = {"base_url": "https://ocr.cn-north-4.myhuaweicloud.com", "project_id": PROJECT}
KEYS = {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
USER = {
    "iam_url": "https://iam.cn-north-4.myhuaweicloud.com", "domain": "IAMDomain", "username": "IAMUser",
    "password": "pass-密码-0001", "project": "cn-north-4",
}  # fmt: skip
TOKEN = "MIINRwYJKoZIhvcNAQcCoIINODCCDTQ"
NOW = datetime(2026, 1, 15, 8, 30, tzinfo=UTC)
JPEG = base64.b64decode("/9j/4AAQSkZJRgABAQAAAQABAAD/2Q==")
OTHER_JPEG = base64.b64decode("/9j/4AAQSkZJRgABAQAAAQACAAD/2Q==")
PORTRAIT = {
    "country": "CHN", "document_type": "cn_resident_id", "side": "portrait", "name": "张样例", "sex": "M",
    "ethnicity": "汉", "birth_date": "1990-03-07", "address": "样例省样例市样例路1号",
    "id_number": "990105199003070037",
}  # fmt: skip
EMBLEM = {
    "country": "CHN", "document_type": "cn_resident_id", "side": "emblem", "issuing_authority": "样例市公安局城关分局",
    "valid_from": "2007-07-27", "valid_to": "2027-07-27",
}  # fmt: skip
DETECTORS = ("reproduce", "copy", "tampering", "border_integrity", "blocking_within_border", "blur", "interim", "glare")
DETECT = {f"detect_{name}": True for name in DETECTORS}
RETURNS = (
    "return_verification", "return_text_location", "return_portrait_location", "return_portrait_image",
    "return_adjusted_image",
)  # fmt: skip
DOCUMENTATION = Path(__file__).parents[2] / "docs" / "providers" / "huaweicloud.md"


def huaweicloud(options: object = None, **changes: object) -> HuaweiCloud:
    given_options = {} if options is None else {"options": options}
    return HuaweiCloud.configured(BASE | KEYS | given_options | changes, allow_http=False)


def with_user(**changes: object) -> HuaweiCloud:
    return HuaweiCloud.configured(BASE | USER | changes, allow_http=False)


def image(data: bytes = JPEG) -> FittedImage:
    return FittedImage(data, "JPEG", 100, 100)


def reading_of(document: object, options: object = None) -> Reading:
    provider, given_answer = huaweicloud(options), answer(document)
    provider.check(given_answer)
    return provider.read(given_answer)


def readings_of(document: object) -> tuple[CardReading, ...]:
    return reading_of(document).cards


def cards_of(document: object) -> list[dict[str, Any]]:
    return [reading.card.values() for reading in readings_of(document)]


def with_result(recording: str, **changes: object) -> Any:
    document = recorded("huaweicloud", recording)
    document["result"] |= changes
    return document


# request --------------------------------------------------------------------------------------------------------------


def test_the_vectors_request_is_made_byte_for_byte() -> None:
    call = huaweicloud({"return_text_location": False}).call(image(), Claim(side="emblem"), Attempt(NOW))
    assert call.url == f"https://ocr.cn-north-4.myhuaweicloud.com/v2/{PROJECT}/ocr/id-card"
    assert call.content == (
        b'{"image": "/9j/4AAQSkZJRgABAQAAAQABAAD/2Q==", "side": "back", "return_verification": true, '
        b'"return_text_location": false, "detect_reproduce": true, "detect_copy": true, "detect_tampering": true, '
        b'"detect_border_integrity": true, "detect_blocking_within_border": true, "detect_blur": true, '
        b'"detect_interim": true, "detect_glare": true}'
    )
    assert dict(call.headers) == {
        "Content-Type": "application/json;charset=utf-8",
        "X-Project-Id": PROJECT,
        "Host": "ocr.cn-north-4.myhuaweicloud.com",
        "X-Sdk-Date": "20260115T083000Z",
        "Authorization": (
            f"SDK-HMAC-SHA256 Access={ACCESS_KEY}, SignedHeaders=content-type;host;x-project-id;x-sdk-date, "
            "Signature=cc70e611328ed06e7416f51aeb5ec008937649df93f3591cce293b4af9e5c5e7"
        ),
    }


def assert_signed(call: Call, *names: str) -> None:
    """What a server computes from what httpx sends."""
    request = httpx.Request("POST", call.url, headers=dict(call.headers), content=call.content)
    signed_names = ";".join(sorted(("content-type", "host", "x-project-id", "x-sdk-date", *names)))
    headers = "".join(f"{name}:{request.headers[name]}\n" for name in signed_names.split(";"))
    body_hash = hashlib.sha256(request.content).hexdigest()
    canonical = f"POST\n{urlsplit(call.url).path}/\n\n{headers}\n{signed_names}\n{body_hash}"
    to_sign = f"SDK-HMAC-SHA256\n20260115T083000Z\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(SECRET_KEY.encode(), to_sign.encode(), "sha256").hexdigest()
    assert request.headers["Authorization"] == (
        f"SDK-HMAC-SHA256 Access={ACCESS_KEY}, SignedHeaders={signed_names}, Signature={signature}"
    )


def test_the_signature_covers_what_is_sent() -> None:
    assert_signed(huaweicloud().call(image(b"\xfb\xff" * 999), Claim(), Attempt(NOW)))
    temporary = huaweicloud({"enterprise_project_id": "0"}, security_token="TEMPORARYTOKEN/abc+def==")
    call = temporary.call(image(), Claim(), Attempt(NOW))
    assert call.headers["X-Security-Token"] == "TEMPORARYTOKEN/abc+def=="
    assert call.headers["Enterprise-Project-Id"] == "0"
    assert_signed(call, "x-security-token", "enterprise-project-id")
    local = HuaweiCloud.configured(BASE | KEYS | {"base_url": "http://127.0.0.1:8443/"}, allow_http=True)
    call = local.call(image(), Claim(), Attempt(NOW))
    assert call.headers["Host"] == "127.0.0.1:8443"
    assert_signed(call)


def test_a_later_attempt_is_signed_anew() -> None:
    calls = [huaweicloud().call(image(), Claim(), Attempt(NOW.replace(second=second))) for second in (0, 1)]
    assert calls[0].headers["X-Sdk-Date"] != calls[1].headers["X-Sdk-Date"]
    assert calls[0].headers["Authorization"] != calls[1].headers["Authorization"]


def test_with_a_token_nothing_is_signed() -> None:
    provider = with_user(options={"enterprise_project_id": "ab12"})
    call = provider.call(image(), Claim(), Attempt(NOW, token=TOKEN))
    assert dict(call.headers) == {
        "Content-Type": "application/json;charset=utf-8", "Enterprise-Project-Id": "ab12", "X-Auth-Token": TOKEN,
    }  # fmt: skip
    assert call.content == huaweicloud().call(image(), Claim(), Attempt(NOW)).content
    with pytest.raises(ValueError, match="token"):
        provider.call(image(), Claim(), Attempt(NOW))


def test_where_tokens_come_from() -> None:
    assert huaweicloud().tokens is None
    tokens = with_user().tokens
    assert tokens is not None
    assert tokens.call().url == "https://iam.cn-north-4.myhuaweicloud.com/v3/auth/tokens?nocatalog=true"
    assert tokens.key == getattr(with_user().tokens, "key", None)
    assert tokens.key != getattr(with_user(password="another").tokens, "key", None)


def parameters_of(options: object = None, claim: Claim | None = None) -> dict[str, Any]:
    content = huaweicloud(options).call(image(), claim or Claim(), Attempt(NOW)).content
    parameters = json.loads(content)
    assert base64.b64decode(parameters.pop("image"), validate=True) == JPEG
    assert isinstance(parameters, dict)
    return parameters


def test_detection_and_verification_are_on_by_default() -> None:
    assert parameters_of() == DETECT | {"return_verification": True}


@pytest.mark.parametrize("switch", [*DETECT, *RETURNS])
@pytest.mark.parametrize("value", [True, False])
def test_every_switch_can_be_set_and_is_a_json_boolean(switch: str, value: bool) -> None:
    assert parameters_of({switch: value})[switch] is value
    with pytest.raises(ConfigurationError, match=rf"options\.{switch}: Input should be a valid boolean"):
        huaweicloud({switch: str(value).lower()})


def test_everything_can_be_switched_off() -> None:
    off = dict.fromkeys((*DETECT, *RETURNS), False)
    assert parameters_of(off) == off


@pytest.mark.parametrize(
    ("option", "claimed", "sent"),
    [
        (None, None, None), ("", None, None), ("front", None, "front"), ("back", None, "back"),
        ("double_side", None, "double_side"), (None, "portrait", "front"), (None, "emblem", "back"),
        (None, "front", "front"), (None, "back", "back"), ("front", "emblem", "back"), ("back", "portrait", "front"),
        ("", "emblem", "back"), ("double_side", "emblem", "double_side"), ("double_side", "portrait", "double_side"),
    ],
)  # fmt: skip
def test_the_side_that_is_asked_for(option: str | None, claimed: Any, sent: str | None) -> None:
    options = {} if option is None else {"side": option}
    assert parameters_of(options, Claim(side=claimed)).get("side") == sent


def test_the_options_key_tells_apart_what_changes_the_answer_and_nothing_else() -> None:
    key = huaweicloud().options_key(Claim())
    same: list[dict[str, object]] = [
        {"side": ""}, {"return_text_location": False}, {"detect_copy": True}, {"enterprise_project_id": "ab12"},
    ]  # fmt: skip
    assert {huaweicloud(options).options_key(Claim()) for options in same} == {key}
    assert with_user().options_key(Claim()) == key
    others: list[dict[str, object]] = [{"side": side} for side in ("front", "back", "double_side")]
    others += [{name: False} for name in (*DETECT, "return_verification")]
    others += [{name: True} for name in RETURNS if name != "return_verification"]
    assert len({key, *(huaweicloud(options).options_key(Claim()) for options in others)}) == len(others) + 1
    by_claim = {huaweicloud().options_key(Claim(side=side)) for side in ("portrait", "emblem", None)}
    assert len(by_claim) == 3
    assert huaweicloud().options_key(Claim("cn_resident_id")) == key


def test_limits_count_base64() -> None:
    limits = HuaweiCloud.limits
    assert limits.formats == {"JPEG", "PNG", "BMP", "TIFF"}
    assert (limits.min_side, limits.max_side) == (15, 8000)
    assert limits.hold(bytes(7_500_000))  # 10,000,000 characters
    assert not limits.hold(bytes(7_500_001))


# errors ---------------------------------------------------------------------------------------------------------------

CLASSES: dict[str, type[ProviderError]] = {
    "AIS.0101": RequestRefusedError, "AIS.0102": ImageRefusedError, "AIS.0103": ImageRefusedError,
    "AIS.0104": ImageRefusedError, "AIS.0105": RetriedOnceError, "AIS.0117": RequestRefusedError,
    "AIS.0118": RequestRefusedError, "AIS.0119": RequestRefusedError, "AIS.0120": RequestRefusedError,
    "AIS.0121": RequestRefusedError, "AIS.0122": ImageRefusedError,
    "ModelArts.0203": ConfigurationError, "ModelArts.4101": ConfigurationError, "ModelArts.4102": ConfigurationError,
    "ModelArts.4103": ConfigurationError, "ModelArts.4104": ImageRefusedError, "ModelArts.4105": RequestRefusedError,
    "ModelArts.4106": ConfigurationError, "ModelArts.4107": ConfigurationError, "ModelArts.4201": RequestRefusedError,
    "ModelArts.4202": RequestRefusedError, "ModelArts.4203": ConfigurationError, "ModelArts.4204": ConfigurationError,
    "ModelArts.4301": RetryableError, "ModelArts.4302": RetryableError, "ModelArts.4401": ThrottledError,
    "ModelArts.4402": RetryableError, "ModelArts.4403": RetryableError, "ModelArts.4502": RetryableError,
    "ModelArts.4503": RequestRefusedError, "ModelArts.4504": RequestRefusedError, "ModelArts.4505": RetryableError,
    "ModelArts.4506": RetryableError, "ModelArts.4508": RetryableError, "ModelArts.4601": ConfigurationError,
    "ModelArts.4603": RetryableError, "ModelArts.4702": ConfigurationError, "ModelArts.4703": RequestRefusedError,
    "ModelArts.4704": RetryableError, "ModelArts.4705": ImageRefusedError, "ModelArts.4706": RequestRefusedError,
    "ModelArts.6201": QuotaError,
    "APIG.0101": ConfigurationError, "APIG.0103": RetryableError, "APIG.0104": RetryableError,
    "APIG.0105": RetryableError, "APIG.0106": RequestRefusedError, "APIG.0204": ConfigurationError,
    "APIG.0301": ConfigurationError, "APIG.0302": ConfigurationError, "APIG.0303": ConfigurationError,
    "APIG.0304": ConfigurationError, "APIG.0305": ConfigurationError, "APIG.0306": ConfigurationError,
    "APIG.0307": ConfigurationError, "APIG.0308": ThrottledError, "APIG.0310": ConfigurationError,
    "APIG.0401": ConfigurationError, "APIG.0402": ConfigurationError, "APIG.0404": ConfigurationError,
    "APIG.0501": QuotaError, "APIG.0502": QuotaError, "APIG.0601": RetryableError, "APIG.0602": RequestRefusedError,
    "APIG.0605": RetryableError, "APIG.0606": RetryableError, "APIG.0607": ConfigurationError,
    "APIG.0608": RetryableError, "APIG.0609": RetryableError, "APIG.0610": RetryableError,
    "APIG.0611": RetryableError, "APIG.0612": RetryableError, "APIG.0613": RetryableError,
    "APIG.0705": RetryableError, "APIG.0802": ConfigurationError,
}  # fmt: skip
TOKEN_CODES = {"APIG.0307", "ModelArts.0203", "ModelArts.4101", "ModelArts.4102", "ModelArts.4103"}
BY_STATUS: dict[int, type[ProviderError]] = {
    400: RequestRefusedError, 401: ConfigurationError, 403: ConfigurationError, 404: ConfigurationError,
    405: ConfigurationError, 406: RequestRefusedError, 408: RetryableError, 413: ImageRefusedError,
    414: RequestRefusedError, 422: RequestRefusedError, 429: ThrottledError, 494: RequestRefusedError,
    500: RetryableError, 502: RetryableError, 503: RetryableError, 504: RetryableError,
}  # fmt: skip


def error_of(document: object, status: int = 400, provider: HuaweiCloud | None = None) -> ProviderError:
    """The error of an answer: raised by `check`, unless it is a refusal of the image, which is final."""
    given_answer, provider = answer(document, status), provider or huaweicloud()
    try:
        provider.check(given_answer)
    except ProviderError as error:
        assert not isinstance(error, ImageRefusedError)  # noqa: PT017 - which of the two raises it is what is tested
        return error
    with pytest.raises(ImageRefusedError) as refusal:
        provider.read(given_answer)
    return refusal.value


def refused(code: str, text: str = "张样例 990105199003070037") -> dict[str, str]:
    return {"error_code": code, "error_msg": text}


@pytest.mark.parametrize("status", [200, 400, 401, 413, 429, 500])
@pytest.mark.parametrize("code", CLASSES)
def test_every_documented_code_whatever_the_http_status(code: str, status: int) -> None:
    error = error_of(refused(code), status)
    assert type(error) is CLASSES[code]
    assert error.code.startswith(code)
    assert "样例" not in str(error)
    assert "990105" not in str(error)
    assert not (isinstance(error, RetryableError) and error.maybe_billed)


def test_no_code_is_missing() -> None:
    assert dict(ERROR_CLASSES) == CLASSES


@pytest.mark.parametrize("code", CLASSES)
def test_the_spelling_of_a_code_and_of_its_member(code: str) -> None:
    family, digits = code.split(".")
    spellings = [code, code.upper(), code.lower(), f" {code}\n"] + ([f"APIGW.{digits}"] if family == "APIG" else [])
    for written in spellings:
        forms: list[object] = [
            refused(written), {"errorCode": written, "errorMsg": "no"}, {"code": written, "message": "no"},
            {"error": {"code": written, "message": "no"}}, {"error": {"error_code": written}}, {"error_code": written},
            {"error_code": "", "errorCode": None, "code": written},
        ]  # fmt: skip
        assert [type(error_of(form)) for form in forms] == [CLASSES[code]] * len(forms)


@pytest.mark.parametrize(("status", "kind"), BY_STATUS.items())
@pytest.mark.parametrize(
    "document",
    [
        refused("APIG.0201"), refused("APIGW.0201"), refused("APIG.9999"), refused("AIS.0307"),
        refused("990105199003070037"),
        refused("ModelArts.0201"), refused("XYZ.0102"), refused("AIS.0102x"), refused("AIS.01020"), refused("AIS.٠١٠٢"),
        {"error_msg": "no"}, {}, {"error_code": 102}, {"code": 401}, {"error": "AIS.0102"}, {"result": {}},
    ],
    ids=repr,
)  # fmt: skip
def test_what_goes_by_the_http_status(document: object, status: int, kind: type[ProviderError]) -> None:
    error = error_of(document, status)
    assert type(error) is kind
    assert error.code.startswith(f"HTTP {status}")
    assert "990105" not in str(error)
    assert not (isinstance(error, RetryableError) and error.maybe_billed)


def test_the_code_of_seven_meanings_is_named_with_its_http_status() -> None:
    assert error_of(refused("APIGW.0201"), 413).code == "HTTP 413 APIG.0201"


@pytest.mark.parametrize("code", [None, "", " ", 0])
def test_an_error_code_of_nothing_is_none(code: object) -> None:
    assert cards_of(recorded("huaweicloud", "portrait") | {"error_code": code, "error_msg": code}) == [PORTRAIT]


def test_a_code_that_is_not_in_the_list_is_no_reading() -> None:
    error = error_of(refused("AIS.9999") | recorded("huaweicloud", "portrait"), 200)
    assert type(error) is RetryableError


def test_trouble_with_one_picture_is_its_refusal_once_it_is_final() -> None:
    given_answer = answer(refused("AIS.0105"), 400)
    with pytest.raises(RetriedOnceError):
        huaweicloud().check(given_answer)
    with pytest.raises(ImageRefusedError, match=r"AIS\.0105"):
        huaweicloud().read(given_answer)


@pytest.mark.parametrize("code", sorted(TOKEN_CODES))
def test_an_expired_token_is_renewed_and_a_signature_never_sent_again(code: str) -> None:
    stale = error_of(refused(code), 401, with_user())
    assert type(stale) is StaleCredentialError
    assert stale.code == code
    assert type(error_of(refused(code), 401)) is ConfigurationError


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Incorrect IAM authentication information: token expires", StaleCredentialError),
        ("Incorrect IAM authentication information: decrypt token fail", StaleCredentialError),
        ("Incorrect IAM authentication information: x-auth-token not found", StaleCredentialError),
        ("Incorrect IAM authentication information: Decrypt TOKEN fail", StaleCredentialError),
        ("Incorrect IAM authentication information: AK access failed to reach the limit,forbidden", ConfigurationError),
        ("Incorrect IAM authentication information: verify aksk signature fail", ConfigurationError),
        ("", ConfigurationError),
    ],
)  # fmt: skip
def test_one_code_for_a_token_and_for_other_credentials(text: str, kind: type[ProviderError]) -> None:
    assert type(error_of(refused("APIG.0301", text), 401, with_user())) is kind
    assert type(error_of({"errorCode": "APIGW.0301", "errorMsg": text}, 401, with_user())) is kind
    assert type(error_of(refused("APIG.0301", text), 401)) is ConfigurationError
    # another code's text decides nothing
    assert type(error_of(refused("APIG.0303", text), 401, with_user())) is ConfigurationError


@pytest.mark.parametrize("code", sorted(CLASSES.keys() - TOKEN_CODES - {"APIG.0301"}))
def test_no_other_code_renews_a_token(code: str) -> None:
    assert type(error_of(refused(code, "token expires"), 401, with_user())) is CLASSES[code]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("The throttling threshold has been reached: policy user over ratelimit,limit:9,time:1 minute", ThrottledError),
        ("Daily quota exhausted", QuotaError), ("The daily quota has been used up.", QuotaError), ("", ThrottledError),
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [400, 429])
def test_one_code_for_a_rate_and_for_the_days_quota(text: str, kind: type[ProviderError], status: int) -> None:
    assert type(error_of(refused("APIG.0308", text), status)) is kind
    assert type(error_of(refused("APIGW.0308", text), status, with_user())) is kind
    assert type(error_of(refused("ModelArts.4401", text), status)) is ThrottledError


def test_a_wrong_region_says_where_to_look() -> None:
    assert "base_url" in error_of(refused("ModelArts.4204")).code
    assert "project_id" in error_of(refused("APIG.0101"), 404).code


def test_recorded_refusals() -> None:
    assert type(error_of(recorded("huaweicloud", "image_refused"))) is ImageRefusedError
    error = error_of(recorded("huaweicloud", "token_expired"), 401, with_user())
    assert type(error) is StaleCredentialError
    assert error.request_id == "0b3f9a1c52d84e6f9a7c1d2e3f405162"


@pytest.mark.parametrize(
    ("header", "member", "expected"),
    [
        ("11af7362b2f0", None, "11af7362b2f0"), ("11af7362b2f0", "99", "11af7362b2f0"),
        (None, "11af7362b2f0", "11af7362b2f0"),
        (None, None, None), (None, 5, None), (None, "张样例", None), ("", "11af7362b2f0", "11af7362b2f0"),
        ("张样例", None, None), ("a" * 129, None, None), ("a b", {}, None),
    ],
)  # fmt: skip
def test_the_request_id_of_readings_and_errors(header: str | None, member: object, expected: str | None) -> None:
    def answered(document: dict[str, Any], status: int) -> Answer:
        body = json.dumps(document | {"request_id": member}).encode()
        return Answer(status, body, ANSWERED_AT, request_id=header)

    assert huaweicloud().read(answered(recorded("huaweicloud", "portrait"), 200)).request_id == expected
    for document in (refused("AIS.0103"), refused("AIS.0105"), refused("APIG.9999")):
        with pytest.raises(ProviderError) as error:
            huaweicloud().read(answered(document, 400))
        assert error.value.request_id == expected


UNREADABLE: list[object] = [
    [], 1, "text", None, {}, {"result": None}, {"result": []}, {"result": "张样例"}, {"result": [{"name": "张样例"}]},
    {"error_code": None, "error_msg": "张样例"}, {"name": "张样例"}, {"error_code": 0}, {"data": {"name": "张样例"}},
]  # fmt: skip


@pytest.mark.parametrize("document", UNREADABLE, ids=repr)
def test_an_answer_of_no_documented_form_is_unreadable(document: object) -> None:
    error = error_of(document, 200)
    assert type(error) is UnreadableAnswerError
    assert error.maybe_billed
    assert "张样例" not in str(error)


# readings -------------------------------------------------------------------------------------------------------------


def test_the_documents_examples() -> None:
    assert cards_of(recorded("huaweicloud", "portrait")) == [PORTRAIT]
    assert cards_of(recorded("huaweicloud", "emblem")) == [EMBLEM]
    for name in ("portrait", "emblem"):
        reading = reading_of(recorded("huaweicloud", name))
        assert (reading.signals, reading.portrait, reading.card_image, reading.request_id) == ({}, None, None, None)


def test_long_term() -> None:
    (card,) = cards_of(recorded("huaweicloud", "emblem_long_term"))
    assert card == {k: v for k, v in EMBLEM.items() if k != "valid_to"} | {
        "valid_from": "2011-04-18",
        "long_term": True,
    }


ALL_ON = dict.fromkeys(RETURNS, True)


def signals_of(document: object) -> dict[str, Signal]:
    return dict(reading_of(document).signals)


def quiet(score: int) -> dict[str, Signal]:
    alarms: dict[str, Signal] = {f"detect_{name}_result": False for name in DETECTORS}
    return alarms | {f"score_info.{name}_score": score for name in DETECTORS}


def test_the_portrait_side_with_every_switch_on() -> None:
    reading = reading_of(recorded("huaweicloud", "portrait_all_switches"), ALL_ON)
    assert [card.card.values() for card in reading.cards] == [PORTRAIT]
    assert dict(reading.signals) == quiet(3) | {
        "detect_copy_result": True, "score_info.copy_score": 92,
        "detect_border_integrity_result": True, "score_info.border_integrity_score": 92,
        "verification_result.valid_number": True, "verification_result.valid_birth": True,
        "verification_result.valid_sex": True,
    }  # fmt: skip
    assert (reading.portrait, reading.card_image) == (JPEG, JPEG)


def test_the_emblem_side_with_every_switch_on() -> None:
    reading = reading_of(recorded("huaweicloud", "emblem_all_switches"), ALL_ON)
    assert [card.card.values() for card in reading.cards] == [EMBLEM]
    assert dict(reading.signals) == quiet(3) | {
        "verification_result.valid_date": True, "verification_result.valid_validity_period": True,
    }  # fmt: skip
    assert (reading.portrait, reading.card_image) == (None, JPEG)


@pytest.mark.parametrize("name", ["double_side", "double_side_beside_empty_fields"])
def test_both_sides_in_one_picture(name: str) -> None:
    reading = reading_of(recorded("huaweicloud", name), ALL_ON | {"side": "double_side"})
    assert [card.card.values() for card in reading.cards] == [PORTRAIT, EMBLEM]
    assert dict(reading.signals) == quiet(5) | {
        "detect_glare_result": True, "score_info.glare_score": 92, "detect_blur_result": True,
        "score_info.blur_score": 88, "verification_result.valid_number": True,
        "verification_result.valid_birth": True, "verification_result.valid_sex": True,
        "verification_result.valid_date": True, "verification_result.valid_validity_period": False,
    }  # fmt: skip
    assert (reading.portrait, reading.card_image) == (JPEG, JPEG)


def test_one_side_of_both() -> None:
    document = recorded("huaweicloud", "double_side")
    nothing: list[object] = [{}, None, "", []]
    for empty in nothing:
        only_front = reading_of(mutated_at(document, ("result", "back"), empty), ALL_ON)
        assert [card.card.values() for card in only_front.cards] == [PORTRAIT]
        only_back = reading_of(mutated_at(document, ("result", "front"), empty), ALL_ON)
        assert [card.card.values() for card in only_back.cards] == [EMBLEM]
        assert (only_back.portrait, only_back.card_image) == (None, OTHER_JPEG)
    assert cards_of({"result": {"back": document["result"]["back"]}}) == [EMBLEM]


def test_the_fields_decide_the_side_over_where_they_stand() -> None:
    sides = recorded("huaweicloud", "double_side")["result"]
    swapped = {"result": {"front": sides["back"], "back": sides["front"]}}
    assert cards_of(swapped) == [PORTRAIT, EMBLEM]
    assert signals_of(swapped) == signals_of({"result": sides})
    both_at_the_top = recorded("huaweicloud", "portrait")["result"] | recorded("huaweicloud", "emblem")["result"]
    assert cards_of({"result": both_at_the_top}) == [PORTRAIT, EMBLEM]


def test_nothing_read_is_no_card_and_no_error() -> None:
    fields = recorded("huaweicloud", "nothing_read")["result"]
    results: list[object] = [fields, dict.fromkeys(fields), {}, {"front": {}, "back": {}}, {"colour": "blue"}]
    for result in results:
        assert cards_of({"result": result}) == []


def test_crops_only_when_they_were_asked_for() -> None:
    document = recorded("huaweicloud", "portrait_all_switches")
    crops = {
        option: (reading.portrait, reading.card_image)
        for option in RETURNS
        for reading in [reading_of(document, {option: True})]
    }
    assert crops == dict.fromkeys(RETURNS, (None, None)) | {
        "return_portrait_image": (JPEG, None), "return_adjusted_image": (None, JPEG),
    }  # fmt: skip


@pytest.mark.parametrize("value", ["", None, [], {}, "no face", "bm8gaW1hZ2U=", "/9j/4", 5])
def test_a_crop_that_is_no_image_is_none(value: object) -> None:
    document = with_result("portrait_all_switches", portrait_image=value, adjusted_image=value)
    reading = reading_of(document, ALL_ON)
    assert (reading.portrait, reading.card_image) == (None, None)
    assert [card.card.values() for card in reading.cards] == [PORTRAIT]


@pytest.mark.parametrize("name", DETECTORS)
def test_every_alarm_is_handed_on_as_it_is(name: str) -> None:
    for value in (True, False):
        assert signals_of(with_result("portrait", **{f"detect_{name}_result": value})) == {
            f"detect_{name}_result": value
        }
    no_verdicts: list[object] = [None, "", "true", 1, [], {}]
    for no_verdict in no_verdicts:
        assert signals_of(with_result("portrait", **{f"detect_{name}_result": no_verdict})) == {}
    # of two sides, either one's
    for front, back in ((True, False), (False, True)):
        result = {"front": {f"detect_{name}_result": front}, "back": {f"detect_{name}_result": back}}
        assert signals_of({"result": result}) == {f"detect_{name}_result": True}


@pytest.mark.parametrize("name", DETECTORS)
def test_every_score_is_handed_on_as_it_is(name: str) -> None:
    for score in (0, 1, 100, -1):
        signals = signals_of(with_result("portrait", score_info={f"{name}_score": score, "other_score": 5}))
        assert signals == {f"score_info.{name}_score": score}
    no_scores: list[object] = [None, "", "92", True, 10**40, 1.5, [], {}]
    for no_score in no_scores:
        assert signals_of(with_result("portrait", score_info={f"{name}_score": no_score})) == {}
    result = {"front": {"score_info": {f"{name}_score": 7}}, "back": {"score_info": {f"{name}_score": 9}}}
    assert signals_of({"result": result}) == {f"score_info.{name}_score": 9}


@pytest.mark.parametrize("value", [None, "", [], "张样例", 5])
def test_scores_and_verification_of_another_shape_are_none(value: object) -> None:
    assert signals_of(with_result("portrait", score_info=value, verification_result=value)) == {}


CHECKS = ("valid_number", "valid_birth", "valid_sex", "valid_date", "valid_validity_period")


def verified(recording: str, checks: Mapping[str, object], **changes: object) -> dict[str, Signal]:
    signals = signals_of(with_result(recording, verification_result=checks, **changes))
    return {signal.removeprefix("verification_result."): value for signal, value in signals.items()}


def test_verification_says_something_only_of_the_side_that_was_read() -> None:
    assert verified("portrait", dict.fromkeys(CHECKS, True)) == dict.fromkeys(CHECKS[:3], True)
    assert verified("emblem", dict.fromkeys(CHECKS, True)) == dict.fromkeys(CHECKS[3:], True)
    # the defaults of the other side
    assert verified("emblem", dict.fromkeys(CHECKS, False)) == dict.fromkeys(CHECKS[3:], False)
    assert verified("nothing_read", dict.fromkeys(CHECKS, False)) == {}
    assert verified("emblem_long_term", dict.fromkeys(CHECKS, True)) == dict.fromkeys(CHECKS[3:], True)


def test_birth_and_sex_mean_nothing_when_the_number_fails() -> None:
    assert verified("portrait", dict.fromkeys(CHECKS, False)) == {"valid_number": False}
    assert verified("portrait", {"valid_birth": False, "valid_sex": False}) == {}
    mismatch = {"valid_number": True, "valid_birth": False, "valid_sex": False}
    assert verified("portrait", mismatch) == mismatch


def test_what_was_not_read_was_not_verified() -> None:
    found = {"valid_number": True, "valid_birth": False, "valid_sex": False}
    assert verified("portrait", found, number="") == {}
    assert verified("portrait", found, birth="") == {"valid_number": True, "valid_sex": False}
    assert verified("portrait", found, sex="不详") == {"valid_number": True, "valid_birth": False}
    terms = {"valid_date": False, "valid_validity_period": False}
    assert verified("emblem", terms) == terms
    assert verified("emblem", terms, valid_to="") == {}
    assert verified("emblem", terms, valid_from="") == {}
    assert verified("emblem", terms, valid_to="until further notice") == {}


def test_the_verification_of_a_side_is_its_own() -> None:
    document = recorded("huaweicloud", "double_side")
    document["result"]["verification_result"] = dict.fromkeys(CHECKS, False)
    document["result"]["front"]["verification_result"] |= dict.fromkeys(CHECKS[3:], False)
    document["result"]["back"]["verification_result"] |= dict.fromkeys(CHECKS[:3], False)
    assert signals_of(document) == signals_of(recorded("huaweicloud", "double_side"))
    # nor does it stand at the top, where the fields may be repeated
    document["result"] |= recorded("huaweicloud", "portrait")["result"] | recorded("huaweicloud", "emblem")["result"]
    assert signals_of(document) == signals_of(recorded("huaweicloud", "double_side"))
    assert cards_of(document) == [PORTRAIT, EMBLEM]
    # and what a side lacks is not taken from the other
    bare = without(document, ("result", "front", "verification_result"))
    assert "verification_result.valid_number" not in signals_of(bare)
    assert signals_of(bare)["verification_result.valid_date"] is True


@pytest.mark.parametrize(
    "written",
    [
        "1990-02-30",
        "07-03-1990",
        "1990-03",
        "unknown",
        "90-03-07",
        "1990.03.07",
        "19900307",
        "1990-3-7",
        "XXXX-03-07",
        "١٩٩٠-٠٣-٠٧",
    ],
)
def test_a_birth_that_is_no_date_is_left_out_and_said(written: str) -> None:
    (reading,) = readings_of(with_result("portrait", birth=written))
    assert reading.impossible_dates == ("birth_date",)
    assert reading.card.values() == {name: value for name, value in PORTRAIT.items() if name != "birth_date"}


@pytest.mark.parametrize(
    ("changes", "left", "impossible"),
    [
        ({"valid_from": "2007-02-30"}, {"valid_to": "2027-07-27"}, ("valid_from",)),
        ({"valid_to": "2027-02-30"}, {"valid_from": "2007-07-27"}, ("valid_to",)),
        ({"valid_to": "until further notice"}, {"valid_from": "2007-07-27"}, ("valid_to",)),
        ({"valid_from": "x", "valid_to": "y"}, {}, ("valid_from", "valid_to")),
        ({"valid_from": "", "valid_to": "长期有效"}, {"long_term": True}, ()),
        ({"valid_from": "2007-02-30", "valid_to": "长期"}, {"long_term": True}, ("valid_from",)),
        ({"valid_from": None, "valid_to": None}, {}, ()),
    ],
)
def test_every_form_of_the_validity(
    changes: dict[str, object], left: dict[str, object], impossible: tuple[str, ...]
) -> None:
    (reading,) = readings_of(with_result("emblem", **changes))
    assert reading.impossible_dates == impossible
    assert reading.card.values() == {k: v for k, v in EMBLEM.items() if not k.startswith("valid_")} | left


def test_an_impossible_date_alone_is_still_a_card() -> None:
    (reading,) = readings_of({"result": {"valid_from": "2007-02-30"}})
    assert (reading.card.side, reading.impossible_dates) == ("emblem", ("valid_from",))


def test_what_was_read_is_normalised_but_not_mended() -> None:
    (card,) = cards_of(
        with_result(
            "portrait", number=" ９９０１０５１９９００３０７００３x ", ethnicity="汉族", name="张 样例\n", sex="女",
            address=None, birth="１９９０-03-07",
        )
    )  # fmt: skip
    assert card == {k: v for k, v in PORTRAIT.items() if k != "address"} | {
        "id_number": "99010519900307003X", "name": "张 样例", "sex": "F",
    }  # fmt: skip
    assert cards_of(with_result("portrait", number="990XXXXXXXXXXXXXXX"))[0]["id_number"] == "990XXXXXXXXXXXXXXX"
    assert "sex" not in cards_of(with_result("portrait", sex="不详"))[0]


def test_other_members_are_tolerated() -> None:
    document = with_result("portrait", expiry="长期", confidence={"name": 0.99}, card_type="临时")
    assert cards_of(document | {"log_id": 5}) == [PORTRAIT]
    assert signals_of(document) == {}


# strangers ------------------------------------------------------------------------------------------------------------

NOT_JSON = [
    b"", b"   ", b"<html>", b"{", b'{"result": {}', b'{"result": NaN}', b'{"result": {"name": Infinity}}',
    b"\xff\xfe\x00",
    '{"result": {"name": "样例"}}'.encode("gbk"), b"[" * 100_000, b'{"a":' * 100_000, b'{"result": {}, "result": {}}',
    b"null", b"\x00", b'{"result": {}} trailing', b'{"result": {"name": "a", "name": "b"}}',
]  # fmt: skip


@pytest.mark.parametrize("body", NOT_JSON, ids=range(len(NOT_JSON)))
def test_what_is_not_json_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableAnswerError) as error:
        huaweicloud().check(answer(body))
    assert len(str(error.value)) < 100


def test_a_value_of_ten_megabytes_is_no_value() -> None:
    (card,) = cards_of(with_result("portrait", name="样" * 10_000_000, address="路" * 400))
    assert card == {k: v for k, v in PORTRAIT.items() if k not in ("name", "address")}


@given(tampered(all_recorded("huaweicloud")))
def test_a_tampered_answer_is_a_typed_error_or_a_reading_that_invents_nothing(document: object) -> None:
    given_answer = answer(document)
    provider = huaweicloud(ALL_ON)
    try:
        provider.check(given_answer)
        reading = provider.read(given_answer)
    except ProviderError as error:
        assert len(str(error)) < 200  # noqa: PT017
        return
    for card in reading.cards:
        assert not invented(card.card.values(), document)
    for name, value in reading.signals.items():
        assert re.fullmatch(r"detect_\w+_result|verification_result\.valid_\w+|score_info\.\w+_score", name)
        assert isinstance(value, int)
        assert abs(value) <= 1_000_000


@pytest.mark.parametrize("value", HOSTILE_VALUES, ids=repr)
@pytest.mark.parametrize("member", ["error_code", "error_msg", "code", "error", "request_id"])
def test_a_strange_error_is_a_typed_error(member: str, value: object) -> None:
    error = error_of({"error_code": "AIS.0101", "error_msg": "no"} | {member: value}, 400)
    assert type(error) is RequestRefusedError
    assert len(str(error)) < 100


# secret ---------------------------------------------------------------------------------------------------------------


def fault_of(secret: object, *, allow_http: bool = False) -> str:
    with pytest.raises(ConfigurationError) as error:
        HuaweiCloud.configured(secret, allow_http=allow_http)
    assert error.value.__cause__ is None
    return error.value.code


@pytest.mark.parametrize("field", [*BASE, *KEYS])
def test_a_missing_field_of_a_key_is_named(field: str) -> None:
    fault = fault_of({k: v for k, v in (BASE | KEYS).items() if k != field})
    assert fault == f"secret is wrong: {field}: Field required"


@pytest.mark.parametrize("field", [*BASE, *USER])
def test_a_missing_field_of_a_user_is_named(field: str) -> None:
    fault = fault_of({k: v for k, v in (BASE | USER).items() if k != field})
    assert fault == f"secret is wrong: {field}: Field required"


def test_a_secret_of_neither_kind_names_both() -> None:
    fault = fault_of(BASE)
    assert "access_key: Field required; secret_key: Field required" in fault
    assert "iam_url, domain, username, password, project" in fault


@pytest.mark.parametrize(
    ("secret", "missing"),
    [
        (KEYS | USER, "none"), ({"access_key": "hush"} | USER, "secret_key"),
        (KEYS | {"iam_url": "hush"}, "domain, username, password, project"),
        ({"security_token": "hush", "password": "hush"}, "access_key, secret_key, iam_url, domain, username, project"),
    ],
)  # fmt: skip
def test_a_secret_of_both_kinds_is_refused(secret: dict[str, object], missing: str) -> None:
    fault = fault_of(BASE | secret)
    assert f"(missing: {missing})" in fault
    assert "keep one: access_key and secret_key, or iam_url, domain, username, password, project" in fault
    assert not any(str(value) in fault for value in secret.values() if value != USER["project"])


def fields_in(fault: str) -> set[str]:
    return {path.partition(".")[0] for path in re.findall(r"(?:wrong: |; )([\w.]+): ", fault)}


def test_null_is_the_same_as_nothing() -> None:
    assert HuaweiCloud.configured(BASE | KEYS | dict.fromkeys(USER), allow_http=False).tokens is None
    nulls = dict.fromkeys((*KEYS, "security_token"))
    assert HuaweiCloud.configured(BASE | USER | nulls, allow_http=False).tokens is not None
    assert "access_key: Input should be a valid string" in fault_of(BASE | nulls)


BAD_URLS = ["hush", "ftp://hush", "http://hush.example", "https://user:hush@x.example", "https://hush.example/?a=b"]
NO_TEXT: list[object] = ["", None, 5, [], {"hush": "hush"}]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, value) for field in (*BASE, *KEYS) for value in NO_TEXT), *(("base_url", url) for url in BAD_URLS),
        ("project_id", "hush/../hush"), ("project_id", "hush hush"), ("project_id", "hush\n"), ("access_key", "hush\n"),
        ("access_key", " hush"), ("secret_key", "hush密"), ("security_token", "hush\r\n"), ("security_token", ""),
        ("options", "hush"), ("options", None), ("options", {"detect_blocking": True}), ("options", {"url": "hush"}),
        ("options", {"side": "hush"}), ("options", {"side": None}), ("options", {"detect_copy": None}),
        ("options", {"detect_copy": 1}), ("options", {"enterprise_project_id": "hush\r\nX: y"}),
        ("options", {"enterprise_project_id": ""}), ("options", {"enterprise_project_id": 0}),
    ],
)  # fmt: skip
def test_a_bad_field_is_named_and_its_value_is_not(field: str, value: object) -> None:
    fault = fault_of(BASE | KEYS | {field: value})
    assert fields_in(fault) == {field}
    assert "hush" not in fault


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, value) for field in USER for value in NO_TEXT), *(("iam_url", url) for url in BAD_URLS),
        ("domain", "hush\n"), ("username", "hush\x00"), ("project", "hush\r"),
    ],
)  # fmt: skip
def test_a_bad_field_of_a_user_is_named_and_its_value_is_not(field: str, value: object) -> None:
    fault = fault_of(BASE | USER | {field: value})
    assert fields_in(fault) == {field}
    assert "hush" not in fault


@pytest.mark.parametrize("member", [None, 5, "hush", [], ["hush"], ["access_key", "iam_url"]])
def test_a_member_that_is_no_object_is_refused(member: object) -> None:
    assert "hush" not in fault_of(member)


def test_http_only_where_it_is_allowed_and_unknown_members_are_ignored() -> None:
    local = {"base_url": "http://127.0.0.1:8080", "iam_url": "http://127.0.0.1:8081/", "note": "ours"}
    provider = HuaweiCloud.configured(BASE | USER | local, allow_http=True)
    assert provider.call(image(), Claim(), Attempt(NOW, token=TOKEN)).url.startswith("http://127.0.0.1:8080/v2/")
    assert provider.tokens is not None
    assert provider.tokens.call().url == "http://127.0.0.1:8081/v3/auth/tokens?nocatalog=true"
    for field in ("base_url", "iam_url"):
        assert f"{field}: Value error, must be https" in fault_of(BASE | USER | {field: local[field]})


def test_nothing_that_can_be_printed_shows_the_secret() -> None:
    signing, asking = huaweicloud(security_token="TEMPORARYTOKEN"), with_user()
    calls = [
        signing.call(image(b"identity"), Claim(), Attempt(NOW)),
        asking.call(image(b"identity"), Claim(), Attempt(NOW, token=TOKEN)),
    ]
    printed = [
        f"{thing!r} {thing}"
        for thing in (
            signing,
            asking,
            signing._secret,
            asking._secret,
            asking.tokens,
            Attempt(NOW, token=TOKEN),
            *calls,
        )
    ]
    hidden = (
        ACCESS_KEY, SECRET_KEY, "TEMPORARYTOKEN", TOKEN, USER["domain"], USER["username"], USER["password"], "identity",
        base64.b64encode(b"identity").decode(), calls[0].headers["Authorization"],
    )  # fmt: skip
    assert not [text for text in printed for secret in hidden if secret in text]


# documentation --------------------------------------------------------------------------------------------------------

WORDS: dict[str, type[ProviderError]] = {
    "image": ImageRefusedError, "once more, then image": RetriedOnceError, "our bug": RequestRefusedError,
    "retried": RetryableError, "throttled": ThrottledError, "quota": QuotaError, "configuration": ConfigurationError,
}  # fmt: skip


def rows_of(header: str) -> list[list[str]]:
    """The cells of a table's rows."""
    lines = DOCUMENTATION.read_text("utf-8").splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith(f"| {header} |"))
    rows = []
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def test_the_documentation_has_every_code_with_its_class() -> None:
    documented = [(code, WORDS[row[1]]) for row in rows_of("Code") for code in row[0].split()]
    assert len(documented) == len(dict(documented))
    assert dict(documented) == dict(ERROR_CLASSES)
    assert BY_HTTP_STATUS not in dict(documented)
    renewed = next(row for row in rows_of("Code") if "APIG.0307" in row[0])
    assert set(renewed[0].split()) == TOKEN_CODES


def test_the_documentation_has_every_http_status_with_its_class() -> None:
    documented = {int(text): WORDS[row[1]] for row in rows_of("HTTP") for text in re.findall(r"\d{3}", row[0])}
    assert {status: type(error_of({}, status)) for status in documented} == documented
    other = {status: kind for status, kind in BY_STATUS.items() if status not in documented}
    assert {kind for status, kind in other.items() if status < 500} == {RequestRefusedError}
    assert {kind for status, kind in other.items() if status >= 500} == {RetryableError}


def test_the_documentation_has_every_option_with_its_default() -> None:
    defaults = parameters_of()
    documented = {name: row[1] for row in rows_of("Option") for name in re.findall(r"`(\w+)`", row[0])}
    switches = {name: default for name, default in documented.items() if default in ("true", "false")}
    assert switches.keys() == {*DETECT, *RETURNS}
    assert {name for name, default in switches.items() if default == "true"} == defaults.keys()
    assert documented.keys() - switches.keys() == {"side", "front", "back", "double_side", "enterprise_project_id"}
