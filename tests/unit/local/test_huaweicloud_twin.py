"""The Huawei Cloud twin without a server: signatures, locks and tokens by the clock, and readings in its words."""

import base64
import hashlib
import hmac
import importlib
import io
import json
import string
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from starlette.datastructures import Headers

from local.kinds import Kind
from local.sandbox.detectors import Inspection, PictureInspection
from local.sandbox.faults import Fault
from local.sandbox.ledger import Outcome
from local.sandbox.pictures import Picture
from local.sandbox.portrait import Cutting
from local.sandbox.readings import ReadingDesk, SeenCard
from local.sandbox.twins.huaweicloud import HuaweiCloudTwin
from local.sandbox.twins.huaweicloud_auth import AccessKey, IamUser, SignatureGate, UnauthorizedError
from local.sandbox.twins.protocol import Answer, Call, CredentialsError

ACCESS_KEY, SECRET_KEY = "AKIDEXAMPLE0HWC00001", "SKEXAMPLE/wJalrXUtnFEMI-K7MDENG+bPxRfiCYEXAMPLEKEY"
PROJECT = "0123456789abcdef0123456789abcdef"
PATH = f"/v2/{PROJECT}/ocr/id-card"
HOST = "ocr.cn-north-4.myhuaweicloud.com"
KEY = {"project_id": PROJECT, "access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
USER = {
    "project_id": PROJECT,
    "iam_url": "http://unused",
    "domain": "IAMDomain",
    "username": "IAMUser",
    "password": "pass-word-example",
    "project": "cn-north-4",
}
SIGNED_AT = "20260115T083000Z"
NOW = datetime(2026, 1, 15, 8, 30, tzinfo=UTC).timestamp()
MINIMAL = '{"image":"/9j/4AAQSkZJRgABAQAAAQABAAD/2Q==","side":"front"}'


class Hand:
    """A clock that stands where it is put."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class NobodyReads:
    def read(self, _picture: Image.Image) -> list[Any]:
        raise AssertionError("not asked to")


class SeenDesk(ReadingDesk):
    """Sees the given cards in every picture that can be decoded."""

    def __init__(self, *cards: SeenCard, picture: PictureInspection | None = None) -> None:
        super().__init__(NobodyReads())
        self._cards = cards
        self._picture = picture or PictureInspection()

    def read(self, picture: Picture) -> tuple[SeenCard, ...]:
        picture.decode()
        return self._cards

    def inspect(self, _picture: Picture) -> PictureInspection:
        return self._picture


QUAD = ((1, 2), (30, 2), (30, 20), (1, 20))
PORTRAIT = {
    "name": "张样例",
    "sex": "女",
    "ethnicity": "汉",
    "birth": "1990年3月7日",
    "address": "样例省模拟市样本县测试路980号",
    "id_number": "990105199003070029",
}
EMBLEM = {"issuing_authority": "模拟市公安局样本分局", "validity": "2019.06.06-2039.06.06"}


def seen(
    kind: Kind = "cn_portrait", fields: dict[str, str] | None = None, inspection: Inspection | None = None
) -> SeenCard:
    texts = fields if fields is not None else EMBLEM if kind == "cn_emblem" else PORTRAIT
    return SeenCard(
        kind=kind,
        fields=texts,
        photocopied=False,
        portrait=Cutting(b"a face", QUAD) if kind == "cn_portrait" else None,
        inspection=inspection or Inspection(),
        crop=Cutting(b"a card", QUAD),
        places=dict.fromkeys(texts, QUAD),
        turns=0,
    )


def scan(file_format: str = "PNG", **saved: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 210, 220)).save(file, file_format, **saved)
    return file.getvalue()


def iam_request(**changes: Any) -> Call:
    user = {"name": "IAMUser", "password": "pass-word-example", "domain": {"name": "IAMDomain"}}
    identity = {"methods": ["password"], "password": {"user": user | changes.pop("user", {})}}
    auth = {"identity": identity | changes.pop("identity", {}), "scope": {"project": {"name": "cn-north-4"}}} | changes
    headers = httpx.Headers({"Content-Type": "application/json;charset=utf8"})
    return Call("POST", "/v3/auth/tokens", headers, json.dumps({"auth": auth}).encode())


def token_of(twin: HuaweiCloudTwin) -> str:
    answer = twin.answer(iam_request())
    assert answer.status == 201
    return answer.headers["X-Subject-Token"]


def with_token(token: str, body: bytes, **headers: str) -> Call:
    return Call(
        "POST", PATH, httpx.Headers({"Content-Type": "application/json", "X-Auth-Token": token} | headers), body
    )


def ask(
    *cards: SeenCard, data: bytes | None = None, picture: PictureInspection | None = None, **members: Any
) -> Answer:
    twin = HuaweiCloudTwin.open(USER, SeenDesk(*cards, picture=picture), Hand())
    body = {"image": base64.b64encode(data or scan()).decode()} | members
    return twin.answer(with_token(token_of(twin), json.dumps(body).encode()))


def result(*cards: SeenCard, data: bytes | None = None, **members: Any) -> dict[str, Any]:
    answer = ask(*cards, data=data, **members)
    assert (answer.status, list(answer.content)) == (200, ["result"])
    found: dict[str, Any] = answer.content["result"]
    return found


def signed_call(
    signature: str, names: str = "content-type;host;x-sdk-date", body: str = MINIMAL, **headers: str
) -> Call:
    own = {
        "Content-Type": "application/json",
        "Host": HOST,
        "X-Sdk-Date": SIGNED_AT,
        "Authorization": f"SDK-HMAC-SHA256 Access={ACCESS_KEY}, SignedHeaders={names}, Signature={signature}",
    }
    return Call("POST", PATH, httpx.Headers(own | {k.replace("_", "-"): v for k, v in headers.items()}), body.encode())


KNOWN: list[tuple[str, dict[str, str], Call]] = [
    (
        "minimal",
        {},
        signed_call("555ade6fe06acaf445539dbf32da8b08099c9a5a8ea79cabcee01778c799ecd7"),
    ),
    (
        "project id and every detector",
        {},
        signed_call(
            "cc70e611328ed06e7416f51aeb5ec008937649df93f3591cce293b4af9e5c5e7",
            "content-type;host;x-project-id;x-sdk-date",
            '{"image": "/9j/4AAQSkZJRgABAQAAAQABAAD/2Q==", "side": "back", "return_verification": true, '
            '"return_text_location": false, "detect_reproduce": true, "detect_copy": true, "detect_tampering": true, '
            '"detect_border_integrity": true, "detect_blocking_within_border": true, "detect_blur": true, '
            '"detect_interim": true, "detect_glare": true}',
            Content_Type="application/json;charset=utf-8",
            X_Project_Id=PROJECT,
        ),
    ),
    (
        "temporary key",
        {"security_token": "TEMPORARYTOKEN/abc+def=="},
        signed_call(
            "32efac7f3d35baf17afbc6e24d80f95ffade69f2994822d6fa82170636bf3bd2",
            "content-type;host;x-project-id;x-sdk-date;x-security-token",
            Content_Type="application/json;charset=utf-8",
            X_Project_Id=PROJECT,
            X_Security_Token="TEMPORARYTOKEN/abc+def==",
        ),
    ),
    (
        "host with a port",
        {},
        signed_call("86b82aec6c29daad1afb4110db752790ca24c281069ab1fbc9b95edb2b188412", Host="127.0.0.1:8443"),
    ),
]


@pytest.mark.parametrize(("extra", "call"), [vector[1:] for vector in KNOWN], ids=[vector[0] for vector in KNOWN])
def test_known_signatures(extra: dict[str, str], call: Call) -> None:
    twin = HuaweiCloudTwin.open(KEY | extra, SeenDesk(), Hand())
    accepted = twin.answer(call)
    assert (accepted.status, accepted.content["error_code"]) == (400, "AIS.0104")  # its picture is cut off
    for wrong in (
        Call("POST", PATH, call.headers, call.body + b" "),
        Call("POST", PATH, call.headers, call.body, "limit=2"),
        Call("POST", PATH, httpx.Headers(dict(call.headers) | {"host": "ocr.example"}), call.body),
        Call("POST", PATH, httpx.Headers(dict(call.headers) | {"x-sdk-date": "20260115T083001Z"}), call.body),
    ):
        refused = HuaweiCloudTwin.open(KEY | extra, SeenDesk(), Hand()).answer(wrong)
        assert (refused.status, refused.content["error_code"]) == (401, "APIGW.0301")
        assert refused.content["request_id"] == refused.headers["X-Request-Id"]


def test_the_signature_that_huawei_published() -> None:
    key = AccessKey(access_key="QTWAOYTTINDUT2QVKYUC", secret_key="MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc")
    gate = SignatureGate(key, Hand(datetime(2019, 11, 15, 3, 36, 55, tzinfo=UTC).timestamp()))
    signature = "7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe"
    names = "SignedHeaders=content-type;host;x-sdk-date"
    headers = {
        "Content-Type": "application/json",
        "Host": "service.region.example.com",
        "X-Sdk-Date": "20191115T033655Z",
        "Authorization": f"SDK-HMAC-SHA256 Access=QTWAOYTTINDUT2QVKYUC, {names}, Signature={signature}",
    }
    path, query = "/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs", "limit=2&marker=13551d6b-755d-4757-b956-536f674975c0"
    gate.check(Call("GET", path, httpx.Headers(headers), b"", query))
    gate.check(Call("GET", path, httpx.Headers(headers), b"", "&".join(reversed(query.split("&")))))
    with pytest.raises(UnauthorizedError):
        gate.check(Call("GET", path, httpx.Headers(headers), b"", query.replace("2", "3", 1)))


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The official SDK's signer and request; the package writes to the user's home when it is imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield importlib.import_module("huaweicloudsdkcore.signer.signer")


def by_the_sdk(sdk: Any, secret_key: str = SECRET_KEY, **request: Any) -> Call:
    """A call signed by the official signer; its headers as they arrive, its query as the SDK writes it."""
    key = type("Key", (), {"ak": ACCESS_KEY, "sk": secret_key})
    query = request.pop("query", [])
    own = {"method": "POST", "resource_path": PATH, "host": HOST, "body": "", "query_params": query} | request
    signed = sdk.Signer(key).sign(sdk.SdkRequest(schema="https", **own))
    sent = {name.lower(): value for name, value in signed.header_params.items()}
    headers = Headers(raw=[(name.encode(), value.encode("latin-1")) for name, value in sent.items()])
    return Call(
        own["method"],
        own["resource_path"],
        headers,
        signed.body or b"",
        signed.uri.partition("?")[2],
    )


WORD = st.text(string.ascii_letters + string.digits + "-._~ !*'()+/=&?%#张ñ", max_size=12)
NAMED = st.text(string.ascii_letters + string.digits + "-._~ +张", min_size=1, max_size=12)
HEADER = st.from_regex(r"\AX-[A-Z][a-z0-9]{0,8}\Z")
VALUE = st.text(string.ascii_letters + string.digits + " -_.~/+=;,张ñ", max_size=20)


@settings(max_examples=80, deadline=None)
@given(
    segments=st.lists(st.text(string.ascii_letters + string.digits + "-_.~+:@$", max_size=8), max_size=5),
    query=st.lists(st.tuples(NAMED, WORD), max_size=4, unique_by=lambda pair: pair[0]),
    headers=st.dictionaries(HEADER, VALUE, max_size=4),
    content_type=st.sampled_from(["application/json", "application/json;charset=utf-8", "text/plain", "image/png"]),
    body=st.text(max_size=40),
    method=st.sampled_from(["GET", "POST", "DELETE"]),
)
@example(segments=["a+b"], query=[], headers={"X-A": "张"}, content_type="text/plain", body="x", method="POST")
def test_whatever_the_official_signer_signs_is_accepted(sdk: Any, **request: Any) -> None:
    headers = request["headers"] | {"Content-Type": request["content_type"], "X-Sdk-Date": SIGNED_AT}
    call = by_the_sdk(
        sdk,
        method=request["method"],
        resource_path="/" + "/".join(request["segments"]),
        query=request["query"],
        header_params=headers,
        body=request["body"],
    )
    gate = SignatureGate(AccessKey(access_key=ACCESS_KEY, secret_key=SECRET_KEY), Hand())
    gate.check(call)
    with pytest.raises(UnauthorizedError):
        gate.check(Call(call.method + "X", call.path, call.headers, call.body, call.query))
    with pytest.raises(UnauthorizedError):
        gate.check(Call(call.method, call.path + "/x", call.headers, call.body, call.query))
    with pytest.raises(UnauthorizedError):
        gate.check(Call(call.method, call.path, call.headers, call.body, call.query + "&extra=1"))


def signed(sdk: Any, headers: dict[str, str] | None = None, body: str = MINIMAL, secret_key: str = SECRET_KEY) -> Call:
    own = {"Content-Type": "application/json", "X-Sdk-Date": SIGNED_AT} | (headers or {})
    return by_the_sdk(sdk, secret_key, header_params=own, body=body)


def code_of(twin: HuaweiCloudTwin, call: Call) -> tuple[int, str]:
    answer = twin.answer(call)
    return answer.status, answer.content["error_code"]


ACCEPTED = (400, "AIS.0104")  # the picture of MINIMAL cannot be decoded


@pytest.mark.parametrize(
    ("date", "code"),
    [
        ("20260115T081500Z", ACCEPTED),
        ("20260115T084500Z", ACCEPTED),
        ("20260115T081459Z", (401, "APIGW.0303")),
        ("20260115T084501Z", (401, "APIGW.0303")),
    ],
)
def test_fifteen_minutes_for_the_clock(sdk: Any, date: str, code: tuple[int, str]) -> None:
    assert code_of(HuaweiCloudTwin.open(KEY, SeenDesk(), Hand()), signed(sdk, {"X-Sdk-Date": date})) == code


@pytest.mark.parametrize(
    "date", ["", "20260115083000", "2026-01-15T08:30:00Z", "2026115T083000Z", "20260115T83000Z", "20260132T083000Z"]
)
def test_a_date_of_another_form_is_a_wrong_clock(date: str) -> None:
    twin = HuaweiCloudTwin.open(KEY, SeenDesk(), Hand())
    assert code_of(twin, signed_call("0" * 64, X_Sdk_Date=date)) == (401, "APIGW.0303")


def test_what_stands_for_the_body(sdk: Any) -> None:
    twin = HuaweiCloudTwin.open(KEY, SeenDesk(), Hand())
    true = hashlib.sha256(MINIMAL.encode()).hexdigest()
    assert code_of(twin, signed(sdk, {"X-Sdk-Content-Sha256": true})) == ACCEPTED
    unsigned = signed(sdk, {"X-Sdk-Content-Sha256": "UNSIGNED-PAYLOAD"})
    assert code_of(twin, unsigned) == ACCEPTED
    other_body = Call("POST", PATH, unsigned.headers, b'{"side": "front"}')
    assert code_of(twin, other_body) == (400, "AIS.0101")
    assert code_of(twin, signed(sdk, {"X-Sdk-Content-Sha256": hashlib.sha256(b"another").hexdigest()})) == (
        401,
        "APIGW.0301",
    )


def signed_over(*names: str) -> Call:
    """MINIMAL with a right signature over just these headers."""
    headers = {"content-type": "application/json", "host": HOST, "x-sdk-date": SIGNED_AT}
    lines = ["POST", PATH + "/", "", *(f"{name}:{headers[name]}" for name in names), "", ";".join(names)]
    canonical = "\n".join([*lines, hashlib.sha256(MINIMAL.encode()).hexdigest()])
    text = f"SDK-HMAC-SHA256\n{SIGNED_AT}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return signed_call(hmac.new(SECRET_KEY.encode(), text.encode(), "sha256").hexdigest(), ";".join(names))


def test_host_and_date_have_to_be_signed_and_the_rest_need_not() -> None:
    for names in (["host", "x-sdk-date"], ["content-type", "host", "x-sdk-date"]):
        assert code_of(HuaweiCloudTwin.open(KEY, SeenDesk(), Hand()), signed_over(*names)) == ACCEPTED
    for names in (["content-type", "x-sdk-date"], ["content-type", "host"], ["content-type"]):
        assert code_of(HuaweiCloudTwin.open(KEY, SeenDesk(), Hand()), signed_over(*names)) == (401, "APIGW.0301")


def test_what_is_named_as_signed_has_to_be_there() -> None:
    twin = HuaweiCloudTwin.open(KEY, SeenDesk(), Hand())
    assert code_of(twin, signed_call("0" * 64, "content-type;host;x-missing;x-sdk-date")) == (401, "APIGW.0301")


def test_security_tokens(sdk: Any) -> None:
    temporary = KEY | {"security_token": "TEMPORARY+1"}
    for credentials, sent, code in (
        (temporary, {"X-Security-Token": "TEMPORARY+1"}, ACCEPTED),
        (temporary, {"X-Security-Token": "TEMPORARY+2"}, (401, "APIGW.0301")),
        (temporary, {}, (401, "APIGW.0301")),
        (KEY, {"X-Security-Token": "TEMPORARY+1"}, (401, "APIGW.0301")),
    ):
        assert code_of(HuaweiCloudTwin.open(credentials, SeenDesk(), Hand()), signed(sdk, sent)) == code
    right = signed(sdk)
    headers = httpx.Headers(dict(right.headers) | {"X-Security-Token": "TEMPORARY+1"})
    unsigned = Call("POST", PATH, headers, right.body)
    assert code_of(HuaweiCloudTwin.open(temporary, SeenDesk(), Hand()), unsigned) == (401, "APIGW.0301")


def test_five_failures_lock_the_key_for_five_minutes(sdk: Any) -> None:
    clock = Hand()
    twin = HuaweiCloudTwin.open(KEY, SeenDesk(), clock)
    wrong, right = signed(sdk, secret_key="another"), signed(sdk)
    for _ in range(2):
        for _ in range(4):
            assert code_of(twin, wrong) == (401, "APIGW.0301")
        assert code_of(twin, right) == ACCEPTED  # and the count begins anew
    for _ in range(5):
        assert code_of(twin, wrong) == (401, "APIGW.0301")
    clock.now += 299
    locked = twin.answer(right)
    assert (locked.status, locked.content["error_code"]) == (401, "APIGW.0301")
    assert "reach the limit" in locked.content["error_msg"]
    clock.now += 1
    assert code_of(twin, right) == ACCEPTED


def test_failures_of_an_unknown_key_lock_nothing(sdk: Any) -> None:
    twin = HuaweiCloudTwin.open(KEY, SeenDesk(), Hand())
    right = signed(sdk)
    authorization = right.headers["Authorization"].replace(ACCESS_KEY, "AKUNKNOWN")
    stranger = Call("POST", PATH, httpx.Headers(dict(right.headers) | {"authorization": authorization}), right.body)
    for _ in range(6):
        answer = twin.answer(stranger)
        assert (answer.status, "ak not exist" in answer.content["error_msg"]) == (401, True)
        assert "AKUNKNOWN" not in answer.content["error_msg"]
    assert code_of(twin, right) == ACCEPTED


def test_signed_bodies_are_limited_to_twelve_megabytes(sdk: Any) -> None:
    twin = HuaweiCloudTwin.open(KEY | USER, SeenDesk(), Hand())
    large = '{"image": "' + "A" * 12_000_000 + '"}'
    assert code_of(twin, signed(sdk, body=large)) == (413, "APIG.0201")
    assert code_of(twin, with_token(token_of(twin), large.encode())) == (400, "AIS.0102")


def test_a_token_is_good_for_a_day() -> None:
    clock = Hand()
    twin = HuaweiCloudTwin.open(USER, SeenDesk(seen()), clock)
    issued = twin.answer(iam_request())
    assert (issued.status, issued.outcome) == (201, None)
    assert issued.content["token"]["expires_at"] == "2026-01-16T08:30:00.000000Z"
    assert issued.content["token"]["project"]["id"] == PROJECT
    body = json.dumps({"image": base64.b64encode(scan()).decode()}).encode()
    call = with_token(issued.headers["X-Subject-Token"], body)
    clock.now += 24 * 3600 - 1
    assert twin.answer(call).status == 200
    clock.now += 1
    expired = twin.answer(call)
    assert (expired.status, expired.content["error_code"]) == (401, "APIG.0301")
    assert "token expires, expires_at: 2026-01-16T08:30:00.000000Z" in expired.content["error_msg"]
    assert twin.answer(with_token(token_of(twin), body)).status == 200


def test_the_catalogue_can_be_left_out() -> None:
    twin = HuaweiCloudTwin.open(USER, SeenDesk(), Hand())
    whole = iam_request()
    small = Call("POST", whole.path, whole.headers, whole.body, "nocatalog=true")
    assert "catalog" in twin.answer(whole).content["token"]
    assert "catalog" not in twin.answer(small).content["token"]


@pytest.mark.parametrize(
    "changes",
    [
        {"user": {"password": "another"}},
        {"user": {"password": "\ud800"}},
        {"user": {"name": "another"}},
        {"user": {"domain": {"name": "another"}}},
        {"scope": {"project": {"name": "cn-south-1"}}},
        {"scope": {"project": {"id": "another"}}},
        {"scope": {"project": {"id": PROJECT, "name": "cn-south-1"}}},
        {"scope": {"project": {"id": 7}}},
    ],
)
def test_iam_refuses_in_its_own_form(changes: dict[str, Any]) -> None:
    answer = HuaweiCloudTwin.open(USER, SeenDesk(), Hand()).answer(iam_request(**changes))
    assert (answer.status, answer.outcome) == (401, Outcome.CREDENTIALS)
    assert answer.content["error"].keys() == {"code", "message", "title"}
    assert (answer.content["error"]["code"], answer.content["error"]["title"]) == (401, "Unauthorized")
    assert "X-Subject-Token" not in answer.headers


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"auth"',
        b'{"auth": 1}',
        b'{"auth": {"identity": {}}}',
        iam_request(identity={"methods": ["token"]}).body,
        iam_request(user={"password": 1}).body,
        iam_request(user={"domain": "IAMDomain"}).body,
    ],
)
def test_iam_tells_a_malformed_request(body: bytes) -> None:
    answer = HuaweiCloudTwin.open(USER, SeenDesk(), Hand()).answer(Call("POST", "/v3/auth/tokens", {}, body))
    assert (answer.status, answer.content["error"]["title"]) == (400, "Bad Request")


@pytest.mark.parametrize("scope", [{}, {"project": {}}, {"domain": {"name": "IAMDomain"}}])
def test_a_token_without_a_project_opens_nothing(scope: dict[str, Any]) -> None:
    twin = HuaweiCloudTwin.open(USER, SeenDesk(seen()), Hand())
    issued = twin.answer(iam_request(scope=scope))
    assert (issued.status, "project" in issued.content["token"]) == (201, False)
    assert code_of(twin, with_token(issued.headers["X-Subject-Token"], b"{}")) == (403, "APIG.0302")


def test_tokens_that_are_none() -> None:
    twin = HuaweiCloudTwin.open(USER, SeenDesk(seen()), Hand())
    good = token_of(twin)
    elsewhere = token_of(HuaweiCloudTwin.open(USER, SeenDesk(), Hand()))
    for token in ("x", "MIIN", elsewhere, good[:-8], "A" + good[1:] if good[0] != "A" else "B" + good[1:]):
        answer = twin.answer(with_token(token, b"{}"))
        assert (answer.status, answer.content["error_code"]) == (401, "APIG.0301")
        assert "decrypt token fail" in answer.content["error_msg"]
        assert answer.content["request_id"] == answer.headers["X-Request-Id"]
    for headers in ({}, {"X-Auth-Token": ""}, {"Authorization": "Basic eA=="}):
        answer = twin.answer(Call("POST", PATH, httpx.Headers(headers), b"{}"))
        assert (answer.status, answer.content["error_code"]) == (401, "APIG.0301")
        assert "x-auth-token not found" in answer.content["error_msg"]


def test_either_shape_opens_its_own_way_and_both_open_both(sdk: Any) -> None:
    only_key = HuaweiCloudTwin.open(KEY, SeenDesk(seen()), Hand())
    only_user = HuaweiCloudTwin.open(USER, SeenDesk(seen()), Hand())
    both = HuaweiCloudTwin.open(KEY | USER, SeenDesk(seen()), Hand())
    call = signed(sdk)
    assert [code_of(twin, call) for twin in (only_key, only_user, both)] == [ACCEPTED, (401, "APIGW.0301"), ACCEPTED]
    assert code_of(only_key, iam_request()) == (404, "APIG.0101")
    assert code_of(only_key, with_token("MIIN", b"{}")) == (401, "APIG.0301")
    assert code_of(both, with_token(token_of(both), MINIMAL.encode())) == ACCEPTED


@pytest.mark.parametrize(
    ("credentials", "fields"),
    [
        ({}, "huaweicloud.project_id"),
        ({"project_id": PROJECT}, "huaweicloud.access_key, huaweicloud.secret_key"),
        ({k: v for k, v in KEY.items() if k != "project_id"}, "huaweicloud.project_id"),
        ({"project_id": PROJECT, "access_key": ACCESS_KEY}, "huaweicloud.secret_key"),
        (KEY | {"secret_key": ""}, "huaweicloud.secret_key"),
        (KEY | {"security_token": 7}, "huaweicloud.security_token"),
        ({k: v for k, v in USER.items() if k != "password"}, "huaweicloud.password"),
        (KEY | {"username": "IAMUser"}, "huaweicloud.domain, huaweicloud.password, huaweicloud.project"),
    ],
)
def test_credentials_that_lack_something(credentials: dict[str, Any], fields: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        HuaweiCloudTwin.open(credentials, SeenDesk())
    assert str(caught.value) == f"missing or bad in the credentials: {fields}"


def test_credentials_do_not_show_themselves() -> None:
    shown = repr((AccessKey(**KEY, security_token="TEMPORARY"), IamUser(**USER)))
    for secret in (ACCESS_KEY, SECRET_KEY, "TEMPORARY", USER["username"], USER["password"], USER["domain"]):
        assert secret not in shown


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", PATH), ("POST", PATH + "/"), ("POST", "/v2/x"), ("POST", "/v1.0/ocr/id-card"), ("GET", "/v3/auth/tokens")],
)
def test_other_addresses(method: str, path: str) -> None:
    twin = HuaweiCloudTwin.open(USER, SeenDesk(), Hand())
    call = Call(method, path, httpx.Headers({"X-Auth-Token": token_of(twin)}), b"{}")
    assert code_of(twin, call) == (404, "APIG.0101")


def test_another_project_has_no_subscription() -> None:
    twin = HuaweiCloudTwin.open(USER, SeenDesk(), Hand())
    path = PATH.replace(PROJECT, "f" * 32)
    call = Call("POST", path, httpx.Headers({"X-Auth-Token": token_of(twin)}), b"{}")
    assert code_of(twin, call) == (400, "ModelArts.4204")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "ModelArts.4104"),
        (b"{", "ModelArts.4105"),
        (b"\xff\xfe", "ModelArts.4105"),
        (b"[" * 100_000, "ModelArts.4105"),
        (b"null", "AIS.0101"),
        (b'["image"]', "AIS.0101"),
        (b"{}", "AIS.0101"),
        (b'{"image": ""}', "AIS.0101"),
        (b'{"image": null, "url": ""}', "AIS.0101"),
        (b'{"image": 7}', "AIS.0101"),
        (b'{"image": "aGk=", "url": "http://x.example/y"}', "AIS.0101"),
        (b'{"url": "ftp://x.example/y"}', "ModelArts.4601"),
        (b'{"url": "http://[x"}', "ModelArts.4601"),
        (b'{"url": "/y"}', "ModelArts.4601"),
        (b'{"url": "https://x.example/y"}', "ModelArts.4603"),
        (b'{"url": "https://obs.x.example/y"}', "ModelArts.4603"),
        (b'{"url": "https://www.myhuaweicloud.com/y"}', "ModelArts.4603"),
        (b'{"url": "https://bucket.obs.cn-north-4.myhuaweicloud.com/y"}', "ModelArts.4704"),
        (b'{"image": "not base64!"}', "AIS.0102"),
        (b'{"image": "data:image/png;base64,aGk="}', "AIS.0102"),
        ('{"image": "张"}'.encode(), "AIS.0102"),
        (b'{"image": "aGk=\\n"}', "AIS.0102"),
        (b'{"image": "aGk=", "side": "portrait"}', "AIS.0101"),
        (b'{"image": "aGk=", "side": true}', "AIS.0101"),
    ],
)
def test_malformed_requests(body: bytes, code: str) -> None:
    twin = HuaweiCloudTwin.open(USER, SeenDesk(), Hand())
    answer = twin.answer(with_token(token_of(twin), body))
    assert (answer.status, answer.content["error_code"], answer.outcome) == (400, code, Outcome.MALFORMED)
    assert answer.content["error_msg"]
    assert answer.images == ()


def test_another_content_type() -> None:
    twin = HuaweiCloudTwin.open(USER, SeenDesk(seen()), Hand())
    call = with_token(token_of(twin), MINIMAL.encode(), **{"Content-Type": "text/plain"})
    assert code_of(twin, call) == (400, "ModelArts.4105")


RETURNS = [
    "return_verification",
    "return_text_location",
    "return_portrait_location",
    "return_portrait_image",
    "return_adjusted_image",
]
DETECTORS = [
    "reproduce",
    "copy",
    "tampering",
    "border_integrity",
    "blocking_within_border",
    "blur",
    "interim",
    "glare",
]


@pytest.mark.parametrize("switch", RETURNS + [f"detect_{name}" for name in DETECTORS])
@pytest.mark.parametrize("value", ["true", "false", 1, 0, None, []])
def test_a_switch_is_a_boolean(switch: str, value: object) -> None:
    members: dict[str, Any] = {switch: value}
    answer = ask(seen(), **members)
    assert (answer.status, answer.content["error_code"]) == (400, "AIS.0101")


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "BMP", "TIFF"])
def test_formats(file_format: str) -> None:
    assert result(seen(), data=scan(file_format))["name"] == "张样例"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"%PDF-1.7", "AIS.0102"),
        (scan("GIF"), "AIS.0102"),
        (scan("WEBP"), "AIS.0102"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "AIS.0104"),
        (scan()[:-30], "AIS.0104"),
    ],
)
def test_refused_files(data: bytes, code: str) -> None:
    answer = ask(seen(), data=data)
    assert (answer.status, answer.content["error_code"], answer.outcome) == (400, code, Outcome.IMAGE_REFUSED)
    assert [image.outcome for image in answer.images] == [Outcome.IMAGE_REFUSED]


@pytest.mark.parametrize(
    ("size", "taken"), [((15, 8000), True), ((8000, 15), True), ((14, 100), False), ((100, 8001), False)]
)
def test_sides_in_pixels(size: tuple[int, int], taken: bool) -> None:
    file = io.BytesIO()
    Image.new("RGB", size).save(file, "PNG")
    answer = ask(seen(), data=file.getvalue())
    assert answer.content.get("error_code") == (None if taken else "AIS.0103")


def test_ten_megabytes_of_base64() -> None:
    full = scan().ljust(7_500_000, b"\0")
    assert len(base64.b64encode(full)) == 10_000_000
    assert result(seen(), data=full)["name"] == "张样例"
    assert ask(seen(), data=full + b"\0").content["error_code"] == "AIS.0103"


@pytest.mark.parametrize(
    ("cards", "picture", "code"),
    [
        ([], PictureInspection(), "AIS.0105"),
        ([], PictureInspection(blur=49, darkness=49, overexposure=49), "AIS.0105"),
        ([], PictureInspection(blur=50), "AIS.0104"),
        ([], PictureInspection(darkness=50), "AIS.0104"),
        ([], PictureInspection(overexposure=50), "AIS.0104"),
        ([], PictureInspection(other_document=True), "AIS.0104"),
        ([seen("pe_dni_new_back", {})], PictureInspection(), "AIS.0104"),
    ],
)
def test_pictures_without_a_card_of_this_kind(cards: list[SeenCard], picture: PictureInspection, code: str) -> None:
    answer = ask(*cards, picture=picture)
    assert (answer.status, answer.content["error_code"], answer.outcome) == (400, code, Outcome.NO_CARD)


@pytest.mark.parametrize("side", ["front", "back", "double_side", ""])
def test_two_cards_of_one_side(side: str) -> None:
    for kind in ("cn_portrait", "cn_emblem"):
        answer = ask(seen(kind), seen(kind), side=side)
        assert (answer.status, answer.content["error_code"]) == (400, "AIS.0122")


def test_the_documented_members_of_each_side_and_nothing_else() -> None:
    assert result(seen()) == {
        "name": "张样例",
        "sex": "女",
        "birth": "1990-03-07",
        "ethnicity": "汉",
        "address": "样例省模拟市样本县测试路980号",
        "number": "990105199003070029",
    }
    assert result(seen("cn_emblem")) == {
        "issue": "模拟市公安局样本分局",
        "valid_from": "2019-06-06",
        "valid_to": "2039-06-06",
    }


@pytest.mark.parametrize(
    ("validity", "told"),
    [
        ("2019.06.06-长期", ("2019-06-06", "长期")),
        ("2019.06.06", ("2019-06-06", "")),
        ("", ("", "")),
        ("2019.6.?-x", ("2019.6.?", "x")),
    ],
)
def test_terms(validity: str, told: tuple[str, str]) -> None:
    found = result(seen("cn_emblem", {"validity": validity}))
    assert (found["issue"], found["valid_from"], found["valid_to"]) == ("", *told)


def test_a_side_that_was_hardly_read() -> None:
    assert set(result(seen(fields={"name": "张样例"})).values()) == {"张样例", ""}


def test_the_side_chooses_where_both_are_shown() -> None:
    both = seen("cn_emblem"), seen()
    assert "name" in result(*both)
    assert "name" in result(*both, side="")
    assert "name" in result(*both, side=None)
    assert "name" in result(*both, side="front")
    assert "issue" in result(*both, side="back")
    assert "issue" in result(seen("cn_emblem"), side="front")
    assert "name" in result(seen(), side="back")


def test_double_side() -> None:
    on: dict[str, Any] = dict.fromkeys(RETURNS, True)
    found = result(seen("cn_emblem"), seen(), side="double_side", **on)
    assert list(found) == ["front", "back"]
    front, back = found["front"], found["back"]
    assert (front["name"], back["valid_to"]) == ("张样例", "2039-06-06")
    assert list(front["verification_result"]) == ["valid_number", "valid_birth", "valid_sex"]
    assert list(back["verification_result"]) == ["valid_date", "valid_validity_period"]
    assert front.keys() - back.keys() == {
        *("name", "sex", "birth", "ethnicity", "address", "number"),
        *("portrait_image", "portrait_location"),
    }
    assert list(result(seen("cn_emblem"), side="double_side")) == ["back"]


SCORES = {
    "reproduce": "reproduce",
    "copy": "copy",
    "border_integrity": "border",
    "blocking_within_border": "cover",
    "blur": "blur",
    "interim": "interim",
    "glare": "glare",
}


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize(("score", "alarm"), [(0, False), (49, False), (50, True), (100, True)])
def test_a_detector_tells_its_own_score_and_alarm_only_when_it_is_on(detector: str, score: int, alarm: bool) -> None:
    if detector == "tampering":
        data = scan("JPEG", exif=edited_by("Adobe Photoshop 25.0")) if alarm else scan("JPEG")
        card = seen(inspection=Inspection(blur=100))
        score = 100 if alarm else 0
    else:
        card, data = seen(inspection=Inspection(**{SCORES[detector]: score})), scan()
    found = result(card, data=data, **{f"detect_{detector}": True})
    off: dict[str, Any] = {f"detect_{name}": False for name in DETECTORS}
    plain = result(card, data=data, **off)
    assert {name: found[name] for name in found.keys() - plain.keys()} == {
        f"detect_{detector}_result": alarm,
        "score_info": {f"{detector}_score": score},
    }


def edited_by(software: str) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0131] = software
    return exif


def test_detectors_of_both_sides() -> None:
    found = result(
        seen(inspection=Inspection(blur=80)),
        seen("cn_emblem", inspection=Inspection(glare=70)),
        side="double_side",
        detect_blur=True,
        detect_glare=True,
    )
    assert (found["front"]["detect_blur_result"], found["front"]["detect_glare_result"]) == (True, False)
    assert (found["back"]["detect_blur_result"], found["back"]["detect_glare_result"]) == (False, True)
    assert found["back"]["score_info"] == {"blur_score": 0, "glare_score": 70}


def checks_passed(card: SeenCard) -> set[str]:
    found: dict[str, bool] = result(card, return_verification=True)["verification_result"]
    assert list(found) == ["valid_number", "valid_birth", "valid_sex", "valid_date", "valid_validity_period"]
    return {name for name, passed in found.items() if passed}


@pytest.mark.parametrize(
    ("changes", "passed"),
    [
        ({}, {"valid_number", "valid_birth", "valid_sex"}),
        ({"sex": "男"}, {"valid_number", "valid_birth"}),
        ({"sex": ""}, {"valid_number", "valid_birth"}),
        ({"birth": "1990年3月8日"}, {"valid_number", "valid_sex"}),
        ({"id_number": "990105199003070037", "sex": "男"}, {"valid_number", "valid_birth", "valid_sex"}),
        ({"id_number": "990105199003070028"}, set()),
        ({"id_number": "9901051990030700"}, set()),
        ({"id_number": "990105********0029"}, set()),
        ({"id_number": ""}, set()),
        ({"id_number": "990105199002300021"}, set()),
    ],
)
def test_checks_of_the_number(changes: dict[str, str], passed: set[str]) -> None:
    assert checks_passed(seen(fields=PORTRAIT | changes)) == passed


@pytest.mark.parametrize(
    ("validity", "passed"),
    [
        ("2019.06.06-2039.06.06", {"valid_date", "valid_validity_period"}),
        ("2021.01.15-2026.01.15", {"valid_date", "valid_validity_period"}),
        ("2021.01.14-2026.01.14", {"valid_validity_period"}),
        ("2026.01.15-2036.01.15", {"valid_date", "valid_validity_period"}),
        ("2026.01.16-2036.01.16", {"valid_validity_period"}),
        ("2019.06.06-2049.06.06", {"valid_date"}),
        ("2019.06.06-2039.06.07", {"valid_date"}),
        ("2020.02.29-2030.02.28", {"valid_date", "valid_validity_period"}),
        ("2020.02.29-2030.03.01", {"valid_date", "valid_validity_period"}),
        ("2019.06.06-长期", {"valid_date", "valid_validity_period"}),
        ("9999.06.06-长期", {"valid_validity_period"}),
        ("2019.06.06", set()),
        ("2019.02.30-2039.02.28", set()),
        ("", set()),
    ],
)
def test_checks_of_the_term(validity: str, passed: set[str]) -> None:
    assert checks_passed(seen("cn_emblem", {"validity": validity})) == passed


def test_the_day_is_chinas() -> None:
    card = seen("cn_emblem", {"validity": "2016.01.15-2026.01.15"})
    for hour, valid in ((15, True), (16, False)):
        clock = Hand(datetime(2026, 1, 15, hour, 0, tzinfo=UTC).timestamp())
        twin = HuaweiCloudTwin.open(USER, SeenDesk(card), clock)
        body = {"image": base64.b64encode(scan()).decode(), "return_verification": True}
        answer = twin.answer(with_token(token_of(twin), json.dumps(body).encode()))
        assert answer.content["result"]["verification_result"]["valid_date"] is valid


def test_places() -> None:
    corners = [[1, 2], [30, 2], [30, 20], [1, 20]]
    found = result(seen(fields={"name": "张样例", "id_number": "x"}), return_text_location=True)
    assert found["text_location"] == {"name": corners, "number": corners}
    found = result(seen("cn_emblem"), return_text_location=True)
    assert found["text_location"] == {"issue": corners, "valid_from": corners, "valid_to": corners}


def test_crops() -> None:
    on: dict[str, Any] = dict.fromkeys(
        ["return_portrait_image", "return_portrait_location", "return_adjusted_image"], True
    )
    front, back = result(seen(), **on), result(seen("cn_emblem"), **on)
    assert base64.b64decode(front["portrait_image"]) == b"a face"
    assert front["portrait_location"] == [[1, 2], [30, 2], [30, 20], [1, 20]]
    assert (back["portrait_image"], back["portrait_location"]) == ("", [])
    assert [base64.b64decode(side["adjusted_image"]) for side in (front, back)] == [b"a card", b"a card"]


@pytest.mark.parametrize(
    ("fault", "of_the_key", "of_the_user", "outcome"),
    [
        (Fault.THROTTLE, (429, "APIG.0308"), (429, "APIG.0308"), Outcome.THROTTLED),
        (Fault.QUOTA, (405, "APIG.0501"), (405, "APIG.0501"), Outcome.QUOTA),
        (Fault.CREDENTIALS, (401, "APIGW.0301"), (401, "APIG.0301"), Outcome.CREDENTIALS),
        (Fault.KEY_EXPIRED, (401, "APIGW.0301"), (401, "APIG.0307"), Outcome.CREDENTIALS),
        (Fault.PERMISSION, (400, "ModelArts.4204"), (400, "ModelArts.4204"), Outcome.PERMISSION),
        (Fault.SERVER_ERROR, (500, "ModelArts.4505"), (500, "ModelArts.4505"), Outcome.SERVER_ERROR),
    ],
)
def test_refusals(fault: Fault, of_the_key: tuple[int, str], of_the_user: tuple[int, str], outcome: Outcome) -> None:
    for credentials, expected in ((KEY, of_the_key), (USER, of_the_user)):
        answer = HuaweiCloudTwin.open(credentials, SeenDesk()).refuse(fault)
        assert (answer.status, answer.content["error_code"], answer.outcome) == (*expected, outcome)
        assert answer.headers["X-Request-Id"]


def test_a_fault_without_words_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        HuaweiCloudTwin.open(KEY, SeenDesk()).refuse(Fault.STALL)


def test_a_lie_is_a_success_that_failed() -> None:
    twin = HuaweiCloudTwin.open(USER, SeenDesk(), Hand())
    for truth in (ask(seen()), ask()):
        lie = twin.lie(truth)
        assert (lie.status, lie.outcome) == (200, Outcome.IMAGE_REFUSED)
        assert list(lie.content) == ["result", "error_code", "error_msg"]
        assert lie.content["result"] == truth.content.get("result", {})
        assert [image.sha256 for image in lie.images] == [image.sha256 for image in truth.images]
