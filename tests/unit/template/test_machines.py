"""The state machines: what they send to functions, what they bear, what they tell."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cardintake.scans import NO_SEQUENCER, Scan, parse
from cardintake.settings import Settings
from cardintake.worklist import ScanNotFinishedError
from tests.unit.template.cloudformation import REPOSITORY, Deployment, Template

_MAPS = {"ReadPrefix": "Recognize", "ReadInventory": "RecognizeListed"}
_ETAG = "d41d8cd98f00b204e9800998ecf8427e"


def definition(name: str) -> dict[str, Any]:
    text = (REPOSITORY / "statemachines" / f"{name}.asl.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def states(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """All states, those of maps included."""
    for name, state in document["States"].items():
        yield name, state
        if state["Type"] == "Map":
            yield from states(state["ItemProcessor"])


def selected(template: Any, item: dict[str, Any]) -> Any:
    """What ItemSelector makes of an item."""
    if isinstance(template, list):
        return [selected(one, item) for one in template]
    if not isinstance(template, dict):
        return template.replace("${ScansBucket}", "scans")
    of_item = "$$.Map.Item.Value."
    return {
        name.removesuffix(".$"): item[value.removeprefix(of_item)] if name.endswith(".$") else selected(value, item)
        for name, value in template.items()
    }


@pytest.mark.parametrize("name", ["backfill", "replay"])
def test_every_placeholder_is_substituted_and_every_state_is_reached(on_aws: Deployment, name: str) -> None:
    machine = on_aws.properties(f"{name.title()}Machine")
    assert machine["DefinitionS3Location"] == f"statemachines/{name}.asl.json"
    text = json.dumps(definition(name))
    for placeholder in machine["DefinitionSubstitutions"]:
        assert f"${{{placeholder}}}" in text
        text = text.replace(f"${{{placeholder}}}", "")
    assert "${" not in text

    def reached(document: dict[str, Any]) -> None:
        nexts = {document["StartAt"]}
        for state in document["States"].values():
            nexts |= {state[way] for way in ("Next", "Default") if way in state}
            nexts |= {choice["Next"] for choice in state.get("Choices", ())}
            if state["Type"] == "Map":
                reached(state["ItemProcessor"])
        assert nexts == document["States"].keys()

    reached(definition(name))


@pytest.mark.parametrize("name", ["backfill", "replay"])
def test_executions_are_encrypted_and_logged_without_data(template: Template, name: str) -> None:
    deployment = Deployment(template, {"RetentionDays": "90"})
    machine = deployment.properties(f"{name.title()}Machine")
    assert machine["StateMachineType"] == "STANDARD"
    assert machine["EncryptionConfiguration"]["Type"] == "CUSTOMER_MANAGED_KMS_KEY"
    assert machine["EncryptionConfiguration"]["KmsKeyId"] == "<Key.Arn>"
    logging = machine["LoggingConfiguration"]
    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ERROR", False)
    (destination,) = logging["Destinations"]
    group = f"{name.title()}MachineLogGroup"
    assert destination == {"CloudWatchLogsLogGroup": {"LogGroupArn": f"<{group}.Arn>"}}
    assert deployment.properties(group)["RetentionInDays"] == "90"
    assert machine["RoleArn"] == f"<{name.title()}MachineRole.Arn>"


# what recognize gets --------------------------------------------------------------------------------------------------


def test_a_listed_object_becomes_a_scan_without_sequencer() -> None:
    item = {
        "Key": "张样例/a+b 100%.jpg", "Etag": f'"{_ETAG}"', "Size": 7, "LastModified": 1, "StorageClass": "STANDARD",
    }  # fmt: skip
    event = selected(definition("backfill")["States"]["ReadPrefix"]["ItemSelector"], item)
    ((scan,),) = [delivery.scans for delivery in parse(event).deliveries]
    assert scan == Scan(bucket="scans", key="张样例/a+b 100%.jpg", etag=_ETAG, size=7, sequencer=NO_SEQUENCER)


def test_a_folder_that_is_listed_is_no_scan() -> None:
    item = {"Key": "a/", "Etag": f'"{_ETAG}"', "Size": 0}
    event = selected(definition("backfill")["States"]["ReadPrefix"]["ItemSelector"], item)
    assert [delivery.scans for delivery in parse(event).deliveries] == [()]


def test_an_inventorys_row_becomes_a_scan_too_its_key_being_encoded() -> None:
    item = {"Bucket": "scans", "Key": "a%2Bb+100%25.jpg", "Size": "7", "ETag": _ETAG}
    event = selected(definition("backfill")["States"]["ReadInventory"]["ItemSelector"], item)
    ((scan,),) = [delivery.scans for delivery in parse(event).deliveries]
    assert scan == Scan(bucket="scans", key="a+b 100%.jpg", etag=_ETAG, sequencer=NO_SEQUENCER)


# what it bears --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("of", "task"), _MAPS.items())
def test_the_map_is_the_back_pressure_and_one_failure_is_its_own(of: str, task: str) -> None:
    state = definition("backfill")["States"][of]
    assert state["MaxConcurrencyPath"] == "$.max_concurrency"
    assert state["ToleratedFailurePercentage"] == 100
    assert state["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    assert state["ItemProcessor"]["States"].keys() == {task}


@pytest.mark.parametrize(("of", "task"), _MAPS.items())
def test_an_upload_is_tried_for_as_long_as_it_may_wait(template: Template, of: str, task: str) -> None:
    """Until recognize itself gives up, after MaxWaitHours: half of a delay is what jitter leaves of it on average."""
    waits, throttled, broken = definition("backfill")["States"][of]["ItemProcessor"]["States"][task]["Retry"]
    assert waits["ErrorEquals"] == [ScanNotFinishedError.__name__]
    hours = waits["MaxAttempts"] * waits["MaxDelaySeconds"] / 2 / 3600
    assert hours > template["Parameters"]["MaxWaitHours"]["MaxValue"]
    assert 5 * waits["MaxAttempts"] < 25_000, "events in the history of an execution"
    assert throttled["ErrorEquals"] == ["Lambda.TooManyRequestsException"]
    assert throttled["MaxAttempts"] * throttled["MaxDelaySeconds"] / 2 > 24 * 3600
    assert {"Lambda.ServiceException", "Lambda.Unknown"} <= set(broken["ErrorEquals"])
    lease = Settings.model_fields["lease_seconds"].default
    assert broken["IntervalSeconds"] >= lease, "the lease of a worker that died is over"


@pytest.mark.parametrize(("of", "task"), _MAPS.items())
def test_results_tell_no_key(of: str, task: str) -> None:
    writer = definition("backfill")["States"][of]["ResultWriter"]
    assert writer["Parameters"] == {"Bucket": "${AnswersBucket}", "Prefix": "backfills"}
    assert writer["WriterConfig"] == {"Transformation": "COMPACT", "OutputType": "JSONL"}, "outputs without inputs"


@pytest.mark.parametrize("name", ["backfill", "replay"])
def test_no_task_goes_without_a_retry(name: str) -> None:
    for state_name, state in states(definition(name)):
        assert state["Type"] != "Task" or state["Retry"], state_name


def test_a_segment_that_fails_fails_the_replay() -> None:
    state = definition("replay")["States"]["ReadTable"]
    assert not state.keys() & {"ToleratedFailurePercentage", "ToleratedFailureCount"}, "a report of a part is none"


def test_replay_changes_and_says_nothing_unless_told() -> None:
    defaults = definition("replay")["States"]["Defaults"]["Result"]
    assert (defaults["apply"], defaults["announce"]) == (False, False)
