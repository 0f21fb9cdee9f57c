"""Uploaded and removed scans: through the queue, directly from S3, or as EventBridge events."""

from typing import Any

from cardintake import limits, scans
from cardintake.bootstrap import application
from cardintake.budget import Budget, LambdaContext
from cardintake.doors import door
from cardintake.worklist import not_finished


@door
def handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """From the queue: `{"batchItemFailures": [...]}`. Directly: `{"records": [...]}`, or raises for a retry."""
    arrivals = scans.parse(event)
    done = application().worklist.run(arrivals, Budget.of_invocation(context, reserve=limits.WRITE_DOWN_SECONDS))
    if arrivals.from_queue:
        return {"batchItemFailures": [{"itemIdentifier": message} for message in done.failed_messages]}
    if (error := not_finished(done.outcomes)) is not None:
        raise error
    return {
        "records": [
            {"record_id": outcome.scan.record_id, "status": outcome.status, "reasons": list(outcome.reasons)}
            for outcome in done.outcomes
        ]
    }
