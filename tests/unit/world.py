"""A small world for fast tests: AWS in this process (moto), and provider doubles that answer as the documents write.

`World.deliver` hands an event to the real wiring, as Lambda would; every AWS client can be told to die before or after
its n-th call.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import quote_plus

import boto3
import httpx
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sqs.models import sqs_backends

from cardintake import scans
from cardintake.aws import Clients
from cardintake.bootstrap import Application, wire
from cardintake.budget import Budget
from cardintake.items import plain
from cardintake.providers.client import ProviderClient
from cardintake.scans import record_id
from cardintake.worklist import Done

SCANS, ANSWERS, TABLE, BUS, SECRET, LOOKUP = "scans-here", "answers-here", "cards", "bus", "providers", "lookup"
CREDENTIALS = {
    "ctyun": {"base_url": "http://ctyun.test", "service_code": "svc0", "app_key": "key", "app_secret": "hush"},
    "accuauth": {"base_url": "http://accuauth.test", "api_id": "id", "api_secret": "hush"},
}
PORTRAIT = {
    "name": "张样例", "sex": "男", "nation": "汉", "birthday": "1990-03-07", "idn": "990105199003070037",
    "addr": "样例省样例市样例路1号", "org": "", "validperiod": "",
}  # fmt: skip
EMBLEM = {
    "name": "", "sex": "", "nation": "", "birthday": "", "idn": "", "addr": "", "org": "样例市公安局",
    "validperiod": "2019.06.06-2039.06.06",
}  # fmt: skip


class DiedError(BaseException):
    """The process is gone: nothing of ours may catch this."""


@cache
def _session() -> boto3.Session:
    """One for all worlds: loading the services' descriptions is most of what a world costs."""
    return boto3.Session(region_name="eu-west-1")


def ctyun_answer(detail: dict[str, str] = PORTRAIT, **result: object) -> httpx.Response:
    element = {"note": "back", "detail": detail, "idcard_face": "no face", "demo_image": "demo_image", "risk": "normal"}
    return httpx.Response(200, json={"code": 0, "message": {"success": 1, "fail": 0}, "result": [element | result]})


class ProviderDouble:
    """Answers calls with whatever is next in `script`, else with `default`; counts them by host."""

    def __init__(self) -> None:
        self.calls: list[httpx.Request] = []
        self.script: list[httpx.Response | BaseException | Callable[[httpx.Request], httpx.Response]] = []
        self.default: dict[str, Callable[[], httpx.Response]] = {"ctyun.test": ctyun_answer}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request)
        step = self.script.pop(0) if self.script else self.default[request.url.host]()
        if isinstance(step, BaseException):
            raise step
        return step(request) if callable(step) else step


class Mortal:
    """Wraps a client; counts calls and dies before or after the one that it was told."""

    def __init__(self, world: "World", client: Any) -> None:
        self._world, self._client = world, client

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if not callable(method) or name in ("get_paginator", "meta", "exceptions"):
            return method

        def atomic(*args: Any, **kwargs: Any) -> Any:
            # DynamoDB judges a condition and writes in one step; moto does so only while nobody else is at it
            with self._world.aws:
                return method(*args, **kwargs)

        def call(*args: Any, **kwargs: Any) -> Any:
            service = self._client.meta.service_model.service_name
            return self._world.outside(f"{service}.{name}", lambda: atomic(*args, **kwargs))

        return call


class MortalClients(Clients):
    """Clients of a process that can die; `None` for one that cannot."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        self.__dict__ |= {
            "s3": Mortal(world, world.s3),
            "dynamodb": Mortal(world, world.dynamodb),
            "sqs": Mortal(world, world.sqs),
            "events": Mortal(world, world.events),
            "secretsmanager": Mortal(world, world.secrets),
        }


class World:
    """One deployment. `now` moves the clock of records and states; `log` lists outside calls in order."""

    def __init__(self, **environment: str) -> None:
        self.aws = threading.Lock()
        session = _session()
        self.s3 = session.client("s3")
        self.dynamodb = session.client("dynamodb")
        self.sqs = session.client("sqs")
        self.events = session.client("events")
        self.secrets = session.client("secretsmanager")
        for bucket in (SCANS, ANSWERS):
            self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        self.dynamodb.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "record_id", "KeyType": "HASH"}],
            AttributeDefinitions=[
                {"AttributeName": "record_id", "AttributeType": "S"},
                {"AttributeName": "due_shard", "AttributeType": "S"},
                {"AttributeName": "due_at", "AttributeType": "N"},
                {"AttributeName": "case_id", "AttributeType": "S"},
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "due",
                    "KeySchema": [
                        {"AttributeName": "due_shard", "KeyType": "HASH"},
                        {"AttributeName": "due_at", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                },
                {
                    "IndexName": "cases",
                    "KeySchema": [
                        {"AttributeName": "case_id", "KeyType": "HASH"},
                        {"AttributeName": "record_id", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                },
            ],
        )
        self.queue = self.sqs.create_queue(QueueName="scans")["QueueUrl"]
        self.heard = self.sqs.create_queue(QueueName="heard")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.heard, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.events.create_event_bus(Name=BUS)
        self.events.put_rule(Name="all", EventBusName=BUS, EventPattern=json.dumps({"source": ["cardintake"]}))
        self.events.put_targets(Rule="all", EventBusName=BUS, Targets=[{"Id": "heard", "Arn": arn}])
        self.secrets.create_secret(Name=SECRET, SecretString=json.dumps(CREDENTIALS))
        self.secrets.create_secret(Name=LOOKUP, SecretString="the key of the hashes")
        self.provider = ProviderDouble()
        self.environment = {
            "CARDS_TABLE": TABLE, "ANSWERS_BUCKET": ANSWERS, "EVENT_BUS": BUS, "PROVIDERS": "ctyun",
            "PROVIDERS_SECRET": SECRET, "RETENTION_DAYS": "30", "QUEUE_URL": self.queue,
            "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        } | environment  # fmt: skip
        self.log: list[str] = []
        self.die: tuple[int, str] | None = None
        self.died_at: str | None = None
        self.sequence = 0x1000
        self.process = self.new_process()

    # the process ------------------------------------------------------------------------------------------------------

    def new_process(self, **environment: str) -> Application:
        self.environment |= environment
        self.died_at = None
        client = ProviderClient(httpx.MockTransport(self._call_provider), sleep=lambda _: None)
        self.process = wire(self.environment, MortalClients(self), lambda: client)
        return self.process

    def _call_provider(self, request: httpx.Request) -> httpx.Response:
        answer: httpx.Response = self.outside("provider", lambda: self.provider(request))
        return answer

    def outside(self, name: str, call: Callable[[], Any]) -> Any:
        """One call to the world outside. A process that has died makes no more of them, whatever its code tries."""
        if self.died_at is not None:
            raise DiedError
        self.log.append(name)
        at, when = self.die or (0, "")
        if at == len(self.log):
            self.died_at = name
            if when == "after":
                call()
            raise DiedError
        return call()

    def deliver(self, event: object, seconds: float = 50) -> Done:
        self.log.clear()
        return self.process.worklist.run(scans.parse(event), Budget(time.monotonic() + seconds))

    # uploads ----------------------------------------------------------------------------------------------------------

    def upload(self, key: str, body: bytes, **metadata: str) -> dict[str, Any]:
        """Puts an object; returns S3's notification of it, as the queue delivers it."""
        return sqs_event(self.notification(key, self.s3_put(key, body, **metadata), len(body)))

    def s3_put(self, key: str, body: bytes, **metadata: str) -> str:
        """Puts an object; its etag."""
        return self.s3.put_object(Bucket=SCANS, Key=key, Body=body, Metadata=metadata)["ETag"].strip('"')

    def remove(self, key: str) -> dict[str, Any]:
        self.s3.delete_object(Bucket=SCANS, Key=key)
        return sqs_event(self.notification(key, None, None, name="ObjectRemoved:Delete"))

    def notification(
        self, key: str, etag: str | None, size: int | None, name: str = "ObjectCreated:Put"
    ) -> dict[str, Any]:
        self.sequence += 1
        described: dict[str, Any] = {"key": quote_plus(key, safe="/"), "sequencer": f"{self.sequence:016X}"}
        if etag is not None:
            described |= {"eTag": etag, "size": size}
        record = {
            "eventSource": "aws:s3", "eventName": name, "eventTime": "2026-01-15T08:30:00.000Z",
            "s3": {"bucket": {"name": SCANS}, "object": described},
        }  # fmt: skip
        return {"Records": [record]}

    # what can be seen -------------------------------------------------------------------------------------------------

    def item(self, item_id: str) -> dict[str, Any]:
        return plain(self.dynamodb.get_item(TableName=TABLE, Key={"record_id": {"S": item_id}}).get("Item"))

    def record(self, key: str) -> dict[str, Any]:
        return self.item(record_id(SCANS, key))

    def set_secret(self, content: object) -> None:
        text = content if isinstance(content, str) else json.dumps(content)
        self.secrets.put_secret_value(SecretId=SECRET, SecretString=text)

    def messages(self, queue: str | None = None) -> list[dict[str, Any]]:
        """Takes all messages that the queue delivers now."""
        found = []
        for _ in range(20):
            answer = self.sqs.receive_message(QueueUrl=queue or self.queue, MaxNumberOfMessages=10)
            for message in answer.get("Messages", []):
                found.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=queue or self.queue, ReceiptHandle=message["ReceiptHandle"])
            if not answer.get("Messages"):
                return found
        return found

    def messages_without_delay(self) -> list[dict[str, Any]]:
        """Takes what was sent to the queue again, as if its delay were over."""
        for backend in sqs_backends[DEFAULT_ACCOUNT_ID].values():
            for queue in backend.queues.values():
                for message in queue._messages:
                    message.delayed_until = 0
        return self.messages()

    def heard_events(self) -> list[dict[str, Any]]:
        return self.messages(self.heard)

    def let_leases_run_out(self) -> None:
        """As if `lease_seconds` had passed: for records, content claims and trials."""
        self._set_everywhere({"lease_until", "trial_until", "due_at"})

    def let_pauses_run_out(self) -> None:
        """As if the providers' pauses were over."""
        self._set_everywhere({"paused_until"})

    def _set_everywhere(self, names: set[str]) -> None:
        for item in self.dynamodb.scan(TableName=TABLE)["Items"]:
            for name in names & item.keys():
                self._set_number(item["record_id"], name, 1)

    def set_number(self, key: str, name: str, value: int) -> None:
        self._set_number({"S": record_id(SCANS, key)}, name, value)

    def _set_number(self, item_id: Any, name: str, value: int) -> None:
        self.dynamodb.update_item(
            TableName=TABLE,
            Key={"record_id": item_id},
            UpdateExpression="SET #name = :value",
            ExpressionAttributeNames={"#name": name},
            ExpressionAttributeValues={":value": {"N": str(value)}},
        )


def sqs_event(*bodies: object, receive_count: int = 1) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": f"m-{index}", "eventSource": "aws:sqs",
                "body": body if isinstance(body, str) else json.dumps(body),
                "attributes": {"ApproximateReceiveCount": str(receive_count)},
            }
            for index, body in enumerate(bodies)
        ]
    }  # fmt: skip


@contextmanager
def a_world(**environment: str) -> Iterator[World]:
    with mock_aws():
        yield World(**environment)
