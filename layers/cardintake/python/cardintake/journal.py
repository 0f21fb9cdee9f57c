"""The journal of paid calls: claimed by content before the call, the raw answer stored before anything else happens.

Content is what decides an answer: the object's bytes, the provider and its options. Its claim lies in the cards table
(`content_...`), the answer in the answers bucket (`answers/PROVIDER/...`), where every later upload of the same bytes
finds it; below its key the portrait and the card that were cut out of the picture, where that was asked for. A claim
whose lease has run out without an answer is taken over; that earlier call stays uncertain. Where another provider has
read the picture, because this one could not be asked, the claim says so (`answered_by`): nobody pays for it again.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

from botocore.exceptions import ClientError

from cardintake.aws import error_code
from cardintake.items import condition_failed, marshalled, plain
from cardintake.providers.protocol import Answer
from cardintake.records import Lease, Records, SupersededError
from cardintake.settings import Settings

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client

type CropName = Literal["portrait", "card"]

_CROPS: tuple[CropName, ...] = get_args(CropName.__value__)
_DAY = 86400
_CONFLICTS = 5


def crop_key(answer_key: str, record_id: str, crop: CropName) -> str:
    """Below the answer's own key, so that whoever deletes the answer knows where to look; each record has its own."""
    return f"{answer_key}/{record_id.removeprefix('scan_')}/{crop}"


@dataclass(frozen=True, slots=True)
class Content:
    """What is paid for once. `sha256` is of the object's bytes, hex; `digest` of all that decides the answer."""

    provider: str
    sha256: str
    digest: str

    @classmethod
    def of(cls, provider: str, sha256: str, options_key: str) -> "Content":
        digest = hashlib.sha256(f"{sha256}\n{provider}\n{options_key}".encode()).hexdigest()
        return cls(provider, sha256, digest)

    @property
    def claim_id(self) -> str:
        return f"content_{self.digest[:32]}"

    @property
    def answer_key(self) -> str:
        return f"answers/{self.provider}/{self.digest[:32]}"


@dataclass(frozen=True, slots=True)
class Taken:
    """Somebody has claimed this content. `by_us`: an earlier attempt on the same record; `live`: the lease runs.

    `elsewhere`: it was not read by this provider, but by another one.
    """

    owner: str
    by_us: bool
    live: bool
    elsewhere: bool


class Journal:
    """Content claims and stored answers. `clock` gives epoch seconds."""

    def __init__(
        self,
        dynamodb: "DynamoDBClient",
        s3: "S3Client",
        records: Records,
        settings: Settings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._dynamodb = dynamodb
        self._s3 = s3
        self._records = records
        self._settings = settings
        self._clock = clock

    def claim(self, content: Content, lease: Lease, *, over: Taken | None = None) -> Taken | None:
        """Claims the content and counts the call, in one transaction; None when it is ours.

        `over`: the claim that is taken over, its lease having run out. Raises SupersededError when the record's lease
        is no longer ours.
        """
        now = int(self._clock())
        item = {
            "record_id": content.claim_id,
            "owner": lease.owner,
            "payer": lease.record_id,
            "lease_until": now + self._settings.lease_seconds,
            "expires_at": now + self._settings.retention_days * _DAY,
        }
        put: dict[str, Any] = {
            "TableName": self._settings.cards_table,
            "Item": marshalled(item),
            "ConditionExpression": "attribute_not_exists(record_id)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if over is not None:
            put["ConditionExpression"] += " OR #owner = :over"
            put["ExpressionAttributeNames"] = {"#owner": "owner"}
            put["ExpressionAttributeValues"] = marshalled({":over": over.owner})
        count = self._records.counting_call(lease, content.sha256, content.answer_key)
        met = self._transact(put, count)
        if met is None:
            lease.counted.add(content.answer_key)
            lease.paid_calls += 1
            lease.uncertain_calls += 1
            return None
        return _taken(met, lease, now)

    def claimed(self, content: Content, lease: Lease) -> Taken | None:
        """Who has claimed the content, if anybody."""
        answer = self._dynamodb.get_item(
            TableName=self._settings.cards_table, Key=marshalled({"record_id": content.claim_id}), ConsistentRead=True
        )
        met = plain(answer.get("Item"))
        return _taken(met, lease, int(self._clock())) if met else None

    def _transact(self, put: Any, count: Any) -> dict[str, Any] | None:
        """None when both were written; the content claim that was met otherwise. Raises SupersededError."""
        for conflict in range(_CONFLICTS):
            try:
                self._dynamodb.transact_write_items(TransactItems=[{"Update": count}, {"Put": put}])
            except ClientError as error:
                if error_code(error) != "TransactionCanceledException":
                    raise
                details: Any = error.response
                of_record, of_content = details["CancellationReasons"]
                if of_record.get("Code") == "ConditionalCheckFailed":
                    raise SupersededError(erased=False) from None
                if of_content.get("Code") == "ConditionalCheckFailed":
                    return plain(of_content.get("Item"))
                if conflict == _CONFLICTS - 1:
                    raise
                time.sleep(0.05 * 2**conflict)
            else:
                return None
        raise AssertionError("unreachable: the last conflict is raised")

    def count_again(self, content: Content, lease: Lease) -> None:
        """A second call for the same content: the first was answered, in vain. Raises SupersededError."""
        lease.uncertain_calls -= 1
        request: Any = self._records.counting_call(lease, content.sha256, content.answer_key)
        try:
            self._dynamodb.update_item(**request, ReturnValuesOnConditionCheckFailure="ALL_OLD")
        except ClientError as error:
            known = condition_failed(error)
            raise SupersededError(erased=known.get("status", "ERASED") == "ERASED") from None
        lease.paid_calls += 1
        lease.uncertain_calls += 1

    def release(self, content: Content, lease: Lease) -> None:
        """The call brought no answer to keep: the next may be made at once."""
        try:
            self._dynamodb.delete_item(
                TableName=self._settings.cards_table,
                Key=marshalled({"record_id": content.claim_id}),
                ConditionExpression="#owner = :owner",
                ExpressionAttributeNames={"#owner": "owner"},
                ExpressionAttributeValues=marshalled({":owner": lease.owner}),
            )
        except ClientError as error:
            condition_failed(error)

    def refer(self, content: Content, other: Content, lease: Lease) -> None:
        """Says where the content would be claimed that `other`, by another provider, has the answer."""
        now = int(self._clock())
        item = {
            "record_id": content.claim_id,
            "owner": lease.owner,
            "answered_by": other.provider,
            "lease_until": now,
            "expires_at": now + self._settings.retention_days * _DAY,
        }
        try:
            self._dynamodb.put_item(
                TableName=self._settings.cards_table,
                Item=marshalled(item),
                ConditionExpression="attribute_not_exists(record_id)",
            )
        except ClientError as error:
            condition_failed(error)  # somebody is asking this provider, or has

    def store(self, content: Content, answer: Answer) -> None:
        """The answer as it came; its status, time and request id beside it."""
        metadata = {"status": str(answer.status), "answered-at": answer.answered_at.isoformat()}
        if answer.request_id and answer.request_id.isascii() and answer.request_id.isprintable():
            metadata["request-id"] = answer.request_id[:200]
        self._s3.put_object(
            Bucket=self._settings.answers_bucket, Key=content.answer_key, Body=answer.body, Metadata=metadata
        )

    def store_crop(self, content: Content, record_id: str, crop: CropName, image: bytes) -> str:
        """A portrait or card cut out of the record's picture, beside the answer that told of it. Returns its key."""
        key = crop_key(content.answer_key, record_id, crop)
        kind = "image/png" if image.startswith(b"\x89PNG") else "image/jpeg"
        self._s3.put_object(Bucket=self._settings.answers_bucket, Key=key, Body=image, ContentType=kind)
        return key

    def load(self, content: Content) -> Answer | None:
        """The stored answer, where there is one."""
        try:
            stored = self._s3.get_object(Bucket=self._settings.answers_bucket, Key=content.answer_key)
        except ClientError as error:
            if error_code(error) in ("NoSuchKey", "404"):
                return None
            raise
        with stored["Body"] as body:
            data = body.read()
        metadata = stored["Metadata"]
        return Answer(
            status=int(metadata["status"]),
            body=data,
            answered_at=datetime.fromisoformat(metadata["answered-at"]),
            request_id=metadata.get("request-id"),
        )

    def erase(self, record_id: str, keys: Iterable[str]) -> None:
        """Deletes stored answers by their keys, what was cut out for this record, and the claims of their content."""
        for key in sorted(keys):
            for each in (*(crop_key(key, record_id, crop) for crop in _CROPS), key):
                self._s3.delete_object(Bucket=self._settings.answers_bucket, Key=each)
            self._dynamodb.delete_item(
                TableName=self._settings.cards_table,
                Key=marshalled({"record_id": f"content_{key.rpartition('/')[2]}"}),
            )


def _taken(met: Mapping[str, Any], lease: Lease, now: int) -> Taken:
    by_us = met.get("payer") == lease.record_id
    return Taken(str(met.get("owner")), by_us, int(met.get("lease_until", 0)) > now, "answered_by" in met)
