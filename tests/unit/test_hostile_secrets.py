"""Secrets with rubbish in them: a typed error that names the field, and neither its value nor anything near it."""

from typing import Any

import pytest

from cardintake.providers import REGISTRY
from cardintake.providers.errors import ConfigurationError
from cardintake.secret_store import LookupKey, SecretStore
from tests.contract.configured import _SECRETS
from tests.unit.world import World

HUSH = "hush-hush"
LONG = 65_536  # bytes that Secrets Manager keeps


class Kept:
    """Secrets Manager with one secret."""

    def __init__(self, **answer: object) -> None:
        self._answer = {"VersionId": "v1"} | answer

    def get_secret_value(self, SecretId: str) -> dict[str, object]:  # noqa: N803 - AWS's name
        return self._answer


def fault_of(**answer: object) -> str:
    store = SecretStore(Kept(**answer), "providers")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError) as error:
        store.content().member("ctyun")
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None
    return str(error.value)


def refusal(provider: str, secret: object, *, allow_http: bool = False) -> str:
    with pytest.raises(ConfigurationError) as error:
        REGISTRY[provider].configured(secret, allow_http=allow_http)
    assert error.value.__cause__ is None
    return str(error.value)


# the whole secret -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["", " ", HUSH, f'"{HUSH}"', f'["{HUSH}"]', "null", "1", "{", f'{{"ctyun": "{HUSH}"', "\x00", "\ud800", "9" * 9999,
     "[" * 60_000, '{"a":' * 10_000, f"\ufeff{{}}{HUSH}", f"ctyun={HUSH}", HUSH * (LONG // len(HUSH))],
    ids=range(17),
)  # fmt: skip
def test_a_secret_that_is_no_object_is_said_to_be_none(text: str) -> None:
    fault = fault_of(SecretString=text)
    assert fault.removeprefix("ctyun: ") in ("PROVIDERS_SECRET is not JSON", "PROVIDERS_SECRET is not a JSON object")


def test_a_binary_secret_is_not_json() -> None:
    assert fault_of(SecretBinary=HUSH.encode()) == "ctyun: PROVIDERS_SECRET is not JSON"


@pytest.mark.parametrize("text", ["{}", f'{{"CTYUN": "{HUSH}"}}', f'{{"": "{HUSH}", "ctyun ": 1}}'])
def test_a_provider_that_is_missing_is_named(text: str) -> None:
    assert fault_of(SecretString=text) == "ctyun: secret has no member 'ctyun'"


def test_the_hash_keys_secret_may_be_any_text() -> None:
    for text in ("\x00", "\ud800", "密", "k" * LONG):
        assert LookupKey(Kept(SecretString=text), "lookup")()  # type: ignore[arg-type]
    for answer in ({"SecretString": ""}, {"SecretBinary": b"\x00"}):
        assert LookupKey(Kept(**answer), "lookup")() is None  # type: ignore[arg-type]


# one provider's member ------------------------------------------------------------------------------------------------

RUBBISH: list[Any] = [
    None, True, 0, -1.5, float("nan"), [], [HUSH], {}, {"a": {"b": [HUSH]}}, "", "\x00", f"{HUSH}\x00",
    f"{HUSH}\r\nHost: x", f"{HUSH}\n", f"\t{HUSH}", f"{HUSH}密",
    f"{HUSH}\ud800", f"{HUSH}\u2028", f"{HUSH}\x7f", f"{HUSH}é",
]  # fmt: skip


@pytest.mark.parametrize("provider", _SECRETS)
@pytest.mark.parametrize("member", [None, 1, HUSH, [HUSH], [[HUSH] * 999], True, HUSH * 9999], ids=range(7))
def test_a_member_that_is_no_object_is_refused(provider: str, member: object) -> None:
    assert HUSH not in refusal(provider, member)


@pytest.mark.parametrize("provider", _SECRETS)
def test_rubbish_in_a_credential_is_refused_by_the_fields_name_only(provider: str) -> None:
    for field in _SECRETS[provider]:
        if field == "options":
            continue
        for value in RUBBISH:
            if (field, value) == ("keep_face", True):
                continue
            said = refusal(provider, _SECRETS[provider] | {field: value})
            assert f"{field}: " in said, (field, value)
            assert HUSH not in said
            assert said.isascii()
            assert said.isprintable()


@pytest.mark.parametrize("provider", _SECRETS)
def test_no_credential_that_is_taken_can_add_a_line_to_a_request(provider: str) -> None:
    """Whatever of all characters is accepted in a text, the request's head has no control characters."""
    for field, value in _SECRETS[provider].items():
        if not isinstance(value, str) or field == "base_url":
            continue
        for code in (*range(0x20), 0x7F, *range(0x80, 0xA1), 0x2028, 0xFEFF):
            assert f"{field}: " in refusal(provider, _SECRETS[provider] | {field: f"a{chr(code)}b"}), (field, code)


@pytest.mark.parametrize("provider", _SECRETS)
def test_thousands_of_wrong_options_make_one_short_sentence(provider: str) -> None:
    pasted = {HUSH + "\n" + "-" * 70 + str(number): HUSH for number in range(1500)}
    said = refusal(provider, _SECRETS[provider] | {"options": pasted})
    assert HUSH not in said
    assert len(said) < 2000
    assert said.endswith(" more")


def test_a_wrong_option_is_named() -> None:
    assert "options.detect_everything: " in refusal(
        "huaweicloud", _SECRETS["huaweicloud"] | {"options": {"detect_everything": 1}}
    )


# base URLs ------------------------------------------------------------------------------------------------------------

NO_HOST = "must be a URL with scheme and host"
EXTRAS = "must have no query, fragment or credentials"
PLAIN = "must have a plain path, without escapes or dots for folders"
ASCII = "must be printable ASCII"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", NO_HOST), ("hush.example", NO_HOST),
        ("//hush.example", NO_HOST), ("https:", NO_HOST), ("https://", NO_HOST),
        ("https:///hush", NO_HOST), ("ftp://hush.example", NO_HOST), ("file:///hush", NO_HOST),
        ("javascript:hush", NO_HOST), ("https://hush.example:port", NO_HOST), ("https://hush.example:65536", NO_HOST),
        ("https://hush.example:0", NO_HOST), ("https://hush_.example", NO_HOST), ("https://-hush.example", NO_HOST),
        ("https://hush..example", NO_HOST), ("https://.", NO_HOST), ("https://hush.example%2f.x", NO_HOST),
        ("https://hush;x", NO_HOST), ("https://[hush]", NO_HOST), ("https://[fe80::1%25eth0]", NO_HOST),
        (f"https://{'hush.' * 60}example", NO_HOST), (f"https://{'h' * 64}.example", NO_HOST),
        ("https://hush@x.example", EXTRAS), ("https://a:hush@x.example", EXTRAS), ("https://@x.example", EXTRAS),
        ("https://x.example\\@hush.example", EXTRAS), ("https://x.example/?hush=1", EXTRAS),
        ("https://x.example?", EXTRAS), ("https://x.example/#hush", EXTRAS), ("https://x.example/@hush", EXTRAS),
        ("https://x.example/hush/../a", PLAIN), ("https://x.example/./hush", PLAIN), ("https://x.example/..", PLAIN),
        ("https://x.example/%2e%2e/hush", PLAIN), ("https://x.example/%0d%0aHost:hush", PLAIN),
        ("https://x.example/hush hush", PLAIN), ("https://x.example/{hush}", PLAIN),
        ("https://x.example/hush;a", PLAIN),
        (f"https://x.example/{'hush/' * 300}", PLAIN),
        ("https://例え.example/hush", ASCII), ("https://ｈush.example", ASCII), ("https://hush\u00ad.example", ASCII),
        ("https://١٢٧.0.0.1/hush", ASCII), ("https://x.example/hush\n", ASCII), ("https://x.example/\x00hush", ASCII),
        ("https://x.example/hush\ud800", ASCII), ("https://x.example\t", ASCII), ("https://x.example/hush密", ASCII),
        (" https://hush.example", NO_HOST), ("http://hush.example", "must be https"), ("HTTP://hush", "must be https"),
        ("http://127.0.0.1:4566", "must be https"),
    ],
)  # fmt: skip
def test_a_base_url_says_what_is_wrong_and_is_not_repeated(url: str, said: str) -> None:
    for provider, secret in _SECRETS.items():
        text = refusal(provider, secret | {"base_url": url})
        assert text == f"{provider}: secret is wrong: base_url: Value error, {said}"


def test_the_address_of_the_token_service_obeys_the_same_rules() -> None:
    names = {"domain": "d", "username": "u", "password": "p", "project": "p"}
    secret = {"base_url": "https://x.example", "project_id": "p0"} | names
    for url in ("http://hush.example", "https://a:hush@x.example", "https://x.example/?hush"):
        said = refusal("huaweicloud", secret | {"iam_url": url})
        assert "iam_url: Value error, must" in said
        assert "hush" not in said


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://x.example", "https://x.example"), ("https://x.example/", "https://x.example"),
        ("https://x.example//", "https://x.example"), ("https://x.example:8443/a/b.c_d~e-f/", "https://x.example:8443/a/b.c_d~e-f"),
        ("HTTPS://X.Example/A", "HTTPS://X.Example/A"), ("https://[2001:db8::1]:443/a", "https://[2001:db8::1]:443/a"),
        ("https://10.0.0.1", "https://10.0.0.1"), ("https://xn--r8jz45g.example", "https://xn--r8jz45g.example"),
        ("https://x.example.", "https://x.example."),
    ],
)  # fmt: skip
def test_a_base_url_may_have_a_port_a_path_and_a_trailing_slash(url: str, kept: str) -> None:
    for provider, secret in _SECRETS.items():
        configured: Any = REGISTRY[provider].configured(secret | {"base_url": url}, allow_http=False)
        assert configured._secret.base_url == kept


def test_http_is_for_an_emulator_only() -> None:
    local = {name: secret | {"base_url": "http://127.0.0.1:4566"} for name, secret in _SECRETS.items()}
    for provider, secret in local.items():
        assert "must be https" in refusal(provider, secret)
        assert REGISTRY[provider].configured(secret, allow_http=True)
        assert "must be a URL" in refusal(provider, secret | {"base_url": "ftp://x"}, allow_http=True)


def test_rubbish_in_the_secret_makes_a_scan_wait_and_no_value_is_kept(
    world: World, photo: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    world.set_secret({"ctyun": {"base_url": HUSH, "app_key": f"{HUSH}\r\nX: y"}})
    world.deliver(world.upload("uploads/C-1001/front.jpg", photo))
    record = world.record("uploads/C-1001/front.jpg")
    assert (record["status"], record["waiting_for"]) == ("PROCESSING", "PROVIDER_MISCONFIGURED")
    kept = [record, world.messages(), world.heard_events(), [vars(line) for line in caplog.records]]
    assert HUSH not in str(kept)
