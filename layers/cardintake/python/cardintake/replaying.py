"""Stored answers read again with the present code: normalise ▸ assess ▸ compare, and change the record where asked to.

Works through one segment of the table. Each record's answer, picture and upload metadata are read as they were; no
provider is called, and none can be: there are no credentials. What a card met in its case and in other cases stays as
it was found then. Reports count names of fields and reason codes, never values.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import batched
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict, Field

from cardintake import limits, telemetry
from cardintake.announcements import Announcements, Event, of_record
from cardintake.assessment import Verdict, among_others, assess, refused
from cardintake.budget import Budget
from cardintake.findings import Finding
from cardintake.images import ImageRefusedError as RefusedUnread
from cardintake.images import probe
from cardintake.items import Update, condition_failed, due_shard, iso, marshalled, plain
from cardintake.journal import Content, Journal
from cardintake.providers.errors import ImageRefusedError as RefusedByProvider
from cardintake.providers.errors import ProviderError
from cardintake.providers.protocol import Answer, Provider
from cardintake.reasons import Reason
from cardintake.records import Records
from cardintake.scans import Scan
from cardintake.settings import Settings
from cardintake.uploads import Upload, UploadGoneError, Uploads

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

# Reading an answer takes no credentials, but making a provider does.
_NO_CREDENTIALS = dict.fromkeys(
    (
        *("service_code", "app_key", "app_secret", "openid", "project_id", "access_key", "secret_key"),
        *("account", "api_key", "api_id", "api_secret"),
    ),
    "none",
) | {"base_url": "https://provider.invalid"}
_COMPARED = ("status", "quality", "risk", "findings", "other_cards")
_SECONDS_A_BATCH = 15.0  # the slowest pictures, one after the other


class Report(BaseModel):
    """`records`: that a provider has read or refused, `replayed` now; `skipped` says why the others were not.

    `fields` and `reasons`: in how many records each is different. `applied`: records that were changed.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    records: int = 0
    replayed: int = 0
    different: int = 0
    applied: int = 0
    fields: dict[str, int] = Field(default_factory=dict)
    reasons_added: dict[str, int] = Field(default_factory=dict)
    reasons_removed: dict[str, int] = Field(default_factory=dict)
    skipped: dict[str, int] = Field(default_factory=dict)


class Progress(BaseModel):
    """`cursor`: id of the last item that was looked at, where there are more."""

    model_config = ConfigDict(hide_input_in_errors=True)

    report: Report = Field(default_factory=Report)
    cursor: str | None = None


class Part(BaseModel):
    """The task's input: one of `segments` segments. Nothing is changed without `apply`, nor said without `announce`."""

    model_config = ConfigDict(hide_input_in_errors=True, strict=True)

    segment: int = Field(ge=0)
    segments: int = Field(ge=1)
    apply: bool
    announce: bool
    so_far: Progress = Field(default_factory=Progress)


class _SkippedError(Exception):
    """The record is left as it is; the text is the word of the report."""


class Replay:
    """`clock` gives epoch seconds."""

    def __init__(
        self,
        dynamodb: "DynamoDBClient",
        settings: Settings,
        registry: Mapping[str, type[Provider]],
        uploads: Uploads,
        journal: Journal,
        records: Records,
        announcements: Announcements,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._dynamodb = dynamodb
        self._settings = settings
        self._registry = registry
        self._uploads = uploads
        self._journal = journal
        self._records = records
        self._announcements = announcements
        self._clock = clock

    def run(self, event: object, budget: Budget) -> dict[str, Any]:
        """`{"report": ..., "cursor"?}`; without a cursor the segment is done. Raises ValidationError."""
        part = Part.model_validate(event)
        report = part.so_far.report
        with ThreadPoolExecutor(max_workers=limits.WORKERS) as pool:
            for items, cursor in self._batches(part):
                for outcome in pool.map(lambda item: self._one(item, part), items):
                    _add(report, outcome)
                if cursor is not None and budget.remaining < _SECONDS_A_BATCH:
                    return Progress(report=report, cursor=cursor).model_dump()
        return {"report": report.model_dump()}

    def _batches(self, part: Part) -> Iterator[tuple[tuple[dict[str, Any], ...], str | None]]:
        """Records with a final answer, a few at a time, and where to go on after them; None at the end."""
        cursor = part.so_far.cursor
        while True:
            request: dict[str, Any] = {
                "TableName": self._settings.cards_table,
                "Segment": part.segment,
                "TotalSegments": part.segments,
                "FilterExpression": "begins_with(record_id, :scan) AND #status IN (:recognized, :rejected)",
                "ExpressionAttributeNames": {"#status": "status"},
                "ExpressionAttributeValues": marshalled(
                    {":scan": "scan_", ":recognized": "RECOGNIZED", ":rejected": "REJECTED"}
                ),
            }
            if cursor is not None:
                request["ExclusiveStartKey"] = marshalled({"record_id": cursor})
            page: Any = self._dynamodb.scan(**request)
            for items in batched(map(plain, page["Items"]), limits.WORKERS, strict=False):
                yield items, items[-1]["record_id"]
            cursor = plain(page.get("LastEvaluatedKey")).get("record_id")
            yield (), cursor
            if cursor is None:
                return

    def _one(self, item: Mapping[str, Any], part: Part) -> Report:
        if "provider" not in item:
            return Report()  # no provider has seen it: there is no answer
        try:
            upload = self._upload(item)
            new = self._verdict(item, upload).attributes()
            found = _compared(item, new)
            if found.different and part.apply:
                self._apply(item, new, announce=part.announce)
                found.applied = 1
        except _SkippedError as skipped:
            return Report(records=1, skipped={str(skipped): 1})
        except Exception as error:  # noqa: BLE001 - one record's trouble must not keep the others from being read
            telemetry.crashed(error, record_id=item["record_id"])
            return Report(records=1, skipped={"crashed": 1})
        return found

    # what the record was made of --------------------------------------------------------------------------------------

    def _upload(self, item: Mapping[str, Any]) -> Upload:
        scan = Scan(bucket=item["bucket"], key=item["key"], etag=item["etag"], size=item["size"])
        try:
            upload = self._uploads.fetch(scan)
        except UploadGoneError:
            raise _SkippedError("scan_gone") from None
        if upload.etag != item["etag"]:
            raise _SkippedError("scan_changed")
        return upload

    def _answer(self, item: Mapping[str, Any]) -> Answer:
        """The one that the record tells of: it may have used another provider's before, or an earlier upload's."""
        contents = (
            Content(item["provider"], item["content_sha256"], key.rpartition("/")[2])
            for key in sorted(item.get("answer_keys", ()))
            if key.startswith(f"answers/{item['provider']}/")
        )
        answers = [answer for content in contents if (answer := self._journal.load(content)) is not None]
        if not answers:
            raise _SkippedError("answer_gone")
        return max(
            answers, key=lambda one: (iso(one.answered_at.timestamp()) == item["recognized_at"], one.answered_at)
        )

    def _verdict(self, item: Mapping[str, Any], upload: Upload) -> Verdict:
        """The present code's, on the day of the first one."""
        if item["provider"] not in self._registry:
            raise _SkippedError("provider_unknown")
        provider = self._registry[item["provider"]].configured(_NO_CREDENTIALS, allow_http=False)
        answer = self._answer(item)
        try:
            measures = probe(upload.image()).measures
            reading = provider.read(answer)
        except RefusedUnread as refusal:
            return refused(refusal.reason)
        except RefusedByProvider:
            return refused(Reason.PROVIDER_REJECTED_IMAGE, provider.name)
        except ProviderError:
            raise _SkippedError("answer_unreadable") from None
        day = max(datetime.fromisoformat(item[name]) for name in ("created_at", "recognized_at"))
        verdict = assess(reading, provider.name, measures, upload.claim, day.astimezone(UTC), self._settings.thresholds)
        return verdict if verdict.card is None else among_others(verdict, list(_of_cases(item)))

    # what follows -----------------------------------------------------------------------------------------------------

    def _apply(self, item: Mapping[str, Any], new: Mapping[str, Any], *, announce: bool) -> None:
        """Changes the record, unless it has changed since it was read."""
        now = self._clock()
        update = Update(
            {**new, "updated_at": iso(now)},
            absent=[name for name in ("card", "other_cards") if name not in new],
            values={":seen": item["updated_at"]},
        )
        events = self._events(item, new, now) if announce else []
        if events:
            update.attributes = {
                **update.attributes,
                "due_shard": due_shard(item["record_id"]),
                "due_at": int(now) + 60,
            }
            update.sets.append("#outbox = list_append(if_not_exists(#outbox, :none), :events)")
            update.values |= {":none": [], ":events": [event.as_item() for event in events]}
            update.aliases = ("outbox",)
        condition = "#updated_at = :seen AND attribute_not_exists(lease_owner)"
        request = update.request(self._settings.cards_table, item["record_id"], condition)
        try:
            answer = self._dynamodb.update_item(**request, ReturnValues="ALL_NEW")
        except ClientError as error:
            condition_failed(error)
            raise _SkippedError("record_changed") from None
        record = plain(answer.get("Attributes"))
        outbox = [Event(**entry) for entry in record.get("outbox", ())]
        # with links still to be left, `sweep` looks at the record anyway
        if events and "leaving" not in record and self._announcements.deliver(outbox):
            self._records.delivered(item["record_id"], outbox)

    def _events(self, item: Mapping[str, Any], new: Mapping[str, Any], now: float) -> list[Event]:
        card = new.get("card", {})
        data = {name: item[name] for name in ("record_id", "case_id", "provider") if name in item}
        data |= {name: new[name] for name in ("status", "quality", "risk", "reasons")}
        data |= {name: card[name] for name in ("document_type", "side") if name in card}
        return of_record(data, self._settings.announce, occurred_at=iso(now))


def total(reports: Iterable[object]) -> dict[str, Any]:
    """All segments' reports added up."""
    whole = Report()
    for report in reports:
        _add(whole, Report.model_validate(report))
    return whole.model_dump()


def _add(whole: Report, part: Report) -> None:
    for name in ("records", "replayed", "different", "applied"):
        setattr(whole, name, getattr(whole, name) + getattr(part, name))
    for name in ("fields", "reasons_added", "reasons_removed", "skipped"):
        counts = getattr(whole, name)
        for key, count in getattr(part, name).items():
            counts[key] = counts.get(key, 0) + count


def _of_cases(item: Mapping[str, Any]) -> Iterator[Finding]:
    for told in item.get("findings", ()):
        if told["source"] == "case":
            yield Finding(**{**told, "reason": Reason(told["reason"])})


def _compared(item: Mapping[str, Any], new: Mapping[str, Any]) -> Report:
    fields = [name for name in _COMPARED if item.get(name) != new.get(name)]
    before, now = item.get("card", {}), new.get("card", {})
    fields += [f"card.{name}" for name in sorted(before.keys() | now.keys()) if before.get(name) != now.get(name)]
    had, has = set(item["reasons"]), set(new["reasons"])
    return Report(
        records=1,
        replayed=1,
        different=int(bool(fields) or had != has),
        fields=dict.fromkeys(fields, 1),
        reasons_added=dict.fromkeys(sorted(has - had), 1),
        reasons_removed=dict.fromkeys(sorted(had - has), 1),
    )
