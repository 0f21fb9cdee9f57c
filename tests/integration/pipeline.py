"""The running application as an uploader, a subscriber and an operator see it."""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus

import boto3.dynamodb.types

from cardintake import scans
from local.laptop import Laptop

PATIENCE_SECONDS = 60.0
_QUIET_SECONDS = 1


class Pipeline:
    """Uploads, records, events. `queue_url` is a subscriber's queue on the bus."""

    def __init__(self, laptop: Laptop, queue_url: str) -> None:
        self.stack = laptop.stack
        self.sandbox = laptop.sandbox
        self.outputs = laptop.stack.outputs
        self._credentials = laptop.sandbox.credentials
        self._queue_url = queue_url
        self._heard: list[dict[str, Any]] = []
        self._configured = False
        functions = laptop.stack.client("lambda")
        self._deployed: dict[str, dict[str, str]] = {
            name: functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
            for name in self._functions()
        }

    # ── uploader ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def upload(self, key: str, data: bytes, **metadata: str) -> str:
        """Puts an object into the scans bucket; the id of its record."""
        self.stack.client("s3").put_object(
            Bucket=self.outputs.scans_bucket,
            Key=key,
            Body=data,
            Metadata={name.replace("_", "-"): value for name, value in metadata.items()},
        )
        return self.record_id(key)

    def record_id(self, key: str) -> str:
        return scans.record_id(self.outputs.scans_bucket, key)

    def remove(self, key: str) -> None:
        self.stack.client("s3").delete_object(Bucket=self.outputs.scans_bucket, Key=key)

    def answers(self) -> set[str]:
        """Keys in the answers bucket."""
        pages = self.stack.client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.outputs.answers_bucket)
        return {item["Key"] for page in pages for item in page.get("Contents", ())}

    # ── reader ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def item(self, record_id: str) -> dict[str, Any] | None:
        """An item of the table as it is now."""
        found = self.stack.client("dynamodb").get_item(
            TableName=self.outputs.cards_table, Key={"record_id": {"S": record_id}}, ConsistentRead=True
        )
        item = found.get("Item")
        plain = boto3.dynamodb.types.TypeDeserializer().deserialize
        return {name: plain(value) for name, value in item.items()} if item else None

    def record(self, record_id: str, until: Callable[[dict[str, Any]], bool] | None = None) -> dict[str, Any]:
        """The record, once `until` is true of it; by default, once it is not in work any more."""
        reached = until or (lambda record: record["status"] != "PROCESSING")

        def look() -> dict[str, Any] | None:
            record = self.item(record_id)
            return record if record and reached(record) else None

        return self.eventually(look, f"record {record_id}; it is {self.item(record_id)}")

    def eventually[T](self, look: Callable[[], T | None], what: str) -> T:
        """What `look` finds. Fails with the functions' log when it finds nothing."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := look()) is None:
            if time.monotonic() > deadline:
                logs = [self.stack.function_log(name) for name in self._functions()]
                raise AssertionError(f"In vain: {what}\n" + "\n".join(line for log in logs for line in log[-30:]))
            time.sleep(0.05)
        return found

    # ── subscriber ────────────────────────────────────────────────────────────────────────────────────────────────────

    def event(self, detail_type: str, record_id: str) -> dict[str, Any]:
        """The event about this record, as EventBridge delivered it."""
        return self.eventually(
            lambda: next(iter(self._about(detail_type, record_id)), None), f"{detail_type}; heard: {self._heard}"
        )

    def events_about(self, record_id: str) -> list[dict[str, Any]]:
        """Every event about this record, after a while in which nothing more came."""
        while self._listen(_QUIET_SECONDS):
            pass
        return [event for event in self._heard if event["detail"]["data"].get("record_id") == record_id]

    def provider_event(self, detail_type: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            self._listen(0)
            return next((event for event in self._heard if event["detail-type"] == detail_type), None)

        return self.eventually(look, detail_type)

    def _about(self, detail_type: str, record_id: str) -> list[dict[str, Any]]:
        self._listen(0)
        return [
            event
            for event in self._heard
            if event["detail-type"] == detail_type and event["detail"]["data"].get("record_id") == record_id
        ]

    def _listen(self, seconds: int) -> int:
        sqs = self.stack.client("sqs")
        received = sqs.receive_message(QueueUrl=self._queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=seconds)
        messages = received.get("Messages", [])
        for message in messages:
            self._heard.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])
        return len(messages)

    # ── operator ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def invoke(self, event: object, function: str | None = None) -> Any:
        """The answer of a function, recognize by default. Raises InvocationFailedError with its error."""
        answer = self.stack.client("lambda").invoke(
            FunctionName=function or self.outputs.recognize_function, Payload=json.dumps(event).encode()
        )
        payload = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise InvocationFailedError(payload)
        return payload

    def log_with(self, words: str) -> str:
        """The log of recognize, once it says this: the last lines of a scan come after its record."""

        def look() -> str | None:
            log = "\n".join(self.stack.function_log(self.outputs.recognize_function))
            return log if words in log else None

        return self.eventually(look, f"{words} in the log")

    def sweep(self) -> Any:
        return self.invoke({}, self.outputs.sweep_function)

    def put_credentials(self, **providers: Mapping[str, object]) -> None:
        """Changes members of the secret, and lets the function start anew, which forgets what it cached of it."""
        self.stack.put_credentials({**self._credentials, **providers})
        self.configure()

    def configure(self, **variables: str) -> None:
        """Changes variables of recognize, which starts anew with the next invocation."""
        self._configured = True
        self._start_anew(self.outputs.recognize_function, variables)

    def start_anew(self) -> None:
        """Both functions start anew with the next invocation, and have forgotten everything."""
        for function in self._functions():
            self._start_anew(function, {})

    def _start_anew(self, function: str, variables: Mapping[str, str]) -> None:
        anew = {"STARTED_ANEW": uuid.uuid4().hex}
        self.stack.client("lambda").update_function_configuration(
            FunctionName=function, Environment={"Variables": {**self._deployed[function], **variables, **anew}}
        )

    def mend(self) -> None:
        """Undoes what a test did to the application."""
        self.sandbox.clear_faults()
        if self._configured:
            self.put_credentials()

    def _functions(self) -> tuple[str, str]:
        return self.outputs.recognize_function, self.outputs.sweep_function


class InvocationFailedError(Exception):
    """A function raised: its `errorType`, and its `errorMessage` as the text."""

    def __init__(self, payload: Mapping[str, Any]) -> None:
        super().__init__(payload["errorMessage"])
        self.error_type: str = payload["errorType"]


def notification(bucket: str, key: str, event_name: str = "ObjectCreated:Put", **described: object) -> dict[str, Any]:
    """An S3 notification of one object, as S3 sends it; `key` as it is, not encoded yet."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "eventName": event_name,
                "s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key, safe="/"), **described}},
            }
        ]
    }
