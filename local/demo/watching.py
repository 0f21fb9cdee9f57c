"""Uploads through S3, then watches the table and the subscriber's queue until everything has come to its end."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import batched
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from local.demo import checking, contract
from local.demo.model import Result, Upload
from local.stack import Stack
from local.subscriber import Subscriber

PATIENCE_SECONDS = 60.0
"""Without any scan coming to its end."""
EVENT_SECONDS = 10.0
"""For the last events, once every record is final."""
_LOOK_SECONDS = 0.1
_KEYS = 100  # BatchGetItem takes no more at a time

type OnFinal = Callable[[Result], None]
"""Is told of every scan that has come to its end."""


class Watch:
    """One batch of uploads, from the first byte to the last event."""

    def __init__(self, stack: Stack, subscriber: Subscriber, on_final: OnFinal) -> None:
        self._stack = stack
        self._subscriber = subscriber
        self._on_final = on_final
        self._uploads: dict[str, Upload] = {}
        self._began: dict[str, float] = {}
        self._records: dict[str, Mapping[str, Any]] = {}
        self._milliseconds: dict[str, int] = {}
        self._events: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)

    def upload(self, uploads: Iterable[Upload]) -> None:
        """Puts every file into the scans bucket, one after the other."""
        for upload in uploads:
            record_id = contract.record_id(self._stack.outputs.scans_bucket, upload.key)
            self._uploads[record_id] = upload
            self._began[record_id] = time.monotonic()
            self._stack.client("s3").put_object(
                Bucket=self._stack.outputs.scans_bucket,
                Key=upload.key,
                Body=upload.data,
                Metadata=dict(upload.metadata),
            )

    def wait(self) -> tuple[Result, ...]:
        """Returns when every record is final and its events are here, or when patience ends; look at the results."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(self._milliseconds) < len(self._uploads) and time.monotonic() < deadline:
            self._listen()
            if self._look():
                deadline = time.monotonic() + PATIENCE_SECONDS
            time.sleep(_LOOK_SECONDS)
        deadline = time.monotonic() + EVENT_SECONDS
        while any(checking.awaited(result) for result in self._results()) and time.monotonic() < deadline:
            self._listen()
            time.sleep(_LOOK_SECONDS)
        self._listen()
        return tuple(self._results())

    def _results(self) -> Iterator[Result]:
        return map(self._result, self._uploads)

    def _result(self, record_id: str) -> Result:
        return Result(
            self._uploads[record_id],
            self._records.get(record_id),
            self._milliseconds.get(record_id),
            tuple(self._events[record_id]),
        )

    def _look(self) -> bool:
        """Reads the records that are not final yet; whether another one has become so."""
        open_ids = [record_id for record_id in self._uploads if record_id not in self._milliseconds]
        finished = []
        for some in batched(open_ids, _KEYS, strict=False):
            for record in self._read(some):
                record_id = record["record_id"]
                self._records[record_id] = record
                if record["status"] != contract.PROCESSING:
                    self._milliseconds[record_id] = round((time.monotonic() - self._began[record_id]) * 1000)
                    finished.append(record_id)
        for record_id in finished:
            self._on_final(self._result(record_id))
        return bool(finished)

    def _read(self, record_ids: Sequence[str]) -> list[dict[str, Any]]:
        table = self._stack.outputs.cards_table
        request = {"Keys": [{"record_id": {"S": record_id}} for record_id in record_ids], "ConsistentRead": True}
        found = self._stack.client("dynamodb").batch_get_item(RequestItems={table: request})["Responses"][table]
        plain = TypeDeserializer().deserialize
        return [{name: _whole(plain(value)) for name, value in item.items()} for item in found]

    def _listen(self) -> None:
        for event in self._subscriber.receive():
            self._events[event["detail"]["data"].get("record_id", "")].append(event)


def _whole(value: Any) -> Any:
    """DynamoDB's numbers are decimals; the record holds whole ones only, and none below its first level."""
    return int(value) if hasattr(value, "to_integral_value") else value
