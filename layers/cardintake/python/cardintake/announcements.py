"""What downstream applications hear: the events of a record and of a provider, and their delivery.

An event is made once, with its id, and kept in an outbox beside the fact until EventBridge has taken it. No event
carries identity data or an object key.
"""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from cardintake import telemetry

if TYPE_CHECKING:
    from types_boto3_events import EventBridgeClient

SOURCE = "cardintake"
SCHEMA_VERSION = 1
_ENTRIES = 10  # PutEvents takes no more at a time
_TRIES = 2


@dataclass(frozen=True, slots=True)
class Event:
    """One entry for the bus; `detail` is JSON text."""

    event_id: str
    detail_type: str
    detail: str

    @classmethod
    def of(cls, detail_type: str, data: dict[str, Any], *, occurred_at: str) -> "Event":
        """`occurred_at`: ISO 8601, UTC."""
        event_id = str(uuid.uuid4())
        metadata = {"event_id": event_id, "schema_version": SCHEMA_VERSION, "occurred_at": occurred_at}
        return cls(event_id, detail_type, json.dumps({"metadata": metadata, "data": data}, ensure_ascii=False))

    def as_item(self) -> dict[str, str]:
        """For the outbox."""
        return {"event_id": self.event_id, "detail_type": self.detail_type, "detail": self.detail}


def of_record(data: dict[str, Any], announce: Literal["flagged", "all"], *, occurred_at: str) -> list[Event]:
    """The events of a record that has reached a status; `data` as the contract lists it."""
    status = data["status"]
    types = []
    if status in ("RECOGNIZED", "REJECTED") and data["quality"] == "low":
        types.append("Card Low Quality")
    if data["risk"] == "suspected":
        types.append("Card Risk Suspected")
    if status == "REJECTED":
        types.append("Card Rejected")
    if status == "FAILED":
        types.append("Card Failed")
    if status == "ERASED":
        types.append("Card Erased")
    if status == "RECOGNIZED" and announce == "all":
        types.append("Card Recognized")
    return [Event.of(detail_type, data, occurred_at=occurred_at) for detail_type in types]


def of_case(case_id: str, sides: Sequence[Mapping[str, Any]], *, occurred_at: str) -> Event:
    """Both sides of a card are there; `sides` are their records, as far as events tell of them. The worst counts."""
    data = {
        "case_id": case_id,
        "records": sorted(side["record_id"] for side in sides),
        "document_type": sides[0]["document_type"],
        "quality": max((side["quality"] for side in sides), key=("good", "unknown", "low").index),
        "risk": max((side["risk"] for side in sides), key=("none", "unknown", "suspected").index),
        "reasons": sorted({reason for side in sides for reason in side["reasons"]}),
    }
    return Event.of("Case Complete", data, occurred_at=occurred_at)


class Announcements:
    """Delivers events to the bus. `events` gives the client: most scans have nothing to say."""

    def __init__(self, events: Callable[[], "EventBridgeClient"], bus: str) -> None:
        self._events = events
        self._bus = bus

    def deliver(self, events: Sequence[Event]) -> bool:
        """Puts the events; entries that EventBridge refuses are put again. True when all were taken.

        Never raises for what EventBridge does: the events stay in their outbox, and `sweep` delivers them.
        """
        try:
            return self._delivered(events)
        except (ClientError, BotoCoreError) as error:
            telemetry.crashed(error)
            telemetry.count("EventsRefused", len(events))
            return False

    def _delivered(self, events: Sequence[Event]) -> bool:
        pending = list(events)
        for _ in range(_TRIES):
            refused = []
            for start in range(0, len(pending), _ENTRIES):
                batch = pending[start : start + _ENTRIES]
                answer = self._events().put_events(
                    Entries=[
                        {
                            "Source": SOURCE,
                            "DetailType": event.detail_type,
                            "Detail": event.detail,
                            "EventBusName": self._bus,
                        }
                        for event in batch
                    ]
                )
                if answer["FailedEntryCount"]:
                    refused += [
                        event for event, entry in zip(batch, answer["Entries"], strict=True) if "ErrorCode" in entry
                    ]
            if not refused:
                return True
            pending = refused
        telemetry.info("events were refused and stay in the outbox", count=len(pending))
        telemetry.count("EventsRefused", len(pending))
        return False
