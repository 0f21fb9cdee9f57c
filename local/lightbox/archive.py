"""Scans as the deployed application keeps them: records in the table, pictures in the buckets, events on a queue."""

import io
import secrets
import threading
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError
from PIL import Image, ImageOps

from local.demo import contract
from local.stack import Stack
from local.subscriber import Subscriber

CROPS = {"portrait": "portrait_key", "card": "card_image_key"}
"""What may have been cut out of a picture, and the record's attribute that says where it is kept."""
LONGEST_LIST = 200
SCANS = "scan_"
"""How the id of a record begins; everything else in the table is the service's own."""
FILTERS = ("status", "quality", "risk", "reason")
_PICTURE_PIXELS = 1200
_PICTURE_QUALITY = 85
_LARGEST_PIXELS = 100_000_000
_PROVIDER_EVENTS = 10
_SUMMARY = "record_id, #status, quality, risk, reasons, provider, waiting_for, created_at, updated_at"


class UnknownScanError(LookupError):
    """Neither was it uploaded from here, nor is there a record."""


@dataclass(frozen=True)
class _Upload:
    key: str
    at: str


class Archive:
    """What the page asks about. Safe between threads. `subscriber` is nobody else's."""

    def __init__(self, stack: Stack, subscriber: Subscriber) -> None:
        self._stack = stack
        self._subscriber = subscriber
        self._lock = threading.Lock()
        self._events: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
        self._provider_events: deque[Mapping[str, Any]] = deque(maxlen=_PROVIDER_EVENTS)
        self._uploads: dict[str, _Upload] = {}

    def upload(self, prefix: str, data: bytes, metadata: Mapping[str, str]) -> str:
        """Puts a scan into the bucket as any uploader does; the id of its record. Its key says nothing about it."""
        key = f"{prefix}lightbox/{secrets.token_hex(8)}"
        bucket = self._stack.outputs.scans_bucket
        record_id = contract.record_id(bucket, key)
        self._stack.client("s3").put_object(Bucket=bucket, Key=key, Body=data, Metadata=dict(metadata))
        self._uploads[record_id] = _Upload(key, datetime.now(UTC).isoformat(timespec="milliseconds")[:-6] + "Z")
        return record_id

    def record(self, record_id: str) -> dict[str, Any] | None:
        """The record as it is now; None while an upload from here waits in the queue. Raises UnknownScanError."""
        if not record_id.startswith(SCANS):
            raise UnknownScanError
        found = self._stack.client("dynamodb").get_item(
            TableName=self._stack.outputs.cards_table, Key={"record_id": {"S": record_id}}, ConsistentRead=True
        )
        item = found.get("Item")
        if item is None and record_id not in self._uploads:
            raise UnknownScanError
        return _plain_item(item) if item is not None else None

    def uploaded_at(self, record_id: str) -> str | None:
        """ISO 8601, UTC; None for what was not uploaded from here."""
        upload = self._uploads.get(record_id)
        return upload.at if upload else None

    def events(self, record_id: str) -> list[Mapping[str, Any]]:
        """What has arrived on the subscriber's queue about a scan, in order of arrival."""
        self._listen()
        with self._lock:
            return list(self._events.get(record_id, ()))

    def provider_events(self) -> list[Mapping[str, Any]]:
        """The last ones that arrived about providers, newest first. To be asked after `events`."""
        with self._lock:
            return list(reversed(self._provider_events))

    def search(self, wanted: Mapping[str, str]) -> dict[str, Any]:
        """`{"scans": [summary], "found": n, "all": n}`: newest first, at most LONGEST_LIST, nothing of what was read.

        wanted: some of FILTERS and the values that they have to have; `reason` means a reason, or what is waited for.
        """
        scans = list(self._summaries())
        found = [scan for scan in scans if _matches(scan, wanted)]
        found.sort(key=lambda scan: scan.get("created_at") or scan.get("updated_at", ""), reverse=True)
        return {"scans": found[:LONGEST_LIST], "found": len(found), "all": len(scans)}

    def picture(self, record_id: str) -> bytes | None:
        """The uploaded picture as a JPEG file for the page; None when it is no picture, or is gone."""
        record = self.record(record_id)
        key = record.get("key") if record is not None else self._uploads[record_id].key
        return self._preview(self._stack.outputs.scans_bucket, key)

    def crop(self, record_id: str, crop: str) -> bytes | None:
        """What was cut out of it, alike; None when nothing was. Raises KeyError for another name than CROPS has."""
        record = self.record(record_id) or {}
        return self._preview(self._stack.outputs.answers_bucket, record.get(CROPS[crop]))

    def _preview(self, bucket: str, key: str | None) -> bytes | None:
        if key is None:
            return None
        try:
            data: bytes = self._stack.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise
        return preview(data)

    def _summaries(self) -> Iterator[dict[str, Any]]:
        pages = (
            self._stack.client("dynamodb")
            .get_paginator("scan")
            .paginate(
                TableName=self._stack.outputs.cards_table,
                FilterExpression="begins_with(record_id, :scan)",
                ProjectionExpression=_SUMMARY,
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={":scan": {"S": SCANS}},
            )
        )
        for page in pages:
            yield from map(_plain_item, page["Items"])

    def _listen(self) -> None:
        with self._lock:
            for event in self._subscriber.receive():
                record_id = event["detail"]["data"].get("record_id")
                if record_id is not None:
                    self._events[record_id].append(event)
                elif event["detail-type"].startswith("Provider "):
                    self._provider_events.append(event)


def preview(data: bytes) -> bytes | None:
    """A picture as a JPEG file of moderate size, made anew: what strangers upload is never served as it is.

    None for what is no picture, is incomplete, or has more than 100 megapixels.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > _LARGEST_PIXELS:
                return None
            image.draft("RGB", (_PICTURE_PIXELS, _PICTURE_PIXELS))
            small = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    small.thumbnail((_PICTURE_PIXELS, _PICTURE_PIXELS))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=_PICTURE_QUALITY)
    return file.getvalue()


def _matches(scan: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    reasons: Sequence[str] = [*scan.get("reasons", ()), scan.get("waiting_for", "")]
    return all(value in reasons if name == "reason" else scan.get(name) == value for name, value in wanted.items())


def _plain_item(item: Mapping[str, Any]) -> dict[str, Any]:
    plain = TypeDeserializer().deserialize
    return {name: _json(plain(value)) for name, value in sorted(item.items())}


def _json(value: Any) -> Any:
    """JSON values: DynamoDB's numbers are decimals, and it has sets. Nothing of a record is binary."""
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case set():
            return sorted(_json(each) for each in value)
        case dict():
            return {name: _json(each) for name, each in value.items()}
        case list():
            return [_json(each) for each in value]
        case _:
            return value
