"""The reference handler of the benchmarks: what a competent user writes in an hour with the same packages.

It reads Chinese cards with CTYun and does on the happy path what `recognize` does: S3 get, provider call, DynamoDB
record, EventBridge event when flagged. Every choice is the one that its library's own documentation shows first, and
none is made to be slow. It is frozen: a change to it would change what every ratio means.
"""

import hashlib
import io
import os
import re
import time
from base64 import b64encode
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import unquote_plus

import boto3
import httpx
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig, idempotent_function
from aws_lambda_powertools.utilities.parser.models import S3RecordModel, S3SqsEventNotificationRecordModel
from aws_lambda_powertools.utilities.typing import LambdaContext
from PIL import Image, ImageFilter, ImageStat
from pydantic import BaseModel, Field, field_validator

# Powertools, at module level as its documentation has it. The tracer patches boto3 and httpx by itself.
logger = Logger(service="cardintake")
metrics = Metrics(namespace="cardintake", service="cardintake")
tracer = Tracer(service="cardintake")
# The batch processor parses every message with Powertools' own model of an S3 notification in a queue.
processor = BatchProcessor(event_type=EventType.SQS, model=S3SqsEventNotificationRecordModel)
# A second delivery of the same object within an hour gets the first one's answer.
persistence = DynamoDBPersistenceLayer(table_name=os.environ["IDEMPOTENCY_TABLE"])
idempotency = IdempotencyConfig(event_key_jmespath="[bucket, key, etag]", expires_after_seconds=3600)
# Clients at module level, one for each call site: warm invocations use them again.
s3 = boto3.client("s3")
table = boto3.resource("dynamodb").Table(os.environ["CARDS_TABLE"])
events = boto3.client("events")
http = httpx.Client(timeout=30)

# The same thresholds, on the same 800 pixels, as the application's.
BLURRED_BELOW, DARK_BELOW = 60.0, 60.0
MAX_BYTES, MAX_SIDE, MIN_SIDE = 10_000_000, 4999, 33
DAY = 86400


class Portrait(BaseModel):
    """The side with the person, by CTYun's names of the fields."""

    name: str = Field(min_length=1)
    sex: str = Field(pattern="^[男女]$")
    nation: str
    birthday: date
    address: str = Field(alias="addr")
    id_number: str = Field(alias="idn", pattern="^[0-9]{17}[0-9X]$")

    @field_validator("birthday", mode="before")
    @classmethod
    def iso(cls, value: str) -> str:
        """19900307, 1990.03.07 and 1990年03月07日 as 1990-03-07."""
        year, month, day = re.fullmatch(r"(\d{4})\D?(\d{1,2})\D?(\d{1,2})\D?", value).groups()  # type: ignore[union-attr]
        return f"{year}-{month:0>2}-{day:0>2}"

    def values(self) -> dict[str, Any]:
        """The `card` of the record."""
        return {
            "document_type": "cn_resident_id", "side": "portrait", "country": "CHN", "name": self.name,
            "sex": "M" if self.sex == "男" else "F", "ethnicity": self.nation, "birth_date": self.birthday.isoformat(),
            "address": self.address, "id_number": self.id_number,
        }  # fmt: skip

    def risks(self) -> list[str]:
        """What the number's own digits prove: check character, birth date, sex."""
        weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
        total = sum(int(digit) * weight for digit, weight in zip(self.id_number, weights, strict=False))
        if "10X98765432"[total % 11] != self.id_number[17]:
            return ["ID_NUMBER_INVALID"]
        found = []
        if self.id_number[6:14] != f"{self.birthday:%Y%m%d}":
            found.append("ID_NUMBER_BIRTH_MISMATCH")
        if int(self.id_number[16]) % 2 != (self.sex == "男"):
            found.append("ID_NUMBER_SEX_MISMATCH")
        return found


class Emblem(BaseModel):
    """The side with the emblem, by CTYun's names of the fields."""

    issuing_authority: str = Field(alias="org", min_length=1)
    validity: str = Field(alias="validperiod", pattern=r"^\d{4}\.\d\d\.\d\d-(\d{4}\.\d\d\.\d\d|长期)$")

    def values(self) -> dict[str, Any]:
        """The `card` of the record."""
        start, end = (half.replace(".", "-") for half in self.validity.split("-"))
        term = {"long_term": True} if end == "长期" else {"valid_to": end}
        return {
            "document_type": "cn_resident_id", "side": "emblem", "country": "CHN",
            "issuing_authority": self.issuing_authority, "valid_from": start, **term,
        }  # fmt: skip

    def risks(self) -> list[str]:
        """What the dates prove, on today's date in China."""
        today = (datetime.now(UTC) + timedelta(hours=8)).strftime("%Y.%m.%d")
        found = ["CARD_NOT_YET_VALID"] if self.validity[:10] > today else []
        if self.validity[11:] != "长期" and self.validity[11:] < today:
            found.append("CARD_EXPIRED")
        return found


class Detail(BaseModel):
    """The `detail` of an event."""

    metadata: dict[str, Any]
    data: dict[str, Any]


@tracer.capture_method
def checked_picture(data: bytes) -> tuple[bytes, list[str]]:
    """The picture as CTYun takes it, and what is wrong with its quality. Raises OSError where there is no picture."""
    with Image.open(io.BytesIO(data)) as image:
        kind, size = image.format, image.size
        # thumbnail() lets a JPEG decode at a reduced size, so no copy of full size is made.
        image.thumbnail((800, 800))
        grey = image.convert("L")
    edges = grey.filter(ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=128))
    reasons = ["IMAGE_BLURRED"] if ImageStat.Stat(edges).var[0] < BLURRED_BELOW else []
    if ImageStat.Stat(grey).median[0] < DARK_BELOW:
        reasons.append("IMAGE_UNDEREXPOSED")
    if min(size) < MIN_SIDE:
        raise ValueError("the picture is too small")
    if kind in ("JPEG", "PNG", "BMP") and len(data) <= MAX_BYTES and max(size) <= MAX_SIDE:
        return data, reasons
    # Anything else is sent as a JPEG within CTYun's limits.
    with Image.open(io.BytesIO(data)) as image:
        image.thumbnail((MAX_SIDE, MAX_SIDE))
        smaller = io.BytesIO()
        image.convert("RGB").save(smaller, "JPEG", quality=85)
    return smaller.getvalue(), reasons


@tracer.capture_method
def recognized(picture: bytes) -> dict[str, Any]:
    """CTYun's result for one picture. Raises httpx.HTTPError, or RuntimeError for an error code."""
    # Powertools keeps the secret for five minutes.
    secret: Any = parameters.get_secret(os.environ["PROVIDERS_SECRET"], transform="json", max_age=300)["ctyun"]
    path = f"/v1/aiop/api/{secret['service_code']}/IdentityCard/ocr/v1/idcard.json"
    # `json=`: httpx makes the body; it is built before it is sent, because the signature covers it.
    request = http.build_request("POST", secret["base_url"] + path, json={"data": [b64encode(picture).decode()]})
    timestamp = str(round(time.time() * 1000))
    signed = f"{secret['app_key']}{secret['app_secret']}{timestamp}{path}".encode() + request.content
    request.headers["AppKey"] = secret["app_key"]
    request.headers["Timestamp"] = timestamp
    request.headers["Sign"] = hashlib.md5(signed).hexdigest()
    response = http.send(request)
    response.raise_for_status()
    answer = response.json()
    if answer["code"] != 0 or answer["result"][0].get("err_code"):
        raise RuntimeError("CTYun answered with an error code")
    result: dict[str, Any] = answer["result"][0]
    return result


@idempotent_function(data_keyword_argument="scan", config=idempotency, persistence_store=persistence)  # type: ignore[untyped-decorator]
def read_scan(scan: dict[str, Any]) -> dict[str, str]:
    """From the object to the record and its events."""
    started = datetime.now(UTC)
    # The object of the event, whole, in memory.
    upload = s3.get_object(Bucket=scan["bucket"], Key=scan["key"], IfMatch=scan["etag"])
    data = upload["Body"].read()
    picture, quality = checked_picture(data)
    result = recognized(picture)
    # The fields that were read decide the side. What does not validate is left for the dead letters.
    side = Portrait if result["detail"].get("idn") else Emblem
    card: Portrait | Emblem = side.model_validate(result["detail"])
    risks = card.risks() + ([] if result.get("risk") in ("normal", None) else ["PHOTOCOPY"])
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    record = {
        "record_id": scan["record_id"],
        "status": "RECOGNIZED",
        "bucket": scan["bucket"],
        "key": scan["key"],
        "etag": scan["etag"],
        "size": len(data),
        "sequencer": scan["sequencer"],
        "content_sha256": hashlib.sha256(data).hexdigest(),
        "provider": "ctyun",
        "recognized_at": now,
        "card": card.values(),
        "quality": "low" if quality else "good",
        "risk": "suspected" if risks else "none",
        "reasons": sorted(quality + risks),
        "paid_calls": 1,
        "attempts": 1,
        "schema_version": 1,
        "created_at": started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "updated_at": now,
        "expires_at": int(time.time()) + int(os.environ["RETENTION_DAYS"]) * DAY,
    }
    # The resource takes a dictionary as it is, nested as it is.
    table.put_item(Item=record)
    if quality or risks:
        announce(record)
    metrics.add_metric(name="Recognized", unit=MetricUnit.Count, value=1)
    logger.info("scan", extra={"record_id": record["record_id"], "reasons": record["reasons"]})
    return {"record_id": scan["record_id"], "status": "RECOGNIZED"}


@tracer.capture_method
def announce(record: dict[str, Any]) -> None:
    """One entry for each concern, in one call."""
    card = record["card"]
    data = {name: record[name] for name in ("record_id", "status", "provider", "quality", "risk", "reasons")}
    data |= {"document_type": card["document_type"], "side": card["side"]}
    concerns = ["Card Low Quality"] if record["quality"] == "low" else []
    concerns += ["Card Risk Suspected"] if record["risk"] == "suspected" else []
    # The event is a model too, so that its JSON comes from one place.
    detail = Detail(metadata={"occurred_at": record["updated_at"], "schema_version": 1}, data=data).model_dump_json()
    bus = os.environ["EVENT_BUS"]
    events.put_events(
        Entries=[
            {"Source": "cardintake", "DetailType": concern, "Detail": detail, "EventBusName": bus}
            for concern in concerns
        ]
    )


def read_message(record: S3SqsEventNotificationRecordModel) -> None:
    """One message of the queue, already parsed: the objects that it tells of, one after another."""
    for told in record.body.Records:
        read_scan(scan=scan_of(told))


def scan_of(told: S3RecordModel) -> dict[str, Any]:
    """What is read, as the key of idempotency and the record want it. S3 encodes keys for URLs."""
    told_object = told.s3.object
    if told_object is None:
        raise ValueError("a notification without an object")
    key = unquote_plus(told_object.key)
    return {
        "record_id": "scan_" + hashlib.sha256(f"{told.s3.bucket.name}/{key}".encode()).hexdigest()[:32],
        "bucket": told.s3.bucket.name,
        "key": key,
        "etag": told_object.eTag,
        "sequencer": told_object.sequencer,
    }


@logger.inject_lambda_context
@tracer.capture_lambda_handler
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """The batch, message by message; what failed is delivered again."""
    idempotency.register_lambda_context(context)
    return process_partial_response(event=event, record_handler=read_message, processor=processor, context=context)
