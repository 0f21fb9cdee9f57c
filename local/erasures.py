"""Erases scans: deletes their objects, all versions of them, and waits until the application has erased the rest.

The removal's event goes its ordinary way, to the function that erases record, answers, crops and links. Where none can
be expected, or none came, the function is told directly: no message of ours carries an object key. Everything may be
repeated. What leads to other scans goes last: a run that was interrupted finds the same again.
"""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from botocore.exceptions import ClientError

from cardintake.aws import error_code
from cardintake.scans import SEQUENCER_DIGITS
from local.holdings import Deployment, Found, Upload

PATIENCE_SECONDS = 900.0  # a lease of the longest, and a sweep after it
_EVENT_SECONDS = 60.0
_LOOK_SECONDS = 2.0


@dataclass(frozen=True)
class Erased:
    """Record ids: of what is erased, and of what is not, with the reason."""

    erased: tuple[str, ...]
    left: dict[str, str]


class Erasure:
    """`patience` (seconds) is for the application to end each of the two steps. `clock` gives epoch seconds."""

    def __init__(
        self,
        deployment: Deployment,
        *,
        patience: float = PATIENCE_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._deployment = deployment
        self._patience = patience
        self._sleep = sleep
        self._clock = clock

    def run(self, found: Found) -> Erased:
        """Erases what was found but what is unclear, and of a case last what the rest of it was found by."""
        left = self._removed(upload for group in found.groups for upload in group.others)
        leading: list[Upload] = []
        for group in found.groups:
            if any(upload.record_id in left for upload in group.others):
                why = "waits for the others of its case, which are found by it"
                left |= {upload.record_id: why for upload in group.leading}
            else:
                leading += group.leading
        left |= self._removed(leading)
        erased = sorted({upload.record_id for upload in found.uploads} - left.keys())
        return Erased(tuple(erased), left | found.unclear)

    def _removed(self, uploads: Iterable[Upload]) -> dict[str, str]:
        """Deletes the objects and waits; what is left, and why."""
        pending: dict[str, Upload] = {}
        untold: dict[str, float] = {}  # when to tell the function, for those of which it was not told
        left: dict[str, str] = {}
        began = self._clock()
        for upload in uploads:
            try:
                deleted = self._delete(upload)
            except ClientError as error:
                left[upload.record_id] = f"its scan could not be deleted: {error_code(error)}"
                continue
            pending[upload.record_id] = upload
            untold[upload.record_id] = began + (_EVENT_SECONDS if deleted else 0.0)
        while pending:
            for record_id, upload in list(pending.items()):
                item = self._deployment.item(record_id)
                if self._is_over(item):
                    del pending[record_id]
                elif self._clock() >= untold.get(record_id, float("inf")) and item["status"] != "ERASED":
                    del untold[record_id]
                    try:
                        self._tell(upload, item)
                    except ClientError as error:
                        del pending[record_id]
                        left[record_id] = f"its scan is deleted, its record is not: {error_code(error)}"
            if not pending or self._clock() - began >= self._patience:
                break
            self._sleep(_LOOK_SECONDS)
        return left | {record_id: self._why(self._deployment.item(record_id)) for record_id in pending}

    def _delete(self, upload: Upload) -> int:
        """Deletes every version of the object, its latest one last; how many there were."""
        s3, bucket, key = self._deployment.s3, upload.bucket, upload.key
        versions = [version for version in self._deployment.versions(bucket, key) if version.key == key]
        if versions and "Status" not in s3.get_bucket_versioning(Bucket=bucket):
            s3.delete_object(Bucket=bucket, Key=key)
            return len(versions)
        for version in sorted(versions, key=lambda one: one.latest):
            s3.delete_object(Bucket=bucket, Key=key, VersionId=version.version_id)
        return len(versions)

    def _tell(self, upload: Upload, item: dict[str, Any]) -> None:
        """The removal of which no event came, newer than the record by the least: an upload since then wins."""
        sequencer = f"{int(item['sequencer'], 16) + 1:0{SEQUENCER_DIGITS}X}"
        described = {"key": quote_plus(upload.key, safe="/", errors="surrogatepass"), "sequencer": sequencer}
        record = {
            "eventSource": "aws:s3",
            "eventName": "ObjectRemoved:Delete",
            "s3": {"bucket": {"name": upload.bucket}, "object": described},
        }
        # whatever comes of it, the record is looked at
        self._deployment.functions.invoke(
            FunctionName=self._deployment.recognize_function, Payload=json.dumps({"Records": [record]}).encode()
        )

    def _is_over(self, item: dict[str, Any]) -> bool:
        """No record, or a tombstone beside which nothing is kept and nobody can store anything more."""
        if not item:
            return True
        if item["status"] != "ERASED" or item.keys() & {"link_keys", "outbox"}:
            return False
        if item.get("lease_until", 0) >= self._clock():
            return False
        answers = self._deployment.answers_bucket
        return not any(True for key in item.get("answer_keys", ()) for _ in self._of_answer(answers, key, item))

    def _of_answer(self, bucket: str, key: str, item: dict[str, Any]) -> Iterable[str]:
        """The answer and what was cut out for this record; other records' crops below it are theirs."""
        own = f"{key}/{item['record_id'].removeprefix('scan_')}/"
        for version in self._deployment.versions(bucket, key):
            if version.key == key or version.key.startswith(own):
                yield version.key

    def _why(self, item: dict[str, Any]) -> str:
        if not item or item["status"] != "ERASED":
            return (
                f"its scan is deleted, its record is {item.get('status', 'gone')}: uploaded anew, or still to be erased"
            )
        if item.get("lease_until", 0) >= self._clock():
            return "erased; a worker may still store an answer, which sweep then deletes"
        return "erased, but not to the end: sweep goes on with it"
