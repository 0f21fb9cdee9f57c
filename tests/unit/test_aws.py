"""The AWS clients themselves: what they send and understand is what boto3's would, and each is made once."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from cardintake.aws import Clients, error_code

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest

SERVICES = ("s3", "dynamodb", "sqs", "events", "secretsmanager")


@pytest.fixture
def clients() -> Iterator[Clients]:
    with mock_aws():
        yield Clients()


@pytest.mark.parametrize("service", SERVICES)
def test_a_client_knows_what_boto3s_knows(service: str, clients: Clients) -> None:
    ours, boto3s = getattr(clients, service).meta, boto3.Session().client(service).meta  # type: ignore[call-overload]
    assert ours.service_model.operation_names == boto3s.service_model.operation_names
    assert ours.endpoint_url == boto3s.endpoint_url
    for name in ours.service_model.operation_names:
        one, other = ours.service_model.operation_model(name), boto3s.service_model.operation_model(name)
        for shape, others in ((one.input_shape, other.input_shape), (one.output_shape, other.output_shape)):
            assert (shape and list(shape.members)) == (others and list(others.members)), name


def test_every_service_is_really_called(clients: Clients) -> None:
    clients.s3.create_bucket(Bucket="b-for-test", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    clients.s3.put_object(Bucket="b-for-test", Key="a/样例.jpg", Body=b"\x00\xff", Metadata={"side": "portrait"})
    found = clients.s3.get_object(Bucket="b-for-test", Key="a/样例.jpg")
    assert (found["Body"].read(), found["Metadata"]) == (b"\x00\xff", {"side": "portrait"})
    clients.dynamodb.create_table(
        TableName="t", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )  # fmt: skip
    clients.dynamodb.put_item(TableName="t", Item={"id": {"S": "1"}, "map": {"M": {"n": {"N": "1"}}}})
    assert clients.dynamodb.get_item(TableName="t", Key={"id": {"S": "1"}})["Item"]["map"] == {"M": {"n": {"N": "1"}}}
    queue = clients.sqs.create_queue(QueueName="q")["QueueUrl"]
    clients.sqs.send_message(QueueUrl=queue, MessageBody="hello", DelaySeconds=0)
    assert clients.sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"] == "hello"
    answer = clients.events.put_events(Entries=[{"Source": "s", "DetailType": "d", "Detail": "{}"}])
    assert answer["FailedEntryCount"] == 0
    clients.secretsmanager.create_secret(Name="s", SecretString="{}")
    assert clients.secretsmanager.get_secret_value(SecretId="s")["SecretString"] == "{}"


def test_an_upload_is_sent_at_once_and_with_its_checksum(clients: Clients) -> None:
    sent: list[AWSPreparedRequest] = []
    clients.s3.create_bucket(Bucket="b-for-test", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    clients.s3.meta.events.register_first("before-send.s3.PutObject", lambda request, **_: sent.append(request))
    clients.s3.put_object(Bucket="b-for-test", Key="answer", Body=b"{}")
    (headers,) = [request.headers for request in sent]
    assert "Expect" not in headers
    assert b"crc32" in headers["X-Amz-Trailer"] + headers["x-amz-sdk-checksum-algorithm"].lower()


def test_errors_are_the_services_own(clients: Clients) -> None:
    with pytest.raises(ClientError) as missing:
        clients.secretsmanager.get_secret_value(SecretId="none")
    assert error_code(missing.value) == "ResourceNotFoundException"


def test_threads_that_need_a_client_at_once_get_the_same(clients: Clients) -> None:
    together = threading.Barrier(8)

    def ask(_: int) -> tuple[int, int]:
        together.wait()
        return id(clients.s3), id(clients.events)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1
