"""The balance through the deployed template: function, provider, state in the table, bus, and the scans beside it."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from local.cardprinter import encode, print_card
from local.stack import Stack
from tests.integration.pipeline import InvocationFailedError, Pipeline, notification

pytestmark = pytest.mark.emulator

_SEEDS = iter(range(6000, 7000))
_STATE = {"record_id": {"S": "provider_ihuyi"}}


def ask(pipeline: Pipeline, threshold: int = 0) -> Any:
    """The answer of quota, which starts anew, warns below this threshold, and has ihuyi to ask."""
    functions, name = pipeline.stack.client("lambda"), pipeline.outputs.quota_function
    deployed = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    chosen = {"PROVIDERS": "ctyun,ihuyi", "BALANCE_THRESHOLD": str(threshold), "STARTED_ANEW": uuid.uuid4().hex}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": deployed | chosen})
    return pipeline.invoke({}, name)


def left(pipeline: Pipeline) -> int:
    """How many recognitions ihuyi says are left."""
    answer = ask(pipeline)
    assert answer["errors"] == {}
    return int(answer["balances"]["ihuyi"])


def forget_state(stack: Stack) -> None:
    """As if nobody had ever called ihuyi."""
    stack.client("dynamodb").delete_item(TableName=stack.outputs.cards_table, Key=_STATE)


def scanned(pipeline: Pipeline) -> dict[str, Any]:
    """The record of a card that ihuyi was to read."""
    pipeline.configure(PROVIDERS="ihuyi", ROUTES="")
    key = f"quota/{uuid.uuid4().hex}.jpg"
    record_id = pipeline.upload(key, encode(print_card("cn_portrait", next(_SEEDS)).picture))
    return pipeline.record(record_id, lambda record: record["status"] != "PROCESSING" or "waiting_for" in record)


class Subscriber:
    """Hears what is said of ihuyi, each event once."""

    def __init__(self, stack: Stack) -> None:
        self._sqs = stack.client("sqs")
        self._url = stack.subscribe(f"quota-{uuid.uuid4().hex[:12]}")

    def heard(self) -> list[tuple[str, dict[str, Any]]]:
        """Type and data of the events since the last look, after a while in which nothing more came."""
        events: list[tuple[str, dict[str, Any]]] = []
        request = {"QueueUrl": self._url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 2}
        while messages := self._sqs.receive_message(**request).get("Messages"):
            for message in messages:
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
                event = json.loads(message["Body"])
                if event["detail"]["data"].get("provider") == "ihuyi" and event["detail-type"].startswith("Provider"):
                    events.append((event["detail-type"], event["detail"]["data"]))
        return events


@pytest.fixture
def subscriber(stack: Stack) -> Iterator[Subscriber]:
    forget_state(stack)
    yield Subscriber(stack)
    forget_state(stack)


def quota(detail_type: str, **balance: int) -> tuple[str, dict[str, Any]]:
    return detail_type, {"provider": "ihuyi", "error_class": "quota", **balance}


def test_the_schedule_calls_the_function(stack: Stack) -> None:
    events = stack.client("events")
    rules = [rule for rule in events.list_rules()["Rules"] if "ScheduleExpression" in rule]
    called = {
        target["Arn"].rpartition(":")[2]: rule["ScheduleExpression"]
        for rule in rules
        for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    }
    assert called[stack.outputs.quota_function] == "rate(1 hour)"


def test_the_balance_is_a_metric(pipeline: Pipeline, subscriber: Subscriber) -> None:
    balance = left(pipeline)
    assert balance > 0

    def metric() -> dict[str, Any] | None:
        lines = pipeline.stack.function_log(pipeline.outputs.quota_function)
        found = [json.loads(line) for line in lines if line.startswith('{"_aws"') and "ProviderBalance" in line]
        return found[-1] if found else None

    line = pipeline.eventually(metric, "the metric in the log of quota")
    assert (line["provider"], line["ProviderBalance"]) == ("ihuyi", [balance])
    assert subscriber.heard() == []


def test_a_low_balance_is_announced_once_pauses_nothing_and_is_over_once(
    pipeline: Pipeline, subscriber: Subscriber
) -> None:
    balance = left(pipeline)
    for _ in range(2):
        ask(pipeline, threshold=balance + 1)
    assert subscriber.heard() == [quota("Provider Quota Low", balance=balance)]
    record = scanned(pipeline)
    assert (record["status"], record["provider"]) == ("RECOGNIZED", "ihuyi")
    for _ in range(2):
        assert ask(pipeline, threshold=balance - 1)["balances"] == {"ihuyi": balance - 1}
    assert subscriber.heard() == [quota("Provider Recovered", balance=balance - 1)]


def test_a_provider_that_refused_for_quota_is_called_again_when_there_is_enough(
    pipeline: Pipeline, subscriber: Subscriber
) -> None:
    pipeline.sandbox.order_fault("ihuyi", "quota")
    waiting = scanned(pipeline)
    assert (waiting["status"], waiting["waiting_for"]) == ("PROCESSING", "PROVIDER_QUOTA")
    balance = left(pipeline)
    ask(pipeline, threshold=1)
    assert subscriber.heard() == [quota("Provider Quota Low"), quota("Provider Recovered", balance=balance)]
    described = {"eTag": waiting["etag"], "sequencer": waiting["sequencer"]}
    answer = pipeline.invoke(notification(waiting["bucket"], waiting["key"], **described))
    assert answer["records"][0]["status"] == "RECOGNIZED"


def test_refused_credentials_are_told_and_pause_the_provider(pipeline: Pipeline, subscriber: Subscriber) -> None:
    pipeline.sandbox.order_fault("ihuyi", "credentials")
    before = pipeline.sandbox.calls()["providers"]["ihuyi"]["received"]
    for _ in range(2):
        assert ask(pipeline) == {"balances": {}, "errors": {"ihuyi": "configuration"}}
    assert pipeline.sandbox.calls()["providers"]["ihuyi"]["received"] == before + 1
    data = {"provider": "ihuyi", "error_class": "configuration"}
    assert subscriber.heard() == [("Provider Misconfigured", data)]


def test_a_provider_that_is_down_fails_the_function_in_one_sentence(pipeline: Pipeline, subscriber: Subscriber) -> None:
    pipeline.sandbox.order_fault("ihuyi", "html_502", times=10)
    with pytest.raises(InvocationFailedError) as failed:
        ask(pipeline)
    assert failed.value.error_type == "NoBalanceError"
    assert str(failed.value) == "No provider said what is left: ihuyi (retryable)."
    assert subscriber.heard() == []
