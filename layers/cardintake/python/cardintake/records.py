"""The record of a scan as a ledger in DynamoDB: claimed with a lease, finished once, never set back by an older event.

    (none) ──claim──▶ PROCESSING ──finish──▶ RECOGNIZED | REJECTED | FAILED
                      ▲ ▲ │ wait                                       │
                      │ └─┘                                            │
                      └─────────────────── redrive ────────────────────┘
                                      any ──erase──▶ ERASED (a tombstone)

Every write is conditional. A claim starts the record afresh for a newer upload under the same key, and resumes it when
its lease has run out. A redrive reopens it when it has failed, and names the failure (its `updated_at`), so that no
duplicate of the redrive ends the next one. `answer_keys`, the stored answers that the record used, and `link_keys`, the
items that list it (see `cases`), survive all three, for erasure.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from cardintake.announcements import SCHEMA_VERSION, Event
from cardintake.aws import error_code
from cardintake.items import Update, condition_failed, due_shard, iso, marshalled, plain
from cardintake.reasons import Reason
from cardintake.scans import NO_SEQUENCER, Continuation, Scan
from cardintake.settings import Settings

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.type_defs import TransactWriteItemTypeDef, UpdateTypeDef

_DAY = 86400
_CONFLICTS = 5

# everything about an upload that a newer upload under the same key, or its erasure, makes untrue
_OF_ONE_UPLOAD = (
    "version_id", "case_id", "content_sha256", "provider", "provider_request_id", "recognized_at", "card",
    "other_cards", "quality", "risk", "reasons", "findings", "portrait_key", "card_image_key", "waiting_for",
    "waiting_since", "ticket", "leaving",
)  # fmt: skip
_OF_LIFE = (
    "bucket", "key", "etag", "size", "paid_calls", "uncertain_calls", "attempts", "lease_owner", "lease_until",
    "created_at", "schema_version",
)  # fmt: skip


class LinksMovedError(Exception):
    """A link of the record has changed since it was read: what it tells is to be looked at again."""


class SupersededError(Exception):
    """Somebody else owns the record now: a newer upload, another worker, or an erasure (`erased`)."""

    def __init__(self, *, erased: bool) -> None:
        super().__init__("erased" if erased else "taken over")
        self.erased = erased


@dataclass(slots=True)
class Lease:
    """A claimed record. Counters are kept here while the lease is held and written with the next change of status."""

    record_id: str
    owner: str
    sequencer: str
    attempts: int
    created_at: str
    paid_calls: int = 0
    uncertain_calls: int = 0
    waiting_since: int | None = None
    exhausted: bool = False
    case_id: str | None = None
    outbox: list[dict[str, str]] = field(default_factory=list)
    answers: set[str] = field(default_factory=set)  # stored answers that this attempt put into the bucket or used
    counted: set[str] = field(default_factory=set)  # those whose call was counted, with which the record knows them
    unburied: frozenset[str] = frozenset()  # answers that an erasure before this upload had still to delete
    link_keys: frozenset[str] = frozenset()  # items that list this record, also of an earlier upload


@dataclass(frozen=True, slots=True)
class Settled:
    """There is nothing to do for this event: done already, newer than the event, or being worked on."""

    status: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tombstone:
    """An erasure under way: what has to be deleted, and what has to be said when that is done."""

    record_id: str
    answer_keys: frozenset[str]
    link_keys: frozenset[str]
    outbox: tuple[dict[str, str], ...]
    lease_until: int | None  # of a worker that may still store an answer


class Records:
    """Reads and writes `scan_` items. `clock` gives epoch seconds."""

    def __init__(self, dynamodb: "DynamoDBClient", settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._dynamodb = dynamodb
        self._settings = settings
        self._clock = clock

    # claim ------------------------------------------------------------------------------------------------------------

    def claim(self, scan: Scan, case_id: str | None) -> Lease | Settled:
        """The lease of the record for this event's upload, or why there is nothing to do.

        A scan without sequencer (a sample, a backfill) must know its etag: it claims only what no record tells of.
        A redrive claims a record that has failed, and never makes one.
        """
        owner, now = uuid.uuid4().hex, self._clock()
        if scan.redrive is not None:
            return self._reopen(scan, scan.redrive, owner, now)
        created_at = iso(now)
        first = {
            "bucket": scan.bucket, "key": scan.key, "etag": scan.etag, "size": scan.size, "version_id": scan.version_id,
            "case_id": case_id, "status": "PROCESSING", "attempts": 1, "paid_calls": 0, "uncertain_calls": 0,
            "lease_owner": owner, "schema_version": SCHEMA_VERSION, "created_at": created_at,
            **self._lease_times(scan.record_id, now),
        }  # fmt: skip
        update = Update(first, [name for name in ("etag", "size", *_OF_ONE_UPLOAD) if first.get(name) is None])
        update.values[":new_sequencer"] = scan.sequencer
        if scan.sequencer == NO_SEQUENCER:
            update.aliases = ("sequencer",)
            update.sets.append("#sequencer = if_not_exists(#sequencer, :new_sequencer)")
            newer = "attribute_not_exists(#etag) OR #etag <> :etag"
        else:
            update.attributes = {**first, "sequencer": scan.sequencer}
            newer = "#sequencer < :new_sequencer"
        request = update.request(
            self._settings.cards_table, scan.record_id, f"attribute_not_exists(record_id) OR {newer}"
        )
        try:
            answer = self._dynamodb.update_item(
                **request, ReturnValues="ALL_OLD", ReturnValuesOnConditionCheckFailure="ALL_OLD"
            )
        except ClientError as error:
            return self._resume(scan, condition_failed(error), owner, now)
        before = plain(answer.get("Attributes"))
        sequencer = max(before.get("sequencer", NO_SEQUENCER), scan.sequencer)
        return Lease(
            scan.record_id,
            owner,
            sequencer,
            1,
            created_at,
            case_id=case_id,
            outbox=before.get("outbox", []),
            unburied=frozenset(before.get("answer_keys", ())) if before.get("status") == "ERASED" else frozenset(),
            link_keys=frozenset(before.get("link_keys", ())),
        )

    def scan_of(self, told: Continuation) -> Scan | Settled:
        """The scan that a message of ours is to carry on, as its record has it."""
        answer = self._dynamodb.get_item(
            TableName=self._settings.cards_table, Key=marshalled({"record_id": told.record_id}), ConsistentRead=True
        )
        item = plain(answer.get("Item"))
        if "key" not in item:
            return Settled("ERASED")
        return Scan(
            bucket=item["bucket"],
            key=item["key"],
            etag=item.get("etag"),
            size=item.get("size"),
            sequencer=item["sequencer"],
            version_id=item.get("version_id"),
            ticket=told.ticket,
            redrive=told.redrive,
        )

    def _reopen(self, scan: Scan, failed_at: str, owner: str, now: float) -> Lease | Settled:
        """The record that failed then begins its attempts anew; what was paid stays counted, what is to be said, kept.

        Once reopened, the message is one of the upload's like any other: it resumes what its first delivery began.
        """
        update = Update(
            {"status": "PROCESSING", "lease_owner": owner, "attempts": 1, **self._lease_times(scan.record_id, now)},
            # links that were to be left are found again in `link_keys`
            absent=("reasons", "leaving"),
            values={":failed": "FAILED", ":failed_at": failed_at, ":this_upload": scan.sequencer},
            aliases=("sequencer",),
        )
        condition = "#status = :failed AND #updated_at = :failed_at AND #sequencer = :this_upload"
        try:
            answer = self._dynamodb.update_item(
                **update.request(self._settings.cards_table, scan.record_id, condition),
                ReturnValues="ALL_OLD",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            known = condition_failed(error)
            return self._resume(scan, known, owner, now) if known else Settled("ERASED")
        return self._continued(plain(answer["Attributes"]), owner, attempts=1)

    def _resume(self, scan: Scan, known: Mapping[str, Any], owner: str, now: float) -> Lease | Settled:
        """A record of this very upload whose lease is over goes on; anything else is settled."""
        settled = Settled(known["status"], tuple(known.get("reasons", ())))
        this_upload = scan.sequencer in (NO_SEQUENCER, known["sequencer"])
        if known["status"] != "PROCESSING" or not this_upload:
            return settled
        previous = known.get("lease_owner")
        if previous is not None and known["lease_until"] > now:
            return settled
        # where scans are sent again, a redrive's duplicate is not to hurry a scan that waits
        ours = scan.ticket is not None or (scan.redrive is not None and self._settings.queue_url is not None)
        if ours and scan.ticket != known.get("ticket"):
            return settled  # a later message carries this scan on
        attempts = known["attempts"] + 1
        update = Update(
            {"lease_owner": owner, "attempts": attempts, **self._lease_times(scan.record_id, now)},
            absent=("waiting_for",),
            values={":known_sequencer": known["sequencer"], ":processing": "PROCESSING", ":previous": previous},
            aliases=("status", "sequencer"),
        )
        unowned = "attribute_not_exists(#lease_owner)" if previous is None else "#lease_owner = :previous"
        condition = f"{unowned} AND #sequencer = :known_sequencer AND #status = :processing"
        try:
            self._dynamodb.update_item(
                **update.request(self._settings.cards_table, scan.record_id, condition),
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            other = condition_failed(error)  # another delivery was quicker
            return Settled(other.get("status", "ERASED"), tuple(other.get("reasons", ())))
        return self._continued(known, owner, attempts)

    def _continued(self, known: Mapping[str, Any], owner: str, attempts: int) -> Lease:
        return Lease(
            known["record_id"],
            owner,
            known["sequencer"],
            attempts,
            known["created_at"],
            paid_calls=known["paid_calls"],
            uncertain_calls=known["uncertain_calls"],
            waiting_since=known.get("waiting_since"),
            exhausted=attempts > self._settings.max_attempts,
            case_id=known.get("case_id"),
            outbox=known.get("outbox", []),
            link_keys=frozenset(known.get("link_keys", ())),
        )

    def _lease_times(self, record_id: str, now: float) -> dict[str, object]:
        lease_until = int(now) + self._settings.lease_seconds
        return {
            "lease_until": lease_until,
            "updated_at": iso(now),
            "expires_at": self._expires_at(now),
            "due_shard": due_shard(record_id),
            "due_at": lease_until,
        }

    def _expires_at(self, now: float) -> int:
        return int(now) + self._settings.retention_days * _DAY

    # while the lease is held ------------------------------------------------------------------------------------------

    def counting_call(self, lease: Lease, content_sha256: str, answer_key: str) -> "UpdateTypeDef":
        """The part of a transaction that counts a call before it is made: paid, and uncertain until it is answered.

        It fails, and with it the transaction, when the lease is no longer ours.
        """
        update = Update(
            {
                "content_sha256": content_sha256,
                "paid_calls": lease.paid_calls + 1,
                "uncertain_calls": lease.uncertain_calls + 1,
                "updated_at": iso(self._clock()),
            },
            adds=["answer_keys :used"],
            values={":used": {answer_key}, ":owner": lease.owner},
        )
        request: UpdateTypeDef = update.request(self._settings.cards_table, lease.record_id, "lease_owner = :owner")
        return request

    def finish(
        self,
        lease: Lease,
        attributes: Mapping[str, object],
        events: Iterable[Event],
        links: Mapping[str, "TransactWriteItemTypeDef"],
    ) -> list[Event]:
        """The final status, its attributes, its events and its `links` in one write. Returns the events to deliver now.

        Links of an earlier upload that are none of this one stand in `leaving` until the record has left them.
        Raises SupersededError, LinksMovedError.
        """
        now = self._clock()
        outbox = lease.outbox + [event.as_item() for event in events]
        values: dict[str, object] = {
            "paid_calls": lease.paid_calls,
            "uncertain_calls": lease.uncertain_calls,
            "attempts": lease.attempts,
            "updated_at": iso(now),
            "expires_at": self._expires_at(now),
            **attributes,
        }
        absent = ["lease_owner", "lease_until", "waiting_for", "waiting_since", "ticket"]
        if leaving := lease.link_keys - links.keys():
            values["leaving"] = set(leaving)
        if outbox:
            values["outbox"] = outbox
        if outbox or leaving:
            values |= {"due_shard": due_shard(lease.record_id), "due_at": int(now) + 60}
        else:
            absent += ["due_shard", "due_at"]
        update = self._remembering(lease, Update(values, absent))
        if links:
            update.adds.append("link_keys :links")
            update.values[":links"] = set(links)
            self._write_with(lease, update, links.values())
        else:
            self._write(lease, update)
        return [Event(**item) for item in outbox]

    def unlinked(self, record_id: str, left: Iterable[str], *, undelivered: bool) -> None:
        """The record has left these links; nothing is due any more unless events are `undelivered`."""
        update = Update(
            absent=["leaving"] if undelivered else ["leaving", "due_shard", "due_at"],
            deletes=["link_keys :left"],
            values={":left": set(left)},
        )
        try:
            self._dynamodb.update_item(**update.request(self._settings.cards_table, record_id, "#leaving = :left"))
        except ClientError as error:
            condition_failed(error)  # a newer upload has taken it over, with its links

    def wait(self, lease: Lease, reason: Reason | None, delay: int, *, counted: bool) -> str:
        """Gives the lease back until `delay` seconds from now. An attempt that is not `counted` was none.

        Returns the ticket of the message that is to carry the scan on: messages with an older one are void.
        """
        now, ticket = self._clock(), uuid.uuid4().hex
        retry_at = int(now) + delay
        values: dict[str, object] = {
            "attempts": lease.attempts if counted else max(0, lease.attempts - 1),
            "paid_calls": lease.paid_calls,
            "uncertain_calls": lease.uncertain_calls,
            "waiting_for": reason.value if reason is not None else None,
            "waiting_since": lease.waiting_since or int(now),
            "ticket": ticket,
            "updated_at": iso(now),
            "due_shard": due_shard(lease.record_id),
            "due_at": retry_at + 2 * self._settings.lease_seconds,
        }
        self._write(lease, self._remembering(lease, Update(values, ("lease_owner", "lease_until"))))
        return ticket

    def remember(self, lease: Lease) -> None:
        """Enters the answers that are used before anything is stored beside them, lest an erasure miss that.

        Raises SupersededError.
        """
        if not lease.answers <= lease.counted:
            self._write(lease, self._remembering(lease, Update()))

    @staticmethod
    def _remembering(lease: Lease, update: Update) -> Update:
        """Adds the answers that were used, so that an erasure finds them."""
        if lease.answers:
            update.adds.append("answer_keys :used")
            update.values[":used"] = lease.answers
        return update

    def overdue(self, item: Mapping[str, Any]) -> str | None:
        """The ticket for a message in place of one that did not come; None when somebody has seen to the scan."""
        now, ticket = int(self._clock()), uuid.uuid4().hex
        # doubling: where messages are merely late, they must not be multiplied
        patience = 2 * max(self._settings.lease_seconds, now - int(item["due_at"]))
        update = Update(
            {"ticket": ticket, "due_at": now + patience}, values={":seen": item["due_at"]}, aliases=("due_at",)
        )
        try:
            self._dynamodb.update_item(
                **update.request(self._settings.cards_table, item["record_id"], "#due_at = :seen")
            )
        except ClientError as error:
            condition_failed(error)
            return None
        return ticket

    def _write(self, lease: Lease, update: Update) -> None:
        update.values[":owner"] = lease.owner
        try:
            self._dynamodb.update_item(
                **update.request(self._settings.cards_table, lease.record_id, "lease_owner = :owner"),
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            known = condition_failed(error)
            raise SupersededError(erased=known.get("status", "ERASED") == "ERASED") from None

    def _write_with(self, lease: Lease, update: Update, links: Iterable["TransactWriteItemTypeDef"]) -> None:
        update.values[":owner"] = lease.owner
        request = update.request(self._settings.cards_table, lease.record_id, "lease_owner = :owner")
        request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        writes: list[TransactWriteItemTypeDef] = [{"Update": request}, *links]
        for conflict in range(_CONFLICTS):
            try:
                self._dynamodb.transact_write_items(TransactItems=writes)
            except ClientError as error:
                if error_code(error) != "TransactionCanceledException":
                    raise
                details: Any = error.response
                of_record, *of_links = details["CancellationReasons"]
                if of_record.get("Code") == "ConditionalCheckFailed":
                    known = plain(of_record.get("Item"))
                    raise SupersededError(erased=known.get("status", "ERASED") == "ERASED") from None
                if any(reason.get("Code") == "ConditionalCheckFailed" for reason in of_links):
                    raise LinksMovedError from None
                if conflict == _CONFLICTS - 1:
                    raise
                time.sleep(0.05 * 2**conflict)
            else:
                return
        raise AssertionError("unreachable: the last conflict is raised")

    # events -----------------------------------------------------------------------------------------------------------

    def delivered(self, record_id: str, events: Iterable[Event]) -> None:
        """Empties the outbox, unless it has changed meanwhile, or goes out with the end of a scan that is in work."""
        update = Update(
            absent=("outbox", "due_shard", "due_at"),
            values={":delivered": [event.as_item() for event in events], ":processing": "PROCESSING"},
            aliases=("status",),
        )
        # what is due of a scan that waits is the scan itself
        condition = "#outbox = :delivered AND #status <> :processing"
        try:
            self._dynamodb.update_item(**update.request(self._settings.cards_table, record_id, condition))
        except ClientError as error:
            condition_failed(error)

    # erasure ----------------------------------------------------------------------------------------------------------

    def erase(self, scan: Scan, event: Event) -> Tombstone | Settled:
        """Makes the record a tombstone against late deliveries, with `event` in its outbox.

        Settled when the record is newer than this removal, of another version of the object than was removed, or the
        erasure was finished before. A removal without sequencer (a sample) erases what is there.
        """
        now = self._clock()
        update = Update(
            {
                "status": "ERASED",
                "updated_at": iso(now),
                "expires_at": self._expires_at(now),
                "due_shard": due_shard(scan.record_id),
                "due_at": int(now) + 60,
            },
            # until when a worker may still store an answer has to outlive an erasure that is interrupted
            absent=[name for name in _OF_ONE_UPLOAD + _OF_LIFE if name != "lease_until"],
            sets=["#outbox = list_append(if_not_exists(#outbox, :none), :event)"],
            values={":none": [], ":event": [event.as_item()], ":new_sequencer": scan.sequencer},
            aliases=("outbox", "sequencer"),
        )
        if scan.sequencer == NO_SEQUENCER:
            update.sets.append("#sequencer = if_not_exists(#sequencer, :new_sequencer)")
            older = "#status <> :status"
        else:
            update.attributes = {**update.attributes, "sequencer": scan.sequencer}
            older = "#sequencer < :new_sequencer"
        if scan.version_id is not None:
            update.values[":removed"] = scan.version_id
            of_this = "(attribute_not_exists(#version_id) OR #version_id = :removed)"
            older = f"{older} AND #status <> :status AND {of_this}"
        request = update.request(
            self._settings.cards_table, scan.record_id, f"attribute_not_exists(record_id) OR {older}"
        )
        try:
            answer = self._dynamodb.update_item(
                **request, ReturnValues="ALL_OLD", ReturnValuesOnConditionCheckFailure="ALL_OLD"
            )
        except ClientError as error:
            known = condition_failed(error)
            unfinished = known["status"] == "ERASED" and known.keys() & {"answer_keys", "link_keys", "outbox"}
            return tombstone_of(known) if unfinished else Settled(known["status"], tuple(known.get("reasons", ())))
        before = plain(answer.get("Attributes"))
        outbox = [*before.get("outbox", ()), event.as_item()]
        return tombstone_of(before | {"record_id": scan.record_id, "outbox": outbox})

    def vanish(self, lease: Lease) -> None:
        """The object was gone before it could be read: a tombstone, without an event; the removal's own tells."""
        now = self._clock()
        absent = [*_OF_ONE_UPLOAD, *_OF_LIFE]
        if not lease.outbox:
            absent += ["due_shard", "due_at"]
        self._write(
            lease,
            Update({"status": "ERASED", "updated_at": iso(now), "expires_at": self._expires_at(now)}, absent),
        )

    def buried(self, tombstone: Tombstone) -> None:
        """All is deleted and said. While a worker may still store an answer, its key is kept for `sweep` to delete."""
        if tombstone.answer_keys and tombstone.lease_until is not None and tombstone.lease_until > self._clock():
            update = Update({"due_at": tombstone.lease_until + 1}, absent=("outbox", "link_keys"))
        else:
            update = Update(absent=("outbox", "answer_keys", "link_keys", "lease_until", "due_shard", "due_at"))
        update.aliases, update.values = ("status",), {":erased": "ERASED"}
        try:
            self._dynamodb.update_item(
                **update.request(self._settings.cards_table, tombstone.record_id, "#status = :erased")
            )
        except ClientError as error:
            condition_failed(error)  # a newer upload has begun: its own life now


def tombstone_of(item: Mapping[str, Any]) -> Tombstone:
    """What is left to do of an erasure, from the record as it was, or the tombstone as it is."""
    return Tombstone(
        item["record_id"],
        frozenset(item.get("answer_keys", ())),
        frozenset(item.get("link_keys", ())),
        tuple(item.get("outbox", ())),
        item.get("lease_until"),
    )
