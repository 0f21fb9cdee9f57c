"""Uploaded and removed scans: through the queue, directly from S3, or as EventBridge events."""

from typing import Any

from cardintake import limits, scans, telemetry
from cardintake.bootstrap import application
from cardintake.budget import Budget, LambdaContext
from cardintake.worklist import not_finished


def handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """From the queue: `{"batchItemFailures": [...]}`. Directly: `{"records": [...]}`, or raises for a retry."""
    telemetry.invocation(context.aws_request_id)
    try:
        arrivals = scans.parse(event)
        done = application().worklist.run(arrivals, Budget.of_invocation(context, reserve=limits.WRITE_DOWN_SECONDS))
    finally:
        telemetry.flush()
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
