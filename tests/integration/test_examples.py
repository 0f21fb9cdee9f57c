"""The example subscribers, deployed beside the application as their READMEs say, with events of uploaded cards.

The emulator runs their function inside its own Python, and enforces their roles and policies.
"""

import json
import random
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local.building import run_sam
from local.cardprinter import SPOILS, encode, print_card, print_card_with_wrong_check_digit
from local.environment import REGION, REPOSITORY
from local.stack import STACK_NAME, Stack
from tests.integration.pipeline import Pipeline
from tests.integration.test_policies import arn_of
from tests.unit.test_examples import module

pytestmark = pytest.mark.emulator

_SEEDS = iter(range(12_000, 13_000))


@pytest.fixture(scope="module")
def deployed(stack: Stack) -> dict[str, dict[str, str]]:
    """The outputs of both examples."""
    for name in ("better-photo", "review-queue"):
        folder = REPOSITORY / "examples" / name
        run_sam("deploy", "deploy", "--config-env", "local", endpoint_url=stack.endpoint_url, cwd=folder)
    described = stack.client("cloudformation").describe_stacks()["Stacks"]
    return {
        one["StackName"]: {output["OutputKey"]: output["OutputValue"] for output in one["Outputs"]}
        for one in described
        if one.get("Outputs")
    }


@pytest.fixture
def asked_for(stack: Stack, deployed: dict[str, dict[str, str]]) -> Iterator[Iterator[dict[str, Any]]]:
    """What the example's own listener hears."""
    with module("better-photo/listen.py").messages(_session(stack), "better-photo") as heard:
        yield heard


class _Session(boto3.Session):
    """A session of the emulator: the environment names none, where several run."""

    endpoint_url = ""

    def client(self, service_name: str, *_: Any, **__: Any) -> Any:
        return super().client(service_name, endpoint_url=self.endpoint_url)  # type: ignore[call-overload]


def _session(stack: Stack, **credentials: str) -> _Session:
    root = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    session = _Session(region_name=REGION, **(credentials or root))  # type: ignore[arg-type]
    session.endpoint_url = stack.endpoint_url
    return session


def folder() -> str:
    return f"cn/{uuid.uuid4().hex[:6].translate(str.maketrans('0123456789', 'ghijklmnop'))}/C-{next(_SEEDS)}"


def again(pipeline: Pipeline, event: dict[str, Any]) -> None:
    """The same fact once more, as a delivery repeated by EventBridge or a replay of the archive."""
    entry = {
        "Source": event["source"],
        "DetailType": event["detail-type"],
        "Detail": json.dumps(event["detail"]),
        "EventBusName": pipeline.outputs.event_bus,
    }
    assert pipeline.stack.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0


def test_a_blurred_card_is_asked_for_again_once(pipeline: Pipeline, asked_for: Iterator[dict[str, Any]]) -> None:
    card = print_card("cn_portrait", next(_SEEDS))
    blurred = SPOILS["blur"].apply(card.picture, random.Random(1))
    record = pipeline.record(pipeline.upload(f"{folder()}/portrait.jpg", encode(blurred)))
    message = next(asked_for)
    assert (message["record_id"], message["case_id"]) == (record["record_id"], record["case_id"])
    assert message["reasons"] == record["reasons"] == ["IMAGE_BLURRED"]
    assert message["ask"]["zh"].startswith("照片模糊")

    again(pipeline, pipeline.event("Card Low Quality", record["record_id"]))
    # Another upload's message comes after the repeat, so nothing was sent for that one.
    other = pipeline.upload(f"{folder()}/notes.jpg", f"This is a text. {uuid.uuid4()}".encode() * 100)
    message = next(asked_for)
    assert (message["record_id"], message["reasons"]) == (other, ["IMAGE_UNSUPPORTED"])


def test_a_suspected_card_waits_for_a_person_once(
    pipeline: Pipeline, stack: Stack, deployed: dict[str, dict[str, str]]
) -> None:
    card = print_card_with_wrong_check_digit("cn_portrait", next(_SEEDS))
    record = pipeline.record(pipeline.upload(f"{folder()}/portrait.jpg", encode(card.picture)))
    review, policy = module("review-queue/review.py"), deployed["review-queue"]["ReviewerPolicyArn"]
    session = _session(stack, **_reviewer(stack, policy, arn_of(stack, "StatusReaderPolicy")))
    # As root: the emulator denies DescribeStacks to a policy that names stacks and not "*".
    outputs = review.outputs_of(_session(stack), STACK_NAME, "review-queue")
    queue = review.ReviewQueue(session, outputs)

    waiting = pipeline.eventually(queue.next, "the suspected card in the review queue")
    assert waiting.event.data.record_id == record["record_id"]
    status = queue.status(waiting)
    assert status == {name: record[name] for name in status}
    assert status["reasons"] == ["ID_NUMBER_INVALID"]
    assert "card" not in status
    with pytest.raises(ClientError, match="AccessDenied"):
        queue.card(waiting)
    permitted = _session(stack, **_reviewer(stack, policy, arn_of(stack, "RecordReaderPolicy")))
    assert review.ReviewQueue(permitted, outputs).card(waiting) == record["card"]

    queue.decide(waiting, "accepted")
    again(pipeline, pipeline.event("Card Risk Suspected", record["record_id"]))

    def repeat_has_arrived() -> bool | None:
        asked = {"QueueUrl": outputs["ReviewQueueUrl"], "AttributeNames": ["ApproximateNumberOfMessages"]}
        count = stack.client("sqs").get_queue_attributes(**asked)["Attributes"]["ApproximateNumberOfMessages"]
        return True if int(count) else None

    pipeline.eventually(repeat_has_arrived, "the repeat in the review queue")
    assert queue.next() is None


def _reviewer(stack: Stack, *policies: str) -> dict[str, str]:
    """Credentials of a role that has these managed policies and nothing else."""
    iam, sts, name = stack.client("iam"), stack.client("sts"), f"reviewer-{uuid.uuid4().hex[:12]}"
    account = sts.get_caller_identity()["Account"]
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    for policy in policies:
        iam.attach_role_policy(RoleName=name, PolicyArn=policy)
    given = sts.assume_role(RoleArn=arn, RoleSessionName="review")["Credentials"]
    return {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }
