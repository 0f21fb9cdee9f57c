"""A step of the state machine of the same name: what a backfill would read, and what that would cost."""

from typing import Any

from cardintake import limits
from cardintake.bootstrap import application
from cardintake.budget import Budget, LambdaContext
from cardintake.doors import door


@door
def handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """`{"report": {...}, "token"?}`: a token says that there is more to count."""
    return application().backfill.count(event, Budget.of_invocation(context, reserve=limits.WRITE_DOWN_SECONDS))
