"""The story of a scan: claim ▸ fetch ▸ fit ▸ recognise ▸ journal ▸ normalise ▸ assess ▸ store ▸ announce.

`Intake.take` tells it from top to bottom. Each step is a module of its own; what is here is their order, and what
becomes of a scan when a step does not succeed: it is rejected, waits, is tried again, or has failed.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cardintake import limits, scans, telemetry
from cardintake.announcements import Announcements, Event, of_case, of_record
from cardintake.assessment import Verdict, among_others, assess, refused
from cardintake.budget import Budget
from cardintake.cases import Cases, Joined
from cardintake.cropping import cut
from cardintake.images import ImageRefusedError as RefusedUnread
from cardintake.images import probe
from cardintake.items import iso
from cardintake.journal import Journal
from cardintake.providers.errors import ImageRefusedError as RefusedByProvider
from cardintake.providers.errors import ProviderError, RetryableError, ThrottledError
from cardintake.providers.protocol import Provider, Reading
from cardintake.reasons import Reason
from cardintake.recognition import OutOfTimeError, Recognised, Recognition
from cardintake.records import Lease, LinksMovedError, Records, Settled, SupersededError, Tombstone
from cardintake.routing import candidates
from cardintake.scans import NO_SEQUENCER, Continuation, Scan
from cardintake.settings import Settings
from cardintake.uploads import Upload, UploadGoneError, Uploads

_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has become of a scan. `retry_in`: seconds after which it has to be tried again; None when it has not."""

    scan: Scan | Continuation
    status: str
    reasons: tuple[str, ...] = ()
    retry_in: int | None = None
    waiting_for: str | None = None
    ticket: str | None = None


@dataclass(frozen=True, slots=True)
class Later:
    """A scan on its second attempt, claimed, to be worked on alone after all others."""

    scan: Scan
    lease: Lease


class Intake:
    """Wired by `bootstrap`."""

    def __init__(
        self,
        settings: Settings,
        registry: Mapping[str, type[Provider]],
        uploads: Uploads,
        records: Records,
        journal: Journal,
        recognition: Recognition,
        cases: Cases,
        announcements: Announcements,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._uploads = uploads
        self._records = records
        self._journal = journal
        self._recognition = recognition
        self._cases = cases
        self._announcements = announcements

    def take(self, scan: Scan | Continuation, budget: Budget) -> Outcome | Later:
        """Begins a scan: erases a removed one, claims an uploaded one and works on it, unless it must be alone.

        Without time for it, an upload is claimed all the same: a message of ours can only tell of a record.
        """
        if isinstance(scan, Continuation):
            if budget.remaining < limits.MIN_SECONDS_TO_BEGIN:
                return Outcome(scan, "PROCESSING", retry_in=0)
            known = self._records.scan_of(scan)
            if isinstance(known, Settled):
                return Outcome(scan, known.status, known.reasons)
            scan = known
        if scan.removed:
            return self._erase(scan)
        try:
            claimed = self._claim(scan)
        except UploadGoneError:
            return Outcome(scan, "ERASED")
        if isinstance(claimed, Settled):
            return Outcome(scan, claimed.status, claimed.reasons)
        if claimed.attempts > 1:
            return Later(scan, claimed)
        return self.work(scan, claimed, budget)

    def work(self, scan: Scan, lease: Lease, budget: Budget) -> Outcome:
        """The story. Never raises for what can happen to a scan; what nobody expected leaves it for a retry."""
        started = time.monotonic()
        try:
            outcome = self._worked(scan, lease, budget)
        except SupersededError as superseded:
            # an erasure in between has not seen what was stored or used since
            if superseded.erased:
                self._journal.erase(lease.record_id, lease.answers)
            outcome = Outcome(scan, "ERASED" if superseded.erased else "PROCESSING")
        telemetry.info(
            "scan",
            record_id=lease.record_id,
            status=outcome.status,
            reasons=outcome.reasons,
            waiting_for=outcome.waiting_for,
            attempts=lease.attempts,
            paid_calls=lease.paid_calls,
            uncertain_calls=lease.uncertain_calls or None,
            milliseconds=round((time.monotonic() - started) * 1000),
        )
        if outcome.retry_in is None and lease.uncertain_calls:
            telemetry.count("UncertainCalls", lease.uncertain_calls)
        return outcome

    def _claim(self, scan: Scan) -> Lease | Settled:
        if scan.sequencer == NO_SEQUENCER and scan.etag is None:
            scan = scan.with_etag(self._uploads.etag_of(scan))
        return self._records.claim(scan, scans.case_id(scan.key, self._settings.case_id_pattern))

    def _worked(self, scan: Scan, lease: Lease, budget: Budget) -> Outcome:
        if lease.unburied:
            # an erasure was interrupted before this upload; its event goes out with this record's
            self._journal.erase(lease.record_id, lease.unburied)
        if lease.exhausted:
            lease.attempts -= 1
            return self._fail(scan, lease, Reason.PROCESSING_CRASHED)
        if budget.remaining < limits.MIN_SECONDS_TO_BEGIN:
            return self._wait(scan, lease, None, 0, counted=False)
        try:
            upload = self._uploads.fetch(scan)
        except UploadGoneError:
            self._records.vanish(lease)
            return Outcome(scan, "ERASED")
        try:
            return self._read(scan, upload, lease, budget)
        except RefusedUnread as refusal:
            return self._finish(scan, lease, upload, refused(refusal.reason))
        except OutOfTimeError:
            return self._wait(scan, lease, None, 0, counted=False)
        except ThrottledError as error:
            return self._wait(scan, lease, error.waiting_for, self._delay(lease, error.retry_after), counted=False)
        except RetryableError as error:
            if lease.attempts >= self._settings.max_attempts:
                return self._fail(scan, lease, error.failed or Reason.PROVIDER_UNAVAILABLE, upload)
            return self._wait(scan, lease, error.waiting_for, _backoff(lease), counted=True)
        except ProviderError as error:
            if error.failed is not None:
                return self._fail(scan, lease, error.failed, upload)
            return self._wait(scan, lease, error.waiting_for, self._delay(lease), counted=False)

    def _read(self, scan: Scan, upload: Upload, lease: Lease, budget: Budget) -> Outcome:
        """From the uploaded bytes to the stored record."""
        picture = probe(upload.image())
        chosen = candidates(scan.key, upload.claim, self._settings, self._registry)
        recognised = self._recognition.recognise(picture, chosen, upload.claim, lease, budget)
        provider = recognised.provider
        try:
            reading = provider.read(recognised.answer)
        except RefusedByProvider as refusal:
            verdict, reading = refused(Reason.PROVIDER_REJECTED_IMAGE, provider.name), Reading((), refusal.request_id)
        else:
            verdict = assess(
                reading,
                provider.name,
                picture.measures,
                upload.claim,
                datetime.now(UTC),
                self._settings.thresholds,
            )
        return self._finish(scan, lease, upload, verdict, recognised, reading)

    def _crop_keys(self, lease: Lease, reading: Reading, recognised: Recognised) -> dict[str, str]:
        """What was cut out of the picture, stored; the record's attributes that say where."""
        portrait, card = cut(reading.portrait, recognised.image), cut(reading.card_image, recognised.image)
        if portrait is not None or card is not None:
            self._records.remember(lease)
        keys, content = {}, recognised.content
        if portrait is not None:
            keys["portrait_key"] = self._journal.store_crop(content, lease.record_id, "portrait", portrait)
        if card is not None:
            keys["card_image_key"] = self._journal.store_crop(content, lease.record_id, "card", card)
        return keys

    # how a scan ends --------------------------------------------------------------------------------------------------

    def _finish(
        self,
        scan: Scan,
        lease: Lease,
        upload: Upload,
        verdict: Verdict,
        recognised: Recognised | None = None,
        reading: Reading | None = None,
    ) -> Outcome:
        attributes: dict[str, Any] = {"etag": upload.etag, "size": upload.size}
        if recognised is not None and reading is not None:
            attributes |= {
                "content_sha256": recognised.content.sha256,
                "provider": recognised.provider.name,
                "provider_request_id": reading.request_id,
                "recognized_at": iso(recognised.answer.answered_at.timestamp()),
                **self._crop_keys(lease, reading, recognised),
            }
        elif upload.size <= limits.MAX_OBJECT_BYTES:
            attributes["content_sha256"] = upload.sha256()
        for _ in range(limits.LINK_TRIES):
            joined = self._joined(lease, verdict, attributes)
            whole = among_others(verdict, joined.findings, checked=joined.checked)
            try:
                return self._stored(scan, lease, attributes | whole.attributes(), joined)
            except LinksMovedError:
                continue  # another scan of the case was quicker: look again at what is there now
        raise LinksMovedError

    def _joined(self, lease: Lease, verdict: Verdict, attributes: Mapping[str, Any]) -> Joined:
        """Only what was read belongs to a case."""
        if verdict.card is None or lease.case_id is None:
            return Joined()
        cards = (verdict.card, *verdict.other_cards)
        return self._cases.join(lease.record_id, lease.case_id, cards, attributes["content_sha256"])

    def _fail(self, scan: Scan, lease: Lease, reason: Reason, upload: Upload | None = None) -> Outcome:
        attributes: dict[str, Any] = {"status": "FAILED", "reasons": [reason.value]}
        if upload is not None:
            attributes |= {"etag": upload.etag, "size": upload.size}
        return self._stored(scan, lease, attributes)

    def _stored(self, scan: Scan, lease: Lease, attributes: dict[str, Any], joined: Joined = Joined()) -> Outcome:  # noqa: B008 - frozen
        """Record, events and links are one write; the events are delivered right after, else by `sweep`."""
        status, reasons = attributes["status"], tuple(attributes["reasons"])
        data = _event_data(lease, attributes)
        now = iso(time.time())
        events = of_record(data, self._settings.announce, occurred_at=now)
        if joined.complete and lease.case_id is not None and self._settings.announce_cases:
            events.append(of_case(lease.case_id, [data, *joined.partners], occurred_at=now))
        pending = self._records.finish(lease, attributes, events, joined.links)
        if leaving := lease.link_keys - joined.links.keys():
            self.leave(lease.record_id, leaving, undelivered=bool(pending))
        if pending and self._announcements.deliver(pending):
            self._records.delivered(lease.record_id, pending)
        return Outcome(scan, status, reasons)

    def _wait(self, scan: Scan, lease: Lease, reason: Reason | None, delay: int, *, counted: bool) -> Outcome:
        waited = time.time() - (lease.waiting_since or time.time())
        if waited > self._settings.max_wait_hours * _HOUR:
            return self._fail(scan, lease, Reason.WAITED_TOO_LONG)
        ticket = self._records.wait(lease, reason, delay, counted=counted)
        waiting_for = reason.value if reason is not None else None
        return Outcome(scan, "PROCESSING", retry_in=delay, waiting_for=waiting_for, ticket=ticket)

    @staticmethod
    def _delay(lease: Lease, asked: float | None = None) -> int:
        """Seconds until the next try: what the provider asks for, else a quarter of what was waited already."""
        waited = time.time() - (lease.waiting_since or time.time())
        seconds = asked if asked is not None else waited / 4
        return int(min(max(seconds, limits.MIN_DELAY_SECONDS), limits.MAX_DELAY_SECONDS))

    def leave(self, record_id: str, links: Iterable[str], *, undelivered: bool) -> None:
        """Takes a record out of the links of an earlier upload under its key."""
        self._cases.leave(record_id, links)
        self._records.unlinked(record_id, links, undelivered=undelivered)

    # erasure ----------------------------------------------------------------------------------------------------------

    def _erase(self, scan: Scan) -> Outcome:
        case_id = scans.case_id(scan.key, self._settings.case_id_pattern)
        data = {
            "record_id": scan.record_id,
            **({"case_id": case_id} if case_id else {}),
            "status": "ERASED",
            "quality": "unknown",
            "risk": "unknown",
            "reasons": [],
        }
        (event,) = of_record(data, self._settings.announce, occurred_at=iso(time.time()))
        tombstone = self._records.erase(scan, event)
        if isinstance(tombstone, Settled):
            return Outcome(scan, tombstone.status, tombstone.reasons)
        self.bury(tombstone)
        telemetry.info("scan erased", record_id=scan.record_id, status="ERASED")
        return Outcome(scan, "ERASED")

    def bury(self, tombstone: Tombstone) -> None:
        """Deletes what the scan used, says so, and only then forgets what there was to delete."""
        self._journal.erase(tombstone.record_id, tombstone.answer_keys)
        self._cases.leave(tombstone.record_id, tombstone.link_keys)
        if self._announcements.deliver([Event(**item) for item in tombstone.outbox]):
            self._records.buried(tombstone)


def _backoff(lease: Lease) -> int:
    """Seconds after an attempt that counted: 5, 20, 80, 320, 900. A short outage must not use all of them up."""
    return int(min(limits.MIN_DELAY_SECONDS * 4.0 ** (lease.attempts - 1), limits.MAX_DELAY_SECONDS))


def _event_data(lease: Lease, attributes: Mapping[str, Any]) -> dict[str, Any]:
    card = attributes.get("card", {})
    data = {
        "record_id": lease.record_id,
        "case_id": lease.case_id,
        "status": attributes["status"],
        "provider": attributes.get("provider"),
        "document_type": card.get("document_type"),
        "side": card.get("side"),
        "quality": attributes.get("quality", "unknown"),
        "risk": attributes.get("risk", "unknown"),
        "reasons": attributes["reasons"],
    }
    return {name: value for name, value in data.items() if value is not None}
