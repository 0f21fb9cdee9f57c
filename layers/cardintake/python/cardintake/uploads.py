"""The uploaded object: identified by a HEAD where the event does not tell, fetched as the event named it."""

import hashlib
import io
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from cardintake import limits
from cardintake.aws import error_code
from cardintake.images import ImageRefusedError
from cardintake.providers.protocol import Claim
from cardintake.reasons import Reason
from cardintake.scans import Scan

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import GetObjectOutputTypeDef

_DOCUMENT_TYPES = {"cn_resident_id", "pe_dni", "pe_foreigner_card"}
_BLOCK = 1 << 18  # bytes
_SIDES = {"portrait", "emblem", "front", "back"}


class UploadGoneError(Exception):
    """The object does not exist any more; its removal's event finishes the story."""


@dataclass(frozen=True, slots=True)
class Upload:
    """An object as it was read: `etag` without quotes, `size` in bytes. `data` is empty when too large to read."""

    etag: str
    size: int
    claim: Claim
    data: bytes = field(repr=False)

    def sha256(self) -> str:
        """Of the bytes, hex."""
        return hashlib.sha256(self.data).hexdigest()

    def image(self) -> bytes:
        """The bytes; raises ImageRefusedError(IMAGE_TOO_LARGE) when they were not read."""
        if self.size > limits.MAX_OBJECT_BYTES:
            raise ImageRefusedError(Reason.IMAGE_TOO_LARGE)
        return self.data


class Uploads:
    """Reads the scans bucket."""

    def __init__(self, s3: "S3Client") -> None:
        self._s3 = s3

    def etag_of(self, scan: Scan) -> str:
        """The present object's etag. Raises UploadGoneError."""
        try:
            return self._s3.head_object(Bucket=scan.bucket, Key=scan.key)["ETag"].strip('"')
        except ClientError as error:
            raise _gone(error) or error from None

    def fetch(self, scan: Scan) -> Upload:
        """The object of the event; the present one when that has changed since. Raises UploadGoneError."""
        try:
            answer = self._get(scan)
        except ClientError as error:
            raise _gone(error) or error from None
        size, etag = answer["ContentLength"], answer["ETag"].strip('"')
        with closing(answer["Body"]) as body:
            data = b"" if size > limits.MAX_OBJECT_BYTES else _whole(body)
        return Upload(etag=etag, size=size, claim=_claim(answer["Metadata"]), data=data)

    def _get(self, scan: Scan) -> "GetObjectOutputTypeDef":
        if scan.etag is not None:
            try:
                return self._s3.get_object(Bucket=scan.bucket, Key=scan.key, IfMatch=f'"{scan.etag}"')
            except ClientError as error:
                if error_code(error) not in ("PreconditionFailed", "412"):
                    raise
        return self._s3.get_object(Bucket=scan.bucket, Key=scan.key)


def _whole(body: "StreamingBody") -> bytes:
    """Block by block: read at once, a picture takes twice its size for a moment."""
    data = io.BytesIO()
    for block in body.iter_chunks(_BLOCK):
        data.write(block)
    return data.getvalue()


def _claim(metadata: Mapping[str, str]) -> Claim:
    """What the uploader says in `document-type` and `side`; anything but a known value says nothing."""
    document_type = metadata.get("document-type", "").strip().lower()
    side = metadata.get("side", "").strip().lower()
    return Claim(
        document_type=document_type if document_type in _DOCUMENT_TYPES else None,  # type: ignore[arg-type]
        side=side if side in _SIDES else None,  # type: ignore[arg-type]
    )


def _gone(error: ClientError) -> UploadGoneError | None:
    return UploadGoneError() if error_code(error) in ("NoSuchKey", "NotFound", "404") else None
