"""Huawei Cloud's two ways to know the caller: the signature against published and the SDK's own, and IAM's tokens."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from importlib import import_module
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardintake.providers.errors import ConfigurationError, ProviderError, RetryableError, ThrottledError
from cardintake.providers.huaweicloud_signing import IamTokens, sign
from cardintake.providers.protocol import Answer
from tests.contract.recorded import ANSWERED_AT, recorded
from tests.properties import HOSTILE_VALUES

ACCESS_KEY, SECRET_KEY = "AKIDEXAMPLE0HWC00001", "SKEXAMPLE/wJalrXUtnFEMI-K7MDENG+bPxRfiCYEXAMPLEKEY"
PROJECT = "0123456789abcdef0123456789abcdef"
HOST = "ocr.cn-north-4.myhuaweicloud.com"
PATH = f"/v2/{PROJECT}/ocr/id-card"
NOW = datetime(2026, 1, 15, 8, 30, tzinfo=UTC)
JSON = {"Content-Type": "application/json"}
JSON_UTF8 = {"Content-Type": "application/json;charset=utf-8", "X-Project-Id": PROJECT}
FRONT = b'{"image":"/9j/4AAQSkZJRgABAQAAAQABAAD/2Q==","side":"front"}'
ALL_DETECTORS = (
    b'{"image": "/9j/4AAQSkZJRgABAQAAAQABAAD/2Q==", "side": "back", "return_verification": true, '
    b'"return_text_location": false, "detect_reproduce": true, "detect_copy": true, "detect_tampering": true, '
    b'"detect_border_integrity": true, "detect_blocking_within_border": true, "detect_blur": true, '
    b'"detect_interim": true, "detect_glare": true}'
)


# signature ------------------------------------------------------------------------------------------------------------


def signed(url: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    return sign("POST", url, headers, body, access_key=ACCESS_KEY, secret_key=SECRET_KEY, now=NOW)


@pytest.mark.parametrize(
    ("host", "headers", "body", "names", "signature"),
    [
        (
            HOST, JSON, FRONT, "content-type;host;x-sdk-date",
            "555ade6fe06acaf445539dbf32da8b08099c9a5a8ea79cabcee01778c799ecd7",
        ),
        (
            HOST, JSON_UTF8, ALL_DETECTORS, "content-type;host;x-project-id;x-sdk-date",
            "cc70e611328ed06e7416f51aeb5ec008937649df93f3591cce293b4af9e5c5e7",
        ),
        (
            HOST, JSON_UTF8 | {"X-Security-Token": "TEMPORARYTOKEN/abc+def=="}, FRONT,
            "content-type;host;x-project-id;x-sdk-date;x-security-token",
            "32efac7f3d35baf17afbc6e24d80f95ffade69f2994822d6fa82170636bf3bd2",
        ),
        (
            "127.0.0.1:8443", JSON, FRONT, "content-type;host;x-sdk-date",
            "86b82aec6c29daad1afb4110db752790ca24c281069ab1fbc9b95edb2b188412",
        ),
    ],
    ids=["minimal", "all_detectors", "security_token", "port"],
)  # fmt: skip
def test_signatures_of_the_official_sdk(
    host: str, headers: dict[str, str], body: bytes, names: str, signature: str
) -> None:
    assert signed(f"https://{host}{PATH}", headers, body) == headers | {
        "Host": host,
        "X-Sdk-Date": "20260115T083000Z",
        "Authorization": f"SDK-HMAC-SHA256 Access={ACCESS_KEY}, SignedHeaders={names}, Signature={signature}",
    }


def test_the_published_example() -> None:
    # the signing guide's own request and sample key, with the signature that it prints
    headers = sign(
        "GET",
        "https://service.region.example.com/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs"
        "?limit=2&marker=13551d6b-755d-4757-b956-536f674975c0",
        JSON,
        b"",
        access_key="QTWAOYTTINDUT2QVKYUC",
        secret_key="MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc",
        now=datetime(2019, 11, 15, 3, 36, 55, tzinfo=UTC),
    )
    assert headers["Authorization"] == (
        "SDK-HMAC-SHA256 Access=QTWAOYTTINDUT2QVKYUC, SignedHeaders=content-type;host;x-sdk-date, "
        "Signature=7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe"
    )


def test_the_time_is_utc_whatever_the_clock_says() -> None:
    beijing = NOW.astimezone(timezone(timedelta(hours=8)))
    elsewhere = sign("POST", f"https://{HOST}{PATH}", JSON, FRONT, access_key="a", secret_key="s", now=beijing)
    here = sign("POST", f"https://{HOST}{PATH}", JSON, FRONT, access_key="a", secret_key="s", now=NOW)
    assert elsewhere == here


@pytest.mark.parametrize(
    ("url", "host"),
    [
        (f"https://{HOST}:443{PATH}", HOST), (f"http://{HOST}:80{PATH}", HOST),
        (f"http://{HOST}:443{PATH}", f"{HOST}:443"),
        (f"https://{HOST.upper()}{PATH}", HOST), (f"http://[::1]:8443{PATH}", "[::1]:8443"),
    ],
)  # fmt: skip
def test_the_host_that_is_signed_is_the_one_that_is_sent(url: str, host: str) -> None:
    headers = signed(url, JSON, FRONT)
    assert headers["Host"] == host
    assert httpx.Request("POST", url, content=FRONT).headers["Host"] == host
    assert httpx.Request("POST", url, headers=headers, content=FRONT).headers["Host"] == host


@pytest.mark.parametrize(
    "changed",
    [
        signed(f"https://{HOST}{PATH}x", JSON, FRONT), signed(f"https://{HOST}{PATH}?a=b", JSON, FRONT),
        signed(f"https://{HOST}:8443{PATH}", JSON, FRONT), signed(f"https://{HOST}{PATH}", JSON_UTF8, FRONT),
        signed(f"https://{HOST}{PATH}", JSON, FRONT + b" "), signed(f"https://{HOST}{PATH}", JSON, b""),
    ],
    ids=["path", "query", "port", "header", "body", "no_body"],
)  # fmt: skip
def test_everything_that_is_sent_is_signed(changed: dict[str, str]) -> None:
    assert changed["Authorization"] != signed(f"https://{HOST}{PATH}", JSON, FRONT)["Authorization"]


type Oracle = Callable[[str, str, list[tuple[str, str]], dict[str, str], bytes], str]


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    """The vendor's own signer, on a request that holds these headers and nothing that the SDK adds by itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))  # importing the SDK writes there
        credentials = import_module("huaweicloudsdkcore.auth.credentials")
        requests = import_module("huaweicloudsdkcore.sdk_request")
        signers = import_module("huaweicloudsdkcore.signer.signer")
        signer = signers.Signer(credentials.BasicCredentials(ACCESS_KEY, SECRET_KEY, PROJECT))

        def authorization(
            host: str, path: str, query: list[tuple[str, str]], headers: dict[str, str], body: bytes
        ) -> str:
            request = requests.SdkRequest("POST", "https", host, path, None, query, dict(headers), body)
            return str(signer.sign(request).header_params["Authorization"])

        yield authorization


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PATHS = st.lists(TEXTS | st.sampled_from(["%", "%2F", "a b", "~", "样例", "..", ".", "+", "a%zz", "é"]), max_size=5)
QUERIES = st.lists(st.tuples(TEXTS.filter(bool), TEXTS), max_size=4)
# printable ASCII is what the values of a header can be; without a name that means something to either signer
HEADERS = st.dictionaries(
    st.from_regex(r"\A[A-Z][A-Za-z0-9-]{0,11}\Z").filter(lambda name: name.lower() not in ("host", "content-type")),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
    max_size=4,
).filter(lambda headers: len({name.lower() for name in headers}) == len(headers))
HOSTS = st.sampled_from([HOST, "127.0.0.1:8443", "ocr.example:80", "xn--fiqs8s.example"])


@given(PATHS, QUERIES, HEADERS, HOSTS, st.binary(max_size=40))
def test_our_signer_and_the_official_one_agree(
    official: Oracle, path: list[str], query: list[tuple[str, str]], headers: dict[str, str], host: str, body: bytes
) -> None:
    url = httpx.URL(
        f"https://{host}/" + "/".join(quote(segment, safe="") for segment in path),
        # as the SDK writes a query on the wire, but in any order
        query="&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query).encode(),
    )
    ours = signed(str(url), JSON | headers, body)
    sent_path = url.raw_path.partition(b"?")[0].decode()
    theirs = official(host, sent_path, query, JSON | headers | {"X-Sdk-Date": "20260115T083000Z"}, body)
    assert ours["Authorization"] == theirs


# tokens ---------------------------------------------------------------------------------------------------------------

ACCOUNT = {
    "iam_url": "https://iam.cn-north-4.myhuaweicloud.com", "domain": "样例公司", "username": "scanner",
    "password": "geheim-密码-🔑\n", "project": "cn-north-4",
}  # fmt: skip


def iam(**changes: str) -> IamTokens:
    return IamTokens(**(ACCOUNT | changes))


ISSUED = "MIIN+abc/="


def answered(document: object, status: int = 201, issued: str | None = ISSUED) -> Answer:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    headers = {"x-subject-token": issued} if issued is not None else {}
    return Answer(status, body, ANSWERED_AT, request_id="6b1f9a1c52d8", headers=headers)


def test_the_request_for_a_token() -> None:
    call = iam().call()
    assert call.url == "https://iam.cn-north-4.myhuaweicloud.com/v3/auth/tokens?nocatalog=true"
    assert dict(call.headers) == {"Content-Type": "application/json;charset=utf8"}
    assert json.loads(call.content) == {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {
                    "user": {"name": "scanner", "password": ACCOUNT["password"], "domain": {"name": "样例公司"}}
                },
            },
            "scope": {"project": {"name": "cn-north-4"}},
        }
    }


def test_the_key_changes_with_every_credential_and_shows_none() -> None:
    assert iam().key == iam().key
    keys = {iam(**{name: value + "x"}).key for name, value in ACCOUNT.items()}
    assert len(keys | {iam().key}) == 6
    for text in (iam().key, repr(iam()), str(iam()), repr(iam().call())):
        assert not any(value in text or quote(value) in text for value in ACCOUNT.values())


@pytest.mark.parametrize("password", ["\ud83d", "\x00", " ", "x" * 5000])
def test_any_password_makes_a_request_and_a_key(password: str) -> None:
    sent = json.loads(iam(password=password).call().content)
    assert sent["auth"]["identity"]["password"]["user"]["password"] == password
    assert iam(password=password).key != iam().key


def test_the_token_is_in_the_header_and_its_end_in_the_body() -> None:
    token = iam().token(answered(recorded("huaweicloud", "iam_token")))
    assert token.value == ISSUED
    assert token.expires_at == datetime(2026, 1, 16, 8, 30, 0, 701000, tzinfo=UTC)
    assert "MIIN" not in repr(token)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-01-15T20:00:00.000000Z", datetime(2026, 1, 15, 20, 0, tzinfo=UTC)),
        ("2026-01-15T20:00:00Z", datetime(2026, 1, 15, 20, 0, tzinfo=UTC)),
        ("2026-01-15T20:00:00+08:00", datetime(2026, 1, 15, 12, 0, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_a_token_lasts_as_long_as_it_says(written: str, expected: datetime) -> None:
    assert iam().token(answered({"token": {"expires_at": written}})).expires_at == expected


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-15T20:00:00", "2026-01-15T08:30:01Z", "2020-01-04T09:05:22.701000Z", "2026-01-16T08:30:02Z",
        "9999-12-31T23:59:59Z", "soon", "", 1768500000, None, [], {}, True,
    ],
)  # fmt: skip
def test_an_end_that_cannot_be_right_is_not_believed(written: object) -> None:
    token = iam().token(answered({"token": {"expires_at": written}}))
    assert token.expires_at == ANSWERED_AT + timedelta(hours=23)


@pytest.mark.parametrize("body", [{}, {"token": None}, {"token": []}, b"", b"{", b"null", b'{"a": 1, "a": 2}'])
def test_the_body_may_be_missing_the_token_is_good_all_the_same(body: object) -> None:
    token = iam().token(answered(body))
    assert (token.value, token.expires_at) == (ISSUED, ANSWERED_AT + timedelta(hours=23))


@pytest.mark.parametrize("value", HOSTILE_VALUES, ids=repr)
def test_a_strange_body_breaks_nothing(value: Any) -> None:
    assert iam().token(answered({"token": value})).value == ISSUED
    assert iam().token(answered({"token": {"expires_at": value}})).value == ISSUED
    assert type(error_of({"error": value, "error_code": value}, 401)) is ConfigurationError


def error_of(document: object, status: int, issued: str | None = None) -> ProviderError:
    with pytest.raises(ProviderError) as error:
        iam().token(answered(document, status, issued))
    return error.value


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, ConfigurationError), (401, ConfigurationError), (403, ConfigurationError), (404, ConfigurationError),
     (409, ConfigurationError), (408, RetryableError), (429, ThrottledError), (500, RetryableError),
     (503, RetryableError)],
)  # fmt: skip
@pytest.mark.parametrize(
    "document",
    [
        recorded("huaweicloud", "iam_refused"), {"error_code": "APIGW.0301", "error_msg": "张样例"},
        {"error_msg": "张样例", "error_code": "IAM.0007"}, {}, b"<html>", b"",
    ],
    ids=["error", "gateway", "iam", "empty", "html", "nothing"],
)  # fmt: skip
def test_a_refusal_goes_by_its_http_status(document: object, status: int, kind: type[ProviderError]) -> None:
    # also with a token in the header: a refusal brings none
    for token in (None, ISSUED):
        error = error_of(document, status, token)
        assert type(error) is kind
        assert f"IAM HTTP {status}" in error.code
        assert "样例" not in str(error)
        assert not (isinstance(error, RetryableError) and error.maybe_billed)
        assert kind is ThrottledError or error.request_id == "6b1f9a1c52d8"


def test_a_refusal_names_the_fields_and_the_code_and_no_value() -> None:
    error = error_of({"error_code": "IAM.0007", "error_msg": "no"}, 401)
    assert error.code == "IAM HTTP 401 IAM.0007 (check iam_url, domain, username, password, project)"
    assert not any(value in str(error) for value in ACCOUNT.values())
    assert "990105" not in str(error_of({"error_code": "990105199003070037"}, 401))


@pytest.mark.parametrize("token", [None, "", "a\nb", "密"])
def test_an_answer_without_a_token_is_somebody_elses(token: str | None) -> None:
    error = error_of(recorded("huaweicloud", "iam_token"), 201, token)
    assert type(error) is ConfigurationError
    assert error.code == "iam_url: answer without X-Subject-Token"
