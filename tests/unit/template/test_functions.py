"""The functions: their environment, their times, how they are called."""

import pytest

from cardintake.providers import REGISTRY
from cardintake.settings import Settings
from tests.unit.template.cloudformation import PSEUDO_PARAMETERS, REPOSITORY, Deployment, Template

_ALL = {
    "AWS_ENDPOINT_URL": "",
    "CARDS_TABLE": "<CardsTable>",
    "ANSWERS_BUCKET": "<AnswersBucket>",
    "EVENT_BUS": "<EventBus>",
    "QUEUE_URL": "<Queue>",
    "PROVIDERS": "ctyun",
    "PROVIDERS_SECRET": "<ProvidersSecret.Id>",
    "RETENTION_DAYS": 30,
    "ANNOUNCE": "flagged",
    "LEASE_SECONDS": 60,
    "MAX_ATTEMPTS": 5,
    "MAX_WAIT_HOURS": 72,
    "POWERTOOLS_SERVICE_NAME": "cardintake",
    "POWERTOOLS_METRICS_NAMESPACE": "cardintake",
    "POWERTOOLS_LOG_LEVEL": "INFO",
}
_ENVIRONMENT = {
    "RecognizeFunction": _ALL
    | {
        "ROUTES": "",
        "LOOKUP_SECRET": "<LookupSecret.Id>",
        "CASE_ID_PATTERN": "",
        "ANNOUNCE_CASES": "false",
        "THRESHOLDS": "",
        "DAILY_CALL_CAP": "",
    },
    "SweepFunction": _ALL | {"ROUTES": ""},
    "QuotaFunction": _ALL | {"ROUTES": "", "BALANCE_THRESHOLD": 500},
    "BackfillFunction": _ALL,
    "ReplayFunction": _ALL | {"THRESHOLDS": ""},
}


@pytest.mark.parametrize(("function", "expected"), _ENVIRONMENT.items())
def test_the_environment_is_the_contract(
    template: Template, on_aws: Deployment, function: str, expected: dict[str, object]
) -> None:
    shared = on_aws.resolve(template["Globals"]["Function"]["Environment"]["Variables"])
    own = on_aws.properties(function).get("Environment", {}).get("Variables", {})
    assert shared | own == expected


@pytest.mark.parametrize("function", _ENVIRONMENT)
def test_the_package_takes_the_deployed_environment(template: Template, on_aws: Deployment, function: str) -> None:
    shared = on_aws.resolve(template["Globals"]["Function"]["Environment"]["Variables"])
    own = on_aws.properties(function).get("Environment", {}).get("Variables", {})
    settings = Settings.from_environment({name: str(value) for name, value in (shared | own).items()}, REGISTRY)
    assert settings.providers == ("ctyun",)
    assert settings.aws_endpoint_url is None
    assert settings.retention_days == 30
    assert settings.balance_threshold == 500


def test_parameters_reach_the_environment(template: Template) -> None:
    chosen = {
        "Providers": "accuauth,ctyun",
        "Routes": "cn/=ctyun",
        "CaseIdPattern": "C-[0-9]+",
        "Announce": "all",
        "RetentionDays": "7",
        "LeaseSeconds": "90",
        "MaxAttempts": "3",
        "MaxWaitHours": "24",
        "AwsEndpointUrl": "http://127.0.0.1:4566",
        "DailyCallCap": "400",
    }
    deployment = Deployment(template, chosen)
    shared = deployment.resolve(template["Globals"]["Function"]["Environment"]["Variables"])
    variables = shared | deployment.properties("RecognizeFunction")["Environment"]["Variables"]
    names = ["PROVIDERS", "ROUTES", "CASE_ID_PATTERN", "ANNOUNCE", "RETENTION_DAYS"]
    names += ["LEASE_SECONDS", "MAX_ATTEMPTS", "MAX_WAIT_HOURS", "AWS_ENDPOINT_URL", "DAILY_CALL_CAP"]
    assert [variables[name] for name in names] == list(chosen.values())


def test_sweep_knows_whose_state_to_watch_and_a_stack_has_metrics_of_its_own(template: Template) -> None:
    deployment = Deployment(template, {"Routes": "cn/=ctyun"})
    assert deployment.properties("SweepFunction")["Environment"]["Variables"] == {"ROUTES": "cn/=ctyun"}
    shared = template["Globals"]["Function"]["Environment"]["Variables"]
    assert shared["POWERTOOLS_METRICS_NAMESPACE"] == {"Ref": "AWS::StackName"}


def test_quota_knows_the_routes_and_the_threshold(template: Template) -> None:
    deployment = Deployment(template, {"Routes": "cn/=ctyun", "BalanceThreshold": "40"})
    variables = deployment.properties("QuotaFunction")["Environment"]["Variables"]
    assert variables == {"ROUTES": "cn/=ctyun", "BALANCE_THRESHOLD": "40"}


def test_runtime_handler_and_code(template: Template, on_aws: Deployment) -> None:
    shared = template["Globals"]["Function"]
    assert (shared["Runtime"], shared["Handler"]) == ("python3.13", "app.handler")
    for name, properties in on_aws.of_type("AWS::Serverless::Function").items():
        code = properties["CodeUri"]
        assert code == f"functions/{name.removesuffix('Function').lower()}"
        assert (REPOSITORY / code / "app.py").is_file()


@pytest.mark.parametrize("lease", ["MinValue", "Default", "MaxValue"])
def test_a_lease_outlives_the_invocation_and_ends_before_the_message_is_shown_again(
    template: Template, on_aws: Deployment, lease: str
) -> None:
    timeout = template["Globals"]["Function"]["Timeout"]
    visibility = on_aws.properties("Queue")["VisibilityTimeout"]
    assert timeout < template["Parameters"]["LeaseSeconds"][lease] < visibility
    assert visibility >= 6 * timeout
    assert not any("Timeout" in properties for properties in on_aws.of_type("AWS::Serverless::Function").values())


def test_the_queue_feeds_recognize(transformed: Template) -> None:
    mapping = transformed["Resources"]["RecognizeFunctionUploads"]
    assert mapping["Type"] == "AWS::Lambda::EventSourceMapping"
    properties = mapping["Properties"]
    assert properties["EventSourceArn"] == {"Fn::GetAtt": ["Queue", "Arn"]}
    assert properties["BatchSize"] == 10
    assert properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_concurrency_is_capped_at_the_event_source(
    on_aws: Deployment, on_emulator: Deployment, transformed: Template
) -> None:
    """Not reserved concurrency, which new accounts cannot set; the emulator dies of anything but a literal number."""

    def cap(deployment: Deployment) -> object:
        return deployment.properties("RecognizeFunction")["Events"]["Uploads"]["Properties"]["ScalingConfig"]

    assert cap(on_aws) == {"MaximumConcurrency": 5}
    emulated = cap(on_emulator)
    assert isinstance(emulated, dict)
    assert isinstance(emulated["MaximumConcurrency"], int)
    assert "ReservedConcurrentExecutions" not in repr(transformed)


def test_the_emulators_cap_does_not_come_from_a_parameter(template: Template) -> None:
    scaling = template["Resources"]["RecognizeFunction"]["Properties"]["Events"]["Uploads"]["Properties"][
        "ScalingConfig"
    ]
    condition, on_aws, on_emulator = scaling["MaximumConcurrency"]["Fn::If"]
    assert (condition, on_aws) == ("OnAws", {"Ref": "MaximumConcurrency"})
    assert isinstance(on_emulator, int)


def test_sweep_runs_by_schedule_and_is_not_retried(transformed: Template) -> None:
    rule = transformed["Resources"]["SweepFunctionEveryFiveMinutes"]["Properties"]
    assert rule["ScheduleExpression"] == "rate(5 minutes)"
    config = transformed["Resources"]["SweepFunctionEventInvokeConfig"]["Properties"]
    assert config["MaximumRetryAttempts"] == 0


def test_quota_runs_as_often_as_told_and_is_retried_for_a_while(transformed: Template) -> None:
    rule = transformed["Resources"]["QuotaFunctionAsOftenAsToldTo"]["Properties"]
    assert rule["ScheduleExpression"] == {"Ref": "BalanceRate"}
    config = transformed["Resources"]["QuotaFunctionEventInvokeConfig"]["Properties"]
    assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (2, 900)


def test_functions_join_a_vpc_only_when_told(template: Template, on_aws: Deployment, in_vpc: Deployment) -> None:
    declared = {"value": template["Globals"]["Function"]["VpcConfig"]}
    assert on_aws.resolve(declared) == {}
    assert in_vpc.resolve(declared)["value"] == {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}


@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
def test_functions_get_the_layers_of_their_processor(template: Template, architecture: str) -> None:
    deployment = Deployment(template, {"Architecture": architecture})
    shared = deployment.resolve({name: template["Globals"]["Function"][name] for name in ("Architectures", "Layers")})
    assert shared["Architectures"] == [architecture]
    layers = deployment.of_type("AWS::Serverless::LayerVersion")
    assert shared["Layers"] == [f"<{name}>" for name in layers]
    assert len(layers) == 2
    for name, layer in layers.items():
        assert architecture in layer["CompatibleArchitectures"]
        metadata = deployment.resources[name]["Metadata"]
        assert metadata["BuildMethod"] == "makefile"
        assert metadata["BuildArchitecture"] in layer["CompatibleArchitectures"]


def test_logs_go_to_encrypted_groups_that_forget(template: Template) -> None:
    deployment = Deployment(template, {"RetentionDays": "90"})
    for name, properties in deployment.of_type("AWS::Serverless::Function").items():
        group = properties["LoggingConfig"]["LogGroup"].strip("<>")
        assert group == name.replace("Function", "LogGroup")
        log_group = deployment.properties(group)
        assert log_group["LogGroupName"] == f"/aws/lambda/{properties['FunctionName']}"
        assert (log_group["KmsKeyId"], log_group["RetentionInDays"]) == ("<Key.Arn>", "90")
        assert properties["FunctionName"].startswith(PSEUDO_PARAMETERS["AWS::StackName"])
