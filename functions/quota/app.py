"""On a schedule: what is left with the providers that sell recognitions in advance."""

from dataclasses import asdict
from typing import Any

from cardintake import limits
from cardintake.bootstrap import application
from cardintake.budget import Budget, LambdaContext
from cardintake.doors import door


@door
def handler(event: object, context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - the schedule says nothing
    """`{"balances": {provider: count}, "errors": {provider: class}}`; raises when asking again may help."""
    return asdict(application().balances.run(Budget.of_invocation(context, reserve=limits.WRITE_DOWN_SECONDS)))
