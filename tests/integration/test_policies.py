"""Policies of resources and policies for other people's roles, tried on the emulator with roles that have nothing else.

The functions' own roles: test_permissions.py. A policy for others is attached as an operator attaches it; for the proof
that an action is needed, a role gets a copy without that action.
"""

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.environment import REGION
from local.stack import STACK_NAME, Stack
from tests.unit.template.cloudformation import REPOSITORY
from tests.unit.template.documented_statements import BY_DOCUMENTATION

pytestmark = pytest.mark.emulator

_RECORD = {
    "record_id": {"S": "scan_0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"},
    "status": {"S": "RECOGNIZED"},
    "reasons": {"L": [{"S": "PHOTOCOPY"}]},
    "case_id": {"S": "C-1001"},
    "key": {"S": "C-1001/specimen.jpg"},
    "card": {"M": {"name": {"S": "张样例"}, "document_type": {"S": "cn_resident_id"}}},
}
_KEY = {"record_id": _RECORD["record_id"]}
_STATUS = {"ProjectionExpression": "#s, reasons", "ExpressionAttributeNames": {"#s": "status"}}

type Clients = Callable[[str], Any]
type Probe = Callable[[Clients, Stack], None]


@pytest.fixture(scope="module", autouse=True)
def _stored(stack: Stack) -> Iterator[None]:
    """One record, and one scan that no function looks at."""
    stack.client("dynamodb").put_item(TableName=stack.outputs.cards_table, Item=_RECORD)
    stack.client("s3").put_object(Bucket=stack.outputs.answers_bucket, Key="ctyun/specimen", Body=b"{}")
    yield
    stack.client("dynamodb").delete_item(TableName=stack.outputs.cards_table, Key=_KEY)
    stack.client("s3").delete_object(Bucket=stack.outputs.answers_bucket, Key="ctyun/specimen")


# ── What they are for ─────────────────────────────────────────────────────────────────────────────────────────────────


def uploads_a_scan(clients: Clients, stack: Stack) -> None:
    clients("s3").put_object(Bucket=stack.outputs.scans_bucket, Key=f"x/{uuid.uuid4().hex}", Body=b"not a picture")


def reads_a_record(clients: Clients, stack: Stack) -> None:
    found = clients("dynamodb").get_item(TableName=stack.outputs.cards_table, Key=_KEY)
    assert found["Item"] == _RECORD


def reads_several_records(clients: Clients, stack: Stack) -> None:
    table = stack.outputs.cards_table
    found = clients("dynamodb").batch_get_item(RequestItems={table: {"Keys": [_KEY]}})
    assert found["Responses"][table] == [_RECORD]


def reads_status_and_reasons(clients: Clients, stack: Stack) -> None:
    found = clients("dynamodb").get_item(TableName=stack.outputs.cards_table, Key=_KEY, **_STATUS)
    assert found["Item"] == {"status": _RECORD["status"], "reasons": _RECORD["reasons"]}


def finds_the_records_of_a_case(clients: Clients, stack: Stack) -> None:
    found = clients("dynamodb").query(TableName=stack.outputs.cards_table, IndexName="cases", **_OF_THE_CASE)
    assert [item["record_id"] for item in found["Items"]] == [_RECORD["record_id"]]


_OF_THE_CASE = {
    "KeyConditionExpression": "case_id = :case",
    "ExpressionAttributeValues": {":case": _RECORD["case_id"]},
}
PROOFS_FOR_OTHERS: dict[str, dict[tuple[str, str], Probe]] = {
    "UploaderPolicy": {("UploadScans", "s3:PutObject"): uploads_a_scan},
    "RecordReaderPolicy": {
        ("ReadRecords", "dynamodb:GetItem"): reads_a_record,
        ("ReadRecords", "dynamodb:BatchGetItem"): reads_several_records,
        ("FindCases", "dynamodb:Query"): finds_the_records_of_a_case,
    },
    "StatusReaderPolicy": {
        ("ReadStatus", "dynamodb:GetItem"): reads_status_and_reasons,
        ("FindCases", "dynamodb:Query"): finds_the_records_of_a_case,
    },
}
NOTIFIED = {"QueuePolicy": {("NotificationsOfTheScansBucket", "sqs:SendMessage")}}
"""Proven by test_only_our_bucket_may_notify_the_queue_and_only_by_its_policy."""


@pytest.mark.parametrize(
    ("policy", "statement", "action"),
    [(policy, *taken) for policy, proofs in PROOFS_FOR_OTHERS.items() for taken in proofs],
)
def test_it_works_with_the_policy_and_not_without_the_action(
    policy: str, statement: str, action: str, stack: Stack
) -> None:
    probe = PROOFS_FOR_OTHERS[policy][statement, action]
    with role(stack, attached=policy) as clients:
        probe(clients, stack)
    document = document_of(stack, policy)
    kept = [one | {"Action": without(one, action)} if one["Sid"] == statement else one for one in document["Statement"]]
    reduced = document | {"Statement": [one for one in kept if one["Action"]]}
    assert reduced != document
    with role(stack, inline=reduced) as clients, refused():
        probe(clients, stack)


# ── The identity is kept apart ────────────────────────────────────────────────────────────────────────────────────────


_IDENTITY: dict[str, dict[str, Any]] = {
    "the card": {"ProjectionExpression": "card"},
    "a field of it": {"ProjectionExpression": "card.#n", "ExpressionAttributeNames": {"#n": "name"}},
    "the card, under an alias": {
        "ProjectionExpression": "#s, #c",
        "ExpressionAttributeNames": {"#s": "status", "#c": "card"},
    },
    "the object's key": {"ProjectionExpression": "#k", "ExpressionAttributeNames": {"#k": "key"}},
    "the card, the old way": {"AttributesToGet": ["status", "card"]},
    "the whole record": {},
}


@pytest.mark.parametrize("asked", _IDENTITY.values(), ids=_IDENTITY)
def test_who_may_read_the_status_is_denied(asked: Mapping[str, Any], stack: Stack) -> None:
    with role(stack, attached="StatusReaderPolicy") as clients:
        reads_status_and_reasons(clients, stack)
        with refused():
            clients("dynamodb").get_item(TableName=stack.outputs.cards_table, Key=_KEY, **asked)


def test_who_may_read_the_status_has_no_other_way_to_the_card(stack: Stack) -> None:
    outputs, table = stack.outputs, stack.outputs.cards_table
    with role(stack, attached="StatusReaderPolicy") as clients:
        dynamodb, s3 = clients("dynamodb"), clients("s3")
        of_the_record = {
            "KeyConditionExpression": "record_id = :id",
            "ExpressionAttributeValues": {":id": _KEY["record_id"]},
        }
        ways: list[Callable[[], object]] = [
            lambda: dynamodb.batch_get_item(RequestItems={table: {"Keys": [_KEY], **_STATUS}}),
            lambda: dynamodb.query(TableName=table, **of_the_record),
            lambda: dynamodb.scan(TableName=table),
            lambda: dynamodb.scan(TableName=table, IndexName="cases"),
            lambda: dynamodb.transact_get_items(TransactItems=[{"Get": {"TableName": table, "Key": _KEY}}]),
            lambda: dynamodb.execute_statement(Statement=f'SELECT * FROM "{table}"'),  # noqa: S608 - refused anyway
            lambda: s3.get_object(Bucket=outputs.answers_bucket, Key="ctyun/specimen"),
            lambda: s3.list_objects_v2(Bucket=outputs.scans_bucket),
            lambda: clients("secretsmanager").get_secret_value(SecretId=outputs.lookup_secret),
            lambda: clients("sqs").receive_message(QueueUrl=outputs.queue_url),
        ]
        for way in ways:
            with refused():
                way()


def test_the_documented_denial_takes_the_identity_from_somebody_who_may_read_everything(stack: Stack) -> None:
    table = stack.outputs.cards_table
    arn = stack.client("dynamodb").describe_table(TableName=table)["Table"]["TableArn"]
    text = (REPOSITORY / "docs" / "permissions.md").read_text(encoding="utf-8")
    (written,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    denial = json.loads(written.replace("<table>", arn))
    everything = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": arn}
    with role(stack, inline=denial | {"Statement": [everything]}) as clients:
        reads_a_record(clients, stack)
    with role(stack, inline=denial | {"Statement": [everything, *denial["Statement"]]}) as clients:
        reads_status_and_reasons(clients, stack)
        for asked in _IDENTITY.values():
            with refused():
                clients("dynamodb").get_item(TableName=table, Key=_KEY, **asked)
        with refused():
            clients("dynamodb").scan(TableName=table)


def test_uploaders_cannot_look_at_what_is_there(stack: Stack) -> None:
    outputs = stack.outputs
    with role(stack, attached="UploaderPolicy") as clients:
        s3 = clients("s3")
        ways: list[Callable[[], object]] = [
            lambda: s3.get_object(Bucket=outputs.scans_bucket, Key="x/y"),
            lambda: s3.list_objects_v2(Bucket=outputs.scans_bucket),
            lambda: s3.delete_object(Bucket=outputs.scans_bucket, Key="x/y"),
            lambda: s3.put_object(Bucket=outputs.answers_bucket, Key="x/y", Body=b""),
        ]
        for way in ways:
            with refused():
                way()


# ── Policies of the resources ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_role_without_a_policy_may_do_nothing(stack: Stack) -> None:
    """The emulator does enforce."""
    for proofs in PROOFS_FOR_OTHERS.values():
        for probe in proofs.values():
            with role(stack) as clients, refused():
                probe(clients, stack)


def test_only_our_bucket_may_notify_the_queue_and_only_by_its_policy(stack: Stack) -> None:
    """S3 asks the queue's policy when it is told to notify, and again at each notification."""
    s3, sqs, outputs = stack.client("s3"), stack.client("sqs"), stack.outputs
    wanted = s3.get_bucket_notification_configuration(Bucket=outputs.scans_bucket)
    del wanted["ResponseMetadata"]
    other = f"other-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=other, CreateBucketConfiguration={"LocationConstraint": REGION})

    def notify(bucket: str) -> None:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wanted)

    notify(outputs.scans_bucket)
    with pytest.raises(ClientError, match="Unable to validate the following destination"):
        notify(other)
    policy = sqs.get_queue_attributes(QueueUrl=outputs.queue_url, AttributeNames=["Policy"])["Attributes"]["Policy"]
    sqs.set_queue_attributes(QueueUrl=outputs.queue_url, Attributes={"Policy": ""})
    try:
        with pytest.raises(ClientError, match="Unable to validate the following destination"):
            notify(outputs.scans_bucket)
    finally:
        sqs.set_queue_attributes(QueueUrl=outputs.queue_url, Attributes={"Policy": policy})


@pytest.mark.parametrize("resource", ["scans", "answers"])
def test_a_bucket_refuses_what_is_not_tls(resource: str, stack: Stack) -> None:
    bucket = stack.outputs.scans_bucket if resource == "scans" else stack.outputs.answers_bucket
    statement = BY_DOCUMENTATION[f"{resource.title()}BucketPolicy"]["TlsOnly"]
    with role(stack, inline=may("s3:*")) as clients:
        clients("s3").list_objects_v2(Bucket=bucket)
        with bucket_policy(stack, bucket, statement), refused():
            clients("s3").list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("policy", ["QueuePolicy", "DeadLetterQueuePolicy"])
def test_a_queue_refuses_what_is_not_tls(policy: str, stack: Stack) -> None:
    """On a queue of its own: not even the root user could take the statement away again over plain HTTP."""
    sqs = stack.client("sqs")
    url = sqs.create_queue(QueueName=f"locked-{uuid.uuid4().hex[:12]}")["QueueUrl"]
    asked = {"QueueUrl": url, "AttributeNames": ["QueueArn"]}
    arn = sqs.get_queue_attributes(**asked)["Attributes"]["QueueArn"]
    document = {"Version": "2012-10-17", "Statement": [BY_DOCUMENTATION[policy]["TlsOnly"] | {"Resource": arn}]}
    with role(stack, inline=may("sqs:*")) as clients:
        clients("sqs").get_queue_attributes(**asked)
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(document)})
        with refused():
            clients("sqs").get_queue_attributes(**asked)


def test_a_scan_cannot_be_put_under_another_encryption(stack: Stack) -> None:
    bucket = stack.outputs.scans_bucket
    statement = BY_DOCUMENTATION["ScansBucketPolicy"]["UnderOurKeyOnly"]
    with role(stack, attached="UploaderPolicy") as clients, bucket_policy(stack, bucket, statement):
        uploads_a_scan(clients, stack)
        for own in (
            {"ServerSideEncryption": "AES256"},
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/other"},
        ):
            with refused():
                clients("s3").put_object(Bucket=bucket, Key="x/own", Body=b"", **own)


# ── Roles and policies ────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def role(stack: Stack, *, attached: str | None = None, inline: Mapping[str, Any] | None = None) -> Iterator[Clients]:
    """Clients of somebody whose role has one managed policy of the stack, or the policy given, or none."""
    iam, name = stack.client("iam"), f"somebody-{uuid.uuid4().hex[:12]}"
    account = stack.client("sts").get_caller_identity()["Account"]
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}
    document = {"Version": "2012-10-17", "Statement": [trust]}
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document))["Role"]["Arn"]
    if attached:
        iam.attach_role_policy(RoleName=name, PolicyArn=arn_of(stack, attached))
    if inline:
        iam.put_role_policy(RoleName=name, PolicyName="given", PolicyDocument=json.dumps(inline))
    given = stack.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]

    def client(service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=stack.endpoint_url,
            region_name=REGION,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1, "mode": "standard"}),
        )

    yield client


def arn_of(stack: Stack, policy: str) -> str:
    """A managed policy of the stack, as its output names it."""
    described = stack.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"][0]
    return next(str(one["OutputValue"]) for one in described["Outputs"] if one["OutputKey"] == f"{policy}Arn")


def document_of(stack: Stack, policy: str) -> dict[str, Any]:
    """What a managed policy of the stack says."""
    arn, iam = arn_of(stack, policy), stack.client("iam")
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    found: dict[str, Any] = json.loads(document) if isinstance(document, str) else document
    return found


def without(statement: Mapping[str, Any], action: str) -> list[str]:
    named = statement["Action"]
    return [each for each in ([named] if isinstance(named, str) else named) if each != action]


def may(action: str) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}


@contextmanager
def bucket_policy(stack: Stack, bucket: str, statement: Mapping[str, Any]) -> Iterator[None]:
    """The bucket with a statement that on AWS it has, for these resources."""
    here = {"Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}
    policy = {"Version": "2012-10-17", "Statement": [{**statement, **here}]}
    stack.client("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    try:
        yield
    finally:
        stack.client("s3").delete_bucket_policy(Bucket=bucket)


@contextmanager
def refused() -> Iterator[None]:
    """Refused for want of permission, and for nothing else."""
    with pytest.raises(ClientError) as failed:
        yield
    assert failed.value.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}, failed.value
