"""What is held about a case, a person or a record: found in table and buckets, and described without a single value.

A person is found by number in three ways: by the items that list the records with a number (see `cardintake.cases`), by
a look at every record, since scans outside of cases are in no list and a list keeps its latest members only, and by the
cases of these records, since the other side of a card has no number. Object keys and what was read stay in here.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import boto3

from cardintake import scans
from cardintake.items import iso, marshalled, plain
from local.persons import Person, of_somebody
from local.stack import STACK_NAME, Stack

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client
    from types_boto3_secretsmanager import SecretsManagerClient

_UNREAD = ("PROCESSING", "REJECTED", "FAILED")


@dataclass(frozen=True)
class Deployment:
    """Where one stack keeps what, and how long (days)."""

    s3: "S3Client"
    dynamodb: "DynamoDBClient"
    secrets: "SecretsManagerClient"
    functions: Any  # of Lambda
    scans_bucket: str
    answers_bucket: str
    cards_table: str
    lookup_secret: str
    recognize_function: str
    retention_days: int

    @classmethod
    def on_laptop(cls, stack: Stack) -> Self:
        """What runs on this machine."""
        return cls._described(STACK_NAME, stack.client)

    @classmethod
    def of_stack(cls, name: str, session: boto3.Session) -> Self:
        """A stack by its name, in the session's account and region. Raises RuntimeError, ClientError."""
        return cls._described(name, session.client)

    @classmethod
    def _described(cls, name: str, client: Any) -> Self:
        described = client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", ())}
        given = {one["ParameterKey"]: one["ParameterValue"] for one in described.get("Parameters", ())}
        try:
            return cls(
                client("s3"),
                client("dynamodb"),
                client("secretsmanager"),
                client("lambda"),
                outputs["ScansBucketName"],
                outputs["AnswersBucketName"],
                outputs["CardsTableName"],
                outputs["LookupSecretArn"],
                outputs["RecognizeFunctionName"],
                int(given["RetentionDays"]),
            )
        except KeyError as missing:
            raise RuntimeError(f"The stack {name} has no {missing}: it is none of this template.") from None

    def item(self, item_id: str) -> dict[str, Any]:
        """An item of the table as it is now; empty when there is none."""
        found = self.dynamodb.get_item(
            TableName=self.cards_table, Key=marshalled({"record_id": item_id}), ConsistentRead=True
        )
        return plain(found.get("Item"))

    def versions(self, bucket: str, prefix: str) -> "Iterator[Version]":
        """Every version and delete marker of the objects whose keys begin so."""
        pages = self.s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
        for page in pages:
            for kind in ("Versions", "DeleteMarkers"):
                entries: Any = page.get(kind, ())
                for entry in entries:
                    yield Version(
                        entry["Key"],
                        entry["VersionId"],
                        entry["LastModified"],
                        entry["IsLatest"],
                        kind == "DeleteMarkers",
                    )


@dataclass(frozen=True)
class Version:
    """A version of an object, or a delete marker. An object without versions is one: the latest."""

    key: str = field(repr=False)
    version_id: str
    modified: datetime
    latest: bool
    marker: bool


@dataclass(frozen=True)
class Upload:
    """A scan: its object and its record, either of which may be missing."""

    record_id: str
    bucket: str = field(repr=False)
    key: str = field(repr=False)
    item: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Group:
    """Scans of one case: the `leading` ones bear the number by which the `others` are found."""

    leading: tuple[Upload, ...] = ()
    others: tuple[Upload, ...] = ()


@dataclass(frozen=True)
class Found:
    """`unclear`: records that may belong to it, and why nobody here can tell. `unread`: records without a card that are
    in none of its cases, by status: what they show is not known."""

    groups: tuple[Group, ...]
    unclear: dict[str, str] = field(default_factory=dict)
    unread: Counter[str] = field(default_factory=Counter)

    @property
    def uploads(self) -> tuple[Upload, ...]:
        return tuple(upload for group in self.groups for upload in (*group.others, *group.leading))


# found ----------------------------------------------------------------------------------------------------------------


def of_records(deployment: Deployment, record_ids: Iterable[str]) -> Found:
    """Records by their ids. One that is not there, or is erased, is nothing that is held."""
    return Found((Group(others=tuple(_uploads(deployment, record_ids).values())),))


def of_case(deployment: Deployment, case_id: str, *, search_bucket: bool = False) -> Found:
    """The scans of a case: by the index, by the case's own list, and what else lies in their folders.

    search_bucket: also what lies in folders of this name anywhere else, for which the whole bucket is listed.
    """
    return Found((Group(others=_case(deployment, case_id, search_bucket=search_bucket)),))


def of_person(deployment: Deployment, person: Person) -> Found:
    """The scans that bear the number, and the other ones of their cases. Reads the table and the lookup secret."""
    bearing, masked, unread = _table(deployment, person)
    for record_id in _listed(deployment, person):
        item = deployment.item(record_id)
        if item.get("status") == "PROCESSING":  # uploaded anew, and not read yet
            bearing[record_id] = item.get("case_id")
    unclear: dict[str, str] = {}
    alone = [record_id for record_id, case_id in bearing.items() if case_id is None]
    groups = [Group(leading=tuple(_uploads(deployment, alone).values()))]
    for case_id in sorted(set(filter(None, bearing.values()))):
        leading: list[Upload] = []
        others: list[Upload] = []
        strangers: list[Upload] = []
        for upload in _case(deployment, case_id):
            named = of_somebody(upload.item) and not person.bears(upload.item)
            (leading if upload.record_id in bearing else strangers if named else others).append(upload)
        if strangers:
            unclear |= dict.fromkeys(
                (one.record_id for one in strangers), "in a case of this person, of another number"
            )
            unclear |= dict.fromkeys((one.record_id for one in others), "in a case of this person and of somebody else")
            others = []
        groups.append(Group(tuple(leading), tuple(others)))
        masked.pop(case_id, None)
    for record_ids in masked.values():
        unclear |= dict.fromkeys(record_ids, "its number is masked, and fits")
    known = {
        upload.record_id: upload.item.get("status") for group in groups for upload in (*group.leading, *group.others)
    }
    unread.subtract(status for record_id, status in known.items() if status in _UNREAD)
    return Found(tuple(groups), unclear, +unread)


def _table(
    deployment: Deployment, person: Person
) -> tuple[dict[str, str | None], dict[str | None, list[str]], Counter[str]]:
    """Records that bear the number and their cases, by case those whose masked number fits, and how many are unread."""
    bearing: dict[str, str | None] = {}
    masked: dict[str | None, list[str]] = {}
    unread: Counter[str] = Counter()
    pages = deployment.dynamodb.get_paginator("scan").paginate(
        TableName=deployment.cards_table,
        ConsistentRead=True,
        FilterExpression="begins_with(record_id, :scan)",
        ExpressionAttributeValues=marshalled({":scan": "scan_"}),
        ProjectionExpression="record_id, #status, case_id, card.document_type, card.id_number, other_cards",
        ExpressionAttributeNames={"#status": "status"},
    )
    for page in pages:
        for item in map(plain, page["Items"]):
            if item["status"] in _UNREAD:
                unread[item["status"]] += 1
            elif person.bears(item):
                bearing[item["record_id"]] = item.get("case_id")
            elif person.may_bear(item):
                masked.setdefault(item.get("case_id"), []).append(item["record_id"])
    return bearing, masked, unread


def _listed(deployment: Deployment, person: Person) -> set[str]:
    """Records in the lists of this number."""
    key = deployment.secrets.get_secret_value(SecretId=deployment.lookup_secret)["SecretString"].encode()
    return {member for link in person.links(key) for member in _members(deployment, link)}


def _members(deployment: Deployment, link: str) -> list[str]:
    return [record_id for record_id, _ in deployment.item(link).get("members", ())]


def _uploads(deployment: Deployment, record_ids: Iterable[str]) -> dict[str, Upload]:
    items = {record_id: deployment.item(record_id) for record_id in sorted(record_ids)}
    return {
        record_id: Upload(record_id, item["bucket"], item["key"], item)
        for record_id, item in items.items()
        if "key" in item
    }


def _case(deployment: Deployment, case_id: str, *, search_bucket: bool = False) -> tuple[Upload, ...]:
    pages = deployment.dynamodb.get_paginator("query").paginate(
        TableName=deployment.cards_table,
        IndexName="cases",
        KeyConditionExpression="case_id = :case",
        ExpressionAttributeValues=marshalled({":case": case_id}),
    )
    record_ids = {str(plain(item)["record_id"]) for page in pages for item in page["Items"]}
    record_ids |= set(_members(deployment, f"case_{case_id}"))  # the index is a moment behind
    found = {
        record_id: upload
        for record_id, upload in _uploads(deployment, record_ids).items()
        if upload.item.get("case_id") == case_id
    }
    folders = {(upload.bucket, upload.key.rpartition("/")[0] + "/") for upload in found.values()}
    if search_bucket:
        folders = {(bucket, folder) for bucket, folder in folders if bucket != deployment.scans_bucket}
        folders.add((deployment.scans_bucket, ""))
    for bucket, folder in sorted(folders):
        for key in {version.key for version in deployment.versions(bucket, folder)}:
            record_id = scans.record_id(bucket, key)
            if record_id not in found and not key.endswith("/") and key.split("/")[-2:-1] == [case_id]:
                found[record_id] = Upload(record_id, bucket, key, deployment.item(record_id))
    return tuple(found[record_id] for record_id in sorted(found))


# described ------------------------------------------------------------------------------------------------------------


def described(deployment: Deployment, upload: Upload) -> dict[str, Any]:
    """What is held about one scan: kinds, counts and dates, as `--json` prints them. Of cards the names of fields."""
    item = upload.item
    told: dict[str, Any] = {
        name: item[name]
        for name in ("case_id", "status", "provider", "created_at", "recognized_at", "updated_at")
        if name in item
    }
    objects = [
        one for one in deployment.versions(upload.bucket, upload.key) if one.key == upload.key and not one.marker
    ]
    below = [
        one
        for answer_key in sorted(item.get("answer_keys", ()))
        for one in deployment.versions(deployment.answers_bucket, answer_key)
        if not one.marker
    ]
    answers = [one for one in below if one.key in item.get("answer_keys", ())]
    own = f"/{upload.record_id.removeprefix('scan_')}/"
    crops = [one for one in below if own in one.key]
    return {
        "record_id": upload.record_id,
        **told,
        "record_expires_at": iso(item["expires_at"]) if "expires_at" in item else None,
        "card": sorted(item.get("card", ())),
        "other_cards": [sorted(card) for card in item.get("other_cards", ())],
        "scans": _stored(deployment, objects),
        "answers": _stored(deployment, answers),
        "crops": _stored(deployment, crops) | {"kinds": sorted({one.key.rpartition("/")[2] for one in crops})},
        "links": dict(sorted(Counter(link.partition("_")[0] for link in item.get("link_keys", ())).items())),
    }


def _stored(deployment: Deployment, versions: Sequence[Version]) -> dict[str, Any]:
    """How many objects, and when lifecycle has expired the last of them: at midnight (UTC) after its days."""
    if not versions:
        return {"count": 0, "expires_at": None}
    over = max(version.modified for version in versions).astimezone(UTC) + timedelta(days=deployment.retention_days)
    midnight = over.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return {"count": len(versions), "expires_at": iso(midnight.timestamp())}
