"""Measured: what the code asks of AWS for one scan, in every way that a scan can go.

Measured on a warm instance in the world of the unit tests, with a portrait side of ordinary length and more than a
second between the steps; tests/unit/local/test_scale.py measures again and fails when a number here is no longer the
code's.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Way:
    """Calls by `service.operation` (`provider` is the paid one), and the request units that DynamoDB bills for them.

    `index_writes` are those of the indexes `due` and `cases`.
    """

    name: str
    calls: Mapping[str, int]
    writes: int
    index_writes: int
    reads: int = 0

    def of(self, service: str) -> int:
        """Calls to one service."""
        return sum(count for name, count in self.calls.items() if name.partition(".")[0] == service)


_TO_THE_ANSWER = {
    "dynamodb.update_item": 1,
    "s3.get_object": 1,
    "dynamodb.transact_write_items": 1,
    "provider": 1,
    "s3.put_object": 1,
}

CLEAN = Way("clean", _TO_THE_ANSWER | {"dynamodb.update_item": 2}, writes=6, index_writes=2)
IN_CASE = Way(
    "in a case",
    _TO_THE_ANSWER | {"dynamodb.batch_get_item": 1, "dynamodb.transact_write_items": 2},
    writes=13,
    index_writes=3,
    reads=3,
)
FLAGGED = Way(
    "flagged",
    _TO_THE_ANSWER | {"dynamodb.update_item": 3, "events.put_events": 1},
    writes=9,
    index_writes=4,
)
THROTTLED = Way(
    "throttled",
    {
        "dynamodb.update_item": 2,
        "s3.get_object": 1,
        "dynamodb.transact_write_items": 1,
        "provider": 1,
        "dynamodb.delete_item": 1,
        "sqs.send_message": 1,
    },
    writes=7,
    index_writes=3,
)
PAUSED = Way(
    "provider paused",
    {"dynamodb.update_item": 2, "s3.get_object": 2, "sqs.send_message": 1},
    writes=2,
    index_writes=3,
)
ON_TRIAL = Way(
    "provider on trial",
    {"dynamodb.update_item": 2, "dynamodb.get_item": 1, "s3.get_object": 2, "sqs.send_message": 1},
    writes=2,
    index_writes=3,
    reads=1,
)
WAYS = (
    CLEAN,
    IN_CASE,
    Way(
        "completing its pair",
        _TO_THE_ANSWER | {"dynamodb.batch_get_item": 2, "dynamodb.transact_write_items": 2},
        writes=11,
        index_writes=3,
        reads=3,
    ),
    FLAGGED,
    Way("with a spending cap", _TO_THE_ANSWER | {"dynamodb.update_item": 3}, writes=7, index_writes=2),
    Way(
        "rejected unread",
        {"dynamodb.update_item": 3, "s3.get_object": 1, "events.put_events": 1},
        writes=3,
        index_writes=4,
    ),
    Way("redelivered", {"dynamodb.update_item": 1}, writes=1, index_writes=0),
    Way(
        "same bytes again",
        {"dynamodb.update_item": 2, "s3.get_object": 2, "dynamodb.transact_write_items": 1},
        writes=6,
        index_writes=2,
    ),
    THROTTLED,
    PAUSED,
    ON_TRIAL,
    Way(
        "erased",
        {"dynamodb.update_item": 2, "s3.delete_object": 3, "dynamodb.delete_item": 1, "events.put_events": 1},
        writes=3,
        index_writes=2,
    ),
)

# a line of the log for each scan, and a clean record of a case as it is stored: bytes, rounded to hundreds
LOG_BYTES = 300
RECORD_BYTES = 900
# after a probe that failed nobody calls before another `limits.BREAK_SECONDS` are over
FAILED_PROBE_RENEWS_THE_PAUSE = True
