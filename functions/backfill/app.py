"""A step of the state machine of the same name: what a backfill would read, and what that would cost."""

from typing import Any

from cardintake import limits, telemetry
from cardintake.bootstrap import application
from cardintake.budget import Budget, LambdaContext


def handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """`{"report": {...}, "token"?}`: a token says that there is more to count."""
    telemetry.invocation(context.aws_request_id)
    return application().backfill.count(event, Budget.of_invocation(context, reserve=limits.WRITE_DOWN_SECONDS))
