"""Events: which ones a record causes, what they carry, and that none is lost when the bus refuses some."""

import json
import re
from itertools import product
from typing import Any, Literal

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from cardintake.announcements import SOURCE, Announcements, Event, of_record

AT = "2026-01-15T08:30:00.000Z"


def data(status: str, quality: str = "good", risk: str = "none", **more: object) -> dict[str, Any]:
    return {"record_id": "scan_0", "status": status, "quality": quality, "risk": risk, "reasons": []} | more


def types(values: dict[str, str], announce: Literal["flagged", "all"] = "flagged") -> list[str]:
    return [event.detail_type for event in of_record(data(**values), announce, occurred_at=AT)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"status": "RECOGNIZED"}, []),
        ({"status": "RECOGNIZED", "risk": "unknown"}, []),
        ({"status": "RECOGNIZED", "quality": "low"}, ["Card Low Quality"]),
        ({"status": "RECOGNIZED", "risk": "suspected"}, ["Card Risk Suspected"]),
        ({"status": "RECOGNIZED", "quality": "low", "risk": "suspected"}, ["Card Low Quality", "Card Risk Suspected"]),
        ({"status": "REJECTED", "quality": "unknown", "risk": "unknown"}, ["Card Rejected"]),
        ({"status": "REJECTED", "quality": "low", "risk": "unknown"}, ["Card Low Quality", "Card Rejected"]),
        (
            {"status": "REJECTED", "quality": "low", "risk": "suspected"},
            ["Card Low Quality", "Card Risk Suspected", "Card Rejected"],
        ),
        ({"status": "FAILED", "quality": "unknown", "risk": "unknown"}, ["Card Failed"]),
        ({"status": "ERASED", "quality": "unknown", "risk": "unknown"}, ["Card Erased"]),
    ],
)
def test_one_event_a_concern(values: dict[str, str], expected: list[str]) -> None:
    assert types(values) == expected
    recognized = ["Card Recognized"] if values["status"] == "RECOGNIZED" else []
    assert types(values, "all") == expected + recognized


def test_only_flagged_records_are_announced_unless_all_are_asked_for() -> None:
    for status, quality, risk in product(
        ("RECOGNIZED", "REJECTED", "FAILED", "ERASED"), ("good", "low", "unknown"), ("none", "suspected", "unknown")
    ):
        values = {"status": status, "quality": quality, "risk": risk}
        assert "Card Recognized" not in types(values)
        assert set(types(values)) <= set(types(values, "all"))


def test_the_detail_is_the_contracts() -> None:
    values = data("RECOGNIZED", "low", case_id="C-1001", reasons=["FIELD_MISSING"], document_type="cn_resident_id")
    (event,) = of_record(values, "flagged", occurred_at=AT)
    detail = json.loads(event.detail)
    assert detail["data"] == values
    assert detail["metadata"] == {"event_id": event.event_id, "schema_version": 1, "occurred_at": AT}
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", event.event_id)


def test_every_fact_has_an_id_of_its_own_that_stays() -> None:
    events = of_record(data("REJECTED", "low", "suspected"), "all", occurred_at=AT)
    assert len({event.event_id for event in events}) == 3
    for event in events:
        again = Event(**event.as_item())
        assert again == event
        assert json.loads(again.detail)["metadata"]["event_id"] == event.event_id


# delivery -------------------------------------------------------------------------------------------------------------


class Bus:
    """A bus that refuses entries by a script: the positions refused at each call; nothing when that is over."""

    def __init__(self, *refused: set[int]) -> None:
        self.calls: list[list[dict[str, str]]] = []
        self._refused = list(refused)

    def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - as boto3 names it
        assert 1 <= len(Entries) <= 10
        self.calls.append(Entries)
        refused = self._refused.pop(0) if self._refused else set()
        answers = [
            {"ErrorCode": "ThrottlingException"} if n in refused else {"EventId": str(n)} for n in range(len(Entries))
        ]
        return {"FailedEntryCount": len(refused), "Entries": answers}


def events(count: int) -> list[Event]:
    return [Event.of(f"Card {n}", {"n": n}, occurred_at=AT) for n in range(count)]


def delivering(bus: Any) -> Announcements:
    return Announcements(lambda: bus, "bus")


def test_an_entry_is_what_subscribers_filter_on() -> None:
    bus, (event,) = Bus(), events(1)
    assert delivering(bus).deliver([event])
    assert bus.calls == [
        [{"Source": "cardintake", "DetailType": "Card 0", "Detail": event.detail, "EventBusName": "bus"}]
    ]
    assert SOURCE == "cardintake"


def test_nothing_to_say_is_said_without_a_call() -> None:
    bus = Bus()
    assert delivering(bus).deliver([])
    assert bus.calls == []


@pytest.mark.parametrize(("count", "batches"), [(10, [10]), (11, [10, 1]), (25, [10, 10, 5])])
def test_more_than_ten_are_put_in_batches(count: int, batches: list[int]) -> None:
    bus = Bus()
    assert delivering(bus).deliver(events(count))
    assert [len(entries) for entries in bus.calls] == batches
    assert [entry["DetailType"] for entries in bus.calls for entry in entries] == [f"Card {n}" for n in range(count)]


def test_refused_entries_and_only_those_are_put_again() -> None:
    bus = Bus({0, 9}, {3})
    assert delivering(bus).deliver(events(15))
    first, second, again = ([entry["DetailType"] for entry in entries] for entries in bus.calls)
    assert (len(first), len(second)) == (10, 5)
    assert again == ["Card 0", "Card 9", "Card 13"]
    assert bus.calls[2][0]["Detail"] == bus.calls[0][0]["Detail"]


def test_what_is_refused_again_is_not_delivered() -> None:
    bus = Bus({1}, {0})
    assert not delivering(bus).deliver(events(2))
    assert [[entry["DetailType"] for entry in entries] for entries in bus.calls] == [["Card 0", "Card 1"], ["Card 1"]]


@pytest.mark.parametrize(
    "trouble",
    [
        ClientError({"Error": {"Code": "ThrottlingException", "Message": "hush"}}, "PutEvents"),
        EndpointConnectionError(endpoint_url="https://events"), ReadTimeoutError(endpoint_url="https://events"),
    ],
    ids=lambda trouble: type(trouble).__name__,
)  # fmt: skip
def test_a_bus_that_does_not_answer_is_no_delivery_and_no_crash(trouble: Exception) -> None:
    class Gone:
        def put_events(self, **_: object) -> dict[str, Any]:
            raise trouble

    assert delivering(Gone()).deliver(events(1)) is False


def test_a_bug_of_ours_is_not_taken_for_a_bus_that_does_not_answer() -> None:
    class Broken:
        def put_events(self, **_: object) -> dict[str, Any]:
            raise TypeError

    with pytest.raises(TypeError):
        delivering(Broken()).deliver(events(1))
