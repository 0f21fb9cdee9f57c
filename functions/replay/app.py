"""A step of the state machine of the same name: a segment of the table read again, or all reports added up."""

from typing import Any

from cardintake import limits
from cardintake.bootstrap import application
from cardintake.budget import Budget, LambdaContext
from cardintake.doors import door
from cardintake.replaying import total


@door
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`{"report": {...}, "cursor"?}`: a cursor says that the segment has more."""
    if "reports" in event:
        return {"report": total(event["reports"])}
    return application().replay.run(event, Budget.of_invocation(context, reserve=limits.WRITE_DOWN_SECONDS))
