"""The way of a scan, step by step, as its record and its events tell it: what neither tells is not shown as done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from local.demo import contract

type State = Literal["done", "now", "waiting", "next", "skipped", "failed"]
type Name = Literal["uploaded", "queued", "claimed", "asked", "verdict", "announced", "erased"]

ERASED = "ERASED"
_ASKED: Name = "asked"


@dataclass(frozen=True)
class Step:
    """One step. note: which sentence of the page's texts explains it; values: what is filled in there.

    at: ISO 8601, UTC, where the record or an event tells when.
    """

    name: Name
    state: State
    at: str | None = None
    note: str | None = None
    values: Mapping[str, str | int] | None = None

    def as_json(self) -> dict[str, Any]:
        """Without what is not told."""
        members = {"name": self.name, "state": self.state, "at": self.at, "note": self.note, "values": self.values}
        return {name: value for name, value in members.items() if value is not None}


def way(record: Mapping[str, Any] | None, events: Sequence[Mapping[str, Any]], uploaded_at: str | None) -> list[Step]:
    """Every step, in the order in which a scan takes them.

    record: None while there is none: S3 has the object, and its notification waits in the queue. events: those about
    this record, as the subscriber got them. uploaded_at: when S3 took the object, where this page has put it there.
    """
    uploaded = Step("uploaded", "done", uploaded_at)
    if record is None:
        return [
            uploaded, Step("queued", "now"), Step("claimed", "next"), Step("asked", "next"), Step("verdict", "next"),
            Step("announced", "next"),
        ]  # fmt: skip
    if record["status"] == ERASED:
        return [Step("erased", "done", record["updated_at"]), _announced(record, events)]
    asked = _asked(record)
    working = record["status"] == contract.PROCESSING and asked.state == "next"
    claimed = Step(
        "claimed", "now" if working else "done", record["created_at"], "attempts", {"attempts": record["attempts"]}
    )
    return [uploaded, Step("queued", "done"), claimed, asked, _verdict(record), _announced(record, events)]


def is_over(record: Mapping[str, Any] | None, events: Sequence[Mapping[str, Any]]) -> bool:
    """Whether nothing more is to come: a final record, and every event that has to follow it."""
    if record is None or record["status"] == contract.PROCESSING:
        return False
    return due(record) <= {event["detail-type"] for event in events}


def due(record: Mapping[str, Any]) -> frozenset[str]:
    """The events that a final record has to be followed by, with ANNOUNCE=flagged."""
    if record["status"] == ERASED:
        return frozenset({"Card Erased"})
    return contract.events(record["status"], record.get("quality"), record.get("risk"))


def _asked(record: Mapping[str, Any]) -> Step:
    if record["status"] == contract.PROCESSING:
        if waiting_for := record.get("waiting_for"):
            return Step(_ASKED, "waiting", note="waiting", values={"reason": waiting_for})
        if record["uncertain_calls"]:  # counted before a call, taken back when it is answered
            return Step(_ASKED, "now", note="call")
        return Step(_ASKED, "next")
    paid = {"paid_calls": record["paid_calls"]}
    if record["status"] == "FAILED":
        return Step(_ASKED, "failed", note="gave_up", values=paid)
    provider = record.get("provider")
    if provider is None:
        return Step(_ASKED, "skipped", note="refused")
    note = "answered" if record["paid_calls"] else "stored_answer"
    return Step(_ASKED, "done", record.get("recognized_at"), note, {"provider": provider, **paid})


def _verdict(record: Mapping[str, Any]) -> Step:
    status = record["status"]
    if status == contract.PROCESSING:
        return Step("verdict", "next")
    values = {"status": status}
    return Step("verdict", "failed" if status == "FAILED" else "done", record["updated_at"], "status", values)


def _announced(record: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> Step:
    if record["status"] == contract.PROCESSING:
        return Step("announced", "next")
    expected = due(record)
    arrived = [event for event in events if event["detail-type"] in expected]
    if not expected:
        return Step("announced", "skipped", note="nothing_due")
    numbers = {"arrived": len({event["detail-type"] for event in arrived}), "due": len(expected)}
    if not is_over(record, events):
        return Step("announced", "now", note="awaited", values=numbers)
    at = max(event["detail"]["metadata"]["occurred_at"] for event in arrived)
    return Step("announced", "done", at, "announced", numbers)
