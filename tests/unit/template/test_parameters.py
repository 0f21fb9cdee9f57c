"""What an operator may enter, and what is refused before anything is deployed."""

import re
from itertools import permutations

import pytest

from cardintake.providers import REGISTRY
from tests.unit.template.cloudformation import Template

_KNOWN = sorted(REGISTRY)
# CloudWatch Logs, PutRetentionPolicy: the values of retentionInDays.
_LOG_RETENTION = [
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
]


def accepts(template: Template, parameter: str, value: str) -> bool:
    """CloudFormation matches the whole value."""
    return re.fullmatch(template["Parameters"][parameter]["AllowedPattern"], value) is not None


def test_every_order_of_the_known_providers_is_accepted(template: Template) -> None:
    for count in range(1, len(_KNOWN) + 1):
        for chosen in permutations(_KNOWN, count):
            assert accepts(template, "Providers", ",".join(chosen))


@pytest.mark.parametrize(
    "value", ["", "unknown", "ctyun,unknown", "ctyun,", ",ctyun", "ctyun accuauth", "CTYUN", "ctyunaccuauth", "ctyun\n"]
)
def test_unknown_and_missing_providers_are_refused(template: Template, value: str) -> None:
    assert not accepts(template, "Providers", value)


def test_the_template_names_the_registered_providers_everywhere(template: Template) -> None:
    for name in ("Providers", "Routes"):
        declared = template["Parameters"][name]
        for provider in _KNOWN:
            assert provider in declared["ConstraintDescription"]
        assert set(re.findall(r"[A-Za-z0-9]+", declared["AllowedPattern"])) == set(_KNOWN)


@pytest.mark.parametrize(
    "value", ["", "cn/=ctyun", "cn/=ctyun,pe/=accuauth", "a/b/=accuauth|ctyun,c=ctyun", "中国/=ctyun"]
)
def test_routes_of_known_providers_are_accepted(template: Template, value: str) -> None:
    assert accepts(template, "Routes", value)


@pytest.mark.parametrize(
    "value", ["cn/", "cn/=", "cn/=unknown", "=ctyun", "cn/=ctyun|", "cn/=ctyun,", "cn/=ctyun;pe/=x"]
)
def test_other_routes_are_refused(template: Template, value: str) -> None:
    assert not accepts(template, "Routes", value)


@pytest.mark.parametrize(
    "value",
    ["rate(1 hour)", "rate(1 minute)", "rate(2 minutes)", "rate(10 hours)", "rate(7 days)", "cron(0 8 * * ? *)"],
)
def test_rates_are_accepted_as_eventbridge_writes_them(template: Template, value: str) -> None:
    assert accepts(template, "BalanceRate", value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1 hour",
        "rate(1 hours)",
        "rate(2 hour)",
        "rate(0 hours)",
        "rate(01 hours)",
        "rate(1.5 hours)",
        "cron()",
        "at(1)",
    ],
)
def test_other_rates_are_refused(template: Template, value: str) -> None:
    assert not accepts(template, "BalanceRate", value)


@pytest.mark.parametrize(
    ("value", "accepted"), [("", True), ("1", True), ("250000", True), ("0", False), ("-1", False)]
)
def test_a_cap_is_a_number_of_calls_or_none(template: Template, value: str, accepted: bool) -> None:
    assert accepts(template, "DailyCallCap", value) == accepted


def test_an_emulators_address_is_an_address(template: Template) -> None:
    for value in ("", "http://127.0.0.1:4566", "http://host.docker.internal:4566", "http://[::1]:4566"):
        assert accepts(template, "AwsEndpointUrl", value) == ("[" not in value)
    assert not accepts(template, "AwsEndpointUrl", "https://sts.amazonaws.com")


def test_every_parameter_has_a_default_that_its_own_rules_accept(template: Template) -> None:
    for name, declared in template["Parameters"].items():
        default = declared["Default"]
        assert default in declared.get("AllowedValues", [default]), name
        assert declared.get("MinValue", 0) <= (default if isinstance(default, int) else 0) or not default, name
        assert "AllowedPattern" not in declared or accepts(template, name, default), name


def test_every_parameter_is_described_labelled_and_grouped(template: Template) -> None:
    interface = template["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(grouped) == sorted(template["Parameters"]) == sorted(interface["ParameterLabels"])
    for declared in template["Parameters"].values():
        assert declared["Description"].endswith(".")
        assert "AllowedPattern" not in declared or declared["ConstraintDescription"]


def test_retention_is_a_number_of_days_that_logs_know(template: Template) -> None:
    assert template["Parameters"]["RetentionDays"]["AllowedValues"] == _LOG_RETENTION


def test_arm64_is_the_default_and_the_concurrency_is_one_that_lambda_takes(template: Template) -> None:
    parameters = template["Parameters"]
    assert parameters["Architecture"]["Default"] == "arm64"
    assert parameters["Architecture"]["AllowedValues"] == ["arm64", "x86_64"]
    assert parameters["MaximumConcurrency"]["MinValue"] == 2


def test_rules_use_only_what_cloudformation_knows_in_rules(template: Template) -> None:
    """Fn::Join and others are refused there at deployment, and no linter says so."""
    known = {
        "And",
        "Contains",
        "EachMemberEquals",
        "EachMemberIn",
        "Equals",
        "Not",
        "Or",
        "RefAll",
        "ValueOf",
        "ValueOfAll",
    }
    assert set(re.findall(r"Fn::(\w+)", repr(template["Rules"]))) <= known
