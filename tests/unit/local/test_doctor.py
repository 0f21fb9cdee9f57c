"""`make doctor`: a healthy stack has nothing to mend, each thing that is broken is found, and no secret is printed."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from typing import Any, Final

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from cardintake.items import marshalled
from local import doctor
from local.examinations import NEEDS
from local.patient import FUNCTIONS, Patient
from tests.unit.template.cloudformation import Deployment, load, statements

STACK, ACCOUNT = "cards", "123456789012"
REGION: Final = "eu-west-1"
HUSH = "hush-7f3a"
MEMBERS = {
    "ctyun": {"base_url": "https://ctyun.test", "service_code": "svc0", "app_key": HUSH, "app_secret": HUSH},
    "ihuyi": {"base_url": "https://ihuyi.test", "account": HUSH, "api_key": HUSH},
    "huaweicloud": {
        "base_url": "https://huawei.test", "project_id": "p1", "iam_url": "https://iam.test", "domain": HUSH,
        "username": HUSH, "password": HUSH, "project": "cn-north-4",
    },
}  # fmt: skip

Run = Callable[..., tuple[int, dict[str, dict[str, Any]]]]


class Providers:
    """The providers' servers, as a transport; `now` is their clock."""

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.broken_tls: set[str] = set()
        self.behind = timedelta(0)
        self.balance: dict[str, Any] = {"code": 2, "num": 4711}
        self.token_status = 201
        self.asked: list[tuple[str, str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        if host in self.down:
            raise httpx.ConnectError(f"refused by {host} for {HUSH}")
        if host in self.broken_tls:
            raise httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
        self.asked.append((request.method, host, request.url.path))
        date = {"Date": format_datetime(datetime.now(UTC) - self.behind, usegmt=True)}
        if request.method == "HEAD":
            return httpx.Response(404, headers=date)
        if request.url.path == "/ocr/GetNum.json":
            return httpx.Response(200, json=self.balance, headers=date)
        if request.url.path == "/v3/auth/tokens":
            headers = date | {"X-Subject-Token": f"token-{HUSH}"}
            expires = (datetime.now(UTC) + timedelta(hours=24)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            return httpx.Response(self.token_status, json={"token": {"expires_at": expires}}, headers=headers)
        raise AssertionError(f"{request.method} {request.url.path} may cost money")


@cache
def _client(service: str) -> Any:
    """One for all tests: making clients is most of what these cost."""
    return boto3.client(service, region_name=REGION)  # type: ignore[call-overload]


class Clients:
    """moto's clients, with what moto does not have: a deployed stack of this template, simulations, dates."""

    def __init__(self) -> None:
        self.outputs: dict[str, str] = {}
        self.status = "UPDATE_COMPLETE"
        self.ahead = timedelta(0)
        self.refused: set[str] = set()
        self.forbidden: set[str] = set()
        self.environment: dict[str, str] = {}
        self.mapping_state = "Enabled"
        self.function_state = "Active"
        self.vpc: list[str] = []
        self.alarms: list[str] = []
        self.pending = False

    def __call__(self, service: str) -> Any:
        return Wrapped(self, service, _client(service))


class Wrapped:
    def __init__(self, clients: Clients, service: str, client: Any) -> None:
        self._clients, self._service, self._client = clients, service, client

    def __getattr__(self, name: str) -> Any:
        if f"{self._service}.{name}" in self._clients.forbidden:

            def forbidden(**_: object) -> None:
                raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": HUSH}}, name)

            return forbidden
        ours = vars(Wrapped).get(f"_{self._service}_{name}")
        return getattr(self._client, name) if ours is None else ours.__get__(self)

    def _cloudformation_describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        if StackName != STACK:
            raise ClientError({"Error": {"Code": "ValidationError", "Message": "no such stack"}}, "DescribeStacks")
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in self._clients.outputs.items()]
        date = format_datetime(datetime.now(UTC) - self._clients.ahead, usegmt=True)
        return {
            "Stacks": [{"StackStatus": self._clients.status, "Outputs": outputs}],
            "ResponseMetadata": {"HTTPHeaders": {"date": date}},
        }

    def _cloudformation_get_paginator(self, _: str) -> Any:
        rules = {"SweepFunctionEveryFiveMinutes": "sweep-rule", "QuotaFunctionAsOftenAsToldTo": "quota-rule"}
        listed = [{"LogicalResourceId": key, "PhysicalResourceId": value} for key, value in rules.items()]
        return type("P", (), {"paginate": lambda _self, **_: [{"StackResourceSummaries": listed}]})()

    def _lambda_get_function_configuration(self, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        return {
            "State": self._clients.function_state, "LastUpdateStatus": "Successful",
            "Role": f"arn:aws:iam::{ACCOUNT}:role/{FunctionName}",
            "Environment": {"Variables": self._clients.environment}, "VpcConfig": {"SubnetIds": self._clients.vpc},
        }  # fmt: skip

    def _lambda_list_event_source_mappings(self, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:scans"
        return {"EventSourceMappings": [{"UUID": "u-1", "State": self._clients.mapping_state, "EventSourceArn": arn}]}

    def _iam_simulate_principal_policy(self, ActionNames: list[str], **_: object) -> dict[str, Any]:  # noqa: N803
        refused = self._clients.refused
        decisions = [(name, "implicitDeny" if name in refused else "allowed") for name in ActionNames]
        return {"EvaluationResults": [{"EvalActionName": name, "EvalDecision": it} for name, it in decisions]}

    def _cloudwatch_describe_alarms(self, **_: object) -> dict[str, Any]:
        return {"MetricAlarms": [{"AlarmName": f"{STACK}-{name}"} for name in self._clients.alarms]}

    def _sns_get_paginator(self, name: str) -> Any:
        paginator = self._client.get_paginator(name)
        if not self._clients.pending:
            return paginator
        waiting = [{"Subscriptions": [{"SubscriptionArn": "PendingConfirmation"}]}]
        return type("P", (), {"paginate": lambda _self, **_: waiting})()


@pytest.fixture
def clients() -> Iterator[Clients]:
    with mock_aws():
        yield deployed(Clients())


def deployed(clients: Clients) -> Clients:
    """What the template makes, as far as the doctor looks at it."""
    sqs, s3 = _client("sqs"), _client("s3")
    queue = sqs.create_queue(QueueName="scans")["QueueUrl"]
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    s3.create_bucket(Bucket="cards-scans", CreateBucketConfiguration={"LocationConstraint": REGION})
    notify(clients, "s3:ObjectCreated:*", "s3:ObjectRemoved:*")
    _client("dynamodb").create_table(
        TableName="cards",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "record_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "record_id", "AttributeType": "S"}],
    )
    secret = _client("secretsmanager").create_secret(Name="providers", SecretString=json.dumps(MEMBERS))["ARN"]
    topic = _client("sns").create_topic(Name="alarms")["TopicArn"]
    _client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:night")
    events = _client("events")
    for name in ("sweep-rule", "quota-rule"):
        events.put_rule(Name=name, ScheduleExpression="rate(5 minutes)")
    key = _client("kms").create_key()["KeyMetadata"]["Arn"]
    clients.outputs = {
        "ScansBucketName": "cards-scans",
        "AnswersBucketName": "cards-answers",
        "CardsTableName": "cards",
        "EventBusArn": f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/cards",
        "QueueUrl": queue,
        "DeadLetterQueueUrl": dead,
        "ProvidersSecretArn": secret,
        "LookupSecretArn": secret,
        "KeyArn": key,
        "AlarmTopicArn": topic,
        **{f"{name.title()}FunctionName": f"cards-{name}" for name in FUNCTIONS},
    }
    clients.environment = {
        "CARDS_TABLE": "cards", "ANSWERS_BUCKET": "cards-answers", "EVENT_BUS": "cards", "RETENTION_DAYS": "30",
        "PROVIDERS": "ctyun,ihuyi", "ROUTES": "cn/=huaweicloud", "PROVIDERS_SECRET": secret,
    }  # fmt: skip
    return clients


def notify(clients: Clients, *events: str) -> None:
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:scans"
    configurations = [{"QueueArn": arn, "Events": [event]} for event in events]
    clients("s3").put_bucket_notification_configuration(
        Bucket="cards-scans", NotificationConfiguration={"QueueConfigurations": configurations}
    )


@pytest.fixture
def providers() -> Providers:
    return Providers()


@pytest.fixture
def run(
    clients: Clients, providers: Providers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """The command: its exit code, and its findings by area. Whatever is printed holds no secret."""

    def patient(stack: str | None) -> Patient:
        return Patient.examined(stack or STACK, clients, transport=httpx.MockTransport(providers))

    monkeypatch.setattr(doctor, "_patient", patient)

    def command(*arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
        code = doctor.main((*arguments, "--json"))
        said = capsys.readouterr()
        assert HUSH not in said.out + said.err
        findings = json.loads(said.out)["findings"]
        assert json.loads(said.out)["healthy"] == (code == 0)
        areas = {finding["area"]: finding for finding in findings}
        assert len(areas) == len(findings)
        return code, areas

    return command


def wrong(findings: dict[str, dict[str, Any]], verdict: str = "wrong") -> dict[str, dict[str, Any]]:
    return {area: finding for area, finding in findings.items() if finding["verdict"] == verdict}


def test_a_healthy_stack_has_nothing_to_mend_and_nothing_was_paid_for(run: Run, providers: Providers) -> None:
    code, findings = run()
    assert code == 0
    assert wrong(findings) == wrong(findings, "warning") == {}
    assert list(wrong(findings, "unknown")) == ["acceptance by ctyun"]
    assert "costs nothing" in findings["acceptance by ctyun"]["said"]
    assert "4711" in findings["acceptance by ihuyi"]["said"]
    named = findings["secret"]["said"].removeprefix("a JSON object with ").removesuffix(" in it")
    assert set(named.split(", ")) == MEMBERS.keys()
    posted = {path for method, _, path in providers.asked if method != "HEAD"}
    assert posted == {"/ocr/GetNum.json", "/v3/auth/tokens"}


def test_for_people_each_finding_is_a_line_and_what_mends_it_another(
    run: Run, clients: Clients, capsys: pytest.CaptureFixture[str]
) -> None:
    clients.mapping_state = "Disabled"
    _, findings = run()
    assert doctor.main([]) == 1
    text = capsys.readouterr().out
    assert HUSH not in text
    for finding in findings.values():
        assert f"{finding['area']}: {finding['said']}\n" in text
    assert "MEND     queue: it is not fed to the function: uploads wait\n         -> aws lambda update-" in text
    assert text.splitlines()[-1].startswith("To mend: 1, to look at: 0, could not be checked: 1, ")


@pytest.mark.parametrize(
    ("content", "area", "said"),
    [
        ("not JSON", "secret", "is not JSON"),
        ("[]", "secret", "is not a JSON object"),
        (json.dumps({**MEMBERS, "ctyun": {"base_url": "https://ctyun.test"}}), "secret of ctyun", "app_key"),
        (json.dumps({"ihuyi": MEMBERS["ihuyi"]}), "secret of ctyun", "no member 'ctyun'"),
    ],
)
def test_a_wrong_secret_is_found_by_the_names_of_its_fields(
    run: Run, clients: Clients, content: str, area: str, said: str
) -> None:
    clients("secretsmanager").put_secret_value(SecretId="providers", SecretString=content)
    code, findings = run()
    assert code == 1
    assert area in wrong(findings)
    assert said in findings[area]["said"]
    assert "put-secret-value" in findings[area]["mend"]


def test_a_provider_that_is_down_is_found_and_the_others_are_asked_all_the_same(run: Run, providers: Providers) -> None:
    providers.down = {"ihuyi.test"}
    code, findings = run()
    assert code == 1
    assert list(wrong(findings)) == ["base_url of ihuyi"]
    assert findings["acceptance by ihuyi"]["verdict"] == "unknown"
    assert findings["acceptance by huaweicloud"]["verdict"] == "ok"


def test_a_certificate_that_is_not_accepted_is_called_so(run: Run, providers: Providers) -> None:
    providers.broken_tls = {"ctyun.test"}
    assert "certificate" in run()[1]["base_url of ctyun"]["said"]


@pytest.mark.parametrize(("seconds", "verdict"), [(5, "ok"), (60, "warning"), (600, "wrong"), (-600, "wrong")])
def test_a_clock_that_is_wrong_is_found(
    run: Run, clients: Clients, providers: Providers, seconds: int, verdict: str
) -> None:
    """Ours against AWS's; the provider's is AWS's here, so it is none of its fault."""
    clients.ahead = providers.behind = timedelta(seconds=seconds)
    code, findings = run()
    assert findings["clock"]["verdict"] == verdict
    assert code == (verdict == "wrong")
    assert findings["clock of base_url of ctyun"]["verdict"] == "ok"


def test_a_providers_clock_that_is_wrong_is_found(run: Run, providers: Providers) -> None:
    providers.behind = timedelta(minutes=10)
    code, findings = run()
    assert code == 1
    assert findings["clock"]["verdict"] == "ok"
    assert "ahead of it" in findings["clock of base_url of ctyun"]["said"]


@pytest.mark.parametrize(
    ("balance", "verdict"), [({"code": 405}, "wrong"), ({"code": 4050}, "wrong"), ({"code": 0}, "warning")]
)
def test_refused_credentials_are_found_where_asking_is_free(
    run: Run, providers: Providers, balance: dict[str, Any], verdict: str
) -> None:
    providers.balance = balance
    code, findings = run()
    assert findings["acceptance by ihuyi"]["verdict"] == verdict
    assert "docs/runbook.md#provider-" in findings["acceptance by ihuyi"]["mend"]
    assert code == (verdict == "wrong")


def test_a_user_whom_iam_refuses_is_found(run: Run, providers: Providers) -> None:
    providers.token_status = 401
    assert run()[1]["acceptance by huaweicloud"]["verdict"] == "wrong"


def test_a_disabled_mapping_is_found_with_the_command_that_mends_it(run: Run, clients: Clients) -> None:
    clients.mapping_state = "Disabled"
    code, findings = run()
    assert (code, list(wrong(findings))) == (1, ["queue"])
    assert findings["queue"]["mend"] == "aws lambda update-event-source-mapping --uuid u-1 --enabled"


@pytest.mark.parametrize("left", ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"])
def test_a_missing_notification_is_found(run: Run, clients: Clients, left: str) -> None:
    notify(clients, left)
    code, findings = run()
    assert (code, list(wrong(findings))) == (1, ["notification"])
    assert left not in findings["notification"]["said"]


def test_a_disabled_schedule_is_found(run: Run, clients: Clients) -> None:
    clients("events").disable_rule(Name="sweep-rule")
    code, findings = run()
    assert (code, list(wrong(findings))) == (1, ["schedule of sweep"])
    assert findings["schedule of sweep"]["mend"] == "aws events enable-rule --name sweep-rule"


def test_what_iam_refuses_a_function_is_found(run: Run, clients: Clients) -> None:
    clients.refused = {"events:PutEvents"}
    code, findings = run()
    assert code == 1
    assert wrong(findings).keys() == {f"permissions of {name}" for name in ("recognize", "sweep", "quota", "replay")}
    assert "events:PutEvents" in findings["permissions of sweep"]["said"]


@pytest.mark.parametrize(
    ("state", "verdict"), [("Failed", "wrong"), ("Pending", "warning"), ("Inactive", "ok"), ("Active", "ok")]
)
def test_a_function_that_cannot_run_is_found(run: Run, clients: Clients, state: str, verdict: str) -> None:
    clients.function_state = state
    code, findings = run()
    assert {findings[f"function {name}"]["verdict"] for name in FUNCTIONS} == {verdict}
    assert code == (verdict == "wrong")


def test_a_disabled_key_is_found(run: Run, clients: Clients) -> None:
    clients("kms").disable_key(KeyId=clients.outputs["KeyArn"].rpartition("/")[2])
    assert list(wrong(run()[1])) == ["key"]


def test_a_stack_that_was_rolled_back_is_found(run: Run, clients: Clients) -> None:
    clients.status = "ROLLBACK_COMPLETE"
    assert list(wrong(run()[1])) == ["stack"]


def test_dead_letters_alarms_and_an_unheard_topic_are_warnings(run: Run, clients: Clients) -> None:
    clients("sqs").send_message(QueueUrl=clients.outputs["DeadLetterQueueUrl"], MessageBody=HUSH)
    clients.alarms = ["queue-stuck"]
    clients.pending = True
    code, findings = run()
    assert code == 0
    assert wrong(findings, "warning").keys() == {"dead letters", "alarm", "alarm topic"}
    assert findings["alarm"]["mend"] == "docs/runbook.md#queue-stuck"


def test_a_topic_without_subscribers_is_a_warning(run: Run, clients: Clients) -> None:
    sns = clients("sns")
    for one in sns.list_subscriptions()["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=one["SubscriptionArn"])
    assert run()[1]["alarm topic"]["said"] == "nobody hears of an alarm"


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        ({"error_class": "configuration", "paused_until": 1800000000, "version": "v"}, "wrong"),
        ({"error_class": "quota", "paused_until": 1800000000, "version": "v"}, "wrong"),
        ({"error_class": "unavailable", "paused_until": 1800000000, "version": "v"}, "warning"),
        ({"balance_low": True}, "warning"),
        ({"verified": "v"}, "ok"),
    ],
)
def test_a_paused_provider_is_found(run: Run, clients: Clients, state: dict[str, Any], verdict: str) -> None:
    clients("dynamodb").put_item(TableName="cards", Item=marshalled({"record_id": "provider_huaweicloud", **state}))
    code, findings = run()
    assert findings["state of huaweicloud"]["verdict"] == verdict
    assert code == (verdict == "wrong")


@pytest.mark.parametrize(
    ("call", "area"),
    [
        ("iam.simulate_principal_policy", "permissions"),
        ("dynamodb.get_item", "states"),
        ("secretsmanager.get_secret_value", "secret"),
        ("cloudwatch.describe_alarms", "alarms"),
    ],
)
def test_what_one_may_not_look_at_is_said_and_the_rest_is_looked_at(
    run: Run, clients: Clients, call: str, area: str
) -> None:
    clients.forbidden = {call}
    code, findings = run()
    assert code == 0
    assert findings[area]["verdict"] == "unknown"
    assert findings["queue"]["verdict"] == "ok"


def test_from_subnets_it_does_not_claim_to_know_the_way_out(run: Run, clients: Clients) -> None:
    clients.vpc = ["subnet-1"]
    assert run()[1]["reachability"]["verdict"] == "unknown"


def test_wrong_settings_are_told(run: Run, clients: Clients) -> None:
    clients.environment = clients.environment | {"PROVIDERS": "nobody"}
    code, findings = run()
    assert code == 1
    assert "unknown provider 'nobody'" in findings["secret"]["said"]


def test_a_stack_that_is_not_there_is_a_sentence(
    run: Run, clients: Clients, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run()[0] == 0
    assert doctor.main(["--stack", "other"]) == 1
    assert "no such stack" in capsys.readouterr().err
    del clients.outputs["AlarmTopicArn"]
    assert doctor.main([]) == 1
    assert "none of this template" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        doctor.main(["--nothing"])
    assert ended.value.code == 2


def test_what_is_simulated_is_what_the_template_grants() -> None:
    deployment = Deployment(load())
    left_out = {"WriteLogs"}
    for function in FUNCTIONS:
        (policy,) = deployment.properties(f"{function.title()}Role")["Policies"]
        granted = {
            action
            for statement in statements(policy["PolicyDocument"])
            if statement["Sid"] not in left_out
            for action in statement["Action"]
        }
        assert {action for actions in NEEDS[function].values() for action in actions} == granted, function
