"""Every few minutes: leases that ran out, waits that nobody ended, events that were not delivered."""

from dataclasses import asdict

from cardintake import limits
from cardintake.bootstrap import application
from cardintake.budget import Budget, LambdaContext
from cardintake.doors import door


@door
def handler(event: object, context: LambdaContext) -> dict[str, int]:  # noqa: ARG001 - the schedule says nothing
    """Answers with what was repaired."""
    return asdict(application().sweep.run(Budget.of_invocation(context, reserve=limits.WRITE_DOWN_SECONDS)))
