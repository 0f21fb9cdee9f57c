"""What comes in: every shape of event in which an upload or a removal reaches us, as scans.

S3 notifications carry URL-encoded keys (`+` is a space), EventBridge events raw ones. One event or message may hold
several scans. Nothing here knows AWS's API.

Messages of our own (`Continuation`) name the record instead: people write names into keys.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import unquote_plus

# S3 sequencers are hexadecimal and of any length; the shorter is padded with zeros on the right to compare.
SEQUENCER_DIGITS = 64
NO_SEQUENCER = "0" * SEQUENCER_DIGITS
_RECORD_ID = re.compile("scan_[0-9a-f]{32}")


class UnknownEventError(ValueError):
    """The event or message has none of the shapes that we know. Carries nothing of its content."""


@dataclass(frozen=True, kw_only=True)
class Scan:
    """One object uploaded to, or removed from, the scans bucket.

    `sequencer` is padded, so that text comparison orders events of one key; `NO_SEQUENCER` where the event has none.
    `etag` (without quotes) and `size` (bytes) are None where the event does not tell.
    """

    bucket: str = field(repr=False)
    key: str = field(repr=False)
    removed: bool = False
    etag: str | None = None
    size: int | None = None
    sequencer: str = NO_SEQUENCER
    version_id: str | None = None
    ticket: str | None = None  # these two of a message of our own: see Continuation
    redrive: str | None = None

    @cached_property
    def record_id(self) -> str:
        """Pseudonym of bucket and key: `scan_` and 32 hexadecimal digits."""
        return record_id(self.bucket, self.key)

    def with_etag(self, etag: str) -> "Scan":
        """The same scan, its etag known."""
        return replace(self, etag=etag)


@dataclass(frozen=True, slots=True)
class Continuation:
    """A message of our own: the record of a scan that is to go on, which tells the rest.

    `ticket`: of the record's wait, see records.Records.wait. `redrive`: `updated_at` of the FAILED record to reopen.
    """

    record_id: str
    ticket: str | None = None
    redrive: str | None = None

    def message(self) -> str:
        """As JSON text."""
        named = {"record_id": self.record_id, "ticket": self.ticket, "redrive": self.redrive}
        return json.dumps({name: value for name, value in named.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Delivery:
    """What arrived together: one SQS message, or one direct event (`message_id` None)."""

    message_id: str | None
    scans: tuple[Scan | Continuation, ...]
    receive_count: int = 1


@dataclass(frozen=True, slots=True)
class Arrivals:
    """One invocation's deliveries. `unreadable` are ids of messages that hold no scan in any known shape."""

    from_queue: bool
    deliveries: tuple[Delivery, ...]
    unreadable: tuple[str, ...] = ()


def record_id(bucket: str, key: str) -> str:
    """The record of an object: SHA-256 over `bucket/key` (UTF-8), its first 32 hexadecimal digits."""
    digest = hashlib.sha256(f"{bucket}/{key}".encode("utf-8", "surrogatepass")).hexdigest()
    return f"scan_{digest[:32]}"


def parse(event: object) -> Arrivals:
    """Reads a Lambda event. Raises UnknownEventError for an unknown direct event; unknown messages are listed."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not (isinstance(records, list) and records and all(_is_sqs(record) for record in records)):
        return Arrivals(from_queue=False, deliveries=(Delivery(None, _scans_of(event)),))
    deliveries, unreadable = [], []
    for record in records:
        try:
            scans = of_message(record["body"])
            received = int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))
        except (ValueError, TypeError, AttributeError):
            unreadable.append(str(record["messageId"]))
        else:
            deliveries.append(Delivery(str(record["messageId"]), scans, received))
    return Arrivals(from_queue=True, deliveries=tuple(deliveries), unreadable=tuple(unreadable))


def of_message(body: str) -> tuple[Scan | Continuation, ...]:
    """The scans that a message's body tells of. Raises UnknownEventError, which says why and quotes nothing."""
    try:
        event = json.loads(body)
    except (ValueError, TypeError, RecursionError):
        raise UnknownEventError("not JSON") from None
    return _scans_of(event)


def case_id(key: str, pattern: re.Pattern[str]) -> str | None:
    """The key's last folder, when there are at least two, it matches, and it does not look like an identity number."""
    folders = [folder for folder in key.split("/")[:-1] if folder]
    if len(folders) < 2 or not pattern.fullmatch(folders[-1]) or _looks_like_identity_number(folders[-1]):
        return None
    return folders[-1]


def _looks_like_identity_number(folder: str) -> bool:
    bare = re.sub(r"[-_. ]", "", unicodedata.normalize("NFKC", folder)).upper()
    bare = re.sub(r"^(DNI|CE|ID|IDCARD|SFZ)(?=\d)", "", bare)
    # DNI with and without check character, foreigner's card, Chinese number old and new
    whole = re.fullmatch(r"\d{8}[\dA-K]?|\d{9,12}|\d{15}|\d{17}[\dX]", bare)
    # a Chinese number beside other text, told by its birth date
    return bool(whole or re.search(r"\d{6}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dX]", bare))


def _is_sqs(record: object) -> bool:
    return isinstance(record, Mapping) and record.get("eventSource") == "aws:sqs" and "body" in record


def _scans_of(event: object) -> tuple[Scan | Continuation, ...]:
    """Scans of one S3 notification, EventBridge event or test event; folder keys and other events give none."""
    if not isinstance(event, Mapping):
        raise UnknownEventError("neither an S3 notification nor an EventBridge event")
    if "record_id" in event:
        return (_continuation(event),)
    try:
        if event.get("Event") == "s3:TestEvent":
            return ()
        if "detail-type" in event:
            found = [_from_eventbridge(event)]
        elif isinstance(event.get("Records"), list):
            found = [_from_notification(record) for record in event["Records"]]
        else:
            raise UnknownEventError("neither an S3 notification nor an EventBridge event")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        if isinstance(error, UnknownEventError):
            raise
        raise UnknownEventError("an S3 event without the members that S3 documents") from None
    return tuple(scan for scan in found if scan is not None and not scan.key.endswith("/"))


def _continuation(event: Mapping[str, Any]) -> Continuation:
    named = {name: event[name] for name in ("record_id", "ticket", "redrive") if name in event}
    if not all(isinstance(value, str) for value in named.values()) or not _RECORD_ID.fullmatch(named["record_id"]):
        raise UnknownEventError("a message of our own without a record's id")
    if len(named) == 1:
        raise UnknownEventError("a message of our own without ticket and redrive")
    return Continuation(**named)


def _from_notification(record: Mapping[str, Any]) -> Scan | None:
    if record["eventSource"] != "aws:s3":
        raise UnknownEventError("not an event of S3")
    kind, _, how = str(record["eventName"]).removeprefix("s3:").partition(":")
    if kind not in ("ObjectCreated", "ObjectRemoved"):
        return None  # tagging, restoring, lifecycle: nothing was uploaded and nobody asked for erasure
    described = record["s3"]["object"]
    return _scan(
        record["s3"]["bucket"]["name"],
        unquote_plus(_text(described["key"]), errors="surrogatepass"),
        described,
        removed=kind == "ObjectRemoved",
        etag=described.get("eTag"),
        # the version of a delete marker is none of an upload
        version_id=described.get("versionId") if how != "DeleteMarkerCreated" else None,
        sample=str(record.get("eventTime", "")).startswith("1970-"),
    )


def _from_eventbridge(event: Mapping[str, Any]) -> Scan | None:
    if event["source"] != "aws.s3":
        raise UnknownEventError("not an event of S3")
    kind, detail = event["detail-type"], event["detail"]
    if kind not in ("Object Created", "Object Deleted"):
        return None
    if kind == "Object Deleted" and detail.get("reason") == "Lifecycle Expiration":
        return None  # the record's own retention ends it
    described = detail["object"]
    return _scan(
        detail["bucket"]["name"],
        _text(described["key"]),
        described,
        removed=kind == "Object Deleted",
        etag=described.get("etag"),
        version_id=described.get("version-id") if detail.get("deletion-type") != "Delete Marker Created" else None,
        sample=str(event.get("time", "")).startswith("1970-"),
    )


def _scan(
    bucket: object,
    key: str,
    described: Mapping[str, Any],
    *,
    removed: bool,
    etag: object,
    version_id: object,
    sample: bool,
) -> Scan:
    """`sample`: dated 1970, one of SAM's sample events; its etag and sequencer belong to no object."""
    size, sequencer = described.get("size"), described.get("sequencer")
    return Scan(
        bucket=_text(bucket),
        key=key,
        removed=removed,
        etag=etag.strip('"') if isinstance(etag, str) and etag and not sample else None,
        size=int(size) if size is not None and not sample else None,
        sequencer=_padded(sequencer) if sequencer and not sample else NO_SEQUENCER,
        version_id=version_id if isinstance(version_id, str) and version_id and not sample else None,
    )


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise UnknownEventError("an S3 event without a bucket's name or an object's key")
    return value


def _padded(sequencer: object) -> str:
    digits = str(sequencer).upper()
    if not re.fullmatch(rf"[0-9A-F]{{1,{SEQUENCER_DIGITS}}}", digits):
        raise UnknownEventError("an S3 event whose sequencer is not hexadecimal")
    return digits.ljust(SEQUENCER_DIGITS, "0")
