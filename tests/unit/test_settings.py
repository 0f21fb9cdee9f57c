"""The environment as a contract: defaults that work, and for every bad value a sentence that names its variable."""

import pytest

from cardintake.settings import DEFAULT_CASE_ID, Settings, SettingsError

KNOWN = ("ctyun", "accuauth", "waiqin365")
NEEDED = {
    "CARDS_TABLE": "cards", "ANSWERS_BUCKET": "answers", "EVENT_BUS": "bus", "PROVIDERS": "ctyun",
    "PROVIDERS_SECRET": "providers", "RETENTION_DAYS": "30",
}  # fmt: skip


def settings(**changes: str) -> Settings:
    return Settings.from_environment(NEEDED | changes, KNOWN)


def refusal(**changes: str) -> str:
    with pytest.raises(SettingsError) as error:
        settings(**changes)
    return str(error.value)


def test_what_is_needed_is_enough() -> None:
    given = settings()
    assert (given.cards_table, given.answers_bucket, given.event_bus) == ("cards", "answers", "bus")
    assert (given.providers, given.providers_secret, given.retention_days) == (("ctyun",), "providers", 30)
    assert (given.announce, given.lease_seconds, given.max_attempts, given.max_wait_hours) == ("flagged", 60, 5, 72)
    assert (given.lookup_secret, given.routes, given.queue_url, given.aws_endpoint_url) == (None, (), None, None)
    assert (given.balance_threshold, given.daily_call_cap) == (500, None)
    assert given.case_id_pattern.pattern == DEFAULT_CASE_ID


def test_everything_can_be_set() -> None:
    given = settings(
        PROVIDERS=" ctyun , accuauth,", ROUTES="cn/=ctyun,pe/=accuauth|ctyun", ANNOUNCE="all", LEASE_SECONDS="90",
        MAX_ATTEMPTS="1", MAX_WAIT_HOURS="0.5", QUEUE_URL="https://sqs/q", CASE_ID_PATTERN="[a-z]+",
        LOOKUP_SECRET="pepper", AWS_ENDPOINT_URL="http://127.0.0.1:4566", BALANCE_THRESHOLD="1000",
        DAILY_CALL_CAP="400",
    )  # fmt: skip
    assert given.providers == ("ctyun", "accuauth")
    assert given.routes == (("cn/", ("ctyun",)), ("pe/", ("accuauth", "ctyun")))
    assert (given.announce, given.lease_seconds, given.max_attempts, given.max_wait_hours) == ("all", 90, 1, 0.5)
    assert (given.queue_url, given.lookup_secret) == ("https://sqs/q", "pepper")
    assert (given.balance_threshold, given.daily_call_cap) == (1000, 400)
    assert given.aws_endpoint_url == "http://127.0.0.1:4566"
    assert given.case_id_pattern.fullmatch("abc")


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_what_is_missing_or_blank_is_named(name: str) -> None:
    sentence = f"The function's environment is wrong: {name}: Field required"
    assert refusal(**{name: ""}) == refusal(**{name: "  "}) == sentence
    with pytest.raises(SettingsError, match=sentence):
        Settings.from_environment({k: v for k, v in NEEDED.items() if k != name}, KNOWN)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RETENTION_DAYS", "0"), ("RETENTION_DAYS", "-1"), ("RETENTION_DAYS", "a month"), ("RETENTION_DAYS", "1.5"),
        ("LEASE_SECONDS", "0"), ("LEASE_SECONDS", "a minute"), ("LEASE_SECONDS", "nan"), ("MAX_ATTEMPTS", "0"),
        ("MAX_ATTEMPTS", "five"), ("MAX_WAIT_HOURS", "0"), ("MAX_WAIT_HOURS", "-3"), ("MAX_WAIT_HOURS", "days"),
        ("MAX_WAIT_HOURS", "nan"), ("ANNOUNCE", "none"), ("ANNOUNCE", "ALL"), ("PROVIDERS", ","), ("PROVIDERS", " , "),
        ("CASE_ID_PATTERN", "[a-z"), ("CASE_ID_PATTERN", "(?P<x"), ("ROUTES", "cn/"), ("ROUTES", "cn/="),
        ("ROUTES", "cn/=ctyun,pe/"), ("ROUTES", "cn/=|"), ("BALANCE_THRESHOLD", "-1"), ("BALANCE_THRESHOLD", "few"),
        ("BALANCE_THRESHOLD", "0.5"), ("DAILY_CALL_CAP", "0"), ("DAILY_CALL_CAP", "-1"), ("DAILY_CALL_CAP", "none"),
    ],
)  # fmt: skip
def test_a_bad_value_gives_a_sentence_that_names_its_variable(name: str, value: str) -> None:
    sentence = refusal(**{name: value})
    assert sentence.startswith("The function's environment is wrong: ")
    assert f"{name}: " in sentence
    others = set(NEEDED) - {name}
    assert not any(other in sentence for other in others)


def test_all_that_is_wrong_is_said_at_once() -> None:
    sentence = refusal(RETENTION_DAYS="x", ANNOUNCE="x", CARDS_TABLE="")
    assert all(name in sentence for name in ("RETENTION_DAYS: ", "ANNOUNCE: ", "CARDS_TABLE: "))


@pytest.mark.parametrize(
    ("changes", "variable"),
    [({"PROVIDERS": "ctyun,acme"}, "PROVIDERS"), ({"ROUTES": "cn/=ctyun|acme"}, "ROUTES")],
)
def test_an_unknown_provider_is_named_with_those_that_are_known(changes: dict[str, str], variable: str) -> None:
    assert refusal(**changes) == (
        f"{variable} names the unknown provider 'acme'; known are: accuauth, ctyun, waiqin365"
    )


def test_routes_are_in_order_of_their_prefix_the_longest_first() -> None:
    given = settings(ROUTES="a/=ctyun, a/b/c/=accuauth ,a/b/=waiqin365,=ctyun")
    assert [prefix for prefix, _ in given.routes] == ["a/b/c/", "a/b/", "a/", ""]


def test_the_smallest_values_are_allowed() -> None:
    given = settings(
        RETENTION_DAYS="1", LEASE_SECONDS="1", MAX_ATTEMPTS="1", MAX_WAIT_HOURS="0.01", BALANCE_THRESHOLD="0",
        DAILY_CALL_CAP="1",
    )  # fmt: skip
    assert given.balance_threshold == 0
    assert (given.retention_days, given.lease_seconds, given.max_attempts, given.max_wait_hours) == (1, 1, 1, 0.01)


def test_a_prefix_may_hold_an_equals_sign() -> None:
    assert settings(ROUTES="year=2026/=ctyun").routes == (("year=2026/", ("ctyun",)),)


def test_values_of_other_variables_never_appear_in_a_refusal() -> None:
    assert "hush" not in refusal(PROVIDERS_SECRET="hush", QUEUE_URL="hush", RETENTION_DAYS="hush-hush")
