"""`make doctor` on the emulator: the deployed stack is healthy, and what is broken for a while is found meanwhile."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local import doctor
from local.patient import Patient
from local.stack import STACK_NAME, Stack
from tests.integration.pipeline import Pipeline

pytestmark = pytest.mark.emulator

type Findings = dict[str, dict[str, Any]]
Examine = Callable[[], tuple[int, Findings]]


@pytest.fixture
def examine(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Examine]:
    """The command: its exit code, and its findings by area. No credential of the secret is printed."""
    stack = pipeline.stack
    monkeypatch.setattr(doctor, "_patient", lambda _stack: Patient.examined(STACK_NAME, stack.client))
    stored = secret(stack)

    def command() -> tuple[int, Findings]:
        capsys.readouterr()
        code = doctor.main(["--json"])
        printed = capsys.readouterr().out
        for member in json.loads(stored).values():
            assert not [value for name, value in member.items() if name != "base_url" and str(value) in printed]
        return code, {finding["area"]: finding for finding in json.loads(printed)["findings"]}

    yield command
    put_secret(stack, stored)


def secret(stack: Stack) -> str:
    text: str = stack.client("secretsmanager").get_secret_value(SecretId=stack.outputs.providers_secret)["SecretString"]
    return text


def put_secret(stack: Stack, text: str) -> None:
    stack.client("secretsmanager").put_secret_value(SecretId=stack.outputs.providers_secret, SecretString=text)


def billable(pipeline: Pipeline) -> dict[str, int]:
    return {name: account["billable"] for name, account in pipeline.sandbox.calls()["providers"].items()}


def wrong(findings: Findings) -> list[str]:
    return [area for area, finding in findings.items() if finding["verdict"] == "wrong"]


def test_the_deployed_stack_is_healthy_and_its_calls_cost_nothing(pipeline: Pipeline, examine: Examine) -> None:
    paid = billable(pipeline)
    code, findings = examine()
    assert (code, wrong(findings)) == (0, []), findings
    healthy = {"stack", "key", "clock", "secret", "base_url of ctyun", "base_url of accuauth", "notification", "queue"}
    healthy |= {"schedule of sweep", "schedule of quota", "permissions of recognize", "permissions of sweep"}
    assert {area for area in healthy if findings[area]["verdict"] != "ok"} == set()
    assert findings["acceptance by ctyun"]["verdict"] == "unknown"
    assert findings["alarm topic"]["said"] == "nobody hears of an alarm"
    assert billable(pipeline) == paid


def test_a_balance_is_asked_of_who_sells_in_advance_and_refused_credentials_are_found(
    pipeline: Pipeline, examine: Examine
) -> None:
    pipeline.configure(ROUTES="cn/=ihuyi")
    code, findings = examine()
    assert (code, findings["acceptance by ihuyi"]["verdict"]) == (0, "ok"), findings
    members = json.loads(secret(pipeline.stack))
    put_secret(pipeline.stack, json.dumps({**members, "ihuyi": {**members["ihuyi"], "api_key": "another"}}))
    code, findings = examine()
    assert (code, wrong(findings)) == (1, ["acceptance by ihuyi"])


def test_a_wrong_secret_and_a_provider_that_is_not_there_are_found(pipeline: Pipeline, examine: Examine) -> None:
    members = json.loads(secret(pipeline.stack))
    nowhere = {**members["accuauth"], "base_url": "http://127.0.0.1:9"}
    ctyun = {name: value for name, value in members["ctyun"].items() if name != "app_secret"}
    put_secret(pipeline.stack, json.dumps({**members, "ctyun": ctyun, "accuauth": nowhere}))
    code, findings = examine()
    assert (code, wrong(findings)) == (1, ["secret of ctyun", "base_url of accuauth"])
    assert "app_secret" in findings["secret of ctyun"]["said"]


def test_a_queue_that_is_not_fed_is_found(pipeline: Pipeline, examine: Examine) -> None:
    functions = pipeline.stack.client("lambda")
    name = pipeline.outputs.recognize_function
    (mapping,) = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        code, findings = examine()
    finally:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    assert (code, wrong(findings)) == (1, ["queue"])
    assert mapping["UUID"] in findings["queue"]["mend"]


def test_a_bucket_that_tells_nobody_is_found(pipeline: Pipeline, examine: Examine) -> None:
    s3, bucket = pipeline.stack.client("s3"), pipeline.outputs.scans_bucket
    before = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    try:
        code, findings = examine()
    finally:
        restored = {"QueueConfigurations": before}
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=restored)
    assert (code, wrong(findings)) == (1, ["notification"])


def test_a_role_that_lost_a_statement_is_found(pipeline: Pipeline, examine: Examine) -> None:
    iam = pipeline.stack.client("iam")
    configuration = pipeline.stack.client("lambda").get_function_configuration(
        FunctionName=pipeline.outputs.sweep_function
    )
    role = configuration["Role"].rpartition("/")[2]
    document = iam.get_role_policy(RoleName=role, PolicyName="sweep")["PolicyDocument"]
    fewer = {**document, "Statement": [one for one in document["Statement"] if one["Sid"] != "Announce"]}
    iam.put_role_policy(RoleName=role, PolicyName="sweep", PolicyDocument=json.dumps(fewer))
    try:
        code, findings = examine()
    finally:
        iam.put_role_policy(RoleName=role, PolicyName="sweep", PolicyDocument=json.dumps(document))
    assert (code, wrong(findings)) == (1, ["permissions of sweep"])
    assert "events:PutEvents" in findings["permissions of sweep"]["said"]


def test_an_alarm_is_raised_by_its_metric_and_named_with_its_section(pipeline: Pipeline, examine: Examine) -> None:
    """The emulator evaluates alarms on what is put into CloudWatch; of the functions' log lines it makes no metrics."""
    cloudwatch = pipeline.stack.client("cloudwatch")
    cloudwatch.put_metric_data(
        Namespace=STACK_NAME,
        MetricData=[
            {
                "MetricName": "UncertainCalls",
                "Dimensions": [{"Name": "service", "Value": "cardintake"}],
                "Value": 7,
                "Unit": "Count",
            }
        ],
    )
    code, findings = examine()
    assert code == 0
    assert findings["alarm"]["mend"] == "docs/runbook.md#uncertain-calls"
